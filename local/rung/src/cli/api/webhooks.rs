//! `rung webhooks`: a tenant's webhooks, or those of all tenants.

use std::{path::Path, process::ExitCode};

use http::Method;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::{
    Error, Remote, Session,
    ask::{Ask, Body, List, Segment, read},
};

/// What can be done with webhooks.
#[derive(clap::Subcommand)]
#[command(after_help = "\
With an operator's key, name the tenant with --tenant; `list` shows those of all tenants without it.

Examples:
  rung webhooks create https://acme.example/hook --tenant acme --events 'order.*'
  rung webhooks create https://acme.example/hook --tenant acme --events '*' --secret-file secret
  rung webhooks list --health failing,disabled
  rung webhooks show webhook_5kq2m8x1r7 --tenant acme
  rung webhooks test webhook_5kq2m8x1r7 --tenant acme --event-type order.paid
  rung webhooks prove webhook_5kq2m8x1r7 --tenant acme
  rung webhooks verify webhook_5kq2m8x1r7 --tenant acme
  rung webhooks update webhook_5kq2m8x1r7 --tenant acme --status active --recover
  rung webhooks update webhook_5kq2m8x1r7 --tenant acme \\
    --client-certificate client.pem --client-key client.key
  echo '{\"secret_headers\": {\"Authorization\": \"Bearer …\"}}' |
    rung webhooks update webhook_5kq2m8x1r7 --tenant acme --from -
  rung webhooks secret webhook_5kq2m8x1r7 --tenant acme
  rung webhooks rotate-secret webhook_5kq2m8x1r7 --tenant acme --overlap-seconds 86400
  rung webhooks finish-rotation webhook_5kq2m8x1r7 --tenant acme
  rung webhooks delete webhook_5kq2m8x1r7 --tenant acme")]
pub(crate) enum Command {
    /// List webhooks
    List(List<Filters>),
    /// Show a webhook
    Show {
        /// The webhook's id
        id: Segment,
    },
    /// Create a webhook and print its secret last
    Create(Body<New>),
    /// Change what is given of a webhook
    Update {
        /// The webhook's id
        id: Segment,
        #[command(flatten)]
        body: Body<Change>,
    },
    /// Delete a webhook
    Delete {
        /// The webhook's id
        id: Segment,
    },
    /// Send a type's sample now and show what came back; fail if the test failed
    Test {
        /// The webhook's id
        id: Segment,
        /// The type [default: the first that it subscribes to]
        #[arg(long, value_name = "TYPE")]
        event_type: Option<String>,
    },
    /// Examine the receiver: what it verifies, accepts and answers, and how quickly; fail if something is wrong
    Prove {
        /// The webhook's id
        id: Segment,
        /// The type whose sample is sent [default: the first that it subscribes to]
        #[arg(long, value_name = "TYPE")]
        event_type: Option<String>,
    },
    /// Ask the endpoint whether it wants the deliveries
    Verify {
        /// The webhook's id
        id: Segment,
    },
    /// Show the secret, last, and the old ones that still sign
    Secret {
        /// The webhook's id
        id: Segment,
    },
    /// Replace the secret and print the new one last; both sign for a while
    RotateSecret {
        /// The webhook's id
        id: Segment,
        #[command(flatten)]
        rotation: Rotation,
    },
    /// End a rotation: the new secret alone signs
    FinishRotation {
        /// The webhook's id
        id: Segment,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only these states of health: healthy, failing, paused, disabled; separated by commas
    #[arg(long)]
    health: Option<String>,
    /// Only active or disabled ones
    #[arg(long)]
    status: Option<String>,
    /// Only those that get these types, groups or prefixes, separated by commas
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those whose id, name, description or URL contains this
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct New {
    /// The endpoint
    url: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    fields: Fields,
    #[command(flatten)]
    #[serde(flatten)]
    secret: Secret,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Change {
    /// The endpoint
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    fields: Fields,
    /// With --status active: send what it missed
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    recover: bool,
}

#[derive(clap::Args, Serialize)]
struct Fields {
    /// A type, group, prefix such as order.*, or *; repeatable
    #[arg(long, value_name = "TYPE")]
    events: Vec<String>,
    /// The name
    #[arg(long)]
    name: Option<String>,
    /// The description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The dialect [default: the tenant's]
    #[arg(long)]
    dialect: Option<String>,
    /// active or disabled
    #[arg(long)]
    status: Option<String>,
    /// How many attempts there may be in a second
    #[arg(long, value_name = "N")]
    rate_limit_per_second: Option<u32>,
    /// How many attempts there may be at the same time
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    #[command(flatten)]
    #[serde(flatten)]
    client_certificate: ClientCertificate,
}

#[derive(clap::Args)]
struct ClientCertificate {
    /// A PEM file with the client certificate to present to the receiver
    #[arg(
        id = "client_certificate.certificate",
        long = "client-certificate",
        value_name = "FILE",
        value_parser = content,
        requires = "client_certificate.private_key"
    )]
    certificate: Option<Content>,
    /// A PEM file with its key
    #[arg(
        id = "client_certificate.private_key",
        long = "client-key",
        value_name = "FILE",
        value_parser = content,
        requires = "client_certificate.certificate"
    )]
    private_key: Option<Content>,
}

/// What a file has. It is read with the flags: a call is not made without what cannot be read.
#[derive(Clone, Serialize)]
struct Content(String);

fn content(path: &str) -> Result<Content, String> {
    let text = read(Path::new(path)).map_err(|error| error.to_string())?;
    Ok(Content(text))
}

/// The same without the end of its line.
fn line(path: &str) -> Result<Content, String> {
    let Content(text) = content(path)?;
    Ok(Content(text.trim_end_matches(['\r', '\n']).to_owned()))
}

impl Serialize for ClientCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            certificate,
            private_key,
        } = self;
        let given = certificate.as_ref().zip(private_key.as_ref());
        let given = given.map(|(certificate, private_key)| {
            json!({ "certificate": certificate, "private_key": private_key })
        });
        json!({ "client_certificate": given }).serialize(serializer)
    }
}

#[derive(clap::Args, Serialize)]
struct Secret {
    /// A file with the secret [default: a new one]; - is standard input
    #[arg(long = "secret-file", value_name = "FILE", id = "secret", value_parser = line)]
    secret: Option<Content>,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Rotation {
    #[command(flatten)]
    #[serde(flatten)]
    secret: Secret,
    /// How long both secrets sign [default: a day]
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u32>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        const OF: &str = "webhook";
        let none = &json!({});
        let ask = match self {
            Self::List(list) => return session.list(list, "/v1/webhooks", "webhooks").await,
            Self::Show { id } => Ask::get(format!("/v1/webhooks/{id}"), OF),
            Self::Create(body) => {
                Ask::with(Method::POST, "/v1/webhooks", body.json()?, OF).once("secret")
            }
            Self::Update { id, body } => Ask::with(
                Method::PATCH,
                format!("/v1/webhooks/{id}"),
                body.json()?,
                OF,
            ),
            Self::Delete { id } => Ask::delete(format!("/v1/webhooks/{id}"), OF),
            Self::Test { id, event_type } => {
                let body = json!({ "event_type": event_type });
                Ask::post(format!("/v1/webhooks/{id}/test"), &body, "log").must_succeed("log")
            }
            Self::Prove { id, event_type } => {
                let body = json!({ "event_type": event_type });
                let ask = Ask::post(format!("/v1/webhooks/{id}/prove"), &body, "report");
                return session.prove(ask).await;
            }
            Self::Verify { id } => Ask::post(format!("/v1/webhooks/{id}/verify"), none, OF),
            Self::Secret { id } => Ask::get(format!("/v1/webhooks/{id}/secret"), "").once("secret"),
            Self::RotateSecret { id, rotation } => {
                let path = format!("/v1/webhooks/{id}/rotate-secret");
                Ask::post(path, rotation, OF).once("secret")
            }
            Self::FinishRotation { id } => {
                Ask::post(format!("/v1/webhooks/{id}/rotate-secret/finish"), none, OF)
            }
        };
        session.ask(ask).await
    }
}

//! `rung tenants`: the customers.

use std::process::ExitCode;

use http::Method;
use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{Ask, Body, List, Segment, Wait},
};

/// What can be done with tenants.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  rung tenants create acme --name Acme --dialect standard --plan pro
  rung tenants list --plan pro
  rung tenants show acme
  rung tenants update acme --plan free
  rung tenants delete acme --wait")]
pub(crate) enum Command {
    /// List tenants
    List(List<Filters>),
    /// Show a tenant
    Show {
        /// The tenant's id
        id: Segment,
    },
    /// Create a tenant
    Create(Body<New>),
    /// Change what is given of a tenant
    Update {
        /// The tenant's id
        id: Segment,
        #[command(flatten)]
        body: Body<Fields>,
        /// If the plan has webhooks again, send what they missed
        #[arg(long)]
        recover: bool,
    },
    /// Delete a tenant with all that it owns
    Delete {
        /// The tenant's id
        id: Segment,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only those with these plans, separated by commas
    #[arg(long)]
    plan: Option<String>,
    /// Only those with these dialects, separated by commas
    #[arg(long)]
    dialect: Option<String>,
    /// Only those whose id or name contains this
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct New {
    /// The tenant's id [default: a new one]
    id: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    fields: Fields,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Fields {
    /// The name
    #[arg(long)]
    name: Option<String>,
    /// The dialect of new webhooks
    #[arg(long)]
    dialect: Option<String>,
    /// The plan
    #[arg(long)]
    plan: Option<String>,
    /// How many days events and logs are kept
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let ask = match self {
            Self::List(list) => return session.list(list, "/v1/tenants", "tenants").await,
            Self::Show { id } => Ask::get(format!("/v1/tenants/{id}"), "tenant"),
            Self::Create(body) => Ask::with(Method::POST, "/v1/tenants", body.json()?, "tenant"),
            Self::Update { id, body, recover } => {
                let path = format!("/v1/tenants/{id}?recover={recover}");
                Ask::with(Method::PATCH, path, body.json()?, "tenant")
            }
            Self::Delete { id, wait } => {
                Ask::delete(format!("/v1/tenants/{id}"), "job").waiting(wait)
            }
        };
        session.ask(ask).await
    }
}

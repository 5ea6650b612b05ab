//! `rung events`: what was published, and publishing by hand.

use std::{path::PathBuf, process::ExitCode};

use rung_json::{Json, limits::JSON_DEPTH};
use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    super::{
        json_line,
        screen::{GOOD, QUIET, TITLE, WAITING, paint},
    },
    Error, Remote, Session,
    ask::{Ask, List, Segment, Wait, read, time},
    client::CallError,
};

/// What can be done with events.
#[derive(clap::Subcommand)]
#[command(after_help = "\
With an operator's key, name the tenant with --tenant; `list` shows those of all tenants without it.

Examples:
  rung events trigger user.lesson.completed --tenant acme
  rung events trigger order.paid --tenant shop --data order.json
  rung events list --type 'order.*' --since 2h
  rung events show evt_1 --tenant acme
  rung events erase evt_1 --tenant acme --wait")]
pub(crate) enum Command {
    /// Publish an event with the type's sample or your own data
    Trigger(Trigger),
    /// List events
    List(List<Filters>),
    /// Show an event with each of its deliveries
    Show {
        /// The event's id
        id: Segment,
    },
    /// Erase an event: its data, bodies, and what waits to be delivered
    Erase {
        /// The event's id
        id: Segment,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only these types, groups or prefixes, separated by commas
    #[arg(long)]
    r#type: Option<String>,
    /// Accepted since this time, or so long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Accepted before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

/// The flags of `events trigger`.
#[derive(clap::Args)]
pub(crate) struct Trigger {
    /// The event's type
    #[arg(value_name = "TYPE", id = "type")]
    event_type: String,
    /// The event's id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    /// A JSON file with the data [default: the type's sample, or {}]; - is standard input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let ask = match self {
            Self::Trigger(args) => return trigger(args, session).await,
            Self::List(list) => return session.list(list, "/v1/events", "events").await,
            // All of the answer: an event and its deliveries.
            Self::Show { id } => Ask::get(format!("/v1/events/{id}?limit=100"), ""),
            Self::Erase { id, wait } => {
                Ask::delete(format!("/v1/events/{id}"), "job").waiting(wait)
            }
        };
        session.ask(ask).await
    }
}

async fn trigger(args: &Trigger, session: &mut Session<'_>) -> Result<ExitCode, Error> {
    let published = publish(args, session).await?;
    if session.json {
        json_line(session.out, &published)?;
        return Ok(ExitCode::SUCCESS);
    }
    let event = &published["event"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (id, deliveries) = (text(&event["id"]), &published["deliveries"]);
    let style = if *deliveries == 0 { WAITING } else { GOOD };
    let webhooks = if *deliveries == 1 {
        "webhook"
    } else {
        "webhooks"
    };
    writeln!(
        session.out,
        "{} {id} to {}",
        paint(TITLE, text(&event["type"])),
        paint(style, format!("{deliveries} {webhooks}")),
    )?;
    if let Some(reason) = published["reason"].as_str() {
        writeln!(session.out, "{}", paint(QUIET, reason))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn publish(args: &Trigger, session: &Session<'_>) -> Result<Value, Error> {
    let client = &session.client;
    let event_type = &args.event_type;
    let data = match &args.data {
        Some(path) => {
            let text = read(path)?;
            // Rung reads it in the same way, but tells the place in the request.
            Json::parse(text.as_bytes(), JSON_DEPTH)
                .map_err(|error| format!("--data {}: {error}", path.display()))?;
            RawValue::from_string(text)?
        }
        None => {
            let path = event_type.parse::<Segment>()?.in_path();
            match client.get(&format!("/v1/event-types/{path}")).await {
                Ok(known) if known["event_type"]["sample"].is_object() => {
                    to_raw_value(&known["event_type"]["sample"])?
                }
                // Nobody has said what it looks like: whether it can be published is seen then.
                Ok(_) | Err(CallError::Refused { status: 404, .. }) => to_raw_value(&json!({}))?,
                Err(error) => return Err(error.into()),
            }
        }
    };
    let event = Event {
        id: args.id.as_deref(),
        r#type: event_type,
        data: &data,
    };
    Ok(client.post("/v1/events", &event).await?)
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    r#type: &'a str,
    /// As it was written: Rung judges its numbers, not this command.
    data: &'a RawValue,
}

//! `rung events`: publishing to a running Rung by hand.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    Error,
    client::{CallError, Client, dev_key},
    json_line, runtime,
    screen::{GOOD, QUIET, TITLE, WAITING, paint},
};

/// What can be done with events.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Publish an event with the type's sample or your own data
    Trigger(Trigger),
}

/// The flags of `events trigger`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung events trigger user.lesson.completed --tenant acme
  rung events trigger order.paid --tenant shop --data order.json
  RUNG_KEY=rk_… rung events trigger card.updated --url https://webhooks.example.com")]
pub(crate) struct Trigger {
    /// The event's type
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// The URL of Rung
    #[arg(long, env = "RUNG_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A key with the scope publish; use RUNG_KEY to keep it out of the process list
    /// [default: the admin key that `rung dev` stores in ./.rung]
    #[arg(long, env = "RUNG_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The tenant; required with the admin key, implied by a tenant's key
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The event's id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    /// A JSON file with the data [default: the type's sample, or {}]; - is standard input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn main(command: &Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    let Command::Trigger(args) = command;
    let published = runtime()?.block_on(trigger(args))?;
    if args.json {
        json_line(out, &published)?;
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
        out,
        "{} {id} to {}",
        paint(TITLE, text(&event["type"])),
        paint(style, format!("{deliveries} {webhooks}")),
    )?;
    if let Some(reason) = published["reason"].as_str() {
        writeln!(out, "{}", paint(QUIET, reason))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn trigger(args: &Trigger) -> Result<Value, Error> {
    let key = match &args.key {
        Some(key) => key.clone(),
        None => dev_key()?,
    };
    let mut client = Client::new(&args.url, &key);
    if let Some(tenant) = &args.tenant {
        client = client.for_tenant(tenant);
    }
    let event_type = &args.event_type;
    let data = match &args.data {
        Some(path) => read(path)?,
        None => {
            match client.get(&format!("/v1/event-types/{event_type}")).await {
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

fn read(path: &Path) -> Result<Box<RawValue>, Error> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(RawValue::from_string(text)
        .map_err(|error| format!("{} is not JSON: {error}", path.display()))?)
}

//! `rung sign`: the headers of a delivery of the body on standard input.

use std::{
    io::{self, Read as _, Write},
    process::ExitCode,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use rung_base::{
    chance,
    clock::{Clock as _, SystemClock},
};
use rung_core::domain::id::EventId;
use rung_dialect::{Dialect, SignInput};
use serde_json::{Map, json};
use url::Url;
use uuid::Uuid;

use super::{Error, check::Told, choice, json_line};

/// The latest time that can be signed: the end of the year 9999.
const LATEST_S: u64 = 253_402_300_799;

/// The flags of `sign`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung sign --dialect odin < event.json
  rung sign --dialect odin < event.json > headers
  curl -H @headers --data-binary @event.json http://127.0.0.1:9000
  rung verify --dialect odin --headers headers < event.json
  rung sign --dialect dialects/square.toml --url https://example.com/hook < event.json")]
pub(crate) struct Args {
    /// A dialect's name or the path of its file
    #[arg(long, value_name = "DIALECT", default_value = "standard")]
    dialect: String,
    #[command(flatten)]
    secrets: choice::Secrets,
    /// The event's id [default: from the body, else a new one]
    #[arg(long, value_parser = id)]
    id: Option<String>,
    /// The event's type, if the dialect's headers contain it [default: from the body]
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The time of the attempt, in Unix seconds [default: now]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=LATEST_S))]
    timestamp: Option<u64>,
    /// The delivery's UUID, if the dialect's headers contain it [default: a new one]
    #[arg(long, value_name = "UUID")]
    delivery_id: Option<Uuid>,
    #[command(flatten)]
    told: Told,
    /// Print the headers as a JSON object
    #[arg(long)]
    json: bool,
}

/// An id that an event can have.
fn id(text: &str) -> Result<String, String> {
    let id = EventId::parse(text).map_err(|problem| problem.to_string())?;
    Ok(id.to_string())
}

pub(super) fn main(args: &Args, out: &mut impl Write) -> Result<ExitCode, Error> {
    let dialect = choice::dialect(&args.dialect)?;
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;
    let fields = sign(args, &dialect, &body)?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let names = choice::spelling(&dialect);
    if args.json {
        let headers: Map<_, _> = fields
            .iter()
            .map(|(name, value)| (names.spelled(name).to_owned(), text(value).into()))
            .collect();
        json_line(out, &json!({ "dialect": dialect.name, "headers": headers }))?;
    } else {
        for (name, value) in &fields {
            writeln!(out, "{}: {}", names.spelled(name), text(value))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn sign(
    args: &Args,
    dialect: &Dialect,
    body: &[u8],
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let secret = args.secrets.first()?;
    let told = dialect.read(&HeaderMap::new(), body);
    let wall_ms = SystemClock.wall_ms();
    let id = args.id.clone().or(told.event_id);
    let id = id.unwrap_or_else(|| dialect.new_event_id(wall_ms, chance::bytes()));
    let event_type = args.event_type.clone().or(told.event_type);
    if event_type.is_none() && dialect.headers_name_the_type() {
        let reason = format!(
            "the headers of {} contain the event type, which is not in the body: add --type",
            dialect.name
        );
        return Err(reason.into());
    }
    let new_delivery_id = || uuid::Builder::from_random_bytes(chance::bytes()).into_uuid();
    let input = SignInput {
        event_id: &id,
        event_type: event_type.as_deref().unwrap_or_default(),
        delivery_id: args.delivery_id.unwrap_or_else(new_delivery_id),
        time_ms: args
            .timestamp
            .map_or(wall_ms, |seconds| seconds.saturating_mul(1000)),
        body,
        secret: &secret,
        url: args.told.url.as_ref().map_or("", Url::as_str),
        tenant: args.told.tenant.as_deref().unwrap_or_default(),
        webhook_id: args.told.webhook_id.as_deref().unwrap_or_default(),
        ..SignInput::default()
    };
    let name = &dialect.name;
    if let Some(flag) = dialect.lacks(&input) {
        let reason = format!("the headers of {name} depend on what --{flag} says: add it");
        return Err(reason.into());
    }
    dialect
        .check_secret(&secret)
        .map_err(|fault| format!("the secret {fault}"))?;
    let request = dialect.request(&input)?;
    if !dialect.proves_in_headers(&secret) {
        let place = match dialect.proves_nothing() {
            true => "nothing signs it",
            false => "its signature stands in the body, which is left as it is",
        };
        writeln!(
            anstream::stderr(),
            "rung: no header of {name} has a signature: {place}"
        )?;
    }
    Ok(request.headers)
}

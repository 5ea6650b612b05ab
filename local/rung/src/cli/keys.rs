//! `rung keys`: the operator's keys of a running Rung.

use std::{io::Write, process::ExitCode};

use rung_core::domain::id::KeyId;
use serde_json::{Value, json};

use super::{
    Error,
    client::{Client, dev_key},
    json_line, runtime,
    screen::{GOOD, QUIET, TITLE, paint},
};

/// What can be done with the operator's keys.
#[derive(clap::Subcommand)]
#[command(after_help = "\
The key that may do this (scope admin) is RUNG_KEY, or the one that `rung dev` keeps in ./.rung.

Examples:
  rung keys create \"Outbox relay\" --scope publish
  rung keys list
  rung keys revoke key_root")]
pub(crate) enum Command {
    /// List the operator's keys
    List(List),
    /// Create a key and print it; it is shown only once
    Create(Create),
    /// Delete a key, which stops working
    Revoke(Revoke),
}

/// Where Rung is.
#[derive(clap::Args)]
struct Place {
    /// The URL of Rung
    #[arg(long, env = "RUNG_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

impl Place {
    /// A client with the key of the environment: one among the arguments would be seen in the list of processes.
    #[allow(clippy::disallowed_methods)]
    fn client(&self) -> Result<Client, Error> {
        let key = std::env::var("RUNG_KEY").ok().filter(|key| !key.is_empty());
        let key = key.map_or_else(dev_key, Ok)?;
        Ok(Client::new(&self.url, &key))
    }
}

/// The flags of `keys list`.
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// Print a JSON object per key
    #[arg(long)]
    json: bool,
}

/// The flags of `keys create`.
#[derive(clap::Args)]
pub(crate) struct Create {
    /// The key's name
    name: String,
    /// A scope: admin, manage, publish, read, catalogue or erase; repeatable
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The expiry, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The flags of `keys revoke`.
#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// The key's id, not the key itself
    #[arg(value_parser = KeyId::parse)]
    id: KeyId,
    #[command(flatten)]
    place: Place,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn main(command: &Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    runtime()?.block_on(async {
        match command {
            Command::List(args) => list(args, out).await,
            Command::Create(args) => create(args, out).await,
            Command::Revoke(args) => revoke(args, out).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &List, out: &mut impl Write) -> Result<(), Error> {
    let client = args.place.client()?;
    let mut path = "/v1/keys".to_owned();
    loop {
        let page = client.get(&path).await?;
        for key in page["keys"].as_array().into_iter().flatten() {
            if args.json {
                json_line(out, key)?;
            } else {
                line(out, key)?;
            }
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/keys?cursor={cursor}"),
            None => return Ok(()),
        }
    }
}

/// One key for a person.
fn line(out: &mut impl Write, key: &Value) -> Result<(), Error> {
    let text = |name: &str| key[name].as_str().unwrap_or_default();
    let scopes = key["scopes"].as_array().into_iter().flatten();
    let scopes: Vec<_> = scopes.filter_map(Value::as_str).collect();
    let used = match key["last_used_at"].as_str() {
        Some(time) => format!("last used {time}"),
        None => "never used".to_owned(),
    };
    let end = match key["expires_at"].as_str() {
        Some(time) => format!(", ends {time}"),
        None => String::new(),
    };
    writeln!(
        out,
        "{} {} {} {}",
        paint(TITLE, text("id")),
        text("name"),
        paint(GOOD, scopes.join(",")),
        paint(QUIET, format!("{used}{end}")),
    )?;
    Ok(())
}

async fn create(args: &Create, out: &mut impl Write) -> Result<(), Error> {
    let key = json!({
        "name": args.name,
        "scopes": args.scopes,
        "expires_at": args.expires_at,
    });
    let made = args.place.client()?.post("/v1/keys", &key).await?;
    if args.json {
        return json_line(out, &made["key"]);
    }
    line(out, &made["key"])?;
    // On a line of its own, for `tail -1`.
    writeln!(out, "{}", made["key"]["key"].as_str().unwrap_or_default())?;
    Ok(())
}

async fn revoke(args: &Revoke, out: &mut impl Write) -> Result<(), Error> {
    let path = format!("/v1/keys/{}", args.id);
    let deleted = args.place.client()?.delete(&path).await?;
    if args.json {
        return json_line(out, &deleted["key"]);
    }
    writeln!(
        out,
        "{} {}",
        paint(TITLE, args.id.as_str()),
        paint(GOOD, "revoked")
    )?;
    Ok(())
}

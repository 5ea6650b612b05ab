//! `rung health`: whether a Rung answers, as load balancers and containers ask.

use std::{io::Write, process::ExitCode};

use super::{
    super::{
        json_line, runtime,
        screen::{GOOD, paint},
    },
    Error,
    client::Client,
    profiles::{base, meant},
};

/// The flags of `health`.
#[derive(clap::Args)]
#[command(after_help = "\
Needs no key.

Examples:
  rung health
  rung health --profile production
  rung health --server https://webhooks.example.com")]
pub(crate) struct Health {
    /// The profile of `rung login` to use [env: RUNG_PROFILE]
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    profile: Option<String>,
    /// The URL of Rung [env: RUNG_URL] [default: that of the profile in use, or http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_parser = base)]
    server: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Health, out: &mut impl Write) -> Result<ExitCode, Error> {
    let meant = meant(args.profile.as_deref(), args.server.as_deref())?;
    let health = runtime()?.block_on(Client::without_key(&meant.url).get("/v1/health"))?;
    if args.json {
        json_line(out, &health)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| health[name].as_str().unwrap_or_default().to_owned();
    writeln!(out, "{} {}", paint(GOOD, text("status")), text("version"))?;
    Ok(ExitCode::SUCCESS)
}

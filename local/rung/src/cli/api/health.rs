//! `rung health`: whether a Rung answers, as load balancers and containers ask.

use std::{io::Write, process::ExitCode};

use super::{
    super::{
        runtime,
        screen::{GOOD, paint},
    },
    Error,
    client::Client,
    profiles::{LOCAL, base},
};

/// The flags of `health`.
#[derive(clap::Args)]
#[command(after_help = "\
It needs no key.

Examples:
  rung health
  rung health --server https://webhooks.example.com")]
pub(crate) struct Health {
    /// The URL of Rung
    #[arg(long, default_value = LOCAL, value_parser = base)]
    server: String,
}

pub(crate) fn main(args: &Health, out: &mut impl Write) -> Result<ExitCode, Error> {
    let health = runtime()?.block_on(Client::without_key(&args.server).get("/v1/health"))?;
    let text = |name: &str| health[name].as_str().unwrap_or_default().to_owned();
    writeln!(out, "{} {}", paint(GOOD, text("status")), text("version"))?;
    Ok(ExitCode::SUCCESS)
}

//! `rung audit`: who changed what.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{List, time},
};

/// The flags of `audit`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung audit --since 1d
  rung audit --action 'webhook.*' --tenant acme --json
  rung audit --actor key_root --all")]
pub(crate) struct Audit {
    #[command(flatten)]
    list: List<Filters>,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only by these keys (ids), or key or system; separated by commas
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only these actions, such as webhook.*, separated by commas
    #[arg(long)]
    action: Option<String>,
    /// Only about these things (ids), separated by commas
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Since this time, or so long ago, such as 1d
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

impl Remote for Audit {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        session.list(&self.list, "/v1/audit", "entries").await
    }
}

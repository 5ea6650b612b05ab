//! `rung stats`: how deliveries went, of a webhook, a tenant or the deployment.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{Ask, Segment, given, time, with_query},
};

/// The flags of `stats`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung stats                                        # of the deployment, with an operator's key
  rung stats --tenant acme --bucket day
  rung stats webhook_5kq2m8x1r7 --tenant acme --since 6h")]
pub(crate) struct Stats {
    /// The webhook's id [default: all]
    webhook: Option<Segment>,
    #[command(flatten)]
    span: Span,
}

#[derive(clap::Args, Serialize)]
struct Span {
    /// Since this time, or so long ago, such as 6h [default: a day ago; 30 days with --bucket day]
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Count by hour or day
    #[arg(long)]
    bucket: Option<String>,
}

impl Remote for Stats {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let path = match &self.webhook {
            Some(webhook) => format!("/v1/webhooks/{webhook}/stats"),
            None => "/v1/stats".to_owned(),
        };
        session
            .ask(Ask::get(with_query(&path, &given(&self.span)), "stats"))
            .await
    }
}

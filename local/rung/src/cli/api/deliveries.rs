//! `rung pending`, `retry`, `cancel` and `recover`: deliveries that wait, and sending again.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, Segment, Wait, time},
};

/// The flags of `pending`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung pending webhook_5kq2m8x1r7 --tenant acme
  rung pending webhook_5kq2m8x1r7 --tenant acme --status held,missed,failed --all")]
pub(crate) struct Pending {
    /// The webhook's id
    webhook: Segment,
    #[command(flatten)]
    list: List<Filters>,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Statuses to list: pending, held, missed, failed, cancelled; separated by commas
    #[arg(long, default_value = "pending")]
    status: String,
}

/// The flags of `retry`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung logs --webhook webhook_5kq2m8x1r7 --tenant acme --status failed --json |
    jq -r .delivery_id
  rung retry webhook_5kq2m8x1r7 0f8fad5b-d9cb-869f-a165-70867728950e --tenant acme")]
pub(crate) struct Retry {
    #[command(flatten)]
    one: One,
}

/// The flags of `cancel`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung cancel webhook_5kq2m8x1r7 0f8fad5b-d9cb-869f-a165-70867728950e --tenant acme")]
pub(crate) struct Cancel {
    #[command(flatten)]
    one: One,
}

#[derive(clap::Args)]
struct One {
    /// The webhook's id
    webhook: Segment,
    /// The delivery's id, which `rung pending` and `rung logs --json` show
    delivery: Segment,
}

/// The flags of `recover`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung recover webhook_5kq2m8x1r7 --tenant acme --since 2d --dry-run
  rung recover webhook_5kq2m8x1r7 --tenant acme --since 2d --wait
  rung recover --all --tenant acme --statuses failed --rate-per-second 10
  rung recover --all --since 6h --statuses failed    # of all tenants, with an operator's key")]
pub(crate) struct Recover {
    /// The webhook's id; --all in its place for all webhooks
    #[arg(required_unless_present = "all")]
    webhook: Option<Segment>,
    /// All active webhooks: of the tenant, or with an operator's key without --tenant of the deployment
    #[arg(long, conflicts_with = "webhook")]
    all: bool,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    wait: Wait,
}

#[derive(clap::Args, Serialize)]
struct What {
    /// Of events accepted since this time, or so long ago, such as 2d
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Of events accepted before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Statuses to send again: failed, held, missed, pending, or any; separated by commas
    /// [default: failed,held,missed]
    #[arg(long, value_delimiter = ',', value_name = "STATUS")]
    statuses: Vec<String>,
    /// Of these types, groups or prefixes, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    event_types: Vec<String>,
    /// These deliveries, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    delivery_ids: Vec<String>,
    /// How many are sent in a second
    #[arg(long, value_name = "N")]
    rate_per_second: Option<u32>,
    /// Count them, and send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Remote for Pending {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let path = format!("/v1/webhooks/{}/deliveries", self.webhook);
        session.list(&self.list, &path, "deliveries").await
    }
}

impl One {
    async fn send(&self, what: &str, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let Self { webhook, delivery } = self;
        let path = format!("/v1/webhooks/{webhook}/deliveries/{delivery}/{what}");
        session.ask(Ask::post(path, &json!({}), "delivery")).await
    }
}

impl Remote for Retry {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        self.one.send("retry", session).await
    }
}

impl Remote for Cancel {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        self.one.send("cancel", session).await
    }
}

impl Remote for Recover {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let path = match &self.webhook {
            Some(webhook) => format!("/v1/webhooks/{webhook}/recover"),
            None => "/v1/recover".to_owned(),
        };
        session
            .ask(Ask::post(path, &self.what, "job").waiting(&self.wait))
            .await
    }
}

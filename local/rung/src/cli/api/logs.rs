//! `rung logs`: attempts, as they are made.

use std::{collections::HashSet, process::ExitCode, time::Duration};

use rung_base::clock::milliseconds;
use rung_core::domain::time::Time;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Error, Remote, Session,
    ask::{Ask, List, Segment, time, with_query},
    client::CallError,
    table::Table,
};

/// How long to wait before looking for new entries.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The list is in the order in which attempts began, and an entry comes when its attempt has ended: one that comes later than
/// another may stand so much earlier.
const BEHIND_MS: u64 = 60_000;

/// What says which entries a list has: nothing where one entry is named.
const FILTERS: [&str; 10] = [
    "status",
    "response_status",
    "error_code",
    "event_type",
    "event_id",
    "delivery_id",
    "trigger",
    "since",
    "until",
    "all",
];

/// The flags of `logs`.
#[derive(clap::Args)]
#[command(after_help = "\
Without --webhook, shows the attempts at all of the tenant's webhooks; with an operator's key and
without --tenant, those of all tenants.

Examples:
  rung logs --tenant acme --follow
  rung logs --tenant acme --webhook webhook_5kq2m8x1r7 --status failed --since 1h
  # One entry, with its request and response
  rung logs log_9k2 --tenant acme --webhook webhook_5kq2m8x1r7")]
pub(crate) struct Logs {
    /// An entry's id: show it with its request and response
    #[arg(requires = "webhook", conflicts_with_all = FILTERS)]
    entry: Option<Segment>,
    /// Only the attempts at this webhook
    #[arg(long, value_name = "ID")]
    webhook: Option<Segment>,
    #[command(flatten)]
    list: List<Filters>,
    /// Show the latest entries, oldest first, and then new ones as they come, until interrupted
    #[arg(long, short, conflicts_with_all = ["entry", "all", "order", "until"])]
    follow: bool,
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only succeeded or failed ones
    #[arg(long)]
    status: Option<String>,
    /// Only with these response statuses or classes, such as 404,5xx
    #[arg(long, value_name = "STATUS")]
    response_status: Option<String>,
    /// Only with these errors, such as timeout,tls
    #[arg(long, value_name = "CODE")]
    error_code: Option<String>,
    /// Only of these types, groups or prefixes, separated by commas
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only of these events, separated by commas
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only of these deliveries, separated by commas
    #[arg(long, value_name = "ID")]
    delivery_id: Option<String>,
    /// Only made for these reasons: event, retry, manual, recover, test; separated by commas
    #[arg(long)]
    trigger: Option<String>,
    /// Attempted since this time, or so long ago, such as 1h
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Attempted before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
}

impl Remote for Logs {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let path = match &self.webhook {
            Some(webhook) => format!("/v1/webhooks/{webhook}/logs"),
            None => "/v1/logs".to_owned(),
        };
        match &self.entry {
            Some(entry) => {
                session
                    .ask(Ask::get(format!("{path}/{entry}"), "log"))
                    .await
            }
            None if self.follow => follow(&self.list, &path, session).await,
            None => session.list(&self.list, &path, "logs").await,
        }
    }
}

/// Shows the newest entries, then new ones. Each look reads what began since a little before the newest entry: what is there
/// already is told by its id.
async fn follow(
    list: &List<Filters>,
    path: &str,
    session: &mut Session<'_>,
) -> Result<ExitCode, Error> {
    let mut query = list.query();
    let mut latest = query.clone();
    latest.insert("limit".to_owned(), list.page.limit.min(100).into());
    let mut page = session.client.get(&with_query(path, &latest)).await?;
    let mut shown: Vec<Value> = match page["logs"].take() {
        Value::Array(entries) => entries.into_iter().rev().collect(),
        _ => Vec::new(),
    };
    let mut table = Table::of("logs");
    session.rows(&mut table, &shown)?;
    // What is older than these was left out on purpose.
    let first = shown.first().map(|entry| attempted_at(entry).to_owned());
    let mut newest = shown.iter().map(attempted_at).max().map(str::to_owned);
    let mut seen: HashSet<String> = shown.iter().map(id).collect();
    query.insert("order".to_owned(), "asc".into());
    query.insert("limit".to_owned(), 100.into());
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if let Some(since) = newest.as_deref().and_then(before) {
            query.insert("since".to_owned(), since.into());
        }
        let entries = match all(path, &query, session).await {
            // What has come meanwhile is shown at the next look.
            Err(error) if error.may_pass() => {
                session.note(&error.to_string());
                continue;
            }
            entries => entries?,
        };
        let is_new = |entry: &&Value| {
            !seen.contains(&id(entry))
                && first
                    .as_deref()
                    .is_none_or(|first| attempted_at(entry) >= first)
        };
        shown = entries.iter().filter(is_new).cloned().collect();
        session.rows(&mut table, &shown)?;
        newest = newest.max(shown.iter().map(attempted_at).max().map(str::to_owned));
        seen = entries.iter().map(id).collect();
    }
}

/// All pages of a query.
async fn all(
    path: &str,
    query: &Map<String, Value>,
    session: &Session<'_>,
) -> Result<Vec<Value>, CallError> {
    let (mut query, mut entries) = (query.clone(), Vec::new());
    loop {
        let mut page = session.client.get(&with_query(path, &query)).await?;
        if let Value::Array(more) = page["logs"].take() {
            entries.extend(more);
        }
        match page["next_cursor"].take() {
            Value::String(cursor) => query.insert("cursor".to_owned(), cursor.into()),
            _ => return Ok(entries),
        };
    }
}

fn id(entry: &Value) -> String {
    entry["id"].as_str().unwrap_or_default().to_owned()
}

/// Times of the API have one form, so they compare as texts.
fn attempted_at(entry: &Value) -> &str {
    entry["attempted_at"].as_str().unwrap_or_default()
}

/// From when on to look for what came later than an entry that was attempted then.
fn before(attempted_at: &str) -> Option<String> {
    let attempted_ms = milliseconds(attempted_at.parse().ok()?);
    Some(Time::at_ms(attempted_ms.saturating_sub(BEHIND_MS)).to_string())
}

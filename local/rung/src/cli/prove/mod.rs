//! `rung prove`: examines a receiver before it goes live.
//!
//! What it sends and what that shows is `rung_prove`'s; [`report`] shows it to people.

pub(super) mod report;

use std::{collections::BTreeMap, io::Write, process::ExitCode, sync::Arc};

use rung_base::clock::{Clock as _, SystemClock};
use rung_core::{
    domain::{
        id::{TenantId, WebhookId},
        webhook::{Secret, Webhook},
    },
    egress,
    flow::post::Poster,
};
use rung_dialect::{Dialect, EVERY_TYPE};
use rung_json::Json;
use rung_prove::Examination;
use url::Url;

use super::{Error, choice, json_line, runtime};

/// The file descriptors for a connection at a time, and the name look-ups.
const DESCRIPTORS: usize = 32;

/// The flags of `prove`.
#[derive(clap::Args)]
#[command(after_help = "\
Sends about ten deliveries of a sample event with the header `Rung-Test: true`, so that your
receiver can tell them from others.
Exits with 0 if nothing is wrong, else with 1, and says what to change.

Examples:
  RUNG_SECRET=whsec_… rung prove https://api.example.com/hooks --dialect odin
  rung prove http://127.0.0.1:3000/hooks --secret-file secret --dialect ours.toml --json")]
pub(crate) struct Args {
    /// The receiver's URL
    #[arg(value_name = "URL", value_parser = url)]
    url: Url,
    /// A dialect's name or the path of its file
    #[arg(long, value_name = "DIALECT", default_value = "standard")]
    dialect: String,
    #[command(flatten)]
    secrets: choice::Secrets,
    /// The type whose sample is sent [default: the dialect's first]
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("must be a URL with http or https".to_owned())
    }
}

pub(super) fn main(args: &Args, out: &mut impl Write) -> Result<ExitCode, Error> {
    let dialect = choice::dialect(&args.dialect)?;
    let secret = args.secrets.first()?;
    dialect
        .check_secret(&secret)
        .map_err(|fault| format!("the secret {fault}"))?;
    let catalogue = &dialect.catalogue;
    let event_type = match &args.event_type {
        Some(event_type) => catalogue.resolve_type(event_type),
        None => catalogue.first_type_of(EVERY_TYPE),
    };
    let event_type = event_type.ok_or_else(|| format!("{} has no such type", dialect.name))?;
    let schema = catalogue
        .get(event_type)
        .and_then(|listed| listed.schema.as_ref());
    let client = egress::Client::new(
        egress::Policy::default(),
        egress::Roots::builtin(),
        DESCRIPTORS,
    );
    let clock = Arc::new(SystemClock);
    let examination = Examination {
        poster: &Poster::new(Arc::new(client), clock.clone()),
        clock: &*clock,
        webhook: &webhook(&args.url, secret, &dialect)?,
        dialect: &dialect,
        event_type,
        takes: &|data| schema.is_none_or(|schema| schema.check(data).violations.is_empty()),
        within: None,
    };
    let report = runtime()?.block_on(examination.run())?;
    if args.json {
        json_line(out, &report)?;
    } else {
        report::print(&serde_json::to_value(&report)?, out)?;
    }
    Ok(if report.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A webhook of nobody's with the receiver that is examined.
fn webhook(url: &Url, secret: String, dialect: &Dialect) -> Result<Webhook, Error> {
    let now_ms = SystemClock.now_ms();
    Ok(Webhook {
        tenant: TenantId::parse("prove")?,
        id: WebhookId::parse("wh_prove")?,
        url: url.to_string(),
        events: vec![EVERY_TYPE.to_owned()],
        filter: None,
        rate_limit: None,
        pace_epoch: now_ms,
        max_in_flight: None,
        keep_alive: None,
        name: None,
        description: None,
        secret: Secret::new(secret),
        old_secrets: Vec::new(),
        headers: BTreeMap::new(),
        secret_headers: BTreeMap::new(),
        client_certificate: None,
        metadata: Json::empty(),
        dialect: dialect.name.clone(),
        challenge: false,
        disabled: None,
        disabled_before_ms: None,
        outage: None,
        pause: None,
        epoch: now_ms,
        first_epoch: now_ms,
        revision: 0,
        enabled_ms: now_ms,
        created_ms: now_ms,
    })
}

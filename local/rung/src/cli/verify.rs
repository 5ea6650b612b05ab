//! `rung verify`: whether a body on standard input and its headers are what a dialect signs.

use std::{
    fs,
    io::{self, Read as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use rung_base::clock::{Clock as _, SystemClock};
use rung_dialect::limits::TOLERANCE_S;
use serde_json::json;
use url::Url;

use super::{
    Error,
    check::{Request, Told, all_hold, check},
    choice, json_line,
    screen::{BAD, GOOD, paint},
};

/// The flags of `verify`.
#[derive(clap::Args)]
#[command(after_help = "\
Ends with 0 if every signature that the dialect has holds, else with 1 and the reason.

Examples:
  rung verify --dialect badger --header 'X-Badger-Signature: 42a9…' < body.json
  rung verify --dialect odin --headers headers < body.json
  rung verify --headers headers --at 1696680000 < recorded.json
  rung verify --dialect dialects/square.toml --url https://example.com/hook \\
    --headers headers < body.json")]
pub(crate) struct Args {
    /// A dialect's name or the path of its file
    #[arg(long, value_name = "DIALECT", default_value = "standard")]
    dialect: String,
    #[command(flatten)]
    secrets: choice::Secrets,
    /// A header of the request, as 'Name: value'; repeatable
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// A file of headers, one per line, as printed by `rung sign`
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// Maximum difference between a signed time and the clock, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = TOLERANCE_S)]
    tolerance: u64,
    /// Verify as of this time, in Unix seconds [default: now]
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    #[command(flatten)]
    told: Told,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args, out: &mut impl Write) -> Result<ExitCode, Error> {
    let dialect = choice::dialect(&args.dialect)?;
    let secrets = args.secrets.required()?;
    let headers = headers(args)?;
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;
    let checks = check(
        &dialect,
        &Request {
            headers: &headers,
            body: &body,
            method: "POST",
            url: args.told.url.as_ref().map_or("", Url::as_str),
            tenant: args.told.tenant.as_deref().unwrap_or_default(),
            webhook_id: args.told.webhook_id.as_deref().unwrap_or_default(),
            secrets: &secrets,
            now_s: args.at.unwrap_or_else(|| SystemClock.wall_ms() / 1000),
            tolerance_s: args.tolerance,
        },
    );
    let verified = all_hold(&checks);
    if args.json {
        let answer = json!({ "dialect": dialect.name, "verified": verified, "signatures": checks });
        json_line(out, &answer)?;
    } else {
        for check in &checks {
            writeln!(out, "{check}")?;
        }
        let name = &dialect.name;
        match (verified, checks.is_empty()) {
            (true, _) => writeln!(out, "{}", paint(GOOD, format!("verified as {name}")))?,
            (false, true) => {
                let reason = match dialect.proves_nothing() {
                    true => format!("not verified: {name} signs nothing"),
                    false => {
                        format!("not verified: {name} has no signature for this kind of secret")
                    }
                };
                writeln!(out, "{}", paint(BAD, reason))?;
            }
            (false, false) => {
                writeln!(out, "{}", paint(BAD, format!("not verified as {name}")))?;
            }
        }
    }
    Ok(if verified {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn headers(args: &Args) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(path) = &args.headers {
        let told = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(path).map_err(|error| told(&error))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = header(line).map_err(|reason| told(&reason))?;
            headers.append(name, value);
        }
    }
    for (name, value) in &args.header {
        headers.append(name, value.clone());
    }
    Ok(headers)
}

/// Reads `Name: value`.
fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parts = line.split_once(':').and_then(|(name, value)| {
        let name: HeaderName = name.trim().parse().ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    parts.ok_or_else(|| format!("{line:?} is not a header: write 'Name: value'"))
}

//! `rung dialects`: what comes with Rung, what one of them sends, and whether a file of one's own is right.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use http::{HeaderName, HeaderValue};
use rung_base::clock::timestamp;
use rung_core::config::{ConfigError, retention, with_dialect};
use rung_dialect::{
    Dialect, DialectFault, Dialects, EVERY_TYPE, EventFacts, Language, SignInput,
    ladder::DisableRule, statuses,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Error, choice, json_line,
    screen::{BAD, GOOD, NAME, QUIET, TITLE, WAITING, paint, span},
};

/// An example's secret, of the kind that Rung makes; it opens nothing.
const EXAMPLE_SECRET: &str = "whsec_cnVuZyBleGFtcGxlIHNlY3JldCBmb3IgZG9jcw==";
/// An example's time: 2025-10-10T12:30:00Z.
const EXAMPLE_MS: u64 = 1_760_099_400_000;

/// What can be asked of dialects.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  rung dialects list
  rung dialects show odin --snippet python
  rung dialects show standard --snippet typescript --key-pair
  rung dialects check ours.toml
  rung dialects schema > dialect.schema.json")]
pub(crate) enum Command {
    /// List the dialects that come with Rung, and those of the files in RUNG_DIALECTS
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show a dialect: an example delivery, its rules, its event types
    Show {
        /// The dialect's name or the path of its file
        #[arg(value_name = "DIALECT")]
        dialect: String,
        /// Print code for receivers that verifies a delivery
        #[arg(long, value_name = "LANGUAGE", value_parser = language())]
        snippet: Option<Language>,
        /// With --snippet: for a webhook with a key pair, which signs v1a
        #[arg(long, requires = "snippet")]
        key_pair: bool,
        /// Print its file, to start your own from
        #[arg(long, conflicts_with_all = ["json", "snippet"])]
        source: bool,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of dialect files, for editors
    Schema,
    /// Check your own dialect files; each mistake is reported with its line, its column and how to mend it
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
}

/// Reads a language by its name.
fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).try_map(|name| {
        let language = Language::ALL.into_iter().find(|one| one.name() == name);
        language.ok_or("unknown language")
    })
}

pub(super) fn main(command: &Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    match command {
        Command::List { json } => list(*json, out),
        Command::Show {
            dialect,
            snippet,
            key_pair,
            source,
            json,
        } => {
            let dialect = choice::dialect(dialect)?;
            if let Some(language) = snippet {
                let code = if *key_pair {
                    dialect.key_pair_snippet(*language)?.to_owned()
                } else {
                    dialect.snippet(*language)?
                };
                if *json {
                    json_line(out, &json!({ "language": language.name(), "code": code }))?;
                } else {
                    write!(out, "{code}")?;
                }
            } else if *source {
                write!(out, "{}", dialect.source)?;
            } else if *json {
                json_line(out, &view(&dialect)?)?;
            } else {
                show(&dialect, out)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            json_line(out, &rung_dialect::schema())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { files, json } => check(files, *json, out),
    }
}

fn list(json: bool, out: &mut impl Write) -> Result<ExitCode, Error> {
    let dialects = choice::known()?;
    if json {
        let all: Vec<_> = dialects
            .iter()
            .map(|dialect| json!({ "name": dialect.name, "description": dialect.description }))
            .collect();
        json_line(out, &all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = dialects.names().map(str::len).max().unwrap_or_default();
    for dialect in dialects.iter() {
        let name = paint(NAME, dialect.name.as_str());
        writeln!(out, "{name:width$}  {}", dialect.description)?;
    }
    writeln!(
        out,
        "{}",
        paint(QUIET, "\nrung dialects show NAME shows details.")
    )?;
    Ok(ExitCode::SUCCESS)
}

fn check(files: &[PathBuf], json: bool, out: &mut impl Write) -> Result<ExitCode, Error> {
    let mut code = ExitCode::SUCCESS;
    let retention = retention()?;
    // All that are right so far: they are used together, so no two may have one name.
    let mut right = Dialects::builtin();
    for path in files {
        let checked = checked(&mut right, path, retention);
        let file = path.display().to_string();
        match (&checked, json) {
            (Ok(dialect), true) => {
                json_line(
                    out,
                    &json!({ "file": file, "ok": true, "name": dialect.name, "notes": notes(dialect) }),
                )?;
            }
            (Err(Unusable { problem, mistakes }), true) => {
                let mistakes: Vec<_> = mistakes.iter().map(mistake).collect();
                let told =
                    json!({ "file": file, "ok": false, "problem": problem, "mistakes": mistakes });
                json_line(out, &told)?;
            }
            (Ok(dialect), false) => {
                writeln!(
                    out,
                    "{} {file}: {}, {}",
                    paint(GOOD, "✔"),
                    paint(NAME, dialect.name.as_str()),
                    types(dialect)
                )?;
                for note in notes(dialect) {
                    let style = match note.starts_with("warning") {
                        true => WAITING,
                        false => QUIET,
                    };
                    writeln!(out, "  {}", paint(style, note))?;
                }
            }
            (Err(Unusable { problem, mistakes }), false) => {
                if mistakes.is_empty() {
                    writeln!(out, "{} {problem}", paint(BAD, "✘"))?;
                }
                for one in mistakes {
                    writeln!(out, "{} {one}", paint(BAD, "✘"))?;
                }
            }
        }
        if checked.is_err() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// What is no mistake, since somebody's receivers may be used to it, and good to know.
fn notes(dialect: &Dialect) -> Vec<String> {
    let unproven: Vec<_> = dialect.unproven_signatures().collect();
    let warnings = unproven.iter().map(|signature| {
        format!("warning: anybody can make the signature `{signature}`, because neither `algorithm` nor `signed` uses the secret: take an `hmac-` algorithm, or sign `{{secret}}` too")
    });
    let nothing = !unproven.is_empty() && dialect.proves_nothing();
    let nothing =
        nothing.then(|| "warning: nothing in a delivery proves who has sent it".to_owned());
    let unsigned = dialect.unsigned_challenge();
    let notes = unsigned.into_iter().map(|reason| {
        format!("note: receivers cannot verify the challenge as they verify deliveries: {reason}")
    });
    warnings.chain(nothing).chain(notes).collect()
}

/// Why a file cannot be used.
struct Unusable {
    problem: String,
    /// None if it cannot even be read.
    mistakes: Vec<DialectFault>,
}

/// The dialect in a file, which is put to the others.
fn checked(
    right: &mut Dialects,
    path: &Path,
    retention: Duration,
) -> Result<Arc<Dialect>, Unusable> {
    let dialects = with_dialect(right.clone(), path, retention);
    *right = dialects.map_err(|error| Unusable {
        problem: error.to_string(),
        mistakes: match error {
            ConfigError::Dialect(faults) => faults.0,
            _ => Vec::new(),
        },
    })?;
    // The file's own stands last.
    let own = right.iter().last().cloned();
    own.ok_or_else(|| Unusable {
        problem: "the file has no dialect".to_owned(),
        mistakes: Vec::new(),
    })
}

fn mistake(fault: &DialectFault) -> Value {
    json!({
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "reason": fault.reason,
        "mend": fault.mend,
    })
}

/// A delivery as its receiver sees it.
struct Example {
    event_type: String,
    secret: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
}

fn example(dialect: &Dialect) -> Result<Example, Error> {
    let catalogue = &dialect.catalogue;
    let event_type = catalogue.first_type_of(EVERY_TYPE).unwrap_or_default();
    let data = catalogue
        .sample(event_type)
        .ok_or("this dialect has no event types")?;
    let id = dialect.new_event_id(EXAMPLE_MS, *b"rung's examples.");
    let body = dialect.body(&EventFacts {
        id: &id,
        event_type,
        data,
        time: timestamp(EXAMPLE_MS),
        is_time_given: false,
        request_id: "req_0a1b2c3d4e5f60718293",
        metadata: None,
    })?;
    let secret = match dialect.check_secret(EXAMPLE_SECRET) {
        Ok(()) => EXAMPLE_SECRET.to_owned(),
        Err(_) => dialect.new_secret(*b"rung's examples open nothing...."),
    };
    let request = dialect.request(&SignInput {
        event_id: &id,
        event_type,
        delivery_id: Uuid::from_u128(0x0199_cdf4_5a40_8000_8000_0000_0000_0001),
        webhook_id: "wh_example",
        tenant: "acme",
        url: "https://example.com/your/endpoint",
        time_ms: EXAMPLE_MS,
        body: &body,
        secret: &secret,
        ..SignInput::default()
    })?;
    Ok(Example {
        event_type: event_type.to_owned(),
        headers: request.headers,
        body: String::from_utf8_lossy(&request.body).into_owned(),
        secret: secret.clone(),
    })
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn show(dialect: &Dialect, out: &mut impl Write) -> Result<(), Error> {
    writeln!(out, "{}", paint(TITLE, dialect.name.as_str()))?;
    writeln!(out, "{}", dialect.description)?;
    if let Some(docs) = &dialect.docs {
        writeln!(out, "{}", paint(QUIET, docs))?;
    }

    let example = example(dialect)?;
    section(
        out,
        "A delivery",
        &format!("signed with {}", example.secret),
    )?;
    writeln!(out, "  POST /your/endpoint")?;
    let names = choice::spelling(dialect);
    for (name, value) in &example.headers {
        let name = paint(NAME, names.spelled(name));
        writeln!(out, "  {name}: {}", text(value))?;
    }
    writeln!(out, "\n  {}", example.body)?;

    section(out, "Rules", "")?;
    for (name, rule) in rules(dialect) {
        writeln!(out, "  {name:<10}  {rule}")?;
    }

    let catalogue = &dialect.catalogue;
    section(out, "Event types", &types(dialect))?;
    let listed = catalogue.types();
    let width = listed.iter().map(|one| one.name.len()).max().unwrap_or(0);
    for listed in listed {
        writeln!(
            out,
            "  {:width$}  {}  {}",
            paint(NAME, listed.name.as_str()),
            listed.description,
            paint(QUIET, listed.groups.join(", "))
        )?;
    }
    if catalogue.takes_any_type() {
        writeln!(out, "  any, such as {}", paint(NAME, &example.event_type))?;
    }
    Ok(())
}

fn section(out: &mut impl Write, title: &str, note: &str) -> io::Result<()> {
    writeln!(out, "\n{}  {}", paint(TITLE, title), paint(QUIET, note))
}

fn types(dialect: &Dialect) -> String {
    let listed = dialect.catalogue.types().len();
    match (dialect.catalogue.takes_any_type(), listed) {
        (true, 0) => "any event type".to_owned(),
        (true, _) => format!("any event type, {listed} of them listed"),
        (false, 1) => "1 event type".to_owned(),
        (false, _) => format!("{listed} event types"),
    }
}

fn rules(dialect: &Dialect) -> Vec<(&'static str, String)> {
    let waits: Vec<_> = dialect
        .ladder
        .waits_ms()
        .iter()
        .map(|ms| span(*ms))
        .collect();
    let jitter = match dialect.ladder.jitter() {
        0.0 => String::new(),
        jitter => format!(", each ±{:.0} %", jitter * 100.0),
    };
    let mut rules = vec![
        ("success", statuses(dialect.success())),
        ("time-out", span(dialect.timeout_ms)),
        (
            "body",
            format!("at most {} bytes", dialect.body_limit_bytes),
        ),
        (
            "retries",
            if waits.is_empty() {
                "none".to_owned()
            } else {
                format!("after {}{jitter}", waits.join(", "))
            },
        ),
        ("disabled", disable(dialect)),
    ];
    if !dialect.give_up().is_empty() {
        let rule = format!("no retry after {}", statuses(dialect.give_up()));
        rules.push(("", rule));
    }
    if dialect.throttles {
        let rule = "429, 502, 503 or 504 pauses the webhook, for as long as Retry-After says";
        rules.push(("", rule.to_owned()));
    } else if dialect.honours_retry_after {
        rules.push((
            "",
            "Retry-After of a 429 or 503 moves the next attempt".to_owned(),
        ));
    }
    if dialect.reparse_safe {
        let language = dialect.body_language();
        let rule = format!(
            "no number that {language} would change: receivers verify a body they have parsed"
        );
        rules.push(("numbers", rule));
    }
    if let Some(plans) = dialect.plans() {
        let named = plans.iter().map(|(plan, has_webhooks)| match has_webhooks {
            true => plan.clone(),
            false => format!("{plan} (without webhooks)"),
        });
        rules.push(("plans", Vec::from_iter(named).join(", ")));
    }
    rules
}

fn disable(dialect: &Dialect) -> String {
    let rule = match dialect.disable {
        DisableRule::Never => "never by itself".to_owned(),
        DisableRule::LadderUsedUp => "when a delivery's last retry has failed".to_owned(),
        DisableRule::ConsecutiveFailures(count) => {
            format!("after {count} failed attempts in a row")
        }
        DisableRule::FailingFor { ms } => format!("after {} without a success", span(ms)),
    };
    if dialect.gone_disables {
        return format!("{rule}; at once on 410 Gone");
    }
    rule
}

fn view(dialect: &Dialect) -> Result<Value, Error> {
    let example = example(dialect)?;
    let names = choice::spelling(dialect);
    let headers: Map<_, _> = example
        .headers
        .iter()
        .map(|(name, value)| (names.spelled(name).to_owned(), text(value).into()))
        .collect();
    let disable = match dialect.disable {
        DisableRule::Never => json!("never"),
        DisableRule::LadderUsedUp => json!("ladder_used_up"),
        DisableRule::ConsecutiveFailures(count) => json!({ "consecutive_failures": count }),
        DisableRule::FailingFor { ms } => json!({ "failing_for_ms": ms }),
    };
    let types = dialect.catalogue.types().iter().map(|listed| {
        json!({
            "type": listed.name,
            "aliases": listed.aliases,
            "groups": listed.groups,
            "description": listed.description,
            "sample": listed.sample,
        })
    });
    let success = dialect.success().iter();
    Ok(json!({
        "name": dialect.name,
        "description": dialect.description,
        "docs": dialect.docs,
        "success": success.map(|statuses| [statuses.start(), statuses.end()]).collect::<Vec<_>>(),
        "timeout_ms": dialect.timeout_ms,
        "body_limit_bytes": dialect.body_limit_bytes,
        "waits_ms": dialect.ladder.waits_ms(),
        "jitter": dialect.ladder.jitter(),
        "disable": disable,
        "gone_disables": dialect.gone_disables,
        "honours_retry_after": dialect.honours_retry_after,
        "throttles": dialect.throttles,
        "reparse_safe": dialect.reparse_safe,
        "plans": dialect.plans(),
        "any_type": dialect.catalogue.takes_any_type(),
        "groups": dialect.catalogue.groups(),
        "types": types.collect::<Vec<_>>(),
        "example": {
            "event_type": example.event_type,
            "secret": example.secret,
            "headers": headers,
            "body": example.body,
        },
    }))
}

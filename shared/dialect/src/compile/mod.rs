//! From a file to a [`Dialect`]: every check that the table of the language cannot make, each mistake at its place.
//!
//! All mistakes are found at once: what is wrong is noted, and something harmless stands in its place until the end.

mod catalogue;
mod challenge;
mod envelope;
mod headers;
mod ladder;
mod sense;
mod uses;

use std::{collections::BTreeMap, ops::RangeInclusive};

use rung_json::{UnstableNumbers, limits::REQUEST_BYTES};

use super::{
    Dialect, PlanLimits,
    document::{self, Table, Text},
    envelope::Envelope,
    event_id::EventIdForm,
    fault::Faults,
    script::Script,
    template::{Template, TemplateFault},
    value::Value,
};
use crate::{ladder::DisableRule, limits::ID_CHARS};

/// What `event_id` is by default.
const DEFAULT_EVENT_ID: &str = "evt_{base62}";
const DEFAULT_TIMEOUT_MS: u64 = 15_000;
const DEFAULT_BODY_LIMIT: usize = 262_144;

/// Reads and checks a dialect file's `text`. Its name may not be one that `is_taken`.
pub(super) fn compile(text: &str, is_taken: impl Fn(&str) -> bool) -> Result<Dialect, Faults> {
    let faults = Faults::default();
    let document = document::parse(text, &faults);
    let malformed = faults.len();
    let file = Table::checked(document.get_ref(), malformed == 0, &faults);
    let name = name(&file, is_taken, &faults);
    let (envelope, headers) = wire(&file, &faults);
    let dialect = Dialect {
        name,
        description: text_or_empty(&file, "description"),
        docs: file.text("docs").map(|docs| docs.text.to_owned()),
        source: text.into(),
        timeout_ms: file.duration_ms("timeout").unwrap_or(DEFAULT_TIMEOUT_MS),
        body_limit_bytes: envelope.limit_bytes,
        reparse_safe: file.flag("reparse_safe").unwrap_or(false),
        gone_disables: file.flag("gone_disables").unwrap_or(false),
        honours_retry_after: file.flag("honour_retry_after").unwrap_or(false),
        http1_only: file.has("http_version"),
        keep_alive: file.flag("keep_alive").unwrap_or(true),
        throttles: file.flag("throttle").unwrap_or(true),
        ladder: ladder::compile(&file, &faults),
        disable: disable_rule(&file),
        catalogue: catalogue::compile(&file, text, &faults),
        plans: plans(&file),
        limits: limits(&file, &faults),
        success: statuses(&file, "success", &faults).unwrap_or_else(|| vec![200..=299]),
        give_up: statuses(&file, "give_up", &faults).unwrap_or_default(),
        event_id: event_id(&file, &faults),
        challenge: challenge::compile(&file, &faults),
        headers,
        envelope,
    };
    if malformed == 0 {
        sense::check(&file, &dialect, &faults);
        catalogue::check_samples(&file, &dialect, &faults);
    } else {
        faults.keep_credible(malformed, text);
    }
    if faults.is_empty() {
        Ok(dialect)
    } else {
        Err(faults)
    }
}

fn name(file: &Table<'_>, is_taken: impl Fn(&str) -> bool, faults: &Faults) -> String {
    let Some(Text { at, text }) = file.text("name") else {
        return String::new();
    };
    let in_name = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    if !(1..=ID_CHARS).contains(&text.len()) || !text.bytes().all(in_name) {
        let mend = format!("it is 1 to {ID_CHARS} characters out of a-z, 0-9, `_` and `-`");
        faults.add(at, format!("`{text}` cannot be a dialect's name"), mend);
    } else if is_taken(text) {
        let reason = format!("a dialect `{text}` already exists");
        faults.add(at, reason, "use another name");
    }
    text.to_owned()
}

fn event_id(file: &Table<'_>, faults: &Faults) -> EventIdForm {
    let default = || EventIdForm::parse(DEFAULT_EVENT_ID).expect("the default is a form");
    let Some(Text { at, text }) = file.text("event_id") else {
        return default();
    };
    EventIdForm::parse(text).unwrap_or_else(|| {
        let mend = format!(
            "it has one of `{{ulid}}`, `{{ULID}}`, `{{uuid}}`, `{{hex}}`, `{{base62}}`, and at most {ID_CHARS} characters out of A-Z, a-z, \
             0-9, `_` and `-` in all, as in \"evt_{{base62}}\""
        );
        faults.add(at, format!("`{text}` makes no ids"), mend);
        default()
    })
}

/// What the wire has: the body, and the headers with the signatures.
fn wire(file: &Table<'_>, faults: &Faults) -> (Envelope, super::headers::Headers) {
    let is_form = file.text("body").is_some_and(|body| body.text == "form");
    let limit = file.whole("body_limit");
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=REQUEST_BYTES).contains(limit));
    let root = envelope::root(file, is_form, faults);
    let headers = headers::compile(file, &root, is_form, faults);
    let numbers = match file.flag("reparse_safe") {
        Some(true) => UnstableNumbers::Refuse,
        _ => UnstableNumbers::Keep,
    };
    let envelope = Envelope {
        kept: headers::kept(&headers),
        root,
        is_form,
        script: choice(file, "json", &Script::ALL).unwrap_or_default(),
        numbers,
        limit_bytes: limit.unwrap_or(DEFAULT_BODY_LIMIT),
    };
    (envelope, headers)
}

fn text_or_empty(file: &Table<'_>, key: &str) -> String {
    let text = file.text(key).map(|text| text.text.to_owned());
    text.unwrap_or_default()
}

/// What a word stands for.
fn choice<T: Copy>(table: &Table<'_>, key: &str, all: &[(&str, T)]) -> Option<T> {
    let word = table.text(key)?.text;
    let found = all.iter().find(|(name, _)| *name == word);
    found.map(|(_, choice)| *choice)
}

/// The names of values as a mend; where they are many, the reference has them.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    const FEW: usize = 12;
    if names.len() > FEW {
        return "docs/dialects.md lists all under \"Values\"".to_owned();
    }
    let names: Vec<String> = names.collect();
    format!("here there are {}", names.join(", "))
}

/// A text with values, of which `allowed` may be there.
fn template(
    written: Text<'_>,
    allowed: impl Fn(&Value) -> bool,
    faults: &Faults,
) -> Option<Template> {
    let known = || {
        let all = Value::reference().into_iter().flat_map(|(names, _)| {
            let names = names.split("`, `").map(str::to_owned);
            names.collect::<Vec<_>>()
        });
        let all = all.filter(|name| Value::parse(name).is_some_and(|value| allowed(&value)));
        all.collect::<Vec<_>>()
    };
    let in_braces = || known().into_iter().map(|name| format!("`{{{name}}}`"));
    let listed = || listed(in_braces());
    match Template::parse(written.text) {
        Ok(template) => {
            let strange = template.values().find(|value| !allowed(value));
            if let Some(strange) = strange {
                let reason = format!("`{{{strange}}}` cannot be used here");
                faults.add(written.at, reason, listed());
                return None;
            }
            Some(template)
        }
        Err(fault @ TemplateFault::LoneBrace) => {
            faults.add(
                written.at,
                fault.to_string(),
                "write it twice to mean the brace itself",
            );
            None
        }
        // Nothing tells which one is meant, so all of them are named.
        Err(TemplateFault::UnknownValue(name)) if name.trim().is_empty() => {
            let names: Vec<_> = in_braces().collect();
            let mend = format!(
                "here there are {}; write `{{{{}}}}` for the braces themselves",
                names.join(", ")
            );
            faults.add(written.at, format!("`{{{name}}}` names no value"), mend);
            None
        }
        Err(TemplateFault::UnknownValue(name)) => {
            let known = known();
            let mend = match document::nearest(&name, known.iter().map(String::as_str)) {
                Some(nearest) => format!("did you mean `{{{nearest}}}`?"),
                None => listed(),
            };
            let reason = TemplateFault::UnknownValue(name).to_string();
            faults.add(written.at, reason, mend);
            None
        }
    }
}

fn plans(file: &Table<'_>) -> Option<BTreeMap<String, bool>> {
    use toml::de::DeValue;
    let plans = file.table("plans")?;
    let plans = plans
        .entries()
        .filter_map(|(plan, value)| match value.get_ref() {
            DeValue::Boolean(has_webhooks) => Some((plan.text.to_owned(), *has_webhooks)),
            _ => None,
        });
    Some(plans.collect())
}

fn limits(file: &Table<'_>, faults: &Faults) -> BTreeMap<String, PlanLimits> {
    let known = file.table("plans");
    let limited = file.table("limits");
    let limited = limited.iter().flat_map(Table::entries);
    let limits = limited.filter_map(|(plan, value)| {
        if let Some(known) = known.filter(|known| !known.has(plan.text)) {
            let names = known.entries().map(|(name, _)| name.text);
            let mend = match document::nearest(plan.text, names) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "add it to `plans`, or leave it out".to_owned(),
            };
            let reason = format!(
                "`limits` has the plan `{}`, which `plans` does not have",
                plan.text
            );
            faults.add(plan.at, reason, mend);
        }
        let table = document::table(value)?;
        let limits = PlanLimits {
            events_per_hour: table.whole("events_per_hour"),
            events_per_month: table.whole("events_per_month"),
        };
        Some((plan.text.to_owned(), limits))
    });
    limits.collect()
}

fn disable_rule(file: &Table<'_>) -> DisableRule {
    if let Some(word) = file.text("disable") {
        return match word.text {
            "ladder_used_up" => DisableRule::LadderUsedUp,
            _ => DisableRule::Never,
        };
    }
    let Some(rule) = file.table("disable") else {
        return DisableRule::Never;
    };
    let count = rule.whole("consecutive_failures");
    match (count, rule.duration_ms("failing_for")) {
        (Some(count), _) => {
            DisableRule::ConsecutiveFailures(u32::try_from(count).unwrap_or(u32::MAX))
        }
        (None, Some(ms)) => DisableRule::FailingFor { ms },
        (None, None) => DisableRule::Never,
    }
}

/// Classes and single statuses; `None` without the key.
fn statuses(file: &Table<'_>, key: &str, faults: &Faults) -> Option<Vec<RangeInclusive<u16>>> {
    if !file.has(key) {
        return None;
    }
    let written = file.texts(key);
    if key == "success" && written.is_empty() {
        faults.add(
            file.place(key),
            "`success` names no status",
            "name at least one, as in [\"2xx\"]",
        );
    }
    let statuses = written.into_iter().filter_map(|Text { at, text }| {
        let class = text
            .strip_suffix("xx")
            .and_then(|class| class.parse::<u16>().ok());
        let exact = text.parse::<u16>().ok();
        match (class, exact) {
            (Some(class @ 2..=5), _) => Some(class * 100..=class * 100 + 99),
            (_, Some(status @ 200..=599)) => Some(status..=status),
            _ => {
                let mend = "write \"2xx\" for a class or \"200\" for one";
                faults.add(at, format!("`{text}` is not a status"), mend);
                None
            }
        }
    });
    Some(statuses.collect())
}

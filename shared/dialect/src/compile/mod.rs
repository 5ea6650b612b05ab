//! From a file to a [`Dialect`]: every check that serde cannot make, each fault at its place.

mod catalogue;
mod envelope;
mod headers;

use std::{collections::BTreeMap, ops::RangeInclusive};

use rung_json::{UnstableNumbers, limits::REQUEST_BYTES};
use toml::Spanned;

use super::{
    Dialect, PlanLimits,
    envelope::Envelope,
    event_id::EventIdForm,
    fault::Fault,
    file::{DialectFile, DisableFile, LadderFile},
};
use crate::{
    ladder::{DisableRule, Ladder},
    limits::{ID_CHARS, LADDER_WAITS},
};

/// Longest time-out, in milliseconds: a delivering function has 30 s for everything.
const TIMEOUT_MAX_MS: u64 = 25_000;
/// Longest wait, in milliseconds: 30 days, for which events are kept.
const WAIT_MAX_MS: u64 = 30 * 86_400_000;

/// Reads and checks a dialect file's `text`. Its name may not be one that `is_taken`.
pub(super) fn compile(text: &str, is_taken: impl Fn(&str) -> bool) -> Result<Dialect, Fault> {
    let file: DialectFile = toml::from_str(text)?;
    let in_name = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    let name = file.name.get_ref();
    if !(1..=ID_CHARS).contains(&name.len()) || !name.bytes().all(in_name) {
        let reason = format!(
            "a dialect's name must be 1 to {ID_CHARS} characters from a-z, 0-9, `_` and `-`"
        );
        return Err(Fault::new(&file.name, reason));
    }
    if is_taken(name) {
        let reason = format!("a dialect `{name}` already exists; use another name");
        return Err(Fault::new(&file.name, reason));
    }
    let event_id = EventIdForm::parse(file.event_id.get_ref()).ok_or_else(|| {
        let reason = format!(
            "an event id needs one of `{{ulid}}`, `{{ULID}}`, `{{uuid}}`, `{{hex}}`, `{{base62}}`, and at most {ID_CHARS} characters \
             out of A-Z, a-z, 0-9, `_` and `-` in all, as in \"evt_{{base62}}\""
        );
        Fault::new(&file.event_id, reason)
    })?;
    let timeout_ms = duration_ms(&file.timeout)?;
    if !(1..=TIMEOUT_MAX_MS).contains(&timeout_ms) {
        let reason = format!(
            "a time-out is longer than 0 and at most {} s",
            TIMEOUT_MAX_MS / 1000
        );
        return Err(Fault::new(&file.timeout, reason));
    }
    let body_limit_bytes = *file.body_limit.get_ref();
    // What is published is no larger.
    if !(1..=REQUEST_BYTES).contains(&body_limit_bytes) {
        let reason = format!("a body limit is 1 to {REQUEST_BYTES} bytes");
        return Err(Fault::new(&file.body_limit, reason));
    }
    let numbers = if file.reparse_safe {
        UnstableNumbers::Refuse
    } else {
        UnstableNumbers::Keep
    };
    let dialect = Dialect {
        name: name.clone(),
        description: file.description.clone(),
        docs: file.docs.clone(),
        source: text.into(),
        timeout_ms,
        body_limit_bytes,
        reparse_safe: file.reparse_safe,
        gone_disables: file.gone_disables,
        honours_retry_after: file.honour_retry_after,
        http1_only: http1_only(&file)?,
        keep_alive: file.keep_alive,
        throttles: file.throttle,
        ladder: ladder(&file.ladder)?,
        disable: disable_rule(&file.disable)?,
        catalogue: catalogue::compile(&file, text)?,
        plans: file.plans.clone(),
        limits: limits(&file)?,
        success: successes(&file)?,
        event_id,
        headers: headers::compile(&file)?,
        envelope: Envelope::new(envelope::slots(&file.envelope)?, numbers, body_limit_bytes),
    };
    catalogue::check_samples(&file, &dialect)?;
    Ok(dialect)
}

fn http1_only(file: &DialectFile) -> Result<bool, Fault> {
    match &file.http_version {
        None => Ok(false),
        Some(version) if version.get_ref() == "1.1" => Ok(true),
        Some(other) => {
            let reason = "`http_version` is \"1.1\"; leave it out, and HTTP/2 is used where the receiver speaks it";
            Err(Fault::new(other, reason))
        }
    }
}

fn limits(file: &DialectFile) -> Result<BTreeMap<String, PlanLimits>, Fault> {
    let limit = |written: &Option<Spanned<u64>>| match written {
        Some(zero) if *zero.get_ref() == 0 => {
            let reason = "a limit is at least 1; leave it out for none";
            Err(Fault::new(zero, reason))
        }
        written => Ok(written.as_ref().map(|limit| *limit.get_ref())),
    };
    let plans = file.limits.iter().map(|(plan, written)| {
        let limits = PlanLimits {
            events_per_hour: limit(&written.events_per_hour)?,
            events_per_month: limit(&written.events_per_month)?,
        };
        Ok((plan.clone(), limits))
    });
    plans.collect()
}

/// A whole number of milliseconds, written with its unit.
fn duration_ms(written: &Spanned<String>) -> Result<u64, Fault> {
    let text = written.get_ref();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    number
        .zip(unit_ms)
        .and_then(|(number, unit_ms)| number.checked_mul(unit_ms))
        .ok_or_else(|| {
            let reason = format!("`{text}` is no duration: write a whole number with ms, s, min, h or d, as in \"5min\"");
            Fault::new(written, reason)
        })
}

fn ladder(written: &Spanned<LadderFile>) -> Result<Ladder, Fault> {
    let file = written.get_ref();
    let waits_ms = match (&file.waits, &file.first, &file.factor, &file.retries) {
        (Some(waits), None, None, None) => listed_waits(written, waits)?,
        (None, Some(first), Some(factor), Some(retries)) => {
            exponential_waits(first, factor, retries)?
        }
        _ => {
            let reason = "a ladder has either `waits`, or `first`, `factor` and `retries`";
            return Err(Fault::new(written, reason));
        }
    };
    let jitter = match &file.jitter {
        Some(jitter) if !(0.0..=1.0).contains(jitter.get_ref()) => {
            return Err(Fault::new(
                jitter,
                "a jitter is a share from 0 to 1: 0.1 for ±10 %",
            ));
        }
        jitter => jitter.as_ref().map_or(0.0, |jitter| *jitter.get_ref()),
    };
    Ok(Ladder::new(waits_ms, jitter))
}

fn listed_waits(
    ladder: &Spanned<LadderFile>,
    waits: &[Spanned<String>],
) -> Result<Vec<u64>, Fault> {
    if waits.len() > LADDER_WAITS {
        return Err(Fault::new(
            ladder,
            format!("a ladder has at most {LADDER_WAITS} waits"),
        ));
    }
    waits
        .iter()
        .map(|wait| within_wait_max(wait, Some(duration_ms(wait)?)))
        .collect()
}

fn exponential_waits(
    first: &Spanned<String>,
    factor: &Spanned<u64>,
    retries: &Spanned<u32>,
) -> Result<Vec<u64>, Fault> {
    let first_ms = duration_ms(first)?;
    if *retries.get_ref() as usize > LADDER_WAITS {
        return Err(Fault::new(
            retries,
            format!("a ladder has at most {LADDER_WAITS} retries"),
        ));
    }
    if *factor.get_ref() == 0 {
        return Err(Fault::new(factor, "a factor is at least 1"));
    }
    (0..*retries.get_ref())
        .map(|retry| {
            let growth = factor.get_ref().checked_pow(retry);
            within_wait_max(
                factor,
                growth.and_then(|growth| first_ms.checked_mul(growth)),
            )
        })
        .collect()
}

fn within_wait_max<T>(place: &Spanned<T>, wait_ms: Option<u64>) -> Result<u64, Fault> {
    wait_ms
        .filter(|wait_ms| *wait_ms <= WAIT_MAX_MS)
        .ok_or_else(|| {
            Fault::new(
                place,
                format!("a wait is at most {} days", WAIT_MAX_MS / 86_400_000),
            )
        })
}

fn disable_rule(file: &DisableFile) -> Result<DisableRule, Fault> {
    match file {
        DisableFile::Never => Ok(DisableRule::Never),
        DisableFile::LadderUsedUp => Ok(DisableRule::LadderUsedUp),
        DisableFile::ConsecutiveFailures(count) if *count.get_ref() == 0 => Err(Fault::new(
            count,
            "failures are at least 1; \"never\" disables never",
        )),
        DisableFile::ConsecutiveFailures(count) => {
            Ok(DisableRule::ConsecutiveFailures(*count.get_ref()))
        }
        DisableFile::FailingFor(span) => match duration_ms(span)? {
            0 => Err(Fault::new(
                span,
                "the span is longer than 0; \"never\" disables never",
            )),
            ms => Ok(DisableRule::FailingFor { ms }),
        },
    }
}

fn successes(file: &DialectFile) -> Result<Vec<RangeInclusive<u16>>, Fault> {
    if file.success.get_ref().is_empty() {
        let reason = "`success` names at least one status, as in [\"2xx\"]";
        return Err(Fault::new(&file.success, reason));
    }
    file.success
        .get_ref()
        .iter()
        .map(|written| {
            let class = written
                .get_ref()
                .strip_suffix("xx")
                .and_then(|class| class.parse::<u16>().ok());
            let exact = written.get_ref().parse::<u16>().ok();
            match (class, exact) {
                (Some(class @ 2..=5), _) => Ok(class * 100..=class * 100 + 99),
                (_, Some(status @ 200..=599)) => Ok(status..=status),
                _ => {
                    let reason = format!(
                        "`{written}` is not a status: write \"2xx\" for a class or \"200\" for one"
                    );
                    Err(Fault::new(written, reason))
                }
            }
        })
        .collect()
}

//! What a client may say of a webhook, field by field.

use rung_api::{
    ApiError, Code, Fields, Patch,
    limits::{IN_FLIGHT_MAX, PROBLEMS, RATE_LIMIT_MAX, WEBHOOK_EVENTS},
    read,
};
use rung_base::clock::timestamp;
use rung_core::{
    domain::webhook::{Disabled, Reason, Webhook},
    egress::policy::check_url,
    limits::MAINTENANCE_MAX_MS,
};
use rung_dialect::{Dialect, is_event_type};
use rung_json::{Json, JsonFault, filter::Filter};
use serde::Serialize;

use super::view::Instants;
use crate::read_only::{self, ReadOnly};

pub(super) fn url(strict: bool) -> impl Fn(&Json) -> Result<String, String> {
    move |value| {
        let text = value.as_str().ok_or("must be a string")?;
        match check_url(text, strict) {
            Ok(_) => Ok(text.to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

/// Types, groups, prefixes or `*` of a request's field `events`, as given. A fault of one is noted at its place.
pub(super) fn given_events(fields: &mut Fields<'_>) -> Patch<Vec<String>> {
    let list = match fields.patch("events", list_of_events) {
        Patch::Set(list) => list,
        Patch::Clear => return Patch::Clear,
        Patch::Keep => return Patch::Keep,
    };
    let mut events = Vec::with_capacity(list.len());
    for (index, event) in list.iter().enumerate() {
        match event.as_str() {
            Some(event) => events.push(event.to_owned()),
            None => fields.problem(&format!("events[{index}]"), "must be a string"),
        }
    }
    if events.len() < list.len() {
        return Patch::Keep;
    }
    Patch::Set(events)
}

fn list_of_events(value: &Json) -> Result<&[Json], String> {
    let list = read::list(value)?;
    let fits = (1..=WEBHOOK_EVENTS).contains(&list.len());
    fits.then_some(list)
        .ok_or_else(|| format!("must name 1 to {WEBHOOK_EVENTS} event types, or `*` for all"))
}

/// Types, groups, prefixes or `*`, as given.
fn events(value: &Json) -> Result<Vec<String>, String> {
    let pattern = |pattern: &Json| pattern.as_str().map(str::to_owned);
    let patterns: Option<_> = list_of_events(value)?.iter().map(pattern).collect();
    patterns.ok_or_else(|| "must contain strings only".to_owned())
}

/// The same of a dialect's types, or out of `others`.
pub(crate) fn event_patterns<'a>(
    dialect: &'a Dialect,
    others: &'a [String],
) -> impl Fn(&Json) -> Result<Vec<String>, String> + 'a {
    move |value| {
        let patterns = events(value)?;
        let new = patterns.iter().filter(|pattern| !others.contains(pattern));
        let mut checked = new.map(|pattern| dialect.catalogue.check_pattern(pattern));
        match checked.find_map(Result::err) {
            Some(fault) => Err(fault.to_string()),
            None => Ok(patterns),
        }
    }
}

/// Notes a problem with each thing that a webhook subscribes to and the dialect does not know. What it is subscribed to `already` may be
/// a type that was deleted since.
pub(super) fn check_events(
    fields: &mut Fields<'_>,
    dialect: &Dialect,
    events: &[String],
    already: &[String],
) {
    let mut problems = 0;
    for (index, event) in events.iter().enumerate() {
        let (code, problem) = if event.rsplit('/').next() == Some("schema") {
            let problem = "ends with the segment `schema`, which no event type may";
            (Code::ReservedType, format!("{event:?} {problem}"))
        } else if already.contains(event) {
            continue;
        } else {
            match dialect.catalogue.check_pattern(event) {
                Ok(()) => continue,
                // What there is, is told once.
                Err(_) if problems > 0 => {
                    let problem = format!("`{event}` is not an event type, group or prefix");
                    (Code::UnknownEventType, problem)
                }
                Err(fault) => (Code::UnknownEventType, fault.to_string()),
            }
        };
        problems += 1;
        if problems > PROBLEMS {
            return;
        }
        fields.problem_of(code, &format!("events[{index}]"), problem);
    }
}

/// Whether this has the form of an event type, group or prefix, whichever there are.
pub(super) fn is_pattern(event: &str) -> bool {
    is_event_type(event.strip_suffix(".*").unwrap_or(event))
}

/// Which payloads to take. A fault is noted at its place within the pattern.
pub(crate) fn filter(fields: &mut Fields<'_>) -> Patch<Filter> {
    let pattern = match fields.patch("filter", Ok) {
        Patch::Set(pattern) => pattern,
        Patch::Clear => return Patch::Clear,
        Patch::Keep => return Patch::Keep,
    };
    match Filter::compile(pattern) {
        Ok(filter) => Patch::Set(filter),
        Err(JsonFault { mut path, reason }) => {
            path.enter_key("filter");
            fields.problem(&path.to_string(), reason);
            Patch::Keep
        }
    }
}

/// Most deliveries a second.
pub(super) fn rate_limit(value: &Json) -> Result<u32, String> {
    count(value, RATE_LIMIT_MAX).ok_or_else(|| {
        format!("must be an integer from 1 to {RATE_LIMIT_MAX}, in deliveries per second")
    })
}

/// Most deliveries that are under way at once.
pub(super) fn max_in_flight(value: &Json) -> Result<u32, String> {
    count(value, IN_FLIGHT_MAX).ok_or_else(|| {
        format!("must be an integer from 1 to {IN_FLIGHT_MAX}, in deliveries under way at once")
    })
}

/// An integer from 1 to `most`.
fn count(value: &Json, most: u32) -> Option<u32> {
    let count = value.as_unsigned()?;
    let count = u32::try_from(count).ok();
    count.filter(|count| (1..=most).contains(count))
}

/// Until when a webhook is to be paused, in milliseconds: a maintenance window, or none any more. The other members of a pause may stand
/// in it as they were read.
pub(super) fn window(fields: &mut Fields<'_>, at: Instants) -> Result<Patch<u64>, ApiError> {
    let window = match fields.patch("pause", Ok) {
        Patch::Set(window) => window,
        Patch::Clear => return Ok(Patch::Clear),
        Patch::Keep => return Ok(Patch::Keep),
    };
    let mut members = Fields::at(window, "pause")?;
    let until_ms = members.required("until", |value| {
        let until_ms = read::time_ms(value)?;
        let latest_ms = at.now_ms + MAINTENANCE_MAX_MS;
        if until_ms <= at.now_ms {
            return Err("must be in the future; use `\"pause\": null` to end a pause".to_owned());
        }
        if until_ms > latest_ms {
            let latest = timestamp(latest_ms);
            return Err(format!("must be at most 7 days ahead, until {latest}"));
        }
        Ok(until_ms)
    });
    let derived = [
        ReadOnly::Time("since"),
        ReadOnly::Text("cause"),
        ReadOnly::Number("response_status"),
        ReadOnly::Number("waiting"),
    ];
    read_only::check(&mut members, &derived, None);
    members.finish()?;
    Ok(Patch::Set(until_ms))
}

/// What a webhook's status can be set to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    #[default]
    Active,
    Disabled,
}

impl Status {
    pub(super) const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn read(value: &Json) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let named = all.find(|status| value.as_str() == Some(status.as_str()));
        named.ok_or_else(|| "must be `active` or `disabled`".to_owned())
    }

    /// The status that a webhook has.
    pub(super) fn of(webhook: &Webhook) -> Self {
        match webhook.disabled {
            None => Self::Active,
            Some(_) => Self::Disabled,
        }
    }

    /// Sets a webhook's status. Activating forgets the failures of one that was disabled; disabling begins a new epoch, in which
    /// nothing that was queued before is posted. One that a plan has disabled is then kept disabled, whatever the plan.
    pub(super) fn apply(self, webhook: &mut Webhook, now_ms: u64) {
        match self {
            Self::Active if webhook.disabled.is_some() => webhook.activate(now_ms),
            Self::Active => {}
            Self::Disabled => match &mut webhook.disabled {
                Some(disabled) if disabled.reason == Reason::Plan => {
                    disabled.reason = Reason::Manual;
                }
                Some(_) => {}
                None => {
                    webhook.disabled = Some(Disabled::new(now_ms, Reason::Manual, Vec::new()));
                    webhook.epoch += 1;
                }
            },
        }
    }
}

/// Reads since when and why a webhook is disabled, as answers tell it. Log entries of another deployment are not here.
pub(super) fn disabled(value: &Json) -> Result<Disabled, String> {
    const FORM: &str = "must be an object with `at`, a time, and `code`, why a webhook is disabled";
    let at_ms = value.get("at").and_then(|at| read::time_ms(at).ok());
    let reason = value.get("code").and_then(Json::as_str);
    let reason = reason.and_then(|code| serde_json::from_value(code.into()).ok());
    match (at_ms, reason) {
        (Some(at_ms), Some(reason)) => Ok(Disabled::new(at_ms, reason, Vec::new())),
        _ => Err(FORM.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_dialect::Dialects;

    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    fn dialect(name: &str) -> std::sync::Arc<Dialect> {
        Dialects::builtin().get(name).unwrap().clone()
    }

    #[test]
    fn events_are_kept_as_given_and_unknown_ones_named_with_what_there_is() {
        let odin = dialect("odin");
        let events = event_patterns(&odin, &[]);
        let given = json(r#"["user", "api.key.expiring", "*"]"#);
        assert_eq!(events(&given).unwrap(), ["user", "api.key.expiring", "*"]);
        let problem = events(&json(r#"["user.lesson.complete"]"#)).unwrap_err();
        assert!(problem.contains("user.lesson.complete"), "{problem}");
        assert!(problem.contains("user.lesson.completed"), "{problem}");
        for wrong in ["[]", "[1]", r#""*""#, r#"[""]"#] {
            assert!(events(&json(wrong)).is_err(), "{wrong}");
        }
    }
}

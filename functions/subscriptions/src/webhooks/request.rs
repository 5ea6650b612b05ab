//! What a client may say of a webhook, field by field.

use rung_api::{
    ApiError, Code, Fields, Patch,
    limits::{IN_FLIGHT_MAX, PROBLEMS, RATE_LIMIT_MAX, WEBHOOK_EVENTS},
    read,
};
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        pause::Cause,
        webhook::{Disabled, Reason, Webhook},
    },
    egress::policy::check_url,
    limits::MAINTENANCE_MAX_MS,
};
use rung_dialect::{UnknownPattern, is_event_type, is_reserved_type};
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

/// Types, groups, prefixes or `*` of a request's field, as given. A fault of one is noted at its place.
pub(crate) fn given_events(fields: &mut Fields<'_>, name: &'static str) -> Patch<Vec<String>> {
    let list = match fields.patch(name, list_of_events) {
        Patch::Set(list) => list,
        Patch::Clear => return Patch::Clear,
        Patch::Keep => return Patch::Keep,
    };
    let mut events = Vec::with_capacity(list.len());
    for (index, event) in list.iter().enumerate() {
        match event.as_str() {
            Some(event) => events.push(event.to_owned()),
            None => fields.problem(&format!("{name}[{index}]"), "must be a string"),
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

/// The same of a field that may be missing, each of them one that `check` knows or `already` has.
pub(crate) fn known_events(
    fields: &mut Fields<'_>,
    name: &'static str,
    check: impl Fn(&str) -> Result<(), UnknownPattern>,
    already: &[String],
) -> Option<Vec<String>> {
    let Patch::Set(events) = given_events(fields, name) else {
        return None;
    };
    check_events(fields, name, check, &events, already);
    Some(events)
}

/// Notes a problem with each of `events` that `check` does not know. What a webhook is subscribed to `already` may be a type that was
/// deleted since.
pub(super) fn check_events(
    fields: &mut Fields<'_>,
    name: &str,
    check: impl Fn(&str) -> Result<(), UnknownPattern>,
    events: &[String],
    already: &[String],
) {
    let mut problems = 0;
    for (index, event) in events.iter().enumerate() {
        let (code, problem) = if is_reserved_type(event) {
            let problem = "ends with the segment `schema`, which no event type may";
            (Code::ReservedType, format!("{event:?} {problem}"))
        } else if already.contains(event) {
            continue;
        } else {
            match check(event) {
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
        fields.problem_of(code, &format!("{name}[{index}]"), problem);
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
        ReadOnly::Number("response_status"),
        ReadOnly::Number("waiting"),
    ];
    read_only::check(&mut members, &derived, None);
    members.optional("cause", cause);
    members.finish()?;
    Ok(Patch::Set(until_ms))
}

/// Reads why a webhook is paused, as answers tell it: it may have changed since it was read.
fn cause(value: &Json) -> Result<Cause, String> {
    let named = value.as_str();
    let named = named.and_then(|name| serde_json::from_value(name.into()).ok());
    named.ok_or_else(|| "must be `retry_after`, `status` or `manual`".to_owned())
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

    #[test]
    fn events_are_kept_as_given_and_unknown_ones_named_with_what_there_is() {
        let odin = Dialects::builtin().get("odin").unwrap().clone();
        let read = |events: &str| {
            let body = format!("{{\"events\": {events}}}");
            let body = Json::parse(body.as_bytes(), 9).unwrap();
            let mut fields = Fields::of(&body).unwrap();
            let knows = |event: &str| odin.catalogue.check_pattern(event);
            let events = known_events(&mut fields, "events", knows, &["gone".to_owned()]);
            fields.finish().map(|()| events.unwrap())
        };
        let given = r#"["user", "api.key.expiring", "*", "gone"]"#;
        let kept = ["user", "api.key.expiring", "*", "gone"];
        assert_eq!(read(given).unwrap(), kept);
        let error = read(r#"["user", "user.lesson.complete"]"#).unwrap_err();
        assert_eq!(error.code, Code::UnknownEventType);
        let detail = &error.details[0];
        assert_eq!(detail.field, "events[1]");
        for told in ["user.lesson.complete", "user.lesson.completed"] {
            assert!(detail.problem.contains(told), "{}", detail.problem);
        }
        for wrong in ["[]", "[1]", r#""*""#, r#"[""]"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

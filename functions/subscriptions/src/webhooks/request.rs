//! What a client may say of a webhook, field by field.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, header};
use rung_shared::{
    api::{Fields, Patch, read},
    dialect::{Dialect, SignInput},
    domain::{
        filter::Filter,
        webhook::{Disabled, Reason, Webhook},
    },
    egress::policy::check_url,
    json::{Json, JsonFault},
    limits::{
        HEADER_VALUE_BYTES, METADATA_BYTES, RATE_LIMIT_MAX, WEBHOOK_EVENTS, WEBHOOK_HEADERS,
        WEBHOOK_HEADERS_BYTES,
    },
};

/// Headers that are the connection's, the body's or Rung's own.
const RESERVED_HEADERS: [HeaderName; 12] = [
    header::CONNECTION,
    header::DATE,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::TE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];
const RESERVED_PREFIXES: [&str; 4] = ["content-", "proxy-", "rung-", "webhook-"];

pub(super) fn url(strict: bool) -> impl Fn(&Json) -> Result<String, String> {
    move |value| {
        let text = value.as_str().ok_or("must be a text")?;
        match check_url(text, strict) {
            Ok(_) => Ok(text.to_owned()),
            Err(fault) => Err(fault.to_string()),
        }
    }
}

/// Types, groups, prefixes or `*`, as given.
pub(super) fn events(dialect: &Dialect) -> impl Fn(&Json) -> Result<Vec<String>, String> + '_ {
    |value| {
        let list = read::list(value)?;
        if !(1..=WEBHOOK_EVENTS).contains(&list.len()) {
            return Err(format!(
                "must name 1 to {WEBHOOK_EVENTS} event types, or `*` for all"
            ));
        }
        let patterns = list.iter().map(|pattern| {
            let pattern = pattern.as_str().ok_or("must have texts only")?;
            let checked = dialect.catalogue.check_pattern(pattern);
            checked.map_err(|fault| fault.to_string())?;
            Ok(pattern.to_owned())
        });
        patterns.collect()
    }
}

/// Which payloads to take. A fault is noted at its place within the pattern.
pub(super) fn filter(fields: &mut Fields<'_>) -> Patch<Filter> {
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
    let limit = match value {
        Json::Number(limit) => limit.parse().ok(),
        _ => None,
    };
    limit
        .filter(|limit| (1..=RATE_LIMIT_MAX).contains(limit))
        .ok_or_else(|| {
            format!("must be a whole number of deliveries a second, from 1 to {RATE_LIMIT_MAX}")
        })
}

/// Static headers of a webhook's own.
pub(super) fn headers(
    dialect: &Dialect,
) -> impl Fn(&Json) -> Result<BTreeMap<String, String>, String> + '_ {
    |value| {
        let members = value.as_object().ok_or("must be an object of texts")?;
        if members.len() > WEBHOOK_HEADERS {
            return Err(format!("must be at most {WEBHOOK_HEADERS}"));
        }
        let mut seen = Vec::with_capacity(members.len());
        let headers = members.iter().map(|(name, value)| {
            let parsed: HeaderName = name
                .parse()
                .map_err(|_| format!("{name:?} is no header name"))?;
            if is_reserved(&parsed, dialect) {
                return Err(format!("{name} is sent by Rung itself; remove it"));
            }
            if seen.contains(&parsed) {
                return Err(format!("{name} stands twice; give it once"));
            }
            seen.push(parsed);
            let value = header_value(value).ok_or_else(|| {
                format!("{name} must be at most {HEADER_VALUE_BYTES} printable ASCII characters")
            })?;
            Ok((name.clone(), value))
        });
        let headers = headers.collect::<Result<BTreeMap<_, _>, String>>()?;
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > WEBHOOK_HEADERS_BYTES {
            return Err(format!(
                "must have at most {WEBHOOK_HEADERS_BYTES} bytes together"
            ));
        }
        Ok(headers)
    }
}

fn header_value(value: &Json) -> Option<String> {
    let text = value
        .as_str()
        .filter(|text| text.len() <= HEADER_VALUE_BYTES && text.trim() == *text)?;
    // `to_str` lets through visible ASCII, blanks and tabs only.
    HeaderValue::from_str(text).ok()?.to_str().ok()?;
    Some(text.to_owned())
}

fn is_reserved(name: &HeaderName, dialect: &Dialect) -> bool {
    // The names a dialect sends do not depend on the delivery.
    let any = SignInput {
        event_id: "-",
        event_type: "-",
        delivery_id: uuid::Uuid::nil(),
        timestamp_s: 0,
        body: b"",
        secret: "-",
        newer_secrets: &[],
        traceparent: None,
    };
    let own = dialect.headers(&any).unwrap_or_default();
    RESERVED_HEADERS.contains(name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
        || own.iter().any(|(own, _)| own == name)
}

/// The tenant's own data about a webhook.
pub(super) fn metadata(value: &Json) -> Result<Json, String> {
    let object = read::object(value)?;
    match serde_json::to_string(&object) {
        Ok(text) if text.len() <= METADATA_BYTES => Ok(object.clone()),
        _ => Err(format!("must have at most {METADATA_BYTES} bytes as JSON")),
    }
}

/// What a webhook's status can be set to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Active,
    Disabled,
}

impl Status {
    pub(super) fn read(value: &Json) -> Result<Self, String> {
        match value.as_str() {
            Some("active") => Ok(Self::Active),
            Some("disabled") => Ok(Self::Disabled),
            _ => Err("must be `active` or `disabled`".to_owned()),
        }
    }

    /// The status that a webhook has.
    pub(super) fn of(webhook: &Webhook) -> Self {
        match webhook.disabled {
            None => Self::Active,
            Some(_) => Self::Disabled,
        }
    }

    /// Sets a webhook's status. Activating forgets its failures; disabling begins a new epoch, in which nothing that was queued
    /// before is posted.
    pub(super) fn apply(self, webhook: &mut Webhook, now_ms: u64) {
        match self {
            Self::Active => {
                webhook.disabled = None;
                webhook.enabled_ms = now_ms;
            }
            Self::Disabled if webhook.disabled.is_none() => {
                webhook.disabled = Some(Disabled {
                    at_ms: now_ms,
                    reason: Reason::Manual,
                    log_ids: Vec::new(),
                });
                webhook.epoch += 1;
            }
            Self::Disabled => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_shared::dialect::Dialects;

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
        let given = json(r#"["user", "api.key.expiring", "*"]"#);
        assert_eq!(
            events(&odin)(&given).unwrap(),
            ["user", "api.key.expiring", "*"]
        );
        let problem = events(&odin)(&json(r#"["user.lesson.complete"]"#)).unwrap_err();
        assert!(problem.contains("user.lesson.complete"), "{problem}");
        assert!(problem.contains("user.lesson.completed"), "{problem}");
        for wrong in ["[]", "[1]", r#""*""#, r#"[""]"#] {
            assert!(events(&odin)(&json(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_of_the_connection_of_rung_and_of_the_dialect_are_refused() {
        let odin = dialect("odin");
        let own = headers(&odin)(&json(r#"{"Authorization": "Bearer x", "X-Team": "a b"}"#));
        assert_eq!(own.unwrap()["Authorization"], "Bearer x");
        for name in [
            "Host",
            "content-length",
            "Content-Language",
            "Traceparent",
            "Transfer-Encoding",
            "Proxy-Authorization",
            "Webhook-Id",
            "webhook-extra",
            "Rung-Test",
            "X-Odin-Signature",
            "User-Agent",
            "",
            "a b",
            "x:y",
        ] {
            let one = Json::Object(vec![(name.to_owned(), Json::String("x".to_owned()))]);
            assert!(headers(&odin)(&one).is_err(), "{name:?}");
        }
        assert!(headers(&dialect("standard"))(&json(r#"{"X-Odin-Signature": "x"}"#)).is_ok());
    }

    #[test]
    fn header_values_cannot_smuggle_lines_and_names_are_told_apart_without_case() {
        let odin = dialect("odin");
        for wrong in [
            r#"{"X-A": "a\r\nX-B: b"}"#,
            r#"{"X-A": "ä"}"#,
            r#"{"X-A": " a"}"#,
            r#"{"X-A": 1}"#,
            r#"{"X-A": "1", "x-a": "2"}"#,
        ] {
            assert!(headers(&odin)(&json(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_few_and_small_together() {
        let odin = dialect("odin");
        let of = |count: usize, name: usize, value: usize| {
            let member = |n| {
                let name = format!("x-{n:0>name$}");
                (name, Json::String("v".repeat(value)))
            };
            headers(&odin)(&Json::Object((0..count).map(member).collect()))
        };
        assert!(of(WEBHOOK_HEADERS, 10, 10).is_ok());
        assert!(of(WEBHOOK_HEADERS + 1, 10, 10).is_err());
        assert!(of(1, 10, HEADER_VALUE_BYTES).is_ok());
        assert!(of(1, 10, HEADER_VALUE_BYTES + 1).is_err());
        assert!(of(7, 10, HEADER_VALUE_BYTES).is_err());
        assert!(of(1, WEBHOOK_HEADERS_BYTES, 1).is_err());
    }

    #[test]
    fn metadata_is_a_small_object() {
        let kept = json(r#"{"b": 1.50, "a": 12345678901234567890123}"#);
        assert_eq!(metadata(&kept).as_ref(), Ok(&kept));
        assert!(metadata(&json("[]")).is_err());
        let large = Json::Object(vec![(
            "a".to_owned(),
            Json::String("x".repeat(METADATA_BYTES)),
        )]);
        assert!(metadata(&large).is_err());
    }
}

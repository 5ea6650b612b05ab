//! The values that a dialect can name: one vocabulary for the body, the headers and what a signature covers.

use std::{fmt, sync::Arc};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter, tz::Offset};

/// What a file names as `from = "NAME"` or in a text as `{NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// The event's id.
    Id,
    /// The event's type as it goes on the wire.
    Type,
    /// The id of the request that published the event.
    RequestId,
    /// The event's time.
    Time(TimeForm),
    /// A member of what was published beside the data.
    Metadata(Arc<str>),
    /// A member of the data; dots lead into objects, whole numbers into lists.
    Data(Arc<str>),
    /// The delivery's UUID.
    DeliveryId,
    /// The webhook's id.
    WebhookId,
    /// The tenant's id.
    Tenant,
    /// The number of the attempt, from 1.
    Attempt,
    /// A UUID of the attempt's own.
    AttemptId,
    /// The attempt's time.
    AttemptTime(TimeForm),
    /// The webhook's URL as it goes on the wire.
    Url,
    /// Its path and query.
    Path,
    /// Its host, with the port if it is not the scheme's own.
    Host,
    /// The request's method.
    Method,
    /// The webhook's secret.
    Secret,
    /// The body, byte for byte as sent.
    Body,
    /// The fields of a form in the order of their names, each name followed by its value.
    FormFields,
    /// The signature that is being written.
    Signature,
    /// The whole value of the signature of this name.
    SignatureOf(Arc<str>),
    /// The token of an ownership challenge.
    Token,
}

/// How a time is written. All are UTC; what is finer than the form is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TimeForm {
    /// Whole seconds since the Unix epoch.
    UnixSeconds,
    /// Whole milliseconds since the Unix epoch.
    UnixMillis,
    /// RFC 3339; `offset` writes `+00:00` in the place of `Z`.
    Rfc3339 {
        /// Digits of a second's fraction. `None` for those of a published time, at most nine, and three where Rung made it.
        digits: Option<u8>,
        offset: bool,
    },
}

impl TimeForm {
    const ALL: [(&'static str, Self); 10] = [
        ("unix_seconds", Self::UnixSeconds),
        ("unix_millis", Self::UnixMillis),
        ("rfc3339", rfc3339(None, false)),
        ("rfc3339_seconds", rfc3339(Some(0), false)),
        ("rfc3339_millis", rfc3339(Some(3), false)),
        ("rfc3339_micros", rfc3339(Some(6), false)),
        ("rfc3339_offset", rfc3339(None, true)),
        ("rfc3339_seconds_offset", rfc3339(Some(0), true)),
        ("rfc3339_millis_offset", rfc3339(Some(3), true)),
        ("rfc3339_micros_offset", rfc3339(Some(6), true)),
    ];

    fn of(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, form)| *form)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, form)| *form == self);
        found.map_or("", |(name, _)| name)
    }

    /// Whether JSON has it as a number.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::UnixSeconds | Self::UnixMillis)
    }

    /// A time in this form; `is_given` if a publisher said it, with as many digits as it has.
    pub(super) fn write(self, time: Timestamp, is_given: bool) -> String {
        const RFC_3339: DateTimePrinter = DateTimePrinter::new();
        let (digits, offset) = match self {
            Self::UnixSeconds => return time.as_millisecond().div_euclid(1000).to_string(),
            Self::UnixMillis => return time.as_millisecond().to_string(),
            Self::Rfc3339 { digits, offset } => (digits, offset),
        };
        let printer = match digits {
            None if is_given => RFC_3339,
            None => RFC_3339.precision(Some(3)),
            digits => RFC_3339.precision(digits),
        };
        if offset {
            printer.timestamp_with_offset_to_string(&time, Offset::UTC)
        } else {
            printer.timestamp_to_string(&time)
        }
    }

    /// Reads a time in this form, in whole seconds since the Unix epoch.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn read_seconds(self, text: &str) -> Option<u64> {
        match self {
            Self::UnixSeconds => text.parse().ok(),
            Self::UnixMillis => text.parse::<u64>().ok().map(|ms| ms / 1000),
            Self::Rfc3339 { .. } => {
                let time: Timestamp = text.parse().ok()?;
                u64::try_from(time.as_second()).ok()
            }
        }
    }
}

const fn rfc3339(digits: Option<u8>, offset: bool) -> TimeForm {
    TimeForm::Rfc3339 { digits, offset }
}

/// The values without a form or a name of their own.
const PLAIN: [(&str, Value, &str); 18] = [
    ("id", Value::Id, "the event's id, the same at each attempt"),
    (
        "type",
        Value::Type,
        "the event's type; `wire` of a `[[type]]` gives it another name on the wire",
    ),
    (
        "request_id",
        Value::RequestId,
        "the id of the request that published the event",
    ),
    (
        "delivery_id",
        Value::DeliveryId,
        "the delivery's UUID, the same at each attempt",
    ),
    ("webhook_id", Value::WebhookId, "the webhook's id"),
    ("tenant", Value::Tenant, "the tenant's id"),
    ("attempt", Value::Attempt, "the attempt's number, from 1"),
    (
        "attempt_id",
        Value::AttemptId,
        "a UUID that each attempt has of its own",
    ),
    (
        "timestamp",
        Value::AttemptTime(TimeForm::UnixSeconds),
        "the attempt's time in Unix seconds",
    ),
    (
        "url",
        Value::Url,
        "the webhook's URL as it goes on the wire, `https://example.com/` with its slash",
    ),
    ("path", Value::Path, "the URL's path and query"),
    (
        "host",
        Value::Host,
        "the URL's host, with the port if it is not the scheme's own",
    ),
    ("method", Value::Method, "`POST`"),
    (
        "secret",
        Value::Secret,
        "the webhook's secret, for receivers that compare a token; it is masked in logs and answers",
    ),
    ("body", Value::Body, "the body, byte for byte as sent"),
    (
        "form_fields",
        Value::FormFields,
        "the fields of a form in the order of their names, each name followed by its value and nothing between them",
    ),
    (
        "signature",
        Value::Signature,
        "the signature itself, in the `value` and `overlap` of its `[[signature]]`",
    ),
    (
        "token",
        Value::Token,
        "the token that a challenge's receiver returns",
    ),
];

/// The name that files of the first edition have for the type.
const FIRST_EDITION_TYPE: &str = "event_type";

impl Value {
    /// The value of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some((_, value, _)) = PLAIN.iter().find(|(known, ..)| *known == name) {
            return Some(value.clone());
        }
        if name == FIRST_EDITION_TYPE {
            return Some(Self::Type);
        }
        let (family, rest) = name.split_once(['.', '_'])?;
        match family {
            "time" => TimeForm::of(rest).map(Self::Time),
            "timestamp" => TimeForm::of(rest)
                .filter(|form| !matches!(form, TimeForm::UnixSeconds))
                .filter(|form| !matches!(form, TimeForm::Rfc3339 { digits: None, .. }))
                .map(Self::AttemptTime),
            _ => {
                let (family, path) = name.split_once('.')?;
                let is_path = path.split('.').all(|step| !step.is_empty())
                    && path.chars().all(|one| !one.is_control());
                match family {
                    _ if !is_path => None,
                    "metadata" => Some(Self::Metadata(path.into())),
                    "data" => Some(Self::Data(path.into())),
                    "signature" => Some(Self::SignatureOf(path.into())),
                    _ => None,
                }
            }
        }
    }

    /// Every name, those of families as a pattern, with what each is.
    pub(super) fn reference() -> Vec<(String, String)> {
        let plain = PLAIN
            .iter()
            .map(|(name, _, about)| ((*name).to_owned(), (*about).to_owned()));
        let forms = |family: &str| {
            let forms = TimeForm::ALL.iter();
            let names = forms.map(|(form, _)| format!("{family}_{form}"));
            let names = names.filter(|name| Self::parse(name).is_some());
            names.collect::<Vec<_>>().join("`, `")
        };
        let families = [
            (
                forms("time"),
                "the event's time; `time_rfc3339` has a published time's own digits, up to nine, and three where Rung made it",
            ),
            (forms("timestamp"), "the attempt's time in other forms"),
            (
                "metadata.NAME".to_owned(),
                "a member of the published metadata; dots lead into objects. Without it a header or member is left out",
            ),
            (
                "data.NAME".to_owned(),
                "a member of the data; dots lead into objects, whole numbers into lists. Without it a header or member is left out",
            ),
            (
                "signature.NAME".to_owned(),
                "the whole value of the `[[signature]]` of this `name`, for the body or another header",
            ),
        ];
        let families = families.map(|(names, about)| (names, about.to_owned()));
        plain.chain(families).collect()
    }

    /// Whether the body that is stored when an event is accepted cannot have it yet.
    pub(super) fn is_late(&self) -> bool {
        !matches!(
            self,
            Self::Id
                | Self::Type
                | Self::RequestId
                | Self::Time(_)
                | Self::Metadata(_)
                | Self::Data(_)
        )
    }

    /// Whether an attempt knows it only if the event's body has brought it along.
    pub(super) fn is_early(&self) -> bool {
        matches!(
            self,
            Self::RequestId | Self::Time(_) | Self::Metadata(_) | Self::Data(_)
        )
    }

    /// Whether JSON has it as a number.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Time(form) | Self::AttemptTime(form) => form.is_number(),
            Self::Attempt => true,
            _ => false,
        }
    }

    /// Whether a receiver cannot know it unless the request says it.
    pub(super) fn must_be_told(&self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::Type
                | Self::RequestId
                | Self::Time(_)
                | Self::Metadata(_)
                | Self::DeliveryId
                | Self::Attempt
                | Self::AttemptId
                | Self::AttemptTime(_)
        )
    }
}

/// Its name in files.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, ..)) = PLAIN.iter().find(|(_, value, _)| value == self) {
            return f.write_str(name);
        }
        match self {
            Self::Time(form) => write!(f, "time_{}", form.name()),
            Self::AttemptTime(form) => write!(f, "timestamp_{}", form.name()),
            Self::Metadata(path) => write!(f, "metadata.{path}"),
            Self::Data(path) => write!(f, "data.{path}"),
            Self::SignatureOf(name) => write!(f, "signature.{name}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for (names, _) in Value::reference() {
            for name in names.split("`, `") {
                let value = Value::parse(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(value.to_string(), name);
            }
        }
        assert_eq!(Value::parse("event_type"), Some(Value::Type));
        for unknown in [
            "",
            "ident",
            "time",
            "time_",
            "timestamp_unix_seconds",
            "timestamp_rfc3339",
            "metadata.",
            "metadata..a",
            "data",
            "time.unix",
        ] {
            assert_eq!(Value::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_time_has_each_of_its_forms() {
        let time: Timestamp = "2025-01-15T09:30:00.1234567Z".parse().unwrap();
        for (name, expected) in [
            ("unix_seconds", "1736933400"),
            ("unix_millis", "1736933400123"),
            ("rfc3339", "2025-01-15T09:30:00.1234567Z"),
            ("rfc3339_seconds", "2025-01-15T09:30:00Z"),
            ("rfc3339_millis", "2025-01-15T09:30:00.123Z"),
            ("rfc3339_micros", "2025-01-15T09:30:00.123456Z"),
            ("rfc3339_offset", "2025-01-15T09:30:00.1234567+00:00"),
            ("rfc3339_seconds_offset", "2025-01-15T09:30:00+00:00"),
            ("rfc3339_millis_offset", "2025-01-15T09:30:00.123+00:00"),
            ("rfc3339_micros_offset", "2025-01-15T09:30:00.123456+00:00"),
        ] {
            let form = TimeForm::of(name).unwrap();
            let written = form.write(time, true);
            assert_eq!(written, expected);
            assert_eq!(form.read_seconds(&written), Some(1_736_933_400));
        }
        let made = rfc3339(None, false).write(time, false);
        assert_eq!(made, "2025-01-15T09:30:00.123Z");
    }
}

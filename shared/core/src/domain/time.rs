//! A time as answers and notices have it.

use std::fmt;

use rung_base::clock::timestamp;
use serde::{Serialize, Serializer};

/// A time in milliseconds since the Unix epoch. It is written as RFC 3339, in UTC, with exactly three fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// The time so many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn at_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// How many milliseconds after the Unix epoch it is.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", timestamp(self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_fraction_digits() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_760_000_000_930, "2025-10-09T08:53:20.930Z"),
            (1_760_000_000_007, "2025-10-09T08:53:20.007Z"),
            (u64::MAX, "9999-12-30T22:00:00.999Z"),
        ] {
            assert_eq!(Time::at_ms(ms).to_string(), text);
            let json = serde_json::to_value(Time::at_ms(ms)).ok();
            assert_eq!(json, Some(text.into()));
        }
    }
}

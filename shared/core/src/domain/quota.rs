//! The windows that published events are counted in: the seconds of tenants, the hours of keys, the months of plans.

use jiff::{civil::Date, tz::Offset};

use super::id::KeyId;
use rung_base::clock::timestamp;

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// A span of time that events are counted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// What tells it from others; a plan's and a tenant's counter is called by it.
    pub name: String,
    /// When it begins, in milliseconds.
    pub start_ms: u64,
    /// When it ends, in milliseconds.
    pub end_ms: u64,
}

impl Window {
    /// The second.
    #[must_use]
    pub fn second(now_ms: u64) -> Self {
        let second = now_ms / SECOND_MS;
        Self {
            name: format!("second#{second}"),
            start_ms: second * SECOND_MS,
            end_ms: (second + 1) * SECOND_MS,
        }
    }

    /// The hour.
    #[must_use]
    pub fn hour(now_ms: u64) -> Self {
        let hour = now_ms / HOUR_MS;
        Self {
            name: hour.to_string(),
            start_ms: hour * HOUR_MS,
            end_ms: (hour + 1) * HOUR_MS,
        }
    }

    /// The calendar month in UTC.
    #[must_use]
    pub fn month(now_ms: u64) -> Self {
        let date = Offset::UTC.to_datetime(timestamp(now_ms)).date();
        let midnight_ms = |date: Date| {
            let time = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
            u64::try_from(time.as_millisecond()).ok()
        };
        let next = date.last_of_month().tomorrow().ok();
        Self {
            name: format!("{:04}-{:02}", date.year(), date.month()),
            start_ms: midnight_ms(date.first_of_month()).unwrap_or(0),
            end_ms: next.and_then(midnight_ms).unwrap_or(u64::MAX),
        }
    }

    /// The name of a key's counter.
    #[must_use]
    pub fn counter_of(&self, key: &KeyId) -> String {
        format!("{key}#{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_and_end_with_the_hour_and_the_month() {
        // 2024-12-31T23:59:59.999Z
        let last_ms = 1_735_689_599_999;
        let (hour, month) = (Window::hour(last_ms), Window::month(last_ms));
        assert_eq!(
            (hour.start_ms, hour.end_ms),
            (last_ms + 1 - HOUR_MS, last_ms + 1)
        );
        assert_ne!(hour.name, Window::hour(last_ms + 1).name);
        assert_eq!(
            (month.name.as_str(), month.end_ms),
            ("2024-12", last_ms + 1)
        );
        let next = Window::month(last_ms + 1);
        assert_eq!(
            (next.name.as_str(), next.start_ms, next.end_ms),
            ("2025-01", last_ms + 1, last_ms + 1 + 31 * 24 * HOUR_MS)
        );
    }
}

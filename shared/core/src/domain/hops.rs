//! How many deliveries in a row led to an event: what ends loops, in which deliveries publish events that are delivered again.
//!
//! Each delivery carries the number of its event and itself in the header [`HOPS`]. A request that carries it back to Rung is a
//! delivery, and what it publishes continues the count.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::limits::HOPS_MAX;

/// The header of a delivery that carries the count.
pub const HOPS: HeaderName = HeaderName::from_static("rung-hops");

/// The deliveries in a row that led to an event; none for an event that came from elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hops(u8);

/// Why a carried count is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopsFault {
    /// It is no decimal number.
    Malformed,
    /// There were [`HOPS_MAX`] deliveries in a row, or more.
    TooMany,
}

impl Hops {
    /// No delivery led to it.
    pub const NONE: Self = Self(0);

    /// The count of an event that is published by a request which carries `text`.
    ///
    /// # Errors
    /// When `text` is no count, or the event would be one too many.
    pub fn parse(text: &str) -> Result<Self, HopsFault> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HopsFault::Malformed);
        }
        // What a number of digits cannot hold is beyond every limit.
        let hops = text.parse().unwrap_or(u8::MAX);
        if hops < HOPS_MAX {
            Ok(Self(hops))
        } else {
            Err(HopsFault::TooMany)
        }
    }

    /// The count as it was stored.
    #[must_use]
    pub fn stored(hops: u8) -> Self {
        Self(hops)
    }

    /// The count, to be stored.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// What the event's deliveries carry.
    #[must_use]
    pub fn carried(self) -> u8 {
        self.0.saturating_add(1)
    }

    /// The same as the value of the header [`HOPS`].
    #[must_use]
    pub fn header(self) -> HeaderValue {
        u16::from(self.carried()).into()
    }

    /// The count of an event that Rung itself publishes about a delivery of this one. It is told in any case, but what it leads to
    /// ends with it at the latest.
    #[must_use]
    pub fn of_consequence(self) -> Self {
        Self(self.carried().min(HOPS_MAX - 1))
    }

    /// Whether no delivery led to it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_of_a_delivery_of_a_delivery_is_one_too_many() {
        let mut hops = Hops::NONE;
        for carried in 1..HOPS_MAX {
            assert_eq!(hops.carried(), carried);
            hops = Hops::parse(&carried.to_string()).unwrap();
        }
        assert_eq!(hops.carried(), HOPS_MAX);
        assert_eq!(Hops::parse("3"), Err(HopsFault::TooMany));
    }

    #[test]
    fn no_text_is_taken_for_fewer_than_it_says() {
        for (text, hops) in [("0", 0), ("1", 1), ("2", 2), ("002", 2)] {
            assert_eq!(Hops::parse(text), Ok(Hops(hops)), "{text}");
        }
        let long = "9".repeat(10_000);
        for text in ["3", "4", "10", "255", "256", "257", "4294967296", &long] {
            assert_eq!(Hops::parse(text), Err(HopsFault::TooMany), "{text}");
        }
        for text in ["", "-1", "+1", "1.0", "0x1", "1, 1", "1,", " 1", "one", "١"] {
            assert_eq!(Hops::parse(text), Err(HopsFault::Malformed), "{text}");
        }
    }

    #[test]
    fn what_rung_tells_of_the_last_delivery_is_told_and_leads_no_further() {
        let told = [0, 1, 2, u8::MAX].map(|hops| Hops(hops).of_consequence().carried());
        assert_eq!(told, [2, 3, 3, 3]);
    }
}

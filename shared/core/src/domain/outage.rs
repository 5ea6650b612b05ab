//! Outages: since when a webhook's attempts have failed without a success in between.
//!
//! The outage is stored in the webhook's own row, so that no attempt has to walk the log. A failure starts or extends it, a success
//! ends it. A healthy webhook has none, and costs no write. Tests and retries by hand neither start nor extend one.

use rung_dialect::Dialect;
use serde::{Deserialize, Serialize};

use super::Unknown;
use crate::limits::{PAUSE_MAX_MS, PAUSE_RAMP_MS};

/// The last failure of an outage is written at most this often, in milliseconds.
const EXTEND_MS: u64 = 3_600_000;

/// A run of failed attempts without a success, and without a gap longer than the longest wait of the ladder: after a longer gap
/// nothing says that the receiver was away all the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When the first failure ended, in milliseconds.
    #[serde(rename = "s")]
    pub since_ms: u64,
    /// When the last failure ended, in milliseconds. It may lag behind by a sixteenth of the longest wait, at most by an hour.
    #[serde(rename = "l")]
    pub last_failure_ms: u64,
    /// Whether the operator was notified of it.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub notified: bool,
    /// What a newer version of Rung has stored with it.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How far apart two failures of one outage may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    longest_ms: u64,
    extend_ms: u64,
}

impl Gaps {
    /// The gaps of a dialect: its longest wait, or the longest pause.
    #[must_use]
    pub fn of(dialect: &Dialect) -> Self {
        let gaps = Self::longest(dialect.longest_wait_ms());
        let pause_ms = PAUSE_MAX_MS + PAUSE_RAMP_MS + gaps.extend_ms;
        let paused = dialect.throttles && gaps.longest_ms > 0;
        Self {
            longest_ms: gaps.longest_ms.max(if paused { pause_ms } else { 0 }),
            ..gaps
        }
    }

    fn longest(wait_ms: u64) -> Self {
        let extend_ms = (wait_ms / 16).min(EXTEND_MS);
        Self {
            longest_ms: wait_ms + extend_ms,
            extend_ms,
        }
    }
}

impl Outage {
    /// What to store after a failure that ended at `ended_ms`; `None` when what is known says enough.
    #[must_use]
    pub fn after_failure(known: Option<&Self>, ended_ms: u64, gaps: Gaps) -> Option<Self> {
        let Some(known) = known else {
            return Some(Self::new(ended_ms));
        };
        let gap_ms = ended_ms.saturating_sub(known.last_failure_ms);
        // Without waits there is no gap to measure.
        if gap_ms > gaps.longest_ms && gaps.longest_ms > 0 {
            return Some(Self::new(ended_ms));
        }
        (gap_ms > 0 && gap_ms >= gaps.extend_ms).then_some(Self {
            last_failure_ms: ended_ms,
            ..known.clone()
        })
    }

    /// Whether a success that ended at `ended_ms` ends it.
    #[must_use]
    pub fn ends_with_success_at(&self, ended_ms: u64) -> bool {
        self.since_ms <= ended_ms
    }

    fn new(ended_ms: u64) -> Self {
        Self {
            since_ms: ended_ms,
            last_failure_ms: ended_ms,
            notified: false,
            unknown: Unknown::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    /// As `standard`: 24 hours at most, plus an hour of lag.
    fn gaps() -> Gaps {
        Gaps::longest(24 * HOUR_MS)
    }

    #[test]
    fn the_first_failure_starts_it_and_others_extend_it_once_an_hour() {
        let first = Outage::after_failure(None, 1_000, gaps()).unwrap();
        assert_eq!((first.since_ms, first.last_failure_ms), (1_000, 1_000));
        let soon = Outage::after_failure(Some(&first), 1_000 + HOUR_MS - 1, gaps());
        assert_eq!(soon, None);
        let later = Outage::after_failure(Some(&first), 1_000 + HOUR_MS, gaps()).unwrap();
        assert_eq!(
            (later.since_ms, later.last_failure_ms),
            (1_000, 1_000 + HOUR_MS)
        );
        // One that ended earlier and is handled later changes nothing.
        assert_eq!(Outage::after_failure(Some(&later), 500, gaps()), None);
    }

    #[test]
    fn a_gap_longer_than_the_longest_wait_starts_another() {
        let first = Outage {
            notified: true,
            ..Outage::after_failure(None, 0, gaps()).unwrap()
        };
        let within = Outage::after_failure(Some(&first), 25 * HOUR_MS, gaps()).unwrap();
        assert_eq!((within.since_ms, within.notified), (0, true));
        let beyond = Outage::after_failure(Some(&first), 25 * HOUR_MS + 1, gaps()).unwrap();
        assert_eq!(
            (beyond.since_ms, beyond.notified),
            (25 * HOUR_MS + 1, false)
        );
    }

    #[test]
    fn a_ladder_without_waits_measures_no_gap() {
        let gaps = Gaps::longest(0);
        let first = Outage::after_failure(None, 0, gaps).unwrap();
        let later = Outage::after_failure(Some(&first), 999 * HOUR_MS, gaps).unwrap();
        assert_eq!(later.since_ms, 0);
    }

    #[test]
    fn a_success_before_its_first_failure_does_not_end_it() {
        let outage = Outage::after_failure(None, 1_000, gaps()).unwrap();
        assert!(!outage.ends_with_success_at(999));
        assert!(outage.ends_with_success_at(1_000));
    }
}

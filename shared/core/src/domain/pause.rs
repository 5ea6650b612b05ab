//! Pauses: a webhook that gets no POST for a while, because its receiver asked for that or because people did.
//!
//! A pause is stored in the webhook's own row, which each batch reads anyway. While it lasts, what comes waits for its end. Then one
//! delivery is posted, the probe. If the receiver is still overloaded the pause is prolonged, else it ends, and what has waited
//! follows at a growing pace. A webhook that was never paused has none, and costs no write. See docs/pauses.md for the numbers.

use rung_dialect::ladder::spread_ms;
use serde::{Deserialize, Serialize};

use super::Unknown;
use crate::limits::{
    PAUSE_FIRST_MS, PAUSE_GROWN_MAX_MS, PAUSE_JITTER, PAUSE_LEAD_MS, PAUSE_MAX_MS, PAUSE_RAMP_MS,
    PROBE_MS,
};

/// Why a webhook is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "PauseCause"))]
pub enum Cause {
    /// The receiver asked for it with `Retry-After`.
    RetryAfter,
    /// The receiver responded with 429, 502, 503 or 504 and did not say for how long.
    Status,
    /// A call of the API: a maintenance window.
    Manual,
}

/// A pause as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its number: higher than those of the webhook's earlier pauses. A change by hand begins another pause.
    #[serde(rename = "i")]
    pub id: u64,
    /// The webhook's epoch that it is of: disabling the webhook ends it.
    #[serde(rename = "n")]
    pub epoch: u64,
    /// Counts its changes.
    #[serde(rename = "v")]
    pub version: u32,
    /// Since when, in milliseconds.
    #[serde(rename = "s")]
    pub since_ms: u64,
    /// Until when nothing is posted, in milliseconds.
    #[serde(rename = "u")]
    pub until_ms: u64,
    /// Why.
    #[serde(rename = "c")]
    pub cause: Cause,
    /// The status that the receiver responded with.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// The log entry that began it.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
    /// How often it, and the pauses that it followed at once, were prolonged.
    #[serde(rename = "g", default)]
    pub growth: u32,
    /// From when on what waits follows, in milliseconds.
    #[serde(rename = "o")]
    pub origin_ms: u64,
    /// The attempt that is to end it.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// When it ended, in milliseconds, if it has.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The pause that had ended when this one began: whoever ended it may have failed to tell, and tries again.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Self>>,
    /// What a newer version of Rung has stored with it.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The one attempt that is made at the end of a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Its log entry.
    #[serde(rename = "l")]
    pub log_id: String,
    /// Until when nobody else makes one, in milliseconds of the wall clock: its function may have died.
    #[serde(rename = "u")]
    pub lease_ms: u64,
}

/// What a pause means for an attempt that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may be made.
    Open,
    /// It waits for the end of the pause.
    Paused,
    /// The pause is over, and nobody has tried yet: it may become the probe.
    Trial,
    /// It waits for what comes of the probe.
    Probing,
    /// It waits for its turn among what follows.
    Ramp,
}

/// What an attempt says about pauses.
#[derive(Debug, Clone, Copy)]
pub struct Signal<'a> {
    /// Its log entry.
    pub log_id: &'a str,
    /// The webhook's epoch.
    pub epoch: u64,
    /// When it began, in milliseconds.
    pub started_ms: u64,
    /// When it ended, in milliseconds.
    pub ended_ms: u64,
    /// The status, if it is one of an overloaded receiver and the dialect heeds it.
    pub throttled: Option<u16>,
    /// Until when the receiver asked to be left alone, in milliseconds.
    pub asked_until_ms: Option<u64>,
    /// From 0 to 1: spreads the ends of growing pauses.
    pub chance: f64,
}

impl Pause {
    /// A maintenance window that begins at `now_ms`, in place of the pause that is known of a webhook at `epoch`.
    #[must_use]
    pub fn by_hand(known: Option<&Self>, epoch: u64, now_ms: u64, until_ms: u64) -> Self {
        let standing = known.filter(|known| known.stands(epoch));
        Self {
            since_ms: standing.map_or(now_ms, |standing| standing.since_ms),
            cause: Cause::Manual,
            ..Self::new(known, epoch, now_ms, until_ms)
        }
    }

    /// Whether it has not ended, of a webhook at `epoch`.
    #[must_use]
    pub fn stands(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.ended_ms.is_none()
    }

    /// Whether it says more than `other`, of the same webhook.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.id, self.version) > (other.id, other.version)
    }

    /// The same, ended by a call at `now_ms`.
    #[must_use]
    pub fn ended_by_hand(&self, now_ms: u64) -> Self {
        Self {
            version: self.version + 1,
            // No probe is ahead: the first of what waits follows at once.
            id: self.id + 1,
            origin_ms: now_ms.saturating_sub(PAUSE_LEAD_MS),
            probe: None,
            ended_ms: Some(now_ms),
            ..self.clone()
        }
    }

    /// The same with this attempt as its probe, at `now_ms` and, of the wall clock, `wall_ms`.
    #[must_use]
    pub fn probed_by(&self, log_id: String, now_ms: u64, wall_ms: u64) -> Self {
        let is_late = now_ms > self.origin_ms + PAUSE_LEAD_MS;
        Self {
            version: self.version + 1,
            origin_ms: if is_late { now_ms } else { self.origin_ms },
            probe: Some(Probe {
                log_id,
                lease_ms: wall_ms + PROBE_MS,
            }),
            ..self.clone()
        }
    }

    /// What to store after an attempt that counts; `None` when nothing changes. Only the probe ends or prolongs a pause, and what was
    /// under way when one ended begins no other.
    #[must_use]
    pub fn after(known: Option<&Self>, signal: Signal<'_>) -> Option<Self> {
        let Some(standing) = known.filter(|known| known.stands(signal.epoch)) else {
            let status = signal.throttled?;
            let ended = known.and_then(|known| Some((known, known.ended_ms?)));
            let is_news = ended.is_none_or(|(_, ended_ms)| signal.started_ms >= ended_ms);
            let is_relapse = |ended_ms: u64| signal.ended_ms < ended_ms + PAUSE_RAMP_MS;
            let before = ended.filter(|(_, ended_ms)| is_relapse(*ended_ms));
            let growth = before.map_or(0, |(before, _)| before.growth + 1);
            let begun = Self {
                log_id: Some(signal.log_id.to_owned()),
                ..Self::new(known, signal.epoch, signal.ended_ms, signal.ended_ms)
            };
            return is_news.then(|| begun.throttled_by(status, growth, signal));
        };
        if !standing.is_probe(signal.log_id) {
            return None;
        }
        let next = Self {
            version: standing.version + 1,
            ..standing.clone()
        };
        Some(match signal.throttled {
            Some(status) => next.throttled_by(status, standing.growth + 1, signal),
            None => Self {
                ended_ms: Some(signal.ended_ms),
                ..next
            },
        })
    }

    /// The pause that this log entry's attempt has ended: this one, or the one before it.
    #[must_use]
    pub fn ended_by(&self, log_id: &str) -> Option<&Self> {
        let both = [Some(self), self.before.as_deref()];
        let mut ended = both.into_iter().flatten();
        ended.find(|pause| pause.ended_ms.is_some() && pause.is_probe(log_id))
    }

    /// Whether this log entry is its probe's.
    #[must_use]
    pub fn is_probe(&self, log_id: &str) -> bool {
        self.probe.as_ref().is_some_and(|it| it.log_id == log_id)
    }

    /// What it means for an attempt that is due at `now_ms` (of the wall clock, `wall_ms`). `in_place`: it has waited for this pause
    /// before, and its turn has come.
    #[must_use]
    pub fn gate(&self, in_place: bool, now_ms: u64, wall_ms: u64) -> Gate {
        if let Some(ended_ms) = self.ended_ms {
            let over = now_ms >= self.origin_ms.max(ended_ms) + PAUSE_RAMP_MS;
            return if over || in_place {
                Gate::Open
            } else {
                Gate::Ramp
            };
        }
        if now_ms < self.until_ms {
            Gate::Paused
        } else if self.is_probed(wall_ms) {
            Gate::Probing
        } else {
            Gate::Trial
        }
    }

    /// Whether people are told of it.
    #[must_use]
    pub fn lasts(&self, now_ms: u64, wall_ms: u64) -> bool {
        matches!(
            self.gate(false, now_ms, wall_ms),
            Gate::Paused | Gate::Probing
        )
    }

    /// Whether what is due may be waiting for it, or for its turn after it. When nobody has tried for long, what waits was lost.
    #[must_use]
    pub fn holds_back(&self, now_ms: u64, wall_ms: u64) -> bool {
        match self.gate(false, now_ms, wall_ms) {
            Gate::Open => false,
            Gate::Trial => now_ms < self.origin_ms + PAUSE_RAMP_MS,
            Gate::Paused | Gate::Probing | Gate::Ramp => true,
        }
    }

    /// When the attempt that took the place `place` (from 0) of those that wait may be made at the earliest, in milliseconds. The first
    /// is the probe, and the others follow when it may have been answered.
    #[must_use]
    pub fn turn_ms(&self, place: u64, gate: Gate, now_ms: u64) -> u64 {
        let follows_ms = self.origin_ms + PAUSE_LEAD_MS + ramp_ms(place);
        match gate {
            Gate::Paused if place == 0 => self.until_ms,
            Gate::Probing => follows_ms.max(now_ms + PAUSE_LEAD_MS),
            Gate::Open | Gate::Paused | Gate::Trial | Gate::Ramp => follows_ms,
        }
    }

    fn is_probed(&self, wall_ms: u64) -> bool {
        let mut probe = self.probe.iter();
        probe.any(|probe| wall_ms < probe.lease_ms)
    }

    fn new(known: Option<&Self>, epoch: u64, since_ms: u64, until_ms: u64) -> Self {
        let ended = known.filter(|known| known.ended_ms.is_some() && known.epoch == epoch);
        let before = match ended {
            Some(ended) => Some(Box::new(Self {
                before: None,
                ..ended.clone()
            })),
            None => known.and_then(|known| known.before.clone()),
        };
        Self {
            id: known.map_or(since_ms, |known| since_ms.max(known.id + 1)),
            epoch,
            version: known.map_or(0, |known| known.version + 1),
            since_ms,
            until_ms,
            cause: Cause::Status,
            response_status: None,
            log_id: None,
            growth: 0,
            origin_ms: until_ms,
            probe: None,
            ended_ms: None,
            before,
            unknown: known.map_or_else(Unknown::new, |known| known.unknown.clone()),
        }
    }

    fn throttled_by(self, status: u16, growth: u32, signal: Signal<'_>) -> Self {
        let asked_ms = signal.asked_until_ms;
        let asked_ms = asked_ms.filter(|asked_ms| *asked_ms > signal.ended_ms);
        let most_ms = signal.ended_ms + PAUSE_MAX_MS;
        let until_ms = match asked_ms {
            Some(asked_ms) => asked_ms.min(most_ms),
            None => signal.ended_ms + grown_ms(growth, signal.chance),
        };
        Self {
            until_ms,
            origin_ms: until_ms,
            cause: asked_ms.map_or(Cause::Status, |_| Cause::RetryAfter),
            response_status: Some(status),
            growth,
            probe: None,
            ..self
        }
    }
}

/// The length of a pause that was prolonged so often before, in milliseconds. `chance`, from 0 to 1, spreads it.
fn grown_ms(growth: u32, chance: f64) -> u64 {
    let factor = 1_u64.checked_shl(growth).unwrap_or(u64::MAX);
    let length_ms = PAUSE_FIRST_MS
        .saturating_mul(factor)
        .min(PAUSE_GROWN_MAX_MS);
    spread_ms(length_ms, PAUSE_JITTER, chance)
}

/// After how many milliseconds so many have followed: about one a second at first, twice as many every ten seconds.
fn ramp_ms(place: u64) -> u64 {
    const DOUBLING_MS: f64 = 10_000.0;
    const FIRST: f64 = 10.0;
    (DOUBLING_MS * (1.0 + place as f64 / FIRST).log2()) as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn signal(log_id: &str, at_ms: u64, throttled: Option<u16>) -> Signal<'_> {
        Signal {
            log_id,
            epoch: 7,
            started_ms: at_ms,
            ended_ms: at_ms,
            throttled,
            asked_until_ms: None,
            chance: 0.5,
        }
    }

    fn asking(log_id: &str, at_ms: u64, until_ms: u64) -> Signal<'_> {
        Signal {
            asked_until_ms: Some(until_ms),
            ..signal(log_id, at_ms, Some(503))
        }
    }

    #[test]
    fn a_receiver_is_left_alone_as_long_as_it_asks_up_to_a_day() {
        let pause = Pause::after(None, asking("a", 1_000, 601_000)).unwrap();
        assert_eq!((pause.since_ms, pause.until_ms), (1_000, 601_000));
        assert_eq!(
            (pause.cause, pause.response_status),
            (Cause::RetryAfter, Some(503))
        );
        let pause = Pause::after(None, asking("a", 1_000, u64::MAX)).unwrap();
        assert_eq!(pause.until_ms, 1_000 + 24 * HOUR_MS);
        // One that asks for nothing has not said for how long.
        let pause = Pause::after(None, asking("a", 1_000, 1_000)).unwrap();
        assert_eq!((pause.until_ms, pause.cause), (6_000, Cause::Status));
        assert_eq!(Pause::after(None, signal("a", 1_000, None)), None);
    }

    #[test]
    fn a_pause_grows_from_five_seconds_to_an_hour_while_its_probes_fail() {
        let mut pause = Pause::after(None, signal("first", 0, Some(429))).unwrap();
        let mut lengths = vec![pause.until_ms];
        for _ in 0..11 {
            let at_ms = pause.until_ms;
            let probed = pause.probed_by("probe".to_owned(), at_ms, at_ms);
            pause = Pause::after(Some(&probed), signal("probe", at_ms, Some(429))).unwrap();
            assert_eq!((pause.since_ms, &pause.probe), (0, &None));
            lengths.push(pause.until_ms - at_ms);
        }
        let seconds = [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600];
        assert_eq!(lengths, seconds.map(|s| s * 1_000));
        assert_eq!(grown_ms(1, 0.0), 9_000);
        assert_eq!(grown_ms(1, 1.0), 11_000);
        assert_eq!(grown_ms(u32::MAX, 1.0), 3_960_000);
    }

    #[test]
    fn only_the_probe_ends_a_pause() {
        let pause = Pause::after(None, signal("a", 0, Some(502))).unwrap();
        let probed = pause.probed_by("probe".to_owned(), 10_000, 10_000);
        for status in [None, Some(502)] {
            assert_eq!(
                Pause::after(Some(&probed), signal("b", 10_001, status)),
                None
            );
        }
        let ended = Pause::after(Some(&probed), signal("probe", 10_001, None)).unwrap();
        assert_eq!(ended.ended_ms, Some(10_001));
        // Said again after a crash, it changes nothing.
        assert_eq!(
            Pause::after(Some(&ended), signal("probe", 10_001, None)),
            None
        );
    }

    #[test]
    fn who_ended_a_pause_is_known_while_the_next_one_lasts() {
        let first = Pause::after(None, asking("a", 1_000, 2_000)).unwrap();
        let probed = first.probed_by("b".to_owned(), 2_000, 2_000);
        let ended = Pause::after(Some(&probed), signal("b", 3_000, None)).unwrap();
        assert_eq!(ended.ended_by("b"), Some(&ended));
        let next = Pause::after(Some(&ended), asking("c", 4_000, 9_000)).unwrap();
        assert_eq!(next.ended_by("b"), Some(&ended));
        let window = Pause::by_hand(Some(&next), 7, 5_000, 99_000);
        assert_eq!(window.ended_by("b"), Some(&ended));
        assert_eq!(window.ended_by("a"), None, "it began one");
        let third = Pause::after(
            Some(&next.ended_by_hand(10_000)),
            asking("d", 11_000, 12_000),
        );
        assert_eq!(third.unwrap().ended_by("b"), None, "one is enough");
    }

    #[test]
    fn what_was_under_way_when_a_pause_ended_begins_no_other() {
        let pause = Pause::after(None, signal("a", 0, Some(503))).unwrap();
        let probed = pause.probed_by("probe".to_owned(), 10_000, 10_000);
        let ended = Pause::after(Some(&probed), signal("probe", 10_500, None)).unwrap();
        let stale = signal("b", 10_499, Some(503));
        assert_eq!(Pause::after(Some(&ended), stale), None);
        let relapse = Pause::after(Some(&ended), signal("c", 10_501, Some(503))).unwrap();
        assert_eq!((relapse.growth, relapse.since_ms), (1, 10_501));
        assert!(relapse.id > ended.id && relapse.version > ended.version);
        let later_ms = 10_500 + PAUSE_RAMP_MS;
        let anew = Pause::after(Some(&ended), signal("c", later_ms, Some(503))).unwrap();
        assert_eq!(anew.growth, 0);
    }

    #[test]
    fn one_probe_at_a_time_is_made_when_the_pause_is_over() {
        let pause = Pause::after(None, signal("a", 0, Some(503))).unwrap();
        assert_eq!(pause.gate(true, 4_999, 4_999), Gate::Paused);
        assert_eq!(pause.gate(true, 10_000, 10_000), Gate::Trial);
        assert!(!pause.lasts(10_000, 10_000));
        let probed = pause.probed_by("probe".to_owned(), 10_000, 10_000);
        assert_eq!(probed.gate(true, 10_001, 10_001), Gate::Probing);
        assert!(probed.lasts(10_001, 10_001));
        // Its function has died.
        let late_ms = 10_000 + PROBE_MS;
        assert_eq!(probed.gate(true, late_ms, late_ms), Gate::Trial);
        let ended = Pause::after(Some(&probed), signal("probe", 11_000, None)).unwrap();
        assert_eq!(ended.gate(true, 11_001, 11_001), Gate::Open);
        assert_eq!(ended.gate(false, 11_001, 11_001), Gate::Ramp);
        let over_ms = 11_000 + PAUSE_RAMP_MS;
        assert_eq!(ended.gate(false, over_ms, over_ms), Gate::Open);
    }

    #[test]
    fn what_waited_follows_at_a_growing_pace_behind_the_probe() {
        let pause = Pause::by_hand(None, 7, 0, 60_000);
        let turn = |place| pause.turn_ms(place, Gate::Paused, 0);
        assert_eq!(turn(0), 60_000);
        let within = |ms: u64| (1..).take_while(|place| turn(*place) < 65_000 + ms).count();
        assert_eq!(within(0), 0);
        let counts = [10_000, 20_000, 30_000, 60_000, 100_000].map(within);
        assert_eq!(counts, [9, 29, 69, 629, 10_229]);
        assert!(turn(100_000) < 65_000 + PAUSE_RAMP_MS);
    }

    #[test]
    fn a_window_takes_the_place_of_a_pause_and_people_end_either() {
        let pause = Pause::after(None, asking("a", 1_000, 601_000)).unwrap();
        let window = Pause::by_hand(Some(&pause), 7, 2_000, 5_000);
        assert_eq!((window.since_ms, window.until_ms), (1_000, 5_000));
        assert_eq!(
            (window.cause, window.response_status),
            (Cause::Manual, None)
        );
        assert!(window.id > pause.id);
        let ended = window.ended_by_hand(3_000);
        assert!(ended.id > window.id, "no place in it holds any more");
        assert_eq!(ended.gate(false, 3_000, 3_000), Gate::Ramp);
        for (known, epoch) in [(&ended, 7), (&pause, 8)] {
            let window = Pause::by_hand(Some(known), epoch, 4_000, 5_000);
            assert_eq!(window.since_ms, 4_000, "it is another pause");
            assert!(window.is_newer_than(known));
        }
    }
}

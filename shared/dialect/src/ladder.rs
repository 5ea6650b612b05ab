//! The retry schedule: how long to wait after each failed attempt, and when to give up on a webhook.
//!
//! A [`Ladder`] has one wait per rung. Chance is an argument, so the same chance gives the same wait.

/// The waits between a delivery's attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    waits_ms: Vec<u64>,
    jitter: f64,
}

impl Ladder {
    /// A ladder of `waits_ms`, each spread over ± `jitter` (0.1 is ±10 %) of itself.
    ///
    /// `jitter` beyond 0 to 1 is taken as the nearer of the two.
    #[must_use]
    pub fn new(waits_ms: Vec<u64>, jitter: f64) -> Self {
        Self {
            waits_ms,
            jitter: jitter.clamp(0.0, 1.0),
        }
    }

    /// The waits in milliseconds, before jitter.
    #[must_use]
    pub fn waits_ms(&self) -> &[u64] {
        &self.waits_ms
    }

    /// How far a wait may differ from its rung's, as a share of it.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Attempts of a delivery that never succeeds: one more than the waits.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.waits_ms.len() + 1
    }

    /// The wait at `rung` (0 follows the first attempt) in milliseconds, from the end of the attempt before it.
    ///
    /// `chance` in 0 to 1 picks one within the jitter, as [`spread_ms`] says. `None` when the ladder is used up.
    #[must_use]
    pub fn wait_ms(&self, rung: usize, chance: f64) -> Option<u64> {
        let wait_ms = *self.waits_ms.get(rung)?;
        Some(spread_ms(wait_ms, self.jitter, chance))
    }

    /// `wait_ms` of `rung`, prolonged towards what the receiver asked for with `Retry-After`.
    ///
    /// Never shorter than the wait itself, and longer by no more than the next rung's wait, at the last rung by its own once more.
    #[must_use]
    pub fn prolonged_ms(&self, rung: usize, wait_ms: u64, requested_ms: u64) -> u64 {
        requested_ms.clamp(wait_ms, wait_ms + self.most_extra_ms(rung))
    }

    /// The longest time in milliseconds that all waits together can take: every jitter at its most and, with
    /// `honours_retry_after`, every wait prolonged as far as it can be.
    #[must_use]
    pub fn longest_ms(&self, honours_retry_after: bool) -> u64 {
        (0..self.waits_ms.len())
            .filter_map(|rung| self.most_ms(rung, honours_retry_after))
            .sum()
    }

    /// The longest time in milliseconds that one wait can take, jitter and, with `honours_retry_after`, prolonging included. 0
    /// without waits.
    #[must_use]
    pub fn longest_wait_ms(&self, honours_retry_after: bool) -> u64 {
        (0..self.waits_ms.len())
            .filter_map(|rung| self.most_ms(rung, honours_retry_after))
            .max()
            .unwrap_or(0)
    }

    /// The longest time that the wait at `rung` can take.
    fn most_ms(&self, rung: usize, honours_retry_after: bool) -> Option<u64> {
        let extra_ms = if honours_retry_after {
            self.most_extra_ms(rung)
        } else {
            0
        };
        let (_, most_ms) = bounds_ms(*self.waits_ms.get(rung)?, self.jitter);
        Some(most_ms + extra_ms)
    }

    fn most_extra_ms(&self, rung: usize) -> u64 {
        let next = self.waits_ms.get(rung + 1).or_else(|| self.waits_ms.last());
        next.copied().unwrap_or(0)
    }
}

/// A wait within ± `jitter` of `wait_ms`, in milliseconds; `chance` in 0 to 1 picks which.
///
/// It is one of whole seconds, each as likely as the others: queues delay by whole seconds, so any other would end up to a second after
/// it is over, beyond its jitter. Where there is no whole second within the jitter, it is any of milliseconds.
#[must_use]
pub fn spread_ms(wait_ms: u64, jitter: f64, chance: f64) -> u64 {
    let (least_ms, most_ms) = bounds_ms(wait_ms, jitter);
    let (least_s, most_s) = (least_ms.div_ceil(1000), most_ms / 1000);
    if least_s > most_s {
        return pick(least_ms, most_ms, chance);
    }
    pick(least_s, most_s, chance) * 1000
}

/// The shortest and the longest that a wait of `wait_ms` can be.
fn bounds_ms(wait_ms: u64, jitter: f64) -> (u64, u64) {
    let times = |factor: f64| (wait_ms as f64 * factor).round() as u64;
    (times(1.0 - jitter), times(1.0 + jitter))
}

/// One of the numbers from `least` to `most`, each for as large a part of `chance`.
fn pick(least: u64, most: u64, chance: f64) -> u64 {
    let choices = (most - least + 1) as f64;
    least + ((choices * chance) as u64).min(most - least)
}

/// What makes Rung disable a webhook by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisableRule {
    /// Nothing does.
    Never,
    /// A delivery has failed on the last rung.
    LadderUsedUp,
    /// So many attempts in a row failed, over all the webhook's deliveries; a success starts the count again.
    ConsecutiveFailures(u32),
    /// An outage has lasted for so long: see [`Outage`](super::outage::Outage).
    FailingFor {
        /// The span in milliseconds.
        ms: u64,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_jitter_chance_changes_nothing_and_the_ladder_ends() {
        let ladder = Ladder::new(vec![0, 300_000], 0.0);
        assert_eq!(ladder.wait_ms(0, 0.7), Some(0));
        assert_eq!(ladder.wait_ms(1, 0.0), Some(300_000));
        assert_eq!(ladder.wait_ms(2, 0.5), None);
        assert_eq!(ladder.attempts(), 3);
    }

    #[test]
    fn jitter_spreads_evenly_over_the_whole_seconds_around_the_wait() {
        let ladder = Ladder::new(vec![30_000], 0.1);
        assert_eq!(ladder.wait_ms(0, 0.0), Some(27_000));
        assert_eq!(ladder.wait_ms(0, 0.5), Some(30_000));
        assert_eq!(ladder.wait_ms(0, 1.0), Some(33_000));
        let shares = (0..70).map(|share| spread_ms(30_000, 0.1, f64::from(share) / 70.0));
        let mut times = [0; 7];
        shares.for_each(|wait_ms| times[(wait_ms / 1000 - 27) as usize] += 1);
        assert_eq!(times, [10; 7]);
        // From 4.5 to 5.5 s there is one.
        for chance in [0.0, 0.3, 1.0] {
            assert_eq!(spread_ms(5_000, 0.1, chance), 5_000);
        }
    }

    #[test]
    fn a_wait_without_a_whole_second_in_its_jitter_has_any_length_of_it() {
        assert_eq!(spread_ms(500, 0.1, 0.0), 450);
        assert_eq!(spread_ms(500, 0.1, 0.5), 500);
        assert_eq!(spread_ms(500, 0.1, 1.0), 550);
        assert_eq!(spread_ms(1_500, 0.0, 0.7), 1_500);
    }

    #[test]
    fn retry_after_prolongs_by_the_next_wait_at_most() {
        let ladder = Ladder::new(vec![5_000, 60_000], 0.0);
        assert_eq!(ladder.prolonged_ms(0, 5_000, 1_000), 5_000, "never sooner");
        assert_eq!(ladder.prolonged_ms(0, 5_000, 30_000), 30_000);
        assert_eq!(ladder.prolonged_ms(0, 5_000, 900_000), 65_000);
        assert_eq!(
            ladder.prolonged_ms(1, 60_000, 900_000),
            120_000,
            "last rung: its own once more"
        );
    }

    #[test]
    fn the_longest_ladder_counts_jitter_and_retry_after() {
        let ladder = Ladder::new(vec![1_000, 10_000], 0.1);
        assert_eq!(ladder.longest_ms(false), 12_100);
        assert_eq!(ladder.longest_ms(true), 12_100 + 10_000 + 10_000);
        assert_eq!(Ladder::new(vec![], 0.1).longest_ms(true), 0);
    }

    proptest! {
        #[test]
        fn no_chance_and_no_request_exceeds_the_longest(
            waits in prop::collection::vec(0_u64..100_000_000, 0..12),
            jitter in 0.0..=1.0,
            chance in 0.0..1.0,
            requested in any::<u64>(),
        ) {
            let ladder = Ladder::new(waits, jitter);
            let mut total = 0;
            let mut rung = 0;
            while let Some(wait_ms) = ladder.wait_ms(rung, chance) {
                let (least_ms, most_ms) = bounds_ms(ladder.waits_ms[rung], ladder.jitter);
                prop_assert!((least_ms..=most_ms).contains(&wait_ms));
                total += ladder.prolonged_ms(rung, wait_ms, requested);
                rung += 1;
            }
            prop_assert_eq!(rung + 1, ladder.attempts());
            prop_assert!(total <= ladder.longest_ms(true));
        }
    }
}

//! Counts of attempts, and how long their answers took.
//!
//! Latencies go into a histogram whose classes grow by a quarter of a doubling, so that a percentile is at most 19 % off,
//! whatever the scale, and sums of histograms are as good as their parts.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, ErrorCode, Outcome};

/// The span that is counted together, in milliseconds.
pub const HOUR_MS: u64 = 3_600_000;

/// Classes of latency: one below a millisecond, then four to each doubling up to 33 s, which is beyond any time-out.
pub const LATENCY_CLASSES: usize = 61;

/// The newest attempts of a webhook that were counted, by their outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Last {
    /// When the last one that succeeded ended, in milliseconds.
    pub success_ms: Option<u64>,
    /// The last one that failed.
    pub failure: Option<LastFailure>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    /// When it ended, in milliseconds.
    #[serde(rename = "e")]
    pub at_ms: u64,
    /// Why it failed, by its public name.
    #[serde(rename = "c")]
    pub error_code: Option<String>,
    /// Its log entry.
    #[serde(rename = "l")]
    pub log_id: String,
}

impl Last {
    fn of(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Succeeded => Self {
                success_ms: Some(attempt.ended_ms),
                failure: None,
            },
            Outcome::Failed => Self {
                success_ms: None,
                failure: Some(LastFailure {
                    at_ms: attempt.ended_ms,
                    error_code: attempt.error_code.map(|code| code.as_str().to_owned()),
                    log_id: attempt.key.log_id().to_string(),
                }),
            },
        }
    }

    /// Keeps of both what is newer.
    pub fn add(&mut self, other: Self) {
        let at_ms = |failure: &Option<LastFailure>| failure.as_ref().map(|failure| failure.at_ms);
        self.success_ms = self.success_ms.max(other.success_ms);
        if at_ms(&other.failure) > at_ms(&self.failure) {
            self.failure = other.failure;
        }
    }
}

/// How attempts went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// By the hundreds of their answer's status; at 0 those that had no answer.
    pub by_status: [u64; 6],
    /// Those that failed, by their error's place in [`ErrorCode::ALL`].
    pub by_error: [u64; ErrorCode::ALL.len()],
    /// By the class of their answer's latency.
    pub latencies: [u64; LATENCY_CLASSES],
    /// The newest ones.
    pub last: Last,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            succeeded: 0,
            failed: 0,
            by_status: [0; 6],
            by_error: [0; ErrorCode::ALL.len()],
            latencies: [0; LATENCY_CLASSES],
            last: Last::default(),
        }
    }
}

impl Counts {
    /// Counts one attempt.
    pub fn count(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            Outcome::Failed => self.failed += 1,
        }
        self.last.add(Last::of(attempt));
        let class = attempt.response_status.map_or(0, |status| status / 100);
        self.by_status[usize::from(class).min(5)] += 1;
        let error = ErrorCode::ALL
            .iter()
            .position(|code| attempt.error_code == Some(*code));
        if let Some(error) = error {
            self.by_error[error] += 1;
        }
        if attempt.response_status.is_some() {
            self.latencies[latency_class(attempt.response_time_ms)] += 1;
        }
    }

    /// Counts what others have counted.
    pub fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.last.add(other.last.clone());
        let pairs = self.by_status.iter_mut().zip(other.by_status);
        pairs.for_each(|(sum, count)| *sum += count);
        let pairs = self.by_error.iter_mut().zip(other.by_error);
        pairs.for_each(|(sum, count)| *sum += count);
        let pairs = self.latencies.iter_mut().zip(other.latencies);
        pairs.for_each(|(sum, count)| *sum += count);
    }

    /// The latency in milliseconds that the share `part` (0.5 for the median) of all answers did not exceed; `None` without
    /// answers.
    #[must_use]
    pub fn latency_ms(&self, part: f64) -> Option<u64> {
        let answers: u64 = self.latencies.iter().sum();
        let rank = (part * answers as f64).ceil().max(1.0);
        let mut below = 0;
        for (class, count) in self.latencies.iter().copied().enumerate() {
            if (below + count) as f64 >= rank {
                // As if the class's answers were spread evenly over it.
                let within = (rank - below as f64) / count as f64;
                let (from, to) = (lower_ms(class), lower_ms(class + 1));
                return Some((from + (to - from) * within).floor() as u64);
            }
            below += count;
        }
        None
    }
}

fn latency_class(ms: u64) -> usize {
    match ms {
        0 => 0,
        // At most 33 s: the rest of a number's range is nothing that a receiver takes.
        ms => (1 + (4.0 * (ms as f64).log2()).floor() as usize).min(LATENCY_CLASSES - 1),
    }
}

/// Where a class begins, in milliseconds.
fn lower_ms(class: usize) -> f64 {
    match class {
        0 => 0.0,
        class => 2_f64.powf((class - 1) as f64 / 4.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(latencies: &[u64]) -> Counts {
        let mut counts = Counts::default();
        for ms in latencies {
            counts.latencies[latency_class(*ms)] += 1;
        }
        counts
    }

    #[test]
    fn without_answers_there_is_no_latency() {
        assert_eq!(Counts::default().latency_ms(0.5), None);
        assert_eq!(of(&[0]).latency_ms(0.99), Some(1));
    }

    proptest! {
        #[test]
        fn percentiles_are_near_the_true_ones_and_in_order(
            mut latencies in prop::collection::vec(0_u64..33_000, 1..200),
            part in 0.01..1.0,
        ) {
            let counts = of(&latencies);
            latencies.sort_unstable();
            let rank = f64::ceil(part * latencies.len() as f64) as usize;
            let exact = latencies[rank - 1] as f64;
            let found = counts.latency_ms(part).unwrap() as f64;
            prop_assert!(found <= exact * 1.19 + 1.0, "{found} for {exact}");
            prop_assert!(found >= exact / 1.19 - 1.0, "{found} for {exact}");
            prop_assert!(counts.latency_ms(0.5) <= counts.latency_ms(0.99));
        }

        #[test]
        fn sums_are_as_good_as_their_parts(
            one in prop::collection::vec(0_u64..40_000, 0..50),
            other in prop::collection::vec(0_u64..40_000, 0..50),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(sum, of(&[one, other].concat()));
        }
    }
}

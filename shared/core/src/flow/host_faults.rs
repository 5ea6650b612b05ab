//! Attempts that this host could not make: it had no descriptor left, no name server, no network.
//!
//! Such an attempt was none. It is not logged, no disable rule and no statistic hears of it, and it uses up no rung: its message
//! goes back to the queue for the same position of the chain under the same message time, [with a row](Deliverer::send_back).
//! It is sent anew rather than left to be handed out again, since a queue counts what it hands out and buries it in the end.
//!
//! How long it is put off grows with how late it is already: half of that, from seconds to minutes. So an outage costs few messages
//! however long it is, and there is no count to carry along. The operator is told by a metric and, once a minute, by a line.

use std::sync::{Arc, Mutex, PoisonError};

use super::{FlowError, deliver::Deliverer, post::chance};
use crate::{
    domain::message::AttemptMessage,
    egress::HostFault,
    limits::{HOST_FAULT_TOLD_MS, PUT_OFF_MAX_MS, PUT_OFF_MIN_MS},
};

/// What was told of this host's faults. Clones share it.
#[derive(Clone, Default)]
pub(super) struct HostFaults(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    /// When a line was written last, by the wall clock.
    last_ms: Option<u64>,
    /// Attempts that were not made since.
    since: u64,
}

impl HostFaults {
    /// Notes an attempt that was not made; answers how many there were since the last line, if it is time for another.
    fn note(&self, wall_ms: u64) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.since += 1;
        let is_time = told
            .last_ms
            .is_none_or(|last_ms| wall_ms.abs_diff(last_ms) >= HOST_FAULT_TOLD_MS);
        is_time.then(|| {
            told.last_ms = Some(wall_ms);
            std::mem::take(&mut told.since)
        })
    }
}

impl Deliverer {
    /// Puts off an attempt that this host could not make.
    pub(super) async fn put_off_for(
        &self,
        message: &AttemptMessage,
        event_type: &str,
        fault: HostFault,
    ) -> Result<(), FlowError> {
        self.metrics.host_fault();
        if let Some(attempts) = self.host_faults.note(self.clock.wall_ms()) {
            tracing::error!(
                code = fault.code(), attempts, %fault,
                "this host cannot deliver; receivers are not at fault, and attempts are retried"
            );
        }
        self.come_again(message, event_type).await
    }

    /// Puts off an attempt that could not be made.
    pub(super) async fn come_again(
        &self,
        message: &AttemptMessage,
        event_type: &str,
    ) -> Result<(), FlowError> {
        let again = AttemptMessage {
            // It takes another place: its own is over when it comes back.
            place_ms: None,
            ..message.clone()
        };
        let late_ms = self.clock.now_ms().saturating_sub(message.position.due_ms);
        let delay_ms = delay_ms(
            late_ms,
            chance(message.attempt_key().delivery.uuid(), message.position.n),
        );
        self.send_back(again, event_type, delay_ms).await
    }
}

/// How long to put off what is so late already. `chance`, from 0 to 1, spreads what was put off at once.
fn delay_ms(late_ms: u64, chance: f64) -> u64 {
    let most_ms = (late_ms / 2).clamp(PUT_OFF_MIN_MS, PUT_OFF_MAX_MS);
    let least_ms = most_ms / 2;
    least_ms + ((most_ms - least_ms) as f64 * chance) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_put_off_the_longer_the_later_it_is() {
        for (late_ms, least_ms, most_ms) in [
            (0, 2_500, 5_000),
            (10_000, 2_500, 5_000),
            (60_000, 15_000, 30_000),
            (u64::MAX, 150_000, 300_000),
        ] {
            assert_eq!(delay_ms(late_ms, 0.0), least_ms);
            assert_eq!(delay_ms(late_ms, 1.0), most_ms);
        }
    }

    #[test]
    fn an_outage_of_a_day_takes_few_messages() {
        let (mut late_ms, mut messages) = (0, 0);
        while late_ms < 86_400_000 {
            late_ms += delay_ms(late_ms, 0.5);
            messages += 1;
        }
        assert!(messages < 420, "{messages}");
    }

    #[test]
    fn a_line_a_minute_says_how_many_there_were() {
        let faults = HostFaults::default();
        assert_eq!(faults.note(1_000_000), Some(1));
        for _ in 0..9 {
            assert_eq!(faults.note(1_059_999), None);
        }
        assert_eq!(faults.note(1_060_000), Some(10));
        // A wall clock that was set back.
        assert_eq!(faults.note(500_000), Some(1));
    }
}

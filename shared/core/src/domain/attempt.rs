//! Attempts: single POSTs, each an entry of the log.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    hops::Hops,
    id::{DeliveryKey, EventId},
};

/// What led to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The event's publication: a first attempt.
    Event,
    /// A rung of the ladder.
    Retry,
    /// A retry by hand.
    Manual,
    /// A recovery: it starts a fresh ladder.
    Recover,
    /// A call of `test`.
    Test,
}

impl Trigger {
    /// Whether attempts of this kind count for disable rules.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Event | Self::Retry | Self::Recover)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer was one that the dialect calls success.
    Succeeded,
    /// Any other answer, or none.
    Failed,
}

/// What names an attempt. Known before the POST, so that a message received twice finds its entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// Of which delivery.
    pub delivery: DeliveryKey,
    /// When it was due, in milliseconds.
    pub due_ms: u64,
    /// Its position in the delivery's chain.
    pub n: u32,
}

impl AttemptKey {
    /// The name of a delivery's first attempt, which is due when the event is accepted.
    #[must_use]
    pub fn first_of(delivery: &DeliveryKey) -> Self {
        Self {
            delivery: delivery.clone(),
            due_ms: delivery.accepted_ms,
            n: 1,
        }
    }

    /// The public id of the log entry.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        LogId {
            due_ms: self.due_ms,
            n: self.n,
            event: self.delivery.event.clone(),
        }
    }
}

/// The public id of a log entry, `log_DUE-N-EVENT`: within its webhook it is the entry's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogId {
    /// When the attempt was due, in milliseconds.
    pub due_ms: u64,
    /// Its position in the delivery's chain.
    pub n: u32,
    /// The event's id.
    pub event: EventId,
}

impl LogId {
    /// Reads an id; `None` for one that no entry has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("log_")?.splitn(3, '-');
        let due_ms = parts.next()?.parse().ok()?;
        let n = parts.next()?.parse().ok()?;
        let event = EventId::parse(parts.next()?).ok()?;
        Some(Self { due_ms, n, event })
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log_{}-{}-{}", self.due_ms, self.n, self.event)
    }
}

/// What went over the wire, for the entry's detail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Where to.
    pub url: String,
    /// The request's headers in the order they were sent; without a value where that is a secret.
    pub request_headers: Vec<(String, Option<String>)>,
    /// The answer's headers; empty without an answer.
    pub response_headers: Vec<(String, String)>,
    /// The beginning of the answer's body, at most 4 KiB.
    pub response_body: String,
}

/// An entry of the log: one POST and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub key: AttemptKey,
    /// The event's type.
    pub event_type: String,
    /// Its number as people count, from 1.
    pub attempt: u32,
    /// The dialect it was posted in.
    pub dialect: String,
    /// What led to it.
    pub trigger: Trigger,
    /// How it ended.
    pub outcome: Outcome,
    /// When the POST began, in milliseconds.
    pub started_ms: u64,
    /// When the answer was there or the POST was given up, in milliseconds.
    pub ended_ms: u64,
    /// How long that took by the receiver's clock, in milliseconds: not scaled with the ladder's.
    pub response_time_ms: u64,
    /// The answer's status; `None` without an answer.
    pub response_status: Option<u16>,
    /// Why it failed, for people; `None` after a success.
    pub error: Option<String>,
    /// When the next attempt is due, in milliseconds; `None` when none follows by itself.
    pub next_due_ms: Option<u64>,
    /// The deliveries that led to its event.
    pub hops: Hops,
    /// What went over the wire; empty once it is erased.
    pub exchange: Exchange,
    /// When that was erased, in milliseconds.
    pub erased_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ids_round_trip_whatever_the_event_is_called() {
        for event in ["evt_1", "a-b_c-", "-"] {
            let id = LogId {
                due_ms: 1_760_000_000_123,
                n: 7,
                event: EventId::parse(event).unwrap(),
            };
            assert_eq!(LogId::parse(&id.to_string()), Some(id));
        }
        for wrong in ["", "log_", "log_1-2", "log_1-2-", "log_x-2-e", "evt_1"] {
            assert_eq!(LogId::parse(wrong), None, "{wrong:?}");
        }
    }
}

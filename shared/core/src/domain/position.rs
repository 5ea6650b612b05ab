//! Positions: where a delivery stands on its ladder.

use serde::{Deserialize, Serialize};

use super::{
    attempt::{Attempt, AttemptKey, Trigger},
    delivery::State,
    id::DeliveryKey,
};

/// Where a delivery stands on its ladder: a link of its chain. Its number and its due time name it; the rest says how its attempt is made
/// and what follows. A message asks for the attempt of a position, and the delivery's row holds the position that the chain has reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its number in the chain, from 1. A retry by hand takes one too.
    pub n: u32,
    /// When its attempt is (or was) due, in milliseconds.
    #[serde(rename = "d")]
    pub due_ms: u64,
    /// The number of that attempt as people count: attempts made before it, plus one.
    #[serde(rename = "k")]
    pub attempt: u32,
    /// The rung whose wait follows when that attempt fails.
    #[serde(rename = "r")]
    pub rung: usize,
    /// The webhook's epoch that the chain belongs to.
    #[serde(rename = "p")]
    pub epoch: u64,
    /// What led to it.
    #[serde(rename = "g")]
    pub trigger: Trigger,
    /// The dialect it is posted in, whatever the webhook speaks by then: a delivery's body never changes. `None` when nothing was
    /// posted yet: then it is the webhook's, if the event has a body in it.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// In a message the recovery that starts a fresh ladder with it; in a row the one that last sent the delivery again. Later ones have
    /// higher numbers, and none sends a delivery twice.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
    /// The state that the delivery goes back to if no attempt from here on succeeds: what had succeeded before it was sent again, by hand
    /// or by a recovery, stays so, and what did not wait when it was retried by hand stays what it was. `None` when it fails then.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub returns_to: Option<State>,
    /// When the wait is over whose place this attempt by hand takes, in milliseconds: if it fails, that is put back, on its rung.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub resume_ms: Option<u64>,
}

impl Position {
    /// The first position of a delivery, due at `due_ms`, to a webhook at this epoch.
    #[must_use]
    pub fn first(due_ms: u64, epoch: u64) -> Self {
        Self {
            n: 1,
            due_ms,
            attempt: 1,
            rung: 0,
            epoch,
            trigger: Trigger::Event,
            dialect: None,
            job: None,
            returns_to: None,
            resume_ms: None,
        }
    }

    /// The position that follows when the attempt of this one has failed.
    #[must_use]
    pub fn successor(&self, failed: &Attempt, due_ms: u64) -> Self {
        Self {
            n: self.n + 1,
            attempt: failed.attempt + 1,
            // The wait that is put back is the one whose place an attempt by hand took.
            rung: self.rung + usize::from(self.resume_ms.is_none()),
            trigger: Trigger::Retry,
            dialect: Some(failed.dialect.clone()),
            returns_to: self.returns_to,
            ..Self::first(due_ms, self.epoch)
        }
    }

    /// The same in the place of what follows from `made`, the attempt of the wait whose place it was to take: that was made all the
    /// same.
    #[must_use]
    pub fn in_place_after(&self, made: &Attempt) -> Self {
        Self {
            rung: self.rung + usize::from(made.trigger != Trigger::Manual),
            resume_ms: made.next_due_ms,
            ..self.clone()
        }
    }

    /// Whether a wait follows where its attempt fails, if the ladder has one left. A retry by hand of what has ended is a single attempt.
    #[must_use]
    pub fn is_on_ladder(&self) -> bool {
        self.trigger != Trigger::Manual || self.resume_ms.is_some()
    }

    /// Whether the two are one and the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.n, self.due_ms) == (other.n, other.due_ms)
    }

    /// The name of its attempt, of a delivery of this name.
    #[must_use]
    pub fn attempt_of(&self, delivery: &DeliveryKey) -> AttemptKey {
        AttemptKey {
            delivery: delivery.clone(),
            due_ms: self.due_ms,
            n: self.n,
        }
    }
}

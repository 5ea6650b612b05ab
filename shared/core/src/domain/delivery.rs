//! Deliveries: one event on its way to one webhook.
//!
//! A delivery that succeeds at once has no row of its own: its event and its log entry say it all. From a first failure, a
//! hold or a retry by hand on, its row is the head of a chain of positions `(n, due)`.

use serde::{Deserialize, Serialize};

use super::{
    attempt::{AttemptKey, Trigger},
    id::DeliveryKey,
    message::Due,
    webhook::Webhook,
};
use crate::limits::{DELIVERY_ATTEMPTS, LOST_MS, OVERDUE_MS};

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "DeliveryStatus"))]
pub enum State {
    /// Waiting for an attempt.
    Pending,
    /// An attempt succeeded.
    Succeeded,
    /// Its ladder is used up.
    Failed,
    /// Its webhook was disabled before it succeeded.
    Held,
    /// Its webhook was disabled when the event was accepted.
    Missed,
    /// Somebody cancelled it.
    Cancelled,
}

impl State {
    /// Those that a webhook's deliveries can be listed by. What succeeded at once has its log.
    pub const LISTED: [Self; 5] = [
        Self::Pending,
        Self::Held,
        Self::Missed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows by itself, and nothing is held back.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// The head of a delivery's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which delivery.
    pub key: DeliveryKey,
    /// Where it stands.
    pub state: State,
    /// The position in the chain, from 1. A retry by hand takes a position too.
    pub n: u32,
    /// When the attempt of this position is (or was) due, in milliseconds.
    pub due_ms: u64,
    /// The number of that attempt as people count: attempts made before it, plus one.
    pub attempt: u32,
    /// The ladder's rung whose wait follows when that attempt fails.
    pub rung: usize,
    /// The webhook's epoch that the chain belongs to.
    pub epoch: u64,
    /// Whether it had succeeded before the attempt of this position was asked for by hand.
    pub through: bool,
    /// What leads to that attempt.
    pub trigger: Trigger,
    /// The dialect that it is posted in; `None` when nothing was posted before: then it is the webhook's.
    pub dialect: Option<String>,
    /// When the wait is over whose place an attempt by hand takes, in milliseconds.
    pub resume_ms: Option<u64>,
    /// The recovery that last sent it again. Later ones have higher numbers, and none sends a delivery twice.
    pub job: Option<u64>,
    /// When it ended, in milliseconds, if it has.
    pub ended_ms: Option<u64>,
    /// The event's type.
    pub event_type: String,
    /// The due times of positions 2, 3, …: they lead to the log entries.
    pub dues_ms: Vec<u64>,
}

impl Delivery {
    /// The name of the attempt that the chain's head stands for.
    #[must_use]
    pub fn attempt_key(&self) -> AttemptKey {
        AttemptKey {
            delivery: self.key.clone(),
            due_ms: self.due_ms,
            n: self.n,
        }
    }

    /// The message of the position that the chain stands at. Sending it once more is harmless: a copy finds its attempt in the log, or
    /// the row elsewhere, and is dropped.
    #[must_use]
    pub fn message(&self) -> Due {
        Due {
            tenant: self.key.tenant.clone(),
            webhook: self.key.webhook.clone(),
            event: self.key.event.clone(),
            accepted_ms: self.key.accepted_ms,
            n: self.n,
            due_ms: self.due_ms,
            attempt: self.attempt,
            rung: self.rung,
            epoch: self.epoch,
            trigger: self.trigger,
            dialect: self.dialect.clone(),
            job: self.job.filter(|_| self.trigger == Trigger::Recover),
            repeated: true,
            through: self.through,
            resume_ms: self.resume_ms,
            place_ms: None,
            pace_epoch: 0,
            turn: None,
            content: None,
        }
    }

    /// Whether its message must be taken for lost: it waits, and has been due for so long that no queue explains it.
    #[must_use]
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        self.state == State::Pending && is_overdue(self.due_ms, now_ms)
    }

    /// The same for whoever looks by itself: see [`is_lost`].
    #[must_use]
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.state == State::Pending && is_lost(self.due_ms, now_ms)
    }

    /// Whether it has been attempted as often as a delivery may be: only its ladder goes on to its end.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.n >= DELIVERY_ATTEMPTS
    }

    /// The state that it is in, whatever its row still says: what waits for a webhook that was disabled meanwhile will be held.
    #[must_use]
    pub fn state_for(&self, webhook: &Webhook) -> State {
        if self.state == State::Pending && !webhook.takes(self.epoch) {
            self.end(State::Held)
        } else {
            self.state
        }
    }

    /// The state that its chain ends in, where `state` would be the end of one that has not succeeded.
    #[must_use]
    pub fn end(&self, state: State) -> State {
        if self.through {
            State::Succeeded
        } else {
            state
        }
    }

    /// The number of the attempt that a retry makes: the one that a wait or a hold kept from being made, else a further one.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        match self.state {
            State::Pending | State::Held | State::Missed | State::Cancelled => self.attempt,
            State::Succeeded | State::Failed => self.attempt + 1,
        }
    }
}

/// Whether what was to happen at `due_ms` is overdue by more than a queue could explain, so that its message must be taken for lost.
#[must_use]
pub fn is_overdue(due_ms: u64, now_ms: u64) -> bool {
    due_ms + OVERDUE_MS <= now_ms
}

/// Whether what was to happen at `due_ms` is overdue by so much that the watchdog sends its message again. People are less patient: see
/// [`is_overdue`].
#[must_use]
pub fn is_lost(due_ms: u64, now_ms: u64) -> bool {
    due_ms + LOST_MS <= now_ms
}

/// Whether a lap of the watchdog looks at what waits of an event that was accepted at `accepted_ms`: each hour in its first six hours, then
/// every six. `before_ms` is when the lap before began. A ladder of days costs few looks so, and a wait that is lost is found when it has
/// grown longer by a quarter.
#[must_use]
pub fn is_looked_at(accepted_ms: u64, before_ms: u64, began_ms: u64) -> bool {
    let looks = |now_ms: u64| {
        let hours = now_ms.saturating_sub(accepted_ms) / LOST_MS;
        if hours < 6 { hours } else { 5 + hours / 6 }
    };
    looks(began_ms) > looks(before_ms)
}

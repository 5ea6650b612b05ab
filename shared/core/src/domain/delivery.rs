//! Deliveries: one event on its way to one webhook.
//!
//! A delivery that succeeds at once has no row of its own: its event and its log entry say it all. From a first failure, a
//! hold or a retry by hand on, its row is the head of a chain of positions `(n, due)`.

use serde::{Deserialize, Serialize};

use super::{
    attempt::{AttemptKey, Trigger},
    id::DeliveryKey,
    message::AttemptMessage,
    position::Position,
    webhook::Webhook,
};
use crate::limits::{DELIVERY_ATTEMPTS, LOST_MS};

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
    /// Its ladder is used up, or the receiver's response ended it.
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
    /// The position that its chain has reached.
    pub position: Position,
    /// When it ended, in milliseconds, if it has.
    pub ended_ms: Option<u64>,
    /// The event's type.
    pub event_type: String,
    /// The due times of positions 2, 3, …: they lead to the log entries.
    pub dues_ms: Vec<u64>,
}

impl Delivery {
    /// One that waits for the attempt of a position. An earlier chain has left it nothing.
    #[must_use]
    pub fn waiting(key: DeliveryKey, position: Position, event_type: String) -> Self {
        Self {
            key,
            state: State::Pending,
            ended_ms: None,
            event_type,
            dues_ms: (position.n > 1)
                .then_some(position.due_ms)
                .into_iter()
                .collect(),
            position,
        }
    }

    /// The name of the attempt that the chain's head stands for.
    #[must_use]
    pub fn attempt_key(&self) -> AttemptKey {
        self.position.attempt_of(&self.key)
    }

    /// The message of the position that the chain stands at. Sending it once more is harmless: a copy finds its attempt in the log, or
    /// the row elsewhere, and is dropped.
    #[must_use]
    pub fn message(&self) -> AttemptMessage {
        let is_recovered = self.position.trigger == Trigger::Recover;
        let position = Position {
            job: self.position.job.filter(|_| is_recovered),
            ..self.position.clone()
        };
        AttemptMessage {
            repeated: true,
            ..AttemptMessage::new(self.key.clone(), position)
        }
    }

    /// Whether its message must be taken for lost: it waits, and was due at `by_ms` already, so long ago that no queue explains it. People
    /// wait for [`OVERDUE_MS`](crate::limits::OVERDUE_MS), the watchdog for [`LOST_MS`].
    #[must_use]
    pub fn is_overdue(&self, by_ms: u64) -> bool {
        self.state == State::Pending && self.position.due_ms <= by_ms
    }

    /// Whether it has been attempted as often as a delivery may be: only its ladder goes on to its end.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.position.n >= DELIVERY_ATTEMPTS
    }

    /// The state that it is in, whatever its row still says: what waits for a webhook that was disabled meanwhile will be held.
    #[must_use]
    pub fn state_for(&self, webhook: &Webhook) -> State {
        if self.state == State::Pending && !webhook.takes(self.position.epoch) {
            self.end(State::Held)
        } else {
            self.state
        }
    }

    /// The state that its chain ends in, where `state` would be the end of one that goes back to no other. What is cancelled is so
    /// whatever it was before, unless that was a success.
    #[must_use]
    pub fn end(&self, state: State) -> State {
        match self.position.returns_to {
            Some(before) if before == State::Succeeded || state != State::Cancelled => before,
            Some(_) | None => state,
        }
    }

    /// Whether it has succeeded, also if it is being sent again.
    #[must_use]
    pub fn had_succeeded(&self) -> bool {
        [Some(self.state), self.position.returns_to].contains(&Some(State::Succeeded))
    }

    /// The number of the attempt that a retry makes: the one that a wait or a hold kept from being made, else a further one.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        match self.state {
            State::Pending | State::Held | State::Missed | State::Cancelled => {
                self.position.attempt
            }
            State::Succeeded | State::Failed => self.position.attempt + 1,
        }
    }
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

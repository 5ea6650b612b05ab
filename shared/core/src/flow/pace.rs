//! A webhook's pace: at most so many deliveries a second, however many functions deliver at once.
//!
//! Each attempt takes the next free place of the webhook's row in the table. One that is ahead goes back to the queue with its
//! place, to come again then: the same position of the chain under the same message time, so nothing forks. [`chain::receive`](crate::domain::chain::receive) waits for a place as it does for the message time.
//!
//! A place is good in its own second only. A message that comes later, since nothing was delivered for a while, takes a new one, or
//! all that have come too late would be posted at once. And it is good under the limit that it was given under: what waits when that is
//! changed takes a new one.
//!
//! When the limit is raised or removed, a [`Release`](crate::domain::message::Release) sends each position that waits once more, without a
//! place. Its first message waits for its own place all the same, and finds the position attempted then: if it took a new place at once,
//! every second place would be lost. It would be delivered then if the release was lost.

use super::{FlowError, deliver::Deliverer};
use crate::{
    domain::{
        attempt::Trigger,
        message::{AttemptMessage, Message},
        position::Position,
        webhook::Webhook,
    },
    limits::EARLY_MS,
    queue::QueueName,
};

/// How long a place is good, in milliseconds.
const PLACE_MS: u64 = 1_000;

impl Deliverer {
    /// Whether the attempt may be made now. If not, its message is on its way to its place. What people ask for by hand doesn't
    /// wait.
    pub(super) async fn in_pace(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        event_type: &str,
    ) -> Result<bool, FlowError> {
        let Some(per_second) = webhook.rate_limit else {
            return Ok(true);
        };
        let by_hand = message.position.trigger == Trigger::Manual && message.position.job.is_none();
        let is_in_place = |place_ms: &u64| self.clock.now_ms() < place_ms + PLACE_MS;
        if by_hand || webhook.place_of(message).as_ref().is_some_and(is_in_place) {
            return Ok(true);
        }
        let place_ms = self.store.take_place(webhook, per_second).await?;
        // If the table took so long that the place is over, or the limit was changed since the webhook was read, the message comes again.
        let place_ms = place_ms.filter(is_in_place);
        let left_ms = place_ms.map_or(PLACE_MS, |place_ms| {
            place_ms.saturating_sub(self.clock.now_ms())
        });
        if left_ms == 0 {
            return Ok(true);
        }
        let placed = AttemptMessage {
            place_ms,
            pace_epoch: webhook.pace_epoch,
            ..message.clone()
        };
        // SQS counts in whole seconds. The message comes a little early, and the rest is waited for in the function.
        let delay_ms = left_ms.saturating_sub(EARLY_MS / 2);
        self.send_back(placed, event_type, delay_ms).await?;
        Ok(false)
    }

    /// Sends a message back to the queue for an attempt that is not made yet, marked, so that a copy of it is recognised. A first
    /// attempt has no row that could be listed, cancelled or sent by hand: it goes on as position 2 with a row, still as the first
    /// attempt on the first rung.
    pub(super) async fn send_back(
        &self,
        message: AttemptMessage,
        event_type: &str,
        delay_ms: u64,
    ) -> Result<(), FlowError> {
        let is_first = message.position.n == 1;
        let back = AttemptMessage {
            position: Position {
                n: message.position.n.max(2),
                ..message.position
            },
            repeated: true,
            ..message
        };
        let row = is_first.then(|| back.row(event_type.to_owned()));
        self.queue
            .send(QueueName::Retry, &Message::Attempt(back), delay_ms)
            .await?;
        if let Some(row) = row {
            self.store.place(&row).await?;
        }
        Ok(())
    }
}

//! Bringing parked waits back to the delay queue, shortly before they are due, and with them the reminders that keys end.
//!
//! Each shard has a cursor. A page of waits goes out, and only when the queue has taken all of it the cursor moves behind it:
//! a crash in between sends the page again, and the chains drop what they have had. Waits are parked at least
//! [`PARK_MIN_MS`](crate::limits::PARK_MIN_MS) ahead and taken at most [`SWEEP_AHEAD_MS`] ahead, so no wait is put into a minute
//! that is read already. Not needed for correctness: that only one sweep runs at a time.

use std::sync::Arc;

use futures_util::future::{join, join_all, try_join_all};
use rung_base::clock::Clock;

use super::FlowError;
use crate::{
    domain::message::Message,
    limits::SWEEP_AHEAD_MS,
    metrics::Metrics,
    queue::{Queue, QueueName},
    store::{Store, parked::Cursor},
};

/// Waits of one page.
const PAGE: usize = 200;
const MINUTE_MS: u64 = 60_000;

/// What the sweep needs.
#[derive(Clone)]
pub struct Sweeper {
    /// The table.
    pub store: Store,
    /// The queues.
    pub queue: Queue,
    /// The ladder's clock.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Sweeper {
    /// Sends every wait that is due within ten minutes, every reminder that is due, and what was lost; answers how many messages.
    ///
    /// # Errors
    /// When the table or the queue fails; what is not sent then is sent by the next sweep.
    pub async fn sweep(&self) -> Result<usize, FlowError> {
        let cursors = self.store.sweep_cursors().await?;
        self.metrics.sweep_lag(self.lag_ms(&cursors));
        self.metrics.flush();
        // A shard without a cursor has never had a wait.
        let begun = (0..).zip(cursors);
        let shards = begun.filter_map(|(shard, cursor)| Some(self.sweep_shard(shard, cursor?)));
        // One's failure is no reason to stop the others half way.
        let (shards, reminders) = join(join_all(shards), self.sweep_reminders()).await;
        let watched = Box::pin(self.watch()).await;
        shards.into_iter().chain([reminders, watched]).sum()
    }

    /// Sends the reminders that are due. They go when they are sent: what a crash sends again is told once.
    async fn sweep_reminders(&self) -> Result<usize, FlowError> {
        let mut sent = 0;
        loop {
            let due = self.store.reminders_due(PAGE).await?;
            if due.is_empty() {
                return Ok(sent);
            }
            let messages = due
                .iter()
                .map(|reminder| (Message::KeyEnds(reminder.key.clone()), 0));
            let messages: Vec<_> = messages.collect();
            let accepted = self.queue.send_every(QueueName::Retry, &messages);
            accepted.await?;
            self.store.forget_reminders(due).await?;
            sent += messages.len();
        }
    }

    /// How far the last shard is behind what a sweep looks at.
    fn lag_ms(&self, cursors: &[Option<Cursor>]) -> u64 {
        let ahead_ms = self.clock.now_ms() + SWEEP_AHEAD_MS;
        let last = cursors.iter().flatten().map(|cursor| cursor.minute).min();
        last.map_or(0, |minute| ahead_ms.saturating_sub(minute * MINUTE_MS))
    }

    async fn sweep_shard(&self, shard: u8, mut cursor: Cursor) -> Result<usize, FlowError> {
        let now_ms = self.clock.now_ms();
        let end = (now_ms + SWEEP_AHEAD_MS) / MINUTE_MS;
        // A cursor from a future that a wrong clock made would hide what is parked before it.
        if cursor.minute > end + 1 {
            cursor = Cursor::at(now_ms.saturating_sub(SWEEP_AHEAD_MS) / MINUTE_MS);
        }
        let mut sent = 0;
        while cursor.minute <= end {
            let page = self.store.parked(shard, &cursor, PAGE).await?;
            let next = page.rest.unwrap_or_else(|| Cursor::at(cursor.minute + 1));
            let messages: Vec<_> = page
                .waits
                .into_iter()
                .map(|wait| {
                    let delay_ms = wait.wakes_ms().saturating_sub(self.clock.now_ms());
                    (Message::Attempt(wait), delay_ms)
                })
                .collect();
            let accepted = self.queue.send_every(QueueName::Retry, &messages);
            accepted.await?;
            // One that cannot be read stops none of the others.
            let unreadable = page.unreadable.into_iter();
            let passed_on = unreadable.map(|body| self.queue.pass_on(QueueName::Retry, body));
            try_join_all(passed_on).await?;
            sent += messages.len();
            // Nothing is parked into a minute that is this near: when it is read to its end, it is done with.
            cursor = next;
            // On a long way through empty minutes the cursor moves once an hour, so that no failure costs more than that.
            if !messages.is_empty() || cursor.minute > end || cursor.minute.is_multiple_of(60) {
                self.store.move_sweep_cursor(shard, &cursor).await?;
            }
        }
        Ok(sent)
    }
}

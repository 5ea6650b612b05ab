//! What waits on the ladder, in people's hands: cancelled, or sent now.

use super::{FlowError, control::Control};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey},
        audit::Record,
        delivery::{Delivery, State},
        id::DeliveryKey,
        position::Position,
        webhook::Webhook,
    },
    store::{
        attempts::{Log, LogFilter},
        deliveries::Written,
        span::Order,
    },
};

impl Control {
    /// Cancels a delivery if it waits on its ladder. `record` goes to the audit log first.
    ///
    /// # Errors
    /// When the table fails; asking again is safe.
    pub async fn cancel(
        &self,
        webhook: &Webhook,
        key: &DeliveryKey,
        record: &Record,
    ) -> Result<(), FlowError> {
        let first = if self.store.delivery(key).await?.is_some() {
            None
        } else {
            let first = self.store.attempt(&AttemptKey::first_of(key)).await?;
            let Some(first) = first.filter(|first| first.next_due_ms.is_some()) else {
                return Ok(());
            };
            Some(first)
        };
        self.store.record(record).await?;
        if let Some(first) = first {
            // Whoever is writing the row finds this one, and leaves it.
            let row = cancelled_after(&first, webhook);
            if matches!(self.store.place(&row).await?, Written::Done(_)) {
                return Ok(());
            }
        }
        self.store.cancel(key).await?;
        Ok(())
    }

    /// Sends a delivery again now, wherever it stands: as [`Self::retry`] does that of its latest attempt. One whose first attempt is on
    /// its way is left to that. `record` goes to the audit log first.
    ///
    /// # Errors
    /// [`FlowError::WornOut`], and when the table or the queue fails; asking again is safe.
    pub async fn retry_delivery(
        &self,
        webhook: &Webhook,
        key: &DeliveryKey,
        event_type: &str,
        record: &Record,
    ) -> Result<(), FlowError> {
        if let Some(latest) = self.latest_attempt(webhook, key).await? {
            return self.retry(webhook, &latest, record).await;
        }
        self.store.record(record).await?;
        match self.store.delivery(key).await? {
            Some(row)
                if row.state == State::Pending
                    && webhook.takes(row.position.epoch)
                    && !self.may_wait(webhook) =>
            {
                let is_overdue = row.is_overdue(self.overdue_ms());
                if is_overdue {
                    self.send_position(&row).await?;
                }
            }
            Some(_) => {
                self.send_by_hand(webhook, key, event_type, None).await?;
            }
            None => {}
        }
        Ok(())
    }

    async fn latest_attempt(
        &self,
        webhook: &Webhook,
        key: &DeliveryKey,
    ) -> Result<Option<Attempt>, FlowError> {
        let filter = LogFilter {
            events: vec![key.event.clone()],
            deliveries: vec![key.uuid()],
            ..LogFilter::default()
        };
        let log = Log::whole(&webhook.tenant, &webhook.id);
        let mut before = None;
        loop {
            let (mut entries, next) = self
                .store
                .log_page(&log, &filter, Order::NewestFirst, before.as_deref(), 1)
                .await?;
            if next.is_none() || !entries.is_empty() {
                return Ok(entries.pop());
            }
            before = next;
        }
    }
}

/// The row of a delivery that is cancelled before the one that its first attempt leads to was written.
fn cancelled_after(first: &Attempt, webhook: &Webhook) -> Delivery {
    let due_ms = first.next_due_ms.unwrap_or(first.ended_ms);
    let position = Position::first(first.key.due_ms, webhook.epoch).successor(first, due_ms);
    Delivery {
        state: State::Cancelled,
        ..Delivery::waiting(
            first.key.delivery.clone(),
            position,
            first.event_type.clone(),
        )
    }
}

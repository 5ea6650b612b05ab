//! What waits on the ladder, in people's hands: cancelled, or sent now.

use uuid::Uuid;

use super::{FlowError, deliver::Deliverer};
use crate::{
    domain::{
        attempt::{Attempt, Trigger},
        audit::Record,
        delivery::{Delivery, State},
        id::DeliveryKey,
        webhook::Webhook,
    },
    store::{
        attempts::LogFilter,
        deliveries::{List, Written},
        walk::Order,
    },
};

/// A delivery that waits.
enum Waiting {
    /// It has a row.
    Row(DeliveryKey),
    /// Its first attempt has just failed, and its row is being written.
    Failed(Box<Attempt>),
}

impl Deliverer {
    /// Cancels a delivery that waits on its ladder; answers it, or `None` when it waits for nothing (any more). `record` goes to the
    /// audit log first.
    ///
    /// # Errors
    /// When the table fails; asking again is safe.
    pub async fn cancel(
        &self,
        webhook: &Webhook,
        delivery: Uuid,
        record: &Record,
    ) -> Result<Option<Delivery>, FlowError> {
        let Some(waiting) = self.waiting(webhook, delivery).await? else {
            return Ok(None);
        };
        self.store.record(record).await?;
        let key = match waiting {
            Waiting::Row(key) => key,
            Waiting::Failed(attempt) => {
                // Whoever is writing the row finds this one, and leaves it.
                let row = cancelled_after(&attempt, webhook);
                match self.store.place(&row).await? {
                    Written::Done(row) => return Ok(Some(row)),
                    Written::Found(_) => row.key,
                }
            }
        };
        Ok(match self.store.cancel(&key).await? {
            Written::Done(row) => Some(row),
            Written::Found(_) => None,
        })
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
            Some(row) if row.state == State::Pending && webhook.takes(row.epoch) => {
                let is_overdue = row.is_overdue(self.clock.now_ms());
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
            event: Some(key.event.clone()),
            delivery: Some(key.uuid()),
            ..LogFilter::default()
        };
        let mut before = None;
        loop {
            let (mut entries, next) = self
                .store
                .log_page(
                    &webhook.tenant,
                    &webhook.id,
                    &filter,
                    Order::NewestFirst,
                    before.as_deref(),
                    1,
                )
                .await?;
            if next.is_none() || !entries.is_empty() {
                return Ok(entries.pop());
            }
            before = next;
        }
    }

    /// Finds a delivery that may be waiting. The index is a moment behind; the log is not.
    async fn waiting(
        &self,
        webhook: &Webhook,
        delivery: Uuid,
    ) -> Result<Option<Waiting>, FlowError> {
        let Some(accepted_ms) = DeliveryKey::accepted_ms_of(delivery) else {
            return Ok(None);
        };
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        let listed = self
            .store
            .deliveries_accepted_at(tenant, id, List::Pending, accepted_ms)
            .await?;
        if let Some(key) = listed.into_iter().find(|key| key.uuid() == delivery) {
            return Ok(Some(Waiting::Row(key)));
        }
        let firsts = self
            .store
            .attempts_due_at(tenant, id, accepted_ms)
            .await?
            .into_iter();
        let mut firsts = firsts.filter(|attempt| attempt.key.delivery.uuid() == delivery);
        let Some(first) = firsts.find(|attempt| attempt.key.n == 1) else {
            return Ok(None);
        };
        let row = self.store.delivery(&first.key.delivery).await?;
        Ok(match row {
            Some(row) => Some(Waiting::Row(row.key)),
            None if first.next_due_ms.is_some() => Some(Waiting::Failed(first.into())),
            None => None,
        })
    }
}

/// The row of a delivery that is cancelled before the one that its first attempt leads to was written.
fn cancelled_after(first: &Attempt, webhook: &Webhook) -> Delivery {
    let due_ms = first.next_due_ms.unwrap_or(first.ended_ms);
    Delivery {
        key: first.key.delivery.clone(),
        state: State::Cancelled,
        n: 2,
        due_ms,
        attempt: 2,
        rung: 1,
        epoch: webhook.epoch,
        through: false,
        trigger: Trigger::Retry,
        dialect: Some(first.dialect.clone()),
        resume_ms: None,
        job: None,
        ended_ms: None,
        event_type: first.event_type.clone(),
        dues_ms: vec![due_ms],
    }
}

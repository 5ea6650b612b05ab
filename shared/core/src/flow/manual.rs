//! What people start by hand: retries, tests.

use rung_base::{chance, clock::timestamp};
use rung_dialect::{Dialect, EventFacts};

use super::{FlowError, accept::new_event_id, deliver::Deliverer, settle::head};
use crate::{
    domain::{
        attempt::{Attempt, Outcome, Trigger},
        audit::Record,
        delivery::{Delivery, State},
        hops::Hops,
        id::DeliveryKey,
        message::{Content, Due, Message},
        webhook::Webhook,
    },
    mutation::{Mutation, mutated},
    queue::Lane,
    store::{
        deliveries::{From, Written},
        events::{Body, Event, Matches},
    },
};

impl Deliverer {
    /// Sends the delivery of a log entry again now. It takes the place of a wait that is under way, and puts that back if it fails:
    /// it uses up no rung. A delivery that is through gets one attempt; one that has succeeded stays so whatever comes of it. Where
    /// an attempt is being made already, that is the retry; where it should have been made long ago, its message is sent once more. `record` goes to the audit log first.
    ///
    /// # Errors
    /// [`FlowError::WornOut`], and when the table or the queue fails; asking again is safe.
    pub async fn retry(
        &self,
        webhook: &Webhook,
        entry: &Attempt,
        record: &Record,
    ) -> Result<(), FlowError> {
        self.store.record(record).await?;
        let key = &entry.key.delivery;
        self.send_by_hand(webhook, key, &entry.event_type, Some(entry))
            .await
    }

    /// The same of a delivery of which this is the log entry, or which has none: it was held or missed before its first attempt.
    pub(super) async fn send_by_hand(
        &self,
        webhook: &Webhook,
        key: &DeliveryKey,
        event_type: &str,
        entry: Option<&Attempt>,
    ) -> Result<(), FlowError> {
        let spoken = entry.map_or(&webhook.dialect, |entry| &entry.dialect);
        let dialect = self.dialect(spoken)?;
        let entry_wait_ms = entry.and_then(|entry| entry.next_due_ms);
        let mut row = self.store.delivery(key).await?;
        let used_up = dialect.ladder.waits_ms().len();
        loop {
            let now_ms = self.clock.now_ms();
            let overdue = row
                .as_ref()
                .filter(|row| row.state == State::Pending && row.due_ms <= now_ms);
            let made = match overdue {
                Some(row) => self.store.attempt(&row.attempt_key()).await?,
                None => None,
            };
            let (n, attempt, rung, resume_ms) = match (&row, &made) {
                (Some(row), Some(_)) if row.is_worn_out() => return Err(FlowError::WornOut),
                // It was made, and what follows from it is still to be written.
                (Some(row), Some(made)) if made.next_due_ms.is_some() => {
                    let climbed = usize::from(made.trigger != Trigger::Manual);
                    let rung = row.rung + climbed;
                    (row.n + 1, row.attempt + 1, rung, made.next_due_ms)
                }
                (Some(row), Some(_)) => (row.n + 1, row.attempt + 1, used_up, None),
                (Some(row), None)
                    if overdue.is_some()
                        && row.epoch == webhook.epoch
                        && !self.is_held_back(webhook) =>
                {
                    if row.is_overdue(now_ms) {
                        self.send_position(row).await?;
                    }
                    return Ok(());
                }
                (Some(row), None) if row.is_worn_out() => return Err(FlowError::WornOut),
                (Some(row), None) if row.state_for(webhook) == State::Pending => {
                    (row.n + 1, row.next_attempt(), row.rung, Some(row.due_ms))
                }
                (Some(row), None) => (row.n + 1, row.next_attempt(), used_up, None),
                // The first attempt has just failed, and its row is being written.
                (None, _) if entry_wait_ms.is_some() => (2, 2, 1, entry_wait_ms),
                (None, _) => (2, 2, used_up, None),
            };
            let through = had_succeeded(row.as_ref(), made.as_ref(), entry)
                && !mutated(Mutation::SuccessForgotten);
            let due = Due {
                tenant: key.tenant.clone(),
                webhook: key.webhook.clone(),
                event: key.event.clone(),
                accepted_ms: key.accepted_ms,
                n,
                due_ms: now_ms,
                attempt,
                rung,
                epoch: webhook.epoch,
                trigger: Trigger::Manual,
                dialect: Some(spoken.clone()),
                job: None,
                repeated: false,
                through,
                resume_ms,
                place_ms: None,
                pace_epoch: 0,
                turn: None,
                content: None,
            };
            // First the message, then the row: a row without a message would wait for ever.
            self.queue
                .send(Lane::Retry, &Message::Attempt(due.clone()), 0)
                .await?;
            let written = match row {
                None => {
                    let head = head(&due, event_type, vec![due.due_ms]);
                    let ended_ms = entry.filter(|_| due.through).map(|entry| entry.ended_ms);
                    self.store.place(&Delivery { ended_ms, ..head }).await?
                }
                Some(_) => {
                    self.store
                        .advance(&head(&due, event_type, Vec::new()), From::Any)
                        .await?
                }
            };
            match written {
                Written::Done(_) => return Ok(()),
                // The message was faster and wrote the row itself.
                Written::Found(Some(found)) if found.n == due.n && found.due_ms == due.due_ms => {
                    return Ok(());
                }
                Written::Found(found) => row = found,
            }
        }
    }

    /// Sends the message of the position that a row waits at once more.
    pub(super) async fn send_position(&self, row: &Delivery) -> Result<(), FlowError> {
        let message = Message::Attempt(row.message());
        Ok(self.queue.send(Lane::Retry, &message, 0).await?)
    }

    /// Posts a type's sample event now, also to a disabled webhook; answers the attempt. It is logged, never retried, and
    /// counts for nothing. `None` when the dialect has no such type.
    ///
    /// # Errors
    /// When the table fails, or this host cannot send: then nothing is logged.
    pub async fn test(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        event_type: &str,
    ) -> Result<Option<Attempt>, FlowError> {
        let Some(data) = dialect.catalogue.sample(event_type) else {
            return Ok(None);
        };
        let (now_ms, wall_ms) = (self.clock.now_ms(), self.clock.wall_ms());
        let id = new_event_id(dialect, wall_ms, chance::bytes());
        let request_id = format!("req_{}", chance::hex::<10>());
        let facts = EventFacts {
            id: id.as_str(),
            event_type,
            data,
            time: timestamp(wall_ms),
            is_time_given: false,
            request_id: &request_id,
            metadata: None,
        };
        // Samples are checked when a dialect is loaded.
        let body = bytes::Bytes::from(dialect.body(&facts).unwrap_or_default());
        let event = Event {
            tenant: webhook.tenant.clone(),
            id: id.clone(),
            event_type: event_type.to_owned(),
            timestamp_ms: wall_ms,
            accepted_ms: now_ms,
            content_hash: [0; 32],
            trace: None,
            hops: Hops::NONE,
            bodies: [(dialect.name.clone(), Body::Here(body.clone()))].into(),
            matches: Matches::default(),
            reason: None,
            call: None,
            erased: None,
        };
        let due = Due {
            tenant: webhook.tenant.clone(),
            webhook: webhook.id.clone(),
            event: id,
            accepted_ms: now_ms,
            n: 1,
            due_ms: now_ms,
            attempt: 1,
            rung: 0,
            epoch: webhook.epoch,
            trigger: Trigger::Test,
            dialect: Some(dialect.name.clone()),
            job: None,
            repeated: false,
            through: false,
            resume_ms: None,
            place_ms: None,
            pace_epoch: 0,
            turn: None,
            content: None,
        };
        let content = Content {
            event_type: event_type.to_owned(),
            body,
            trace: None,
            hops: Hops::NONE,
        };
        // The log's detail shows the body, which is the event's.
        self.store.put_event(&event).await?;
        let attempt = self.post(&due, webhook, dialect, &content).await?;
        if attempt.outcome == Outcome::Succeeded {
            self.store.log_success(&attempt).await?;
        } else {
            self.store.log_failure(&attempt).await?;
        }
        Ok(Some(attempt))
    }
}

/// Whether a delivery has succeeded, as its row tells, the attempt that was made at it, or the log entry that led to it.
fn had_succeeded(row: Option<&Delivery>, made: Option<&Attempt>, entry: Option<&Attempt>) -> bool {
    let succeeded = |entry: &Attempt| entry.outcome == Outcome::Succeeded;
    let stands = |entry: &Attempt| row.is_none_or(|row| entry.key == row.attempt_key());
    entry.is_some_and(|entry| stands(entry) && succeeded(entry))
        || made.is_some_and(succeeded)
        || row.is_some_and(|row| row.end(row.state) == State::Succeeded)
}

//! What people start by hand: retries, tests.

use bytes::Bytes;
use rung_base::{chance, clock::timestamp};
use rung_dialect::{Dialect, EventFacts};
use rung_json::Json;

use super::{
    EventTypes, FlowError,
    accept::{Refusal, check, delivery_key, new_event_id},
    control::Control,
    post::Poster,
};
use crate::{
    domain::{
        attempt::{Attempt, Outcome, Trigger},
        audit::Record,
        delivery::{Delivery, State},
        hops::Hops,
        id::{DeliveryKey, EventId},
        message::{AttemptMessage, Content, Message},
        position::Position,
        webhook::Webhook,
    },
    queue::QueueName,
    store::{
        deliveries::{AdvanceIf, Written},
        events::{Body, Event, Matches},
    },
};

impl Control {
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
            // A retry that somebody else has just asked for is due by that one's clock.
            let overdue = row.as_ref().filter(|row| {
                row.state == State::Pending
                    && (row.position.due_ms <= now_ms || !row.position.is_on_ladder())
            });
            let made = match overdue {
                Some(row) => self.store.attempt(&row.attempt_key()).await?,
                None => None,
            };
            let (n, attempt, rung, resume_ms) = match (&row, &made) {
                (Some(row), Some(_)) if row.is_worn_out() => return Err(FlowError::WornOut),
                // It was made, and what follows from it is still to be written.
                (Some(row), Some(made)) if made.next_due_ms.is_some() => {
                    let climbed = usize::from(made.trigger != Trigger::Manual);
                    let rung = row.position.rung + climbed;
                    (
                        row.position.n + 1,
                        row.position.attempt + 1,
                        rung,
                        made.next_due_ms,
                    )
                }
                (Some(row), Some(_)) => {
                    (row.position.n + 1, row.position.attempt + 1, used_up, None)
                }
                (Some(row), None)
                    if overdue.is_some()
                        && row.position.epoch == webhook.epoch
                        && !self.may_wait(webhook) =>
                {
                    if row.is_overdue(self.overdue_ms()) {
                        self.send_position(row).await?;
                    }
                    return Ok(());
                }
                (Some(row), None) if row.is_worn_out() => return Err(FlowError::WornOut),
                (Some(row), None) if row.state_for(webhook) == State::Pending => (
                    row.position.n + 1,
                    row.next_attempt(),
                    row.position.rung,
                    row.position.is_on_ladder().then_some(row.position.due_ms),
                ),
                (Some(row), None) => (row.position.n + 1, row.next_attempt(), used_up, None),
                // The first attempt has just failed, and its row is being written.
                (None, _) if entry_wait_ms.is_some() => (2, 2, 1, entry_wait_ms),
                (None, _) => (2, 2, used_up, None),
            };
            let returns_to = returns_to(row.as_ref(), made.as_ref(), entry, webhook);
            let position = Position {
                n,
                attempt,
                rung,
                trigger: Trigger::Manual,
                dialect: Some(spoken.clone()),
                returns_to,
                resume_ms,
                ..Position::first(now_ms, webhook.epoch)
            };
            let message = AttemptMessage::new(key.clone(), position);
            // First the message, then the row: a row without a message would wait for ever.
            self.queue
                .send(QueueName::Retry, &Message::Attempt(message.clone()), 0)
                .await?;
            let to = message.row(event_type.to_owned());
            let written = match row {
                None => {
                    let ended_ms = entry
                        .filter(|_| returns_to.is_some())
                        .map(|entry| entry.ended_ms);
                    self.store.place(&Delivery { ended_ms, ..to }).await?
                }
                Some(_) => self.store.advance(&to, AdvanceIf::Any).await?,
            };
            match written {
                Written::Done(_) => return Ok(()),
                // The message was faster and wrote the row itself.
                Written::Found(Some(found)) if found.position.is(&message.position) => {
                    return Ok(());
                }
                Written::Found(found) => row = found,
            }
        }
    }

    /// Sends the message of the position that a row waits at once more.
    pub(super) async fn send_position(&self, row: &Delivery) -> Result<(), FlowError> {
        let message = Message::Attempt(row.message());
        Ok(self.queue.send(QueueName::Retry, &message, 0).await?)
    }

    /// Makes a test event of a type: with these data, held against all that publishing holds data against, or with the type's sample.
    ///
    /// # Errors
    /// When the webhook's dialect has no such type, or cannot say the data, or they break the type's schema.
    pub fn test_event(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        types: &EventTypes,
        event_type: &str,
        data: Option<&Json>,
    ) -> Result<TestEvent, Refusal> {
        let sample = || dialect.catalogue.sample(event_type);
        let said = data.or_else(sample).ok_or_else(|| Refusal::UnknownType {
            event_type: event_type.to_owned(),
        })?;
        let wall_ms = self.clock.wall_ms();
        let id = new_event_id(dialect, wall_ms, chance::bytes());
        let request_id = format!("req_{}", chance::hex::<10>());
        let facts = EventFacts {
            id: id.as_str(),
            event_type,
            data: said,
            time: timestamp(wall_ms),
            is_time_given: false,
            request_id: &request_id,
            metadata: None,
        };
        let body = check::body(dialect, &facts)?;
        if let Some(data) = data {
            let tenant = &webhook.tenant;
            let schema = self
                .publisher
                .schema_of(tenant, dialect, types, event_type)?;
            if let Some(schema) = schema {
                let is_costly = check::is_costly(&body, Some(&schema));
                check::check_schema(&schema, event_type, data, is_costly)?;
            }
        }
        Ok(TestEvent {
            id,
            event_type: event_type.to_owned(),
            body,
            wall_ms,
        })
    }

    /// Whether the schema of a type takes these data: only what it takes is ever published.
    #[must_use]
    pub fn takes(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        types: &EventTypes,
        event_type: &str,
        data: &Json,
    ) -> bool {
        let tenant = &webhook.tenant;
        let schema = self.publisher.schema_of(tenant, dialect, types, event_type);
        schema.is_ok_and(|schema| {
            schema.is_none_or(|schema| schema.check(data).violations.is_empty())
        })
    }

    /// Posts a test event now, also to a disabled webhook; answers the attempt. It is logged, never retried, and counts for nothing.
    ///
    /// # Errors
    /// When the table fails, or this host cannot send: then nothing is logged.
    pub async fn test(
        &self,
        poster: &Poster,
        webhook: &Webhook,
        dialect: &Dialect,
        event: TestEvent,
    ) -> Result<Attempt, FlowError> {
        let TestEvent {
            id,
            event_type,
            body,
            wall_ms,
        } = event;
        let now_ms = self.clock.now_ms();
        let event = Event {
            tenant: webhook.tenant.clone(),
            id,
            event_type: event_type.clone(),
            timestamp_ms: wall_ms,
            accepted_ms: now_ms,
            content_hash: [0; 32],
            trace: None,
            hops: Hops::NONE,
            bodies: [(dialect.name.clone(), Body::Here(body.clone()))].into(),
            metadata: None,
            matches: Matches::default(),
            reason: None,
            call: None,
            erased: None,
        };
        let delivery = delivery_key(&event, &webhook.id);
        let position = Position {
            trigger: Trigger::Test,
            dialect: Some(dialect.name.clone()),
            ..Position::first(now_ms, webhook.epoch)
        };
        let message = AttemptMessage::new(delivery, position);
        let content = Content {
            event_type,
            body,
            trace: None,
            hops: Hops::NONE,
        };
        // The log's detail shows the body, which is the event's.
        self.store.put_event(&event).await?;
        let held = poster.hold(webhook, dialect).await?;
        let made = poster.post(&message, webhook, dialect, &content, held);
        let attempt = made.await?;
        if attempt.outcome == Outcome::Succeeded {
            self.store.log_success(&attempt).await?;
        } else {
            self.store.log_failure(&attempt).await?;
        }
        Ok(attempt)
    }
}

/// An event that tests a webhook.
#[derive(Debug)]
pub struct TestEvent {
    id: EventId,
    event_type: String,
    body: Bytes,
    wall_ms: u64,
}

/// The state that a delivery is left in by a retry that fails, unless a wait goes on: as its row tells, the attempt that was made at it, or
/// the log entry that led to it.
fn returns_to(
    row: Option<&Delivery>,
    made: Option<&Attempt>,
    entry: Option<&Attempt>,
    webhook: &Webhook,
) -> Option<State> {
    let succeeded = |entry: &Attempt| entry.outcome == Outcome::Succeeded;
    let stands = |entry: &Attempt| row.is_none_or(|row| entry.key == row.attempt_key());
    if entry.is_some_and(|entry| stands(entry) && succeeded(entry))
        || made.is_some_and(succeeded)
        || row.is_some_and(Delivery::had_succeeded)
    {
        return Some(State::Succeeded);
    }
    let row = row?;
    match row.state_for(webhook) {
        State::Pending => row.position.returns_to,
        state => Some(state),
    }
}

//! The event source: what SQS and Lambda between them do with messages, on good and on bad days.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rung_core::{
    domain::{
        attempt::Trigger,
        delivery::{Delivery, State},
        message::{AttemptMessage, Message},
        webhook::Webhook,
    },
    flow::deliver::Record,
    limits::FRESH_MS,
};
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::{
    clients::POISON,
    functions::Role,
    mutations::Mutation,
    receivers::{Held, standing_pause},
    world::{DEAD, QUEUES, World},
};

/// More batches than any run needs. A mistake can make one go on for ever within a moment of its clock.
const MOST_BATCHES: u64 = 3_000;

/// A record with what is needed to delete it.
#[derive(Clone)]
struct Handed {
    record: Record,
    receipt: String,
}

impl World {
    pub(crate) async fn sqs(&self, operation: &str, request: Value) -> Value {
        let target = format!("AmazonSQS.{operation}");
        let answer = self
            .wire
            .aws
            .dispatch(&target, request.to_string().as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{operation} {request}");
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Takes messages from a queue and hands them to functions, for ever.
    pub(crate) async fn source(self: Arc<Self>, queue: &'static str) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        loop {
            self.functions.power().await;
            let bad = |rate: f64| !self.wire.is_calm() && chance.happens(rate);
            let visibility_s = if bad(plan.briefly_hidden) {
                chance.between(1, 40)
            } else {
                plan.visibility_s
            };
            let received = self
                .sqs(
                    "ReceiveMessage",
                    json!({
                        "QueueUrl": queue_url(queue),
                        "MaxNumberOfMessages": chance.between(1, 10),
                        "VisibilityTimeout": visibility_s,
                        "WaitTimeSeconds": 20,
                        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
                    }),
                )
                .await;
            let mut batch: Vec<_> = received["Messages"]
                .as_array()
                .into_iter()
                .flatten()
                .map(handed)
                .collect();
            if batch.is_empty() {
                continue;
            }
            if self.wire.plan.set_back.is_some() {
                batch = self.without_doomed(queue, batch).await;
            }
            if !self.wire.is_calm() {
                batch = self.lose(queue, batch, plan.forgotten, None).await;
                batch = self
                    .lose(queue, batch, plan.buried, Some(dead_of(queue)))
                    .await;
            }
            if plan.aging.is_some() {
                self.keep_for_later(queue, &batch);
            }
            chance.shuffle(&mut batch);
            // The first hand-out of what is received again may be still to come.
            for again in batch.iter().filter(|handed| handed.record.receives > 1) {
                self.note_copy(again);
            }
            for copy in batch.clone() {
                if bad(plan.duplicate) {
                    self.note_copy(&copy);
                    let late_ms = *chance.pick(&[5, 1_000, 60_000, 200_000]);
                    self.hand_out(queue, vec![copy], chance.between(0, late_ms));
                }
            }
            let late_ms = if bad(plan.held_back) {
                chance.between(0, *chance.pick(&[1_000, 30_000, 300_000]))
            } else {
                0
            };
            self.hand_out(queue, batch, late_ms);
        }
    }

    /// Notes some of the messages, which come again when all has grown old: as from among the dead letters.
    fn keep_for_later(&self, queue: &'static str, batch: &[Handed]) {
        for handed in batch {
            let is_attempt = matches!(Message::parse(&handed.record.body), Ok(Message::Attempt(_)));
            if is_attempt && self.ledger().aged_ms.is_none() && self.wire.chance.happens(0.2) {
                let body = handed.record.body.clone();
                self.ledger().seen_again.push((queue, body));
            }
        }
    }

    fn note_copy(&self, handed: &Handed) {
        if let Ok(Message::Attempt(message)) = Message::parse(&handed.record.body) {
            self.ledger().copied(message.attempt_key());
        }
    }

    /// Loses some of the messages, as a queue does that is purged, or moves them among the dead letters, as one does with what was
    /// received too often. Answers the others.
    async fn lose(
        &self,
        queue: &str,
        batch: Vec<Handed>,
        rate: f64,
        dead: Option<&str>,
    ) -> Vec<Handed> {
        let chance = &self.wire.chance;
        let (lost, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(|handed| {
            let counts = match Message::parse(&handed.record.body) {
                // Nothing is received so often in a moment.
                Ok(Message::Attempt(message)) if dead.is_some() => {
                    let fresh_ms = FRESH_MS + 2 * self.wire.plan.skew_ms;
                    message.position.due_ms + fresh_ms < self.clock.now_ms()
                }
                // The operator's notices are no deliveries.
                Ok(Message::Notice(_)) | Err(_) => false,
                Ok(_) => true,
            };
            counts && chance.happens(rate)
        });
        for handed in lost {
            self.wire
                .trace
                .line(|| format!("{queue} loses to {dead:?} {}", handed.record.body));
            if let Some(dead) = dead {
                let request =
                    json!({"QueueUrl": queue_url(dead), "MessageBody": handed.record.body});
                self.sqs("SendMessage", request).await;
            }
            let request = json!({"QueueUrl": queue_url(queue), "ReceiptHandle": handed.receipt});
            self.sqs("DeleteMessage", request).await;
        }
        kept
    }

    /// Drops what was sent in a time that the queues don't remember. Answers the rest.
    async fn without_doomed(&self, queue: &str, batch: Vec<Handed>) -> Vec<Handed> {
        let doomed = {
            let ledger = self.ledger();
            let is_doomed = |handed: &Handed| ledger.doomed.contains(&handed.record.message_id);
            batch.iter().map(is_doomed).collect::<Vec<_>>()
        };
        let mut kept = Vec::new();
        for (handed, is_doomed) in batch.into_iter().zip(doomed) {
            if is_doomed {
                let request =
                    json!({"QueueUrl": queue_url(queue), "ReceiptHandle": handed.receipt});
                self.sqs("DeleteMessage", request).await;
            } else {
                kept.push(handed);
            }
        }
        kept
    }

    /// Somebody moves the dead letters back, as AWS's own redrive does. What is none of Rung's stays.
    pub(crate) async fn redrive(&self) {
        for queue in QUEUES {
            loop {
                let dead = queue_url(dead_of(queue));
                let request = json!({"QueueUrl": dead, "MaxNumberOfMessages": 10, "VisibilityTimeout": 5, "WaitTimeSeconds": 0});
                let received = self.sqs("ReceiveMessage", request).await;
                let Some(letters) = received["Messages"].as_array() else {
                    break;
                };
                for letter in letters.iter().filter(|letter| letter["Body"] != POISON) {
                    let request =
                        json!({"QueueUrl": queue_url(queue), "MessageBody": letter["Body"]});
                    self.sqs("SendMessage", request).await;
                    let request =
                        json!({"QueueUrl": dead, "ReceiptHandle": letter["ReceiptHandle"]});
                    self.sqs("DeleteMessage", request).await;
                }
                if letters.is_empty() {
                    break;
                }
            }
        }
    }

    fn hand_out(self: &Arc<Self>, queue: &'static str, batch: Vec<Handed>, late_ms: u64) {
        let world = Arc::clone(self);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.spawn(async move {
            tokio::time::sleep(Duration::from_millis(late_ms)).await;
            Box::pin(world.handle(queue, batch)).await;
            world.under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn handle(&self, queue: &'static str, batch: Vec<Handed>) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        let function = self.functions.turn(Role::Deliver).await;
        let mut in_hand = Vec::new();
        for handed in &batch {
            if let Ok(Message::Attempt(message)) = Message::parse(&handed.record.body) {
                let held = self.held(message, handed.record.receives);
                in_hand.push(Box::pin(held).await);
            }
        }
        self.wire.trace.line(|| {
            let records = batch.iter().map(|handed| {
                let record = &handed.record;
                format!(
                    "{} ({}): {}",
                    record.message_id, record.receives, record.body
                )
            });
            format!("{queue} hands out {:?}", records.collect::<Vec<_>>())
        });
        let batch_number = self.batches.fetch_add(1, Ordering::Relaxed);
        if batch_number >= MOST_BATCHES {
            if batch_number == MOST_BATCHES {
                self.ledger()
                    .violation("it goes round in circles".to_owned());
            }
            return;
        }
        let distinct: BTreeSet<_> = in_hand
            .iter()
            .map(|held| held.message.attempt_key())
            .collect();
        for key in distinct {
            let (webhook, event) = (key.delivery.webhook, key.delivery.event);
            self.ledger().handed(webhook.as_str(), event.as_str());
        }
        function.life.in_hand().insert(batch_number, in_hand);
        if self.wire.mutation == Some(Mutation::AckBeforeWork) {
            self.delete(queue, batch.iter()).await;
        }
        let records = batch.iter().map(|handed| handed.record.clone()).collect();
        let records = self.mistaken(records).await;
        let time = Duration::from_millis(plan.batch_ms);
        let failed = function
            .run(
                time + Duration::from_secs(3),
                function.app.deliverer.deliver(records, time),
            )
            .await;
        function.life.in_hand().remove(&batch_number);
        let Some(failed) = failed else {
            self.wire.trace.line(|| "a batch died".to_owned());
            return;
        };
        let done: Vec<_> = batch
            .iter()
            .filter(|handed| !failed.contains(&handed.record.message_id))
            .filter(|_| self.wire.is_calm() || !chance.happens(plan.undeleted))
            .collect();
        self.wire
            .trace
            .line(|| format!("{} of {} messages deleted", done.len(), batch.len()));
        self.delete(queue, done.iter().copied()).await;
        if plan.set_back.is_some() {
            let bodies = done.iter().map(|handed| handed.record.body.clone());
            self.ledger()
                .deleted_from(queue, self.clock.now_ms(), bodies);
        }
    }

    async fn delete(&self, queue: &str, done: impl Iterator<Item = &Handed>) {
        let entries = done
            .enumerate()
            .map(|(id, handed)| json!({"Id": id.to_string(), "ReceiptHandle": handed.receipt}));
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            let request = json!({"QueueUrl": queue_url(queue), "Entries": entries});
            self.sqs("DeleteMessageBatch", request).await;
        }
    }

    /// A record in hand, with what speaks against posting it and the rate limit that it keeps to, as things stand.
    async fn held(&self, message: AttemptMessage, receives: u32) -> Held {
        let key = message.attempt_key();
        let (webhook, row, attempt) = tokio::try_join!(
            self.oracle
                .webhook(&message.delivery.tenant, &message.delivery.webhook),
            self.oracle.delivery(&message.delivery),
            self.oracle.attempt(&key),
        )
        .expect("the oracle reads");
        let plan = &self.wire.plan;
        let late_ms = self.clock.now_ms().saturating_sub(message.position.due_ms);
        let fresh = message.position.n == 1
            && receives == 1
            && !message.repeated
            && late_ms <= FRESH_MS + 2 * plan.skew_ms
            && self.ledger().is_copied(&key);
        let objection = objection(
            &message,
            fresh,
            webhook.as_ref(),
            row.as_ref(),
            attempt.is_some(),
        );
        let pause = webhook.as_ref().and_then(standing_pause);
        // What people ask for by hand keeps to none.
        let by_hand = message.position.trigger == Trigger::Manual && message.position.job.is_none();
        let paced = webhook.filter(|webhook| webhook.rate_limit.is_some() && !by_hand);
        let pace = paced.map(|webhook| webhook.pace_epoch);
        Held {
            message,
            objection,
            pace,
            pause,
        }
    }

    /// How many messages a queue holds.
    pub(crate) async fn depth(&self, queue: &str) -> u64 {
        let request = json!({"QueueUrl": queue_url(queue), "AttributeNames": ["All"]});
        let answer = self.sqs("GetQueueAttributes", request).await;
        let count = |name: &str| {
            let count = answer["Attributes"][name].as_str();
            count
                .and_then(|count| count.parse::<u64>().ok())
                .unwrap_or(0)
        };
        count("ApproximateNumberOfMessages")
            + count("ApproximateNumberOfMessagesNotVisible")
            + count("ApproximateNumberOfMessagesDelayed")
    }
}

/// Where a queue's dead letters are.
fn dead_of(queue: &str) -> &'static str {
    let place = QUEUES.iter().position(|name| *name == queue);
    DEAD[place.expect("it is one of the queues")]
}

/// A message may be posted to a webhook that takes it if it stands at or directly before the head of its chain and its attempt is
/// not in the log; a first attempt that looks new may also be a copy of SQS's own making.
fn objection(
    message: &AttemptMessage,
    fresh: bool,
    webhook: Option<&Webhook>,
    row: Option<&Delivery>,
    logged: bool,
) -> Option<&'static str> {
    let Some(webhook) = webhook else {
        return Some("deleted");
    };
    if webhook.epoch != message.position.epoch {
        return Some("of an earlier epoch");
    }
    if webhook.disabled.is_some() {
        return Some("disabled");
    }
    if fresh {
        return None;
    }
    if logged {
        return Some("in the log already");
    }
    match row {
        None => None,
        Some(_) if message.position.n == 1 => Some("a first attempt that has a row"),
        Some(row)
            if row.position.n == message.position.n
                && row.position.due_ms == message.position.due_ms
                && row.state == State::Pending =>
        {
            None
        }
        Some(row) if row.position.n + 1 == message.position.n && may_follow(row, message) => None,
        Some(_) => Some("its chain is elsewhere"),
    }
}

/// Whether a message may be posted while the row stands one position behind it. A recovery moves what is at rest, or waits for a
/// webhook that was disabled meanwhile, and moves it once.
fn may_follow(row: &Delivery, message: &AttemptMessage) -> bool {
    let waits = row.state == State::Pending;
    match message.position.trigger {
        // A recovery's takes the place of the wait that it has found.
        Trigger::Manual => {
            message.position.job.is_none()
                || waits
                    && row.position.job < message.position.job
                    && Some(row.position.due_ms) == message.position.resume_ms
        }
        Trigger::Recover => {
            row.position.job < message.position.job
                && !(waits && row.position.epoch == message.position.epoch)
        }
        Trigger::Event | Trigger::Retry | Trigger::Test => waits,
    }
}

fn handed(message: &Value) -> Handed {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let receives = message["Attributes"]["ApproximateReceiveCount"].as_str();
    Handed {
        record: Record {
            message_id: text("MessageId"),
            body: text("Body"),
            receives: receives.and_then(|count| count.parse().ok()).unwrap_or(1),
        },
        receipt: text("ReceiptHandle"),
    }
}

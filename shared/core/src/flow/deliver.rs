//! Handling a batch of messages: loads what they need together, posts all at once, and answers which must come again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use rung_base::clock::Clock;

use super::{
    FlowError, HostFaults, StatsBuffer, accept::first_message, control::Control, post::Poster,
};
use crate::{
    domain::{
        attempt::AttemptKey,
        id::{DeliveryKey, EventId, TenantId, WebhookId},
        message::{AttemptMessage, Fanout, Message, MessageFault},
        webhook::Webhook,
    },
    limits::{POISON_RECEIVES, STATS_TIME, UNKNOWN_RECEIVES},
    metrics::Metrics,
    queue::{Queue, QueueName},
    store::{Store, StoreError, events::Event},
};

/// A message as a queue hands it out.
#[derive(Debug, Clone)]
pub struct Record {
    /// The queue's name for this message, by which a failure is reported.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// How often it was handed out, 1 at first.
    pub receives: u32,
}

/// Makes the attempts that messages ask for.
#[derive(Clone)]
pub struct Deliverer {
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) clock: Arc<dyn Clock>,
    /// What goes on around the attempts.
    pub control: Control,
    /// What makes their POSTs.
    pub poster: Poster,
    /// The attempts that are not in the statistics yet.
    pub stats: StatsBuffer,
    pub(super) metrics: Metrics,
    /// What the operator was told of attempts that this host could not make.
    pub(super) host_faults: HostFaults,
}

/// A batch's messages of one tenant that need its webhooks or events.
#[derive(Default)]
struct TenantMessages {
    attempts: BTreeMap<AttemptKey, (AttemptMessage, Copies)>,
    fanouts: Vec<(Fanout, Record)>,
}

/// The webhooks and events that a batch's messages of one tenant need.
pub(super) struct Loaded {
    webhooks: HashMap<(TenantId, WebhookId), Result<Arc<Webhook>, StoreError>>,
    events: HashMap<(TenantId, EventId), Arc<Event>>,
}

impl Loaded {
    pub(super) fn webhook(
        &self,
        message: &AttemptMessage,
    ) -> Result<Option<Arc<Webhook>>, StoreError> {
        let name = name_of(&message.delivery);
        self.webhooks.get(&name).cloned().transpose()
    }

    /// The event that was accepted at this time. An id used again after its retention names another one.
    pub(super) fn event(
        &self,
        tenant: &TenantId,
        event: &EventId,
        accepted_ms: u64,
    ) -> Option<&Arc<Event>> {
        let found = self.events.get(&(tenant.clone(), event.clone()));
        found.filter(|found| found.accepted_ms == accepted_ms)
    }
}

impl Deliverer {
    /// One whose function is frozen between its batches.
    #[must_use]
    pub fn new(control: Control, poster: Poster, metrics: Metrics) -> Self {
        Self {
            store: control.store.clone(),
            queue: control.queue.clone(),
            clock: Arc::clone(&control.clock),
            control,
            poster,
            stats: StatsBuffer::new(STATS_TIME),
            metrics,
            host_faults: HostFaults::default(),
        }
    }

    /// Writes what the statistics lack.
    pub async fn flush_stats(&self) {
        self.stats.flush(&self.store).await;
    }

    /// Handles a batch for at most `time`. Answers the ids of the records that must be handed out again; all others are done
    /// for good, whatever happens next.
    pub async fn deliver(&self, records: Vec<Record>, time: Duration) -> Vec<String> {
        let open: Mutex<HashSet<String>> = Mutex::new(
            records
                .iter()
                .map(|record| record.message_id.clone())
                .collect(),
        );
        let done = |ids: &[String]| {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().for_each(|id| {
                open.remove(id);
            });
        };
        // What is cut off here goes on where its log entry says, once it is handed out again.
        if tokio::time::timeout(time, self.deliver_all(records, &done))
            .await
            .is_err()
        {
            tracing::warn!("a batch was cut off by the function's time-out");
        }
        self.flush_stats().await;
        self.metrics.flush();
        open.into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_iter()
            .collect()
    }

    async fn deliver_all(&self, records: Vec<Record>, done: &(impl Fn(&[String]) + Sync)) {
        let (mut tenants, mut pages, mut keys, mut notices, mut releases, mut poison) = (
            BTreeMap::<TenantId, TenantMessages>::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
        );
        for record in records {
            match Message::parse(&record.body) {
                Ok(Message::Attempt(message)) => {
                    let tenant = message.delivery.tenant.clone();
                    let (_, copies) = tenants
                        .entry(tenant)
                        .or_default()
                        .attempts
                        .entry(message.attempt_key())
                        .or_insert_with(|| (message, Copies::default()));
                    copies.add(record);
                }
                Ok(Message::Fanout(fanout)) => {
                    let tenant = tenants.entry(fanout.tenant.clone()).or_default();
                    tenant.fanouts.push((fanout, record));
                }
                Ok(Message::Job(page)) => pages.push((page, record)),
                Ok(Message::KeyEnds(key)) => keys.push((key, record)),
                Ok(Message::Notice(notice)) => notices.push((notice, record)),
                Ok(Message::Release(release)) => releases.push((release, record)),
                Err(error @ MessageFault::Unknown(_)) if record.receives < UNKNOWN_RECEIVES => {
                    tracing::warn!(message_id = record.message_id, %error, "a message has an unknown form; it will be retried");
                }
                Err(error) => {
                    tracing::error!(message_id = record.message_id, %error, "a message is not Rung's; moved to the dead letters");
                    poison.push(record);
                }
            }
        }
        let poison = poison.into_iter().map(async |record: Record| {
            match self.queue.bury(record.body).await {
                Ok(()) => done(&[record.message_id]),
                Err(error) => {
                    tracing::error!(message_id = record.message_id, %error, "not buried")
                }
            }
        });
        // Each tenant's messages on their own: a tenant whose items cannot be read holds up nobody else's. The store still reads all of
        // them in one call.
        let tenants = tenants.into_iter();
        let tenants =
            tenants.map(async |(tenant, messages)| self.deliver_of(&tenant, messages, done).await);
        let pages = pages.into_iter().map(async |(page, record)| {
            let outcome = AssertUnwindSafe(Box::pin(self.control.job_page(&page)))
                .catch_unwind()
                .await;
            self.conclude(outcome, &record.into(), done).await;
        });
        let keys = keys.into_iter().map(async |(key, record)| {
            let outcome = AssertUnwindSafe(self.control.tell_of_end(&key))
                .catch_unwind()
                .await;
            self.conclude(outcome, &record.into(), done).await;
        });
        let notices = notices.into_iter().map(async |(notice, record)| {
            let outcome = AssertUnwindSafe(self.control.operator.publish(&notice))
                .catch_unwind()
                .await;
            self.conclude(outcome, &record.into(), done).await;
        });
        let releases = releases.into_iter().map(async |(release, record)| {
            let outcome = AssertUnwindSafe(self.control.release_page(&release))
                .catch_unwind()
                .await;
            self.conclude(outcome, &record.into(), done).await;
        });
        tokio::join!(
            join_all(poison),
            join_all(tenants),
            join_all(pages),
            join_all(keys),
            join_all(notices),
            join_all(releases)
        );
    }

    /// Handles a batch's messages of one tenant that need its webhooks and events.
    async fn deliver_of(
        &self,
        tenant: &TenantId,
        messages: TenantMessages,
        done: &(impl Fn(&[String]) + Sync),
    ) {
        let TenantMessages { attempts, fanouts } = messages;
        let loading = self.load(
            attempts.values().map(|(message, _)| message),
            fanouts.iter().map(|(fanout, _)| fanout),
        );
        let loaded = match loading.await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%tenant, %error, "the webhooks or events of a tenant's messages could not be read; the messages will be retried");
                return;
            }
        };
        let attempts = attempts.into_values().map(async |(message, copies)| {
            let outcome = AssertUnwindSafe(self.attempt(&message, copies.receives, &loaded))
                .catch_unwind()
                .await;
            self.conclude(outcome, &copies, done).await;
        });
        let fanouts = fanouts.into_iter().map(async |(fanout, record)| {
            let outcome = AssertUnwindSafe(self.fan_out(fanout, record.receives, &loaded))
                .catch_unwind()
                .await;
            self.conclude(outcome, &record.into(), done).await;
        });
        tokio::join!(join_all(attempts), join_all(fanouts));
    }

    /// Reads all that these messages need, each item once.
    async fn load<'a>(
        &self,
        attempts: impl Iterator<Item = &'a AttemptMessage> + Clone,
        fanouts: impl Iterator<Item = &'a Fanout>,
    ) -> Result<Loaded, StoreError> {
        let webhooks = attempts.clone().map(|message| name_of(&message.delivery));
        let large = attempts
            .filter(|message| message.content.is_none())
            .map(|message| {
                (
                    message.delivery.tenant.clone(),
                    message.delivery.event.clone(),
                )
            });
        let events =
            large.chain(fanouts.map(|fanout| (fanout.tenant.clone(), fanout.event.clone())));
        let (webhooks, events) = (distinct(webhooks), distinct(events));
        let (webhooks, events) =
            tokio::try_join!(self.store.webhooks(&webhooks), self.store.events(&events))?;
        Ok(Loaded {
            webhooks: webhooks
                .into_iter()
                .map(|(name, found)| (name, found.map(Arc::new)))
                .collect(),
            events: events
                .into_iter()
                .map(|event| ((event.tenant.clone(), event.id.clone()), event.into()))
                .collect(),
        })
    }

    /// Splits a fan-out into messages of its targets' own.
    async fn fan_out(
        &self,
        fanout: Fanout,
        receives: u32,
        loaded: &Loaded,
    ) -> Result<(), FlowError> {
        let found = loaded.event(&fanout.tenant, &fanout.event, fanout.accepted_ms);
        let Some(event) = found else {
            tracing::warn!(tenant = %fanout.tenant, event = %fanout.event, "the event of a fan-out has expired");
            return Ok(());
        };
        if event.erased.is_some() {
            return Ok(());
        }
        // A fan-out that is split twice sends everything twice.
        let repeated = fanout.repeated || receives > 1;
        let messages = fanout.targets.into_iter().map(|target| {
            let first = first_message(event, target, repeated);
            (Message::Attempt(first), 0)
        });
        let messages: Vec<_> = messages.collect();
        let queue = QueueName::Deliver;
        Ok(self.queue.send_every(queue, &messages).await?)
    }

    /// Reports a record done, or leaves it to come again; one that goes on panicking is buried.
    async fn conclude(
        &self,
        outcome: Result<Result<(), FlowError>, Box<dyn std::any::Any + Send>>,
        copies: &Copies,
        done: &(impl Fn(&[String]) + Sync),
    ) {
        match outcome {
            Ok(Ok(())) => done(&copies.message_ids),
            Ok(Err(error)) => {
                tracing::error!(message_ids = ?copies.message_ids, %error, "a message could not be handled; it will be retried")
            }
            Err(_) if copies.receives >= POISON_RECEIVES => {
                match self.queue.bury(copies.body.clone()).await {
                    Ok(()) => {
                        tracing::error!(message_ids = ?copies.message_ids, "a message's handler panicked too often; moved to the dead letters");
                        done(&copies.message_ids);
                    }
                    Err(error) => {
                        tracing::error!(message_ids = ?copies.message_ids, %error, "not buried")
                    }
                }
            }
            Err(_) => {
                tracing::error!(message_ids = ?copies.message_ids, "a message's handler panicked; it will be retried")
            }
        }
    }
}

fn name_of(delivery: &DeliveryKey) -> (TenantId, WebhookId) {
    (delivery.tenant.clone(), delivery.webhook.clone())
}

fn distinct<T: Eq + std::hash::Hash>(names: impl Iterator<Item = T>) -> Vec<T> {
    names.collect::<HashSet<_>>().into_iter().collect()
}

/// The records of one batch that ask for the same attempt.
#[derive(Default)]
struct Copies {
    message_ids: Vec<String>,
    receives: u32,
    body: String,
}

impl From<Record> for Copies {
    fn from(record: Record) -> Self {
        let mut copies = Self::default();
        copies.add(record);
        copies
    }
}

impl Copies {
    fn add(&mut self, record: Record) {
        self.message_ids.push(record.message_id);
        self.receives = self.receives.max(record.receives);
        self.body = record.body;
    }
}

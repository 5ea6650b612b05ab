//! Accepting events: what was answered with 202 is stored with its matches and queued.
//!
//! The order is: the row of the tenant's list that names the events, match sets, the event's row, the messages, the answer. A crash
//! before the answer leaves a client that has heard nothing; its repeat finds the event and fills in what is missing. A repeat after
//! the answer finds log entries or delivery rows, or its marked messages do, a minute later. No event is ever without its entry in
//! the list.
//!
//! `routes` says which webhooks an event is for, `check` whether it may be accepted for them, by the `schemas` too, `identity` whether it is one that was accepted before, `messages` what brings it
//! on its way; `own` accepts what Rung itself has to tell.

pub(super) mod check;
mod identity;
mod messages;
mod own;
mod request;
mod routes;
mod schemas;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use rung_base::clock::{Clock, milliseconds, timestamp};
use rung_dialect::{Dialect, Dialects, EventFacts};
use rung_json::Json;

pub use self::{
    check::body,
    own::OwnEvent,
    request::{Accepted, NewEvent, Refusal},
};
pub(super) use self::{
    identity::new_event_id,
    messages::{delivery_key, first_message},
};
use self::{
    identity::{content_hash, event_id},
    messages::{fanout, first_attempt, target},
    routes::{Matching, Routes},
    schemas::Schemas,
};
use super::{FlowError, event_types::Deployments, overdue_ms};
use crate::{
    domain::{
        attempt::{AttemptKey, Outcome},
        delivery::{Delivery, State},
        id::{EventId, TenantId, WebhookId},
        message::Message,
        position::Position,
        tenant::Tenant,
        webhook::Subscription,
    },
    limits::{FANOUT_TARGETS, REPEAT_DELAY_MS},
    metrics::Metrics,
    queue::{Queue, QueueName},
    store::{
        Store, StoreError,
        event_list::Call,
        events::{Body, Event, Match, Matches},
    },
};

impl From<FlowError> for Refusal {
    fn from(error: FlowError) -> Self {
        tracing::error!(%error, "an event could not be accepted");
        Self::Unavailable
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        FlowError::from(error).into()
    }
}

/// What accepting needs.
#[derive(Clone)]
pub struct Publisher {
    store: Store,
    queue: Queue,
    dialects: Arc<Dialects>,
    clock: Arc<dyn Clock>,
    routes: Arc<Mutex<HashMap<TenantId, Arc<Routes>>>>,
    types: Deployments,
    schemas: Schemas,
    metrics: Metrics,
}

/// What is to be done with an event that was given.
enum Judged<'a> {
    /// It may be accepted.
    Acceptable(Box<Acceptable<'a>>),
    /// Nothing more: it was accepted before, or is refused.
    Settled(Result<Stored, Refusal>),
}

/// An event that nothing refuses, before it is stored.
struct Acceptable<'a> {
    event: Event,
    found: Vec<Match>,
    webhooks: Vec<&'a Subscription>,
    /// Whether it is sent to those that are active; else they miss it.
    is_sent: bool,
}

/// An event that is stored, and the messages that bring it on its way.
struct Stored {
    accepted: Accepted,
    messages: Vec<(Message, u64)>,
}

impl Publisher {
    /// A publisher over the table and the queues.
    #[must_use]
    pub fn new(store: Store, queue: Queue, dialects: Arc<Dialects>, clock: Arc<dyn Clock>) -> Self {
        Self {
            types: Deployments::new(store.clone(), Arc::clone(&dialects)),
            store,
            queue,
            dialects,
            clock,
            routes: Arc::default(),
            schemas: Schemas::default(),
            metrics: Metrics::default(),
        }
    }

    /// The same, counting.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Accepts events of a tenant, which must just have been read strongly: its version says whether the webhooks known here
    /// are all there are. Answers for each event, in order.
    pub async fn publish(
        &self,
        tenant: &Tenant,
        events: Vec<NewEvent>,
        request_id: &str,
    ) -> Vec<Result<Accepted, Refusal>> {
        self.publish_all(tenant, events, request_id, false).await
    }

    /// The same; `own` says whether they are Rung's own.
    async fn publish_all(
        &self,
        tenant: &Tenant,
        events: Vec<NewEvent>,
        request_id: &str,
        own: bool,
    ) -> Vec<Result<Accepted, Refusal>> {
        let count = events.len();
        let routes = match self.routes(tenant).await {
            Ok(routes) => routes,
            Err(error) => return vec![Err(error.into()); count],
        };
        let Some(dialect) = routes.types.dialect(&tenant.dialect) else {
            tracing::error!(tenant = %tenant.id, dialect = tenant.dialect, "unknown dialect");
            return vec![Err(Refusal::Unavailable); count];
        };
        let call = self.store.call_at(self.clock.now_ms());
        let judged = events
            .into_iter()
            .map(|event| self.judge(tenant, dialect, &routes, event, request_id, own, &call));
        let judged = join_all(judged).await;
        let listed = self.list(tenant, &call, &judged).await;
        let stored = judged.into_iter().map(async |judged| match judged {
            Judged::Settled(result) => result,
            Judged::Acceptable(acceptable) => {
                listed.clone()?;
                self.store_event(&routes, *acceptable).await
            }
        });
        let mut results = join_all(stored).await;
        let mut messages = Vec::new();
        let mut owners = Vec::new();
        for (owner, stored) in results.iter_mut().enumerate() {
            let own = stored.as_mut().map_or_else(
                |_| Vec::new(),
                |stored| std::mem::take(&mut stored.messages),
            );
            owners.extend(std::iter::repeat_n(owner, own.len()));
            messages.extend(own);
        }
        for (owner, sent) in owners
            .into_iter()
            .zip(self.queue.send_all(QueueName::Deliver, &messages).await)
        {
            if let Err(error) = sent {
                results[owner] = Err(FlowError::from(error).into());
            }
        }
        for _ in results.iter().flatten() {
            self.metrics.accepted(&tenant.id);
        }
        self.metrics.flush();
        results
            .into_iter()
            .map(|result| result.map(|stored| stored.accepted))
            .collect()
    }

    /// Judges one event that a call brings. One that was accepted before stays accepted, whatever refuses it now.
    #[expect(clippy::too_many_arguments, reason = "what an event is judged by")]
    async fn judge<'a>(
        &self,
        tenant: &Tenant,
        dialect: &Dialect,
        routes: &'a Routes,
        new: NewEvent,
        request_id: &str,
        own: bool,
        call: &Call,
    ) -> Judged<'a> {
        let wall_ms = self.clock.wall_ms();
        let id = event_id(tenant, dialect, &new, wall_ms);
        // Another name of the same type is no other content.
        let named = dialect.catalogue.resolve_type(&new.event_type);
        let hash = content_hash(&new, named.unwrap_or(&new.event_type));
        let time = new.timestamp.unwrap_or_else(|| timestamp(wall_ms));
        let facts = EventFacts {
            id: id.as_str(),
            event_type: &new.event_type,
            data: &new.data,
            time,
            is_time_given: new.timestamp.is_some() && !own,
            request_id,
            metadata: new.metadata.as_ref(),
        };
        let checked = match self.checked(tenant, dialect, routes, facts, own).await {
            Ok(checked) => checked,
            Err(refusal) if new.id.is_some() || new.idempotency_key.is_some() => {
                let earlier = self.accepted_before(tenant, routes, &id, &hash, refusal);
                return Judged::Settled(earlier.await);
            }
            Err(refusal) => return Judged::Settled(Err(refusal)),
        };
        let Matching {
            webhooks,
            reason,
            is_sent,
        } = checked.matching;
        let found = webhooks.iter().map(|webhook| Match {
            webhook: webhook.id.clone(),
            active: is_sent && webhook.is_active,
        });
        let found = found.collect();
        let event = Event {
            tenant: tenant.id.clone(),
            matches: Matches::default(),
            id,
            event_type: checked.event_type,
            timestamp_ms: milliseconds(time),
            accepted_ms: call.accepted_ms,
            content_hash: hash,
            trace: new.trace,
            hops: new.hops,
            bodies: checked.bodies,
            metadata: new.metadata.as_ref().and_then(kept),
            reason,
            call: Some(call.id.clone()),
            erased: None,
        };
        Judged::Acceptable(Box::new(Acceptable {
            event,
            found,
            webhooks,
            is_sent,
        }))
    }

    /// Lists the events that a call is about to store.
    async fn list(
        &self,
        tenant: &Tenant,
        call: &Call,
        judged: &[Judged<'_>],
    ) -> Result<(), Refusal> {
        let mut known = HashSet::new();
        let events = judged.iter().filter_map(|judged| match judged {
            Judged::Acceptable(acceptable) => Some(&acceptable.event),
            Judged::Settled(_) => None,
        });
        let events = events.filter(|event| known.insert(&event.id));
        let events: Vec<_> = events
            .map(|event| (&event.id, event.event_type.as_str()))
            .collect();
        if events.is_empty() {
            return Ok(());
        }
        Ok(self.store.list_events(&tenant.id, call, &events).await?)
    }

    /// Stores one event with its matches, and says what is to be sent. Of an event that is stored already: only what left no
    /// trace yet, later and marked.
    async fn store_event(
        &self,
        routes: &Routes,
        acceptable: Acceptable<'_>,
    ) -> Result<Stored, Refusal> {
        let Acceptable {
            mut event,
            found,
            webhooks,
            is_sent,
        } = acceptable;
        let matches = self.store.put_matches(&event.tenant, &event.id, found);
        event.matches = matches.await?;
        match self.store.put_event(&event).await? {
            None => self.first(&event, &webhooks, is_sent).await,
            Some(stored) => self.repeated(routes, &stored, &event.content_hash).await,
        }
    }

    /// Answers for an event that is refused, if it was accepted before schemas and webhooks came that refuse it now.
    async fn accepted_before(
        &self,
        tenant: &Tenant,
        routes: &Routes,
        id: &EventId,
        content_hash: &[u8; 32],
        refusal: Refusal,
    ) -> Result<Stored, Refusal> {
        let stored = self.store.event(&tenant.id, id).await?.ok_or(refusal)?;
        self.repeated(routes, &stored, content_hash).await
    }

    /// Answers for an event whose id is taken: a repeat, if its content is the same.
    async fn repeated(
        &self,
        routes: &Routes,
        stored: &Event,
        content_hash: &[u8; 32],
    ) -> Result<Stored, Refusal> {
        if stored.erased.is_some() {
            return Err(Refusal::Erased {
                id: stored.id.clone(),
            });
        }
        if stored.content_hash == *content_hash {
            return self.again(routes, stored).await;
        }
        Err(Refusal::Conflict {
            id: stored.id.clone(),
        })
    }

    /// Sends an event that was not there before to all it matches; those that are disabled miss it.
    async fn first(
        &self,
        event: &Event,
        matches: &[&Subscription],
        is_sent: bool,
    ) -> Result<Stored, Refusal> {
        let (active, disabled): (Vec<&Subscription>, Vec<_>) = matches
            .iter()
            .partition(|webhook| is_sent && webhook.is_active);
        self.miss(
            event,
            disabled.iter().map(|webhook| (&webhook.id, webhook.epoch)),
        )
        .await?;
        let messages = if active.len() > FANOUT_TARGETS {
            let targets = |webhooks: &[&Subscription]| {
                webhooks
                    .iter()
                    .map(|webhook| target(event, webhook))
                    .collect()
            };
            active
                .chunks(FANOUT_TARGETS)
                .map(|webhooks| (fanout(event, false, targets(webhooks)), 0))
                .collect()
        } else {
            active
                .iter()
                .map(|webhook| (first_attempt(event, webhook, false), 0))
                .collect()
        };
        let accepted = accepted(event, active.len(), false);
        Ok(Stored { accepted, messages })
    }

    /// Answers a repeat as the first time, and fills in what a failure then left out.
    async fn again(&self, routes: &Routes, event: &Event) -> Result<Stored, Refusal> {
        let known: HashMap<_, _> = routes
            .webhooks
            .iter()
            .map(|webhook| (&webhook.id, &**webhook))
            .collect();
        let matches = self.store.matches(event).await?;
        let (active, disabled): (Vec<_>, Vec<_>) = matches.iter().partition(|found| found.active);
        // Of those that are gone since, nobody waits for anything.
        let still_there = |found: &&Match| known.get(&found.webhook).copied();
        self.miss(
            event,
            disabled
                .iter()
                .filter_map(still_there)
                .map(|webhook| (&webhook.id, webhook.epoch)),
        )
        .await?;
        let targets: Vec<_> = active.iter().filter_map(still_there).collect();
        let deliveries: Vec<_> = targets
            .iter()
            .map(|webhook| delivery_key(event, &webhook.id))
            .collect();
        let attempts: Vec<_> = deliveries.iter().map(AttemptKey::first_of).collect();
        let (rows, logged) = tokio::try_join!(
            self.store.deliveries(&deliveries),
            self.store.attempts(&attempts)
        )?;
        // A failure whose successor was not put in place is settled by a copy of its message.
        let through = logged
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Succeeded);
        let through = through.map(|attempt| &attempt.key.delivery.webhook);
        let traced: HashSet<_> = rows
            .iter()
            .map(|row| &row.key.webhook)
            .chain(through)
            .collect();
        let firsts = targets
            .iter()
            .filter(|webhook| !traced.contains(&webhook.id))
            .map(|webhook| (first_attempt(event, webhook, true), REPEAT_DELAY_MS));
        let by_ms = overdue_ms(&*self.clock);
        let overdue = rows.iter().filter(|row| row.is_overdue(by_ms));
        let overdue = overdue.map(|row| (Message::Attempt(row.message()), 0));
        let messages = firsts.chain(overdue).collect();
        Ok(Stored {
            accepted: accepted(event, active.len(), true),
            messages,
        })
    }

    /// Notes for webhooks that are disabled that they missed an event.
    async fn miss(
        &self,
        event: &Event,
        webhooks: impl Iterator<Item = (&WebhookId, u64)>,
    ) -> Result<(), StoreError> {
        let placed = webhooks.map(async |(webhook, epoch)| {
            let position = Position::first(event.accepted_ms, epoch);
            let key = delivery_key(event, webhook);
            let missed = Delivery {
                state: State::Missed,
                ..Delivery::waiting(key, position, event.event_type.clone())
            };
            self.store.place(&missed).await.map(drop)
        });
        futures_util::future::try_join_all(placed).await.map(drop)
    }
}

/// Metadata as the event keeps them. Without members they are none, as in its content's hash.
fn kept(metadata: &Json) -> Option<Body> {
    let has_members = metadata.as_object().is_some_and(|it| !it.is_empty());
    // What is serialized has string keys only.
    let text = has_members.then(|| serde_json::to_vec(metadata).unwrap_or_default());
    text.map(|text| Body::Here(text.into()))
}

fn accepted(event: &Event, deliveries: usize, duplicate: bool) -> Accepted {
    Accepted {
        id: event.id.clone(),
        event_type: event.event_type.clone(),
        timestamp_ms: event.timestamp_ms,
        accepted_ms: event.accepted_ms,
        deliveries,
        duplicate,
        reason: event.reason,
    }
}

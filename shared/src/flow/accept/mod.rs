//! Accepting events: what was answered with 202 is stored with its matches and queued.
//!
//! The order is: match sets, the event's row, the messages, the answer. A crash before the answer leaves a client that has
//! heard nothing; its repeat finds the row and fills in what is missing. A repeat after the answer finds log entries or
//! delivery rows, or its marked messages do, a minute later.

mod own;
mod request;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};

pub use self::{
    own::OwnEvent,
    request::{Accepted, NewEvent, Refusal},
};
use super::FlowError;
use crate::{
    chance,
    clock::{Clock, timestamp},
    dialect::{BodyFault, Dialect, Dialects, EventFacts},
    domain::{
        attempt::{AttemptKey, Trigger},
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
        message::{Content, Due, Fanout, Message, Target},
        tenant::Tenant,
        webhook::Webhook,
    },
    json::Json,
    limits::{FANOUT_TARGETS, INLINE_BODY_BYTES, REPEAT_DELAY_MS, TIMELINE_WEBHOOKS},
    metrics::Metrics,
    mutation::{Mutation, mutated},
    queue::{Lane, Queue},
    schema::Schema,
    store::{
        Store, StoreError,
        events::{Event, Match},
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

/// The webhooks of more tenants than this are not remembered.
const CACHED_TENANTS: usize = 1_000;

/// What accepting needs.
#[derive(Clone)]
pub struct Publisher {
    store: Store,
    queue: Queue,
    dialects: Arc<Dialects>,
    clock: Arc<dyn Clock>,
    routes: Arc<Mutex<HashMap<TenantId, Arc<Routes>>>>,
    metrics: Metrics,
}

/// A tenant's webhooks and schemas as of one version of the tenant.
struct Routes {
    of: Version,
    webhooks: Vec<Webhook>,
    /// Those that the tenant has given its event types itself.
    schemas: HashMap<String, Schema>,
}

/// A tenant deleted and made anew counts its versions anew.
#[derive(PartialEq, Eq)]
struct Version {
    created_ms: u64,
    number: u64,
}

impl From<&Tenant> for Version {
    fn from(tenant: &Tenant) -> Self {
        Self {
            created_ms: tenant.created_ms,
            number: tenant.version,
        }
    }
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
            store,
            queue,
            dialects,
            clock,
            routes: Arc::default(),
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
        let count = events.len();
        let (routes, dialect) = match self.routes(tenant).await {
            Ok(routes) => (routes, self.dialects.get(&tenant.dialect)),
            Err(error) => return vec![Err(error.into()); count],
        };
        let Some(dialect) = dialect else {
            tracing::error!(tenant = %tenant.id, dialect = tenant.dialect, "unknown dialect");
            return vec![Err(Refusal::Unavailable); count];
        };
        let stored = events
            .into_iter()
            .map(|event| self.store_event(tenant, dialect, &routes, event, request_id));
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
            .zip(self.queue.send_all(Lane::Deliver, &messages).await)
        {
            if let Err(error) = sent
                && !mutated(Mutation::AcceptedUnsent)
            {
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

    /// The tenant's webhooks, read again only when one has changed.
    async fn routes(&self, tenant: &Tenant) -> Result<Arc<Routes>, StoreError> {
        let cache = || self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let version = Version::from(tenant);
        if let Some(routes) = cache()
            .get(&tenant.id)
            .filter(|routes| routes.of == version || mutated(Mutation::StaleRoutes))
        {
            return Ok(Arc::clone(routes));
        }
        // Read after the version: what is kept under it is at least as new.
        let (webhooks, schemas) = tokio::try_join!(
            self.store.webhooks_of(&tenant.id),
            self.store.schemas_of(&tenant.id)
        )?;
        let routes = Arc::new(Routes {
            of: version,
            webhooks,
            schemas: schemas.into_iter().collect(),
        });
        let mut cache = cache();
        if cache.len() >= CACHED_TENANTS {
            cache.clear();
        }
        cache.insert(tenant.id.clone(), Arc::clone(&routes));
        Ok(routes)
    }

    /// Stores one event with its matches, and says what is to be sent. Of an event that is stored already: only what left no
    /// trace yet, later and marked.
    async fn store_event(
        &self,
        tenant: &Tenant,
        dialect: &Dialect,
        routes: &Routes,
        new: NewEvent,
        request_id: &str,
    ) -> Result<Stored, Refusal> {
        let Some(event_type) = dialect
            .catalogue
            .resolve_type(&new.event_type)
            .map(str::to_owned)
        else {
            return Err(Refusal::UnknownType {
                event_type: new.event_type,
            });
        };
        let (now_ms, wall_ms) = (self.clock.now_ms(), self.clock.wall_ms());
        let matches = self.matching(tenant, dialect, routes, &event_type, &new.data);
        let id = event_id(tenant, dialect, &new, wall_ms);
        let timestamp_ms = new.timestamp_ms.unwrap_or(wall_ms);
        let facts = EventFacts {
            id: id.as_str(),
            event_type: &event_type,
            data: &new.data,
            time: timestamp(timestamp_ms),
            request_id,
            metadata: new.metadata.as_ref(),
        };
        let spoken: HashSet<_> = matches
            .iter()
            .map(|webhook| webhook.dialect.as_str())
            .collect();
        let mut bodies = BTreeMap::from([(tenant.dialect.clone(), body(dialect, &facts)?)]);
        for other in spoken.into_iter().filter(|name| *name != tenant.dialect) {
            if let Some(dialect) = self.dialects.get(other) {
                bodies.insert(other.to_owned(), body(dialect, &facts)?);
            }
        }
        check_schema(dialect, routes, &event_type, &new.data)?;
        let found = matches.iter().map(|webhook| Match {
            webhook: webhook.id.clone(),
            active: webhook.disabled.is_none(),
        });
        let disabled = |webhook: &&&Webhook| webhook.disabled.is_some();
        let disabled = matches.iter().filter(disabled).count();
        let active = matches.len() - disabled;
        let event = Event {
            tenant: tenant.id.clone(),
            matches: self
                .store
                .put_matches(&tenant.id, &id, found.collect())
                .await?,
            id,
            event_type,
            timestamp_ms,
            accepted_ms: now_ms,
            content_hash: content_hash(&new),
            trace: new.trace,
            bodies,
            reason: reason(tenant, dialect, active, disabled).map(str::to_owned),
            // The log of an active webhook leads to it, as long as there are not too many to look into.
            listed: active == 0 || routes.webhooks.len() > TIMELINE_WEBHOOKS,
        };
        match self.store.put_event(&event).await? {
            None => self.first(&event, &matches).await,
            Some(stored) if stored.content_hash == event.content_hash => {
                self.again(routes, &stored).await
            }
            Some(_) => Err(Refusal::Conflict { id: event.id }),
        }
    }

    /// The webhooks that an event of this type and payload is for.
    fn matching<'a>(
        &self,
        tenant: &Tenant,
        dialect: &Dialect,
        routes: &'a Routes,
        event_type: &str,
        data: &Json,
    ) -> Vec<&'a Webhook> {
        if !dialect.allows_plan(tenant.plan.as_deref()) {
            return Vec::new();
        }
        let subscribes = |webhook: &Webhook| {
            // A webhook may speak a dialect of its own; what that has no word for is not for it.
            let dialect = self.dialects.get(&webhook.dialect);
            dialect.is_some_and(|dialect| subscribes(webhook, dialect, event_type))
        };
        let takes = |webhook: &&Webhook| {
            let filter = webhook.filter.as_ref();
            subscribes(webhook) && filter.is_none_or(|filter| filter.takes(data))
        };
        routes.webhooks.iter().filter(takes).collect()
    }

    /// Sends an event that was not there before to all it matches; those that are disabled miss it.
    async fn first(&self, event: &Event, matches: &[&Webhook]) -> Result<Stored, Refusal> {
        let (active, disabled): (Vec<&Webhook>, Vec<_>) = matches
            .iter()
            .partition(|webhook| webhook.disabled.is_none());
        self.miss(
            event,
            disabled.iter().map(|webhook| (&webhook.id, webhook.epoch)),
        )
        .await?;
        let messages = if active.len() > FANOUT_TARGETS {
            let targets = |webhooks: &[&Webhook]| {
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
        let accepted = accepted(event, active.len());
        Ok(Stored { accepted, messages })
    }

    /// Answers a repeat as the first time, and fills in what a failure then left out.
    async fn again(&self, routes: &Routes, event: &Event) -> Result<Stored, Refusal> {
        let known: HashMap<_, _> = routes
            .webhooks
            .iter()
            .map(|webhook| (&webhook.id, webhook))
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
        let attempts: Vec<_> = deliveries
            .iter()
            .map(|delivery| AttemptKey {
                delivery: delivery.clone(),
                due_ms: event.accepted_ms,
                n: 1,
            })
            .collect();
        let (rows, logged) = tokio::try_join!(
            self.store.deliveries(&deliveries),
            self.store.attempts(&attempts)
        )?;
        let traced: HashSet<_> = rows
            .into_iter()
            .map(|row| row.key.webhook)
            .chain(
                logged
                    .into_iter()
                    .map(|attempt| attempt.key.delivery.webhook),
            )
            .collect();
        let messages = targets
            .iter()
            .filter(|webhook| !traced.contains(&webhook.id));
        let messages = messages
            .map(|webhook| (first_attempt(event, webhook, true), REPEAT_DELAY_MS))
            .collect();
        Ok(Stored {
            accepted: accepted(event, active.len()),
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
            let missed = Delivery {
                key: delivery_key(event, webhook),
                state: State::Missed,
                n: 1,
                due_ms: event.accepted_ms,
                attempt: 1,
                rung: 0,
                epoch,
                job: None,
                event_type: event.event_type.clone(),
                dues_ms: Vec::new(),
            };
            self.store.place(&missed).await.map(drop)
        });
        futures_util::future::try_join_all(placed).await.map(drop)
    }
}

/// Whether a webhook that speaks `dialect` subscribes to a type.
pub(super) fn subscribes(webhook: &Webhook, dialect: &Dialect, event_type: &str) -> bool {
    let catalogue = &dialect.catalogue;
    catalogue
        .resolve_type(event_type)
        .is_some_and(|event_type| {
            webhook
                .events
                .iter()
                .any(|pattern| catalogue.matches(pattern, event_type))
        })
}

pub(super) fn delivery_key(event: &Event, webhook: &WebhookId) -> DeliveryKey {
    DeliveryKey {
        tenant: event.tenant.clone(),
        webhook: webhook.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
    }
}

fn first_attempt(event: &Event, webhook: &Webhook, repeated: bool) -> Message {
    Message::Attempt(first_due(event, target(event, webhook), repeated))
}

/// A webhook as the event was accepted for it.
fn target(event: &Event, webhook: &Webhook) -> Target {
    // A repeat may find that it has learnt a dialect since, in which the event has no body.
    let (dialect, _) = event.body_for(&webhook.dialect).unzip();
    Target {
        webhook: webhook.id.clone(),
        epoch: webhook.epoch,
        dialect: dialect.unwrap_or(&webhook.dialect).to_owned(),
    }
}

/// The first attempt of an event to a target. A small body travels along.
pub(super) fn first_due(event: &Event, target: Target, repeated: bool) -> Due {
    let body = event.bodies.get(&target.dialect);
    let body = body.filter(|body| body.len() <= INLINE_BODY_BYTES);
    Due {
        tenant: event.tenant.clone(),
        webhook: target.webhook,
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
        n: 1,
        due_ms: event.accepted_ms,
        attempt: 1,
        rung: 0,
        epoch: target.epoch,
        trigger: Trigger::Event,
        dialect: Some(target.dialect),
        job: None,
        repeated,
        place_ms: None,
        content: body.map(|body| Content {
            event_type: event.event_type.clone(),
            body: body.clone(),
            trace: event.trace.clone(),
        }),
    }
}

fn fanout(event: &Event, repeated: bool, targets: Vec<Target>) -> Message {
    Message::Fanout(Fanout {
        tenant: event.tenant.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
        repeated,
        targets,
    })
}

/// Why an event goes to nobody.
fn reason(
    tenant: &Tenant,
    dialect: &Dialect,
    active: usize,
    disabled: usize,
) -> Option<&'static str> {
    match (active, disabled) {
        (1.., _) => None,
        (0, 1..) => Some("every webhook that subscribes to this type is disabled"),
        (0, 0) if !dialect.allows_plan(tenant.plan.as_deref()) => {
            Some("the tenant's plan has no webhooks")
        }
        (0, 0) => Some("no webhook subscribes to this type with a filter that takes it"),
    }
}

fn accepted(event: &Event, deliveries: usize) -> Accepted {
    Accepted {
        id: event.id.clone(),
        event_type: event.event_type.clone(),
        timestamp_ms: event.timestamp_ms,
        accepted_ms: event.accepted_ms,
        deliveries,
        reason: event.reason.clone(),
    }
}

/// Holds the data against the schema of its type: the tenant's own, or else the dialect's.
fn check_schema(
    dialect: &Dialect,
    routes: &Routes,
    event_type: &str,
    data: &Json,
) -> Result<(), Refusal> {
    let listed = || dialect.catalogue.get(event_type)?.schema.as_deref();
    let schema = routes.schemas.get(event_type).or_else(listed);
    let violations = schema.map_or_else(Vec::new, |schema| schema.violations(data));
    if violations.is_empty() {
        return Ok(());
    }
    Err(Refusal::Schema {
        event_type: event_type.to_owned(),
        violations,
    })
}

fn body(dialect: &Dialect, facts: &EventFacts<'_>) -> Result<Bytes, Refusal> {
    dialect
        .body(facts)
        .map(Bytes::from)
        .map_err(|fault| match fault {
            BodyFault::TooLarge { limit, actual } => Refusal::TooLarge {
                actual_bytes: actual,
                limit_bytes: limit,
                dialect: dialect.name.clone(),
            },
            BodyFault::UnstableNumber(fault) => Refusal::UnstableNumber {
                field: fault.path.to_string(),
                message: fault.to_string(),
            },
            BodyFault::ReservedMember { ref member } => Refusal::ReservedMember {
                field: format!("data.{member}"),
                message: fault.to_string(),
            },
            BodyFault::NotAnObject { field } => Refusal::NotAnObject { field },
        })
}

/// The client's id, or one made: from the `Idempotency-Key` if there is one, so that its repeat finds the event.
fn event_id(tenant: &Tenant, dialect: &Dialect, new: &NewEvent, wall_ms: u64) -> EventId {
    if let Some(id) = &new.id {
        return id.clone();
    }
    match &new.idempotency_key {
        Some(key) => idempotent_id(&tenant.id, dialect, key),
        None => new_event_id(dialect, wall_ms, chance::bytes()),
    }
}

/// The id that comes of an `Idempotency-Key`.
fn idempotent_id(tenant: &TenantId, dialect: &Dialect, key: &str) -> EventId {
    let digest = Sha256::new()
        .chain_update(tenant.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut random = [0; 16];
    random.copy_from_slice(&digest[..16]);
    let time_ms = digest[16..22]
        .iter()
        .fold(0, |time, byte| time << 8 | u64::from(*byte));
    new_event_id(dialect, time_ms, random)
}

/// An id as the dialect makes them.
pub(super) fn new_event_id(dialect: &Dialect, time_ms: u64, random: [u8; 16]) -> EventId {
    EventId::parse(&dialect.new_event_id(time_ms, random))
        .expect("dialects make ids of the allowed characters")
}

/// A hash that is the same for two requests exactly if their contents are equal as JSON.
fn content_hash(new: &NewEvent) -> [u8; 32] {
    let mut content = Vec::with_capacity(1024);
    content.extend_from_slice(new.event_type.as_bytes());
    content.push(0);
    if let Some(timestamp_ms) = new.timestamp_ms {
        content.extend_from_slice(timestamp_ms.to_string().as_bytes());
    }
    content.push(0);
    new.data.write_content(&mut content);
    content.push(0);
    if let Some(metadata) = &new.metadata {
        metadata.write_content(&mut content);
    }
    Sha256::digest(&content).into()
}

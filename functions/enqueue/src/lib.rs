//! Publishing: takes events in, over HTTP, from EventBridge and from SQS.

pub mod batch;
mod docs;
pub mod event_bridge;
pub mod event_queue;
mod invocation;
mod meter;
pub mod request;
mod results;
mod room;
mod turn;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use rung_api::{
    Api, ApiError, Caller, Code, RequestId, answer,
    openapi::{Calls, Documented},
};
use rung_core::{
    domain::{
        hops::Hops,
        id::{TenantId, TenantName},
        idempotency::Keyed,
        no_delivery::NoDelivery,
        tenant::{ApiKey, OPERATORS_OWN, Scope, Tenant},
        time::Time,
        trace::TraceParent,
    },
    flow::accept::{Accepted, NewEvent, Publisher, Refusal},
    limits::BATCH_REQUEST_BYTES,
};
use rung_json::limits::REQUEST_BYTES;
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    batch::read_batch,
    event_queue::place,
    meter::{Limits, Meter},
    request::{Given, read_event, trace},
};
pub use self::{invocation::run, room::Room};

const BATCH_PATH: &str = "/v1/events/batch";

/// What the handlers need, shared: a copy of its own for each request would be some thirty counts of references.
struct Enqueue {
    api: Api,
    publisher: Publisher,
    meter: Meter,
    room: Room,
}

/// The routes of publishing, which goes on at once as far as there is room.
pub fn routes(api: Api, publisher: Publisher, room: Room) -> Router {
    let state = Enqueue::new(api.clone(), publisher, room);
    let routes: Router<Arc<Enqueue>> = calls();
    api.guarded(routes.with_state(Arc::new(state)))
}

/// The documentation of publishing.
#[must_use]
pub fn documented() -> Vec<Documented> {
    calls()
}

fn calls<C: Calls<Arc<Enqueue>>>() -> C {
    C::default()
        .post("/v1/events", publish, docs::publish)
        .post(BATCH_PATH, publish_batch, docs::publish_batch)
}

async fn publish(
    State(state): State<Arc<Enqueue>>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let mut limits = Limits::default();
    let published = publish_one(&state, &request_id, &headers, request, &mut limits).await;
    limits.stamp(match published {
        Ok(published) => {
            let path = format!("/v1/events/{}", published.event.id);
            rung_api::located(answer(StatusCode::ACCEPTED, published), &path)
        }
        Err(error) => error.into_response(),
    })
}

async fn publish_one(
    state: &Enqueue,
    request_id: &str,
    headers: &HeaderMap,
    request: Request,
    limits: &mut Limits,
) -> Result<Published, ApiError> {
    let sender = state.sender(headers).await?;
    let published = publish_one_of(state, &sender, request_id, headers, request, limits).await;
    state.tell_limits(&sender, &published, limits).await;
    published
}

async fn publish_one_of(
    state: &Enqueue,
    sender: &Sender,
    request_id: &str,
    headers: &HeaderMap,
    request: Request,
    limits: &mut Limits,
) -> Result<Published, ApiError> {
    let hops = rung_api::hops(headers)?;
    let received = state
        .room
        .receive(sender.shares_room_of(), request, REQUEST_BYTES);
    let received = received.await?;
    let body = rung_api::parse(&received.body, 1)?;
    let given = read_event(&body, "", rung_api::idempotency_key(headers)?)?;
    let name = sender.tenant_of(&given, "")?;
    let tenant = state.tenant(sender, name).await?;
    let by_key = given.event.id.is_none() && given.event.idempotency_key.is_some();
    let event = NewEvent {
        trace: trace(headers),
        hops,
        ..given.event
    };
    let _turn = state.room.turn(&tenant.id, 1).await;
    let key = sender.own_key();
    state.meter.admit(&tenant, key, hops, 1, limits).await?;
    let results = state
        .publisher
        .publish(&tenant, vec![event], request_id)
        .await;
    let result = results
        .into_iter()
        .next()
        .unwrap_or(Err(Refusal::Unavailable));
    let accepted = result.map_err(|refusal| rung_api::refused(refusal, "", "type", by_key))?;
    Ok(Published::of(&tenant, accepted))
}

async fn publish_batch(
    State(state): State<Arc<Enqueue>>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let mut limits = Limits::default();
    let results = publish_all(&state, &request_id, &headers, request, &mut limits).await;
    limits.stamp(match results {
        Ok(results) => results::answered(results),
        Err(error) => error.into_response(),
    })
}

async fn publish_all(
    state: &Enqueue,
    request_id: &str,
    headers: &HeaderMap,
    request: Request,
    limits: &mut Limits,
) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
    let sender = state.sender(headers).await?;
    let published = publish_all_of(state, &sender, request_id, headers, request, limits).await;
    state.tell_limits(&sender, &published, limits).await;
    published
}

async fn publish_all_of(
    state: &Enqueue,
    sender: &Sender,
    request_id: &str,
    headers: &HeaderMap,
    request: Request,
    limits: &mut Limits,
) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
    let hops = rung_api::hops(headers)?;
    let received = state
        .room
        .receive(sender.shares_room_of(), request, BATCH_REQUEST_BYTES);
    let received = received.await?;
    let key = rung_api::idempotency_key(headers)?;
    let batch = read_batch(&received.body, key.as_deref())?;
    let keyed = key.map(|key| sender.keyed(&key, &batch.content));
    let store = &state.api.store;
    if let Some(keyed) = &keyed
        && !store.bind(keyed).await?
    {
        return Err(ApiError::idempotency_mismatch());
    }
    let call = Call {
        request_id,
        hops,
        trace: trace(headers),
        has_key: keyed.is_some(),
        is_batch: true,
    };
    let published = publish_each(state, sender, batch.events, &call, limits).await;
    // What was refused did nothing, and its key is free for the corrected batch.
    if let Some(keyed) = &keyed
        && is_refused(&published)
        && let Err(error) = store.unbind(keyed).await
    {
        tracing::warn!(%error, "the Idempotency-Key of a refused batch was not freed");
    }
    published
}

/// Whether nothing of a batch was accepted, and nothing may have been.
fn is_refused(published: &Result<Vec<Result<Published, ApiError>>, ApiError>) -> bool {
    let is_refusal = |error: &ApiError| error.code.status().is_client_error();
    match published {
        Ok(results) => results
            .iter()
            .all(|result| result.as_ref().err().is_some_and(is_refusal)),
        Err(error) => is_refusal(error),
    }
}

/// What all events of a call have in common.
struct Call<'a> {
    request_id: &'a str,
    hops: Hops,
    trace: Option<TraceParent>,
    /// Whether it has an `Idempotency-Key`.
    has_key: bool,
    /// Whether its events stand in a list.
    is_batch: bool,
}

/// Publishes the events of a batch as far as they could be read. Returns their results in order.
async fn publish_each(
    state: &Enqueue,
    sender: &Sender,
    read: Vec<Result<Given, ApiError>>,
    call: &Call<'_>,
    limits: &mut Limits,
) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
    let _turn = state.room.turn(sender.shares_room_of(), read.len()).await;
    let mut results = Vec::with_capacity(read.len());
    // What each tenant is sent, with the places in the batch.
    let mut of_tenants: BTreeMap<TenantName, Vec<(usize, NewEvent)>> = BTreeMap::new();
    for (index, given) in read.into_iter().enumerate() {
        let path = place(call.is_batch, index);
        let named = given.and_then(|given| Ok((sender.tenant_of(&given, &path)?, given.event)));
        // What takes this place comes when its tenant's events are published.
        results.push(match named {
            Ok((name, event)) => {
                let event = NewEvent {
                    trace: call.trace.clone(),
                    hops: call.hops,
                    ..event
                };
                of_tenants.entry(name).or_default().push((index, event));
                Err(Code::Unavailable.into())
            }
            Err(error) => Err(error),
        });
    }
    if let Sender::Tenant(caller) = sender {
        let events = of_tenants.values().map(Vec::len).sum();
        let key = caller.own_key();
        let meter = &state.meter;
        meter
            .admit(&caller.tenant, key, call.hops, events, limits)
            .await?;
    }
    // Of several tenants' limits, none is the request's.
    let is_of_one = of_tenants.len() == 1;
    let published = of_tenants.into_iter().map(async |(name, events)| {
        let places: Vec<_> = events
            .iter()
            .map(|(index, event)| (*index, event.id.is_none() && call.has_key))
            .collect();
        let events = events.into_iter().map(|(_, event)| event).collect();
        let mut limits = Limits::default();
        let published = state
            .publish_for(sender, name, events, call, &mut limits)
            .await;
        (places, published, limits)
    });
    for (places, published, own) in join_all(published).await {
        if is_of_one && matches!(sender, Sender::Operator(_)) {
            *limits = own;
        }
        let (tenant, published) = match published {
            Ok(published) => published,
            Err(error) => {
                for (index, _) in places {
                    results[index] = Err(error.clone().within(&place(call.is_batch, index)));
                }
                continue;
            }
        };
        for ((index, by_key), result) in places.into_iter().zip(published) {
            let path = place(call.is_batch, index);
            results[index] = result
                .map(|accepted| Published::of(&tenant, accepted))
                .map_err(|refusal| rung_api::refused(refusal, &path, "type", by_key));
        }
    }
    Ok(results)
}

/// Who publishes.
enum Sender {
    /// A tenant, or the operator for the one that `Rung-Tenant` names.
    Tenant(Box<Caller>),
    /// The operator, whose events say whose they are; with the tenant that is its own.
    Operator(TenantId),
}

impl Sender {
    /// The operator, who names no tenant.
    fn operator() -> Result<Self, ApiError> {
        let own = TenantName::parse(OPERATORS_OWN).map_err(|_| Code::Internal)?;
        Ok(Self::Operator(TenantId::first(&own)))
    }

    /// Whose share of the room the request takes.
    fn shares_room_of(&self) -> &TenantId {
        match self {
            Self::Tenant(caller) => &caller.tenant.id,
            Self::Operator(own) => own,
        }
    }

    /// A batch under an `Idempotency-Key`.
    fn keyed(&self, key: &str, content: &[u8]) -> Keyed {
        let tenant = match self {
            Self::Tenant(caller) => Some(&caller.tenant.id),
            Self::Operator(_) => None,
        };
        Keyed::new(tenant, &[BATCH_PATH, key], content)
    }

    fn own_key(&self) -> Option<&ApiKey> {
        match self {
            Self::Tenant(caller) => caller.own_key(),
            Self::Operator(_) => None,
        }
    }

    /// Whose an event is that stands at `path`.
    fn tenant_of(&self, given: &Given, path: &str) -> Result<TenantName, ApiError> {
        let refused =
            |code, problem: &str| ApiError::of_field(code, format!("{path}tenant"), problem);
        match (self, &given.tenant) {
            (Self::Operator(_), Some(name)) => Ok(name.clone()),
            (Self::Operator(_), None) => Err(refused(
                Code::TenantRequired,
                "is required with an operator's key without `Rung-Tenant`",
            )),
            (Self::Tenant(caller), given) => {
                let own = caller.tenant.id.name();
                if given.as_ref().is_some_and(|given| given.as_str() != own) {
                    let problem = "names a different tenant than the key or `Rung-Tenant`; omit it";
                    return Err(refused(Code::TenantMismatch, problem));
                }
                TenantName::parse(own).map_err(|_| Code::Internal.into())
            }
        }
    }
}

impl Enqueue {
    fn new(api: Api, publisher: Publisher, room: Room) -> Self {
        Self {
            meter: Meter::new(api.clone(), publisher.clone()),
            api,
            publisher,
            room,
        }
    }

    async fn sender(&self, headers: &HeaderMap) -> Result<Sender, ApiError> {
        let caller = self.api.caller_or_operator(headers, Scope::Publish).await?;
        match caller {
            Some(caller) => Ok(Sender::Tenant(Box::new(caller))),
            None => Sender::operator(),
        }
    }

    /// Tells the limits that hold for a sender whose request was refused before they were looked at.
    async fn tell_limits<T>(
        &self,
        sender: &Sender,
        published: &Result<T, ApiError>,
        limits: &mut Limits,
    ) {
        let is_refusal = |error: &ApiError| error.code.status().is_client_error();
        if let Sender::Tenant(caller) = sender
            && published.as_ref().is_err_and(is_refusal)
            && limits.is_empty()
        {
            let key = caller.own_key();
            self.meter.note(&caller.tenant, key, limits).await;
        }
    }

    /// The tenant of this name, for whom `sender` publishes.
    async fn tenant(&self, sender: &Sender, name: TenantName) -> Result<Tenant, ApiError> {
        match sender {
            Sender::Tenant(caller) => Ok(caller.tenant.clone()),
            Sender::Operator(_) => self.api.tenant(name.as_str()).await.map_err(|error| {
                if error.code == Code::NotFound {
                    ApiError::of_field(Code::NotFound, "tenant", error.message)
                } else {
                    error
                }
            }),
        }
    }

    /// Publishes the events of a batch that are one tenant's; notes the limits that hold for the operator.
    async fn publish_for(
        &self,
        sender: &Sender,
        name: TenantName,
        events: Vec<NewEvent>,
        call: &Call<'_>,
        limits: &mut Limits,
    ) -> Result<(Tenant, Vec<Result<Accepted, Refusal>>), ApiError> {
        let tenant = self.tenant(sender, name).await?;
        if let Sender::Operator(_) = sender {
            let admitted = self
                .meter
                .admit(&tenant, None, call.hops, events.len(), limits);
            admitted.await?;
        }
        let published = self
            .publisher
            .publish(&tenant, events, call.request_id)
            .await;
        Ok((tenant, published))
    }
}

/// The result of publishing an event.
#[derive(Serialize, JsonSchema)]
struct Published {
    event: PublishedEvent,
    /// The number of webhooks it goes to.
    deliveries: usize,
    /// Why to none; null if to some.
    reason: Option<&'static str>,
    /// The same by a name that stays.
    reason_code: Option<NoDelivery>,
    /// Whether it had been accepted before. A repeat is answered as the first time, so that only the results of a batch tell.
    #[serde(skip)]
    duplicate: bool,
}

/// An accepted event.
#[derive(Serialize, JsonSchema)]
struct PublishedEvent {
    id: String,
    tenant_id: String,
    r#type: String,
    timestamp: Time,
    created_at: Time,
}

impl Published {
    fn of(tenant: &Tenant, accepted: Accepted) -> Self {
        Self {
            event: PublishedEvent {
                id: accepted.id.to_string(),
                tenant_id: tenant.id.name().to_owned(),
                r#type: accepted.event_type,
                timestamp: Time::at_ms(accepted.timestamp_ms),
                created_at: Time::at_ms(accepted.accepted_ms),
            },
            deliveries: accepted.deliveries,
            reason: accepted.reason.map(NoDelivery::message),
            reason_code: accepted.reason,
            duplicate: accepted.duplicate,
        }
    }
}

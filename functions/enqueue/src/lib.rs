//! Publishing: takes events in, over HTTP and from EventBridge.

pub mod batch;
mod docs;
pub mod event_bridge;
mod invocation;
mod meter;
pub mod request;
mod room;
mod turn;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{
        self, Api, ApiError, Code, Detail, RequestId, answer,
        openapi::{Documented, Routes},
    },
    clock::timestamp,
    domain::tenant::Scope,
    flow::accept::{Accepted, NewEvent, Publisher, Refusal},
    limits::{BATCH_REQUEST_BYTES, REQUEST_BYTES},
};
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    batch::read_batch,
    meter::Meter,
    request::{read_event, trace},
};
pub use self::{invocation::run, room::Room};

/// What the handlers need, shared: a copy of its own for each request would be some thirty counts of references.
struct Enqueue {
    api: Api,
    publisher: Publisher,
    meter: Meter,
    room: Room,
}

/// The routes of publishing, which goes on at once as far as there is room.
pub fn routes(api: Api, publisher: Publisher, room: Room) -> Router {
    let routes = calls().router().with_state(Arc::new(Enqueue {
        meter: Meter::new(api.clone(), publisher.clone()),
        api: api.clone(),
        publisher,
        room,
    }));
    api.guarded(routes)
}

/// The documentation of publishing.
#[must_use]
pub fn documented() -> Vec<Documented> {
    calls().documented()
}

fn calls() -> Routes<Arc<Enqueue>> {
    Routes::default()
        .post("/v1/events", publish, docs::publish)
        .post("/v1/events/batch", publish_batch, docs::publish_batch)
}

async fn publish(
    State(state): State<Arc<Enqueue>>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.api.caller(&headers, Scope::Publish).await?;
    let hops = api::hops(&headers)?;
    let received = state
        .room
        .receive(&caller.tenant.id, request, REQUEST_BYTES);
    let received = received.await?;
    let body = api::parse(&received.body, 1)?;
    let event = NewEvent {
        trace: trace(&headers),
        hops,
        ..read_event(&body, "", api::idempotency_key(&headers)?)?
    };
    let _turn = state.room.turn(&caller.tenant.id, 1).await;
    let key = caller.own_key();
    state.meter.admit(&caller.tenant, key, hops, 1).await?;
    let results = state
        .publisher
        .publish(&caller.tenant, vec![event], &request_id)
        .await;
    let result = results
        .into_iter()
        .next()
        .unwrap_or(Err(Refusal::Unavailable));
    Ok(answer(
        StatusCode::ACCEPTED,
        Published::from(result.map_err(|refusal| refused(refusal, ""))?),
    ))
}

async fn publish_batch(
    State(state): State<Arc<Enqueue>>,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.api.caller(&headers, Scope::Publish).await?;
    let hops = api::hops(&headers)?;
    let received = state
        .room
        .receive(&caller.tenant.id, request, BATCH_REQUEST_BYTES);
    let received = received.await?;
    let read = read_batch(&received.body, api::idempotency_key(&headers)?.as_deref())?;
    let (mut events, mut results) = (
        Vec::with_capacity(read.len()),
        Vec::with_capacity(read.len()),
    );
    let trace = trace(&headers);
    for event in read {
        let trace = trace.clone();
        results.push(event.map(|event| {
            events.push(NewEvent {
                trace,
                hops,
                ..event
            });
        }));
    }
    let _turn = state.room.turn(&caller.tenant.id, events.len()).await;
    let key = caller.own_key();
    state
        .meter
        .admit(&caller.tenant, key, hops, events.len())
        .await?;
    let mut published = state
        .publisher
        .publish(&caller.tenant, events, &request_id)
        .await
        .into_iter();
    let results = results.into_iter().enumerate().map(|(index, read)| {
        let result = read.and_then(|()| {
            let result = published.next().unwrap_or(Err(Refusal::Unavailable));
            result.map_err(|refusal| refused(refusal, &format!("events[{index}].")))
        });
        BatchResult::from(result)
    });
    let results: Vec<_> = results.collect();
    Ok(answer(StatusCode::ACCEPTED, Batch { results }))
}

/// The answer for an accepted event.
#[derive(Serialize, JsonSchema)]
struct Published {
    event: PublishedEvent,
    /// To how many webhooks it goes.
    deliveries: usize,
    /// Why to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// An event that was taken.
#[derive(Serialize, JsonSchema)]
struct PublishedEvent {
    id: String,
    r#type: String,
    timestamp: jiff::Timestamp,
    created_at: jiff::Timestamp,
}

impl From<Accepted> for Published {
    fn from(accepted: Accepted) -> Self {
        Self {
            event: PublishedEvent {
                id: accepted.id.to_string(),
                r#type: accepted.event_type,
                timestamp: timestamp(accepted.timestamp_ms),
                created_at: timestamp(accepted.accepted_ms),
            },
            deliveries: accepted.deliveries,
            reason: accepted.reason,
        }
    }
}

#[derive(Serialize)]
struct Batch {
    results: Vec<BatchResult>,
}

/// One event's result, as its own answer would be.
#[derive(Serialize)]
struct BatchResult {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ApiError>,
}

impl From<Result<Accepted, ApiError>> for BatchResult {
    fn from(result: Result<Accepted, ApiError>) -> Self {
        match result {
            Ok(accepted) => Self {
                success: true,
                data: Some(accepted.into()),
                error: None,
            },
            Err(error) => Self {
                success: false,
                data: None,
                error: Some(error),
            },
        }
    }
}

/// A refusal as its client sees it; `path` leads to the event within the request.
fn refused(refusal: Refusal, path: &str) -> ApiError {
    let text = refusal.to_string();
    let of = |code, field: &str| ApiError::of_field(code, format!("{path}{field}"), text.clone());
    match &refusal {
        Refusal::UnknownType { .. } => of(Code::UnknownEventType, "type"),
        Refusal::Conflict { .. } => of(Code::Conflict, "id"),
        Refusal::Erased { .. } => of(Code::EventErased, "id"),
        Refusal::TooLarge { .. } => of(Code::PayloadTooLarge, "data"),
        Refusal::UnstableNumber { field, .. } => of(Code::UnstableNumber, field),
        Refusal::ReservedMember { field, .. } => of(Code::ReservedMember, field),
        Refusal::Schema { violations, .. } => {
            let details = violations.iter().map(|violation| {
                let mut place = violation.path.clone();
                place.enter_key("data");
                Detail {
                    field: format!("{path}{place}"),
                    problem: violation.problem.clone(),
                }
            });
            ApiError::of_fields(Code::SchemaViolation, details.collect())
        }
        Refusal::UnusableSchema { .. } => of(Code::UnusableSchema, "type"),
        Refusal::NotAnObject { field } => of(Code::InvalidRequest, field),
        Refusal::Unavailable => ApiError::new(Code::Unavailable, text),
    }
}

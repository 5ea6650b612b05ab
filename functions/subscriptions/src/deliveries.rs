//! Deliveries: those that wait on the ladder, and those of an event.

use std::collections::{HashMap, HashSet};

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{ApiError, Fields, Page, Query, answer},
    clock::timestamp,
    domain::{
        attempt::{AttemptKey, Outcome},
        delivery::{Delivery, State as DeliveryState},
        id::{DeliveryKey, EventId, WebhookId},
    },
    flow::manual::Cancelled,
    store::{deliveries::List, events::Event},
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use uuid::Uuid;

use crate::{Management, Path};

#[derive(Serialize)]
struct Pending<'a> {
    delivery_id: Uuid,
    event_id: &'a str,
    event_type: &'a str,
    status: DeliveryState,
    /// The number of the attempt that is to come.
    attempt: u32,
    next_attempt_at: Option<jiff::Timestamp>,
    accepted_at: jiff::Timestamp,
}

impl<'a> From<&'a Delivery> for Pending<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            delivery_id: delivery.key.uuid(),
            event_id: delivery.key.event.as_str(),
            event_type: &delivery.event_type,
            status: delivery.state,
            attempt: delivery.attempt,
            next_attempt_at: next_attempt(delivery),
            accepted_at: timestamp(delivery.key.accepted_ms),
        }
    }
}

fn next_attempt(delivery: &Delivery) -> Option<jiff::Timestamp> {
    (delivery.state == DeliveryState::Pending).then(|| timestamp(delivery.due_ms))
}

pub(crate) async fn pending(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let webhook = state.webhook(&headers, &id).await?;
    let mut fields = Fields::of(&query)?;
    let page = Page::read(&mut fields);
    fields.finish()?;
    let store = &state.api.store;
    let (deliveries, next) = store
        .deliveries_of(
            &webhook.tenant,
            &webhook.id,
            List::Pending,
            page.after.as_deref(),
            page.limit,
        )
        .await?;
    let pending: Vec<_> = deliveries.iter().map(Pending::from).collect();
    let next_cursor = Page::cursor(next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "pending": pending, "next_cursor": next_cursor }),
    ))
}

pub(crate) async fn cancel(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, delivery)): Path<(WebhookId, String)>,
) -> Result<Response, ApiError> {
    let webhook = state.webhook(&headers, &webhook).await?;
    let missing = || ApiError::not_found("pending delivery", &delivery);
    let id = delivery.parse().map_err(|_| missing())?;
    match state.deliverer.cancel(&webhook, id).await? {
        Cancelled::Done(delivery) => Ok(answer(
            StatusCode::OK,
            json!({ "delivery": Pending::from(&delivery) }),
        )),
        Cancelled::NotPending => Err(missing()),
    }
}

#[derive(Serialize)]
struct EventView<'a> {
    id: &'a str,
    r#type: &'a str,
    timestamp: jiff::Timestamp,
    created_at: jiff::Timestamp,
    /// The body as it is delivered in the tenant's dialect.
    payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct DeliveryView {
    id: Uuid,
    webhook_id: String,
    status: DeliveryState,
    /// The number of the latest attempt, or of the one that is to come.
    attempt: u32,
    next_attempt_at: Option<jiff::Timestamp>,
}

pub(crate) async fn event(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<EventId>,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let event = state.api.store.event(&caller.tenant.id, &id).await?;
    let event = event.ok_or_else(|| ApiError::not_found("event", id.as_str()))?;
    let deliveries = deliveries_of(&state, &event).await?;
    let own = event.bodies.get(&caller.tenant.dialect);
    let payload = own.and_then(|body| String::from_utf8(body.to_vec()).ok());
    let view = EventView {
        id: event.id.as_str(),
        r#type: &event.event_type,
        timestamp: timestamp(event.timestamp_ms),
        created_at: timestamp(event.accepted_ms),
        payload: payload.and_then(|text| RawValue::from_string(text).ok()),
    };

    #[derive(Serialize)]
    struct Data<'a> {
        event: EventView<'a>,
        deliveries: Vec<DeliveryView>,
    }
    Ok(answer(
        StatusCode::OK,
        Data {
            event: view,
            deliveries,
        },
    ))
}

/// Where each delivery of an event stands. One without a row has had one attempt at most.
async fn deliveries_of(state: &Management, event: &Event) -> Result<Vec<DeliveryView>, ApiError> {
    let store = &state.api.store;
    let keys = store
        .matches(event)
        .await?
        .into_iter()
        .map(|matched| DeliveryKey {
            tenant: event.tenant.clone(),
            webhook: matched.webhook,
            event: event.id.clone(),
            accepted_ms: event.accepted_ms,
        });
    let keys: Vec<_> = keys.collect();
    let rows = store.deliveries(&keys).await?.into_iter();
    let rows: HashMap<_, _> = rows.map(|row| (row.key.clone(), row)).collect();
    let (mut names, mut firsts) = (Vec::new(), Vec::new());
    for key in keys.iter().filter(|key| !rows.contains_key(key)) {
        names.push((key.tenant.clone(), key.webhook.clone()));
        firsts.push(AttemptKey {
            delivery: key.clone(),
            due_ms: key.accepted_ms,
            n: 1,
        });
    }
    let firsts = store.attempts(&firsts).await?.into_iter();
    let firsts: HashMap<_, _> = firsts
        .map(|entry| (entry.key.delivery.clone(), entry))
        .collect();
    let webhooks = store.webhooks(&names).await?.into_iter();
    let webhooks: HashSet<_> = webhooks.map(|webhook| webhook.id).collect();

    let views = keys.into_iter().map(|key| {
        let (status, attempt, next_attempt_at) = match (rows.get(&key), firsts.get(&key)) {
            (Some(row), _) => (row.state, row.attempt, next_attempt(row)),
            (None, Some(first)) if first.outcome == Outcome::Succeeded => {
                (DeliveryState::Succeeded, 1, None)
            }
            // What was not through when its webhook was deleted is dropped.
            (None, _) if !webhooks.contains(&key.webhook) => (DeliveryState::Cancelled, 1, None),
            (None, first) => {
                let next = first.map_or(Some(key.accepted_ms), |first| first.next_due_ms);
                (DeliveryState::Pending, 1, next.map(timestamp))
            }
        };
        DeliveryView {
            id: key.uuid(),
            webhook_id: key.webhook.to_string(),
            status,
            attempt,
            next_attempt_at,
        }
    });
    Ok(views.collect())
}

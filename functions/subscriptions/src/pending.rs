//! Deliveries that wait on the ladder.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, Query, answer, limits::COUNTING_MS};
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        audit::Action,
        delivery::{Delivery, State as DeliveryState},
        id::WebhookId,
    },
    store::deliveries::List,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Management, Path, by_hand::ByHand};

/// A delivery that waits for its next attempt.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PendingDelivery")]
pub(crate) struct View<'a> {
    delivery_id: Uuid,
    event_id: &'a str,
    event_type: &'a str,
    status: DeliveryState,
    /// The number of the next attempt.
    attempt: u32,
    next_attempt_at: Option<jiff::Timestamp>,
    accepted_at: jiff::Timestamp,
}

impl<'a> From<&'a Delivery> for View<'a> {
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

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let names = ["pending", webhook.tenant.as_str(), webhook.id.as_str()];
    let page = state.api.only_page(&query, &names).await?;
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
    // What waits for a webhook that was disabled meanwhile is held, whether its row says so yet or not.
    let waiting = deliveries
        .iter()
        .filter(|delivery| webhook.takes(delivery.epoch));
    let pending: Vec<_> = waiting.map(View::from).collect();
    let next_cursor = page.cursor(next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "pending": pending, "next_cursor": next_cursor }),
    ))
}

pub(crate) async fn cancel(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, delivery)): Path<(WebhookId, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let webhook = state.webhook(&caller, &webhook).await?;
    rung_api::nothing(request).await?;
    let missing = || ApiError::not_found("pending delivery", &delivery);
    let id = delivery.parse().map_err(|_| missing())?;
    let record = caller.record(Action::DeliveryCancelled, delivery.as_str());
    let cancelled = state.deliverer.cancel(&webhook, id, &record).await?;
    let data = json!({ "delivery": View::from(&cancelled.ok_or_else(missing)?) });
    Ok(answer(StatusCode::OK, data))
}

pub(crate) async fn cancel_all(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let webhook = state.webhook(&caller, &id).await?;
    rung_api::nothing(request).await?;
    let record = caller.record(Action::WebhookDeliveriesCancelled, webhook.id.as_str());
    state.api.store.record(&record).await?;
    let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
    let cancelled = state.deliverer.cancel_all(&webhook, deadline_ms).await?;
    let data = json!({ "cancelled": cancelled.deliveries, "complete": cancelled.complete });
    Ok(answer(StatusCode::OK, data))
}

pub(crate) async fn retry(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, delivery)): Path<(WebhookId, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let webhook = state.webhook(&caller, &webhook).await?;
    rung_api::nothing(request).await?;
    if webhook.disabled.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    let missing = || ApiError::not_found("pending delivery", &delivery);
    let id = delivery.parse().map_err(|_| missing())?;
    state.admit(&caller, &webhook.id, ByHand::Retry).await?;
    let record = caller.record(Action::DeliveryRetried, delivery.as_str());
    let deliverer = &state.deliverer;
    let retried = deliverer.retry_pending(&webhook, id, &record).await?;
    let data = json!({ "delivery": View::from(&retried.ok_or_else(missing)?) });
    Ok(answer(StatusCode::ACCEPTED, data))
}

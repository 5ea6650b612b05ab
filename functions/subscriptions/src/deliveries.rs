//! Deliveries: where each stands, in the one shape that every call shows.

use std::collections::HashMap;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Caller, Code, Fields, NoQuery, Page, Query, answer};
use rung_base::clock::Clock;
use rung_core::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome},
        audit::{Action, Change},
        delivery::{Delivery, State as DeliveryState},
        id::{DeliveryKey, TenantId, WebhookId},
        job::{Cancelling, Work},
        message::At,
        time::Time,
        webhook::Webhook,
    },
    store::{
        Listed, StoreError,
        deliveries::{List, list_key},
    },
};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Management, Path, by_hand::ByHand, filtered::filtered, jobs, names_of, once::Once,
    recover::open_states,
};

/// One event on its way to one webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(crate) struct DeliveryView {
    id: Uuid,
    event_id: String,
    event_type: String,
    webhook_id: String,
    tenant_id: String,
    status: DeliveryState,
    /// The number of attempts made.
    attempts: u32,
    /// Null unless it waits.
    next_attempt_at: Option<Time>,
    /// When the event was accepted.
    created_at: Time,
    /// The time it succeeded, failed or was cancelled.
    ended_at: Option<Time>,
}

/// What the table says of a delivery.
pub(crate) struct Standing {
    key: DeliveryKey,
    row: Option<Delivery>,
    /// The attempt that was made where the row stands; without a row, the first one.
    made: Option<Attempt>,
    status: DeliveryState,
    /// Until when its webhook is paused, in milliseconds.
    paused_until_ms: Option<u64>,
}

impl Standing {
    /// Whether it is a delivery of this webhook, and not of an earlier one with the same id. A webhook that an event did not match may
    /// have got it since, by a recovery.
    fn is_to(&self, webhook: &Webhook) -> bool {
        match &self.row {
            Some(row) => row.position.epoch >= webhook.first_epoch || row.position.epoch == 0,
            None => self.key.accepted_ms >= webhook.first_epoch,
        }
    }

    fn of(
        key: DeliveryKey,
        row: Option<Delivery>,
        made: Option<Attempt>,
        webhook: Option<&Webhook>,
        clock: &dyn Clock,
    ) -> Self {
        let pause = webhook.and_then(|it| it.paused(clock.now_ms(), clock.wall_ms()));
        let paused_until_ms = pause.map(|pause| pause.until_ms);
        let status = status(row.as_ref(), made.as_ref(), webhook);
        Self {
            key,
            row,
            made,
            status,
            paused_until_ms,
        }
    }

    /// Whether it is this delivery.
    pub(crate) fn is_of(&self, key: &DeliveryKey) -> bool {
        self.key == *key
    }

    /// Whether there is any trace of it but its event's.
    pub(crate) fn is_known(&self) -> bool {
        self.row.is_some() || self.made.is_some()
    }

    /// The number of attempts made.
    pub(crate) fn attempts(&self) -> u32 {
        let here = u32::from(self.made.is_some());
        match &self.row {
            None => here,
            Some(row) => match row.state {
                DeliveryState::Succeeded | DeliveryState::Failed => row.position.attempt,
                _ => row.next_attempt() - 1 + here,
            },
        }
    }

    /// When the next one is due, in milliseconds, if it waits for one.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        if self.status != DeliveryState::Pending {
            return None;
        }
        let after_made = self.made.as_ref().and_then(|made| made.next_due_ms);
        let at_row = self.row.as_ref().map(|row| row.position.due_ms);
        let due_ms = after_made.or(at_row).unwrap_or(self.key.accepted_ms);
        Some(due_ms.max(self.paused_until_ms.unwrap_or_default()))
    }

    fn ended_ms(&self) -> Option<u64> {
        let at_row = self.row.as_ref().and_then(|row| row.ended_ms);
        let made = self.made.as_ref().map(|made| made.ended_ms);
        // Of one that had succeeded and is sent again, the row may know no more than that.
        let sent_again = self.row.as_ref().map(|row| row.position.due_ms);
        let ended_ms = at_row.or(made).or(sent_again);
        ended_ms.filter(|_| self.status.has_ended())
    }

    /// As clients see it. `event_type` is its event's.
    pub(crate) fn view(&self, event_type: &str) -> DeliveryView {
        DeliveryView {
            id: self.key.uuid(),
            event_id: self.key.event.to_string(),
            event_type: event_type.to_owned(),
            webhook_id: self.key.webhook.to_string(),
            tenant_id: self.key.tenant.name().to_owned(),
            status: self.status,
            attempts: self.attempts(),
            next_attempt_at: self.next_due_ms().map(Time::at_ms),
            created_at: Time::at_ms(self.key.accepted_ms),
            ended_at: self.ended_ms().map(Time::at_ms),
        }
    }
}

/// The state of a delivery, whatever its row still says. What waits is dropped when its webhook is deleted, and held when it is
/// disabled; what has succeeded once stays so. While that waits on a recovery's ladder, it is pending as others are.
fn status(
    row: Option<&Delivery>,
    made: Option<&Attempt>,
    webhook: Option<&Webhook>,
) -> DeliveryState {
    match (row, made) {
        (Some(row), _) if row.state != DeliveryState::Pending => row.state,
        (_, Some(made)) if made.outcome == Outcome::Succeeded => DeliveryState::Succeeded,
        // Nothing follows the attempt, and the row is about to say so.
        (Some(row), Some(made)) if made.next_due_ms.is_none() => row.end(DeliveryState::Failed),
        (Some(row), _) => match webhook.map(|webhook| row.state_for(webhook)) {
            None => row.end(DeliveryState::Cancelled),
            Some(DeliveryState::Pending) if row.had_succeeded() && !row.position.is_on_ladder() => {
                DeliveryState::Succeeded
            }
            Some(state) => state,
        },
        (None, Some(made)) if made.next_due_ms.is_none() => DeliveryState::Failed,
        (None, _) => match webhook {
            None => DeliveryState::Cancelled,
            Some(webhook) if webhook.disabled.is_some() => DeliveryState::Held,
            Some(_) => DeliveryState::Pending,
        },
    }
}

/// Where deliveries stand, by strong reads: their rows, then in one go the attempts that those do not tell of yet and the webhooks of
/// what waits. None may be named twice.
pub(crate) async fn standing(
    state: &Management,
    keys: Vec<DeliveryKey>,
) -> Result<Vec<Standing>, StoreError> {
    let rows = state.api.store.deliveries(&keys).await?;
    standing_of(state, keys, rows).await
}

/// The same of deliveries whose rows were read.
async fn standing_of(
    state: &Management,
    keys: Vec<DeliveryKey>,
    rows: Vec<Delivery>,
) -> Result<Vec<Standing>, StoreError> {
    let store = &state.api.store;
    let rows = rows.into_iter();
    let mut rows: HashMap<_, _> = rows.map(|row| (row.key.clone(), row)).collect();
    let now_ms = state.api.clock.now_ms();
    let untold = keys.iter().filter_map(|key| match rows.get(key) {
        None => Some(AttemptKey::first_of(key)),
        Some(row) => {
            let is_told = matches!(row.state, DeliveryState::Succeeded | DeliveryState::Failed);
            (!is_told && row.position.due_ms <= now_ms).then(|| row.attempt_key())
        }
    });
    let untold: Vec<_> = untold.collect();
    let waits = |key: &&DeliveryKey| {
        let row = rows.get(key);
        row.is_none_or(|row| row.state == DeliveryState::Pending)
    };
    let waiting = keys.iter().filter(waits);
    let mut names: Vec<_> = waiting
        .map(|key| (key.tenant.clone(), key.webhook.clone()))
        .collect();
    names.sort();
    names.dedup();
    let (made, webhooks) = tokio::try_join!(store.attempts(&untold), store.webhooks(&names))?;
    let mut made: HashMap<_, _> = made
        .into_iter()
        .map(|made| (made.key.delivery.clone(), made))
        .collect();
    let webhooks: HashMap<(TenantId, WebhookId), Webhook> = webhooks
        .into_iter()
        .map(|(name, webhook)| Ok((name, webhook?)))
        .collect::<Result<_, StoreError>>()?;
    let standing = keys.into_iter().map(|key| {
        let webhook = webhooks.get(&(key.tenant.clone(), key.webhook.clone()));
        let (row, made) = (rows.remove(&key), made.remove(&key));
        Standing::of(key, row, made, webhook, &*state.api.clock)
    });
    Ok(standing.collect())
}

/// The delivery of this key as clients see it.
pub(crate) async fn view(
    state: &Management,
    key: &DeliveryKey,
    event_type: &str,
) -> Result<Option<DeliveryView>, ApiError> {
    let standing = standing(state, vec![key.clone()]).await?;
    Ok(standing.first().map(|standing| standing.view(event_type)))
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &id).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let mut fields = Fields::of(&query)?;
    let names = ["deliveries", webhook.tenant.as_str(), webhook.id.as_str()];
    let page = state.api.page(&mut fields, &names).await?;
    let wanted = fields.optional("status", |value| {
        names_of(value, &DeliveryState::LISTED, DeliveryState::as_str)
    });
    let wanted = wanted.unwrap_or_else(|| DeliveryState::LISTED.to_vec());
    fields.finish()?;
    let listed = wanted_deliveries(&state, &webhook, &wanted, &page).await?;
    Ok(page.answer("deliveries", &listed.items, listed.next.as_deref()))
}

async fn wanted_deliveries(
    state: &Management,
    webhook: &Webhook,
    wanted: &[DeliveryState],
    page: &Page,
) -> Result<Listed<DeliveryView>, StoreError> {
    let lists = &List::of_states(wanted);
    filtered(page, |after, limit| async move {
        let (rows, next) = state
            .api
            .store
            .deliveries_of(
                &webhook.tenant,
                &webhook.id,
                lists,
                page.order,
                after.as_deref(),
                limit,
            )
            .await?;
        let types = rows.iter().map(|row| row.event_type.clone());
        let types: Vec<_> = types.collect();
        let keys = rows.iter().map(|row| row.key.clone()).collect();
        let standing = standing_of(state, keys, rows).await?;
        let deliveries = standing.iter().zip(&types);
        let deliveries = deliveries
            .filter(|(standing, _)| wanted.contains(&standing.status) && standing.is_to(webhook));
        Ok(Listed {
            items: deliveries
                .map(|(standing, of_type)| (list_key(&standing.key), standing.view(of_type)))
                .collect(),
            next,
        })
    })
    .await
}

/// A caller's webhook and the delivery of this id to it, with its event's type.
async fn named(
    state: &Management,
    caller: &Caller,
    webhook: &WebhookId,
    id: &str,
) -> Result<(Webhook, Standing, String), ApiError> {
    let webhook = state.webhook(caller, webhook).await?;
    let missing = || ApiError::not_found("delivery", id);
    let delivery = id.parse().map_err(|_| missing())?;
    let store = &state.api.store;
    let found = store.delivery_named(&webhook.tenant, &webhook.id, delivery);
    let (key, event_type) = found.await?.ok_or_else(missing)?;
    let found = standing(state, vec![key]).await?.pop();
    let found = found.ok_or_else(missing)?;
    let is_known = found.is_known() || matched(state, &found.key).await?;
    if !found.is_to(&webhook) || !is_known {
        return Err(missing());
    }
    Ok((webhook, found, event_type))
}

/// Whether the event of a delivery that has left no trace yet goes to the webhook.
async fn matched(state: &Management, key: &DeliveryKey) -> Result<bool, ApiError> {
    let store = &state.api.store;
    let event = store.event(&key.tenant, &key.event).await?;
    let Some(event) = event.filter(|event| event.accepted_ms == key.accepted_ms) else {
        return Ok(false);
    };
    let matches = store.matches(&event).await?;
    Ok(matches.iter().any(|found| found.webhook == key.webhook))
}

fn one(status: StatusCode, view: &DeliveryView) -> Response {
    answer(status, json!({ "delivery": view }))
}

/// The answer to a retry: the delivery as it stands, and where to see what becomes of it.
pub(crate) fn retried(view: &DeliveryView) -> Response {
    let path = format!("/v1/webhooks/{}/deliveries/{}", view.webhook_id, view.id);
    rung_api::located(one(StatusCode::ACCEPTED, view), &path)
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, id)): Path<(WebhookId, String)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &webhook).await?;
    let (_, found, event_type) = named(&state, &caller, &webhook, &id).await?;
    Ok(one(StatusCode::OK, &found.view(&event_type)))
}

pub(crate) async fn retry(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, id)): Path<(WebhookId, String)>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &webhook).await?;
    rung_api::nothing(request).await?;
    if let Some(first) = once
        .claim(&state, &headers, &caller, &Json::empty())
        .await?
    {
        return Ok(first);
    }
    let (webhook, found, event_type) = named(&state, &caller, &webhook, &id).await?;
    if webhook.disabled.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    let key = &found.key;
    let event = state.api.store.event(&key.tenant, &key.event).await?;
    let event = event.filter(|event| event.accepted_ms == key.accepted_ms);
    if event.ok_or(Code::EventExpired)?.erased.is_some() {
        return Err(Code::EventErased.into());
    }
    state.admit(&caller, &webhook.id, ByHand::Retry).await?;
    let record = caller.record(Action::DeliveryRetried, id.as_str());
    let control = &state.control;
    control
        .retry_delivery(&webhook, key, &event_type, &record)
        .await?;
    let view = view(&state, key, &event_type).await?;
    Ok(retried(&view.ok_or(Code::NotFound)?))
}

pub(crate) async fn cancel(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, id)): Path<(WebhookId, String)>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &webhook).await?;
    rung_api::nothing(request).await?;
    if let Some(first) = once
        .claim(&state, &headers, &caller, &Json::empty())
        .await?
    {
        return Ok(first);
    }
    let (webhook, found, event_type) = named(&state, &caller, &webhook, &id).await?;
    let was = found.status.as_str();
    let record = caller
        .record(Action::DeliveryCancelled, id.as_str())
        .changing(Change::of("status", was, "cancelled"));
    let key = &found.key;
    let was_pending = found.status == DeliveryState::Pending;
    match found.status {
        DeliveryState::Pending => {
            state.control.cancel(&webhook, key, &record).await?;
        }
        DeliveryState::Held | DeliveryState::Missed | DeliveryState::Failed => {
            state.api.store.record(&record).await?;
            state.api.store.cancel_for_good(key).await?;
        }
        DeliveryState::Cancelled | DeliveryState::Succeeded => {}
    }
    let found = standing(&state, vec![key.clone()]).await?.pop();
    let found = found.ok_or(Code::NotFound)?;
    match found.status {
        // It had succeeded before it was sent again.
        DeliveryState::Succeeded
            if was_pending && found.row.as_ref().is_some_and(Delivery::had_succeeded) =>
        {
            Ok(one(StatusCode::OK, &found.view(&event_type)))
        }
        DeliveryState::Succeeded => Err(Code::DeliverySucceeded.into()),
        DeliveryState::Cancelled => Ok(one(StatusCode::OK, &found.view(&event_type))),
        // Its first attempt is on its way, or it went elsewhere meanwhile.
        _ => Err(Code::Busy.into()),
    }
}

/// Begins to cancel deliveries by their states.
pub(crate) async fn cancel_all(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &id).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let webhook = state.webhook(&caller, &id).await?;
    let mut fields = Fields::of(&body)?;
    let states = fields.required("statuses", |value| {
        open_states(value)
            .ok_or_else(|| "must be a list of `pending`, `held`, `missed` and `failed`".to_owned())
    });
    fields.finish()?;
    let work = Work::Cancel(Cancelling {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
        states,
    });
    let task = jobs::task(&state, &once, &caller.origin, work)?;
    let record = caller
        .record(Action::WebhookDeliveriesCancelled, webhook.id.as_str())
        .changing_all(jobs::changes(&task));
    let at = At::Cancel(String::new());
    let job = state.control.begin(&task, (at, 0), &record).await?;
    let job = job.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))?;
    Ok(jobs::accepted(&state, &job))
}

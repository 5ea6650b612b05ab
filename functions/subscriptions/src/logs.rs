//! The log of a webhook's attempts.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Caller, Code, Fields, NoQuery, Query, answer, read};
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        attempt::{Attempt, LogId, Outcome, Trigger},
        audit::Action,
        id::{EventId, WebhookId},
        webhook::Webhook,
    },
    store::{attempts::LogFilter, events::Event},
};
use rung_dialect::limits::EVENT_TYPE_CHARS;
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{Management, Path, by_hand::ByHand, deliveries};

/// An attempt of a delivery.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogEntry")]
pub(crate) struct View {
    id: String,
    event_id: String,
    event_type: String,
    delivery_id: Uuid,
    status: Outcome,
    attempt: u32,
    trigger: Trigger,
    attempted_at: jiff::Timestamp,
    delivered_at: jiff::Timestamp,
    response_status: Option<u16>,
    response_time_ms: u64,
    error: Option<String>,
    next_attempt_at: Option<jiff::Timestamp>,
}

impl View {
    /// An entry after which the next attempt of its delivery is due then.
    pub(crate) fn of(entry: &Attempt, next_due_ms: Option<u64>) -> Self {
        Self {
            id: entry.key.log_id().to_string(),
            event_id: entry.key.delivery.event.to_string(),
            event_type: entry.event_type.clone(),
            delivery_id: entry.key.delivery.uuid(),
            status: entry.outcome,
            attempt: entry.attempt,
            trigger: entry.trigger,
            attempted_at: timestamp(entry.started_ms),
            delivered_at: timestamp(entry.ended_ms),
            response_status: entry.response_status,
            response_time_ms: entry.response_time_ms,
            error: entry.error.clone(),
            next_attempt_at: next_due_ms.map(timestamp),
        }
    }
}

/// An attempt with its request and response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogDetail")]
pub(crate) struct Detail {
    #[serde(flatten)]
    entry: View,
    request: Sent,
    /// Null without a response.
    response: Option<Received>,
    /// The time at which headers and bodies were erased.
    erased_at: Option<jiff::Timestamp>,
}

/// The request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LoggedRequest")]
struct Sent {
    /// Null once erased.
    url: Option<String>,
    /// Values by name; the values of secret headers are null. Null once erased.
    headers: Option<Map<String, Value>>,
    /// Null once the event has expired or is erased.
    body: Option<String>,
}

/// The response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LoggedResponse")]
struct Received {
    status: u16,
    /// Null once erased.
    headers: Option<Map<String, Value>>,
    /// The beginning of the body; null once erased.
    body: Option<String>,
}

impl Detail {
    /// An entry, with its event and the body that was sent of that, if they are still there.
    fn of(view: View, entry: &Attempt, event: Option<&Event>, body: Option<&[u8]>) -> Self {
        // The event is erased before its attempts' entries are.
        let erased = event.and_then(|event| event.erased.as_ref());
        let erased_ms = erased.map(|erased| erased.at_ms).or(entry.erased_ms);
        let exchange = erased_ms.is_none().then_some(&entry.exchange);
        Self {
            entry: view,
            request: Sent {
                url: exchange.map(|exchange| exchange.url.clone()),
                headers: exchange.map(|exchange| {
                    let fields = exchange.request_headers.iter();
                    headers(fields.map(|(name, value)| (name, value.as_deref())))
                }),
                body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
            },
            response: entry.response_status.map(|status| Received {
                status,
                headers: exchange.map(|exchange| {
                    let fields = exchange.response_headers.iter();
                    headers(fields.map(|(name, value)| (name, Some(value.as_str()))))
                }),
                body: exchange.map(|exchange| exchange.response_body.clone()),
            }),
            erased_at: erased_ms.map(timestamp),
        }
    }
}

/// Header fields by name; those of one name are joined as RFC 9110 section 5.3 has it.
fn headers<'a>(fields: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in fields {
        match (headers.get_mut(name), value) {
            (Some(Value::String(known)), Some(value)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            _ => {
                headers.insert(name.clone(), value.into());
            }
        }
    }
    headers
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let mut fields = Fields::of(&query)?;
    let names = ["logs", webhook.tenant.as_str(), webhook.id.as_str()];
    let page = state.api.page(&mut fields, &names).await?;
    let catalogue = &state.api.dialect(&webhook.dialect)?.catalogue;
    let event_type = fields.optional("event_type", read::text(EVENT_TYPE_CHARS));
    let (since_ms, until_ms) = fields.span();
    let filter = LogFilter {
        outcome: fields.optional("status", outcome),
        trigger: fields.optional("trigger", trigger),
        event_type: event_type.map(|name| catalogue.stored_type(&name).to_owned()),
        event: fields.optional("event_id", read::id(EventId::parse)),
        delivery: fields.optional("delivery_id", delivery),
        // What is older is of an earlier webhook of the same id.
        since_ms: since_ms.max(Some(webhook.first_epoch)),
        until_ms,
    };
    fields.finish()?;
    let store = &state.api.store;
    let (entries, next) = store
        .log_page(
            &webhook.tenant,
            &webhook.id,
            &filter,
            page.after.as_deref(),
            page.limit,
        )
        .await?;
    let logs = views(&state, &entries).await?;
    let next_cursor = page.cursor(next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "logs": logs, "next_cursor": next_cursor }),
    ))
}

/// Entries as clients see them. Only the newest attempt of a delivery that waits knows of a next one, and that is for the delivery's
/// row to say: an entry cannot tell what came of the wait that followed.
async fn views(state: &Management, entries: &[Attempt]) -> Result<Vec<View>, ApiError> {
    let may_wait =
        |entry: &&Attempt| entry.outcome == Outcome::Failed && entry.trigger != Trigger::Test;
    let failed = entries.iter().filter(may_wait);
    let mut keys: Vec<_> = failed.map(|entry| entry.key.delivery.clone()).collect();
    keys.sort();
    keys.dedup();
    let standing = deliveries::standing(state, keys).await?;
    let next_due_ms = |entry: &Attempt| {
        let standing = standing.iter();
        let mut standing = standing.filter(|standing| standing.is_of(&entry.key.delivery));
        let standing = standing.next().filter(|_| may_wait(&entry))?;
        let is_newest = standing.attempts() == entry.attempt;
        standing.next_due_ms().filter(|_| is_newest)
    };
    let views = entries.iter();
    Ok(views
        .map(|entry| View::of(entry, next_due_ms(entry)))
        .collect())
}

fn outcome(value: &Json) -> Result<Outcome, String> {
    match value.as_str() {
        Some("succeeded") => Ok(Outcome::Succeeded),
        Some("failed") => Ok(Outcome::Failed),
        _ => Err("must be `succeeded` or `failed`".to_owned()),
    }
}

fn trigger(value: &Json) -> Result<Trigger, String> {
    match value.as_str() {
        Some("event") => Ok(Trigger::Event),
        Some("retry") => Ok(Trigger::Retry),
        Some("manual") => Ok(Trigger::Manual),
        Some("recover") => Ok(Trigger::Recover),
        Some("test") => Ok(Trigger::Test),
        _ => Err("must be `event`, `retry`, `manual`, `recover` or `test`".to_owned()),
    }
}

fn delivery(value: &Json) -> Result<Uuid, String> {
    let id = value.as_str().and_then(|text| text.parse().ok());
    id.ok_or_else(|| "must be a delivery's UUID".to_owned())
}

/// A caller's webhook and an entry of its log.
async fn entry(
    state: &Management,
    caller: &Caller,
    webhook: &WebhookId,
    log: &str,
) -> Result<(Webhook, Attempt), ApiError> {
    let webhook = state.webhook(caller, webhook).await?;
    let missing = || ApiError::not_found("log entry", log);
    let id = LogId::parse(log).ok_or_else(missing)?;
    let store = &state.api.store;
    let entry = store.log_entry(&webhook.tenant, &webhook.id, &id).await?;
    let entry = entry.filter(|entry| entry.key.due_ms >= webhook.first_epoch);
    Ok((webhook, entry.ok_or_else(missing)?))
}

/// The event of an entry, unless it has expired.
async fn event_of(state: &Management, entry: &Attempt) -> Result<Option<Event>, ApiError> {
    let key = &entry.key.delivery;
    let event = state.api.store.event(&key.tenant, &key.event).await?;
    // An id used again after its retention names another event.
    Ok(event.filter(|event| event.accepted_ms == key.accepted_ms))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, log)): Path<(WebhookId, String)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let (_, entry) = entry(&state, &caller, &webhook, &log).await?;
    let event = event_of(&state, &entry).await?;
    let body = match &event {
        Some(event) => state.api.store.body(event, &entry.dialect).await?,
        None => None,
    };
    let view = views(&state, std::slice::from_ref(&entry)).await?;
    let view = view.into_iter().next().ok_or(Code::NotFound)?;
    let detail = Detail::of(view, &entry, event.as_ref(), body.as_deref());
    Ok(answer(StatusCode::OK, json!({ "log": detail })))
}

pub(crate) async fn retry(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, log)): Path<(WebhookId, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let (webhook, entry) = entry(&state, &caller, &webhook, &log).await?;
    rung_api::nothing(request).await?;
    if webhook.disabled.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    if entry.trigger == Trigger::Test {
        return Err(Code::TestDelivery.into());
    }
    let Some(event) = event_of(&state, &entry).await? else {
        return Err(Code::EventExpired.into());
    };
    if event.erased.is_some() {
        return Err(Code::EventErased.into());
    }
    state.admit(&caller, &webhook.id, ByHand::Retry).await?;
    let key = &entry.key.delivery;
    let record = caller.record(Action::DeliveryRetried, key.uuid().to_string());
    state.deliverer.retry(&webhook, &entry, &record).await?;
    let delivery = deliveries::view(&state, key, &entry.event_type).await?;
    Ok(answer(
        StatusCode::ACCEPTED,
        json!({ "delivery": delivery }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_of_one_name_are_joined() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = [field("vary", "a"), field("date", "b"), field("vary", "c")];
        let joined = headers(
            fields
                .iter()
                .map(|(name, value)| (name, Some(value.as_str()))),
        );
        assert_eq!(
            Value::Object(joined),
            json!({ "vary": "a, c", "date": "b" })
        );
    }
}

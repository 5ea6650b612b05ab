//! The log of a webhook's attempts, and of all of a tenant's.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Caller, Code, Fields, NoQuery, Query, answer, limits::QUERY_ITEMS};
use rung_core::{
    domain::{
        attempt::{Attempt, ErrorCode, Exchange, LogId, Outcome, Trigger},
        audit::Action,
        id::{EventId, TenantId, WebhookId},
        time::Time,
        webhook::{Health, Webhook},
    },
    flow::EventTypes,
    store::{
        Listed, Store, StoreError,
        attempts::{Log, LogFilter, TypeFilter},
        events::Event,
        span::Order,
        webhooks,
    },
};
use rung_dialect::{Dialect, shown_body};
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    Management, Path, batches, by_hand::ByHand, deliveries, items, names_of, once::Once, patterns,
    webhooks::view::SignatureView,
};

/// An attempt of a delivery.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogEntry")]
pub(crate) struct LogView {
    id: String,
    tenant_id: String,
    webhook_id: String,
    event_id: String,
    event_type: String,
    delivery_id: Uuid,
    status: Outcome,
    attempt: u32,
    trigger: Trigger,
    attempted_at: Time,
    delivered_at: Time,
    response_status: Option<u16>,
    response_time_ms: u64,
    error: Option<String>,
    /// The same for programs.
    error_code: Option<ErrorCode>,
    /// Null but for the newest attempt of a delivery that waits.
    next_attempt_at: Option<Time>,
}

impl LogView {
    /// An entry after which the next attempt of its delivery is due then.
    pub(crate) fn of(entry: &Attempt, next_due_ms: Option<u64>) -> Self {
        Self {
            id: entry.key.log_id().to_string(),
            tenant_id: entry.key.delivery.tenant.name().to_owned(),
            webhook_id: entry.key.delivery.webhook.to_string(),
            event_id: entry.key.delivery.event.to_string(),
            event_type: entry.event_type.clone(),
            delivery_id: entry.key.delivery.uuid(),
            status: entry.outcome,
            attempt: entry.attempt,
            trigger: entry.trigger,
            attempted_at: Time::at_ms(entry.started_ms),
            delivered_at: Time::at_ms(entry.ended_ms),
            response_status: entry.response_status,
            response_time_ms: entry.response_time_ms,
            error: entry.error.clone(),
            error_code: entry.error_code,
            next_attempt_at: next_due_ms.map(Time::at_ms),
        }
    }
}

/// The attempt of a test.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestLogEntry")]
pub(crate) struct Tested<'a> {
    #[serde(flatten)]
    entry: LogView,
    /// What really signed it.
    signatures: Vec<SignatureView<'a>>,
}

impl<'a> Tested<'a> {
    /// A test's entry, in this dialect.
    pub(crate) fn of(entry: &'a Attempt, dialect: &'a Dialect) -> Self {
        Self {
            entry: LogView::of(entry, None),
            signatures: signatures(&entry.exchange, Some(dialect)),
        }
    }
}

/// The headers that signed a request.
fn signatures<'a>(exchange: &'a Exchange, dialect: Option<&'a Dialect>) -> Vec<SignatureView<'a>> {
    let sent = |name: &str| {
        let mut headers = exchange.request_headers.iter();
        // What is masked was sent all the same.
        let (_, value) = headers.find(|(sent, _)| sent == name)?;
        Some(value.as_deref().unwrap_or_default())
    };
    let signed = dialect.map(|dialect| dialect.signed_in(sent));
    let signed = signed.into_iter().flatten();
    signed.map(SignatureView::from).collect()
}

/// An attempt with its request and response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogDetail")]
pub(crate) struct LogDetail<'a> {
    #[serde(flatten)]
    entry: LogView,
    /// What really signed it; null once erased.
    signatures: Option<Vec<SignatureView<'a>>>,
    request: Sent,
    /// Null without a response.
    response: Option<Received>,
    /// The time at which headers and bodies were erased.
    erased_at: Option<Time>,
}

/// The request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LoggedRequest")]
struct Sent {
    /// Null once erased.
    url: Option<String>,
    /// Values by name; the values of secret headers are null. Null once erased.
    headers: Option<Map<String, Value>>,
    /// What each attempt fills in stands there by its name. Null once the event has expired or is erased.
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

impl<'a> LogDetail<'a> {
    /// An entry, with its event and the body that was sent of that, if they are still there.
    fn of(
        view: LogView,
        entry: &'a Attempt,
        dialect: Option<&'a Dialect>,
        event: Option<&Event>,
        body: Option<&[u8]>,
    ) -> Self {
        // The event is erased before its attempts' entries are.
        let erased = event.and_then(|event| event.erased.as_ref());
        let erased_ms = erased.map(|erased| erased.at_ms).or(entry.erased_ms);
        let exchange = erased_ms.is_none().then_some(&entry.exchange);
        Self {
            entry: view,
            signatures: exchange.map(|exchange| signatures(exchange, dialect)),
            request: Sent {
                url: exchange.map(|exchange| exchange.url.clone()),
                headers: exchange.map(|exchange| {
                    let fields = exchange.request_headers.iter();
                    headers(fields.map(|(name, value)| (name, value.as_deref())))
                }),
                body: body.map(|body| String::from_utf8_lossy(&shown_body(body)).into_owned()),
            },
            response: entry.response_status.map(|status| Received {
                status,
                headers: exchange.map(|exchange| {
                    let fields = exchange.response_headers.iter();
                    headers(fields.map(|(name, value)| (name, Some(value.as_str()))))
                }),
                body: exchange.map(|exchange| exchange.response_body.clone()),
            }),
            erased_at: erased_ms.map(Time::at_ms),
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
    let caller = state.reader_of(&headers, &id).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let mut fields = Fields::of(&query)?;
    let names = ["logs", webhook.tenant.as_str(), webhook.id.as_str()];
    let page = state.api.page(&mut fields, &names).await?;
    let types = state.event_types(Some(&webhook.tenant)).await?;
    let dialect = state.dialect(&types, &webhook.dialect)?;
    let filter = filter(&mut fields, &types, &[dialect]);
    fields.finish()?;
    let store = &state.api.store;
    let (entries, next) = store
        .log_page(
            &log_of(&webhook),
            &filter,
            page.order,
            page.after.as_deref(),
            page.limit,
        )
        .await?;
    page_of(&state, &entries, page.cursor(next.as_deref())).await
}

/// The attempts at all webhooks of a tenant or at those that are named, or at the webhooks of all tenants.
pub(crate) async fn list_all(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let caller = state.viewer_or_operator(&headers).await?;
    let tenant = caller.as_ref().map(|caller| &caller.tenant);
    let only = caller.as_ref().and_then(Caller::only_webhook);
    let mut fields = Fields::of(&query)?;
    let names = ["all logs", tenant.map_or("", |tenant| tenant.id.as_str())];
    let page = api.page(&mut fields, &names).await?;
    let types = state.event_types(tenant.map(|tenant| &tenant.id)).await?;
    let dialects = types.dialects();
    let known = match tenant {
        Some(tenant) => vec![state.dialect(&types, &tenant.dialect)?],
        None => dialects.iter().collect(),
    };
    let filter = filter(&mut fields, &types, &known);
    let named = fields.optional("webhook_id", webhook_ids);
    if tenant.is_none() && named.is_some() {
        let problem = "is an id within a tenant; name the tenant in `Rung-Tenant`";
        fields.problem_of(Code::TenantRequired, "webhook_id", problem);
    }
    fields.finish()?;
    // A link of one webhook finds no other.
    let named = match (only, named) {
        (Some(only), None) => Some(vec![only.clone()]),
        (Some(only), Some(named)) => Some(named.into_iter().filter(|id| id == only).collect()),
        (None, named) => named,
    };
    let store = &api.store;
    let (entries, next) = match (tenant, named) {
        (Some(tenant), Some(named)) => {
            let names = named.into_iter().map(|id| (tenant.id.clone(), id));
            let found = store.webhooks(&names.collect::<Vec<_>>()).await?;
            let found = found.into_iter().map(|(_, webhook)| Ok(log_of(&webhook?)));
            let logs = found.collect::<Result<Vec<_>, StoreError>>()?;
            let after = page.after.as_deref();
            store
                .logs_page(&logs, &filter, page.order, after, page.limit)
                .await?
        }
        (tenant, _) => {
            let filter = &filter;
            let entries = |logs: Vec<Log>, after: Option<String>, limit| async move {
                store
                    .logs_page(&logs, filter, page.order, after.as_deref(), limit)
                    .await
            };
            let tenant = tenant.map(|tenant| &tenant.id);
            let sources = |behind| sources(store, tenant, behind);
            batches::page(&page, 1, sources, entries).await?
        }
    };
    page_of(&state, &entries, page.cursor(next.as_deref())).await
}

/// How many webhooks a list can be asked for by name.
const NAMED: usize = 25;

/// How many webhooks' logs are read as one list. A page looks through no more.
const WEBHOOKS_AT_ONCE: usize = 200;

/// The next webhooks whose logs are read together, the oldest first.
async fn sources(
    store: &Store,
    tenant: Option<&TenantId>,
    behind: Option<String>,
) -> Result<Listed<(String, Log)>, StoreError> {
    let (order, behind) = (Order::OldestFirst, behind.as_deref());
    let listed = match tenant {
        Some(tenant) => {
            let listed = store.webhooks_page(tenant, order, behind, WEBHOOKS_AT_ONCE);
            listed.await?
        }
        None => {
            let listed = store.webhooks_of_all(&Health::LISTED, order, behind, WEBHOOKS_AT_ONCE);
            listed.await?
        }
    };
    let place = |webhook: &Webhook| match tenant {
        Some(_) => webhooks::place(webhook),
        None => webhooks::place_among_all(webhook),
    };
    let items = listed.items.iter();
    Ok(Listed {
        items: items
            .map(|webhook| (place(webhook), log_of(webhook)))
            .collect(),
        next: listed.next,
    })
}

fn log_of(webhook: &Webhook) -> Log {
    Log {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
        since_ms: webhook.first_epoch,
    }
}

fn webhook_ids(value: &Json) -> Result<Vec<WebhookId>, String> {
    let ids = value.as_str().unwrap_or_default().split(',');
    let ids: Option<BTreeSet<_>> = ids.map(|id| WebhookId::parse(id).ok()).collect();
    let ids = ids.filter(|ids| ids.len() <= NAMED);
    ids.map(Vec::from_iter).ok_or_else(|| {
        format!("must be a webhook's id, or up to {NAMED} of them with commas between")
    })
}

/// Reads the filters that both lists have. Types are judged by what any of `known` knows.
fn filter(fields: &mut Fields<'_>, types: &EventTypes, known: &[&Arc<Dialect>]) -> LogFilter {
    let outcomes = fields.optional("status", |value| {
        names_of(value, &Outcome::ALL, Outcome::as_str)
    });
    let triggers = fields.optional("trigger", |value| {
        names_of(value, &Trigger::ALL, Trigger::as_str)
    });
    let error_codes = fields.optional("error_code", |value| {
        names_of(value, &ErrorCode::ALL, ErrorCode::as_str)
    });
    let patterns = fields.optional("event_type", |value| patterns(known.iter().copied(), value));
    let events = fields.optional("event_id", |value| {
        items(value, |id| {
            EventId::parse(id).map_err(|fault| fault.to_string())
        })
    });
    let deliveries = fields.optional("delivery_id", |value| items(value, delivery));
    let (since_ms, until_ms) = fields.span();
    LogFilter {
        outcomes: outcomes.unwrap_or_default(),
        triggers: triggers.unwrap_or_default(),
        error_codes: error_codes.unwrap_or_default(),
        statuses: fields
            .optional("response_status", statuses)
            .unwrap_or_default(),
        event_types: patterns.map(|patterns| TypeFilter {
            dialects: types.dialects(),
            patterns,
        }),
        events: events.unwrap_or_default(),
        deliveries: deliveries.unwrap_or_default(),
        since_ms,
        until_ms,
    }
}

/// Statuses such as `500`, or classes of them such as `5xx`, with commas between.
fn statuses(value: &Json) -> Result<Vec<(u16, u16)>, String> {
    // A parser of numbers takes a sign, too.
    let number = |text: &str| {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits?.parse::<u16>().ok()
    };
    let one = |text: &str| {
        if let Some(class) = text.strip_suffix("xx") {
            let class = number(class).filter(|class| (1..=5).contains(class))?;
            return Some((class * 100, class * 100 + 99));
        }
        let status = number(text).filter(|status| (100..=999).contains(status))?;
        Some((status, status))
    };
    let found = value
        .as_str()
        .and_then(|text| text.split(',').map(one).collect::<Option<Vec<_>>>());
    let found = found.filter(|found| found.len() <= QUERY_ITEMS);
    found.ok_or_else(|| {
        format!(
            "must be a status such as `500` or a class such as `5xx`, or up to {QUERY_ITEMS} of them with commas between"
        )
    })
}

async fn page_of(
    state: &Management,
    entries: &[Attempt],
    next_cursor: Option<String>,
) -> Result<Response, ApiError> {
    let logs = views(state, entries).await?;
    Ok(answer(
        StatusCode::OK,
        json!({ "logs": logs, "next_cursor": next_cursor }),
    ))
}

/// Entries as clients see them. Only the newest attempt of a delivery that waits knows of a next one, and that is for the delivery's
/// row to say: an entry cannot tell what came of the wait that followed.
async fn views(state: &Management, entries: &[Attempt]) -> Result<Vec<LogView>, ApiError> {
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
        .map(|entry| LogView::of(entry, next_due_ms(entry)))
        .collect())
}

fn delivery(text: &str) -> Result<Uuid, String> {
    let id = text.parse();
    id.map_err(|_| "must be a delivery's UUID, or several of them separated by commas".to_owned())
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

/// An entry with its request and response.
pub(crate) async fn detail<'e>(
    state: &'e Management,
    entry: &'e Attempt,
) -> Result<LogDetail<'e>, ApiError> {
    let event = event_of(state, entry).await?;
    let body = match &event {
        Some(event) => state.api.store.body(event, &entry.dialect).await?,
        None => None,
    };
    let view = views(state, std::slice::from_ref(entry)).await?;
    let view = view.into_iter().next().ok_or(Code::NotFound)?;
    let dialect = state.api.dialects.get(&entry.dialect).map(AsRef::as_ref);
    let (event, body) = (event.as_ref(), body.as_deref());
    Ok(LogDetail::of(view, entry, dialect, event, body))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, log)): Path<(WebhookId, String)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &webhook).await?;
    let (_, entry) = entry(&state, &caller, &webhook, &log).await?;
    let detail = detail(&state, &entry).await?;
    Ok(answer(StatusCode::OK, json!({ "log": detail })))
}

pub(crate) async fn retry(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, log)): Path<(WebhookId, String)>,
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
    let (webhook, entry) = entry(&state, &caller, &webhook, &log).await?;
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
    state.control.retry(&webhook, &entry, &record).await?;
    let delivery = deliveries::view(&state, key, &entry.event_type).await?;
    Ok(deliveries::retried(&delivery.ok_or(Code::NotFound)?))
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

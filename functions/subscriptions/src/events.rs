//! A tenant's events, newest first; one of them, and where each of its deliveries stands.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use futures_util::future::try_join_all;
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Caller, Code, Fields, Query, answer};
use rung_core::{
    domain::{
        audit::Action,
        id::{EventId, TenantId},
        job::Subject,
        no_delivery::NoDelivery,
        tenant::{Scope, Tenant},
        time::Time,
    },
    store::{
        Listed, Store, StoreError,
        event_list::{EventFilter, EventTypeFilter},
        events::{Event, GoesTo},
        span::{Order, Span},
        tenants::place,
    },
};
use rung_dialect::{Dialect, shown_body};
use rung_json::{Json, limits::STORED_JSON_DEPTH};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Management, Path, batches, deliveries, jobs, last_before, patterns};

/// An event in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedEvent")]
pub(crate) struct EventView<'a> {
    id: &'a str,
    tenant_id: &'a str,
    r#type: &'a str,
    timestamp: Time,
    created_at: Time,
    /// The number of active webhooks it goes to.
    deliveries: usize,
    /// The reason if there are none.
    reason: Option<&'static str>,
    /// The same by a name that stays.
    reason_code: Option<NoDelivery>,
    /// The time of erasure.
    erased_at: Option<Time>,
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let caller = state.viewer_or_operator(&headers).await?;
    let tenant = caller.as_ref().map(|caller| &caller.tenant);
    let only = caller.as_ref().and_then(Caller::only_webhook);
    let mut fields = Fields::of(&query)?;
    let names = ["events", tenant.map_or("", |tenant| tenant.id.as_str())];
    let page = api.page(&mut fields, &names).await?;
    let known = match fields.given("type") {
        Some(_) => known_dialects(&state, tenant).await?,
        None => Vec::new(),
    };
    let patterns = fields.optional("type", |value| patterns(known.iter(), value));
    let (since_ms, until_ms) = fields.span();
    fields.finish()?;
    let filter = EventFilter {
        event_types: patterns.map(|patterns| EventTypeFilter {
            dialects: known,
            patterns,
        }),
        span: Span {
            since_ms: since_ms.unwrap_or(0),
            until_ms: until_ms.map_or_else(|| api.clock.now_ms(), last_before),
        },
    };
    let store = &api.store;
    let (events, next) = match tenant {
        Some(tenant) => {
            let tenants = [tenant.id.clone()];
            let after = page.after.as_deref();
            store
                .events_page(&tenants, &filter, page.order, after, page.limit)
                .await?
        }
        None => {
            let filter = &filter;
            let events = |tenants: Vec<TenantId>, after: Option<String>, limit| async move {
                store
                    .events_page(&tenants, filter, page.order, after.as_deref(), limit)
                    .await
            };
            let tenants = |behind| tenants(store, behind);
            batches::page(&page, BATCHES_PER_PAGE, tenants, events).await?
        }
    };
    let mut views = Vec::with_capacity(events.len());
    let matches = events.iter().map(|event| store.matches(event));
    let matches = try_join_all(matches).await?;
    for (event, mut matches) in events.iter().zip(matches) {
        if let Some(only) = only {
            matches.retain(|found| found.webhook == *only);
            if matches.is_empty() {
                continue;
            }
        }
        views.push(EventView {
            id: event.id.as_str(),
            tenant_id: event.tenant.name(),
            r#type: &event.event_type,
            timestamp: Time::at_ms(event.timestamp_ms),
            created_at: Time::at_ms(event.accepted_ms),
            deliveries: matches.iter().filter(|found| found.active).count(),
            reason: event.reason.map(NoDelivery::message),
            reason_code: event.reason,
            erased_at: erased_at(event),
        });
    }
    Ok(page.answer("events", &views, next.as_deref()))
}

/// The dialects that know the types of a tenant's events, or of all tenants'.
async fn known_dialects(
    state: &Management,
    tenant: Option<&Tenant>,
) -> Result<Vec<Arc<Dialect>>, ApiError> {
    let types = state.event_types(tenant.map(|tenant| &tenant.id)).await?;
    Ok(match tenant {
        Some(tenant) => vec![Arc::clone(state.dialect(&types, &tenant.dialect)?)],
        None => types.dialects().iter().cloned().collect(),
    })
}

/// How many tenants' events are read as one list.
const TENANTS_AT_ONCE: usize = 25;

/// How many times so many a page may look through. The page ends there, with a cursor.
const BATCHES_PER_PAGE: usize = 8;

/// The next tenants to read together, the oldest first.
async fn tenants(
    store: &Store,
    behind: Option<String>,
) -> Result<Listed<(String, TenantId)>, StoreError> {
    let behind = behind.as_deref();
    let listed = store.tenants(Order::OldestFirst, behind, TENANTS_AT_ONCE);
    let Listed { items, next } = listed.await?;
    let items = items.into_iter();
    Ok(Listed {
        items: items.map(|tenant| (place(&tenant), tenant.id)).collect(),
        next,
    })
}

/// An event that was published.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventDetail<'a> {
    id: &'a str,
    tenant_id: &'a str,
    r#type: &'a str,
    timestamp: Time,
    created_at: Time,
    /// Why it goes to no webhook.
    reason: Option<&'static str>,
    /// The same by a name that stays.
    reason_code: Option<NoDelivery>,
    /// The published data; null once erased.
    data: Option<Json>,
    /// The published metadata; null once erased.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<Json>,
    /// The body delivered in the tenant's dialect; null once erased.
    payload: Option<Box<RawValue>>,
    /// Whether the event was sent to test a webhook. Lists of events leave tests out.
    test: bool,
    /// The time of erasure.
    erased_at: Option<Time>,
}

fn erased_at(event: &Event) -> Option<Time> {
    let erased = event.erased.as_ref();
    erased.map(|erased| Time::at_ms(erased.at_ms))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<EventId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.viewer(&headers).await?;
    let names = ["deliveries", caller.tenant.id.as_str(), id.as_str()];
    let page = state.api.unordered_page(&query, &names).await?;
    let event = state.api.store.event(&caller.tenant.id, &id).await?;
    let not_found = || ApiError::not_found("event", id.as_str());
    let event = event.ok_or_else(not_found)?;
    let store = &state.api.store;
    let (goes_to, next) = match caller.only_webhook() {
        // A link of one webhook sees what went to that, and of it nothing else.
        Some(only) => (
            store
                .whether_to(&event, only)
                .await?
                .ok_or_else(not_found)?,
            None,
        ),
        None => {
            let after = page.after.as_deref();
            store.webhooks_of_event(&event, after, page.limit).await?
        }
    };
    let deliveries = deliveries_of(&state, &event, &goes_to).await?;
    let view = detail(&state, &event, &caller.tenant.dialect).await?;

    #[derive(Serialize)]
    struct Data<'a> {
        event: EventDetail<'a>,
        deliveries: Vec<deliveries::DeliveryView>,
        next_cursor: Option<String>,
    }
    Ok(answer(
        StatusCode::OK,
        Data {
            event: view,
            deliveries,
            next_cursor: page.cursor(next.as_deref()),
        },
    ))
}

/// An event with its data, which is read from its body in this dialect, and its metadata.
pub(crate) async fn detail<'e>(
    state: &Management,
    event: &'e Event,
    dialect: &str,
) -> Result<EventDetail<'e>, ApiError> {
    let store = &state.api.store;
    let (own, metadata) = tokio::try_join!(store.body(event, dialect), store.metadata(event))?;
    let own = own.as_ref();
    let dialect = state.api.dialect(dialect)?;
    let payload = own.and_then(|body| String::from_utf8(shown_body(body).into_owned()).ok());
    Ok(EventDetail {
        id: event.id.as_str(),
        tenant_id: event.tenant.name(),
        r#type: &event.event_type,
        timestamp: Time::at_ms(event.timestamp_ms),
        created_at: Time::at_ms(event.accepted_ms),
        reason: event.reason.map(NoDelivery::message),
        reason_code: event.reason,
        data: own.and_then(|body| dialect.data_of(body)),
        metadata: match metadata {
            Some(text) => Json::parse(&text, STORED_JSON_DEPTH).ok(),
            None => event.erased.is_none().then(Json::empty),
        },
        payload: payload.and_then(|text| RawValue::from_string(text).ok()),
        test: event.is_test(),
        erased_at: erased_at(event),
    })
}

/// Where each delivery of an event stands. One that was backfilled has a row, or was never sent.
async fn deliveries_of(
    state: &Management,
    event: &Event,
    goes_to: &GoesTo,
) -> Result<Vec<deliveries::DeliveryView>, ApiError> {
    let keys = goes_to.deliveries_of(event);
    let standing = deliveries::standing(state, keys).await?.into_iter();
    let shown = standing
        .enumerate()
        .filter(|(index, standing)| *index < goes_to.matched.len() || standing.is_known());
    Ok(shown
        .map(|(_, standing)| standing.view(&event.event_type))
        .collect())
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<EventId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.api.caller(&headers, Scope::Erase).await?;
    rung_api::nothing(request).await?;
    let tenant = &caller.tenant.id;
    let event = state.api.store.event(tenant, &id).await?;
    let event = event.ok_or_else(|| ApiError::not_found("event", id.as_str()))?;
    let job = match &event.erased {
        Some(erased) => state.api.store.job(&erased.job).await?,
        None => {
            let record = caller.record(Action::EventErased, id.as_str());
            let accepted_ms = event.accepted_ms;
            let subject = Subject::Event {
                event: id.clone(),
                accepted_ms,
            };
            jobs::erase(&state, &caller.origin, (tenant, subject), &record).await?
        }
    };
    // Of an erasure that is long over its job may be gone.
    let job = job.ok_or(Code::EventErased)?;
    Ok(jobs::accepted(&state, &job))
}

//! A tenant's events, newest first; one of them, and where each of its deliveries stands.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, Fields, Query, answer, read};
use rung_core::{
    domain::{
        audit::Action, id::EventId, job::Subject, no_delivery::NoDelivery, tenant::Scope,
        time::Time,
    },
    store::{
        event_list::EventFilter,
        events::{Event, GoesTo},
        walk::Span,
    },
};
use rung_dialect::limits::EVENT_TYPE_CHARS;
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{Management, Path, deliveries, jobs, last_before};

/// An event in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedEvent")]
pub(crate) struct View<'a> {
    id: &'a str,
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
    let caller = state.viewer(&headers).await?;
    let tenant = &caller.tenant;
    let mut fields = Fields::of(&query)?;
    let names = ["events", tenant.id.as_str()];
    let page = state.api.page(&mut fields, &names).await?;
    let event_type = fields.optional("type", read::text(EVENT_TYPE_CHARS));
    let (since_ms, until_ms) = fields.span();
    fields.finish()?;
    let catalogue = &state.api.dialect(&tenant.dialect)?.catalogue;
    let filter = EventFilter {
        event_type: event_type.map(|name| catalogue.stored_type(&name).to_owned()),
        span: Span {
            since_ms: since_ms.unwrap_or(0),
            until_ms: until_ms.map_or_else(|| state.api.clock.now_ms(), last_before),
        },
    };
    let store = &state.api.store;
    let (events, next) = store
        .events_page(&tenant.id, &filter, page.after.as_deref(), page.limit)
        .await?;
    let mut views = Vec::with_capacity(events.len());
    for event in &events {
        let mut matches = store.matches(event).await?;
        if let Some(only) = caller.only_webhook() {
            matches.retain(|found| found.webhook == *only);
            if matches.is_empty() {
                continue;
            }
        }
        views.push(View {
            id: event.id.as_str(),
            r#type: &event.event_type,
            timestamp: Time::at_ms(event.timestamp_ms),
            created_at: Time::at_ms(event.accepted_ms),
            deliveries: matches.iter().filter(|found| found.active).count(),
            reason: event.reason.map(NoDelivery::message),
            reason_code: event.reason,
            erased_at: erased_at(event),
        });
    }
    let next_cursor = page.cursor(next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "events": views, "next_cursor": next_cursor }),
    ))
}

/// An event that was published.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct Detail<'a> {
    id: &'a str,
    r#type: &'a str,
    timestamp: Time,
    created_at: Time,
    /// Why it goes to no webhook.
    reason: Option<&'static str>,
    /// The same by a name that stays.
    reason_code: Option<NoDelivery>,
    /// The published data; null once erased.
    data: Option<Json>,
    /// The body delivered in the tenant's dialect; null once erased.
    payload: Option<Box<RawValue>>,
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
    let page = state.api.only_page(&query, &names).await?;
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
    let dialect = state.api.dialect(&caller.tenant.dialect)?;
    let own = state.api.store.body(&event, &caller.tenant.dialect).await?;
    let own = own.as_ref();
    let payload = own.and_then(|body| String::from_utf8(body.to_vec()).ok());
    let view = Detail {
        id: event.id.as_str(),
        r#type: &event.event_type,
        timestamp: Time::at_ms(event.timestamp_ms),
        created_at: Time::at_ms(event.accepted_ms),
        reason: event.reason.map(NoDelivery::message),
        reason_code: event.reason,
        data: own.and_then(|body| dialect.data_of(body)),
        payload: payload.and_then(|text| RawValue::from_string(text).ok()),
        erased_at: erased_at(&event),
    };

    #[derive(Serialize)]
    struct Data<'a> {
        event: Detail<'a>,
        deliveries: Vec<deliveries::View>,
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

/// Where each delivery of an event stands. One that was backfilled has a row, or was never sent.
async fn deliveries_of(
    state: &Management,
    event: &Event,
    goes_to: &GoesTo,
) -> Result<Vec<deliveries::View>, ApiError> {
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

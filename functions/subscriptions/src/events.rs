//! A tenant's events, newest first.

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{ApiError, Fields, Query, answer, read},
    clock::timestamp,
    limits::EVENT_TYPE_CHARS,
    store::{timeline::EventFilter, walk::Span},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::Management;

/// An event as the list shows it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedEvent")]
pub(crate) struct View<'a> {
    id: &'a str,
    r#type: &'a str,
    timestamp: jiff::Timestamp,
    created_at: jiff::Timestamp,
    /// To how many active webhooks it goes.
    deliveries: usize,
    /// Why to none.
    reason: Option<&'a str>,
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let tenant = &caller.tenant;
    let mut fields = Fields::of(&query)?;
    let names = ["events", tenant.id.as_str()];
    let page = state.api.page(&mut fields, &names).await?;
    let event_type = fields.optional("type", read::text(EVENT_TYPE_CHARS));
    let since_ms = fields.optional("since", read::time_ms);
    let until_ms = fields.optional("until", read::time_ms);
    fields.finish()?;
    let catalogue = &state.api.dialect(&tenant.dialect)?.catalogue;
    let filter = EventFilter {
        // Events hold names as they go on the wire.
        event_type: event_type.map(|name| match catalogue.resolve_type(&name) {
            Some(resolved) => resolved.to_owned(),
            None => name,
        }),
        span: Span {
            since_ms: since_ms.unwrap_or(0),
            until_ms: until_ms.unwrap_or_else(|| state.api.clock.now_ms()),
        },
    };
    let store = &state.api.store;
    let (events, next) = store
        .events_page(&tenant.id, &filter, page.after.as_deref(), page.limit)
        .await?;
    let mut views = Vec::with_capacity(events.len());
    for event in &events {
        let matches = store.matches(event).await?;
        views.push(View {
            id: event.id.as_str(),
            r#type: &event.event_type,
            timestamp: timestamp(event.timestamp_ms),
            created_at: timestamp(event.accepted_ms),
            deliveries: matches.iter().filter(|found| found.active).count(),
            reason: event.reason.as_deref(),
        });
    }
    let next_cursor = page.cursor(next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "events": views, "next_cursor": next_cursor }),
    ))
}

//! Which of a tenant's last events a filter would take: for those who write one.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Fields, Patch, answer,
    limits::{PREVIEW_BYTES, PREVIEW_EVENTS},
};
use rung_core::{
    domain::time::Time,
    store::{
        event_list::{EventFilter, EventTypeFilter},
        span::{Order, Span},
    },
};
use rung_json::limits::REQUEST_BYTES;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::yield_now;

use crate::{
    Management, dialect_with,
    once::Once,
    webhooks::{event_filter, known_events},
};

/// What a filter would have taken.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FilterPreview {
    /// How many of the events match.
    matching: usize,
    /// The last events, newest first.
    events: Vec<PreviewedEvent>,
}

/// An event, and whether the filter takes it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PreviewedEvent {
    id: String,
    tenant_id: String,
    r#type: String,
    created_at: Time,
    /// Whether the data of the event match the filter.
    matches: bool,
}

pub(crate) async fn preview(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let tenant = &caller.tenant;
    let types = state.event_types(Some(&tenant.id)).await?;
    let own = state.dialect(&types, &tenant.dialect)?;
    let mut fields = Fields::of(&body)?;
    let dialect = fields.optional("dialect", dialect_with(&state.api, &types));
    let dialect = dialect.unwrap_or_else(|| own.clone());
    let knows = |event: &str| dialect.catalogue.check_pattern(event);
    let patterns = known_events(&mut fields, "events", knows, &[]);
    let filter = event_filter(&mut fields);
    fields.finish()?;
    let wanted = EventFilter {
        event_types: patterns.map(|patterns| EventTypeFilter {
            dialects: vec![dialect],
            patterns,
        }),
        span: Span {
            since_ms: 0,
            until_ms: state.api.clock.now_ms(),
        },
    };
    let store = &state.api.store;
    let tenants = [tenant.id.clone()];
    let page = store.events_page(&tenants, &wanted, Order::NewestFirst, None, PREVIEW_EVENTS);
    let (found, _) = page.await?;
    let (mut events, mut matching, mut bytes) = (Vec::with_capacity(found.len()), 0, 0);
    for event in &found {
        if bytes > PREVIEW_BYTES {
            break;
        }
        // An event that was erased has none.
        let Some(body) = store.body(event, &tenant.dialect).await? else {
            continue;
        };
        bytes += body.len();
        let data = own.data_of(&body);
        let matches = match (&filter, &data) {
            (Patch::Set(filter), Some(data)) => filter.ask(data).takes,
            (_, data) => data.is_some(),
        };
        matching += usize::from(matches);
        events.push(PreviewedEvent {
            id: event.id.to_string(),
            tenant_id: tenant.id.name().to_owned(),
            r#type: event.event_type.clone(),
            created_at: Time::at_ms(event.accepted_ms),
            matches,
        });
        // Reading a large event and asking the filter takes milliseconds.
        yield_now().await;
    }
    Ok(answer(StatusCode::OK, FilterPreview { matching, events }))
}

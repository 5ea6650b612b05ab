//! Examining a webhook's receiver. Nothing of it goes to the log, to statistics, or counts for the webhook's health.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Fields, answer, limits::EXAMINATION};
use rung_core::domain::{
    audit::{Action, Change},
    id::WebhookId,
    portal::Capability,
    tenant::Scope,
};
use rung_json::limits::REQUEST_BYTES;
use rung_prove::{Examination, Fault, Report};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{named_type, type_to_try};
use crate::{Management, Path, by_hand::ByHand, once::Once};

/// What an examination of a webhook's receiver has shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReceiverReport")]
pub(crate) struct ReportView {
    webhook_id: String,
    tenant_id: String,
    #[serde(flatten)]
    report: Report,
}

pub(crate) async fn prove(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state
        .caller_of(&headers, Scope::Manage, Capability::Test, &id)
        .await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let webhook = state.webhook(&caller, &id).await?;
    let types = state.event_types(Some(&webhook.tenant)).await?;
    let dialect = state.dialect(&types, &webhook.dialect)?;
    let mut fields = Fields::of(&body)?;
    let named = fields.optional("event_type", named_type);
    fields.finish()?;
    let event_type = type_to_try(&webhook, dialect, &types, named)?;
    state.admit(&caller, &id, ByHand::Examination).await?;
    let record = caller
        .record(Action::WebhookProved, webhook.id.as_str())
        .changing(Change::of("event_type", Value::Null, event_type));
    state.api.store.record(&record).await?;
    let control = &state.control;
    let examination = Examination {
        poster: &state.poster,
        clock: &*state.api.clock,
        webhook: &webhook,
        dialect,
        event_type,
        takes: &|data| control.takes(&webhook, dialect, &types, event_type, data),
        within: Some(EXAMINATION),
    };
    let report = examination.run().await.map_err(|fault| match fault {
        Fault::Refused(refusal) => rung_api::refused(refusal, "", "event_type", false),
        Fault::Flow(error) => error.into(),
    })?;
    let report = ReportView {
        webhook_id: webhook.id.to_string(),
        tenant_id: webhook.tenant.name().to_owned(),
        report,
    };
    Ok(answer(StatusCode::OK, json!({ "report": report })))
}

//! The operator's call that replaces an encryption key: it encrypts anew what an older one has encrypted.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, Fields, answer, limits::COUNTING_MS};
use rung_core::domain::{
    audit::{Action, Record},
    tenant::Scope,
};
use rung_json::limits::REQUEST_BYTES;
use serde_json::json;

use crate::{Management, once::Once};

pub(crate) async fn reencrypt(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api.operator(&headers, Scope::Admin).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, None, &body).await? {
        return Ok(first);
    }
    let mut fields = Fields::of(&body)?;
    let seal = api.seal(&["reencrypt"]).await?;
    let after = fields.optional("cursor", |cursor| {
        let position = cursor.as_str().and_then(|cursor| seal.open(cursor));
        position.ok_or_else(|| "must be the `next_cursor` of an earlier response".to_owned())
    });
    fields.finish()?;

    let store = &api.store;
    let key = store.encryption_key().ok_or(Code::Internal)?;
    let record = Record::new(&origin, None, Action::SecretsReencrypted, key.to_string());
    store.record(&record).await?;
    let end_ms = api.clock.wall_ms() + COUNTING_MS;
    let is_late = || api.clock.wall_ms() >= end_ms;
    let (done, next) = store.reencrypt(after.as_deref(), is_late).await?;
    let data = json!({
        "key": key.to_string(),
        "checked": done.checked,
        "rewritten": done.rewritten,
        "next_cursor": next.map(|position| seal.close(&position)),
    });
    Ok(answer(StatusCode::OK, data))
}

//! The operator's own keys.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, NoQuery, Query};
use rung_core::domain::{
    id::KeyId,
    tenant::{KeyOwner, Scope},
};
use rung_json::limits::REQUEST_BYTES;

use super::{Changes, New, called, one, read_body, read_change};
use crate::{Management, Path, once::Once};

const OWNER: KeyOwner = KeyOwner::Operator;

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    if let Some(first) = once.claim(&state, &headers, None, &body).await? {
        return Ok(first);
    }
    let now_ms = state.api.clock.wall_ms();
    let new = read_body(&body, |fields| New::of_operator(fields, now_ms))?;
    super::create(&state, &origin, OWNER, &once, &new).await
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    super::list(&state, &OWNER, &query).await
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<KeyId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    let key = called(&state.api, &OWNER, &id).await?;
    Ok(one(StatusCode::OK, &key, None))
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<KeyId>,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let now_ms = state.api.clock.wall_ms();
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let change = |key| {
        let changes = read_change(&body, &key, |fields| Changes::of_operator(fields, now_ms))?;
        Ok(changes.applied_to(key))
    };
    super::update(&state, &origin, &OWNER, &id, change).await
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<KeyId>,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    super::delete(&state, &origin, &OWNER, &id, request).await
}

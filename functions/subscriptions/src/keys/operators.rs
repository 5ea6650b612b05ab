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

use super::{Changes, New, called, one, read_body};
use crate::{Management, Path};

const OWNER: KeyOwner = KeyOwner::Operator;

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let now_ms = state.api.clock.wall_ms();
    let (body, new) = read_body(request, |fields| New::of_operator(fields, now_ms)).await?;
    super::create(&state, &origin, OWNER, &headers, (&body, &new)).await
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
    let (_, changes) = read_body(request, |fields| Changes::of_operator(fields, now_ms)).await?;
    let change = |key| changes.applied_to(key);
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

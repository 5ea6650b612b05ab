//! A tenant's keys.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, NoQuery, Query};
use rung_core::domain::{
    audit::Origin,
    id::{KeyId, TenantName},
    tenant::{KeyOwner, Scope},
};
use rung_json::limits::REQUEST_BYTES;

use super::{Changes, New, called, one, read_body, read_change};
use crate::{Management, Path, once::Once, tenants::named};

/// The caller and the tenant whose keys the call is about.
async fn owner(
    state: &Management,
    headers: &HeaderMap,
    scope: Scope,
    tenant: &TenantName,
) -> Result<(Origin, KeyOwner), ApiError> {
    let (origin, tenant) = named(state, headers, scope, tenant).await?;
    Ok((origin, KeyOwner::Tenant(tenant.id)))
}

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state
        .api
        .operator_for(&headers, Scope::Admin, tenant.as_str())
        .await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let tenant = state.api.tenant(tenant.as_str()).await?;
    if let Some(first) = once.claim(&state, &headers, &tenant.id, &body).await? {
        return Ok(first);
    }
    let now_ms = state.api.clock.wall_ms();
    let new = read_body(&body, |fields| New::of_tenant(fields, now_ms))?;
    let owner = KeyOwner::Tenant(tenant.id);
    super::create(&state, &origin, owner, &once, &new).await
}

/// Makes a key that is known by its hash alone, or sets the tenant's key that has it.
pub(crate) async fn put(
    state: &Management,
    headers: &HeaderMap,
    tenant: &TenantName,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, owner) = owner(state, headers, Scope::Admin, tenant).await?;
    let now_ms = state.api.clock.wall_ms();
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let new = read_body(&body, |fields| New::brought(fields, now_ms))?;
    let hash = new.hash.ok_or(Code::Internal)?;
    if let Some(id) = &new.id {
        // Two imports at once could each bring another key under one id, as no export does: then the calls about that id are about
        // one of the two after the other.
        let named = state.api.store.api_key_called(&owner, id).await?;
        if named.is_some_and(|named| named.hash != hash) {
            let problem = "is that of another key of the tenant; omit it for a new one";
            return Err(ApiError::of_field(Code::IdTaken, "id", problem));
        }
    }
    let once = Once::default();
    let made = super::create(state, &origin, owner.clone(), &once, &new).await;
    let taken = match made {
        Err(error) if error.code == Code::KeyTaken => error,
        made => return made,
    };
    let present = state.api.store.api_key(&hash).await?;
    match present.filter(|key| key.owner == owner && key.portal.is_none()) {
        Some(present) if new.over(present.clone()) == present => {
            Ok(one(StatusCode::OK, &present, None))
        }
        Some(present) => {
            let change = |key| Ok(new.over(key));
            super::update(state, &origin, &owner, &present.id, change).await
        }
        None => Err(taken),
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    query: Query,
) -> Result<Response, ApiError> {
    let (_, owner) = owner(&state, &headers, Scope::Read, &tenant).await?;
    super::list(&state, &owner, &query).await
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (_, owner) = owner(&state, &headers, Scope::Read, &tenant).await?;
    let key = called(&state.api, &owner, &id).await?;
    Ok(one(StatusCode::OK, &key, None))
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, owner) = owner(&state, &headers, Scope::Admin, &tenant).await?;
    let now_ms = state.api.clock.wall_ms();
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let change = |key| {
        let changes = read_change(&body, &key, |fields| Changes::of_tenant(fields, now_ms))?;
        Ok(changes.applied_to(key))
    };
    super::update(&state, &origin, &owner, &id, change).await
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, owner) = owner(&state, &headers, Scope::Admin, &tenant).await?;
    super::delete(&state, &origin, &owner, &id, request).await
}

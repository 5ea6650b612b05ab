//! A tenant's keys.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{Api, ApiError, Code, NoQuery, Query};
use rung_core::domain::{
    audit::Origin,
    id::{KeyId, TenantName},
    tenant::{KeyOwner, Scope},
};

use super::{Changes, New, called, one, read_body};
use crate::{Management, Path, tenants::named};

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
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    Api::check_path(&headers, &tenant)?;
    let now_ms = state.api.clock.wall_ms();
    let (body, new) = read_body(request, |fields| New::of_tenant(fields, now_ms)).await?;
    let tenant = state.api.tenant(tenant.as_str()).await?;
    let owner = KeyOwner::Tenant(tenant.id);
    super::create(&state, &origin, owner, &headers, (&body, &new)).await
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
    let (body, new) = read_body(request, |fields| New::brought(fields, now_ms)).await?;
    let hash = new.hash.ok_or(Code::Internal)?;
    let made = super::create(state, &origin, owner.clone(), headers, (&body, &new)).await;
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
            super::update(state, &origin, &owner, &present.id, |key| new.over(key)).await
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
    let (_, changes) = read_body(request, |fields| Changes::of_tenant(fields, now_ms)).await?;
    let change = |key| changes.applied_to(key);
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

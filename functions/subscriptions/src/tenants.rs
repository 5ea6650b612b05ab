//! Tenants: the operator's calls.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    Api, ApiError, Code, Fields, NoQuery, Patch, Query, answer, limits::NAME_CHARS, read,
};
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::{TenantId, TenantName},
        job::Subject,
        tenant::{RESERVED_PREFIX, Scope, Tenant},
    },
    limits::RETENTION_MARGIN,
};
use rung_dialect::{DEFAULT, limits::ID_CHARS};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    Management, Path, dialect_named, idempotency_conflict,
    ids::{id_of_key, new_id},
    jobs,
    plan::{self, Changed},
    tries::Tries,
};

/// A customer of the operator.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub(crate) struct View<'a> {
    id: &'a str,
    name: Option<&'a str>,
    /// The dialect of its webhooks.
    dialect: &'a str,
    plan: Option<&'a str>,
    /// The tenant's own retention in days, if set.
    retention_days: Option<u32>,
    created_at: jiff::Timestamp,
}

impl<'a> From<&'a Tenant> for View<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        Self {
            id: tenant.id.name(),
            name: tenant.name.as_deref(),
            dialect: &tenant.dialect,
            plan: tenant.plan.as_deref(),
            retention_days: tenant.retention_days,
            created_at: timestamp(tenant.created_ms),
        }
    }
}

/// Reads a tenant's retention: no longer than the deployment's, and long enough for every ladder that it may climb.
fn retention_days(api: &Api) -> impl Fn(&Json) -> Result<u32, String> {
    let days = |time: Duration| u32::try_from(time.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX);
    let ladders = api
        .dialects
        .iter()
        .map(|dialect| dialect.longest_ladder_ms());
    let longest = Duration::from_millis(ladders.max().unwrap_or(0));
    read::number(
        days(longest + RETENTION_MARGIN),
        days(api.store.retention()),
    )
}

/// Reads an id that a customer may have.
fn name_of_a_customer(value: &Json) -> Result<TenantName, String> {
    let name = read::id(TenantName::parse)(value)?;
    if name.as_str().starts_with(RESERVED_PREFIX) {
        return Err(format!(
            "must not begin with `{RESERVED_PREFIX}`, which is reserved"
        ));
    }
    Ok(name)
}

/// The audit log's record of what becomes of a tenant.
fn record(
    origin: &Origin,
    action: Action,
    before: Option<&Tenant>,
    after: Option<&Tenant>,
) -> Record {
    let view = |tenant: &Tenant| serde_json::to_value(View::from(tenant)).unwrap_or_default();
    let tenant = after.or(before).map(|tenant| &tenant.id);
    let name = tenant.map(|tenant| tenant.name()).unwrap_or_default();
    Record::new(origin, tenant, action, name)
        .changing_all(Change::between(before.map(view), after.map(view)))
}

fn one(status: StatusCode, tenant: &Tenant) -> Response {
    answer(status, json!({ "tenant": View::from(tenant) }))
}

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api.operator(&headers, Scope::Admin).await?;
    let key = rung_api::idempotency_key(&headers)?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let mut fields = Fields::of(&body)?;
    let id = fields.optional("id", name_of_a_customer);
    let name = fields.required("name", read::text(NAME_CHARS));
    let dialect = fields.optional("dialect", dialect_named(api));
    let dialect = match dialect {
        Some(dialect) => dialect,
        None => api.dialect(DEFAULT)?.clone(),
    };
    let plan = fields.optional("plan", read::text(ID_CHARS));
    plan::check(&mut fields, &dialect, plan.as_deref());
    let retention_days = fields.optional("retention_days", retention_days(api));
    fields.finish()?;
    let by_key = key.filter(|_| id.is_none());
    let id = match (id, &by_key) {
        (Some(id), _) => id,
        (None, Some(key)) => id_of_key("tenant_", "", key, TenantName::parse)?,
        (None, None) => new_id("tenant_", TenantName::parse)?,
    };
    let tenant = Tenant {
        id: TenantId::first(&id),
        name: Some(name),
        dialect: dialect.name.clone(),
        plan,
        retention_days,
        webhooks: 0,
        version: 0,
        created_ms: api.clock.now_ms(),
    };
    let record = record(&origin, Action::TenantCreated, None, Some(&tenant));
    if let Some(made) = api.store.create_tenant(&tenant, &record).await? {
        return Ok(one(StatusCode::CREATED, &made));
    }
    if by_key.is_none() {
        let problem = "already exists; choose another id, or change that tenant with PATCH";
        return Err(ApiError::of_field(Code::IdTaken, "id", problem));
    }
    // A repeat, as long as what it asks for is there.
    let present = api.tenant(id.as_str()).await?;
    let asked = Tenant {
        id: present.id.clone(),
        webhooks: present.webhooks,
        version: present.version,
        created_ms: present.created_ms,
        ..tenant
    };
    if asked == present {
        return Ok(one(StatusCode::CREATED, &present));
    }
    let problem = "was used for a different request to create a tenant; use a new key, or change the tenant with PATCH";
    Err(idempotency_conflict(problem))
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    let page = state.api.only_page(&query, &["tenants"]).await?;
    let store = &state.api.store;
    let listed = store.tenants(page.after.as_deref(), page.limit).await?;
    let tenants: Vec<_> = listed.items.iter().map(View::from).collect();
    let next_cursor = page.cursor(listed.next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "tenants": tenants, "next_cursor": next_cursor }),
    ))
}

/// Who makes an operator's call that needs `scope`, and the tenant that it is about.
pub(crate) async fn named(
    state: &Management,
    headers: &HeaderMap,
    scope: Scope,
    id: &TenantName,
) -> Result<(Origin, Tenant), ApiError> {
    let origin = state.api.operator(headers, scope).await?;
    Ok((origin, state.api.tenant(id.as_str()).await?))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<TenantName>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (_, tenant) = named(&state, &headers, Scope::Read, &id).await?;
    Ok(one(StatusCode::OK, &tenant))
}

/// Reads whether webhooks that a change activates are to be sent what they missed.
fn recovers(query: &Json) -> Result<bool, ApiError> {
    let mut fields = Fields::of(query)?;
    let recovers = fields.optional("recover", read::flag_text).unwrap_or(false);
    fields.finish()?;
    Ok(recovers)
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<TenantName>,
    Query(query): Query,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let recovers = recovers(&query)?;
    let body = rung_api::body_beside_query(request, REQUEST_BYTES, 1).await?;
    let mut tries = Tries::to_change("tenant");
    loop {
        let present = state.api.tenant(id.as_str()).await?;
        let mut fields = Fields::of(&body)?;
        let name = fields.patch("name", read::text(NAME_CHARS));
        let plan = fields.patch("plan", read::text(ID_CHARS));
        let retention_days = fields.patch("retention_days", retention_days(&state.api));
        if let Patch::Set(plan) = &plan {
            plan::check(
                &mut fields,
                state.api.dialect(&present.dialect)?,
                Some(plan),
            );
        }
        fields.finish()?;
        let mut tenant = present.clone();
        tenant.name = name.clone().or(tenant.name);
        tenant.plan = plan.clone().or(tenant.plan);
        tenant.retention_days = retention_days.clone().or(tenant.retention_days);
        let record = record(
            &origin,
            Action::TenantUpdated,
            Some(&present),
            Some(&tenant),
        );
        if state.api.store.update_tenant(&tenant, &record).await? {
            let webhooks = if plan == Patch::Keep {
                Changed::default()
            } else {
                state.apply_plan(&origin, &tenant, recovers).await?
            };
            let data = json!({ "tenant": View::from(&tenant), "webhooks": webhooks });
            return Ok(answer(StatusCode::OK, data));
        }
        tries.again().await?;
    }
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<TenantName>,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    rung_api::nothing(request).await?;
    let record = Record::new(&origin, None, Action::TenantDeleted, id.as_str());
    let store = &state.api.store;
    let job = match store.tenant_called(&id).await? {
        Some(tenant) => {
            let erasure = jobs::erasure(&state, &tenant.id, &origin, Subject::Tenant)?;
            jobs::begin(&state, erasure, &record).await?
        }
        // A repeat, as long as the erasure goes on.
        None => match store.last_deletion(id.as_str()).await? {
            Some(job) => store.job(&job).await?.filter(|job| job.status.is_open()),
            None => None,
        },
    };
    let job = job.ok_or_else(|| ApiError::not_found("tenant", id.as_str()))?;
    Ok(jobs::accepted(&state, &job))
}

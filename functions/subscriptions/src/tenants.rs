//! Tenants: the operator's calls.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    Api, ApiError, Code, ETag, Fields, NoQuery, Patch, Precondition, Query, answer,
    limits::NAME_CHARS, read,
};
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::{TenantId, TenantName},
        job::Subject,
        tenant::{Changes, OPERATORS_OWN, RESERVED_PREFIX, Scope, Tenant},
        time::Time,
    },
    limits::RETENTION_MARGIN,
};
use rung_dialect::{DEFAULT, limits::ID_CHARS};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Management, Path, dialect_named, id_to_make,
    ids::new_id,
    items, jobs,
    metadata::{self, merged, metadata},
    names_of,
    once::Once,
    plan::{self, Applied},
    read_only::{self, ReadOnly},
    tries::Tries,
    webhooks::replaced,
};

/// A customer of the operator.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub(crate) struct TenantView<'a> {
    id: &'a str,
    name: Option<&'a str>,
    /// The dialect of its webhooks.
    dialect: &'a str,
    plan: Option<&'a str>,
    /// The tenant's own retention in days, if set.
    retention_days: Option<u32>,
    /// Whatever the operator wants to keep with it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    metadata: &'a Json,
    created_at: Time,
}

impl<'a> From<&'a Tenant> for TenantView<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        Self {
            id: tenant.id.name(),
            name: tenant.name.as_deref(),
            dialect: &tenant.dialect,
            plan: tenant.plan.as_deref(),
            retention_days: tenant.retention_days,
            metadata: &tenant.metadata,
            created_at: Time::at_ms(tenant.created_ms),
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
    let view = |tenant: &Tenant| serde_json::to_value(TenantView::from(tenant)).unwrap_or_default();
    let tenant = after.or(before).map(|tenant| &tenant.id);
    let name = tenant.map(|tenant| tenant.name()).unwrap_or_default();
    Record::new(origin, tenant, action, name)
        .changing_all(Change::between(before.map(view), after.map(view)))
}

fn one(status: StatusCode, tenant: &Tenant) -> Response {
    stamped(
        status,
        tenant,
        json!({ "tenant": TenantView::from(tenant) }),
    )
}

/// An answer about a tenant, and about what a change of its plan did to its webhooks.
fn changed(state: &Management, status: StatusCode, tenant: &Tenant, applied: &Applied) -> Response {
    let job = applied.job.as_ref();
    let data = json!({
        "tenant": TenantView::from(tenant),
        "webhooks": applied.webhooks,
        "job": job.map(|job| jobs::part(state, job)),
    });
    stamped(status, tenant, data)
}

fn stamped(status: StatusCode, tenant: &Tenant, data: Value) -> Response {
    let response = etag(tenant).stamp(answer(status, data));
    if status == StatusCode::CREATED {
        return rung_api::located(response, &format!("/v1/tenants/{}", tenant.id.name()));
    }
    response
}

/// The version of a tenant's settings. Its own version also counts the changes of its webhooks.
fn etag(tenant: &Tenant) -> ETag {
    let settings = serde_json::to_vec(&TenantView::from(tenant)).unwrap_or_default();
    let mut hash = [0; 8];
    hash.copy_from_slice(&Sha256::digest(&settings)[..8]);
    ETag::of(tenant.created_ms, u64::from_be_bytes(hash))
}

/// All that a request says of a tenant, and the defaults of the rest.
struct Whole {
    name: String,
    dialect: String,
    plan: Option<String>,
    retention_days: Option<u32>,
    metadata: Option<Json>,
}

impl Whole {
    fn read(fields: &mut Fields<'_>, api: &Api) -> Result<Self, ApiError> {
        let name = fields.required("name", read::text(NAME_CHARS));
        let dialect = match fields.optional("dialect", dialect_named(api)) {
            Some(dialect) => dialect,
            None => api.dialect(DEFAULT)?.clone(),
        };
        let plan = fields.text("plan", ID_CHARS);
        plan::check(fields, &dialect, plan.as_deref());
        Ok(Self {
            name,
            dialect: dialect.name.clone(),
            plan,
            retention_days: fields.optional("retention_days", retention_days(api)),
            metadata: fields.optional("metadata", metadata),
        })
    }

    fn tenant(self, id: &TenantName, now_ms: u64) -> Tenant {
        Tenant {
            id: TenantId::first(id),
            name: Some(self.name),
            dialect: self.dialect,
            plan: self.plan,
            retention_days: self.retention_days,
            metadata: self.metadata.unwrap_or_else(Json::empty),
            webhooks: 0,
            webhook_shards: Default::default(),
            version: 0,
            changes: Changes::default(),
            portal_round: 0,
            created_ms: now_ms,
        }
    }
}

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api.operator(&headers, Scope::Admin).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    if let Some(first) = once.claim(&state, &headers, None, &body).await? {
        return Ok(first);
    }
    let mut fields = Fields::of(&body)?;
    let id = fields.optional("id", name_of_a_customer);
    let whole = Whole::read(&mut fields, api)?;
    fields.finish()?;
    let id = match id {
        Some(id) => id,
        None => new_id("tenant_", TenantName::parse)?,
    };
    let tenant = whole.tenant(&id, api.clock.now_ms());
    let record = record(&origin, Action::TenantCreated, None, Some(&tenant));
    let answer = one(StatusCode::CREATED, &tenant);
    let (record, answer) = once.answering(record, answer).await?;
    match api.store.create_tenant(&tenant, &record).await? {
        Some(_) => Ok(answer),
        None => {
            let problem = "already exists; choose another id, or update that tenant";
            Err(ApiError::of_field(Code::IdTaken, "id", problem))
        }
    }
}

fn plan_name(text: &str) -> Result<String, String> {
    let is_name = (1..=ID_CHARS).contains(&text.chars().count());
    let name = is_name.then(|| text.to_owned());
    name.ok_or_else(|| {
        format!("must be a plan of 1 to {ID_CHARS} characters, or several separated by commas")
    })
}

/// How often a page of a list with filters reads on.
const MOST_READS: u32 = 20;

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    let (metadata, query) = metadata::Wanted::split(query);
    let mut fields = Fields::of(&query)?;
    let page = state.api.page(&mut fields, &["tenants"]).await?;
    let plans = fields.optional("plan", |value| items(value, plan_name));
    let dialects: Vec<_> = state.api.dialects.names().collect();
    let dialects = fields.optional("dialect", |value| names_of(value, &dialects, |name| name));
    let text = fields.optional("q", read::text(NAME_CHARS));
    let text = text.map(|text| text.to_lowercase());
    fields.mention("metadata.NAME");
    fields.finish()?;
    let wanted = |tenant: &Tenant| {
        let has = |text: &String| {
            let mut texts = tenant.name.as_deref().into_iter().chain([tenant.id.name()]);
            texts.any(|found| found.to_lowercase().contains(text))
        };
        plans.as_ref().is_none_or(|plans| {
            let plan = tenant.plan.as_ref();
            plan.is_some_and(|plan| plans.contains(plan))
        }) && dialects
            .as_ref()
            .is_none_or(|dialects| dialects.contains(&tenant.dialect.as_str()))
            && text.as_ref().is_none_or(has)
            && metadata.takes(&tenant.metadata)
    };
    let store = &state.api.store;
    let (mut items, mut next) = (Vec::new(), page.after.clone());
    // Where few are wanted, a page ends early rather than late.
    for _ in 0..MOST_READS {
        let most = page.limit - items.len();
        let listed = store.tenants(page.order, next.as_deref(), most).await?;
        items.extend(listed.items.into_iter().filter(wanted));
        next = listed.next;
        if next.is_none() || items.len() == page.limit {
            break;
        }
    }
    let tenants: Vec<_> = items.iter().map(TenantView::from).collect();
    Ok(page.answer("tenants", &tenants, next.as_deref()))
}

/// Who makes an operator's call that needs `scope`, and the tenant that it is about.
pub(crate) async fn named(
    state: &Management,
    headers: &HeaderMap,
    scope: Scope,
    id: &TenantName,
) -> Result<(Origin, Tenant), ApiError> {
    let origin = state.api.operator_for(headers, scope, id.as_str()).await?;
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

/// Reads whether the webhooks are to be sent what they missed.
fn recovers(query: &Json) -> Result<bool, ApiError> {
    let mut fields = Fields::of(query)?;
    let recovers = fields.optional("recover", read::flag_text).unwrap_or(false);
    fields.finish()?;
    Ok(recovers)
}

/// Makes a tenant under its id, or replaces what is set of the one that has it.
pub(crate) async fn put(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api.operator_for(&headers, Scope::Admin, &id).await?;
    let id = id_to_make(&id, TenantName::parse)?;
    let precondition = Precondition::read(&headers)?;
    let recovers = recovers(&query)?;
    let body = rung_api::body_beside_query(request, REQUEST_BYTES, 1).await?;
    let mut tries = Tries::to_change("tenant");
    loop {
        let present = api.store.tenant_called(&id).await?;
        precondition.check(present.as_ref().map(etag).as_ref())?;
        let mut fields = Fields::of(&body)?;
        let named = fields.optional("id", read::id(TenantName::parse));
        if named.is_some_and(|named| named != id) {
            fields.problem("id", "differs from the path's; omit it");
        } else if let Err(problem) = name_of_a_customer(&Json::String(id.to_string())) {
            fields.problem("id", problem);
        }
        let created_ms = fields.optional("created_at", read::time_ms);
        let whole = Whole::read(&mut fields, api)?;
        fields.finish()?;
        let new = whole.tenant(&id, created_ms.unwrap_or_else(|| api.clock.now_ms()));
        let Some(present) = present else {
            let record = record(&origin, Action::TenantCreated, None, Some(&new));
            if let Some(made) = api.store.create_tenant(&new, &record).await? {
                let applied = Applied::default();
                return Ok(changed(&state, StatusCode::CREATED, &made, &applied));
            }
            tries.again().await?;
            continue;
        };
        let tenant = Tenant {
            id: present.id.clone(),
            webhooks: present.webhooks,
            webhook_shards: present.webhook_shards.clone(),
            version: present.version,
            changes: present.changes.clone(),
            portal_round: present.portal_round,
            created_ms: created_ms.unwrap_or(present.created_ms),
            ..new
        };
        let record = record(
            &origin,
            Action::TenantUpdated,
            Some(&present),
            Some(&tenant),
        );
        if tenant == present || api.store.update_tenant(&tenant, &record).await? {
            let applied = state.apply_plan(&origin, &tenant, recovers).await?;
            return Ok(changed(&state, StatusCode::OK, &tenant, &applied));
        }
        tries.again().await?;
    }
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<TenantName>,
    Query(query): Query,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api
        .operator_for(&headers, Scope::Admin, id.as_str())
        .await?;
    let precondition = Precondition::read(&headers)?;
    let recovers = recovers(&query)?;
    let body = rung_api::body_beside_query(request, REQUEST_BYTES, 1).await?;
    let mut tries = Tries::to_change("tenant");
    loop {
        let present = api.tenant(id.as_str()).await?;
        precondition.check(Some(&etag(&present)))?;
        let mut fields = Fields::of(&body)?;
        let shown = serde_json::to_value(TenantView::from(&present)).unwrap_or_default();
        let own = [ReadOnly::Settled("id"), ReadOnly::Settled("created_at")];
        read_only::check(&mut fields, &own, Some(&shown));
        let name = fields.patch("name", read::text(NAME_CHARS));
        let name = replaced(&mut fields, "name", name);
        let dialect = fields.patch("dialect", dialect_named(api));
        let dialect = match replaced(&mut fields, "dialect", dialect) {
            Some(dialect) => dialect,
            None => api.dialect(&present.dialect)?.clone(),
        };
        if id.as_str() == OPERATORS_OWN && dialect.name != present.dialect {
            let problem = format!(
                "is `{}`, which has the types of operator events",
                present.dialect
            );
            fields.problem("dialect", problem);
        }
        let plan = fields.patch_text("plan", ID_CHARS);
        let retention_days = fields.patch("retention_days", retention_days(api));
        let metadata = fields.patch("metadata", |changes| {
            metadata(&merged(&present.metadata, changes))
        });
        let keeps_plan = plan == Patch::Keep;
        let moves = !keeps_plan || dialect.name != present.dialect;
        let mut tenant = present.clone();
        tenant.name = name.or(tenant.name);
        tenant.dialect.clone_from(&dialect.name);
        tenant.plan = plan.or(tenant.plan);
        tenant.retention_days = retention_days.or(tenant.retention_days);
        tenant.metadata = (metadata.or(Some(tenant.metadata))).unwrap_or_else(Json::empty);
        if moves {
            plan::check(&mut fields, &dialect, tenant.plan.as_deref());
        }
        // Another dialect is for new webhooks: alone it disables none.
        if keeps_plan && tenant.plan.is_none() && !dialect.allows_plan(None) {
            let before = api.dialect(&present.dialect);
            if before.is_ok_and(|before| before.allows_plan(None)) {
                plan::demand(&mut fields, &dialect);
            }
        }
        fields.finish()?;
        let record = record(
            &origin,
            Action::TenantUpdated,
            Some(&present),
            Some(&tenant),
        );
        if tenant == present || api.store.update_tenant(&tenant, &record).await? {
            let applied = if moves || recovers {
                state.apply_plan(&origin, &tenant, recovers).await?
            } else {
                Applied::default()
            };
            return Ok(changed(&state, StatusCode::OK, &tenant, &applied));
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
    let origin = state
        .api
        .operator_for(&headers, Scope::Admin, id.as_str())
        .await?;
    let precondition = Precondition::read(&headers)?;
    rung_api::nothing(request).await?;
    if id.as_str() == OPERATORS_OWN {
        return Err(Code::OwnTenant.into());
    }
    let record = Record::new(&origin, None, Action::TenantDeleted, id.as_str());
    let store = &state.api.store;
    let job = match store.tenant_called(&id).await? {
        Some(tenant) => {
            precondition.check(Some(&etag(&tenant)))?;
            let webhooks = store.webhooks_of(&tenant.id).await?;
            let subject = (&tenant.id, Subject::Tenant);
            let job = jobs::erase(&state, &origin, subject, &record).await?;
            for webhook in &webhooks {
                state.control.follow_deletion(webhook).await?;
            }
            job
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

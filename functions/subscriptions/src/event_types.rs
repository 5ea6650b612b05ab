//! Event types: those of the dialects' files, and what the operator and tenants define in their place and beside them.
//!
//! An operator's key without `Rung-Tenant` is about the deployment's types in one dialect, all others are about one tenant's.

mod exported;
pub(crate) mod openapi;
mod request;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Caller, Code, ETag, Fields, Need, Precondition, Query, answer, limits::EVENT_TYPES,
    located, read,
};
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        event_type::{Definition, Deprecated, Owner, Source},
        id::TenantId,
        tenant::Scope,
        time::Time,
    },
    flow::EventTypes,
    store::span::Order,
};
use rung_dialect::{DEFAULT, Dialect, is_event_type, is_reserved_type};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use self::exported::Exported;
use self::request::Whole;
use crate::{Management, Path, dialect_named, tries::Tries};

/// An event type.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventType")]
pub(crate) struct EventTypeView<'a> {
    r#type: &'a str,
    /// The tenant whose own definition it is; null for the deployment's and the dialect's.
    tenant_id: Option<&'a str>,
    /// Where what is said of it comes from: `dialect`, `deployment` or `tenant`.
    source: &'a str,
    /// Other names that it is published and subscribed by.
    aliases: &'a [String],
    groups: &'a [String],
    description: Option<&'a str>,
    /// What its data looks like.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    sample: Option<&'a Json>,
    /// The JSON Schema of its data; null if that may be anything.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    schema: Option<&'a Json>,
    /// Which of the definition's schemas it is: 1 for the first, and one more with each change. Null without a schema.
    schema_version: Option<u64>,
    deprecated: Option<DeprecatedView<'a>>,
    /// Whether publishing this type is refused.
    archived: bool,
}

/// Since when an event type should not be published any more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deprecated")]
struct DeprecatedView<'a> {
    since: Time,
    /// The type that takes its place.
    r#use: Option<&'a str>,
}

impl<'a> From<&'a Deprecated> for DeprecatedView<'a> {
    fn from(deprecated: &'a Deprecated) -> Self {
        Self {
            since: Time::at_ms(deprecated.since_ms),
            r#use: deprecated.r#use.as_deref(),
        }
    }
}

/// The event types that a call is about.
struct Types {
    /// Whose they are; the deployment's if nobody's.
    tenant: Option<TenantId>,
    /// Their dialect, as its file has it.
    dialect: Arc<Dialect>,
    /// The same with what is defined.
    spoken: Arc<Dialect>,
    all: EventTypes,
}

/// What stands for what a definition leaves out.
#[derive(Default)]
struct Beneath {
    groups: Vec<String>,
    sample: Option<Json>,
}

impl Types {
    fn owner(&self) -> Owner<'_> {
        match &self.tenant {
            Some(tenant) => Owner::Tenant(tenant),
            None => Owner::Deployment(&self.dialect.name),
        }
    }

    fn defined(&self, name: &str) -> Option<(&Definition, Source)> {
        self.all.definition(&self.dialect.name, name)
    }

    /// The definition that stands where the caller's own would.
    fn own(&self, name: &str) -> Option<&Definition> {
        let (definition, source) = self.defined(name)?;
        (source == self.own_source()).then_some(definition)
    }

    /// Where the caller's own definitions come from.
    fn own_source(&self) -> Source {
        match self.tenant {
            Some(_) => Source::Tenant,
            None => Source::Deployment,
        }
    }

    /// What nobody can choose of a type of the caller's own that there is not yet.
    fn view_to_be(&self, name: &str) -> Value {
        let tenant = self.tenant.as_ref().map(TenantId::name);
        let source = self.own_source().as_str();
        json!({ "type": name, "tenant_id": tenant, "source": source, "aliases": [] })
    }

    fn view_of<'a>(&'a self, definition: &'a Definition, source: Source) -> EventTypeView<'a> {
        let listed = self.dialect.catalogue.get(&definition.name);
        let tenant = self.tenant.as_ref().filter(|_| source == Source::Tenant);
        EventTypeView {
            r#type: &definition.name,
            tenant_id: tenant.map(TenantId::name),
            source: source.as_str(),
            aliases: listed.map_or(&[], |listed| &listed.aliases),
            groups: &definition.groups,
            description: definition.description.as_deref(),
            sample: definition.sample.as_ref(),
            schema: definition.schema.as_ref(),
            schema_version: definition
                .schema
                .as_ref()
                .map(|_| definition.schema_version),
            deprecated: definition.deprecated.as_ref().map(DeprecatedView::from),
            archived: definition.archived,
        }
    }

    /// What is in force for a type that the caller's own definition stands before.
    fn beneath(&self, name: &str) -> Beneath {
        let of_deployment = match self.tenant {
            Some(_) => self.all.of_deployment(&self.dialect.name, name),
            None => None,
        };
        let listed = self.dialect.catalogue.get(name);
        match (of_deployment, listed) {
            (Some(definition), _) => Beneath {
                groups: definition.groups.clone(),
                sample: definition.sample.clone(),
            },
            (None, Some(listed)) => Beneath {
                groups: listed.groups.clone(),
                sample: Some(listed.sample.clone()),
            },
            (None, None) => Beneath::default(),
        }
    }

    /// The type of this name or alias, if the dialect's file or a definition knows it.
    fn view<'a>(&'a self, name: &'a str) -> Option<EventTypeView<'a>> {
        let listed = self.dialect.catalogue.get(name);
        let name = listed.map_or(name, |listed| &listed.name);
        if let Some((definition, source)) = self.defined(name) {
            return Some(self.view_of(definition, source));
        }
        let listed = listed?;
        Some(EventTypeView {
            r#type: name,
            tenant_id: None,
            source: Source::Dialect.as_str(),
            aliases: &listed.aliases,
            groups: &listed.groups,
            description: Some(&listed.description),
            sample: Some(&listed.sample),
            schema: listed.schema.as_ref().map(|schema| schema.given()),
            schema_version: listed.schema.as_ref().map(|_| 1),
            deprecated: None,
            archived: false,
        })
    }
}

/// The version of an event type as answers show it.
fn etag(view: &EventTypeView<'_>) -> ETag {
    let mut hash = [0; 8];
    let shown = serde_json::to_vec(view).unwrap_or_default();
    hash.copy_from_slice(&Sha256::digest(&shown)[..8]);
    ETag::of(0, u64::from_be_bytes(hash))
}

fn one(status: StatusCode, view: &EventTypeView<'_>) -> Response {
    etag(view).stamp(answer(status, json!({ "event_type": view })))
}

/// Whose event types a call is about, and what else its query says.
async fn types(
    state: &Management,
    caller: Option<&Caller>,
    fields: &mut Fields<'_>,
) -> Result<Types, ApiError> {
    let named = fields.optional("dialect", dialect_named(&state.api));
    let tenant = caller.map(|caller| &caller.tenant);
    if tenant.is_some() && named.is_some() {
        let problem = "is for the deployment's event types, with an operator's key without `Rung-Tenant`; a tenant's are those of its own dialect";
        fields.problem("dialect", problem);
    }
    let dialect = match (tenant, named) {
        (Some(tenant), _) => Arc::clone(state.api.dialect(&tenant.dialect)?),
        (None, Some(dialect)) => dialect,
        (None, None) => Arc::clone(state.api.dialect(DEFAULT)?),
    };
    let tenant = tenant.map(|tenant| tenant.id.clone());
    read_types(state, tenant, dialect).await
}

async fn read_types(
    state: &Management,
    tenant: Option<TenantId>,
    dialect: Arc<Dialect>,
) -> Result<Types, ApiError> {
    let publisher = &state.control.publisher;
    let all = publisher.event_types(tenant.as_ref()).await?;
    let spoken = Arc::clone(all.dialect(&dialect.name).unwrap_or(&dialect));
    Ok(Types {
        tenant,
        spoken,
        dialect,
        all,
    })
}

/// The one form besides pages in which event types are listed.
fn format(value: &Json) -> Result<(), String> {
    match value.as_str() {
        Some("openapi") => Ok(()),
        _ => Err("must be `openapi`, or be left out".to_owned()),
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.api.caller_or_operator(&headers, Need::any()).await?;
    let mut fields = Fields::of(&query)?;
    let types = types(&state, caller.as_ref(), &mut fields).await?;
    let tenant = types.tenant.as_ref().map_or("", TenantId::as_str);
    let names = ["event types", tenant, &types.dialect.name];
    let is_described = fields.optional("format", format).is_some();
    let page = state
        .api
        .page_from(&mut fields, &names, Order::OldestFirst)
        .await?;
    let archived = fields
        .optional("archived", read::flag_text)
        .unwrap_or(false);
    fields.finish()?;
    let catalogue = &types.spoken.catalogue;
    let listed = catalogue.types().iter();
    let listed = listed.filter(|listed| archived || !listed.archived);
    if is_described {
        let mut names: Vec<_> = listed.map(|listed| listed.name.as_str()).collect();
        names.sort_unstable();
        return Ok(openapi::answer(&types, names.into_iter()));
    }
    let after = page.after.as_deref();
    let listed = listed.map(|listed| listed.name.as_str());
    // One that is gone since has its place among the others still.
    let mut names: Vec<_> = listed
        .filter(|name| after.is_none_or(|after| page.order.compare(*name, after).is_gt()))
        .collect();
    names.sort_by(|one, other| page.order.compare(*one, *other));
    let shown: Vec<_> = names.iter().copied().take(page.limit).collect();
    let next = shown.last().filter(|_| shown.len() < names.len());
    let views: Vec<_> = shown.iter().filter_map(|name| types.view(name)).collect();
    let data = json!({
        "event_types": views,
        "groups": catalogue.groups(),
        "next_cursor": page.cursor(next.copied()),
    });
    Ok(answer(StatusCode::OK, data))
}

/// The type that a path names.
///
/// # Errors
/// 422 when its last segment is `schema`: that names no type.
fn checked(name: &str) -> Result<&str, ApiError> {
    if is_reserved_type(name) {
        let problem = "may not end with the segment `schema`; choose another name";
        return Err(ApiError::of_field(Code::ReservedType, "type", problem));
    }
    Ok(name)
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.api.caller_or_operator(&headers, Need::any()).await?;
    let name = checked(&path)?;
    let mut fields = Fields::of(&query)?;
    let types = types(&state, caller.as_ref(), &mut fields).await?;
    fields.finish()?;
    let view = types.view(name);
    let view = view.ok_or_else(|| ApiError::not_found("event type", name))?;
    Ok(one(StatusCode::OK, &view))
}

/// Who changes event types, and which: the caller as the audit log names it, and the types as they are.
async fn changing(
    state: &Management,
    headers: &HeaderMap,
    query: &Json,
) -> Result<(Origin, Types), ApiError> {
    let need = Scope::Catalogue;
    let caller = state.api.caller_or_operator(headers, need).await?;
    let mut fields = Fields::of(query)?;
    let types = types(state, caller.as_ref(), &mut fields).await?;
    fields.finish()?;
    let origin = match caller {
        Some(caller) => caller.origin,
        None => state.api.operator(headers, Scope::Catalogue).await?,
    };
    Ok((origin, types))
}

/// The audit log's record of what becomes of a definition.
fn record(
    origin: &Origin,
    types: &Types,
    action: Action,
    name: &str,
    after: Option<&EventTypeView<'_>>,
) -> Record {
    let before = types.own(name).and_then(|_| types.view(name));
    let shown = |view: &EventTypeView<'_>| serde_json::to_value(view).unwrap_or_default();
    let changes = Change::between(before.as_ref().map(shown), after.map(shown));
    Record::new(origin, types.tenant.as_ref(), action, name).changing_all(changes)
}

/// Defines an event type, or replaces what is said of it.
pub(crate) async fn put(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    Query(query): Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, mut types) = changing(&state, &headers, &query).await?;
    let name = checked(&path)?;
    if !is_event_type(name) {
        let problem = "must be 1 to 128 characters from A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, with no segment that is empty, `.` or `..`";
        return Err(ApiError::of_field(Code::InvalidRequest, "type", problem));
    }
    let precondition = Precondition::read(&headers)?;
    let body = rung_api::body_beside_query(request, REQUEST_BYTES, 1).await?;
    let store = &state.api.store;
    let now_ms = state.api.clock.now_ms();
    let mut tries = Tries::to_change("event type");
    loop {
        let present = types.view(name);
        precondition.check(present.as_ref().map(etag).as_ref())?;
        let name = present.as_ref().map_or(name, |present| present.r#type);
        let whole = Whole::read(&body, &types, name, now_ms)?;
        let own = types.own(name);
        if own.is_none() && store.event_types_of(types.owner()).await?.len() >= EVENT_TYPES {
            return Err(Code::TooManyEventTypes.into());
        }
        let definition = whole.definition(name, own);
        let (status, action) = match present {
            Some(_) => (StatusCode::OK, Action::EventTypeUpdated),
            None => (StatusCode::CREATED, Action::EventTypeCreated),
        };
        let view = types.view_of(&definition, types.own_source());
        let record = record(&origin, &types, action, name, Some(&view));
        let owner = types.owner();
        let says_the_same = record.changes.is_empty();
        if says_the_same || store.put_event_type(owner, &definition, &record).await? {
            let response = one(status, &view);
            if status == StatusCode::CREATED {
                let dialect = query.get("dialect").and_then(Json::as_str);
                let dialect = dialect.map(|dialect| format!("?dialect={dialect}"));
                let path = format!("/v1/event-types/{name}{}", dialect.unwrap_or_default());
                return Ok(located(response, &path));
            }
            return Ok(response);
        }
        tries.again().await?;
        types = read_types(&state, types.tenant.clone(), Arc::clone(&types.dialect)).await?;
    }
}

/// Deletes the caller's own definition: the definition that it overrode applies again.
pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    Query(query): Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, mut types) = changing(&state, &headers, &query).await?;
    let name = checked(&path)?;
    let precondition = Precondition::read(&headers)?;
    rung_api::nothing_beside_query(request).await?;
    let mut tries = Tries::to_change("event type");
    loop {
        let present = types.view(name);
        let present = present.ok_or_else(|| ApiError::not_found("event type", name))?;
        precondition.check(Some(&etag(&present)))?;
        let name = present.r#type;
        let own = types.own(name).ok_or(Code::EventTypeInherited)?;
        let record = record(&origin, &types, Action::EventTypeDeleted, name, None);
        let store = &state.api.store;
        if store.delete_event_type(types.owner(), own, &record).await? {
            let data = json!({
                "event_type": { "type": name, "tenant_id": types.tenant.as_ref().map(TenantId::name), "deleted": true },
            });
            return Ok(answer(StatusCode::OK, data));
        }
        tries.again().await?;
        types = read_types(&state, types.tenant.clone(), Arc::clone(&types.dialect)).await?;
    }
}

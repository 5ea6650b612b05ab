//! The catalogue of the caller's dialect, for whoever subscribes and whoever publishes.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use rung_api::{ApiError, Caller, Code, NoQuery, Query, answer, limits::TENANT_SCHEMAS};
use rung_core::{
    aside::aside,
    domain::{
        audit::{Action, Change},
        tenant::Scope,
    },
};
use rung_dialect::Catalogue;
use rung_json::{Json, JsonFault, JsonPath, limits::REQUEST_BYTES, schema::Schema};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, Path};

/// An event type of the tenant's dialect.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventType")]
pub(crate) struct View<'a> {
    r#type: &'a str,
    aliases: &'a [String],
    group: Option<&'a str>,
    groups: &'a [String],
    description: Option<&'a str>,
    sample: &'a Json,
    /// The schema of its data.
    #[schemars(with = "Option<Json>")]
    schema: Option<&'a Json>,
}

/// The schemas that a tenant has given its types itself.
type OwnSchemas = Vec<(String, Json)>;

fn own<'a>(schemas: &'a OwnSchemas, name: &str) -> Option<&'a Json> {
    let (_, schema) = schemas.iter().find(|(known, _)| known == name)?;
    Some(schema)
}

fn view<'a>(catalogue: &'a Catalogue, schemas: &'a OwnSchemas, name: &'a str) -> Option<View<'a>> {
    if let Some(listed) = catalogue.get(name) {
        return Some(View {
            r#type: &listed.name,
            aliases: &listed.aliases,
            group: listed.groups.first().map(String::as_str),
            groups: &listed.groups,
            description: Some(&listed.description),
            sample: &listed.sample,
            schema: own(schemas, &listed.name).or_else(|| Some(listed.schema.as_ref()?.given())),
        });
    }
    // An open catalogue has any type, though it knows nothing else of it.
    Some(View {
        r#type: catalogue.resolve_type(name)?,
        aliases: &[],
        group: None,
        groups: &[],
        description: None,
        sample: catalogue.sample(name)?,
        schema: own(schemas, name),
    })
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.api.any_caller(&headers).await?;
    let names = ["event types", caller.tenant.id.as_str()];
    let page = state.api.only_page(&query, &names).await?;
    let catalogue = &state.api.dialect(&caller.tenant.dialect)?.catalogue;
    let schemas = state.api.store.schemas_of(&caller.tenant.id).await?;
    let listed = catalogue.types().iter().map(|listed| listed.name.as_str());
    // Of an open catalogue, the types that the tenant has said something of.
    let described = schemas.iter().map(|(name, _)| name.as_str());
    let names = listed.chain(described.filter(|name| catalogue.get(name).is_none()));
    let names: Vec<_> = names.collect();
    // A type that is gone since leads back to the beginning: better told twice than not.
    let after = page.after.as_deref();
    let first = after.and_then(|after| names.iter().position(|name| *name == after));
    let rest = &names[first.map_or(0, |last| last + 1)..];
    let shown = &rest[..page.limit.min(rest.len())];
    let next = shown.last().filter(|_| shown.len() < rest.len());
    let views = shown
        .iter()
        .filter_map(|name| view(catalogue, &schemas, name));
    let data = json!({
        "event_types": views.collect::<Vec<_>>(),
        "groups": catalogue.groups(),
        "any_type": catalogue.takes_any_type(),
        "next_cursor": page.cursor(next.copied()),
    });
    Ok(answer(StatusCode::OK, data))
}

/// A type, or the schema of one: types have slashes in them, so that the router cannot tell.
pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    uri: Uri,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.api.any_caller(&headers).await?;
    let of_schema = type_of_path(&uri, &path)?;
    let catalogue = &state.api.dialect(&caller.tenant.dialect)?.catalogue;
    let schemas = state.api.store.schemas_of(&caller.tenant.id).await?;
    let name = of_schema.unwrap_or(&path);
    let view = view(catalogue, &schemas, name);
    let view = view.ok_or_else(|| ApiError::not_found("event type", name))?;
    if of_schema.is_none() {
        return Ok(answer(StatusCode::OK, json!({ "event_type": view })));
    }
    let schema = view
        .schema
        .ok_or_else(|| ApiError::not_found("schema of the event type", name))?;
    Ok(answer(StatusCode::OK, json!({ "schema": schema })))
}

pub(crate) async fn put_schema(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.api.caller(&headers, Scope::Catalogue).await?;
    let Some(name) = type_of_path(request.uri(), &path)? else {
        return Ok(only_read());
    };
    let name = type_of_schema(&state, &caller, name)?;
    let body = rung_api::body(request, REQUEST_BYTES, 0).await?;
    let schema = aside(|| Schema::compile(&body)).map_err(refused)?;
    let store = &state.api.store;
    let present = store.schemas_of(&caller.tenant.id).await?;
    if present.len() >= TENANT_SCHEMAS && own(&present, &name).is_none() {
        let message = format!("a tenant may have at most {TENANT_SCHEMAS} schemas of its own");
        return Err(ApiError::new(Code::TooManyEventTypes, message));
    }
    let before = own(&present, &name).map(|schema| json!(schema));
    let record = caller
        .record(Action::EventTypeSchemaSet, name.as_str())
        .changing(Change::of(
            "schema",
            before.unwrap_or_default(),
            json!(schema),
        ));
    let tenant = &caller.tenant.id;
    if store.put_schema(tenant, &name, &schema, &record).await? {
        Ok(answer(StatusCode::OK, json!({ "schema": schema })))
    } else {
        Err(ApiError::not_found("tenant", caller.tenant.id.name()))
    }
}

pub(crate) async fn delete_schema(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.api.caller(&headers, Scope::Catalogue).await?;
    let Some(name) = type_of_path(request.uri(), &path)? else {
        return Ok(only_read());
    };
    let name = type_of_schema(&state, &caller, name)?;
    rung_api::nothing(request).await?;
    let store = &state.api.store;
    let tenant = &caller.tenant.id;
    let present = store.schemas_of(tenant).await?;
    let before = own(&present, &name).map(|schema| json!(schema));
    let record = caller
        .record(Action::EventTypeSchemaDeleted, name.as_str())
        .changing(Change::of(
            "schema",
            before.unwrap_or_default(),
            serde_json::Value::Null,
        ));
    if store.delete_schema(tenant, &name, &record).await? {
        let data = json!({ "schema": { "type": name, "deleted": true } });
        Ok(answer(StatusCode::OK, data))
    } else {
        Err(ApiError::not_found("own schema of the event type", &name))
    }
}

const SCHEMA: &str = "/schema";

/// The type whose schema a path names; `None` when it names a type itself. In a type's own name a slash before `schema` would be
/// encoded, and no type has such a name: `order%2Fschema` is not the schema of `order`.
///
/// # Errors
/// 422 when the last segment of the type is `schema`.
fn type_of_path<'p>(uri: &Uri, path: &'p str) -> Result<Option<&'p str>, ApiError> {
    let of_schema = path
        .strip_suffix(SCHEMA)
        .filter(|_| uri.path().ends_with(SCHEMA));
    let name = of_schema.unwrap_or(path);
    if name.rsplit('/').next() == Some("schema") {
        let problem = "may not end with the segment `schema`; choose another name";
        return Err(ApiError::of_field(Code::ReservedType, "type", problem));
    }
    Ok(of_schema)
}

/// What is answered where a type itself is to be changed: the router knows one path for it and its schema.
fn only_read() -> Response {
    let mut response = ApiError::from(Code::MethodNotAllowed).into_response();
    let allow = HeaderValue::from_static("GET,HEAD");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The type whose schema is named.
fn type_of_schema(state: &Management, caller: &Caller, name: &str) -> Result<String, ApiError> {
    let catalogue = &state.api.dialect(&caller.tenant.dialect)?.catalogue;
    let known = catalogue.resolve_type(name).map(str::to_owned);
    known.ok_or_else(|| ApiError::not_found("event type", name))
}

fn refused(fault: JsonFault) -> ApiError {
    let field = if fault.path == JsonPath::default() {
        "body".to_owned()
    } else {
        fault.path.to_string()
    };
    ApiError::of_field(Code::InvalidRequest, field, fault.reason)
}

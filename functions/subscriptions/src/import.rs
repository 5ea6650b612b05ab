//! Imports: the lines of an export, each taken as the call takes it that makes or replaces one such thing.

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use rung_api::{
    ApiError, Code, NoQuery, Query, TENANT_HEADER, answer,
    limits::{COUNTING_MS, IMPORT_BYTES, IMPORT_LINES, IMPORT_TOLD_BYTES},
    refused_with,
};
use rung_core::domain::{id::TenantName, tenant::Scope};
use rung_json::{Json, limits::STORED_JSON_DEPTH};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Management, Path, event_types, keys, once::Once, tenants, webhooks};

/// The result of importing a line.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ImportResult {
    /// The line's number, from 1.
    line: usize,
    /// `tenant`, `key`, `event_type`, `webhook`, `event` or `log`; null if it is none of these.
    kind: Option<&'static str>,
    /// The status of the call that creates or replaces this item alone: 201 if it is new, 200 if it existed or is not imported.
    status: u16,
    /// Of a webhook: what it subscribes to that its dialect does not know here, such as a type that was deleted.
    unknown_events: Vec<String>,
    /// Why it was refused.
    #[schemars(schema_with = "error_or_null")]
    error: Option<Value>,
}

fn error_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "$ref": "#/components/schemas/ErrorBody" }, { "type": "null" }] })
}

/// Takes the lines one after the other, as far as there is time and room for the results.
pub(crate) async fn take(
    State(state): State<Management>,
    headers: HeaderMap,
    _: NoQuery,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    state.api.operators_key(&headers, Scope::Admin).await?;
    let text = rung_api::bytes(request, IMPORT_BYTES).await?;
    let repeated = once.claim_bytes(&state, &headers, None, &text).await?;
    if let Some(first) = repeated {
        return Ok(first);
    }
    let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
    let import = Import { state, headers };
    let (mut results, mut told_bytes) = (Vec::new(), 0);
    let mut next_line = None;
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        if results.len() == IMPORT_LINES
            || told_bytes >= IMPORT_TOLD_BYTES
            || import.state.api.clock.wall_ms() >= deadline_ms
        {
            next_line = Some(index + 1);
            break;
        }
        let (kind, taken) = import.line(line).await;
        let (status, unknown_events, error) = match taken {
            Ok((status, unknown_events)) => (status, unknown_events, None),
            Err(error) => {
                let told = serde_json::to_value(&error).ok();
                (error.code.status(), Vec::new(), told)
            }
        };
        told_bytes += error.as_ref().map_or(0, |error| error.to_string().len());
        told_bytes += unknown_events.iter().map(String::len).sum::<usize>();
        results.push(ImportResult {
            line: index + 1,
            kind,
            status: status.as_u16(),
            unknown_events,
            error,
        });
    }
    let refusal = refusal(&results);
    let data = json!({ "results": results, "next_line": next_line });
    Ok(match refusal {
        Some(code) => refused_with(code.into(), data),
        None => answer(StatusCode::OK, data),
    })
}

/// What an import is refused with of which no line was taken. 503 if all of them failed for Rung's own reasons, so that the same request
/// may succeed later. An import without lines takes all it has.
fn refusal(results: &[ImportResult]) -> Option<Code> {
    if results.is_empty() || results.iter().any(|result| result.error.is_none()) {
        return None;
    }
    let unavailable = StatusCode::SERVICE_UNAVAILABLE.as_u16();
    Some(
        match results.iter().all(|result| result.status == unavailable) {
            true => Code::Unavailable,
            false => Code::ImportRefused,
        },
    )
}

/// The kinds of lines.
const KINDS: [&str; 6] = ["tenant", "key", "event_type", "webhook", "event", "log"];

/// What a line was answered, and what its webhook subscribes to that nobody knows.
type Taken = (StatusCode, Vec<String>);

struct Import {
    state: Management,
    /// Those of the import.
    headers: HeaderMap,
}

impl Import {
    async fn line(&self, line: &[u8]) -> (Option<&'static str>, Result<Taken, ApiError>) {
        let refused = |problem| {
            let error = ApiError::of_field(Code::InvalidRequest, "line", problem);
            (None, Err(error))
        };
        let json = match Json::parse(line, STORED_JSON_DEPTH) {
            Ok(json) => json,
            Err(fault) => return (None, Err(fault.into())),
        };
        let Some([(name, thing)]) = json.as_object() else {
            return refused("must be an object with one member");
        };
        let Some(kind) = KINDS.into_iter().find(|kind| kind == name) else {
            return refused("must be a `tenant`, `key`, `event_type`, `webhook`, `event` or `log`");
        };
        let taken = match kind {
            // The history of another deployment.
            "event" | "log" => Ok((StatusCode::OK, Vec::new())),
            _ => Box::pin(self.thing(kind, thing)).await,
        };
        (Some(kind), taken)
    }

    /// Makes or replaces one thing.
    async fn thing(&self, kind: &str, thing: &Json) -> Result<Taken, ApiError> {
        let tenant = self.tenant_of(kind, thing)?;
        let headers = self.headers_for(tenant.as_ref())?;
        let state = State(self.state.clone());
        let answered = match (kind, tenant) {
            ("tenant", Some(tenant)) => {
                let request = request(thing, &[]);
                let id = Path(tenant.to_string());
                Box::pin(tenants::put(
                    state,
                    headers,
                    id,
                    Query(Json::empty()),
                    request,
                ))
                .await
            }
            ("key", Some(tenant)) => {
                let request = request(thing, &["tenant_id"]);
                keys::tenants::put(&self.state, &headers, &tenant, request).await
            }
            ("webhook", _) => {
                let id = text(thing, "id").unwrap_or_default();
                let request = request(thing, &[]);
                return Box::pin(webhooks::import(&self.state, &headers, id, request)).await;
            }
            (_, tenant) => {
                let name = text(thing, "type").unwrap_or_default().to_owned();
                // A tenant's own are for whichever dialect the tenant has.
                let dialect = thing.get("dialect").filter(|_| tenant.is_none());
                let dialect = dialect.map(|dialect| ("dialect".to_owned(), dialect.clone()));
                let query = Query(Json::Object(Vec::from_iter(dialect)));
                let request = request(thing, &["type", "tenant_id", "dialect"]);
                Box::pin(event_types::put(state, headers, Path(name), query, request)).await
            }
        };
        Ok((answered?.status(), Vec::new()))
    }

    /// The tenant that a thing is or belongs to; none for an event type of the deployment's.
    fn tenant_of(&self, kind: &str, thing: &Json) -> Result<Option<TenantName>, ApiError> {
        let member = if kind == "tenant" { "id" } else { "tenant_id" };
        let is_deployments =
            kind == "event_type" && matches!(thing.get(member), None | Some(Json::Null));
        let tenant = text(thing, member).and_then(|name| TenantName::parse(name).ok());
        if tenant.is_none() && !is_deployments {
            return Err(match thing.get(member) {
                None | Some(Json::Null) => ApiError::missing(member),
                Some(_) => must_be_an_id(member),
            });
        }
        let named = self.headers.get(TENANT_HEADER);
        let is_wanted = match &tenant {
            Some(tenant) => named.is_none_or(|named| named == tenant.as_str()),
            None => named.is_none(),
        };
        if !is_wanted {
            let problem = "differs from `Rung-Tenant`; omit the header to import all lines";
            return Err(ApiError::of_field(Code::TenantMismatch, member, problem));
        }
        Ok(tenant)
    }

    /// The headers of the import, for the call about a tenant's thing.
    fn headers_for(&self, tenant: Option<&TenantName>) -> Result<HeaderMap, ApiError> {
        let mut headers = self.headers.clone();
        // These are about the import, not about each of its lines.
        for name in [
            TENANT_HEADER,
            "Idempotency-Key",
            "If-Match",
            "If-None-Match",
        ] {
            headers.remove(name);
        }
        if let Some(tenant) = tenant {
            let tenant = HeaderValue::from_str(tenant.as_str()).map_err(|_| Code::Internal)?;
            headers.insert(TENANT_HEADER, tenant);
        }
        Ok(headers)
    }
}

fn text<'j>(thing: &'j Json, name: &str) -> Option<&'j str> {
    thing.get(name).and_then(Json::as_str)
}

fn must_be_an_id(member: &str) -> ApiError {
    ApiError::of_field(Code::InvalidRequest, member, "must be an id")
}

/// The request for a thing: its members but for those that stand elsewhere in the call.
fn request(thing: &Json, without: &[&str]) -> Request {
    let members = thing.as_object().unwrap_or_default().iter();
    let members = members.filter(|(name, _)| !without.contains(&name.as_str()));
    let body = Json::Object(members.cloned().collect());
    // It has string keys only.
    Request::new(Body::from(serde_json::to_string(&body).unwrap_or_default()))
}

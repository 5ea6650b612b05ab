//! One call: who may make it, what it takes, what it answers.

use std::collections::BTreeMap;

use http::StatusCode;
use rung_core::{domain::tenant::Scope, limits::PAGE_MAX};
use rung_dialect::limits::ID_CHARS;
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{super::Code, clients};
use crate::limits::{IDEMPOTENCY_KEY_BYTES, PAGE_DEFAULT};

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody, without a key.
    Anybody,
    /// The operator, with this scope.
    Operator(Scope),
    /// A tenant with this scope, or the operator for it.
    Tenant(Scope),
    /// A tenant with any scope, or the operator for it.
    AnyTenant,
    /// Whoever has a key, with or without a tenant.
    AnybodyWithAKey,
    /// A tenant with this scope, or the operator for it or for all tenants.
    TenantOrAll(Scope),
}

impl Who {
    /// Whether the call is about one tenant, whose key makes it or whom `Rung-Tenant` names.
    fn is_of_a_tenant(self) -> bool {
        matches!(
            self,
            Self::Tenant(_) | Self::AnyTenant | Self::AnybodyWithAKey | Self::TenantOrAll(_)
        )
    }
}

impl Who {
    /// The keys that open the call, any of them. No tenant's key has the scope `admin`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Anybody => &[],
            Self::Operator(_) | Self::Tenant(Scope::Admin) | Self::TenantOrAll(Scope::Admin) => {
                &["operatorKey"]
            }
            Self::Tenant(_) | Self::TenantOrAll(_) | Self::AnyTenant | Self::AnybodyWithAKey => {
                &["tenantKey", "operatorKey"]
            }
        }
    }

    /// Whether portal links open most calls of this kind.
    fn takes_links(self) -> bool {
        matches!(
            self,
            Self::Tenant(Scope::Read | Scope::Manage)
                | Self::TenantOrAll(Scope::Read | Scope::Manage)
                | Self::AnyTenant
                | Self::AnybodyWithAKey
        )
    }
}

/// What whoever reads a body may answer.
const BODY_REFUSALS: &[Code] = &[
    Code::InvalidJson,
    Code::RequestTimeout,
    Code::PayloadTooLarge,
    Code::UnsupportedEncoding,
    Code::InvalidRequest,
    Code::UnknownField,
];

/// The documentation of a call.
#[derive(Debug)]
pub struct Operation {
    id: &'static str,
    summary: &'static str,
    description: Option<String>,
    who: Who,
    takes_links: bool,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    /// Headers of answers beside those that their kind has.
    headers: Vec<(StatusCode, (String, Value))>,
    codes: Vec<Code>,
}

impl Operation {
    /// A call that generated clients name `id`, and that `summary` tells in a sentence. The errors that go with `who` are
    /// documented with it.
    #[must_use]
    pub fn new(who: Who, id: &'static str, summary: &'static str) -> Self {
        let mut codes = vec![Code::Internal];
        if who != Who::Anybody {
            // In any request a header that stands twice is a mistake, and so may be that it is a delivery.
            codes.extend([
                Code::Unauthorized,
                Code::KeyExpired,
                Code::TokenExpired,
                Code::TooManyWrongKeys,
                Code::Forbidden,
                Code::InvalidRequest,
                Code::UnknownField,
                Code::TenantMismatch,
                Code::LoopDetected,
                Code::Unavailable,
            ]);
        }
        if who.is_of_a_tenant() {
            codes.push(Code::NotFound);
        }
        if matches!(who, Who::Tenant(_) | Who::AnyTenant) {
            codes.push(Code::TenantRequired);
        }
        Self {
            id,
            summary,
            description: None,
            who,
            takes_links: who.takes_links(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            headers: Vec::new(),
            codes,
        }
    }

    /// Whether a portal link opens the call, where it is not as with others of its kind.
    #[must_use]
    pub fn links(self, takes_links: bool) -> Self {
        Self {
            takes_links,
            ..self
        }
    }

    /// More than the summary says; Markdown.
    #[must_use]
    pub fn describe(self, description: impl Into<String>) -> Self {
        Self {
            description: Some(description.into()),
            ..self
        }
    }

    /// A parameter of the query that may be left out.
    #[must_use]
    pub fn query(mut self, name: &str, description: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": "query",
            "description": description,
            "schema": schema,
        }));
        self.refuses(&[Code::InvalidRequest])
    }

    /// The parameters of every list.
    #[must_use]
    pub fn pages(self) -> Self {
        self.query(
            "limit",
            "Maximum number of items.",
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT }),
        )
        .query(
            "cursor",
            "The `next_cursor` of an earlier response of this list.",
            json!({ "type": "string" }),
        )
    }

    /// A header of the request that may be left out.
    #[must_use]
    pub fn header(mut self, name: &str, description: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": "header",
            "description": description,
            "schema": schema,
        }));
        self
    }

    /// A call that publishes: its answers of these statuses tell the limits.
    #[must_use]
    pub fn limited(mut self, statuses: &[StatusCode]) -> Self {
        let headers = statuses
            .iter()
            .flat_map(|status| rate_limits().map(|header| (*status, header)));
        self.headers.extend(headers);
        self
    }

    /// A header that an answer of this status has, beside those that its kind has.
    #[must_use]
    pub fn answers_header(mut self, status: StatusCode, name: &str, description: &str) -> Self {
        self.headers
            .push((status, header(name, false, description)));
        self
    }

    /// The headers that say which version of a thing a change begins from.
    #[must_use]
    pub fn preconditions(self) -> Self {
        let tag = || json!({ "type": "string" });
        self.header(
            "If-Match",
            "The `ETag` of the version that was read: 412 if it has changed since.",
            tag(),
        )
        .header("If-None-Match", "`*`: 412 if it is there already.", tag())
        .refuses(&[Code::PreconditionFailed])
    }

    /// What an `Idempotency-Key` does for every POST, unless it [serves for something else](Self::idempotency_key).
    pub(super) fn once_per_key(self) -> Self {
        let is_told = |it: &Value| it["name"] == "Idempotency-Key";
        if self.parameters.iter().any(is_told) {
            return self;
        }
        self.idempotency_key(
            "The same key with the same body gets the first response again, and nothing is done a second time: for the retention, \
             with secrets for 24 hours.",
        )
        .refuses(&[Code::IdempotencyMismatch, Code::Busy])
    }

    /// An `Idempotency-Key` that the request may have.
    #[must_use]
    pub fn idempotency_key(self, description: &str) -> Self {
        let schema =
            json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES });
        self.header("Idempotency-Key", description, schema)
    }

    /// The body that a request must have.
    #[must_use]
    pub fn body(self, schema: Value, example: Value) -> Self {
        self.with_body(schema, example, true)
    }

    /// The body that a request may have.
    #[must_use]
    pub fn optional_body(self, schema: Value, example: Value) -> Self {
        self.with_body(schema, example, false)
    }

    /// A request that has no body, though one may come, to be refused if it says anything.
    #[must_use]
    pub fn no_body(self) -> Self {
        self.refuses(BODY_REFUSALS)
    }

    fn with_body(self, schema: Value, example: Value, required: bool) -> Self {
        let body = json!({
            "required": required,
            "content": { "application/json": { "schema": schema, "example": example } },
        });
        Self {
            body: Some(body),
            ..self
        }
        .refuses(BODY_REFUSALS)
    }

    /// A success with these members of `data`, each there always, and an example of `data`.
    #[must_use]
    pub fn answers<const N: usize>(
        self,
        status: StatusCode,
        description: &str,
        data: [(&str, Schema); N],
        example: Value,
    ) -> Self {
        let required: Vec<_> = data.iter().map(|(name, _)| *name).collect();
        let properties: Map<_, _> = data
            .iter()
            .map(|(name, schema)| ((*name).to_owned(), schema.clone().to_value()))
            .collect();
        let data = json!({ "type": "object", "required": required, "properties": properties });
        self.answers_with(status, description, data, example)
    }

    /// A success with `data` of this schema, and an example of `data`.
    #[must_use]
    pub fn answers_with(
        mut self,
        status: StatusCode,
        description: &str,
        data: Value,
        example: Value,
    ) -> Self {
        let schema = json!({
            "type": "object",
            "required": ["success", "data"],
            "properties": { "success": { "const": true }, "data": data },
        });
        let example = json!({ "success": true, "data": example });
        let answer = json!({
            "description": description,
            "content": { "application/json": { "schema": schema, "example": example } },
        });
        self.answers.insert(status.as_u16(), answer);
        self
    }

    /// A success with a list of items, and an example of one.
    #[must_use]
    pub fn lists(self, name: &'static str, item: Schema, example: Value) -> Self {
        let data = json!({
            "type": "object",
            "required": [name, "next_cursor"],
            "properties": {
                name: { "type": "array", "items": item },
                "next_cursor": {
                    "description": "Cursor of the next page; null at the end.",
                    "type": ["string", "null"],
                },
            },
        });
        let example = json!({ name: [example], "next_cursor": null });
        self.pages()
            .ordered(
                "The order: newest first (`desc`) or oldest first (`asc`).",
                "desc",
            )
            .answers_with(StatusCode::OK, "A page of the list.", data, example)
    }

    /// A list that can be read in both orders.
    #[must_use]
    pub fn ordered(self, description: &str, default: &str) -> Self {
        let schema = json!({ "enum": ["asc", "desc"], "default": default });
        self.query("order", description, schema)
    }

    /// A success that may also be a document of another type.
    #[must_use]
    pub fn answers_also(mut self, media_type: &str) -> Self {
        if let Some(answer) = self.answers.get_mut(&StatusCode::OK.as_u16()) {
            answer["content"][media_type] = json!({ "schema": { "type": "object" } });
        }
        self
    }

    /// A success of any other form.
    #[must_use]
    pub fn answers_plain(mut self, status: StatusCode, description: &str, schema: Value) -> Self {
        let content = json!({ "application/json": { "schema": schema } });
        let answer = json!({ "description": description, "content": content });
        self.answers.insert(status.as_u16(), answer);
        self
    }

    /// A read whose answer has an `ETag`, and which answers 304 to a client that has that version.
    #[must_use]
    pub fn versioned(mut self) -> Self {
        let known = json!({ "description": "Not modified since the version in `If-None-Match`." });
        self.answers
            .insert(StatusCode::NOT_MODIFIED.as_u16(), known);
        self.header(
            "If-None-Match",
            "The `ETag` of the version that the client has: 304 if it is still the present one.",
            json!({ "type": "string" }),
        )
    }

    /// A body of lines, each of them JSON. Generated clients know no type of their own for these.
    #[must_use]
    pub fn lines_body(self) -> Self {
        let lines = json!({ "schema": { "type": "string", "format": "binary" } });
        let body = json!({ "required": true, "content": { "application/octet-stream": lines } });
        Self {
            body: Some(body),
            ..self
        }
        .refuses(BODY_REFUSALS)
    }

    /// A success with lines, each of them JSON, also as plain text.
    #[must_use]
    pub fn answers_lines(mut self, description: &str) -> Self {
        let lines = json!({ "schema": { "type": "string" } });
        let content = json!({ "application/x-ndjson": lines, "text/plain": lines });
        let answer = json!({ "description": description, "content": content });
        self.answers.insert(StatusCode::OK.as_u16(), answer);
        self
    }

    /// More errors that it answers.
    #[must_use]
    pub fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// The operation object of a route at `path`; what it refuses is added to the document's `refusals`.
    pub(super) fn write(mut self, path: &str, refusals: &mut Map<String, Value>) -> Value {
        let mut parameters = path_parameters(path);
        if !parameters.is_empty() {
            self.codes.push(Code::NotFound);
        }
        if self.who.is_of_a_tenant() {
            parameters.push(json!({
                "name": "Rung-Tenant",
                "in": "header",
                "description": "The tenant to act for; required with an operator's key. A tenant's key implies it.",
                "schema": id_schema(),
            }));
        }
        parameters.append(&mut self.parameters);
        let mut responses: Map<String, Value> = Map::new();
        for (status, mut answer) in self.answers {
            let mut headers = answer_headers(status, &parameters);
            let own = self.headers.iter();
            let own = own.filter(|(of, _)| of.as_u16() == status);
            headers.extend(own.map(|(_, header)| header.clone()));
            if !headers.is_empty() {
                answer["headers"] = headers.into();
            }
            responses.insert(status.to_string(), answer);
        }
        for (status, codes) in by_status(&self.codes) {
            let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
            let name = names.join("-or-");
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status.to_string(), reference);
            refusals.entry(name).or_insert_with(|| refusal(&codes));
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [clients::tag(path)],
            "summary": self.summary,
        });
        let needs = match self.who {
            Who::Anybody => None,
            Who::Operator(scope) => Some(format!(
                "Requires an operator's key with the scope `{}`.",
                scope.as_str()
            )),
            Who::Tenant(scope) => Some(format!(
                "Requires a key with the scope `{}`.",
                scope.as_str()
            )),
            Who::AnyTenant => Some("Requires a key with any scope.".to_owned()),
            Who::AnybodyWithAKey => Some(
                "Requires a key with any scope; with an operator's key the tenant is optional."
                    .to_owned(),
            ),
            Who::TenantOrAll(scope) => Some(format!(
                "Requires a key with the scope `{}`; with an operator's key the tenant is optional.",
                scope.as_str()
            )),
        };
        let description: Vec<_> = self.description.into_iter().chain(needs).collect();
        if !description.is_empty() {
            operation["description"] = description.join("\n\n").into();
        }
        let links = self.takes_links.then_some(&"portalKey");
        let keys = self.who.keys().iter().chain(links);
        operation["security"] = keys.map(|key| json!({ *key: [] })).collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        operation["responses"] = responses.into();
        operation
    }
}

fn id_schema() -> Value {
    json!({ "type": "string", "pattern": format!("^[A-Za-z0-9_-]{{1,{ID_CHARS}}}$") })
}

/// What a path's parameters are called in descriptions, and one of each.
fn path_parameters(path: &str) -> Vec<Value> {
    let parts = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = parts.map(|name| {
        let name = name.trim_start_matches('*');
        let (description, schema) = match name {
            "tenant" => ("The tenant's id.", id_schema()),
            "key" | "operator_key" => ("The key's id, not the key itself.", id_schema()),
            "portal_link" => ("The portal link's id.", id_schema()),
            "webhook" => ("The webhook's id.", id_schema()),
            "event" => ("The event's id.", id_schema()),
            "log" => ("The log entry's id.", json!({ "type": "string" })),
            "delivery" => (
                "The delivery's id.",
                json!({ "type": "string", "format": "uuid" }),
            ),
            "type" => ("The event type.", json!({ "type": "string" })),
            _ => ("The id.", id_schema()),
        };
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": description,
            "schema": schema,
        })
    });
    parameters.collect()
}

fn by_status(codes: &[Code]) -> BTreeMap<u16, Vec<Code>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| codes.contains(code)) {
        let status = code.status().as_u16();
        by_status.entry(status).or_default().push(*code);
    }
    by_status
}

/// The response with one of `codes`, which have one status.
pub(super) fn refusal(codes: &[Code]) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let described = codes
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.message()));
    let examples: Map<_, _> = codes
        .iter()
        .map(|code| {
            let detail = |field, code, problem| json!([{ "field": field, "code": code, "problem": problem }]);
            let details = match code {
                Code::InvalidRequest => detail("url", "required", "is required"),
                Code::UnknownField => detail(
                    "nmae",
                    "unknown_field",
                    "is unknown; the known fields are name, plan",
                ),
                _ => json!([]),
            };
            let error = json!({
                "code": code.as_str(),
                "message": code.message(),
                "request_id": "req_5d0c1f3b2a9e8d7c6b5a",
                "retryable": code.is_retryable(),
                "details": details,
            });
            let example = json!({ "value": { "success": false, "error": error } });
            (code.as_str().to_owned(), example)
        })
        .collect();
    let schema = json!({ "$ref": "#/components/schemas/Error" });
    let mut response = json!({
        "description": described.collect::<Vec<_>>().join("\n"),
        "x-codes": names,
        "content": { "application/json": { "schema": schema, "examples": examples } },
    });
    let mut headers: Map<_, _> = codes.iter().filter_map(|code| header_with(*code)).collect();
    let is_limited = |code: &Code| matches!(code, Code::RateLimited | Code::QuotaExceeded);
    if codes.iter().any(is_limited) {
        headers.extend(rate_limits());
    }
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    response
}

/// The headers of a success: where the thing is that was made, and where a list goes on.
fn answer_headers(status: u16, parameters: &[Value]) -> Map<String, Value> {
    let takes = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
    let mut headers = Map::new();
    if matches!(status, 201 | 202) {
        headers.extend([header("Location", true, "Where what was made can be read.")]);
    }
    if status == 200 && takes("cursor") {
        let link = "The next page, with `rel=\"next\"`; absent at the end.";
        headers.extend([header("Link", false, link)]);
    }
    if matches!(status, 200 | 201 | 304) && takes("If-None-Match") {
        headers.extend([header("ETag", false, "The version of what is answered.")]);
    }
    headers
}

fn header(name: &str, required: bool, description: &str) -> (String, Value) {
    let schema = json!({ "type": "string" });
    let header = json!({ "description": description, "required": required, "schema": schema });
    (name.to_owned(), header)
}

/// The headers that tell the limits of publishing.
fn rate_limits() -> [(String, Value); 2] {
    [
        header(
            "RateLimit-Policy",
            false,
            "The limits that hold for publishing, of calls that publish.",
        ),
        header("RateLimit", false, "What is left of each of them."),
    ]
}

/// The header that tells more of an error.
fn header_with(code: Code) -> Option<(String, Value)> {
    let (name, description, schema) = match code {
        Code::Unauthorized => (
            "WWW-Authenticate",
            "The authentication scheme.",
            json!({ "const": "Bearer" }),
        ),
        Code::MethodNotAllowed => (
            "Allow",
            "The supported methods, separated by commas.",
            json!({ "type": "string" }),
        ),
        Code::UnsupportedEncoding => (
            "Accept-Encoding",
            "The supported content encodings.",
            json!({ "const": "identity" }),
        ),
        Code::RateLimited
        | Code::QuotaExceeded
        | Code::TooManyWrongKeys
        | Code::CannotSend
        | Code::Unavailable => (
            "Retry-After",
            "Seconds to wait before sending the request again.",
            json!({ "type": "integer", "minimum": 1 }),
        ),
        _ => return None,
    };
    let header = json!({ "description": description, "required": true, "schema": schema });
    Some((name.to_owned(), header))
}

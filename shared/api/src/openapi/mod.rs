//! The API's description in OpenAPI 3.1, made from the code.
//!
//! [`Calls`] takes each handler together with its documentation, so there is no route without and none too many. An
//! [`Operation`] says what a call takes and answers: schemas come from the very types that are answered, errors from
//! [`Code`]. [`document`] puts all operations together, and `clients` gives them the form that generated clients need.

mod clients;
mod operation;
mod routes;
mod sent;

use std::collections::BTreeMap;

use http::Method;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub use self::{
    operation::{Operation, Who},
    routes::{Calls, Documented},
};
use super::Code;

/// Makes schemas of types; those with a name go to the document's components.
pub type Schemas = SchemaGenerator;

const DESCRIPTION: &str = "\
Rung sends webhooks from your own AWS account: signed, retried and logged.

A success is `{\"success\": true, \"data\": …}`, an error `{\"success\": false, \"error\": {\"code\", \"message\", \"request_id\", \"retryable\", \"details\"}}`. \
Codes are stable; `details` names every wrong field. Unknown fields and parameters are errors. \
Lists take `limit` and `cursor` and return `next_cursor`, null at the end, newest first. Times are RFC 3339, returned in UTC. \
Each response has an `x-request-id`. A method that a path does not support is 405 `method_not_allowed`, with the supported methods in \
`Allow`; an unknown path is 404 `not_found`. Requests that are not valid HTTP are refused in the same form: \
400 `malformed_request`, 414 `uri_too_long`, 417 `expectation_failed`, 421 `misdirected_request`, 431 `headers_too_large`.";

/// The whole description.
#[must_use]
pub fn document(operations: Vec<Documented>) -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    // That of every path, for the methods that it has not: no operation can say it.
    let wrong_method = Code::MethodNotAllowed;
    let mut refusals = Map::from_iter([(
        wrong_method.as_str().to_owned(),
        operation::refusal(&[wrong_method]),
    )]);
    for Documented { method, path, docs } in operations {
        let mut operation = docs(&mut schemas);
        if *method == Method::POST {
            operation = operation.once_per_key();
        }
        let operation = operation.write(path, &mut refusals);
        // OpenAPI knows no parameter of several segments.
        let path = path.replace("{*", "{");
        let methods = paths.entry(path).or_default();
        methods.insert(method.as_str().to_ascii_lowercase(), operation);
    }
    let webhooks = sent::webhooks(&mut schemas);
    let mut components = clients::named(schemas.take_definitions(true));
    components.insert("ErrorDetail".to_owned(), error_detail());
    components.insert("ErrorBody".to_owned(), error_body());
    components.insert("Error".to_owned(), error());
    for operation in paths.values_mut().flat_map(Map::values_mut) {
        clients::operation(operation, &mut components);
    }
    components.sort_keys();
    refusals.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rung",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": clients::tags(&paths),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": components,
            "responses": refusals,
            "securitySchemes": security_schemes(),
        },
    })
}

/// The keys that open calls, by the names that operations use.
fn security_schemes() -> Value {
    let bearer = |description: &str| json!({ "type": "http", "scheme": "bearer", "description": description });
    json!({
        "operatorKey": bearer("An operator's key. For a tenant's call it names the tenant in `Rung-Tenant`."),
        "tenantKey": bearer("A tenant's key, with the scope that the call needs."),
        "portalKey": bearer("The token of a portal link, within its capabilities."),
    })
}

/// The envelope of an error.
fn error() -> Value {
    json!({
        "description": "The error.",
        "type": "object",
        "required": ["success", "error"],
        "properties": {
            "success": { "type": "boolean", "examples": [false] },
            "error": { "$ref": "#/components/schemas/ErrorBody" },
            "data": {
                "description": "Only with `batch_refused` and `import_refused`: the results one by one.",
                "$ref": "#/components/schemas/JsonObject",
            },
        },
        "additionalProperties": true,
    })
}

/// What went wrong.
fn error_body() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "description": "What went wrong.",
        "type": "object",
        "required": ["code", "message", "request_id", "retryable", "details"],
        "properties": {
            "code": {
                "description": "Which error it is, by a name that stays. There may be more in later versions.",
                "type": "string",
                "examples": codes,
            },
            "message": { "description": "An explanation for people.", "type": "string" },
            "request_id": { "description": "The request's id, as in `x-request-id`.", "type": "string" },
            "retryable": {
                "description": "Whether the same request may succeed later, after the seconds of `Retry-After`.",
                "type": "boolean",
            },
            "details": {
                "description": "The wrong fields.",
                "type": "array",
                "items": { "$ref": "#/components/schemas/ErrorDetail" },
            },
        },
        "additionalProperties": true,
    })
}

/// A field and what is wrong with it.
fn error_detail() -> Value {
    json!({
        "description": "A field and what is wrong with it.",
        "type": "object",
        "required": ["field", "code", "problem"],
        "properties": {
            "field": {
                "description": "The path of the field, such as `events[0].data`, or the name of a header or parameter.",
                "type": "string",
            },
            "code": {
                "description": "What is wrong: `required`, `invalid`, or a code of errors.",
                "type": "string",
            },
            "problem": {
                "description": "What is wrong, and what is expected.",
                "type": "string",
            },
        },
        "additionalProperties": true,
    })
}

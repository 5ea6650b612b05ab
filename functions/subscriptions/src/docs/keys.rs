//! The documentation of keys' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::NAME_CHARS,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use serde_json::{Value, json};

use super::{deleted, object, text, time};
use crate::keys::View;

fn example() -> Value {
    json!({
        "id": "key_4f9d2c7b1a",
        "tenant_id": "acme",
        "name": "Production",
        "scopes": ["manage", "publish"],
        "expires_at": null,
        "events_per_hour": null,
        "last_used_at": "2025-10-10T13:00:00Z",
        "created_at": "2025-10-10T12:00:00Z",
    })
}

fn operators_example() -> Value {
    json!({
        "id": "key_9b1f0e6d2c",
        "tenant_id": null,
        "name": "Outbox relay",
        "scopes": ["publish"],
        "expires_at": null,
        "events_per_hour": null,
        "last_used_at": "2025-10-10T13:00:00Z",
        "created_at": "2025-10-10T12:00:00Z",
    })
}

/// An example as it is answered when the key is made.
fn made(mut example: Value, key: &str) -> Value {
    example["last_used_at"] = Value::Null;
    example["key"] = key.into();
    example
}

fn scopes(allowed: &[Scope]) -> Value {
    json!({
        "description": "What it may do.",
        "type": "array",
        "items": { "enum": allowed },
        "minItems": 1,
    })
}

fn of_tenants() -> Value {
    json!({
        "name": text("What it is for.", NAME_CHARS),
        "scopes": scopes(Scope::OF_TENANTS),
        "expires_at": time("When it ends [default: never]; in the future."),
        "events_per_hour": {
            "description": "How many events may be published with it in an hour [default: what the plan says, else no limit].",
            "type": ["integer", "null"],
            "minimum": 1,
        },
    })
}

fn of_operators() -> Value {
    json!({
        "name": { "description": "What it is for.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
        "scopes": scopes(Scope::OF_OPERATORS),
        "expires_at": time("When it ends [default: never]; in the future."),
    })
}

const AT_ONCE: &str = "It holds on one machine from this answer on, on AWS at most 10 s later.";
const ONCE: &str = "The same request again is answered with the key that it made, itself included, for as long as the retention.";
const SHOWN: &str = "The key itself is shown in this answer only; Rung keeps its hash.";

fn makes(operation: Operation, schemas: &mut Schemas, example: Value) -> Operation {
    operation
        .describe(SHOWN)
        .idempotency_key(ONCE)
        .answers(
            StatusCode::CREATED,
            "It is made.",
            [("key", schemas.subschema_for::<View<'_>>())],
            json!({ "key": example }),
        )
        .refuses(&[Code::IdempotencyMismatch, Code::KeyTaken])
}

fn shows(operation: Operation, schemas: &mut Schemas, example: Value) -> Operation {
    let key = schemas.subschema_for::<View<'_>>();
    let data = json!({ "key": example });
    operation.answers(
        StatusCode::OK,
        "The key, but for itself.",
        [("key", key)],
        data,
    )
}

pub(crate) fn create_key(schemas: &mut Schemas) -> Operation {
    let mut fields = of_tenants();
    fields["key_sha256"] = json!({
        "description": "Brings along a key that is in use already: its SHA-256 as hexadecimal digits.",
        "type": ["string", "null"],
        "pattern": "^[0-9A-Fa-f]{64}$",
    });
    let who = Who::Operator(Scope::Admin);
    let operation = Operation::new(who, "createKey", "Make an API key of a tenant.").body(
        object(&["scopes"], fields),
        json!({ "name": "Production", "scopes": ["manage", "publish"] }),
    );
    makes(operation, schemas, made(example(), "rk_8Zk1vQ…"))
}

pub(crate) fn list_keys(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<View<'_>>();
    let who = Who::Operator(Scope::Read);
    Operation::new(who, "listKeys", "List a tenant's API keys.").lists("keys", key, example())
}

pub(crate) fn get_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(Who::Operator(Scope::Read), "getKey", "Read an API key.");
    shows(operation, schemas, example())
}

pub(crate) fn update_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "updateKey",
        "Change an API key.",
    )
    .describe(format!("What is left out stays as it is. {AT_ONCE}"))
    .body(
        object(&[], of_tenants()),
        json!({ "scopes": ["read"], "events_per_hour": 5000 }),
    )
    .refuses(&[Code::Busy]);
    shows(operation, schemas, example())
}

pub(crate) fn delete_key(_: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteKey",
        "Delete an API key.",
    )
    .describe(format!("It opens nothing any more. {AT_ONCE}"))
    .refuses(&[Code::Busy]);
    deleted(operation, "key", "key_4f9d2c7b1a")
}

pub(crate) fn create_operator_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "createOperatorKey",
        "Make an operator's key, which reaches all tenants.",
    )
    .body(
        object(&["name", "scopes"], of_operators()),
        json!({ "name": "Outbox relay", "scopes": ["publish"] }),
    );
    makes(operation, schemas, made(operators_example(), "ro_5Hq0xW…"))
}

pub(crate) fn list_operator_keys(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Operator(Scope::Read),
        "listOperatorKeys",
        "List the operator's keys.",
    )
    .describe(
        "The first key, which comes with the deployment, is the last of the list: `key_root`.",
    )
    .lists("keys", key, operators_example())
}

pub(crate) fn get_operator_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Read),
        "getOperatorKey",
        "Read an operator's key.",
    );
    shows(operation, schemas, operators_example())
}

pub(crate) fn update_operator_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "updateOperatorKey",
        "Change an operator's key.",
    )
    .describe(format!(
        "What is left out stays as it is. The first key, `key_root`, cannot be changed, and one key with the scope `admin` has to be \
         left. {AT_ONCE}"
    ))
    .body(
        object(&[], of_operators()),
        json!({ "name": "Relay", "scopes": ["publish", "read"] }),
    )
    .refuses(&[Code::Busy, Code::FirstKey, Code::LastAdminKey]);
    shows(operation, schemas, operators_example())
}

pub(crate) fn delete_operator_key(_: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteOperatorKey",
        "Delete an operator's key.",
    )
    .describe(format!(
        "It opens nothing any more, the first key, `key_root`, included; one key with the scope `admin` has to be left. {AT_ONCE}"
    ))
    .refuses(&[Code::Busy, Code::LastAdminKey]);
    deleted(operation, "key", "key_9b1f0e6d2c")
}

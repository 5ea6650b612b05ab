//! The documentation of keys' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::NAME_CHARS,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use serde_json::{Value, json};

use super::{deleted, free_text, object, time, with};
use crate::keys::KeyView;

pub(super) fn example() -> Value {
    json!({
        "id": "key_4f9d2c7b1a",
        "tenant_id": "acme",
        "name": "Production",
        "scopes": ["manage", "publish"],
        "expires_at": null,
        "events_per_hour": null,
        "last_used_at": "2025-10-10T13:00:00.000Z",
        "created_at": "2025-10-10T12:00:00.000Z",
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
        "last_used_at": "2025-10-10T13:00:00.000Z",
        "created_at": "2025-10-10T12:00:00.000Z",
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
        "description": "The key's scopes.",
        "type": "array",
        "items": { "enum": allowed },
        "minItems": 1,
    })
}

fn of_tenants() -> Value {
    json!({
        "name": free_text("A description.", NAME_CHARS),
        "scopes": scopes(Scope::OF_TENANTS),
        "expires_at": time("The expiry, in the future [default: never]."),
        "events_per_hour": {
            "description": "Maximum number of events per hour [default: the plan's limit, else none].",
            "type": ["integer", "null"],
            "minimum": 1,
        },
    })
}

fn of_operators() -> Value {
    json!({
        "name": { "description": "A description.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
        "scopes": scopes(Scope::OF_OPERATORS),
        "expires_at": time("The expiry, in the future [default: never]."),
    })
}

/// What a change may say of members that nobody sets, so that what was read can be sent back.
fn read_only() -> Value {
    let settled = json!({ "description": "The present value.", "type": ["string", "null"] });
    json!({
        "id": settled,
        "tenant_id": settled,
        "created_at": settled,
        "last_used_at": time("Has no effect."),
    })
}

const AT_ONCE: &str = "It takes effect at once on one machine, within 10 s on AWS.";
const SHOWN: &str = "The key itself is shown only in this response; Rung stores its hash.";

fn makes(operation: Operation, schemas: &mut Schemas, example: Value) -> Operation {
    operation
        .describe(SHOWN)
        .answers(
            StatusCode::CREATED,
            "Created.",
            [("key", schemas.subschema_for::<KeyView<'_>>())],
            json!({ "key": example }),
        )
        .refuses(&[Code::KeyTaken])
}

fn shows(operation: Operation, schemas: &mut Schemas, example: Value) -> Operation {
    let key = schemas.subschema_for::<KeyView<'_>>();
    let data = json!({ "key": example });
    operation.answers(
        StatusCode::OK,
        "The key's metadata, without the key itself.",
        [("key", key)],
        data,
    )
}

pub(crate) fn create_key(schemas: &mut Schemas) -> Operation {
    let mut fields = of_tenants();
    fields["key_sha256"] = json!({
        "description": "Imports an existing key: its SHA-256 as hexadecimal digits.",
        "type": ["string", "null"],
        "pattern": "^[0-9A-Fa-f]{64}$",
    });
    let who = Who::Operator(Scope::Admin);
    let operation = Operation::new(who, "createKey", "Create an API key for a tenant.").body(
        object(&["scopes"], fields),
        json!({ "name": "Production", "scopes": ["manage", "publish"] }),
    );
    makes(operation, schemas, made(example(), "rk_8Zk1vQ…"))
}

pub(crate) fn list_keys(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<KeyView<'_>>();
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
    .describe(format!("Omitted fields stay. {AT_ONCE}"))
    .body(
        object(&[], with(of_tenants(), read_only())),
        json!({ "scopes": ["read"], "events_per_hour": 5000 }),
    )
    .refuses(&[Code::Busy, Code::ReadOnly]);
    shows(operation, schemas, example())
}

pub(crate) fn delete_key(_: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteKey",
        "Delete an API key.",
    )
    .describe(format!("The key stops working. {AT_ONCE}"))
    .refuses(&[Code::Busy]);
    deleted(operation, "key", "key_4f9d2c7b1a", Some("acme"))
}

pub(crate) fn create_operator_key(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "createOperatorKey",
        "Create an operator's key, which is valid for all tenants.",
    )
    .body(
        object(&["name", "scopes"], of_operators()),
        json!({ "name": "Outbox relay", "scopes": ["publish"] }),
    );
    makes(operation, schemas, made(operators_example(), "ro_5Hq0xW…"))
}

pub(crate) fn list_operator_keys(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<KeyView<'_>>();
    Operation::new(
        Who::Operator(Scope::Read),
        "listOperatorKeys",
        "List the operator's keys.",
    )
    .describe("The deployment's first key, `key_root`, is the oldest.")
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
    let own = with(
        read_only(),
        json!({ "events_per_hour": { "description": "The present value.", "type": ["integer", "null"] } }),
    );
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "updateOperatorKey",
        "Change an operator's key.",
    )
    .describe(format!(
        "Omitted fields stay. The first key, `key_root`, cannot be changed, and one key with the scope `admin` must remain. {AT_ONCE}"
    ))
    .body(
        object(&[], with(of_operators(), own)),
        json!({ "name": "Relay", "scopes": ["publish", "read"] }),
    )
    .refuses(&[
        Code::Busy,
        Code::FirstKey,
        Code::LastAdminKey,
        Code::ReadOnly,
    ]);
    shows(operation, schemas, operators_example())
}

pub(crate) fn delete_operator_key(_: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteOperatorKey",
        "Delete an operator's key.",
    )
    .describe(format!(
        "The key stops working. The first key, `key_root`, can be deleted too; one key with the scope `admin` must remain. {AT_ONCE}"
    ))
    .refuses(&[Code::Busy, Code::LastAdminKey]);
    deleted(operation, "key", "key_9b1f0e6d2c", None)
}

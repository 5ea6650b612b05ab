//! The documentation of keys' calls.

use http::StatusCode;
use rung_shared::{
    api::{
        Code,
        openapi::{Operation, Schemas, Who},
    },
    domain::tenant::Scope,
    limits::NAME_CHARS,
};
use serde_json::{Value, json};

use super::{deleted, object, text, time};
use crate::keys::View;

fn example() -> Value {
    json!({
        "id": "key_4f9d2c7b1a",
        "name": "Production",
        "scopes": ["manage", "publish"],
        "expires_at": null,
        "events_per_hour": null,
        "created_at": "2025-10-10T12:00:00Z",
    })
}

pub(crate) fn create_key(schemas: &mut Schemas) -> Operation {
    let body = object(
        &["scopes"],
        json!({
            "name": text("What it is for.", NAME_CHARS),
            "scopes": {
                "description": "What it may do.",
                "type": "array",
                "items": { "enum": Scope::OF_TENANTS },
                "minItems": 1,
            },
            "expires_at": time("When it ends [default: never]; in the future."),
            "events_per_hour": {
                "description": "How many events may be published with it in an hour [default: what the plan says, else no limit].",
                "type": ["integer", "null"],
                "minimum": 1,
            },
            "key_sha256": {
                "description": "Brings along a key that is in use already: its SHA-256 as hexadecimal digits.",
                "type": ["string", "null"],
                "pattern": "^[0-9A-Fa-f]{64}$",
            },
        }),
    );
    let mut made = example();
    made["key"] = "rk_8Zk1vQ…".into();
    let key = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Operator(Scope::Admin), "createKey", "Make an API key of a tenant.")
        .describe("The key itself is shown in this answer only; Rung keeps its hash.")
        .idempotency_key(
            "The same request again is answered with the key that it made, itself included, for as long as the retention.",
        )
        .body(
            body,
            json!({ "name": "Production", "scopes": ["manage", "publish"] }),
        )
        .answers(
            StatusCode::CREATED,
            "It is made.",
            [("key", key)],
            json!({ "key": made }),
        )
        .refuses(&[Code::Conflict])
}

pub(crate) fn list_keys(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Operator(Scope::Read),
        "listKeys",
        "List a tenant's API keys.",
    )
    .lists("keys", key, example())
}

pub(crate) fn delete_key(_: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteKey",
        "Delete an API key.",
    )
    .describe(
        "It opens nothing any more: on one machine from this answer on, on AWS at most 10 s later.",
    );
    deleted(operation, "key", "key_4f9d2c7b1a")
}

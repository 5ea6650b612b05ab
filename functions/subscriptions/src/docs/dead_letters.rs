//! The documentation of dead letters' calls.

use http::StatusCode;
use rung_api::{
    limits::PAGE_DEFAULT,
    openapi::{Operation, Schemas, Who},
};
use rung_core::{domain::tenant::Scope, limits::PAGE_MAX};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::object;
use crate::dead_letters::View;

fn queue() -> Value {
    json!({ "enum": ["deliver", "retry"] })
}

/// How many each queue has.
fn counts() -> Schema {
    let count = json!({ "type": "integer", "minimum": 0 });
    json_schema!({
        "type": "object",
        "required": ["deliver", "retry"],
        "properties": { "deliver": count, "retry": count },
    })
}

pub(crate) fn list_dead_letters(schemas: &mut Schemas) -> Operation {
    let letter = schemas.subschema_for::<View<'_>>();
    let letters: Schema = json_schema!({ "type": "array", "items": letter });
    Operation::new(
        Who::Operator(Scope::Read),
        "listDeadLetters",
        "Look at messages that could not be handled.",
    )
    .describe(
        "A sample without order or cursor; each message is hidden for a few seconds afterwards.",
    )
    .query(
        "limit",
        "Maximum number of messages.",
        json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT }),
    )
    .query("queue", "Filter by queue.", queue())
    .answers(
        StatusCode::OK,
        "A sample of the messages, and their number.",
        [("dead_letters", letters), ("counts", counts())],
        json!({
            "dead_letters": [{
                "id": "0b1c6a52-7c1f-4b76-9a55-2f0d4c1f7a11",
                "queue": "deliver",
                "kind": "attempt",
                "tenant_id": "acme",
                "webhook_id": "webhook_5kq2m8x1r7",
                "event_id": "evt_001",
                "attempt": 1,
                "receives": 6,
                "sent_at": "2025-10-10T12:30:00.123Z",
            }],
            "counts": { "deliver": 1, "retry": 0 },
        }),
    )
}

pub(crate) fn redrive_dead_letters(_: &mut Schemas) -> Operation {
    let count = || json_schema!({ "type": "integer", "minimum": 0 });
    let body = object(
        &[],
        json!({ "queue": { "description": "Filter by queue.", "enum": ["deliver", "retry", null] } }),
    );
    Operation::new(
        Who::Operator(Scope::Admin),
        "redriveDeadLetters",
        "Send dead letters back to their queues.",
    )
    .describe("As many as possible in 15 seconds; `counts` says how many are left.")
    .optional_body(body, json!({ "queue": "deliver" }))
    .answers(
        StatusCode::OK,
        "The number of moved messages; unreadable ones stay.",
        [
            ("moved", count()),
            ("unknown", count()),
            ("counts", counts()),
        ],
        json!({ "moved": 1, "unknown": 0, "counts": { "deliver": 0, "retry": 0 } }),
    )
}

//! The documentation of dead letters' calls.

use http::StatusCode;
use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::tenant::Scope;
use schemars::{Schema, json_schema};
use serde_json::json;

use super::{jobs, next_cursor, object};
use crate::dead_letters::DeadLetterView;

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
    let letter = schemas.subschema_for::<DeadLetterView<'_>>();
    let letters: Schema = json_schema!({ "type": "array", "items": letter });
    Operation::new(
        Who::Operator(Scope::Read),
        "listDeadLetters",
        "Look at messages that could not be handled.",
    )
    .describe(
        "A sample: there is no next page, and each message is hidden for a few seconds afterwards.",
    )
    .pages()
    .ordered(
        "The order within the sample: newest first (`desc`) or oldest first (`asc`).",
        "desc",
    )
    .query(
        "queue",
        "Filter by queue, several separated by commas.",
        json!({ "type": "string", "examples": ["deliver", "retry"] }),
    )
    .answers(
        StatusCode::OK,
        "A sample of the messages, and their number.",
        [
            ("dead_letters", letters),
            ("counts", counts()),
            // Always null: what is there is a sample.
            ("next_cursor", next_cursor()),
        ],
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
            "next_cursor": null,
        }),
    )
}

pub(crate) fn redrive_dead_letters(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({ "queue": { "description": "Filter by queue.", "enum": ["deliver", "retry", null] } }),
    );
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "redriveDeadLetters",
        "Send dead letters back to their queues.",
    )
    .describe("As many as there are at the call. Unreadable ones stay, and count as skipped.")
    .optional_body(body, json!({ "queue": "deliver" }));
    jobs::begins(schemas, operation, jobs::example_of_redrive())
}

//! The documentation of recoveries' calls.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{object, time};
use crate::recover::View;

fn example() -> Value {
    json!({
        "id": "rec_1760103000000",
        "webhook_id": "webhook_5kq2m8x1r7",
        "status": "running",
        "since": "2025-10-10T12:00:00Z",
        "until": "2025-10-10T13:30:00Z",
        "statuses": ["failed", "held", "missed"],
        "sent": 0,
        "skipped": 0,
        "reached": "2025-10-10T12:00:00Z",
        "started_at": "2025-10-10T13:30:00Z",
        "ended_at": null,
    })
}

/// What a dry run answers.
#[derive(JsonSchema)]
#[schemars(rename = "RecoveryCount")]
#[expect(dead_code, reason = "a schema: the handler writes it member by member")]
struct Counted {
    /// How many deliveries would be sent again.
    count: u64,
    /// Whether all of the span is counted.
    complete: bool,
    /// Up to where it is counted, if not to the end.
    counted_until: Option<jiff::Timestamp>,
}

pub(crate) fn recover(schemas: &mut Schemas) -> Operation {
    let states = json!({ "enum": ["failed", "held", "missed", "pending"] });
    let body = object(
        &[],
        json!({
            "since": time("From when on, by the time at which events were accepted; within the retention [default: all of it]."),
            "until": time("Before when [default: now]."),
            "statuses": {
                "description": "What to send again [default: `failed`, `held` and `missed`]. `pending` is sent now, in the place of its \
                                wait, which is put back if it fails. `any` alone is every event that the webhook would get, also those \
                                from before it was made.",
                "anyOf": [
                    { "type": "array", "items": states, "minItems": 1 },
                    { "type": "array", "items": { "const": "any" }, "minItems": 1, "maxItems": 1 },
                    { "type": "null" },
                ],
            },
            "dry_run": {
                "description": "Only count [default: false].",
                "type": ["boolean", "null"],
            },
        }),
    );
    let recovery = schemas.subschema_for::<View<'_>>();
    let counted = schemas.subschema_for::<Counted>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "recover",
        "Send again what a webhook has not got, each delivery on a fresh ladder, or now what waits.",
    )
    .describe(
        "Durable and resumable, without a cap; with `dry_run` it is only counted.\n\n\
         Safe to repeat: what is on its way or through is not sent by another one. With `any` it is, save that the one that runs is \
         answered while it does, if `since` and `until` are the same: send an `Idempotency-Key` with it.",
    )
    .idempotency_key("The same key with the same request begins one recovery only.")
    .body(body, json!({ "since": "2025-10-10T12:00:00Z" }))
    .answers(
        StatusCode::ACCEPTED,
        "It has begun.",
        [("recovery", recovery)],
        json!({ "recovery": example() }),
    )
    .answers_with(
        StatusCode::OK,
        "What a recovery would send.",
        counted.to_value(),
        json!({ "count": 17, "complete": true, "counted_until": null }),
    )
    .refuses(&[Code::WebhookDisabled, Code::IdempotencyMismatch])
}

pub(crate) fn get_recovery(schemas: &mut Schemas) -> Operation {
    let recovery = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Tenant(Scope::Read),
        "getRecovery",
        "Read how far a recovery is.",
    )
    .answers(
        StatusCode::OK,
        "The recovery.",
        [("recovery", recovery)],
        json!({ "recovery": example() }),
    )
}

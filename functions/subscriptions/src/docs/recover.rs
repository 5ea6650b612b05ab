//! The documentation of recoveries' calls.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{tenant::Scope, time::Time};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{object, time};
use crate::recover::View;

fn example() -> Value {
    json!({
        "id": "rec_1760103000000",
        "webhook_id": "webhook_5kq2m8x1r7",
        "status": "running",
        "since": "2025-10-10T12:00:00.000Z",
        "until": "2025-10-10T13:30:00.000Z",
        "statuses": ["failed", "held", "missed"],
        "sent": 0,
        "skipped": 0,
        "reached": "2025-10-10T12:00:00.000Z",
        "started_at": "2025-10-10T13:30:00.000Z",
        "ended_at": null,
    })
}

/// The result of a dry run.
#[derive(JsonSchema)]
#[schemars(rename = "RecoveryCount")]
#[expect(dead_code, reason = "a schema: the handler writes it member by member")]
struct Counted {
    /// How many deliveries would be sent again.
    count: u64,
    /// Whether the whole span was counted.
    complete: bool,
    /// The time up to which was counted, if not the whole span.
    counted_until: Option<Time>,
}

pub(crate) fn recover(schemas: &mut Schemas) -> Operation {
    let states = json!({ "enum": ["failed", "held", "missed", "pending"] });
    let body = object(
        &[],
        json!({
            "since": time("Start of the span, by the time at which events were accepted, within the retention [default: the whole retention]."),
            "until": time("End of the span, exclusive [default: now]."),
            "statuses": {
                "description": "The statuses to send again [default: `failed`, `held` and `missed`]. `pending` deliveries are sent now instead of their wait, which continues if they fail. `any`, alone, is every event that the webhook's patterns and filter match, including those from before it was created.",
                "anyOf": [
                    { "type": "array", "items": states, "minItems": 1 },
                    { "type": "array", "items": { "const": "any" }, "minItems": 1, "maxItems": 1 },
                    { "type": "null" },
                ],
            },
            "dry_run": {
                "description": "Only count, send nothing [default: false].",
                "type": ["boolean", "null"],
            },
        }),
    );
    let recovery = schemas.subschema_for::<View<'_>>();
    let counted = schemas.subschema_for::<Counted>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "recover",
        "Send a webhook's undelivered events again, each on a fresh ladder, or its waiting deliveries now.",
    )
    .describe(
        "Survives crashes, without a limit on the number. With `dry_run` it only counts.\n\n\
         Safe to repeat: deliveries in progress and successes are not sent again, except with `any`, where a repeated call (same \
         `since` and `until`) returns the running recovery only while it runs. Use an `Idempotency-Key` with `any`.",
    )
    .idempotency_key("The same key with the same request starts only one recovery.")
    .body(body, json!({ "since": "2025-10-10T12:00:00.000Z" }))
    .answers(
        StatusCode::ACCEPTED,
        "Recovery started.",
        [("recovery", recovery)],
        json!({ "recovery": example() }),
    )
    .answers_with(
        StatusCode::OK,
        "The number of deliveries that a recovery would send.",
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
        "Read a recovery and its progress.",
    )
    .answers(
        StatusCode::OK,
        "The recovery.",
        [("recovery", recovery)],
        json!({ "recovery": example() }),
    )
}

//! The documentation of recoveries' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::{RECOVERY_RATE_MAX, WEBHOOK_EVENTS},
    openapi::{Operation, Schemas, Who},
};
use rung_core::{
    domain::{tenant::Scope, time::Time},
    limits::PAGE_MAX,
};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{jobs, object, time};

/// The result of a dry run.
#[derive(JsonSchema)]
#[schemars(rename = "RecoveryCount")]
#[expect(dead_code, reason = "a schema: the handler writes it member by member")]
struct Counted {
    /// How many deliveries would be sent again.
    count: u64,
    /// Whether the counts cover the whole span.
    complete: bool,
    /// The time up to which was counted, if not the whole span.
    counted_until: Option<Time>,
}

fn request() -> Value {
    let states = json!({ "enum": ["failed", "held", "missed", "pending", "any"] });
    object(
        &[],
        json!({
            "since": time("Start of the span, by the time at which events were accepted, within the retention [default: the whole retention]."),
            "until": time("End of the span, exclusive [default: now]."),
            "statuses": {
                "description": "The statuses to send again [default: `failed`, `held` and `missed`]. `pending` deliveries are sent now instead of their wait, which continues if they fail. `any`, alone, is every event that the webhook's patterns and filter match, including those from before it was created.",
                "type": ["array", "null"],
                "items": states,
                "minItems": 1,
            },
            "event_types": {
                "description": "Only events of these types; groups, prefixes such as `order.*` and `*` as a webhook subscribes to them [default: all].",
                "type": ["array", "null"],
                "items": { "type": "string" },
                "minItems": 1,
                "maxItems": WEBHOOK_EVENTS,
            },
            "delivery_ids": {
                "description": "Only these deliveries [default: all].",
                "type": ["array", "null"],
                "items": { "type": "string", "format": "uuid" },
                "minItems": 1,
                "maxItems": PAGE_MAX,
            },
            "rate_per_second": {
                "description": "Maximum number of deliveries sent in a second [default: 1,000, or the webhook's own limit].",
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": RECOVERY_RATE_MAX,
            },
            "dry_run": {
                "description": "Only count, send nothing [default: false].",
                "type": ["boolean", "null"],
            },
        }),
    )
}

pub(crate) fn recover_all(schemas: &mut Schemas) -> Operation {
    let counted = schemas.subschema_for::<Counted>();
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Manage),
        "recoverAll",
        "Send the undelivered events of all active webhooks again: of a tenant, or without a tenant of the deployment.",
    )
    .describe(
        "As for one webhook, one webhook after the other; disabled ones are left out. With `any` a repeated call sends everything \
         again: use an `Idempotency-Key`.",
    )
    .optional_body(
        request(),
        json!({ "statuses": ["failed", "held", "missed"] }),
    );
    jobs::begins(schemas, operation, jobs::example_of_wide_recovery())
        .answers_with(
            StatusCode::OK,
            "The number of deliveries that a recovery would send.",
            counted.to_value(),
            json!({ "count": 17, "complete": true, "counted_until": null }),
        )
        .refuses(&[Code::UnknownEventType, Code::ReservedType])
}

pub(crate) fn recover(schemas: &mut Schemas) -> Operation {
    let counted = schemas.subschema_for::<Counted>();
    let operation = Operation::new(
        Who::Tenant(Scope::Manage),
        "recover",
        "Send a webhook's undelivered events again, each on a fresh ladder, or its waiting deliveries now.",
    )
    .describe(
        "Survives crashes, without a limit on the number. With `dry_run` it only counts.\n\n\
         Safe to repeat: deliveries in progress and successes are not sent again, except with `any`, where a repeated call (same \
         `since` and `until`) returns the running job only while it runs. Use an `Idempotency-Key` with `any`.",
    )
    .optional_body(
        request(),
        json!({ "since": "2025-10-10T12:00:00.000Z" }),
    );
    jobs::begins(schemas, operation, jobs::example_of_recovery())
        .answers_with(
            StatusCode::OK,
            "The number of deliveries that a recovery would send.",
            counted.to_value(),
            json!({ "count": 17, "complete": true, "counted_until": null }),
        )
        .refuses(&[
            Code::WebhookDisabled,
            Code::UnknownEventType,
            Code::ReservedType,
        ])
}

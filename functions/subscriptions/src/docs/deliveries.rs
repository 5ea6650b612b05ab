//! The documentation of deliveries' calls.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{delivery::State, tenant::Scope};
use serde_json::{Value, json};

use super::{jobs, object};
use crate::deliveries::DeliveryView;

/// A delivery that has succeeded.
pub(super) fn example() -> Value {
    json!({
        "id": "01a1fd5d-3425-8896-bce1-ae3e69c4f9c6",
        "event_id": "evt_001",
        "event_type": "user.lesson.completed",
        "webhook_id": "webhook_5kq2m8x1r7",
        "tenant_id": "acme",
        "status": "succeeded",
        "attempts": 1,
        "next_attempt_at": null,
        "created_at": "2025-10-10T12:30:00.123Z",
        "ended_at": "2025-10-10T12:30:00.268Z",
    })
}

/// One that waits.
pub(super) fn waiting() -> Value {
    let mut delivery = example();
    delivery["status"] = "pending".into();
    delivery["next_attempt_at"] = "2025-10-10T12:31:00.268Z".into();
    delivery["ended_at"] = Value::Null;
    delivery
}

pub(crate) fn list_deliveries(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<DeliveryView>();
    Operation::new(
        Who::Tenant(Scope::Read),
        "listDeliveries",
        "List the deliveries of a webhook that wait, or that did not get through.",
    )
    .describe("The newest accepted first. What succeeded at once is in the log alone.")
    .lists("deliveries", delivery, waiting())
    .query(
        "status",
        "Only those that stand so, or so, with commas between them.",
        json!({ "type": "string", "examples": State::LISTED.map(State::as_str) }),
    )
}

pub(crate) fn get_delivery(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<DeliveryView>();
    Operation::new(Who::Tenant(Scope::Read), "getDelivery", "Get a delivery.").answers(
        StatusCode::OK,
        "The delivery.",
        [("delivery", delivery)],
        json!({ "delivery": example() }),
    )
}

pub(crate) fn retry_delivery(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<DeliveryView>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "retryDelivery",
        "Send a delivery again now.",
    )
    .describe(
        "As a retry of its latest attempt does: it takes the place of a wait, which goes on if it fails, and what has succeeded stays so.",
    )
    .no_body()
    .answers(
        StatusCode::ACCEPTED,
        "Attempt queued.",
        [("delivery", delivery)],
        json!({ "delivery": waiting() }),
    )
    .refuses(&[
        Code::WebhookDisabled,
        Code::EventErased,
        Code::EventExpired,
        Code::TooManyAttempts,
        Code::RateLimited,
    ])
}

pub(crate) fn cancel_delivery(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<DeliveryView>();
    let mut cancelled = waiting();
    cancelled["status"] = "cancelled".into();
    cancelled["next_attempt_at"] = Value::Null;
    cancelled["ended_at"] = "2025-10-10T12:30:41.002Z".into();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "cancelDelivery",
        "Cancel a delivery that waits, or that a recovery could send.",
    )
    .describe("One that is cancelled already stays so; one that has succeeded is refused.")
    .no_body()
    .answers(
        StatusCode::OK,
        "Delivery cancelled.",
        [("delivery", delivery)],
        json!({ "delivery": cancelled }),
    )
    .refuses(&[Code::DeliverySucceeded, Code::Busy])
}

pub(crate) fn cancel_deliveries(schemas: &mut Schemas) -> Operation {
    let statuses = json!({
        "description": "The statuses of the deliveries to cancel.",
        "type": "array",
        "items": { "enum": ["pending", "held", "missed", "failed"] },
        "minItems": 1,
    });
    let operation = Operation::new(
        Who::Tenant(Scope::Manage),
        "cancelDeliveries",
        "Cancel deliveries of a webhook by their statuses.",
    )
    .describe("Those of events that were accepted before the call. A retry or a recovery can still send them.")
    .body(
        object(&["statuses"], json!({ "statuses": statuses })),
        json!({ "statuses": ["pending"] }),
    );
    jobs::begins(schemas, operation, jobs::example_of_cancelling())
}

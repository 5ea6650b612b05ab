//! The documentation of the calls for what waits.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::json_schema;
use serde_json::{Value, json};

use crate::pending::View;

fn example(status: &str, next_attempt_at: Value) -> Value {
    json!({
        "delivery_id": "01a1fd5d-3425-8896-bce1-ae3e69c4f9c6",
        "event_id": "evt_001",
        "event_type": "user.lesson.completed",
        "status": status,
        "attempt": 2,
        "next_attempt_at": next_attempt_at,
        "accepted_at": "2025-10-10T12:30:00.123Z",
    })
}

pub(crate) fn list_pending(schemas: &mut Schemas) -> Operation {
    let pending = schemas.subschema_for::<View<'_>>();
    let example = example("pending", json!("2025-10-10T12:31:00.268Z"));
    Operation::new(
        Who::Tenant(Scope::Read),
        "listPending",
        "List the deliveries that wait for their next attempt.",
    )
    .lists("pending", pending, example)
}

pub(crate) fn cancel_delivery(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "cancelDelivery",
        "Cancel a delivery that waits.",
    )
    .no_body()
    .answers(
        StatusCode::OK,
        "Delivery cancelled.",
        [("delivery", delivery)],
        json!({ "delivery": example("cancelled", Value::Null) }),
    )
}

pub(crate) fn cancel_pending(_: &mut Schemas) -> Operation {
    let cancelled = json_schema!({ "type": "integer", "minimum": 0 });
    let complete = json_schema!({
        "description": "Whether all are cancelled; if not, call again.",
        "type": "boolean",
    });
    Operation::new(
        Who::Tenant(Scope::Manage),
        "cancelPending",
        "Cancel all deliveries that wait.",
    )
    .no_body()
    .answers(
        StatusCode::OK,
        "The number of cancelled deliveries.",
        [("cancelled", cancelled), ("complete", complete)],
        json!({ "cancelled": 12, "complete": true }),
    )
}

pub(crate) fn retry_pending(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<View<'_>>();
    let example = example("pending", json!("2025-10-10T12:30:05.123Z"));
    Operation::new(
        Who::Tenant(Scope::Manage),
        "retryPending",
        "Send a waiting delivery now; if that fails, its wait continues.",
    )
    .empty_body()
    .answers(
        StatusCode::ACCEPTED,
        "Delivery sent again.",
        [("delivery", delivery)],
        json!({ "delivery": example }),
    )
    .refuses(&[Code::WebhookDisabled, Code::RateLimited])
}

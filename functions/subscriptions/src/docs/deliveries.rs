//! The documentation of deliveries' calls.

use http::StatusCode;
use rung_shared::api::openapi::{Operation, Schemas, Who};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use crate::deliveries::{DeliveryView, EventView, Pending};

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
    let pending = schemas.subschema_for::<Pending<'_>>();
    let example = example("pending", json!("2025-10-10T12:31:00.268Z"));
    Operation::new(
        Who::Manager,
        "listPending",
        "List the deliveries that wait for their next attempt.",
    )
    .lists("pending", pending, example)
}

pub(crate) fn cancel_delivery(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<Pending<'_>>();
    Operation::new(
        Who::Manager,
        "cancelDelivery",
        "Cancel a delivery that waits.",
    )
    .answers(
        StatusCode::OK,
        "It is not sent any more.",
        [("delivery", delivery)],
        json!({ "delivery": example("cancelled", Value::Null) }),
    )
}

pub(crate) fn get_event(schemas: &mut Schemas) -> Operation {
    let event = schemas.subschema_for::<EventView<'_>>();
    let delivery = schemas.subschema_for::<DeliveryView>();
    let deliveries: Schema = json_schema!({ "type": "array", "items": delivery });
    Operation::new(
        Who::Manager,
        "getEvent",
        "Read an event, and where each of its deliveries stands.",
    )
    .answers(
        StatusCode::OK,
        "The event.",
        [("event", event), ("deliveries", deliveries)],
        json!({
            "event": {
                "id": "evt_001",
                "type": "user.lesson.completed",
                "timestamp": "2025-10-10T12:30:00Z",
                "created_at": "2025-10-10T12:30:00.123Z",
                "payload": { "id": "evt_001", "type": "user.lesson.completed", "data": { "score": 95 } },
            },
            "deliveries": [{
                "delivery_id": "01a1fd5d-3425-8896-bce1-ae3e69c4f9c6",
                "webhook_id": "webhook_5kq2m8x1r7",
                "status": "succeeded",
                "attempt": 1,
                "next_attempt_at": null,
            }],
        }),
    )
}

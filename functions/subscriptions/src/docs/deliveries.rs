//! The documentation of deliveries.

use serde_json::{Value, json};

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

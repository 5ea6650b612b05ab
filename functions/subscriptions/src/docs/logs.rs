//! The documentation of the log's calls.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{
    attempt::{ErrorCode, Outcome, Trigger},
    tenant::Scope,
};
use serde_json::{Value, json};

use super::deliveries;
use crate::{
    deliveries::DeliveryView,
    logs::{LogDetail, LogView},
};

fn example() -> Value {
    json!({
        "id": "log_ZxkV0pJ3q8sT1mB7aQ5hWd2LrYc9EuNf",
        "tenant_id": "acme",
        "webhook_id": "webhook_5kq2m8x1r7",
        "event_id": "evt_001",
        "event_type": "user.lesson.completed",
        "delivery_id": "01a1fd5d-3425-8896-bce1-ae3e69c4f9c6",
        "status": "failed",
        "attempt": 1,
        "trigger": "event",
        "attempted_at": "2025-10-10T12:30:00.123Z",
        "delivered_at": "2025-10-10T12:30:00.268Z",
        "response_status": 500,
        "response_time_ms": 145,
        "error": "The receiver responded with 500 Internal Server Error.",
        "error_code": "status",
        "next_attempt_at": "2025-10-10T12:31:00.268Z",
    })
}

/// The entry of a test.
pub(super) fn test_example() -> Value {
    let mut entry = example();
    let signatures = json!([{ "header": "X-Odin-Signature", "scheme": "hmac-sha256" }]);
    for (name, value) in [
        ("signatures", signatures),
        ("status", json!("succeeded")),
        ("trigger", json!("test")),
        ("response_status", json!(200)),
        ("error", Value::Null),
        ("error_code", Value::Null),
        ("next_attempt_at", Value::Null),
    ] {
        entry[name] = value;
    }
    entry
}

pub(crate) fn list_logs(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "listLogs",
        "List a webhook's attempts.",
    );
    lists(schemas, operation)
}

pub(crate) fn list_all_logs(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Read),
        "listAllLogs",
        "List the attempts of all webhooks of a tenant, or of all tenants.",
    );
    lists(schemas, operation).query(
        "webhook_id",
        "With a tenant: filter by webhook, up to 25 separated by commas.",
        json!({ "type": "string" }),
    )
}

fn lists(schemas: &mut Schemas, operation: Operation) -> Operation {
    let entry = schemas.subschema_for::<LogView>();
    let time = || json!({ "type": "string", "format": "date-time" });
    let names = |names: &[&str]| json!({ "type": "string", "examples": names });
    operation
        .describe(
            "`since` and `until` refer to `attempted_at`. The order of a page is that of these times; from one page to the next, \
             attempts that began within 20 seconds of each other may change places. Of more than 200 webhooks, the list is in order \
             within each 200 of them, the oldest webhooks first. A page may be short, or empty, before the end.",
        )
        .lists("logs", entry, example())
        .query(
            "status",
            "Filter by status, several separated by commas.",
            names(&Outcome::ALL.map(Outcome::as_str)),
        )
        .query(
            "response_status",
            "Filter by response status or class (`5xx`), several separated by commas.",
            names(&["500", "5xx", "404,429"]),
        )
        .query(
            "error_code",
            "Filter by error code, several separated by commas.",
            names(&ErrorCode::ALL.map(ErrorCode::as_str)),
        )
        .query(
            "event_type",
            "Filter by event type: types, groups or prefixes such as `order.*`, several separated by commas.",
            json!({ "type": "string", "minLength": 1 }),
        )
        .query(
            "event_id",
            "Filter by event, several ids separated by commas.",
            json!({ "type": "string" }),
        )
        .query(
            "delivery_id",
            "Filter by delivery, several ids separated by commas.",
            json!({ "type": "string" }),
        )
        .query(
            "trigger",
            "Filter by trigger, several separated by commas.",
            names(&Trigger::ALL.map(Trigger::as_str)),
        )
        .query("since", "Attempted at or after this time.", time())
        .query("until", "Attempted before this time.", time())
}

pub(crate) fn get_log(schemas: &mut Schemas) -> Operation {
    let mut log = example();
    log["signatures"] = json!([{ "header": "X-Odin-Signature", "scheme": "hmac-sha256" }]);
    log["request"] = json!({
        "url": "https://your-domain.com/webhooks/odin",
        "headers": { "content-type": "application/json", "webhook-id": "evt_001" },
        "body": "{\"id\":\"evt_001\",\"type\":\"user.lesson.completed\"}",
    });
    log["erased_at"] = Value::Null;
    log["response"] = json!({ "status": 500, "headers": {}, "body": "out of order" });
    let detail = schemas.subschema_for::<LogDetail<'_>>();
    Operation::new(
        Who::Tenant(Scope::Read),
        "getLog",
        "Read an attempt, with its request and its response.",
    )
    .answers(
        StatusCode::OK,
        "The attempt.",
        [("log", detail)],
        json!({ "log": log }),
    )
}

pub(crate) fn retry_log(schemas: &mut Schemas) -> Operation {
    let delivery = schemas.subschema_for::<DeliveryView>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "retryLog",
        "Send an attempt's delivery again now.",
    )
    .describe(
        "With the same ids. It takes the place of a wait, which goes on if it fails, uses up no rung, starts no ladder, and counts for \
         no disable rule. What has succeeded stays so, whatever comes of it.",
    )
    .no_body()
    .answers(
        StatusCode::ACCEPTED,
        "Delivery sent again.",
        [("delivery", delivery)],
        json!({ "delivery": deliveries::waiting() }),
    )
    .refuses(&[
        Code::WebhookDisabled,
        Code::EventErased,
        Code::TestDelivery,
        Code::EventExpired,
        Code::TooManyAttempts,
        Code::RateLimited,
    ])
}

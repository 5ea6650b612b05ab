//! What is sent to the operator's own webhooks: the description's `webhooks`. What a tenant's webhooks are sent is a matter of its
//! catalogue, and no call's.

use rung_core::domain::{
    notice::{NoticeType, ResumedAs},
    pause::Cause,
    webhook::Reason,
};
use serde_json::{Map, Value, json};

use super::{Schemas, clients::pascal};

/// Each notice by its event type.
pub(super) fn webhooks(schemas: &mut Schemas) -> Map<String, Value> {
    let all = NoticeType::ALL.into_iter();
    let sent = all.map(|notice| (notice.name().to_owned(), request(notice, schemas)));
    sent.collect()
}

/// The request with which a notice is delivered.
fn request(notice: NoticeType, schemas: &mut Schemas) -> Value {
    let name = notice.name();
    let mut data = common();
    data.extend(own(notice, schemas));
    let example = example(notice);
    json!({ "post": {
        "operationId": format!("on{}", pascal(&name.replace('.', "_"))),
        "summary": summary(notice),
        "description": "Sent to the webhooks of the tenant `_operator` that subscribe to it, at least once, signed as Standard Webhooks has it.",
        "parameters": headers(),
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "timestamp", "data"],
                    "properties": {
                        "type": { "description": "The event type.", "type": "string", "examples": [name] },
                        "timestamp": { "description": "When it happened.", "type": "string", "format": "date-time" },
                        "data": {
                            "type": "object",
                            "required": data.keys().collect::<Vec<_>>(),
                            "properties": data,
                            "additionalProperties": true,
                        },
                    },
                    "additionalProperties": true,
                },
                "example": { "type": name, "timestamp": example["timestamp"], "data": example["data"] },
            } },
        },
        "responses": {
            "2XX": { "description": "Received. Any other answer, or none within 15 seconds, is a failure, and is followed by another attempt." },
        },
        "security": [],
    } })
}

fn headers() -> Value {
    let header = |name: &str, description: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" },
        })
    };
    json!([
        header("webhook-id", "The event's id, the same in each attempt."),
        header(
            "webhook-timestamp",
            "When the attempt was made, in seconds since 1970."
        ),
        header(
            "webhook-signature",
            "The signatures of id, timestamp and body, separated by blanks."
        ),
    ])
}

fn summary(notice: NoticeType) -> &'static str {
    match notice {
        NoticeType::Failing => "A webhook is failing: a third or later attempt has failed.",
        NoticeType::Recovered => "A webhook that was failing has recovered.",
        NoticeType::Paused => "A webhook is paused.",
        NoticeType::Resumed => "A webhook's pause has ended.",
        NoticeType::Disabled => "Failures, or the tenant's plan, have disabled a webhook.",
        NoticeType::DeliveryFailed => "A delivery was given up.",
    }
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

fn text_or_null(description: &str) -> Value {
    json!({ "description": description, "type": ["string", "null"] })
}

fn time(description: &str) -> Value {
    json!({ "description": description, "type": "string", "format": "date-time" })
}

/// What every notice says.
fn common() -> Map<String, Value> {
    Map::from_iter([
        ("tenant".to_owned(), text("The webhook's tenant.")),
        ("webhook_id".to_owned(), text("The webhook.")),
        ("url".to_owned(), text("Its URL.")),
        (
            "event_id".to_owned(),
            text_or_null("The event of the attempt that led to the notice; null if none did."),
        ),
        (
            "event_type".to_owned(),
            text_or_null("That event's type; null likewise."),
        ),
        (
            "log_id".to_owned(),
            text_or_null("That attempt's log entry; null if there is none."),
        ),
    ])
}

/// What this one says besides.
fn own(notice: NoticeType, schemas: &mut Schemas) -> Map<String, Value> {
    let last_error =
        || text_or_null("What was wrong with the last attempt; null if it was none that failed.");
    let status = json!({
        "description": "The status that the receiver responded with; null if it did not lead to the pause.",
        "type": ["integer", "null"],
    });
    let failing_since = time("When the first attempt failed since the last success.");
    let paused_at = time("When the pause began.");
    let mut members = Map::new();
    let mut add = |name: &str, schema: Value| members.insert(name.to_owned(), schema);
    match notice {
        NoticeType::Failing => {
            add("failing_since", failing_since);
            add("last_error", last_error());
        }
        NoticeType::Recovered => {
            add("failing_since", failing_since);
            add("recovered_at", time("When an attempt succeeded."));
        }
        NoticeType::Paused => {
            add("paused_at", paused_at);
            add("paused_until", time("When it ends by itself."));
            add("cause", schemas.subschema_for::<Cause>().to_value());
            add("response_status", status);
        }
        NoticeType::Resumed => {
            add("paused_at", paused_at);
            add("resumed_at", time("When it ended."));
            add("status", schemas.subschema_for::<ResumedAs>().to_value());
            add("cause", schemas.subschema_for::<Cause>().to_value());
            add("response_status", status);
        }
        NoticeType::Disabled => {
            add("reason", schemas.subschema_for::<Reason>().to_value());
            add("disabled_at", time("When it was disabled."));
            add("last_error", last_error());
        }
        NoticeType::DeliveryFailed => {
            add("delivery_id", text("The delivery."));
            let attempts = json!({ "description": "How many attempts it had.", "type": "integer" });
            add("attempts", attempts);
            add("failed_at", time("When Rung gave the delivery up."));
            add("last_error", last_error());
        }
    }
    members
}

/// One of it: its time and its data.
fn example(notice: NoticeType) -> Value {
    let error = "The receiver responded with 500 Internal Server Error.";
    let (timestamp, own) = match notice {
        NoticeType::Failing => (
            "2025-10-09T09:04:20.000Z",
            json!({ "failing_since": "2025-10-09T08:53:20.000Z", "last_error": error }),
        ),
        NoticeType::Recovered => (
            "2025-10-09T10:53:20.000Z",
            json!({ "failing_since": "2025-10-09T08:53:20.000Z", "recovered_at": "2025-10-09T10:53:20.000Z" }),
        ),
        NoticeType::Paused => (
            "2025-10-09T08:53:20.000Z",
            json!({
                "paused_at": "2025-10-09T08:53:20.000Z",
                "paused_until": "2025-10-09T08:54:20.000Z",
                "cause": Cause::RetryAfter,
                "response_status": 503,
            }),
        ),
        NoticeType::Resumed => (
            "2025-10-09T08:54:21.000Z",
            json!({
                "paused_at": "2025-10-09T08:53:20.000Z",
                "resumed_at": "2025-10-09T08:54:21.000Z",
                "status": ResumedAs::Active,
                "cause": Cause::RetryAfter,
                "response_status": 503,
            }),
        ),
        NoticeType::Disabled => (
            "2025-10-14T08:53:20.000Z",
            json!({ "reason": Reason::FailingTooLong, "disabled_at": "2025-10-14T08:53:20.000Z", "last_error": error }),
        ),
        NoticeType::DeliveryFailed => (
            "2025-10-12T12:00:00.000Z",
            json!({
                "delivery_id": "d2b3a7c4-5a2e-4c6f-9a51-0d8c1f2e3a4b",
                "attempts": 10,
                "failed_at": "2025-10-12T12:00:00.000Z",
                "last_error": error,
            }),
        ),
    };
    let mut data = json!({
        "tenant": "acme",
        "webhook_id": "webhook_a20423710c5907989e364431",
        "url": "https://example.com/hook",
        "event_id": "evt_7DSpX620AU0gIPlaiuIZ1e",
        "event_type": "user.lesson.completed",
        "log_id": "log_4vQ9MFrGn8V0EU4sjmDolj",
    });
    if let (Some(data), Value::Object(own)) = (data.as_object_mut(), own) {
        data.extend(own);
    }
    json!({ "timestamp": timestamp, "data": data })
}

//! The documentation of publishing's calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::BATCH_EVENTS,
    openapi::{Operation, Schemas, Who},
};
use rung_core::{domain::tenant::Scope, limits::HOPS_MAX};
use rung_dialect::limits::{EVENT_TYPE_CHARS, ID_CHARS};
use rung_json::limits::JSON_DEPTH;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use crate::Published;

/// What a publish may be refused with, beside what every call may.
const REFUSALS: &[Code] = &[
    Code::ReservedType,
    Code::UnknownEventType,
    Code::EventTypeArchived,
    Code::UnstableNumber,
    Code::ReservedMember,
    Code::SchemaViolation,
    Code::UnusableSchema,
    Code::PayloadTooLarge,
    Code::EventIdReused,
    Code::EventErased,
    Code::IdempotencyMismatch,
    Code::TenantMismatch,
    Code::TenantRequired,
    Code::RateLimited,
    Code::QuotaExceeded,
];

fn event() -> Value {
    json!({
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "tenant": {
                "description": "With an operator's key that names no tenant in `Rung-Tenant`: whose it is.",
                "type": ["string", "null"],
                "pattern": format!("^[A-Za-z0-9_-]{{1,{ID_CHARS}}}$"),
            },
            "id": {
                "description": "The event's id [default: a new one]. The same id with the same content is accepted once.",
                "type": ["string", "null"],
                "pattern": format!("^[A-Za-z0-9_-]{{1,{ID_CHARS}}}$"),
            },
            "type": {
                "description": "The event type, from the tenant's catalogue.",
                "type": "string",
                "pattern": format!("^[A-Za-z0-9_.\\-/]{{1,{EVENT_TYPE_CHARS}}}$"),
            },
            "data": {
                "description": format!("The event's data, at most {JSON_DEPTH} levels deep."),
                "type": "object",
            },
            "timestamp": {
                "description": "The event's time [default: now].",
                "type": ["string", "null"],
                "format": "date-time",
            },
            "metadata": {
                "description": "Your own data about the event: kept with it, and sent by dialects with a place for it.",
                "type": ["object", "null"],
            },
        },
        "additionalProperties": false,
    })
}

fn event_example() -> Value {
    json!({
        "type": "user.lesson.completed",
        "data": { "user_id": "user_xyz789", "lesson_id": "lesson_non_01", "score": 95 },
    })
}

fn published_example() -> Value {
    json!({
        "event": {
            "id": "evt_7DSpX620AU0gIPlaiuIZ1e",
            "tenant_id": "acme",
            "type": "user.lesson.completed",
            "timestamp": "2025-10-10T12:30:00.123Z",
            "created_at": "2025-10-10T12:30:00.123Z",
        },
        "deliveries": 2,
        "reason": null,
        "reason_code": null,
    })
}

fn publishing(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Who::TenantOrAll(Scope::Publish), id, summary).idempotency_key("Serves as an id if the event has none: the same key with the same content is accepted once.")
    .header(
        "traceparent",
        "W3C Trace Context, passed on to receivers.",
        json!({ "type": "string" }),
    )
    .header(
        "Rung-Hops",
        "The value from the delivery that this request results from: the number of deliveries in a row.",
        json!({ "type": "integer", "minimum": 0, "maximum": HOPS_MAX - 1, "default": 0 }),
    )
}

pub(crate) fn publish(schemas: &mut Schemas) -> Operation {
    let published = schemas.subschema_for::<Published>();
    publishing("publishEvent", "Publish an event.")
        .describe("Accepted once, delivered at least once, in no guaranteed order.")
        .body(event(), event_example())
        .answers_with(
            StatusCode::ACCEPTED,
            "Event accepted, with the number of webhooks it goes to, or the reason if there are none.",
            published.to_value(),
            published_example(),
        )
        .limited(&[StatusCode::ACCEPTED])
        .refuses(REFUSALS)
}

pub(crate) fn publish_batch(schemas: &mut Schemas) -> Operation {
    let published = schemas.subschema_for::<Published>();
    let results: Schema = json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["success", "status", "duplicate"],
            "properties": {
                "success": { "type": "boolean" },
                "status": { "description": "The status of its own answer.", "type": "integer" },
                "duplicate": { "description": "Whether it had been accepted before.", "type": "boolean" },
                "data": published,
                "error": { "$ref": "#/components/schemas/ErrorBody" },
            },
        },
    });
    let count: Schema = json_schema!({ "type": "integer", "minimum": 0 });
    let body = json!({
        "type": "object",
        "required": ["events"],
        "properties": {
            "events": { "type": "array", "items": event(), "minItems": 1, "maxItems": BATCH_EVENTS },
        },
        "additionalProperties": false,
    });
    let all = json!({
        "accepted": 1,
        "refused": 0,
        "results": [{ "success": true, "status": 202, "duplicate": false, "data": published_example() }],
    });
    let some = json!({
        "accepted": 1,
        "refused": 1,
        "results": [
            { "success": true, "status": 202, "duplicate": true, "data": published_example() },
            {
                "success": false,
                "status": 422,
                "duplicate": false,
                "error": {
                    "code": "unknown_event_type",
                    "message": Code::UnknownEventType.message(),
                    "request_id": "req_5d0c1f3b2a9e8d7c6b5a",
                    "retryable": false,
                    "details": [],
                },
            },
        ],
    });
    let batch = || {
        [
            ("accepted", count.clone()),
            ("refused", count.clone()),
            ("results", results.clone()),
        ]
    };
    publishing("publishEvents", "Publish up to 100 events.")
        .describe(
            "Each event is accepted or refused by itself. If none is accepted, the response is an error with the results in `data`.",
        )
        .body(body, json!({ "events": [event_example()] }))
        .answers(
            StatusCode::ACCEPTED,
            "All accepted. One result per event, in order, as if published alone.",
            batch(),
            all,
        )
        .answers(
            StatusCode::MULTI_STATUS,
            "Some accepted; see each result.",
            batch(),
            some,
        )
        .limited(&[StatusCode::ACCEPTED, StatusCode::MULTI_STATUS])
        .refuses(&[
            Code::BatchRefused,
            Code::IdempotencyMismatch,
            Code::RateLimited,
            Code::QuotaExceeded,
        ])
}

//! The documentation of events' calls, publishing apart.

use http::StatusCode;
use rung_api::{
    Code,
    limits::WEBHOOK_EVENTS,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::{Schema, json_schema};
use serde_json::json;

use super::{deliveries, jobs, next_cursor, object};
use crate::{
    deliveries::DeliveryView,
    events::{EventDetail, EventView},
    filter_preview::FilterPreview,
};

pub(crate) fn list_events(schemas: &mut Schemas) -> Operation {
    let event = schemas.subschema_for::<EventView<'_>>();
    let time = || json!({ "type": "string", "format": "date-time" });
    let example = json!({
        "id": "evt_001",
        "tenant_id": "acme",
        "type": "user.lesson.completed",
        "timestamp": "2025-10-10T12:30:00.000Z",
        "created_at": "2025-10-10T12:30:00.123Z",
        "deliveries": 0,
        "reason": "no webhook subscribes to this type",
        "reason_code": "not_subscribed",
        "erased_at": null,
    });
    Operation::new(
        Who::TenantOrAll(Scope::Read),
        "listEvents",
        "List the published events of a tenant, or of all tenants.",
    )
    .describe(
        "In the order of acceptance. Of more than 25 tenants, within each 25 of them, the oldest tenants first: a page may then be \
         short, or empty, before the end.",
    )
    .lists("events", event, example)
    .query(
        "type",
        "Filter by event type: types, groups or prefixes such as `order.*`, several separated by commas.",
        json!({ "type": "string", "minLength": 1 }),
    )
    .query("since", "Accepted at or after this time.", time())
    .query("until", "Accepted before this time.", time())
}

pub(crate) fn get_event(schemas: &mut Schemas) -> Operation {
    let event = schemas.subschema_for::<EventDetail<'_>>();
    let delivery = schemas.subschema_for::<DeliveryView>();
    let deliveries: Schema = json_schema!({ "type": "array", "items": delivery });
    Operation::new(
        Who::Tenant(Scope::Read),
        "getEvent",
        "Read an event and the status of its deliveries.",
    )
    .describe(
        "Deliveries are returned in pages: those to the webhooks that the event matched, then those made by a recovery.",
    )
    .pages()
    .answers(
        StatusCode::OK,
        "The event.",
        [
            ("event", event),
            ("deliveries", deliveries),
            ("next_cursor", next_cursor()),
        ],
        json!({
            "event": {
                "id": "evt_001",
                "tenant_id": "acme",
                "type": "user.lesson.completed",
                "timestamp": "2025-10-10T12:30:00.000Z",
                "created_at": "2025-10-10T12:30:00.123Z",
                "reason": null,
                "reason_code": null,
                "data": { "score": 95 },
                "metadata": { "source": "app" },
                "payload": { "id": "evt_001", "type": "user.lesson.completed", "data": { "score": 95 } },
                "test": false,
                "erased_at": null,
            },
            "deliveries": [deliveries::example()],
            "next_cursor": null,
        }),
    )
}

pub(crate) fn preview_filter(schemas: &mut Schemas) -> Operation {
    let preview = schemas.subschema_for::<FilterPreview>().to_value();
    let body = object(
        &[],
        json!({
            "filter": {
                "description": "The filter, as a webhook has it; null takes all.",
                "type": ["object", "null"],
            },
            "events": {
                "description": "Only events of these types, as a webhook subscribes to them [default: all].",
                "type": ["array", "null"],
                "items": { "type": "string" },
                "minItems": 1,
                "maxItems": WEBHOOK_EVENTS,
            },
            "dialect": {
                "description": "The dialect that knows the types [default: the tenant's].",
                "type": ["string", "null"],
            },
        }),
    );
    let filter = json!({ "score": [{ "numeric": [">=", 90] }] });
    Operation::new(
        Who::Tenant(Scope::Manage),
        "previewFilter",
        "Find out which of the last events a filter takes.",
    )
    .describe(
        "Of the tenant's last 100 events of these types, or fewer if they are large (4 MiB of bodies together). Changes nothing. A portal link for one webhook cannot use it.",
    )
    .body(body, json!({ "filter": filter, "events": ["user.lesson.completed"] }))
    .answers_with(
        StatusCode::OK,
        "The events, newest first.",
        preview,
        json!({
            "matching": 1,
            "events": [{
                "id": "evt_001",
                "tenant_id": "acme",
                "type": "user.lesson.completed",
                "created_at": "2025-10-10T12:30:00.123Z",
                "matches": true,
            }],
        }),
    )
    .refuses(&[Code::UnknownEventType, Code::ReservedType])
}

pub(crate) fn delete_event(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Erase),
        "deleteEvent",
        "Erase an event's content, with its requests and responses.",
    )
    .describe(
        "The data is erased at once; the job cancels what waits and clears the log entries. The id stays taken: publishing it again is refused. A repeated call returns the same job.",
    )
    .no_body()
    .refuses(&[Code::EventErased]);
    jobs::begins(schemas, operation, jobs::example_of_event())
}

//! The documentation of the calls about event types.

use http::StatusCode;
use rung_api::{
    Code,
    limits::{DESCRIPTION_CHARS, EVENT_TYPE_GROUPS, EVENT_TYPES, SAMPLE_BYTES},
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::{free_text, next_cursor};
use crate::event_types::{EventTypeView, openapi::MEDIA_TYPE};

fn example() -> Value {
    json!({
        "type": "order.paid",
        "tenant_id": null,
        "source": "deployment",
        "aliases": [],
        "groups": ["order"],
        "description": "An order was paid.",
        "sample": { "order_id": "o_1", "total": 4200 },
        "schema": { "required": ["order_id"], "properties": { "total": { "type": "integer" } } },
        "schema_version": 1,
        "deprecated": null,
        "archived": false,
    })
}

fn deleted_example() -> Value {
    json!({ "event_type": { "type": "order.paid", "tenant_id": null, "deleted": true } })
}

const DIALECT: &str = "The dialect whose types of the deployment are meant, `standard` if none is named. Only with an operator's key without `Rung-Tenant`.";

fn about(operation: Operation) -> Operation {
    operation.query("dialect", DIALECT, json!({ "type": "string" }))
}

pub(crate) fn list_event_types(schemas: &mut Schemas) -> Operation {
    let view = schemas.subschema_for::<EventTypeView<'_>>();
    let types: Schema = json_schema!({ "type": "array", "items": view });
    let groups = json_schema!({
        "description": "All groups that can be subscribed to.",
        "type": "array",
        "items": { "type": "string" },
    });
    let operation = Operation::new(
        Who::AnybodyWithAKey,
        "listEventTypes",
        "List event types: those of the dialect, and those that the operator or the tenant has defined.",
    )
    .describe("By name. In a dialect that takes any type, `standard` for one, types that nobody has defined can be published and subscribed to all the same.")
    .pages()
    .ordered("The order of their names.", "asc")
    .query(
        "archived",
        "`true`: with those that are archived.",
        json!({ "type": "boolean", "default": false }),
    )
    .query(
        "format",
        "`openapi`: all of them in one OpenAPI 3.1 document, whose `webhooks` say what webhooks are sent, in the envelope of the dialect. \
         Code for receivers can be generated from it. `limit`, `cursor` and `order` mean nothing then.",
        json!({ "enum": ["openapi"] }),
    )
    .versioned();
    about(operation)
        .answers(
            StatusCode::OK,
            "A page of the list, by name.",
            [
                ("event_types", types),
                ("groups", groups),
                ("next_cursor", next_cursor()),
            ],
            json!({ "event_types": [example()], "groups": ["order"], "next_cursor": null }),
        )
        .answers_also(MEDIA_TYPE)
}

pub(crate) fn get_event_type(schemas: &mut Schemas) -> Operation {
    let view = schemas.subschema_for::<EventTypeView<'_>>();
    let operation = Operation::new(Who::AnybodyWithAKey, "getEventType", "Read an event type.")
        .describe("Types may contain slashes; do not encode them in the path.")
        .versioned();
    about(operation)
        .answers(
            StatusCode::OK,
            "The event type.",
            [("event_type", view)],
            json!({ "event_type": example() }),
        )
        .refuses(&[Code::ReservedType])
}

pub(crate) fn put_event_type(schemas: &mut Schemas) -> Operation {
    let view = || json!({ "event_type": example() });
    let [made, replaced] = [(); 2].map(|()| schemas.subschema_for::<EventTypeView<'_>>());
    let body = json!({
        "type": "object",
        "properties": {
            "groups": {
                "description": "Groups that are subscribed to by name; those of the type that this one stands before, if left out.",
                "type": ["array", "null"],
                "items": { "type": "string" },
                "maxItems": EVENT_TYPE_GROUPS,
            },
            "description": free_text("A description.", DESCRIPTION_CHARS),
            "sample": {
                "description": format!("What its data looks like; it must be as `schema` says, and have at most {SAMPLE_BYTES} bytes as JSON. If left out, that of the type that this one stands before, if it is as `schema` says."),
                "type": ["object", "null"],
            },
            "schema": {
                "description": "A JSON Schema with the supported keywords, which published data must match. One that could be too expensive for some event is refused, with the location of the expensive part.",
                "type": ["object", "null"],
            },
            "deprecated": {
                "description": "Set if the type should not be published any more. Only a note: Rung still accepts the type.",
                "type": ["object", "null"],
                "properties": {
                    "since": { "description": "Now, if left out.", "type": ["string", "null"], "format": "date-time" },
                    "use": { "description": "The type that takes its place.", "type": ["string", "null"] },
                },
                "additionalProperties": false,
            },
            "archived": {
                "description": "Whether its events are refused and lists leave it out. Subscriptions to it stay.",
                "type": ["boolean", "null"],
                "default": false,
            },
            "type": { "description": "Read-only.", "type": ["string", "null"] },
            "tenant_id": { "description": "Read-only.", "type": ["string", "null"] },
            "source": { "description": "Read-only.", "type": ["string", "null"] },
            "aliases": { "description": "Read-only.", "type": ["array", "null"], "items": { "type": "string" } },
            "schema_version": { "description": "Read-only.", "type": ["integer", "null"] },
        },
        "additionalProperties": false,
    });
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Catalogue),
        "putEventType",
        "Create or replace the definition of an event type.",
    )
    .describe(format!(
        "A tenant's definition stands before the deployment's, and that before the dialect's. It takes effect with the tenant's next event; the deployment's within a second. At most {EVENT_TYPES} of a tenant, and as many of the deployment for each dialect."
    ))
    .preconditions();
    about(operation)
        .body(
            body,
            json!({
                "groups": ["order"],
                "description": "An order was paid.",
                "sample": { "order_id": "o_1", "total": 4200 },
                "schema": { "required": ["order_id"], "properties": { "total": { "type": "integer" } } },
            }),
        )
        .answers(StatusCode::OK, "Replaced.", [("event_type", replaced)], view())
        .answers(StatusCode::CREATED, "Defined.", [("event_type", made)], view())
        .refuses(&[
            Code::ReservedType,
            Code::TooManyEventTypes,
            Code::ReadOnly,
            Code::SchemaViolation,
            Code::UnstableNumber,
            Code::ReservedMember,
            Code::Busy,
        ])
}

pub(crate) fn delete_event_type(_: &mut Schemas) -> Operation {
    let deleted = json_schema!({
        "type": "object",
        "required": ["type", "tenant_id", "deleted"],
        "properties": {
            "type": { "type": "string" },
            "tenant_id": { "type": ["string", "null"] },
            "deleted": { "const": true },
        },
    });
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Catalogue),
        "deleteEventType",
        "Delete the caller's definition of an event type; the definition that it overrode applies again.",
    )
    .describe("A type that only the dialect defines, or the deployment for a tenant, cannot be deleted: 409 `event_type_inherited`; it can be archived. Subscriptions stay.")
    .no_body()
    .preconditions();
    about(operation)
        .answers(
            StatusCode::OK,
            "Deleted.",
            [("event_type", deleted)],
            deleted_example(),
        )
        .refuses(&[Code::ReservedType, Code::EventTypeInherited, Code::Busy])
}

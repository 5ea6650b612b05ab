//! The documentation of the catalogue's calls.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::next_cursor;
use crate::event_types::View;

fn example() -> Value {
    json!({
        "type": "user.streak.achieved",
        "aliases": [],
        "group": "user",
        "groups": ["user"],
        "description": "A user has learned for days on end.",
        "sample": { "user_id": "user_xyz789", "streak_days": 7 },
        "schema": null,
    })
}

pub(crate) fn list_event_types(schemas: &mut Schemas) -> Operation {
    let view = schemas.subschema_for::<View<'_>>();
    let types: Schema = json_schema!({ "type": "array", "items": view });
    let groups = json_schema!({ "type": "array", "items": { "type": "string" } });
    let any_type = json_schema!({
        "description": "Whether other well-formed types may be published too.",
        "type": "boolean",
    });
    Operation::new(
        Who::AnyTenant,
        "listEventTypes",
        "List the event types of the tenant's dialect.",
    )
    .pages()
    .answers(
        StatusCode::OK,
        "A page of the catalogue, in its order.",
        [
            ("event_types", types),
            ("groups", groups),
            ("any_type", any_type),
            ("next_cursor", next_cursor()),
        ],
        json!({
            "event_types": [example()],
            "groups": ["user"],
            "any_type": false,
            "next_cursor": null,
        }),
    )
}

pub(crate) fn get_event_type(schemas: &mut Schemas) -> Operation {
    let view = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::AnyTenant, "getEventType", "Read an event type.")
        .describe("Types may contain slashes; do not encode them in the path.")
        .answers(
            StatusCode::OK,
            "The event type.",
            [("event_type", view)],
            json!({ "event_type": example() }),
        )
        .refuses(&[Code::ReservedType])
}

const SCHEMA: &str = "/v1/event-types/{type}/schema";

fn schema_example() -> Value {
    json!({
        "type": "object",
        "required": ["user_id", "streak_days"],
        "properties": { "user_id": { "type": "string" }, "streak_days": { "type": "integer" } },
    })
}

fn any_schema() -> Schema {
    json_schema!({ "description": "A JSON Schema, with the supported keywords.", "type": ["object", "boolean"] })
}

pub(crate) fn get_schema(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::AnyTenant,
        "getSchema",
        "Read the schema of an event type: the tenant's own, else the dialect's.",
    )
    .answers(
        StatusCode::OK,
        "The schema.",
        [("schema", any_schema())],
        json!({ "schema": schema_example() }),
    )
    .refuses(&[Code::ReservedType])
}

pub(crate) fn put_schema(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::Tenant(Scope::Catalogue),
        "putSchema",
        "Set the tenant's schema of an event type.",
    )
    .at(SCHEMA)
    .describe("Published data must match it. It replaces the dialect's. A schema that could be too expensive for some event is refused, with the location of the expensive part.")
    .body(any_schema().to_value(), schema_example())
    .answers(
        StatusCode::OK,
        "Schema set.",
        [("schema", any_schema())],
        json!({ "schema": schema_example() }),
    )
    .refuses(&[Code::ReservedType, Code::TooManyEventTypes])
}

pub(crate) fn delete_schema(_: &mut Schemas) -> Operation {
    let deleted = json_schema!({
        "type": "object",
        "required": ["type", "deleted"],
        "properties": { "type": { "type": "string" }, "deleted": { "const": true } },
    });
    Operation::new(
        Who::Tenant(Scope::Catalogue),
        "deleteSchema",
        "Delete the tenant's schema of an event type; the dialect's applies again.",
    )
    .no_body()
    .at(SCHEMA)
    .answers(
        StatusCode::OK,
        "Deleted.",
        [("schema", deleted)],
        json!({ "schema": { "type": "user.streak.achieved", "deleted": true } }),
    )
    .refuses(&[Code::ReservedType])
}

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
        "description": "Whether any other well-formed type may be published too.",
        "type": "boolean",
    });
    Operation::new(
        Who::AnyTenant,
        "listEventTypes",
        "List what can be published and subscribed to in the tenant's dialect.",
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
        .describe("Types may have slashes in them; those stand in the path as they are.")
        .answers(
            StatusCode::OK,
            "The event type.",
            [("event_type", view)],
            json!({ "event_type": example() }),
        )
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
    json_schema!({ "description": "A JSON Schema, of the parts that Rung knows.", "type": ["object", "boolean"] })
}

pub(crate) fn get_schema(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::AnyTenant,
        "getSchema",
        "Read the schema that a type's data must meet: the tenant's own, else the dialect's.",
    )
    .answers(
        StatusCode::OK,
        "The schema.",
        [("schema", any_schema())],
        json!({ "schema": schema_example() }),
    )
}

pub(crate) fn put_schema(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::Tenant(Scope::Catalogue),
        "putSchema",
        "Give a type a schema of the tenant's own.",
    )
    .at(SCHEMA)
    .describe("What is published is held against it; it takes the place of the dialect's. One for which some event would take too much work is \
         refused with the place of what costs.")
    .body(any_schema().to_value(), schema_example())
    .answers(
        StatusCode::OK,
        "It holds from now on.",
        [("schema", any_schema())],
        json!({ "schema": schema_example() }),
    )
    .refuses(&[Code::TooManyEventTypes])
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
        "Take a type's own schema away; the dialect's holds again.",
    )
    .no_body()
    .at(SCHEMA)
    .answers(
        StatusCode::OK,
        "It is gone.",
        [("schema", deleted)],
        json!({ "schema": { "type": "user.streak.achieved", "deleted": true } }),
    )
}

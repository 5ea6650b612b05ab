//! The documentation of the catalogue's calls.

use http::StatusCode;
use rung_shared::api::openapi::{Operation, Schemas, Who};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use crate::event_types::View;

fn example() -> Value {
    json!({
        "type": "user.streak.achieved",
        "aliases": [],
        "group": "user",
        "groups": ["user"],
        "description": "A user has learned for days on end.",
        "sample": { "user_id": "user_xyz789", "streak_days": 7 },
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
        Who::Tenant,
        "listEventTypes",
        "List what can be published and subscribed to in the tenant's dialect.",
    )
    .answers(
        StatusCode::OK,
        "The whole catalogue.",
        [
            ("event_types", types),
            ("groups", groups),
            ("any_type", any_type),
        ],
        json!({ "event_types": [example()], "groups": ["user"], "any_type": false }),
    )
}

pub(crate) fn get_event_type(schemas: &mut Schemas) -> Operation {
    let view = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Tenant, "getEventType", "Read an event type.")
        .describe("Types may have slashes in them; those stand in the path as they are.")
        .answers(
            StatusCode::OK,
            "The event type.",
            [("event_type", view)],
            json!({ "event_type": example() }),
        )
}

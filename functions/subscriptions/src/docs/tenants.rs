//! The documentation of tenants' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::NAME_CHARS,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use rung_dialect::limits::ID_CHARS;
use serde_json::{Value, json};

use super::{id, jobs, object, text};
use crate::{plan::Changed, tenants::View};

fn example() -> Value {
    json!({
        "id": "acme",
        "name": "Acme",
        "dialect": "odin",
        "plan": "pro",
        "retention_days": null,
        "created_at": "2025-10-10T12:00:00Z",
    })
}

fn retention() -> Value {
    json!({
        "description": "For how many days its events and logs are kept: longer than any ladder, at most as long as this deployment keeps \
                        them [default: as long].",
        "type": ["integer", "null"],
        "minimum": 1,
    })
}

fn one(
    schemas: &mut Schemas,
    operation: Operation,
    status: StatusCode,
    description: &str,
) -> Operation {
    let tenant = schemas.subschema_for::<View<'_>>();
    operation.answers(
        status,
        description,
        [("tenant", tenant)],
        json!({ "tenant": example() }),
    )
}

pub(crate) fn create_tenant(schemas: &mut Schemas) -> Operation {
    let body = object(
        &["name"],
        json!({
            "id": id("Its id [default: a new one]."),
            "name": { "description": "Its name.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
            "dialect": text("What its webhooks look like on the wire; it stays so [default: `standard`].", ID_CHARS),
            "retention_days": retention(),
            "plan": text("Its plan; a dialect may have webhooks for some plans only.", ID_CHARS),
        }),
    );
    let example = json!({ "id": "acme", "name": "Acme", "dialect": "odin", "plan": "pro" });
    let operation = Operation::new(Who::Operator(Scope::Admin), "createTenant", "Make a tenant.")
        .idempotency_key(
            "Serves as an id where there is none: the same request again is answered with the tenant that it made, as long as that is \
             as the request says.",
        )
        .body(body, example)
        .refuses(&[Code::IdTaken, Code::IdempotencyMismatch, Code::UnknownPlan]);
    one(schemas, operation, StatusCode::CREATED, "It is made.")
}

pub(crate) fn list_tenants(schemas: &mut Schemas) -> Operation {
    let tenant = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Operator(Scope::Read), "listTenants", "List tenants.").lists(
        "tenants",
        tenant,
        example(),
    )
}

pub(crate) fn get_tenant(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(Who::Operator(Scope::Read), "getTenant", "Read a tenant.");
    one(schemas, operation, StatusCode::OK, "The tenant.")
}

pub(crate) fn update_tenant(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "name": text("A new name; null clears it.", NAME_CHARS),
            "retention_days": retention(),
            "plan": text("A new plan; null clears it.", ID_CHARS),
        }),
    );
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "updateTenant",
        "Change a tenant.",
    )
    .describe(
        "A plan without webhooks disables those that there are, with the reason `plan`, and tells the operator's own tenant; one with \
         webhooks activates exactly those again.",
    )
    .query(
        "recover",
        "Whether webhooks that the plan activates are also sent what they missed.",
        json!({ "type": "string", "enum": ["true", "false"], "default": "false" }),
    )
    .body(body, json!({ "plan": "enterprise" }))
    .refuses(&[Code::Busy, Code::UnknownPlan]);
    let tenant = schemas.subschema_for::<View<'_>>();
    let webhooks = schemas.subschema_for::<Changed>();
    operation.answers(
        StatusCode::OK,
        "It is changed; so many webhooks were disabled and activated with it.",
        [("tenant", tenant), ("webhooks", webhooks)],
        json!({ "tenant": example(), "webhooks": { "disabled": 0, "activated": 0 } }),
    )
}

pub(crate) fn delete_tenant(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteTenant",
        "Delete a tenant and erase everything of it.",
    )
    .describe(
        "Its keys and webhooks are gone with this answer, and nothing is sent to them afterwards; the job erases its events, deliveries \
         and logs. While it runs, the same call is answered with it. A tenant made under the id later is another one, and begins empty.",
    )
    .no_body();
    jobs::begins(schemas, operation, jobs::example())
}

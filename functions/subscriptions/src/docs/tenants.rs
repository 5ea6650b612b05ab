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
        "description": "Retention of events and logs in days: longer than any ladder, at most the deployment's [default: the deployment's].",
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
            "id": id("The tenant's id [default: a new one]."),
            "name": { "description": "The tenant's name.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
            "dialect": text("The dialect of its webhooks, which cannot be changed later [default: `standard`].", ID_CHARS),
            "retention_days": retention(),
            "plan": text("The plan; a dialect may restrict webhooks to some plans.", ID_CHARS),
        }),
    );
    let example = json!({ "id": "acme", "name": "Acme", "dialect": "odin", "plan": "pro" });
    let operation = Operation::new(Who::Operator(Scope::Admin), "createTenant", "Create a tenant.")
        .idempotency_key(
            "Serves as an id if there is none: repeating the request returns the tenant that it created, if that has not changed.",
        )
        .body(body, example)
        .refuses(&[Code::IdTaken, Code::IdempotencyMismatch, Code::UnknownPlan]);
    one(schemas, operation, StatusCode::CREATED, "Created.")
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
        "Whether to send webhooks that the plan activates what they missed.",
        json!({ "type": "string", "enum": ["true", "false"], "default": "false" }),
    )
    .body(body, json!({ "plan": "enterprise" }))
    .refuses(&[Code::Busy, Code::UnknownPlan]);
    let tenant = schemas.subschema_for::<View<'_>>();
    let webhooks = schemas.subschema_for::<Changed>();
    operation.answers(
        StatusCode::OK,
        "Updated, with the numbers of webhooks that were disabled and activated.",
        [("tenant", tenant), ("webhooks", webhooks)],
        json!({ "tenant": example(), "webhooks": { "disabled": 0, "activated": 0 } }),
    )
}

pub(crate) fn delete_tenant(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteTenant",
        "Delete a tenant and erase its data.",
    )
    .describe(
        "Its keys and webhooks are deleted at once, and nothing is sent afterwards; a job erases events, deliveries and logs. While the job runs, a repeated call returns it. A tenant created later under the same id is a new one and starts empty.",
    )
    .no_body();
    jobs::begins(schemas, operation, jobs::example())
}

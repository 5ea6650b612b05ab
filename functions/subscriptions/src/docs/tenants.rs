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

use super::{free_text, id, jobs, object, text, time, with};
use crate::{plan::Changed, tenants::TenantView};

pub(super) fn example() -> Value {
    json!({
        "id": "acme",
        "name": "Acme",
        "dialect": "odin",
        "plan": "pro",
        "retention_days": null,
        "metadata": {},
        "created_at": "2025-10-10T12:00:00.000Z",
    })
}

fn retention() -> Value {
    json!({
        "description": "Retention of events and logs in days: longer than any ladder, at most the deployment's [default: the deployment's].",
        "type": ["integer", "null"],
        "minimum": 1,
    })
}

fn metadata() -> Value {
    json!({ "description": "Whatever the operator wants to keep with it.", "type": ["object", "null"] })
}

/// What a tenant is made with, beside its id.
fn whole() -> Value {
    json!({
        "name": { "description": "Its name.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
        "dialect": text("What its new webhooks look like on the wire [default: `standard`].", ID_CHARS),
        "retention_days": retention(),
        "plan": free_text("Its plan, one of the dialect's where that names any; a dialect may have webhooks for some plans only.", ID_CHARS),
        "metadata": metadata(),
    })
}

/// A tenant as changed, and what that did to its webhooks.
fn with_counts(
    schemas: &mut Schemas,
    operation: Operation,
    status: StatusCode,
    description: &str,
) -> Operation {
    let tenant = schemas.subschema_for::<TenantView<'_>>();
    let webhooks = schemas.subschema_for::<Changed>();
    operation.answers(
        status,
        description,
        [
            ("tenant", tenant),
            ("webhooks", webhooks),
            ("job", jobs::schema_or_null(schemas)),
        ],
        json!({
            "tenant": example(),
            "webhooks": { "disabled": 0, "activated": 0 },
            "job": null,
        }),
    )
}

fn recovers(operation: Operation) -> Operation {
    operation.query(
        "recover",
        "Whether the webhooks are also sent what they missed, if the plan has webhooks: `job` does that.",
        json!({ "type": "string", "enum": ["true", "false"], "default": "false" }),
    )
}

fn one(
    schemas: &mut Schemas,
    operation: Operation,
    status: StatusCode,
    description: &str,
) -> Operation {
    let tenant = schemas.subschema_for::<TenantView<'_>>();
    operation.answers(
        status,
        description,
        [("tenant", tenant)],
        json!({ "tenant": example() }),
    )
}

pub(crate) fn create_tenant(schemas: &mut Schemas) -> Operation {
    let own = json!({ "id": id("Its id [default: a new one].") });
    let body = object(&["name"], with(whole(), own));
    let example = json!({ "id": "acme", "name": "Acme", "dialect": "odin", "plan": "pro" });
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "createTenant",
        "Create a tenant.",
    )
    .body(body, example)
    .answers_header(StatusCode::CREATED, "ETag", "The version of what was made.")
    .refuses(&[Code::IdTaken, Code::UnknownPlan]);
    one(schemas, operation, StatusCode::CREATED, "Created.")
}

pub(crate) fn list_tenants(schemas: &mut Schemas) -> Operation {
    let tenant = schemas.subschema_for::<TenantView<'_>>();
    Operation::new(Who::Operator(Scope::Read), "listTenants", "List tenants.")
        .lists("tenants", tenant, example())
        .query(
            "plan",
            "Filter by plan, several separated by commas.",
            json!({ "type": "string" }),
        )
        .query(
            "dialect",
            "Filter by dialect, several separated by commas.",
            json!({ "type": "string" }),
        )
        .query(
            "q",
            "Only those that have this text in their id or name, in any case.",
            json!({ "type": "string", "minLength": 1, "maxLength": NAME_CHARS }),
        )
        .query(
            "metadata.NAME",
            "Only those whose metadata has this member: `metadata.region=eu`.",
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        )
}

pub(crate) fn get_tenant(schemas: &mut Schemas) -> Operation {
    let operation =
        Operation::new(Who::Operator(Scope::Read), "getTenant", "Read a tenant.").versioned();
    one(schemas, operation, StatusCode::OK, "The tenant.")
}

pub(crate) fn put_tenant(schemas: &mut Schemas) -> Operation {
    let own = json!({
        "id": id("As in the path."),
        "created_at": time("When the webhook was created elsewhere [default: now, or the present value]."),
    });
    let body = object(&["name"], with(whole(), own));
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "putTenant",
        "Create or replace a tenant.",
    )
    .describe("Whole: what is left out gets its default. The same request again changes nothing.")
    .preconditions();
    let operation = recovers(operation)
        .body(
            body,
            json!({ "name": "Acme", "dialect": "odin", "plan": "pro" }),
        )
        .refuses(&[Code::Busy, Code::UnknownPlan]);
    let made = with_counts(schemas, operation, StatusCode::CREATED, "Tenant created.");
    with_counts(schemas, made, StatusCode::OK, "Tenant replaced.")
}

pub(crate) fn update_tenant(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "name": { "description": "A new name.", "type": "string", "minLength": 1, "maxLength": NAME_CHARS },
            "dialect": {
                "description": "Another dialect, for webhooks that are made from now on.",
                "type": "string",
                "maxLength": ID_CHARS,
            },
            "retention_days": retention(),
            "plan": free_text("A new plan; null clears it.", ID_CHARS),
            "metadata": metadata(),
            "id": { "description": "The present value.", "type": ["string", "null"] },
            "created_at": { "description": "The present value.", "type": ["string", "null"] },
        }),
    );
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "updateTenant",
        "Change a tenant.",
    )
    .describe(
        "A merge patch (RFC 7396). A plan without webhooks disables those that there are, with the reason `plan`, and tells the \
         operator's own tenant; one with webhooks activates exactly those again.",
    )
    .preconditions();
    let operation = recovers(operation)
        .body(body, json!({ "plan": "enterprise" }))
        .refuses(&[Code::Busy, Code::ReadOnly, Code::UnknownPlan]);
    with_counts(
        schemas,
        operation,
        StatusCode::OK,
        "Tenant changed, with the number of webhooks that the change disabled and activated.",
    )
}

pub(crate) fn delete_tenant(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Operator(Scope::Admin),
        "deleteTenant",
        "Delete a tenant and erase its data.",
    )
    .describe(
        "Its keys and webhooks are deleted at once, and nothing is sent afterwards; a job erases events, deliveries and logs. While the job runs, a repeated call returns it. A tenant created later under the same id is a new one and starts empty. The operator's own, `_operator`, is not deleted.",
    )
    .preconditions()
    .no_body()
    .refuses(&[Code::OwnTenant]);
    jobs::begins(schemas, operation, jobs::example())
}

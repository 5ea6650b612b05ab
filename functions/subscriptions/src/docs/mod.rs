//! The documentation of each call: beside the handlers, so that those can be read without it.

mod audit;
mod dead_letters;
mod deliveries;
mod encryption;
mod event_types;
mod events;
mod exports;
mod jobs;
mod keys;
mod logs;
mod portal_links;
mod recover;
mod stats;
mod tenants;
mod webhooks;

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_dialect::limits::ID_CHARS;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

pub(crate) use self::{
    audit::list_audit,
    dead_letters::{list_dead_letters, redrive_dead_letters},
    deliveries::{
        cancel_deliveries, cancel_delivery, get_delivery, list_deliveries, retry_delivery,
    },
    encryption::reencrypt,
    event_types::{delete_event_type, get_event_type, list_event_types, put_event_type},
    events::{delete_event, get_event, list_events, preview_filter},
    exports::{create_export, get_output, import},
    jobs::{cancel_job, get_job, list_jobs},
    keys::{
        create_key, create_operator_key, delete_key, delete_operator_key, get_key,
        get_operator_key, list_keys, list_operator_keys, update_key, update_operator_key,
    },
    logs::{get_log, list_all_logs, list_logs, retry_log},
    portal_links::{
        create_portal_link, delete_portal_link, delete_portal_links, get_portal_link,
        list_portal_links,
    },
    recover::{recover, recover_all},
    stats::{stats, webhook_stats},
    tenants::{create_tenant, delete_tenant, get_tenant, list_tenants, put_tenant, update_tenant},
    webhooks::{
        create_webhook, delete_webhook, finish_rotation, get_secret, get_webhook, list_webhooks,
        prove_webhook, put_webhook, rotate_secret, test_webhook, update_webhook, verify_webhook,
    },
};
use crate::about::{About, DialectView, Quota};

pub(crate) fn health(_: &mut Schemas) -> Operation {
    Operation::new(Who::Anybody, "getHealth", "Check that Rung is up.").answers(
        StatusCode::OK,
        "Rung is up.",
        [
            ("status", json_schema!({ "const": "ok" })),
            ("version", json_schema!({ "type": "string" })),
        ],
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }),
    )
}

pub(crate) fn root(schemas: &mut Schemas) -> Operation {
    let about = schemas.subschema_for::<About<'_>>().to_value();
    Operation::new(
        Who::Anybody,
        "getAbout",
        "What this deployment is: its version, what it knows, and its limits.",
    )
    .answers_with(
        StatusCode::OK,
        "The deployment.",
        about,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "api": "v1",
            "features": ["audit", "batch"],
            "dialects": [{ "name": "standard", "description": "Standard Webhooks.", "any_type": true, "plans": null }],
            "retention_days": 30,
            "limits": {
                "request_bytes": 262_144,
                "batch_request_bytes": 1_048_576,
                "batch_events": 100,
                "page_items": 100,
                "webhooks_per_tenant": 10_000,
                "events_per_second": null,
            },
            "egress_ips": ["203.0.113.7/32"],
            "portal": {
                "name": "Acme",
                "logo": null,
                "accent": "#4353c9",
                "theme": "auto",
                "language": null,
                "sentences": null,
                "pages": null,
                "frame_ancestors": ["https://app.example.com"],
            },
        }),
    )
    .refuses(&[Code::InvalidRequest, Code::UnknownField])
}

pub(crate) fn me(schemas: &mut Schemas) -> Operation {
    let key = schemas.subschema_for::<Option<crate::keys::KeyView<'_>>>();
    let portal_link = schemas.subschema_for::<Option<crate::portal_links::PortalLinkView<'_>>>();
    let tenant = schemas.subschema_for::<Option<crate::tenants::TenantView<'_>>>();
    let dialects = schemas.subschema_for::<Vec<DialectView<'_>>>();
    let plan = json_schema!({
        "description": "Whether the tenant's plan has webhooks; null where no tenant is named.",
        "type": ["boolean", "null"],
    });
    let quota = schemas.subschema_for::<Option<Quota>>();
    let quotas = json_schema!({
        "description": "What is left of what the key and the plan may publish; null where there is no limit.",
        "type": "object",
        "required": ["events_per_hour", "events_per_month"],
        "properties": { "events_per_hour": quota, "events_per_month": quota },
    });
    Operation::new(
        Who::AnybodyWithAKey,
        "getMe",
        "Whose key this is, what it may do, and what is left of its quota.",
    )
    .describe("The tenant's `metadata` is empty unless the key is an operator's.")
    .answers(
        StatusCode::OK,
        "The key or the portal link, and the tenant that it is of or that `Rung-Tenant` names.",
        [
            ("key", key),
            ("portal_link", portal_link),
            ("tenant", tenant),
            ("dialects", dialects),
            ("plan_has_webhooks", plan),
            ("quota", quotas),
        ],
        json!({
            "key": keys::example(),
            "portal_link": null,
            "tenant": tenants::example(),
            "dialects": [{ "name": "standard", "description": "Standard Webhooks.", "any_type": true, "plans": null }],
            "plan_has_webhooks": true,
            "quota": { "events_per_hour": null, "events_per_month": null },
        }),
    )
}

pub(crate) fn openapi(_: &mut Schemas) -> Operation {
    Operation::new(Who::Anybody, "getOpenApi", "This description.").answers_plain(
        StatusCode::OK,
        "OpenAPI 3.1.",
        json!({ "type": "object" }),
    )
}

pub(crate) fn egress_ips(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::Anybody,
        "listEgressIps",
        "List the addresses that deliveries come from, for allow-lists.",
    )
    .answers(
        StatusCode::OK,
        "The networks that the operator has configured.",
        [(
            "egress_ips",
            json_schema!({ "type": "array", "items": { "type": "string" } }),
        )],
        json!({ "egress_ips": ["203.0.113.7/32"] }),
    )
    .refuses(&[Code::InvalidRequest, Code::UnknownField])
}

/// What every page ends with.
fn next_cursor() -> Schema {
    json_schema!({
        "description": "Cursor of the next page; null at the end.",
        "type": ["string", "null"],
    })
}

/// What is answered for something that is gone.
fn deleted(operation: Operation, name: &'static str, id: &str, tenant: Option<&str>) -> Operation {
    operation.no_body().answers(
        StatusCode::OK,
        "Deleted.",
        [(name, deleted_schema())],
        json!({ name: { "id": id, "tenant_id": tenant, "deleted": true } }),
    )
}

fn deleted_schema() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["id", "tenant_id", "deleted"],
        "properties": {
            "id": { "type": "string" },
            "tenant_id": { "description": "Null where it was the operator's.", "type": ["string", "null"] },
            "deleted": { "const": true },
        },
    })
}

/// An object with these fields and no others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The fields with more of them.
fn with(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

/// A text that may be empty.
fn free_text(description: &str, most: usize) -> Value {
    let description = format!("{description} An empty string means the same as null.");
    json!({ "description": description, "type": ["string", "null"], "maxLength": most })
}

fn text(description: &str, most: usize) -> Value {
    json!({ "description": description, "type": ["string", "null"], "minLength": 1, "maxLength": most })
}

fn id(description: &str) -> Value {
    let pattern = format!("^[A-Za-z0-9_-]{{1,{ID_CHARS}}}$");
    json!({ "description": description, "type": ["string", "null"], "pattern": pattern })
}

fn time(description: &str) -> Value {
    json!({ "description": description, "type": ["string", "null"], "format": "date-time" })
}

//! The documentation of each call: beside the handlers, so that those can be read without it.

mod audit;
mod dead_letters;
mod deliveries;
mod encryption;
mod event_types;
mod events;
mod jobs;
mod keys;
mod logs;
mod recover;
mod stats;
mod tenants;
mod webhooks;

use http::StatusCode;
use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::tenant::Scope;
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
    event_types::{delete_schema, get_event_type, get_schema, list_event_types, put_schema},
    events::{delete_event, get_event, list_events},
    jobs::{get_job, list_jobs},
    keys::{
        create_key, create_operator_key, delete_key, delete_operator_key, get_key,
        get_operator_key, list_keys, list_operator_keys, update_key, update_operator_key,
    },
    logs::{get_log, list_all_logs, list_logs, retry_log},
    recover::{get_recovery, recover},
    stats::{tenant_stats, webhook_stats},
    tenants::{create_tenant, delete_tenant, get_tenant, list_tenants, update_tenant},
    webhooks::{
        create_webhook, delete_webhook, finish_rotation, get_secret, get_webhook, list_webhooks,
        rotate_secret, test_webhook, update_webhook, verify_webhook,
    },
};

pub(crate) fn health(_: &mut Schemas) -> Operation {
    Operation::new(Who::Anybody, "getHealth", "Check that Rung is up.").answers(
        StatusCode::OK,
        "Rung is up.",
        [("status", json_schema!({ "const": "ok" }))],
        json!({ "status": "ok" }),
    )
}

pub(crate) fn dashboard(_: &mut Schemas) -> Operation {
    Operation::new(Who::Anybody, "getDashboard", "The dashboard.")
        .describe("A web page that uses this API with a key.")
        .answers_file(&["text/html"])
}

pub(crate) fn dashboard_file(_: &mut Schemas) -> Operation {
    Operation::new(Who::Anybody, "getDashboardFile", "A file of the dashboard.").answers_file(&[
        "text/css",
        "text/javascript",
        "image/svg+xml",
    ])
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
        Who::Tenant(Scope::Read),
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
}

/// What every page ends with.
fn next_cursor() -> Schema {
    json_schema!({
        "description": "Cursor of the next page; null at the end.",
        "type": ["string", "null"],
    })
}

/// What is answered for something that is gone.
fn deleted(operation: Operation, name: &'static str, id: &str) -> Operation {
    let schema = json_schema!({
        "type": "object",
        "required": ["id", "deleted"],
        "properties": { "id": { "type": "string" }, "deleted": { "const": true } },
    });
    operation.no_body().answers(
        StatusCode::OK,
        "Deleted.",
        [(name, schema)],
        json!({ name: { "id": id, "deleted": true } }),
    )
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

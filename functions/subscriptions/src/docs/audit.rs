//! The documentation of the audit log's call.

use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::{audit::Action, tenant::Scope};
use serde_json::{Value, json};

use super::id;
use crate::audit::AuditView;

fn example() -> Value {
    json!({
        "id": "aud_6b1c2f0d9e8a7b6c5d4e3f21",
        "at": "2025-10-10T12:00:00.000Z",
        "tenant_id": "acme",
        "actor": { "kind": "key", "id": "key_4f9d2c7b1a", "name": "Production", "person": null },
        "action": "webhook.updated",
        "target": { "kind": "webhook", "id": "webhook_a20423710c5907989e364431" },
        "changes": [
            { "field": "url", "before": "https://example.com/old", "after": "https://example.com/new" },
            { "field": "secret_headers.Authorization", "before": null, "after": null, "hidden": true },
        ],
        "request_id": "req_0a1b2c3d4e5f60718293",
        "ip": "198.51.100.7",
        "user_agent": "curl/8.5.0",
    })
}

pub(crate) fn list_audit(schemas: &mut Schemas) -> Operation {
    let entry = schemas.subschema_for::<AuditView<'_>>();
    let actions: Vec<_> = Action::ALL
        .iter()
        .map(|action| format!("`{}`", action.as_str()))
        .collect();
    let several = |description: &str| json!({ "type": "string", "description": description });
    let time = json!({ "type": "string", "format": "date-time" });
    Operation::new(
        Who::TenantOrAll(Scope::Read),
        "listAudit",
        "List the audit log.",
    )
    .links(false)
    .describe(format!(
        "Each change, including Rung's own, is written together with its entry, which is kept for a year. Confidential values are `hidden`, long ones truncated. A tenant sees changes of its own resources. The list of the whole deployment is a moment behind. Actions: {}.",
        actions.join(", ")
    ))
    .query("tenant", "Operator's keys only: filter by tenants that have or had this id.", id("A tenant's id."))
    .query("actor", "Filter by actor.", several("Ids of keys and portal links, or `key`, `portal` or `system`, separated by commas."))
    .query("action", "Filter by action.", several("Actions, or all of a kind such as `webhook.*`, separated by commas."))
    .query("target", "Filter by target.", several("Resource ids, separated by commas."))
    .query("since", "Written at or after this time.", time.clone())
    .query("until", "Written before this time.", time)
    .lists("entries", entry, example())
}

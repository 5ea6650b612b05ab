//! The documentation of exports and imports.

use http::StatusCode;
use rung_api::{
    Code,
    limits::IMPORT_LINES,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use schemars::{Schema, json_schema};
use serde_json::json;

use super::{jobs, object};
use crate::import::ImportResult;

pub(crate) fn create_export(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "include": {
                "description": "What goes along with tenants, keys, event types and webhooks [default: nothing].",
                "type": ["array", "null"],
                "items": { "enum": ["secrets", "events", "logs"] },
            },
        }),
    );
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Admin),
        "createExport",
        "Export a tenant, or without a tenant the deployment.",
    )
    .describe(
        "When the job has succeeded, its lines are at `/v1/jobs/{id}/output`. They are made as they are read; nothing is stored. \
         Of a key, its hash is exported: clients' keys still work after an import.",
    )
    .optional_body(body, json!({ "include": ["secrets"] }));
    jobs::begins(schemas, operation, jobs::example_of_export())
}

pub(crate) fn get_output(_: &mut Schemas) -> Operation {
    Operation::new(
        Who::TenantOrAll(Scope::Admin),
        "getOutput",
        "Read the lines of an export.",
    )
    .describe(
        "NDJSON, with `Accept: text/plain` as plain text, up to 4 MiB: each line is an object with one member, `tenant`, `key`, `event_type`, `webhook`, `event` or `log`.",
    )
    .query(
        "cursor",
        "The cursor of the header `Link` of the page before.",
        json!({ "type": "string" }),
    )
    .answers_lines("The lines; the header `Link` leads to the next page, if there is one.")
    .refuses(&[Code::Busy])
}

pub(crate) fn import(schemas: &mut Schemas) -> Operation {
    let result = schemas.subschema_for::<ImportResult>();
    let results: Schema = json_schema!({ "type": "array", "items": result });
    let next = json_schema!({
        "description": "The first line that was not handled: send it and what follows again. Null if there is none.",
        "type": ["integer", "null"],
    });
    Operation::new(
        Who::Operator(Scope::Admin),
        "import",
        "Import the lines of an export.",
    )
    .describe(
        format!("NDJSON, up to 4 MiB, as `/v1/jobs/{{id}}/output` answers it, with any `Content-Type`. Each line is taken as the call that makes or replaces such a \
         thing, so that an import can be repeated; a webhook may subscribe to types that were deleted. Events and log entries are skipped. At most {IMPORT_LINES} lines at a time; \
         `next_line` says where to go on. If no line is taken, the response is an error with `results` and `next_line` in `data`. \
         With `Rung-Tenant`, lines of other tenants are refused."),
    )
    .header(
        "Rung-Tenant",
        "Refuse the lines of all tenants but this one.",
        json!({ "type": "string" }),
    )
    .lines_body()
    .answers(
        StatusCode::OK,
        "One result per line, in order.",
        [("results", results), ("next_line", next)],
        json!({
            "results": [{ "line": 1, "kind": "tenant", "status": 201, "unknown_events": [], "error": null }],
            "next_line": null,
        }),
    )
    .refuses(&[Code::ImportRefused])
}

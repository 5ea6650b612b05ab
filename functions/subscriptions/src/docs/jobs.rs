//! The documentation of jobs' calls, and what the calls that begin jobs answer.

use http::StatusCode;
use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::{
    job::{Kind, Status},
    tenant::Scope,
};
use schemars::Schema;
use serde_json::{Value, json};

use crate::jobs::View;

/// A job that has just begun to erase a tenant.
pub(super) fn example() -> Value {
    json!({
        "id": "job_6f1c0e9b2d4a7f3580c1b2a4",
        "kind": "erase",
        "tenant_id": "acme",
        "webhook_id": null,
        "status": "queued",
        "params": {},
        "progress": { "done": 0, "total": null },
        "result": null,
        "error": null,
        "created_by": "key_root",
        "created_at": "2025-10-10T13:30:00.000Z",
        "started_at": null,
        "ended_at": null,
    })
}

/// The same of an event.
pub(super) fn example_of_event() -> Value {
    let mut job = example();
    job["params"] = json!({ "event_id": "evt_001" });
    job
}

/// The same of a webhook.
pub(super) fn example_of_webhook() -> Value {
    let mut job = example();
    job["webhook_id"] = "webhook_5kq2m8x1r7".into();
    job["created_by"] = "key_4d2b".into();
    job
}

/// One that has succeeded.
fn succeeded() -> Value {
    let mut job = example_of_event();
    for (name, value) in [
        ("status", json!("succeeded")),
        ("progress", json!({ "done": 3, "total": null })),
        (
            "result",
            json!({
                "events": 1,
                "deliveries": 1,
                "log_entries": 1,
                "remains": [{
                    "where": "backups",
                    "what": "the table at an earlier point in time",
                    "until": "2025-11-14T13:30:01.000Z",
                }],
            }),
        ),
        ("started_at", json!("2025-10-10T13:30:00.000Z")),
        ("ended_at", json!("2025-10-10T13:30:01.000Z")),
    ] {
        job[name] = value;
    }
    job
}

pub(super) fn schema(schemas: &mut Schemas) -> Schema {
    schemas.subschema_for::<View<'_>>()
}

/// A call that begins a job.
pub(super) fn begins(schemas: &mut Schemas, operation: Operation, example: Value) -> Operation {
    operation.answers(
        StatusCode::ACCEPTED,
        "Job started; `Location` has its URL.",
        [("job", schema(schemas))],
        json!({ "job": example }),
    )
}

pub(crate) fn list_jobs(schemas: &mut Schemas) -> Operation {
    let names = |names: Vec<&str>| json!({ "type": "string", "examples": names });
    Operation::new(Who::TenantOrAll(Scope::Read), "listJobs", "List jobs.")
        .lists("jobs", schema(schemas), succeeded())
        .query(
            "kind",
            "Filter by kind; several are separated by commas.",
            names(Kind::ALL.map(Kind::as_str).to_vec()),
        )
        .query(
            "status",
            "Filter by status; several are separated by commas.",
            names(Status::ALL.map(Status::as_str).to_vec()),
        )
        .query(
            "webhook_id",
            "Filter by webhook.",
            json!({ "type": "string" }),
        )
}

pub(crate) fn get_job(schemas: &mut Schemas) -> Operation {
    Operation::new(
        Who::TenantOrAll(Scope::Read),
        "getJob",
        "Read a job and its progress.",
    )
    .describe("Omit `Rung-Tenant` to read the job of a deleted tenant.")
    .answers(
        StatusCode::OK,
        "The job.",
        [("job", schema(schemas))],
        json!({ "job": succeeded() }),
    )
}

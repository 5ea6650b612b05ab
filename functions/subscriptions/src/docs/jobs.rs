//! The documentation of jobs' calls, and what the calls that begin jobs answer.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{
    job::{Kind, Status},
    tenant::Scope,
};
use schemars::Schema;
use serde_json::{Value, json};

use crate::jobs::JobView;

/// A job that has just begun to erase a tenant.
pub(super) fn example() -> Value {
    json!({
        "id": "job_6f1c0e9b2d4a7f3580c1b2a4",
        "kind": "erase",
        "tenant_id": "acme",
        "webhook_id": null,
        "status": "queued",
        "params": { "event_id": null },
        "progress": { "done": 0, "skipped": 0, "total": null, "reached": null },
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

/// One that sends a webhook's deliveries again.
pub(super) fn example_of_recovery() -> Value {
    let mut job = example_of_webhook();
    job["kind"] = "recover".into();
    job["params"] = json!({
        "since": "2025-10-10T12:00:00.000Z",
        "until": "2025-10-10T13:30:00.000Z",
        "statuses": ["failed", "held", "missed"],
        "event_types": null,
        "delivery_ids": null,
        "rate_per_second": null,
    });
    job["progress"]["reached"] = "2025-10-10T12:00:00.000Z".into();
    job
}

/// One that sends the deliveries of all of a tenant's webhooks again.
pub(super) fn example_of_wide_recovery() -> Value {
    let mut job = example_of_recovery();
    job["webhook_id"] = Value::Null;
    job["progress"]["reached"] = Value::Null;
    job
}

/// One that cancels a webhook's deliveries.
pub(super) fn example_of_cancelling() -> Value {
    let mut job = example_of_webhook();
    job["kind"] = "cancel".into();
    job["params"] = json!({ "statuses": ["pending"] });
    job
}

/// One that moves dead letters.
pub(super) fn example_of_redrive() -> Value {
    let mut job = example();
    job["kind"] = "redrive".into();
    job["tenant_id"] = Value::Null;
    job["params"] = json!({ "queue": "deliver" });
    job["progress"]["total"] = 1.into();
    job
}

/// One that exports.
pub(super) fn example_of_export() -> Value {
    let mut job = example();
    job["kind"] = "export".into();
    job["tenant_id"] = Value::Null;
    job["params"] = json!({ "include": ["secrets"] });
    job
}

/// One that has succeeded.
fn succeeded() -> Value {
    let mut job = example_of_event();
    for (name, value) in [
        ("status", json!("succeeded")),
        (
            "progress",
            json!({ "done": 3, "skipped": 0, "total": null, "reached": null }),
        ),
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
    schemas.subschema_for::<JobView<'_>>()
}

/// A job, or null where none was asked for.
pub(super) fn schema_or_null(schemas: &mut Schemas) -> Schema {
    schemas.subschema_for::<Option<JobView<'_>>>()
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
            "Filter by webhook; several are separated by commas.",
            json!({ "type": "string" }),
        )
}

pub(crate) fn get_job(schemas: &mut Schemas) -> Operation {
    Operation::new(
        Who::TenantOrAll(Scope::Read),
        "getJob",
        "Read a job and its progress.",
    )
    .describe("Omit `Rung-Tenant` to read the job of a deleted tenant. The scope `erase` suffices to read an erasure.")
    .answers(
        StatusCode::OK,
        "The job.",
        [("job", schema(schemas))],
        json!({ "job": succeeded() }),
    )
}

pub(crate) fn cancel_job(schemas: &mut Schemas) -> Operation {
    let mut job = example_of_recovery();
    job["status"] = "cancelled".into();
    job["started_at"] = "2025-10-10T13:30:00.000Z".into();
    job["ended_at"] = "2025-10-10T13:30:01.000Z".into();
    Operation::new(
        Who::TenantOrAll(Scope::Manage),
        "cancelJob",
        "Cancel a job that has not ended.",
    )
    .describe("What it has sent stays sent, what it has cancelled or moved stays so. An erasure cannot be cancelled.")
    .no_body()
    .answers(
        StatusCode::OK,
        "The job; it does nothing more.",
        [("job", schema(schemas))],
        json!({ "job": job }),
    )
    .refuses(&[Code::JobEnded, Code::JobNotCancellable])
}

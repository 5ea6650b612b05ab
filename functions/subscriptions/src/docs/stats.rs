//! The documentation of statistics.

use http::StatusCode;
use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::tenant::Scope;
use serde_json::{Value, json};

use crate::stats::Stats;

fn counts() -> Value {
    json!({
        "attempts": 120,
        "succeeded": 117,
        "failed": 3,
        "by_status": { "none": 1, "1xx": 0, "2xx": 117, "3xx": 0, "4xx": 0, "5xx": 2 },
        "latency_ms": { "p50": 41, "p90": 88, "p95": 130, "p99": 512 },
    })
}

fn stats(schemas: &mut Schemas, operation: Operation, failures: Option<u32>) -> Operation {
    let time = || json!({ "type": "string", "format": "date-time" });
    let mut example = counts();
    let mut bucket = counts();
    bucket["start"] = "2025-10-10T12:00:00Z".into();
    for (name, value) in [
        ("since", json!("2025-10-10T12:00:00Z")),
        ("until", json!("2025-10-10T12:59:30Z")),
        ("bucket", json!("hour")),
        ("buckets", json!([bucket])),
    ] {
        example[name] = value;
    }
    if let Some(failures) = failures {
        example["consecutive_failures"] = failures.into();
    }
    let schema = schemas.subschema_for::<Stats>();
    operation
        .describe("Counted by the hour: a span begins and ends with whole ones.")
        .query(
            "since",
            "From when on [default: a day ago, by the day a month].",
            time(),
        )
        .query("until", "Up to when [default: now].", time())
        .query(
            "bucket",
            "How fine.",
            json!({ "enum": ["hour", "day"], "default": "hour" }),
        )
        .answers(
            StatusCode::OK,
            "The counts.",
            [("stats", schema)],
            json!({ "stats": example }),
        )
}

pub(crate) fn tenant_stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "getStats",
        "How a tenant's attempts went.",
    );
    stats(schemas, operation, None)
}

pub(crate) fn webhook_stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "getWebhookStats",
        "How the attempts at a webhook went.",
    );
    stats(schemas, operation, Some(2))
}

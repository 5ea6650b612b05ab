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
    bucket["start"] = "2025-10-10T12:00:00.000Z".into();
    for (name, value) in [
        ("since", json!("2025-10-10T12:00:00.000Z")),
        ("until", json!("2025-10-10T12:59:30.000Z")),
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
        .describe("Statistics are kept per hour: a span begins and ends with whole hours.")
        .query(
            "since",
            "Start of the span [default: a day ago, with `bucket=day` 30 days ago].",
            time(),
        )
        .query("until", "End of the span [default: now].", time())
        .query(
            "bucket",
            "The size of the buckets.",
            json!({ "enum": ["hour", "day"], "default": "hour" }),
        )
        .answers(
            StatusCode::OK,
            "The statistics.",
            [("stats", schema)],
            json!({ "stats": example }),
        )
}

pub(crate) fn tenant_stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "getStats",
        "Get statistics of a tenant's attempts.",
    );
    stats(schemas, operation, None)
}

pub(crate) fn webhook_stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "getWebhookStats",
        "Get statistics of a webhook's attempts.",
    );
    stats(schemas, operation, Some(2))
}

//! The documentation of statistics.

use http::StatusCode;
use rung_api::{
    Code,
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use serde_json::{Value, json};

use crate::stats::Stats;

fn counts() -> Value {
    json!({
        "attempts": 120,
        "succeeded": 117,
        "failed": 3,
        "by_status": { "none": 1, "1xx": 0, "2xx": 117, "3xx": 0, "4xx": 0, "5xx": 2 },
        "by_error": { "status": 2, "timeout": 1 },
        "latency_ms": { "p50": 41, "p90": 88, "p95": 130, "p99": 512 },
    })
}

fn about(schemas: &mut Schemas, operation: Operation, failures: Option<u32>) -> Operation {
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
    example["tenant_id"] = failures.map(|_| "acme").into();
    example["webhook_id"] = failures.map(|_| "webhook_456").into();
    example["consecutive_failures"] = failures.into();
    let schema = schemas.subschema_for::<Stats>();
    operation
        .describe("Statistics are kept per hour: those of each hour that begins within the span, whose end is not part of it.")
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

pub(crate) fn stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Read),
        "getStats",
        "Get statistics of the attempts of a tenant, or of all tenants.",
    )
    .describe("All tenants together: up to 10,000 webhooks.");
    about(schemas, operation, None).refuses(&[Code::TenantRequired])
}

pub(crate) fn webhook_stats(schemas: &mut Schemas) -> Operation {
    let operation = Operation::new(
        Who::Tenant(Scope::Read),
        "getWebhookStats",
        "Get statistics of a webhook's attempts.",
    );
    about(schemas, operation, Some(2))
}

//! Statistics: how attempts went over a span of time, of a webhook and of a whole tenant.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Fields, Query, answer,
    limits::{FAILURES_COUNTED, STATS_BUCKETS},
    read,
};
use rung_core::{
    domain::{
        attempt::Outcome,
        id::WebhookId,
        stats::{Counts, HOUR_MS},
        time::Time,
    },
    store::walk::Span,
};
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, Path};

const DAY_MS: u64 = 24 * HOUR_MS;

/// Counts as clients see them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Counts")]
struct View {
    attempts: u64,
    succeeded: u64,
    failed: u64,
    by_status: ByStatus,
    latency_ms: Latency,
}

/// Attempts by response status.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CountsByStatus")]
struct ByStatus {
    /// No response.
    none: u64,
    #[serde(rename = "1xx")]
    informational: u64,
    #[serde(rename = "2xx")]
    successful: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
}

/// Percentiles over all responses; null without any.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LatencyPercentiles")]
struct Latency {
    p50: Option<u64>,
    p90: Option<u64>,
    p95: Option<u64>,
    p99: Option<u64>,
}

impl From<&Counts> for View {
    fn from(counts: &Counts) -> Self {
        let [
            none,
            informational,
            successful,
            redirection,
            client_error,
            server_error,
        ] = counts.by_status;
        Self {
            attempts: counts.succeeded + counts.failed,
            succeeded: counts.succeeded,
            failed: counts.failed,
            by_status: ByStatus {
                none,
                informational,
                successful,
                redirection,
                client_error,
                server_error,
            },
            latency_ms: Latency {
                p50: counts.latency_ms(0.5),
                p90: counts.latency_ms(0.9),
                p95: counts.latency_ms(0.95),
                p99: counts.latency_ms(0.99),
            },
        }
    }
}

/// A part of the span with its counts.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatsBucket")]
struct BucketView {
    start: Time,
    #[serde(flatten)]
    counts: View,
}

/// Statistics of attempts over a time span.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    since: Time,
    until: Time,
    bucket: &'static str,
    #[serde(flatten)]
    total: View,
    /// Failed attempts since the last success; for a webhook only.
    #[serde(skip_serializing_if = "Option::is_none")]
    consecutive_failures: Option<usize>,
    /// Buckets with attempts, oldest first.
    buckets: Vec<BucketView>,
}

/// What is asked for.
struct Asked {
    span: Span,
    bucket_ms: u64,
}

impl Asked {
    /// Reads the query. Counts are kept by the hour, so the span begins and ends with whole ones.
    fn read(state: &Management, query: &Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(query)?;
        let bucket_ms = fields.optional("bucket", |value| match value.as_str() {
            Some("hour") => Ok(HOUR_MS),
            Some("day") => Ok(DAY_MS),
            _ => Err("must be `hour` or `day`".to_owned()),
        });
        let since_ms = fields.optional("since", read::time_ms);
        let until_ms = fields.optional("until", read::time_ms);
        let bucket_ms = bucket_ms.unwrap_or(HOUR_MS);
        let now_ms = state.api.clock.now_ms();
        let until_ms = until_ms.unwrap_or(now_ms).min(now_ms);
        // A day by the hour, a month by the day.
        let usual_ms = if bucket_ms == HOUR_MS {
            DAY_MS
        } else {
            30 * DAY_MS
        };
        let since_ms = since_ms.unwrap_or_else(|| until_ms.saturating_sub(usual_ms));
        let since_ms = since_ms - since_ms % bucket_ms;
        if since_ms > until_ms {
            fields.problem("since", "is after `until`, or in the future");
        } else if (until_ms - since_ms) / bucket_ms > STATS_BUCKETS {
            let problem = format!(
                "spans more than {STATS_BUCKETS} buckets; use `bucket=day`, or a shorter span"
            );
            fields.problem("since", problem);
        }
        fields.finish()?;
        Ok(Self {
            span: Span { since_ms, until_ms },
            bucket_ms,
        })
    }

    fn answer(
        &self,
        hours: impl IntoIterator<Item = (u64, Counts)>,
        consecutive_failures: Option<usize>,
    ) -> Response {
        let mut total = Counts::default();
        let mut buckets = BTreeMap::<u64, Counts>::new();
        for (hour_ms, counts) in hours {
            total.add(&counts);
            let start_ms = hour_ms - hour_ms % self.bucket_ms;
            buckets.entry(start_ms).or_default().add(&counts);
        }
        let buckets = buckets.iter().map(|(start_ms, counts)| BucketView {
            start: Time::at_ms(*start_ms),
            counts: counts.into(),
        });
        let stats = Stats {
            since: Time::at_ms(self.span.since_ms),
            until: Time::at_ms(self.span.until_ms),
            bucket: if self.bucket_ms == HOUR_MS {
                "hour"
            } else {
                "day"
            },
            total: (&total).into(),
            consecutive_failures,
            buckets: buckets.collect(),
        };
        answer(StatusCode::OK, json!({ "stats": stats }))
    }
}

pub(crate) async fn of_webhook(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &id).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let asked = Asked::read(&state, &query)?;
    let store = &state.api.store;
    let (tenant, id) = (&webhook.tenant, &webhook.id);
    let (hours, newest) = tokio::try_join!(
        store.counts_of(tenant, id, asked.span),
        store.newest_counting(tenant, id, webhook.enabled_ms, FAILURES_COUNTED)
    )?;
    let failures = newest
        .iter()
        .take(FAILURES_COUNTED)
        .take_while(|attempt| attempt.outcome == Outcome::Failed)
        .count();
    Ok(asked.answer(hours, Some(failures)))
}

pub(crate) async fn of_tenant(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let asked = Asked::read(&state, &query)?;
    let (store, tenant) = (&state.api.store, &caller.tenant.id);
    let hours = store.counts_of_all(tenant, asked.span).await?;
    Ok(asked.answer(hours, None))
}

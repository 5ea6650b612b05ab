//! Statistics: how attempts went over a span of time, of a webhook, of a tenant, and of the deployment.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Code, Fields, Need, Query, Reach, answer,
    limits::{FAILURES_COUNTED, STATS_BUCKETS, STATS_WEBHOOKS},
    read,
};
use rung_core::{
    domain::{
        attempt::{ErrorCode, Outcome},
        id::WebhookId,
        portal::Capability,
        stats::{Counts, HOUR_MS},
        tenant::Scope,
        time::Time,
        webhook::Webhook,
    },
    store::span::Span,
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
struct CountsView {
    attempts: u64,
    succeeded: u64,
    failed: u64,
    by_status: ByStatus,
    /// Failed attempts by `error_code`, as in the log.
    by_error: BTreeMap<&'static str, u64>,
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

impl From<&Counts> for CountsView {
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
            by_error: ErrorCode::ALL
                .iter()
                .zip(counts.by_error)
                .map(|(code, count)| (code.as_str(), count))
                .collect(),
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
    counts: CountsView,
}

/// Statistics of attempts over a time span.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// The tenant; null for the deployment's.
    tenant_id: Option<String>,
    /// The webhook; null for all webhooks.
    webhook_id: Option<String>,
    since: Time,
    until: Time,
    bucket: &'static str,
    #[serde(flatten)]
    total: CountsView,
    /// Failed attempts since the last success; null but for a webhook.
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
        let until_ms = until_ms.unwrap_or(now_ms);
        // A day by the hour, a month by the day.
        let usual_ms = if bucket_ms == HOUR_MS {
            DAY_MS
        } else {
            30 * DAY_MS
        };
        let since_ms = since_ms.unwrap_or_else(|| until_ms.min(now_ms).saturating_sub(usual_ms));
        let is_empty = since_ms > until_ms.min(now_ms);
        let since_ms = since_ms - since_ms % bucket_ms;
        let until_ms = until_ms.min(now_ms);
        if is_empty {
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

    /// The answer about a tenant, if there is one, and its webhook with how often it failed in a row, if it is about one.
    fn answer(
        &self,
        tenant: Option<&str>,
        webhook: Option<(&Webhook, usize)>,
        hours: impl IntoIterator<Item = (u64, Counts)>,
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
            tenant_id: tenant.map(str::to_owned),
            webhook_id: webhook.map(|(webhook, _)| webhook.id.to_string()),
            since: Time::at_ms(self.span.since_ms),
            until: Time::at_ms(self.span.until_ms),
            bucket: if self.bucket_ms == HOUR_MS {
                "hour"
            } else {
                "day"
            },
            total: (&total).into(),
            consecutive_failures: webhook.map(|(_, failures)| failures),
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
        store.counts_of(tenant, id, Some(webhook.first_epoch), asked.span),
        store.newest_counting(tenant, id, webhook.enabled_ms, FAILURES_COUNTED)
    )?;
    let failures = newest
        .iter()
        .take(FAILURES_COUNTED)
        .take_while(|attempt| attempt.outcome == Outcome::Failed)
        .count();
    let of_webhook = Some((&webhook, failures));
    Ok(asked.answer(Some(tenant.name()), of_webhook, hours))
}

/// Those of a tenant, or of the deployment for an operator's key that names none.
pub(crate) async fn of_all(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let need = Need::from(Scope::Read);
    let need = need.or_portal(Capability::View, Reach::Tenant);
    let caller = api.caller_or_operator(&headers, need).await?;
    let asked = Asked::read(&state, &query)?;
    let store = &api.store;
    let webhooks: Vec<_> = match &caller {
        Some(caller) => {
            let tenant = &caller.tenant;
            let webhooks = store.webhook_lives(tenant).await?.into_iter();
            webhooks
                .map(|(webhook, life)| (tenant.id.clone(), webhook, Some(life)))
                .collect()
        }
        None => {
            let webhooks = store.webhook_names(STATS_WEBHOOKS).await?;
            let webhooks = webhooks.ok_or_else(|| {
                let problem =
                    format!("is required where there are more than {STATS_WEBHOOKS} webhooks");
                ApiError::of_field(Code::TenantRequired, "Rung-Tenant", problem)
            })?;
            let webhooks = webhooks.into_iter();
            webhooks.map(|(tenant, id)| (tenant, id, None)).collect()
        }
    };
    let hours = store.counts_of_all(&webhooks, asked.span).await?;
    let tenant = caller.as_ref().map(|caller| caller.tenant.id.name());
    Ok(asked.answer(tenant, None, hours))
}

//! The price table.

use serde::Deserialize;

/// `prices.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) price: Price,
    pub(crate) memory_mb: Memory,
    pub(crate) assumed: Assumed,
}

/// In US dollars.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) http_api_per_million: f64,
    pub(crate) lambda_per_million: f64,
    pub(crate) lambda_gb_s: f64,
    pub(crate) sqs_per_million: f64,
    pub(crate) sqs_fair_per_million: f64,
    pub(crate) write_units_per_million: f64,
    pub(crate) read_units_per_million: f64,
    pub(crate) logs_per_gb: f64,
}

/// Of each function, in MB.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    pub(crate) enqueue: u64,
    pub(crate) deliver: u64,
    pub(crate) sweep: u64,
}

/// What a count on one machine cannot know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assumed {
    pub(crate) dynamodb_ms: u64,
    pub(crate) sqs_ms: u64,
    pub(crate) receiver_ms: u64,
    pub(crate) sdk_call_cpu_us: u64,
    pub(crate) post_cpu_us: u64,
    pub(crate) full_cpu_mb: u64,
    pub(crate) access_log_bytes: u64,
    pub(crate) log_event_bytes: u64,
}

impl Prices {
    pub(crate) fn read() -> Self {
        toml::from_str(include_str!("prices.toml")).expect("prices.toml is as `Prices` says")
    }
}

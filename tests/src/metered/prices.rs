//! The price table.

use serde::Deserialize;

/// `prices.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// What AWS charges.
    pub price: Price,
    /// The functions' memory.
    pub memory_mb: Memory,
    /// What is assumed.
    pub assumed: Assumed,
}

/// In US dollars.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million requests of the HTTP API.
    pub http_api_per_million: f64,
    /// A million invocations.
    pub lambda_per_million: f64,
    /// A gigabyte-second.
    pub lambda_gb_s: f64,
    /// A million requests of SQS.
    pub sqs_per_million: f64,
    /// A million messages with a group, on top.
    pub sqs_fair_per_million: f64,
    /// A million write units.
    pub write_units_per_million: f64,
    /// A million read units.
    pub read_units_per_million: f64,
    /// A gigabyte of logs.
    pub logs_per_gb: f64,
}

/// Of each function, in MB.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Of `enqueue`.
    pub enqueue: u64,
    /// Of `deliver`.
    pub deliver: u64,
    /// Of `sweep`.
    pub sweep: u64,
}

/// What a count on one machine cannot know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// A call of DynamoDB, in milliseconds.
    pub dynamodb_ms: u64,
    /// A call of SQS, in milliseconds.
    pub sqs_ms: u64,
    /// A POST to a receiver, in milliseconds.
    pub receiver_ms: u64,
    /// Processor time that a call costs over a network, in microseconds.
    pub sdk_call_cpu_us: u64,
    /// The same of a POST.
    pub post_cpu_us: u64,
    /// The memory that buys one processor, in MB.
    pub full_cpu_mb: u64,
    /// A line of the access log, in bytes.
    pub access_log_bytes: u64,
    /// What CloudWatch adds to each line, in bytes.
    pub log_event_bytes: u64,
}

impl Prices {
    /// The table that stands beside this file.
    ///
    /// # Panics
    /// When it is not as [`Prices`] says.
    #[must_use]
    pub fn read() -> Self {
        toml::from_str(include_str!("prices.toml")).expect("prices.toml is as `Prices` says")
    }
}

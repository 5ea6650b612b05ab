//! What is billed, counted, and what that comes to.

use std::{collections::BTreeMap, time::Duration};

use super::Prices;

/// Everything that a load is billed for.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests of the HTTP API.
    pub api_requests: f64,
    /// Invocations of functions.
    pub invocations: f64,
    /// Memory times duration, in gigabyte-seconds.
    pub gb_s: f64,
    /// Messages sent in the name of a group.
    pub fair_messages: f64,
    /// Bytes of log lines.
    pub log_bytes: f64,
    /// Calls of AWS by operation.
    pub calls: BTreeMap<String, Calls>,
    /// POSTs to receivers.
    pub posts: f64,
    /// Processor time that is not the functions'.
    pub elsewhere_cpu: Duration,
}

/// The calls of one operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calls {
    /// How many.
    pub count: f64,
    /// Requests of SQS, by 64 KiB.
    pub sqs_requests: f64,
    /// Write units of DynamoDB.
    pub write_units: f64,
    /// Read units of DynamoDB.
    pub read_units: f64,
}

/// The parts of a bill, as the columns of the report.
pub const PARTS: [&str; 8] = [
    "HTTP API",
    "Lambda requests",
    "Lambda GB-s",
    "SQS requests",
    "fair queues",
    "table writes",
    "table reads",
    "logs",
];

impl Counts {
    /// The sum of something over all calls.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&Calls) -> f64) -> f64 {
        self.calls.values().map(of).sum()
    }

    /// These operations alone.
    #[must_use]
    pub fn only(&self, operations: &[&str]) -> Self {
        let calls = self.calls.iter();
        let calls = calls.filter(|(operation, _)| operations.contains(&operation.as_str()));
        Self {
            fair_messages: self.fair_messages,
            calls: calls.map(|(name, calls)| (name.clone(), *calls)).collect(),
            ..Self::default()
        }
    }

    /// What was counted on top of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.plus(earlier, -1.0)
    }

    /// This and `other`, taken so many times.
    #[must_use]
    pub fn plus(&self, other: &Self, times: f64) -> Self {
        let mut calls = self.calls.clone();
        for (operation, other) in &other.calls {
            let calls: &mut Calls = calls.entry(operation.clone()).or_default();
            calls.count += times * other.count;
            calls.sqs_requests += times * other.sqs_requests;
            calls.write_units += times * other.write_units;
            calls.read_units += times * other.read_units;
        }
        Self {
            api_requests: self.api_requests + times * other.api_requests,
            invocations: self.invocations + times * other.invocations,
            gb_s: self.gb_s + times * other.gb_s,
            fair_messages: self.fair_messages + times * other.fair_messages,
            log_bytes: self.log_bytes + times * other.log_bytes,
            calls,
            posts: self.posts + times * other.posts,
            elsewhere_cpu: Duration::ZERO,
        }
    }

    /// The share of one of so many deliveries.
    #[must_use]
    pub fn per(&self, deliveries: usize) -> Self {
        Self::default().plus(self, 1.0 / deliveries as f64)
    }

    /// A million times this, in US dollars, by [`PARTS`].
    #[must_use]
    pub fn usd_per_million(&self, prices: &Prices) -> [f64; PARTS.len()] {
        let price = &prices.price;
        [
            self.api_requests * price.http_api_per_million,
            self.invocations * price.lambda_per_million,
            self.gb_s * price.lambda_gb_s * 1e6,
            self.sum(|calls| calls.sqs_requests) * price.sqs_per_million,
            self.fair_messages * price.sqs_fair_per_million,
            self.sum(|calls| calls.write_units) * price.write_units_per_million,
            self.sum(|calls| calls.read_units) * price.read_units_per_million,
            self.log_bytes / 1e9 * price.logs_per_gb * 1e6,
        ]
    }
}

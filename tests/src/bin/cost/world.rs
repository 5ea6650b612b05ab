//! Rung on the meter, one invocation at a time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rung_core::egress::{Answer, Failure, Outgoing, Slot, Transport};
use rung_tests::metered::{Counts, Deployment, Environment, Function, Meter, Prices, answer, cpu};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::util::SubscriberInitExt as _;

const TENANT: &str = "t";

/// A ladder of nothing but long waits.
const LONG_WAITS: &str = r#"
name = "long-waits"
description = "Waits that are parked."
event_id = "evt_{base62}"
timeout = "15s"
body_limit = 262_144
success = ["2xx"]
disable = "never"
envelope = [
  { key = "type", from = "type" },
  { key = "timestamp", from = "time_rfc3339" },
  { key = "data", from = "data" },
]
[ladder]
waits = ["24h", "24h", "24h"]
[any_type]
example = "example.created"
sample = '{}'
"#;

/// How receivers answer: the closure gets the number of the POST, from 1.
type Script = fn(u64) -> u16;

/// Rung on the meter.
pub(crate) struct World {
    deployment: Deployment,
    environment: Environment,
    prices: Arc<Prices>,
}

impl World {
    /// A tenant with webhooks, of which each POST is answered as `script` says.
    pub(crate) async fn new(
        prices: &Arc<Prices>,
        dialect: &str,
        webhooks: usize,
        script: Script,
    ) -> Self {
        let deployment = Deployment::new(prices, LONG_WAITS).await;
        let receivers = Arc::new(Receivers {
            meter: deployment.meter.clone(),
            wait: Duration::from_millis(prices.assumed.receiver_ms),
            script,
        });
        // Its processor time is measured.
        let environment = deployment.environment(receivers, Duration::ZERO);
        let tenant = json!({"id": TENANT, "name": "T", "dialect": dialect});
        environment.done("POST", "/v1/tenants", None, &tenant).await;
        for number in 0..webhooks {
            let url = format!("https://hooks.example.com/{number}");
            let webhook = json!({"url": url, "events": ["*"]});
            environment
                .done("POST", "/v1/webhooks", TENANT, &webhook)
                .await;
        }
        Self {
            deployment,
            environment,
            prices: Arc::clone(prices),
        }
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.deployment.meter.counts().clone()
    }

    /// An invocation of `enqueue` by the HTTP API.
    pub(crate) async fn publish(&self, path: &str, body: &Value) {
        {
            let mut counts = self.deployment.meter.counts();
            counts.api_requests += 1.0;
            let assumed = &self.prices.assumed;
            counts.log_bytes += (assumed.access_log_bytes + assumed.log_event_bytes) as f64;
        }
        let call = self.environment.done("POST", path, TENANT, body);
        self.invoke(Function::Enqueue, call).await;
    }

    /// Invocations of `deliver` until a queue has nothing more, of ten messages each while there are as many.
    pub(crate) async fn drain(&self, queue: &str) {
        while let Some(records) = self.deployment.receive(queue, 0).await {
            let (event, handles) = records.into_parts();
            let handled = self.environment.deliver(event);
            let response = self.invoke(Function::Deliver, handled).await;
            assert!(response.batch_item_failures.is_empty(), "a message failed");
            self.deployment.delete(queue, handles, &response).await;
        }
    }

    /// An invocation of `sweep` by the schedule.
    pub(crate) async fn sweep(&self) {
        let swept = rung_sweep::handle(&self.environment.sweeper);
        let swept = self.invoke(Function::Sweep, swept).await;
        swept.expect("a whole sweep");
    }

    /// Goes to the next full minute, and hands out what has come due by then.
    pub(crate) async fn pass_minute(&self) {
        let clock = &self.deployment.clock;
        let next_ms = (clock.now_ms() / 60_000 + 1) * 60_000;
        clock.sleep_until_ms(next_ms).await;
        self.drain("retry").await;
    }

    /// Counts the bytes of log lines, written as on Lambda, until dropped.
    pub(crate) fn capture_logs(&self) -> DefaultGuard {
        tracing_subscriber::fmt()
            .with_target(false)
            .without_time()
            .json()
            .with_writer(self.deployment.logs())
            .set_default()
    }

    /// Runs one invocation of a function, and notes how long it would be billed for: the time it waited,
    /// and its processor time on its share of a processor.
    async fn invoke<T>(&self, function: Function, work: impl Future<Output = T>) -> T {
        let assumed = &self.prices.assumed;
        let (before, began, cpu_began) = (self.counts(), Instant::now(), cpu());
        let result = work.await;
        let used = cpu().saturating_sub(cpu_began);
        let mut counts = self.deployment.meter.counts();
        let elsewhere = counts.elsewhere_cpu.saturating_sub(before.elsewhere_cpu);
        let wire_us = (counts.sum(|calls| calls.count) - before.sum(|calls| calls.count))
            * assumed.sdk_call_cpu_us as f64
            + (counts.posts - before.posts) * assumed.post_cpu_us as f64;
        let cpu_s = used.saturating_sub(elsewhere).as_secs_f64() + wire_us / 1e6;
        let busy_s = cpu_s / function.share(&self.prices);
        let billed_ms = ((began.elapsed().as_secs_f64() + busy_s) * 1000.0).ceil();
        counts.invocations += 1.0;
        let memory_gb = function.memory_mb(&self.prices) as f64 / 1024.0;
        counts.gb_s += memory_gb * billed_ms / 1000.0;
        result
    }
}

/// Receivers that answer by script.
struct Receivers {
    meter: Meter,
    wait: Duration,
    script: Script,
}

#[async_trait]
impl Transport for Receivers {
    async fn post(&self, _: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        let number = {
            let mut counts = self.meter.counts();
            counts.posts += 1.0;
            counts.posts as u64
        };
        tokio::time::sleep(self.wait).await;
        Ok(answer((self.script)(number)))
    }
}

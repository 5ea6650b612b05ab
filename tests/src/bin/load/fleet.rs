//! The functions as Lambda runs them: as many environments as there is work for, each with one invocation at a time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use rung_base::clock::Clock;
use rung_core::egress::Transport;
use rung_tests::metered::{Deployment, Environment, Function, Partitions, Prices, Refused};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// The account's limit of invocations at once, of which publishing may have what the queues leave.
const ACCOUNT: f64 = 1_000.0;
/// `DeliverConcurrency` and `RetryConcurrency` as the template has them.
const DELIVER: f64 = 200.0;
const RETRY: f64 = 50.0;
/// How long an event source waits for messages, in seconds.
const WAIT_S: i32 = 20;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A ladder whose waits are parked.
pub(crate) const PARKED: &str = r#"
name = "parked"
description = "Waits that are parked."
event_id = "evt_{base62}"
timeout = "15s"
body_limit = 262_144
success = ["2xx"]
disable = "never"
envelope = [
  { key = "type", from = "type" },
  { key = "data", from = "data" },
]
[ladder]
waits = ["20min", "20min", "20min"]
[any_type]
example = "example.created"
sample = '{}'
"#;

/// A share of a deployment: of its concurrency, and of what partitions take.
pub(crate) struct Fleet {
    deployment: Deployment,
    prices: Arc<Prices>,
    receivers: Arc<dyn Transport>,
    publishing: Semaphore,
    idle: Mutex<Vec<Environment>>,
}

impl Fleet {
    /// A new deployment, without anything that works off its queues.
    pub(crate) async fn new(
        prices: &Arc<Prices>,
        scale: f64,
        receivers: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Transport>,
    ) -> Arc<Self> {
        let deployment = Deployment::new(prices, PARKED).await;
        Arc::new(Self {
            receivers: receivers(Arc::clone(&deployment.clock)),
            deployment,
            prices: Arc::clone(prices),
            publishing: Semaphore::new(scaled(ACCOUNT - DELIVER - RETRY, scale)),
            idle: Mutex::default(),
        })
    }

    /// What works off the queues, until it is dropped. From now on partitions have their bounds, a share of those of DynamoDB's.
    pub(crate) fn start(self: &Arc<Self>, scale: f64, units: f64) -> JoinSet<()> {
        let bounds = Partitions::scaled(scale * units);
        self.deployment.meter.bound(bounds);
        let mut working = JoinSet::new();
        for (queue, concurrency) in [("deliver", DELIVER), ("retry", RETRY)] {
            for _ in 0..scaled(concurrency, scale) {
                working.spawn(Arc::clone(self).work_off(queue));
            }
        }
        working.spawn(Arc::clone(self).sweep());
        working
    }

    /// The ladder's time, in milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.deployment.clock.now_ms()
    }

    /// The partition keys that were refused for their rate, the first one first.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        let partitions = self.deployment.meter.partitions();
        let partitions = partitions.as_ref().expect("it has started");
        partitions.refused().to_vec()
    }

    /// A request to the API, in an environment that has no other.
    pub(crate) async fn request<'t>(
        &self,
        path: &str,
        tenant: impl Into<Option<&'t str>>,
        body: &Value,
    ) -> StatusCode {
        let _place = self.publishing.acquire().await.expect("it stays open");
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle().pop();
        let environment = known.unwrap_or_else(|| self.environment(Function::Enqueue));
        let (status, _) = environment.call("POST", path, tenant, body).await;
        idle().push(environment);
        status
    }

    fn environment(&self, function: Function) -> Environment {
        let call_us = self.prices.assumed.sdk_call_cpu_us as f64 / function.share(&self.prices);
        let working = Duration::from_micros(call_us as u64);
        self.deployment
            .environment(Arc::clone(&self.receivers), working)
    }

    async fn work_off(self: Arc<Self>, queue: &'static str) {
        let environment = self.environment(Function::Deliver);
        loop {
            if let Some(records) = self.deployment.receive(queue, WAIT_S).await {
                let (event, handles) = records.into_parts();
                let response = environment.deliver(event).await;
                self.deployment.delete(queue, handles, &response).await;
            }
        }
    }

    async fn sweep(self: Arc<Self>) {
        let environment = self.environment(Function::Sweep);
        loop {
            // One that fails leaves the rest to the next.
            let _swept = rung_sweep::handle(&environment.sweeper).await;
            sleep(SWEEP_EVERY).await;
        }
    }
}

/// At least one of what there are `whole` of in a deployment.
fn scaled(whole: f64, scale: f64) -> usize {
    ((whole * scale).round() as usize).max(1)
}

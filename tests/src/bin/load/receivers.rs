//! Receivers, which note what arrives.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rung_base::clock::Clock;
use rung_core::egress::{Answer, Failure, Outgoing, Slot, Transport};
use rung_tests::metered::answer;
use serde_json::Value;
use tokio::time::sleep;

/// How long a receiver takes for its answer.
const ANSWERS_AFTER: Duration = Duration::from_millis(100);

/// The receivers of all tenants, by the hosts of their URLs.
#[derive(Clone)]
pub(crate) struct Receivers {
    clock: Arc<dyn Clock>,
    /// Until when a host answers 500, in milliseconds.
    down: Arc<Mutex<BTreeMap<String, u64>>>,
    arrived: Arc<Mutex<BTreeMap<String, Arrived>>>,
}

/// What has arrived at a host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrived {
    /// The deliveries that were answered with 200 or, while the host is down, with 500.
    deliveries: HashSet<(u64, String)>,
    /// When each of them came first, in milliseconds, in that order.
    pub(crate) at_ms: Vec<u64>,
    /// From publishing to arrival, in milliseconds.
    latencies_ms: Vec<u64>,
}

impl Arrived {
    /// How many deliveries came.
    pub(crate) fn count(&self) -> usize {
        self.deliveries.len()
    }

    /// Deliveries a second, until 99 of 100 had come: of the last few each may have waited for a message to come again.
    pub(crate) fn rate(&self, since_ms: u64) -> f64 {
        let most = self.at_ms.len() * 99 / 100;
        let until_ms = self.at_ms.get(most.saturating_sub(1));
        let took_ms = until_ms.map_or(0, |at_ms| at_ms.saturating_sub(since_ms));
        most as f64 * 1000.0 / took_ms.max(1000) as f64
    }

    /// What 99 of 100 deliveries took at most from publishing to arrival, in milliseconds.
    pub(crate) fn p99_ms(&self) -> u64 {
        let mut latencies = self.latencies_ms.clone();
        latencies.sort_unstable();
        let rank = (latencies.len() * 99).div_ceil(100).saturating_sub(1);
        latencies.get(rank).copied().unwrap_or_default()
    }
}

impl Receivers {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            down: Arc::default(),
            arrived: Arc::default(),
        }
    }

    /// From now on a host answers 500, until this time in milliseconds.
    pub(crate) fn break_until(&self, host: &str, until_ms: u64) {
        lock(&self.down).insert(host.to_owned(), until_ms);
    }

    /// What has arrived at a host.
    pub(crate) fn arrived(&self, host: &str) -> Arrived {
        lock(&self.arrived).get(host).cloned().unwrap_or_default()
    }

    /// How many deliveries have arrived at a host.
    pub(crate) fn count(&self, host: &str) -> usize {
        lock(&self.arrived).get(host).map_or(0, Arrived::count)
    }

    /// Forgets what has arrived at a host.
    pub(crate) fn forget(&self, host: &str) {
        lock(&self.arrived).remove(host);
    }
}

#[async_trait]
impl Transport for Receivers {
    async fn post(&self, outgoing: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        let now_ms = self.clock.now_ms();
        let host = outgoing.url.host_str().unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(&outgoing.body).expect("an envelope");
        let number = |name: &str| body["data"][name].as_u64().unwrap_or_default();
        let delivery = (number("n"), outgoing.url.path().to_owned());
        {
            let mut hosts = lock(&self.arrived);
            let arrived = hosts.entry(host.clone()).or_default();
            if arrived.deliveries.insert(delivery) {
                arrived.at_ms.push(now_ms);
                let latency_ms = now_ms.saturating_sub(number("at"));
                arrived.latencies_ms.push(latency_ms);
            }
        }
        sleep(ANSWERS_AFTER).await;
        let is_down = lock(&self.down)
            .get(&host)
            .is_some_and(|until_ms| now_ms < *until_ms);
        Ok(answer(if is_down { 500 } else { 200 }))
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

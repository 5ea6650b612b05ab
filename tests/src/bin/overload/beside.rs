//! A tenant that behaves, alone and beside one that does not.

use std::path::Path;
use std::time::{Duration, Instant};

use rung_tests::{Rung, Tenant};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::percentile;
use crate::sink::{Sink, name};

/// Events of the tenant that behaves, a second.
pub(crate) const EVENTS_PER_S: u32 = 100;
/// How long to wait until a load is at its worst.
const SETTLING: Duration = Duration::from_secs(20);

/// A load on a Rung: what makes it goes on until this is dropped.
pub(crate) type Load = JoinSet<()>;

/// Measures a tenant from publishing to arrival, alone and beside the load that `begin` makes, each for as long as `time`, and prints
/// both.
pub(crate) async fn measure(
    exe: &Path,
    what: &str,
    time: Duration,
    begin: impl AsyncFnOnce(&Rung) -> Load,
) {
    let rung = Rung::start(exe, &[]).await;
    let mut quick = Quick::create(&rung).await;
    // Connections are opened, caches filled.
    quick.latencies(Duration::from_secs(1)).await;
    let mut alone = quick.latencies(time).await;
    let load = begin(&rung).await;
    sleep(SETTLING).await;
    let mut beside = quick.latencies(time).await;
    drop(load);
    let mut of = |percent| {
        (
            percentile(&mut alone, percent),
            percentile(&mut beside, percent),
        )
    };
    let ((p50, p50_beside), (p99, p99_beside)) = (of(50), of(99));
    println!(
        "{what}: {EVENTS_PER_S} events a second, publish to arrival: alone p50 {p50:?}, p99 {p99:?}; beside it p50 {p50_beside:?}, \
         p99 {p99_beside:?} ({:.1} times)",
        p99_beside.as_secs_f64() / p99.as_secs_f64(),
    );
}

/// The tenant that behaves.
struct Quick {
    tenant: Tenant,
    sink: Sink,
    /// The number of its next event.
    next: usize,
}

impl Quick {
    async fn create(rung: &Rung) -> Self {
        let sink = Sink::listen().await;
        let tenant = Tenant::create(rung, "quick", "standard").await;
        tenant.webhook(&sink.url(), &["*"]).await;
        Self {
            tenant,
            sink,
            next: 0,
        }
    }

    async fn latencies(&mut self, time: Duration) -> Vec<Duration> {
        let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_S);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (start, mut published) = (Instant::now(), Vec::new());
        while start.elapsed() < time {
            ticks.tick().await;
            let number = self.next;
            self.next += 1;
            published.push((number, Instant::now()));
            let event = name(number);
            self.tenant.publish_as(&event, "quick", json!({})).await;
        }
        let numbers: Vec<_> = published.iter().map(|(number, _)| *number).collect();
        let missing = self.sink.missing(&numbers, Duration::from_secs(60)).await;
        assert!(missing.is_empty(), "lost: {missing:?}");
        let took = published
            .into_iter()
            .filter_map(|(number, at)| Some(self.sink.when(number)?.saturating_duration_since(at)));
        took.collect()
    }
}

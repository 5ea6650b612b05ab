//! A tenant that behaves, alone and beside one that does not.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rung_tests::{Rung, Tenant};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::percentile;
use crate::sink::{Sink, name};

/// Events of the tenant that behaves, a second.
pub(crate) const EVENTS_PER_S: u32 = 100;
/// How long to wait until a load is at its worst.
const SETTLING: Duration = Duration::from_secs(20);

/// A load on a Rung: what makes it goes on until this is dropped.
pub(crate) type Load = JoinSet<()>;

/// Measures a tenant from publishing to arrival, alone and beside the load that `begin` makes on `loads`, each for as long as `time`,
/// and prints both. The tenant and its receiver have a thread of their own: the loads delay them in Rung, not here.
pub(crate) fn measure(
    loads: &Runtime,
    exe: &Path,
    what: &str,
    time: Duration,
    begin: impl AsyncFnOnce(&Rung) -> Load,
) {
    let own = Builder::new_current_thread().enable_all().build();
    let own = own.expect("a runtime");
    let rung = loads.block_on(Rung::start(exe, &[]));
    let mut quick = own.block_on(Quick::create(&rung));
    // Connections are opened, caches filled.
    own.block_on(quick.latencies(Duration::from_secs(1)));
    let mut alone = own.block_on(quick.latencies(time));
    let load = loads.block_on(begin(&rung));
    thread::sleep(SETTLING);
    let mut beside = own.block_on(quick.latencies(time));
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

    /// Publishes at its pace, however long the answers take.
    async fn latencies(&mut self, time: Duration) -> Vec<Duration> {
        let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_S);
        let (start, mut published) = (Instant::now(), Vec::new());
        let mut answers = JoinSet::new();
        while start.elapsed() < time {
            ticks.tick().await;
            let number = self.next;
            self.next += 1;
            published.push((number, Instant::now()));
            let tenant = self.tenant.clone();
            answers
                .spawn(async move { tenant.publish_as(&name(number), "quick", json!({})).await });
        }
        answers.join_all().await;
        let numbers: Vec<_> = published.iter().map(|(number, _)| *number).collect();
        let missing = self.sink.missing(&numbers, Duration::from_secs(60)).await;
        assert!(missing.is_empty(), "lost: {missing:?}");
        let took = published
            .into_iter()
            .filter_map(|(number, at)| Some(self.sink.when(number)?.saturating_duration_since(at)));
        took.collect()
    }
}

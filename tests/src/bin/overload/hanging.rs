//! A webhook that never answers, and another tenant's deliveries beside it.

use std::path::Path;
use std::time::{Duration, Instant};

use rung_tests::{Answer, Receiver, Rung, Tenant};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::percentile;
use crate::sink::{Sink, name};

/// Events of each tenant a second.
const EVENTS_PER_S: u32 = 100;

/// Measures from publishing to arrival, alone and beside the webhook that hangs, each for as long as `load`.
pub(crate) async fn run(exe: &Path, load: Duration) {
    let rung = Rung::start(exe, &[]).await;
    let sink = Sink::listen().await;
    let quick = Tenant::create(&rung, "quick", "standard").await;
    quick.webhook(&sink.url(), &["*"]).await;
    let mut first = 0;
    // Connections are opened, caches filled.
    latencies(&quick, &sink, &mut first, Duration::from_secs(1)).await;
    let mut alone = latencies(&quick, &sink, &mut first, load).await;

    let silence = Receiver::start(|_| Answer::hang()).await;
    let stuck = Tenant::create(&rung, "stuck", "standard").await;
    stuck.webhook(&silence.url("/"), &["*"]).await;
    let noise = publish_on(stuck);
    // Until as many attempts hang as ever will.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut beside = latencies(&quick, &sink, &mut first, load).await;
    noise.abort();
    println!(
        "hanging: {EVENTS_PER_S} events a second, publish to arrival: alone p50 {:?}, p99 {:?}; beside a webhook with as many \
         events that never answers p50 {:?}, p99 {:?}",
        percentile(&mut alone, 50),
        percentile(&mut alone, 99),
        percentile(&mut beside, 50),
        percentile(&mut beside, 99),
    );
}

fn publish_on(tenant: Tenant) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_S);
        loop {
            ticks.tick().await;
            tenant.publish("noise", json!({})).await;
        }
    })
}

async fn latencies(
    tenant: &Tenant,
    sink: &Sink,
    first: &mut usize,
    load: Duration,
) -> Vec<Duration> {
    let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (start, mut published) = (Instant::now(), Vec::new());
    while start.elapsed() < load {
        ticks.tick().await;
        let number = *first;
        *first += 1;
        published.push((number, Instant::now()));
        tenant.publish_as(&name(number), "quick", json!({})).await;
    }
    let numbers: Vec<_> = published.iter().map(|(number, _)| *number).collect();
    let missing = sink.missing(&numbers, Duration::from_secs(60)).await;
    assert!(missing.is_empty(), "lost: {missing:?}");
    let took = published
        .into_iter()
        .filter_map(|(number, at)| Some(sink.when(number)?.saturating_duration_since(at)));
    took.collect()
}

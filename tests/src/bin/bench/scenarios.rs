//! The loads that Rung is put under.

use std::time::{Duration, Instant};

use rung_tests::{Rung, Tenant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::arrivals::Arrivals;
use crate::cpu;
use crate::publisher::Publisher;
use crate::report::Row;

/// Before the clock starts: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// A tenant whose events go to the receiver, over one webhook for each path.
async fn tenant(rung: &Rung, arrivals: &Arrivals, webhooks: usize) -> Tenant {
    let tenant = Tenant::create(rung, "bench", "standard").await;
    for n in 0..webhooks {
        tenant
            .webhook(&format!("http://{}/{n}", arrivals.addr), &["*"])
            .await;
    }
    tenant
}

/// Publishers that each publish `batch` events a call, as fast as they are answered, for this long; gives how many events.
async fn publish_for(
    publishers: Vec<Publisher>,
    batch: usize,
    load: Duration,
) -> (usize, Vec<Publisher>) {
    let end = Instant::now() + load;
    let mut tasks = JoinSet::new();
    for mut publisher in publishers {
        tasks.spawn(async move {
            let mut events = 0;
            while Instant::now() < end {
                publisher.publish(batch).await;
                events += batch;
            }
            (events, publisher)
        });
    }
    let (counts, publishers): (Vec<usize>, Vec<Publisher>) =
        tasks.join_all().await.into_iter().unzip();
    (counts.iter().sum(), publishers)
}

/// One webhook, as many events as it can take.
pub(crate) async fn saturate(rung: &Rung, connections: usize, batch: usize, load: Duration) -> Row {
    let arrivals = Arrivals::listen().await;
    let tenant = tenant(rung, &arrivals, 1).await;
    let mut publishers = Vec::new();
    for _ in 0..connections {
        publishers.push(Publisher::open(rung.addr(), &tenant.key, arrivals.stopwatch).await);
    }
    let (warm, publishers) = publish_for(publishers, batch, WARM_UP).await;
    arrivals.wait_for(warm).await;

    let (start, cpu_before) = (Instant::now(), cpu::used(rung.pid()));
    let (events, _) = publish_for(publishers, batch, load).await;
    arrivals.wait_for(warm + events).await;
    let how = if batch == 1 {
        "one by one".to_owned()
    } else {
        format!("in batches of {batch}")
    };
    Row {
        name: format!("1 webhook, 1 KiB events, {connections} publishers, {how}"),
        deliveries: events,
        took: start.elapsed(),
        cpu: cpu::used(rung.pid()).saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(warm),
    }
}

/// One webhook, this many events a second.
pub(crate) async fn steady(rung: &Rung, events_per_s: u32, load: Duration) -> Row {
    let arrivals = Arrivals::listen().await;
    let tenant = tenant(rung, &arrivals, 1).await;
    let publisher = Publisher::open(rung.addr(), &tenant.key, arrivals.stopwatch).await;
    let (warm, mut publishers) = publish_for(vec![publisher], 1, WARM_UP / 4).await;
    arrivals.wait_for(warm).await;

    let mut ticks = interval(Duration::from_secs(1) / events_per_s);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (start, cpu_before) = (Instant::now(), cpu::used(rung.pid()));
    let mut events = 0;
    while start.elapsed() < load {
        ticks.tick().await;
        for publisher in &mut publishers {
            publisher.publish(1).await;
            events += 1;
        }
    }
    arrivals.wait_for(warm + events).await;
    Row {
        name: format!("1 webhook, 1 KiB events, {events_per_s} a second"),
        deliveries: events,
        took: start.elapsed(),
        cpu: cpu::used(rung.pid()).saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(warm),
    }
}

/// A few events, each to many webhooks.
pub(crate) async fn fan_out(rung: &Rung, events: usize, webhooks: usize) -> Row {
    let arrivals = Arrivals::listen().await;
    let tenant = tenant(rung, &arrivals, webhooks).await;
    let mut publisher = Publisher::open(rung.addr(), &tenant.key, arrivals.stopwatch).await;
    let (start, cpu_before) = (Instant::now(), cpu::used(rung.pid()));
    for _ in 0..events {
        publisher.publish(1).await;
    }
    arrivals.wait_for(events * webhooks).await;
    Row {
        name: format!("{events} events to {webhooks} webhooks"),
        deliveries: events * webhooks,
        took: start.elapsed(),
        cpu: cpu::used(rung.pid()).saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(0),
    }
}

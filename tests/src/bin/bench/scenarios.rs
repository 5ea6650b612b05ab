//! The loads that a sender is put under.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::arrivals::Arrivals;
use crate::publisher::Publisher;
use crate::report::Row;
use crate::sender::Sender;

/// Before the clock starts: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// A receiver that the sender's events go to, over one endpoint for each path.
async fn arrivals(sender: &Sender, endpoints: usize) -> Arrivals {
    let arrivals = Arrivals::listen().await;
    let addr = arrivals.addr;
    let urls = (0..endpoints).map(|n| format!("http://{addr}/{n}"));
    sender.endpoints(urls).await;
    arrivals
}

/// Publishers that publish as fast as they are answered, for this long; gives how many events.
async fn publish_for(publishers: Vec<Publisher>, load: Duration) -> (usize, Vec<Publisher>) {
    let end = Instant::now() + load;
    let mut tasks = JoinSet::new();
    for mut publisher in publishers {
        tasks.spawn(async move {
            let mut events = 0;
            while Instant::now() < end {
                events += publisher.publish().await;
            }
            (events, publisher)
        });
    }
    let (counts, publishers): (Vec<usize>, Vec<Publisher>) =
        tasks.join_all().await.into_iter().unzip();
    (counts.iter().sum(), publishers)
}

/// One endpoint, as many events as it can take.
pub(crate) async fn saturate(
    sender: Sender,
    connections: usize,
    batch: usize,
    load: Duration,
) -> Row {
    let arrivals = arrivals(&sender, 1).await;
    let mut publishers = Vec::new();
    for _ in 0..connections {
        publishers.push(Publisher::open(&sender, batch, arrivals.stopwatch).await);
    }
    let (warm, publishers) = publish_for(publishers, WARM_UP).await;
    arrivals.wait_for(warm).await;

    let (start, cpu_before) = (Instant::now(), sender.cpu());
    let (events, _) = publish_for(publishers, load).await;
    arrivals.wait_for(warm + events).await;
    let how = if batch == 1 {
        "one by one".to_owned()
    } else {
        format!("in batches of {batch}")
    };
    Row {
        name: format!(
            "{}: 1 webhook, 1 KiB events, {connections} publishers, {how}",
            sender.name()
        ),
        deliveries: events,
        took: start.elapsed(),
        cpu: sender.cpu().saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(warm),
    }
}

/// One endpoint, this many events a second.
pub(crate) async fn steady(sender: Sender, events_per_s: u32, load: Duration) -> Row {
    let arrivals = arrivals(&sender, 1).await;
    let publisher = Publisher::open(&sender, 1, arrivals.stopwatch).await;
    let (warm, mut publishers) = publish_for(vec![publisher], WARM_UP / 4).await;
    arrivals.wait_for(warm).await;

    let mut ticks = interval(Duration::from_secs(1) / events_per_s);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (start, cpu_before) = (Instant::now(), sender.cpu());
    let mut events = 0;
    while start.elapsed() < load {
        ticks.tick().await;
        for publisher in &mut publishers {
            events += publisher.publish().await;
        }
    }
    arrivals.wait_for(warm + events).await;
    Row {
        name: format!(
            "{}: 1 webhook, 1 KiB events, {events_per_s} a second",
            sender.name()
        ),
        deliveries: events,
        took: start.elapsed(),
        cpu: sender.cpu().saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(warm),
    }
}

/// A few events, each to many endpoints.
pub(crate) async fn fan_out(sender: Sender, events: usize, endpoints: usize) -> Row {
    let arrivals = arrivals(&sender, endpoints).await;
    let mut publisher = Publisher::open(&sender, 1, arrivals.stopwatch).await;
    let (start, cpu_before) = (Instant::now(), sender.cpu());
    for _ in 0..events {
        publisher.publish().await;
    }
    arrivals.wait_for(events * endpoints).await;
    Row {
        name: format!("{}: {events} events to {endpoints} webhooks", sender.name()),
        deliveries: events * endpoints,
        took: start.elapsed(),
        cpu: sender.cpu().saturating_sub(cpu_before),
        latencies_us: arrivals.sorted_latencies_us(0),
    }
}

//! The loads that are billed.

use std::sync::Arc;

use rung_tests::metered::{Counts, Prices};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::World;

/// Deliveries of one load: the more, the less the start of each counts.
pub(crate) const DELIVERIES: usize = 4_000;
/// Deliveries that wait at once at most: those that wait for a minute cost more, for they may have been made meanwhile.
const WAITING: usize = 400;
/// An event's data as JSON, in bytes.
const DATA_BYTES: usize = 1_024;

/// Events published in one way to a number of webhooks.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// US dollars per million deliveries.
    pub(crate) target_usd: Option<f64>,
    /// Events of one request.
    pub(crate) batch: usize,
    webhooks: usize,
    /// Whether each message is alone in its invocation of `deliver`; else there are ten, as there are when it is busy.
    pub(crate) far_between: bool,
    script: fn(u64) -> u16,
}

const fn load(name: &'static str, batch: usize, webhooks: usize) -> Load {
    Load {
        name,
        target_usd: None,
        batch,
        webhooks,
        far_between: false,
        script: all_well,
    }
}

pub(crate) const PUBLISHING: [Load; 9] = [
    Load {
        target_usd: Some(3.30),
        ..load("singly, 1 webhook", 1, 1)
    },
    Load {
        far_between: true,
        ..load("singly and far between, 1 webhook", 1, 1)
    },
    Load {
        target_usd: Some(1.00),
        ..load("singly, 10 webhooks", 1, 10)
    },
    Load {
        target_usd: Some(1.50),
        ..load("batches of 10, 1 webhook", 10, 1)
    },
    load("batches of 10, 10 webhooks", 10, 10),
    load("batches of 100, 1 webhook", 100, 1),
    load("batches of 100, 10 webhooks", 100, 10),
    Load {
        script: one_in_twenty_fails,
        ..load("singly, 1 webhook, 5 % fail", 1, 1)
    },
    Load {
        script: one_in_twenty_fails,
        ..load("batches of 10, 1 webhook, 5 % fail", 10, 1)
    },
];

fn all_well(_: u64) -> u16 {
    200
}

fn all_fail(_: u64) -> u16 {
    500
}

fn one_in_twenty_fails(number: u64) -> u16 {
    if number.is_multiple_of(20) { 500 } else { 200 }
}

impl Load {
    /// What one of so many deliveries of it is billed for, its retries within half an hour included.
    pub(crate) async fn run(&self, prices: &Arc<Prices>, deliveries: usize) -> Counts {
        let world = World::new(prices, "standard", self.webhooks, self.script).await;
        let _logs = world.capture_logs();
        // The webhooks of a tenant are read once by each process.
        publish(&world, 1, 1).await;
        world.drain("deliver").await;
        let before = world.counts();
        let events = deliveries / self.webhooks;
        // Far between, each is through before the next one comes.
        let at_once = if self.far_between {
            1
        } else {
            events.min(WAITING / self.webhooks)
        };
        for _ in 0..events / at_once {
            publish(&world, at_once, self.batch).await;
            world.drain("deliver").await;
        }
        for _ in 0..30 {
            world.pass_minute().await;
        }
        world.counts().since(&before).per(deliveries)
    }
}

/// What waits are billed for.
pub(crate) struct LongWait {
    /// A wait of 24 hours with the attempt at its end, which fails.
    pub(crate) rung: Counts,
    /// The sweep of a minute in which nothing is due.
    pub(crate) idle_minute: Counts,
}

/// Measures the second wait of three: before it and after it there is another.
pub(crate) async fn long_wait(prices: &Arc<Prices>) -> LongWait {
    const IDLE_MINUTES: usize = 60;
    const PER_MINUTE: usize = 100;
    const DAY_MINUTES: usize = 24 * 60;
    let world = World::new(prices, "long-waits", 1, all_fail).await;
    let _logs = world.capture_logs();
    for _ in 0..DELIVERIES / PER_MINUTE {
        publish(&world, PER_MINUTE, 100).await;
        world.drain("deliver").await;
        sweep_through(&world, 1).await;
    }
    sweep_through(&world, DAY_MINUTES / 2).await;
    let rung = sweep_through(&world, DAY_MINUTES).await;
    // When all is over, each shard is still read: it has had waits.
    sweep_through(&world, 2 * DAY_MINUTES).await;
    let idle = sweep_through(&world, IDLE_MINUTES).await;
    let idle_minute = idle.per(IDLE_MINUTES);
    let rung = rung
        .plus(&idle_minute, -(DAY_MINUTES as f64))
        .per(DELIVERIES);
    LongWait { rung, idle_minute }
}

/// What the watchdog takes for deliveries that came through: published in batches of 10 to one webhook.
pub(crate) async fn watched(prices: &Arc<Prices>) -> Counts {
    const MINUTES: usize = 150;
    let world = World::new(prices, "standard", 1, all_well).await;
    let _logs = world.capture_logs();
    let idle = sweep_through(&world, MINUTES).await;
    publish(&world, DELIVERIES, 10).await;
    world.drain("deliver").await;
    sweep_through(&world, 1).await;
    let laps = sweep_through(&world, MINUTES).await;
    laps.plus(&idle, -1.0).per(DELIVERIES)
}

async fn sweep_through(world: &World, minutes: usize) -> Counts {
    let before = world.counts();
    for _ in 0..minutes {
        world.sweep().await;
        world.pass_minute().await;
    }
    world.counts().since(&before)
}

async fn publish(world: &World, events: usize, batch: usize) {
    let mut events = (0..events).map(event);
    loop {
        let batch: Vec<Value> = events.by_ref().take(batch).collect();
        match &*batch {
            [] => return,
            [event] => world.publish("/v1/events", event).await,
            _ => {
                world
                    .publish("/v1/events/batch", &json!({ "events": batch }))
                    .await
            }
        }
    }
}

/// An event of ordinary data: half of it ids that no compression shortens.
fn event(number: usize) -> Value {
    let id = |of: &str, line: usize| {
        let hash = Sha256::digest(format!("{of} {number} {line}"));
        hex::encode(&hash[..8])
    };
    let mut data = json!({
        "order_id": id("order", 0),
        "customer": { "id": id("customer", 0), "country": "DE", "locale": "de-DE" },
        "currency": "EUR",
        "placed_at": "2025-10-09T08:53:20.000Z",
        "lines": [],
        "note": "",
    });
    for line in 0..6 {
        let line = json!({
            "sku": id("sku", line),
            "title": "A thing worth having",
            "quantity": 1 + line,
            "unit_price": 1_999 + number % 1_000,
            "warehouse": id("warehouse", line),
        });
        data["lines"].as_array_mut().expect("an array").push(line);
    }
    let missing = DATA_BYTES.saturating_sub(data.to_string().len());
    data["note"] = id("note", 0).repeat(64)[..missing].into();
    json!({ "type": "order.placed", "data": data })
}

//! The loads, each of one big tenant beside a small one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rung_core::egress::Transport;
use rung_tests::metered::{Prices, Refused};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{fleet::Fleet, receivers::Receivers};

const BIG: &str = "big";
const SMALL: &str = "small";
/// What the small tenant publishes, in events a second; it is never scaled.
const SMALL_RATE: f64 = 5.0;
/// How long the last of it may take after the publishing has ended.
const DRAIN: Duration = Duration::from_secs(4 * 3_600);
const PARKED_WAIT: Duration = Duration::from_secs(20 * 60);

/// What the big tenant does. All rates and numbers are those of a whole deployment.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The share of a deployment, of its load and of the limits of everything, that is run.
    pub(crate) scale: f64,
    /// What a partition takes, as a share of what DynamoDB's take.
    pub(crate) units: f64,
    /// How long it publishes.
    pub(crate) seconds: u64,
    /// Events a second.
    pub(crate) rate: f64,
    /// Events of one request.
    pub(crate) batch: usize,
    /// Its webhooks.
    pub(crate) webhooks: usize,
    /// Whether each event goes to all webhooks; else they take turns.
    pub(crate) fans_out: bool,
    /// What its receivers do.
    pub(crate) receivers: Manner,
}

/// What the big tenant's receivers do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// They take everything.
    Well,
    /// They fail while it publishes, and it is what waits that is measured.
    Later,
    /// They fail while it publishes.
    Down,
}

const fn load(name: &'static str, rate: f64, batch: usize) -> Scenario {
    Scenario {
        name,
        scale: 0.05,
        units: 1.0,
        seconds: 10,
        rate,
        batch,
        webhooks: 100,
        fans_out: false,
        receivers: Manner::Well,
    }
}

pub(crate) const SCENARIOS: [Scenario; 9] = [
    load("the small tenant alone", 0.0, 1),
    load("1,000/s, singly", 1_000.0, 1),
    load("1,000/s, batches of 100", 1_000.0, 100),
    load("10,000/s, singly", 10_000.0, 1),
    load("10,000/s, batches of 100", 10_000.0, 100),
    Scenario {
        webhooks: 1,
        ..load("1,000/s to one webhook, singly", 1_000.0, 1)
    },
    Scenario {
        scale: 0.1,
        seconds: 20,
        webhooks: 1_000,
        fans_out: true,
        ..load("an event a second to 1,000 webhooks", 1.0, 1)
    },
    Scenario {
        scale: 0.02,
        seconds: 60,
        receivers: Manner::Later,
        ..load("2,778 waits due a second", 2_778.0, 100)
    },
    Scenario {
        seconds: 60,
        scale: 0.02,
        webhooks: 1,
        receivers: Manner::Down,
        ..load("1,000/s to a receiver that is down", 1_000.0, 10)
    },
];

/// What came of it.
pub(crate) struct Outcome {
    scenario: Scenario,
    /// Deliveries a second, until 99 of 100 had come, scaled to a whole deployment.
    pub(crate) served: f64,
    /// Deliveries that were asked for, and those that came.
    pub(crate) asked: usize,
    pub(crate) came: usize,
    /// Requests that were answered with anything but 202.
    pub(crate) unavailable: usize,
    /// The keys that were refused, the first one first.
    pub(crate) refused: Vec<Refused>,
    pub(crate) small_p99_ms: u64,
}

impl Outcome {
    pub(crate) const HEAD: &str = "| load | share | deliveries/s | arrived | requests refused | first throttled key | p99 of the small tenant |\n| --- | ---: | ---: | ---: | ---: | --- | ---: |";
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { name, scale, .. } = self.scenario;
        let arrived = 100.0 * self.came as f64 / self.asked.max(1) as f64;
        write!(
            f,
            "| {name} | {scale} | {:.0} | {arrived:.0} % | {} |",
            self.served, self.unavailable
        )?;
        match self.refused.first() {
            Some(Refused {
                key,
                is_write,
                times,
            }) => {
                let what = if *is_write { "writes" } else { "reads" };
                write!(f, " {what} of `{key}`, {times} times |")?;
            }
            None => write!(f, " none |")?,
        }
        write!(f, " {} ms |", self.small_p99_ms)
    }
}

impl Scenario {
    /// Runs it in virtual time.
    pub(crate) async fn run(&self, prices: &Arc<Prices>) -> Outcome {
        let mut known = None;
        let fleet = Fleet::new(prices, self.scale, |clock| {
            let receivers = Receivers::new(clock);
            known = Some(receivers.clone());
            Arc::new(receivers) as Arc<dyn Transport>
        });
        let fleet = fleet.await;
        let receivers = known.expect("the fleet has asked for them");
        let dialect = match self.receivers {
            Manner::Later => "parked",
            Manner::Well | Manner::Down => "standard",
        };
        self.subscribe(&fleet, BIG, dialect, self.webhooks).await;
        self.subscribe(&fleet, SMALL, "standard", 1).await;
        let _working = fleet.start(self.scale, self.units);
        let length = Duration::from_secs(self.seconds);
        let host = host(BIG);
        if self.receivers != Manner::Well {
            let until_ms = fleet.now_ms() + length.as_millis() as u64 + 10_000;
            receivers.break_until(&host, until_ms);
        }
        let began_ms = fleet.now_ms();
        let unavailable = Arc::new(AtomicUsize::new(0));
        let mut publishing = JoinSet::new();
        let events = self.publish(&fleet, &unavailable, &mut publishing);
        small(&fleet, length, &mut publishing);
        while publishing.join_next().await.is_some() {}
        let targets = if self.fans_out { self.webhooks } else { 1 };
        let asked = events * targets;
        let mut began_ms = began_ms;
        if self.receivers == Manner::Later {
            sleep(Duration::from_secs(60)).await;
            receivers.forget(&host);
            small(&fleet, PARKED_WAIT + length, &mut publishing);
        }
        let until = Instant::now() + DRAIN;
        while receivers.count(&host) < asked && Instant::now() < until {
            sleep(Duration::from_secs(1)).await;
        }
        // The rest of the small tenant's comes soon.
        sleep(Duration::from_secs(30)).await;
        let arrived = receivers.arrived(&host);
        if self.receivers == Manner::Later {
            began_ms = arrived.at_ms.first().copied().unwrap_or(began_ms);
        }
        Outcome {
            scenario: *self,
            served: arrived.rate(began_ms) / self.scale,
            asked,
            came: arrived.count(),
            unavailable: unavailable.load(Ordering::Relaxed),
            refused: fleet.refused(),
            small_p99_ms: receivers.arrived(&self::host(SMALL)).p99_ms(),
        }
    }

    async fn subscribe(&self, fleet: &Arc<Fleet>, tenant: &str, dialect: &str, webhooks: usize) {
        let made = json!({"id": tenant, "name": tenant, "dialect": dialect});
        let status = fleet.request("/v1/tenants", None, &made).await;
        assert!(status.is_success(), "{status}");
        for number in 0..webhooks {
            let events = if self.fans_out || tenant == SMALL {
                "*".to_owned()
            } else {
                format!("thing.{number}")
            };
            let url = format!("https://{}/{number}", host(tenant));
            let webhook = json!({"url": url, "events": [events]});
            let status = fleet.request("/v1/webhooks", tenant, &webhook).await;
            assert!(status.is_success(), "{status}");
        }
    }

    /// Publishes at its rate, whatever comes back; answers how many events that is.
    fn publish(
        &self,
        fleet: &Arc<Fleet>,
        unavailable: &Arc<AtomicUsize>,
        publishing: &mut JoinSet<()>,
    ) -> usize {
        let events = (self.rate * self.scale * self.seconds as f64) as usize;
        let requests = events / self.batch;
        let (began, scenario) = (Instant::now(), *self);
        for request in 0..requests {
            let at = began + length_of(request, self.rate * self.scale / self.batch as f64);
            let (fleet, unavailable) = (Arc::clone(fleet), Arc::clone(unavailable));
            publishing.spawn(async move {
                sleep_until(at).await;
                let numbers = request * scenario.batch..(request + 1) * scenario.batch;
                let events: Vec<_> = numbers
                    .map(|number| event(number, number % scenario.webhooks, fleet.now_ms()))
                    .collect();
                let status = publish(&fleet, BIG, events).await;
                if status != 202 {
                    unavailable.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        requests * self.batch
    }
}

/// Publishes for the small tenant, for so long.
fn small(fleet: &Arc<Fleet>, length: Duration, publishing: &mut JoinSet<()>) {
    let began = Instant::now();
    for number in 0..(SMALL_RATE * length.as_secs_f64()) as usize {
        let (at, fleet) = (began + length_of(number, SMALL_RATE), Arc::clone(fleet));
        publishing.spawn(async move {
            sleep_until(at).await;
            let now_ms = fleet.now_ms();
            // Its number is its own, whichever part of the scenario it is of.
            let event = event(now_ms as usize, 0, now_ms);
            publish(&fleet, SMALL, vec![event]).await;
        });
    }
}

async fn publish(fleet: &Arc<Fleet>, tenant: &str, mut events: Vec<Value>) -> u16 {
    let (path, body) = match &mut *events {
        [event] => ("/v1/events", event.take()),
        _ => ("/v1/events/batch", json!({ "events": events })),
    };
    fleet.request(path, tenant, &body).await.as_u16()
}

fn event(number: usize, webhook: usize, at_ms: u64) -> Value {
    let data = json!({"n": number, "at": at_ms, "note": "x".repeat(900)});
    json!({"type": format!("thing.{webhook}"), "data": data})
}

/// When the one of this number comes, at so many a second.
fn length_of(number: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

fn host(tenant: &str) -> String {
    format!("{tenant}.example.com")
}

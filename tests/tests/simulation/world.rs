//! One run: everything set up from a seed, played until it has come to rest, and judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rung_local::{
    app,
    aws::{self, Aws},
};
use rung_shared::{
    clock::{Clock, VirtualClock},
    dialect::Dialects,
    domain::{
        attempt::Attempt,
        delivery::State,
        id::{DeliveryKey, TenantId, WebhookId},
        tenant::Tenant,
        webhook::{Secret, Webhook},
    },
    store::{Store, attempts::LogFilter, deliveries::List, events::Event},
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    chance::Chance,
    functions::{Functions, RETENTION, Role},
    ledger::{Ledger, Told},
    plan::Plan,
    receivers::{Manner, Receivers},
    trace::Trace,
    wire::Wire,
};

const START_MS: u64 = 1_760_000_000_000;
const QUEUES: [&str; 2] = ["deliver", "retry"];
const DEAD: [&str; 2] = ["deliver-dead", "retry-dead"];
/// By when after the last fault everything must have come to rest.
const REST_MS: u64 = 6 * 3_600_000;
const SWEEP_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("t").expect("it is a letter")
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) posts: usize,
    pub(crate) logged: usize,
}

pub(crate) struct World {
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<dyn Clock>,
    /// The table, read past all faults.
    pub(crate) oracle: Store,
    pub(crate) functions: Functions,
    pub(crate) receivers: Arc<Receivers>,
    /// Batches on their way or in hand.
    pub(crate) under_way: AtomicUsize,
    /// Whether a sweep has come through since faults have ended.
    swept: AtomicBool,
    /// Batches handed out so far.
    pub(crate) batches: AtomicU64,
    dialects: Arc<Dialects>,
    meddling: Mutex<Option<mpsc::UnboundedReceiver<()>>>,
    tasks: Mutex<JoinSet<()>>,
}

/// Plays a run.
pub(crate) fn play(seed: u64, traced: bool, faults: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let world = Arc::new(World::new(seed, traced, faults).await);
        world.run().await;
        let logged = world.judge().await;
        let ledger = world.ledger();
        Outcome {
            plan: (*world.wire.plan).clone(),
            violations: ledger.violations().to_vec(),
            trace: world.wire.trace.lines(),
            posts: ledger.posts.len(),
            logged,
        }
    })
}

impl World {
    async fn new(seed: u64, traced: bool, faults: bool) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let chance = Chance::of(seed);
        let plan = Plan::of(&chance);
        let plan = if faults { plan } else { plan.without_faults() };
        let dialects = Arc::new(dialects());
        let (asking, meddling) = mpsc::unbounded_channel();
        let wire = Wire {
            aws: Aws::memory(&app::queues(1), Arc::clone(&clock)).expect("memory can be had"),
            plan: Arc::new(plan),
            chance,
            trace: Trace::new(Arc::clone(&clock), traced),
            calm: Arc::new(AtomicBool::new(false)),
            parked_until: Arc::new(AtomicU64::new(0)),
            meddling: asking,
        };
        let (dynamodb, _) = aws::clients(aws::connector::InProcess::new(wire.aws.clone()));
        let oracle = Store::new(dynamodb, "rung", Arc::clone(&clock), RETENTION);
        oracle.create_table().await.expect("the oracle writes");
        let manners: Vec<_> = (0..wire.plan.webhooks)
            .map(|_| manner(&wire.chance, wire.plan.calm_ms))
            .collect();
        populate(&oracle, &wire.chance, wire.plan.webhooks).await;
        wire.trace.line(|| format!("{:?} {manners:?}", wire.plan));
        let receivers = Arc::new(Receivers {
            wire: wire.clone(),
            clock: Arc::clone(&clock),
            start_ms: START_MS,
            manners,
            ledger: Arc::new(Mutex::new(Ledger::default())),
            oracle: oracle.clone(),
        });
        Self {
            functions: Functions {
                wire: wire.clone(),
                clock: Arc::clone(&clock),
                dialects: Arc::clone(&dialects),
                receivers: Arc::clone(&receivers),
                instances: Mutex::default(),
                started: AtomicUsize::new(0),
            },
            wire,
            clock,
            oracle,
            receivers,
            under_way: AtomicUsize::new(0),
            swept: AtomicBool::new(false),
            batches: AtomicU64::new(0),
            dialects,
            meddling: Mutex::new(Some(meddling)),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(task);
        while let Some(ended) = tasks.try_join_next() {
            ended.expect("the simulation itself does not panic");
        }
    }

    async fn run(self: &Arc<Self>) {
        let plan = &self.wire.plan;
        for queue in QUEUES {
            self.spawn(Arc::clone(self).source(queue));
        }
        self.spawn(Arc::clone(self).sweeps());
        let clients = Arc::new(());
        for number in 0..plan.events {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                Box::pin(world.publisher(number)).await;
                drop(client);
            });
        }
        for _ in 0..plan.interventions {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                world.pause(0, world.wire.plan.calm_ms).await;
                world.intervene().await;
                drop(client);
            });
        }
        self.spawn(Arc::clone(self).meddle());
        let calm_ms = START_MS + plan.calm_ms;
        self.clock.sleep_until_ms(calm_ms).await;
        self.judge_lists().await;
        self.wire.calm.store(true, Ordering::Relaxed);
        self.wire.trace.line(|| "calm".to_owned());
        loop {
            self.clock
                .sleep_until_ms(self.clock.now_ms() + 20_000)
                .await;
            if Arc::strong_count(&clients) == 1 && self.rests().await {
                break;
            }
            if self.clock.now_ms() > calm_ms + REST_MS {
                return self
                    .ledger()
                    .violation("it does not come to rest".to_owned());
            }
        }
        self.wire.trace.line(|| "at rest".to_owned());
    }

    /// Intervenes whenever it is asked to, a few times.
    async fn meddle(self: Arc<Self>) {
        let meddling = self.meddling.lock();
        let meddling = meddling.unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut meddling) = meddling else {
            return;
        };
        for _ in 0..self.wire.plan.interventions {
            if meddling.recv().await.is_none() {
                return;
            }
            let world = Arc::clone(&self);
            self.under_way.fetch_add(1, Ordering::Relaxed);
            self.spawn(async move {
                world.intervene().await;
                world.under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    async fn rests(&self) -> bool {
        let parked_until = self.wire.parked_until.load(Ordering::Relaxed);
        self.under_way.load(Ordering::Relaxed) == 0
            && self.swept.load(Ordering::Relaxed)
            && self.clock.now_ms() / 60_000 > parked_until
            && self.depth(QUEUES[0]).await == 0
            && self.depth(QUEUES[1]).await == 0
    }

    /// The schedule of the sweep.
    async fn sweeps(self: Arc<Self>) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        loop {
            let twins = 1 + u32::from(!self.wire.is_calm() && chance.happens(plan.twin_sweep));
            for _ in 0..twins {
                let world = Arc::clone(&self);
                self.spawn(async move {
                    let function = world.functions.turn(Role::Sweep).await;
                    let calm = world.wire.is_calm();
                    let done = function.run(SWEEP_LIMIT, function.app.sweeper.sweep());
                    let done = done.await;
                    if calm && matches!(done, Some(Ok(_))) {
                        world.swept.store(true, Ordering::Relaxed);
                    }
                    world
                        .wire
                        .trace
                        .line(|| format!("a sweep ends with {done:?}"));
                });
            }
            tokio::time::sleep(Duration::from_millis(60_000)).await;
        }
    }

    /// The lists of deliveries agree with their rows.
    async fn judge_lists(&self) {
        let events = self.events().await;
        let webhooks = self.oracle.webhooks_of(&tenant()).await;
        for webhook in webhooks.expect("the oracle reads") {
            for (list, states) in [
                (List::Pending, &[State::Pending][..]),
                (
                    List::Unsuccessful,
                    &[State::Failed, State::Held, State::Missed],
                ),
            ] {
                let listed = self
                    .oracle
                    .deliveries_of(&webhook.tenant, &webhook.id, list, None, 100)
                    .await
                    .expect("the oracle reads")
                    .0;
                let listed: BTreeSet<_> = listed.into_iter().map(|row| row.key).collect();
                let keys = events.values().map(|event| key(event, &webhook.id));
                for key in listed.iter().cloned().chain(keys) {
                    let row = self.oracle.delivery(&key).await.expect("the oracle reads");
                    let belongs = row.as_ref().is_some_and(|row| states.contains(&row.state));
                    if belongs != listed.contains(&key) {
                        let text = format!("{row:?} does not agree with {list:?} {listed:?}");
                        self.ledger().violation(text);
                    }
                }
            }
        }
    }

    /// The events that are stored, by number.
    async fn events(&self) -> BTreeMap<u64, Event> {
        let known: Vec<_> = {
            let ledger = self.ledger();
            let ids = ledger.events.iter().map(|(number, known)| {
                let id = known.accepted.as_ref().map(|accepted| accepted.id.clone());
                (*number, id)
            });
            ids.collect()
        };
        let mut events = BTreeMap::new();
        for (number, id) in known {
            let id = id.unwrap_or_else(|| format!("e{number}").try_into().expect("it is an id"));
            let event = self.oracle.event(&tenant(), &id).await;
            if let Some(event) = event.expect("the oracle reads") {
                events.insert(number, event);
            }
        }
        events
    }

    /// Judges the end; answers how many attempts are in the log.
    async fn judge(&self) -> usize {
        self.judge_lists().await;
        for queue in DEAD {
            let buried = self.depth(queue).await;
            if buried > 0 {
                self.ledger()
                    .violation(format!("{buried} messages in {queue}"));
            }
        }
        let mut logged = 0;
        for number in 0..self.wire.plan.webhooks {
            logged += self.log(&webhook_id(number)).await.len();
        }
        let events = self.events().await;
        let promised: Vec<_> = {
            let ledger = self.ledger();
            let promised = ledger
                .events
                .iter()
                .filter(|(_, known)| known.accepted.is_some());
            promised.map(|(number, _)| *number).collect()
        };
        for number in promised {
            match events.get(&number) {
                None => self.ledger().violation(format!("event {number} is gone")),
                Some(event) => {
                    let matches = self.oracle.matches(event).await.expect("the oracle reads");
                    let matches = matches
                        .into_iter()
                        .map(|found| (found.webhook, found.active));
                    self.ledger().judge_matches(number, &matches.collect());
                }
            }
        }
        for (number, event) in &events {
            self.judge_deliveries(*number, event).await;
        }
        logged
    }

    async fn judge_deliveries(&self, number: u64, event: &Event) {
        for found in self.oracle.matches(event).await.expect("the oracle reads") {
            let key = key(event, &found.webhook);
            let webhook = self.oracle.webhook(&key.tenant, &key.webhook).await;
            let webhook = webhook.expect("the oracle reads");
            let row = self.oracle.delivery(&key).await.expect("the oracle reads");
            let mut log = self.log(&found.webhook).await;
            log.retain(|attempt| attempt.key.delivery == key);
            log.sort_by_key(|attempt| (attempt.key.n, attempt.key.due_ms));
            let dialect = webhook
                .as_ref()
                .and_then(|webhook| self.dialects.get(&webhook.dialect));
            let told = Told {
                webhook: webhook.as_ref(),
                dialect: dialect.map(AsRef::as_ref),
                active: found.active,
                accepted_ms: event.accepted_ms,
                row: row.as_ref(),
                log: log.iter().collect(),
            };
            let mut ledger = self.ledger();
            let known = ledger.events.get(&number);
            let promised = known.is_some_and(|known| known.accepted.is_some());
            ledger.judge(key.webhook.as_str(), key.event.as_str(), promised, &told);
        }
    }

    async fn log(&self, webhook: &WebhookId) -> Vec<Attempt> {
        let page = self
            .oracle
            .log_page(&tenant(), webhook, &LogFilter::default(), None, 1_000)
            .await;
        page.expect("the oracle reads").0
    }
}

fn key(event: &Event, webhook: &WebhookId) -> DeliveryKey {
    DeliveryKey {
        tenant: event.tenant.clone(),
        webhook: webhook.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
    }
}

fn webhook_id(number: u64) -> WebhookId {
    WebhookId::parse(&format!("w{number}")).expect("it has letters and digits")
}

/// Disable rules and ladders: rungs at once, through the delay queue, and parked.
const DIALECTS: [(&str, &str); 4] = [
    (r#""never""#, r#"["0s", "2min", "20min"]"#),
    (r#""ladder_used_up""#, r#"["16min", "10s", "17min"]"#),
    ("{ consecutive_failures = 4 }", r#"["30s", "16min"]"#),
    (r#"{ failing_for = "10min" }"#, r#"["5s", "15min", "1min"]"#),
];

fn dialects() -> Dialects {
    let dialects = (0_u32..).zip(DIALECTS);
    dialects.fold(Dialects::builtin(), |dialects, (number, (rule, waits))| {
        let text = format!(
            r#"
name = "sim{number}"
description = "For the simulation."
event_id = "evt_{{base62}}"
timeout = "5s"
body_limit = 262_144
success = ["2xx"]
gone_disables = true
honour_retry_after = true
disable = {rule}
envelope = [
  {{ key = "type", from = "type" }},
  {{ key = "timestamp", from = "time_rfc3339" }},
  {{ key = "data", from = "data" }},
]
[ladder]
waits = {waits}
jitter = 0.1
[any_type]
example = "example.created"
sample = '{{}}'
"#
        );
        dialects
            .with_file("sim.toml", &text)
            .expect("the dialect is sound")
    })
}

fn manner(chance: &Chance, calm_ms: u64) -> Manner {
    match chance.between(0, 7) {
        0..=1 => Manner::Well,
        2 => Manner::Down {
            until_ms: chance.between(0, calm_ms + 1_200_000),
        },
        3 => Manner::Broken,
        4 => Manner::Gone {
            from_ms: chance.between(0, calm_ms),
        },
        5 => Manner::Busy {
            until_ms: chance.between(0, calm_ms + 600_000),
            wait_s: chance.between(1, 1_300),
        },
        _ => Manner::Flaky {
            rate: *chance.pick(&[0.2, 0.5, 0.9]),
        },
    }
}

async fn populate(oracle: &Store, chance: &Chance, webhooks: u64) {
    let owner = Tenant {
        id: tenant(),
        name: None,
        dialect: "sim0".to_owned(),
        plan: None,
        retention_days: None,
        version: 0,
        created_ms: START_MS,
    };
    oracle
        .create_tenant(&owner)
        .await
        .expect("the oracle writes");
    for number in 0..webhooks {
        let webhook = Webhook {
            tenant: tenant(),
            id: webhook_id(number),
            url: format!("http://w{number}.test/hook"),
            events: vec!["*".to_owned()],
            filter: None,
            rate_limit: None,
            name: None,
            description: None,
            secret: Secret::new("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned()),
            old_secrets: Vec::new(),
            headers: BTreeMap::new(),
            metadata: serde_json::Map::new(),
            dialect: format!("sim{}", chance.between(0, DIALECTS.len() as u64 - 1)),
            disabled: None,
            epoch: 0,
            revision: 0,
            enabled_ms: START_MS,
            created_ms: START_MS,
        };
        oracle
            .create_webhook(&webhook)
            .await
            .expect("the oracle writes");
    }
}

//! One run: everything set up from a seed, played until it has come to rest, and judged.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use rung_base::clock::{Clock, VirtualClock};
use rung_core::{
    domain::{
        audit::{Action, Origin, Record},
        id::WebhookId,
        tenant::{Changes, Tenant},
        webhook::{Secret, Webhook},
    },
    encryption::KeyRing,
    limits::{LAP_MS, PARK_SHARDS, SWEEP_AHEAD_MS, WEBHOOKS_PER_TENANT},
    store::{Store, parked::Cursor},
};
use rung_dialect::{DEFAULT, Dialects};
use rung_json::Json;
use rung_local::app;
use rung_local_aws::Aws;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    chance::Chance,
    functions::{Functions, RETENTION, Role},
    index::Index,
    ledger::Ledger,
    mutations::Mutation,
    notices,
    plan::{Aging, Kind, Plan},
    receivers::{Manner, Receivers},
    trace::Trace,
    watch::Watch,
    wire::Wire,
};

pub(crate) const START_MS: u64 = 1_760_000_000_000;
pub(crate) const QUEUES: [&str; 2] = ["deliver", "retry"];
pub(crate) const DEAD: [&str; 2] = ["deliver-dead", "retry-dead"];
/// By when after the last fault everything must have come to rest.
const REST_MS: u64 = 6 * 3_600_000;
/// Laps of the watchdog in which it must have found everything.
const LAPS: usize = 12;
const SWEEP_LIMIT: Duration = Duration::from_secs(60);

/// How a run is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    /// Each call is written down.
    Traced,
    /// The functions make a mistake.
    Mutated(Mutation),
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) posts: usize,
    pub(crate) logged: usize,
    /// Attempts that the statistics count.
    pub(crate) counted: u64,
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
    /// Whether an hour passes in which nothing can happen, and no sweep comes.
    idle: AtomicBool,
    /// Messages that sweeps have sent since.
    swept_up: AtomicUsize,
    /// What each event is: whether its client names it by a key, and its content.
    pub(crate) contents: Mutex<BTreeMap<u64, (bool, Value)>>,
    /// Batches handed out so far.
    pub(crate) batches: AtomicU64,
    pub(crate) dialects: Arc<Dialects>,
    meddling: Mutex<Option<mpsc::UnboundedReceiver<()>>>,
    tasks: Mutex<JoinSet<()>>,
}

/// Plays a run.
pub(crate) fn play(seed: u64, kind: Kind, mode: Mode) -> Outcome {
    // Ids, nonces and the jitter of waits are drawn from the seed, too.
    rung_base::chance::replay::from(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let world = Arc::new(World::new(seed, kind, mode).await);
        world.run().await;
        let logged = world.judge().await;
        let counted = world.counted().await;
        if let Some(aging) = world.wire.plan.aging
            && world.ledger().violations().is_empty()
        {
            Box::pin(world.grow_old(aging)).await;
        }
        let ledger = world.ledger();
        Outcome {
            plan: (*world.wire.plan).clone(),
            violations: ledger.violations().to_vec(),
            trace: world.wire.trace.lines(),
            posts: ledger.posts.len(),
            logged,
            counted,
        }
    })
}

impl World {
    async fn new(seed: u64, kind: Kind, mode: Mode) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let chance = Chance::of(seed);
        let plan = Plan::of(&chance, kind);
        let plan = Plan {
            // A notice of each of hundreds would be most of a run.
            operator: plan.webhooks <= 3
                && match kind {
                    Kind::Any => seed % 4 == 2,
                    Kind::Aging => (seed / 20).is_multiple_of(2),
                    _ => false,
                },
            aging: plan.aging.map(|aging| Aging {
                brief: seed / 40 % 4,
                ..aging
            }),
            ..plan
        };
        let dialects = Arc::new(dialects());
        let (asking, meddling) = mpsc::unbounded_channel();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let wire = Wire {
            aws: Aws::memory(&app::queues(1), Arc::clone(&clock)).expect("memory can be had"),
            plan: Arc::new(plan),
            chance,
            trace: Trace::new(Arc::clone(&clock), mode == Mode::Traced),
            calm: Arc::new(AtomicBool::new(false)),
            parked_until: Arc::new(AtomicU64::new(0)),
            era: Arc::new(AtomicU64::new(0)),
            old: Arc::new(AtomicBool::new(false)),
            watch: Watch::new(Arc::clone(&ledger), Arc::clone(&clock)),
            index: Index::of(seed, kind, Arc::clone(&clock)),
            meddling: asking,
            clock: Arc::clone(&clock),
            mutation: match mode {
                Mode::Mutated(mutation) => Some(mutation),
                Mode::Plain | Mode::Traced => None,
            },
        };
        let (dynamodb, _) =
            rung_local_aws::clients(rung_local_aws::connector::InProcess::new(wire.aws.clone()));
        let oracle = Store::new(
            dynamodb,
            "rung",
            KeyRing::of_tests(),
            Arc::clone(&clock),
            RETENTION,
        );
        oracle.create_table().await.expect("the oracle writes");
        let manners: Vec<_> = (0..wire.plan.webhooks)
            .map(|_| manner(&wire.chance, wire.plan.calm_ms))
            .collect();
        populate(&oracle, &wire.chance, &wire.plan).await;
        wire.trace.line(|| format!("{:?} {manners:?}", wire.plan));
        let receivers = Arc::new(Receivers {
            wire: wire.clone(),
            clock: Arc::clone(&clock),
            start_ms: START_MS,
            manners,
            ledger,
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
                dark_until_ms: AtomicU64::new(0),
            },
            wire,
            clock,
            oracle,
            receivers,
            under_way: AtomicUsize::new(0),
            swept: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            swept_up: AtomicUsize::new(0),
            contents: Mutex::default(),
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
        if plan.outage_ms > 0 {
            self.spawn(Arc::clone(self).outage());
        }
        let clients = Arc::new(());
        if let Some(set_back) = plan.set_back {
            self.spawn(Arc::clone(self).set_back(set_back, Arc::clone(&clients)));
        }
        let burst_ms = self.wire.chance.between(0, plan.calm_ms * 9 / 10);
        for number in 0..plan.events {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                if world.wire.plan.burst {
                    world.pause(burst_ms, burst_ms + 50).await;
                } else {
                    world.pause(0, world.wire.plan.calm_ms * 9 / 10).await;
                }
                Box::pin(world.publisher(number)).await;
                drop(client);
            });
        }
        for _ in 0..plan.poison {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                world.pause(0, world.wire.plan.calm_ms).await;
                world.poison().await;
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
        self.redrive().await;
        loop {
            self.clock
                .sleep_until_ms(self.clock.now_ms() + 20_000)
                .await;
            // What has gone wrong need not come to rest.
            if !self.ledger().violations().is_empty() {
                return;
            }
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
        if plan.loses() {
            self.wait_for_the_watchdog().await;
        }
    }

    /// Lets the watchdog go round until a lap finds nothing any more.
    async fn wait_for_the_watchdog(&self) {
        let rested_ms = self.clock.now_ms();
        for _ in 0..LAPS {
            let before = self.swept_up.load(Ordering::Relaxed);
            self.pass_an_hour().await;
            // A lap may take several sweeps.
            let next_ms = self.clock.now_ms() + 4 * self.sweep_every().as_millis() as u64;
            self.clock.sleep_until_ms(next_ms).await;
            while !self.rests().await {
                self.clock
                    .sleep_until_ms(self.clock.now_ms() + 20_000)
                    .await;
            }
            // What was to happen last is overdue after an hour, and is looked at within another.
            let late = next_ms > rested_ms + 2 * LAP_MS;
            if late && self.swept_up.load(Ordering::Relaxed) == before {
                return;
            }
        }
        self.ledger()
            .violation("the watchdog finds no end".to_owned());
    }

    /// Lets the time until the next lap pass without a sweep. Everything rests: each of them would find nothing, in 16 queries for
    /// every minute, and leave its cursors where they are put here.
    async fn pass_an_hour(&self) {
        self.idle.store(true, Ordering::Relaxed);
        let next_ms = self.clock.now_ms() + LAP_MS;
        self.clock.sleep_until_ms(next_ms).await;
        let minute = (next_ms + SWEEP_AHEAD_MS) / 60_000;
        put_cursors(&self.oracle, 0..PARK_SHARDS, minute).await;
        self.idle.store(false, Ordering::Relaxed);
    }

    /// All functions die at once, and none starts for a while.
    async fn outage(self: Arc<Self>) {
        let plan = &self.wire.plan;
        let begins_ms = self.wire.chance.between(0, plan.calm_ms);
        self.clock.sleep_until_ms(START_MS + begins_ms).await;
        self.wire.trace.line(|| "all functions die".to_owned());
        self.functions.lose_power(plan.outage_ms);
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

    pub(crate) async fn rests(&self) -> bool {
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
            self.functions.power().await;
            if self.idle.load(Ordering::Relaxed) {
                tokio::time::sleep(self.sweep_every()).await;
                continue;
            }
            if self.wire.is_calm() || !chance.happens(0.1) {
                self.skip_empty_shards().await;
            }
            let twins = 1 + u32::from(!self.wire.is_calm() && chance.happens(plan.twin_sweep));
            for _ in 0..twins {
                self.spawn(Arc::clone(&self).sweep());
            }
            tokio::time::sleep(self.sweep_every()).await;
        }
    }

    async fn sweep(self: Arc<Self>) {
        let function = self.functions.turn(Role::Sweep).await;
        let calm = self.wire.is_calm();
        let sweep = function.run(SWEEP_LIMIT, function.app.sweeper.sweep());
        let done = Box::pin(sweep).await;
        if let (Some(Ok(sent)), true) = (&done, calm) {
            self.swept.store(true, Ordering::Relaxed);
            self.swept_up.fetch_add(*sent, Ordering::Relaxed);
        }
        self.wire
            .trace
            .line(|| format!("a sweep ends with {done:?}"));
    }

    /// The last minute that a sweep now reads, by any function's clock.
    fn end_of_sweep(&self) -> u64 {
        (self.clock.now_ms() - self.wire.plan.skew_ms + SWEEP_AHEAD_MS) / 60_000
    }

    /// Puts the cursors of the shards in which the next sweep would find nothing where it would leave them. Most calls of a run would be
    /// such a look for nothing: one for each shard and minute.
    async fn skip_empty_shards(&self) {
        let end = self.end_of_sweep();
        let cursors = self.oracle.sweep_cursors().await.expect("the oracle reads");
        let mut empty = Vec::new();
        for (shard, cursor) in (0..).zip(cursors) {
            // No sweep looks into a shard without one.
            let Some(Cursor { minute, .. }) = cursor else {
                continue;
            };
            if minute <= end && !self.wire.watch.is_parked(shard, minute..=end) {
                empty.push(shard);
            }
        }
        put_cursors(&self.oracle, empty, end + 1).await;
    }

    /// How long until the next sweep. Most calls are a sweep's. Once faults have ended, they come as rarely as still brings back each
    /// wait in time.
    fn sweep_every(&self) -> Duration {
        if self.wire.is_calm() {
            Duration::from_millis(SWEEP_AHEAD_MS / 2)
        } else {
            Duration::from_secs(60)
        }
    }
}

pub(crate) fn webhook_id(number: u64) -> WebhookId {
    WebhookId::parse(&format!("w{number}")).expect("it has letters and digits")
}

/// The number of the webhook with this id.
pub(crate) fn number_of(webhook: &str) -> u64 {
    webhook[1..].parse().expect("webhooks are w0, w1, …")
}

/// Disable rules and ladders: rungs at once, through the delay queue, and parked. And where the body says when the event was.
const DIALECTS: [(&str, &str, &str); 4] = [
    (r#""never""#, r#"["0s", "2min", "20min"]"#, "timestamp"),
    (
        r#""ladder_used_up""#,
        r#"["16min", "10s", "17min"]"#,
        "created",
    ),
    (
        "{ consecutive_failures = 4 }",
        r#"["30s", "16min"]"#,
        "time",
    ),
    (
        r#"{ failing_for = "10min" }"#,
        r#"["5s", "15min", "1min"]"#,
        "at",
    ),
];

fn dialects() -> Dialects {
    let dialects = (0_u32..).zip(DIALECTS);
    dialects.fold(
        Dialects::builtin(),
        |dialects, (number, (rule, waits, time))| {
            // One of them heeds `Retry-After` delivery by delivery.
            let throttle = number > 0;
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
throttle = {throttle}
disable = {rule}
envelope = [
  {{ key = "type", from = "type" }},
  {{ key = "{time}", from = "time_rfc3339" }},
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
        },
    )
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

/// Puts the cursors of some shards at the beginning of a minute.
pub(crate) async fn put_cursors(oracle: &Store, shards: impl IntoIterator<Item = u8>, minute: u64) {
    let cursor = Cursor::at(minute);
    // At once: they are written together.
    let moved = shards
        .into_iter()
        .map(|shard| oracle.move_sweep_cursor(shard, &cursor));
    try_join_all(moved).await.expect("the oracle writes");
}

async fn populate(oracle: &Store, chance: &Chance, plan: &Plan) {
    if !plan.new_table {
        let minute = (START_MS + SWEEP_AHEAD_MS) / 60_000;
        put_cursors(oracle, 0..PARK_SHARDS, minute).await;
    }
    let origin = Origin::system();
    let tenants = (0..plan.tenants).map(|number| {
        let days = plan.retention_days(number);
        (plan.tenant_of(number), "sim0", days)
    });
    let operator = plan.operator.then(|| (notices::operator(), DEFAULT, None));
    for (id, dialect, retention_days) in tenants.chain(operator) {
        let owner = Tenant {
            id,
            name: None,
            dialect: dialect.to_owned(),
            plan: None,
            retention_days,
            metadata: Json::empty(),
            webhooks: 0,
            webhook_shards: Default::default(),
            version: 0,
            changes: Changes::default(),
            portal_round: 0,
            created_ms: START_MS,
        };
        let record = Record::new(&origin, None, Action::TenantCreated, owner.id.name());
        let made = oracle.create_tenant(&owner, &record).await;
        made.expect("the oracle writes");
    }
    for number in 0..plan.webhooks {
        let webhook = Webhook {
            tenant: plan.tenant_of(number),
            id: webhook_id(number),
            url: url(&webhook_id(number)),
            events: vec!["*".to_owned()],
            filter: None,
            rate_limit: chance.happens(plan.paced).then(|| pace_of(number)),
            pace_epoch: 0,
            max_in_flight: None,
            keep_alive: None,
            name: None,
            description: None,
            secret: Secret::new(SECRET.to_owned()),
            old_secrets: Vec::new(),
            headers: BTreeMap::new(),
            secret_headers: Default::default(),
            client_certificate: None,
            metadata: Json::empty(),
            dialect: any_dialect(chance),
            challenge: false,
            disabled: None,
            disabled_before_ms: None,
            outage: None,
            pause: None,
            epoch: 0,
            first_epoch: 0,
            revision: 0,
            enabled_ms: START_MS,
            created_ms: START_MS,
        };
        let (tenant, id) = (Some(&webhook.tenant), webhook.id.as_str());
        let record = Record::new(&origin, tenant, Action::WebhookCreated, id);
        let made = oracle
            .create_webhook(&webhook, WEBHOOKS_PER_TENANT, &record)
            .await;
        made.expect("the oracle writes");
    }
}

pub(crate) const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

pub(crate) fn url(webhook: &WebhookId) -> String {
    format!("http://{webhook}.test/hook")
}

/// The rate limit that a webhook has, when it has one, in deliveries a second.
pub(crate) fn pace_of(number: u64) -> u32 {
    1 + (number % 3) as u32
}

/// One of the run's dialects.
pub(crate) fn any_dialect(chance: &Chance) -> String {
    format!("sim{}", chance.between(0, DIALECTS.len() as u64 - 1))
}

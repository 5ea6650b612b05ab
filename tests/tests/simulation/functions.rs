//! The functions' instances: each has its own clients, caches, clock and life.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use rung_base::clock::Clock;
use rung_core::{
    encryption::KeyRing,
    flow::StatsBuffer,
    limits::{INDEX_LAG_MS, STATS_TIME},
};
use rung_dialect::Dialects;
use rung_local::app::{App, Parts};
use rung_local_aws::connector::InProcess;

use crate::{
    mutations::Mutation,
    receivers::{Receivers, Way},
    wire::{Life, Line, Wire},
};

pub(crate) const ADMIN_KEY: &str = "admin";

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Enqueue,
    Deliver,
    Sweep,
    Manage,
}

impl Role {
    /// The function that does it.
    fn function(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Deliver => "deliver",
            Self::Sweep => "sweep",
            Self::Manage => "subscriptions",
        }
    }
}

/// A clock that is off by some milliseconds.
struct Skewed {
    clock: Arc<dyn Clock>,
    ahead_ms: i64,
}

impl Clock for Skewed {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.ahead_ms)
    }

    fn wall_ms(&self) -> u64 {
        self.now_ms()
    }

    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()> {
        self.clock
            .sleep_until_ms(at_ms.saturating_add_signed(-self.ahead_ms))
    }
}

/// One instance.
pub(crate) struct Function {
    pub(crate) app: App,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) life: Arc<Life>,
    line: Line,
    busy: AtomicUsize,
}

/// A turn at an instance.
pub(crate) struct Turn(Arc<Function>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::ops::Deref for Turn {
    type Target = Function;

    fn deref(&self) -> &Function {
        &self.0
    }
}

impl Function {
    /// Runs `work` here until it is done, the function dies, or its time-out ends it.
    pub(crate) async fn run<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.life.over() => None,
            done = async {
                let done = work.await;
                self.line.let_go().await;
                done
            } => Some(done),
            () = tokio::time::sleep(limit) => {
                self.life.end();
                None
            }
        }
    }
}

/// All instances of a run.
pub(crate) struct Functions {
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dialects: Arc<Dialects>,
    pub(crate) receivers: Arc<Receivers>,
    pub(crate) instances: Mutex<BTreeMap<Role, Vec<Arc<Function>>>>,
    pub(crate) started: AtomicUsize,
    /// Until when none runs, in milliseconds.
    pub(crate) dark_until_ms: AtomicU64,
}

impl Functions {
    /// Ends all of them; none starts for so many milliseconds.
    pub(crate) fn lose_power(&self, ms: u64) {
        let until_ms = self.clock.now_ms() + ms;
        self.dark_until_ms.store(until_ms, Ordering::Relaxed);
        for function in self.instances().values().flatten() {
            function.life.end();
        }
    }

    /// Waits until functions run.
    pub(crate) async fn power(&self) {
        let dark_until_ms = self.dark_until_ms.load(Ordering::Relaxed);
        if dark_until_ms > 0 {
            self.clock.sleep_until_ms(dark_until_ms).await;
        }
    }

    /// A turn at an instance that has room, a new one if need be.
    pub(crate) async fn turn(&self, role: Role) -> Turn {
        self.power().await;
        let room = match role {
            Role::Deliver => self.wire.plan.concurrency,
            _ => 1,
        };
        let free = self.instances().get(&role).and_then(|instances| {
            let free = instances.iter().find(|function| {
                !function.life.is_over() && function.busy.load(Ordering::Relaxed) < room
            });
            free.cloned()
        });
        let function = match free {
            Some(function) => function,
            None => {
                let function = Arc::new(self.start(role).await);
                let mut instances = self.instances();
                let instances = instances.entry(role).or_default();
                instances.retain(|function| !function.life.is_over());
                instances.push(Arc::clone(&function));
                function
            }
        };
        function.busy.fetch_add(1, Ordering::Relaxed);
        Turn(function)
    }

    fn instances(&self) -> std::sync::MutexGuard<'_, BTreeMap<Role, Vec<Arc<Function>>>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self, role: Role) -> Function {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let life = Arc::new(Life::new(format!("{role:?}-{number}"), role.function()));
        let skew_ms = self.wire.plan.skew_ms;
        let ahead_ms = self.wire.chance.between(0, 2 * skew_ms) as i64 - skew_ms as i64;
        let clock: Arc<dyn Clock> = Arc::new(Skewed {
            clock: Arc::clone(&self.clock),
            ahead_ms,
        });
        let line = Line::new(self.wire.clone(), Arc::clone(&life));
        let (dynamodb, sqs) = rung_local_aws::clients(InProcess::new(line.clone()));
        let mut app = App::new(Parts {
            dynamodb,
            sqs,
            clock: Arc::clone(&clock),
            transport: Arc::new(Way {
                receivers: Arc::clone(&self.receivers),
                life: Arc::clone(&life),
                clock: Arc::clone(&clock),
            }),
            dialects: Arc::clone(&self.dialects),
            admin_key: ADMIN_KEY.to_owned(),
            // As the template has it: the others never see a secret.
            encryption_keys: match role {
                Role::Deliver | Role::Manage => KeyRing::of_tests(),
                Role::Enqueue | Role::Sweep => KeyRing::empty(),
            },
            strict: false,
            retention: RETENTION,
        })
        .await
        .expect("nothing happens to a function before its first call");
        // As a function has it.
        app.deliverer.stats = StatsBuffer::new(STATS_TIME);
        if self.wire.mutation != Some(Mutation::NoLagAwaited) {
            app.deliverer.control.index_lag_ms = INDEX_LAG_MS;
        }
        line.open();
        Function {
            app,
            clock,
            life,
            line,
            busy: AtomicUsize::new(0),
        }
    }
}

/// How long the deployment keeps things: a year.
pub(crate) const RETENTION: Duration = Duration::from_secs(365 * 86_400);

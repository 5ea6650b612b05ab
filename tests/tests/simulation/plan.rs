//! What a seed stands for: how often which fault happens, and how large the run is.

use rung_core::domain::id::TenantId;

use crate::{chance::Chance, functions::RETENTION};

/// What kind of run it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One without a single fault.
    Faultless,
    /// Any.
    Any,
    /// One in which people intervene all the time.
    Meddled,
    /// One in which people ask for recoveries all the time, and pages of them are torn.
    Recovering,
    /// One in which functions freeze while they park waits, and nobody else takes those waits up.
    Frozen,
    /// One in which the table or the queues are set back to an earlier moment.
    SetBack,
    /// One in which people cancel all and recover by state while the index lags.
    Lagging,
    /// One in which rate limits meet messages that are late.
    Stalled,
    /// One in which people cancel single deliveries in the middle of calls and POSTs.
    Cancelling,
    /// One that goes on about when a tenant's retention ends.
    Aging,
}

impl Kind {
    /// What is played with a seed: mostly anything.
    pub(crate) fn of(seed: u64) -> Self {
        match seed % 20 {
            7 | 17 => Self::Recovering,
            1 | 15 => Self::Aging,
            19 => Self::Frozen,
            3 => Self::Lagging,
            9 => Self::Cancelling,
            11 => Self::Stalled,
            13 => Self::SetBack,
            _ => Self::Any,
        }
    }
}

/// What is set back by so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetBack {
    /// As a restore does, and a cut of the power.
    Table(u64),
    /// What was sent since is lost, what was deleted since comes again.
    Queues(u64),
}

/// What a run that has come to rest goes through yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aging {
    /// From how long before a tenant's first event expires on it may go on, in milliseconds.
    pub(crate) early_ms: u64,
    /// In how long a time from then on.
    pub(crate) within_ms: u64,
    /// How late what has expired is removed.
    pub(crate) late_ms: u64,
    /// The tenants whose retention is a minute from then on, a bit for each.
    pub(crate) brief: u64,
}

/// How long what is of such a tenant is kept, in milliseconds.
pub(crate) const BRIEF_MS: u64 = 60_000;

/// What is added to an event's number when a client uses its id again: a multiple of any number of tenants.
pub(crate) const REUSED: u64 = 600;

/// A run's plan. Rates are per call on the wire, per record handed out, or per POST.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Calls refused before they take effect: throttled, or an error of the service.
    pub(crate) refused: f64,
    /// Calls that take effect and answer with an error.
    pub(crate) lost: f64,
    /// Calls that answer with an error and take effect afterwards.
    pub(crate) late: f64,
    /// How much afterwards, at most, in milliseconds.
    pub(crate) late_ms: u64,
    /// Calls that never answer, whether they take effect or not.
    pub(crate) hung: f64,
    /// POSTs that the function's host cannot make.
    pub(crate) host_fault: f64,
    /// Until when it can make none at all, in milliseconds from the start.
    pub(crate) host_down_ms: u64,
    /// Calls at which the function dies, before or after the effect.
    pub(crate) crash: f64,
    /// Batches of which a part is done.
    pub(crate) partial: f64,
    /// Writes refused for a transaction's sake.
    pub(crate) conflict: f64,
    /// Calls that take up to `slow_ms`.
    pub(crate) slow: f64,
    /// In milliseconds.
    pub(crate) slow_ms: u64,
    /// Waits whose parking takes up to a quarter of an hour, in a function that stands still.
    pub(crate) frozen_parking: f64,
    /// Records that SQS hands out once more, with the same receive count.
    pub(crate) duplicate: f64,
    /// Records that are handled and handed out again nevertheless.
    pub(crate) undeleted: f64,
    /// Messages that the queue loses.
    pub(crate) forgotten: f64,
    /// Messages that the queue moves among its dead letters.
    pub(crate) buried: f64,
    /// What is set back to an earlier moment, while the other is as of now.
    pub(crate) set_back: Option<SetBack>,
    pub(crate) aging: Option<Aging>,
    /// The retention of each tenant that has its own, in days.
    pub(crate) retentions: Vec<Option<u32>>,
    /// How long all functions are down at once, in milliseconds.
    pub(crate) outage_ms: u64,
    /// How much longer a read takes for each item that it finds, in milliseconds.
    pub(crate) item_ms: u64,
    /// Whether every second function is of a newer version, whose messages and rows have members that the others don't know.
    pub(crate) two_versions: bool,
    /// How long a batch is hidden while it is handled, in seconds.
    pub(crate) visibility_s: u64,
    /// Batches hidden for moments only.
    pub(crate) briefly_hidden: f64,
    /// Batches that reach a function late.
    pub(crate) held_back: f64,
    /// Sweeps that run twice at a time.
    pub(crate) twin_sweep: f64,
    /// How far functions' clocks are off, in milliseconds.
    pub(crate) skew_ms: u64,
    /// Batches that one function handles at a time: 1 on Lambda, many on one machine.
    pub(crate) concurrency: usize,
    /// How long a batch may take, in milliseconds.
    pub(crate) batch_ms: u64,
    /// Publishes that are repeated although they were answered.
    pub(crate) repeated: f64,
    pub(crate) tenants: u64,
    /// Of all tenants: number `n` is of tenant `n % tenants`.
    pub(crate) webhooks: u64,
    /// The share of them that have a rate limit.
    pub(crate) paced: f64,
    /// Likewise.
    pub(crate) events: u64,
    /// Whether they come all at once.
    pub(crate) burst: bool,
    /// Messages that are none of Rung's.
    pub(crate) poison: u64,
    /// Whether the operator has a tenant that is notified.
    pub(crate) operator: bool,
    /// Whether the table is one that no sweep has seen.
    pub(crate) new_table: bool,
    /// Disablings, enablings, changes (of the rate limit too), pauses and their ends, rotations, deletions, imports, cancellings (of one delivery and of
    /// all), retries by hand (of a log entry and of what waits) and recoveries.
    pub(crate) interventions: u64,
    /// The share of them that are recoveries.
    pub(crate) recoveries: f64,
    /// The share of the others that cancel all that waits.
    pub(crate) emptying: f64,
    /// The share of what is left that cancel one delivery.
    pub(crate) cancelling: f64,
    /// Changes of lists that the index does not show yet at which somebody intervenes, likewise.
    pub(crate) lagging: f64,
    /// Calls and POSTs during which somebody intervenes, until there were twice as many.
    pub(crate) meddled: f64,
    /// When faults and clients end, in milliseconds from the start.
    pub(crate) calm_ms: u64,
}

impl Plan {
    pub(crate) fn of(chance: &Chance, kind: Kind) -> Self {
        let plan = Self::drawn(chance, kind);
        match kind {
            Kind::Any => plan,
            Kind::Meddled => Self {
                recoveries: 0.0,
                ..plan
            },
            Kind::Faultless => plan.without_faults(),
            Kind::Recovering => Self {
                lost: 0.03,
                crash: 0.03,
                // A torn page comes again while what it sent is on its way.
                visibility_s: 10,
                duplicate: 0.3,
                slow: 0.1,
                slow_ms: 3_000,
                recoveries: 0.6,
                // A fan-out to hundreds takes longer than it is hidden, and goes round for ever.
                webhooks: plan.webhooks.min(3),
                ..plan.without_faults()
            },
            Kind::SetBack => {
                let back_ms = *chance.pick(&[500, 20_000, 600_000]);
                let back_ms = chance.between(1, back_ms);
                Self {
                    set_back: Some(if chance.happens(0.6) {
                        SetBack::Table(back_ms)
                    } else {
                        SetBack::Queues(back_ms)
                    }),
                    // What people did since, and what places were given since, nobody knows any more.
                    interventions: 0,
                    meddled: 0.0,
                    paced: 0.0,
                    // Nothing takes effect after the end of its time.
                    late: 0.0,
                    ..plan
                }
            }
            Kind::Lagging => Self {
                lagging: 0.5,
                interventions: 12,
                recoveries: 0.4,
                emptying: 0.7,
                ..plan.without_faults()
            },
            Kind::Cancelling => Self {
                meddled: 0.05,
                interventions: 12,
                recoveries: 0.0,
                cancelling: 0.8,
                ..plan.without_faults()
            },
            Kind::Stalled => Self {
                paced: 1.0,
                burst: true,
                events: 6,
                tenants: 1,
                webhooks: plan.webhooks.min(2),
                interventions: 0,
                held_back: 0.7,
                slow: 0.2,
                slow_ms: 5_000,
                ..plan.without_faults()
            },
            Kind::Aging => {
                let tenants = chance.between(1, plan.webhooks.min(3));
                let retentions =
                    (0..tenants).map(|_| *chance.pick(&[Some(1), Some(8), Some(90), None]));
                // Mostly a recovery meets what is about to expire.
                let (early_ms, within_ms) = if chance.happens(0.7) {
                    (1_200_000, 3_000_000)
                } else {
                    (0, 172_800_000)
                };
                Self {
                    aging: Some(Aging {
                        early_ms,
                        within_ms,
                        late_ms: *chance.pick(&[0, 600_000, 172_800_000]),
                        brief: 0,
                    }),
                    retentions: retentions.collect(),
                    tenants,
                    webhooks: plan.webhooks.min(3),
                    events: plan.events.max(2),
                    meddled: 0.0,
                    ..plan.without_faults()
                }
            }
            Kind::Frozen => Self {
                frozen_parking: 0.5,
                batch_ms: 3_600_000,
                visibility_s: 4_000,
                interventions: 0,
                ..plan.without_faults()
            },
        }
    }

    fn drawn(chance: &Chance, kind: Kind) -> Self {
        let often = chance.happens(0.3) || matches!(kind, Kind::Meddled | Kind::Recovering);
        // Functions that stand still for minutes, and may.
        let frozen = chance.happens(0.1);
        let webhooks = match chance.between(0, 999) {
            // More than stand in an event's row.
            0..=1 => 501,
            // More than one message of a fan-out takes.
            2..=6 => chance.between(101, 250),
            _ => chance.between(1, 3),
        };
        Self {
            refused: chance.rate(0.3),
            lost: chance.rate(0.2),
            late: chance.rate(0.1),
            late_ms: *chance.pick(&[500, 5_000, 400_000]),
            hung: if frozen { 0.0 } else { chance.rate(0.05) },
            host_fault: chance.rate(0.3),
            host_down_ms: if chance.happens(0.1) {
                chance.between(0, 600_000)
            } else {
                0
            },
            crash: if frozen { 0.0 } else { chance.rate(0.1) },
            partial: chance.rate(0.5),
            conflict: chance.rate(0.3),
            slow: if frozen { 0.3 } else { chance.rate(0.2) },
            slow_ms: if frozen {
                900_000
            } else {
                *chance.pick(&[200, 3_000, 60_000])
            },
            frozen_parking: 0.0,
            duplicate: chance.rate(0.5),
            undeleted: chance.rate(0.3),
            forgotten: if chance.happens(0.12) { 0.2 } else { 0.0 },
            buried: if chance.happens(0.1) { 0.2 } else { 0.0 },
            set_back: None,
            aging: None,
            retentions: Vec::new(),
            outage_ms: if chance.happens(0.06) {
                1_000 * chance.between(1, *chance.pick(&[60, 1_200, 7_200]))
            } else {
                0
            },
            item_ms: if chance.happens(0.1) {
                *chance.pick(&[1, 10, 40])
            } else {
                0
            },
            two_versions: chance.happens(0.1),
            visibility_s: 180,
            briefly_hidden: chance.rate(0.5),
            held_back: chance.rate(0.5),
            twin_sweep: chance.rate(0.8),
            skew_ms: *chance.pick(&[0, 0, 30, 2_000]),
            concurrency: *chance.pick(&[1, 1, 3, 100]),
            batch_ms: if frozen {
                // It may as well.
                3_600_000
            } else {
                *chance.pick(&[27_000, 27_000, 900_000])
            },
            repeated: chance.rate(0.8),
            tenants: if chance.happens(0.7) || webhooks > 3 {
                1
            } else {
                chance.between(1, webhooks)
            },
            webhooks,
            paced: chance.rate(1.0),
            events: chance.between(1, if webhooks > 3 { 2 } else { 6 }),
            burst: chance.happens(0.2),
            poison: if chance.happens(0.1) {
                chance.between(1, 3)
            } else {
                0
            },
            operator: false,
            new_table: chance.happens(0.2),
            interventions: if often {
                chance.between(4, 16)
            } else {
                chance.between(0, 3)
            },
            recoveries: 0.2,
            emptying: 0.0,
            cancelling: 0.0,
            lagging: 0.0,
            meddled: if often { 0.02 + chance.rate(0.1) } else { 0.0 },
            calm_ms: 1_000 * chance.between(60, *chance.pick(&[300, 1_500, 3_000])),
        }
    }

    /// Whether messages are lost that only the watchdog can find.
    pub(crate) fn loses(&self) -> bool {
        self.forgotten > 0.0 || self.set_back.is_some()
    }

    /// Whose a webhook or an event of this number is.
    pub(crate) fn tenant_of(&self, number: u64) -> TenantId {
        let tenant = format!("t{}", number % self.tenants);
        TenantId::parse(&tenant).expect("it has letters and digits")
    }

    /// A client's own name for an event. Tenants give the same names.
    pub(crate) fn name_of(&self, event: u64) -> String {
        format!("e{}", event % REUSED / self.tenants)
    }

    /// A tenant's own retention, in days.
    pub(crate) fn retention_days(&self, tenant: u64) -> Option<u32> {
        self.retentions.get(tenant as usize).copied().flatten()
    }

    /// Whether the retention of the tenant of this number, webhook or event is a minute when the world has grown old.
    pub(crate) fn is_brief(&self, number: u64) -> bool {
        let aging = self.aging.as_ref();
        aging.is_some_and(|aging| (aging.brief >> (number % self.tenants)) & 1 == 1)
    }

    /// How long what is of a tenant is kept until then, in milliseconds.
    pub(crate) fn retention_ms(&self, tenant: u64) -> u64 {
        let days = self.retention_days(tenant);
        days.map_or(RETENTION.as_millis() as u64, |days| {
            u64::from(days) * 86_400_000
        })
    }

    /// The same run without a single fault.
    fn without_faults(self) -> Self {
        Self {
            refused: 0.0,
            lost: 0.0,
            late: 0.0,
            hung: 0.0,
            host_fault: 0.0,
            host_down_ms: 0,
            crash: 0.0,
            partial: 0.0,
            conflict: 0.0,
            slow: 0.0,
            frozen_parking: 0.0,
            duplicate: 0.0,
            undeleted: 0.0,
            forgotten: 0.0,
            buried: 0.0,
            outage_ms: 0,
            item_ms: 0,
            briefly_hidden: 0.0,
            held_back: 0.0,
            twin_sweep: 0.0,
            skew_ms: 0,
            ..self
        }
    }
}

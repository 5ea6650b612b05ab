//! The real flows, store and queue code in a world that goes wrong, from a seed and in virtual time.
//!
//! The cast: a [`plan`] says how often what happens; the [`wire`] refuses, loses, delays and tears the calls that the
//! [`functions`] make to the in-process AWS, and kills them between any two; [`queues`] hands messages out late, twice and in
//! any order; [`receivers`] answer by script; [`clients`] publish, repeat themselves and intervene, and ask for
//! [`recoveries`]. The [`index`] lags; the table or the queues are [`set_back`]; what rests comes of [`age`]. A [`watch`] looks at each call as it takes effect.
//! The [`ledger`] is the reference model. When faults have ended and everything in the [`world`] has come to rest, it is held against what the table says ([`judge`]), and so are the [`notices`] to the operator. [`mutations`]
//! shows that all this bites: it makes [`mistakes`] that the product could make.
//!
//! `RUNG_SIM_SEEDS=N` plays so many seeds, from `RUNG_SIM_FROM=S` on; `RUNG_SIM_SEED=S` plays one, and prints its trace. A seed
//! that fails is printed, and fails again whenever it is played.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod age;
mod chance;
mod clients;
mod functions;
mod index;
mod judge;
mod ledger;
mod mistakes;
mod mutations;
mod notices;
mod plan;
mod queues;
mod receivers;
mod recoveries;
mod set_back;
mod trace;
mod watch;
mod wire;
mod world;

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use plan::Kind;
use world::{Mode, play};

/// As the program itself has it: an eighth of the time goes into small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds of an ordinary test run. `tests/run` plays ten times as many.
const SEEDS: u64 = 200;

/// A number from the environment: the tests' one setting.
#[allow(clippy::disallowed_methods)]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("it is a number"))
}

/// Does all work on as many threads as there are cores. A run keeps to the thread it began on.
fn on_all_cores<T: Send>(work: impl Iterator<Item = T> + Send, each: impl Fn(T) + Sync) {
    let work = Mutex::new(work);
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = next() {
                    each(item);
                }
            });
        }
    });
}

#[test]
fn whatever_happens_the_invariants_hold() {
    if let Some(seed) = setting("RUNG_SIM_SEED") {
        let outcome = play(seed, Kind::of(seed), Mode::Traced);
        outcome.trace.iter().for_each(|line| println!("{line}"));
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let from = setting("RUNG_SIM_FROM").unwrap_or(0);
    let failed = Mutex::new(Vec::new());
    on_all_cores(
        from..from + setting("RUNG_SIM_SEEDS").unwrap_or(SEEDS),
        |seed| {
            let outcome = play(seed, Kind::of(seed), Mode::Plain);
            if !outcome.violations.is_empty() {
                println!("RUNG_SIM_SEED={seed}: {:#?}", outcome.violations);
                failed.lock().unwrap().push(seed);
            }
        },
    );
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
}

#[test]
fn without_faults_each_attempt_is_one_post() {
    on_all_cores(0..20, |seed| {
        let outcome = play(seed, Kind::Faultless, Mode::Plain);
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}: {:#?}",
            outcome.violations
        );
        assert_eq!(
            outcome.posts, outcome.logged,
            "seed {seed}: {:#?}",
            outcome.plan
        );
        assert_eq!(outcome.counted, outcome.logged as u64, "seed {seed}");
    });
}

#[test]
fn the_same_seed_is_the_same_run() {
    on_all_cores(0..6, |seed| {
        let (first, second) = (
            play(seed, Kind::Any, Mode::Traced).trace,
            play(seed, Kind::Any, Mode::Traced).trace,
        );
        let differing = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    });
}

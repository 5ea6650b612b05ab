//! The real flows, store and queue code in a world that goes wrong, from a seed and in virtual time.
//!
//! The cast: a [`plan`] says how often what happens; the [`wire`] refuses, loses, delays and tears the calls that the
//! [`functions`] make to the in-process AWS, and kills them between any two; [`queues`] hands messages out late, twice and in any
//! order; [`receivers`] answer by script; [`clients`] publish, repeat themselves and intervene. The [`ledger`] is the reference
//! model. When faults have ended and everything has come to rest, [`world`] has it judge what the table says.
//!
//! `RUNG_SIM_SEEDS=N` plays so many seeds, `RUNG_SIM_SEED=S` one of them, with its trace printed. A seed that fails is printed,
//! and fails again whenever it is played.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod chance;
mod clients;
mod functions;
mod ledger;
mod plan;
mod queues;
mod receivers;
mod trace;
mod wire;
mod world;

use world::play;

/// Seeds of an ordinary test run: about a minute of one core.
const SEEDS: u64 = 200;

/// A number from the environment: the tests' one setting.
#[allow(clippy::disallowed_methods)]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("it is a number"))
}

#[test]
fn whatever_happens_the_invariants_hold() {
    if let Some(seed) = setting("RUNG_SIM_SEED") {
        let outcome = play(seed, true, true);
        outcome.trace.iter().for_each(|line| println!("{line}"));
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let mut failed = Vec::new();
    for seed in 0..setting("RUNG_SIM_SEEDS").unwrap_or(SEEDS) {
        let outcome = play(seed, false, true);
        if !outcome.violations.is_empty() {
            println!("RUNG_SIM_SEED={seed}: {:#?}", outcome.violations);
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
}

#[test]
fn without_faults_each_attempt_is_one_post() {
    for seed in 0..20 {
        let outcome = play(seed, false, false);
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
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        let (first, second) = (play(seed, true, true).trace, play(seed, true, true).trace);
        let differing = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

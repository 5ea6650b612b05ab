//! The run's one source of chance: everything drawn from it follows from the seed.

use std::sync::{Arc, Mutex, PoisonError};

/// Clones draw from the same sequence.
#[derive(Clone)]
pub(crate) struct Chance(Arc<Mutex<fastrand::Rng>>);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether something of this rate happens, from 0 (never) to 1.
    pub(crate) fn happens(&self, rate: f64) -> bool {
        // Never draws nothing: a fault that is switched off leaves the rest of the run as it was.
        rate > 0.0 && self.draw(fastrand::Rng::f64) < rate
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&self, least: u64, most: u64) -> u64 {
        self.draw(|rng| rng.u64(least..=most))
    }

    /// One of `choices`.
    pub(crate) fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.draw(|rng| rng.usize(..choices.len()))]
    }

    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        self.draw(|rng| rng.shuffle(items));
    }

    /// A rate up to `most`, small ones more often, none at all in half of the cases.
    pub(crate) fn rate(&self, most: f64) -> f64 {
        self.draw(|rng| {
            if rng.bool() {
                0.0
            } else {
                most * rng.f64() * rng.f64()
            }
        })
    }
}

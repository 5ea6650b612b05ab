//! Time. This module is the one place that reads the wall clock; everything else takes a
//! [`Clock`], or a time that somebody took from one.
//!
//! A clock tells two times, both in milliseconds since the Unix epoch. *Now* is the ladder's:
//! delays, due times and time-outs of queues go by it, and it may run faster than the wall
//! ([`ScaledClock`]) or stand still until a test moves it ([`VirtualClock`]). *Wall* is what the
//! receivers' clocks show, and what goes into signatures.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// A source of time and of waiting.
pub trait Clock: Send + Sync {
    /// The ladder's time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// The wall's time, in milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64;

    /// How far the ladder's time goes while `wall_ms` milliseconds pass by the wall's. What must outlast work done in real time is so
    /// long.
    fn stretched_ms(&self, wall_ms: u64) -> u64 {
        wall_ms
    }

    /// Waits until [`now_ms`](Clock::now_ms) is at least `at_ms`; at once if it is already.
    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()>;
}

/// A time as people and bodies have it.
#[must_use]
pub fn timestamp(ms: u64) -> jiff::Timestamp {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(jiff::Timestamp::MAX)
}

/// A time in milliseconds since the Unix epoch; what is finer is cut off, and what lies before 1970 is 0.
#[must_use]
pub fn milliseconds(time: jiff::Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// The machine's clock: the ladder's time is the wall's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms()
    }

    #[allow(clippy::disallowed_methods)]
    fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        since_epoch.map_or(0, millis)
    }

    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()> {
        Box::pin(sleep_until(self, at_ms, 1))
    }
}

/// A ladder's clock that runs `scale` times faster than the wall. It never stands still and never goes back: where somebody sets
/// the wall's clock back, it goes on by the machine's steady one, which nobody sets.
#[derive(Debug)]
pub struct ScaledClock {
    scale: u32,
    started: Instant,
    reckoning: Mutex<Reckoning>,
}

/// Where the ladder's clock stood at a moment, by both of the machine's clocks, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reckoning {
    wall_ms: u64,
    steady_ms: u64,
    ladder_ms: u64,
    /// The latest time that was told.
    told_ms: u64,
}

/// By how much the machine's two clocks may differ before one is taken to have been set: more than they are ever apart by
/// themselves, or the ladder's clock would gain by each small difference.
const SET_BY_MS: u64 = 1_000;

impl Reckoning {
    /// Where the ladder's clock stands when the machine's show `wall_ms` and `steady_ms`.
    ///
    /// The wall's leads where it is ahead: the steady clock stops while the machine sleeps.
    fn at(&mut self, wall_ms: u64, steady_ms: u64, scale: u32) -> u64 {
        let by_wall_ms = wall_ms.saturating_sub(self.wall_ms);
        let by_steady_ms = steady_ms.saturating_sub(self.steady_ms);
        let elapsed_ms = by_wall_ms.max(by_steady_ms);
        let elapsed_ms = elapsed_ms.saturating_mul(u64::from(scale));
        let ladder_ms = self.ladder_ms.saturating_add(elapsed_ms);
        if by_wall_ms.abs_diff(by_steady_ms) > SET_BY_MS {
            (self.wall_ms, self.steady_ms, self.ladder_ms) = (wall_ms, steady_ms, ladder_ms);
        }
        self.told_ms = self.told_ms.max(ladder_ms);
        self.told_ms
    }
}

impl ScaledClock {
    /// A clock that starts now and runs `scale` times faster than the wall (0 is taken as 1). It starts where the ladder's
    /// clock stood last, `kept_ms`, or at the wall's time if that is later: due times that were stored stay as far ahead as
    /// they were.
    #[must_use]
    pub fn start(scale: u32, kept_ms: u64) -> Self {
        let wall_ms = SystemClock.wall_ms();
        let ladder_ms = wall_ms.max(kept_ms);
        Self {
            scale: scale.max(1),
            started: Instant::now(),
            reckoning: Mutex::new(Reckoning {
                wall_ms,
                steady_ms: 0,
                ladder_ms,
                told_ms: ladder_ms,
            }),
        }
    }
}

impl Clock for ScaledClock {
    fn now_ms(&self) -> u64 {
        let mut reckoning = self
            .reckoning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock: of two who ask at once, the later one is told the later time.
        reckoning.at(self.wall_ms(), millis(self.started.elapsed()), self.scale)
    }

    fn wall_ms(&self) -> u64 {
        SystemClock.wall_ms()
    }

    fn stretched_ms(&self, wall_ms: u64) -> u64 {
        wall_ms.saturating_mul(self.scale.into())
    }

    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()> {
        Box::pin(sleep_until(self, at_ms, self.scale))
    }
}

/// A clock that follows tokio's: under its paused time, hours pass in no time at all, and the
/// same program sees the same times at every run. The ladder's time and the wall's are one.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    origin: Instant,
    epoch_ms: u64,
}

impl VirtualClock {
    /// A clock that shows `epoch_ms` now, at tokio's present time.
    pub fn starting_at(epoch_ms: u64) -> Self {
        Self {
            origin: Instant::now(),
            epoch_ms,
        }
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> u64 {
        self.epoch_ms + millis(self.origin.elapsed())
    }

    fn wall_ms(&self) -> u64 {
        self.now_ms()
    }

    fn sleep_until_ms<'a>(&'a self, at_ms: u64) -> BoxFuture<'a, ()> {
        Box::pin(sleep_until(self, at_ms, 1))
    }
}

/// Sleeps in real time until `clock` shows `at_ms`. A wall clock that is set back meanwhile, or a
/// timer that fires a little early, only makes another round.
async fn sleep_until(clock: &dyn Clock, at_ms: u64, scale: u32) {
    loop {
        let left_ms = at_ms.saturating_sub(clock.now_ms());
        if left_ms == 0 {
            return;
        }
        let real_ms = left_ms.div_ceil(u64::from(scale)).min(LONGEST_SLEEP_MS);
        tokio::time::sleep(Duration::from_millis(real_ms)).await;
    }
}

/// A wait is looked at again once an hour, so that a wall clock set forward is noticed.
const LONGEST_SLEEP_MS: u64 = 3_600_000;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_follows_the_paused_runtime() {
        let clock = VirtualClock::starting_at(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        clock.sleep_until_ms(86_401_000).await;
        assert_eq!(clock.now_ms(), 86_401_000);
        clock.sleep_until_ms(5).await;
        assert_eq!(clock.wall_ms(), 86_401_000);
    }

    #[tokio::test]
    async fn a_scaled_clock_gains_on_the_wall_by_its_scale() {
        let started_ms = SystemClock.wall_ms();
        let clock = ScaledClock::start(3_600, 0);
        let due_ms = clock.now_ms() + 60_000;
        clock.sleep_until_ms(due_ms).await;
        assert!(clock.now_ms() >= due_ms);
        assert!(clock.wall_ms() - started_ms < 20_000);
    }

    const START: Reckoning = Reckoning {
        wall_ms: 1_000_000,
        steady_ms: 0,
        ladder_ms: 5_000_000,
        told_ms: 5_000_000,
    };

    #[test]
    fn the_ladder_goes_on_when_the_walls_clock_is_set_back() {
        for scale in [1, 60] {
            let mut reckoning = START;
            let mut at = |wall_ms, steady_ms| {
                let stands_ms = reckoning.at(wall_ms, steady_ms, scale);
                (stands_ms - START.ladder_ms) / u64::from(scale)
            };
            assert_eq!(at(1_010_000, 10_000), 10_000);
            // Far back, to before the start; then a little, from there.
            assert_eq!(at(10_000, 11_000), 11_000);
            assert_eq!(at(70_000, 71_000), 71_000);
            assert_eq!(at(61_000, 72_000), 72_000);
            assert_eq!(at(62_000, 73_000), 73_000);
            // Set right again, the wall's clock is far ahead.
            assert_eq!(at(1_075_000, 74_000), 1_086_000);
            assert_eq!(at(1_076_000, 75_000), 1_087_000);
        }
    }

    #[test]
    fn the_ladder_counts_the_time_that_the_machine_slept() {
        let mut reckoning = START;
        assert_eq!(reckoning.at(1_001_000, 1_000, 1), 5_001_000);
        assert_eq!(reckoning.at(9_001_000, 1_001, 1), 13_001_000);
        // And is not undone when the wall's clock is set back afterwards.
        assert_eq!(reckoning.at(8_001_000, 2_001, 1), 13_002_000);
    }

    /// The two clocks are read one after the other, and rounded: however often that is, the ladder gains nothing by it.
    #[test]
    fn small_differences_between_the_clocks_do_not_add_up() {
        let mut reckoning = START;
        for ms in 0..100_000 {
            let wall_ms = START.wall_ms + ms + ms % 2;
            let steady_ms = ms + (ms + 1) % 2;
            assert_eq!(
                reckoning.at(wall_ms, steady_ms, 1),
                START.ladder_ms + ms + 1
            );
        }
        assert_eq!(reckoning.ladder_ms, START.ladder_ms);
    }

    #[test]
    fn the_ladder_never_goes_back() {
        let mut reckoning = START;
        // The wall's clock is set on by less than is noticed, and back again.
        assert_eq!(reckoning.at(1_001_900, 1_000, 1), 5_001_900);
        assert_eq!(reckoning.at(1_001_100, 1_100, 1), 5_001_900);
        assert_eq!(reckoning.at(1_002_000, 2_000, 1), 5_002_000);
    }

    #[test]
    fn a_scaled_clock_goes_on_where_it_stood_but_never_behind_the_wall() {
        let kept_ms = SystemClock.wall_ms() + 86_400_000;
        assert!(ScaledClock::start(1, kept_ms).now_ms() >= kept_ms);
        let wall_ms = SystemClock.wall_ms();
        assert!(ScaledClock::start(1, wall_ms - 86_400_000).now_ms() >= wall_ms);
    }
}

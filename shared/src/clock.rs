//! Time. This module is the one place that reads the wall clock; everything else takes a
//! [`Clock`], or a time that somebody took from one.
//!
//! A clock tells two times, both in milliseconds since the Unix epoch. *Now* is the ladder's:
//! delays, due times and time-outs of queues go by it, and it may run faster than the wall
//! ([`ScaledClock`]) or stand still until a test moves it ([`VirtualClock`]). *Wall* is what the
//! receivers' clocks show, and what goes into signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// A source of time and of waiting.
pub trait Clock: Send + Sync {
    /// The ladder's time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// The wall's time, in milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64;

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

/// A ladder's clock that runs `scale` times faster than the wall.
#[derive(Clone, Copy, Debug)]
pub struct ScaledClock {
    scale: u32,
    wall_start_ms: u64,
    ladder_start_ms: u64,
}

impl ScaledClock {
    /// A clock that starts now and runs `scale` times faster than the wall (0 is taken as 1). It starts where the ladder's
    /// clock stood last, `kept_ms`, or at the wall's time if that is later: due times that were stored stay as far ahead as
    /// they were.
    #[must_use]
    pub fn start(scale: u32, kept_ms: u64) -> Self {
        let wall_start_ms = SystemClock.wall_ms();
        Self {
            scale: scale.max(1),
            wall_start_ms,
            ladder_start_ms: wall_start_ms.max(kept_ms),
        }
    }
}

impl Clock for ScaledClock {
    fn now_ms(&self) -> u64 {
        let elapsed_ms = self.wall_ms().saturating_sub(self.wall_start_ms);
        self.ladder_start_ms
            .saturating_add(elapsed_ms.saturating_mul(u64::from(self.scale)))
    }

    fn wall_ms(&self) -> u64 {
        SystemClock.wall_ms()
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

    #[test]
    fn a_scaled_clock_goes_on_where_it_stood_but_never_behind_the_wall() {
        let kept_ms = SystemClock.wall_ms() + 86_400_000;
        assert!(ScaledClock::start(1, kept_ms).now_ms() >= kept_ms);
        let wall_ms = SystemClock.wall_ms();
        assert!(ScaledClock::start(1, wall_ms - 86_400_000).now_ms() >= wall_ms);
    }
}

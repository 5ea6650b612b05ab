//! Requests with a wrong key: counted, and refused with 429 where one address makes many of them.
//!
//! A valid key is served whatever else comes from its address, which may be that of a whole office: only wrong keys are refused.
//! Each process counts by itself, and forgets within two windows.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::header;
use rung_base::clock::Clock;
use rung_core::metrics::Metrics;

use super::{Api, ApiError, Code, gateway};
use crate::limits::{WRONG_KEYS, WRONG_KEYS_WINDOW_MS};

/// Most addresses that are counted one by one in a window; any others are counted together.
const ADDRESSES: usize = 10_000;
/// Where the others are counted.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// A line tells of wrong keys at most so often, in milliseconds.
const TOLD_EVERY_MS: u64 = 60_000;

/// The wrong keys that this process has seen.
pub(super) struct WrongKeys {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The number of the window that `current` is of.
    window: u64,
    current: HashMap<IpAddr, u32>,
    previous: HashMap<IpAddr, u32>,
    untold: u64,
    told_ms: Option<u64>,
}

impl Api {
    /// The routes, refusing the wrong keys of addresses that send many.
    pub fn guarded(&self, routes: Router) -> Router {
        routes.route_layer(from_fn_with_state(Arc::clone(&self.wrong_keys), guard))
    }
}

async fn guard(State(wrong_keys): State<Arc<WrongKeys>>, request: Request, next: Next) -> Response {
    // Who sends no key guesses none.
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return next.run(request).await;
    }
    let peer = gateway::peer(request.extensions());
    let response = next.run(request).await;
    if response.extensions().get() != Some(&Code::Unauthorized) {
        return response;
    }
    match wrong_keys.count(peer) {
        Some(seconds) => ApiError::from(Code::TooManyWrongKeys)
            .retry_after_s(seconds)
            .into_response(),
        None => response,
    }
}

impl WrongKeys {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            clock,
            metrics,
            seen: Mutex::default(),
        }
    }

    /// Counts a wrong key from an address. If that sends too many, in how many seconds all of them are forgotten.
    fn count(&self, peer: Option<IpAddr>) -> Option<u64> {
        self.metrics.unauthorized();
        self.metrics.flush();
        let now_ms = self.clock.wall_ms();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tell(now_ms);
        let count = seen.add(peer.map(network)?, now_ms);
        (count > WRONG_KEYS).then(|| {
            let forgotten_ms = (seen.window + 2) * WRONG_KEYS_WINDOW_MS;
            forgotten_ms.saturating_sub(now_ms).div_ceil(1_000)
        })
    }
}

impl Seen {
    /// How many have come from this address, this one included, in this window and the one before.
    fn add(&mut self, address: IpAddr, now_ms: u64) -> u32 {
        let window = now_ms / WRONG_KEYS_WINDOW_MS;
        if window != self.window {
            let last = std::mem::take(&mut self.current);
            let follows = window == self.window + 1;
            self.previous = if follows { last } else { HashMap::new() };
            self.window = window;
        }
        let is_counted = self.current.len() < ADDRESSES || self.current.contains_key(&address);
        let address = if is_counted { address } else { OTHERS };
        let count = self.current.entry(address).or_default();
        *count = count.saturating_add(1);
        count.saturating_add(self.previous.get(&address).copied().unwrap_or_default())
    }

    fn tell(&mut self, now_ms: u64) {
        self.untold += 1;
        let is_due = self
            .told_ms
            .is_none_or(|told_ms| now_ms.saturating_sub(told_ms) >= TOLD_EVERY_MS);
        if is_due {
            tracing::warn!(
                requests = self.untold,
                "requests with a wrong key since the last line like this one"
            );
            (self.untold, self.told_ms) = (0, Some(now_ms));
        }
    }
}

/// Whose an address is: one host has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rung_base::clock::VirtualClock;

    const NOW_MS: u64 = 1_760_000_000_000 / WRONG_KEYS_WINDOW_MS * WRONG_KEYS_WINDOW_MS;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_refused_until_its_wrong_keys_are_forgotten() {
        let mut seen = Seen::default();
        for n in 1..=WRONG_KEYS + 1 {
            assert_eq!(seen.add(ip("192.0.2.1"), NOW_MS), n);
        }
        assert_eq!(seen.add(ip("192.0.2.2"), NOW_MS), 1);
        let next_ms = NOW_MS + WRONG_KEYS_WINDOW_MS;
        assert_eq!(seen.add(ip("192.0.2.1"), next_ms), WRONG_KEYS + 2);
        assert_eq!(seen.add(ip("192.0.2.1"), next_ms + WRONG_KEYS_WINDOW_MS), 2);
        let long_after_ms = next_ms + 10 * WRONG_KEYS_WINDOW_MS;
        assert_eq!(seen.add(ip("192.0.2.1"), long_after_ms), 1);
    }

    #[test]
    fn a_network_counts_as_one_address() {
        let mut seen = Seen::default();
        let mut add = |text| seen.add(network(ip(text)), NOW_MS);
        assert_eq!(add("2001:db8::1"), 1);
        assert_eq!(add("2001:db8::ffff:1"), 2);
        assert_eq!(add("2001:db8:0:1::1"), 1);
        assert_eq!(add("192.0.2.1"), 1);
        assert_eq!(add("::ffff:192.0.2.1"), 2);
    }

    #[test]
    fn the_addresses_that_are_kept_have_a_bound() {
        let mut seen = Seen::default();
        for n in 0..2 * ADDRESSES {
            seen.add(IpAddr::V4((n as u32).into()), NOW_MS);
        }
        assert_eq!(seen.current.len(), ADDRESSES + 1);
        assert_eq!(seen.add(ip("0.0.0.1"), NOW_MS), 2);
        assert_eq!(seen.add(ip("192.0.2.1"), NOW_MS), ADDRESSES as u32 + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_one_line_at_most() {
        let clock = Arc::new(VirtualClock::starting_at(NOW_MS));
        let wrong_keys = WrongKeys::new(clock, Metrics::default());
        for _ in 0..5 {
            wrong_keys.count(None);
        }
        let untold = || wrong_keys.seen.lock().unwrap().untold;
        assert_eq!(untold(), 4);
        tokio::time::advance(std::time::Duration::from_millis(TOLD_EVERY_MS)).await;
        wrong_keys.count(None);
        assert_eq!(untold(), 0);
    }
}

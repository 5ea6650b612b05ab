//! Which attempt of its delivery a request is, by those that have come before it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

/// More deliveries than this are not remembered: the one that came first is forgotten then, and counted from 1 if it comes again.
/// `docs/cli.md` names it.
const DELIVERIES: usize = 10_000;

/// How many attempts of each delivery there were. A delivery is told by its path and its event, of which a hash is kept: an
/// event without an id is its whole body.
#[derive(Default)]
pub(super) struct Attempts {
    hasher: RandomState,
    counts: HashMap<u64, u32>,
    /// The deliveries, as they came first.
    oldest_first: VecDeque<u64>,
}

impl Attempts {
    /// Counts one more attempt of a delivery; its number, from 1.
    pub(super) fn count(&mut self, path: &str, event: &[u8]) -> u32 {
        let delivery = self.hasher.hash_one((path, event));
        match self.counts.entry(delivery) {
            Entry::Occupied(mut known) => {
                *known.get_mut() += 1;
                *known.get()
            }
            Entry::Vacant(new) => {
                new.insert(1);
                self.oldest_first.push_back(delivery);
                if self.oldest_first.len() > DELIVERIES
                    && let Some(oldest) = self.oldest_first.pop_front()
                {
                    self.counts.remove(&oldest);
                }
                1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_path_and_event() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.count("/a", b"e"), 1);
        assert_eq!(attempts.count("/a", b"e"), 2);
        assert_eq!(attempts.count("/a", b"f"), 1);
        assert_eq!(attempts.count("/b", b"e"), 1);
        assert_eq!(attempts.count("/a", b"e"), 3);
    }

    #[test]
    fn of_very_many_deliveries_the_oldest_is_forgotten() {
        let mut attempts = Attempts::default();
        let event = |number: usize| number.to_be_bytes();
        for number in 0..DELIVERIES {
            assert_eq!(attempts.count("/", &event(number)), 1);
        }
        assert_eq!(attempts.count("/", &event(0)), 2, "there is room for it");
        attempts.count("/", b"one too many");
        assert_eq!(attempts.count("/", &event(1)), 2);
        assert_eq!(attempts.count("/", &event(0)), 1, "it came first");
        assert_eq!(attempts.counts.len(), DELIVERIES);
        assert_eq!(attempts.oldest_first.len(), DELIVERIES);
    }
}

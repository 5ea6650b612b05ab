//! Which part of a list a caller reads, and in which direction.

use std::cmp::Ordering;

use super::item::time;

/// A stretch of time in milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub since_ms: u64,
    /// Its end.
    pub until_ms: u64,
}

impl Span {
    /// All time that sort keys can tell.
    pub const ALL: Self = Self {
        since_ms: 0,
        until_ms: 9_999_999_999_999,
    };

    /// The least and the greatest of the sort keys that begin with a time within it.
    pub(super) fn keys(self) -> (String, String) {
        (time(self.since_ms), format!("{}~", time(self.until_ms)))
    }
}

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Forward in time.
    OldestFirst,
    /// Backward in time.
    NewestFirst,
}

impl Order {
    /// How two sort keys stand to each other in this order: what comes first is less.
    #[must_use]
    pub fn compare<T: Ord + ?Sized>(self, one: &T, other: &T) -> Ordering {
        match self {
            Self::OldestFirst => one.cmp(other),
            Self::NewestFirst => other.cmp(one),
        }
    }
}

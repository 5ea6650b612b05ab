//! Expiry: what is past the time in its TTL attribute is deleted. DynamoDB does so by itself; a file would grow for ever.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use dynoxide::Database;

/// How often expired items are looked for.
pub(super) const EVERY: Duration = Duration::from_secs(3_600);

/// The deletion of a database's expired items, until dropped.
#[derive(Debug)]
pub(super) struct Expiry {
    _until_dropped: Sender<()>,
}

impl Expiry {
    /// Begins now, and again `every` so often. A page of items is looked at under the database's lock, and whoever waits for that
    /// comes before the next page.
    pub(super) fn start(database: Database, every: Duration) -> Self {
        let (until_dropped, dropped) = mpsc::channel();
        thread::spawn(move || {
            loop {
                match database.sweep_ttl() {
                    Ok(0) => {}
                    Ok(items) => tracing::info!(items, "expired items are deleted"),
                    Err(error) => tracing::warn!(%error, "expired items stay for now"),
                }
                let waited = dropped.recv_timeout(every);
                if !matches!(waited, Err(RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        });
        Self {
            _until_dropped: until_dropped,
        }
    }
}

//! The connections over HTTP/1 that are open, by host and port: so that idle ones can be closed where a new one waits behind them, as
//! at a server that handles one connection at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::progress::Progress;

/// All open connections of a process. Clones are of the same.
#[derive(Clone, Default)]
pub(super) struct Standing(Arc<Mutex<ByHost>>);

/// By host and port.
type ByHost = HashMap<(String, u16), Vec<Progress>>;

/// One of them, for as long as this lives.
pub(super) struct Listed {
    standing: Standing,
    host: (String, u16),
    progress: Progress,
}

impl Standing {
    pub(super) fn list(&self, host: &str, port: u16, progress: &Progress) -> Listed {
        let host = (host.to_owned(), port);
        let mut standing = self.lock();
        let there = standing.entry(host.clone()).or_default();
        there.push(progress.clone());
        Listed {
            standing: self.clone(),
            host,
            progress: progress.clone(),
        }
    }

    /// Ends those to a host that are idle.
    pub(super) fn end_idle(&self, host: &str, port: u16) {
        let standing = self.lock();
        for progress in standing.get(&(host.to_owned(), port)).into_iter().flatten() {
            progress.end_if_idle();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByHost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut standing = self.standing.lock();
        if let Some(there) = standing.get_mut(&self.host) {
            there.retain(|progress| !progress.is(&self.progress));
            if there.is_empty() {
                standing.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_listed_for_as_long_as_it_is_open() {
        let standing = Standing::default();
        let progress = [Progress::new(false), Progress::new(false)];
        let [first, second] = progress.map(|progress| standing.list("h", 1, &progress));
        drop(first);
        assert_eq!(standing.lock().values().map(Vec::len).sum::<usize>(), 1);
        drop(second);
        assert!(standing.lock().is_empty());
    }
}

//! Checkpoints: what SQLite's write-ahead log holds goes into the database, beside those who write.
//!
//! By itself SQLite moves the log over in the middle of a commit, and waits for the disk while everybody waits for that commit. Here
//! a thread with a connection of its own has done most of it before. The log starts anew when a commit finds it long and moves
//! the little that is left: `.cargo/config.toml` says how long.

use std::{
    path::Path,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use rusqlite::Connection;

/// How often the log is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Checkpoints of a database, until dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    _until_dropped: Sender<()>,
}

impl Checkpoints {
    /// Begins with those of the database at `path`, which is there and has a write-ahead log.
    ///
    /// # Errors
    /// The database cannot be opened once more.
    pub(super) fn start(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        let (until_dropped, dropped) = mpsc::channel();
        thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = dropped.recv_timeout(EVERY) {
                // A passive one waits for nobody and holds nobody up. What it leaves, the next one or a commit moves.
                let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                if let Err(error) = moved {
                    tracing::debug!(%error, "a checkpoint failed");
                }
            }
        });
        Ok(Self {
            _until_dropped: until_dropped,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_moved_without_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("data"), folder.path().join("copy"));
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (v)").unwrap();
        let rows_without_log = || {
            std::fs::copy(&path, &copy).unwrap();
            let copy = Connection::open(&copy).unwrap();
            copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                .unwrap_or(0)
        };
        assert_eq!(rows_without_log(), 0);
        let _checkpoints = Checkpoints::start(&path).unwrap();
        for rows in 1..=3 {
            writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
            while rows_without_log() < rows {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

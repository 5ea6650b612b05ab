//! The queues' file: every message that was accepted and not yet deleted, in SQLite.
//!
//! One thread writes. It takes whatever waits when it comes round, up to a bound, puts it all into
//! one transaction, commits, shows the writes to the index in memory, then answers. So under load
//! a commit is shared by many requests, and nobody is handed a message that could still be lost.
//! With `synchronous=NORMAL` a commit reaches the operating system, and thereby outlives a
//! `kill -9`, without waiting for the disk.
//!
//! Receives are not written: at the next start every message that was in flight is visible again, and all that are
//! visible count as received once.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

/// The layout of the file; another one is refused.
const SCHEMA_VERSION: i64 = 1;

/// The most requests that share a commit: bounds how long the first of them waits.
const MAX_JOBS_PER_COMMIT: usize = 1_024;

/// How many pages (4 KiB) of log make SQLite move them into the file, which waits for the disk.
/// Most messages are deleted before that, so a longer log moves less; a start after a kill reads
/// it through once.
const CHECKPOINT_PAGES: i64 = 8_192;

/// A change to what the queues hold.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// A new message.
    Put {
        id: u64,
        queue: usize,
        group: Arc<str>,
        /// Its line within the group, which the body tells.
        line: Arc<str>,
        sent_ms: u64,
        visible_ms: u64,
        body: Arc<str>,
    },
    /// From one queue to another, visible at once.
    Move {
        id: u64,
        from: usize,
        to: usize,
        now_ms: u64,
    },
    /// Gone.
    Delete { id: u64, queue: usize },
}

/// A message as the file has it.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) id: u64,
    pub(super) queue: usize,
    pub(super) group: &'a str,
    pub(super) sent_ms: u64,
    pub(super) visible_ms: u64,
    row: &'a rusqlite::Row<'a>,
}

impl Stored<'_> {
    /// Reads the body, which is dear enough to leave where it is if nobody keeps it.
    pub(super) fn body(&self) -> rusqlite::Result<&str> {
        Ok(self.row.get_ref("body")?.as_str()?)
    }
}

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What SQLite said.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by another version.
    #[error(
        "the file has layout {found}, this version knows {SCHEMA_VERSION}: use the version that wrote it, or another folder"
    )]
    Layout {
        /// The layout it has.
        found: i64,
    },
    /// The threads that write and sync could not be started.
    #[error("cannot start writing: {0}")]
    Thread(#[from] std::io::Error),
}

/// The writer did not get a change to the disk, and says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change was not stored")]
pub(super) struct NotStored;

/// The file as opened, before anything is written.
pub(super) struct File {
    connection: Connection,
    reader: Connection,
    /// Per queue, its key in the file.
    keys: Vec<i64>,
}

impl File {
    /// Opens or makes the file at `path`, for queues of these names.
    pub(super) fn open<'a>(
        path: &Path,
        queues: impl Iterator<Item = &'a str>,
    ) -> Result<Self, FileError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // Bodies have payloads, which are gone when they are erased.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
            SCHEMA_VERSION => {}
            0 => connection.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE queue (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
                 CREATE TABLE message (
                     id INTEGER PRIMARY KEY,
                     queue INTEGER NOT NULL REFERENCES queue,
                     sent_ms INTEGER NOT NULL,
                     visible_ms INTEGER NOT NULL,
                     \"group\" TEXT NOT NULL,
                     body TEXT NOT NULL
                 ) STRICT;
                 PRAGMA user_version = {SCHEMA_VERSION};
                 COMMIT;"
            ))?,
            found => return Err(FileError::Layout { found }),
        }
        let keys = queues
            .map(|name| {
                connection.execute(
                    "INSERT INTO queue (name) VALUES (?1) ON CONFLICT DO NOTHING",
                    [name],
                )?;
                connection.query_row("SELECT key FROM queue WHERE name = ?1", [name], |row| {
                    row.get(0)
                })
            })
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            connection,
            reader: Connection::open(path)?,
            keys,
        })
    }

    /// Shows every message of these queues to `keep`, oldest first, and answers the highest id
    /// that is taken.
    pub(super) fn load(
        &self,
        mut keep: impl FnMut(Stored<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare(
            "SELECT id, queue, sent_ms, visible_ms, \"group\", body FROM message ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut last_id = 0;
        while let Some(row) = rows.next()? {
            last_id = row.get("id")?;
            let key: i64 = row.get("queue")?;
            // Messages of a queue that is not declared any more stay in the file.
            if let Some(queue) = self.keys.iter().position(|&own| own == key) {
                keep(Stored {
                    id: last_id,
                    queue,
                    group: row.get_ref("group")?.as_str()?,
                    sent_ms: row.get("sent_ms")?,
                    visible_ms: row.get("visible_ms")?,
                    row,
                })?;
            }
        }
        Ok(last_id)
    }

    /// Starts writing. `apply` sees every change after its commit, before its answer.
    pub(super) fn start(
        self,
        apply: impl FnMut(&[Write]) + Send + 'static,
    ) -> Result<Journal, FileError> {
        let (jobs, waiting) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            connection: self.connection,
            keys: self.keys,
            commits: Arc::clone(&commits),
            apply,
        };
        let thread = thread::Builder::new()
            .name("sqs-journal".to_owned())
            .spawn(move || writer.run(&waiting))?;
        Ok(Journal {
            jobs: Some(jobs),
            thread: Some(thread),
            reader: Mutex::new(self.reader),
            commits,
        })
    }
}

/// Changes that are stored together or not at all.
struct Job {
    writes: Vec<Write>,
    done: Option<oneshot::Sender<Result<(), NotStored>>>,
}

/// The file, being written. Dropping it writes what waits and closes the file.
pub(super) struct Journal {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
    commits: Arc<AtomicU64>,
}

impl Journal {
    /// Stores changes; returns when they are on disk and in the index.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<(), NotStored> {
        let (done, stored) = oneshot::channel();
        self.enqueue(Job {
            writes,
            done: Some(done),
        })?;
        stored.await.unwrap_or(Err(NotStored))
    }

    /// Stores changes that nobody waits for.
    pub(super) fn commit_later(&self, writes: Vec<Write>) -> Result<(), NotStored> {
        self.enqueue(Job { writes, done: None })
    }

    fn enqueue(&self, job: Job) -> Result<(), NotStored> {
        let jobs = self.jobs.as_ref().ok_or(NotStored)?;
        jobs.send(job).map_err(|_| NotStored)
    }

    /// Reads a message's body; `None` if it was deleted meanwhile.
    pub(super) fn body(&self, id: u64) -> rusqlite::Result<Option<Arc<str>>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader
            .prepare_cached("SELECT body FROM message WHERE id = ?1")?
            .query_row([id], |row| Ok(Arc::from(row.get_ref(0)?.as_str()?)))
            .optional()
    }

    /// How many transactions were committed since the file was opened.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the queues' file panicked");
        }
    }
}

struct Writer<A> {
    connection: Connection,
    keys: Vec<i64>,
    commits: Arc<AtomicU64>,
    apply: A,
}

impl<A: FnMut(&[Write])> Writer<A> {
    fn run(&mut self, waiting: &mpsc::Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            let jobs: Vec<Job> = std::iter::once(first)
                .chain(waiting.try_iter())
                .take(MAX_JOBS_PER_COMMIT)
                .collect();
            let outcome = self.store(&jobs).map_err(|error| {
                tracing::error!(%error, "a change to the queues was not stored");
                NotStored
            });
            for job in jobs {
                if outcome.is_ok() {
                    (self.apply)(&job.writes);
                }
                if let Some(done) = job.done {
                    // Whoever asked may have given up meanwhile.
                    let _ = done.send(outcome);
                }
            }
        }
    }

    fn store(&mut self, jobs: &[Job]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT INTO message (id, queue, sent_ms, visible_ms, \"group\", body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut shift = transaction
                .prepare_cached("UPDATE message SET queue = ?2, visible_ms = ?3 WHERE id = ?1")?;
            let mut delete = transaction.prepare_cached("DELETE FROM message WHERE id = ?1")?;
            for write in jobs.iter().flat_map(|job| &job.writes) {
                match write {
                    Write::Put {
                        id,
                        queue,
                        group,
                        sent_ms,
                        visible_ms,
                        body,
                        ..
                    } => put.execute(params![
                        id,
                        self.keys[*queue],
                        sent_ms,
                        visible_ms,
                        group,
                        body
                    ])?,
                    Write::Move { id, to, now_ms, .. } => {
                        shift.execute(params![id, self.keys[*to], now_ms])?
                    }
                    Write::Delete { id, .. } => delete.execute([id])?,
                };
            }
        }
        transaction.commit()?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn put(id: u64) -> Write {
        Write::Put {
            id,
            queue: 0,
            group: "".into(),
            line: "".into(),
            sent_ms: 1,
            visible_ms: 1,
            body: "body".into(),
        }
    }

    #[test]
    fn what_waits_is_stored_in_one_transaction_and_applied_before_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(&folder.path().join("q"), ["jobs"].into_iter()).unwrap();
        let (jobs, waiting) = mpsc::channel();
        let stored: Vec<_> = (1..=100)
            .map(|id| {
                let (done, stored) = oneshot::channel();
                let writes = vec![put(id)];
                let done = Some(done);
                jobs.send(Job { writes, done }).ok().unwrap();
                stored
            })
            .collect();
        drop(jobs);

        let commits = Arc::new(AtomicU64::new(0));
        let mut applied = 0;
        Writer {
            connection: file.connection,
            keys: file.keys,
            commits: Arc::clone(&commits),
            apply: |writes: &[Write]| applied += writes.len(),
        }
        .run(&waiting);

        assert_eq!(commits.load(Ordering::Relaxed), 1);
        assert_eq!(applied, 100);
        for stored in stored {
            assert_eq!(stored.blocking_recv().unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn a_failed_transaction_fails_all_who_shared_it_and_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let file = File::open(&path, ["jobs"].into_iter()).unwrap();
        let (shown, show) = mpsc::channel();
        let journal = file
            .start(move |writes| shown.send(writes.len()).unwrap())
            .unwrap();
        journal.commit(vec![put(1)]).await.unwrap();

        // The second id is taken: the first must not stay behind.
        assert_eq!(journal.commit(vec![put(2), put(1)]).await, Err(NotStored));
        drop(journal);

        assert_eq!(show.iter().collect::<Vec<_>>(), [1]);
        let mut ids = Vec::new();
        File::open(&path, ["jobs"].into_iter())
            .unwrap()
            .load(|stored| {
                ids.push(stored.id);
                Ok(())
            })
            .unwrap();
        assert_eq!(ids, [1]);
    }

    #[tokio::test]
    async fn a_deleted_body_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let file = File::open(&path, ["jobs"].into_iter()).unwrap();
        let (alive, ended) = mpsc::channel::<()>();
        let journal = file.start(move |_| alive.send(()).unwrap()).unwrap();
        let holds_payload = || {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(7).any(|window| window == b"payload")
        };
        let puts = (1..=50).map(|id| match put(id) {
            Write::Put {
                queue, group, line, ..
            } => Write::Put {
                id,
                queue,
                group,
                line,
                sent_ms: 1,
                visible_ms: 1,
                // Some within a page, some over several.
                body: "payload".repeat(100 * id as usize).into(),
            },
            other => other,
        });
        journal.commit(puts.collect()).await.unwrap();
        let deletes = (2..=50).map(|id| Write::Delete { id, queue: 0 });
        journal.commit(deletes.collect()).await.unwrap();
        drop(journal);
        // Until the writer has closed the file.
        while ended.recv().is_ok() {}
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "wal_checkpoint", "TRUNCATE")
            .unwrap();
        assert!(holds_payload(), "the first one is still there");

        let file = File::open(&path, ["jobs"].into_iter()).unwrap();
        let journal = file.start(|_| ()).unwrap();
        let last = Write::Delete { id: 1, queue: 0 };
        journal.commit(vec![last]).await.unwrap();
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "wal_checkpoint", "TRUNCATE")
            .unwrap();
        assert!(!holds_payload());
    }

    #[test]
    fn a_file_of_another_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let other = Connection::open(&path).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        let refused = File::open(&path, [].into_iter()).err().unwrap();
        assert!(matches!(refused, FileError::Layout { found: 99 }));
    }
}

//! What a power cut leaves.
//!
//! What was accepted stands in two files, the table's and the queues', each with a write-ahead log. A commit reaches the operating
//! system, and so outlives a `kill -9`; a power cut leaves what was synced. To wait for the disk at each commit would cost half of the
//! throughput, and several times the latency. So a thread syncs both, every [`EVERY`] in which the queues changed:
//!
//! 1. the queues' log,
//! 2. the table's log,
//! 3. then the deletions of messages that were asked for before 1 are written to the queues' file; until then the index alone knows
//!    of them.
//!
//! What a power cut takes, then, is what was answered since the last sync began: some 15 ms, from the table and the queues alike.
//!
//! - A row at (n, due) was written after its message, which 1 has synced before 2 syncs the row. (A row written while 2 is under way
//!   may be synced before its message, and so may one that a checkpoint moves just then: if the power goes within these milliseconds,
//!   the row stands alone, until the watchdog finds it.)
//! - Of a message that is gone, the work is there: it was written to the table before the deletion was asked for, and the deletion is
//!   not written before the table is synced. A deletion itself may be lost, at a `kill -9` too: the message comes again, as queues'
//!   messages do, and is found in the log.
//!
//! What only the table is told, such as a change of a webhook, is synced with the next of these or by a checkpoint, within 100 ms.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::journal::{Journal, NotStored, Write};

/// How often is synced what has changed.
const EVERY: Duration = Duration::from_millis(10);

/// The write-ahead log of a database that is open.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    #[cfg(test)]
    cuts: Option<tests::Cuts>,
}

impl Log {
    /// The log of the database at `path`, which stays open at least as long.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(beside(path))?,
            #[cfg(test)]
            cuts: tests::Cuts::of(path),
        })
    }

    /// Waits until all that was committed before is on the disk.
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        #[cfg(test)]
        self.cuts.iter().for_each(tests::Cuts::keep);
        Ok(())
    }
}

/// The path of the log of the database at `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// Syncs both logs until dropped.
pub(super) struct Syncs {
    deletions: Arc<Mutex<Vec<Write>>>,
    until_dropped: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncs {
    /// Begins to sync the `queues`' log, which `journal` writes, and the `table`'s.
    ///
    /// # Errors
    /// The system has no thread.
    pub(super) fn start(journal: Arc<Journal>, queues: Log, table: Log) -> io::Result<Self> {
        let deletions = Arc::<Mutex<Vec<Write>>>::default();
        let (until_dropped, dropped) = mpsc::channel();
        let mut thread = Thread {
            journal,
            queues,
            table,
            deletions: Arc::clone(&deletions),
            synced: 0,
        };
        let thread = thread::Builder::new()
            .name("sqs-sync".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = dropped.recv_timeout(EVERY) {
                    thread.sync_changes();
                }
                thread.sync_changes();
            })?;
        Ok(Self {
            deletions,
            until_dropped: Some(until_dropped),
            thread: Some(thread),
        })
    }

    /// Has deletions written once what was written before them is synced.
    pub(super) fn delete_later(&self, deletions: Vec<Write>) {
        locked(&self.deletions).extend(deletions);
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        self.until_dropped = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the queues' file panicked");
        }
    }
}

struct Thread {
    journal: Arc<Journal>,
    queues: Log,
    table: Log,
    deletions: Arc<Mutex<Vec<Write>>>,
    /// How many commits were synced.
    synced: u64,
}

impl Thread {
    fn sync_changes(&mut self) {
        let commits = self.journal.commits();
        let mut deletions = locked(&self.deletions);
        if commits == self.synced && deletions.is_empty() {
            return;
        }
        let ripe = std::mem::take(&mut *deletions);
        drop(deletions);
        let synced = self.queues.sync().and_then(|()| self.table.sync());
        if let Err(error) = synced {
            tracing::error!(%error, "what was written could not be synced; it is tried again");
            locked(&self.deletions).extend(ripe);
            return;
        }
        self.synced = commits;
        if ripe.is_empty() {
            return;
        }
        // A message whose deletion fails comes again at the next start.
        if let Err(NotStored) = self.journal.commit_later(ripe) {
            tracing::error!("deletions were not stored");
        }
    }
}

fn locked(deletions: &Mutex<Vec<Write>>) -> MutexGuard<'_, Vec<Write>> {
    deletions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use aws_sdk_dynamodb::types::AttributeValue;
    use rung_base::clock::{Clock, VirtualClock};

    use crate::{
        Aws, DATABASE, QUEUES, QueueSpec,
        connector::InProcess,
        dynamodb::tests::{TABLE, create_table},
        sqs::queue_url,
    };

    use super::*;

    /// What each sync left of a database, as copies in the folder `cuts` beside it, if that is there.
    #[derive(Debug)]
    pub(super) struct Cuts(PathBuf);

    impl Cuts {
        pub(super) fn of(database: &Path) -> Option<Self> {
            let folder = database.with_file_name("cuts");
            folder.exists().then(|| Self(database.to_owned()))
        }

        /// These tests write no row meanwhile, so that what stands in the files is what was synced.
        pub(super) fn keep(&self) {
            let (cuts, new) = (self.0.with_file_name("cuts"), self.0.with_file_name("cut"));
            fs::create_dir(&new).unwrap();
            copy(&self.0, &new);
            // A cut is there once it is whole.
            let number = fs::read_dir(&cuts).unwrap().count();
            fs::rename(&new, cuts.join(format!("{number:04}"))).unwrap();
        }
    }

    /// Copies a database into a folder.
    fn copy(database: &Path, to: &Path) {
        for path in [database.to_owned(), beside(database)] {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }

    /// When machines start again.
    const LATER_MS: u64 = 60_000;

    /// An embedded AWS and its clients.
    struct Machine {
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: aws_sdk_sqs::Client,
    }

    impl Machine {
        async fn start(folder: &Path, now_ms: u64) -> Self {
            let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(now_ms));
            let queue = QueueSpec {
                name: "retry".to_owned(),
                visibility_timeout_s: 180,
                retention_s: 86_400,
                redrive: None,
                sharing: None,
            };
            let aws = Aws::open(folder, &[queue], clock).unwrap();
            let (dynamodb, sqs) = crate::clients(InProcess::new(aws));
            Self { dynamodb, sqs }
        }

        /// One that starts on what the sync of this number left.
        async fn after_cut(cuts: &Path, number: usize, folder: &Path) -> Self {
            fs::create_dir_all(folder).unwrap();
            for name in [DATABASE, QUEUES] {
                let of_it = (0..=number).rev().map(|n| cuts.join(format!("{n:04}")));
                if let Some(cut) = of_it.into_iter().find(|cut| cut.join(name).exists()) {
                    copy(&cut.join(name), folder);
                }
            }
            Self::start(folder, LATER_MS).await
        }

        async fn put(&self, name: &str) {
            let put = self.dynamodb.put_item().table_name(TABLE);
            let key = |text: &str| AttributeValue::S(text.to_owned());
            let put = put.item("pk", key(name)).item("sk", key("-"));
            put.send().await.unwrap();
        }

        async fn has(&self, name: &str) -> bool {
            let get = self.dynamodb.get_item().table_name(TABLE);
            let key = |text: &str| AttributeValue::S(text.to_owned());
            let get = get.key("pk", key(name)).key("sk", key("-"));
            get.send().await.unwrap().item.is_some()
        }

        async fn send(&self, body: &str) {
            let send = self.sqs.send_message().queue_url(queue_url("retry"));
            send.message_body(body).send().await.unwrap();
        }

        /// Receives what there is, and answers bodies and receipts.
        async fn receive(&self) -> Vec<(String, String)> {
            let receive = self.sqs.receive_message().queue_url(queue_url("retry"));
            let received = receive.max_number_of_messages(10).send().await.unwrap();
            let messages = received.messages.unwrap_or_default().into_iter();
            let parts = messages.map(|m| (m.body.unwrap(), m.receipt_handle.unwrap()));
            parts.collect()
        }

        async fn delete(&self, receipt: &str) {
            let delete = self.sqs.delete_message().queue_url(queue_url("retry"));
            delete.receipt_handle(receipt).send().await.unwrap();
        }
    }

    /// The ladder's order of writes, cut off at every sync: a row has its message, the work of a message that is gone is there, and in
    /// the end all is.
    #[tokio::test]
    async fn a_power_cut_takes_the_last_moments_and_parts_no_row_from_its_message() {
        let around = tempfile::tempdir().unwrap();
        let (folder, cuts) = (around.path().join("data"), around.path().join("data/cuts"));
        fs::create_dir_all(&cuts).unwrap();
        let machine = Machine::start(&folder, 0).await;
        create_table(&machine.dynamodb).await;
        let number = || fs::read_dir(&cuts).unwrap().count();
        // Until so many were kept. Each round keeps both files.
        let kept = async |cuts| {
            while number() < cuts {
                tokio::task::yield_now().await;
            }
        };
        machine.put("event").await;
        machine.send("first").await;
        kept(2).await;
        let (_, receipt) = machine.receive().await.remove(0);
        machine.put("log").await;
        machine.send("second").await;
        kept(4).await;
        machine.put("row").await;
        machine.delete(&receipt).await;
        // The deletion is written after one round, and synced in the next.
        kept(8).await;
        machine.send("other").await;
        kept(10).await;
        for cut in 1..10 {
            let folder = around.path().join(cut.to_string());
            let machine = Machine::after_cut(&cuts, cut, &folder).await;
            let messages = machine.receive().await;
            let waits = |body| messages.iter().any(|(own, _)| own == body);
            let (log, row) = (machine.has("log").await, machine.has("row").await);
            assert!(machine.has("event").await, "cut {cut}");
            assert!(waits("first") || log && row, "cut {cut}");
            assert!(waits("second") || !row, "cut {cut}");
            assert_eq!(row, cut >= 5, "cut {cut}");
            assert_eq!(waits("first"), cut < 6, "cut {cut}");
            assert_eq!(waits("other"), cut >= 8, "cut {cut}");
        }
    }
}

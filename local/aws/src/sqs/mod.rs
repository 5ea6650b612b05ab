//! SQS in this process: standard queues, over a file or in memory.
//!
//! [`queue`] decides in which order and when messages are handed out, [`journal`] keeps them on
//! disk, [`state`] is all queues and what of the bodies stays in memory, [`wire`] and [`error`] are
//! the protocol, [`calls`] the operations. A send is answered once it is in the file, a delete once
//! it is or will be; a receive changes memory only. So after a `kill -9` nothing accepted is lost, what
//! was in flight is handed out again, and receive counts start anew: at least once, as SQS promises.
//! What a power cut leaves, [`durable`] says.
//!
//! All waiting is for something to happen: a long poll ends when a message arrives, or by a timer
//! when the next waiting one becomes visible. In memory there is no thread and no chance either, so
//! under tokio's paused time a run repeats exactly.
//!
//! Delays, visibility, retention and polls go by the clock's ladder time. A visibility time-out
//! that must outlast work done in real time has to be longer by the clock's scale.

mod calls;
mod durable;
mod error;
mod journal;
mod queue;
mod state;
mod wire;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rung_base::clock::Clock;
use tokio::sync::Notify;

pub(super) use self::durable::Log;
pub use self::journal::FileError;
use self::{
    durable::Syncs,
    error::Error,
    journal::{File, Journal, Write},
    queue::Queue,
    state::State,
};

/// Bodies up to this many bytes, over all queues, stay in memory; the rest is read from the file.
const RESIDENT_BODY_BYTES: usize = 64 << 20;

/// A queue to be there.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    /// Its name: the last segment of its URL.
    pub name: String,
    /// How long a received message stays hidden if the receive does not say, in seconds.
    pub visibility_timeout_s: u64,
    /// How long a message is kept from its sending on, in seconds.
    pub retention_s: u64,
    /// Where messages go that are received in vain.
    pub redrive: Option<Redrive>,
    /// How groups share who receives from it. Without, only turns are shared.
    pub sharing: Option<Sharing>,
}

/// How the groups of a queue share what its receivers can handle at once.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    /// How many messages may be in flight.
    pub in_flight: usize,
    /// Tells a message's line within its group by its body.
    pub line_of: fn(&str) -> Option<String>,
}

/// When and where to a queue gives up a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue, one of those opened together.
    pub dead_letter: String,
    /// A message received this often goes there instead of being handed out again.
    pub max_receive_count: u32,
}

/// Why queues could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two queues of one name.
    #[error("the queue {0} is declared twice: rename one")]
    Twice(String),
    /// A dead-letter queue that is not declared.
    #[error("the queue {queue} names the dead-letter queue {dead_letter}: declare it too")]
    NoDeadLetter {
        /// The queue.
        queue: String,
        /// The name in its redrive policy.
        dead_letter: String,
    },
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The queues of this process. Clones share them; with the last one the file is closed.
#[derive(Clone)]
pub struct Sqs {
    inner: Arc<Inner>,
}

struct Inner {
    queues: Arc<Queues>,
    store: Store,
}

enum Store {
    Memory,
    File {
        /// Where the queues stand beside a table. It ends before the journal.
        syncs: Option<Syncs>,
        journal: Arc<Journal>,
    },
}

/// What calls and the writing thread share.
struct Queues {
    clock: Arc<dyn Clock>,
    policies: Vec<Policy>,
    by_name: HashMap<String, usize>,
    state: Mutex<State>,
    /// Per queue: something arrived, or becomes visible earlier than it was going to.
    changed: Vec<Notify>,
    last_id: AtomicU64,
}

/// A queue's settings, as the calls need them.
struct Policy {
    name: String,
    visibility_ms: u64,
    retention_ms: u64,
    /// The dead-letter queue and the most receives.
    redrive: Option<(usize, u32)>,
    sharing: Option<Sharing>,
}

impl Sqs {
    /// Opens the queues in the file at `path`, or starts them there.
    ///
    /// # Errors
    /// The file cannot be opened or is none of ours, or `queues` contradict themselves.
    pub fn open(
        path: &Path,
        queues: &[QueueSpec],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::open_with(path, queues, clock, RESIDENT_BODY_BYTES, None)
    }

    /// The same, for whoever writes to the table of this log before sending or deleting.
    pub(super) fn open_beside(
        table: Log,
        path: &Path,
        queues: &[QueueSpec],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        Self::open_with(path, queues, clock, RESIDENT_BODY_BYTES, Some(table))
    }

    fn open_with(
        path: &Path,
        queues: &[QueueSpec],
        clock: Arc<dyn Clock>,
        resident_body_bytes: usize,
        table: Option<Log>,
    ) -> Result<Self, OpenError> {
        let queues = Queues::new(queues, clock, resident_body_bytes)?;
        let names = queues.policies.iter().map(|policy| policy.name.as_str());
        let file = File::open(path, names)?;
        let now_ms = queues.clock.now_ms();
        let last_id = file
            .load(|stored| {
                let line_of = |body: &str| queues.policies[stored.queue].line(body);
                queues.state().restore(&stored, now_ms, line_of)
            })
            .map_err(FileError::from)?;
        queues.last_id.store(last_id, Ordering::Relaxed);
        let queues = Arc::new(queues);
        let applying = Arc::clone(&queues);
        let journal = Arc::new(file.start(move |writes| applying.apply(writes))?);
        let syncs = table.map(|table| Syncs::start(Arc::clone(&journal), Log::of(path)?, table));
        let syncs = syncs.transpose().map_err(FileError::from)?;
        Ok(Self {
            inner: Arc::new(Inner {
                queues,
                store: Store::File { syncs, journal },
            }),
        })
    }

    /// Starts empty queues in memory.
    ///
    /// # Errors
    /// `queues` contradict themselves.
    pub fn memory(queues: &[QueueSpec], clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self {
            inner: Arc::new(Inner {
                queues: Arc::new(Queues::new(queues, clock, usize::MAX)?),
                store: Store::Memory,
            }),
        })
    }

    /// How many transactions were committed since the file was opened; 0 in memory. Set against
    /// the requests made, it tells how well they share commits.
    pub fn commits(&self) -> u64 {
        match &self.inner.store {
            Store::Memory => 0,
            Store::File { journal, .. } => journal.commits(),
        }
    }

    /// Deletes messages for good.
    async fn remove(&self, deletions: Vec<Write>) -> Result<(), Error> {
        if let Store::File {
            syncs: Some(syncs), ..
        } = &self.inner.store
        {
            self.inner.queues.apply(&deletions);
            syncs.delete_later(deletions);
            return Ok(());
        }
        self.commit(deletions).await
    }

    /// Makes changes durable, then visible.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), Error> {
        if writes.is_empty() {
            return Ok(());
        }
        match &self.inner.store {
            Store::Memory => {
                self.inner.queues.apply(&writes);
                Ok(())
            }
            Store::File { journal, .. } => {
                journal.commit(writes).await.map_err(|_| Error::Internal)
            }
        }
    }

    /// The same for changes that nobody waits for, and that are made again if they fail.
    fn commit_later(&self, writes: Vec<Write>) -> Result<(), Error> {
        if writes.is_empty() {
            return Ok(());
        }
        match &self.inner.store {
            Store::Memory => {
                self.inner.queues.apply(&writes);
                Ok(())
            }
            Store::File { journal, .. } => {
                journal.commit_later(writes).map_err(|_| Error::Internal)
            }
        }
    }

    /// Reads a body that is not in memory.
    fn stored_body(&self, id: u64) -> Result<Option<Arc<str>>, Error> {
        match &self.inner.store {
            Store::Memory => Ok(None),
            Store::File { journal, .. } => journal.body(id).map_err(|error| {
                tracing::error!(%error, "a message's body could not be read");
                Error::Internal
            }),
        }
    }
}

impl Queues {
    fn new(
        specs: &[QueueSpec],
        clock: Arc<dyn Clock>,
        resident_body_bytes: usize,
    ) -> Result<Self, OpenError> {
        let mut by_name = HashMap::new();
        for (index, spec) in specs.iter().enumerate() {
            if by_name.insert(spec.name.clone(), index).is_some() {
                return Err(OpenError::Twice(spec.name.clone()));
            }
        }
        let policies: Vec<_> = specs
            .iter()
            .map(|spec| Policy::new(spec, &by_name))
            .collect::<Result<_, _>>()?;
        let empty = policies.iter().map(|policy| {
            let in_flight = policy.sharing.map(|sharing| sharing.in_flight);
            Queue::new(in_flight.unwrap_or(usize::MAX))
        });
        let state = State::new(empty.collect(), resident_body_bytes);
        Ok(Self {
            clock,
            policies,
            by_name,
            state: Mutex::new(state),
            changed: specs.iter().map(|_| Notify::new()).collect(),
            last_id: AtomicU64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue that a URL names.
    fn find(&self, url: &str) -> Result<usize, Error> {
        if url.is_empty() {
            return Err(Error::MissingParameter("QueueUrl"));
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        let index = self.by_name.get(name);
        index.copied().ok_or(Error::QueueDoesNotExist)
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes stored changes visible, and wakes whoever polls for them.
    fn apply(&self, writes: &[Write]) {
        let mut state = self.state();
        let mut news = Vec::with_capacity(writes.len());
        for write in writes {
            match write {
                Write::Put { queue, .. } | Write::Move { to: queue, .. } => news.push(*queue),
                Write::Delete { queue, .. } if state.queue(*queue).is_held_up() => {
                    news.push(*queue)
                }
                Write::Delete { .. } => {}
            }
            state.apply(write);
        }
        drop(state);
        news.dedup();
        for queue in news {
            self.changed[queue].notify_waiters();
        }
    }
}

impl Policy {
    fn new(spec: &QueueSpec, by_name: &HashMap<String, usize>) -> Result<Self, OpenError> {
        let redrive = spec
            .redrive
            .as_ref()
            .map(|redrive| match by_name.get(&redrive.dead_letter) {
                Some(&to) => Ok((to, redrive.max_receive_count)),
                None => Err(OpenError::NoDeadLetter {
                    queue: spec.name.clone(),
                    dead_letter: redrive.dead_letter.clone(),
                }),
            })
            .transpose()?;
        Ok(Self {
            name: spec.name.clone(),
            visibility_ms: spec.visibility_timeout_s.saturating_mul(1_000),
            retention_ms: spec.retention_s.saturating_mul(1_000),
            redrive,
            sharing: spec.sharing,
        })
    }

    /// A message's line within its group; empty if the group has one only.
    fn line(&self, body: &str) -> Arc<str> {
        let line = self.sharing.and_then(|sharing| (sharing.line_of)(body));
        line.unwrap_or_default().into()
    }
}

/// The URL of the queue of this name.
pub fn queue_url(name: &str) -> String {
    format!("http://aws.invalid/{ACCOUNT}/{name}")
}

/// The account that queues on this machine belong to.
const ACCOUNT: &str = "000000000000";

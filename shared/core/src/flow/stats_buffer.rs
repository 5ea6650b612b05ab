//! Counting attempts for the statistics, with as few writes as possible.
//!
//! Attempts are counted in memory. When a batch ends, whatever all batches of the process have counted till then is added to the
//! table, once per webhook and hour. One flush runs at a time and one waits for it, which finds the counts of all that end
//! meanwhile. On AWS a function has one batch at a time, so that is one write per webhook and batch. A process with many at a time
//! writes again and again what changes all the time; it may gather for a while.
//!
//! No delivery waits long for its statistics, so a flush has its time. What it could not write stays counted and is written with
//! the next batch, also when the function was frozen in between.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use crate::{
    domain::{
        attempt::{Attempt, Trigger},
        id::{TenantId, WebhookId},
        stats::{Counts, HOUR_MS},
        webhook::Webhook,
    },
    limits::{STATS_GRACE, STATS_WRITES},
    store::{Store, StoreError},
};

/// A webhook, the epoch that it was made with, and the beginning of an hour in milliseconds.
type Hour = (TenantId, WebhookId, u64, u64);

/// In an order of its own, so that the same counts are the same calls.
type Counted = BTreeMap<Hour, Counts>;

/// What was counted and not written yet. Clones share it.
#[derive(Clone)]
pub struct StatsBuffer {
    time: Duration,
    gather: Duration,
    counted: Arc<Mutex<Counted>>,
    waiting: Arc<tokio::sync::Mutex<()>>,
    flushing: Arc<tokio::sync::Mutex<()>>,
}

impl StatsBuffer {
    /// One whose flushes begin no write after `time`.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            gather: Duration::ZERO,
            counted: Arc::default(),
            waiting: Arc::default(),
            flushing: Arc::default(),
        }
    }

    /// The same, whose flushes wait for so long beforehand for what else is counted. The batch that one is of waits with it.
    #[must_use]
    pub fn gathering(self, gather: Duration) -> Self {
        Self { gather, ..self }
    }

    /// Counts an attempt that this process made at a webhook; tests are none of its traffic.
    pub(super) fn count(&self, webhook: &Webhook, attempt: &Attempt) {
        if attempt.trigger == Trigger::Test {
            return;
        }
        let hour_ms = attempt.ended_ms - attempt.ended_ms % HOUR_MS;
        let (tenant, id) = (webhook.tenant.clone(), webhook.id.clone());
        let hour = (tenant, id, webhook.first_epoch, hour_ms);
        lock(&self.counted).entry(hour).or_default().count(attempt);
    }

    /// Writes what was counted, as far as there is time.
    pub async fn flush(&self, store: &Store) {
        // Whoever waits for its turn finds these counts too.
        let Ok(waiting) = self.waiting.try_lock() else {
            return;
        };
        if !self.gather.is_zero() {
            sleep(self.gather).await;
        }
        let flush = async {
            let enough = sleep(self.time);
            let _turn = self.flushing.lock().await;
            drop(waiting);
            let unwritten = Unwritten::take(self);
            let hours: Vec<_> = lock(&unwritten.counted).keys().cloned().collect();
            let hours = stream::iter(hours).take_until(enough);
            let written = hours.for_each_concurrent(STATS_WRITES, async |hour| {
                unwritten.write(store, &hour).await;
            });
            written.await;
        };
        // Dropped in the middle, a flush gives back what it has not seen written.
        let _cut_off = timeout(self.time + STATS_GRACE, flush).await;
    }
}

/// What a flush has taken and not seen written. At its end, wherever that is, it stays counted.
struct Unwritten<'b> {
    buffer: &'b StatsBuffer,
    counted: Mutex<Counted>,
    /// Why a write failed, if one did.
    fault: OnceLock<StoreError>,
}

impl<'b> Unwritten<'b> {
    fn take(buffer: &'b StatsBuffer) -> Self {
        let counted = std::mem::take(&mut *lock(&buffer.counted));
        Self {
            buffer,
            counted: Mutex::new(counted),
            fault: OnceLock::new(),
        }
    }

    async fn write(&self, store: &Store, hour: &Hour) {
        let counts = lock(&self.counted).get(hour).cloned().unwrap_or_default();
        let (tenant, webhook, life, hour_ms) = hour;
        let adding = store.add_counts(tenant, webhook, *life, *hour_ms, &counts);
        match adding.await {
            Ok(()) => {
                lock(&self.counted).remove(hour);
            }
            Err(error) => {
                self.fault.get_or_init(|| error);
            }
        }
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *lock(&self.counted));
        if left.is_empty() {
            return;
        }
        let error = match self.fault.get() {
            Some(error) => error.to_string(),
            None => "the table took too long".to_owned(),
        };
        tracing::warn!(
            webhooks = left.len(),
            error,
            "attempts are missing in the statistics until the next batch"
        );
        let mut counted = lock(&self.buffer.counted);
        for (hour, counts) in left {
            counted.entry(hour).or_default().add(&counts);
        }
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

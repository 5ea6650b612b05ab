//! Counting attempts for the statistics, with as few writes as possible.
//!
//! Attempts are counted in memory. When a batch ends, whatever all batches of the process have counted till then is added to the
//! table, once per webhook and hour; one flush runs at a time, and those that end meanwhile find their counts in the next.
//! On AWS a function has one batch at a time, so that is one write per webhook and batch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::join_all;

use crate::{
    domain::{
        attempt::{Attempt, Trigger},
        id::{TenantId, WebhookId},
        stats::{Counts, HOUR_MS},
    },
    store::Store,
};

/// A webhook and the beginning of an hour in milliseconds.
type Hour = (TenantId, WebhookId, u64);

/// What was counted and not written yet, in an order of its own so that the same counts are the same calls. Clones share it.
#[derive(Clone, Default)]
pub struct Tally {
    counted: Arc<Mutex<BTreeMap<Hour, Counts>>>,
    flushing: Arc<tokio::sync::Mutex<()>>,
}

impl Tally {
    /// Counts an attempt that this process made; tests are none of the webhook's traffic.
    pub(super) fn count(&self, attempt: &Attempt) {
        if attempt.trigger == Trigger::Test {
            return;
        }
        let key = &attempt.key.delivery;
        let hour_ms = attempt.ended_ms - attempt.ended_ms % HOUR_MS;
        let hour = (key.tenant.clone(), key.webhook.clone(), hour_ms);
        self.lock().entry(hour).or_default().count(attempt);
    }

    /// Writes what was counted. What cannot be written is lost: no delivery waits for its statistics.
    pub(super) async fn flush(&self, store: &Store) {
        let _turn = self.flushing.lock().await;
        let counted = std::mem::take(&mut *self.lock());
        let added = counted
            .iter()
            .map(async |((tenant, webhook, hour_ms), counts)| {
                let added = store.add_counts(tenant, webhook, *hour_ms, counts).await;
                if let Err(error) = added {
                    tracing::warn!(%tenant, %webhook, %error, "attempts are missing in the statistics");
                }
            });
        join_all(added).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hour, Counts>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

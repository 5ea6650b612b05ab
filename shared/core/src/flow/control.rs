//! What goes on around attempts.

use std::sync::Arc;

use rung_base::clock::Clock;
use rung_dialect::{Dialect, Dialects};

use super::{FlowError, Pauses, accept::Publisher, operator::Operator, overdue_ms};
use crate::{limits::INDEX_LAG_MS, queue::Queue, store::Store};

/// Everything of deliveries but their attempts: what people start by hand, jobs, pauses, and who is told what befalls webhooks. It posts
/// nothing.
#[derive(Clone)]
pub struct Control {
    pub(super) store: Store,
    /// The queues.
    pub queue: Queue,
    pub(super) dialects: Arc<Dialects>,
    pub(super) clock: Arc<dyn Clock>,
    /// What this process has seen of pauses.
    pub(super) pauses: Pauses,
    /// What publishes events of Rung's own.
    pub publisher: Publisher,
    /// Who is told what befalls webhooks.
    pub operator: Operator,
    /// How long after a write the table's index may answer without it, in milliseconds: 0 on one machine.
    pub index_lag_ms: u64,
}

impl Control {
    /// One over the table on AWS, whose operator has no topic.
    #[must_use]
    pub fn new(
        store: Store,
        queue: Queue,
        dialects: Arc<Dialects>,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
    ) -> Self {
        Self {
            operator: Operator::new(store.clone(), publisher.clone(), Arc::clone(&clock)),
            store,
            queue,
            dialects,
            clock,
            pauses: Pauses::default(),
            publisher,
            index_lag_ms: INDEX_LAG_MS,
        }
    }

    /// Since when, in milliseconds of the ladder's time, what waits must have been due for its message to be taken for lost.
    pub(super) fn overdue_ms(&self) -> u64 {
        overdue_ms(&*self.clock)
    }

    /// A dialect that an event was accepted in. Its file may have been taken away since: then the message comes back until it
    /// is there again.
    pub(super) fn dialect(&self, name: &str) -> Result<&Dialect, FlowError> {
        let dialect = self.dialects.get(name).map(AsRef::as_ref);
        dialect.ok_or_else(|| FlowError::NoDialect(name.to_owned()))
    }
}

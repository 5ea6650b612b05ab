//! Deliberate mistakes: the simulation makes one at a time, and must notice each.
//!
//! Without the feature `mutations`, which nothing but the development dependencies of the tests asks for, [`mutated`] is a
//! constant `false` and the compiler leaves no trace of them.

/// A step of the protocol that is left out, or taken at the wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// An event is accepted although the queue did not take its messages.
    AcceptedUnsent,
    /// Publishing goes by webhooks that have changed since.
    StaleRoutes,
    /// A record is reported done before it is handled.
    AckBeforeWork,
    /// A message of an earlier epoch is posted.
    EpochIgnored,
    /// A message without a row is dropped instead of writing its row.
    NoPlace,
    /// A message ahead of its row is dropped instead of advancing the row.
    NoAdvance,
    /// A row with another due time is taken for the message's own.
    NoDueTest,
    /// A row whose chain has ended is taken for one that waits.
    NoPendingTest,
    /// A message is dropped only if the row is ahead of it.
    DropOnlyAhead,
    /// A failure overwrites what a copy of its message has logged.
    UnconditionalFailureLog,
    /// What follows an attempt is put in place before its log entry.
    LogAfterSuccessor,
    /// The row moves on before the successor's message is durable.
    RowBeforeSend,
    /// The row moves on whatever became of its chain, if only its number is the message's.
    RowByNumberAlone,
    /// A wait that took long to be parked is left to the sweep, which may be past it.
    NoSecondLook,
    /// The sweep's cursor moves before the queue has taken the page.
    CursorBeforeSend,
    /// A recovery sends again what it has sent already.
    JobIgnored,
    /// A message that is faster than its recovery moves the row without saying which recovery it is of.
    JobForgotten,
    /// A retry by hand does not know that its delivery had succeeded.
    SuccessForgotten,
    /// Nobody looks for messages that were lost.
    NoWatchdog,
    /// A recovery or a cancellation looks into the lists at once, which lag.
    NoLagAwaited,
    /// A place of a webhook's pace is used however late its message comes.
    PlaceOutlived,
    /// Nothing waits for a pause.
    PauseIgnored,
    /// A fault of this host's own counts as an attempt that failed.
    HostFaultCounted,
}

#[cfg(feature = "mutations")]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static MADE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Makes this mistake, and no other, on this thread from now on.
    pub fn make(mutation: Option<Mutation>) {
        MADE.set(mutation);
    }

    /// Whether this mistake is to be made.
    pub(crate) fn mutated(mutation: Mutation) -> bool {
        MADE.get() == Some(mutation)
    }
}

#[cfg(feature = "mutations")]
pub use switch::make;
#[cfg(feature = "mutations")]
pub(crate) use switch::mutated;

/// Whether this mistake is to be made: never.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn mutated(_: Mutation) -> bool {
    false
}

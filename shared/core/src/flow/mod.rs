//! What Rung does: each flow loads, lets the domain decide, and applies.
//!
//! [`accept`] takes events in and queues their first attempts. A [`deliver::Deliverer`] handles a batch of the queues' messages:
//! [`attempt`] takes one on, [`post`] makes its POST, [`settle`] does what follows from a log entry, [`pace`] spaces the attempts of a
//! webhook with a limit, [`in_flight`] bounds how many are under way, [`pause`] makes those of a paused one wait, [`shown`] reads
//! answers for the log, [`host_faults`] puts off what this host could not send, [`stats_buffer`] counts attempts for the statistics.
//! [`sweep`] brings parked waits back, [`watch`] sends again what was lost.
//!
//! A [`control::Control`] does what goes on around attempts. [`manual`] and [`pending`] are what people start by hand. [`jobs`] is work
//! that goes on page by page: [`recover`] sends many deliveries again, [`erase`] erases what is to be erased. [`outage`] keeps since
//! when a webhook fails. [`operator`] notifies the operator of what happens to webhooks, [`keys`] a tenant that a key ends.

pub mod accept;
mod attempt;
pub mod control;
pub mod deliver;
pub mod erase;
mod event_types;
mod host_faults;
mod in_flight;
pub mod jobs;
mod keys;
pub mod manual;
pub mod operator;
mod outage;
mod pace;
mod pause;
pub mod pending;
pub mod post;
pub mod recover;
mod secrets;
mod settle;
mod shown;
mod stats_buffer;
pub mod sweep;
mod watch;

use rung_base::clock::Clock;

pub use self::{event_types::EventTypes, stats_buffer::StatsBuffer};
use self::{host_faults::HostFaults, pause::Pauses};
use crate::{
    egress::HostFault, limits::OVERDUE_MS, queue::QueueError, store::StoreError, topic::TopicError,
};

/// Since when, in milliseconds of the ladder's time, what waits must have been due for its message to be taken for lost. A queue hides
/// a message for as long as the work takes by the wall.
fn overdue_ms(clock: &dyn Clock) -> u64 {
    clock
        .now_ms()
        .saturating_sub(clock.stretched_ms(OVERDUE_MS))
}

/// The position behind which a page goes on, from a message's cursor: empty at the beginning.
fn position(cursor: &str) -> Option<&str> {
    Some(cursor).filter(|cursor| !cursor.is_empty())
}

/// Why a flow stopped. Every step of it can be taken again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FlowError {
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The operator's topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// This host could not send what somebody asked for by hand.
    #[error("cannot send: {0}")]
    Host(#[from] HostFault),
    /// Somebody asked for one more attempt of a delivery that has had [`DELIVERY_ATTEMPTS`](crate::limits::DELIVERY_ATTEMPTS).
    #[error("the delivery has been attempted too often to be sent again")]
    WornOut,
    /// An event of Rung's own could not be published.
    #[error("{event_type} could not be published")]
    Untold {
        /// Its type.
        event_type: &'static str,
    },
    /// The settings: a dialect that deliveries still need is gone.
    #[error("the dialect {0:?} of an accepted event is not loaded; restore its file")]
    NoDialect(String),
}

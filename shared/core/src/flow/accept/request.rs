//! What publishing takes and answers.

use jiff::Timestamp;

use crate::domain::{hops::Hops, id::EventId, no_delivery::NoDelivery, trace::TraceParent};
use rung_json::{Json, schema::Violation};

/// An event to publish, as its client gave it; shape and sizes of the request are checked already.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The client's id for it.
    pub id: Option<EventId>,
    /// The client's `Idempotency-Key`, which serves where there is no id.
    pub idempotency_key: Option<String>,
    /// Its type or an alias of one.
    pub event_type: String,
    /// Its data, an object.
    pub data: Json,
    /// Its time; now when not given.
    pub timestamp: Option<Timestamp>,
    /// The client's own data beside it, an object.
    pub metadata: Option<Json>,
    /// The trace it is published in. Belongs to no content: a repeat may come in another.
    pub trace: Option<TraceParent>,
    /// The deliveries that led to it. Belong to no content: a repeat is the event that was there before.
    pub hops: Hops,
}

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: EventId,
    /// Its type, aliases resolved.
    pub event_type: String,
    /// Its time, in milliseconds.
    pub timestamp_ms: u64,
    /// When it was accepted, in milliseconds.
    pub accepted_ms: u64,
    /// The number of active webhooks it goes to.
    pub deliveries: usize,
    /// Whether it had been accepted before.
    pub duplicate: bool,
    /// The reason if there are none.
    pub reason: Option<NoDelivery>,
}

/// Why an event is refused. Nothing was stored or sent, save for [`Refusal::Unavailable`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The type is none of the dialect's.
    #[error("unknown event type {event_type}; GET /v1/event-types lists the types")]
    UnknownType {
        /// As given.
        event_type: String,
    },
    /// The id is taken by an event of other content.
    #[error(
        "the id {id} belongs to an event with other content; publish changed content under a new id"
    )]
    Conflict {
        /// The id.
        id: EventId,
    },
    /// The id is taken by an event that was erased.
    #[error("the event {id} was erased and is not sent again; publish new content under a new id")]
    Erased {
        /// The id.
        id: EventId,
    },
    /// The delivered body would exceed the dialect's limit.
    #[error("the delivered body has {actual_bytes} bytes; the limit of {dialect} is {limit_bytes}")]
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The limit.
        limit_bytes: usize,
        /// The dialect.
        dialect: String,
    },
    /// A number of the data changes when JavaScript reads and writes it, as this dialect's receivers do.
    #[error("{message}")]
    UnstableNumber {
        /// Where in the event, as a path such as `data.price`.
        field: String,
        /// What and how to mend it.
        message: String,
    },
    /// A member of the data has a name that the dialect's envelope needs for itself.
    #[error("{message}")]
    ReservedMember {
        /// Where in the event.
        field: String,
        /// What and how to mend it.
        message: String,
    },
    /// The data is not as the schema of its type says.
    #[error("the data violates the schema of {event_type}")]
    Schema {
        /// The type.
        event_type: String,
        /// Where, within the data, and what it must be.
        violations: Vec<Violation>,
    },
    /// The type is archived.
    #[error("the event type {event_type} is archived and takes no new events")]
    Archived {
        /// The type.
        event_type: String,
    },
    /// The type's schema was taken once, and is refused by now.
    #[error(
        "the stored schema of {event_type} exceeds the present limits ({fault}); it must be replaced or deleted"
    )]
    UnusableSchema {
        /// The type.
        event_type: String,
        /// What is wrong with the schema.
        fault: String,
    },
    /// `data` or `metadata` is something else.
    #[error("`{field}` must be an object")]
    NotAnObject {
        /// Which of the two.
        field: &'static str,
    },
    /// The table or the queue could not be written; the same request again heals what is missing.
    #[error("the event could not be stored and queued; send the same request again")]
    Unavailable,
}

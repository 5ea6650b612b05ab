//! What Rung is about: types and pure decisions. Time and chance are arguments; nothing async, no AWS.
//!
//! The cast: a [`tenant::Tenant`] owns [`webhook::Webhook`]s. An accepted event on its way to one webhook is a
//! [`delivery::Delivery`], each POST of it an [`attempt::Attempt`]. The waits between attempts are the
//! [`ladder::Ladder`]; a [`message::Message`] carries one position of it through the queue, and [`chain`] decides what a
//! message that arrives still means. [`disable`] judges webhooks by their log, an [`outage::Outage`] says since when one fails, a
//! [`pause::Pause`] until when one gets nothing, a
//! [`filter::Filter`] which payloads it takes. [`hops::Hops`] count the deliveries that led to an event. Whatever is changed is
//! described by an [`audit::Record`].

pub mod attempt;
pub mod audit;
pub mod chain;
pub mod client_certificate;
pub mod delivery;
pub mod disable;
pub mod event_type;
pub mod hops;
pub mod id;
pub mod idempotency;
pub mod job;
pub mod message;
pub mod no_delivery;
pub mod notice;
pub mod outage;
pub mod pause;
pub mod portal;
pub mod position;
pub mod quota;
pub mod recovery;
pub mod retry_after;
pub mod secret;
pub mod stats;
pub mod stored;
pub mod tenant;
pub mod time;
pub mod trace;
pub mod webhook;

/// Members of a stored JSON object that this version of Rung does not know. During a deployment two versions run side by side: an
/// older one that changes the object writes them back as they are.
pub type Unknown = serde_json::Map<String, serde_json::Value>;

//! Every bound of what a dialect takes, by name.

/// Longest event type, in characters.
pub const EVENT_TYPE_CHARS: usize = 128;
/// Longest id, in characters.
pub const ID_CHARS: usize = 64;
/// Most waits of a ladder.
pub const LADDER_WAITS: usize = 100;
/// Longest wait of a ladder, in milliseconds: 30 days, for which events are kept.
pub const LADDER_WAIT_MS: u64 = 30 * 86_400_000;
/// Longest time-out, in milliseconds: a delivering function has 30 s for everything.
pub const TIMEOUT_MS: u64 = 25_000;
/// How far the time of a signature may be from the receiver's, in seconds: what Standard Webhooks and Stripe recommend.
pub const TOLERANCE_S: u64 = 300;
/// Longest value of metadata or data that a header takes, in bytes.
pub const HEADER_VALUE_BYTES: usize = 1_024;
/// Longest secret, in bytes.
pub const SECRET_BYTES: usize = 4_096;

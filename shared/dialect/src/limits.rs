//! Every bound of what a dialect takes, by name.

/// Longest event type, in characters.
pub const EVENT_TYPE_CHARS: usize = 128;
/// Longest id, in characters.
pub const ID_CHARS: usize = 64;
/// Most waits of a ladder.
pub const LADDER_WAITS: usize = 100;

//! Ids and keys that Rung makes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rung_api::{ApiError, Code};
use rung_base::chance;
use rung_core::domain::id::IdFault;

/// A new id: the prefix and 96 random bits.
pub(crate) fn new_id<T>(
    prefix: &str,
    parse: impl Fn(&str) -> Result<T, IdFault>,
) -> Result<T, ApiError> {
    let id = format!("{prefix}{}", chance::hex::<12>());
    parse(&id).map_err(|_| Code::Internal.into())
}

/// A new id that begins with the time of its making, so that ids are in that order: the prefix, the time and 48 random bits.
pub(crate) fn id_in_time<T>(
    prefix: &str,
    made_ms: u64,
    parse: impl Fn(&str) -> Result<T, IdFault>,
) -> Result<T, ApiError> {
    let id = format!("{prefix}{made_ms:012x}{}", chance::hex::<6>());
    parse(&id).map_err(|_| Code::Internal.into())
}

/// A new token for a challenge: 128 random bits.
pub(crate) fn new_challenge() -> String {
    chance::hex::<16>()
}

/// The text of an API key of 256 bits; the prefix says whose it is.
pub(crate) fn key_text(prefix: &str, bytes: [u8; 32]) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

//! Ids and keys that Rung makes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rung_shared::{
    api::{ApiError, Code},
    chance,
    domain::id::IdFault,
};

/// A new id: the prefix and 96 random bits.
pub(crate) fn new_id<T>(
    prefix: &str,
    parse: impl Fn(&str) -> Result<T, IdFault>,
) -> Result<T, ApiError> {
    let id = format!("{prefix}{}", chance::hex::<12>());
    parse(&id).map_err(|_| Code::Internal.into())
}

/// A new token for a challenge: 128 random bits.
pub(crate) fn new_challenge() -> String {
    chance::hex::<16>()
}

/// A new API key: 256 random bits.
pub(crate) fn new_key() -> String {
    format!("rk_{}", URL_SAFE_NO_PAD.encode(chance::bytes::<32>()))
}

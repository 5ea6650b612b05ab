//! Ids and keys that Rung makes.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rung_shared::{
    api::{ApiError, Code},
    chance,
    domain::id::{IdFault, TenantId},
};
use sha2::{Digest, Sha256};

/// A new id: the prefix and 96 random bits.
pub(crate) fn new_id<T>(
    prefix: &str,
    parse: impl Fn(&str) -> Result<T, IdFault>,
) -> Result<T, ApiError> {
    let id = format!("{prefix}{}", chance::hex::<12>());
    parse(&id).map_err(|_| Code::Internal.into())
}

/// The id of what a tenant makes under an `Idempotency-Key`, so that the same request again finds it.
pub(crate) fn id_of_key<T>(
    prefix: &str,
    tenant: &TenantId,
    key: &str,
    parse: impl Fn(&str) -> Result<T, IdFault>,
) -> Result<T, ApiError> {
    let digest = Sha256::new()
        .chain_update(tenant.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut id = prefix.to_owned();
    for byte in &digest[..12] {
        // Writing into a text cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
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

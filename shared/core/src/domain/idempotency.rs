//! What makes a request the repeat of an earlier one.

use rung_json::Json;
use sha2::{Digest, Sha256};

/// A key that a request is known by, with what it asks for: the same of both is the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// The SHA-256 of what is asked for.
    pub content_hash: [u8; 32],
}

impl Idempotency {
    /// An `Idempotency-Key` with the request's body.
    #[must_use]
    pub fn of(key: String, body: &Json) -> Self {
        let mut content = Vec::new();
        body.write_content(&mut content);
        Self {
            key,
            content_hash: Sha256::digest(&content).into(),
        }
    }

    /// The hash of what is asked for, as text.
    #[must_use]
    pub fn content_hex(&self) -> String {
        hex::encode(self.content_hash)
    }

    /// What a row is named by that keeps the key: its hash, of one length whatever it is.
    #[must_use]
    pub fn key_hash(&self) -> String {
        hex::encode(&Sha256::digest(&self.key)[..16])
    }
}

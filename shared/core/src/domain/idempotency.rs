//! What makes a request the repeat of an earlier one, and what a repeat is answered.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::id::{KeyId, TenantId};

/// A request under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The tenant whose key it is; `None` for the operator's own.
    pub tenant: Option<TenantId>,
    /// The hash of the call and the key: of one length, whatever they are.
    pub name: String,
    /// The SHA-256 of what is asked for.
    pub content_hash: [u8; 32],
}

impl Keyed {
    /// A request for `content`. `names` are what tells it from all other requests of the tenant: the call and the key; none has a
    /// zero byte in it.
    #[must_use]
    pub fn new(tenant: Option<&TenantId>, names: &[&str], content: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for name in names {
            hash.update(name);
            hash.update([0]);
        }
        Self {
            tenant: tenant.cloned(),
            name: hex::encode(&hash.finalize()[..16]),
            content_hash: Sha256::digest(content).into(),
        }
    }
}

/// The right of one call to do what a request under an `Idempotency-Key` asks for. It ends with a lease: then a repeat may take it
/// over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The request.
    pub request: Keyed,
    /// The API key that the call came with: an answer's secrets are repeated to it alone.
    pub by: KeyId,
    /// A random text that is the same for all calls of the request: what they make is named by it.
    pub token: String,
    /// When the lease ends, in milliseconds of the wall clock. No two calls of a request have the same.
    pub until_ms: u64,
    /// When the row expires, in seconds of the wall clock.
    pub expires_s: u64,
    /// Whether an earlier call had it, which may have done what is asked for.
    pub is_taken_over: bool,
}

/// What answered a request, for its repeats.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstAnswer {
    /// The status.
    pub status: u16,
    /// The headers that belong to the answer and not to its connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Bodies have secrets in them.
impl fmt::Debug for FirstAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The answer of a call, to be kept under its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The claim.
    pub claim: Claim,
    /// The answer as repeats get it for the retention: without secrets.
    pub lasting: FirstAnswer,
    /// The whole answer, if it has secrets: repeats with the same API key get it for a day.
    pub whole: Option<FirstAnswer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_all_of_its_names() {
        let name = |names: &[&str]| Keyed::new(None, names, b"").name;
        assert_eq!(name(&["/v1/keys", "k"]), name(&["/v1/keys", "k"]));
        assert_ne!(name(&["/v1/keys", "k"]), name(&["/v1/key", "sk"]));
        assert_ne!(name(&["/v1/keys", "k"]), name(&["/v1/keys", "k", ""]));
        assert_eq!(name(&["/v1/keys", &"k".repeat(255)]).len(), 32);
    }

    #[test]
    fn no_answer_shows_its_body() {
        let answer = FirstAnswer {
            status: 201,
            headers: Vec::new(),
            body: "whsec_x".to_owned(),
        };
        assert!(!format!("{answer:?}").contains("whsec_x"));
    }
}

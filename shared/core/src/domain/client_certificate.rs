//! What a webhook's deliveries present to a receiver that asks who connects (mutual TLS).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Unknown, secret::Secret};

/// A client certificate and its key. It was checked when it was taken, by [`Presented`](crate::egress::Presented).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The chain in PEM, as given: the client's own certificate, then those of the authorities that issued it.
    pub certificate: String,
    /// The key of the client's own certificate in PEM, as given.
    pub private_key: Secret,
    /// The SHA-256 of the client's own certificate in DER, in hex: by that people tell one from another.
    pub sha256: String,
    /// What a newer version of Rung has stored with it.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Tells certificates with their keys apart: connections are shared by those of one identity alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

impl ClientCertificate {
    /// Which identity it is: another for each change of the chain or of the key.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let chain = self.certificate.as_bytes();
        let digest = Sha256::new()
            // Where the chain ends and the key begins is part of it.
            .chain_update((chain.len() as u64).to_be_bytes())
            .chain_update(chain)
            .chain_update(self.private_key.expose());
        Identity(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(certificate: &str, key: &str) -> Identity {
        let certificate = ClientCertificate {
            certificate: certificate.to_owned(),
            private_key: Secret::new(key.to_owned()),
            sha256: String::new(),
            unknown: Unknown::new(),
        };
        assert!(!format!("{certificate:?}").contains(key), "{certificate:?}");
        certificate.identity()
    }

    #[test]
    fn the_chain_and_the_key_are_the_identity() {
        let one = identity("chain", "key-1");
        assert_eq!(one, identity("chain", "key-1"));
        for other in [
            identity("chain", "key-2"),
            identity("chain2", "key-1"),
            identity("chai", "nkey-1"),
        ] {
            assert_ne!(one, other);
        }
    }
}

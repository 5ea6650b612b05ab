//! Key pairs: the secret signs, and whoever has the public key verifies. Those of Ed25519 are as Standard Webhooks 1.0 ("Signature
//! scheme", asymmetric) writes them, those on P-256 as the libraries of receivers read them.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::Signer as _;
use p256::{
    ecdsa::DerSignature,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _},
};
use sha2::{Digest as _, Sha256};

const ED25519_PREFIX: &str = "whsk_";
const P256_PREFIX: &str = "p256_";
/// What a public key of Ed25519 begins with.
pub(super) const PUBLIC_PREFIX: &str = "whpk_";

/// A key pair. Has no `Debug`, because of the secret.
pub struct KeyPair(Keys);

enum Keys {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// What a pair signs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairKind {
    Ed25519,
    P256,
}

impl KeyPair {
    /// The pair of Ed25519 that grows from a seed of chance.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Keys::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// The pair of this kind that grows from a seed of chance.
    pub(super) fn of_kind(kind: PairKind, seed: [u8; 32]) -> Self {
        match kind {
            PairKind::Ed25519 => Self::from_seed(seed),
            PairKind::P256 => Self(Keys::P256(p256_key(seed))),
        }
    }

    /// Another pair of the same kind.
    #[must_use]
    pub fn another(&self, seed: [u8; 32]) -> Self {
        Self::of_kind(self.kind(), seed)
    }

    /// Reads a secret: `whsk_` and strict base64 of an Ed25519 seed and its public key, 64 bytes, or `p256_` and strict base64 of a key's
    /// PKCS#8 in DER. `None` for anything else, and when private and public key do not belong together.
    #[must_use]
    pub fn parse(secret: &str) -> Option<Self> {
        if let Some(text) = secret.strip_prefix(ED25519_PREFIX) {
            let bytes = BASE64.decode(text).ok()?;
            let bytes = bytes.as_slice().try_into().ok()?;
            let pair = ed25519_dalek::SigningKey::from_keypair_bytes(bytes);
            return pair.ok().map(|pair| Self(Keys::Ed25519(pair)));
        }
        let bytes = BASE64.decode(secret.strip_prefix(P256_PREFIX)?).ok()?;
        let pair = p256::ecdsa::SigningKey::from_pkcs8_der(&bytes);
        pair.ok().map(|pair| Self(Keys::P256(pair)))
    }

    /// As [`KeyPair::parse`] reads it.
    #[must_use]
    pub fn secret(&self) -> String {
        match &self.0 {
            Keys::Ed25519(pair) => {
                format!("{ED25519_PREFIX}{}", BASE64.encode(pair.to_keypair_bytes()))
            }
            Keys::P256(pair) => {
                let document = pair.to_pkcs8_der().expect("a key has a document");
                format!("{P256_PREFIX}{}", BASE64.encode(document.as_bytes()))
            }
        }
    }

    /// What receivers verify with: `whpk_` and base64 of the public key of Ed25519, 32 bytes; base64 of that on P-256 as
    /// `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn public_key(&self) -> String {
        match &self.0 {
            Keys::Ed25519(pair) => {
                format!("{PUBLIC_PREFIX}{}", BASE64.encode(pair.verifying_key()))
            }
            Keys::P256(pair) => {
                let document = pair.verifying_key().to_public_key_der();
                BASE64.encode(document.expect("a key has a document").as_bytes())
            }
        }
    }

    pub(super) fn kind(&self) -> PairKind {
        match self.0 {
            Keys::Ed25519(_) => PairKind::Ed25519,
            Keys::P256(_) => PairKind::P256,
        }
    }

    /// The signature of a text: 64 bytes of Ed25519; on P-256, with SHA-256 and the nonce of RFC 6979, up to 72 bytes of DER.
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.0 {
            Keys::Ed25519(pair) => pair.sign(text).to_bytes().to_vec(),
            Keys::P256(pair) => {
                let signature: DerSignature = pair.sign(text);
                signature.as_bytes().to_vec()
            }
        }
    }
}

/// The key of a seed. One seed in four billion is none: its hash takes its place.
fn p256_key(seed: [u8; 32]) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&seed)
        .unwrap_or_else(|_| p256_key(Sha256::digest(seed).into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

    #[test]
    fn a_pair_round_trips_and_shows_its_public_half() {
        let pair = KeyPair::parse(SECRET).unwrap();
        assert_eq!(pair.secret(), SECRET);
        assert_eq!(
            pair.public_key(),
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
        );
        let made = KeyPair::from_seed([7; 32]);
        assert!(KeyPair::parse(&made.secret()).is_some());
    }

    /// The pair of RFC 6979 appendix A.2.5, with what OpenSSL makes of it.
    #[test]
    fn a_pair_on_p256_round_trips_and_shows_its_public_half() {
        let key = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let pair = KeyPair::of_kind(PairKind::P256, key.unwrap().try_into().unwrap());
        assert_eq!(
            pair.secret(),
            "p256_MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg/tS6JVqdMclh63TGNW1owEm4kjth+mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ"
        );
        assert_eq!(
            KeyPair::parse(&pair.secret()).unwrap().secret(),
            pair.secret()
        );
        assert_eq!(
            pair.public_key(),
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ=="
        );
        assert!(pair.another([7; 32]).kind() == PairKind::P256);
        // No scalar, and one that is too large.
        for seed in [[0; 32], [0xff; 32]] {
            let made = KeyPair::of_kind(PairKind::P256, seed);
            assert!(KeyPair::parse(&made.secret()).is_some());
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_no_pair() {
        let foreign = BASE64.encode([[7; 32], [8; 32]].concat());
        let short = BASE64.encode([7; 32]);
        let p256 = KeyPair::of_kind(PairKind::P256, [7; 32]).secret();
        let mut mixed = BASE64.decode(&p256[P256_PREFIX.len()..]).unwrap();
        *mixed.last_mut().unwrap() ^= 1;
        for wrong in [
            &*format!("whsk_{foreign}"),
            &format!("whsk_{short}"),
            "whsk_",
            "whsk_?",
            &SECRET.replace("whsk_", "whsec_"),
            &SECRET.replace("whsk_", "p256_"),
            SECRET.trim_end_matches('='),
            "p256_",
            &p256.replace("p256_", "whsk_"),
            &p256.replace("p256_", ""),
            &format!("{p256} "),
            &format!("p256_{}", BASE64.encode(mixed)),
        ] {
            assert!(KeyPair::parse(wrong).is_none(), "{wrong}");
        }
    }
}

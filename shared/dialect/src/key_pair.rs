//! Key pairs of Standard Webhooks 1.0 ("Signature scheme", asymmetric): the secret signs, and whoever has the public key verifies.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::SigningKey;

const SECRET_PREFIX: &str = "whsk_";
/// What a public key begins with.
pub(super) const PUBLIC_PREFIX: &str = "whpk_";

/// An Ed25519 key pair. Has no `Debug`, because of the secret.
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The pair that grows from a seed of chance.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads a secret: `whsk_` and strict base64 of seed and public key, 64 bytes. `None` for anything else, and when the two do
    /// not belong together.
    #[must_use]
    pub fn parse(secret: &str) -> Option<Self> {
        let bytes = BASE64.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
        let pair = SigningKey::from_keypair_bytes(bytes.as_slice().try_into().ok()?);
        pair.ok().map(Self)
    }

    /// As [`KeyPair::parse`] reads it.
    #[must_use]
    pub fn secret(&self) -> String {
        format!(
            "{SECRET_PREFIX}{}",
            BASE64.encode(self.0.to_keypair_bytes())
        )
    }

    /// What receivers verify with: `whpk_` and base64 of the public key, 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", BASE64.encode(self.0.verifying_key()))
    }

    pub(super) fn signing_key(&self) -> &SigningKey {
        &self.0
    }
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

    #[test]
    fn halves_that_do_not_belong_together_are_no_pair() {
        let foreign = BASE64.encode([[7; 32], [8; 32]].concat());
        let short = BASE64.encode([7; 32]);
        for wrong in [
            &*format!("whsk_{foreign}"),
            &format!("whsk_{short}"),
            "whsk_",
            "whsk_?",
            &SECRET.replace("whsk_", "whsec_"),
            SECRET.trim_end_matches('='),
        ] {
            assert!(KeyPair::parse(wrong).is_none(), "{wrong}");
        }
    }
}

//! Which secrets a dialect can sign with.
//!
//! A dialect says how a secret becomes the key of its own signatures: by its text, whatever that is, or by its base64 or hex. The
//! signature of Standard Webhooks needs a key of its own form, so where it is the only one, any other secret would leave deliveries
//! unsigned.

use std::borrow::Cow;

use base64::{
    Engine,
    engine::general_purpose::{
        GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
    },
};

use super::{
    Dialect,
    challenge::Challenge,
    headers::{Headers, is_printable},
    key_pair::{KeyPair, PairKind},
    limits::SECRET_BYTES,
};

/// What a shared secret of Standard Webhooks may begin with.
const SHARED_PREFIX: &str = "whsec_";
/// What tells the kinds of secret apart. In another place, or in other case, it belongs to no key.
const PREFIXES: [&str; 3] = [SHARED_PREFIX, "whsk_", "whpk_"];

/// How a secret becomes a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Key {
    pub(super) form: KeyForm,
    /// What is taken off the secret first, if it begins so.
    pub(super) prefix: String,
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeyForm {
    /// The key itself.
    #[default]
    Text,
    Base64,
    Hex,
}

impl KeyForm {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("text", Self::Text),
        ("base64", Self::Base64),
        ("hex", Self::Hex),
    ];
}

impl Key {
    /// The key that `secret` is.
    pub(super) fn of<'s>(&self, secret: &'s str) -> Result<Cow<'s, [u8]>, SecretFault> {
        let text = secret.strip_prefix(&self.prefix).unwrap_or(secret);
        let decoded = match self.form {
            KeyForm::Text => return Ok(Cow::Borrowed(text.as_bytes())),
            KeyForm::Base64 => base64_engine(text).decode(text).ok(),
            KeyForm::Hex => hex::decode(text).ok(),
        };
        let fault = match self.form {
            KeyForm::Hex => SecretFault::NoHex,
            _ => SecretFault::NoBase64,
        };
        decoded
            .filter(|key| !key.is_empty())
            .map(Cow::Owned)
            .ok_or(fault)
    }

    /// A secret that is this key.
    fn secret(&self, key: &[u8]) -> Option<String> {
        let text = match self.form {
            KeyForm::Text => return None,
            KeyForm::Base64 => STANDARD.encode(key),
            KeyForm::Hex => hex::encode(key),
        };
        Some(format!("{}{text}", self.prefix))
    }
}

/// Why a dialect cannot sign with a secret. `Display` completes the sentence "the secret …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// It is empty, or longer than any may be.
    #[error("must be a string of 1 to {SECRET_BYTES} bytes")]
    Length,
    /// The only signature is that of Standard Webhooks, and this is no key for it.
    #[error(
        "must be base64 of 24 to 64 bytes, with or without `whsec_` in front, or a key pair, `whsk_`: `webhook-signature` is this dialect's only signature"
    )]
    NoKey,
    /// The dialect's own signature is an HMAC, whose key the private key's text would be; or it sends the secret itself.
    #[error(
        "must be a shared one: this dialect has an HMAC signature of its own, whose key would be the text of the private key, or sends the secret itself"
    )]
    KeyPair,
    /// The dialect signs with Ed25519.
    #[error(
        "must be a key pair, `whsk_` and base64 of an Ed25519 seed and its public key: this dialect signs with Ed25519"
    )]
    NoPair,
    /// The dialect signs with ECDSA on P-256.
    #[error(
        "must be a key pair on P-256, `p256_` and base64 of its PKCS#8 in DER: this dialect signs with ECDSA"
    )]
    NoP256Pair,
    /// The key of the dialect's own signature is the secret's base64.
    #[error("must be base64: this dialect's signature takes it as its key")]
    NoBase64,
    /// The key of the dialect's own signature is the secret's hex.
    #[error("must be hexadecimal digits: this dialect's signature takes it as its key")]
    NoHex,
    /// Receivers get the secret itself, and a header could not have it.
    #[error(
        "must be printable ASCII characters without blanks around them: this dialect sends it as a token"
    )]
    NoToken,
}

/// Whether `secret` has a length that secrets have, in whatever dialect.
///
/// # Errors
/// When it is empty or too long.
pub fn check_secret_length(secret: &str) -> Result<(), SecretFault> {
    let is_of_length = (1..=SECRET_BYTES).contains(&secret.len());
    is_of_length.then_some(()).ok_or(SecretFault::Length)
}

impl Dialect {
    /// Whether deliveries can be signed with `secret`. A dialect without any signature takes every secret of 1 to [`SECRET_BYTES`] bytes.
    ///
    /// # Errors
    /// When they would go out unsigned, or signed with the text of a private key; and when it is empty or too long.
    pub fn check_secret(&self, secret: &str) -> Result<(), SecretFault> {
        check_secret_length(secret)?;
        if self.challenge_sends_secret() && KeyPair::parse(secret).is_some() {
            return Err(SecretFault::KeyPair);
        }
        self.headers.check_secret(secret)
    }

    fn challenge_sends_secret(&self) -> bool {
        self.challenge.as_ref().is_some_and(Challenge::sends_secret)
    }

    /// Whether deliveries can be signed with a [`KeyPair`]: by the header `webhook-signature` or such a signature of its own, where
    /// nothing else signs and no receiver gets the secret itself.
    #[must_use]
    pub fn takes_key_pairs(&self) -> bool {
        let headers = &self.headers;
        let signs = headers.standard_webhooks || self.needs_key_pairs();
        signs
            && !headers.sends_secret
            && !self.challenge_sends_secret()
            && headers
                .signatures
                .iter()
                .all(|one| one.algorithm.pair_kind().is_some() || !one.uses_secret())
    }

    /// Whether nothing but a [`KeyPair`] signs its deliveries.
    #[must_use]
    pub fn needs_key_pairs(&self) -> bool {
        self.pair_kind().is_some()
    }

    /// The kind of the key pairs that its own signatures need.
    fn pair_kind(&self) -> Option<PairKind> {
        let mut signatures = self.headers.signatures.iter();
        signatures.find_map(|one| one.algorithm.pair_kind())
    }

    /// A new key pair, of the kind that the dialect's signatures take, that grows from 32 random bytes.
    #[must_use]
    pub fn new_pair(&self, random: [u8; 32]) -> KeyPair {
        KeyPair::of_kind(self.pair_kind().unwrap_or(PairKind::Ed25519), random)
    }

    /// A new secret of 32 random bytes, of the form that the dialect's signatures take.
    #[must_use]
    pub fn new_secret(&self, random: [u8; 32]) -> String {
        if self.needs_key_pairs() {
            return self.new_pair(random).secret();
        }
        let mut signatures = self.headers.signatures.iter();
        let encoded = signatures.find_map(|one| one.key.secret(&random));
        encoded.unwrap_or_else(|| format!("{SHARED_PREFIX}{}", STANDARD.encode(random)))
    }

    /// Whether a receiver gets the secret itself.
    #[must_use]
    pub fn sends_secret(&self) -> bool {
        self.headers.sends_secret
    }
}

impl Headers {
    fn check_secret(&self, secret: &str) -> Result<(), SecretFault> {
        let pair = KeyPair::parse(secret);
        if self.sends_secret && pair.is_some() {
            return Err(SecretFault::KeyPair);
        }
        if self.sends_secret && (!is_printable(secret) || secret.trim() != secret) {
            return Err(SecretFault::NoToken);
        }
        for signature in &self.signatures {
            signature.check_secret(secret)?;
        }
        let is_pair = || pair.is_some_and(|pair| pair.kind() == PairKind::Ed25519);
        let signs = || shared_key(secret).is_some() || is_pair();
        if self.standard_webhooks && !self.has_own_proof() && !signs() {
            return Err(SecretFault::NoKey);
        }
        Ok(())
    }
}

/// The key of a shared secret of Standard Webhooks: base64 of 24 to 64 bytes, in the standard or in the URL-safe alphabet, with all
/// of its padding or none, with or without `whsec_` in front. `None` for anything else.
pub(super) fn shared_key(secret: &str) -> Option<Vec<u8>> {
    let text = secret.strip_prefix(SHARED_PREFIX).unwrap_or(secret);
    let is_prefixed = |prefix: &&str| {
        let start = text.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    // The underscore belongs to the URL-safe alphabet: the prefix would be read as a part of the key.
    if PREFIXES.iter().any(is_prefixed) {
        return None;
    }
    let key = base64_engine(text).decode(text).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

/// The standard or the URL-safe alphabet, with padding or without, as `text` has it.
fn base64_engine(text: &str) -> &'static GeneralPurpose {
    match (text.contains(['-', '_']), text.ends_with('=')) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Dialects;

    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

    /// Bytes whose base64 has both characters that the alphabets write differently.
    fn bytes(length: usize) -> Vec<u8> {
        [0xfb, 0xff, 0xbe]
            .into_iter()
            .chain(7..)
            .take(length)
            .collect()
    }

    #[test]
    fn every_spelling_of_a_key_is_the_same_key() {
        for length in [24, 25, 26, 32, 63, 64] {
            let key = bytes(length);
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                let text = engine.encode(&key);
                assert_eq!(shared_key(&text).as_ref(), Some(&key), "{text}");
                let prefixed = format!("whsec_{text}");
                assert_eq!(shared_key(&prefixed), Some(key.clone()), "{prefixed}");
            }
        }
    }

    #[test]
    fn whatever_is_not_exactly_a_key_is_none() {
        let of_bytes = |length| STANDARD.encode(bytes(length));
        let padded = of_bytes(25);
        let bare = padded.trim_end_matches('=');
        // The last character of 25 bytes has four bits that mean nothing, and must be zero.
        let loose = format!("{}x==", &bare[..bare.len() - 1]);
        let mixed = padded.replacen('+', "-", 1);
        assert!(mixed.contains('/') && mixed.contains('-'), "{mixed}");
        for wrong in [
            "",
            "whsec_",
            "my-secret-key",
            "your_webhook_secret_key",
            &of_bytes(23),
            &of_bytes(65),
            &format!("{bare}="),
            &format!("{padded}="),
            &format!("{}=", of_bytes(24)),
            &loose,
            &mixed,
            &format!("{padded} "),
            &format!(" {padded}"),
            &format!("{padded}\n"),
            &format!("whsec_ {padded}"),
            &format!("{} {}", &padded[..8], &padded[8..]),
            &format!("whsec_whsec_{padded}"),
            &format!("WHSEC_{}", of_bytes(24)),
            &format!("whsec_Whsk_{}", of_bytes(24)),
            PAIR,
            PUBLIC,
            PUBLIC.trim_end_matches('='),
            &format!("v1,{padded}"),
            &"ä".repeat(32),
        ] {
            assert_eq!(shared_key(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn where_only_webhook_signature_signs_a_secret_must_be_a_key_for_it() {
        let dialects = Dialects::builtin();
        let key = STANDARD.encode(bytes(24));
        for dialect in dialects.iter() {
            let only_standard = ["standard", "reward"].contains(&&*dialect.name);
            assert_eq!(dialect.takes_key_pairs(), only_standard, "{}", dialect.name);
            assert_eq!(dialect.check_secret(&key), Ok(()), "{}", dialect.name);
            let (plain, pair) = if only_standard {
                (Err(SecretFault::NoKey), Ok(()))
            } else {
                (Ok(()), Err(SecretFault::KeyPair))
            };
            assert_eq!(
                dialect.check_secret("my-secret-key"),
                plain,
                "{}",
                dialect.name
            );
            assert_eq!(dialect.check_secret(PUBLIC), plain, "{}", dialect.name);
            assert_eq!(dialect.check_secret(PAIR), pair, "{}", dialect.name);
        }
    }
}

//! Signatures: the dialects' own, by template, and that of Standard Webhooks 1.0.

use std::{borrow::Cow, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{
    attempt::Known,
    key_pair::{KeyPair, PairKind},
    secret::{Key, SecretFault, shared_key},
    template::Template,
    value::Value,
};

/// A signature of a dialect's own.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    /// How a secret becomes the key.
    pub(super) key: Key,
    /// What is signed.
    pub(super) signed: Template,
    /// By which the body and other headers have its value.
    pub(super) name: Option<Arc<str>>,
    /// The header that has its value.
    pub(super) header: Option<HeaderName>,
    pub(super) value: Template,
    /// What is appended to the value for each further secret while a rotation's overlap lasts; without it the first signs alone.
    pub(super) overlap: Option<Template>,
    /// Whether the newest secret of a rotation is the first.
    pub(super) newest_first: bool,
}

/// What makes a signature of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    HmacSha256,
    HmacSha1,
    HmacSha512,
    Sha256,
    Sha1,
    Sha512,
    Ed25519,
    EcdsaP256Sha256,
}

impl Algorithm {
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("hmac-sha256", Self::HmacSha256),
        ("hmac-sha1", Self::HmacSha1),
        ("hmac-sha512", Self::HmacSha512),
        ("sha256", Self::Sha256),
        ("sha1", Self::Sha1),
        ("sha512", Self::Sha512),
        ("ed25519", Self::Ed25519),
        ("ecdsa-p256-sha256", Self::EcdsaP256Sha256),
    ];

    /// Its name in files and answers.
    pub(super) fn scheme(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, algorithm)| *algorithm == self);
        found.map_or("", |(name, _)| name)
    }

    /// Whether it needs no key.
    pub(super) fn is_plain_hash(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha1 | Self::Sha512)
    }

    /// The kind of the key pairs that it needs; `None` where a shared secret is the key, or none.
    pub(super) fn pair_kind(self) -> Option<PairKind> {
        match self {
            Self::Ed25519 => Some(PairKind::Ed25519),
            Self::EcdsaP256Sha256 => Some(PairKind::P256),
            _ => None,
        }
    }

    /// Bytes of a signature; `None` where they vary.
    #[cfg(any(feature = "receive", test))]
    fn bytes(self) -> Option<usize> {
        match self {
            Self::HmacSha1 | Self::Sha1 => Some(20),
            Self::HmacSha256 | Self::Sha256 => Some(32),
            Self::HmacSha512 | Self::Sha512 | Self::Ed25519 => Some(64),
            Self::EcdsaP256Sha256 => None,
        }
    }
}

/// How a signature's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// In lower case.
    Hex,
    /// In upper case.
    UpperHex,
    /// With the standard alphabet and padding (RFC 4648 section 4).
    Base64,
    /// With the URL-safe alphabet (section 5) and without padding.
    Base64Url,
    /// With the URL-safe alphabet and padding.
    Base64UrlPadded,
    /// In hex, and that text in base64.
    Base64OfHex,
}

impl Encoding {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("hex", Self::Hex),
        ("HEX", Self::UpperHex),
        ("base64", Self::Base64),
        ("base64url", Self::Base64Url),
        ("base64url-padded", Self::Base64UrlPadded),
        ("base64-of-hex", Self::Base64OfHex),
    ];

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::UpperHex => hex::encode_upper(bytes),
            Self::Base64 => BASE64.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
            Self::Base64UrlPadded => URL_SAFE.encode(bytes),
            Self::Base64OfHex => BASE64.encode(hex::encode(bytes)),
        }
    }

    #[cfg(any(feature = "receive", test))]
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex | Self::UpperHex => hex::decode(text).ok(),
            Self::Base64 => BASE64.decode(text).ok(),
            Self::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
            Self::Base64UrlPadded => URL_SAFE.decode(text).ok(),
            Self::Base64OfHex => hex::decode(BASE64.decode(text).ok()?).ok(),
        }
    }

    /// How many characters so many bytes have.
    #[cfg(any(feature = "receive", test))]
    fn chars(self, bytes: usize) -> usize {
        match self {
            Self::Hex | Self::UpperHex => 2 * bytes,
            Self::Base64 | Self::Base64UrlPadded => bytes.div_ceil(3) * 4,
            Self::Base64Url => (bytes * 4).div_ceil(3),
            Self::Base64OfHex => Self::Base64.chars(Self::Hex.chars(bytes)),
        }
    }
}

impl Signature {
    /// Its whole value in an attempt: signed with the first of the secrets (oldest first), or with the one that is to sign alone, and
    /// with all of them where the value has room for several.
    pub(super) fn full_value(
        &self,
        known: &Known<'_>,
        secrets: &[&str],
    ) -> Result<Vec<u8>, SecretFault> {
        let alone = known.input.alone.filter(|_| self.overlap.is_none());
        let mut secrets = alone.map_or_else(|| secrets.to_vec(), |alone| vec![alone]);
        if self.newest_first {
            secrets.reverse();
        }
        let mut out = Vec::with_capacity(160);
        for (place, secret) in secrets.into_iter().enumerate() {
            let template = match (place, &self.overlap) {
                (0, _) => &self.value,
                (_, Some(overlap)) => overlap,
                (_, None) => break,
            };
            let known = Known { secret, ..*known };
            let signature = self.sign(secret, |value| known.value(value))?;
            let known = Known {
                signature: &signature,
                ..known
            };
            let filled = template.fill(|value| Some(known.value(value).unwrap_or_default()));
            out.extend_from_slice(&filled.unwrap_or_default());
        }
        Ok(out)
    }

    /// The signature itself. A value that the event does not have is empty.
    pub(super) fn sign<'a>(
        &self,
        secret: &str,
        mut resolve: impl FnMut(&Value) -> Option<Cow<'a, [u8]>>,
    ) -> Result<String, SecretFault> {
        let signed = self
            .signed
            .fill(|value| Some(resolve(value).unwrap_or_default()))
            .unwrap_or_default();
        let key = || self.key.of(secret);
        let bytes = match self.algorithm {
            Algorithm::HmacSha256 => mac::<Hmac<Sha256>>(&key()?, [&*signed].into_iter()),
            Algorithm::HmacSha1 => mac::<Hmac<Sha1>>(&key()?, [&*signed].into_iter()),
            Algorithm::HmacSha512 => mac::<Hmac<Sha512>>(&key()?, [&*signed].into_iter()),
            Algorithm::Sha256 => Sha256::digest(&signed).to_vec(),
            Algorithm::Sha1 => Sha1::digest(&signed).to_vec(),
            Algorithm::Sha512 => Sha512::digest(&signed).to_vec(),
            Algorithm::Ed25519 => pair_of(PairKind::Ed25519, secret)?.sign(&signed),
            Algorithm::EcdsaP256Sha256 => pair_of(PairKind::P256, secret)?.sign(&signed),
        };
        Ok(self.encoding.encode(&bytes))
    }

    /// Whether it can be made with `secret`.
    pub(super) fn check_secret(&self, secret: &str) -> Result<(), SecretFault> {
        if let Some(kind) = self.algorithm.pair_kind() {
            return pair_of(kind, secret).map(|_| ());
        }
        match KeyPair::parse(secret) {
            Some(_) if self.uses_secret() => Err(SecretFault::KeyPair),
            _ if self.algorithm.is_plain_hash() => Ok(()),
            _ => self.key.of(secret).map(|_| ()),
        }
    }

    /// Whether it proves anything: a plain hash without the secret does not.
    pub(super) fn uses_secret(&self) -> bool {
        !self.algorithm.is_plain_hash() || self.signed.mentions(&Value::Secret)
    }

    /// Whether it covers the body.
    pub(super) fn covers_body(&self) -> bool {
        self.signed.mentions(&Value::Body) || self.signed.mentions(&Value::FormFields)
    }

    /// How long a signature is, in characters; `None` where that varies.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn chars(&self) -> Option<usize> {
        Some(self.encoding.chars(self.algorithm.bytes()?))
    }
}

/// The pair that a secret is.
fn pair_of(kind: PairKind, secret: &str) -> Result<KeyPair, SecretFault> {
    let pair = KeyPair::parse(secret).filter(|pair| pair.kind() == kind);
    pair.ok_or(match kind {
        PairKind::Ed25519 => SecretFault::NoPair,
        PairKind::P256 => SecretFault::NoP256Pair,
    })
}

/// The value of `webhook-signature` (Standard Webhooks 1.0, "Signature scheme"): a signature for each of `secrets` that is a key
/// of the specification's, `v1` for a [`shared_key`], `v1a` for a [`KeyPair`] of Ed25519; `None` if none is.
pub(super) fn standard_webhooks<'a>(
    id: &str,
    timestamp: &str,
    body: &[u8],
    secrets: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let signed = standard_webhooks_signed(id, timestamp, body);
    let mut value = String::new();
    for secret in secrets {
        let (version, signature) = if let Some(key) = shared_key(secret) {
            ("v1,", mac::<Hmac<Sha256>>(&key, signed.into_iter()))
        } else if let Ok(pair) = pair_of(PairKind::Ed25519, secret) {
            ("v1a,", pair.sign(&signed.concat()))
        } else {
            continue;
        };
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(version);
        BASE64.encode_string(signature, &mut value);
    }
    (!value.is_empty()).then_some(value)
}

/// What is signed, in pieces.
pub(super) fn standard_webhooks_signed<'a>(
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

fn mac<'a, M: Mac + KeyInit>(key: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for piece in pieces {
        mac.update(piece);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEXT_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn signed<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<String> {
        standard_webhooks(ID, "1614265330", BODY, secrets.into_iter())
    }

    #[test]
    fn the_published_standard_webhooks_vector_comes_out() {
        assert_eq!(
            signed([SECRET]).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn both_secrets_are_listed_old_first_and_the_reference_accepts_either() {
        let value = signed([SECRET, NEXT_SECRET]).unwrap();
        let expected: Vec<String> = [SECRET, NEXT_SECRET]
            .map(|secret| {
                standardwebhooks::Webhook::new(secret)
                    .unwrap()
                    .sign(ID, 1_614_265_330, BODY)
                    .unwrap()
            })
            .to_vec();
        assert_eq!(value, expected.join(" "));
    }

    #[test]
    fn a_key_pair_signs_beside_a_shared_secret() {
        let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let of_pair = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        assert_eq!(signed([pair]).unwrap(), of_pair);
        let both = signed([SECRET, "no key", pair]).unwrap();
        assert_eq!(
            both,
            format!("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= {of_pair}")
        );
    }

    #[test]
    fn every_spelling_of_a_key_verifies_with_the_reference_and_nothing_else_signs() {
        let key: Vec<u8> = [0xfb, 0xff].into_iter().chain(0..23).collect();
        let text = BASE64.encode(&key);
        let verifies = |given: &str, at_the_receiver: &str| {
            let value = signed([given]).unwrap();
            let reference = standardwebhooks::Webhook::new(at_the_receiver).unwrap();
            let expected = reference.sign(ID, 1_614_265_330, BODY).unwrap();
            assert_eq!(value, expected, "{given}");
        };
        for given in [text.clone(), format!("whsec_{text}")] {
            verifies(&given, &given);
        }
        // The reference wants the standard alphabet and padding, which is the same key.
        let url_safe = URL_SAFE.encode(&key);
        for given in [
            &url_safe,
            text.trim_end_matches('='),
            url_safe.trim_end_matches('='),
        ] {
            verifies(given, &text);
        }
        for wrong in ["whsec_abc123...", "my-secret-key", &format!("{text} ")] {
            assert_eq!(signed([wrong]), None, "{wrong}");
        }
    }

    fn made(
        algorithm: &str,
        encoding: &str,
        secret: &str,
        signed: &str,
    ) -> Result<String, SecretFault> {
        let named = |name: &str| {
            Algorithm::ALL
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1
        };
        let written = |name: &str| {
            Encoding::ALL
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1
        };
        let signature = Signature {
            algorithm: named(algorithm),
            encoding: written(encoding),
            key: Key::default(),
            signed: Template::parse(signed).unwrap(),
            name: None,
            header: None,
            value: Template::of(Value::Signature),
            overlap: None,
            newest_first: false,
        };
        let made = signature.sign(secret, |_| {
            Some(Cow::Borrowed(b"what do ya want for nothing?"))
        });
        if let Ok(made) = &made {
            let decoded = signature.encoding.decode(made).unwrap();
            if let Some(bytes) = signature.algorithm.bytes() {
                assert_eq!(decoded.len(), bytes);
                assert_eq!(signature.chars(), Some(made.len()));
            }
        }
        made
    }

    /// RFC 2202 section 3 and RFC 4231 section 4.3: key `Jefe`. The plain hashes are those of FIPS 180's example `abc`, that of
    /// Ed25519 is RFC 8032's first.
    #[test]
    fn each_algorithm_and_encoding_matches_its_published_vector() {
        for (algorithm, encoding, expected) in [
            (
                "hmac-sha1",
                "hex",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                "hmac-sha1",
                "HEX",
                "EFFCDF6AE5EB2FA2D27416D5F184DF9C259A7C79",
            ),
            (
                "hmac-sha256",
                "hex",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            ("hmac-sha1", "base64", "7/zfauXrL6LSdBbV8YTfnCWafHk="),
            ("hmac-sha1", "base64url", "7_zfauXrL6LSdBbV8YTfnCWafHk"),
            (
                "hmac-sha1",
                "base64url-padded",
                "7_zfauXrL6LSdBbV8YTfnCWafHk=",
            ),
            (
                "hmac-sha1",
                "base64-of-hex",
                "ZWZmY2RmNmFlNWViMmZhMmQyNzQxNmQ1ZjE4NGRmOWMyNTlhN2M3OQ==",
            ),
            (
                "hmac-sha512",
                "hex",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            assert_eq!(
                made(algorithm, encoding, "Jefe", "{body}").unwrap(),
                expected
            );
        }
        for (algorithm, expected) in [
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(made(algorithm, "hex", "no key", "abc").unwrap(), expected);
        }
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
        let pair = KeyPair::from_seed(seed.try_into().unwrap());
        assert_eq!(
            made("ed25519", "hex", &pair.secret(), "").unwrap(),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
        let shared = made("ed25519", "hex", "Jefe", "");
        assert_eq!(shared, Err(SecretFault::NoPair));
        // RFC 6979 appendix A.2.5, with r and s in DER.
        let key = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let p256 = KeyPair::of_kind(PairKind::P256, key.unwrap().try_into().unwrap());
        assert_eq!(
            made("ecdsa-p256-sha256", "hex", &p256.secret(), "sample").unwrap(),
            concat!(
                "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
            )
        );
        let other = made("ecdsa-p256-sha256", "hex", &pair.secret(), "");
        assert_eq!(other, Err(SecretFault::NoP256Pair));
        let other = made("ed25519", "hex", &p256.secret(), "");
        assert_eq!(other, Err(SecretFault::NoPair));
    }
}

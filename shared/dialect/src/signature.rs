//! Signatures: the dialects' own, by template, and that of Standard Webhooks 1.0.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::Signer;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{
    key_pair::KeyPair,
    secret::shared_key,
    template::{Template, Values},
};

/// A signature header of a dialect's own.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    /// What is signed.
    pub(super) signed: Template,
    pub(super) header: HeaderName,
    /// The header's value.
    pub(super) value: Template,
    /// What is appended to the value for each newer secret while a rotation's overlap lasts; without it the oldest signs alone.
    pub(super) overlap: Option<Template>,
}

/// A keyed hash (RFC 2104).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

impl Algorithm {
    /// Its name in files and answers.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}

/// How a signature's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// In lower case.
    Hex,
    /// With the standard alphabet and padding (RFC 4648 section 4).
    Base64,
}

impl Signature {
    /// The header's value: signed with `secret`, and with the newer ones as well where the value has room for several.
    pub(super) fn header_value(
        &self,
        values: Values<'_>,
        secret: &str,
        newer_secrets: &[&str],
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        self.append(&self.value, values, secret, &mut out);
        if let Some(overlap) = &self.overlap {
            for newer_secret in newer_secrets {
                self.append(overlap, values, newer_secret, &mut out);
            }
        }
        out
    }

    fn append(&self, template: &Template, values: Values<'_>, secret: &str, out: &mut Vec<u8>) {
        let signature = self.sign(values, secret);
        let values = Values {
            signature: &signature,
            ..values
        };
        for piece in template.fill(values) {
            out.extend_from_slice(piece);
        }
    }

    /// The signature itself.
    pub(super) fn sign(&self, values: Values<'_>, secret: &str) -> String {
        let key = secret.as_bytes();
        let signed = self.signed.fill(values);
        let mac = match self.algorithm {
            Algorithm::HmacSha256 => mac::<Hmac<Sha256>>(key, signed),
            Algorithm::HmacSha1 => mac::<Hmac<Sha1>>(key, signed),
            Algorithm::HmacSha512 => mac::<Hmac<Sha512>>(key, signed),
        };
        match self.encoding {
            Encoding::Hex => hex::encode(mac),
            Encoding::Base64 => BASE64.encode(mac),
        }
    }

    /// How long a signature is, in characters.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn chars(&self) -> usize {
        let bytes = match self.algorithm {
            Algorithm::HmacSha1 => 20,
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha512 => 64,
        };
        match self.encoding {
            Encoding::Hex => 2 * bytes,
            Encoding::Base64 => bytes.div_ceil(3) * 4,
        }
    }
}

/// The value of `webhook-signature` (Standard Webhooks 1.0, "Signature scheme"): a signature for each of `secrets` that is a key
/// of the specification's, `v1` for a [`shared_key`], `v1a` for a [`KeyPair`]; `None` if none is.
pub(super) fn standard_webhooks<'a>(
    values: Values<'_>,
    secrets: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let signed = standard_webhooks_signed(values);
    let mut value = String::new();
    for secret in secrets {
        let (version, signature) = if let Some(key) = shared_key(secret) {
            ("v1,", mac::<Hmac<Sha256>>(&key, signed.into_iter()))
        } else if let Some(pair) = KeyPair::parse(secret) {
            let signature = pair.signing_key().sign(&signed.concat());
            ("v1a,", signature.to_bytes().to_vec())
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
pub(super) fn standard_webhooks_signed<'a>(values: Values<'a>) -> [&'a [u8]; 5] {
    [
        values.id.as_bytes(),
        b".",
        values.timestamp.as_bytes(),
        b".",
        values.body,
    ]
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

    const VALUES: Values<'_> = Values {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        body: br#"{"test": 2432232314}"#,
        event_type: "",
        delivery_id: "",
        signature: "",
    };

    #[test]
    fn the_published_standard_webhooks_vector_comes_out() {
        assert_eq!(
            standard_webhooks(VALUES, [SECRET].into_iter()).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn both_secrets_are_listed_old_first_and_the_reference_accepts_either() {
        let value = standard_webhooks(VALUES, [SECRET, NEXT_SECRET].into_iter()).unwrap();
        let expected: Vec<String> = [SECRET, NEXT_SECRET]
            .map(|secret| {
                standardwebhooks::Webhook::new(secret)
                    .unwrap()
                    .sign(VALUES.id, 1_614_265_330, VALUES.body)
                    .unwrap()
            })
            .to_vec();
        assert_eq!(value, expected.join(" "));
    }

    #[test]
    fn a_key_pair_signs_beside_a_shared_secret() {
        let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let of_pair = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        assert_eq!(
            standard_webhooks(VALUES, std::iter::once(pair)).unwrap(),
            of_pair
        );
        let both = standard_webhooks(VALUES, [SECRET, "no key", pair].into_iter()).unwrap();
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
            let value = standard_webhooks(VALUES, std::iter::once(given)).unwrap();
            let reference = standardwebhooks::Webhook::new(at_the_receiver).unwrap();
            let expected = reference
                .sign(VALUES.id, 1_614_265_330, VALUES.body)
                .unwrap();
            assert_eq!(value, expected, "{given}");
        };
        for given in [text.clone(), format!("whsec_{text}")] {
            verifies(&given, &given);
        }
        // The reference wants the standard alphabet and padding, which is the same key.
        let url_safe = base64::engine::general_purpose::URL_SAFE.encode(&key);
        for given in [
            &url_safe,
            text.trim_end_matches('='),
            url_safe.trim_end_matches('='),
        ] {
            verifies(given, &text);
        }
        for wrong in ["whsec_abc123...", "my-secret-key", &format!("{text} ")] {
            assert_eq!(
                standard_webhooks(VALUES, std::iter::once(wrong)),
                None,
                "{wrong}"
            );
        }
    }

    /// RFC 2202 section 3 and RFC 4231 section 4.3: key `Jefe`.
    #[test]
    fn each_algorithm_and_encoding_matches_its_published_vector() {
        let body = b"what do ya want for nothing?";
        for (algorithm, encoding, expected) in [
            (
                Algorithm::HmacSha1,
                Encoding::Hex,
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                Algorithm::HmacSha256,
                Encoding::Hex,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                Algorithm::HmacSha1,
                Encoding::Base64,
                "7/zfauXrL6LSdBbV8YTfnCWafHk=",
            ),
            (
                Algorithm::HmacSha512,
                Encoding::Hex,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let signature = Signature {
                algorithm,
                encoding,
                signed: Template::parse("{body}", &[super::super::template::Variable::Body])
                    .unwrap(),
                header: HeaderName::from_static("x-signature"),
                value: Template::parse(
                    "{signature}",
                    &[super::super::template::Variable::Signature],
                )
                .unwrap(),
                overlap: None,
            };
            let values = Values { body, ..VALUES };
            assert_eq!(
                signature.header_value(values, "Jefe", &["unused"]),
                expected.as_bytes()
            );
        }
    }
}

//! Verifying: the inverse of signing, for tools that receive.
//!
//! A signature header's value is read back by its template. That gives the signatures in it and, where they stand there, the
//! time and the ids that they cover; what does not is in the dialect's other headers. The signature is then made anew with each
//! secret, and compared in constant time.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::Verifier as _;
use http::{HeaderMap, HeaderName};
use p256::{ecdsa::DerSignature, pkcs8::DecodePublicKey as _};
use subtle::ConstantTimeEq;

use super::{
    Dialect,
    attempt::{form_fields, url_parts},
    headers::{Headers, WEBHOOK_SIGNATURE},
    key_pair::{KeyPair, PUBLIC_PREFIX, PairKind},
    read::{text, told_of},
    signature::{Signature, standard_webhooks, standard_webhooks_signed},
    value::{TimeForm, Value},
};

/// A request as it was received, and what its receiver knows. Has no `Debug`, because of the secrets.
#[derive(Clone, Copy)]
pub struct VerifyInput<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The request's method.
    pub method: &'a str,
    /// The webhook's URL, as far as the receiver knows it: empty if it does not.
    pub url: &'a str,
    /// The tenant's id, likewise.
    pub tenant: &'a str,
    /// The webhook's id, likewise.
    pub webhook_id: &'a str,
    /// The secrets that may have signed: several while one takes another's place. A key pair's public key does too.
    pub secrets: &'a [String],
    /// The receiver's clock, in seconds since the Unix epoch.
    pub now_s: u64,
    /// By how much the signed time may differ from it, either way, in seconds.
    pub tolerance_s: u64,
}

/// Where a signature, or the secret itself, stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In this header.
    Header(HeaderName),
    /// In the body, as this value.
    Body(String),
}

impl SignaturePlace {
    /// The header, if it is in one.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Body(_) => None,
        }
    }
}

impl fmt::Display for SignaturePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => name.fmt(f),
            Self::Body(value) => write!(f, "{value} in the body"),
        }
    }
}

/// One signature, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureCheck {
    /// Where it stands.
    pub place: SignaturePlace,
    /// What came of it.
    pub result: Result<Verified, SignatureFault>,
}

/// A signature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Which of the secrets has signed, from 0.
    pub secret: usize,
    /// Which of the header's signatures it is, from 0.
    pub signature: usize,
    /// The time that is signed, if one is, in seconds since the Unix epoch.
    pub timestamp_s: Option<u64>,
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is no such header or member, or it is no text.
    #[error("missing from the request")]
    Missing,
    /// Its value cannot be read.
    #[error("the header's value is not of the form {form}")]
    Form {
        /// What it should look like.
        form: String,
    },
    /// It covers something that the request does not say.
    #[error("it covers `{{{value}}}`, and the request does not say what that is")]
    Untold {
        /// What.
        value: String,
    },
    /// It covers something that receivers know without the request, and this one does not.
    #[error("it covers `{{{value}}}`, which the request does not say: name it with `--{flag}`")]
    Unknown {
        /// What.
        value: String,
        /// The flag of tools that says it.
        flag: &'static str,
    },
    /// Signed with another secret, or over another body.
    #[error("another secret has signed it, or the body is not byte for byte what was signed")]
    Mismatch,
    /// It holds, and is old: somebody may have sent it again.
    #[error("it was made {age_s} s ago, and {tolerance_s} s are tolerated")]
    Stale {
        /// How old.
        age_s: u64,
        /// What is tolerated.
        tolerance_s: u64,
    },
    /// It holds, and comes from the future: one of the clocks is wrong.
    #[error(
        "it was made {ahead_s} s from now, and {tolerance_s} s are tolerated; is a clock wrong?"
    )]
    Ahead {
        /// How far ahead.
        ahead_s: u64,
        /// What is tolerated.
        tolerance_s: u64,
    },
    /// No secret is one that Standard Webhooks can verify with.
    #[error(
        "no secret given is a key of Standard Webhooks: base64 of 24 to 64 bytes, with or without `whsec_` in front, or a public key, `whpk_`"
    )]
    NoKey,
}

impl Dialect {
    /// Checks each signature that a request of this dialect has: its own first, that of Standard Webhooks last.
    ///
    /// None at all if this dialect signs nothing with such a secret. The signature of Standard Webhooks counts as missing only
    /// if one of the secrets is a key for it.
    #[must_use]
    pub fn verify(&self, input: &VerifyInput<'_>) -> Vec<SignatureCheck> {
        self.verify_all(input)
    }
}

const TIMESTAMP: Value = Value::AttemptTime(TimeForm::UnixSeconds);

impl VerifyInput<'_> {
    /// What its receiver knows of a value without reading the request, and the flag that says it; `None` for what only a request says.
    fn known(&self, value: &Value) -> Option<(Cow<'_, [u8]>, &'static str)> {
        let (text, flag) = match value {
            Value::Url => (self.url, "url"),
            Value::Host => (url_parts(self.url).0, "url"),
            Value::Path if self.url.is_empty() => ("", "url"),
            Value::Path => (url_parts(self.url).1, "url"),
            Value::Tenant => (self.tenant, "tenant"),
            Value::WebhookId => (self.webhook_id, "webhook-id"),
            Value::Method => (self.method, "method"),
            Value::Body => return Some((Cow::Borrowed(self.body), "body")),
            Value::FormFields => return Some((Cow::Owned(form_fields(self.body)), "body")),
            _ => return None,
        };
        Some((Cow::Borrowed(text.as_bytes()), flag))
    }
}

impl Dialect {
    /// `value` is what stands in a header or in the body.
    fn verify_own(
        &self,
        signature: &Signature,
        value: Option<&str>,
        told: &[(Value, &str)],
        input: &VerifyInput<'_>,
    ) -> Result<Verified, SignatureFault> {
        let value = value.ok_or(SignatureFault::Missing)?;
        let mut known = signature.read(value).ok_or_else(|| SignatureFault::Form {
            form: match signature.chars() {
                Some(chars) => {
                    format!(
                        "`{}`, with a signature of {chars} characters",
                        signature.value
                    )
                }
                None => format!("`{}`", signature.value),
            },
        })?;
        let given: Vec<&str> = known
            .iter()
            .filter_map(|(value, text)| (*value == Value::Signature).then_some(*text))
            .collect();
        known.extend_from_slice(told);
        let find = |value: &Value| -> Option<Cow<'_, [u8]>> {
            if let Some(text) = told_of(&known, value) {
                return Some(Cow::Borrowed(text.as_bytes()));
            }
            if let Some((known, flag)) = input.known(value)
                && (flag == "body" || !known.is_empty())
            {
                return Some(known);
            }
            let in_data = || match value {
                Value::Data(path) => self.envelope.data_value(input.body, path),
                _ => None,
            };
            match self.envelope.text_of(input.body, value).or_else(in_data) {
                Some(text) => Some(Cow::Owned(text.into_bytes())),
                // What an event lacks is empty where it is signed.
                None if matches!(value, Value::Data(_) | Value::Metadata(_)) => {
                    Some(Cow::Borrowed(b"".as_slice()))
                }
                None => None,
            }
        };
        let untold = signature
            .signed
            .values()
            .find(|value| **value != Value::Secret && find(value).is_none());
        if let Some(untold) = untold {
            let value = untold.to_string();
            return Err(match input.known(untold) {
                Some((_, flag)) => SignatureFault::Unknown { value, flag },
                None => SignatureFault::Untold { value },
            });
        }
        let time = signature.signed.values().find_map(|value| match value {
            Value::AttemptTime(form) => Some((*form, find(value)?)),
            _ => None,
        });
        let time = time.map(|(form, text)| (form, String::from_utf8_lossy(&text).into_owned()));
        verified(input, &given, time, |secret, given| {
            let resolve = |value: &Value| match value {
                Value::Secret => Some(Cow::Owned(secret.as_bytes().to_vec())),
                value => find(value),
            };
            if let Some(kind) = signature.algorithm.pair_kind() {
                let signed = signature.signed.fill(resolve).unwrap_or_default();
                let public = PublicKey::parse(kind, secret);
                let public = public
                    .or_else(|| PublicKey::parse(kind, &KeyPair::parse(secret)?.public_key()));
                let given = signature.encoding.decode(given);
                return public
                    .zip(given)
                    .is_some_and(|(public, given)| public.verifies(&signed, &given));
            }
            signature
                .sign(secret, resolve)
                .is_ok_and(|made| same(&made, given))
        })
    }

    fn verify_all(&self, input: &VerifyInput<'_>) -> Vec<SignatureCheck> {
        let told = self.headers.told(input.headers);
        let own = self.headers.signatures.iter().filter_map(|signature| {
            let (place, value) = self.value_of(signature, &told, input)?;
            let result = self.verify_own(signature, value.as_deref(), &told, input);
            Some(SignatureCheck { place, result })
        });
        let standard = self
            .headers
            .standard_webhooks
            .then(|| verify_standard(&told, input))
            .flatten()
            .map(|result| SignatureCheck {
                place: SignaturePlace::Header(WEBHOOK_SIGNATURE),
                result,
            });
        own.chain(self.headers.verify_tokens(input))
            .chain(self.verify_member(input))
            .chain(standard)
            .collect()
    }

    /// Where a signature stands, and what stands there: in a header of its own, in another header or in the body, by its name.
    fn value_of<'h>(
        &self,
        signature: &Signature,
        told: &[(Value, &'h str)],
        input: &VerifyInput<'h>,
    ) -> Option<(SignaturePlace, Option<Cow<'h, str>>)> {
        if let Some(header) = &signature.header {
            let value = text(input.headers, header).map(Cow::Borrowed);
            return Some((SignaturePlace::Header(header.clone()), value));
        }
        let named = Value::SignatureOf(Arc::clone(signature.name.as_ref()?));
        let mut own = self.headers.own.iter();
        if let Some((header, _)) = own.find(|(_, template)| template.mentions(&named)) {
            let value = told_of(told, &named).map(Cow::Borrowed);
            return Some((SignaturePlace::Header(header.clone()), value));
        }
        let value = self.envelope.text_of(input.body, &named).map(Cow::Owned);
        Some((SignaturePlace::Body(named.to_string()), value))
    }

    /// The secret itself, where the body has it.
    fn verify_member(&self, input: &VerifyInput<'_>) -> Option<SignatureCheck> {
        let values = self.envelope.root.values();
        values.into_iter().find(|value| **value == Value::Secret)?;
        let given = self.envelope.text_of(input.body, &Value::Secret);
        let result = match &given {
            Some(given) => verified(input, &[given], None, same),
            None => Err(SignatureFault::Missing),
        };
        let place = SignaturePlace::Body(Value::Secret.to_string());
        Some(SignatureCheck { place, result })
    }

    /// Whether nothing of its deliveries proves who sends them.
    #[must_use]
    pub fn proves_nothing(&self) -> bool {
        !self.headers.standard_webhooks && !self.headers.has_own_proof()
    }

    /// The signatures that anybody can make, since neither a key nor what is signed is secret: each by its header, as that is spelled,
    /// or else by its name.
    pub fn unproven_signatures(&self) -> impl Iterator<Item = &str> {
        let signatures = self.headers.signatures.iter();
        let unproven = signatures.filter(|signature| !signature.uses_secret());
        unproven.filter_map(|signature| match &signature.header {
            Some(header) => Some(self.headers.spelled(header)),
            None => signature.name.as_deref(),
        })
    }
}

impl Headers {
    /// The headers that have the secret itself.
    fn verify_tokens<'a>(
        &'a self,
        input: &'a VerifyInput<'_>,
    ) -> impl Iterator<Item = SignatureCheck> + 'a {
        let tokens = self
            .own
            .iter()
            .filter(|(_, template)| template.mentions(&Value::Secret));
        tokens.map(|(header, template)| {
            let check = || {
                let value = text(input.headers, header).ok_or(SignatureFault::Missing)?;
                let mut found = Vec::new();
                let rest = template.read(value, None, &mut found);
                let given: Vec<&str> = match (rest, told_of(&found, &Value::Secret)) {
                    (Some(""), Some(given)) => vec![given],
                    _ => {
                        let form = format!("`{template}`");
                        return Err(SignatureFault::Form { form });
                    }
                };
                verified(input, &given, None, same)
            };
            SignatureCheck {
                place: SignaturePlace::Header(header.clone()),
                result: check(),
            }
        })
    }
}

impl Signature {
    /// What stands in the header's value; `None` if it is not of this form.
    fn read<'h>(&self, value: &'h str) -> Option<Vec<(Value, &'h str)>> {
        let mut found = Vec::new();
        let mut rest = self.value.read(value, self.chars(), &mut found)?;
        while !rest.is_empty() {
            let overlap = self.overlap.as_ref()?;
            rest = overlap.read(rest, self.chars(), &mut found)?;
        }
        Some(found)
    }
}

/// Checks `webhook-signature`; `None` if it is neither there nor to be expected.
fn verify_standard(
    told: &[(Value, &str)],
    input: &VerifyInput<'_>,
) -> Option<Result<Verified, SignatureFault>> {
    let signs = |secret: &str| standard_webhooks("", "", b"", std::iter::once(secret)).is_some();
    let public = |secret: &str| PublicKey::parse(PairKind::Ed25519, secret);
    let is_key = |secret: &String| signs(secret) || public(secret).is_some();
    let has_key = input.secrets.iter().any(is_key);
    let Some(value) = text(input.headers, &WEBHOOK_SIGNATURE) else {
        return has_key.then_some(Err(SignatureFault::Missing));
    };
    if !has_key {
        return Some(Err(SignatureFault::NoKey));
    }
    let covered = |value: &Value| {
        told_of(told, value).ok_or_else(|| SignatureFault::Untold {
            value: value.to_string(),
        })
    };
    let result = covered(&Value::Id).and_then(|id| {
        let timestamp = covered(&TIMESTAMP)?;
        let signatures: Vec<&str> = value.split_ascii_whitespace().collect();
        let time = Some((TimeForm::UnixSeconds, timestamp.to_owned()));
        verified(input, &signatures, time, |secret, signature| {
            let Some(public) = public(secret) else {
                let made = standard_webhooks(id, timestamp, input.body, std::iter::once(secret));
                return made.is_some_and(|made| same(&made, signature));
            };
            let signed = standard_webhooks_signed(id, timestamp, input.body).concat();
            let signature = signature.strip_prefix("v1a,");
            let signature = signature.and_then(|signature| BASE64.decode(signature).ok());
            signature.is_some_and(|signature| public.verifies(&signed, &signature))
        })
    });
    Some(result)
}

/// Compares in constant time.
fn same(made: &str, received: &str) -> bool {
    made.as_bytes().ct_eq(received.as_bytes()).into()
}

/// Finds the secret that `holds` for one of `signatures`, and checks the time that it covers.
fn verified(
    input: &VerifyInput<'_>,
    signatures: &[&str],
    time: Option<(TimeForm, String)>,
    holds: impl Fn(&str, &str) -> bool,
) -> Result<Verified, SignatureFault> {
    let found = input
        .secrets
        .iter()
        .enumerate()
        .find_map(|(place, secret)| {
            let holds = |signature: &&str| holds(secret, signature);
            Some((place, signatures.iter().position(holds)?))
        });
    let (secret, signature) = found.ok_or(SignatureFault::Mismatch)?;
    let timestamp_s = time
        .map(|(form, text)| fresh(form, &text, input))
        .transpose()?;
    Ok(Verified {
        secret,
        signature,
        timestamp_s,
    })
}

/// The signed time, within what is tolerated.
fn fresh(form: TimeForm, time: &str, input: &VerifyInput<'_>) -> Result<u64, SignatureFault> {
    let VerifyInput {
        now_s, tolerance_s, ..
    } = *input;
    let timestamp_s = form
        .read_seconds(time)
        .ok_or_else(|| SignatureFault::Form {
            form: "a time, as the dialect writes it".to_owned(),
        })?;
    let (age_s, ahead_s) = (
        now_s.saturating_sub(timestamp_s),
        timestamp_s.saturating_sub(now_s),
    );
    if age_s > tolerance_s {
        return Err(SignatureFault::Stale { age_s, tolerance_s });
    }
    if ahead_s > tolerance_s {
        return Err(SignatureFault::Ahead {
            ahead_s,
            tolerance_s,
        });
    }
    Ok(timestamp_s)
}

/// The public half, as a receiver has it.
enum PublicKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Reads what [`KeyPair::public_key`](super::KeyPair::public_key) writes of a pair of this kind; `None` for anything else.
    fn parse(kind: PairKind, text: &str) -> Option<Self> {
        match kind {
            PairKind::Ed25519 => {
                let bytes = BASE64.decode(text.strip_prefix(PUBLIC_PREFIX)?).ok()?;
                let bytes = bytes.as_slice().try_into().ok()?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes);
                key.ok().map(Self::Ed25519)
            }
            PairKind::P256 => {
                let bytes = BASE64.decode(text).ok()?;
                let key = p256::ecdsa::VerifyingKey::from_public_key_der(&bytes);
                key.ok().map(Self::P256)
            }
        }
    }

    /// Whether the pair has signed `signed`.
    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signed, &signature).is_ok()),
            Self::P256(key) => DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(signed, &signature).is_ok()),
        }
    }
}

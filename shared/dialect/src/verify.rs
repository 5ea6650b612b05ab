//! Verifying: the inverse of signing, for tools that receive.
//!
//! A signature header's value is read back by its template. That gives the signatures in it and, where they stand there, the
//! time and the ids that they cover; what does not is in the dialect's other headers. The signature is then made anew with each
//! secret, and compared in constant time.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature as Ed25519, Verifier as _, VerifyingKey};
use http::{HeaderMap, HeaderName};
use subtle::ConstantTimeEq;

use super::{
    Dialect,
    headers::{Headers, WEBHOOK_SIGNATURE},
    key_pair::PUBLIC_PREFIX,
    read::{text, told_of},
    signature::{Signature, standard_webhooks, standard_webhooks_signed},
    template::{Values, Variable},
};

/// A request as it was received, and what its receiver knows. Has no `Debug`, because of the secrets.
#[derive(Clone, Copy)]
pub struct VerifyInput<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The secrets that may have signed: several while one takes another's place. A key pair's public key, `whpk_`, does too.
    pub secrets: &'a [String],
    /// The receiver's clock, in seconds since the Unix epoch.
    pub now_s: u64,
    /// By how much the signed time may differ from it, either way, in seconds.
    pub tolerance_s: u64,
}

/// One signature header, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureCheck {
    /// The header.
    pub header: HeaderName,
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
    /// There is no such header, or it is no text.
    #[error("the header is missing")]
    Missing,
    /// Its value cannot be read.
    #[error("the header's value is not of the form {form}")]
    Form {
        /// What it should look like.
        form: String,
    },
    /// It covers something that no header says.
    #[error("it covers the {variable}, and no header says what that is")]
    Untold {
        /// What.
        variable: &'static str,
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
        self.headers.verify(input)
    }
}

/// The signature of Standard Webhooks; `None` if `secret` is no key for it.
fn standard(values: Values<'_>, secret: &str) -> Option<String> {
    standard_webhooks(values, std::iter::once(secret))
}

impl Headers {
    fn verify(&self, input: &VerifyInput<'_>) -> Vec<SignatureCheck> {
        let told = self.told(input.headers);
        let own = self.signatures.iter().map(|signature| SignatureCheck {
            header: signature.header.clone(),
            result: signature.verify(&told, input),
        });
        let standard = self
            .standard_webhooks
            .then(|| verify_standard(&told, input))
            .flatten()
            .map(|result| SignatureCheck {
                header: WEBHOOK_SIGNATURE,
                result,
            });
        own.chain(standard).collect()
    }
}

impl Signature {
    fn verify(
        &self,
        told: &[(Variable, &str)],
        input: &VerifyInput<'_>,
    ) -> Result<Verified, SignatureFault> {
        let value = text(input.headers, &self.header).ok_or(SignatureFault::Missing)?;
        let mut known = self.read(value).ok_or_else(|| SignatureFault::Form {
            form: format!(
                "`{}`, with a signature of {} characters",
                self.value,
                self.chars()
            ),
        })?;
        let signatures: Vec<&str> = known
            .iter()
            .filter_map(|(variable, value)| (*variable == Variable::Signature).then_some(*value))
            .collect();
        known.extend(told);
        let covered = |variable: Variable| match told_of(&known, variable) {
            None if self.signed.mentions(variable) => Err(untold(variable)),
            value => Ok(value.unwrap_or_default()),
        };
        let values = Values {
            id: covered(Variable::Id)?,
            event_type: covered(Variable::EventType)?,
            delivery_id: covered(Variable::DeliveryId)?,
            timestamp: covered(Variable::Timestamp)?,
            body: input.body,
            signature: "",
        };
        let timestamp = self
            .signed
            .mentions(Variable::Timestamp)
            .then_some(values.timestamp);
        verified(input, &signatures, timestamp, |secret, signature| {
            same(&self.sign(values, secret), signature)
        })
    }

    /// What stands in the header's value; `None` if it is not of this form.
    fn read<'h>(&self, value: &'h str) -> Option<Vec<(Variable, &'h str)>> {
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
    told: &[(Variable, &str)],
    input: &VerifyInput<'_>,
) -> Option<Result<Verified, SignatureFault>> {
    let is_key = |secret: &String| {
        standard(Values::default(), secret).is_some() || PublicKey::parse(secret).is_some()
    };
    let has_key = input.secrets.iter().any(is_key);
    let Some(value) = text(input.headers, &WEBHOOK_SIGNATURE) else {
        return has_key.then_some(Err(SignatureFault::Missing));
    };
    if !has_key {
        return Some(Err(SignatureFault::NoKey));
    }
    let covered = |variable| told_of(told, variable).ok_or_else(|| untold(variable));
    let result = covered(Variable::Id).and_then(|id| {
        let timestamp = covered(Variable::Timestamp)?;
        let values = Values {
            id,
            timestamp,
            body: input.body,
            ..Values::default()
        };
        let signatures: Vec<&str> = value.split_ascii_whitespace().collect();
        verified(input, &signatures, Some(timestamp), |secret, signature| {
            let Some(public) = PublicKey::parse(secret) else {
                return standard(values, secret).is_some_and(|made| same(&made, signature));
            };
            let signed = standard_webhooks_signed(values).concat();
            let signature = signature.strip_prefix("v1a,");
            signature.is_some_and(|signature| public.verifies(&signed, signature))
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
    timestamp: Option<&str>,
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
    let timestamp_s = timestamp.map(|text| fresh(text, input)).transpose()?;
    Ok(Verified {
        secret,
        signature,
        timestamp_s,
    })
}

/// The signed time, within what is tolerated.
fn fresh(timestamp: &str, input: &VerifyInput<'_>) -> Result<u64, SignatureFault> {
    let VerifyInput {
        now_s, tolerance_s, ..
    } = *input;
    let timestamp_s: u64 = timestamp.parse().map_err(|_| SignatureFault::Form {
        form: "a time in seconds since 1970".to_owned(),
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

fn untold(variable: Variable) -> SignatureFault {
    SignatureFault::Untold {
        variable: match variable {
            Variable::Id => "event's id",
            Variable::EventType => "event's type",
            Variable::DeliveryId => "delivery's id",
            Variable::Timestamp => "time of the attempt",
            Variable::Body | Variable::Signature => variable.name(),
        },
    }
}

/// The public half, as a receiver has it.
struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads what [`KeyPair::public_key`](super::KeyPair::public_key) writes; `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.strip_prefix(PUBLIC_PREFIX)?).ok()?;
        let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().ok()?);
        key.ok().map(Self)
    }

    /// Whether the pair has signed `signed`; `signature` is in base64.
    fn verifies(&self, signed: &[u8], signature: &str) -> bool {
        let bytes = BASE64.decode(signature).ok();
        let signature = bytes.and_then(|bytes| Ed25519::from_slice(&bytes).ok());
        signature.is_some_and(|signature| self.0.verify(signed, &signature).is_ok())
    }
}

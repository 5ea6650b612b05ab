//! The header fields of a POST: fixed ones, the dialect's own, its signatures, and those of Standard Webhooks 1.0.

use http::{
    HeaderName, HeaderValue,
    header::{CONTENT_TYPE, InvalidHeaderValue, USER_AGENT},
};
use uuid::Uuid;

use super::{
    key_pair::KeyPair,
    secret::{SecretFault, shared_key},
    signature::{Signature, standard_webhooks},
    template::{Template, Values},
};

pub(super) const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Of W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers of Standard Webhooks 1.0.
pub(super) static STANDARD_WEBHOOKS: [HeaderName; 3] =
    [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];

/// What an attempt's headers are made of. Has no `Debug`, because of the secrets.
#[derive(Clone, Copy)]
pub struct SignInput<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// The event's type, as it goes on the wire.
    pub event_type: &'a str,
    /// The delivery's UUID.
    pub delivery_id: Uuid,
    /// The attempt's wall-clock time, in seconds since the Unix epoch.
    pub timestamp_s: u64,
    /// The body, byte for byte as sent.
    pub body: &'a [u8],
    /// The secret that signs; during a rotation's overlap the oldest one.
    pub secret: &'a str,
    /// The newer secrets during a rotation's overlap, oldest first: they sign as well, wherever a header has room for several
    /// signatures.
    pub newer_secrets: &'a [&'a str],
    /// The trace that the attempt belongs to, as its header says it.
    pub traceparent: Option<&'a str>,
}

/// Why an attempt has no headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// An id or type with a character that no header value can have.
    #[error("the value of the header `{0}` has a character that no header can have")]
    Value(HeaderName),
    /// It would go out unsigned, or signed with what must not sign.
    #[error("nothing can sign it: the secret {0}")]
    Secret(SecretFault),
}

/// What a dialect says of headers.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    pub(super) user_agent: HeaderValue,
    pub(super) own: Vec<(HeaderName, Template)>,
    pub(super) signatures: Vec<Signature>,
    /// The names of `own` and `signatures`, as they are spelled over HTTP/1.1.
    pub(super) spelled: Vec<String>,
    pub(super) standard_webhooks: bool,
}

impl<'a> SignInput<'a> {
    /// All secrets that may sign, the oldest first.
    fn secrets(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.secret).chain(self.newer_secrets.iter().copied())
    }
}

impl Headers {
    /// The headers that depend on the dialect: its own, its signatures, those of Standard Webhooks.
    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let own = self.own.iter().map(|(name, _)| name);
        let signatures = self.signatures.iter().map(|signature| &signature.header);
        let standard = self.standard_webhooks.then_some(&STANDARD_WEBHOOKS);
        own.chain(signatures).chain(standard.into_iter().flatten())
    }

    fn spelled<'h>(&'h self, name: &'h HeaderName) -> &'h str {
        let mut spelled = self.spelled.iter();
        let spelled = spelled.find(|spelled| spelled.eq_ignore_ascii_case(name.as_str()));
        spelled.map_or(name.as_str(), String::as_str)
    }

    /// The headers that sign with `secret`, each with its scheme.
    pub(super) fn signed_with(&self, secret: &str) -> Vec<(&str, &'static str)> {
        let own = self.signatures.iter();
        let own = own.map(|signature| {
            let spelled = self.spelled(&signature.header);
            (spelled, signature.algorithm.scheme())
        });
        let standard = if !self.standard_webhooks {
            None
        } else if KeyPair::parse(secret).is_some() {
            Some("v1a")
        } else {
            shared_key(secret).map(|_| "v1")
        };
        own.chain(standard.map(|scheme| (STANDARD_WEBHOOKS[2].as_str(), scheme)))
            .collect()
    }

    /// The headers that sign a request, each with its scheme; `sent` has the values of headers by their names in lower case.
    pub(super) fn signed_in<'a>(
        &'a self,
        sent: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<(&'a str, &'static str)> {
        let own = self.signatures.iter();
        let own = own.filter(|signature| sent(signature.header.as_str()).is_some());
        let own = own.map(|signature| {
            let spelled = self.spelled(&signature.header);
            (spelled, signature.algorithm.scheme())
        });
        let standard = STANDARD_WEBHOOKS[2].as_str();
        let value = sent(standard).filter(|_| self.standard_webhooks);
        let schemes = ["v1", "v1a"].into_iter().filter(|scheme| {
            let mut signatures = value.into_iter().flat_map(|value| value.split(' '));
            signatures.any(|one| one.split_once(',').is_some_and(|(name, _)| name == *scheme))
        });
        own.chain(schemes.map(|scheme| (standard, scheme)))
            .collect()
    }

    /// The fields of an attempt.
    ///
    /// # Errors
    /// When a value cannot be one, or nothing would sign although the dialect has a signature.
    pub(super) fn fields(
        &self,
        input: &SignInput<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, HeaderFault> {
        let mut delivery_id = Uuid::encode_buffer();
        let timestamp = input.timestamp_s.to_string();
        let values = Values {
            id: input.event_id,
            event_type: input.event_type,
            delivery_id: input
                .delivery_id
                .hyphenated()
                .encode_lower(&mut delivery_id),
            timestamp: &timestamp,
            body: input.body,
            signature: "",
        };

        let mut fields = Vec::with_capacity(5 + self.own.len() + self.signatures.len());
        fields.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        fields.push((USER_AGENT, self.user_agent.clone()));
        for (name, template) in &self.own {
            let value = template.fill(values).collect::<Vec<_>>().concat();
            fields.push(field(name, HeaderValue::try_from(value))?);
        }
        let is_pair = |secret| KeyPair::parse(secret).is_some();
        if !self.signatures.is_empty() && input.secrets().any(is_pair) {
            return Err(HeaderFault::Secret(SecretFault::KeyPair));
        }
        for signature in &self.signatures {
            let value = signature.header_value(values, input.secret, input.newer_secrets);
            fields.push(field(&signature.header, HeaderValue::try_from(value))?);
        }
        if self.standard_webhooks {
            fields.push(field(&WEBHOOK_ID, HeaderValue::from_str(input.event_id))?);
            fields.push(field(
                &WEBHOOK_TIMESTAMP,
                HeaderValue::from_str(&timestamp),
            )?);
            match standard_webhooks(values, input.secrets()) {
                Some(value) => {
                    fields.push(field(&WEBHOOK_SIGNATURE, HeaderValue::try_from(value))?);
                }
                None if self.signatures.is_empty() => {
                    return Err(HeaderFault::Secret(SecretFault::NoKey));
                }
                None => {}
            }
        }
        if let Some(traceparent) = input.traceparent {
            fields.push(field(&TRACEPARENT, HeaderValue::from_str(traceparent))?);
        }
        Ok(fields)
    }
}

fn field(
    name: &HeaderName,
    value: Result<HeaderValue, InvalidHeaderValue>,
) -> Result<(HeaderName, HeaderValue), HeaderFault> {
    match value {
        Ok(value) => Ok((name.clone(), value)),
        Err(_) => Err(HeaderFault::Value(name.clone())),
    }
}

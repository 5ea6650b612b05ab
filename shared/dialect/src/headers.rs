//! The header fields of a POST: fixed ones, the dialect's own, its signatures, and those of Standard Webhooks 1.0.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use http::{
    HeaderName, HeaderValue,
    header::{CONTENT_TYPE, InvalidHeaderValue, USER_AGENT},
};

use super::{
    attempt::{Known, SignInput},
    envelope::Node,
    key_pair::KeyPair,
    secret::{SecretFault, shared_key},
    signature::{Signature, standard_webhooks},
    stored::Stored,
    template::Template,
    value::{TimeForm, Value},
};

pub(super) const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Of W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers of Standard Webhooks 1.0.
pub(super) static STANDARD_WEBHOOKS: [HeaderName; 3] =
    [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];

/// Header fields, each name once.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

/// A request of an attempt.
#[derive(Clone)]
pub struct SignedRequest<'a> {
    /// The header fields, each name once. Those with a secret are marked as sensitive.
    pub headers: Fields,
    /// The body, byte for byte as it is to be sent.
    pub body: Cow<'a, [u8]>,
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
    pub(super) content_type: HeaderValue,
    pub(super) user_agent: HeaderValue,
    pub(super) own: Vec<(HeaderName, Template)>,
    pub(super) signatures: Vec<Signature>,
    /// The names of `own` and `signatures`, as they are spelled over HTTP/1.1.
    pub(super) spelled: Vec<String>,
    pub(super) standard_webhooks: bool,
    /// Whether a header or the body has the secret itself.
    pub(super) sends_secret: bool,
}

impl Headers {
    /// The headers that depend on the dialect: its own, its signatures, those of Standard Webhooks.
    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let own = self.own.iter().map(|(name, _)| name);
        let signatures = self.signatures.iter();
        let signatures = signatures.filter_map(|signature| signature.header.as_ref());
        let standard = self.standard_webhooks.then_some(&STANDARD_WEBHOOKS);
        own.chain(signatures).chain(standard.into_iter().flatten())
    }

    /// Whether something of the dialect's own proves who sends.
    pub(super) fn has_own_proof(&self) -> bool {
        self.sends_secret || self.signatures.iter().any(Signature::uses_secret)
    }

    /// The headers that prove something, each with its scheme, the standard's apart.
    fn own_proofs(&self) -> impl Iterator<Item = (&HeaderName, &'static str)> {
        let templates = self.own.iter().filter_map(|(name, template)| {
            let signs = template.values().find_map(|value| match value {
                Value::SignatureOf(name) => Some(self.scheme_of(name)),
                Value::Secret => Some("token"),
                _ => None,
            });
            Some((name, signs?))
        });
        let signatures = self.signatures.iter().filter_map(|signature| {
            let header = signature.header.as_ref()?;
            Some((header, signature.algorithm.scheme()))
        });
        signatures.chain(templates)
    }

    /// What `signature` covers, and neither a header nor a body of `root` says to receivers, who cannot know it otherwise.
    pub(super) fn untold<'a>(&self, signature: &'a Signature, root: &Node) -> Option<&'a Value> {
        let own = self.own.iter().flat_map(|(_, template)| template.values());
        let told = own.chain(signature.value.values()).chain(root.values());
        let told: HashSet<&Value> = told.collect();
        let is_told = |value: &Value| {
            let by_standard = match value {
                Value::Id => true,
                Value::AttemptTime(form) => *form == TimeForm::UnixSeconds,
                _ => false,
            };
            told.contains(value) || self.standard_webhooks && by_standard
        };
        let mut covered = signature.signed.values();
        covered.find(|value| value.must_be_told() && !is_told(value))
    }

    fn scheme_of(&self, name: &str) -> &'static str {
        let mut signatures = self.signatures.iter();
        let found = signatures.find(|signature| signature.name.as_deref() == Some(name));
        found.map_or("", |signature| signature.algorithm.scheme())
    }

    /// A header's name as it is spelled over HTTP/1.1.
    pub(super) fn spelled<'h>(&'h self, name: &'h HeaderName) -> &'h str {
        let mut spelled = self.spelled.iter();
        let spelled = spelled.find(|spelled| spelled.eq_ignore_ascii_case(name.as_str()));
        spelled.map_or(name.as_str(), String::as_str)
    }

    /// The names of the same, as they are spelled over HTTP/1.1.
    pub(super) fn spelled_names(&self) -> impl Iterator<Item = &str> {
        self.names().map(|name| self.spelled(name))
    }

    /// The headers that sign with these secrets, each with its scheme.
    pub(super) fn signed_with(&self, secrets: &[&str]) -> Vec<(&str, &'static str)> {
        let own = self.own_proofs();
        let own = own.map(|(name, scheme)| (self.spelled(name), scheme));
        let has = |is_key: fn(&str) -> bool| {
            self.standard_webhooks && secrets.iter().any(|secret| is_key(secret))
        };
        let v1 = has(|secret| shared_key(secret).is_some()).then_some("v1");
        let v1a = has(|secret| KeyPair::parse(secret).is_some()).then_some("v1a");
        let standard = v1.into_iter().chain(v1a);
        own.chain(standard.map(|scheme| (STANDARD_WEBHOOKS[2].as_str(), scheme)))
            .collect()
    }

    /// The headers that sign a request, each with its scheme; `sent` has the values of headers by their names in lower case.
    pub(super) fn signed_in<'a>(
        &'a self,
        sent: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<(&'a str, &'static str)> {
        let own = self.own_proofs();
        let own = own.filter(|(name, _)| sent(name.as_str()).is_some());
        let own = own.map(|(name, scheme)| (self.spelled(name), scheme));
        let standard = STANDARD_WEBHOOKS[2].as_str();
        let value = sent(standard).filter(|_| self.standard_webhooks);
        let schemes = ["v1", "v1a"].into_iter().filter(|scheme| {
            let mut signatures = value.into_iter().flat_map(|value| value.split(' '));
            signatures.any(|one| one.split_once(',').is_some_and(|(name, _)| name == *scheme))
        });
        own.chain(schemes.map(|scheme| (standard, scheme)))
            .collect()
    }

    /// The request of an attempt; `event_type` as it goes on the wire.
    ///
    /// # Errors
    /// When a value cannot be one, or nothing would sign although the dialect has a signature.
    pub(super) fn request<'a>(
        &self,
        input: &SignInput<'a>,
        event_type: &str,
        token: &str,
    ) -> Result<SignedRequest<'a>, HeaderFault> {
        let stored = Stored::read(input.body);
        let known = Known {
            input,
            event_type,
            stored: &stored,
            body: b"",
            secret: input.alone.unwrap_or(input.secret),
            signature: "",
            signatures: &[],
            token,
        };
        let secrets: Vec<&str> = input.secrets().collect();
        self.check_pairs(&secrets)?;
        let mut signatures = Vec::new();
        self.add_named(&known, &secrets, false, &mut signatures)?;
        let inner = Known {
            signatures: &signatures,
            ..known
        };
        let body = stored.filled(|name, _| {
            let value = Value::parse(name);
            value
                .and_then(|value| inner.text(&value))
                .unwrap_or_default()
        });
        let known = Known {
            body: &body,
            ..known
        };
        let mut of_body = Vec::new();
        self.add_named(&known, &secrets, true, &mut of_body)?;
        signatures.extend(of_body);
        let known = Known {
            signatures: &signatures,
            ..known
        };
        let headers = self.fields(&known, &secrets)?;
        Ok(SignedRequest { headers, body })
    }

    /// No HMAC's key is the text of a private key, and no receiver gets one.
    fn check_pairs(&self, secrets: &[&str]) -> Result<(), HeaderFault> {
        let has_pair = secrets
            .iter()
            .any(|secret| KeyPair::parse(secret).is_some());
        let takes_text = |signature: &Signature| {
            signature.algorithm.pair_kind().is_none() && signature.uses_secret()
        };
        if has_pair && (self.sends_secret || self.signatures.iter().any(takes_text)) {
            return Err(HeaderFault::Secret(SecretFault::KeyPair));
        }
        Ok(())
    }

    /// Adds the values of the signatures with names, those over the body or the others.
    fn add_named(
        &self,
        known: &Known<'_>,
        secrets: &[&str],
        of_body: bool,
        signatures: &mut Vec<(Arc<str>, String)>,
    ) -> Result<(), HeaderFault> {
        for signature in &self.signatures {
            if let Some(name) = &signature.name
                && signature.covers_body() == of_body
            {
                let value = signature.full_value(known, secrets);
                let value = value.map_err(HeaderFault::Secret)?;
                let value = String::from_utf8_lossy(&value).into_owned();
                signatures.push((Arc::clone(name), value));
            }
        }
        Ok(())
    }

    fn fields(&self, known: &Known<'_>, secrets: &[&str]) -> Result<Fields, HeaderFault> {
        let input = known.input;
        let mut fields = Vec::with_capacity(6 + self.own.len() + self.signatures.len());
        fields.push((CONTENT_TYPE, self.content_type.clone()));
        fields.push((USER_AGENT, self.user_agent.clone()));
        for (name, template) in &self.own {
            // What the event does not have leaves its header out.
            if let Some(value) = template.fill(|value| known.value(value)) {
                let (name, mut value) = field(name, HeaderValue::try_from(value))?;
                // The log leaves out the values that are marked so, and HTTP/2 keeps them out of its tables.
                value.set_sensitive(template.mentions(&Value::Secret));
                fields.push((name, value));
            }
        }
        for signature in &self.signatures {
            if let Some(header) = &signature.header {
                let value = signature.full_value(known, secrets);
                let value = value.map_err(HeaderFault::Secret)?;
                fields.push(field(header, HeaderValue::try_from(value))?);
            }
        }
        if self.standard_webhooks {
            let timestamp = (input.time_ms / 1000).to_string();
            fields.push(field(&WEBHOOK_ID, HeaderValue::from_str(input.event_id))?);
            fields.push(field(
                &WEBHOOK_TIMESTAMP,
                HeaderValue::from_str(&timestamp),
            )?);
            match standard_webhooks(input.event_id, &timestamp, known.body, input.secrets()) {
                Some(value) => {
                    fields.push(field(&WEBHOOK_SIGNATURE, HeaderValue::try_from(value))?);
                }
                None if !self.has_own_proof() => {
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

/// Whether a header's value is printable ASCII: what else there may be, receivers read as they please.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
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

//! What an attempt knows: the values that its headers, its signatures and the marks of its body are filled with.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{stored::Stored, value::Value};

/// What an attempt's request is made of. Has no `Debug`, because of the secrets.
#[derive(Clone, Copy)]
pub struct SignInput<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// The event's type, by the name the catalogue has.
    pub event_type: &'a str,
    /// The delivery's UUID.
    pub delivery_id: Uuid,
    /// The webhook's id.
    pub webhook_id: &'a str,
    /// The tenant's id.
    pub tenant: &'a str,
    /// The webhook's URL as it goes on the wire.
    pub url: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The attempt's wall-clock time, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The body in its stored form, as [`Dialect::body`](super::Dialect::body) has made it.
    pub body: &'a [u8],
    /// The secret that signs; during a rotation's overlap the oldest one.
    pub secret: &'a str,
    /// The newer secrets during a rotation's overlap, oldest first: they sign as well, wherever a header has room for several
    /// signatures.
    pub newer_secrets: &'a [&'a str],
    /// The one of these that signs where there is room for one signature only; `None` for the first in the signature's order.
    pub alone: Option<&'a str>,
    /// The trace that the attempt belongs to, as its header says it.
    pub traceparent: Option<&'a str>,
}

impl Default for SignInput<'_> {
    fn default() -> Self {
        Self {
            event_id: "",
            event_type: "",
            delivery_id: Uuid::nil(),
            webhook_id: "",
            tenant: "",
            url: "",
            method: "POST",
            attempt: 1,
            time_ms: 0,
            body: b"",
            secret: "",
            newer_secrets: &[],
            alone: None,
            traceparent: None,
        }
    }
}

impl<'a> SignInput<'a> {
    /// All secrets that may sign, the oldest first.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.secret).chain(self.newer_secrets.iter().copied())
    }
}

/// What is known while a request is put together.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) input: &'a SignInput<'a>,
    /// As it goes on the wire.
    pub(super) event_type: &'a str,
    pub(super) stored: &'a Stored<'a>,
    /// As it goes on the wire, once it is known.
    pub(super) body: &'a [u8],
    /// The one that signs.
    pub(super) secret: &'a str,
    /// The one that is being written.
    pub(super) signature: &'a str,
    /// The whole values of those that have names.
    pub(super) signatures: &'a [(Arc<str>, String)],
    /// The token of a challenge.
    pub(super) token: &'a str,
}

impl<'a> Known<'a> {
    /// A value's bytes; `None` if the event has none.
    pub(super) fn value(&self, value: &Value) -> Option<Cow<'a, [u8]>> {
        match value {
            Value::Body => Some(Cow::Borrowed(self.body)),
            Value::FormFields => Some(Cow::Owned(form_fields(self.body))),
            value => self.text(value).map(|text| match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
        }
    }

    /// A value that is a text. `None` if the event has none.
    pub(super) fn text(&self, value: &Value) -> Option<Cow<'a, str>> {
        let input = self.input;
        Some(match value {
            Value::Id => Cow::Borrowed(input.event_id),
            Value::Type => Cow::Borrowed(self.event_type),
            Value::DeliveryId => Cow::Owned(input.delivery_id.to_string()),
            Value::WebhookId => Cow::Borrowed(input.webhook_id),
            Value::Tenant => Cow::Borrowed(input.tenant),
            Value::Attempt => Cow::Owned(input.attempt.to_string()),
            Value::AttemptId => Cow::Owned(attempt_id(input).to_string()),
            Value::AttemptTime(form) => {
                let ms = i64::try_from(input.time_ms).unwrap_or(i64::MAX);
                Cow::Owned(form.write(Timestamp::from_millisecond(ms).unwrap_or_default(), false))
            }
            Value::Url => Cow::Borrowed(input.url),
            Value::Host => Cow::Borrowed(url_parts(input.url).0),
            Value::Path => Cow::Borrowed(url_parts(input.url).1),
            Value::Method => Cow::Borrowed(input.method),
            Value::Secret => Cow::Borrowed(self.secret),
            Value::Signature => Cow::Borrowed(self.signature),
            Value::SignatureOf(name) => {
                let found = self.signatures.iter().find(|(known, _)| known == name);
                Cow::Borrowed(found.map(|(_, value)| value.as_str())?)
            }
            Value::Token => Cow::Borrowed(self.token),
            Value::RequestId | Value::Time(_) | Value::Metadata(_) | Value::Data(_) => {
                Cow::Borrowed(self.stored.value(&value.to_string())?)
            }
            Value::Body | Value::FormFields => return None,
        })
    }
}

/// The same for the same attempt, whoever makes it.
fn attempt_id(input: &SignInput<'_>) -> Uuid {
    let digest = Sha256::new()
        .chain_update(input.delivery_id.as_bytes())
        .chain_update(input.attempt.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The host of a URL with its port, and its path with its query.
pub(super) fn url_parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

/// The fields of a form in the order of their names, each name followed by its value.
pub(super) fn form_fields(body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<_> = form_urlencoded::parse(body).collect();
    fields.sort();
    let mut out = Vec::with_capacity(body.len());
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out
}

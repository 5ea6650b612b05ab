//! Reading: what a request that was received says of itself, for tools that receive.

use http::{HeaderMap, HeaderName};

use super::{
    Dialect, SignInput,
    headers::{Headers, WEBHOOK_ID, WEBHOOK_TIMESTAMP},
    template::Template,
    value::{TimeForm, Value},
};

/// What a request says of itself, as far as its dialect lets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The event's id.
    pub event_id: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
}

impl Dialect {
    /// Whether a request looks like one of this dialect: its own headers are there, and its body has this dialect's members.
    #[must_use]
    pub fn recognises(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let may_lack = |value: &Value| matches!(value, Value::Metadata(_) | Value::Data(_));
        let own = self.headers.own.iter();
        let own = own.filter(|(_, template)| !template.values().any(may_lack));
        let own = own.map(|(name, _)| name);
        let signatures = self.headers.signatures.iter();
        let signatures = signatures.filter_map(|one| one.header.as_ref());
        own.chain(signatures).all(|name| headers.contains_key(name)) && self.envelope.fits(body)
    }

    /// What a request says of itself: in its body or, where that does not say it, in its headers. The type is the one that it is
    /// published by.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap, body: &[u8]) -> Reading {
        let told = self.headers.told(headers);
        let find = |value: &Value| {
            let in_body = self.envelope.text_of(body, value);
            in_body.or_else(|| told_of(&told, value).map(str::to_owned))
        };
        let event_type = find(&Value::Type);
        Reading {
            event_id: find(&Value::Id),
            event_type: event_type.map(|text| self.catalogue.from_the_wire(&text).to_owned()),
        }
    }

    /// Whether its headers or signatures have the event's type in them.
    #[must_use]
    pub fn headers_name_the_type(&self) -> bool {
        let own = self.headers.own.iter().map(|(_, template)| template);
        let signed = self.headers.signatures.iter().map(|one| &one.signed);
        own.chain(signed)
            .any(|template| template.mentions(&Value::Type))
    }
}

impl Dialect {
    /// What headers and signatures have that a request does not say and `input` lacks: the first of `url`, `tenant` and `webhook-id`.
    #[must_use]
    pub fn lacks(&self, input: &SignInput<'_>) -> Option<&'static str> {
        let own = self.headers.own.iter().map(|(_, template)| template);
        let signed = self.headers.signatures.iter().map(|one| &one.signed);
        let values: Vec<&Value> = own.chain(signed).flat_map(Template::values).collect();
        let has = |some: &[Value]| values.iter().any(|value| some.contains(value));
        if input.url.is_empty() && has(&[Value::Url, Value::Host, Value::Path]) {
            Some("url")
        } else if input.tenant.is_empty() && has(&[Value::Tenant]) {
            Some("tenant")
        } else if input.webhook_id.is_empty() && has(&[Value::WebhookId]) {
            Some("webhook-id")
        } else {
            None
        }
    }

    /// Whether a header proves who sends.
    #[must_use]
    pub fn proves_in_headers(&self, secret: &str) -> bool {
        !self.headers.signed_with(&[secret]).is_empty()
    }
}

impl Headers {
    /// What the dialect's own headers say, then those of Standard Webhooks.
    pub(super) fn told<'h>(&self, headers: &'h HeaderMap) -> Vec<(Value, &'h str)> {
        let mut told = Vec::new();
        for (name, template) in &self.own {
            read_whole(template, text(headers, name), &mut told);
        }
        if self.standard_webhooks {
            let of = |name, value| text(headers, &name).map(|text| (value, text));
            told.extend(of(WEBHOOK_ID, Value::Id));
            told.extend(of(
                WEBHOOK_TIMESTAMP,
                Value::AttemptTime(TimeForm::UnixSeconds),
            ));
        }
        told
    }
}

/// What stands for `value`.
pub(super) fn told_of<'h>(told: &[(Value, &'h str)], value: &Value) -> Option<&'h str> {
    let one = told.iter().find(|(known, _)| known == value);
    one.map(|(_, value)| *value)
}

/// A header's value; `None` if it is not there, or no text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn read_whole<'h>(template: &Template, value: Option<&'h str>, told: &mut Vec<(Value, &'h str)>) {
    let mut found = Vec::new();
    let rest = value.and_then(|value| template.read(value, None, &mut found));
    if rest == Some("") {
        told.append(&mut found);
    }
}

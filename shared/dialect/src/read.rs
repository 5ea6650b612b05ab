//! Reading: what a request that was received says of itself, for tools that receive.

use http::{HeaderMap, HeaderName};
use rung_json::{Json, limits::JSON_DEPTH};

use super::{
    Dialect,
    envelope::Source,
    headers::{Headers, WEBHOOK_ID, WEBHOOK_TIMESTAMP},
    template::{Template, Variable},
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
        let own = self.headers.own.iter().map(|(name, _)| name);
        let signatures = self.headers.signatures.iter().map(|one| &one.header);
        own.chain(signatures).all(|name| headers.contains_key(name))
            && parse(body).is_some_and(|body| self.envelope.fits(&body))
    }

    /// What a request says of itself: in its body or, where that does not say it, in its headers.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap, body: &[u8]) -> Reading {
        let told = self.headers.told(headers);
        let body = parse(body);
        let find = |source: &Source, variable: Variable| {
            let in_body = body
                .as_ref()
                .and_then(|body| self.envelope.text_of(body, source));
            in_body
                .or_else(|| told_of(&told, variable))
                .map(str::to_owned)
        };
        Reading {
            event_id: find(&Source::Id, Variable::Id),
            event_type: find(&Source::EventType, Variable::EventType),
        }
    }

    /// Whether its headers or signatures have the event's type in them.
    #[must_use]
    pub fn headers_name_the_type(&self) -> bool {
        let own = self.headers.own.iter().map(|(_, template)| template);
        let signed = self.headers.signatures.iter().map(|one| &one.signed);
        own.chain(signed)
            .any(|template| template.mentions(Variable::EventType))
    }
}

impl Headers {
    /// What the dialect's own headers say, then those of Standard Webhooks.
    pub(super) fn told<'h>(&self, headers: &'h HeaderMap) -> Vec<(Variable, &'h str)> {
        let mut told = Vec::new();
        for (name, template) in &self.own {
            read_whole(template, text(headers, name), &mut told);
        }
        if self.standard_webhooks {
            let of = |name, variable| text(headers, &name).map(|value| (variable, value));
            told.extend(of(WEBHOOK_ID, Variable::Id));
            told.extend(of(WEBHOOK_TIMESTAMP, Variable::Timestamp));
        }
        told
    }
}

/// What stands for `variable`.
pub(super) fn told_of<'h>(told: &[(Variable, &'h str)], variable: Variable) -> Option<&'h str> {
    let one = told.iter().find(|(known, _)| *known == variable);
    one.map(|(_, value)| *value)
}

/// A header's value; `None` if it is not there, or no text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn read_whole<'h>(
    template: &Template,
    value: Option<&'h str>,
    told: &mut Vec<(Variable, &'h str)>,
) {
    let mut found = Vec::new();
    let rest = value.and_then(|value| template.read(value, 0, &mut found));
    if rest == Some("") {
        told.append(&mut found);
    }
}

fn parse(body: &[u8]) -> Option<Json> {
    // The data may be as deep as published data is, and stands inside the body.
    Json::parse(body, JSON_DEPTH + 1).ok()
}

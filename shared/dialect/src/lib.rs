//! Everything that differs between the webhooks that Rung sends: a dialect.
//!
//! A [`Dialect`] is read from a TOML file (`document`, held against the table in `language`, checked by `compile`) and kept in
//! [`Dialects`]. It knows its [`Catalogue`] of event types, makes an event's id and its body (`envelope`; `stored` until an attempt
//! fills in what only an attempt knows), and an attempt's headers and signatures (`headers`, `signature`). What all of these can name
//! is one vocabulary (`value`). Receivers' tools go the other way: they find out what a request is (`read`) and check its
//! signatures (`verify`). All of it is pure: time, chance and secrets are arguments.

mod attempt;
mod catalogue;
mod challenge;
mod compile;
mod described;
mod document;
mod envelope;
mod event_id;
mod fault;
mod headers;
mod key_pair;
pub mod ladder;
mod language;
pub mod limits;
#[cfg(any(feature = "receive", test))]
mod read;
mod registry;
mod reserved;
mod schema;
mod script;
mod secret;
mod signature;
#[cfg(any(feature = "receive", test))]
mod snippet;
mod stored;
mod template;
mod value;
#[cfg(any(feature = "receive", test))]
mod verify;

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use http::HeaderValue;
use rung_json::Json;

pub use self::{
    attempt::SignInput,
    catalogue::{
        Catalogue, EVERY_TYPE, EventType, UnknownPattern, is_event_type, is_reserved_type,
    },
    challenge::{CHALLENGE_TYPE, ChallengeRequest},
    envelope::{BodyFault, EventFacts},
    fault::{DialectFault, DialectFaults},
    headers::{Fields, HeaderFault, SignedRequest},
    key_pair::KeyPair,
    registry::{DEFAULT, Dialects},
    schema::{reference, schema},
    secret::{SecretFault, check_secret_length},
    stored::shown_body,
};
use self::{
    challenge::Challenge, document::Table, envelope::Envelope, event_id::EventIdForm,
    fault::Faults, headers::Headers,
};
#[cfg(any(feature = "receive", test))]
pub use self::{
    challenge::ChallengeAnswer,
    read::Reading,
    snippet::{Language, NoSnippet},
    verify::{SignatureCheck, SignatureFault, SignaturePlace, Verified, VerifyInput},
};
use crate::ladder::{DisableRule, Ladder};

/// What a tenant of a plan may publish; `None` for any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanLimits {
    /// Events in an hour, with each key that has no limit of its own.
    pub events_per_hour: Option<u64>,
    /// Events in a calendar month of UTC.
    pub events_per_month: Option<u64>,
}

/// A way of sending webhooks.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// What tenants and webhooks choose it by.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Where it is documented.
    pub docs: Option<String>,
    /// The file it was read from: a start for one's own.
    pub source: Arc<str>,
    /// How long a receiver has, from DNS to its response's headers, in milliseconds.
    pub timeout_ms: u64,
    /// The largest body, in bytes.
    pub body_limit_bytes: usize,
    /// Whether receivers verify signatures over a body they parsed and wrote again.
    pub reparse_safe: bool,
    /// Whether `410 Gone` disables the webhook.
    pub gone_disables: bool,
    /// Whether `Retry-After` of a 429 or 503 moves the next attempt. Where the webhook is paused instead, it means nothing.
    pub honours_retry_after: bool,
    /// Whether its POSTs go over HTTP/1.1 alone.
    pub http1_only: bool,
    /// Whether a connection serves one POST after the other, unless a webhook has it otherwise.
    pub keep_alive: bool,
    /// Whether a 429, 502, 503 or 504 pauses the webhook, for as long as `Retry-After` says.
    pub throttles: bool,
    /// The waits between attempts.
    pub ladder: Ladder,
    /// When Rung disables a webhook by itself.
    pub disable: DisableRule,
    /// The event types.
    pub catalogue: Catalogue,
    plans: Option<BTreeMap<String, bool>>,
    limits: BTreeMap<String, PlanLimits>,
    success: Vec<RangeInclusive<u16>>,
    give_up: Vec<RangeInclusive<u16>>,
    challenge: Option<Challenge>,
    event_id: EventIdForm,
    headers: Headers,
    envelope: Envelope,
}

impl Dialect {
    /// The same with more event types, each in place of the one of its name, if there is one.
    #[must_use]
    pub fn with_types(&self, types: Vec<EventType>) -> Self {
        Self {
            catalogue: self.catalogue.with(types),
            ..self.clone()
        }
    }

    /// What is wrong with the ladder where the file that it was read from is used.
    #[must_use]
    pub fn ladder_fault(
        &self,
        file: &str,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> DialectFaults {
        let faults = Faults::default();
        let document = document::parse(&self.source, &faults);
        let table = Table::checked(document.get_ref(), false, &faults);
        faults.add(table.place("ladder"), reason, mend);
        faults.in_file(file, &self.source)
    }

    /// The plans that a tenant may have, each with whether it has webhooks; `None` if any plan may be named and all have them.
    #[must_use]
    pub fn plans(&self) -> Option<&BTreeMap<String, bool>> {
        self.plans.as_ref()
    }

    /// Whether a tenant may have `plan`.
    #[must_use]
    pub fn knows_plan(&self, plan: &str) -> bool {
        self.plans
            .as_ref()
            .is_none_or(|plans| plans.contains_key(plan))
    }

    /// What a tenant of `plan` may publish.
    #[must_use]
    pub fn limits(&self, plan: Option<&str>) -> PlanLimits {
        let limits = plan.and_then(|plan| self.limits.get(plan));
        limits.copied().unwrap_or_default()
    }

    /// Whether a tenant of `plan` has webhooks.
    #[must_use]
    pub fn allows_plan(&self, plan: Option<&str>) -> bool {
        let Some(plans) = &self.plans else {
            return true;
        };
        plan.and_then(|plan| plans.get(plan)) == Some(&true)
    }

    /// The statuses of a response that acknowledge a delivery.
    #[must_use]
    pub fn success(&self) -> &[RangeInclusive<u16>] {
        &self.success
    }

    /// Whether a response of `status` acknowledges a delivery.
    #[must_use]
    pub fn is_success(&self, status: u16) -> bool {
        self.success
            .iter()
            .any(|statuses| statuses.contains(&status))
    }

    /// Whether no attempt follows a response of `status`.
    #[must_use]
    pub fn gives_up_on(&self, status: u16) -> bool {
        self.give_up
            .iter()
            .any(|statuses| statuses.contains(&status))
    }

    /// The statuses after which no attempt follows.
    #[must_use]
    pub fn give_up(&self) -> &[RangeInclusive<u16>] {
        &self.give_up
    }

    /// The longest that a delivery can stay on the ladder, in milliseconds, attempts themselves apart.
    #[must_use]
    pub fn longest_ladder_ms(&self) -> u64 {
        self.ladder.longest_ms(self.prolongs_waits())
    }

    /// The longest time that one wait of the ladder can take, in milliseconds. 0 without waits.
    #[must_use]
    pub fn longest_wait_ms(&self) -> u64 {
        self.ladder.longest_wait_ms(self.prolongs_waits())
    }

    /// Whether `Retry-After` prolongs a delivery's own wait: only where no pause serves it.
    #[must_use]
    pub fn prolongs_waits(&self) -> bool {
        self.honours_retry_after && !self.throttles
    }

    /// Whether a response of `status` pauses the webhook.
    #[must_use]
    pub fn is_throttled_by(&self, status: u16) -> bool {
        let is_final = self.is_success(status) || self.gives_up_on(status);
        self.throttles && matches!(status, 429 | 502..=504) && !is_final
    }

    /// An id for an event published without one, of the time `now_ms` (since the Unix epoch) and 128 bits of chance.
    #[must_use]
    pub fn new_event_id(&self, now_ms: u64, random: [u8; 16]) -> String {
        self.event_id.make(now_ms, random)
    }

    /// The language whose serialiser's bytes the body has.
    #[must_use]
    pub fn body_language(&self) -> &'static str {
        self.envelope.script.language()
    }

    /// The body that delivers an event, in its stored form: the bytes themselves, but for what a dialect has that differs from attempt
    /// to attempt. [`request`](Self::request) fills that in; [`shown_body`] shows it to people.
    ///
    /// # Errors
    /// When the event cannot be said in this dialect.
    pub fn body(&self, facts: &EventFacts<'_>) -> Result<Vec<u8>, BodyFault> {
        let event_type = self.catalogue.on_the_wire(facts.event_type);
        self.envelope.body(facts, event_type)
    }

    /// The data that an event was published with, out of its stored body in this dialect.
    #[must_use]
    pub fn data_of(&self, body: &[u8]) -> Option<Json> {
        self.envelope.data(body)
    }

    /// The request of an attempt. `Content-Length` and `Host` are the HTTP client's.
    ///
    /// # Errors
    /// When the event's id or type has a character that no header can have (those that Rung accepts have none), and when no secret
    /// can sign although the dialect has a signature.
    pub fn request<'a>(&self, input: &SignInput<'a>) -> Result<SignedRequest<'a>, HeaderFault> {
        let event_type = self.catalogue.on_the_wire(input.event_type);
        self.headers.request(input, event_type, "")
    }

    /// The headers that sign deliveries with `secrets`, several during a rotation's overlap, each with its scheme: `hmac-sha256` and the
    /// like, or `v1` and `v1a` of Standard Webhooks.
    #[must_use]
    pub fn signed_with(&self, secrets: &[&str]) -> Vec<(&str, &'static str)> {
        self.headers.signed_with(secrets)
    }

    /// The headers that sign a request that was sent, each with its scheme; `sent` has the values of its headers by their names in
    /// lower case.
    #[must_use]
    pub fn signed_in<'a>(
        &'a self,
        sent: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<(&'a str, &'static str)> {
        self.headers.signed_in(sent)
    }

    /// The names of its headers as they are spelled over HTTP/1.1. Those that are in lower case there are left out.
    pub fn spelled_headers(&self) -> impl Iterator<Item = &str> {
        self.headers.spelled.iter().map(String::as_str)
    }

    /// What its POSTs call themselves.
    #[must_use]
    pub fn user_agent(&self) -> &HeaderValue {
        &self.headers.user_agent
    }

    /// Whether what proves the sender has room for one secret's only.
    ///
    /// During a rotation's overlap the first secret then signs alone, and a receiver that has switched answers 401 or 403 to it.
    #[must_use]
    pub fn signs_with_one_secret(&self) -> bool {
        let single = |signature: &signature::Signature| {
            signature.overlap.is_none() && signature.uses_secret()
        };
        self.headers.sends_secret || self.headers.signatures.iter().any(single)
    }

    /// The secret that signs alone when a receiver answers 401 or 403 during a rotation's overlap: the newest, or the oldest where the
    /// newest was the first. `None` where nothing is to be tried: there is one secret, all of them have signed, or this is the second request already.
    #[must_use]
    pub fn second_secret<'a>(&self, input: &SignInput<'a>) -> Option<&'a str> {
        let newest = input.newer_secrets.last().copied()?;
        if input.alone.is_some() || !self.signs_with_one_secret() {
            return None;
        }
        let is_single = |signature: &&signature::Signature| {
            signature.overlap.is_none() && signature.uses_secret()
        };
        let mut single = self.headers.signatures.iter().filter(is_single);
        let has_newest = !self.headers.sends_secret && single.all(|one| one.newest_first);
        Some(if has_newest { input.secret } else { newest })
    }
}

/// Statuses as a dialect's file says them: a class, or one.
#[must_use]
pub fn statuses(statuses: &[RangeInclusive<u16>]) -> String {
    let written = statuses.iter().map(|statuses| {
        if statuses.start() == statuses.end() {
            statuses.start().to_string()
        } else {
            format!("{}xx", statuses.start() / 100)
        }
    });
    written.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

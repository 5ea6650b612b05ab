//! Webhooks: where a tenant wants its events.

use std::{collections::BTreeMap, sync::Arc};

use rung_json::{Json, filter::Filter};
use serde::{Deserialize, Serialize};

pub use super::secret::{OldSecret, Secret, TooManySecrets};
use super::{
    Unknown,
    client_certificate::ClientCertificate,
    id::{TenantId, WebhookId},
    message::AttemptMessage,
    outage::Outage,
    pause::{Cause, Pause},
    stored::Stored,
};

/// Why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "DisabledReason"))]
pub enum Reason {
    /// Disabled by a call of the API.
    Manual,
    /// A delivery's ladder was used up.
    LadderUsedUp,
    /// Too many consecutive attempts failed.
    ConsecutiveFailures,
    /// Attempts failed for too long without a success.
    FailingTooLong,
    /// The receiver responded with `410 Gone`.
    Gone,
    /// The tenant's plan has no webhooks.
    Plan,
    /// Its endpoint is not verified yet.
    Unverified,
}

/// When and why a webhook was disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// Why.
    pub reason: Reason,
    /// The log entries that led to it.
    pub log_ids: Vec<String>,
    /// What a newer version of Rung has stored with it.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Disabled {
    /// Disabled at `at_ms` for this reason.
    #[must_use]
    pub fn new(at_ms: u64, reason: Reason, log_ids: Vec<String>) -> Self {
        Self {
            at_ms,
            reason,
            log_ids,
            unknown: Unknown::new(),
        }
    }
}

/// How a webhook is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Its attempts succeed, or none has been made.
    Healthy,
    /// Attempts have failed since the last success.
    Failing,
    /// Deliveries wait for the end of a pause.
    Paused,
    /// It is disabled.
    Disabled,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Failing, Self::Paused, Self::Disabled];

    /// Those that a webhook is listed by: pauses end by themselves, when nobody writes.
    pub const LISTED: [Self; 3] = [Self::Healthy, Self::Failing, Self::Disabled];

    /// Its public name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

/// An endpoint of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// Subscribed patterns, as given: types, groups, prefixes or `*`.
    pub events: Vec<String>,
    /// Of those events, which payloads it takes; `None` for all.
    pub filter: Option<Filter>,
    /// Most deliveries a second; `None` for any number.
    pub rate_limit: Option<u32>,
    /// The time of the last change of the rate limit, in milliseconds, and higher with each. Places in the pace of another epoch were
    /// given under another limit, and hold no more.
    pub pace_epoch: u64,
    /// How many of its deliveries are under way at once at most, from each process that delivers; `None` for [`MAX_IN_FLIGHT`](crate::limits::MAX_IN_FLIGHT).
    pub max_in_flight: Option<u32>,
    /// Whether a connection to it serves one delivery after the other; `None` for what [`Webhook::keeps_alive`] makes of its dialect.
    pub keep_alive: Option<bool>,
    /// A name for people.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// What its deliveries are signed with.
    pub secret: Secret,
    /// What was replaced by rotations and may still sign, oldest first.
    pub old_secrets: Vec<OldSecret>,
    /// Its own static headers.
    pub headers: BTreeMap<String, String>,
    /// More of them, whose values are credentials.
    pub secret_headers: BTreeMap<String, Secret>,
    /// What its deliveries present to a receiver that asks who connects; `None` for nothing.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The tenant's own data about it, an object: as given, since numbers may be more than a double holds.
    pub metadata: Json,
    /// The dialect it speaks.
    pub dialect: String,
    /// Whether its endpoint must echo a challenge before it gets events.
    pub challenge: bool,
    /// `None` while it is active.
    pub disabled: Option<Disabled>,
    /// When it was last disabled before that, in milliseconds.
    pub disabled_before_ms: Option<u64>,
    /// Since when its attempts fail, if they do. One that began before `enabled_ms` is of the past.
    pub outage: Option<Stored<Outage>>,
    /// Its last pause, which may be over. One of another epoch is of the past.
    pub pause: Option<Stored<Pause>>,
    /// The time of its making in milliseconds, and one more for each disabling. A message of another epoch belongs to a time
    /// before one, or to an earlier webhook of the same id.
    pub epoch: u64,
    /// The epoch that it was made with. What is older belongs to an earlier webhook of the same id.
    pub first_epoch: u64,
    /// Counts its changes, for writing only what was read.
    pub revision: u64,
    /// Since when it is active without interruption, in milliseconds.
    pub enabled_ms: u64,
    /// When it was made, in milliseconds.
    pub created_ms: u64,
}

/// What publishing knows of a webhook: which events it is for. There is no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The webhook's id.
    pub id: WebhookId,
    /// Subscribed patterns, as given: types, groups, prefixes or `*`.
    pub events: Vec<String>,
    /// Of those events, which payloads it takes; `None` for all.
    pub filter: Option<Filter>,
    /// The dialect it speaks.
    pub dialect: String,
    /// Whether events are sent to it; else it misses them.
    pub is_active: bool,
    /// As the webhook has it.
    pub epoch: u64,
}

impl Webhook {
    /// Whether a connection serves one delivery after the other, where its dialect has it so or not. A server that handles one connection at a
    /// time waits for an idle one to end, and meanwhile a new one, as retries have it, is not answered.
    #[must_use]
    pub fn keeps_alive(&self, in_dialect: bool) -> bool {
        let at_once = self.max_in_flight != Some(1);
        self.keep_alive.unwrap_or(in_dialect && at_once)
    }

    /// Activates it at `now_ms`. Its failures are forgotten.
    pub fn activate(&mut self, now_ms: u64) {
        self.disabled_before_ms = self.last_disabled_ms();
        self.disabled = None;
        self.enabled_ms = now_ms;
    }

    /// When it was last disabled, in milliseconds, be it active again or not.
    #[must_use]
    pub fn last_disabled_ms(&self) -> Option<u64> {
        let disabled = self.disabled.as_ref().map(|disabled| disabled.at_ms);
        disabled.or(self.disabled_before_ms)
    }

    /// How it is disabled, if this entry of the log is among those that led to it.
    #[must_use]
    pub fn disabled_after(&self, log_id: &str) -> Option<&Disabled> {
        let disabled = self.disabled.as_ref();
        disabled.filter(|disabled| disabled.log_ids.iter().any(|id| id == log_id))
    }

    /// The same as it stands once it is written: its revision is one higher.
    #[must_use]
    pub fn written(self) -> Self {
        Self {
            revision: self.revision + 1,
            ..self
        }
    }

    /// Since when its attempts fail, in milliseconds, if it is active and they do.
    #[must_use]
    pub fn failing_since_ms(&self) -> Option<u64> {
        let outage = self.outage.as_ref().map(|stored| &stored.value);
        let present = outage.filter(|outage| outage.since_ms >= self.enabled_ms);
        let since_ms = present.map(|outage| outage.since_ms);
        since_ms.filter(|_| self.disabled.is_none())
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.disabled.is_some() {
            Health::Disabled
        } else if self.failing_since_ms().is_some() {
            Health::Failing
        } else {
            Health::Healthy
        }
    }

    /// Whether a message of `epoch` may be posted to it.
    #[must_use]
    pub fn takes(&self, epoch: u64) -> bool {
        self.disabled.is_none() && self.epoch == epoch
    }

    /// Sets the rate limit. A changed one begins a pace of its own: what waits for its place takes another.
    pub fn set_rate_limit(&mut self, limit: Option<u32>, now_ms: u64) {
        if limit != self.rate_limit {
            self.rate_limit = limit;
            self.pace_epoch = now_ms.max(self.pace_epoch + 1);
        }
    }

    /// Whether it takes more deliveries a second than it did `before`.
    #[must_use]
    pub fn is_faster_than(&self, before: &Self) -> bool {
        let most = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        most(self.rate_limit) > most(before.rate_limit)
    }

    /// The place of a message in the webhook's pace, in milliseconds; `None` before it took one under the limit in force.
    #[must_use]
    pub fn place_of(&self, message: &AttemptMessage) -> Option<u64> {
        let holds = self.rate_limit.is_some() && message.pace_epoch == self.pace_epoch;
        message.place_ms.filter(|_| holds)
    }

    /// Until when a message waits for a place, in milliseconds. One that was given under another limit is waited for as well: what was
    /// to come sooner since the limit was raised has come as a copy then, and took a place of its own.
    fn waits_until_ms(&self, message: &AttemptMessage) -> u64 {
        let place_ms = message.place_ms.filter(|_| self.rate_limit.is_some());
        place_ms.unwrap_or(0)
    }

    /// Its pause, unless that was before the webhook was last disabled. It may be over.
    #[must_use]
    pub fn present_pause(&self) -> Option<&Pause> {
        let pause = self.pause.as_ref().map(|stored| &stored.value);
        pause.filter(|pause| pause.epoch == self.epoch && self.disabled.is_none())
    }

    /// The pause that stood when it was last disabled, which ended it. Nobody has changed it since.
    #[must_use]
    pub fn pause_cut_short(&self) -> Option<&Pause> {
        let pause = self.pause.as_ref().map(|stored| &stored.value);
        pause.filter(|pause| pause.epoch < self.epoch && pause.ended_ms.is_none())
    }

    /// From when on its failures count as one outage, in milliseconds: since it was enabled, or its maintenance window is over.
    #[must_use]
    pub fn tried_since_ms(&self) -> u64 {
        let pause = self.present_pause();
        let window = pause.filter(|pause| pause.cause == Cause::Manual);
        let over_ms = window.map(|window| window.ended_ms.unwrap_or(u64::MAX).min(window.until_ms));
        self.enabled_ms.max(over_ms.unwrap_or(0))
    }

    /// Pauses it from `now_ms` until `until_ms`, in place of the pause that it has. One that ends then stays as it is.
    pub fn pause_until(&mut self, until_ms: u64, now_ms: u64) {
        let known = self.pause.as_ref().map(|stored| &stored.value);
        let standing = known.filter(|known| known.stands(self.epoch));
        if standing.is_none_or(|standing| standing.until_ms != until_ms) {
            let window = Pause::by_hand(known, self.epoch, now_ms, until_ms);
            self.pause = Some(Stored::of(window));
        }
    }

    /// Ends its pause at `now_ms`, if it has one.
    pub fn end_pause(&mut self, now_ms: u64) {
        let known = self.pause.as_ref().map(|stored| &stored.value);
        let standing = known.filter(|known| known.stands(self.epoch));
        if let Some(ended) = standing.map(|standing| standing.ended_by_hand(now_ms)) {
            self.pause = Some(Stored::of(ended));
        }
    }

    /// The pause that people are told of at `now_ms` (of the wall clock, `wall_ms`).
    #[must_use]
    pub fn paused(&self, now_ms: u64, wall_ms: u64) -> Option<&Pause> {
        self.present_pause()
            .filter(|pause| pause.lasts(now_ms, wall_ms))
    }

    /// How it is doing at `now_ms` (of the wall clock, `wall_ms`).
    #[must_use]
    pub fn health_at(&self, now_ms: u64, wall_ms: u64) -> Health {
        self.paused(now_ms, wall_ms)
            .map_or_else(|| self.health(), |_| Health::Paused)
    }

    /// Whether what is due may be waiting for its pause, or for its turn after that.
    #[must_use]
    pub fn holds_back(&self, now_ms: u64, wall_ms: u64) -> bool {
        let pause = self.present_pause();
        pause.is_some_and(|pause| pause.holds_back(now_ms, wall_ms))
    }

    /// When the attempt of a message may be made, in milliseconds: when it is due, its place has come, and its turn behind the pause.
    #[must_use]
    pub fn earliest_ms(&self, message: &AttemptMessage) -> u64 {
        let pause = self.present_pause().map(|pause| pause.id);
        let turn = message.turn.filter(|turn| Some(turn.pause) == pause);
        let turn_ms = turn.map_or(0, |turn| turn.at_ms);
        message
            .position
            .due_ms
            .max(self.waits_until_ms(message))
            .max(turn_ms)
    }
}

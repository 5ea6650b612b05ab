//! A webhook as clients see it.

use std::collections::BTreeMap;

use rung_base::clock::Clock;
use rung_core::domain::{
    pause::Cause,
    stats::Last,
    time::Time,
    webhook::{Disabled, Health, Reason, Webhook},
};
use rung_dialect::{Dialects, KeyPair};
use rung_json::{Json, filter::Filter};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{client_certificate::ClientCertificateView, secrets::Signing};

/// An endpoint of a tenant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(crate) struct WebhookView<'a> {
    id: &'a str,
    tenant_id: &'a str,
    url: &'a str,
    events: &'a [String],
    /// An event pattern over `data`.
    #[schemars(with = "Option<Map<String, Value>>")]
    filter: Option<&'a Filter>,
    rate_limit_per_second: Option<u32>,
    /// Most deliveries under way at once from each process; null for 100.
    max_in_flight: Option<u32>,
    /// Whether a connection serves one delivery after the other; null for as the dialect has it.
    keep_alive: Option<bool>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    #[schemars(extend("enum" = ["active", "disabled"]))]
    status: &'static str,
    created_at: Time,
    dialect: &'a str,
    signing: Signing,
    /// What really signs its deliveries.
    signatures: Vec<SignatureView<'a>>,
    /// What receivers verify with when a key pair signs: that of the pair in force, else of the newest one that signs on.
    public_key: Option<String>,
    /// Those of replaced key pairs that sign on, oldest first.
    old_public_keys: Vec<String>,
    /// The end of a rotation's overlap.
    old_secret_expires_at: Option<Time>,
    headers: &'a BTreeMap<String, String>,
    /// The names of secret headers; their values are never shown.
    secret_headers: Vec<&'a str>,
    /// What deliveries present to a receiver that demands a client certificate; null for nothing. The key is never shown.
    client_certificate: Option<ClientCertificateView<'a>>,
    #[schemars(with = "Map<String, Value>")]
    metadata: &'a Json,
    challenge: bool,
    health: Health,
    /// When the first attempt failed since the last success, while it is failing.
    failing_since: Option<Time>,
    /// Null unless deliveries wait for the end of a pause.
    pause: Option<PauseView>,
    /// When the last attempt that succeeded ended.
    last_success_at: Option<Time>,
    /// The last attempt that failed.
    last_failure: Option<LastFailureView>,
    disabled: Option<DisabledView<'a>>,
    /// When the webhook was last disabled, even if it is active again.
    last_disabled_at: Option<Time>,
    /// The signing secret; only in the responses that create the webhook or rotate the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// Why deliveries wait, and until when.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pause")]
struct PauseView {
    until: Time,
    since: Time,
    cause: Cause,
    /// What the endpoint responded with; null in a maintenance window.
    response_status: Option<u16>,
    /// How many deliveries are pending.
    waiting: u64,
}

/// Why a webhook is disabled, and since when.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disabled")]
struct DisabledView<'a> {
    at: Time,
    code: Reason,
    /// The failed attempts that led to it.
    log_ids: &'a [String],
}

/// A header that signs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Signature")]
pub(crate) struct SignatureView<'a> {
    header: &'a str,
    /// `hmac-sha256` and the like, or `v1` or `v1a` of Standard Webhooks.
    scheme: &'static str,
}

impl<'a> From<(&'a str, &'static str)> for SignatureView<'a> {
    fn from((header, scheme): (&'a str, &'static str)) -> Self {
        Self { header, scheme }
    }
}

fn public_key(secret: &str) -> Option<String> {
    KeyPair::parse(secret).map(|pair| pair.public_key())
}

/// A failed attempt.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LastFailure")]
struct LastFailureView {
    at: Time,
    /// Why it failed.
    error_code: Option<String>,
    /// Its log entry.
    log_id: String,
}

/// When a webhook is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instants {
    /// By the ladder's clock, in milliseconds.
    pub(super) now_ms: u64,
    /// By the wall clock, in milliseconds.
    pub(super) wall_ms: u64,
}

impl Instants {
    /// Before everything: what stands in the table is as it was written.
    pub(super) const BEFORE: Self = Self {
        now_ms: 0,
        wall_ms: 0,
    };

    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self {
            now_ms: clock.now_ms(),
            wall_ms: clock.wall_ms(),
        }
    }
}

impl<'a> WebhookView<'a> {
    /// The same with its secret.
    pub(super) fn with_secret(self, webhook: &'a Webhook) -> Self {
        Self {
            secret: Some(webhook.secret.expose()),
            ..self
        }
    }

    /// The same with how many deliveries wait, if it is paused.
    pub(super) fn with_waiting(mut self, waiting: u64) -> Self {
        if let Some(pause) = &mut self.pause {
            pause.waiting = waiting;
        }
        self
    }

    /// The webhook as it stands at a moment, but for what waits for it.
    pub(super) fn at(webhook: &'a Webhook, dialects: &'a Dialects, at: Instants) -> Self {
        let dialect = dialects.get(&webhook.dialect);
        let old = webhook.old_secrets.iter();
        let old = old.filter(|old| old.expires_ms > at.wall_ms);
        let secrets = old.map(|old| old.secret.expose());
        let secrets: Vec<_> = secrets.chain([webhook.secret.expose()]).collect();
        let signatures = dialect
            .map(|dialect| dialect.signed_with(&secrets))
            .unwrap_or_default();
        let signatures = signatures.into_iter();
        Self {
            signatures: signatures.map(SignatureView::from).collect(),
            ..Self::stored(webhook, at)
        }
    }

    /// The same with its newest attempts.
    pub(super) fn after(self, last: Last) -> Self {
        Self {
            last_success_at: last.success_ms.map(Time::at_ms),
            last_failure: last.failure.map(|failure| LastFailureView {
                at: Time::at_ms(failure.at_ms),
                error_code: failure.error_code,
                log_id: failure.log_id,
            }),
            ..self
        }
    }

    /// The same without what its dialect says.
    pub(super) fn stored(webhook: &'a Webhook, at: Instants) -> Self {
        let pause = webhook.paused(at.now_ms, at.wall_ms);
        let disabled = webhook.disabled.as_ref();
        let old = webhook.old_secrets.iter();
        let old = old.filter(|old| old.expires_ms > at.wall_ms);
        let old_public_keys: Vec<_> = old
            .filter_map(|old| public_key(old.secret.expose()))
            .collect();
        Self {
            id: webhook.id.as_str(),
            tenant_id: webhook.tenant.name(),
            url: &webhook.url,
            events: &webhook.events,
            filter: webhook.filter.as_ref(),
            rate_limit_per_second: webhook.rate_limit,
            max_in_flight: webhook.max_in_flight,
            keep_alive: webhook.keep_alive,
            name: webhook.name.as_deref(),
            description: webhook.description.as_deref(),
            status: disabled.map_or("active", |_| "disabled"),
            created_at: Time::at_ms(webhook.created_ms),
            dialect: &webhook.dialect,
            signing: Signing::of(&webhook.secret),
            signatures: Vec::new(),
            public_key: public_key(webhook.secret.expose())
                .or_else(|| old_public_keys.last().cloned()),
            old_public_keys,
            old_secret_expires_at: webhook.old_secret_expires_ms(at.wall_ms).map(Time::at_ms),
            headers: &webhook.headers,
            secret_headers: webhook.secret_headers.keys().map(String::as_str).collect(),
            client_certificate: ClientCertificateView::of(webhook),
            metadata: &webhook.metadata,
            challenge: webhook.challenge,
            health: webhook.health_at(at.now_ms, at.wall_ms),
            failing_since: webhook.failing_since_ms().map(Time::at_ms),
            last_success_at: None,
            last_failure: None,
            pause: pause.map(|pause| PauseView {
                until: Time::at_ms(pause.until_ms),
                since: Time::at_ms(pause.since_ms),
                cause: pause.cause,
                response_status: pause.response_status,
                waiting: 0,
            }),
            disabled: disabled.map(
                |Disabled {
                     at_ms,
                     reason,
                     log_ids,
                     ..
                 }| DisabledView {
                    at: Time::at_ms(*at_ms),
                    code: *reason,
                    log_ids,
                },
            ),
            last_disabled_at: webhook.last_disabled_ms().map(Time::at_ms),
            secret: None,
        }
    }
}

//! A webhook as clients see it.

use std::collections::BTreeMap;

use rung_base::clock::timestamp;
use rung_core::domain::webhook::{Disabled, Reason, Webhook};
use rung_dialect::KeyPair;
use rung_json::{Json, filter::Filter};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::secrets::Signing;

/// An endpoint of a tenant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(crate) struct View<'a> {
    id: &'a str,
    url: &'a str,
    events: &'a [String],
    /// An event pattern over `data`.
    #[schemars(with = "Option<Map<String, Value>>")]
    filter: Option<&'a Filter>,
    rate_limit: Option<u32>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    #[schemars(extend("enum" = ["active", "disabled"]))]
    status: &'static str,
    created_at: jiff::Timestamp,
    dialect: &'a str,
    signing: Signing,
    /// The public key for receivers, if a key pair signs.
    public_key: Option<String>,
    /// The end of a rotation's overlap.
    pub(super) old_secret_expires_at: Option<jiff::Timestamp>,
    headers: &'a BTreeMap<String, String>,
    /// The names of secret headers; their values are never shown.
    secret_headers: Vec<&'a str>,
    #[schemars(with = "Map<String, Value>")]
    metadata: &'a Json,
    challenge: bool,
    disabled_at: Option<jiff::Timestamp>,
    disabled_reason: Option<DisabledReason<'a>>,
    /// The time it was last disabled, even if it is active again.
    last_disabled_at: Option<jiff::Timestamp>,
    /// The signing secret; only in the responses that create the webhook or rotate the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// Why a webhook is disabled.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disabled")]
struct DisabledReason<'a> {
    reason: Reason,
    /// The log ids of the failed attempts that caused it.
    log_ids: &'a [String],
}

impl<'a> View<'a> {
    pub(super) fn with_secret(webhook: &'a Webhook, wall_ms: u64) -> Self {
        Self {
            secret: Some(webhook.secret.expose()),
            ..Self::at(webhook, wall_ms)
        }
    }

    /// The webhook as it stands at `wall_ms`.
    pub(super) fn at(webhook: &'a Webhook, wall_ms: u64) -> Self {
        let disabled = webhook.disabled.as_ref();
        Self {
            id: webhook.id.as_str(),
            url: &webhook.url,
            events: &webhook.events,
            filter: webhook.filter.as_ref(),
            rate_limit: webhook.rate_limit,
            name: webhook.name.as_deref(),
            description: webhook.description.as_deref(),
            status: disabled.map_or("active", |_| "disabled"),
            created_at: timestamp(webhook.created_ms),
            dialect: &webhook.dialect,
            signing: Signing::of(&webhook.secret),
            public_key: KeyPair::parse(webhook.secret.expose()).map(|pair| pair.public_key()),
            old_secret_expires_at: webhook.old_secret_expires_ms(wall_ms).map(timestamp),
            headers: &webhook.headers,
            secret_headers: webhook.secret_headers.keys().map(String::as_str).collect(),
            metadata: &webhook.metadata,
            challenge: webhook.challenge,
            disabled_at: disabled.map(|disabled| timestamp(disabled.at_ms)),
            disabled_reason: disabled.map(
                |Disabled {
                     reason, log_ids, ..
                 }| DisabledReason {
                    reason: *reason,
                    log_ids,
                },
            ),
            last_disabled_at: webhook.last_disabled_ms().map(timestamp),
            secret: None,
        }
    }
}

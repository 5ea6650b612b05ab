//! A webhook as clients see it.

use std::collections::BTreeMap;

use rung_shared::{
    clock::timestamp,
    domain::{
        filter::Filter,
        webhook::{Disabled, Reason, Webhook},
    },
};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
pub(super) struct View<'a> {
    id: &'a str,
    url: &'a str,
    events: &'a [String],
    filter: Option<&'a Filter>,
    rate_limit: Option<u32>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    status: &'static str,
    created_at: jiff::Timestamp,
    dialect: &'a str,
    headers: &'a BTreeMap<String, String>,
    metadata: &'a Map<String, Value>,
    disabled_at: Option<jiff::Timestamp>,
    disabled_reason: Option<DisabledReason<'a>>,
    /// Shown when the webhook is made, and not again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

#[derive(Serialize)]
struct DisabledReason<'a> {
    reason: Reason,
    /// The failed attempts that led to it.
    log_ids: &'a [String],
}

impl<'a> View<'a> {
    pub(super) fn with_secret(webhook: &'a Webhook) -> Self {
        Self {
            secret: Some(webhook.secret.expose()),
            ..webhook.into()
        }
    }
}

impl<'a> From<&'a Webhook> for View<'a> {
    fn from(webhook: &'a Webhook) -> Self {
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
            headers: &webhook.headers,
            metadata: &webhook.metadata,
            disabled_at: disabled.map(|disabled| timestamp(disabled.at_ms)),
            disabled_reason: disabled.map(
                |Disabled {
                     reason, log_ids, ..
                 }| DisabledReason {
                    reason: *reason,
                    log_ids,
                },
            ),
            secret: None,
        }
    }
}

//! A webhook as an export has it: what `PUT` takes, and no more.

use std::collections::BTreeMap;

use rung_core::domain::{
    time::Time,
    webhook::{Reason, Webhook},
};
use rung_json::{Json, filter::Filter};
use serde::Serialize;

use super::{
    client_certificate,
    request::Status,
    secrets::{OldSecretView, Signing, valid_old_secrets},
};

#[derive(Serialize)]
pub(crate) struct Exported<'a> {
    id: &'a str,
    tenant_id: &'a str,
    url: &'a str,
    events: &'a [String],
    filter: Option<&'a Filter>,
    rate_limit_per_second: Option<u32>,
    max_in_flight: Option<u32>,
    keep_alive: Option<bool>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    status: Status,
    disabled: Option<ExportedDisabled>,
    created_at: Time,
    dialect: &'a str,
    signing: Signing,
    headers: &'a BTreeMap<String, String>,
    metadata: &'a Json,
    challenge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_secrets: Option<Vec<OldSecretView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_headers: Option<BTreeMap<&'a str, &'a str>>,
    /// Null with secrets if there is none: then one that is there where it is imported goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<Option<client_certificate::Exported<'a>>>,
}

/// Why a webhook is disabled, and since when. The log entries that led to it stay where they are.
#[derive(Serialize)]
struct ExportedDisabled {
    at: Time,
    code: Reason,
}

impl<'a> Exported<'a> {
    /// The webhook as it stands at `wall_ms`, with what is secret of it if that is asked for.
    pub(crate) fn of(webhook: &'a Webhook, has_secrets: bool, wall_ms: u64) -> Self {
        let secret_headers = || {
            let headers = webhook.secret_headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.expose()));
            headers.collect()
        };
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
            status: Status::of(webhook),
            disabled: webhook.disabled.as_ref().map(|disabled| ExportedDisabled {
                at: Time::at_ms(disabled.at_ms),
                code: disabled.reason,
            }),
            created_at: Time::at_ms(webhook.created_ms),
            dialect: &webhook.dialect,
            signing: Signing::of(&webhook.secret),
            headers: &webhook.headers,
            metadata: &webhook.metadata,
            challenge: webhook.challenge,
            secret: has_secrets.then(|| webhook.secret.expose()),
            old_secrets: has_secrets.then(|| valid_old_secrets(webhook, wall_ms)),
            secret_headers: has_secrets.then(secret_headers),
            client_certificate: has_secrets.then(|| client_certificate::Exported::of(webhook)),
        }
    }
}

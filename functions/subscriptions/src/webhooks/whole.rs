//! A webhook as a request gives it whole: to make it, or to replace one.

use std::sync::Arc;

use rung_api::{
    ApiError, Caller, Fields, Patch,
    limits::{DESCRIPTION_CHARS, NAME_CHARS},
    read,
};
use rung_core::{
    domain::{
        client_certificate::ClientCertificate,
        id::{TenantId, WebhookId},
        webhook::Webhook,
    },
    flow::EventTypes,
};
use rung_dialect::Dialect;
use rung_json::{Json, filter::Filter};

use super::{
    client_certificate,
    headers::{Given, OwnHeaders},
    request::{check_events, filter, given_events, is_pattern, max_in_flight, rate_limit, url},
    secrets::{SecretFields, Signing},
};
use crate::{Management, dialect_with, metadata::metadata};

/// All that a request says of a webhook, and the defaults of the rest. Secret headers and a client certificate that it does not give stay
/// those of the webhook that it replaces.
pub(super) struct Whole {
    pub(super) dialect: Arc<Dialect>,
    url: String,
    events: Vec<String>,
    filter: Option<Filter>,
    rate_limit: Option<u32>,
    max_in_flight: Option<u32>,
    keep_alive: Option<bool>,
    name: Option<String>,
    description: Option<String>,
    pub(super) secrets: SecretFields,
    own: OwnHeaders,
    client_certificate: Option<Arc<ClientCertificate>>,
    metadata: Option<Json>,
    challenge: bool,
}

/// What a webhook may subscribe to that it has not subscribed to yet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Brings {
    /// What its dialect knows.
    KnownTypes,
    /// That, and what may have been deleted where it comes from.
    AnyTypes,
}

impl Whole {
    pub(super) fn read(
        fields: &mut Fields<'_>,
        state: &Management,
        caller: &Caller,
        types: &EventTypes,
        present: Option<&Webhook>,
        brings: Brings,
    ) -> Result<Self, ApiError> {
        let api = &state.api;
        let dialect = match fields.optional("dialect", dialect_with(api, types)) {
            Some(dialect) => dialect,
            None => Arc::clone(state.dialect(types, &caller.tenant.dialect)?),
        };
        let url = fields.required("url", url(api.strict));
        let events = match given_events(fields, "events") {
            Patch::Set(events) => events,
            Patch::Keep | Patch::Clear => {
                fields.require("events");
                Vec::new()
            }
        };
        let already = match brings {
            Brings::KnownTypes => {
                let already = present.filter(|present| present.dialect == dialect.name);
                already.map_or_else(Vec::new, |present| present.events.clone())
            }
            Brings::AnyTypes => {
                let formed = events.iter().filter(|event| is_pattern(event));
                formed.cloned().collect()
            }
        };
        let knows = |event: &str| dialect.catalogue.check_pattern(event);
        check_events(fields, "events", knows, &events, &already);
        Ok(Self {
            client_certificate: client_certificate::read(fields, &url, present),
            url,
            events,
            filter: filter(fields).or(None),
            rate_limit: fields.optional("rate_limit_per_second", rate_limit),
            max_in_flight: fields.optional("max_in_flight", max_in_flight),
            keep_alive: fields.optional("keep_alive", read::flag),
            name: fields.text("name", NAME_CHARS),
            description: fields.text("description", DESCRIPTION_CHARS),
            secrets: SecretFields::read(fields, &dialect),
            own: OwnHeaders::read(fields, Given::Whole, &dialect, present),
            metadata: fields.optional("metadata", metadata),
            challenge: fields.optional("challenge", read::flag).unwrap_or(false),
            dialect,
        })
    }

    /// Whether its secret is given; else it is a new one.
    pub(super) fn is_secret_given(&self) -> bool {
        self.secrets.given.is_some()
    }

    /// The webhook, active and made at `now_ms`.
    pub(super) fn webhook(self, tenant: &TenantId, id: WebhookId, now_ms: u64) -> Webhook {
        let signing = self.secrets.signing;
        let signing = signing.unwrap_or_else(|| Signing::default_in(&self.dialect));
        let new_secret = || signing.new_secret(&self.dialect);
        Webhook {
            tenant: tenant.clone(),
            id,
            url: self.url,
            events: self.events,
            filter: self.filter,
            rate_limit: self.rate_limit,
            // Above that of an earlier life, as the epoch is.
            pace_epoch: now_ms,
            max_in_flight: self.max_in_flight,
            keep_alive: self.keep_alive,
            name: self.name,
            description: self.description,
            secret: self.secrets.given.unwrap_or_else(new_secret),
            old_secrets: Vec::new(),
            headers: self.own.headers,
            secret_headers: self.own.secret_headers,
            client_certificate: self.client_certificate,
            metadata: self.metadata.unwrap_or_else(Json::empty),
            dialect: self.dialect.name.clone(),
            challenge: self.challenge,
            disabled: None,
            disabled_before_ms: None,
            outage: None,
            pause: None,
            // Above every epoch of an earlier life under the same id: what is still on its way to that is not for this one.
            epoch: now_ms,
            first_epoch: now_ms,
            revision: 0,
            enabled_ms: now_ms,
            created_ms: now_ms,
        }
    }
}

//! Which webhooks a list is asked for.

use rung_api::{Api, ApiError, Fields, Page, limits::NAME_CHARS, read};
use rung_core::{
    domain::{id::TenantId, webhook::Webhook},
    flow::EventTypes,
};
use rung_json::Json;

use super::{request::Status, view::Health};
use crate::metadata;

/// What a query asks for beside its page; all of it must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    status: Option<Status>,
    health: Option<Health>,
    /// What its id, name, description or URL has in it, in lower case.
    text: Option<String>,
    /// A type that the webhook subscribes to, by whatever pattern.
    event_type: Option<String>,
    metadata: metadata::Wanted,
}

/// Reads a list's query.
pub(super) async fn read(
    api: &Api,
    tenant: &TenantId,
    query: Json,
) -> Result<(Page, Wanted), ApiError> {
    let (metadata, members) = metadata::Wanted::split(query);
    let mut fields = Fields::of(&members)?;
    let names = ["webhooks", tenant.as_str()];
    let page = api.page(&mut fields, &names).await?;
    let status = fields.optional("status", Status::read);
    let event_type = fields.optional("event_type", |value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| "must be a string".to_owned())
    });
    let health = fields.optional("health", |value| {
        let known = |(name, _): &&(&str, Health)| value.as_str() == Some(name);
        let found = Health::ALL.iter().find(known);
        found.map(|(_, health)| *health).ok_or_else(|| {
            let names = Health::ALL.map(|(name, _)| format!("`{name}`"));
            format!("must be one of {}", names.join(", "))
        })
    });
    let text = fields.optional("q", read::text(NAME_CHARS));
    fields.mention("metadata.NAME");
    fields.finish()?;
    let wanted = Wanted {
        status,
        health,
        text: text.map(|text| text.to_lowercase()),
        event_type,
        metadata,
    };
    Ok((page, wanted))
}

impl Wanted {
    pub(super) fn takes(&self, webhook: &Webhook, types: &EventTypes) -> bool {
        let subscribes = |name: &str| {
            types.dialect(&webhook.dialect).is_some_and(|dialect| {
                let mut patterns = webhook.events.iter();
                patterns.any(|pattern| dialect.catalogue.matches(pattern, name))
            })
        };
        self.status
            .is_none_or(|status| status == Status::of(webhook))
            && self
                .health
                .is_none_or(|health| health == Health::of(webhook))
            && self.text.as_deref().is_none_or(|text| {
                let texts = [&webhook.name, &webhook.description].into_iter().flatten();
                let mut texts = texts
                    .map(String::as_str)
                    .chain([webhook.id.as_str(), &webhook.url]);
                texts.any(|found| found.to_lowercase().contains(text))
            })
            && self.event_type.as_deref().is_none_or(subscribes)
            && self.metadata.takes(&webhook.metadata)
    }
}

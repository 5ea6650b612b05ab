//! Which webhooks a list is asked for.

use std::sync::Arc;

use rung_api::{ApiError, Fields, Page, limits::NAME_CHARS, read};
use rung_core::domain::{
    id::TenantId,
    webhook::{Health, Webhook},
};
use rung_dialect::Dialects;
use rung_json::Json;

use super::request::Status;
use crate::{Management, metadata};

/// What a query asks for beside its page; all of it must hold.
pub(super) struct Wanted {
    status: Option<Status>,
    health: Option<Health>,
    /// What its id, name, description or URL has in it, in lower case.
    text: Option<String>,
    /// A type that the webhook subscribes to, by whatever pattern.
    event_type: Option<SubscribedTo>,
    metadata: metadata::Wanted,
}

/// A subscription that is asked for.
struct SubscribedTo {
    name: String,
    /// Which know what webhooks' patterns take in.
    dialects: Arc<Dialects>,
}

/// Reads a list's query.
pub(super) async fn read(
    state: &Management,
    tenant: Option<&TenantId>,
    query: Json,
) -> Result<(Page, Wanted), ApiError> {
    let (metadata, members) = metadata::Wanted::split(query);
    let mut fields = Fields::of(&members)?;
    let names = ["webhooks", tenant.map_or("", TenantId::as_str)];
    let page = state.api.ordered_page(&mut fields, &names).await?;
    let status = fields.optional("status", Status::read);
    let event_type = fields.optional("event_type", |value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| "must be a string".to_owned())
    });
    let health = fields.optional("health", |value| {
        let mut all = Health::ALL.into_iter();
        let found = all.find(|health| value.as_str() == Some(health.as_str()));
        found.ok_or_else(|| {
            let names = Health::ALL.map(|health| format!("`{}`", health.as_str()));
            format!("must be one of {}", names.join(", "))
        })
    });
    let text = fields.optional("q", read::text(NAME_CHARS));
    fields.mention("metadata.NAME");
    fields.finish()?;
    let event_type = match event_type {
        None => None,
        Some(name) => Some(SubscribedTo {
            name,
            dialects: state.event_types(tenant).await?.dialects(),
        }),
    };
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
    /// Whether all webhooks are wanted.
    pub(super) fn is_any(&self) -> bool {
        self.status.is_none()
            && self.health.is_none()
            && self.text.is_none()
            && self.event_type.is_none()
            && self.metadata.is_any()
    }

    /// The kinds of health that a webhook that is wanted may have.
    pub(super) fn health(&self) -> Vec<Health> {
        let mut kinds = Health::ALL.to_vec();
        kinds.retain(|kind| {
            let status = if *kind == Health::Disabled {
                Status::Disabled
            } else {
                Status::Active
            };
            self.health.is_none_or(|health| health == *kind)
                && self.status.is_none_or(|wanted| wanted == status)
        });
        kinds
    }

    pub(super) fn takes(&self, webhook: &Webhook) -> bool {
        let subscribes = |asked: &SubscribedTo| {
            let dialect = asked.dialects.get(&webhook.dialect);
            dialect.is_some_and(|dialect| {
                let mut patterns = webhook.events.iter();
                patterns.any(|pattern| dialect.catalogue.matches(pattern, &asked.name))
            })
        };
        self.status
            .is_none_or(|status| status == Status::of(webhook))
            && self.health.is_none_or(|health| health == webhook.health())
            && self.text.as_deref().is_none_or(|text| {
                let texts = [&webhook.name, &webhook.description].into_iter().flatten();
                let mut texts = texts
                    .map(String::as_str)
                    .chain([webhook.id.as_str(), &webhook.url]);
                texts.any(|found| found.to_lowercase().contains(text))
            })
            && self.event_type.as_ref().is_none_or(subscribes)
            && self.metadata.takes(&webhook.metadata)
    }
}

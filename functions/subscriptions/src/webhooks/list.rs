//! Which webhooks a list is asked for.

use std::sync::Arc;

use rung_api::{ApiError, Fields, Page, limits::NAME_CHARS, read};
use rung_core::domain::{
    id::TenantId,
    webhook::{Health, Webhook},
};
use rung_dialect::Dialects;
use rung_json::Json;

use super::{request::Status, view::Instants};
use crate::{Management, metadata, names_of, patterns};

/// What a query asks for beside its page; all of it must hold.
pub(super) struct Wanted {
    statuses: Option<Vec<Status>>,
    health: Option<Vec<Health>>,
    /// What its id, name, description or URL has in it, in lower case.
    text: Option<String>,
    /// Types of which the webhook subscribes to any, by whatever pattern.
    event_types: Option<SubscribedTo>,
    metadata: metadata::Wanted,
}

/// Subscriptions that are asked for.
struct SubscribedTo {
    patterns: Vec<String>,
    /// Which know what the patterns take in.
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
    let page = state.api.page(&mut fields, &names).await?;
    let statuses = fields.optional("status", |value| {
        names_of(value, &Status::ALL, Status::as_str)
    });
    let event_types = match fields.given("event_type") {
        None => None,
        Some(_) => {
            let dialects = state.event_types(tenant).await?.dialects();
            let patterns = fields.optional("event_type", |value| patterns(dialects.iter(), value));
            patterns.map(|patterns| SubscribedTo { patterns, dialects })
        }
    };
    let health = fields.optional("health", |value| {
        names_of(value, &Health::ALL, Health::as_str)
    });
    let text = fields.optional("q", read::text(NAME_CHARS));
    fields.mention("metadata.NAME");
    fields.finish()?;
    let wanted = Wanted {
        statuses,
        health,
        text: text.map(|text| text.to_lowercase()),
        event_types,
        metadata,
    };
    Ok((page, wanted))
}

fn is_among<T: PartialEq>(wanted: Option<&Vec<T>>, it: T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(&it))
}

impl Wanted {
    /// Whether all webhooks are wanted.
    pub(super) fn is_any(&self) -> bool {
        self.statuses.is_none()
            && self.health.is_none()
            && self.text.is_none()
            && self.event_types.is_none()
            && self.metadata.is_any()
    }

    /// The lists of the index where a webhook that is wanted may stand. A paused one stands where its attempts have put it.
    pub(super) fn lists(&self) -> Vec<Health> {
        let mut lists = Health::LISTED.to_vec();
        lists.retain(|list| {
            let status = if *list == Health::Disabled {
                Status::Disabled
            } else {
                Status::Active
            };
            let stands = |health: &Health| match health {
                Health::Paused => status == Status::Active,
                health => health == list,
            };
            let may_stand = self
                .health
                .as_ref()
                .is_none_or(|all| all.iter().any(stands));
            may_stand && is_among(self.statuses.as_ref(), status)
        });
        lists
    }

    pub(super) fn takes(&self, webhook: &Webhook, at: Instants) -> bool {
        let subscribes = |asked: &SubscribedTo| {
            let dialect = asked.dialects.get(&webhook.dialect);
            dialect.is_some_and(|dialect| {
                let catalogue = &dialect.catalogue;
                catalogue.overlap(&webhook.events, &asked.patterns)
            })
        };
        is_among(self.statuses.as_ref(), Status::of(webhook))
            && is_among(
                self.health.as_ref(),
                webhook.health_at(at.now_ms, at.wall_ms),
            )
            && self.text.as_deref().is_none_or(|text| {
                let texts = [&webhook.name, &webhook.description].into_iter().flatten();
                let mut texts = texts
                    .map(String::as_str)
                    .chain([webhook.id.as_str(), &webhook.url]);
                texts.any(|found| found.to_lowercase().contains(text))
            })
            && self.event_types.as_ref().is_none_or(subscribes)
            && self.metadata.takes(&webhook.metadata)
    }
}

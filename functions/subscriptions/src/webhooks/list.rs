//! Which webhooks a list is asked for.

use rung_api::{Api, ApiError, Fields, Page};
use rung_core::domain::{id::TenantId, webhook::Webhook};
use rung_dialect::Dialects;
use rung_json::Json;

use super::request::Status;

/// What a query asks for beside its page; all of it must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    status: Option<Status>,
    /// A type that the webhook subscribes to, by whatever pattern.
    event_type: Option<String>,
    /// Members of the webhook's metadata, with their values as text.
    metadata: Vec<(String, String)>,
}

/// Reads a list's query.
pub(super) async fn read(
    api: &Api,
    tenant: &TenantId,
    query: Json,
) -> Result<(Page, Wanted), ApiError> {
    let (mut metadata, mut members) = (Vec::new(), Vec::new());
    if let Json::Object(query) = query {
        for (name, value) in query {
            // What follows the dot is the tenant's own name for it, dots and all.
            match (name.strip_prefix("metadata."), &value) {
                (Some(name), Json::String(value)) => {
                    metadata.push((name.to_owned(), value.clone()));
                }
                _ => members.push((name, value)),
            }
        }
    }
    let members = Json::Object(members);
    let mut fields = Fields::of(&members)?;
    let names = ["webhooks", tenant.as_str()];
    let page = api.page(&mut fields, &names).await?;
    let status = fields.optional("status", Status::read);
    let event_type = fields.optional("event_type", |value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| "must be a string".to_owned())
    });
    fields.mention("metadata.NAME");
    fields.finish()?;
    let wanted = Wanted {
        status,
        event_type,
        metadata,
    };
    Ok((page, wanted))
}

impl Wanted {
    pub(super) fn takes(&self, webhook: &Webhook, dialects: &Dialects) -> bool {
        let subscribes = |name: &str| {
            dialects.get(&webhook.dialect).is_some_and(|dialect| {
                let mut patterns = webhook.events.iter();
                patterns.any(|pattern| dialect.catalogue.matches(pattern, name))
            })
        };
        let has = |(name, expected): &(String, String)| {
            webhook.metadata.get(name).and_then(as_text) == Some(expected)
        };
        self.status
            .is_none_or(|status| status == Status::of(webhook))
            && self.event_type.as_deref().is_none_or(subscribes)
            && self.metadata.iter().all(has)
    }
}

/// A member of the metadata as a query has it.
fn as_text(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        Json::Number(raw) => Some(raw),
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

//! Webhooks: `T#t` / `W#w`, and in the index `g` = `W#t`, `gs` = `created#w`.
//!
//! Each change raises the tenant's version in the same transaction, so that publishing sees it with its next event.

use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};

use super::{
    Item, Listed, Query, Range, Store, StoreError,
    item::{self, Builder, Row},
    listed::position,
    tenant_row::partition,
    transact::{Outcome, Part},
};
use crate::{
    domain::{
        filter::Filter,
        id::{TenantId, WebhookId},
        webhook::{Disabled, OldSecret, Secret, Webhook},
    },
    json::Json,
    limits::JSON_DEPTH,
};

/// What came of writing a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookWritten {
    /// It stands as given.
    Done,
    /// It was made, changed or deleted since it was read: read again.
    Conflict,
    /// The tenant is not there.
    NoTenant,
}

impl Store {
    /// Makes a webhook; [`WebhookWritten::Conflict`] when its id is taken.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_webhook(&self, webhook: &Webhook) -> Result<WebhookWritten, StoreError> {
        let put = Put::builder().condition_expression("attribute_not_exists(pk)");
        self.write_webhook(webhook, put).await
    }

    /// Writes a webhook as changed since it was read, its revision one higher.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_webhook(&self, webhook: &Webhook) -> Result<WebhookWritten, StoreError> {
        let put = Put::builder()
            .condition_expression("rev = :rev")
            .expression_attribute_values(":rev", item::number(webhook.revision));
        let next = Webhook {
            revision: webhook.revision + 1,
            ..webhook.clone()
        };
        self.write_webhook(&next, put).await
    }

    async fn write_webhook(
        &self,
        webhook: &Webhook,
        put: aws_sdk_dynamodb::types::builders::PutBuilder,
    ) -> Result<WebhookWritten, StoreError> {
        let put = put
            .table_name(&*self.table)
            .set_item(Some(to_item(webhook)))
            .build()?;
        let parts = [
            Part::Put(Box::new(put)),
            self.raise_version(&webhook.tenant)?,
        ];
        Ok(match self.transact(parts).await? {
            Outcome::Written => WebhookWritten::Done,
            Outcome::Refused(parts) if parts.last() == Some(&true) => WebhookWritten::NoTenant,
            Outcome::Refused(_) => WebhookWritten::Conflict,
        })
    }

    /// Deletes a webhook. Whether it was there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_webhook(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
    ) -> Result<bool, StoreError> {
        let parts = [
            self.delete_existing(partition(tenant), sort_key(id))?,
            self.raise_version(tenant)?,
        ];
        Ok(matches!(self.transact(parts).await?, Outcome::Written))
    }

    /// A webhook, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhook(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row = self.get(partition(tenant), sort_key(id)).await?;
        row.map(from_row).transpose()
    }

    /// Those of the named webhooks that exist, in no order, by strong reads. None may be named twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks(
        &self,
        names: &[(TenantId, WebhookId)],
    ) -> Result<Vec<Webhook>, StoreError> {
        let keys = names
            .iter()
            .map(|(tenant, id)| (partition(tenant), sort_key(id)));
        let rows = self.get_all(keys.collect()).await?;
        rows.into_iter().map(from_row).collect()
    }

    /// All webhooks of a tenant, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_of(&self, tenant: &TenantId) -> Result<Vec<Webhook>, StoreError> {
        let pk = partition(tenant);
        let query = Query {
            range: Range::Prefix("W#"),
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?;
        rows.into_iter().map(from_row).collect()
    }

    /// A page of a tenant's webhooks, newest first, from before a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_page(
        &self,
        tenant: &TenantId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Webhook>, StoreError> {
        let page = self.listed(&list_of(tenant), before, limit).await?;
        page.try_map(from_row)
    }

    /// The same of those that are `wanted`. Reads all of the tenant's webhooks.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_where(
        &self,
        tenant: &TenantId,
        wanted: impl Fn(&Webhook) -> bool,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Webhook>, StoreError> {
        let mut found: Vec<_> = self
            .webhooks_of(tenant)
            .await?
            .into_iter()
            .filter(wanted)
            .map(|webhook| (position(webhook.created_ms, webhook.id.as_str()), webhook))
            .filter(|(position, _)| before.is_none_or(|before| position.as_str() < before))
            .collect();
        found.sort_unstable_by(|(left, _), (right, _)| right.cmp(left));
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let next = found.last().map(|(position, _)| position.clone());
        Ok(Listed {
            items: found.into_iter().map(|(_, webhook)| webhook).collect(),
            next: next.filter(|_| !is_last),
        })
    }

    /// Disables a webhook if it is active at `epoch`; the epoch goes up. Whether this call did it.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn disable(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        epoch: u64,
        disabled: &Disabled,
    ) -> Result<bool, StoreError> {
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(partition(tenant)))
            .key("sk", item::text(sort_key(id)))
            .update_expression("SET disabled = :disabled ADD epoch :one, rev :one")
            .condition_expression("epoch = :epoch AND attribute_not_exists(disabled)")
            .expression_attribute_values(":disabled", json_value(disabled))
            .expression_attribute_values(":epoch", item::number(epoch))
            .expression_attribute_values(":one", item::number(1))
            .build()?;
        let parts = [Part::Update(Box::new(update)), self.raise_version(tenant)?];
        Ok(matches!(self.transact(parts).await?, Outcome::Written))
    }
}

fn sort_key(id: &WebhookId) -> String {
    format!("W#{id}")
}

pub(super) fn list_of(tenant: &TenantId) -> String {
    format!("W#{tenant}")
}

fn json_value(value: &impl serde::Serialize) -> AttributeValue {
    item::text(serde_json::to_string(value).expect("it has string keys only"))
}

fn stored_filter(row: &Row) -> Result<Option<Filter>, StoreError> {
    if !row.0.contains_key("filter") {
        return Ok(None);
    }
    let compile = |text: &str| Filter::compile(&parsed(text)?).ok();
    row.parsed("filter", compile).map(Some)
}

fn parsed(text: &str) -> Option<Json> {
    Json::parse(text.as_bytes(), JSON_DEPTH).ok()
}

fn old_secrets_value(old_secrets: &[OldSecret]) -> Option<AttributeValue> {
    let json = || serde_json::to_string(old_secrets).expect("they have string keys only");
    (!old_secrets.is_empty()).then(|| item::text(json()))
}

fn to_item(webhook: &Webhook) -> Item {
    Builder::new(partition(&webhook.tenant), sort_key(&webhook.id))
        .text("href", &webhook.url)
        .json("events", &webhook.events)
        .maybe("filter", webhook.filter.as_ref().map(json_value))
        .maybe("pace", webhook.rate_limit.map(item::number))
        .maybe("title", webhook.name.as_ref().map(item::text))
        .maybe("about", webhook.description.as_ref().map(item::text))
        .text("secret", webhook.secret.expose())
        .maybe("old_secrets", old_secrets_value(&webhook.old_secrets))
        .json("headers", &webhook.headers)
        .json("metadata", &webhook.metadata)
        .text("dialect", &webhook.dialect)
        .maybe("asks", webhook.challenge.then(|| item::number(1)))
        .maybe("disabled", webhook.disabled.as_ref().map(json_value))
        .number("epoch", webhook.epoch)
        .number("rev", webhook.revision)
        .number("enabled", webhook.enabled_ms)
        .number("made", webhook.created_ms)
        .text("g", list_of(&webhook.tenant))
        .text("gs", position(webhook.created_ms, webhook.id.as_str()))
        .build()
}

fn from_row(mut row: Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        tenant: row.parsed("pk", |pk| TenantId::parse(pk.strip_prefix("T#")?).ok())?,
        id: row.parsed("sk", |sk| WebhookId::parse(sk.strip_prefix("W#")?).ok())?,
        url: row.text("href")?,
        events: row.json("events")?,
        filter: stored_filter(&row)?,
        rate_limit: row.maybe_number("pace"),
        name: row.maybe_text("title"),
        description: row.maybe_text("about"),
        secret: Secret::new(row.text("secret")?),
        old_secrets: row.maybe_json("old_secrets")?.unwrap_or_default(),
        headers: row.json("headers")?,
        metadata: row.parsed("metadata", parsed)?,
        dialect: row.text("dialect")?,
        challenge: row.maybe_number("asks") == Some(1),
        disabled: row.maybe_json("disabled")?,
        epoch: row.number("epoch")?,
        revision: row.number("rev")?,
        enabled_ms: row.number("enabled")?,
        created_ms: row.number("made")?,
    })
}

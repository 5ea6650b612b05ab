//! Webhooks: `W#t#s` / `W#w`, `s` a shard of the webhook's id, and in the index `g` = `W#t`, `gs` = `created#w`. In the index `webhooks` they stand by their health,
//! `wh` = `W#health`, `whs` = `created#t#w`: the list of all tenants' webhooks merges these partitions. One that is deleted leaves `T#t` / `X#w#epoch`, for as long
//! as its log is kept: by that the erasure of its tenant finds the log.
//!
//! Each batch of deliveries reads its webhooks strongly, and a partition takes 3,000 such reads a second: hence the shards. A list of all
//! webhooks of a tenant queries those shards side by side that the tenant's row names, which for a tenant with one webhook is one.
//!
//! Its secrets, its own headers and its client certificate are encrypted, each attribute by itself.
//!
//! Each change raises the tenant's version in the same transaction and is named there, so that publishing sees it with its next event
//! and reads this webhook alone.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, Update};
use futures_util::future::try_join_all;
use rung_json::filter::Filter;
use serde_json::{Value, json};

use super::{
    Item, Listed, Query, Range, Store, StoreError, Stretch,
    batch::Key,
    item::{self, Builder, Row},
    listed::position,
    span::Order,
    table::{LISTS, WEBHOOKS},
    tenant_row::{What, partition},
    transact::{Part, Transacted},
    webhook_states::{self, WebhookState as _},
};
use crate::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::{TenantId, WebhookId},
        job::Task,
        outage::Outage,
        pause::Pause,
        tenant::Tenant,
        time::Time,
        webhook::{Disabled, Health, Secret, Subscription, Webhook},
    },
    limits::{HANDLER_MS, WEBHOOK_SHARDS},
};

/// What came of writing a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookWritten {
    /// It stands as given.
    Done,
    /// It was made, changed or deleted since it was read: read again.
    Conflict,
    /// The tenant has as many webhooks as it may have.
    TooMany,
    /// The tenant is not there.
    NoTenant,
}

impl Store {
    /// Makes a webhook of a tenant that may have `most`; [`WebhookWritten::Conflict`] when its id is taken.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn create_webhook(
        &self,
        webhook: &Webhook,
        most: u32,
        record: &Record,
    ) -> Result<WebhookWritten, StoreError> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(self.webhook_row(webhook)?.build()))
            .condition_expression("attribute_not_exists(pk)")
            .build()?;
        let tenant = self.add_webhook(&webhook.tenant, &webhook.id, most)?;
        let written = self.write_webhook(Part::Put(put.into()), tenant, record);
        let written = written.await?;
        if written == WebhookWritten::NoTenant && self.tenant(&webhook.tenant).await?.is_some() {
            return Ok(WebhookWritten::TooMany);
        }
        Ok(written)
    }

    /// Writes a webhook as changed since it was read, its revision one higher. What becomes of it by itself stays as it is.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_webhook(
        &self,
        webhook: &Webhook,
        record: &Record,
    ) -> Result<WebhookWritten, StoreError> {
        self.update_webhook_and_pause(webhook, None, record).await
    }

    /// The same, and begins or ends a pause.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_webhook_and_pause(
        &self,
        webhook: &Webhook,
        pause: Option<&Pause>,
        record: &Record,
    ) -> Result<WebhookWritten, StoreError> {
        let next = Webhook {
            revision: webhook.revision + 1,
            ..webhook.clone()
        };
        // The health of the index follows from the outage too, which is written without a new revision.
        let mut as_read = vec![(":rev", item::number(webhook.revision))];
        let condition = match &webhook.outage {
            Some(known) => {
                as_read.push((":outage", item::text(&*known.text)));
                format!("rev = :rev AND {} = :outage", Outage::ATTRIBUTE)
            }
            None => format!("rev = :rev AND attribute_not_exists({})", Outage::ATTRIBUTE),
        };
        let mut row = self.webhook_row(&next)?;
        if let Some(pause) = pause {
            row = row.json(Pause::ATTRIBUTE, pause);
        }
        let row = self.rewrite(row, condition, as_read)?;
        let tenant = self.raise_version(&webhook.tenant, What::Webhook(&webhook.id))?;
        self.write_webhook(row, tenant, record).await
    }

    async fn write_webhook(
        &self,
        row: Part,
        tenant: Vec<Part>,
        record: &Record,
    ) -> Result<WebhookWritten, StoreError> {
        let parts = [row].into_iter().chain(tenant);
        Ok(match self.change(parts, record).await? {
            Transacted::Written => WebhookWritten::Done,
            Transacted::Refused(parts) if parts.last() == Some(&true) => WebhookWritten::NoTenant,
            Transacted::Refused(_) => WebhookWritten::Conflict,
        })
    }

    /// Deletes a webhook that is at `epoch`, and begins the erasure of its deliveries and its log.
    pub(super) async fn delete_webhook(
        &self,
        task: &Task,
        (tenant, id): (&TenantId, &WebhookId),
        epoch: u64,
        record: &Record,
    ) -> Result<(), StoreError> {
        let (pk, sk) = row_key(tenant, id);
        let delete = Delete::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":epoch", item::number(epoch))
            .build()?;
        let kept = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(deleted(tenant, id, epoch, self.expiry())))
            .build()?;
        let mut parts = vec![
            Part::Delete(Box::new(delete)),
            Part::Put(Box::new(kept)),
            self.new_erasure(task)?,
            self.listed_job(task, tenant)?,
        ];
        parts.extend(self.remove_webhook(tenant, id)?);
        self.change(parts, record).await.map(drop)
    }

    /// The deleted webhooks of a tenant, from behind the place `after` on: at most `limit`, each with its place.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deleted_webhooks(
        &self,
        tenant: &TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, WebhookId)>, StoreError> {
        let pk = partition(tenant);
        // The byte after `#` is the first that no place goes on with.
        let from = format!("{DELETED}{after}!");
        let to = format!("{DELETED}~");
        let page = self
            .query(Query {
                range: Range::Between(&from, &to),
                limit: Some(limit),
                ..Query::of(&pk)
            })
            .await?;
        let read = |row: &Row| {
            row.parsed("sk", |sk| {
                let place = sk.strip_prefix(DELETED)?;
                let (id, _) = place.split_once('#')?;
                Some((place.to_owned(), WebhookId::parse(id).ok()?))
            })
        };
        page.rows.iter().map(read).collect()
    }

    /// Forgets deleted webhooks, by their places.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn forget_deleted_webhooks(
        &self,
        tenant: &TenantId,
        places: &[String],
    ) -> Result<(), StoreError> {
        let pk = partition(tenant);
        let keys = places
            .iter()
            .map(|place| (pk.clone(), format!("{DELETED}{place}")));
        self.delete_all(keys.collect()).await
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
        let (pk, sk) = row_key(tenant, id);
        let row = self.get(pk, sk).await?;
        row.map(|row| self.webhook_of(row)).transpose()
    }

    /// Those of the named webhooks that exist, in no order, by strong reads. None may be named twice. One that cannot be read does not
    /// hide the others.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks(
        &self,
        names: &[(TenantId, WebhookId)],
    ) -> Result<Vec<((TenantId, WebhookId), Result<Webhook, StoreError>)>, StoreError> {
        let keys = names.iter().map(|(tenant, id)| row_key(tenant, id));
        let rows = self.get_all(keys.collect()).await?.into_iter();
        rows.map(|row| Ok((name_of(&row)?, self.webhook_of(row))))
            .collect()
    }

    /// All webhooks of a tenant, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_of(&self, tenant: &TenantId) -> Result<Vec<Webhook>, StoreError> {
        let Some(tenant) = self.tenant(tenant).await? else {
            return Ok(Vec::new());
        };
        let rows = self.webhook_rows(&tenant).await?;
        rows.into_iter().map(|row| self.webhook_of(row)).collect()
    }

    /// What publishing needs of all webhooks that a tenant has as of its version, by strong reads. It takes no encryption key.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn subscriptions_of(&self, tenant: &Tenant) -> Result<Vec<Subscription>, StoreError> {
        let rows = self.webhook_rows(tenant).await?;
        rows.into_iter().map(subscription_of).collect()
    }

    /// The ids of a tenant's webhooks as of its version, each with the epoch that the webhook was made with.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhook_lives(
        &self,
        tenant: &Tenant,
    ) -> Result<Vec<(WebhookId, u64)>, StoreError> {
        let rows = self.webhook_rows(tenant).await?;
        let life = |row: &Row| Ok((name_of(row)?.1, row.number("first")?));
        rows.iter().map(life).collect()
    }

    /// The subscriptions of those of the named webhooks that are there, in no order. None may be named twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn subscriptions(
        &self,
        tenant: &TenantId,
        ids: &[WebhookId],
    ) -> Result<Vec<Subscription>, StoreError> {
        let keys = ids.iter().map(|id| row_key(tenant, id));
        let rows = self.get_all(keys.collect()).await?;
        rows.into_iter().map(subscription_of).collect()
    }

    /// The rows of all webhooks that a tenant has as of its version, in the order of their ids.
    pub(super) async fn webhook_rows(&self, tenant: &Tenant) -> Result<Vec<Row>, StoreError> {
        let shards = tenant.webhook_shards.iter();
        let shards: Vec<_> = shards.map(|shard| shard_of(&tenant.id, *shard)).collect();
        let rows = shards.iter().map(|pk| self.query_all(Query::of(pk)));
        let mut rows: Vec<_> = try_join_all(rows).await?.into_iter().flatten().collect();
        rows.sort_by_cached_key(|row| row.parsed("sk", |sk| Some(sk.to_owned())).ok());
        Ok(rows)
    }

    /// A page of a tenant's webhooks in the order of creation, from behind a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_page(
        &self,
        tenant: &TenantId,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Webhook>, StoreError> {
        let list = [list_of(tenant)];
        let stretch = Stretch::behind(after, Some(LISTS), order);
        let page = self.listed(&list, stretch, limit).await?;
        page.try_map(|row| self.webhook_of(row))
    }

    /// A page of all tenants' webhooks of these kinds of health in the order of creation, from behind a position of [`Listed::next`].
    /// One whose health has just changed may still be in the list of the old one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_of_all(
        &self,
        of: &[Health],
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Webhook>, StoreError> {
        let lists: Vec<_> = of.iter().map(|health| health_list(*health)).collect();
        let stretch = Stretch::behind(after, Some(WEBHOOKS), order);
        let page = self.listed(&lists, stretch, limit).await?;
        page.try_map(|row| self.webhook_of(row))
    }

    /// The names of all tenants' webhooks, at most about `most`, by eventual reads of the index alone; `None` when there are more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhook_names(
        &self,
        most: usize,
    ) -> Result<Option<Vec<(TenantId, WebhookId)>>, StoreError> {
        let mut names = BTreeSet::new();
        for health in Health::LISTED {
            let list = health_list(health);
            let mut query = Query {
                index: Some(WEBHOOKS),
                ..Query::of(&list)
            };
            loop {
                let page = self.query(query.clone()).await?;
                for row in &page.rows {
                    names.insert(name_of(row)?);
                }
                if names.len() > most {
                    return Ok(None);
                }
                if page.after.is_none() {
                    break;
                }
                query.after = page.after;
            }
        }
        Ok(Some(names.into_iter().collect()))
    }

    /// The same of those that are `wanted`. Reads all of the tenant's webhooks.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_where(
        &self,
        tenant: &TenantId,
        wanted: impl Fn(&Webhook) -> bool,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Webhook>, StoreError> {
        let mut found: Vec<_> = self
            .webhooks_of(tenant)
            .await?
            .into_iter()
            .filter(wanted)
            .map(|webhook| (place(&webhook), webhook))
            .filter(|(place, _)| {
                after.is_none_or(|after| order.compare(place.as_str(), after).is_gt())
            })
            .collect();
        found.sort_unstable_by(|(one, _), (other, _)| order.compare(one, other));
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let next = found.last().map(|(position, _)| position.clone());
        Ok(Listed {
            items: found.into_iter().map(|(_, webhook)| webhook).collect(),
            next: next.filter(|_| !is_last),
        })
    }

    /// Disables a webhook by a rule, if it is active at `epoch`; the epoch goes up. Whether this call did it.
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
        let (pk, sk) = row_key(tenant, id);
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .update_expression(
                "SET disabled = :disabled, off = :at, wh = :health ADD epoch :one, rev :one",
            )
            .condition_expression("epoch = :epoch AND attribute_not_exists(disabled)")
            .expression_attribute_values(":disabled", json_value(disabled))
            .expression_attribute_values(":at", item::number(disabled.at_ms))
            .expression_attribute_values(":health", item::text(health_list(Health::Disabled)))
            .expression_attribute_values(":epoch", item::number(epoch))
            .expression_attribute_values(":one", item::number(1))
            .build()?;
        let raised = self.raise_version(tenant, What::Webhook(id))?;
        let parts = [Part::Update(Box::new(update))].into_iter().chain(raised);
        let origin = Origin::system();
        let record = Record::new(&origin, Some(tenant), Action::WebhookDisabled, id.as_str())
            .changing(Change::of("status", "active", "disabled"))
            .changing(Change::of(
                "disabled",
                Value::Null,
                json!({
                    "at": Time::at_ms(disabled.at_ms),
                    "code": disabled.reason,
                    "log_ids": disabled.log_ids,
                }),
            ));
        Ok(matches!(
            self.change(parts, &record).await?,
            Transacted::Written
        ))
    }
}

/// What the sort keys of deleted webhooks begin with.
pub(super) const DELETED: &str = "X#";

/// The row of a deleted webhook, which leads to its log and goes with the last entry of that. Another of the same id had another
/// epoch.
pub(super) fn deleted(tenant: &TenantId, id: &WebhookId, epoch: u64, expiry: u64) -> Item {
    let sk = format!("{DELETED}{id}#{}", item::time(epoch));
    let margin_s = HANDLER_MS.div_ceil(1000);
    Builder::new(partition(tenant), sk)
        .number("exp", expiry + margin_s)
        .build()
}

/// The key of a webhook's row.
pub(super) fn row_key(tenant: &TenantId, id: &WebhookId) -> Key {
    (
        shard_of(tenant, id.shard_of(WEBHOOK_SHARDS)),
        format!("W#{id}"),
    )
}

/// The partition of a shard of a tenant's webhooks.
fn shard_of(tenant: &TenantId, shard: u8) -> String {
    format!("W#{tenant}#{shard}")
}

pub(super) fn list_of(tenant: &TenantId) -> String {
    format!("W#{tenant}")
}

/// The partition of the index where webhooks of this health stand.
pub(super) fn health_list(health: Health) -> String {
    format!("W#{}", health.as_str())
}

/// A webhook's position in its tenant's list.
#[must_use]
pub fn place(webhook: &Webhook) -> String {
    position(webhook.created_ms, webhook.id.as_str())
}

/// Its position in the list of all tenants' webhooks.
#[must_use]
pub fn place_among_all(webhook: &Webhook) -> String {
    let Webhook { tenant, id, .. } = webhook;
    format!("{}#{tenant}#{id}", item::time(webhook.created_ms))
}

fn json_value(value: &impl serde::Serialize) -> AttributeValue {
    item::text(serde_json::to_string(value).expect("it has string keys only"))
}

fn stored_filter(row: &Row) -> Result<Option<Filter>, StoreError> {
    if !row.0.contains_key("filter") {
        return Ok(None);
    }
    row.document("filter").map(Filter::stored).map(Some)
}

/// The webhook that a row is of.
pub(super) fn name_of(row: &Row) -> Result<(TenantId, WebhookId), StoreError> {
    Ok((
        row.parsed("pk", |pk| {
            let (tenant, _) = pk.strip_prefix("W#")?.split_once('#')?;
            TenantId::parse(tenant).ok()
        })?,
        row.parsed("sk", |sk| WebhookId::parse(sk.strip_prefix("W#")?).ok())?,
    ))
}

fn subscription_of(mut row: Row) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: name_of(&row)?.1,
        events: row.json("events")?,
        filter: stored_filter(&row)?,
        dialect: row.text("dialect")?,
        is_active: !row.0.contains_key("disabled"),
        epoch: row.number("epoch")?,
    })
}

fn json_bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has string keys only")
}

/// The attributes that are encrypted.
pub(super) const ENCRYPTED: [&str; 5] = [
    SECRET,
    OLD_SECRETS,
    HEADERS,
    SECRET_HEADERS,
    CLIENT_CERTIFICATE,
];
const SECRET: &str = "secret";
const OLD_SECRETS: &str = "old_secrets";
const HEADERS: &str = "headers";
const SECRET_HEADERS: &str = "secret_headers";
const CLIENT_CERTIFICATE: &str = "client_certificate";

impl Store {
    /// The row without what [`webhook_states`] writes.
    fn webhook_row(&self, webhook: &Webhook) -> Result<Builder, StoreError> {
        let (pk, sk) = row_key(&webhook.tenant, &webhook.id);
        let encrypted = |attribute, plain: &[u8]| self.encrypt((&pk, &sk), attribute, plain);
        let unless_empty = |attribute, is_empty: bool, plain: &dyn Fn() -> Vec<u8>| {
            let value = (!is_empty).then(|| encrypted(attribute, &plain()));
            value.transpose()
        };
        let (old_secrets, headers) = (&webhook.old_secrets, &webhook.headers);
        let secret_headers = &webhook.secret_headers;
        let client_certificate = &webhook.client_certificate;
        Ok(Builder::new(&*pk, &*sk)
            .text("href", &webhook.url)
            .json("events", &webhook.events)
            .maybe("filter", webhook.filter.as_ref().map(json_value))
            .maybe("pace", webhook.rate_limit.map(item::number))
            .number("paced", webhook.pace_epoch)
            .maybe("flights", webhook.max_in_flight.map(item::number))
            .maybe(
                "keep",
                webhook.keep_alive.map(|keep| item::number(u8::from(keep))),
            )
            .maybe("title", webhook.name.as_ref().map(item::text))
            .maybe("about", webhook.description.as_ref().map(item::text))
            .with(
                SECRET,
                encrypted(SECRET, webhook.secret.expose().as_bytes())?,
            )
            .maybe(
                OLD_SECRETS,
                unless_empty(OLD_SECRETS, old_secrets.is_empty(), &|| {
                    json_bytes(old_secrets)
                })?,
            )
            .maybe(
                HEADERS,
                unless_empty(HEADERS, headers.is_empty(), &|| json_bytes(headers))?,
            )
            .maybe(
                SECRET_HEADERS,
                unless_empty(SECRET_HEADERS, secret_headers.is_empty(), &|| {
                    json_bytes(secret_headers)
                })?,
            )
            .maybe(
                CLIENT_CERTIFICATE,
                unless_empty(CLIENT_CERTIFICATE, client_certificate.is_none(), &|| {
                    json_bytes(client_certificate)
                })?,
            )
            .json("metadata", &webhook.metadata)
            .text("dialect", &webhook.dialect)
            .maybe("asks", webhook.challenge.then(|| item::number(1)))
            .maybe("disabled", webhook.disabled.as_ref().map(json_value))
            .maybe("off", webhook.last_disabled_ms().map(item::number))
            .number("epoch", webhook.epoch)
            .number("first", webhook.first_epoch)
            .number("rev", webhook.revision)
            .number("enabled", webhook.enabled_ms)
            .number("made", webhook.created_ms)
            .text("g", list_of(&webhook.tenant))
            .text("gs", place(webhook))
            .text("wh", health_list(webhook.health()))
            .text("whs", place_among_all(webhook)))
    }

    fn webhook_of(&self, mut row: Row) -> Result<Webhook, StoreError> {
        let (tenant, id) = name_of(&row)?;
        let secret = String::from_utf8(self.decrypt(&row, SECRET)?);
        Ok(Webhook {
            tenant,
            id,
            url: row.text("href")?,
            events: row.json("events")?,
            filter: stored_filter(&row)?,
            rate_limit: row.maybe_number("pace"),
            pace_epoch: row.maybe_number("paced").unwrap_or_default(),
            max_in_flight: row.maybe_number("flights"),
            keep_alive: row.maybe_number("keep").map(|keep: u8| keep == 1),
            name: row.maybe_text("title"),
            description: row.maybe_text("about"),
            secret: Secret::new(secret.map_err(|_| row.missing(SECRET))?),
            old_secrets: self.decrypted_json(&row, OLD_SECRETS)?,
            headers: self.decrypted_json(&row, HEADERS)?,
            secret_headers: self.decrypted_json(&row, SECRET_HEADERS)?,
            client_certificate: self.decrypted_json(&row, CLIENT_CERTIFICATE)?,
            metadata: row.document("metadata")?,
            dialect: row.text("dialect")?,
            challenge: row.maybe_number("asks") == Some(1),
            disabled: row.maybe_json("disabled")?,
            disabled_before_ms: row.maybe_number("off"),
            outage: webhook_states::stored(&row)?,
            pause: webhook_states::stored(&row)?,
            epoch: row.number("epoch")?,
            first_epoch: row.number("first")?,
            revision: row.number("rev")?,
            enabled_ms: row.number("enabled")?,
            created_ms: row.number("made")?,
        })
    }

    /// What stands encrypted in an attribute as JSON; nothing, if that is missing.
    fn decrypted_json<T: Default + serde::de::DeserializeOwned>(
        &self,
        row: &Row,
        attribute: &'static str,
    ) -> Result<T, StoreError> {
        let Some(json) = self.maybe_decrypt(row, attribute)? else {
            return Ok(T::default());
        };
        serde_json::from_slice(&json).map_err(|_| row.missing(attribute))
    }
}

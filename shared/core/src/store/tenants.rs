//! Tenants: `T#name` / `A`, and in the index `g` = `T`, `gs` = `created#name`, with copies for publishing, `T#name#copy` / `A`; `T#name` / `Z`
//! once one of the name was deleted.
//!
//! A name may be taken again. The tenant that has it then is another: its number, `nth`, is one higher than that of the last one
//! deleted, which `Z` keeps. All that belongs to a tenant is keyed by name and number, so it begins empty, and nothing that is
//! still under way for the earlier one comes upon what is its own.
//!
//! `ver` goes up with every change of the tenant, its webhooks and its event types. Publishing reads it strongly and keeps what it
//! knows of these for as long as it stays the same. The row names the latest changes too (`tenant_row`), so that publishing reads
//! again only what has changed.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put};
use rung_json::Json;

use super::{
    Item, Listed, Query, Range, Store, StoreError, Stretch,
    api_keys::lookup_of,
    item::{self, Builder, Row},
    listed::position,
    reminders::reminder_of,
    span::Order,
    table::LISTS,
    tenant_row::{
        CHANGES, NUMBER, PORTAL_ROUND, SK, WEBHOOKS, changes_of, id_of, is_of, name_in, partition,
        row_partition, row_partitions, shards_of,
    },
    transact::{Part, Transacted},
    webhooks,
};
use crate::domain::{
    audit::Record,
    id::{JobId, TenantId, TenantName},
    job::Task,
    tenant::Tenant,
};

/// The partition of the index where all tenants stand.
pub(super) const LIST: &str = "T";
/// The sort key of what is kept of a name whose tenant was deleted.
const DELETED: &str = "Z";
/// The attribute of that row with the job that erases what the tenant left.
const JOB: &str = "job";

impl Store {
    /// Makes a tenant, whose number is the next of its name. Answers it as made; `None` when there is one.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_tenant(
        &self,
        tenant: &Tenant,
        record: &Record,
    ) -> Result<Option<Tenant>, StoreError> {
        let pk = row_partition(tenant.id.name());
        loop {
            let deleted = self.get(pk.as_str(), DELETED).await?;
            let last: Option<u64> = deleted.map(|row| row.number(NUMBER)).transpose()?;
            let tenant = Tenant {
                id: tenant.id.with_number(last.unwrap_or(0) + 1),
                ..tenant.clone()
            };
            let mut parts = Vec::new();
            for row in rows(&tenant) {
                let put = Put::builder()
                    .table_name(&*self.table)
                    .set_item(Some(new_row(row)))
                    .condition_expression("attribute_not_exists(pk)");
                parts.push(Part::Put(Box::new(put.build()?)));
            }
            let check = ConditionCheck::builder()
                .table_name(&*self.table)
                .key("pk", item::text(&pk))
                .key("sk", item::text(DELETED));
            let check = match last {
                None => check.condition_expression("attribute_not_exists(pk)"),
                Some(last) => check
                    .condition_expression(format!("{NUMBER} = :last"))
                    .expression_attribute_values(":last", item::number(last)),
            };
            parts.push(Part::Check(Box::new(check.build()?)));
            // The number of its name is known only here.
            let record = Record {
                tenant: Some(tenant.id.clone()),
                ..record.clone()
            };
            match self.change(parts, &record).await? {
                Transacted::Written => return Ok(Some(tenant)),
                Transacted::Refused(parts) if parts.first() == Some(&true) => return Ok(None),
                // One of the name was made and deleted since.
                Transacted::Refused(_) => {}
            }
        }
    }

    /// A tenant, by a strong read. A later one of its name is another.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let found = self.tenant_row(id.name()).await?;
        Ok(found.filter(|found| found.id == *id))
    }

    /// The tenant that has this name now, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenant_called(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        self.tenant_row(name.as_str()).await
    }

    async fn tenant_row(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let key = (self.partition_to_read(name), SK.to_owned());
        let Some(revision) = self.revision_to_read() else {
            let (pk, sk) = key;
            return self.get(pk, sk).await?.map(from_row).transpose();
        };
        let (mut tenant, mut definitions) = (None, None);
        for row in self.get_all(vec![key, revision.clone()]).await? {
            let (pk, _) = row.key()?;
            if pk == revision.0 {
                definitions = Some(row);
            } else {
                tenant = Some(row);
            }
        }
        self.note_revision(definitions.as_ref());
        tenant.map(from_row).transpose()
    }

    /// A page of all tenants from behind a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenants(
        &self,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Tenant>, StoreError> {
        let all = [LIST.to_owned()];
        let stretch = Stretch::behind(after, Some(LISTS), order);
        let page = self.listed(&all, stretch, limit).await?;
        page.try_map(from_row)
    }

    /// Writes a tenant as changed since it was read, its version one higher. `false` when it, or a webhook of it, has changed
    /// meanwhile: read again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_tenant(
        &self,
        tenant: &Tenant,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let next = Tenant {
            version: tenant.version + 1,
            ..tenant.clone()
        };
        let (is_of, nth) = is_of(&tenant.id);
        let as_read = format!("ver = :ver AND {is_of}");
        let parts = rows(&next).map(|row| {
            let values = [
                (":ver", item::number(tenant.version)),
                (":nth", nth.clone()),
            ];
            self.rewrite(row, &as_read, values)
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(matches!(
            self.change(parts, record).await?,
            Transacted::Written
        ))
    }

    /// Deletes a tenant with its webhooks, keys and event types, and begins the erasure of what it leaves.
    ///
    /// The tenant's own row goes last, and only if no webhook was made meanwhile, so a deletion cut short can be repeated and
    /// leaves nothing behind. A webhook leaves a row that leads to its log.
    pub(super) async fn delete_tenant(
        &self,
        task: &Task,
        tenant: &TenantId,
        record: &Record,
    ) -> Result<(), StoreError> {
        while let Some(tenant) = self.tenant(tenant).await? {
            let pk = partition(&tenant.id);
            self.delete_webhooks_of(&tenant).await?;
            for prefix in ["K#", "L#", "Y#"] {
                let rows = self
                    .query_all(Query {
                        range: Range::Prefix(prefix),
                        ..Query::of(&pk)
                    })
                    .await?;
                let mut keys = Vec::with_capacity(rows.len());
                for mut row in rows {
                    keys.extend(lookup_of(&row));
                    keys.extend(reminder_of(&row));
                    keys.push((row.text("pk")?, row.text("sk")?));
                }
                self.delete_all(keys).await?;
            }
            let (is_of, nth) = is_of(&tenant.id);
            let mut parts = Vec::new();
            for row_pk in row_partitions(tenant.id.name()) {
                let delete = Delete::builder()
                    .table_name(&*self.table)
                    .key("pk", item::text(row_pk))
                    .key("sk", item::text(SK))
                    .condition_expression(format!("ver = :ver AND {is_of}"))
                    .expression_attribute_values(":ver", item::number(tenant.version))
                    .expression_attribute_values(":nth", nth.clone());
                parts.push(Part::Delete(Box::new(delete.build()?)));
            }
            let deleted = Builder::new(row_partition(tenant.id.name()), DELETED)
                .number(NUMBER, tenant.id.number())
                .text(JOB, task.id.as_str());
            let keep = Put::builder()
                .table_name(&*self.table)
                .set_item(Some(deleted.build()))
                .build()?;
            parts.extend([Part::Put(Box::new(keep)), self.new_erasure(task)?]);
            let record = Record {
                tenant: Some(tenant.id.clone()),
                ..record.clone()
            };
            self.change(parts, &record).await?;
        }
        Ok(())
    }

    /// Deletes a tenant's webhooks, each of which leaves a row that leads to its log.
    async fn delete_webhooks_of(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let rows = self.webhook_rows(tenant).await?;
        let expiry = self.expiry();
        let (mut left, mut keys) = (Vec::new(), Vec::new());
        for row in &rows {
            let (of, id) = webhooks::name_of(row)?;
            left.push(webhooks::deleted(&of, &id, row.number("epoch")?, expiry));
            keys.push(webhooks::row_key(&of, &id));
        }
        self.put_all(left).await?;
        self.delete_all(keys).await
    }

    /// The job that erases the last tenant of a name that was deleted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_deletion(&self, name: &str) -> Result<Option<JobId>, StoreError> {
        let row = self.get(row_partition(name), DELETED).await?;
        let job = row.and_then(|mut row| row.maybe_text(JOB));
        Ok(job.and_then(|job| JobId::parse(&job).ok()))
    }
}

/// A tenant's position in the list of all.
#[must_use]
pub fn place(tenant: &Tenant) -> String {
    position(tenant.created_ms, tenant.id.name())
}

/// The row of a tenant of which nothing has changed yet.
fn new_row(row: Builder) -> Item {
    let no_changes = AttributeValue::M(Item::new());
    row.with(CHANGES, no_changes).build()
}

/// The row and its copies, without the changes and shards that they name: those are for whoever makes a change to write.
fn rows(tenant: &Tenant) -> impl Iterator<Item = Builder> {
    let mut listed = true;
    row_partitions(tenant.id.name()).map(move |pk| {
        let row = to_row(pk, tenant);
        // The first alone stands in the index.
        if !std::mem::take(&mut listed) {
            return row;
        }
        row.text("g", LIST)
            .text("gs", position(tenant.created_ms, tenant.id.name()))
    })
}

fn to_row(pk: String, tenant: &Tenant) -> Builder {
    Builder::new(pk, SK)
        .number(NUMBER, tenant.id.number())
        .maybe("title", tenant.name.as_ref().map(item::text))
        .text("dialect", &tenant.dialect)
        .maybe("tier", tenant.plan.as_ref().map(item::text))
        .maybe("keep", tenant.retention_days.map(item::number))
        .maybe(
            "meta",
            (tenant.metadata != Json::empty()).then(|| item::json(&tenant.metadata)),
        )
        .number(WEBHOOKS, tenant.webhooks)
        .number("ver", tenant.version)
        .number(PORTAL_ROUND, tenant.portal_round)
        .number("made", tenant.created_ms)
}

fn from_row(mut row: Row) -> Result<Tenant, StoreError> {
    let name = row.parsed("pk", name_in)?;
    Ok(Tenant {
        id: id_of(&name, &row),
        name: row.maybe_text("title"),
        dialect: row.text("dialect")?,
        plan: row.maybe_text("tier"),
        retention_days: row.maybe_number("keep"),
        metadata: if row.0.contains_key("meta") {
            row.document("meta")?
        } else {
            Json::empty()
        },
        webhooks: row.maybe_number(WEBHOOKS).unwrap_or(0),
        webhook_shards: shards_of(&row),
        version: row.number("ver")?,
        changes: changes_of(&row)?,
        portal_round: row.maybe_number(PORTAL_ROUND).unwrap_or(0),
        created_ms: row.number("made")?,
    })
}

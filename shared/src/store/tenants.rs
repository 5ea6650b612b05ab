//! Tenants: `T#t` / `A`, and in the index `g` = `T`, `gs` = `created#t`.
//!
//! `ver` goes up with every change of the tenant, its webhooks and its schemas. Publishing reads it strongly and keeps what it
//! knows of these for as long as it stays the same.

use aws_sdk_dynamodb::error::SdkError;

use super::{
    Item, Listed, Query, Range, Store, StoreError,
    api_keys::lookup_of,
    item::{self, Builder, Row},
    listed::position,
    tenant_row::{SK, partition},
};
use crate::domain::{id::TenantId, tenant::Tenant};

const LIST: &str = "T";

impl Store {
    /// Makes a tenant. Whether this call did: an id can be taken once.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(to_item(tenant)));
        Ok(
            super::put_if(put.condition_expression("attribute_not_exists(pk)"))
                .await?
                .is_none(),
        )
    }

    /// A tenant, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.get(partition(id), SK).await?.map(from_row).transpose()
    }

    /// A page of all tenants, newest first, from before a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenants(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Tenant>, StoreError> {
        self.listed(LIST, before, limit).await?.try_map(from_row)
    }

    /// Writes a tenant as changed since it was read, its version one higher. `false` when it, or a webhook of it, has changed
    /// meanwhile: read again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let next = Tenant {
            version: tenant.version + 1,
            ..tenant.clone()
        };
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(to_item(&next)));
        let put = put
            .condition_expression("ver = :ver")
            .expression_attribute_values(":ver", item::number(tenant.version));
        Ok(super::put_if(put).await?.is_none())
    }

    /// Deletes a tenant with its webhooks, keys and schemas. Its events and logs are out of reach then, and expire. Whether it was there.
    ///
    /// The tenant's own row goes last, and only if no webhook was made meanwhile, so a deletion cut short can be repeated and
    /// leaves nothing behind.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_tenant(&self, id: &TenantId) -> Result<bool, StoreError> {
        let pk = partition(id);
        while let Some(tenant) = self.tenant(id).await? {
            for prefix in ["W#", "K#", "Y#"] {
                let rows = self
                    .query_all(Query {
                        range: Range::Prefix(prefix),
                        ..Query::of(&pk)
                    })
                    .await?;
                let mut keys = Vec::with_capacity(rows.len());
                for mut row in rows {
                    keys.extend(lookup_of(&row));
                    keys.push((row.text("pk")?, row.text("sk")?));
                }
                self.delete_all(keys).await?;
            }
            let delete = self
                .client
                .delete_item()
                .table_name(&*self.table)
                .key("pk", item::text(&pk))
                .key("sk", item::text(SK));
            let delete = delete.condition_expression("ver = :ver");
            match delete
                .expression_attribute_values(":ver", item::number(tenant.version))
                .send()
                .await
            {
                Ok(_) => return Ok(true),
                Err(SdkError::ServiceError(error))
                    if error.err().is_conditional_check_failed_exception() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

fn to_item(tenant: &Tenant) -> Item {
    Builder::new(partition(&tenant.id), SK)
        .maybe("title", tenant.name.as_ref().map(item::text))
        .text("dialect", &tenant.dialect)
        .maybe("tier", tenant.plan.as_ref().map(item::text))
        .maybe("keep", tenant.retention_days.map(item::number))
        .number("ver", tenant.version)
        .number("made", tenant.created_ms)
        .text("g", LIST)
        .text("gs", position(tenant.created_ms, tenant.id.as_str()))
        .build()
}

fn from_row(mut row: Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row.parsed("pk", |pk| TenantId::parse(pk.strip_prefix("T#")?).ok())?,
        name: row.maybe_text("title"),
        dialect: row.text("dialect")?,
        plan: row.maybe_text("tier"),
        retention_days: row.maybe_number("keep"),
        version: row.number("ver")?,
        created_ms: row.number("made")?,
    })
}

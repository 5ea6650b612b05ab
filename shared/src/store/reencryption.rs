//! Encrypting anew, with the newest key, what was encrypted with an older one.

use futures_util::future::try_join_all;

use super::{Row, Store, StoreError, deployment_key, item, listed::position, put_if, webhooks};
use crate::domain::{id::TenantId, tenant::Tenant};

/// Rows that are written at once.
const AT_ONCE: usize = 32;
/// Tenants of a page.
const TENANTS: usize = 100;

/// How far encrypting anew came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reencrypted {
    /// Rows that were looked at.
    pub checked: u64,
    /// Rows that were encrypted with an older key, and are not any more.
    pub rewritten: u64,
}

impl Store {
    /// Encrypts with the newest key whatever is encrypted with another one, tenant by tenant from `after` on (a position that an
    /// earlier call answered), until `is_late`. Answers how far it came, and the position to go on from, `None` at the end.
    /// What is written meanwhile is encrypted with the newest key of its writer.
    ///
    /// # Errors
    /// When the table cannot be read or written, or something is encrypted with a key that is not here.
    pub async fn reencrypt(
        &self,
        after: Option<&str>,
        is_late: impl Fn() -> bool,
    ) -> Result<(Reencrypted, Option<String>), StoreError> {
        let mut done = Reencrypted::default();
        if after.is_none() {
            self.reencrypt_deployment_key(&mut done).await?;
        }
        let mut after = after.map(str::to_owned);
        loop {
            let page = self.tenants(after.as_deref(), TENANTS).await?;
            for Tenant { id, created_ms, .. } in page.items {
                self.reencrypt_webhooks(&id, &mut done).await?;
                after = Some(position(created_ms, id.name()));
                if is_late() {
                    return Ok((done, after));
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok((done, None)),
            }
        }
    }

    async fn reencrypt_deployment_key(&self, done: &mut Reencrypted) -> Result<(), StoreError> {
        let Some(row) = self.get(deployment_key::PK, deployment_key::SK).await? else {
            return Ok(());
        };
        done.checked += 1;
        if self.is_of_older_key(&row, deployment_key::KEY) {
            let key = self.deployment_key_of(&row)?;
            self.put_soon(self.deployment_key_item(&key)?).await?;
            done.rewritten += 1;
        }
        Ok(())
    }

    async fn reencrypt_webhooks(
        &self,
        tenant: &TenantId,
        done: &mut Reencrypted,
    ) -> Result<(), StoreError> {
        let rows = self.webhook_rows(tenant).await?;
        done.checked += rows.len() as u64;
        let is_old = |row: &Row| {
            let mut attributes = webhooks::ENCRYPTED.into_iter();
            attributes.any(|attribute| self.is_of_older_key(row, attribute))
        };
        let old: Vec<Row> = rows.into_iter().filter(is_old).collect();
        done.rewritten += old.len() as u64;
        let mut old = old.into_iter();
        loop {
            let some: Vec<Row> = old.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            try_join_all(some.into_iter().map(|row| self.reencrypt_webhook(row))).await?;
        }
    }

    /// Writes a webhook as it is. One that changes or is deleted meanwhile is somebody else's, who has the newest key.
    async fn reencrypt_webhook(&self, row: Row) -> Result<(), StoreError> {
        let webhook = self.webhook_of(row)?;
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(self.webhook_item(&webhook)?))
            .condition_expression("rev = :rev")
            .expression_attribute_values(":rev", item::number(webhook.revision));
        put_if(put).await.map(drop)
    }
}

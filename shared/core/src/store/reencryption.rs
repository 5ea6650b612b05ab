//! Encrypting anew, with the newest key, what was encrypted with an older one.

use futures_util::future::try_join_all;

use super::{
    Row, Store, StoreError, deployment_key, item::Builder, listed::position, span::Order, webhooks,
};
use crate::domain::tenant::Tenant;

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
            self.reencrypt_answers(None, &mut done).await?;
        }
        let mut after = after.map(str::to_owned);
        loop {
            let page = self
                .tenants(Order::NewestFirst, after.as_deref(), TENANTS)
                .await?;
            for tenant in page.items {
                let webhooks = self.webhook_rows(&tenant).await?;
                let Tenant { id, created_ms, .. } = tenant;
                self.reencrypt_rows(webhooks, &webhooks::ENCRYPTED, &mut done)
                    .await?;
                self.reencrypt_answers(Some(&id), &mut done).await?;
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
        let row = self.get(deployment_key::PK, deployment_key::SK).await?;
        let rows = row.into_iter().collect();
        self.reencrypt_rows(rows, &[deployment_key::KEY], done)
            .await
    }

    /// Encrypts these attributes anew in those of the rows that an older key has encrypted.
    pub(super) async fn reencrypt_rows(
        &self,
        rows: Vec<Row>,
        attributes: &[&'static str],
        done: &mut Reencrypted,
    ) -> Result<(), StoreError> {
        done.checked += rows.len() as u64;
        let is_old = |row: &Row| {
            let mut attributes = attributes.iter();
            attributes.any(|attribute| self.is_of_older_key(row, attribute))
        };
        let old: Vec<Row> = rows.into_iter().filter(is_old).collect();
        done.rewritten += old.len() as u64;
        for some in old.chunks(AT_ONCE) {
            let rewritten = some.iter().map(|row| self.reencrypt_row(row, attributes));
            try_join_all(rewritten).await?;
        }
        Ok(())
    }

    /// Encrypts these attributes of a row anew, and leaves the others alone. One that was written or is gone meanwhile is somebody
    /// else's, who has the newest key.
    async fn reencrypt_row(
        &self,
        row: &Row,
        attributes: &[&'static str],
    ) -> Result<(), StoreError> {
        /// No row has more attributes that are encrypted than a webhook's: one without a name here would keep its old key.
        const AS_READ: [&str; webhooks::ENCRYPTED.len()] = [":r0", ":r1", ":r2", ":r3", ":r4"];
        let key = row.key()?;
        let mut encrypted = Builder::new(key.0, key.1);
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        for (attribute, as_read) in attributes.iter().copied().zip(AS_READ) {
            let Some(plain) = self.maybe_decrypt(row, attribute)? else {
                continue;
            };
            encrypted = encrypted.with(attribute, self.encrypt(key, attribute, &plain)?);
            conditions.push(format!("{attribute} = {as_read}"));
            values.push((as_read, row.0[attribute].clone()));
        }
        let part = self.rewrite(encrypted, conditions.join(" AND "), values)?;
        self.transact([part]).await.map(drop)
    }
}

//! API keys, stored by their hashes: `K#hash` / `-` is what a presented key is looked up by, `T#t` / `K#created#id` stands in
//! the tenant's list. Both hold the whole entry and are written and deleted together. With a key that ends its reminder is written
//! too.

use aws_sdk_dynamodb::types::Put;

use super::{
    Item, Listed, Query, Range, Store, StoreError,
    item::{self, Builder, Row},
    listed::position,
    tenant_row::partition,
    transact::{Outcome, Part},
};
use crate::domain::{
    id::{KeyId, TenantId},
    tenant::{ApiKey, KeyHash},
};

/// What came of making an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCreated {
    /// It is there.
    Done,
    /// A key of this hash was there already, of this tenant or another.
    Taken,
    /// The tenant is not there.
    NoTenant,
}

const LOOKUP_SK: &str = "-";

impl Store {
    /// Adds a key to its tenant.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<KeyCreated, StoreError> {
        let lookup = Builder::new(lookup_pk(&key.hash), LOOKUP_SK);
        let listed = Builder::new(
            partition(&key.tenant),
            format!("K#{}", position(key.created_ms, key.id.as_str())),
        );
        let put = |item| {
            let put = Put::builder().table_name(&*self.table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)");
            Ok::<_, StoreError>(Part::Put(Box::new(put.build()?)))
        };
        let reminder = self.reminder(key)?;
        let parts = [put(to_item(lookup, key))?, put(to_item(listed, key))?];
        let parts = parts.into_iter().chain(reminder);
        let parts = parts.chain([self.tenant_exists(&key.tenant)?]);
        Ok(match self.transact(parts).await? {
            Outcome::Written => KeyCreated::Done,
            Outcome::Refused(parts) if parts.last() == Some(&true) => KeyCreated::NoTenant,
            Outcome::Refused(_) => KeyCreated::Taken,
        })
    }

    /// The key of a hash, expired or not, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_key(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        let row = self.get(lookup_pk(hash), LOOKUP_SK).await?;
        row.map(from_row).transpose()
    }

    /// A key by its place in its tenant's list, expired or not, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn listed_api_key(
        &self,
        tenant: &TenantId,
        created_ms: u64,
        id: &KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let sk = format!("K#{}", position(created_ms, id.as_str()));
        let row = self.get(partition(tenant), sk).await?;
        row.map(from_row).transpose()
    }

    /// Gives a key that is there already its reminder.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn remind(&self, key: &ApiKey) -> Result<(), StoreError> {
        let lookup = to_item(Builder::new(lookup_pk(&key.hash), LOOKUP_SK), key);
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(lookup));
        // Deleted meanwhile, it stays so.
        let put = put.condition_expression("attribute_exists(pk)").build()?;
        let parts = [Part::Put(Box::new(put))].into_iter();
        self.transact(parts.chain(self.reminder(key)?)).await?;
        Ok(())
    }

    /// A page of a tenant's keys, newest first, from before a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_keys(
        &self,
        tenant: &TenantId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<ApiKey>, StoreError> {
        let before = before.map_or_else(|| "K#~".to_owned(), |position| format!("K#{position}"));
        let pk = [partition(tenant)];
        let (items, next) = self
            .merged_page(&pk, false, "K#", Some(&before), limit)
            .await?;
        let next = next.and_then(|sk| sk.strip_prefix("K#").map(str::to_owned));
        Listed { items, next }.try_map(from_row)
    }

    /// Deletes a key of a tenant. Whether it was there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_api_key(&self, tenant: &TenantId, id: &KeyId) -> Result<bool, StoreError> {
        let pk = partition(tenant);
        let query = Query {
            range: Range::Prefix("K#"),
            ..Query::of(&pk)
        };
        let keys = self.query_all(query).await?.into_iter().map(from_row);
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let Some(key) = keys.into_iter().find(|key| key.id == *id) else {
            return Ok(false);
        };
        let sk = format!("K#{}", position(key.created_ms, key.id.as_str()));
        let parts = [
            self.delete_existing(lookup_pk(&key.hash), LOOKUP_SK.to_owned())?,
            self.delete_existing(pk, sk)?,
        ];
        Ok(matches!(self.transact(parts).await?, Outcome::Written))
    }
}

/// The partition that a key of this hash is looked up in.
pub(super) fn lookup_pk(hash: &KeyHash) -> String {
    format!("K#{}", hash.to_hex())
}

/// The key that deletes the lookup of a row of the tenant's list; `None` for any other row.
pub(super) fn lookup_of(row: &Row) -> Option<(String, String)> {
    let hash = row.parsed("hashed", KeyHash::from_hex).ok()?;
    Some((lookup_pk(&hash), LOOKUP_SK.to_owned()))
}

fn to_item(key: Builder, entry: &ApiKey) -> Item {
    key.text("tenant", entry.tenant.as_str())
        .text("id", entry.id.as_str())
        .text("hashed", entry.hash.to_hex())
        .maybe("title", entry.name.as_ref().map(item::text))
        .json("scopes", &entry.scopes)
        .maybe("rate", entry.events_per_hour.map(item::number))
        .maybe("ends", entry.expires_ms.map(item::number))
        .maybe("remind", entry.remind_ms.map(item::number))
        .number("made", entry.created_ms)
        .build()
}

fn from_row(mut row: Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.parsed("id", |id| KeyId::parse(id).ok())?,
        tenant: row.parsed("tenant", |id| TenantId::parse(id).ok())?,
        hash: row.parsed("hashed", KeyHash::from_hex)?,
        name: row.maybe_text("title"),
        scopes: row.json("scopes")?,
        events_per_hour: row.maybe_number("rate"),
        expires_ms: row.maybe_number("ends"),
        remind_ms: row.maybe_number("remind"),
        created_ms: row.number("made")?,
    })
}

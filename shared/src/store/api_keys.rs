//! API keys, stored by their hashes: `K#hash` / `-` is what a presented key is looked up by, `T#t` / `K#created#id` stands in
//! the tenant's list. Both hold the whole entry and are written and deleted together. With a key that ends its reminder is written
//! too, and with one that is made under an `Idempotency-Key` a row that keeps that: `T#t` / `I#hash`, for the retention. It stays when
//! the key is deleted, or a repeat of the request that made it would make another.

use aws_sdk_dynamodb::types::Put;

use super::{
    Item, Listed, NOTHING_THERE, Query, Range, Store, StoreError,
    item::{self, Builder, Row},
    listed::position,
    tenant_row::partition,
    transact::{Outcome, Part},
};
use crate::domain::{
    id::{KeyId, TenantId},
    idempotency::Idempotency,
    tenant::{ApiKey, KeyHash},
};

/// What came of making an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCreated {
    /// It is there.
    Done,
    /// The same request under the same `Idempotency-Key` has made this one before.
    Repeated(ApiKey),
    /// So it has, and what it made was deleted.
    Deleted,
    /// The `Idempotency-Key` belongs to another request.
    OtherUnderKey,
    /// A key of this hash was there already, of this tenant or another.
    Taken,
    /// The tenant is not there.
    NoTenant,
}

const LOOKUP_SK: &str = "-";

impl Store {
    /// Adds a key to its tenant, once for each `Idempotency-Key`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_api_key(
        &self,
        key: &ApiKey,
        idempotency: Option<&Idempotency>,
    ) -> Result<KeyCreated, StoreError> {
        let reservation = match idempotency {
            Some(idempotency) => Some(self.reservation(key, idempotency).await?),
            None => None,
        };
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
        let parts = [self.tenant_exists(&key.tenant)?].into_iter();
        let parts = parts.chain(reservation.map(|put| Part::Put(Box::new(put))));
        let parts = parts.chain([put(to_item(lookup, key))?, put(to_item(listed, key))?]);
        let parts = parts.chain(self.reminder(key)?);
        Ok(match (self.transact(parts).await?, idempotency) {
            (Outcome::Written, _) => KeyCreated::Done,
            (Outcome::Refused(failed), _) if failed.first() == Some(&true) => KeyCreated::NoTenant,
            (Outcome::Refused(failed), Some(idempotency)) if failed.get(1) == Some(&true) => {
                self.made_under(&key.tenant, idempotency).await?
            }
            (Outcome::Refused(_), _) => KeyCreated::Taken,
        })
    }

    /// Keeps which key a request has made.
    async fn reservation(
        &self,
        key: &ApiKey,
        idempotency: &Idempotency,
    ) -> Result<Put, StoreError> {
        let (pk, sk) = reservation_key(&key.tenant, idempotency);
        let item = Builder::new(pk, sk)
            .bytes("h", idempotency.content_hash.to_vec())
            .text("id", key.id.as_str())
            .number("made", key.created_ms)
            .number("exp", self.expiry_of(&key.tenant).await?);
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression(NOTHING_THERE)
            .expression_attribute_values(":now", self.now());
        Ok(put.build()?)
    }

    /// What a request under an `Idempotency-Key` that is kept has made.
    async fn made_under(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
    ) -> Result<KeyCreated, StoreError> {
        let (pk, sk) = reservation_key(tenant, idempotency);
        // Between the two calls it may have expired, or the tenant be gone: a key made then is as good as deleted.
        let Some(row) = self.get(pk, sk).await? else {
            return Ok(KeyCreated::Deleted);
        };
        if row.bytes("h")? != idempotency.content_hash {
            return Ok(KeyCreated::OtherUnderKey);
        }
        let id = row.parsed("id", |id| KeyId::parse(id).ok())?;
        let made = self
            .listed_api_key(tenant, row.number("made")?, &id)
            .await?;
        Ok(made.map_or(KeyCreated::Deleted, KeyCreated::Repeated))
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

/// Where it is kept what was made under an `Idempotency-Key`.
fn reservation_key(tenant: &TenantId, idempotency: &Idempotency) -> (String, String) {
    let sk = format!("I#{}", idempotency.key_hash());
    (partition(tenant), sk)
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

//! API keys, stored by their hashes: `K#hash` / `-` is what a presented key is looked up by, `K#created#id` stands in its owner's
//! list: in `T#t` for a tenant's, in `O` for the operator's. Both hold the whole key and are written and deleted together; when it
//! was last used stands in the former alone, and only [`Store::note_use`] writes it. With a tenant's key that ends its reminder is written too.
//!
//! The operator's first key comes from the deployment's settings and has none of these rows. `O` / `F#hash` says when it was last
//! used, and that it was deleted. Another first key has another hash: it is not deleted.
//!
//! A portal link is stored as a tenant's key is, but that it stands in the tenant's list as `L#id`, apart from the keys and in the
//! order of its making, which its id begins with. Its rows expire a while after it ends. All of a tenant's links are ended by raising
//! a counter in the tenant's row, which every call reads: each link keeps what that was when it was made.

use aws_sdk_dynamodb::types::{ConditionCheck, Put, Update};

use super::{
    Listed, Query, Range, Store, StoreError, Stretch,
    first_answers::OPERATOR,
    item::{self, Builder, Row},
    listed::position,
    span::Order,
    tenant_row::{PORTAL_ROUND, What, partition},
    transact::{Part, Transacted},
    update_if,
};
use crate::domain::{
    audit::Record,
    id::{KeyId, TenantId},
    tenant::{ApiKey, KeyHash, KeyOwner, Tenant},
};
use crate::limits::PORTAL_LINK_KEPT_MS;

/// What came of making an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCreated {
    /// It is there.
    Done,
    /// A key of this hash was there already, of this owner or another.
    Taken,
    /// The tenant is not there.
    NoTenant,
}

/// What is written down of the operator's first key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirstKey {
    /// When it was last used, in milliseconds of the wall clock.
    pub used_ms: Option<u64>,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// A key that a change of another relies on: it is not written unless this one is still as it was read.
#[derive(Debug, Clone, Copy)]
pub enum Remaining<'a> {
    /// The first key, of this hash.
    First(&'a KeyHash),
    /// Another.
    Other(&'a ApiKey),
}

const LOOKUP_SK: &str = "-";
/// The condition that a key is there as it was read.
const UNCHANGED: &str = "rev = :rev";

impl Store {
    /// Adds a key to its owner's.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create_api_key(
        &self,
        key: &ApiKey,
        record: &Record,
    ) -> Result<KeyCreated, StoreError> {
        let mut parts = Vec::new();
        if let KeyOwner::Tenant(tenant) = &key.owner {
            parts.push(self.tenant_exists(tenant)?);
        }
        for row in rows(key) {
            let put = Put::builder()
                .table_name(&*self.table)
                .set_item(Some(row.build()))
                .condition_expression("attribute_not_exists(pk)");
            parts.push(Part::Put(Box::new(put.build()?)));
        }
        parts.extend(self.reminder(key)?);
        let is_of_tenant = key.owner.tenant().is_some();
        Ok(match self.change(parts, record).await? {
            Transacted::Written => KeyCreated::Done,
            Transacted::Refused(failed) if is_of_tenant && failed.first() == Some(&true) => {
                KeyCreated::NoTenant
            }
            Transacted::Refused(_) => KeyCreated::Taken,
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

    /// A key by its place in its owner's list, expired or not, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn listed_api_key(
        &self,
        owner: &KeyOwner,
        created_ms: u64,
        id: &KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let row = self.get(owner_pk(owner), list_sk(created_ms, id)).await?;
        row.map(from_row).transpose()
    }

    /// A page of an owner's keys, newest first, from before a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_keys(
        &self,
        owner: &KeyOwner,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<ApiKey>, StoreError> {
        let after = after.map(|position| format!("K#{position}"));
        let pk = [owner_pk(owner)];
        let stretch = Stretch {
            from: "K#",
            until: "K#~",
            ..Stretch::behind(after.as_deref(), None, order)
        };
        let (rows, next) = self.merged_page(&pk, stretch, limit).await?;
        let next = next.and_then(|sk| sk.strip_prefix("K#").map(str::to_owned));
        // The rows of the list do not say when a key was used.
        let hashes = rows
            .iter()
            .map(|(_, row)| row.parsed("hashed", KeyHash::from_hex));
        let lookups = hashes.map(|hash| Ok((lookup_pk(&hash?), LOOKUP_SK.to_owned())));
        let lookups = lookups.collect::<Result<_, StoreError>>()?;
        let items = self.get_all(lookups).await?.into_iter().map(from_row);
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| order.compare(&position_of(one), &position_of(other)));
        Ok(Listed { items, next })
    }

    /// An owner's key, expired or not, by strong reads of the owner's list.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_key_called(
        &self,
        owner: &KeyOwner,
        id: &KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let keys = self.api_keys_of(owner).await?;
        let Some(key) = keys.into_iter().find(|key| key.id == *id) else {
            return Ok(None);
        };
        self.api_key(&key.hash).await
    }

    /// All keys of an owner, expired or not, by strong reads; they do not say when they were used.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn api_keys_of(&self, owner: &KeyOwner) -> Result<Vec<ApiKey>, StoreError> {
        let pk = owner_pk(owner);
        let query = Query {
            range: Range::Prefix("K#"),
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?;
        rows.into_iter().map(from_row).collect()
    }

    /// Writes a key as changed since it was read, its revision one higher, if the key that `remaining` names is still there. `false`
    /// when one of them has changed meanwhile: read again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn update_api_key(
        &self,
        key: &ApiKey,
        remaining: Option<Remaining<'_>>,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let next = ApiKey {
            revision: key.revision + 1,
            ..key.clone()
        };
        let mut parts = Vec::new();
        for row in rows(&next) {
            let as_read = [(":rev", item::number(key.revision))];
            parts.push(self.rewrite(row, UNCHANGED, as_read)?);
        }
        parts.extend(self.reminder(&next)?);
        parts.extend(remaining.map(|key| self.still_there(key)).transpose()?);
        Ok(matches!(
            self.change(parts, record).await?,
            Transacted::Written
        ))
    }

    /// Deletes a key as it was read, if the key that `remaining` names is still there. `false` when one of them has changed
    /// meanwhile: read again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_api_key(
        &self,
        key: &ApiKey,
        remaining: Option<Remaining<'_>>,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut parts = vec![
            self.delete_existing(lookup_pk(&key.hash), LOOKUP_SK.to_owned())?,
            self.delete_existing(owner_pk(&key.owner), sk_of(key))?,
        ];
        parts.extend(remaining.map(|key| self.still_there(key)).transpose()?);
        Ok(matches!(
            self.change(parts, record).await?,
            Transacted::Written
        ))
    }

    /// What is written down of the first key of this hash, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn first_key(&self, hash: &KeyHash) -> Result<FirstKey, StoreError> {
        let (pk, sk) = first_key_key(hash);
        let row = self.get(pk, sk).await?;
        Ok(row.map_or_else(FirstKey::default, |row| FirstKey {
            used_ms: row.maybe_number("used"),
            is_deleted: row.maybe_number("gone") == Some(1),
        }))
    }

    /// Deletes the first key of this hash, if the key that `remaining` names is still there. `false` when it has changed meanwhile
    /// or the first key was deleted before.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_first_key(
        &self,
        hash: &KeyHash,
        remaining: Remaining<'_>,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let (pk, sk) = first_key_key(hash);
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .update_expression("SET gone = :one")
            .condition_expression("attribute_not_exists(gone)")
            .expression_attribute_values(":one", item::number(1));
        let parts = [
            Part::Update(Box::new(update.build()?)),
            self.still_there(remaining)?,
        ];
        Ok(matches!(
            self.change(parts, record).await?,
            Transacted::Written
        ))
    }

    /// Notes that a key was used at `used_ms` of the wall clock, if it is there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn note_use(
        &self,
        key: &ApiKey,
        is_first: bool,
        used_ms: u64,
    ) -> Result<(), StoreError> {
        let (pk, sk) = if is_first {
            first_key_key(&key.hash)
        } else {
            (lookup_pk(&key.hash), LOOKUP_SK.to_owned())
        };
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .update_expression("SET used = :now")
            .expression_attribute_values(":now", item::number(used_ms));
        let update = if is_first {
            update
        } else {
            update.condition_expression("attribute_exists(pk)")
        };
        // Deleted meanwhile, it stays so.
        update_if(update).await.map(drop)
    }

    /// A tenant's portal link, ended or not, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn portal_link(
        &self,
        owner: &KeyOwner,
        id: &KeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let row = self.get(owner_pk(owner), link_sk(id)).await?;
        row.map(from_row).transpose()
    }

    /// A page of a tenant's portal links, ended or not, from behind a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn portal_links(
        &self,
        tenant: &TenantId,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<ApiKey>, StoreError> {
        let after = after.map(|position| format!("{LINKS}{position}"));
        let pk = [partition(tenant)];
        let stretch = Stretch {
            from: LINKS,
            until: &format!("{LINKS}~"),
            ..Stretch::behind(after.as_deref(), None, order)
        };
        let (rows, next) = self.merged_page(&pk, stretch, limit).await?;
        let next = next.and_then(|sk| sk.strip_prefix(LINKS).map(str::to_owned));
        let items = rows.into_iter().map(|(_, row)| from_row(row));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Listed { items, next })
    }

    /// Ends all portal links that a tenant has. `false` when the tenant is not there any more.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn end_portal_links(
        &self,
        tenant: &Tenant,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let round = format!(", {PORTAL_ROUND} :one");
        let raised = self.raise_version_and(&tenant.id, What::Nothing, &round, |update| update)?;
        let outcome = self.change(raised, record).await?;
        Ok(matches!(outcome, Transacted::Written))
    }

    /// The part of a transaction that insists on a key's being there, as it was read.
    fn still_there(&self, key: Remaining<'_>) -> Result<Part, StoreError> {
        let check = ConditionCheck::builder().table_name(&*self.table);
        let (check, (pk, sk)) = match key {
            Remaining::First(hash) => (
                check.condition_expression("attribute_not_exists(gone)"),
                first_key_key(hash),
            ),
            Remaining::Other(key) => (
                check
                    .condition_expression(UNCHANGED)
                    .expression_attribute_values(":rev", item::number(key.revision)),
                (lookup_pk(&key.hash), LOOKUP_SK.to_owned()),
            ),
        };
        let check = check.key("pk", item::text(pk)).key("sk", item::text(sk));
        Ok(Part::Check(Box::new(check.build()?)))
    }
}

/// The position of a key in its owner's list, as in [`Listed::next`].
#[must_use]
pub fn position_of(key: &ApiKey) -> String {
    position(key.created_ms, key.id.as_str())
}

/// The partition of an owner's list.
fn owner_pk(owner: &KeyOwner) -> String {
    match owner {
        KeyOwner::Operator => OPERATOR.to_owned(),
        KeyOwner::Tenant(tenant) => partition(tenant),
    }
}

/// What the sort keys of portal links in a tenant's list begin with.
const LINKS: &str = "L#";

fn link_sk(id: &KeyId) -> String {
    format!("{LINKS}{id}")
}

/// The place of a key or a portal link in its owner's list.
fn sk_of(key: &ApiKey) -> String {
    match key.portal {
        None => list_sk(key.created_ms, &key.id),
        Some(_) => link_sk(&key.id),
    }
}

/// An API key's place in its owner's list.
fn list_sk(created_ms: u64, id: &KeyId) -> String {
    format!("K#{}", position(created_ms, id.as_str()))
}

/// Where it stands what is written down of the first key.
fn first_key_key(hash: &KeyHash) -> (String, String) {
    (OPERATOR.to_owned(), format!("F#{}", hash.to_hex()))
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

/// The two rows of a key.
fn rows(key: &ApiKey) -> [Builder; 2] {
    let lookup = Builder::new(lookup_pk(&key.hash), LOOKUP_SK);
    let listed = Builder::new(owner_pk(&key.owner), sk_of(key));
    [to_row(lookup, key), to_row(listed, key)]
}

fn to_row(row: Builder, key: &ApiKey) -> Builder {
    let tenant = key.owner.tenant();
    let link = key.portal.as_ref();
    // For a while it is known that a link has ended.
    let expiry_ms = link.and(key.expires_ms).map(|ms| ms + PORTAL_LINK_KEPT_MS);
    row.maybe("tenant", tenant.map(|tenant| item::text(tenant.as_str())))
        .text("id", key.id.as_str())
        .text("hashed", key.hash.to_hex())
        .maybe("title", key.name.as_ref().map(item::text))
        .json("scopes", &key.scopes)
        .maybe("portal", link.map(item::json))
        .maybe("exp", expiry_ms.map(|ms| item::number(ms / 1000)))
        .maybe("rate", key.events_per_hour.map(item::number))
        .maybe("ends", key.expires_ms.map(item::number))
        .maybe("remind", key.remind_ms.map(item::number))
        .number("rev", key.revision)
        .number("made", key.created_ms)
}

fn from_row(mut row: Row) -> Result<ApiKey, StoreError> {
    let owner = if row.0.contains_key("tenant") {
        KeyOwner::Tenant(row.parsed("tenant", |id| TenantId::parse(id).ok())?)
    } else {
        KeyOwner::Operator
    };
    Ok(ApiKey {
        id: row.parsed("id", |id| KeyId::parse(id).ok())?,
        owner,
        portal: row.maybe_json("portal")?,
        hash: row.parsed("hashed", KeyHash::from_hex)?,
        name: row.maybe_text("title"),
        scopes: row.json("scopes")?,
        events_per_hour: row.maybe_number("rate"),
        expires_ms: row.maybe_number("ends"),
        remind_ms: row.maybe_number("remind"),
        used_ms: row.maybe_number("used"),
        revision: row.number("rev")?,
        created_ms: row.number("made")?,
    })
}

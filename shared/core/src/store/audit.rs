//! The audit log: `A#name` / `time#id` for what is a tenant's, `A` / `time#id` for what is the operator's own, and in the index
//! `g` = `A`, `gs` = `time#id` for the list of the whole deployment. Entries are kept for [`AUDIT_RETENTION_S`], however long
//! events are kept.
//!
//! An entry is one row and one entry of the index, written in the transaction of its change. A page of a tenant's list is one
//! strong query; a page of the deployment's list is one query of the index, which is a moment behind, and reads of the rows
//! that it names.

use aws_sdk_dynamodb::types::Put;
use rung_base::chance;

use super::{
    Item, Store, StoreError, Stretch,
    item::{self, Builder, Row},
    listed::position,
    span::Order,
    table::LISTS,
    transact::{Part, Transacted},
};
use crate::{
    domain::{
        audit::{Entry, Record},
        id::{TenantId, TenantName},
    },
    limits::AUDIT_RETENTION_S,
};

/// The index partition of all entries, and the partition of those that are no tenant's.
const ALL: &str = "A";

/// How many entries a page may read in search of those that the filter takes. The page ends there, with a cursor.
const SCANNED_PER_PAGE: usize = 2_000;

/// Whose entries a page has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    Deployment,
    /// Those of every tenant that has or had this name.
    Name(TenantName),
    /// This tenant's, and not those of an earlier one of its name.
    Tenant(TenantId),
}

impl Whose {
    /// The partition to read; `None` for the index.
    fn partition(&self) -> Option<String> {
        match self {
            Self::Deployment => None,
            Self::Name(name) => Some(partition(name.as_str())),
            Self::Tenant(tenant) => Some(partition(tenant.name())),
        }
    }
}

/// Which entries a page takes, and in which order.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// Whose they are.
    pub whose: Whose,
    /// By actors of these ids or kinds, or persons of these ids; empty for any.
    pub actors: Vec<String>,
    /// Of these actions, where `webhook.*` stands for all that are about webhooks; empty for any.
    pub actions: Vec<String>,
    /// About things of these ids; empty for any.
    pub targets: Vec<String>,
    /// Written at this time or later, in milliseconds.
    pub since_ms: Option<u64>,
    /// Written before this time, in milliseconds.
    pub until_ms: Option<u64>,
    /// In which order.
    pub order: Order,
}

impl AuditFilter {
    /// Whether entries within the times may be refused.
    fn is_narrow(&self) -> bool {
        !(self.actors.is_empty() && self.actions.is_empty() && self.targets.is_empty())
    }

    fn takes(&self, record: &Record) -> bool {
        let actor = &record.origin.actor;
        let is_whose = match &self.whose {
            Whose::Deployment | Whose::Name(_) => true,
            Whose::Tenant(tenant) => record.tenant.as_ref() == Some(tenant),
        };
        is_whose
            && any(&self.actors, |one| {
                let person = actor.person().and_then(|person| person.id.as_deref());
                one == actor.kind()
                    || actor.id().is_some_and(|id| id.as_str() == one)
                    || person == Some(one)
            })
            && any(&self.actions, |one| match one.strip_suffix('*') {
                Some(prefix) => record.action.starts_with(prefix),
                None => record.action == one,
            })
            && any(&self.targets, |one| record.target.id == one)
    }
}

fn any(wanted: &[String], matches: impl Fn(&str) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| matches(one))
}

impl Store {
    /// Writes all parts of a change and its entry, or nothing; with them what answers the call, if that is kept for repeats. Every
    /// change that somebody makes goes through here: that is what keeps the audit log whole. The parts of [`Transacted::Refused`] are
    /// the given ones.
    pub(super) async fn change(
        &self,
        parts: impl IntoIterator<Item = Part>,
        record: &Record,
    ) -> Result<Transacted, StoreError> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(self.audit_item(record)))
            .build()?;
        let mut parts: Vec<_> = parts.into_iter().collect();
        let given = parts.len();
        parts.push(Part::Put(Box::new(put)));
        if let Some(kept) = &record.kept {
            parts.extend(self.kept(kept)?);
        }
        match self.transact(parts).await? {
            Transacted::Written => Ok(Transacted::Written),
            Transacted::Refused(mut failed) => {
                failed.truncate(given);
                if failed.contains(&true) {
                    return Ok(Transacted::Refused(failed));
                }
                let lost = "a repeat of the request has taken its Idempotency-Key over";
                Err(StoreError::Unavailable(lost.into()))
            }
        }
    }

    /// Writes the entry of what changes no row or more than a transaction holds, such as a message that is sent or a secret that
    /// is shown. To be called first: what follows is then never without its entry.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record(&self, record: &Record) -> Result<(), StoreError> {
        self.put_soon(self.audit_item(record)).await
    }

    fn audit_item(&self, record: &Record) -> Item {
        let pk = match &record.tenant {
            Some(tenant) => partition(tenant.name()),
            None => ALL.to_owned(),
        };
        let at_ms = self.clock.now_ms();
        let id = format!("aud_{}", chance::hex::<12>());
        let sk = position(at_ms, &id);
        Builder::new(pk, sk.as_str())
            .text("id", id)
            .number("made", at_ms)
            .json("record", record)
            .number("exp", self.clock.wall_ms() / 1000 + AUDIT_RETENTION_S)
            .text("g", ALL)
            .text("gs", sk)
            .build()
    }

    /// A page of the audit log from after the position `after` on (any position that an earlier call answered), and the position to
    /// go on from, `None` at the end. A page of a narrow filter may hold fewer than `limit` entries before the end, even none: it
    /// reads on, within a bound, until it knows of one more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let chunk = if filter.is_narrow() {
            SCANNED_PER_PAGE / 8
        } else {
            limit + 1
        };
        let mut taken: Vec<Entry> = Vec::new();
        let mut cursor = after.map(str::to_owned);
        let mut scanned = 0;
        loop {
            let (rows, last) = self.audit_rows(filter, cursor.as_deref(), chunk).await?;
            scanned += rows.len();
            for row in rows {
                let entry = read_entry(row)?;
                if filter.takes(&entry.record) {
                    // One more than fits: it is the next page's.
                    if taken.len() == limit {
                        let last = taken.last().map(|entry| position(entry.at_ms, &entry.id));
                        return Ok((taken, last));
                    }
                    taken.push(entry);
                }
            }
            if last.is_none() || scanned >= SCANNED_PER_PAGE {
                return Ok((taken, last));
            }
            cursor = last;
        }
    }

    /// The next rows of a list in its order, and the position of the last one that was looked at if others follow.
    async fn audit_rows(
        &self,
        filter: &AuditFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Row>, Option<String>), StoreError> {
        let from = item::time(filter.since_ms.unwrap_or(0));
        let until = filter.until_ms.map_or_else(|| "~".to_owned(), item::time);
        let partition = filter.whose.partition();
        let stretch = Stretch {
            from: &from,
            until: &until,
            ..Stretch::behind(after, partition.is_none().then_some(LISTS), filter.order)
        };
        match partition {
            Some(pk) => {
                let (rows, last) = self.merged_page(&[pk], stretch, limit).await?;
                Ok((rows.into_iter().map(|(_, row)| row).collect(), last))
            }
            None => {
                let page = self.listed(&[ALL.to_owned()], stretch, limit).await?;
                Ok((page.items, page.next))
            }
        }
    }
}

fn partition(name: &str) -> String {
    format!("A#{name}")
}

fn read_entry(mut row: Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.text("id")?,
        at_ms: row.number("made")?,
        record: row.json("record")?,
    })
}

//! Reminders that keys end: `Q#keys` / `due#key`, each written with its key and taken away once its message is sent.
//!
//! A key may end in many years, so a reminder stays until it is due, and no cursor passes it by: the sweep takes whatever is due,
//! however late. One whose key is deleted before stays too, and then finds nobody to tell; those of a tenant go
//! with it. They are few enough for one partition.

use super::{Query, Range, Store, StoreError, item::Builder, transact::Part};
use crate::domain::{message::KeyEnds, tenant::ApiKey};

const PK: &str = "Q#keys";

/// A reminder that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// What it reminds of.
    pub key: KeyEnds,
    sk: String,
}

impl Store {
    /// The part of a transaction that writes a key's reminder, if it is to have one.
    pub(super) fn reminder(&self, key: &ApiKey) -> Result<Option<Part>, StoreError> {
        let (Some(due_ms), Some(ends)) = (key.remind_ms, KeyEnds::of(key)) else {
            return Ok(None);
        };
        let sk = sort_key(due_ms, key.id.as_str());
        let row = Builder::new(PK, sk).json("m", &ends);
        let row = row.update().table_name(&*self.table).build()?;
        Ok(Some(Part::Update(Box::new(row))))
    }

    /// At most `limit` reminders that are due, the oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn reminders_due(&self, limit: usize) -> Result<Vec<Reminder>, StoreError> {
        let now = format!("{}~", time(self.clock.wall_ms()));
        let page = self
            .query(Query {
                range: Range::Between("0", &now),
                limit: Some(limit),
                ..Query::of(PK)
            })
            .await?;
        let reminder = |mut row: super::Row| {
            let key = row.json("m")?;
            Ok(Reminder {
                key,
                sk: row.text("sk")?,
            })
        };
        page.rows.into_iter().map(reminder).collect()
    }

    /// Takes reminders away, whether they are there or not.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn forget_reminders(&self, reminders: Vec<Reminder>) -> Result<(), StoreError> {
        let keys = reminders.into_iter().map(|it| (PK.to_owned(), it.sk));
        self.delete_all(keys.collect()).await
    }
}

/// The key that deletes the reminder of a row of the tenant's list of keys; `None` for any other row.
pub(super) fn reminder_of(row: &super::Row) -> Option<(String, String)> {
    let due_ms = row.maybe_number("remind")?;
    let id = row.parsed("id", |id| Some(id.to_owned())).ok()?;
    Some((PK.to_owned(), sort_key(due_ms, &id)))
}

fn sort_key(due_ms: u64, key: &str) -> String {
    format!("{}#{key}", time(due_ms))
}

/// A time that sorts up to the year 9999, which stands for ever with some.
fn time(ms: u64) -> String {
    format!("{ms:016}")
}

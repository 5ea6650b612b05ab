//! Waits too long for the delay queue: parked by the minute they are due in, fetched by the sweep.

use super::{
    Item, Query, Range, Store, StoreError,
    item::{Builder, time},
};
use crate::{domain::message::Due, limits::PARK_SHARDS};

/// How far the sweep of a shard has come: everything before is on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The minute it stands in, since the epoch.
    pub minute: u64,
    /// The last wait taken of that minute; empty before the first.
    pub last: String,
}

impl Store {
    /// Parks a message until it is due. Parking it again changes nothing.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn park(&self, message: &Due) -> Result<(), StoreError> {
        let wait_s = message.due_ms.saturating_sub(self.clock.now_ms()) / 1000;
        let pk = partition(message.due_ms / 60_000, message.event.shard_of(PARK_SHARDS));
        let item: Item = Builder::new(pk, sort_key(message))
            .json("m", message)
            .number("exp", self.expiry() + wait_s)
            .build();
        self.put_soon(item).await
    }

    /// Waits of a shard's minute after the one that `cursor` names, at most `limit`, in the order they are due; each with the
    /// cursor behind it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn parked(
        &self,
        shard: u8,
        cursor: &Cursor,
        limit: usize,
    ) -> Result<Vec<(Due, Cursor)>, StoreError> {
        let pk = partition(cursor.minute, shard);
        // BETWEEN takes its ends in; a key with a byte more is the first one after it.
        let from = format!("{}!", cursor.last);
        let page = self
            .query(Query {
                range: Range::Between(&from, "~"),
                limit: Some(limit),
                ..Query::of(&pk)
            })
            .await?;
        let read = page.rows.into_iter().map(|mut row| {
            let last = row.text("sk")?;
            Ok((
                row.json("m")?,
                Cursor {
                    minute: cursor.minute,
                    last,
                },
            ))
        });
        read.collect()
    }

    /// How far the sweep of a shard has come; `None` before the first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sweep_cursor(&self, shard: u8) -> Result<Option<Cursor>, StoreError> {
        let row = self.get(format!("C#{shard}"), "-").await?;
        row.map(|mut row| {
            Ok(Cursor {
                minute: row.number("mi")?,
                last: row.text("la")?,
            })
        })
        .transpose()
    }

    /// Says how far the sweep of a shard has come. Going back is harmless: what is sent again finds its chain ahead.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn move_sweep_cursor(&self, shard: u8, cursor: &Cursor) -> Result<(), StoreError> {
        let item = Builder::new(format!("C#{shard}"), "-")
            .number("mi", cursor.minute)
            .text("la", &cursor.last)
            .build();
        self.put_soon(item).await
    }
}

fn partition(minute: u64, shard: u8) -> String {
    format!("Q#{minute}#{shard}")
}

fn sort_key(message: &Due) -> String {
    format!(
        "{}#{}#{}#{}#{}",
        time(message.due_ms),
        message.tenant,
        message.webhook,
        message.event,
        message.n
    )
}

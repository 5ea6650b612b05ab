//! Waits too long for the delay queue: parked by the minute they are due in, fetched by the sweep.

use std::sync::atomic::Ordering;

use super::{
    Item, Query, Range, Store, StoreError,
    item::{Builder, time},
};
use crate::{
    domain::{attempt::AttemptKey, message::AttemptMessage},
    limits::PARK_SHARDS,
};

/// How far the sweep of a shard has come: everything before is on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The minute it stands in, since the epoch.
    pub minute: u64,
    /// The last wait taken of that minute; empty before the first.
    pub last: String,
}

impl Cursor {
    /// The beginning of a minute.
    #[must_use]
    pub fn at(minute: u64) -> Self {
        Self {
            minute,
            last: String::new(),
        }
    }
}

/// Waits of one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The waits.
    pub waits: Vec<AttemptMessage>,
    /// What stands among them and cannot be read: a newer version may have written it.
    pub unreadable: Vec<String>,
    /// Where the rest of the minute begins; `None` when this was all.
    pub rest: Option<Cursor>,
}

impl Store {
    /// Parks a message until it is to come by. Parking it again changes nothing.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn park(&self, message: &AttemptMessage) -> Result<(), StoreError> {
        let shard = message.delivery.event.shard_of(PARK_SHARDS);
        self.begin_sweeping(shard).await?;
        let wakes_ms = message.wakes_ms();
        let wait_s = wakes_ms.saturating_sub(self.clock.now_ms()) / 1000;
        let pk = partition(wakes_ms / 60_000, shard);
        let item: Item = Builder::new(pk, sort_key(wakes_ms, &message.attempt_key()))
            .json("m", message)
            .number("exp", self.expiry() + wait_s)
            .build();
        self.put_soon(item).await
    }

    /// Takes parked waits away, whether they are there or not.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn unpark(&self, waits: &[AttemptKey]) -> Result<(), StoreError> {
        let keys = waits.iter().map(|wait| {
            let event = &wait.delivery.event;
            let pk = partition(wait.due_ms / 60_000, event.shard_of(PARK_SHARDS));
            (pk, sort_key(wait.due_ms, wait))
        });
        self.delete_all(keys.collect()).await
    }

    /// Makes sure that a shard has a cursor before it has waits: however long its first sweep fails, that begins before them.
    async fn begin_sweeping(&self, shard: u8) -> Result<(), StoreError> {
        let begun = &self.swept_shards[usize::from(shard)];
        if !begun.load(Ordering::Relaxed) {
            let cursor = Cursor::at(self.clock.now_ms() / 60_000);
            let put = self
                .client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(cursor_item(shard, &cursor)));
            super::put_if(put.condition_expression("attribute_not_exists(pk)")).await?;
            begun.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// At most `limit` waits of a shard's minute, those that follow the cursor, in the order they are due.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn parked(
        &self,
        shard: u8,
        cursor: &Cursor,
        limit: usize,
    ) -> Result<Parked, StoreError> {
        let pk = partition(cursor.minute, shard);
        // BETWEEN takes its ends in; a key with a byte more is the first one after it.
        let from = format!("{}!", cursor.last);
        let range = Range::Between(&from, "~");
        let page = self
            .query(Query {
                range,
                limit: Some(limit),
                ..Query::of(&pk)
            })
            .await?;
        let last = page
            .after
            .as_ref()
            .and_then(|key| key.get("sk")?.as_s().ok());
        let rest = last.map(|last| Cursor {
            minute: cursor.minute,
            last: last.clone(),
        });
        let (mut waits, mut unreadable) = (Vec::new(), Vec::new());
        for mut row in page.rows {
            match row.json("m") {
                Ok(wait) => waits.push(wait),
                Err(error) => {
                    tracing::error!(%error, "a parked wait cannot be read");
                    let message = row.maybe_text("m");
                    unreadable.push(
                        message
                            .filter(|it| !it.is_empty())
                            .unwrap_or(row.text("sk")?),
                    );
                }
            }
        }
        Ok(Parked {
            waits,
            unreadable,
            rest,
        })
    }

    /// How far the sweep of each shard has come; `None` before the shard's first wait.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sweep_cursors(&self) -> Result<Vec<Option<Cursor>>, StoreError> {
        let keys = (0..PARK_SHARDS).map(|shard| (cursor_partition(shard), "-".to_owned()));
        let mut cursors = vec![None; usize::from(PARK_SHARDS)];
        for mut row in self.get_all(keys.collect()).await? {
            let shard: usize = row.parsed("pk", |pk| pk.strip_prefix("C#")?.parse().ok())?;
            let cursor = Cursor {
                minute: row.number("mi")?,
                last: row.text("la")?,
            };
            if let Some(slot) = cursors.get_mut(shard) {
                *slot = Some(cursor);
            }
        }
        Ok(cursors)
    }

    /// Says how far the sweep of a shard has come. Going back is harmless: what is sent again finds its chain ahead.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn move_sweep_cursor(&self, shard: u8, cursor: &Cursor) -> Result<(), StoreError> {
        self.put_soon(cursor_item(shard, cursor)).await
    }
}

fn cursor_item(shard: u8, cursor: &Cursor) -> Item {
    Builder::new(cursor_partition(shard), "-")
        .number("mi", cursor.minute)
        .text("la", &cursor.last)
        .build()
}

fn partition(minute: u64, shard: u8) -> String {
    format!("Q#{minute}#{shard}")
}

fn cursor_partition(shard: u8) -> String {
    format!("C#{shard}")
}

fn sort_key(wakes_ms: u64, attempt: &AttemptKey) -> String {
    let delivery = &attempt.delivery;
    format!(
        "{}#{}#{}#{}#{}",
        time(wakes_ms),
        delivery.tenant,
        delivery.webhook,
        delivery.event,
        attempt.n
    )
}

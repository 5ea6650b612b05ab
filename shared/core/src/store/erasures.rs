//! What erasing takes: the ways to everything that stands in a webhook's, an event's or a tenant's partitions, and taking it away.

use futures_util::future::try_join_all;

use super::{
    Query, Store, StoreError, Stretch,
    api_keys::lookup_of,
    attempts,
    batch::Key,
    deliveries, events,
    item::{number, text, time},
    pace, recoveries,
    reminders::reminder_of,
    span::{Order, Span},
    stats, tenant_row, update_if, usage, webhooks,
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
    },
    limits::MATCH_SET_IDS,
};

/// A page of a webhook's log by the dues.
pub struct Entries {
    /// Each entry with its position.
    pub entries: Vec<(String, Attempt)>,
    /// The rows between them that list entries at their starts.
    pub starts: Vec<StartKey>,
    /// The position to go on from, `None` at the end.
    pub next: Option<String>,
}

/// Names a row that lists an entry at its start.
pub struct StartKey(Key);

impl Store {
    /// Empties a log entry if it is there: that there was an attempt stays, and what came of it.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn empty_entry(&self, key: &AttemptKey) -> Result<(), StoreError> {
        let (pk, sk) = attempts::row_key(key);
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression("SET er = :now REMOVE x")
            .condition_expression("attribute_exists(x)")
            .expression_attribute_values(":now", number(self.clock.now_ms()));
        update_if(update).await.map(drop)
    }

    /// Entries of a webhook's log that were due up to `until_ms`, oldest first, each with its position: those of up to `limit` rows from
    /// behind the position `after` on.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn entries_after(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        until_ms: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Entries, StoreError> {
        let partitions: Vec<_> = attempts::log_partitions(tenant, webhook).collect();
        let (from, until) = Span {
            since_ms: 0,
            until_ms,
        }
        .keys();
        let stretch = Stretch {
            from: &from,
            until: &until,
            ..Stretch::behind(after, None, Order::OldestFirst)
        };
        let (rows, next) = self.merged_page(&partitions, stretch, limit).await?;
        let (mut entries, mut starts) = (Vec::new(), Vec::new());
        for (place, row) in rows {
            if attempts::leads_to(&row)?.is_some() {
                let (pk, sk) = row.key()?;
                starts.push(StartKey((pk.to_owned(), sk.to_owned())));
            } else {
                entries.push((place, attempts::read_attempt(row)?));
            }
        }
        Ok(Entries {
            entries,
            starts,
            next,
        })
    }

    /// Deletes log entries, and rows that list some at their starts, whether they are there or not.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_entries(
        &self,
        keys: &[AttemptKey],
        starts: Vec<StartKey>,
    ) -> Result<(), StoreError> {
        let starts = starts.into_iter().map(|StartKey(key)| key);
        self.delete_all(keys.iter().map(attempts::row_key).chain(starts).collect())
            .await
    }

    /// Deletes deliveries' rows, and what events note of those that they did not match, whether they are there or not.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_deliveries(&self, keys: &[DeliveryKey]) -> Result<(), StoreError> {
        let keys = keys.iter().flat_map(|key| {
            let row = (deliveries::partition(key), time(key.accepted_ms));
            [row, events::backfill_key(key)]
        });
        self.delete_all(keys.collect()).await
    }

    /// Deletes what else there is of a webhook: counts, pace, what was told of it, recoveries.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn delete_rest_of_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<(), StoreError> {
        let partitions = [
            stats::partition(tenant, webhook),
            pace::partition(tenant, webhook),
            recoveries::partition(tenant, webhook),
        ];
        let keys = partitions.iter().map(|pk| self.keys_of(pk));
        let keys = try_join_all(keys).await?.concat();
        self.delete_all(keys).await
    }

    /// Deletes an event whole, with its deliveries' rows. Whether it was there.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn delete_event(&self, tenant: &TenantId, id: &EventId) -> Result<bool, StoreError> {
        let event = self.event(tenant, id).await?;
        if let Some(event) = &event {
            let mut after: Option<String> = None;
            loop {
                let (goes_to, next) = self
                    .webhooks_of_event(event, after.as_deref(), MATCH_SET_IDS)
                    .await?;
                self.delete_deliveries(&goes_to.deliveries_of(event))
                    .await?;
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        let (rows, parts): (Vec<_>, Vec<_>) = self
            .keys_of(&events::partition(tenant, id))
            .await?
            .into_iter()
            .partition(|(_, sk)| sk == "-");
        // The row goes last: it leads to the others.
        self.delete_all(parts).await?;
        self.delete_all(rows).await?;
        Ok(event.is_some())
    }

    /// Deletes what else stands in a deleted tenant's partitions, save for the row that its name keeps and those that lead to its
    /// webhooks, which are needed to the end.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn delete_rest_of_tenant(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let pk = tenant_row::partition(tenant);
        let rows = self.query_all(Query::of(&pk)).await?;
        let mut keys = self.keys_of(&usage::partition(tenant)).await?;
        for mut row in rows {
            let sk = row.text("sk")?;
            // The rows of the name itself have sort keys of one letter.
            if sk.len() == 1 || sk.starts_with(webhooks::DELETED) {
                continue;
            }
            keys.extend(lookup_of(&row));
            keys.extend(reminder_of(&row));
            keys.push((pk.clone(), sk));
        }
        self.delete_all(keys).await
    }

    async fn keys_of(&self, pk: &str) -> Result<Vec<Key>, StoreError> {
        let rows = self.query_all(Query::of(pk)).await?;
        let sk = |row: &super::Row| row.parsed("sk", |sk| Some((pk.to_owned(), sk.to_owned())));
        rows.iter().map(sk).collect()
    }
}

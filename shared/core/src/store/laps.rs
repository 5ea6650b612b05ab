//! What the watchdog reads, and how far it has come: `C#lap-LANE` / `-`.
//!
//! It reads eventually, for half the price: what it finds a moment late it sends once more in vain, or an hour later.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    Query, Range, Row, Store, StoreError, Stretch,
    attempts::row_key as entry_key,
    deliveries::{self, List, key_of, list_partitions},
    event_list::Entry,
    events,
    item::Builder,
    span::Order,
    table::LISTS,
    tenant_row, tenants, webhooks,
};
use crate::{
    domain::{
        attempt::AttemptKey,
        delivery::Delivery,
        id::{DeliveryKey, TenantId, TenantName, WebhookId},
    },
    queue::QueueName,
};

/// A lap of the watchdog over all tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lap {
    /// When the lap before it began, in milliseconds; 0 before the first.
    pub before_ms: u64,
    /// When it began, in milliseconds.
    pub began_ms: u64,
    /// Where it stands; `None` once it has ended.
    pub place: Option<Place>,
    /// The tenants that it or the lap before could not look at, by their positions in the list of tenants.
    #[serde(default)]
    pub behind: BTreeMap<String, Behind>,
}

/// What the watchdog owes a tenant that it could not look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// When the last lap that looked at it began, in milliseconds; 0 if none has.
    pub before_ms: u64,
    /// When the last lap that failed at it began, in milliseconds.
    pub failed_ms: u64,
}

/// Where a lap stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The tenant before which it goes on in the list of tenants; `None` at its beginning.
    pub tenant: Option<String>,
    /// The position of the tenant that it is in the middle of.
    pub under_way: Option<String>,
    /// The webhook behind which it goes on in the list of that tenant's.
    pub webhook: Option<String>,
    /// The position behind which it goes on with what is listed of these.
    pub cursor: Option<String>,
}

impl Store {
    /// The lap of a queue, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn lap(&self, queue: QueueName) -> Result<Option<Lap>, StoreError> {
        let row = self.get(partition(queue), "-").await?;
        row.map(|row| row.json("m")).transpose()
    }

    /// Says how far a lap has come. Going back is harmless.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_lap(&self, queue: QueueName, lap: &Lap) -> Result<(), StoreError> {
        let item = Builder::new(partition(queue), "-").json("m", lap);
        self.put_soon(item.build()).await
    }

    /// A page of all tenants, newest first: up to `limit` positions in their list before the position `before`, and the one to go on
    /// from. It reads no row of a tenant, so none can fail it.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub async fn tenant_positions(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        let stretch = Stretch::behind(before, Some(LISTS), Order::NewestFirst);
        let list = [tenants::LIST.to_owned()];
        let (rows, next) = self.merged_page(&list, stretch, limit).await?;
        Ok((
            rows.into_iter().map(|(position, _)| position).collect(),
            next,
        ))
    }

    /// The tenant that stands at this position in the list of all; `None` when it is gone.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tenant_at(&self, position: &str) -> Result<Option<TenantId>, StoreError> {
        let name = position.split_once('#').map(|(_, name)| name);
        let Some(name) = name.and_then(|name| TenantName::parse(name).ok()) else {
            return Err(StoreError::Corrupt {
                key: position.to_owned(),
                attribute: "gs",
            });
        };
        let key = (
            tenant_row::row_partition(name.as_str()),
            tenant_row::SK.to_owned(),
        );
        let rows = self.get_all_soon(vec![key], "pk, sk, nth").await?;
        Ok(rows.first().map(|row| tenant_row::id_of(&name, row)))
    }

    /// A page of a tenant's webhooks in the order they were made, each with its position in the list: up to `limit` from behind the
    /// position `after` on.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhook_ids(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, WebhookId)>, StoreError> {
        let pk = webhooks::list_of(tenant);
        let from = format!("{}!", after.unwrap_or_default());
        let query = Query {
            range: Range::Between(&from, "~"),
            index: Some(LISTS),
            limit: Some(limit),
            ..Query::of(&pk)
        };
        let page = self.query(query).await?;
        let read = |row: &Row| {
            let id = |gs: &str| WebhookId::parse(gs.split_once('#')?.1).ok();
            let position = row.parsed("gs", |gs| Some(gs.to_owned()))?;
            Ok((position, row.parsed("gs", id)?))
        };
        page.rows.iter().map(read).collect()
    }

    /// A page of what waits for a webhook, by the times its events were accepted at, those alone that are `wanted` by that; and the
    /// position to go on from.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn waiting(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        wanted: impl Fn(u64) -> bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Delivery>, Option<String>), StoreError> {
        let partitions: Vec<_> = list_partitions(tenant, webhook, List::Pending).collect();
        let stretch = Stretch {
            // Events spread evenly over the partitions, and a page that is not full does no harm.
            each: Some(limit.div_ceil(partitions.len())),
            ..Stretch::behind(after, Some(LISTS), Order::OldestFirst)
        };
        let (rows, next) = self.merged_page(&partitions, stretch, limit).await?;
        let keys = rows.iter().map(|(_, row)| key_of(row));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        keys.retain(|key| wanted(key.accepted_ms));
        let keys = keys.iter().map(deliveries::row_key).collect();
        let rows = self
            .get_all_soon(keys, deliveries::ATTRIBUTES)
            .await?
            .into_iter();
        let rows = rows.map(deliveries::read_delivery);
        Ok((rows.collect::<Result<_, _>>()?, next))
    }

    /// The deliveries to active webhooks that these entries of a tenant's list led to, of events that are still there.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn owed(
        &self,
        tenant: &TenantId,
        entries: &[Entry],
    ) -> Result<Vec<DeliveryKey>, StoreError> {
        let names: HashSet<_> = entries
            .iter()
            .map(|entry| (events::partition(tenant, &entry.event), "-".to_owned()))
            .collect();
        // Without their bodies.
        let only = "pk, sk, a, c, m, mh, er, exp";
        let rows = self.get_all_soon(Vec::from_iter(names), only).await?;
        let mut owed = Vec::new();
        for row in rows {
            let Some((event, accepted_ms, matches)) = events::read_matched(row)? else {
                continue;
            };
            // An id that was taken, or used again after its retention, is another event's.
            let listed = entries
                .iter()
                .any(|entry| entry.event == event && entry.call.accepted_ms == accepted_ms);
            if !listed {
                continue;
            }
            let matches = self.matches_of(tenant, &event, &matches).await?;
            let active = matches.into_iter().filter(|found| found.active);
            owed.extend(active.map(|found| DeliveryKey {
                tenant: tenant.clone(),
                webhook: found.webhook,
                event: event.clone(),
                accepted_ms,
            }));
        }
        Ok(owed)
    }

    /// Those of the deliveries whose first attempt has left neither a success in the log nor a row.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn untraced(
        &self,
        mut keys: Vec<DeliveryKey>,
    ) -> Result<Vec<DeliveryKey>, StoreError> {
        let first = |key: &DeliveryKey| entry_key(&AttemptKey::first_of(key));
        let logged = keys.iter().map(first).collect();
        let logged = self.get_all_soon(logged, "pk, sk, ok, exp").await?;
        let through = logged
            .iter()
            .filter(|row| row.maybe_number("ok") == Some(1));
        let through = through.map(|row| row.key().map(|(pk, sk)| (pk.to_owned(), sk.to_owned())));
        let through = through.collect::<Result<HashSet<_>, _>>()?;
        keys.retain(|key| !through.contains(&first(key)));
        let rows = keys.iter().map(deliveries::row_key).collect();
        let rows = self.get_all_soon(rows, "pk, sk, exp").await?;
        let rows = rows.iter().map(key_of);
        let rows = rows.collect::<Result<HashSet<_>, _>>()?;
        keys.retain(|key| !rows.contains(key));
        Ok(keys)
    }

    /// The epochs that those of a tenant's webhooks are at that are still there.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn epochs(
        &self,
        tenant: &TenantId,
        webhooks: HashSet<WebhookId>,
    ) -> Result<HashMap<WebhookId, u64>, StoreError> {
        let keys = webhooks.iter().map(|id| webhooks::row_key(tenant, id));
        // Never their secrets.
        let rows = self.get_all_soon(keys.collect(), "pk, sk, epoch").await?;
        let epoch = |row: &Row| {
            let id = |sk: &str| WebhookId::parse(sk.strip_prefix("W#")?).ok();
            Ok((row.parsed("sk", id)?, row.number("epoch")?))
        };
        rows.iter().map(epoch).collect()
    }
}

fn partition(queue: QueueName) -> String {
    format!("C#lap-{}", queue.as_str())
}

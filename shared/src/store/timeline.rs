//! A tenant's events in the order they were accepted.
//!
//! An entry in the index for each would cost as much as the event itself. So only those get one that go to nobody, or whose
//! tenant has more than [`TIMELINE_WEBHOOKS`] webhooks. The log of a webhook leads to the others by their first attempts, the
//! list of its unsuccessful deliveries to what was held before that. Of a tenant with more webhooks only the oldest are looked
//! into: what was accepted while there were few went to those.
//!
//! An event that has an active webhook is therefore found once its first attempt is made, and not any more when all webhooks
//! that it went to are deleted.

use std::collections::HashSet;

use super::{
    Query, Row, Store, StoreError,
    attempts::log_partitions,
    deliveries::{List, list_partitions},
    events::{Event, list_key, list_of},
    walk::{Order, Source, Span},
    webhooks,
};
use crate::{
    domain::id::{EventId, TenantId, WebhookId},
    limits::{LOG_SHARDS, TIMELINE_WEBHOOKS},
};

/// Which events of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Their type.
    pub event_type: Option<String>,
    /// When they were accepted.
    pub span: Span,
}

/// How many rows a page may walk over in search of those that the filter takes. The page ends there, with a cursor.
const WALKED_PER_PAGE: usize = 2_000;

impl Store {
    /// A page of a tenant's events, newest first, from before the position `before` on (one that an earlier call answered), and
    /// the position to go on from, `None` at the end. A page may hold fewer than `limit`, even none, before the end: it walks on,
    /// within a bound, until it knows of one more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events_page(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Event>, Option<String>), StoreError> {
        // Among the first attempts there are others. One event more than asked for tells whether there is a next page.
        let chunk = 2 * (limit + 1);
        let mut before = before.map(str::to_owned);
        let mut taken: Vec<Event> = Vec::new();
        for _ in 0..(WALKED_PER_PAGE / chunk).max(1) {
            let (events, next) = self
                .timeline(
                    tenant,
                    Order::NewestFirst,
                    filter.span,
                    before.as_deref(),
                    chunk,
                )
                .await?;
            for event in events {
                let wanted = filter.event_type.as_ref();
                if wanted.is_none_or(|wanted| event.event_type == *wanted) {
                    if taken.len() == limit {
                        let last = taken.last().map(list_key);
                        return Ok((taken, last));
                    }
                    taken.push(event);
                }
            }
            before = next;
            if before.is_none() {
                break;
            }
        }
        Ok((taken, before))
    }

    /// Events of a tenant that were accepted within `span`: about `limit` from behind the position `after` on (one that an
    /// earlier call answered), and the position to go on from, `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn timeline(
        &self,
        tenant: &TenantId,
        order: Order,
        span: Span,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Event>, Option<String>), StoreError> {
        let oldest = self.oldest_webhooks(tenant, TIMELINE_WEBHOOKS).await?;
        let listed = (0..LOG_SHARDS).map(|shard| list_of(tenant, shard));
        let held = oldest
            .iter()
            .flat_map(|webhook| list_partitions(tenant, webhook, List::Unsuccessful));
        let logs = oldest
            .iter()
            .flat_map(|webhook| log_partitions(tenant, webhook));
        let indexed = listed.chain(held).map(|pk| Source { pk, index: true });
        let logs = logs.map(|pk| Source { pk, index: false });
        let sources: Vec<_> = indexed.chain(logs).collect();
        let walked = self.walk(&sources, order, span, after, limit).await?;
        let rows = walked.rows.into_iter();
        let positions: HashSet<_> = rows
            .filter(|(_, row)| !is_later_attempt(row))
            .map(|(position, _)| position)
            .collect();
        let ids = positions
            .iter()
            .filter_map(|position| EventId::parse(position.split_once('#')?.1).ok());
        let ids: HashSet<_> = ids.map(|id| (tenant.clone(), id)).collect();
        let mut events = self.events(&Vec::from_iter(ids)).await?;
        // An id used again after its retention names another event.
        events.retain(|event| positions.contains(&list_key(event)));
        events.sort_by_cached_key(list_key);
        if order == Order::NewestFirst {
            events.reverse();
        }
        Ok((events, walked.next))
    }

    async fn oldest_webhooks(
        &self,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let pk = webhooks::list_of(tenant);
        let page = self
            .query(Query {
                index: true,
                limit: Some(limit),
                ..Query::of(&pk)
            })
            .await?;
        let id = |sk: &str| WebhookId::parse(sk.strip_prefix("W#")?).ok();
        page.rows.iter().map(|row| row.parsed("sk", id)).collect()
    }
}

/// Whether a row is a log entry, but not of a published event's first attempt: its time is not the event's.
fn is_later_attempt(row: &Row) -> bool {
    let first = |key: &str| key.ends_with("#1").then_some(());
    let trigger = row.parsed("tr", |trigger| Some(trigger == "event"));
    trigger.is_ok_and(|published| !published || row.parsed("sk", first).is_err())
}

//! The list of a tenant's events in the order they were accepted: `V#t#s` / `accepted#call`.
//!
//! A row names the events that one call accepted, each with its type. It is written before the first of them, so an event is listed
//! from its first moment on, and none is ever without its entry. An entry may be without its event: the call died, or the id was
//! taken. Each event therefore says which call's row lists it, and an entry that its event does not point back to is passed over.
//!
//! A publishing call writes one row, and a partition takes 1,000 of these a second: hence the shards. The calls of a process take turns
//! at them, so they fill evenly.
//!
//! A position in the list is `accepted#call#taken`: the entries of the row before it, in the order of the walk, or `~` for all.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::try_join_all;
use rung_base::chance;
use rung_dialect::Dialect;
use uuid::Uuid;

use super::{
    Query, Range, Row, RowPage, Store, StoreError, Stretch,
    batch::Key,
    events::Event,
    item::{Builder, time},
    span::{Order, Span},
};
use crate::{
    domain::id::{DeliveryKey, EventId, TenantId, WebhookId},
    limits::EVENT_SHARDS,
};

/// A call that accepts events of a tenant. Its row in the tenant's list names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When its events are accepted, in milliseconds.
    pub accepted_ms: u64,
    /// What tells it from other calls.
    pub id: CallId,
}

/// What tells one call from others, in hexadecimal. The last digit is the shard of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallId(String);

impl CallId {
    /// A call that was stored.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard of the list that its row stands in.
    fn shard(&self) -> u8 {
        let last = self.0.chars().last();
        let shard = last.and_then(|last| last.to_digit(16)).unwrap_or_default();
        shard as u8 % EVENT_SHARDS
    }
}

impl Call {
    pub(super) fn row_key(&self, tenant: &TenantId) -> Key {
        let sk = format!("{}#{}", time(self.accepted_ms), self.id.0);
        (partition(tenant, self.id.shard()), sk)
    }
}

/// An entry of the list: an event that was accepted, unless its call died or its id was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub tenant: TenantId,
    /// The event.
    pub event: EventId,
    /// Its type.
    pub event_type: String,
    /// The call whose row names it.
    pub call: Call,
    /// The entries of its row up to this one, in the order of the walk; `None` when they are all.
    taken: Option<usize>,
}

impl Entry {
    /// The position behind this entry.
    #[must_use]
    pub fn position(&self) -> String {
        let row = format!("{}#{}", time(self.call.accepted_ms), self.call.id.0);
        match self.taken {
            Some(taken) => format!("{row}#{taken:03}"),
            None => whole(&row),
        }
    }
}

/// The position behind a whole row.
fn whole(row: &str) -> String {
    format!("{row}#~")
}

/// Which events.
#[derive(Clone)]
pub struct EventFilter {
    /// Of which types; `None` for any.
    pub event_types: Option<EventTypeFilter>,
    /// When they were accepted.
    pub span: Span,
}

/// Types of events by patterns, as webhooks subscribe to them. The list does not say in which dialect an event was published: what
/// any of these takes in is taken.
#[derive(Clone)]
pub struct EventTypeFilter {
    /// Whose catalogues know the patterns.
    pub dialects: Vec<Arc<Dialect>>,
    /// Types, groups, prefixes or `*`.
    pub patterns: Vec<String>,
}

impl EventTypeFilter {
    fn takes(&self, event_type: &str) -> bool {
        self.dialects.iter().any(|dialect| {
            let mut patterns = self.patterns.iter();
            patterns.any(|pattern| dialect.catalogue.matches(pattern, event_type))
        })
    }
}

/// How many entries a page may walk over in search of those that the filter takes. The page ends there, with a cursor.
const WALKED_PER_PAGE: usize = 2_000;
/// Entries that are read at a time where a filter leaves many out.
const FILTERED_CHUNK: usize = 500;

/// How many rows of each shard are read for so many of the list: four times the share of each, for they fill evenly, but not quite. A
/// page that ends early for it goes on behind its last row.
fn of_each_shard(rows: usize) -> usize {
    (4 * rows).div_ceil(EVENT_SHARDS.into())
}

impl Store {
    /// A call that accepts events at this time, in milliseconds.
    #[must_use]
    pub fn call_at(&self, accepted_ms: u64) -> Call {
        let turn = self.calls.fetch_add(1, Ordering::Relaxed);
        let (id, shard) = (chance::hex::<8>(), turn % u32::from(EVENT_SHARDS));
        Call {
            accepted_ms,
            id: CallId(format!("{id}{shard:x}")),
        }
    }

    /// Lists the events that a call is about to store, each with its type.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn list_events(
        &self,
        tenant: &TenantId,
        call: &Call,
        events: &[(&EventId, &str)],
    ) -> Result<(), StoreError> {
        let expiry = self.expiry_of(tenant).await?;
        let (pk, sk) = call.row_key(tenant);
        let lines = events.iter().map(|(id, name)| format!("{id} {name}\n"));
        let item = Builder::new(pk, sk)
            .text("e", lines.collect::<String>())
            .number("exp", expiry);
        self.put_soon(item.build()).await
    }

    /// A page of the lists of some tenants as one: up to `limit` entries of events that were accepted within `span`, from behind the position `after`
    /// on (one that an earlier call with the same `order` returned), and the position to go on from, `None` at the end. Strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_entries(
        &self,
        tenants: &[TenantId],
        order: Order,
        span: Span,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        // A position within a row reads that row again.
        let (after, begun) = match after.and_then(|after| after.rsplit_once('#')) {
            None => (None, None),
            Some((row, taken)) => match taken.parse() {
                Ok(taken) => (None, Some((row, taken))),
                Err(_) => (Some(row), None),
            },
        };
        let (mut from, mut until) = span.keys();
        match (begun, order) {
            (None, _) => {}
            (Some((row, _)), Order::OldestFirst) => from = from.max(row.to_owned()),
            (Some((row, _)), Order::NewestFirst) => until = until.min(row.to_owned()),
        }
        let stretch = Stretch {
            from: &from,
            until: &until,
            each: Some(of_each_shard(limit)),
            ..Stretch::behind(after, None, order)
        };
        let partitions = tenants
            .iter()
            .flat_map(|tenant| (0..EVENT_SHARDS).map(move |shard| partition(tenant, shard)));
        let partitions: Vec<_> = partitions.collect();
        let (rows, next) = self.merged_page(&partitions, stretch, limit).await?;
        let mut entries: Vec<Entry> = Vec::new();
        for (place, row) in rows {
            let tenant = tenant_of(&row)?;
            let (call, mut named) = read_row(row)?;
            if order == Order::NewestFirst {
                named.reverse();
            }
            let count = named.len();
            let taken_before = begun.filter(|(row, _)| *row == place);
            let taken_before = taken_before.map_or(0, |(_, taken)| taken);
            for (index, (event, event_type)) in named.into_iter().enumerate().skip(taken_before) {
                if entries.len() == limit {
                    let next = entries.last().map(Entry::position);
                    return Ok((entries, next));
                }
                entries.push(Entry {
                    tenant: tenant.clone(),
                    event,
                    event_type,
                    call: call.clone(),
                    taken: Some(index + 1).filter(|taken| *taken < count),
                });
            }
        }
        Ok((entries, next.as_deref().map(whole)))
    }

    /// The delivery of this UUID to a webhook, with its event's type, if an event of the list may be it: whether that ever went to the
    /// webhook, this does not tell. Strong reads of what was accepted in one millisecond.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn delivery_named(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        delivery: Uuid,
    ) -> Result<Option<(DeliveryKey, String)>, StoreError> {
        let Some(accepted_ms) = DeliveryKey::accepted_ms_of(delivery) else {
            return Ok(None);
        };
        let span = Span {
            since_ms: accepted_ms,
            until_ms: accepted_ms,
        };
        let mut after = None;
        loop {
            let order = Order::OldestFirst;
            let (entries, next) = self
                .event_entries(
                    std::slice::from_ref(tenant),
                    order,
                    span,
                    after.as_deref(),
                    FILTERED_CHUNK,
                )
                .await?;
            for entry in entries {
                let key = DeliveryKey {
                    tenant: tenant.clone(),
                    webhook: webhook.clone(),
                    event: entry.event,
                    accepted_ms,
                };
                if key.uuid() == delivery {
                    return Ok(Some((key, entry.event_type)));
                }
            }
            after = next;
            if after.is_none() {
                return Ok(None);
            }
        }
    }

    /// A part of a tenant's list in no order of time: the entries of up to `rows` rows of events that were accepted within `span`, from
    /// behind the place `after` on (one that an earlier call returned), and the place to go on from. It begins with a look at all shards
    /// side by side, which are done with if each has a few rows; else each is read by itself. Eventual reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn entries_by_shard(
        &self,
        tenant: &TenantId,
        span: Span,
        after: Option<&str>,
        rows: usize,
    ) -> Result<(Vec<Entry>, Option<String>), StoreError> {
        let after = after.and_then(|after| after.split_once('#'));
        if after.is_none()
            && let Some(entries) = self.few_entries(tenant, span, of_each_shard(rows)).await?
        {
            return Ok((entries, None));
        }
        let (shard, behind) = after.unwrap_or_default();
        let shard: u8 = shard.parse().unwrap_or_default();
        let next_shard = || (shard + 1 < EVENT_SHARDS).then(|| format!("{}#", shard + 1));
        // Nothing goes on with this byte behind a whole key.
        let (from, until) = span.keys();
        let from = from.max(format!("{behind}!"));
        // DynamoDB refuses a range whose ends are the wrong way round.
        if from > until {
            return Ok((Vec::new(), next_shard()));
        }
        let page = self.page_of_shard(tenant, shard, (&from, &until), rows);
        let page = page.await?;
        let last = page.after.as_ref();
        let last = last.and_then(|key| key.get("sk")?.as_s().ok());
        let next = last.map_or_else(next_shard, |last| Some(format!("{shard}#{last}")));
        Ok((entries_in(tenant, page.rows)?, next))
    }

    /// Up to so many rows of a shard, from the first key to the second one.
    async fn page_of_shard(
        &self,
        tenant: &TenantId,
        shard: u8,
        (from, until): (&str, &str),
        rows: usize,
    ) -> Result<RowPage, StoreError> {
        let pk = partition(tenant, shard);
        let query = Query {
            range: Range::Between(from, until),
            soon: Some(ATTRIBUTES),
            limit: Some(rows),
            ..Query::of(&pk)
        };
        self.query(query).await
    }

    /// The entries of a tenant's list of events that were accepted within `span`, if no shard has more than so many rows of these.
    async fn few_entries(
        &self,
        tenant: &TenantId,
        span: Span,
        rows: usize,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let (from, until) = span.keys();
        if from > until {
            return Ok(Some(Vec::new()));
        }
        let pages =
            (0..EVENT_SHARDS).map(|shard| self.page_of_shard(tenant, shard, (&from, &until), rows));
        let pages = try_join_all(pages).await?;
        if pages.iter().any(|page| page.after.is_some()) {
            return Ok(None);
        }
        let rows = pages.into_iter().flat_map(|page| page.rows);
        entries_in(tenant, rows).map(Some)
    }

    /// The events of these entries, in their order, each with its entry. Entries without an event are left out.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events_of<'a>(
        &self,
        entries: &'a [Entry],
    ) -> Result<Vec<(&'a Entry, Event)>, StoreError> {
        let name = |entry: &Entry| (entry.tenant.clone(), entry.event.clone());
        let names: HashSet<_> = entries.iter().map(name).collect();
        let events = self.events(&Vec::from_iter(names)).await?.into_iter();
        let events = events.map(|event| ((event.tenant.clone(), event.id.clone()), event));
        let mut events: HashMap<_, _> = events.collect();
        let found = entries.iter().filter_map(|entry| {
            let name = name(entry);
            let event = events.get(&name)?;
            let listed_here = event.accepted_ms == entry.call.accepted_ms
                && event.call.as_ref() == Some(&entry.call.id);
            listed_here.then(|| events.remove(&name).map(|event| (entry, event)))?
        });
        Ok(found.collect())
    }

    /// A page of the events of some tenants, from behind the position `after` on (one that an earlier call with the same tenants and
    /// `order` returned), and the position to go on from, `None` at the end. A page may hold fewer than `limit`, even none, before the end: it walks on,
    /// within a bound, until it knows of one more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events_page(
        &self,
        tenants: &[TenantId],
        filter: &EventFilter,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Event>, Option<String>), StoreError> {
        // One event more than asked for tells whether there is a next page.
        let wanted = filter.event_types.as_ref();
        let chunk = if wanted.is_none() {
            limit + 1
        } else {
            FILTERED_CHUNK
        };
        let mut next = after.map(str::to_owned);
        let mut taken: Vec<Event> = Vec::new();
        let mut last = None;
        for _ in 0..(WALKED_PER_PAGE / chunk).max(1) {
            let (mut entries, rest) = self
                .event_entries(tenants, order, filter.span, next.as_deref(), chunk)
                .await?;
            entries.retain(|entry| wanted.is_none_or(|wanted| wanted.takes(&entry.event_type)));
            for entries in entries.chunks(limit + 1) {
                for (entry, event) in self.events_of(entries).await? {
                    if taken.len() == limit {
                        return Ok((taken, last));
                    }
                    last = Some(entry.position());
                    taken.push(event);
                }
            }
            next = rest;
            if next.is_none() {
                break;
            }
        }
        Ok((taken, next))
    }

    /// Deletes the rows of a tenant's list whose last entry is among these, walked oldest first.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn forget_entries(
        &self,
        tenant: &TenantId,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        let last = entries.iter().filter(|entry| entry.taken.is_none());
        let rows = last.map(|entry| entry.call.row_key(tenant));
        self.delete_all(rows.collect()).await
    }
}

fn partition(tenant: &TenantId, shard: u8) -> String {
    format!("V#{tenant}#{shard}")
}

/// All that a row of the list has.
const ATTRIBUTES: &str = "pk, sk, e, exp";

/// What rows of a tenant's list name, whole.
fn entries_in(
    tenant: &TenantId,
    rows: impl IntoIterator<Item = Row>,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for row in rows {
        let (call, named) = read_row(row)?;
        entries.extend(named.into_iter().map(|(event, event_type)| Entry {
            tenant: tenant.clone(),
            event,
            event_type,
            call: call.clone(),
            taken: None,
        }));
    }
    Ok(entries)
}

/// Whose row it is.
fn tenant_of(row: &Row) -> Result<TenantId, StoreError> {
    row.parsed("pk", |pk| TenantId::parse(pk.split('#').nth(1)?).ok())
}

/// A row's call, and the events that it names, each with its type.
fn read_row(row: Row) -> Result<(Call, Vec<(EventId, String)>), StoreError> {
    let call = row.parsed("sk", |sk| {
        let (accepted, id) = sk.split_once('#')?;
        Some(Call {
            accepted_ms: accepted.parse().ok()?,
            id: CallId(id.to_owned()),
        })
    })?;
    let named = row.parsed("e", |lines| {
        let named = lines.lines().map(|line| {
            let (id, event_type) = line.split_once(' ')?;
            Some((EventId::parse(id).ok()?, event_type.to_owned()))
        });
        named.collect()
    })?;
    Ok((call, named))
}

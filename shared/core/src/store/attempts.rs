//! The log: one row per attempt, named by its due time, so that a message received twice finds it. An attempt that began late has
//! another, named by its start, which leads to it: lists have its entry there.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures_util::future::try_join_all;
use rung_dialect::Dialects;

use super::{
    Item, Query, Range, Store, StoreError, Stretch,
    batch::Key,
    codec,
    item::{Builder, Row, number, text, time},
    span::Order,
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, ErrorCode, Exchange, LogId, Outcome, Trigger},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
    },
    limits::{LATE_MS, LOG_SHARDS},
};

/// Which entries of a webhook's log. Of each list one must fit; an empty one takes all. Times are of the attempts' starts, as
/// entries tell them, in milliseconds.
#[derive(Clone, Default)]
pub struct LogFilter {
    /// How they ended.
    pub outcomes: Vec<Outcome>,
    /// What led to them.
    pub triggers: Vec<Trigger>,
    /// Their event's type.
    pub event_types: Option<TypeFilter>,
    /// The answer's status: first and last of a range.
    pub statuses: Vec<(u16, u16)>,
    /// Why they failed.
    pub error_codes: Vec<ErrorCode>,
    /// Their events.
    pub events: Vec<EventId>,
    /// Their deliveries' UUIDs.
    pub deliveries: Vec<uuid::Uuid>,
    /// Not begun before.
    pub since_ms: Option<u64>,
    /// Begun before.
    pub until_ms: Option<u64>,
}

/// Types of events by patterns, as webhooks subscribe to them.
#[derive(Clone)]
pub struct TypeFilter {
    /// Whose catalogues know the patterns: an attempt is judged by the dialect that it was made in.
    pub dialects: Arc<Dialects>,
    /// Types, groups, prefixes or `*`.
    pub patterns: Vec<String>,
}

impl TypeFilter {
    fn takes(&self, attempt: &Attempt) -> bool {
        self.dialects.get(&attempt.dialect).is_some_and(|dialect| {
            let mut patterns = self.patterns.iter();
            patterns.any(|pattern| dialect.catalogue.matches(pattern, &attempt.event_type))
        })
    }
}

impl LogFilter {
    /// The shards that its entries stand in: an event's attempts stand in one.
    fn shards(&self) -> Vec<u8> {
        if self.events.is_empty() {
            return (0..LOG_SHARDS).collect();
        }
        let shards: BTreeSet<_> = self.events.iter().map(EventId::shard).collect();
        Vec::from_iter(shards)
    }

    /// No attempt of this log that it takes has a row before this, in milliseconds: none is due before its event was accepted, and none
    /// begins much before it is due, however far clocks are apart.
    fn least_ms(&self, log: &Log) -> u64 {
        let accepted = self.deliveries.iter();
        let accepted = accepted.map(|delivery| DeliveryKey::accepted_ms_of(*delivery).unwrap_or(0));
        let least = self.since_ms.max(accepted.min()).unwrap_or(0);
        least.max(log.since_ms).saturating_sub(LATE_MS)
    }

    /// Whether entries within the times may be refused.
    fn is_narrow(&self) -> bool {
        !self.outcomes.is_empty()
            || !self.triggers.is_empty()
            || self.event_types.is_some()
            || !self.statuses.is_empty()
            || !self.error_codes.is_empty()
            || !self.events.is_empty()
            || !self.deliveries.is_empty()
    }

    fn takes(&self, attempt: &Attempt) -> bool {
        fn among<T: PartialEq>(wanted: &[T], it: Option<T>) -> bool {
            wanted.is_empty() || it.is_some_and(|it| wanted.contains(&it))
        }
        let is_of_statuses = || {
            let mut ranges = self.statuses.iter();
            let status = attempt.response_status;
            status.is_some_and(|status| {
                ranges.any(|(first, last)| (*first..=*last).contains(&status))
            })
        };
        self.since_ms
            .is_none_or(|since| attempt.started_ms >= since)
            && self.until_ms.is_none_or(|until| attempt.started_ms < until)
            && among(&self.outcomes, Some(attempt.outcome))
            && among(&self.triggers, Some(attempt.trigger))
            && among(&self.error_codes, attempt.error_code)
            && (self.statuses.is_empty() || is_of_statuses())
            && self
                .event_types
                .as_ref()
                .is_none_or(|types| types.takes(attempt))
            && (self.events.is_empty() || self.events.contains(&attempt.key.delivery.event))
            && (self.deliveries.is_empty()
                || self.deliveries.contains(&attempt.key.delivery.uuid()))
    }
}

/// How many entries a page may read in search of those that the filter takes. The page ends there, with a cursor.
const SCANNED_PER_PAGE: usize = 2_000;
/// How many partitions of logs are read at once.
const READ_AT_ONCE: usize = 64;
/// How many of them are read on together.
const READ_ON: usize = 16;
/// How many entries are read of each at least.
const LEAST_READ: usize = 4;
/// Entries that were due at the same moment which are read at a time in search of one.
const DUE_TOGETHER: usize = 100;

impl Store {
    /// Logs a success. It may replace a failure of the same attempt: the receiver has the event.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn log_success(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let expiry = self.expiry_of(&attempt.key.delivery.tenant).await?;
        self.list_late(attempt, expiry).await?;
        self.put_soon(attempt_item(attempt, expiry)?).await
    }

    /// Logs a failure unless the attempt is logged already; that entry is answered then, and counts instead.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn log_failure(&self, attempt: &Attempt) -> Result<Option<Attempt>, StoreError> {
        let expiry = self.expiry_of(&attempt.key.delivery.tenant).await?;
        self.list_late(attempt, expiry).await?;
        let standing = self.put_new(attempt_item(attempt, expiry)?).await?;
        standing.map(read_attempt).transpose()
    }

    /// Writes the row that lists an attempt's entry at its start, if it began late. It is there before the entry is, which is in no
    /// list without it. A row that leads to no entry, or to one of another start, is passed over.
    async fn list_late(&self, attempt: &Attempt, expiry: u64) -> Result<(), StoreError> {
        if !began_late(attempt) {
            return Ok(());
        }
        let delivery = &attempt.key.delivery;
        let pk = partition(&delivery.tenant, &delivery.webhook, delivery.event.shard());
        let sk = format!(
            "{}#{}#{}{LATE}",
            time(attempt.started_ms),
            delivery.event,
            attempt.key.n
        );
        let row = Builder::new(pk, sk)
            .number("d", attempt.key.due_ms)
            .number("exp", expiry)
            .build();
        self.put_soon(row).await
    }

    /// An entry, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn attempt(&self, key: &AttemptKey) -> Result<Option<Attempt>, StoreError> {
        let (pk, sk) = row_key(key);
        self.get(pk, sk).await?.map(read_attempt).transpose()
    }

    /// An entry by its public id, by strong reads of those that were due at the same moment.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn log_entry(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        id: &LogId,
    ) -> Result<Option<Attempt>, StoreError> {
        let pk = partition(tenant, webhook, id.shard);
        let prefix = format!("{}#", time(id.due_ms));
        let mut query = Query {
            range: Range::Prefix(&prefix),
            limit: Some(DUE_TOGETHER),
            ..Query::of(&pk)
        };
        loop {
            let page = self.query(query.clone()).await?;
            for row in page.rows {
                if leads_to(&row)?.is_some() {
                    continue;
                }
                let attempt = read_attempt(row)?;
                if attempt.key.log_id() == *id {
                    return Ok(Some(attempt));
                }
            }
            if page.after.is_none() {
                return Ok(None);
            }
            query.after = page.after;
        }
    }

    /// The entries of these attempts that exist, in no order, by strong reads. None may be named twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn attempts(&self, keys: &[AttemptKey]) -> Result<Vec<Attempt>, StoreError> {
        self.get_all(keys.iter().map(row_key).collect())
            .await?
            .into_iter()
            .map(read_attempt)
            .collect()
    }

    /// A page of a webhook's log, from behind the position `after` on (any position that an earlier call with the same `order`
    /// returned), and the position to go on from, `None` at the end. The entries of a page are in the order of their starts; pages
    /// follow each other in it up to [`LATE_MS`], by the dues of those that began in time. A page may hold fewer than `limit` entries,
    /// even none, before the end: it reads on, within a bound, until it knows of one more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn log_page(
        &self,
        log: &Log,
        filter: &LogFilter,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Attempt>, Option<String>), StoreError> {
        let partitions: Vec<_> = filter
            .shards()
            .into_iter()
            .map(|shard| partition(&log.tenant, &log.webhook, shard))
            .collect();
        let since = time(filter.least_ms(log));
        let until = filter.until_ms.map_or_else(|| "~".to_owned(), time);
        let mut after = after.map(str::to_owned);
        let mut chunk = if filter.is_narrow() {
            SCANNED_PER_PAGE / 8
        } else {
            limit + 1
        };
        let (mut taken, mut last) = (Vec::new(), None);
        let mut scanned = 0;
        loop {
            let stretch = Stretch {
                from: &since,
                until: &until,
                ..Stretch::behind(after.as_deref(), None, order)
            };
            let (rows, next) = self.merged_page(&partitions, stretch, chunk).await?;
            scanned += rows.len();
            for (key, attempt) in self.entries_listed(rows).await? {
                let is_taken = |entry: &Attempt| log.has(entry) && filter.takes(entry);
                let Some(attempt) = attempt.filter(is_taken) else {
                    continue;
                };
                // One more than fits: it is the next page's.
                if taken.len() == limit {
                    return Ok((by_start(taken, order), last));
                }
                taken.push(attempt);
                last = Some(key);
            }
            if next.is_none() || scanned >= SCANNED_PER_PAGE {
                return Ok((by_start(taken, order), next));
            }
            after = next;
            chunk = (2 * chunk).min(SCANNED_PER_PAGE / 8);
        }
    }

    /// A page of the logs of several webhooks as one, from behind the position `after` on (one that an earlier call with the same
    /// webhooks and `order` returned), and the position to go on from, `None` at the end. It is ordered and may hold fewer than `limit`
    /// entries, even none, before the end, as one of [`Self::log_page`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn logs_page(
        &self,
        logs: &[Log],
        filter: &LogFilter,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Attempt>, Option<String>), StoreError> {
        let newest_first = order == Order::NewestFirst;
        let until = filter.until_ms.map_or_else(|| "~".to_owned(), time);
        // What was looked at last: all that is not behind it is done with.
        let mut last = after.and_then(read_position);
        let begun = last.clone();
        let mut open = open_logs(logs, filter, &until, last.as_ref(), newest_first);
        let mut wanted = if filter.is_narrow() {
            SCANNED_PER_PAGE / 2
        } else {
            2 * limit
        };
        let by_webhook = logs.iter().map(|log| ((&log.tenant, &log.webhook), log));
        let by_webhook: HashMap<_, _> = by_webhook.collect();
        let is_taken = |entry: &Attempt| {
            let of = &entry.key.delivery;
            let log = by_webhook.get(&(&of.tenant, &of.webhook));
            log.is_some_and(|log| log.has(entry)) && filter.takes(entry)
        };
        // What was read and not looked at.
        let mut ahead: Vec<(Place, Row)> = Vec::new();
        let (mut taken, mut scanned) = (Vec::new(), 0);
        let mut due = open.len();
        loop {
            let chunk = (wanted / due.max(1)).max(LEAST_READ);
            for some in open[..due].chunks_mut(READ_AT_ONCE) {
                let reads = some
                    .iter_mut()
                    .map(async |log| self.read_on(log, newest_first, chunk).await);
                for row in try_join_all(reads).await?.into_iter().flatten() {
                    let place = place_of(&row)?;
                    let is_behind = |begun: &Place| order.compare(begun, &place).is_lt();
                    if begun.as_ref().is_none_or(is_behind) {
                        ahead.push((place, row));
                    }
                }
            }
            // A partition that has more was read to its key only: what others have behind it comes later. Those that hold the list up
            // first are read on.
            open.retain(|log| log.after.is_some());
            open.sort_by(|one, other| order.compare(&one.read_to, &other.read_to));
            due = open.len().min(READ_ON);
            let end = open.first().and_then(|log| log.read_to.clone());
            ahead.sort_by(|(one, _), (other, _)| order.compare(one, other));
            let known = ahead.partition_point(|(place, _)| {
                let is_before = |end: &String| order.compare(&place.0, end).is_le();
                end.as_ref().is_none_or(is_before)
            });
            scanned += known;
            let rows = self.entries_listed(ahead.drain(..known).collect()).await?;
            for (place, attempt) in rows {
                if let Some(attempt) = attempt.filter(is_taken) {
                    // One more than fits: it is the next page's.
                    if taken.len() == limit {
                        return Ok((by_start(taken, order), last.map(position)));
                    }
                    taken.push(attempt);
                }
                last = Some(place);
            }
            wanted = (2 * wanted).min(SCANNED_PER_PAGE / 2);
            // All that is not behind it was looked at, be it expired or not.
            let edge = if newest_first { "" } else { "~" };
            last = end.map(|end| (end, edge.to_owned()));
            if last.is_none() || scanned >= SCANNED_PER_PAGE {
                return Ok((by_start(taken, order), last.map(position)));
            }
        }
    }

    /// What a list has in the place of each of these rows of logs: an entry that began in time, and one that began late at its start.
    async fn entries_listed<P>(
        &self,
        rows: Vec<(P, Row)>,
    ) -> Result<Vec<(P, Option<Attempt>)>, StoreError> {
        let mut keys = HashSet::new();
        for (_, row) in &rows {
            keys.extend(leads_to(row)?);
        }
        let mut late = HashMap::new();
        for row in self.get_all(Vec::from_iter(keys)).await? {
            let (pk, sk) = row.key()?;
            late.insert((pk.to_owned(), sk.to_owned()), row);
        }
        let listed = rows.into_iter().map(|(place, row)| {
            let entry = match leads_to(&row)? {
                Some(key) => {
                    let start = |sk: &str| sk.split('#').next()?.parse::<u64>().ok();
                    let started_ms = row.parsed("sk", start)?;
                    // A copy of its message may have begun at another time, and it is that one's.
                    let is_its = |entry: &Row| {
                        is_listed_late(entry) && entry.maybe_number("s") == Some(started_ms)
                    };
                    let leads_there = late.get(&key).is_some_and(is_its);
                    leads_there.then(|| late.remove(&key)).flatten()
                }
                None => Some(row).filter(|row| !is_listed_late(row)),
            };
            Ok((place, entry.map(read_attempt).transpose()?))
        });
        listed.collect()
    }

    /// Reads up to `chunk` rows more of a log.
    async fn read_on(
        &self,
        log: &mut OpenLog,
        newest_first: bool,
        chunk: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let page = self.query(Query {
            range: Range::Between(&log.from, &log.to),
            newest_first,
            limit: Some(chunk),
            after: log.after.take(),
            ..Query::of(&log.pk)
        });
        let page = page.await?;
        let read_to = page
            .after
            .as_ref()
            .and_then(|key| key.get("sk")?.as_s().ok());
        log.read_to = read_to.cloned();
        log.after = page.after;
        Ok(page.rows)
    }

    /// The newest entries of a webhook that count for disable rules and were due since `since_ms`: at least `limit` of them,
    /// unless there are fewer, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn newest_counting(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        since_ms: u64,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let partitions: Vec<_> = log_partitions(tenant, webhook).collect();
        let (since, mut after) = (time(since_ms), None);
        let mut counting = Vec::new();
        loop {
            let stretch = Stretch {
                from: &since,
                ..Stretch::behind(after.as_deref(), None, Order::NewestFirst)
            };
            let (rows, next) = self.merged_page(&partitions, stretch, limit).await?;
            for (_, row) in rows {
                if leads_to(&row)?.is_some() {
                    continue;
                }
                let attempt = read_attempt(row)?;
                if attempt.counts() {
                    counting.push(attempt);
                }
            }
            if counting.len() >= limit || next.is_none() {
                return Ok(counting);
            }
            after = next;
        }
    }
}

/// The log of a webhook, from a time on in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The webhook's tenant.
    pub tenant: TenantId,
    /// The webhook.
    pub webhook: WebhookId,
    /// What was due before belongs to an earlier webhook of the same id.
    pub since_ms: u64,
}

impl Log {
    /// All that is in a webhook's log.
    #[must_use]
    pub fn whole(tenant: &TenantId, webhook: &WebhookId) -> Self {
        Self {
            tenant: tenant.clone(),
            webhook: webhook.clone(),
            since_ms: 0,
        }
    }

    fn has(&self, entry: &Attempt) -> bool {
        entry.key.due_ms >= self.since_ms
    }
}

/// A partition of a log while several are read as one list.
struct OpenLog {
    pk: String,
    from: String,
    to: String,
    /// Where it is read on; `None` at first, and at its end.
    after: Option<Item>,
    /// The sort key of that.
    read_to: Option<String>,
}

/// The partitions of these logs that may have entries behind the place `last`.
fn open_logs(
    logs: &[Log],
    filter: &LogFilter,
    until: &str,
    last: Option<&Place>,
    newest_first: bool,
) -> Vec<OpenLog> {
    let key = last.map(|(key, _)| key.as_str());
    let shards = filter.shards();
    let open = logs.iter().flat_map(|log| {
        let since = time(filter.least_ms(log));
        let (from, to) = match key {
            Some(key) if newest_first => (since, until.min(key)),
            Some(key) => (since.max(key.to_owned()), until),
            None => (since, until),
        };
        shards.iter().map(move |shard| OpenLog {
            pk: partition(&log.tenant, &log.webhook, *shard),
            from: from.clone(),
            to: to.to_owned(),
            after: None,
            read_to: None,
        })
    });
    // DynamoDB refuses a range whose ends are the wrong way round.
    open.filter(|log| log.from <= log.to).collect()
}

/// An entry's place in the logs of several webhooks: its sort key and whose it is.
type Place = (String, String);

fn place_of(row: &Row) -> Result<Place, StoreError> {
    let whose = row.parsed("pk", |pk| {
        let mut parts = pk.split('#').skip(1);
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    })?;
    Ok((row.parsed("sk", |sk| Some(sk.to_owned()))?, whose))
}

fn position((key, whose): Place) -> String {
    format!("{key}#{whose}")
}

fn read_position(position: &str) -> Option<Place> {
    let (key, whose) = position.rsplit_once('#')?;
    Some((key.to_owned(), whose.to_owned()))
}

/// The entries of a page in the order of their starts. Those of one moment stay in the order of their keys.
fn by_start(mut entries: Vec<Attempt>, order: Order) -> Vec<Attempt> {
    entries.sort_by(|one, other| order.compare(&one.started_ms, &other.started_ms));
    entries
}

/// What the sort key of a row ends with that lists an entry at its start.
const LATE: &str = "#late";

/// Whether an attempt is listed at its start by a row of its own, as it lies too far from its due time. It begins before that where
/// clocks differ.
fn began_late(attempt: &Attempt) -> bool {
    let due_ms = attempt.key.due_ms;
    !(due_ms..=due_ms + LATE_MS).contains(&attempt.started_ms)
}

/// The key of the entry that a row of a log lists, unless it is an entry itself.
pub(super) fn leads_to(row: &Row) -> Result<Option<Key>, StoreError> {
    let (pk, sk) = row.key()?;
    let Some(name) = sk.strip_suffix(LATE) else {
        return Ok(None);
    };
    let (_, name) = name.split_once('#').ok_or_else(|| row.missing("sk"))?;
    let due_ms: u64 = row.number("d")?;
    Ok(Some((pk.to_owned(), format!("{}#{name}", time(due_ms)))))
}

/// Whether an entry is listed by another row.
fn is_listed_late(entry: &Row) -> bool {
    entry.0.contains_key("lt")
}

fn attempt_item(attempt: &Attempt, expiry: u64) -> Result<Item, StoreError> {
    let delivery = &attempt.key.delivery;
    let exchange = serde_json::to_vec(&attempt.exchange).map_err(std::io::Error::from);
    let exchange = exchange.and_then(|json| codec::compress(&json));
    let exchange = exchange.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
    let pk = partition(&delivery.tenant, &delivery.webhook, delivery.event.shard());
    Ok(Builder::new(pk, sort_key(&attempt.key))
        .number("a", delivery.accepted_ms)
        .text("y", &attempt.event_type)
        .number("k", attempt.attempt)
        .text("l", &attempt.dialect)
        .text("tr", attempt.trigger.as_str())
        .number("ok", u8::from(attempt.outcome == Outcome::Succeeded))
        .number("s", attempt.started_ms)
        .number("ms", attempt.response_time_ms)
        .number("e", attempt.ended_ms)
        .maybe("rs", attempt.response_status.map(number))
        .maybe("er", attempt.error.as_ref().map(text))
        .maybe("ec", attempt.error_code.map(|code| text(code.as_str())))
        .maybe("au", attempt.asked_until_ms.map(number))
        .maybe("nx", attempt.next_due_ms.map(number))
        .maybe("lt", began_late(attempt).then(|| number(1)))
        .hops(attempt.hops)
        .bytes("x", exchange)
        .number("exp", expiry)
        .build())
}

/// The partitions of a webhook's log.
pub(super) fn log_partitions(
    tenant: &TenantId,
    webhook: &WebhookId,
) -> impl Iterator<Item = String> {
    (0..LOG_SHARDS).map(move |shard| partition(tenant, webhook, shard))
}

pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId, shard: u8) -> String {
    format!("L#{tenant}#{webhook}#{shard}")
}

pub(super) fn row_key(key: &AttemptKey) -> Key {
    let delivery = &key.delivery;
    let pk = partition(&delivery.tenant, &delivery.webhook, delivery.event.shard());
    (pk, sort_key(key))
}

fn sort_key(key: &AttemptKey) -> String {
    format!("{}#{}#{}", time(key.due_ms), key.delivery.event, key.n)
}

pub(super) fn trigger_of(name: &str) -> Option<Trigger> {
    let mut all = Trigger::ALL.into_iter();
    all.find(|trigger| trigger.as_str() == name)
}

pub(super) fn read_attempt(mut row: Row) -> Result<Attempt, StoreError> {
    let (tenant, webhook) = row.parsed("pk", |pk| {
        let mut parts = pk.split('#').skip(1);
        Some((
            TenantId::parse(parts.next()?).ok()?,
            WebhookId::parse(parts.next()?).ok()?,
        ))
    })?;
    let (due_ms, event, n) = row.parsed("sk", |sk| {
        let mut parts = sk.split('#');
        let due_ms = parts.next()?.parse().ok()?;
        Some((
            due_ms,
            EventId::parse(parts.next()?).ok()?,
            parts.next()?.parse().ok()?,
        ))
    })?;
    // URL, headers and the beginning of a body, as JSON.
    const EXCHANGE_BYTES: usize = 1024 * 1024;
    let erased_ms = row.maybe_number("er");
    let exchange = if erased_ms.is_some() {
        Exchange::default()
    } else {
        let exchange = codec::expand(row.bytes("x")?, EXCHANGE_BYTES).ok();
        exchange
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| row.missing("x"))?
    };
    Ok(Attempt {
        key: AttemptKey {
            delivery: DeliveryKey {
                tenant,
                webhook,
                event,
                accepted_ms: row.number("a")?,
            },
            due_ms,
            n,
        },
        event_type: row.text("y")?,
        attempt: row.number("k")?,
        dialect: row.text("l")?,
        trigger: row.parsed("tr", trigger_of)?,
        outcome: if row.number::<u8>("ok")? == 1 {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        },
        started_ms: row.number("s")?,
        ended_ms: row.number("e")?,
        response_time_ms: row.number("ms")?,
        response_status: row.maybe_number("rs"),
        error: row.maybe_text("er"),
        error_code: row
            .maybe_text("ec")
            .and_then(|code| ErrorCode::parse(&code)),
        asked_until_ms: row.maybe_number("au"),
        next_due_ms: row.maybe_number("nx"),
        hops: row.hops(),
        exchange,
        erased_ms,
    })
}

//! The log: one row per attempt, named by its due time, so that a message received twice finds it.

use std::sync::Arc;

use rung_dialect::Dialect;

use super::{
    Item, Query, Range, Store, StoreError,
    batch::Key,
    codec,
    item::{Builder, Row, number, text, time},
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, ErrorCode, Exchange, LogId, Outcome, Trigger},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
    },
    limits::LOG_SHARDS,
    mutation::{Mutation, mutated},
};

/// Which entries of a webhook's log. Of each list one must fit; an empty one takes all. Times are of the attempts' dues, in
/// milliseconds.
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
    /// Their event.
    pub event: Option<EventId>,
    /// Their delivery's UUID.
    pub delivery: Option<uuid::Uuid>,
    /// Not due before.
    pub since_ms: Option<u64>,
    /// Due before.
    pub until_ms: Option<u64>,
}

/// Types of events by patterns, as webhooks subscribe to them.
#[derive(Clone)]
pub struct TypeFilter {
    /// Whose catalogue knows the patterns.
    pub dialect: Arc<Dialect>,
    /// Types, groups, prefixes or `*`.
    pub patterns: Vec<String>,
}

impl TypeFilter {
    fn takes(&self, event_type: &str) -> bool {
        let catalogue = &self.dialect.catalogue;
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| catalogue.matches(pattern, event_type))
    }
}

impl LogFilter {
    /// The shards that its entries stand in: an event's attempts stand in one.
    fn shards(&self) -> std::ops::Range<u8> {
        let event = self.event.as_ref();
        event.map_or(0..LOG_SHARDS, |event| event.shard()..event.shard() + 1)
    }

    /// No attempt that it takes was due before this, in milliseconds: none is before its event was accepted.
    fn least_ms(&self) -> u64 {
        let accepted_ms = self.delivery.and_then(DeliveryKey::accepted_ms_of);
        self.since_ms.max(accepted_ms).unwrap_or(0)
    }

    /// Whether entries within the times may be refused.
    fn is_narrow(&self) -> bool {
        !self.outcomes.is_empty()
            || !self.triggers.is_empty()
            || self.event_types.is_some()
            || !self.statuses.is_empty()
            || !self.error_codes.is_empty()
            || self.event.is_some()
            || self.delivery.is_some()
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
        among(&self.outcomes, Some(attempt.outcome))
            && among(&self.triggers, Some(attempt.trigger))
            && among(&self.error_codes, attempt.error_code)
            && (self.statuses.is_empty() || is_of_statuses())
            && self
                .event_types
                .as_ref()
                .is_none_or(|types| types.takes(&attempt.event_type))
            && self
                .event
                .as_ref()
                .is_none_or(|event| attempt.key.delivery.event == *event)
            && self
                .delivery
                .is_none_or(|delivery| attempt.key.delivery.uuid() == delivery)
    }
}

/// How many entries a page may read in search of those that the filter takes. The page ends there, with a cursor.
const SCANNED_PER_PAGE: usize = 2_000;

impl Store {
    /// Logs a success. It may replace a failure of the same attempt: the receiver has the event.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn log_success(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let expiry = self.expiry_of(&attempt.key.delivery.tenant).await?;
        self.put_soon(attempt_item(attempt, expiry)?).await
    }

    /// Logs a failure unless the attempt is logged already; that entry is answered then, and counts instead.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn log_failure(&self, attempt: &Attempt) -> Result<Option<Attempt>, StoreError> {
        let expiry = self.expiry_of(&attempt.key.delivery.tenant).await?;
        if mutated(Mutation::UnconditionalFailureLog) {
            let written = self.put_soon(attempt_item(attempt, expiry)?).await;
            return written.map(|()| None);
        }
        let standing = self.put_new(attempt_item(attempt, expiry)?).await?;
        standing.map(read_attempt).transpose()
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
            ..Query::of(&pk)
        };
        loop {
            let page = self.query(query.clone()).await?;
            for row in page.rows {
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

    /// The entries of a webhook that were due at one time, by strong reads: first attempts are due when their event is accepted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn attempts_due_at(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        due_ms: u64,
    ) -> Result<Vec<Attempt>, StoreError> {
        let prefix = format!("{}#", time(due_ms));
        let shards = log_partitions(tenant, webhook).map(async |pk| {
            self.query_all(Query {
                range: Range::Prefix(&prefix),
                ..Query::of(&pk)
            })
            .await
        });
        let rows = futures_util::future::try_join_all(shards).await?;
        rows.into_iter().flatten().map(read_attempt).collect()
    }

    /// A page of a webhook's log, newest due first, from before the position `before` on (any position that an earlier call
    /// answered), and the position to go on from, `None` at the end. A page of a narrow filter may hold fewer than `limit`
    /// entries, even none, before the end: it reads on, within a bound, until it knows of one more.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn log_page(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        filter: &LogFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Attempt>, Option<String>), StoreError> {
        let partitions: Vec<_> = filter
            .shards()
            .map(|shard| partition(tenant, webhook, shard))
            .collect();
        let since = time(filter.least_ms());
        let until = filter.until_ms.map(time);
        let mut before = [before.map(str::to_owned), until]
            .into_iter()
            .flatten()
            .min();
        let chunk = if filter.is_narrow() {
            SCANNED_PER_PAGE / 8
        } else {
            limit
        };
        let mut taken: Vec<Attempt> = Vec::new();
        let mut scanned = 0;
        loop {
            let (rows, next) = self
                .merged_page(&partitions, false, &since, before.as_deref(), chunk)
                .await?;
            scanned += rows.len();
            for row in rows {
                let attempt = read_attempt(row)?;
                if filter.takes(&attempt) {
                    // One more than fits: it is the next page's.
                    if taken.len() == limit {
                        let last = taken.last().map(|attempt| sort_key(&attempt.key));
                        return Ok((taken, last));
                    }
                    taken.push(attempt);
                }
            }
            // Without a filter the rows that follow are of the list; with one they are looked through, as far as a page goes.
            if taken.len() == limit && !filter.is_narrow() {
                return Ok((taken, next));
            }
            if next.is_none() || scanned >= SCANNED_PER_PAGE {
                return Ok((taken, next));
            }
            before = next;
        }
    }

    /// A page of the logs of several webhooks as one, each from the time on that stands beside it: newest due first, from behind the
    /// position `after` on, and the position to go on from, `None` at the end. A page may hold fewer than `limit` entries, even none,
    /// before the end, as one of [`Self::log_page`] may.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn logs_page(
        &self,
        tenant: &TenantId,
        webhooks: &[(WebhookId, u64)],
        filter: &LogFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Attempt>, Option<String>), StoreError> {
        let shards = || filter.shards();
        let sources = webhooks.iter().flat_map(|(webhook, first_ms)| {
            let since = time(filter.least_ms().max(*first_ms));
            shards().map(move |shard| (partition(tenant, webhook, shard), since.clone()))
        });
        let sources: Vec<_> = sources.collect();
        let chunk = if filter.is_narrow() {
            SCANNED_PER_PAGE / 2
        } else {
            2 * limit
        };
        let chunk = (chunk / sources.len().max(1)).max(8);
        let until = filter.until_ms.map_or_else(|| "~".to_owned(), time);
        // The key of the last row that was looked at, and its webhook: rows of one key stand in the order of these.
        let mut last = after.and_then(|after| {
            let (key, webhook) = after.rsplit_once('#')?;
            Some((key.to_owned(), webhook.to_owned()))
        });
        let mut taken: Vec<Attempt> = Vec::new();
        let mut scanned = 0;
        loop {
            let to = last.as_ref().map_or(&until, |(key, _)| key.min(&until));
            let pages = sources.iter().map(async |(pk, since)| {
                // DynamoDB refuses a range whose ends are the wrong way round.
                if since > to {
                    return Ok(None);
                }
                let query = Query {
                    range: Range::Between(since, to),
                    newest_first: true,
                    limit: Some(chunk),
                    ..Query::of(pk)
                };
                self.query(query).await.map(Some)
            });
            let pages = futures_util::future::try_join_all(pages).await?;
            let mut pages: Vec<_> = pages.into_iter().flatten().collect();
            // A partition that has more was read down to this key only: what others have below it comes later.
            let ends = pages
                .iter()
                .filter_map(|page| page.after.as_ref()?.get("sk")?.as_s().ok());
            let end = ends.max().cloned();
            let mut rows = Vec::new();
            for row in pages.drain(..).flat_map(|page| page.rows) {
                let attempt = read_attempt(row)?;
                let place = (
                    sort_key(&attempt.key),
                    attempt.key.delivery.webhook.to_string(),
                );
                if last.as_ref().is_none_or(|last| place < *last)
                    && end.as_ref().is_none_or(|end| place.0 >= *end)
                {
                    rows.push((place, attempt));
                }
            }
            rows.sort_by(|(one, _), (next, _)| next.cmp(one));
            scanned += rows.len();
            for (place, attempt) in rows {
                if filter.takes(&attempt) {
                    // One more than fits: it is the next page's.
                    if taken.len() == limit {
                        return Ok((taken, position(last.as_ref())));
                    }
                    taken.push(attempt);
                }
                last = Some(place);
            }
            // All that is not below it was looked at, be it expired or not.
            last = end.map(|end| (end, String::new()));
            if last.is_none() || scanned >= SCANNED_PER_PAGE {
                return Ok((taken, position(last.as_ref())));
            }
        }
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
        let (since, mut before) = (time(since_ms), None);
        let mut counting = Vec::new();
        loop {
            let (rows, next) = self
                .merged_page(&partitions, false, &since, before.as_deref(), limit)
                .await?;
            for row in rows {
                let attempt = read_attempt(row)?;
                if attempt.trigger.counts() {
                    counting.push(attempt);
                }
            }
            if counting.len() >= limit || next.is_none() {
                return Ok(counting);
            }
            before = next;
        }
    }
}

/// The position of an entry in the log of several webhooks.
fn position(place: Option<&(String, String)>) -> Option<String> {
    place.map(|(key, webhook)| format!("{key}#{webhook}"))
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
        .maybe("nx", attempt.next_due_ms.map(number))
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
        next_due_ms: row.maybe_number("nx"),
        hops: row.hops(),
        exchange,
        erased_ms,
    })
}

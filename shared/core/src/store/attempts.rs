//! The log: one row per attempt, named by its due time, so that a message received twice finds it.

use super::{
    Item, Query, Range, Store, StoreError,
    batch::Key,
    codec,
    item::{Builder, Row, number, text, time},
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, Exchange, LogId, Outcome, Trigger},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
    },
    limits::LOG_SHARDS,
    mutation::{Mutation, mutated},
};
/// Which entries of a webhook's log. Times are of the attempts' dues, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// How they ended.
    pub outcome: Option<Outcome>,
    /// What led to them.
    pub trigger: Option<Trigger>,
    /// Their event's type.
    pub event_type: Option<String>,
    /// Their event.
    pub event: Option<EventId>,
    /// Their delivery's UUID.
    pub delivery: Option<uuid::Uuid>,
    /// Not due before.
    pub since_ms: Option<u64>,
    /// Due before.
    pub until_ms: Option<u64>,
}

impl LogFilter {
    /// Whether entries within the times may be refused.
    fn is_narrow(&self) -> bool {
        self.outcome.is_some()
            || self.trigger.is_some()
            || self.event_type.is_some()
            || self.event.is_some()
            || self.delivery.is_some()
    }

    fn takes(&self, attempt: &Attempt) -> bool {
        self.outcome
            .is_none_or(|outcome| attempt.outcome == outcome)
            && self
                .trigger
                .is_none_or(|trigger| attempt.trigger == trigger)
            && self
                .event_type
                .as_ref()
                .is_none_or(|event_type| attempt.event_type == *event_type)
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
        // An event's attempts stand in one shard, none before it was accepted.
        let shards = filter
            .event
            .as_ref()
            .map_or(0..LOG_SHARDS, |event| event.shard()..event.shard() + 1);
        let partitions: Vec<_> = shards
            .map(|shard| partition(tenant, webhook, shard))
            .collect();
        let accepted_ms = filter.delivery.and_then(DeliveryKey::accepted_ms_of);
        let since = time(filter.since_ms.max(accepted_ms).unwrap_or(0));
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
        .text("tr", trigger_name(attempt.trigger))
        .number("ok", u8::from(attempt.outcome == Outcome::Succeeded))
        .number("s", attempt.started_ms)
        .number("ms", attempt.response_time_ms)
        .number("e", attempt.ended_ms)
        .maybe("rs", attempt.response_status.map(number))
        .maybe("er", attempt.error.as_ref().map(text))
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

pub(super) fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Event => "event",
        Trigger::Retry => "retry",
        Trigger::Manual => "manual",
        Trigger::Recover => "recover",
        Trigger::Test => "test",
    }
}

pub(super) fn trigger_of(name: &str) -> Option<Trigger> {
    [
        Trigger::Event,
        Trigger::Retry,
        Trigger::Manual,
        Trigger::Recover,
        Trigger::Test,
    ]
    .into_iter()
    .find(|trigger| trigger_name(*trigger) == name)
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
        next_due_ms: row.maybe_number("nx"),
        hops: row.hops(),
        exchange,
        erased_ms,
    })
}

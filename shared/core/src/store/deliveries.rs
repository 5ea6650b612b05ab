//! Deliveries that are not through at once: the heads of their chains.
//!
//! Every write is conditional, and answers the row that stands afterwards: whoever lost against another writer sees at once
//! what the other did.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, Select};

use super::{
    Item, Store, StoreError, Stretch,
    attempts::trigger_of,
    batch::Key,
    item::{Builder, Row, number, text, time},
    span::{Order, Span},
    table::LISTS,
    update_if,
};
use crate::{
    domain::{
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId, TenantId, WebhookId},
        position::Position,
    },
    limits::LOG_SHARDS,
};

/// What a conditional write found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The condition held; this stands now.
    Done(Delivery),
    /// It did not; this stands (nothing if there is no row).
    Found(Option<Delivery>),
}

impl Written {
    /// The row that stands now.
    #[must_use]
    pub fn standing(self) -> Option<Delivery> {
        match self {
            Self::Done(row) => Some(row),
            Self::Found(row) => row,
        }
    }
}

/// The states of a delivery that waits or could be sent again by a recovery.
pub const OPEN: [State; 4] = [State::Pending, State::Held, State::Missed, State::Failed];

/// How a row must stand to be advanced, beside one position behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceIf {
    /// Pending, at whatever due time.
    Pending,
    /// Pending at exactly this due time, in milliseconds.
    PendingAt(u64),
    /// Any state: a retry by hand.
    Any,
    /// Not sent by this recovery or a later one yet, and not waiting for an attempt: a recovery.
    BeforeJob,
    /// Waiting for exactly this due time, in milliseconds, and not sent by this recovery or a later one yet: a recovery of what waits.
    WaitBeforeJob(u64),
}

/// The lists of a webhook's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Waiting on the ladder.
    Pending,
    /// Failed, held or missed.
    Unsuccessful,
    /// Cancelled.
    Cancelled,
}

impl List {
    /// The lists in which deliveries of these states stand. What waits for a webhook that was disabled meanwhile is held, whether its
    /// row says so yet or not.
    #[must_use]
    pub fn of_states(states: &[State]) -> Vec<Self> {
        let has = |some: &[State]| some.iter().any(|state| states.contains(state));
        let lists = [
            (Self::Pending, has(&[State::Pending, State::Held])),
            (
                Self::Unsuccessful,
                has(&[State::Failed, State::Held, State::Missed]),
            ),
            (Self::Cancelled, has(&[State::Cancelled])),
        ];
        let lists = lists.into_iter();
        lists
            .filter_map(|(list, asked)| asked.then_some(list))
            .collect()
    }
}

/// All attributes of a row.
pub(super) const ATTRIBUTES: &str = "pk, sk, st, n, d, k, r, p, tr, l, z, o, j, y, ds, fin, exp";

impl Store {
    /// A delivery's row, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn delivery(&self, key: &DeliveryKey) -> Result<Option<Delivery>, StoreError> {
        self.get(partition(key), time(key.accepted_ms))
            .await?
            .map(read_delivery)
            .transpose()
    }

    /// The rows of deliveries, in no order, by strong reads. None may be named twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries(&self, keys: &[DeliveryKey]) -> Result<Vec<Delivery>, StoreError> {
        let keys = keys.iter().map(row_key).collect();
        self.get_all(keys)
            .await?
            .into_iter()
            .map(read_delivery)
            .collect()
    }

    /// Writes a row unless one is there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn place(&self, row: &Delivery) -> Result<Written, StoreError> {
        let expiry = self.expiry_of(&row.key.tenant).await?;
        let item = delivery_item(row, self.clock.now_ms(), expiry);
        Ok(match self.put_new(item).await? {
            None => Written::Done(row.clone()),
            Some(found) => Written::Found(Some(read_delivery(found)?)),
        })
    }

    /// Moves a row one position on, to `to`, if it stands where `from` says.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn advance(&self, to: &Delivery, from: AdvanceIf) -> Result<Written, StoreError> {
        let at = &to.position;
        let mut values = vec![
            (":behind", number(at.n - 1)),
            (":n", number(at.n)),
            (":due", number(at.due_ms)),
            (":k", number(at.attempt)),
            (":r", number(at.rung)),
            (":p", number(at.epoch)),
            (":dues", AttributeValue::L(vec![number(at.due_ms)])),
        ];
        let condition = match from {
            AdvanceIf::Any => "n = :behind",
            AdvanceIf::Pending => "n = :behind AND st = :pending",
            AdvanceIf::BeforeJob => {
                "n = :behind AND (attribute_not_exists(j) OR j < :job) AND (st <> :pending OR p <> :p)"
            }
            AdvanceIf::WaitBeforeJob(due_ms) => {
                values.push((":prev", number(due_ms)));
                "n = :behind AND d = :prev AND st = :pending AND (attribute_not_exists(j) OR j < :job)"
            }
            AdvanceIf::PendingAt(due_ms) => {
                values.push((":prev", number(due_ms)));
                "n = :behind AND d = :prev AND st = :pending"
            }
        };
        let mut update = "SET st = :pending, n = :n, d = :due, k = :k, r = :r, p = :p, tr = :trigger, ds = list_append(ds, :dues), g = :g, gs = :gs".to_owned();
        values.push((":trigger", text(at.trigger.as_str())));
        if let Some(job) = at.job {
            values.push((":job", number(job)));
            // It begins a ladder, which may end after the row would have expired.
            let expiry = self.expiry_of(&to.key.tenant).await?;
            values.push((":exp", number(expiry)));
            update.push_str(", j = :job, exp = :exp");
        }
        // What the message of this position does not have is not left over from the one before.
        let mut removed = Vec::new();
        for (name, value, set) in [
            (
                "o",
                at.returns_to.map(|state| text(state.as_str())),
                (":back", ", o = :back"),
            ),
            (
                "l",
                at.dialect.as_ref().map(text),
                (":dialect", ", l = :dialect"),
            ),
            ("z", at.resume_ms.map(number), (":resume", ", z = :resume")),
        ] {
            match value {
                Some(value) => {
                    values.push((set.0, value));
                    update.push_str(set.1);
                }
                None => removed.push(name),
            }
        }
        if !at.returns_to.is_some_and(State::has_ended) {
            removed.push("fin");
        }
        if !removed.is_empty() {
            update.push_str(" REMOVE ");
            update.push_str(&removed.join(", "));
        }
        values.push((":pending", text(State::Pending.as_str())));
        values.push((":g", text(list_partition(&to.key, List::Pending))));
        values.push((":gs", text(list_key(&to.key))));
        self.update_delivery(&to.key, &update, condition, values)
            .await
    }

    /// Takes the row that stands at a position in one of the states `from` to the state `to`, which ends its chain.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn finish(
        &self,
        key: &DeliveryKey,
        at: &Position,
        from: &[State],
        to: State,
    ) -> Result<Written, StoreError> {
        self.finish_if(
            "n = :n AND d = :due AND ",
            vec![(":n", number(at.n)), (":due", number(at.due_ms))],
            key,
            from,
            (to, at.returns_to == Some(to)),
        )
        .await
    }

    /// Cancels a pending delivery, wherever it stands on its ladder. One that had succeeded before goes back to that.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn cancel(&self, key: &DeliveryKey) -> Result<Written, StoreError> {
        self.cancel_if(key, &[State::Pending]).await
    }

    /// Cancels a delivery that waits or could be sent again by a recovery: its event is erased.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn cancel_for_good(&self, key: &DeliveryKey) -> Result<Written, StoreError> {
        self.cancel_if(key, &OPEN).await
    }

    async fn cancel_if(&self, key: &DeliveryKey, from: &[State]) -> Result<Written, StoreError> {
        const NEVER: &str = "(attribute_not_exists(o) OR o <> :done) AND ";
        let done = || vec![(":done", text(State::Succeeded.as_str()))];
        let to = (State::Cancelled, false);
        match self.finish_if(NEVER, done(), key, from, to).await? {
            Written::Found(Some(row)) if row.had_succeeded() && from.contains(&row.state) => {
                let to = (State::Succeeded, true);
                self.finish_if("o = :done AND ", done(), key, from, to)
                    .await
            }
            written => Ok(written),
        }
    }

    async fn finish_if(
        &self,
        place: &str,
        mut values: Vec<(&'static str, AttributeValue)>,
        key: &DeliveryKey,
        from: &[State],
        (to, is_back): (State, bool),
    ) -> Result<Written, StoreError> {
        const NAMES: [&str; 6] = [":s0", ":s1", ":s2", ":s3", ":s4", ":s5"];
        values.extend(
            NAMES
                .into_iter()
                .zip(from)
                .map(|(name, state)| (name, text(state.as_str()))),
        );
        let condition = format!("{place}st IN ({})", NAMES[..from.len()].join(", "));
        values.push((":to", text(to.as_str())));
        let mut update = "SET st = :to".to_owned();
        if to.has_ended() {
            values.push((":fin", number(self.clock.now_ms())));
            // One that goes back keeps the time at which it came there first.
            update.push_str(if is_back {
                ", fin = if_not_exists(fin, :fin)"
            } else {
                ", fin = :fin"
            });
        }
        match list_of(to) {
            Some(list) => {
                values.push((":g", text(list_partition(key, list))));
                values.push((":gs", text(list_key(key))));
                update.push_str(", g = :g, gs = :gs");
            }
            None => update.push_str(" REMOVE g, gs"),
        }
        self.update_delivery(key, &update, &condition, values).await
    }

    async fn update_delivery(
        &self,
        key: &DeliveryKey,
        update: &str,
        condition: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Written, StoreError> {
        let mut request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(partition(key)))
            .key("sk", text(time(key.accepted_ms)))
            .update_expression(update)
            .condition_expression(format!("({condition}) AND exp > :now"))
            .expression_attribute_values(":now", self.now())
            .return_values(ReturnValue::AllNew);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        match update_if(request).await? {
            Ok(written) => read_delivery(Row(written)).map(Written::Done),
            Err(standing) => {
                let standing = standing.and_then(|item| self.alive(item));
                standing.map(read_delivery).transpose().map(Written::Found)
            }
        }
    }

    /// Deliveries of some lists in the order of their acceptance: up to `limit` of those behind the position `after` (any position
    /// that an earlier call with the same `order` returned), and the position to go on from, `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries_of(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        lists: &[List],
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Delivery>, Option<String>), StoreError> {
        let stretch = Stretch::behind(after, Some(LISTS), order);
        let page = self.indexed(tenant, webhook, lists, stretch, limit);
        let (mut deliveries, next) = page.await?;
        // Only what still belongs to the lists stays.
        deliveries
            .retain(|delivery| list_of(delivery.state).is_some_and(|list| lists.contains(&list)));
        Ok((deliveries, next))
    }

    /// Deliveries that are in some lists, or were a moment ago, and were accepted within `span`, oldest first: up to `limit` of those
    /// behind the position `after` (one that an earlier call returned), and the position to go on from, `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries_after(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        lists: &[List],
        span: Span,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Delivery>, Option<String>), StoreError> {
        let (from, until) = span.keys();
        let stretch = Stretch {
            from: &from,
            until: &until,
            ..Stretch::behind(after, Some(LISTS), Order::OldestFirst)
        };
        self.indexed(tenant, webhook, lists, stretch, limit).await
    }

    /// A page of the deliveries that the index names in some lists, each by a strong read.
    async fn indexed(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        lists: &[List],
        stretch: Stretch<'_>,
        limit: usize,
    ) -> Result<(Vec<Delivery>, Option<String>), StoreError> {
        let partitions = lists
            .iter()
            .flat_map(|list| list_partitions(tenant, webhook, *list));
        let partitions: Vec<_> = partitions.collect();
        let (rows, next) = self.merged_page(&partitions, stretch, limit).await?;
        let keys = rows.iter().map(|(_, row)| key_of(row));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        // The index is updated a moment late, and may name a delivery in two lists.
        keys.dedup();
        let mut deliveries = self.deliveries(&keys).await?;
        let order = stretch.order;
        deliveries.sort_by(|one, other| order.compare(&list_key(&one.key), &list_key(&other.key)));
        Ok((deliveries, next))
    }

    /// How many deliveries wait for a webhook, as far as one page of each part of their list tells: thousands.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn count_waiting(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<u64, StoreError> {
        let counts = list_partitions(tenant, webhook, List::Pending).map(async |pk| {
            let page = self
                .client
                .query()
                .table_name(&*self.table)
                .index_name(LISTS.name)
                .select(Select::Count)
                .key_condition_expression("g = :pk")
                .expression_attribute_values(":pk", text(pk))
                .send()
                .await?;
            Ok::<_, StoreError>(u64::try_from(page.count).unwrap_or_default())
        });
        let counts = futures_util::future::try_join_all(counts).await?;
        Ok(counts.into_iter().sum())
    }
}

fn delivery_item(row: &Delivery, now_ms: u64, expiry: u64) -> Item {
    let ended_ms = row
        .ended_ms
        .or_else(|| row.state.has_ended().then_some(now_ms));
    let (at, list) = (&row.position, list_of(row.state));
    Builder::new(partition(&row.key), time(row.key.accepted_ms))
        .text("st", row.state.as_str())
        .number("n", at.n)
        .number("d", at.due_ms)
        .number("k", at.attempt)
        .number("r", at.rung)
        .number("p", at.epoch)
        .text("tr", at.trigger.as_str())
        .maybe("l", at.dialect.as_ref().map(text))
        .maybe("z", at.resume_ms.map(number))
        .maybe("o", at.returns_to.map(|state| text(state.as_str())))
        .maybe("j", at.job.map(number))
        .maybe("fin", ended_ms.map(number))
        .text("y", &row.event_type)
        .with(
            "ds",
            AttributeValue::L(row.dues_ms.iter().map(number).collect()),
        )
        .maybe("g", list.map(|list| text(list_partition(&row.key, list))))
        .maybe("gs", list.map(|_| text(list_key(&row.key))))
        .number("exp", expiry)
        .build()
}

pub(super) fn row_key(key: &DeliveryKey) -> Key {
    (partition(key), time(key.accepted_ms))
}

pub(super) fn partition(key: &DeliveryKey) -> String {
    format!("D#{}#{}#{}", key.tenant, key.webhook, key.event)
}

fn list_partition(key: &DeliveryKey, list: List) -> String {
    shard_partition(&key.tenant, &key.webhook, list, key.event.shard())
}

/// The index partitions of a list.
pub(super) fn list_partitions(
    tenant: &TenantId,
    webhook: &WebhookId,
    list: List,
) -> impl Iterator<Item = String> {
    (0..LOG_SHARDS).map(move |shard| shard_partition(tenant, webhook, list, shard))
}

fn shard_partition(tenant: &TenantId, webhook: &WebhookId, list: List, shard: u8) -> String {
    let letter = match list {
        List::Pending => 'P',
        List::Unsuccessful => 'F',
        List::Cancelled => 'C',
    };
    format!("{letter}#{tenant}#{webhook}#{shard}")
}

/// A delivery's position in its lists.
#[must_use]
pub fn list_key(key: &DeliveryKey) -> String {
    format!("{}#{}", time(key.accepted_ms), key.event)
}

/// The list that a delivery of this state stands in.
fn list_of(state: State) -> Option<List> {
    match state {
        State::Pending => Some(List::Pending),
        State::Failed | State::Held | State::Missed => Some(List::Unsuccessful),
        State::Cancelled => Some(List::Cancelled),
        State::Succeeded => None,
    }
}

fn state_of(name: &str) -> Option<State> {
    [
        State::Pending,
        State::Succeeded,
        State::Failed,
        State::Held,
        State::Missed,
        State::Cancelled,
    ]
    .into_iter()
    .find(|state| state.as_str() == name)
}

pub(super) fn key_of(row: &Row) -> Result<DeliveryKey, StoreError> {
    row.parsed("pk", |pk| {
        let mut parts = pk.split('#').skip(1);
        let tenant = TenantId::parse(parts.next()?).ok()?;
        let webhook = WebhookId::parse(parts.next()?).ok()?;
        let event = EventId::parse(parts.next()?).ok()?;
        let accepted_ms = row.parsed("sk", |sk| sk.parse().ok()).ok()?;
        Some(DeliveryKey {
            tenant,
            webhook,
            event,
            accepted_ms,
        })
    })
}

pub(super) fn read_delivery(mut row: Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        key: key_of(&row)?,
        state: row.parsed("st", state_of)?,
        position: Position {
            n: row.number("n")?,
            due_ms: row.number("d")?,
            attempt: row.number("k")?,
            rung: row.number("r")?,
            epoch: row.number("p")?,
            trigger: row.parsed("tr", trigger_of)?,
            dialect: row.maybe_text("l"),
            job: row.maybe_number("j"),
            returns_to: row.maybe_text("o").as_deref().and_then(state_of),
            resume_ms: row.maybe_number("z"),
        },
        ended_ms: row.maybe_number("fin"),
        event_type: row.text("y")?,
        dues_ms: row.numbers("ds"),
    })
}

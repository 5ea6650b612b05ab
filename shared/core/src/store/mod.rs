//! The DynamoDB table: one struct over the SDK's client, with a method for each thing that Rung means to do.
//!
//! One table (`pk`, `sk`) and two sparse indexes of keys only, `lists` (`g`, `gs`) and `webhooks` (`wh`, `whs`). `t` is a tenant's name or, once one of
//! that name was deleted, the name with a number, `acme~2`. Ids hold no `#`, times are 13-digit milliseconds,
//! `s` is a shard of the event's, call's or webhook's id.
//!
//! | item | pk / sk | life | file |
//! | --- | --- | --- | --- |
//! | tenant | `T#name` / `A`; `g` = `T`, `gs` = `created#name` | until deleted | [`tenants`] |
//! | copies of the same, for publishing | `T#name#copy` / `A` | until deleted | `tenant_row` |
//! | number of the last tenant of a name that was deleted, and the job that erases it | `T#name` / `Z` | for ever | [`tenants`] |
//! | API key | `K#hash` / `-` and `T#t`, or `O` for the operator's, / `K#created#id` | until deleted | [`api_keys`] |
//! | portal link | `K#hash` / `-` and `T#t` / `L#id` | its end + 7 days | [`api_keys`] |
//! | the operator's first key | `O` / `F#hash` | for ever | [`api_keys`] |
//! | what a request under an `Idempotency-Key` was answered, encrypted | `T#t` or `O` / `I#hash` | retention | [`first_answers`] |
//! | the same with the secrets that it made | `T#t` or `O` / `I#hash#s` | a day | [`first_answers`] |
//! | reminder that a key ends | `Q#keys` / `due#key` | until sent | [`reminders`] |
//! | webhook, its secrets encrypted | `W#t#s` / `W#w`; `g` = `W#t`, `gs` = `created#w`; `wh` = `W#health`, `whs` = `created#t#w` | until deleted | [`webhooks`], [`webhook_states`] |
//! | deleted webhook | `T#t` / `X#w#epoch` | retention | [`webhooks`] |
//! | definition of an event type, a tenant's or the deployment's | `T#t` / `Y#type`, `Y` / `dialect#type` | until deleted | [`event_types`] |
//! | revision of the deployment's definitions | `Y` / `-` | for ever | [`event_types`] |
//! | event | `E#t#e` / `-` | retention | [`events`] |
//! | events that one call accepted, in the tenant's list | `V#t#s` / `accepted#call` | retention | [`event_list`] |
//! | body or metadata of an event that its row has no room for | `E#t#e` / `P#hash#dialect` | retention | [`events`] |
//! | match set | `E#t#e` / `S#hash#i` | retention | [`events`] |
//! | webhook that an event was sent to though it did not match it | `E#t#e` / `B#accepted#w` | retention | [`events`] |
//! | delivery | `D#t#w#e` / `accepted`; `g` = `P#t#w` while pending, `F#t#w` when failed, held, missed or `C#t#w` when cancelled, `gs` = `accepted#e` | retention | [`deliveries`] |
//! | attempt | `L#t#w#s` / `due#e#n` | retention | [`attempts`] |
//! | where an attempt that began late is listed | `L#t#w#s` / `start#e#n#late` | retention | [`attempts`] |
//! | number of a recovery | `J#t#w` / `number` | retention | [`recoveries`] |
//! | which job was last begun for the same recovery of everything | `G#t#w` / `recovery#key` | retention | [`recoveries`] |
//! | job | `B#job` / `-`; `g` = `B#open` or, once it has ended, `B`, `gs` = `created#job` | retention | [`jobs`] |
//! | job in the list of its tenant | `T#t` / `J#created#job` | retention | [`jobs`] |
//! | counts of an hour | `H#t#w` / `hour#life` | retention | [`stats`] |
//! | parked wait | `Q#minute#shard` / `due#t#w#e#n` | due + retention | [`parked`] |
//! | pace of a webhook with a limit | `G#t#w` / `pace` | 7 days after its last use | [`pace`] |
//! | turns of what waits for a webhook's pause | `G#t#w` / `turns` | 8 days after the last | [`pace`] |
//! | events counted for a limit | `U#t` / `counter` | an hour after its window | [`usage`] |
//! | lease on a notice to the operator | `G#t#w` / `notice#type#once` | retention | [`notices`] |
//! | entry of the audit log | `A#name`, or `A` for the operator's own, / `time#id`; `g` = `A`, `gs` = `time#id` | a year | [`audit`] |
//! | sweep cursor | `C#shard` / `-` | for ever | [`parked`] |
//! | lap of the watchdog | `C#lap-queue` / `-` | for ever | [`laps`] |
//! | the deployment's own key, encrypted | `S#key` / `-` | for ever | `deployment_key` |
//!
//! What is erased keeps its row: an event's has its id, its type and its webhooks (`er` says when, `ej` by which job), a log entry's
//! what came of the attempt (`er` says when). Of a deleted tenant only its `Z` row, its jobs and its audit log stay.
//!
//! DynamoDB takes items up to 400 KB (of 1,024 bytes). By the bounds in [`limits`](crate::limits) the largest are an event with bodies that do not
//! compress (its bodies and metadata 320 KB, its matches 33 KB at most, the names of dialects and sets), a match set (132 KB), an entry of the audit log
//! (4 KB for each of two dozen values), a webhook (events 26 KB, secrets 16 KB, log ids of a disabling 12 KB, the rest 22 KB), a definition
//! of an event type (schema 32 KB, sample 16 KB, groups 13 KB) and a log entry (headers and body's beginning, 26 KB before they are compressed).
//!
//! A row that is read, changed and written back is updated, never put ([`item::Builder::update`]): what a newer version has stored
//! beside what this one knows stays. What a row is replaced by is put: a success over the failure of the same attempt, the sweep's
//! cursor, a lease, the claim on an `Idempotency-Key`.
//!
//! Items with `exp` (seconds of the wall clock) in the past count as gone, whether TTL has removed them or not: for reads, and for
//! the conditions of writes.

pub mod api_keys;
pub mod attempts;
pub mod audit;
mod batch;
mod codec;
pub mod deliveries;
mod deployment_key;
mod encrypted;
pub mod erasures;
pub mod event_list;
pub mod event_types;
pub mod events;
pub mod first_answers;
mod item;
pub mod jobs;
pub mod laps;
mod listed;
pub mod notices;
pub mod pace;
pub mod parked;
pub mod recoveries;
mod reencryption;
pub mod reminders;
mod retention;
pub mod span;
pub mod stats;
pub mod table;
mod tenant_row;
pub mod tenants;
mod transact;
pub mod usage;
pub mod webhook_states;
pub mod webhooks;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::{BuildError, DisplayErrorContext, SdkError},
    operation::{
        put_item::{PutItemError, builders::PutItemFluentBuilder},
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{
        AttributeValue, DeleteRequest, PutRequest, ReturnValuesOnConditionCheckFailure,
        WriteRequest,
    },
};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use rung_base::{chance, clock::Clock};

use self::{item::Row, span::Order, table::Index};
pub use self::{listed::Listed, reencryption::Reencrypted};
use crate::{
    batcher::Batcher,
    encryption::{KeyId, KeyRing},
    limits::{PARK_SHARDS, READS_AT_ONCE},
};

/// The condition of a write that nothing is there, with the time `:now` by [`Store::now`]: what has expired is not.
const NOTHING_THERE: &str = "attribute_not_exists(pk) OR exp <= :now";

/// An item as DynamoDB has it.
type Item = HashMap<String, AttributeValue>;

/// Why the table could not be read or written. Nothing is known of whether a write took effect.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not answer, or not with success.
    #[error("DynamoDB: {0}")]
    Unavailable(Arc<str>),
    /// An item that Rung cannot have written.
    #[error("the item {key} has no usable attribute {attribute}")]
    Corrupt {
        /// The item's key.
        key: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// An item that is encrypted with a key that this process was not given.
    #[error(
        "the attribute {attribute} of the item {key} is encrypted with the key {id}, which is not among the encryption keys here"
    )]
    UnknownEncryptionKey {
        /// The item's key.
        key: String,
        /// The attribute.
        attribute: &'static str,
        /// The encryption key.
        id: KeyId,
    },
    /// Something is to be encrypted, and this process was given no key.
    #[error("there is no encryption key here")]
    NoEncryptionKey,
}

impl<E, R> From<SdkError<E, R>> for StoreError
where
    SdkError<E, R>: std::error::Error,
{
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(DisplayErrorContext(&error).to_string().into())
    }
}

impl From<BuildError> for StoreError {
    fn from(error: BuildError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// The table.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    retention: Duration,
    retentions: retention::Retentions,
    event_types: Arc<event_types::Known>,
    reads: Batcher<batch::Key, Result<batch::Answer, StoreError>>,
    writes: Batcher<WriteRequest, Result<(), StoreError>>,
    /// Whether a shard of the parked waits is known to have a cursor.
    swept_shards: Arc<[AtomicBool; PARK_SHARDS as usize]>,
    /// The copy of tenants' rows that this process has begun with.
    first_copy: u8,
    /// Calls that accept events, so far: they take turns at the shards of the list. It begins anywhere.
    calls: Arc<AtomicU32>,
}

impl Store {
    /// The table `name`, reached by `client`. What is secret in it is encrypted with `keys`. Events, deliveries and attempts are kept
    /// for `retention`.
    #[must_use]
    pub fn new(
        client: Client,
        name: &str,
        keys: KeyRing,
        clock: Arc<dyn Clock>,
        retention: Duration,
    ) -> Self {
        let table: Arc<str> = name.into();
        let writes = {
            let (client, table) = (client.clone(), Arc::clone(&table));
            Batcher::new(
                batch::WRITES,
                |_| 0,
                move |requests| {
                    Box::pin(batch::write(client.clone(), Arc::clone(&table), requests))
                },
            )
        };
        let reads = {
            let (client, table) = (client.clone(), Arc::clone(&table));
            Batcher::new(
                batch::READS,
                |_| 0,
                move |keys| Box::pin(batch::read(client.clone(), Arc::clone(&table), keys)),
            )
        };
        let [first_copy, calls] = chance::bytes();
        Self {
            client,
            table,
            keys,
            clock,
            retention,
            retentions: Arc::default(),
            event_types: Arc::default(),
            reads,
            writes,
            swept_shards: Arc::default(),
            first_copy,
            calls: Arc::new(AtomicU32::new(calls.into())),
        }
    }

    /// When something written now expires, in seconds of the wall clock.
    fn expiry(&self) -> u64 {
        self.clock.wall_ms() / 1000 + self.retention.as_secs()
    }

    /// The time by which items expire.
    fn now(&self) -> AttributeValue {
        item::number(self.clock.wall_ms() / 1000)
    }

    /// The item's row, unless it has expired.
    fn alive(&self, item: Item) -> Option<Row> {
        let row = Row(item);
        let expired = row
            .maybe_number::<u64>("exp")
            .is_some_and(|expiry| expiry <= self.clock.wall_ms() / 1000);
        (!expired).then_some(row)
    }

    /// Writes an item unless one is there, which is answered then.
    async fn put_new(&self, item: Item) -> Result<Option<Row>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression(NOTHING_THERE)
            .expression_attribute_values(":now", self.now());
        put_if(put).await
    }

    /// One item, by a strong read, together with what others read at the same moment.
    async fn get(
        &self,
        pk: impl Into<String>,
        sk: impl Into<String>,
    ) -> Result<Option<Row>, StoreError> {
        let found = self.read_all(vec![(pk.into(), sk.into())]).await?;
        Ok(found.into_iter().find_map(|item| self.alive(item)))
    }

    /// Those of the named items that exist, in no order, by strong reads. No key may be named twice.
    async fn get_all(&self, keys: Vec<batch::Key>) -> Result<Vec<Row>, StoreError> {
        let found = self.read_all(keys).await?.into_iter();
        Ok(found.filter_map(|item| self.alive(item)).collect())
    }

    /// Reads items in one call with what others read at the same moment. Reads its own unprocessed keys again after a pause.
    async fn read_all(&self, mut keys: Vec<batch::Key>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        let mut pause = batch::Pause::default();
        loop {
            let mut left = Vec::new();
            let answers = self.reads.call_all(keys.clone()).await;
            for (key, answer) in keys.into_iter().zip(answers) {
                match answer.unwrap_or_else(|| Err(batch::died()))? {
                    batch::Answer::Read(item) => items.extend(item),
                    batch::Answer::Unprocessed => left.push(key),
                }
            }
            if left.is_empty() {
                return Ok(items);
            }
            pause.take().await?;
            keys = left;
        }
    }

    /// The same by eventual reads, for half the price, and of each item those attributes alone that `only` names. For what may be a
    /// moment late.
    async fn get_all_soon(
        &self,
        keys: Vec<batch::Key>,
        only: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        let reads = keys.chunks(batch::READS.entries).map(|keys| {
            let keys = keys.iter().collect();
            batch::read_soon(&self.client, &self.table, keys, only)
        });
        // The compiler does not see that a stream that calls a closure is `Send`.
        let reads: Vec<_> = reads.collect();
        let items: Vec<_> = stream::iter(reads)
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let items = items.into_iter().flat_map(HashMap::into_values);
        Ok(items.filter_map(|item| self.alive(item)).collect())
    }

    /// Writes one row whole, whatever stands there, together with what others write at the same moment.
    async fn put_soon(&self, item: Item) -> Result<(), StoreError> {
        self.put_all(vec![item]).await
    }

    /// Writes rows whole, whatever stands there.
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let requests = items.into_iter().map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        });
        self.write_all(requests.collect::<Result<_, BuildError>>()?)
            .await
    }

    /// Deletes rows, whether they are there or not.
    async fn delete_all(&self, keys: Vec<batch::Key>) -> Result<(), StoreError> {
        let requests = keys.iter().map(|(pk, sk)| {
            let key = item::Builder::new(pk, sk).build();
            let delete = DeleteRequest::builder().set_key(Some(key)).build()?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        });
        self.write_all(requests.collect::<Result<_, BuildError>>()?)
            .await
    }

    async fn write_all(&self, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let written = self.writes.call_all(requests).await;
        written
            .into_iter()
            .try_for_each(|written| written.unwrap_or_else(|| Err(batch::died())))
    }

    /// One page of a partition of the table or of an index.
    async fn query(&self, query: Query<'_>) -> Result<RowPage, StoreError> {
        let (pk, sk) = query
            .index
            .map_or(("pk", "sk"), |index| (index.pk, index.sk));
        let mut request = self
            .client
            .query()
            .table_name(&*self.table)
            .expression_attribute_values(":pk", item::text(query.pk));
        request = match query.range {
            Range::All => request.key_condition_expression(format!("{pk} = :pk")),
            Range::Prefix(prefix) => request
                .key_condition_expression(format!("{pk} = :pk AND begins_with({sk}, :from)"))
                .expression_attribute_values(":from", item::text(prefix)),
            Range::Between(from, to) => request
                .key_condition_expression(format!("{pk} = :pk AND {sk} BETWEEN :from AND :to"))
                .expression_attribute_values(":from", item::text(from))
                .expression_attribute_values(":to", item::text(to)),
        };
        request = match query.index {
            Some(index) => request.index_name(index.name),
            None => request.consistent_read(query.soon.is_none()),
        };
        let answer = request
            .set_projection_expression(query.soon.map(str::to_owned))
            .scan_index_forward(!query.newest_first)
            .set_limit(
                query
                    .limit
                    .map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
            )
            .set_exclusive_start_key(query.after)
            .send()
            .await?;
        let rows = answer
            .items
            .into_iter()
            .flatten()
            .filter_map(|item| self.alive(item))
            .collect();
        Ok(RowPage {
            rows,
            after: answer.last_evaluated_key,
        })
    }

    /// All pages of a query.
    async fn query_all(&self, mut query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        loop {
            let page = self.query(query.clone()).await?;
            rows.extend(page.rows);
            match page.after {
                Some(after) => query.after = Some(after),
                None => return Ok(rows),
            }
        }
    }

    /// A page of several partitions as one list: up to `limit` rows, each with its sort key, and the sort key to go on behind, if there
    /// may be more.
    async fn merged_page(
        &self,
        partitions: &[String],
        stretch: Stretch<'_>,
        limit: usize,
    ) -> Result<(Vec<(String, Row)>, Option<String>), StoreError> {
        let Stretch {
            index,
            order,
            from,
            until,
            after,
            each,
        } = stretch;
        let sk = index.map_or("sk", |index| index.sk);
        let newest_first = order == Order::NewestFirst;
        let (from, until) = match after {
            Some(after) if newest_first => (from, until.min(after)),
            Some(after) => (from.max(after), until),
            None => (from, until),
        };
        // DynamoDB refuses a range whose ends are the wrong way round.
        if from > until {
            return Ok((Vec::new(), None));
        }
        // One row more than asked for tells whether others follow. BETWEEN takes both ends in: another makes up for the one that is
        // to be left out.
        let most = each.unwrap_or(limit) + 1 + usize::from(after.is_some());
        let pages = partitions.iter().map(async |pk| {
            self.query(Query {
                range: Range::Between(from, until),
                index,
                newest_first,
                limit: Some(most),
                ..Query::of(pk)
            })
            .await
        });
        let pages = try_join_all(pages).await?;
        // A partition that has more was read to this key only: what others have behind it comes later.
        let ends = pages
            .iter()
            .filter_map(|page| page.after.as_ref()?.get(sk)?.as_s().ok());
        let mut end = ends.min_by(|one, other| order.compare(one, other)).cloned();
        let mut rows = Vec::new();
        for row in pages.into_iter().flat_map(|page| page.rows) {
            let key = row.parsed(sk, |key| Some(key.to_owned()))?;
            let is_behind_end = end
                .as_ref()
                .is_some_and(|end| order.compare(&key, end).is_gt());
            if after != Some(key.as_str()) && !is_behind_end {
                rows.push((key, row));
            }
        }
        rows.sort_by(|(one, _), (other, _)| order.compare(one, other));
        if rows.len() > limit {
            rows.truncate(limit);
            end = rows.last().map(|(key, _)| key.clone());
        }
        Ok((rows, end))
    }
}

/// A stretch of a list that is stored in one partition or in several.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    index: Option<Index>,
    order: Order,
    /// The least of the sort keys.
    from: &'a str,
    /// The greatest of them.
    until: &'a str,
    /// The sort key that the page before ended with.
    after: Option<&'a str>,
    /// How many rows of each partition are read at most; `None` for as many as the page may have, since all of them may be of one.
    each: Option<usize>,
}

impl<'a> Stretch<'a> {
    /// The whole list behind the sort key `after`.
    fn behind(after: Option<&'a str>, index: Option<Index>, order: Order) -> Self {
        Self {
            index,
            order,
            from: "0",
            until: "~",
            after,
            each: None,
        }
    }
}

/// Which rows of a partition.
#[derive(Clone, Copy)]
enum Range<'a> {
    All,
    Prefix(&'a str),
    /// Both ends included.
    Between(&'a str, &'a str),
}

/// Strong reads of a partition in the order of its sort keys, unless it is to be `soon`; eventual ones of an index.
#[derive(Clone)]
struct Query<'a> {
    pk: &'a str,
    range: Range<'a>,
    index: Option<Index>,
    /// Eventual reads, for half the price, of those attributes alone that it names: for what may be a moment late.
    soon: Option<&'static str>,
    newest_first: bool,
    limit: Option<usize>,
    after: Option<Item>,
}

impl<'a> Query<'a> {
    fn of(pk: &'a str) -> Self {
        Self {
            pk,
            range: Range::All,
            index: None,
            soon: None,
            newest_first: false,
            limit: None,
            after: None,
        }
    }
}

/// A page of rows, and where the next one begins.
struct RowPage {
    rows: Vec<Row>,
    after: Option<Item>,
}

/// Writes an item if its condition holds; otherwise answers the one that stands there. Tries again while a transaction holds it.
async fn put_if(put: PutItemFluentBuilder) -> Result<Option<Row>, StoreError> {
    let put =
        put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut turns = transact::Turns::default();
    loop {
        match put.clone().send().await {
            Ok(_) => return Ok(None),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                PutItemError::ConditionalCheckFailedException(failure) => {
                    return Ok(Some(Row(failure.item.unwrap_or_default())));
                }
                PutItemError::TransactionConflictException(_) => turns.next().await?,
                error => {
                    return Err(StoreError::Unavailable(
                        DisplayErrorContext(&error).to_string().into(),
                    ));
                }
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Updates an item if its condition holds, and answers the attributes that the update asks for; otherwise the item that stands there,
/// if there is one. Tries again while a transaction holds it.
async fn update_if(
    update: UpdateItemFluentBuilder,
) -> Result<Result<Item, Option<Item>>, StoreError> {
    let update = update
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut turns = transact::Turns::default();
    loop {
        match update.clone().send().await {
            Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failure) => {
                    return Ok(Err(failure.item));
                }
                UpdateItemError::TransactionConflictException(_) => turns.next().await?,
                error => {
                    return Err(StoreError::Unavailable(
                        DisplayErrorContext(&error).to_string().into(),
                    ));
                }
            },
            Err(error) => return Err(error.into()),
        }
    }
}

//! The DynamoDB table: one struct over the SDK's client, with a method for each thing that Rung means to do.
//!
//! One table (`pk`, `sk`) and one sparse index, `lists` (`g`, `gs`; keys only). Ids hold no `#`, times are 13-digit milliseconds,
//! `s` is a shard of the event's id.
//!
//! | item | pk / sk | life | file |
//! | --- | --- | --- | --- |
//! | tenant | `T#t` / `A`; `g` = `T`, `gs` = `created#t` | until deleted | [`tenants`] |
//! | API key | `K#hash` / `-` and `T#t` / `K#created#id` | until deleted | [`api_keys`] |
//! | webhook | `T#t` / `W#w`; `g` = `W#t`, `gs` = `created#w` | until deleted | [`webhooks`] |
//! | event | `E#t#e` / `-` | retention | [`events`] |
//! | match set | `E#t#e` / `S#hash#i` | retention | [`events`] |
//! | delivery | `D#t#w#e` / `accepted`; `g` = `P#t#w` while pending or `F#t#w` when failed, held, missed, `gs` = `accepted#e` | retention | [`deliveries`] |
//! | attempt | `L#t#w#s` / `due#e#n` | retention | [`attempts`] |
//! | parked wait | `Q#minute#shard` / `due#t#w#e#n` | due + retention | [`parked`] |
//! | sweep cursor | `C#shard` / `-` | for ever | [`parked`] |
//!
//! Items with `exp` (seconds of the wall clock) in the past count as gone, whether TTL has removed them or not.

pub mod api_keys;
pub mod attempts;
mod codec;
pub mod deliveries;
pub mod events;
mod item;
mod listed;
pub mod parked;
pub mod table;
pub mod tenants;
mod transact;
pub mod webhooks;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::{BuildError, DisplayErrorContext, SdkError},
    operation::put_item::builders::PutItemFluentBuilder,
    types::{AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest},
};
use futures_util::future::try_join_all;

use self::item::Row;
pub use self::listed::Listed;
use crate::{
    batcher::{self, Batcher},
    clock::Clock,
    limits::PARK_SHARDS,
};

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
    clock: Arc<dyn Clock>,
    retention: Duration,
    writes: Batcher<WriteRequest, StoreError>,
    /// Whether a shard of the parked waits is known to have a cursor.
    swept_shards: Arc<[AtomicBool; PARK_SHARDS as usize]>,
}

impl Store {
    /// The table `name`, reached by `client`. Events, deliveries and attempts are kept for `retention`.
    #[must_use]
    pub fn new(client: Client, name: &str, clock: Arc<dyn Clock>, retention: Duration) -> Self {
        let table: Arc<str> = name.into();
        let writes = {
            let (client, table) = (client.clone(), Arc::clone(&table));
            let limits = batcher::Limits {
                entries: 25,
                bytes: usize::MAX,
            };
            Batcher::new(
                limits,
                |_| 0,
                move |requests| Box::pin(write_batch(client.clone(), Arc::clone(&table), requests)),
            )
        };
        Self {
            client,
            table,
            clock,
            retention,
            writes,
            swept_shards: Arc::default(),
        }
    }

    /// When something written now expires, in seconds of the wall clock.
    fn expiry(&self) -> u64 {
        self.clock.wall_ms() / 1000 + self.retention.as_secs()
    }

    /// The item's row, unless it has expired.
    fn alive(&self, item: Item) -> Option<Row> {
        let row = Row(item);
        let expired = row
            .maybe_number::<u64>("exp")
            .is_some_and(|expiry| expiry <= self.clock.wall_ms() / 1000);
        (!expired).then_some(row)
    }

    /// One item, by a strong read.
    async fn get(
        &self,
        pk: impl Into<String>,
        sk: impl Into<String>,
    ) -> Result<Option<Row>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&*self.table)
            .consistent_read(true);
        let answer = request
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .send()
            .await?;
        Ok(answer.item.and_then(|item| self.alive(item)))
    }

    /// Those of the named items that exist, in no order, by strong reads. No key may be named twice.
    async fn get_all(&self, keys: Vec<(String, String)>) -> Result<Vec<Row>, StoreError> {
        let pages = keys.chunks(100).map(async |keys| {
            let mut rows = Vec::with_capacity(keys.len());
            let mut wanted: Vec<Item> = keys
                .iter()
                .map(|(pk, sk)| item::Builder::new(pk, sk).build())
                .collect();
            let mut pause = Pause::default();
            loop {
                let wanted_now = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(true)
                    .build()?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&*self.table, wanted_now)
                    .send()
                    .await?;
                let found = answer
                    .responses
                    .into_iter()
                    .flat_map(HashMap::into_values)
                    .flatten();
                rows.extend(found.filter_map(|item| self.alive(item)));
                wanted = answer
                    .unprocessed_keys
                    .into_iter()
                    .flat_map(HashMap::into_values)
                    .flat_map(|keys| keys.keys)
                    .collect();
                if wanted.is_empty() {
                    return Ok::<_, StoreError>(rows);
                }
                pause.take().await?;
            }
        });
        Ok(try_join_all(pages).await?.into_iter().flatten().collect())
    }

    /// Writes one row whole, whatever stands there, together with what others write at the same moment.
    async fn put_soon(&self, item: Item) -> Result<(), StoreError> {
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        let written = self
            .writes
            .write(WriteRequest::builder().put_request(put).build())
            .await;
        written.unwrap_or_else(|| Err(StoreError::Unavailable("the writing task died".into())))
    }

    /// Writes rows whole, whatever stands there.
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        try_join_all(items.into_iter().map(|item| self.put_soon(item)))
            .await
            .map(drop)
    }

    /// Deletes rows, whether they are there or not. No key may be named twice.
    async fn delete_all(&self, keys: Vec<(String, String)>) -> Result<(), StoreError> {
        for keys in keys.chunks(25) {
            let requests = keys.iter().map(|(pk, sk)| {
                let key = item::Builder::new(pk, sk).build();
                let delete = DeleteRequest::builder().set_key(Some(key)).build()?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            });
            let requests = requests.collect::<Result<_, StoreError>>()?;
            if !write_distinct(&self.client, &self.table, requests)
                .await?
                .is_empty()
            {
                return Err(StoreError::Unavailable("items stayed undeleted".into()));
            }
        }
        Ok(())
    }

    /// One page of a partition or, with `index`, of the index.
    async fn query(&self, query: Query<'_>) -> Result<Page, StoreError> {
        let (pk, sk) = if query.index {
            ("g", "gs")
        } else {
            ("pk", "sk")
        };
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
        if query.index {
            request = request.index_name(table::INDEX);
        } else {
            request = request.consistent_read(true);
        }
        let answer = request
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
        Ok(Page {
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

    /// The newest rows of several partitions as one list: up to `limit` whose sort keys are at least `from` and below
    /// `before`, and the sort key to go on before, if there may be more.
    async fn merged_page(
        &self,
        partitions: &[String],
        index: bool,
        from: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Row>, Option<String>), StoreError> {
        let sk = if index { "gs" } else { "sk" };
        // DynamoDB refuses a range whose ends are the wrong way round.
        if before.is_some_and(|before| before <= from) {
            return Ok((Vec::new(), None));
        }
        // BETWEEN takes both ends in; one more row makes up for the end that is to be left out.
        let range = Range::Between(from, before.unwrap_or("~"));
        let pages = partitions.iter().map(async |pk| {
            self.query(Query {
                range,
                index,
                newest_first: true,
                limit: Some(limit + 1),
                ..Query::of(pk)
            })
            .await
        });
        let pages = try_join_all(pages).await?;
        // A partition that has more was read down to this key only: what others have below it comes later.
        let ends = pages
            .iter()
            .filter_map(|page| page.after.as_ref()?.get(sk)?.as_s().ok());
        let mut end = ends.max().cloned();
        let mut rows = Vec::new();
        for row in pages.into_iter().flat_map(|page| page.rows) {
            let key = row.parsed(sk, |key| Some(key.to_owned()))?;
            if before != Some(key.as_str()) && end.as_ref().is_none_or(|end| key >= *end) {
                rows.push((key, row));
            }
        }
        rows.sort_by(|(a, _), (b, _)| b.cmp(a));
        if rows.len() > limit {
            rows.truncate(limit);
            end = rows.last().map(|(key, _)| key.clone());
        }
        Ok((rows.into_iter().map(|(_, row)| row).collect(), end))
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

/// Strong reads of a partition in the order of its sort keys, or eventual ones of the index.
#[derive(Clone)]
struct Query<'a> {
    pk: &'a str,
    range: Range<'a>,
    index: bool,
    newest_first: bool,
    limit: Option<usize>,
    after: Option<Item>,
}

impl<'a> Query<'a> {
    fn of(pk: &'a str) -> Self {
        Self {
            pk,
            range: Range::All,
            index: false,
            newest_first: false,
            limit: None,
            after: None,
        }
    }
}

/// A page of rows, and where the next one begins.
struct Page {
    rows: Vec<Row>,
    after: Option<Item>,
}

/// The pauses between tries for what DynamoDB left unprocessed: 25 ms, doubling, given up after about 3 s.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    async fn take(&mut self) -> Result<(), StoreError> {
        if self.0 == 7 {
            return Err(StoreError::Unavailable("items stayed unprocessed".into()));
        }
        tokio::time::sleep(Duration::from_millis(25 << self.0)).await;
        self.0 += 1;
        Ok(())
    }
}

/// Puts a row if its condition holds; whether it did.
async fn put_if(put: PutItemFluentBuilder) -> Result<bool, StoreError> {
    match put.send().await {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error))
            if error.err().is_conditional_check_failed_exception() =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The key of a put, by which an unprocessed one is recognised.
fn put_key(request: &WriteRequest) -> Option<(String, String)> {
    let item = request.put_request()?.item();
    let part = |name| {
        item.get(name)
            .and_then(|value: &AttributeValue| value.as_s().ok())
            .cloned()
    };
    Some((part("pk")?, part("sk")?))
}

/// Puts up to 25 rows. BatchWriteItem refuses a key that stands twice in a call, so the later ones go in calls after it.
async fn write_batch(
    client: Client,
    table: Arc<str>,
    requests: Vec<WriteRequest>,
) -> Vec<Result<(), StoreError>> {
    let keys: Vec<_> = requests.iter().map(put_key).collect();
    let mut results = vec![Ok(()); requests.len()];
    let mut rest: Vec<_> = (0..requests.len()).collect();
    while !rest.is_empty() {
        let mut taken = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|&index| taken.insert(&keys[index]));
        let call = now.iter().map(|&index| requests[index].clone()).collect();
        match write_distinct(&client, &table, call).await {
            Ok(unprocessed) => {
                let unprocessed: HashSet<_> = unprocessed.iter().map(put_key).collect();
                for index in now
                    .into_iter()
                    .filter(|&index| unprocessed.contains(&keys[index]))
                {
                    results[index] = Err(StoreError::Unavailable(
                        "the item stayed unprocessed".into(),
                    ));
                }
            }
            Err(error) => now
                .into_iter()
                .for_each(|index| results[index] = Err(error.clone())),
        }
        rest = later;
    }
    results
}

/// Puts rows of distinct keys, again and again while some stay unprocessed; answers what is left of them at last.
async fn write_distinct(
    client: &Client,
    table: &str,
    mut requests: Vec<WriteRequest>,
) -> Result<Vec<WriteRequest>, StoreError> {
    let mut pause = Pause::default();
    loop {
        let answer = client
            .batch_write_item()
            .request_items(table, requests)
            .send()
            .await?;
        requests = answer
            .unprocessed_items
            .into_iter()
            .flat_map(HashMap::into_values)
            .flatten()
            .collect();
        if requests.is_empty() || pause.take().await.is_err() {
            return Ok(requests);
        }
    }
}

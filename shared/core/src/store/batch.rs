//! Reads and writes of many items in one call.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, WriteRequest},
};

use super::{Item, StoreError, item::Builder};
use crate::batcher::Limits;

/// A partition key and a sort key.
pub(super) type Key = (String, String);

/// Keys of one BatchGetItem.
pub(super) const READS: Limits = Limits {
    entries: 100,
    bytes: usize::MAX,
};
/// Requests of one BatchWriteItem.
pub(super) const WRITES: Limits = Limits {
    entries: 25,
    bytes: usize::MAX,
};

/// What is said when a batch's task died.
pub(super) fn died() -> StoreError {
    StoreError::Unavailable("the task of a batch died".into())
}

/// The result of a batch read for one key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The item, if there is one.
    Read(Option<Item>),
    /// DynamoDB left the key out, as its partition or the table is throttled.
    Unprocessed,
}

/// Reads up to 100 items strongly in one call; returns an answer for each key, in order. A key may stand several times.
///
/// The caller reads unprocessed keys again, so that nobody else in the same call waits for them.
pub(super) async fn read(
    client: Client,
    table: Arc<str>,
    keys: Vec<Key>,
) -> Vec<Result<Answer, StoreError>> {
    let distinct: HashSet<_> = keys.iter().collect();
    let read = match read_distinct(&client, &table, distinct).await {
        Ok(read) => read,
        Err(error) => return vec![Err(error); keys.len()],
    };
    let left: HashSet<_> = read.left.iter().filter_map(key_of).collect();
    let answers = keys.iter().map(|key| {
        Ok(if left.contains(key) {
            Answer::Unprocessed
        } else {
            Answer::Read(read.items.get(key).cloned())
        })
    });
    answers.collect()
}

async fn read_distinct(
    client: &Client,
    table: &str,
    keys: HashSet<&Key>,
) -> Result<Found, StoreError> {
    let mut wanted = wanted(keys);
    let [key] = wanted.as_mut_slice() else {
        return read_once(client, table, wanted, true, None).await;
    };
    let answer = client
        .get_item()
        .table_name(table)
        .set_key(Some(std::mem::take(key)))
        .consistent_read(true)
        .send()
        .await?;
    let item = answer.item.into_iter();
    Ok(Found {
        items: item
            .filter_map(|item| Some((key_of(&item)?, item)))
            .collect(),
        left: Vec::new(),
    })
}

/// Reads items eventually, of each those attributes alone that `only` names.
pub(super) async fn read_soon(
    client: &Client,
    table: &str,
    keys: HashSet<&Key>,
    only: &str,
) -> Result<HashMap<Key, Item>, StoreError> {
    let mut wanted = wanted(keys);
    let mut items = HashMap::new();
    let mut pause = Pause::default();
    while !wanted.is_empty() {
        let found = read_once(client, table, wanted, false, Some(only)).await?;
        items.extend(found.items);
        wanted = found.left;
        if !wanted.is_empty() {
            pause.take().await?;
        }
    }
    Ok(items)
}

fn wanted(keys: HashSet<&Key>) -> Vec<Item> {
    let keys = keys.into_iter();
    keys.map(|(pk, sk)| Builder::new(pk, sk).build()).collect()
}

/// What one call has read.
struct Found {
    items: HashMap<Key, Item>,
    /// The keys that stayed unprocessed.
    left: Vec<Item>,
}

async fn read_once(
    client: &Client,
    table: &str,
    wanted: Vec<Item>,
    consistent: bool,
    only: Option<&str>,
) -> Result<Found, StoreError> {
    let keys = KeysAndAttributes::builder()
        .set_keys(Some(wanted))
        .consistent_read(consistent)
        .set_projection_expression(only.map(str::to_owned))
        .build()?;
    let answer = client
        .batch_get_item()
        .request_items(table, keys)
        .send()
        .await?;
    let found = answer.responses.into_iter();
    let found = found.flat_map(HashMap::into_values).flatten();
    let left = answer.unprocessed_keys.into_iter();
    let left = left.flat_map(HashMap::into_values);
    Ok(Found {
        items: found
            .filter_map(|item| Some((key_of(&item)?, item)))
            .collect(),
        left: left.flat_map(|left| left.keys).collect(),
    })
}

fn key_of(item: &Item) -> Option<Key> {
    let part = |name| {
        item.get(name)
            .and_then(|value: &AttributeValue| value.as_s().ok())
            .cloned()
    };
    Some((part("pk")?, part("sk")?))
}

/// The pauses between tries for what DynamoDB left unprocessed: 25 ms, doubling, given up after about 3 s.
#[derive(Default)]
pub(super) struct Pause(u32);

impl Pause {
    pub(super) async fn take(&mut self) -> Result<(), StoreError> {
        if self.0 == 7 {
            return Err(StoreError::Unavailable("items stayed unprocessed".into()));
        }
        tokio::time::sleep(Duration::from_millis(25 << self.0)).await;
        self.0 += 1;
        Ok(())
    }
}

/// The key that a request writes, by which an unprocessed one is recognised.
fn written_key(request: &WriteRequest) -> Option<Key> {
    match (request.put_request(), request.delete_request()) {
        (Some(put), _) => key_of(put.item()),
        (None, Some(delete)) => key_of(delete.key()),
        (None, None) => None,
    }
}

/// Writes up to 25 rows. BatchWriteItem refuses a key that stands twice in a call, so the later ones go in calls after it.
pub(super) async fn write(
    client: Client,
    table: Arc<str>,
    requests: Vec<WriteRequest>,
) -> Vec<Result<(), StoreError>> {
    let keys: Vec<_> = requests.iter().map(written_key).collect();
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
                let unprocessed: HashSet<_> = unprocessed.iter().map(written_key).collect();
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

/// Writes rows of distinct keys, again and again while some stay unprocessed; answers what is left of them at last.
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

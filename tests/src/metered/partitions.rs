//! The throughput of single partitions, as on-demand DynamoDB bounds it.
//!
//! A partition takes so many write and read units a second; here each partition key has one of its own, in the table and in each
//! index. That is DynamoDB's worst case: it puts keys with little use together, and splits the items of one that is hot for long.

use std::collections::HashMap;

use serde_json::Value;

/// Write units a second that a partition takes.
const WRITE_UNITS: f64 = 1_000.0;
/// Read units a second.
const READ_UNITS: f64 = 3_000.0;

/// What was used of each partition key.
#[derive(Debug)]
pub struct Partitions {
    scale: f64,
    used: HashMap<(String, Kind), Used>,
    refused: Vec<Refused>,
}

/// Requests of one key that were refused for its rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The partition key, that of an index with the index's name in front.
    pub key: String,
    /// Whether they were writes.
    pub is_write: bool,
    /// How many.
    pub times: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Read,
    Write,
}

#[derive(Debug, Default)]
struct Used {
    second: u64,
    units: f64,
}

/// What one call asks of partitions.
pub(super) struct Asked {
    kind: Kind,
    keys: Vec<String>,
}

impl Partitions {
    /// Partitions of which each takes `scale` times what DynamoDB's take.
    #[must_use]
    pub fn scaled(scale: f64) -> Self {
        Self {
            scale,
            used: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// The keys that were refused, in the order in which each was first.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Whether a key has units left in this second; a refusal is noted.
    fn admits(&mut self, kind: Kind, key: &str, second: u64) -> bool {
        let most = self.scale
            * match kind {
                Kind::Read => READ_UNITS,
                Kind::Write => WRITE_UNITS,
            };
        let used = self.used.get(&(key.to_owned(), kind));
        if used.is_none_or(|used| used.second != second || used.units < most) {
            return true;
        }
        let is_write = kind == Kind::Write;
        let known = self.refused.iter_mut();
        match known
            .into_iter()
            .find(|one| one.key == key && one.is_write == is_write)
        {
            Some(refused) => refused.times += 1,
            None => self.refused.push(Refused {
                key: key.to_owned(),
                is_write,
                times: 1,
            }),
        }
        false
    }

    /// Takes out of a request what its keys have no units left for. `None` when nothing of it is left, or it is all or nothing.
    /// Answers what was taken out of a batch, as `UnprocessedItems` and `UnprocessedKeys` name it.
    pub(super) fn admit(
        &mut self,
        operation: &str,
        request: &mut Value,
        second: u64,
    ) -> Option<Vec<Value>> {
        let asked = Asked::by(operation, request);
        if !matches!(operation, "BatchGetItem" | "BatchWriteItem") {
            let mut keys = asked.keys.iter();
            return keys
                .all(|key| self.admits(asked.kind, key, second))
                .then(Vec::new);
        }
        let items = batch(operation, request)?;
        let all = std::mem::take(items);
        let (admitted, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|item| {
            let key = key_of(item);
            self.admits(asked.kind, key, second)
        });
        *items = admitted;
        (!items.is_empty()).then_some(left)
    }

    /// Notes what an admitted request has used, shared out evenly to its keys.
    pub(super) fn use_up(&mut self, operation: &str, request: &Value, units: f64, second: u64) {
        let asked = Asked::by(operation, request);
        let share = units / asked.keys.len().max(1) as f64;
        for key in asked.keys {
            let used = self.used.entry((key, asked.kind)).or_default();
            if used.second != second {
                *used = Used { second, units: 0.0 };
            }
            used.units += share;
        }
    }
}

impl Asked {
    fn by(operation: &str, request: &Value) -> Self {
        let kind = match operation {
            "GetItem" | "BatchGetItem" | "Query" => Kind::Read,
            _ => Kind::Write,
        };
        let keys = match operation {
            "Query" => {
                let key = text(&request["ExpressionAttributeValues"][":pk"]);
                match request["IndexName"].as_str() {
                    Some(index) => vec![format!("{index}: {key}")],
                    None => vec![key.to_owned()],
                }
            }
            "BatchGetItem" | "BatchWriteItem" => {
                let tables = request["RequestItems"].as_object();
                let items = tables.into_iter().flat_map(|tables| tables.values());
                let items = items.flat_map(|table| table["Keys"].as_array().or(table.as_array()));
                items.flatten().flat_map(keys_of).collect()
            }
            "TransactWriteItems" => {
                let parts = request["TransactItems"].as_array().into_iter().flatten();
                let parts = parts.flat_map(|part| part.as_object()).flatten();
                parts.flat_map(|(_, part)| keys_of(part)).collect()
            }
            _ => keys_of(request),
        };
        Self { kind, keys }
    }
}

/// The items of a batch.
fn batch<'a>(operation: &str, request: &'a mut Value) -> Option<&'a mut Vec<Value>> {
    let table = request["RequestItems"]
        .as_object_mut()?
        .values_mut()
        .next()?;
    if operation == "BatchGetItem" {
        table["Keys"].as_array_mut()
    } else {
        table.as_array_mut()
    }
}

/// An attribute map of a request, whichever part it stands in.
fn attributes(item: &Value) -> &Value {
    let put = &item["PutRequest"]["Item"];
    let delete = &item["DeleteRequest"]["Key"];
    let places = [put, delete, &item["Item"], &item["Key"]].into_iter();
    places
        .into_iter()
        .find(|place| place.is_object())
        .unwrap_or(item)
}

fn key_of(item: &Value) -> &str {
    text(&attributes(item)["pk"])
}

/// The partition key of an item, and those under which it stands in indexes.
fn keys_of(item: &Value) -> Vec<String> {
    let item = attributes(item);
    let indexes = [("lists", "g"), ("webhooks", "wh")].into_iter();
    let indexed = indexes.filter_map(|(index, key)| {
        let key = item[key]["S"].as_str()?;
        Some(format!("{index}: {key}"))
    });
    let own = [text(&item["pk"]).to_owned()];
    own.into_iter().chain(indexed).collect()
}

fn text(attribute: &Value) -> &str {
    attribute["S"].as_str().unwrap_or_default()
}

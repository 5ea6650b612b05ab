//! The index as it is in life: an entry comes into it a moment after its row was written, each by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rung_base::clock::Clock;
use rung_core::limits::INDEX_LAG_MS;
use rung_local_aws::Response;
use serde_json::Value;

use crate::{chance::Chance, plan::Kind, watch::contains};

/// A row's name: partition key and sort key.
type Key = (String, String);

/// What the index has of deliveries. Clones are the same.
#[derive(Clone)]
pub(crate) struct Index {
    entries: Arc<Mutex<HashMap<Key, Entry>>>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    /// The share of entries that are late.
    late: f64,
}

/// A delivery's entry in a list.
struct Entry {
    list: Option<String>,
    /// From when on a query finds it, in milliseconds.
    from_ms: u64,
}

impl Index {
    /// It draws by itself: a run is the same whether its index lags or not, as far as nobody meets that.
    pub(crate) fn of(seed: u64, kind: Kind, clock: Arc<dyn Clock>) -> Self {
        let chance = Chance::of(!seed);
        let late = match kind {
            Kind::Faultless | Kind::Frozen | Kind::SetBack | Kind::Aging => 0.0,
            Kind::Any | Kind::Stalled | Kind::Cancelling => *chance.pick(&[0.0, 0.3, 1.0]),
            Kind::Meddled | Kind::Recovering | Kind::Lagging => 1.0,
        };
        Self {
            entries: Arc::default(),
            clock,
            chance,
            late,
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a write that has taken effect; returns whether the index does not show it yet.
    pub(crate) fn written(&self, operation: &str, body: &[u8], calm: bool) -> bool {
        let is_write = matches!(operation, "PutItem" | "UpdateItem");
        if self.late == 0.0 || !is_write || !contains(body, "\"D#") {
            return false;
        }
        let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let (row, list) = match operation {
            "PutItem" => (&request["Item"], &request["Item"]["g"]),
            _ => {
                let update = request["UpdateExpression"].as_str().unwrap_or_default();
                if !update.contains("g = :g") && !update.contains("REMOVE g") {
                    return false;
                }
                let values = &request["ExpressionAttributeValues"];
                (&request["Key"], &values[":g"])
            }
        };
        let Some(key) = key(row) else {
            return false;
        };
        let list = list["S"].as_str().map(str::to_owned);
        let mut entries = self.entries();
        if entries.get(&key).is_some_and(|entry| entry.list == list) {
            return false;
        }
        let late = !calm && self.chance.happens(self.late);
        let lag_ms = if late {
            self.chance.between(0, INDEX_LAG_MS)
        } else {
            0
        };
        let from_ms = self.clock.now_ms() + lag_ms;
        entries.insert(key, Entry { list, from_ms });
        lag_ms > 0
    }

    /// What a query of the index finds, of all that has been written.
    pub(crate) fn found(&self, operation: &str, body: &[u8], response: Response) -> Response {
        if self.late == 0.0 || operation != "Query" || !contains(body, "\"IndexName\"") {
            return response;
        }
        let mut answer: Value =
            serde_json::from_slice(&response.body).expect("services answer JSON");
        let (entries, now_ms) = (self.entries(), self.clock.now_ms());
        if let Some(items) = answer["Items"].as_array_mut() {
            let comes_later = |key| {
                let entry = entries.get(&key);
                entry.is_some_and(|entry| entry.from_ms > now_ms)
            };
            items.retain(|item| !key(item).is_some_and(comes_later));
            answer["Count"] = items.len().into();
        }
        Response {
            body: answer.to_string().into_bytes(),
            ..response
        }
    }
}

fn key(row: &Value) -> Option<Key> {
    let part = |name: &str| row[name]["S"].as_str().map(str::to_owned);
    Some((part("pk").filter(|pk| pk.starts_with("D#"))?, part("sk")?))
}

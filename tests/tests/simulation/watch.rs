//! What must be true of each call as it takes effect.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rung_shared::domain::{
    attempt::AttemptKey,
    id::{DeliveryKey, EventId, TenantId, WebhookId},
    message::{Due, Message},
};
use serde_json::Value;

use crate::ledger::Ledger;

/// Watches the wire. Clones watch together.
#[derive(Clone)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Default)]
struct Seen {
    /// The attempts whose messages a queue has taken, or that are parked.
    durable: HashSet<AttemptKey>,
    /// The partitions that waits were parked in.
    parked: HashSet<String>,
}

impl Watch {
    pub(crate) fn new(ledger: Arc<Mutex<Ledger>>) -> Self {
        Self {
            seen: Arc::default(),
            ledger,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a query is one of parked waits where none was ever parked. There are very many of them.
    pub(crate) fn finds_nothing(&self, operation: &str, body: &[u8]) -> bool {
        if operation != "Query" {
            return false;
        }
        let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let pk = text(&request["ExpressionAttributeValues"][":pk"]);
        pk.starts_with("Q#") && !self.seen().parked.contains(pk)
    }

    /// Judges a call that is about to take effect.
    pub(crate) fn before(&self, operation: &str, body: &[u8]) {
        let position = match operation {
            "PutItem" => {
                let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
                let item = &request["Item"];
                (text(&item["st"]) == "pending").then(|| position(item, &item["n"], &item["d"]))
            }
            "UpdateItem" => {
                let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
                let values = &request["ExpressionAttributeValues"];
                let update = request["UpdateExpression"].as_str().unwrap_or_default();
                update
                    .starts_with("SET st = :pending")
                    .then(|| position(&request["Key"], &values[":n"], &values[":due"]))
            }
            _ => None,
        };
        let Some(position) = position.flatten() else {
            return;
        };
        if !self.seen().durable.contains(&position) {
            let text = format!("a row is to stand at {position:?}, whose message is nowhere");
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.violation(text);
        }
    }

    /// Takes note of a call that has taken effect; answers the latest minute that it parked a wait in.
    pub(crate) fn after(&self, operation: &str, body: &[u8]) -> Option<u64> {
        match operation {
            "SendMessageBatch" => {
                let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
                let entries = request["Entries"].as_array().into_iter().flatten();
                for entry in entries {
                    let body = entry["MessageBody"].as_str().unwrap_or_default();
                    if let Ok(Message::Attempt(due)) = Message::parse(body) {
                        self.seen().durable.insert(due.key());
                    }
                }
                None
            }
            "BatchWriteItem" => {
                let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
                let tables = request["RequestItems"].as_object().into_iter().flatten();
                let writes = tables.flat_map(|(_, writes)| writes.as_array().into_iter().flatten());
                let items = writes.map(|write| &write["PutRequest"]["Item"]);
                let parked = items.filter_map(|item| {
                    let minute = text(&item["pk"]).strip_prefix("Q#")?.split('#').next()?;
                    let due: Due = serde_json::from_str(text(&item["m"])).ok()?;
                    let mut seen = self.seen();
                    seen.durable.insert(due.key());
                    seen.parked.insert(text(&item["pk"]).to_owned());
                    minute.parse().ok()
                });
                parked.max()
            }
            _ => None,
        }
    }
}

/// The position that a delivery's row is to stand at.
fn position(key: &Value, n: &Value, due_ms: &Value) -> Option<AttemptKey> {
    let mut names = text(&key["pk"]).strip_prefix("D#")?.split('#');
    Some(AttemptKey {
        delivery: DeliveryKey {
            tenant: TenantId::parse(names.next()?).ok()?,
            webhook: WebhookId::parse(names.next()?).ok()?,
            event: EventId::parse(names.next()?).ok()?,
            accepted_ms: text(&key["sk"]).parse().ok()?,
        },
        due_ms: due_ms["N"].as_str()?.parse().ok()?,
        n: n["N"].as_str()?.parse().ok()?,
    })
}

fn text(attribute: &Value) -> &str {
    attribute["S"].as_str().unwrap_or_default()
}

//! What must be true of each call as it takes effect.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rung_base::clock::Clock;
use rung_core::domain::{
    attempt::{AttemptKey, Trigger},
    id::{DeliveryKey, EventId, TenantId, WebhookId},
    message::{AttemptMessage, Message},
};
use rung_local_aws::Response;
use serde_json::Value;

use crate::{
    ledger::Ledger,
    world::{number_of, pace_of},
};

/// Watches the wire. Clones watch together.
#[derive(Clone)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    ledger: Arc<Mutex<Ledger>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Seen {
    /// The attempts whose messages a queue has taken, or that are parked, and what led to each.
    durable: HashMap<AttemptKey, Trigger>,
    /// The deliveries that are cancelled.
    cancelled: HashSet<DeliveryKey>,
    /// The partitions that waits were parked in.
    parked: HashSet<String>,
    /// The ids of the messages that queues have taken, with the time in milliseconds, where the plan wants to know.
    taken: Vec<(u64, String)>,
    /// Their shards and minutes.
    minutes: BTreeSet<(u8, u64)>,
    /// The attempts that were given a place in a second of a webhook's pace.
    places: HashMap<(WebhookId, u64, u64), HashSet<AttemptKey>>,
}

impl Watch {
    pub(crate) fn new(ledger: Arc<Mutex<Ledger>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            seen: Arc::default(),
            ledger,
            clock,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets which deliveries were cancelled: their rows have come to rest, and may expire.
    pub(crate) fn forget_cancelled(&self) {
        self.seen().cancelled.clear();
    }

    /// Judges a row that has just been written: a chain that was cancelled goes on when somebody sends it again, not by itself.
    fn row_written(&self, operation: &str, body: &[u8]) {
        if let Some(delivery) = cancelled(operation, body) {
            self.seen().cancelled.insert(delivery);
        }
        let Some(position) = pending_at(operation, body) else {
            return;
        };
        let mut seen = self.seen();
        let trigger = seen.durable.get(&position).copied();
        if seen.cancelled.remove(&position.delivery)
            && !matches!(trigger, Some(Trigger::Manual | Trigger::Recover))
        {
            let text = format!("it was cancelled, and goes on at {position:?}");
            self.ledger().violation(text);
        }
    }

    /// Takes note of an attempt's message in a queue.
    fn sent(&self, message: &AttemptMessage) {
        self.seen()
            .durable
            .insert(message.attempt_key(), message.position.trigger);
        if message.position.n == 1 && !message.repeated {
            self.ledger().copied(message.attempt_key());
        }
        if let Some(job) = message.position.job {
            self.ledger().recoveries.sent(message.attempt_key(), job);
        }
        if let Some(place_ms) = message.place_ms {
            let mut seen = self.seen();
            let second = (
                message.delivery.webhook.clone(),
                message.pace_epoch,
                place_ms,
            );
            let second = seen.places.entry(second);
            let second = second.or_default();
            second.insert(message.attempt_key());
            let most = pace_of(number_of(message.delivery.webhook.as_str())) as usize;
            if second.len() > most {
                let text = format!("{second:?} are given places in one second");
                self.ledger().violation(text);
            }
        }
    }

    /// Whether a query is one of parked waits where none was ever parked. There are very many of them.
    pub(crate) fn finds_nothing(&self, operation: &str, body: &[u8]) -> bool {
        if operation != "Query" || !contains(body, "\"Q#") {
            return false;
        }
        let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let pk = text(&request["ExpressionAttributeValues"][":pk"]);
        pk.starts_with("Q#") && !self.seen().parked.contains(pk)
    }

    /// Takes note of the messages that a queue has taken.
    pub(crate) fn taken(&self, response: &Response) {
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let entries = answer["Successful"].as_array().into_iter().flatten();
        let ids = entries.filter_map(|entry| entry["MessageId"].as_str());
        let now_ms = self.clock.now_ms();
        let taken = ids.map(|id| (now_ms, id.to_owned()));
        self.seen().taken.extend(taken);
    }

    /// The messages that queues have taken from this time on, in milliseconds.
    pub(crate) fn taken_since(&self, since_ms: u64) -> HashSet<String> {
        let seen = self.seen();
        let taken = seen.taken.iter();
        let taken = taken.filter(|(at_ms, _)| *at_ms >= since_ms);
        taken.map(|(_, id)| id.clone()).collect()
    }

    /// Whether a wait was ever parked in one of these minutes of a shard.
    pub(crate) fn is_parked(&self, shard: u8, minutes: RangeInclusive<u64>) -> bool {
        let (first, last) = minutes.into_inner();
        let seen = self.seen();
        let mut parked = seen.minutes.range((shard, first)..=(shard, last));
        parked.next().is_some()
    }

    /// Judges a call that is about to take effect.
    pub(crate) fn before(&self, operation: &str, body: &[u8]) {
        let Some(position) = pending_at(operation, body) else {
            return;
        };
        if !self.seen().durable.contains_key(&position) {
            let text = format!("a row is to stand at {position:?}, whose message is nowhere");
            self.ledger().violation(text);
        }
    }

    /// Takes note of a call that has taken effect; answers the latest minute that it parked a wait in.
    pub(crate) fn after(&self, operation: &str, body: &[u8]) -> Option<u64> {
        match operation {
            "PutItem" | "UpdateItem" => {
                self.row_written(operation, body);
                None
            }
            "SendMessageBatch" => {
                let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
                let entries = request["Entries"].as_array().into_iter().flatten();
                for entry in entries {
                    let body = entry["MessageBody"].as_str().unwrap_or_default();
                    match Message::parse(body) {
                        Ok(Message::Attempt(message)) => self.sent(&message),
                        Ok(Message::Job(page)) => {
                            let now_ms = self.clock.now_ms();
                            self.ledger().recoveries.page(&page, now_ms);
                        }
                        Ok(
                            Message::Fanout(_)
                            | Message::KeyEnds(_)
                            | Message::Notice(_)
                            | Message::Release(_),
                        )
                        | Err(_) => {}
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
                    let (minute, shard) = text(&item["pk"]).strip_prefix("Q#")?.split_once('#')?;
                    let message: AttemptMessage = serde_json::from_str(text(&item["m"])).ok()?;
                    let mut seen = self.seen();
                    seen.durable
                        .insert(message.attempt_key(), message.position.trigger);
                    seen.parked.insert(text(&item["pk"]).to_owned());
                    let minute = minute.parse().ok()?;
                    seen.minutes.insert((shard.parse().ok()?, minute));
                    Some(minute)
                });
                parked.max()
            }
            _ => None,
        }
    }
}

/// Where a call has a delivery's row wait.
fn pending_at(operation: &str, body: &[u8]) -> Option<AttemptKey> {
    match operation {
        "PutItem" => {
            let request = naming("pending", body)?;
            let item = &request["Item"];
            let pending = text(&item["st"]) == "pending";
            pending.then(|| position(item, &item["n"], &item["d"]))?
        }
        "UpdateItem" => {
            let request = naming("pending", body)?;
            let values = &request["ExpressionAttributeValues"];
            let update = request["UpdateExpression"].as_str()?;
            let pending = update.starts_with("SET st = :pending");
            pending.then(|| position(&request["Key"], &values[":n"], &values[":due"]))?
        }
        _ => None,
    }
}

/// The delivery that a call cancels.
fn cancelled(operation: &str, body: &[u8]) -> Option<DeliveryKey> {
    let request = naming("cancelled", body)?;
    let (key, state) = match operation {
        "PutItem" => (&request["Item"], &request["Item"]["st"]),
        _ => (
            &request["Key"],
            &request["ExpressionAttributeValues"][":to"],
        ),
    };
    (text(state) == "cancelled").then(|| delivery(key))?
}

/// A request, if it names a state. Most don't, and are not worth the reading.
fn naming(state: &str, body: &[u8]) -> Option<Value> {
    contains(body, &format!("\"{state}\""))
        .then(|| serde_json::from_slice(body).expect("the SDK writes JSON"))
}

/// The delivery whose row has this key.
pub(crate) fn delivery(key: &Value) -> Option<DeliveryKey> {
    let mut names = text(&key["pk"]).strip_prefix("D#")?.split('#');
    Some(DeliveryKey {
        tenant: TenantId::parse(names.next()?).ok()?,
        webhook: WebhookId::parse(names.next()?).ok()?,
        event: EventId::parse(names.next()?).ok()?,
        accepted_ms: text(&key["sk"]).parse().ok()?,
    })
}

/// The position that a delivery's row is to stand at.
fn position(key: &Value, n: &Value, due_ms: &Value) -> Option<AttemptKey> {
    Some(AttemptKey {
        delivery: delivery(key)?,
        due_ms: due_ms["N"].as_str()?.parse().ok()?,
        n: n["N"].as_str()?.parse().ok()?,
    })
}

/// Whether a request contains this text. Far cheaper than reading it as JSON.
pub(crate) fn contains(body: &[u8], text: &str) -> bool {
    str::from_utf8(body).is_ok_and(|body| body.contains(text))
}

/// A text among a row's attributes; empty if it is none.
pub(crate) fn text(attribute: &Value) -> &str {
    attribute["S"].as_str().unwrap_or_default()
}

//! How a mistake of the product's is made from outside, at the seams that the simulation owns: on the wire between a function and AWS,
//! in what a queue hands out, and on the way to the receivers. To the world it looks as if the function had made it.
//!
//! - A call is *altered* before it takes effect: a condition is stripped, an attribute left out.
//! - A row is *shown* to a function as if it said something else.
//! - A call is *held back*: it is answered with success, and takes effect only after the one that should have followed it. A function
//!   that dies in between has never made it.
//! - A message is handed out as if it said something else, or is dropped as if the function had.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rung_core::{
    domain::{
        attempt::AttemptKey,
        delivery::State,
        message::{AttemptMessage, Message},
        webhook::Webhook,
    },
    flow::deliver::Record,
    store::laps::Lap,
};
use rung_local_aws::Response;
use serde_json::{Value, json};

use crate::{
    mutations::Mutation,
    watch::{contains, text},
    wire::Life,
    world::World,
};

/// What a function's mistake remembers.
#[derive(Default)]
pub(crate) struct Memory {
    /// Calls that are held back: target and body.
    held: Mutex<Vec<(String, Vec<u8>)>>,
    /// The attempts whose waits it has parked.
    parked: Mutex<HashSet<AttemptKey>>,
    /// The version of each tenant that it has seen first.
    versions: Mutex<HashMap<String, Value>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub(crate) fn hold(&self, target: &str, body: &[u8]) {
        lock(&self.held).push((target.to_owned(), body.to_owned()));
    }

    /// Takes out what is held back.
    pub(crate) fn take_held(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut lock(&self.held))
    }
}

impl Mutation {
    /// Whether a function's call is to be held back.
    pub(crate) fn holds_back(self, life: &Life, operation: &str, body: &[u8]) -> bool {
        let sends = operation == "SendMessageBatch";
        match self {
            Self::LogAfterSuccessor => {
                life.function == "deliver" && operation == "PutItem" && contains(body, "\"L#")
            }
            Self::RowBeforeSend => life.function == "deliver" && (sends || contains(body, "\"Q#")),
            Self::BodiesTogether => operation == "BatchWriteItem" && contains(body, "\"P#"),
            _ => false,
        }
    }

    /// Whether a function goes on as if the queue had taken whatever it sends.
    pub(crate) fn takes_all_for_sent(self, life: &Life) -> bool {
        match self {
            Self::AcceptedUnsent => life.function == "enqueue",
            Self::CursorBeforeSend => life.function == "sweep",
            _ => false,
        }
    }

    /// Whether what is held back is to take effect after this call.
    pub(crate) fn lets_go_after(self, operation: &str, body: &[u8]) -> bool {
        let writes = matches!(operation, "PutItem" | "UpdateItem" | "BatchWriteItem");
        match self {
            Self::LogAfterSuccessor => {
                operation == "SendMessageBatch" || writes && contains(body, "\"Q#")
            }
            Self::RowBeforeSend => writes && contains(body, "\"D#"),
            _ => false,
        }
    }

    /// A function's call as it is to be made instead; `None` when it stays as it is.
    pub(crate) fn altered(self, life: &Life, operation: &str, body: &[u8]) -> Option<Vec<u8>> {
        let row = |partition: &str| {
            let writes = matches!(operation, "PutItem" | "UpdateItem");
            writes && contains(body, partition)
        };
        let read = || serde_json::from_slice::<Value>(body).expect("the SDK writes JSON");
        let altered = match self {
            Self::UnconditionalFailureLog if row("\"L#") => without_condition(read()),
            Self::RowByNumberAlone if row("\"D#") => with_condition(
                read(),
                "n = :behind AND d = :prev AND st = :pending)",
                "n = :behind AND (d = :prev OR d <> :prev))",
            ),
            Self::PlacesForgotten if row("\"pace\"") => {
                with_condition(read(), "nxt < :now AND", "(nxt < :now OR nxt >= :now) AND")
            }
            Self::JobIgnored if row("\"D#") => {
                with_condition(read(), "OR j < :job", "OR j < :job OR j >= :job")
            }
            Self::NotKept if row("SET exp = :until") => not_kept(read()),
            Self::BodiesTogether if row("\"E#") => with_bodies(life, read()),
            Self::JobForgotten if row("\"D#") => without_job(life, read()),
            Self::SuccessForgotten if row("\"D#") || operation == "SendMessageBatch" => {
                without_success(read())
            }
            _ => return None,
        };
        Some(altered.to_string().into_bytes())
    }

    /// An answer to a function as it is to be shown instead.
    pub(crate) fn shown(
        self,
        life: &Life,
        operation: &str,
        body: &[u8],
        response: Response,
        now_ms: u64,
    ) -> Response {
        if self == Self::NoWatchdog && operation == "GetItem" && contains(body, "\"C#lap-") {
            return Response::ok(ended_lap(body, now_ms).to_string().into_bytes());
        }
        let alters = matches!(
            self,
            Self::StaleRoutes
                | Self::NoDueTest
                | Self::NoPendingTest
                | Self::DropOnlyAhead
                | Self::JobIgnored
                | Self::PauseIgnored
                | Self::AnyOfThatId
        );
        if !alters || response.status != 200 || !matches!(operation, "GetItem" | "BatchGetItem") {
            return response;
        }
        let mut answer: Value =
            serde_json::from_slice(&response.body).expect("services answer JSON");
        if let Some(row) = answer.get_mut("Item") {
            self.show(life, row);
        }
        let tables = answer["Responses"].as_object_mut().into_iter().flatten();
        for row in tables.flat_map(|(_, rows)| rows.as_array_mut().into_iter().flatten()) {
            self.show(life, row);
        }
        Response::ok(answer.to_string().into_bytes())
    }

    /// Shows a row to a function.
    fn show(self, life: &Life, row: &mut Value) {
        let is_webhook = text(&row["pk"]).starts_with("W#");
        match self {
            Self::StaleRoutes if life.function == "enqueue" && !row["ver"].is_null() => {
                let mut versions = lock(&life.memory.versions);
                // Its row and the copies of that.
                let tenant = text(&row["pk"]).split('#').nth(1);
                let tenant = tenant.unwrap_or_default().to_owned();
                let version = row["ver"].clone();
                row["ver"] = versions.entry(tenant).or_insert(version).clone();
            }
            // One that a receiver has asked for stays: the function keeps that in mind itself.
            Self::PauseIgnored if is_webhook && text(&row["pause"]).contains("\"manual\"") => {
                if let Some(row) = row.as_object_mut() {
                    row.remove("pause");
                }
            }
            Self::JobIgnored if text(&row["pk"]).starts_with("D#") => {
                if let Some(row) = row.as_object_mut() {
                    row.remove("j");
                }
            }
            Self::AnyOfThatId if text(&row["sk"]) == "-" => {
                if let Some(accepted_ms) = life.accepted_of(text(&row["pk"])) {
                    row["a"] = json!({"N": accepted_ms.to_string()});
                }
            }
            Self::NoDueTest | Self::NoPendingTest | Self::DropOnlyAhead => {
                for due in life.in_hand_of(row) {
                    self.show_to(&due, row);
                }
            }
            _ => {}
        }
    }

    /// Shows a delivery's row to a function that has this message of it in hand.
    fn show_to(self, due: &AttemptMessage, row: &mut Value) {
        let n = row["n"]["N"].as_str().and_then(|n| n.parse::<u32>().ok());
        let n = n.expect("a row says where it stands");
        let waits = text(&row["st"]) == "pending";
        let at = (due.position.n, due.position.due_ms.to_string());
        match self {
            Self::NoDueTest if n == at.0 => row["d"] = json!({"N": at.1}),
            Self::NoPendingTest if n == at.0 => row["st"] = json!({"S": "pending"}),
            Self::DropOnlyAhead if n <= at.0 && !(waits && n + 1 == at.0) => {
                row["n"] = json!({"N": at.0.to_string()});
                row["d"] = json!({"N": at.1});
                row["st"] = json!({"S": "pending"});
            }
            _ => {}
        }
    }

    /// Those entries of a batch that a function leaves out, by their ids.
    pub(crate) fn left_out(self, life: &Life, operation: &str, body: &[u8]) -> HashSet<String> {
        if self != Self::NoSecondLook {
            return HashSet::new();
        }
        let read = || serde_json::from_slice::<Value>(body).expect("the SDK writes JSON");
        if operation == "BatchWriteItem" && contains(body, "\"Q#") {
            let request = read();
            let tables = request["RequestItems"].as_object().into_iter().flatten();
            let writes = tables.flat_map(|(_, writes)| writes.as_array().into_iter().flatten());
            let parked = writes.filter_map(|write| {
                let wait = text(&write["PutRequest"]["Item"]["m"]);
                serde_json::from_str::<AttemptMessage>(wait).ok()
            });
            lock(&life.memory.parked).extend(parked.map(|due| due.attempt_key()));
        }
        if operation != "SendMessageBatch" {
            return HashSet::new();
        }
        let (request, parked) = (read(), lock(&life.memory.parked));
        let entries = request["Entries"].as_array().into_iter().flatten();
        let left_out = entries.filter(|entry| {
            let message = Message::parse(entry["MessageBody"].as_str().unwrap_or_default());
            match message {
                // What the sweep has sent since may go back into the queue.
                Ok(Message::Attempt(due)) => {
                    parked.contains(&due.attempt_key()) && !life.has_in_hand(&due.attempt_key())
                }
                _ => false,
            }
        });
        let ids = left_out.filter_map(|entry| entry["Id"].as_str());
        ids.map(str::to_owned).collect()
    }
}

/// What a queue answers that has taken these messages.
pub(crate) fn all_sent<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let sent = ids.map(|id| json!({"Id": id, "MessageId": id, "MD5OfMessageBody": ""}));
    sent.collect()
}

/// The lap of a watchdog that has just been round.
fn ended_lap(body: &[u8], now_ms: u64) -> Value {
    let asked: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
    let lap = Lap {
        began_ms: now_ms,
        ..Lap::default()
    };
    let lap = serde_json::to_string(&lap).expect("it is JSON");
    let mut item = asked["Key"].clone();
    item["m"] = json!({"S": lap});
    json!({"Item": item})
}

fn without_condition(mut request: Value) -> Value {
    if let Some(request) = request.as_object_mut() {
        request.remove("ConditionExpression");
        request.remove("ExpressionAttributeValues");
        request.remove("ReturnValuesOnConditionCheckFailure");
    }
    request
}

fn with_condition(mut request: Value, from: &str, to: &str) -> Value {
    if let Some(condition) = request["ConditionExpression"].as_str() {
        request["ConditionExpression"] = condition.replace(from, to).into();
    }
    request
}

/// The update by which an item is kept longer, without effect.
fn not_kept(mut request: Value) -> Value {
    let values = &mut request["ExpressionAttributeValues"];
    values[":until"] = values[":now"].clone();
    request
}

/// An event's row, with as much in it as its bodies that are held back have.
fn with_bodies(life: &Life, mut request: Value) -> Value {
    let bytes: usize = lock(&life.memory.held)
        .iter()
        .map(|(_, body)| body.len())
        .sum();
    request["Item"]["bodies"] = json!({"S": "x".repeat(bytes)});
    request
}

/// The update by which a recovery's message moves its row itself, without the recovery's number.
fn without_job(life: &Life, mut request: Value) -> Value {
    let mut own = life.in_hand_of(&request["Key"]).into_iter();
    if own.any(|due| due.position.job.is_some())
        && let Some(update) = request["UpdateExpression"].as_str()
    {
        request["UpdateExpression"] = update.replace(", j = :job", "").into();
    }
    request
}

/// A message that somebody sends by hand, or the row of one, without a word of the success before.
fn without_success(mut request: Value) -> Value {
    for entry in request["Entries"].as_array_mut().into_iter().flatten() {
        let message = Message::parse(entry["MessageBody"].as_str().unwrap_or_default());
        if let Ok(Message::Attempt(mut due)) = message
            && due.position.returns_to == Some(State::Succeeded)
        {
            due.position.returns_to = None;
            entry["MessageBody"] = Message::Attempt(due).to_json().into();
        }
    }
    if let Some(row) = request["Item"].as_object_mut() {
        row.remove("o");
    }
    if let Some(update) = request["UpdateExpression"].as_str()
        && update.contains(", o = :back")
    {
        request["UpdateExpression"] = update.replace(", o = :back", "").into();
        if let Some(values) = request["ExpressionAttributeValues"].as_object_mut() {
            values.remove(":back");
        }
    }
    request
}

impl World {
    /// The records of a batch as a function gets them that makes the run's mistake with what it receives.
    pub(crate) async fn mistaken(&self, records: Vec<Record>) -> Vec<Record> {
        let Some(mutation) = self.wire.mutation else {
            return records;
        };
        let mut mistaken = Vec::with_capacity(records.len());
        for record in records {
            match Message::parse(&record.body) {
                Ok(Message::Attempt(due)) => {
                    let due = self.mistake(mutation, due).await;
                    mistaken.extend(due.map(|due| Record {
                        body: Message::Attempt(due).to_json(),
                        ..record
                    }));
                }
                Ok(Message::Notice(_)) if mutation == Mutation::NoticeDropped => {}
                _ => mistaken.push(record),
            }
        }
        mistaken
    }

    /// What a function takes a message for; `None` when it drops it.
    async fn mistake(&self, mutation: Mutation, mut due: AttemptMessage) -> Option<AttemptMessage> {
        let is_due = due.wakes_ms() <= self.clock.now_ms();
        match mutation {
            Mutation::EpochIgnored => {
                let webhook = self.webhook_of(&due).await;
                due.position.epoch = webhook.map_or(due.position.epoch, |it| it.epoch);
            }
            Mutation::NoPlace if is_due && due.position.n > 1 => {
                self.row_at(&due).await?;
            }
            Mutation::NoAdvance if is_due => {
                let at = self.row_at(&due).await;
                return Some(due).filter(|due| at.is_none_or(|n| n + 1 != due.position.n));
            }
            _ => {}
        }
        Some(due)
    }

    async fn webhook_of(&self, due: &AttemptMessage) -> Option<Webhook> {
        let webhook = self
            .oracle
            .webhook(&due.delivery.tenant, &due.delivery.webhook)
            .await;
        webhook.expect("the oracle reads")
    }

    /// The position that the row of a message's delivery stands at.
    async fn row_at(&self, due: &AttemptMessage) -> Option<u32> {
        let row = self.oracle.delivery(&due.delivery).await;
        row.expect("the oracle reads").map(|row| row.position.n)
    }
}

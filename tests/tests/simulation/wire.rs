//! The wire between the functions and AWS, and what goes wrong on it.
//!
//! A [`Line`] is what one function's SDK clients speak through. Each call draws its fate; a function that dies at a call
//! never hears of it, and none of its later calls takes effect.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::result::ConnectorError;
use rung_base::clock::Clock;
use rung_core::domain::{attempt::AttemptKey, message::AttemptMessage};
use rung_local_aws::{Aws, Response, connector::Backend};
use rung_tests::Policies;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    chance::Chance,
    index::Index,
    mistakes::{Memory, all_sent},
    mutations::Mutation,
    plan::{BRIEF_MS, Plan},
    receivers::InHand,
    trace::{Trace, canonical},
    watch::{Watch, contains, delivery},
};

/// Whether a function still runs.
pub(crate) struct Life {
    pub(crate) name: String,
    pub(crate) function: &'static str,
    over: watch::Sender<bool>,
    in_hand: Mutex<InHand>,
    pub(crate) memory: Memory,
}

impl Life {
    /// A life of an instance of a function, as the template calls that.
    pub(crate) fn new(name: String, function: &'static str) -> Self {
        Self {
            name,
            function,
            over: watch::Sender::new(false),
            in_hand: Mutex::default(),
            memory: Memory::default(),
        }
    }

    /// The records that it has in hand.
    pub(crate) fn in_hand(&self) -> MutexGuard<'_, InHand> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages in hand of the delivery that has a row with this key.
    pub(crate) fn in_hand_of(&self, key: &Value) -> Vec<AttemptMessage> {
        let Some(delivery) = delivery(key) else {
            return Vec::new();
        };
        let in_hand = self.in_hand();
        let own = in_hand.values().flatten().map(|held| &held.message);
        own.filter(|due| due.delivery == delivery)
            .cloned()
            .collect()
    }

    /// When the event of a message in hand was accepted, by the key of that event's row.
    pub(crate) fn accepted_of(&self, row: &str) -> Option<u64> {
        let in_hand = self.in_hand();
        let mut own = in_hand
            .values()
            .flatten()
            .map(|held| &held.message.delivery);
        let own = own.find(|key| row == format!("E#{}#{}", key.tenant, key.event));
        own.map(|key| key.accepted_ms)
    }

    /// Whether it has a message of this attempt in hand.
    pub(crate) fn has_in_hand(&self, attempt: &AttemptKey) -> bool {
        let in_hand = self.in_hand();
        let mut own = in_hand.values().flatten();
        own.any(|held| held.message.attempt_key() == *attempt)
    }

    /// Whether it is of a newer version than others: every second one is.
    fn is_newer(&self) -> bool {
        let number = self.name.rsplit('-').next();
        let number = number.and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number % 2 == 1)
    }

    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits for the end.
    pub(crate) async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender is this one's own: it cannot be gone.
        let _ = over.wait_for(|over| *over).await;
    }

    /// Ends it, and the caller with it.
    pub(crate) async fn crash<T>(&self) -> T {
        self.end();
        std::future::pending().await
    }

    /// Lets the living pass.
    pub(crate) async fn check(&self) {
        if self.is_over() {
            std::future::pending().await
        }
    }
}

/// What all lines share.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) aws: Aws,
    pub(crate) plan: Arc<Plan>,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    /// Faults have ended.
    pub(crate) calm: Arc<AtomicBool>,
    /// How often the power was cut: what was on its way by then arrives nowhere.
    pub(crate) era: Arc<AtomicU64>,
    /// Whether the world has grown old.
    pub(crate) old: Arc<AtomicBool>,
    /// The latest minute that a wait was parked in.
    pub(crate) parked_until: Arc<AtomicU64>,
    pub(crate) watch: Watch,
    pub(crate) index: Index,
    /// Asks somebody to intervene at this very moment.
    pub(crate) meddling: mpsc::UnboundedSender<()>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The mistake that the functions make.
    pub(crate) mutation: Option<Mutation>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Refused,
    Lost,
    Late,
    Hung { done: bool },
    Crash { done: bool },
    Partial,
    Conflict,
}

impl Wire {
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    fn fate(&self) -> Fate {
        let (plan, chance) = (&self.plan, &self.chance);
        if self.is_calm() {
            return Fate::Fine;
        }
        if chance.happens(plan.crash) {
            let done = chance.happens(0.5);
            return Fate::Crash { done };
        }
        if chance.happens(plan.hung) {
            let done = chance.happens(0.5);
            return Fate::Hung { done };
        }
        let kinds = [
            (plan.refused, Fate::Refused),
            (plan.lost, Fate::Lost),
            (plan.late, Fate::Late),
            (plan.partial, Fate::Partial),
            (plan.conflict, Fate::Conflict),
        ];
        let hit = kinds.into_iter().find(|(rate, _)| chance.happens(*rate));
        hit.map_or(Fate::Fine, |(_, fate)| fate)
    }

    async fn pass(&self) {
        let slow = !self.is_calm() && self.chance.happens(self.plan.slow);
        let most_ms = if slow { self.plan.slow_ms } else { 8 };
        let ms = self.chance.between(0, most_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Reads take longer the more they find, whether faults have ended or not.
    async fn read(&self, answer: Option<&Response>) {
        let (item_ms, Some(answer)) = (self.plan.item_ms, answer) else {
            return;
        };
        if item_ms > 0 {
            let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let tables = answer["Responses"].as_object().into_iter().flatten();
            let lists = tables.map(|(_, items)| items).chain([&answer["Items"]]);
            let items: usize = lists
                .filter_map(|items| items.as_array().map(Vec::len))
                .sum();
            tokio::time::sleep(Duration::from_millis(items as u64 * item_ms)).await;
        }
    }

    /// Lets a function stand still before it parks a wait.
    async fn freeze(&self, target: &str, body: &[u8]) {
        let parks = || target.ends_with(".BatchWriteItem") && contains(body, "\"Q#");
        let rate = self.plan.frozen_parking;
        // Never draws nothing, and looks for nothing.
        if rate > 0.0 && !self.is_calm() && parks() && self.chance.happens(rate) {
            let ms = self.chance.between(0, 900_000);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    async fn call(
        &self,
        life: &Life,
        quiet: bool,
        target: &str,
        body: &[u8],
    ) -> Result<Response, ConnectorError> {
        check(life.function, target, body);
        if quiet {
            return Ok(self.aws.dispatch(target, body).await);
        }
        life.check().await;
        let allowed = Policies::of_template().check(life.function, target, body);
        allowed.unwrap_or_else(|refusal| panic!("{refusal}"));
        if !self.is_calm() && self.chance.happens(self.plan.meddled) {
            // Whoever listens may have seen enough.
            let _ = self.meddling.send(());
        }
        let fate = self.fate();
        let era = self.era.load(Ordering::Relaxed);
        self.pass().await;
        self.freeze(target, body).await;
        if self.era.load(Ordering::Relaxed) != era {
            std::future::pending::<()>().await;
        }
        // What a function that died meanwhile had sent may arrive or not.
        if life.is_over() && self.chance.happens(0.5) {
            std::future::pending::<()>().await;
        }
        let operation = target.rsplit('.').next().unwrap_or_default();
        let answer = match fate {
            Fate::Fine => Ok(self.effect(life, fate, target, body).await),
            Fate::Refused => {
                self.note(life, fate, target, body, None);
                Err(Fault::draw(&self.chance))
            }
            Fate::Lost => {
                self.effect(life, fate, target, body).await;
                Err(Fault::draw(&self.chance))
            }
            Fate::Late => {
                let (wire, target, body) = (self.clone(), target.to_owned(), body.to_owned());
                let (name, function) = (life.name.clone(), life.function);
                let late = Duration::from_millis(self.chance.between(1, self.plan.late_ms));
                self.note(life, fate, &target, &body, None);
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    wire.effect(&Life::new(name, function), fate, &target, &body)
                        .await;
                });
                Err(Fault::draw(&self.chance))
            }
            Fate::Hung { done } | Fate::Crash { done } => {
                if done {
                    self.effect(life, fate, target, body).await;
                } else {
                    self.note(life, fate, target, body, None);
                }
                if matches!(fate, Fate::Crash { .. }) {
                    life.end();
                }
                std::future::pending().await
            }
            Fate::Partial => Ok(self.partly(life, operation, target, body).await),
            Fate::Conflict => match operation {
                "TransactWriteItems" => {
                    self.note(life, fate, target, body, None);
                    Ok(cancelled(body))
                }
                "PutItem" | "UpdateItem" | "DeleteItem" => {
                    self.note(life, fate, target, body, None);
                    Err(Fault::Service(400, "TransactionConflictException"))
                }
                _ => Ok(self.effect(life, Fate::Fine, target, body).await),
            },
        };
        self.pass().await;
        self.read(answer.as_ref().ok()).await;
        life.check().await;
        let takes_all_for_sent = self
            .mutation
            .is_some_and(|mutation| mutation.takes_all_for_sent(life));
        if operation == "SendMessageBatch" && takes_all_for_sent {
            return Ok(taken(body));
        }
        match answer {
            Ok(response) => Ok(response),
            Err(Fault::Service(status, code)) => Ok(failure(status, code)),
            Err(Fault::Timeout) => Err(ConnectorError::timeout("no answer came".into())),
        }
    }

    /// Lets a call take effect, unless the function makes a mistake of it.
    async fn effect(&self, life: &Life, fate: Fate, target: &str, body: &[u8]) -> Response {
        let Some(mutation) = self.mutation else {
            return self.plain_effect(life, fate, target, body).await;
        };
        let operation = target.rsplit('.').next().unwrap_or_default();
        if mutation.holds_back(life, operation, body) {
            life.memory.hold(target, body);
            return match operation {
                "SendMessageBatch" => taken(body),
                "BatchWriteItem" => Response::ok(br#"{"UnprocessedItems":{}}"#.to_vec()),
                _ => Response::ok(b"{}".to_vec()),
            };
        }
        let left_out = mutation.left_out(life, operation, body);
        if !left_out.is_empty() {
            return self.without(&left_out, life, fate, target, body).await;
        }
        let altered = mutation.altered(life, operation, body);
        let body = altered.as_deref().unwrap_or(body);
        let response = self.plain_effect(life, fate, target, body).await;
        if mutation.lets_go_after(operation, body) {
            self.let_go(life).await;
        }
        mutation.shown(life, operation, body, response, self.clock.now_ms())
    }

    /// Lets those calls of a function take effect that it has held back.
    async fn let_go(&self, life: &Life) {
        for (target, body) in life.memory.take_held() {
            self.plain_effect(life, Fate::Fine, &target, &body).await;
        }
    }

    /// Lets a batch of messages take effect without those that are left out.
    async fn without(
        &self,
        left_out: &HashSet<String>,
        life: &Life,
        fate: Fate,
        target: &str,
        body: &[u8],
    ) -> Response {
        let mut request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let entries = request["Entries"].as_array_mut().expect("it is a batch");
        entries.retain(|entry| !entry["Id"].as_str().is_some_and(|id| left_out.contains(id)));
        let mut sent = all_sent(left_out.iter().map(String::as_str));
        if !entries.is_empty() {
            let body = request.to_string();
            let response = self.plain_effect(life, fate, target, body.as_bytes()).await;
            let mut answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            if let Some(others) = answer["Successful"].as_array_mut() {
                sent.append(others);
            }
        }
        Response::ok(json!({"Successful": sent}).to_string().into_bytes())
    }

    async fn plain_effect(&self, life: &Life, fate: Fate, target: &str, body: &[u8]) -> Response {
        let operation = target.rsplit('.').next().unwrap_or_default();
        let of_newer = self.plan.two_versions && life.is_newer();
        let newer = of_newer.then(|| newer(operation, body)).flatten();
        let body = newer.as_deref().unwrap_or(body);
        let brief = self.kept_briefly(operation, body);
        let body = brief.as_deref().unwrap_or(body);
        let response = if self.watch.finds_nothing(operation, body) {
            let answer = json!({"Items": [], "Count": 0, "ScannedCount": 0});
            Response::ok(answer.to_string().into_bytes())
        } else {
            self.watch.before(operation, body);
            let response = self.aws.dispatch(target, body).await;
            self.index.found(operation, body, response)
        };
        if response.status == 200
            && self.index.written(operation, body, self.is_calm())
            && self.chance.happens(self.plan.lagging)
        {
            let _ = self.meddling.send(());
        }
        if operation == "SendMessageBatch" && self.plan.set_back.is_some() {
            self.watch.taken(&response);
        }
        if response.status == 200
            && let Some(minute) = self.watch.after(operation, body)
        {
            self.parked_until.fetch_max(minute, Ordering::Relaxed);
        }
        self.note(life, fate, target, body, Some(&response));
        response
    }

    /// Whether the world has grown old.
    pub(crate) fn is_old(&self) -> bool {
        self.old.load(Ordering::Relaxed)
    }

    /// A write of what is of tenants whose retention is a minute by now, as that has it expire; `None` for another.
    fn kept_briefly(&self, operation: &str, body: &[u8]) -> Option<Vec<u8>> {
        let writes = operation.contains("Write") || matches!(operation, "PutItem" | "UpdateItem");
        let is_brief = (0..self.plan.tenants).any(|tenant| self.plan.is_brief(tenant));
        if !writes || !is_brief || !self.is_old() || !contains(body, "exp\"") {
            return None;
        }
        let mut request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        self.expire_briefly(&mut request);
        Some(request.to_string().into_bytes())
    }

    fn expire_briefly(&self, request: &mut Value) {
        match request {
            Value::Array(all) => all.iter_mut().for_each(|one| self.expire_briefly(one)),
            Value::Object(members) => {
                let key = members.get("pk").or_else(|| members.get("Key")?.get("pk"));
                let tenant = key.and_then(|pk| {
                    let mut parts = pk["S"].as_str()?.split('#');
                    let is_kept = matches!(parts.next()?, "E" | "D" | "L" | "V" | "H");
                    let name = parts.next().filter(|_| is_kept)?;
                    let mut tenants = 0..self.plan.tenants;
                    tenants.find(|tenant| self.plan.tenant_of(*tenant).as_str() == name)
                });
                if let Some(tenant) = tenant.filter(|tenant| self.plan.is_brief(*tenant)) {
                    let sooner_s = (self.plan.retention_ms(tenant) - BRIEF_MS) / 1_000;
                    let expiry = match members.get_mut("ExpressionAttributeValues") {
                        Some(values) => values.get_mut(":exp"),
                        None => members.get_mut("exp"),
                    };
                    if let Some(expiry) = expiry
                        && let Some(end_s) =
                            expiry["N"].as_str().and_then(|end| end.parse::<u64>().ok())
                    {
                        expiry["N"] = (end_s - sooner_s).to_string().into();
                    }
                }
                members
                    .values_mut()
                    .for_each(|one| self.expire_briefly(one));
            }
            _ => {}
        }
    }

    fn note(
        &self,
        life: &Life,
        fate: Fate,
        target: &str,
        body: &[u8],
        response: Option<&Response>,
    ) {
        self.trace
            .call(&life.name, &format!("{fate:?}"), target, body, response);
    }

    /// Does a part of a batch, and says which part was left out.
    async fn partly(&self, life: &Life, operation: &str, target: &str, body: &[u8]) -> Response {
        let mut request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
        let (member, left_out) = match operation {
            "BatchWriteItem" => ("RequestItems", "UnprocessedItems"),
            "BatchGetItem" => ("RequestItems", "UnprocessedKeys"),
            "SendMessageBatch" => ("Entries", "Failed"),
            _ => return self.effect(life, Fate::Fine, target, body).await,
        };
        let list = match operation {
            "SendMessageBatch" => request[member].as_array_mut(),
            "BatchWriteItem" => first_member(&mut request[member]).as_array_mut(),
            _ => first_member(&mut request[member])["Keys"].as_array_mut(),
        };
        let list = list.expect("a batch has a list");
        if operation == "BatchGetItem" {
            // Keys come in the order of a hash table.
            list.sort_by_key(|key| canonical(key.clone()).to_string());
        }
        let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(list)
            .into_iter()
            .partition(|_| self.chance.happens(0.5));
        let none = kept.is_empty();
        *list = kept;
        let mut answer = if none {
            self.note(life, Fate::Partial, target, body, None);
            json!({"Successful": [], "Responses": {}})
        } else {
            let body = request.to_string();
            let response = self
                .effect(life, Fate::Partial, target, body.as_bytes())
                .await;
            if response.status != 200 {
                return response;
            }
            serde_json::from_slice(&response.body).expect("services answer JSON")
        };
        answer[left_out] = if dropped.is_empty() {
            if operation == "SendMessageBatch" {
                json!([])
            } else {
                json!({})
            }
        } else if operation == "SendMessageBatch" {
            dropped
                .iter()
                .map(|entry| {
                    json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false, "Message": "by the plan"})
                })
                .collect()
        } else {
            let mut rest = request[member].clone();
            let slot = first_member(&mut rest);
            if operation == "BatchWriteItem" {
                *slot = dropped.into();
            } else {
                slot["Keys"] = dropped.into();
            }
            rest
        };
        Response::ok(answer.to_string().into_bytes())
    }
}

/// What a queue answers that has taken all messages of a batch.
fn taken(body: &[u8]) -> Response {
    let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
    let entries = request["Entries"].as_array().into_iter().flatten();
    let sent = all_sent(entries.filter_map(|entry| entry["Id"].as_str()));
    Response::ok(json!({"Successful": sent}).to_string().into_bytes())
}

/// What a newer version would have sent: messages and rows with a member more.
fn newer(operation: &str, body: &[u8]) -> Option<Vec<u8>> {
    if !matches!(operation, "SendMessageBatch" | "PutItem" | "BatchWriteItem") {
        return None;
    }
    let mut request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
    if operation == "SendMessageBatch" {
        for entry in request["Entries"].as_array_mut().into_iter().flatten() {
            add_to_text(&mut entry["MessageBody"]);
        }
    } else if operation == "PutItem" {
        add_to_row(&mut request["Item"]);
    } else {
        let tables = request["RequestItems"]
            .as_object_mut()
            .into_iter()
            .flatten();
        let writes = tables.flat_map(|(_, writes)| writes.as_array_mut().into_iter().flatten());
        for write in writes {
            if let Some(item) = write.pointer_mut("/PutRequest/Item") {
                add_to_row(item);
            }
        }
    }
    Some(request.to_string().into_bytes())
}

/// Adds a member that no other version knows to a row, and to the message that may be parked in it.
fn add_to_row(row: &mut Value) {
    row["unknown"] = json!({"S": "of a newer version"});
    if let Some(parked) = row.pointer_mut("/m/S") {
        add_to_text(parked);
    }
}

/// The same to JSON in a text.
fn add_to_text(text: &mut Value) {
    let object = text
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(Value::Object(mut object)) = object {
        object.insert("unknown".to_owned(), "of a newer version".into());
        *text = Value::Object(object).to_string().into();
    }
}

fn first_member(value: &mut Value) -> &mut Value {
    let members = value.as_object_mut().expect("a batch names its table");
    members.values_mut().next().expect("a batch names a table")
}

/// What the functions may never ask for, whatever happens.
fn check(function: &str, target: &str, body: &[u8]) {
    let operation = target.rsplit('.').next().unwrap_or_default();
    if !matches!(operation, "GetItem" | "BatchGetItem" | "Query") {
        return;
    }
    let text = str::from_utf8(body).expect("the SDK writes JSON");
    if !text.contains("\"IndexName\"") {
        // What may be a moment late is asked for by the names of its attributes.
        assert!(
            text.contains("\"ConsistentRead\":true") || text.contains("\"ProjectionExpression\""),
            "an eventual read: {text}"
        );
    }
    // Whatever an attempt costs does not grow with the log.
    let reads_log = operation == "Query" && text.contains("\"L#");
    assert!(
        function != "deliver" || !reads_log || text.contains("\"Limit\":"),
        "a log is read without a limit: {text}"
    );
}

enum Fault {
    Service(u16, &'static str),
    Timeout,
}

impl Fault {
    fn draw(chance: &Chance) -> Self {
        match chance.between(0, 3) {
            0 => Self::Service(400, "ProvisionedThroughputExceededException"),
            1 => Self::Service(400, "RequestThrottled"),
            2 => Self::Service(500, "InternalServerError"),
            _ => Self::Timeout,
        }
    }
}

fn failure(status: u16, code: &str) -> Response {
    let body = json!({"__type": format!("com.amazonaws#{code}"), "message": "by the plan"});
    Response {
        status,
        query_error: None,
        body: body.to_string().into_bytes(),
    }
}

fn cancelled(body: &[u8]) -> Response {
    let request: Value = serde_json::from_slice(body).expect("the SDK writes JSON");
    let parts = request["TransactItems"].as_array().map_or(0, Vec::len);
    let reasons = (0..parts).map(|part| match part {
        0 => json!({"Code": "TransactionConflict"}),
        _ => json!({"Code": "None"}),
    });
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "by the plan",
        "CancellationReasons": reasons.collect::<Vec<_>>(),
    });
    Response {
        status: 400,
        query_error: None,
        body: body.to_string().into_bytes(),
    }
}

/// One function's way to AWS.
#[derive(Clone)]
pub(crate) struct Line {
    wire: Wire,
    life: Arc<Life>,
    /// While a function is being set up nothing happens to it.
    quiet: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn new(wire: Wire, life: Arc<Life>) -> Self {
        Self {
            wire,
            life,
            quiet: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Lets what is held back take effect: the function is through.
    pub(crate) async fn let_go(&self) {
        if self.wire.mutation.is_some() {
            self.wire.let_go(&self.life).await;
        }
    }

    /// From now on calls can fail.
    pub(crate) fn open(&self) {
        self.quiet.store(false, Ordering::Relaxed);
    }
}

impl Backend for Line {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        let quiet = self.quiet.load(Ordering::Relaxed);
        self.wire.call(&self.life, quiet, target, body).await
    }
}

//! Transactions that take a while, as on AWS: who comes upon a row that another one holds is sent away.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use rung_local_aws::{Aws, Response};
use serde_json::{Value, json};

/// How long a transaction holds its rows.
const HELD: Duration = Duration::from_millis(20);

type Row = (String, String);

/// Which rows transactions hold; `None` where they take no time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contention(Arc<Mutex<Option<BTreeSet<Row>>>>);

impl Contention {
    /// From now on transactions hold their rows.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap() = Some(BTreeSet::new());
    }

    /// Whether a transaction holds a row.
    pub(crate) fn is_holding(&self) -> bool {
        let held = self.0.lock().unwrap();
        held.as_ref().is_some_and(|held| !held.is_empty())
    }

    /// Answers a call when no transaction holds any of its rows.
    pub(crate) async fn dispatch(&self, aws: &Aws, target: &str, body: &[u8]) -> Response {
        if self.0.lock().unwrap().is_none() {
            return aws.dispatch(target, body).await;
        }
        let operation = target.rsplit('.').next().unwrap();
        let request = serde_json::from_slice(body).unwrap_or_default();
        let rows = rows(operation, &request);
        let is_transaction = operation == "TransactWriteItems";
        if !self.takes(&rows, is_transaction) {
            return if is_transaction {
                cancelled(&rows)
            } else {
                refused("TransactionConflictException", json!({}))
            };
        }
        if is_transaction {
            tokio::time::sleep(HELD).await;
        }
        let answer = aws.dispatch(target, body).await;
        if is_transaction {
            let mut held = self.0.lock().unwrap();
            held.iter_mut()
                .for_each(|held| held.retain(|row| !rows.contains(row)));
        }
        answer
    }

    /// Whether none of a call's rows is held. Those of a transaction are from then on.
    fn takes(&self, rows: &[Row], is_transaction: bool) -> bool {
        let mut held = self.0.lock().unwrap();
        let Some(held) = held.as_mut() else {
            return true;
        };
        let is_free = !rows.iter().any(|row| held.contains(row));
        if is_transaction && is_free {
            held.extend(rows.iter().cloned());
        }
        is_free
    }
}

/// The rows that a call writes or checks.
fn rows(operation: &str, request: &Value) -> Vec<Row> {
    let row = |item: &Value| {
        let part = |name| item[name]["S"].as_str().map(str::to_owned);
        part("pk").zip(part("sk"))
    };
    let of_part = |part: &Value| row(&part["Item"]).or_else(|| row(&part["Key"]));
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => of_part(request).into_iter().collect(),
        "TransactWriteItems" => {
            let parts = request["TransactItems"].as_array().into_iter().flatten();
            let parts = parts.filter_map(|part| part.as_object()?.values().next());
            parts.filter_map(of_part).collect()
        }
        _ => Vec::new(),
    }
}

fn cancelled(rows: &[Row]) -> Response {
    let reasons: Vec<_> = rows
        .iter()
        .map(|_| json!({"Code": "TransactionConflict"}))
        .collect();
    refused(
        "TransactionCanceledException",
        json!({ "CancellationReasons": reasons }),
    )
}

fn refused(code: &str, mut body: Value) -> Response {
    body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{code}").into();
    body["message"] = "another transaction holds a row".into();
    Response {
        status: 400,
        query_error: None,
        body: body.to_string().into_bytes(),
    }
}

//! The two stores at odds: the table is set back to an earlier moment while the queues are as of now, as by a restore or a cut of
//! the power, or the queues are, while the table is as of now. The functions die with it.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use rung_core::domain::message::Message;
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::{
    plan::SetBack,
    world::{START_MS, World},
};

/// How long the functions are down meanwhile, in milliseconds.
const DOWN_MS: u64 = 1_000;

impl World {
    /// Sets the table or the queues back at some time. `clients` holds those that publish again what is forgotten.
    pub(crate) async fn set_back(self: Arc<Self>, what: SetBack, clients: Arc<()>) {
        let (SetBack::Table(back_ms) | SetBack::Queues(back_ms)) = what;
        let calm_ms = self.wire.plan.calm_ms;
        let at_ms = START_MS + self.wire.chance.between(calm_ms / 4, calm_ms * 9 / 10);
        let then_ms = at_ms.saturating_sub(back_ms).max(START_MS);
        self.clock.sleep_until_ms(then_ms).await;
        let items = self.items().await;
        self.clock.sleep_until_ms(at_ms).await;
        self.functions.lose_power(DOWN_MS);
        self.wire.era.fetch_add(1, Ordering::Relaxed);
        self.wire.trace.line(|| format!("set back: {what:?}"));
        match what {
            SetBack::Table(_) => self.set_table_back(items, clients).await,
            SetBack::Queues(_) => self.set_queues_back(then_ms).await,
        }
    }

    async fn set_table_back(self: &Arc<Self>, items: Vec<Value>, clients: Arc<()>) {
        for item in self.items().await {
            let key = json!({"pk": item["pk"], "sk": item["sk"]});
            let request = json!({"TableName": "rung", "Key": key});
            self.dynamodb("DeleteItem", request).await;
        }
        for item in items {
            let request = json!({"TableName": "rung", "Item": item});
            self.dynamodb("PutItem", request).await;
        }
        let known: BTreeSet<_> = self.events().await.into_keys().collect();
        self.ledger().forget(&known);
        for number in 0..self.wire.plan.events {
            if !known.contains(&number) {
                let (world, client) = (Arc::clone(self), Arc::clone(&clients));
                self.spawn(async move {
                    world.pause(0, 60_000).await;
                    Box::pin(world.publisher(number)).await;
                    drop(client);
                });
            }
        }
    }

    /// What was sent since `then_ms` is lost, what was deleted since comes again.
    async fn set_queues_back(&self, then_ms: u64) {
        let doomed = self.wire.watch.taken_since(then_ms);
        let gone = std::mem::take(&mut self.ledger().gone);
        self.ledger().doomed = doomed;
        for (queue, at_ms, body) in gone {
            if at_ms >= then_ms {
                if let Ok(Message::Attempt(message)) = Message::parse(&body) {
                    self.ledger().copied(message.attempt_key());
                }
                let request = json!({"QueueUrl": queue_url(queue), "MessageBody": body});
                self.sqs("SendMessage", request).await;
            }
        }
    }

    /// All that the table holds.
    pub(crate) async fn items(&self) -> Vec<Value> {
        let (mut items, mut from) = (Vec::new(), Value::Null);
        loop {
            let mut request = json!({"TableName": "rung"});
            if !from.is_null() {
                request["ExclusiveStartKey"] = from;
            }
            let mut page = self.dynamodb("Scan", request).await;
            if let Value::Array(found) = page["Items"].take() {
                items.extend(found);
            }
            from = page["LastEvaluatedKey"].take();
            if from.is_null() {
                return items;
            }
        }
    }

    pub(crate) async fn dynamodb(&self, operation: &str, request: Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        let body = request.to_string();
        let answer = self.wire.aws.dispatch(&target, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{operation} {request}");
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}

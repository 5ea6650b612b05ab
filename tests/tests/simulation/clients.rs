//! Clients: those that publish and repeat themselves, and people who intervene.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use rung_shared::{
    domain::id::{EventId, WebhookId},
    flow::accept::{Accepted, NewEvent, Refusal},
    json::Json,
    store::{attempts::LogFilter, deliveries::List},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    functions::{ADMIN_KEY, Role},
    ledger::Window,
    world::{World, tenant},
};

/// The time-out of the functions behind the API.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a client asks before it gives up.
const TRIES: u64 = 12;

impl World {
    /// One client with one event: asks until it is answered, and sometimes again.
    pub(crate) async fn publisher(self: Arc<Self>, number: u64) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        self.pause(0, plan.calm_ms * 9 / 10).await;
        let by_key = chance.happens(0.2);
        let bytes = if chance.happens(0.2) { 6_000 } else { 10 };
        let content = json!({"n": number, "pad": "x".repeat(bytes)});
        let new = |content: &Value| NewEvent {
            id: (!by_key)
                .then(|| EventId::parse(&format!("e{number}")).expect("it has letters and digits")),
            idempotency_key: by_key.then(|| format!("key {number}")),
            event_type: "thing.made".to_owned(),
            data: Json::parse(content.to_string().as_bytes(), 9).expect("it is JSON"),
            timestamp_ms: None,
            metadata: None,
            trace: None,
        };
        for _ in 0..TRIES {
            match self.publish(number, new(&content)).await {
                Some(Ok(accepted)) => {
                    self.ledger().accepted(number, accepted);
                    if chance.happens(0.1) {
                        let other = new(&json!({"n": number, "other": true}));
                        if let Some(Ok(accepted)) = self.publish(number, other).await {
                            let text = format!("other content was accepted: {accepted:?}");
                            self.ledger().violation(text);
                        }
                    }
                    if !chance.happens(plan.repeated) {
                        return;
                    }
                    let most_ms = *chance.pick(&[100, 10_000, 300_000]);
                    self.pause(0, most_ms).await;
                }
                Some(Err(Refusal::Unavailable)) | None => self.pause(10, 20_000).await,
                Some(Err(refusal)) => {
                    let text = format!("event {number} was refused: {refusal}");
                    return self.ledger().violation(text);
                }
            }
        }
    }

    /// One call. `None`: nothing was answered.
    async fn publish(&self, number: u64, event: NewEvent) -> Option<Result<Accepted, Refusal>> {
        let function = self.functions.turn(Role::Enqueue).await;
        let before = self.webhooks().await;
        let start_ms = function.clock.now_ms();
        let app = &function.app;
        let answer = function
            .run(LIMIT, async {
                let found = app.deliverer.store.tenant(&tenant()).await;
                let found = found.ok().flatten().ok_or(Refusal::Unavailable)?;
                let request_id = format!("req_{number}");
                let mut answers = app
                    .publisher
                    .publish(&found, vec![event], &request_id)
                    .await;
                answers.pop().unwrap_or(Err(Refusal::Unavailable))
            })
            .await;
        let after = self.webhooks().await;
        let certain = before
            .into_iter()
            .filter(|(id, state)| after.get(id) == Some(state))
            .map(|(id, (active, _))| (id, active));
        let window = Window {
            start_ms,
            end_ms: function.clock.now_ms(),
            certain: certain.collect(),
        };
        self.wire
            .trace
            .line(|| format!("event {number} is answered {answer:?}, {window:?}"));
        let mut ledger = self.ledger();
        ledger
            .events
            .entry(number)
            .or_default()
            .windows
            .push(window);
        answer
    }

    /// The webhooks as they stand: whether each is active, and its revision.
    async fn webhooks(&self) -> BTreeMap<WebhookId, (bool, u64)> {
        let all = self.oracle.webhooks_of(&tenant()).await;
        all.expect("the oracle reads")
            .into_iter()
            .map(|webhook| {
                (
                    webhook.id.clone(),
                    (webhook.disabled.is_none(), webhook.revision),
                )
            })
            .collect()
    }

    /// Somebody intervenes once.
    pub(crate) async fn intervene(&self) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        let webhook = format!("w{}", chance.between(0, plan.webhooks - 1));
        let path = format!("/v1/webhooks/{webhook}");
        let asked_ms = self.clock.now_ms().saturating_sub(plan.skew_ms);
        match chance.between(0, 12) {
            0..=1 => {
                self.call("PATCH", &path, json!({"status": "disabled"}))
                    .await;
            }
            2..=4 => {
                self.call("PATCH", &path, json!({"status": "active"})).await;
            }
            5 => {
                self.call("DELETE", &path, Value::Null).await;
            }
            6..=8 => self.cancel(&webhook, &path).await,
            _ => self.retry(&webhook, &path, asked_ms).await,
        }
    }

    async fn cancel(&self, webhook: &str, path: &str) {
        let id = WebhookId::parse(webhook).expect("it has letters and digits");
        let pending = self
            .oracle
            .deliveries_of(&tenant(), &id, List::Pending, None, 100)
            .await
            .expect("the oracle reads")
            .0;
        if pending.is_empty() {
            return;
        }
        let key = &self.wire.chance.pick(&pending).key;
        let name = (webhook.to_owned(), key.event.to_string());
        self.ledger().cancelled.insert(name);
        let path = format!("{path}/pending/{}", key.uuid());
        self.call("DELETE", &path, Value::Null).await;
    }

    async fn retry(&self, webhook: &str, path: &str, asked_ms: u64) {
        let id = WebhookId::parse(webhook).expect("it has letters and digits");
        let filter = LogFilter::default();
        let log = self
            .oracle
            .log_page(&tenant(), &id, &filter, None, 100)
            .await
            .expect("the oracle reads")
            .0;
        if log.is_empty() {
            return;
        }
        let key = &self.wire.chance.pick(&log).key;
        let path = format!("{path}/logs/{}/retry", key.log_id());
        if let Some((StatusCode::ACCEPTED, _)) = self.call("POST", &path, Value::Null).await {
            let name = (webhook.to_owned(), key.delivery.event.to_string(), asked_ms);
            self.ledger().retried.push(name);
        }
    }

    /// A call of the management API. `None`: nothing was answered.
    async fn call(&self, method: &str, path: &str, body: Value) -> Option<(StatusCode, Value)> {
        let function = self.functions.turn(Role::Manage).await;
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/json")
            .header("rung-tenant", tenant().as_str())
            .body(body)
            .expect("it is a request");
        let answer = function
            .run(LIMIT, async {
                let response = function.router.clone().oneshot(request).await;
                let response = response.unwrap_or_else(|never| match never {});
                let status = response.status();
                let bytes = to_bytes(response.into_body(), usize::MAX).await;
                let bytes = bytes.unwrap_or_default();
                (
                    status,
                    serde_json::from_slice(&bytes).unwrap_or(Value::Null),
                )
            })
            .await;
        self.wire
            .trace
            .line(|| format!("{method} {path} is answered {answer:?}"));
        answer
    }

    pub(crate) async fn pause(&self, least_ms: u64, most_ms: u64) {
        let ms = self.wire.chance.between(least_ms, most_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    pub(crate) fn ledger(&self) -> std::sync::MutexGuard<'_, crate::ledger::Ledger> {
        self.receivers
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

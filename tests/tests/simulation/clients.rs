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
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        delivery::Delivery,
        hops::Hops,
        id::{EventId, JobId, TenantId, WebhookId},
        webhook::Webhook,
    },
    flow::accept::{Accepted, NewEvent, Refusal},
    store::{
        attempts::{Log, LogFilter},
        deliveries::List,
        span::Order,
    },
};
use rung_json::Json;
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    functions::{ADMIN_KEY, Role},
    ledger::{Stopped, Window},
    plan::REUSED,
    world::{SECRET, START_MS, World, any_dialect, pace_of, url, webhook_id},
};

/// The time-out of the functions behind the API.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a client asks before it gives up.
const TRIES: u64 = 12;
/// How often it does once faults have ended: by then nothing is a reason to refuse it.
const TRIES_IN_CALM: u64 = 3;
/// What lands in a queue and is none of Rung's.
pub(crate) const POISON: &str = "no message of Rung's";

impl World {
    /// One client with one event: asks until it is answered, and sometimes again.
    pub(crate) async fn publisher(self: Arc<Self>, number: u64) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        let (by_key, content) = self.content(number);
        let new = |content: &Value| NewEvent {
            id: (!by_key)
                .then(|| EventId::parse(&plan.name_of(number)).expect("it has letters and digits")),
            idempotency_key: by_key.then(|| plan.name_of(number)),
            event_type: "thing.made".to_owned(),
            data: Json::parse(content.to_string().as_bytes(), 9).expect("it is JSON"),
            timestamp: None,
            metadata: None,
            trace: None,
            hops: Hops::NONE,
        };
        let mut is_accepted = false;
        for turn in 0..TRIES + TRIES_IN_CALM {
            if turn == TRIES {
                if is_accepted {
                    return;
                }
                self.clock.sleep_until_ms(START_MS + plan.calm_ms).await;
            }
            match Box::pin(self.publish(number, new(&content))).await {
                Some(Ok(accepted)) => {
                    self.ledger().accepted(number, accepted);
                    is_accepted = true;
                    if chance.happens(0.1) {
                        let other = new(&json!({"n": number, "other": true}));
                        if let Some(Ok(accepted)) = Box::pin(self.publish(number, other)).await {
                            let text = format!("other content was accepted: {accepted:?}");
                            self.ledger().violation(text);
                        }
                    }
                    // When its event is gone, the same is another one.
                    let is_brief = self.wire.is_old() && plan.is_brief(number);
                    if !chance.happens(plan.repeated) || is_brief {
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
        if !is_accepted {
            let text = format!("event {number} is refused for ever");
            self.ledger().violation(text);
        }
    }

    /// What a client publishes as the event of this number, drawn once: whether it names it by a key, and the content.
    fn content(&self, number: u64) -> (bool, Value) {
        let contents = self.contents.lock();
        let mut contents = contents.unwrap_or_else(PoisonError::into_inner);
        let chance = &self.wire.chance;
        let content = contents.entry(number).or_insert_with(|| {
            // A key lives as long as what it was given for, and an id that is used again is the same.
            let by_key = number < REUSED && chance.happens(0.2);
            let sizes: &[usize] = match self.wire.plan.aging {
                // What does not travel in its message is what can be gone.
                Some(_) => &[10, 6_000],
                None => &[10, 10, 10, 10, 10, 10, 10, 10, 6_000, 60_000],
            };
            let bytes = *chance.pick(sizes);
            let pad: String = if chance.happens(0.01) {
                // It can hardly be compressed: with several dialects its bodies come to more than an item holds.
                let noise = (0..chance.between(90_000, 250_000))
                    .map(|_| char::from(chance.between(33, 126) as u8));
                noise.collect()
            } else {
                "x".repeat(bytes)
            };
            (by_key, json!({"n": number, "pad": pad}))
        });
        content.clone()
    }

    /// One call. `None`: nothing was answered.
    async fn publish(&self, number: u64, event: NewEvent) -> Option<Result<Accepted, Refusal>> {
        let function = self.functions.turn(Role::Enqueue).await;
        let tenant = self.wire.plan.tenant_of(number);
        let before = self.webhooks(&tenant).await;
        let start_ms = function.clock.now_ms();
        let app = &function.app;
        let answer = function
            .run(
                LIMIT,
                Box::pin(async {
                    let found = app.api.store.tenant(&tenant).await;
                    let found = found.ok().flatten().ok_or(Refusal::Unavailable)?;
                    let request_id = format!("req_{number}");
                    let mut answers = app
                        .publisher
                        .publish(&found, vec![event], &request_id)
                        .await;
                    answers.pop().unwrap_or(Err(Refusal::Unavailable))
                }),
            )
            .await;
        let after = self.webhooks(&tenant).await;
        let certain = before
            .into_iter()
            .filter(|(id, state)| after.get(id) == Some(state))
            .map(|(id, (active, ..))| (id, active));
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

    /// A tenant's webhooks as they stand: whether each is active, its epoch and its revision.
    async fn webhooks(&self, tenant: &TenantId) -> BTreeMap<WebhookId, (bool, u64, u64)> {
        let all = self.oracle.webhooks_of(tenant).await;
        all.expect("the oracle reads")
            .into_iter()
            .map(|webhook| {
                let active = webhook.disabled.is_none();
                (webhook.id, (active, webhook.epoch, webhook.revision))
            })
            .collect()
    }

    /// Somebody intervenes once.
    pub(crate) async fn intervene(&self) {
        let chance = &self.wire.chance;
        let number = chance.between(0, self.wire.plan.webhooks - 1);
        let (id, path) = (webhook_id(number), format!("/v1/webhooks/w{number}"));
        if chance.happens(self.wire.plan.recoveries) {
            return Box::pin(self.recover(number, &path)).await;
        }
        if chance.happens(self.wire.plan.emptying) {
            return self.cancel_all(number, &path).await;
        }
        if chance.happens(self.wire.plan.cancelling) {
            return self.cancel(number, &path).await;
        }
        match chance.between(0, 24) {
            0..=1 => {
                let change = json!({"status": "disabled"});
                self.call("PATCH", number, &path, change).await;
            }
            2..=4 => {
                let change = json!({"status": "active"});
                self.call("PATCH", number, &path, change).await;
            }
            5 => {
                let change = json!({"name": "n", "url": url(&id)});
                self.call("PATCH", number, &path, change).await;
            }
            6 => {
                let latest_ms = self.latest_ms();
                self.ledger().deleted.insert(id.to_string(), latest_ms);
                self.call("DELETE", number, &path, Value::Null).await;
            }
            7 => {
                let latest_ms = self.latest_ms();
                self.ledger().imported.insert(id.to_string(), latest_ms);
                let webhook = json!({
                    "id": id.as_str(), "url": url(&id), "events": ["*"], "secret": SECRET,
                    "dialect": any_dialect(chance),
                });
                self.call("POST", number, "/v1/webhooks", webhook).await;
            }
            8 => {
                // A secret of its own: one that the function makes would not be the same in the next run.
                let rotation = json!({"secret": SECRET, "overlap_seconds": 300});
                let path = format!("{path}/rotate-secret");
                self.call("POST", number, &path, rotation).await;
            }
            9 => {
                let path = format!("{path}/rotate-secret/finish");
                self.call("POST", number, &path, Value::Null).await;
            }
            10..=12 => self.cancel(number, &path).await,
            13 => self.cancel_all(number, &path).await,
            14 => {
                let pace = chance.happens(0.5).then(|| pace_of(number));
                let change = json!({"rate_limit_per_second": pace});
                self.call("PATCH", number, &path, change).await;
            }
            15..=16 => self.retry_pending(number, &path).await,
            17..=18 => {
                let until_ms = self.clock.now_ms() + chance.between(3_000, 1_500_000);
                let change = json!({"pause": {"until": timestamp(until_ms).to_string()}});
                self.call("PATCH", number, &path, change).await;
            }
            19 => {
                let change = json!({"pause": null});
                self.call("PATCH", number, &path, change).await;
            }
            _ => self.retry(number, &path).await,
        }
    }

    /// When a call that somebody makes now has taken effect at the latest, by whatever clock. An outage of all functions holds it up.
    fn latest_ms(&self) -> u64 {
        let plan = &self.wire.plan;
        self.clock.now_ms() + plan.outage_ms + LIMIT.as_millis() as u64 + plan.late_ms
    }

    /// What waits for a webhook, as far as it is listed.
    async fn pending(&self, number: u64) -> Vec<Delivery> {
        let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
        let pending = self
            .oracle
            .deliveries_of(
                &tenant,
                &id,
                &[List::Pending],
                Order::NewestFirst,
                None,
                100,
            )
            .await;
        pending.expect("the oracle reads").0
    }

    async fn cancel(&self, number: u64, path: &str) {
        let pending = self.pending(number).await;
        if pending.is_empty() {
            return;
        }
        // Best while it is being posted.
        let now_ms = self.clock.now_ms();
        let due: Vec<_> = pending
            .iter()
            .filter(|row| row.position.due_ms <= now_ms)
            .collect();
        let row = match due.as_slice() {
            [] => self.wire.chance.pick(&pending),
            due => self.wire.chance.pick(due),
        };
        let (key, before) = (&row.key, self.oracle_webhook(number).await);
        let name = (key.webhook.to_string(), key.event.to_string());
        self.ledger().cancelled.insert(name.clone());
        let path = format!("{path}/deliveries/{}/cancel", key.uuid());
        let answer = self.call("POST", number, &path, Value::Null).await;
        match answer {
            Some((StatusCode::OK, _)) => {
                self.ledger().cancelled_for_good.insert(name);
            }
            Some((StatusCode::NOT_FOUND, _)) => self.judge_missing(number, row, before).await,
            _ => {}
        }
    }

    pub(crate) async fn oracle_webhook(&self, number: u64) -> Option<Webhook> {
        let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
        let webhook = self.oracle.webhook(&tenant, &id).await;
        webhook.expect("the oracle reads")
    }

    /// What waited before a call that was answered with 404, and waits still, should have been found.
    async fn judge_missing(&self, number: u64, row: &Delivery, before: Option<Webhook>) {
        let takes = |webhook: &Option<Webhook>| {
            let mut webhook = webhook.iter();
            webhook.any(|webhook| webhook.takes(row.position.epoch))
        };
        let after = self.oracle_webhook(number).await;
        let standing = self.oracle.delivery(&row.key).await;
        let stands = standing.expect("the oracle reads").as_ref() == Some(row);
        if stands && takes(&before) && takes(&after) {
            let text = format!("{row:?} waits, and was not found");
            self.ledger().violation(text);
        }
    }

    async fn cancel_all(&self, number: u64, path: &str) {
        let id = webhook_id(number);
        let Some(webhook) = self.oracle_webhook(number).await else {
            return;
        };
        let pending = self.pending(number).await;
        let latest_ms = self.latest_ms();
        self.ledger().emptied.push((id.to_string(), latest_ms));
        let path = format!("{path}/deliveries/cancel");
        let waiting = json!({"statuses": ["pending"]});
        let answer = self.call("POST", number, &path, waiting).await;
        let Some((StatusCode::ACCEPTED, body)) = answer else {
            return;
        };
        let job = body["data"]["job"]["id"].as_str();
        let job = job.and_then(|id| JobId::parse(id).ok());
        let job = job.expect("a job has an id");
        // By any function's clock.
        let before_ms = self.clock.now_ms() - 2 * self.wire.plan.skew_ms;
        let waiting = pending
            .iter()
            .filter(|row| webhook.takes(row.position.epoch) && row.key.accepted_ms < before_ms);
        let stopped = waiting.map(|row| Stopped {
            webhook: id.to_string(),
            event: row.key.event.to_string(),
            n: row.position.n,
            epoch: row.position.epoch,
            job: job.clone(),
            by_ms: u64::MAX,
        });
        self.ledger().stopped.extend(stopped);
    }

    /// Reads when the jobs that cancel had ended.
    pub(crate) async fn read_cancelling(&self) {
        let mut stopped = std::mem::take(&mut self.ledger().stopped);
        for stopped in &mut stopped {
            let job = self.oracle.job(&stopped.job).await;
            let job = job.expect("the oracle reads").expect("it was answered");
            if job.status.is_open() {
                let text = format!("{job:?} came to no end");
                self.ledger().violation(text);
            }
            if let Some(ended_ms) = job.ended_ms.filter(|_| job.failure.is_none()) {
                stopped.by_ms = ended_ms + 2 * self.wire.plan.skew_ms;
            }
        }
        self.ledger().stopped = stopped;
    }

    async fn retry_pending(&self, number: u64, path: &str) {
        let asked_ms = self.clock.now_ms().saturating_sub(self.wire.plan.skew_ms);
        let pending = self.pending(number).await;
        if pending.is_empty() {
            return;
        }
        let row = self.wire.chance.pick(&pending);
        let (key, before) = (&row.key, self.oracle_webhook(number).await);
        let name = (key.webhook.to_string(), key.event.to_string());
        self.ledger().retry_asked.insert(name.clone());
        let path = format!("{path}/deliveries/{}/retry", key.uuid());
        let answer = self.call("POST", number, &path, Value::Null).await;
        match answer {
            Some((StatusCode::ACCEPTED, _)) => {
                self.ledger().retried.push((name.0, name.1, asked_ms));
            }
            Some((StatusCode::NOT_FOUND, _)) => self.judge_missing(number, row, before).await,
            _ => {}
        }
    }

    async fn retry(&self, number: u64, path: &str) {
        let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
        let asked_ms = self.clock.now_ms().saturating_sub(self.wire.plan.skew_ms);
        let filter = LogFilter::default();
        let log = self
            .oracle
            .log_page(
                &Log::whole(&tenant, &id),
                &filter,
                Order::NewestFirst,
                None,
                100,
            )
            .await
            .expect("the oracle reads")
            .0;
        if log.is_empty() {
            return;
        }
        let key = &self.wire.chance.pick(&log).key;
        let name = (id.to_string(), key.delivery.event.to_string());
        self.ledger().retry_asked.insert(name.clone());
        let path = format!("{path}/logs/{}/retry", key.log_id());
        let answer = self.call("POST", number, &path, Value::Null).await;
        if let Some((StatusCode::ACCEPTED, _)) = answer {
            self.ledger().retried.push((name.0, name.1, asked_ms));
        }
    }

    /// Something that is none of Rung's lands in a queue.
    pub(crate) async fn poison(&self) {
        self.ledger().poison += 1;
        let entry = json!({"Id": "0", "MessageBody": POISON});
        let request = json!({"QueueUrl": queue_url("deliver"), "Entries": [entry]});
        self.sqs("SendMessageBatch", request).await;
    }

    /// A call of the management API about a webhook. `None`: nothing was answered.
    pub(crate) async fn call(
        &self,
        method: &str,
        number: u64,
        path: &str,
        body: Value,
    ) -> Option<(StatusCode, Value)> {
        self.call_once(method, number, path, body, None).await
    }

    /// The same under an `Idempotency-Key`.
    pub(crate) async fn call_once(
        &self,
        method: &str,
        number: u64,
        path: &str,
        body: Value,
        idempotency: Option<&str>,
    ) -> Option<(StatusCode, Value)> {
        let function = self.functions.turn(Role::Manage).await;
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut request = Request::builder();
        if let Some(key) = idempotency {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/json")
            .header("rung-tenant", self.wire.plan.tenant_of(number).as_str())
            .body(body)
            .expect("it is a request");
        let answer = function
            .run(LIMIT, async {
                let response = function.app.router().oneshot(request).await;
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
        if answer
            .as_ref()
            .is_none_or(|(status, _)| status.is_server_error())
        {
            let id = webhook_id(number).to_string();
            self.ledger().unsure.insert(id);
        }
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

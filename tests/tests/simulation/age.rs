//! Age: what has come to rest stays so for days or a year, until about the end of a tenant's retention. Then the world goes on, without
//! faults: what has expired is removed late, messages of the former time come again, people recover what is about to expire, and
//! clients use ids again. What some tenants write from then on is kept for a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        attempt::{Attempt, Trigger},
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId},
    },
    limits::{PARK_SHARDS, SWEEP_AHEAD_MS},
    store::{
        attempts::{Log, LogFilter},
        events::Event,
        span::Order,
    },
};
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::{
    plan::{Aging, REUSED},
    watch,
    world::{START_MS, World, number_of, put_cursors, webhook_id},
};

/// In what time everything happens that happens then, in milliseconds.
const AGAIN_MS: u64 = 2_400_000;
/// By when it must have come to rest.
const REST_MS: u64 = 6 * 3_600_000;
/// How often what has expired is looked for.
const REMOVED_EVERY_MS: u64 = 600_000;
/// Between an expiry and what comes close to it nobody can tell which was first.
const CLOSE_MS: u64 = 60_000;

impl World {
    /// Lets the time pass, and goes on until everything rests again.
    pub(crate) async fn grow_old(self: &Arc<Self>, aging: Aging) {
        let (chance, plan) = (&self.wire.chance, &self.wire.plan);
        let now_ms = self.clock.now_ms();
        let tenant = chance.between(0, plan.tenants - 1);
        let ends_ms = START_MS + plan.retention_ms(tenant);
        let again_ms = (ends_ms - aging.early_ms + chance.between(0, aging.within_ms)).max(now_ms);
        let told = self.told_of_failures().await;
        let messages = self.ledger().turn_over(again_ms);
        self.wire.watch.forget_cancelled();
        self.wire.trace.line(|| format!("{aging:?} passes"));
        self.functions.lose_power(again_ms - now_ms);
        self.clock.sleep_until_ms(again_ms - 1).await;
        // A sweep would look into each minute of all the days.
        put_cursors(
            &self.oracle,
            0..PARK_SHARDS,
            (again_ms + SWEEP_AHEAD_MS) / 60_000,
        )
        .await;
        self.clock.sleep_until_ms(again_ms).await;
        self.wire.old.store(true, Ordering::Relaxed);
        let clients = Arc::new(());
        self.spawn(Arc::clone(self).remove_expired(aging.late_ms));
        for (queue, body) in messages {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                world.pause(0, AGAIN_MS).await;
                let request = json!({"QueueUrl": queue_url(queue), "MessageBody": body});
                world.sqs("SendMessage", request).await;
                drop(client);
            });
        }
        for number in 0..plan.webhooks {
            if chance.happens(0.7) {
                self.recover_old(number).await;
            }
        }
        for number in 0..plan.events {
            let (world, client) = (Arc::clone(self), Arc::clone(&clients));
            self.spawn(async move {
                world.pause(CLOSE_MS, AGAIN_MS).await;
                world.use_again(number).await;
                drop(client);
            });
        }
        loop {
            self.clock
                .sleep_until_ms(self.clock.now_ms() + 20_000)
                .await;
            if !self.ledger().violations().is_empty() {
                return;
            }
            if Arc::strong_count(&clients) == 1 && self.rests().await {
                break;
            }
            if self.clock.now_ms() > again_ms + REST_MS {
                let text = "it does not come to rest when it is old".to_owned();
                return self.ledger().violation(text);
            }
        }
        self.judge().await;
        self.judge_the_brief(again_ms).await;
        self.judge_the_old(again_ms, told).await;
    }

    /// When an event or a delivery that nobody has kept longer expires, in milliseconds.
    fn natural_end_ms(&self, key: &DeliveryKey) -> u64 {
        let number = number_of(key.webhook.as_str());
        key.accepted_ms + self.wire.plan.retention_ms(number % self.wire.plan.tenants)
    }

    /// Somebody has all sent again that a webhook hasn't got.
    async fn recover_old(&self, number: u64) {
        let chance = &self.wire.chance;
        let path = format!("/v1/webhooks/{}", webhook_id(number));
        let change = json!({"status": "active"});
        self.call("PATCH", number, &path, change).await;
        let now_ms = self.clock.now_ms();
        // As far back as it may reach, when it is read.
        let kept_ms = self.wire.plan.retention_ms(number % self.wire.plan.tenants) - CLOSE_MS;
        let since_ms = (START_MS - CLOSE_MS).max(now_ms - kept_ms);
        let scopes = [json!(["any"]), json!(["failed", "held", "missed"])];
        let statuses = chance.pick(&scopes);
        let request = json!({
            "since": timestamp(since_ms).to_string(),
            "until": timestamp(now_ms).to_string(),
            "statuses": statuses,
        });
        let answer = self
            .call("POST", number, &format!("{path}/recover"), request)
            .await;
        let known = answer.as_ref().map(|(status, _)| *status);
        if !matches!(
            known,
            Some(StatusCode::ACCEPTED | StatusCode::CONFLICT | StatusCode::NOT_FOUND)
        ) {
            let text = format!("{path}: a recovery was answered {answer:?}");
            self.ledger().violation(text);
        }
    }

    /// A client uses an event's id for another one, once it is free.
    async fn use_again(self: &Arc<Self>, number: u64) {
        let plan = &self.wire.plan;
        let (tenant, name) = (plan.tenant_of(number), plan.name_of(number));
        let id = name.try_into().expect("it is an id");
        // One that a recovery keeps has it still, and one that expires at this very moment may.
        let soon_ms = self.clock.now_ms() + CLOSE_MS;
        let standing: Option<Event> = self
            .oracle
            .event(&tenant, &id)
            .await
            .expect("the oracle reads");
        let close =
            |event: &Event| event.accepted_ms + plan.retention_ms(number % plan.tenants) < soon_ms;
        if standing.as_ref().is_some_and(close) || standing.is_none() {
            tokio::time::sleep(Duration::from_millis(2 * CLOSE_MS)).await;
        }
        let standing = self
            .oracle
            .event(&tenant, &id)
            .await
            .expect("the oracle reads");
        if standing.is_none() {
            Box::pin(Arc::clone(self).publisher(number + REUSED)).await;
        }
    }

    /// Removes what expired so many milliseconds ago, most of it at each look.
    async fn remove_expired(self: Arc<Self>, late_ms: u64) {
        loop {
            let by_s = (self.clock.now_ms() - late_ms) / 1_000;
            for item in self.items().await {
                let expired = number(&item["exp"]).is_some_and(|end_s| end_s <= by_s);
                if expired && self.wire.chance.happens(0.7) {
                    let key = json!({"pk": item["pk"], "sk": item["sk"]});
                    let request = json!({"TableName": "rung", "Key": key});
                    self.dynamodb("DeleteItem", request).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(REMOVED_EVERY_MS)).await;
        }
    }

    /// What is kept for a minute is gone when everything rests. By what receivers saw, what a recovery has sent again climbed its whole
    /// ladder, unless it succeeded; and what was accepted since was posted, or the operator was told that it was not.
    async fn judge_the_brief(&self, again_ms: u64) {
        let plan = &self.wire.plan;
        let told = self.told_of_failures().await;
        let posts = self.ledger().posts.clone();
        let posted = |webhook: &str, event: u64| {
            let own = posts
                .iter()
                .filter(|post| (post.webhook.as_str(), post.number) == (webhook, event));
            own.count()
        };
        for item in self.items().await {
            let Some(key) = watch::delivery(&item) else {
                continue;
            };
            let webhook_number = number_of(key.webhook.as_str());
            let job_ms = number(&item["j"]).unwrap_or(0);
            let has_failed = watch::text(&item["st"]) == State::Failed.as_str();
            let is_old = key.accepted_ms < again_ms && job_ms >= again_ms;
            if !plan.is_brief(webhook_number) || !has_failed || !is_old {
                continue;
            }
            let Some(webhook) = self.oracle_webhook(webhook_number).await else {
                continue;
            };
            let name = match watch::text(&item["l"]) {
                "" => &webhook.dialect,
                name => name,
            };
            let all = self.dialects.get(name).map(|it| it.ladder.attempts());
            let number = (0..plan.events).find(|event| {
                plan.tenant_of(*event) == key.tenant && self.is_named(*event, &key.event)
            });
            // A receiver that is gone for good gets no more.
            let is_gone = webhook.epoch > 0;
            if let (Some(all), Some(number), false) = (all, number, is_gone)
                && posted(key.webhook.as_str(), number) < all
            {
                let text = format!("{item} has failed before its ladder of {all} has ended");
                self.ledger().violation(text);
            }
        }
        let (Some(told), events) = (told, self.ledger().events.clone()) else {
            return;
        };
        for (event, known) in &events {
            let Some(accepted) = known.accepted.as_ref().filter(|_| plan.is_brief(*event)) else {
                continue;
            };
            let windows = known.windows.iter();
            let mut windows = windows
                .filter(|window| (window.start_ms..=window.end_ms).contains(&accepted.accepted_ms));
            let certain = windows
                .next()
                .into_iter()
                .flat_map(|window| &window.certain);
            for (id, _) in certain.filter(|(_, active)| **active) {
                let webhook = self.oracle_webhook(number_of(id.as_str())).await;
                // One that was disabled since holds it.
                let is_active = webhook.is_some_and(|webhook| {
                    webhook.takes(webhook.epoch) && webhook.enabled_ms <= accepted.accepted_ms
                });
                let key = DeliveryKey {
                    tenant: plan.tenant_of(*event),
                    webhook: id.clone(),
                    event: accepted.id.clone(),
                    accepted_ms: accepted.accepted_ms,
                };
                if is_active
                    && posted(id.as_str(), *event) == 0
                    && !told.contains(&key.uuid().to_string())
                {
                    let text = format!("{key:?} was never posted, and nobody was told");
                    self.ledger().violation(text);
                }
            }
        }
    }

    /// Whether an event of the former time has this id.
    fn is_named(&self, number: u64, id: &EventId) -> bool {
        self.wire.plan.name_of(number) == id.as_str()
    }

    /// Of the deliveries of the former time none waits for ever, whether its row has expired or not; those that ended since have ended
    /// because their events had expired, which a recovery prevents; and the operator is told of them.
    /// `told` are those of whom it was told before, which may have expired since.
    async fn judge_the_old(&self, again_ms: u64, told: Option<BTreeSet<String>>) {
        let mut logs = BTreeMap::new();
        let now_told = self.told_of_failures().await;
        let told = told.map(|told| &told | &now_told.unwrap_or_default());
        for item in self.items().await {
            let Some(key) = watch::delivery(&item) else {
                continue;
            };
            let (id, webhook_number) = (key.webhook.clone(), number_of(key.webhook.as_str()));
            if self.oracle_webhook(webhook_number).await.is_none() || self.is_of_deleted(&key) {
                continue;
            }
            if watch::text(&item["st"]) == State::Pending.as_str() {
                let text = format!("{key:?} waits for ever: {item}");
                self.ledger().violation(text);
            }
            // What is told below is of those that have not expired.
            let Some(row) = self.oracle.delivery(&key).await.expect("the oracle reads") else {
                continue;
            };
            if row.state != State::Failed {
                continue;
            }
            if told
                .as_ref()
                .is_some_and(|told| !told.contains(&key.uuid().to_string()))
            {
                let text = format!("the operator was not told of {row:?}");
                self.ledger().violation(text);
            }
            // The log is gone that would tell how it has failed.
            if self.wire.plan.is_brief(webhook_number) {
                continue;
            }
            if !logs.contains_key(&id) {
                logs.insert(id.clone(), self.whole_log(webhook_number).await);
            }
            let own = logs[&id]
                .iter()
                .filter(|attempt| attempt.key.delivery == key);
            if let Some(fault) = fault_of_end(
                &row,
                &own.collect::<Vec<_>>(),
                self.natural_end_ms(&key),
                (again_ms, self.clock.now_ms()),
            ) {
                self.ledger().violation(format!("{row:?} {fault}"));
            }
        }
    }

    fn is_of_deleted(&self, key: &DeliveryKey) -> bool {
        let ledger = self.ledger();
        let deleted_ms = ledger.deleted.get(key.webhook.as_str());
        deleted_ms.is_some_and(|deleted_ms| key.accepted_ms <= *deleted_ms)
    }

    async fn whole_log(&self, webhook: u64) -> Vec<Attempt> {
        let log = Log::whole(&self.wire.plan.tenant_of(webhook), &webhook_id(webhook));
        let all = LogFilter::default();
        let page = self
            .oracle
            .log_page(&log, &all, Order::OldestFirst, None, 1_000);
        page.await.expect("the oracle reads").0
    }
}

/// Why a delivery may not have failed as it did. `natural_end_ms`: when its event expires if nobody keeps it; `aged_ms`: when
/// the world went on.
fn fault_of_end(
    row: &Delivery,
    log: &[&Attempt],
    natural_end_ms: u64,
    (aged_ms, now_ms): (u64, u64),
) -> Option<String> {
    let last = log.iter().find(|attempt| attempt.key.n == row.position.n);
    if last.is_some() {
        return None;
    }
    let fresh = log
        .iter()
        .rfind(|attempt| attempt.trigger == Trigger::Recover);
    let begun_ms = match fresh {
        Some(first) => Some(first.key.due_ms),
        None => (row.position.trigger == Trigger::Recover).then_some(row.position.due_ms),
    };
    // Whoever began it found the event, and had to keep it. A ladder of the former time may come again long after its end.
    let lost = match begun_ms.filter(|begun_ms| *begun_ms >= aged_ms) {
        Some(begun_ms) => begun_ms + CLOSE_MS < natural_end_ms,
        None => now_ms + CLOSE_MS < natural_end_ms,
    };
    lost.then(|| format!("has failed for want of an event that was there, log {log:?}"))
}

fn number(attribute: &Value) -> Option<u64> {
    attribute["N"].as_str()?.parse().ok()
}

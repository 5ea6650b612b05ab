//! Second chances at the scale of a process: many deliveries, killed in the middle, and a webhook that comes late.

use std::collections::HashSet;

use rung_tests::{Receiver, Tenant, Webhook, eventually};
use serde_json::{Value, json};

use crate::rung;

const EVENTS: usize = 450;
const SINCE: &str = "2020-01-01T00:00:00Z";

/// Publishes so many events in batches; their ids.
async fn publish_many(tenant: &Tenant) -> HashSet<String> {
    let ids: Vec<_> = (0..EVENTS).map(|n| format!("e{n:03}")).collect();
    for ids in ids.chunks(90) {
        let events = ids
            .iter()
            .map(|id| json!({"id": id, "type": "a.b", "data": {}}));
        let batch = json!({ "events": events.collect::<Vec<_>>() });
        tenant.api.post("/v1/events/batch", &batch).await.data(202);
    }
    ids.into_iter().collect()
}

/// A time that lies within the retention.
fn yesterday() -> String {
    let now = jiff::Timestamp::now();
    (now - jiff::SignedDuration::from_hours(24)).to_string()
}

async fn begin(tenant: &Tenant, webhook: &Webhook, status: &str) -> String {
    let request = json!({"since": yesterday(), "statuses": [status]});
    let begun = tenant.api.post(&webhook.path("/recover"), &request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap();
    format!("/v1/jobs/{id}")
}

async fn until_done(tenant: &Tenant, job: &str) -> Value {
    eventually("the recovery to be done", async || {
        let job = tenant.api.get(job).await.data(200)["job"].clone();
        (job["status"] == "succeeded").then_some(job)
    })
    .await
}

/// What was missed is sent, each event with the id it has, though the process is killed on the way.
#[tokio::test]
async fn killed_in_the_middle_of_a_recovery() {
    let mut rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    webhook.patch(json!({"status": "disabled"})).await;
    let missed = publish_many(&tenant).await;
    webhook.patch(json!({"status": "active"})).await;
    let job = begin(&tenant, &webhook, "missed").await;
    receiver.wait_for(20).await;
    rung.kill9().await;
    rung.restart().await;
    let done = until_done(&tenant, &job).await;
    assert_eq!(done["progress"]["done"], EVENTS);
    receiver
        .wait_until("every missed event", |received| {
            let arrived: HashSet<_> = received.iter().map(|request| request.event_id()).collect();
            missed.iter().all(|id| arrived.contains(id.as_str()))
        })
        .await;
    for id in ["e000", "e200", "e449"] {
        tenant.until(id, &webhook, "succeeded").await;
        assert_eq!(webhook.attempts(id).await[0]["trigger"], "recover");
    }
}

/// Clicked many times at once, it is one recovery, which takes longer than all of these calls.
#[tokio::test]
async fn many_calls_for_anything_at_once_are_one_recovery() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    publish_many(&tenant).await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let (path, request) = (
        webhook.path("/recover"),
        json!({"since": yesterday(), "statuses": ["any"], "rate_per_second": 200}),
    );
    let calls = (0..20).map(|_| tenant.api.post(&path, &request));
    let begun = futures_util::future::join_all(calls).await;
    let ids = begun
        .iter()
        .map(|begun| begun.data(202)["job"]["id"].as_str().unwrap());
    let ids: HashSet<_> = ids.collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    for id in ids {
        until_done(&tenant, &format!("/v1/jobs/{id}")).await;
    }
    receiver.wait_for(EVENTS).await;
    receiver.stays_at(EVENTS).await;
}

/// A webhook made afterwards is given all that it would have had, once.
#[tokio::test]
async fn a_late_webhook_is_given_the_past() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    tenant.webhook(&receiver.url("/early"), &["*"]).await;
    publish_many(&tenant).await;
    receiver.wait_for(EVENTS).await;
    let late = tenant.webhook(&receiver.url("/late"), &["a.b"]).await;
    let request = json!({"since": yesterday(), "statuses": ["any"], "dry_run": true});
    let counted = tenant.api.post(&late.path("/recover"), &request).await;
    assert_eq!(counted.data(200)["count"], EVENTS);
    let job = begin(&tenant, &late, "any").await;
    assert_eq!(until_done(&tenant, &job).await["progress"]["done"], EVENTS);
    receiver.wait_for(2 * EVENTS).await;
    receiver.stays_at(2 * EVENTS).await;
    let stats = eventually("the statistics", async || {
        let stats = tenant.api.get(&late.path("/stats")).await;
        let stats = stats.data(200)["stats"].clone();
        (stats["succeeded"] == EVENTS).then_some(stats)
    });
    assert_eq!(stats.await["by_status"]["2xx"], EVENTS);
    let request = json!({ "since": SINCE });
    let refused = tenant.api.post(&late.path("/recover"), &request).await;
    refused.refused(422, "invalid_request");
}

//! What was answered with 202 arrives, whatever happens to the process in between.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rung_tests::{Answer, Receiver, Tenant, eventually};
use serde_json::json;

use crate::rung;

const PUBLISHERS: usize = 8;
/// Accepted before the kill: enough that it falls into the middle of everything.
const LOAD: usize = 150;

/// Publishers that go on until the process dies under them; gives the ids that were answered with 202.
async fn load_until_death(
    tenant: &Tenant,
    round: usize,
) -> (
    Arc<AtomicUsize>,
    Vec<tokio::task::JoinHandle<()>>,
    Arc<Mutex<HashSet<String>>>,
) {
    let count = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::new(Mutex::new(HashSet::new()));
    let publishers = (0..PUBLISHERS)
        .map(|publisher| {
            let (tenant, count, accepted) =
                (tenant.clone(), Arc::clone(&count), Arc::clone(&accepted));
            tokio::spawn(async move {
                for n in 0.. {
                    let id = format!("r{round}-p{publisher}-{n}");
                    let event = json!({"id": id, "type": "load", "data": {"n": n}}).to_string();
                    match tenant
                        .api
                        .call("POST", "/v1/events")
                        .body(event)
                        .try_send()
                        .await
                    {
                        Ok(reply) if reply.status == 202 => {
                            accepted.lock().unwrap().insert(id);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => return,
                    }
                }
            })
        })
        .collect();
    (count, publishers, accepted)
}

/// Three times killed under load, each time started again on the same data.
#[tokio::test]
async fn killed_in_the_middle_of_a_load() {
    let mut rung = rung(&["--time-scale", "100"]).await;
    // Every seventh attempt fails, so that ladders are under way too.
    let receiver =
        Receiver::start(|request| Answer::status(if request.number % 7 == 0 { 500 } else { 200 }))
            .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let mut all = HashSet::new();
    for round in 0..3 {
        let (count, publishers, accepted) = load_until_death(&tenant, round).await;
        eventually("a load", async || {
            (count.load(Ordering::Relaxed) >= LOAD).then_some(())
        })
        .await;
        rung.kill9().await;
        for publisher in publishers {
            publisher.await.unwrap();
        }
        all.extend(accepted.lock().unwrap().drain());
        rung.restart().await;
    }
    receiver
        .wait_until("every accepted event", |received| {
            let arrived: HashSet<&str> =
                received.iter().map(|request| request.event_id()).collect();
            all.iter().all(|id| arrived.contains(id.as_str()))
        })
        .await;
    for id in all.iter().take(20) {
        tenant.until(id, &webhook, "succeeded").await;
    }
}

/// A wait survives: the ladder goes on where it was, with the attempts already made still in the log.
#[tokio::test]
async fn a_ladder_goes_on_after_a_kill() {
    let mut rung = rung(&["--time-scale", "60"]).await;
    let receiver = Receiver::in_turn(&[500, 500, 200]).await;
    let patra = Tenant::create(&rung, "t", "patra").await;
    let webhook = patra.webhook(&receiver.url("/"), &["*"]).await;
    let event = patra.publish("card.updated", json!({"id": "card_1"})).await;
    webhook.until_attempts(&event.id, 2).await;
    rung.kill9().await;
    rung.restart().await;
    patra.until(&event.id, &webhook, "succeeded").await;
    let attempts = webhook.until_attempts(&event.id, 3).await;
    let numbers: Vec<_> = attempts.iter().map(|log| log["attempt"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
    let arrived = receiver.wait_for(3).await;
    assert!(
        arrived
            .iter()
            .all(|request| request.body == arrived[0].body)
    );
}

/// Everything else survives, too: tenants, keys, webhooks, secrets, events and their idempotency.
#[tokio::test]
async fn what_was_made_is_there_after_a_kill() {
    let mut rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["user"]).await;
    let before = webhook.get().await;
    let event = json!({"id": "evt_1", "type": "user.lesson.completed", "data": {"a": 1}});
    let first = odin.api.post("/v1/events", &event).await;
    odin.until("evt_1", &webhook, "succeeded").await;
    rung.kill9().await;
    rung.restart().await;
    assert_eq!(webhook.get().await, before);
    assert_eq!(
        odin.api.post("/v1/events", &event).await.data(202),
        first.data(202)
    );
    assert_eq!(
        odin.delivery("evt_1", &webhook).await.as_deref(),
        Some("succeeded")
    );
    receiver.stays_at(1).await;
}

/// SIGTERM lets attempts in flight finish and be logged; they are not made again.
#[tokio::test]
async fn a_clean_end() {
    let mut rung = rung(&[]).await;
    let receiver = Receiver::start(|_| Answer::status(200).after(Duration::from_millis(700))).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("invoice.paid", json!({})).await;
    receiver.wait_for(1).await;
    let status = rung.terminate().await;
    assert!(status.success(), "{status}: {}", rung.output());
    rung.restart().await;
    tenant.until(&event.id, &webhook, "succeeded").await;
    assert_eq!(webhook.attempts(&event.id).await.len(), 1);
    receiver.stays_at(1).await;
}

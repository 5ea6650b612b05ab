//! Publishing twice is publishing once: a client that got no answer may simply ask again.

use rung_tests::{Published, Receiver, Reply, Tenant};
use serde_json::{Value, json};

use crate::rung;

async fn odin() -> (rung_tests::Rung, Receiver, Tenant, rung_tests::Webhook) {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    (rung, receiver, odin, webhook)
}

#[tokio::test]
async fn the_same_event_again_is_the_same_answer_and_sent_once() {
    let (_rung, receiver, odin, webhook) = odin().await;
    let event = r#"{"id":"evt_1","type":"user.lesson.completed","data":{"a":1,"b":[1,{"c":"é"}]},"metadata":{"m":1}}"#;
    let first = odin.publish_text(event).await;
    first.data(202);
    odin.until("evt_1", &webhook, "succeeded").await;
    // As JSON it is the same: blanks, the order of members and escapes don't matter.
    let again = r#"{ "metadata": {"m": 1}, "data": {"b": [1, {"c": "\u00e9"}], "a": 1},
        "type": "user.lesson.completed", "id": "evt_1" }"#;
    for text in [event, again] {
        let reply = odin.publish_text(text).await;
        assert_eq!(reply.data(202), first.data(202));
    }
    assert_eq!(webhook.attempts("evt_1").await.len(), 1);
    receiver.stays_at(1).await;
}

#[tokio::test]
async fn other_content_under_the_same_id_is_a_conflict() {
    let (_rung, receiver, odin, webhook) = odin().await;
    let event = json!({
        "id": "evt_1", "type": "user.lesson.completed", "data": {"a": 1},
        "timestamp": "2025-10-10T12:30:00Z", "metadata": {"m": 1},
    });
    let first = odin.api.post("/v1/events", &event).await;
    first.data(202);
    for (name, other) in [
        ("type", json!("user.progress.milestone")),
        ("data", json!({"a": 2})),
        ("data", json!({"a": 1, "b": null})),
        ("timestamp", json!("2025-10-10T12:30:01Z")),
        ("timestamp", Value::Null),
        ("metadata", json!({"m": 2})),
        ("metadata", Value::Null),
    ] {
        let mut changed = event.clone();
        if other.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = other;
        }
        odin.api
            .post("/v1/events", &changed)
            .await
            .refused(409, "event_id_reused");
    }
    assert_eq!(
        odin.api.post("/v1/events", &event).await.data(202),
        first.data(202)
    );
    odin.until("evt_1", &webhook, "succeeded").await;
    receiver.stays_at(1).await;
    assert_eq!(receiver.received()[0].json()["data"], json!({"a": 1}));
}

async fn with_key(tenant: &Tenant, key: &str, event: &Value) -> Reply {
    tenant
        .api
        .with_header("Idempotency-Key", key)
        .post("/v1/events", event)
        .await
}

#[tokio::test]
async fn an_idempotency_key_serves_where_there_is_no_id() {
    let (rung, receiver, odin, webhook) = odin().await;
    let event = json!({"type": "user.lesson.completed", "data": {"a": 1}});
    let first = with_key(&odin, "key 1", &event).await;
    let published = Published::new(&first);
    assert_eq!(
        with_key(&odin, "key 1", &event).await.data(202),
        first.data(202)
    );
    let other = json!({"type": "user.lesson.completed", "data": {"a": 2}});
    with_key(&odin, "key 1", &other)
        .await
        .refused(422, "idempotency_mismatch");
    assert_ne!(
        Published::new(&with_key(&odin, "key 2", &event).await).id,
        published.id
    );
    odin.until(&published.id, &webhook, "succeeded").await;
    receiver.wait_for(2).await;
    receiver.stays_at(2).await;

    // Another tenant's key is another key.
    let neighbour = Tenant::create(&rung, "u", "odin").await;
    assert_ne!(
        Published::new(&with_key(&neighbour, "key 1", &event).await).id,
        published.id
    );
}

/// Ids are the tenant's own.
#[tokio::test]
async fn two_tenants_use_the_same_id() {
    let (rung, receiver, odin, _webhook) = odin().await;
    let neighbour = Tenant::create(&rung, "u", "standard").await;
    let beside = Receiver::always(200).await;
    neighbour.webhook(&beside.url("/"), &["*"]).await;
    odin.publish_as("evt_1", "user.lesson.completed", json!({"whose": "odin"}))
        .await;
    neighbour
        .publish_as("evt_1", "invoice.paid", json!({"whose": "neighbour"}))
        .await;
    assert_eq!(
        receiver.wait_for(1).await[0].json()["data"]["whose"],
        "odin"
    );
    assert_eq!(
        beside.wait_for(1).await[0].json()["data"]["whose"],
        "neighbour"
    );
}

/// Racing repeats are one event: one answer for all, one delivery.
#[tokio::test]
async fn concurrent_repeats_are_one_event() {
    let (_rung, receiver, odin, webhook) = odin().await;
    let event = json!({"id": "evt_1", "type": "user.lesson.completed", "data": {"a": 1}});
    let replies =
        futures_util::future::join_all((0..16).map(|_| odin.api.post("/v1/events", &event))).await;
    for reply in &replies {
        assert_eq!(reply.data(202), replies[0].data(202));
    }
    odin.until("evt_1", &webhook, "succeeded").await;
    assert_eq!(webhook.attempts("evt_1").await.len(), 1);
    receiver.stays_at(1).await;
}

/// A batch answers for each event in its place, repeats and refusals among them.
#[tokio::test]
async fn batch_results_are_in_order() {
    let (_rung, receiver, odin, _webhook) = odin().await;
    let event =
        |id: &str, n: u32| json!({"id": id, "type": "user.lesson.completed", "data": {"n": n}});
    let single = odin.api.post("/v1/events", &event("e2", 2)).await;
    let mut events: Vec<Value> = (0..100).map(|n| event(&format!("e{n}"), n)).collect();
    events[50]["type"] = json!("no.such.type");
    events[70] = event("e3", 999);
    let reply = odin
        .api
        .post("/v1/events/batch", &json!({"events": events}))
        .await;
    let results = reply.ok()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 100);
    for (n, result) in results.iter().enumerate() {
        let refused = n == 50 || n == 70;
        assert_eq!(result["success"], !refused, "{n}: {result}");
        if refused {
            assert!(result["error"]["code"].is_string(), "{n}: {result}");
        } else {
            assert_eq!(
                result["data"]["event"]["id"],
                format!("e{n}"),
                "{n}: {result}"
            );
            assert_eq!(result["data"]["deliveries"], 1, "{n}: {result}");
        }
    }
    assert_eq!(
        results[2]["data"],
        *single.data(202),
        "the same answer as before"
    );
    receiver
        .wait_until("all but the refused", |all| all.len() >= 98)
        .await;
    receiver.stays_at(98).await;
    assert_eq!(receiver.event_ids().len(), 98);
}

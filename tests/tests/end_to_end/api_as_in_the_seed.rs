//! The calls of Odin's documentation (document 004), as written there: its customers' scripts keep working when only the
//! host and the key change.

use rung_tests::{Receiver, Tenant, eventually};
use serde_json::{Value, json};

use crate::rung;

const CREATE: &str = r#"{
    "url": "https://your-domain.com/webhooks/odin",
    "events": ["user.lesson.completed", "content.mythology.updated"],
    "description": "Production webhook for user events",
    "secret": "your_webhook_secret_key"
  }"#;

const TEST: &str = r#"{
    "event_type": "user.lesson.completed"
  }"#;

const UPDATE: &str = r#"{
    "events": ["user.lesson.completed", "user.progress.milestone"],
    "status": "active"
  }"#;

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == "2025-10-10T12:30:00.000Z".len() && text.parse::<jiff::Timestamp>().is_ok()
    })
}

#[tokio::test]
async fn creating_listing_updating_and_deleting() {
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "odin", "odin").await;

    let reply = odin
        .api
        .call("POST", "/v1/webhooks")
        .body(CREATE)
        .send()
        .await;
    let created = reply.data(201)["webhook"].clone();
    let id = created["id"].as_str().unwrap();
    assert!(
        id.starts_with("webhook_") && id.len() > "webhook_".len(),
        "{id}"
    );
    assert_eq!(created["url"], "https://your-domain.com/webhooks/odin");
    assert_eq!(
        created["events"],
        json!(["user.lesson.completed", "content.mythology.updated"])
    );
    assert_eq!(created["description"], "Production webhook for user events");
    assert_eq!(created["status"], "active");
    assert!(is_time(&created["created_at"]), "{created}");
    assert_eq!(created["secret"], "your_webhook_secret_key");

    let listed = odin.api.get("/v1/webhooks").await.data(200)["webhooks"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    for field in ["id", "url", "events", "description", "status", "created_at"] {
        assert_eq!(listed[0][field], created[field], "{field}");
    }
    assert!(
        listed[0].get("secret").is_none(),
        "the secret is shown once: {listed}"
    );

    let path = format!("/v1/webhooks/{id}");
    let reply = odin.api.call("PATCH", &path).body(UPDATE).send().await;
    let updated = &reply.data(200)["webhook"];
    assert_eq!(
        updated["events"],
        json!(["user.lesson.completed", "user.progress.milestone"])
    );
    assert_eq!(updated["status"], "active");
    assert_eq!(updated["url"], created["url"]);
    let shown = odin.api.get(&path).await.data(200)["webhook"].clone();
    assert_eq!(shown["events"], updated["events"]);

    odin.api.delete(&path).await.data(200);
    odin.api.get(&path).await.refused(404, "not_found");
    assert_eq!(
        odin.api.get("/v1/webhooks").await.data(200)["webhooks"],
        json!([])
    );
}

#[tokio::test]
async fn sending_a_test_event_and_viewing_the_log() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "odin", "odin").await;
    let body = CREATE.replace(
        "https://your-domain.com/webhooks/odin",
        &receiver.url("/webhooks/odin"),
    );
    let reply = odin
        .api
        .call("POST", "/v1/webhooks")
        .body(body)
        .send()
        .await;
    let webhook_id = reply.data(201)["webhook"]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let test = format!("/v1/webhooks/{webhook_id}/test");
    let reply = odin.api.call("POST", &test).body(TEST).send().await;
    reply.ok();
    assert!(
        reply.text.contains("200"),
        "the attempt's outcome is told: {}",
        reply.text
    );
    let arrived = receiver.wait_for(1).await.remove(0);
    assert_eq!(arrived.path, "/webhooks/odin");
    assert_eq!(arrived.must("rung-test"), "true");
    let sample = arrived.json();
    assert_eq!(sample["type"], "user.lesson.completed");
    assert_eq!(sample["data"]["lesson_title"], "Introduction to Old Norse");
    assert_eq!(sample["data"]["exercises_total"], 12);

    let event = json!({
        "id": "evt_001",
        "type": "user.lesson.completed",
        "timestamp": "2025-10-10T12:30:00Z",
        "data": {"user_id": "user_xyz789", "lesson_id": "lesson_non_01"},
    });
    odin.api.post("/v1/events", &event).await.data(202);
    let arrived = receiver.wait_for(2).await.remove(1);
    assert!(
        arrived.header("rung-test").is_none(),
        "{:?}",
        arrived.headers
    );

    let logs = format!("/v1/webhooks/{webhook_id}/logs");
    let log = eventually("the log entry of evt_001", async || {
        let reply = odin.api.get(&logs).await;
        let logs = reply.data(200)["logs"].as_array().unwrap().clone();
        logs.into_iter().find(|log| log["event_id"] == "evt_001")
    })
    .await;
    assert!(log["id"].as_str().unwrap().starts_with("log_"), "{log}");
    assert_eq!(log["event_type"], "user.lesson.completed");
    assert!(is_time(&log["delivered_at"]), "{log}");
    assert_eq!(log["response_status"], 200);
    assert!(log["response_time_ms"].is_u64(), "{log}");
    assert_eq!(log["attempt"], 1);
    // What the log says beyond the document.
    assert_eq!(log["status"], "succeeded");
    assert_eq!(log["trigger"], "event");
    assert!(is_time(&log["attempted_at"]), "{log}");
    assert!(log["delivery_id"].is_string(), "{log}");
    assert!(
        log["error"].is_null() && log["next_attempt_at"].is_null(),
        "{log}"
    );

    let id = log["id"].as_str().unwrap();
    let whole = odin.api.get(&format!("{logs}/{id}")).await.data(200)["log"].clone();
    assert_eq!(whole["request"]["url"], receiver.url("/webhooks/odin"));
    assert_eq!(whole["request"]["body"], arrived.text());
    assert_eq!(whole["response"]["status"], 200);
    assert_eq!(whole["response"]["body"], "OK");
}

#[tokio::test]
async fn the_documented_payload_is_what_arrives() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "odin", "odin").await;
    odin.webhook(&receiver.url("/"), &["user.lesson.completed"])
        .await;
    let published = odin
        .publish_text(
            r#"{
                "id": "evt_abc123", "type": "user.lesson.completed", "timestamp": "2025-10-10T12:30:00Z",
                "data": {
                    "user_id": "user_xyz789", "lesson_id": "lesson_non_01", "language": "non",
                    "score": 95, "completion_time_seconds": 450
                }
            }"#,
        )
        .await;
    assert_eq!(published.data(202)["event"]["id"], "evt_abc123");
    let arrived = receiver.wait_for(1).await.remove(0);
    let body = arrived.text();
    let request_id = arrived.json()["metadata"]["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(request_id.starts_with("req_"), "{request_id}");
    let expected = format!(
        r#"{{"id":"evt_abc123","type":"user.lesson.completed","created_at":"2025-10-10T12:30:00Z","data":{{"user_id":"user_xyz789","lesson_id":"lesson_non_01","language":"non","score":95,"completion_time_seconds":450}},"metadata":{{"api_version":"v1","request_id":"{request_id}"}}}}"#
    );
    assert_eq!(body, expected);
}

//! Every call that the document of Odin shows, as it is written there.

use serde_json::json;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn every_call_of_the_document_works_as_written() {
    let world = World::new().await;
    let odin = world.tenant("odin", "odin", "pro").await;

    let webhook = json!({
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content.mythology.updated"],
        "description": "Production webhook for user events",
        "secret": "your_webhook_secret_key",
    });
    let made = world
        .send(&odin, "POST", "/v1/webhooks", webhook.clone())
        .await;
    let made = &made.data(201)["webhook"];
    for (name, value) in webhook.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_eq!(made["status"], "active");
    assert_eq!(made["created_at"], "2025-10-09T08:53:20.000Z");
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("webhook_"));

    let path = format!("/v1/webhooks/{id}/test");
    let test = json!({"event_type": "user.lesson.completed"});
    let tested = world.send(&odin, "POST", &path, test).await;
    let tested = &tested.data(200)["log"];
    assert_eq!(tested["status"], "succeeded");
    assert_eq!(tested["trigger"], "test");

    let logs = world.get(&odin, &format!("/v1/webhooks/{id}/logs")).await;
    let log = &logs.data(200)["logs"][0];
    assert_eq!(log["event_type"], "user.lesson.completed");
    assert_eq!(log["response_status"], 200);
    assert_eq!(log["attempt"], 1);
    for field in ["id", "event_id", "delivered_at"] {
        assert!(log[field].is_string(), "{field}: {log}");
    }
    assert!(log["response_time_ms"].is_u64());

    let listed = world.get(&odin, "/v1/webhooks").await;
    assert_eq!(listed.data(200)["webhooks"][0]["id"], id);

    let path = format!("/v1/webhooks/{id}");
    let change = json!({
        "events": ["user.lesson.completed", "user.progress.milestone"],
        "status": "active",
    });
    let changed = world.send(&odin, "PATCH", &path, change.clone()).await;
    assert_eq!(changed.data(200)["webhook"]["events"], change["events"]);

    world.send_text(&odin, "DELETE", &path, "").await.data(200);
    world.get(&odin, &path).await.assert_error(404, "not_found");
}

//! Webhooks: what is taken, kept, shown and refused.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::world::{As, World};

#[tokio::test(start_paused = true)]
async fn a_secret_is_made_when_none_is_given_and_shown_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let made = &made.data(201)["webhook"];
    let secret = made["secret"].as_str().unwrap();
    let bytes = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    assert_eq!(bytes.len(), 32);

    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for shown in [
        world.get(&tenant, &path).await,
        world.get(&tenant, "/v1/webhooks").await,
        world
            .send(&tenant, "PATCH", &path, json!({"name": "n"}))
            .await,
    ] {
        assert!(!shown.body.to_string().contains(secret), "{}", shown.body);
    }
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_of_a_webhook_are_answered_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let refused = world
        .send(
            &tenant,
            "POST",
            "/v1/webhooks",
            json!({
                "url": "http://127.0.0.1/", "events": ["user.lesson.complete"], "secret": "", "id": "webhook_1",
                "headers": {"X-Odin-Signature": "x"}, "metadata": [], "retries": 3,
            }),
        )
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(
        refused.fields(),
        [
            "url",
            "events",
            "secret",
            "headers.X-Odin-Signature",
            "metadata",
            "id",
            "retries"
        ]
    );
    let events = refused.body["error"]["details"][1]["problem"]
        .as_str()
        .unwrap();
    assert!(events.contains("user.lesson.completed"), "{events}");

    for (text, status, code) in [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("[]", 422, "invalid_request"),
        (r#"{"url": 1, "url": 2}"#, 422, "invalid_request"),
    ] {
        let refused = world.send_text(&tenant, "POST", "/v1/webhooks", text).await;
        refused.assert_error(status, code);
    }
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(256 * 1024));
    let refused = world
        .send_text(&tenant, "POST", "/v1/webhooks", &large)
        .await;
    refused.assert_error(413, "payload_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_what_it_does_not_name_and_null_clears() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({
        "url": "https://example.com/hook", "events": ["a.b"], "name": "n", "description": "d",
        "headers": {"X-Team": "red"}, "metadata": {"k": [1, "2"]},
    });
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let made = made.data(201)["webhook"].clone();
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());

    let change = json!({"url": "https://example.com/other", "name": null, "headers": null});
    let changed = world.send(&tenant, "PATCH", &path, change).await;
    let changed = &changed.data(200)["webhook"];
    assert_eq!(changed["url"], "https://example.com/other");
    assert_eq!(changed["name"], Value::Null);
    assert_eq!(changed["headers"], json!({}));
    for kept in [
        "events",
        "description",
        "metadata",
        "status",
        "created_at",
        "dialect",
    ] {
        assert_eq!(changed[kept], made[kept], "{kept}");
    }
    assert_eq!(
        world.get(&tenant, &path).await.data(200)["webhook"],
        *changed
    );

    let refused = world
        .send(
            &tenant,
            "PATCH",
            &path,
            json!({"url": null, "events": [], "dialect": null}),
        )
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["dialect", "events", "url"]);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_disabled_and_activated_by_hand() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.pass(1_500).await;
    let disabled = world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await;
    let disabled = &disabled.data(200)["webhook"];
    assert_eq!(disabled["disabled_at"], "2025-10-09T08:53:21.5Z");
    assert_eq!(
        disabled["disabled_reason"],
        json!({"reason": "manual", "log_ids": []})
    );
    world.pass(1_500).await;
    let again = world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await;
    assert_eq!(
        again.data(200)["webhook"]["disabled_at"],
        disabled["disabled_at"]
    );
    let active = world
        .send(&tenant, "PATCH", &path, json!({"status": "active"}))
        .await;
    assert_eq!(active.data(200)["webhook"]["disabled_at"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn the_operator_brings_webhooks_along_and_updates_them_by_their_ids() {
    let world = World::new().await;
    world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = json!({
        "id": "wh-old-7", "url": "https://example.com/hook", "events": ["user"], "secret": "theirs",
        "status": "disabled", "created_at": "2020-01-01T00:00:00Z", "dialect": "patra",
        "name": "old",
    });
    let refused = world
        .send(&operator, "POST", "/v1/webhooks", webhook.clone())
        .await;
    assert_eq!(
        refused.fields(),
        ["events"],
        "the webhook's own dialect counts"
    );

    let mut webhook = webhook;
    webhook["events"] = json!(["card"]);
    let made = world
        .send(&operator, "POST", "/v1/webhooks", webhook.clone())
        .await;
    let made = &made.data(201)["webhook"];
    for name in ["id", "status", "created_at", "dialect", "secret"] {
        assert_eq!(made[name], webhook[name], "{name}");
    }

    let again = json!({"id": "wh-old-7", "url": "https://example.com/new", "events": ["*"]});
    let updated = world.send(&operator, "POST", "/v1/webhooks", again).await;
    let updated = &updated.data(200)["webhook"];
    assert_eq!(updated["url"], "https://example.com/new");
    for kept in ["status", "created_at", "dialect", "secret", "name"] {
        assert_eq!(updated[kept], webhook[kept], "{kept}");
    }
    let listed = world.get(&operator, "/v1/webhooks").await;
    assert_eq!(listed.data(200)["webhooks"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_is_that_of_the_tenants_dialect() {
    let world = World::new().await;
    let odin = world.tenant("odin", "odin", "pro").await;
    let types = world.get(&odin, "/v1/event-types").await;
    let types = types.data(200)["event_types"].as_array().unwrap().clone();
    assert_eq!(types.len(), 9);
    assert_eq!(types[0]["group"], "user");
    assert!(types.iter().all(|listed| listed["sample"].is_object()));
    let one = world
        .get(&odin, "/v1/event-types/api.rate_limit.warning")
        .await;
    assert_eq!(one.data(200)["event_type"]["sample"]["limit"], 10000);
    world
        .get(&odin, "/v1/event-types/unknown")
        .await
        .assert_error(404, "not_found");

    let open = world.tenant("open", "standard", "pro").await;
    let one = world.get(&open, "/v1/event-types/any/thing.at-all").await;
    assert_eq!(one.data(200)["event_type"]["type"], "any/thing.at-all");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_made_anew_gets_nothing_of_its_former_life() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = json!({"id": "w", "url": "https://example.com/hook", "events": ["*"]});
    let make = || world.send(&operator, "POST", "/v1/webhooks", webhook.clone());
    make().await.data(201);
    world.answer(500);
    world
        .send(
            &operator,
            "POST",
            "/v1/events",
            json!({"type": "a.b", "data": {}}),
        )
        .await
        .data(202);
    world.pass(1_000).await;
    let log = || world.get(&operator, "/v1/webhooks/w/logs");
    let attempts = |log: &Value| log["logs"].as_array().unwrap().len();
    let before = log().await;
    assert_eq!(attempts(before.data(200)), 1);
    let former = before.data(200)["logs"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    world
        .send_text(&operator, "DELETE", "/v1/webhooks/w", "")
        .await
        .data(200);
    make().await.data(201);
    world.pass(3_600_000).await;
    assert_eq!(attempts(log().await.data(200)), 0);
    world
        .get(&operator, &format!("/v1/webhooks/w/logs/{former}"))
        .await
        .assert_error(404, "not_found");
}

/// A client that heard no answer asks again, and has one webhook.
#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_webhook() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let other = world.tenant("other", "odin", "pro").await;
    let keyed = tenant.clone().with_idempotency_key("k");
    let webhook = json!({"url": "https://example.com/", "events": ["user"], "name": "One"});
    let make = async |who: &As, webhook: &Value| {
        world.pass(1_000).await;
        world
            .send(who, "POST", "/v1/webhooks", webhook.clone())
            .await
    };
    let made = make(&keyed, &webhook).await;
    let made = &made.data(201)["webhook"];
    assert!(made["secret"].is_string());
    assert_eq!(make(&keyed, &webhook).await.data(201)["webhook"], *made);
    let others = make(&other.with_idempotency_key("k"), &webhook).await;
    assert_ne!(others.data(201)["webhook"]["id"], made["id"]);
    let listed = world.get(&tenant, "/v1/webhooks").await;
    assert_eq!(listed.data(200)["webhooks"].as_array().unwrap().len(), 1);

    // Under the same key there is no other one, nor is this one changed.
    let another = json!({"url": "https://example.com/another", "events": ["user"]});
    let refused = make(&keyed, &another).await;
    refused.assert_error(422, "idempotency_mismatch");
    assert_eq!(refused.fields(), ["Idempotency-Key"]);
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let present = world.get(&tenant, &path).await;
    assert_eq!(present.data(200)["webhook"]["url"], "https://example.com/");
    let invalid = make(&keyed, &json!({"url": "https://example.com/"})).await;
    invalid.assert_error(422, "invalid_request");

    // The operator's id goes before the key, and still names one to update.
    let operator = As::operator_for("acme").with_idempotency_key("k");
    let mut import = another;
    import["id"] = made["id"].clone();
    import["status"] = "active".into();
    let updated = make(&operator, &import).await;
    let updated = &updated.data(200)["webhook"];
    assert_eq!(
        (&updated["id"], &updated["url"]),
        (&made["id"], &import["url"])
    );

    world
        .send_text(&tenant, "DELETE", &path, "")
        .await
        .data(200);
    let anew = make(&keyed, &webhook).await;
    let anew = &anew.data(201)["webhook"];
    assert_eq!((&anew["id"], &anew["name"]), (&made["id"], &made["name"]));
    assert_ne!(anew["secret"], made["secret"]);
}

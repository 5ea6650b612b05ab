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
            "events[0]",
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
    assert_eq!(
        disabled["disabled"],
        json!({"at": "2025-10-09T08:53:21.500Z", "code": "manual", "log_ids": []})
    );
    assert_eq!(disabled["health"], "disabled");
    world.pass(1_500).await;
    let again = world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await;
    assert_eq!(
        again.data(200)["webhook"]["disabled"]["at"],
        disabled["disabled"]["at"]
    );
    let active = world
        .send(&tenant, "PATCH", &path, json!({"status": "active"}))
        .await;
    let active = &active.data(200)["webhook"];
    assert_eq!(active["disabled"], Value::Null);
    assert_eq!(active["health"], "healthy");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_may_be_created_disabled() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let create = async |status: &str| {
        let webhook = json!({"url": "https://example.com/hook", "events": ["*"], "status": status});
        world.send(&tenant, "POST", "/v1/webhooks", webhook).await
    };
    let made = create("disabled").await;
    let made = &made.data(201)["webhook"];
    assert_eq!(
        (&made["status"], &made["disabled"]["code"]),
        (&json!("disabled"), &json!("manual"))
    );
    let event = json!({"type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(published.data(202)["deliveries"], 0);
    world.pass(1_000).await;
    assert_eq!(world.posts(), 0);
    assert_eq!(
        create("active").await.data(201)["webhook"]["status"],
        "active"
    );
    let refused = create("paused").await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["status"]);
}

#[tokio::test(start_paused = true)]
async fn the_operator_brings_webhooks_along_and_updates_them_by_their_ids() {
    let world = World::new().await;
    world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = json!({
        "id": "wh-old-7", "url": "https://example.com/hook", "events": ["user"], "secret": "theirs",
        "status": "disabled", "created_at": "2020-01-01T00:00:00.000Z", "dialect": "patra",
        "name": "old",
    });
    let refused = world
        .send(&operator, "POST", "/v1/webhooks", webhook.clone())
        .await;
    assert_eq!(
        refused.fields(),
        ["events[0]"],
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

    // A mistyped id changes nobody's webhook.
    let path = "/v1/webhooks/wh-old-7";
    let again = json!({"id": "wh-old-7", "url": "https://example.com/new", "events": ["*"]});
    let taken = world
        .send(&operator, "POST", "/v1/webhooks", again.clone())
        .await;
    taken.assert_error(409, "id_taken");
    assert_eq!(taken.fields(), ["id"]);
    let present = world.get(&operator, path).await;
    assert_eq!(present.data(200)["webhook"]["url"], webhook["url"]);

    let replaced = world.send(&operator, "PUT", path, again).await;
    let replaced = &replaced.data(200)["webhook"];
    assert_eq!(replaced["url"], "https://example.com/new");
    assert_eq!(replaced["created_at"], webhook["created_at"]);
    // A stored secret is kept, and reading it is a call of its own.
    assert_eq!(replaced.get("secret"), None);
    let stored = world.get(&operator, &format!("{path}/secret")).await;
    assert_eq!(stored.data(200)["secret"], webhook["secret"]);
    // What is left out gets its default.
    assert_eq!(
        (&replaced["name"], &replaced["status"]),
        (&Value::Null, &json!("active"))
    );
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
    let of_user = |listed: &&Value| listed["groups"] == json!(["user"]);
    assert!(types.iter().any(|listed| of_user(&listed)));
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
    world
        .get(&open, "/v1/event-types/any/thing.at-all")
        .await
        .assert_error(404, "not_found");
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
    world.pass(60_000).await;
    let shown = || world.get(&operator, "/v1/webhooks/w");
    let last = shown().await.data(200)["webhook"]["last_failure"].clone();
    assert!(last["log_id"].is_string(), "{last}");

    world
        .send_text(&operator, "DELETE", "/v1/webhooks/w", "")
        .await
        .data(200);
    make().await.data(201);
    // In the same hour.
    let last = shown().await.data(200)["webhook"]["last_failure"].clone();
    assert_eq!(last, json!(null));
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

    // A client of the operator's has a key in each request, also where it brings an id along.
    let operator = As::operator_for("acme").with_idempotency_key("brought");
    let mut import = another;
    import["id"] = "wh_1".into();
    let brought = make(&operator, &import).await;
    assert_eq!(brought.data(201), make(&operator, &import).await.data(201));
    let unnamed = make(&As::operator_for("acme"), &import).await;
    unnamed.assert_error(409, "id_taken");
}

/// A secret that is brought along signs on, or it is said that it cannot.
#[tokio::test(start_paused = true)]
async fn old_secrets_that_cannot_sign_are_refused_at_an_import() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let old = |secret: &str| json!({"secret": secret, "expires_at": "2025-10-10T00:00:00.000Z"});
    let good = format!("whsec_{}", "A".repeat(32));
    let import = |old_secrets: Value| json!({"url": "https://example.com/", "events": ["*"], "old_secrets": old_secrets});
    let path = "/v1/webhooks/wh_1";
    let wrong = import(json!([old(&good), old("short")]));
    let refused = world.send(&operator, "PUT", path, wrong).await;
    refused.assert_error(422, "invalid_secret");
    assert_eq!(refused.fields(), ["old_secrets[1].secret"]);
    let right = import(json!([old(&good)]));
    let made = world.send(&operator, "PUT", path, right).await;
    assert_eq!(
        made.data(201)["webhook"]["old_secret_expires_at"],
        "2025-10-10T00:00:00.000Z"
    );
}

/// A webhook that another deployment has exported, secrets and all.
#[tokio::test(start_paused = true)]
async fn a_webhook_is_imported_whole_under_its_id() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let path = "/v1/webhooks/wh_1";
    let import = json!({
        "id": "wh_1", "tenant_id": "acme", "url": "https://example.com/a", "events": ["user"], "name": "One",
        "secret": "now", "old_secrets": [{"secret": "before", "expires_at": "2025-10-10T00:00:00.000Z"}],
        "metadata": {"a": 1}, "secret_headers": {"Authorization": "x"}, "rate_limit_per_second": 5,
        "max_in_flight": 1, "keep_alive": false,
        "status": "disabled", "created_at": "2024-05-01T12:00:00.000Z", "health": "failing", "disabled": null,
    });
    let only_new = As::operator_for("acme").when("if-none-match", "*");
    let made = world.send(&only_new, "PUT", path, import.clone()).await;
    assert_eq!(made.headers["location"], path);
    let made = &made.data(201)["webhook"];
    for name in [
        "id",
        "tenant_id",
        "url",
        "name",
        "secret",
        "metadata",
        "status",
        "max_in_flight",
        "keep_alive",
    ] {
        assert_eq!(made[name], import[name], "{name}");
    }
    assert_eq!(made["secret_headers"], json!(["Authorization"]));
    assert_eq!(made["disabled"]["code"], "manual");
    assert_eq!(
        made["signatures"],
        json!([{"header": "X-Odin-Signature", "scheme": "hmac-sha256"}])
    );
    assert_eq!(made["old_secret_expires_at"], "2025-10-10T00:00:00.000Z");
    let secrets = world.get(&operator, &format!("{path}/secret")).await;
    assert_eq!(secrets.data(200)["old_secrets"][0]["secret"], "before");
    // Whoever brings no secret keeps those that are there; whoever brings one brings all.
    let old_secrets = async |without: &[&str]| {
        let mut import = import.clone();
        for name in without {
            import.as_object_mut().unwrap().remove(*name);
        }
        let replaced = world.send(&operator, "PUT", path, import).await;
        replaced.data(200);
        let secrets = world.get(&operator, &format!("{path}/secret")).await;
        let secrets = secrets.data(200);
        assert_eq!(secrets["secret"], "now");
        secrets["old_secrets"].as_array().unwrap().len()
    };
    assert_eq!(old_secrets(&["secret", "old_secrets"]).await, 1);
    assert_eq!(old_secrets(&["old_secrets"]).await, 0);
    assert_eq!(old_secrets(&["secret"]).await, 1);
    let there = world.send(&only_new, "PUT", path, import.clone()).await;
    there.assert_error(412, "precondition_failed");
    assert_eq!(there.fields(), ["If-None-Match"]);
    for wrong in ["a.b".to_owned(), "x".repeat(65)] {
        let path = format!("/v1/webhooks/{wrong}");
        let refused = world.send(&operator, "PUT", &path, import.clone()).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["id"]);
    }
    for (wrong, field, code) in [
        (json!({"id": "wh_2"}), "id", "invalid_request"),
        (
            json!({"tenant_id": "other"}),
            "tenant_id",
            "tenant_mismatch",
        ),
        (
            json!({"old_secrets": [{"secret": "x"}]}),
            "old_secrets",
            "invalid_request",
        ),
        (json!({"colour": 1}), "colour", "unknown_field"),
    ] {
        let mut body = import.clone();
        body.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let refused = world.send(&operator, "PUT", path, body).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field]);
    }
    let own = world.send(&tenant, "PUT", path, import).await;
    own.assert_error(403, "forbidden");
}

/// What becomes of a webhook by itself makes another answer, and no other version.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_began_to_fail_is_news_and_can_be_changed_all_the_same() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let read = world.get(&tenant, &path).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let unless = tenant.clone().when("if-none-match", &tag);
    assert_eq!(world.get(&unless, &path).await.status, 304);
    world.answer(500);
    let event = json!({"type": "user.lesson.completed", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event);
    published.await.data(202);
    world.pass(1_000).await;
    let news = world.get(&unless, &path).await;
    assert_eq!(news.data(200)["webhook"]["health"], "failing");
    let from = tenant.clone().when("if-match", &tag);
    let change = world.send(&from, "PATCH", &path, json!({"name": "n"}));
    change.await.data(200);
    // Nobody sets a key; a change may only repeat it.
    let change = json!({"public_key": "whpk_x"});
    let refused = world.send(&tenant, "PATCH", &path, change).await;
    refused.assert_error(422, "read_only");
    assert_eq!(refused.fields(), ["public_key"]);
}

/// Two clients that edit one webhook: the second one is told that the first was there.
#[tokio::test(start_paused = true)]
async fn a_change_goes_through_only_from_the_version_that_was_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let read = world.get(&tenant, &path).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let from = |tag: &str| tenant.clone().when("if-match", tag);
    let change = |name: &str| json!({ "name": name });
    let first = world
        .send(&from(&tag), "PATCH", &path, change("first"))
        .await;
    first.data(200);
    let tag_after = first.headers["etag"].to_str().unwrap().to_owned();
    assert_ne!(tag_after, tag);
    for stale in [tag.as_str(), "\"nonsense\"", "nonsense"] {
        let second = world
            .send(&from(stale), "PATCH", &path, change("second"))
            .await;
        second.assert_error(412, "precondition_failed");
        assert_eq!(second.fields(), ["If-Match"]);
        let deleted = world.send_text(&from(stale), "DELETE", &path, "").await;
        deleted.assert_error(412, "precondition_failed");
    }
    let shown = world.get(&tenant, &path).await;
    assert_eq!(shown.data(200)["webhook"]["name"], "first");
    assert_eq!(shown.headers["etag"], tag_after.as_str());
    world
        .send(&from("*"), "PATCH", &path, change("third"))
        .await
        .data(200);
}

/// A client that reads a webhook, changes a member, and sends all of it back.
#[tokio::test(start_paused = true)]
async fn what_was_read_can_be_sent_back_and_maps_are_merged() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({
        "url": "https://example.com/", "events": ["user"], "metadata": {"a": "1", "b": {"c": 1, "d": 2}},
        "headers": {"X-A": "1", "X-B": "2"}, "secret_headers": {"Authorization": "s"},
    });
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = made.headers["location"].to_str().unwrap().to_owned();
    let shown = async || world.get(&tenant, &path).await.data(200)["webhook"].clone();
    let mut whole = shown().await;
    whole["name"] = json!("changed");
    let changed = world.send(&tenant, "PATCH", &path, whole.clone()).await;
    assert_eq!(changed.data(200)["webhook"], whole);
    let patch = json!({
        "metadata": {"a": null, "b": {"c": null, "e": 3}, "f": "2"},
        "headers": {"X-A": null, "X-C": "3"},
    });
    let changed = world.send(&tenant, "PATCH", &path, patch).await;
    let changed = &changed.data(200)["webhook"];
    assert_eq!(
        changed["metadata"],
        json!({"b": {"d": 2, "e": 3}, "f": "2"})
    );
    assert_eq!(changed["headers"], json!({"X-B": "2", "X-C": "3"}));
    for (wrong, field) in [
        (json!({"id": "other"}), "id"),
        (json!({"tenant_id": "other"}), "tenant_id"),
        (json!({"created_at": "2020-01-01T00:00:00Z"}), "created_at"),
        (json!({"signatures": []}), "signatures"),
    ] {
        let refused = world.send(&tenant, "PATCH", &path, wrong).await;
        refused.assert_error(422, "read_only");
        assert_eq!(refused.fields(), [field]);
    }
    assert_eq!(shown().await["name"], "changed");
}

/// As the webhook has it, else as its dialect has it. A retry never takes a connection that was used before.
#[tokio::test(start_paused = true)]
async fn a_webhook_says_whether_connections_are_used_again() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    for (given, fresh) in [
        (json!(null), false),
        (json!(false), true),
        (json!(true), false),
    ] {
        let change = json!({"keep_alive": given});
        let changed = world.send(&tenant, "PATCH", &path, change).await;
        assert_eq!(changed.data(200)["webhook"]["keep_alive"], given);
        let tested = world
            .send_text(&tenant, "POST", &format!("{path}/test"), "")
            .await;
        tested.data(200);
        assert_eq!(world.last_post().fresh, fresh, "{given}");
    }
    for wrong in [json!("false"), json!(0)] {
        let refused = world
            .send(&tenant, "PATCH", &path, json!({"keep_alive": wrong}))
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["keep_alive"]);
    }
    world.answer(500);
    let event = json!({"type": "a.b", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    assert_eq!(world.posts(), 4);
    assert!(!world.last_post().fresh);
    world.pass(60_000).await;
    assert_eq!(world.posts(), 5);
    assert!(world.last_post().fresh);
}

/// As on the wire: the URL's characters, and what signed.
#[tokio::test(start_paused = true)]
async fn the_log_has_what_was_sent() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({"url": "https://Example.COM/ü?q=ä", "events": ["user"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(
        made.data(201)["webhook"]["url"],
        "https://Example.COM/ü?q=ä"
    );
    let tested = world
        .send_text(&tenant, "POST", &format!("{path}/test"), "")
        .await;
    let tested = &tested.data(200)["log"];
    let signatures = json!([
        {"header": "X-Odin-Signature", "scheme": "hmac-sha256"},
        {"header": "webhook-signature", "scheme": "v1"},
    ]);
    assert_eq!(tested["signatures"], signatures);
    assert_eq!(made.data(201)["webhook"]["signatures"], signatures);
    let log = format!("{path}/logs/{}", tested["id"].as_str().unwrap());
    let log = world.get(&tenant, &log).await;
    let log = &log.data(200)["log"];
    assert_eq!(log["signatures"], signatures);
    assert_eq!(log["request"]["url"], "https://example.com/%C3%BC?q=%C3%A4");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_pair_shows_its_public_key_while_it_signs() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/", "events": ["*"], "signing": "v1a"});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = made.headers["location"].to_str().unwrap().to_owned();
    let first = made.data(201)["webhook"]["public_key"].clone();
    assert!(first.as_str().unwrap().starts_with("whpk_"));
    assert_eq!(made.data(201)["webhook"]["old_public_keys"], json!([]));
    let rotate = format!("{path}/rotate-secret");
    let shared = json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "overlap_seconds": 60});
    let rotated = world.send(&tenant, "POST", &rotate, shared).await;
    let rotated = &rotated.data(200)["webhook"];
    assert_eq!(rotated["public_key"], first);
    assert_eq!(rotated["old_public_keys"], json!([first]));
    world.pass(61_000).await;
    let shown = world.get(&tenant, &path).await;
    assert_eq!(shown.data(200)["webhook"]["public_key"], Value::Null);
    assert_eq!(shown.data(200)["webhook"]["old_public_keys"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_failing_webhook_says_so_until_it_succeeds() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.webhook(&tenant).await;
    let failing = async || {
        let listed = world.get(&tenant, "/v1/webhooks?health=failing").await;
        listed.data(200)["webhooks"].as_array().unwrap().len()
    };
    assert_eq!(failing().await, 0);
    world.answer(500);
    let event = json!({"type": "a.b", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    assert_eq!(failing().await, 2);
    let webhook = world.get(&tenant, &path).await;
    let webhook = &webhook.data(200)["webhook"];
    assert_eq!(webhook["health"], "failing");
    assert!(webhook["failing_since"].is_string(), "{webhook}");
    world.answer(200);
    world.pass(60_000).await;
    assert_eq!(failing().await, 0);
    let webhook = world.get(&tenant, &path).await;
    assert_eq!(webhook.data(200)["webhook"]["failing_since"], Value::Null);
}

/// The customer's program sets the status with each change: that must not keep a dead endpoint from being disabled.
#[tokio::test(start_paused = true)]
async fn an_active_webhook_that_is_set_active_keeps_its_failures() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.answer(500);
    let event = json!({"type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(1_000).await;
    let before = world.get(&tenant, &path).await;
    let before = before.data(200)["webhook"].clone();
    assert_eq!(before["health"], "failing");
    world.pass(60_000).await;
    let active = json!({"status": "active", "name": "n"});
    let changed = world.send(&tenant, "PATCH", &path, active).await;
    let changed = &changed.data(200)["webhook"];
    for name in ["health", "failing_since"] {
        assert_eq!(changed[name], before[name], "{name}");
    }
    // One that was disabled begins anew.
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        let changed = world.send(&tenant, "PATCH", &path, change).await;
        changed.data(200);
    }
    let anew = world.get(&tenant, &path).await;
    assert_eq!(anew.data(200)["webhook"]["failing_since"], Value::Null);
}

/// It costs no write: the rows of the statistics carry it.
#[tokio::test(start_paused = true)]
async fn a_webhook_tells_when_it_last_succeeded_and_what_failed_last() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let last = async || {
        let one = world.get(&tenant, &path).await;
        let one = one.data(200)["webhook"].clone();
        let listed = world.get(&tenant, "/v1/webhooks").await;
        assert_eq!(listed.data(200)["webhooks"][0], one);
        (one["last_success_at"].clone(), one["last_failure"].clone())
    };
    let publish = async |status: u16| {
        world.answer(status);
        let event = json!({"type": "a.b", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(1_000).await;
    };
    assert_eq!(last().await, (Value::Null, Value::Null));
    publish(500).await;
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let failed = logs.data(200)["logs"][0].clone();
    let failure = json!({
        "at": failed["delivered_at"], "error_code": "status", "log_id": failed["id"],
    });
    assert_eq!(last().await, (Value::Null, failure));
    // Five hours later, in another row; the retries that are left fail no more.
    world.answer(200);
    world.pass(5 * 3_600_000).await;
    publish(200).await;
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let entries = logs.data(200)["logs"].as_array().unwrap().clone();
    let (success_at, _) = last().await;
    assert_eq!(success_at, entries[0]["delivered_at"]);
    let failed = entries.iter().find(|entry| entry["status"] == "failed");
    let (_, failure) = last().await;
    assert_eq!(failure["log_id"], failed.unwrap()["id"]);

    // A change answers them too, and one that is made again under the same id has none.
    let named = json!({"name": "n"});
    let changed = world.send(&tenant, "PATCH", &path, named).await;
    assert_eq!(changed.data(200)["webhook"]["last_success_at"], success_at);
    world.send_text(&tenant, "DELETE", &path, "").await;
    let whole = json!({"url": "https://example.com/", "events": ["*"]});
    let operator = As::operator_for("acme");
    world.pass(3_600_000).await;
    let made = world.send(&operator, "PUT", &path, whole).await;
    assert_eq!(made.data(201)["webhook"]["last_failure"], Value::Null);
    assert_eq!(last().await, (Value::Null, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_made_again_lists_no_delivery_of_its_former_life() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let path = "/v1/webhooks/wh_1";
    let whole = json!({"url": "https://example.com/", "events": ["*"]});
    let put = async || world.send(&operator, "PUT", path, whole.clone()).await;
    put().await.data(201);
    world.answer(500);
    for _ in 0..2 {
        let event = json!({"type": "a.b", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.pass(60_000).await;
    let listed = async || {
        let listed = world.get(&tenant, &format!("{path}/deliveries")).await;
        listed.data(200)["deliveries"].as_array().unwrap().len()
    };
    assert_eq!(listed().await, 2);
    world.send_text(&tenant, "DELETE", path, "").await.data(200);
    put().await.data(201);
    assert_eq!(listed().await, 0);
    // The job has erased what was erasable.
    world.pass(2 * 3_600_000).await;
    assert_eq!(listed().await, 0);
}

/// An `Idempotency-Key` is no key to the secret that is in force.
#[tokio::test(start_paused = true)]
async fn a_repeat_shows_the_secret_that_was_made_for_a_day_and_no_later_one() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/", "events": ["*"]});
    let keyed = tenant.clone().with_idempotency_key("k");
    let make = async || {
        let made = world
            .send(&keyed, "POST", "/v1/webhooks", webhook.clone())
            .await;
        made.data(201)["webhook"].clone()
    };
    let first = make().await;
    let path = format!(
        "/v1/webhooks/{}/rotate-secret",
        first["id"].as_str().unwrap()
    );
    world
        .send(&tenant, "POST", &path, json!({"overlap_seconds": 0}))
        .await
        .data(200);
    assert_eq!(make().await, first);
    world.pass(24 * 3_600_000 - 1_000).await;
    assert_eq!(make().await, first);
    world.pass(1_000).await;
    let late = make().await;
    assert_eq!((&late["id"], late.get("secret")), (&first["id"], None));
}

/// Forms send an empty text where nothing was filled in.
#[tokio::test(start_paused = true)]
async fn an_empty_text_is_none() {
    let world = World::new().await;
    let (operator, tenant) = (
        As::operator(),
        world.tenant("acme", "standard", "pro").await,
    );
    let hook = |text: &str| json!({"url": "https://example.com/", "events": ["*"], "name": text, "description": text});
    let made = world.send(&tenant, "POST", "/v1/webhooks", hook("")).await;
    let made = made.data(201)["webhook"].clone();
    assert_eq!(
        (&made["name"], &made["description"]),
        (&Value::Null, &Value::Null)
    );
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let acme = As::operator_for("acme");
    for (method, by) in [("PATCH", &tenant), ("PUT", &acme)] {
        let named = world.send(by, method, &path, hook("x")).await;
        assert_eq!(named.data(200)["webhook"]["name"], "x");
        let cleared = world.send(by, method, &path, hook("")).await;
        let cleared = &cleared.data(200)["webhook"];
        assert_eq!(
            (&cleared["name"], &cleared["description"]),
            (&Value::Null, &Value::Null)
        );
    }

    let keys = "/v1/tenants/acme/keys";
    let key = json!({"name": "", "scopes": ["read"]});
    let key = world.send(&operator, "POST", keys, key).await;
    let key = key.data(201)["key"].clone();
    assert_eq!(key["name"], Value::Null);
    let key = format!("{keys}/{}", key["id"].as_str().unwrap());
    for (name, shown) in [("x", json!("x")), ("", Value::Null)] {
        let changed = world
            .send(&operator, "PATCH", &key, json!({"name": name}))
            .await;
        assert_eq!(changed.data(200)["key"]["name"], shown);
    }
    let path = "/v1/event-types/a.b";
    let defined = world
        .send(&acme, "PUT", path, json!({"description": ""}))
        .await;
    assert_eq!(defined.data(201)["event_type"]["description"], Value::Null);
    let links = "/v1/tenants/acme/portal-links";
    let link = json!({"actor": {"id": "7", "name": ""}});
    let link = world.send(&operator, "POST", links, link).await;
    assert_eq!(
        link.data(201)["portal_link"]["actor"],
        json!({"id": "7", "name": null})
    );

    // What must have a name is not made without one.
    let tenant = json!({"id": "other", "name": ""});
    let refused = world.send(&operator, "POST", "/v1/tenants", tenant).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["name"]);
    let renamed = world
        .send(&operator, "PATCH", "/v1/tenants/acme", json!({"name": ""}))
        .await;
    renamed.assert_error(422, "invalid_request");
    assert_eq!(renamed.fields(), ["name"]);
}

/// Some languages write every number with a point.
#[tokio::test(start_paused = true)]
async fn an_integer_may_be_written_as_any_number_is() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let with =
        |text: &str| format!(r#"{{"rate_limit_per_second": {text}, "max_in_flight": {text}}}"#);
    for (text, value) in [
        ("20", 20),
        ("20.0", 20),
        ("2e1", 20),
        ("0.2E+2", 20),
        ("200e-1", 20),
    ] {
        let changed = world.send_text(&tenant, "PATCH", &path, &with(text)).await;
        let webhook = &changed.data(200)["webhook"];
        assert_eq!(webhook["rate_limit_per_second"], value, "{text}");
        assert_eq!(webhook["max_in_flight"], value, "{text}");
    }
    for text in ["20.5", "-20.0", "2e-1", "2e300", "0.0", "\"20\""] {
        let refused = world.send_text(&tenant, "PATCH", &path, &with(text)).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(
            refused.fields(),
            ["rate_limit_per_second", "max_in_flight"],
            "{text}"
        );
    }
    let rotation = format!("{path}/rotate-secret");
    let rotated = world
        .send_text(&tenant, "POST", &rotation, r#"{"overlap_seconds": 6e1}"#)
        .await;
    let ends = &rotated.data(200)["webhook"]["old_secret_expires_at"];
    assert_eq!(ends, "2025-10-09T08:54:20.000Z");
    let key = r#"{"scopes": ["publish"], "events_per_hour": 1e2}"#;
    let key = world
        .send_text(&As::operator(), "POST", "/v1/tenants/acme/keys", key)
        .await;
    assert_eq!(key.data(201)["key"]["events_per_hour"], 100);
    let recover = r#"{"rate_per_second": 5.0}"#;
    let recover = world
        .send_text(&tenant, "POST", "/v1/recover", recover)
        .await;
    assert_eq!(recover.data(202)["job"]["params"]["rate_per_second"], 5);
    let days = world
        .send_text(
            &As::operator(),
            "PATCH",
            "/v1/tenants/acme",
            r#"{"retention_days": 30.0}"#,
        )
        .await;
    assert_eq!(days.data(200)["tenant"]["retention_days"], 30);
}

#[tokio::test(start_paused = true)]
async fn numbers_of_metadata_are_found_by_their_value() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for (id, value) in [
        ("one", "1"),
        ("point", "1.0"),
        ("text", "\"1\""),
        ("many", "1e2"),
        ("version", "\"1.0\""),
    ] {
        let hook = format!(
            r#"{{"id": "{id}", "url": "https://example.com/", "events": ["*"], "metadata": {{"n": {value}}}}}"#
        );
        world
            .send_text(&As::operator_for("acme"), "POST", "/v1/webhooks", &hook)
            .await
            .data(201);
    }
    for (asked, found) in [
        ("1", &["one", "point", "text"][..]),
        ("1.0", &["one", "point", "version"]),
        ("100", &["many"]),
        ("7,1e2", &["many"]),
        ("01", &[]),
        ("x", &[]),
    ] {
        let path = format!("/v1/webhooks?metadata.n={asked}&order=asc");
        let listed = world.get(&tenant, &path).await;
        let listed = listed.data(200)["webhooks"].as_array().unwrap().clone();
        let ids: std::collections::BTreeSet<_> = listed
            .iter()
            .map(|hook| hook["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, found.iter().copied().collect(), "{asked}");
    }
}

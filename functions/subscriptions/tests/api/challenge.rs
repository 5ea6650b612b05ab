//! The ownership challenge: no events before the endpoint has echoed a token.

use rung_core::egress::Failure;
use rung_dialect::{Dialects, VerifyInput};
use serde_json::{Value, json};

use crate::world::{As, World};

async fn challenged(world: &World, caller: &As, url: &str) -> String {
    let webhook = json!({"url": url, "events": ["*"], "challenge": true});
    let made = world.send(caller, "POST", "/v1/webhooks", webhook).await;
    let webhook = &made.data(201)["webhook"];
    assert_eq!(webhook["status"], "disabled");
    assert_eq!(webhook["disabled"]["code"], "unverified");
    format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

async fn verify(world: &World, caller: &As, path: &str) -> crate::world::Answered {
    world
        .send(caller, "POST", &format!("{path}/verify"), json!({}))
        .await
}

async fn deliveries(world: &World, caller: &As) -> Value {
    let event = json!({"type": "a.b", "data": {}});
    let published = world.send(caller, "POST", "/v1/events", event).await;
    published.data(202)["deliveries"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_challenged_webhook_gets_events_once_its_endpoint_has_echoed() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = challenged(&world, &tenant, "https://example.com/hook").await;
    assert_eq!(deliveries(&world, &tenant).await, 0);
    let activate = json!({"status": "active"});
    let refused = world.send(&tenant, "PATCH", &path, activate).await;
    refused.assert_error(409, "webhook_unverified");

    let test = world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await;
    test.assert_error(409, "webhook_unverified");
    assert_eq!(world.posts(), 0, "nothing goes there unasked");

    world.answer(500);
    verify(&world, &tenant, &path)
        .await
        .assert_error(422, "challenge_failed");
    // A status without a name is a number.
    world.answer(599);
    let refused = verify(&world, &tenant, &path).await;
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(
        message.ends_with("the response was 599 without it"),
        "{message}"
    );
    world.answer(200);
    let verified = verify(&world, &tenant, &path).await;
    assert_eq!(verified.data(200)["webhook"]["status"], "active");
    world.answer(599);
    let test = world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await;
    assert_eq!(
        test.data(200)["log"]["error"],
        "The receiver responded with 599."
    );
    world.answer(200);
    assert_eq!(deliveries(&world, &tenant).await, 1);
    world.pass(1_000).await;
    let posts = world.posts();
    let again = verify(&world, &tenant, &path).await;
    assert_eq!(again.data(200)["webhook"]["status"], "active");
    assert_eq!(world.posts(), posts + 1, "it is asked all the same");
}

/// Whoever verifies every request gets what it takes.
#[tokio::test(start_paused = true)]
async fn a_challenge_is_signed_as_deliveries_are_and_sent_to_whoever_is_asked_for() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({
        "url": "https://example.com/", "events": ["user"], "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "secret_headers": {"Authorization": "Bearer x"},
    });
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = made.headers["location"].to_str().unwrap().to_owned();
    verify(&world, &tenant, &path).await.data(200);
    let sent = world.last_post();
    let body = String::from_utf8(sent.body.to_vec()).unwrap();
    let token = sent.headers["rung-challenge"].to_str().unwrap();
    assert_eq!(
        body,
        format!(r#"{{"type":"webhook.challenge","challenge":"{token}"}}"#)
    );
    let dialects = Dialects::builtin();
    let checked = dialects.get("odin").unwrap().verify(&VerifyInput {
        headers: &sent.headers,
        body: &sent.body,
        method: "POST",
        url: "",
        tenant: "",
        webhook_id: "",
        secrets: &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()],
        now_s: world.now_ms() / 1000,
        tolerance_s: 300,
    });
    let held = checked.iter().filter(|check| check.result.is_ok());
    assert_eq!((checked.len(), held.count()), (2, 2));
    assert_eq!(sent.headers["authorization"], "Bearer x");
    assert!(!sent.headers.contains_key("rung-test"));
    let deaf = json!({"url": "https://example.com/deaf"});
    world.send(&tenant, "PATCH", &path, deaf).await.data(200);
    let refused = verify(&world, &tenant, &path).await;
    refused.assert_error(422, "challenge_failed");
    let shown = world.get(&tenant, &path).await;
    assert_eq!(shown.data(200)["webhook"]["status"], "active");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_cannot_be_sent_says_nothing_of_the_endpoint() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = challenged(&world, &tenant, "https://example.com/hook").await;
    world.cut_off(true);
    let refused = verify(&world, &tenant, &path).await;
    refused.assert_error(503, "cannot_send");
    assert_eq!(refused.headers["retry-after"], "5");
    world.cut_off(false);
    let verified = verify(&world, &tenant, &path).await;
    assert_eq!(verified.data(200)["webhook"]["status"], "active");
}

/// Something is sent, whatever comes of it: who asked for that is known, and a secret that comes back is not shown.
#[tokio::test(start_paused = true)]
async fn a_challenge_that_fails_is_in_the_audit_log_and_shows_no_secret() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = challenged(&world, &tenant, "https://example.com/hook").await;
    let secret = json!({"secret_headers": {"Authorization": "Bearer token-of-the-receiver"}});
    world.send(&tenant, "PATCH", &path, secret).await.data(200);
    let beginning = r"Bearer token-of-the-receiver\r\n\r\nBearer token-of-th".to_owned();
    world.fail(Failure::Protocol { beginning });
    let refused = verify(&world, &tenant, &path).await;
    refused.assert_error(422, "challenge_failed");
    let message = refused.body["error"]["message"].as_str().unwrap();
    let shown =
        r#"It began with "[the value of Authorization]\r\n\r\n[the value of Authorization]"."#;
    assert!(message.ends_with(shown), "{message}");
    let audit = world
        .get(
            &tenant,
            "/v1/audit?action=webhook.challenged,webhook.verified",
        )
        .await;
    let entries = audit.data(200)["entries"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["action"], "webhook.challenged");
    let id = path.strip_prefix("/v1/webhooks/");
    assert_eq!(entries[0]["target"]["id"].as_str(), id);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_only_answers_is_not_verified_and_another_one_is_to_be_verified_anew() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = challenged(&world, &tenant, "https://example.com/deaf").await;
    let refused = verify(&world, &tenant, &path).await;
    refused.assert_error(422, "challenge_failed");
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("200 OK"), "{message}");

    let elsewhere = json!({"url": "https://example.com/hook"});
    world
        .send(&tenant, "PATCH", &path, elsewhere)
        .await
        .data(200);
    verify(&world, &tenant, &path).await.data(200);
    assert_eq!(deliveries(&world, &tenant).await, 1);
    let same = json!({"url": "https://example.com/hook", "name": "n"});
    let same = world.send(&tenant, "PATCH", &path, same).await;
    assert_eq!(same.data(200)["webhook"]["status"], "active");
    let other = json!({"url": "https://example.com/other"});
    let other = world.send(&tenant, "PATCH", &path, other).await;
    assert_eq!(other.data(200)["webhook"]["status"], "disabled");
    assert_eq!(deliveries(&world, &tenant).await, 0);
}

/// A dialect may ask in a way of its own: this one by GET.
#[tokio::test(start_paused = true)]
async fn a_challenge_has_the_shape_that_the_dialect_gives_it() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "shaped", "pro").await;
    let path = challenged(&world, &tenant, "https://example.com/deaf?shop=1").await;
    let refused = verify(&world, &tenant, &path).await;
    refused.assert_error(422, "challenge_failed");
    let listens = json!({"url": "https://example.com/hook?shop=1"});
    world.send(&tenant, "PATCH", &path, listens).await.data(200);
    let verified = verify(&world, &tenant, &path).await;
    assert_eq!(verified.data(200)["webhook"]["status"], "active");
    let sent = world.last_post();
    assert_eq!(sent.method, "GET");
    assert!(sent.body.is_empty() && !sent.headers.contains_key("rung-challenge"));
    let asked: Vec<_> = sent.url.query_pairs().collect();
    assert_eq!(asked[0], ("shop".into(), "1".into()));
    assert_eq!(asked[2], ("hub.mode".into(), "subscribe".into()));
    assert_eq!((asked.len(), &*asked[1].0), (3, "hub.challenge"));
}

//! Receivers switch to a new secret when they like, and no delivery is lost over it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rung_tests::{Answer, Received, Receiver, Tenant, Webhook, eventually};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::rung;

const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

async fn rotate(tenant: &Tenant, webhook: &Webhook, request: Value) -> Value {
    let path = webhook.path("/rotate-secret");
    tenant.api.post(&path, &request).await.data(200)["webhook"].clone()
}

async fn finish(tenant: &Tenant, webhook: &Webhook) {
    let path = webhook.path("/rotate-secret/finish");
    tenant.api.call("POST", &path).send().await.data(200);
}

fn hex_hmac(secret: &str, signed: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    signed.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

/// As a receiver of Odin checks it.
fn odin_accepts(request: &Received, secret: &str) -> bool {
    let header = request.must("x-odin-signature");
    let (t, v1) = header[2..].split_once(",v1=").unwrap();
    v1 == hex_hmac(secret, &[t.as_bytes(), b".", &request.body])
}

/// As the reference library of Standard Webhooks checks it.
fn standard_accepts(request: &Received, secret: &str) -> bool {
    let headers: http::HeaderMap = request
        .headers
        .iter()
        .map(|(name, value)| {
            let name: http::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        })
        .collect();
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    verifier.verify(&request.body, &headers).is_ok()
}

/// A receiver that has one secret, and refuses what is not signed with it.
async fn receiver_with(
    secret: &Arc<Mutex<&'static str>>,
    refusal: u16,
    accepts: fn(&Received, &str) -> bool,
) -> Receiver {
    let secret = Arc::clone(secret);
    Receiver::start(move |request| {
        let secret = *secret.lock().unwrap();
        Answer::status(if accepts(request, secret) {
            200
        } else {
            refusal
        })
    })
    .await
}

#[tokio::test]
async fn in_standard_both_secrets_sign_the_old_one_first() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    rotate(&tenant, &webhook, json!({"secret": NEW})).await;
    tenant.publish("a.b", json!({})).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert!(standard_accepts(&request, OLD) && standard_accepts(&request, NEW));
    let signatures = request.must("webhook-signature");
    let (first, _) = signatures.split_once(' ').unwrap();
    finish(&tenant, &webhook).await;
    rotate(
        &tenant,
        &webhook,
        json!({"secret": OLD, "overlap_seconds": 0}),
    )
    .await;
    tenant.publish("a.b", json!({})).await;
    let request = receiver.wait_for(2).await.remove(1);
    assert!(standard_accepts(&request, OLD) && !standard_accepts(&request, NEW));
    assert_eq!(request.must("webhook-signature").len(), first.len());
}

/// One secret after the other, each receiver at its own time: nothing fails, and the log has one entry each.
#[tokio::test]
async fn in_a_dialect_with_one_signature_receivers_switch_when_they_like() {
    let rung = rung(&[]).await;
    for refusal in [401, 403] {
        let tenant = Tenant::create(&rung, &format!("t{refusal}"), "odin").await;
        let secret = Arc::new(Mutex::new(OLD));
        let receiver = receiver_with(&secret, refusal, odin_accepts).await;
        let webhook = tenant
            .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
            .await;
        let mut posts = 0;
        let mut publish = async |expected_posts: usize| {
            let event = tenant.publish("user.lesson.completed", json!({})).await;
            let attempts = webhook.until_attempts(&event.id, 1).await;
            posts += expected_posts;
            let received = receiver.wait_for(posts).await;
            receiver.stays_at(posts).await;
            assert_eq!(attempts.len(), 1);
            let log = webhook.log(&attempts[0]).await;
            let last = received.last().unwrap();
            assert_eq!(
                log["request"]["headers"]["x-odin-signature"],
                last.must("x-odin-signature"),
                "the log has the POST that counted"
            );
            log
        };

        assert_eq!(publish(1).await["status"], "succeeded");
        rotate(&tenant, &webhook, json!({"secret": NEW})).await;
        let late = publish(1).await;
        assert_eq!(late["status"], "succeeded", "it has not switched yet");
        *secret.lock().unwrap() = NEW;
        let switched = publish(2).await;
        assert_eq!(
            switched["status"], "succeeded",
            "it has switched: {switched}"
        );
        assert_eq!(switched["attempt"], 1);
        *secret.lock().unwrap() = "neither";
        let failed = publish(2).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["response_status"], refusal);
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains("the old and to the new secret"), "{error}");
        *secret.lock().unwrap() = NEW;
        finish(&tenant, &webhook).await;
        assert_eq!(publish(1).await["status"], "succeeded");
        *secret.lock().unwrap() = OLD;
        assert_eq!(publish(1).await["status"], "failed", "the old one is gone");
    }
}

/// Of two secrets the newest signs, so a receiver that refuses knows the oldest.
#[tokio::test]
async fn where_the_newest_secret_signs_first_a_refusal_is_asked_again_with_the_oldest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dialect = r#"
name = "newest"
description = "The newest secret signs alone."
envelope = [{ from = "data_members" }]
standard_webhooks = false
[[signature]]
algorithm = "hmac-sha256"
encoding = "hex"
signed = "{body}"
secrets = "newest-first"
header = "X-Newest-Signature"
[any_type]
example = "order.paid"
sample = '{"order": "1042"}'
"#;
    std::fs::write(file.path(), dialect).unwrap();
    let rung = rung(&["--dialect", file.path().to_str().unwrap()]).await;
    let tenant = Tenant::create(&rung, "t", "newest").await;
    let secret = Arc::new(Mutex::new(OLD));
    let accepts = |request: &Received, secret: &str| {
        request.must("x-newest-signature") == hex_hmac(secret, &[&request.body])
    };
    let receiver = receiver_with(&secret, 401, accepts).await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    rotate(&tenant, &webhook, json!({"secret": NEW})).await;
    for (known, posts) in [(OLD, 2), (NEW, 3)] {
        *secret.lock().unwrap() = known;
        let event = tenant.publish("order.paid", json!({"n": posts})).await;
        let attempts = webhook.until_attempts(&event.id, 1).await;
        receiver.wait_for(posts).await;
        receiver.stays_at(posts).await;
        assert_eq!(webhook.log(&attempts[0]).await["status"], "succeeded");
    }
}

/// Only a refusal of the signature is asked again: any other failure climbs the ladder.
#[tokio::test]
async fn other_failures_are_not_asked_again() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "odin").await;
    for status in [400, 404, 500] {
        let receiver = Receiver::always(status).await;
        let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
        rotate(&tenant, &webhook, json!({})).await;
        let event = tenant.publish("user.lesson.completed", json!({})).await;
        webhook.until_attempts(&event.id, 1).await;
        receiver.stays_at(1).await;
        tenant.api.delete(&webhook.path("")).await.data(200);
    }
}

#[tokio::test]
async fn an_overlap_ends_by_the_wall_clock() {
    let rung = rung(&["--time-scale", "6000"]).await;
    let tenant = Tenant::create(&rung, "t", "odin").await;
    let secret = Arc::new(Mutex::new(NEW));
    let receiver = receiver_with(&secret, 401, odin_accepts).await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    let request = json!({"secret": NEW, "overlap_seconds": 2});
    let rotated = rotate(&tenant, &webhook, request).await;
    tenant.publish("user.lesson.completed", json!({})).await;
    receiver.wait_for(2).await;
    let seen = webhook.get().await;
    assert_eq!(
        seen["old_secret_expires_at"],
        rotated["old_secret_expires_at"]
    );
    eventually("the overlap to end", async || {
        let seen = webhook.get().await;
        seen["old_secret_expires_at"].is_null().then_some(())
    })
    .await;
    let after = json!({"after": "the overlap"});
    tenant.publish("user.lesson.completed", after.clone()).await;
    // Not the third POST: a slow machine may have got the first event again.
    let last = eventually("the event after the overlap", async || {
        let mut received = receiver.received().into_iter();
        received.find(|request| request.json()["data"] == after)
    })
    .await;
    assert!(odin_accepts(&last, NEW));
}

/// Both POSTs share Odin's 5 s. What the receiver did answer stands in the log, not its later silence.
#[tokio::test]
async fn both_posts_share_one_time_out() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "odin").await;
    let receiver = Receiver::start(|request| match request.number {
        1 => Answer::status(401).after(Duration::from_secs(3)),
        _ => Answer::hang(),
    })
    .await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    rotate(&tenant, &webhook, json!({})).await;
    let event = tenant.publish("user.lesson.completed", json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    assert_eq!(receiver.count(), 2);
    assert_eq!(log["response_status"], 401);
    let took_ms = log["response_time_ms"].as_u64().unwrap();
    assert!((4_900..7_500).contains(&took_ms), "{took_ms} ms");
}

/// From a shared secret to a key pair: during the overlap a receiver verifies with either.
#[tokio::test]
async fn a_webhook_moves_to_a_key_pair() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    let rotated = rotate(&tenant, &webhook, json!({"signing": "v1a"})).await;
    tenant.publish("a.b", json!({"n": 1})).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert!(standard_accepts(&request, OLD));
    let (_, pair_signature) = request
        .must("webhook-signature")
        .split_once(" v1a,")
        .unwrap();
    // The way of a receiver that has nothing but the public key: Node knows Ed25519 by itself.
    let verdict = crate::verification::script(
        "key_pair.mjs",
        &json!({
            "public_key": rotated["public_key"],
            "signature": pair_signature,
            "signed": format!("{}.{}.{}", request.event_id(), request.must("webhook-timestamp"), request.text()),
        }),
    );
    assert_eq!(verdict, json!({"signed": true, "changed": false}));
    finish(&tenant, &webhook).await;
    tenant.publish("a.b", json!({})).await;
    let request = receiver.wait_for(2).await.remove(1);
    assert!(request.must("webhook-signature").starts_with("v1a,"));
}

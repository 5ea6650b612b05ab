//! `POST /v1/webhooks/{id}/rotate-secret` and `…/finish`, and the two kinds of signing.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::world::{Answered, As, World};

const PAIR: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

const A: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const B: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn rotate(world: &World, caller: &As, id: &str, request: Value) -> Answered {
    let path = format!("/v1/webhooks/{id}/rotate-secret");
    world.send(caller, "POST", &path, request).await
}

async fn finish(world: &World, caller: &As, id: &str) -> Answered {
    let path = format!("/v1/webhooks/{id}/rotate-secret/finish");
    world.send_text(caller, "POST", &path, "").await
}

async fn shown(world: &World, caller: &As, id: &str) -> Value {
    let path = format!("/v1/webhooks/{id}");
    world.get(caller, &path).await.data(200)["webhook"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_rotation_shows_the_new_secret_once_and_when_the_old_one_ends() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let id = world.webhook(&tenant).await;
    assert_eq!(
        shown(&world, &tenant, &id).await["old_secret_expires_at"],
        Value::Null
    );

    let path = format!("/v1/webhooks/{id}/rotate-secret");
    let rotated = world.send_text(&tenant, "POST", &path, "").await;
    let rotated = rotated.data(200);
    assert_eq!(
        rotated.as_object().unwrap().len(),
        1,
        "said once: {rotated}"
    );
    let rotated = &rotated["webhook"];
    let secret = rotated["secret"].as_str().unwrap();
    let bytes = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(
        rotated["old_secret_expires_at"], "2025-10-10T08:53:20.000Z",
        "24 h from the world's start"
    );

    let request = json!({"secret": "another", "overlap_seconds": 60});
    let rotated = rotate(&world, &tenant, &id, request).await;
    let rotated = &rotated.data(200)["webhook"];
    assert_eq!(rotated["old_secret_expires_at"], "2025-10-09T08:54:20.000Z");
    world.pass(59_000).await;
    let seen = shown(&world, &tenant, &id).await;
    assert_eq!(
        seen["old_secret_expires_at"],
        rotated["old_secret_expires_at"]
    );
    assert!(!seen.to_string().contains(secret), "{seen}");
    assert!(!seen.to_string().contains("another"), "{seen}");
    world.pass(1000).await;
    assert_eq!(
        shown(&world, &tenant, &id).await["old_secret_expires_at"],
        Value::Null
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_finished_at_will_and_both_calls_can_be_repeated() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let kept = "KeptExactly_KeptExactly_KeptExactly-";
    let request = json!({"secret": kept, "overlap_seconds": 604_800});
    let first = rotate(&world, &tenant, &id, request.clone()).await;
    let first = &first.data(200)["webhook"];
    assert_eq!(first["secret"], kept);
    assert_eq!(first["old_secret_expires_at"], "2025-10-16T08:53:20.000Z");
    world.pass(5_000).await;
    let again = rotate(&world, &tenant, &id, request).await;
    assert_eq!(again.data(200)["webhook"], *first);

    for _ in 0..2 {
        let finished = finish(&world, &tenant, &id).await;
        let finished = &finished.data(200)["webhook"];
        assert_eq!(finished["old_secret_expires_at"], Value::Null);
        assert_eq!(finished.get("secret"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn no_overlap_leaves_no_old_secret() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    rotate(&world, &tenant, &id, json!({})).await.data(200);
    let rotated = rotate(&world, &tenant, &id, json!({"overlap_seconds": 0})).await;
    let rotated = rotated.data(200);
    assert_eq!(rotated["webhook"]["old_secret_expires_at"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn rotations_within_others_end_somewhere() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    for _ in 0..3 {
        rotate(&world, &tenant, &id, json!({})).await.data(200);
    }
    let refused = rotate(&world, &tenant, &id, json!({})).await;
    refused.assert_error(409, "too_many_secrets");
    finish(&world, &tenant, &id).await.data(200);
    rotate(&world, &tenant, &id, json!({})).await.data(200);
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_named_and_strangers_see_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    for (request, code) in [
        (json!({"secret": ""}), "invalid_secret"),
        (
            json!({"signing": "v1a", "secret": "whsk_AAAA"}),
            "invalid_secret",
        ),
        (json!({"signing": "v1a", "secret": A}), "invalid_secret"),
        (json!({"signing": "v1", "secret": PAIR}), "invalid_secret"),
        (
            json!({"secret": "another", "overlap_seconds": -1}),
            "invalid_request",
        ),
    ] {
        let refused = rotate(&world, &tenant, &id, request).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields()[0], "secret");
    }
    for (request, field) in [
        (json!({"overlap_seconds": 604_801}), "overlap_seconds"),
        (json!({"overlap_seconds": -1}), "overlap_seconds"),
        (json!({"overlap_seconds": "60"}), "overlap_seconds"),
        (json!({"overlap": 60}), "overlap"),
        (json!({"signing": "ed25519"}), "signing"),
    ] {
        let refused = rotate(&world, &tenant, &id, request).await;
        let code = if field == "overlap" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field]);
    }
    let refused = world
        .send(
            &tenant,
            "POST",
            &format!("/v1/webhooks/{id}/rotate-secret/finish"),
            json!({"overlap_seconds": 0}),
        )
        .await;
    assert_eq!(refused.fields(), ["overlap_seconds"]);

    let stranger = world.tenant("other", "standard", "pro").await;
    rotate(&world, &stranger, &id, json!({}))
        .await
        .assert_error(404, "not_found");
    finish(&world, &stranger, &id)
        .await
        .assert_error(404, "not_found");
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    rotate(&world, &publisher, &id, json!({}))
        .await
        .assert_error(403, "forbidden");
    assert_eq!(
        shown(&world, &tenant, &id).await["old_secret_expires_at"],
        Value::Null,
        "none of this has changed it"
    );
}

#[tokio::test(start_paused = true)]
async fn key_pairs_show_their_public_half() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"], "signing": "v1a"});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let made = made.data(201)["webhook"].clone();
    let id = made["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsk_"));
    assert_eq!(made["signing"], "v1a");
    let seen = shown(&world, &tenant, id).await;
    assert_eq!(seen["public_key"], made["public_key"]);
    assert!(seen["public_key"].as_str().unwrap().starts_with("whpk_"));

    let rotated = rotate(&world, &tenant, id, json!({})).await;
    let rotated = &rotated.data(200)["webhook"];
    assert_eq!(
        rotated["signing"], "v1a",
        "the kind stays unless it is named"
    );
    assert_ne!(rotated["public_key"], made["public_key"]);
    let given = rotate(&world, &tenant, id, json!({"secret": PAIR})).await;
    assert_eq!(
        given.data(200)["webhook"]["public_key"],
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    );
    let shared = rotate(&world, &tenant, id, json!({"signing": "v1"})).await;
    let shared = &shared.data(200)["webhook"];
    let newest = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    assert_eq!(shared["public_key"], newest, "that pair signs on");
    let old = shared["old_public_keys"].as_array().unwrap();
    assert_eq!((&old[0], &old[2]), (&made["public_key"], &json!(newest)));
    assert!(shared["secret"].as_str().unwrap().starts_with("whsec_"));
}

/// Where the dialect signs with ECDSA, pairs are on P-256: made, rotated, given.
#[tokio::test(start_paused = true)]
async fn key_pairs_are_of_the_kind_that_the_dialect_signs_with() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "sendgrid", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let made = made.data(201)["webhook"].clone();
    let id = made["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("p256_"), "{secret}");
    assert_eq!(made["signing"], "v1a");
    let public_key = made["public_key"].as_str().unwrap();
    // The beginning of each key on P-256 in DER.
    assert!(
        public_key.starts_with("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"),
        "{public_key}"
    );
    assert_eq!(shown(&world, &tenant, id).await["public_key"], public_key);

    let rotated = rotate(&world, &tenant, id, json!({})).await;
    let rotated = &rotated.data(200)["webhook"];
    assert_ne!(rotated["public_key"], public_key);
    assert_eq!(rotated["old_public_keys"], json!([public_key]));
    assert!(rotated["secret"].as_str().unwrap().starts_with("p256_"));
    let given = json!({"secret": secret, "overlap_seconds": 0});
    let given = rotate(&world, &tenant, id, given).await;
    assert_eq!(given.data(200)["webhook"]["public_key"], public_key);
    for (wrong, code, field) in [
        (json!({"secret": PAIR}), "invalid_secret", "secret"),
        (json!({"secret": A}), "invalid_secret", "secret"),
        (json!({"signing": "v1"}), "invalid_request", "signing"),
    ] {
        let refused = rotate(&world, &tenant, id, wrong).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field]);
    }
    // Elsewhere such a pair is none.
    let other = world.tenant("other", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"], "secret": secret});
    let refused = world.send(&other, "POST", "/v1/webhooks", webhook).await;
    refused.assert_error(422, "invalid_secret");
    assert_eq!(refused.fields(), ["secret"]);
}

#[tokio::test(start_paused = true)]
async fn bringing_a_webhook_along_again_sets_its_secret_and_a_change_leaves_it() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let import = |more: Value| {
        let mut webhook =
            json!({"id": "wh-7", "url": "https://example.com/hook", "events": ["*"], "secret": A});
        webhook
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        webhook
    };
    let path = "/v1/webhooks/wh-7";
    let put = async |webhook| world.send(&operator, "PUT", path, webhook).await;
    put(import(json!({}))).await.data(201);
    rotate(&world, &operator, "wh-7", json!({"secret": B}))
        .await
        .data(200);

    let change = json!({"name": "n"});
    let changed = world.send(&operator, "PATCH", path, change).await;
    let rotating = changed.data(200)["webhook"]["old_secret_expires_at"].clone();
    assert!(rotating.is_string());
    let without = put(import(json!({"secret": null}))).await;
    let without = &without.data(200)["webhook"];
    assert_eq!(without["old_secret_expires_at"], rotating);
    let same = put(import(json!({"secret": B}))).await;
    let same = &same.data(200)["webhook"];
    assert_eq!(same["old_secret_expires_at"], Value::Null);
    rotate(&world, &operator, "wh-7", json!({})).await.data(200);
    let other = put(import(json!({}))).await;
    let other = &other.data(200)["webhook"];
    assert_eq!(
        (&other["secret"], &other["old_secret_expires_at"]),
        (&json!(A), &Value::Null)
    );

    let refused = put(import(json!({"secret": null, "signing": "v1a"}))).await;
    assert_eq!(refused.fields(), ["signing"]);
    // Its own ones may stand in a change, others may not.
    let same = json!({"secret": A, "signing": "v1"});
    world.send(&operator, "PATCH", path, same).await.data(200);
    for (name, other) in [("secret", B), ("signing", "v1a")] {
        let refused = world
            .send(&operator, "PATCH", path, json!({name: other}))
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [name]);
    }
}

/// Two people who rotate: the second one is told that the first was there.
#[tokio::test(start_paused = true)]
async fn what_changes_a_webhook_begins_from_the_version_that_was_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    let tag_of = |answered: &Answered| answered.headers["etag"].to_str().unwrap().to_owned();
    let read = tag_of(&world.get(&tenant, &path).await);
    let from = |tag: &str| tenant.clone().when("if-match", tag);
    let rotate = format!("{path}/rotate-secret");
    let rotated = world.send(&from(&read), "POST", &rotate, json!({})).await;
    rotated.data(200);
    let second = tag_of(&rotated);
    assert_ne!(second, read);
    for call in ["rotate-secret", "rotate-secret/finish", "verify"] {
        let path = format!("{path}/{call}");
        for stale in [read.as_str(), "\"nonsense\"", "nonsense"] {
            let refused = world.send_text(&from(stale), "POST", &path, "").await;
            refused.assert_error(412, "precondition_failed");
            assert_eq!(refused.fields(), ["If-Match"], "{call} {stale}");
        }
        let twice = from(&read).when("if-match", &read);
        let refused = world.send_text(&twice, "POST", &path, "").await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["If-Match"], "{call}");
    }
    assert_eq!(tag_of(&world.get(&tenant, &path).await), second);
    assert_eq!(world.posts(), 0, "no endpoint was asked");

    // A repeat gets the first answer, whatever has become of the version since.
    let once = from(&second).with_idempotency_key("k");
    let first = world.send(&once, "POST", &rotate, json!({})).await;
    let again = world.send(&once, "POST", &rotate, json!({})).await;
    assert_eq!(first.data(200), again.data(200));
    let finish = format!("{rotate}/finish");
    let third = from(&tag_of(&first));
    let finished = world.send_text(&third, "POST", &finish, "").await;
    finished.data(200);
    let verify = format!("{path}/verify");
    let fourth = from(&tag_of(&finished));
    let verified = world.send_text(&fourth, "POST", &verify, "").await;
    verified.data(200);
}

/// A receiver may verify `webhook-signature` with either secret, whichever POST it is and whoever refused the other one.
#[tokio::test(start_paused = true)]
async fn what_follows_a_refusal_lists_both_secrets_where_there_is_room() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"], "secret": A});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    rotate(&world, &tenant, &id, json!({"secret": B}))
        .await
        .data(200);
    let received = Arc::<Mutex<Vec<_>>>::default();
    let log = Arc::clone(&received);
    world.answer_by(move |post| {
        let mut log = log.lock().unwrap();
        log.push(post.headers.clone());
        let status = if log.len() == 1 { 401 } else { 200 };
        http::Response::builder().status(status).body(()).unwrap()
    });
    let path = format!("/v1/webhooks/{id}/test");
    let tested = world.send_text(&tenant, "POST", &path, "").await;
    assert_eq!(tested.data(200)["log"]["status"], "succeeded");
    let received = received.lock().unwrap();
    let [refused, accepted] = &received[..] else {
        panic!("{} POSTs", received.len());
    };
    let text = |headers: &http::HeaderMap, name| headers[name].to_str().unwrap().to_owned();
    let [old, new] = [refused, accepted].map(|headers| text(headers, "x-odin-signature"));
    assert_ne!(old, new);
    let both = text(refused, "webhook-signature");
    assert_eq!(both.matches("v1,").count(), 2);
    assert_eq!(text(accepted, "webhook-signature"), both);
}

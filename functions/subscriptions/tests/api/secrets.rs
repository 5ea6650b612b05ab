//! What signs, and what may not be told: secrets that cannot sign, secret headers, what the table holds of both.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use rung_core::{
    domain::{
        Unknown,
        id::{TenantId, WebhookId},
        webhook::{OldSecret, Secret},
    },
    encryption::KeyRing,
    limits::WEBHOOK_SHARDS,
    store::Store,
};
use serde_json::{Value, json};

use crate::{
    client_certificates::{client_certificate, line_of_key},
    world::{ADMIN, As, World, by_nobody},
};

/// Base64 of 25 bytes, with both characters that the alphabets write differently.
const KEY: &str = "+/+/AAECAwQFBgcICQoLDA0ODxAREhMUFQ==";
const URL_SAFE: &str = "-_-_AAECAwQFBgcICQoLDA0ODxAREhMUFQ==";
const PAIR: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

fn with(mut webhook: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    webhook.as_object_mut().unwrap().extend(more);
    webhook
}

fn asked(more: Value) -> Value {
    with(
        json!({"url": "https://example.com/hook", "events": ["*"]}),
        more,
    )
}

/// Texts that are taken for a key by somebody, and are none.
fn no_keys() -> Vec<String> {
    let bare = KEY.trim_end_matches('=');
    [
        "",
        "s",
        "my-secret-key",
        "your_webhook_secret_key",
        &"a".repeat(31),
        &"a".repeat(87),
        &format!("{bare}="),
        &format!("{KEY}="),
        &format!("{}F==", &bare[..bare.len() - 1]),
        &KEY.replacen('+', "-", 1),
        &format!("{KEY} "),
        &format!(" {KEY}"),
        &format!("{KEY}\n"),
        &format!("whsec_{} {}", &KEY[..8], &KEY[8..]),
        &format!("whsec_whsec_{KEY}"),
        &format!("WHSEC_{KEY}"),
        "whsec_",
        PUBLIC,
        PUBLIC.trim_end_matches('='),
        &PAIR.replace("whsk_", "whsk_A"),
        PAIR.trim_end_matches('='),
        &"a".repeat(4_097),
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test(start_paused = true)]
async fn where_only_webhook_signature_signs_nothing_else_is_a_secret() {
    let world = World::new().await;
    for dialect in ["standard", "reward"] {
        let tenant = world.tenant(dialect, dialect, "pro").await;
        let operator = As::operator_for(dialect);
        let rotated = world.webhook(&tenant).await;
        let rotation = format!("/v1/webhooks/{rotated}/rotate-secret");
        let path = format!("/v1/webhooks/{rotated}");
        for secret in no_keys() {
            let webhook = asked(json!({"secret": secret}));
            let import = with(webhook.clone(), json!({"id": "imported"}));
            let again = with(webhook.clone(), json!({"id": rotated}));
            let given = json!({"secret": secret});
            let at_once = json!({"secret": secret, "overlap_seconds": 0});
            for (who, method, path, request) in [
                (&tenant, "POST", "/v1/webhooks", webhook),
                (&operator, "POST", "/v1/webhooks", import),
                (&operator, "POST", "/v1/webhooks", again),
                (&tenant, "POST", rotation.as_str(), given.clone()),
                (&tenant, "POST", rotation.as_str(), at_once),
                (&tenant, "PATCH", path.as_str(), given),
            ] {
                let refused = world.send(who, method, path, request).await;
                refused.assert_error(422, "invalid_secret");
                assert_eq!(refused.fields(), ["secret"], "{method} {path} {secret:?}");
            }
        }
        let wrong = asked(json!({"secret": 7}));
        let refused = world.send(&tenant, "POST", "/v1/webhooks", wrong).await;
        refused.assert_error(422, "invalid_secret");
        let two = asked(json!({"secret": "x", "nmae": "n"}));
        let refused = world.send(&tenant, "POST", "/v1/webhooks", two).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["secret", "nmae"]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_spelling_of_a_key_is_kept_and_signs() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for secret in [
        KEY,
        URL_SAFE,
        KEY.trim_end_matches('='),
        URL_SAFE.trim_end_matches('='),
        &format!("whsec_{KEY}"),
        &format!("whsec_{}", URL_SAFE.trim_end_matches('=')),
    ] {
        let webhook = asked(json!({"secret": secret}));
        let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        let made = &made.data(201)["webhook"];
        assert_eq!(made["secret"], secret);
        let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
        let tested = world
            .send_text(&tenant, "POST", &format!("{path}/test"), "")
            .await;
        let log = tested.data(200)["log"]["id"].as_str().unwrap().to_owned();
        let log = world.get(&tenant, &format!("{path}/logs/{log}")).await;
        let log = &log.data(200)["log"];
        let headers = &log["request"]["headers"];
        let text = |name: &str| headers[name].as_str().unwrap();
        let reference = standardwebhooks::Webhook::new(KEY).unwrap();
        let signature = reference.sign(
            text("webhook-id"),
            text("webhook-timestamp").parse().unwrap(),
            log["request"]["body"].as_str().unwrap().as_bytes(),
        );
        assert_eq!(text("webhook-signature"), signature.unwrap(), "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_own_hmac_takes_any_text_but_no_key_pair() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = world.webhook(&tenant).await;
    let rotation = format!("/v1/webhooks/{webhook}/rotate-secret");
    for secret in [
        "s",
        "ä\t\n\0",
        PUBLIC,
        "whsk_not-a-pair",
        &"x".repeat(4_096),
    ] {
        let made = asked(json!({"secret": secret}));
        let made = world.send(&tenant, "POST", "/v1/webhooks", made).await;
        assert_eq!(made.data(201)["webhook"]["secret"], secret);
        let given = json!({"secret": secret, "overlap_seconds": 0});
        let rotated = world.send(&tenant, "POST", &rotation, given).await;
        assert_eq!(rotated.data(200)["webhook"]["secret"], secret);
    }
    for (given, code, field) in [
        (json!({"secret": PAIR}), "invalid_secret", "secret"),
        (json!({"signing": "v1a"}), "invalid_request", "signing"),
        (
            json!({"secret": "x".repeat(4_097)}),
            "invalid_secret",
            "secret",
        ),
        (json!({"secret": ""}), "invalid_secret", "secret"),
    ] {
        let import = asked(with(given.clone(), json!({"id": "imported"})));
        for (who, path, request) in [
            (&tenant, "/v1/webhooks", asked(given.clone())),
            (&operator, "/v1/webhooks", import),
            (&tenant, rotation.as_str(), given.clone()),
        ] {
            let refused = world.send(who, "POST", path, request).await;
            refused.assert_error(422, code);
            assert_eq!(refused.fields(), [field]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_moves_only_to_a_dialect_that_its_secret_can_sign_in() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let create = asked(json!({"id": "w", "secret": "my-secret-key", "headers": {"X-Team": "a"}}));
    let made = world
        .send(&operator, "POST", "/v1/webhooks", create.clone())
        .await;
    made.data(201);
    let path = "/v1/webhooks/w";
    let to = async |dialect: &str| {
        world
            .send(&tenant, "PATCH", path, json!({"dialect": dialect}))
            .await
    };
    let refused = to("standard").await;
    refused.assert_error(422, "invalid_secret");
    assert_eq!(refused.fields(), ["secret"]);
    let import = asked(json!({"id": "w", "dialect": "reward"}));
    let refused = world.send(&operator, "PUT", path, import).await;
    refused.assert_error(422, "invalid_secret");
    assert_eq!(to("klingon").await.fields(), ["dialect"]);
    // A header that the new dialect sets has to go with the move.
    let taken = json!({"headers": {"x-patra-EVENT": "a", "X-Ours": "b"}, "secret_headers": {"X-Patra-Signature": "c"}});
    world.send(&tenant, "PATCH", path, taken).await.data(200);
    let refused = to("patra").await;
    refused.assert_error(422, "invalid_request");
    let clashes = ["headers.x-patra-EVENT", "secret_headers.X-Patra-Signature"];
    assert_eq!(refused.fields(), clashes);
    let gone =
        json!({"headers": {"x-patra-event": null}, "secret_headers": {"X-Patra-Signature": null}});
    world.send(&tenant, "PATCH", path, gone).await.data(200);
    assert_eq!(to("patra").await.data(200)["webhook"]["dialect"], "patra");

    // The old secret cannot sign there, so it signs no more.
    let rotation = format!("{path}/rotate-secret");
    let rotated = world.send(&tenant, "POST", &rotation, json!({})).await;
    assert!(rotated.data(200)["webhook"]["old_secret_expires_at"].is_string());
    let moved = to("standard").await;
    let moved = &moved.data(200)["webhook"];
    assert_eq!(moved["dialect"], "standard");
    assert_eq!(moved["old_secret_expires_at"], Value::Null);

    let pair = world
        .send(&tenant, "POST", &rotation, json!({"signing": "v1a"}))
        .await;
    pair.data(200);
    to("odin").await.assert_error(422, "invalid_secret");
    world
        .send(&tenant, "POST", &rotation, json!({"signing": "v1"}))
        .await
        .data(200);
    let both = json!({"dialect": "odin", "events": ["card"]});
    let refused = world.send(&tenant, "PATCH", path, both).await;
    assert_eq!(refused.fields(), ["events[0]"], "a type of another dialect");
    assert_eq!(to("odin").await.data(200)["webhook"]["dialect"], "odin");
}

/// A secret that was stored when the dialect's file still had an HMAC of its own.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_nothing_can_sign_is_not_made() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let (acme, webhook) = (
        TenantId::parse("acme").unwrap(),
        WebhookId::parse(&id).unwrap(),
    );
    let store = &world.app.api.store;
    let mut stored = store.webhook(&acme, &webhook).await.unwrap().unwrap();
    stored.secret = Secret::new("my-secret-key".to_owned());
    stored.old_secrets = vec![OldSecret {
        secret: Secret::new("as-plain".to_owned()),
        expires_ms: u64::MAX,
        unknown: Unknown::new(),
    }];
    store.update_webhook(&stored, &by_nobody()).await.unwrap();
    let event = json!({"id": "evt_1", "type": "a.b", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    assert_eq!(world.posts(), 0);
    let path = format!("/v1/webhooks/{id}");
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let log = &logs.data(200)["logs"][0];
    assert_eq!(log["status"], "failed");
    let error = log["error"].as_str().unwrap();
    assert!(
        error.contains("cannot sign") && error.contains("Rotate"),
        "{error}"
    );
    assert!(log["next_attempt_at"].is_string(), "it comes again");

    let rotation = format!("{path}/rotate-secret");
    let rotated = world.send(&tenant, "POST", &rotation, json!({})).await;
    assert_eq!(
        rotated.data(200)["webhook"]["old_secret_expires_at"],
        Value::Null,
        "what cannot sign does not sign on"
    );
    world.pass(10_000).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(start_paused = true)]
async fn secret_headers_are_sent_and_shown_nowhere() {
    const TOKEN: &str = "Bearer token-of-the-receiver-1f2e";
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = asked(json!({
        "headers": {"X-Team": "red"},
        "secret_headers": {"Authorization": TOKEN, "X-Api-Key": "another-of-theirs-77"},
    }));
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let mut answers = vec![made.body.to_string()];
    let made = &made.data(201)["webhook"];
    assert_eq!(
        made["secret_headers"],
        json!(["Authorization", "X-Api-Key"])
    );
    assert_eq!(made["headers"], json!({"X-Team": "red"}));
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let event = json!({"id": "evt_1", "type": "a.b", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    let sent = world.last_headers();
    assert_eq!(sent["authorization"], TOKEN);
    assert_eq!(sent["x-api-key"], "another-of-theirs-77");
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let log = logs.data(200)["logs"][0]["id"].as_str().unwrap();
    let log_path = format!("{path}/logs/{log}");
    let log = world.get(&tenant, &log_path).await;
    let headers = &log.data(200)["log"]["request"]["headers"];
    assert_eq!(headers["authorization"], Value::Null);
    assert!(headers.as_object().unwrap().contains_key("x-api-key"));
    assert_eq!(headers["x-team"], "red");
    // This receiver echoes what it got.
    let echoed = &log.data(200)["log"]["response"];
    assert_eq!(echoed["headers"]["x-echo"], "[the value of Authorization]");

    for answered in [
        world.get(&tenant, &path).await,
        world.get(&tenant, "/v1/webhooks").await,
        world.get(&tenant, "/v1/events/evt_1").await,
        world
            .get(&As::operator_for("acme"), &format!("{path}/secret"))
            .await,
        world
            .send(&tenant, "PATCH", &path, json!({"name": "n"}))
            .await,
        world
            .send_text(&tenant, "POST", &format!("{path}/test"), "")
            .await,
        world
            .send_text(&tenant, "POST", &format!("{path}/rotate-secret"), "")
            .await,
        logs,
        log,
    ] {
        assert!(answered.status < 300, "{}", answered.body);
        answers.push(answered.body.to_string());
    }
    for answer in answers {
        for secret in ["token-of-the-receiver", "another-of-theirs"] {
            assert!(!answer.contains(secret), "{answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_merges_headers_and_secret_headers() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = asked(json!({
        "headers": {"X-A": "1", "X-B": "2"}, "secret_headers": {"X-Token": "t-1", "Cookie": "c-1"},
    }));
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = format!(
        "/v1/webhooks/{}",
        made.data(201)["webhook"]["id"].as_str().unwrap()
    );
    let change = async |change: Value| world.send(&tenant, "PATCH", &path, change).await;
    let shown = async |asked: Value, headers: Value, names: Value| {
        let changed = change(asked).await;
        let changed = &changed.data(200)["webhook"];
        assert_eq!(
            (&changed["headers"], &changed["secret_headers"]),
            (&headers, &names)
        );
    };
    shown(
        json!({"name": "n"}),
        json!({"X-A": "1", "X-B": "2"}),
        json!(["Cookie", "X-Token"]),
    )
    .await;
    shown(
        json!({"headers": {"x-a": null, "X-C": "3"}, "secret_headers": {"cookie": null, "X-TOKEN": "t-2"}}),
        json!({"X-B": "2", "X-C": "3"}),
        json!(["X-TOKEN"]),
    )
    .await;
    let event = json!({"type": "a.b", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    assert_eq!(world.last_headers()["x-token"], "t-2");

    for (refused, fields) in [
        (json!({"headers": {"x-token": "t"}}), ["headers.x-token"]),
        (
            json!({"headers": {"X-Api-Key": "k"}}),
            ["headers.X-Api-Key"],
        ),
        (
            json!({"secret_headers": {"x-b": "k"}}),
            ["secret_headers.x-b"],
        ),
        (
            json!({"secret_headers": {"Host": "h"}}),
            ["secret_headers.Host"],
        ),
        (
            json!({"secret_headers": {"X-New": 7}}),
            ["secret_headers.X-New"],
        ),
    ] {
        let refused = change(refused).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), fields);
    }
    // The names of another time.
    let refused = change(json!({"secret_headers": ["Cookie"]})).await;
    refused.assert_error(422, "invalid_request");
    let details = json!([{
        "field": "secret_headers",
        "code": "invalid",
        "problem": "lists other names than those that the webhook has now; leave it out, or give an object of names and values",
    }]);
    assert_eq!(refused.body["error"]["details"], details);
    // From one to the other in one change.
    shown(
        json!({"headers": {"X-B": null}, "secret_headers": {"X-B": "2"}}),
        json!({"X-C": "3"}),
        json!(["X-B", "X-TOKEN"]),
    )
    .await;
    shown(
        json!({"headers": null, "secret_headers": null}),
        json!({}),
        json!([]),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_operator_alone_reads_a_secret() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = asked(json!({"secret": KEY}));
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap();
    let path = format!("/v1/webhooks/{id}/secret");
    let operator = As::operator_for("acme");
    let read = world.get(&operator, &path).await;
    assert_eq!(*read.data(200), json!({"secret": KEY, "old_secrets": []}));
    assert_eq!(read.headers["cache-control"], "no-store");

    let rotation = format!("/v1/webhooks/{id}/rotate-secret");
    let rotated = world
        .send(&tenant, "POST", &rotation, json!({"overlap_seconds": 60}))
        .await;
    let rotated = rotated.data(200);
    let old = json!({"secret": KEY, "expires_at": rotated["webhook"]["old_secret_expires_at"]});
    let read = world.get(&operator, &path).await;
    assert_eq!(read.data(200)["secret"], rotated["webhook"]["secret"]);
    assert_eq!(read.data(200)["old_secrets"], json!([old]));
    world.pass(60_000).await;
    let read = world.get(&operator, &path).await;
    assert_eq!(read.data(200)["old_secrets"], json!([]));

    world
        .get(&tenant, &path)
        .await
        .assert_error(403, "forbidden");
    world
        .get(&As::nobody(), &path)
        .await
        .assert_error(401, "unauthorized");
    world
        .get(&As::operator(), &path)
        .await
        .assert_error(422, "tenant_required");
    world.tenant("other", "standard", "pro").await;
    let strange = world.get(&As::operator_for("other"), &path).await;
    strange.assert_error(404, "not_found");
}

type Row = HashMap<String, AttributeValue>;

async fn rows(world: &World) -> Vec<Row> {
    let scan = world
        .dynamodb
        .scan()
        .table_name("rung")
        .send()
        .await
        .unwrap();
    assert!(scan.last_evaluated_key.is_none(), "that was not all");
    scan.items.unwrap()
}

/// Whether any value of a row has these bytes in it, as they are, in base64 or in hexadecimal digits.
fn holds(row: &Row, needle: &str) -> bool {
    fn bytes(value: &AttributeValue) -> Vec<u8> {
        match value {
            AttributeValue::S(text) => text.clone().into_bytes(),
            AttributeValue::B(blob) => blob.as_ref().to_vec(),
            AttributeValue::N(number) => number.clone().into_bytes(),
            AttributeValue::L(list) => list.iter().flat_map(bytes).collect(),
            AttributeValue::M(map) => map.values().flat_map(bytes).collect(),
            AttributeValue::Bs(blobs) => blobs
                .iter()
                .flat_map(|blob| blob.as_ref().to_vec())
                .collect(),
            AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.concat().into_bytes(),
            other => panic!("{other:?}: what is in that?"),
        }
    }
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let hex = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
    let needles = [needle.to_owned(), STANDARD_NO_PAD.encode(needle), hex];
    row.values().any(|value| {
        let bytes = bytes(value);
        let has = |needle: &String| {
            let needle = needle.as_bytes();
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        needles.iter().any(has)
    })
}

#[tokio::test(start_paused = true)]
async fn the_table_holds_nothing_that_signs_and_no_key() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let keyed = As::operator().with_idempotency_key("k-1");
    let scopes = json!({"scopes": ["publish"]});
    let key = world
        .send(&keyed, "POST", "/v1/tenants/acme/keys", scopes)
        .await;
    let key = key.data(201)["key"]["key"].as_str().unwrap().to_owned();
    let certificate = client_certificate("rung");
    let webhook = asked(json!({
        "secret": KEY, "headers": {"X-Team": "team-value-4711"},
        "secret_headers": {"Authorization": "Bearer the-receivers-token"},
        "client_certificate": certificate,
    }));
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let rotation = format!("/v1/webhooks/{id}/rotate-secret");
    let mut secrets = vec![
        KEY.to_owned(),
        "the-receivers-token".to_owned(),
        "team-value-4711".to_owned(),
        line_of_key(&certificate).to_owned(),
        key,
        ADMIN.to_owned(),
    ];
    for signing in ["v1a", "v1"] {
        let rotated = world
            .send(&tenant, "POST", &rotation, json!({"signing": signing}))
            .await;
        secrets.push(
            rotated.data(200)["webhook"]["secret"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    // What goes out, waits, fails and is asked for leaves its rows, too. The log shows own headers to the tenant: those are no secrets.
    let rows_before = rows(&world).await;
    world.answer(500);
    let event = json!({"id": "evt_1", "type": "a.b", "data": {"n": 1}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(3_600_000).await;
    let since = json!({"since": "2025-10-09T08:00:00Z"});
    let recover = format!("/v1/webhooks/{id}/recover");
    world.send(&tenant, "POST", &recover, since).await.data(202);
    world.get(&tenant, "/v1/events").await.data(200);
    world.pass(60_000).await;
    let rows = rows(&world).await;
    assert!(rows.len() > rows_before.len() + 3, "only {}", rows.len());
    for row in &rows {
        for secret in &secrets {
            assert!(!holds(row, secret), "{secret} is in {row:?}");
            // Without its prefix: what follows may have `_` in it.
            let bare = secret.split_once('_').map_or(&**secret, |(_, bare)| bare);
            assert!(!holds(row, bare), "{bare} is in {row:?}");
        }
    }
    // The deployment's own key is there, and encrypted.
    let own = rows
        .iter()
        .find(|row| row["pk"].as_s().unwrap() == "S#key")
        .unwrap();
    let key = world.app.api.store.deployment_key().await.unwrap();
    assert!(
        !own["k"]
            .as_b()
            .unwrap()
            .as_ref()
            .windows(32)
            .any(|window| window == key)
    );
}

/// Another store over the same table, with these keys.
fn store_with(world: &World, keys: &str) -> Store {
    let keys = KeyRing::parse(keys).unwrap();
    let month = std::time::Duration::from_secs(30 * 86_400);
    Store::new(
        world.dynamodb.clone(),
        "rung",
        keys,
        world.app.api.clock.clone(),
        month,
    )
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_moved_does_not_open() {
    let world = World::new().await;
    let store = &world.app.api.store;
    let mut keys = Vec::new();
    for tenant in ["acme", "other"] {
        let owner = world.tenant(tenant, "standard", "pro").await;
        for _ in 0..2 {
            let webhook = WebhookId::parse(&world.webhook(&owner).await).unwrap();
            keys.push((TenantId::parse(tenant).unwrap(), webhook));
        }
    }
    let table = rows(&world).await;
    let row = |(tenant, webhook): &(TenantId, WebhookId)| {
        let shard = webhook.shard_of(WEBHOOK_SHARDS);
        let (pk, sk) = (format!("W#{tenant}#{shard}"), format!("W#{webhook}"));
        let is_it = |row: &&Row| row["pk"].as_s() == Ok(&pk) && row["sk"].as_s() == Ok(&sk);
        table.iter().find(is_it).unwrap().clone()
    };
    let put = async |row: Row| {
        let put = world
            .dynamodb
            .put_item()
            .table_name("rung")
            .set_item(Some(row));
        put.send().await.unwrap();
    };
    // Of the same tenant, then of another one.
    for from in [&keys[1], &keys[2]] {
        let mut changed = row(&keys[0]);
        changed.insert("secret".to_owned(), row(from)["secret"].clone());
        put(changed).await;
        let read = store.webhook(&keys[0].0, &keys[0].1).await;
        let error = read.unwrap_err().to_string();
        assert!(error.contains("no usable attribute secret"), "{error}");
    }
    // From one attribute to another.
    let mut changed = row(&keys[0]);
    changed.insert("headers".to_owned(), changed["secret"].clone());
    put(changed).await;
    assert!(store.webhook(&keys[0].0, &keys[0].1).await.is_err());
    put(row(&keys[0])).await;
    store
        .webhook(&keys[0].0, &keys[0].1)
        .await
        .unwrap()
        .unwrap();
}

/// The operator's procedure: the new key behind the old one, then before it, then everything anew, then the old one away.
#[tokio::test(start_paused = true)]
async fn an_encryption_key_is_replaced() {
    const OLD: &str = "the-old-encryption-key-0123456789";
    const NEW: &str = "the-new-encryption-key-0123456789";
    let mut world = World::with_keys(OLD).await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    world.tenant("empty", "odin", "pro").await;
    let others = world.tenant("other", "odin", "pro").await;
    let mut webhooks = Vec::new();
    for owner in [&tenant, &tenant, &others] {
        webhooks.push(world.webhook(owner).await);
    }
    let list = async |world: &World, query: &str| {
        world
            .get(&tenant, &format!("/v1/webhooks?limit=1{query}"))
            .await
    };
    let cursor = list(&world, "").await.data(200)["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();

    world.change_keys(&format!("{OLD} {NEW}")).await;
    world.webhook(&tenant).await;
    world.change_keys(&format!("{NEW}\n{OLD}")).await;
    let new = KeyRing::parse(NEW).unwrap().newest().unwrap().to_string();
    let newest = world.webhook(&tenant).await;
    let reencrypt = async |world: &World, body: Value| {
        world
            .send(&As::operator(), "POST", "/v1/reencrypt", body)
            .await
    };
    let done = reencrypt(&world, json!({})).await;
    let expected = json!({"key": new, "checked": 6, "rewritten": 5, "next_cursor": null});
    assert_eq!(
        *done.data(200),
        expected,
        "four webhooks and the deployment's own key"
    );
    let again = reencrypt(&world, json!({})).await;
    assert_eq!(again.data(200)["rewritten"], 0);
    let refused = reencrypt(&world, json!({"cursor": "x"})).await;
    assert_eq!(refused.fields(), ["cursor"]);

    world.change_keys(NEW).await;
    for id in &webhooks[..2] {
        world
            .get(&tenant, &format!("/v1/webhooks/{id}"))
            .await
            .data(200);
    }
    world
        .get(&others, &format!("/v1/webhooks/{}", webhooks[2]))
        .await
        .data(200);
    list(&world, &format!("&cursor={cursor}")).await.data(200);

    // Whoever has the old key alone says which one is missing, and answers that it may work later.
    let store = store_with(&world, OLD);
    let id = WebhookId::parse(&newest).unwrap();
    let error = store
        .webhook(&TenantId::parse("acme").unwrap(), &id)
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&new), "{error}");
    world.change_keys(OLD).await;
    let refused = world.get(&tenant, &format!("/v1/webhooks/{newest}")).await;
    refused.assert_error(503, "unavailable");
}

/// The key of a client certificate is encrypted anew with the rest, and presented without the old encryption key.
#[tokio::test(start_paused = true)]
async fn a_client_certificate_outlives_the_encryption_key_that_it_was_given_under() {
    const OLD: &str = "the-old-encryption-key-0123456789";
    const NEW: &str = "the-new-encryption-key-0123456789";
    let mut world = World::with_keys(OLD).await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let certificate = client_certificate("a");
    let webhook = json!({
        "url": "https://example.com/hook", "events": ["*"], "client_certificate": certificate,
    });
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let made = &made.data(201)["webhook"];
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());

    world.change_keys(NEW).await;
    let refused = world.get(&tenant, &path).await;
    refused.assert_error(503, "unavailable");
    world.change_keys(&format!("{NEW}\n{OLD}")).await;
    let reencrypt = "/v1/reencrypt";
    let operator = As::operator();
    let done = world.send(&operator, "POST", reencrypt, json!({})).await;
    assert_eq!(done.data(200)["rewritten"], 1);
    world.change_keys(NEW).await;
    let shown = world.get(&tenant, &path).await;
    let shown = &shown.data(200)["webhook"]["client_certificate"];
    assert_eq!(*shown, made["client_certificate"]);
    let test = format!("{path}/test");
    let tested = world.send(&tenant, "POST", &test, json!({})).await;
    tested.data(200);
    let presented = world.last_post().client_certificate.unwrap();
    assert_eq!(*presented.certificate, certificate["certificate"]);
    let presented = presented.private_key.expose();
    assert_eq!(presented, certificate["private_key"]);
}

/// One webhook that cannot be decrypted keeps nobody's deliveries up; its own come as soon as the key is back.
#[tokio::test(start_paused = true)]
async fn deliveries_wait_for_their_encryption_key_and_only_those() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (lost, fine) = (world.webhook(&tenant).await, world.webhook(&tenant).await);
    let acme = TenantId::parse("acme").unwrap();
    let id = WebhookId::parse(&lost).unwrap();
    let own = &world.app.api.store;
    let before = own.webhook(&acme, &id).await.unwrap().unwrap();
    let other = store_with(&world, "an-encryption-key-that-nobody-else-has");
    other.update_webhook(&before, &by_nobody()).await.unwrap();
    let event = json!({"id": "evt_1", "type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(
        published.data(202)["deliveries"],
        2,
        "publishing takes no secret"
    );
    world.pass(1_000).await;
    assert_eq!(world.posts(), 1);
    let logs = world
        .get(&tenant, &format!("/v1/webhooks/{fine}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"][0]["status"], "succeeded");

    let stored = other.webhook(&acme, &id).await.unwrap().unwrap();
    own.update_webhook(&stored, &by_nobody()).await.unwrap();
    world.pass(3_600_000).await;
    assert_eq!(world.posts(), 2);
    let logs = world
        .get(&tenant, &format!("/v1/webhooks/{lost}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"][0]["attempt"], 1);
}

//! What arrives, byte for byte, in each dialect: the formats that customers' receivers were written for.

use std::collections::BTreeSet;

use rung_tests::{Received, Receiver, Tenant, Webhook};
use serde_json::{Value, json};

use crate::{DIALECTS, a_type_of, rung};

/// Headers that HTTP itself brings, and the count of deliveries in a row; everything else is the dialect's.
const TRANSPORT: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "user-agent",
    "accept",
    "accept-encoding",
    "connection",
    "rung-hops",
];

const STANDARD: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

const MADE: &str = "2024-12-14T15:29:18Z";

/// Publishes one event with a fixed id and time, and gives what arrived.
async fn one(dialect: &str, data: &str) -> (Received, Webhook) {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", dialect).await;
    let event_type = a_type_of(dialect);
    let webhook = tenant
        .webhook(&receiver.url("/in?x=1"), &[event_type])
        .await;
    let reply = tenant
        .publish_text(&format!(
            r#"{{"id":"abc-1_2","type":"{event_type}","timestamp":"{MADE}","data":{data}}}"#
        ))
        .await;
    assert_eq!(reply.data(202)["deliveries"], 1);
    (receiver.wait_for(1).await.remove(0), webhook)
}

fn check_transport(request: &Received) {
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/in?x=1")
    );
    assert_eq!(request.version, "HTTP/1.1");
    assert_eq!(request.must("content-type"), "application/json");
    assert_eq!(
        request.must("content-length"),
        request.body.len().to_string()
    );
    assert!(
        request.header("transfer-encoding").is_none(),
        "{:?}",
        request.headers
    );
    assert_eq!(
        request.must("user-agent"),
        concat!("Rung/", env!("CARGO_PKG_VERSION"))
    );
    request.must("host");
    assert_eq!(request.must("rung-hops"), "1");
}

/// The headers beyond transport and Standard Webhooks.
fn own_headers(request: &Received) -> BTreeSet<String> {
    let names = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase());
    names
        .filter(|name| !TRANSPORT.contains(&name.as_str()) && !STANDARD.contains(&name.as_str()))
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check_standard_headers(request: &Received, id: &str, secret: &str) {
    assert_eq!(request.must("webhook-id"), id);
    let timestamp: u64 = request.must("webhook-timestamp").parse().unwrap();
    assert!(
        timestamp.abs_diff(request.at_unix_s) <= 30,
        "{timestamp} is not the attempt's time"
    );
    let signature = request.must("webhook-signature");
    assert!(signature.starts_with("v1,"), "{signature}");
    let mut headers = http::HeaderMap::new();
    for name in STANDARD {
        headers.insert(name, request.must(name).parse().unwrap());
    }
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    verifier
        .verify(&request.body, &headers)
        .expect("a Standard Webhooks signature");
    let mut changed = request.body.clone();
    changed.push(b' ');
    assert!(verifier.verify(&changed, &headers).is_err());
}

fn is_hex_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[tokio::test]
async fn badger() {
    let (request, webhook) = one(
        "badger",
        r#"{"userId":"user123", "badge":{"name":"First Purchase"}, "badgeId":"b"}"#,
    )
    .await;
    check_transport(&request);
    assert_eq!(
        request.text(),
        r#"{"event":"user.badge.unlocked","userId":"user123","badge":{"name":"First Purchase"},"badgeId":"b","timestamp":"2024-12-14T15:29:18Z"}"#
    );
    assert_eq!(own_headers(&request), names(&["x-badger-signature"]));
    assert!(is_hex_sha256(request.must("x-badger-signature")));
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

#[tokio::test]
async fn patra() {
    let (request, webhook) = one(
        "patra",
        r#"{"id":"card_abc123","changes":["bio","jobTitle"]}"#,
    )
    .await;
    check_transport(&request);
    assert_eq!(
        request.text(),
        r#"{"id":"abc-1_2","event":"card.updated","created":1734190158,"data":{"id":"card_abc123","changes":["bio","jobTitle"]}}"#
    );
    assert_eq!(
        own_headers(&request),
        names(&["x-patra-delivery", "x-patra-event", "x-patra-signature"])
    );
    assert_eq!(request.must("x-patra-event"), "card.updated");
    assert!(
        request
            .must("x-patra-signature")
            .strip_prefix("sha256=")
            .is_some_and(is_hex_sha256)
    );
    assert!(
        is_uuid(request.must("x-patra-delivery")),
        "{:?}",
        request.headers
    );
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

#[tokio::test]
async fn bharatcart() {
    let (request, webhook) = one(
        "bharatcart",
        r#"{"orderId":"ORD-2024-00001","total":235997}"#,
    )
    .await;
    check_transport(&request);
    assert_eq!(
        request.text(),
        r#"{"event":"order.created","timestamp":"2024-12-14T15:29:18Z","data":{"orderId":"ORD-2024-00001","total":235997}}"#
    );
    assert_eq!(own_headers(&request), names(&["x-webhook-signature"]));
    assert!(is_hex_sha256(request.must("x-webhook-signature")));
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

#[tokio::test]
async fn reward_has_no_signature_of_its_own() {
    let (request, webhook) = one(
        "reward",
        r#"{"user":{"id":"ca9b"},"value":2.99,"trigger":{"id":"paid"}}"#,
    )
    .await;
    check_transport(&request);
    assert_eq!(
        request.text(),
        r#"{"id":"abc-1_2","type":"trigger_event.created","time":"2024-12-14T15:29:18.000Z","data":{"user":{"id":"ca9b"},"value":2.99,"trigger":{"id":"paid"}}}"#
    );
    assert_eq!(own_headers(&request), names(&[]));
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

#[tokio::test]
async fn odin() {
    let (request, webhook) = one("odin", r#"{"user_id":"user_xyz789","score":95}"#).await;
    check_transport(&request);
    let request_id = request.json()["metadata"]["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        request.text(),
        format!(
            r#"{{"id":"abc-1_2","type":"user.lesson.completed","created_at":"2024-12-14T15:29:18Z","data":{{"user_id":"user_xyz789","score":95}},"metadata":{{"api_version":"v1","request_id":"{request_id}"}}}}"#
        )
    );
    assert_eq!(own_headers(&request), names(&["x-odin-signature"]));
    let (t, v1) = request.must("x-odin-signature").split_once(',').unwrap();
    assert_eq!(t.strip_prefix("t="), request.header("webhook-timestamp"));
    assert!(v1.strip_prefix("v1=").is_some_and(is_hex_sha256), "{v1}");
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

#[tokio::test]
async fn standard() {
    let (request, webhook) = one("standard", r#"{"amount":1,"currency":"EUR"}"#).await;
    check_transport(&request);
    assert_eq!(
        request.text(),
        r#"{"type":"invoice.paid","timestamp":"2024-12-14T15:29:18Z","data":{"amount":1,"currency":"EUR"}}"#
    );
    assert_eq!(own_headers(&request), names(&[]));
    check_standard_headers(&request, "abc-1_2", &webhook.secret);
}

/// A secret made here is `whsec_` + base64 of 32 bytes; one brought along is kept, and signs the Standard Webhooks way only
/// where it is such a key.
#[tokio::test]
async fn standard_signatures_only_under_a_standard_secret() {
    let rung = rung(&[]).await;
    let key = |n: usize| {
        use base64::Engine as _;
        format!(
            "whsec_{}",
            base64::engine::general_purpose::STANDARD.encode(vec![7; n])
        )
    };
    for dialect in DIALECTS {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let types = [a_type_of(dialect)];
        let made = tenant.webhook(&receiver.url("/made"), &types).await;
        assert_eq!(made.secret.len(), "whsec_".len() + 44, "{}", made.secret);
        let unpadded = key(32).trim_end_matches('=').to_owned();
        let unprefixed = key(32)["whsec_".len()..].to_owned();
        let mut secrets = vec![
            ("/least", key(24), true),
            ("/most", key(64), true),
            ("/unpadded", unpadded, true),
            ("/unprefixed", unprefixed, true),
        ];
        let no_keys = [
            ("/plain", "your_webhook_secret_key".to_owned(), false),
            ("/short", key(23), false),
            ("/long", key(65), false),
        ];
        // Where nothing else signs, such a secret is refused.
        if ["standard", "reward"].contains(&dialect) {
            for (path, secret, _) in no_keys {
                let request = json!({"url": receiver.url(path), "events": types, "secret": secret});
                let refused = tenant.api.post("/v1/webhooks", &request).await;
                refused.refused(422, "invalid_secret");
            }
        } else {
            secrets.extend(no_keys);
        }
        for (path, secret, _) in &secrets {
            let webhook = tenant
                .webhook_with_secret(&receiver.url(path), &types, secret)
                .await;
            assert_eq!(webhook.secret, *secret);
        }
        let event = tenant.publish(types[0], json!({"a": 1})).await;
        assert_eq!(event.deliveries, secrets.len() as u64 + 1, "{dialect}");
        let arrived = receiver.wait_for(secrets.len() + 1).await;
        let at = |path: &str| arrived.iter().find(|request| request.path == path).unwrap();
        check_standard_headers(at("/made"), &event.id, &made.secret);
        for (path, secret, signed) in &secrets {
            if *signed {
                // The library wants the padding: it is the same key.
                let missing = match *path {
                    "/unpadded" => "=",
                    _ => "",
                };
                check_standard_headers(at(path), &event.id, &format!("{secret}{missing}"));
            } else {
                assert_eq!(at(path).must("webhook-id"), event.id, "{dialect} {path}");
                at(path).must("webhook-timestamp");
                assert!(
                    at(path).header("webhook-signature").is_none(),
                    "{dialect} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn ids_and_times_that_rung_makes() {
    let rung = rung(&[]).await;
    let now = jiff::Timestamp::now().as_second();
    for dialect in DIALECTS {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        tenant
            .webhook(&receiver.url("/"), &[a_type_of(dialect)])
            .await;
        let event = tenant.publish(a_type_of(dialect), json!({"a": 1})).await;
        let request = receiver.wait_for(1).await.remove(0);
        assert_eq!(request.event_id(), event.id);
        let body = request.json();
        if ["patra", "reward", "odin"].contains(&dialect) {
            assert_eq!(body["id"], *event.id);
        } else {
            assert!(body.get("id").is_none(), "{dialect}: {body}");
        }
        if dialect == "reward" {
            let ulid = event.id.strip_prefix("we_").unwrap();
            let crockford =
                |c: char| c.is_ascii_digit() || (c.is_ascii_lowercase() && !"ilou".contains(c));
            assert!(ulid.len() == 26 && ulid.chars().all(crockford), "{ulid}");
        } else {
            assert!(
                event.id.starts_with("evt_") && event.id.len() > 8,
                "{dialect}: {}",
                event.id
            );
        }
        let made = match dialect {
            "patra" => body["created"].as_i64().unwrap(),
            "reward" => {
                let time = body["time"].as_str().unwrap();
                assert_eq!(time.len(), "2024-12-14T15:29:18.821Z".len(), "{time}");
                seconds(&body["time"])
            }
            "odin" => seconds(&body["created_at"]),
            _ => seconds(&body["timestamp"]),
        };
        assert!((now - 60..now + 120).contains(&made), "{dialect}: {body}");
    }
}

fn seconds(time: &Value) -> i64 {
    let text = time.as_str().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn a_fraction_of_a_second_is_kept_where_the_document_has_one() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let reward = Tenant::create(&rung, "reward", "reward").await;
    reward.webhook(&receiver.url("/"), &["*"]).await;
    let event = json!({"type": "trigger_event.created", "timestamp": "2024-12-14T15:29:18.821Z", "data": {}});
    reward.api.post("/v1/events", &event).await.data(202);
    assert_eq!(
        receiver.wait_for(1).await[0].json()["time"],
        "2024-12-14T15:29:18.821Z"
    );
}

/// Ids, body and the delivery's UUID are the same at each attempt; the UUID is each webhook's own.
#[tokio::test]
async fn attempts_of_a_delivery_are_alike() {
    let rung = rung(&["--time-scale", "3600"]).await;
    let receiver = Receiver::in_turn(&[500, 500, 500, 200]).await;
    let other = Receiver::always(200).await;
    let patra = Tenant::create(&rung, "patra", "patra").await;
    patra.webhook(&receiver.url("/"), &["card"]).await;
    patra.webhook(&other.url("/"), &["card"]).await;
    let event = patra.publish("card.updated", json!({"id": "card_1"})).await;
    let attempts = receiver.wait_for(4).await;
    let delivery = attempts[0].must("x-patra-delivery");
    for attempt in &attempts {
        assert_eq!(attempt.body, attempts[0].body);
        assert_eq!(attempt.must("x-patra-delivery"), delivery);
        assert_eq!(attempt.event_id(), event.id);
        let timestamp: u64 = attempt.must("webhook-timestamp").parse().unwrap();
        assert!(
            timestamp.abs_diff(attempt.at_unix_s) <= 30,
            "the time scale is not the signature's"
        );
    }
    let beside = other.wait_for(1).await.remove(0);
    assert_ne!(beside.must("x-patra-delivery"), delivery);
    assert_eq!(beside.body, attempts[0].body);
}

#[tokio::test]
async fn odins_metadata_is_merged_and_its_own_members_win() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "odin", "odin").await;
    odin.webhook(&receiver.url("/a"), &["*"]).await;
    odin.webhook(&receiver.url("/b"), &["*"]).await;
    let metadata = json!({"source": "app", "api_version": "v0", "request_id": "mine"});
    let event = json!({"type": "user.lesson.completed", "data": {}, "metadata": metadata});
    odin.api.post("/v1/events", &event).await.data(202);
    let arrived = receiver.wait_for(2).await;
    let merged = arrived[0].json()["metadata"].clone();
    assert_eq!(merged["source"], "app");
    assert_eq!(merged["api_version"], "v1");
    let request_id = merged["request_id"].as_str().unwrap();
    assert!(request_id.starts_with("req_"), "{request_id}");
    assert_eq!(
        arrived[0].body, arrived[1].body,
        "one request id for all webhooks"
    );
}

/// A webhook's own headers go along, and cannot take the place of those that Rung promises.
#[tokio::test]
async fn a_webhooks_own_headers_go_along() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    tenant
        .webhook_with(json!({
            "url": receiver.url("/"), "events": ["*"],
            "headers": {"X-Team": "billing"}, "secret_headers": {"Authorization": "Bearer theirs"},
        }))
        .await;
    tenant.publish("invoice.paid", json!({})).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.must("x-team"), "billing");
    assert_eq!(request.must("authorization"), "Bearer theirs");
}

/// A webhook may speak another dialect than its tenant, for a gradual move.
#[tokio::test]
async fn one_event_in_two_dialects() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "odin", "odin").await;
    tenant.webhook(&receiver.url("/old"), &["user"]).await;
    let moved = json!({"url": receiver.url("/new"), "events": ["user.lesson.completed"], "dialect": "standard"});
    tenant.webhook_with(moved).await;
    let event = tenant
        .publish("user.lesson.completed", json!({"score": 95}))
        .await;
    assert_eq!(event.deliveries, 2);
    let arrived = receiver.wait_for(2).await;
    let at = |path: &str| arrived.iter().find(|request| request.path == path).unwrap();
    at("/old").must("x-odin-signature");
    assert!(at("/new").header("x-odin-signature").is_none());
    assert_eq!(at("/new").json()["data"], json!({"score": 95}));
    assert!(at("/new").json().get("metadata").is_none());
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// The dialect's headers are its own, whatever the webhook had before: imported with another one, or its file changed.
#[tokio::test]
async fn a_header_of_the_dialect_takes_the_place_of_the_webhooks_own() {
    const FILE: &str = include_str!("../../../shared/dialects/standard.toml");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    let text = FILE.replace("\"standard\"", "\"own\"");
    std::fs::write(&file, &text).unwrap();
    let mut rung = rung(&["--dialect", file.to_str().unwrap()]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "own").await;
    let headers = json!({"X-Odin-Signature": "mine", "X-Sent": "mine", "X-Kept": "mine"});
    let request = json!({"url": receiver.url("/"), "events": ["*"], "headers": &headers});
    let webhook = tenant.webhook_with(request).await;
    let values = |request: &Received, name| {
        let values = request.all(name).map(str::to_owned);
        values.collect::<Vec<_>>()
    };
    let publish = async || {
        let event = json!({"lesson_id": "l"});
        tenant.publish("user.lesson.completed", event).await;
    };
    publish().await;
    let before = receiver.wait_for(1).await.remove(0);
    for name in ["x-odin-signature", "x-sent", "x-kept"] {
        assert_eq!(values(&before, name), ["mine"]);
    }

    rung.terminate().await;
    let sending = format!("headers = {{ X-Sent = \"{{id}}\" }}\n{text}");
    std::fs::write(&file, sending).unwrap();
    rung.restart().await;
    publish().await;
    let changed = receiver.wait_for(2).await.remove(1);
    assert_eq!(values(&changed, "x-sent"), [changed.event_id()]);
    assert_eq!(values(&changed, "x-kept"), ["mine"]);

    let mut import = json!({
        "url": receiver.url("/"), "events": ["*"], "dialect": "odin", "headers": headers,
    });
    let (admin, path) = (rung.admin().for_tenant("t"), webhook.path(""));
    let refused = admin.put(&path, &import).await;
    assert_eq!(
        refused.refused(422, "invalid_request")["details"][0]["field"],
        "headers.X-Odin-Signature"
    );
    import["headers"] = json!({"X-Sent": "mine", "X-Kept": "mine"});
    admin.put(&path, &import).await.data(200);
    publish().await;
    let imported = receiver.wait_for(3).await.remove(2);
    let signatures = values(&imported, "x-odin-signature");
    assert_eq!(signatures.len(), 1, "{signatures:?}");
    assert!(signatures[0].starts_with("t="), "{signatures:?}");
    assert_eq!(values(&imported, "x-kept"), ["mine"]);
    let logged = webhook.until_attempts(imported.event_id(), 1).await;
    let log = webhook.log(&logged[0]).await;
    assert_eq!(log["request"]["headers"]["x-odin-signature"], signatures[0]);
}

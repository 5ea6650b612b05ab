//! An operator's own dialect, from the file that the documentation shows to the receiver, row by row.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rung_tests::{Answer, Received, Receiver, Rung, Tenant};
use serde_json::json;
use sha2::Sha512;

use crate::{RUNG, rung};

const PAGE: &str = include_str!("../../../docs/dialects.md");

/// The file that the page shows.
fn documented() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    rest.split_once("```\n").unwrap().0
}

async fn with_documented(flags: &[&str]) -> (Rung, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acme.toml");
    std::fs::write(&path, documented()).unwrap();
    let flags = [flags, &["--dialect", path.to_str().unwrap()]].concat();
    (rung(&flags).await, dir)
}

fn is_signed(request: &Received, secret: &str) -> bool {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("invoice.paid:{}:", request.must("x-acme-sent-at")).as_bytes());
    mac.update(&request.body);
    let signature = BASE64.encode(mac.finalize().into_bytes());
    request.must("x-acme-signature") == format!("v2={signature}")
}

#[tokio::test]
async fn receivers_get_what_they_have_always_got() {
    let (rung, _dir) = with_documented(&[]).await;
    let receiver = Receiver::always(202).await;
    let tenant = Tenant::create(&rung, "t", "acme").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/hooks"), &["billing"], "as it ever was")
        .await;
    let event = json!({
        "id": "9f8c", "type": "invoice.paid", "timestamp": "2025-01-15T09:30:00Z",
        "data": {"invoice": "in_1042", "amount": 49.9},
    });
    tenant.publish_text(&event.to_string()).await.data(202);
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        request.text(),
        r#"{"meta":{"id":"9f8c","topic":"invoice.paid","at":1736933400000,"version":2},"payload":{"invoice":"in_1042","amount":49.9}}"#
    );
    assert!(is_signed(&request, "as it ever was"));
    let mut names: Vec<String> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "content-length",
            "content-type",
            "host",
            "rung-hops",
            "user-agent",
            "x-acme-sent-at",
            "x-acme-signature",
            "x-acme-topic"
        ]
    );
    assert_eq!(request.must("user-agent"), "Acme-Hooks/2");
    assert_eq!(request.must("x-acme-topic"), "invoice.paid");
    let log = webhook.until_attempts("9f8c", 1).await.remove(0);
    assert_eq!(log["status"], "succeeded", "202 is a success here");

    let test = tenant
        .api
        .post(
            &webhook.path("/test"),
            &json!({"event_type": "user.joined"}),
        )
        .await;
    assert_eq!(test.data(200)["log"]["status"], "succeeded");
    let sample = receiver.wait_for(2).await.remove(1);
    assert_eq!(sample.json()["payload"], json!({"user": "u_7"}));
    let id = sample.json()["meta"]["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36, "{id} is a UUID");

    let unknown = tenant
        .api
        .post("/v1/events", &json!({"type": "invoice.payed", "data": {}}))
        .await;
    assert!(
        unknown.text.contains("unknown_event_type"),
        "{}",
        unknown.text
    );
    let large = json!({"invoice": "x".repeat(65_536)});
    let large = json!({"type": "invoice.paid", "data": large});
    let large = tenant.api.post("/v1/events", &large).await;
    assert!(large.text.contains("payload_too_large"), "{}", large.text);
    let pair = json!({"url": receiver.url("/"), "events": ["*"], "signing": "v1a"});
    let pair = tenant.api.post("/v1/webhooks", &pair).await;
    assert!(pair.text.contains("webhook-signature"), "{}", pair.text);
}

/// Three waits of 10 s, 5 min and 1 h, then the fifth failure in a row, of the next event, disables the webhook.
#[tokio::test]
async fn its_ladder_and_its_rule_hold() {
    let (rung, _dir) = with_documented(&["--time-scale", "3600"]).await;
    // 204 is a success elsewhere, but not here.
    let receiver = Receiver::always(204).await;
    let tenant = Tenant::create(&rung, "t", "acme").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("invoice.paid", json!({})).await;
    tenant.until(&event.id, &webhook, "failed").await;
    let attempts = webhook.attempts(&event.id).await;
    let time =
        |value: &serde_json::Value| -> jiff::Timestamp { value.as_str().unwrap().parse().unwrap() };
    let waits = attempts.windows(2).map(|pair| {
        let wait = time(&pair[1]["attempted_at"]) - time(&pair[0]["delivered_at"]);
        wait.total(jiff::Unit::Second).unwrap()
    });
    let waits: Vec<_> = waits.collect();
    assert_eq!(waits.len(), 3);
    for (waited, least) in waits.iter().zip([10.0, 300.0, 3600.0]) {
        assert!(*waited >= least, "{waits:?}");
    }
    assert_eq!(webhook.status().await, "active");
    tenant.publish("invoice.paid", json!({})).await;
    let disabled = webhook.until("disabled").await;
    assert_eq!(disabled["disabled"]["code"], "consecutive_failures");
    // Its successor is in place before the webhook is judged: at this scale it may be posted in between.
    let posted = receiver.wait_for(5).await.len();
    assert!(posted <= 6, "{posted}");
    receiver.stays_at(posted).await;
}

/// The old secret signs alone, since its receivers read one signature.
#[tokio::test]
async fn its_secrets_rotate() {
    let (rung, _dir) = with_documented(&[]).await;
    let receiver = Receiver::start(|request| {
        let status = if is_signed(request, "new") { 200 } else { 401 };
        Answer::status(status).after(Duration::from_millis(20))
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "acme").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], "old")
        .await;
    let path = webhook.path("/rotate-secret");
    tenant
        .api
        .post(&path, &json!({"secret": "new"}))
        .await
        .data(200);
    let event = tenant.publish("invoice.paid", json!({})).await;
    let received = receiver.wait_for(2).await;
    assert!(is_signed(&received[0], "old") && is_signed(&received[1], "new"));
    let attempts = webhook.until_attempts(&event.id, 1).await;
    assert_eq!(attempts[0]["status"], "succeeded");
}

#[tokio::test]
async fn a_mistake_stops_the_start_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acme.toml");
    let wrong = documented().replace("\"3s\" ", "\"3 seconds\" ");
    std::fs::write(&path, wrong).unwrap();
    let data = dir.path().join("data");
    let args = [
        "dev",
        "--addr",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--dialect",
        path.to_str().unwrap(),
    ];
    let (status, output) = Rung::run(RUNG, &args).await;
    assert!(!status.success());
    let (_, shown) = PAGE.split_once("\nacme.toml:").unwrap();
    let shown = shown.lines().next().unwrap();
    assert!(output.contains(&format!("acme.toml:{shown}")), "{output}");
}

/// The formats of three vendors: what an attempt fills in goes out anew each time, and a secret that goes out is in no answer.
#[tokio::test]
async fn what_an_attempt_fills_in_is_sent_and_its_secrets_are_not_shown() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects");
    let files = ["gitlab", "figma", "mailgun"].map(|name| folder.join(format!("{name}.toml")));
    let files = files.each_ref().map(|path| path.to_str().unwrap());
    let flags = files.iter().flat_map(|path| ["--dialect", path]);
    let flags: Vec<&str> = flags.chain(["--time-scale", "3600"]).collect();
    let rung = rung(&flags).await;
    let receiver = Receiver::start(|request| {
        let token = request.header("x-gitlab-token").unwrap_or_default();
        let is_mailgun = request.text().contains("\"event-data\"");
        Answer::status(if is_mailgun { 500 } else { 200 }).body(format!("you are {token}"))
    })
    .await;
    for (dialect, event_type) in [("gitlab", "push"), ("figma", "FILE_UPDATE")] {
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let webhook = tenant
            .webhook_with_secret(&receiver.url("/"), &["*"], "my-own-token")
            .await;
        let before = receiver.count();
        let event = tenant.publish(event_type, json!({"ref": "main"})).await;
        let request = receiver.wait_for(before + 1).await.remove(before);
        if dialect == "gitlab" {
            assert_eq!(request.must("x-gitlab-token"), "my-own-token");
            assert_eq!(request.must("x-gitlab-event"), "Push Hook");
        } else {
            assert_eq!(request.json()["passcode"], "my-own-token");
        }
        let attempt = webhook.until_attempts(&event.id, 1).await.remove(0);
        let log = webhook.log(&attempt).await;
        assert!(!log.to_string().contains("my-own-token"), "{log}");
        if dialect == "gitlab" {
            assert_eq!(log["response"]["body"], "you are [the secret]");
            assert_eq!(log["request"]["headers"]["x-gitlab-token"], json!(null));
            let token = json!([{"header": "X-Gitlab-Token", "scheme": "token"}]);
            assert_eq!(log["signatures"], token);
        } else {
            let body = log["request"]["body"].as_str().unwrap();
            assert!(body.contains(r#""passcode":"{secret}""#), "{body}");
        }
        let shown = tenant.api.get(&format!("/v1/events/{}", event.id)).await;
        assert!(!shown.text.contains("my-own-token"), "{}", shown.text);
        assert_eq!(shown.data(200)["event"]["data"], json!({"ref": "main"}));
    }

    let tenant = Tenant::create(&rung, "mailgun", "mailgun").await;
    let before = receiver.count();
    tenant.webhook(&receiver.url("/"), &["*"]).await;
    tenant
        .publish("delivered", json!({"recipient": "ada@example.com"}))
        .await;
    let received = receiver.wait_for(before + 2).await;
    let [first, second] = [0, 1].map(|place| received[before + place].json()["signature"].clone());
    assert_ne!(first["token"], second["token"]);
    assert_ne!(first["signature"], second["signature"]);
}

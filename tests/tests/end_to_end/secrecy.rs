//! What the process writes helps the operator and gives nothing away.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rung_tests::{Answer, Receiver, Tenant};
use serde_json::json;

use crate::rung;

/// A client certificate and its key, in PEM.
fn client_certificate() -> (String, String) {
    let own = rcgen::generate_simple_self_signed(["rung".to_owned()]).unwrap();
    (own.cert.pem(), own.signing_key.serialize_pem())
}

#[tokio::test]
async fn secrets_keys_and_payloads_are_never_written() {
    let mut rung = rung(&["--time-scale", "6000"]).await;
    let receiver = Receiver::in_turn(&[500, 401, 302, 200]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let request = json!({
        "url": receiver.url("/"), "events": ["*"], "secret": "given-secret-5f2c", "secret_headers": {"X-Token": "header-token-91ab"},
    });
    let webhook = odin.webhook_with(request).await;
    // Nobody takes its connections, so that its failures are told, too.
    let (certificate, key) = client_certificate();
    let request = json!({
        "url": "https://127.0.0.1:9/", "events": ["*"],
        "client_certificate": {"certificate": certificate, "private_key": key},
    });
    odin.webhook_with(request).await;
    let made = odin.webhook(&receiver.url("/made"), &["content"]).await;
    let event = odin
        .publish(
            "user.lesson.completed",
            json!({"ssn": "payload-078-05-1120"}),
        )
        .await;
    odin.until(&event.id, &webhook, "succeeded").await;
    odin.publish_text(r#"{"type":"user.lesson.completed","data":{"broken":"payload-broken-4711"}"#)
        .await;
    odin.api
        .with_key("rk_guessed-key-77aa")
        .get("/v1/webhooks")
        .await
        .refused(401, "unauthorized");
    rung.terminate().await;
    let output = rung.output();
    for secret in [
        "given-secret-5f2c",
        "header-token-91ab",
        "payload-078-05-1120",
        "payload-broken-4711",
        "guessed-key-77aa",
        key.lines().nth(1).unwrap(),
        &made.secret,
        &odin.key,
    ] {
        assert!(!output.contains(secret), "{secret} is in:\n{output}");
    }
}

/// Reading never shows a secret: not the webhook's, not a key's.
#[tokio::test]
async fn secrets_are_shown_once() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    odin.publish_as("evt_1", "user.lesson.completed", json!({}))
        .await;
    let log = webhook.until_attempts("evt_1", 1).await.remove(0);
    let log_path = webhook.path(&format!("/logs/{}", log["id"].as_str().unwrap()));
    for path in [
        &webhook.path(""),
        "/v1/webhooks",
        &webhook.path("/logs"),
        &log_path,
        "/v1/events/evt_1",
    ] {
        let reply = odin.api.get(path).await;
        reply.data(200);
        assert!(
            !reply.text.contains(&webhook.secret),
            "{path}: {}",
            reply.text
        );
    }
    let patched = odin
        .api
        .patch(&webhook.path(""), &json!({"name": "n"}))
        .await;
    assert!(!patched.text.contains(&webhook.secret), "{}", patched.text);
    let keys = rung.admin().get("/v1/tenants/t/keys").await;
    keys.data(200);
    assert!(!keys.text.contains(&odin.key), "{}", keys.text);
}

/// Whoever gets hold of the database, its log and its journals finds nothing that signs, no key, and no credential of a receiver.
#[tokio::test]
async fn the_files_of_the_database_give_no_secret_away() {
    let mut rung = rung(&[]).await;
    // It echoes what it gets: a page with the credentials in it, and a header.
    let receiver = Receiver::start(|received| {
        let echoed = received.header("authorization").unwrap_or_default();
        let page = echoed.replace('&', "&amp;").replace('<', "&lt;");
        Answer::status(500)
            .header("x-echo", echoed)
            .body(format!("<p>unknown: {page}</p>"))
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let request = json!({
        "url": receiver.url("/"), "events": ["*"], "secret": "whsec_R2l2ZW5CeVRoZW1TZWxmLTEyMzQ1Njc4OTA=",
        "secret_headers": {"Authorization": "Bearer token-of<theirs&91ab"},
    });
    let webhook = tenant.webhook_with(request).await;
    let mut secrets = vec![tenant.key.clone(), webhook.secret.clone()];
    secrets.push("token-of<theirs&91ab".to_owned());
    let (certificate, key) = client_certificate();
    let request = json!({
        "url": "https://127.0.0.1:9/", "events": ["*"],
        "client_certificate": {"certificate": certificate, "private_key": key},
    });
    tenant.webhook_with(request).await;
    secrets.push(key.lines().nth(1).unwrap().to_owned());
    for signing in ["v1a", "v1"] {
        let path = webhook.path("/rotate-secret");
        let rotated = tenant.api.post(&path, &json!({"signing": signing})).await;
        secrets.push(
            rotated.data(200)["webhook"]["secret"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let event = tenant.publish("a.b", json!({"n": 1})).await;
    let attempts = webhook.until_attempts(&event.id, 1).await;
    // The files have exchanges packed, so they are read as they are stored, in the one way that there is.
    let log = webhook.log(&attempts[0]).await;
    let shown = "[the value of Authorization]";
    assert_eq!(log["response"]["headers"]["x-echo"], shown);
    assert_eq!(log["response"]["body"], format!("<p>unknown: {shown}</p>"));
    let log = log.to_string();
    assert!(
        secrets.iter().all(|secret| !log.contains(&**secret)),
        "{log}"
    );
    rung.terminate().await;

    let mut files = 0;
    for entry in std::fs::read_dir(rung.data()).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().contains("sqlite") {
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            let inner = secret.rsplit('_').next().unwrap();
            for text in [secret.clone(), inner.to_owned(), BASE64.encode(secret)] {
                let needle = text.trim_end_matches('=').as_bytes();
                let found = bytes.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{text} is in {}", path.display());
            }
        }
    }
    assert!(files >= 2, "only {files}");
}

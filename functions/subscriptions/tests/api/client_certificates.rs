//! Client certificates of webhooks: given, presented, replaced, refused, and their keys told to nobody.

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::world::{As, World};

/// A certificate that somebody has made for themselves, with its key, as a webhook is given them.
pub(crate) fn client_certificate(name: &str) -> Value {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    json!({"certificate": certificate, "private_key": key.serialize_pem()})
}

/// A line of a key that stands in nothing else.
pub(crate) fn line_of_key(certificate: &Value) -> &str {
    let key = certificate["private_key"].as_str().unwrap();
    key.lines().nth(1).unwrap()
}

fn asked(certificate: &Value) -> Value {
    json!({"url": "https://example.com/hook", "events": ["*"], "client_certificate": certificate})
}

/// The certificate that the last request presented.
fn presented(world: &World) -> Option<String> {
    let certificate = world.last_post().client_certificate?;
    Some(certificate.certificate.clone())
}

#[tokio::test(start_paused = true)]
async fn a_client_certificate_is_presented_and_its_key_is_shown_nowhere() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (first, second) = (client_certificate("a"), client_certificate("b"));
    let body = asked(&first);
    let made = world.send(&tenant, "POST", "/v1/webhooks", body).await;
    let mut answers = vec![made.body.to_string()];
    let made = &made.data(201)["webhook"];
    let shown = made["client_certificate"].clone();
    let sha256 = shown["sha256"].as_str().unwrap();
    assert_eq!(shown.as_object().unwrap().len(), 1, "{shown}");
    assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());

    let own = |certificate: &Value| Some(certificate["certificate"].as_str().unwrap().to_owned());
    let event = json!({"id": "evt_1", "type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(1_000).await;
    assert_eq!((world.posts(), presented(&world)), (1, own(&first)));
    let tested = world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await;
    tested.data(200);
    assert_eq!((world.posts(), presented(&world)), (2, own(&first)));
    let replaced = json!({"client_certificate": second});
    let replaced = world.send(&tenant, "PATCH", &path, replaced).await;
    assert_ne!(replaced.data(200)["webhook"]["client_certificate"], shown);
    let log = world.get(&tenant, &format!("{path}/logs")).await;
    // The newest is that of the test.
    let log = log.data(200)["logs"][1]["id"].as_str().unwrap().to_owned();
    let retried = format!("{path}/logs/{log}/retry");
    let retried = world.send(&tenant, "POST", &retried, json!({})).await;
    world.pass(1_000).await;
    assert_eq!(
        (world.posts(), presented(&world)),
        (3, own(&second)),
        "{}",
        retried.body
    );
    let asked = world
        .send(&tenant, "POST", &format!("{path}/verify"), json!({}))
        .await;
    assert_eq!((world.posts(), presented(&world)), (4, own(&second)));

    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let log = logs.data(200)["logs"][0]["id"].as_str().unwrap();
    let log = world.get(&tenant, &format!("{path}/logs/{log}")).await;
    log.data(200);
    let operator = As::operator_for("acme");
    let job = world
        .send(&operator, "POST", "/v1/exports", json!({}))
        .await;
    let removed = json!({"client_certificate": null});
    let removed = world.send(&tenant, "PATCH", &path, removed).await;
    assert_eq!(
        removed.data(200)["webhook"]["client_certificate"],
        Value::Null
    );
    let tested_again = world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await;
    assert_eq!((world.posts(), presented(&world)), (5, None));
    let audit = world.get(&tenant, "/v1/audit").await;
    let entries = audit.data(200)["entries"].as_array().unwrap();
    let changes: Vec<_> = entries
        .iter()
        .flat_map(|entry| entry["changes"].as_array().unwrap())
        .filter(|change| change["field"] == "client_certificate.private_key")
        .collect();
    let hidden = json!({"field": "client_certificate.private_key", "before": null, "after": null, "hidden": true});
    assert_eq!(
        changes,
        [&hidden, &hidden, &hidden],
        "made, replaced, removed"
    );
    let read = world.get(&tenant, &path).await;
    let listed = world.get(&tenant, "/v1/webhooks").await;
    let secret = world.get(&operator, &format!("{path}/secret")).await;
    answers.extend(
        [
            tested,
            replaced,
            retried,
            asked,
            logs,
            log,
            job,
            removed,
            tested_again,
            audit,
            read,
            listed,
            secret,
        ]
        .map(|answered| answered.body.to_string()),
    );
    for answer in answers {
        for key in [line_of_key(&first), line_of_key(&second), "PRIVATE KEY"] {
            assert!(!answer.contains(key), "{key}: {answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_of_a_client_certificate_changes_nothing_and_null_removes_it() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let (first, second) = (client_certificate("a"), client_certificate("b"));
    let path = "/v1/webhooks/wh_1";
    let put = world.send(&operator, "PUT", path, asked(&first)).await;
    let shown = put.data(201)["webhook"]["client_certificate"].clone();
    assert!(shown["sha256"].is_string());
    let is = async |method: &str, body: Value, expected: &Value| {
        let answered = world.send(&operator, method, path, body).await;
        let webhook = &answered.data(200)["webhook"];
        assert_eq!(webhook["client_certificate"], *expected);
    };
    is("PATCH", json!({"name": "n"}), &shown).await;
    is("PATCH", json!({"client_certificate": shown}), &shown).await;
    is("PATCH", json!({"client_certificate": first}), &shown).await;
    let mut plain = asked(&first);
    plain.as_object_mut().unwrap().remove("client_certificate");
    is("PUT", plain, &shown).await;
    let mut read = world.get(&tenant, path).await.data(200)["webhook"].clone();
    read.as_object_mut().unwrap().remove("challenge");
    is("PUT", read, &shown).await;
    let replaced = json!({"client_certificate": second});
    let replaced = world.send(&tenant, "PATCH", path, replaced).await;
    let replaced = replaced.data(200)["webhook"]["client_certificate"].clone();
    assert_ne!(replaced, shown);
    // What is no longer there is not kept.
    let stale = json!({"client_certificate": shown});
    let refused = world.send(&tenant, "PATCH", path, stale).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(
        refused.fields(),
        [
            "client_certificate.certificate",
            "client_certificate.private_key"
        ]
    );
    is("PUT", asked(&first), &shown).await;
    is("PUT", asked(&Value::Null), &Value::Null).await;
    is("PATCH", json!({"client_certificate": first}), &shown).await;
    is("PATCH", json!({"client_certificate": null}), &Value::Null).await;
}

/// What is refused: the field, its code, and what the problem says.
fn refusals(own: &Value, other: &Value) -> Vec<(Value, &'static str, &'static str, &'static str)> {
    let (certificate, key) = (
        own["certificate"].as_str().unwrap(),
        own["private_key"].as_str().unwrap(),
    );
    let cut = |pem: &str| pem[..pem.len() - 40].to_owned();
    let of = |certificate: &str, key: &str| json!({"certificate": certificate, "private_key": key});
    let broken = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let (of_certificate, of_key) = (
        "client_certificate.certificate",
        "client_certificate.private_key",
    );
    let invalid = "invalid";
    vec![
        (json!("PEM"), "client_certificate", invalid, "object"),
        (
            json!({"private_key": key}),
            of_certificate,
            "required",
            "is required",
        ),
        (
            json!({"certificate": certificate}),
            of_key,
            "required",
            "is required",
        ),
        (of("", key), of_certificate, invalid, "16384 bytes"),
        (
            of(&" ".repeat(16 * 1024 + 1), key),
            of_certificate,
            invalid,
            "16384 bytes",
        ),
        (
            of(certificate, &" ".repeat(8 * 1024 + 1)),
            of_key,
            invalid,
            "8192 bytes",
        ),
        (
            json!({"certificate": 7, "private_key": key}),
            of_certificate,
            invalid,
            "must be PEM",
        ),
        (
            of("no PEM", key),
            of_certificate,
            invalid,
            "has no certificate",
        ),
        (of(key, key), of_certificate, invalid, "has no certificate"),
        (
            of(&cut(certificate), key),
            of_certificate,
            invalid,
            "is not valid PEM",
        ),
        (
            of(&broken("CERTIFICATE"), key),
            of_certificate,
            invalid,
            "version 3",
        ),
        (
            of(&certificate.repeat(11), key),
            of_certificate,
            invalid,
            "more than 10",
        ),
        (
            of(certificate, "no PEM"),
            of_key,
            invalid,
            "has no private key",
        ),
        (
            of(certificate, certificate),
            of_key,
            invalid,
            "has no private key",
        ),
        (
            of(certificate, &cut(key)),
            of_key,
            invalid,
            "is not valid PEM",
        ),
        (
            of(certificate, &broken("PRIVATE KEY")),
            of_key,
            invalid,
            "supported kind",
        ),
        (
            of(certificate, &broken("ENCRYPTED PRIVATE KEY")),
            of_key,
            invalid,
            "is encrypted",
        ),
        (
            of(certificate, other["private_key"].as_str().unwrap()),
            of_key,
            invalid,
            "does not belong",
        ),
        (
            json!({"certificate": certificate, "private_key": key, "sha256": "0"}),
            "client_certificate.sha256",
            invalid,
            "omit it",
        ),
        (
            json!({"certificate": certificate, "private_key": key, "password": "x"}),
            "client_certificate.password",
            "unknown_field",
            "is unknown",
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn client_certificates_that_cannot_be_presented_are_refused() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let (own, other) = (client_certificate("a"), client_certificate("b"));
    for (given, field, code, told) in refusals(&own, &other) {
        let change = json!({"client_certificate": given});
        let whole = asked(&given);
        for (method, path, body) in [("PATCH", &*path, change), ("POST", "/v1/webhooks", whole)] {
            let refused = world.send(&tenant, method, path, body).await;
            let is_unknown = code == "unknown_field";
            refused.assert_error(422, if is_unknown { code } else { "invalid_request" });
            assert_eq!(refused.fields(), [field], "{given}");
            let detail = &refused.body["error"]["details"][0];
            assert_eq!(detail["code"], code, "{detail}");
            let problem = detail["problem"].as_str().unwrap();
            assert!(problem.contains(told), "{problem}");
            // An answer is kept by many.
            assert!(!refused.body.to_string().contains(line_of_key(&own)));
        }
    }
    let read = world.get(&tenant, &path).await;
    assert_eq!(read.data(200)["webhook"]["client_certificate"], Value::Null);
}

/// It would never be presented, and nobody would notice.
#[tokio::test(start_paused = true)]
async fn a_url_without_tls_takes_no_client_certificate() {
    let mut world = World::new().await;
    world.app.api.strict = false;
    world.restart();
    let tenant = world.tenant("acme", "standard", "pro").await;
    let own = client_certificate("a");
    let refused = async |method: &str, path: &str, body: Value, field: &str| {
        let refused = world.send(&tenant, method, path, body).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
        let problem = refused.body["error"]["details"][0]["problem"].as_str();
        assert!(problem.unwrap().contains("https://"), "{problem:?}");
    };
    let plain = "HTTP://localhost:8080/hook";
    let mut body = asked(&own);
    body["url"] = plain.into();
    refused("POST", "/v1/webhooks", body, "client_certificate").await;
    let body = json!({"url": plain, "events": ["*"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", body).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhooks/{id}");
    let given = json!({"client_certificate": own});
    refused("PATCH", &path, given.clone(), "client_certificate").await;
    // Both at once.
    let both = json!({"url": "https://localhost/hook", "client_certificate": own});
    world.send(&tenant, "PATCH", &path, both).await.data(200);
    refused("PATCH", &path, json!({"url": plain}), "url").await;
    let without = json!({"url": plain, "client_certificate": null});
    world.send(&tenant, "PATCH", &path, without).await.data(200);
}

//! The dialects of vendors, held against the vendors' own libraries: every sample of the catalogue, as it arrives.

use std::path::PathBuf;
use std::process::Command;

use rung_tests::{Received, Receiver, Tenant};
use serde_json::{Value, json};

use crate::rung;
use crate::verification::{case, hold, run};

/// Publishes every sample to a webhook of the dialect; what arrived, and the secret.
async fn samples(dialect: &str, webhook: Value) -> (Vec<Received>, String) {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", dialect).await;
    let mut request = json!({"url": receiver.url("/"), "events": ["*"]});
    let members = webhook.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(members);
    let webhook = tenant.webhook_with(request).await;
    let types = tenant.api.get("/v1/event-types").await;
    let types = types.data(200)["event_types"].as_array().unwrap().clone();
    assert!(types.len() >= 3, "{types:?}");
    for listed in &types {
        let name = listed["type"].as_str().unwrap();
        tenant.publish(name, listed["sample"].clone()).await;
    }
    (receiver.wait_for(types.len()).await, webhook.secret)
}

/// A script of `tests/vendors`, with the libraries that `tests/vendors/setup` has brought.
fn command(script: &str) -> Command {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let vendors = tests.join("vendors");
    let mut command = if script.ends_with(".py") {
        Command::new(vendors.join(".venv/bin/python"))
    } else {
        Command::new("node")
    };
    command
        .arg(vendors.join(script))
        .env("PYTHONPATH", tests.join("verify"));
    command
}

/// The library takes what arrived and nothing else.
fn verifies(script: &str, received: &[Received], secret: &str) {
    let pairs: Vec<_> = received
        .iter()
        .map(|request| (request.text().to_owned(), request.clone()))
        .collect();
    hold(|cases| run(command(script), cases), script, &pairs, secret);
}

#[tokio::test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
async fn github() {
    let (received, secret) = samples("github", json!({})).await;
    verifies("github.mjs", &received, &secret);
    for request in &received {
        assert!(request.must("x-hub-signature").starts_with("sha1="));
        assert!(request.must("x-github-delivery").len() == 36);
    }
    let events: Vec<_> = received
        .iter()
        .map(|request| request.must("x-github-event"))
        .collect();
    assert!(events.contains(&"push") && events.contains(&"pull_request"));
}

#[tokio::test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
async fn shopify() {
    let shop = json!({"headers": {"X-Shopify-Shop-Domain": "orrery.myshopify.com"}});
    let (received, secret) = samples("shopify", shop).await;
    verifies("shopify.mjs", &received, &secret);
}

#[tokio::test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
async fn slack() {
    let (received, secret) = samples("slack", json!({})).await;
    verifies("slack_events.py", &received, &secret);
}

#[tokio::test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
async fn stripe() {
    let (received, secret) = samples("stripe", json!({})).await;
    verifies("stripe_events.py", &received, &secret);
}

/// Stripe's library takes either secret while both sign.
#[tokio::test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
async fn stripe_during_a_rotation() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "stripe").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let path = webhook.path("/rotate-secret");
    let rotated = tenant.api.post(&path, &json!({"secret": "new"})).await;
    rotated.data(200);
    let charge = json!({"object": {"id": "ch_1", "object": "charge"}});
    tenant.publish("charge.refunded", charge).await;
    let request = receiver.wait_for(1).await.remove(0);
    let cases: Vec<_> = [&*webhook.secret, "new", "other"]
        .iter()
        .map(|secret| case(&request, &request.body, secret))
        .collect();
    let verdicts = run(command("stripe_events.py"), &json!(cases));
    assert_eq!(verdicts, json!([true, true, false]));
}

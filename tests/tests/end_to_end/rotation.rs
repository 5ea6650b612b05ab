//! A secret is changed while deliveries go on, and no receiver ever sees a signature it cannot check.

use rung_tests::{Answer, Received, Receiver, Tenant, Webhook};
use serde_json::{Value, json};

use crate::rung;

const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

fn verifies(request: &Received, signature: &str, secret: &str) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp"] {
        headers.insert(name, request.must(name).parse().unwrap());
    }
    headers.insert("webhook-signature", signature.parse().unwrap());
    standardwebhooks::Webhook::new(secret)
        .unwrap()
        .verify(&request.body, &headers)
        .is_ok()
}

/// Whether Odin's own signature, which is one only, was made with this secret.
fn odin_signed(request: &Received, secret: &str) -> bool {
    use hmac::{KeyInit as _, Mac as _};
    let (t, v1) = request.must("x-odin-signature").split_once(",v1=").unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.{}", t.strip_prefix("t=").unwrap(), request.text()).as_bytes());
    hex::encode(mac.finalize().into_bytes()) == v1
}

async fn rotate(tenant: &Tenant, webhook: &Webhook, request: Value) -> Value {
    let reply = tenant
        .api
        .post(&webhook.path("/rotate-secret"), &request)
        .await;
    let data = reply.data(200);
    // Beside the webhook or in it: the new secret and the end of the old one.
    if data["webhook"].is_object() {
        data["webhook"].clone()
    } else {
        data.clone()
    }
}

#[tokio::test]
async fn standard_lists_both_signatures_old_first() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    let rotated = rotate(&tenant, &webhook, json!({"secret": NEW})).await;
    assert_eq!(rotated["secret"], NEW);
    let until: jiff::Timestamp = rotated["old_secret_expires_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let overlap_s = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!(
        (86_400 - 120..=86_400).contains(&overlap_s),
        "24 h by default: {overlap_s}"
    );

    tenant.publish("invoice.paid", json!({})).await;
    let request = receiver.wait_for(1).await.remove(0);
    let (old, new) = request
        .must("webhook-signature")
        .split_once(' ')
        .expect("two signatures");
    assert!(
        verifies(&request, old, OLD) && verifies(&request, new, NEW),
        "{old} {new}"
    );

    tenant
        .api
        .call("POST", &webhook.path("/rotate-secret/finish"))
        .send()
        .await
        .ok();
    tenant.publish("invoice.paid", json!({})).await;
    let request = receiver.wait_for(2).await.remove(1);
    let signature = request.must("webhook-signature");
    assert!(
        !signature.contains(' ') && verifies(&request, signature, NEW),
        "{signature}"
    );
}

#[tokio::test]
async fn no_overlap_is_a_switch() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    rotate(
        &tenant,
        &webhook,
        json!({"secret": NEW, "overlap_seconds": 0}),
    )
    .await;
    tenant.publish("invoice.paid", json!({})).await;
    let request = receiver.wait_for(1).await.remove(0);
    let signature = request.must("webhook-signature");
    assert!(
        !signature.contains(' ') && verifies(&request, signature, NEW),
        "{signature}"
    );
}

/// Odin's receivers read one signature: the old secret signs until one of them refuses it, which is no failed attempt.
#[tokio::test]
async fn odins_receivers_switch_when_they_like() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    rotate(&odin, &webhook, json!({"secret": NEW})).await;
    odin.publish("user.lesson.completed", json!({})).await;
    assert!(odin_signed(&receiver.wait_for(1).await[0], OLD));

    // The receiver has switched: the old signature is refused, the new one taken.
    for refusal in [401, 403] {
        let before = receiver.count();
        receiver.answer(move |request| {
            Answer::status(if odin_signed(request, NEW) {
                200
            } else {
                refusal
            })
        });
        let event = odin.publish("user.lesson.completed", json!({})).await;
        let arrived = receiver.wait_for(before + 2).await;
        assert!(odin_signed(&arrived[before], OLD) && odin_signed(&arrived[before + 1], NEW));
        assert_eq!(arrived[before].body, arrived[before + 1].body);
        let attempts = webhook.until_attempts(&event.id, 1).await;
        assert_eq!(attempts.len(), 1, "one attempt: {attempts:?}");
        assert_eq!(
            (&attempts[0]["status"], &attempts[0]["response_status"]),
            (&json!("succeeded"), &json!(200))
        );
    }

    odin.api
        .call("POST", &webhook.path("/rotate-secret/finish"))
        .send()
        .await
        .ok();
    let before = receiver.count();
    odin.publish("user.lesson.completed", json!({})).await;
    assert!(odin_signed(
        &receiver.wait_for(before + 1).await[before],
        NEW
    ));

    // Without an overlap a refusal is a failure, answered with no second POST.
    receiver.answer(|_| Answer::status(401));
    let event = odin.publish("user.lesson.completed", json!({})).await;
    let attempts = webhook.until_attempts(&event.id, 1).await;
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["response_status"]),
        (&json!("failed"), &json!(401))
    );
    receiver.stays_at(before + 2).await;
}

/// Within the overlap a second refusal ends the attempt: one POST more, not two.
#[tokio::test]
async fn a_receiver_that_refuses_both_has_failed_once() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(401).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin
        .webhook_with_secret(&receiver.url("/"), &["*"], OLD)
        .await;
    rotate(&odin, &webhook, json!({"secret": NEW})).await;
    let event = odin.publish("user.lesson.completed", json!({})).await;
    let attempts = webhook.until_attempts(&event.id, 1).await;
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["attempt"]),
        (&json!("failed"), &json!(1))
    );
    receiver.stays_at(2).await;
}

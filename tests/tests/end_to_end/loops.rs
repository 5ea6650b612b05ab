//! Webhooks at Rung's own door: what they publish is delivered to them again, and ends.

use rung_tests::{Published, Tenant, Webhook, eventually};
use serde_json::{Value, json};

use crate::rung;

const STANDARD: &str = include_str!("../../../shared/dialects/standard.toml");

/// The dialect `standard` without a second attempt: what has been attempted then is all there is.
fn once() -> (tempfile::TempDir, String) {
    let (start, rest) = STANDARD.split_once("waits = [").unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let text = format!("{start}waits = []{rest}").replace("\"standard\"", "\"once\"");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("once.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// What a webhook was sent: how often with each count, and with which answer.
async fn carried(webhook: &Webhook) -> Vec<(String, Value)> {
    let mut carried = Vec::new();
    for entry in webhook.logs().await {
        let log = webhook.log(&entry).await;
        let hops = &log["request"]["headers"]["rung-hops"];
        carried.push((
            hops.as_str().unwrap().to_owned(),
            log["response"]["status"].clone(),
        ));
    }
    carried.sort_by(|(left, _), (right, _)| left.cmp(right));
    carried
}

fn counted(counts: [(&str, u64, usize); 3]) -> Vec<(String, Value)> {
    counts
        .map(|(hops, status, times)| vec![(hops.to_owned(), json!(status)); times])
        .concat()
}

/// Waits until each webhook has so many attempts in its log.
async fn until_attempts(webhooks: &[Webhook], attempts: usize) {
    for webhook in webhooks {
        eventually(&format!("{attempts} attempts"), async || {
            (webhook.logs().await.len() >= attempts).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn webhooks_that_publish_with_their_own_key_come_to_an_end() {
    let (_dir, dialect) = once();
    let rung = rung(&["--dialect", &dialect]).await;
    let tenant = Tenant::create(&rung, "t", "once").await;
    let mut webhooks = Vec::new();
    for _ in 0..2 {
        let request = json!({
            "url": format!("http://{}/v1/events", rung.addr()),
            "events": ["*"],
            "secret_headers": { "Authorization": format!("Bearer {}", tenant.key) },
        });
        webhooks.push(tenant.webhook_with(request).await);
    }
    let event = json!({"type": "a.b", "data": {}});
    Published::new(&tenant.api.post("/v1/events", &event).await);
    // 1 and 2 from the event, 2 and 4 from its deliveries, 4 and 8 from theirs, which are refused.
    until_attempts(&webhooks, 7).await;
    for webhook in &webhooks {
        let expected = counted([("1", 202, 1), ("2", 202, 2), ("3", 422, 4)]);
        assert_eq!(carried(webhook).await, expected);
    }

    // Once more by hand: the first delivery of one webhook, and all that comes of it.
    let entries = webhooks[0].logs().await;
    webhooks[0].retry(entries.last().unwrap()).await.data(202);
    until_attempts(&webhooks[..1], 7 + 1 + 1 + 2).await;
    until_attempts(&webhooks[1..], 7 + 1 + 2).await;
    let expected = counted([("1", 202, 2), ("2", 202, 3), ("3", 422, 6)]);
    assert_eq!(carried(&webhooks[0]).await, expected);
    let expected = counted([("1", 202, 1), ("2", 202, 3), ("3", 422, 6)]);
    assert_eq!(carried(&webhooks[1]).await, expected);

    // And the deliveries that failed, all of which carry 3: nothing comes of them.
    let since = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let failed = json!({"since": since.to_string(), "statuses": ["failed"]});
    let recover = webhooks[0].path("/recover");
    tenant.api.post(&recover, &failed).await.data(202);
    until_attempts(&webhooks[..1], 11 + 6).await;
    let expected = counted([("1", 202, 2), ("2", 202, 3), ("3", 422, 12)]);
    assert_eq!(carried(&webhooks[0]).await, expected);
    assert_eq!(webhooks[1].logs().await.len(), 10);
}

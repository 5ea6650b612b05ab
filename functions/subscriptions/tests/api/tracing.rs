//! Traces: from the publisher through every attempt to the receiver.

use serde_json::json;

use crate::world::{As, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The `traceparent` of each attempt of the webhook, oldest first.
async fn sent(world: &World, caller: &As, webhook: &str) -> Vec<Option<String>> {
    let path = format!("/v1/webhooks/{webhook}/logs");
    let logs = world.get(caller, &path).await;
    let mut sent = Vec::new();
    for log in logs.data(200)["logs"].as_array().unwrap().iter().rev() {
        let one = format!("{path}/{}", log["id"].as_str().unwrap());
        let one = world.get(caller, &one).await;
        let headers = one.data(200)["log"]["request"]["headers"].clone();
        sent.push(headers["traceparent"].as_str().map(str::to_owned));
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_a_span_of_the_publishers_trace() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    world.answer(500);
    let publisher = tenant.tracing(&format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let small = json!({"type": "a.b", "data": {}});
    // Too large to travel in its message.
    let large = json!({"type": "a.b", "data": {"pad": "x".repeat(10_000)}});
    for event in [small, large] {
        world
            .send(&publisher, "POST", "/v1/events", event)
            .await
            .data(202);
    }
    world.pass(10_000).await;
    let sent = sent(&world, &tenant, &webhook).await;
    assert_eq!(sent.len(), 4, "two first attempts and two retries");
    let mut spans: Vec<_> = sent
        .iter()
        .map(|header| {
            let header = header.as_deref().unwrap();
            let span = header.strip_prefix(&format!("00-{TRACE}-")).unwrap();
            span.strip_suffix("-01").unwrap()
        })
        .collect();
    spans.sort_unstable();
    spans.dedup();
    assert_eq!(spans.len(), 4, "each attempt has its own span");
    assert!(!spans.contains(&"00f067aa0ba902b7"));
}

#[tokio::test(start_paused = true)]
async fn without_a_trace_or_with_nonsense_nothing_is_sent() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let event = json!({"type": "a.b", "data": {}});
    for caller in [tenant.clone(), tenant.tracing("00-nonsense")] {
        let published = world
            .send(&caller, "POST", "/v1/events", event.clone())
            .await;
        published.data(202);
    }
    world.pass(1_000).await;
    assert_eq!(sent(&world, &tenant, &webhook).await, [None, None]);
}

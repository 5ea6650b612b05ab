//! Nobody waits for somebody else's receiver, and nobody sees somebody else's things.

use std::collections::HashSet;

use rung_tests::{Answer, Receiver, Tenant, eventually};
use serde_json::json;

use crate::rung;

const FLOOD: usize = 300;

/// While one receiver takes connections and answers none, others get theirs: those of the same tenant, and of another.
#[tokio::test]
async fn a_hanging_receiver_holds_up_nobody_else() {
    let rung = rung(&[]).await;
    let hanging = Receiver::start(|_| Answer::hang()).await;
    let healthy = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let neighbour = Tenant::create(&rung, "u", "standard").await;
    let stuck = tenant.webhook(&hanging.url("/"), &["slow"]).await;
    tenant
        .webhook(&healthy.url("/same-tenant"), &["fast"])
        .await;
    neighbour
        .webhook(&healthy.url("/neighbour"), &["fast"])
        .await;

    let flood: Vec<_> = (0..FLOOD)
        .map(|n| json!({"type": "slow", "data": {"n": n}}))
        .collect();
    for events in flood.chunks(100) {
        tenant
            .api
            .post("/v1/events/batch", &json!({"events": events}))
            .await
            .ok();
    }
    hanging.wait_for(1).await;
    for n in 0..20 {
        tenant.publish("fast", json!({"n": n})).await;
        neighbour.publish("fast", json!({"n": n})).await;
    }
    let arrived = healthy.wait_for(40).await;
    // The time-out is 15 s: had anything waited for the hanging one, some of its attempts would have ended by now.
    let first_stuck = hanging.received()[0].at;
    let last_healthy = arrived[39].at;
    assert!(
        stuck.logs().await.is_empty(),
        "healthy ones were done after {:?}",
        last_healthy - first_stuck
    );
}

/// A receiver that refuses or resets every connection doesn't hold up others either.
#[tokio::test]
async fn a_dead_receiver_holds_up_nobody_else() {
    let rung = rung(&[]).await;
    let resetting = Receiver::start(|_| Answer::reset()).await;
    let healthy = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    tenant.webhook(&resetting.url("/"), &["*"]).await;
    let gone = Receiver::always(200).await.url("/");
    tenant.webhook(&gone, &["*"]).await;
    tenant.webhook(&healthy.url("/"), &["*"]).await;
    for n in 0..50 {
        assert_eq!(tenant.publish("a", json!({"n": n})).await.deliveries, 3);
    }
    healthy.wait_for(50).await;
    assert_eq!(healthy.event_ids().len(), 50);
}

#[tokio::test]
async fn connections_are_reused() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    for n in 1..=40 {
        let event = tenant.publish("a", json!({"n": n})).await;
        // Logged is answered: the connection is free again.
        webhook.until_attempts(&event.id, 1).await;
    }
    let connections: HashSet<_> = receiver
        .received()
        .iter()
        .map(|request| request.peer)
        .collect();
    assert!(
        connections.len() <= 4,
        "{} connections for 40 deliveries in a row",
        connections.len()
    );
}

/// One event to many webhooks starts them all.
#[tokio::test]
async fn one_event_to_five_hundred_and_twenty_webhooks() {
    const WEBHOOKS: usize = 520;
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    for n in 0..WEBHOOKS {
        tenant
            .webhook(&receiver.url(&format!("/{n}")), &["*"])
            .await;
    }
    let event = tenant.publish("a", json!({})).await;
    assert_eq!(event.deliveries, WEBHOOKS as u64);
    let arrived = receiver.wait_for(WEBHOOKS).await;
    let paths: HashSet<_> = arrived.iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths.len(), WEBHOOKS);
    receiver.stays_at(WEBHOOKS).await;
}

/// Every path under another tenant's ids answers as if there were nothing, and changes nothing.
#[tokio::test]
async fn another_tenants_things_are_not_found() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(500).await;
    let owner = Tenant::create(&rung, "owner", "odin").await;
    let webhook = owner.webhook(&receiver.url("/"), &["*"]).await;
    let event = owner
        .publish("user.lesson.completed", json!({"private": true}))
        .await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    let (log_id, delivery_id) = (
        log["id"].as_str().unwrap(),
        log["delivery_id"].as_str().unwrap(),
    );
    // The last failure is stored with the statistics, a moment after the log.
    let before = eventually("the last failure", async || {
        let webhook = webhook.get().await;
        (!webhook["last_failure"].is_null()).then_some(webhook)
    })
    .await;

    let stranger = Tenant::create(&rung, "stranger", "odin").await;
    let own = stranger.webhook(&receiver.url("/own"), &["content"]).await;
    let calls = [
        ("GET", webhook.path(""), None),
        (
            "PATCH",
            webhook.path(""),
            Some(json!({"status": "disabled"})),
        ),
        ("DELETE", webhook.path(""), None),
        ("POST", webhook.path("/test"), Some(json!({}))),
        ("POST", webhook.path("/prove"), Some(json!({}))),
        ("GET", webhook.path("/logs"), None),
        ("GET", webhook.path(&format!("/logs/{log_id}")), None),
        ("POST", webhook.path(&format!("/logs/{log_id}/retry")), None),
        ("GET", webhook.path("/deliveries"), None),
        (
            "GET",
            webhook.path(&format!("/deliveries/{delivery_id}")),
            None,
        ),
        (
            "POST",
            webhook.path(&format!("/deliveries/{delivery_id}/cancel")),
            None,
        ),
        ("GET", format!("/v1/events/{}", event.id), None),
        // Another's log entry and delivery under a webhook of one's own.
        ("GET", own.path(&format!("/logs/{log_id}")), None),
        ("POST", own.path(&format!("/logs/{log_id}/retry")), None),
        (
            "POST",
            own.path(&format!("/deliveries/{delivery_id}/cancel")),
            None,
        ),
    ];
    for (method, path, body) in &calls {
        let call = stranger.api.call(method, path);
        let call = match body {
            Some(body) => call.body(body.to_string()),
            None => call,
        };
        let reply = call.send().await;
        reply.refused(404, "not_found");
        assert!(!reply.text.contains("private"), "{}", reply.text);
    }
    // With the tenant header a tenant's key stays its own tenant's.
    let posing = stranger.api.for_tenant("owner");
    let reply = posing.get(&webhook.path("")).await;
    reply.refused(422, "tenant_mismatch");
    let another = json!({"type": "user.lesson.completed", "data": {}});
    posing
        .post("/v1/events", &another)
        .await
        .refused(422, "tenant_mismatch");
    let itself = stranger.api.for_tenant("stranger");
    itself.get(&own.path("")).await.data(200);

    assert_eq!(webhook.get().await, before, "nothing has changed");
    assert_eq!(
        owner.delivery(&event.id, &webhook).await.as_deref(),
        Some("pending")
    );
    assert_eq!(
        stranger.api.get("/v1/webhooks").await.data(200)["webhooks"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    receiver.stays_at(1).await;
}

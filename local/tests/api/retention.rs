//! How long a tenant's things are kept.

use serde_json::json;

use crate::world::{As, World};

const DAY: u64 = 86_400_000;

#[tokio::test(start_paused = true)]
async fn a_tenants_own_retention_ends_sooner() {
    let world = World::still().await;
    let operator = As::operator();
    let usual = world.tenant("usual", "standard", "pro").await;
    let brief = world.tenant("brief", "standard", "pro").await;
    let set = json!({"retention_days": 20});
    let set = world
        .send(&operator, "PATCH", "/v1/tenants/brief", set)
        .await;
    assert_eq!(set.data(200)["tenant"]["retention_days"], 20);
    let mut paths = Vec::new();
    for tenant in [&usual, &brief] {
        paths.push(format!("/v1/webhooks/{}", world.webhook(tenant).await));
        let event = json!({"id": "e", "type": "a.b", "data": {}});
        let published = world.send(tenant, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.settle().await;
    world.pass(21 * DAY).await;
    for ((tenant, path), kept) in [&usual, &brief].into_iter().zip(&paths).zip([true, false]) {
        let event = world.get(tenant, "/v1/events/e").await;
        assert_eq!(event.status, if kept { 200 } else { 404 });
        let logs = world.get(tenant, &format!("{path}/logs")).await;
        let logs = logs.data(200)["logs"].as_array().unwrap().len();
        assert_eq!(logs, usize::from(kept));
        let recover = format!("{path}/recover");
        let since = json!({"since": "2025-10-09T09:00:00Z", "dry_run": true});
        let counted = world.send(tenant, "POST", &recover, since).await;
        assert_eq!(counted.status, if kept { 200 } else { 422 });
    }
    let unset = json!({"retention_days": null});
    let unset = world
        .send(&operator, "PATCH", "/v1/tenants/brief", unset)
        .await;
    assert!(unset.data(200)["tenant"]["retention_days"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_retention_is_neither_longer_than_the_deployments_nor_shorter_than_a_ladder() {
    let world = World::still().await;
    let operator = As::operator();
    world.tenant("acme", "standard", "pro").await;
    for days in [
        json!(31),
        json!(7),
        json!(0),
        json!(-1),
        json!(20.5),
        json!("20"),
    ] {
        let set = json!({ "retention_days": days });
        let refused = world
            .send(&operator, "PATCH", "/v1/tenants/acme", set)
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["retention_days"], "{days}");
        let made = json!({"name": "T", "retention_days": days});
        let refused = world.send(&operator, "POST", "/v1/tenants", made).await;
        assert_eq!(refused.fields(), ["retention_days"], "{days}");
    }
    let made = json!({"name": "T", "retention_days": 30});
    let made = world.send(&operator, "POST", "/v1/tenants", made).await;
    assert_eq!(made.data(201)["tenant"]["retention_days"], 30);
}

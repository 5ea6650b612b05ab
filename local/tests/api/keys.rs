//! Keys that end, and what their tenants are told of that.

use rung_shared::domain::{
    id::{KeyId, TenantId},
    tenant::{ApiKey, KeyHash, Scope},
};
use serde_json::{Value, json};

use crate::{
    metering,
    world::{As, World},
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Two sweeps.
const SOON_MS: u64 = 2 * 60_000;

/// What the webhook was told of keys that end.
async fn told(world: &World, caller: &As, webhook: &str) -> Vec<Value> {
    metering::told(world, caller, webhook, "api.key.expiring").await
}

/// A world that stands still, a tenant of it that has a word for keys that end, and a webhook.
async fn still() -> (World, As, String) {
    let world = World::still().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    (world, tenant, webhook)
}

/// The world begins at 2025-10-09T08:53:20Z.
fn ending(at: &str) -> Value {
    json!({"scopes": ["manage"], "name": "Production", "expires_at": at})
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_uses_is_told_of_once_30_days_before_its_end() {
    let (world, tenant, webhook) = still().await;
    world.key("odin", ending("2025-11-18T08:53:20Z")).await;
    world.pass(10 * DAY_MS - HOUR_MS).await;
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
    world.pass(HOUR_MS - SOON_MS).await;
    world.run_for(SOON_MS).await;
    let first = told(&world, &tenant, &webhook).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["name"], "Production");
    assert_eq!(first[0]["expires_at"], "2025-11-18T08:53:20Z");
    assert_eq!(first[0]["days_remaining"], 30);
    world.pass(HOUR_MS).await;
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_sooner_is_told_of_at_once() {
    let (world, tenant, webhook) = still().await;
    world.key("odin", ending("2025-10-14T08:53:20Z")).await;
    world.run_for(SOON_MS).await;
    let told = told(&world, &tenant, &webhook).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["days_remaining"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_or_has_ended_before_anybody_could_tell_is_not_told_of() {
    let (world, tenant, webhook) = still().await;
    world.key("odin", ending("2025-10-09T09:53:20Z")).await;
    world.key("odin", ending("2025-11-18T08:53:20Z")).await;
    let keys = "/v1/tenants/odin/keys";
    let listed = world.get(&As::operator(), keys).await;
    let mut listed = listed.data(200)["keys"].as_array().unwrap().iter();
    let deleted = listed.find(|key| key["expires_at"] == "2025-11-18T08:53:20Z");
    let path = format!("{keys}/{}", deleted.unwrap()["id"].as_str().unwrap());
    let answered = world.send_text(&As::operator(), "DELETE", &path, "").await;
    answered.data(200);
    world.pass(10 * DAY_MS).await;
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_in_ages_waits_for_its_time() {
    let (world, tenant, webhook) = still().await;
    // Times of 14 and 15 digits, whose first ones are less than those of now.
    for end in [
        "2400-01-01T00:00:00Z",
        "5200-01-01T00:00:00Z",
        "9999-12-01T00:00:00Z",
    ] {
        world.key("odin", ending(end)).await;
    }
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_key_made_before_there_were_reminders_gets_its_own_when_it_is_used() {
    let (world, tenant, webhook) = still().await;
    let store = &world.app.deliverer.store;
    let key = ApiKey {
        id: KeyId::parse("key_old").unwrap(),
        tenant: TenantId::parse("odin").unwrap(),
        hash: KeyHash::of("rk_old"),
        name: None,
        scopes: vec![Scope::Manage],
        events_per_hour: None,
        // 2025-10-29T08:53:20Z
        expires_ms: Some(1_761_728_000_000),
        remind_ms: None,
        created_ms: 1_700_000_000_000,
    };
    store.create_api_key(&key).await.unwrap();
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
    let old = As::key("rk_old");
    world.get(&old, "/v1/webhooks").await.data(200);
    world.run_for(SOON_MS).await;
    let first = told(&world, &tenant, &webhook).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["api_key_id"], "key_old");
    world.get(&old, "/v1/webhooks").await.data(200);
    assert_eq!(store.reminders_due(9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_dialect_has_no_word_for_it_is_told_nothing() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    world.key("acme", ending("2025-10-14T08:53:20Z")).await;
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
    assert_eq!(
        world.app.deliverer.store.reminders_due(9).await.unwrap(),
        []
    );
}

//! Keys that are asked for twice, keys that end, and what their tenants are told of that.

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
    let deleted = listed.find(|key| key["expires_at"] == "2025-11-18T08:53:20.000Z");
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
async fn a_tenant_whose_dialect_has_no_word_for_it_is_told_nothing() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    world.key("acme", ending("2025-10-14T08:53:20Z")).await;
    world.run_for(SOON_MS).await;
    assert_eq!(told(&world, &tenant, &webhook).await, [] as [Value; 0]);
    assert_eq!(world.app.api.store.reminders_due(9).await.unwrap(), []);
}

/// A client that heard no answer asks again, and has one key, which it is shown.
#[tokio::test(start_paused = true)]
async fn the_same_idempotency_key_is_the_same_api_key() {
    let world = World::still().await;
    world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    let operator = As::operator().with_idempotency_key("k");
    let request =
        json!({"name": "Production", "scopes": ["manage"], "expires_at": "2026-01-01T00:00:00Z"});
    let make = async |tenant: &str, request: &Value| {
        world.pass(1_000).await;
        let keys = format!("/v1/tenants/{tenant}/keys");
        world.send(&operator, "POST", &keys, request.clone()).await
    };
    let listed = async || {
        let keys = "/v1/tenants/acme/keys?limit=1";
        let listed = world.get(&As::operator(), keys).await;
        listed.data(200)["keys"][0]["id"].clone()
    };
    let first = make("acme", &request).await;
    let first = &first.data(201)["key"];
    assert_eq!(make("acme", &request).await.data(201)["key"], *first);
    assert_eq!(listed().await, first["id"]);
    let key = As::key(first["key"].as_str().unwrap());
    world.get(&key, "/v1/webhooks").await.data(200);

    let others = make("other", &request).await;
    assert_ne!(others.data(201)["key"]["key"], first["key"]);
    let another = json!({"name": "Another", "scopes": ["manage"]});
    let refused = make("acme", &another).await;
    refused.assert_error(422, "idempotency_mismatch");
    assert_eq!(refused.fields(), ["Idempotency-Key"]);

    // Who takes a key away does not find it back because a script runs again.
    let path = format!("/v1/tenants/acme/keys/{}", first["id"].as_str().unwrap());
    let deleted = world.send_text(&As::operator(), "DELETE", &path, "").await;
    let expected = json!({"key": {"id": first["id"], "tenant_id": "acme", "deleted": true}});
    assert_eq!(*deleted.data(200), expected);
    assert_eq!(make("acme", &request).await.data(201)["key"], *first);
    assert_ne!(listed().await, first["id"]);
    let closed = world.get(&key, "/v1/webhooks").await;
    closed.assert_error(401, "unauthorized");
}

/// A key that is brought along can be too, and is not shown: nobody here knows it.
#[tokio::test(start_paused = true)]
async fn bringing_a_key_along_twice_under_an_idempotency_key_is_bringing_it_once() {
    let world = World::still().await;
    world.tenant("acme", "standard", "pro").await;
    let keys = "/v1/tenants/acme/keys";
    let request = json!({"scopes": ["manage"], "key_sha256": "ab".repeat(32)});
    let operator = As::operator().with_idempotency_key("k");
    let first = world.send(&operator, "POST", keys, request.clone()).await;
    let first = &first.data(201)["key"];
    assert_eq!(first.get("key"), None);
    let again = world.send(&operator, "POST", keys, request.clone()).await;
    assert_eq!(again.data(201)["key"], *first);
    let without = world.send(&As::operator(), "POST", keys, request).await;
    without.assert_error(409, "key_taken");
    assert_eq!(without.fields(), ["key_sha256"]);
}

/// A tenant's key is of the deployment: another first key of the operator's changes nothing of it.
#[tokio::test(start_paused = true)]
async fn a_key_is_shown_again_under_another_admin_key_and_for_a_day() {
    let mut world = World::still().await;
    world.tenant("acme", "standard", "pro").await;
    let keys = "/v1/tenants/acme/keys";
    let request = json!({"scopes": ["manage"]});
    let operator = As::operator().with_idempotency_key("k");
    let made = world.send(&operator, "POST", keys, request.clone()).await;
    let made = &made.data(201)["key"];
    world.change_admin_key("another");
    let operator = As::key("another").with_idempotency_key("k");
    let again = world.send(&operator, "POST", keys, request.clone()).await;
    assert_eq!(again.data(201)["key"], *made);
    world.pass(24 * 3_600_000).await;
    let late = world.send(&operator, "POST", keys, request).await;
    let late = &late.data(201)["key"];
    assert_eq!((&late["id"], late.get("key")), (&made["id"], None));
}

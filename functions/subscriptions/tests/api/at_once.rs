//! Many who change the same thing at once: each change is made, one after the other.

use futures_util::future::join_all;
use rung_core::{
    domain::{
        id::{TenantId, WebhookId},
        outage::Outage,
        webhook::Webhook,
    },
    store::webhook_states::StateWritten,
};
use serde_json::{Value, json};

use crate::world::{Answered, As, World};

const CROWD: u64 = 16;

/// Sends as many of a request at once, each with its number in its body.
async fn crowd(
    world: &World,
    who: &As,
    method: &str,
    path: &str,
    body: impl Fn(u64) -> Value,
) -> Vec<Answered> {
    let sent = (0..CROWD).map(|number| world.send(who, method, path, body(number)));
    join_all(sent).await
}

/// The tenant's version, and the webhook as it stands.
async fn stored(world: &World, webhook: &str) -> (u64, Webhook) {
    let store = &world.app.api.store;
    let acme = TenantId::parse("acme").unwrap();
    let tenant = store.tenant(&acme).await.unwrap().unwrap();
    let id = WebhookId::parse(webhook).unwrap();
    let webhook = store.webhook(&acme, &id).await.unwrap().unwrap();
    (tenant.version, webhook)
}

#[tokio::test(start_paused = true)]
async fn all_changes_of_a_webhook_are_made_each_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    let (version, before) = stored(&world, &id).await;

    // Each leaves what the others have changed.
    let changed = crowd(&world, &tenant, "PATCH", &path, |number| match number % 2 {
        0 => json!({"name": format!("name {number}")}),
        _ => json!({"description": format!("description {number}")}),
    });
    for answered in changed.await {
        answered.data(200);
    }
    let (changed_version, webhook) = stored(&world, &id).await;
    assert_eq!(webhook.revision, before.revision + CROWD);
    assert_eq!(changed_version, version + CROWD);
    assert!(webhook.name.is_some() && webhook.description.is_some());

    let rotation = format!("{path}/rotate-secret");
    let rotated = crowd(
        &world,
        &tenant,
        "POST",
        &rotation,
        |_| json!({"overlap_seconds": 0}),
    );
    let rotated = rotated.await;
    let (_, webhook) = stored(&world, &id).await;
    assert_eq!(webhook.revision, before.revision + 2 * CROWD);
    let in_force = webhook.secret.expose();
    let told = rotated
        .iter()
        .filter(|answered| answered.data(200)["webhook"]["secret"] == in_force);
    assert_eq!(told.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_imports_of_a_webhook_are_made() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let operator = As::operator_for("acme");
    let imported = crowd(
        &world,
        &operator,
        "PUT",
        "/v1/webhooks/theirs",
        |number| json!({"id": "theirs", "url": "https://example.com/", "events": ["*"], "name": number.to_string()}),
    );
    let mut made = 0;
    for answered in imported.await {
        made += usize::from(answered.status == 201);
        answered.data(if answered.status == 201 { 201 } else { 200 });
    }
    assert_eq!(made, 1);
    let (_, webhook) = stored(&world, "theirs").await;
    assert_eq!(webhook.revision, CROWD - 1);
}

#[tokio::test(start_paused = true)]
async fn all_changes_of_a_tenant_are_made() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let (version, _) = stored(&world, &id).await;
    let (operator, path) = (As::operator(), "/v1/tenants/acme");
    let changed = crowd(
        &world,
        &operator,
        "PATCH",
        path,
        |number| json!({"name": number.to_string()}),
    );
    for answered in changed.await {
        answered.data(200);
    }
    assert_eq!(stored(&world, &id).await.0, version + CROWD);
}

/// On AWS a transaction takes a while, and others that come upon its rows meanwhile are sent away: each is made all the same.
#[tokio::test(start_paused = true)]
async fn all_changes_of_a_tenants_things_are_made_though_transactions_meet() {
    const MANY: u64 = 25;
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let (version, _) = stored(&world, &webhook).await;
    world.contention.begin();
    let (tenant, operator) = (&tenant, As::operator());
    let changes = (0..MANY).map(async |n| {
        let (who, method, path, body) = match n % 3 {
            0 => {
                let webhook = json!({"url": "https://example.com/", "events": ["*"]});
                (tenant, "POST", "/v1/webhooks", webhook)
            }
            1 => {
                let name = json!({"name": n.to_string()});
                (&operator, "PATCH", "/v1/tenants/acme", name)
            }
            _ => {
                let key = json!({"scopes": ["publish"]});
                (&operator, "POST", "/v1/tenants/acme/keys", key)
            }
        };
        let answered = world.send(who, method, path, body).await;
        answered.data(if method == "PATCH" { 200 } else { 201 });
        // A key is no change of the tenant itself.
        u64::from(n % 3 < 2)
    });
    let changes: u64 = join_all(changes).await.into_iter().sum();
    let (changed, _) = stored(&world, &webhook).await;
    assert_eq!(changed, version + changes);
}

/// An update of one row is made too, though a transaction holds the row when it comes.
#[tokio::test(start_paused = true)]
async fn an_outage_is_written_though_a_transaction_holds_the_webhook() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let (_, webhook) = stored(&world, &id).await;
    let outage = Outage {
        since_ms: world.now_ms(),
        last_failure_ms: world.now_ms(),
        notified: false,
        unknown: Default::default(),
    };
    world.contention.begin();
    let path = format!("/v1/webhooks/{id}");
    let changed = world.send(&tenant, "PATCH", &path, json!({"description": "changed"}));
    let written = async {
        while !world.contention.is_holding() {
            world.pass(1).await;
        }
        let store = &world.app.api.store;
        store.write_state(&webhook, None, Some(&outage)).await
    };
    let (changed, written) = tokio::join!(changed, written);
    changed.data(200);
    assert_eq!(written.unwrap(), StateWritten::Done);
    let (_, webhook) = stored(&world, &id).await;
    assert_eq!(webhook.outage.map(|stored| stored.value), Some(outage));
}

#[tokio::test(start_paused = true)]
async fn one_idempotency_key_makes_one_api_key_however_many_ask() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let keys = "/v1/tenants/acme/keys";
    let operator = As::operator().with_idempotency_key("k");
    let made = crowd(
        &world,
        &operator,
        "POST",
        keys,
        |_| json!({"scopes": ["manage"]}),
    );
    let made = made.await;
    let again = world
        .send(&operator, "POST", keys, json!({"scopes": ["manage"]}))
        .await;
    for answered in &made {
        match answered.status {
            409 => answered.assert_error(409, "busy"),
            _ => assert_eq!(answered.data(201), again.data(201)),
        }
    }
    let listed = world.get(&As::operator(), keys).await;
    assert_eq!(listed.data(200)["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_many_ask_for_at_once_sends_once() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let event = json!({"type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    let path = format!("/v1/webhooks/{}/recover", world.webhook(&tenant).await);
    let asked = crowd(
        &world,
        &tenant,
        "POST",
        &path,
        |_| json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]}),
    );
    let asked = asked.await;
    let id = |answered: &Answered| answered.data(202)["job"]["id"].clone();
    assert!(asked.iter().all(|answered| id(answered) == id(&asked[0])));
    world.run_for(120_000).await;
    assert_eq!(world.posts(), 1);
}

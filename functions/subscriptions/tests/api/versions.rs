//! Two versions side by side, as during a deployment: an older one that changes a row keeps what a newer one has stored in it.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use rung_core::{
    domain::id::{TenantId, WebhookId},
    limits::WEBHOOK_SHARDS,
};
use rung_local::app;
use serde_json::{Value, json};

use crate::world::{As, World, by_nobody};

/// The attribute, and the member of stored JSON, that only a newer version knows.
const NEWER: &str = "newer";
const OLD: &str = "the-old-encryption-key-0123456789";
const NEW: &str = "the-new-encryption-key-0123456789";

type Key = (String, String);
type Item = HashMap<String, AttributeValue>;

fn key_of(item: &Item) -> Key {
    ["pk", "sk"]
        .map(|name| item[name].as_s().unwrap().clone())
        .into()
}

/// What a newer version has stored, looked for after each step of an older one.
#[derive(Default)]
struct Newer {
    /// Each marked row as it was then.
    marked: BTreeMap<Key, Item>,
    /// Rows of which a step has changed other attributes.
    changed: BTreeMap<Key, usize>,
}

impl Newer {
    /// Fails if one of the marked rows that are still there has lost its mark. Then marks every row.
    async fn check(&mut self, world: &World, step: &str) {
        for item in world.items().await {
            let key = key_of(&item);
            // A cursor of the sweep is replaced, not changed.
            if key.0.starts_with("C#") {
                continue;
            }
            if let Some(marked) = self.marked.get(&key) {
                assert!(item.contains_key(NEWER), "{step}: {key:?}");
                *self.changed.entry(key.clone()).or_default() += usize::from(item != *marked);
            } else {
                world.mark(&key).await;
            }
            let item = world.item(&key).await.unwrap();
            self.marked.insert(key, item);
        }
    }

    /// How many steps have changed rows whose keys begin so.
    fn changes(&self, pk: &str, sk: &str) -> usize {
        let of = |((a, b), count): (&Key, &usize)| {
            (a.starts_with(pk) && b.starts_with(sk)).then_some(*count)
        };
        self.changed.iter().filter_map(of).sum()
    }
}

/// The key of a webhook's row.
fn webhook_key(webhook: &str) -> Key {
    let shard = WebhookId::parse(webhook).unwrap().shard_of(WEBHOOK_SHARDS);
    (format!("W#acme#{shard}"), format!("W#{webhook}"))
}

impl World {
    async fn item(&self, (pk, sk): &Key) -> Option<Item> {
        let get = self.dynamodb.get_item().table_name(app::TABLE);
        let get = get.key("pk", AttributeValue::S(pk.clone()));
        let get = get.key("sk", AttributeValue::S(sk.clone()));
        get.send().await.unwrap().item
    }

    async fn mark(&self, (pk, sk): &Key) {
        let update = self.dynamodb.update_item().table_name(app::TABLE);
        let update = update.key("pk", AttributeValue::S(pk.clone()));
        let update = update.key("sk", AttributeValue::S(sk.clone()));
        let update = update.update_expression(format!("SET {NEWER} = :it"));
        let update = update.expression_attribute_values(":it", AttributeValue::Bool(true));
        update.send().await.unwrap();
    }

    /// The JSON that an attribute of a webhook's row has as its text.
    async fn stored_json(&self, webhook: &str, attribute: &str) -> Value {
        let item = self.item(&webhook_key(webhook)).await.unwrap();
        serde_json::from_str(item[attribute].as_s().unwrap()).unwrap()
    }

    /// Stores one more member in it, as a newer version would: before those that this one knows.
    async fn add_member(&self, webhook: &str, attribute: &str) {
        let known = self.stored_json(webhook, attribute).await.to_string();
        let text = format!("{{\"{NEWER}\":[1],{}", known.strip_prefix('{').unwrap());
        let update = self.dynamodb.update_item().table_name(app::TABLE);
        let (pk, sk) = webhook_key(webhook);
        let update = update.key("pk", AttributeValue::S(pk));
        let update = update.key("sk", AttributeValue::S(sk));
        let update = update.update_expression("SET #a = :it");
        let update = update.expression_attribute_names("#a", attribute);
        let update = update.expression_attribute_values(":it", AttributeValue::S(text));
        update.send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_keeps_what_a_newer_version_has_stored_in_it() {
    let mut world = World::with_keys(OLD).await;
    let mut newer = Newer::default();
    let operator = As::operator();
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    let event_type = "/v1/event-types/a.b";
    world
        .send(&tenant, "PUT", event_type, json!({"schema": {}}))
        .await
        .data(201);
    newer.check(&world, "all made").await;

    let patches = [
        (
            "PATCH",
            &*path,
            json!({"name": "n", "headers": {"X-A": "b"}}),
        ),
        (
            "PATCH",
            &*path,
            json!({"name": null, "headers": {}, "rate_limit_per_second": 100}),
        ),
        ("PATCH", &*path, json!({"rate_limit_per_second": null})),
        ("PATCH", &*path, json!({"status": "disabled"})),
        ("PATCH", &*path, json!({"status": "active"})),
        ("PUT", event_type, json!({"description": "Changed."})),
    ];
    for (method, path, change) in patches {
        let step = format!("{method} {path} {change}");
        world.send(&tenant, method, path, change).await.data(200);
        newer.check(&world, &step).await;
    }
    for step in ["/rotate-secret", "/rotate-secret", "/rotate-secret/finish"] {
        let step = format!("{path}{step}");
        world
            .send(&tenant, "POST", &step, json!({}))
            .await
            .data(200);
        newer.check(&world, &step).await;
    }

    let keys = world.get(&operator, "/v1/tenants/acme/keys").await;
    let key = keys.data(200)["keys"][0]["id"].as_str().unwrap().to_owned();
    let key = format!("/v1/tenants/acme/keys/{key}");
    for (path, change) in [
        (
            &*key,
            json!({"name": "k", "expires_at": "2027-01-01T00:00:00Z"}),
        ),
        (&*key, json!({"name": null})),
        (
            "/v1/tenants/acme",
            json!({"name": "A", "retention_days": 29}),
        ),
        ("/v1/tenants/acme", json!({"retention_days": null})),
    ] {
        let step = format!("PATCH {path} {change}");
        world.send(&operator, "PATCH", path, change).await.data(200);
        newer.check(&world, &step).await;
    }
    let used = |newer: &Newer| newer.changes("K#", "-");
    let before = used(&newer);
    world.pass(2 * 3_600_000).await;
    world.get(&tenant, &path).await.data(200);
    newer.check(&world, "the key's use").await;
    assert_eq!(used(&newer), before + 1);

    // An outage, its end, and the row's deliveries.
    for (step, status, ms) in [
        ("a failure", 500, 1_000),
        ("more of them", 500, 10_000),
        ("a success", 200, 10_000),
        ("the end of the webhook", 410, 10_000),
    ] {
        world.answer(status);
        let event = json!({"type": "a.b", "data": {}});
        world
            .send(&tenant, "POST", "/v1/events", event)
            .await
            .data(202);
        newer.check(&world, "published").await;
        world.run_for(ms).await;
        newer.check(&world, step).await;
    }
    let disabled = world.get(&tenant, &path).await;
    assert_eq!(disabled.data(200)["webhook"]["status"], "disabled");
    world.answer(200);
    let enabled = json!({"status": "active"});
    world.send(&tenant, "PATCH", &path, enabled).await.data(200);
    newer.check(&world, "enabled").await;
    let since = json!({"since": "2025-10-09T09:00:00Z"});
    let recover = format!("{path}/recover");
    world.send(&tenant, "POST", &recover, since).await.data(202);
    newer.check(&world, "recovery").await;
    world.run_for(10_000).await;
    newer.check(&world, "recovered").await;

    world.change_keys(&format!("{NEW}\n{OLD}")).await;
    let done = world
        .send(&operator, "POST", "/v1/reencrypt", json!({}))
        .await;
    assert_eq!(done.data(200)["rewritten"], 2);
    newer.check(&world, "encrypted anew").await;
    let plan = json!({"plan": "free"});
    world
        .send(&operator, "PATCH", "/v1/tenants/acme", plan)
        .await
        .data(200);
    newer.check(&world, "another plan").await;
    let deleted = world.send_text(&tenant, "DELETE", &path, "").await;
    assert_eq!(deleted.status, 200);
    newer.check(&world, "deleted").await;
    world.run_for(130_000).await;
    newer.check(&world, "erased").await;

    // Each kind of row was really changed by what was done.
    for (pk, sk) in [
        ("T#acme", "A"),
        ("T#acme#4", "A"),
        ("W#acme#", "W#"),
        ("T#acme", "Y#"),
        ("T#acme", "K#"),
        ("K#", "-"),
        ("D#", ""),
        ("S#key", "-"),
        ("B#", "-"),
    ] {
        assert!(newer.changes(pk, sk) > 0, "{pk} / {sk}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_json_of_a_row_keeps_what_a_newer_version_has_stored_in_it() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    let patch = async |change: Value| {
        world.send(&tenant, "PATCH", &path, change).await.data(200);
    };

    // An outage is extended, and ended.
    let publish = async || {
        let event = json!({"type": "a.b", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
    };
    world.answer(500);
    publish().await;
    world.run_for(500).await;
    world.add_member(&id, "outage").await;
    let first = world.stored_json(&id, "outage").await;
    world.run_for(5_000).await;
    let extended = world.stored_json(&id, "outage").await;
    assert_eq!(extended[NEWER], json!([1]));
    assert_eq!(extended["s"], first["s"]);
    assert!(extended["l"].as_u64() > first["l"].as_u64());
    patch(json!({"name": "n"})).await;
    assert_eq!(world.stored_json(&id, "outage").await, extended);
    world.answer(200);
    publish().await;
    world.run_for(1_000).await;
    assert!(
        !world
            .item(&webhook_key(&id))
            .await
            .unwrap()
            .contains_key("outage")
    );

    // Why it is disabled stays told through other changes.
    patch(json!({"status": "disabled"})).await;
    world.add_member(&id, "disabled").await;
    patch(json!({"name": "m"})).await;
    assert_eq!(world.stored_json(&id, "disabled").await[NEWER], json!([1]));

    // A secret that signs on is rotated past.
    let rotate = format!("{path}/rotate-secret");
    world
        .send(&tenant, "POST", &rotate, json!({}))
        .await
        .data(200);
    let store = &world.app.api.store;
    let (acme, id) = (
        TenantId::parse("acme").unwrap(),
        WebhookId::parse(&id).unwrap(),
    );
    let mut stored = store.webhook(&acme, &id).await.unwrap().unwrap();
    let unknown = &mut stored.old_secrets[0].unknown;
    unknown.insert(NEWER.to_owned(), json!(1));
    store.update_webhook(&stored, &by_nobody()).await.unwrap();
    patch(json!({"name": "o"})).await;
    world
        .send(&tenant, "POST", &rotate, json!({}))
        .await
        .data(200);
    let stored = store.webhook(&acme, &id).await.unwrap().unwrap();
    assert_eq!(stored.old_secrets[0].unknown[NEWER], 1);
    assert!(stored.old_secrets[1].unknown.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_parked_wait_of_an_unknown_form_stops_no_other() {
    const HOUR_MS: u64 = 3_600_000;
    let world = World::new().await;
    let cards = world.tenant("cards", "patra", "pro").await;
    world.webhook(&cards).await;
    world.answer(500);
    let event = json!({"id": "e", "type": "card.created", "data": {}});
    let published = world.send(&cards, "POST", "/v1/events", event).await;
    published.data(202);
    let parked = loop {
        let items = world.items().await.into_iter();
        let mut keys = items.map(|item| key_of(&item));
        if let Some((pk, _)) = keys.find(|(pk, sk)| pk.starts_with("Q#") && sk.contains("#e")) {
            break pk;
        }
        world.pass(60_000).await;
    };
    // It comes before the other in the same minute.
    let put = world.dynamodb.put_item().table_name(app::TABLE);
    let put = put.item("pk", AttributeValue::S(parked));
    let put = put.item("sk", AttributeValue::S("0".to_owned()));
    let put = put.item("exp", AttributeValue::N("1900000000".to_owned()));
    let put = put.item("m", AttributeValue::S(r#"{"newer":1}"#.to_owned()));
    put.send().await.unwrap();
    world.answer(200);
    world.pass(3 * HOUR_MS).await;
    let event = world.get(&cards, "/v1/events/e").await;
    assert_eq!(event.data(200)["deliveries"][0]["status"], "succeeded");
    // Nobody knows what it was: after its hour it is among the dead letters.
    let found = world.get(&As::operator(), "/v1/dead-letters").await;
    assert_eq!(found.data(200)["counts"], json!({"deliver": 1, "retry": 0}));
}

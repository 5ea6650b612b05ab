//! How long a tenant's things are kept.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
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

/// A tenant of `odin`, whose ladder takes less than nine hours, and its webhook.
async fn climbing() -> (World, As, String) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    (world, tenant, path)
}

async fn publish(world: &World, tenant: &As, data: Value) {
    let event = json!({"id": "e", "type": "content.saga.added", "data": data});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

/// The states of the deliveries that have a row.
async fn states(world: &World) -> Vec<String> {
    let items = world.items().await;
    let rows = items
        .iter()
        .filter(|item| item["pk"].as_s().unwrap().starts_with("D#"));
    rows.map(|row| row["st"].as_s().unwrap().clone()).collect()
}

/// Takes an event away, as TTL does when its time has come.
async fn expire(world: &World) {
    let delete = world.dynamodb.delete_item().table_name("rung");
    let delete = delete.key("pk", AttributeValue::S("E#acme#e".to_owned()));
    let delete = delete.key("sk", AttributeValue::S("-".to_owned()));
    delete.send().await.unwrap();
}

/// Lets the event and the row of its delivery expire in an hour.
async fn shorten(world: &World) {
    let hour_s = world.app.api.clock.wall_ms() / 1000 + HOUR / 1000;
    for item in world.items().await {
        let pk = item["pk"].as_s().unwrap();
        if !pk.starts_with("E#acme") && !pk.starts_with("D#acme") {
            continue;
        }
        let update = world.dynamodb.update_item().table_name("rung");
        let update = update
            .key("pk", item["pk"].clone())
            .key("sk", item["sk"].clone())
            .update_expression("SET exp = :hour")
            .expression_attribute_values(":hour", AttributeValue::N(hour_s.to_string()));
        update.send().await.unwrap();
    }
}

/// The ladder takes more than eight hours.
#[tokio::test(start_paused = true)]
async fn a_fresh_ladder_keeps_its_event_until_it_ends() {
    for status in ["any", "held"] {
        let (world, tenant, path) = climbing().await;
        let set_status = async |status: &str| {
            let change = json!({ "status": status });
            world.send(&tenant, "PATCH", &path, change).await.data(200);
        };
        if status == "held" {
            world.answer(500);
        }
        publish(&world, &tenant, json!({})).await;
        world.run_for(1_000).await;
        set_status("disabled").await;
        set_status("active").await;
        shorten(&world).await;
        world.answer(500);
        let recover = format!("{path}/recover");
        let request = json!({"since": "2025-10-09T08:53:20Z", "statuses": [status]});
        let begun = world.send(&tenant, "POST", &recover, request).await;
        begun.data(202);
        world.run_for(10 * HOUR).await;
        assert_eq!(world.posts(), 7, "{status}");
        // What has succeeded stays so.
        let end = if status == "any" {
            "succeeded"
        } else {
            "failed"
        };
        assert_eq!(states(&world).await, [end], "{status}");
        world.get(&tenant, "/v1/events/e").await.data(200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_event_is_gone_ends_as_failed_and_the_operator_is_notified() {
    let (world, tenant, path) = climbing().await;
    let operator = As::operator_for("_operator");
    world.webhook(&operator).await;
    world.answer(500);
    publish(&world, &tenant, json!({})).await;
    world.run_for(1_000).await;
    assert_eq!(world.posts(), 1);
    expire(&world).await;
    world.run_for(2 * MINUTE).await;
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 1);
    assert!(states(&world).await.contains(&"failed".to_owned()));
    let waiting = world
        .get(&tenant, &format!("{path}/deliveries?status=pending"))
        .await;
    assert_eq!(waiting.data(200)["deliveries"], json!([]));
    let told = world
        .get(&operator, "/v1/events?type=delivery.failed")
        .await;
    let told = told.data(200)["events"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_used_again_is_never_posted_as_the_old_delivery() {
    let (world, tenant, _) = climbing().await;
    world.answer(500);
    // Too large to travel in the first message.
    publish(&world, &tenant, json!({"pad": "x".repeat(6_000)})).await;
    world.run_for(1_000).await;
    expire(&world).await;
    world.answer(200);
    publish(&world, &tenant, json!({"new": true})).await;
    world.run_for(2 * MINUTE).await;
    assert_eq!(world.posts(), 2);
    assert_eq!(states(&world).await, ["failed"]);
}

/// Events of deliveries that a disabling held: one is kept, one has expired, one was erased just now, and one's id is another's.
#[tokio::test(start_paused = true)]
async fn a_recovery_counts_what_has_no_event_any_more_as_skipped() {
    let (world, tenant, path) = climbing().await;
    world.answer(500);
    for id in ["kept", "e", "erased"] {
        let event = json!({"id": id, "type": "content.saga.added", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.run_for(1_000).await;
    for status in ["disabled", "active"] {
        let change = json!({ "status": status });
        world.send(&tenant, "PATCH", &path, change).await.data(200);
    }
    // What waited becomes held.
    world.run_for(10 * MINUTE).await;
    assert_eq!(states(&world).await, ["held"; 3]);
    expire(&world).await;
    publish(&world, &tenant, json!({"new": true})).await;
    world.run_for(1_000).await;
    let (posts, rows) = (world.posts(), states(&world).await);
    assert_eq!(rows.len(), 4, "{rows:?}");
    world.answer(200);
    let operator = As::operator_for("acme");
    let erased = world.send_text(&operator, "DELETE", "/v1/events/erased", "");
    erased.await.data(202);
    let recover = format!("{path}/recover");
    let request = json!({"statuses": ["held"]});
    let dry = json!({"statuses": ["held"], "dry_run": true});
    let counted = world.send(&tenant, "POST", &recover, dry).await;
    assert_eq!(counted.data(200)["count"], 1);
    let begun = world.send(&tenant, "POST", &recover, request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    world.run_for(10_000).await;
    let ended = world.get(&tenant, &format!("/v1/jobs/{id}")).await;
    let ended = &ended.data(200)["job"];
    assert_eq!(ended["status"], "succeeded");
    assert_eq!(
        (&ended["progress"]["done"], &ended["result"]["deliveries"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(world.posts(), posts + 1);
}

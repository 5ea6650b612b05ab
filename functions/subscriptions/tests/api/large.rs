//! Events whose bodies are together more than one item of the table holds.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::world::{As, World};

/// Those of the dialects that take bodies of 256 KiB.
const DIALECTS: [&str; 6] = ["standard", "brief", "github", "shopify", "slack", "stripe"];

/// So many characters that no compression makes much smaller.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let bytes = (0..length).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bits = usize::try_from(state % 64).unwrap();
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[bits])
    });
    bytes.collect()
}

/// The keys of what the table holds of events, of those with a body alone.
async fn bodies(world: &World) -> BTreeSet<(String, String)> {
    let items = world.items().await.into_iter();
    let bodies = items.filter(|item| item.contains_key("b"));
    let text = |value: &AttributeValue| value.as_s().unwrap().clone();
    let key = |item: HashMap<_, _>| (text(&item["pk"]), text(&item["sk"]));
    let keys = bodies.map(key);
    keys.filter(|(pk, _)| pk.starts_with("E#")).collect()
}

#[tokio::test(start_paused = true)]
async fn metadata_that_the_row_has_no_room_for_are_kept_apart_and_erased() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let data = json!({"text": noise(1, 250_000)});
    let metadata = json!({"text": noise(2, 260_000)});
    let publish = async |metadata: &Value| {
        let event = json!({"id": "e", "type": "a.b", "data": data, "metadata": metadata});
        let batch = json!({"events": [event]});
        world.send(&tenant, "POST", "/v1/events/batch", batch).await
    };
    publish(&metadata).await.data(202);
    let stored = bodies(&world).await;
    assert_eq!(stored.len(), 2, "the metadata apart: {stored:?}");
    let repeat = publish(&metadata).await;
    assert_eq!(repeat.data(202)["results"][0]["duplicate"], true);
    let other = publish(&json!({"text": noise(3, 260_000)})).await;
    let error = &other.body["data"]["results"][0]["error"];
    assert_eq!(error["code"], "event_id_reused");
    assert_eq!(bodies(&world).await, stored);

    let read = world.get(&tenant, "/v1/events/e").await;
    let event = &read.data(200)["event"];
    assert!(event["data"] == data && event["metadata"] == metadata);
    let too_large = publish(&json!({"text": noise(2, 262_134)})).await;
    let error = &too_large.body["data"]["results"][0]["error"];
    assert_eq!(error["code"], "invalid_request");
    assert_eq!(
        error["details"],
        json!([{
            "field": "events[0].metadata",
            "code": "invalid",
            "problem": "must have at most 262144 bytes as JSON",
        }])
    );

    let operator = As::operator_for("acme");
    let erase = world.send_text(&operator, "DELETE", "/v1/events/e", "");
    erase.await.data(202);
    let read = world.get(&tenant, "/v1/events/e").await;
    assert_eq!(read.data(200)["event"]["metadata"], json!(null));
    world.run_for(300_000).await;
    assert_eq!(bodies(&world).await, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn an_event_is_accepted_in_however_many_dialects_and_leaves_nothing_when_it_is_erased() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let mut paths = Vec::new();
    for dialect in DIALECTS {
        let webhook =
            json!({"url": "https://example.com/hook", "events": ["*"], "dialect": dialect});
        let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
        paths.push(format!("/v1/webhooks/{id}"));
    }
    let publish = async |id: &str, data: &Value| {
        let event = json!({"id": id, "type": "a.b", "data": data});
        world.send(&tenant, "POST", "/v1/events", event).await
    };

    let data = json!({"text": noise(1, 260_000)});
    let accepted = publish("e", &data).await;
    assert_eq!(accepted.data(202)["deliveries"], 6);
    let stored = bodies(&world).await;
    assert_eq!(
        stored.len(),
        6,
        "one body in the event's row, five apart: {stored:?}"
    );
    // A repeat writes nothing; nor does what is refused leave anything.
    assert_eq!(publish("e", &data).await.data(202), accepted.data(202));
    let other = publish("e", &json!({"text": noise(2, 260_000)})).await;
    other.assert_error(409, "event_id_reused");
    assert_eq!(bodies(&world).await, stored);
    // What compresses well, or is small, needs no more than the row.
    publish("even", &json!({"text": "a".repeat(260_000)}))
        .await
        .data(202);
    assert_eq!(bodies(&world).await.len(), stored.len() + 1);

    world.run_for(5_000).await;
    assert_eq!(world.posts(), 2 * DIALECTS.len());
    for (path, dialect) in paths.iter().zip(DIALECTS) {
        let logs = world.get(&tenant, &format!("{path}/logs?event_id=e")).await;
        let log = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
        let log = world.get(&tenant, &format!("{path}/logs/{log}")).await;
        let log = &log.data(200)["log"];
        assert_eq!(log["status"], "succeeded", "{dialect}");
        let sent = log["request"]["body"].as_str().unwrap();
        assert!(sent.contains(data["text"].as_str().unwrap()), "{dialect}");
    }
    let read = world.get(&tenant, "/v1/events/e").await;
    assert_eq!(read.data(200)["event"]["data"], data);

    // A webhook that is made later has it backfilled by what it holds, from a body apart.
    let filter = json!({"text": [{"prefix": &noise(1, 260_000)[..9]}]});
    let late = json!({"url": "https://example.com/late", "events": ["*"], "dialect": "stripe", "filter": filter});
    let late = world.send(&tenant, "POST", "/v1/webhooks", late).await;
    let late = late.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let any = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
    let recover = format!("/v1/webhooks/{late}/recover");
    let recovery = world.send(&tenant, "POST", &recover, any);
    recovery.await.data(202);
    world.run_for(5_000).await;
    assert_eq!(world.posts(), 2 * DIALECTS.len() + 1);

    let erase = world
        .send_text(&As::operator_for("acme"), "DELETE", "/v1/events/e", "")
        .await;
    erase.data(202);
    world.run_for(300_000).await;
    let left = bodies(&world).await;
    assert!(left.iter().all(|(pk, _)| pk.ends_with("#even")), "{left:?}");
}

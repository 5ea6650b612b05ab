//! Schemas of event types: the dialect's, a tenant's own, and what does not meet them.

use serde_json::{Value, json};

use crate::world::{As, World};

async fn publish(world: &World, caller: &As, event_type: &str, data: Value) -> u16 {
    let event = json!({"type": event_type, "data": data});
    world.send(caller, "POST", "/v1/events", event).await.status
}

#[tokio::test(start_paused = true)]
async fn what_the_schema_of_the_catalogue_refuses_is_named_within_the_data() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "bharatcart", "pro").await;
    let sample = world.get(&tenant, "/v1/event-types/order.created").await;
    let sample = &sample.data(200)["event_type"];
    assert_eq!(sample["schema"]["properties"]["total"]["type"][0], "number");
    assert_eq!(
        publish(&world, &tenant, "order.created", sample["sample"].clone()).await,
        202
    );

    let data = json!({"total": "much", "items": [{"price": 1}, {"price": [1]}]});
    let event = json!({"type": "order.created", "data": data});
    let refused = world
        .send(&tenant, "POST", "/v1/events", event.clone())
        .await;
    refused.assert_error(422, "schema_violation");
    assert_eq!(refused.fields(), ["data.total", "data.items[1].price"]);
    assert_eq!(
        refused.body["error"]["message"],
        "data.total: must be a number or null"
    );
    let batch = json!({"events": [{"type": "order.created", "data": {}}, event]});
    let batch = world.send(&tenant, "POST", "/v1/events/batch", batch).await;
    let results = &batch.data(207)["results"];
    assert_eq!(results[0]["success"], true);
    assert_eq!(
        results[1]["error"]["details"][0]["field"],
        "events[1].data.total"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tenants_own_schema_stands_before_the_dialects_until_it_is_deleted() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "bharatcart", "pro").await;
    let path = "/v1/event-types/order.created/schema";
    let own = json!({"required": ["total"], "properties": {"total": {"type": "string"}}});
    let put = world.send(&tenant, "PUT", path, own.clone()).await;
    assert_eq!(put.data(200)["schema"], own);
    assert_eq!(world.get(&tenant, path).await.data(200)["schema"], own);
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({"total": "much"})).await,
        202
    );
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({"total": 1})).await,
        422
    );
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({})).await,
        422
    );
    let other = world.tenant("other", "bharatcart", "pro").await;
    assert_eq!(
        publish(&world, &other, "order.created", json!({"total": 1})).await,
        202
    );

    world
        .send(&tenant, "DELETE", path, json!({}))
        .await
        .data(200);
    world
        .send(&tenant, "DELETE", path, json!({}))
        .await
        .assert_error(404, "not_found");
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({"total": 1})).await,
        202
    );
    assert_ne!(world.get(&tenant, path).await.data(200)["schema"], own);
}

#[tokio::test(start_paused = true)]
async fn an_open_catalogue_lists_the_types_that_were_given_a_schema() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/event-types/order/paid.v2/schema";
    world
        .get(&tenant, path)
        .await
        .assert_error(404, "not_found");
    let own = json!({"properties": {"n": {"minimum": 1}}});
    world
        .send(&tenant, "PUT", path, own.clone())
        .await
        .data(200);
    let types = world.get(&tenant, "/v1/event-types").await;
    let types = &types.data(200)["event_types"];
    assert_eq!(types.as_array().unwrap().len(), 1);
    assert_eq!(types[0]["type"], "order/paid.v2");
    assert_eq!(types[0]["schema"], own);
    assert_eq!(
        publish(&world, &tenant, "order/paid.v2", json!({"n": 0})).await,
        422
    );
    assert_eq!(
        publish(&world, &tenant, "order/paid.v3", json!({"n": 0})).await,
        202
    );
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_cannot_be_used_is_refused_by_its_place() {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let path = "/v1/event-types/user.streak.achieved/schema";
    for (schema, field) in [
        (json!([]), "body"),
        (json!({"type": "text"}), "type"),
        (
            json!({"properties": {"a": {"like": 1}}}),
            "properties.a.like",
        ),
        (
            json!({"$ref": "http://169.254.169.254/latest"}),
            r#"["$ref"]"#,
        ),
    ] {
        let refused = world.send(&tenant, "PUT", path, schema).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
    let unknown = "/v1/event-types/user.streak.lost/schema";
    let refused = world.send(&tenant, "PUT", unknown, json!({})).await;
    refused.assert_error(404, "not_found");
    let publisher = world.key("odin", json!({"scopes": ["publish"]})).await;
    let refused = world.send(&publisher, "PUT", path, json!({})).await;
    refused.assert_error(403, "forbidden");
    let type_itself = "/v1/event-types/user.streak.achieved";
    let refused = world.send(&tenant, "PUT", type_itself, json!({})).await;
    refused.assert_error(405, "method_not_allowed");
}

/// A type that ends with `schema` would be the schema of another one by its path.
#[tokio::test(start_paused = true)]
async fn no_type_is_called_like_the_schema_of_another() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/event-types/order/schema";
    let own = json!({"required": ["n"]});
    world
        .send(&tenant, "PUT", path, own.clone())
        .await
        .data(200);
    for other in [
        "/v1/event-types/order%2Fschema",
        "/v1/event-types/order%2fschema",
        "/v1/event-types/order/schema/schema",
        "/v1/event-types/schema/schema",
        "/v1/event-types/x%2Fschema/schema",
    ] {
        for (method, body) in [("GET", ""), ("PUT", "{}"), ("DELETE", "")] {
            let refused = world.send_text(&tenant, method, other, body).await;
            refused.assert_error(422, "reserved_type");
            assert_eq!(refused.fields(), ["type"], "{method} {other}");
        }
    }
    assert_eq!(world.get(&tenant, path).await.data(200)["schema"], own);
    let event = json!({"type": "x/schema", "data": {}});
    let refused = world.send(&tenant, "POST", "/v1/events", event).await;
    refused.assert_error(422, "reserved_type");
    assert_eq!(refused.fields(), ["type"]);
    let named = json!({"type": "order.schema", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", named)
        .await
        .data(202);
}

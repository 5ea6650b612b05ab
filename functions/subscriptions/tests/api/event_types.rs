//! Event types: the dialect's, what the operator defines for the deployment and a tenant for itself, and events that do not meet them.

use rung_core::limits::EVENT_TYPES_MS;
use serde_json::{Value, json};

use crate::world::{As, World};

async fn publish(world: &World, caller: &As, event_type: &str, data: Value) -> u16 {
    let event = json!({"type": event_type, "data": data});
    world.send(caller, "POST", "/v1/events", event).await.status
}

fn names(data: &Value) -> Vec<&str> {
    let types = data["event_types"].as_array().unwrap().iter();
    types.map(|one| one["type"].as_str().unwrap()).collect()
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

/// The document says what is sent: the body of a delivery meets it, in the envelope of each dialect.
#[tokio::test(start_paused = true)]
async fn a_document_in_openapi_says_what_webhooks_are_sent() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "odin", "pro").await;
    let schema = json!({
        "$id": "https://example.com/order",
        "required": ["total"],
        "properties": {"total": {"$ref": "#/$defs/amount"}, "const": {"$ref": "#"}},
        "$defs": {"amount": {"type": "integer", "enum": [1, 2]}},
    });
    let given = json!({
        "groups": ["user"],
        "description": "A lesson.",
        "schema": schema,
        "sample": {"total": 1},
        "deprecated": {"since": "2026-01-31T12:00:00Z", "use": "user.streak.achieved"},
    });
    let put = "/v1/event-types/user.lesson.completed";
    world.send(&tenant, "PUT", put, given).await.data(200);
    let path = "/v1/event-types?format=openapi";
    let answered = world.get(&tenant, path).await;
    assert_eq!(answered.status, 200, "{}", answered.body);
    let kind = &answered.headers["content-type"];
    assert_eq!(kind, "application/vnd.oai.openapi+json");
    let document = &answered.body;
    assert_eq!(document["openapi"], "3.1.0");
    let all = world.get(&tenant, "/v1/event-types?limit=100").await;
    let described: Vec<_> = document["webhooks"].as_object().unwrap().keys().collect();
    assert_eq!(described, names(all.data(200)));

    let post = &document["webhooks"]["user.lesson.completed"]["post"];
    assert_eq!(post["deprecated"], true);
    assert_eq!(post["tags"], json!(["user"]));
    assert!(post["responses"]["2XX"]["description"].is_string());
    let place = "#/components/schemas/user.lesson.completed";
    let body = &post["requestBody"]["content"]["application/json"]["schema"];
    let expected = json!({
        "type": "object",
        "required": ["id", "type", "created_at", "data", "metadata"],
        "properties": {
            "id": {"type": "string"},
            "type": {"type": "string", "const": "user.lesson.completed"},
            "created_at": {"type": "string", "format": "date-time"},
            "data": {"$ref": place},
            "metadata": {
                "type": "object",
                "required": ["api_version", "request_id"],
                "properties": {"api_version": {"const": "v1"}, "request_id": {"type": "string"}},
                "additionalProperties": true,
            },
        },
        "additionalProperties": true,
    });
    assert_eq!(*body, expected);
    let expected = json!({
        "type": "object",
        "required": ["total"],
        "properties": {
            "total": {"$ref": format!("{place}/$defs/amount")},
            "const": {"$ref": place},
        },
        "$defs": {"amount": {"type": "integer", "enum": [1, 2]}},
        "examples": [{"total": 1}],
    });
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["user.lesson.completed"], expected);
    let signature = &document["components"]["parameters"]["X-Odin-Signature"];
    assert_eq!(
        signature["description"],
        "Proves the sender: `hmac-sha256`."
    );

    let tag = answered.headers["etag"].to_str().unwrap();
    let unless = tenant.clone().when("if-none-match", tag);
    assert_eq!(world.get(&unless, path).await.status, 304);
    let other = world.get(&tenant, "/v1/event-types?format=html").await;
    other.assert_error(422, "invalid_request");
    assert_eq!(other.fields(), ["format"]);
    // The operator asks for those of the deployment, in any dialect.
    let path = "/v1/event-types?format=openapi&dialect=standard";
    let answered = world.get(&As::operator(), path).await;
    let told = answered.body["info"]["description"].as_str().unwrap();
    assert!(
        told.contains("this deployment") && told.ends_with("any type."),
        "{told}"
    );
}

/// However much is defined, an answer is no longer than AWS passes on.
#[tokio::test(start_paused = true)]
async fn a_document_in_openapi_leaves_out_what_would_make_it_too_long() {
    let world = World::still().await;
    let tenant = world.tenant("shop", "standard", "pro").await;
    let sample = json!({"text": "x".repeat(15 * 1024)});
    let notes = vec!["y".repeat(1024); 14];
    let schema = json!({"type": "object", "examples": notes});
    for number in 0..180 {
        let path = format!("/v1/event-types/order.{number:03}");
        let given = json!({"sample": sample, "schema": schema});
        world.send(&tenant, "PUT", &path, given).await.data(201);
    }
    let answered = world.get(&tenant, "/v1/event-types?format=openapi").await;
    let schemas = &answered.body["components"]["schemas"];
    assert!(schemas["order.000"]["examples"][0]["text"].is_string());
    assert_eq!(
        schemas["order.179"],
        json!({"type": "object", "additionalProperties": true})
    );
    assert!(answered.body.to_string().len() < 4 * 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_definition_is_whole_and_its_deletion_restores_what_it_stood_before() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "bharatcart", "pro").await;
    let path = "/v1/event-types/order.created";
    let own = json!({"required": ["total"], "properties": {"total": {"type": "string"}}});
    let given = json!({
        "description": "An order.",
        "schema": own,
        "sample": {"total": "5"},
        "deprecated": {"since": "2026-01-31T12:00:00Z", "use": "order.updated"},
    });
    let before = world.get(&tenant, path).await;
    let before = before.data(200)["event_type"].clone();
    assert_eq!(
        (&before["source"], &before["tenant_id"]),
        (&json!("dialect"), &Value::Null)
    );
    // The type was there: it is replaced.
    let put = world.send(&tenant, "PUT", path, given).await;
    let defined = json!({"event_type": {
        "type": "order.created",
        "tenant_id": "shop",
        "source": "tenant",
        "aliases": before["aliases"],
        "groups": before["groups"],
        "description": "An order.",
        "sample": {"total": "5"},
        "schema": own,
        "schema_version": 1,
        "deprecated": {"since": "2026-01-31T12:00:00.000Z", "use": "order.updated"},
        "archived": false,
    }});
    assert_eq!(*put.data(200), defined);
    assert_eq!(*world.get(&tenant, path).await.data(200), defined);
    for (data, status) in [
        (json!({"total": "much"}), 202),
        (json!({"total": 1}), 422),
        (json!({}), 422),
    ] {
        assert_eq!(
            publish(&world, &tenant, "order.created", data).await,
            status
        );
    }
    let other = world.tenant("other", "bharatcart", "pro").await;
    assert_eq!(
        publish(&world, &other, "order.created", json!({"total": 1})).await,
        202
    );

    // What is read can be sent back, and what is left out is not kept.
    let shown = defined["event_type"].clone();
    world.send(&tenant, "PUT", path, shown).await.data(200);
    let put = world.send(&tenant, "PUT", path, json!({})).await;
    let bare = &put.data(200)["event_type"];
    for name in ["description", "schema", "deprecated"] {
        assert_eq!(bare[name], Value::Null, "{name}");
    }
    assert_eq!(
        (&bare["groups"], &bare["sample"]),
        (&before["groups"], &before["sample"])
    );
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({"total": "much"})).await,
        202
    );

    let deleted = world.send_text(&tenant, "DELETE", path, "").await;
    let expected =
        json!({"event_type": {"type": "order.created", "tenant_id": "shop", "deleted": true}});
    assert_eq!(*deleted.data(200), expected);
    assert_eq!(
        world.get(&tenant, path).await.data(200)["event_type"],
        before
    );
    let again = world.send_text(&tenant, "DELETE", path, "").await;
    again.assert_error(409, "event_type_inherited");
    assert_eq!(
        publish(&world, &tenant, "order.created", json!({"total": "much"})).await,
        422
    );
}

/// The operator's types are in every tenant's list, are subscribed to by their groups, and stand behind a tenant's own.
#[tokio::test(start_paused = true)]
async fn the_operators_types_are_every_tenants_and_a_tenants_own_stand_before_them() {
    let world = World::new().await;
    let operator = As::operator();
    let (acme, other) = (
        world.tenant("acme", "standard", "pro").await,
        world.tenant("other", "standard", "pro").await,
    );
    let path = "/v1/event-types/order/paid.v2";
    world.get(&acme, path).await.assert_error(404, "not_found");
    let deployment = json!({"groups": ["billing"], "schema": {"properties": {"n": {"minimum": 1}}}, "sample": {"n": 7}});
    let made = world.send(&operator, "PUT", path, deployment.clone()).await;
    let made_type = &made.data(201)["event_type"];
    assert_eq!(made_type["source"], "deployment");
    assert_eq!(made_type["tenant_id"], Value::Null);
    assert_eq!(made.headers["location"], path);
    let named = format!("{path}?dialect=standard");
    let again = world.send(&operator, "PUT", &named, deployment).await;
    assert_eq!(again.data(200)["event_type"], *made_type);

    for tenant in [&acme, &other] {
        let listed = world.get(tenant, "/v1/event-types").await;
        assert_eq!(names(listed.data(200)), ["order/paid.v2"]);
        assert_eq!(listed.data(200)["groups"], json!(["billing"]));
        let seen = world.get(tenant, path).await;
        assert_eq!(seen.data(200)["event_type"], *made_type);
        assert_eq!(
            publish(&world, tenant, "order/paid.v2", json!({"n": 0})).await,
            422
        );
        // Nobody has defined it.
        assert_eq!(
            publish(&world, tenant, "order/paid.v3", json!({"n": 0})).await,
            202
        );
        let denied = world.send_text(tenant, "DELETE", path, "").await;
        denied.assert_error(409, "event_type_inherited");
    }
    let own = json!({"schema": {"properties": {"n": {"maximum": 0}}}});
    let put = world.send(&acme, "PUT", path, own).await;
    let own = &put.data(200)["event_type"];
    assert_eq!(
        (&own["source"], &own["tenant_id"]),
        (&json!("tenant"), &json!("acme"))
    );
    assert_eq!(own["groups"], json!(["billing"]));
    // The deployment's is for another schema.
    assert_eq!(own["sample"], Value::Null);
    assert_eq!(
        publish(&world, &acme, "order/paid.v2", json!({"n": 0})).await,
        202
    );
    assert_eq!(
        publish(&world, &acme, "order/paid.v2", json!({"n": 1})).await,
        422
    );
    assert_eq!(
        publish(&world, &other, "order/paid.v2", json!({"n": 1})).await,
        202
    );

    // A webhook of the group gets it, and its test the sample.
    let webhook = json!({"url": "https://example.com/hook", "events": ["billing"]});
    let webhook = world.send(&other, "POST", "/v1/webhooks", webhook).await;
    let id = webhook.data(201)["webhook"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let event = json!({"type": "order/paid.v2", "data": {"n": 1}});
    let published = world.send(&other, "POST", "/v1/events", event).await;
    assert_eq!(published.data(202)["deliveries"], 1);
    let test = world
        .send(
            &other,
            "POST",
            &format!("/v1/webhooks/{id}/test"),
            json!({}),
        )
        .await;
    assert_eq!(test.data(200)["log"]["event_type"], "order/paid.v2");
    let log = test.data(200)["log"]["id"].as_str().unwrap();
    let log = world
        .get(&other, &format!("/v1/webhooks/{id}/logs/{log}"))
        .await;
    let sent = log.data(200)["log"]["request"]["body"].as_str().unwrap();
    assert!(sent.contains(r#""n":7"#), "{sent}");

    // Or data of its own, which are checked as published data are.
    let test = format!("/v1/webhooks/{id}/test");
    let given = |data: Value| json!({"event_type": "order/paid.v2", "data": data});
    let tested = world
        .send(&other, "POST", &test, given(json!({"n": 12})))
        .await;
    let log = tested.data(200)["log"]["id"].as_str().unwrap();
    let log = world
        .get(&other, &format!("/v1/webhooks/{id}/logs/{log}"))
        .await;
    let sent = log.data(200)["log"]["request"]["body"].as_str().unwrap();
    assert!(sent.contains(r#""n":12"#), "{sent}");
    for (data, code, field) in [
        (json!({"n": 0}), "schema_violation", "data.n"),
        (json!([1]), "invalid_request", "data"),
    ] {
        let refused = world.send(&other, "POST", &test, given(data)).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field]);
    }
    let logs = world.get(&other, "/v1/logs?event_type=billing").await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 3);
    let webhooks = world
        .get(&other, "/v1/webhooks?event_type=order/paid.v2")
        .await;
    assert_eq!(webhooks.data(200)["webhooks"].as_array().unwrap().len(), 1);

    world
        .send_text(&operator, "DELETE", path, "")
        .await
        .data(200);
    world.get(&other, path).await.assert_error(404, "not_found");
    assert_eq!(
        world.get(&acme, path).await.data(200)["event_type"]["source"],
        "tenant"
    );
}

/// What a dialect lists can be added to, for publishing and for subscribing, in that dialect alone.
#[tokio::test(start_paused = true)]
async fn a_closed_catalogue_takes_the_types_that_are_defined_for_it() {
    let world = World::new().await;
    let badger = world.tenant("badger", "badger", "pro").await;
    let odin = world.tenant("odin", "odin", "pro").await;
    let subscribe = async |tenant: &As| {
        let webhook = json!({"url": "https://example.com/hook", "events": ["badge.melted"]});
        world.send(tenant, "POST", "/v1/webhooks", webhook).await
    };
    subscribe(&badger)
        .await
        .assert_error(422, "unknown_event_type");
    assert_eq!(
        publish(&world, &badger, "badge.melted", json!({})).await,
        422
    );
    let path = "/v1/event-types/badge.melted?dialect=badger";
    let definition = json!({"groups": ["heat"]});
    let put = world.send(&As::operator(), "PUT", path, definition).await;
    put.data(201);
    subscribe(&badger).await.data(201);
    assert_eq!(
        publish(&world, &badger, "badge.melted", json!({})).await,
        202
    );
    subscribe(&odin)
        .await
        .assert_error(422, "unknown_event_type");
    assert_eq!(publish(&world, &odin, "badge.melted", json!({})).await, 422);
    let listed = world.get(&odin, "/v1/event-types").await;
    assert!(!names(listed.data(200)).contains(&"badge.melted"));
}

#[tokio::test(start_paused = true)]
async fn an_archived_type_is_refused_and_left_out_and_keeps_its_subscriptions() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (old, new) = ("/v1/event-types/a.old", "/v1/event-types/b.new");
    for path in [old, new] {
        world
            .send(&As::operator(), "PUT", path, json!({}))
            .await
            .data(201);
    }
    let webhook = json!({"url": "https://example.com/hook", "events": ["*", "a.old"]});
    let webhook = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = webhook.data(201)["webhook"]["id"].as_str().unwrap();
    let event = json!({"id": "e1", "type": "a.old", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event.clone())
        .await
        .data(202);
    let archived = json!({"archived": true});
    world
        .send(&As::operator(), "PUT", old, archived)
        .await
        .data(200);
    let refused = json!({"type": "a.old", "data": {}});
    let refused = world.send(&tenant, "POST", "/v1/events", refused).await;
    refused.assert_error(422, "event_type_archived");
    assert_eq!(refused.fields(), ["type"]);
    // What was accepted stays accepted.
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    let listed = world.get(&tenant, "/v1/event-types").await;
    assert_eq!(names(listed.data(200)), ["b.new"]);
    let listed = world.get(&tenant, "/v1/event-types?archived=true").await;
    assert_eq!(names(listed.data(200)), ["a.old", "b.new"]);
    assert_eq!(
        world.get(&tenant, old).await.data(200)["event_type"]["archived"],
        true
    );
    let path = format!("/v1/webhooks/{id}");
    let webhook = world.get(&tenant, &path).await;
    assert_eq!(
        webhook.data(200)["webhook"]["events"],
        json!(["*", "a.old"])
    );
    let test = world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await;
    assert_eq!(test.data(200)["log"]["event_type"], "b.new");
    // Nor is it tried, whether it is named or all that is subscribed to.
    for call in ["test", "prove"] {
        let named = json!({"event_type": "a.old"});
        let path = format!("{path}/{call}");
        let refused = world.send(&tenant, "POST", &path, named).await;
        refused.assert_error(422, "event_type_archived");
        assert_eq!(refused.fields(), ["event_type"]);
    }
    for (events, tried) in [
        (json!(["a.old", "b.new"]), Some("b.new")),
        (json!(["a.*"]), Some("example.created")),
        (json!(["a.old"]), None),
    ] {
        let subscribed = json!({"events": events});
        let changed = world.send(&tenant, "PATCH", &path, subscribed).await;
        changed.data(200);
        let path = format!("{path}/test");
        let test = world.send(&tenant, "POST", &path, json!({})).await;
        match tried {
            Some(tried) => assert_eq!(test.data(200)["log"]["event_type"], tried),
            None => test.assert_error(422, "event_type_archived"),
        }
    }
    world
        .send(&As::operator(), "PUT", old, json!({}))
        .await
        .data(200);
    assert_eq!(publish(&world, &tenant, "a.old", json!({})).await, 202);
}

/// Clients take such segments out of a path, which would then name another type.
#[tokio::test(start_paused = true)]
async fn no_segment_of_a_type_is_empty_or_dots() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "standard", "pro").await;
    for name in [
        ".", "..", "/", "/a", "a/", "a//b", "./a", "a/..", "a/../b", "a/./b",
    ] {
        let path = format!("/v1/event-types/{}", name.replace('/', "%2F"));
        let path = path.replace("/..", "/%2E%2E").replace("/.", "/%2E");
        let defined = world.send(&As::operator(), "PUT", &path, json!({})).await;
        defined.assert_error(422, "invalid_request");
        assert_eq!(defined.fields(), ["type"], "{name}");
        let event = json!({"type": name, "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.assert_error(422, "invalid_request");
        assert_eq!(published.fields(), ["type"], "{name}");
    }
    for name in ["a/b", "a/..b", "a/b..", "...", ".a/.b"] {
        let path = format!("/v1/event-types/{name}");
        let defined = world.send(&As::operator(), "PUT", &path, json!({})).await;
        assert_eq!(defined.data(201)["event_type"]["type"], name);
    }
}

#[tokio::test(start_paused = true)]
async fn the_version_of_a_schema_counts_its_changes_alone() {
    let world = World::new().await;
    let tenant = world.tenant("shop", "odin", "pro").await;
    let operator = As::operator_for("shop");
    let path = "/v1/event-types/order.paid";
    let (one, other) = (json!({"required": ["a"]}), json!({"required": ["b"]}));
    for (given, version) in [
        (json!({"description": "An order."}), Value::Null),
        (json!({"schema": one}), json!(1)),
        (json!({"schema": one, "description": "Paid."}), json!(1)),
        // As somebody sends back what they have read.
        (json!({"schema": other, "schema_version": 1}), json!(2)),
        (json!({"schema": null}), Value::Null),
        (json!({"schema": other}), json!(3)),
    ] {
        world.send(&operator, "PUT", path, given.clone()).await;
        let read = world.get(&tenant, path).await;
        let read = &read.data(200)["event_type"];
        assert_eq!(read["schema_version"], version, "{given}");
    }
}

/// Its subscribers can be found and changed as before.
#[tokio::test(start_paused = true)]
async fn a_deleted_type_of_a_closed_catalogue_keeps_its_subscriptions() {
    let world = World::new().await;
    let operator = As::operator_for("acme");
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = "/v1/event-types/gone.here";
    let defined = world.send(&operator, "PUT", path, json!({})).await;
    defined.data(201);
    let webhook = json!({"url": "https://example.com/", "events": ["gone.here"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let at = format!("/v1/webhooks/{id}");
    let deleted = world.send_text(&operator, "DELETE", path, "").await;
    deleted.data(200);

    let found = world
        .get(&tenant, "/v1/webhooks?event_type=gone.here")
        .await;
    assert_eq!(found.data(200)["webhooks"][0]["id"], id.as_str());
    let shown = world.get(&tenant, &at).await;
    let mut shown = shown.data(200)["webhook"].clone();
    let same = world.send(&tenant, "PATCH", &at, shown.clone()).await;
    same.data(200);
    shown["events"] = json!(["gone.here", "gone.there"]);
    let refused = world.send(&tenant, "PATCH", &at, shown.clone()).await;
    refused.assert_error(422, "unknown_event_type");
    assert_eq!(refused.fields(), ["events[1]"]);
    shown["events"] = json!(["gone.here"]);
    let replaced = world.send(&operator, "PUT", &at, shown).await;
    replaced.data(200);
    let anew = json!({"url": "https://example.com/", "events": ["gone.here"]});
    for (method, path) in [("POST", "/v1/webhooks"), ("PUT", "/v1/webhooks/other")] {
        let refused = world.send(&operator, method, path, anew.clone()).await;
        refused.assert_error(422, "unknown_event_type");
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_is_by_name_page_by_page() {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let put = async |name: &str| {
        let path = format!("/v1/event-types/{name}");
        world.send(&tenant, "PUT", &path, json!({})).await.data(201);
    };
    put("zz.last").await;
    put("aa.first").await;
    let all = world.get(&tenant, "/v1/event-types").await;
    let all = names(all.data(200))
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    assert!(all.is_sorted() && all.len() == 11, "{all:?}");
    let (mut seen, mut path) = (Vec::new(), "/v1/event-types?limit=4".to_owned());
    loop {
        let page = world.get(&tenant, &path).await;
        let data = page.data(200);
        seen.extend(names(data).into_iter().map(str::to_owned));
        let Some(cursor) = data["next_cursor"].as_str() else {
            break;
        };
        // Where the last one of a page goes meanwhile, nothing is told twice or left out.
        if seen.len() == 4 {
            let gone = seen.first().unwrap();
            assert_eq!(gone, "aa.first");
            world
                .send_text(&tenant, "DELETE", "/v1/event-types/aa.first", "")
                .await
                .data(200);
        }
        path = format!("/v1/event-types?limit=4&cursor={cursor}");
    }
    assert_eq!(seen, all);
    // Turned round, by pages.
    let (mut turned, mut path) = (Vec::new(), "/v1/event-types?order=desc&limit=3".to_owned());
    loop {
        let page = world.get(&tenant, &path).await;
        let data = page.data(200);
        turned.extend(names(data).into_iter().map(str::to_owned));
        let Some(cursor) = data["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/event-types?order=desc&limit=3&cursor={cursor}");
    }
    turned.reverse();
    let whole = world.get(&tenant, "/v1/event-types?order=asc").await;
    assert_eq!(turned, names(whole.data(200)));
    let closed = &world.get(&tenant, "/v1/event-types").await;
    let members: Vec<_> = closed.data(200).as_object().unwrap().keys().collect();
    assert_eq!(members, ["event_types", "groups", "next_cursor"]);
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_cannot_be_used_is_refused_by_its_place() {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let path = "/v1/event-types/user.streak.achieved";
    let long = "x".repeat(16 * 1024);
    for (definition, code, field) in [
        (json!([]), "invalid_request", "body"),
        (json!({"schema": []}), "invalid_request", "schema"),
        (
            json!({"schema": {"type": "text"}}),
            "invalid_request",
            "schema.type",
        ),
        (
            json!({"schema": {"properties": {"a": {"like": 1}}}}),
            "invalid_request",
            "schema.properties.a.like",
        ),
        (
            json!({"schema": {"$ref": "http://169.254.169.254/latest"}}),
            "invalid_request",
            r#"schema["$ref"]"#,
        ),
        (
            json!({"schema": {"properties": {"a": {"items": {"type": "string"}}}}, "sample": {"a": ["x", 1]}}),
            "schema_violation",
            "sample.a[1]",
        ),
        (
            json!({"schema": {"not": {}}, "sample": {}}),
            "schema_violation",
            "sample",
        ),
        (json!({"sample": []}), "invalid_request", "sample"),
        (json!({"sample": {"a": long}}), "invalid_request", "sample"),
        (json!({"groups": "user"}), "invalid_request", "groups"),
        (json!({"groups": ["a b"]}), "invalid_request", "groups"),
        (json!({"groups": ["x", "x"]}), "invalid_request", "groups"),
        (
            json!({"groups": ["user.lesson.completed"]}),
            "invalid_request",
            "groups",
        ),
        (
            json!({"groups": ["user.streak.achieved"]}),
            "invalid_request",
            "groups",
        ),
        (json!({"deprecated": true}), "invalid_request", "deprecated"),
        (
            json!({"deprecated": {"by": "x"}}),
            "unknown_field",
            "deprecated.by",
        ),
        (
            json!({"deprecated": {"since": "today"}}),
            "invalid_request",
            "deprecated.since",
        ),
        (
            json!({"deprecated": {"use": "a b"}}),
            "invalid_request",
            "deprecated.use",
        ),
        (json!({"archived": "yes"}), "invalid_request", "archived"),
        (json!({"description": 7}), "invalid_request", "description"),
        (
            json!({"schema_version": "2"}),
            "invalid_request",
            "schema_version",
        ),
        (json!({"type": "another"}), "read_only", "type"),
        (json!({"source": "tenant"}), "read_only", "source"),
        (json!({"group": "user"}), "unknown_field", "group"),
    ] {
        let refused = world.send(&tenant, "PUT", path, definition.clone()).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{definition}");
    }
    for (path, code, field) in [
        ("/v1/event-types/a%20b", "invalid_request", "type"),
        ("/v1/event-types/user", "invalid_request", "type"),
        (
            "/v1/event-types/x?dialect=odin",
            "invalid_request",
            "dialect",
        ),
        ("/v1/event-types/x?dialekt=odin", "unknown_field", "dialekt"),
    ] {
        let refused = world.send(&tenant, "PUT", path, json!({})).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{path}");
    }
    // Where it is then, in the dialect that was named.
    for path in ["/v1/event-types/x.y?dialect=odin", "/v1/event-types/x.y"] {
        let defined = world.send(&As::operator(), "PUT", path, json!({})).await;
        defined.data(201);
        assert_eq!(defined.headers["location"], path);
        world.get(&As::operator(), path).await.data(200);
    }
    let unknown = "/v1/event-types/x?dialect=nope";
    let refused = world.send(&As::operator(), "PUT", unknown, json!({})).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["dialect"]);
    let publisher = world.key("odin", json!({"scopes": ["publish"]})).await;
    let refused = world.send(&publisher, "PUT", path, json!({})).await;
    refused.assert_error(403, "forbidden");
    let reader = json!({"name": "reader", "scopes": ["read"]});
    let reader = world
        .send(&As::operator(), "POST", "/v1/keys", reader)
        .await;
    let reader = As::key(reader.data(201)["key"]["key"].as_str().unwrap());
    world
        .get(&reader, "/v1/event-types?dialect=odin")
        .await
        .data(200);
    let refused = world.send(&reader, "PUT", path, json!({})).await;
    refused.assert_error(403, "forbidden");
    let gone = world
        .send_text(&tenant, "DELETE", "/v1/event-types/no.such", "")
        .await;
    gone.assert_error(404, "not_found");
}

/// A type that ends with `schema` looked like the schema of another one by its path once; there is no such path.
/// What nobody can choose may be given as it is, or as it will be, and not otherwise.
#[tokio::test(start_paused = true)]
async fn members_of_a_new_type_that_nobody_chooses_are_as_they_will_be() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let operator = As::operator();
    let path = "/v1/event-types/a.b";
    let own = json!({"type": "a.b", "tenant_id": null, "source": "deployment", "aliases": []});
    // The operator's type is there when the tenant says something of it.
    for caller in [&operator, &tenant] {
        for (field, other) in [
            ("source", json!("tenant")),
            ("tenant_id", json!("acme")),
            ("type", json!("a.c")),
            ("aliases", json!(["a.c"])),
        ] {
            let refused = world.send(caller, "PUT", path, json!({field: other})).await;
            refused.assert_error(422, "read_only");
            assert_eq!(refused.fields(), [field]);
        }
        let made = world.send(caller, "PUT", path, own.clone()).await;
        assert!(made.status < 300, "{}", made.body);
    }
    let own = json!({"type": "c.d", "tenant_id": "acme", "source": "tenant", "aliases": []});
    let made = world.send(&tenant, "PUT", "/v1/event-types/c.d", own).await;
    made.data(201);
}

#[tokio::test(start_paused = true)]
async fn no_type_is_called_schema() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/event-types/order";
    let own = json!({"schema": {"required": ["n"]}});
    world.send(&tenant, "PUT", path, own).await.data(201);
    let before = world.get(&tenant, path).await;
    for other in [
        "/v1/event-types/order/schema",
        "/v1/event-types/order%2Fschema",
        "/v1/event-types/order%2fschema",
        "/v1/event-types/order/schema/schema",
        "/v1/event-types/schema",
        "/v1/event-types/x%2Fschema/schema",
    ] {
        for (method, body) in [("GET", ""), ("PUT", "{}"), ("DELETE", "")] {
            for caller in [&tenant, &As::operator()] {
                let refused = world.send_text(caller, method, other, body).await;
                refused.assert_error(422, "reserved_type");
                assert_eq!(refused.fields(), ["type"], "{method} {other}");
            }
        }
    }
    assert_eq!(world.get(&tenant, path).await.body, before.body);
    let grouped = json!({"groups": ["x/schema"]});
    let refused = world.send(&tenant, "PUT", path, grouped).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["groups"]);
    let webhook = world.webhook(&tenant).await;
    let test = format!("/v1/webhooks/{webhook}/test");
    for named in ["schema", "x/schema"] {
        let tried = json!({"event_type": named});
        let refused = world.send(&tenant, "POST", &test, tried).await;
        refused.assert_error(422, "reserved_type");
        assert_eq!(refused.fields(), ["event_type"]);
    }
    let event = json!({"type": "x/schema", "data": {}});
    let refused = world.send(&tenant, "POST", "/v1/events", event).await;
    refused.assert_error(422, "reserved_type");
    assert_eq!(refused.fields(), ["type"]);
    for name in ["schema", "x/schema"] {
        let webhook = json!({"url": "https://example.com/hook", "events": ["order", name]});
        let refused = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        refused.assert_error(422, "reserved_type");
        assert_eq!(refused.fields(), ["events[1]"]);
    }
    for named in ["order.schema", "schema/order", "schemas"] {
        let path = format!("/v1/event-types/{named}");
        world.send(&tenant, "PUT", &path, json!({})).await.data(201);
        assert_eq!(publish(&world, &tenant, named, json!({})).await, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn two_editors_lose_nothing_of_each_other() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/event-types/a.b";
    let missing = tenant.clone().when("if-match", "\"nonsense\"");
    let refused = world.send(&missing, "PUT", path, json!({})).await;
    refused.assert_error(412, "precondition_failed");
    let new = tenant.clone().when("if-none-match", "*");
    let made = world.send(&new, "PUT", path, json!({})).await;
    let first = made.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(made.status, 201);
    let refused = world.send(&new, "PUT", path, json!({})).await;
    refused.assert_error(412, "precondition_failed");
    let read = world.get(&tenant, path).await;
    assert_eq!(read.headers["etag"], first);
    let since_first = tenant.clone().when("if-match", &first);
    let changed = json!({"description": "Changed."});
    let put = world.send(&since_first, "PUT", path, changed).await;
    let second = put.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!((put.status, second == first), (200, false));
    for (method, body) in [("PUT", "{}"), ("DELETE", "")] {
        let refused = world.send_text(&since_first, method, path, body).await;
        refused.assert_error(412, "precondition_failed");
    }
    let since_second = tenant.clone().when("if-match", &second);
    world
        .send_text(&since_second, "DELETE", path, "")
        .await
        .data(200);

    // Of many at once, each goes through.
    let puts =
        (0..12).map(|n| world.send(&tenant, "PUT", path, json!({"description": format!("{n}")})));
    let puts = futures_util::future::join_all(puts).await.into_iter();
    let mut statuses: Vec<_> = puts.map(|put| put.status).collect();
    statuses.sort_unstable();
    assert_eq!((&statuses[..11], statuses[11]), (&[200; 11][..], 201));
}

#[tokio::test(start_paused = true)]
async fn an_owner_defines_no_more_types_than_its_list_has_room_for() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for n in 0..200 {
        let path = format!("/v1/event-types/t.{n}");
        world.send(&tenant, "PUT", &path, json!({})).await.data(201);
    }
    let refused = world
        .send(&tenant, "PUT", "/v1/event-types/more", json!({}))
        .await;
    refused.assert_error(409, "too_many_event_types");
    world
        .send(&tenant, "PUT", "/v1/event-types/t.7", json!({}))
        .await
        .data(200);
    world
        .send(&As::operator(), "PUT", "/v1/event-types/more", json!({}))
        .await
        .data(201);
}

/// The deployment's types cost publishing no call, and what one process changes another one knows a second later.
#[tokio::test(start_paused = true)]
async fn what_the_operator_changes_is_known_everywhere_within_a_second_at_no_cost() {
    let world = World::still().await;
    let other = world.beside().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/event-types/a.b";
    let publish_to = async |world: &World| {
        let before = world.calls();
        let status = publish(world, &tenant, "a.b", json!({})).await;
        (status, world.calls() - before)
    };
    publish_to(&world).await;
    publish_to(&other).await;
    let (status, calls) = publish_to(&world).await;
    assert_eq!(status, 202);
    // It looks whether something has changed, in a call that it makes anyway.
    world.pass(EVENT_TYPES_MS).await;
    assert_eq!(publish_to(&world).await, (202, calls));
    assert_eq!(publish_to(&other).await, (202, calls));

    let strict = json!({"schema": {"required": ["n"]}});
    world
        .send(&As::operator(), "PUT", path, strict)
        .await
        .data(201);
    assert_eq!(publish_to(&world).await.0, 422);
    assert_eq!(publish_to(&other).await.0, 202);
    world.pass(EVENT_TYPES_MS).await;
    assert_eq!(publish_to(&other).await.0, 422);
    assert_eq!(publish_to(&world).await.0, 422);
    other
        .send_text(&As::operator(), "DELETE", path, "")
        .await
        .data(200);
    assert_eq!(publish_to(&other).await.0, 202);
    assert_eq!(publish_to(&world).await.0, 422);
    world.pass(EVENT_TYPES_MS).await;
    // The change is read once.
    assert_eq!(publish_to(&world).await.0, 202);
    assert_eq!(publish_to(&world).await, (202, calls));
}

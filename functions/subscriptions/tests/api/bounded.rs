//! Schemas and filters that would cost much more than themselves, or that could be stored but not read.

use std::{cell::Cell, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::{
    metering,
    world::{Answered, As, World},
};

const TYPE: &str = "user.streak.achieved";
const PATH: &str = "/v1/event-types/user.streak.achieved";

/// A world with a tenant that has a catalogue.
async fn world() -> (World, As) {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    (world, tenant)
}

async fn put(world: &World, tenant: &As, schema: &str) -> Answered {
    let definition = format!(r#"{{"schema":{schema}}}"#);
    world.send_text(tenant, "PUT", PATH, &definition).await
}

async fn publish(world: &World, tenant: &As, data: &str) -> Answered {
    let event = format!(r#"{{"type":"{TYPE}","data":{data}}}"#);
    world.send_text(tenant, "POST", "/v1/events", &event).await
}

fn listed(schema: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).map(schema).collect::<Vec<_>>().join(",")
}

/// A chain of so many references, each inside so many schemas of its own.
fn chain(levels: usize, within: usize) -> String {
    let definition = |n: usize| {
        let open = r#"{"not":"#.repeat(within);
        let close = "}".repeat(within);
        format!(r##""{n}":{open}{{"$ref":"#/$defs/{}"}}{close}"##, n + 1)
    };
    let definitions = listed(definition, levels);
    format!(r##"{{"$ref":"#/$defs/0","$defs":{{{definitions},"{levels}":{{}}}}}}"##)
}

#[tokio::test(start_paused = true)]
async fn a_schema_for_which_some_event_costs_too_much_is_refused_by_its_place() {
    let (world, tenant) = world().await;
    let constants = listed(|n| format!(r#"{{"const":{n}}}"#), 900);
    let names = listed(|n| format!(r#""k{n}""#), 2_000);
    let patterns = listed(|n| format!(r#"{{"pattern":"x{n}"}}"#), 30);
    let wide = listed(|n| format!(r#"{{"const":"{}{n}"}}"#, "x".repeat(900)), 30);
    let branches = listed(
        |n| format!(r##"{{"properties":{{"k{n}":{{"$ref":"#"}}}}}}"##),
        300,
    );
    for (schema, field) in [
        // Depth that no stack holds.
        (chain(900, 0), "lies too deep"),
        (chain(400, 3), "lies too deep"),
        (chain(160, 18), "lies too deep"),
        (
            format!("{}{{}}{}", r#"{"allOf":["#.repeat(49), "]}".repeat(49)),
            "",
        ),
        (
            format!("{}{{}}{}", r#"{"not":"#.repeat(64), "}".repeat(64)),
            "lies too deep",
        ),
        (
            format!(
                "{}{{}}{}",
                r#"{"if":true,"then":"#.repeat(64),
                "}".repeat(64)
            ),
            "lies too deep",
        ),
        (
            format!("{}{{}}{}", r#"{"items":"#.repeat(64), "}".repeat(64)),
            "lies too deep",
        ),
        (
            format!(
                "{}{{}}{}",
                r#"{"prefixItems":[{},"#.repeat(49),
                "]}".repeat(49)
            ),
            "",
        ),
        // What never ends.
        (r##"{"$ref":"#"}"##.to_owned(), "asks for itself"),
        (
            r##"{"anyOf":[{"not":{"$ref":"#/anyOf/0"}}]}"##.to_owned(),
            "asks for itself",
        ),
        // Patterns.
        (
            r#"{"properties":{"s":{"pattern":"a{1000}{250}b"}}}"#.to_owned(),
            "is too large",
        ),
        (
            format!(
                r#"{{"anyOf":[{}]}}"#,
                listed(|_| r#"{"pattern":"a{1000}{240}"}"#.to_owned(), 50)
            ),
            "is too large",
        ),
        (
            format!(
                r#"{{"anyOf":[{}]}}"#,
                listed(|n| format!(r#"{{"pattern":"^.{{1,{}}}$"}}"#, n + 200), 50)
            ),
            "is too large",
        ),
        (
            r#"{"patternProperties":{"[ab]*a[ab]{30}":true}}"#.to_owned(),
            "is too large",
        ),
        (
            format!(r#"{{"pattern":"{}"}}"#, "a".repeat(257)),
            "must have at most 256 characters",
        ),
        (
            format!(r#"{{"properties":{{"s":{{"allOf":[{patterns}]}}}}}}"#),
            "for each character",
        ),
        (
            format!(r#"{{"propertyNames":{{"oneOf":[{patterns}]}}}}"#),
            "for each character",
        ),
        // Much that is asked of each of many values.
        (
            format!(r#"{{"items":{{"anyOf":[{constants}]}}}}"#),
            "for each of the many values",
        ),
        (
            format!(r#"{{"properties":{{"a":{{"items":{{"oneOf":[{wide}]}}}}}}}}"#),
            "for each of the many values",
        ),
        (
            format!(r#"{{"additionalProperties":{{"required":[{names}]}}}}"#),
            "for each of the many values",
        ),
        (
            format!(r#"{{"patternProperties":{{"^k":{{"allOf":[{constants}]}}}}}}"#),
            "for each of the many values",
        ),
        (
            format!(
                r##"{{"items":{{"$ref":"#/$defs/a"}},"$defs":{{"a":{{"not":{{"anyOf":[{constants}]}}}}}}}}"##
            ),
            "for each of the many values",
        ),
        (
            format!(r##"{{"anyOf":[{branches}],"additionalProperties":{{"$ref":"#"}}}}"##),
            "too much",
        ),
    ] {
        let answered = put(&world, &tenant, &schema).await;
        if field.is_empty() {
            answered.data(200);
            continue;
        }
        answered.assert_error(422, "invalid_request");
        let problem = answered.body["error"]["details"][0]["problem"]
            .as_str()
            .unwrap();
        assert!(problem.contains(field), "{schema:.100}: {problem}");
    }
    let costly = format!(r#"{{"properties":{{"a":{{"items":{{"anyOf":[{constants}]}}}}}}}}"#);
    let refused = put(&world, &tenant, &costly).await;
    assert_eq!(refused.fields(), ["schema.properties.a.items"]);
    let problem = refused.body["error"]["details"][0]["problem"]
        .as_str()
        .unwrap();
    assert!(problem.ends_with("(#/properties/a/items)"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_answers_the_largest_events() {
    let (world, tenant) = world().await;
    let constants = listed(|_| r#"{"const":0}"#.to_owned(), 900);
    let references = listed(|_| r##"{"$ref":"#/$defs/a"}"##.to_owned(), 700);
    let names = listed(|n| format!(r#""k{n}""#), 2_000);
    let large = [
        format!(r#"{{"s":"{}"}}"#, "a".repeat(95_000)),
        format!(r#"{{"a":[{}]}}"#, listed(|_| "0".to_owned(), 48_000)),
        format!(r#"{{"a":[{}]}}"#, listed(|n| n.to_string(), 16_000)),
        format!(r#"{{{}}}"#, listed(|n| format!(r#""k{n}":[]"#), 9_000)),
        format!(r#"{{"a":{}0{}}}"#, r#"{"a":"#.repeat(98), "}".repeat(98)),
    ];
    for (schema, answers) in [
        (format!(r##"{{"anyOf":[{references}],"$defs":{{"a":{{"anyOf":[{constants}]}}}}}}"##), [422, 422, 422, 422, 422]),
        (r#"{"properties":{"a":{"uniqueItems":true}}}"#.to_owned(), [202, 422, 202, 202, 202]),
        (format!(r#"{{"required":[{names}]}}"#), [422, 422, 422, 202, 422]),
        (r##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"},{"not":{"not":{"$ref":"#"}}}]}}}"##.to_owned(), [202; 5]),
        (r#"{"properties":{"s":{"pattern":"^(a|b)*[^c]{0,9}$","maxLength":100000}}}"#.to_owned(), [202; 5]),
    ] {
        put(&world, &tenant, &schema).await.data(200);
        for (data, expected) in large.iter().zip(answers) {
            let answered = publish(&world, &tenant, data).await;
            assert_eq!(answered.status, expected, "{schema:.60}: {}", answered.body);
            if expected == 422 {
                answered.assert_error(422, "schema_violation");
                assert!(!answered.body.to_string().contains("takes too long"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_can_be_read_again_however_deep_it_is() {
    let (world, tenant) = world().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (levels, status) in [
        (62, 200),
        (98, 200),
        (99, 200),
        (100, 422),
        (101, 422),
        (200, 422),
    ] {
        let schema = format!(r#"{{"const":{}}}"#, deep(levels));
        let answered = put(&world, &tenant, &schema).await;
        assert_eq!(answered.status, status, "{levels}: {}", answered.body);
        if status == 422 {
            answered.assert_error(422, "invalid_request");
            continue;
        }
        let shown = world.get(&tenant, PATH).await;
        assert_eq!(shown.data(200), answered.data(200));
        world.get(&tenant, "/v1/event-types").await.data(200);
        publish(&world, &tenant, "{}")
            .await
            .assert_error(422, "schema_violation");
    }
    for levels in [63, 64, 100, 101] {
        let schema = format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
        let answered = put(&world, &tenant, &schema).await;
        if levels == 63 {
            answered.data(200);
            publish(&world, &tenant, "{}")
                .await
                .assert_error(422, "schema_violation");
        } else {
            answered.assert_error(422, "invalid_request");
        }
    }
    world.send_text(&tenant, "DELETE", PATH, "").await.data(200);

    // Metadata of a webhook, of an event, and a filter.
    for (levels, status) in [(99, 201), (100, 422), (101, 422)] {
        let webhook = format!(
            r#"{{"url":"https://example.com/","events":["*"],"metadata":{{"a":{}}}}}"#,
            deep(levels)
        );
        let made = world
            .send_text(&tenant, "POST", "/v1/webhooks", &webhook)
            .await;
        assert_eq!(made.status, status, "{levels}: {}", made.body);
        world.get(&tenant, "/v1/webhooks").await.data(200);
    }
    for (levels, status) in [(99, 202), (100, 422)] {
        for field in ["data", "metadata"] {
            let other = if field == "data" { "metadata" } else { "data" };
            let event = format!(
                r#"{{"type":"{TYPE}","{field}":{{"a":{}}},"{other}":{{}}}}"#,
                deep(levels)
            );
            let answered = world.send_text(&tenant, "POST", "/v1/events", &event).await;
            assert_eq!(
                answered.status, status,
                "{field} {levels}: {}",
                answered.body
            );
            if status == 422 {
                let deeper = "nested deeper than 100 levels at byte";
                let problem = &answered.body["error"]["details"][0]["problem"];
                assert!(problem.as_str().unwrap().starts_with(deeper), "{problem}");
                let batch = format!(r#"{{"events":[{event}]}}"#);
                let batch = world.send_text(&tenant, "POST", "/v1/events/batch", &batch);
                let batch = batch.await;
                assert_eq!(batch.status, 422);
                let result = &batch.body["data"]["results"][0];
                let problem = &result["error"]["details"][0]["problem"];
                assert!(problem.as_str().unwrap().starts_with(deeper), "{problem}");
            }
            if status == 202 {
                let id = answered.data(202)["event"]["id"].as_str().unwrap();
                let path = format!("/v1/events/{id}");
                world.get(&tenant, &path).await.data(200);
            }
        }
    }
}

/// Writes a schema as an earlier version of Rung did, whatever it is.
async fn store(world: &World, tenant: &As, event_type: &str, schema: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item = world.dynamodb.put_item().table_name("rung");
    let item = item
        .item("pk", text("T#odin"))
        .item("sk", text(&format!("Y#{event_type}")))
        .item("groups", text("[]"))
        .item("rev", AttributeValue::N("0".to_owned()))
        .item("schema", text(schema));
    item.send().await.unwrap();
    // Publishing looks when something has changed.
    let other = "/v1/event-types/content.saga.added";
    let change = json!({"description": format!("{event_type} has {} bytes", schema.len())});
    world.send(tenant, "PUT", other, change).await.data(200);
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_is_not_taken_any_more_refuses_events_until_another_is_set() {
    let (world, tenant) = world().await;
    for schema in [
        chain(2_170, 0),
        r#"{"pattern":"a{1000}{250}b"}"#.to_owned(),
        format!("{}true{}", r#"{"not":"#.repeat(101), "}".repeat(101)),
    ] {
        store(&world, &tenant, TYPE, &schema).await;
        for _ in 0..2 {
            let refused = publish(&world, &tenant, "{}").await;
            refused.assert_error(422, "unusable_schema");
            assert_eq!(refused.fields(), ["type"]);
        }
        world.get(&tenant, "/v1/event-types").await.data(200);
        world.get(&tenant, PATH).await.data(200);
        put(&world, &tenant, "{}").await.data(200);
        publish(&world, &tenant, "{}").await.data(202);
    }
}

#[tokio::test(start_paused = true)]
async fn what_rung_tells_is_held_against_no_schema() {
    let world = World::still().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    for schema in [chain(2_170, 0), r#"{"not":{}}"#.to_owned()] {
        store(&world, &tenant, "api.key.expiring", &schema).await;
    }
    // 2025-10-09T08:53:20Z and five days.
    let ending = json!({"scopes": ["manage"], "expires_at": "2025-10-14T08:53:20Z"});
    world.key("odin", ending).await;
    world.run_for(2 * 60_000).await;
    let told = metering::told(&world, &tenant, &webhook, "api.key.expiring").await;
    assert_eq!(told.len(), 1);
    let event = json!({"type": "api.key.expiring", "data": {}});
    let refused = world.send(&tenant, "POST", "/v1/events", event).await;
    refused.assert_error(422, "schema_violation");
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_takes_the_admin_key_or_a_key_of_its_own_scope() {
    let (world, _) = world().await;
    let all_but = json!({"scopes": ["manage", "publish", "read", "erase"]});
    let customer = world.key("odin", all_but).await;
    for method in ["PUT", "DELETE"] {
        let body = if method == "PUT" { "{}" } else { "" };
        let refused = world.send_text(&customer, method, PATH, body).await;
        refused.assert_error(403, "forbidden");
        assert!(
            refused.body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("`catalogue`")
        );
    }
    let keeper = world.key("odin", json!({"scopes": ["catalogue"]})).await;
    for who in [&keeper, &As::operator_for("odin")] {
        world.send_text(who, "PUT", PATH, "{}").await.data(200);
        world.send_text(who, "DELETE", PATH, "").await.data(200);
    }
    let refused = world.get(&keeper, "/v1/webhooks").await;
    refused.assert_error(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_asks_too_much_of_the_same_objects_is_refused_by_its_place() {
    let (world, tenant) = world().await;
    let alternatives = listed(
        |_| r#"{"b":{"c":{"d":{"e":[{"exists":true}]}}}}"#.to_owned(),
        180,
    );
    let filter = format!(r#"{{"a":{{"$or":[{alternatives}]}}}}"#);
    let webhook = format!(r#"{{"url":"https://example.com/","events":["*"],"filter":{filter}}}"#);
    let refused = world
        .send_text(&tenant, "POST", "/v1/webhooks", &webhook)
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), [r#"filter.a["$or"][31].b"#]);
    for (count, refused) in [(10, None), (11, Some(r#"filter["$or"][10].b"#))] {
        let alternatives = listed(
            |n| format!(r#"{{"a":["x{n}"],"b":[{{"numeric":[">",{n}]}}]}}"#),
            count,
        );
        let webhook = format!(
            r#"{{"url":"https://example.com/","events":["*"],"filter":{{"$or":[{alternatives}]}}}}"#
        );
        let answer = world
            .send_text(&tenant, "POST", "/v1/webhooks", &webhook)
            .await;
        match refused {
            None => drop(answer.data(201)),
            Some(field) => {
                answer.assert_error(422, "invalid_request");
                assert_eq!(answer.fields(), [field]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_filters_leave_others_their_turn() {
    let (world, tenant) = world().await;
    let alternatives = listed(|n| format!(r#"{{"b":{{"c":[{n}]}}}}"#), 10);
    let filter: Value =
        serde_json::from_str(&format!(r#"{{"a":{{"$or":[{alternatives}]}}}}"#)).unwrap();
    for _ in 0..20 {
        let webhook = json!({"url": "https://example.com/", "events": ["*"], "filter": filter});
        world
            .send(&tenant, "POST", "/v1/webhooks", webhook)
            .await
            .data(201);
    }
    let data = format!(
        r#"{{"a":[{}]}}"#,
        listed(|_| r#"{"b":{"c":0.5}}"#.to_owned(), 5_500)
    );
    // So that the webhooks are known.
    publish(&world, &tenant, "{}").await.data(202);
    let turns = Cell::new(0);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answered = publish(&world, &tenant, &data) => {
            assert_eq!(answered.data(202)["deliveries"], 0);
        }
        () = others => {}
    }
    assert!(turns.get() > 20, "{} turns", turns.get());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_as_many_webhooks_as_the_deployment_says() {
    let (mut world, tenant) = world().await;
    world.limit_webhooks(3);
    let webhook = json!({"url": "https://example.com/", "events": ["*"]});
    let create = async |caller: &As, webhook: &Value| {
        world
            .send(caller, "POST", "/v1/webhooks", webhook.clone())
            .await
    };
    let first = world.webhook(&tenant).await;
    create(&tenant, &webhook).await.data(201);
    let keyed = tenant.clone().with_idempotency_key("k");
    create(&keyed, &webhook).await.data(201);
    create(&tenant, &webhook)
        .await
        .assert_error(409, "too_many_webhooks");
    // A repeat is not one more, and what is there can be changed.
    create(&keyed, &webhook).await.data(201);
    let path = format!("/v1/webhooks/{first}");
    world
        .send(&tenant, "PATCH", &path, json!({"name": "n"}))
        .await
        .data(200);
    let import = json!({"id": "webhook_brought", "url": "https://example.com/", "events": ["*"]});
    let operator = As::operator_for("odin");
    create(&operator, &import)
        .await
        .assert_error(409, "too_many_webhooks");
    // A change of the tenant does not forget how many there are.
    let change = json!({"name": "Odin"});
    world
        .send(&As::operator(), "PATCH", "/v1/tenants/odin", change)
        .await
        .data(200);
    create(&tenant, &webhook)
        .await
        .assert_error(409, "too_many_webhooks");
    world
        .send_text(&tenant, "DELETE", &path, "")
        .await
        .data(200);
    world
        .send_text(&tenant, "DELETE", &path, "")
        .await
        .assert_error(404, "not_found");
    create(&operator, &import).await.data(201);
    create(&tenant, &webhook)
        .await
        .assert_error(409, "too_many_webhooks");
    let other = world.tenant("other", "odin", "pro").await;
    create(&other, &webhook).await.data(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_are_checked_beside_the_runtimes_workers() {
    let (world, tenant) = world().await;
    put(
        &world,
        &tenant,
        r#"{"properties":{"a":{"uniqueItems":true}}}"#,
    )
    .await
    .data(200);
    let data = format!(r#"{{"a":[{}]}}"#, listed(|n| n.to_string(), 10_000));
    let published = publish(&world, &tenant, &data);
    let answered = tokio::time::timeout(Duration::from_secs(60), published).await;
    answered.unwrap().data(202);
}

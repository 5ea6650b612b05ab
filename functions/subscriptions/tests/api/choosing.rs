//! Which events a webhook gets, and finding webhooks by what they choose.

use serde_json::{Value, json};

use crate::world::{As, World};

/// Makes a webhook with these members besides its URL; its id.
async fn made(world: &World, caller: &As, mut webhook: Value) -> String {
    webhook["url"] = json!("https://example.com/hook");
    let made = world.send(caller, "POST", "/v1/webhooks", webhook).await;
    made.data(201)["webhook"]["id"].as_str().unwrap().to_owned()
}

async fn published(world: &World, caller: &As, event_type: &str, data: Value) -> Value {
    let event = json!({"type": event_type, "data": data});
    let published = world.send(caller, "POST", "/v1/events", event).await;
    published.data(202).clone()
}

#[tokio::test(start_paused = true)]
async fn a_prefix_subscribes_to_the_types_below_it() {
    let world = World::new().await;
    let odin = world.tenant("odin", "odin", "pro").await;
    made(&world, &odin, json!({"events": ["content.*"]})).await;
    let sample = json!({"content_type": "saga"});
    let content = published(&world, &odin, "content.saga.added", sample.clone()).await;
    assert_eq!(content["deliveries"], 1);
    let user = published(&world, &odin, "user.streak.achieved", sample).await;
    assert_eq!(user["deliveries"], 0);

    let unknown = json!({"url": "https://example.com/", "events": ["order.*"]});
    let refused = world
        .send(&odin, "POST", "/v1/webhooks", unknown.clone())
        .await;
    refused.assert_error(422, "unknown_event_type");
    assert_eq!(refused.fields(), ["events[0]"]);
    let several =
        json!({"url": "https://example.com/", "events": ["content", "order.*", "user.*", "nope"]});
    let refused = world.send(&odin, "POST", "/v1/webhooks", several).await;
    refused.assert_error(422, "unknown_event_type");
    assert_eq!(refused.fields(), ["events[1]", "events[3]"]);
    let mixed = json!({"url": "https://example.com/", "events": ["*", 7]});
    let refused = world.send(&odin, "POST", "/v1/webhooks", mixed).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["events[1]"]);
    let open = world.tenant("open", "standard", "pro").await;
    let taken = world.send(&open, "POST", "/v1/webhooks", unknown).await;
    assert_eq!(taken.data(201)["webhook"]["events"], json!(["order.*"]));
}

#[tokio::test(start_paused = true)]
async fn a_filter_keeps_away_what_it_does_not_take() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let filter = json!({"amount": [{"numeric": [">=", 100]}], "customer": {"country": ["CH"]}});
    let id = made(
        &world,
        &tenant,
        json!({"events": ["order.*"], "filter": filter}),
    )
    .await;
    let path = format!("/v1/webhooks/{id}");
    let shown = world.get(&tenant, &path).await;
    assert_eq!(shown.data(200)["webhook"]["filter"], filter);

    let order = |amount: u32| json!({"amount": amount, "customer": {"country": "CH"}});
    let taken = published(&world, &tenant, "order.paid", order(100)).await;
    assert_eq!(taken["deliveries"], 1);
    let left_out = published(&world, &tenant, "order.paid", order(99)).await;
    assert_eq!(left_out["deliveries"], 0);
    let reason = left_out["reason"].as_str().unwrap();
    assert!(reason.contains("filter"), "{reason}");

    let change = json!({"filter": {"amount": [{"numeric": ["<", 100]}]}});
    world.send(&tenant, "PATCH", &path, change).await.data(200);
    let taken = published(&world, &tenant, "order.paid", order(99)).await;
    assert_eq!(taken["deliveries"], 1);
    let cleared = world
        .send(&tenant, "PATCH", &path, json!({"filter": null}))
        .await;
    assert_eq!(cleared.data(200)["webhook"]["filter"], Value::Null);
    let taken = published(&world, &tenant, "order.paid", order(100)).await;
    assert_eq!(taken["deliveries"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_answers_as_at_first_whatever_the_filter_is_by_then() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = made(
        &world,
        &tenant,
        json!({"events": ["*"], "filter": {"n": [1]}}),
    )
    .await;
    let event = json!({"id": "e1", "type": "a.b", "data": {"n": 1}});
    let first = world
        .send(&tenant, "POST", "/v1/events", event.clone())
        .await;
    assert_eq!(first.data(202)["deliveries"], 1);
    let change = json!({"filter": {"n": [2]}});
    world
        .send(&tenant, "PATCH", &format!("/v1/webhooks/{id}"), change)
        .await
        .data(200);
    let again = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(again.body, first.body);
}

#[tokio::test(start_paused = true)]
async fn a_mistake_in_a_filter_is_named_by_its_place() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = made(&world, &tenant, json!({"events": ["*"]})).await;
    for (filter, field) in [
        (json!("x"), "filter"),
        (json!({}), "filter"),
        (
            json!({"customer": {"country": "CH"}}),
            "filter.customer.country",
        ),
        (
            json!({"amount": [1, {"numeric": [">"]}]}),
            "filter.amount[1].numeric",
        ),
        (
            json!({"$or": [{"a": [{"like": 1}]}]}),
            r#"filter["$or"][0].a[0].like"#,
        ),
    ] {
        let webhook = json!({"url": "https://example.com/", "events": ["*"], "filter": filter});
        let refused = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
        let change = json!({"filter": filter});
        let refused = world
            .send(&tenant, "PATCH", &format!("/v1/webhooks/{id}"), change)
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_found_by_metadata_status_and_event_type() {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let mut ids = Vec::new();
    for (team, tier, events) in [
        ("red", json!(1), "user"),
        ("red", json!(2), "content.*"),
        ("blue", json!(1), "*"),
        ("red", json!("1"), "user.streak.achieved"),
    ] {
        let metadata = json!({"team": team, "account.tier": tier});
        let webhook = json!({"events": [events], "metadata": metadata});
        ids.push(made(&world, &tenant, webhook).await);
        world.pass(1).await;
    }
    let disable = json!({"status": "disabled"});
    world
        .send(
            &tenant,
            "PATCH",
            &format!("/v1/webhooks/{}", ids[0]),
            disable,
        )
        .await
        .data(200);

    for (query, expected) in [
        ("metadata.team=red", &[3, 1, 0][..]),
        ("metadata.team=red&metadata.account.tier=1", &[3, 0]),
        ("metadata.team=green", &[]),
        ("metadata.floor=1", &[]),
        ("status=disabled", &[0]),
        ("status=active&metadata.team=red", &[3, 1]),
        ("event_type=user.streak.achieved", &[3, 2, 0]),
        ("event_type=content.saga.added&status=active", &[2, 1]),
        ("health=healthy&metadata.team=red", &[3, 1]),
        ("health=disabled", &[0]),
        ("health=failing", &[]),
        ("status=active,disabled", &[3, 2, 1, 0]),
        ("health=failing,disabled", &[0]),
        ("health=healthy,disabled&status=active", &[3, 2, 1]),
        ("event_type=content.*", &[2, 1]),
        ("event_type=content", &[2, 1]),
        ("event_type=user", &[3, 2, 0]),
        ("event_type=user.streak.*", &[3, 2, 0]),
        ("event_type=system", &[2]),
        (
            "event_type=user.streak.achieved,content.saga.added",
            &[3, 2, 1, 0],
        ),
        ("event_type=*", &[3, 2, 1, 0]),
        ("q=EXAMPLE.com", &[3, 2, 1, 0]),
        ("q=nowhere", &[]),
    ] {
        // Page by page, one at a time.
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/webhooks?limit=1&{query}{cursor}");
            let page = world.get(&tenant, &path).await;
            let data = page.data(200);
            for webhook in data["webhooks"].as_array().unwrap() {
                let id = webhook["id"].as_str().unwrap();
                found.push(ids.iter().position(|known| known == id).unwrap());
            }
            match data["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{query}");
    }

    let refused = world
        .get(&tenant, "/v1/webhooks?status=paused&health=ill&meta=red")
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["status", "health", "meta"]);
    for (query, field) in [
        ("status=active,paused", "status"),
        ("status=", "status"),
        ("health=failing,", "health"),
        ("event_type=a%20b", "event_type"),
        ("event_type=user,a*", "event_type"),
        ("event_type=", "event_type"),
    ] {
        let refused = world.get(&tenant, &format!("/v1/webhooks?{query}")).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_tried_on_the_last_events_and_changes_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let other = world.tenant("other", "standard", "pro").await;
    let path = "/v1/filter-preview";
    let none = world.send(&tenant, "POST", path, json!({})).await;
    assert_eq!(none.data(200), &json!({"matching": 0, "events": []}));

    let mut ids = Vec::new();
    for (event_type, amount) in [("order.paid", 50), ("order.paid", 150), ("user.left", 500)] {
        let accepted = published(&world, &tenant, event_type, json!({"amount": amount})).await;
        ids.push(accepted["event"]["id"].clone());
        world.run_for(1_000).await;
    }
    published(&world, &other, "order.paid", json!({"amount": 150})).await;
    let filter = json!({"amount": [{"numeric": [">", 100]}]});
    let preview = json!({"filter": filter, "events": ["order.*"]});
    let found = world.send(&tenant, "POST", path, preview).await;
    let found = found.data(200);
    assert_eq!(found["matching"], 1);
    let told = |event: &Value| (event["id"].clone(), event["matches"] == true);
    let events: Vec<_> = found["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(told)
        .collect();
    assert_eq!(events, [(ids[1].clone(), true), (ids[0].clone(), false)]);
    let all = world
        .send(&tenant, "POST", path, json!({"filter": null}))
        .await;
    assert_eq!(all.data(200)["matching"], 3);
    assert_eq!(all.data(200)["events"][0]["type"], "user.left");

    let wrong = json!({"filter": {"a": [{"like": "x"}]}, "events": [], "dialect": "none"});
    let refused = world.send(&tenant, "POST", path, wrong).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["dialect", "events", "filter.a[0].like"]);

    // What was erased is not looked at.
    let erased = format!("/v1/events/{}", ids[1].as_str().unwrap());
    let erased = world
        .send_text(&As::operator_for("acme"), "DELETE", &erased, "")
        .await;
    erased.data(202);
    let left = world.send(&tenant, "POST", path, json!({})).await;
    assert_eq!(left.data(200)["matching"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_tried_on_a_hundred_events_and_no_more_bytes_than_that_is_bounded_by() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let batch = |data: Value| {
        let event = json!({"type": "a.b", "data": data});
        json!({"events": vec![event; 60]})
    };
    for _ in 0..2 {
        let published = world
            .send(&tenant, "POST", "/v1/events/batch", batch(json!({"n": 1})))
            .await;
        published.data(202);
    }
    let seen = world
        .send(&tenant, "POST", "/v1/filter-preview", json!({}))
        .await;
    assert_eq!(seen.data(200)["events"].as_array().unwrap().len(), 100);
    world.run_for(1_000).await;
    for _ in 0..19 {
        published(
            &world,
            &tenant,
            "a.large",
            json!({"text": "x".repeat(250_000)}),
        )
        .await;
    }
    let seen = world
        .send(&tenant, "POST", "/v1/filter-preview", json!({}))
        .await;
    // Each has a quarter of a MiB, and the one that goes beyond four is the last.
    let looked_at = seen.data(200)["events"].as_array().unwrap().len();
    assert_eq!(looked_at, 17);
}

//! The list of a tenant's events.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::world::{As, World};

async fn publish(world: &World, tenant: &As, id: &str, event_type: &str) {
    let event = json!({"id": id, "type": event_type, "data": {"n": 1.50}, "metadata": {"m": 1}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(10).await;
}

/// The list's ids, page by page.
async fn listed(world: &World, tenant: &As, query: &str, limit: usize) -> Vec<String> {
    let first = format!("/v1/events?limit={limit}{query}");
    let (mut ids, mut path) = (Vec::new(), first.clone());
    loop {
        let page = world.get(tenant, &path).await;
        let data = page.data(200);
        let events = data["events"].as_array().unwrap();
        assert!(events.len() <= limit);
        ids.extend(
            events
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned()),
        );
        match data["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return ids,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_listed_once_newest_first_whatever_became_of_them() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    publish(&world, &tenant, "to_nobody", "user.lesson.completed").await;
    let webhook = json!({"url": "https://example.com/", "events": ["user"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = format!(
        "/v1/webhooks/{}",
        made.data(201)["webhook"]["id"].as_str().unwrap()
    );
    world.webhook(&tenant).await;
    publish(&world, &tenant, "to_two", "user.lesson.completed").await;
    publish(&world, &tenant, "to_one", "content.saga.added").await;
    world.answer(500);
    publish(&world, &tenant, "failing", "user.lesson.completed").await;
    // Attempts of later rungs, and tests, stand between the events in the logs.
    world.pass(7 * 60_000).await;
    let tested = format!("{path}/test");
    let test = world.send_text(&tenant, "POST", &tested, "").await;
    let test = test.data(200)["log"]["event_id"].as_str().unwrap();
    for (event, is_test) in [(test, true), ("to_one", false)] {
        let event = world.get(&tenant, &format!("/v1/events/{event}")).await;
        assert_eq!(event.data(200)["event"]["test"], is_test);
    }
    let disable = json!({"status": "disabled"});
    world.send(&tenant, "PATCH", &path, disable).await.data(200);
    publish(&world, &tenant, "missed_by_one", "user.lesson.completed").await;
    let newest_first = ["missed_by_one", "failing", "to_one", "to_two", "to_nobody"];
    for limit in 1..=6 {
        assert_eq!(
            listed(&world, &tenant, "", limit).await,
            newest_first,
            "{limit}"
        );
    }
    for (query, events) in [
        ("&type=content.saga.added", &["to_one"][..]),
        ("&since=2025-10-09T09:00:00Z", &["missed_by_one"]),
        ("&until=2025-10-09T08:53:20.005Z", &["to_nobody"]),
        (
            "&since=2025-10-09T08:53:20.005Z&until=2025-10-09T08:53:20.015Z",
            &["to_two"],
        ),
        ("&until=2020-01-01T00:00:00Z", &[]),
    ] {
        assert_eq!(listed(&world, &tenant, query, 2).await, events, "{query}");
    }
    let stranger = world.tenant("other", "odin", "pro").await;
    assert_eq!(listed(&world, &stranger, "", 5).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_its_metadata_and_a_list_does_not() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let metadata = r#"{"source":"shop","order":{"lines":[1.50,12345678901234567890123]}}"#;
    for (id, given) in [
        ("with", format!(r#","metadata":{metadata}"#)),
        ("without", String::new()),
        ("empty", r#","metadata":{}"#.to_owned()),
    ] {
        let event = format!(r#"{{"id":"{id}","type":"a.b","data":{{}}{given}}}"#);
        let published = world.send_text(&tenant, "POST", "/v1/events", &event).await;
        published.data(202);
    }
    let tested = format!("{path}/test");
    let test = world.send_text(&tenant, "POST", &tested, "").await;
    let test = test.data(200)["log"]["event_id"].as_str().unwrap();
    // As it is spelled, numbers too.
    let key = format!("Bearer {}", tenant.key.as_ref().unwrap());
    for (id, shown) in [
        ("with", metadata),
        ("without", "{}"),
        ("empty", "{}"),
        (test, "{}"),
    ] {
        let request = Request::get(format!("/v1/events/{id}"));
        let request = request.header("authorization", &key);
        let (_, text) = world.plain(request.body(Body::empty()).unwrap()).await;
        let expected = format!(r#""metadata":{shown},"#);
        assert!(text.contains(&expected), "{id}: {text}");
    }
    let events = world.get(&tenant, "/v1/events").await;
    let events = events.data(200)["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.get("metadata").is_none()));
}

#[tokio::test(start_paused = true)]
async fn an_event_says_why_it_goes_to_nobody_and_goes_on_saying_so() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    publish(&world, &tenant, "lonely", "user.lesson.completed").await;
    let other = json!({"url": "https://example.com/", "events": ["content"]});
    world
        .send(&tenant, "POST", "/v1/webhooks", other)
        .await
        .data(201);
    publish(&world, &tenant, "unwanted", "user.lesson.completed").await;
    let filtered = json!({
        "url": "https://example.com/", "events": ["user"], "filter": {"never": [true]},
    });
    world
        .send(&tenant, "POST", "/v1/webhooks", filtered)
        .await
        .data(201);
    publish(&world, &tenant, "left-out", "user.lesson.completed").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let disable = json!({"status": "disabled"});
    world.send(&tenant, "PATCH", &path, disable).await.data(200);
    publish(&world, &tenant, "missed", "user.lesson.completed").await;
    let plan = json!({"plan": "free"});
    let changed = world
        .send(&As::operator(), "PATCH", "/v1/tenants/acme", plan)
        .await;
    changed.data(200);
    publish(&world, &tenant, "planless", "user.lesson.completed").await;
    let events = world.get(&tenant, "/v1/events").await;
    let events = events.data(200)["events"].as_array().unwrap().clone();
    let reasons: Vec<_> = events
        .iter()
        .map(|event| {
            assert_eq!(event["deliveries"], 0);
            (
                event["id"].as_str().unwrap(),
                event["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("planless", "the tenant's plan has no webhooks"),
        ("missed", "every matching webhook is disabled"),
        (
            "left-out",
            "the filters of all webhooks that subscribe to this type exclude the event",
        ),
        ("unwanted", "no webhook subscribes to this type"),
        ("lonely", "the tenant has no webhooks"),
    ];
    assert_eq!(reasons, expected);
    let again = json!({"id": "unwanted", "type": "user.lesson.completed", "data": {"n": 1.5}, "metadata": {"m": 1}});
    let again = world.send(&tenant, "POST", "/v1/events", again).await;
    assert_eq!(again.data(202)["reason"], reasons[3].1);
}

/// Nothing has to become of an event before it is listed, and nothing that becomes of it takes it from the list.
#[tokio::test(start_paused = true)]
async fn every_event_is_listed_from_the_first_moment_and_for_good() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let mut expected = Vec::new();
    for id in ["waits", "waits_too"] {
        publish(&world, &tenant, id, "a.b").await;
        expected.insert(0, id.to_owned());
        assert_eq!(listed(&world, &tenant, "", 50).await, expected);
    }
    world.run_for(1_000).await;
    let tested = format!("{path}/test");
    let tested = world.send_text(&tenant, "POST", &tested, "").await;
    tested.data(200);
    world
        .send_text(&tenant, "DELETE", &path, "")
        .await
        .data(200);
    world.run_for(60_000).await;
    assert_eq!(
        listed(&world, &tenant, "", 50).await,
        expected,
        "no webhook is left, and a test is no event"
    );
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_batch_are_listed_one_by_one() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    publish(&world, &tenant, "before", "a.b").await;
    let event = |id: &str, event_type: &str| json!({"id": id, "type": event_type, "data": {}});
    let first = json!({"events": [
        event("b0", "a.b"), event("b1", "c.d"), event("b0", "a.b"), event("b2", "a.b"),
        {"type": "a b", "data": {}}, event("before", "other"), event("b3", "c.d"),
    ]});
    // What was accepted before is not listed anew.
    let second = json!({"events": [event("b3", "c.d"), event("b4", "a.b"), event("b1", "c.d")]});
    for (batch, status) in [(first, 207), (second, 202)] {
        let published = world.send(&tenant, "POST", "/v1/events/batch", batch).await;
        assert_eq!(published.status, status, "{}", published.body);
        world.pass(10).await;
    }
    publish(&world, &tenant, "after", "c.d").await;
    for limit in 1..=8 {
        let all = listed(&world, &tenant, "", limit).await;
        assert_eq!(
            all,
            ["after", "b4", "b3", "b2", "b1", "b0", "before"],
            "{limit}"
        );
        let some = listed(&world, &tenant, "&type=c.d", limit).await;
        assert_eq!(some, ["after", "b3", "b1"], "{limit}");
    }
}

/// What a page costs is told by what is on it: not by webhooks, attempts or deliveries that wait.
#[tokio::test(start_paused = true)]
async fn a_page_of_events_costs_the_same_while_webhooks_retry() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let batch = |first: usize| {
        let events =
            (first..first + 100).map(|n| json!({"id": format!("e{n}"), "type": "a.b", "data": {}}));
        json!({"events": events.collect::<Vec<_>>()})
    };
    let published = world.send(&tenant, "POST", "/v1/events/batch", batch(0));
    published.await.data(202);
    let cost = async || {
        let before = world.calls();
        assert_eq!(world.get(&tenant, "/v1/events").await.status, 200);
        world.calls() - before
    };
    // The first one reads the key and the tenant, too.
    cost().await;
    let quiet = cost().await;
    // A query for each shard of the list, and the events.
    assert!(quiet <= 14, "{quiet}");
    for _ in 0..3 {
        world.webhook(&tenant).await;
    }
    world.answer(500);
    for first in [100, 200] {
        let published = world.send(&tenant, "POST", "/v1/events/batch", batch(first));
        published.await.data(202);
    }
    world.pass(2_000).await;
    let posts = world.posts();
    assert!(posts >= 600, "{posts}");
    assert_eq!(cost().await, quiet);
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_its_data_and_its_deliveries_in_pages() {
    let world = World::new().await;
    for dialect in [
        "odin",
        "badger",
        "standard",
        "patra",
        "reward",
        "bharatcart",
    ] {
        let tenant = world.tenant(dialect, dialect, "pro").await;
        let types = world.get(&tenant, "/v1/event-types").await;
        let first = types.data(200)["event_types"][0]["type"]
            .as_str()
            .unwrap_or("a.b")
            .to_owned();
        publish(&world, &tenant, "e", &first).await;
        let event = world.get(&tenant, "/v1/events/e").await;
        assert_eq!(
            event.data(200)["event"]["data"],
            json!({"n": 1.5}),
            "{dialect}"
        );
    }
    let tenant = world.tenant("acme", "standard", "pro").await;
    for _ in 0..5 {
        world.webhook(&tenant).await;
    }
    publish(&world, &tenant, "e", "a.b").await;
    let (mut webhooks, mut path) = (Vec::new(), "/v1/events/e?limit=2".to_owned());
    loop {
        let page = world.get(&tenant, &path).await;
        let data = page.data(200);
        let deliveries = data["deliveries"].as_array().unwrap();
        assert!(deliveries.len() <= 2);
        webhooks.extend(
            deliveries
                .iter()
                .map(|delivery| delivery["webhook_id"].clone()),
        );
        match data["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/events/e?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    webhooks.sort_by_key(Value::to_string);
    webhooks.dedup();
    assert_eq!(webhooks.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_list_of_events_refuses_what_it_cannot_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    for (query, field) in [
        ("type=", "type"),
        ("since=yesterday", "since"),
        ("until=1", "until"),
        ("status=failed", "status"),
        ("cursor=MTc2", "cursor"),
    ] {
        let refused = world.get(&tenant, &format!("/v1/events?{query}")).await;
        let code = if field == "status" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{query}");
    }
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    world
        .get(&publisher, "/v1/events")
        .await
        .assert_error(403, "forbidden");
}

//! Deliveries that publish, and are delivered again: each loop ends.

use rung_enqueue::event_bridge::Bus;
use serde_json::{Value, json};

use crate::world::{Answered, As, OWN_HOST, World};

/// Attempts of a delivery in `brief` that always fails.
const ATTEMPTS: usize = 2;
/// Until all that comes of a request has ended in `brief`.
const LONG_MS: u64 = 10_000;

/// Makes a webhook whose deliveries publish as `publisher` does; its path.
async fn feedback(world: &World, caller: &As, call: &str, publisher: &As) -> String {
    let webhook = json!({
        "url": format!("https://{OWN_HOST}{call}"),
        "events": ["*"],
        "secret_headers": { "Authorization": publisher.authorization() },
    });
    let made = world.send(caller, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap();
    format!("/v1/webhooks/{id}")
}

async fn publish(world: &World, caller: &As, event: Value) -> Answered {
    world.send(caller, "POST", "/v1/events", event).await
}

/// A webhook's log, oldest first, each entry with the request and the response.
async fn log(world: &World, caller: &As, path: &str) -> Vec<Value> {
    let logs = world.get(caller, &format!("{path}/logs?limit=100")).await;
    let mut entries = Vec::new();
    for entry in logs.data(200)["logs"].as_array().unwrap() {
        let one = format!("{path}/logs/{}", entry["id"].as_str().unwrap());
        entries.push(world.get(caller, &one).await.data(200)["log"].clone());
    }
    entries.reverse();
    entries
}

/// The counts that a webhook's deliveries carried, and the statuses that they met.
async fn carried(world: &World, caller: &As, path: &str) -> Vec<(String, u64)> {
    let entries = log(world, caller, path).await;
    let read = |entry: &Value| {
        let hops = &entry["request"]["headers"]["rung-hops"];
        (
            hops.as_str().unwrap().to_owned(),
            entry["response"]["status"].as_u64().unwrap(),
        )
    };
    entries.iter().map(read).collect()
}

/// Two webhooks that publish: from the event two deliveries, from each of these two, from each of these two, and no more.
#[tokio::test(start_paused = true)]
async fn a_loop_ends_with_a_delivery_of_a_delivery_of_a_delivery() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let paths = [
        feedback(&world, &tenant, "/v1/events", &tenant).await,
        feedback(&world, &tenant, "/v1/events", &tenant).await,
    ];
    publish(&world, &tenant, json!({"type": "a.b", "data": {}}))
        .await
        .data(202);
    world.pass(LONG_MS).await;
    // A refusal is the receiver's answer: the last deliveries climb their ladders, and each attempt carries the same.
    assert_eq!(world.posts(), 2 + 4 + 8 * ATTEMPTS);
    for path in &paths {
        let mut carried = carried(&world, &tenant, path).await;
        carried.sort();
        let expected = [("1", 202, 1), ("2", 202, 2), ("3", 422, 4 * ATTEMPTS)];
        let expected = expected
            .map(|(hops, status, times)| vec![(hops.to_owned(), status); times])
            .concat();
        assert_eq!(carried, expected);
    }
    let refused = log(&world, &tenant, &paths[0]).await.pop().unwrap();
    let body: Value = serde_json::from_str(refused["response"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "loop_detected");
    assert_eq!(body["error"]["details"][0]["field"], "Rung-Hops");
    let events = world.get(&tenant, "/v1/events?limit=100").await;
    assert_eq!(events.data(200)["events"].as_array().unwrap().len(), 7);
}

/// What is sent again carries what it carried, and what comes of it is counted from there.
#[tokio::test(start_paused = true)]
async fn a_loop_that_is_started_again_ends_as_before() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let path = feedback(&world, &tenant, "/v1/events", &tenant).await;
    feedback(&world, &tenant, "/v1/events", &tenant).await;
    publish(&world, &tenant, json!({"type": "a.b", "data": {}}))
        .await
        .data(202);
    world.pass(LONG_MS).await;
    let entries = log(&world, &tenant, &path).await;
    let entry_carrying = |hops: &str| {
        let mut entries = entries.iter();
        let found = entries.find(|entry| entry["request"]["headers"]["rung-hops"] == hops);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    // Each retry by hand, and all that comes of it.
    let from_2 = 1 + 2 * ATTEMPTS;
    let from_1 = 1 + 2 + 4 * ATTEMPTS;
    for (hops, attempts) in [("1", from_1), ("2", from_2), ("3", 1)] {
        let before = world.posts();
        let retry = format!("{path}/logs/{}/retry", entry_carrying(hops));
        world.send_text(&tenant, "POST", &retry, "").await.data(202);
        world.pass(LONG_MS).await;
        assert_eq!(world.posts() - before, attempts, "{hops}");
    }
    // All events so far, to one webhook: 1 carries 1, 3 carry 2, 7 carry 3.
    let events = world.get(&tenant, "/v1/events?limit=100").await;
    let events = events.data(200)["events"].as_array().unwrap().len();
    assert_eq!(events, 7 + 3 + 1);
    let before = world.posts();
    let all = json!({"since": "2025-10-01T00:00:00.000Z", "statuses": ["any"]});
    let recover = world
        .send(&tenant, "POST", &format!("{path}/recover"), all)
        .await;
    recover.data(202);
    world.pass(LONG_MS).await;
    assert_eq!(world.posts() - before, from_1 + 3 * from_2 + 7 * ATTEMPTS);
}

/// Whether a body travels in the message or is read, at the first attempt and at later ones, split or not.
#[tokio::test(start_paused = true)]
async fn the_count_goes_wherever_the_event_goes() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let twice = tenant.carrying(&["2"]);
    let hook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{hook}");
    world.answer(500);
    for large in [0, 20_000] {
        let event = json!({"type": "a.b", "data": {"text": "x".repeat(large)}});
        publish(&world, &twice, event).await.data(202);
    }
    world.pass(LONG_MS).await;
    let batch = json!({"events": [{"type": "a.b", "data": {}}]});
    world
        .send(&twice, "POST", "/v1/events/batch", batch)
        .await
        .data(202);
    world.pass(LONG_MS).await;
    let carried_by_all = carried(&world, &tenant, &path).await;
    assert_eq!(carried_by_all, vec![("3".to_owned(), 500); 3 * ATTEMPTS]);

    // A fan-out, and a webhook that was made later.
    world.answer(200);
    for _ in 0..100 {
        world.webhook(&tenant).await;
    }
    let event = json!({"id": "wide", "type": "a.b", "data": {}});
    publish(&world, &twice, event.clone()).await.data(202);
    world.pass(1_000).await;
    let late = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let all = json!({"since": "2025-10-01T00:00:00.000Z", "statuses": ["any"]});
    let recover = world
        .send(&tenant, "POST", &format!("{late}/recover"), all)
        .await;
    recover.data(202);
    world.pass(2_000).await;
    assert_eq!(carried(&world, &tenant, &path).await.pop().unwrap().0, "3");
    let backfilled = carried(&world, &tenant, &late).await;
    assert_eq!(backfilled, vec![("3".to_owned(), 200); 4]);

    // The same event again is the one that is there, whatever it carries.
    let posts = world.posts();
    publish(&world, &tenant, event).await.data(202);
    world.pass(120_000).await;
    assert_eq!(world.posts(), posts);
}

/// A test begins a count.
#[tokio::test(start_paused = true)]
async fn a_test_is_a_delivery_too() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let path = feedback(&world, &tenant, "/v1/events", &tenant).await;
    let test = json!({"event_type": "a.b"});
    let tested = world
        .send(&tenant, "POST", &format!("{path}/test"), test)
        .await;
    assert_eq!(tested.data(200)["log"]["response_status"], 202);
    world.pass(LONG_MS).await;
    // It, a delivery of what it published, and one of what that published.
    assert_eq!(world.posts(), 1 + 1 + ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn no_header_counts_for_less_than_it_may_say() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let event = json!({"type": "a.b", "data": {}});
    let batch = json!({"events": [event.clone()]});
    for (path, body) in [("/v1/events", event), ("/v1/events/batch", batch)] {
        for hops in ["0", "1", "2"] {
            let taken = world
                .send(&tenant.carrying(&[hops]), "POST", path, body.clone())
                .await;
            taken.data(202);
        }
        for hops in ["3", "4", "255", "256", "99999999999999999999"] {
            let refused = world
                .send(&tenant.carrying(&[hops]), "POST", path, body.clone())
                .await;
            refused.assert_error(422, "loop_detected");
            assert_eq!(refused.fields(), ["Rung-Hops"]);
        }
        for hops in [
            &["x"][..],
            &[""],
            &["-1"],
            &["1.0"],
            &["1, 1"],
            &["ä"],
            &["1", "1"],
            &["0", "3"],
        ] {
            let refused = world
                .send(&tenant.carrying(hops), "POST", path, body.clone())
                .await;
            refused.assert_error(422, "invalid_request");
            assert_eq!(refused.fields(), ["Rung-Hops"]);
        }
    }
}

/// Deliveries that ask for deliveries would begin a count of their own each time.
#[tokio::test(start_paused = true)]
async fn a_delivery_may_publish_and_ask_for_nothing_else() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let hook = world.webhook(&tenant).await;
    let operator = As::operator_for("acme");
    for call in [
        "test",
        "verify",
        "recover",
        "rotate-secret",
        "logs/log_1-1-e/retry",
    ] {
        let path = format!("/v1/webhooks/{hook}/{call}");
        for caller in [&tenant, &operator] {
            let refused = world
                .send_text(&caller.carrying(&["1"]), "POST", &path, "{}")
                .await;
            refused.assert_error(422, "loop_detected");
            assert_eq!(refused.fields(), ["Rung-Hops"]);
        }
    }
    for path in ["/v1/tenants", "/v1/dead-letters/redrive"] {
        let refused = world
            .send_text(&As::operator().carrying(&["0"]), "POST", path, "{}")
            .await;
        refused.assert_error(422, "loop_detected");
    }
    // Such as a webhook that has all that it was ever sent sent to it again.
    let path = feedback(
        &world,
        &tenant,
        &format!("/v1/webhooks/{hook}/recover"),
        &tenant,
    )
    .await;
    publish(&world, &tenant, json!({"type": "a.b", "data": {}}))
        .await
        .data(202);
    // Before the retry, which comes after a second, give or take a tenth.
    world.pass(500).await;
    assert_eq!(
        carried(&world, &tenant, &path).await,
        [("1".to_owned(), 422)]
    );
}

/// An operator's webhook that publishes what it is told, to the tenant that it is told of.
#[tokio::test(start_paused = true)]
async fn what_the_operator_is_told_continues_the_count() {
    let world = World::new().await;
    let acme = world.tenant("acme", "brief", "pro").await;
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    let operator = As::operator_for("_operator");
    let told = feedback(&world, &operator, "/v1/events", &publisher).await;
    let failing = format!("/v1/webhooks/{}", world.webhook(&acme).await);
    world.answer(410);
    // Gone, for deliveries that carry 1 and 3: the operator's event of the former publishes once more.
    for (carried_by, expected) in [("0", ("2", 202)), ("2", ("3", 422))] {
        let active = json!({"status": "active"});
        world.send(&acme, "PATCH", &failing, active).await.data(200);
        let event = json!({"type": "a.b", "data": {}});
        publish(&world, &acme.carrying(&[carried_by]), event)
            .await
            .data(202);
        world.pass(2_000).await;
        let expected = (expected.0.to_owned(), expected.1);
        let all = carried(&world, &operator, &told).await;
        assert!(all.contains(&expected), "{all:?}");
    }
    world.pass(LONG_MS).await;
    let events = world.get(&acme, "/v1/events?limit=100").await;
    let events = events.data(200)["events"].as_array().unwrap().clone();
    let count = |event_type: &str| {
        let of_type = events.iter().filter(|event| event["type"] == event_type);
        of_type.count()
    };
    assert_eq!(count("a.b"), 2);
    // Of what befell the deliveries that carried 1, and of nothing that came after.
    assert_eq!(count("webhook.disabled"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_tenant_is_told_of_its_limits_continues_the_count() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let key = world
        .key("acme", json!({"scopes": ["publish"], "events_per_hour": 1}))
        .await;
    let event = json!({"type": "user.streak.achieved", "data": {"streak_days": 7}});
    publish(&world, &key.carrying(&["2"]), event)
        .await
        .data(202);
    world.pass(1_000).await;
    let entries = log(&world, &tenant, &path).await;
    let mut types: Vec<_> = entries.iter().map(|entry| &entry["event_type"]).collect();
    types.sort_by_key(|event_type| event_type.to_string());
    assert_eq!(types, ["api.rate_limit.warning", "user.streak.achieved"]);
    assert_eq!(
        carried(&world, &tenant, &path).await,
        vec![("3".to_owned(), 200); 2]
    );
}

/// A bus has no headers: whoever puts a delivery on it says what that carried.
#[tokio::test(start_paused = true)]
async fn the_count_comes_over_a_bus_if_it_is_put_there() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let bus = Bus::new(world.app.api.clone(), world.app.publisher.clone());
    let put = async |id: &str, hops: Value| {
        let mut detail = json!({"tenant": "acme", "type": "a.b", "data": {}});
        if !hops.is_null() {
            detail["hops"] = hops;
        }
        let event = json!({"id": id, "source": "tests", "detail": detail});
        let event = serde_json::from_str(&event.to_string()).unwrap();
        bus.publish(event)
            .await
            .map_err(|error| format!("{error:?}"))
    };
    for (id, hops) in [("a", json!(null)), ("b", json!(1.0)), ("c", json!("2"))] {
        put(id, hops).await.unwrap();
        world.pass(1_000).await;
    }
    let carried = carried(&world, &tenant, &path).await;
    let carried: Vec<_> = carried.iter().map(|(hops, _)| hops.as_str()).collect();
    assert_eq!(carried, ["1", "2", "3"]);
    for hops in [json!(3), json!("3"), json!(300)] {
        let refused = put("d", hops).await.unwrap_err();
        assert_eq!(refused, "not taken: loop_detected");
    }
    for hops in [json!(1.5), json!(-1), json!(true), json!("one"), json!([1])] {
        let refused = put("d", hops).await.unwrap_err();
        assert_eq!(refused, "not taken: invalid_request");
    }
}

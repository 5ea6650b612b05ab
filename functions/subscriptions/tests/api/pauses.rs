//! Pauses: an overloaded receiver, or a maintenance window. What comes meanwhile waits without a POST, and nothing is lost.

use std::collections::BTreeMap;

use rung_core::{domain::time::Time, flow::deliver::Record, limits::STATS_TIME};
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A tenant with a webhook for everything; its path.
async fn shop(world: &World, dialect: &str) -> (As, String) {
    let tenant = world.tenant("shop", dialect, "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    (tenant, path)
}

/// Publishes events numbered from `first` on, a hundred at a time.
async fn publish(world: &World, caller: &As, first: usize, count: usize) {
    let numbers: Vec<_> = (first..first + count).collect();
    for some in numbers.chunks(100) {
        let events = some
            .iter()
            .map(|n| json!({"id": format!("e{n}"), "type": "a.b", "data": {"n": n}}));
        let batch = json!({"events": Vec::from_iter(events)});
        let published = world.send(caller, "POST", "/v1/events/batch", batch).await;
        published.data(202);
    }
}

async fn webhook(world: &World, caller: &As, path: &str) -> Value {
    world.get(caller, path).await.data(200)["webhook"].clone()
}

async fn deliveries(world: &World, caller: &As, path: &str, query: &str) -> Vec<Value> {
    let path = format!("{path}/deliveries?{query}");
    let listed = world.get(caller, &path).await;
    listed.data(200)["deliveries"].as_array().unwrap().clone()
}

/// The whole log, oldest first.
async fn logs(world: &World, caller: &As, path: &str) -> Vec<Value> {
    let (mut logs, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}/logs?limit=100{cursor}");
        let page = world.get(caller, &path).await;
        let page = page.data(200);
        logs.extend(page["logs"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    logs.sort_by_key(|log| log["attempted_at"].to_string());
    logs
}

fn at(ms: u64) -> Value {
    json!(Time::at_ms(ms))
}

/// A window that begins now.
async fn window(world: &World, caller: &As, path: &str, ms: u64) -> u64 {
    let until_ms = world.now_ms() + ms;
    let change = json!({"pause": {"until": at(until_ms)}});
    world.send(caller, "PATCH", path, change).await.data(200);
    until_ms
}

#[tokio::test(start_paused = true)]
async fn a_maintenance_window_holds_everything_back_and_shows_it() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "odin").await;
    let other = world.webhook(&tenant).await;
    let since_ms = world.now_ms();
    let until_ms = window(&world, &tenant, &path, 2 * HOUR_MS).await;
    let events = (0..3)
        .map(|n| json!({"id": format!("e{n}"), "type": "user.lesson.completed", "data": {"n": n}}));
    let batch = json!({"events": Vec::from_iter(events)});
    world
        .send(&tenant, "POST", "/v1/events/batch", batch)
        .await
        .data(202);
    world.pass(MINUTE_MS).await;
    assert_eq!(world.posts(), 3, "the other webhook waits for nobody");

    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["status"], &shown["health"]),
        (&json!("active"), &json!("paused"))
    );
    assert_eq!(
        shown["pause"],
        json!({
            "until": at(until_ms), "since": at(since_ms), "cause": "manual",
            "response_status": null, "waiting": 3,
        })
    );
    // What else is told of it changes by itself, and is passed over whatever a change says of it.
    let mut given = shown["pause"].clone();
    for (member, value) in [
        ("cause", json!("status")),
        ("waiting", json!(9)),
        ("response_status", json!(503)),
    ] {
        given[member] = value;
    }
    let same = world
        .send(&tenant, "PATCH", &path, json!({"pause": given}))
        .await;
    assert_eq!(same.data(200)["webhook"]["pause"], shown["pause"]);
    let listed = world.get(&tenant, "/v1/webhooks?health=paused").await;
    let listed = &listed.data(200)["webhooks"];
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["pause"]["waiting"], 3);
    let healthy = world.get(&tenant, "/v1/webhooks?health=healthy").await;
    assert_eq!(healthy.data(200)["webhooks"][0]["id"], other);
    let waiting = deliveries(&world, &tenant, &path, "status=pending").await;
    assert_eq!(waiting.len(), 3);
    for delivery in &waiting {
        assert_eq!(delivery["next_attempt_at"], at(until_ms));
        assert_eq!(delivery["attempts"], 0);
    }
    let event = world.get(&tenant, "/v1/events/e0").await;
    let statuses = event.data(200)["deliveries"].as_array().unwrap().iter();
    let pending = statuses.filter(|delivery| delivery["status"] == "pending");
    assert_eq!(pending.count(), 1);

    world.pass(2 * HOUR_MS).await;
    let logs = logs(&world, &tenant, &path).await;
    assert_eq!(logs.len(), 3);
    for log in &logs {
        assert_eq!(
            (&log["attempt"], &log["trigger"]),
            (&json!(1), &json!("event"))
        );
        assert!(log["attempted_at"].as_str() >= at(until_ms).as_str());
    }
    // In their order, and not at once.
    let order: Vec<_> = logs
        .iter()
        .map(|log| log["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["e0", "e1", "e2"]);
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["pause"], &shown["health"]),
        (&json!(null), &json!("healthy"))
    );
    assert_eq!(
        deliveries(&world, &tenant, &path, "status=pending")
            .await
            .len(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn people_send_through_a_pause_and_it_lasts() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "standard").await;
    window(&world, &tenant, &path, 3 * HOUR_MS).await;
    publish(&world, &tenant, 0, 4).await;
    world.pass(MINUTE_MS).await;
    assert_eq!(world.posts(), 0);

    let tested = world
        .send_text(&tenant, "POST", &format!("{path}/test"), "")
        .await;
    assert_eq!(tested.data(200)["log"]["status"], "succeeded");
    assert_eq!(world.posts(), 1);

    // A first attempt that waits, by hand: one that succeeds, and one that does not.
    let waiting = deliveries(&world, &tenant, &path, "").await;
    let retry = |n: usize| {
        format!(
            "{path}/deliveries/{}/retry",
            waiting[n]["id"].as_str().unwrap()
        )
    };
    world
        .send_text(&tenant, "POST", &retry(0), "")
        .await
        .data(202);
    world.pass(MINUTE_MS).await;
    assert_eq!(world.posts(), 2);
    world.answer(503);
    world
        .send_text(&tenant, "POST", &retry(1), "")
        .await
        .data(202);
    world.pass(MINUTE_MS).await;
    assert_eq!(world.posts(), 3);
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        shown["pause"]["cause"], "manual",
        "it says nothing about the pause"
    );
    assert_eq!(shown["pause"]["waiting"], 3);
    let failed = deliveries(&world, &tenant, &path, "status=pending").await;
    let failed = failed
        .iter()
        .find(|it| it["id"] == waiting[1]["id"])
        .unwrap();
    assert_eq!(
        (&failed["attempts"], &failed["next_attempt_at"]),
        (&json!(1), &shown["pause"]["until"])
    );

    world.answer(200);
    let recover = json!({"statuses": ["pending"]});
    let recovered = world
        .send(&tenant, "POST", &format!("{path}/recover"), recover)
        .await;
    assert_eq!(recovered.status, 202, "{}", recovered.body);
    world.pass(MINUTE_MS).await;
    assert_eq!(world.posts(), 6);
    assert_eq!(
        deliveries(&world, &tenant, &path, "status=pending")
            .await
            .len(),
        0
    );
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(shown["pause"]["waiting"], 0);
    // Those that waited are through, and nothing is sent twice.
    world.pass(4 * HOUR_MS).await;
    assert_eq!(world.posts(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_waited_comes_by_when_people_end_the_pause_or_shorten_it() {
    for shorten in [false, true] {
        let world = World::new().await;
        let (tenant, path) = shop(&world, "standard").await;
        window(&world, &tenant, &path, 2 * HOUR_MS).await;
        publish(&world, &tenant, 0, 150).await;
        world.pass(10 * MINUTE_MS).await;
        assert_eq!(world.posts(), 0);
        if shorten {
            window(&world, &tenant, &path, MINUTE_MS).await;
            world.pass(MINUTE_MS - 1).await;
            assert_eq!(world.posts(), 0);
        } else {
            let ended = world
                .send(&tenant, "PATCH", &path, json!({"pause": null}))
                .await;
            assert_eq!(ended.data(200)["webhook"]["pause"], json!(null));
            world.pass(1_000).await;
            assert!(world.posts() > 0, "the first follows at once");
        }
        world.pass(8_000).await;
        assert!((1..20).contains(&world.posts()), "{}", world.posts());
        world.pass(3 * MINUTE_MS).await;
        assert_eq!(world.posts(), 150);
        // The messages that waited for the old end find nothing to do.
        world.pass(3 * HOUR_MS).await;
        assert_eq!(world.posts(), 150);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_pause_is_checked() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "standard").await;
    let now_ms = world.now_ms();
    for (pause, code, field) in [
        (
            json!({"until": at(now_ms)}),
            "invalid_request",
            "pause.until",
        ),
        (
            json!({"until": at(now_ms - 1)}),
            "invalid_request",
            "pause.until",
        ),
        (
            json!({"until": at(now_ms + 7 * DAY_MS + 1)}),
            "invalid_request",
            "pause.until",
        ),
        (
            json!({"until": "tomorrow"}),
            "invalid_request",
            "pause.until",
        ),
        (json!({"until": null}), "invalid_request", "pause.until"),
        (json!({}), "invalid_request", "pause.until"),
        (
            json!({"until": at(now_ms + 1), "for": 60}),
            "unknown_field",
            "pause.for",
        ),
        (json!(true), "invalid_request", "pause"),
        (json!("1h"), "invalid_request", "pause"),
    ] {
        let refused = world
            .send(&tenant, "PATCH", &path, json!({"pause": pause}))
            .await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{pause}");
    }
    assert_eq!(webhook(&world, &tenant, &path).await["pause"], json!(null));
    // What is read can be sent back.
    window(&world, &tenant, &path, 7 * DAY_MS).await;
    let shown = webhook(&world, &tenant, &path).await;
    let echoed = json!({"name": "n", "pause": shown["pause"]});
    world.pass(1_000).await;
    let again = world.send(&tenant, "PATCH", &path, echoed).await;
    assert_eq!(again.data(200)["webhook"]["pause"], shown["pause"]);
    // One that is disabled has nothing to hold back; with its activation it can be paused.
    let disabled = json!({"status": "disabled"});
    let disabled = world.send(&tenant, "PATCH", &path, disabled).await;
    assert_eq!(disabled.data(200)["webhook"]["pause"], json!(null));
    let pause = json!({"until": at(world.now_ms() + DAY_MS)});
    let refused = world
        .send(&tenant, "PATCH", &path, json!({"pause": pause}))
        .await;
    refused.assert_error(409, "webhook_disabled");
    let both = json!({"status": "active", "pause": pause});
    let both = world.send(&tenant, "PATCH", &path, both).await;
    assert_eq!(both.data(200)["webhook"]["health"], "paused");
    // Another webhook is not made with one.
    let made = json!({"url": "https://example.com/", "events": ["*"], "pause": null});
    let refused = world.send(&tenant, "POST", "/v1/webhooks", made).await;
    refused.assert_error(422, "unknown_field");
}

#[tokio::test(start_paused = true)]
async fn five_hundred_events_to_an_overloaded_receiver_are_a_handful_of_posts() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "standard").await;
    world.answer_asking(503, "600");
    publish(&world, &tenant, 0, 1).await;
    world.pass(1_000).await;
    let since_ms = world.now_ms();
    publish(&world, &tenant, 1, 499).await;
    world.pass(9 * MINUTE_MS).await;
    assert_eq!(world.posts(), 1);
    let shown = webhook(&world, &tenant, &path).await;
    let pause = &shown["pause"];
    assert_eq!(
        (&pause["cause"], &pause["response_status"]),
        (&json!("retry_after"), &json!(503))
    );
    assert_eq!(pause["waiting"], 500);
    let waiting = deliveries(&world, &tenant, &path, "status=pending&limit=100").await;
    assert!(
        waiting
            .iter()
            .all(|it| it["next_attempt_at"] == pause["until"])
    );
    // Its retry waits as well, and has used up no rung.
    let first = logs(&world, &tenant, &path).await[0].clone();
    assert_eq!(
        (&first["event_id"], &first["next_attempt_at"]),
        (&json!("e0"), &pause["until"])
    );

    // The probe prolongs the pause, and ends it when the receiver is well.
    world.pass(2 * MINUTE_MS).await;
    assert_eq!(world.posts(), 2);
    world.answer(200);
    world.pass(8 * MINUTE_MS).await;
    assert_eq!(world.posts(), 2);
    world.pass(5 * MINUTE_MS).await;
    let logs = logs(&world, &tenant, &path).await;
    let succeeded: Vec<_> = logs
        .iter()
        .filter(|log| log["status"] == "succeeded")
        .collect();
    assert_eq!(succeeded.len(), 500);
    assert_eq!(logs.len(), 502);
    assert_eq!(world.posts(), 502);
    assert!(
        succeeded
            .iter()
            .all(|log| log["attempt"].as_u64() <= Some(3))
    );
    let by_second = succeeded
        .iter()
        .fold(BTreeMap::<_, usize>::new(), |mut seconds, log| {
            *seconds
                .entry(&log["attempted_at"].as_str().unwrap()[..19])
                .or_default() += 1;
            seconds
        });
    let counts: Vec<_> = by_second.values().copied().collect();
    assert!(counts[..10].iter().all(|count| *count <= 3), "{counts:?}");
    assert!(counts.iter().all(|count| *count <= 60), "{counts:?}");
    assert!(since_ms < world.now_ms());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_left_alone_for_as_long_as_it_says_in_any_form() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "brief").await;
    let date = |ms: u64| {
        let date = rung_base::clock::timestamp(world.now_ms() + ms);
        date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    let mut number = 0;
    for status in [429, 502, 503, 504] {
        for (asked, least_ms, most_ms) in [
            ("120".to_owned(), 120_000, 120_000),
            ("90.5".to_owned(), 90_500, 90_500),
            ("a date".to_owned(), 179_000, 180_000),
            ("999999".to_owned(), DAY_MS, DAY_MS),
            ("soon".to_owned(), 4_500, 5_500),
            ("0".to_owned(), 4_500, 5_500),
        ] {
            let in_three_minutes = date(3 * MINUTE_MS);
            let sent = if asked == "a date" {
                &in_three_minutes
            } else {
                &asked
            };
            world.answer_asking(status, sent);
            publish(&world, &tenant, number, 1).await;
            let before_ms = world.now_ms();
            world.pass(100).await;
            let pause = webhook(&world, &tenant, &path).await["pause"].clone();
            assert_eq!(pause["response_status"], status, "{asked}");
            let until: jiff::Timestamp = pause["until"].as_str().unwrap().parse().unwrap();
            let length_ms = u64::try_from(until.as_millisecond()).unwrap() - before_ms;
            assert!(
                (least_ms..=most_ms + 50).contains(&length_ms),
                "{asked}: {length_ms}"
            );
            world.answer(200);
            world
                .send(&tenant, "PATCH", &path, json!({"pause": null}))
                .await
                .data(200);
            // Beyond the pace at which things follow.
            world.pass(5 * MINUTE_MS).await;
            number += 1;
        }
    }
    // Other failures pause nothing.
    for status in [400, 404, 408, 500, 501] {
        world.answer_asking(status, "600");
        publish(&world, &tenant, number, 1).await;
        world.pass(MINUTE_MS).await;
        assert_eq!(
            webhook(&world, &tenant, &path).await["pause"],
            json!(null),
            "{status}"
        );
        number += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dialect_that_does_not_throttle_never_pauses_by_itself() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "odin").await;
    world.answer_asking(503, "600");
    let event = json!({"type": "user.lesson.completed", "data": {}});
    for _ in 0..3 {
        world
            .send(&tenant, "POST", "/v1/events", event.clone())
            .await
            .data(202);
    }
    world.pass(90_000).await;
    assert_eq!(world.posts(), 6);
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["pause"], &shown["health"]),
        (&json!(null), &json!("failing"))
    );
}

#[tokio::test(start_paused = true)]
async fn pauses_without_a_success_disable_when_the_dialect_says_so_and_no_sooner() {
    let world = World::new().await;
    // After three hours of failures.
    let (tenant, path) = shop(&world, "hasty").await;
    world.answer_asking(503, "1200");
    publish(&world, &tenant, 0, 12).await;
    world.pass(3 * HOUR_MS - MINUTE_MS).await;
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["status"], &shown["health"]),
        (&json!("active"), &json!("paused"))
    );
    assert!(shown["failing_since"].is_string());
    world.pass(21 * MINUTE_MS).await;
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["status"], &shown["pause"]),
        (&json!("disabled"), &json!(null))
    );
    assert_eq!(shown["disabled"]["code"], "failing_too_long");
    let held = deliveries(&world, &tenant, &path, "status=held").await;
    assert!(!held.is_empty());
    // What was held is recovered, and the pause of before is of the past.
    world.answer(200);
    let change = json!({"status": "active"});
    world.send(&tenant, "PATCH", &path, change).await.data(200);
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["pause"], &shown["health"]),
        (&json!(null), &json!("healthy"))
    );
    let before = world.posts();
    publish(&world, &tenant, 100, 1).await;
    world.pass(1_000).await;
    assert_eq!(world.posts(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn failures_before_and_after_a_maintenance_window_are_not_one_outage() {
    let world = World::new().await;
    // After three hours of failures.
    let (tenant, path) = shop(&world, "hasty").await;
    world.answer(500);
    publish(&world, &tenant, 0, 1).await;
    world.pass(MINUTE_MS).await;
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(shown["health"], "failing");
    let until_ms = window(&world, &tenant, &path, 4 * HOUR_MS).await;
    publish(&world, &tenant, 1, 1).await;
    world.pass(4 * HOUR_MS + MINUTE_MS).await;
    assert_eq!(world.posts(), 4);
    let shown = webhook(&world, &tenant, &path).await;
    assert_eq!(
        (&shown["status"], &shown["health"]),
        (&json!("active"), &json!("failing"))
    );
    assert!(shown["failing_since"].as_str() >= at(until_ms).as_str());
}

#[tokio::test(start_paused = true)]
async fn a_pause_concerns_no_other_tenant_and_costs_nobody_else_a_call() {
    let world = World::still().await;
    let tenants = ["shop", "bank"].map(|id| (id, As::operator_for(id)));
    let path = "/v1/webhooks/same";
    for (id, operator) in &tenants {
        world.tenant(id, "standard", "pro").await;
        let whole = json!({"url": "https://example.com/", "events": ["*"]});
        world.send(operator, "PUT", path, whole).await.data(201);
    }
    let [(_, shop), (_, bank)] = &tenants;
    let mut number = 0;
    // Calls for the delivery of an event, and whether it was made.
    let mut cost = async |operator: &As| {
        number += 1;
        publish(&world, operator, number, 1).await;
        let received = world.sqs.receive_message().queue_url(queue_url("deliver"));
        let received = received.send().await.unwrap().messages.unwrap();
        let [message] = received.as_slice() else {
            panic!("{received:?}");
        };
        let record = Record {
            message_id: message.message_id.clone().unwrap(),
            body: message.body.clone().unwrap(),
            receives: 1,
        };
        let before = (world.posts(), world.calls());
        let deliverer = &world.app.deliverer;
        assert!(deliverer.deliver(vec![record], STATS_TIME).await.is_empty());
        let cost = (world.posts() - before.0, world.calls() - before.1);
        let handled = world.sqs.delete_message().queue_url(queue_url("deliver"));
        let receipt = message.receipt_handle.clone().unwrap();
        handled.receipt_handle(receipt).send().await.unwrap();
        cost
    };
    let alone = cost(bank).await;
    assert_eq!(alone.0, 1);
    window(&world, shop, path, HOUR_MS).await;
    assert_eq!(cost(shop).await.0, 0);
    assert_eq!(cost(bank).await, alone);
    // And one that was paused costs no more afterwards.
    let change = json!({"pause": null});
    world.send(shop, "PATCH", path, change).await.data(200);
    world.pass(HOUR_MS).await;
    assert_eq!(cost(shop).await, alone);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_cancelled_and_held_like_anything_that_waits() {
    let world = World::new().await;
    let (tenant, path) = shop(&world, "standard").await;
    window(&world, &tenant, &path, HOUR_MS).await;
    publish(&world, &tenant, 0, 2).await;
    world.pass(MINUTE_MS).await;
    let waiting = deliveries(&world, &tenant, &path, "").await;
    let cancel = format!(
        "{path}/deliveries/{}/cancel",
        waiting[0]["id"].as_str().unwrap()
    );
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["delivery"]["status"], "cancelled");
    world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await
        .data(200);
    let held = deliveries(&world, &tenant, &path, "status=held").await;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["attempts"], 0);
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.posts(), 0);
    world
        .send(&tenant, "PATCH", &path, json!({"status": "active"}))
        .await
        .data(200);
    world
        .send(&tenant, "POST", &format!("{path}/recover"), json!({}))
        .await;
    world.pass(MINUTE_MS).await;
    let logs = logs(&world, &tenant, &path).await;
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0]["attempt"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_behind_a_pause_is_found_when_that_is_over() {
    let world = World::still().await;
    let (tenant, path) = shop(&world, "standard").await;
    window(&world, &tenant, &path, 10 * MINUTE_MS).await;
    publish(&world, &tenant, 0, 2).await;
    world.run_for(2_000).await;
    world.pass(12 * MINUTE_MS).await;
    world.lose_messages().await;
    world.hours(3).await;
    assert_eq!(world.posts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_sent_back_with_a_cause_that_there_is() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let pause = |cause: &str| json!({"pause": {"until": "2025-10-09T10:00:00Z", "cause": cause}});
    for cause in ["manual", "status", "retry_after"] {
        let taken = world.send(&tenant, "PATCH", &path, pause(cause)).await;
        assert_eq!(taken.data(200)["webhook"]["pause"]["cause"], "manual");
    }
    let refused = world.send(&tenant, "PATCH", &path, pause("because")).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["pause.cause"]);
}

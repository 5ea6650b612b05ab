//! A webhook's rate limit: what exceeds it is late, and nothing is lost.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use rung_local::app::TABLE;
use serde_json::{Value, json};

use crate::world::{As, World};

async fn logs(world: &World, caller: &As, webhook: &str) -> Vec<Value> {
    let page = world
        .get(caller, &format!("/v1/webhooks/{webhook}/logs?limit=100"))
        .await;
    page.data(200)["logs"].as_array().unwrap().clone()
}

/// Publishes so many events at once.
async fn burst(world: &World, caller: &As, count: usize) {
    burst_from(world, caller, 0, count).await;
}

/// The same, with numbers from `first` on.
async fn burst_from(world: &World, caller: &As, first: usize, count: usize) {
    let events: Vec<_> = (first..first + count)
        .map(|n| json!({"id": format!("e{n}"), "type": "a.b", "data": {"n": n}}))
        .collect();
    let batch = json!({"events": events});
    let published = world.send(caller, "POST", "/v1/events/batch", batch).await;
    published.data(202);
}

async fn limit(world: &World, caller: &As, webhook: &str, limit: Option<u32>) {
    let path = format!("/v1/webhooks/{webhook}");
    let change = json!({"rate_limit_per_second": limit});
    let changed = world.send(caller, "PATCH", &path, change).await;
    assert_eq!(
        changed.data(200)["webhook"]["rate_limit_per_second"],
        json!(limit)
    );
}

/// Attempts by the second they were made in.
fn by_second(logs: &[Value]) -> BTreeMap<&str, usize> {
    let mut seconds = BTreeMap::new();
    for log in logs {
        let at = log["attempted_at"].as_str().unwrap();
        *seconds.entry(&at[..19]).or_default() += 1;
    }
    seconds
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_spread_over_the_seconds_and_nothing_is_dropped() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (paced, free) = (world.webhook(&tenant).await, world.webhook(&tenant).await);
    let path = format!("/v1/webhooks/{paced}");
    let changed = world
        .send(&tenant, "PATCH", &path, json!({"rate_limit_per_second": 5}))
        .await;
    assert_eq!(changed.data(200)["webhook"]["rate_limit_per_second"], 5);

    burst(&world, &tenant, 32).await;
    world.pass(900).await;
    assert_eq!(
        logs(&world, &tenant, &free).await.len(),
        32,
        "the other webhook waits for nobody"
    );
    assert_eq!(logs(&world, &tenant, &paced).await.len(), 5);
    world.pass(9_000).await;
    let logs = logs(&world, &tenant, &paced).await;
    assert_eq!(logs.len(), 32);
    assert!(
        logs.iter()
            .all(|log| log["attempt"] == 1 && log["status"] == "succeeded")
    );
    let seconds = by_second(&logs);
    assert!(seconds.values().all(|count| *count <= 5), "{seconds:?}");
    assert_eq!(seconds.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_first_place_is_listed_sent_by_hand_and_cancelled() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    limit(&world, &tenant, &webhook, Some(1)).await;
    burst(&world, &tenant, 30).await;
    world.pass(2_000).await;
    let path = format!("/v1/webhooks/{webhook}/deliveries");
    let waiting = async || {
        let listed = world
            .get(&tenant, &format!("{path}?status=pending&limit=100"))
            .await;
        let listed = listed.data(200)["deliveries"].as_array().unwrap().clone();
        let ids = listed
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let listed = waiting().await;
    let posts = world.posts();
    assert_eq!(listed.len() + posts, 30);
    let (one, other) = (&listed[0], &listed[1]);
    let cancel = format!("{path}/{one}/cancel");
    world
        .send_text(&tenant, "POST", &cancel, "")
        .await
        .data(200);
    let retry = format!("{path}/{other}/retry");
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    world.pass(100).await;
    let sent = logs(&world, &tenant, &webhook).await;
    let by_hand: Vec<_> = sent
        .iter()
        .filter(|log| log["trigger"] == "manual")
        .collect();
    assert_eq!(by_hand.len(), 1);
    assert_eq!(by_hand[0]["delivery_id"], **other);
    let all = json!({"statuses": ["pending"]});
    let job = world
        .send(&tenant, "POST", &format!("{path}/cancel"), all)
        .await;
    job.data(202);
    world.pass(5_000).await;
    let posts = world.posts();
    assert_eq!(waiting().await, Vec::<String>::new());
    world.pass(60_000).await;
    assert_eq!(world.posts(), posts);
    let one = world.get(&tenant, &format!("{path}/{one}")).await;
    assert_eq!(one.data(200)["delivery"]["status"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn what_a_stall_has_held_up_is_spread_anew() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let limit = json!({"rate_limit_per_second": 2});
    world.send(&tenant, "PATCH", &path, limit).await.data(200);
    burst(&world, &tenant, 42).await;
    // All are given their places, and nobody is there when these come.
    world.run_for(1_500).await;
    world.pass(30_000).await;
    world.run_for(40_000).await;
    let logs = logs(&world, &tenant, &webhook).await;
    assert_eq!(logs.len(), 42);
    let seconds = by_second(&logs);
    assert!(seconds.values().all(|count| *count <= 2), "{seconds:?}");
}

/// Those that waited for a slow receiver, one behind the other, are not posted all at once when it is quick again.
#[tokio::test(start_paused = true)]
async fn what_a_slow_receiver_has_held_up_is_spread_anew() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let limits = json!({"rate_limit_per_second": 5, "max_in_flight": 1});
    world.send(&tenant, "PATCH", &path, limits).await.data(200);
    world.answer_after(4_000);
    burst(&world, &tenant, 40).await;
    world.pass(10_000).await;
    world.answer_after(1);
    world.pass(600_000).await;
    let logs = logs(&world, &tenant, &webhook).await;
    assert_eq!(logs.len(), 40);
    let seconds = by_second(&logs);
    assert!(seconds.values().all(|count| *count <= 5), "{seconds:?}");
}

/// What has gone back to the queue behind a slow receiver is in people's hands, as what waits for its pace is.
#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_slow_receiver_is_listed_and_cancelled() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let limit = json!({"max_in_flight": 1});
    world.send(&tenant, "PATCH", &path, limit).await.data(200);
    world.answer_after(14_000);
    burst(&world, &tenant, 5).await;
    world.pass(8_000).await;
    assert_eq!(world.posts(), 1);
    let pending = format!("{path}/deliveries?status=pending");
    let listed = world.get(&tenant, &pending).await;
    let listed = listed.data(200)["deliveries"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().all(|it| it["attempts"] == 0), "{listed:?}");
    let one = listed[0]["id"].as_str().unwrap();
    let cancel = format!("{path}/deliveries/{one}/cancel");
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["delivery"]["status"], "cancelled");
    let all = json!({"statuses": ["pending"]});
    let cancel_all = format!("{path}/deliveries/cancel");
    let job = world.send(&tenant, "POST", &cancel_all, all).await;
    job.data(202);
    world.answer_after(1);
    world.pass(600_000).await;
    assert_eq!(world.posts(), 1);
    let logs = logs(&world, &tenant, &webhook).await;
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0]["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_divides_no_second_is_kept_in_each() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let limit = json!({"rate_limit_per_second": 3});
    world.send(&tenant, "PATCH", &path, limit).await.data(200);
    burst(&world, &tenant, 10).await;
    world.pass(10_000).await;
    let logs = logs(&world, &tenant, &webhook).await;
    assert_eq!(logs.len(), 10);
    let seconds = by_second(&logs);
    assert!(seconds.values().all(|count| *count <= 3), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_keep_the_pace_and_a_retry_by_hand_does_not_wait() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "bharatcart", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    let limit = json!({"rate_limit_per_second": 2});
    world.send(&tenant, "PATCH", &path, limit).await.data(200);
    world.answer(500);
    let events: Vec<_> = (0..6)
        .map(|n| json!({"id": format!("e{n}"), "type": "product.deleted", "data": {}}))
        .collect();
    world
        .send(
            &tenant,
            "POST",
            "/v1/events/batch",
            json!({"events": events}),
        )
        .await
        .data(202);
    world.pass(10_000).await;
    let first = logs(&world, &tenant, &webhook).await;
    assert_eq!(first.len(), 6);
    let by_hand = format!("{path}/logs/{}/retry", first[0]["id"].as_str().unwrap());
    world
        .send(&tenant, "POST", &by_hand, json!({}))
        .await
        .data(202);
    world.pass(100).await;
    assert_eq!(logs(&world, &tenant, &webhook).await.len(), 7);
    world.answer(200);
    world.pass(80_000).await;
    let all = logs(&world, &tenant, &webhook).await;
    let retries: Vec<_> = all
        .iter()
        .filter(|log| log["trigger"] == "retry")
        .cloned()
        .collect();
    assert!(retries.len() >= 5, "{}", retries.len());
    assert!(by_second(&retries).values().all(|count| *count <= 2));
    assert!(
        all.iter()
            .take(retries.len())
            .all(|log| log["status"] == "succeeded")
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_place_is_held_when_the_webhook_is_disabled_and_let_go_when_the_limit_is()
 {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (disabled, freed) = (world.webhook(&tenant).await, world.webhook(&tenant).await);
    for webhook in [&disabled, &freed] {
        let path = format!("/v1/webhooks/{webhook}");
        let limit = json!({"rate_limit_per_second": 1});
        world.send(&tenant, "PATCH", &path, limit).await.data(200);
    }
    burst(&world, &tenant, 10).await;
    world.pass(500).await;
    for (webhook, change) in [
        (&disabled, json!({"status": "disabled"})),
        (&freed, json!({"rate_limit_per_second": null})),
    ] {
        let path = format!("/v1/webhooks/{webhook}");
        world.send(&tenant, "PATCH", &path, change).await.data(200);
    }
    world.pass(20_000).await;
    assert_eq!(logs(&world, &tenant, &disabled).await.len(), 1);
    assert_eq!(logs(&world, &tenant, &freed).await.len(), 10);
    let mut held = 0;
    for n in 0..10 {
        let event = world.get(&tenant, &format!("/v1/events/e{n}")).await;
        let deliveries = event.data(200)["deliveries"].as_array().unwrap();
        let of_disabled = |delivery: &&Value| delivery["webhook_id"] == disabled.as_str();
        let delivery = deliveries.iter().find(of_disabled).unwrap();
        held += usize::from(delivery["status"] == "held");
    }
    assert_eq!(held, 9);
}

/// Lets a webhook's next free place be half an hour ahead, as if so many waited.
async fn wait_for_half_an_hour(world: &World, tenant: &str, webhook: &str) {
    let text = |text: String| AttributeValue::S(text);
    let next_us = (world.now_ms() + 1_800_000) * 1_000;
    let update = world.dynamodb.update_item().table_name(TABLE);
    let update = update.key("pk", text(format!("G#{tenant}#{webhook}")));
    let update = update.key("sk", text("pace".to_owned()));
    let update = update.update_expression("SET nxt = :nxt");
    let update = update.expression_attribute_values(":nxt", AttributeValue::N(next_us.to_string()));
    update.send().await.unwrap();
}

/// The messages that wait come by every quarter of an hour by themselves.
#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_or_removed_holds_at_once_for_what_waits_already() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (raised, removed) = (world.webhook(&tenant).await, world.webhook(&tenant).await);
    for webhook in [&raised, &removed] {
        limit(&world, &tenant, webhook, Some(1)).await;
    }
    burst(&world, &tenant, 1).await;
    world.pass(100).await;
    for webhook in [&raised, &removed] {
        wait_for_half_an_hour(&world, "acme", webhook).await;
    }
    burst_from(&world, &tenant, 1, 60).await;
    world.pass(2_500).await;
    limit(&world, &tenant, &raised, Some(20)).await;
    limit(&world, &tenant, &removed, None).await;
    world.pass(8_000).await;
    for webhook in [&raised, &removed] {
        let logs = logs(&world, &tenant, webhook).await;
        assert_eq!(logs.len(), 61);
        if webhook == &raised {
            let seconds = by_second(&logs);
            assert!(seconds.values().all(|count| *count <= 20), "{seconds:?}");
        }
    }
    // What comes later waits for none of the places that were given before, or given twice.
    burst_from(&world, &tenant, 61, 20).await;
    world.pass(2_500).await;
    assert_eq!(world.posts(), 2 * 81);
    world.pass(2_000_000).await;
    assert_eq!(world.posts(), 2 * 81, "nothing is sent twice");
}

/// The copies of what waits take the places under the raised limit, and their originals take none.
#[tokio::test(start_paused = true)]
async fn what_is_sent_anew_under_a_raised_limit_takes_one_place_each() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    limit(&world, &tenant, &webhook, Some(1)).await;
    for first in (0..2_200).step_by(100) {
        burst_from(&world, &tenant, first, 100).await;
        world.pass(1_000).await;
    }
    world.pass(10_000).await;
    limit(&world, &tenant, &webhook, Some(2)).await;
    // By then the originals have come by.
    world.pass(910_000).await;
    let posts = world.posts();
    assert!((1_810..=1_870).contains(&posts), "{posts}");
    world.pass(240_000).await;
    assert_eq!(world.posts(), 2_200);
    let item = world.items().await.into_iter();
    let mut paces = item.filter(|item| item["sk"].as_s().is_ok_and(|sk| sk == "pace"));
    let next_us: u64 = paces.next().unwrap()["nxt"]
        .as_n()
        .unwrap()
        .parse()
        .unwrap();
    // But those whose turn came before that of their copies: the first batch waits in no order.
    assert!(next_us / 1_000 < world.now_ms() + 60_000);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_lowered_is_kept_from_the_next_second_on() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    limit(&world, &tenant, &webhook, Some(10)).await;
    burst(&world, &tenant, 100).await;
    // To another one and back: places of the first life of a limit don't hold in its second.
    for (limit_now, passes_ms) in [(2, 3_300), (10, 2_000), (2, 40_000)] {
        world.pass(1_400).await;
        limit(&world, &tenant, &webhook, Some(limit_now)).await;
        world.pass(passes_ms).await;
    }
    let logs = logs(&world, &tenant, &webhook).await;
    let counts: Vec<_> = by_second(&logs).into_values().collect();
    // What was about to be posted takes a place under the new limit: the second after a change may have none.
    let expected = [vec![10; 2], vec![2; 4], vec![10; 3], vec![2; 21]].concat();
    assert_eq!(counts, expected);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_a_small_whole_number() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for limit in [json!(0), json!(501), json!(1.5), json!("5"), json!(-1)] {
        let webhook =
            json!({"url": "https://example.com/", "events": ["*"], "rate_limit_per_second": limit});
        let refused = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["rate_limit_per_second"]);
    }
    for limit in [json!(0), json!(1_001), json!(1.5), json!("5"), json!(true)] {
        let webhook =
            json!({"url": "https://example.com/", "events": ["*"], "max_in_flight": limit});
        let refused = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["max_in_flight"]);
    }
}

/// A receiver that handles one request at a time.
#[tokio::test(start_paused = true)]
async fn no_more_deliveries_are_under_way_than_a_webhook_takes() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{webhook}");
    world.answer_after(500);
    let change = json!({"max_in_flight": 2});
    let changed = world.send(&tenant, "PATCH", &path, change).await;
    assert_eq!(changed.data(200)["webhook"]["max_in_flight"], 2);
    burst(&world, &tenant, 100).await;
    world.pass(120_000).await;
    let logs = logs(&world, &tenant, &webhook).await;
    assert_eq!(logs.len(), 100);
    let made = |log: &Value| log["status"] == "succeeded" && log["attempt"] == 1;
    assert!(logs.iter().all(made));
    assert_eq!((world.posts(), world.most_under_way()), (100, 2));
}

/// An idle connection would keep such a receiver from answering the next one.
#[tokio::test(start_paused = true)]
async fn a_receiver_of_one_request_at_a_time_gets_each_over_a_connection_of_its_own() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let changes = [
        (json!({}), false),
        (json!({"max_in_flight": 2}), false),
        (json!({"max_in_flight": 1}), true),
        (json!({"keep_alive": true}), false),
        (json!({"keep_alive": false, "max_in_flight": 2}), true),
    ];
    for (n, (change, is_own)) in changes.into_iter().enumerate() {
        let text = change.to_string();
        world.send(&tenant, "PATCH", &path, change).await.data(200);
        burst_from(&world, &tenant, n, 1).await;
        world.pass(1_000).await;
        assert_eq!(world.last_post().fresh, is_own, "{text}");
    }
}

/// Calls a path so often; the statuses and, of the refusals, in how many seconds to come again.
async fn called(world: &World, caller: &As, path: &str, times: usize) -> (Vec<u16>, Vec<u64>) {
    let (mut statuses, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let answered = world.send_text(caller, "POST", path, "").await;
        statuses.push(answered.status);
        if answered.status == 429 {
            answered.assert_error(429, "rate_limited");
            let after = answered.headers["retry-after"].to_str().unwrap();
            waits.push(after.parse().unwrap());
        }
    }
    (statuses, waits)
}

/// Of a webhook, with whatever keys; and of a key, on whatever webhooks. What is refused is not sent.
#[tokio::test(start_paused = true)]
async fn tests_by_hand_are_paced() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let other = world.key("acme", json!({"scopes": ["manage"]})).await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(format!(
            "/v1/webhooks/{}/test",
            world.webhook(&tenant).await
        ));
    }
    let (statuses, waits) = called(&world, &tenant, &paths[0], 22).await;
    assert_eq!(statuses, [vec![200; 20], vec![429; 2]].concat());
    assert!(
        waits.iter().all(|wait| (1..=10).contains(wait)),
        "{waits:?}"
    );
    assert_eq!(world.posts(), 20);
    assert_eq!(called(&world, &other, &paths[0], 1).await.0, [429]);
    assert_eq!(
        called(&world, &As::operator_for("acme"), &paths[0], 1)
            .await
            .0,
        [429]
    );

    for path in &paths[1..3] {
        assert_eq!(called(&world, &tenant, path, 20).await.0, [200; 20]);
    }
    assert_eq!(
        called(&world, &tenant, &paths[3], 1).await.0,
        [429],
        "the key's 61st"
    );
    assert_eq!(called(&world, &other, &paths[3], 1).await.0, [200]);
    assert_eq!(world.posts(), 61);

    world.pass(1_000 * waits[0]).await;
    assert_eq!(
        called(&world, &tenant, &paths[0], 21).await.0[19..],
        [200, 429]
    );
}

/// What is wrong with a call is said, and counts for nothing.
#[tokio::test(start_paused = true)]
async fn calls_that_send_nothing_are_not_counted() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}/test", world.webhook(&tenant).await);
    for _ in 0..40 {
        let wrong = world
            .send(&tenant, "POST", &path, json!({"colour": "red"}))
            .await;
        wrong.assert_error(422, "unknown_field");
    }
    assert_eq!(called(&world, &tenant, &path, 1).await.0, [200]);
}

#[tokio::test(start_paused = true)]
async fn challenges_are_paced_with_the_tests() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let deaf = json!({"url": "https://example.com/deaf", "events": ["*"], "challenge": true});
    let made = world.send(&tenant, "POST", "/v1/webhooks", deaf).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap();
    let verify = format!("/v1/webhooks/{id}/verify");
    let (statuses, _) = called(&world, &tenant, &verify, 21).await;
    assert_eq!(statuses, [vec![422; 20], vec![429]].concat());
    assert_eq!(world.posts(), 20);
}

#[tokio::test(start_paused = true)]
async fn retries_by_hand_are_paced() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    world.answer(500);
    burst(&world, &tenant, 1).await;
    world.pass(1_000).await;
    let log = logs(&world, &tenant, &webhook).await.remove(0);
    let of_log = format!(
        "/v1/webhooks/{webhook}/logs/{}/retry",
        log["id"].as_str().unwrap()
    );
    let of_pending = format!(
        "/v1/webhooks/{webhook}/deliveries/{}/retry",
        log["delivery_id"].as_str().unwrap()
    );
    assert_eq!(called(&world, &tenant, &of_pending, 1).await.0, [202]);
    assert_eq!(called(&world, &tenant, &of_log, 29).await.0, [202; 29]);
    let (statuses, waits) = called(&world, &tenant, &of_log, 1).await;
    assert_eq!(statuses, [429]);
    assert_eq!(called(&world, &tenant, &of_pending, 1).await.0, [429]);
    world.pass(1_000 * waits[0]).await;
    assert_eq!(called(&world, &tenant, &of_log, 1).await.0, [202]);
}

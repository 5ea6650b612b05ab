//! Statistics of webhooks and tenants.

use std::time::Duration;

use rung_core::{
    flow::{StatsBuffer, deliver::Record},
    limits::{STATS_TIME, STATS_WRITES},
};
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{As, World};

const HOUR: u64 = 3_600_000;

async fn publish(world: &World, tenant: &As, count: usize, status: u16) {
    world.answer(status);
    for _ in 0..count {
        let event = json!({"type": "trigger_event.created", "data": {}});
        let published = world.send(tenant, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.pass(1_000).await;
}

async fn stats(world: &World, tenant: &As, path: &str) -> Value {
    world.get(tenant, path).await.data(200)["stats"].clone()
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_by_outcome_status_and_hour() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "reward", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let empty = stats(&world, &tenant, &format!("{path}/stats")).await;
    assert_eq!(
        (&empty["attempts"], &empty["latency_ms"]["p50"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(empty["buckets"], json!([]));

    publish(&world, &tenant, 3, 200).await;
    publish(&world, &tenant, 2, 404).await;
    // The first rung of both, within the same hour of 08:00.
    world.pass(40_000).await;
    let tested = format!("{path}/test");
    world
        .send_text(&tenant, "POST", &tested, "")
        .await
        .data(200);
    let found = stats(&world, &tenant, &format!("{path}/stats")).await;
    assert_eq!(found["bucket"], "hour");
    assert_eq!(found["attempts"], 7);
    assert_eq!(
        (&found["succeeded"], &found["failed"]),
        (&json!(3), &json!(4))
    );
    let by_status = json!({"none": 0, "1xx": 0, "2xx": 3, "3xx": 0, "4xx": 4, "5xx": 0});
    assert_eq!(found["by_status"], by_status);
    assert_eq!(found["by_error"]["status"], 4);
    let by_error = found["by_error"].as_object().unwrap().values();
    assert_eq!(
        by_error.map(|count| count.as_u64().unwrap()).sum::<u64>(),
        4
    );
    assert!(found["latency_ms"]["p99"].is_u64());
    assert_eq!(found["consecutive_failures"], 4);
    assert_eq!(found["tenant_id"], "acme");
    assert!(path.ends_with(found["webhook_id"].as_str().unwrap()));

    // 12:00 of the same day, in which the rest of the two ladders has come to its end.
    world.pass(4 * HOUR).await;
    publish(&world, &tenant, 1, 200).await;
    let found = stats(&world, &tenant, &format!("{path}/stats")).await;
    assert_eq!(
        (&found["succeeded"], &found["failed"]),
        (&json!(4), &json!(12))
    );
    assert_eq!(found["consecutive_failures"], 0);
    let buckets = found["buckets"].as_array().unwrap();
    let starts: Vec<_> = buckets
        .iter()
        .map(|bucket| bucket["start"].as_str().unwrap())
        .collect();
    assert_eq!(starts.first(), Some(&"2025-10-09T08:00:00.000Z"));
    assert_eq!(starts.last(), Some(&"2025-10-09T12:00:00.000Z"));
    let sum: u64 = buckets
        .iter()
        .map(|bucket| bucket["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 16);
    for (query, attempts, buckets) in [
        ("bucket=day", 16, 1),
        ("since=2025-10-09T12:30:00Z", 1, 1),
        (
            "since=2025-10-09T08:00:00Z&until=2025-10-09T08:59:59Z",
            9,
            1,
        ),
        ("until=2025-10-09T07:00:00Z", 0, 0),
        // The hour that begins at its end is not of a span.
        ("until=2025-10-09T08:00:00Z", 0, 0),
        ("until=2025-10-09T12:00:00Z", 15, 3),
        (
            "since=2025-10-09T12:00:00Z&until=2025-10-09T12:00:00Z",
            0,
            0,
        ),
    ] {
        let found = stats(&world, &tenant, &format!("{path}/stats?{query}")).await;
        assert_eq!(found["attempts"], attempts, "{query}");
        assert_eq!(
            found["buckets"].as_array().unwrap().len(),
            buckets,
            "{query}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenants_statistics_are_the_sum_of_its_webhooks_and_nobody_elses() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "reward", "pro").await;
    let other = world.tenant("other", "reward", "pro").await;
    for _ in 0..3 {
        world.webhook(&tenant).await;
    }
    let foreign = world.webhook(&other).await;
    publish(&world, &tenant, 2, 200).await;
    publish(&world, &other, 1, 200).await;
    let found = stats(&world, &tenant, "/v1/stats").await;
    assert_eq!(found["succeeded"], 6);
    assert_eq!(found["buckets"][0]["succeeded"], 6);
    assert_eq!(found["consecutive_failures"], Value::Null);
    assert_eq!(
        (&found["tenant_id"], &found["webhook_id"]),
        (&json!("acme"), &Value::Null)
    );
    assert_eq!(stats(&world, &other, "/v1/stats").await["succeeded"], 1);
    let all = stats(&world, &As::operator(), "/v1/stats").await;
    assert_eq!(
        (&all["succeeded"], &all["tenant_id"]),
        (&json!(7), &Value::Null)
    );
    let of_acme = stats(&world, &As::operator_for("acme"), "/v1/stats").await;
    assert_eq!(of_acme["succeeded"], 6);
    let foreign = format!("/v1/webhooks/{foreign}/stats");
    let hidden = world.get(&tenant, &foreign).await;
    hidden.assert_error(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn statistics_refuse_what_they_cannot_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "reward", "pro").await;
    for (query, field) in [
        ("bucket=week", "bucket"),
        ("since=yesterday", "since"),
        ("since=2999-01-01T00:00:00Z", "since"),
        (
            "since=2025-10-09T00:00:00Z&until=2025-10-08T00:00:00Z",
            "since",
        ),
        (
            "since=2025-10-09T08:59:00Z&until=2025-10-09T08:01:00Z",
            "since",
        ),
        (
            "bucket=day&since=2025-10-08T08:00:00Z&until=2025-10-08T07:00:00Z",
            "since",
        ),
        ("since=2020-01-01T00:00:00Z", "since"),
        ("limit=1", "limit"),
    ] {
        let refused = world.get(&tenant, &format!("/v1/stats?{query}")).await;
        let code = if field == "limit" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{query}");
    }
    world
        .get(&As::nobody(), "/v1/stats")
        .await
        .assert_error(401, "unauthorized");
}

/// A world that stands still, a tenant with so many webhooks, and an event for all of them.
async fn fanned_out(webhooks: usize) -> (World, As) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for _ in 0..webhooks {
        world.webhook(&tenant).await;
    }
    let event = json!({"type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(published.data(202)["deliveries"], webhooks);
    (world, tenant)
}

async fn attempts(world: &World, tenant: &As) -> Value {
    stats(world, tenant, "/v1/stats").await["attempts"].clone()
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_had_no_time_to_count_is_counted_by_the_next() {
    let (mut world, tenant) = fanned_out(90).await;
    world.app.deliverer.stats = StatsBuffer::new(STATS_TIME);
    let mut records = Vec::new();
    while records.len() < 90 {
        let received = world.sqs.receive_message().queue_url(queue_url("deliver"));
        let received = received.max_number_of_messages(10).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        records.extend(messages.into_iter().map(|message| Record {
            message_id: message.message_id.unwrap(),
            body: message.body.unwrap(),
            receives: 1,
        }));
    }
    let last = records.split_off(80);
    let deliver = |records| world.app.deliverer.deliver(records, STATS_TIME);
    // Some are written, some have begun, and some have not when time is over.
    world.statistics.delay(700);
    assert!(deliver(records).await.is_empty());
    let soon = attempts(&world, &tenant).await;
    assert_eq!(soon, 2 * STATS_WRITES);
    // None of these comes to its end.
    world.statistics.delay(3_000);
    assert!(deliver(last).await.is_empty());
    assert_eq!(attempts(&world, &tenant).await, soon);
    world.statistics.delay(0);
    assert!(deliver(Vec::new()).await.is_empty());
    assert_eq!(attempts(&world, &tenant).await, 90);
    assert_eq!(world.posts(), 90);
}

/// A process that gathers writes once what many batches count within the time, and loses nothing of it.
#[tokio::test(start_paused = true)]
async fn batches_that_end_within_the_time_of_gathering_are_one_write() {
    let (mut world, tenant) = fanned_out(1).await;
    let gathered = Duration::from_millis(100);
    world.app.deliverer.stats = StatsBuffer::new(STATS_TIME).gathering(gathered);
    publish(&world, &tenant, 39, 200).await;
    world.run_for(1_000).await;
    assert_eq!(world.posts(), 40);
    assert_eq!(attempts(&world, &tenant).await, 40);
    assert!(
        world.statistics.writes() <= 2,
        "{}",
        world.statistics.writes()
    );
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_counted_is_counted_when_all_ends() {
    let (world, tenant) = fanned_out(40).await;
    world.statistics.refuse(true);
    world.run_for(1_000).await;
    assert_eq!(
        (world.posts(), attempts(&world, &tenant).await),
        (40, json!(0))
    );
    world.statistics.refuse(false);
    world.run_for(1_000).await;
    assert_eq!(
        (world.posts(), attempts(&world, &tenant).await),
        (40, json!(40))
    );
}

/// What was counted of a webhook of the same id that was deleted is not this one's.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_made_again_begins_with_no_statistics() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "reward", "pro").await;
    let operator = As::operator_for("acme");
    let path = "/v1/webhooks/mine";
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
    let put = world.send(&operator, "PUT", path, webhook.clone()).await;
    put.data(201);
    publish(&world, &tenant, 2, 200).await;
    let of_it = format!("{path}/stats");
    assert_eq!(stats(&world, &tenant, &of_it).await["attempts"], 2);
    let deleted = world.send_text(&tenant, "DELETE", path, "").await;
    deleted.data(200);
    let put = world.send(&operator, "PUT", path, webhook).await;
    put.data(201);
    for stats_of in [&*of_it, "/v1/stats"] {
        let found = stats(&world, &tenant, stats_of).await;
        assert_eq!(found["attempts"], 0, "{stats_of}");
        assert_eq!(found["buckets"], json!([]), "{stats_of}");
    }
    publish(&world, &tenant, 1, 200).await;
    for stats_of in [&*of_it, "/v1/stats"] {
        let found = stats(&world, &tenant, stats_of).await;
        assert_eq!(found["attempts"], 1, "{stats_of}");
    }
}

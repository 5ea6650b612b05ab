//! Every disable rule at its edge, and what disabling does to deliveries.

use serde_json::{Value, json};

use crate::world::{Reply, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

async fn webhook(world: &World, id: &str) -> Value {
    world.get(&format!("/v1/webhooks/{id}")).await["webhook"].clone()
}

async fn status(world: &World, id: &str) -> String {
    webhook(world, id).await["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn states(world: &World, event: &str) -> Vec<String> {
    let event = world.get(&format!("/v1/events/{event}")).await;
    let deliveries = event["deliveries"].as_array().unwrap().iter();
    deliveries
        .map(|delivery| delivery["status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_used_up_ladder_disables_in_patra_and_odin_only() {
    for (dialect, event_type, hours, disabled) in [
        ("patra", "card.created", 33, true),
        ("odin", "user.lesson.completed", 10, true),
        ("reward", "trigger_event.created", 4, false),
    ] {
        let (world, id) = World::of(dialect).await;
        world.script(|_, _| Reply::Status(500));
        let event = world.publish(event_type).await;
        world.pass(hours * HOUR).await;
        let found = webhook(&world, &id).await;
        assert_eq!(
            found["status"],
            if disabled { "disabled" } else { "active" },
            "{dialect}"
        );
        assert_eq!(states(&world, &event).await, ["failed"], "{dialect}");
        if disabled {
            assert_eq!(found["disabled"]["code"], "ladder_used_up");
            let log = world.get(&format!("/v1/webhooks/{id}/logs")).await;
            assert_eq!(found["disabled"]["log_ids"], json!([log["logs"][0]["id"]]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_rung_may_still_succeed() {
    let (world, id) = World::of("odin").await;
    world.script(|number, _| Reply::Status(if number < 6 { 500 } else { 200 }));
    let event = world.publish("user.lesson.completed").await;
    world.pass(DAY).await;
    assert_eq!(world.posts().len(), 6);
    assert_eq!(status(&world, &id).await, "active");
    assert_eq!(states(&world, &event).await, ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn ten_failures_in_a_row_over_all_deliveries_disable_in_bharatcart() {
    let (world, id) = World::of("bharatcart").await;
    world.script(|_, _| Reply::Status(500));
    for _ in 0..9 {
        world.publish("order.paid").await;
        world.pass(100).await;
    }
    assert_eq!(world.posts().len(), 9);
    assert_eq!(status(&world, &id).await, "active");
    world.publish("order.paid").await;
    world.pass(100).await;
    let found = webhook(&world, &id).await;
    assert_eq!(found["disabled"]["code"], "consecutive_failures");
    assert_eq!(found["disabled"]["log_ids"].as_array().unwrap().len(), 10);
    world.pass(3 * HOUR).await;
    assert_eq!(
        world.posts().len(),
        10,
        "nothing is sent to a disabled webhook"
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_or_an_enabling_starts_the_count_anew() {
    let (world, id) = World::of("bharatcart").await;
    world.script(|number, _| Reply::Status(if number == 10 { 200 } else { 500 }));
    for _ in 0..19 {
        world.publish("order.paid").await;
        world.pass(100).await;
    }
    assert_eq!(
        status(&world, &id).await,
        "active",
        "9 failures, a success, 9 failures"
    );
    let path = format!("/v1/webhooks/{id}");
    for status in ["disabled", "active"] {
        world.call("PATCH", &path, json!({"status": status})).await;
    }
    for _ in 0..9 {
        world.publish("order.paid").await;
        world.pass(100).await;
    }
    assert_eq!(status(&world, &id).await, "active");
    world.publish("order.paid").await;
    world.pass(100).await;
    assert_eq!(status(&world, &id).await, "disabled");
}

/// A failure by hand counts for nothing, but its success shows that the receiver is well.
#[tokio::test(start_paused = true)]
async fn a_success_by_hand_starts_the_count_anew() {
    let (world, id) = World::of("bharatcart").await;
    // The fifth POST and the ninth are made by hand.
    world.script(|number, _| Reply::Status(if number == 9 { 200 } else { 500 }));
    let publish = async |count: usize| {
        for _ in 0..count {
            world.publish("order.paid").await;
            world.pass(100).await;
        }
    };
    let path = format!("/v1/webhooks/{id}");
    let send_again = async || {
        let logs = world
            .call("GET", &format!("{path}/logs"), Value::Null)
            .await;
        let log = logs["logs"][0]["id"].as_str().unwrap();
        let retry = format!("{path}/logs/{log}/retry");
        world.call("POST", &retry, Value::Null).await;
        world.pass(100).await;
    };
    publish(4).await;
    send_again().await;
    publish(3).await;
    send_again().await;
    publish(9).await;
    assert_eq!(
        status(&world, &id).await,
        "active",
        "7 failures, a success, 9 failures"
    );
    publish(1).await;
    assert_eq!(status(&world, &id).await, "disabled");
}

#[tokio::test(start_paused = true)]
async fn five_days_without_a_success_disable_in_standard() {
    let (world, id) = World::of("standard").await;
    world.script(|_, _| Reply::Status(500));
    for _ in 0..5 {
        world.publish("a.b").await;
        world.pass(DAY).await;
        assert_eq!(status(&world, &id).await, "active");
    }
    world.publish("a.b").await;
    world.pass(MINUTE).await;
    let found = webhook(&world, &id).await;
    assert_eq!(found["status"], "disabled");
    assert_eq!(found["disabled"]["code"], "failing_too_long");
}

#[tokio::test(start_paused = true)]
async fn one_success_within_five_days_keeps_a_webhook() {
    let (world, id) = World::of("standard").await;
    world.script(|number, _| Reply::Status(if number == 9 { 200 } else { 500 }));
    for _ in 0..6 {
        world.publish("a.b").await;
        world.pass(DAY).await;
    }
    assert_eq!(status(&world, &id).await, "active");
}

/// Nobody knows whether the receiver was away in between.
#[tokio::test(start_paused = true)]
async fn a_gap_longer_than_the_longest_wait_is_no_outage() {
    let (world, id) = World::of("standard").await;
    world.script(|number, _| Reply::Status(if number == 2 { 200 } else { 500 }));
    // Its second attempt, 5 s later, succeeds.
    world.publish("a.b").await;
    world.pass(5 * DAY).await;
    world.publish("a.b").await;
    world.pass(MINUTE).await;
    assert_eq!(status(&world, &id).await, "active");
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_when_a_webhook_is_enabled() {
    let (world, id) = World::of("standard").await;
    world.script(|_, _| Reply::Status(500));
    for day in 0..5 {
        if day == 4 {
            let path = format!("/v1/webhooks/{id}");
            for status in ["disabled", "active"] {
                world.call("PATCH", &path, json!({"status": status})).await;
            }
        }
        world.publish("a.b").await;
        world.pass(DAY).await;
    }
    world.publish("a.b").await;
    world.pass(MINUTE).await;
    assert_eq!(status(&world, &id).await, "active");
}

#[tokio::test(start_paused = true)]
async fn gone_disables_at_once_in_standard_and_is_a_failure_like_others_elsewhere() {
    let (world, id) = World::of("standard").await;
    world.script(|_, _| Reply::Status(410));
    let event = world.publish("a.b").await;
    world.pass(MINUTE).await;
    assert_eq!(world.posts().len(), 1);
    assert_eq!(webhook(&world, &id).await["disabled"]["code"], "gone");
    assert_eq!(states(&world, &event).await, ["failed"]);

    let (world, id) = World::of("odin").await;
    world.script(|_, _| Reply::Status(410));
    world.publish("user.lesson.completed").await;
    world.pass(2 * MINUTE).await;
    assert_eq!(world.posts().len(), 2);
    assert_eq!(status(&world, &id).await, "active");
}

#[tokio::test(start_paused = true)]
async fn disabling_holds_what_waits_misses_what_is_published_and_a_retry_by_hand_brings_it_back() {
    let (world, id) = World::of("odin").await;
    world.script(|_, _| Reply::Status(500));
    let waiting = world.publish("user.lesson.completed").await;
    world.pass(1_000).await;
    let path = format!("/v1/webhooks/{id}");
    world
        .call("PATCH", &path, json!({"status": "disabled"}))
        .await;
    let pending = world
        .get(&format!("{path}/deliveries?status=pending"))
        .await;
    assert_eq!(
        pending["deliveries"],
        json!([]),
        "a held delivery does not wait"
    );
    let missed = world.publish("user.lesson.completed").await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.posts().len(), 1, "no attempt after the disabling");
    assert_eq!(states(&world, &waiting).await, ["held"]);
    assert_eq!(states(&world, &missed).await, ["missed"]);

    let log = world.get(&format!("{path}/logs")).await;
    let retry = format!(
        "{path}/logs/{}/retry",
        log["logs"][0]["id"].as_str().unwrap()
    );
    assert_eq!(world.try_call("POST", &retry, Value::Null).await.0, 409);

    world
        .call("PATCH", &path, json!({"status": "active"}))
        .await;
    world.pass(10 * MINUTE).await;
    assert_eq!(
        world.posts().len(),
        1,
        "setting it active sends nothing by itself"
    );
    world.script(|_, _| Reply::Status(200));
    assert_eq!(world.try_call("POST", &retry, Value::Null).await.0, 202);
    world.pass(1_000).await;
    assert_eq!(states(&world, &waiting).await, ["succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_a_wait() {
    let (world, id) = World::of("odin").await;
    world.script(|_, _| Reply::Status(500));
    let event = world.publish("user.lesson.completed").await;
    world.pass(1_000).await;
    let path = format!("/v1/webhooks/{id}/deliveries");
    let pending = world.get(&format!("{path}?status=pending")).await;
    let delivery = pending["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let cancel = format!("{path}/{delivery}/cancel");
    world.call("POST", &cancel, Value::Null).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.posts().len(), 1);
    assert_eq!(states(&world, &event).await, ["cancelled"]);
    let again = world.try_call("POST", &cancel, Value::Null).await;
    assert_eq!(again.0, 200, "it stays so");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_webhook_gets_nothing_more() {
    let (world, id) = World::of("odin").await;
    world.script(|_, _| Reply::Status(500));
    world.publish("user.lesson.completed").await;
    world.pass(1_000).await;
    world
        .call("DELETE", &format!("/v1/webhooks/{id}"), Value::Null)
        .await;
    world.publish("user.lesson.completed").await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.posts().len(), 1);
}

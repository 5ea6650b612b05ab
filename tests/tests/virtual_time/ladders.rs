//! Every ladder to its end, wait by wait. (`badger` climbs that of `standard`; its file is held to that where dialects are tested.)

use serde_json::{Value, json};

use crate::world::{Reply, World};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The gaps between the POSTs of a delivery that always fails, once `hours` have passed.
async fn gaps(dialect: &str, event_type: &str, hours: u64) -> Vec<u64> {
    let (world, webhook) = World::of(dialect).await;
    world.script(|_, _| Reply::Status(500));
    let event = world.publish(event_type).await;
    world.pass(hours * HOUR).await;
    let posts = world.posts();
    let logs = world
        .get(&format!("/v1/webhooks/{webhook}/logs?limit=100"))
        .await;
    let logs = logs["logs"].as_array().unwrap();
    assert_eq!(logs.len(), posts.len(), "each attempt is logged once");
    assert!(
        logs[0]["next_attempt_at"].is_null(),
        "nothing follows the last one"
    );
    let numbers: Vec<_> = logs
        .iter()
        .rev()
        .map(|log| log["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=posts.len() as u64).collect::<Vec<_>>());
    let state = world.get(&format!("/v1/events/{event}")).await;
    assert_eq!(state["deliveries"][0]["status"], json!("failed"));
    assert!(
        posts.iter().all(|post| post.body == posts[0].body),
        "the body is the same at every attempt"
    );
    posts
        .windows(2)
        .map(|pair| pair[1].at_ms - pair[0].at_ms)
        .collect()
}

/// Waits as the table has them, each within its jitter. Only a parked one may end up to a second later: the queue gets it back at any
/// moment, and counts in whole seconds.
fn assert_waits(gaps: &[u64], waits: &[u64], jitter_percent: u64) {
    assert_eq!(gaps.len(), waits.len(), "{gaps:?}");
    for (gap, wait) in gaps.iter().zip(waits) {
        let jitter = wait * jitter_percent / 100;
        let late = if wait + jitter > 15 * MINUTE {
            SECOND
        } else {
            0
        };
        assert!(
            (wait - jitter..=wait + jitter + late).contains(gap),
            "{gap} for {wait} in {gaps:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn patra() {
    assert_waits(
        &gaps("patra", "card.created", 33).await,
        &[0, 5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR],
        0,
    );
}

#[tokio::test(start_paused = true)]
async fn bharatcart() {
    assert_waits(
        &gaps("bharatcart", "order.paid", 2).await,
        &[MINUTE, 10 * MINUTE, HOUR],
        0,
    );
}

#[tokio::test(start_paused = true)]
async fn reward() {
    let waits = [
        30 * SECOND,
        2 * MINUTE,
        8 * MINUTE,
        32 * MINUTE,
        128 * MINUTE,
    ];
    assert_waits(
        &gaps("reward", "trigger_event.created", 4).await,
        &waits,
        10,
    );
}

#[tokio::test(start_paused = true)]
async fn odin() {
    let waits = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR];
    assert_waits(&gaps("odin", "user.lesson.completed", 10).await, &waits, 0);
}

const STANDARD: [u64; 9] = [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

#[tokio::test(start_paused = true)]
async fn standard() {
    assert_waits(
        &gaps("standard", "anything.at.all", 90).await,
        &STANDARD,
        10,
    );
}

#[tokio::test(start_paused = true)]
async fn every_first_retry_comes_within_the_jitter() {
    const EVENTS: usize = 120;
    for (reply, dialect, event_type, waits) in [
        (Reply::Status(500), "standard", "a.b", 4_500..=5_500),
        // It is the probe at the end of the first pause, which is as long.
        (Reply::Status(503), "standard", "a.b", 4_500..=5_500),
        (
            Reply::Status(500),
            "reward",
            "balance.credit_points_issued",
            27 * SECOND..=33 * SECOND,
        ),
    ] {
        let (world, _) = World::of(dialect).await;
        world.script(move |number, _| match number % 2 {
            1 => reply,
            _ => Reply::Status(200),
        });
        for _ in 0..EVENTS {
            world.publish(event_type).await;
            // At any millisecond, one after the other: what follows a pause takes turns.
            world.pass(400 * SECOND + 17).await;
        }
        let posts = world.posts();
        assert_eq!(posts.len(), 2 * EVENTS, "{dialect} {reply:?}");
        for pair in posts.chunks(2) {
            let gap = pair[1].at_ms - pair[0].at_ms;
            assert!(waits.contains(&gap), "{dialect} {reply:?}: {gap}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_counts_from_the_end_of_the_attempt() {
    let (world, _) = World::of("odin").await;
    world.script(|number, _| {
        if number == 1 {
            Reply::Silence
        } else {
            Reply::Status(200)
        }
    });
    world.publish("user.lesson.completed").await;
    world.pass(HOUR).await;
    let posts = world.posts();
    assert_eq!(posts.len(), 2);
    let gap = posts[1].at_ms - posts[0].at_ms;
    // 5 s of silence, then a minute.
    assert!((65 * SECOND..=66 * SECOND).contains(&gap), "{gap}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_pauses_the_webhook_where_the_dialect_throttles() {
    for (dialect, event_type, asked, waits) in [
        // The first wait is 5 s ±10 %.
        ("standard", "a.b", "60", 60 * SECOND..=62 * SECOND),
        ("standard", "a.b", "3000", 3_000 * SECOND..=3_002 * SECOND),
        ("standard", "a.b", "0", 4_500..=5_500),
        ("odin", "user.lesson.completed", "600", MINUTE..=61 * SECOND),
    ] {
        let (world, _) = World::of(dialect).await;
        world.script(move |number, _| {
            if number == 1 {
                Reply::RetryAfter(429, asked)
            } else {
                Reply::Status(200)
            }
        });
        world.publish(event_type).await;
        world.pass(HOUR).await;
        let posts = world.posts();
        assert_eq!(posts.len(), 2, "{dialect} {asked}");
        let gap = posts[1].at_ms - posts[0].at_ms;
        assert!(waits.contains(&gap), "{dialect} {asked}: {gap}");
    }
}

/// What led to each attempt, and the attempts' numbers, first attempt first.
async fn attempts(world: &World, webhook: &str) -> (Vec<String>, Vec<u64>) {
    let logs = world.get(&format!("/v1/webhooks/{webhook}/logs")).await;
    let logs = logs["logs"].as_array().unwrap().iter().rev();
    let of = |log: &Value| {
        let trigger = log["trigger"].as_str().unwrap().to_owned();
        (trigger, log["attempt"].as_u64().unwrap())
    };
    logs.map(of).unzip()
}

/// Retries the newest attempt by hand.
async fn retry_by_hand(world: &World, webhook: &str) {
    let logs = world.get(&format!("/v1/webhooks/{webhook}/logs")).await;
    let log_id = logs["logs"][0]["id"].as_str().unwrap().to_owned();
    let retry = format!("/v1/webhooks/{webhook}/logs/{log_id}/retry");
    assert_eq!(world.try_call("POST", &retry, json!(null)).await.0, 202);
}

#[tokio::test(start_paused = true)]
async fn a_retry_by_hand_uses_up_no_rung_and_puts_the_wait_back() {
    const CLICKS: usize = 9;
    let (world, webhook) = World::of("odin").await;
    world.script(|_, _| Reply::Status(500));
    world.publish("user.lesson.completed").await;
    world.pass(10 * SECOND).await;
    for click in 1..=CLICKS {
        retry_by_hand(&world, &webhook).await;
        world.pass(2 * SECOND).await;
        assert_eq!(world.posts().len(), 1 + click, "sent at once");
    }
    let active = world.get(&format!("/v1/webhooks/{webhook}")).await;
    assert_eq!(active["webhook"]["status"], "active");
    world.pass(10 * HOUR).await;
    let posts = world.posts();
    let mut ladder = vec![&posts[0]];
    ladder.extend(&posts[1 + CLICKS..]);
    let gaps = ladder.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms);
    let waits = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR];
    assert_eq!(gaps.len(), waits.len(), "the whole ladder follows");
    for (gap, wait) in gaps.zip(waits) {
        assert!((wait..=wait + SECOND).contains(&gap), "{gap} for {wait}");
    }
    let (triggers, numbers) = attempts(&world, &webhook).await;
    let expected = ["event"].into_iter();
    let expected = expected.chain(["manual"; CLICKS]).chain(["retry"; 5]);
    assert_eq!(triggers, expected.collect::<Vec<_>>());
    assert_eq!(numbers, (1..=15).collect::<Vec<_>>());
    let disabled = world.get(&format!("/v1/webhooks/{webhook}")).await;
    let disabled = &disabled["webhook"]["disabled"];
    assert_eq!(disabled["code"], "ladder_used_up");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_has_passed_during_a_retry_by_hand_is_over_at_once() {
    let (world, webhook) = World::of("odin").await;
    world.script(|number, _| match number {
        2 => Reply::Silence,
        _ => Reply::Status(500),
    });
    world.publish("user.lesson.completed").await;
    world.pass(58 * SECOND).await;
    retry_by_hand(&world, &webhook).await;
    world.pass(10 * SECOND).await;
    let (triggers, _) = attempts(&world, &webhook).await;
    assert_eq!(triggers, ["event", "manual", "retry"]);
    // The next rung's wait counts from there.
    let posts = world.posts();
    let gap = posts[2].at_ms - posts[1].at_ms;
    assert!((4 * SECOND..=6 * SECOND).contains(&gap), "{gap}");
    world.pass(5 * MINUTE).await;
    assert_eq!(world.posts().len(), 4);
}

//! Small shares of the scenarios.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rung_base::clock::VirtualClock;
use rung_core::{domain::id::WebhookId, limits::WEBHOOK_SHARDS};
use rung_tests::metered::{Deployment, Environment, Prices};
use serde_json::{Value, json};

use crate::{
    fleet::PARKED,
    receivers::Receivers,
    scenarios::{Outcome, SCENARIOS, Scenario},
};

/// A hundredth of a deployment, for a few seconds.
async fn small_share_of(name: &str) -> Outcome {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let scenario = Scenario {
        scale: 0.01,
        seconds: 4,
        webhooks: 4,
        ..*scenario.expect("a scenario of this name")
    };
    scenario.run(&Arc::new(Prices::read())).await
}

#[tokio::test(start_paused = true)]
async fn a_thousand_events_a_second_published_singly_meet_no_wall() {
    let outcome = small_share_of("1,000/s, singly").await;
    assert_eq!((outcome.asked, outcome.came), (40, 40));
    assert_eq!((outcome.unavailable, &*outcome.refused), (0, &[][..]));
}

/// A twentieth of a deployment: of less, the turns that processes take at partitions are too uneven.
async fn large_share_of(name: &str, rate: f64) -> Outcome {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let scenario = Scenario {
        rate,
        seconds: 2,
        ..*scenario.expect("a scenario of this name")
    };
    scenario.run(&Arc::new(Prices::read())).await
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_events_a_second_meet_no_wall() {
    for name in ["10,000/s, singly", "10,000/s, batches of 100"] {
        let outcome = large_share_of(name, 10_000.0).await;
        assert_eq!((outcome.asked, outcome.came), (1_000, 1_000), "{name}");
        let walls = (outcome.unavailable, &*outcome.refused);
        assert_eq!(walls, (0, &[][..]), "{name}");
        assert!(outcome.small_p99_ms < 500, "{} ms", outcome.small_p99_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_wall_refuses_is_the_big_tenants_and_what_is_accepted_arrives() {
    let outcome = large_share_of("10,000/s, singly", 30_000.0).await;
    assert!(outcome.unavailable > 0);
    // What was not accepted is the client's to repeat.
    assert_eq!(outcome.came, outcome.asked - outcome.unavailable);
    let of_the_small = outcome.refused.iter().any(|one| one.key.contains("small"));
    assert!(!of_the_small, "{:?}", outcome.refused);
}

#[tokio::test(start_paused = true)]
async fn deliveries_of_a_throttled_tenant_send_nobody_elses_back_to_the_queue() {
    let scenario = Scenario {
        rate: 50_000.0,
        scale: 0.01,
        units: 0.2,
        seconds: 2,
        ..SCENARIOS[4]
    };
    let outcome = scenario.run(&Arc::new(Prices::read())).await;
    let mut refused = outcome.refused.iter();
    let reads_are_refused = refused.any(|one| one.key.starts_with("W#big#") && !one.is_write);
    assert!(reads_are_refused, "{:?}", outcome.refused);
    // What goes back to the queue comes again after 180 s.
    assert!(outcome.small_p99_ms < 30_000, "{} ms", outcome.small_p99_ms);
}

/// The webhook's id in an answer.
async fn made(environment: &Environment, webhook: &Value) -> String {
    let (status, answer) = environment.call("POST", "/v1/webhooks", "t", webhook).await;
    assert_eq!(status, 201);
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let id = &answer["data"]["webhook"]["id"];
    id.as_str().expect("an id").to_owned()
}

#[tokio::test(start_paused = true)]
async fn of_a_tenants_webhooks_those_alone_are_read_again_that_have_changed() {
    const WEBHOOKS: usize = 60;
    let deployment = Deployment::new(&Arc::new(Prices::read()), PARKED).await;
    let environment = || {
        let clock = Arc::new(VirtualClock::starting_at(0));
        deployment.environment(Arc::new(Receivers::new(clock)), Duration::ZERO)
    };
    let (managing, publishing) = (environment(), environment());
    let tenant = json!({"id": "t", "name": "T", "dialect": "standard"});
    managing.done("POST", "/v1/tenants", None, &tenant).await;
    // So large that a few of them take a read unit.
    let webhook = json!({
        "url": "https://t.example.com/",
        "events": ["*"],
        "description": "x".repeat(400),
    });
    let id = made(&managing, &webhook).await;
    for _ in 1..WEBHOOKS {
        made(&managing, &webhook).await;
    }
    // Publishes an event: to how many webhooks it goes, and the read units that this takes.
    let publish = async || {
        let before = deployment.meter.counts().clone();
        let event = json!({"type": "thing.made", "data": {}});
        let (status, answer) = publishing.call("POST", "/v1/events", "t", &event).await;
        assert_eq!(status, 202);
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let counts = deployment.meter.counts().since(&before);
        let units = counts.sum(|calls| calls.read_units);
        (answer["data"]["deliveries"].as_u64(), units)
    };
    let all = publish().await;
    assert_eq!(all.0, Some(WEBHOOKS as u64));
    assert!(all.1 > 10.0, "{}", all.1);
    let (_, nothing_changed) = publish().await;

    let path = format!("/v1/webhooks/{id}");
    let described = json!({"description": "another"});
    managing.done("PATCH", &path, "t", &described).await;
    assert_eq!(publish().await, (all.0, nothing_changed + 1.0));
    assert_eq!(publish().await, (all.0, nothing_changed));

    let moved = json!({"events": ["other.made"]});
    managing.done("PATCH", &path, "t", &moved).await;
    let fewer = Some(WEBHOOKS as u64 - 1);
    assert_eq!(publish().await, (fewer, nothing_changed + 1.0));

    made(&managing, &webhook).await;
    assert_eq!(publish().await, (all.0, nothing_changed + 1.0));

    managing.done("DELETE", &path, "t", &Value::Null).await;
    // What is gone is asked for as well.
    let (deliveries, units) = publish().await;
    assert_eq!(deliveries, all.0, "it did not match any more");
    assert!(units <= nothing_changed + 1.0, "{units}");
    assert_eq!(publish().await, (all.0, nothing_changed));
}

/// A tenant with few webhooks pays for few shards.
#[tokio::test(start_paused = true)]
async fn all_webhooks_of_a_tenant_are_read_in_the_shards_that_it_has() {
    let deployment = Deployment::new(&Arc::new(Prices::read()), PARKED).await;
    let environment = || {
        let clock = Arc::new(VirtualClock::starting_at(0));
        deployment.environment(Arc::new(Receivers::new(clock)), Duration::ZERO)
    };
    let managing = environment();
    let tenant = json!({"id": "t", "name": "T", "dialect": "standard"});
    managing.done("POST", "/v1/tenants", None, &tenant).await;
    let webhook = json!({"url": "https://t.example.com/", "events": ["*"]});
    let mut shards = BTreeSet::new();
    for _ in 0..3 {
        let id = WebhookId::parse(&made(&managing, &webhook).await).expect("an id");
        shards.insert(id.shard_of(WEBHOOK_SHARDS));
        let before = deployment.meter.counts().clone();
        let event = json!({"type": "thing.made", "data": {}});
        // Of which each is new, and reads all webhooks.
        let (status, _) = environment().call("POST", "/v1/events", "t", &event).await;
        assert_eq!(status, 202);
        let counts = deployment.meter.counts().since(&before);
        // The tenant's own event types are a query more.
        let queries = counts.calls["Query"].count;
        assert_eq!(queries, shards.len() as f64 + 1.0);
    }
}

//! Recoveries that are asked for again.

use std::pin::pin;

use serde_json::{Value, json};

use super::{EVENTS, MINUTE, begin, missed, poll_times, progress};

/// Two recoveries of the same deliveries: the later one leaves alone what the earlier one has put on its way.
#[tokio::test(start_paused = true)]
async fn two_recoveries_send_once() {
    let (world, tenant, path) = missed().await;
    let first = begin(&world, &tenant, &path).await;
    let second = begin(&world, &tenant, &path).await;
    assert_ne!(first, second);
    world.settle().await;
    let sent = |progress: Value| progress["progress"]["done"].as_u64().unwrap();
    let sum = sent(progress(&world, &tenant, &first).await)
        + sent(progress(&world, &tenant, &second).await);
    assert_eq!(sum, EVENTS as u64);
    assert_eq!(world.posts(), EVENTS);
}

/// A client that heard no answer asks again: of what would be sent whether it is through or not, the one that runs is answered.
#[tokio::test(start_paused = true)]
async fn asking_again_for_anything_is_the_recovery_that_runs() {
    const SINCE: &str = "2025-10-09T08:00:00Z";
    const UNTIL: &str = "2025-10-09T08:53:20Z";
    let (world, tenant, path) = missed().await;
    world.pass(MINUTE).await;
    let recover = format!("{path}/recover");
    let ask = async |request: &Value| {
        world.pass(5).await;
        let begun = world.send(&tenant, "POST", &recover, request.clone()).await;
        let id = begun.data(202)["job"]["id"].as_str().unwrap();
        id.to_owned()
    };
    let sent = async |ids: &[&String]| {
        let mut sent = Vec::new();
        for id in ids {
            let ended = progress(&world, &tenant, &format!("/v1/jobs/{id}")).await;
            sent.push(ended["progress"]["done"].as_u64().unwrap());
        }
        sent
    };

    let anything = json!({"since": SINCE, "statuses": ["any"]});
    let first = ask(&anything).await;
    for _ in 0..2 {
        assert_eq!(ask(&anything).await, first);
    }
    world.settle().await;
    assert_eq!(world.posts(), EVENTS);
    let afterwards = ask(&anything).await;
    assert_ne!(afterwards, first, "it has ended: this sends all again");
    world.settle().await;
    assert_eq!(sent(&[&first, &afterwards]).await, [5, 5]);

    // In other words it is another one.
    let spans = [
        json!({"since": SINCE, "statuses": ["any"]}),
        json!({"since": "2025-10-09T08:00:01Z", "statuses": ["any"]}),
        json!({"since": SINCE, "until": UNTIL, "statuses": ["any"]}),
        json!({"since": SINCE, "until": "2025-10-09T08:53:21Z", "statuses": ["any"]}),
        json!({"since": SINCE}),
        json!({"since": SINCE}),
    ];
    let mut ids = Vec::new();
    for request in &spans {
        let id = ask(request).await;
        assert!(!ids.contains(&id), "{request}");
        if request["statuses"] == json!(["any"]) {
            assert_eq!(ask(request).await, id, "{request}");
        }
        ids.push(id);
    }
    world.settle().await;

    // Whoever names a key says what is the same.
    let keyed = tenant.clone().with_idempotency_key("k");
    let running = ask(&anything).await;
    let another = world.send(&keyed, "POST", &recover, anything.clone()).await;
    assert_ne!(another.data(202)["job"]["id"], running);
}

/// A client sends the same again while its first call is at any of its steps: there is one recovery of whatever matches.
#[tokio::test(start_paused = true)]
async fn asking_twice_at_once_for_anything_is_one_recovery() {
    let mut between = 0;
    for steps in 0.. {
        let (world, tenant, path) = missed().await;
        let recover = format!("{path}/recover");
        let request = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
        let mut first = pin!(world.send(&tenant, "POST", &recover, request.clone()));
        if poll_times(first.as_mut(), steps).await {
            break;
        }
        between += 1;
        world.pass(5).await;
        let second = world.send(&tenant, "POST", &recover, request).await;
        assert_eq!(
            first.await.data(202)["job"]["id"],
            second.data(202)["job"]["id"],
            "{steps}"
        );
        world.settle().await;
        assert_eq!(world.posts(), EVENTS, "{steps}");
    }
    assert!(between > 3, "{between}: it has more steps than that");
}

/// A call that died before its recovery had begun does not stand for one that is asked for later: that goes up to then.
#[tokio::test(start_paused = true)]
async fn what_was_reserved_and_never_begun_is_not_begun_later() {
    let mut never_begun = 0;
    for steps in 0.. {
        let (world, tenant, path) = missed().await;
        let recover = format!("{path}/recover");
        let request = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
        let first = world.send(&tenant, "POST", &recover, request.clone());
        if poll_times(first, steps).await {
            break;
        }
        // The message goes lost, as if it had never been sent.
        let Some(message) = world.handed().await.pop() else {
            continue;
        };
        world.delete(&message).await;
        let message: Value = serde_json::from_str(&message.record.body).unwrap();
        let first = format!("/v1/jobs/{}", message["z"].as_str().unwrap());
        if world.get(&tenant, &first).await.status != 404 {
            continue;
        }
        never_begun += 1;
        world.pass(5 * MINUTE).await;
        let asked = world.send(&tenant, "POST", &recover, request).await;
        let asked = &asked.data(202)["job"];
        assert!(
            asked["params"]["until"].as_str() > Some("2025-10-09T08:58"),
            "{asked}"
        );
    }
    assert!(never_begun > 0, "there is a step between the two");
}

/// Under a key there is one recovery, even where another took the number that was meant for it.
#[tokio::test(start_paused = true)]
async fn a_key_stays_with_one_recovery_when_its_number_is_taken() {
    let mut deaths = 0;
    for steps in 0.. {
        let (world, tenant, path) = missed().await;
        let recover = format!("{path}/recover");
        let keyed = tenant.clone().with_idempotency_key("k");
        let request = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["missed"]});
        let first = world.send(&keyed, "POST", &recover, request.clone());
        let over = poll_times(first, steps).await;
        let other = begin(&world, &tenant, &path).await;
        // The call that died has the key to itself for a while.
        world.pass(MINUTE).await;
        let mut jobs = Vec::new();
        for _ in 0..3 {
            let begun = world.send(&keyed, "POST", &recover, request.clone()).await;
            let id = begun.data(202)["job"]["id"].as_str().unwrap();
            jobs.push(format!("/v1/jobs/{id}"));
            world.settle().await;
        }
        assert!(jobs.iter().all(|job| *job == jobs[0]), "{steps}: {jobs:?}");
        assert_ne!(jobs[0], other, "{steps}");
        assert_eq!(world.posts(), EVENTS, "{steps}");
        if over {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 3, "{deaths}: it has more steps than that");
}

//! Recovering: what is sent again, and what is not.

use aws_sdk_dynamodb::types::AttributeValue;
use rung_local::app::TABLE;
use serde_json::{Value, json};

use crate::world::{As, World};

const START: &str = "2025-10-09T08:53:20Z";
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A tenant of a dialect with one webhook: the world, the tenant, the webhook's path.
async fn world_of(dialect: &str) -> (World, As, String) {
    let world = World::new().await;
    let tenant = world.tenant("acme", dialect, "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    (world, tenant, path)
}

async fn publish(world: &World, tenant: &As, id: &str, event_type: &str) {
    let event = json!({"id": id, "type": event_type, "data": {}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

async fn set_status(world: &World, tenant: &As, path: &str, status: &str) {
    let changed = world.send(tenant, "PATCH", path, json!({"status": status}));
    changed.await.data(200);
}

/// Begins a recovery and lets it come to its end; how it stands then.
async fn recover(world: &World, tenant: &As, path: &str, request: Value) -> Value {
    let begun = world
        .send(tenant, "POST", &format!("{path}/recover"), request)
        .await;
    let job = &begun.data(202)["job"];
    assert_eq!(job["kind"], "recover");
    let job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(begun.headers["location"], *job);
    world.pass(1_000).await;
    let ended = world.get(tenant, &job).await;
    ended.data(200)["job"].clone()
}

/// The state of each event's one delivery.
async fn states(world: &World, tenant: &As, events: &[&str]) -> Vec<String> {
    let mut states = Vec::new();
    for id in events {
        let event = world.get(tenant, &format!("/v1/events/{id}")).await;
        let status = &event.data(200)["deliveries"][0]["status"];
        states.push(status.as_str().unwrap().to_owned());
    }
    states
}

/// Triggers and attempt numbers of an event's log, oldest first.
async fn log(world: &World, tenant: &As, path: &str, event: &str) -> Vec<(String, u64)> {
    let logs = world
        .get(tenant, &format!("{path}/logs?limit=100&event_id={event}"))
        .await;
    let logs = logs.data(200)["logs"].as_array().unwrap().clone();
    let entries = logs.iter().rev().map(|log| {
        let trigger = log["trigger"].as_str().unwrap().to_owned();
        (trigger, log["attempt"].as_u64().unwrap())
    });
    entries.collect()
}

#[tokio::test(start_paused = true)]
async fn what_failed_climbs_a_fresh_ladder() {
    let (world, tenant, path) = world_of("reward").await;
    world.answer(500);
    publish(&world, &tenant, "e", "trigger_event.created").await;
    world.pass(4 * HOUR).await;
    assert_eq!(states(&world, &tenant, &["e"]).await, ["failed"]);
    assert_eq!(world.posts(), 6);

    let ended = recover(&world, &tenant, &path, json!({"since": START})).await;
    assert_eq!(
        (&ended["status"], &ended["result"]),
        (&json!("succeeded"), &json!({"deliveries": 1, "skipped": 0}))
    );
    let statuses = &ended["params"]["statuses"];
    assert_eq!(*statuses, json!(["failed", "held", "missed"]));
    assert_eq!(states(&world, &tenant, &["e"]).await, ["pending"]);
    world.pass(4 * HOUR).await;
    assert_eq!(states(&world, &tenant, &["e"]).await, ["failed"]);
    let attempts = log(&world, &tenant, &path, "e").await;
    let triggers: Vec<_> = attempts
        .iter()
        .map(|(trigger, _)| trigger.as_str())
        .collect();
    let ladder = ["retry"; 5];
    assert_eq!(
        triggers,
        [&["event"], &ladder[..], &["recover"], &ladder].concat()
    );
    assert!(attempts.iter().map(|(_, attempt)| *attempt).eq(1..=12));

    world.answer(200);
    recover(&world, &tenant, &path, json!({"since": START})).await;
    assert_eq!(states(&world, &tenant, &["e"]).await, ["succeeded"]);
    let nothing = recover(&world, &tenant, &path, json!({"since": START})).await;
    assert_eq!(nothing["progress"]["done"], 0);
    assert_eq!(world.posts(), 13);
}

#[tokio::test(start_paused = true)]
async fn what_a_disabling_held_or_let_miss_is_sent_wherever_it_waited() {
    let (world, tenant, path) = world_of("odin").await;
    world.answer(500);
    publish(&world, &tenant, "parked", "user.lesson.completed").await;
    world.pass(7 * MINUTE).await;
    publish(&world, &tenant, "queued", "user.lesson.completed").await;
    world.pass(1_000).await;
    set_status(&world, &tenant, &path, "disabled").await;
    publish(&world, &tenant, "missed", "user.lesson.completed").await;
    let (asked, request) = (format!("{path}/recover"), json!({"since": START}));
    let refused = world.send(&tenant, "POST", &asked, request).await;
    refused.assert_error(409, "webhook_disabled");

    // Their rows still say that they wait: neither wait is over.
    set_status(&world, &tenant, &path, "active").await;
    world.answer(200);
    let before = world.posts();
    let ended = recover(&world, &tenant, &path, json!({"since": START})).await;
    assert_eq!(ended["progress"]["done"], 3);
    let all = ["parked", "queued", "missed"];
    assert_eq!(states(&world, &tenant, &all).await, ["succeeded"; 3]);
    world.pass(HOUR).await;
    assert_eq!(world.posts(), before + 3, "the old waits are dropped");
    assert_eq!(
        log(&world, &tenant, &path, "missed").await,
        [("recover".to_owned(), 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_sent_now_and_keeps_its_rung() {
    let (world, tenant, path) = world_of("odin").await;
    let events = ["e1", "e2", "e3", "e4"];
    let waits = async || {
        let pending = world
            .get(&tenant, &format!("{path}/deliveries?status=pending"))
            .await;
        let pending = pending.data(200)["deliveries"].as_array().unwrap().clone();
        let due = |one: &Value| (one["event_id"].clone(), one["next_attempt_at"].clone());
        pending.iter().map(due).collect::<Vec<_>>()
    };
    world.answer(500);
    for id in events {
        publish(&world, &tenant, id, "user.lesson.completed").await;
    }
    world.pass(7 * MINUTE).await;
    let (before, posts) = (waits().await, world.posts());
    assert_eq!((before.len(), posts), (4, 12));

    // Nothing is used up while the receiver is broken, however often it is asked.
    let now = json!({"since": START, "statuses": ["pending"]});
    let mut dry = now.clone();
    dry["dry_run"] = json!(true);
    let asked = format!("{path}/recover");
    let counted = world.send(&tenant, "POST", &asked, dry).await;
    assert_eq!(counted.data(200)["count"], 4);
    for round in 1..=2 {
        let ended = recover(&world, &tenant, &path, now.clone()).await;
        assert_eq!(
            (&ended["status"], &ended["progress"]["done"]),
            (&json!("succeeded"), &json!(4))
        );
        assert_eq!(ended["params"]["statuses"], json!(["pending"]));
        assert_eq!(world.posts(), posts + 4 * round);
        assert_eq!(waits().await, before, "the waits are put back");
    }
    let only_failed = json!({"since": START, "statuses": ["failed"]});
    let ended = recover(&world, &tenant, &path, only_failed).await;
    assert_eq!(ended["progress"]["done"], 0);

    // At the webhook's pace.
    let slow = world.send(&tenant, "PATCH", &path, json!({"rate_limit_per_second": 1}));
    slow.await.data(200);
    world.answer(200);
    let posts = world.posts();
    let both = json!({"since": START, "statuses": ["failed", "pending"]});
    let ended = recover(&world, &tenant, &path, both).await;
    assert_eq!(ended["progress"]["done"], 4);
    assert!(world.posts() <= posts + 2, "{}", world.posts() - posts);
    world.pass(MINUTE).await;
    assert_eq!(world.posts(), posts + 4);
    assert_eq!(states(&world, &tenant, &events).await, ["succeeded"; 4]);
    let attempts = log(&world, &tenant, &path, "e1").await;
    let triggers = ["event", "retry", "retry", "manual", "manual", "manual"];
    let expected = triggers
        .iter()
        .zip(1..)
        .map(|(trigger, n)| ((*trigger).to_owned(), n));
    assert!(attempts.iter().cloned().eq(expected), "{attempts:?}");
    world.pass(HOUR).await;
    assert_eq!(
        world.posts(),
        posts + 4,
        "the waits that were replaced are dropped"
    );
}

/// A first attempt that waits in the queue while its webhook is disabled and enabled again is held only when its message comes.
#[tokio::test(start_paused = true)]
async fn a_recovery_sends_what_is_held_behind_its_back() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let events = ["e1", "e2", "e3"];
    for id in events {
        publish(&world, &tenant, id, "user.lesson.completed").await;
    }
    for status in ["disabled", "active"] {
        set_status(&world, &tenant, &path, status).await;
    }
    let asked = format!("{path}/recover");
    let mut begun = Vec::new();
    // The second one is not for them.
    for request in [
        json!({"since": START}),
        json!({"since": START, "statuses": ["failed"]}),
    ] {
        let answer = world.send(&tenant, "POST", &asked, request).await;
        let id = answer.data(202)["job"]["id"].as_str().unwrap();
        begun.push(format!("/v1/jobs/{id}"));
    }
    world.run_for(5_000).await;
    assert_eq!(states(&world, &tenant, &events).await, ["succeeded"; 3]);
    assert_eq!(world.posts(), 3);
    for (path, sent) in begun.iter().zip([3, 0]) {
        let ended = world.get(&tenant, path).await;
        assert_eq!(ended.data(200)["job"]["progress"]["done"], sent);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_sent_and_a_dry_run_sends_nothing() {
    let (world, tenant, path) = world_of("reward").await;
    world.answer(500);
    publish(&world, &tenant, "failed", "trigger_event.created").await;
    world.pass(4 * HOUR).await;
    set_status(&world, &tenant, &path, "disabled").await;
    publish(&world, &tenant, "missed", "trigger_event.created").await;
    set_status(&world, &tenant, &path, "active").await;
    world.pass(HOUR).await;
    world.answer(200);
    let before = world.posts();
    let asked = format!("{path}/recover");
    for (request, count) in [
        (json!({"since": START}), 2),
        (json!({"since": START, "statuses": ["any"]}), 2),
        (json!({"since": START, "statuses": ["failed"]}), 1),
        (json!({"since": START, "statuses": ["held", "missed"]}), 1),
        (json!({"since": START, "statuses": ["pending"]}), 0),
        (json!({"since": START, "statuses": ["held"]}), 0),
        (json!({"since": START, "until": "2025-10-09T08:54:00Z"}), 1),
        (json!({"since": "2025-10-09T08:54:00Z"}), 1),
        (json!({"since": START, "until": "2999-01-01T00:00:00Z"}), 2),
        (json!({}), 2),
        (json!({"until": "2025-10-09T08:54:00Z"}), 1),
        // `failed` was accepted at its beginning sharp.
        (json!({"until": START}), 0),
        (json!({"since": START, "until": START}), 0),
        (
            json!({"since": START, "until": "2025-10-09T08:53:20.001Z"}),
            1,
        ),
    ] {
        let mut dry = request.clone();
        dry["dry_run"] = json!(true);
        let counted = world.send(&tenant, "POST", &asked, dry).await;
        assert_eq!(counted.data(200)["count"], count, "{request}");
        assert_eq!(counted.data(200)["complete"], true);
    }
    world.pass(HOUR).await;
    assert_eq!(world.posts(), before);
    recover(
        &world,
        &tenant,
        &path,
        json!({"since": START, "statuses": ["missed"]}),
    )
    .await;
    let states = states(&world, &tenant, &["failed", "missed"]).await;
    assert_eq!(states, ["failed", "succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_webhook_gets_what_it_would_have_had() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    publish(&world, &tenant, "nobody", "user.lesson.completed").await;
    let old = world.webhook(&tenant).await;
    publish(&world, &tenant, "somebody", "user.lesson.completed").await;
    publish(&world, &tenant, "other_type", "content.saga.added").await;
    world.pass(HOUR).await;
    let webhook = json!({"url": "https://example.com/new", "events": ["user"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let new = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhooks/{new}");
    publish(&world, &tenant, "own", "user.lesson.completed").await;
    world.pass(1_000).await;
    let before = world.posts();

    let none = recover(&world, &tenant, &path, json!({"since": START})).await;
    assert_eq!(
        none["progress"]["done"], 0,
        "none of its own is unsuccessful"
    );
    let request = json!({"since": START, "until": "2025-10-09T09:00:00Z", "statuses": ["any"]});
    let ended = recover(&world, &tenant, &path, request.clone()).await;
    assert_eq!(
        (&ended["result"]["deliveries"], &ended["result"]["skipped"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(ended["params"]["statuses"], json!(["any"]));
    assert_eq!(world.posts(), before + 2);
    for event in ["nobody", "somebody"] {
        assert_eq!(
            log(&world, &tenant, &path, event).await,
            [("recover".to_owned(), 1)]
        );
    }
    assert_eq!(log(&world, &tenant, &path, "other_type").await, []);
    let old = format!("/v1/webhooks/{old}");
    assert_eq!(log(&world, &tenant, &old, "somebody").await.len(), 1);

    // Once more sends them once more: a retry of what has succeeded.
    recover(&world, &tenant, &path, request).await;
    let again = log(&world, &tenant, &path, "nobody").await;
    assert_eq!(
        again,
        [("recover".to_owned(), 1), ("recover".to_owned(), 2)]
    );
}

/// Also those whose first attempt has not been made, or that a recovery alone has sent; in batches of more events than a page holds.
#[tokio::test(start_paused = true)]
async fn anything_is_every_event_that_was_accepted() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let batch = |name: &str, count: usize| {
        let event =
            |n| json!({"id": format!("{name}{n}"), "type": "user.lesson.completed", "data": {}});
        json!({"events": (0..count).map(event).collect::<Vec<_>>()})
    };
    let nobodys = batch("nobody", 70);
    let published = world.send(&tenant, "POST", "/v1/events/batch", nobodys);
    published.await.data(202);
    let first = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    for name in ["a", "b", "c"] {
        let waiting = batch(name, 60);
        let published = world.send(&tenant, "POST", "/v1/events/batch", waiting);
        published.await.data(202);
    }
    let request = json!({"since": START, "statuses": ["any"]});
    let mut webhook = first.clone();
    for _ in 0..2 {
        let asked = format!("{webhook}/recover");
        let mut dry = request.clone();
        dry["dry_run"] = json!(true);
        let counted = world.send(&tenant, "POST", &asked, dry).await;
        assert_eq!(counted.data(200)["count"], 250);
        let begun = world.send(&tenant, "POST", &asked, request.clone()).await;
        let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
        world.run_for(2_000).await;
        let ended = world.get(&tenant, &format!("/v1/jobs/{id}")).await;
        let ended = &ended.data(200)["job"];
        assert_eq!(
            (&ended["status"], &ended["progress"]["done"]),
            (&json!("succeeded"), &json!(250))
        );
        for event in ["nobody0", "a59", "c0"] {
            let attempts = log(&world, &tenant, &webhook, event).await;
            // What is on its way is left to that; what has arrived by the time its page comes is sent again.
            let was_published_to = webhook == first && event != "nobody0";
            let trigger = if was_published_to { "event" } else { "recover" };
            assert_eq!(attempts[0], (trigger.to_owned(), 1), "{event}");
        }
        // A webhook that was not there, when the one that all events went to is gone.
        webhook = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        let deleted = world.send_text(&tenant, "DELETE", &first, "").await;
        assert!(deleted.status == 200 || deleted.status == 404);
    }
}

/// All deliveries of an event, page by page: whose, and how they stand.
async fn deliveries(
    world: &World,
    tenant: &As,
    event: &str,
    limit: usize,
) -> Vec<(String, String)> {
    let first = format!("/v1/events/{event}?limit={limit}");
    let (mut all, mut path) = (Vec::new(), first.clone());
    loop {
        let page = world.get(tenant, &path).await;
        let data = page.data(200);
        let deliveries = data["deliveries"].as_array().unwrap();
        assert!((1..=limit).contains(&deliveries.len()), "{data}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let shown = deliveries.iter();
        all.extend(shown.map(|one| (text(&one["webhook_id"]), text(&one["status"]))));
        match data["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_the_deliveries_that_it_was_backfilled_with() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    for _ in 0..2 {
        world.webhook(&tenant).await;
    }
    publish(&world, &tenant, "e", "user.lesson.completed").await;
    world.pass(MINUTE).await;
    let matched = deliveries(&world, &tenant, "e", 2).await;
    assert_eq!(matched.len(), 2);
    let mut backfilled = Vec::new();
    for answer in [200, 500, 200] {
        world.answer(answer);
        let webhook = world.webhook(&tenant).await;
        let path = format!("/v1/webhooks/{webhook}");
        let request = json!({"since": START, "statuses": ["any"]});
        // What matched it already is not noted a second time.
        for path in [&path, &format!("/v1/webhooks/{}", matched[0].0)] {
            let ended = recover(&world, &tenant, path, request.clone()).await;
            assert_eq!(ended["progress"]["done"], 1, "{path}");
            world.answer(200);
        }
        let status = if answer == 200 {
            "succeeded"
        } else {
            "pending"
        };
        backfilled.push((webhook, status.to_owned()));
    }
    backfilled.sort();
    let all = [matched, backfilled.clone()].concat();
    for limit in 1..=6 {
        assert_eq!(
            deliveries(&world, &tenant, "e", limit).await,
            all,
            "{limit}"
        );
    }
    // A webhook that is gone gets nothing any more.
    let waiting = backfilled.iter().find(|(_, status)| status == "pending");
    let path = format!("/v1/webhooks/{}", waiting.unwrap().0);
    world
        .send_text(&tenant, "DELETE", &path, "")
        .await
        .data(200);
    let shown = deliveries(&world, &tenant, "e", 100).await;
    let cancelled = shown.iter().find(|(_, status)| status == "cancelled");
    assert_eq!(cancelled.unwrap().0, waiting.unwrap().0);
}

#[tokio::test(start_paused = true)]
async fn a_backfilled_delivery_that_fails_climbs_the_ladder_and_can_be_cancelled() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    publish(&world, &tenant, "e", "user.lesson.completed").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.answer(500);
    recover(
        &world,
        &tenant,
        &path,
        json!({"since": START, "statuses": ["any"]}),
    )
    .await;
    world.pass(2 * MINUTE).await;
    let attempts = log(&world, &tenant, &path, "e").await;
    assert_eq!(
        attempts,
        [("recover".to_owned(), 1), ("retry".to_owned(), 2)]
    );
    let under_way = recover(
        &world,
        &tenant,
        &path,
        json!({"since": START, "statuses": ["any"]}),
    )
    .await;
    assert_eq!(under_way["progress"]["done"], 1, "also what waits");
    let pending = world
        .get(&tenant, &format!("{path}/deliveries?status=pending"))
        .await;
    let delivery = pending.data(200)["deliveries"][0]["id"].clone();
    let one = format!("{path}/deliveries/{}/cancel", delivery.as_str().unwrap());
    world.send_text(&tenant, "POST", &one, "").await.data(200);
    world.pass(HOUR).await;
    assert_eq!(log(&world, &tenant, &path, "e").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn events_that_a_webhooks_dialect_has_no_body_for_are_counted() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    publish(&world, &tenant, "e", "a.b").await;
    let webhook = json!({"url": "https://example.com/", "events": ["*"], "dialect": "odin"});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = format!(
        "/v1/webhooks/{}",
        made.data(201)["webhook"]["id"].as_str().unwrap()
    );
    publish(&world, &tenant, "f", "user.lesson.completed").await;
    world.pass(1_000).await;
    // `a.b` is no type of odin's at all.
    let ended = recover(
        &world,
        &tenant,
        &path,
        json!({"since": START, "statuses": ["any"]}),
    )
    .await;
    assert_eq!(
        (&ended["result"]["deliveries"], &ended["result"]["skipped"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_recovery() {
    let (world, tenant, path) = world_of("odin").await;
    publish(&world, &tenant, "e", "user.lesson.completed").await;
    world.pass(1_000).await;
    let keyed = tenant.clone().with_idempotency_key("k");
    let request = json!({"since": START, "statuses": ["any"]});
    let first = recover(&world, &keyed, &path, request.clone()).await;
    assert_eq!(first["progress"]["done"], 1);
    world.pass(HOUR).await;
    let asked = format!("{path}/recover");
    let again = world.send(&keyed, "POST", &asked, request).await;
    assert_eq!(again.data(202)["job"]["id"], first["id"]);
    let other = json!({"since": START});
    let other = world.send(&keyed, "POST", &asked, other).await;
    other.assert_error(422, "idempotency_mismatch");
    world.pass(1_000).await;
    assert_eq!(world.posts(), 2);
}

#[tokio::test(start_paused = true)]
async fn recover_refuses_what_it_cannot_do() {
    let (world, tenant, path) = world_of("odin").await;
    let recover = format!("{path}/recover");
    for (request, field) in [
        (json!({"since": "yesterday"}), "since"),
        (json!({"since": "2025-09-01T00:00:00Z"}), "since"),
        (json!({"since": "2999-01-01T00:00:00Z"}), "since"),
        (json!({"until": "2025-09-01T00:00:00Z"}), "until"),
        (
            json!({"since": "2025-10-02T00:00:00Z", "until": "2025-10-01T00:00:00Z"}),
            "until",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "statuses": "pending"}),
            "statuses",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "statuses": []}),
            "statuses",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "statuses": ["any", "held"]}),
            "statuses",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "statuses": ["pending", "succeeded"]}),
            "statuses",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "status": ["pending"]}),
            "status",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "dry_run": "yes"}),
            "dry_run",
        ),
        (
            json!({"since": "2025-10-02T00:00:00Z", "untill": 1}),
            "untill",
        ),
    ] {
        let refused = world.send(&tenant, "POST", &recover, request.clone()).await;
        let code = if field == "status" || field == "untill" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{request}");
    }
    let stranger = world.tenant("other", "odin", "pro").await;
    let request = json!({"since": "2025-10-02T00:00:00Z"});
    let hidden = world.send(&stranger, "POST", &recover, request).await;
    hidden.assert_error(404, "not_found");
}

/// Somebody who disables a webhook and enables it again has lost nothing, and need not have noted when that was.
#[tokio::test(start_paused = true)]
async fn all_that_was_kept_from_a_webhook_is_sent_without_a_time() {
    let (world, tenant, path) = world_of("odin").await;
    assert_eq!(
        shown(&world, &tenant, &path).await["last_disabled_at"],
        json!(null)
    );
    world.answer(500);
    for id in ["e1", "e2", "e3"] {
        publish(&world, &tenant, id, "user.lesson.completed").await;
    }
    world.pass(90_000).await;
    set_status(&world, &tenant, &path, "disabled").await;
    let disabled_at = shown(&world, &tenant, &path).await["disabled"]["at"].clone();
    assert!(disabled_at.is_string());
    for id in ["e4", "e5"] {
        publish(&world, &tenant, id, "user.lesson.completed").await;
    }
    set_status(&world, &tenant, &path, "active").await;
    let active = shown(&world, &tenant, &path).await;
    assert_eq!(
        (&active["disabled"], &active["last_disabled_at"]),
        (&json!(null), &disabled_at)
    );
    world.answer(200);
    let begun = world
        .send_text(&tenant, "POST", &format!("{path}/recover"), "")
        .await;
    let begun = &begun.data(202)["job"];
    assert_eq!(begun["progress"]["reached"], Value::Null);
    world.pass(3_000).await;
    let ended = format!("/v1/jobs/{}", begun["id"].as_str().unwrap());
    let ended = world.get(&tenant, &ended).await.data(200)["job"].clone();
    assert_eq!(ended["progress"]["done"], 5);
    let all = ["e1", "e2", "e3", "e4", "e5"];
    assert_eq!(states(&world, &tenant, &all).await, ["succeeded"; 5]);
}

async fn shown(world: &World, tenant: &As, path: &str) -> Value {
    world.get(tenant, path).await.data(200)["webhook"].clone()
}

/// Two spans that meet take each event once, also the one that was accepted where they meet.
#[tokio::test(start_paused = true)]
async fn spans_that_meet_send_nothing_twice() {
    let (world, tenant, path) = world_of("odin").await;
    for id in ["before", "midnight", "after"] {
        publish(&world, &tenant, id, "user.lesson.completed").await;
        world.pass(1_000).await;
    }
    const MIDNIGHT: &str = "2025-10-09T08:53:21Z";
    for (span, sent) in [
        (json!({"until": MIDNIGHT, "statuses": ["any"]}), 1),
        (json!({"since": MIDNIGHT, "statuses": ["any"]}), 2),
    ] {
        let ended = recover(&world, &tenant, &path, span).await;
        assert_eq!(ended["progress"]["done"], sent);
    }
    for id in ["before", "midnight", "after"] {
        assert_eq!(log(&world, &tenant, &path, id).await.len(), 2, "{id}");
    }
    let events = world
        .get(&tenant, &format!("/v1/events?until={MIDNIGHT}"))
        .await;
    let events = events.data(200)["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 1);
}

/// A delivery's row names the time of each attempt, and an item of DynamoDB has room for 400 KB.
#[tokio::test(start_paused = true)]
async fn a_delivery_is_not_sent_again_after_a_thousand_attempts() {
    let (world, tenant, path) = world_of("brief").await;
    world.answer(500);
    publish(&world, &tenant, "e", "a.b").await;
    world.pass(MINUTE).await;
    assert_eq!(states(&world, &tenant, &["e"]).await, ["failed"]);
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    let log = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
    let retry = format!("{path}/logs/{log}/retry");

    // As if it had been sent so often.
    let items = world.items().await;
    let mut rows = items.iter();
    let row = rows
        .find(|row| row["pk"].as_s().unwrap().starts_with("D#"))
        .unwrap();
    let update = world.dynamodb.update_item().table_name(TABLE);
    let update = update
        .key("pk", row["pk"].clone())
        .key("sk", row["sk"].clone());
    let update = update.update_expression("SET n = :n, k = :n");
    let update = update.expression_attribute_values(":n", AttributeValue::N("999".to_owned()));
    update.send().await.unwrap();

    let posts = world.posts();
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    world.pass(MINUTE).await;
    assert_eq!(world.posts(), posts + 1);
    let refused = world.send_text(&tenant, "POST", &retry, "").await;
    refused.assert_error(409, "too_many_attempts");
    for request in [
        json!({"since": START}),
        json!({"since": START, "statuses": ["any"]}),
    ] {
        let ended = recover(&world, &tenant, &path, request).await;
        assert_eq!(
            (&ended["result"]["deliveries"], &ended["result"]["skipped"]),
            (&json!(0), &json!(1))
        );
    }
    world.pass(MINUTE).await;
    assert_eq!(world.posts(), posts + 1);
    assert_eq!(states(&world, &tenant, &["e"]).await, ["failed"]);
}

/// A closed catalogue does not have them any more. The events are there, and so is who subscribes to them.
#[tokio::test(start_paused = true)]
async fn events_of_a_deleted_type_are_sent_again_as_others_are() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let of_type = "/v1/event-types/gone.here";
    world
        .send(&operator, "PUT", of_type, json!({}))
        .await
        .data(201);
    let mut hooks = Vec::new();
    for events in [
        json!(["*"]),
        json!(["gone.*"]),
        json!(["gone.here"]),
        json!(["user"]),
    ] {
        let hook = json!({"url": "https://example.com/", "events": events});
        let made = world.send(&tenant, "POST", "/v1/webhooks", hook).await;
        let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
        hooks.push(format!("/v1/webhooks/{id}"));
    }
    publish(&world, &tenant, "e", "gone.here").await;
    world.pass(MINUTE).await;
    let deleted = world.send_text(&operator, "DELETE", of_type, "").await;
    deleted.data(200);
    for (hook, sent) in hooks.iter().zip([1, 1, 1, 0]) {
        let before = world.posts();
        let job = recover(&world, &tenant, hook, json!({"statuses": ["any"]})).await;
        assert_eq!(job["result"]["deliveries"], sent, "{hook}");
        assert_eq!(world.posts() - before, sent, "{hook}");
    }
    // By name too, where it is subscribed to.
    let named = json!({"statuses": ["any"], "event_types": ["gone.here"], "dry_run": true});
    let path = format!("{}/recover", hooks[2]);
    let counted = world.send(&tenant, "POST", &path, named.clone()).await;
    assert_eq!(counted.data(200)["count"], 1);
    let path = format!("{}/recover", hooks[3]);
    let refused = world.send(&tenant, "POST", &path, named).await;
    refused.assert_error(422, "unknown_event_type");
    assert_eq!(refused.fields(), ["event_types[0]"]);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_of_all_webhooks_of_a_tenant_that_is_deleted_meanwhile_fails() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    let acme = As::operator_for("acme");
    let all = json!({"since": START});
    let begun = world.send(&acme, "POST", "/v1/recover", all).await;
    let job = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    let deleted = world
        .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
        .await;
    deleted.data(202);
    world.run_for(60_000).await;
    let ended = world.get(&As::operator(), &format!("/v1/jobs/{job}")).await;
    let ended = &ended.data(200)["job"];
    assert_eq!(ended["status"], "failed", "{ended}");
    assert_eq!(ended["error"]["code"], "tenant_deleted");
}

#[tokio::test(start_paused = true)]
async fn each_unknown_event_type_is_named_at_its_place() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let types = json!(["user", "no.such", "content.*", "nor.this"]);
    for (path, field) in [
        (format!("/v1/webhooks/{webhook}/recover"), "event_types"),
        ("/v1/filter-preview".to_owned(), "events"),
        ("/v1/webhooks".to_owned(), "events"),
    ] {
        let mut body = json!({ field: types });
        if path == "/v1/webhooks" {
            body["url"] = "https://example.com/hook".into();
        }
        let refused = world.send(&tenant, "POST", &path, body).await;
        refused.assert_error(422, "unknown_event_type");
        let named = [format!("{field}[1]"), format!("{field}[3]")];
        assert_eq!(refused.fields(), named, "{path}");
        let body = json!({ field: ["user", 7], "url": "https://example.com/hook" });
        let refused = world.send(&tenant, "POST", &path, body).await;
        assert!(
            refused.fields().contains(&&*format!("{field}[1]")),
            "{path}"
        );
    }
}

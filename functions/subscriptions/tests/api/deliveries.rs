//! Logs, retries, deliveries, events.

use serde_json::{Value, json};

use crate::world::{Answered, As, World};

/// A failing webhook with one event on its ladder: the world, the tenant, the webhook's path.
async fn failing() -> (World, As, String) {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.answer(503);
    let event = json!({"id": "evt_1", "type": "user.lesson.completed", "data": {"n": 1}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    (world, tenant, path)
}

async fn logs(world: &World, tenant: &As, path: &str, query: &str) -> Vec<Value> {
    let logs = world.get(tenant, &format!("{path}/logs{query}")).await;
    logs.data(200)["logs"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_log_entry_tells_what_was_sent_and_answered() {
    let (world, tenant, path) = failing().await;
    let logs = logs(&world, &tenant, &path, "").await;
    let [log] = logs.as_slice() else {
        panic!("{logs:?}")
    };
    assert_eq!(log["status"], "failed");
    assert_eq!(log["response_status"], 503);
    assert_eq!(log["trigger"], "event");
    assert!(log["error"].is_string());
    assert_eq!(log["error_code"], "status");
    assert_eq!(log["tenant_id"], "acme");
    assert_eq!(
        path,
        format!("/v1/webhooks/{}", log["webhook_id"].as_str().unwrap())
    );
    assert_eq!(log["next_attempt_at"], "2025-10-09T08:54:20.000Z");

    let entry = format!("{path}/logs/{}", log["id"].as_str().unwrap());
    let detail = world.get(&tenant, &entry).await;
    let detail = &detail.data(200)["log"];
    for (name, value) in log.as_object().unwrap() {
        assert_eq!(detail[name], *value, "{name}");
    }
    assert_eq!(detail["request"]["url"], "https://example.com/hook");
    assert_eq!(detail["request"]["headers"]["webhook-id"], "evt_1");
    let body: Value = serde_json::from_str(detail["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["data"], json!({"n": 1}));
    assert_eq!(detail["response"]["status"], 503);
    assert_eq!(detail["response"]["headers"]["x-receiver"], "r");
    assert_eq!(detail["response"]["body"], "thanks");
    let another_deployments = format!("log_{}", "A".repeat(32));
    for unknown in ["log_1-1-evt_1", "log_", "nothing", &another_deployments] {
        let missing = world.get(&tenant, &format!("{path}/logs/{unknown}")).await;
        missing.assert_error(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_are_filtered() {
    let (world, tenant, path) = failing().await;
    let delivery = logs(&world, &tenant, &path, "").await[0]["delivery_id"].clone();
    let delivery = delivery.as_str().unwrap();
    world.answer(200);
    let event = json!({"id": "evt_2", "type": "content.saga.added", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    for (query, events) in [
        ("?status=failed", &["evt_1"][..]),
        ("?status=succeeded", &["evt_2"]),
        ("?trigger=event&status=failed", &["evt_1"]),
        ("?trigger=test", &[]),
        (
            "?trigger=event,retry&status=failed,succeeded",
            &["evt_2", "evt_1"],
        ),
        ("?response_status=503", &["evt_1"]),
        ("?response_status=2xx", &["evt_2"]),
        ("?response_status=404,5xx", &["evt_1"]),
        ("?error_code=status", &["evt_1"]),
        ("?error_code=timeout,dns", &[]),
        ("?event_type=content.saga.added", &["evt_2"]),
        ("?event_type=content", &["evt_2"]),
        ("?event_type=user.*", &["evt_1"]),
        ("?event_type=user.*,content.saga.added", &["evt_2", "evt_1"]),
        ("?event_id=evt_1", &["evt_1"]),
        ("?event_id=evt_3,evt_1", &["evt_1"]),
        (&format!("?delivery_id={delivery}"), &["evt_1"]),
        (
            &format!("?delivery_id=01a1fd5d-3425-8896-bce1-ae3e69c4f9c6,{delivery}"),
            &["evt_1"],
        ),
        ("?since=2025-10-09T08:53:21Z", &["evt_2"]),
        ("?until=2025-10-09T08:53:20.5Z", &["evt_1"]),
        // The first one was due at 08:53:20 sharp: it is of the span that begins then, not of the one that ends.
        ("?until=2025-10-09T08:53:20Z", &[]),
        ("?since=2025-10-09T08:53:20Z", &["evt_2", "evt_1"]),
        (
            "?since=2025-10-09T08:53:20Z&until=2025-10-09T08:53:20Z",
            &[],
        ),
        ("", &["evt_2", "evt_1"]),
    ] {
        let found = logs(&world, &tenant, &path, query).await;
        let found: Vec<_> = found
            .iter()
            .map(|log| log["event_id"].as_str().unwrap())
            .collect();
        assert_eq!(found, events, "{query}");
    }
    for (query, field) in [
        ("status=good", "status"),
        ("trigger=chance", "trigger"),
        ("trigger=event,chance", "trigger"),
        ("status=", "status"),
        ("response_status=50", "response_status"),
        ("response_status=xx", "response_status"),
        ("response_status=0xx", "response_status"),
        ("error_code=chance", "error_code"),
        ("event_type=a%20b", "event_type"),
        ("event_type=user.lesson.complete", "event_type"),
        ("since=yesterday", "since"),
        (
            "since=2025-10-09T09:00:00Z&until=2025-10-09T08:00:00Z",
            "until",
        ),
        ("event_id=%23", "event_id"),
        ("event_id=evt_1,", "event_id"),
        ("delivery_id=1", "delivery_id"),
        ("delivery_id=", "delivery_id"),
    ] {
        let refused = world.get(&tenant, &format!("{path}/logs?{query}")).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_by_hand_sends_now_and_is_refused_on_a_disabled_webhook() {
    let (world, tenant, path) = failing().await;
    let log = logs(&world, &tenant, &path, "").await[0]["id"].clone();
    let retry = format!("{path}/logs/{}/retry", log.as_str().unwrap());
    world.answer(200);
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    world.pass(1_000).await;
    let after = logs(&world, &tenant, &path, "").await;
    assert_eq!(after.len(), 2);
    assert_eq!(after[0]["trigger"], "manual");
    assert_eq!(after[0]["status"], "succeeded");
    assert_eq!(after[0]["delivery_id"], after[1]["delivery_id"]);
    let pending = world
        .get(&tenant, &format!("{path}/deliveries?status=pending"))
        .await;
    assert_eq!(pending.data(200)["deliveries"], json!([]));

    world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await
        .data(200);
    let refused = world.send_text(&tenant, "POST", &retry, "").await;
    refused.assert_error(409, "webhook_disabled");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_delivery_is_listed_and_cancelled_once() {
    let (world, tenant, path) = failing().await;
    let pending = world
        .get(&tenant, &format!("{path}/deliveries?status=pending"))
        .await;
    let waiting = &pending.data(200)["deliveries"][0];
    assert_eq!(waiting["event_id"], "evt_1");
    assert_eq!(waiting["attempts"], 1);
    assert_eq!(waiting["next_attempt_at"], "2025-10-09T08:54:20.000Z");
    let one = format!("{path}/deliveries/{}", waiting["id"].as_str().unwrap());
    let read = world.get(&tenant, &one).await;
    assert_eq!(read.data(200)["delivery"], *waiting);
    let cancel = format!("{one}/cancel");
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    let cancelled = &cancelled.data(200)["delivery"];
    assert_eq!(
        (&cancelled["status"], &cancelled["attempts"]),
        (&json!("cancelled"), &json!(1))
    );
    assert!(cancelled["ended_at"].is_string(), "{cancelled}");
    let audit = "/v1/audit?action=delivery.cancelled";
    let audit = world.get(&tenant, audit).await;
    let change = json!([{"field": "status", "before": "pending", "after": "cancelled"}]);
    assert_eq!(audit.data(200)["entries"][0]["changes"], change);
    // It stays so, whoever asks again.
    let again = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(again.data(200)["delivery"], *cancelled);
    let listed = world
        .get(&tenant, &format!("{path}/deliveries?status=cancelled"))
        .await;
    assert_eq!(listed.data(200)["deliveries"], json!([cancelled]));
    world.pass(120_000).await;
    assert_eq!(logs(&world, &tenant, &path, "").await.len(), 1);
}

/// Cancelling stops no attempt that is being made. Where it succeeds, that is what became of the delivery.
#[tokio::test(start_paused = true)]
async fn what_succeeds_while_it_is_cancelled_has_succeeded() {
    let (world, tenant, path) = failing().await;
    let pending = world
        .get(&tenant, &format!("{path}/deliveries?status=pending"))
        .await;
    let waiting = &pending.data(200)["deliveries"][0];
    let one = format!(
        "{path}/deliveries/{}/cancel",
        waiting["id"].as_str().unwrap()
    );
    world.answer(200);
    world.answer_after(4_000);
    while world.posts() < 2 {
        world.pass(1_000).await;
    }
    let cancelled = world.send_text(&tenant, "POST", &one, "").await;
    assert_eq!(cancelled.data(200)["delivery"]["status"], "cancelled");
    world.pass(10_000).await;
    let event = world.get(&tenant, "/v1/events/evt_1").await;
    assert_eq!(event.data(200)["deliveries"][0]["status"], "succeeded");
    let refused = world.send_text(&tenant, "POST", &one, "").await;
    refused.assert_error(409, "delivery_succeeded");
}

#[tokio::test(start_paused = true)]
async fn an_event_tells_where_each_of_its_deliveries_stands() {
    let (world, tenant, path) = failing().await;
    let failing = path.rsplit('/').next().unwrap();
    let event = world.get(&tenant, "/v1/events/evt_1").await;
    let event = event.data(200);
    assert_eq!(event["event"]["type"], "user.lesson.completed");
    assert_eq!(event["event"]["payload"]["data"], json!({"n": 1}));
    assert_eq!(event["deliveries"][0]["webhook_id"], failing);
    assert_eq!(event["deliveries"][0]["status"], "pending");
    assert_eq!(
        event["deliveries"][0],
        json!({
            "id": event["deliveries"][0]["id"],
            "event_id": "evt_1",
            "event_type": "user.lesson.completed",
            "webhook_id": failing,
            "tenant_id": "acme",
            "status": "pending",
            "attempts": 1,
            "next_attempt_at": "2025-10-09T08:54:20.000Z",
            "created_at": "2025-10-09T08:53:20.000Z",
            "ended_at": null,
        })
    );

    world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await
        .data(200);
    let other = world.webhook(&tenant).await;
    world.answer(200);
    let event = json!({"id": "evt_2", "type": "content.saga.added", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    let event = world.get(&tenant, "/v1/events/evt_2").await;
    let deliveries = event.data(200)["deliveries"].as_array().unwrap().clone();
    let status_of = |id: &str| {
        let found = deliveries
            .iter()
            .find(|delivery| delivery["webhook_id"] == id);
        found.unwrap()["status"].clone()
    };
    assert_eq!(status_of(&other), "succeeded");
    assert_eq!(status_of(failing), "missed");
    world
        .get(&tenant, "/v1/events/evt_3")
        .await
        .assert_error(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_test_takes_the_first_subscribed_type_and_is_logged_but_never_retried() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({"url": "https://example.com/", "events": ["content", "*"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = format!(
        "/v1/webhooks/{}",
        made.data(201)["webhook"]["id"].as_str().unwrap()
    );
    world
        .send(&tenant, "PATCH", &path, json!({"status": "disabled"}))
        .await
        .data(200);
    world.answer(500);
    let tested = world
        .send_text(&tenant, "POST", &format!("{path}/test"), "")
        .await;
    let tested = &tested.data(200)["log"];
    assert_eq!(tested["status"], "failed");
    assert_eq!(tested["event_type"], "content.mythology.updated");
    assert_eq!(tested["next_attempt_at"], Value::Null);
    let retry = format!("{path}/logs/{}/retry", tested["id"].as_str().unwrap());
    world
        .send(&tenant, "PATCH", &path, json!({"status": "active"}))
        .await
        .data(200);
    world
        .send_text(&tenant, "POST", &retry, "")
        .await
        .assert_error(409, "test_delivery");
    let unknown = json!({"event_type": "user.lesson"});
    let unknown = world
        .send(&tenant, "POST", &format!("{path}/test"), unknown)
        .await;
    unknown.assert_error(422, "unknown_event_type");
    assert_eq!(unknown.fields(), ["event_type"]);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_cannot_be_sent_is_told_and_is_in_no_log() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = json!({"url": "https://example.com/", "events": ["*"]});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let id = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let (test, logs) = (
        format!("/v1/webhooks/{id}/test"),
        format!("/v1/webhooks/{id}/logs"),
    );
    world.cut_off(true);
    let refused = world.send_text(&tenant, "POST", &test, "").await;
    refused.assert_error(503, "cannot_send");
    assert_eq!(refused.headers["retry-after"], "5");
    let log = world.send_text(&tenant, "GET", &logs, "").await;
    assert_eq!(log.data(200)["logs"], json!([]));
    world.cut_off(false);
    let tested = world.send_text(&tenant, "POST", &test, "").await;
    assert_eq!(tested.data(200)["log"]["status"], "succeeded");
}

/// The job that a call has begun, once it has ended.
async fn ended(world: &World, tenant: &As, begun: &Answered) -> Value {
    let id = begun.data(202)["job"]["id"].as_str().unwrap();
    world.pass(500).await;
    let job = world.get(tenant, &format!("/v1/jobs/{id}")).await;
    let job = job.data(200)["job"].clone();
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

#[tokio::test(start_paused = true)]
async fn all_that_waits_is_cancelled_at_once_and_what_comes_later_is_not() {
    let (world, tenant, path) = failing().await;
    let cancel_all = format!("{path}/deliveries/cancel");
    let publish = async |id: &str| {
        let event = json!({"id": id, "type": "user.lesson.completed", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(1_000).await;
    };
    for number in 2..5 {
        publish(&format!("evt_{number}")).await;
    }
    let waiting = json!({"statuses": ["pending"]});
    let cancelled = world.send(&tenant, "POST", &cancel_all, waiting.clone());
    let job = ended(&world, &tenant, &cancelled.await).await;
    assert_eq!((&job["kind"], &job["params"]), (&json!("cancel"), &waiting));
    assert_eq!(job["result"], json!({"deliveries": 4}));
    let again = world.send(&tenant, "POST", &cancel_all, waiting).await;
    let again = ended(&world, &tenant, &again).await;
    assert_eq!(again["result"], json!({"deliveries": 0}));
    publish("later").await;
    world.pass(60_000).await;
    let retried = logs(&world, &tenant, &path, "?trigger=retry").await;
    let [retried] = retried.as_slice() else {
        panic!("{retried:?}")
    };
    assert_eq!(retried["event_id"], "later");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_delivery_is_sent_now_and_its_ladder_goes_on_from_there() {
    let (world, tenant, path) = failing().await;
    let deliveries = format!("{path}/deliveries");
    let waiting = async || {
        let pending = format!("{deliveries}?status=pending");
        let pending = world.get(&tenant, &pending).await;
        pending.data(200)["deliveries"].as_array().unwrap().clone()
    };
    let id = waiting().await[0]["id"].clone();
    let retry = format!("{deliveries}/{}/retry", id.as_str().unwrap());
    let retried = world.send_text(&tenant, "POST", &retry, "").await;
    assert_eq!(retried.data(202)["delivery"]["id"], id);
    world.pass(1_000).await;
    let entries = logs(&world, &tenant, &path, "").await;
    assert_eq!(
        (&entries[0]["trigger"], &entries[0]["attempt"]),
        (&json!("manual"), &json!(2))
    );
    // The first rung is still to come.
    assert_eq!(waiting().await[0]["attempts"], 2);

    world.answer(200);
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    world.pass(1_000).await;
    assert_eq!(waiting().await, Vec::<Value>::new());
    // What has succeeded is sent once more, and stays so.
    let through = world.send_text(&tenant, "POST", &retry, "").await;
    assert_eq!(through.data(202)["delivery"]["status"], "succeeded");
    world.pass(1_000).await;
    assert_eq!(logs(&world, &tenant, &path, "").await.len(), 4);
    for unknown in ["nonsense", "00000000-0000-8000-8000-000000000000"] {
        for (method, rest) in [("GET", ""), ("POST", "/retry"), ("POST", "/cancel")] {
            let unknown = format!("{deliveries}/{unknown}{rest}");
            let unknown = world.send_text(&tenant, method, &unknown, "").await;
            unknown.assert_error(404, "not_found");
        }
    }
    let disable = json!({"status": "disabled"});
    world.send(&tenant, "PATCH", &path, disable).await.data(200);
    let refused = world.send_text(&tenant, "POST", &retry, "").await;
    refused.assert_error(409, "webhook_disabled");
}

/// Where the one delivery of `evt_1` stands, and how many a recovery would send.
async fn standing(world: &World, tenant: &As, path: &str) -> (Value, Value) {
    let event = world.get(tenant, "/v1/events/evt_1").await;
    let status = event.data(200)["deliveries"][0]["status"].clone();
    let asked = json!({"since": "2025-10-09T08:00:00Z", "dry_run": true});
    let counted = world
        .send(tenant, "POST", &format!("{path}/recover"), asked)
        .await;
    (status, counted.data(200)["count"].clone())
}

#[tokio::test(start_paused = true)]
async fn what_has_succeeded_stays_so_whatever_comes_of_sending_it_again() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "reward", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let event = json!({"id": "evt_1", "type": "trigger_event.created", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    let first = logs(&world, &tenant, &path, "").await[0]["id"].clone();
    let retry = format!("{path}/logs/{}/retry", first.as_str().unwrap());
    let succeeded = (json!("succeeded"), json!(0));

    // At first it has no row, then it has one.
    world.answer(503);
    for attempt in [2, 3] {
        let retried = world.send_text(&tenant, "POST", &retry, "").await;
        let retried = &retried.data(202)["delivery"];
        assert_eq!(
            (
                &retried["status"],
                &retried["attempts"],
                &retried["next_attempt_at"]
            ),
            (&json!("succeeded"), &json!(attempt - 1), &json!(null))
        );
        assert!(retried["ended_at"].is_string(), "{retried}");
        world.pass(3_600_000).await;
        let latest = &logs(&world, &tenant, &path, "").await[0];
        assert_eq!(latest["attempt"], attempt);
        assert_eq!(latest["trigger"], "manual");
        assert_eq!(latest["status"], "failed");
        assert_eq!(latest["next_attempt_at"], json!(null));
        assert_eq!(standing(&world, &tenant, &path).await, succeeded);
    }

    // Disabled before the attempt is made, it is not held either.
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        world.send(&tenant, "PATCH", &path, change).await.data(200);
        assert_eq!(standing(&world, &tenant, &path).await.0, "succeeded");
    }
    world.pass(1_000).await;
    assert_eq!(standing(&world, &tenant, &path).await, succeeded);

    // A recovery begins a ladder, on which it waits. Once that is used up, cancelled or cut off, it is what it was.
    let delivery = async || {
        let event = world.get(&tenant, "/v1/events/evt_1").await;
        event.data(200)["deliveries"][0].clone()
    };
    let ended = delivery().await["ended_at"].clone();
    let deliveries = format!("{path}/deliveries");
    let recover = async || {
        let asked = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
        let recover = format!("{path}/recover");
        world.send(&tenant, "POST", &recover, asked).await.data(202);
        world.pass(5_000).await;
        let waiting = format!("{deliveries}?status=pending");
        let waiting = world.get(&tenant, &waiting).await;
        let waiting = &waiting.data(200)["deliveries"][0];
        assert_eq!(waiting["status"], "pending");
        assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
        let id = waiting["id"].as_str().unwrap();
        format!("{deliveries}/{id}")
    };
    let is_as_it_was = async || {
        let now = delivery().await;
        assert_eq!(
            (&now["status"], &now["ended_at"]),
            (&json!("succeeded"), &ended)
        );
        let listed = world.get(&tenant, &deliveries).await;
        assert_eq!(listed.data(200)["deliveries"], json!([]));
    };
    recover().await;
    let attempts = logs(&world, &tenant, &path, "").await.len();
    world.pass(24 * 3_600_000).await;
    assert!(logs(&world, &tenant, &path, "").await.len() > attempts + 1);
    is_as_it_was().await;
    let one = recover().await;
    let cancel = format!("{one}/cancel");
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["delivery"]["status"], "succeeded");
    is_as_it_was().await;
    recover().await;
    let all = json!({"statuses": ["pending"]});
    let cancel = format!("{deliveries}/cancel");
    world.send(&tenant, "POST", &cancel, all).await.data(202);
    world.pass(5_000).await;
    is_as_it_was().await;
    recover().await;
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        world.send(&tenant, "PATCH", &path, change).await.data(200);
        is_as_it_was().await;
    }
    world.pass(24 * 3_600_000).await;
    is_as_it_was().await;
    world.send_text(&tenant, "POST", &retry, "").await.data(202);
    world.pass(1_000).await;
    is_as_it_was().await;
}

/// What succeeded at once has no row before it is sent again.
#[tokio::test(start_paused = true)]
async fn what_succeeded_at_once_keeps_its_time_when_it_is_sent_again() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let event = json!({"id": "evt_1", "type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(1_000).await;
    let delivery = async || {
        let event = world.get(&tenant, "/v1/events/evt_1").await;
        event.data(200)["deliveries"][0].clone()
    };
    let before = delivery().await;
    assert_eq!(before["status"], "succeeded");
    world.answer(500);
    let asked = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
    let recover = format!("{path}/recover");
    world.send(&tenant, "POST", &recover, asked).await.data(202);
    world.pass(5_000).await;
    assert_eq!(delivery().await["status"], "pending");
    let cancel = format!(
        "{path}/deliveries/{}/cancel",
        before["id"].as_str().unwrap()
    );
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    let cancelled = &cancelled.data(200)["delivery"];
    for name in ["status", "ended_at", "next_attempt_at"] {
        assert_eq!(cancelled[name], before[name], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_fails_leaves_a_delivery_as_it_was() {
    for (state, missed) in [("cancelled", 0), ("held", 1), ("missed", 1), ("failed", 1)] {
        let (world, tenant, path) = failing().await;
        let log = logs(&world, &tenant, &path, "").await[0]["id"].clone();
        let delivery = logs(&world, &tenant, &path, "").await[0]["delivery_id"].clone();
        let mut one = format!("{path}/deliveries/{}", delivery.as_str().unwrap());
        let set_status = async |status: &str| {
            let change = json!({ "status": status });
            world.send(&tenant, "PATCH", &path, change).await.data(200);
        };
        let mut by_log = Some(format!("{path}/logs/{}/retry", log.as_str().unwrap()));
        match state {
            "cancelled" => {
                let cancel = format!("{one}/cancel");
                let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
                cancelled.data(200);
            }
            "held" => {
                set_status("disabled").await;
                set_status("active").await;
            }
            "missed" => {
                set_status("disabled").await;
                let event = json!({"id": "evt_2", "type": "user.lesson.completed", "data": {}});
                let accepted = world.send(&tenant, "POST", "/v1/events", event).await;
                accepted.data(202);
                world.pass(1_000).await;
                set_status("active").await;
                let event = world.get(&tenant, "/v1/events/evt_2").await;
                let id = event.data(200)["deliveries"][0]["id"].clone();
                one = format!("{path}/deliveries/{}", id.as_str().unwrap());
                by_log = None;
            }
            _ => {
                world.pass(7 * 24 * 3_600_000).await;
                set_status("active").await;
            }
        }
        let standing = async || {
            let delivery = world.get(&tenant, &one).await;
            delivery.data(200)["delivery"].clone()
        };
        let before = standing().await;
        assert_eq!(before["status"], state);
        for retry in [Some(format!("{one}/retry")), by_log].into_iter().flatten() {
            let posts = world.posts();
            let retried = world.send_text(&tenant, "POST", &retry, "").await;
            assert_eq!(
                retried.data(202)["delivery"]["status"],
                "pending",
                "{state}"
            );
            world.pass(60_000).await;
            assert_eq!(world.posts(), posts + 1, "{state}");
            let after = standing().await;
            for name in ["status", "ended_at", "next_attempt_at"] {
                assert_eq!(after[name], before[name], "{state} {name}");
            }
            // A recovery is still for it, or still not.
            let asked = json!({"since": "2025-10-09T08:00:00Z", "dry_run": true});
            let recover = format!("{path}/recover");
            let counted = world.send(&tenant, "POST", &recover, asked).await;
            assert_eq!(
                counted.data(200)["count"],
                missed + u32::from(state == "missed")
            );
        }
    }
}

/// What an entry said of the next attempt was true when it was written, and then never again.
#[tokio::test(start_paused = true)]
async fn only_the_newest_attempt_of_what_waits_tells_of_the_next() {
    let (world, tenant, path) = failing().await;
    let nexts = async || {
        let entries = logs(&world, &tenant, &path, "").await;
        let mut shown = Vec::new();
        for entry in &entries {
            let id = entry["id"].as_str().unwrap();
            let one = world.get(&tenant, &format!("{path}/logs/{id}")).await;
            assert_eq!(
                one.data(200)["log"]["next_attempt_at"],
                entry["next_attempt_at"]
            );
            shown.push(entry["next_attempt_at"].clone());
        }
        shown
    };
    let at = |time: &str| json!(format!("2025-10-09T{time}.000Z"));
    assert_eq!(nexts().await, [at("08:54:20")]);
    world.pass(60_000).await;
    assert_eq!(nexts().await, [at("08:59:20"), json!(null)]);

    // By hand, the wait is put back.
    let newest = logs(&world, &tenant, &path, "").await[0]["id"].clone();
    let retry = format!("{path}/logs/{}/retry", newest.as_str().unwrap());
    let retried = world.send_text(&tenant, "POST", &retry, "").await;
    assert_eq!(retried.data(202)["delivery"]["status"], "pending");
    world.pass(1_000).await;
    let nothing = || json!(null);
    assert_eq!(nexts().await, [at("08:59:20"), nothing(), nothing()]);

    // Disabled it is held, active again it is held still.
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        world.send(&tenant, "PATCH", &path, change).await.data(200);
        assert_eq!(nexts().await, [nothing(), nothing(), nothing()], "{status}");
    }
    let asked = format!("{path}/recover");
    world
        .send(&tenant, "POST", &asked, json!({}))
        .await
        .data(202);
    world.pass(1_000).await;
    let waiting = nexts().await;
    assert!(waiting[0].is_string(), "{waiting:?}");
    assert_eq!(waiting[1..], [nothing(), nothing(), nothing()]);

    let cancel_all = format!("{path}/deliveries/cancel");
    let waiting = json!({"statuses": ["pending"]});
    let cancelled = world.send(&tenant, "POST", &cancel_all, waiting).await;
    let cancelled = ended(&world, &tenant, &cancelled).await;
    assert_eq!(cancelled["result"]["deliveries"], 1);
    assert_eq!(nexts().await, vec![nothing(); 4]);
    let event = world.get(&tenant, "/v1/events/evt_1").await;
    let delivery = &event.data(200)["deliveries"][0];
    assert_eq!(
        (
            &delivery["status"],
            &delivery["attempts"],
            &delivery["next_attempt_at"]
        ),
        (&json!("cancelled"), &json!(4), &json!(null))
    );
    assert!(delivery["ended_at"].is_string(), "{delivery}");
}

/// Two webhooks that get an event at the same moment: their attempts have the same time, position and event.
#[tokio::test(start_paused = true)]
async fn a_log_id_names_one_attempt_of_the_deployment() {
    let (world, tenant, path) = failing().await;
    let second = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let event = json!({"id": "both", "type": "user.lesson.completed", "data": {}});
    world
        .send(&tenant, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    let mut ids = Vec::new();
    for path in [&path, &second] {
        let found = logs(&world, &tenant, path, "?event_id=both").await;
        ids.push(found[0]["id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    for (own, other) in [(&path, &second), (&second, &path)]
        .iter()
        .zip(&ids)
        .map(|((own, other), id)| (format!("{own}/logs/{id}"), format!("{other}/logs/{id}")))
    {
        assert_eq!(
            world.get(&tenant, &own).await.data(200)["log"]["event_id"],
            "both"
        );
        world
            .get(&tenant, &other)
            .await
            .assert_error(404, "not_found");
    }
}

/// Of events that several webhooks get at one moment, each attempt stands on one page and on one only.
#[tokio::test(start_paused = true)]
async fn a_tenants_log_is_that_of_all_its_webhooks() {
    let (world, tenant, path) = failing().await;
    world.answer(200);
    let first = path.rsplit('/').next().unwrap().to_owned();
    let mut webhooks = vec![first.clone()];
    for _ in 0..2 {
        webhooks.push(world.webhook(&tenant).await);
    }
    for n in 0..5 {
        let event = json!({"id": format!("e{n}"), "type": "content.saga.added", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        assert_eq!(published.data(202)["deliveries"], 3);
    }
    world.pass(1_000).await;
    let stranger = world.tenant("other", "odin", "pro").await;
    let theirs = world.webhook(&stranger).await;

    let walk = async |who: &As, query: &str, limit: usize| {
        let first = format!("/v1/logs?limit={limit}{query}");
        let (mut all, mut path) = (Vec::new(), first.clone());
        loop {
            let page = world.get(who, &path).await;
            let data = page.data(200);
            let entries = data["logs"].as_array().unwrap();
            assert!(entries.len() <= limit);
            for entry in entries {
                let name = |member: &str| entry[member].as_str().unwrap().to_owned();
                all.push((name("webhook_id"), name("event_id")));
            }
            match data["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return all,
            }
        }
    };
    let whole = walk(&tenant, "", 100).await;
    assert_eq!(whole.len(), 16, "{whole:?}");
    assert_eq!(
        whole[15],
        (first.clone(), "evt_1".to_owned()),
        "newest first"
    );
    for limit in [1, 2, 3, 7, 16] {
        assert_eq!(walk(&tenant, "", limit).await, whole, "{limit}");
    }
    for (query, count) in [
        ("&status=failed".to_owned(), 1),
        ("&event_type=content.*".to_owned(), 15),
        ("&event_id=e3".to_owned(), 3),
        (format!("&webhook_id={},{}", webhooks[1], webhooks[2]), 10),
        (format!("&webhook_id={theirs}"), 0),
    ] {
        for limit in [2, 100] {
            let found = walk(&tenant, &query, limit).await;
            assert_eq!(found.len(), count, "{query}");
        }
    }
    assert_eq!(walk(&stranger, "", 100).await, []);
    let first = world.get(&tenant, "/v1/logs?limit=1").await;
    let cursor = first.data(200)["next_cursor"].as_str().unwrap().to_owned();
    for other in [format!("{path}/logs"), "/v1/logs".to_owned()] {
        let who = if other == "/v1/logs" {
            &stranger
        } else {
            &tenant
        };
        let refused = world.get(who, &format!("{other}?cursor={cursor}")).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["cursor"]);
    }

    for _ in 0..198 {
        world.webhook(&tenant).await;
    }
    // More than are read as one list: the oldest 200 first.
    for limit in [3, 16] {
        assert_eq!(walk(&tenant, "", limit).await, whole, "{limit}");
    }
    let event = json!({"id": "last", "type": "content.saga.added", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(1_000).await;
    for limit in [5, 100] {
        for (order, events) in [("", ["last", "e4"]), ("&order=asc", ["evt_1", "e0"])] {
            let mut all = walk(&tenant, order, limit).await;
            assert_eq!(all[0].1, events[0]);
            // The webhook that is the 201st stands in a batch of its own.
            assert_eq!(all.last().unwrap().1, "last");
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 16 + 201, "each once: {order} {limit}");
        }
    }
    let named = format!("&webhook_id={}", webhooks[1]);
    assert_eq!(walk(&tenant, &named, 100).await.len(), 6);
}

/// Of many webhooks one gets nearly everything: its log alone is read on, those of the others are read once.
#[tokio::test(start_paused = true)]
async fn a_log_of_many_webhooks_is_in_order_and_reads_on_where_it_must() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let hook = |types: &str| json!({"url": "https://example.com/hook", "events": [types]});
    let mut expected = Vec::new();
    for number in 0..60 {
        let types = if number % 20 == 7 { "busy.*" } else { "rare" };
        let made = world
            .send(&tenant, "POST", "/v1/webhooks", hook(types))
            .await;
        made.data(201);
        world.pass(10).await;
    }
    for number in 0..90 {
        let (name, takers) = if number % 30 == 4 {
            ("rare", 57)
        } else {
            ("busy.one", 3)
        };
        let id = format!("e{number:02}");
        let event = json!({"id": id, "type": name, "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        assert_eq!(published.data(202)["deliveries"], takers);
        expected.extend(vec![id; takers]);
        world.pass(10).await;
    }
    world.pass(1_000).await;
    for (order, filter, every) in [
        ("desc", "", 1),
        ("asc", "", 1),
        ("desc", "&event_type=busy.*&status=succeeded", 3),
        ("asc", "&event_type=rare", 57),
    ] {
        let mut wanted = expected.clone();
        if every > 1 {
            let is_wanted = |id: &String| expected.iter().filter(|it| *it == id).count() == every;
            wanted.retain(is_wanted);
        }
        if order == "desc" {
            wanted.reverse();
        }
        for limit in [7, 100] {
            let first = format!("/v1/logs?limit={limit}&order={order}{filter}");
            let (mut found, mut path) = (Vec::new(), first.clone());
            loop {
                let page = world.get(&tenant, &path).await;
                let data = page.data(200);
                for entry in data["logs"].as_array().unwrap() {
                    found.push(entry["event_id"].as_str().unwrap().to_owned());
                }
                match data["next_cursor"].as_str() {
                    Some(cursor) => path = format!("{first}&cursor={cursor}"),
                    None => break,
                }
            }
            assert_eq!(found, wanted, "{first}");
        }
    }
    // The key and the tenant, the list of webhooks and their rows, each partition once, and the three that are busy again.
    let before = world.calls();
    world.get(&tenant, "/v1/logs?limit=100").await.data(200);
    let calls = world.calls() - before;
    assert!((240..=270).contains(&calls), "{calls} calls");
}

/// Each state has its list, and each delivery is found by its id, whether it has a row or its log entry alone.
#[tokio::test(start_paused = true)]
async fn deliveries_are_listed_by_where_they_stand_and_sent_from_there() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "brief", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let second = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let stop = json!({"status": "disabled"});
    world
        .send(&tenant, "PATCH", &second, stop.clone())
        .await
        .data(200);
    let publish = async |id: &str| {
        let event = json!({"id": id, "type": "a.b", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
    };
    publish("through").await;
    world.pass(500).await;
    world.answer(500);
    publish("failed").await;
    world.pass(5_000).await;
    publish("cancelled").await;
    world.pass(500).await;
    let cancel_all = format!("{path}/deliveries/cancel");
    let waiting = json!({"statuses": ["pending"]});
    let cancelled = world.send(&tenant, "POST", &cancel_all, waiting).await;
    let cancelled = ended(&world, &tenant, &cancelled).await;
    assert_eq!(cancelled["result"]["deliveries"], 1);
    publish("held").await;
    world.pass(500).await;
    world.send(&tenant, "PATCH", &path, stop).await.data(200);
    publish("missed").await;
    world.pass(5_000).await;
    let list = async |status: &str| {
        let listed = format!("{path}/deliveries{status}");
        let listed = world.get(&tenant, &listed).await;
        listed.data(200)["deliveries"].as_array().unwrap().clone()
    };
    let names = |listed: &[Value]| -> Vec<String> {
        let name = |one: &Value| one["event_id"].as_str().unwrap().to_owned();
        listed.iter().map(name).collect()
    };
    for (status, events) in [
        ("?status=failed", &["failed"][..]),
        ("?status=cancelled", &["cancelled"]),
        ("?status=held", &["held"]),
        ("?status=missed", &["missed"]),
        ("?status=pending", &[]),
        ("?status=held,missed", &["missed", "held"]),
        ("", &["missed", "held", "cancelled", "failed"]),
        ("?limit=1&status=failed", &["failed"]),
    ] {
        assert_eq!(names(&list(status).await), events, "{status}");
    }
    for wrong in ["succeeded", "any", "failed,", ""] {
        let wrong = format!("{path}/deliveries?status={wrong}");
        let refused = world.get(&tenant, &wrong).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["status"]);
    }

    let log = logs(&world, &tenant, &path, "?event_id=through").await[0].clone();
    let through = log["delivery_id"].as_str().unwrap().to_owned();
    let one = world
        .get(&tenant, &format!("{path}/deliveries/{through}"))
        .await;
    let one = &one.data(200)["delivery"];
    assert_eq!(
        (&one["status"], &one["attempts"], &one["ended_at"]),
        (&json!("succeeded"), &json!(1), &log["delivered_at"])
    );
    // Not that of the other webhook, which missed the event.
    let other = world
        .get(&tenant, &format!("{second}/deliveries/{through}"))
        .await;
    other.assert_error(404, "not_found");

    let all = list("").await;
    let retry = |one: &Value| format!("{path}/deliveries/{}/retry", one["id"].as_str().unwrap());
    let refused = world.send_text(&tenant, "POST", &retry(&all[0]), "").await;
    refused.assert_error(409, "webhook_disabled");
    let start = json!({"status": "active"});
    world.send(&tenant, "PATCH", &path, start).await.data(200);
    world.answer(200);
    let posts = world.posts();
    for one in &all {
        let retried = world.send_text(&tenant, "POST", &retry(one), "").await;
        assert_eq!(retried.data(202)["delivery"]["status"], "pending", "{one}");
    }
    world.pass(1_000).await;
    assert_eq!(world.posts(), posts + 4);
    assert_eq!(list("").await, [] as [Value; 0]);
    let attempts = logs(&world, &tenant, &path, "?event_id=missed").await;
    assert_eq!(
        (
            &attempts[0]["trigger"],
            &attempts[0]["attempt"],
            attempts.len()
        ),
        (&json!("manual"), &json!(1), 1)
    );

    // What was missed can be called off, too.
    let missed = world
        .get(&tenant, &format!("{second}/deliveries?limit=100"))
        .await;
    let missed = missed.data(200)["deliveries"].as_array().unwrap().clone();
    assert_eq!(missed.len(), 5);
    let cancel = format!(
        "{second}/deliveries/{}/cancel",
        missed[0]["id"].as_str().unwrap()
    );
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["delivery"]["status"], "cancelled");
}

/// What a dialect says is final is not tried again, and costs the webhook nothing.
#[tokio::test(start_paused = true)]
async fn a_status_that_the_dialect_gives_up_on_ends_the_delivery_at_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "shaped", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    for (status, ended, posts) in [(403, "failed", 1), (500, "pending", 2)] {
        world.answer(status);
        let event = json!({"type": "user.lesson.completed", "data": {"status": status}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        let event = published.data(202)["event"]["id"].clone();
        world.pass(500).await;
        assert_eq!(world.posts(), posts, "{status}");
        let deliveries = world.get(&tenant, &format!("{path}/deliveries")).await;
        let deliveries = deliveries.data(200)["deliveries"].as_array().unwrap();
        let mut of_event = deliveries.iter().filter(|one| one["event_id"] == event);
        let delivery = of_event.next().unwrap();
        assert_eq!(delivery["status"], ended, "{delivery}");
        assert_eq!(delivery["attempts"], 1);
    }
    let webhook = world.get(&tenant, &path).await;
    assert_eq!(webhook.data(200)["webhook"]["status"], "active");
}

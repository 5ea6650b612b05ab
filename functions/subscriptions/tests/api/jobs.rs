//! Jobs: chosen, paced, listed and cancelled.

use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE: u64 = 60_000;

/// A tenant with a webhook that missed events of these types and is active again; the webhook's path.
async fn missed(types: &[&str]) -> (World, As, String) {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    set_status(&world, &tenant, &path, "disabled").await;
    for (number, event_type) in types.iter().enumerate() {
        let event = json!({"id": format!("e{number}"), "type": event_type, "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(10).await;
    }
    set_status(&world, &tenant, &path, "active").await;
    (world, tenant, path)
}

async fn set_status(world: &World, tenant: &As, path: &str, status: &str) {
    let changed = world.send(tenant, "PATCH", path, json!({"status": status}));
    changed.await.data(200);
}

async fn begin(world: &World, tenant: &As, path: &str, request: Value) -> String {
    let begun = world.send(tenant, "POST", path, request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap();
    format!("/v1/jobs/{id}")
}

async fn job(world: &World, who: &As, path: &str) -> Value {
    world.get(who, path).await.data(200)["job"].clone()
}

/// The webhook's deliveries that have not succeeded, by their events' ids.
async fn left(world: &World, tenant: &As, path: &str, status: &str) -> Vec<(String, String)> {
    let listed = format!("{path}/deliveries?limit=100&status={status}");
    let listed = world.get(tenant, &listed).await;
    let listed = listed.data(200)["deliveries"].as_array().unwrap().clone();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let named = listed
        .iter()
        .map(|one| (text(one, "event_id"), text(one, "id")));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

#[tokio::test(start_paused = true)]
async fn a_recovery_is_of_the_types_and_deliveries_that_are_named() {
    let types = [
        "user.lesson.completed",
        "content.saga.added",
        "user.lesson.completed",
        "api.key.expiring",
    ];
    let (world, tenant, path) = missed(&types).await;
    let recover = format!("{path}/recover");
    let deliveries = left(&world, &tenant, &path, "missed").await;
    assert_eq!(deliveries.len(), 4);
    let id = |number: usize| deliveries[number].1.clone();
    let nobodys = "00000000-0000-8000-8000-000000000000";
    for (request, count) in [
        (json!({"event_types": ["user.lesson.completed"]}), 2),
        (json!({"event_types": ["user.*", "content"]}), 3),
        (json!({"event_types": ["*"]}), 4),
        (json!({"event_types": ["user.*"], "statuses": ["any"]}), 2),
        (
            json!({"event_types": ["user.*"], "statuses": ["failed"]}),
            0,
        ),
        (json!({"delivery_ids": [id(1), id(3), nobodys]}), 2),
        (json!({"delivery_ids": [id(1)], "statuses": ["any"]}), 1),
        (json!({"delivery_ids": [id(1)], "event_types": ["user"]}), 0),
    ] {
        let mut dry = request.clone();
        dry["dry_run"] = json!(true);
        let counted = world.send(&tenant, "POST", &recover, dry).await;
        assert_eq!(counted.data(200)["count"], count, "{request}");
    }
    let request = json!({"delivery_ids": [id(1), id(3)], "event_types": ["content", "system"]});
    let begun = begin(&world, &tenant, &recover, request.clone()).await;
    world.pass(1_000).await;
    let ended = job(&world, &tenant, &begun).await;
    for name in ["delivery_ids", "event_types"] {
        assert_eq!(ended["params"][name], request[name]);
    }
    assert_eq!(ended["result"], json!({"deliveries": 2, "skipped": 0}));
    let names = left(&world, &tenant, &path, "missed").await.into_iter();
    assert!(names.map(|(event, _)| event).eq(["e0", "e2"]));

    for (request, field) in [
        (json!({"event_types": []}), "event_types"),
        (json!({"event_types": "user.*"}), "event_types"),
        (json!({"event_types": ["user.*", 7]}), "event_types[1]"),
        (json!({"event_types": []}), "event_types"),
        (json!({"delivery_ids": []}), "delivery_ids"),
        (json!({"delivery_ids": ["e0"]}), "delivery_ids"),
        (json!({"delivery_ids": vec![nobodys; 101]}), "delivery_ids"),
        (json!({"rate_per_second": 0}), "rate_per_second"),
        (json!({"rate_per_second": 1_001}), "rate_per_second"),
        (json!({"rate_per_second": 1.5}), "rate_per_second"),
    ] {
        let refused = world.send(&tenant, "POST", &recover, request.clone()).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{request}");
    }
}

/// Ten in a second, over more than one page; and when it is cancelled, what was not sent by then is not.
#[tokio::test(start_paused = true)]
async fn a_recovery_keeps_its_rate_and_sends_nothing_more_once_it_is_cancelled() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 130]).await;
    let recover = format!("{path}/recover");
    let slow = json!({"rate_per_second": 10});
    let begun = begin(&world, &tenant, &recover, slow).await;
    world.pass(5_000).await;
    let posts = world.posts();
    assert!((40..=55).contains(&posts), "{posts}");
    let running = job(&world, &tenant, &begun).await;
    assert_eq!(
        (&running["status"], &running["progress"]["done"]),
        (&json!("running"), &json!(100))
    );
    assert!(running["started_at"].is_string() && running["ended_at"].is_null());

    let cancel = format!("{begun}/cancel");
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    let cancelled = &cancelled.data(200)["job"];
    assert_eq!(
        (&cancelled["status"], &cancelled["result"]),
        (&json!("cancelled"), &json!(null))
    );
    assert!(cancelled["ended_at"].is_string());
    world.pass(MINUTE).await;
    // Those of the page that was under way had been handed to the queue.
    assert_eq!(world.posts(), 100);
    assert_eq!(left(&world, &tenant, &path, "missed").await.len(), 30);
    let still = job(&world, &tenant, &begun).await;
    assert_eq!(still, *cancelled);
    let again = world.send_text(&tenant, "POST", &cancel, "").await;
    again.assert_error(409, "job_ended");

    let rest = begin(&world, &tenant, &recover, json!({})).await;
    world.pass(5_000).await;
    assert_eq!(job(&world, &tenant, &rest).await["progress"]["done"], 30);
    assert_eq!(world.posts(), 130);
}

/// Whoever lets a recovery go slowly can stop it: it has no more under way than ten seconds take.
#[tokio::test(start_paused = true)]
async fn of_a_slow_recovery_ten_seconds_of_deliveries_are_under_way() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 30]).await;
    let slow = json!({"rate_per_second": 1});
    let begun = begin(&world, &tenant, &format!("{path}/recover"), slow).await;
    world.pass(5_000).await;
    let running = job(&world, &tenant, &begun).await;
    assert_eq!(
        (&running["status"], &running["progress"]["done"]),
        (&json!("running"), &json!(10))
    );
    let cancel = format!("{begun}/cancel");
    let cancelled = world.send_text(&tenant, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["job"]["status"], "cancelled");
    world.pass(MINUTE).await;
    assert_eq!(world.posts(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_of_a_webhook_that_is_disabled_or_deleted_meanwhile_has_failed() {
    for (gone, code) in [(false, "webhook_disabled"), (true, "webhook_deleted")] {
        let (world, tenant, path) = missed(&["user.lesson.completed"; 130]).await;
        let slow = json!({"rate_per_second": 50});
        let begun = begin(&world, &tenant, &format!("{path}/recover"), slow).await;
        world.pass(100).await;
        if gone {
            world
                .send_text(&tenant, "DELETE", &path, "")
                .await
                .data(200);
        } else {
            set_status(&world, &tenant, &path, "disabled").await;
        }
        world.pass(MINUTE).await;
        let failed = job(&world, &tenant, &begun).await;
        assert_eq!(failed["status"], "failed", "{failed}");
        assert_eq!(failed["error"]["code"], code);
        assert!(failed["error"]["message"].is_string());
        assert_eq!(failed["result"], json!(null));
        assert!(failed["ended_at"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_cancelled_by_their_statuses() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 120]).await;
    world.answer(500);
    for id in ["held", "pending"] {
        let event = json!({"id": id, "type": "user.lesson.completed", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(1_000).await;
        if id == "held" {
            // Its row says still that it waits.
            for status in ["disabled", "active"] {
                set_status(&world, &tenant, &path, status).await;
            }
        }
    }
    let cancel = format!("{path}/deliveries/cancel");
    for (statuses, count) in [
        (json!(["failed"]), 0),
        (json!(["held", "held"]), 1),
        (json!(["held"]), 0),
        (json!(["missed", "failed"]), 120),
        (json!(["pending", "missed"]), 1),
    ] {
        let request = json!({"statuses": statuses});
        let begun = begin(&world, &tenant, &cancel, request).await;
        world.pass(1_000).await;
        let ended = job(&world, &tenant, &begun).await;
        assert_eq!(ended["result"], json!({"deliveries": count}), "{statuses}");
    }
    let left = left(&world, &tenant, &path, "pending,held,missed,failed").await;
    assert_eq!(left, []);
    let posts = world.posts();
    world.pass(24 * 60 * MINUTE).await;
    assert_eq!(world.posts(), posts);
    for (request, field, code) in [
        (json!({}), "statuses", "invalid_request"),
        (json!({"statuses": []}), "statuses", "invalid_request"),
        (json!({"statuses": ["any"]}), "statuses", "invalid_request"),
        (
            json!({"statuses": ["succeeded"]}),
            "statuses",
            "invalid_request",
        ),
        (
            json!({"statuses": ["held"], "status": 1}),
            "status",
            "unknown_field",
        ),
    ] {
        let refused = world.send(&tenant, "POST", &cancel, request.clone()).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_of_each_kind_are_listed_and_cancelled_by_whose_they_are() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 130]).await;
    let stranger = world.tenant("other", "odin", "pro").await;
    let operator = As::operator();
    let id = |path: &str| json!(path.trim_start_matches("/v1/jobs/"));
    let slow = json!({"rate_per_second": 10});
    let recover = begin(&world, &tenant, &format!("{path}/recover"), slow).await;
    world.pass(1_000).await;
    let statuses = json!({"statuses": ["failed"]});
    let cancel = begin(
        &world,
        &tenant,
        &format!("{path}/deliveries/cancel"),
        statuses,
    )
    .await;
    world.pass(1_000).await;
    let redrive = begin(&world, &operator, "/v1/dead-letters/redrive", json!({})).await;
    world.pass(1_000).await;
    let other = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let deleted = world.send_text(&tenant, "DELETE", &other, "").await;
    let erase = deleted.data(200)["job"]["id"].as_str().unwrap();
    let erase = format!("/v1/jobs/{erase}");
    world.pass(1_000).await;

    let list = async |who: &As, query: &str| {
        let jobs = world.get(who, &format!("/v1/jobs{query}")).await;
        let jobs = jobs.data(200)["jobs"].as_array().unwrap().clone();
        Vec::from_iter(jobs.iter().map(|job| job["id"].clone()))
    };
    let hook = path.trim_start_matches("/v1/webhooks/");
    let of_hook = format!("?webhook_id={hook},nobodys");
    let none: [Value; 0] = [];
    for (query, all, own) in [
        (
            "",
            vec![&erase, &redrive, &cancel, &recover],
            vec![&erase, &cancel, &recover],
        ),
        (
            "?kind=recover,redrive",
            vec![&redrive, &recover],
            vec![&recover],
        ),
        (
            "?status=running",
            vec![&erase, &recover],
            vec![&erase, &recover],
        ),
        (
            "?status=succeeded&kind=cancel",
            vec![&cancel],
            vec![&cancel],
        ),
        (&of_hook, vec![&cancel, &recover], vec![&cancel, &recover]),
    ] {
        let ids = |paths: Vec<&String>| Vec::from_iter(paths.into_iter().map(|path| id(path)));
        assert_eq!(list(&operator, query).await, ids(all), "{query}");
        assert_eq!(list(&tenant, query).await, ids(own), "{query}");
        assert_eq!(list(&stranger, query).await, none, "{query}");
    }
    let pages = world.get(&operator, "/v1/jobs?limit=3").await;
    let cursor = pages.data(200)["next_cursor"].as_str().unwrap().to_owned();
    let rest = format!("?limit=3&cursor={cursor}");
    assert_eq!(list(&operator, &rest).await, [id(&recover)]);

    let reader = world.key("acme", json!({"scopes": ["read"]})).await;
    for (who, path, status, code) in [
        (&reader, &recover, 403, "forbidden"),
        (&stranger, &recover, 404, "not_found"),
        (&tenant, &redrive, 404, "not_found"),
        (&tenant, &cancel, 409, "job_ended"),
        (&operator, &redrive, 409, "job_ended"),
        (&tenant, &erase, 409, "job_not_cancellable"),
    ] {
        let refused = world
            .send_text(who, "POST", &format!("{path}/cancel"), "")
            .await;
        refused.assert_error(status, code);
    }
    let cancel = format!("{recover}/cancel");
    let cancelled = world.send_text(&operator, "POST", &cancel, "").await;
    assert_eq!(cancelled.data(200)["job"]["status"], "cancelled");
    assert_eq!(list(&tenant, "?status=cancelled").await, [id(&recover)]);
    let audit = world.get(&tenant, "/v1/audit?action=job.cancelled").await;
    let entries = audit.data(200)["entries"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        entries[0]["target"],
        json!({"kind": "job", "id": id(&recover)})
    );
}

/// All active webhooks of a tenant, or of every tenant, in one job; what is disabled is left out, and so is what was deleted.
#[tokio::test(start_paused = true)]
async fn a_recovery_reaches_all_webhooks_of_a_tenant_or_of_the_deployment() {
    let world = World::new().await;
    let mut tenants = Vec::new();
    for name in ["acme", "other"] {
        let tenant = world.tenant(name, "odin", "pro").await;
        let mut paths = Vec::new();
        for _ in 0..3 {
            paths.push(format!("/v1/webhooks/{}", world.webhook(&tenant).await));
            world.pass(10).await;
        }
        for path in &paths {
            set_status(&world, &tenant, path, "disabled").await;
        }
        for number in 0..110 {
            let id = format!("e{number}");
            let event = json!({"id": id, "type": "user.lesson.completed", "data": {}});
            let published = world.send(&tenant, "POST", "/v1/events", event).await;
            published.data(202);
        }
        // The first stays disabled.
        for path in &paths[1..] {
            set_status(&world, &tenant, path, "active").await;
        }
        tenants.push((tenant, paths));
    }
    let (operator, (acme, paths)) = (As::operator(), &tenants[0]);
    let (other, others) = &tenants[1];
    let recover = "/v1/recover";
    for (who, count) in [
        (acme, 220),
        (&As::operator_for("other"), 220),
        (&operator, 440),
    ] {
        let dry = json!({"dry_run": true, "event_types": ["user.*"]});
        let counted = world.send(who, "POST", recover, dry).await;
        assert_eq!(counted.data(200)["count"], count);
        assert_eq!(counted.data(200)["complete"], true);
    }
    let begun = begin(&world, acme, recover, json!({})).await;
    world.pass(10_000).await;
    let ended = job(&world, acme, &begun).await;
    assert_eq!(
        (&ended["status"], &ended["tenant_id"], &ended["webhook_id"]),
        (&json!("succeeded"), &json!("acme"), &json!(null))
    );
    assert_eq!(ended["result"], json!({"deliveries": 220, "skipped": 0}));
    assert_eq!(world.posts(), 220);
    assert_eq!(left(&world, acme, &paths[0], "missed").await.len(), 100);
    assert_eq!(left(&world, acme, &paths[1], "missed").await, []);
    let again = begin(&world, acme, recover, json!({})).await;
    world.pass(10_000).await;
    let again = job(&world, acme, &again).await;
    assert_eq!(again["result"], json!({"deliveries": 0, "skipped": 0}));

    // One of them is disabled on the way.
    let slow = json!({"rate_per_second": 20});
    let begun = begin(&world, &operator, recover, slow).await;
    world.pass(3_000).await;
    set_status(&world, other, &others[1], "disabled").await;
    world.pass(20_000).await;
    let ended = job(&world, &operator, &begun).await;
    assert_eq!(
        (&ended["status"], &ended["tenant_id"]),
        (&json!("succeeded"), &json!(null))
    );
    world
        .get(other, &begun)
        .await
        .assert_error(404, "not_found");
    assert_eq!(left(&world, other, &others[2], "missed").await, []);
    let held = left(&world, other, &others[1], "missed,held").await.len();
    assert!((1..100).contains(&held), "{held}");
    for (request, field) in [
        (json!({"event_types": ["not a type"]}), "event_types[0]"),
        (json!({"since": "2025-09-01T00:00:00Z"}), "since"),
        (json!({"webhook_id": "w"}), "webhook_id"),
    ] {
        let refused = world.send(&operator, "POST", recover, request).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]));
    }
}

/// One call for what somebody does who has repaired the receiver.
#[tokio::test(start_paused = true)]
async fn a_webhook_is_activated_and_sent_what_it_missed_in_one_call() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 3]).await;
    let plain = json!({"status": "disabled"});
    let changed = world.send(&tenant, "PATCH", &path, plain).await;
    assert_eq!(changed.data(200)["job"], json!(null));
    let both = json!({"status": "active", "recover": true});
    let changed = world.send(&tenant, "PATCH", &path, both).await;
    let data = changed.data(200);
    assert_eq!(data["webhook"]["status"], "active");
    assert_eq!(data["job"]["kind"], "recover");
    let begun = format!("/v1/jobs/{}", data["job"]["id"].as_str().unwrap());
    world.pass(1_000).await;
    let ended = job(&world, &tenant, &begun).await;
    assert_eq!(ended["result"], json!({"deliveries": 3, "skipped": 0}));
    assert_eq!(world.posts(), 3);
    for wrong in [
        json!({"recover": true}),
        json!({"recover": true, "status": "disabled"}),
        json!({"recover": "yes", "status": "active"}),
    ] {
        let refused = world.send(&tenant, "PATCH", &path, wrong).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["recover"]);
    }
}

/// Under an `Idempotency-Key` each call that begins a job answers what it answered first, and refuses another request.
#[tokio::test(start_paused = true)]
async fn a_key_is_one_job() {
    let (world, tenant, path) = missed(&["user.lesson.completed"; 3]).await;
    let (cancel, recover) = (
        format!("{path}/deliveries/cancel"),
        format!("{path}/recover"),
    );
    for (who, call, request, other) in [
        (
            &tenant,
            &*cancel,
            json!({"statuses": ["failed"]}),
            json!({"statuses": ["missed"]}),
        ),
        (
            &tenant,
            &*recover,
            json!({"statuses": ["missed"]}),
            json!({"statuses": ["held"]}),
        ),
        (
            &As::operator(),
            "/v1/dead-letters/redrive",
            json!({"queue": "deliver"}),
            json!({}),
        ),
    ] {
        let keyed = who.clone().with_idempotency_key("k");
        let first = begin(&world, &keyed, call, request.clone()).await;
        world.pass(2_000).await;
        let again = world.send(&keyed, "POST", call, request.clone()).await;
        assert_eq!(again.headers["location"], *first, "{call}");
        assert_eq!(again.data(202)["job"]["status"], "queued", "{call}");
        let refused = world.send(&keyed, "POST", call, other).await;
        refused.assert_error(422, "idempotency_mismatch");
        let unnamed = begin(&world, who, call, request).await;
        assert_ne!(unnamed, first);
    }
    assert_eq!(world.posts(), 3);
}

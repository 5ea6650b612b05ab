//! Erasing events, webhooks and tenants: what is gone, what is kept, and who may see the job.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// When a job has ended for certain: what may be under way is over by then.
const SETTLED: u64 = 4 * MINUTE;

/// The items of the table by their keys, each with the names of its other attributes.
pub(crate) async fn table(world: &World) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut items = BTreeMap::new();
    for mut item in world.items().await {
        let mut key = |name: &str| item.remove(name).unwrap().as_s().unwrap().clone();
        let key = (key("pk"), key("sk"));
        items.insert(key, item.into_keys().collect());
    }
    items
}

/// The keys of the items that hold what was published, posted or answered.
pub(crate) async fn contents(world: &World) -> Vec<(String, String)> {
    let items = table(world).await.into_iter();
    let holds = |names: &BTreeSet<String>| {
        ["b", "h", "md", "x"]
            .iter()
            .any(|name| names.contains(*name))
    };
    let holding = items.filter(|((pk, _), names)| !pk.starts_with("S#") && holds(names));
    holding.map(|(key, _)| key).collect()
}

async fn publish(world: &World, tenant: &As, id: &str) {
    let event = json!({"id": id, "type": "user.lesson.completed", "data": {"name": "Ada"}, "metadata": {"by": "Bob"}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

async fn delete(world: &World, who: &As, path: &str) -> Value {
    let deleted = world.send_text(who, "DELETE", path, "").await;
    let data = deleted.data(if path.contains("webhooks") { 200 } else { 202 });
    let job = data["job"].clone();
    assert_eq!(job["kind"], "erase");
    let location = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(deleted.headers["location"], location);
    job
}

/// A job as the operator sees it.
async fn job(world: &World, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let job = world.get(&As::operator(), &path).await;
    job.data(200)["job"].clone()
}

async fn statuses(world: &World, tenant: &As, event: &str) -> Vec<String> {
    let event = world.get(tenant, &format!("/v1/events/{event}")).await;
    let deliveries = event.data(200)["deliveries"].as_array().unwrap().clone();
    let status = |it: &Value| it["status"].as_str().unwrap().to_owned();
    deliveries.iter().map(status).collect()
}

#[tokio::test(start_paused = true)]
async fn an_erased_event_keeps_its_id_and_nothing_of_its_content() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.webhook(&tenant).await;
    publish(&world, &tenant, "e").await;
    world.pass(1_000).await;
    publish(&world, &tenant, "other").await;
    world.pass(1_000).await;
    let operator = As::operator_for("acme");
    let begun = delete(&world, &operator, "/v1/events/e").await;
    assert_eq!(begun["tenant_id"], "acme");
    assert_eq!(begun["webhook_id"], json!(null));
    assert_eq!(begun["params"], json!({"event_id": "e"}));
    assert_eq!(begun["created_by"], "key_root");

    // Its data is gone with the answer.
    let event = world.get(&tenant, "/v1/events/e").await;
    let event = &event.data(200)["event"];
    assert_eq!(
        (&event["data"], &event["metadata"], &event["payload"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(event["erased_at"].is_string());
    assert_eq!(event["type"], "user.lesson.completed");
    // Nothing is under way, so the job ends at once.
    world.pass(2_000).await;
    let ended = job(&world, &begun).await;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let result = &ended["result"];
    assert_eq!(
        (&result["events"], &result["log_entries"]),
        (&json!(1), &json!(2))
    );
    let places = result["remains"].as_array().unwrap().iter();
    let places: Vec<_> = places.map(|it| it["where"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        ["table", "queues", "dead_letters", "backups", "receivers"]
    );
    let until = |place: usize| {
        result["remains"][place]["until"]
            .as_str()
            .map(str::to_owned)
    };
    let ended_at: jiff::Timestamp = ended["ended_at"].as_str().unwrap().parse().unwrap();
    let week = ended_at + jiff::SignedDuration::from_hours(7 * 24);
    assert_eq!(until(1).unwrap().parse::<jiff::Timestamp>().unwrap(), week);
    assert_eq!(until(4), None);

    let listed = world.get(&tenant, "/v1/events").await;
    let listed = listed.data(200)["events"].as_array().unwrap().clone();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["erased_at"]),
        (&json!("other"), &json!(null))
    );
    assert_eq!(
        (&listed[1]["id"], &listed[1]["erased_at"]),
        (&json!("e"), &event["erased_at"])
    );
    let logs = world.get(&tenant, &format!("{path}/logs?event_id=e")).await;
    let log = logs.data(200)["logs"][0].clone();
    assert_eq!(
        (&log["status"], &log["response_status"]),
        (&json!("succeeded"), &json!(200))
    );
    let detail = format!("{path}/logs/{}", log["id"].as_str().unwrap());
    let shown = world.get(&tenant, &detail).await;
    let shown = &shown.data(200)["log"];
    assert_eq!(
        shown["request"],
        json!({"url": null, "headers": null, "body": null})
    );
    assert_eq!(
        shown["response"],
        json!({"status": 200, "headers": null, "body": null})
    );
    assert_eq!(shown["erased_at"], event["erased_at"]);
    let holding = contents(&world).await;
    assert!(
        holding
            .iter()
            .all(|(pk, sk)| pk.ends_with("other") || sk.contains("other")),
        "{holding:?}"
    );
    assert_eq!(holding.len(), 3);

    // Asked for again, it is the same job.
    let again = delete(&world, &operator, "/v1/events/e").await;
    assert_eq!(again, ended);
    let missing = world
        .send_text(&operator, "DELETE", "/v1/events/none", "")
        .await;
    missing.assert_error(404, "not_found");
    let forbidden = world
        .send_text(&tenant, "DELETE", "/v1/events/other", "")
        .await;
    forbidden.assert_error(403, "forbidden");
    let retried = world
        .send_text(&tenant, "POST", &format!("{detail}/retry"), "")
        .await;
    retried.assert_error(409, "event_erased");
    world.pass(HOUR).await;
    assert_eq!(world.posts(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_an_erased_event_is_refused_and_sends_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    publish(&world, &tenant, "e").await;
    let keyed = tenant.clone().with_idempotency_key("k");
    let unnamed = json!({"type": "user.lesson.completed", "data": {"name": "Ada"}});
    let published = world
        .send(&keyed, "POST", "/v1/events", unnamed.clone())
        .await;
    let by_key = published.data(202)["event"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.pass(1_000).await;
    let operator = As::operator_for("acme");
    for id in ["e", &by_key] {
        delete(&world, &operator, &format!("/v1/events/{id}")).await;
    }
    for data in [json!({"name": "Ada"}), json!({"name": "Bob"})] {
        let event = json!({"id": "e", "type": "user.lesson.completed", "data": data});
        let refused = world
            .send(&tenant, "POST", "/v1/events", event.clone())
            .await;
        refused.assert_error(409, "event_erased");
        assert_eq!(refused.fields(), ["id"]);
        let batch = json!({"events": [event, {"type": "content.saga.added", "data": {}}]});
        let batch = world.send(&tenant, "POST", "/v1/events/batch", batch).await;
        let results = &batch.body["data"]["results"];
        assert_eq!(results[0]["error"]["code"], "event_erased", "{results}");
        assert_eq!(results[1].get("error"), None, "{results}");
    }
    let refused = world.send(&keyed, "POST", "/v1/events", unnamed).await;
    refused.assert_error(409, "event_erased");
    world.pass(SETTLED).await;
    assert_eq!(
        world.posts(),
        4,
        "two events, and the others of two batches"
    );

    // A recovery leaves it out, and says so.
    let since = json!({"since": "2025-10-09T08:53:20Z", "statuses": ["any"]});
    let recover = format!("{path}/recover");
    let begun = world.send(&tenant, "POST", &recover, since).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    world.pass(1_000).await;
    let ended = world.get(&tenant, &format!("/v1/jobs/{id}")).await;
    let ended = &ended.data(200)["job"]["result"];
    assert_eq!(*ended, json!({"deliveries": 2, "skipped": 2}));
}

#[tokio::test(start_paused = true)]
async fn what_waits_of_an_erased_event_is_cancelled_wherever_it_waits() {
    // After so long it waits in the delay queue, parked, or has failed for good.
    for (waited, dialect, event_type) in [
        (1_000, "odin", "content.saga.added"),
        (7 * MINUTE, "odin", "content.saga.added"),
        (4 * HOUR, "reward", "trigger_event.created"),
    ] {
        let world = World::new().await;
        let tenant = world.tenant("acme", dialect, "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        world.answer(500);
        let event = json!({"id": "e", "type": event_type, "data": {"name": "Ada"}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(waited).await;
        let begun = delete(&world, &As::operator_for("acme"), "/v1/events/e").await;
        world.pass(2_000).await;
        let ended = job(&world, &begun).await;
        assert_eq!(ended["status"], "succeeded", "{ended}");
        assert_eq!(ended["result"]["deliveries"], 1);
        assert_eq!(statuses(&world, &tenant, "e").await, ["cancelled"]);
        let pending = world
            .get(&tenant, &format!("{path}/deliveries?status=pending"))
            .await;
        assert_eq!(pending.data(200)["deliveries"], json!([]));
        let parked = table(&world).await.into_keys();
        assert!(
            !parked
                .into_iter()
                .any(|(pk, sk)| pk.starts_with("Q#") && sk.contains("#e#"))
        );
        let since = json!({"since": "2025-10-09T08:53:20Z", "dry_run": true});
        let counted = world
            .send(&tenant, "POST", &format!("{path}/recover"), since)
            .await;
        assert_eq!(counted.data(200)["count"], 0);
        let posts = world.posts();
        world.pass(4 * HOUR).await;
        assert_eq!(world.posts(), posts, "{dialect}");
        assert_eq!(contents(&world).await, []);
    }
}

/// Everything of a tenant goes: each kind of item that there is of one.
#[tokio::test(start_paused = true)]
async fn a_deleted_tenant_leaves_its_number_and_its_jobs() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "metered", "pro").await;
    world.tenant("other", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let ends = json!({"scopes": ["publish"], "expires_at": "2026-10-09T08:53:20Z", "events_per_hour": 100});
    let key = world.key("acme", ends).await;
    let keyed = As::operator().with_idempotency_key("k");
    let made = world
        .send(
            &keyed,
            "POST",
            "/v1/tenants/acme/keys",
            json!({"scopes": ["manage"]}),
        )
        .await;
    made.data(201);
    let path = "/v1/event-types/user.lesson.completed";
    world
        .send(&tenant, "PUT", path, json!({"description": "A lesson."}))
        .await
        .data(200);
    let webhook =
        json!({"url": "https://example.com/", "events": ["user"], "rate_limit_per_second": 5});
    let made = world.send(&tenant, "POST", "/v1/webhooks", webhook).await;
    let path = format!(
        "/v1/webhooks/{}",
        made.data(201)["webhook"]["id"].as_str().unwrap()
    );
    let unheard = json!({"id": "unheard", "type": "content.saga.added", "data": {"name": "Ada"}});
    world
        .send(&key, "POST", "/v1/events", unheard)
        .await
        .data(202);
    world.answer(500);
    for id in ["failing", "erased"] {
        publish(&world, &key, id).await;
        world.pass(1_000).await;
    }
    delete(&world, &operator, "/v1/events/erased").await;
    world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await
        .data(200);
    let since = json!({"since": "2025-10-09T08:53:20Z"});
    world
        .send(&tenant, "POST", &format!("{path}/recover"), since)
        .await
        .data(202);
    let links = "/v1/tenants/acme/portal-links";
    let link = world.send(&As::operator(), "POST", links, json!({})).await;
    link.data(201);
    let gone = world.webhook(&tenant).await;
    publish(&world, &key, "both").await;
    world.pass(8 * MINUTE).await;
    delete(&world, &tenant, &format!("/v1/webhooks/{gone}")).await;
    let kinds: BTreeSet<_> = table(&world)
        .await
        .into_keys()
        .map(|(pk, sk)| kind(&pk, &sk))
        .collect();
    for kind in [
        "T#K#", "T#L#", "T#I#", "W#", "T#X#", "T#Y#", "T#J#", "E#-", "D#", "L#", "J#", "H#", "Q#",
        "G#", "U#",
    ] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }

    let begun = delete(&world, &As::operator(), "/v1/tenants/acme").await;
    // While it runs, the same call is answered with it.
    let again = delete(&world, &As::operator(), "/v1/tenants/acme").await;
    assert_eq!(again["id"], begun["id"]);
    world.pass(SETTLED).await;
    let ended = job(&world, &begun).await;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["result"]["events"], 5, "{ended}");
    let over = world
        .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
        .await;
    over.assert_error(404, "not_found");
    let left = table(&world).await.into_keys();
    let left = left.filter(|(pk, sk)| format!("{pk}#{sk}#").contains("#acme#") && pk != "A#acme");
    assert_eq!(
        Vec::from_iter(left),
        [("T#acme".to_owned(), "Z".to_owned())]
    );
    assert_eq!(contents(&world).await, []);
    let jobs = world.get(&As::operator(), "/v1/jobs").await;
    assert_eq!(jobs.data(200)["jobs"].as_array().unwrap().len(), 4);
    let posts = world.posts();
    world.pass(HOUR).await;
    assert_eq!(world.posts(), posts);
}

/// What kind of item has this key.
fn kind(pk: &str, sk: &str) -> String {
    let (letter, _) = pk.split_once('#').unwrap_or((pk, ""));
    match (letter, sk.split_once('#')) {
        ("T", Some((of, _))) => format!("T#{of}#"),
        ("E", None) => "E#-".to_owned(),
        _ => format!("{letter}#"),
    }
}

/// A tenant made anew keeps what is its own while the erasure of the one before it runs.
#[tokio::test(start_paused = true)]
async fn a_tenant_made_anew_is_none_of_the_erasures() {
    let world = World::new().await;
    let first = world.tenant("acme", "odin", "pro").await;
    world.webhook(&first).await;
    publish(&world, &first, "e").await;
    world.pass(1_000).await;
    let begun = delete(&world, &As::operator(), "/v1/tenants/acme").await;
    let second = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&second).await);
    publish(&world, &second, "e").await;
    world.pass(SETTLED).await;
    assert_eq!(job(&world, &begun).await["status"], "succeeded");
    let event = world.get(&second, "/v1/events/e").await;
    assert_eq!(event.data(200)["event"]["data"], json!({"name": "Ada"}));
    let logs = world.get(&second, &format!("{path}/logs")).await;
    let log = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
    let log = world.get(&second, &format!("{path}/logs/{log}")).await;
    assert_eq!(log.data(200)["log"]["response"]["body"], "thanks");
    // The jobs of the one before are none of its own, though it has the name.
    let jobs = world.get(&second, "/v1/jobs").await;
    assert_eq!(jobs.data(200)["jobs"], json!([]));
    let hidden = world
        .get(
            &second,
            &format!("/v1/jobs/{}", begun["id"].as_str().unwrap()),
        )
        .await;
    hidden.assert_error(404, "not_found");
    assert_eq!(world.posts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_webhook_leaves_events_but_nothing_of_what_it_was_sent() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    publish(&world, &tenant, "through").await;
    world.pass(1_000).await;
    world
        .send(&tenant, "POST", &format!("{path}/test"), json!({}))
        .await
        .data(200);
    world.answer(500);
    publish(&world, &tenant, "waits").await;
    world.pass(8 * MINUTE).await;
    let begun = delete(&world, &tenant, &path).await;
    assert_eq!(begun["webhook_id"], *id);
    assert!(begun["created_by"].as_str().unwrap().starts_with("key_"));
    let running = world
        .get(&tenant, "/v1/jobs?status=queued,running&kind=erase")
        .await;
    assert_eq!(running.data(200)["jobs"].as_array().unwrap().len(), 1);
    world.pass(SETTLED).await;
    let ended = job(&world, &begun).await;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["result"]["log_entries"], 5, "{ended}");
    assert_eq!(ended["result"]["deliveries"], 1, "{ended}");
    for (event, status) in [("through", "succeeded"), ("waits", "cancelled")] {
        assert_eq!(statuses(&world, &tenant, event).await, [status]);
    }
    let items = table(&world).await.into_keys();
    let parked = items.filter(|(pk, sk)| pk.starts_with("Q#") && sk.contains(&id));
    assert_eq!(Vec::from_iter(parked), []);
    let event = world.get(&tenant, "/v1/events/through").await;
    assert_eq!(event.data(200)["event"]["data"], json!({"name": "Ada"}));
    let holding = contents(&world).await;
    assert!(
        holding.iter().all(|(pk, _)| pk.starts_with("E#")),
        "{holding:?}"
    );
    assert_eq!(holding.len(), 3, "the two events, and that of the test");
    // Made anew under its id, it begins with an empty log.
    let webhook = json!({"id": id, "url": "https://example.com/", "events": ["*"]});
    let operator = As::operator_for("acme");
    world
        .send(&operator, "POST", "/v1/webhooks", webhook)
        .await
        .data(201);
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    assert_eq!(logs.data(200)["logs"], json!([]));
}

/// A webhook that is made anew while the erasure of the one before it runs keeps what is its own.
#[tokio::test(start_paused = true)]
async fn a_webhook_made_anew_is_none_of_the_erasures() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = json!({"id": "w", "url": "https://example.com/", "events": ["*"]});
    let make = || world.send(&operator, "POST", "/v1/webhooks", webhook.clone());
    make().await.data(201);
    publish(&world, &tenant, "before").await;
    world.pass(1_000).await;
    let begun = delete(&world, &tenant, "/v1/webhooks/w").await;
    world.pass(10).await;
    make().await.data(201);
    world.answer(500);
    publish(&world, &tenant, "after").await;
    world.pass(50_000).await;
    assert_eq!(job(&world, &begun).await["status"], "succeeded");
    assert_eq!(statuses(&world, &tenant, "after").await, ["pending"]);
    let holding = contents(&world).await;
    let logs: Vec<_> = holding
        .iter()
        .filter(|(pk, _)| pk.starts_with("L#"))
        .collect();
    assert!(logs.len() == 1 && logs[0].1.contains("#after#"), "{logs:?}");
    let posts = world.posts();
    world.pass(MINUTE).await;
    assert_eq!(world.posts(), posts + 1, "it climbs on");
}

/// A webhook that is made anew and disabled while the erasure of the one before it runs keeps what is held for it.
#[tokio::test(start_paused = true)]
async fn a_webhook_made_anew_and_disabled_keeps_what_is_held() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let webhook = json!({"id": "w", "url": "https://example.com/", "events": ["*"]});
    let make = || world.send(&operator, "POST", "/v1/webhooks", webhook.clone());
    make().await.data(201);
    let begun = delete(&world, &tenant, "/v1/webhooks/w").await;
    make().await.data(201);
    world.answer(500);
    publish(&world, &tenant, "after").await;
    world.pass(5).await;
    for status in ["disabled", "active", "disabled", "active"] {
        let change = json!({"status": status});
        world
            .send(&operator, "PATCH", "/v1/webhooks/w", change)
            .await
            .data(200);
    }
    world.pass(50_000).await;
    assert_eq!(job(&world, &begun).await["status"], "succeeded");
    assert_eq!(statuses(&world, &tenant, "after").await, ["held"]);
    let holding = contents(&world).await;
    let logs = holding.iter().filter(|(pk, _)| pk.starts_with("L#"));
    assert_eq!(logs.count(), 1);
}

/// A first attempt that finds no webhook leaves no trace: its event stays in the list, or goes with its tenant.
#[tokio::test(start_paused = true)]
async fn an_event_whose_first_attempt_is_dropped_is_not_lost_sight_of() {
    for with_tenant in [false, true] {
        let world = World::still().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        publish(&world, &tenant, "e").await;
        if with_tenant {
            delete(&world, &As::operator(), "/v1/tenants/acme").await;
        } else {
            delete(&world, &tenant, &path).await;
        }
        world.settle().await;
        world.pass(SETTLED).await;
        world.settle().await;
        assert_eq!(world.posts(), 0);
        if with_tenant {
            assert_eq!(contents(&world).await, []);
        } else {
            let listed = world.get(&tenant, "/v1/events").await;
            assert_eq!(listed.data(200)["events"][0]["id"], "e");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_by_kind_status_and_webhook() {
    let world = World::new().await;
    let acme = world.tenant("acme", "odin", "pro").await;
    let other = world.tenant("other", "odin", "pro").await;
    let mut ids = Vec::new();
    let mut webhooks = Vec::new();
    for tenant in [&acme, &other, &acme] {
        let webhook = world.webhook(tenant).await;
        let job = delete(&world, tenant, &format!("/v1/webhooks/{webhook}")).await;
        ids.push(job["id"].as_str().unwrap().to_owned());
        webhooks.push(webhook);
        world.pass(MINUTE).await;
    }
    let list = async |who: &As, query: &str| {
        let jobs = world.get(who, &format!("/v1/jobs{query}")).await;
        let jobs = jobs.data(200)["jobs"].as_array().unwrap().clone();
        let id = |job: &Value| job["id"].as_str().unwrap().to_owned();
        Vec::from_iter(jobs.iter().map(id))
    };
    let (all, own) = (As::operator(), [ids[2].clone(), ids[0].clone()]);
    assert_eq!(
        list(&all, "").await,
        [2, 1, 0].map(|place| ids[place].clone())
    );
    assert_eq!(list(&acme, "").await, own);
    assert_eq!(list(&As::operator_for("acme"), "?kind=erase").await, own);
    assert_eq!(
        list(&all, "?status=succeeded&limit=1").await,
        [ids[2].clone()]
    );
    assert_eq!(
        list(&all, "?status=queued,running,failed,cancelled").await,
        [""; 0]
    );
    let of_one = format!("?webhook_id={}", webhooks[1]);
    assert_eq!(list(&all, &of_one).await, [ids[1].clone()]);
    assert_eq!(list(&acme, &of_one).await, [""; 0]);
    for (query, field) in [
        ("kind=recovery", "kind"),
        ("status=done", "status"),
        ("status=", "status"),
        ("webhook_id=%23", "webhook_id"),
    ] {
        let refused = world.get(&all, &format!("/v1/jobs?{query}")).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
    let hidden = world.get(&acme, &format!("/v1/jobs/{}", ids[1])).await;
    hidden.assert_error(404, "not_found");
}

/// Whoever begins an erasure sees how it goes, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_key_that_may_only_erase_reads_erasures_alone() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let other = world.tenant("other", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let request = json!({"name": "eraser", "scopes": ["erase"]});
    let made = world
        .send(&As::operator(), "POST", "/v1/keys", request)
        .await;
    let operators = As::key(made.data(201)["key"]["key"].as_str().unwrap());
    let own = world.key("acme", json!({"scopes": ["erase"]})).await;
    let recover = format!("/v1/webhooks/{webhook}/recover");
    let recovery = world.send(&tenant, "POST", &recover, json!({})).await;
    let recovery = recovery.data(202)["job"]["id"].as_str().unwrap().to_owned();
    publish(&world, &other, "theirs").await;
    let theirs = delete(&world, &As::operator_for("other"), "/v1/events/theirs").await;
    for (event, erases, reads) in [
        ("a", own.clone(), own.clone()),
        (
            "b",
            operators.clone().naming("acme"),
            operators.clone().naming("acme"),
        ),
        ("c", operators.clone().naming("acme"), operators.clone()),
    ] {
        publish(&world, &tenant, event).await;
        let begun = delete(&world, &erases, &format!("/v1/events/{event}")).await;
        let path = format!("/v1/jobs/{}", begun["id"].as_str().unwrap());
        let seen = world.get(&reads, &path).await;
        assert_eq!(seen.data(200)["job"]["kind"], "erase");
        for refused in ["/v1/jobs".to_owned(), format!("/v1/jobs/{recovery}")] {
            let refused = world.get(&reads, &refused).await;
            refused.assert_error(403, "forbidden");
            assert_eq!(refused.fields(), ["Authorization"]);
        }
    }
    let theirs = format!("/v1/jobs/{}", theirs["id"].as_str().unwrap());
    world
        .get(&own, &theirs)
        .await
        .assert_error(404, "not_found");
    world.get(&operators, &theirs).await.data(200);
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    let refused = world.get(&publisher, &theirs).await;
    refused.assert_error(403, "forbidden");
}

/// Whether the attempt that succeeds is the first, which has no row, or a later one.
#[tokio::test(start_paused = true)]
async fn what_succeeds_while_its_event_is_erased_has_succeeded_wherever_it_is_shown() {
    for is_later in [false, true] {
        let world = World::new().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        if is_later {
            world.answer(500);
            publish(&world, &tenant, "e").await;
            world.pass(1_000).await;
            world.answer_after(5_000);
            world.answer(200);
            let event = world.get(&tenant, "/v1/events/e").await;
            let id = event.data(200)["deliveries"][0]["id"].clone();
            let retry = format!("{path}/deliveries/{}/retry", id.as_str().unwrap());
            let retried = world.send_text(&tenant, "POST", &retry, "").await;
            retried.data(202);
        } else {
            world.answer_after(5_000);
            publish(&world, &tenant, "e").await;
        }
        world.pass(1_000).await;
        let operator = As::operator_for("acme");
        let erased = delete(&world, &operator, "/v1/events/e").await;
        world.pass(1_000).await;
        assert_eq!(statuses(&world, &tenant, "e").await, ["cancelled"]);
        world.pass(SETTLED).await;
        assert_eq!(job(&world, &erased).await["status"], "succeeded");
        let logs = world.get(&tenant, &format!("{path}/logs")).await;
        assert_eq!(logs.data(200)["logs"][0]["status"], "succeeded");
        assert_eq!(statuses(&world, &tenant, "e").await, ["succeeded"]);
        let event = world.get(&tenant, "/v1/events/e").await;
        let id = event.data(200)["deliveries"][0]["id"].clone();
        let one = format!("{path}/deliveries/{}", id.as_str().unwrap());
        let one = world.get(&tenant, &one).await;
        assert_eq!(one.data(200)["delivery"]["status"], "succeeded");
        let cancelled = world
            .get(&tenant, &format!("{path}/deliveries?status=cancelled"))
            .await;
        assert_eq!(cancelled.data(200)["deliveries"], json!([]));
        assert_eq!(contents(&world).await, []);
    }
}

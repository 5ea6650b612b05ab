//! `Idempotency-Key`: a request under the same key is done once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    pin::pin,
    task::Context,
    task::Waker,
};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use axum::{body::Body, http::Request};
use futures_util::future::join;
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{As, World};

/// How long a call has a key to itself.
const CLAIM_MS: u64 = 30_000;
const DAY_MS: u64 = 24 * 3_600_000;

type Item = HashMap<String, AttributeValue>;

/// An answer to the byte.
#[derive(Debug, PartialEq)]
struct Raw {
    status: u16,
    location: Option<String>,
    etag: Option<String>,
    content_type: Option<String>,
    body: String,
}

async fn raw(world: &World, who: &As, key: &str, path: &str, body: &str) -> Raw {
    let mut request = Request::post(path)
        .header("authorization", who.bearer())
        .header("idempotency-key", key);
    if let Some(tenant) = who.tenant() {
        request = request.header("rung-tenant", tenant);
    }
    let (head, body) = world
        .plain(request.body(Body::from(body.to_owned())).unwrap())
        .await;
    let header = |name: &str| Some(head.headers.get(name)?.to_str().unwrap().to_owned());
    Raw {
        status: head.status.as_u16(),
        location: header("location"),
        etag: header("etag"),
        content_type: header("content-type"),
        body,
    }
}

impl Raw {
    #[track_caller]
    fn assert_error(&self, status: u16, code: &str) {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(
            (self.status, &body["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }

    #[track_caller]
    fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str::<Value>(&self.body).unwrap()["data"].take()
    }
}

/// Everything that the table and the queues hold, and what was posted.
async fn state(world: &World) -> (BTreeMap<String, Item>, usize, usize) {
    let items = world.items().await.into_iter();
    let items = items.map(|item| (format!("{:?} {:?}", item["pk"], item["sk"]), item));
    let items = items.collect();
    let mut waiting = 0;
    for queue in ["deliver", "retry"] {
        let attributes = world
            .sqs
            .get_queue_attributes()
            .queue_url(queue_url(queue))
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .unwrap();
        let attributes = attributes.attributes.unwrap();
        for name in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ] {
            waiting += attributes[&name].parse::<usize>().unwrap();
        }
    }
    (items, world.posts(), waiting)
}

/// A POST of openapi.json, as it is made in this world.
struct Post {
    who: As,
    /// As openapi.json has it.
    template: &'static str,
    path: String,
    status: u16,
    body: String,
    /// Another body that the call takes; `None` if it takes only one.
    other: Option<String>,
}

/// What the paths name.
struct Ids {
    webhook: String,
    log: String,
    deliveries: [String; 2],
    export: String,
}

/// Some POSTs: who makes them, their path in openapi.json, the status, and two bodies.
type Table = Vec<(As, &'static str, u16, Value, Value)>;

/// In an order in which each succeeds.
fn posts(ids: &Ids) -> Vec<Post> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let posts = of_tenants().into_iter().chain(of_the_operator());
    let posts = posts.map(|(who, template, status, body, other)| {
        let delivery = usize::from(template.ends_with("/cancel"));
        let path = template
            .replace("{tenant}", "acme")
            .replace("{webhook}", &ids.webhook)
            .replace("{log}", &ids.log)
            .replace("{delivery}", &ids.deliveries[delivery])
            .replace("{job}", &ids.export);
        Post {
            who,
            template,
            path,
            status,
            body: text(&body),
            other: (!other.is_null()).then(|| text(&other)),
        }
    });
    posts.collect()
}

#[rustfmt::skip]
fn of_tenants() -> Table {
    let acme = || As::operator_for("acme");
    let hook = |url: &str| json!({"url": url, "events": ["*"], "status": "disabled"});
    let overlap = |seconds: u64| json!({"overlap_seconds": seconds});
    let typed = |name: &str| json!({"event_type": name});
    let statuses = |name: &str| json!({"statuses": [name]});
    let event = |n: u64| json!({"type": "a.b", "data": {"n": n}});
    let batch = |n: u64| json!({"events": [event(n)]});
    vec![
        (acme(), "/v1/webhooks", 201, hook("https://example.com/a"), hook("https://example.com/b")),
        (acme(), "/v1/webhooks/{webhook}/test", 200, typed("a.b"), typed("a.c")),
        (acme(), "/v1/webhooks/{webhook}/prove", 200, typed("a.b"), typed("a.c")),
        (acme(), "/v1/webhooks/{webhook}/verify", 200, Value::Null, Value::Null),
        (acme(), "/v1/webhooks/{webhook}/rotate-secret", 200, overlap(60), overlap(61)),
        (acme(), "/v1/webhooks/{webhook}/rotate-secret/finish", 200, Value::Null, Value::Null),
        (acme(), "/v1/webhooks/{webhook}/logs/{log}/retry", 202, Value::Null, Value::Null),
        (acme(), "/v1/webhooks/{webhook}/deliveries/{delivery}/retry", 202, Value::Null, Value::Null),
        (acme(), "/v1/webhooks/{webhook}/deliveries/{delivery}/cancel", 200, Value::Null, Value::Null),
        (acme(), "/v1/webhooks/{webhook}/deliveries/cancel", 202, statuses("held"), statuses("missed")),
        (acme(), "/v1/webhooks/{webhook}/recover", 202, statuses("any"), statuses("failed")),
        (acme(), "/v1/recover", 202, statuses("missed"), statuses("failed")),
        (acme(), "/v1/filter-preview", 200, json!({"filter": null}), json!({"filter": {"n": [1]}})),
        (acme(), "/v1/events", 202, event(1), event(2)),
        (acme(), "/v1/events/batch", 202, batch(3), batch(4)),
    ]
}

#[rustfmt::skip]
fn of_the_operator() -> Table {
    let operator = As::operator;
    let key = |scope: &str| json!({"name": "a", "scopes": [scope]});
    // What is right only for a while is not judged again.
    let soon = "2025-10-09T08:58:00Z";
    let ends = json!({"scopes": ["read"], "expires_at": soon});
    let line = |id: &str| Value::String(format!("{}\n", json!({"tenant": {"id": id, "name": "I"}})));
    vec![
        (operator(), "/v1/tenants", 201, json!({"name": "A"}), json!({"name": "B"})),
        (operator(), "/v1/keys", 201, key("read"), key("publish")),
        (operator(), "/v1/tenants/{tenant}/keys", 201, ends, key("read")),
        (operator(), "/v1/tenants/{tenant}/portal-links", 201, json!({"expires_at": soon}), json!({})),
        (operator(), "/v1/dead-letters/redrive", 202, json!({"queue": "retry"}), json!({})),
        (operator(), "/v1/exports", 202, json!({}), json!({"include": ["logs"]})),
        (operator(), "/v1/jobs/{job}/cancel", 200, Value::Null, Value::Null),
        (operator(), "/v1/import", 200, line("imported"), line("another")),
        (operator(), "/v1/reencrypt", 200, Value::Null, Value::Null),
    ]
}

/// A world with two deliveries that failed, and an export that has not begun.
async fn world() -> (World, Ids) {
    let world = World::still().await;
    let acme = world.tenant("acme", "brief", "pro").await;
    let webhook = world.webhook(&acme).await;
    let path = format!("/v1/webhooks/{webhook}");
    world.answer(500);
    for id in ["one", "two"] {
        let event = json!({"id": id, "type": "a.b", "data": {}});
        let published = world.send(&acme, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.run_for(60_000).await;
    world.answer(200);
    let failed = world.get(&acme, &format!("{path}/deliveries")).await;
    let failed = failed.data(200)["deliveries"].clone();
    assert_eq!(failed[1]["status"], "failed");
    let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
    let logs = world.get(&acme, &format!("{path}/logs")).await;
    let export = world
        .send(&As::operator(), "POST", "/v1/exports", json!({}))
        .await;
    let ids = Ids {
        webhook,
        log: id(&logs.data(200)["logs"][0]),
        deliveries: [id(&failed[0]), id(&failed[1])],
        export: id(&export.data(202)["job"]),
    };
    (world, ids)
}

/// Each POST of the API: its repeat gets the same answer byte for byte, a day later without secrets, and changes nothing; another
/// body under the key is refused.
#[tokio::test(start_paused = true)]
async fn each_post_is_done_once_under_a_key() {
    let (world, ids) = world().await;
    let posts = posts(&ids);
    let document: Value = serde_json::from_str(include_str!("../../../../openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let with_post = paths.filter(|(_, methods)| methods.get("post").is_some());
    let expected: BTreeSet<_> = with_post.map(|(path, _)| path.as_str()).collect();
    let covered: BTreeSet<_> = posts.iter().map(|post| post.template).collect();
    assert_eq!(covered, expected);

    for Post {
        who,
        template,
        path,
        status,
        body,
        other,
    } in &posts
    {
        let first = raw(&world, who, "k", path, body).await;
        assert_eq!(first.status, *status, "{path}: {}", first.body);
        // Each event of a batch says whether it was there.
        let first = Raw {
            body: first
                .body
                .replace(r#""duplicate":false"#, r#""duplicate":true"#),
            ..first
        };
        let before = state(&world).await;
        assert_eq!(raw(&world, who, "k", path, body).await, first, "{path}");
        assert_eq!(raw(&world, who, "\"k\"", path, body).await, first, "{path}");
        // A body is what it says, not how.
        let spaced = if body.is_empty() {
            "{}".to_owned()
        } else {
            format!("{body} ")
        };
        if *template != "/v1/import" {
            assert_eq!(raw(&world, who, "k", path, &spaced).await, first, "{path}");
        }
        if let Some(other) = other {
            let other = raw(&world, who, "k", path, other).await;
            other.assert_error(422, "idempotency_mismatch");
        }
        let after = state(&world).await;
        if template.starts_with("/v1/events") {
            // A repeat of an event sends again what a queue may have lost, and receivers tell by the id.
            let events = |items: &BTreeMap<String, Item>| {
                items.keys().filter(|it| it.contains("E#acme#")).count()
            };
            assert_eq!(events(&after.0), events(&before.0), "{path}");
        } else {
            assert!(after == before, "{path}");
        }
        // Another key is another request.
        if *template == "/v1/webhooks/{webhook}/test" {
            let posts = world.posts();
            raw(&world, who, "l", path, body).await.data(200);
            assert_eq!(world.posts(), posts + 1);
        }
    }

    world.pass(DAY_MS).await;
    for Post {
        who,
        template,
        path,
        status,
        body,
        ..
    } in &posts
    {
        let late = raw(&world, who, "k", path, body).await.data(*status);
        let (thing, secret) = match *template {
            "/v1/webhooks" | "/v1/webhooks/{webhook}/rotate-secret" => ("webhook", "secret"),
            "/v1/keys" | "/v1/tenants/{tenant}/keys" => ("key", "key"),
            "/v1/tenants/{tenant}/portal-links" => ("portal_link", "token"),
            _ => continue,
        };
        assert!(late[thing]["id"].is_string(), "{path}: {late}");
        assert!(late[thing][secret].is_null(), "{path}: {late}");
    }
}

/// A batch is one request: with an event more, fewer or changed it is another, and nothing of it is accepted. Whose it is tells the
/// key, as everywhere.
#[tokio::test(start_paused = true)]
async fn a_batch_under_a_key_is_that_batch() {
    let world = World::still().await;
    let tenants = [
        world.tenant("acme", "standard", "pro").await,
        world.tenant("other", "standard", "pro").await,
    ];
    let event = |n: u64| json!({"type": "a.b", "data": {"n": n}});
    let batch = |events: &[Value]| json!({ "events": events }).to_string();
    let wrong = json!({"type": "a.b"});
    let path = "/v1/events/batch";
    let send = async |who: &As, key: &str, events: &[Value]| {
        raw(&world, who, key, path, &batch(events)).await
    };
    let count = async |who: &As| {
        let listed = world.get(who, "/v1/events?limit=100").await;
        listed.data(200)["events"].as_array().unwrap().len()
    };
    let all = As::operator();
    for who in &tenants {
        send(who, "k", &[event(1), event(2)]).await.data(202);
        for other in [
            &[event(1), event(2), event(3)][..],
            &[event(1)],
            &[event(2), event(1)],
            &[event(1), event(2), wrong.clone()],
        ] {
            let refused = send(who, "k", other).await;
            refused.assert_error(422, "idempotency_mismatch");
        }
        assert_eq!(count(who).await, 2);
        let again = send(who, "k", &[event(1), event(2)]).await.data(202);
        assert_eq!(again["results"][1]["duplicate"], true);
        assert_eq!(count(who).await, 2);

        // Of a batch that was refused whole, the key is free for the corrected one.
        send(who, "l", &[wrong.clone(), wrong.clone()])
            .await
            .assert_error(422, "batch_refused");
        send(who, "l", &[event(1), event(2)]).await.data(202);
        // Of one that was accepted in part, it is not.
        let part = send(who, "m", &[wrong.clone(), event(5)]).await;
        assert_eq!(part.status, 207, "{}", part.body);
        send(who, "m", &[event(4), event(5)])
            .await
            .assert_error(422, "idempotency_mismatch");
        assert_eq!(count(who).await, 5);
    }
    let of = |tenant: &str| json!({"type": "a.b", "data": {}, "tenant": tenant});
    send(&all, "o", &[of("acme"), of("other")]).await.data(202);
    send(&all, "o", &[of("acme"), of("other"), of("acme")])
        .await
        .assert_error(422, "idempotency_mismatch");
    for who in &tenants {
        assert_eq!(count(who).await, 6);
    }
}

fn webhook(url: &str) -> String {
    json!({"url": url, "events": ["*"]}).to_string()
}

async fn webhooks(world: &World, who: &As) -> Vec<Value> {
    let listed = world.get(who, "/v1/webhooks").await;
    listed.data(200)["webhooks"].as_array().unwrap().clone()
}

/// The first answer stays, whatever becomes of what it made, and brings nothing back.
#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_as_at_first_after_a_change_and_after_a_deletion() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (path, body) = ("/v1/webhooks", webhook("https://example.com/a"));
    let first = raw(&world, &tenant, "k", path, &body).await;
    let made = format!(
        "/v1/webhooks/{}",
        first.data(201)["webhook"]["id"].as_str().unwrap()
    );
    let change = json!({"url": "https://example.com/b"});
    world.send(&tenant, "PATCH", &made, change).await.data(200);
    assert_eq!(raw(&world, &tenant, "k", path, &body).await, first);
    let rotation = format!("{made}/rotate-secret");
    world
        .send(&tenant, "POST", &rotation, json!({}))
        .await
        .data(200);
    assert_eq!(raw(&world, &tenant, "k", path, &body).await, first);
    world
        .send_text(&tenant, "DELETE", &made, "")
        .await
        .data(200);
    world.pass(3_600_000).await;
    assert_eq!(raw(&world, &tenant, "k", path, &body).await, first);
    assert_eq!(webhooks(&world, &tenant).await, [] as [Value; 0]);

    let tenants = "/v1/tenants";
    let body = json!({"id": "beta", "name": "Beta"}).to_string();
    let first = raw(&world, &As::operator(), "k", tenants, &body).await;
    first.data(201);
    let beta = "/v1/tenants/beta";
    world
        .send_text(&As::operator(), "DELETE", beta, "")
        .await
        .data(202);
    assert_eq!(
        raw(&world, &As::operator(), "k", tenants, &body).await,
        first
    );
    world
        .get(&As::operator(), beta)
        .await
        .assert_error(404, "not_found");

    // After the retention the key is forgotten.
    world.pass(30 * DAY_MS).await;
    let again = raw(&world, &As::operator(), "k", tenants, &body).await;
    assert_ne!(
        again.data(201)["tenant"]["created_at"],
        first.data(201)["tenant"]["created_at"]
    );
}

/// A key is its owner's and its call's own.
#[tokio::test(start_paused = true)]
async fn the_same_key_elsewhere_is_another_key() {
    let world = World::still().await;
    let acme = world.tenant("acme", "standard", "pro").await;
    let other = world.tenant("other", "standard", "pro").await;
    let (path, body) = ("/v1/webhooks", webhook("https://example.com/a"));
    let first = raw(&world, &acme, "k", path, &body).await;
    let id = |answer: &Raw| {
        answer.data(201)["webhook"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(id(&raw(&world, &other, "k", path, &body).await), id(&first));
    // Another call.
    let test = format!("{path}/{}/test", id(&first));
    raw(&world, &acme, "k", &test, "{}").await.data(200);
    // The operator acts for the tenant: it is the tenant's.
    let operators = raw(&world, &As::operator_for("acme"), "k", path, &body).await;
    assert_eq!(id(&operators), id(&first));
    // Whoever may not make the call is told nothing.
    let reader = world.key("acme", json!({"scopes": ["read"]})).await;
    let refused = raw(&world, &reader, "k", path, &body).await;
    refused.assert_error(403, "forbidden");
}

/// What was refused did nothing: the mended request may have the same key.
#[tokio::test(start_paused = true)]
async fn a_key_is_printable() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for key in ["a\tb", "\"a\tb\"", "\"\"", &"x".repeat(256)] {
        let refused = raw(&world, &tenant, key, "/v1/events", "{}").await;
        refused.assert_error(422, "invalid_request");
        assert!(
            refused.body.contains(r#""field":"Idempotency-Key""#),
            "{}",
            refused.body
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_key_free() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let path = "/v1/webhooks";
    let wrong = raw(&world, &tenant, "k", path, &webhook("ftp://example.com")).await;
    wrong.assert_error(422, "invalid_request");
    let right = webhook("https://example.com/");
    let first = raw(&world, &tenant, "k", path, &right).await;
    first.data(201);
    assert_eq!(raw(&world, &tenant, "k", path, &right).await, first);

    // One that is refused while it is written, too.
    let taken = json!({"id": "acme", "name": "A"}).to_string();
    let tenants = "/v1/tenants";
    let refused = raw(&world, &As::operator(), "k", tenants, &taken).await;
    refused.assert_error(409, "id_taken");
    let free = json!({"id": "free", "name": "A"}).to_string();
    raw(&world, &As::operator(), "k", tenants, &free)
        .await
        .data(201);
}

/// Two at once: one does it, and the other is told to come again or answered the same.
#[tokio::test(start_paused = true)]
async fn two_at_once_are_one() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&tenant).await;
    world.answer_after(5_000);
    let test = format!("/v1/webhooks/{id}/test");
    let calls = join(
        raw(&world, &tenant, "k", &test, "{}"),
        raw(&world, &tenant, "k", &test, "{}"),
    );
    let (one, other) = calls.await;
    let (done, busy) = if one.status == 200 {
        (one, other)
    } else {
        (other, one)
    };
    busy.assert_error(409, "busy");
    assert_eq!(raw(&world, &tenant, "k", &test, "{}").await, done);
    assert_eq!(world.posts(), 1);
}

/// Polls a call so often, and lets it die.
async fn dies_after(steps: usize, call: impl Future<Output = Raw>) -> Option<Raw> {
    let mut call = pin!(call);
    for _ in 0..steps {
        let mut context = Context::from_waker(Waker::noop());
        if let std::task::Poll::Ready(answer) = call.as_mut().poll(&mut context) {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A call that dies at any of its steps: its repeat is told to come again while that may still be at it, and then makes what is not
/// made yet. There is one in the end, and it is the one that is answered.
#[tokio::test(start_paused = true)]
async fn a_call_that_dies_is_done_once_by_its_repeats() {
    let (mut busy, mut kept) = (0, 0);
    let things = [
        ("/v1/webhooks", "webhook", "webhooks"),
        ("/v1/tenants/acme/keys", "key", "keys"),
        ("/v1/tenants", "tenant", "tenants"),
        ("/v1/exports", "job", "jobs"),
    ];
    for (path, thing, things) in things {
        let body = match thing {
            "webhook" => webhook("https://example.com/"),
            "key" => json!({"scopes": ["read"], "name": "new"}).to_string(),
            "tenant" => json!({"name": "new"}).to_string(),
            _ => json!({}).to_string(),
        };
        for steps in 0.. {
            let world = World::still().await;
            world.tenant("acme", "standard", "pro").await;
            let who = if thing == "webhook" {
                As::operator_for("acme")
            } else {
                As::operator()
            };
            let list = if thing == "job" { "/v1/jobs" } else { path };
            let listed = async || {
                let listed = world.get(&who, list).await;
                listed.data(200)[things].as_array().unwrap().clone()
            };
            let before = listed().await.len();
            let over = dies_after(steps, raw(&world, &who, "k", path, &body)).await;
            let status = if thing == "job" { 202 } else { 201 };
            let again = raw(&world, &who, "k", path, &body).await;
            let again = match again.status {
                409 => {
                    again.assert_error(409, "busy");
                    busy += 1;
                    world.pass(CLAIM_MS).await;
                    raw(&world, &who, "k", path, &body).await
                }
                _ => again,
            };
            let after = listed().await;
            assert_eq!(after.len(), before + 1, "{path} {steps}");
            let id = again.data(status)[thing]["id"].clone();
            assert!(after.iter().any(|it| it["id"] == id), "{path} {steps}");
            assert_eq!(
                raw(&world, &who, "k", path, &body).await,
                again,
                "{path} {steps}"
            );
            if let Some(first) = over {
                assert_eq!(again, first, "{path} {steps}");
                kept += 1;
                break;
            }
        }
    }
    assert!(busy >= 4, "{busy}: they have more steps than that");
    assert_eq!(kept, 4);
}

/// Answers that are kept are encrypted, and encrypted anew with the rest.
#[tokio::test(start_paused = true)]
async fn first_answers_are_encrypted_anew_with_a_new_key() {
    const OLD: &str = "the-old-key-of-32-characters-xxxx";
    const NEW: &str = "the-new-key-of-32-characters-xxxx";
    let mut world = World::with_keys(OLD).await;
    world.tenant("acme", "standard", "pro").await;
    let who = As::operator_for("acme");
    let (path, hook) = ("/v1/webhooks", webhook("https://example.com/"));
    let (tenants, beta) = ("/v1/tenants", json!({"name": "B"}).to_string());
    let first = raw(&world, &who, "k", path, &hook).await;
    first.data(201);
    let of_operator = raw(&world, &As::operator(), "k", tenants, &beta).await;
    world.change_keys(&format!("{NEW}\n{OLD}")).await;
    let done = world
        .send(&As::operator(), "POST", "/v1/reencrypt", json!({}))
        .await;
    // The webhook, its answer with and without the secret, the operator's one, and the deployment's own key if there is one.
    assert!(done.data(200)["rewritten"].as_u64().unwrap() >= 4);
    world.change_keys(NEW).await;
    assert_eq!(raw(&world, &who, "k", path, &hook).await, first);
    let again = raw(&world, &As::operator(), "k", tenants, &beta).await;
    assert_eq!(again, of_operator);
}

/// Clients send a key with each POST, also where the events have ids.
#[tokio::test(start_paused = true)]
async fn events_of_a_batch_under_a_key_keep_their_ids() {
    let world = World::still().await;
    let acme = world.tenant("acme", "standard", "pro").await;
    let event = |id: Option<&str>| json!({"id": id, "type": "a.b", "data": {}});
    let batch = json!({"events": [event(Some("one")), event(None), event(Some("two"))]});
    let (path, batch) = ("/v1/events/batch", batch.to_string());
    let ids = |data: &Value| -> Vec<String> {
        let results = data["results"].as_array().unwrap().iter();
        let ids = results.map(|result| result["data"]["event"]["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    };
    let first = raw(&world, &acme, "k", path, &batch).await.data(202);
    let first_ids = ids(&first);
    assert_eq!((&*first_ids[0], &*first_ids[2]), ("one", "two"));
    let again = raw(&world, &acme, "k", path, &batch).await.data(202);
    assert_eq!(ids(&again), first_ids);
    let results = again["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["duplicate"] == true));
    // An id is the event's under any key, and its content is compared.
    let next = json!({"events": [{"id": "one", "type": "a.b", "data": {"n": 1}}, event(None)]});
    let next = raw(&world, &acme, "l", path, &next.to_string())
        .await
        .data(207);
    assert_eq!(next["results"][0]["error"]["code"], "event_id_reused");
    assert_eq!(
        next["results"][0]["error"]["details"][0]["field"],
        "events[0].id"
    );
    // Of one event alone one of the two says what it is.
    let refused = raw(
        &world,
        &acme,
        "k",
        "/v1/events",
        &event(Some("one")).to_string(),
    )
    .await;
    refused.assert_error(422, "invalid_request");
}

/// Reading a stored secret is a call of its own, for other keys and with an entry in the audit log.
#[tokio::test(start_paused = true)]
async fn a_secret_is_repeated_to_the_key_that_asked_for_it_alone() {
    let world = World::still().await;
    let acme = world.tenant("acme", "odin", "pro").await;
    let another = world.key("acme", json!({"scopes": ["manage"]})).await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]}).to_string();
    let path = "/v1/webhooks";
    let made = raw(&world, &acme, "k", path, &webhook).await.data(201);
    assert!(made["webhook"]["secret"].is_string());
    let id = made["webhook"]["id"].as_str().unwrap().to_owned();
    let rotate = format!("/v1/webhooks/{id}/rotate-secret");
    let rotated = raw(&world, &acme, "k", &rotate, "{}").await.data(200);
    assert!(rotated["webhook"]["secret"].is_string());
    for (path, body, status, whole) in [
        (path, &*webhook, 201, &made),
        (&rotate, "{}", 200, &rotated),
    ] {
        let mut rest = whole.clone();
        rest["webhook"].as_object_mut().unwrap().remove("secret");
        for other in [&another, &As::operator_for("acme")] {
            let repeated = raw(&world, other, "k", path, body).await.data(status);
            assert_eq!(repeated, rest, "{path}");
        }
        let repeated = raw(&world, &acme, "k", path, body).await.data(status);
        assert_eq!(repeated, *whole, "{path}");
    }
}

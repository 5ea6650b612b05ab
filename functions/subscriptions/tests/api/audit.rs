//! The audit log: what an entry says, who sees it, and for how long. That each call leaves one is in
//! [`contract`](super::contract).

use std::net::{IpAddr, Ipv6Addr};

use axum::{body::Body, http::Request};
use rung_api::Peer;
use serde_json::{Value, json};

use crate::world::{ADMIN, As, World};

const DAY_MS: u64 = 86_400_000;

async fn entries(world: &World, who: &As, query: &str) -> Vec<Value> {
    let listed = world.get(who, &format!("/v1/audit{query}")).await;
    listed.data(200)["entries"].as_array().unwrap().clone()
}

/// A tenant and a key of all scopes, made one after the other: entries of one millisecond have no order.
async fn tenant(world: &World, id: &str) -> As {
    let tenant = json!({"id": id, "name": id, "plan": "pro"});
    let operator = As::operator();
    let made = world.send(&operator, "POST", "/v1/tenants", tenant).await;
    made.data(201);
    world.pass(1_000).await;
    let scopes = json!({"scopes": ["manage", "publish"]});
    world.key(id, scopes).await
}

fn actions(entries: &[Value]) -> Vec<&str> {
    let actions = entries.iter().map(|entry| &entry["action"]);
    actions.map(|action| action.as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_entry_says_who_changed_what_when_and_from_where() {
    let world = World::new().await;
    let owner = tenant(&world, "acme").await;
    let request = json!({
        "url": "https://example.com/a", "events": ["*"], "secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
        "headers": {"X-Region": "eu"}, "secret_headers": {"X-Kept": "kept-value", "X-Gone": "gone-value"},
    });
    let made = world.send(&owner, "POST", "/v1/webhooks", request).await;
    let webhook = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    world.pass(1_000).await;
    let change = json!({
        "url": "https://example.com/b", "metadata": {"a": 1},
        "headers": {"X-Region": "region-value"}, "secret_headers": {"X-Gone": null, "X-New": "new-value"},
    });
    let path = format!("/v1/webhooks/{webhook}");
    let key = world.get(&As::operator(), "/v1/tenants/acme/keys").await;
    let key = key.data(200)["keys"][0]["id"].clone();
    let mut asked = Request::builder()
        .method("PATCH")
        .uri(&path)
        .header("user-agent", "curl/8.5.0")
        .header("x-forwarded-for", "203.0.113.9")
        .header("authorization", owner.bearer())
        .body(Body::from(change.to_string()))
        .unwrap();
    // As a socket of both families tells an address of IPv4.
    let mapped: Ipv6Addr = "::ffff:198.51.100.7".parse().unwrap();
    asked.extensions_mut().insert(Peer(IpAddr::V6(mapped)));
    let (head, _) = world.plain(asked).await;
    assert_eq!(head.status, 200);

    let listed = entries(&world, &owner, "").await;
    let entry = &listed[0];
    assert!(entry["id"].as_str().unwrap().starts_with("aud_"));
    assert_eq!(entry["at"], "2025-10-09T08:53:22.000Z");
    assert_eq!(entry["tenant_id"], "acme");
    let actor = json!({"kind": "key", "id": key, "name": null, "person": null});
    assert_eq!(entry["actor"], actor);
    assert_eq!(entry["action"], "webhook.updated");
    assert_eq!(entry["target"], json!({"kind": "webhook", "id": webhook}));
    let id = head.headers["x-request-id"].to_str().unwrap();
    assert_eq!(entry["request_id"], id);
    assert_eq!(entry["ip"], "198.51.100.7");
    assert_eq!(entry["user_agent"], "curl/8.5.0");
    let changes = json!([
        {"field": "metadata", "before": {}, "after": {"a": 1}},
        {"field": "url", "before": "https://example.com/a", "after": "https://example.com/b"},
        {"field": "secret_headers", "before": ["X-Gone", "X-Kept"], "after": ["X-Kept", "X-New"]},
        {"field": "headers.X-Region", "before": null, "after": null, "hidden": true},
        {"field": "secret_headers.X-Gone", "before": null, "after": null, "hidden": true},
        {"field": "secret_headers.X-New", "before": null, "after": null, "hidden": true},
    ]);
    assert_eq!(sorted(&entry["changes"]), sorted(&changes));

    // Nor is anything confidential in the entries of what followed.
    world.pass(1_000).await;
    let rotate = format!("{path}/rotate-secret");
    let rotated = world.send(&owner, "POST", &rotate, json!({})).await;
    let secret = rotated.data(200)["webhook"]["secret"].clone();
    let listed = entries(&world, &As::operator(), "").await;
    assert_eq!(actions(&listed)[0], "webhook.secret_rotated");
    let text = json!(listed).to_string();
    for confidential in [
        "c2VjcmV0",
        secret.as_str().unwrap(),
        "kept-value",
        "gone-value",
        "new-value",
        "region-value",
        "rk_",
        ADMIN,
    ] {
        assert!(!text.contains(confidential), "{confidential}: {text}");
    }
}

fn sorted(changes: &Value) -> Vec<Value> {
    let mut changes = changes.as_array().unwrap().clone();
    changes.sort_by_key(|change| change["field"].as_str().unwrap().to_owned());
    changes
}

#[tokio::test(start_paused = true)]
async fn a_tenant_sees_its_own_entries_and_the_operator_all() {
    let world = World::new().await;
    let acme = tenant(&world, "acme").await;
    let other = tenant(&world, "other").await;
    world.pass(1_000).await;
    world.webhook(&acme).await;
    world.pass(1_000).await;
    world.webhook(&other).await;
    let own = entries(&world, &acme, "").await;
    assert_eq!(
        actions(&own),
        ["webhook.created", "key.created", "tenant.created"]
    );
    assert!(own.iter().all(|entry| entry["tenant_id"] == "acme"));
    let all = entries(&world, &As::operator(), "").await;
    assert_eq!(all.len(), 6);
    assert_eq!(all[0]["tenant_id"], "other");
    let named = entries(&world, &As::operator_for("acme"), "").await;
    assert_eq!(named.len(), 3);
    let filtered = entries(&world, &As::operator(), "?tenant=acme").await;
    assert_eq!(filtered, named);
    let refused = world.get(&acme, "/v1/audit?tenant=other").await;
    refused.assert_error(422, "tenant_mismatch");
    assert_eq!(refused.fields(), ["tenant"]);
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    let refused = world.get(&publisher, "/v1/audit").await;
    refused.assert_error(403, "forbidden");

    // A later tenant of the name is another; the operator still sees what was the earlier one's.
    let operator = As::operator();
    let deleted = world.send_text(&operator, "DELETE", "/v1/tenants/acme", "");
    assert!(deleted.await.status < 300);
    world.pass(1_000).await;
    let next = tenant(&world, "acme").await;
    let own = entries(&world, &next, "").await;
    assert_eq!(actions(&own), ["key.created", "tenant.created"]);
    let both = entries(&world, &As::operator(), "?tenant=acme").await;
    assert!(actions(&both).contains(&"tenant.deleted"));
    assert!(actions(&both).contains(&"webhook.created"));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_not_told_where_the_operators_people_sit() {
    let world = World::new().await;
    let acme = tenant(&world, "acme").await;
    let mut asked = Request::builder()
        .method("PATCH")
        .uri("/v1/tenants/acme")
        .header("authorization", As::operator().bearer())
        .header("user-agent", "internal-tool")
        .body(Body::from(r#"{"name": "Acme Inc."}"#))
        .unwrap();
    let address = "198.51.100.7".parse().unwrap();
    asked.extensions_mut().insert(Peer(address));
    world.pass(1_000).await;
    assert_eq!(world.plain(asked).await.0.status, 200);
    let own = &entries(&world, &acme, "").await[0];
    let change = json!([{"field": "name", "before": "acme", "after": "Acme Inc."}]);
    assert_eq!(own["changes"], change);
    assert_eq!(own["actor"]["id"], "key_root");
    assert_eq!(
        (&own["ip"], &own["user_agent"]),
        (&Value::Null, &Value::Null)
    );
    let whole = &entries(&world, &As::operator_for("acme"), "").await[0];
    assert_eq!(whole["ip"], "198.51.100.7");
    assert_eq!(whole["user_agent"], "internal-tool");
}

#[tokio::test(start_paused = true)]
async fn entries_are_found_by_actor_action_target_and_time_in_either_order() {
    let world = World::new().await;
    let owner = tenant(&world, "acme").await;
    world.pass(1_000).await;
    let first = world.webhook(&owner).await;
    world.pass(1_000).await;
    let second = world.webhook(&owner).await;
    world.pass(1_000).await;
    let path = format!("/v1/webhooks/{first}");
    world.send_text(&owner, "DELETE", &path, "").await;
    let keys = world.get(&As::operator(), "/v1/tenants/acme/keys").await;
    let key = keys.data(200)["keys"][0]["id"].as_str().unwrap().to_owned();
    let operator = As::operator();
    let all = entries(&world, &operator, "").await;
    let oldest_first = entries(&world, &operator, "?order=asc").await;
    assert!(all.iter().eq(oldest_first.iter().rev()));
    assert_eq!(
        actions(&all),
        [
            "webhook.deleted",
            "webhook.created",
            "webhook.created",
            "key.created",
            "tenant.created"
        ]
    );
    let at = |index: usize| all[index]["at"].as_str().unwrap().to_owned();
    for (query, expected) in [
        (format!("?target={first}"), vec![0, 2]),
        (format!("?target={first},{second}&order=asc"), vec![2, 1, 0]),
        ("?action=webhook.created".to_owned(), vec![1, 2]),
        ("?action=webhook.*".to_owned(), vec![0, 1, 2]),
        ("?action=key.created,tenant.*".to_owned(), vec![3, 4]),
        (format!("?actor={key}"), vec![0, 1, 2]),
        ("?actor=key_root".to_owned(), vec![3, 4]),
        ("?actor=key".to_owned(), vec![0, 1, 2, 3, 4]),
        ("?actor=system".to_owned(), vec![]),
        // Half open: an entry of that time is in one span of two that touch.
        (format!("?since={}", at(1)), vec![0, 1]),
        (format!("?until={}", at(1)), vec![2, 3, 4]),
        (format!("?since={}&until={}", at(2), at(1)), vec![2]),
        (format!("?since={0}&until={0}", at(2)), vec![]),
    ] {
        for who in [&operator, &As::operator_for("acme")] {
            let found = entries(&world, who, &query).await;
            let expected: Vec<_> = expected.iter().map(|index| &all[*index]).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        }
    }
    // Pages in both orders, with and without a filter.
    for query in ["order=asc", "order=desc", "action=webhook.*&order=asc"] {
        let whole = entries(&world, &operator, &format!("?{query}")).await;
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world
                .get(&operator, &format!("/v1/audit?{query}&limit=2{cursor}"))
                .await;
            let data = page.data(200);
            paged.extend(data["entries"].as_array().unwrap().clone());
            match data["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{query}");
    }
    for (query, field) in [
        ("action=webhook.renamed", "action"),
        ("order=up", "order"),
        ("actor=", "actor"),
        ("target=a%20b", "target"),
        ("tenant=a%23b", "tenant"),
        (
            "since=2025-10-10T00:00:00Z&until=2025-10-09T00:00:00Z",
            "until",
        ),
    ] {
        let refused = world.get(&operator, &format!("/v1/audit?{query}")).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_rung_does_by_itself_has_entries_too() {
    let world = World::new().await;
    let gone = world.tenant("gone", "standard", "pro").await;
    let webhook = world.webhook(&gone).await;
    world.answer(410);
    let event = json!({"type": "a.b", "data": {}});
    world
        .send(&gone, "POST", "/v1/events", event)
        .await
        .data(202);
    world.pass(1_000).await;
    let entry = &entries(&world, &gone, "?actor=system").await[0];
    let actor = json!({"kind": "system", "id": null, "name": null, "person": null});
    assert_eq!(entry["actor"], actor);
    assert_eq!(entry["action"], "webhook.disabled");
    assert_eq!(entry["target"]["id"], webhook.as_str());
    let status = json!({"field": "status", "before": "active", "after": "disabled"});
    assert_eq!(entry["changes"][0], status);
    assert_eq!(entry["changes"][1]["after"]["code"], "gone");
    assert_eq!(
        (&entry["request_id"], &entry["ip"]),
        (&Value::Null, &Value::Null)
    );

    // A plan without webhooks.
    let odin = world.tenant("odin", "odin", "pro").await;
    world.webhook(&odin).await;
    let free = json!({"plan": "free"});
    let path = "/v1/tenants/odin";
    world
        .send(&As::operator(), "PATCH", path, free)
        .await
        .data(200);
    let entry = &entries(&world, &odin, "?actor=system").await[0];
    assert_eq!(entry["action"], "webhook.disabled");
    assert_eq!(entry["changes"][1]["after"]["code"], "plan");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_changes_nothing_leaves_no_entry() {
    let world = World::new().await;
    let owner = world.tenant("acme", "odin", "pro").await;
    let idempotent = owner.clone().with_idempotency_key("k");
    let webhook = json!({"url": "https://example.com/", "events": ["*"]});
    let create =
        async |who: &As, body: &Value| world.send(who, "POST", "/v1/webhooks", body.clone()).await;
    let id = create(&idempotent, &webhook).await.data(201)["webhook"]["id"].clone();
    let path = format!("/v1/webhooks/{}", id.as_str().unwrap());
    let before = entries(&world, &As::operator(), "").await;
    create(&idempotent, &webhook).await.data(201);
    create(&owner, &json!({}))
        .await
        .assert_error(422, "invalid_request");
    let taken = json!({"id": "acme", "name": "n"});
    let taken = world
        .send(&As::operator(), "POST", "/v1/tenants", taken)
        .await;
    taken.assert_error(409, "id_taken");
    for missing in ["/v1/webhooks/nothing", "/v1/webhooks/nothing/rotate-secret"] {
        let method = if missing.ends_with('t') {
            "POST"
        } else {
            "DELETE"
        };
        let answered = world.send_text(&owner, method, missing, "").await;
        answered.assert_error(404, "not_found");
    }
    let since = "2025-10-09T08:00:00Z";
    let dry = json!({"since": since, "dry_run": true});
    let recover = format!("{path}/recover");
    world.send(&owner, "POST", &recover, dry).await.data(200);
    let cancelled = format!("{path}/deliveries/00000000-0000-8000-8000-000000000000/cancel");
    let answered = world.send_text(&owner, "POST", &cancelled, "").await;
    answered.assert_error(404, "not_found");
    let event = json!({"type": "user.lesson.completed", "data": {}});
    world
        .send(&owner, "POST", "/v1/events", event)
        .await
        .data(202);
    assert_eq!(entries(&world, &As::operator(), "").await, before);
}

/// A client may send all that it has read, again and again: that is no change.
#[tokio::test(start_paused = true)]
async fn a_change_to_the_present_values_leaves_no_entry_and_the_tag_as_it_is() {
    let world = World::new().await;
    let operator = As::operator();
    let owner = world.tenant("acme", "odin", "pro").await;
    let acme = As::operator_for("acme");
    let key = json!({"name": "k", "scopes": ["read"]});
    let keys = "/v1/tenants/acme/keys";
    let made = world.send(&operator, "POST", keys, key.clone()).await;
    let key_path = format!("{keys}/{}", made.data(201)["key"]["id"].as_str().unwrap());
    let webhook = json!({"url": "https://example.com/", "events": ["*"], "headers": {"X-A": "b"}});
    let tenant = json!({"name": "Acme", "plan": "pro", "dialect": "odin", "metadata": {"a": 1}});
    let event_type = json!({"description": "d", "sample": {"a": 1}});
    let calls = [
        (&acme, "PUT", "/v1/webhooks/webhook_w", &webhook),
        (&owner, "PATCH", "/v1/webhooks/webhook_w", &webhook),
        (&operator, "PUT", "/v1/tenants/acme", &tenant),
        (&operator, "PATCH", "/v1/tenants/acme", &tenant),
        (&acme, "PUT", "/v1/event-types/user.moved", &event_type),
        (&operator, "PATCH", &key_path, &key),
    ];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut tags = Vec::new();
        for (who, method, path, body) in calls {
            let answered = world.send(who, method, path, body.clone()).await;
            assert!(answered.status < 300, "{method} {path}: {}", answered.body);
            tags.push(answered.headers.get("etag").cloned());
        }
        let finish = "/v1/webhooks/webhook_w/rotate-secret/finish";
        world.send_text(&owner, "POST", finish, "").await.data(200);
        seen.push((tags, entries(&world, &operator, "").await.len()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_kept_for_a_year() {
    let world = World::still().await;
    let owner = tenant(&world, "acme").await;
    world.webhook(&owner).await;
    world.pass(364 * DAY_MS).await;
    assert_eq!(entries(&world, &owner, "").await.len(), 3);
    assert_eq!(
        entries(&world, &As::operator(), "?order=asc").await.len(),
        3
    );
    world.pass(2 * DAY_MS).await;
    assert_eq!(entries(&world, &owner, "").await, [] as [Value; 0]);
    let all = entries(&world, &As::operator(), "?order=asc").await;
    assert_eq!(all, [] as [Value; 0]);
}

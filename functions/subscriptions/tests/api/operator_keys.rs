//! The operator's keys: what each reaches, how the first one is rotated, and what is seen of their use.

use serde_json::{Value, json};

use crate::world::{ADMIN, Answered, As, World};

const KEYS: &str = "/v1/keys";
const HOUR_MS: u64 = 3_600_000;

/// Makes a key of the operator's; its id and who that is.
async fn key(world: &World, scopes: &[&str]) -> (String, As) {
    let request = json!({"name": "relay", "scopes": scopes});
    let made = world.send(&As::operator(), "POST", KEYS, request).await;
    let key = &made.data(201)["key"];
    let text = key["key"].as_str().unwrap();
    assert!(text.starts_with("ro_"), "{text}");
    assert_eq!(key["tenant_id"], Value::Null);
    (key["id"].as_str().unwrap().to_owned(), As::key(text))
}

async fn delete(world: &World, who: &As, id: &str) -> Answered {
    world
        .send_text(who, "DELETE", &format!("{KEYS}/{id}"), "")
        .await
}

async fn listed(world: &World, who: &As) -> Vec<String> {
    let keys = world.get(who, KEYS).await;
    let keys = keys.data(200)["keys"].as_array().unwrap().iter();
    keys.map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_operators_reaches_all_tenants_as_far_as_its_scopes() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    let (_, reader) = key(&world, &["read"]).await;
    let (_, publisher) = key(&world, &["publish"]).await;
    let (_, manager) = key(&world, &["manage"]).await;
    let (_, admin) = key(&world, &["admin"]).await;

    let event = json!({"type": "a.b", "data": {}});
    let webhook = json!({"url": "https://example.com/", "events": ["*"]});
    let tenant = json!({"id": "new", "name": "New"});
    // Who, and whether it may: see a tenant's things, change them, publish, see tenants, make one.
    for (who, may) in [
        (&reader, [true, false, false, true, false]),
        (&publisher, [false, false, true, false, false]),
        (&manager, [true, true, false, true, false]),
        (&admin, [true, true, true, true, true]),
    ] {
        for (tenant, other) in [("acme", "other"), ("other", "acme")] {
            let for_tenant = who.clone().naming(tenant);
            let seen = world.get(&for_tenant, "/v1/webhooks").await;
            let changed = world
                .send(&for_tenant, "POST", "/v1/webhooks", webhook.clone())
                .await;
            let published = world
                .send(&for_tenant, "POST", "/v1/events", event.clone())
                .await;
            for (answered, status, may) in [
                (&seen, 200, may[0]),
                (&changed, 201, may[1]),
                (&published, 202, may[2]),
            ] {
                if may {
                    answered.data(status);
                } else {
                    answered.assert_error(403, "forbidden");
                }
            }
            assert_ne!(tenant, other);
        }
        let seen = world.get(who, "/v1/tenants").await;
        if may[3] {
            seen.data(200);
        } else {
            seen.assert_error(403, "forbidden");
        }
        let made = world.send(who, "POST", "/v1/tenants", tenant.clone()).await;
        if may[4] {
            made.data(201);
        } else {
            made.assert_error(403, "forbidden");
        }
        let keys = world
            .send(who, "POST", KEYS, json!({"name": "k", "scopes": ["read"]}))
            .await;
        if may[4] {
            keys.data(201);
        } else {
            keys.assert_error(403, "forbidden");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenants_key_is_never_one_of_the_operators() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let keys = "/v1/tenants/acme/keys";
    let admin = json!({"scopes": ["admin"]});
    let refused = world
        .send(&As::operator(), "POST", keys, admin.clone())
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["scopes"]);
    let made = world.get(&As::operator(), keys).await;
    let id = made.data(200)["keys"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("{keys}/{id}");
    let refused = world.send(&As::operator(), "PATCH", &path, admin).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["scopes"]);
    let all = json!({"scopes": ["manage", "publish", "read", "catalogue", "erase"]});
    let of_all = world.key("acme", all).await;
    for who in [&owner, &of_all] {
        let unknown = delete(&world, who, "key_root").await;
        unknown.assert_error(403, "forbidden");
        let refused = world.get(who, KEYS).await;
        refused.assert_error(403, "forbidden");
    }
    // One list does not lead to the other's keys.
    let (operators, _) = key(&world, &["read"]).await;
    let wrong = world
        .get(&As::operator(), &format!("{keys}/{operators}"))
        .await;
    wrong.assert_error(404, "not_found");
    let wrong = world.get(&As::operator(), &format!("{KEYS}/{id}")).await;
    wrong.assert_error(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn the_first_key_is_rotated_without_a_restart() {
    let mut world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let first = As::operator();
    // Nobody could make another key.
    let refused = delete(&world, &first, "key_root").await;
    refused.assert_error(409, "last_admin_key");

    let (second, admin) = key(&world, &["admin"]).await;
    assert_eq!(listed(&world, &first).await, [second.as_str(), "key_root"]);
    let path = format!("{KEYS}/key_root");
    let fixed = world
        .send(&admin, "PATCH", &path, json!({"name": "old"}))
        .await;
    fixed.assert_error(409, "first_key");
    delete(&world, &admin, "key_root").await.data(200);
    let closed = world.get(&first, "/v1/tenants").await;
    closed.assert_error(401, "unauthorized");
    assert_eq!(listed(&world, &admin).await, [second.as_str()]);
    delete(&world, &admin, "key_root")
        .await
        .assert_error(404, "not_found");

    // Now the second is the last.
    let path = format!("{KEYS}/{second}");
    for (method, body) in [
        ("DELETE", json!({})),
        ("PATCH", json!({"scopes": ["read"]})),
        ("PATCH", json!({"expires_at": "2025-10-09T09:53:25Z"})),
    ] {
        let refused = world.send(&admin, method, &path, body).await;
        refused.assert_error(409, "last_admin_key");
    }
    let renamed = world
        .send(&admin, "PATCH", &path, json!({"name": "second"}))
        .await;
    assert_eq!(renamed.data(200)["key"]["name"], "second");

    // A restart brings the first key back only if it is another.
    world.change_admin_key(ADMIN);
    let closed = world.get(&first, "/v1/tenants").await;
    closed.assert_error(401, "unauthorized");
    world.change_admin_key("another first key");
    let another = As::key("another first key");
    world.get(&another, "/v1/tenants").await.data(200);
    delete(&world, &admin, &second).await.data(200);
    let closed = world.get(&admin, "/v1/tenants").await;
    closed.assert_error(401, "unauthorized");
}

/// Two people who each delete the other's key at the same moment: one of the keys stays.
#[tokio::test(start_paused = true)]
async fn admin_keys_that_delete_each_other_leave_one() {
    let world = World::new().await;
    let (a, by_a) = key(&world, &["admin"]).await;
    let (b, by_b) = key(&world, &["admin"]).await;
    delete(&world, &by_a, "key_root").await.data(200);
    let (one, other) = tokio::join!(delete(&world, &by_a, &b), delete(&world, &by_b, &a));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{one:?} {other:?}");
    assert_ne!(statuses[1], 200, "{one:?} {other:?}");
    let left = if one.status == 200 { &by_a } else { &by_b };
    assert_eq!(listed(&world, left).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ended_says_so() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let end = "2025-10-09T08:53:25Z";
    let request = json!({"name": "short", "scopes": ["admin"], "expires_at": end});
    let made = world.send(&As::operator(), "POST", KEYS, request).await;
    let operators = As::key(made.data(201)["key"]["key"].as_str().unwrap());
    let tenants = json!({"scopes": ["manage"], "expires_at": end});
    let tenants = world.key("acme", tenants).await;
    world.get(&operators, "/v1/tenants").await.data(200);
    world.pass(5_000).await;
    for who in [&operators, &tenants] {
        let refused = world.get(who, "/v1/webhooks").await;
        refused.assert_error(401, "key_expired");
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    // A key that has ended is none that could make others.
    let refused = delete(&world, &As::operator(), "key_root").await;
    refused.assert_error(409, "last_admin_key");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_key_holds_from_the_next_call_on() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let keys = "/v1/tenants/acme/keys";
    let id = world.get(&As::operator(), keys).await.data(200)["keys"][0]["id"].clone();
    let path = format!("{keys}/{}", id.as_str().unwrap());
    world.get(&owner, "/v1/webhooks").await.data(200);
    let change = async |change: Value| world.send(&As::operator(), "PATCH", &path, change).await;
    let changed = change(json!({"scopes": ["publish"], "events_per_hour": 1})).await;
    assert_eq!(changed.data(200)["key"]["scopes"], json!(["publish"]));
    let refused = world.get(&owner, "/v1/webhooks").await;
    refused.assert_error(403, "forbidden");
    let event = json!({"type": "a.b", "data": {}});
    let publish = async || {
        world
            .send(&owner, "POST", "/v1/events", event.clone())
            .await
    };
    publish().await.data(202);
    publish().await.assert_error(429, "rate_limited");
    let changed = change(json!({"events_per_hour": null, "name": "x"})).await;
    assert_eq!(changed.data(200)["key"]["events_per_hour"], Value::Null);
    publish().await.data(202);

    for (wrong, field) in [
        (json!({"scopes": null}), "scopes"),
        (json!({"scopes": []}), "scopes"),
        (json!({"expires_at": "2025-10-09T08:00:00Z"}), "expires_at"),
        (json!({"key": "rk_mine"}), "key"),
    ] {
        let refused = change(wrong).await;
        let code = if field == "key" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field]);
    }
    let shown = world.get(&As::operator(), &path).await;
    let shown = &shown.data(200)["key"];
    assert_eq!(
        (&shown["name"], &shown["scopes"]),
        (&json!("x"), &json!(["publish"]))
    );
    // What was read can be sent back.
    assert_eq!(change(shown.clone()).await.data(200)["key"], *shown);
    for (member, other) in [
        ("id", json!("key_other")),
        ("tenant_id", Value::Null),
        ("created_at", json!("2025-10-09T08:00:00.000Z")),
    ] {
        let refused = change(json!({ member: other })).await;
        refused.assert_error(422, "read_only");
        assert_eq!(refused.fields(), [member]);
    }
    assert_eq!(shown.get("key"), None);
    assert_eq!(shown["tenant_id"], "acme");
}

#[tokio::test(start_paused = true)]
async fn a_key_shows_about_when_it_was_last_used() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let (id, reader) = key(&world, &["read"]).await;
    let used = async |path: String| {
        let key = world.get(&As::operator(), &path).await;
        key.data(200)["key"]["last_used_at"].clone()
    };
    let path = format!("{KEYS}/{id}");
    assert_eq!(used(path.clone()).await, Value::Null);
    let as_read = world.get(&As::operator(), &path).await.data(200)["key"].clone();
    world.get(&reader, "/v1/tenants").await.data(200);
    // What was read can be sent back, though it was used since.
    let same = world.send(&As::operator(), "PATCH", &path, as_read).await;
    same.data(200);
    let limited = json!({"events_per_hour": 5});
    let limited = world.send(&As::operator(), "PATCH", &path, limited).await;
    limited.assert_error(422, "read_only");
    let first = used(path.clone()).await;
    assert!(first.is_string());
    world.pass(HOUR_MS / 2).await;
    world.get(&reader, "/v1/tenants").await.data(200);
    assert_eq!(used(path.clone()).await, first);
    world.pass(HOUR_MS / 2).await;
    world.get(&reader, "/v1/tenants").await.data(200);
    assert_ne!(used(path.clone()).await, first);
    let all = world.get(&As::operator(), KEYS).await;
    assert_eq!(all.data(200)["keys"][0]["last_used_at"], used(path).await);
    // The first key's use is seen too.
    assert!(used(format!("{KEYS}/key_root")).await.is_string());
}

#[tokio::test(start_paused = true)]
async fn an_operators_key_is_made_once_under_an_idempotency_key() {
    let world = World::new().await;
    let operator = As::operator().with_idempotency_key("k");
    let request = json!({"name": "relay", "scopes": ["publish"]});
    let first = world.send(&operator, "POST", KEYS, request.clone()).await;
    let again = world.send(&operator, "POST", KEYS, request).await;
    assert_eq!(first.data(201), again.data(201));
    assert_eq!(listed(&world, &operator).await.len(), 2);
    let other = json!({"name": "relay", "scopes": ["read"]});
    let refused = world.send(&operator, "POST", KEYS, other).await;
    refused.assert_error(422, "idempotency_mismatch");
    assert_eq!(refused.fields(), ["Idempotency-Key"]);
}

#[tokio::test(start_paused = true)]
async fn no_customer_can_have_an_id_of_rungs_own() {
    let world = World::new().await;
    for id in ["_operator", "_", "_acme"] {
        let tenant = json!({"id": id, "name": "n"});
        let refused = world
            .send(&As::operator(), "POST", "/v1/tenants", tenant)
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["id"]);
    }
    let unknown = world.get(&As::operator_for("_acme"), "/v1/webhooks").await;
    unknown.assert_error(404, "not_found");
    // The operator's own is there from the start.
    let own = As::operator_for("_operator");
    world.get(&own, "/v1/webhooks").await.data(200);
    let own = world.get(&As::operator(), "/v1/tenants/_operator").await;
    assert_eq!(own.data(200)["tenant"]["dialect"], "standard");
}

//! Tenants and their plans.

use serde_json::{Value, json};

use crate::world::{As, World};

#[tokio::test(start_paused = true)]
async fn tenants_are_made_changed_and_listed() {
    let world = World::new().await;
    let operator = As::operator();
    let made = world
        .send(&operator, "POST", "/v1/tenants", json!({"name": "Acme"}))
        .await;
    let made = made.data(201)["tenant"].clone();
    assert_eq!(made["dialect"], "standard");
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("tenant_"));
    let path = format!("/v1/tenants/{id}");
    assert_eq!(world.get(&operator, &path).await.data(200)["tenant"], made);

    let change = json!({"name": "Acme Ltd", "plan": "pro"});
    world
        .send(&operator, "PATCH", &path, change)
        .await
        .data(200);
    let cleared = world
        .send(&operator, "PATCH", &path, json!({"plan": null}))
        .await;
    assert_eq!(cleared.data(200)["tenant"]["plan"], json!(null));
    assert_eq!(cleared.data(200)["tenant"]["name"], "Acme Ltd");

    let taken = json!({"id": id, "name": "Another"});
    world
        .send(&operator, "POST", "/v1/tenants", taken)
        .await
        .assert_error(409, "id_taken");
    let moved = world
        .send(&operator, "PATCH", &path, json!({"dialect": "klingon"}))
        .await;
    moved.assert_error(422, "invalid_request");
    assert_eq!(moved.fields(), ["dialect"]);
    // What the operator has added is nobody else's business.
    let told = moved.body.to_string();
    assert!(told.contains("odin") && !told.contains("metered"), "{told}");
    let unknown = json!({"id": "a b", "dialect": "klingon"});
    let unknown = world.send(&operator, "POST", "/v1/tenants", unknown).await;
    unknown.assert_error(422, "invalid_request");
    assert_eq!(unknown.fields(), ["id", "name", "dialect"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_tenant_leaves_neither_webhooks_nor_keys() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for _ in 0..30 {
        world.webhook(&tenant).await;
    }
    let path = "/v1/tenants/acme";
    world
        .send_text(&As::operator(), "DELETE", path, "")
        .await
        .data(202);
    world
        .get(&As::operator(), path)
        .await
        .assert_error(404, "not_found");
    world
        .get(&tenant, "/v1/webhooks")
        .await
        .assert_error(401, "unauthorized");

    world.tenant("acme", "standard", "pro").await;
    let again = As::operator_for("acme");
    let webhooks = world.get(&again, "/v1/webhooks").await;
    assert_eq!(webhooks.data(200)["webhooks"], json!([]));
    let keys = world.get(&As::operator(), "/v1/tenants/acme/keys").await;
    assert_eq!(keys.data(200)["keys"].as_array().unwrap().len(), 1);
    world
        .get(&tenant, "/v1/webhooks")
        .await
        .assert_error(401, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_webhooks_takes_none_and_disables_those_there_are() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let id = world.webhook(&tenant).await;
    let path = format!("/v1/webhooks/{id}");
    let basic = json!({"plan": "basic"});
    world
        .send(&As::operator(), "PATCH", "/v1/tenants/acme", basic)
        .await
        .data(200);

    let disabled = world.get(&tenant, &path).await;
    let disabled = &disabled.data(200)["webhook"];
    assert_eq!(disabled["status"], "disabled");
    assert_eq!(disabled["disabled"]["code"], "plan");
    let another = json!({"url": "https://example.com/", "events": ["*"]});
    world
        .send(&tenant, "POST", "/v1/webhooks", another.clone())
        .await
        .assert_error(403, "plan_without_webhooks");
    world
        .send(&tenant, "PATCH", &path, json!({"status": "active"}))
        .await
        .assert_error(403, "plan_without_webhooks");
    let event = json!({"type": "user.lesson.completed", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(published.data(202)["deliveries"], 0);
    assert!(published.data(202)["reason"].is_string());

    let pro = json!({"plan": "enterprise"});
    world
        .send(&As::operator(), "PATCH", "/v1/tenants/acme", pro)
        .await
        .data(200);
    world
        .send(&tenant, "POST", "/v1/webhooks", another)
        .await
        .data(201);
    let active = json!({"status": "active"});
    let active = world.send(&tenant, "PATCH", &path, active).await;
    assert_eq!(active.data(200)["webhook"]["disabled"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_made_anew_publishes_to_its_own_webhooks_only() {
    let world = World::new().await;
    let event = json!({"type": "a.b", "data": {}});
    for (events, deliveries) in [("a.b", 1), ("c.d", 0)] {
        let tenant = world.tenant("acme", "standard", "pro").await;
        let webhook = json!({"url": "https://example.com/hook", "events": [events]});
        world
            .send(&tenant, "POST", "/v1/webhooks", webhook)
            .await
            .data(201);
        let published = world
            .send(&tenant, "POST", "/v1/events", event.clone())
            .await;
        assert_eq!(published.data(202)["deliveries"], deliveries, "{events}");
        world
            .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
            .await
            .data(202);
        world.pass(1).await;
    }
}

/// Publishes under an id and under an `Idempotency-Key`; the deliveries that both answers tell of.
async fn publish_known(world: &World, tenant: &As, data: Value) -> [Value; 2] {
    let named = json!({"id": "order-1", "type": "a.b", "data": data});
    let named = world.send(tenant, "POST", "/v1/events", named).await;
    let keyed = json!({"type": "a.b", "data": data});
    let caller = tenant.clone().with_idempotency_key("once");
    let keyed = world.send(&caller, "POST", "/v1/events", keyed).await;
    [named, keyed].map(|answer| answer.data(202)["deliveries"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_tenant_made_anew_begins_empty_whatever_the_one_before_it_left() {
    let world = World::new().await;
    let first = world.tenant("acme", "standard", "pro").await;
    let id = world.webhook(&first).await;
    let path = format!("/v1/webhooks/{id}");
    world.answer(503);
    let accepted = publish_known(&world, &first, json!({"of": "the first"})).await;
    assert_eq!(accepted, [1, 1]);
    world.pass(1_000).await;
    let logs = world.get(&first, &format!("{path}/logs")).await;
    let log = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
    let since = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
    let asked = &first.clone().with_idempotency_key("back");
    let recovery = world
        .send(asked, "POST", &format!("{path}/recover"), since.clone())
        .await;
    let recovery = recovery.data(202)["job"]["id"].clone();

    world
        .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
        .await
        .data(202);
    let posted = world.posts();
    let second = world.tenant("acme", "standard", "pro").await;
    // Known from a moment ago, but the other tenant's.
    world
        .get(&first, "/v1/webhooks")
        .await
        .assert_error(401, "unauthorized");
    let operator = As::operator_for("acme");
    let imported = json!({"id": id, "url": "https://example.com/new", "events": ["*"]});
    world
        .send(&operator, "POST", "/v1/webhooks", imported)
        .await
        .data(201);

    for (list, name) in [
        ("/v1/events".to_owned(), "events"),
        (format!("{path}/logs"), "logs"),
        (format!("{path}/deliveries"), "deliveries"),
    ] {
        let left = world.get(&second, &list).await;
        assert_eq!(left.data(200)[name], json!([]), "{list}");
    }
    for gone in [
        "/v1/events/order-1".to_owned(),
        format!("{path}/logs/{log}"),
        format!("/v1/jobs/{}", recovery.as_str().unwrap()),
    ] {
        let gone = world.get(&second, &gone).await;
        gone.assert_error(404, "not_found");
    }
    let retry = format!("{path}/logs/{log}/retry");
    let retry = world.send_text(&second, "POST", &retry, "").await;
    retry.assert_error(404, "not_found");
    for stats in ["/v1/stats".to_owned(), format!("{path}/stats")] {
        let stats = world.get(&second, &stats).await;
        assert_eq!(stats.data(200)["stats"]["attempts"], 0);
    }
    let mut counted = since;
    counted["dry_run"] = json!(true);
    let counted = world
        .send(&second, "POST", &format!("{path}/recover"), counted)
        .await;
    assert_eq!(counted.data(200)["count"], 0);

    // What still waits for the first one finds no webhook.
    world.answer(200);
    world.pass(3_600_000).await;
    assert_eq!(world.posts(), posted);
    let accepted = publish_known(&world, &second, json!({"of": "the second"})).await;
    assert_eq!(accepted, [1, 1]);
    world.pass(1_000).await;
    assert_eq!(world.posts(), posted + 2);
    let event = world.get(&second, "/v1/events/order-1").await;
    assert_eq!(
        event.data(200)["event"]["data"],
        json!({"of": "the second"})
    );

    let listed = world.get(&As::operator(), "/v1/tenants").await;
    let ids = listed.data(200)["tenants"].as_array().unwrap().iter();
    assert_eq!(ids.map(|it| &it["id"]).collect::<Vec<_>>(), ["acme"]);
    let another = world.get(&As::operator(), "/v1/tenants/acme~2").await;
    another.assert_error(404, "not_found");
    world
        .get(&As::operator_for("acme~2"), "/v1/webhooks")
        .await
        .assert_error(422, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn an_id_is_taken_again_and_again() {
    let world = World::new().await;
    for round in 1..=3 {
        let tenant = world.tenant("acme", "standard", "pro").await;
        world.webhook(&tenant).await;
        let event = json!({"id": "order-1", "type": "a.b", "data": {"round": round}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        assert_eq!(published.data(202)["deliveries"], 1);
        world.pass(1_000).await;
        assert_eq!(world.posts(), round);
        let change = json!({"name": "Acme Ltd"});
        world
            .send(&As::operator(), "PATCH", "/v1/tenants/acme", change)
            .await
            .data(200);
        world
            .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
            .await
            .data(202);
    }
}

/// A client that heard no answer asks again, and has one tenant.
#[tokio::test(start_paused = true)]
async fn the_same_idempotency_key_is_the_same_tenant() {
    let world = World::new().await;
    let operator = As::operator().with_idempotency_key("k");
    let make = async |tenant: Value| {
        world.pass(1_000).await;
        world.send(&operator, "POST", "/v1/tenants", tenant).await
    };
    let acme = json!({"name": "Acme", "dialect": "odin", "plan": "pro"});
    let made = make(acme.clone()).await;
    let made = &made.data(201)["tenant"];
    assert_eq!(make(acme.clone()).await.data(201)["tenant"], *made);
    let refused = make(json!({"name": "Another"})).await;
    refused.assert_error(422, "idempotency_mismatch");
    assert_eq!(refused.fields(), ["Idempotency-Key"]);
    let listed = world.get(&As::operator(), "/v1/tenants").await;
    assert_eq!(listed.data(200)["tenants"].as_array().unwrap().len(), 1);

    let path = format!("/v1/tenants/{}", made["id"].as_str().unwrap());
    let change = json!({"plan": "enterprise"});
    let changed = world.send(&As::operator(), "PATCH", &path, change).await;
    changed.data(200);
    assert_eq!(make(acme.clone()).await.data(201)["tenant"], *made);

    // What was deleted does not come back because a script runs again.
    world
        .send_text(&As::operator(), "DELETE", &path, "")
        .await
        .data(202);
    assert_eq!(make(acme).await.data(201)["tenant"], *made);
    world
        .get(&As::operator(), &path)
        .await
        .assert_error(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_the_dialect_does_not_name_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let operator = As::operator();
    for plan in ["nope", "Pro", "pro ", "enterprise2"] {
        let made = json!({"id": "other", "name": "Other", "dialect": "odin", "plan": plan});
        let refused = world.send(&operator, "POST", "/v1/tenants", made).await;
        refused.assert_error(422, "unknown_plan");
        assert_eq!(refused.fields(), ["plan"]);
        let change = json!({"plan": plan});
        let refused = world
            .send(&operator, "PATCH", "/v1/tenants/acme", change)
            .await;
        refused.assert_error(422, "unknown_plan");
        assert_eq!(refused.fields(), ["plan"]);
    }
    let webhook = world.get(&tenant, &path).await;
    assert_eq!(webhook.data(200)["webhook"]["status"], "active");
    let acme = world.get(&operator, "/v1/tenants/acme").await;
    assert_eq!(acme.data(200)["tenant"]["plan"], "pro");
    // An empty text is none.
    let without = json!({"id": "none", "name": "None", "dialect": "odin", "plan": ""});
    let made = world.send(&operator, "POST", "/v1/tenants", without).await;
    assert_eq!(made.data(201)["tenant"]["plan"], json!(null));
    for (plan, shown) in [("pro", json!("pro")), ("", json!(null))] {
        let change = json!({"plan": plan});
        let changed = world
            .send(&operator, "PATCH", "/v1/tenants/none", change)
            .await;
        assert_eq!(changed.data(200)["tenant"]["plan"], shown);
    }
    // Where a dialect names no plans, any may be named.
    let any = json!({"id": "any", "name": "Any", "dialect": "patra", "plan": "nope"});
    let made = world.send(&operator, "POST", "/v1/tenants", any).await;
    made.data(201);
}

#[tokio::test(start_paused = true)]
async fn a_plan_activates_exactly_what_one_without_webhooks_disabled() {
    let world = World::new().await;
    let own = As::operator_for("_operator");
    let heard = json!({"url": "https://operator.example/", "events": ["webhook.disabled"]});
    let heard = world.send(&own, "POST", "/v1/webhooks", heard).await;
    let heard = heard.data(201)["webhook"]["id"].as_str().unwrap();
    world.pass(61_000).await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.push(format!("/v1/webhooks/{}", world.webhook(&tenant).await));
    }
    let disabled = json!({"status": "disabled"});
    world
        .send(&tenant, "PATCH", &paths[2], disabled)
        .await
        .data(200);
    let change = async |plan: Value, query: &str| {
        let path = format!("/v1/tenants/acme{query}");
        let change = json!({"plan": plan});
        let changed = world.send(&As::operator(), "PATCH", &path, change).await;
        world.pass(2_000).await;
        let data = changed.data(200);
        assert_eq!(data["job"].is_null(), query.is_empty());
        data["webhooks"].clone()
    };
    let counts = |disabled, activated| json!({"disabled": disabled, "activated": activated});
    let shown = async || {
        let mut shown = Vec::new();
        for path in &paths {
            let webhook = world.get(&tenant, path).await;
            shown.push(webhook.data(200)["webhook"]["status"].clone());
        }
        shown
    };
    assert_eq!(change(json!("free"), "").await, counts(2, 0));
    assert_eq!(shown().await, ["disabled", "disabled", "disabled"]);
    // Asked once more, as after an answer that was lost.
    assert_eq!(change(json!("free"), "").await, counts(0, 0));
    assert_eq!(change(json!(null), "").await, counts(0, 0));
    let told = world.get(&own, &format!("/v1/webhooks/{heard}/logs")).await;
    assert_eq!(told.data(200)["logs"].as_array().unwrap().len(), 2);

    let event = json!({"id": "missed", "type": "user.lesson.completed", "data": {}});
    let missed = world.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(missed.data(202)["deliveries"], 0);
    assert_eq!(change(json!("enterprise"), "").await, counts(0, 2));
    assert_eq!(shown().await, ["active", "active", "disabled"]);
    let logs = world.get(&tenant, &format!("{}/logs", paths[0])).await;
    assert_eq!(logs.data(200)["logs"], json!([]));

    assert_eq!(change(json!("basic"), "").await, counts(2, 0));
    let recovered = change(json!("pro"), "?recover=true").await;
    assert_eq!(recovered, counts(0, 2));
    let jobs = world.get(&tenant, "/v1/jobs?kind=recover").await;
    let jobs = jobs.data(200)["jobs"].as_array().unwrap().clone();
    assert_eq!(jobs.len(), 1);
    assert_eq!(
        (&jobs[0]["webhook_id"], &jobs[0]["result"]),
        (&json!(null), &json!({"deliveries": 2, "skipped": 0}))
    );
    for (path, sent) in paths.iter().zip([1, 1, 0]) {
        let logs = world.get(&tenant, &format!("{path}/logs")).await;
        assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), sent);
    }
    // What is sent back as it was read changes nothing; who disables one that the plan has disabled keeps it so.
    assert_eq!(change(json!("free"), "").await, counts(2, 0));
    let read = world.get(&tenant, &paths[0]).await;
    let mut read = read.data(200)["webhook"].clone();
    read["name"] = json!("renamed");
    let disabled = json!({"status": "disabled"});
    for (path, given, code) in [(&paths[0], read, "plan"), (&paths[1], disabled, "manual")] {
        let changed = world.send(&tenant, "PATCH", path, given).await;
        assert_eq!(changed.data(200)["webhook"]["disabled"]["code"], code);
    }
    assert_eq!(change(json!("pro"), "").await, counts(0, 1));
    assert_eq!(shown().await, ["active", "disabled", "disabled"]);

    let wrong = world
        .send(
            &As::operator(),
            "PATCH",
            "/v1/tenants/acme?recover=yes",
            json!({}),
        )
        .await;
    wrong.assert_error(422, "invalid_request");
    assert_eq!(wrong.fields(), ["recover"]);
}

/// Onboarding that runs again and again: the tenant is there, as given.
#[tokio::test(start_paused = true)]
async fn a_tenant_is_made_or_replaced_under_its_id() {
    let world = World::new().await;
    let operator = As::operator();
    let path = "/v1/tenants/acme";
    let whole =
        json!({"name": "Acme", "dialect": "odin", "plan": "pro", "metadata": {"region": "eu"}});
    let made = world.send(&operator, "PUT", path, whole.clone()).await;
    assert_eq!(made.headers["location"], path);
    let made = made.data(201)["tenant"].clone();
    assert_eq!(
        (&made["id"], &made["metadata"]),
        (&json!("acme"), &whole["metadata"])
    );
    let again = world.send(&operator, "PUT", path, whole.clone()).await;
    assert_eq!(again.data(200)["tenant"], made);
    // What was read can be sent back.
    let again = world.send(&operator, "PUT", path, made.clone()).await;
    assert_eq!(again.data(200)["tenant"], made);
    let again = world.send(&operator, "PATCH", path, made.clone()).await;
    assert_eq!(again.data(200)["tenant"], made);
    let only_new = As::operator().when("if-none-match", "*");
    let there = world.send(&only_new, "PUT", path, whole.clone()).await;
    there.assert_error(412, "precondition_failed");

    let owner = world.key("acme", json!({"scopes": ["manage"]})).await;
    world.webhook(&owner).await;
    let tag = world.get(&operator, path).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    // A change of its webhooks is none of the tenant's settings.
    world.webhook(&owner).await;
    let from = |tag: &str| As::operator().when("if-match", tag);
    let free = json!({"name": "Acme", "dialect": "odin", "plan": "free"});
    let replaced = world.send(&from(&tag), "PUT", path, free).await;
    assert_eq!(
        replaced.data(200)["webhooks"],
        json!({"disabled": 2, "activated": 0})
    );
    assert_eq!(replaced.data(200)["tenant"]["metadata"], json!({}));
    for stale in [tag.as_str(), "\"nonsense\""] {
        for method in ["PUT", "PATCH"] {
            let late = world.send(&from(stale), method, path, whole.clone()).await;
            late.assert_error(412, "precondition_failed");
        }
        let late = world.send_text(&from(stale), "DELETE", path, "").await;
        late.assert_error(412, "precondition_failed");
    }
    // A tenant without a name could not be imported.
    let nameless = json!({"name": null});
    let nameless = world.send(&operator, "PATCH", path, nameless).await;
    nameless.assert_error(422, "invalid_request");
    assert_eq!(nameless.fields(), ["name"]);
    for (path, wrong, field, code) in [
        (path, json!({"id": "other"}), "id", "invalid_request"),
        (path, json!({"plan": "nope"}), "plan", "unknown_plan"),
        (path, json!({"colour": 1}), "colour", "unknown_field"),
        ("/v1/tenants/_mine", json!({}), "id", "invalid_request"),
        ("/v1/tenants/_operator", json!({}), "id", "invalid_request"),
        ("/v1/tenants/a.b", json!({}), "id", "invalid_request"),
        (
            &format!("/v1/tenants/{}", "x".repeat(65)),
            json!({}),
            "id",
            "invalid_request",
        ),
    ] {
        let mut body = whole.clone();
        body.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let refused = world.send(&operator, "PUT", path, body).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{wrong}");
    }
}

/// A tenant moves to another dialect: what is made from now on speaks it.
#[tokio::test(start_paused = true)]
async fn a_changed_dialect_is_for_new_webhooks() {
    let world = World::new().await;
    let owner = world.tenant("acme", "odin", "pro").await;
    let old = format!("/v1/webhooks/{}", world.webhook(&owner).await);
    let path = "/v1/tenants/acme";
    let change = json!({"dialect": "standard", "metadata": {"a": "1"}});
    let changed = world.send(&As::operator(), "PATCH", path, change).await;
    assert_eq!(changed.data(200)["tenant"]["dialect"], "standard");
    let new = format!("/v1/webhooks/{}", world.webhook(&owner).await);
    for (path, dialect) in [(&old, "odin"), (&new, "standard")] {
        let webhook = world.get(&owner, path).await;
        assert_eq!(webhook.data(200)["webhook"]["dialect"], dialect);
    }
    // A plan that the other dialect does not name goes along with none.
    world
        .send(&As::operator(), "PATCH", path, json!({"plan": "gold"}))
        .await
        .data(200);
    let back = world
        .send(&As::operator(), "PATCH", path, json!({"dialect": "odin"}))
        .await;
    back.assert_error(422, "unknown_plan");
    assert_eq!(back.fields(), ["plan"]);
    // Without a plan the other dialect has no webhooks: whoever wants that says so.
    world
        .send(&As::operator(), "PATCH", path, json!({"plan": null}))
        .await
        .data(200);
    let back = world
        .send(&As::operator(), "PATCH", path, json!({"dialect": "odin"}))
        .await;
    back.assert_error(422, "unknown_plan");
    assert_eq!(back.fields(), ["plan"]);
    for webhook in [&old, &new] {
        let webhook = world.get(&owner, webhook).await;
        assert_eq!(webhook.data(200)["webhook"]["status"], "active");
    }
    let none = json!({"dialect": "odin", "plan": null});
    let moved = world.send(&As::operator(), "PATCH", path, none).await;
    assert_eq!(moved.data(200)["webhooks"]["disabled"], 2);
    let both = json!({"dialect": "odin", "plan": "pro"});
    world
        .send(&As::operator(), "PATCH", path, both)
        .await
        .data(200);
    for (query, count) in [
        ("dialect=odin", 1),
        ("dialect=standard", 0),
        ("dialect=standard,odin", 1),
        ("plan=free,pro", 1),
        ("plan=free", 0),
        ("plan=pro&q=ACM", 1),
        ("q=nobody", 0),
        ("metadata.a=1", 1),
        ("metadata.a=2", 0),
    ] {
        let listed = world
            .get(&As::operator(), &format!("/v1/tenants?{query}"))
            .await;
        assert_eq!(
            listed.data(200)["tenants"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    for (query, field) in [("dialect=nope", "dialect"), ("plan=pro,", "plan")] {
        let path = format!("/v1/tenants?{query}");
        let refused = world.get(&As::operator(), &path).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

//! Exports, and imports of what they give.

use std::collections::BTreeSet;

use rung_core::domain::time::Time;
use serde_json::{Value, json};

use crate::{
    client_certificates::client_certificate,
    openapi::written_out,
    world::{Answered, As, World},
};

/// Longer than any line but those of large bodies.
const PAGE_BYTES: usize = 1024 * 1024;

/// Starts an export; its job.
async fn begun(world: &World, who: &As, request: Value) -> String {
    let begun = world.send(who, "POST", "/v1/exports", request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/jobs/{id}");
    assert_eq!(begun.headers["location"], path.as_str());
    path
}

/// The lines of a page, and the path of the next one.
fn read(page: &Answered) -> (Vec<Value>, Option<String>) {
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.headers["content-type"], "application/x-ndjson");
    assert_eq!(page.headers["cache-control"], "no-store");
    let lines = match &page.body {
        // A single line is JSON itself.
        Value::String(text) => {
            let longest = text.lines().map(str::len).max().unwrap_or(0);
            assert!(text.len() <= PAGE_BYTES + longest + 1, "{}", text.len());
            let lines = text.lines();
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
        line => vec![line.clone()],
    };
    let link = page.headers.get("link").map(|link| link.to_str().unwrap());
    let next = link.map(|link| {
        let link = link.strip_prefix('<').unwrap();
        link.strip_suffix(">; rel=\"next\"").unwrap().to_owned()
    });
    (lines, next)
}

/// All pages of an export that has just been asked for.
async fn pages(world: &World, who: &As, request: Value) -> (Value, Vec<Vec<Value>>) {
    let path = begun(world, who, request).await;
    world.pass(1_000).await;
    let job = world.get(who, &path).await.data(200)["job"].clone();
    assert_eq!(job["status"], "succeeded", "{job}");
    let (mut pages, mut next) = (Vec::new(), Some(format!("{path}/output")));
    while let Some(path) = next {
        let (lines, following) = read(&world.get(who, &path).await);
        pages.push(lines);
        next = following;
    }
    (job, pages)
}

async fn exported(world: &World, who: &As, request: Value) -> Vec<Value> {
    let (_, pages) = pages(world, who, request).await;
    pages.concat()
}

async fn whole(world: &World) -> Vec<Value> {
    exported(world, &As::operator(), json!({"include": ["secrets"]})).await
}

/// The kinds of lines, in their order.
fn kinds(lines: &[Value]) -> Vec<&str> {
    let members = lines.iter().flat_map(|line| line.as_object().unwrap());
    members.map(|(kind, _)| kind.as_str()).collect()
}

/// Of keys that came at once it says nothing which was first.
fn sorted(lines: &[Value]) -> BTreeSet<String> {
    let sorted: BTreeSet<_> = lines.iter().map(Value::to_string).collect();
    assert_eq!(sorted.len(), lines.len());
    sorted
}

fn text_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn taken(world: &World, who: &As, text: &str) -> Value {
    let taken = world.send_text(who, "POST", "/v1/import", text).await;
    taken.data(200).clone()
}

async fn imported(world: &World, lines: &[Value]) -> Vec<Value> {
    let data = taken(world, &As::operator(), &text_of(lines)).await;
    assert_eq!(data["next_line"], json!(null));
    data["results"].as_array().unwrap().clone()
}

fn statuses(results: &[Value]) -> BTreeSet<u64> {
    let statuses = results.iter().map(|result| {
        assert_eq!(result["error"], json!(null));
        result["status"].as_u64().unwrap()
    });
    statuses.collect()
}

/// Makes a webhook under an id of the operator's choice.
async fn put(world: &World, tenant: &str, id: &str, webhook: Value) {
    let path = format!("/v1/webhooks/{id}");
    let operator = As::operator_for(tenant);
    let put = world.send(&operator, "PUT", &path, webhook).await;
    put.data(201);
}

async fn define(world: &World, who: &As, path: &str, event_type: Value) {
    let path = format!("/v1/event-types/{path}");
    world.send(who, "PUT", &path, event_type).await.data(201);
}

/// A deployment with a webhook of every state, event types of the operator's and of a tenant's, and keys.
async fn scene() -> (World, As) {
    let world = World::new().await;
    let operator = As::operator();
    let old = json!({"groups": ["order"], "archived": true, "description": "Once."});
    define(&world, &operator, "order.old", old).await;
    let taught = json!({"sample": {"lesson": 1}, "groups": ["user"]});
    define(&world, &operator, "user.taught?dialect=odin", taught).await;

    let tenant = world.tenant("acme", "odin", "pro").await;
    let own = json!({
        "schema": {"required": ["n"]}, "sample": {"n": 7}, "groups": ["content"],
        "deprecated": {"since": "2025-01-01T00:00:00.000Z", "use": "user.taught"},
    });
    define(&world, &As::operator_for("acme"), "content.read", own).await;
    let expiring =
        json!({"scopes": ["read"], "name": "Guest", "expires_at": "2999-01-01T00:00:00.000Z"});
    world.key("acme", expiring).await;
    let webhook = json!({
        "url": "https://example.com/hook", "events": ["user.*", "content"], "name": "n", "description": "d",
        "headers": {"X-Region": "eu"}, "secret_headers": {"Authorization": "Bearer s"},
        "metadata": {"tier": "gold"}, "rate_limit_per_second": 7, "max_in_flight": 3, "keep_alive": true,
        "filter": {"n": [{"exists": true}]}, "client_certificate": client_certificate("acme"),
    });
    put(&world, "acme", "wh_all", webhook).await;
    let rotate = "/v1/webhooks/wh_all/rotate-secret";
    let rotated = world.send(&tenant, "POST", rotate, json!({})).await;
    rotated.data(200);
    let hook = |more: Value| {
        let mut hook = json!({"url": "https://example.com/hook", "events": ["*"]});
        hook.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        hook
    };
    let gone = json!({"at": "2025-10-01T00:00:00.000Z", "code": "gone"});
    put(
        &world,
        "acme",
        "wh_gone",
        hook(json!({"status": "disabled", "disabled": gone})),
    )
    .await;

    world.tenant("other", "standard", "pro").await;
    put(&world, "other", "wh_pair", hook(json!({"signing": "v1a"}))).await;
    put(
        &world,
        "other",
        "wh_asked",
        hook(json!({"challenge": true})),
    )
    .await;
    put(
        &world,
        "other",
        "wh_known",
        hook(json!({"challenge": true, "status": "active"})),
    )
    .await;

    world.tenant("frugal", "odin", "pro").await;
    put(&world, "frugal", "wh_plan", hook(json!({}))).await;
    let off = json!({"plan": "free"});
    let off = world
        .send(&operator, "PATCH", "/v1/tenants/frugal", off)
        .await;
    assert_eq!(off.data(200)["webhooks"]["disabled"], 1);
    put(&world, "_operator", "wh_own", hook(json!({}))).await;
    (world, tenant)
}

#[tokio::test(start_paused = true)]
async fn an_import_of_an_export_is_the_same_deployment() {
    let (world, tenant) = scene().await;
    let (operator, include) = (As::operator(), json!({"include": ["secrets"]}));
    let (job, pages) = pages(&world, &operator, include.clone()).await;
    assert_eq!((&job["kind"], &job["params"]), (&json!("export"), &include));
    assert_eq!(job["result"], json!({"tenants": 3, "webhooks": 7}));
    let lines = pages.concat();
    let counted = |kind| kinds(&lines).into_iter().filter(|it| *it == kind).count();
    let counts = ["tenant", "key", "event_type", "webhook"].map(counted);
    assert_eq!(counts, [3, 4, 3, 7]);
    let key = world.get(&operator, "/v1/tenants/acme/keys?order=asc&limit=1");
    let key = key.await.data(200)["keys"][0].clone();
    let is_its = |line: &&Value| line["key"]["id"] == key["id"];
    let line = &lines.iter().find(is_its).unwrap()["key"];
    assert_eq!(line["created_at"], key["created_at"]);

    let fresh = World::new().await;
    assert_eq!(
        statuses(&imported(&fresh, &lines).await),
        BTreeSet::from([201])
    );
    assert_eq!(sorted(&whole(&fresh).await), sorted(&lines));
    assert_eq!(
        statuses(&imported(&fresh, &lines).await),
        BTreeSet::from([200])
    );
    assert_eq!(sorted(&whole(&fresh).await), sorted(&lines));

    // The tenant's own key works there, its event type holds, and its receiver notices nothing.
    fresh.pass(1_000).await;
    let told = fresh.posts();
    let event = json!({"type": "content.read", "data": {"n": 1}});
    let sent = fresh.send(&tenant, "POST", "/v1/events", event).await;
    assert_eq!(sent.data(202)["deliveries"], 1);
    let refused = json!({"type": "content.read", "data": {}});
    let refused = fresh.send(&tenant, "POST", "/v1/events", refused).await;
    refused.assert_error(422, "schema_violation");
    fresh.pass(1_000).await;
    assert_eq!(fresh.posts(), told + 1);
    assert_eq!(fresh.last_headers()["authorization"], "Bearer s");
    assert!(fresh.last_post().client_certificate.is_some());
    // A plan with webhooks brings back what the one without had disabled, and nothing else.
    let on = json!({"plan": "pro"});
    let on = fresh
        .send(&operator, "PATCH", "/v1/tenants/frugal", on)
        .await;
    assert_eq!(
        on.data(200)["webhooks"],
        json!({"disabled": 0, "activated": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn an_import_that_was_interrupted_is_repeated() {
    let (world, _) = scene().await;
    let lines = whole(&world).await;
    for cut in [1, lines.len() / 2, lines.len() - 1] {
        let fresh = World::new().await;
        imported(&fresh, &lines[..cut]).await;
        let results = imported(&fresh, &lines).await;
        let is_new = |result: &Value| result["status"] == 201;
        assert_eq!(
            results.iter().filter(|it| is_new(it)).count(),
            lines.len() - cut
        );
        assert_eq!(sorted(&whole(&fresh).await), sorted(&lines));
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_into_a_tenant_that_is_there_replaces_what_it_names() {
    let (world, _) = scene().await;
    let acme = As::operator_for("acme");
    let before = whole(&world).await;
    let lines = exported(&world, &acme, json!({})).await;
    assert_eq!(
        kinds(&lines),
        ["tenant", "key", "key", "event_type", "webhook", "webhook"]
    );
    // Without what is secret, that stays.
    imported(&world, &lines).await;
    assert_eq!(sorted(&whole(&world).await), sorted(&before));

    let changed = [
        json!({"tenant": {"id": "acme", "name": "Changed", "dialect": "odin", "plan": "pro"}}),
        json!({"key": {"tenant_id": "acme", "key_sha256": lines[1]["key"]["key_sha256"], "scopes": ["publish"], "name": "Less"}}),
    ];
    let results = imported(&world, &changed).await;
    assert_eq!(statuses(&results), BTreeSet::from([200]));
    let after = exported(&world, &acme, json!({})).await;
    assert_eq!(after[0]["tenant"]["name"], "Changed");
    assert_eq!(
        after[0]["tenant"]["created_at"],
        lines[0]["tenant"]["created_at"]
    );
    assert_eq!(after[1]["key"]["scopes"], json!(["publish"]));
    assert_eq!(after[1]["key"]["name"], "Less");
    assert_eq!(after[2..], lines[2..]);
}

#[tokio::test(start_paused = true)]
async fn an_export_has_what_was_asked_for_and_no_secret_otherwise() {
    let (world, _) = scene().await;
    let acme = As::operator_for("acme");
    let without = exported(&world, &acme, json!({"include": ["events", "logs"]})).await;
    let text = json!(without).to_string();
    for secret in ["whsec_", "whsk_", "Bearer s", "secret", "PRIVATE KEY"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    world.pass(1).await;
    let lines = exported(&world, &acme, json!({"include": ["secrets"]})).await;
    let all = lines
        .iter()
        .find(|line| line["webhook"]["id"] == "wh_all")
        .unwrap();
    let all = all["webhook"].as_object().unwrap();
    assert_eq!(all["secret_headers"], json!({"Authorization": "Bearer s"}));
    let key = all["client_certificate"]["private_key"].as_str().unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(all["old_secrets"].as_array().unwrap().len(), 1);
    let secret = world.get(&acme, "/v1/webhooks/wh_all/secret").await;
    assert_eq!(secret.data(200)["secret"], all["secret"]);
    // All that a webhook is put with.
    let document = written_out();
    let body = &document["paths"]["/v1/webhooks/{webhook}"]["put"]["requestBody"];
    let members = body["content"]["application/json"]["schema"]["properties"].as_object();
    let is_set = |(name, member): &(&String, &Value)| {
        let described = &member["description"];
        *name == "tenant_id" || (described != "The present value." && described != "Has no effect.")
    };
    let settable = members.unwrap().iter().filter(is_set);
    let settable: BTreeSet<_> = settable.map(|(name, _)| name).collect();
    assert_eq!(all.keys().collect::<BTreeSet<_>>(), settable);

    // Each part that is read is in the audit log, and that it was asked for.
    let path = "/v1/audit?action=export.*&limit=2";
    let audit = world.get(&acme, path).await.data(200)["entries"].clone();
    assert_eq!(audit[0]["action"], "export.read");
    assert_eq!(audit[1]["action"], "export.started");
    assert_eq!(
        audit[1]["changes"],
        json!([{"field": "include", "before": null, "after": ["secrets"]}])
    );
    assert_eq!(audit[0]["target"], audit[1]["target"]);
    // An expired key is of no use anywhere.
    let soon = Time::at_ms(world.now_ms() + 10_000).to_string();
    let key = json!({"scopes": ["read"], "name": "Soon", "expires_at": soon});
    world.key("acme", key).await;
    let keys = async || {
        let lines = exported(&world, &acme, json!({})).await;
        kinds(&lines)
            .into_iter()
            .filter(|kind| *kind == "key")
            .count()
    };
    assert_eq!(keys().await, 3);
    world.pass(10_000).await;
    assert_eq!(keys().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_line_with_a_fault_is_named_and_all_others_are_taken() {
    let (world, _) = scene().await;
    let lines = exported(&world, &As::operator_for("acme"), json!({})).await;
    let with = |line: &Value, field: &str, value: Value| {
        let mut line = line.clone();
        let (_, thing) = line.as_object_mut().unwrap().iter_mut().next().unwrap();
        thing[field] = value;
        line.to_string()
    };
    let [tenant, key, event_type, webhook] = [0, 1, 3, 5].map(|index| &lines[index]);
    let fresh = World::new().await;
    fresh.tenant("thief", "odin", "pro").await;
    let cases = [
        ("{\"tenant\": ".to_owned(), 400, "invalid_json", "tenant"),
        ("[]".to_owned(), 422, "invalid_request", "line"),
        (
            "{\"tenant\": {}, \"key\": {}}".to_owned(),
            422,
            "invalid_request",
            "line",
        ),
        (
            "{\"tenants\": {}}".to_owned(),
            422,
            "invalid_request",
            "line",
        ),
        ("{\"tenant\": 7}".to_owned(), 422, "invalid_request", "id"),
        (
            with(tenant, "id", json!("_own")),
            422,
            "invalid_request",
            "id",
        ),
        (
            with(tenant, "plan", json!("nope")),
            422,
            "unknown_plan",
            "plan",
        ),
        (
            with(tenant, "colour", json!(1)),
            422,
            "unknown_field",
            "colour",
        ),
        (tenant.to_string(), 201, "", ""),
        (
            with(key, "tenant_id", json!(null)),
            422,
            "invalid_request",
            "tenant_id",
        ),
        (with(key, "tenant_id", json!("none")), 404, "not_found", ""),
        (
            with(key, "key_sha256", json!(null)),
            422,
            "invalid_request",
            "key_sha256",
        ),
        (
            with(key, "key_sha256", json!("x")),
            422,
            "invalid_request",
            "key_sha256",
        ),
        (
            with(key, "scopes", json!(["admin"])),
            422,
            "invalid_request",
            "scopes",
        ),
        (
            with(key, "expires_at", json!("2020-01-01T00:00:00Z")),
            422,
            "invalid_request",
            "expires_at",
        ),
        (
            with(key, "id", json!("key_root")),
            422,
            "invalid_request",
            "id",
        ),
        (with(key, "id", json!("a b")), 422, "invalid_request", "id"),
        (
            with(key, "created_at", json!("now")),
            422,
            "invalid_request",
            "created_at",
        ),
        (key.to_string(), 201, "", ""),
        (
            with(key, "key_sha256", json!("0".repeat(64))),
            409,
            "id_taken",
            "id",
        ),
        (
            with(key, "tenant_id", json!("thief")),
            409,
            "key_taken",
            "key_sha256",
        ),
        (
            with(event_type, "type", json!("a b")),
            422,
            "invalid_request",
            "type",
        ),
        (
            with(event_type, "type", json!("a/schema")),
            422,
            "reserved_type",
            "type",
        ),
        (
            with(event_type, "sample", json!({})),
            422,
            "schema_violation",
            "sample.n",
        ),
        (
            with(event_type, "tenant_id", json!(7)),
            422,
            "invalid_request",
            "tenant_id",
        ),
        (
            with(&with_null_tenant(event_type), "dialect", json!("none")),
            422,
            "invalid_request",
            "dialect",
        ),
        (event_type.to_string(), 201, "", ""),
        (
            with(webhook, "id", json!(null)),
            422,
            "invalid_request",
            "id",
        ),
        (
            with(webhook, "url", json!("no URL")),
            422,
            "invalid_request",
            "url",
        ),
        (
            with(webhook, "events", json!(["*", "a b"])),
            422,
            "unknown_event_type",
            "events[1]",
        ),
        (
            with(webhook, "events", json!(["a/schema"])),
            422,
            "reserved_type",
            "events[0]",
        ),
        (
            with(webhook, "disabled", json!({"at": 1})),
            422,
            "invalid_request",
            "disabled",
        ),
        (
            with(webhook, "secret_headers", json!(["X"])),
            422,
            "invalid_request",
            "secret_headers",
        ),
        (webhook.to_string(), 201, "", ""),
        ("{\"event\": {}}".to_owned(), 200, "", ""),
        ("{\"log\": 7}".to_owned(), 200, "", ""),
    ];
    let text: String = cases
        .iter()
        .map(|(line, ..)| format!("{line}\n\n"))
        .collect();
    let data = taken(&fresh, &As::operator(), &text).await;
    assert_eq!(data["next_line"], json!(null));
    let results = data["results"].as_array().unwrap();
    assert_eq!(results.len(), cases.len());
    for (index, ((line, status, code, field), result)) in cases.iter().zip(results).enumerate() {
        let error = &result["error"];
        assert_eq!(result["line"], 2 * index + 1, "{line}");
        assert_eq!(result["status"], *status, "{line}: {error}");
        assert_eq!(
            error["code"].as_str().unwrap_or(""),
            *code,
            "{line}: {error}"
        );
        let named = error["details"][0]["field"].as_str().unwrap_or("");
        assert_eq!(named, *field, "{line}: {error}");
    }
    let there = exported(&fresh, &As::operator_for("acme"), json!({})).await;
    let expected = [tenant, key, event_type, webhook].map(Clone::clone);
    assert_eq!(there, expected);
    // One tenant's lines alone.
    let only = As::operator_for("acme");
    let text = format!(
        "{tenant}\n{}\n{}\n",
        with(tenant, "id", json!("b")),
        with_null_tenant(event_type)
    );
    let data = taken(&fresh, &only, &text).await;
    let results = data["results"].as_array().unwrap();
    assert_eq!(results[0]["status"], 200);
    for (result, field) in results[1..].iter().zip(["id", "tenant_id"]) {
        assert_eq!(result["error"]["code"], "tenant_mismatch", "{result}");
        assert_eq!(result["error"]["details"][0]["field"], field);
    }
}

/// Who sends lines and looks at the status alone learns that none was taken.
#[tokio::test(start_paused = true)]
async fn an_import_of_which_no_line_is_taken_is_refused_with_its_results() {
    let world = World::new().await;
    let operator = As::operator().with_idempotency_key("k");
    let send = async |text: &str| world.send_text(&operator, "POST", "/v1/import", text).await;
    let refused = send("{\"tenant\": {\"id\": \"t\"}}\n\nno line\n").await;
    refused.assert_error(422, "import_refused");
    let data = &refused.body["data"];
    assert_eq!(data["next_line"], json!(null));
    let results = data["results"].as_array().unwrap();
    let told = results.iter().map(|result| {
        let code = result["error"]["code"].as_str().unwrap();
        (result["line"].as_u64().unwrap(), code)
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [(1, "invalid_request"), (3, "invalid_json")]);
    // It did nothing, so its key is free for what is right.
    let line = "{\"tenant\": {\"id\": \"t\", \"name\": \"T\"}}\n";
    assert_eq!(send(line).await.data(200)["results"][0]["status"], 201);
    let one = As::operator();
    let text = format!("{line}no line\n");
    let some = world.send_text(&one, "POST", "/v1/import", &text).await;
    assert_eq!(some.data(200)["results"][1]["status"], 400);
    let none = world.send_text(&one, "POST", "/v1/import", "\n\n").await;
    assert_eq!(*none.data(200), json!({"results": [], "next_line": null}));
}

fn with_null_tenant(event_type: &Value) -> Value {
    let mut event_type = event_type.clone();
    event_type["event_type"]["tenant_id"] = json!(null);
    event_type
}

#[tokio::test(start_paused = true)]
async fn an_import_takes_so_many_lines_at_a_time_and_says_where_to_go_on() {
    let world = World::new().await;
    let operator = As::operator();
    let text = "{\"log\": {}}\n".repeat(1_001);
    let data = taken(&world, &operator, &text).await;
    assert_eq!(data["results"].as_array().unwrap().len(), 1_000);
    assert_eq!(data["next_line"], 1_001);
    // What is told of faults is bounded too.
    let wrong: String = (0..30).map(|n| format!("\"member_{n}\": 1,")).collect();
    let wrong = format!("{{\"tenant\": {{{wrong} \"id\": \"t\", \"name\": \"t\"}}}}\n");
    let all = wrong.repeat(1_000);
    let refused = world.send_text(&operator, "POST", "/v1/import", &all).await;
    refused.assert_error(422, "import_refused");
    let data = &refused.body["data"];
    let next = data["next_line"].as_u64().unwrap();
    assert_eq!(data["results"].as_array().unwrap().len() as u64, next - 1);
    assert!(data.to_string().len() < 2 * PAGE_BYTES);
    let large = " ".repeat(4 * PAGE_BYTES + 1);
    let refused = world
        .send_text(&operator, "POST", "/v1/import", &large)
        .await;
    refused.assert_error(413, "payload_too_large");
}

/// Events of 200 KiB and their log entries, with quotes that are escaped once more in a log entry's body.
#[tokio::test(start_paused = true)]
async fn a_large_export_comes_in_pages_of_bounded_size_and_has_everything_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    world.webhook(&tenant).await;
    let data = json!({"quotes": "\"".repeat(100_000)});
    for number in 0..6 {
        let event = json!({"id": format!("e{number}"), "type": "a", "data": data, "metadata": {"n": number}});
        let sent = world.send(&tenant, "POST", "/v1/events", event).await;
        sent.data(202);
    }
    for number in 6..40 {
        let event = json!({"id": format!("e{number}"), "type": "a", "data": {}});
        let sent = world.send(&tenant, "POST", "/v1/events", event).await;
        sent.data(202);
    }
    world.pass(10_000).await;
    let include = json!({"include": ["logs", "events", "events"]});
    let (_, pages) = pages(&world, &As::operator_for("acme"), include).await;
    assert!(pages.len() > 4, "only {} pages", pages.len());
    let lines = pages.concat();
    sorted(&lines);
    let of = |kind: &str| {
        lines
            .iter()
            .filter_map(|line| line.get(kind))
            .collect::<Vec<_>>()
    };
    let (events, logs) = (of("event"), of("log"));
    assert_eq!((events.len(), logs.len(), lines.len()), (40, 80, 4 + 120));
    assert!(
        events
            .iter()
            .chain(&logs)
            .all(|it| it["tenant_id"] == "acme")
    );
    let first = events.iter().find(|event| event["id"] == "e0").unwrap();
    assert!(first["data"] == data);
    assert_eq!(first["metadata"], json!({"n": 0}));
    let sent = logs
        .iter()
        .map(|log| log["request"]["body"].as_str().unwrap().len());
    assert_eq!(sent.filter(|bytes| *bytes > 200_000).count(), 12);
}

#[tokio::test(start_paused = true)]
async fn an_export_is_read_by_whoever_may_once_it_has_succeeded() {
    let (world, tenant) = scene().await;
    let acme = As::operator_for("acme");
    for (request, field) in [
        (json!({"include": "secrets"}), "include"),
        (json!({"include": ["keys"]}), "include"),
        (json!({"tenant": "acme"}), "tenant"),
    ] {
        let refused = world.send(&acme, "POST", "/v1/exports", request).await;
        assert_eq!((refused.status, refused.fields()), (422, vec![field]));
    }
    let still = World::still().await;
    still.tenant("acme", "standard", "pro").await;
    let path = begun(&still, &acme, json!({})).await;
    let early = still.get(&acme, &format!("{path}/output")).await;
    early.assert_error(409, "busy");
    still
        .send_text(&acme, "POST", &format!("{path}/cancel"), "")
        .await
        .data(200);
    let cancelled = still.get(&acme, &format!("{path}/output")).await;
    cancelled.assert_error(404, "not_found");

    let path = begun(&world, &acme, json!({"include": ["secrets"]})).await;
    world.pass(1_000).await;
    let output = format!("{path}/output");
    let own = world.get(&tenant, &output).await;
    own.assert_error(403, "forbidden");
    let key = json!({"name": "r", "scopes": ["manage", "erase", "catalogue", "publish"]});
    let key = world.send(&As::operator(), "POST", "/v1/keys", key).await;
    let key = As::key(key.data(201)["key"]["key"].as_str().unwrap());
    let lesser = world.get(&key, &output).await;
    lesser.assert_error(403, "forbidden");
    let lesser = world.send(&key, "POST", "/v1/exports", json!({})).await;
    lesser.assert_error(403, "forbidden");
    let lesser = world.send_text(&key, "POST", "/v1/import", "").await;
    lesser.assert_error(403, "forbidden");
    let another = world.get(&As::operator_for("other"), &output).await;
    another.assert_error(404, "not_found");
    for who in [&acme, &As::operator()] {
        assert_eq!(world.get(who, &output).await.status, 200);
    }
    let forged = world.get(&acme, &format!("{output}?cursor=AAAA")).await;
    assert_eq!((forged.status, forged.fields()), (422, vec!["cursor"]));
    let text = world
        .get(&acme.clone().when("accept", "text/plain"), &output)
        .await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    // The same request is the same export.
    let repeated = acme.with_idempotency_key("1");
    let first = begun(&world, &repeated, json!({})).await;
    assert_eq!(begun(&world, &repeated, json!({})).await, first);
    let other = json!({"include": ["logs"]});
    let other = world.send(&repeated, "POST", "/v1/exports", other).await;
    other.assert_error(422, "idempotency_mismatch");
    // No job is an export.
    let job = world
        .send(
            &As::operator(),
            "POST",
            "/v1/dead-letters/redrive",
            json!({}),
        )
        .await;
    let id = job.data(202)["job"]["id"].as_str().unwrap();
    let none = world
        .get(&As::operator(), &format!("/v1/jobs/{id}/output"))
        .await;
    none.assert_error(404, "not_found");
}

/// Whether its types are there still or not: a webhook is moved as it is, and the answer tells.
#[tokio::test(start_paused = true)]
async fn a_webhook_that_subscribes_to_a_deleted_type_is_imported_as_it_was_exported() {
    let (world, acme) = (World::new().await, As::operator_for("acme"));
    world.tenant("acme", "odin", "pro").await;
    let path = "/v1/event-types/gone.here";
    define(&world, &acme, "gone.here", json!({})).await;
    let hook = json!({"url": "https://example.com/", "events": ["user", "gone.here", "gone.*"]});
    put(&world, "acme", "wh", hook).await;
    world.send_text(&acme, "DELETE", path, "").await.data(200);
    let lines = exported(&world, &acme, json!({"include": ["secrets"]})).await;

    let fresh = World::new().await;
    for (world, status) in [(&fresh, 201), (&fresh, 200), (&world, 200)] {
        let results = imported(world, &lines).await;
        assert_eq!(statuses(&results), BTreeSet::from([status]), "{results:?}");
        let told = results.last().unwrap();
        assert_eq!(told["unknown_events"], json!(["gone.here", "gone.*"]));
        assert_eq!(results[0]["unknown_events"], json!([]), "a tenant");
    }
    let again = exported(&fresh, &acme, json!({"include": ["secrets"]})).await;
    assert_eq!(sorted(&again), sorted(&lines));
    // It subscribes to what is defined later.
    define(&fresh, &acme, "gone.here", json!({})).await;
    let results = imported(&fresh, &lines).await;
    assert_eq!(results.last().unwrap()["unknown_events"], json!([]));
    let event = json!({"type": "gone.here", "data": {}});
    let sent = fresh.send(&acme, "POST", "/v1/events", event).await;
    assert_eq!(sent.data(202)["deliveries"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_export_of_a_tenant_that_is_deleted_meanwhile_fails() {
    let world = World::still().await;
    world.tenant("acme", "standard", "pro").await;
    let acme = As::operator_for("acme");
    let path = begun(&world, &acme, json!({})).await;
    let deleted = world
        .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
        .await;
    deleted.data(202);
    world.run_for(60_000).await;
    let job = world.get(&As::operator(), &path).await;
    let job = &job.data(200)["job"];
    assert_eq!(job["status"], "failed", "{job}");
    assert_eq!(job["error"]["code"], "tenant_deleted");
    assert_eq!(job["result"], json!(null));
    let output = format!("{path}/output");
    let none = world.get(&As::operator(), &output).await;
    none.assert_error(404, "not_found");
}

/// An export is made as it is read: of a tenant that is gone by then there is nothing, and that is said.
#[tokio::test(start_paused = true)]
async fn an_export_of_a_tenant_that_was_deleted_since_has_no_output() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let path = begun(&world, &As::operator_for("acme"), json!({})).await;
    world.pass(1_000).await;
    let output = format!("{path}/output");
    assert_eq!(world.get(&As::operator(), &output).await.status, 200);
    let deleted = world
        .send_text(&As::operator(), "DELETE", "/v1/tenants/acme", "")
        .await;
    deleted.data(202);
    let none = world.get(&As::operator(), &output).await;
    none.assert_error(404, "not_found");
}

//! Portal links: what each lets its people do, and when it ends.
//!
//! Which calls a link may make stands in [`CALLS`], call by call: one that is new is in none of them until somebody has decided.

use http::header::HOST;
use serde_json::{Value, json};
use url::Url;

use crate::{
    strangers::{Operation, Things},
    world::{Answered, As, World},
};

const LINKS: &str = "/v1/tenants/acme/portal-links";
const HOUR_MS: u64 = 3_600_000;

/// What a call asks of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// No link may make it.
    Never,
    /// A capability; a link of one webhook gets nothing of others.
    Of(&'static str),
    /// A capability of a link that is of all webhooks.
    OfAll(&'static str),
}

use Asks::{Never, Of, OfAll};

/// Every call that takes a key.
const CALLS: &[(&str, &str, Asks)] = &[
    ("DELETE", "/v1/events/{event}", Never),
    ("DELETE", "/v1/event-types/{type}", Never),
    ("DELETE", "/v1/keys/{operator_key}", Never),
    ("DELETE", "/v1/tenants/{tenant}", Never),
    ("DELETE", "/v1/tenants/{tenant}/keys/{key}", Never),
    ("DELETE", "/v1/tenants/{tenant}/portal-links", Never),
    (
        "DELETE",
        "/v1/tenants/{tenant}/portal-links/{portal_link}",
        Never,
    ),
    ("DELETE", "/v1/webhooks/{webhook}", Of("manage")),
    ("GET", "/v1/audit", Never),
    ("GET", "/v1/dead-letters", Never),
    ("GET", "/v1/event-types", Of("view")),
    ("GET", "/v1/event-types/{type}", Of("view")),
    ("GET", "/v1/events", Of("view")),
    ("GET", "/v1/events/{event}", Of("view")),
    ("GET", "/v1/jobs", Of("view")),
    ("GET", "/v1/jobs/{job}", Of("view")),
    ("GET", "/v1/jobs/{job}/output", Never),
    ("GET", "/v1/keys", Never),
    ("GET", "/v1/keys/{operator_key}", Never),
    ("GET", "/v1/logs", Of("view")),
    ("GET", "/v1/me", Of("view")),
    ("GET", "/v1/stats", OfAll("view")),
    ("GET", "/v1/tenants", Never),
    ("GET", "/v1/tenants/{tenant}", Never),
    ("GET", "/v1/tenants/{tenant}/keys", Never),
    ("GET", "/v1/tenants/{tenant}/keys/{key}", Never),
    ("GET", "/v1/tenants/{tenant}/portal-links", Never),
    (
        "GET",
        "/v1/tenants/{tenant}/portal-links/{portal_link}",
        Never,
    ),
    ("GET", "/v1/webhooks", Of("view")),
    ("GET", "/v1/webhooks/{webhook}", Of("view")),
    ("GET", "/v1/webhooks/{webhook}/deliveries", Of("view")),
    (
        "GET",
        "/v1/webhooks/{webhook}/deliveries/{delivery}",
        Of("view"),
    ),
    ("GET", "/v1/webhooks/{webhook}/logs", Of("view")),
    ("GET", "/v1/webhooks/{webhook}/logs/{log}", Of("view")),
    ("GET", "/v1/webhooks/{webhook}/secret", Of("secrets")),
    ("GET", "/v1/webhooks/{webhook}/stats", Of("view")),
    ("PATCH", "/v1/keys/{operator_key}", Never),
    ("PATCH", "/v1/tenants/{tenant}", Never),
    ("PATCH", "/v1/tenants/{tenant}/keys/{key}", Never),
    ("PATCH", "/v1/webhooks/{webhook}", Of("manage")),
    ("POST", "/v1/dead-letters/redrive", Never),
    ("POST", "/v1/events", Never),
    ("POST", "/v1/events/batch", Never),
    ("POST", "/v1/exports", Never),
    ("POST", "/v1/filter-preview", OfAll("manage")),
    ("POST", "/v1/import", Never),
    ("POST", "/v1/jobs/{job}/cancel", Of("manage")),
    ("POST", "/v1/keys", Never),
    ("POST", "/v1/recover", OfAll("manage")),
    ("POST", "/v1/reencrypt", Never),
    ("POST", "/v1/tenants", Never),
    ("POST", "/v1/tenants/{tenant}/keys", Never),
    ("POST", "/v1/tenants/{tenant}/portal-links", Never),
    ("POST", "/v1/webhooks", OfAll("manage")),
    (
        "POST",
        "/v1/webhooks/{webhook}/deliveries/cancel",
        Of("manage"),
    ),
    (
        "POST",
        "/v1/webhooks/{webhook}/deliveries/{delivery}/cancel",
        Of("manage"),
    ),
    (
        "POST",
        "/v1/webhooks/{webhook}/deliveries/{delivery}/retry",
        Of("manage"),
    ),
    (
        "POST",
        "/v1/webhooks/{webhook}/logs/{log}/retry",
        Of("manage"),
    ),
    ("POST", "/v1/webhooks/{webhook}/recover", Of("manage")),
    (
        "POST",
        "/v1/webhooks/{webhook}/rotate-secret",
        Of("secrets"),
    ),
    (
        "POST",
        "/v1/webhooks/{webhook}/rotate-secret/finish",
        Of("secrets"),
    ),
    ("POST", "/v1/webhooks/{webhook}/test", Of("test")),
    ("POST", "/v1/webhooks/{webhook}/prove", Of("test")),
    ("POST", "/v1/webhooks/{webhook}/verify", Of("manage")),
    ("PUT", "/v1/event-types/{type}", Never),
    ("PUT", "/v1/tenants/{tenant}", Never),
    ("PUT", "/v1/webhooks/{webhook}", Never),
];

fn asks(operation: &Operation) -> Asks {
    let Operation { method, path, .. } = operation;
    let known = CALLS
        .iter()
        .find(|(known, of, _)| known == method && of == path);
    let (_, _, asks) = known.unwrap_or_else(|| panic!("may a portal link {method} {path}?"));
    *asks
}

async fn made(world: &World, link: Value) -> Value {
    let made = world.send(&As::operator(), "POST", LINKS, link).await;
    made.data(201)["portal_link"].clone()
}

fn token(link: &Value) -> As {
    As::key(link["token"].as_str().unwrap())
}

async fn open(world: &World, link: Value) -> As {
    token(&made(world, link).await)
}

/// Fails unless the call got past whoever looks at who calls.
#[track_caller]
fn assert_let_in(answered: &Answered, operation: &Operation) {
    let Operation { method, path, .. } = operation;
    let (status, body) = (answered.status, &answered.body);
    assert!(![401, 403].contains(&status), "{method} {path}: {body}");
    if method == "GET" {
        assert_eq!(status, 200, "{path}: {body}");
    }
}

/// Calls that change something are made of things that nobody has: who may make them is answered with 404.
#[tokio::test(start_paused = true)]
async fn each_call_takes_the_capability_that_it_needs_and_no_link_makes_others() {
    let world = World::still().await;
    let (things, _) = Things::of(&world, "acme").await;
    let absent = things.absent();
    let mut links = Vec::new();
    for capability in ["view", "manage", "secrets", "test"] {
        let link = json!({"capabilities": [capability]});
        links.push((capability, open(&world, link).await));
    }
    for mut operation in Operation::all() {
        if operation.is_public() {
            continue;
        }
        let asks = asks(&operation);
        operation.path = operation.path.replace("{operator_key}", "key_root");
        let is_read = operation.method == "GET";
        let path = operation.path_of(|name| match name {
            "tenant" | "type" => &things,
            _ if is_read => &things,
            _ => &absent,
        });
        for (capability, who) in &links {
            let answered = operation.call(&world, who, &path, &operation.body()).await;
            let may = match asks {
                Never => false,
                Of(needed) | OfAll(needed) => needed == "view" || needed == *capability,
            };
            if may {
                assert_let_in(&answered, &operation);
            } else {
                answered.assert_error(403, "forbidden");
                let detail = &answered.body["error"]["details"][0];
                assert_eq!(detail["code"], "capability");
                assert_eq!(detail["field"], "Authorization");
            }
        }
    }
}

/// A change that names the secret as it stands changes nothing, and says so: only to who may read it.
#[test]
fn the_description_names_the_calls_that_a_link_opens() {
    let document: Value = serde_json::from_str(include_str!("../../../../openapi.json")).unwrap();
    for (method, path, asks) in CALLS {
        let keys = &document["paths"][path][method.to_lowercase()]["security"];
        let keys = keys.as_array().unwrap();
        let opens = keys.contains(&json!({"portalKey": []}));
        assert_eq!(opens, *asks != Never, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_may_not_read_a_secret_cannot_guess_it() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let managing = open(&world, json!({"capabilities": ["manage"]})).await;
    let reading = open(&world, json!({"capabilities": ["manage", "secrets"]})).await;
    let shown = world.get(&reading, &format!("{path}/secret")).await;
    let change = json!({"secret": shown.data(200)["secret"]});
    let refused = world.send(&managing, "PATCH", &path, change.clone()).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["secret"]);
    let taken = world.send(&reading, "PATCH", &path, change).await;
    taken.data(200);
}

#[tokio::test(start_paused = true)]
async fn a_link_of_one_webhook_opens_no_later_one_of_its_id() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let path = "/v1/webhooks/fixed";
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
    let made = world.send(&operator, "PUT", path, webhook.clone()).await;
    made.data(201);
    let link = json!({"webhook_id": "fixed", "capabilities": ["secrets"]});
    let link = open(&world, link).await;
    let secret = format!("{path}/secret");
    world.get(&link, &secret).await.data(200);
    let deleted = world.send_text(&tenant, "DELETE", path, "").await;
    deleted.data(200);
    world.get(&link, path).await.assert_error(404, "not_found");
    world.pass(1_000).await;
    let made = world.send(&operator, "PUT", path, webhook).await;
    made.data(201);
    for path in [path, &secret, "/v1/webhooks", "/v1/events"] {
        let refused = world.get(&link, path).await;
        refused.assert_error(401, "unauthorized");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_of_one_webhook_shows_that_one_alone() {
    let world = World::still().await;
    let (things, owner) = Things::of(&world, "acme").await;
    let own = world.webhook(&owner).await;
    let event = json!({"id": "both", "type": "acme.secret", "data": {}});
    world
        .send(&owner, "POST", "/v1/events", event)
        .await
        .data(202);
    let event = json!({"id": "own", "type": "other.type", "data": {}});
    world
        .send(&owner, "POST", "/v1/events", event)
        .await
        .data(202);
    world.answer(200);
    world.run_for(2_000).await;
    let all = ["view", "manage", "secrets", "test"];
    let link = json!({"capabilities": all, "webhook_id": own});
    let link = open(&world, link).await;

    // Of another webhook of its tenant it gets as much as of one that is not there.
    let absent = things.absent();
    for mut operation in Operation::all() {
        if operation.is_public() {
            continue;
        }
        let asks = asks(&operation);
        operation.path = operation.path.replace("{operator_key}", "key_root");
        let names_webhook = operation.path.contains("{webhook}");
        let path = operation.path_of(|name| {
            if name == "portal_link" {
                &absent
            } else {
                &things
            }
        });
        let body = operation.body();
        match asks {
            Never | OfAll(_) => {
                let refused = operation.call(&world, &link, &path, &body).await;
                refused.assert_error(403, "forbidden");
            }
            Of(_) if names_webhook => {
                let refused = operation.call(&world, &link, &path, &body).await;
                refused.assert_error(404, "not_found");
                let message = refused.body["error"]["message"].as_str().unwrap();
                assert!(message.starts_with("webhook "), "{path}: {message}");
            }
            Of(_) => {}
        }
    }

    let get = async |path: &str| world.get(&link, path).await.data(200).clone();
    let ids = |list: &Value| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&get("/v1/webhooks").await["webhooks"]), [own.as_str()]);
    let none = get("/v1/webhooks?status=disabled").await;
    assert_eq!(none["webhooks"], json!([]));
    let mut events = ids(&get("/v1/events").await["events"]);
    events.sort();
    assert_eq!(events, ["both", "own"]);
    assert!(get("/v1/events").await["events"][0]["deliveries"].as_u64() == Some(1));
    let both = get("/v1/events/both").await;
    let [delivery] = &both["deliveries"].as_array().unwrap()[..] else {
        panic!("{both}")
    };
    assert_eq!(delivery["webhook_id"], own.as_str());
    for foreign in [things.id("event"), "nowhere"] {
        let refused = world.get(&link, &format!("/v1/events/{foreign}")).await;
        refused.assert_error(404, "not_found");
    }
    let foreign = things.id("webhook");
    for query in ["", &format!("?webhook_id={own},{foreign}")] {
        let logs = get(&format!("/v1/logs{query}")).await;
        let logs = logs["logs"].as_array().unwrap();
        assert_eq!(logs.len(), 2, "{logs:?}");
        assert!(logs.iter().all(|log| log["webhook_id"] == own.as_str()));
    }
    let logs = get(&format!("/v1/logs?webhook_id={foreign}")).await;
    assert_eq!(logs["logs"], json!([]));
    assert_eq!(get("/v1/jobs").await["jobs"], json!([]));
    let job = format!("/v1/jobs/{}", things.id("job"));
    world.get(&link, &job).await.assert_error(404, "not_found");

    // What it may do with its own.
    let path = format!("/v1/webhooks/{own}");
    let renamed = world
        .send(&link, "PATCH", &path, json!({"name": "N"}))
        .await;
    assert_eq!(renamed.data(200)["webhook"]["name"], "N");
    let test = world
        .send_text(&link, "POST", &format!("{path}/test"), "")
        .await;
    test.data(200);
    get(&format!("{path}/secret")).await;
    get(&format!("{path}/stats")).await;
    let deleted = world.send_text(&link, "DELETE", &path, "").await;
    deleted.data(200);
    assert_eq!(get("/v1/webhooks").await["webhooks"], json!([]));
    world.get(&link, &path).await.assert_error(404, "not_found");
    assert_eq!(ids(&get("/v1/jobs").await["jobs"]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_is_answered_once_and_listed_without_its_token() {
    let mut world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let link = made(&world, json!({})).await;
    assert_eq!(link["url"], Value::Null, "nobody said where the API is");
    world.app.api.public_url = Url::parse("https://hooks.example/rung").ok();
    world.restart();
    world.pass(1_000).await;
    let asked = json!({
        "expires_at": "2025-10-10T08:53:21Z", "capabilities": ["test"],
        "actor": {"id": "user_42", "name": "jo@acme.example"}, "return_url": "https://app.example/settings",
    });
    let full = made(&world, asked.clone()).await;
    let token = full["token"].as_str().unwrap();
    assert!(token.starts_with("rp_") && token.len() == 46, "{token}");
    assert!(full["id"].as_str().unwrap().starts_with("plink_"));
    let expected = json!({
        "id": full["id"], "tenant_id": "acme", "url": format!("https://hooks.example/rung/#t={token}"),
        "token": token, "capabilities": ["view", "test"], "webhook_id": null, "actor": asked["actor"],
        "return_url": asked["return_url"], "expires_at": "2025-10-10T08:53:21.000Z", "created_at": "2025-10-09T08:53:21.000Z",
    });
    assert_eq!(full, expected);
    // By default: to view, for an hour.
    assert_eq!(link["capabilities"], json!(["view"]));
    assert_eq!(link["expires_at"], "2025-10-09T09:53:20.000Z");
    assert_eq!(
        (&link["actor"], &link["return_url"]),
        (&Value::Null, &Value::Null)
    );

    let listed = world.get(&As::operator(), LINKS).await;
    let links = listed.data(200)["portal_links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    assert_eq!(
        (&links[0]["id"], &links[1]["id"]),
        (&full["id"], &link["id"])
    );
    assert_eq!(
        (&links[0]["url"], &links[0]["token"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(links[0]["actor"], asked["actor"]);
    for (link, id) in links.iter().zip([&full["id"], &link["id"]]) {
        let one = format!("{LINKS}/{}", id.as_str().unwrap());
        let one = world.get(&As::operator(), &one).await;
        assert_eq!(one.data(200)["portal_link"], *link);
    }
    let first = world
        .get(&As::operator(), &format!("{LINKS}?limit=1"))
        .await;
    let cursor = first.data(200)["next_cursor"].as_str().unwrap();
    let path = format!("{LINKS}?limit=1&cursor={cursor}");
    let second = world.get(&As::operator(), &path).await;
    assert_eq!(second.data(200)["portal_links"], json!([links[1]]));

    let me = world.get(&As::key(token), "/v1/me").await;
    let me = me.data(200);
    assert_eq!(
        (&me["key"], &me["tenant"]["id"]),
        (&Value::Null, &json!("acme"))
    );
    assert_eq!(me["portal_link"], links[0]);
    let holds = |text: &str| text.contains(token) || text.contains(&token[3..]);
    for item in world.items().await {
        assert!(!holds(&format!("{item:?}")), "{item:?}");
    }
    // The Host header, which anybody may choose, leads nowhere.
    let request = http::Request::post(LINKS)
        .header("authorization", As::operator().bearer())
        .header(HOST, "evil.example");
    let (head, body) = world.plain(request.body("{}".into()).unwrap()).await;
    assert_eq!(head.status, 201);
    assert!(!body.contains("evil.example"), "{body}");
    assert!(body.contains("https://hooks.example/rung/#t=rp_"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_link_is_refused_by_its_fields() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    let foreign = world
        .webhook(&world.key("other", json!({"scopes": ["manage"]})).await)
        .await;
    let long = "x".repeat(129);
    for (link, field) in [
        (json!({"expires_at": "2025-10-09T08:53:20Z"}), "expires_at"),
        (json!({"expires_at": "2025-10-10T08:53:21Z"}), "expires_at"),
        (json!({"expires_at": 3600}), "expires_at"),
        (json!({"capabilities": ["view", "publish"]}), "capabilities"),
        (json!({"capabilities": "view"}), "capabilities"),
        (json!({"webhook_id": "webhook_none"}), "webhook_id"),
        (json!({"webhook_id": foreign}), "webhook_id"),
        (json!({"actor": {}}), "actor"),
        (json!({"actor": "jo"}), "actor"),
        (json!({"actor": {"name": long}}), "actor.name"),
        (json!({"return_url": "javascript:alert(1)"}), "return_url"),
        (json!({"return_url": "http://app.example/"}), "return_url"),
    ] {
        let refused = world
            .send(&As::operator(), "POST", LINKS, link.clone())
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{link}");
    }
    for (link, field) in [
        (json!({"webhook": "w"}), "webhook"),
        (json!({"actor": {"id": "1", "email": "a"}}), "actor.email"),
    ] {
        let refused = world.send(&As::operator(), "POST", LINKS, link).await;
        refused.assert_error(422, "unknown_field");
        assert_eq!(refused.fields(), [field]);
    }
    let nowhere = "/v1/tenants/nobody/portal-links";
    for (method, path) in [("POST", nowhere), ("GET", nowhere), ("DELETE", nowhere)] {
        let refused = world.send_text(&As::operator(), method, path, "").await;
        refused.assert_error(404, "not_found");
    }
    let absent = format!("{LINKS}/plink_1");
    for method in ["GET", "DELETE"] {
        let refused = world.send_text(&As::operator(), method, &absent, "").await;
        refused.assert_error(404, "not_found");
    }
    let refused = world.send(&owner, "POST", LINKS, json!({})).await;
    refused.assert_error(403, "forbidden");
    let listed = world.get(&As::operator(), LINKS).await;
    assert_eq!(listed.data(200)["portal_links"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn the_same_idempotency_key_is_the_same_link() {
    let world = World::still().await;
    world.tenant("acme", "standard", "pro").await;
    let operator = As::operator().with_idempotency_key("k");
    let make = async |link: Value| world.send(&operator, "POST", LINKS, link).await;
    let first = make(json!({})).await.data(201)["portal_link"].clone();
    world.get(&token(&first), "/v1/webhooks").await.data(200);
    assert_eq!(make(json!({})).await.data(201)["portal_link"], first);
    let other = make(json!({"capabilities": ["test"]})).await;
    other.assert_error(422, "idempotency_mismatch");
    // An API key of that name is another thing.
    let keys = "/v1/tenants/acme/keys";
    let key = world
        .send(&operator, "POST", keys, json!({"scopes": ["read"]}))
        .await;
    key.data(201);
    world.pass(24 * HOUR_MS).await;
    let repeated = make(json!({})).await.data(201)["portal_link"].clone();
    assert_eq!(
        (&repeated["id"], &repeated["token"]),
        (&first["id"], &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_in_time_or_when_it_is_ended() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    let other = "/v1/tenants/other/portal-links";
    let other = world.send(&As::operator(), "POST", other, json!({})).await;
    let other = token(&other.data(201)["portal_link"]);
    let (short, single, third) = (
        made(&world, json!({"expires_at": "2025-10-09T08:53:25Z"})).await,
        made(&world, json!({})).await,
        made(&world, json!({})).await,
    );
    let seen = async |link: &Value| world.get(&token(link), "/v1/webhooks").await;
    for link in [&short, &single, &third] {
        seen(link).await.data(200);
    }
    world.pass(5_000).await;
    seen(&short).await.assert_error(401, "token_expired");
    let listed = world.get(&As::operator(), LINKS).await;
    assert_eq!(
        listed.data(200)["portal_links"].as_array().unwrap().len(),
        2
    );

    let path = format!("{LINKS}/{}", single["id"].as_str().unwrap());
    let ended = world.send_text(&As::operator(), "DELETE", &path, "").await;
    assert_eq!(ended.data(200)["portal_link"]["id"], single["id"]);
    seen(&single).await.assert_error(401, "unauthorized");
    let again = world.send_text(&As::operator(), "DELETE", &path, "").await;
    again.assert_error(404, "not_found");
    seen(&third).await.data(200);

    let ended = world.send_text(&As::operator(), "DELETE", LINKS, "").await;
    let expected = json!({"portal_links": {"tenant_id": "acme", "deleted": true}});
    assert_eq!(*ended.data(200), expected);
    seen(&third).await.assert_error(401, "unauthorized");
    let listed = world.get(&As::operator(), LINKS).await;
    assert_eq!(listed.data(200)["portal_links"], json!([]));
    // Keys, the links of others, and those that are made afterwards are none of it.
    world.get(&owner, "/v1/webhooks").await.data(200);
    world.get(&other, "/v1/webhooks").await.data(200);
    let next = made(&world, json!({})).await;
    seen(&next).await.data(200);

    // With its tenant everything goes.
    let path = "/v1/tenants/acme";
    let deleted = world.send_text(&As::operator(), "DELETE", path, "").await;
    deleted.data(202);
    seen(&next).await.assert_error(401, "unauthorized");
    world.tenant("acme", "standard", "pro").await;
    seen(&next).await.assert_error(401, "unauthorized");
}

/// Another process ends a link; here the table stands for it.
#[tokio::test(start_paused = true)]
async fn all_links_end_at_once_in_every_process_and_one_within_10_s() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let (one, all) = (open(&world, json!({})).await, open(&world, json!({})).await);
    for link in [&one, &all] {
        world.get(link, "/v1/webhooks").await.data(200);
    }
    let other = world.another_process();
    let links = world.get(&As::operator(), LINKS).await;
    let links = links.data(200)["portal_links"].as_array().unwrap().clone();
    let me = world.get(&one, "/v1/me").await;
    let id = me.data(200)["portal_link"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(links.len(), 2);
    let path = format!("{LINKS}/{id}");
    other
        .send_text(&As::operator(), "DELETE", &path, "")
        .await
        .data(200);
    world.pass(10_000).await;
    let refused = world.get(&one, "/v1/webhooks").await;
    refused.assert_error(401, "unauthorized");
    world.get(&all, "/v1/webhooks").await.data(200);
    other
        .send_text(&As::operator(), "DELETE", LINKS, "")
        .await
        .data(200);
    let refused = world.get(&all, "/v1/webhooks").await;
    refused.assert_error(401, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn the_audit_log_names_whom_a_link_is_for() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let named = json!({"capabilities": ["manage", "secrets"], "actor": {"id": "user_42", "name": "jo@acme.example"}});
    let link = made(&world, named.clone()).await;
    let only_id = made(
        &world,
        json!({"capabilities": ["manage"], "actor": {"id": "user_7"}}),
    )
    .await;
    let anybody = made(&world, json!({"capabilities": ["manage"]})).await;
    let webhook = world.webhook(&owner).await;
    let path = format!("/v1/webhooks/{webhook}");
    for (link, name, person) in [
        (&link, json!("jo@acme.example"), named["actor"].clone()),
        (
            &only_id,
            json!("user_7"),
            json!({"id": "user_7", "name": null}),
        ),
        (&anybody, Value::Null, Value::Null),
    ] {
        world.pass(1_000).await;
        let change = json!({"description": link["id"]});
        world
            .send(&token(link), "PATCH", &path, change)
            .await
            .data(200);
        let entries = world.get(&owner, "/v1/audit?limit=1").await;
        let actor = entries.data(200)["entries"][0]["actor"].clone();
        let expected = json!({"kind": "portal", "id": link["id"], "name": name, "person": person});
        assert_eq!(actor, expected);
        // The operator's product knows its people by their ids.
        if let Some(id) = person["id"].as_str() {
            let by_person = format!("/v1/audit?actor={id}");
            let entries = world.get(&owner, &by_person).await;
            let entries = entries.data(200)["entries"].as_array().unwrap();
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0]["actor"], expected);
        }
    }
    world.pass(1_000).await;
    let secret = format!("{path}/secret");
    world.get(&token(&link), &secret).await.data(200);
    let by_link = format!("/v1/audit?actor={}", link["id"].as_str().unwrap());
    let entries = world.get(&owner, &by_link).await;
    let actions = entries.data(200)["entries"].as_array().unwrap().iter();
    let actions: Vec<_> = actions.map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["webhook.secret_read", "webhook.updated"]);
    let made = world
        .get(&owner, "/v1/audit?action=portal_link.created")
        .await;
    let made = made.data(200)["entries"].to_string();
    assert!(
        made.contains("jo@acme.example") && !made.contains("rp_"),
        "{made}"
    );
}

/// The keys of a link are its own: it is answered nothing that somebody else has asked for, secrets least of all.
#[tokio::test(start_paused = true)]
async fn a_link_repeats_its_own_requests_alone() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
    let make = async |who: &As| {
        let who = who.clone().with_idempotency_key("k");
        let made = world
            .send(&who, "POST", "/v1/webhooks", webhook.clone())
            .await;
        made.data(201)["webhook"].clone()
    };
    let theirs = make(&owner).await;
    let link = open(&world, json!({"capabilities": ["manage"]})).await;
    let own = make(&link).await;
    assert_ne!(own["id"], theirs["id"]);
    assert_eq!(make(&link).await, own);
    assert_eq!(make(&owner).await, theirs);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_that_a_link_ends() {
    let world = World::still().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    world.webhook(&owner).await;
    let link = open(&world, json!({})).await;
    world.get(&link, "/v1/webhooks").await.data(200);
    world.run_for(2 * HOUR_MS).await;
    assert_eq!(world.posts(), 0);
    let events = world.get(&owner, "/v1/events").await;
    assert_eq!(events.data(200)["events"], json!([]));
}

/// A link costs a call no more than a key does.
#[tokio::test(start_paused = true)]
async fn a_link_costs_as_many_calls_of_the_table_as_a_key() {
    let world = World::still().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let link = open(&world, json!({})).await;
    let mut costs = Vec::new();
    for who in [&owner, &link] {
        // The first use of a key is noted.
        world.get(who, "/v1/webhooks").await.data(200);
        let before = world.calls();
        world.get(who, "/v1/webhooks").await.data(200);
        costs.push(world.calls() - before);
    }
    assert_eq!(costs[0], costs[1]);
}

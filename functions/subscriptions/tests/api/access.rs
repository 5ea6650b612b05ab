//! Who may do what.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, Request};
use rung_api::{
    Peer,
    limits::{WRONG_KEYS, WRONG_KEYS_WINDOW_MS},
};
use rung_core::{
    domain::{
        id::{JobId, TenantId},
        job::{Erasure, Subject, Task, Work},
        tenant::KeyOwner,
    },
    store::span::Order,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{ADMIN, As, World, by_nobody};

#[tokio::test(start_paused = true)]
async fn calls_need_a_known_key_of_the_right_reach() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
    let manager = world.key("acme", json!({"scopes": ["manage"]})).await;
    let event = json!({"type": "a.b", "data": {}});

    for caller in [As::nobody(), As::key("rk_unknown"), As::key("")] {
        let refused = world.get(&caller, "/v1/webhooks").await;
        refused.assert_error(401, "unauthorized");
        assert!(refused.headers.contains_key("www-authenticate"));
        world
            .get(&caller, "/v1/tenants")
            .await
            .assert_error(401, "unauthorized");
    }
    for (caller, path, scope) in [
        (&publisher, "/v1/webhooks", "`read`"),
        (&manager, "/v1/tenants", "`read`"),
    ] {
        let refused = world.get(caller, path).await;
        refused.assert_error(403, "forbidden");
        let detail = &refused.body["error"]["details"][0];
        assert_eq!(
            (&detail["code"], &detail["field"]),
            (&json!("scope"), &json!("Authorization"))
        );
        let problem = detail["problem"].as_str().unwrap();
        assert!(problem.contains(scope), "{problem}");
    }
    world
        .send(&manager, "POST", "/v1/events", event.clone())
        .await
        .assert_error(403, "forbidden");
    world
        .send(&publisher, "POST", "/v1/events", event)
        .await
        .data(202);
    world.get(&manager, "/v1/webhooks").await.data(200);
    for of_any_scope in [&publisher, &manager] {
        world.get(of_any_scope, "/v1/event-types").await.data(200);
    }

    world.get(&As::operator(), "/v1/webhooks").await.data(200);
    let unnamed = world.get(&As::operator(), "/v1/webhooks/webhook_1").await;
    unnamed.assert_error(422, "tenant_required");
    let unknown = world.get(&As::operator_for("nobody"), "/v1/webhooks").await;
    unknown.assert_error(404, "not_found");
    world
        .get(&As::operator_for("acme"), "/v1/webhooks")
        .await
        .data(200);
}

#[tokio::test(start_paused = true)]
async fn a_key_speaks_for_its_own_tenant_whatever_the_header_says() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    for (named, is_own) in [("acme", true), ("other", false), ("nobody", false)] {
        let caller = owner.clone().naming(named);
        let managing = world.get(&caller, "/v1/webhooks").await;
        let event = json!({"type": "a.b", "data": {}});
        let publishing = world.send(&caller, "POST", "/v1/events", event).await;
        if is_own {
            managing.data(200);
            publishing.data(202);
        } else {
            managing.assert_error(422, "tenant_mismatch");
            publishing.assert_error(422, "tenant_mismatch");
        }
    }
}

/// What is written for the operator while this lives.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_request_says_whose_it_was() {
    let world = World::new().await;
    let owner = world.tenant("acme", "standard", "pro").await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let written = tracing::subscriber::set_default(subscriber);
    world.get(&owner, "/v1/webhooks").await.data(200);
    world
        .get(&As::key("rk_unknown"), "/v1/webhooks")
        .await
        .assert_error(401, "unauthorized");
    drop(written);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let served: Vec<_> = text
        .lines()
        .filter(|line| line.contains("served"))
        .collect();
    let [known, unknown] = served[..] else {
        panic!("one line for each request: {text}")
    };
    assert!(
        known.contains("tenant=\"acme\"") && known.contains("status=200"),
        "{known}"
    );
    assert!(
        !unknown.contains("tenant") && unknown.contains("unauthorized"),
        "{unknown}"
    );
    assert!(!text.contains("rk_"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_key_ends_when_it_expires_and_when_it_is_deleted() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let short = world
        .key(
            "acme",
            json!({"scopes": ["manage"], "expires_at": "2025-10-09T08:53:25Z"}),
        )
        .await;
    world.get(&short, "/v1/webhooks").await.data(200);
    world.pass(5_000).await;
    world
        .get(&short, "/v1/webhooks")
        .await
        .assert_error(401, "key_expired");

    let path = "/v1/tenants/acme/keys";
    let made = world
        .send(&As::operator(), "POST", path, json!({"scopes": ["manage"]}))
        .await;
    let made = &made.data(201)["key"];
    let key = As::key(made["key"].as_str().unwrap());
    world.get(&key, "/v1/webhooks").await.data(200);
    let path = format!("{path}/{}", made["id"].as_str().unwrap());
    world
        .send_text(&As::operator(), "DELETE", &path, "")
        .await
        .data(200);
    world
        .get(&key, "/v1/webhooks")
        .await
        .assert_error(401, "unauthorized");
    world
        .send_text(&As::operator(), "DELETE", &path, "")
        .await
        .assert_error(404, "not_found");
}

/// On AWS another process may delete a key or a tenant; here the table stands for it.
#[tokio::test(start_paused = true)]
async fn a_key_deleted_by_another_process_ends_within_10_s_or_with_its_tenant() {
    let world = World::new().await;
    let store = &world.app.api.store;
    let acme = KeyOwner::Tenant(TenantId::parse("acme").unwrap());
    let path = "/v1/webhooks";
    let owner = world.tenant("acme", "standard", "pro").await;
    world.get(&owner, path).await.data(200);
    let keys = store
        .api_keys(&acme, Order::NewestFirst, None, 9)
        .await
        .unwrap()
        .items;
    let record = by_nobody();
    let deleted = store.delete_api_key(&keys[0], None, &record).await;
    assert!(deleted.unwrap());
    world.pass(10_000).await;
    world
        .get(&owner, path)
        .await
        .assert_error(401, "unauthorized");

    let manager = world.key("acme", json!({"scopes": ["manage"]})).await;
    world.get(&manager, path).await.data(200);
    let erasure = Erasure {
        tenant: TenantId::parse("acme").unwrap(),
        subject: Subject::Tenant,
    };
    let task = Task {
        id: JobId::parse("job_1").unwrap(),
        work: Work::Erase(erasure.clone()),
        created_by: "admin".to_owned(),
        created_ms: 0,
    };
    let begun = store.begin_erasure(&task, &erasure, &record).await;
    begun.unwrap();
    world
        .get(&manager, path)
        .await
        .assert_error(401, "unauthorized");
    let next = world.tenant("acme", "standard", "pro").await;
    world
        .get(&manager, path)
        .await
        .assert_error(401, "unauthorized");
    world.get(&next, path).await.data(200);
}

#[tokio::test(start_paused = true)]
async fn an_existing_key_is_brought_along_by_its_hash() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    world.tenant("other", "standard", "pro").await;
    let digest = Sha256::digest("their own key");
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = json!({"scopes": ["manage"], "key_sha256": hash});
    let path = "/v1/tenants/acme/keys";
    let made = world.send(&As::operator(), "POST", path, key.clone()).await;
    assert!(made.data(201)["key"].get("key").is_none());
    world
        .get(&As::key("their own key"), "/v1/webhooks")
        .await
        .data(200);
    let again = world
        .send(&As::operator(), "POST", "/v1/tenants/other/keys", key)
        .await;
    again.assert_error(409, "key_taken");
    // The operator's first key is nobody else's either.
    let digest = Sha256::digest(ADMIN);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = json!({"scopes": ["read"], "key_sha256": hash});
    let first = world.send(&As::operator(), "POST", path, key).await;
    first.assert_error(409, "key_taken");
}

#[tokio::test(start_paused = true)]
async fn keys_are_listed_without_the_keys() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let listed = world.get(&As::operator(), "/v1/tenants/acme/keys").await;
    let listed = listed.data(200);
    let scopes = json!(["manage", "publish", "catalogue"]);
    assert_eq!(listed["keys"][0]["scopes"], scopes);
    assert!(!listed.to_string().contains("rk_"), "{listed}");
}

/// A request from this address with this key; its answer.
async fn from(world: &World, address: &str, key: &str) -> (u16, HeaderMap) {
    let request = Request::get("/v1/event-types")
        .header("authorization", format!("Bearer {key}"))
        .extension(Peer(address.parse().unwrap()))
        .body(Body::empty());
    let (head, _) = world.plain(request.unwrap()).await;
    (head.status.as_u16(), head.headers)
}

#[tokio::test(start_paused = true)]
async fn an_address_that_sends_wrong_keys_is_refused_and_valid_keys_from_it_are_not() {
    let world = World::new().await;
    let acme = world.tenant("acme", "standard", "pro").await;
    let key = acme.key.unwrap();
    let (office, other) = ("192.0.2.1", "192.0.2.2");
    for n in 0..WRONG_KEYS {
        let (status, _) = from(&world, office, &format!("rk_wrong{n}")).await;
        assert_eq!(status, 401);
    }
    for n in 0..3 {
        let (status, headers) = from(&world, office, &format!("rk_more{n}")).await;
        assert_eq!(status, 429);
        let retry_after: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((60..=120).contains(&retry_after), "{retry_after}");
    }
    assert_eq!(from(&world, office, &key).await.0, 200);
    assert_eq!(from(&world, other, "rk_wrong").await.0, 401);
    // Who sends no key guesses none.
    let request = Request::get("/v1/webhooks").extension(Peer(office.parse().unwrap()));
    let (head, _) = world.plain(request.body(Body::empty()).unwrap()).await;
    assert_eq!(head.status, 401);
    tokio::time::advance(Duration::from_millis(2 * WRONG_KEYS_WINDOW_MS)).await;
    assert_eq!(from(&world, office, "rk_wrong").await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_another_encoding_is_refused_wherever_it_goes() {
    let world = World::new().await;
    let acme = world.tenant("acme", "standard", "pro").await;
    let key = acme.key.unwrap();
    for path in [
        "/v1/events",
        "/v1/events/batch",
        "/v1/webhooks",
        "/v1/nothing",
    ] {
        for (encoding, refused) in [
            ("gzip", true),
            ("identity, br", true),
            ("zstd", true),
            ("x", true),
            ("identity", false),
            ("Identity", false),
            ("", false),
        ] {
            let request = Request::post(path)
                .header("authorization", format!("Bearer {key}"))
                .header("content-encoding", encoding)
                .body(Body::from("{}"));
            let (head, body) = world.plain(request.unwrap()).await;
            assert_eq!(head.status == 415, refused, "{path} {encoding}: {body}");
            if refused {
                assert!(body.contains(r#""code":"unsupported_encoding""#), "{body}");
                assert!(body.contains("Content-Encoding"), "{body}");
                assert_eq!(head.headers["accept-encoding"], "identity");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_kept_by_a_cache_but_the_dashboards_files() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    for (path, caching) in [
        ("/v1/webhooks", "no-store"),
        ("/v1/tenants", "no-store"),
        ("/v1/nothing", "no-store"),
        ("/openapi.json", "no-cache"),
        ("/", "no-cache"),
        ("/docs", "no-cache"),
        ("/dashboard/main.js", "no-cache"),
    ] {
        for key in [ADMIN, "wrong"] {
            let request = Request::get(path)
                .header("authorization", format!("Bearer {key}"))
                .header("rung-tenant", "acme");
            let (head, _) = world.plain(request.body(Body::empty()).unwrap()).await;
            assert_eq!(head.headers["cache-control"], caching, "{path}");
            assert_eq!(head.headers["x-content-type-options"], "nosniff", "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_finds_out_whose_it_is_and_what_is_left() {
    let world = World::new().await;
    world.tenant("acme", "metered", "pro").await;
    let request = json!({"scopes": ["publish"], "events_per_hour": 5});
    let key = world.key("acme", request).await;
    let event = json!({"type": "user.streak.achieved", "data": {}});
    world
        .send(&key, "POST", "/v1/events", event)
        .await
        .data(202);
    let me = world.get(&key, "/v1/me").await;
    let me = me.data(200);
    assert_eq!(
        (&me["key"]["tenant_id"], &me["tenant"]["id"]),
        (&json!("acme"), &json!("acme"))
    );
    assert_eq!(me["key"]["scopes"], json!(["publish"]));
    assert_eq!(me["key"].get("key"), None);
    let hour = &me["quota"]["events_per_hour"];
    assert_eq!(
        (&hour["limit"], &hour["used"], &hour["left"]),
        (&json!(5), &json!(1), &json!(4))
    );
    assert_eq!(me["quota"]["events_per_month"]["limit"], 20);
    let operator = world.get(&As::operator(), "/v1/me").await;
    let operator = operator.data(200);
    assert_eq!(
        (&operator["key"]["id"], &operator["tenant"]),
        (&json!("key_root"), &json!(null))
    );
    let named = world.get(&As::operator_for("acme"), "/v1/me").await;
    assert_eq!(named.data(200)["tenant"]["id"], "acme");
    for (plan, has_webhooks) in [("pro", true), ("free", false)] {
        world.tenant(plan, "odin", plan).await;
        let me = world.get(&As::operator_for(plan), "/v1/me").await;
        assert_eq!(me.data(200)["plan_has_webhooks"], has_webhooks);
    }
    assert_eq!(operator["plan_has_webhooks"], json!(null));
    world
        .get(&As::nobody(), "/v1/me")
        .await
        .assert_error(401, "unauthorized");
}

/// What the operator keeps with a tenant is for the operator.
#[tokio::test(start_paused = true)]
async fn a_tenants_key_does_not_read_the_operators_notes() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let notes = json!({"metadata": {"crm": "does not pay"}});
    let operator = As::operator();
    let noted = world.send(&operator, "PATCH", "/v1/tenants/acme", notes);
    noted.await.data(200);
    let key = world.key("acme", json!({"scopes": ["read"]})).await;
    for (who, metadata) in [
        (key, json!({})),
        (As::operator_for("acme"), json!({"crm": "does not pay"})),
    ] {
        let me = world.get(&who, "/v1/me").await;
        assert_eq!(me.data(200)["tenant"]["metadata"], metadata);
        let audit = world.get(&who, "/v1/audit?action=tenant.updated").await;
        let entries = audit.data(200)["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1);
        let is_told = entries[0].to_string().contains("does not pay");
        assert_eq!(is_told, metadata != json!({}), "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_finds_out_which_dialects_and_plans_it_may_name() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    world.tenant("own", "metered", "pro").await;
    let request = json!({"scopes": ["read"]});
    let acme = world.key("acme", request.clone()).await;
    let own = world.key("own", request).await;
    // Those of the operator's own files are for the operator, and who has one of them.
    let expected = [(As::operator(), true), (acme, false), (own, true)];
    for (who, knows) in expected {
        let me = world.get(&who, "/v1/me").await;
        let dialects = me.data(200)["dialects"].as_array().unwrap().clone();
        let of = |name: &str| dialects.iter().find(|dialect| dialect["name"] == name);
        assert_eq!(of("metered").is_some(), knows, "{dialects:?}");
        assert_eq!(of("standard").unwrap()["plans"], Value::Null);
        let plans = json!(["basic", "enterprise", "free", "pro", "starter"]);
        assert_eq!(of("odin").unwrap()["plans"], plans);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_is_and_where_it_sends_from_is_told_without_a_key() {
    let world = World::new().await;
    let about = world.get(&As::nobody(), "/v1").await;
    let about = about.data(200);
    assert_eq!(
        (&about["api"], &about["retention_days"]),
        (&json!("v1"), &json!(30))
    );
    assert_eq!(about["limits"]["batch_events"], 100);
    let dialects = about["dialects"].as_array().unwrap().iter();
    let dialects: Vec<_> = dialects.map(|dialect| &dialect["name"]).collect();
    // Those of the operator's own files are nobody else's business.
    assert!(dialects.contains(&&json!("odin")) && !dialects.contains(&&json!("metered")));
    let networks = world.get(&As::nobody(), "/v1/egress-ips").await;
    assert!(networks.data(200)["egress_ips"].is_array());
    let health = world.get(&As::nobody(), "/v1/health").await;
    assert_eq!(health.data(200)["version"], about["version"]);
}

/// A `Rung-Tenant` that contradicts the path, or would do nothing, is a mistake and not to be passed over. An import goes by it.
#[tokio::test(start_paused = true)]
async fn an_operators_call_refuses_a_tenant_that_it_is_not_about() {
    let world = World::still().await;
    for id in ["acme", "other"] {
        world.tenant(id, "standard", "pro").await;
    }
    let document: Value = serde_json::from_str(include_str!("../../../../openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let calls = paths.flat_map(|(path, calls)| {
        let calls = calls.as_object().unwrap().iter();
        calls.map(move |(method, call)| (path, method.to_uppercase(), call))
    });
    let names_a_tenant = |parameter: &Value| parameter["name"] == "Rung-Tenant";
    let is_operators = |call: &Value| {
        let mut parameters = call["parameters"].as_array().into_iter().flatten();
        call["security"] == json!([{"operatorKey": []}]) && !parameters.any(names_a_tenant)
    };
    let calls: Vec<_> = calls
        .filter(|(path, _, call)| is_operators(call) && *path != "/v1/import")
        .collect();
    assert!(calls.len() >= 23, "{}", calls.len());
    let before = world.items().await.len();
    for named in ["other", "nobody"] {
        for (path, method, _) in &calls {
            let path = path.replace("{tenant}", "acme");
            let path = path.replace(['{', '}'], "");
            let refused = world
                .send(&As::operator_for(named), method, &path, json!({}))
                .await;
            refused.assert_error(422, "tenant_mismatch");
            assert_eq!(refused.fields(), ["Rung-Tenant"], "{method} {path}");
        }
    }
    assert_eq!(world.items().await.len(), before);
    let acme = As::operator_for("acme");
    world.get(&acme, "/v1/tenants/acme").await.data(200);
    let deployments = world.get(&acme, "/v1/tenants").await;
    deployments.assert_error(422, "tenant_mismatch");
}

/// A read has no body that somebody would have to unpack.
#[tokio::test(start_paused = true)]
async fn a_read_with_a_content_encoding_is_answered() {
    let world = World::new().await;
    let acme = world.tenant("acme", "standard", "pro").await;
    for method in ["GET", "HEAD"] {
        let request = Request::builder()
            .method(method)
            .uri("/v1/webhooks")
            .header("authorization", acme.bearer())
            .header("content-encoding", "gzip")
            .body(Body::from("x"));
        let (head, _) = world.plain(request.unwrap()).await;
        assert_eq!(head.status, 200, "{method}");
    }
}

/// What no tenant can be called is a mistake of the request, and no tenant that is missing.
#[tokio::test(start_paused = true)]
async fn an_ill_formed_tenant_in_the_header_is_named() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    for name in ["", "a b", "acme,other", "acme#1", &"x".repeat(65)] {
        for path in ["/v1/webhooks", "/v1/webhooks/nothing", "/v1/me"] {
            let refused = world.get(&As::operator_for(name), path).await;
            refused.assert_error(422, "invalid_request");
            assert_eq!(refused.fields(), ["Rung-Tenant"], "{name:?} {path}");
        }
    }
    let missing = world.get(&As::operator_for("nobody"), "/v1/webhooks").await;
    missing.assert_error(404, "not_found");
}

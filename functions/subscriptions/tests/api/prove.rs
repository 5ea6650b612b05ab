//! Examining a webhook's receiver: what it is sent, what is found, and what may not come of it.

use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, Response, StatusCode};
use rung_base::clock::Clock;
use rung_core::egress::Outgoing;
use rung_dialect::{Dialects, VerifyInput};
use serde_json::{Value, json};

use crate::{
    client_certificates::client_certificate,
    world::{Answered, As, World},
};

const CHECKS: [&str; 10] = [
    "delivery",
    "repeat",
    "unicode",
    "numbers",
    "empty_data",
    "changed_body",
    "other_secret",
    "no_signature",
    "old_timestamp",
    "speed",
];
const FORGED: [&str; 4] = [
    "changed_body",
    "other_secret",
    "no_signature",
    "old_timestamp",
];

fn status(status: u16) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

/// Whether a request verifies with this secret, as receivers of the dialect do.
fn verifies(dialect: &str, secret: &str, clock: &dyn Clock, post: &Outgoing) -> bool {
    let dialects = Dialects::builtin();
    let checks = dialects.get(dialect).unwrap().verify(&VerifyInput {
        headers: &post.headers,
        body: &post.body,
        method: "POST",
        url: "",
        tenant: "",
        webhook_id: "",
        secrets: &[secret.to_owned()],
        now_s: clock.wall_ms() / 1000,
        tolerance_s: 300,
    });
    !checks.is_empty() && checks.iter().all(|check| check.result.is_ok())
}

/// Lets the receiver take what verifies and has these headers; what it is sent.
fn verifying(
    world: &World,
    dialect: &'static str,
    secret: &str,
    needed: &'static [(&str, &str)],
) -> Arc<Mutex<Vec<Outgoing>>> {
    let received = Arc::<Mutex<Vec<Outgoing>>>::default();
    let (log, secret, clock) = (received.clone(), secret.to_owned(), world.clock.clone());
    let has = |headers: &HeaderMap, (name, value): &(&str, &str)| {
        headers.get(*name).is_some_and(|given| given == value)
    };
    world.answer_by(move |post| {
        log.lock().unwrap().push(post.clone());
        let is_known = needed.iter().all(|header| has(&post.headers, header));
        let is_genuine = verifies(dialect, &secret, &*clock, post);
        status(match (is_known, is_genuine) {
            (false, _) => 403,
            (true, false) => 401,
            (true, true) => 200,
        })
    });
    received
}

async fn made(world: &World, caller: &As, webhook: Value) -> (String, String) {
    let made = world.send(caller, "POST", "/v1/webhooks", webhook).await;
    let webhook = &made.data(201)["webhook"];
    let text = |name: &str| webhook[name].as_str().unwrap().to_owned();
    (format!("/v1/webhooks/{}", text("id")), text("secret"))
}

async fn prove(world: &World, caller: &As, path: &str, body: Value) -> Answered {
    let path = format!("{path}/prove");
    world.send(caller, "POST", &path, body).await
}

/// The report of an examination.
async fn proved(world: &World, caller: &As, path: &str) -> Value {
    let answer = prove(world, caller, path, json!({})).await;
    let report = answer.data(200)["report"].clone();
    let checks = report["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["check"]).collect();
    assert_eq!(names, CHECKS);
    for check in checks {
        assert_eq!(check.as_object().unwrap().len(), 6, "{check}");
    }
    report
}

/// The checks with this outcome.
fn with<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["outcome"] == outcome);
    found
        .map(|check| check["check"].as_str().unwrap())
        .collect()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["check"] == name).unwrap()
}

fn everything() -> Value {
    json!({"url": "https://example.com/hook", "events": ["*"]})
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_verifies_what_is_really_sent_passes_and_leaves_no_trace() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let certificate = client_certificate("a");
    let webhook = json!({
        "url": "https://example.com/hook", "events": ["content"], "keep_alive": false,
        "headers": {"X-Region": "eu"}, "secret_headers": {"Authorization": "Bearer let-me-in"},
        "client_certificate": certificate,
    });
    let (path, secret) = made(&world, &tenant, webhook).await;
    let needed = &[("x-region", "eu"), ("authorization", "Bearer let-me-in")];
    let received = verifying(&world, "odin", &secret, needed);
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(with(&report, "passed"), CHECKS, "{report}");
    let id = path.rsplit('/').next().unwrap();
    for (name, expected) in [
        ("webhook_id", json!(id)),
        ("tenant_id", json!("acme")),
        ("url", json!("https://example.com/hook")),
        ("dialect", json!("odin")),
        ("event_type", json!("content.mythology.updated")),
        ("ok", json!(true)),
    ] {
        assert_eq!(report[name], expected);
    }
    assert_eq!(
        *check(&report, "no_signature"),
        json!({
            "check": "no_signature", "outcome": "passed", "response_status": 401, "elapsed_ms": 0,
            "problem": null, "mend": null,
        })
    );
    let received = received.lock().unwrap().clone();
    assert_eq!(received.len(), CHECKS.len() - 1);
    for post in &received {
        assert_eq!(post.headers["rung-test"], "true");
        assert!(post.headers.contains_key("rung-hops"));
        let presented = post.client_certificate.as_ref().unwrap();
        assert_eq!(certificate["certificate"], *presented.certificate);
        assert!(post.fresh, "it keeps no connection");
    }
    assert_eq!(received[0].body, received[1].body);

    // Nothing is left of it but the entry of the audit log.
    let logs = world.get(&tenant, &format!("{path}/logs")).await;
    assert_eq!(logs.data(200)["logs"], json!([]));
    let events = world.get(&tenant, "/v1/events").await;
    assert_eq!(events.data(200)["events"], json!([]));
    let webhook = world.get(&tenant, &path).await;
    let webhook = &webhook.data(200)["webhook"];
    assert_eq!(webhook["last_success_at"], Value::Null);
    assert_eq!(world.statistics.writes(), 0);
    let audit = world.get(&tenant, "/v1/audit?action=webhook.proved").await;
    assert_eq!(audit.data(200)["entries"][0]["target"]["id"], id);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_accepts_everything_is_told_to_verify() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let (path, _) = made(&world, &tenant, everything()).await;
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(with(&report, "failed"), FORGED);
    assert_eq!(report["ok"], false);
    for name in FORGED {
        let found = check(&report, name);
        assert_eq!(found["response_status"], 200);
        assert!(found["mend"].is_string(), "{found}");
    }
    let problem = check(&report, "no_signature")["problem"].as_str().unwrap();
    assert_eq!(
        problem,
        "it answers 200 OK to a delivery without a signature"
    );
}

/// Nothing is forged where nothing genuine is accepted, and what is answered discloses nothing.
#[tokio::test(start_paused = true)]
async fn where_no_delivery_is_accepted_nothing_more_is_sent() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let mut webhook = everything();
    webhook["secret_headers"] = json!({"Authorization": "Bearer let-me-in"});
    let (path, _) = made(&world, &tenant, webhook).await;
    world.answer_by(|post| {
        let echoed = post.headers["authorization"].to_str().unwrap();
        let (_, echoed) = echoed.split_once(' ').unwrap();
        let mut answer = status(308);
        let to = format!("/hooks/?token={echoed}");
        answer.headers_mut().insert("location", to.parse().unwrap());
        answer
    });
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(with(&report, "failed"), ["delivery"]);
    assert_eq!(with(&report, "skipped"), CHECKS[1..]);
    assert_eq!(
        check(&report, "speed")["problem"],
        "no delivery is accepted"
    );
    let found = check(&report, "delivery");
    let to = "https://example.com/hooks/?token=[the value of authorization]";
    let mend = format!("give {to} as the webhook's URL: redirects are not followed");
    assert_eq!(
        found["mend"].as_str().unwrap().to_lowercase(),
        mend.to_lowercase()
    );
    assert!(!report.to_string().contains("let-me-in"), "{report}");
    assert_eq!(world.posts(), 1);

    // 410 disables nothing here.
    world.answer_by(|_| status(410));
    let report = proved(&world, &tenant, &path).await;
    let mend = check(&report, "delivery")["mend"].as_str().unwrap();
    assert!(mend.contains("disable"), "{mend}");
    let webhook = world.get(&tenant, &path).await;
    let webhook = &webhook.data(200)["webhook"];
    assert_eq!(
        (&webhook["status"], &webhook["health"]),
        (&json!("active"), &json!("healthy"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_is_skipped() {
    let world = World::still().await;
    // Its receivers have 10 s.
    let tenant = world.tenant("acme", "github", "pro").await;
    let (path, secret) = made(&world, &tenant, everything()).await;
    verifying(&world, "github", &secret, &[]);
    world.answer_after(4_000);
    let began_ms = world.now_ms();
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(world.now_ms() - began_ms, 25_000);
    // The seventh was cut off after a second of its own 10.
    assert_eq!(with(&report, "skipped"), CHECKS[6..9]);
    assert_eq!(
        check(&report, "other_secret")["problem"],
        "no time was left: an examination takes at most 25 s"
    );
    assert_eq!(world.posts(), 7);
    assert_eq!(with(&report, "failed"), Vec::<&str>::new());
    assert_eq!(report["ok"], false, "not everything was examined");
    assert_eq!(check(&report, "speed")["elapsed_ms"], 4_000);

    // What takes longer than a delivery may is the receiver's own doing.
    world.pass(10_000).await;
    world.answer_after(10_001);
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(with(&report, "failed"), ["delivery"]);
    assert_eq!(check(&report, "delivery")["elapsed_ms"], 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_has_switched_to_the_new_secret_is_examined_with_that() {
    let world = World::new().await;
    for dialect in ["standard", "github"] {
        let tenant = world.tenant(dialect, dialect, "pro").await;
        let (path, old) = made(&world, &tenant, everything()).await;
        let rotate = format!("{path}/rotate-secret");
        let rotated = world.send(&tenant, "POST", &rotate, json!({})).await;
        let new = rotated.data(200)["webhook"]["secret"]
            .as_str()
            .unwrap()
            .to_owned();
        for secret in [&old, &new] {
            let received = verifying(&world, dialect, secret, &[]);
            let report = proved(&world, &tenant, &path).await;
            assert_eq!(with(&report, "failed"), Vec::<&str>::new(), "{report}");
            assert_eq!(report["ok"], true);
            // Where a signature has room for one secret only, the first delivery is sent twice.
            let is_second = dialect == "github" && *secret == new;
            let sent = with(&report, "passed").len() - 1 + usize::from(is_second);
            assert_eq!(received.lock().unwrap().len(), sent, "{dialect}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn key_pairs_are_forged_with_another_pair() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let mut webhook = everything();
    webhook["signing"] = json!("v1a");
    let (path, _) = made(&world, &tenant, webhook).await;
    let shown = world.get(&tenant, &path).await;
    let public_key = shown.data(200)["webhook"]["public_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let received = verifying(&world, "standard", &public_key, &[]);
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(with(&report, "passed"), CHECKS, "{report}");
    let received = received.lock().unwrap();
    let signed = received
        .iter()
        .filter_map(|post| post.headers.get("webhook-signature"));
    let signed: Vec<_> = signed.map(|value| value.to_str().unwrap()).collect();
    assert_eq!(
        signed.len(),
        CHECKS.len() - 2,
        "all but the one without a signature"
    );
    assert!(
        signed.iter().all(|value| value.starts_with("v1a,")),
        "{signed:?}"
    );
}

/// No delivery has data that the schema of its type refuses.
#[tokio::test(start_paused = true)]
async fn data_that_are_never_sent_are_not_examined() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let closed = json!({
        "description": "A paid order.", "sample": {"n": 7},
        "schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}, "additionalProperties": false},
    });
    let put = world
        .send(&tenant, "PUT", "/v1/event-types/order.paid", closed)
        .await;
    put.data(201);
    let (path, secret) = made(&world, &tenant, everything()).await;
    let received = verifying(&world, "odin", &secret, &[]);
    let body = json!({"event_type": "order.paid"});
    let answer = prove(&world, &tenant, &path, body).await;
    let report = &answer.data(200)["report"];
    assert_eq!(report["event_type"], "order.paid");
    assert_eq!(
        with(report, "skipped"),
        ["unicode", "numbers", "empty_data"]
    );
    assert_eq!(
        check(report, "empty_data")["problem"],
        "the schema of order.paid does not allow such data"
    );
    assert_eq!(report["ok"], true);
    let first = received.lock().unwrap()[0].body.clone();
    let first: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(first["data"], json!({"n": 7}));
}

#[tokio::test(start_paused = true)]
async fn a_disabled_webhook_is_examined_and_stays_disabled() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let (path, _) = made(&world, &tenant, everything()).await;
    let disable = json!({"status": "disabled"});
    world.send(&tenant, "PATCH", &path, disable).await.data(200);
    let operator = As::operator_for("acme");
    let report = proved(&world, &operator, &path).await;
    assert_eq!(check(&report, "delivery")["outcome"], "passed");
    let webhook = world.get(&tenant, &path).await;
    assert_eq!(webhook.data(200)["webhook"]["status"], "disabled");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_sends_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let (path, _) = made(&world, &tenant, everything()).await;
    let refused = async |caller: &As, path: &str, body: Value, status: u16, code: &str| {
        let answer = prove(&world, caller, path, body).await;
        answer.assert_error(status, code);
        answer
            .fields()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let unknown = json!({"event_type": "no.such"});
    let fields = refused(&tenant, &path, unknown, 422, "unknown_event_type").await;
    assert_eq!(fields, ["event_type"]);
    // A test can have data of its own, an examination cannot.
    let given = json!({"data": {}});
    let fields = refused(&tenant, &path, given, 422, "unknown_field").await;
    assert_eq!(fields, ["data"]);

    let stranger = world.tenant("other", "odin", "pro").await;
    refused(&stranger, &path, json!({}), 404, "not_found").await;
    let reader = world.key("acme", json!({"scopes": ["read"]})).await;
    refused(&reader, &path, json!({}), 403, "forbidden").await;
    refused(&As::operator(), &path, json!({}), 422, "tenant_required").await;
    let link = async |capability: &str| {
        let links = "/v1/tenants/acme/portal-links";
        let asked = json!({"capabilities": [capability]});
        let link = world.send(&As::operator(), "POST", links, asked).await;
        As::key(link.data(201)["portal_link"]["token"].as_str().unwrap())
    };
    refused(&link("manage").await, &path, json!({}), 403, "forbidden").await;

    let mut unverified = everything();
    unverified["challenge"] = json!(true);
    let (unverified, _) = made(&world, &tenant, unverified).await;
    refused(&tenant, &unverified, json!({}), 409, "webhook_unverified").await;
    assert_eq!(world.posts(), 0);

    let report = proved(&world, &link("test").await, &path).await;
    assert_eq!(report["tenant_id"], "acme");
}

/// A fault of this host is no finding.
#[tokio::test(start_paused = true)]
async fn an_examination_that_cannot_be_sent_is_told() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let (path, _) = made(&world, &tenant, everything()).await;
    world.cut_off(true);
    let refused = prove(&world, &tenant, &path, json!({})).await;
    refused.assert_error(503, "cannot_send");
    world.cut_off(false);
    let report = proved(&world, &tenant, &path).await;
    assert_eq!(check(&report, "delivery")["outcome"], "passed");
}

/// One makes as many requests as ten tests, and counts with them.
#[tokio::test(start_paused = true)]
async fn examinations_are_paced_with_the_tests() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(made(&world, &tenant, everything()).await.0);
    }
    let test = async |path: &str| {
        let path = format!("{path}/test");
        world.send(&tenant, "POST", &path, json!({})).await.status
    };
    proved(&world, &tenant, &paths[0]).await;
    for _ in 0..5 {
        assert_eq!(test(&paths[0]).await, 200);
    }
    let posts = world.posts();
    let refused = prove(&world, &tenant, &paths[0], json!({})).await;
    refused.assert_error(429, "rate_limited");
    let wait_s: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(world.posts(), posts);
    assert_eq!(test(&paths[0]).await, 200, "there is room for five tests");

    // The key has had 16 of its 60.
    for path in [&paths[1], &paths[1], &paths[2], &paths[2]] {
        proved(&world, &tenant, path).await;
    }
    let refused = prove(&world, &tenant, &paths[3], json!({})).await;
    refused.assert_error(429, "rate_limited");
    world.pass(1_000 * wait_s).await;
    proved(&world, &tenant, &paths[0]).await;
}

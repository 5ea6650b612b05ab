//! What a key and a plan may publish, and what Rung tells the tenant of it.

use serde_json::{Value, json};

use crate::world::{As, World};

async fn publish(world: &World, caller: &As, count: usize) -> (u16, Value, Option<u64>) {
    let event = json!({"type": "user.streak.achieved", "data": {"streak_days": 7}});
    let batch = json!({"events": vec![event; count]});
    let answered = world.send(caller, "POST", "/v1/events/batch", batch).await;
    let after = answered.headers.get("retry-after");
    let after = after.map(|after| after.to_str().unwrap().parse().unwrap());
    (
        answered.status,
        answered.body["error"]["code"].clone(),
        after,
    )
}

/// The data of the events of a type that the webhook got.
pub(crate) async fn told(
    world: &World,
    caller: &As,
    webhook: &str,
    event_type: &str,
) -> Vec<Value> {
    world.pass(500).await;
    let path = format!("/v1/webhooks/{webhook}/logs");
    let logs = world
        .get(caller, &format!("{path}?event_type={event_type}"))
        .await;
    let mut told = Vec::new();
    for log in logs.data(200)["logs"].as_array().unwrap() {
        let one = format!("{path}/{}", log["id"].as_str().unwrap());
        let one = world.get(caller, &one).await;
        let body = &one.data(200)["log"]["request"]["body"];
        let body: Value = match body.as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => body.clone(),
        };
        told.push(body["data"].clone());
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_key_publishes_no_more_in_an_hour_than_it_may_and_is_warned_at_four_fifths() {
    let world = World::new().await;
    let tenant = world.tenant("odin", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let limited = json!({"scopes": ["publish"], "events_per_hour": 10});
    let key = world.key("odin", limited).await;

    assert_eq!(publish(&world, &key, 7).await.0, 202);
    let warning = "api.rate_limit.warning";
    assert_eq!(
        told(&world, &tenant, &webhook, warning).await,
        [] as [Value; 0]
    );
    assert_eq!(publish(&world, &key, 1).await.0, 202);
    let told_once = told(&world, &tenant, &webhook, warning).await;
    assert_eq!(told_once.len(), 1);
    assert_eq!(told_once[0]["current_usage"], 8);
    assert_eq!(told_once[0]["limit"], 10);
    assert_eq!(told_once[0]["usage_percentage"], 80);
    // The world begins at 2025-10-09T08:53:20Z.
    assert_eq!(told_once[0]["reset_at"], "2025-10-09T09:00:00Z");
    assert!(
        told_once[0]["api_key_id"]
            .as_str()
            .unwrap()
            .starts_with("key_")
    );

    let (status, code, after_s) = publish(&world, &key, 3).await;
    assert_eq!((status, code), (429, json!("rate_limited")));
    assert_eq!(after_s, Some(399), "the rest of the hour");
    assert_eq!(
        publish(&world, &key, 2).await.0,
        202,
        "what is left may be used"
    );
    assert_eq!(publish(&world, &key, 1).await.0, 429);
    assert_eq!(told(&world, &tenant, &webhook, warning).await.len(), 1);
    assert_eq!(publish(&world, &tenant, 20).await.0, 202, "another key");
    assert_eq!(publish(&world, &As::operator_for("odin"), 20).await.0, 202);
    world.pass(399_000).await;
    assert_eq!(publish(&world, &key, 10).await.0, 202, "the next hour");
    assert_eq!(told(&world, &tenant, &webhook, warning).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_large_limit_is_never_exceeded_however_it_is_dealt_out() {
    let world = World::new().await;
    world.tenant("acme", "standard", "pro").await;
    let key = world
        .key(
            "acme",
            json!({"scopes": ["publish"], "events_per_hour": 450}),
        )
        .await;
    let mut published = 0;
    for _ in 0..20 {
        let event = json!({"type": "a.b", "data": {}});
        let batch = json!({"events": vec![event; 33]});
        let answered = world.send(&key, "POST", "/v1/events/batch", batch).await;
        published += if answered.status == 202 { 33 } else { 0 };
    }
    assert_eq!(published, 429, "13 whole batches");
}

#[tokio::test(start_paused = true)]
async fn a_plans_quota_ends_with_the_month_and_the_tenant_is_told_once() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "metered", "pro").await;
    let webhook = world.webhook(&tenant).await;
    assert_eq!(publish(&world, &tenant, 19).await.0, 202);
    assert_eq!(publish(&world, &As::operator_for("acme"), 1).await.0, 202);
    let (status, code, after_s) = publish(&world, &tenant, 1).await;
    assert_eq!((status, code), (429, json!("quota_exceeded")));
    assert!(after_s.unwrap() > 20 * 86_400, "{after_s:?}");
    assert_eq!(publish(&world, &tenant, 1).await.0, 429);
    let told = told(&world, &tenant, &webhook, "api.quota.exceeded").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["quota"], 20);
    assert_eq!(told[0]["period"], "2025-10");
    assert_eq!(told[0]["reset_at"], "2025-11-01T00:00:00Z");
    let other = world.tenant("other", "metered", "enterprise").await;
    assert_eq!(publish(&world, &other, 30).await.0, 202, "another plan");
}

#[tokio::test(start_paused = true)]
async fn a_dialect_without_these_words_says_nothing() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let limited = json!({"scopes": ["publish"], "events_per_hour": 1});
    let key = world.key("acme", limited).await;
    assert_eq!(publish(&world, &key, 1).await.0, 202);
    assert_eq!(publish(&world, &key, 1).await.0, 429);
    world.pass(1_000).await;
    let logs = world
        .get(&tenant, &format!("/v1/webhooks/{webhook}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_the_limits_that_hold() {
    let world = World::new().await;
    world.tenant("acme", "metered", "pro").await;
    let request = json!({"scopes": ["publish"], "events_per_hour": 2});
    let key = world.key("acme", request).await;
    let event = json!({"type": "user.streak.achieved", "data": {"streak_days": 7}});
    let mut told = Vec::new();
    for status in [202, 202, 429] {
        let answered = world.send(&key, "POST", "/v1/events", event.clone()).await;
        assert_eq!(answered.status, status);
        let header = |name: &str| answered.headers[name].to_str().unwrap().to_owned();
        let policy = header("ratelimit-policy");
        assert!(policy.starts_with("\"key-hour\";q=2;w=3600"), "{policy}");
        told.push(header("ratelimit").split(";t=").next().unwrap().to_owned());
    }
    let left = |left: u8| format!("\"key-hour\";r={left}");
    assert_eq!(told, [left(1), left(0), left(0)]);
    // The operator's keys have no limit of their own; the plan's quota holds for whoever publishes.
    let operator = As::operator_for("acme");
    let answered = world.send(&operator, "POST", "/v1/events", event).await;
    let policy = answered.headers["ratelimit-policy"].to_str().unwrap();
    assert_eq!(policy, "\"plan-month\";q=20;w=2678400");
}

/// It takes nothing of them, either.
#[tokio::test(start_paused = true)]
async fn what_is_refused_before_it_is_counted_tells_the_limits_too() {
    let mut world = World::still().await;
    world.limit_rate(200);
    world.tenant("acme", "metered", "pro").await;
    let request = json!({"scopes": ["publish"], "events_per_hour": 5});
    let key = world.key("acme", request).await;
    let event = json!({"type": "user.streak.achieved", "data": {"streak_days": 7}});
    let large = json!({"type": "a", "data": {"text": "x".repeat(300_000)}}).to_string();
    let none = json!({"data": {}}).to_string();
    let looping = key.carrying(&["3"]);
    for used in 0..2 {
        for (caller, path, body, status, code) in [
            (&key, "/v1/events", &*large, 413, "payload_too_large"),
            (&key, "/v1/events", &*none, 422, "invalid_request"),
            (&key, "/v1/events", "{", 400, "invalid_json"),
            (&looping, "/v1/events", &*none, 422, "loop_detected"),
            (&key, "/v1/events/batch", &*none, 422, "invalid_request"),
            (&looping, "/v1/events/batch", &*none, 422, "loop_detected"),
        ] {
            let refused = world.send_text(caller, "POST", path, body).await;
            refused.assert_error(status, code);
            let header = |name: &str| {
                let value = refused.headers.get(name);
                value.map_or("", |value| value.to_str().unwrap())
            };
            assert_eq!(
                header("ratelimit-policy"),
                "\"tenant-second\";q=200;w=1, \"key-hour\";q=5;w=3600, \"plan-month\";q=20;w=2678400",
                "{path} {code}"
            );
            let left = header("ratelimit").split(", ");
            let left: Vec<_> = left.map(|it| it.split(";t=").next().unwrap()).collect();
            let expected = [
                format!("\"tenant-second\";r={}", 200 - used),
                format!("\"key-hour\";r={}", 5 - used),
                format!("\"plan-month\";r={}", 20 - used),
            ];
            assert_eq!(left, expected, "{path} {code}");
        }
        let published = world.send(&key, "POST", "/v1/events", event.clone()).await;
        published.data(202);
    }
    // Who is nobody's has no limits.
    let nobody = world
        .send_text(&As::nobody(), "POST", "/v1/events", &none)
        .await;
    nobody.assert_error(401, "unauthorized");
    assert!(!nobody.headers.contains_key("ratelimit"));
}

/// Of several tenants' limits none is the request's.
#[tokio::test(start_paused = true)]
async fn a_batch_of_one_tenant_tells_its_limits_whoever_names_it() {
    let world = World::new().await;
    world.tenant("acme", "metered", "pro").await;
    world.tenant("other", "metered", "pro").await;
    let event = |tenant: &str| json!({"tenant": tenant, "type": "user.streak.achieved", "data": {"streak_days": 7}});
    let sent = async |tenants: &[&str]| {
        let batch = json!({"events": tenants.iter().map(|it| event(it)).collect::<Vec<_>>()});
        world
            .send(&As::operator(), "POST", "/v1/events/batch", batch)
            .await
    };
    let one = sent(&["acme", "acme"]).await;
    one.data(202);
    assert_eq!(
        one.headers["ratelimit-policy"],
        "\"plan-month\";q=20;w=2678400"
    );
    let left = one.headers["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"plan-month\";r=18;"), "{left}");
    let several = sent(&["acme", "other"]).await;
    several.data(202);
    assert!(!several.headers.contains_key("ratelimit"));
    // What is used up is told as well, and why.
    let refused = sent(&["acme"; 18]).await;
    refused.assert_error(429, "quota_exceeded");
    let left = refused.headers["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"plan-month\";r=0;"), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_publishes_no_more_in_a_second_than_the_deployment_says() {
    let mut world = World::still().await;
    world.limit_rate(200);
    let tenant = world.tenant("acme", "standard", "pro").await;
    let other = world.tenant("other", "standard", "pro").await;
    let batches = async |sizes: &[usize]| {
        let mut statuses = Vec::new();
        for size in sizes {
            statuses.push(publish(&world, &tenant, *size).await.0);
        }
        statuses
    };
    assert_eq!(batches(&[100, 90, 10]).await, [202, 202, 202]);
    let calls = world.calls();
    let refused = publish(&world, &tenant, 1).await;
    assert_eq!(refused, (429, json!("rate_limited"), Some(1)));
    let asking = world.calls() - calls;
    assert_eq!(publish(&world, &tenant, 7).await, refused);
    assert_eq!(
        world.calls() - calls - asking,
        asking - 2,
        "of what was refused once, the counter is not asked again"
    );
    let operator = As::operator_for("acme");
    assert_eq!(publish(&world, &operator, 1).await.0, 429, "any key");
    assert_eq!(publish(&world, &other, 100).await.0, 202, "another tenant");
    // Two functions share the counter.
    world.pass(1_000).await;
    let mut beside = world.another_process();
    beside.limit_rate(200);
    assert_eq!(batches(&[100]).await, [202]);
    assert_eq!(publish(&beside, &tenant, 100).await.0, 429);
    assert_eq!(publish(&beside, &tenant, 90).await.0, 202);
    world.pass(1_000).await;
    assert_eq!(batches(&[100, 100, 1]).await, [202, 202, 429]);
}

/// A hundredth of the limit is counted only when more comes in the same second.
#[tokio::test(start_paused = true)]
async fn a_limit_per_second_costs_a_tenant_that_publishes_little_no_call() {
    let mut world = World::still().await;
    world.limit_rate(200);
    let tenant = world.tenant("acme", "standard", "pro").await;
    let event = json!({"type": "a.b", "data": {}});
    let mut left = Vec::new();
    let mut cost = Vec::new();
    for second in 0..2 {
        for _ in 0..3 {
            let calls = world.calls();
            let answered = world
                .send(&tenant, "POST", "/v1/events", event.clone())
                .await;
            assert_eq!(answered.status, 202);
            let header = |name: &str| answered.headers[name].to_str().unwrap().to_owned();
            assert_eq!(header("ratelimit-policy"), "\"tenant-second\";q=200;w=1");
            if second == 1 {
                cost.push(world.calls() - calls);
                left.push(header("ratelimit"));
            }
        }
        world.pass(1_000).await;
    }
    assert_eq!(cost, [cost[0], cost[0], cost[0] + 1]);
    let of = |left: u8| format!("\"tenant-second\";r={left};t=1");
    assert_eq!(
        left,
        [of(199), of(198), of(197)],
        "the third counts all three"
    );
}

/// A refusal tells all limits that hold, not only the one that was met.
#[tokio::test(start_paused = true)]
async fn a_refusal_tells_all_limits() {
    let mut world = World::new().await;
    let tenant = world.tenant("acme", "metered", "pro").await;
    let limited = json!({"scopes": ["publish"], "events_per_hour": 3});
    let key = world.key("acme", limited).await;
    let event = json!({"type": "user.streak.achieved", "data": {"streak_days": 7}});
    let send = async |world: &World, who: &As, path: &str, body: Value| {
        let answered = world.send(who, "POST", path, body).await;
        let header = |name: &str| {
            let value = answered.headers.get(name).map(|value| value.to_str());
            value.unwrap_or(Ok("")).unwrap().to_owned()
        };
        let left = header("ratelimit");
        let left = left
            .split(", ")
            .map(|limit| limit.split(";t=").next().unwrap());
        let left: Vec<_> = left.map(str::to_owned).collect();
        (answered.status, header("ratelimit-policy"), left)
    };
    let policy = "\"key-hour\";q=3;w=3600, \"plan-month\";q=20;w=2678400";
    for (status, left) in [(202, 2), (202, 1), (202, 0), (429, 0)] {
        let answered = send(&world, &key, "/v1/events", event.clone()).await;
        let month = if status == 202 { 17 + left } else { 17 };
        let told = [
            format!("\"key-hour\";r={left}"),
            format!("\"plan-month\";r={month}"),
        ];
        assert_eq!(answered, (status, policy.to_owned(), told.to_vec()));
    }
    // Another process knows nothing of what was used, and asks.
    let another = world.another_process();
    let answered = send(&another, &key, "/v1/events", event.clone()).await;
    assert_eq!((answered.0, &*answered.2[1]), (429, "\"plan-month\";r=17"));
    // Nor does the limit of a second hide the others.
    world.limit_rate(1);
    let batch = json!({"events": [event, event]});
    let (status, told, left) = send(&world, &tenant, "/v1/events/batch", batch).await;
    assert_eq!(status, 429);
    assert_eq!(
        told,
        "\"tenant-second\";q=1;w=1, \"plan-month\";q=20;w=2678400"
    );
    assert_eq!(left[1], "\"plan-month\";r=17");
}

/// The operator's events say whose they are: of one tenant its limits hold, of several none is the request's.
#[tokio::test(start_paused = true)]
async fn a_batch_that_names_tenants_tells_their_limits() {
    let world = World::new().await;
    world.tenant("acme", "metered", "pro").await;
    world.tenant("other", "metered", "pro").await;
    let event = |tenant: &str| json!({"tenant": tenant, "type": "user.streak.achieved", "data": {"streak_days": 7}});
    let batch = json!({"events": [event("acme")]});
    let path = "/v1/events/batch";
    let answered = world.send(&As::operator(), "POST", path, batch).await;
    answered.data(202);
    let policy = "\"plan-month\";q=20;w=2678400";
    assert_eq!(answered.headers["ratelimit-policy"], policy);
}

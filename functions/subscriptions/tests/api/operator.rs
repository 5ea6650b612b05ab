//! What the operator is told of the webhooks of its tenants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use rung_core::domain::time::Time;
use rung_local::app::openapi;
use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Makes a webhook of the operator's own tenant; its id.
async fn listener(world: &World) -> String {
    world.webhook(&As::operator_for("_operator")).await
}

/// What the operator's webhook was sent, by the events' ids, in the order of their types.
async fn told(world: &World, listener: &str) -> Vec<(String, Value)> {
    let operator = As::operator_for("_operator");
    let path = format!("/v1/webhooks/{listener}/logs");
    let logs = world.get(&operator, &format!("{path}?limit=100")).await;
    let mut told = BTreeMap::new();
    for log in logs.data(200)["logs"].as_array().unwrap() {
        let one = format!("{path}/{}", log["id"].as_str().unwrap());
        let one = world.get(&operator, &one).await;
        let request = &one.data(200)["log"]["request"];
        assert!(request["headers"]["webhook-signature"].is_string());
        let body = match &request["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            body => body.clone(),
        };
        assert_described(&body);
        told.insert(log["event_id"].to_string(), body);
    }
    let mut told: Vec<_> = told
        .into_values()
        .map(|body| {
            (
                body["type"].as_str().unwrap().to_owned(),
                body["data"].clone(),
            )
        })
        .collect();
    told.sort_by(|(left, _), (right, _)| left.cmp(right));
    told
}

/// Fails unless a notice is what `webhooks` of openapi.json says, member for member.
fn assert_described(body: &Value) {
    static WEBHOOKS: LazyLock<Value> = LazyLock::new(|| openapi()["webhooks"].take());
    let described = &WEBHOOKS[body["type"].as_str().unwrap()]["post"];
    let content = &described["requestBody"]["content"]["application/json"];
    let properties = &content["schema"]["properties"];
    assert_same_members(body, properties);
    let data = &properties["data"]["properties"];
    assert_same_members(&body["data"], data);
    assert_same_members(&content["example"]["data"], data);
    for (name, value) in body["data"].as_object().unwrap() {
        let kind = match value {
            Value::Null => "null",
            Value::Number(_) => "integer",
            _ => "string",
        };
        let kinds = &data[name]["type"];
        let refers = data[name]["$ref"].is_string() && kind == "string";
        let fits = refers
            || kinds == kind
            || kinds
                .as_array()
                .is_some_and(|all| all.contains(&kind.into()));
        assert!(fits, "{name}: {value} in {body}");
    }
}

#[track_caller]
fn assert_same_members(left: &Value, right: &Value) {
    let names = |value: &Value| {
        let members = value.as_object().unwrap().keys().cloned();
        members.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(left), names(right));
}

fn types(told: &[(String, Value)]) -> Vec<&str> {
    told.iter()
        .map(|(event_type, _)| event_type.as_str())
        .collect()
}

async fn publish(world: &World, caller: &As, event_type: &str) {
    let event = json!({"type": event_type, "data": {}});
    world
        .send(caller, "POST", "/v1/events", event)
        .await
        .data(202);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_fails_for_a_while_is_told_of_once_and_so_is_its_recovery() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "bharatcart", "pro").await;
    let webhook = world.webhook(&shop).await;
    world.answer(500);
    publish(&world, &shop, "product.deleted").await;
    publish(&world, &shop, "product.deleted").await;
    world.pass(5 * MINUTE_MS).await;
    assert!(
        told(&world, &listener).await.is_empty(),
        "two attempts are no while"
    );
    world.pass(10 * MINUTE_MS).await;
    let failing = told(&world, &listener).await;
    assert_eq!(types(&failing), ["webhook.failing"]);
    let data = &failing[0].1;
    assert_eq!(data["tenant"], "shop");
    assert_eq!(data["webhook_id"], webhook);
    assert_eq!(data["failing_since"], "2025-10-09T08:53:20.000Z");
    assert_eq!(
        data["last_error"],
        "The receiver responded with 500 Internal Server Error."
    );

    world.answer(200);
    world.pass(2 * HOUR_MS).await;
    let recovered = told(&world, &listener).await;
    assert_eq!(types(&recovered), ["webhook.failing", "webhook.recovered"]);
    assert_eq!(recovered[1].1["failing_since"], data["failing_since"]);
    assert_eq!(recovered[1].1["webhook_id"], webhook);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_used_up_and_a_webhook_disabled_are_told_of() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let cards = world.tenant("cards", "patra", "pro").await;
    let webhook = world.webhook(&cards).await;
    world.answer(503);
    publish(&world, &cards, "card.created").await;
    world.pass(40 * HOUR_MS).await;
    let told = told(&world, &listener).await;
    assert_eq!(
        types(&told),
        ["delivery.failed", "webhook.disabled", "webhook.failing"]
    );
    assert_eq!(told[0].1["attempts"], 6);
    assert_eq!(told[0].1["event_type"], "card.created");
    assert_eq!(told[1].1["reason"], "ladder_used_up");
    assert!(
        told.iter()
            .all(|(_, data)| data["webhook_id"] == webhook.as_str())
    );
    // Its own webhook failed all the while, and of that nothing is told.
    assert!(told.iter().all(|(_, data)| data["tenant"] == "cards"));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_somebody_activates_meanwhile_is_not_told_of_as_disabled() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let cards = world.tenant("cards", "patra", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&cards).await);
    world.answer(500);
    world.answer_after(10_000);
    publish(&world, &cards, "card.created").await;
    // The last attempt, whose failure would disable the webhook, is under way.
    while world.posts() < 6 {
        world.pass(1_000).await;
    }
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        world.send(&cards, "PATCH", &path, change).await.data(200);
    }
    world.pass(20_000).await;
    let webhook = world.get(&cards, &path).await;
    assert_eq!(webhook.data(200)["webhook"]["status"], "active");
    let told = told(&world, &listener).await;
    assert!(!types(&told).contains(&"webhook.disabled"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_operators_tenant_nothing_is_told_and_deliveries_go_on() {
    let world = World::new().await;
    let shop = world.tenant("shop", "bharatcart", "pro").await;
    let webhook = world.webhook(&shop).await;
    world.answer(500);
    publish(&world, &shop, "product.deleted").await;
    world.pass(3 * HOUR_MS).await;
    let logs = world
        .get(&shop, &format!("/v1/webhooks/{webhook}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 4);
    let listener = listener(&world).await;
    world.pass(2 * MINUTE_MS).await;
    assert!(
        told(&world, &listener).await.is_empty(),
        "nothing of the past"
    );
    publish(&world, &shop, "product.deleted").await;
    world.pass(3 * HOUR_MS).await;
    assert_eq!(
        types(&told(&world, &listener).await),
        ["delivery.failed", "webhook.failing"]
    );
}

/// The receiver is away for three attempts of one event.
async fn outage(world: &World, caller: &As) {
    world.answer(500);
    publish(world, caller, "product.deleted").await;
    world.pass(15 * MINUTE_MS).await;
    world.answer(200);
}

#[tokio::test(start_paused = true)]
async fn the_success_of_a_first_attempt_ends_an_outage_and_the_next_one_is_another() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "bharatcart", "pro").await;
    world.webhook(&shop).await;
    outage(&world, &shop).await;
    // The delivery of the outage waits for another hour.
    publish(&world, &shop, "product.deleted").await;
    world.pass(MINUTE_MS).await;
    let first = told(&world, &listener).await;
    assert_eq!(types(&first), ["webhook.failing", "webhook.recovered"]);
    assert_eq!(first[0].1["event_type"], "product.deleted");
    for name in ["event_id", "log_id"] {
        assert!(first[0].1[name].is_string(), "{name}");
        assert_ne!(first[0].1[name], first[1].1[name], "{name}");
    }

    outage(&world, &shop).await;
    world.pass(2 * HOUR_MS).await;
    let both = told(&world, &listener).await;
    let since = |event_type: &str| {
        let of_type = both.iter().filter(|(told, _)| told == event_type);
        let mut since: Vec<_> = of_type
            .map(|(_, data)| data["failing_since"].as_str().unwrap())
            .collect();
        since.sort_unstable();
        since
    };
    assert_eq!(both.len(), 4, "{both:?}");
    assert_eq!(
        since("webhook.failing"),
        ["2025-10-09T08:53:20.000Z", "2025-10-09T09:09:20.000Z"]
    );
    assert_eq!(since("webhook.recovered"), since("webhook.failing"));
}

/// Each of them would begin an outage of its own; the one that is stored is told.
#[tokio::test(start_paused = true)]
async fn attempts_that_fail_together_are_one_outage() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "standard", "pro").await;
    let webhook = format!("/v1/webhooks/{}", world.webhook(&shop).await);
    world.answer_by(|outgoing| {
        let is_notice = outgoing.headers["webhook-id"]
            .to_str()
            .is_ok_and(|id| id.starts_with("evt_"));
        let status = if is_notice { 200 } else { 500 };
        http::Response::builder().status(status).body(()).unwrap()
    });
    world.answer_later_each_time(7);
    for n in 0..6 {
        let event = json!({"id": format!("e{n}"), "type": "a.b", "data": {}});
        let published = world.send(&shop, "POST", "/v1/events", event).await;
        published.data(202);
    }
    world.pass(MINUTE_MS).await;
    // An enabling ends the outage: the third attempts begin another.
    for status in ["disabled", "active"] {
        let change = json!({"status": status});
        let changed = world.send(&shop, "PATCH", &webhook, change).await;
        changed.data(200);
        world.pass(10 * MINUTE_MS).await;
    }
    // All are under way before the first one ends.
    world.answer_after(3_000);
    let recover = format!("{webhook}/recover");
    let held = json!({"statuses": ["held"]});
    world.send(&shop, "POST", &recover, held).await.data(202);
    world.pass(MINUTE_MS).await;
    assert_eq!(types(&told(&world, &listener).await), ["webhook.failing"]);
}

/// Attempts that somebody asks for are none of the outage, whatever number they have.
#[tokio::test(start_paused = true)]
async fn a_retry_by_hand_as_the_third_attempt_hides_no_outage() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "bharatcart", "pro").await;
    let webhook = world.webhook(&shop).await;
    world.answer(500);
    publish(&world, &shop, "product.deleted").await;
    world.pass(2 * MINUTE_MS).await;
    let logs = format!("/v1/webhooks/{webhook}/logs");
    let log = world.get(&shop, &logs).await.data(200)["logs"][0]["id"].clone();
    let retry = format!("{logs}/{}/retry", log.as_str().unwrap());
    world.send_text(&shop, "POST", &retry, "").await.data(202);
    world.pass(MINUTE_MS).await;
    assert!(
        told(&world, &listener).await.is_empty(),
        "asked for by hand"
    );
    world.pass(2 * HOUR_MS).await;
    let told = told(&world, &listener).await;
    assert!(types(&told).contains(&"webhook.failing"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_its_end_are_told_once() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "standard", "pro").await;
    let webhook = world.webhook(&shop).await;
    let path = format!("/v1/webhooks/{webhook}");
    let since = Time::at_ms(world.now_ms());
    let publish_three = async || {
        for _ in 0..3 {
            publish(&world, &shop, "a.b").await;
        }
    };
    world.answer_asking(503, "60");
    publish_three().await;
    // Its operator's webhook gets nothing either, until this one is well.
    world.pass(3 * MINUTE_MS).await;
    world.answer(200);
    world.pass(10 * MINUTE_MS).await;
    let told_first = told(&world, &listener).await;
    assert_eq!(types(&told_first), ["webhook.paused", "webhook.resumed"]);
    let [(_, paused), (_, resumed)] = told_first.as_slice() else {
        panic!("{told_first:?}");
    };
    assert_eq!(paused["webhook_id"], webhook);
    assert_eq!(
        (&paused["cause"], &paused["response_status"]),
        (&"retry_after".into(), &503.into())
    );
    assert!(paused["paused_at"].as_str() >= json!(since).as_str());
    assert!(paused["paused_until"].as_str() > paused["paused_at"].as_str());
    assert_eq!(resumed["paused_at"], paused["paused_at"]);
    assert!(resumed["resumed_at"].as_str() > paused["paused_until"].as_str());

    for minutes in [10, 20] {
        let until = Time::at_ms(world.now_ms() + minutes * MINUTE_MS);
        let change = json!({"pause": {"until": until}});
        world.send(&shop, "PATCH", &path, change).await.data(200);
        world.pass(MINUTE_MS).await;
    }
    for _ in 0..2 {
        world
            .send(&shop, "PATCH", &path, json!({"pause": null}))
            .await
            .data(200);
    }
    world.pass(MINUTE_MS).await;
    let told = told(&world, &listener).await;
    let windows: Vec<_> = told
        .iter()
        .filter(|(_, data)| data["cause"] == "manual")
        .collect();
    assert_eq!(windows.len(), 2, "{told:?}");
    assert_eq!(windows[0].1["log_id"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_disabling_or_a_deletion_cuts_short_is_told_as_ended() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "badger", "pro").await;
    let market = world.tenant("market", "standard", "pro").await;
    let mut paused = Vec::new();
    for caller in [&shop, &shop, &shop, &market] {
        let webhook = world.webhook(caller).await;
        let until = Time::at_ms(world.now_ms() + HOUR_MS);
        let change = json!({"pause": {"until": until}});
        let path = format!("/v1/webhooks/{webhook}");
        world.send(caller, "PATCH", &path, change).await.data(200);
        paused.push(webhook);
    }
    world.pass(MINUTE_MS).await;
    let path = |number: usize| format!("/v1/webhooks/{}", paused[number]);
    let disabled = json!({"status": "disabled", "pause": null});
    for _ in 0..2 {
        let path = path(0);
        let answer = world.send(&shop, "PATCH", &path, disabled.clone());
        answer.await.data(200);
    }
    world
        .send_text(&shop, "DELETE", &path(1), "")
        .await
        .data(200);
    // One that is disabled, its end told, and then deleted.
    let disabled = json!({"status": "disabled"});
    world
        .send(&shop, "PATCH", &path(2), disabled)
        .await
        .data(200);
    world
        .send_text(&shop, "DELETE", &path(2), "")
        .await
        .data(200);
    let tenant = "/v1/tenants/market";
    world
        .send_text(&As::operator(), "DELETE", tenant, "")
        .await
        .data(202);
    world.pass(MINUTE_MS).await;
    let activate = json!({"status": "active"});
    world
        .send(&shop, "PATCH", &path(0), activate)
        .await
        .data(200);
    world.pass(MINUTE_MS).await;
    let told = told(&world, &listener).await;
    for (number, (webhook, status)) in paused
        .iter()
        .zip(["disabled", "deleted", "disabled", "deleted"])
        .enumerate()
    {
        let own = |event_type: &str| {
            let own = told.iter().filter(|(told, data)| {
                (told.as_str(), &data["webhook_id"]) == (event_type, &json!(webhook))
            });
            let own: Vec<_> = own.map(|(_, data)| data.clone()).collect();
            assert_eq!(own.len(), 1, "{number} {event_type}: {told:?}");
            own[0].clone()
        };
        let (begun, ended) = (own("webhook.paused"), own("webhook.resumed"));
        assert_eq!(ended["status"], status, "{number}");
        assert_eq!(ended["paused_at"], begun["paused_at"]);
        assert!(ended["resumed_at"].as_str() > begun["paused_at"].as_str());
        assert_eq!(ended["cause"], "manual");
        assert_eq!(ended["log_id"], json!(null));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_rule_cuts_short_is_told_as_ended() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let shop = world.tenant("shop", "standard", "pro").await;
    world.webhook(&shop).await;
    // It asks to be left alone, then says that it is gone, to a POST that was under way by then.
    world.answer_by(|request| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let status = match text {
            text if text.contains(r#""n":"first""#) => 503,
            text if text.contains(r#""n":"second""#) => 410,
            _ => 200,
        };
        let response = http::Response::builder().status(status);
        response.header("retry-after", "600").body(()).unwrap()
    });
    for (name, takes_ms) in [("first", 1_000), ("second", 5_000)] {
        world.answer_after(takes_ms);
        let event = json!({"type": "a.b", "data": {"n": name}});
        let published = world.send(&shop, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(500).await;
    }
    world.answer_after(0);
    world.pass(20 * MINUTE_MS).await;
    let told = told(&world, &listener).await;
    assert_eq!(
        types(&told),
        [
            "delivery.failed",
            "webhook.disabled",
            "webhook.paused",
            "webhook.resumed"
        ]
    );
    let (disabled, resumed) = (&told[1].1, &told[3].1);
    assert_eq!(resumed["status"], "disabled");
    assert_eq!(resumed["resumed_at"], disabled["disabled_at"]);
    assert_eq!(resumed["paused_at"], told[2].1["paused_at"]);
}

/// Another dialect does not have the types of operator events, and would silence them.
#[tokio::test(start_paused = true)]
async fn the_operators_own_tenant_keeps_its_dialect() {
    let world = World::new().await;
    let path = "/v1/tenants/_operator";
    let change = json!({"dialect": "badger"});
    let refused = world.send(&As::operator(), "PATCH", path, change).await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["dialect"]);
    let same = json!({"dialect": "standard", "name": "Us"});
    let taken = world.send(&As::operator(), "PATCH", path, same).await;
    taken.data(200);
}

/// Without it nobody would be told of anything.
#[tokio::test(start_paused = true)]
async fn the_operators_own_tenant_is_not_deleted() {
    let world = World::new().await;
    let listener = listener(&world).await;
    let path = "/v1/tenants/_operator";
    let refused = world.send_text(&As::operator(), "DELETE", path, "").await;
    refused.assert_error(409, "own_tenant");
    world.get(&As::operator(), path).await.data(200);
    let webhook = format!("/v1/webhooks/{listener}");
    let own = As::operator_for("_operator");
    world.get(&own, &webhook).await.data(200);
}

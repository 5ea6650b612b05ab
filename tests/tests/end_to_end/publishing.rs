//! What an event goes to, and what is refused before it goes anywhere.

use rung_tests::{Receiver, Tenant};
use serde_json::json;

use crate::{a_type_of, rung};

/// The types of each group, as the documents list them.
const GROUPS: [(&str, &str, &[&str]); 13] = [
    (
        "badger",
        "badge",
        &["user.badge.unlocked", "user.badge.progress.updated"],
    ),
    (
        "badger",
        "reward",
        &["user.reward.unlocked", "user.points.earned"],
    ),
    (
        "badger",
        "streak",
        &[
            "user_badge.streak.started",
            "user.badge.streak.updated",
            "user.badge.streak.ended",
        ],
    ),
    ("badger", "event", &["even.created"]),
    (
        "patra",
        "card",
        &["card.created", "card.updated", "card.deleted"],
    ),
    (
        "patra",
        "contact",
        &["contact.shared", "contact.link_clicked"],
    ),
    ("patra", "analytics", &["analytics.milestone"]),
    (
        "bharatcart",
        "order",
        &[
            "order.created",
            "order.paid",
            "order.shipped",
            "order.delivered",
            "order.cancelled",
        ],
    ),
    (
        "bharatcart",
        "product",
        &["product.created", "product.updated", "product.deleted"],
    ),
    ("bharatcart", "inventory", &["inventory.low"]),
    ("reward", "trigger_event", &["trigger_event.created"]),
    ("reward", "balance", &["balance.credit_points_issued"]),
    (
        "odin",
        "user",
        &[
            "user.lesson.completed",
            "user.progress.milestone",
            "user.streak.achieved",
        ],
    ),
];

const ODINS_OTHERS: [(&str, &[&str]); 2] = [
    (
        "content",
        &[
            "content.mythology.updated",
            "content.saga.added",
            "content.rune.inscriptions.updated",
        ],
    ),
    (
        "system",
        &[
            "api.key.expiring",
            "api.rate_limit.warning",
            "api.quota.exceeded",
        ],
    ),
];

fn groups_of(dialect: &str) -> Vec<(&'static str, &'static [&'static str])> {
    let mut groups: Vec<_> = GROUPS
        .iter()
        .filter(|(d, ..)| *d == dialect)
        .map(|(_, group, types)| (*group, *types))
        .collect();
    if dialect == "odin" {
        groups.extend(ODINS_OTHERS);
    }
    groups
}

/// One webhook for each group and one for everything: each type reaches its group's and the last, and no other.
#[tokio::test]
async fn every_type_reaches_its_group_and_everything() {
    let rung = rung(&[]).await;
    for dialect in ["badger", "patra", "bharatcart", "reward", "odin"] {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        tenant.webhook(&receiver.url("/everything"), &["*"]).await;
        let groups = groups_of(dialect);
        for (group, _) in &groups {
            let request = json!({"url": receiver.url(&format!("/{group}")), "events": [group]});
            let reply = tenant.api.post("/v1/webhooks", &request).await;
            assert_eq!(
                reply.data(201)["webhook"]["events"],
                json!([group]),
                "answered as given"
            );
        }
        let mut expected = Vec::new();
        for (group, types) in &groups {
            for event_type in *types {
                let event = tenant.publish(event_type, json!({})).await;
                assert_eq!(event.deliveries, 2, "{dialect} {event_type}");
                expected.push((format!("/{group}"), event.id.clone()));
                expected.push(("/everything".to_owned(), event.id));
            }
        }
        let arrived = receiver.wait_for(expected.len()).await;
        let mut arrived: Vec<_> = arrived
            .iter()
            .map(|request| (request.path.clone(), request.event_id().to_owned()))
            .collect();
        arrived.sort();
        expected.sort();
        assert_eq!(arrived, expected, "{dialect}");
    }
}

/// The catalogue lists what can be published, each with a sample that `test` sends.
#[tokio::test]
async fn the_catalogue_is_the_documents() {
    let rung = rung(&[]).await;
    for dialect in ["badger", "patra", "bharatcart", "reward", "odin"] {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
        let reply = tenant.api.get("/v1/event-types?limit=100").await;
        reply.data(200);
        let mut sent = 0;
        for (group, types) in groups_of(dialect) {
            for event_type in types {
                assert!(
                    reply.text.contains(&format!("\"{event_type}\"")),
                    "{dialect} {event_type}: {}",
                    reply.text
                );
                let one = tenant
                    .api
                    .get(&format!("/v1/event-types/{event_type}"))
                    .await;
                one.data(200);
                assert!(
                    one.text.contains(&format!("\"groups\":[\"{group}\"")),
                    "{event_type}: {}",
                    one.text
                );
                tenant
                    .api
                    .post(&webhook.path("/test"), &json!({"event_type": event_type}))
                    .await
                    .ok();
                sent += 1;
                let request = receiver.wait_for(sent).await.remove(sent - 1);
                assert!(
                    request.text().contains(&format!("\"{event_type}\"")),
                    "{}",
                    request.text()
                );
            }
        }
        tenant
            .api
            .get("/v1/event-types/no.such_type")
            .await
            .refused(404, "not_found");
    }
}

/// A webhook that names a type and its group, or a type twice, gets each event once.
#[tokio::test]
async fn overlapping_subscriptions_are_one_delivery() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    odin.webhook(&receiver.url("/"), &["user.lesson.completed", "user", "*"])
        .await;
    let event = odin.publish("user.lesson.completed", json!({})).await;
    assert_eq!(event.deliveries, 1);
    receiver.wait_for(1).await;
    receiver.stays_at(1).await;
}

/// Badger documents `even.created`; who writes `event.created` means the same.
#[tokio::test]
async fn badgers_misspelt_type_has_an_alias() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let badger = Tenant::create(&rung, "t", "badger").await;
    let webhook = badger
        .webhook(&receiver.url("/alias"), &["event.created"])
        .await;
    assert_eq!(
        webhook.get().await["events"],
        json!(["event.created"]),
        "answered as given"
    );
    badger
        .webhook(&receiver.url("/documented"), &["even.created"])
        .await;
    for event_type in ["even.created", "event.created"] {
        let event = badger.publish(event_type, json!({"name": "signup"})).await;
        assert_eq!(event.deliveries, 2, "{event_type}");
    }
    for request in receiver.wait_for(4).await {
        assert_eq!(request.json()["event"], "even.created");
    }
}

#[tokio::test]
async fn no_delivery_has_a_reason() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let with_none = odin.publish("user.lesson.completed", json!({})).await;
    odin.webhook(&receiver.url("/"), &["content"]).await;
    let with_others = odin.publish("user.lesson.completed", json!({})).await;
    for event in [with_none, with_others] {
        assert_eq!(event.deliveries, 0);
        assert!(
            event.data["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{}",
            event.data
        );
    }
    let matched = odin.publish("content.saga.added", json!({})).await;
    assert_eq!(matched.deliveries, 1);
    assert!(matched.data["reason"].is_null(), "{}", matched.data);
}

/// Odin's webhooks belong to its paid plans.
#[tokio::test]
async fn a_plan_without_webhooks() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create_with(
        &rung,
        json!({"id": "t", "name": "T", "dialect": "odin", "plan": "free"}),
    )
    .await;
    let request = json!({"url": receiver.url("/"), "events": ["*"]});
    odin.api
        .post("/v1/webhooks", &request)
        .await
        .refused(403, "plan_without_webhooks");
    let event = odin.publish("user.lesson.completed", json!({})).await;
    assert_eq!(event.deliveries, 0);
    assert!(event.data["reason"].is_string(), "{}", event.data);

    let admin = rung.admin();
    for plan in ["pro", "enterprise"] {
        admin
            .patch("/v1/tenants/t", &json!({"plan": plan}))
            .await
            .data(200);
        let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
        let before = receiver.count();
        assert_eq!(
            odin.publish("user.lesson.completed", json!({}))
                .await
                .deliveries,
            1,
            "{plan}"
        );
        receiver.wait_for(before + 1).await;
        odin.api.delete(&webhook.path("")).await.data(200);
    }

    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    admin
        .patch("/v1/tenants/t", &json!({"plan": "free"}))
        .await
        .data(200);
    let shown = webhook.get().await;
    assert_eq!(shown["status"], "disabled");
    assert!(shown["disabled"].to_string().contains("plan"), "{shown}");
    let before = receiver.count();
    assert_eq!(
        odin.publish("user.lesson.completed", json!({}))
            .await
            .deliveries,
        0
    );
    receiver.stays_at(before).await;
}

/// The other dialects know no such plans.
#[tokio::test]
async fn plans_matter_to_odin_alone() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    for dialect in ["badger", "patra", "bharatcart", "reward", "standard"] {
        let request = json!({"id": dialect, "name": "T", "dialect": dialect, "plan": "free"});
        let tenant = Tenant::create_with(&rung, request).await;
        tenant.webhook(&receiver.url("/"), &["*"]).await;
        assert_eq!(
            tenant
                .publish(a_type_of(dialect), json!({}))
                .await
                .deliveries,
            1
        );
    }
}

/// A disabled webhook can be tried out before it is started again; a test is no event of the tenant's.
#[tokio::test]
async fn test_events_go_to_disabled_webhooks_and_count_for_nothing() {
    let rung = rung(&["--time-scale", "6000"]).await;
    let receiver = Receiver::always(500).await;
    let cart = Tenant::create(&rung, "t", "bharatcart").await;
    let webhook = cart
        .webhook(&receiver.url("/"), &["order.paid", "product"])
        .await;
    for _ in 0..11 {
        cart.api
            .call("POST", &webhook.path("/test"))
            .body("{}")
            .send()
            .await
            .ok();
    }
    let arrived = receiver.wait_for(11).await;
    assert!(
        arrived
            .iter()
            .all(|request| request.must("rung-test") == "true")
    );
    assert!(
        arrived
            .iter()
            .all(|request| request.json()["event"] == "order.paid"),
        "the first subscribed type"
    );
    assert_eq!(receiver.event_ids().len(), 11, "fresh ids");
    receiver.stays_at(11).await;
    assert_eq!(
        webhook.status().await,
        "active",
        "never counted as a failure"
    );

    webhook.patch(json!({"status": "disabled"})).await;
    cart.api
        .post(
            &webhook.path("/test"),
            &json!({"event_type": "product.created"}),
        )
        .await
        .ok();
    assert_eq!(
        receiver.wait_for(12).await[11].json()["event"],
        "product.created"
    );
    assert_eq!(webhook.status().await, "disabled");
}

/// A webhook made a moment ago gets the very next event, one deleted a moment ago none.
#[tokio::test]
async fn changes_count_from_the_next_event_on() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    for n in 0..10 {
        let webhook = odin.webhook(&receiver.url("/"), &["user"]).await;
        assert_eq!(
            odin.publish("user.lesson.completed", json!({}))
                .await
                .deliveries,
            1,
            "{n}"
        );
        webhook.patch(json!({"events": ["content"]})).await;
        assert_eq!(
            odin.publish("user.lesson.completed", json!({}))
                .await
                .deliveries,
            0,
            "{n}"
        );
        webhook.patch(json!({"events": ["*"]})).await;
        assert_eq!(
            odin.publish("user.lesson.completed", json!({}))
                .await
                .deliveries,
            1,
            "{n}"
        );
        odin.api.delete(&webhook.path("")).await.data(200);
        assert_eq!(
            odin.publish("user.lesson.completed", json!({}))
                .await
                .deliveries,
            0,
            "{n}"
        );
    }
    receiver.wait_for(1).await;
}

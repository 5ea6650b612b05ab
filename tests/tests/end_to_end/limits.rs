//! What is too large, too long or not stable enough to be delivered.

use rung_tests::{Published, Receiver, Tenant};
use serde_json::{Value, json};

use crate::{a_type_of, rung};

/// A body of `length` bytes for this dialect, and one byte more, by padding the data.
#[tokio::test]
async fn the_delivered_body_has_the_dialects_limit() {
    let rung = rung(&[]).await;
    for (dialect, limit) in [
        ("badger", 102_400),
        ("patra", 102_400),
        ("bharatcart", 102_400),
        ("reward", 102_400),
        ("odin", 102_400),
        ("standard", 256 * 1024),
    ] {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        tenant.webhook(&receiver.url("/"), &["*"]).await;
        let event = |id: &str, padding: usize| {
            json!({
                "id": id, "type": a_type_of(dialect), "timestamp": "2024-12-14T15:29:18Z",
                "data": {"pad": "x".repeat(padding)},
            })
        };
        tenant
            .api
            .post("/v1/events", &event("aaa", 0))
            .await
            .data(202);
        let empty = receiver.wait_for(1).await[0].body.len();
        if dialect == "standard" {
            // The request's own limit is as high, and its envelope longer: that one is met first.
            let reply = tenant
                .api
                .post("/v1/events", &event("bbb", limit - empty))
                .await;
            reply.refused(413, "payload_too_large");
            continue;
        }
        tenant
            .api
            .post("/v1/events", &event("bbb", limit - empty))
            .await
            .data(202);
        let arrived = receiver.wait_for(2).await;
        assert_eq!(arrived[1].body.len(), limit, "{dialect}");
        let reply = tenant
            .api
            .post("/v1/events", &event("ccc", limit - empty + 1))
            .await;
        reply.refused(413, "payload_too_large");
        tenant
            .api
            .get("/v1/events/ccc")
            .await
            .refused(404, "not_found");
    }
}

/// A request body is at most 256 KiB, a batch's 1 MiB.
#[tokio::test]
async fn requests_have_their_limits() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    // Blanks count in a request, and are not delivered.
    let event = |length: usize| {
        let body = r#"{"type":"a","data":{}}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    tenant.publish_text(&event(256 * 1024)).await.data(202);
    let reply = tenant.publish_text(&event(256 * 1024 + 1)).await;
    reply.refused(413, "payload_too_large");

    let batch = |length: usize| {
        let body = format!(r#"{{"events":[{}]}}"#, vec![event(10_000); 100].join(","));
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    tenant
        .api
        .call("POST", "/v1/events/batch")
        .body(batch(1024 * 1024))
        .send()
        .await
        .ok();
    let reply = tenant
        .api
        .call("POST", "/v1/events/batch")
        .body(batch(1024 * 1024 + 1))
        .send()
        .await;
    reply.refused(413, "payload_too_large");
}

/// Numbers that JavaScript would write as another value: refused where receivers verify what they have parsed and written
/// out again, kept as published where they don't.
#[tokio::test]
async fn unstable_numbers() {
    let rung = rung(&[]).await;
    let unstable = [
        "9007199254740993",
        "0.10000000000000000001",
        "123456789012345678901234567890",
        "1e-400",
    ];
    for (dialect, reparse_safe) in [
        ("patra", true),
        ("badger", true),
        ("bharatcart", false),
        ("reward", false),
        ("odin", false),
        ("standard", false),
    ] {
        let receiver = Receiver::always(200).await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        tenant.webhook(&receiver.url("/"), &["*"]).await;
        let mut kept = 0;
        for number in unstable {
            let data = format!(r#"{{"list":[{{"n":1}},{{"n":{number}}}]}}"#);
            let reply = tenant
                .publish_text(&format!(
                    r#"{{"type":"{}","data":{data}}}"#,
                    a_type_of(dialect)
                ))
                .await;
            if reparse_safe {
                let error = reply.refused_for(422, "unstable_number", "data.list[1].n");
                assert_eq!(error["code"], "unstable_number", "{dialect} {number}");
                let told = error.to_string();
                assert!(
                    told.contains("list") && told.contains('1'),
                    "its path: {told}"
                );
            } else {
                reply.data(202);
                kept += 1;
                let arrived = receiver.wait_for(kept).await;
                let body = arrived[kept - 1].text();
                assert!(body.contains(&data), "{dialect}: {number} became {body}");
            }
        }
        assert_eq!(receiver.count(), kept);
    }
}

/// Badger's data lies flat in the envelope: it can't have the envelope's own names, or names that JavaScript would move.
#[tokio::test]
async fn badger_reserves_the_envelopes_members() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let badger = Tenant::create(&rung, "t", "badger").await;
    badger.webhook(&receiver.url("/"), &["*"]).await;
    let publish = |data: Value| {
        let badger = &badger;
        async move {
            badger
                .api
                .post(
                    "/v1/events",
                    &json!({"type": "user.badge.unlocked", "data": data}),
                )
                .await
        }
    };
    for name in ["event", "timestamp", "0", "7", "4294967294"] {
        publish(json!({"userId": "u", name: 1})).await.refused_for(
            422,
            "reserved_member",
            &format!("data.{name}"),
        );
    }
    let allowed = json!({"4294967295": 1, "01": 2, "-1": 3, "nested": {"event": 1, "timestamp": 2, "0": 3}, "Event": 4});
    Published::new(&publish(allowed).await);
    receiver.wait_for(1).await;
    receiver.stays_at(1).await;
}

/// Other dialects keep the data apart: any name goes.
#[tokio::test]
async fn no_other_dialect_reserves_members() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    odin.webhook(&receiver.url("/"), &["*"]).await;
    odin.publish(
        "user.lesson.completed",
        json!({"event": 1, "timestamp": 2, "0": 3, "id": 4, "type": 5}),
    )
    .await;
    let data = receiver.wait_for(1).await[0].json()["data"].clone();
    assert_eq!(
        data,
        json!({"0": 3, "event": 1, "timestamp": 2, "id": 4, "type": 5})
    );
}

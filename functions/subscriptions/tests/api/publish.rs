//! Publishing: what is accepted once, and what is refused by its place.

use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{Answered, As, World};

async fn world(dialect: &str) -> (World, As) {
    let world = World::new().await;
    let tenant = world.tenant("acme", dialect, "pro").await;
    (world, tenant)
}

async fn publish(world: &World, tenant: &As, event: Value) -> Value {
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202).clone()
}

#[tokio::test(start_paused = true)]
async fn an_event_is_answered_with_what_became_of_it() {
    let (world, tenant) = world("standard").await;
    let lonely = publish(&world, &tenant, json!({"type": "a.b", "data": {}})).await;
    assert_eq!(lonely["deliveries"], 0);
    assert!(lonely["reason"].is_string());
    assert_eq!(lonely["reason_code"], "no_webhook");

    world.webhook(&tenant).await;
    let event = json!({
        "id": "order-7", "type": "a.b", "data": {"n": 1}, "timestamp": "2025-10-09T10:00:00+02:00",
    });
    let published = publish(&world, &tenant, event).await;
    assert_eq!(
        published["event"],
        json!({
            "id": "order-7", "tenant_id": "acme", "type": "a.b",
            "timestamp": "2025-10-09T08:00:00.000Z", "created_at": "2025-10-09T08:53:20.000Z",
        })
    );
    assert_eq!(published["deliveries"], 1);
    assert_eq!(published["reason"], Value::Null);
    assert_eq!(published["reason_code"], Value::Null);
}

/// A type's other name is no other content.
#[tokio::test(start_paused = true)]
async fn the_same_event_under_another_name_of_its_type_is_the_same() {
    let (world, tenant) = world("badger").await;
    world.webhook(&tenant).await;
    let named = |name: &str| json!({"id": "e", "type": name, "data": {"id": 1}});
    let first = publish(&world, &tenant, named("event.created")).await;
    world.pass(90_000).await;
    let again = publish(&world, &tenant, named("even.created")).await;
    assert_eq!(again, first);
    world.pass(90_000).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_event_again_is_answered_alike_and_sent_once() {
    let (world, tenant) = world("standard").await;
    let webhook = world.webhook(&tenant).await;
    let event = json!({"id": "order-7", "type": "a.b", "data": {"a": 1, "b": 2}});
    let first = publish(&world, &tenant, event).await;
    world.pass(90_000).await;
    let text = r#"{"data":{"b":2.0,"a":1},"type":"a.b","id":"order-7"}"#;
    let again = world.send_text(&tenant, "POST", "/v1/events", text).await;
    assert_eq!(*again.data(202), first);
    // None is said in several ways.
    for none in [json!(null), json!({})] {
        let same =
            json!({"id": "order-7", "type": "a.b", "data": {"a": 1, "b": 2}, "metadata": none});
        assert_eq!(publish(&world, &tenant, same).await, first);
    }
    for other in [
        json!({"id": "order-7", "type": "a.b", "data": {"a": 1, "b": 3}}),
        json!({"id": "order-7", "type": "a.c", "data": {"a": 1, "b": 2}}),
        json!({"id": "order-7", "type": "a.b", "data": {"a": 1, "b": 2}, "metadata": {"a": {}}}),
    ] {
        let refused = world.send(&tenant, "POST", "/v1/events", other).await;
        refused.assert_error(409, "event_id_reused");
    }
    world.pass(90_000).await;
    let logs = world
        .get(&tenant, &format!("/v1/webhooks/{webhook}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn published_times_are_compared_as_given() {
    let (world, tenant) = world("standard").await;
    let event = |time: &str| json!({"id": "e", "type": "a.b", "data": {}, "timestamp": time});
    publish(&world, &tenant, event("2025-10-09T08:00:00.123456789Z")).await;
    for same in [
        "2025-10-09T08:00:00.123456789Z",
        "2025-10-09T10:00:00.123456789+02:00",
    ] {
        publish(&world, &tenant, event(same)).await;
    }
    for other in [
        "2025-10-09T08:00:00.123456788Z",
        "2025-10-09T08:00:00.1234Z",
        "2025-10-09T08:00:00.123Z",
        "2025-10-09T08:00:00Z",
    ] {
        let refused = world
            .send(&tenant, "POST", "/v1/events", event(other))
            .await;
        refused.assert_error(409, "event_id_reused");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_is_answered_alike_though_it_would_be_refused_by_now() {
    let (world, tenant) = world("standard").await;
    let event = |member: &str, value: Value| {
        let data = json!({member: value});
        json!({"id": member, "type": "user.points.earned", "data": data})
    };
    let number: Value = serde_json::from_str("9007199254740993").unwrap();
    let events = [
        (event("number", number), 422, "unstable_number"),
        (event("event", json!(1)), 422, "reserved_member"),
        (
            event("long", json!("x".repeat(102_400))),
            413,
            "payload_too_large",
        ),
    ];
    let keyed = tenant.clone().with_idempotency_key("once");
    let unnamed = json!({"type": "user.points.earned", "data": {"event": 1}});
    let mut first = Vec::new();
    for (event, ..) in &events {
        first.push(publish(&world, &tenant, event.clone()).await);
    }
    let first_keyed = publish(&world, &keyed, unnamed.clone()).await;

    let strict = json!({"url": "https://example.com/", "events": ["*"], "dialect": "badger"});
    let strict = world.send(&tenant, "POST", "/v1/webhooks", strict).await;
    let strict = format!(
        "/v1/webhooks/{}",
        strict.data(201)["webhook"]["id"].as_str().unwrap()
    );
    let path = "/v1/event-types/user.points.earned";
    for by_schema in [false, true] {
        if by_schema {
            world
                .send_text(&tenant, "DELETE", &strict, "")
                .await
                .data(200);
            let nothing = json!({"schema": {"required": ["nothing has it"]}});
            world.send(&tenant, "PUT", path, nothing).await.data(201);
        }
        for ((event, status, code), first) in events.iter().zip(&first) {
            let again = publish(&world, &tenant, event.clone()).await;
            assert_eq!(again, *first, "{code}");
            let (status, code) = if by_schema {
                (422, "schema_violation")
            } else {
                (*status, *code)
            };
            let mut new = event.clone();
            new["id"] = json!("another");
            let new = world.send(&tenant, "POST", "/v1/events", new).await;
            new.assert_error(status, code);
            let mut other = event.clone();
            other["metadata"] = json!({"changed": true});
            let other = world.send(&tenant, "POST", "/v1/events", other).await;
            other.assert_error(409, "event_id_reused");
        }
        assert_eq!(publish(&world, &keyed, unnamed.clone()).await, first_keyed);
        let new = world
            .send(&tenant, "POST", "/v1/events", unnamed.clone())
            .await;
        assert_eq!(new.status, 422);

        let mut new = events[1].0.clone();
        new["id"] = json!("another");
        let batch = json!({"events": [events[0].0, new, events[1].0]});
        let batch = world.send(&tenant, "POST", "/v1/events/batch", batch).await;
        let results = &batch.data(207)["results"];
        assert_eq!(results[0]["duplicate"], true);
        assert_eq!(results[0]["data"], first[0]);
        assert_eq!(results[1]["success"], false);
        assert_eq!(results[2]["data"], first[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_would_be_refused_by_now_still_fills_in_what_was_not_queued() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    let event = json!({"id": "order-7", "type": "a.b", "data": {}});
    publish(&world, &tenant, event.clone()).await;
    // As if the queue had not taken it.
    let deliver = queue_url("deliver");
    let lost = world.sqs.receive_message().queue_url(&deliver);
    let lost = lost.send().await.unwrap().messages.unwrap();
    let lost = lost[0].receipt_handle().unwrap();
    let delete = world.sqs.delete_message().queue_url(&deliver);
    delete.receipt_handle(lost).send().await.unwrap();

    let definition = json!({"schema": {"required": ["nothing has it"]}});
    world
        .send(&tenant, "PUT", "/v1/event-types/a.b", definition)
        .await
        .data(201);
    let again = publish(&world, &tenant, event).await;
    assert_eq!(again["deliveries"], 1);
    world.run_for(120_000).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_refused_by_its_field() {
    let (world, tenant) = world("badger").await;
    let deep = format!(
        r#"{{"type": "badge.created", "data": {{"a": {}0{}}}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    for (text, code, field) in [
        (r#"{"data": {}}"#, "invalid_request", "type"),
        (r#"{"type": "a b", "data": {}}"#, "invalid_request", "type"),
        (
            r#"{"type": "badge.none", "data": {}}"#,
            "unknown_event_type",
            "type",
        ),
        (
            r#"{"type": "user.points.earned"}"#,
            "invalid_request",
            "data",
        ),
        (
            r#"{"type": "user.points.earned", "data": []}"#,
            "invalid_request",
            "data",
        ),
        (
            r#"{"type": "user.points.earned", "data": {}, "id": "a b"}"#,
            "invalid_request",
            "id",
        ),
        (
            r#"{"type": "user.points.earned", "data": {}, "extra": 1}"#,
            "unknown_field",
            "extra",
        ),
        (
            r#"{"type": "user.points.earned", "data": {}, "timestamp": "now"}"#,
            "invalid_request",
            "timestamp",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"a": 1, "a": 1}}"#,
            "invalid_request",
            "data.a",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"a": "\ud800"}}"#,
            "invalid_request",
            "data.a",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"a": 1e999}}"#,
            "invalid_request",
            "data.a",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"a": [9007199254740993]}}"#,
            "unstable_number",
            "data.a[0]",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"event": 1}}"#,
            "reserved_member",
            "data.event",
        ),
        (
            r#"{"type": "user.points.earned", "data": {"7": 1}}"#,
            "reserved_member",
            "data.7",
        ),
    ] {
        let refused = world.send_text(&tenant, "POST", "/v1/events", text).await;
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{text}");
    }
    let refused = world.send_text(&tenant, "POST", "/v1/events", &deep).await;
    refused.assert_error(422, "invalid_request");
    let long = json!({"type": "user.points.earned", "data": {"a": "x".repeat(102_400)}});
    let refused = world.send(&tenant, "POST", "/v1/events", long).await;
    refused.assert_error(413, "payload_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_type_is_refused_as_such_where_any_type_is_known() {
    let (world, tenant) = world("standard").await;
    for malformed in ["a//b", "a/", "/a", "a/./b", "a/../b", "..", "a b", ""] {
        let event = json!({"type": malformed, "data": {}});
        let refused = world.send(&tenant, "POST", "/v1/events", event).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["type"], "{malformed}");
    }
    let event = json!({"type": "a../.b", "data": {}});
    publish(&world, &tenant, event).await;
}

#[tokio::test(start_paused = true)]
async fn each_event_of_a_batch_has_its_own_result_in_order() {
    let (world, tenant) = world("odin").await;
    world.webhook(&tenant).await;
    let good = |id: &str| json!({"id": id, "type": "user.lesson.completed", "data": {}});
    let batch = json!({"events": [
        good("a"), {"type": "user.none", "data": {}}, {"data": 7}, good("b"), good("a"),
    ]});
    let published = world.send(&tenant, "POST", "/v1/events/batch", batch).await;
    let results = &published.data(207)["results"];
    assert_eq!(results[0]["data"]["event"]["id"], "a");
    assert_eq!(results[0]["data"]["deliveries"], 1);
    assert_eq!(results[1]["error"]["code"], "unknown_event_type");
    assert_eq!(results[1]["error"]["details"][0]["field"], "events[1].type");
    assert_eq!(results[2]["success"], false);
    assert_eq!(results[2]["error"]["details"][0]["field"], "events[2].type");
    assert_eq!(results[3]["data"]["event"]["id"], "b");
    assert_eq!(results[4]["success"], true);
    assert_eq!(results.as_array().unwrap().len(), 5);

    // Well-formed, but not what every receiver would read alike.
    let batch = r#"{"events": [
        {"id": "c", "type": "user.lesson.completed", "data": {}},
        {"id": "d", "type": "user.lesson.completed", "data": {"n": 1, "n": 2}},
        {"id": "e", "type": "user.lesson.completed", "data": {}}
    ]}"#;
    let path = "/v1/events/batch";
    let published = world.send_text(&tenant, "POST", path, batch).await;
    let results = &published.data(207)["results"];
    assert_eq!(results[0]["data"]["event"]["id"], "c");
    assert_eq!(results[1]["error"]["code"], "invalid_request");
    assert_eq!(
        results[1]["error"]["details"][0]["field"],
        "events[1].data.n"
    );
    assert_eq!(results[2]["data"]["event"]["id"], "e");
    let broken = batch.replace("2}}", "2}");
    let refused = world.send_text(&tenant, "POST", path, &broken).await;
    refused.assert_error(400, "invalid_json");

    for wrong in [
        json!({"events": []}),
        json!({"events": vec![good("a"); 101]}),
        json!([good("a")]),
    ] {
        let refused = world.send(&tenant, "POST", "/v1/events/batch", wrong).await;
        refused.assert_error(422, "invalid_request");
    }
}

/// The status of a batch tells whether all, some or none of its events were accepted, to whoever reads nothing else.
#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_was_accepted_is_no_success() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let good = json!({"id": "good", "type": "user.lesson.completed", "data": {}});
    let bad = json!({"id": "bad", "type": "nope", "data": {}});
    let other = json!({"id": "good", "type": "user.lesson.completed", "data": {"n": 1}});
    let batch = async |events: Value| {
        let batch = json!({ "events": events });
        world.send(&tenant, "POST", "/v1/events/batch", batch).await
    };
    let told = |answered: &Answered| {
        let data = &answered.body["data"];
        let results = data["results"].as_array().unwrap().iter();
        let results = results.map(|result| {
            let code = &result["error"]["code"];
            (
                result["status"].clone(),
                result["duplicate"].clone(),
                code.clone(),
            )
        });
        (
            (data["accepted"].clone(), data["refused"].clone()),
            Vec::from_iter(results),
        )
    };
    let accepted = |duplicate: bool| (json!(202), json!(duplicate), json!(null));
    let refused = |status: u16, code: &str| (json!(status), json!(false), json!(code));
    let all = batch(json!([good])).await;
    all.data(202);
    assert_eq!(told(&all), ((json!(1), json!(0)), vec![accepted(false)]));
    let some = batch(json!([bad, good, other])).await;
    some.data(207);
    let results = vec![
        refused(422, "unknown_event_type"),
        accepted(true),
        refused(409, "event_id_reused"),
    ];
    assert_eq!(told(&some), ((json!(1), json!(2)), results));
    let error = &some.body["data"]["results"][0]["error"];
    assert_eq!(
        error["request_id"],
        some.headers["x-request-id"].to_str().unwrap()
    );
    assert_eq!(error["retryable"], false);
    for none in [json!([bad]), json!([bad, other]), json!([7])] {
        let none = batch(none).await;
        none.assert_error(422, "batch_refused");
        assert_eq!(told(&none).0.0, 0);
    }
}

/// An outbox of many tenants' events is one call for each hundred of them.
#[tokio::test(start_paused = true)]
async fn the_operator_publishes_for_many_tenants_in_one_call() {
    let world = World::new().await;
    for id in ["a", "b"] {
        let tenant = world.tenant(id, "standard", "pro").await;
        world.webhook(&tenant).await;
    }
    let operator = As::operator();
    let event = |tenant: Value| json!({"id": "e", "type": "x.y", "data": {}, "tenant": tenant});
    let of = |answered: &Value| answered["event"]["tenant_id"].clone();
    let one = world
        .send(&operator, "POST", "/v1/events", event(json!("a")))
        .await;
    assert_eq!(of(one.data(202)), "a");
    let events = ["a", "b", "nobody", "_acme"].map(|tenant| event(json!(tenant)));
    let batch = json!({"events": [events[0], events[1], events[2], events[3], event(json!(null))]});
    let many = world
        .send(&operator, "POST", "/v1/events/batch", batch)
        .await;
    let results = &many.data(207)["results"];
    assert_eq!(
        (of(&results[0]["data"]), of(&results[1]["data"])),
        (json!("a"), json!("b"))
    );
    assert_eq!(
        (&results[0]["duplicate"], &results[1]["duplicate"]),
        (&json!(true), &json!(false))
    );
    for (place, code) in [(2, "not_found"), (3, "not_found"), (4, "tenant_required")] {
        let error = &results[place]["error"];
        assert_eq!(error["code"], code);
        assert_eq!(
            error["details"][0]["field"],
            format!("events[{place}].tenant")
        );
    }
    let none = world
        .send(&operator, "POST", "/v1/events", event(json!(null)))
        .await;
    none.assert_error(422, "tenant_required");
    assert_eq!(none.fields(), ["tenant"]);
    let missing = world
        .send(&operator, "POST", "/v1/events", event(json!("nobody")))
        .await;
    missing.assert_error(404, "not_found");
    assert_eq!(missing.fields(), ["tenant"]);
    // A header, or a tenant's own key, says whose it is; the event may say the same.
    for caller in [
        As::operator_for("a"),
        world.key("a", json!({"scopes": ["publish"]})).await,
    ] {
        let same = world
            .send(&caller, "POST", "/v1/events", event(json!("a")))
            .await;
        same.data(202);
        let other = world
            .send(&caller, "POST", "/v1/events", event(json!("b")))
            .await;
        other.assert_error(422, "tenant_mismatch");
        assert_eq!(other.fields(), ["tenant"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_serves_where_there_is_no_id() {
    let (world, tenant) = world("standard").await;
    let keyed = tenant.clone().with_idempotency_key("k");
    let quoted = tenant.clone().with_idempotency_key("\"k\"");
    let event = |n: u8| json!({"type": "a.b", "data": {"n": n}});
    let first = world.send(&keyed, "POST", "/v1/events", event(1)).await;
    let again = world.send(&quoted, "POST", "/v1/events", event(1)).await;
    assert_eq!(first.data(202), again.data(202));
    let other = world.send(&keyed, "POST", "/v1/events", event(2)).await;
    other.assert_error(422, "idempotency_mismatch");
    assert_eq!(other.fields(), ["Idempotency-Key"]);
    let mut both = event(1);
    both["id"] = json!("e");
    let both = world.send(&keyed, "POST", "/v1/events", both).await;
    both.assert_error(422, "invalid_request");
    assert_eq!(both.fields(), ["id"]);
}

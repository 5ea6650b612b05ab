//! Dead letters: looked at and sent round again by the operator.

use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{Answered, As, World};

async fn bury(world: &World, queue: &str, body: &str) {
    let send = world.sqs.send_message().queue_url(queue_url(queue));
    send.message_body(body).send().await.unwrap();
}

/// A world with one webhook, and the message of an attempt that never came to be handled.
async fn buried() -> (World, String) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    let event = json!({"id": "e", "type": "a.b", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    let received = world.sqs.receive_message().queue_url(queue_url("deliver"));
    let message = received.send().await.unwrap().messages.unwrap().remove(0);
    let delete = world.sqs.delete_message().queue_url(queue_url("deliver"));
    let delete = delete.receipt_handle(message.receipt_handle.unwrap());
    delete.send().await.unwrap();
    (world, message.body.unwrap())
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_shown_without_what_they_carry_and_sent_round_again() {
    let (world, body) = buried().await;
    bury(&world, "deliver-dead", &body).await;
    bury(&world, "retry-dead", &body).await;
    bury(&world, "deliver-dead", "a stranger's").await;
    let operator = As::operator();
    let found = world.get(&operator, "/v1/dead-letters").await;
    let found = found.data(200);
    assert_eq!(found["counts"], json!({"deliver": 2, "retry": 1}));
    assert_eq!(found["next_cursor"], json!(null));
    let mut kinds: Vec<_> = found["dead_letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| {
            let text = |name: &str| letter[name].as_str().unwrap_or("-").to_owned();
            (
                text("queue"),
                text("kind"),
                text("tenant_id"),
                text("event_id"),
            )
        })
        .collect();
    kinds.sort();
    let kind = |queue: &str, kind: &str, tenant: &str, event: &str| {
        (
            queue.to_owned(),
            kind.to_owned(),
            tenant.to_owned(),
            event.to_owned(),
        )
    };
    assert_eq!(
        kinds,
        [
            kind("deliver", "attempt", "acme", "e"),
            kind("deliver", "unknown", "-", "-"),
            kind("retry", "attempt", "acme", "e"),
        ]
    );
    world.pass(6_000).await;
    let one = world
        .get(&operator, "/v1/dead-letters?queue=retry&limit=5")
        .await;
    assert_eq!(one.data(200)["dead_letters"].as_array().unwrap().len(), 1);
    world.pass(6_000).await;
    let both = "/v1/dead-letters?queue=retry,deliver&order=asc";
    let both = world.get(&operator, both).await;
    let both = both.data(200)["dead_letters"].as_array().unwrap().clone();
    assert_eq!(both.len(), 3);
    let sent = |letter: &Value| letter["sent_at"].as_str().unwrap().to_owned();
    assert!(both.iter().map(sent).is_sorted());
    world.pass(6_000).await;

    let redrive = "/v1/dead-letters/redrive";
    let posts = world.posts();
    let moved = world.send_text(&operator, "POST", redrive, "").await;
    let job = ended(&world, &moved).await;
    assert_eq!(
        (&job["kind"], &job["tenant_id"], &job["params"]),
        (&json!("redrive"), &json!(null), &json!({"queue": null}))
    );
    assert_eq!(job["result"], json!({"messages": 2, "skipped": 1}));
    assert_eq!(job["progress"]["total"], 3);
    assert_eq!(world.posts(), posts + 2);
    let left = world.get(&operator, "/v1/dead-letters").await;
    let counts = &left.data(200)["counts"];
    assert_eq!(*counts, json!({"deliver": 1, "retry": 0}));
    let again = json!({"queue": "retry"});
    let again = world.send(&operator, "POST", redrive, again).await;
    let again = ended(&world, &again).await;
    assert_eq!(again["params"], json!({"queue": "retry"}));
    assert_eq!(again["result"], json!({"messages": 0, "skipped": 0}));
}

/// What somebody has just looked at is hidden for a moment, and moved all the same.
#[tokio::test(start_paused = true)]
async fn dead_letters_that_were_just_shown_are_sent_round_too() {
    let (world, body) = buried().await;
    bury(&world, "deliver-dead", &body).await;
    let operator = As::operator();
    let shown = world.get(&operator, "/v1/dead-letters").await;
    let shown = shown.data(200)["dead_letters"].as_array().unwrap().len();
    assert_eq!(shown, 1);
    let redrive = "/v1/dead-letters/redrive";
    let moved = world.send_text(&operator, "POST", redrive, "").await;
    let job = ended(&world, &moved).await;
    assert_eq!(job["result"], json!({"messages": 1, "skipped": 0}));
}

/// The job that a call has begun, once it has ended.
async fn ended(world: &World, begun: &Answered) -> Value {
    let id = begun.data(202)["job"]["id"].as_str().unwrap();
    world.run_for(15_000).await;
    let job = world.get(&As::operator(), &format!("/v1/jobs/{id}")).await;
    let job = job.data(200)["job"].clone();
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_the_operators_alone() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world
        .get(&tenant, "/v1/dead-letters")
        .await
        .assert_error(403, "forbidden");
    let redrive = "/v1/dead-letters/redrive";
    world
        .send_text(&tenant, "POST", redrive, "")
        .await
        .assert_error(403, "forbidden");
    let operator = As::operator();
    for (query, field) in [
        ("limit=0", "limit"),
        ("queue=main", "queue"),
        ("queue=retry,main", "queue"),
        ("order=up", "order"),
        ("cursor=x", "cursor"),
    ] {
        let refused = world
            .get(&operator, &format!("/v1/dead-letters?{query}"))
            .await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), [field], "{query}");
    }
    let refused = world
        .send(&operator, "POST", redrive, json!({"queues": "retry"}))
        .await;
    refused.assert_error(422, "unknown_field");
    assert_eq!(refused.fields(), ["queues"]);
}

/// While a deployment is under way, newer functions write what older ones cannot read.
#[tokio::test(start_paused = true)]
async fn a_message_of_an_unknown_form_comes_again_for_an_hour_before_it_is_buried() {
    const MINUTE_MS: u64 = 60_000;
    let world = World::new().await;
    for body in [r#"{"t":"acme","form":"of a later version"}"#, "no message"] {
        bury(&world, "deliver", body).await;
    }
    for (minutes, buried) in [(1, 1), (40, 1), (40, 2)] {
        world.pass(minutes * MINUTE_MS).await;
        let found = world.get(&As::operator(), "/v1/dead-letters").await;
        assert_eq!(found.data(200)["counts"]["deliver"], buried);
    }
}

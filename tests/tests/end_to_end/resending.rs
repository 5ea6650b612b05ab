//! Deliveries in their tenant's hands: sent again, cancelled, looked up in the log.

use rung_tests::{Answer, Receiver, Tenant, eventually};
use serde_json::json;

use crate::rung;

/// A retry by hand has the same ids and bytes, is one attempt, and starts no ladder.
#[tokio::test]
async fn a_finished_delivery_is_retried_by_hand() {
    let rung = rung(&["--time-scale", "6000"]).await;
    let receiver = Receiver::always(500).await;
    let reward = Tenant::create(&rung, "t", "reward").await;
    let webhook = reward.webhook(&receiver.url("/"), &["*"]).await;
    let event = reward
        .publish("trigger_event.created", json!({"value": 2.99}))
        .await;
    let attempts = webhook.until_attempts(&event.id, 6).await;
    reward.until(&event.id, &webhook, "failed").await;

    webhook.retry(&attempts[5]).await.data(202);
    let attempts = webhook.until_attempts(&event.id, 7).await;
    let manual = &attempts[6];
    assert_eq!(
        (&manual["trigger"], &manual["attempt"]),
        (&json!("manual"), &json!(7))
    );
    assert!(manual["next_attempt_at"].is_null(), "no ladder: {manual}");
    assert_eq!(manual["delivery_id"], attempts[0]["delivery_id"]);
    reward.until(&event.id, &webhook, "failed").await;
    receiver.stays_at(7).await;

    receiver.answer(|_| Answer::status(200));
    webhook.retry(&attempts[0]).await.data(202);
    reward.until(&event.id, &webhook, "succeeded").await;
    let arrived = receiver.wait_for(8).await;
    assert!(
        arrived
            .iter()
            .all(|request| request.body == arrived[0].body && request.event_id() == event.id)
    );
    assert_eq!(
        webhook.until_attempts(&event.id, 8).await[7]["status"],
        "succeeded"
    );
}

/// On a waiting delivery it takes the place of the wait: the ladder goes on from there, with no second chain beside it.
#[tokio::test]
async fn a_retry_takes_the_place_of_a_wait() {
    let rung = rung(&[]).await;
    let receiver = Receiver::in_turn(&[500, 200]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    let event = odin.publish("user.lesson.completed", json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    let delivery_id = log["delivery_id"].as_str().unwrap();
    webhook.until_pending(delivery_id).await;

    webhook.retry(&log).await.data(202);
    odin.until(&event.id, &webhook, "succeeded").await;
    let attempts = webhook.until_attempts(&event.id, 2).await;
    assert_eq!(attempts[1]["trigger"], "manual");
    let pending = odin
        .api
        .get(&webhook.path("/deliveries?status=pending"))
        .await;
    pending.data(200);
    assert!(!pending.text.contains(delivery_id), "{}", pending.text);
    receiver.stays_at(2).await;
}

#[tokio::test]
async fn a_waiting_delivery_is_cancelled() {
    // The wait takes 3 s: long enough to cancel within it.
    let rung = rung(&["--time-scale", "20"]).await;
    let receiver = Receiver::always(500).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin
        .webhook(&receiver.url("/"), &["user.lesson.completed"])
        .await;
    let event = odin.publish("user.lesson.completed", json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    let delivery_id = log["delivery_id"].as_str().unwrap();
    webhook.until_pending(delivery_id).await;
    odin.api
        .post(
            &webhook.path(&format!("/deliveries/{delivery_id}/cancel")),
            &json!({}),
        )
        .await
        .data(200);
    odin.until(&event.id, &webhook, "cancelled").await;
    // Another failing event, published later, passes the time at which the first would have been sent again.
    let later = odin.publish("user.lesson.completed", json!({})).await;
    webhook.until_attempts(&later.id, 2).await;
    assert_eq!(webhook.attempts(&event.id).await.len(), 1);
}

/// The log's filters, and its pages.
#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let rung = rung(&[]).await;
    let receiver = Receiver::start(|request| {
        Answer::status(if request.text().contains("milestone") {
            500
        } else {
            200
        })
    })
    .await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["user"]).await;
    for n in 0..7 {
        odin.publish_as(&format!("ok{n}"), "user.lesson.completed", json!({}))
            .await;
    }
    for n in 0..3 {
        odin.publish_as(&format!("bad{n}"), "user.progress.milestone", json!({}))
            .await;
    }
    eventually("10 log entries", async || {
        (webhook.logs().await.len() == 10).then_some(())
    })
    .await;
    for (query, n) in [
        ("status=failed", 3),
        ("status=succeeded", 7),
        ("event_type=user.progress.milestone", 3),
        ("event_id=ok3", 1),
        ("event_id=none", 0),
        ("since=2001-01-01T00:00:00Z", 10),
        ("until=2001-01-01T00:00:00Z", 0),
        ("since=2100-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(webhook.logs_where(query).await.len(), n, "{query}");
    }
    let one = &webhook.logs_where("event_id=ok3").await[0];
    let by_delivery = webhook
        .logs_where(&format!(
            "delivery_id={}",
            one["delivery_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        by_delivery.iter().map(|log| &log["id"]).collect::<Vec<_>>(),
        [&one["id"]]
    );

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = odin
            .api
            .get(&webhook.path(&format!("/logs?limit=4{cursor}")))
            .await;
        let data = reply.data(200);
        let page = data["logs"].as_array().unwrap();
        assert!(page.len() <= 4);
        paged.extend(page.iter().map(|log| log["id"].clone()));
        match data["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole: Vec<_> = webhook
        .logs()
        .await
        .iter()
        .map(|log| log["id"].clone())
        .collect();
    assert_eq!(paged, whole);
}

//! Messages that a queue has lost: purged, expired, or of a table that was restored. Whoever finds what is overdue sends it on.

use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{As, World};

const START: &str = "2025-10-09T08:53:20Z";
const MINUTE: u64 = 60_000;
/// As long as nobody takes a message for lost.
const PATIENCE: u64 = 10 * MINUTE;

impl World {
    /// Takes all messages that may be received now out of the queues, without handling them.
    pub(crate) async fn lose_messages(&self) {
        for queue in ["deliver", "retry"] {
            let url = queue_url(queue);
            loop {
                let receive = self.sqs.receive_message().queue_url(&url);
                let received = receive.max_number_of_messages(10).send().await.unwrap();
                let Some(messages) = received.messages.filter(|all| !all.is_empty()) else {
                    break;
                };
                for message in messages {
                    let delete = self.sqs.delete_message().queue_url(&url);
                    let delete = delete.receipt_handle(message.receipt_handle.unwrap());
                    delete.send().await.unwrap();
                }
            }
        }
    }
}

/// A webhook whose receiver fails: the world, whose triggers stand still, the tenant, the webhook's path.
async fn failing() -> (World, As, String) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    world.answer(500);
    (world, tenant, path)
}

async fn publish(world: &World, tenant: &As, id: &str) {
    let event = json!({"id": id, "type": "content.saga.added", "data": {}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

async fn delivery(world: &World, tenant: &As, event: &str) -> Value {
    let event = world.get(tenant, &format!("/v1/events/{event}")).await;
    event.data(200)["deliveries"][0].clone()
}

/// A delivery that waits for its second attempt, whose message is gone: the world, the tenant, the webhook's path. It is as long overdue as
/// may be without anybody taking it for lost.
async fn stuck() -> (World, As, String) {
    let (world, tenant, path) = failing().await;
    publish(&world, &tenant, "e").await;
    world.run_for(1_000).await;
    assert_eq!(world.posts(), 1);
    world.answer(200);
    let waits = delivery(&world, &tenant, "e").await;
    assert_eq!(waits["status"], "pending");
    world.pass(MINUTE).await;
    world.lose_messages().await;
    world.pass(PATIENCE - 3_000).await;
    (world, tenant, path)
}

/// The second attempt came through, as the ladder's own.
async fn assert_sent_on(world: &World, tenant: &As, path: &str) {
    assert_eq!(world.posts(), 2);
    assert_eq!(delivery(world, tenant, "e").await["status"], "succeeded");
    let logs = world.get(tenant, &format!("{path}/logs")).await;
    let last = &logs.data(200)["logs"][0];
    assert_eq!(
        (&last["trigger"], &last["attempt"]),
        (&json!("retry"), &json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_by_hand_sends_a_lost_message_again() {
    for of_the_log in [true, false] {
        let (world, tenant, path) = stuck().await;
        let retry = if of_the_log {
            let logs = world.get(&tenant, &format!("{path}/logs")).await;
            let id = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
            format!("{path}/logs/{id}/retry")
        } else {
            let id = delivery(&world, &tenant, "e").await["id"].clone();
            format!("{path}/deliveries/{}/retry", id.as_str().unwrap())
        };
        let again = || world.send_text(&tenant, "POST", &retry, "");
        again().await.data(202);
        world.run_for(1_000).await;
        assert_eq!(world.posts(), 1, "it may be on its way");
        world.pass(3_000).await;
        again().await.data(202);
        world.run_for(1_000).await;
        assert_sent_on(&world, &tenant, &path).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_sends_a_lost_message_again() {
    for status in [json!(["failed", "held", "missed"]), json!(["any"])] {
        let (world, tenant, path) = stuck().await;
        world.pass(3_000).await;
        let recover = format!("{path}/recover");
        let request = json!({"since": START, "statuses": status, "dry_run": true});
        let counted = world.send(&tenant, "POST", &recover, request).await;
        assert_eq!(counted.data(200)["count"], 1, "{status}");
        let request = json!({"since": START, "statuses": status});
        let begun = world.send(&tenant, "POST", &recover, request).await;
        let id = begun.data(202)["job"]["id"].as_str().unwrap();
        world.run_for(1_000).await;
        assert_sent_on(&world, &tenant, &path).await;
        let ended = world.get(&tenant, &format!("/v1/jobs/{id}")).await;
        let ended = &ended.data(200)["job"];
        assert_eq!(
            (&ended["status"], &ended["progress"]["done"]),
            (&json!("succeeded"), &json!(1))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn publishing_again_sends_a_lost_message_again() {
    let (world, tenant, path) = stuck().await;
    world.pass(3_000).await;
    publish(&world, &tenant, "e").await;
    world.run_for(2 * MINUTE).await;
    assert_sent_on(&world, &tenant, &path).await;
}

#[tokio::test(start_paused = true)]
async fn a_recovery_whose_page_is_lost_goes_on_when_it_is_asked_for_again() {
    let (world, tenant, path) = failing().await;
    world.answer(200);
    publish(&world, &tenant, "e").await;
    world.run_for(1_000).await;
    let recover = format!("{path}/recover");
    let request = json!({"since": START, "statuses": ["any"]});
    let ask = || world.send(&tenant, "POST", &recover, request.clone());
    let begun = ask().await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    world.lose_messages().await;
    let status = async || {
        world.run_for(1_000).await;
        let found = world.get(&tenant, &format!("/v1/jobs/{id}")).await;
        found.data(200)["job"]["status"].clone()
    };
    world.pass(PATIENCE - 5_000).await;
    assert_eq!(ask().await.data(202)["job"]["id"], id.as_str());
    assert_eq!(status().await, "queued", "its page may be on its way");
    world.pass(5_000).await;
    assert_eq!(ask().await.data(202)["job"]["id"], id.as_str());
    assert_eq!(status().await, "succeeded");
    assert_eq!(world.posts(), 2);
}

/// A page is lost of a recovery by status, of one of all webhooks, and of a cancellation.
#[tokio::test(start_paused = true)]
async fn a_job_whose_page_is_lost_goes_on_when_another_is_begun() {
    let (world, tenant, path) = failing().await;
    publish(&world, &tenant, "e").await;
    world.run_for(12 * 60 * MINUTE).await;
    assert_eq!(delivery(&world, &tenant, "e").await["status"], "failed");
    // Its rule has disabled it.
    let activate = json!({"status": "active"});
    world
        .send(&tenant, "PATCH", &path, activate)
        .await
        .data(200);
    world.answer(200);
    let posts = world.posts();
    let recover = format!("{path}/recover");
    let cancel = format!("{path}/deliveries/cancel");
    let missed = json!({"statuses": ["missed"]});
    let held = json!({"statuses": ["held"]});
    let failed = json!({"statuses": ["failed"]});
    let mut stopped = Vec::new();
    for (call, request) in [
        (recover.as_str(), failed.clone()),
        ("/v1/recover", missed.clone()),
        (&*cancel, held.clone()),
    ] {
        let begun = world.send(&tenant, "POST", call, request).await;
        let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
        stopped.push(format!("/v1/jobs/{id}"));
    }
    world.lose_messages().await;
    let statuses = async || {
        world.run_for(5_000).await;
        let mut statuses = Vec::new();
        for job in &stopped {
            let found = world.get(&tenant, job).await;
            statuses.push(found.data(200)["job"]["status"].clone());
        }
        statuses
    };
    world.pass(PATIENCE - 10_000).await;
    let again = || world.send(&tenant, "POST", &recover, missed.clone());
    again().await.data(202);
    assert_eq!(statuses().await, ["queued"; 3], "it may be on its way");
    world.pass(10_000).await;
    again().await.data(202);
    assert_eq!(statuses().await, ["succeeded"; 3]);
    assert_eq!(world.posts(), posts + 1);
    assert_eq!(delivery(&world, &tenant, "e").await["status"], "succeeded");
}

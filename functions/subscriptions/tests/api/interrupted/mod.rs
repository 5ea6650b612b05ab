//! Recovering when functions die between any two calls, messages come twice, and webhooks change in the middle.

mod erasures;
mod repeats;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use rung_core::{
    domain::{
        id::{TenantId, WebhookId},
        outage::Outage,
    },
    flow::deliver::Record,
    store::webhook_states::StateWritten,
};
use rung_local_aws::sqs::queue_url;
use serde_json::{Value, json};

use crate::world::{As, World};

const LIMIT: Duration = Duration::from_secs(27);
const EVENTS: usize = 5;
const MINUTE: u64 = 60_000;

/// A message with what is needed to delete it.
struct Handed {
    queue: &'static str,
    record: Record,
    receipt: String,
}

impl Handed {
    /// Whether it is a page of a job.
    fn is_page(&self) -> bool {
        self.record.body.starts_with("{\"z\":")
    }
}

impl World {
    /// What the queues hand out now.
    async fn handed(&self) -> Vec<Handed> {
        let mut handed = Vec::new();
        for queue in ["deliver", "retry"] {
            let received = self.sqs.receive_message().queue_url(queue_url(queue));
            let received = received.max_number_of_messages(10).send().await.unwrap();
            for message in received.messages.unwrap_or_default() {
                handed.push(Handed {
                    queue,
                    record: Record {
                        message_id: message.message_id.unwrap(),
                        body: message.body.unwrap(),
                        receives: 2,
                    },
                    receipt: message.receipt_handle.unwrap(),
                });
            }
        }
        handed
    }

    /// Handles a message to its end and deletes it.
    async fn handle(&self, message: &Handed) {
        let record = message.record.clone();
        let failed = self.app.deliverer.deliver(vec![record], LIMIT).await;
        assert!(failed.is_empty());
        self.delete(message).await;
    }

    /// Deletes a message.
    async fn delete(&self, message: &Handed) {
        let delete = self
            .sqs
            .delete_message()
            .queue_url(queue_url(message.queue));
        let delete = delete.receipt_handle(&message.receipt);
        delete.send().await.unwrap();
    }

    /// Handles whatever comes until nothing comes for a while.
    pub(crate) async fn settle(&self) {
        let mut idle = 0;
        while idle < 5 {
            let handed = self.handed().await;
            for message in &handed {
                self.handle(message).await;
            }
            idle = if handed.is_empty() { idle + 1 } else { 0 };
            self.pass(1_000).await;
        }
    }
}

/// A webhook that missed some events and is active again: the world, the tenant, the webhook's path.
async fn missed() -> (World, As, String) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let status = |status: &str| json!({ "status": status });
    let change = world.send(&tenant, "PATCH", &path, status("disabled"));
    change.await.data(200);
    for number in 0..EVENTS {
        let event = json!({"id": format!("e{number}"), "type": "content.saga.added", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
    }
    let change = world.send(&tenant, "PATCH", &path, status("active"));
    change.await.data(200);
    (world, tenant, path)
}

async fn begin(world: &World, tenant: &As, path: &str) -> String {
    let request = json!({"since": "2025-10-09T08:00:00Z"});
    let recover = format!("{path}/recover");
    let begun = world.send(tenant, "POST", &recover, request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap();
    format!("/v1/jobs/{id}")
}

async fn progress(world: &World, tenant: &As, job: &str) -> Value {
    world.get(tenant, job).await.data(200)["job"].clone()
}

/// Each event was sent once, and is through.
async fn assert_all_sent_once(world: &World, tenant: &As, path: &str, job: &str) {
    let ended = progress(world, tenant, job).await;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["progress"]["done"], EVENTS, "{ended}");
    let logs = world.get(tenant, &format!("{path}/logs")).await;
    let logs = logs.data(200)["logs"].as_array().unwrap();
    let mut events: Vec<_> = logs
        .iter()
        .map(|log| log["event_id"].as_str().unwrap())
        .collect();
    events.sort_unstable();
    assert_eq!(events, ["e0", "e1", "e2", "e3", "e4"]);
    assert_eq!(world.posts(), EVENTS);
    for event in events {
        let event = world.get(tenant, &format!("/v1/events/{event}")).await;
        assert_eq!(event.data(200)["deliveries"][0]["status"], "succeeded");
    }
}

/// Lets a future come so far; whether it came to its end.
async fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        let mut context = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// A page's handler dies after any number of its steps; its message is handed out again.
#[tokio::test(start_paused = true)]
async fn a_page_whose_handler_dies_is_taken_up_again_and_sends_nothing_twice() {
    let mut deaths = 0;
    for steps in 0.. {
        let (world, tenant, path) = missed().await;
        let job = begin(&world, &tenant, &path).await;
        let page = world.handed().await.remove(0);
        assert!(page.is_page());
        let handling = world.app.deliverer.deliver(vec![page.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        // Other functions go on with what is in the queue already, before the page comes again or after.
        if steps % 2 == 0 {
            world.settle().await;
        }
        world.pass(181_000).await;
        world.settle().await;
        assert_all_sent_once(&world, &tenant, &path, &job).await;
        if ended {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths}: it has more steps than that");
}

/// The same where there is more than one page: what a repeated page no longer holds, it does not take from the next one.
#[tokio::test(start_paused = true)]
async fn what_a_recovery_has_sent_is_counted_once_wherever_a_page_died() {
    const MANY: usize = 130;
    for steps in (0..).step_by(2) {
        let world = World::still().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        let change = |status: &str| world.send(&tenant, "PATCH", &path, json!({"status": status}));
        change("disabled").await.data(200);
        for half in [0..MANY / 2, MANY / 2..MANY] {
            let events = half.map(
                |number| json!({"id": format!("e{number}"), "type": "content.saga.added", "data": {}}),
            );
            let batch = json!({"events": events.collect::<Vec<_>>()});
            let published = world.send(&tenant, "POST", "/v1/events/batch", batch);
            published.await.data(202);
        }
        change("active").await.data(200);
        let job = begin(&world, &tenant, &path).await;
        let page = world.handed().await.remove(0);
        let handling = world.app.deliverer.deliver(vec![page.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        world.pass(181_000).await;
        world.settle().await;
        let through = progress(&world, &tenant, &job).await;
        assert_eq!(through["status"], "succeeded", "{steps}: {through}");
        assert_eq!(through["progress"]["done"], MANY, "{steps}");
        assert_eq!(world.posts(), MANY, "{steps}");
        if ended {
            break;
        }
    }
}

/// A page that gives a new webhook old events dies after any number of its steps: an event shows the delivery if it was sent,
/// and none that was not.
#[tokio::test(start_paused = true)]
async fn an_event_shows_what_was_backfilled_wherever_the_page_died() {
    let (mut deaths, mut cut_short) = (0, 0);
    for steps in 0.. {
        let world = World::still().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        for number in 0..EVENTS {
            let event =
                json!({"id": format!("e{number}"), "type": "content.saga.added", "data": {}});
            let published = world.send(&tenant, "POST", "/v1/events", event).await;
            published.data(202);
        }
        let webhook = world.webhook(&tenant).await;
        let path = format!("/v1/webhooks/{webhook}");
        let request = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
        let recover = format!("{path}/recover");
        let begun = world.send(&tenant, "POST", &recover, request).await;
        let job = begun.data(202)["job"]["id"].as_str().unwrap();
        let job = format!("/v1/jobs/{job}");
        let page = world.handed().await.remove(0);
        let handling = world.app.deliverer.deliver(vec![page.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        // Attempts are due a millisecond apart.
        world.pass(2_000).await;
        let mut sent = 0;
        for message in world.handed().await {
            world.handle(&message).await;
            sent += usize::from(!message.is_page());
        }
        let mut shown = 0;
        for number in 0..EVENTS {
            let event = world.get(&tenant, &format!("/v1/events/e{number}")).await;
            let deliveries = event.data(200)["deliveries"].as_array().unwrap().clone();
            let logs = format!("{path}/logs?event_id=e{number}");
            let logs = world.get(&tenant, &logs).await;
            let logs = logs.data(200)["logs"].as_array().unwrap();
            if logs.is_empty() {
                assert!(deliveries.is_empty(), "{steps}: nothing was sent");
            } else {
                assert_eq!(deliveries.len(), 1, "{steps}");
                assert_eq!(deliveries[0]["webhook_id"], webhook);
                assert_eq!(deliveries[0]["status"], "succeeded");
                assert_eq!(deliveries[0]["id"], logs[0]["delivery_id"]);
            }
            shown += deliveries.len();
        }
        assert!(
            sent <= shown,
            "{steps}: {sent} were sent, {shown} are shown"
        );
        cut_short += usize::from(sent < EVENTS);
        world.pass(181_000).await;
        world.settle().await;
        assert_all_sent_once(&world, &tenant, &path, &job).await;
        if ended {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths}: it has more steps than that");
    assert!(cut_short > 2, "{cut_short}: it sends at its end");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_again_when_all_is_done_changes_nothing() {
    let (world, tenant, path) = missed().await;
    let job = begin(&world, &tenant, &path).await;
    let page = world.handed().await.remove(0);
    world.handle(&page).await;
    world.settle().await;
    let ended = progress(&world, &tenant, &job).await;
    let again = vec![page.record.clone(), page.record];
    let failed = world.app.deliverer.deliver(again, LIMIT).await;
    assert!(failed.is_empty());
    world.settle().await;
    assert_eq!(progress(&world, &tenant, &job).await, ended);
    assert_all_sent_once(&world, &tenant, &path, &job).await;
}

#[tokio::test(start_paused = true)]
async fn disabling_stops_a_recovery_and_another_goes_on() {
    let (world, tenant, path) = missed().await;
    let job = begin(&world, &tenant, &path).await;
    let change = |status: &str| world.send(&tenant, "PATCH", &path, json!({ "status": status }));
    // The page is through, the attempts are not.
    let page = world.handed().await.remove(0);
    world.handle(&page).await;
    change("disabled").await.data(200);
    change("active").await.data(200);
    world.settle().await;
    assert_eq!(world.posts(), 0, "what was put on its way before is held");
    assert_eq!(
        progress(&world, &tenant, &job).await["progress"]["done"],
        EVENTS
    );

    let stopped = begin(&world, &tenant, &path).await;
    change("disabled").await.data(200);
    world.settle().await;
    let stopped = progress(&world, &tenant, &stopped).await;
    assert_eq!(
        (&stopped["status"], &stopped["progress"]["done"]),
        (&json!("failed"), &json!(0))
    );
    assert_eq!(stopped["error"]["code"], "webhook_disabled");
    assert!(stopped["ended_at"].is_string());

    change("active").await.data(200);
    let job = begin(&world, &tenant, &path).await;
    world.settle().await;
    assert_all_sent_once(&world, &tenant, &path, &job).await;
}

/// An attempt is under way when its webhook is disabled and set active again, and fails while a page is at work.
#[tokio::test(start_paused = true)]
async fn what_fails_under_a_recovery_is_sent_by_it() {
    let mut failed_under_it = 0;
    for attempt_steps in 0.. {
        let mut over = false;
        for page_steps in 0.. {
            let world = World::still().await;
            let tenant = world.tenant("acme", "odin", "pro").await;
            let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
            world.answer(500);
            let event = json!({"id": "e", "type": "content.saga.added", "data": {}});
            let published = world.send(&tenant, "POST", "/v1/events", event).await;
            published.data(202);
            world.settle().await;
            world.pass(60_000).await;
            let second = world.handed().await.remove(0);
            let deliverer = &world.app.deliverer;
            let mut attempt = pin!(deliverer.deliver(vec![second.record], LIMIT));
            over = poll_times(attempt.as_mut(), attempt_steps).await;
            if over || world.posts() < 2 {
                break;
            }
            for status in ["disabled", "active"] {
                let change = json!({ "status": status });
                let changed = world.send(&tenant, "PATCH", &path, change).await;
                changed.data(200);
            }
            let job = begin(&world, &tenant, &path).await;
            let page = world.handed().await.remove(0);
            let mut page = pin!(deliverer.deliver(vec![page.record], LIMIT));
            let through = poll_times(page.as_mut(), page_steps).await;
            attempt.await;
            if !through {
                failed_under_it += 1;
                page.await;
            }
            world.answer(200);
            world.settle().await;
            world.pass(400_000).await;
            world.settle().await;
            let at = format!("{attempt_steps} {page_steps}");
            let ended = progress(&world, &tenant, &job).await;
            assert_eq!(ended["status"], "succeeded", "{at}");
            let event = world.get(&tenant, "/v1/events/e").await;
            let delivery = &event.data(200)["deliveries"][0];
            assert_eq!(delivery["status"], "succeeded", "{at}");
            if through {
                break;
            }
        }
        if over {
            break;
        }
    }
    assert!(
        failed_under_it > 5,
        "{failed_under_it}: they overlap more often"
    );
}

/// Whether its message is on its way or lost, an event that was just accepted comes once.
#[tokio::test(start_paused = true)]
async fn a_recovery_leaves_first_attempts_that_are_on_their_way() {
    for is_lost in [false, true] {
        let world = World::still().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        let event = json!({"id": "e", "type": "content.saga.added", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        let first = world.sqs.receive_message().queue_url(queue_url("deliver"));
        let first = first.send().await.unwrap().messages.unwrap().remove(0);
        let asked = json!({"statuses": ["any"], "since": "2025-10-09T08:00:00Z"});
        let asked = world
            .send(&tenant, "POST", &format!("{path}/recover"), asked)
            .await;
        let job = asked.data(202)["job"]["id"].as_str().unwrap().to_owned();
        world.settle().await;
        assert_eq!(world.posts(), 0, "{is_lost}");
        let job = progress(&world, &tenant, &format!("/v1/jobs/{job}")).await;
        assert_eq!(
            (&job["status"], &job["progress"]["done"]),
            (&json!("succeeded"), &json!(1))
        );
        let first = Handed {
            queue: "deliver",
            record: Record {
                message_id: first.message_id.unwrap(),
                body: first.body.unwrap(),
                receives: 1,
            },
            receipt: first.receipt_handle.unwrap(),
        };
        if is_lost {
            world.delete(&first).await;
        } else {
            world.handle(&first).await;
            assert_eq!(world.posts(), 1);
        }
        world.pass(MINUTE).await;
        world.settle().await;
        assert_eq!(world.posts(), 1, "{is_lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_drops_a_recovery() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let operator = As::operator_for("acme");
    let import = async || {
        let webhook = json!({"id": "w", "url": "https://example.com/hook", "events": ["*"]});
        let made = world.send(&operator, "POST", "/v1/webhooks", webhook).await;
        made.data(201);
    };
    import().await;
    let job = begin(&world, &tenant, "/v1/webhooks/w").await;
    let deleted = world.send_text(&tenant, "DELETE", "/v1/webhooks/w", "");
    deleted.await.data(200);
    world.settle().await;
    assert_eq!(world.posts(), 0);
    // Made anew under its id, it tells that nobody works on that any more.
    import().await;
    let ended = progress(&world, &tenant, &job).await;
    assert_eq!(ended["status"], "failed");
    assert_eq!(ended["error"]["code"], "webhook_deleted");
}

#[tokio::test(start_paused = true)]
async fn many_pages_are_gone_through_in_order() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let mut events = Vec::new();
    for number in 0..250 {
        events.push(json!({"id": format!("e{number:03}"), "type": "a.b", "data": {}}));
        if events.len() == 50 {
            let batch = json!({"events": std::mem::take(&mut events)});
            let published = world.send(&tenant, "POST", "/v1/events/batch", batch);
            published.await.data(202);
            world.pass(10).await;
        }
    }
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let request = json!({"since": "2025-10-09T08:00:00Z", "statuses": ["any"]});
    let recover = format!("{path}/recover");
    let begun = world.send(&tenant, "POST", &recover, request).await;
    let job = begun.data(202)["job"]["id"].as_str().unwrap();
    let job = format!("/v1/jobs/{job}");
    world.settle().await;
    let ended = progress(&world, &tenant, &job).await;
    assert_eq!(
        (&ended["status"], &ended["progress"]["done"]),
        (&json!("succeeded"), &json!(250))
    );
    assert_eq!(world.posts(), 250);
}

/// A first attempt has failed and is in the log, and whatever the function still writes: it can be cancelled.
#[tokio::test(start_paused = true)]
async fn what_has_just_failed_can_be_cancelled_at_once() {
    let mut logged = 0;
    for steps in 0.. {
        let world = World::still().await;
        let tenant = world.tenant("acme", "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        world.answer(500);
        let event = json!({"id": "e", "type": "content.saga.added", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        let message = world.handed().await.remove(0);
        let handling = world.app.deliverer.deliver(vec![message.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        let logs = world.get(&tenant, &format!("{path}/logs")).await;
        if let Some(log) = logs.data(200)["logs"].get(0) {
            logged += 1;
            let delivery = log["delivery_id"].as_str().unwrap();
            let one = format!("{path}/deliveries/{delivery}/cancel");
            let cancelled = world.send_text(&tenant, "POST", &one, "").await;
            assert_eq!(
                cancelled.data(200)["delivery"]["status"],
                "cancelled",
                "{steps}"
            );
            world.pass(181_000).await;
            world.settle().await;
            assert_eq!(world.posts(), 1, "{steps}");
            let event = world.get(&tenant, "/v1/events/e").await;
            assert_eq!(event.data(200)["deliveries"][0]["status"], "cancelled");
        }
        if ended {
            break;
        }
    }
    assert!(
        logged > 2,
        "{logged}: there are more steps after the log than that"
    );
}

/// A webhook is made or activated while the tenant's plan is changed to one without webhooks, anywhere in between.
#[tokio::test(start_paused = true)]
async fn no_webhook_is_active_under_a_plan_that_has_none() {
    for (method, is_new) in [("POST", true), ("PATCH", false)] {
        let mut between = 0;
        for steps in 0.. {
            let world = World::still().await;
            let tenant = world.tenant("acme", "odin", "pro").await;
            let mut path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
            let mut body = json!({"status": "disabled"});
            world.send(&tenant, "PATCH", &path, body).await.data(200);
            body = json!({"status": "active"});
            if is_new {
                path = "/v1/webhooks".to_owned();
                body = json!({"url": "https://example.com/hook", "events": ["*"]});
            }
            let mut activating = pin!(world.send(&tenant, method, &path, body));
            if poll_times(activating.as_mut(), steps).await {
                break;
            }
            between += 1;
            let plan = json!({"plan": "free"});
            let operator = As::operator();
            let changed = world
                .send(&operator, "PATCH", "/v1/tenants/acme", plan)
                .await;
            changed.data(200);
            activating.await;
            let webhooks = world.get(&tenant, "/v1/webhooks?status=active").await;
            assert_eq!(
                webhooks.data(200)["webhooks"],
                json!([]),
                "{method} {steps}"
            );
        }
        assert!(between > 3, "{between}: it has more steps than that");
    }
}

/// The last attempt of a ladder is in the log, and whatever the function still writes: the delivery has failed, and nothing follows.
#[tokio::test(start_paused = true)]
async fn what_no_attempt_follows_has_failed_at_once() {
    let mut logged = 0;
    for steps in 0.. {
        let world = World::still().await;
        let tenant = world.tenant("acme", "standard", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        world.answer(500);
        let event = json!({"id": "e", "type": "order.created", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        let first = world.handed().await.remove(0);
        world.handle(&first).await;
        world.answer(410);
        world.pass(10_000).await;
        let second = world.handed().await.remove(0);
        let handling = world.app.deliverer.deliver(vec![second.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        let logs = world.get(&tenant, &format!("{path}/logs")).await;
        let log = &logs.data(200)["logs"][0];
        if log["attempt"] == 2 {
            logged += 1;
            assert_eq!(log["next_attempt_at"], Value::Null, "{steps}");
            let event = world.get(&tenant, "/v1/events/e").await;
            let delivery = &event.data(200)["deliveries"][0];
            assert_eq!(
                (&delivery["status"], &delivery["next_attempt_at"]),
                (&json!("failed"), &Value::Null),
                "{steps}"
            );
        }
        if ended {
            break;
        }
    }
    assert!(
        logged > 2,
        "{logged}: there are more steps after the log than that"
    );
}

/// The attempt that disables a webhook dies after any number of its steps; its message is handed out again.
#[tokio::test(start_paused = true)]
async fn the_operator_is_told_of_a_disabling_wherever_its_function_died() {
    a_disabling_whose_function_dies(false).await;
}

/// The same, where the delivery's next message comes before the one that is handed out again: it finds the webhook disabled, and ends
/// the delivery as `held`.
#[tokio::test(start_paused = true)]
async fn the_operator_is_told_of_a_disabling_whose_delivery_has_gone_on() {
    a_disabling_whose_function_dies(true).await;
}

async fn a_disabling_whose_function_dies(successor_comes_first: bool) {
    const DAY_MS: u64 = 86_400_000;
    let mut deaths = 0;
    for steps in 0.. {
        let world = World::still().await;
        let operator = As::operator_for("_operator");
        world.webhook(&operator).await;
        let tenant = world.tenant("acme", "standard", "pro").await;
        let id = WebhookId::parse(&world.webhook(&tenant).await).unwrap();
        world.pass(6 * DAY_MS).await;
        let store = &world.app.api.store;
        let name = TenantId::parse("acme").unwrap();
        let webhook = store.webhook(&name, &id).await.unwrap().unwrap();
        let outage = json!({"s": webhook.enabled_ms, "l": world.now_ms()});
        let outage: Outage = serde_json::from_value(outage).unwrap();
        let written = store.write_state(&webhook, None, Some(&outage)).await;
        assert_eq!(written.unwrap(), StateWritten::Done);
        world.answer(500);
        let event = json!({"type": "order.created", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        let first = world.handed().await.remove(0);
        let handling = world.app.deliverer.deliver(vec![first.record], LIMIT);
        let ended = poll_times(handling, steps).await;
        if successor_comes_first {
            world.pass(10_000).await;
            world.settle().await;
        }
        world.pass(181_000).await;
        world.settle().await;
        let webhook = store.webhook(&name, &id).await.unwrap().unwrap();
        assert!(webhook.disabled.is_some(), "{steps}");
        let events = world.get(&operator, "/v1/events").await;
        let events = events.data(200)["events"].as_array().unwrap().clone();
        let told = events
            .iter()
            .filter(|event| event["type"] == "webhook.disabled");
        assert_eq!(told.count(), 1, "{steps}: {events:?}");
        if ended {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths}: it has more steps than that");
}

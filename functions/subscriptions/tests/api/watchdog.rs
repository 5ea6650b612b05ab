//! The watchdog: what a queue has lost is sent again by itself.

use rung_core::limits::{WATCH_BEHIND, WATCH_STEPS};
use serde_json::{Value, json};

use crate::world::{As, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

impl World {
    /// A sweep by the schedule; how many messages it has sent.
    async fn sweep(&self) -> usize {
        self.app.sweeper.sweep().await.unwrap()
    }

    /// Lets hours pass with a sweep in each, and what comes of them.
    pub(crate) async fn hours(&self, hours: u64) {
        for _ in 0..hours {
            self.pass(HOUR).await;
            self.sweep().await;
            self.run_for(MINUTE).await;
        }
    }
}

async fn publish(world: &World, tenant: &As, id: &str) {
    let event = json!({"id": id, "type": "content.saga.added", "data": {}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

async fn status(world: &World, tenant: &As, event: &str) -> Value {
    let event = world.get(tenant, &format!("/v1/events/{event}")).await;
    event.data(200)["deliveries"][0]["status"].clone()
}

/// Two tenants of one webhook each, since a lap goes over all of them.
async fn tenants() -> (World, Vec<(As, String)>) {
    let world = World::still().await;
    let mut tenants = Vec::new();
    for name in ["acme", "other"] {
        let tenant = world.tenant(name, "odin", "pro").await;
        let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
        tenants.push((tenant, path));
    }
    (world, tenants)
}

#[tokio::test(start_paused = true)]
async fn first_attempts_without_a_trace_are_sent_once() {
    let (world, tenants) = tenants().await;
    for (tenant, _) in &tenants {
        publish(&world, tenant, "lost").await;
    }
    world.lose_messages().await;
    for (tenant, _) in &tenants {
        publish(&world, tenant, "came").await;
    }
    world.run_for(MINUTE).await;
    assert_eq!(world.posts(), 2);
    world.pass(50 * MINUTE).await;
    world.sweep().await;
    world.run_for(MINUTE).await;
    assert_eq!(world.posts(), 2, "a queue may explain it");
    world.hours(3).await;
    assert_eq!(world.posts(), 4);
    for (tenant, path) in &tenants {
        assert_eq!(status(&world, tenant, "lost").await, "succeeded");
        let logs = world
            .get(tenant, &format!("{path}/logs?event_id=lost"))
            .await;
        assert_eq!(logs.data(200)["logs"][0]["trigger"], "event");
    }
    world.pass(2 * HOUR).await;
    assert_eq!(world.sweep().await, 0, "nothing is missing any more");
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_on_where_it_stood() {
    let (world, tenants) = tenants().await;
    world.answer(500);
    for (tenant, _) in &tenants {
        publish(&world, tenant, "e").await;
    }
    world.run_for(1_000).await;
    world.pass(MINUTE).await;
    world.lose_messages().await;
    world.answer(200);
    world.hours(3).await;
    assert_eq!(world.posts(), 4);
    for (tenant, path) in &tenants {
        assert_eq!(status(&world, tenant, "e").await, "succeeded");
        let logs = world.get(tenant, &format!("{path}/logs")).await;
        let last = &logs.data(200)["logs"][0];
        assert_eq!(
            (&last["trigger"], &last["attempt"]),
            (&json!("retry"), &json!(2))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn recoveries_and_erasures_go_on() {
    let (world, tenants) = tenants().await;
    let (tenant, path) = &tenants[0];
    publish(&world, tenant, "e").await;
    world.run_for(MINUTE).await;
    let request = json!({"since": "2025-10-09T08:53:20Z", "statuses": ["any"]});
    let recover = format!("{path}/recover");
    let begun = world.send(tenant, "POST", &recover, request).await;
    let id = begun.data(202)["job"]["id"].as_str().unwrap().to_owned();
    world.lose_messages().await;
    let (other, hook) = &tenants[1];
    let deleted = world.send_text(other, "DELETE", hook, "").await;
    let job = deleted.data(200)["job"]["id"].as_str().unwrap().to_owned();
    world.lose_messages().await;
    world.hours(3).await;
    let ended = world.get(tenant, &format!("/v1/jobs/{id}")).await;
    assert_eq!(ended.data(200)["job"]["status"], "succeeded");
    let job = world.get(other, &format!("/v1/jobs/{job}")).await;
    assert_eq!(job.data(200)["job"]["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_not_doubled() {
    let (world, tenants) = tenants().await;
    let (tenant, _) = &tenants[0];
    // More than are taken for what is just on its way.
    for batch in 0..11 {
        let events = (0..100).map(|number| {
            json!({"id": format!("e{batch}-{number}"), "type": "content.saga.added", "data": {}})
        });
        let batch = json!({"events": events.collect::<Vec<_>>()});
        let published = world.send(tenant, "POST", "/v1/events/batch", batch).await;
        published.data(202);
    }
    world.pass(2 * HOUR).await;
    assert_eq!(world.sweep().await, 0);
}

/// Hours with a sweep in each that cannot look at everything, and says so.
async fn hours_that_fail(world: &World, hours: u64) {
    for _ in 0..hours {
        world.pass(HOUR).await;
        world.app.sweeper.sweep().await.unwrap_err();
        world.run_for(MINUTE).await;
    }
}

/// What was not looked at is looked at later, from where the watchdog last looked: no span is passed over.
#[tokio::test(start_paused = true)]
async fn first_attempts_of_a_throttled_tenant_hold_up_nobodys_and_are_sent_later() {
    // Laps begin with the newest tenant: its row, its webhooks and its list of events.
    for partition in ["T#other", "W#other#", "E#other#"] {
        let (world, tenants) = tenants().await;
        let [(acme, _), (other, _)] = &tenants[..] else {
            panic!("two tenants");
        };
        publish(&world, acme, "lost").await;
        publish(&world, other, "lost").await;
        world.pass(HOUR).await;
        // Of the span of the second lap.
        publish(&world, other, "later").await;
        world.lose_messages().await;
        world.pass(MINUTE).await;
        world.throttled.set(&[partition]);
        hours_that_fail(&world, 3).await;
        assert_eq!(world.posts(), 1, "{partition}");
        world.throttled.set(&[]);
        assert_eq!(status(&world, acme, "lost").await, "succeeded");
        world.hours(1).await;
        for event in ["lost", "later"] {
            let status = status(&world, other, event).await;
            assert_eq!(status, "succeeded", "{partition} {event}");
        }
        assert_eq!(world.posts(), 3, "{partition}");
        world.pass(2 * HOUR).await;
        assert_eq!(world.sweep().await, 0, "nothing is missing any more");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_of_a_throttled_tenant_hold_up_nobodys_and_are_sent_later() {
    for partition in ["T#other", "D#other#"] {
        let (world, tenants) = tenants().await;
        world.answer(500);
        for (tenant, _) in &tenants {
            publish(&world, tenant, "e").await;
        }
        world.run_for(1_000).await;
        world.pass(MINUTE).await;
        world.lose_messages().await;
        world.answer(200);
        world.throttled.set(&[partition]);
        hours_that_fail(&world, 8).await;
        assert_eq!(world.posts(), 3, "{partition}");
        // Its waits are so old now that a lap looks at them every six hours only: what it missed it makes up for.
        world.throttled.set(&[]);
        world.hours(1).await;
        assert_eq!(world.posts(), 4, "{partition}");
        for (tenant, _) in &tenants {
            assert_eq!(status(&world, tenant, "e").await, "succeeded");
        }
    }
}

/// So many tenants that a piece cannot look at all of them.
#[tokio::test(start_paused = true)]
async fn the_next_piece_goes_on_where_a_piece_has_ended() {
    const LOST: usize = 36;
    let world = World::still().await;
    for number in 0..WATCH_STEPS + 4 {
        let tenant = world.tenant(&format!("t{number}"), "odin", "pro").await;
        if number % 14 == 0 {
            world.webhook(&tenant).await;
            publish(&world, &tenant, "lost").await;
        }
    }
    world.lose_messages().await;
    world.pass(2 * HOUR).await;
    let pieces = [world.sweep().await, world.sweep().await];
    assert!(pieces.iter().all(|&sent| sent > 0), "{pieces:?}");
    assert_eq!(pieces.iter().sum::<usize>(), LOST);
    world.run_for(MINUTE).await;
    assert_eq!(world.posts(), LOST);
}

/// Where the table itself cannot be read, a lap waits for it.
#[tokio::test(start_paused = true)]
async fn a_lap_that_cannot_read_too_many_tenants_begins_its_piece_again() {
    let world = World::still().await;
    let mut callers = Vec::new();
    for number in 0..=WATCH_BEHIND {
        let tenant = world.tenant(&format!("t{number}"), "odin", "pro").await;
        callers.push(tenant);
    }
    world.webhook(&callers[0]).await;
    publish(&world, &callers[0], "lost").await;
    world.lose_messages().await;
    world.pass(2 * HOUR).await;
    world.throttled.set(&["T#t"]);
    world.app.sweeper.sweep().await.unwrap_err();
    world.throttled.set(&[]);
    assert_eq!(world.sweep().await, 1, "no lap has passed it over");
}

/// The table is of an earlier time, the queues are of now.
#[tokio::test(start_paused = true)]
async fn a_restored_table_comes_to_its_end() {
    let (world, tenants) = tenants().await;
    let (tenant, _) = &tenants[0];
    world.answer(500);
    publish(&world, tenant, "waits").await;
    world.run_for(1_000).await;
    publish(&world, tenant, "accepted").await;
    let restored = world.items().await;
    world.answer(200);
    world.run_for(2 * MINUTE).await;
    assert_eq!(world.posts(), 3);
    for item in world.items().await {
        let delete = world.dynamodb.delete_item().table_name("rung");
        let delete = delete.key("pk", item["pk"].clone());
        delete.key("sk", item["sk"].clone()).send().await.unwrap();
    }
    for item in restored {
        let put = world.dynamodb.put_item().table_name("rung");
        put.set_item(Some(item)).send().await.unwrap();
    }
    assert_eq!(status(&world, tenant, "waits").await, "pending");
    world.hours(3).await;
    for event in ["waits", "accepted"] {
        assert_eq!(status(&world, tenant, event).await, "succeeded", "{event}");
    }
    assert_eq!(world.posts(), 5);
}

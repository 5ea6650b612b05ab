//! What this host could not send was no attempt, and is sent once it can.

use rung_core::egress::HostFault;

use crate::world::{Reply, World};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const EVENTS: usize = 12;

const ALL: [HostFault; 6] = [
    HostFault::Exhausted,
    HostFault::NoSlot,
    HostFault::NameServers,
    HostFault::NoRoute,
    HostFault::Firewall,
    HostFault::Proxy,
];

/// More events than `bharatcart` takes failures in a row, and an outage longer than any of its rungs.
#[tokio::test(start_paused = true)]
async fn an_outage_of_this_host_is_logged_by_nobody_and_disables_nothing() {
    for fault in ALL {
        let (world, id) = World::of("bharatcart").await;
        world.script(move |_, _| Reply::Host(fault));
        for _ in 0..EVENTS {
            world.publish("order.paid").await;
        }
        world.pass(HOUR).await;
        let log = world.get(&format!("/v1/webhooks/{id}/logs")).await;
        assert_eq!(log["logs"].as_array().unwrap().len(), 0, "{fault}");
        // Neither a message a second for each, nor so few that the end of the outage goes unnoticed for long.
        let tries = world.posts().len();
        assert!((20 * EVENTS..40 * EVENTS).contains(&tries), "{tries}");
        world.script(|_, _| Reply::Status(200));
        world.pass(6 * MINUTE).await;
        let webhook = world.get(&format!("/v1/webhooks/{id}")).await["webhook"].clone();
        assert_eq!(webhook["status"], "active", "{fault}");
        let log = world.get(&format!("/v1/webhooks/{id}/logs")).await;
        let log = log["logs"].as_array().unwrap();
        assert_eq!(log.len(), EVENTS);
        assert!(
            log.iter()
                .all(|entry| entry["attempt"] == 1 && entry["status"] == "succeeded"),
            "{log:?}"
        );
        assert_eq!(world.posts().len(), tries + EVENTS);
        let stats = world.get(&format!("/v1/webhooks/{id}/stats")).await;
        assert_eq!(stats["stats"]["failed"], 0, "{stats}");
    }
}

/// Faults between the rungs of a ladder use up none of them, wherever the message waited: in the queue or parked.
#[tokio::test(start_paused = true)]
async fn a_fault_of_this_host_uses_up_no_rung() {
    let (world, id) = World::of("odin").await;
    // Each attempt takes three tries: two that this host cannot make, one that the receiver refuses.
    world.script(|number, _| {
        if number % 3 == 0 {
            Reply::Status(500)
        } else {
            Reply::Host(HostFault::NameServers)
        }
    });
    let event = world.publish("user.lesson.completed").await;
    world.pass(10 * HOUR).await;
    let found = world.get(&format!("/v1/events/{event}")).await;
    assert_eq!(found["deliveries"][0]["status"], "failed");
    let log = world.get(&format!("/v1/webhooks/{id}/logs")).await;
    let log = log["logs"].as_array().unwrap();
    assert_eq!(log.len(), 6, "odin's ladder");
    assert_eq!(world.posts().len(), 3 * 6);
    assert!(log.iter().all(|entry| entry["response_status"] == 500));
}

/// The old secret is refused, and this host cannot ask with the new one: nothing is known of the receiver.
#[tokio::test(start_paused = true)]
async fn a_second_post_that_this_host_cannot_make_is_no_refusal() {
    let (world, id) = World::of("odin").await;
    world.script(|number, _| match number {
        1 => Reply::Status(401),
        2 => Reply::Host(HostFault::Exhausted),
        3 => Reply::Status(401),
        _ => Reply::Status(200),
    });
    let rotate = format!("/v1/webhooks/{id}/rotate-secret");
    world.call("POST", &rotate, serde_json::json!({})).await;
    world.publish("user.lesson.completed").await;
    world.pass(MINUTE).await;
    assert_eq!(world.posts().len(), 4);
    let log = world.get(&format!("/v1/webhooks/{id}/logs")).await;
    let log = log["logs"].as_array().unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(
        (&log[0]["attempt"], &log[0]["status"]),
        (&1.into(), &"succeeded".into())
    );
}

/// Disabled while its deliveries were put off: they are held, as any other that comes too late.
#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_held_by_a_disabling() {
    let (world, id) = World::of("standard").await;
    world.script(|_, _| Reply::Host(HostFault::NoRoute));
    let event = world.publish("a").await;
    world.pass(MINUTE).await;
    let path = format!("/v1/webhooks/{id}");
    world
        .call("PATCH", &path, serde_json::json!({"status": "disabled"}))
        .await;
    let tries = world.posts().len();
    world.script(|_, _| Reply::Status(200));
    world.pass(HOUR).await;
    assert_eq!(world.posts().len(), tries);
    let found = world.get(&format!("/v1/events/{event}")).await;
    assert_eq!(found["deliveries"][0]["status"], "held");
}

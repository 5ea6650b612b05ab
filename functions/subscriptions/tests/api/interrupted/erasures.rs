//! Erasing when functions die between any two calls, and when attempts are under way.

use serde_json::{Value, json};

use super::{LIMIT, poll_times};
use crate::{
    erasure::{contents, table},
    world::{As, World},
};

const SETTLED: u64 = 240_000;

/// A tenant with a webhook and, of each, an event that is through and one that waits; and that webhook's path.
async fn scene() -> (World, As, String) {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    for (id, status) in [("through", 200), ("waits", 500)] {
        world.answer(status);
        publish(&world, &tenant, id).await;
        world.settle().await;
    }
    world.answer(200);
    (world, tenant, path)
}

async fn publish(world: &World, tenant: &As, id: &str) {
    let event = json!({"id": id, "type": "content.saga.added", "data": {"name": "Ada"}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
}

async fn delete(world: &World, who: &As, path: &str) -> Value {
    let deleted = world.send_text(who, "DELETE", path, "").await;
    assert!(deleted.status < 300, "{}", deleted.body);
    deleted.body["data"]["job"].clone()
}

async fn job(world: &World, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let job = world.get(&As::operator(), &path).await;
    job.data(200)["job"].clone()
}

impl World {
    /// Handles what is there and what comes, until every erasure is over.
    async fn settle_erasures(&self) {
        self.settle().await;
        self.pass(SETTLED).await;
        self.settle().await;
    }
}

/// A page's handler dies after any number of its steps; its message is handed out again, when others have gone on or before.
#[tokio::test(start_paused = true)]
async fn a_page_whose_handler_dies_is_taken_up_again() {
    for subject in ["event", "webhook", "tenant"] {
        let mut deaths = 0;
        for page in 0..12 {
            let mut pages = 0;
            for steps in 0.. {
                let (world, tenant, path) = scene().await;
                let operator = As::operator_for("acme");
                let begun = match subject {
                    "event" => delete(&world, &operator, "/v1/events/waits").await,
                    "webhook" => delete(&world, &tenant, &path).await,
                    _ => delete(&world, &As::operator(), "/v1/tenants/acme").await,
                };
                let mut handled = 0;
                let mut ended = true;
                for _ in 0..60 {
                    let Some(message) = world.handed().await.into_iter().find(|it| it.is_page())
                    else {
                        world.pass(10_000).await;
                        continue;
                    };
                    if handled == page {
                        let handling = world.app.deliverer.deliver(vec![message.record], LIMIT);
                        ended = poll_times(handling, steps).await;
                        pages = handled + 1;
                        break;
                    }
                    world.handle(&message).await;
                    handled += 1;
                }
                if handled < page {
                    break;
                }
                world.pass(181_000).await;
                world.settle_erasures().await;
                let at = format!("{subject} {page} {steps}");
                let over = job(&world, &begun).await;
                assert_eq!(over["status"], "succeeded", "{at}: {over}");
                let holding = contents(&world).await;
                match subject {
                    "event" => {
                        assert_eq!(over["result"]["log_entries"], 1, "{at}");
                        assert!(
                            holding
                                .iter()
                                .all(|(pk, sk)| pk.contains("through") || sk.contains("through")),
                            "{at}: {holding:?}"
                        );
                    }
                    "webhook" => {
                        assert_eq!(over["result"]["log_entries"], 2, "{at}");
                        let events = holding.iter().filter(|(pk, _)| pk.starts_with("E#"));
                        assert_eq!((events.count(), holding.len()), (2, 2), "{at}");
                    }
                    _ => {
                        // A page that is repeated may erase more than it counted.
                        let events = over["result"]["events"].as_u64().unwrap();
                        assert!((1..=2).contains(&events), "{at}: {events}");
                        assert_eq!(holding, [], "{at}");
                        let left = table(&world).await.into_keys();
                        let left = left.filter(|(pk, sk)| {
                            format!("{pk}#{sk}#").contains("#acme#") && pk != "A#acme"
                        });
                        assert_eq!(
                            Vec::from_iter(left),
                            [("T#acme".to_owned(), "Z".to_owned())],
                            "{at}"
                        );
                    }
                }
                assert_eq!(world.posts(), 2, "{at}");
                if ended {
                    break;
                }
                deaths += 1;
            }
            if pages == 0 {
                break;
            }
        }
        assert!(deaths > 10, "{subject}: {deaths}");
    }
}

/// The call that asks dies after any number of its steps. Either nothing has happened, or the job goes on to its end; asking again
/// ends with everything erased, once.
#[tokio::test(start_paused = true)]
async fn a_call_that_dies_has_done_nothing_or_all() {
    for subject in ["event", "webhook", "tenant"] {
        let (mut nothing, mut all) = (0, 0);
        for steps in 0.. {
            let (world, tenant, path) = scene().await;
            let operator = As::operator_for("acme");
            let (who, path) = match subject {
                "event" => (&operator, "/v1/events/waits".to_owned()),
                "webhook" => (&tenant, path.clone()),
                _ => (&As::operator(), "/v1/tenants/acme".to_owned()),
            };
            let ended = poll_times(world.send_text(who, "DELETE", &path, ""), steps).await;
            world.settle_erasures().await;
            let jobs = world.get(&As::operator(), "/v1/jobs").await;
            let jobs = jobs.data(200)["jobs"].as_array().unwrap().clone();
            let at = format!("{subject} {steps}");
            if let [job] = jobs.as_slice() {
                assert_eq!(job["status"], "succeeded", "{at}: {job}");
                all += 1;
            } else {
                assert_eq!(jobs.len(), 0, "{at}");
                nothing += 1;
                world.pass(700_000).await;
                world.settle_erasures().await;
                delete(&world, who, &path).await;
                world.settle_erasures().await;
            }
            let holding = contents(&world).await;
            let left = match subject {
                "event" | "webhook" => 2,
                _ => 0,
            };
            assert_eq!(holding.len(), left, "{at}: {holding:?}");
            if ended {
                break;
            }
        }
        assert!(nothing > 0 && all > 0, "{subject}: {nothing} {all}");
    }
}

/// A first attempt carries its body and is posted unread while it is fresh: what it logs is emptied by the job, which waits for it.
#[tokio::test(start_paused = true)]
async fn what_is_in_flight_leaves_nothing_behind() {
    let mut made = 0;
    for status in [200, 500] {
        for steps in 0.. {
            let world = World::still().await;
            let tenant = world.tenant("acme", "odin", "pro").await;
            let path = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
            world.answer(status);
            publish(&world, &tenant, "e").await;
            let mut first = world.handed().await.remove(0);
            first.record.receives = 1;
            let begun = delete(&world, &As::operator_for("acme"), "/v1/events/e").await;
            let page = world.handed().await.remove(0);
            let mut handling = Box::pin(
                world
                    .app
                    .deliverer
                    .deliver(vec![page.record.clone()], LIMIT),
            );
            let ended = poll_times(handling.as_mut(), steps).await;
            // The attempt is made meanwhile.
            world.handle(&first).await;
            if !ended {
                handling.await;
            }
            world.delete(&page).await;
            world.settle_erasures().await;
            let at = format!("{status} {steps}");
            let over = job(&world, &begun).await;
            assert_eq!(over["status"], "succeeded", "{at}: {over}");
            assert_eq!(contents(&world).await, [], "{at}");
            world.pass(86_400_000).await;
            world.settle().await;
            assert!(world.posts() <= 1, "{at}: nothing follows it");
            made += world.posts();
            let logs = world.get(&tenant, &format!("{path}/logs")).await;
            let logs = logs.data(200)["logs"].as_array().unwrap();
            assert_eq!(logs.len(), world.posts(), "{at}");
            if ended {
                break;
            }
        }
    }
    assert!(made > 5, "{made}");
}

/// A message of a first attempt that comes when it is not fresh any more finds that its delivery is cancelled.
#[tokio::test(start_paused = true)]
async fn a_late_first_attempt_of_an_erased_event_is_not_made() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    world.webhook(&tenant).await;
    publish(&world, &tenant, "e").await;
    let mut first = world.handed().await.remove(0);
    let begun = delete(&world, &As::operator_for("acme"), "/v1/events/e").await;
    world.settle_erasures().await;
    assert_eq!(job(&world, &begun).await["status"], "succeeded");
    first.record.receives = 1;
    world.handle(&first).await;
    world.settle_erasures().await;
    assert_eq!(world.posts(), 0);
}

/// A queue hands out a copy of a fresh first attempt when the job has ended already: what it logs is emptied once more.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_first_attempt_writes_nothing_back_for_good() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    world.webhook(&tenant).await;
    publish(&world, &tenant, "e").await;
    let mut first = world.handed().await.remove(0);
    first.record.receives = 1;
    world.handle(&first).await;
    let begun = delete(&world, &As::operator_for("acme"), "/v1/events/e").await;
    world.settle().await;
    assert_eq!(job(&world, &begun).await["status"], "succeeded");
    assert_eq!(contents(&world).await, []);
    world.app.deliverer.deliver(vec![first.record], LIMIT).await;
    assert_eq!(
        contents(&world).await.len(),
        1,
        "the copy was posted unread"
    );
    world.settle_erasures().await;
    assert_eq!(contents(&world).await, []);
}

/// A retry by hand that saw the event before it was erased, and an attempt on its ladder: neither is made.
#[tokio::test(start_paused = true)]
async fn a_retry_that_races_with_an_erasure_sends_nothing() {
    let mut refused = 0;
    for steps in 0.. {
        let (world, tenant, path) = scene().await;
        let logs = world
            .get(&tenant, &format!("{path}/logs?event_id=waits"))
            .await;
        let log = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
        let retry = format!("{path}/logs/{log}/retry");
        let mut retrying = Box::pin(world.send_text(&tenant, "POST", &retry, ""));
        let ended = poll_times(retrying.as_mut(), steps).await;
        let begun = delete(&world, &As::operator_for("acme"), "/v1/events/waits").await;
        if !ended {
            let answered = retrying.await;
            if answered.status == 409 {
                answered.assert_error(409, "event_erased");
                refused += 1;
            }
        }
        world.settle_erasures().await;
        assert_eq!(job(&world, &begun).await["status"], "succeeded", "{steps}");
        assert_eq!(world.posts(), 2, "{steps}");
        let event = world.get(&tenant, "/v1/events/waits").await;
        assert_eq!(
            event.data(200)["deliveries"][0]["status"],
            "cancelled",
            "{steps}"
        );
        if ended {
            break;
        }
    }
    assert!(refused > 0);
}

//! What was answered with 202 arrives, whatever happens to the process in between.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rung_tests::{Answer, Receiver, Rung, Tenant, eventually};
use serde_json::json;

use crate::{RUNG, rung};

const PUBLISHERS: usize = 8;
const ROUNDS: usize = 10;
/// The most that are accepted before a kill.
const LOAD: usize = 200;

/// Publishers that go on until the process dies under them; gives the ids that were answered with 202.
async fn load_until_death(
    tenant: &Tenant,
    round: usize,
) -> (
    Arc<AtomicUsize>,
    Vec<tokio::task::JoinHandle<()>>,
    Arc<Mutex<HashSet<String>>>,
) {
    let count = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::new(Mutex::new(HashSet::new()));
    let publishers = (0..PUBLISHERS)
        .map(|publisher| {
            let (tenant, count, accepted) =
                (tenant.clone(), Arc::clone(&count), Arc::clone(&accepted));
            tokio::spawn(async move {
                for n in 0.. {
                    let id = format!("r{round}-p{publisher}-{n}");
                    let event = json!({"id": id, "type": "load", "data": {"n": n}}).to_string();
                    match tenant
                        .api
                        .call("POST", "/v1/events")
                        .body(event)
                        .try_send()
                        .await
                    {
                        Ok(reply) if reply.status == 202 => {
                            accepted.lock().unwrap().insert(id);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => return,
                    }
                }
            })
        })
        .collect();
    (count, publishers, accepted)
}

/// Waits until every event that was accepted has arrived.
async fn all_arrive(receiver: &Receiver, accepted: impl IntoIterator<Item = &String> + Copy) {
    receiver
        .wait_until("every accepted event", |received| {
            let arrived: HashSet<&str> =
                received.iter().map(|request| request.event_id()).collect();
            let mut accepted = accepted.into_iter();
            accepted.all(|id| arrived.contains(id.as_str()))
        })
        .await;
}

/// Ten times killed under load, sooner or later, each time started again on the same data.
#[tokio::test]
async fn killed_in_the_middle_of_a_load() {
    let mut rung = rung(&["--time-scale", "100"]).await;
    // Every seventh attempt fails, so that ladders are under way too.
    let receiver =
        Receiver::start(|request| Answer::status(if request.number % 7 == 0 { 500 } else { 200 }))
            .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let mut all = HashSet::new();
    let mut chance = fastrand::Rng::with_seed(7);
    for round in 0..ROUNDS {
        let load = chance.usize(1..LOAD);
        let (count, publishers, accepted) = load_until_death(&tenant, round).await;
        eventually("a load", async || {
            (count.load(Ordering::Relaxed) >= load).then_some(())
        })
        .await;
        rung.kill9().await;
        for publisher in publishers {
            publisher.await.unwrap();
        }
        all.extend(accepted.lock().unwrap().drain());
        rung.restart().await;
    }
    all_arrive(&receiver, &all).await;
    for id in all.iter().take(20) {
        tenant.until(id, &webhook, "succeeded").await;
    }
}

/// A wait survives: the ladder goes on where it was, with the attempts already made still in the log.
#[tokio::test]
async fn a_ladder_goes_on_after_a_kill() {
    let mut rung = rung(&["--time-scale", "60"]).await;
    let receiver = Receiver::in_turn(&[500, 500, 200]).await;
    let patra = Tenant::create(&rung, "t", "patra").await;
    let webhook = patra.webhook(&receiver.url("/"), &["*"]).await;
    let event = patra.publish("card.updated", json!({"id": "card_1"})).await;
    webhook.until_attempts(&event.id, 2).await;
    rung.kill9().await;
    rung.restart().await;
    patra.until(&event.id, &webhook, "succeeded").await;
    let attempts = webhook.until_attempts(&event.id, 3).await;
    let numbers: Vec<_> = attempts.iter().map(|log| log["attempt"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
    let arrived = receiver.wait_for(3).await;
    assert!(
        arrived
            .iter()
            .all(|request| request.body == arrived[0].body)
    );
}

/// A pause survives, and all that waits for it.
#[tokio::test]
async fn what_waits_for_a_pause_is_sent_after_a_kill() {
    let mut rung = rung(&["--time-scale", "60"]).await;
    let receiver = Receiver::start(|request| match request.number {
        1 => Answer::status(503).header("Retry-After", "80000"),
        _ => Answer::status(200),
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let waiting = async |count: u64| {
        eventually(&format!("{count} deliveries to wait"), async || {
            (webhook.get().await["pause"]["waiting"] == count).then_some(())
        })
        .await;
    };
    let ids = ["e1", "e2", "e3", "e4"];
    tenant.publish_as(ids[0], "a.b", json!({})).await;
    waiting(1).await;
    for id in &ids[1..] {
        tenant.publish_as(id, "a.b", json!({})).await;
    }
    waiting(4).await;
    rung.kill9().await;
    rung.restart().await;
    waiting(4).await;
    assert_eq!(receiver.count(), 1);
    webhook.patch(json!({"pause": null})).await;
    for id in ids {
        tenant.until(id, &webhook, "succeeded").await;
    }
    let first = webhook.attempts("e1").await;
    let numbers: Vec<_> = first.iter().map(|log| log["attempt"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
}

/// Everything else survives, too: tenants, keys, webhooks, secrets, events and their idempotency.
#[tokio::test]
async fn what_was_made_is_there_after_a_kill() {
    let mut rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["user"]).await;
    let before = webhook.get().await;
    let event = json!({"id": "evt_1", "type": "user.lesson.completed", "data": {"a": 1}});
    let first = odin.api.post("/v1/events", &event).await;
    odin.until("evt_1", &webhook, "succeeded").await;
    rung.kill9().await;
    rung.restart().await;
    assert_eq!(webhook.get().await, before);
    assert_eq!(
        odin.api.post("/v1/events", &event).await.data(202),
        first.data(202)
    );
    assert_eq!(
        odin.delivery("evt_1", &webhook).await.as_deref(),
        Some("succeeded")
    );
    receiver.stays_at(1).await;
}

/// SIGTERM lets attempts in flight finish and be logged; they are not made again.
#[tokio::test]
async fn a_clean_end() {
    let mut rung = rung(&[]).await;
    let receiver = Receiver::start(|_| Answer::status(200).after(Duration::from_millis(700))).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("invoice.paid", json!({})).await;
    receiver.wait_for(1).await;
    let status = rung.terminate().await;
    assert!(status.success(), "{status}: {}", rung.output());
    rung.restart().await;
    tenant.until(&event.id, &webhook, "succeeded").await;
    assert_eq!(webhook.attempts(&event.id).await.len(), 1);
    receiver.stays_at(1).await;
}

/// SIGTERM under load, with a receiver that never answers: the end comes when the attempts under way have timed out, and what
/// was accepted goes on at the next start.
#[tokio::test]
async fn an_end_under_load() {
    /// Patra's.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let mut rung = rung(&[]).await;
    let silence = Receiver::start(|_| Answer::hang()).await;
    let tenant = Tenant::create(&rung, "t", "patra").await;
    tenant.webhook(&silence.url("/"), &["card"]).await;
    let receiver = Receiver::always(200).await;
    let standard = Tenant::create(&rung, "u", "standard").await;
    let webhook = standard.webhook(&receiver.url("/"), &["*"]).await;
    tenant.publish("card.updated", json!({})).await;
    silence.wait_for(1).await;
    let (count, publishers, accepted) = load_until_death(&standard, 0).await;
    eventually("a load", async || {
        (count.load(Ordering::Relaxed) >= LOAD).then_some(())
    })
    .await;
    let asked = Instant::now();
    let status = rung.terminate().await;
    let took = asked.elapsed();
    assert!(status.success(), "{status}: {}", rung.output());
    assert!(took < 3 * TIMEOUT, "it took {took:?}");
    for publisher in publishers {
        publisher.await.unwrap();
    }
    rung.restart().await;
    let accepted: Vec<String> = accepted.lock().unwrap().drain().collect();
    all_arrive(&receiver, &accepted).await;
    for id in accepted.iter().take(20) {
        standard.until(id, &webhook, "succeeded").await;
    }
}

/// A disk without room: what cannot be stored is refused, what was accepted is delivered, and nothing is broken when there is
/// room again. (Files that may not grow stand in for a disk that cannot.)
#[tokio::test]
async fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("rung");
    // Another process writes it: a file that this one has open for writing, if only in a child just forked, cannot be run.
    let text = format!(
        "#!/bin/sh\nif [ -e \"$0.full\" ]; then trap '' XFSZ; ulimit -f 4096; fi\nexec '{RUNG}' \"$@\"\n"
    );
    let written = std::process::Command::new("sh")
        .args([
            "-c",
            r#"printf '%s' "$2" > "$1" && chmod +x "$1" && : > "$1.full""#,
            "sh",
        ])
        .arg(&script)
        .arg(text)
        .status();
    assert!(written.unwrap().success());

    let mut rung = Rung::start(&script, &[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let mut accepted = Vec::new();
    // Random letters, so that nothing makes them smaller.
    let mut chance = fastrand::Rng::with_seed(7);
    let refused = loop {
        let id = format!("e{}", accepted.len());
        let pad: String = std::iter::repeat_with(|| chance.alphanumeric())
            .take(60_000)
            .collect();
        let event = json!({"id": id, "type": "load", "data": {"pad": pad}});
        let reply = tenant.api.post("/v1/events", &event).await;
        if reply.status != 202 {
            break reply;
        }
        accepted.push(id);
        assert!(accepted.len() < 1_000, "the disk never fills");
    };
    refused.refused(503, "unavailable");
    assert!(refused.headers.contains_key("retry-after"));
    rung.terminate().await;
    assert!(rung.output().contains("disk"), "{}", rung.output());

    std::fs::remove_file(dir.path().join("rung.full")).unwrap();
    rung.restart().await;
    all_arrive(&receiver, &accepted).await;
    for id in &accepted {
        tenant.until(id, &webhook, "succeeded").await;
    }
    let event = tenant.publish("load", json!({})).await;
    tenant.until(&event.id, &webhook, "succeeded").await;
}

/// A data folder that cannot be written is named, with what to do about it.
#[tokio::test]
async fn a_read_only_data_folder() {
    // Nobody can write here, whoever runs this.
    let folder = "/sys/kernel";
    let (status, output) =
        Rung::run(RUNG, &["dev", "--addr", "127.0.0.1:0", "--data", folder]).await;
    assert!(!status.success(), "{output}");
    assert!(
        output.contains(folder) && output.contains("--data"),
        "{output}"
    );
}

/// Data that must not be written are left as they are.
#[tokio::test]
async fn read_only_data() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let event = tenant.publish("load", json!({})).await;
    rung.terminate().await;
    let data = rung.data().to_owned();
    let mode = |mode| {
        let files = std::fs::read_dir(&data).unwrap();
        for file in files
            .map(|entry| entry.unwrap().path())
            .chain([data.clone()])
        {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o500);
    let mut line = vec![RUNG, "dev", "--addr", "127.0.0.1:0", "--data"];
    line.push(data.to_str().unwrap());
    if rustix::process::geteuid().is_root() {
        // Nothing is read-only to root as long as it may override.
        line.splice(..0, ["setpriv", "--bounding-set", "-dac_override", "--"]);
    }
    let (status, output) = Rung::run(line[0], &line[1..]).await;
    mode(0o700);
    assert!(!status.success(), "{output}");
    assert!(output.contains("--data"), "{output}");
    rung.restart().await;
    tenant
        .api
        .get(&format!("/v1/events/{}", event.id))
        .await
        .data(200);
}

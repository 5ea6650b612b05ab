//! File descriptors that run short are never a receiver's fault, and one receiver's hunger for them is nobody else's want.

use std::path::PathBuf;
use std::time::Duration;

use rung_tests::{Answer, Receiver, Rung, Tenant, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::RUNG;

const FLOOD: usize = 1_500;

/// The product under a limit of file descriptors, as `ulimit` takes it.
struct Limited {
    _dir: TempDir,
    exe: PathBuf,
}

impl Limited {
    async fn new(ulimit: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("rung");
        // Another process writes it: a file that this one has open for writing, if only in a child just forked, cannot be run.
        let write =
            r#"printf '#!/bin/sh\nulimit %s\nexec "%s" "$@"\n' "$2" "$3" > "$1" && chmod +x "$1""#;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", write, "sh"])
            .arg(&exe)
            .args([ulimit, RUNG]);
        assert!(shell.status().await.unwrap().success());
        Self { _dir: dir, exe }
    }
}

/// These tests have the receivers' ends of the connections.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// One tenant's receiver hangs and gets a flood. The other's webhook is disabled by ten failures in a row.
async fn a_hanging_receiver_costs_others_nothing(rung: &Rung) {
    const EVENTS: usize = 40;
    let hanging = Receiver::start(|_| Answer::hang()).await;
    let healthy = Receiver::always(200).await;
    let tenant = Tenant::create(rung, "t", "standard").await;
    let neighbour = Tenant::create(rung, "u", "bharatcart").await;
    tenant.webhook(&hanging.url("/"), &["*"]).await;
    let webhook = neighbour.webhook(&healthy.url("/"), &["*"]).await;
    for first in (0..FLOOD).step_by(100) {
        let events = (first..first + 100).map(|n| json!({"type": "slow", "data": {"n": n}}));
        let events: Vec<_> = events.collect();
        let batch = json!({"events": events});
        tenant.api.post("/v1/events/batch", &batch).await.ok();
    }
    hanging.wait_for(1).await;
    for n in 0..EVENTS {
        neighbour.publish("order.paid", json!({"n": n})).await;
        assert_eq!(neighbour.api.get("/v1/health").await.status, 200);
    }
    healthy.wait_for(EVENTS).await;
    let logs = eventually("all of them in the log", async || {
        let logs = webhook.logs().await;
        (logs.len() >= EVENTS).then_some(logs)
    })
    .await;
    let as_meant = |log: &serde_json::Value| log["status"] == "succeeded" && log["attempt"] == 1;
    assert!(logs.iter().all(as_meant), "{logs:?}");
    assert_eq!(webhook.status().await, "active");
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one_and_a_hanging_receiver_leaves_room() {
    raise_own_limit();
    let limited = Limited::new("-Sn 1024").await;
    let rung = Rung::start(&limited.exe, &[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", rung.pid())).unwrap();
    let open_files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = open_files.unwrap().split_whitespace().collect();
    assert_eq!(words[3], words[4], "soft and hard: {words:?}");
    a_hanging_receiver_costs_others_nothing(&rung).await;
}

#[tokio::test]
async fn few_descriptors_are_shared_out_and_nobody_is_blamed_for_them() {
    let limited = Limited::new("-n 256").await;
    let rung = Rung::start(&limited.exe, &[]).await;
    a_hanging_receiver_costs_others_nothing(&rung).await;
}

/// Clients that are refused, and stay, have no more descriptors than any others: half of the clients' for one address.
#[tokio::test]
async fn refused_clients_that_stay_keep_to_their_descriptors() {
    const OF_AN_ADDRESS: usize = (256 - 64) / 4;
    let limited = Limited::new("-n 256").await;
    let rung = Rung::start(&limited.exe, &[]).await;
    let open = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", rung.pid()));
        descriptors.unwrap().count()
    };
    // Its databases are open by now.
    Tenant::create(&rung, "t", "standard").await;
    let before = open();
    let head = format!("GET /v1/health HTTP/1.1\r\nx: {}", "x".repeat(200_000));
    let mut refused = Vec::new();
    for _ in 0..4 * OF_AN_ADDRESS {
        let mut stream = TcpStream::connect(rung.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The refusal is there, and it waits for the rest.
        stream.read_u8().await.unwrap();
        refused.push(stream);
        // One more is that of whoever comes next.
        let of_clients = open() - before;
        assert!(of_clients <= OF_AN_ADDRESS + 1, "{of_clients}");
    }
    assert_eq!(refused.len(), 4 * OF_AN_ADDRESS);
}

/// More webhooks at once than there are descriptors, at receivers that take their time.
#[tokio::test]
async fn an_event_to_more_webhooks_than_descriptors_succeeds_everywhere_at_once() {
    const WEBHOOKS: usize = 300;
    let limited = Limited::new("-n 256").await;
    let rung = Rung::start(&limited.exe, &[]).await;
    let slow = |_: &_| Answer::status(200).after(Duration::from_millis(500));
    let receivers = [
        Receiver::start(slow).await,
        Receiver::start(slow).await,
        Receiver::start(slow).await,
    ];
    let tenant = Tenant::create(&rung, "t", "bharatcart").await;
    for n in 0..WEBHOOKS {
        let url = receivers[n % receivers.len()].url(&format!("/{n}"));
        tenant.webhook(&url, &["*"]).await;
    }
    let event = tenant.publish("order.paid", json!({})).await;
    assert_eq!(event.deliveries, WEBHOOKS as u64);
    for receiver in &receivers {
        receiver.wait_for(WEBHOOKS / receivers.len()).await;
    }
    let path = format!("/v1/events/{}", event.id);
    eventually("all deliveries to succeed", async || {
        let reply = tenant.api.get(&path).await;
        let deliveries = reply.data(200)["deliveries"].as_array()?;
        let all = deliveries.iter().all(|it| it["status"] == "succeeded");
        all.then_some(())
    })
    .await;
    // None was asked twice, so none was ever counted as failed.
    let posts = receivers.iter().map(Receiver::count).sum::<usize>();
    assert_eq!(posts, WEBHOOKS);
}

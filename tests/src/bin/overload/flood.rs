//! More events than can be taken: each is answered with 202 or with 503 and `Retry-After`, and no 202 is lost.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rung_tests::{Rung, Tenant};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::percentile;
use crate::sink::{Sink, name};

/// Events of one call.
const BATCH: usize = 10;
/// One call each.
const EVERY: Duration = Duration::from_millis(1);
/// Calls that wait for an answer at once: each holds a connection.
const CALLS: usize = 900;

#[derive(Default)]
struct Answers {
    accepted: Vec<usize>,
    refused: usize,
    took: Vec<Duration>,
}

/// Offers 10,000 events a second for as long as `load`.
pub(crate) async fn run(exe: &Path, load: Duration) {
    let rung = Rung::start(exe, &[]).await;
    let sink = Sink::listen().await;
    let tenant = Tenant::create(&rung, "flood", "standard").await;
    tenant.webhook(&sink.url(), &["*"]).await;

    let answers = Arc::new(Mutex::new(Answers::default()));
    let under_way = Arc::new(AtomicUsize::new(0));
    let (mut offered, mut held_back) = (0, 0);
    let mut calls = JoinSet::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let start = Instant::now();
    while start.elapsed() < load {
        ticks.tick().await;
        let numbers = offered..offered + BATCH;
        offered += BATCH;
        while calls.try_join_next().is_some() {}
        if under_way.load(Ordering::Relaxed) >= CALLS {
            held_back += BATCH;
            continue;
        }
        under_way.fetch_add(1, Ordering::Relaxed);
        let (tenant, answers, under_way) =
            (tenant.clone(), Arc::clone(&answers), Arc::clone(&under_way));
        calls.spawn(async move {
            let events: Vec<_> = numbers
                .clone()
                .map(|number| json!({"id": name(number), "type": "flood", "data": {"n": number}}))
                .collect();
            let asked = Instant::now();
            let reply = tenant
                .api
                .post("/v1/events/batch", &json!({"events": events}))
                .await;
            let mut answers = answers.lock().expect("nobody panics with it");
            answers.took.push(asked.elapsed());
            match reply.status {
                202 => {
                    let results = reply.body["results"].as_array().cloned();
                    let results =
                        results.or_else(|| reply.body["data"]["results"].as_array().cloned());
                    for (number, result) in numbers.zip(results.into_iter().flatten()) {
                        match &result["success"] {
                            Value::Bool(true) => answers.accepted.push(number),
                            _ if result["error"]["code"] == "unavailable" => answers.refused += 1,
                            _ => panic!("an event was answered with {result}"),
                        }
                    }
                }
                503 => {
                    assert!(reply.headers.contains_key("retry-after"), "{}", reply.text);
                    answers.refused += BATCH;
                }
                _ => panic!("{} {}", reply.status, reply.text),
            }
            under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }
    calls.join_all().await;
    let offering = start.elapsed();
    let mut answers = std::mem::take(&mut *answers.lock().expect("nobody panics with it"));
    let missing = sink
        .missing(&answers.accepted, Duration::from_secs(200))
        .await;
    println!(
        "flood: {offered} events offered in {:.1} s: {} accepted, {} answered with 503, {held_back} never sent for want of an answer; \
         answers p50 {:?}, p99 {:?}; peak memory {} MiB; all delivered after {:.1} s in {} POSTs, {} lost",
        offering.as_secs_f64(),
        answers.accepted.len(),
        answers.refused,
        percentile(&mut answers.took, 50),
        percentile(&mut answers.took, 99),
        peak_kib(rung.pid()) / 1024,
        start.elapsed().as_secs_f64(),
        sink.posts(),
        missing.len(),
    );
    assert!(
        missing.is_empty(),
        "lost, for example: {:?}",
        missing.first()
    );
}

/// The most memory that a process has had, from `/proc/PID/status` (proc(5): `VmHWM`), in KiB; 0 where there is no `/proc`.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0)
}

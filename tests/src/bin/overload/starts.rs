//! How long a start takes after a kill in the middle of a load.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rung_tests::{Rung, Tenant};
use serde_json::json;
use tokio::task::JoinSet;

use crate::percentile;
use crate::sink::Sink;

const ROUNDS: usize = 10;
const PUBLISHERS: usize = 16;
const LOAD: Duration = Duration::from_secs(5);

/// Kills ten times, and measures each start until it listens.
pub(crate) async fn run(exe: &Path) {
    let mut rung = Rung::start(exe, &[]).await;
    let sink = Sink::listen().await;
    let tenant = Tenant::create(&rung, "starts", "standard").await;
    tenant.webhook(&sink.url(), &["*"]).await;
    let (mut took, mut accepted) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let over = Arc::new(AtomicBool::new(false));
        let mut publishers = JoinSet::new();
        for _ in 0..PUBLISHERS {
            let (tenant, over) = (tenant.clone(), Arc::clone(&over));
            publishers.spawn(async move {
                let event = json!({"type": "load", "data": {"pad": "x".repeat(1_000)}}).to_string();
                let mut accepted = 0_usize;
                while !over.load(Ordering::Relaxed) {
                    let call = tenant.api.call("POST", "/v1/events").body(event.clone());
                    accepted +=
                        usize::from(call.try_send().await.is_ok_and(|reply| reply.status == 202));
                }
                accepted
            });
        }
        tokio::time::sleep(LOAD).await;
        rung.kill9().await;
        over.store(true, Ordering::Relaxed);
        accepted += publishers.join_all().await.into_iter().sum::<usize>();
        let start = Instant::now();
        rung.restart().await;
        took.push(start.elapsed());
    }
    println!(
        "starts: {ROUNDS} after a kill under load, {accepted} events stored by the end: p50 {:?}, slowest {:?}",
        percentile(&mut took, 50),
        percentile(&mut took, 100),
    );
}

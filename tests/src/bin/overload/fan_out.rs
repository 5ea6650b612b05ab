//! Events that go to 10,000 webhooks each, and another tenant's deliveries beside them.

use std::path::Path;
use std::time::Duration;

use rung_tests::{Rung, Tenant};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::beside::{self, Load};
use crate::sink::Sink;

const WEBHOOKS: usize = 10_000;
/// Webhooks made at once.
const AT_ONCE: usize = 20;

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "fan-out, one event after another to 10,000 webhooks";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let sink = Sink::listen().await;
    let wide = Tenant::create(rung, "wide", "standard").await;
    let mut makers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (wide, url) = (wide.clone(), sink.url());
        makers.spawn(async move {
            for _ in 0..WEBHOOKS / AT_ONCE {
                wide.webhook(&url, &["*"]).await;
            }
        });
    }
    makers.join_all().await;
    let mut load = Load::new();
    load.spawn(async move {
        for round in 1.. {
            wide.publish("noise", json!({})).await;
            while sink.posts() < round * WEBHOOKS {
                sleep(Duration::from_millis(10)).await;
            }
        }
    });
    load
}

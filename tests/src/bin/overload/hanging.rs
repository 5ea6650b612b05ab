//! A webhook that never answers, and another tenant's deliveries beside it.

use std::path::Path;
use std::time::Duration;

use rung_tests::{Answer, Receiver, Rung, Tenant};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::interval;

use crate::beside::{self, EVENTS_PER_S, Load};

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "hanging, as many events to a webhook that never answers";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let silence = Receiver::start(|_| Answer::hang()).await;
    let stuck = Tenant::create(rung, "stuck", "standard").await;
    stuck.webhook(&silence.url("/"), &["*"]).await;
    let mut load = Load::new();
    load.spawn(async move {
        let _silence = silence;
        let mut ticks = interval(Duration::from_secs(1) / EVENTS_PER_S);
        loop {
            ticks.tick().await;
            stuck.publish("noise", json!({})).await;
        }
    });
    load
}

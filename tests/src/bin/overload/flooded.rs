//! A tenant that publishes as much as it can, and another tenant's deliveries beside it.

use std::path::Path;
use std::time::Duration;

use rung_tests::{Rung, Tenant};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::beside::{self, Load};
use crate::sink::Sink;

/// Calls under way at once.
const CALLS: usize = 256;
/// Events of one call.
const BATCH: usize = 10;

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "flooded, another tenant publishes as much as it can";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let sink = Sink::listen().await;
    let flood = Tenant::create(rung, "flood", "standard").await;
    flood.webhook(&sink.url(), &["*"]).await;
    let events = vec![json!({"type": "noise", "data": {}}); BATCH];
    let body = json!({"events": events}).to_string();
    let mut load = Load::new();
    for _ in 0..CALLS {
        let (flood, body) = (flood.clone(), body.clone());
        load.spawn(async move {
            loop {
                let call = flood.api.call("POST", "/v1/events/batch");
                // It is refused again and again, and does not care.
                let _ = call.body(body.clone()).try_send().await;
            }
        });
    }
    load
}

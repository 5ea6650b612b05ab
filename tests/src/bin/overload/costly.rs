//! Schemas and filters that cost as much as is taken, large events for them, and another tenant's deliveries beside.

use std::path::Path;
use std::time::Duration;

use rung_tests::{Rung, Tenant};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::beside::{self, Load};
use crate::sink::Sink;

/// Sizes to try, from the costliest: the first one that is taken is used.
const SIZES: [usize; 8] = [900, 400, 180, 90, 40, 20, 10, 4];
/// Webhooks with the costly filter.
const WEBHOOKS: usize = 200;
/// Publishers of large events.
const PUBLISHERS: usize = 8;
/// Members of an event's list: 250 KB.
const MEMBERS: usize = 125_000;

pub(crate) fn run(loads: &Runtime, exe: &Path, time: Duration) {
    let what = "costly, large events against the heaviest schema and filters that are taken";
    beside::measure(loads, exe, what, time, begin);
}

async fn begin(rung: &Rung) -> Load {
    let sink = Sink::listen().await;
    let costly = Tenant::create(rung, "costly", "standard").await;
    set_schema(rung).await;
    set_filters(&costly, &sink.url()).await;
    let mut load = Load::new();
    for kind in ["by-schema", "by-filter"] {
        let event = json!({"type": kind, "data": {"a": vec![0; MEMBERS]}}).to_string();
        for _ in 0..PUBLISHERS / 2 {
            let (costly, event) = (costly.clone(), event.clone());
            load.spawn(async move {
                loop {
                    let call = costly.api.call("POST", "/v1/events");
                    let _ = call.body(event.clone()).try_send().await;
                }
            });
        }
    }
    load
}

/// Choices of choices, each of which looks at the whole value.
async fn set_schema(rung: &Rung) {
    let operator = rung.admin().for_tenant("costly");
    for size in SIZES {
        let leaves = vec![json!({"const": 0}); size];
        let choices = vec![json!({"$ref": "#/$defs/leaves"}); size];
        let definition = json!({"schema": {
            "$defs": {"leaves": {"anyOf": leaves}, "choices": {"anyOf": choices}},
            "properties": {"a": {"$ref": "#/$defs/choices"}},
        }});
        let call = operator.call("PUT", "/v1/event-types/by-schema");
        if call.body(definition.to_string()).send().await.status == 201 {
            return;
        }
    }
    panic!("no schema is taken");
}

/// Choices of paths into each member of a list.
async fn set_filters(costly: &Tenant, url: &str) {
    let path = json!({"b": {"c": {"d": {"e": [{"exists": true}]}}}});
    let webhook = |size| -> Value {
        let choices = vec![path.clone(); size];
        json!({"url": url, "events": ["by-filter"], "filter": {"a": {"$or": choices}}})
    };
    for size in SIZES {
        let reply = costly.api.post("/v1/webhooks", &webhook(size)).await;
        if reply.status == 201 {
            for _ in 1..WEBHOOKS {
                costly.webhook_with(webhook(size)).await;
            }
            return;
        }
    }
    panic!("no filter is taken");
}

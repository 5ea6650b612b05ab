//! The functions with a meter on all their wires, one invocation at a time: each is a process of its own on Lambda, where
//! nothing that others do at the same moment shares its calls.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use bytes::Bytes;
use http::HeaderMap;
use rung_api::Api;
use rung_base::clock::{Clock, VirtualClock};
use rung_core::{
    egress::{Answer, Failure, Outgoing, Slot, Transport},
    encryption::KeyRing,
    flow::{accept::Publisher, control::Control, deliver::Deliverer, post::Poster, sweep::Sweeper},
    metrics::Metrics,
    queue::{Queue, Urls},
    store::Store,
};
use rung_dialect::Dialects;
use rung_local::app;
use rung_local_aws::{Aws, clients, connector::InProcess, sqs::queue_url};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt as _};

use crate::{
    counts::Counts,
    meter::{Meter, cpu},
    prices::Prices,
};

const ADMIN_KEY: &str = "admin";
const START_MS: u64 = 1_760_000_000_000;
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
const TIME: Duration = Duration::from_secs(27);

/// A ladder of nothing but long waits.
const LONG_WAITS: &str = r#"
name = "long-waits"
description = "Waits that are parked."
event_id = "evt_{base62}"
timeout = "15s"
body_limit = 262_144
success = ["2xx"]
disable = "never"
envelope = [
  { key = "type", from = "type" },
  { key = "timestamp", from = "time_rfc3339" },
  { key = "data", from = "data" },
]
[ladder]
waits = ["24h", "24h", "24h"]
[any_type]
example = "example.created"
sample = '{}'
"#;

/// How receivers answer: the closure gets the number of the POST, from 1.
type Script = fn(u64) -> u16;

/// Rung on the meter.
pub(crate) struct World {
    pub(crate) meter: Meter,
    prices: Arc<Prices>,
    clock: Arc<dyn Clock>,
    sqs: aws_sdk_sqs::Client,
    router: Router,
    deliverer: Deliverer,
    sweeper: Sweeper,
}

impl World {
    /// A tenant with webhooks, of which each POST is answered as `script` says.
    pub(crate) async fn new(
        prices: &Arc<Prices>,
        dialect: &str,
        webhooks: usize,
        script: Script,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).expect("queues that agree");
        let meter = Meter::new(aws, Arc::clone(prices));
        let (dynamodb, sqs) = clients(InProcess::new(meter.clone()));
        let store = Store::new(
            dynamodb,
            "rung",
            KeyRing::of_tests(),
            Arc::clone(&clock),
            RETENTION,
        );
        store.create_table().await.expect("a table");
        let urls = Urls {
            deliver: queue_url("deliver"),
            retry: queue_url("retry"),
            dead: queue_url("deliver-dead"),
            retry_dead: queue_url("retry-dead"),
        };
        let queue = Queue::new(&sqs, &urls);
        let dialects = Dialects::builtin().with_file("long-waits.toml", LONG_WAITS);
        let dialects = Arc::new(dialects.expect("a dialect"));
        let logs = Logs(meter.clone(), prices.assumed.log_event_bytes);
        let metrics =
            |function| Metrics::to(Box::new(logs.clone()), function, 0, Arc::clone(&clock));
        let publisher = Publisher::new(
            store.clone(),
            queue.clone(),
            Arc::clone(&dialects),
            Arc::clone(&clock),
        )
        .with_metrics(metrics("rung-enqueue"));
        let control = Control::new(
            store.clone(),
            queue.clone(),
            Arc::clone(&dialects),
            Arc::clone(&clock),
            publisher.clone(),
        );
        let receivers = Receivers {
            meter: meter.clone(),
            wait: Duration::from_millis(prices.assumed.receiver_ms),
            script,
        };
        let poster = Poster::new(Arc::new(receivers), Arc::clone(&clock));
        let deliverer = Deliverer::new(control, poster, metrics("rung-deliver"));
        let sweeper = Sweeper {
            store: store.clone(),
            queue,
            clock: Arc::clone(&clock),
            metrics: metrics("rung-sweep"),
        };
        let api = Api::new(store, dialects, Arc::clone(&clock), ADMIN_KEY, true);
        let routes = rung_subscriptions::routes(
            api.clone(),
            deliverer.control.clone(),
            deliverer.poster.clone(),
        );
        let world = Self {
            router: rung_api::router(routes.merge(rung_enqueue::routes(
                api,
                publisher,
                rung_enqueue::Room::default(),
            ))),
            meter,
            prices: Arc::clone(prices),
            clock,
            sqs,
            deliverer,
            sweeper,
        };
        let tenant = json!({"id": "t", "name": "T", "dialect": dialect});
        world.call("/v1/tenants", &tenant).await;
        for number in 0..webhooks {
            let url = format!("https://hooks.example.com/{number}");
            let webhook = json!({"url": url, "events": ["*"]});
            world.call("/v1/webhooks", &webhook).await;
        }
        world
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        self.meter.counts().clone()
    }

    /// An invocation of `enqueue` by the HTTP API.
    pub(crate) async fn publish(&self, path: &str, body: &Value) {
        {
            let mut counts = self.meter.counts();
            counts.api_requests += 1.0;
            let assumed = &self.prices.assumed;
            counts.log_bytes += (assumed.access_log_bytes + assumed.log_event_bytes) as f64;
        }
        let call = self.call(path, body);
        self.invoke(self.prices.memory_mb.enqueue, call).await;
    }

    /// Invocations of `deliver` until a queue has nothing more, of ten messages each while there are as many.
    pub(crate) async fn drain(&self, queue: &str) {
        let url = queue_url(queue);
        loop {
            let receive = self.sqs.receive_message().queue_url(&url);
            let receive = receive
                .max_number_of_messages(10)
                .message_system_attribute_names(
                    MessageSystemAttributeName::ApproximateReceiveCount,
                );
            let messages = receive.send().await.expect("an answer").messages;
            let messages = messages.unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            let mut event = SqsEvent::default();
            let mut delete = self.sqs.delete_message_batch().queue_url(&url);
            for (index, message) in messages.into_iter().enumerate() {
                let handle = message.receipt_handle.unwrap_or_default();
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(handle).build();
                delete = delete.entries(entry.expect("an entry"));
                let mut record = SqsMessage::default();
                record.message_id = message.message_id;
                record.body = message.body;
                event.records.push(record);
            }
            let handled = rung_deliver::handle(&self.deliverer, event, TIME);
            let response = self.invoke(self.prices.memory_mb.deliver, handled).await;
            assert!(response.batch_item_failures.is_empty(), "a message failed");
            delete.send().await.expect("an answer");
        }
    }

    /// An invocation of `sweep` by the schedule.
    pub(crate) async fn sweep(&self) {
        let swept = rung_sweep::handle(&self.sweeper);
        let swept = self.invoke(self.prices.memory_mb.sweep, swept).await;
        swept.expect("a whole sweep");
    }

    /// Goes to the next full minute, and hands out what has come due by then.
    pub(crate) async fn pass_minute(&self) {
        let next_ms = (self.clock.now_ms() / 60_000 + 1) * 60_000;
        self.clock.sleep_until_ms(next_ms).await;
        self.drain("retry").await;
    }

    /// Counts the bytes of log lines, written as on Lambda, until dropped.
    pub(crate) fn capture_logs(&self) -> DefaultGuard {
        tracing_subscriber::fmt()
            .with_target(false)
            .without_time()
            .json()
            .with_writer(Logs(
                self.meter.clone(),
                self.prices.assumed.log_event_bytes,
            ))
            .set_default()
    }

    /// Runs one invocation of a function with so much memory, and notes how long it would be billed for: the time it waited,
    /// and its processor time on its share of a processor.
    async fn invoke<T>(&self, memory_mb: u64, work: impl Future<Output = T>) -> T {
        let assumed = &self.prices.assumed;
        let (before, began, cpu_began) = (self.counts(), Instant::now(), cpu());
        let result = work.await;
        let used = cpu().saturating_sub(cpu_began);
        let mut counts = self.meter.counts();
        let elsewhere = counts.elsewhere_cpu.saturating_sub(before.elsewhere_cpu);
        let wire_us = (counts.sum(|calls| calls.count) - before.sum(|calls| calls.count))
            * assumed.sdk_call_cpu_us as f64
            + (counts.posts - before.posts) * assumed.post_cpu_us as f64;
        let cpu_s = used.saturating_sub(elsewhere).as_secs_f64() + wire_us / 1e6;
        let share = (memory_mb as f64 / assumed.full_cpu_mb as f64).min(1.0);
        let billed_ms = ((began.elapsed().as_secs_f64() + cpu_s / share) * 1000.0).ceil();
        counts.invocations += 1.0;
        counts.gb_s += memory_mb as f64 / 1024.0 * billed_ms / 1000.0;
        result
    }

    async fn call(&self, path: &str, body: &Value) {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("rung-tenant", "t")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let response = tower::ServiceExt::oneshot(self.router.clone(), request).await;
        let response = response.expect("an answer");
        let status = response.status();
        let answer = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("all of it");
        let answer = String::from_utf8_lossy(&answer);
        assert!(status.is_success(), "{path}: {status} {answer}");
        assert!(!answer.contains(r#""success":false"#), "{path}: {answer}");
    }
}

/// Receivers that answer by script.
struct Receivers {
    meter: Meter,
    wait: Duration,
    script: Script,
}

#[async_trait]
impl Transport for Receivers {
    async fn post(&self, _: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        let number = {
            let mut counts = self.meter.counts();
            counts.posts += 1.0;
            counts.posts as u64
        };
        tokio::time::sleep(self.wait).await;
        let status = StatusCode::from_u16((self.script)(number));
        // What receivers commonly send along; the log keeps it.
        let headers = [
            ("date", "Fri, 10 Oct 2025 12:30:00 GMT"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "15"),
            ("connection", "keep-alive"),
            ("server", "nginx"),
        ];
        let headers = headers.map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        Ok(Answer {
            status: status.expect("a status"),
            headers: HeaderMap::from_iter(headers),
            body: Bytes::from_static(br#"{"received":true}"#),
            body_complete: true,
        })
    }
}

/// Standard output of all functions, by its length.
#[derive(Clone)]
struct Logs(Meter, u64);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.0.counts().log_bytes += (bytes.len() as u64 + lines * self.1) as f64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logs {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

//! The functions, each environment a process of its own as on Lambda: nothing that others do at the same moment shares its calls.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode},
};
use bytes::Bytes;
use rung_api::Api;
use rung_base::clock::{Clock, VirtualClock};
use rung_core::{
    egress::{Answer, Transport},
    encryption::KeyRing,
    flow::{accept::Publisher, control::Control, deliver::Deliverer, post::Poster, sweep::Sweeper},
    limits::HANDLER_RESERVE,
    metrics::Metrics,
    queue::{Queue, Urls},
    store::Store,
};
use rung_dialect::Dialects;
use rung_local::app;
use rung_local_aws::{Aws, clients, connector::InProcess, sqs::queue_url};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::{Meter, Prices};

const ADMIN_KEY: &str = "admin";
const START_MS: u64 = 1_760_000_000_000;
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// A batch's time-out on Lambda.
const BATCH_TIME: Duration = Duration::from_secs(30);

/// What all functions stand on.
pub struct Deployment {
    /// The meter on all wires.
    pub meter: Meter,
    /// The ladder's clock.
    pub clock: Arc<dyn Clock>,
    prices: Arc<Prices>,
    sqs: aws_sdk_sqs::Client,
    dialects: Arc<Dialects>,
}

/// One process with the functions.
pub struct Environment {
    /// The HTTP functions.
    pub router: Router,
    /// The function `deliver`.
    pub deliverer: Deliverer,
    /// The function `sweep`.
    pub sweeper: Sweeper,
}

/// The functions that are billed by their own memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Publishing.
    Enqueue,
    /// Delivering.
    Deliver,
    /// Sweeping.
    Sweep,
}

impl Function {
    /// Its memory, in MB.
    #[must_use]
    pub fn memory_mb(self, prices: &Prices) -> u64 {
        match self {
            Self::Enqueue => prices.memory_mb.enqueue,
            Self::Deliver => prices.memory_mb.deliver,
            Self::Sweep => prices.memory_mb.sweep,
        }
    }

    /// Its share of a processor.
    #[must_use]
    pub fn share(self, prices: &Prices) -> f64 {
        (self.memory_mb(prices) as f64 / prices.assumed.full_cpu_mb as f64).min(1.0)
    }
}

/// A batch of a queue, as an event source hands it out.
pub struct Records {
    /// What the function gets.
    pub event: SqsEvent,
    handles: Vec<(String, String)>,
}

impl Deployment {
    /// A new table and empty queues; `dialect` is the file of one more dialect.
    pub async fn new(prices: &Arc<Prices>, dialect: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).expect("queues that agree");
        let meter = Meter::new(aws, Arc::clone(prices));
        let (_, sqs) = clients(InProcess::new(meter.clone()));
        let dialects = Dialects::builtin().with_file("own.toml", dialect);
        let deployment = Self {
            meter,
            clock,
            prices: Arc::clone(prices),
            sqs,
            dialects: Arc::new(dialects.expect("a dialect")),
        };
        let created = deployment.store(&deployment.meter).create_table().await;
        created.expect("a table");
        deployment
    }

    fn store(&self, wire: &Meter) -> Store {
        let (dynamodb, _) = clients(InProcess::new(wire.clone()));
        let clock = Arc::clone(&self.clock);
        Store::new(dynamodb, app::TABLE, KeyRing::of_tests(), clock, RETENTION)
    }

    /// Another process, whose way to receivers is `transport`. Each of its calls keeps its processor busy for `working`.
    pub fn environment(&self, transport: Arc<dyn Transport>, working: Duration) -> Environment {
        let wire = self.meter.of_process(working);
        let store = self.store(&wire);
        let (_, sqs) = clients(InProcess::new(wire));
        let urls = Urls {
            deliver: queue_url("deliver"),
            retry: queue_url("retry"),
            dead: queue_url("deliver-dead"),
            retry_dead: queue_url("retry-dead"),
        };
        let queue = Queue::new(&sqs, &urls);
        let (clock, dialects) = (&self.clock, &self.dialects);
        let metrics = |function| Metrics::to(Box::new(self.logs()), function, 0, Arc::clone(clock));
        let publisher = Publisher::new(
            store.clone(),
            queue.clone(),
            Arc::clone(dialects),
            Arc::clone(clock),
        )
        .with_metrics(metrics("rung-enqueue"));
        let api = Api::new(
            store.clone(),
            Arc::clone(dialects),
            Arc::clone(clock),
            ADMIN_KEY,
            true,
        );
        let control = Control::new(
            store.clone(),
            queue.clone(),
            Arc::clone(dialects),
            Arc::clone(clock),
            publisher.clone(),
        );
        let poster = Poster::new(transport, Arc::clone(clock));
        let routes = rung_subscriptions::routes(api.clone(), control.clone(), poster.clone());
        let deliverer = Deliverer::new(control, poster, metrics("rung-deliver"));
        let sweeper = Sweeper {
            store,
            queue,
            clock: Arc::clone(clock),
            metrics: metrics("rung-sweep"),
        };
        let room = rung_enqueue::Room::default();
        let routes = routes.merge(rung_enqueue::routes(api, publisher, room));
        Environment {
            router: rung_api::router(routes),
            deliverer,
            sweeper,
        }
    }

    /// Standard output of all functions, by its length.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs(self.meter.clone(), self.prices.assumed.log_event_bytes)
    }

    /// A batch of up to ten messages of a queue, if any come within `wait_s` seconds.
    pub async fn receive(&self, queue: &str, wait_s: i32) -> Option<Records> {
        let receive = self.sqs.receive_message().queue_url(queue_url(queue));
        let receive = receive
            .max_number_of_messages(10)
            .wait_time_seconds(wait_s)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let messages = receive.send().await.expect("an answer").messages;
        let mut records = Records {
            event: SqsEvent::default(),
            handles: Vec::new(),
        };
        for message in messages.unwrap_or_default() {
            let id = message.message_id.clone().unwrap_or_default();
            let handle = message.receipt_handle.unwrap_or_default();
            records.handles.push((id, handle));
            let mut record = SqsMessage::default();
            record.message_id = message.message_id;
            record.body = message.body;
            let attributes = message.attributes.into_iter().flatten();
            record.attributes = attributes
                .map(|(name, value)| (name.as_str().to_owned(), value))
                .collect();
            records.event.records.push(record);
        }
        (!records.handles.is_empty()).then_some(records)
    }

    /// Deletes what the function has done of a batch; the rest is handed out again.
    pub async fn delete(
        &self,
        queue: &str,
        handles: Vec<(String, String)>,
        response: &SqsBatchResponse,
    ) {
        let failed = |id: &str| {
            let mut failures = response.batch_item_failures.iter();
            failures.any(|failure| failure.item_identifier == id)
        };
        let mut delete = self.sqs.delete_message_batch().queue_url(queue_url(queue));
        let mut entries = 0;
        for (id, handle) in handles {
            if failed(&id) {
                continue;
            }
            let entry = DeleteMessageBatchRequestEntry::builder().id(entries.to_string());
            let entry = entry.receipt_handle(handle).build();
            delete = delete.entries(entry.expect("an entry"));
            entries += 1;
        }
        if entries > 0 {
            delete.send().await.expect("an answer");
        }
    }
}

impl Records {
    /// The batch, and what it is deleted by.
    #[must_use]
    pub fn into_parts(self) -> (SqsEvent, Vec<(String, String)>) {
        (self.event, self.handles)
    }
}

impl Environment {
    /// An answer of the HTTP functions to the operator's call about a tenant, or, without one, about the deployment.
    pub async fn call<'t>(
        &self,
        method: &str,
        path: &str,
        tenant: impl Into<Option<&'t str>>,
        body: &Value,
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"));
        if let Some(tenant) = tenant.into() {
            request = request.header("rung-tenant", tenant);
        }
        let request = request
            .body(if body.is_null() {
                Body::empty()
            } else {
                Body::from(body.to_string())
            })
            .expect("a request");
        let response = tower::ServiceExt::oneshot(self.router.clone(), request).await;
        let response = response.expect("an answer");
        let status = response.status();
        let answer = to_bytes(response.into_body(), usize::MAX).await;
        (status, answer.expect("all of it").to_vec())
    }

    /// The same, which must succeed.
    pub async fn done<'t>(
        &self,
        method: &str,
        path: &str,
        tenant: impl Into<Option<&'t str>>,
        body: &Value,
    ) {
        let (status, answer) = self.call(method, path, tenant, body).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(status.is_success(), "{path}: {status} {answer}");
        assert!(!answer.contains(r#""success":false"#), "{path}: {answer}");
    }

    /// An invocation of `deliver`.
    pub async fn deliver(&self, event: SqsEvent) -> SqsBatchResponse {
        rung_deliver::handle(&self.deliverer, event, BATCH_TIME - HANDLER_RESERVE).await
    }
}

/// What a receiver commonly answers; the log keeps it.
#[must_use]
pub fn answer(status: u16) -> Answer {
    let headers = [
        ("date", "Fri, 10 Oct 2025 12:30:00 GMT"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", "15"),
        ("connection", "keep-alive"),
        ("server", "nginx"),
    ];
    let headers = headers.map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::from_iter(headers),
        body: Bytes::from_static(br#"{"received":true}"#),
        body_complete: true,
    }
}

/// Standard output of all functions, by its length.
#[derive(Clone)]
pub struct Logs(Meter, u64);

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

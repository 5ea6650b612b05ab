//! The Lambda runtime API, as far as a function needs it: the next event, and the answer to it.

use std::{
    path::Path as FilePath,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use rung_base::clock::{Clock as _, SystemClock};
use rung_local_aws::sqs::queue_url;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc, watch},
    task::AbortHandle,
};

use super::{ADMIN_KEY, ENCRYPTION_KEY, services::Services};
use crate::{Output, Secrets, proxy::Proxy};

/// How long an answer may take before something is surely wrong.
const PATIENCE: Duration = Duration::from_secs(60);

struct Exchange {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Result<Value, Value>>,
    /// When the function asked for an event the first time.
    asked: watch::Sender<Option<Instant>>,
}

/// A function's process, until dropped. Then it must have written nothing that it was given in confidence, and have asked none of
/// the proxies that its environment names.
pub struct Function {
    events: mpsc::UnboundedSender<String>,
    answers: Mutex<mpsc::UnboundedReceiver<Result<Value, Value>>>,
    server: AbortHandle,
    started: Instant,
    asked: watch::Receiver<Option<Instant>>,
    output: Output,
    secrets: Secrets,
    process: Child,
    /// The last field: the process has ended when this looks who has asked.
    _proxy: Proxy,
}

impl Function {
    /// Starts a binary called `lambda-NAME` or `rung-NAME` as the function of that name. It logs more than any operator would have it log.
    pub async fn start(binary: impl AsRef<FilePath>, aws: &Services) -> Self {
        Self::spawn(binary.as_ref(), &aws.endpoint, "debug").await
    }

    /// The same with the services at another URL.
    pub async fn start_at(binary: impl AsRef<FilePath>, endpoint: &str) -> Self {
        Self::spawn(binary.as_ref(), endpoint, "debug").await
    }

    /// The same, logging what it logs when deployed.
    pub async fn start_as_deployed(binary: impl AsRef<FilePath>, aws: &Services) -> Self {
        Self::spawn(binary.as_ref(), &aws.endpoint, "info").await
    }

    async fn spawn(binary: &FilePath, endpoint: &str, log_level: &str) -> Self {
        let stem = binary.file_stem().and_then(|stem| stem.to_str());
        let (_, name) = stem.and_then(|stem| stem.split_once('-')).expect("a name");
        let ((events, given), (answers, taken)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (ask, asked) = watch::channel(None);
        let exchange = Arc::new(Exchange {
            events: Mutex::new(given),
            answers,
            asked: ask,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(answered),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(exchange);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        let started = Instant::now();
        let proxy = Proxy::start();
        let mut command = Command::new(binary);
        command.env_clear().envs(proxy.environment()).envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "rung"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "rung"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", name),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("RUNG_TABLE", "rung"),
            ("RUNG_DELIVER_URL", &queue_url("deliver")),
            ("RUNG_RETRY_URL", &queue_url("retry")),
            ("RUNG_DEAD_URL", &queue_url("deliver-dead")),
            ("RUNG_RETRY_DEAD_URL", &queue_url("retry-dead")),
            ("RUNG_EVENTS_DEAD_URL", &queue_url("events-dead")),
            ("RUNG_ADMIN_KEY", ADMIN_KEY),
            ("RUNG_STRICT", "false"),
            ("AWS_LAMBDA_LOG_LEVEL", log_level),
        ]);
        // As the template has it: the others never see a secret.
        if ["subscriptions", "deliver"].contains(&name) {
            command.env("RUNG_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        }
        let (output, secrets) = (Output::default(), Secrets::default());
        let process = output.attach(command);
        secrets.keep(ADMIN_KEY);
        secrets.keep(ENCRYPTION_KEY);
        Self {
            events,
            answers: Mutex::new(taken),
            server,
            started,
            asked,
            output,
            secrets,
            process,
            _proxy: proxy,
        }
    }

    /// How long it took from its start until it asked for its first event.
    pub async fn start_up(&self) -> Duration {
        let mut asked = self.asked.clone();
        let asked = tokio::time::timeout(PATIENCE, asked.wait_for(Option::is_some));
        let asked = asked.await.expect("it asks").expect("the API is there");
        asked.unwrap_or(self.started) - self.started
    }

    /// The most memory it has had at a time, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id().expect("it runs"));
        let status = std::fs::read_to_string(path).expect("a /proc");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse().ok()).expect("its peak")
    }

    /// Hands the function an event; its answer.
    pub async fn invoke(&self, event: &Value) -> Value {
        self.try_invoke(event).await.expect("the function failed")
    }

    /// Hands the function an event; its answer, or the error that it reports.
    pub async fn try_invoke(&self, event: &Value) -> Result<Value, Value> {
        for body in bodies(event) {
            self.secrets.keep_of_request(&body);
        }
        self.events.send(event.to_string()).unwrap();
        let answer =
            tokio::time::timeout(PATIENCE, async { self.answers.lock().await.recv().await });
        let answer = answer
            .await
            .expect("no answer")
            .expect("the function is gone");
        for body in answer.iter().flat_map(bodies) {
            self.secrets.keep_of_answer(&body);
        }
        answer
    }
}

/// The bodies of an event or answer of HTTP, or of the deliveries in an event of SQS.
fn bodies(event: &Value) -> Vec<Vec<u8>> {
    let records = event["Records"].as_array().into_iter().flatten();
    let carried = records.filter_map(|record| {
        let message: Value = serde_json::from_str(record["body"].as_str()?).ok()?;
        let body = message["b"]["b"].as_str()?.trim_end_matches('=');
        STANDARD_NO_PAD.decode(body).ok()
    });
    let own = event["body"].as_str().map(|body| body.as_bytes().to_vec());
    carried.chain(own).collect()
}

impl Drop for Function {
    fn drop(&mut self) {
        // Before the API is gone: a function that finds itself without one complains. One that has ended needs no end.
        let _ = self.process.start_kill();
        self.server.abort();
        self.output.end(&mut self.process);
        let written = self.output.text();
        if std::thread::panicking() {
            eprintln!("--- the function wrote ---\n{written}--------------------------");
        } else {
            self.secrets.assert_not_in(&written);
        }
    }
}

async fn next(State(exchange): State<Arc<Exchange>>) -> Response {
    let now = Some(Instant::now());
    exchange.asked.send_if_modified(|asked| {
        let first = asked.is_none();
        *asked = asked.or(now);
        first
    });
    let Some(event) = exchange.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline_ms = SystemClock.wall_ms() + PATIENCE.as_millis() as u64;
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        ),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:rung".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned(),
        ),
    ];
    let headers: HeaderMap = headers
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .into_iter()
        .collect();
    (headers, event).into_response()
}

async fn answered(
    State(exchange): State<Arc<Exchange>>,
    Path(_): Path<String>,
    body: Bytes,
) -> StatusCode {
    exchange.answers.send(Ok(json(&body))).ok();
    StatusCode::ACCEPTED
}

async fn failed(State(exchange): State<Arc<Exchange>>, body: Bytes) -> StatusCode {
    exchange.answers.send(Err(json(&body))).ok();
    StatusCode::ACCEPTED
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("the runtime speaks JSON")
}

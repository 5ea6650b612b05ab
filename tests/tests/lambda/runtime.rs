//! The Lambda runtime API, as far as a function needs it: the next event, and the answer to it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use rung_local::aws::sqs::queue_url;
use rung_shared::clock::{Clock as _, SystemClock};
use rung_tests::{Output, Secrets};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use crate::{ADMIN_KEY, aws::Services};

/// How long an answer may take before something is surely wrong.
const PATIENCE: Duration = Duration::from_secs(60);

struct Exchange {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Result<Value, Value>>,
}

/// A function's process, until dropped. Then it must have written nothing that it was given in confidence.
pub(crate) struct Function {
    events: mpsc::UnboundedSender<String>,
    answers: Mutex<mpsc::UnboundedReceiver<Result<Value, Value>>>,
    server: AbortHandle,
    output: Output,
    secrets: Secrets,
    process: Child,
}

impl Function {
    pub(crate) async fn start(binary: &str, aws: &Services) -> Self {
        let ((events, given), (answers, taken)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let exchange = Arc::new(Exchange {
            events: Mutex::new(given),
            answers,
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
        let mut command = Command::new(binary);
        command.env_clear().envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "rung"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "rung"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "rung"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", &aws.endpoint),
            ("RUNG_TABLE", "rung"),
            ("RUNG_DELIVER_URL", &queue_url("deliver")),
            ("RUNG_RETRY_URL", &queue_url("retry")),
            ("RUNG_DEAD_URL", &queue_url("deliver-dead")),
            ("RUNG_ADMIN_KEY", ADMIN_KEY),
            ("RUNG_STRICT", "false"),
            // More than any operator would have.
            ("RUST_LOG", "debug"),
        ]);
        let (output, secrets) = (Output::default(), Secrets::default());
        let process = output.attach(command);
        secrets.keep(ADMIN_KEY);
        Self {
            events,
            answers: Mutex::new(taken),
            server,
            output,
            secrets,
            process,
        }
    }

    /// Hands the function an event; its answer.
    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        self.try_invoke(event).await.expect("the function failed")
    }

    /// Hands the function an event; its answer, or the error that it reports.
    pub(crate) async fn try_invoke(&self, event: &Value) -> Result<Value, Value> {
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
    let answer = serde_json::from_slice(&body).map_err(|error| error.to_string());
    exchange.answers.send(answer).ok();
    StatusCode::ACCEPTED
}

async fn failed(State(exchange): State<Arc<Exchange>>, body: Bytes) -> StatusCode {
    exchange
        .answers
        .send(Err(String::from_utf8_lossy(&body).into_owned()))
        .ok();
    StatusCode::ACCEPTED
}

//! DynamoDB and SQS on a port of this machine, as the functions' standard settings reach them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, response::IntoResponse};
use http::{HeaderMap, StatusCode};
use rung_base::clock::{Clock, SystemClock};
use rung_core::{encryption::KeyRing, store::Store};
use rung_local::app;
use rung_local_aws::{Aws, Response, connector::InProcess, sqs::queue_url};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::Policies;

/// The services, until dropped. They refuse what the template's policies do not allow, and a test in which they had to fails.
pub struct Services {
    pub(super) endpoint: String,
    door: Arc<Door>,
    sqs: aws_sdk_sqs::Client,
    server: AbortHandle,
}

struct Door {
    aws: Aws,
    refused: Mutex<Vec<String>>,
    /// What was sent with attributes, which the services here refuse.
    letters: Mutex<Vec<Value>>,
}

impl Services {
    /// Starts them empty, with the table and the queues.
    pub async fn start() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).unwrap();
        let (dynamodb, sqs) = rung_local_aws::clients(InProcess::new(aws.clone()));
        Store::new(
            dynamodb,
            "rung",
            KeyRing::empty(),
            clock,
            Duration::from_secs(86_400),
        )
        .create_table()
        .await
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let door = Arc::new(Door {
            aws,
            refused: Mutex::default(),
            letters: Mutex::default(),
        });
        let router = Router::new()
            .fallback(dispatch)
            .with_state(Arc::clone(&door));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self {
            endpoint,
            door,
            sqs,
            server,
        }
    }

    /// Takes the messages that were sent to a queue with attributes, as the calls that sent them.
    pub fn letters(&self, queue: &str) -> Vec<Value> {
        let mut letters = self.door.letters.lock().unwrap();
        let of_queue = |letter: &mut Value| letter["QueueUrl"] == queue_url(queue);
        letters.extract_if(.., of_queue).collect()
    }

    /// The messages of a queue as the event that its event source would make of them. They stay deleted.
    pub async fn receive(&self, queue: &str) -> Value {
        let url = queue_url(queue);
        let received = self
            .sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .send()
            .await
            .unwrap();
        let mut records = Vec::new();
        for message in received.messages.unwrap_or_default() {
            let handle = message.receipt_handle.unwrap();
            self.sqs
                .delete_message()
                .queue_url(&url)
                .receipt_handle(handle)
                .send()
                .await
                .unwrap();
            records.push(json!({
                "messageId": message.message_id,
                "body": message.body,
                "attributes": { "ApproximateReceiveCount": "1" },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }));
        }
        json!({ "Records": records })
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.server.abort();
        if !std::thread::panicking() {
            assert_eq!(*self.door.refused.lock().unwrap(), Vec::<String>::new());
        }
    }
}

/// Whether a call sends a message with attributes.
fn has_attributes(target: &str, body: &[u8]) -> bool {
    let asked = |body| serde_json::from_slice::<Value>(body).unwrap();
    target == "AmazonSQS.SendMessage" && asked(body)["MessageAttributes"].is_object()
}

async fn dispatch(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let header = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let target = header("x-amz-target");
    // A function's access key is its name.
    let credential = header("authorization").split("Credential=").nth(1);
    let function = credential.and_then(|credential| credential.split('/').next());
    let function = function.expect("the SDK signs what goes over a wire");
    let response = match Policies::of_template().check(function, target, &body) {
        Ok(()) if has_attributes(target, &body) => {
            let letter = serde_json::from_slice(&body).unwrap();
            door.letters.lock().unwrap().push(letter);
            Response::ok(br#"{"MessageId":"letter"}"#.to_vec())
        }
        Ok(()) => door.aws.dispatch(target, &body).await,
        Err(sentence) => {
            let body = json!({"__type": "AccessDeniedException", "message": sentence});
            door.refused.lock().unwrap().push(sentence);
            Response {
                status: 400,
                query_error: None,
                body: body.to_string().into_bytes(),
            }
        }
    };
    let mut answer = HeaderMap::new();
    if let Some(error) = response.query_error {
        answer.insert("x-amzn-query-error", error.parse().unwrap());
    }
    (
        StatusCode::from_u16(response.status).unwrap(),
        answer,
        response.body,
    )
}

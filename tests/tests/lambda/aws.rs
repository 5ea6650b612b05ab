//! DynamoDB and SQS on a port of this machine, as the functions' standard settings reach them.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::State, response::IntoResponse};
use http::{HeaderMap, StatusCode};
use rung_local::{
    app,
    aws::{self, Aws, connector::InProcess, sqs::queue_url},
};
use rung_shared::{
    clock::{Clock, SystemClock},
    store::Store,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

/// The services, until dropped.
pub(crate) struct Services {
    pub(crate) endpoint: String,
    sqs: aws_sdk_sqs::Client,
    server: AbortHandle,
}

impl Services {
    pub(crate) async fn start() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).unwrap();
        let (dynamodb, sqs) = aws::clients(InProcess::new(aws.clone()));
        Store::new(dynamodb, "rung", clock, Duration::from_secs(86_400))
            .create_table()
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(dispatch).with_state(aws);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
            .abort_handle();
        Self {
            endpoint,
            sqs,
            server,
        }
    }

    /// The messages of a queue as the event that its event source would make of them. They stay deleted.
    pub(crate) async fn receive(&self, queue: &str) -> Value {
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
    }
}

async fn dispatch(State(aws): State<Aws>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let response = aws.dispatch(target, &body).await;
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

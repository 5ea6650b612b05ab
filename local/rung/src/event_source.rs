//! What an SQS event source does for a Lambda function: receives batches, hands them to the handler, several at once, and
//! deletes what the handler does not report as failed. The rest becomes visible again by itself, and in the end goes to the
//! dead letters.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::{
    Client,
    error::DisplayErrorContext,
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

/// Records of one batch.
const BATCH: u8 = 10;
/// How long a receive waits for a message, in seconds.
const WAIT_S: i32 = 20;

/// An event source on one queue.
pub(crate) struct EventSource {
    pub(crate) client: Client,
    pub(crate) queue_url: String,
    /// Messages handled at once.
    pub(crate) concurrency: usize,
}

impl EventSource {
    /// Runs until `stop` says so; then the batches under way are finished.
    pub(crate) async fn run<F>(
        self,
        handler: impl Fn(SqsEvent) -> F,
        mut stop: watch::Receiver<bool>,
    ) where
        F: Future<Output = SqsBatchResponse> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(self.concurrency));
        let mut batches = JoinSet::new();
        loop {
            let received = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                received = self.receive(&permits) => received,
            };
            while batches.try_join_next().is_some() {}
            let Some((messages, permit)) = received else {
                continue;
            };
            let (client, queue_url) = (self.client.clone(), self.queue_url.clone());
            let event = event_of(&messages);
            let handled = handler(event);
            batches.spawn(async move {
                let response = handled.await;
                delete(&client, &queue_url, messages, &response).await;
                drop(permit);
            });
        }
        while batches.join_next().await.is_some() {}
    }

    /// A batch, once there is one and room for it. Messages count, not batches: where they come one by one and each takes
    /// long, batches are many and small.
    async fn receive(
        &self,
        permits: &Arc<Semaphore>,
    ) -> Option<(Vec<Message>, OwnedSemaphorePermit)> {
        let most = Arc::clone(permits).acquire_many_owned(BATCH.into());
        let mut most = most.await.ok()?;
        // What was begun comes first: a batch begun before others go on would not end sooner, and whoever's message comes next would
        // wait for all of them.
        tokio::task::yield_now().await;
        let received = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(BATCH.into())
            .wait_time_seconds(WAIT_S)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await;
        match received {
            Ok(answer) => {
                let messages = answer.messages.unwrap_or_default();
                let permit = most.split(messages.len())?;
                (!messages.is_empty()).then_some((messages, permit))
            }
            Err(error) => {
                tracing::error!(error = %DisplayErrorContext(&error), "cannot receive");
                tokio::time::sleep(Duration::from_secs(1)).await;
                None
            }
        }
    }
}

fn event_of(messages: &[Message]) -> SqsEvent {
    let records = messages.iter().map(|message| {
        let mut record = SqsMessage::default();
        record.message_id.clone_from(&message.message_id);
        record.body.clone_from(&message.body);
        record.attributes = message
            .attributes
            .iter()
            .flatten()
            .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
            .collect();
        record
    });
    let mut event = SqsEvent::default();
    event.records = records.collect();
    event
}

async fn delete(
    client: &Client,
    queue_url: &str,
    messages: Vec<Message>,
    response: &SqsBatchResponse,
) {
    let failed: HashSet<_> = response
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect();
    let entries: Vec<_> = messages
        .into_iter()
        .filter(|message| !failed.contains(message.message_id.as_deref().unwrap_or_default()))
        .enumerate()
        .filter_map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry
                .set_receipt_handle(message.receipt_handle)
                .build()
                .ok()
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    // What is not deleted is handed out again, and found in the log then.
    if let Err(error) = client
        .delete_message_batch()
        .queue_url(queue_url)
        .set_entries(Some(entries))
        .send()
        .await
    {
        tracing::error!(error = %DisplayErrorContext(&error), "cannot delete");
    }
}

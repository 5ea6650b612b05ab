//! Dead letters: looked at, and sent round again.
//!
//! SQS has no list of a queue's messages. Looking means receiving, and what is received is hidden from others for a while: so
//! what is shown is a sample, and what was just shown is not moved.

use aws_sdk_sqs::{
    error::DisplayErrorContext,
    types::{Message as Received, MessageSystemAttributeName, QueueAttributeName},
};
use futures_util::future::try_join_all;

use super::{Queue, QueueError, QueueName};
use crate::{domain::message::Message, limits::QUEUE_BATCH};

/// How long a dead letter is hidden when it is looked at, in seconds.
const LOOKING_S: i32 = 5;
/// How long one is hidden while it is moved, in seconds.
const MOVING_S: i32 = 60;

/// A message that nobody could handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Of which queue.
    pub queue: QueueName,
    /// The queue's name for it.
    pub message_id: String,
    /// What it says; `None` when that is none of Rung's messages.
    pub message: Option<Message>,
    /// How often it was received.
    pub receives: u32,
    /// When it was sent, in milliseconds.
    pub sent_ms: u64,
}

/// What came of moving dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redriven {
    /// How many went back to their queue.
    pub moved: usize,
    /// How many were none of Rung's messages, and stay.
    pub unknown: usize,
}

impl Queue {
    /// About how many dead letters of a queue there are, hidden ones included.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn count_dead(&self, queue: QueueName) -> Result<u64, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.client.get_queue_attributes();
        let asked = asked
            .queue_url(self.dead_url(queue))
            .set_attribute_names(Some(names.to_vec()));
        let counts = asked.send().await.map_err(|error| fault(&error))?;
        let counts = counts.attributes.unwrap_or_default();
        let count = |name| counts.get(name).and_then(|count| count.parse::<u64>().ok());
        Ok(names.iter().filter_map(count).sum())
    }

    /// Up to `limit` dead letters of a queue, in no order. For some seconds they are hidden then.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn look_at_dead(
        &self,
        queue: QueueName,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let mut seen = Vec::new();
        while seen.len() < limit {
            let most = (limit - seen.len()).min(QUEUE_BATCH);
            let received = self.receive_dead(queue, most, LOOKING_S).await?;
            if received.is_empty() {
                break;
            }
            seen.extend(received.iter().map(|received| dead_letter(queue, received)));
        }
        Ok(seen)
    }

    /// Sends up to ten dead letters of a queue round again, and takes away those that the queue has taken; `None` when there
    /// are none, or all are hidden. One that is moved twice finds its chain ahead.
    ///
    /// # Errors
    /// When SQS does not answer; what was not moved is still there.
    pub async fn redrive(&self, queue: QueueName) -> Result<Option<Redriven>, QueueError> {
        let received = self.receive_dead(queue, QUEUE_BATCH, MOVING_S).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let mut known = Vec::with_capacity(received.len());
        let mut messages = Vec::with_capacity(received.len());
        for letter in &received {
            if let Ok(message) = Message::parse(letter.body.as_deref().unwrap_or_default()) {
                known.push(letter);
                messages.push((message, 0));
            }
        }
        self.send_every(queue, &messages).await?;
        self.delete_dead(queue, &known).await?;
        Ok(Some(Redriven {
            moved: known.len(),
            unknown: received.len() - known.len(),
        }))
    }

    async fn receive_dead(
        &self,
        queue: QueueName,
        most: usize,
        hidden_s: i32,
    ) -> Result<Vec<Received>, QueueError> {
        let asked = self.client.receive_message();
        let asked = asked
            .queue_url(self.dead_url(queue))
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .visibility_timeout(hidden_s)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let received = asked.send().await.map_err(|error| fault(&error))?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn delete_dead(
        &self,
        queue: QueueName,
        messages: &[&Received],
    ) -> Result<(), QueueError> {
        let deleted = messages.iter().map(|message| {
            let asked = self.client.delete_message();
            asked
                .queue_url(self.dead_url(queue))
                .set_receipt_handle(message.receipt_handle.clone())
                .send()
        });
        let deleted = try_join_all(deleted).await;
        deleted.map(drop).map_err(|error| fault(&error))
    }

    fn dead_url(&self, queue: QueueName) -> &str {
        match queue {
            QueueName::Deliver => &self.urls.dead,
            QueueName::Retry => &self.urls.retry_dead,
        }
    }
}

fn dead_letter(queue: QueueName, received: &Received) -> DeadLetter {
    let attribute = |name| received.attributes.as_ref()?.get(&name)?.parse().ok();
    let body = received.body.as_deref().unwrap_or_default();
    DeadLetter {
        queue,
        message_id: received.message_id.clone().unwrap_or_default(),
        message: Message::parse(body).ok(),
        receives: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count: u64| u32::try_from(count).ok())
            .unwrap_or_default(),
        sent_ms: attribute(MessageSystemAttributeName::SentTimestamp).unwrap_or_default(),
    }
}

fn fault(error: &impl std::error::Error) -> QueueError {
    QueueError(DisplayErrorContext(error).to_string().into())
}

//! The dead letters of the queue that events are published through, as far as `enqueue` writes them itself.

use std::sync::Arc;

use aws_sdk_sqs::{Client, error::DisplayErrorContext, types::MessageAttributeValue};

use super::QueueError;

/// Where messages go whose events are refused for good.
#[derive(Debug, Clone)]
pub struct RefusedEvents {
    client: Client,
    url: Arc<str>,
}

impl RefusedEvents {
    /// The queue at `url`, reached by `client`.
    #[must_use]
    pub fn new(client: &Client, url: &str) -> Self {
        Self {
            client: client.clone(),
            url: url.into(),
        }
    }

    /// Keeps a message as it came, with these attributes. SQS knows no empty ones, so those are left out.
    ///
    /// # Errors
    /// When SQS cannot be reached or refuses it.
    pub async fn keep(&self, body: &str, attributes: &[(&str, &str)]) -> Result<(), QueueError> {
        let mut letter = self
            .client
            .send_message()
            .queue_url(&*self.url)
            .message_body(body);
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            let attribute = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(*value)
                .build()
                .map_err(|fault| QueueError(fault.to_string().into()))?;
            letter = letter.message_attributes(*name, attribute);
        }
        let sent = letter.send().await;
        sent.map(drop)
            .map_err(|fault| QueueError(DisplayErrorContext(&fault).to_string().into()))
    }
}

//! SNS: the operator's topic, which hears what befalls webhooks.

use std::sync::Arc;

use aws_sdk_sns::{
    Client,
    error::{BuildError, DisplayErrorContext, SdkError},
    operation::publish::PublishError,
    types::MessageAttributeValue,
};
use serde::Serialize;
use serde_json::Value;

use crate::domain::{id::EventId, time::Time};

/// Why a topic was not told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopicError {
    /// SNS could not be reached, or not now, or the function may not publish. Nothing is known of whether the topic was told.
    #[error("SNS: {0}")]
    Unavailable(Arc<str>),
    /// There is no such topic, or none that takes this. Telling it again changes nothing.
    #[error("SNS: {0}")]
    Refused(Arc<str>),
}

impl<R: std::fmt::Debug> From<SdkError<PublishError, R>> for TopicError {
    fn from(error: SdkError<PublishError, R>) -> Self {
        let text = DisplayErrorContext(&error).to_string().into();
        match error.as_service_error() {
            Some(
                PublishError::NotFoundException(_) | PublishError::InvalidParameterException(_),
            ) => Self::Refused(text),
            _ => Self::Unavailable(text),
        }
    }
}

impl From<BuildError> for TopicError {
    fn from(error: BuildError) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// An event as the topic's subscribers read it: what a webhook in the dialect `standard` is sent, and the id beside it.
#[derive(Debug, Serialize)]
pub struct TopicMessage<'a> {
    /// The same whenever it is told again.
    pub id: &'a EventId,
    /// Its type, which is an attribute of the message too: subscriptions can filter by it.
    pub r#type: &'static str,
    /// When it happened.
    pub timestamp: Time,
    /// What happened.
    pub data: &'a Value,
}

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: Arc<str>,
}

impl Topic {
    /// The topic of this ARN, reached by `client`.
    #[must_use]
    pub fn new(client: Client, arn: &str) -> Self {
        Self {
            client,
            arn: arn.into(),
        }
    }

    /// Tells the topic's subscribers. SNS may tell some of them more than once.
    ///
    /// # Errors
    /// When SNS cannot be reached or refuses.
    pub async fn publish(&self, notice: &TopicMessage<'_>) -> Result<(), TopicError> {
        let text = serde_json::to_string(notice).expect("a notice has string keys only");
        let event_type = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(notice.r#type)
            .build()?;
        let publish = self.client.publish().topic_arn(&*self.arn).message(text);
        publish
            .message_attributes("type", event_type)
            .send()
            .await?;
        Ok(())
    }
}

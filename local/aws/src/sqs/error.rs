//! The errors that SQS answers with: codes and messages of the service's API reference.

use serde_json::json;

use crate::Response;

/// The most entries in a batch, and messages in one receive.
pub(super) const MAX_BATCH_ENTRIES: usize = 10;
/// The size of a message body, and of all bodies of a batch.
pub(super) const MAX_BATCH_BYTES: usize = 1 << 20;

/// Why a request, or one entry of a batch, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    #[error("Value {value} for parameter {parameter} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        parameter: &'static str,
        value: String,
        reason: String,
    },
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    #[error("There should be at least one entry in the request.")]
    EmptyBatchRequest,
    #[error("Maximum number of entries per request are {MAX_BATCH_ENTRIES}. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    #[error(
        "Batch requests cannot be longer than {MAX_BATCH_BYTES} bytes. You have sent {0} bytes."
    )]
    BatchRequestTooLong(usize),
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    #[error("The message referred to is not in flight.")]
    MessageNotInflight,
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    #[error("{0} is not supported here.")]
    UnsupportedOperation(&'static str),
    #[error("The request is no valid JSON of this operation: {0}")]
    Serialization(String),
    #[error("The message could not be stored or read.")]
    Internal,
}

impl Error {
    /// The code that a client sees.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::MissingParameter(_) => "MissingParameter",
            Self::InvalidParameterValue { .. } => "InvalidParameterValue",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest(_) => {
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
            }
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::BatchEntryIdsNotDistinct(_) => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong(_) => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::InvalidAttributeName(_) => "InvalidAttributeName",
            Self::UnsupportedOperation(_) => "AWS.SimpleQueueService.UnsupportedOperation",
            Self::Serialization(_) => "SerializationException",
            Self::Internal => "InternalFailure",
        }
    }

    /// Whether the sender is to blame, or the service.
    pub(super) fn is_senders(&self) -> bool {
        !matches!(self, Self::Internal)
    }

    /// The error's name in the JSON protocol.
    fn shape(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::MissingParameter(_) => {
                "com.amazon.coral.service#MissingRequiredParameterException"
            }
            Self::InvalidParameterValue { .. } => {
                "com.amazon.coral.service#InvalidParameterValueException"
            }
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest(_) => {
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest"
            }
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::BatchEntryIdsNotDistinct(_) => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong(_) => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::ReceiptHandleIsInvalid => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::InvalidAttributeName(_) => "com.amazonaws.sqs#InvalidAttributeName",
            Self::UnsupportedOperation(_) => "com.amazonaws.sqs#UnsupportedOperation",
            Self::Serialization(_) => "com.amazon.coral.service#SerializationException",
            Self::Internal => "com.amazon.coral.service#InternalFailure",
        }
    }

    /// The answer to a request that failed as a whole.
    pub(super) fn response(&self) -> Response {
        let (status, fault) = if self.is_senders() {
            (400, "Sender")
        } else {
            (500, "Receiver")
        };
        let body = json!({"__type": self.shape(), "message": self.to_string()});
        Response {
            status,
            query_error: Some(format!("{};{fault}", self.code())),
            body: body.to_string().into_bytes(),
        }
    }
}

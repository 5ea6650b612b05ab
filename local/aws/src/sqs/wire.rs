//! What goes over the wire: the AWS JSON 1.0 shapes of the SQS API reference, and the checks that
//! need nothing but the request.
//!
//! `MD5OfMessageBody` is left out of the answers: the SDK for Rust does not look at it.

use std::{borrow::Cow, ops::RangeInclusive, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::{Error, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES},
    queue::{Message, Receipt},
};

/// The longest delay of a message.
pub(super) const MAX_DELAY_S: u64 = 900;
/// The longest visibility time-out a request may ask for.
const MAX_VISIBILITY_S: u64 = 43_200;
/// The longest a receive may wait.
const MAX_WAIT_S: u64 = 20;
/// The longest id of an entry in a batch.
const MAX_ENTRY_ID_BYTES: usize = 80;
/// The longest group id.
const MAX_GROUP_BYTES: usize = 128;

/// Reads a request, whose strings stay in `body` where they can.
pub(super) fn read<'a, R: Deserialize<'a>>(body: &'a [u8]) -> Result<R, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Serialization(error.to_string()))
}

/// What of a message a sender may say, in `SendMessage` and in an entry of `SendMessageBatch`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send<'a> {
    /// Of a whole request only.
    #[serde(borrow, default)]
    pub(super) queue_url: Cow<'a, str>,
    /// Of an entry only.
    #[serde(borrow, default)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) message_body: Cow<'a, str>,
    #[serde(default)]
    delay_seconds: i64,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    #[serde(default)]
    message_attributes: Map<String, Value>,
    #[serde(default)]
    message_system_attributes: Map<String, Value>,
}

/// A message that may be sent.
pub(super) struct Accepted<'a> {
    pub(super) body: &'a str,
    pub(super) delay_ms: u64,
    /// Empty if there is none.
    pub(super) group: &'a str,
}

impl Send<'_> {
    pub(super) fn check(&self) -> Result<Accepted<'_>, Error> {
        let body = self.message_body.as_ref();
        if body.is_empty() {
            return Err(Error::MissingParameter("MessageBody"));
        }
        if body.len() > MAX_BATCH_BYTES {
            return Err(Error::InvalidParameterValue {
                parameter: "MessageBody",
                value: format!("of {} bytes", body.len()),
                reason: format!("Message must be shorter than {MAX_BATCH_BYTES} bytes."),
            });
        }
        if !has_valid_characters(body) {
            return Err(Error::InvalidMessageContents);
        }
        let group = self.message_group_id.as_deref().unwrap_or_default();
        let is_given = self.message_group_id.is_some();
        if is_given && !is_valid_group(group) {
            return Err(Error::InvalidParameterValue {
                parameter: "MessageGroupId",
                value: group.to_owned(),
                reason: format!(
                    "MessageGroupId can only include alphanumeric and punctuation characters. 1 to {MAX_GROUP_BYTES} in length."
                ),
            });
        }
        if let Some(id) = &self.message_deduplication_id {
            return Err(Error::InvalidParameterValue {
                parameter: "MessageDeduplicationId",
                value: id.clone(),
                reason: "The request includes a parameter that is not valid for this queue type."
                    .to_owned(),
            });
        }
        // Better refused than silently lost.
        if !self.message_attributes.is_empty() || !self.message_system_attributes.is_empty() {
            return Err(Error::UnsupportedOperation("A message attribute"));
        }
        Ok(Accepted {
            body,
            delay_ms: seconds("DelaySeconds", self.delay_seconds, MAX_DELAY_S)?,
            group,
        })
    }
}

/// A batch of any kind.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<'a, E> {
    #[serde(borrow, default)]
    pub(super) queue_url: Cow<'a, str>,
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<E>,
}

impl<E> Batch<'_, E> {
    /// The checks that fail a batch as a whole.
    pub(super) fn check(&self, id: impl Fn(&E) -> &str) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Err(Error::EmptyBatchRequest);
        }
        if self.entries.len() > MAX_BATCH_ENTRIES {
            return Err(Error::TooManyEntriesInBatchRequest(self.entries.len()));
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let own = id(entry);
            if !is_valid_entry_id(own) {
                return Err(Error::InvalidBatchEntryId);
            }
            if self.entries[..at].iter().any(|other| id(other) == own) {
                return Err(Error::BatchEntryIdsNotDistinct(own.to_owned()));
            }
        }
        Ok(())
    }
}

/// `ReceiveMessage`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive<'a> {
    #[serde(borrow, default)]
    pub(super) queue_url: Cow<'a, str>,
    max_number_of_messages: Option<i64>,
    wait_time_seconds: Option<i64>,
    visibility_timeout: Option<i64>,
    /// The older name of the next.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
}

impl Receive<'_> {
    pub(super) fn max_messages(&self) -> Result<usize, Error> {
        let most = self.max_number_of_messages.unwrap_or(1);
        let most = within("MaxNumberOfMessages", most, 1..=MAX_BATCH_ENTRIES as u64)?;
        Ok(most as usize)
    }

    pub(super) fn wait_ms(&self) -> Result<u64, Error> {
        let wait_s = self.wait_time_seconds.unwrap_or(0);
        seconds("WaitTimeSeconds", wait_s, MAX_WAIT_S)
    }

    /// The visibility time-out, if the request has its own.
    pub(super) fn visibility_ms(&self) -> Result<Option<u64>, Error> {
        self.visibility_timeout.map(visibility_ms).transpose()
    }

    pub(super) fn wants(&self, attribute: &str) -> bool {
        self.attribute_names
            .iter()
            .chain(&self.message_system_attribute_names)
            .any(|name| name == attribute || name == "All")
    }
}

/// `DeleteMessage`, an entry of `DeleteMessageBatch`, and `ChangeMessageVisibility`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Handled<'a> {
    #[serde(borrow, default)]
    pub(super) queue_url: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    receipt_handle: Cow<'a, str>,
    visibility_timeout: Option<i64>,
}

impl Handled<'_> {
    /// What the handle names, if it is one of this queue.
    pub(super) fn receipt(&self, queue: usize) -> Result<Receipt, Error> {
        if self.receipt_handle.is_empty() {
            return Err(Error::MissingParameter("ReceiptHandle"));
        }
        let mut parts = self
            .receipt_handle
            .split('.')
            .map(|part| u64::from_str_radix(part, 16));
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(of)), Some(Ok(id)), Some(Ok(receives)), None) if of == queue as u64 => {
                let receives =
                    u32::try_from(receives).map_err(|_| Error::ReceiptHandleIsInvalid)?;
                Ok(Receipt { id, receives })
            }
            _ => Err(Error::ReceiptHandleIsInvalid),
        }
    }

    pub(super) fn visibility_ms(&self) -> Result<u64, Error> {
        self.visibility_timeout
            .ok_or(Error::MissingParameter("VisibilityTimeout"))
            .and_then(visibility_ms)
    }

    pub(super) fn unavailable(&self) -> Error {
        Error::InvalidParameterValue {
            parameter: "ReceiptHandle",
            value: self.receipt_handle.clone().into_owned(),
            reason: "Message does not exist or is not available for visibility timeout change."
                .to_owned(),
        }
    }
}

/// The handle of a receive: opaque to receivers.
pub(super) fn receipt_handle(queue: usize, receipt: Receipt) -> String {
    format!("{queue:x}.{:x}.{:x}", receipt.id, receipt.receives)
}

/// A message's public id, in the shape of SQS's.
pub(super) fn message_id(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}

/// `GetQueueAttributes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAttributes<'a> {
    #[serde(borrow, default)]
    pub(super) queue_url: Cow<'a, str>,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

/// The answer to `SendMessage`, and to one entry of a batch that went well.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'a str,
    pub(super) message_id: String,
}

/// An entry of a batch that went well and has nothing to say.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done<'a> {
    pub(super) id: &'a str,
}

/// An entry of a batch that failed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed<'a> {
    pub(super) id: &'a str,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

impl<'a> Failed<'a> {
    pub(super) fn new(id: &'a str, error: &Error) -> Self {
        Self {
            id,
            sender_fault: error.is_senders(),
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// The answer to a batch.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer<'a, S> {
    pub(super) successful: Vec<S>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<Failed<'a>>,
}

/// The answer to `ReceiveMessage`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Received<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) messages: &'a [ReceivedMessage],
}

/// One message of a receive.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceivedMessage {
    pub(super) message_id: String,
    pub(super) receipt_handle: String,
    pub(super) body: Arc<str>,
    pub(super) attributes: Attributes,
}

/// A message's system attributes, as far as they were asked for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_receive_count: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate_first_receive_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<Arc<str>>,
}

impl Attributes {
    pub(super) fn of(message: &Message, request: &Receive<'_>) -> Self {
        let number = |name: &str, value: u64| request.wants(name).then(|| value.to_string());
        Self {
            approximate_receive_count: number(
                "ApproximateReceiveCount",
                u64::from(message.receives),
            ),
            sent_timestamp: number("SentTimestamp", message.sent_ms),
            approximate_first_receive_timestamp: number(
                "ApproximateFirstReceiveTimestamp",
                message.first_received_ms,
            ),
            message_group_id: (!message.group.is_empty() && request.wants("MessageGroupId"))
                .then(|| Arc::clone(&message.group)),
        }
    }
}

fn visibility_ms(visibility_s: i64) -> Result<u64, Error> {
    seconds("VisibilityTimeout", visibility_s, MAX_VISIBILITY_S)
}

/// A span of up to `most_s` seconds, in milliseconds.
fn seconds(parameter: &'static str, value_s: i64, most_s: u64) -> Result<u64, Error> {
    Ok(1_000 * within(parameter, value_s, 0..=most_s)?)
}

fn within(parameter: &'static str, value: i64, allowed: RangeInclusive<u64>) -> Result<u64, Error> {
    u64::try_from(value)
        .ok()
        .filter(|value| allowed.contains(value))
        .ok_or_else(|| Error::InvalidParameterValue {
            parameter,
            value: value.to_string(),
            reason: format!(
                "Must be between {} and {}, if provided.",
                allowed.start(),
                allowed.end()
            ),
        })
}

/// XML 1.0's characters, which are all that SQS takes. Of what UTF-8 can hold, the others are most
/// of the controls and two at the end of the basic plane.
fn has_valid_characters(text: &str) -> bool {
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    !text.bytes().any(is_control) && !text.contains('\u{fffe}') && !text.contains('\u{ffff}')
}

fn is_valid_entry_id(id: &str) -> bool {
    (1..=MAX_ENTRY_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_valid_group(group: &str) -> bool {
    (1..=MAX_GROUP_BYTES).contains(&group.len())
        && group.bytes().all(|byte| byte.is_ascii_graphic())
}

//! SQS: the queues `deliver` (first attempts) and `retry` (all later ones), and their dead letters.
//!
//! Separate queues, so that a backlog of the one never holds up the other. Each message has a group, which makes a standard queue
//! a fair one: what one group floods it with does not delay the others. First attempts are grouped by tenant, because a tenant can
//! publish without end, and one event of it may go to 10,000 webhooks. Later attempts pile up behind single receivers that fail: a
//! tenant has [`RETRY_GROUPS`] groups of them, each with its share of the webhooks, so that neither one receiver that fails holds up
//! many others nor a tenant of which thousands fail is thousands of groups.

pub mod dead;
mod refused;

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::DisplayErrorContext,
    types::{QueueAttributeName, SendMessageBatchRequestEntry},
};

pub use self::refused::RefusedEvents;
pub use crate::domain::message::QueueName;
use crate::{
    batcher::{Batcher, Limits},
    domain::{id::TenantId, message::Message, tenant::OPERATORS_OWN},
    limits::{QUEUE_BATCH, QUEUE_BATCH_BYTES, QUEUE_DELAY_MAX_MS, RETRY_GROUPS},
};

/// Why a message could not be queued. Nothing is known of whether it was.
#[derive(Debug, Clone, thiserror::Error)]
#[error("SQS: {0}")]
pub struct QueueError(Arc<str>);

/// The addresses of the queues.
#[derive(Debug, Clone)]
pub struct Urls {
    /// Of `deliver`.
    pub deliver: String,
    /// Of `retry`.
    pub retry: String,
    /// Of the dead letters of `deliver`, among them those that the function of that name writes itself.
    pub dead: String,
    /// Of the dead letters of `retry`.
    pub retry_dead: String,
}

/// The queues.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    urls: Arc<Urls>,
    deliver: Batcher<Entry, Result<(), QueueError>>,
    retry: Batcher<Entry, Result<(), QueueError>>,
    dead: Batcher<Entry, Result<(), QueueError>>,
}

#[derive(Clone)]
struct Entry {
    body: String,
    group: String,
    delay_s: i32,
}

impl Queue {
    /// The queues at `urls`, reached by `client`.
    #[must_use]
    pub fn new(client: &Client, urls: &Urls) -> Self {
        let batcher = |url: &str| {
            let (client, url): (_, Arc<str>) = (client.clone(), url.into());
            let limits = Limits {
                entries: QUEUE_BATCH,
                bytes: QUEUE_BATCH_BYTES,
            };
            Batcher::new(
                limits,
                |entry: &Entry| entry.body.len() + entry.group.len(),
                move |entries| Box::pin(send_batch(client.clone(), Arc::clone(&url), entries)),
            )
        };
        Self {
            client: client.clone(),
            urls: Arc::new(urls.clone()),
            deliver: batcher(&urls.deliver),
            retry: batcher(&urls.retry),
            dead: batcher(&urls.dead),
        }
    }

    /// Queues a message, to become visible after `delay_ms` (rounded up to seconds, at most 15 minutes).
    ///
    /// # Errors
    /// When SQS cannot be reached or goes on refusing it.
    pub async fn send(
        &self,
        queue: QueueName,
        message: &Message,
        delay_ms: u64,
    ) -> Result<(), QueueError> {
        sent(
            self.batcher(queue)
                .call(entry(queue, message, delay_ms))
                .await,
        )
    }

    /// Queues messages and answers for each, in order.
    pub async fn send_all(
        &self,
        queue: QueueName,
        messages: &[(Message, u64)],
    ) -> Vec<Result<(), QueueError>> {
        let entries = messages
            .iter()
            .map(|(message, delay_ms)| entry(queue, message, *delay_ms))
            .collect();
        self.batcher(queue)
            .call_all(entries)
            .await
            .into_iter()
            .map(sent)
            .collect()
    }

    /// Queues messages that are of no use one without the other.
    ///
    /// # Errors
    /// When SQS cannot be reached or goes on refusing one of them; the others may be queued all the same.
    pub async fn send_every(
        &self,
        queue: QueueName,
        messages: &[(Message, u64)],
    ) -> Result<(), QueueError> {
        self.send_all(queue, messages).await.into_iter().collect()
    }

    /// Puts a message that cannot be handled among the dead letters, as it came.
    ///
    /// # Errors
    /// When SQS cannot be reached or goes on refusing it.
    pub async fn bury(&self, body: String) -> Result<(), QueueError> {
        sent(self.dead.call(unread(body)).await)
    }

    /// Queues a message that this function cannot read, as it stands: another version may read it, or it is buried.
    ///
    /// # Errors
    /// When SQS cannot be reached or goes on refusing it.
    pub async fn pass_on(&self, queue: QueueName, body: String) -> Result<(), QueueError> {
        sent(self.batcher(queue).call(unread(body)).await)
    }

    /// About how many messages of a queue may be received and are not.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn backlog(&self, queue: QueueName) -> Result<u64, QueueError> {
        let url = match queue {
            QueueName::Deliver => &self.urls.deliver,
            QueueName::Retry => &self.urls.retry,
        };
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let asked = self.client.get_queue_attributes().queue_url(url);
        let asked = asked.attribute_names(name.clone()).send().await;
        let counts =
            asked.map_err(|error| QueueError(DisplayErrorContext(&error).to_string().into()))?;
        let count = counts
            .attributes
            .and_then(|counts| counts.get(&name)?.parse().ok());
        Ok(count.unwrap_or_default())
    }

    fn batcher(&self, queue: QueueName) -> &Batcher<Entry, Result<(), QueueError>> {
        match queue {
            QueueName::Deliver => &self.deliver,
            QueueName::Retry => &self.retry,
        }
    }
}

/// A message whose group is in none of its fields.
fn unread(body: String) -> Entry {
    Entry {
        body,
        group: "poison".to_owned(),
        delay_s: 0,
    }
}

fn sent(answer: Option<Result<(), QueueError>>) -> Result<(), QueueError> {
    answer.unwrap_or_else(|| Err(QueueError("the sending task died".into())))
}

fn entry(queue: QueueName, message: &Message, delay_ms: u64) -> Entry {
    let tenant = message.tenant().map_or(OPERATORS_OWN, TenantId::as_str);
    let webhook = match (queue, message) {
        (QueueName::Retry, Message::Attempt(attempt)) => Some(&attempt.delivery.webhook),
        (QueueName::Retry, Message::Notice(notice)) => Some(&notice.webhook),
        (QueueName::Retry, Message::Release(release)) => Some(&release.webhook),
        _ => None,
    };
    let group = match webhook {
        Some(webhook) => format!("{tenant}#{}", webhook.shard_of(RETRY_GROUPS)),
        None => tenant.to_owned(),
    };
    let delay_s = delay_ms.min(QUEUE_DELAY_MAX_MS).div_ceil(1000);
    // Below 901, whatever was asked.
    Entry {
        body: message.to_json(),
        group,
        delay_s: i32::try_from(delay_s).unwrap_or(900),
    }
}

/// Sends up to 10 entries in one call; those that SQS fails for reasons of its own again, up to five times.
async fn send_batch(
    client: Client,
    url: Arc<str>,
    entries: Vec<Entry>,
) -> Vec<Result<(), QueueError>> {
    let mut results: Vec<Result<(), QueueError>> = vec![Ok(()); entries.len()];
    let mut open: Vec<usize> = (0..entries.len()).collect();
    for round in 0.. {
        match send_once(&client, &url, &entries, &open).await {
            Ok(failed) => {
                open.clear();
                for (index, error, again) in failed {
                    results[index] = Err(error);
                    if again {
                        open.push(index);
                    }
                }
            }
            // The SDK has tried again already.
            Err(error) => {
                open.into_iter()
                    .for_each(|index| results[index] = Err(error.clone()));
                break;
            }
        }
        if open.is_empty() || round == 5 {
            break;
        }
        open.iter().for_each(|&index| results[index] = Ok(()));
        tokio::time::sleep(Duration::from_millis(20 << round)).await;
    }
    results
}

/// One call. Answers the entries that failed, and whether sending them again may help.
async fn send_once(
    client: &Client,
    url: &str,
    entries: &[Entry],
    open: &[usize],
) -> Result<Vec<(usize, QueueError, bool)>, QueueError> {
    let error = |text: String| QueueError(text.into());
    let requests = open.iter().map(|&index| {
        let entry = &entries[index];
        SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(&entry.body)
            .message_group_id(&entry.group)
            .set_delay_seconds((entry.delay_s > 0).then_some(entry.delay_s))
            .build()
    });
    let requests = requests
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| error(fault.to_string()))?;
    let answer = client
        .send_message_batch()
        .queue_url(url)
        .set_entries(Some(requests))
        .send()
        .await;
    let answer = answer.map_err(|fault| error(DisplayErrorContext(&fault).to_string()))?;
    Ok(answer
        .failed
        .into_iter()
        .filter_map(|failure| {
            let index = failure
                .id
                .parse()
                .ok()
                .filter(|index| *index < entries.len())?;
            let reason = error(format!(
                "{}: {}",
                failure.code,
                failure.message.unwrap_or_default()
            ));
            Some((index, reason, !failure.sender_fault))
        })
        .collect())
}

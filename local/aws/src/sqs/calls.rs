//! The operations, from the bytes of a request to those of its answer.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    ACCOUNT, Sqs,
    error::{Error, MAX_BATCH_BYTES},
    journal::Write,
    queue::{Message, NotChanged, Receipt},
    wire::{
        self, Attributes, Batch, BatchAnswer, Done, Failed, GetAttributes, Handled, Receive,
        Received, ReceivedMessage, Send, Sent, message_id, receipt_handle,
    },
};
use crate::{Response, clients::REGION};

/// What a look at a queue found.
struct Taken {
    messages: Vec<(u64, Message)>,
    /// When the next waiting message becomes visible.
    next_ms: Option<u64>,
}

impl Sqs {
    /// Answers one request: `operation` is what follows the dot in its target.
    pub async fn call(&self, operation: &str, body: &[u8]) -> Response {
        let answer = match operation {
            "SendMessage" => self.send(body).await,
            "SendMessageBatch" => self.send_batch(body).await,
            "ReceiveMessage" => self.receive(body).await,
            "DeleteMessage" => self.delete(body).await,
            "DeleteMessageBatch" => self.delete_batch(body).await,
            "ChangeMessageVisibility" => self.change_visibility(body),
            "GetQueueAttributes" => self.attributes(body),
            _ => return Response::unknown_operation(),
        };
        answer.map_or_else(|error| error.response(), Response::ok)
    }

    async fn send(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request: Send<'_> = wire::read(body)?;
        let queue = self.inner.queues.find(&request.queue_url)?;
        let (id, write) = self.put(queue, &request)?;
        self.commit(vec![write]).await?;
        to_json(&Sent {
            id: "",
            message_id: message_id(id),
        })
    }

    async fn send_batch(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let batch: Batch<'_, Send<'_>> = wire::read(body)?;
        let queue = self.inner.queues.find(&batch.queue_url)?;
        batch.check(|entry| &entry.id)?;
        let bytes = batch.entries.iter().map(|entry| entry.message_body.len());
        let bytes: usize = bytes.sum();
        if bytes > MAX_BATCH_BYTES {
            return Err(Error::BatchRequestTooLong(bytes));
        }
        let mut writes = Vec::with_capacity(batch.entries.len());
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in &batch.entries {
            match self.put(queue, entry) {
                Ok((id, write)) => {
                    writes.push(write);
                    successful.push(Sent {
                        id: &entry.id,
                        message_id: message_id(id),
                    });
                }
                Err(error) => failed.push(Failed::new(&entry.id, &error)),
            }
        }
        self.commit(writes).await?;
        to_json(&BatchAnswer { successful, failed })
    }

    fn put(&self, queue: usize, message: &Send<'_>) -> Result<(u64, Write), Error> {
        let accepted = message.check()?;
        let sent_ms = self.inner.queues.clock.now_ms();
        let id = self.inner.queues.next_id();
        let write = Write::Put {
            id,
            queue,
            group: accepted.group.into(),
            line: self.inner.queues.policies[queue].line(accepted.body),
            sent_ms,
            visible_ms: sent_ms + accepted.delay_ms,
            body: accepted.body.into(),
        };
        Ok((id, write))
    }

    async fn receive(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request: Receive<'_> = wire::read(body)?;
        let queues = &self.inner.queues;
        let queue = queues.find(&request.queue_url)?;
        let max_messages = request.max_messages()?;
        let visibility_ms = request
            .visibility_ms()?
            .unwrap_or(queues.policies[queue].visibility_ms);
        let until_ms = queues.clock.now_ms().saturating_add(request.wait_ms()?);
        let messages = loop {
            // Listening begins before looking, or an arrival in between would go unnoticed.
            let mut changed = std::pin::pin!(queues.changed[queue].notified());
            changed.as_mut().enable();
            let now_ms = queues.clock.now_ms();
            let taken = self.take(queue, now_ms, max_messages, visibility_ms)?;
            if !taken.messages.is_empty() || now_ms >= until_ms {
                break taken.messages;
            }
            let wake_ms = taken
                .next_ms
                .map_or(until_ms, |next_ms| next_ms.min(until_ms));
            tokio::select! {
                biased;
                () = changed => {}
                () = queues.clock.sleep_until_ms(wake_ms) => {}
            }
        };
        let messages: Vec<_> = messages
            .into_iter()
            .filter_map(|(id, message)| self.hand_out(queue, id, message, &request).transpose())
            .collect::<Result<_, _>>()?;
        to_json(&Received {
            messages: &messages,
        })
    }

    /// Takes what is visible, and sends on its way what has expired or is exhausted.
    fn take(
        &self,
        queue: usize,
        now_ms: u64,
        max_messages: usize,
        visibility_ms: u64,
    ) -> Result<Taken, Error> {
        let policy = &self.inner.queues.policies[queue];
        let max_receives = policy.redrive.map(|(_, most)| most);
        self.expire(queue, now_ms)?;
        let (batch, next_ms) = {
            let mut state = self.inner.queues.state();
            let lines = state.queue(queue);
            let batch = lines.take(now_ms, max_messages, visibility_ms, max_receives);
            (batch, lines.next_visible_ms())
        };
        let exhausted = batch.exhausted.into_iter().filter_map(|id| {
            policy.redrive.map(|(to, _)| Write::Move {
                id,
                from: queue,
                to,
                now_ms,
            })
        });
        self.commit_later(exhausted.collect())?;
        Ok(Taken {
            messages: batch.received,
            next_ms,
        })
    }

    /// Drops what the queue has kept for its retention.
    fn expire(&self, queue: usize, now_ms: u64) -> Result<(), Error> {
        let queues = &self.inner.queues;
        let retention_ms = queues.policies[queue].retention_ms;
        let expired = queues.state().expire(queue, now_ms, retention_ms);
        let writes = expired.into_iter().map(|id| Write::Delete { id, queue });
        self.commit_later(writes.collect())
    }

    /// A message as its receiver sees it; `None` if it was deleted since it was taken.
    fn hand_out(
        &self,
        queue: usize,
        id: u64,
        message: Message,
        request: &Receive<'_>,
    ) -> Result<Option<ReceivedMessage>, Error> {
        let receipt = Receipt {
            id,
            receives: message.receives,
        };
        let attributes = Attributes::of(&message, request);
        let body = match message.body {
            Some(body) => Some(body),
            None => self.stored_body(id)?,
        };
        Ok(body.map(|body| ReceivedMessage {
            message_id: message_id(id),
            receipt_handle: receipt_handle(queue, receipt),
            body,
            attributes,
        }))
    }

    async fn delete(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request: Handled<'_> = wire::read(body)?;
        let queue = self.inner.queues.find(&request.queue_url)?;
        let write = self.removal(queue, request.receipt(queue)?);
        self.remove(write.into_iter().collect()).await?;
        Ok(b"{}".to_vec())
    }

    async fn delete_batch(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let batch: Batch<'_, Handled<'_>> = wire::read(body)?;
        let queue = self.inner.queues.find(&batch.queue_url)?;
        batch.check(|entry| &entry.id)?;
        let mut writes = Vec::with_capacity(batch.entries.len());
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in &batch.entries {
            match entry.receipt(queue) {
                Ok(receipt) => {
                    writes.extend(self.removal(queue, receipt));
                    successful.push(Done { id: &entry.id });
                }
                Err(error) => failed.push(Failed::new(&entry.id, &error)),
            }
        }
        self.remove(writes).await?;
        to_json(&BatchAnswer { successful, failed })
    }

    /// The deletion that a receipt asks for. One that is gone needs none, and a stale receipt
    /// deletes nothing, though SQS calls both a success.
    fn removal(&self, queue: usize, receipt: Receipt) -> Option<Write> {
        let holds = self.inner.queues.state().queue(queue).holds(receipt);
        holds.then_some(Write::Delete {
            id: receipt.id,
            queue,
        })
    }

    fn change_visibility(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request: Handled<'_> = wire::read(body)?;
        let queues = &self.inner.queues;
        let queue = queues.find(&request.queue_url)?;
        let receipt = request.receipt(queue)?;
        let visibility_ms = request.visibility_ms()?;
        let now_ms = queues.clock.now_ms();
        let changed = queues
            .state()
            .queue(queue)
            .change_visibility(receipt, now_ms, visibility_ms);
        changed.map_err(|error| match error {
            NotChanged::Gone => request.unavailable(),
            NotChanged::Visible => Error::MessageNotInflight,
        })?;
        queues.changed[queue].notify_waiters();
        Ok(b"{}".to_vec())
    }

    fn attributes(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request: GetAttributes<'_> = wire::read(body)?;
        let queues = &self.inner.queues;
        let queue = queues.find(&request.queue_url)?;
        let policy = &queues.policies[queue];
        let now_ms = queues.clock.now_ms();
        self.expire(queue, now_ms)?;
        let counts = queues.state().queue(queue).counts(now_ms);
        let arn = |name: &str| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
        let redrive = policy.redrive.map(|(to, most)| {
            let target = arn(&queues.policies[to].name);
            json!({"deadLetterTargetArn": target, "maxReceiveCount": most}).to_string()
        });
        let known = [
            ("QueueArn", Some(arn(&policy.name))),
            (
                "ApproximateNumberOfMessages",
                Some(counts.visible.to_string()),
            ),
            (
                "ApproximateNumberOfMessagesNotVisible",
                Some(counts.in_flight.to_string()),
            ),
            (
                "ApproximateNumberOfMessagesDelayed",
                Some(counts.delayed.to_string()),
            ),
            ("DelaySeconds", Some("0".to_owned())),
            ("MaximumMessageSize", Some(MAX_BATCH_BYTES.to_string())),
            (
                "MessageRetentionPeriod",
                Some((policy.retention_ms / 1_000).to_string()),
            ),
            ("ReceiveMessageWaitTimeSeconds", Some("0".to_owned())),
            (
                "VisibilityTimeout",
                Some((policy.visibility_ms / 1_000).to_string()),
            ),
            ("RedrivePolicy", redrive),
        ];
        let wanted = &request.attribute_names;
        let is_known = |name: &String| name == "All" || known.iter().any(|(own, _)| own == name);
        if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
            return Err(Error::InvalidAttributeName(unknown.clone()));
        }
        let is_wanted = |own: &str| wanted.iter().any(|name| name == "All" || name == own);
        let attributes: Map<String, Value> = known
            .into_iter()
            .filter(|(name, _)| is_wanted(name))
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
            .collect();
        to_json(&json!({"Attributes": attributes}))
    }
}

fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(answer).map_err(|_| Error::Internal)
}

//! One message of a chain: what it still means, then the POST, the log, and what follows.

use std::{borrow::Cow, sync::Arc};

use super::{
    FlowError,
    deliver::{Deliverer, Loaded},
    post::NotMade,
};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome, Trigger},
        chain::{self, Receipt, Step},
        delivery::State,
        message::{AttemptMessage, Content, Message},
        webhook::Webhook,
    },
    queue::QueueName,
    store::{StoreError, deliveries::AdvanceIf},
};

impl Deliverer {
    /// Handles a message that was handed out `receives` times.
    pub(super) async fn attempt(
        &self,
        message: &AttemptMessage,
        receives: u32,
        loaded: &Loaded,
    ) -> Result<(), FlowError> {
        let mut webhook = loaded.webhook(message)?;
        let fresh = loop {
            let now_ms = self.clock.now_ms();
            match chain::receive(message, webhook.as_deref(), receives, now_ms) {
                Receipt::Drop => return Ok(()),
                Receipt::Wait(left_ms) => {
                    self.clock.sleep_until_ms(now_ms + left_ms).await;
                    // It may have been disabled while this waited.
                    webhook = self
                        .store
                        .webhook(&message.delivery.tenant, &message.delivery.webhook)
                        .await?
                        .map(Arc::new);
                }
                Receipt::Resend(left_ms) => {
                    self.queue
                        .send(
                            QueueName::Retry,
                            &Message::Attempt(message.clone()),
                            left_ms,
                        )
                        .await?;
                    return Ok(());
                }
                Receipt::Post => break true,
                Receipt::Inspect => break false,
            }
        };
        let Some(webhook) = webhook else {
            return Ok(());
        };
        if fresh {
            return self.post_and_settle(message, &webhook, loaded).await;
        }
        let key = message.attempt_key();
        let (mut row, logged, replaced) = tokio::try_join!(
            self.store.delivery(&message.delivery),
            self.store.attempt(&key),
            self.replaced(message)
        )?;
        loop {
            match chain::inspect(
                &message.position,
                row.as_ref(),
                logged.as_ref().map(|logged| logged.outcome),
                webhook.takes(message.position.epoch),
            ) {
                Step::Drop => return self.drop_copy(&webhook, logged.as_ref()).await,
                Step::Place => {
                    let event_type = self.event_type(message, loaded);
                    row = self.store.place(&message.row(event_type)).await?.standing();
                }
                Step::Advance => {
                    let event_type = row.map_or_else(String::new, |row| row.event_type);
                    let to = message.row(event_type);
                    row = self
                        .store
                        .advance(&to, advanced_from(message))
                        .await?
                        .standing();
                    if row.is_none() {
                        return Ok(());
                    }
                }
                Step::Settle => {
                    let Some(attempt) = &logged else {
                        return Ok(());
                    };
                    let message = in_place(message, replaced.as_ref());
                    return self.settle(&message, &webhook, attempt).await;
                }
                Step::Hold => {
                    let event_type = self.event_type(message, loaded);
                    self.end(message, &event_type, State::Held).await?;
                    return self.control.recover_held(message).await;
                }
                Step::Post => {
                    let succeeded = |made: &Attempt| made.outcome == Outcome::Succeeded;
                    if replaced.as_ref().is_some_and(succeeded) {
                        return self.end(message, "", State::Succeeded).await;
                    }
                    let message = in_place(message, replaced.as_ref());
                    return self.post_and_settle(&message, &webhook, loaded).await;
                }
            }
        }
    }

    /// The attempt of the wait whose place a message takes, if it was made all the same: at the very moment when that was asked for.
    async fn replaced(&self, message: &AttemptMessage) -> Result<Option<Attempt>, StoreError> {
        let Some(wait_ms) = message.position.resume_ms else {
            return Ok(None);
        };
        let wait = AttemptKey {
            due_ms: wait_ms,
            n: message.position.n - 1,
            ..message.attempt_key()
        };
        self.store.attempt(&wait).await
    }

    pub(super) fn event_type(&self, message: &AttemptMessage, loaded: &Loaded) -> String {
        let content = message
            .content
            .as_ref()
            .map(|content| content.event_type.clone());
        content
            .or_else(|| {
                loaded
                    .event(
                        &message.delivery.tenant,
                        &message.delivery.event,
                        message.delivery.accepted_ms,
                    )
                    .map(|event| event.event_type.clone())
            })
            .unwrap_or_default()
    }

    async fn post_and_settle(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        loaded: &Loaded,
    ) -> Result<(), FlowError> {
        if !self.is_let_through(message, webhook, loaded).await? {
            return Ok(());
        }
        let named = message.position.dialect.as_deref();
        let read;
        let (dialect, content) = match &message.content {
            Some(content) => (named.unwrap_or(&webhook.dialect), content),
            None => {
                let found = loaded.event(
                    &message.delivery.tenant,
                    &message.delivery.event,
                    message.delivery.accepted_ms,
                );
                let Some(event) = found else {
                    return self.expire(message, webhook).await;
                };
                if event.erased.is_some() {
                    return self.end(message, &event.event_type, State::Cancelled).await;
                }
                let dialect = named.or_else(|| event.dialect_for(&webhook.dialect));
                let missing = || FlowError::NoDialect(named.unwrap_or(&webhook.dialect).to_owned());
                let dialect = dialect.ok_or_else(missing)?;
                let body = self.store.body(event, dialect).await?;
                read = Content {
                    event_type: event.event_type.clone(),
                    body: body.ok_or_else(missing)?,
                    trace: event.trace.clone(),
                    hops: event.hops,
                };
                (dialect, &read)
            }
        };
        let dialect = self.control.dialect(dialect)?;
        let held = match self.poster.hold(webhook, dialect).await {
            Ok(held) => held,
            Err(NotMade::Host(fault)) => {
                return self.put_off_for(message, &content.event_type, fault).await;
            }
            Err(NotMade::Busy) => return self.come_again(message, &content.event_type).await,
        };
        // The last thing before the POST: a second of the receiver's pace would pass while something else is waited for.
        if !self.in_pace(message, webhook, &content.event_type).await? {
            return Ok(());
        }
        let made = self
            .poster
            .post(message, webhook, dialect, content, held)
            .await;
        let attempt = match made {
            Ok(attempt) => attempt,
            Err(fault) => return self.put_off_for(message, &content.event_type, fault).await,
        };
        self.control.foresee_pause(webhook, dialect, &attempt);
        let latency_ms = attempt.ended_ms.saturating_sub(message.position.due_ms);
        self.metrics
            .attempted(&message.delivery.tenant, attempt.outcome, latency_ms);
        if attempt.outcome == Outcome::Succeeded {
            self.store.log_success(&attempt).await?;
        } else if let Some(earlier) = self.store.log_failure(&attempt).await? {
            // A copy of this message was faster: what it logged is what happened.
            return self.settle(message, webhook, &earlier).await;
        }
        self.stats.count(webhook, &attempt);
        self.settle(message, webhook, &attempt).await
    }
}

/// Where a row may stand for the message to move it on.
fn advanced_from(message: &AttemptMessage) -> AdvanceIf {
    match message.position.trigger {
        // With a job it is a recovery's.
        Trigger::Manual => {
            let wait = message.position.job.and(message.position.resume_ms);
            wait.map_or(AdvanceIf::Any, AdvanceIf::WaitBeforeJob)
        }
        Trigger::Recover => AdvanceIf::BeforeJob,
        Trigger::Event | Trigger::Retry | Trigger::Test => AdvanceIf::Pending,
    }
}

/// The message of an attempt in the place of a wait, once it is known that the attempt of that wait was made: it takes the place of what
/// follows from that.
fn in_place<'a>(
    message: &'a AttemptMessage,
    replaced: Option<&Attempt>,
) -> Cow<'a, AttemptMessage> {
    let Some(made) = replaced else {
        return Cow::Borrowed(message);
    };
    Cow::Owned(AttemptMessage {
        position: message.position.in_place_after(made),
        ..message.clone()
    })
}

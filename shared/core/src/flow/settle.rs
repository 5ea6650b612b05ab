//! What follows an attempt that is in the log. Everything is derived from its entry, so it can be done again after a crash
//! and comes out the same.

use rung_dialect::{Dialect, ladder::DisableRule};

use super::{FlowError, deliver::Deliverer};
use crate::{
    domain::{
        attempt::{Attempt, Outcome},
        delivery::{Delivery, State},
        disable::consecutive_failures,
        message::{AttemptMessage, Message},
        outage::Outage,
        webhook::{Disabled, Reason, Webhook},
    },
    limits::{PARK_MIN_MS, QUEUE_DELAY_MAX_MS},
    queue::QueueName,
    store::deliveries::AdvanceIf,
};

impl Deliverer {
    /// Settles the attempt that `message` asked for: the row, and after a failure the disable rule and the successor.
    pub(super) async fn settle(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let dialect = self.control.dialect(&attempt.dialect)?;
        if attempt.outcome == Outcome::Succeeded {
            self.control.end_outage(webhook, attempt).await?;
            if attempt.trigger.counts() {
                self.control.follow_pause(webhook, dialect, attempt).await?;
            }
            if message.position.n > 1 {
                // Whatever became of the row while the attempt was being made.
                let any = [
                    State::Pending,
                    State::Held,
                    State::Missed,
                    State::Failed,
                    State::Cancelled,
                ];
                self.store
                    .finish(&message.delivery, &message.position, &any, State::Succeeded)
                    .await?;
            }
            return Ok(());
        }
        // First what carries the delivery on: nothing that follows may keep it waiting.
        let next = attempt
            .next_due_ms
            .map(|next_due_ms| message.successor(attempt, next_due_ms));
        if let Some(next) = &next {
            self.put_off(next).await?;
        }
        if attempt.trigger.counts() {
            self.control.follow_pause(webhook, dialect, attempt).await?;
            self.judge(message, webhook, dialect, attempt).await?;
        }
        match next {
            Some(next) => self.move_on(message, attempt, next).await,
            None => self.fail(message, attempt).await,
        }
    }

    /// What a failure means for the webhook, and what the operator is notified of.
    async fn judge(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let log_id = attempt.key.log_id().to_string();
        // A crash may have come between the disabling and its notice, and what the rule went by may be of the past.
        let disabled = match webhook.disabled_after(&log_id) {
            Some(disabled) => Some(disabled.clone()),
            None => {
                self.disable_by_rule(message, webhook, dialect, attempt)
                    .await?
            }
        };
        if let Some(disabled) = disabled {
            self.notify_of_disabling(webhook, attempt, &disabled)
                .await?;
        }
        let has_failed = attempt.next_due_ms.is_none() && message.position.returns_to.is_none();
        if has_failed && self.control.operator.listens_to(webhook).await? {
            self.control.notify(webhook.used_up(attempt)).await?;
        }
        Ok(())
    }

    async fn notify_of_disabling(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
        disabled: &Disabled,
    ) -> Result<(), FlowError> {
        if !self.control.operator.listens_to(webhook).await? {
            return Ok(());
        }
        self.control
            .notify(webhook.disabled_by(attempt, disabled))
            .await?;
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        self.control.follow_disabling(tenant, id).await
    }

    /// Ends the message of an attempt, in the log or not, whose delivery has gone on. The successor is in place before the verdict, so
    /// it may have come while this message, whose handler had died between a disabling and its notice, was still to come again.
    pub(super) async fn drop_copy(
        &self,
        webhook: &Webhook,
        logged: Option<&Attempt>,
    ) -> Result<(), FlowError> {
        let Some(attempt) = logged else {
            return Ok(());
        };
        match webhook.disabled_after(&attempt.key.log_id().to_string()) {
            Some(disabled) => self.notify_of_disabling(webhook, attempt, disabled).await,
            None => Ok(()),
        }
    }

    /// Begins or prolongs the webhook's outage, and disables the webhook if its rule says so. Returns how it was disabled, if it was.
    async fn disable_by_rule(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<Option<Disabled>, FlowError> {
        let outage = self
            .control
            .extend_outage(webhook, dialect, attempt)
            .await?;
        let verdict = self
            .verdict(webhook, dialect, attempt, outage.as_ref())
            .await?;
        let Some((reason, log_ids)) = verdict else {
            return Ok(None);
        };
        self.disable(message, webhook, reason, log_ids).await
    }

    /// Disables a webhook that is active at the message's epoch. Returns how it is disabled if it is for this, by this call or by that
    /// of a copy.
    async fn disable(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        reason: Reason,
        log_ids: Vec<String>,
    ) -> Result<Option<Disabled>, FlowError> {
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        let disabled = Disabled::new(self.clock.now_ms(), reason, log_ids);
        if self
            .store
            .disable(tenant, id, message.position.epoch, &disabled)
            .await?
        {
            tracing::warn!(%tenant, webhook = %id, ?reason, "webhook disabled");
            self.metrics.disabled(tenant);
            return Ok(Some(disabled));
        }
        let standing = self.store.webhook(tenant, id).await?;
        let standing = standing.and_then(|webhook| webhook.disabled);
        Ok(standing
            .filter(|standing| standing.reason == reason && standing.log_ids == disabled.log_ids))
    }

    /// Whether this failure disables the webhook, and the log entries that show why.
    async fn verdict(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
        outage: Option<&Outage>,
    ) -> Result<Option<(Reason, Vec<String>)>, FlowError> {
        let this = || vec![attempt.key.log_id().to_string()];
        if is_gone(dialect, attempt.response_status) {
            return Ok(Some((Reason::Gone, this())));
        }
        let (tenant, id, enabled_ms) = (&webhook.tenant, &webhook.id, webhook.enabled_ms);
        Ok(match dialect.disable {
            DisableRule::Never => None,
            DisableRule::LadderUsedUp => {
                // What the dialect gives up on says something of the event, not of the webhook.
                let status = attempt.response_status;
                let is_given_up = status.is_some_and(|status| dialect.gives_up_on(status));
                let is_used_up = attempt.next_due_ms.is_none() && !is_given_up;
                is_used_up.then(|| (Reason::LadderUsedUp, this()))
            }
            DisableRule::ConsecutiveFailures(limit) => {
                let limit = limit as usize;
                let newest = self
                    .store
                    .newest_counting(tenant, id, enabled_ms, limit)
                    .await?;
                let failures = consecutive_failures(newest.iter(), limit);
                failures.map(|ids| {
                    (
                        Reason::ConsecutiveFailures,
                        ids.iter().map(ToString::to_string).collect(),
                    )
                })
            }
            DisableRule::FailingFor { ms } => outage
                .filter(|outage| attempt.ended_ms >= outage.since_ms + ms)
                .map(|_| (Reason::FailingTooLong, this())),
        })
    }

    /// Moves the row on to the next rung, whose message is durable.
    async fn move_on(
        &self,
        message: &AttemptMessage,
        attempt: &Attempt,
        next: AttemptMessage,
    ) -> Result<(), FlowError> {
        if message.position.n == 1 {
            self.store
                .place(&next.row(attempt.event_type.clone()))
                .await?;
        } else {
            let from = AdvanceIf::PendingAt(message.position.due_ms);
            self.store
                .advance(&next.row(attempt.event_type.clone()), from)
                .await?;
        }
        // Where the condition failed, another was placed, or the chain was cancelled or has moved on.
        Ok(())
    }

    /// Makes a message durable until it is to come by: in the delay queue, or parked for the sweep.
    pub(super) async fn put_off(&self, next: &AttemptMessage) -> Result<(), FlowError> {
        let left_ms = || next.wakes_ms().saturating_sub(self.clock.now_ms());
        if left_ms() > QUEUE_DELAY_MAX_MS {
            self.store.park(next).await?;
            // A function that was frozen in between may have parked it into a minute that the sweep has left behind.
            if left_ms() >= PARK_MIN_MS {
                return Ok(());
            }
        }
        self.queue
            .send(QueueName::Retry, &Message::Attempt(next.clone()), left_ms())
            .await?;
        Ok(())
    }

    /// Ends the chain after an attempt that nothing follows.
    async fn fail(&self, message: &AttemptMessage, attempt: &Attempt) -> Result<(), FlowError> {
        if message.position.returns_to.is_none() {
            self.metrics.used_up(&message.delivery.tenant);
        }
        self.end(message, &attempt.event_type, State::Failed).await
    }

    /// Ends the chain at a position whose event has expired: there is nothing to post any more.
    pub(super) async fn expire(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
    ) -> Result<(), FlowError> {
        tracing::warn!(tenant = %message.delivery.tenant, webhook = %message.delivery.webhook, event = %message.delivery.event, "an event expired before it was delivered");
        let row = self.store.delivery(&message.delivery).await?;
        let event_type = row.map(|row| row.event_type).unwrap_or_default();
        if message.position.returns_to.is_none() {
            self.metrics.used_up(&message.delivery.tenant);
            if self.control.operator.listens_to(webhook).await? {
                let now_ms = self.clock.now_ms();
                self.control
                    .notify(webhook.expired(message, &event_type, now_ms))
                    .await?;
            }
        }
        self.end(message, &event_type, State::Failed).await
    }

    /// Ends the chain at a message's position in this state, unless it goes back to another.
    pub(super) async fn end(
        &self,
        message: &AttemptMessage,
        event_type: &str,
        state: State,
    ) -> Result<(), FlowError> {
        let row = message.row(event_type.to_owned());
        let state = row.end(state);
        if message.position.n == 1 {
            self.store.place(&Delivery { state, ..row }).await?;
        } else {
            self.store
                .finish(&row.key, &row.position, &[State::Pending], state)
                .await?;
        }
        Ok(())
    }
}

/// Whether an answer says that the receiver is gone for good.
pub(super) fn is_gone(dialect: &Dialect, status: Option<u16>) -> bool {
    dialect.gone_disables && status == Some(410)
}

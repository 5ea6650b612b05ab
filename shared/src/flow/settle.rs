//! What follows an attempt that is in the log. Everything is derived from its entry, so it can be done again after a crash
//! and comes out the same.

use super::{FlowError, deliver::Deliverer};
use crate::{
    dialect::Dialect,
    domain::{
        attempt::{Attempt, Outcome, Trigger},
        delivery::{Delivery, State},
        disable::consecutive_failures,
        ladder::DisableRule,
        message::{Due, Message},
        webhook::{Disabled, Reason, Webhook},
    },
    limits::{FAILING_ATTEMPTS, PARK_MIN_MS, QUEUE_DELAY_MAX_MS},
    mutation::{Mutation, mutated},
    queue::Lane,
    store::deliveries::From,
};

impl Deliverer {
    /// Settles the attempt that `due` asked for: the row, and after a failure the disable rule and the successor.
    pub(super) async fn settle(
        &self,
        due: &Due,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let dialect = self.dialect(&attempt.dialect)?;
        if attempt.outcome == Outcome::Succeeded {
            if due.n > 1 {
                let open = [State::Pending, State::Held, State::Missed, State::Failed];
                self.store
                    .finish(
                        &due.delivery(),
                        (due.n, due.due_ms),
                        &open,
                        State::Succeeded,
                    )
                    .await?;
                self.operator.succeeded(webhook, attempt).await?;
            }
            return Ok(());
        }
        if let Some((reason, log_ids)) = self.verdict(webhook, dialect, attempt).await? {
            let disabled = Disabled {
                at_ms: self.clock.now_ms(),
                reason,
                log_ids,
            };
            if self
                .store
                .disable(&webhook.tenant, &webhook.id, due.epoch, &disabled)
                .await?
            {
                tracing::warn!(tenant = %webhook.tenant, webhook = %webhook.id, ?reason, "webhook disabled");
                self.metrics.disabled(&webhook.tenant);
            }
            // Whoever disabled it: a crash may have followed that.
            self.operator
                .disabled(webhook, due.epoch, reason, attempt)
                .await?;
        }
        if attempt.trigger.counts() {
            self.tell_of_failure(webhook, attempt).await?;
        }
        match attempt.next_due_ms {
            Some(next_due_ms) => self.succeed_by(due, attempt, next_due_ms).await,
            None => self.fail(due, attempt).await,
        }
    }

    /// Tells the operator what a failure that nobody asked for by hand means, if it means anything.
    async fn tell_of_failure(&self, webhook: &Webhook, attempt: &Attempt) -> Result<(), FlowError> {
        if attempt.attempt == FAILING_ATTEMPTS {
            self.operator.failing(webhook, attempt).await?;
        }
        if attempt.next_due_ms.is_none() {
            self.operator.used_up(webhook, attempt).await?;
        }
        Ok(())
    }

    /// Whether this failure disables the webhook, and the log entries that show why.
    async fn verdict(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<Option<(Reason, Vec<String>)>, FlowError> {
        let this = || vec![attempt.key.log_id().to_string()];
        if !attempt.trigger.counts() {
            return Ok(None);
        }
        if is_gone(dialect, attempt.response_status) {
            return Ok(Some((Reason::Gone, this())));
        }
        let (tenant, id, enabled_ms) = (&webhook.tenant, &webhook.id, webhook.enabled_ms);
        Ok(match dialect.disable {
            DisableRule::Never => None,
            DisableRule::LadderUsedUp => attempt
                .next_due_ms
                .is_none()
                .then(|| (Reason::LadderUsedUp, this())),
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
            DisableRule::FailingFor { ms } => {
                let from_ms = attempt.ended_ms.saturating_sub(ms);
                let failing = from_ms >= enabled_ms
                    && self
                        .store
                        .failing_throughout(tenant, id, enabled_ms, from_ms)
                        .await?;
                failing.then(|| (Reason::FailingTooLong, this()))
            }
        })
    }

    /// Puts the next rung in place: first its message, then the row.
    async fn succeed_by(
        &self,
        due: &Due,
        attempt: &Attempt,
        next_due_ms: u64,
    ) -> Result<(), FlowError> {
        let next = Due {
            n: due.n + 1,
            due_ms: next_due_ms,
            attempt: attempt.attempt + 1,
            // The wait that is put back is the one whose place an attempt by hand took.
            rung: due.rung + usize::from(due.resume_ms.is_none()),
            trigger: Trigger::Retry,
            dialect: Some(attempt.dialect.clone()),
            job: None,
            repeated: false,
            through: false,
            resume_ms: None,
            place_ms: None,
            content: None,
            ..due.clone()
        };
        if !mutated(Mutation::RowBeforeSend) {
            self.put_off(&next).await?;
        }
        if due.n == 1 {
            self.store
                .place(&head(&next, &attempt.event_type, vec![next.due_ms]))
                .await?;
        } else {
            let from = if mutated(Mutation::RowByNumberAlone) {
                From::Any
            } else {
                From::PendingAt(due.due_ms)
            };
            self.store
                .advance(&head(&next, &attempt.event_type, Vec::new()), from)
                .await?;
        }
        if mutated(Mutation::RowBeforeSend) {
            self.put_off(&next).await?;
        }
        // Where the condition failed, another was placed, or the chain was cancelled or has moved on.
        Ok(())
    }

    /// Makes a message durable until it is due: in the delay queue, or parked for the sweep.
    async fn put_off(&self, next: &Due) -> Result<(), FlowError> {
        let left_ms = || next.due_ms.saturating_sub(self.clock.now_ms());
        if left_ms() > QUEUE_DELAY_MAX_MS {
            self.store.park(next).await?;
            // A function that was frozen in between may have parked it into a minute that the sweep has left behind.
            if left_ms() >= PARK_MIN_MS || mutated(Mutation::NoSecondLook) {
                return Ok(());
            }
        }
        self.queue
            .send(Lane::Retry, &Message::Attempt(next.clone()), left_ms())
            .await?;
        Ok(())
    }

    /// Ends the chain after an attempt that nothing follows.
    async fn fail(&self, due: &Due, attempt: &Attempt) -> Result<(), FlowError> {
        if !due.through {
            self.metrics.used_up(&due.tenant);
        }
        self.end(due, &attempt.event_type, State::Failed).await
    }

    /// Ends the chain at a message's position in this state, unless it had succeeded before.
    pub(super) async fn end(
        &self,
        due: &Due,
        event_type: &str,
        state: State,
    ) -> Result<(), FlowError> {
        let row = head(due, event_type, Vec::new());
        let state = row.end(state);
        if due.n == 1 {
            self.store.place(&Delivery { state, ..row }).await?;
        } else {
            let position = (due.n, due.due_ms);
            self.store
                .finish(&row.key, position, &[State::Pending], state)
                .await?;
        }
        Ok(())
    }
}

/// Whether an answer says that the receiver is gone for good.
pub(super) fn is_gone(dialect: &Dialect, status: Option<u16>) -> bool {
    dialect.gone_disables && status == Some(410)
}

/// The pending row at a message's position.
pub(super) fn head(due: &Due, event_type: &str, dues_ms: Vec<u64>) -> Delivery {
    Delivery {
        key: due.delivery(),
        state: State::Pending,
        n: due.n,
        due_ms: due.due_ms,
        attempt: due.attempt,
        rung: due.rung,
        epoch: due.epoch,
        through: due.through,
        job: due.job,
        event_type: event_type.to_owned(),
        dues_ms,
    }
}

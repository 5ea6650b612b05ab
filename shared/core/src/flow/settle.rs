//! What follows an attempt that is in the log. Everything is derived from its entry, so it can be done again after a crash
//! and comes out the same.

use rung_dialect::{Dialect, ladder::DisableRule};

use super::{FlowError, deliver::Deliverer};
use crate::{
    domain::{
        attempt::{Attempt, Outcome, Trigger},
        delivery::{Delivery, State},
        disable::consecutive_failures,
        message::{Due, Message},
        outage::Outage,
        webhook::{Disabled, Reason, Webhook},
    },
    limits::{PARK_MIN_MS, QUEUE_DELAY_MAX_MS},
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
            self.end_outage(webhook, attempt).await?;
            if attempt.trigger.counts() {
                self.follow_pause(webhook, dialect, attempt).await?;
            }
            if due.n > 1 {
                // Whatever became of the row while the attempt was being made.
                let any = [
                    State::Pending,
                    State::Held,
                    State::Missed,
                    State::Failed,
                    State::Cancelled,
                ];
                let position = (due.n, due.due_ms);
                self.store
                    .finish(&due.delivery(), position, &any, State::Succeeded)
                    .await?;
            }
            return Ok(());
        }
        // First what carries the delivery on: nothing that follows may keep it waiting.
        let next = attempt
            .next_due_ms
            .map(|next_due_ms| successor(due, attempt, next_due_ms));
        if let Some(next) = next.as_ref().filter(|_| !mutated(Mutation::RowBeforeSend)) {
            self.put_off(next).await?;
        }
        if attempt.trigger.counts() {
            self.follow_pause(webhook, dialect, attempt).await?;
            self.judge(due, webhook, dialect, attempt).await?;
        }
        match next {
            Some(next) => self.move_on(due, attempt, next).await,
            None => self.fail(due, attempt).await,
        }
    }

    /// What a failure means for the webhook, and what the operator is notified of.
    async fn judge(
        &self,
        due: &Due,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let outage = self.extend_outage(webhook, dialect, attempt).await?;
        let verdict = self
            .verdict(webhook, dialect, attempt, outage.as_ref())
            .await?;
        if let Some((reason, log_ids)) = verdict
            && self.disable(due, webhook, reason, log_ids).await?
            && self.operator.listens_to(webhook).await?
        {
            self.notify(webhook.disabled_by(attempt, due.epoch, reason))
                .await?;
        }
        if attempt.next_due_ms.is_none() && self.operator.listens_to(webhook).await? {
            self.notify(webhook.used_up(attempt)).await?;
        }
        Ok(())
    }

    /// Disables a webhook that is active at the message's epoch. Whether it is disabled for this, by this call or by one before it
    /// that a crash cut short.
    async fn disable(
        &self,
        due: &Due,
        webhook: &Webhook,
        reason: Reason,
        log_ids: Vec<String>,
    ) -> Result<bool, FlowError> {
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        let disabled = Disabled::new(self.clock.now_ms(), reason, log_ids);
        if self.store.disable(tenant, id, due.epoch, &disabled).await? {
            tracing::warn!(%tenant, webhook = %id, ?reason, "webhook disabled");
            self.metrics.disabled(tenant);
            return Ok(true);
        }
        let standing = self.store.webhook(tenant, id).await?;
        let standing = standing.and_then(|webhook| webhook.disabled);
        Ok(standing.is_some_and(|standing| {
            standing.reason == reason && standing.log_ids == disabled.log_ids
        }))
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
    async fn move_on(&self, due: &Due, attempt: &Attempt, next: Due) -> Result<(), FlowError> {
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

    /// Makes a message durable until it is to come by: in the delay queue, or parked for the sweep.
    pub(super) async fn put_off(&self, next: &Due) -> Result<(), FlowError> {
        let left_ms = || next.wakes_ms().saturating_sub(self.clock.now_ms());
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

    /// Ends the chain at a position whose event has expired: there is nothing to post any more.
    pub(super) async fn expire(&self, due: &Due, webhook: &Webhook) -> Result<(), FlowError> {
        tracing::warn!(tenant = %due.tenant, webhook = %due.webhook, event = %due.event, "an event expired before it was delivered");
        let row = self.store.delivery(&due.delivery()).await?;
        let event_type = row.map(|row| row.event_type).unwrap_or_default();
        if !due.through {
            self.metrics.used_up(&due.tenant);
            if self.operator.listens_to(webhook).await? {
                let now_ms = self.clock.now_ms();
                self.notify(webhook.expired(due, &event_type, now_ms))
                    .await?;
            }
        }
        self.end(due, &event_type, State::Failed).await
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

/// The message of the attempt that follows a failed one.
fn successor(due: &Due, attempt: &Attempt, next_due_ms: u64) -> Due {
    Due {
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
        pace_epoch: 0,
        turn: None,
        content: None,
        ..due.clone()
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
        trigger: due.trigger,
        dialect: due.dialect.clone(),
        resume_ms: due.resume_ms,
        job: due.job,
        ended_ms: None,
        event_type: event_type.to_owned(),
        dues_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::OVERDUE_MS;

    fn due(text: &str) -> Due {
        match Message::parse(text) {
            Ok(Message::Attempt(due)) => due,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_row_leads_back_to_the_message_of_its_position() {
        for text in [
            r#"{"t":"t","w":"w","e":"e","a":1,"n":2,"d":7,"k":2,"r":1,"p":4,"g":"retry","l":"odin","m":true}"#,
            r#"{"t":"t","w":"w","e":"e","a":1,"n":3,"d":7,"k":2,"r":1,"p":4,"g":"manual","l":"odin","m":true,"o":true,"z":9}"#,
            r#"{"t":"t","w":"w","e":"e","a":1,"n":2,"d":7,"k":2,"r":0,"p":4,"g":"recover","j":6,"m":true}"#,
        ] {
            let due = due(text);
            assert_eq!(head(&due, "a.b", vec![7]).message(), due);
        }
    }

    #[test]
    fn a_row_that_waits_is_overdue_when_no_queue_explains_it() {
        let text = r#"{"t":"t","w":"w","e":"e","a":1,"n":2,"d":7,"k":2,"r":1,"p":0,"g":"retry"}"#;
        let row = head(&due(text), "a.b", vec![7]);
        assert!(!row.is_overdue(7 + OVERDUE_MS - 1));
        assert!(row.is_overdue(7 + OVERDUE_MS));
        for state in [
            State::Succeeded,
            State::Failed,
            State::Held,
            State::Missed,
            State::Cancelled,
        ] {
            let ended = Delivery {
                state,
                ..row.clone()
            };
            assert!(!ended.is_overdue(u64::MAX), "{state:?}");
        }
    }
}

//! Keeps a webhook's outage up to date. Each change replaces what is known by what follows from it; where another function was
//! faster, what that one stored is known next.

use rung_dialect::Dialect;

use super::{FlowError, control::Control};
use crate::{
    domain::{
        attempt::Attempt,
        outage::{Gaps, Outage},
        stored::Stored,
        webhook::Webhook,
    },
    limits::FAILING_ATTEMPTS,
    store::webhook_states::StateWritten,
};

impl Control {
    /// Starts or extends the webhook's outage after a failure that counts, and notifies the operator of one that goes on. Returns the
    /// outage as it stands; `None` where the failure belongs to the past of the webhook.
    pub(super) async fn extend_outage(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<Option<Outage>, FlowError> {
        let gaps = Gaps::of(dialect);
        let goes_on = attempt.attempt >= FAILING_ATTEMPTS;
        let mut known = webhook.outage.clone();
        loop {
            let stored = known.as_ref().map(|known| &known.value);
            let current = stored.filter(|outage| outage.since_ms >= webhook.tried_since_ms());
            let extended = Outage::after_failure(current, attempt.ended_ms, gaps);
            let Some(mut outage) = extended.or_else(|| current.cloned()) else {
                return Ok(None);
            };
            // Only of one that is stored: attempts that fail together would each begin another, and one of these stays.
            let is_stored = current.is_some_and(|current| current.since_ms == outage.since_ms);
            let is_news = goes_on && !outage.notified && self.operator.listens_to(webhook).await?;
            if is_news && is_stored {
                self.notify(webhook.failing(attempt, &outage)).await?;
                outage.notified = true;
            }
            if stored == Some(&outage) {
                return Ok(Some(outage));
            }
            let written = self
                .store
                .write_state(webhook, known.as_ref(), Some(&outage))
                .await?;
            match written {
                StateWritten::Done if is_news && !is_stored => known = Some(Stored::of(outage)),
                StateWritten::Done => return Ok(Some(outage)),
                StateWritten::Found(found) => known = found,
                StateWritten::Past => return Ok(None),
            }
        }
    }

    /// Ends the webhook's outage after a success, and notifies the operator if it was notified of the outage.
    pub(super) async fn end_outage(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let mut known = webhook.outage.clone();
        while let Some(stored) = known.filter(|it| it.value.ends_with_success_at(attempt.ended_ms))
        {
            // First the notice: the outage is what a repeat would find it by.
            if stored.value.notified {
                self.notify(webhook.recovered(attempt, &stored.value))
                    .await?;
            }
            let written = self.store.write_state(webhook, Some(&stored), None).await?;
            known = match written {
                StateWritten::Found(found) => found,
                StateWritten::Done | StateWritten::Past => None,
            };
        }
        Ok(())
    }
}

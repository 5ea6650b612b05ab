//! Cancelling deliveries of a webhook, by their states.

use futures_util::future::try_join_all;

use super::Next;
use crate::{
    domain::{
        delivery::{Delivery, State},
        job::{Cancelling, Counts, Failure, Job},
        message::At,
        webhook::Webhook,
    },
    flow::{FlowError, control::Control, position},
    limits::RECOVERY_PAGE,
    store::{
        deliveries::{List, Written},
        span::Span,
    },
};

impl Control {
    /// Cancels the deliveries of a page. Those of events that are accepted later are left alone, so that it ends.
    pub(super) async fn cancel_page(
        &self,
        job: &Job,
        work: &Cancelling,
        cursor: &str,
    ) -> Result<Next, FlowError> {
        let webhook = self.store.webhook(&work.tenant, &work.webhook).await?;
        // One that was made later under the same id is another.
        let webhook = webhook.filter(|webhook| webhook.first_epoch <= job.task.created_ms);
        let Some(webhook) = webhook else {
            return Ok(Next::End(Some(Failure::WebhookDeleted)));
        };
        let span = Span {
            since_ms: 0,
            until_ms: job.task.created_ms,
        };
        let (rows, next) = self
            .store
            .deliveries_after(
                &work.tenant,
                &work.webhook,
                &List::of_states(&work.states),
                span,
                position(cursor),
                RECOVERY_PAGE,
            )
            .await?;
        let rows = rows.into_iter();
        let wanted: Vec<_> = rows.filter(|row| is_wanted(row, work, &webhook)).collect();
        let counts = Counts {
            deliveries: wanted.len() as u64,
            ..Counts::default()
        };
        let Some(job) = self.noted(job, counts, None).await? else {
            return Ok(Next::Left);
        };
        let cancelled = wanted
            .into_iter()
            .map(|row| self.cancel_found(row, work, &webhook));
        try_join_all(cancelled).await?;
        Ok(match next {
            Some(next) => Next::Page(job, At::Cancel(next), 0),
            None => Next::End(None),
        })
    }

    /// Cancels a delivery, also one that goes on meanwhile, for as long as it is in one of the states.
    async fn cancel_found(
        &self,
        mut row: Delivery,
        work: &Cancelling,
        webhook: &Webhook,
    ) -> Result<(), FlowError> {
        loop {
            let end = row.end(State::Cancelled);
            let written = self
                .store
                .finish(&row.key, &row.position, &[row.state], end)
                .await?;
            match written {
                Written::Found(Some(found)) if is_wanted(&found, work, webhook) => row = found,
                Written::Found(_) | Written::Done(_) => return Ok(()),
            }
        }
    }
}

fn is_wanted(row: &Delivery, work: &Cancelling, webhook: &Webhook) -> bool {
    work.states.contains(&row.state_for(webhook))
}

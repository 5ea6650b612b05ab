//! Erasing: what was published, posted and answered is taken out of the table, now and not at the end of its retention.
//!
//! An erasure is a [job](super::jobs).
//!
//! The beginning takes away what the attempts to come would need: the webhook's row, or the event's bodies. Some are not stopped by
//! that, and log what they did afterwards: attempts that are being made just then, and first attempts, which carry their body and are
//! posted without a look at the table while they are fresh. So everything is gone through again when these are over.
//!
//! - A **webhook's** and a **tenant's** erasure go through everything twice: at once, and when every handler has ended that may have
//!   read the webhook before it was deleted.
//! - An **event's** erasure knows its deliveries, and ends as soon as each of them shows that nothing is under way. A queue may still
//!   hand out a copy of a fresh first attempt, so one more look follows when even that is over.
//!
//! Not exact: the counts. A page that is repeated after a crash counts once, and may erase more than it counted.

mod event;
mod webhook;

use futures_util::future::try_join_all;

use super::{FlowError, control::Control, jobs};
use crate::{
    domain::{
        attempt::AttemptKey,
        audit::Record,
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId, WebhookId},
        job::{Counts, Erasure, Job, Subject, Task, Work as Asked},
        message::{At, ErasePage, JobPage},
    },
    limits::{FRESH_MS, HANDLER_MS},
    store::{erasures::StartKey, event_list::Entry, jobs::Begun},
};

/// What a page has to do, found in the table as it stands now.
#[derive(Default)]
struct Work {
    /// What it comes to.
    erased: Counts,
    /// Rows that keep first attempts from being made, written where there is none.
    guards: Vec<Delivery>,
    /// Rows of deliveries that have succeeded, and do not say so.
    succeeded: Vec<Delivery>,
    /// Deliveries to cancel.
    cancelled: Vec<DeliveryKey>,
    /// Log entries to empty.
    emptied: Vec<AttemptKey>,
    /// Waits that may be parked.
    waits: Vec<AttemptKey>,
    /// Events to delete with all that hangs on them.
    events: Vec<EventId>,
    /// Entries of the tenant's list of events to delete, when the events are gone.
    listed: Vec<Entry>,
    /// Rows of deliveries to delete.
    deliveries: Vec<DeliveryKey>,
    /// A webhook to delete everything else of.
    rest_of_webhook: Option<WebhookId>,
    /// Whether to delete everything else of the tenant.
    rest_of_tenant: bool,
    /// Log entries to delete. They go last: they lead to the others.
    entries: Vec<AttemptKey>,
    /// Rows to delete that list such entries.
    starts: Vec<StartKey>,
    next: Next,
}

/// What follows a page.
#[derive(Default)]
enum Next {
    /// Nothing.
    #[default]
    End,
    /// Another page.
    Page(Box<ErasePage>),
}

impl Control {
    /// Begins an erasure. Returns its job, or the id of the one that is at the same thing already.
    ///
    /// # Errors
    /// When the table or the queue fails; asking again is safe.
    pub async fn erase(
        &self,
        task: &Task,
        erasure: &Erasure,
        record: &Record,
    ) -> Result<Begun, FlowError> {
        let page = JobPage::first(task, At::Erase(ErasePage::default()));
        self.send_page(&page, 0).await?;
        Ok(self.store.begin_erasure(task, erasure, record).await?)
    }

    /// Whether a page is not to be handled as one of its job: it is too early for it, so that it comes again, or the job has ended and
    /// this looks once more.
    pub(super) async fn is_put_off(
        &self,
        page: &JobPage,
        at: &ErasePage,
    ) -> Result<bool, FlowError> {
        let left_ms = at.not_before_ms.saturating_sub(self.clock.wall_ms());
        if left_ms > 0 {
            self.send_page(page, left_ms).await?;
            return Ok(true);
        }
        if !at.after_end {
            return Ok(false);
        }
        let job = self.store.job(&page.job).await?;
        if let Some(Asked::Erase(erasure)) = job.map(|job| job.task.work) {
            let work = self.found(&erasure, page.number, at).await?;
            if let Next::Page(next) = self.erase_found(&erasure, work).await? {
                self.send_page(&page.next(At::Erase(*next)), 0).await?;
            }
        }
        Ok(true)
    }

    /// Handles a page.
    pub(super) async fn erase_page(
        &self,
        job: &Job,
        erasure: &Erasure,
        at: &ErasePage,
    ) -> Result<jobs::Next, FlowError> {
        let mut at = at.clone();
        if at.settled_ms == 0 {
            at.settled_ms = self.settled_ms(erasure);
        }
        let work = self.found(erasure, job.page.number, &at).await?;
        let Some(job) = self.noted(job, work.erased, None).await? else {
            return Ok(jobs::Next::Left);
        };
        Ok(match self.erase_found(erasure, work).await? {
            Next::Page(next) => {
                let left_ms = next.not_before_ms.saturating_sub(self.clock.wall_ms());
                jobs::Next::Page(job, At::Erase(*next), left_ms)
            }
            Next::End => {
                self.look_again(&job.page, &at).await?;
                self.forget_webhooks(erasure).await?;
                jobs::Next::End(None)
            }
        })
    }

    /// When everything is over that had begun before an erasure that has begun by now, in milliseconds of the wall clock. A
    /// ladder's clock that runs faster makes it sooner.
    fn settled_ms(&self, erasure: &Erasure) -> u64 {
        let fresh_until_ms = match &erasure.subject {
            Subject::Event { accepted_ms, .. } => accepted_ms + FRESH_MS,
            Subject::Tenant | Subject::Webhook { .. } => 0,
        };
        let fresh_ms = fresh_until_ms.saturating_sub(self.clock.now_ms());
        self.clock.wall_ms() + fresh_ms + HANDLER_MS
    }

    async fn found(
        &self,
        erasure: &Erasure,
        number: u32,
        page: &ErasePage,
    ) -> Result<Work, FlowError> {
        let tenant = &erasure.tenant;
        match &erasure.subject {
            Subject::Event { event, accepted_ms } => {
                self.found_of_event(tenant, number, page, (event, *accepted_ms))
                    .await
            }
            Subject::Webhook { webhook, .. } => self.found_of_webhook(tenant, page, webhook).await,
            Subject::Tenant => self.found_of_tenant(tenant, page).await,
        }
    }

    /// Does what was found. Chains are stopped first, what leads to other things goes last.
    async fn erase_found(&self, erasure: &Erasure, work: Work) -> Result<Next, FlowError> {
        let (store, tenant) = (&self.store, &erasure.tenant);
        try_join_all(work.guards.iter().map(|row| store.place(row))).await?;
        try_join_all(work.cancelled.iter().map(|key| store.cancel_for_good(key))).await?;
        let succeeded = work.succeeded.iter().map(async |row| {
            let from = [row.state];
            let finished = store.finish(&row.key, &row.position, &from, State::Succeeded);
            finished.await
        });
        try_join_all(succeeded).await?;
        store.unpark(&work.waits).await?;
        try_join_all(work.emptied.iter().map(|key| store.empty_entry(key))).await?;
        if let Subject::Event { event, .. } = &erasure.subject {
            store.delete_bodies(tenant, event).await?;
        }
        let events = work.events.iter();
        try_join_all(events.map(|event| store.delete_event(tenant, event))).await?;
        store.forget_entries(tenant, &work.listed).await?;
        store.delete_deliveries(&work.deliveries).await?;
        if let Some(webhook) = &work.rest_of_webhook {
            store.delete_rest_of_webhook(tenant, webhook).await?;
        }
        if work.rest_of_tenant {
            store.delete_rest_of_tenant(tenant).await?;
        }
        store.delete_entries(&work.entries, work.starts).await?;
        Ok(work.next)
    }
}

//! Erasing: what was published, posted and answered is taken out of the table, now and not at the end of its retention.
//!
//! An erasure is a job, a chain of pages as a recovery is one: each page is a message; it does its part, then makes the next page's
//! message durable, then moves the job's row there. A crash anywhere repeats a page at most, and everything that a page does can be
//! done again. The message of the first page is durable before the job begins, and waits for that.
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

use super::{FlowError, deliver::Deliverer};
use crate::{
    domain::{
        attempt::AttemptKey,
        audit::Record,
        delivery::Delivery,
        id::{DeliveryKey, EventId, WebhookId},
        job::{Erased, Erasure, Subject},
        message::{ErasePage, Message},
    },
    limits::{FRESH_MS, HANDLER_MS},
    queue::Lane,
    store::{event_list::Entry, jobs::Begun},
};

/// What a page has to do, found in the table as it stands now.
#[derive(Default)]
struct Work {
    /// What it comes to.
    erased: Erased,
    /// Rows that keep first attempts from being made, written where there is none.
    guards: Vec<Delivery>,
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

/// How long a job's first page waits for the job to begin, in milliseconds: much longer than any call lives.
const BEGINNING_MS: u64 = 600_000;

impl Deliverer {
    /// Begins an erasure. Returns its job, or the id of the one that is at the same thing already.
    ///
    /// # Errors
    /// When the table or the queue fails; asking again is safe.
    pub async fn erase(&self, erasure: Erasure, record: &Record) -> Result<Begun, FlowError> {
        let page = ErasePage::first(erasure);
        let message = Message::Erase(page.clone());
        self.queue.send(Lane::Retry, &message, 0).await?;
        Ok(self.store.begin_erasure(&page.erasure, record).await?)
    }

    /// Handles a page's message.
    pub(super) async fn erase_page(&self, page: &ErasePage) -> Result<(), FlowError> {
        let left_ms = page.not_before_ms.saturating_sub(self.clock.wall_ms());
        if left_ms > 0 {
            return self.send_page(page, left_ms).await;
        }
        if page.after_end {
            let work = self.found(page).await?;
            let next = self.erase_found(page, work).await?;
            return match next {
                Next::Page(next) => self.send_page(&next, 0).await,
                Next::End => Ok(()),
            };
        }
        let id = &page.erasure.id;
        if !self.stands_at(page).await? {
            return Ok(());
        }
        let mut page = page.clone();
        if page.settled_ms == 0 {
            page.settled_ms = self.settled_ms(&page.erasure);
        }
        let work = self.found(&page).await?;
        match self
            .store
            .count_erased(id, page.number, work.erased)
            .await?
        {
            Some(job) if job.page == page.number && job.status.is_open() => {}
            // Another handler of this page is through with it.
            _ => return Ok(()),
        }
        match self.erase_found(&page, work).await? {
            Next::Page(mut next) => {
                next.number = page.number + 1;
                let left_ms = next.not_before_ms.saturating_sub(self.clock.wall_ms());
                self.send_page(&next, left_ms).await?;
                self.store.advance_job(&next).await?;
            }
            Next::End => {
                self.look_again(&page).await?;
                self.forget_webhooks(&page).await?;
                self.store.end_job(id, page.number).await?;
            }
        }
        Ok(())
    }

    /// Whether a page's job stands at it. Moves a job that its message has overtaken, and waits for one that has not begun, which
    /// may be never: the call that asked for it has died then, or has found that there is nothing to erase.
    async fn stands_at(&self, page: &ErasePage) -> Result<bool, FlowError> {
        let id = &page.erasure.id;
        let Some(job) = self.store.job(id).await? else {
            let waited_ms = self.clock.now_ms().saturating_sub(page.erasure.created_ms);
            if page.number == 0 && waited_ms < BEGINNING_MS {
                self.send_page(page, waited_ms.max(1_000)).await?;
            }
            return Ok(false);
        };
        let job = if job.page + 1 == page.number {
            self.store.advance_job(page).await?
        } else {
            Some(job)
        };
        Ok(job.is_some_and(|job| job.page == page.number && job.status.is_open()))
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

    async fn send_page(&self, page: &ErasePage, delay_ms: u64) -> Result<(), FlowError> {
        let message = Message::Erase(page.clone());
        self.queue.send(Lane::Retry, &message, delay_ms).await?;
        Ok(())
    }

    async fn found(&self, page: &ErasePage) -> Result<Work, FlowError> {
        match &page.erasure.subject {
            Subject::Event { event, accepted_ms } => {
                self.found_of_event(page, event, *accepted_ms).await
            }
            Subject::Webhook { webhook, .. } => self.found_of_webhook(page, webhook).await,
            Subject::Tenant => self.found_of_tenant(page).await,
        }
    }

    /// Does what was found. Chains are stopped first, what leads to other things goes last.
    async fn erase_found(&self, page: &ErasePage, work: Work) -> Result<Next, FlowError> {
        let (store, tenant) = (&self.store, &page.erasure.tenant);
        try_join_all(work.guards.iter().map(|row| store.place(row))).await?;
        try_join_all(work.cancelled.iter().map(|key| store.cancel_for_good(key))).await?;
        store.unpark(&work.waits).await?;
        try_join_all(work.emptied.iter().map(|key| store.empty_entry(key))).await?;
        if let Subject::Event { event, .. } = &page.erasure.subject {
            store.delete_bodies(tenant, event).await?;
        }
        for event in &work.events {
            store.delete_event(tenant, event).await?;
        }
        store.forget_entries(tenant, &work.listed).await?;
        store.delete_deliveries(&work.deliveries).await?;
        if let Some(webhook) = &work.rest_of_webhook {
            store.delete_rest_of_webhook(tenant, webhook).await?;
        }
        if work.rest_of_tenant {
            store.delete_rest_of_tenant(tenant).await?;
        }
        store.delete_entries(&work.entries).await?;
        Ok(work.next)
    }
}

/// The position behind which a page goes on.
fn cursor(page: &ErasePage) -> Option<&str> {
    Some(page.cursor.as_str()).filter(|cursor| !cursor.is_empty())
}

//! Jobs: work that goes on after the call that began it.
//!
//! A job is a chain of pages, as a delivery is one of attempts. Each page is a message; it does its part, then makes the next page's
//! message durable, then moves the job's row there. So a crash anywhere repeats a page at most, and whatever a page does can be done
//! again. The message of the first page is durable before the job begins, and waits for that.
//!
//! What each kind of job does for a page is in a file of its own: [`recover`](super::recover), `cancel`, `redrive`, `export`,
//! [`erase`](super::erase).

mod cancel;
mod export;
mod redrive;

use super::{FlowError, control::Control};
use crate::{
    domain::{
        audit::Record,
        job::{Counts, Failure, Job, Noted, Task, Work},
        message::{At, JobPage, Message},
        recovery::Scope,
    },
    limits::{EARLY_MS, WATCH_PAGE},
    queue::QueueName,
};

/// How long a job's first page waits for the job to begin, in milliseconds: much longer than any call lives.
const BEGINNING_MS: u64 = 600_000;

/// What follows a page.
pub(super) enum Next {
    /// Nothing: another handler of the page is through with it, or the job was cancelled.
    Left,
    /// Another page, after so many milliseconds. The job is as it was when the page was noted.
    Page(Box<Job>, At, u64),
    /// The end.
    End(Option<Failure>),
}

impl Control {
    /// Begins a job, whose first page comes after so many milliseconds. Returns how it stands; `None` when its tenant is gone. `record`
    /// goes to the audit log with it. Jobs whose pages were lost go on: most often one is begun for want of what another should have done.
    ///
    /// # Errors
    /// When the table or the queue fails; asking again under the same id is safe.
    pub async fn begin(
        &self,
        task: &Task,
        (at, delay_ms): (At, u64),
        record: &Record,
    ) -> Result<Option<Job>, FlowError> {
        let page = JobPage::first(task, at);
        let lag_ms = self.lag_ms(&task.work);
        // A second more, for the row to be there by then.
        let listed_ms = if lag_ms > 0 { lag_ms + 1_000 } else { 0 };
        self.send_page(&page, delay_ms.max(listed_ms)).await?;
        self.resend_lost_pages().await?;
        Ok(self.store.begin_job(task, &page, record).await?)
    }

    /// Sends the lost pages of the newest jobs that have not ended once more. The watchdog looks at all of them.
    async fn resend_lost_pages(&self) -> Result<(), FlowError> {
        let open = self.store.open_jobs(None, WATCH_PAGE).await?;
        for job in &open.items {
            self.resend_page(job).await?;
        }
        Ok(())
    }

    /// Sends the message of the page that a job stands at once more, if it must be taken for lost.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn resend_page(&self, job: &Job) -> Result<(), FlowError> {
        if job.is_overdue(self.overdue_ms()) {
            self.send_page(&job.page, 0).await?;
        }
        Ok(())
    }

    pub(super) async fn send_page(&self, page: &JobPage, delay_ms: u64) -> Result<(), FlowError> {
        let message = Message::Job(page.clone());
        self.queue
            .send(QueueName::Retry, &message, delay_ms)
            .await?;
        Ok(())
    }

    /// Handles a page's message.
    pub(super) async fn job_page(&self, page: &JobPage) -> Result<(), FlowError> {
        if let At::Erase(at) = &page.at
            && self.is_put_off(page, at).await?
        {
            return Ok(());
        }
        let Some(job) = self.stands_at(page).await? else {
            return Ok(());
        };
        let listed_ms = job.moved_ms + self.lag_ms(&job.task.work);
        let left_ms = listed_ms.saturating_sub(self.clock.now_ms());
        if page.number == 0 && self.lag_ms(&job.task.work) > 0 && left_ms > 0 {
            return self.send_page(page, left_ms).await;
        }
        let next = match (&job.task.work, &job.page.at) {
            (Work::Recover(recovering), At::Recover(at)) => {
                Box::pin(self.recover_page(&job, &recovering.reach, at)).await?
            }
            (Work::Cancel(work), At::Cancel(cursor)) => {
                self.cancel_page(&job, work, cursor).await?
            }
            (Work::Redrive { .. }, At::Redrive(left)) => self.redrive_page(&job, *left).await?,
            (Work::Export(work), At::Export(before)) => {
                self.export_page(&job, work, before).await?
            }
            (Work::Erase(erasure), At::Erase(at)) => self.erase_page(&job, erasure, at).await?,
            _ => {
                tracing::error!(job = %job.task.id, "a job stands at a page of another kind");
                return Ok(());
            }
        };
        match next {
            Next::Left => {}
            Next::Page(job, at, delay_ms) => {
                let next = job.page.next(at);
                self.send_page(&next, delay_ms).await?;
                self.store.advance_job(&job, &next).await?;
            }
            Next::End(failure) => self.store.end_job(&job, failure).await?,
        }
        Ok(())
    }

    /// How long a job waits before its first page, in milliseconds, where it goes by the lists of deliveries. They lag: by then what stood
    /// in its scope when its row was written, or was held and found no recovery by then, is listed.
    fn lag_ms(&self, work: &Work) -> u64 {
        let by_lists = match work {
            Work::Recover(recovering) => matches!(recovering.selection.scope, Scope::States(_)),
            Work::Cancel(_) => true,
            Work::Redrive { .. } | Work::Export(_) | Work::Erase(_) => false,
        };
        if by_lists { self.index_lag_ms } else { 0 }
    }

    /// The job of a page, if it stands at that page. Moves a job that its message has overtaken, and waits for one that has not begun,
    /// which may be never: the call that asked for it has died then, or has found that there is nothing to do.
    async fn stands_at(&self, page: &JobPage) -> Result<Option<Job>, FlowError> {
        let mut found = self.store.job(&page.job).await?;
        let waited_ms = self.clock.now_ms().saturating_sub(page.created_ms);
        if found.is_none() && page.number == 0 && waited_ms < EARLY_MS {
            // The call that asked for it is about to write it.
            self.clock
                .sleep_until_ms(self.clock.now_ms() + BEGUN_MS)
                .await;
            found = self.store.job(&page.job).await?;
        }
        let Some(job) = found else {
            if page.number == 0 && waited_ms < BEGINNING_MS {
                self.send_page(page, waited_ms.max(1_000)).await?;
            }
            return Ok(None);
        };
        let job = if job.page.number + 1 == page.number {
            self.store.advance_job(&job, page).await?
        } else {
            Some(job)
        };
        Ok(job.filter(|job| job.page.number == page.number && job.status.is_open()))
    }

    /// Notes what a page comes to. Returns the job as it stands with what was noted first; `None` when another handler of the page is
    /// through with it, or the job was cancelled.
    pub(super) async fn noted(
        &self,
        job: &Job,
        counts: Counts,
        end: Option<&str>,
    ) -> Result<Option<Box<Job>>, FlowError> {
        let noted = Noted {
            counts,
            end: end.map(str::to_owned),
        };
        let standing = self.store.note_page(job, &noted).await?;
        let standing = standing.filter(|standing| {
            standing.page.number == job.page.number && standing.status.is_open()
        });
        Ok(standing.map(Box::new))
    }
}

/// How long the handler of a first page waits for the call that is writing the job, in milliseconds.
const BEGUN_MS: u64 = 200;

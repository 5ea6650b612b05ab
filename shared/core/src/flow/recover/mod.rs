//! Recovering: many deliveries of a webhook sent again, each on a fresh ladder.
//!
//! A recovery is a [job](super::jobs). A page of it that is repeated sends nothing twice: each delivery's row carries the number of
//! the recovery that last moved it, and only a higher number moves it again. The message carries the number too, since it may come
//! before its row was moved.
//!
//! What waits keeps its ladder: it is sent as by hand, in the place of its wait, which is put back if it fails. The row moves only from
//! the very wait that the page has found.
//!
//! An attempt may still be on its way when its webhook was disabled and enabled again, and is held only when its message comes: behind
//! the page that should have found it. Whoever holds a delivery therefore looks for a recovery that is for it, and sends it for that
//! one. A recovery's number is there before its pages look into the lists, so one of the two sees the other.
//!
//! A webhook may get events that it did not match. Nothing of such an event leads to it, so the event is given a note of it
//! before anything is sent: a crash in between leaves a note of a delivery that is not there, which its missing row tells.
//!
//! Not needed for correctness: that a page is handled once, and that a page looks the same when it is repeated. That it ends at
//! the same place is for the count alone.

mod page;
mod reach;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use self::page::{Again, THE_END};
use super::{FlowError, control::Control, jobs::Next};
use crate::{
    domain::{
        audit::Record,
        delivery::Delivery,
        id::{JobId, TenantId},
        job::{Counts, Failure, Job, Reach, Status, Task, Work},
        message::{At, AttemptMessage, Message, RecoverPage, Run},
        recovery::{Recovery, Scope},
        webhook::Webhook,
    },
    limits::{LADDER_DELAY, RECOVERIES_LOOKED_AT, REPEAT_DELAY_MS, RETENTION_MARGIN},
    queue::QueueName,
    store::{
        deliveries::{AdvanceIf, Written},
        events::Sendable,
        recoveries::{Claim, Numbered},
    },
};

/// How long a call has to begin the recovery that it claimed a number for, in milliseconds: longer than a function runs.
const CLAIM_MS: u64 = 60_000;

/// What a recovery of whatever matches is known by while it runs: what was asked for. Without an end, one goes up to when it was asked
/// for.
fn own_key(task: &Task, epoch: u64) -> Option<String> {
    let Work::Recover(recovering) = &task.work else {
        return None;
    };
    let selection = &recovering.selection;
    if selection.scope != Scope::Any {
        return None;
    }
    let until_ms = selection.until_ms;
    let end = Some(until_ms).filter(|until_ms| *until_ms < task.created_ms);
    let rest = (
        selection.since_ms,
        end,
        &selection.event_types,
        &selection.deliveries,
    );
    let asked = format!("{epoch} {rest:?}");
    Some(hex::encode(&Sha256::digest(asked)[..16]))
}

fn run(webhook: &Webhook, number: u64) -> Run {
    Run {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
        number,
        epoch: webhook.epoch,
    }
}

/// What came of asking for a number.
enum Taken {
    /// It is this, for the first time.
    Number(u64),
    /// It is this, and another call has it for the same job: if that has begun it, its page is on its way.
    Again(u64),
}

/// Who begins what is known by what it asks for.
enum Claimed {
    /// This call.
    Own,
    /// Another call, as the job of this id, which it has not begun yet.
    Others(JobId),
    /// Nobody: it runs as this job.
    Running(Box<Job>),
}

/// How many deliveries a recovery would send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// So many, as far as was counted.
    pub deliveries: u64,
    /// Whether there was no time to count all.
    pub is_cut_short: bool,
    /// The time of the last one looked at, in milliseconds, if there was no time for all of a webhook's.
    pub until_ms: Option<u64>,
}

impl Control {
    /// Begins a recovery of a webhook. One of whatever matches is answered again for as long as it runs, unless its client names
    /// each by an `Idempotency-Key`. (Of those that look for what is not through, another sends only what the first did not.) Returns how its job stands; `None`
    /// when its tenant is gone. `record` goes to the audit log with it.
    ///
    /// # Errors
    /// When the table or the queue fails; asking again is safe.
    pub async fn recover(
        &self,
        mut task: Task,
        webhook: &Webhook,
        is_named: bool,
        record: &Record,
    ) -> Result<Option<Job>, FlowError> {
        let key = own_key(&task, webhook.epoch).filter(|_| !is_named);
        let claimed = match key {
            Some(key) => Some(self.claim(&task, webhook, &key).await?),
            None => None,
        };
        match &claimed {
            Some(Claimed::Running(job)) => {
                self.resend_page(job).await?;
                return Ok(Some((**job).clone()));
            }
            Some(Claimed::Others(id)) => task.id = id.clone(),
            Some(Claimed::Own) | None => {}
        }
        let taken = self.take_number(&task, webhook).await?;
        let (Taken::Number(number) | Taken::Again(number)) = taken;
        // Of those that begin the same job one sends the page now, and the others once that is handled.
        let is_first = match claimed {
            Some(claimed) => matches!(claimed, Claimed::Own),
            None => matches!(taken, Taken::Number(_)),
        };
        let delay_ms = if is_first { 0 } else { REPEAT_DELAY_MS };
        let at = At::Recover(RecoverPage {
            run: Some(run(webhook, number)),
            ..RecoverPage::default()
        });
        self.begin(&task, (at, delay_ms), record).await
    }

    /// Takes the next number for a recovery of a webhook. A task that has one gets the same.
    async fn take_number(&self, task: &Task, webhook: &Webhook) -> Result<Taken, FlowError> {
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        loop {
            let latest = self
                .store
                .latest_recoveries(tenant, id, RECOVERIES_LOOKED_AT)
                .await?;
            if let Some(own) = latest.iter().find(|numbered| numbered.job == task.id) {
                return Ok(Taken::Again(own.number));
            }
            let after_latest = latest.first().map_or(0, |latest| latest.number + 1);
            let numbered = Numbered {
                number: task.created_ms.max(after_latest),
                job: task.id.clone(),
                epoch: webhook.epoch,
            };
            if self.store.number_recovery(tenant, id, &numbered).await? {
                return Ok(Taken::Number(numbered.number));
            }
            // Another call has taken the number at the same moment.
        }
    }

    /// Claims for a task what it is known by, unless that runs, or another call is about to begin it.
    async fn claim(&self, task: &Task, webhook: &Webhook, key: &str) -> Result<Claimed, FlowError> {
        let name = (&webhook.tenant, &webhook.id);
        loop {
            let now_ms = self.clock.now_ms();
            let before = self.store.recovery_claim(name, key).await?;
            if let Some(before) = &before {
                match self.store.job(&before.job).await? {
                    Some(job) if job.status.is_open() => return Ok(Claimed::Running(job.into())),
                    // Whoever has claimed it has not begun it yet, and may never.
                    None if now_ms < before.claimed_ms + CLAIM_MS => {
                        return Ok(Claimed::Others(before.job.clone()));
                    }
                    _ => {}
                }
            }
            let claim = Claim {
                job: task.id.clone(),
                claimed_ms: now_ms,
            };
            let claimed = self
                .store
                .claim_recovery(name, key, &claim, before.as_ref());
            if claimed.await? {
                return Ok(Claimed::Own);
            }
        }
    }

    /// Counts what a recovery would send to a webhook, until `deadline_ms`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn count_recoverable(
        &self,
        task: &Task,
        webhook: &Webhook,
        deadline_ms: u64,
    ) -> Result<Counted, FlowError> {
        let dialect = self.dialect(&webhook.dialect)?;
        let number = self.clock.now_ms();
        let mut counted = Counted::default();
        let Some(mut recovery) = Recovery::begun(task, run(webhook, number)) else {
            return Ok(counted);
        };
        loop {
            let page = self.recoverable(webhook, dialect, &recovery).await?;
            counted.deliveries += page.sent();
            match page.next {
                Some(next) => recovery.cursor = next,
                None => return Ok(counted),
            }
            if self.clock.wall_ms() >= deadline_ms {
                counted.is_cut_short = true;
                counted.until_ms = Some(recovery.reached_ms());
                return Ok(counted);
            }
        }
    }

    /// Handles a page.
    pub(super) async fn recover_page(
        &self,
        job: &Job,
        reach: &Reach,
        at: &RecoverPage,
    ) -> Result<Next, FlowError> {
        let Some(recovery) = Recovery::of(job) else {
            return self.next_webhook(job, reach, at).await;
        };
        let Run {
            tenant,
            webhook: id,
            epoch,
            ..
        } = &recovery.run;
        let webhook = self.store.webhook(tenant, id).await?;
        let failure = match &webhook {
            Some(webhook) if webhook.takes(*epoch) => None,
            // One that is gone may be made anew under its id, and is another then.
            Some(webhook) if webhook.first_epoch <= *epoch => Some(Failure::WebhookDisabled),
            _ => Some(Failure::WebhookDeleted),
        };
        let webhook = match (webhook, failure) {
            (Some(webhook), None) => webhook,
            (_, failure) if matches!(reach, Reach::Webhook { .. }) => {
                return Ok(Next::End(failure));
            }
            _ => return self.next_webhook(job, reach, at).await,
        };
        let dialect = self.dialect(&webhook.dialect)?;
        let mut page = self.recoverable(&webhook, dialect, &recovery).await?;
        let counts = Counts {
            deliveries: page.sent(),
            skipped: page.skipped,
            ..Counts::default()
        };
        let end = page.next.as_deref().unwrap_or(THE_END);
        let Some(job) = self.noted(job, counts, Some(end)).await? else {
            return Ok(Next::Left);
        };
        let noted = job.noted.as_ref();
        let noted_end = noted.and_then(|noted| noted.end.as_deref());
        page.end_at(noted_end.unwrap_or(THE_END));
        let kept = match page.kept {
            Some(kept) => kept,
            None => self.kept_of(&page.again).await?,
        };
        self.outlast_ladders(&webhook, &page.again, kept).await?;
        self.note_backfilled(tenant, &page.again).await?;
        let in_place = page.in_place.into_iter();
        let in_place: Vec<_> = in_place
            .map(|(_, message, delay_ms)| (Message::Attempt(message), delay_ms))
            .collect();
        let sent = self.queue.send_every(QueueName::Retry, &in_place);
        sent.await?;
        let dues = (job.before.deliveries..).map(|place| recovery.due_ms(place));
        self.send_again(&recovery, &webhook, page.again, dues)
            .await?;
        // At a rate, the next page comes when this one's share of time is over.
        let through_ms = recovery.due_ms(job.before.deliveries + counts.deliveries);
        let is_paced = recovery.selection.rate_per_second.is_some();
        let left_ms = through_ms.saturating_sub(self.clock.now_ms());
        let delay_ms = if is_paced { left_ms } else { 0 };
        let next = match (page.next, reach) {
            (Some(cursor), _) => RecoverPage {
                cursor,
                ..at.clone()
            },
            (None, Reach::Webhook { .. }) => return Ok(Next::End(None)),
            (None, Reach::Tenant(_) | Reach::Deployment) => RecoverPage {
                place: at.place.clone(),
                ..RecoverPage::default()
            },
        };
        Ok(Next::Page(job, At::Recover(next), delay_ms))
    }

    /// Keeps the events of deliveries until their fresh ladders have ended, where they would expire before.
    async fn outlast_ladders(
        &self,
        webhook: &Webhook,
        again: &[Again],
        kept: Sendable,
    ) -> Result<(), FlowError> {
        let ladders = again.iter().map(|delivery| {
            let dialect = delivery.message.position.dialect.as_deref();
            self.dialect(dialect.unwrap_or(&webhook.dialect))
        });
        let mut longest_ms = 0;
        for dialect in ladders {
            let dialect = dialect?;
            longest_ms = longest_ms.max(dialect.longest_ladder_ms());
        }
        let end_s = (self.clock.wall_ms() + longest_ms) / 1000;
        self.store
            .outlast(
                &webhook.tenant,
                kept,
                end_s + LADDER_DELAY.as_secs(),
                end_s + RETENTION_MARGIN.as_secs(),
            )
            .await?;
        Ok(())
    }

    /// Sends a delivery that its message has just held, if a recovery is for it that may have gone by before.
    ///
    /// # Errors
    /// When the table or the queue fails; doing it again is safe.
    pub(super) async fn recover_held(&self, held: &AttemptMessage) -> Result<(), FlowError> {
        let (key, epoch) = (&held.delivery, held.position.epoch);
        let (tenant, id) = (&key.tenant, &key.webhook);
        // A recovery reaches up to when it was asked for at most.
        let mut numbered = self
            .store
            .recoveries_since(tenant, id, key.accepted_ms)
            .await?;
        numbered.retain(|numbered| numbered.epoch > epoch);
        if numbered.is_empty() {
            return Ok(());
        }
        let (webhook, row) =
            tokio::try_join!(self.store.webhook(tenant, id), self.store.delivery(key))?;
        let (Some(webhook), Some(row)) = (webhook, row) else {
            return Ok(());
        };
        // An earlier webhook of the same id is none of their business.
        if epoch < webhook.first_epoch {
            return Ok(());
        }
        for numbered in numbered {
            if !webhook.takes(numbered.epoch) {
                continue;
            }
            let job = self.store.job(&numbered.job).await?;
            // One that has not begun will find it.
            let job = job.filter(|job| job.status != Status::Cancelled);
            let recovery = job
                .and_then(|job| Recovery::begun(&job.task, numbered.run(tenant, id)))
                .filter(|recovery| {
                    let selection = &recovery.selection;
                    (selection.since_ms..=selection.until_ms).contains(&key.accepted_ms)
                });
            let Some(recovery) = recovery else {
                continue;
            };
            let dialect = self.dialect(&webhook.dialect)?;
            if !self.is_wanted(&recovery, &row, &webhook, dialect) {
                continue;
            }
            let again = self.not_through(vec![row], &recovery).await?;
            let kept = self.kept_of(&again).await?;
            if again.iter().any(|held| kept.has(&held.message.delivery)) {
                self.outlast_ladders(&webhook, &again, kept).await?;
                let dues = self.clock.now_ms()..;
                self.send_again(&recovery, &webhook, again, dues).await?;
                self.store.count_sent_late(&numbered.job).await?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Lets the events of those that they did not match lead to them.
    async fn note_backfilled(&self, tenant: &TenantId, again: &[Again]) -> Result<(), FlowError> {
        let backfilled = again.iter().filter(|delivery| delivery.backfilled);
        let keys: Vec<_> = backfilled
            .map(|delivery| delivery.message.delivery.clone())
            .collect();
        self.store.note_backfills(tenant, &keys).await?;
        Ok(())
    }

    /// Puts deliveries on their way, at these times in milliseconds: first the messages, then the rows.
    async fn send_again(
        &self,
        recovery: &Recovery,
        webhook: &Webhook,
        mut again: Vec<Again>,
        mut dues: impl Iterator<Item = u64>,
    ) -> Result<(), FlowError> {
        let dialect = self.dialect(&webhook.dialect)?;
        while !again.is_empty() {
            for (delivery, due_ms) in again.iter_mut().zip(&mut dues) {
                delivery.message.position.due_ms = due_ms;
            }
            let now_ms = self.clock.now_ms();
            let messages: Vec<_> = again
                .iter()
                .map(|Again { message, .. }| {
                    let delay_ms = message.position.due_ms.saturating_sub(now_ms);
                    (Message::Attempt(message.clone()), delay_ms)
                })
                .collect();
            let sent = self.queue.send_every(QueueName::Retry, &messages);
            sent.await?;
            let moved = again.iter().map(async |delivery| {
                let to = delivery.message.row(delivery.event_type.clone());
                if delivery.row.is_some() {
                    let resume_ms = to.position.resume_ms;
                    let from = resume_ms.map_or(AdvanceIf::BeforeJob, AdvanceIf::WaitBeforeJob);
                    self.store.advance(&to, from).await
                } else {
                    let ended_ms = delivery.succeeded_ms;
                    self.store.place(&Delivery { ended_ms, ..to }).await
                }
            });
            // Where a condition fails, the message was faster, or somebody has sent the delivery again by hand. Or an attempt that
            // was under way when the webhook was disabled has failed just now, and its successor will be held: once more then.
            let found = try_join_all(moved).await?.into_iter();
            let found = found.filter_map(|written| match written {
                Written::Found(row) => row,
                Written::Done(_) => None,
            });
            let left = found.filter(|row| self.is_wanted(recovery, row, webhook, dialect));
            again = self.not_through(left.collect(), recovery).await?;
        }
        Ok(())
    }
}

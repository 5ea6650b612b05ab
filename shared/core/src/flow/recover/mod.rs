//! Recovering: many deliveries of a webhook sent again, each on a fresh ladder.
//!
//! A recovery is a chain of pages, as a delivery is one of attempts. Each page is a message; it sends what the page holds, then
//! makes the next page's message durable, then moves the recovery's row there. So a crash anywhere repeats a page at most, and a
//! page that is repeated sends nothing twice: each delivery's row carries the number of the recovery that last moved it, and
//! only a higher number moves it again. The message carries the number too, since it may come before its row was moved.
//!
//! What waits keeps its ladder: it is sent as by hand, in the place of its wait, which is put back if it fails. The row moves only from
//! the very wait that the page has found.
//!
//! An attempt may still be on its way when its webhook was disabled and enabled again, and is held only when its message comes: behind
//! the page that should have found it. Whoever holds a delivery therefore looks for a recovery that is for it, and sends it for that
//! one. A recovery's row is there before its pages look into the lists, so one of the two sees the other.
//!
//! A webhook may get events that it did not match. Nothing of such an event leads to it, so the event is given a note of it
//! before anything is sent: a crash in between leaves a note of a delivery that is not there, which its missing row tells.
//!
//! Not needed for correctness: that a page is handled once, and that a page looks the same when it is repeated. That it ends at
//! the same place is for the count alone.

mod page;

use futures_util::future::try_join_all;
use rung_dialect::Dialect;
use rung_json::Json;

use self::page::{Again, THE_END};
use super::{FlowError, deliver::Deliverer, settle::head};
use crate::{
    domain::{
        audit::Record,
        id::TenantId,
        idempotency::Idempotency,
        message::{Due, Message, Recovery, Scope},
        recovery::{Progress, Status},
        webhook::Webhook,
    },
    limits::{LADDER_DELAY, REPEAT_DELAY_MS, RETENTION_MARGIN},
    queue::Lane,
    store::deliveries::{From, Written},
};

/// What came of asking for a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It goes on.
    Begun(Progress),
    /// The `Idempotency-Key` belongs to one of another kind.
    OtherUnderKey,
}

/// How long a call may take to begin what it has reserved, in milliseconds: longer than any function lives.
const BEGINNING_MS: u64 = 60_000;

/// What a recovery of whatever matches is known by where the client gives no key: what was asked for. Without an end, one goes up
/// to when it was asked for.
fn own_key(recovery: &Recovery) -> Option<Idempotency> {
    let Recovery {
        scope: Scope::Any,
        epoch,
        since_ms,
        until_ms,
        job,
        ..
    } = recovery
    else {
        return None;
    };
    let end = Some(until_ms).filter(|until_ms| *until_ms < job);
    // No client's key has a control character in it.
    let key = format!("any\n{epoch}\n{since_ms}\n{end:?}");
    Some(Idempotency::of(key, &Json::Null))
}

/// How many deliveries a recovery would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// So many, as far as was counted.
    pub deliveries: u64,
    /// The time of the last one looked at, in milliseconds, when there was no time to count all.
    pub until_ms: Option<u64>,
}

impl Deliverer {
    /// Begins a recovery. Its number is made higher than those of the webhook's earlier ones. Under the same key the same one is
    /// answered again; the message of its page is sent once more if it must be taken for lost. Without one that is so of a recovery of whatever matches too, but only while it runs. (Of those that look
    /// for what is not through, another sends only what the first did not.) Of one that this call begins, `record` goes to the audit
    /// log first.
    ///
    /// # Errors
    /// When the table or the queue fails; asking again is safe.
    pub async fn recover(
        &self,
        mut recovery: Recovery,
        given: Option<&Idempotency>,
        record: &Record,
    ) -> Result<Asked, FlowError> {
        let own = own_key(&recovery).filter(|_| given.is_none());
        let idempotency = given.or(own.as_ref());
        let mut taken = None;
        let mut delay_ms = 0;
        let mut recorded = false;
        loop {
            let latest = self
                .store
                .latest_recovery(&recovery.tenant, &recovery.webhook)
                .await?;
            if let Some(latest) = latest {
                recovery.job = recovery.job.max(latest.recovery.job + 1);
            }
            if let Some(idempotency) = idempotency
                && let Some((earlier, earlier_hash)) = self
                    .store
                    .reserve_recovery(&recovery, idempotency, taken.as_ref())
                    .await?
            {
                if earlier_hash != idempotency.content_hash {
                    return Ok(Asked::OtherUnderKey);
                }
                let (tenant, webhook) = (&earlier.tenant, &earlier.webhook);
                let standing = self.store.recovery(tenant, webhook, earlier.job).await?;
                let standing = standing.filter(|it| it.recovery.is_same(&earlier));
                let is_over = match &standing {
                    Some(standing) => standing.status != Status::Running,
                    None => earlier.job + BEGINNING_MS < self.clock.now_ms(),
                };
                if own.is_some() && is_over {
                    taken = Some(earlier);
                    continue;
                }
                if let Some(standing) = standing {
                    if standing.is_overdue(self.clock.now_ms()) {
                        let page = Message::Recover(standing.recovery.clone());
                        self.queue.send(Lane::Retry, &page, 0).await?;
                    }
                    return Ok(Asked::Begun(standing));
                }
                // Whoever reserved it has not begun it yet, and may never. If it does, this finds it begun.
                recovery = earlier;
                delay_ms = REPEAT_DELAY_MS;
            }
            if !recorded {
                self.store.record(record).await?;
                recorded = true;
            }
            self.queue
                .send(Lane::Retry, &Message::Recover(recovery.clone()), delay_ms)
                .await?;
            let standing = self.store.place_recovery(&recovery).await?;
            if standing.recovery.is_same(&recovery) {
                return Ok(Asked::Begun(standing));
            }
            // Another one took the number at the same moment; the message under it is dropped. The key is for the next number.
            taken = Some(recovery.clone());
        }
    }

    /// Counts what a recovery would send, until `deadline_ms`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn count_recoverable(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        mut recovery: Recovery,
        deadline_ms: u64,
    ) -> Result<Counted, FlowError> {
        let mut deliveries = 0;
        loop {
            let page = self.recoverable(webhook, dialect, &recovery).await?;
            deliveries += page.sent();
            match page.next {
                Some(next) => recovery.cursor = next,
                None => {
                    return Ok(Counted {
                        deliveries,
                        until_ms: None,
                    });
                }
            }
            if self.clock.wall_ms() >= deadline_ms {
                let until_ms = Some(recovery.reached_ms());
                return Ok(Counted {
                    deliveries,
                    until_ms,
                });
            }
        }
    }

    /// Handles a page's message.
    pub(super) async fn recover_page(&self, asked: &Recovery) -> Result<(), FlowError> {
        let (tenant, id) = (&asked.tenant, &asked.webhook);
        let (webhook, standing) = tokio::try_join!(
            self.store.webhook(tenant, id),
            self.store.recovery(tenant, id, asked.job)
        )?;
        let mut standing = match standing {
            Some(standing) => standing,
            None if asked.cursor.is_empty() => self.store.place_recovery(asked).await?,
            None => return Ok(()),
        };
        if !standing.recovery.is_same(asked) {
            return Ok(());
        }
        if standing.recovery.cursor < asked.cursor {
            // This message overtook its row: the page before it is done.
            let moved = self
                .store
                .advance_recovery(&standing.recovery, &asked.cursor)
                .await?;
            match moved {
                Some(moved) => standing = moved,
                None => return Ok(()),
            }
        }
        if standing.status != Status::Running || standing.recovery.cursor != asked.cursor {
            return Ok(());
        }
        // One that is gone may be made anew under its id, and then be asked how its recoveries stand.
        let Some(webhook) = webhook.filter(|webhook| webhook.takes(asked.epoch)) else {
            self.store.end_recovery(asked, Status::Stopped).await?;
            return Ok(());
        };
        let dialect = self.dialect(&webhook.dialect)?;
        let mut page = self.recoverable(&webhook, dialect, asked).await?;
        let counts = (page.sent(), page.skipped);
        let end = page.next.as_deref().unwrap_or(THE_END);
        match self.store.count_page(asked, counts, end).await? {
            Some(noted) if noted.recovery.cursor == asked.cursor => {
                page.end_at(noted.page_end.as_deref().unwrap_or(THE_END));
            }
            // Another handler of this page is through with it.
            _ => return Ok(()),
        }
        self.outlast_ladders(&webhook, &page.again).await?;
        self.note_backfilled(tenant, &page.again).await?;
        let overdue = page.overdue.into_iter();
        let overdue: Vec<_> = overdue.map(|(_, due)| (Message::Attempt(due), 0)).collect();
        let sent = self.queue.send_all(Lane::Retry, &overdue).await;
        sent.into_iter().collect::<Result<(), _>>()?;
        self.send_again(asked, &webhook, page.again, standing.sent)
            .await?;
        match page.next {
            Some(next) => {
                let message = Recovery {
                    cursor: next.clone(),
                    ..asked.clone()
                };
                self.queue
                    .send(Lane::Retry, &Message::Recover(message), 0)
                    .await?;
                self.store.advance_recovery(asked, &next).await?;
            }
            None => self.store.end_recovery(asked, Status::Done).await?,
        }
        Ok(())
    }

    /// Keeps the events of deliveries until their fresh ladders have ended, where they would expire before.
    async fn outlast_ladders(&self, webhook: &Webhook, again: &[Again]) -> Result<(), FlowError> {
        let ladders = again.iter().map(|delivery| {
            let dialect = delivery.due.dialect.as_deref();
            self.dialect(dialect.unwrap_or(&webhook.dialect))
        });
        let mut longest_ms = 0;
        for dialect in ladders {
            let dialect = dialect?;
            longest_ms = longest_ms.max(dialect.ladder.longest_ms(dialect.honours_retry_after));
        }
        let end_s = (self.clock.wall_ms() + longest_ms) / 1000;
        let events = again.iter().map(|delivery| &delivery.due.event);
        self.store
            .outlast(
                &webhook.tenant,
                &events.collect::<Vec<_>>(),
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
    pub(super) async fn recover_held(&self, due: &Due) -> Result<(), FlowError> {
        let (tenant, id) = (&due.tenant, &due.webhook);
        // A recovery reaches up to when it was asked for at most.
        let recoveries = self
            .store
            .recoveries_since(tenant, id, due.accepted_ms)
            .await?;
        let mut recoveries = recoveries
            .into_iter()
            .filter(|recovery| recovery.epoch > due.epoch);
        let Some(newest) = recoveries.next() else {
            return Ok(());
        };
        let key = due.delivery();
        let (webhook, row) =
            tokio::try_join!(self.store.webhook(tenant, id), self.store.delivery(&key))?;
        let (Some(webhook), Some(row)) = (webhook, row) else {
            return Ok(());
        };
        let is_for_it = |recovery: &Recovery| {
            let span = recovery.since_ms..=recovery.until_ms;
            // An earlier webhook of the same id is none of its business.
            webhook.takes(recovery.epoch)
                && due.epoch >= webhook.first_epoch
                && span.contains(&due.accepted_ms)
                && self.is_wanted(recovery, &row, &webhook)
        };
        let recovery = std::iter::once(newest).chain(recoveries).find(is_for_it);
        let Some(recovery) = recovery else {
            return Ok(());
        };
        let again = self.not_through(vec![row], &recovery).await?;
        if again.is_empty() {
            return Ok(());
        }
        let place = self.clock.now_ms().saturating_sub(recovery.job);
        self.outlast_ladders(&webhook, &again).await?;
        self.send_again(&recovery, &webhook, again, place).await?;
        self.store.count_sent_late(&recovery).await?;
        Ok(())
    }

    /// Lets the events of those that they did not match lead to them.
    async fn note_backfilled(&self, tenant: &TenantId, again: &[Again]) -> Result<(), FlowError> {
        let backfilled = again.iter().filter(|delivery| delivery.backfilled);
        let keys: Vec<_> = backfilled.map(|delivery| delivery.due.delivery()).collect();
        self.store.note_backfills(tenant, &keys).await?;
        Ok(())
    }

    /// Puts deliveries on their way: first the messages, then the rows. `before` were sent by earlier pages.
    async fn send_again(
        &self,
        recovery: &Recovery,
        webhook: &Webhook,
        mut again: Vec<Again>,
        before: u64,
    ) -> Result<(), FlowError> {
        let mut places = before..;
        while !again.is_empty() {
            for (delivery, place) in again.iter_mut().zip(&mut places) {
                // A millisecond apart: they keep their order, and no receiver meets all of them at once.
                delivery.due.due_ms = recovery.job + place;
            }
            let now_ms = self.clock.now_ms();
            let messages: Vec<_> = again
                .iter()
                .map(|Again { due, .. }| {
                    let delay_ms = due.due_ms.saturating_sub(now_ms);
                    (Message::Attempt(due.clone()), delay_ms)
                })
                .collect();
            let sent = self.queue.send_all(Lane::Retry, &messages).await;
            sent.into_iter().collect::<Result<(), _>>()?;
            let moved = again.iter().map(async |delivery| {
                let Again {
                    position: _,
                    row,
                    due,
                    event_type,
                    backfilled: _,
                } = delivery;
                if row.is_some() {
                    let to = head(due, event_type, Vec::new());
                    let from = due.resume_ms.map_or(From::BeforeJob, From::WaitBeforeJob);
                    self.store.advance(&to, from).await
                } else {
                    let first = head(due, event_type, vec![due.due_ms]);
                    self.store.place(&first).await
                }
            });
            // Where a condition fails, the message was faster, or somebody has sent the delivery again by hand. Or an attempt that
            // was under way when the webhook was disabled has failed just now, and its successor will be held: once more then.
            let found = try_join_all(moved).await?.into_iter();
            let found = found.filter_map(|written| match written {
                Written::Found(row) => row,
                Written::Done(_) => None,
            });
            let left = found.filter(|row| self.is_wanted(recovery, row, webhook));
            again = self.not_through(left.collect(), recovery).await?;
        }
        Ok(())
    }
}

//! What a deleted webhook or a deleted tenant leaves.

use std::collections::HashSet;

use super::{Next, Work};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, Trigger},
        delivery::Delivery,
        id::{TenantId, WebhookId},
        job::{Counts, Erasure, Subject},
        message::{ErasePage, EraseStage},
    },
    flow::{FlowError, control::Control, position},
    limits::ERASE_PAGE,
    store::{
        deliveries::List,
        erasures::StartKey,
        span::{Order, Span},
    },
};

impl Control {
    /// A page of a deleted webhook: its log, then its deliveries. One that was made anew under its id keeps what is its own.
    pub(super) async fn found_of_webhook(
        &self,
        tenant: &TenantId,
        page: &ErasePage,
        id: &WebhookId,
    ) -> Result<Work, FlowError> {
        let now_ms = self.clock.now_ms();
        let later = self.store.webhook(tenant, id).await?;
        let mut work = Work::default();
        if page.stage == EraseStage::Log {
            // A later one has no entries from before it was made.
            let until_ms = later.map_or(now_ms, |later| later.first_epoch.saturating_sub(1));
            let (entries, _, next) = self.entries(tenant, page, id, until_ms).await?;
            work.waits = waits_of(&entries);
            work.emptied = entries
                .into_iter()
                .filter(|entry| entry.erased_ms.is_none())
                .map(|entry| entry.key)
                .collect();
            work.next = goes_on(page, next, EraseStage::Deliveries);
        } else {
            let (rows, next) = self.open_deliveries(tenant, page, id).await?;
            let later = later.map_or(u64::MAX, |later| later.first_epoch);
            let rows = rows.into_iter().filter(|row| row.position.epoch < later);
            for row in rows {
                work.waits.push(row.attempt_key());
                work.cancelled.push(row.key);
            }
            work.next = match next {
                Some(cursor) => at(page, EraseStage::Deliveries, cursor),
                None => second_round(page),
            };
        }
        work.erased = Counts {
            deliveries: work.cancelled.len() as u64,
            log_entries: work.emptied.len() as u64,
            ..Counts::default()
        };
        Ok(work)
    }

    /// A page of a deleted tenant: its webhooks one after the other, then its list of events, then the rest.
    pub(super) async fn found_of_tenant(
        &self,
        tenant: &TenantId,
        page: &ErasePage,
    ) -> Result<Work, FlowError> {
        let mut work = Work::default();
        match (page.stage, webhook_at(page)) {
            (EraseStage::Log, Some(id)) => {
                let until_ms = Span::ALL.until_ms;
                let (entries, starts, next) = self.entries(tenant, page, &id, until_ms).await?;
                work.starts = starts;
                work.waits = waits_of(&entries);
                // The sample event of a test is in no list.
                let tests = entries.iter().filter(|it| it.trigger == Trigger::Test);
                work.events = distinct(tests.map(|it| it.key.delivery.event.clone()));
                work.entries = entries.into_iter().map(|entry| entry.key).collect();
                let deliveries = work.entries.iter().map(|key| key.delivery.clone());
                work.deliveries = distinct(deliveries);
                work.next = goes_on(page, next, EraseStage::Deliveries);
            }
            (EraseStage::Deliveries, Some(id)) => {
                let (rows, next) = self.open_deliveries(tenant, page, &id).await?;
                for row in rows {
                    work.waits.push(row.attempt_key());
                    work.deliveries.push(row.key);
                }
                work.next = goes_on(page, next, EraseStage::Rest);
            }
            (EraseStage::Rest, Some(id)) => {
                work.rest_of_webhook = Some(id);
                work.next = self.at_next_webhook(tenant, page).await?;
            }
            (EraseStage::Log | EraseStage::Deliveries | EraseStage::Rest, None) => {
                work.next = self.at_next_webhook(tenant, page).await?;
            }
            (EraseStage::Events, _) => {
                let (entries, next) = self
                    .store
                    .event_entries(
                        std::slice::from_ref(tenant),
                        Order::OldestFirst,
                        Span::ALL,
                        position(&page.cursor),
                        ERASE_PAGE,
                    )
                    .await?;
                work.events = distinct(entries.iter().map(|entry| entry.event.clone()));
                work.listed = entries;
                work.next = goes_on(page, next, EraseStage::Tenant);
            }
            (EraseStage::Tenant, _) => {
                work.rest_of_tenant = true;
                work.next = second_round(page);
            }
        }
        let events = work.events.iter().map(|id| (tenant.clone(), id.clone()));
        work.erased = Counts {
            events: self.store.events(&Vec::from_iter(events)).await?.len() as u64,
            deliveries: work.deliveries.len() as u64,
            log_entries: work.entries.len() as u64,
            ..Counts::default()
        };
        Ok(work)
    }

    /// Lets the rows go that led to a tenant's webhooks.
    pub(super) async fn forget_webhooks(&self, erasure: &Erasure) -> Result<(), FlowError> {
        if erasure.subject != Subject::Tenant {
            return Ok(());
        }
        let tenant = &erasure.tenant;
        loop {
            let found = self.store.deleted_webhooks(tenant, "", ERASE_PAGE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let places: Vec<_> = found.into_iter().map(|(place, _)| place).collect();
            self.store.forget_deleted_webhooks(tenant, &places).await?;
        }
    }

    /// A tenant's next webhook; behind the last one, its events.
    async fn at_next_webhook(
        &self,
        tenant: &TenantId,
        page: &ErasePage,
    ) -> Result<Next, FlowError> {
        let next = self
            .store
            .deleted_webhooks(tenant, &page.webhook, 1)
            .await?;
        Ok(match next.into_iter().next() {
            Some((webhook, _)) => {
                let page = ErasePage {
                    webhook,
                    ..page.clone()
                };
                at(&page, EraseStage::Log, String::new())
            }
            None => at(page, EraseStage::Events, String::new()),
        })
    }

    /// A page of a webhook's log, oldest first, with the rows that list entries at their starts.
    async fn entries(
        &self,
        tenant: &TenantId,
        page: &ErasePage,
        id: &WebhookId,
        until_ms: u64,
    ) -> Result<(Vec<Attempt>, Vec<StartKey>, Option<String>), FlowError> {
        let found = self
            .store
            .entries_after(tenant, id, until_ms, position(&page.cursor), ERASE_PAGE)
            .await?;
        let entries = found.entries.into_iter().map(|(_, entry)| entry);
        Ok((entries.collect(), found.starts, found.next))
    }

    /// A page of its deliveries that wait, or that a recovery could send again.
    async fn open_deliveries(
        &self,
        tenant: &TenantId,
        page: &ErasePage,
        id: &WebhookId,
    ) -> Result<(Vec<Delivery>, Option<String>), FlowError> {
        let lists = [List::Pending, List::Unsuccessful];
        Ok(self
            .store
            .deliveries_after(
                tenant,
                id,
                &lists,
                Span::ALL,
                position(&page.cursor),
                ERASE_PAGE,
            )
            .await?)
    }
}

/// The waits that entries led to.
fn waits_of(entries: &[Attempt]) -> Vec<AttemptKey> {
    let wait = |entry: &Attempt| {
        entry.next_due_ms.map(|due_ms| AttemptKey {
            delivery: entry.key.delivery.clone(),
            due_ms,
            n: entry.key.n + 1,
        })
    };
    entries.iter().filter_map(wait).collect()
}

fn distinct<T: Eq + std::hash::Hash>(names: impl Iterator<Item = T>) -> Vec<T> {
    names.collect::<HashSet<_>>().into_iter().collect()
}

/// The webhook that a tenant's erasure stands at.
fn webhook_at(page: &ErasePage) -> Option<WebhookId> {
    let (id, _) = page.webhook.split_once('#')?;
    WebhookId::parse(id).ok()
}

/// The rest of a stage, or the next one.
fn goes_on(page: &ErasePage, rest: Option<String>, next: EraseStage) -> Next {
    match rest {
        Some(cursor) => at(page, page.stage, cursor),
        None => at(page, next, String::new()),
    }
}

fn at(page: &ErasePage, stage: EraseStage, cursor: String) -> Next {
    let next = ErasePage {
        stage,
        cursor,
        ..page.clone()
    };
    Next::Page(next.into())
}

/// Everything once more, when it is settled.
fn second_round(page: &ErasePage) -> Next {
    if page.is_settled() {
        return Next::End;
    }
    let next = ErasePage {
        round: page.round + 1,
        not_before_ms: page.settled_ms,
        stage: EraseStage::Log,
        cursor: String::new(),
        webhook: String::new(),
        ..page.clone()
    };
    Next::Page(next.into())
}

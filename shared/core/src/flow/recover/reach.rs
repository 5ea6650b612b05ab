//! Recoveries that go from webhook to webhook: a tenant's, the deployment's.
//!
//! The webhooks are gone through one after the other, tenant by tenant, those that are active alone. At each the recovery takes a number
//! of its own, as one of that webhook alone does, unless there is nothing to send.

use super::{Claimed, Counted, Taken, own_key, run};
use crate::{
    domain::{
        job::{Counts, Failure, Job, Reach, Task},
        message::{At, Place, RecoverPage},
        recovery::Recovery,
        webhook::Webhook,
    },
    flow::{FlowError, control::Control, jobs::Next},
    limits::REACH_STEPS,
    store::{span::Order, tenants},
};

/// What is found behind a place.
enum Found {
    /// An active webhook.
    Webhook(Box<Webhook>),
    /// Nothing, here.
    Nothing,
    /// There is nothing more.
    End,
}

impl Control {
    /// Looks for the next webhook that has something to be sent again.
    pub(super) async fn next_webhook(
        &self,
        job: &Job,
        reach: &Reach,
        at: &RecoverPage,
    ) -> Result<Next, FlowError> {
        let Some(job) = self.noted(job, Counts::default(), None).await? else {
            return Ok(Next::Left);
        };
        let mut next = RecoverPage {
            place: at.place.clone(),
            ..RecoverPage::default()
        };
        for _ in 0..REACH_STEPS {
            match self.found_behind(reach, &mut next.place).await? {
                Found::Webhook(webhook) if self.has_any(&job.task, &webhook).await? => {
                    if !self.runs_elsewhere(&job.task, &webhook).await? {
                        let taken = self.take_number(&job.task, &webhook).await?;
                        let (Taken::Number(number) | Taken::Again(number)) = taken;
                        next.run = Some(run(&webhook, number));
                        break;
                    }
                }
                Found::Webhook(_) | Found::Nothing => {}
                Found::End => return Ok(Next::End(self.cut_off(reach).await?)),
            }
        }
        Ok(Next::Page(job, At::Recover(next), 0))
    }

    /// Why a recovery that finds no more webhooks did not come to its end, if it did not: a deleted tenant has none.
    async fn cut_off(&self, reach: &Reach) -> Result<Option<Failure>, FlowError> {
        let Reach::Tenant(tenant) = reach else {
            return Ok(None);
        };
        let is_there = self.store.tenant(tenant).await?.is_some();
        Ok((!is_there).then_some(Failure::TenantDeleted))
    }

    /// Counts what a recovery would send, until `deadline_ms`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn count_recoverable_of(
        &self,
        task: &Task,
        reach: &Reach,
        deadline_ms: u64,
    ) -> Result<Counted, FlowError> {
        let mut counted = Counted::default();
        let mut place = Place::default();
        loop {
            match self.found_behind(reach, &mut place).await? {
                Found::Webhook(webhook) => {
                    let own = self.count_recoverable(task, &webhook, deadline_ms).await?;
                    counted.deliveries += own.deliveries;
                    counted.is_cut_short |= own.is_cut_short;
                }
                Found::Nothing => {}
                Found::End => return Ok(counted),
            }
            if self.clock.wall_ms() >= deadline_ms {
                counted.is_cut_short = true;
                return Ok(counted);
            }
        }
    }

    /// Whether another job sends a webhook the same already.
    async fn runs_elsewhere(&self, task: &Task, webhook: &Webhook) -> Result<bool, FlowError> {
        let Some(key) = own_key(task, webhook.epoch) else {
            return Ok(false);
        };
        let claimed = self.claim(task, webhook, &key).await?;
        Ok(matches!(claimed, Claimed::Running(job) if job.task.id != task.id))
    }

    /// The webhook behind a place, which moves there.
    async fn found_behind(&self, reach: &Reach, place: &mut Place) -> Result<Found, FlowError> {
        let tenant = match (reach, &place.tenant) {
            (Reach::Webhook { .. }, _) => return Ok(Found::End),
            (Reach::Tenant(tenant), _) | (Reach::Deployment, Some(tenant)) => tenant.clone(),
            (Reach::Deployment, None) => {
                let (order, before) = (Order::NewestFirst, place.before.as_deref());
                let page = self.store.tenants(order, before, 1).await?;
                let Some(tenant) = page.items.first() else {
                    place.before = page.next;
                    let is_end = place.before.is_none();
                    return Ok(if is_end { Found::End } else { Found::Nothing });
                };
                place.before = Some(tenants::place(tenant));
                place.tenant = Some(tenant.id.clone());
                tenant.id.clone()
            }
        };
        let after = place.webhook.as_deref();
        let found = self.store.webhook_ids(&tenant, after, 1).await?.pop();
        let Some((position, id)) = found else {
            place.tenant = None;
            place.webhook = None;
            let is_end = matches!(reach, Reach::Tenant(_));
            return Ok(if is_end { Found::End } else { Found::Nothing });
        };
        place.webhook = Some(position);
        let webhook = self.store.webhook(&tenant, &id).await?;
        let webhook = webhook.filter(|webhook| webhook.disabled.is_none());
        Ok(webhook.map_or(Found::Nothing, |webhook| Found::Webhook(webhook.into())))
    }

    /// Whether a recovery may have something to do at a webhook. One that was disabled may have first attempts that are held later.
    async fn has_any(&self, task: &Task, webhook: &Webhook) -> Result<bool, FlowError> {
        if webhook.epoch > webhook.first_epoch {
            return Ok(true);
        }
        let number = self.clock.now_ms();
        let Some(recovery) = Recovery::begun(task, run(webhook, number)) else {
            return Ok(false);
        };
        let dialect = self.dialect(&webhook.dialect)?;
        let page = self.recoverable(webhook, dialect, &recovery).await?;
        Ok(page.sent() > 0 || page.skipped > 0 || page.next.is_some())
    }
}

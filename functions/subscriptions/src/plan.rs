//! A tenant's plan decides whether it has webhooks: its own dialect knows the plans.

use rung_api::{ApiError, Code, Fields};
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::TenantId,
        job::Job,
        tenant::Tenant,
        webhook::{Disabled, Reason, Webhook},
    },
    store::webhooks::WebhookWritten,
};
use rung_dialect::Dialect;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Management, recover, tries::Tries};

/// What a change of plan did to a tenant's webhooks.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "PlanChange")]
pub(crate) struct Changed {
    /// How many it disabled.
    disabled: u64,
    /// How many it activated: those that an earlier plan had disabled.
    activated: u64,
}

/// The same, and the job that sends what was missed, if that was asked for and the plan has webhooks.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) webhooks: Changed,
    pub(crate) job: Option<Job>,
}

/// Notes a problem with a plan that the dialect does not name.
pub(crate) fn check(fields: &mut Fields<'_>, dialect: &Dialect, plan: Option<&str>) {
    let Some(plan) = plan.filter(|plan| !dialect.knows_plan(plan)) else {
        return;
    };
    let problem = format!(
        "{plan:?} is not a plan of the dialect {}; its plans are {}",
        dialect.name,
        names(dialect)
    );
    fields.problem_of(Code::UnknownPlan, "plan", problem);
}

/// Notes that a tenant which moves to the dialect needs a plan.
pub(crate) fn demand(fields: &mut Fields<'_>, dialect: &Dialect) {
    let problem = format!(
        "must be given, null too: without a plan, the dialect {} has no webhooks; its plans are {}",
        dialect.name,
        names(dialect)
    );
    fields.problem_of(Code::UnknownPlan, "plan", problem);
}

fn names(dialect: &Dialect) -> String {
    let names = dialect.plans().into_iter().flatten();
    let names: Vec<_> = names.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

impl Management {
    /// Whether the tenant's plan has webhooks.
    ///
    /// # Errors
    /// 403 when it has none.
    pub(crate) fn check_plan(&self, tenant: &Tenant) -> Result<(), ApiError> {
        let dialect = self.api.dialect(&tenant.dialect)?;
        if dialect.allows_plan(tenant.plan.as_deref()) {
            return Ok(());
        }
        let plans = dialect.plans().into_iter().flatten();
        let plans = plans.filter(|(_, has_webhooks)| **has_webhooks);
        let plans: Vec<_> = plans.map(|(name, _)| name.as_str()).collect();
        let message = format!(
            "only these plans have webhooks: {}; change the tenant's plan first",
            plans.join(", ")
        );
        Err(ApiError::new(Code::PlanWithoutWebhooks, message))
    }

    /// Brings a tenant's webhooks in line with its plan, which was just written: disables those that are active where it has none,
    /// and activates those that an earlier plan disabled where it has. Cut short, the same change of plan completes it. With
    /// `recovers`, they are also sent what they missed.
    pub(crate) async fn apply_plan(
        &self,
        origin: &Origin,
        tenant: &Tenant,
        recovers: bool,
    ) -> Result<Applied, ApiError> {
        let mut webhooks = Changed::default();
        let mut allowed = self.check_plan(tenant).is_ok();
        loop {
            if allowed {
                self.activate_all(origin, tenant, &mut webhooks).await?;
            } else {
                self.disable_all(tenant, &mut webhooks).await?;
            }
            // Another change of plan may have overtaken this one: the last one written decides.
            let present = self.api.store.tenant(&tenant.id).await?;
            let still = present.map_or(allowed, |present| self.check_plan(&present).is_ok());
            if still == allowed {
                break;
            }
            allowed = still;
        }
        let job = if recovers && allowed {
            recover::what_a_tenant_missed(self, origin, &tenant.id).await?
        } else {
            None
        };
        Ok(Applied { webhooks, job })
    }

    /// Brings a webhook that was just made or activated in line with a change of plan that came in between, and has looked for active
    /// webhooks before this one was written.
    pub(crate) async fn catch_up_with_plan(&self, tenant: &TenantId) -> Result<(), ApiError> {
        let Some(present) = self.api.store.tenant(tenant).await? else {
            return Ok(());
        };
        let dialect = self.api.dialect(&present.dialect)?;
        if dialect.allows_plan(present.plan.as_deref()) {
            return Ok(());
        }
        self.disable_all(&present, &mut Changed::default()).await
    }

    async fn disable_all(&self, tenant: &Tenant, changed: &mut Changed) -> Result<(), ApiError> {
        let store = &self.api.store;
        let disabled = Disabled::new(self.api.clock.now_ms(), Reason::Plan, Vec::new());
        for webhook in store.webhooks_of(&tenant.id).await? {
            let notice = match &webhook.disabled {
                None => {
                    // One that changes or is disabled meanwhile is not this call's any more.
                    let id = &webhook.id;
                    if !store
                        .disable(&tenant.id, id, webhook.epoch, &disabled)
                        .await?
                    {
                        continue;
                    }
                    changed.disabled += 1;
                    webhook.disabled_by_plan(&disabled)
                }
                // By an earlier call, which may not have come so far as to tell of it. It is told once.
                Some(earlier) if earlier.reason == Reason::Plan => {
                    webhook.disabled_by_plan(earlier)
                }
                Some(_) => continue,
            };
            self.control.notify_operator(notice).await?;
            self.control
                .follow_disabling(&tenant.id, &webhook.id)
                .await?;
        }
        Ok(())
    }

    async fn activate_all(
        &self,
        origin: &Origin,
        tenant: &Tenant,
        changed: &mut Changed,
    ) -> Result<(), ApiError> {
        let by_plan = |webhook: &Webhook| {
            let disabled = webhook.disabled.as_ref();
            disabled.is_some_and(|disabled| disabled.reason == Reason::Plan)
        };
        let store = &self.api.store;
        for webhook in store.webhooks_of(&tenant.id).await? {
            let mut present = Some(webhook);
            let mut tries = Tries::to_change("webhook");
            while let Some(mut webhook) = present.filter(by_plan) {
                webhook.activate(self.api.clock.now_ms());
                let id = webhook.id.as_str();
                let record = Record::new(origin, Some(&tenant.id), Action::WebhookUpdated, id)
                    .changing(Change::of("status", "disabled", "active"));
                match store.update_webhook(&webhook, &record).await? {
                    WebhookWritten::Done => {
                        changed.activated += 1;
                        break;
                    }
                    WebhookWritten::NoTenant | WebhookWritten::TooMany => break,
                    WebhookWritten::Conflict => tries.again().await?,
                }
                present = store.webhook(&tenant.id, &webhook.id).await?;
            }
        }
        Ok(())
    }
}

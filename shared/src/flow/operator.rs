//! Telling the operator what befalls the webhooks of all tenants: events to the tenant `_operator`, whose webhooks are the
//! operator's own, and the same to a topic. The former are published, signed and delivered like any others.
//!
//! What is told follows from a log entry, before its message is done with. Handled again, it is told again, under the same id:
//! the operator's webhooks hear of it once, and the topic too unless a crash came in between. Of the operator's own webhooks only
//! the topic is told, so that a fault there feeds on nothing. What is told continues the count of deliveries in a row, so that
//! nothing comes back by way of an operator's webhook that publishes. Without tenant and topic nothing is told at all, and next to nothing
//! is read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::{
    FlowError,
    accept::{OwnEvent, Publisher},
};
use crate::{
    clock::{Clock, timestamp},
    domain::{
        attempt::Attempt,
        id::{TenantId, TenantName},
        tenant::{OPERATORS_OWN, Tenant},
        webhook::{Reason, Webhook},
    },
    limits::OPERATOR_ABSENT_MS,
    store::{Store, StoreError},
    topic::{Notice, Topic, TopicError},
};

/// Tells the operator.
#[derive(Clone)]
pub struct Operator {
    store: Store,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    tenant: TenantName,
    topic: Option<Topic>,
    /// Until when, in milliseconds of the wall clock, it is taken for granted that there is no such tenant.
    absent_until_ms: Arc<AtomicU64>,
}

/// Who hears what befalls a webhook: at least one of the two.
struct Listeners<'a> {
    tenant: Option<Tenant>,
    topic: Option<&'a Topic>,
}

impl Operator {
    /// Tells by publishing with `publisher`.
    #[must_use]
    pub fn new(store: Store, publisher: Publisher, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            publisher,
            clock,
            tenant: TenantName::parse(OPERATORS_OWN).expect("it is an id"),
            topic: None,
            absent_until_ms: Arc::default(),
        }
    }

    /// The same, telling this topic too.
    #[must_use]
    pub fn with_topic(self, topic: Option<Topic>) -> Self {
        Self { topic, ..self }
    }

    /// A failure disabled a webhook that was at `epoch`.
    pub(super) async fn disabled(
        &self,
        webhook: &Webhook,
        epoch: u64,
        reason: Reason,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(listeners) = self.listeners(webhook).await? else {
            return Ok(());
        };
        let data = json!({
            "reason": reason,
            "disabled_at": timestamp(attempt.ended_ms),
            "log_id": attempt.key.log_id().to_string(),
            "last_error": attempt.error,
        });
        let told = Told {
            event_type: "webhook.disabled",
            once: &epoch.to_string(),
            attempt,
            data,
        };
        self.tell(&listeners, webhook, told).await
    }

    /// A delivery's ladder is used up.
    pub(super) async fn used_up(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(listeners) = self.listeners(webhook).await? else {
            return Ok(());
        };
        let log_id = attempt.key.log_id().to_string();
        let data = json!({
            "delivery_id": attempt.key.delivery.uuid(),
            "event_id": attempt.key.delivery.event.as_str(),
            "event_type": attempt.event_type,
            "attempts": attempt.attempt,
            "failed_at": timestamp(attempt.ended_ms),
            "log_id": log_id,
            "last_error": attempt.error,
        });
        let told = Told {
            event_type: "delivery.failed",
            once: &log_id,
            attempt,
            data,
        };
        self.tell(&listeners, webhook, told).await
    }

    /// A webhook has been failing for a while: noted, and told once until it recovers.
    pub(super) async fn failing(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(listeners) = self.listeners(webhook).await? else {
            return Ok(());
        };
        let since_ms = attempt.key.delivery.accepted_ms;
        let since_ms = self
            .store
            .note_failing(&webhook.tenant, &webhook.id, since_ms)
            .await?;
        let data = json!({
            "failing_since": timestamp(since_ms),
            "last_error": attempt.error,
        });
        let told = Told {
            event_type: "webhook.failing",
            once: &since_ms.to_string(),
            attempt,
            data,
        };
        self.tell(&listeners, webhook, told).await
    }

    /// A later attempt succeeded: if the webhook was noted as failing, it is no longer.
    pub(super) async fn succeeded(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(listeners) = self.listeners(webhook).await? else {
            return Ok(());
        };
        let (owner, id) = (&webhook.tenant, &webhook.id);
        let Some(since_ms) = self.store.failing_since(owner, id).await? else {
            return Ok(());
        };
        let data = json!({
            "failing_since": timestamp(since_ms),
            "recovered_at": timestamp(attempt.ended_ms),
        });
        let told = Told {
            event_type: "webhook.recovered",
            once: &since_ms.to_string(),
            attempt,
            data,
        };
        self.tell(&listeners, webhook, told).await?;
        // After it is told: otherwise a crash in between would keep it a secret.
        Ok(self.store.forget_failing(owner, id).await?)
    }

    /// Who hears what befalls a webhook, if anybody does.
    async fn listeners(&self, webhook: &Webhook) -> Result<Option<Listeners<'_>>, StoreError> {
        let listeners = Listeners {
            tenant: self.tenant_for(webhook).await?,
            topic: self.topic.as_ref(),
        };
        let anybody = listeners.tenant.is_some() || listeners.topic.is_some();
        Ok(anybody.then_some(listeners))
    }

    /// The operator's tenant, if it is there and the webhook is not its own.
    async fn tenant_for(&self, webhook: &Webhook) -> Result<Option<Tenant>, StoreError> {
        let now_ms = self.clock.wall_ms();
        if webhook.tenant.name() == self.tenant.as_str()
            || now_ms < self.absent_until_ms.load(Ordering::Relaxed)
        {
            return Ok(None);
        }
        let tenant = self.store.tenant_called(&self.tenant).await?;
        if tenant.is_none() {
            let until_ms = now_ms + OPERATOR_ABSENT_MS;
            self.absent_until_ms.store(until_ms, Ordering::Relaxed);
        }
        Ok(tenant)
    }

    async fn tell(
        &self,
        listeners: &Listeners<'_>,
        webhook: &Webhook,
        told: Told<'_>,
    ) -> Result<(), FlowError> {
        let mut data = json!({
            "tenant": webhook.tenant.name(),
            "webhook_id": webhook.id.as_str(),
            "url": webhook.url,
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, told.data) {
            data.extend(more);
        }
        let own = OwnEvent {
            event_type: told.event_type,
            once: format!("{} {} {}", webhook.tenant, webhook.id, told.once),
            timestamp_ms: Some(told.attempt.ended_ms),
            data,
            hops: told.attempt.hops.of_consequence(),
        };
        let published = match &listeners.tenant {
            Some(tenant) => self.publisher.tell_surely(tenant, &own).await?,
            None => None,
        };
        let Some(topic) = listeners.topic else {
            return Ok(());
        };
        let id = published
            .unwrap_or_else(|| self.publisher.own_id(&TenantId::first(&self.tenant), &own));
        let of = (&webhook.tenant, &webhook.id);
        if !self.store.is_to_tell(of, &id, told.attempt).await? {
            return Ok(());
        }
        let notice = Notice {
            id: &id,
            r#type: own.event_type,
            timestamp: timestamp(told.attempt.ended_ms),
            data: &own.data,
        };
        match topic.publish(&notice).await {
            Ok(()) => Ok(()),
            Err(error @ TopicError::Refused(_)) => {
                // Deliveries do not wait for a topic that somebody has deleted.
                tracing::error!(event_type = own.event_type, %error, "the operator's topic does not take this");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What is told of a webhook.
struct Told<'a> {
    event_type: &'static str,
    /// What it names of the webhook: it is told once for that.
    once: &'a str,
    /// The attempt that shows it.
    attempt: &'a Attempt,
    /// What is told besides whose webhook it is.
    data: Value,
}

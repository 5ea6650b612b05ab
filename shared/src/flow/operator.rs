//! Telling the operator what befalls the webhooks of all tenants: events to the tenant `operator`, whose webhooks are the
//! operator's own. They are published, signed and delivered like any others.
//!
//! What is told follows from a log entry, before its message is done with. Handled again, it is told again, under the same id:
//! the operator hears of it once. Of the operator's own webhooks nothing is told, so that a fault there feeds on nothing.
//! Without a tenant of this name nothing is told at all, and next to nothing is read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};

use super::{
    FlowError,
    accept::{NewEvent, Publisher, Refusal},
};
use crate::{
    chance,
    clock::{Clock, timestamp},
    domain::{
        attempt::Attempt,
        id::TenantId,
        tenant::Tenant,
        webhook::{Reason, Webhook},
    },
    limits::OPERATOR_ABSENT_MS,
    store::{Store, StoreError},
};

/// The tenant that is told.
pub const OPERATOR: &str = "operator";

/// Tells the operator.
#[derive(Clone)]
pub struct Operator {
    store: Store,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    /// Until when, in milliseconds of the wall clock, it is taken for granted that there is no such tenant.
    absent_until_ms: Arc<AtomicU64>,
}

impl Operator {
    /// Tells by publishing with `publisher`.
    #[must_use]
    pub fn new(store: Store, publisher: Publisher, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            publisher,
            clock,
            absent_until_ms: Arc::default(),
        }
    }

    /// A failure disabled a webhook that was at `epoch`.
    pub(super) async fn disabled(
        &self,
        webhook: &Webhook,
        epoch: u64,
        reason: Reason,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(tenant) = self.listening(webhook).await? else {
            return Ok(());
        };
        let data = json!({
            "reason": reason,
            "disabled_at": timestamp(attempt.ended_ms),
            "log_id": attempt.key.log_id().to_string(),
            "last_error": attempt.error,
        });
        self.tell(
            &tenant,
            webhook,
            "webhook.disabled",
            &epoch.to_string(),
            data,
        )
        .await
    }

    /// A delivery's ladder is used up.
    pub(super) async fn used_up(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(tenant) = self.listening(webhook).await? else {
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
        self.tell(&tenant, webhook, "delivery.failed", &log_id, data)
            .await
    }

    /// A webhook has been failing for a while: noted, and told once until it recovers.
    pub(super) async fn failing(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(tenant) = self.listening(webhook).await? else {
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
        let once = since_ms.to_string();
        self.tell(&tenant, webhook, "webhook.failing", &once, data)
            .await
    }

    /// A later attempt succeeded: if the webhook was noted as failing, it is no longer.
    pub(super) async fn succeeded(
        &self,
        webhook: &Webhook,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let Some(tenant) = self.listening(webhook).await? else {
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
        let once = since_ms.to_string();
        self.tell(&tenant, webhook, "webhook.recovered", &once, data)
            .await?;
        // After it is told: otherwise a crash in between would keep it a secret.
        Ok(self.store.forget_failing(owner, id).await?)
    }

    /// The operator's tenant, if it is there and the webhook is not its own.
    async fn listening(&self, webhook: &Webhook) -> Result<Option<Tenant>, StoreError> {
        let now_ms = self.clock.wall_ms();
        if webhook.tenant.as_str() == OPERATOR
            || now_ms < self.absent_until_ms.load(Ordering::Relaxed)
        {
            return Ok(None);
        }
        let Ok(id) = TenantId::parse(OPERATOR) else {
            return Ok(None);
        };
        let tenant = self.store.tenant(&id).await?;
        if tenant.is_none() {
            let until_ms = now_ms + OPERATOR_ABSENT_MS;
            self.absent_until_ms.store(until_ms, Ordering::Relaxed);
        }
        Ok(tenant)
    }

    /// Publishes an event about a webhook, once for what `once` names of it.
    async fn tell(
        &self,
        operator: &Tenant,
        webhook: &Webhook,
        event_type: &str,
        once: &str,
        more: Value,
    ) -> Result<(), FlowError> {
        let mut data = json!({
            "tenant": webhook.tenant.as_str(),
            "webhook_id": webhook.id.as_str(),
            "url": webhook.url,
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        let event = NewEvent {
            id: None,
            // The event's id comes of this.
            idempotency_key: Some(format!(
                "rung {event_type} {} {} {once}",
                webhook.tenant, webhook.id
            )),
            event_type: event_type.to_owned(),
            data: data.into(),
            timestamp_ms: None,
            metadata: None,
            trace: None,
        };
        let request_id = format!("req_{}", chance::hex::<10>());
        let publish = self.publisher.publish(operator, vec![event], &request_id);
        match Box::pin(publish).await.into_iter().next() {
            // Told before, perhaps in other words.
            Some(Ok(_) | Err(Refusal::Conflict { .. })) | None => Ok(()),
            Some(Err(Refusal::Unavailable)) => {
                Err(StoreError::Unavailable("the operator could not be told".into()).into())
            }
            Some(Err(refusal)) => {
                tracing::warn!(event_type, %refusal, "the operator's tenant does not take this");
                Ok(())
            }
        }
    }
}

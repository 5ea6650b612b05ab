//! Notifying the operator of what happens to the webhooks of all tenants: events to the tenant `_operator`, whose webhooks
//! deliver them like any others, and the same to a topic.
//!
//! A notice is a message of its own. It is durable before the attempt that it follows from is settled, and it comes again until it was
//! published, while the delivery goes on without it. Attempts that fail together send the same notice; the first one handled is
//! published. Handled again, it has the same event id: the operator's webhooks get it once, and so does the topic unless a crash
//! came in between. Of the operator's own webhooks only the topic is notified, so that a
//! fault there feeds on nothing. A notice continues the count of deliveries in a row, so that nothing comes back by way of an
//! operator's webhook that publishes. Without tenant and topic no notice is sent, and next to nothing is read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rung_base::clock::Clock;

use super::{
    FlowError,
    accept::{OwnEvent, Publisher},
    control::Control,
};
use crate::{
    domain::{
        id::{TenantId, TenantName},
        message::Message,
        notice::Notice,
        tenant::{OPERATORS_OWN, Tenant},
        time::Time,
        webhook::Webhook,
    },
    limits::OPERATOR_ABSENT_MS,
    queue::QueueName,
    store::{Store, StoreError},
    topic::{Topic, TopicError, TopicMessage},
};

/// Publishes notices to the operator.
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

impl Operator {
    /// Publishes events with `publisher`.
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

    /// The same, publishing to this topic too.
    #[must_use]
    pub fn with_topic(self, topic: Option<Topic>) -> Self {
        Self { topic, ..self }
    }

    /// Whether anybody is to be notified of what happens to a webhook.
    pub(super) async fn listens_to(&self, webhook: &Webhook) -> Result<bool, StoreError> {
        self.is_there_for(webhook.tenant.name()).await
    }

    pub(super) async fn is_there_for(&self, owner: &str) -> Result<bool, StoreError> {
        Ok(self.topic.is_some() || self.tenant_for(owner).await?.is_some())
    }

    /// Publishes a notice to whoever is to be notified.
    pub(super) async fn publish(&self, notice: &Notice) -> Result<(), FlowError> {
        let own = OwnEvent {
            event_type: notice.notice_type.name(),
            once: format!("{} {} {}", notice.tenant, notice.webhook, notice.once),
            timestamp_ms: Some(notice.happened_ms),
            data: notice.data.clone().into(),
            hops: notice.hops,
        };
        let of = (&notice.tenant, &notice.webhook);
        let what = format!("{}#{}", own.event_type, notice.once);
        if !self.store.lease_notice(of, &what, &notice.log_id).await? {
            return Ok(());
        }
        let published = match self.tenant_for(notice.tenant.name()).await? {
            Some(tenant) => self.publisher.tell_surely(&tenant, &own).await?,
            None => None,
        };
        let Some(topic) = &self.topic else {
            return Ok(());
        };
        let id = published
            .unwrap_or_else(|| self.publisher.own_id(&TenantId::first(&self.tenant), &own));
        let message = TopicMessage {
            id: &id,
            r#type: own.event_type,
            timestamp: Time::at_ms(notice.happened_ms),
            data: &own.data,
        };
        match topic.publish(&message).await {
            Ok(()) => Ok(()),
            Err(error @ TopicError::Refused(_)) => {
                // It would be refused again, for ever.
                tracing::error!(event_type = own.event_type, %error, "the operator's topic refused a notice");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The operator's tenant, if it is there and is not the webhook's own.
    async fn tenant_for(&self, owner: &str) -> Result<Option<Tenant>, StoreError> {
        let now_ms = self.clock.wall_ms();
        if owner == self.tenant.as_str() || now_ms < self.absent_until_ms.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let tenant = self.store.tenant_called(&self.tenant).await?;
        if tenant.is_none() {
            let until_ms = now_ms + OPERATOR_ABSENT_MS;
            self.absent_until_ms.store(until_ms, Ordering::Relaxed);
        }
        Ok(tenant)
    }
}

impl Control {
    /// Notifies the operator of what a call did to a webhook.
    ///
    /// # Errors
    /// When the table or the queue does not answer.
    pub async fn notify_operator(&self, notice: Notice) -> Result<(), FlowError> {
        let owner = notice.tenant.name();
        if self.operator.is_there_for(owner).await? {
            self.notify(notice).await?;
        }
        Ok(())
    }

    /// Makes a notice durable.
    pub(super) async fn notify(&self, notice: Notice) -> Result<(), FlowError> {
        let message = Message::Notice(notice);
        Ok(self.queue.send(QueueName::Retry, &message, 0).await?)
    }

    /// Makes several durable, together.
    pub(super) async fn notify_all(&self, notices: Vec<Notice>) -> Result<(), FlowError> {
        let messages = notices.into_iter().map(|it| (Message::Notice(it), 0));
        let messages: Vec<_> = messages.collect();
        let queue = QueueName::Retry;
        Ok(self.queue.send_every(queue, &messages).await?)
    }
}

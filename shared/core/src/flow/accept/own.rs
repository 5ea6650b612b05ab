//! Events that Rung publishes itself: what it tells tenants, and the operator.

use rung_base::{chance, clock::timestamp};
use rung_dialect::DEFAULT;
use serde_json::Value;

use super::{FlowError, NewEvent, Publisher, Refusal, identity::idempotent_id};
use crate::domain::{
    hops::Hops,
    id::{EventId, TenantId},
    tenant::Tenant,
};

/// An event of Rung's own.
#[derive(Debug, Clone)]
pub struct OwnEvent {
    /// Its type.
    pub event_type: &'static str,
    /// What it tells of. Its id comes of this and the type, so whoever tells the same tells it once.
    pub once: String,
    /// Its time, in milliseconds; now when not given.
    pub timestamp_ms: Option<u64>,
    /// Its data, an object.
    pub data: Value,
    /// The deliveries that led to it.
    pub hops: Hops,
}

impl OwnEvent {
    fn idempotency_key(&self) -> String {
        format!("rung {} {}", self.event_type, self.once)
    }
}

impl Publisher {
    /// Publishes an event of Rung's own to a tenant, which must just have been read strongly. Its id.
    ///
    /// # Errors
    /// As for any event, save for an id that is taken: it was told before, perhaps in other words.
    pub async fn tell(&self, tenant: &Tenant, own: &OwnEvent) -> Result<EventId, Refusal> {
        let event = NewEvent {
            id: None,
            idempotency_key: Some(own.idempotency_key()),
            event_type: own.event_type.to_owned(),
            data: own.data.clone().into(),
            timestamp: own.timestamp_ms.map(timestamp),
            metadata: None,
            trace: None,
            hops: own.hops,
        };
        let request_id = format!("req_{}", chance::hex::<10>());
        let publish = self.publish_all(tenant, vec![event], &request_id, true);
        match Box::pin(publish).await.into_iter().next() {
            Some(Ok(accepted)) => Ok(accepted.id),
            Some(Err(Refusal::Conflict { id } | Refusal::Erased { id })) => Ok(id),
            Some(Err(refusal)) => Err(refusal),
            None => Err(Refusal::Unavailable),
        }
    }

    /// The same for what must not be left untold. Its id, unless the tenant does not take it.
    pub(in crate::flow) async fn tell_surely(
        &self,
        tenant: &Tenant,
        own: &OwnEvent,
    ) -> Result<Option<EventId>, FlowError> {
        let event_type = own.event_type;
        match self.tell(tenant, own).await {
            Ok(id) => Ok(Some(id)),
            Err(Refusal::Unavailable) => Err(FlowError::Untold { event_type }),
            Err(refusal) => {
                tracing::warn!(tenant = %tenant.id, event_type, %refusal, "the tenant does not take this");
                Ok(None)
            }
        }
    }

    /// The id that an event of Rung's own has, or would have if there were a tenant of this id.
    pub(in crate::flow) fn own_id(&self, tenant: &TenantId, own: &OwnEvent) -> EventId {
        let dialect = self.dialects.get(DEFAULT).expect("it is compiled in");
        idempotent_id(tenant, dialect, &own.idempotency_key())
    }
}

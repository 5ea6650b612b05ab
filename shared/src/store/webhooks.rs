//! Webhooks.
use super::{Store, StoreError};
use crate::domain::{
    id::{TenantId, WebhookId},
    webhook::{Disabled, Webhook},
};
impl Store {
    /// A webhook, by a strong read.
    pub async fn webhook(
        &self,
        _tenant: &TenantId,
        _id: &WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        Ok(None)
    }
    /// Those of the named webhooks that exist, in no order, by strong reads. None may be named twice.
    pub async fn webhooks(
        &self,
        _names: &[(TenantId, WebhookId)],
    ) -> Result<Vec<Webhook>, StoreError> {
        Ok(vec![])
    }
    /// All webhooks of a tenant, by strong reads.
    pub async fn webhooks_of(&self, _tenant: &TenantId) -> Result<Vec<Webhook>, StoreError> {
        Ok(vec![])
    }
    /// Disables if active at `epoch`; the epoch goes up. Whether this call did it.
    pub async fn disable(
        &self,
        _tenant: &TenantId,
        _id: &WebhookId,
        _epoch: u64,
        _disabled: &Disabled,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
}

//! Webhooks that have been failing for a while: `G#t#w` / `failing`, noted until a delivery succeeds again.

use super::{Store, StoreError, item::Builder};
use crate::domain::id::{TenantId, WebhookId};

const SK: &str = "failing";

impl Store {
    /// Notes that a webhook has been failing since a time, unless that is noted. Since when by the note that stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn note_failing(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        since_ms: u64,
    ) -> Result<u64, StoreError> {
        let item = Builder::new(partition(tenant, webhook), SK)
            .number("since", since_ms)
            .number("exp", self.expiry());
        match self.put_new(item.build()).await? {
            None => Ok(since_ms),
            Some(standing) => standing.number("since"),
        }
    }

    /// Since when a webhook has been failing, in milliseconds; `None` when that is not noted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn failing_since(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<Option<u64>, StoreError> {
        let row = self.get(partition(tenant, webhook), SK).await?;
        row.map(|row| row.number("since")).transpose()
    }

    /// Takes the note away.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn forget_failing(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<(), StoreError> {
        let key = (partition(tenant, webhook), SK.to_owned());
        self.delete_all(vec![key]).await
    }
}

/// The partition of what is noted of a webhook.
pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("G#{tenant}#{webhook}")
}

//! The lease on publishing a notice to the operator: `G#t#w` / `notice#type#once`. The first writer wins.
//!
//! Attempts that fail together send the same notice. That of one attempt takes the lease and comes again until it was published; the
//! others are dropped.

use super::{
    NOTHING_THERE, Store, StoreError,
    item::{Builder, text},
    pace::partition,
};
use crate::domain::id::{TenantId, WebhookId};

impl Store {
    /// Whether the notice that the log entry `log_id` led to is the one to publish. It stays so when asked again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn lease_notice(
        &self,
        (tenant, webhook): (&TenantId, &WebhookId),
        notice: &str,
        log_id: &str,
    ) -> Result<bool, StoreError> {
        let holder = text(log_id);
        let item = Builder::new(partition(tenant, webhook), format!("notice#{notice}"))
            .with("holder", holder.clone())
            .number("exp", self.expiry());
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression(format!("{NOTHING_THERE} OR holder = :holder"))
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":holder", holder);
        Ok(super::put_if(put).await?.is_none())
    }
}

//! Whose it is to tell the operator's topic something of a webhook: `G#t#w` / `told#event`.
//!
//! Attempts that fail together find the same thing to tell, and a topic passes on all that it is told. So the first one notes
//! that it tells, and the others leave it to that one: its message comes again until it has.

use super::{
    NOTHING_THERE, Store, StoreError,
    failing::partition,
    item::{Builder, text},
};
use crate::domain::{
    attempt::Attempt,
    id::{EventId, TenantId, WebhookId},
};

impl Store {
    /// Whether it is for this attempt to tell what the event is about. It stays so when asked again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn is_to_tell(
        &self,
        (tenant, webhook): (&TenantId, &WebhookId),
        event: &EventId,
        attempt: &Attempt,
    ) -> Result<bool, StoreError> {
        let teller = text(attempt.key.log_id().to_string());
        let item = Builder::new(partition(tenant, webhook), format!("told#{event}"))
            .with("teller", teller.clone())
            .number("exp", self.expiry());
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression(format!("{NOTHING_THERE} OR teller = :teller"))
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":teller", teller);
        Ok(super::put_if(put).await?.is_none())
    }
}

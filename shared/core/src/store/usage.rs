//! What a tenant has published in a window: `U#t` / `counter`, `used` the events, until the window is over.

use aws_sdk_dynamodb::types::ReturnValue;

use super::{
    Store, StoreError,
    item::{self, Row},
    update_if,
};
use crate::domain::id::TenantId;

/// How long a counter is kept after its window, for clocks that differ.
const KEPT_S: u64 = 3_600;

impl Store {
    /// Counts `more` events on a counter whose name has its window in it, unless that would exceed `limit`. Answers what it stands
    /// at then, or `None`.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count(
        &self,
        tenant: &TenantId,
        counter: &str,
        more: u64,
        limit: u64,
        window_end_ms: u64,
    ) -> Result<Option<u64>, StoreError> {
        let Some(room) = limit.checked_sub(more) else {
            return Ok(None);
        };
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(partition(tenant)))
            .key("sk", item::text(counter))
            .update_expression("ADD used :more SET exp = :exp")
            .condition_expression("attribute_not_exists(used) OR used <= :room")
            .return_values(ReturnValue::UpdatedNew)
            .expression_attribute_values(":more", item::number(more))
            .expression_attribute_values(":room", item::number(room))
            .expression_attribute_values(":exp", item::number(window_end_ms / 1000 + KEPT_S));
        match update_if(update).await? {
            Ok(set) => Row(set).number("used").map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl Store {
    /// What a counter stands at, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counted(&self, tenant: &TenantId, counter: &str) -> Result<u64, StoreError> {
        let row = self.get(partition(tenant), counter).await?;
        row.map_or(Ok(0), |row| row.number("used"))
    }
}

/// The partition of a tenant's counters.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("U#{tenant}")
}

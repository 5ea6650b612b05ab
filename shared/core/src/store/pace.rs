//! The pace of a webhook that has a limit: `G#t#w` / `pace`, `nxt` the time of its next free place, in microseconds.

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue},
};

use super::{
    Store, StoreError,
    item::{self, Row},
};
use crate::domain::id::{TenantId, WebhookId};

/// How long the row is kept after its last use: longer than any place is ahead.
const KEPT_S: u64 = 7 * 86_400;

impl Store {
    /// Takes the next free place of a webhook that gets `per_second` deliveries a second: the second, in milliseconds, from whose
    /// beginning the delivery may be made. No place is given twice; one that nobody uses is lost.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn take_place(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        per_second: u32,
    ) -> Result<u64, StoreError> {
        // Rounded up: no second has room for one more.
        let step_us = 1_000_000_u64.div_ceil(u64::from(per_second.max(1)));
        loop {
            let now_us = self.clock.now_ms() * 1000;
            let now = (":now", now_us);
            // Most often nobody waits.
            let idle = "attribute_not_exists(nxt) OR nxt < :now";
            let next = self
                .move_place(
                    tenant,
                    webhook,
                    "nxt = :next",
                    idle,
                    [now, (":next", now_us + step_us)],
                )
                .await?;
            let next = match next {
                Some(next_us) => Some(next_us),
                None => {
                    let step = [now, (":step", step_us)];
                    self.move_place(tenant, webhook, "nxt = nxt + :step", "nxt >= :now", step)
                        .await?
                }
            };
            if let Some(next_us) = next {
                return Ok((next_us - step_us) / 1_000_000 * 1000);
            }
        }
    }

    /// When the next free place of a webhook comes, in milliseconds; `None` of one that has not used its pace lately.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn next_place(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<Option<u64>, StoreError> {
        let row = self.get(partition(tenant, webhook), "pace").await?;
        let next_us = row.and_then(|row| row.maybe_number::<u64>("nxt"));
        Ok(next_us.map(|next_us| next_us / 1000))
    }

    /// Sets the next free place under a condition; answers it, or `None` where the condition does not hold.
    async fn move_place(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        set: &str,
        condition: &str,
        values: [(&str, u64); 2],
    ) -> Result<Option<u64>, StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(partition(tenant, webhook)))
            .key("sk", item::text("pace"))
            .update_expression(format!("SET {set}, exp = :exp"))
            .condition_expression(condition)
            .return_values(ReturnValue::UpdatedNew)
            .expression_attribute_values(
                ":exp",
                item::number(self.clock.wall_ms() / 1000 + KEPT_S),
            );
        for (name, value) in values {
            update = update.expression_attribute_values(name, AttributeValue::N(value.to_string()));
        }
        match update.send().await {
            Ok(answer) => Row(answer.attributes.unwrap_or_default())
                .number("nxt")
                .map(Some),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The partition of what is kept of a webhook beside its row.
pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("G#{tenant}#{webhook}")
}

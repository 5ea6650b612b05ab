//! The pace of a webhook that has a limit: `G#t#w` / `pace`, `nxt` the time of its next free place, in microseconds, and `ep` the
//! [`pace_epoch`](Webhook::pace_epoch) that it is of.

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, SdkError},
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    Store, StoreError,
    item::{self, Row},
    tenant_row, webhooks,
};
use crate::domain::{
    id::{TenantId, WebhookId},
    webhook::Webhook,
};

/// How long the row is kept after its last use: longer than any place is ahead.
const KEPT_S: u64 = 7 * 86_400;

const SECOND_US: u64 = 1_000_000;

/// How the next free place is moved, by what the row is like.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// No place is ahead: the one that is taken is now.
    Idle,
    /// Places are ahead: the one that is taken comes behind them.
    Behind,
    /// The places that are ahead are of an earlier limit: the one that is taken begins the next second, since this one may have had as
    /// many as the earlier limit allowed.
    Anew,
}

impl Store {
    /// Takes the next free place of a webhook that gets `per_second` deliveries a second: the second, in milliseconds, from whose
    /// beginning the delivery may be made. No place is given twice; one that nobody uses is lost. `None` when the limit was changed
    /// since the webhook was read.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn take_place(
        &self,
        webhook: &Webhook,
        per_second: u32,
    ) -> Result<Option<u64>, StoreError> {
        // Rounded up: no second has room for one more.
        let step_us = SECOND_US.div_ceil(u64::from(per_second.max(1)));
        // Most often nobody waits.
        let mut how = Move::Idle;
        loop {
            let now_us = self.clock.now_ms() * 1000;
            match self.move_place(webhook, how, step_us, now_us).await? {
                Ok(next_us) => return Ok(Some((next_us - step_us) / SECOND_US * 1000)),
                Err(found) => {
                    let next_us: u64 = found.maybe_number("nxt").unwrap_or_default();
                    let epoch: u64 = found.maybe_number("ep").unwrap_or_default();
                    if epoch > webhook.pace_epoch {
                        return Ok(None);
                    }
                    how = if next_us < now_us {
                        Move::Idle
                    } else if epoch == webhook.pace_epoch {
                        Move::Behind
                    } else {
                        Move::Anew
                    };
                }
            }
        }
    }

    /// When the next free place of a webhook comes, in milliseconds; `None` of one that has no limit, or has not used its pace lately.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn next_place(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<Option<u64>, StoreError> {
        let (row, pace) = tokio::try_join!(
            self.get(tenant_row::partition(tenant), webhooks::sort_key(webhook)),
            self.get(partition(tenant, webhook), "pace")
        )?;
        if !row.is_some_and(|row| row.0.contains_key("pace")) {
            return Ok(None);
        }
        let next_us = pace.and_then(|pace| pace.maybe_number::<u64>("nxt"));
        Ok(next_us.map(|next_us| next_us / 1000))
    }

    /// Moves the next free place; answers it, or the row that stands there where that is not as `how` has it.
    async fn move_place(
        &self,
        webhook: &Webhook,
        how: Move,
        step_us: u64,
        now_us: u64,
    ) -> Result<Result<u64, Row>, StoreError> {
        let (set, condition, value) = match how {
            Move::Idle => (
                ":value",
                "attribute_not_exists(nxt) OR nxt < :now AND (attribute_not_exists(ep) OR ep <= :ep)",
                now_us + step_us,
            ),
            Move::Behind if webhook.pace_epoch == 0 => (
                "nxt + :value",
                "nxt >= :now AND (attribute_not_exists(ep) OR ep = :ep)",
                step_us,
            ),
            Move::Behind => ("nxt + :value", "nxt >= :now AND ep = :ep", step_us),
            Move::Anew => (
                ":value",
                "nxt >= :now AND (attribute_not_exists(ep) OR ep < :ep)",
                (now_us / SECOND_US + 1) * SECOND_US + step_us,
            ),
        };
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(partition(&webhook.tenant, &webhook.id)))
            .key("sk", item::text("pace"))
            .update_expression(format!("SET nxt = {set}, ep = :ep, exp = :exp"))
            .condition_expression(condition)
            .expression_attribute_values(":now", item::number(now_us))
            .expression_attribute_values(":ep", item::number(webhook.pace_epoch))
            .expression_attribute_values(":value", item::number(value))
            .expression_attribute_values(":exp", item::number(self.clock.wall_ms() / 1000 + KEPT_S))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match update.send().await {
            Ok(answer) => {
                let row = Row(answer.attributes.unwrap_or_default());
                return row.number("nxt").map(Ok);
            }
            Err(SdkError::ServiceError(error)) => error.into_err(),
            Err(error) => return Err(error.into()),
        };
        match error {
            UpdateItemError::ConditionalCheckFailedException(failure) => {
                Ok(Err(Row(failure.item.unwrap_or_default())))
            }
            error => {
                let text = DisplayErrorContext(&error).to_string();
                Err(StoreError::Unavailable(text.into()))
            }
        }
    }
}

/// The partition of what is kept of a webhook beside its row.
pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("G#{tenant}#{webhook}")
}

//! A webhook's outage: the attribute `outage` of its row, apart from the webhook's settings. Writing it raises neither the row's
//! revision nor the tenant's version, and a change of the settings leaves it alone. The webhook's place in the index, which is by its
//! health, changes with it.

use aws_sdk_dynamodb::{
    error::{DisplayErrorContext, SdkError},
    operation::update_item::UpdateItemError,
    types::ReturnValuesOnConditionCheckFailure,
};

use super::{
    Store, StoreError,
    item::{self, Row},
    tenant_row::partition,
    webhooks::{health_list, sort_key},
};
use crate::domain::{
    outage::{Outage, StoredOutage},
    webhook::{Health, Webhook},
};

/// The attribute.
pub(super) const ATTRIBUTE: &str = "outage";

/// What came of writing an outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutageWritten {
    /// It is stored.
    Done,
    /// Another one was stored meanwhile.
    Found(Option<StoredOutage>),
    /// The webhook was deleted, disabled, or enabled anew: what was known is of its past.
    Past,
}

impl Store {
    /// Replaces the outage that is known of a webhook by another one, or by none.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn write_outage(
        &self,
        webhook: &Webhook,
        known: Option<&StoredOutage>,
        outage: Option<&Outage>,
    ) -> Result<OutageWritten, StoreError> {
        let unchanged = match known {
            Some(_) => format!("{ATTRIBUTE} = :known"),
            None => format!("attribute_not_exists({ATTRIBUTE})"),
        };
        let mut update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(partition(&webhook.tenant)))
            .key("sk", item::text(sort_key(&webhook.id)))
            .condition_expression(format!(
                "enabled = :enabled AND attribute_not_exists(disabled) AND {unchanged}"
            ))
            .expression_attribute_values(":enabled", item::number(webhook.enabled_ms))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(known) = known {
            update = update.expression_attribute_values(":known", item::text(&*known.text));
        }
        update = match outage {
            Some(outage) => update
                .update_expression(format!("SET {ATTRIBUTE} = :outage, wh = :health"))
                .expression_attribute_values(":outage", item::json(outage)),
            None => update.update_expression(format!("SET wh = :health REMOVE {ATTRIBUTE}")),
        };
        let health = outage.map_or(Health::Healthy, |_| Health::Failing);
        update = update.expression_attribute_values(":health", item::text(health_list(health)));
        let error = match update.send().await {
            Ok(_) => return Ok(OutageWritten::Done),
            Err(SdkError::ServiceError(error)) => error.into_err(),
            Err(error) => return Err(error.into()),
        };
        let UpdateItemError::ConditionalCheckFailedException(failure) = error else {
            let text = DisplayErrorContext(&error).to_string();
            return Err(StoreError::Unavailable(text.into()));
        };
        let Some(row) = failure.item.map(Row) else {
            return Ok(OutageWritten::Past);
        };
        if row.number::<u64>("enabled")? != webhook.enabled_ms || row.0.contains_key("disabled") {
            return Ok(OutageWritten::Past);
        }
        stored(&row).map(OutageWritten::Found)
    }
}

/// The outage of a webhook's row.
pub(super) fn stored(row: &Row) -> Result<Option<StoredOutage>, StoreError> {
    if !row.0.contains_key(ATTRIBUTE) {
        return Ok(None);
    }
    row.parsed(ATTRIBUTE, StoredOutage::read).map(Some)
}

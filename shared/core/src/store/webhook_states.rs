//! What becomes of a webhook by itself: the attributes `outage` and `pause` of its row, apart from the webhook's settings. Writing one
//! raises neither the row's revision nor the tenant's version, and a change of the settings leaves it alone. The webhook's place in the
//! index changes with its outage.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Store, StoreError,
    item::{self, Row},
    update_if,
    webhooks::{health_list, row_key},
};
use crate::domain::{
    outage::Outage,
    pause::Pause,
    stored::Stored,
    webhook::{Health, Webhook},
};

/// A state of a webhook that has an attribute of its own.
pub trait WebhookState: Serialize + DeserializeOwned {
    /// The attribute.
    const ATTRIBUTE: &'static str;

    /// The list of the index that the webhook stands in with this state; `None` if the state says nothing about that.
    fn list(state: Option<&Self>) -> Option<Health>;
}

impl WebhookState for Outage {
    const ATTRIBUTE: &'static str = "outage";

    fn list(state: Option<&Self>) -> Option<Health> {
        Some(state.map_or(Health::Healthy, |_| Health::Failing))
    }
}

impl WebhookState for Pause {
    const ATTRIBUTE: &'static str = "pause";

    fn list(_: Option<&Self>) -> Option<Health> {
        None
    }
}

/// What came of writing a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateWritten<T> {
    /// It is stored.
    Done,
    /// Another one was stored meanwhile.
    Found(Option<Stored<T>>),
    /// The webhook was deleted, disabled, or enabled anew: what was known is of its past.
    Past,
}

impl Store {
    /// Replaces the state that is known of a webhook by another one, or by none.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn write_state<T: WebhookState>(
        &self,
        webhook: &Webhook,
        known: Option<&Stored<T>>,
        state: Option<&T>,
    ) -> Result<StateWritten<T>, StoreError> {
        let unchanged = match known {
            Some(_) => "#state = :known",
            None => "attribute_not_exists(#state)",
        };
        let (pk, sk) = row_key(&webhook.tenant, &webhook.id);
        let mut update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .condition_expression(format!(
                "enabled = :enabled AND attribute_not_exists(disabled) AND {unchanged}"
            ))
            .expression_attribute_names("#state", T::ATTRIBUTE)
            .expression_attribute_values(":enabled", item::number(webhook.enabled_ms));
        if let Some(known) = known {
            update = update.expression_attribute_values(":known", item::text(&*known.text));
        }
        let mut change = match state {
            Some(state) => {
                update = update.expression_attribute_values(":state", item::json(state));
                "SET #state = :state".to_owned()
            }
            None => "REMOVE #state".to_owned(),
        };
        if let Some(list) = T::list(state) {
            let list = item::text(health_list(list));
            update = update.expression_attribute_values(":list", list);
            change = match state {
                Some(_) => format!("{change}, wh = :list"),
                None => format!("SET wh = :list {change}"),
            };
        }
        update = update.update_expression(change);
        let row = match update_if(update).await? {
            Ok(_) => return Ok(StateWritten::Done),
            Err(None) => return Ok(StateWritten::Past),
            Err(Some(found)) => Row(found),
        };
        if row.number::<u64>("enabled")? != webhook.enabled_ms || row.0.contains_key("disabled") {
            return Ok(StateWritten::Past);
        }
        stored(&row).map(StateWritten::Found)
    }
}

/// A state in a webhook's row.
pub(super) fn stored<T: WebhookState>(row: &Row) -> Result<Option<Stored<T>>, StoreError> {
    if !row.0.contains_key(T::ATTRIBUTE) {
        return Ok(None);
    }
    row.parsed(T::ATTRIBUTE, Stored::read).map(Some)
}

//! Deliveries: where each stands, in the one shape that every call shows.

use std::collections::HashMap;

use rung_api::ApiError;
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome},
        delivery::{Delivery, State as DeliveryState},
        id::{DeliveryKey, WebhookId},
        webhook::Webhook,
    },
    store::StoreError,
};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::Management;

/// One event on its way to one webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(crate) struct View {
    id: Uuid,
    event_id: String,
    event_type: String,
    webhook_id: String,
    tenant_id: String,
    status: DeliveryState,
    /// The number of attempts made.
    attempts: u32,
    /// Null unless it waits.
    next_attempt_at: Option<jiff::Timestamp>,
    /// When the event was accepted.
    created_at: jiff::Timestamp,
    /// The time it succeeded, failed or was cancelled.
    ended_at: Option<jiff::Timestamp>,
}

/// What the table says of a delivery.
pub(crate) struct Standing {
    key: DeliveryKey,
    row: Option<Delivery>,
    /// The attempt that was made where the row stands; without a row, the first one.
    made: Option<Attempt>,
    status: DeliveryState,
}

impl Standing {
    fn of(
        key: DeliveryKey,
        row: Option<Delivery>,
        made: Option<Attempt>,
        webhook: Option<&Webhook>,
    ) -> Self {
        let status = status(row.as_ref(), made.as_ref(), webhook);
        Self {
            key,
            row,
            made,
            status,
        }
    }

    /// Whether it is this delivery.
    pub(crate) fn is_of(&self, key: &DeliveryKey) -> bool {
        self.key == *key
    }

    /// Whether there is any trace of it but its event's.
    pub(crate) fn is_known(&self) -> bool {
        self.row.is_some() || self.made.is_some()
    }

    /// The number of attempts made.
    pub(crate) fn attempts(&self) -> u32 {
        let here = u32::from(self.made.is_some());
        match &self.row {
            None => here,
            Some(row) => match row.state {
                DeliveryState::Succeeded | DeliveryState::Failed => row.attempt,
                _ => row.next_attempt() - 1 + here,
            },
        }
    }

    /// When the next one is due, in milliseconds, if it waits for one.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        if self.status != DeliveryState::Pending {
            return None;
        }
        let after_made = self.made.as_ref().and_then(|made| made.next_due_ms);
        let at_row = self.row.as_ref().map(|row| row.due_ms);
        after_made.or(at_row).or(Some(self.key.accepted_ms))
    }

    fn ended_ms(&self) -> Option<u64> {
        let at_row = self.row.as_ref().and_then(|row| row.ended_ms);
        let made = self.made.as_ref().map(|made| made.ended_ms);
        at_row.or(made).filter(|_| self.status.has_ended())
    }

    /// As clients see it. `event_type` is its event's.
    pub(crate) fn view(&self, event_type: &str) -> View {
        View {
            id: self.key.uuid(),
            event_id: self.key.event.to_string(),
            event_type: event_type.to_owned(),
            webhook_id: self.key.webhook.to_string(),
            tenant_id: self.key.tenant.name().to_owned(),
            status: self.status,
            attempts: self.attempts(),
            next_attempt_at: self.next_due_ms().map(timestamp),
            created_at: timestamp(self.key.accepted_ms),
            ended_at: self.ended_ms().map(timestamp),
        }
    }
}

/// The state of a delivery, whatever its row still says. What waits is dropped when its webhook is deleted, and held when it is
/// disabled; what has succeeded once stays so.
fn status(
    row: Option<&Delivery>,
    made: Option<&Attempt>,
    webhook: Option<&Webhook>,
) -> DeliveryState {
    match (row, made) {
        (Some(row), _) if row.state != DeliveryState::Pending => row.state,
        (_, Some(made)) if made.outcome == Outcome::Succeeded => DeliveryState::Succeeded,
        (Some(row), _) => {
            let state = webhook.map_or(DeliveryState::Cancelled, |webhook| row.state_for(webhook));
            row.end(state)
        }
        (None, Some(made)) if made.next_due_ms.is_none() => DeliveryState::Failed,
        (None, _) => match webhook {
            None => DeliveryState::Cancelled,
            Some(webhook) if webhook.disabled.is_some() => DeliveryState::Held,
            Some(_) => DeliveryState::Pending,
        },
    }
}

/// Where deliveries stand, by strong reads: their rows, then in one go the attempts that those do not tell of yet and the webhooks of
/// what waits. None may be named twice.
pub(crate) async fn standing(
    state: &Management,
    keys: Vec<DeliveryKey>,
) -> Result<Vec<Standing>, StoreError> {
    let store = &state.api.store;
    let rows = store.deliveries(&keys).await?.into_iter();
    let mut rows: HashMap<_, _> = rows.map(|row| (row.key.clone(), row)).collect();
    let now_ms = state.api.clock.now_ms();
    let untold = keys.iter().filter_map(|key| match rows.get(key) {
        None => Some(AttemptKey::first_of(key)),
        Some(row) => {
            let is_told = matches!(row.state, DeliveryState::Succeeded | DeliveryState::Failed);
            (!is_told && row.due_ms <= now_ms).then(|| row.attempt_key())
        }
    });
    let untold: Vec<_> = untold.collect();
    let waits = |key: &&DeliveryKey| {
        let row = rows.get(key);
        row.is_none_or(|row| row.state == DeliveryState::Pending)
    };
    let waiting = keys.iter().filter(waits);
    let mut names: Vec<_> = waiting
        .map(|key| (key.tenant.clone(), key.webhook.clone()))
        .collect();
    names.sort();
    names.dedup();
    let (made, webhooks) = tokio::try_join!(store.attempts(&untold), store.webhooks(&names))?;
    let mut made: HashMap<_, _> = made
        .into_iter()
        .map(|made| (made.key.delivery.clone(), made))
        .collect();
    let webhooks: HashMap<WebhookId, Webhook> = webhooks
        .into_iter()
        .map(|((_, id), webhook)| Ok((id, webhook?)))
        .collect::<Result<_, StoreError>>()?;
    let standing = keys.into_iter().map(|key| {
        let webhook = webhooks.get(&key.webhook);
        let (row, made) = (rows.remove(&key), made.remove(&key));
        Standing::of(key, row, made, webhook)
    });
    Ok(standing.collect())
}

/// The delivery of this key as clients see it.
pub(crate) async fn view(
    state: &Management,
    key: &DeliveryKey,
    event_type: &str,
) -> Result<Option<View>, ApiError> {
    let standing = standing(state, vec![key.clone()]).await?;
    Ok(standing.first().map(|standing| standing.view(event_type)))
}

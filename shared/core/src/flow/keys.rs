//! Telling a tenant, in good time, that a key of its own ends: with an event, if its dialect has a word for it.

use rung_base::clock::timestamp;
use serde_json::json;

use super::{FlowError, accept::OwnEvent, control::Control};
use crate::domain::{
    hops::Hops,
    message::KeyEnds,
    tenant::{KeyOwner, remind_ms},
};

const EVENT_TYPE: &str = "api.key.expiring";
const DAY_MS: u64 = 86_400_000;

impl Control {
    /// Tells of a key that ends, once, however often it is asked to.
    pub(super) async fn tell_of_end(&self, ends: &KeyEnds) -> Result<(), FlowError> {
        let owner = KeyOwner::Tenant(ends.tenant.clone());
        let (key, tenant) = tokio::try_join!(
            self.store
                .listed_api_key(&owner, ends.created_ms, &ends.key),
            self.store.tenant(&ends.tenant)
        )?;
        // Nobody waits for the end of a key that is gone.
        let (Some(key), Some(tenant)) = (key, tenant) else {
            return Ok(());
        };
        let now_ms = self.clock.wall_ms();
        let Some(expires_ms) = key.expires_ms.filter(|expires_ms| *expires_ms > now_ms) else {
            return Ok(());
        };
        // The end was put off since: that has a reminder of its own.
        if remind_ms(expires_ms) > now_ms {
            return Ok(());
        }
        let catalogue = &self.dialect(&tenant.dialect)?.catalogue;
        if catalogue.get(EVENT_TYPE).is_none() {
            return Ok(());
        }
        let own = OwnEvent {
            event_type: EVENT_TYPE,
            once: format!("{} {expires_ms}", key.id),
            timestamp_ms: None,
            data: json!({
                "api_key_id": key.id.as_str(),
                "name": key.name,
                "expires_at": timestamp(expires_ms).to_string(),
                "days_remaining": (expires_ms - now_ms).div_ceil(DAY_MS),
            }),
            hops: Hops::NONE,
        };
        self.publisher.tell_surely(&tenant, &own).await.map(drop)
    }
}

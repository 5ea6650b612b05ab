//! How long a tenant's events, deliveries and attempts are kept: as long as the deployment says, or as its operator has set for
//! the tenant, if that is less.
//!
//! What is written carries its end, so a change holds for what is written after it, everywhere within minutes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Store, StoreError};
use crate::{domain::id::TenantId, limits::RETENTION_CACHE_MS};

/// More tenants than this are not remembered.
const CACHED_TENANTS: usize = 10_000;

/// The retentions read lately, each with the time in milliseconds until which it may be used.
pub(super) type Retentions = Arc<Mutex<HashMap<TenantId, (Duration, u64)>>>;

impl Store {
    /// How long the deployment keeps events, deliveries and attempts.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// How long those of a tenant are kept.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn retention_of(&self, tenant: &TenantId) -> Result<Duration, StoreError> {
        let now_ms = self.clock.now_ms();
        let cache = || {
            self.retentions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let cached = cache().get(tenant).copied();
        if let Some((retention, _)) = cached.filter(|(_, until_ms)| now_ms < *until_ms) {
            return Ok(retention);
        }
        // The events of a tenant that is gone are out of reach anyway.
        let found = self.tenant(tenant).await?;
        let own = found.and_then(|tenant| tenant.retention());
        let retention = own.map_or(self.retention, |own| own.min(self.retention));
        let mut cache = cache();
        if cache.len() >= CACHED_TENANTS {
            cache.clear();
        }
        cache.insert(tenant.clone(), (retention, now_ms + RETENTION_CACHE_MS));
        Ok(retention)
    }

    /// When something of a tenant that is written now expires, in seconds of the wall clock.
    pub(super) async fn expiry_of(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        Ok(self.clock.wall_ms() / 1000 + self.retention_of(tenant).await?.as_secs())
    }
}

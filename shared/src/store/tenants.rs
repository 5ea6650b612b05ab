//! Tenants.
use super::{Store, StoreError};
use crate::domain::{id::TenantId, tenant::Tenant};
impl Store {
    /// A tenant, by a strong read.
    pub async fn tenant(&self, _id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        Ok(None)
    }
}

//! The row of a tenant, `T#t` / `A`, as far as what hangs on it needs it: webhooks, keys and schemas stand in the same partition,
//! and are written in one transaction with a change of the row, or a look at it.

use aws_sdk_dynamodb::types::{ConditionCheck, Update};

use super::{Store, StoreError, item, transact::Part};
use crate::domain::id::TenantId;

/// The row's sort key.
pub(super) const SK: &str = "A";

/// The partition of a tenant's own things: itself, its webhooks, its keys, its schemas.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

impl Store {
    /// The part of a transaction that raises the tenant's version, if the tenant is there.
    pub(super) fn raise_version(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(partition(tenant)))
            .key("sk", item::text(SK));
        let update = update
            .update_expression("ADD ver :one")
            .condition_expression("attribute_exists(pk)");
        Ok(Part::Update(Box::new(
            update
                .expression_attribute_values(":one", item::number(1))
                .build()?,
        )))
    }

    /// The part of a transaction that insists on the tenant's being there.
    pub(super) fn tenant_exists(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&*self.table)
            .key("pk", item::text(partition(tenant)));
        let check = check
            .key("sk", item::text(SK))
            .condition_expression("attribute_exists(pk)");
        Ok(Part::Check(Box::new(check.build()?)))
    }
}

//! The row of a tenant, `T#name` / `A`, as far as what hangs on it needs it: webhooks, keys and event types stand in the partition of
//! their tenant, and are written in one transaction with a change of the row, or a look at it. Both insist on its being the row of
//! this tenant, and not of a later one of its name.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Update, builders::UpdateBuilder};

use super::{Store, StoreError, item, transact::Part};
use crate::domain::id::TenantId;

/// The row's sort key.
pub(super) const SK: &str = "A";

/// The partition of a tenant's own things: its webhooks, its keys, its event types.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

/// The partition of the row itself, which there is one of for all tenants of a name.
pub(super) fn row_partition(name: &str) -> String {
    format!("T#{name}")
}

/// The attribute that says which of its name the tenant is.
pub(super) const NUMBER: &str = "nth";

/// The attribute that says how many webhooks the tenant has.
pub(super) const WEBHOOKS: &str = "hooks";

/// The attribute that says how often all of the tenant's portal links were ended.
pub(super) const PORTAL_ROUND: &str = "links";

/// The condition that the row is there and the tenant's, with what `:nth` stands for in it.
pub(super) fn is_of(tenant: &TenantId) -> (String, AttributeValue) {
    // Rows had no number before a name could be taken again.
    let condition = if tenant.number() == 1 {
        format!("attribute_exists(pk) AND (attribute_not_exists({NUMBER}) OR {NUMBER} = :nth)")
    } else {
        format!("{NUMBER} = :nth")
    };
    (condition, item::number(tenant.number()))
}

impl Store {
    /// The part of a transaction that raises the tenant's version, if the tenant is there.
    pub(super) fn raise_version(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        self.raise_version_and(tenant, |update| update.update_expression("ADD ver :one"))
    }

    /// The same for one webhook more, if there are fewer than `most`.
    pub(super) fn add_webhook(&self, tenant: &TenantId, most: u32) -> Result<Part, StoreError> {
        let (is_of, _) = is_of(tenant);
        let has_room = format!("(attribute_not_exists({WEBHOOKS}) OR {WEBHOOKS} < :most)");
        self.raise_version_and(tenant, |update| {
            update
                .update_expression(format!("ADD ver :one, {WEBHOOKS} :one"))
                .condition_expression(format!("{is_of} AND {has_room}"))
                .expression_attribute_values(":most", item::number(most))
        })
    }

    /// The same for one webhook less.
    pub(super) fn remove_webhook(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        self.raise_version_and(tenant, |update| {
            update
                .update_expression(format!("ADD ver :one, {WEBHOOKS} :less"))
                .expression_attribute_values(":less", item::number(-1))
        })
    }

    /// The same with more that changes of the row.
    pub(super) fn raise_version_and(
        &self,
        tenant: &TenantId,
        change: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<Part, StoreError> {
        let (is_of, nth) = is_of(tenant);
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", item::text(row_partition(tenant.name())))
            .key("sk", item::text(SK));
        let update = update
            .condition_expression(is_of)
            .expression_attribute_values(":nth", nth)
            .expression_attribute_values(":one", item::number(1));
        Ok(Part::Update(Box::new(change(update).build()?)))
    }

    /// The part of a transaction that insists on the tenant's being there.
    pub(super) fn tenant_exists(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        let (is_of, nth) = is_of(tenant);
        let check = ConditionCheck::builder()
            .table_name(&*self.table)
            .key("pk", item::text(row_partition(tenant.name())));
        let check = check
            .key("sk", item::text(SK))
            .condition_expression(is_of)
            .expression_attribute_values(":nth", nth);
        Ok(Part::Check(Box::new(check.build()?)))
    }
}

//! A definition of an event type as an export has it.

use rung_core::domain::{
    event_type::{Definition, Owner},
    id::TenantId,
};
use rung_json::Json;
use serde::Serialize;

use super::DeprecatedView;

#[derive(Serialize)]
pub(crate) struct Exported<'a> {
    r#type: &'a str,
    /// Null for the deployment's.
    tenant_id: Option<&'a str>,
    /// The dialect that a definition of the deployment's is for; null for a tenant's.
    dialect: Option<&'a str>,
    groups: &'a [String],
    description: Option<&'a str>,
    sample: Option<&'a Json>,
    schema: Option<&'a Json>,
    deprecated: Option<DeprecatedView<'a>>,
    archived: bool,
}

impl<'a> Exported<'a> {
    pub(crate) fn of(owner: Owner<'a>, definition: &'a Definition) -> Self {
        let (tenant, dialect) = match owner {
            Owner::Tenant(tenant) => (Some(tenant), None),
            Owner::Deployment(dialect) => (None, Some(dialect)),
        };
        Self {
            r#type: &definition.name,
            tenant_id: tenant.map(TenantId::name),
            dialect,
            groups: &definition.groups,
            description: definition.description.as_deref(),
            sample: definition.sample.as_ref(),
            schema: definition.schema.as_ref(),
            deprecated: definition.deprecated.as_ref().map(DeprecatedView::from),
            archived: definition.archived,
        }
    }
}

//! What the operator and tenants say of event types, beside what the dialects' files say.

use rung_json::Json;

use super::id::TenantId;

/// Whose definitions of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// The deployment's, for all tenants that speak the dialect of this name.
    Deployment(&'a str),
    /// A tenant's own, which stand before the deployment's.
    Tenant(&'a TenantId),
}

/// Where what is said of an event type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The file of the dialect.
    Dialect,
    /// A definition of the deployment's.
    Deployment,
    /// A definition of the tenant's own.
    Tenant,
}

impl Source {
    /// All of them, for documentation.
    pub const ALL: [Self; 3] = [Self::Dialect, Self::Deployment, Self::Tenant];

    /// Its name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dialect => "dialect",
            Self::Deployment => "deployment",
            Self::Tenant => "tenant",
        }
    }
}

/// All that is said of one event type, in place of what the dialect's file says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The type.
    pub name: String,
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// When it happens.
    pub description: Option<String>,
    /// What its `data` looks like: an object.
    pub sample: Option<Json>,
    /// The JSON Schema of its `data` as it was given; perhaps when more was taken than now.
    pub schema: Option<Json>,
    /// How many schemas it has had: the number of the present one, if there is one.
    pub schema_version: u64,
    /// Set if it should not be published any more.
    pub deprecated: Option<Deprecated>,
    /// Whether it is refused at publishing.
    pub archived: bool,
    /// How often it was written before.
    pub revision: u64,
}

/// Since when a type should not be published any more, and what should be instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecated {
    /// Since when, in milliseconds.
    pub since_ms: u64,
    /// The type that takes its place.
    pub r#use: Option<String>,
}

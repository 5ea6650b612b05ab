//! Portal links: what lets a tenant's people into the dashboard for a while, without a key.

use serde::{Deserialize, Serialize};

use super::id::WebhookId;

/// What a portal link lets people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// See webhooks, logs and events; every link has it.
    View,
    /// Change webhooks and deliveries.
    Manage,
    /// Read and rotate secrets.
    Secrets,
    /// Send test events.
    Test,
}

impl Capability {
    /// All of them.
    pub const ALL: &[Self] = &[Self::View, Self::Manage, Self::Secrets, Self::Test];

    /// The capability's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Manage => "manage",
            Self::Secrets => "secrets",
            Self::Test => "test",
        }
    }
}

/// The person whom a link is for, as the operator's product names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "PortalActor"))]
pub struct Person {
    /// The person's id in the operator's product.
    pub id: Option<String>,
    /// The person's name or address.
    pub name: Option<String>,
}

/// What makes an API key the token of a portal link: it has no scopes, but this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalAccess {
    /// What it lets people do, in the order of [`Capability::ALL`].
    pub capabilities: Vec<Capability>,
    /// The only webhook that it shows; `None` for all of the tenant's.
    pub webhook: Option<WebhookId>,
    /// The epoch that this webhook was made with: a later one of its id is not the link's.
    #[serde(default)]
    pub webhook_epoch: Option<u64>,
    /// Whom it is for.
    pub person: Option<Person>,
    /// Where the dashboard leads back to.
    pub return_url: Option<String>,
    /// How often all links of the tenant had been ended when it was made: once that is more, it has ended too.
    pub round: u64,
}

impl PortalAccess {
    /// Whether people may do this.
    #[must_use]
    pub fn allows(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_stored_by_its_name() {
        for capability in Capability::ALL {
            let stored = serde_json::to_value(capability).ok();
            assert_eq!(stored, Some(capability.as_str().into()));
        }
    }
}

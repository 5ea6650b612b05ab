//! Why an accepted event goes to no webhook.

use serde::{Deserialize, Serialize};

/// Why an accepted event goes to no webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoDelivery {
    /// The tenant has no webhook.
    NoWebhook,
    /// No webhook subscribes to the type.
    NotSubscribed,
    /// The filters of all that subscribe leave it out.
    Filtered,
    /// All that it is for are disabled.
    Disabled,
    /// The tenant's plan has no webhooks.
    Plan,
}

impl NoDelivery {
    /// The reason as a sentence.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::NoWebhook => "the tenant has no webhooks",
            Self::NotSubscribed => "no webhook subscribes to this type",
            Self::Filtered => {
                "the filters of all webhooks that subscribe to this type exclude the event"
            }
            Self::Disabled => "every matching webhook is disabled",
            Self::Plan => "the tenant's plan has no webhooks",
        }
    }
}

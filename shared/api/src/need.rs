//! What a call needs of its caller: a scope of a key, or a capability of a portal link.

use rung_core::domain::{
    id::WebhookId,
    portal::{Capability, PortalAccess},
    tenant::{ApiKey, Scope},
};

use super::{ApiError, Code};

/// What a call needs of its caller. No portal link makes a call that does not [say so](Self::or_portal).
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// `None` for any.
    scope: Option<Scope>,
    portal: Option<(Capability, Reach<'a>)>,
}

/// Which of a tenant's things a call is about: a portal link may be of one webhook.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// All of them: a link of one webhook does not reach so far.
    Tenant,
    /// Those of this webhook.
    Webhook(&'a WebhookId),
    /// Those that the caller may see: the call answers nothing of webhooks other than
    /// [`Caller::only_webhook`](super::Caller::only_webhook).
    Visible,
}

impl From<Scope> for Need<'_> {
    fn from(scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            portal: None,
        }
    }
}

impl<'a> Need<'a> {
    /// A key with any scope, or a portal link: for what has nothing to do with webhooks.
    #[must_use]
    pub fn any() -> Self {
        Self {
            scope: None,
            portal: Some((Capability::View, Reach::Visible)),
        }
    }

    /// The same, or a portal link with this capability that reaches so far.
    #[must_use]
    pub fn or_portal(self, capability: Capability, reach: Reach<'a>) -> Self {
        Self {
            portal: Some((capability, reach)),
            ..self
        }
    }

    /// Whether the call publishes.
    pub(super) fn publishes(self) -> bool {
        self.scope == Some(Scope::Publish)
    }

    /// Refuses a key or a link that may not make the call.
    pub(super) fn check(self, key: &ApiKey) -> Result<(), ApiError> {
        match &key.portal {
            Some(access) => self.check_portal(access),
            None => self.scope.map_or(Ok(()), |scope| check_scope(key, scope)),
        }
    }

    fn check_portal(self, access: &PortalAccess) -> Result<(), ApiError> {
        let refused = |message: String| Err(ApiError::new(Code::Forbidden, message));
        let Some((capability, reach)) = self.portal else {
            return refused("no portal link may make this call".to_owned());
        };
        if !access.allows(capability) {
            return refused(format!(
                "this call requires a portal link with the capability `{}`",
                capability.as_str()
            ));
        }
        match (&access.webhook, reach) {
            (Some(own), Reach::Webhook(named)) if own != named => {
                Err(ApiError::not_found("webhook", named.as_str()))
            }
            (Some(_), Reach::Tenant) => {
                refused("this portal link is for one webhook only".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a key without the scope.
pub(super) fn check_scope(key: &ApiKey, scope: Scope) -> Result<(), ApiError> {
    if key.grants(scope) {
        return Ok(());
    }
    let message = format!(
        "this call requires a key with the scope `{}`",
        scope.as_str()
    );
    Err(ApiError::new(Code::Forbidden, message))
}

//! What a call needs of its caller: a scope of a key, or a capability of a portal link.

use rung_core::domain::{
    id::WebhookId,
    portal::{Capability, PortalAccess},
    tenant::{ApiKey, Scope},
};

use super::{ApiError, Code, Detail};

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
        let refused = |problem: String| Err(lacks("capability", problem));
        let Some((capability, reach)) = self.portal else {
            return refused(
                "is a portal link, and none may make this call; use an API key".to_owned(),
            );
        };
        if !access.allows(capability) {
            return refused(format!(
                "is a portal link without the capability `{}`, which this call requires",
                capability.as_str()
            ));
        }
        match (&access.webhook, reach) {
            (Some(own), Reach::Webhook(named)) if own != named => {
                Err(ApiError::not_found("webhook", named.as_str()))
            }
            (Some(_), Reach::Tenant) => refused(
                "is a portal link for one webhook only, and this call reaches others".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

/// Refuses a key without the scope.
pub(super) fn check_scope(key: &ApiKey, scope: Scope) -> Result<(), ApiError> {
    if key.grants(scope) {
        return Ok(());
    }
    let problem = format!(
        "is a key without the scope `{}`, which this call requires",
        scope.as_str()
    );
    Err(lacks("scope", problem))
}

/// The refusal of a tenant's key or portal link at a call that is the operator's.
pub(super) fn not_an_operator(key: &ApiKey, scope: Scope) -> ApiError {
    let (lacking, own) = match key.portal {
        Some(_) => ("capability", "a portal link"),
        None => ("scope", "a tenant's key"),
    };
    let scope = scope.as_str();
    let problem =
        format!("is {own}, and this call requires an operator's key with the scope `{scope}`");
    lacks(lacking, problem)
}

/// The refusal of a key or a portal link that lacks what a call requires.
fn lacks(what: &'static str, problem: String) -> ApiError {
    let detail = Detail {
        field: "Authorization".to_owned(),
        code: what,
        problem,
    };
    ApiError::of_fields(Code::Forbidden, vec![detail])
}

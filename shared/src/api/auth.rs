//! Who calls: the operator's key or a tenant's.

use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;
use tracing::Span;

use super::{Api, ApiError, Code, hops::refuse_delivery};
use crate::domain::{
    id::{KeyId, TenantId, TenantName},
    tenant::{ApiKey, KeyHash, Scope, Tenant, remind_ms},
};

/// Whoever calls on behalf of a tenant.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant, just read.
    pub tenant: Tenant,
    /// Whether it is the operator.
    pub admin: bool,
    /// The tenant's key; `None` for the operator.
    pub key: Option<ApiKey>,
}

impl Api {
    /// An operator's call that needs `scope`.
    ///
    /// # Errors
    /// 401 without a known key, 403 with a tenant's, 422 when the request is a delivery.
    pub async fn operator(&self, headers: &HeaderMap, _scope: Scope) -> Result<(), ApiError> {
        let hash = presented(headers)?;
        if self.is_admin(&hash) {
            return refuse_delivery(headers);
        }
        self.owner(hash).await?;
        Err(ApiError::new(Code::Forbidden, "this takes the admin key"))
    }

    /// The tenant called for: a key's own, or with the admin key the one that `Rung-Tenant` names.
    ///
    /// # Errors
    /// 401 without a known key, 403 without the scope or with another tenant's name, 422 without a tenant's name, 404 if there
    /// is none of that name, 422 when the request is a delivery and does not publish.
    pub async fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, ApiError> {
        self.caller_with(headers, Some(scope)).await
    }

    /// The same for what a key of any scope may see.
    ///
    /// # Errors
    /// As [`caller`](Self::caller).
    pub async fn any_caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        self.caller_with(headers, None).await
    }

    async fn caller_with(
        &self,
        headers: &HeaderMap,
        scope: Option<Scope>,
    ) -> Result<Caller, ApiError> {
        let hash = presented(headers)?;
        let named = single(headers, "Rung-Tenant")?.map(|name| name.to_str().unwrap_or_default());
        let caller = if self.is_admin(&hash) {
            let name = named.ok_or(Code::TenantRequired)?;
            Caller {
                tenant: self.tenant(name).await?,
                admin: true,
                key: None,
            }
        } else {
            let (key, tenant) = self.owner(hash).await?;
            if named.is_some_and(|name| name != key.tenant.name()) {
                return Err(ApiError::new(
                    Code::Forbidden,
                    "`Rung-Tenant` names another tenant than the key's; leave it out",
                ));
            }
            if let Some(scope) = scope.filter(|scope| !key.grants(*scope)) {
                return Err(ApiError::new(
                    Code::Forbidden,
                    format!("this takes a key with the scope `{}`", scope.as_str()),
                ));
            }
            Caller {
                tenant,
                admin: false,
                key: Some(key),
            }
        };
        Span::current().record("tenant", caller.tenant.id.name());
        // Publishing alone goes on with the count that a delivery carries.
        if scope != Some(Scope::Publish) {
            refuse_delivery(headers)?;
        }
        Ok(caller)
    }

    /// The tenant of this name, for those who may act for any.
    ///
    /// # Errors
    /// 404 if there is none.
    pub async fn tenant(&self, name: &str) -> Result<Tenant, ApiError> {
        let missing = || ApiError::not_found("tenant", name);
        let name = TenantName::parse(name).map_err(|_| missing())?;
        self.store.tenant_called(&name).await?.ok_or_else(missing)
    }

    fn is_admin(&self, hash: &KeyHash) -> bool {
        self.admin.0.ct_eq(&hash.0).into()
    }

    /// Sees to it that a key made before there were reminders gets its own. Where it fails, the key's next use does it.
    async fn reminded(&self, key: ApiKey) -> ApiKey {
        let Some(expires_ms) = key.expires_ms.filter(|_| key.remind_ms.is_none()) else {
            return key;
        };
        let remind_ms = Some(remind_ms(expires_ms));
        let reminded = ApiKey {
            remind_ms,
            ..key.clone()
        };
        match self.store.remind(&reminded).await {
            Ok(()) => reminded,
            Err(error) => {
                tracing::warn!(tenant = %key.tenant, key = %key.id, %error, "no reminder that a key ends");
                key
            }
        }
    }

    /// A key that is known and has not ended, and its tenant as it is. A key read a moment ago does not outlive its tenant.
    async fn owner(&self, hash: KeyHash) -> Result<(ApiKey, Tenant), ApiError> {
        let now_ms = self.clock.wall_ms();
        let key = match self.keys.get(&hash, now_ms) {
            Some(key) => key,
            None => self.read_key(&hash, now_ms).await?,
        };
        if key
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(ApiError::new(
                Code::Unauthorized,
                "this key has expired; ask for a new one",
            ));
        }
        let tenant = self.store.tenant(&key.tenant).await?;
        Ok((key, tenant.ok_or(Code::Unauthorized)?))
    }

    async fn read_key(&self, hash: &KeyHash, now_ms: u64) -> Result<ApiKey, ApiError> {
        let moment = self.keys.before_reading();
        let key = self.store.api_key(hash).await?.ok_or(Code::Unauthorized)?;
        let key = self.reminded(key).await;
        self.keys.remember(key.clone(), now_ms, moment);
        Ok(key)
    }

    /// Lets a key that was deleted open nothing here any more.
    pub fn forget_key(&self, tenant: &TenantId, id: &KeyId) {
        self.keys.forget(tenant, id);
    }
}

/// A header that may stand once: of two, whatever stands before Rung might have looked at the other.
///
/// # Errors
/// When it stands more often.
pub(super) fn single<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => {
            let problem = "stands twice; give it once";
            Err(ApiError::of_field(Code::InvalidRequest, name, problem))
        }
    }
}

/// The hash of the key that came along.
fn presented(headers: &HeaderMap) -> Result<KeyHash, ApiError> {
    let value = single(headers, "Authorization")?.and_then(|value| value.to_str().ok());
    let (scheme, key) = value
        .and_then(|value| value.split_once(' '))
        .ok_or(Code::Unauthorized)?;
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(Code::Unauthorized.into());
    }
    Ok(KeyHash::of(key))
}

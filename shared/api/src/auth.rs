//! Who calls: the operator or a tenant, by their keys.

use http::{HeaderMap, HeaderValue};
use rung_core::{
    domain::{
        audit::{Action, Origin, Record},
        id::{KeyId, TenantId, TenantName, WebhookId},
        portal::PortalAccess,
        tenant::{ApiKey, Changes, FIRST_KEY, KeyHash, KeyOwner, OPERATORS_OWN, Scope, Tenant},
    },
    store::StoreError,
};
use rung_dialect::DEFAULT;
use rung_json::Json;
use subtle::ConstantTimeEq;
use tracing::Span;

use super::{
    Api, ApiError, Code,
    hops::refuse_delivery,
    need::{Need, check_scope, not_an_operator},
    source::Source,
};
use crate::limits::KEY_USE_NOTED_MS;

/// The header with which an operator's key names a tenant.
pub const TENANT_HEADER: &str = "Rung-Tenant";

/// Whoever calls on behalf of a tenant.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant, just read.
    pub tenant: Tenant,
    /// The key: the tenant's own, or one of the operator's.
    pub key: ApiKey,
    /// The caller as the audit log names it.
    pub origin: Origin,
}

impl Caller {
    /// The key if it is the tenant's own.
    #[must_use]
    pub fn own_key(&self) -> Option<&ApiKey> {
        self.key.owner.tenant().map(|_| &self.key)
    }

    /// The only webhook whose things the caller may see, if there is only one: that of a portal link.
    #[must_use]
    pub fn only_webhook(&self) -> Option<&WebhookId> {
        self.key.portal.as_ref()?.webhook.as_ref()
    }

    /// The audit log's record that the caller did this to the tenant's thing of this id.
    #[must_use]
    pub fn record(&self, action: Action, id: impl Into<String>) -> Record {
        Record::new(&self.origin, Some(&self.tenant.id), action, id)
    }
}

impl Api {
    /// An operator's call about the deployment that needs `scope`. Answers the caller as the audit log names it.
    ///
    /// # Errors
    /// As [`operators_key`](Self::operators_key), and 422 with a `Rung-Tenant`, which would do nothing.
    pub async fn operator(&self, headers: &HeaderMap, scope: Scope) -> Result<Origin, ApiError> {
        let origin = self.operators_key(headers, scope).await?;
        match headers.get(TENANT_HEADER) {
            None => Ok(origin),
            Some(_) => Err(tenant_mismatch(
                "names a tenant, and the call is about the deployment; omit it",
            )),
        }
    }

    /// An operator's call about the tenant that its path names, which needs `scope`. Answers the caller as the audit log names it.
    ///
    /// # Errors
    /// As [`operators_key`](Self::operators_key), and 422 with a `Rung-Tenant` that names another tenant.
    pub async fn operator_for(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        tenant: &str,
    ) -> Result<Origin, ApiError> {
        let origin = self.operators_key(headers, scope).await?;
        match headers.get(TENANT_HEADER) {
            Some(named) if named != tenant => Err(tenant_mismatch(
                "names another tenant than the path; omit it",
            )),
            _ => Ok(origin),
        }
    }

    /// A call with an operator's key that has `scope`, whatever `Rung-Tenant` says. Answers the caller as the audit log names it.
    ///
    /// # Errors
    /// 401 without a known key, 403 with a tenant's or without the scope, 422 when the request is a delivery or has the header twice.
    pub async fn operators_key(
        &self,
        headers: &HeaderMap,
        scope: Scope,
    ) -> Result<Origin, ApiError> {
        let (key, tenant) = self.known(headers).await?;
        if tenant.is_some() {
            return Err(not_an_operator(&key, scope));
        }
        check_scope(&key, scope)?;
        refuse_delivery(headers)?;
        single(headers, TENANT_HEADER)?;
        Ok(origin(&key))
    }

    /// The tenant called for: a key's own, or with an operator's key the one that `Rung-Tenant` names.
    ///
    /// # Errors
    /// 401 without a known key, 403 without what the call needs, 422 with another tenant's name, 422 without a tenant's name, 404 if
    /// there is none of that name or a portal link is not of the webhook, 422 when the request is a delivery and does not publish.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        need: impl Into<Need<'_>>,
    ) -> Result<Caller, ApiError> {
        let caller = self.caller_or_operator(headers, need).await?;
        caller.ok_or_else(ApiError::tenant_required)
    }

    /// The tenant called for, or `None` when an operator's key names none and asks for all of them.
    ///
    /// # Errors
    /// As [`caller`](Self::caller), but for the tenant that is not named.
    pub async fn caller_or_operator(
        &self,
        headers: &HeaderMap,
        need: impl Into<Need<'_>>,
    ) -> Result<Option<Caller>, ApiError> {
        let need = need.into();
        let (key, own) = self.known(headers).await?;
        let named = single(headers, TENANT_HEADER)?.map(|name| name.to_str().unwrap_or_default());
        if let (Some(own), Some(name)) = (&own, named)
            && own.id.name() != name
        {
            return Err(tenant_mismatch(
                "names a different tenant than the key's; omit it",
            ));
        }
        need.check(&key)?;
        // Publishing alone goes on with the count that a delivery carries.
        if !need.publishes() {
            refuse_delivery(headers)?;
        }
        let tenant = match (own, named) {
            (Some(own), _) => own,
            (None, Some(name)) => {
                TenantName::parse(name).map_err(|fault| {
                    ApiError::of_field(Code::InvalidRequest, TENANT_HEADER, fault.to_string())
                })?;
                self.tenant(name).await?
            }
            (None, None) => return Ok(None),
        };
        Span::current().record("tenant", tenant.id.name());
        let origin = origin(&key);
        Ok(Some(Caller {
            tenant,
            key,
            origin,
        }))
    }

    /// Whoever calls, with the tenant called for, if there is one.
    ///
    /// # Errors
    /// As [`caller_or_operator`](Self::caller_or_operator).
    pub async fn whoever(&self, headers: &HeaderMap) -> Result<(ApiKey, Option<Tenant>), ApiError> {
        if let Some(caller) = self.caller_or_operator(headers, Need::any()).await? {
            return Ok((caller.key, Some(caller.tenant)));
        }
        let (key, tenant) = self.known(headers).await?;
        Ok((key, tenant))
    }

    /// The tenant of this name, for those who may act for any. The operator's own is there from the start: the management API makes
    /// it when it is first named.
    ///
    /// # Errors
    /// 404 if there is none.
    pub async fn tenant(&self, name: &str) -> Result<Tenant, ApiError> {
        let missing = || ApiError::not_found("tenant", name);
        let name = TenantName::parse(name).map_err(|_| missing())?;
        if let Some(tenant) = self.store.tenant_called(&name).await? {
            return Ok(tenant);
        }
        if name.as_str() != OPERATORS_OWN || !self.manages {
            return Err(missing());
        }
        if let Some(made) = self.create_operators_own(&name).await? {
            return Ok(made);
        }
        // Another request has just made it.
        let made = self.store.tenant_called(&name).await?;
        made.ok_or_else(missing)
    }

    /// Makes the operator's own tenant the first time that it is named; `None` when it is there.
    async fn create_operators_own(&self, name: &TenantName) -> Result<Option<Tenant>, StoreError> {
        let tenant = Tenant {
            id: TenantId::first(name),
            name: Some("Operator".to_owned()),
            dialect: DEFAULT.to_owned(),
            plan: None,
            retention_days: None,
            metadata: Json::empty(),
            webhooks: 0,
            webhook_shards: Default::default(),
            version: 0,
            changes: Changes::default(),
            portal_round: 0,
            created_ms: self.clock.now_ms(),
        };
        let origin = Origin::system();
        let record = Record::new(&origin, None, Action::TenantCreated, name.as_str());
        self.store.create_tenant(&tenant, &record).await
    }

    /// Whether this is the hash of the operator's first key, which is in no row before something is changed about it.
    #[must_use]
    pub fn is_first_key(&self, hash: &KeyHash) -> bool {
        *hash == self.admin
    }

    /// The operator's first key, which the deployment's settings name; `None` if it was deleted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn first_key(&self) -> Result<Option<ApiKey>, ApiError> {
        let known = self.store.first_key(&self.admin).await?;
        let key = ApiKey {
            id: KeyId::parse(FIRST_KEY).map_err(|_| Code::Internal)?,
            owner: KeyOwner::Operator,
            portal: None,
            hash: self.admin,
            name: Some("First key".to_owned()),
            scopes: vec![Scope::Admin],
            events_per_hour: None,
            expires_ms: None,
            remind_ms: None,
            used_ms: known.used_ms,
            revision: 0,
            created_ms: 0,
        };
        Ok((!known.is_deleted).then_some(key))
    }

    fn is_first(&self, hash: &KeyHash) -> bool {
        self.admin.0.ct_eq(&hash.0).into()
    }

    /// A key that is known and has not ended, and its tenant as it is unless it is the operator's. A key read a moment ago does not
    /// outlive its tenant.
    async fn known(&self, headers: &HeaderMap) -> Result<(ApiKey, Option<Tenant>), ApiError> {
        let now_ms = self.clock.wall_ms();
        let key = self.key_of(headers, now_ms).await?;
        if key
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(match key.portal {
                None => Code::KeyExpired,
                Some(_) => Code::TokenExpired,
            }
            .into());
        }
        let tenant = match key.owner.tenant() {
            Some(tenant) => Some(self.store.tenant(tenant).await?.ok_or(Code::Unauthorized)?),
            None => None,
        };
        if let (Some(link), Some(tenant)) = (&key.portal, &tenant)
            && (link.round != tenant.portal_round || !self.has_its_webhook(link, tenant).await?)
        {
            return Err(Code::Unauthorized.into());
        }
        self.note_use(&key, now_ms).await;
        Ok((key, tenant))
    }

    async fn key_of(&self, headers: &HeaderMap, now_ms: u64) -> Result<ApiKey, ApiError> {
        let hash = presented(headers)?;
        match self.keys.get(&hash, now_ms) {
            Some(key) => Ok(key),
            None => self.read_key(&hash, now_ms).await,
        }
    }

    /// The id of the key of a request whose caller is known.
    ///
    /// # Errors
    /// 401 without a key that is there.
    pub async fn key_id(&self, headers: &HeaderMap) -> Result<KeyId, ApiError> {
        let key = self.key_of(headers, self.clock.wall_ms()).await?;
        Ok(key.id)
    }

    /// Whether the only webhook that a portal link is for, if there is only one, has not made room for a later one of its id.
    async fn has_its_webhook(
        &self,
        link: &PortalAccess,
        tenant: &Tenant,
    ) -> Result<bool, StoreError> {
        let Some(id) = &link.webhook else {
            return Ok(true);
        };
        let webhook = self.store.webhook(&tenant.id, id).await?;
        Ok(webhook.is_none_or(|webhook| Some(webhook.first_epoch) == link.webhook_epoch))
    }

    async fn read_key(&self, hash: &KeyHash, now_ms: u64) -> Result<ApiKey, ApiError> {
        let reading = self.keys.before_reading();
        let key = if self.is_first(hash) {
            self.first_key().await?.ok_or(Code::Unauthorized)?
        } else {
            self.store.api_key(hash).await?.ok_or(Code::Unauthorized)?
        };
        self.keys.remember(key.clone(), now_ms, reading);
        Ok(key)
    }

    /// Writes down that a key is used, but for portal links, unless that was done within [`KEY_USE_NOTED_MS`]. Where it fails, nothing else does.
    async fn note_use(&self, key: &ApiKey, now_ms: u64) {
        let is_old = |used_ms: u64| now_ms.saturating_sub(used_ms) >= KEY_USE_NOTED_MS;
        if key.portal.is_some()
            || key.used_ms.is_some_and(|used_ms| !is_old(used_ms))
            || !self.keys.note_use(key, now_ms)
        {
            return;
        }
        let is_first = key.id.as_str() == FIRST_KEY;
        if let Err(error) = self.store.note_use(key, is_first, now_ms).await {
            tracing::warn!(key = %key.id, %error, "the use of a key was not written down");
        }
    }

    /// Lets a key that was changed or deleted open nothing here that it opened before.
    pub fn forget_key(&self, owner: &KeyOwner, id: &KeyId) {
        self.keys.forget(owner, id);
    }
}

fn tenant_mismatch(problem: &str) -> ApiError {
    ApiError::of_field(Code::TenantMismatch, TENANT_HEADER, problem)
}

/// The caller of the current request as the audit log names it.
fn origin(key: &ApiKey) -> Origin {
    let origin = Origin::of_key(key);
    match Source::current() {
        Some(source) => Origin {
            request_id: Some(source.request_id),
            ip: source.ip,
            user_agent: source.user_agent,
            ..origin
        },
        None => origin,
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
            let problem = "is given twice; give it once";
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

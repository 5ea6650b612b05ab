//! Tenants and their API keys.

use rung_json::Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    id::{KeyId, TenantId, WebhookId},
    portal::PortalAccess,
};
use crate::limits::KEY_EXPIRING_MS;

/// A customer of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// A name for people.
    pub name: Option<String>,
    /// The dialect that its new webhooks speak unless they have their own.
    pub dialect: String,
    /// Its plan, which a dialect may require for webhooks.
    pub plan: Option<String>,
    /// For how many days its events, deliveries and attempts are kept; `None` for as long as the deployment keeps them.
    pub retention_days: Option<u32>,
    /// The operator's own data about it, an object.
    pub metadata: Json,
    /// How many webhooks it has.
    pub webhooks: u64,
    /// The shards of the table that any of them was ever put into.
    pub webhook_shards: BTreeSet<u8>,
    /// Counts the changes of its webhooks: whoever caches those compares it.
    pub version: u64,
    /// Which of them changed lately.
    pub changes: Changes,
    /// How often all of its portal links were ended.
    pub portal_round: u64,
    /// When it was made, in milliseconds.
    pub created_ms: u64,
}

/// The id of the operator's own tenant, whose webhooks hear what befalls those of all tenants.
pub const OPERATORS_OWN: &str = "_operator";
/// Ids that begin with this are Rung's own: no customer can have one.
pub const RESERVED_PREFIX: char = '_';

/// The id of the operator's first key.
pub const FIRST_KEY: &str = "key_root";

impl Tenant {
    /// How long its events, deliveries and attempts are kept, if that was set for it.
    #[must_use]
    pub fn retention(&self) -> Option<Duration> {
        self.retention_days
            .map(|days| Duration::from_secs(u64::from(days) * 86_400))
    }
}

/// The latest changes of what a tenant's version counts, so that whoever caches that reads again only what has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The version from which on every change is named.
    pub since: u64,
    /// What changed, by webhook id or [`Changes::EVENT_TYPES`], each with the version that its latest change raised. What is named
    /// with a version before `since` changed at `since`.
    pub latest: BTreeMap<String, u64>,
}

/// What changed between two versions of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Webhooks that were made, changed or deleted.
    pub webhooks: Vec<WebhookId>,
    /// Whether event types of its own changed.
    pub event_types: bool,
}

impl Changes {
    /// The name that stands for the tenant's event types. No webhook can have it.
    pub const EVENT_TYPES: &str = "#types";

    /// What has changed since the tenant was at `version`; `None` when not all of it is named any more.
    #[must_use]
    pub fn after(&self, version: u64) -> Option<Changed> {
        if version < self.since {
            return None;
        }
        let mut changed = Changed::default();
        for (name, raised) in &self.latest {
            if (*raised).max(self.since) < version {
                continue;
            }
            if name == Self::EVENT_TYPES {
                changed.event_types = true;
            } else {
                changed.webhooks.push(WebhookId::parse(name).ok()?);
            }
        }
        Some(changed)
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, including tenants and keys; for operator's keys only.
    Admin,
    /// Read and change webhooks, send again.
    Manage,
    /// Publish events.
    Publish,
    /// Read everything that is not secret.
    Read,
    /// Change the catalogue of event types.
    Catalogue,
    /// Erase events.
    Erase,
}

impl Scope {
    /// The scopes that an operator's key may have.
    pub const OF_OPERATORS: &[Self] = &[
        Self::Admin,
        Self::Manage,
        Self::Publish,
        Self::Read,
        Self::Catalogue,
        Self::Erase,
    ];

    /// The scopes that a tenant's key may have.
    pub const OF_TENANTS: &[Self] = &[
        Self::Manage,
        Self::Publish,
        Self::Read,
        Self::Catalogue,
        Self::Erase,
    ];

    /// The scope's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manage => "manage",
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Catalogue => "catalogue",
            Self::Erase => "erase",
        }
    }

    /// Whether a key with this scope may make a call that needs `needed`.
    #[must_use]
    pub fn grants(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Manage => matches!(needed, Self::Manage | Self::Read),
            Self::Publish | Self::Read | Self::Catalogue | Self::Erase => self == needed,
        }
    }
}

/// The SHA-256 of an API key: what is stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Hashes a presented key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        Some(Self(hash))
    }

    /// The hash as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// When the tenant of a key that ends is told of that.
#[must_use]
pub fn remind_ms(expires_ms: u64) -> u64 {
    expires_ms.saturating_sub(KEY_EXPIRING_MS)
}

/// Whose an API key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// The operator's: it reaches all tenants.
    Operator,
    /// A tenant's: it reaches this one.
    Tenant(TenantId),
}

impl KeyOwner {
    /// The tenant, unless it is the operator.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Operator => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

/// An API key or a portal link, without the key or token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name.
    pub id: KeyId,
    /// Whose.
    pub owner: KeyOwner,
    /// What it opens as a portal link; `None` for an API key. A link has no scopes.
    pub portal: Option<PortalAccess>,
    /// The key's hash.
    pub hash: KeyHash,
    /// A name for people.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How many events it may publish in an hour; `None` as many as the tenant's plan says. The operator's have no limit.
    pub events_per_hour: Option<u64>,
    /// When it ends, in milliseconds of the wall clock; `None` never.
    pub expires_ms: Option<u64>,
    /// When its tenant is told that it ends, in milliseconds of the wall clock; `None` if it never ends, or nobody has seen to it
    /// yet.
    pub remind_ms: Option<u64>,
    /// When it was last used, in milliseconds of the wall clock, as far as that was written down; `None` if never.
    pub used_ms: Option<u64>,
    /// Counts its changes.
    pub revision: u64,
    /// When it was made, in milliseconds.
    pub created_ms: u64,
}

impl ApiKey {
    /// Whether the key may make a call that needs `needed`.
    #[must_use]
    pub fn grants(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.grants(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_grants_itself_and_what_it_includes() {
        use Scope::{Admin, Catalogue, Erase, Manage, Publish, Read};
        for (scope, granted) in [
            (Admin, Scope::OF_OPERATORS),
            (Manage, &[Manage, Read]),
            (Publish, &[Publish]),
            (Read, &[Read]),
            (Catalogue, &[Catalogue]),
            (Erase, &[Erase]),
        ] {
            for needed in Scope::OF_OPERATORS {
                let expected = granted.contains(needed);
                assert_eq!(scope.grants(*needed), expected, "{scope:?} for {needed:?}");
            }
        }
    }

    #[test]
    fn a_scope_is_stored_by_its_name() {
        for scope in Scope::OF_OPERATORS {
            let stored = serde_json::to_value(scope).ok();
            assert_eq!(stored, Some(scope.as_str().into()));
        }
    }
}

//! The audit log: who changed what, when and from where.
//!
//! A change is described by a [`Record`], and whatever changes something in the table takes one and writes it in the same
//! transaction: there is no change without its entry. A call makes its record from the [`Origin`] of its caller:
//!
//! ```
//! # use rung_core::domain::audit::{Action, Change, Origin, Record};
//! # let caller_origin = Origin::system();
//! let record = Record::new(&caller_origin, None, Action::KeyUpdated, "key_1")
//!     .changing(Change::of("name", "old", "new"))
//!     .changing(Change::hidden("secret"));
//! ```
//!
//! Values that are secrets are never part of a record: they are named as [`Change::hidden`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    id::{KeyId, TenantId},
    idempotency::Kept,
    portal::{Person, PortalAccess},
    tenant::ApiKey,
};
use crate::limits::AUDIT_VALUE_BYTES;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done: the kind of thing, a dot, and the verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All actions, for documentation and filters.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The action's name in the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// A tenant was created.
    TenantCreated = "tenant.created";
    /// A tenant was changed.
    TenantUpdated = "tenant.updated";
    /// A tenant was deleted with all that it has.
    TenantDeleted = "tenant.deleted";
    /// An API key was created.
    KeyCreated = "key.created";
    /// An API key was changed.
    KeyUpdated = "key.updated";
    /// An API key was deleted.
    KeyDeleted = "key.deleted";
    /// A portal link was created.
    PortalLinkCreated = "portal_link.created";
    /// A portal link was ended.
    PortalLinkDeleted = "portal_link.deleted";
    /// All portal links of a tenant were ended.
    PortalLinksEnded = "tenant.portal_links_ended";
    /// A recovery of a tenant's webhooks, or of the deployment's, was asked for.
    TenantRecoveryStarted = "tenant.recovery_started";
    /// A webhook was created.
    WebhookCreated = "webhook.created";
    /// A webhook was changed.
    WebhookUpdated = "webhook.updated";
    /// A webhook was deleted.
    WebhookDeleted = "webhook.deleted";
    /// Rung disabled a webhook: failures or the tenant's plan.
    WebhookDisabled = "webhook.disabled";
    /// A webhook got a new secret.
    WebhookSecretRotated = "webhook.secret_rotated";
    /// A webhook's secret was shown.
    WebhookSecretRead = "webhook.secret_read";
    /// A webhook's replaced secrets ended.
    WebhookRotationFinished = "webhook.rotation_finished";
    /// A webhook was sent a sample event.
    WebhookTested = "webhook.tested";
    /// A webhook's receiver was examined.
    WebhookProved = "webhook.proved";
    /// A webhook's endpoint was asked to echo a token.
    WebhookChallenged = "webhook.challenged";
    /// A webhook was activated: its endpoint has echoed the token.
    WebhookVerified = "webhook.verified";
    /// A recovery of a webhook was asked for.
    WebhookRecoveryStarted = "webhook.recovery_started";
    /// All waiting deliveries of a webhook were cancelled.
    WebhookDeliveriesCancelled = "webhook.deliveries_cancelled";
    /// A delivery was sent again by hand.
    DeliveryRetried = "delivery.retried";
    /// A waiting delivery was cancelled.
    DeliveryCancelled = "delivery.cancelled";
    /// A job was cancelled.
    JobCancelled = "job.cancelled";
    /// The content of an event was erased.
    EventErased = "event.erased";
    /// An event type was defined.
    EventTypeCreated = "event_type.created";
    /// The definition of an event type was replaced.
    EventTypeUpdated = "event_type.updated";
    /// The definition of an event type was deleted.
    EventTypeDeleted = "event_type.deleted";
    /// What is encrypted was encrypted anew with the newest key.
    SecretsReencrypted = "secrets.reencrypted";
    /// An export was asked for.
    ExportStarted = "export.started";
    /// A part of an export was read.
    ExportRead = "export.read";
    /// Dead letters went back to their queues.
    DeadLettersRedriven = "dead_letters.redriven";
}

impl Action {
    /// The kind of thing that the action is about.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.as_str().split('.').next().unwrap_or_default()
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Whoever has an API key.
    Key {
        /// The key's id.
        id: KeyId,
        /// Its name when it acted.
        name: Option<String>,
        /// Whether the key is one of the operator's.
        operator: bool,
    },
    /// Whoever has a portal link.
    Portal {
        /// The link's id.
        id: KeyId,
        /// Whom it is for.
        #[serde(default)]
        person: Option<Person>,
    },
    /// Rung itself.
    System,
}

impl Actor {
    /// The kind's name in the API.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::Portal { .. } => "portal",
            Self::System => "system",
        }
    }

    /// Its id; the system has none.
    #[must_use]
    pub fn id(&self) -> Option<&KeyId> {
        match self {
            Self::Key { id, .. } | Self::Portal { id, .. } => Some(id),
            Self::System => None,
        }
    }

    /// The person whom a portal link is for, as far as the operator has said.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Portal { person, .. } => person.as_ref(),
            Self::Key { .. } | Self::System => None,
        }
    }
}

/// Who acts, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// The request; `None` for what Rung does by itself.
    pub request_id: Option<String>,
    /// The address that the request came from.
    pub ip: Option<IpAddr>,
    /// What the client called itself.
    pub user_agent: Option<String>,
}

impl Origin {
    /// Rung itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            actor: Actor::System,
            request_id: None,
            ip: None,
            user_agent: None,
        }
    }

    /// A request with this key; where it came from is to be filled in.
    #[must_use]
    pub fn of_key(key: &ApiKey) -> Self {
        let id = key.id.clone();
        let actor = match &key.portal {
            Some(PortalAccess { person, .. }) => Actor::Portal {
                id,
                person: person.clone(),
            },
            None => Actor::Key {
                id,
                name: key.name.clone(),
                operator: key.owner.tenant().is_none(),
            },
        };
        Self {
            actor,
            ..Self::system()
        }
    }
}

/// The resource that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "AuditTarget"))]
pub struct Target {
    /// The kind of resource: the first part of the action.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "AuditChange"))]
pub struct Change {
    /// The field's name in the API.
    pub field: String,
    /// The old value; truncated if it is long.
    pub before: Value,
    /// The new value; truncated if it is long.
    pub after: Value,
    /// Set if the values are confidential and not stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

impl Change {
    /// A field whose values may be seen.
    #[must_use]
    pub fn of(field: impl Into<String>, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        Self {
            field: field.into(),
            before: clipped(before.into()),
            after: clipped(after.into()),
            hidden: false,
        }
    }

    /// A field whose values are confidential: that it changed, and no more.
    #[must_use]
    pub fn hidden(field: impl Into<String>) -> Self {
        Self {
            hidden: true,
            ..Self::of(field, Value::Null, Value::Null)
        }
    }

    /// The fields in which two objects differ, by name; a missing object has no fields. Both must be free of secrets.
    #[must_use]
    pub fn between(before: Option<Value>, after: Option<Value>) -> Vec<Self> {
        let fields = |object: Option<Value>| match object {
            Some(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (mut before, after) = (fields(before), fields(after));
        let mut changes = Vec::new();
        for (field, after) in after {
            let before = before.remove(&field).unwrap_or_default();
            if before != after {
                changes.push(Self::of(field, before, after));
            }
        }
        let gone = before.into_iter().filter(|(_, value)| !value.is_null());
        changes.extend(gone.map(|(field, before)| Self::of(field, before, Value::Null)));
        changes
    }
}

/// A value as an entry keeps it: a long one is cut to the beginning of its JSON.
fn clipped(value: Value) -> Value {
    let mut text = value.to_string();
    if text.len() <= AUDIT_VALUE_BYTES {
        return value;
    }
    text.truncate(text.floor_char_boundary(AUDIT_VALUE_BYTES));
    text.push('…');
    Value::String(text)
}

/// A change, as it is written to the audit log with what it changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Whose thing it is; `None` for the operator's own.
    pub tenant: Option<TenantId>,
    /// The action's name.
    pub action: String,
    /// What it is about.
    pub target: Target,
    /// The fields that it changed.
    pub changes: Vec<Change>,
    /// Who did it, and from where.
    #[serde(flatten)]
    pub origin: Origin,
    /// What answers the call, to be written with the change as well: no part of the entry.
    #[serde(skip)]
    pub kept: Option<Box<Kept>>,
}

impl Record {
    /// That `origin` did this to the thing of this id.
    #[must_use]
    pub fn new(
        origin: &Origin,
        tenant: Option<&TenantId>,
        action: Action,
        id: impl Into<String>,
    ) -> Self {
        Self {
            tenant: tenant.cloned(),
            action: action.as_str().to_owned(),
            target: Target {
                kind: action.kind().to_owned(),
                id: id.into(),
            },
            changes: Vec::new(),
            origin: origin.clone(),
            kept: None,
        }
    }

    /// The same with a field that changed.
    #[must_use]
    pub fn changing(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// The same with fields that changed.
    #[must_use]
    pub fn changing_all(mut self, changes: Vec<Change>) -> Self {
        self.changes.extend(changes);
        self
    }
}

/// A record in the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id, `aud_…`.
    pub id: String,
    /// When it was written, in milliseconds of the ladder's clock.
    pub at_ms: u64,
    /// What was done.
    pub record: Record,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_begins_with_the_kind_of_its_target() {
        let kinds = Action::ALL.iter().map(|action| action.kind());
        let kinds: std::collections::BTreeSet<_> = kinds.collect();
        let expected = [
            "dead_letters",
            "delivery",
            "event",
            "event_type",
            "export",
            "job",
            "key",
            "portal_link",
            "secrets",
            "tenant",
            "webhook",
        ];
        assert!(kinds.into_iter().eq(expected));
    }

    #[test]
    fn changes_are_the_fields_that_differ() {
        let before = json!({"same": 1, "changed": 1, "removed": 1, "null": null});
        let after = json!({"same": 1, "changed": {"a": 1}, "added": "x", "nothing": null});
        let changes = Change::between(Some(before), Some(after));
        let expected = [
            Change::of("added", Value::Null, "x"),
            Change::of("changed", 1, json!({"a": 1})),
            Change::of("removed", 1, Value::Null),
        ];
        assert_eq!(sorted(changes), expected);
        let created = Change::between(None, Some(json!({"a": 1, "b": null})));
        assert_eq!(created, [Change::of("a", Value::Null, 1)]);
        let deleted = Change::between(Some(json!({"a": 1, "b": null})), None);
        assert_eq!(deleted, [Change::of("a", 1, Value::Null)]);
    }

    fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
        changes.sort_by(|one, other| one.field.cmp(&other.field));
        changes
    }

    #[test]
    fn long_values_are_cut_and_hidden_ones_are_not_there() {
        let change = Change::of("schema", "é".repeat(AUDIT_VALUE_BYTES), 1);
        let before = change.before.as_str().unwrap_or_default();
        assert!((AUDIT_VALUE_BYTES..AUDIT_VALUE_BYTES + 4).contains(&before.len()));
        assert!(before.ends_with('…'));
        let hidden = serde_json::to_value(Change::hidden("secret")).unwrap_or_default();
        assert_eq!(
            hidden,
            json!({"field": "secret", "before": null, "after": null, "hidden": true})
        );
    }
}

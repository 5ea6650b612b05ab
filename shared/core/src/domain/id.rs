//! Ids: short printable names that are safe in keys, URLs and headers.

use std::{fmt, sync::Arc};

use rung_dialect::limits::ID_CHARS;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::limits::LOG_SHARDS;

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {ID_CHARS} characters from A-Z, a-z, 0-9, `_` and `-`")]
pub struct IdFault;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` as an id.
            ///
            /// # Errors
            /// When it is empty, longer than 64 characters, or has one outside `[A-Za-z0-9_-]`.
            pub fn parse(text: &str) -> Result<Self, IdFault> {
                let printable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
                if (1..=ID_CHARS).contains(&text.len()) && text.bytes().all(printable) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdFault)
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// One of so many shards (FNV-1a of the id).
            #[must_use]
            pub fn shard_of(&self, shards: u8) -> u8 {
                let hash = self.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                });
                (hash % u64::from(shards)) as u8
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdFault;

            fn try_from(text: String) -> Result<Self, IdFault> {
                Self::parse(&text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// What a tenant is called: the id that it has in the API. When it is deleted, another may take it.
    TenantName;
    /// An endpoint of a tenant.
    WebhookId;
    /// An event, unique within its tenant for as long as it is kept.
    EventId;
    /// An API key's public name (never the key itself).
    KeyId;
    /// A job, unique in the deployment.
    JobId;
}

/// A customer of the operator, told from all that had its name before: the name, from the second of the name on with a number,
/// `acme~2`. Whatever is stored or sent for a tenant is keyed by this, so what an earlier one of the name has left is out of
/// reach for good.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TenantId(Arc<str>);

/// Stands before the number, and in no name.
const NTH: char = '~';

impl TenantId {
    /// The first of a name.
    #[must_use]
    pub fn first(name: &TenantName) -> Self {
        Self(Arc::clone(&name.0))
    }

    /// The one of the same name that has this number, from 1.
    #[must_use]
    pub fn with_number(&self, number: u64) -> Self {
        let name = self.name();
        if number <= 1 {
            Self(name.into())
        } else {
            Self(format!("{name}{NTH}{number}").into())
        }
    }

    /// Reads what [`as_str`](Self::as_str) has written. Names from outside are read as [`TenantName`]s: they say nothing of a
    /// number.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, IdFault> {
        let Some((name, nth)) = text.split_once(NTH) else {
            return TenantName::parse(text).map(|name| Self(name.0));
        };
        let first = Self::first(&TenantName::parse(name)?);
        let id = first.with_number(nth.parse().map_err(|_| IdFault)?);
        // One tenant is written in one way.
        (id.as_str() == text).then_some(id).ok_or(IdFault)
    }

    /// The name, by which people know it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once(NTH).map_or(&*self.0, |(name, _)| name)
    }

    /// Which of its name it is, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        let nth = self.0.split_once(NTH).and_then(|(_, nth)| nth.parse().ok());
        nth.unwrap_or(1)
    }

    /// Name and number as text, for keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = IdFault;

    fn try_from(text: String) -> Result<Self, IdFault> {
        Self::parse(&text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EventId {
    /// Which of the shards of a webhook's log this event's attempts stand in.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.shard_of(LOG_SHARDS)
    }
}

/// What names a delivery: one accepted event on its way to one webhook.
///
/// The accept time belongs to the name, so that an event id used again after its retention names other deliveries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryKey {
    /// Whose.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// Where to.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// What.
    #[serde(rename = "e")]
    pub event: EventId,
    /// When the event was accepted, on the ladder's clock, in milliseconds.
    #[serde(rename = "a")]
    pub accepted_ms: u64,
}

impl DeliveryKey {
    /// The delivery's UUID as receivers and the API see it.
    ///
    /// Version 8 (RFC 9562 section 5.8): 48 bits of accept time, then a hash of the names. Nothing need be stored to give it out,
    /// and its time leads back to the delivery's row.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let digest = Sha256::new()
            .chain_update(self.tenant.as_str())
            .chain_update([0])
            .chain_update(self.webhook.as_str())
            .chain_update([0])
            .chain_update(self.event.as_str())
            .finalize();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.accepted_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        Uuid::new_v8(bytes)
    }

    /// The accept time that a delivery's UUID carries; `None` for a UUID that no delivery has.
    #[must_use]
    pub fn accepted_ms_of(uuid: Uuid) -> Option<u64> {
        let bytes = uuid.as_bytes();
        (uuid.get_version_num() == 8).then(|| {
            bytes[..6]
                .iter()
                .fold(0, |time, byte| time << 8 | u64::from(*byte))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(event: &str) -> DeliveryKey {
        DeliveryKey {
            tenant: TenantId::parse("acme").unwrap(),
            webhook: WebhookId::parse("webhook_1").unwrap(),
            event: EventId::parse(event).unwrap(),
            accepted_ms: 1_760_000_000_123,
        }
    }

    #[test]
    fn ids_are_short_and_safe_in_keys() {
        assert!(EventId::parse("evt_abc-123").is_ok());
        assert!(EventId::parse(&"x".repeat(64)).is_ok());
        for wrong in ["", "a#b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(EventId::parse(wrong), Err(IdFault), "{wrong:?}");
        }
    }

    #[test]
    fn tenants_of_one_name_are_told_apart_inside_and_not_named_from_outside() {
        let name = TenantName::parse("acme").unwrap();
        let first = TenantId::first(&name);
        let second = first.with_number(2);
        assert_eq!((first.as_str(), second.as_str()), ("acme", "acme~2"));
        for (id, number) in [(first, 1), (second, 2)] {
            assert_eq!((id.name(), id.number()), ("acme", number));
            assert_eq!(TenantId::parse(id.as_str()), Ok(id));
        }
        for wrong in [
            "acme~", "acme~1", "acme~02", "acme~+2", "acme~2~3", "~2", "a b~2",
        ] {
            assert_eq!(TenantId::parse(wrong), Err(IdFault), "{wrong:?}");
        }
        assert_eq!(TenantName::parse("acme~2"), Err(IdFault));
    }

    #[test]
    fn a_delivery_uuid_is_stable_distinct_and_leads_back_to_its_time() {
        assert_eq!(key("evt_1").uuid(), key("evt_1").uuid());
        assert_ne!(key("evt_1").uuid(), key("evt_2").uuid());
        assert_eq!(
            DeliveryKey::accepted_ms_of(key("evt_1").uuid()),
            Some(1_760_000_000_123)
        );
        assert_eq!(DeliveryKey::accepted_ms_of(Uuid::nil()), None);
    }

    #[test]
    fn shards_spread_similar_ids() {
        let mut counts = [0; LOG_SHARDS as usize];
        for number in 0..1000 {
            counts[usize::from(key(&format!("evt_{number:04}")).event.shard())] += 1;
        }
        assert!(
            counts.iter().all(|count| (150..=350).contains(count)),
            "{counts:?}"
        );
    }
}

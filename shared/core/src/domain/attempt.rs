//! Attempts: single POSTs, each an entry of the log.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{hops::Hops, id::DeliveryKey};

/// The cause of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Publishing of the event: a first attempt.
    Event,
    /// A retry on the ladder.
    Retry,
    /// A manual retry.
    Manual,
    /// A recovery, which starts a fresh ladder.
    Recover,
    /// A call of `test`.
    Test,
}

impl Trigger {
    /// Whether failures of this kind count for disable rules.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Event | Self::Retry | Self::Recover)
    }
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Event,
        Self::Retry,
        Self::Manual,
        Self::Recover,
        Self::Test,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Retry => "retry",
            Self::Manual => "manual",
            Self::Recover => "recover",
            Self::Test => "test",
        }
    }
}

/// Why an attempt failed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The answer's status is none that the dialect calls success.
    Status,
    /// No answer came in time.
    Timeout,
    /// The host name has no address, or could not be looked up.
    Dns,
    /// Nothing listens at the port.
    Refused,
    /// The host could not be reached.
    Unreachable,
    /// The connection ended before the answer.
    Reset,
    /// No TLS session came about, or the certificate is not valid.
    Tls,
    /// The answer was not valid HTTP.
    Protocol,
    /// The host has an address that is not public.
    AddressForbidden,
    /// The URL may not be posted to any more.
    UrlForbidden,
    /// The request could not be put together, or not signed.
    Request,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Timeout,
        Self::Dns,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::Tls,
        Self::Protocol,
        Self::AddressForbidden,
        Self::UrlForbidden,
        Self::Request,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::AddressForbidden => "address_forbidden",
            Self::UrlForbidden => "url_forbidden",
            Self::Request => "request",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The response was a success by the dialect's rule.
    Succeeded,
    /// Any other response, or none.
    Failed,
}

impl Outcome {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Succeeded, Self::Failed];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// What names an attempt. Known before the POST, so that a message received twice finds its entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// Of which delivery.
    pub delivery: DeliveryKey,
    /// When it was due, in milliseconds.
    pub due_ms: u64,
    /// Its position in the delivery's chain.
    pub n: u32,
}

impl AttemptKey {
    /// The name of a delivery's first attempt, which is due when the event is accepted.
    #[must_use]
    pub fn first_of(delivery: &DeliveryKey) -> Self {
        Self {
            delivery: delivery.clone(),
            due_ms: delivery.accepted_ms,
            n: 1,
        }
    }

    /// The public id of the log entry.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        let delivery = &self.delivery;
        let names = [
            delivery.tenant.as_str(),
            delivery.webhook.as_str(),
            delivery.event.as_str(),
        ];
        let mut digest = Sha256::new();
        for name in names {
            digest.update(name);
            digest.update([0]);
        }
        digest.update(delivery.accepted_ms.to_be_bytes());
        digest.update(self.due_ms.to_be_bytes());
        digest.update(self.n.to_be_bytes());
        let digest = digest.finalize();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest[..TAG_BYTES]);
        LogId {
            due_ms: self.due_ms,
            n: self.n,
            shard: delivery.event.shard(),
            tag,
        }
    }
}

/// Bytes of the hash in a log id.
const TAG_BYTES: usize = 13;
/// Bytes of an entry's place: the time, the position, the shard.
const PLACE_BYTES: usize = 6 + 4 + 1;

/// The public id of a log entry: `log_` and the base64url of a hash of all that names the attempt, its tenant and its webhook among
/// them, and of the place where the entry stands, veiled with the hash. So no two attempts of a deployment have one id, nothing need
/// be stored to give it out, and it leads back to its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogId {
    /// When the attempt was due, in milliseconds.
    pub due_ms: u64,
    /// Its position in the delivery's chain.
    pub n: u32,
    /// The shard of the log that it stands in.
    pub shard: u8,
    tag: [u8; TAG_BYTES],
}

impl LogId {
    /// Reads an id; `None` for one that no entry can have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("log_")?).ok()?;
        let (tag, place) = bytes.split_first_chunk()?;
        let place = veiled(tag, place.try_into().ok()?);
        let mut due_ms = [0; 8];
        due_ms[2..].copy_from_slice(&place[..6]);
        let mut n = [0; 4];
        n.copy_from_slice(&place[6..10]);
        Some(Self {
            due_ms: u64::from_be_bytes(due_ms),
            n: u32::from_be_bytes(n),
            shard: place[10],
            tag: *tag,
        })
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = [0; PLACE_BYTES];
        place[..6].copy_from_slice(&self.due_ms.to_be_bytes()[2..]);
        place[6..10].copy_from_slice(&self.n.to_be_bytes());
        place[10] = self.shard;
        let mut bytes = self.tag.to_vec();
        bytes.extend(veiled(&self.tag, place));
        write!(f, "log_{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// A place as an id shows it, and the other way round.
fn veiled(tag: &[u8; TAG_BYTES], mut place: [u8; PLACE_BYTES]) -> [u8; PLACE_BYTES] {
    for (byte, veil) in place.iter_mut().zip(Sha256::digest(tag)) {
        *byte ^= veil;
    }
    place
}

/// What went over the wire, for the entry's detail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Where to.
    pub url: String,
    /// The request's headers in the order they were sent; without a value where that is a secret.
    pub request_headers: Vec<(String, Option<String>)>,
    /// The answer's headers; empty without an answer.
    pub response_headers: Vec<(String, String)>,
    /// The beginning of the answer's body, at most 4 KiB.
    pub response_body: String,
}

impl Attempt {
    /// Whether a rule that counts failures in a row looks at it: a failure of what was sent by hand says nothing, a success does.
    #[must_use]
    pub fn counts(&self) -> bool {
        let succeeded = self.outcome == Outcome::Succeeded;
        self.trigger.counts() || succeeded && self.trigger == Trigger::Manual
    }
}

/// An entry of the log: one POST and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub key: AttemptKey,
    /// The event's type.
    pub event_type: String,
    /// Its number as people count, from 1.
    pub attempt: u32,
    /// The dialect it was posted in.
    pub dialect: String,
    /// What led to it.
    pub trigger: Trigger,
    /// How it ended.
    pub outcome: Outcome,
    /// When the POST began, in milliseconds.
    pub started_ms: u64,
    /// When the answer was there or the POST was given up, in milliseconds.
    pub ended_ms: u64,
    /// How long that took by the receiver's clock, in milliseconds: not scaled with the ladder's.
    pub response_time_ms: u64,
    /// The answer's status; `None` without an answer.
    pub response_status: Option<u16>,
    /// Why it failed, for people; `None` after a success.
    pub error: Option<String>,
    /// The same for programs.
    pub error_code: Option<ErrorCode>,
    /// Until when the receiver asked to be left alone, in milliseconds.
    pub asked_until_ms: Option<u64>,
    /// When the next attempt is due, in milliseconds; `None` when none follows by itself.
    pub next_due_ms: Option<u64>,
    /// The deliveries that led to its event.
    pub hops: Hops,
    /// What went over the wire; empty once it is erased.
    pub exchange: Exchange,
    /// When that was erased, in milliseconds.
    pub erased_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::id::{EventId, TenantId, WebhookId};

    fn key(webhook: &str, event: &str, due_ms: u64, n: u32) -> AttemptKey {
        AttemptKey {
            delivery: DeliveryKey {
                tenant: TenantId::parse("acme").unwrap(),
                webhook: WebhookId::parse(webhook).unwrap(),
                event: EventId::parse(event).unwrap(),
                accepted_ms: 1_760_000_000_000,
            },
            due_ms,
            n,
        }
    }

    #[test]
    fn a_log_id_leads_back_to_its_place_and_names_one_attempt() {
        const DUE_MS: u64 = 1_760_000_000_123;
        let mut ids = HashSet::new();
        for key in [
            key("w", "evt_1", DUE_MS, 1),
            key("v", "evt_1", DUE_MS, 1),
            key("w", "evt_2", DUE_MS, 1),
            key("w", "evt_1", DUE_MS + 1, 1),
            key("w", "evt_1", DUE_MS, 2),
            key("w", "-", 0, u32::MAX),
        ] {
            let id = key.log_id();
            let text = id.to_string();
            assert!(EventId::parse(&text).is_ok(), "{text} is as ids are");
            assert_eq!(LogId::parse(&text).as_ref(), Some(&id));
            assert_eq!(
                (id.due_ms, id.n, id.shard),
                (key.due_ms, key.n, key.delivery.event.shard())
            );
            assert!(!text.contains("evt"), "{text}");
            assert!(ids.insert(text));
        }
        for wrong in [
            "",
            "log_",
            "log_1-2",
            "log_1-2-e",
            "evt_1",
            "log_AAAA",
            &format!("{}A", key("w", "e", 1, 1).log_id()),
        ] {
            assert_eq!(LogId::parse(wrong), None, "{wrong:?}");
        }
    }
}

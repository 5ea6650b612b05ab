//! Jobs: work that takes longer than a call. A job is done in pages; each page is a message, so a function that dies loses nothing.

use serde::{Deserialize, Serialize};

use super::{
    delivery::is_lost,
    id::{EventId, JobId, TenantId, WebhookId},
    message::ErasePage,
};

/// The kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "JobKind"))]
pub enum Kind {
    /// Erases payloads, responses and headers.
    Erase,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 1] = [Self::Erase];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "JobStatus"))]
pub enum Status {
    /// Not started yet.
    Queued,
    /// In progress.
    Running,
    /// Completed.
    Succeeded,
    /// Ended before completion.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether pages may still come.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// What an erasure is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The whole tenant.
    Tenant,
    /// A webhook: its deliveries and its log.
    Webhook {
        /// Its id.
        #[serde(rename = "w")]
        webhook: WebhookId,
        /// The epoch at which it is deleted. A later webhook of the same id has a higher one.
        #[serde(rename = "p")]
        epoch: u64,
    },
    /// An event.
    Event {
        /// Its id.
        #[serde(rename = "e")]
        event: EventId,
        /// When it was accepted, in milliseconds. A later event of the same id has a later time.
        #[serde(rename = "a")]
        accepted_ms: u64,
    },
}

/// An erasure that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The job's id.
    #[serde(rename = "i")]
    pub id: JobId,
    /// The tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// What to erase.
    #[serde(rename = "s")]
    pub subject: Subject,
    /// Who asked: the public name of a key.
    #[serde(rename = "b")]
    pub created_by: String,
    /// When, in milliseconds.
    #[serde(rename = "a")]
    pub created_ms: u64,
}

/// How much an erasure has erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Events.
    pub events: u64,
    /// Deliveries that were cancelled or whose rows are gone.
    pub deliveries: u64,
    /// Log entries.
    pub log_entries: u64,
}

/// A job and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What was asked for.
    pub erasure: Erasure,
    /// Where it stands.
    pub status: Status,
    /// The number of the page that it stands at, from 0.
    pub page: u32,
    /// The message of that page.
    pub message: ErasePage,
    /// When it came to it, in milliseconds.
    pub moved_ms: u64,
    /// What the pages before have erased.
    pub erased: Erased,
    /// When its first page was handled, in milliseconds.
    pub started_ms: Option<u64>,
    /// When it ended, in milliseconds.
    pub ended_ms: Option<u64>,
}

impl Job {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::Erase
    }

    /// Whether the message of the page that it stands at must be taken for lost.
    #[must_use]
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.status.is_open() && is_lost(self.moved_ms, now_ms)
    }

    /// The webhook concerned, if any.
    #[must_use]
    pub fn webhook(&self) -> Option<&WebhookId> {
        match &self.erasure.subject {
            Subject::Webhook { webhook, .. } => Some(webhook),
            Subject::Tenant | Subject::Event { .. } => None,
        }
    }
}

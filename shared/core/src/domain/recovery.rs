//! How a recovery goes on.

use serde::{Deserialize, Serialize};

use super::{
    delivery::{is_lost, is_overdue},
    message::Recovery,
};

/// The status of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "RecoveryStatus"))]
pub enum Status {
    /// In progress.
    Running,
    /// The whole span was handled.
    Done,
    /// The webhook was disabled or deleted before that.
    Stopped,
}

impl Status {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Stopped]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// How far a recovery has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What was asked for, and the cursor it stands at.
    pub recovery: Recovery,
    /// Whether it goes on.
    pub status: Status,
    /// Deliveries that it has put on their way again.
    pub sent: u64,
    /// What it found and could not send: events without a body in the webhook's dialect, deliveries that are worn out.
    pub skipped: u64,
    /// When it came so far, in milliseconds.
    pub moved_ms: u64,
    /// When it ended, in milliseconds.
    pub ended_ms: Option<u64>,
    /// The last position of the page at its cursor, once somebody has looked. It stays, or a page that is repeated would take in
    /// what comes behind it, since it holds less of its own, and that would be counted by nobody.
    pub page_end: Option<String>,
}

impl Progress {
    /// Whether the message of the page that it stands at must be taken for lost.
    #[must_use]
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        self.status == Status::Running && is_overdue(self.moved_ms, now_ms)
    }

    /// The same for whoever looks by itself: see [`is_lost`].
    #[must_use]
    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.status == Status::Running && is_lost(self.moved_ms, now_ms)
    }
}

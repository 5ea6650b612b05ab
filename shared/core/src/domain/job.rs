//! Jobs: work that takes longer than a call. A job is done in pages; each page is a message, so a function that dies loses nothing.

use serde::{Deserialize, Serialize};

use super::{
    delivery::State,
    id::{EventId, JobId, TenantId, WebhookId},
    message::{JobPage, QueueName},
    recovery::Selection,
};

/// The kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "JobKind"))]
pub enum Kind {
    /// Sends deliveries again.
    Recover,
    /// Cancels deliveries.
    Cancel,
    /// Moves dead letters back to their queues.
    Redrive,
    /// Exports the deployment or a tenant.
    Export,
    /// Erases payloads, responses and headers.
    Erase,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Recover,
        Self::Cancel,
        Self::Redrive,
        Self::Export,
        Self::Erase,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recover => "recover",
            Self::Cancel => "cancel",
            Self::Redrive => "redrive",
            Self::Export => "export",
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

/// What a job is asked to do. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The job's id.
    #[serde(rename = "i")]
    pub id: JobId,
    /// What is to be done.
    #[serde(rename = "w")]
    pub work: Work,
    /// Who asked: the public name of a key.
    #[serde(rename = "b")]
    pub created_by: String,
    /// When, in milliseconds.
    #[serde(rename = "a")]
    pub created_ms: u64,
}

impl Task {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.work {
            Work::Recover(_) => Kind::Recover,
            Work::Cancel(_) => Kind::Cancel,
            Work::Redrive { .. } => Kind::Redrive,
            Work::Export(_) => Kind::Export,
            Work::Erase(_) => Kind::Erase,
        }
    }

    /// Whose it is; `None` for the operator's own.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match &self.work {
            Work::Recover(recovering) => recovering.reach.tenant(),
            Work::Cancel(cancelling) => Some(&cancelling.tenant),
            Work::Redrive { .. } => None,
            Work::Export(exporting) => exporting.tenant.as_ref(),
            Work::Erase(erasure) => Some(&erasure.tenant),
        }
    }

    /// The webhook concerned, if it is one.
    #[must_use]
    pub fn webhook(&self) -> Option<&WebhookId> {
        match &self.work {
            Work::Recover(recovering) => match &recovering.reach {
                Reach::Webhook { webhook, .. } => Some(webhook),
                Reach::Tenant(_) | Reach::Deployment => None,
            },
            Work::Cancel(cancelling) => Some(&cancelling.webhook),
            Work::Redrive { .. } | Work::Export(_) => None,
            Work::Erase(erasure) => match &erasure.subject {
                Subject::Webhook { webhook, .. } => Some(webhook),
                Subject::Tenant | Subject::Event { .. } => None,
            },
        }
    }
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Sends deliveries again.
    Recover(Recovering),
    /// Cancels deliveries of a webhook.
    Cancel(Cancelling),
    /// Moves dead letters back to their queues.
    Redrive {
        /// The queue; `None` for both.
        #[serde(rename = "q")]
        queue: Option<QueueName>,
        /// About how many there were when it was asked for. It looks at no more.
        #[serde(rename = "n")]
        found: u64,
    },
    /// Exports.
    Export(Exporting),
    /// Erases.
    Erase(Erasure),
}

/// Deliveries that are to be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovering {
    /// To which webhooks.
    #[serde(rename = "r")]
    pub reach: Reach,
    /// Which deliveries.
    #[serde(rename = "s")]
    pub selection: Selection,
}

/// The webhooks whose deliveries are to be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// One.
    Webhook {
        /// Its tenant.
        #[serde(rename = "t")]
        tenant: TenantId,
        /// Its id.
        #[serde(rename = "w")]
        webhook: WebhookId,
    },
    /// All active ones of a tenant.
    Tenant(TenantId),
    /// All active ones of the deployment.
    Deployment,
}

impl Reach {
    /// The tenant, if it is one.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Webhook { tenant, .. } | Self::Tenant(tenant) => Some(tenant),
            Self::Deployment => None,
        }
    }
}

/// Deliveries that are to be cancelled: those of events accepted until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelling {
    /// The tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// The webhook.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// The states that they are in.
    #[serde(rename = "s")]
    pub states: Vec<State>,
}

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exporting {
    /// The tenant; `None` for all.
    #[serde(rename = "t")]
    pub tenant: Option<TenantId>,
    /// What goes along with tenants, keys, event types and webhooks.
    #[serde(rename = "i")]
    pub include: Vec<Included>,
}

/// What an export has if it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "ExportIncluded"))]
#[serde(rename_all = "snake_case")]
pub enum Included {
    /// Signing secrets, and the values of secret headers.
    Secrets,
    /// Events with their data.
    Events,
    /// Log entries with requests and responses.
    Logs,
}

impl Included {
    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "secrets" => Some(Self::Secrets),
            "events" => Some(Self::Events),
            "logs" => Some(Self::Logs),
            _ => None,
        }
    }
}

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// What of it.
    #[serde(rename = "s")]
    pub subject: Subject,
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

/// How much a job has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Events erased.
    #[serde(rename = "e", skip_serializing_if = "is_zero")]
    pub events: u64,
    /// Deliveries sent again, cancelled or erased.
    #[serde(rename = "d", skip_serializing_if = "is_zero")]
    pub deliveries: u64,
    /// Log entries erased.
    #[serde(rename = "l", skip_serializing_if = "is_zero")]
    pub log_entries: u64,
    /// Messages moved back to their queue.
    #[serde(rename = "m", skip_serializing_if = "is_zero")]
    pub messages: u64,
    /// Tenants counted for an export.
    #[serde(rename = "t", skip_serializing_if = "is_zero")]
    pub tenants: u64,
    /// Webhooks counted for an export.
    #[serde(rename = "w", skip_serializing_if = "is_zero")]
    pub webhooks: u64,
    /// What was found and left as it is: events without a body in the webhook's dialect, deliveries that are worn out, dead letters
    /// that are none of Rung's messages.
    #[serde(rename = "s", skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

impl Counts {
    /// How many things were done.
    #[must_use]
    pub fn done(self) -> u64 {
        self.events
            + self.deliveries
            + self.log_entries
            + self.messages
            + self.tenants
            + self.webhooks
    }
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            deliveries: self.deliveries + other.deliveries,
            log_entries: self.log_entries + other.log_entries,
            messages: self.messages + other.messages,
            tenants: self.tenants + other.tenants,
            webhooks: self.webhooks + other.webhooks,
            skipped: self.skipped + other.skipped,
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a job has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Its webhook was disabled meanwhile.
    WebhookDisabled,
    /// Its webhook was deleted meanwhile.
    WebhookDeleted,
    /// Its tenant was deleted meanwhile.
    TenantDeleted,
}

/// A job and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it was asked to do.
    pub task: Task,
    /// Where it stands.
    pub status: Status,
    /// The page that it stands at.
    pub page: JobPage,
    /// When it came to it, in milliseconds.
    pub moved_ms: u64,
    /// What the pages before have done.
    pub before: Counts,
    /// What the page that it stands at does, once somebody has looked: it counts once, also if it is repeated.
    pub noted: Option<Noted>,
    /// Deliveries that a recovery has sent behind its pages.
    pub late: u64,
    /// When its first page was handled, in milliseconds.
    pub started_ms: Option<u64>,
    /// When it ended, in milliseconds.
    pub ended_ms: Option<u64>,
    /// Why it has failed, if it has.
    pub failure: Option<Failure>,
}

/// What a page came to when it was first looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// What it does.
    #[serde(rename = "c")]
    pub counts: Counts,
    /// The last position of the page. It stays, or a page that is repeated would take in what comes behind it, since it holds less of
    /// its own, and that would be counted by nobody.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

impl Job {
    /// What it has done, the page that it stands at included.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let noted = self.noted.as_ref().map(|noted| noted.counts);
        let late = Counts {
            deliveries: self.late,
            ..Counts::default()
        };
        self.before + noted.unwrap_or_default() + late
    }

    /// Whether the message of the page that it stands at must be taken for lost: it has stood there since `by_ms` or longer. See
    /// [`Delivery::is_overdue`](super::delivery::Delivery::is_overdue).
    #[must_use]
    pub fn is_overdue(&self, by_ms: u64) -> bool {
        self.status.is_open() && self.moved_ms <= by_ms
    }
}

//! Recoveries: deliveries that are sent again, and which.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    delivery::State,
    id::DeliveryKey,
    job::{Job, Task, Work},
    message::{At, Run},
};
use crate::limits::RECOVERY_PAGE;

/// What a recovery sends again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Deliveries in one of these states: failed, held, missed or pending.
    States(Vec<State>),
    /// Every event of a type that the webhook subscribes to, whether it was for it then or not.
    Any,
}

/// Which deliveries a recovery sends again, and how fast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// In which states.
    #[serde(rename = "s")]
    pub scope: Scope,
    /// Of events accepted not before this, in milliseconds.
    #[serde(rename = "f")]
    pub since_ms: u64,
    /// Of events accepted not after this, in milliseconds.
    #[serde(rename = "u")]
    pub until_ms: u64,
    /// Of events of these types, given as a webhook subscribes to them; empty for all.
    #[serde(rename = "y", default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// These deliveries alone; empty for all.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Uuid>,
    /// How many in a second at most; `None` for a thousand.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u32>,
}

impl Selection {
    /// Whether it has this delivery, as far as deliveries are named.
    #[must_use]
    pub fn names(&self, key: &DeliveryKey) -> bool {
        self.deliveries.is_empty() || self.deliveries.contains(&key.uuid())
    }
}

/// A recovery at a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Where it is, and its number there.
    pub run: Run,
    /// Which deliveries it sends again.
    pub selection: Selection,
    /// The position behind which it goes on; empty at the beginning.
    pub cursor: String,
}

impl Recovery {
    /// The recovery at the webhook that a job stands at; `None` for a job of another kind, or while it looks for its next webhook.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let At::Recover(page) = &job.page.at else {
            return None;
        };
        let begun = Self::begun(&job.task, page.run.clone()?)?;
        Some(Self {
            cursor: page.cursor.clone(),
            ..begun
        })
    }

    /// The recovery that a task has begun at a webhook, at its beginning; `None` for a task of another kind.
    #[must_use]
    pub fn begun(task: &Task, run: Run) -> Option<Self> {
        let Work::Recover(recovering) = &task.work else {
            return None;
        };
        Some(Self {
            run,
            selection: recovering.selection.clone(),
            cursor: String::new(),
        })
    }

    /// How many deliveries a page has at most. At a rate it is what ten seconds take: as much is still sent when the recovery is
    /// cancelled, or has ended.
    #[must_use]
    pub fn page(&self) -> usize {
        const SECONDS: usize = 10;
        let rate = self.selection.rate_per_second;
        let paced = rate.and_then(|rate| usize::try_from(rate).ok()?.checked_mul(SECONDS));
        paced.map_or(RECOVERY_PAGE, |paced| paced.clamp(1, RECOVERY_PAGE))
    }

    /// When the delivery at a place in its order is sent, in milliseconds. They keep their order, and no receiver meets all of them at
    /// once.
    #[must_use]
    pub fn due_ms(&self, place: u64) -> u64 {
        const FASTEST: u32 = 1_000;
        let rate = self.selection.rate_per_second.unwrap_or(FASTEST);
        self.run.number + place * 1_000 / u64::from(rate.max(1))
    }

    /// Up to when it is done with what was accepted, in milliseconds.
    #[must_use]
    pub fn reached_ms(&self) -> u64 {
        let time = self.cursor.split('#').next();
        time.and_then(|time| time.parse().ok())
            .unwrap_or(self.selection.since_ms)
    }
}

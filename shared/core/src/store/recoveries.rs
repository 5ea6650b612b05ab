//! The numbers of a webhook's recoveries: `J#t#w` / `number`, each with the job that it is of.
//!
//! A delivery's row says the number of the recovery that last sent it, and only a higher one sends it again: so numbers are given once,
//! each higher than those before. A number is there before its job begins, and may be of a job that never does.

use super::{
    Query, Range, Store, StoreError,
    item::{Builder, Row, text, time},
};
use crate::domain::{
    id::{JobId, TenantId, WebhookId},
    message::Run,
};

/// A number that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The number: a time in milliseconds.
    pub number: u64,
    /// The job.
    pub job: JobId,
    /// The webhook's epoch when it was given.
    pub epoch: u64,
    /// What the recovery is known by, if a call for the same is to find it while it runs.
    pub key: Option<String>,
}

impl Numbered {
    /// The recovery of this number at its webhook.
    #[must_use]
    pub fn run(&self, tenant: &TenantId, webhook: &WebhookId) -> Run {
        Run {
            tenant: tenant.clone(),
            webhook: webhook.clone(),
            number: self.number,
            epoch: self.epoch,
        }
    }
}

impl Store {
    /// The latest numbers of a webhook's recoveries, the newest first, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn latest_recoveries(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        limit: usize,
    ) -> Result<Vec<Numbered>, StoreError> {
        let pk = partition(tenant, webhook);
        let query = Query {
            newest_first: true,
            limit: Some(limit),
            ..Query::of(&pk)
        };
        let rows = self.query(query).await?.rows.into_iter();
        rows.map(read).collect()
    }

    /// The numbers that are not below `since`, the newest first, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn recoveries_since(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        since: u64,
    ) -> Result<Vec<Numbered>, StoreError> {
        let (pk, since) = (partition(tenant, webhook), time(since));
        let query = Query {
            range: Range::Between(&since, "~"),
            newest_first: true,
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?.into_iter();
        rows.map(read).collect()
    }

    /// Gives a number, unless it was given before; whether it is.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn number_recovery(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        numbered: &Numbered,
    ) -> Result<bool, StoreError> {
        let item = Builder::new(partition(tenant, webhook), time(numbered.number))
            .text("j", numbered.job.as_str())
            .number("p", numbered.epoch)
            .maybe("k", numbered.key.as_ref().map(text))
            .number("exp", self.expiry());
        Ok(self.put_new(item.build()).await?.is_none())
    }
}

pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("J#{tenant}#{webhook}")
}

fn read(mut row: Row) -> Result<Numbered, StoreError> {
    Ok(Numbered {
        number: row.parsed("sk", |sk| sk.parse().ok())?,
        job: row.parsed("j", |job| JobId::parse(job).ok())?,
        epoch: row.number("p")?,
        key: row.maybe_text("k"),
    })
}

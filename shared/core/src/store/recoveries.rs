//! The numbers of a webhook's recoveries: `J#t#w` / `number`, each with the job that it is of; and which job was last begun for the
//! same thing, `G#t#w` / `recovery#key`.
//!
//! A delivery's row says the number of the recovery that last sent it, and only a higher one sends it again: so numbers are given once,
//! each higher than those before. A number is there before its job begins, and may be of a job that never does.

use super::{
    NOTHING_THERE, Query, Range, Store, StoreError,
    item::{Builder, Row, text, time},
    pace,
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
}

/// Which job was last begun, or is about to be, for what is known by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// When a call has claimed the key for it, in milliseconds.
    pub claimed_ms: u64,
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

    /// Which job has claimed what recoveries of a webhook are known by, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn recovery_claim(
        &self,
        (tenant, webhook): (&TenantId, &WebhookId),
        key: &str,
    ) -> Result<Option<Claim>, StoreError> {
        let row = self.get(pace::partition(tenant, webhook), claim_key(key));
        let claim = |row: Row| {
            Ok(Claim {
                job: row.parsed("j", |job| JobId::parse(job).ok())?,
                claimed_ms: row.number("at")?,
            })
        };
        row.await?.map(claim).transpose()
    }

    /// Claims it for a job, if it is still `before`'s, or nobody's. Whether it is the job's then.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn claim_recovery(
        &self,
        (tenant, webhook): (&TenantId, &WebhookId),
        key: &str,
        claim: &Claim,
        before: Option<&Claim>,
    ) -> Result<bool, StoreError> {
        let item = Builder::new(pace::partition(tenant, webhook), claim_key(key))
            .text("j", claim.job.as_str())
            .number("at", claim.claimed_ms)
            .number("exp", self.expiry());
        let before = before.map_or("", |before| before.job.as_str());
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression(format!("{NOTHING_THERE} OR j = :before"))
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":before", text(before));
        Ok(super::put_if(put).await?.is_none())
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
            .number("exp", self.expiry());
        Ok(self.put_new(item.build()).await?.is_none())
    }
}

pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("J#{tenant}#{webhook}")
}

fn read(row: Row) -> Result<Numbered, StoreError> {
    Ok(Numbered {
        number: row.parsed("sk", |sk| sk.parse().ok())?,
        job: row.parsed("j", |job| JobId::parse(job).ok())?,
        epoch: row.number("p")?,
    })
}

fn claim_key(key: &str) -> String {
    format!("recovery#{key}")
}

//! Counts of a webhook's attempts by the hour: `H#t#w` / `hour`.
//!
//! Whoever has attempts to count adds them to what is there. An addition whose answer was lost may be made twice, and one whose
//! function died before it is missing: the log is what is exact.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::{
    Query, Range, Row, Store, StoreError,
    item::{number, text, time},
    walk::Span,
};
use crate::domain::{
    id::{TenantId, WebhookId},
    stats::Counts,
};

impl Store {
    /// Adds to the counts of the hour that begins at `hour_ms`.
    ///
    /// # Errors
    /// When the table cannot be written; the counts may have been added all the same.
    pub async fn add_counts(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        hour_ms: u64,
        counts: &Counts,
    ) -> Result<(), StoreError> {
        let expiry = self.expiry_of(tenant).await?;
        let mut additions = Vec::new();
        let mut request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(partition(tenant, webhook)))
            .key("sk", text(time(hour_ms)));
        for (name, count) in attributes(counts) {
            additions.push(format!("{name} :{name}"));
            request = request.expression_attribute_values(format!(":{name}"), count);
        }
        request
            .update_expression(format!("SET exp = :exp ADD {}", additions.join(", ")))
            .expression_attribute_values(":exp", number(expiry))
            .send()
            .await?;
        Ok(())
    }

    /// The counts of the hours that begin within `span`, oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counts_of(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        span: Span,
    ) -> Result<Vec<(u64, Counts)>, StoreError> {
        let pk = partition(tenant, webhook);
        let (from, until) = (time(span.since_ms), time(span.until_ms));
        let rows = self
            .query_all(Query {
                range: Range::Between(&from, &until),
                ..Query::of(&pk)
            })
            .await?;
        rows.iter().map(read_counts).collect()
    }

    /// The same of all webhooks that a tenant has, one after the other.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counts_of_all(
        &self,
        tenant: &TenantId,
        span: Span,
    ) -> Result<Vec<(u64, Counts)>, StoreError> {
        let webhooks = self.subscriptions_of(tenant).await?;
        let mut all = Vec::new();
        for some in webhooks.chunks(AT_ONCE) {
            let counts = some
                .iter()
                .map(async |webhook| self.counts_of(tenant, &webhook.id, span).await);
            all.extend(try_join_all(counts).await?.into_iter().flatten());
        }
        Ok(all)
    }
}

/// Webhooks whose counts are read at once.
const AT_ONCE: usize = 64;

pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("H#{tenant}#{webhook}")
}

/// `a1` and `a0` by outcome, `c0` to `c5` by status, `l0` and so on by latency; what is zero has none.
fn attributes(counts: &Counts) -> Vec<(String, AttributeValue)> {
    let outcomes = [
        ("a1".to_owned(), counts.succeeded),
        ("a0".to_owned(), counts.failed),
    ];
    let classes = counts.by_status.into_iter().enumerate();
    let classes = classes.map(|(class, count)| (format!("c{class}"), count));
    let latencies = counts.latencies.into_iter().enumerate();
    let latencies = latencies.map(|(class, count)| (format!("l{class}"), count));
    let all = outcomes.into_iter().chain(classes).chain(latencies);
    all.filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name, number(count)))
        .collect()
}

fn read_counts(row: &Row) -> Result<(u64, Counts), StoreError> {
    let count = |name: &str| row.maybe_number(name).unwrap_or(0);
    let hour_ms = row.parsed("sk", |sk| sk.parse().ok())?;
    Ok((
        hour_ms,
        Counts {
            succeeded: count("a1"),
            failed: count("a0"),
            by_status: std::array::from_fn(|class| count(&format!("c{class}"))),
            latencies: std::array::from_fn(|class| count(&format!("l{class}"))),
        },
    ))
}

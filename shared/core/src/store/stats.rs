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
    attempt::ErrorCode,
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

    /// The counts of the hours that begin within `span`, whose end is not of it, oldest first.
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
        let last_ms = span.until_ms.saturating_sub(1);
        if last_ms < span.since_ms {
            return Ok(Vec::new());
        }
        let (from, until) = (time(span.since_ms), time(last_ms));
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
        let webhooks = webhooks.into_iter();
        let webhooks = webhooks.map(|webhook| (tenant.clone(), webhook.id));
        self.counts_of_these(&webhooks.collect::<Vec<_>>(), span)
            .await
    }

    /// The same of all webhooks that the deployment has; `None` if these are more than `most`. Each tenant and each webhook is a read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counts_of_deployment(
        &self,
        span: Span,
        most: usize,
    ) -> Result<Option<Vec<(u64, Counts)>>, StoreError> {
        let (mut all, mut webhooks, mut after) = (Vec::new(), 0, None);
        loop {
            let page = self.tenants(after.as_deref(), AT_ONCE).await?;
            let of_tenants = page.items.iter().map(async |tenant| {
                let found = self.subscriptions_of(&tenant.id).await?.into_iter();
                let found = found.map(|webhook| (tenant.id.clone(), webhook.id));
                Ok::<_, StoreError>(found.collect::<Vec<_>>())
            });
            let found = try_join_all(of_tenants).await?.concat();
            webhooks += found.len();
            if webhooks > most {
                return Ok(None);
            }
            all.extend(self.counts_of_these(&found, span).await?);
            after = page.next;
            if after.is_none() {
                return Ok(Some(all));
            }
        }
    }

    async fn counts_of_these(
        &self,
        webhooks: &[(TenantId, WebhookId)],
        span: Span,
    ) -> Result<Vec<(u64, Counts)>, StoreError> {
        let mut all = Vec::new();
        for some in webhooks.chunks(AT_ONCE) {
            let counts = some
                .iter()
                .map(async |(tenant, webhook)| self.counts_of(tenant, webhook, span).await);
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

/// `a1` and `a0` by outcome, `c0` to `c5` by status, `e_dns` and so on by error, `l0` and so on by latency; what is zero has none.
fn attributes(counts: &Counts) -> Vec<(String, AttributeValue)> {
    let outcomes = [
        ("a1".to_owned(), counts.succeeded),
        ("a0".to_owned(), counts.failed),
    ];
    let classes = counts.by_status.into_iter().enumerate();
    let classes = classes.map(|(class, count)| (format!("c{class}"), count));
    let errors = ErrorCode::ALL.iter().zip(counts.by_error);
    let errors = errors.map(|(code, count)| (error_attribute(*code), count));
    let latencies = counts.latencies.into_iter().enumerate();
    let latencies = latencies.map(|(class, count)| (format!("l{class}"), count));
    let all = outcomes.into_iter().chain(classes);
    let all = all.chain(errors).chain(latencies);
    all.filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name, number(count)))
        .collect()
}

fn error_attribute(code: ErrorCode) -> String {
    format!("e_{}", code.as_str())
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
            by_error: ErrorCode::ALL.map(|code| count(&error_attribute(code))),
            latencies: std::array::from_fn(|class| count(&format!("l{class}"))),
        },
    ))
}

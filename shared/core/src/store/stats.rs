//! Counts of a webhook's attempts by the hour: `H#t#w` / `hour#life`, where the life is the epoch that the webhook was made with: a later
//! one of its id counts anew.
//!
//! Whoever has attempts to count adds them to what is there. An addition whose answer was lost may be made twice, and one whose
//! function died before it is missing: the log is what is exact.
//!
//! The row of an hour also says when the last attempt of that hour succeeded (`ls`) and which one failed last (`lf`), so that this
//! costs no write of its own. The last that was counted wins: of attempts that end together in two functions it may be the other.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;

use super::{
    Query, Range, Row, Store, StoreError,
    item::{json, number, text, time},
    span::Span,
};
use crate::domain::{
    attempt::ErrorCode,
    id::{TenantId, WebhookId},
    stats::{Counts, HOUR_MS, Last},
    webhook::Webhook,
};

impl Store {
    /// Adds to the counts of a webhook made with the epoch `life`, in the hour that begins at `hour_ms`.
    ///
    /// # Errors
    /// When the table cannot be written; the counts may have been added all the same.
    pub async fn add_counts(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        life: u64,
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
            .key("sk", text(format!("{}#{life}", time(hour_ms))));
        for (name, count) in attributes(counts) {
            additions.push(format!("{name} :{name}"));
            request = request.expression_attribute_values(format!(":{name}"), count);
        }
        let mut set = "exp = :exp".to_owned();
        if let Some(success_ms) = counts.last.success_ms {
            set.push_str(", ls = :ls");
            request = request.expression_attribute_values(":ls", number(success_ms));
        }
        if let Some(failure) = &counts.last.failure {
            set.push_str(", lf = :lf");
            request = request.expression_attribute_values(":lf", json(failure));
        }
        request
            .update_expression(format!("SET {set} ADD {}", additions.join(", ")))
            .expression_attribute_values(":exp", number(expiry))
            .send()
            .await?;
        Ok(())
    }

    /// The counts of the hours that begin within `span`, whose end is not of it, oldest first: of the webhook made with the epoch `life`,
    /// or of all that had its id.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counts_of(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        life: Option<u64>,
        span: Span,
    ) -> Result<Vec<(u64, Counts)>, StoreError> {
        let pk = partition(tenant, webhook);
        let last_ms = span.until_ms.saturating_sub(1);
        if last_ms < span.since_ms {
            return Ok(Vec::new());
        }
        let (from, until) = (time(span.since_ms), format!("{}~", time(last_ms)));
        let rows = self
            .query_all(Query {
                range: Range::Between(&from, &until),
                ..Query::of(&pk)
            })
            .await?;
        let end = life.map_or_else(String::new, |life| format!("#{life}"));
        let is_of = |row: &&Row| row.parsed("sk", |sk| Some(sk.ends_with(&end)));
        let own = rows.iter().filter(|row| is_of(row).unwrap_or(true));
        own.map(read_counts).collect()
    }

    /// The same of several webhooks, one after the other.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn counts_of_all(
        &self,
        webhooks: &[(TenantId, WebhookId, Option<u64>)],
        span: Span,
    ) -> Result<Vec<(u64, Counts)>, StoreError> {
        let mut all = Vec::new();
        for some in webhooks.chunks(AT_ONCE) {
            let counts = some.iter().map(async |(tenant, webhook, life)| {
                self.counts_of(tenant, webhook, *life, span).await
            });
            all.extend(try_join_all(counts).await?.into_iter().flatten());
        }
        Ok(all)
    }

    /// The newest attempts of each of these webhooks, in their order, as far as they are kept: one query for each, of the hours in
    /// which it had any.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn last_of(&self, webhooks: &[&Webhook]) -> Result<Vec<Last>, StoreError> {
        let mut all = Vec::new();
        for some in webhooks.chunks(AT_ONCE) {
            let last = some.iter().map(async |webhook| {
                let span = Span {
                    since_ms: webhook.first_epoch - webhook.first_epoch % HOUR_MS,
                    ..Span::ALL
                };
                let life = Some(webhook.first_epoch);
                let hours = self.counts_of(&webhook.tenant, &webhook.id, life, span);
                let hours = hours.await?;
                let mut last = Last::default();
                hours
                    .into_iter()
                    .for_each(|(_, counts)| last.add(counts.last));
                Ok::<_, StoreError>(last)
            });
            all.extend(try_join_all(last).await?);
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
    let hour_ms = row.parsed("sk", |sk| sk.split('#').next()?.parse().ok())?;
    Ok((
        hour_ms,
        Counts {
            succeeded: count("a1"),
            failed: count("a0"),
            by_status: std::array::from_fn(|class| count(&format!("c{class}"))),
            by_error: ErrorCode::ALL.map(|code| count(&error_attribute(code))),
            latencies: std::array::from_fn(|class| count(&format!("l{class}"))),
            last: Last {
                success_ms: row.maybe_number("ls"),
                failure: row.maybe_json("lf")?,
            },
        },
    ))
}

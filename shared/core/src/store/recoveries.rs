//! Recoveries: `J#t#w` / `job`, and `J#t#w` / `K#hash` for the key that one is known by: the client's `Idempotency-Key`, or its own.
//!
//! A recovery's row is the head of a chain of pages, as a delivery's is of attempts: a row at a cursor means that the message
//! for the page there was durable before.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    Item, NOTHING_THERE, Query, Range, Store, StoreError,
    item::{Builder, Row, json, number, text, time},
};
use crate::domain::{
    id::{TenantId, WebhookId},
    idempotency::Idempotency,
    message::Recovery,
    recovery::{Progress, Status},
};

impl Store {
    /// How a recovery stands, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn recovery(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        job: u64,
    ) -> Result<Option<Progress>, StoreError> {
        let row = self.get(partition(tenant, webhook), time(job)).await?;
        row.map(read_progress).transpose()
    }

    /// How a webhook's latest recovery stands, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn latest_recovery(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<Option<Progress>, StoreError> {
        let pk = partition(tenant, webhook);
        let page = self
            .query(Query {
                range: Range::Between("0", "9~"),
                newest_first: true,
                limit: Some(1),
                ..Query::of(&pk)
            })
            .await?;
        page.rows.into_iter().next().map(read_progress).transpose()
    }

    /// The recoveries of a webhook whose numbers are not below `since`, the newest first, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn recoveries_since(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        since: u64,
    ) -> Result<Vec<Recovery>, StoreError> {
        let (pk, since) = (partition(tenant, webhook), time(since));
        let rows = self
            .query_all(Query {
                range: Range::Between(&since, "9~"),
                newest_first: true,
                ..Query::of(&pk)
            })
            .await?;
        let rows = rows.into_iter().map(read_progress);
        rows.map(|progress| Ok(progress?.recovery)).collect()
    }

    /// Counts a delivery that a recovery has sent behind its pages.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_sent_late(&self, recovery: &Recovery) -> Result<(), StoreError> {
        let values = vec![(":one", number(1))];
        self.update_recovery(recovery, "ADD sent :one", "attribute_exists(pk)", values)
            .await
            .map(drop)
    }

    /// Reserves a key for a recovery, be it in the place of the one that is `taken`. Answers the recovery that had it before, with
    /// the hash of what that was asked for with.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn reserve_recovery(
        &self,
        recovery: &Recovery,
        idempotency: &Idempotency,
        taken: Option<&Recovery>,
    ) -> Result<Option<(Recovery, [u8; 32])>, StoreError> {
        let pk = partition(&recovery.tenant, &recovery.webhook);
        let item = Builder::new(pk, format!("K#{}", idempotency.key_hash()))
            .json("m", recovery)
            .bytes("h", idempotency.content_hash.to_vec())
            .number("exp", self.expiry_of(&recovery.tenant).await?)
            .build();
        let mut put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression(NOTHING_THERE)
            .expression_attribute_values(":now", self.now());
        if let Some(taken) = taken {
            put = put
                .condition_expression(format!("{NOTHING_THERE} OR m = :taken"))
                .expression_attribute_values(":taken", json(taken));
        }
        let found = super::put_if(put).await?;
        let earlier = |row: Row| {
            let hash = row.bytes("h")?.try_into().map_err(|_| row.missing("h"))?;
            Ok((row.json("m")?, hash))
        };
        found.map(earlier).transpose()
    }

    /// Writes the row of a recovery whose first page is durable, unless it is there. Answers how it stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn place_recovery(&self, recovery: &Recovery) -> Result<Progress, StoreError> {
        let begun = Progress {
            recovery: recovery.clone(),
            status: Status::Running,
            sent: 0,
            skipped: 0,
            moved_ms: self.clock.now_ms(),
            ended_ms: None,
            page_end: None,
        };
        let expiry = self.expiry_of(&recovery.tenant).await?;
        match self.put_new(recovery_item(&begun, expiry)).await? {
            None => Ok(begun),
            Some(row) => read_progress(row),
        }
    }

    /// Notes what the page at the recovery's cursor comes to and its last position, the first time that this is found out: a page
    /// that is repeated finds less, and is counted once. Answers how the recovery stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_page(
        &self,
        recovery: &Recovery,
        (sent, skipped): (u64, u64),
        end: &str,
    ) -> Result<Option<Progress>, StoreError> {
        let values = vec![
            (":sent", number(sent)),
            (":skipped", number(skipped)),
            (":end", text(end)),
        ];
        self.update_recovery(
            recovery,
            "SET ps = :sent, pz = :skipped, pe = :end",
            "cur = :cur AND attribute_not_exists(ps)",
            values,
        )
        .await
    }

    /// Moves a recovery's row from its cursor to `next`, whose page's message is durable, and takes what its page came to into
    /// the sum. Answers how it stands, moved by this call or another.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn advance_recovery(
        &self,
        recovery: &Recovery,
        next: &str,
    ) -> Result<Option<Progress>, StoreError> {
        let update = format!("SET cur = :next, mv = :moved, {SUM} REMOVE ps, pz, pe");
        let values = vec![
            (":next", text(next)),
            (":moved", number(self.clock.now_ms())),
            (":zero", number(0)),
        ];
        self.update_recovery(recovery, &update, STANDS, values)
            .await
    }

    /// Ends a recovery that stands at its cursor.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn end_recovery(
        &self,
        recovery: &Recovery,
        status: Status,
    ) -> Result<(), StoreError> {
        let update = format!("SET st = :end, fin = :fin, {SUM} REMOVE ps, pz, pe");
        let values = vec![
            (":end", text(status.as_str())),
            (":fin", number(self.clock.now_ms())),
            (":zero", number(0)),
        ];
        self.update_recovery(recovery, &update, STANDS, values)
            .await
            .map(drop)
    }

    /// Changes a recovery's row under a condition, in which `:cur` is its cursor and `:running` the status; answers the row that
    /// stands afterwards.
    async fn update_recovery(
        &self,
        recovery: &Recovery,
        update: &str,
        condition: &str,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Option<Progress>, StoreError> {
        if condition.contains(":cur") {
            values.push((":cur", text(&recovery.cursor)));
        }
        if condition.contains(":running") {
            values.push((":running", text(Status::Running.as_str())));
        }
        let mut request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(partition(&recovery.tenant, &recovery.webhook)))
            .key("sk", text(time(recovery.job)))
            .update_expression(update)
            .condition_expression(format!("{condition} AND exp > :now"))
            .expression_attribute_values(":now", self.now())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        let standing = match request.send().await {
            Ok(answer) => answer.attributes,
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failure) => failure.item,
                error => {
                    let text = aws_sdk_dynamodb::error::DisplayErrorContext(&error).to_string();
                    return Err(StoreError::Unavailable(text.into()));
                }
            },
            Err(error) => return Err(error.into()),
        };
        let standing = standing.and_then(|item| self.alive(item));
        standing.map(read_progress).transpose()
    }
}

fn recovery_item(progress: &Progress, expiry: u64) -> Item {
    let recovery = &progress.recovery;
    Builder::new(
        partition(&recovery.tenant, &recovery.webhook),
        time(recovery.job),
    )
    .json("m", recovery)
    .text("cur", &recovery.cursor)
    .text("st", progress.status.as_str())
    .number("sent", progress.sent)
    .number("skip", progress.skipped)
    .number("mv", progress.moved_ms)
    .number("exp", expiry)
    .build()
}

/// The condition that a recovery runs and stands at its cursor.
const STANDS: &str = "cur = :cur AND st = :running";

/// Takes what the page came to into the sum.
const SUM: &str = "sent = sent + if_not_exists(ps, :zero), skip = skip + if_not_exists(pz, :zero)";

pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("J#{tenant}#{webhook}")
}

pub(super) fn read_progress(mut row: Row) -> Result<Progress, StoreError> {
    let recovery: Recovery = row.json("m")?;
    Ok(Progress {
        // A row that an earlier version wrote does not say.
        moved_ms: row.maybe_number("mv").unwrap_or(recovery.job),
        recovery: Recovery {
            cursor: row.text("cur")?,
            ..recovery
        },
        status: row.parsed("st", Status::parse)?,
        sent: row.number("sent")?,
        skipped: row.number("skip")?,
        ended_ms: row.maybe_number("fin"),
        page_end: row.maybe_text("pe"),
    })
}

//! Jobs: `B#job` / `-`, in the index `g` = `B`, `gs` = `created#job`, and `T#t` / `J#created#job` in the tenant's own list.
//!
//! A job's row is the head of a chain of pages, as a delivery's is of attempts: a row at a page means that the message for it was
//! durable before. It is written in one transaction with what the job is about: the deletion of a webhook or of a tenant, the
//! removal of an event's content.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};

use super::{
    Listed, Store, StoreError, events,
    item::{Builder, Row, json, number, text},
    listed::position,
    tenant_row,
    transact::Part,
};
use crate::domain::{
    audit::Record,
    id::{EventId, JobId, TenantId},
    job::{Erased, Erasure, Job, Status, Subject},
    message::ErasePage,
};

/// The index partition of all jobs.
const LIST: &str = "B";
const SK: &str = "-";

/// What came of beginning a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// This job has begun, by this call or by another function's.
    Job(Box<Job>),
    /// Another job has the same subject, and is known by this id.
    Other(JobId),
    /// The subject is not there, or not as it was when the job was asked for.
    Changed,
}

impl Store {
    /// Begins an erasure: what it is of is gone for whoever reads it from now on.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn begin_erasure(
        &self,
        erasure: &Erasure,
        record: &Record,
    ) -> Result<Begun, StoreError> {
        let holder = match &erasure.subject {
            Subject::Tenant => {
                self.delete_tenant(erasure, record).await?;
                self.last_deletion(erasure.tenant.name()).await?
            }
            Subject::Webhook { webhook, epoch } => {
                self.delete_webhook(erasure, webhook, *epoch, record)
                    .await?;
                None
            }
            Subject::Event { event, accepted_ms } => {
                self.take_content(erasure, event, *accepted_ms, record)
                    .await?;
                let found = self.event(&erasure.tenant, event).await?;
                let found = found.filter(|found| found.accepted_ms == *accepted_ms);
                found
                    .and_then(|found| found.erased)
                    .map(|erased| erased.job)
            }
        };
        if let Some(job) = self.job(&erasure.id).await? {
            return Ok(Begun::Job(job.into()));
        }
        Ok(holder.map_or(Begun::Changed, Begun::Other))
    }

    /// Takes an event's content away, unless that is done. The event stays in its tenant's list.
    async fn take_content(
        &self,
        erasure: &Erasure,
        event: &EventId,
        accepted_ms: u64,
        record: &Record,
    ) -> Result<(), StoreError> {
        let tenant = &erasure.tenant;
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", text(events::partition(tenant, event)))
            .key("sk", text("-"))
            .update_expression("SET er = :erased, ej = :job REMOVE b, h, tp")
            .condition_expression("a = :accepted AND attribute_not_exists(er) AND exp > :now")
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":erased", number(self.clock.now_ms()))
            .expression_attribute_values(":job", text(erasure.id.as_str()))
            .expression_attribute_values(":accepted", number(accepted_ms))
            .build()?;
        let mut parts = vec![
            Part::Update(Box::new(update)),
            self.tenant_exists(tenant)?,
            self.new_job(erasure)?,
        ];
        parts.push(self.listed_job(erasure).await?);
        self.change(parts, record).await.map(drop)
    }

    /// The part of a transaction that writes a job's row, unless it is there.
    pub(super) fn new_job(&self, erasure: &Erasure) -> Result<Part, StoreError> {
        let item = Builder::new(partition(&erasure.id), SK)
            .json("m", erasure)
            .text("st", Status::Queued.as_str())
            .number("pg", 0)
            .text("g", LIST)
            .text("gs", place(erasure))
            .number("exp", self.expiry());
        self.new_row(item)
    }

    /// The part that puts it into the list of its tenant.
    pub(super) async fn listed_job(&self, erasure: &Erasure) -> Result<Part, StoreError> {
        let pk = tenant_row::partition(&erasure.tenant);
        let item = Builder::new(pk, format!("{OWN}{}", place(erasure)));
        self.new_row(item.number("exp", self.expiry()))
    }

    fn new_row(&self, item: Builder) -> Result<Part, StoreError> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression("attribute_not_exists(pk)")
            .build()?;
        Ok(Part::Put(Box::new(put)))
    }

    /// A job, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.get(partition(id), SK).await?.map(read_job).transpose()
    }

    /// A page of all jobs of the deployment, newest first, from before a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        self.listed(LIST, before, limit).await?.try_map(read_job)
    }

    /// The same of a tenant's.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs_of(
        &self,
        tenant: &TenantId,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        let before = before.map_or_else(|| format!("{OWN}~"), |before| format!("{OWN}{before}"));
        let pk = [tenant_row::partition(tenant)];
        let (rows, next) = self
            .merged_page(&pk, false, OWN, Some(&before), limit)
            .await?;
        let key = |row: &Row| {
            row.parsed("sk", |sk| {
                let (_, id) = sk.strip_prefix(OWN)?.split_once('#')?;
                Some((partition(&JobId::parse(id).ok()?), SK.to_owned()))
            })
        };
        let keys = rows.iter().map(key).collect::<Result<_, _>>()?;
        let mut items = self.get_all(keys).await?;
        items.sort_by_cached_key(|row| {
            std::cmp::Reverse(row.parsed("gs", |gs| Some(gs.to_owned())).ok())
        });
        let next = next.and_then(|sk| sk.strip_prefix(OWN).map(str::to_owned));
        Listed { items, next }.try_map(read_job)
    }

    /// Notes what the page that a job stands at erases, the first time that this is found out: a page that is repeated finds less.
    /// Returns how the job stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_erased(
        &self,
        id: &JobId,
        page: u32,
        erased: Erased,
    ) -> Result<Option<Job>, StoreError> {
        let values = vec![
            (":running", text(Status::Running.as_str())),
            (":began", number(self.clock.now_ms())),
            (":pe", number(erased.events)),
            (":pd", number(erased.deliveries)),
            (":pl", number(erased.log_entries)),
        ];
        self.update_job(
            id,
            page,
            "SET st = :running, began = if_not_exists(began, :began), pe = :pe, pd = :pd, pl = :pl",
            "attribute_not_exists(pe)",
            values,
        )
        .await
    }

    /// Moves a job from the page before it to a page, whose message is durable. Returns how it stands, moved by this call or another.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn advance_job(&self, next: &ErasePage) -> Result<Option<Job>, StoreError> {
        let update = format!("SET pg = :next, p = :message, mv = :moved, {SUM}");
        let values = vec![
            (":next", number(next.number)),
            (":message", json(next)),
            (":moved", number(self.clock.now_ms())),
            (":zero", number(0)),
        ];
        let page = next.number.saturating_sub(1);
        self.update_job(&next.erasure.id, page, &update, "", values)
            .await
    }

    /// Ends a job at a page: it has done everything.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn end_job(&self, id: &JobId, page: u32) -> Result<(), StoreError> {
        let update = format!("SET st = :succeeded, fin = :fin, {SUM}");
        let values = vec![
            (":succeeded", text(Status::Succeeded.as_str())),
            (":fin", number(self.clock.now_ms())),
            (":zero", number(0)),
        ];
        self.update_job(id, page, &update, "", values)
            .await
            .map(drop)
    }

    /// Changes the row of a job that has not ended and stands at `page`; returns the row that stands afterwards.
    async fn update_job(
        &self,
        id: &JobId,
        page: u32,
        update: &str,
        condition: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Option<Job>, StoreError> {
        let and = if condition.is_empty() { "" } else { " AND " };
        let mut request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(partition(id)))
            .key("sk", text(SK))
            .update_expression(update)
            .condition_expression(format!(
                "pg = :page AND attribute_not_exists(fin) AND exp > :now{and}{condition}"
            ))
            .expression_attribute_values(":page", number(page))
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
        standing.map(read_job).transpose()
    }
}

/// What the sort keys of a tenant's own list begin with.
const OWN: &str = "J#";

/// Takes what the page came to into the sum.
const SUM: &str = "ev = if_not_exists(ev, :zero) + if_not_exists(pe, :zero), \
                   dl = if_not_exists(dl, :zero) + if_not_exists(pd, :zero), \
                   lg = if_not_exists(lg, :zero) + if_not_exists(pl, :zero) REMOVE pe, pd, pl";

fn partition(id: &JobId) -> String {
    format!("B#{id}")
}

/// A job's position in the lists.
#[must_use]
pub fn place(erasure: &Erasure) -> String {
    position(erasure.created_ms, erasure.id.as_str())
}

fn read_job(row: Row) -> Result<Job, StoreError> {
    let count = |name: &str| row.maybe_number(name).unwrap_or(0);
    let (erasure, page): (Erasure, u32) = (row.json("m")?, row.number("pg")?);
    // What an earlier version has moved on goes through everything again.
    let message = row.maybe_json("p")?.unwrap_or_else(|| ErasePage {
        number: page,
        ..ErasePage::first(erasure.clone())
    });
    Ok(Job {
        moved_ms: row.maybe_number("mv").unwrap_or(erasure.created_ms),
        message,
        erasure,
        status: row.parsed("st", Status::parse)?,
        page,
        erased: Erased {
            events: count("ev"),
            deliveries: count("dl"),
            log_entries: count("lg"),
        },
        started_ms: row.maybe_number("began"),
        ended_ms: row.maybe_number("fin"),
    })
}

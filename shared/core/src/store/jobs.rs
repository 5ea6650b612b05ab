//! Jobs: `B#job` / `-`, in the index `g` = `B#open` until they end and `B` from then on, `gs` = `created#job`, and
//! `T#t` / `J#created#job` in the tenant's own list.
//!
//! A job's row is the head of a chain of pages, as a delivery's is of attempts: a row at a page means that the message for it was
//! durable before. It is written in one transaction with its entry in the audit log and, of an erasure, with what that takes away: a
//! webhook, a tenant, an event's content.
//!
//! What a page does is noted in the row before it is done: a page that is repeated finds less, and counts once.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, Update};

use super::{
    Listed, NOTHING_THERE, Store, StoreError, Stretch, events,
    item::{Builder, Row, json, number, text},
    listed::position,
    span::Order,
    table::LISTS,
    tenant_row,
    transact::Part,
    update_if,
};
use crate::domain::{
    audit::Record,
    id::{EventId, JobId, TenantId},
    job::{Erasure, Failure, Job, Noted, Status, Subject, Task},
    message::{At, ErasePage, JobPage},
};

/// The index partition of the jobs that have ended.
const ENDED: &str = "B";
/// The index partition of those that have not.
const OPEN: &str = "B#open";
const SK: &str = "-";

/// What came of beginning an erasure.
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
    /// Begins a job at its first page, whose message is durable, unless it has begun. Returns how it stands; `None` when its tenant is
    /// gone.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn begin_job(
        &self,
        task: &Task,
        first: &JobPage,
        record: &Record,
    ) -> Result<Option<Job>, StoreError> {
        let mut parts = vec![self.new_job(task, first)?];
        if let Some(tenant) = task.tenant() {
            parts.push(self.tenant_exists(tenant)?);
            parts.push(self.listed_job(task, tenant)?);
        }
        self.change(parts, record).await?;
        self.job(&task.id).await
    }

    /// Begins an erasure: what it is of is gone for whoever reads it from now on.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn begin_erasure(
        &self,
        task: &Task,
        erasure: &Erasure,
        record: &Record,
    ) -> Result<Begun, StoreError> {
        let tenant = &erasure.tenant;
        let holder = match &erasure.subject {
            Subject::Tenant => {
                self.delete_tenant(task, tenant, record).await?;
                self.last_deletion(tenant.name()).await?
            }
            Subject::Webhook { webhook, epoch } => {
                self.delete_webhook(task, (tenant, webhook), *epoch, record)
                    .await?;
                None
            }
            Subject::Event { event, accepted_ms } => {
                self.take_content(task, (tenant, event), *accepted_ms, record)
                    .await?;
                let found = self.event(tenant, event).await?;
                let found = found.filter(|found| found.accepted_ms == *accepted_ms);
                found
                    .and_then(|found| found.erased)
                    .map(|erased| erased.job)
            }
        };
        if let Some(job) = self.job(&task.id).await? {
            return Ok(Begun::Job(job.into()));
        }
        Ok(holder.map_or(Begun::Changed, Begun::Other))
    }

    /// Takes an event's content away, unless that is done. The event stays in its tenant's list.
    async fn take_content(
        &self,
        task: &Task,
        (tenant, event): (&TenantId, &EventId),
        accepted_ms: u64,
        record: &Record,
    ) -> Result<(), StoreError> {
        let update = Update::builder()
            .table_name(&*self.table)
            .key("pk", text(events::partition(tenant, event)))
            .key("sk", text("-"))
            .update_expression("SET er = :erased, ej = :job REMOVE b, h, md, tp")
            .condition_expression("a = :accepted AND attribute_not_exists(er) AND exp > :now")
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":erased", number(self.clock.now_ms()))
            .expression_attribute_values(":job", text(task.id.as_str()))
            .expression_attribute_values(":accepted", number(accepted_ms))
            .build()?;
        let parts = [
            Part::Update(Box::new(update)),
            self.tenant_exists(tenant)?,
            self.new_erasure(task)?,
            self.listed_job(task, tenant)?,
        ];
        self.change(parts, record).await.map(drop)
    }

    /// The part of a transaction that writes the row of an erasure, unless it is there.
    pub(super) fn new_erasure(&self, task: &Task) -> Result<Part, StoreError> {
        let at = At::Erase(ErasePage::default());
        self.new_job(task, &JobPage::first(task, at))
    }

    fn new_job(&self, task: &Task, first: &JobPage) -> Result<Part, StoreError> {
        let item = Builder::new(partition(&task.id), SK)
            .json("m", task)
            .text("st", Status::Queued.as_str())
            .json("p", first)
            .number("pg", first.number)
            .number("mv", self.clock.now_ms())
            .text("g", OPEN)
            .text("gs", place(task))
            .number("exp", self.expiry());
        self.new_row(item)
    }

    /// The part that puts it into the list of its tenant.
    pub(super) fn listed_job(&self, task: &Task, tenant: &TenantId) -> Result<Part, StoreError> {
        let pk = tenant_row::partition(tenant);
        let item = Builder::new(pk, format!("{OWN}{}", place(task)));
        self.new_row(item.number("exp", self.expiry()))
    }

    fn new_row(&self, item: Builder) -> Result<Part, StoreError> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item.build()))
            .condition_expression(NOTHING_THERE)
            .expression_attribute_values(":now", self.now())
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

    /// A page of all jobs of the deployment from behind a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs(
        &self,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        self.jobs_in(&[ENDED, OPEN], order, after, limit).await
    }

    /// The same of those that have not ended, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn open_jobs(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        self.jobs_in(&[OPEN], Order::NewestFirst, after, limit)
            .await
    }

    async fn jobs_in(
        &self,
        lists: &[&str],
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        let lists: Vec<_> = lists.iter().map(|list| (*list).to_owned()).collect();
        let stretch = Stretch::behind(after, Some(LISTS), order);
        let page = self.listed(&lists, stretch, limit).await?;
        page.try_map(read_job)
    }

    /// A page of a tenant's jobs, from behind a position of [`Listed::next`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs_of(
        &self,
        tenant: &TenantId,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Job>, StoreError> {
        let after = after.map(|after| format!("{OWN}{after}"));
        let pk = [tenant_row::partition(tenant)];
        let stretch = Stretch {
            from: OWN,
            until: "J#~",
            ..Stretch::behind(after.as_deref(), None, order)
        };
        let (rows, next) = self.merged_page(&pk, stretch, limit).await?;
        let key = |(_, row): &(String, Row)| {
            row.parsed("sk", |sk| {
                let (_, id) = sk.strip_prefix(OWN)?.split_once('#')?;
                Some((partition(&JobId::parse(id).ok()?), SK.to_owned()))
            })
        };
        let keys = rows.iter().map(key).collect::<Result<_, _>>()?;
        let rows = self.get_all(keys).await?.into_iter();
        let mut items = rows.map(read_job).collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| order.compare(&place(&one.task), &place(&other.task)));
        let next = next.and_then(|sk| sk.strip_prefix(OWN).map(str::to_owned));
        Ok(Listed { items, next })
    }

    /// Notes what the page that a job stands at comes to, the first time that this is found out. Returns how the job stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn note_page(&self, job: &Job, noted: &Noted) -> Result<Option<Job>, StoreError> {
        let values = vec![
            (":running", text(Status::Running.as_str())),
            (":began", number(self.clock.now_ms())),
            (":noted", json(noted)),
        ];
        let update = "SET st = :running, began = if_not_exists(began, :began), nt = :noted";
        self.update_open_job(job, update, " AND attribute_not_exists(nt)", values)
            .await
    }

    /// Moves a job to its next page, whose message is durable. Returns how it stands, moved by this call or another.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn advance_job(&self, job: &Job, next: &JobPage) -> Result<Option<Job>, StoreError> {
        let noted = job.noted.as_ref().map(|noted| noted.counts);
        let values = vec![
            (":next", number(next.number)),
            (":message", json(next)),
            (":moved", number(self.clock.now_ms())),
            (":counts", json(&(job.before + noted.unwrap_or_default()))),
        ];
        let update = "SET pg = :next, p = :message, mv = :moved, c = :counts REMOVE nt";
        self.update_open_job(job, update, "", values).await
    }

    /// Ends a job at the page that it stands at: it has done everything, or cannot go on.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn end_job(&self, job: &Job, failure: Option<Failure>) -> Result<(), StoreError> {
        let status = failure.map_or(Status::Succeeded, |_| Status::Failed);
        let mut values = self.end_values(status);
        values.push((":failure", json(&failure)));
        let update = format!("{END}, er = :failure");
        self.update_open_job(job, &update, "", values)
            .await
            .map(drop)
    }

    /// Cancels a job that has not ended, wherever it stands. What it has done stays done. Returns how it stands.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn cancel_job(&self, id: &JobId, record: &Record) -> Result<Option<Job>, StoreError> {
        let mut update = Update::builder()
            .table_name(&*self.table)
            .key("pk", text(partition(id)))
            .key("sk", text(SK))
            .update_expression(END)
            .condition_expression("attribute_not_exists(fin) AND exp > :now")
            .expression_attribute_values(":now", self.now());
        for (name, value) in self.end_values(Status::Cancelled) {
            update = update.expression_attribute_values(name, value);
        }
        let parts = [Part::Update(Box::new(update.build()?))];
        self.change(parts, record).await?;
        self.job(id).await
    }

    fn end_values(&self, status: Status) -> Vec<(&'static str, AttributeValue)> {
        vec![
            (":end", text(status.as_str())),
            (":fin", number(self.clock.now_ms())),
            (":ended", text(ENDED)),
        ]
    }

    /// Counts a delivery that a recovery has sent behind its pages.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn count_sent_late(&self, id: &JobId) -> Result<(), StoreError> {
        let values = vec![(":one", number(1))];
        self.update_job(id, "ADD late :one", "attribute_exists(pk)", values)
            .await
            .map(drop)
    }

    /// Changes the row of a job that has not ended and stands at the page that it was read at; returns the row that stands afterwards.
    async fn update_open_job(
        &self,
        job: &Job,
        update: &str,
        and: &str,
        mut values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Option<Job>, StoreError> {
        values.push((":page", number(job.page.number)));
        let condition = format!("pg = :page AND attribute_not_exists(fin){and}");
        self.update_job(&job.task.id, update, &condition, values)
            .await
    }

    async fn update_job(
        &self,
        id: &JobId,
        update: &str,
        condition: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Option<Job>, StoreError> {
        let mut request = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(partition(id)))
            .key("sk", text(SK))
            .update_expression(update)
            .condition_expression(format!("{condition} AND exp > :now"))
            .expression_attribute_values(":now", self.now())
            .return_values(ReturnValue::AllNew);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        let standing = update_if(request).await?.map_or_else(|found| found, Some);
        let standing = standing.and_then(|item| self.alive(item));
        standing.map(read_job).transpose()
    }
}

/// What the sort keys of a tenant's own list begin with.
const OWN: &str = "J#";

/// What ends a job.
const END: &str = "SET st = :end, fin = :fin, g = :ended";

fn partition(id: &JobId) -> String {
    format!("B#{id}")
}

/// A job's position in the lists.
#[must_use]
pub fn place(task: &Task) -> String {
    position(task.created_ms, task.id.as_str())
}

fn read_job(row: Row) -> Result<Job, StoreError> {
    Ok(Job {
        task: row.json("m")?,
        status: row.parsed("st", Status::parse)?,
        page: row.json("p")?,
        moved_ms: row.number("mv")?,
        before: row.maybe_json("c")?.unwrap_or_default(),
        noted: row.maybe_json("nt")?,
        late: row.maybe_number("late").unwrap_or(0),
        started_ms: row.maybe_number("began"),
        ended_ms: row.maybe_number("fin"),
        failure: row.maybe_json("er")?.flatten(),
    })
}

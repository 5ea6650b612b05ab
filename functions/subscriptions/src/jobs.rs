//! Jobs: listed, read and cancelled by whoever they belong to; and how calls begin them.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rung_api::{ApiError, Caller, Code, Fields, Need, NoQuery, Query, Reach, answer};
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        delivery::State as DeliveryState,
        id::{JobId, TenantId, WebhookId},
        job::{Erasure, Failure as Cause, Included, Job, Kind, Status, Subject, Task, Work},
        message::QueueName,
        portal::Capability,
        recovery::{Recovery, Scope as Sent, Selection},
        tenant::Scope,
        time::Time,
    },
    store::{
        Listed,
        jobs::{Begun, place},
    },
};
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Management, Path, filtered::filtered, ids::new_id, items, names_of, once::Once};

/// A job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(crate) struct JobView<'a> {
    id: &'a str,
    kind: Kind,
    /// Null for the operator's own.
    tenant_id: Option<&'a str>,
    /// The webhook concerned, if it is one.
    webhook_id: Option<&'a str>,
    status: Status,
    params: Params<'a>,
    progress: Progress,
    /// The result, once it has succeeded.
    result: Option<JobResult>,
    /// The reason of a failure.
    error: Option<Failure>,
    /// The id of the key that created it.
    created_by: &'a str,
    created_at: Time,
    started_at: Option<Time>,
    ended_at: Option<Time>,
}

/// The parameters of a job, by its kind.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "JobParams")]
enum Params<'a> {
    /// Of `recover`.
    Recover {
        /// Null for the whole retention.
        since: Option<Time>,
        /// Exclusive.
        until: Time,
        /// `any`, alone, is every event.
        statuses: Vec<&'static str>,
        /// Null for all.
        event_types: Option<&'a [String]>,
        /// Null for all.
        delivery_ids: Option<&'a [Uuid]>,
        /// Null for no limit but the webhook's own.
        rate_per_second: Option<u32>,
    },
    /// Of `cancel`.
    Cancel {
        /// The statuses of the deliveries to cancel.
        statuses: &'a [DeliveryState],
    },
    /// Of `redrive`.
    Redrive {
        /// `deliver` or `retry`; null for both.
        queue: Option<&'static str>,
    },
    /// Of `export`.
    Export {
        /// What goes along with tenants, keys, event types and webhooks.
        include: &'a [Included],
    },
    /// Of `erase`.
    Erase {
        /// The event to erase, if it is one.
        event_id: Option<&'a str>,
    },
}

impl<'a> Params<'a> {
    fn of(task: &'a Task) -> Self {
        match &task.work {
            Work::Recover(recovering) => Self::of_recovery(&recovering.selection),
            Work::Cancel(cancelling) => Self::Cancel {
                statuses: &cancelling.states,
            },
            Work::Redrive { queue, .. } => Self::Redrive {
                queue: queue.map(QueueName::as_str),
            },
            Work::Export(exporting) => Self::Export {
                include: &exporting.include,
            },
            Work::Erase(erasure) => Self::Erase {
                event_id: match &erasure.subject {
                    Subject::Event { event, .. } => Some(event.as_str()),
                    Subject::Tenant | Subject::Webhook { .. } => None,
                },
            },
        }
    }

    fn of_recovery(selection: &'a Selection) -> Self {
        let since_ms = selection.since_ms;
        Self::Recover {
            since: (since_ms > 0).then(|| Time::at_ms(since_ms)),
            until: Time::at_ms(selection.until_ms + 1),
            statuses: match &selection.scope {
                Sent::States(states) => states.iter().map(|state| state.as_str()).collect(),
                Sent::Any => vec!["any"],
            },
            event_types: given(&selection.event_types),
            delivery_ids: given(&selection.deliveries),
            rate_per_second: selection.rate_per_second,
        }
    }
}

fn given<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

/// The progress of a job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobProgress")]
struct Progress {
    /// What it has done so far: deliveries sent again or cancelled, messages moved, events, deliveries and log entries erased, tenants and webhooks counted.
    done: u64,
    /// What it has found and left as it is.
    skipped: u64,
    /// The total; null if unknown before the end.
    total: Option<u64>,
    /// Of `recover` of one webhook: events accepted before this time have been handled.
    reached: Option<Time>,
}

impl Progress {
    fn of(job: &Job) -> Self {
        let counts = job.counts();
        let one = job.task.webhook().and_then(|_| Recovery::of(job));
        let reached_ms = one.map(|recovery| match job.status {
            Status::Succeeded => recovery.selection.until_ms + 1,
            _ => recovery.reached_ms(),
        });
        Self {
            done: counts.done(),
            skipped: counts.skipped,
            total: match &job.task.work {
                Work::Redrive { found, .. } => Some(*found),
                Work::Recover(_) | Work::Cancel(_) | Work::Export(_) | Work::Erase(_) => None,
            },
            // A recovery of all that is kept begins nowhere.
            reached: reached_ms.filter(|ms| *ms > 0).map(Time::at_ms),
        }
    }
}

/// The result of a job, by its kind.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum JobResult {
    /// Of `recover`.
    Recover {
        /// Deliveries sent again.
        deliveries: u64,
        /// Events without a body in the webhook's dialect, and deliveries that have had too many attempts.
        skipped: u64,
    },
    /// Of `cancel`.
    Cancel {
        /// Deliveries cancelled.
        deliveries: u64,
    },
    /// Of `redrive`.
    Redrive {
        /// Messages moved back to their queue.
        messages: u64,
        /// Unreadable messages, which stay.
        skipped: u64,
    },
    /// Of `export`: its lines are at `/v1/jobs/{id}/output`.
    Export { tenants: u64, webhooks: u64 },
    /// Of `erase`.
    Erase {
        events: u64,
        /// Deliveries that were cancelled or deleted.
        deliveries: u64,
        log_entries: u64,
        /// What Rung cannot erase, or keeps on purpose.
        remains: Vec<Remains>,
    },
}

impl JobResult {
    fn of(job: &Job, retention_ms: u64) -> Option<Self> {
        let ended_ms = job.ended_ms.filter(|_| job.status == Status::Succeeded)?;
        let counts = job.counts();
        Some(match &job.task.work {
            Work::Recover(_) => Self::Recover {
                deliveries: counts.deliveries,
                skipped: counts.skipped,
            },
            Work::Cancel(_) => Self::Cancel {
                deliveries: counts.deliveries,
            },
            Work::Redrive { .. } => Self::Redrive {
                messages: counts.messages,
                skipped: counts.skipped,
            },
            Work::Export(_) => Self::Export {
                tenants: counts.tenants,
                webhooks: counts.webhooks,
            },
            Work::Erase(erasure) => Self::Erase {
                events: counts.events,
                deliveries: counts.deliveries,
                log_entries: counts.log_entries,
                remains: remains(&erasure.subject, ended_ms, retention_ms),
            },
        })
    }
}

/// Why a job has failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobError")]
struct Failure {
    code: &'static str,
    message: &'static str,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        let (code, message) = match cause {
            Cause::WebhookDisabled => (
                "webhook_disabled",
                "the webhook was disabled before the job was done; set its status to active and start another",
            ),
            Cause::WebhookDeleted => (
                "webhook_deleted",
                "the webhook was deleted before the job was done",
            ),
            Cause::TenantDeleted => (
                "tenant_deleted",
                "the tenant was deleted before the job was done",
            ),
        };
        Self { code, message }
    }
}

/// Data that an erasure leaves.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Remains")]
struct Remains {
    r#where: Place,
    /// The data that may remain.
    what: &'static str,
    /// When it is deleted at the latest; null if Rung does not control it.
    until: Option<Time>,
}

/// A place where an erasure leaves data.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RemainsPlace")]
enum Place {
    /// Rung's table.
    Table,
    /// The queues.
    Queues,
    /// The dead-letter queues.
    DeadLetters,
    /// The table's point-in-time recovery, on AWS.
    Backups,
    /// The receivers of earlier deliveries.
    Receivers,
}

const DAY_MS: u64 = 86_400_000;
/// For how long SQS keeps a message of the main queues.
const QUEUE_DAYS: u64 = 7;
/// For how long it keeps a dead letter.
const DEAD_LETTER_DAYS: u64 = 14;
/// How far back the table can be restored.
const BACKUP_DAYS: u64 = 35;

impl<'a> JobView<'a> {
    fn of(job: &'a Job, retention_ms: u64) -> Self {
        let task = &job.task;
        Self {
            id: task.id.as_str(),
            kind: task.kind(),
            tenant_id: task.tenant().map(TenantId::name),
            webhook_id: task.webhook().map(WebhookId::as_str),
            status: job.status,
            params: Params::of(task),
            progress: Progress::of(job),
            result: JobResult::of(job, retention_ms),
            error: job.failure.map(Failure::from),
            created_by: &task.created_by,
            created_at: Time::at_ms(task.created_ms),
            started_at: job.started_ms.map(Time::at_ms),
            ended_at: job.ended_ms.map(Time::at_ms),
        }
    }
}

/// What is left after an erasure, as docs/erasure.md tells at length.
fn remains(subject: &Subject, ended_ms: u64, retention_ms: u64) -> Vec<Remains> {
    let until = |days: u64| Some(Time::at_ms(ended_ms + days * DAY_MS));
    let kept = match subject {
        Subject::Tenant => "this job, and that there was a tenant of this id",
        Subject::Webhook { .. } => "this job, other jobs of the webhook, and the events themselves",
        Subject::Event { .. } => {
            "this job, the event's id, type and times, and of each attempt its outcome and its times"
        }
    };
    vec![
        Remains {
            r#where: Place::Table,
            what: kept,
            until: Some(Time::at_ms(ended_ms + retention_ms)),
        },
        Remains {
            r#where: Place::Queues,
            what: "messages that find nothing to deliver; the first ones carry a body of up to 4 KiB",
            until: until(QUEUE_DAYS),
        },
        Remains {
            r#where: Place::DeadLetters,
            what: "such messages where no function could handle them",
            until: until(QUEUE_DAYS + DEAD_LETTER_DAYS),
        },
        Remains {
            r#where: Place::Backups,
            what: "the table at an earlier point in time",
            until: until(BACKUP_DAYS),
        },
        Remains {
            r#where: Place::Receivers,
            what: "what was delivered before",
            until: None,
        },
    ]
}

fn shown<'a>(state: &Management, job: &'a Job) -> JobView<'a> {
    let retention_ms = state.api.store.retention().as_secs() * 1000;
    JobView::of(job, retention_ms)
}

/// The answer of a call that began a job: 202 with the job and where to read it.
pub(crate) fn accepted(state: &Management, job: &Job) -> Response {
    let response = answer(StatusCode::ACCEPTED, json!({ "job": shown(state, job) }));
    locating(response, job)
}

/// What a job is asked to do, for the audit log.
pub(crate) fn changes(task: &Task) -> Vec<Change> {
    Change::between(None, Some(json!(Params::of(task))))
}

/// The job as a part of another answer.
pub(crate) fn part(state: &Management, job: &Job) -> serde_json::Value {
    json!(shown(state, job))
}

/// The answer, saying where to read a job.
pub(crate) fn locating(mut response: Response, job: &Job) -> Response {
    let path = format!("/v1/jobs/{}", job.task.id);
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// What somebody asks for: under a new id, or the one that an earlier call of the same request has begun it under.
pub(crate) fn task(
    state: &Management,
    once: &Once,
    origin: &Origin,
    work: Work,
) -> Result<Task, ApiError> {
    let id = match once.token() {
        Some(token) => JobId::parse(&format!("job_{token}")).map_err(|_| Code::Internal)?,
        None => new_id("job_", JobId::parse)?,
    };
    let by = origin.actor.id();
    Ok(Task {
        id,
        work,
        created_by: by.map_or_else(|| origin.actor.kind().to_owned(), ToString::to_string),
        created_ms: state.api.clock.now_ms(),
    })
}

/// Begins an erasure. Its job, or that of another which is at the same thing already; `None` when that is not there any more, or
/// not as it was.
pub(crate) async fn erase(
    state: &Management,
    origin: &Origin,
    (tenant, subject): (&TenantId, Subject),
    record: &Record,
) -> Result<Option<Job>, ApiError> {
    let erasure = Erasure {
        tenant: tenant.clone(),
        subject,
    };
    let task = task(
        state,
        &Once::default(),
        origin,
        Work::Erase(erasure.clone()),
    )?;
    Ok(match state.control.erase(&task, &erasure, record).await? {
        Begun::Job(job) => Some(*job),
        Begun::Other(id) => state.api.store.job(&id).await?,
        Begun::Changed => None,
    })
}

/// Whoever makes a call about jobs, by a key with the scope or by a portal link; `None` for the operator who names no tenant.
async fn caller(
    state: &Management,
    headers: &HeaderMap,
    scope: Scope,
    capability: Capability,
) -> Result<Option<Caller>, ApiError> {
    let need = Need::from(scope).or_portal(capability, Reach::Visible);
    state.api.caller_or_operator(headers, need).await
}

/// The job of this id, if the caller may see it.
async fn seen(state: &Management, caller: Option<&Caller>, id: &JobId) -> Result<Job, ApiError> {
    let is_visible = |job: &Job, caller: &Caller| {
        let only = caller.only_webhook();
        job.task.tenant() == Some(&caller.tenant.id)
            && only.is_none_or(|only| job.task.webhook() == Some(only))
    };
    let job = state.api.store.job(id).await?;
    let job = job.filter(|job| caller.is_none_or(|caller| is_visible(job, caller)));
    job.ok_or_else(|| ApiError::not_found("job", id.as_str()))
}

/// Who acts: a caller, or the operator who names no tenant.
pub(crate) async fn origin_of(
    state: &Management,
    headers: &HeaderMap,
    scope: Scope,
    caller: Option<&Caller>,
) -> Result<Origin, ApiError> {
    match caller {
        Some(caller) => Ok(caller.origin.clone()),
        None => state.api.operator(headers, scope).await,
    }
}

/// Which jobs a list is asked for.
struct Wanted {
    kinds: Vec<Kind>,
    statuses: Vec<Status>,
    webhooks: Option<Vec<WebhookId>>,
    /// The only webhook whose jobs the caller may see, if there is only one.
    visible: Option<WebhookId>,
}

impl Wanted {
    fn takes(&self, job: &Job) -> bool {
        let is_of = |webhooks: &Vec<WebhookId>| {
            let webhook = job.task.webhook();
            webhook.is_some_and(|webhook| webhooks.contains(webhook))
        };
        self.kinds.contains(&job.task.kind())
            && self.statuses.contains(&job.status)
            && self.webhooks.as_ref().is_none_or(is_of)
            && self
                .visible
                .as_ref()
                .is_none_or(|only| job.task.webhook() == Some(only))
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = caller(&state, &headers, Scope::Read, Capability::View).await?;
    let tenant = caller.as_ref().map(|caller| &caller.tenant.id);
    let mut fields = Fields::of(&query)?;
    let names = ["jobs", tenant.map_or("", TenantId::as_str)];
    let page = state.api.page(&mut fields, &names).await?;
    let kinds = fields.optional("kind", |value| names_of(value, &Kind::ALL, Kind::as_str));
    let statuses = fields.optional("status", |value| {
        names_of(value, &Status::ALL, Status::as_str)
    });
    let wanted = Wanted {
        kinds: kinds.unwrap_or_else(|| Kind::ALL.to_vec()),
        statuses: statuses.unwrap_or_else(|| Status::ALL.to_vec()),
        webhooks: fields.optional("webhook_id", |value| {
            items(value, |id| {
                WebhookId::parse(id).map_err(|fault| fault.to_string())
            })
        }),
        visible: caller.as_ref().and_then(Caller::only_webhook).cloned(),
    };
    fields.finish()?;
    let (store, wanted, order) = (&state.api.store, &wanted, page.order);
    let listed = filtered(&page, |after, limit| async move {
        let after = after.as_deref();
        let listed = match tenant {
            Some(tenant) => store.jobs_of(tenant, order, after, limit).await?,
            None => store.jobs(order, after, limit).await?,
        };
        let jobs = listed.items.into_iter().filter(|job| wanted.takes(job));
        Ok(Listed {
            items: jobs.map(|job| (place(&job.task), job)).collect(),
            next: listed.next,
        })
    })
    .await?;
    let jobs: Vec<_> = listed.items.iter().map(|job| shown(&state, job)).collect();
    Ok(page.answer("jobs", &jobs, listed.next.as_deref()))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<JobId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let reader = caller(&state, &headers, Scope::Read, Capability::View).await;
    let (caller, refused) = match reader {
        Ok(caller) => (caller, None),
        // Whoever may erase sees how that goes.
        Err(refused) if refused.code == Code::Forbidden => {
            let eraser = state.api.caller_or_operator(&headers, Scope::Erase).await;
            match eraser {
                Err(error) if error.code == Code::Forbidden => return Err(refused),
                eraser => (eraser?, Some(refused)),
            }
        }
        Err(error) => return Err(error),
    };
    let job = seen(&state, caller.as_ref(), &id).await?;
    match refused {
        Some(refused) if job.task.kind() != Kind::Erase => Err(refused),
        _ => Ok(one(&state, &job)),
    }
}

fn one(state: &Management, job: &Job) -> Response {
    answer(StatusCode::OK, json!({ "job": shown(state, job) }))
}

pub(crate) async fn cancel(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<JobId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let scope = Scope::Manage;
    let caller = caller(&state, &headers, scope, Capability::Manage).await?;
    let origin = origin_of(&state, &headers, scope, caller.as_ref()).await?;
    rung_api::nothing(request).await?;
    if let Some(first) = once
        .claim(&state, &headers, caller.as_ref(), &Json::empty())
        .await?
    {
        return Ok(first);
    }
    let job = seen(&state, caller.as_ref(), &id).await?;
    if !job.status.is_open() {
        return Err(Code::JobEnded.into());
    }
    if job.task.kind() == Kind::Erase {
        return Err(Code::JobNotCancellable.into());
    }
    let record = Record::new(
        &origin,
        job.task.tenant(),
        Action::JobCancelled,
        id.as_str(),
    );
    let job = state.api.store.cancel_job(&id, &record).await?;
    let job = job.ok_or_else(|| ApiError::not_found("job", id.as_str()))?;
    // It may have come to its end meanwhile.
    if job.status != Status::Cancelled {
        return Err(Code::JobEnded.into());
    }
    Ok(one(&state, &job))
}

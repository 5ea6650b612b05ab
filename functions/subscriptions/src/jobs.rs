//! Jobs: listed and read by whoever they belong to; and how calls begin them.

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rung_api::{ApiError, Caller, Fields, Need, NoQuery, Query, Reach, answer, read};
use rung_core::{
    domain::{
        audit::{Origin, Record},
        id::{JobId, TenantId, WebhookId},
        job::{Erasure, Job, Kind, Status, Subject},
        portal::Capability,
        tenant::Scope,
        time::Time,
    },
    store::{
        Listed, StoreError,
        jobs::{Begun, place},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, Path, ids::new_id, names_of};

/// A job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(crate) struct View<'a> {
    id: &'a str,
    kind: Kind,
    tenant_id: &'a str,
    /// The webhook concerned, if any.
    webhook_id: Option<&'a str>,
    status: Status,
    params: Params<'a>,
    progress: Progress,
    /// The result, once it has succeeded.
    result: Option<Erased>,
    /// The reason of a failure.
    error: Option<&'a str>,
    /// The id of the key that created it.
    created_by: &'a str,
    created_at: Time,
    started_at: Option<Time>,
    ended_at: Option<Time>,
}

/// The parameters of a job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobParams")]
struct Params<'a> {
    /// The event to erase, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
}

/// The progress of a job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobProgress")]
struct Progress {
    /// The number of erased events, deliveries and log entries.
    done: u64,
    /// The total; null if unknown before the end.
    total: Option<u64>,
}

/// The numbers of erased items.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Erased")]
struct Erased {
    events: u64,
    /// Deliveries that were cancelled or deleted.
    deliveries: u64,
    log_entries: u64,
    /// What Rung cannot erase, or keeps on purpose.
    remains: Vec<Remains>,
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

impl<'a> View<'a> {
    fn of(job: &'a Job, retention_ms: u64) -> Self {
        let erasure = &job.erasure;
        let erased = &job.erased;
        Self {
            id: erasure.id.as_str(),
            kind: job.kind(),
            tenant_id: erasure.tenant.name(),
            webhook_id: job.webhook().map(WebhookId::as_str),
            status: job.status,
            params: Params {
                event_id: match &erasure.subject {
                    Subject::Event { event, .. } => Some(event.as_str()),
                    Subject::Tenant | Subject::Webhook { .. } => None,
                },
            },
            progress: Progress {
                done: erased.events + erased.deliveries + erased.log_entries,
                total: None,
            },
            result: job.ended_ms.map(|ended_ms| Erased {
                events: erased.events,
                deliveries: erased.deliveries,
                log_entries: erased.log_entries,
                remains: remains(&erasure.subject, ended_ms, retention_ms),
            }),
            error: None,
            created_by: &erasure.created_by,
            created_at: Time::at_ms(erasure.created_ms),
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
        Subject::Webhook { .. } => "this job, recoveries of the webhook, and the events themselves",
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

fn shown<'a>(state: &Management, job: &'a Job) -> View<'a> {
    let retention_ms = state.api.store.retention().as_secs() * 1000;
    View::of(job, retention_ms)
}

/// The answer of a call that began a job: 202 with the job and where to read it.
pub(crate) fn accepted(state: &Management, job: &Job) -> Response {
    let response = answer(StatusCode::ACCEPTED, json!({ "job": shown(state, job) }));
    locating(response, job)
}

/// The job as a part of another answer.
pub(crate) fn part(state: &Management, job: &Job) -> serde_json::Value {
    json!(shown(state, job))
}

/// The answer, saying where to read a job.
pub(crate) fn locating(mut response: Response, job: &Job) -> Response {
    let path = format!("/v1/jobs/{}", job.erasure.id);
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// An erasure that somebody asks for.
pub(crate) fn erasure(
    state: &Management,
    tenant: &TenantId,
    origin: &Origin,
    subject: Subject,
) -> Result<Erasure, ApiError> {
    let by = origin.actor.id();
    Ok(Erasure {
        id: new_id("job_", JobId::parse)?,
        tenant: tenant.clone(),
        subject,
        created_by: by.map_or_else(|| origin.actor.kind().to_owned(), ToString::to_string),
        created_ms: state.api.clock.now_ms(),
    })
}

/// Begins an erasure. Its job, or that of another which is at the same thing already; `None` when that is not there any more, or
/// not as it was.
pub(crate) async fn begin(
    state: &Management,
    erasure: Erasure,
    record: &Record,
) -> Result<Option<Job>, ApiError> {
    Ok(match state.deliverer.erase(erasure, record).await? {
        Begun::Job(job) => Some(*job),
        Begun::Other(id) => state.api.store.job(&id).await?,
        Begun::Changed => None,
    })
}

/// Whoever may see a tenant's jobs; `None` for the operator who names none.
async fn viewer(state: &Management, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
    let need = Need::from(Scope::Read).or_portal(Capability::View, Reach::Visible);
    state.api.caller_or_operator(headers, need).await
}

/// Which jobs a list is asked for.
struct Wanted {
    kinds: Vec<Kind>,
    statuses: Vec<Status>,
    webhook: Option<WebhookId>,
    /// The only webhook whose jobs the caller may see, if there is only one.
    visible: Option<WebhookId>,
}

impl Wanted {
    fn takes(&self, job: &Job) -> bool {
        self.kinds.contains(&job.kind())
            && self.statuses.contains(&job.status)
            && [&self.webhook, &self.visible]
                .into_iter()
                .flatten()
                .all(|webhook| job.webhook() == Some(webhook))
    }
}

/// How many jobs a page may read in search of those that are wanted. The page ends there, with a cursor.
const READ_PER_PAGE: usize = 1_000;

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = viewer(&state, &headers).await?;
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
        webhook: fields.optional("webhook_id", read::id(WebhookId::parse)),
        visible: caller.as_ref().and_then(Caller::only_webhook).cloned(),
    };
    fields.finish()?;
    let (after, limit) = (page.after.clone(), page.limit);
    let listed = wanted_jobs(&state, tenant, &wanted, after, limit).await?;
    let jobs: Vec<_> = listed.items.iter().map(|job| shown(&state, job)).collect();
    let next_cursor = page.cursor(listed.next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "jobs": jobs, "next_cursor": next_cursor }),
    ))
}

async fn wanted_jobs(
    state: &Management,
    tenant: Option<&TenantId>,
    wanted: &Wanted,
    mut before: Option<String>,
    limit: usize,
) -> Result<Listed<Job>, StoreError> {
    let store = &state.api.store;
    let (mut items, mut read) = (Vec::new(), 0);
    loop {
        let chunk = limit + 1;
        let listed = match tenant {
            Some(tenant) => store.jobs_of(tenant, before.as_deref(), chunk).await?,
            None => store.jobs(before.as_deref(), chunk).await?,
        };
        read += chunk;
        for job in listed.items {
            if wanted.takes(&job) {
                // One more than fits: it is the next page's.
                if items.len() == limit {
                    let next = items.last().map(|job: &Job| place(&job.erasure));
                    return Ok(Listed { items, next });
                }
                items.push(job);
            }
        }
        if listed.next.is_none() || read >= READ_PER_PAGE {
            return Ok(Listed {
                items,
                next: listed.next,
            });
        }
        before = listed.next;
    }
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<JobId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = viewer(&state, &headers).await?;
    let job = state.api.store.job(&id).await?;
    let is_visible = |job: &Job, caller: &Caller| {
        let only = caller.only_webhook();
        job.erasure.tenant == caller.tenant.id
            && only.is_none_or(|only| job.webhook() == Some(only))
    };
    let job = job.filter(|job| caller.is_none_or(|caller| is_visible(job, &caller)));
    let job = job.ok_or_else(|| ApiError::not_found("job", id.as_str()))?;
    Ok(answer(
        StatusCode::OK,
        json!({ "job": shown(&state, &job) }),
    ))
}

//! Recoveries: what a webhook has not got, sent again.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, Fields, NoQuery, answer, limits::COUNTING_MS, read};
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        delivery::State as DeliveryState,
        id::WebhookId,
        idempotency::Idempotency,
        message::{Recovery, Scope},
        recovery::{Progress, Status},
        time::Time,
        webhook::Webhook,
    },
    flow::recover::Asked,
};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{Management, Path, idempotency_conflict, last_before};

/// A recovery.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Recovery")]
pub(crate) struct View<'a> {
    id: String,
    webhook_id: &'a str,
    status: Status,
    since: Time,
    until: Time,
    #[serde(serialize_with = "what")]
    #[schemars(with = "Vec<String>")]
    statuses: &'a Scope,
    /// Deliveries sent again so far.
    sent: u64,
    /// Events without a body in the webhook's dialect.
    skipped: u64,
    /// Events accepted before this time have been handled.
    reached: Time,
    started_at: Time,
    ended_at: Option<Time>,
}

impl<'a> From<&'a Progress> for View<'a> {
    fn from(progress: &'a Progress) -> Self {
        let recovery = &progress.recovery;
        Self {
            id: format!("rec_{}", recovery.job),
            webhook_id: recovery.webhook.as_str(),
            status: progress.status,
            since: Time::at_ms(recovery.since_ms),
            until: Time::at_ms(recovery.until_ms),
            statuses: &recovery.scope,
            sent: progress.sent,
            skipped: progress.skipped,
            reached: Time::at_ms(match progress.status {
                Status::Done => recovery.until_ms,
                Status::Running | Status::Stopped => recovery.reached_ms(),
            }),
            started_at: Time::at_ms(recovery.job),
            ended_at: progress.ended_ms.map(Time::at_ms),
        }
    }
}

fn what<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
    statuses(scope).serialize(serializer)
}

fn statuses(scope: &Scope) -> Value {
    match scope {
        Scope::States(states) => json!(states),
        Scope::Any => json!(["any"]),
    }
}

pub(crate) async fn begin(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &id).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let key = rung_api::idempotency_key(&headers)?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let retention = state.api.store.retention_of(&webhook.tenant).await?;
    let (recovery, dry_run) = read_recovery(&state, &webhook, retention, &body)?;
    let deliverer = &state.deliverer;
    if dry_run {
        let dialect = state.api.dialect(&webhook.dialect)?;
        let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
        let counted = deliverer
            .count_recoverable(&webhook, dialect, recovery, deadline_ms)
            .await?;
        let data = json!({
            "count": counted.deliveries,
            "complete": counted.until_ms.is_none(),
            "counted_until": counted.until_ms.map(Time::at_ms),
        });
        return Ok(answer(StatusCode::OK, data));
    }
    if webhook.disabled.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    let idempotency = key.map(|key| Idempotency::of(key, &body));
    let record = caller
        .record(Action::WebhookRecoveryStarted, webhook.id.as_str())
        .changing_all(Change::between(None, Some(asked_for(&recovery))));
    let begun = deliverer.recover(recovery, idempotency.as_ref(), &record);
    match begun.await? {
        Asked::Begun(progress) => Ok(one(StatusCode::ACCEPTED, &progress)),
        Asked::OtherUnderKey => {
            let problem = "was used for a recovery of another kind; use a new key";
            Err(idempotency_conflict(problem))
        }
    }
}

/// Begins to send a webhook what it missed, as far as that is kept.
pub(crate) async fn what_was_missed(
    state: &Management,
    origin: &Origin,
    webhook: &Webhook,
) -> Result<(), ApiError> {
    let retention = state.api.store.retention_of(&webhook.tenant).await?;
    let (now_ms, wall_ms) = (state.api.clock.now_ms(), state.api.clock.wall_ms());
    let recovery = Recovery {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
        job: now_ms,
        epoch: webhook.epoch,
        scope: Scope::States(UNSUCCESSFUL.to_vec()),
        since_ms: wall_ms.saturating_sub(retention.as_secs() * 1000),
        until_ms: now_ms,
        cursor: String::new(),
    };
    let (tenant, id) = (Some(&webhook.tenant), webhook.id.as_str());
    let record = Record::new(origin, tenant, Action::WebhookRecoveryStarted, id)
        .changing_all(Change::between(None, Some(asked_for(&recovery))));
    state.deliverer.recover(recovery, None, &record).await?;
    Ok(())
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((webhook, id)): Path<(WebhookId, String)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &webhook).await?;
    let webhook = state.webhook(&caller, &webhook).await?;
    let missing = || ApiError::not_found("recovery", &id);
    let job = id.strip_prefix("rec_").and_then(|job| job.parse().ok());
    let store = &state.api.store;
    let progress = store
        .recovery(&webhook.tenant, &webhook.id, job.ok_or_else(missing)?)
        .await?;
    Ok(one(StatusCode::OK, &progress.ok_or_else(missing)?))
}

fn one(status: StatusCode, progress: &Progress) -> Response {
    answer(status, json!({ "recovery": View::from(progress) }))
}

/// Reads what is to be sent again, and whether it is only to be counted.
fn read_recovery(
    state: &Management,
    webhook: &Webhook,
    retention: Duration,
    body: &Json,
) -> Result<(Recovery, bool), ApiError> {
    let clock = &state.api.clock;
    let (now_ms, wall_ms) = (clock.now_ms(), clock.wall_ms());
    let mut fields = Fields::of(body)?;
    let (since_ms, until_ms) = fields.span();
    let scope = fields.optional("statuses", scope);
    let dry_run = fields.optional("dry_run", read::flag).unwrap_or(false);
    let kept_since_ms = wall_ms.saturating_sub(retention.as_secs() * 1000);
    if since_ms.is_some_and(|since_ms| since_ms < kept_since_ms) {
        let kept_since = Time::at_ms(kept_since_ms);
        let problem = format!("is before the retention; events are kept since {kept_since}");
        fields.problem("since", problem);
    } else if since_ms > Some(now_ms) {
        fields.problem("since", "is in the future");
    }
    fields.finish()?;
    let recovery = Recovery {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
        job: now_ms,
        epoch: webhook.epoch,
        scope: scope.unwrap_or_else(|| Scope::States(UNSUCCESSFUL.to_vec())),
        // Without a beginning: all that is kept.
        since_ms: since_ms.unwrap_or(0),
        until_ms: until_ms.map_or(now_ms, |until_ms| last_before(until_ms).min(now_ms)),
        cursor: String::new(),
    };
    Ok((recovery, dry_run))
}

/// What a recovery is asked for with, for the audit log.
fn asked_for(recovery: &Recovery) -> Value {
    json!({
        "since": Time::at_ms(recovery.since_ms),
        "until": Time::at_ms(recovery.until_ms),
        "statuses": statuses(&recovery.scope),
    })
}

/// What a recovery can look for by name.
const UNSUCCESSFUL: [DeliveryState; 3] = [
    DeliveryState::Failed,
    DeliveryState::Held,
    DeliveryState::Missed,
];

/// Reads a list of states, or of `any` alone.
fn scope(value: &Json) -> Result<Scope, String> {
    let state = |value: &Json| match value.as_str() {
        Some("failed") => Some(DeliveryState::Failed),
        Some("held") => Some(DeliveryState::Held),
        Some("missed") => Some(DeliveryState::Missed),
        Some("pending") => Some(DeliveryState::Pending),
        _ => None,
    };
    let states = match value {
        Json::Array(values) => match &values[..] {
            [Json::String(name)] if name == "any" => return Ok(Scope::Any),
            values => values.iter().map(state).collect(),
        },
        _ => None,
    };
    states
        .filter(|states: &Vec<_>| !states.is_empty())
        .map(Scope::States)
        .ok_or_else(|| {
            "must be a list of `failed`, `held`, `missed` and `pending`, or `[\"any\"]`".to_owned()
        })
}

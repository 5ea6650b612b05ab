//! Recoveries: what a webhook has not got, sent again.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    Api, ApiError, Code, Fields, Need, Reach as Seen, answer,
    limits::{COUNTING_MS, RECOVERY_RATE_MAX},
    read,
};
use rung_core::{
    domain::{
        audit::{Action, Origin, Record},
        delivery::State as DeliveryState,
        id::{DeliveryKey, TenantId, WebhookId},
        job::{Job, Reach, Recovering, Task, Work},
        message::{At, RecoverPage},
        portal::Capability,
        recovery::{Scope, Selection},
        tenant::Scope as Needed,
        time::Time,
        webhook::Webhook,
    },
    flow::recover::Counted,
    limits::PAGE_MAX,
};
use rung_dialect::{Dialect, UnknownPattern};
use rung_json::{Json, limits::REQUEST_BYTES};
use serde_json::json;
use uuid::Uuid;

use crate::{Management, Path, jobs, last_before, once::Once, webhooks::known_events};

pub(crate) async fn begin(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &id).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let webhook = state.webhook(&caller, &id).await?;
    let retention = state.api.store.retention_of(&webhook.tenant).await?;
    let types = state.event_types(Some(&webhook.tenant)).await?;
    // What it subscribes to may be a type that was deleted since.
    let dialect = state.dialect(&types, &webhook.dialect)?;
    let patterns = |fields: &mut Fields<'_>| {
        let knows = |event: &str| dialect.catalogue.check_pattern(event);
        known_events(fields, "event_types", knows, &webhook.events)
    };
    let asked_ms = state.api.clock.now_ms();
    let (selection, dry_run) = read_selection(&state, asked_ms, patterns, retention, &body)?;
    let reach = Reach::Webhook {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
    };
    let work = Work::Recover(Recovering { reach, selection });
    // Whether an end was given tells one that is asked for again from another.
    let task = Task {
        created_ms: asked_ms,
        ..jobs::task(&state, &once, &caller.origin, work)?
    };
    if dry_run {
        let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
        let counted = state
            .control
            .count_recoverable(&task, &webhook, deadline_ms)
            .await?;
        return Ok(count(counted));
    }
    if webhook.disabled.is_some() {
        return Err(Code::WebhookDisabled.into());
    }
    let record = caller
        .record(Action::WebhookRecoveryStarted, webhook.id.as_str())
        .changing_all(jobs::changes(&task));
    let is_named = once.token().is_some();
    let recovering = state.control.recover(task, &webhook, is_named, &record);
    let job = recovering.await?;
    let job = job.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))?;
    Ok(jobs::accepted(&state, &job))
}

/// Begins a recovery of all active webhooks of a tenant, or of the deployment.
pub(crate) async fn begin_all(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let scope = Needed::Manage;
    let need = Need::from(scope).or_portal(Capability::Manage, Seen::Tenant);
    let caller = state.api.caller_or_operator(&headers, need).await?;
    let origin = jobs::origin_of(&state, &headers, scope, caller.as_ref()).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, caller.as_ref(), &body).await? {
        return Ok(first);
    }
    let id = caller.as_ref().map(|caller| &caller.tenant.id);
    let store = &state.api.store;
    let (reach, retention) = match id {
        Some(id) => (Reach::Tenant(id.clone()), store.retention_of(id).await?),
        None => (Reach::Deployment, store.retention()),
    };
    let patterns = |fields: &mut Fields<'_>| {
        known_events(fields, "event_types", known_to_any(&state.api), &[])
    };
    let asked_ms = state.api.clock.now_ms();
    let (selection, dry_run) = read_selection(&state, asked_ms, patterns, retention, &body)?;
    let work = Work::Recover(Recovering {
        reach: reach.clone(),
        selection,
    });
    let task = jobs::task(&state, &once, &origin, work)?;
    if dry_run {
        let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
        let counted = state
            .control
            .count_recoverable_of(&task, &reach, deadline_ms)
            .await?;
        return Ok(count(counted));
    }
    let job = begin_reaching(&state, &origin, id, &task).await?;
    let job = job.ok_or(Code::NotFound)?;
    Ok(jobs::accepted(&state, &job))
}

async fn begin_reaching(
    state: &Management,
    origin: &Origin,
    tenant: Option<&TenantId>,
    task: &Task,
) -> Result<Option<Job>, ApiError> {
    let target = tenant.map_or("all", TenantId::name);
    let record = Record::new(origin, tenant, Action::TenantRecoveryStarted, target)
        .changing_all(jobs::changes(task));
    let at = At::Recover(RecoverPage::default());
    Ok(state.control.begin(task, (at, 0), &record).await?)
}

/// The answer of how many deliveries a recovery would send.
fn count(counted: Counted) -> Response {
    let data = json!({
        "count": counted.deliveries,
        "complete": !counted.is_cut_short,
        "counted_until": counted.until_ms.map(Time::at_ms),
    });
    answer(StatusCode::OK, data)
}

/// What was missed, as far as that is kept.
fn all_missed(state: &Management, reach: Reach) -> Work {
    Work::Recover(Recovering {
        reach,
        selection: Selection {
            scope: Scope::States(UNSUCCESSFUL.to_vec()),
            since_ms: 0,
            until_ms: state.api.clock.now_ms(),
            event_types: Vec::new(),
            deliveries: Vec::new(),
            rate_per_second: None,
        },
    })
}

/// Begins to send a webhook what it missed. `None` when its tenant is gone.
pub(crate) async fn what_was_missed(
    state: &Management,
    origin: &Origin,
    webhook: &Webhook,
) -> Result<Option<Job>, ApiError> {
    let reach = Reach::Webhook {
        tenant: webhook.tenant.clone(),
        webhook: webhook.id.clone(),
    };
    let task = jobs::task(state, &Once::default(), origin, all_missed(state, reach))?;
    let (tenant, id) = (Some(&webhook.tenant), webhook.id.as_str());
    let record = Record::new(origin, tenant, Action::WebhookRecoveryStarted, id)
        .changing_all(jobs::changes(&task));
    Ok(state.control.recover(task, webhook, false, &record).await?)
}

/// Begins to send a tenant's webhooks what they missed. `None` when it is gone.
pub(crate) async fn what_a_tenant_missed(
    state: &Management,
    origin: &Origin,
    tenant: &TenantId,
) -> Result<Option<Job>, ApiError> {
    let work = all_missed(state, Reach::Tenant(tenant.clone()));
    let task = jobs::task(state, &Once::default(), origin, work)?;
    begin_reaching(state, origin, Some(tenant), &task).await
}

/// Whether webhooks of some dialect can subscribe to this.
fn known_to_any(api: &Api) -> impl Fn(&str) -> Result<(), UnknownPattern> {
    |event| {
        let mut dialects = api.dialects.iter();
        let first = dialects.next();
        let first = first.map_or(Ok(()), |dialect| dialect.catalogue.check_pattern(event));
        first.or_else(|unknown| {
            let knows = |dialect: &Arc<Dialect>| dialect.catalogue.check_pattern(event).is_ok();
            if dialects.any(knows) {
                Ok(())
            } else {
                Err(unknown)
            }
        })
    }
}

/// Reads what is asked for at `now_ms` to be sent again, and whether it is only to be counted.
fn read_selection(
    state: &Management,
    now_ms: u64,
    patterns: impl Fn(&mut Fields<'_>) -> Option<Vec<String>>,
    retention: Duration,
    body: &Json,
) -> Result<(Selection, bool), ApiError> {
    let wall_ms = state.api.clock.wall_ms();
    let mut fields = Fields::of(body)?;
    let (since_ms, until_ms) = fields.span();
    let scope = fields.optional("statuses", scope);
    let event_types = patterns(&mut fields);
    let deliveries = fields.optional("delivery_ids", deliveries);
    let rate_per_second = fields.optional("rate_per_second", read::number(1, RECOVERY_RATE_MAX));
    let dry_run = fields.optional("dry_run", read::flag).unwrap_or(false);
    let kept_since_ms = wall_ms.saturating_sub(retention.as_secs() * 1000);
    if since_ms.is_some_and(|since_ms| since_ms < kept_since_ms) {
        let kept_since = Time::at_ms(kept_since_ms);
        let problem = format!("is before the retention; events are kept since {kept_since}");
        fields.problem("since", problem);
    } else if since_ms > Some(now_ms) {
        fields.problem("since", "is in the future");
    } else if until_ms.is_some_and(|until_ms| until_ms <= kept_since_ms) {
        let kept_since = Time::at_ms(kept_since_ms);
        let problem = format!("is before the retention; events are kept since {kept_since}");
        fields.problem("until", problem);
    }
    fields.finish()?;
    let selection = Selection {
        scope: scope.unwrap_or_else(|| Scope::States(UNSUCCESSFUL.to_vec())),
        // Without a beginning: all that is kept.
        since_ms: since_ms.unwrap_or(0),
        until_ms: until_ms.map_or(now_ms, |until_ms| last_before(until_ms).min(now_ms)),
        event_types: event_types.unwrap_or_default(),
        deliveries: deliveries.unwrap_or_default(),
        rate_per_second,
    };
    Ok((selection, dry_run))
}

/// What a recovery can look for by name.
const UNSUCCESSFUL: [DeliveryState; 3] = [
    DeliveryState::Failed,
    DeliveryState::Held,
    DeliveryState::Missed,
];

/// Reads a list of states, or of `any` alone.
fn scope(value: &Json) -> Result<Scope, String> {
    if let Json::Array(values) = value
        && let [Json::String(name)] = &values[..]
        && name == "any"
    {
        return Ok(Scope::Any);
    }
    let states = open_states(value);
    states.map(Scope::States).ok_or_else(|| {
        "must be a list of `failed`, `held`, `missed` and `pending`, or `[\"any\"]`".to_owned()
    })
}

/// Reads a list of states in which a delivery has not succeeded yet; `None` for anything else.
pub(crate) fn open_states(value: &Json) -> Option<Vec<DeliveryState>> {
    let state = |value: &Json| match value.as_str() {
        Some("failed") => Some(DeliveryState::Failed),
        Some("held") => Some(DeliveryState::Held),
        Some("missed") => Some(DeliveryState::Missed),
        Some("pending") => Some(DeliveryState::Pending),
        _ => None,
    };
    let states = value.as_array()?.iter().map(state);
    let mut states: Vec<_> = states.collect::<Option<_>>()?;
    let mut seen = Vec::new();
    states.retain(|state| {
        let is_new = !seen.contains(state);
        seen.push(*state);
        is_new
    });
    (!states.is_empty()).then_some(states)
}

/// Reads a list of deliveries' ids.
fn deliveries(value: &Json) -> Result<Vec<Uuid>, String> {
    let id = |value: &Json| {
        let id: Uuid = value.as_str()?.parse().ok()?;
        DeliveryKey::accepted_ms_of(id).map(|_| id)
    };
    let ids = value
        .as_array()
        .filter(|ids| (1..=PAGE_MAX).contains(&ids.len()))
        .and_then(|ids| ids.iter().map(id).collect());
    ids.ok_or_else(|| format!("must be a list of 1 to {PAGE_MAX} ids of deliveries"))
}

//! Webhooks: made, listed, changed, tested, deleted by their tenant.

mod audit;
mod challenge;
mod headers;
mod list;
mod request;
mod secrets;
pub(crate) mod view;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Caller, Code, Fields, NoQuery, Patch, Query, answer,
    limits::{DESCRIPTION_CHARS, NAME_CHARS},
    read,
};
use rung_core::{
    domain::{
        audit::{Action, Change},
        id::WebhookId,
        job::Subject,
        tenant::Scope,
        webhook::Webhook,
    },
    store::webhooks::WebhookWritten,
};
use rung_json::{Json, limits::REQUEST_BYTES};
use serde_json::{Value, json};

use self::{
    audit::record,
    headers::{Given, OwnHeaders},
    list::Wanted,
    request::{Status, events, filter, metadata, rate_limit, url},
    secrets::{SecretFields, Signing},
    view::View,
};
pub(crate) use self::{
    challenge::verify,
    secrets::{OldSecretView, finish_rotation, rotate_secret, secret_of},
};
use crate::{
    Management, Path,
    by_hand::ByHand,
    dialect_named, idempotency_conflict,
    ids::{id_of_key, new_id},
    jobs, logs,
    tries::Tries,
};

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let key = rung_api::idempotency_key(&headers)?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let mut tries = Tries::to_change("webhook");
    loop {
        let New {
            webhook,
            present,
            by_key,
        } = read_new(&state, &caller, key.as_deref(), &body).await?;
        state.check_plan(&caller.tenant)?;
        let store = &state.api.store;
        let (status, written) = match present {
            None => {
                let record = record(&caller, Action::WebhookCreated, None, Some(&webhook));
                let most = state.api.webhooks_per_tenant;
                let created = store.create_webhook(&webhook, most, &record).await?;
                (StatusCode::CREATED, created)
            }
            // A repeat, as long as what it asks for is there.
            Some(present) if by_key => {
                let asked = Webhook {
                    enabled_ms: present.enabled_ms,
                    ..webhook
                };
                if asked == present {
                    return Ok(shown_with_secret(&state, StatusCode::CREATED, &present));
                }
                let problem = "was used for a different request to create a webhook; use a new key, or change the webhook with PATCH";
                return Err(idempotency_conflict(problem));
            }
            Some(present) => {
                let changed = (Some(&present), Some(&webhook));
                let record = record(&caller, Action::WebhookUpdated, changed.0, changed.1);
                (
                    StatusCode::OK,
                    store.update_webhook(&webhook, &record).await?,
                )
            }
        };
        match written {
            WebhookWritten::Done => return Ok(shown_with_secret(&state, status, &webhook)),
            WebhookWritten::NoTenant => {
                return Err(ApiError::not_found("tenant", caller.tenant.id.name()));
            }
            WebhookWritten::TooMany => {
                let most = state.api.webhooks_per_tenant;
                let message =
                    format!("a tenant may have at most {most} webhooks; delete one first");
                return Err(ApiError::new(Code::TooManyWebhooks, message));
            }
            WebhookWritten::Conflict => tries.again().await?,
        }
    }
}

/// What answers most calls of a webhook: the webhook, but for its secret.
fn shown(state: &Management, webhook: &Webhook) -> Response {
    let view = View::at(webhook, state.api.clock.wall_ms());
    answer(StatusCode::OK, json!({ "webhook": view }))
}

/// What answers those that make a secret: the webhook with it.
fn shown_with_secret(state: &Management, status: StatusCode, webhook: &Webhook) -> Response {
    let view = View::with_secret(webhook, state.api.clock.wall_ms());
    answer(status, json!({ "webhook": view }))
}

/// A webhook that a request asks for.
struct New {
    webhook: Webhook,
    /// The one that is there already by its id.
    present: Option<Webhook>,
    /// Whether its id is that of the `Idempotency-Key`.
    by_key: bool,
}

/// Reads a webhook to make. The operator brings webhooks along with their ids; an id that is there already names one to update,
/// and what the request does not say of that stays. An `Idempotency-Key` serves where there is no id.
async fn read_new(
    state: &Management,
    caller: &Caller,
    key: Option<&str>,
    body: &Json,
) -> Result<New, ApiError> {
    let api = &state.api;
    let mut fields = Fields::of(body)?;
    let (mut id, mut status, mut created_ms) = (None, None, None);
    if caller.key.grants(Scope::Admin) {
        id = fields.optional("id", read::id(WebhookId::parse));
        status = fields.optional("status", Status::read);
        created_ms = fields.optional("created_at", read::time_ms);
    }
    let key = key.filter(|_| id.is_none());
    if let Some(key) = key {
        let tenant = caller.tenant.id.as_str();
        id = Some(id_of_key("webhook_", tenant, key, WebhookId::parse)?);
    }
    let present = match &id {
        Some(id) => api.store.webhook(&caller.tenant.id, id).await?,
        None => None,
    };
    let present_dialect = present.as_ref().map(|present| &present.dialect);
    let dialect = match fields.optional("dialect", dialect_named(api)) {
        Some(dialect) => dialect,
        None => api
            .dialect(present_dialect.unwrap_or(&caller.tenant.dialect))?
            .clone(),
    };
    let url = fields.required("url", url(api.strict));
    let events = fields.required("events", events(&dialect));
    let filter = filter(&mut fields);
    let rate_limit = fields.optional("rate_limit", rate_limit);
    let name = fields.optional("name", read::text(NAME_CHARS));
    let description = fields.optional("description", read::text(DESCRIPTION_CHARS));
    let secrets = SecretFields::read(&mut fields, &dialect);
    if let Some(present) = &present {
        secrets.check_against(&present.secret, &mut fields);
    }
    let own = OwnHeaders::read(&mut fields, Given::Whole, &dialect, present.as_ref());
    let metadata = fields.optional("metadata", metadata);
    let asks = fields.optional("challenge", |value| {
        let asks = value.as_bool();
        asks.ok_or_else(|| "must be true or false".to_owned())
    });
    fields.finish()?;

    let now_ms = api.clock.now_ms();
    let base = match &present {
        Some(present) => present.clone(),
        None => Webhook {
            tenant: caller.tenant.id.clone(),
            id: id.map_or_else(|| new_id("webhook_", WebhookId::parse), Ok)?,
            url: String::new(),
            events: Vec::new(),
            filter: None,
            rate_limit: None,
            // Above that of an earlier life, as the epoch is.
            pace_epoch: now_ms,
            name: None,
            description: None,
            secret: secrets.signing.unwrap_or(Signing::V1).new_secret(),
            old_secrets: Vec::new(),
            headers: Default::default(),
            secret_headers: Default::default(),
            metadata: Json::empty(),
            dialect: String::new(),
            challenge: false,
            disabled: None,
            disabled_before_ms: None,
            outage: None,
            // Above every epoch of an earlier life under the same id: what is still on its way to that is not for this one.
            epoch: now_ms,
            first_epoch: now_ms,
            revision: 0,
            enabled_ms: now_ms,
            created_ms: now_ms,
        },
    };
    let mut webhook = Webhook {
        url,
        events,
        filter: filter.or(base.filter),
        name: name.or(base.name),
        description: description.or(base.description),
        headers: own.headers,
        secret_headers: own.secret_headers,
        metadata: metadata.unwrap_or(base.metadata),
        dialect: dialect.name.clone(),
        challenge: asks.unwrap_or(base.challenge),
        created_ms: created_ms.unwrap_or(base.created_ms),
        ..base
    };
    webhook.set_rate_limit(rate_limit.or(webhook.rate_limit), now_ms);
    if let Some(secret) = secrets.given {
        webhook.replace_secret(secret);
    }
    secrets::suit(&mut webhook, &dialect)?;
    if let Some(status) = status {
        status.apply(&mut webhook, now_ms);
    }
    if present.is_none() && webhook.challenge {
        challenge::demand(&mut webhook, now_ms);
    }
    Ok(New {
        webhook,
        present,
        by_key: key.is_some(),
    })
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let (store, tenant) = (&state.api.store, &caller.tenant.id);
    let (page, wanted) = list::read(&state.api, tenant, query).await?;
    let (after, limit) = (page.after.as_deref(), page.limit);
    let listed = if wanted == Wanted::default() {
        store.webhooks_page(tenant, after, limit).await?
    } else {
        let wanted = |webhook: &Webhook| wanted.takes(webhook, &state.api.dialects);
        store.webhooks_where(tenant, wanted, after, limit).await?
    };
    let wall_ms = state.api.clock.wall_ms();
    let webhooks: Vec<_> = listed
        .items
        .iter()
        .map(|webhook| View::at(webhook, wall_ms))
        .collect();
    let next_cursor = page.cursor(listed.next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "webhooks": webhooks, "next_cursor": next_cursor }),
    ))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader(&headers).await?;
    let webhook = state.webhook(&caller, &id).await?;
    Ok(shown(&state, &webhook))
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let action = Action::WebhookUpdated;
    let webhook = changed(&state, &caller, &id, action, |present| {
        read_change(&state, &caller, present, &body)
    })
    .await?;
    Ok(shown(&state, &webhook))
}

/// Changes a webhook, anew while others change it meanwhile; the webhook as it then stands. `action` is what the audit log calls it.
async fn changed(
    state: &Management,
    caller: &Caller,
    id: &WebhookId,
    action: Action,
    change: impl Fn(Webhook) -> Result<Webhook, ApiError>,
) -> Result<Webhook, ApiError> {
    let store = &state.api.store;
    let not_found = || ApiError::not_found("webhook", id.as_str());
    let mut tries = Tries::to_change("webhook");
    loop {
        let present = store.webhook(&caller.tenant.id, id).await?;
        let present = present.ok_or_else(not_found)?;
        let webhook = change(present.clone())?;
        let record = record(caller, action, Some(&present), Some(&webhook));
        match store.update_webhook(&webhook, &record).await? {
            WebhookWritten::Done => return Ok(webhook),
            WebhookWritten::NoTenant | WebhookWritten::TooMany => return Err(not_found()),
            WebhookWritten::Conflict => tries.again().await?,
        }
    }
}

/// Reads a change of a webhook.
fn read_change(
    state: &Management,
    caller: &Caller,
    present: Webhook,
    body: &Json,
) -> Result<Webhook, ApiError> {
    let mut fields = Fields::of(body)?;
    let dialect = fields.patch("dialect", dialect_named(&state.api));
    let dialect = match replaced(&mut fields, "dialect", dialect) {
        Some(dialect) => dialect,
        None => state.api.dialect(&present.dialect)?.clone(),
    };
    let speaks_another = dialect.name != present.dialect;
    let url = fields.patch("url", url(state.api.strict));
    let new_events = fields.patch("events", events(&dialect));
    if speaks_another && new_events == Patch::Keep {
        for pattern in &present.events {
            if let Err(fault) = dialect.catalogue.check_pattern(pattern) {
                fields.problem("events", fault.to_string());
            }
        }
    }
    let filter = filter(&mut fields);
    let rate_limit = fields.patch("rate_limit", rate_limit);
    let status = fields.patch("status", Status::read);
    let name = fields.patch("name", read::text(NAME_CHARS));
    let description = fields.patch("description", read::text(DESCRIPTION_CHARS));
    secrets::check_unchanged(&mut fields, &dialect, &present.secret);
    let own = OwnHeaders::read(&mut fields, Given::Changes, &dialect, Some(&present));
    let metadata = fields.patch("metadata", metadata);
    let url = replaced(&mut fields, "url", url);
    let events = replaced(&mut fields, "events", new_events);
    let status = replaced(&mut fields, "status", status);
    fields.finish()?;

    let moves = url.as_ref().is_some_and(|url| *url != present.url);
    let mut webhook = Webhook {
        url: url.unwrap_or(present.url),
        events: events.unwrap_or(present.events),
        filter: filter.or(present.filter),
        name: name.or(present.name),
        description: description.or(present.description),
        headers: own.headers,
        secret_headers: own.secret_headers,
        dialect: dialect.name.clone(),
        metadata: (metadata.or(Some(present.metadata))).unwrap_or_else(Json::empty),
        ..present
    };
    let now_ms = state.api.clock.now_ms();
    webhook.set_rate_limit(rate_limit.or(webhook.rate_limit), now_ms);
    if speaks_another {
        secrets::suit(&mut webhook, &dialect)?;
    }
    if let Some(status) = status {
        if status == Status::Active {
            state.check_plan(&caller.tenant)?;
            if challenge::is_demanded(&webhook) {
                return Err(Code::WebhookUnverified.into());
            }
        }
        status.apply(&mut webhook, now_ms);
    }
    if moves && webhook.challenge {
        challenge::demand(&mut webhook, now_ms);
    }
    Ok(webhook)
}

/// The new value of a field that cannot be cleared.
pub(crate) fn replaced<T>(fields: &mut Fields<'_>, name: &str, patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Keep => None,
        Patch::Set(value) => Some(value),
        Patch::Clear => {
            fields.problem(name, "cannot be null; omit it to keep it");
            None
        }
    }
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    rung_api::nothing(request).await?;
    let tenant = &caller.tenant.id;
    let mut tries = Tries::to_change("webhook");
    loop {
        let webhook = state.api.store.webhook(tenant, &id).await?;
        let webhook = webhook.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))?;
        let subject = Subject::Webhook {
            webhook: id.clone(),
            epoch: webhook.epoch,
        };
        let erasure = jobs::erasure(&state, tenant, &caller.origin, subject)?;
        let record = record(&caller, Action::WebhookDeleted, Some(&webhook), None);
        // It may be deleted or disabled meanwhile.
        if let Some(job) = jobs::begin(&state, erasure, &record).await? {
            let data = json!({
                "webhook": { "id": id.as_str(), "deleted": true },
                "job": jobs::part(&state, &job),
            });
            return Ok(jobs::locating(answer(StatusCode::OK, data), &job));
        }
        tries.again().await?;
    }
}

pub(crate) async fn test(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let webhook = state.webhook(&caller, &id).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    let dialect = state.api.dialect(&webhook.dialect)?;
    let catalogue = &dialect.catalogue;
    let mut fields = Fields::of(&body)?;
    let named = fields.optional("event_type", |value| {
        value.as_str().ok_or_else(|| "must be a string".to_owned())
    });
    fields.finish()?;
    let event_type = match named {
        Some(name) => catalogue.resolve_type(name).ok_or_else(|| {
            let problem = format!("{name:?} is not an event type; GET /v1/event-types lists them");
            ApiError::of_field(Code::UnknownEventType, "event_type", problem)
        })?,
        None => {
            let first = webhook.events.first().map_or("*", String::as_str);
            catalogue
                .first_type_of(first)
                .ok_or(Code::UnknownEventType)?
        }
    };
    if challenge::is_demanded(&webhook) {
        return Err(Code::WebhookUnverified.into());
    }
    state.admit(&caller, &id, ByHand::Test).await?;
    let record = caller
        .record(Action::WebhookTested, webhook.id.as_str())
        .changing(Change::of("event_type", Value::Null, event_type));
    state.api.store.record(&record).await?;
    let attempt = state.deliverer.test(&webhook, dialect, event_type).await?;
    let attempt = attempt.ok_or(Code::UnknownEventType)?;
    Ok(answer(
        StatusCode::OK,
        json!({ "log": logs::View::of(&attempt, None) }),
    ))
}

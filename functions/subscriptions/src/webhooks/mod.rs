//! Webhooks: made, listed, changed, tested, deleted by their tenant.

mod audit;
mod challenge;
mod client_certificate;
mod exported;
mod headers;
mod list;
mod prove;
mod request;
mod secrets;
pub(crate) mod view;
mod whole;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use futures_util::future::try_join_all;
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Caller, Code, ETag, Fields, NoQuery, Page, Patch, Precondition, Query, answer,
    limits::{DESCRIPTION_CHARS, NAME_CHARS},
    read,
};
use rung_core::{
    domain::{
        audit::{Action, Change, Record},
        id::{TenantName, WebhookId},
        job::Subject,
        portal::Capability,
        tenant::Scope,
        webhook::{Disabled, Webhook},
    },
    flow::{EventTypes, accept::Refusal},
    store::{
        Listed, Store, StoreError,
        webhooks::{WebhookWritten, place_among_all},
    },
};
use rung_dialect::{Dialect, is_reserved_type};
use rung_json::{Json, limits::REQUEST_BYTES};
use serde_json::{Value, json};

use self::{
    audit::record,
    headers::{Given, OwnHeaders},
    list::Wanted,
    request::{
        Status, check_events, disabled, filter, given_events, max_in_flight, rate_limit, url,
        window,
    },
    view::{Instants, WebhookView},
    whole::{Brings, Whole},
};
pub(crate) use self::{
    challenge::verify,
    exported::Exported,
    prove::{ReportView, prove},
    request::{filter as event_filter, known_events},
    secrets::{OldSecretView, finish_rotation, rotate_secret, secret_of},
};
use crate::{
    Management, Path,
    by_hand::ByHand,
    dialect_with,
    filtered::filtered,
    id_to_make,
    ids::new_id,
    jobs, logs,
    metadata::{merged, metadata},
    once::Once,
    read_only::{self, ReadOnly},
    recover,
    tries::Tries,
};

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let types = state.event_types(Some(&caller.tenant.id)).await?;
    let webhook = read_new(&state, &caller, &types, &body)?;
    state.check_plan(&caller.tenant)?;
    let answer = made(&state, StatusCode::CREATED, &webhook).await?;
    let record = record(&caller, Action::WebhookCreated, None, Some(&webhook));
    let (record, answer) = once.answering(record, answer).await?;
    let store = &state.api.store;
    let mut tries = Tries::to_change("webhook");
    loop {
        let present = store.webhook(&caller.tenant.id, &webhook.id).await?;
        if present.is_some() {
            let problem = "is taken; choose another, or replace that webhook with PUT";
            return Err(ApiError::of_field(Code::IdTaken, "id", problem));
        }
        if write_new(&state, &caller, &webhook, &record).await? {
            if webhook.disabled.is_none() {
                state.catch_up_with_plan(&webhook.tenant).await?;
            }
            return Ok(answer);
        }
        tries.again().await?;
    }
}

/// Writes a webhook that is new. `false` when there is one of its id.
async fn write_new(
    state: &Management,
    caller: &Caller,
    webhook: &Webhook,
    record: &Record,
) -> Result<bool, ApiError> {
    let most = state.api.webhooks_per_tenant;
    let written = state.api.store.create_webhook(webhook, most, record);
    is_written(state, caller, written.await?)
}

/// Writes a webhook that is new, or is to replace `present`. `false` when it has changed since that was read.
async fn write(
    state: &Management,
    caller: &Caller,
    present: Option<&Webhook>,
    webhook: &Webhook,
) -> Result<bool, ApiError> {
    if present.is_none() {
        let record = record(caller, Action::WebhookCreated, None, Some(webhook));
        return write_new(state, caller, webhook, &record).await;
    }
    let record = record(caller, Action::WebhookUpdated, present, Some(webhook));
    let written = state.api.store.update_webhook(webhook, &record);
    is_written(state, caller, written.await?)
}

fn is_written(
    state: &Management,
    caller: &Caller,
    written: WebhookWritten,
) -> Result<bool, ApiError> {
    match written {
        WebhookWritten::Done => Ok(true),
        WebhookWritten::Conflict => Ok(false),
        WebhookWritten::NoTenant => Err(ApiError::not_found("tenant", caller.tenant.id.name())),
        WebhookWritten::TooMany => {
            let most = state.api.webhooks_per_tenant;
            let message = format!("a tenant has at most {most} webhooks; delete one first");
            Err(ApiError::new(Code::TooManyWebhooks, message))
        }
    }
}

/// The version of a webhook.
fn etag(webhook: &Webhook) -> ETag {
    ETag::of(webhook.first_epoch, webhook.revision)
}

/// The same of an answer that has this view of it, which changes by itself too.
fn etag_of(webhook: &Webhook, view: &WebhookView<'_>) -> ETag {
    etag(webhook).shown_as(view)
}

/// What answers most calls of a webhook: the webhook, but for its secret.
async fn shown(state: &Management, webhook: &Webhook) -> Result<Response, ApiError> {
    shown_as(state, StatusCode::OK, webhook).await
}

async fn shown_as(
    state: &Management,
    status: StatusCode,
    webhook: &Webhook,
) -> Result<Response, ApiError> {
    let view = viewed(state, webhook).await?;
    let etag = etag_of(webhook, &view);
    Ok(etag.stamp(answer(status, json!({ "webhook": view }))))
}

/// The webhook as it stands now.
async fn viewed<'a>(
    state: &'a Management,
    webhook: &'a Webhook,
) -> Result<WebhookView<'a>, StoreError> {
    let at = Instants::now(&*state.api.clock);
    let last = state.api.store.last_of(&[webhook]).await?;
    let last = last.into_iter().next().unwrap_or_default();
    let waiting = waiting_for(state, webhook, at).await?;
    let view = WebhookView::at(webhook, &state.api.dialects, at);
    Ok(view.after(last).with_waiting(waiting))
}

/// How many deliveries wait for a pause of the webhook. Only that costs a look.
async fn waiting_for(
    state: &Management,
    webhook: &Webhook,
    at: Instants,
) -> Result<u64, StoreError> {
    if webhook.paused(at.now_ms, at.wall_ms).is_none() {
        return Ok(0);
    }
    let store = &state.api.store;
    store.count_waiting(&webhook.tenant, &webhook.id).await
}

fn located(webhook: &Webhook, response: Response) -> Response {
    rung_api::located(response, &format!("/v1/webhooks/{}", webhook.id))
}

/// What answers those that make a secret: the webhook with it.
async fn made(
    state: &Management,
    status: StatusCode,
    webhook: &Webhook,
) -> Result<Response, ApiError> {
    let view = viewed(state, webhook).await?;
    let etag = etag_of(webhook, &view);
    let view = view.with_secret(webhook);
    let response = etag.stamp(answer(status, json!({ "webhook": view })));
    Ok(if status == StatusCode::CREATED {
        located(webhook, response)
    } else {
        response
    })
}

/// Reads a webhook to make. The operator may bring its id and time along.
fn read_new(
    state: &Management,
    caller: &Caller,
    types: &EventTypes,
    body: &Json,
) -> Result<Webhook, ApiError> {
    let mut fields = Fields::of(body)?;
    let (mut id, mut created_ms) = (None, None);
    if caller.key.grants(Scope::Admin) {
        id = fields.optional("id", read::id(WebhookId::parse));
        created_ms = fields.optional("created_at", read::time_ms);
    }
    let status = fields.optional("status", Status::read);
    let whole = Whole::read(&mut fields, state, caller, types, None, Brings::KnownTypes)?;
    fields.finish()?;
    let id = match id {
        Some(id) => id,
        None => new_id("webhook_", WebhookId::parse)?,
    };
    let now_ms = state.api.clock.now_ms();
    let mut webhook = whole.webhook(&caller.tenant.id, id, now_ms);
    webhook.created_ms = created_ms.unwrap_or(now_ms);
    if let Some(status) = status {
        status.apply(&mut webhook, now_ms);
    }
    if webhook.challenge {
        challenge::demand(&mut webhook, now_ms);
    }
    Ok(webhook)
}

/// Members of a webhook that nobody sets, and that may change by themselves.
const CHANGING: &[ReadOnly] = &[
    ReadOnly::List("old_public_keys"),
    ReadOnly::Time("old_secret_expires_at"),
    ReadOnly::Text("health"),
    ReadOnly::Time("failing_since"),
    ReadOnly::Time("last_success_at"),
    ReadOnly::Object("last_failure"),
    ReadOnly::Time("last_disabled_at"),
];

/// Imports a webhook under its id, or replaces the one that has it: whole, but for what is secret and not given, which stays.
pub(crate) async fn put(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let replaced = replace(&state, &headers, &id, request, Brings::KnownTypes);
    let Replaced {
        status,
        webhook,
        is_secret_new,
    } = Box::pin(replaced).await?;
    if is_secret_new {
        return made(&state, status, &webhook).await;
    }
    // Reading what is stored already is a call of its own, which leaves an entry in the audit log.
    shown_as(&state, status, &webhook).await
}

/// The same of an export's line: it may subscribe to types that were deleted where it comes from. Returns what it subscribes to that its
/// dialect does not know here either.
pub(crate) async fn import(
    state: &Management,
    headers: &HeaderMap,
    id: &str,
    request: Request,
) -> Result<(StatusCode, Vec<String>), ApiError> {
    let replaced = replace(state, headers, id, request, Brings::AnyTypes);
    let Replaced {
        status, webhook, ..
    } = Box::pin(replaced).await?;
    let types = state.event_types(Some(&webhook.tenant)).await?;
    let catalogue = &state.dialect(&types, &webhook.dialect)?.catalogue;
    let is_unknown = |event: &String| catalogue.check_pattern(event).is_err();
    let mut unknown = webhook.events;
    unknown.retain(is_unknown);
    Ok((status, unknown))
}

/// What came of writing a webhook in the place of another.
struct Replaced {
    status: StatusCode,
    webhook: Webhook,
    is_secret_new: bool,
}

/// Writes a webhook in the place of the one of its id, if there is one.
async fn replace(
    state: &Management,
    headers: &HeaderMap,
    id: &str,
    request: Request,
    brings: Brings,
) -> Result<Replaced, ApiError> {
    let caller = state.api.caller(headers, Scope::Admin).await?;
    let id = id_to_make(id, WebhookId::parse)?;
    let precondition = Precondition::read(headers)?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let types = state.event_types(Some(&caller.tenant.id)).await?;
    let store = &state.api.store;
    let mut tries = Tries::to_change("webhook");
    loop {
        let present = store.webhook(&caller.tenant.id, &id).await?;
        precondition.check(present.as_ref().map(etag).as_ref())?;
        let present = present.as_ref();
        let asked = (&body, brings);
        let webhook = read_replacement(state, &caller, &types, &id, present, asked)?;
        if webhook.disabled.is_none() {
            state.check_plan(&caller.tenant)?;
        }
        let is_secret_new = present.is_none_or(|present| present.secret != webhook.secret);
        let replaced = |status, webhook| Replaced {
            status,
            webhook,
            is_secret_new,
        };
        if present == Some(&webhook) {
            return Ok(replaced(StatusCode::OK, webhook));
        }
        if write(state, &caller, present, &webhook).await? {
            if webhook.disabled.is_none() {
                state.catch_up_with_plan(&webhook.tenant).await?;
            }
            return Ok(match present {
                None => replaced(StatusCode::CREATED, webhook),
                Some(_) => replaced(StatusCode::OK, webhook.written()),
            });
        }
        tries.again().await?;
    }
}

fn read_replacement(
    state: &Management,
    caller: &Caller,
    types: &EventTypes,
    id: &WebhookId,
    present: Option<&Webhook>,
    (body, brings): (&Json, Brings),
) -> Result<Webhook, ApiError> {
    let mut fields = Fields::of(body)?;
    let named = fields.optional("id", read::id(WebhookId::parse));
    if named.is_some_and(|named| named != *id) {
        fields.problem("id", "differs from the path's; omit it");
    }
    let tenant = fields.optional("tenant_id", read::id(TenantName::parse));
    if tenant.is_some_and(|tenant| tenant.as_str() != caller.tenant.id.name()) {
        let problem = "differs from that of `Rung-Tenant`; omit it";
        fields.problem_of(Code::TenantMismatch, "tenant_id", problem);
    }
    // What follows from the rest is not held against what is there: that is replaced.
    let derived = [
        ReadOnly::Text("public_key"),
        ReadOnly::List("signatures"),
        ReadOnly::Object("pause"),
    ];
    read_only::check(&mut fields, &derived, None);
    read_only::check(&mut fields, CHANGING, None);
    let status = fields.optional("status", Status::read);
    let disabled = fields.optional("disabled", disabled);
    let created_ms = fields.optional("created_at", read::time_ms);
    let old_secrets = fields.optional("old_secrets", secrets::old_secrets);
    let whole = Whole::read(&mut fields, state, caller, types, present, brings)?;
    if let Some(present) = present {
        whole.secrets.check_against(&present.secret, &mut fields);
    }
    fields.finish()?;

    let now_ms = state.api.clock.now_ms();
    let is_given = whole.is_secret_given();
    let dialect = Arc::clone(&whole.dialect);
    let new = whole.webhook(&caller.tenant.id, id.clone(), now_ms);
    let mut webhook = match present {
        None => Webhook {
            created_ms: created_ms.unwrap_or(now_ms),
            ..new
        },
        Some(present) => {
            let mut webhook = Webhook {
                secret: present.secret.clone(),
                old_secrets: present.old_secrets.clone(),
                disabled: present.disabled.clone(),
                disabled_before_ms: present.disabled_before_ms,
                outage: present.outage.clone(),
                pause: present.pause.clone(),
                rate_limit: present.rate_limit,
                pace_epoch: present.pace_epoch,
                epoch: present.epoch,
                first_epoch: present.first_epoch,
                revision: present.revision,
                enabled_ms: present.enabled_ms,
                created_ms: created_ms.unwrap_or(present.created_ms),
                ..new.clone()
            };
            webhook.set_rate_limit(new.rate_limit, now_ms);
            if is_given {
                webhook.secret = new.secret;
                webhook.old_secrets.clear();
            }
            webhook
        }
    };
    if let Some(old_secrets) = old_secrets {
        secrets::check_old(&old_secrets, &dialect)?;
        webhook.old_secrets = old_secrets;
    }
    secrets::suit(&mut webhook, &dialect)?;
    set_status(&mut webhook, present, (status, disabled), now_ms);
    Ok(webhook)
}

/// Sets the status that a request gives for a webhook which is new, or replaces `present`. Whoever brings one along with its status
/// vouches for its endpoint.
fn set_status(
    webhook: &mut Webhook,
    present: Option<&Webhook>,
    (status, disabled): (Option<Status>, Option<Disabled>),
    now_ms: u64,
) {
    let disabled = disabled.filter(|_| status == Some(Status::Disabled));
    let is_elsewhere = match present {
        Some(present) => present.url != webhook.url,
        None => status != Some(Status::Active) && disabled.is_none(),
    };
    let status = status.unwrap_or_default();
    if webhook.challenge && is_elsewhere {
        challenge::demand(webhook, now_ms);
        return;
    }
    let waits = webhook.challenge && challenge::is_demanded(webhook);
    if status != Status::of(webhook) && !waits {
        status.apply(webhook, now_ms);
    }
    // One that is there as given has its log entries, too.
    let cause = |disabled: &Disabled| (disabled.at_ms, disabled.reason);
    if disabled.is_some() && disabled.as_ref().map(cause) != webhook.disabled.as_ref().map(cause) {
        webhook.disabled = disabled;
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let (api, caller) = (&state.api, state.viewer_or_operator(&headers).await?);
    let tenant = caller.as_ref().map(|caller| &caller.tenant.id);
    let (page, wanted) = list::read(&state, tenant, query).await?;
    let (store, after) = (&api.store, page.after.as_deref());
    let only = caller.as_ref().and_then(Caller::only_webhook);
    let at = Instants::now(&*api.clock);
    let takes = |webhook: &Webhook| wanted.takes(webhook, at);
    let listed = match (tenant, only) {
        (Some(tenant), Some(only)) => {
            let webhook = store.webhook(tenant, only).await?;
            let items = webhook.filter(takes).into_iter().collect();
            Listed { items, next: None }
        }
        (Some(tenant), None) if wanted.is_any() => {
            let listed = store.webhooks_page(tenant, page.order, after, page.limit);
            listed.await?
        }
        (Some(tenant), None) => {
            let listed = store.webhooks_where(tenant, takes, page.order, after, page.limit);
            listed.await?
        }
        (None, _) => of_all(store, &page, &wanted, at).await?,
    };
    let shown: Vec<_> = listed.items.iter().collect();
    let last = store.last_of(&shown).await?;
    let waiting = shown.iter().map(|webhook| waiting_for(&state, webhook, at));
    let waiting = try_join_all(waiting).await?;
    let webhooks: Vec<_> = shown
        .into_iter()
        .zip(last)
        .zip(waiting)
        .map(|((webhook, last), waiting)| {
            let view = WebhookView::at(webhook, &api.dialects, at);
            view.after(last).with_waiting(waiting)
        })
        .collect();
    Ok(page.answer("webhooks", &webhooks, listed.next.as_deref()))
}

/// A page of all tenants' webhooks: of those lists alone in which wanted ones may stand.
async fn of_all(
    store: &Store,
    page: &Page,
    wanted: &Wanted,
    at: Instants,
) -> Result<Listed<Webhook>, StoreError> {
    let lists = &wanted.lists();
    filtered(page, |after, limit| async move {
        let listed = store.webhooks_of_all(lists, page.order, after.as_deref(), limit);
        let listed = listed.await?;
        let webhooks = listed.items.into_iter();
        let webhooks = webhooks.filter(|webhook| wanted.takes(webhook, at));
        Ok(Listed {
            items: webhooks
                .map(|webhook| (place_among_all(&webhook), webhook))
                .collect(),
            next: listed.next,
        })
    })
    .await
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state.reader_of(&headers, &id).await?;
    let webhook = state.webhook(&caller, &id).await?;
    shown(&state, &webhook).await
}

pub(crate) async fn update(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &id).await?;
    let precondition = Precondition::read(&headers)?;
    let body = rung_api::body(request, REQUEST_BYTES, 1).await?;
    let types = state.event_types(Some(&caller.tenant.id)).await?;
    let action = Action::WebhookUpdated;
    let (before, webhook) = changed(&state, &caller, &id, action, |present| {
        precondition.check(Some(&etag(&present)))?;
        read_change(&state, &caller, &types, present, &body)
    })
    .await?;
    state.control.follow_call(&before, &webhook).await?;
    let job = if asks_to_recover(&body) {
        recover::what_was_missed(&state, &caller.origin, &webhook).await?
    } else {
        None
    };
    let view = viewed(&state, &webhook).await?;
    let etag = etag_of(&webhook, &view);
    let job = job.map(|job| jobs::part(&state, &job));
    let data = json!({ "webhook": view, "job": job });
    Ok(etag.stamp(answer(StatusCode::OK, data)))
}

/// Whether a change of a webhook, which was read, is also to send what it missed.
fn asks_to_recover(body: &Json) -> bool {
    let mut members = body.as_object().into_iter().flatten();
    members.any(|(name, value)| name == "recover" && *value == Json::Bool(true))
}

/// Changes a webhook, anew while others change it meanwhile; the webhook as it was, and as it then stands. `action` is what the audit
/// log calls it.
async fn changed(
    state: &Management,
    caller: &Caller,
    id: &WebhookId,
    action: Action,
    change: impl Fn(Webhook) -> Result<Webhook, ApiError>,
) -> Result<(Webhook, Webhook), ApiError> {
    let store = &state.api.store;
    let not_found = || ApiError::not_found("webhook", id.as_str());
    let mut tries = Tries::to_change("webhook");
    loop {
        let present = store.webhook(&caller.tenant.id, id).await?;
        let present = present.ok_or_else(not_found)?;
        let webhook = change(present.clone())?;
        if webhook == present {
            return Ok((present, webhook));
        }
        let record = record(caller, action, Some(&present), Some(&webhook));
        let pause = webhook.pause.as_ref();
        let pause = pause.filter(|_| webhook.pause != present.pause);
        let pause = pause.map(|pause| &pause.value);
        let written = store.update_webhook_and_pause(&webhook, pause, &record);
        match written.await? {
            WebhookWritten::Done => {
                if present.disabled.is_some() && webhook.disabled.is_none() {
                    state.catch_up_with_plan(&webhook.tenant).await?;
                }
                return Ok((present, webhook.written()));
            }
            WebhookWritten::NoTenant | WebhookWritten::TooMany => return Err(not_found()),
            WebhookWritten::Conflict => tries.again().await?,
        }
    }
}

/// Reads a change of a webhook.
fn read_change(
    state: &Management,
    caller: &Caller,
    types: &EventTypes,
    present: Webhook,
    body: &Json,
) -> Result<Webhook, ApiError> {
    let mut fields = Fields::of(body)?;
    let at = Instants::now(&*state.api.clock);
    let shown = WebhookView::at(&present, &state.api.dialects, at);
    let shown = serde_json::to_value(shown).unwrap_or_default();
    let settled = ["id", "tenant_id", "created_at", "public_key", "signatures"];
    let settled = settled.map(ReadOnly::Settled);
    read_only::check(&mut fields, &settled, Some(&shown));
    read_only::check(&mut fields, CHANGING, Some(&shown));
    read_only::check(&mut fields, &[ReadOnly::Object("disabled")], Some(&shown));
    let dialect = fields.patch("dialect", dialect_with(&state.api, types));
    let dialect = match replaced(&mut fields, "dialect", dialect) {
        Some(dialect) => dialect,
        None => Arc::clone(state.dialect(types, &present.dialect)?),
    };
    let speaks_another = dialect.name != present.dialect;
    let url = fields.patch("url", url(state.api.strict));
    let knows = |event: &str| dialect.catalogue.check_pattern(event);
    let new_events = given_events(&mut fields, "events");
    match &new_events {
        Patch::Set(events) if !speaks_another => {
            check_events(&mut fields, "events", knows, events, &present.events);
        }
        Patch::Set(events) => check_events(&mut fields, "events", knows, events, &[]),
        Patch::Keep if speaks_another => {
            check_events(&mut fields, "events", knows, &present.events, &[]);
        }
        Patch::Keep | Patch::Clear => {}
    }
    let filter = filter(&mut fields);
    let rate_limit = fields.patch("rate_limit_per_second", rate_limit);
    let max_in_flight = fields.patch("max_in_flight", max_in_flight);
    let keep_alive = fields.patch("keep_alive", read::flag);
    let status = wanted_status(&mut fields, &present);
    let name = fields.patch_text("name", NAME_CHARS);
    let description = fields.patch_text("description", DESCRIPTION_CHARS);
    secrets::check_unchanged(&mut fields, &dialect, &present.secret, caller);
    let own = OwnHeaders::read(&mut fields, Given::Changes, &dialect, Some(&present));
    let metadata = fields.patch("metadata", |changes| {
        metadata(&merged(&present.metadata, changes))
    });
    let challenge = fields.patch("challenge", read::flag);
    let challenge = replaced(&mut fields, "challenge", challenge);
    let url = replaced(&mut fields, "url", url);
    let new_url = url.as_deref().unwrap_or(&present.url);
    let client_certificate = client_certificate::read(&mut fields, new_url, Some(&present));
    let events = replaced(&mut fields, "events", new_events);
    let window = window(&mut fields, at)?;
    fields.finish()?;

    let moves = url.as_ref().is_some_and(|url| *url != present.url);
    let mut webhook = Webhook {
        url: url.unwrap_or(present.url),
        events: events.unwrap_or(present.events),
        filter: filter.or(present.filter),
        max_in_flight: max_in_flight.or(present.max_in_flight),
        keep_alive: keep_alive.or(present.keep_alive),
        name: name.or(present.name),
        description: description.or(present.description),
        headers: own.headers,
        secret_headers: own.secret_headers,
        client_certificate,
        dialect: dialect.name.clone(),
        metadata: (metadata.or(Some(present.metadata))).unwrap_or_else(Json::empty),
        challenge: challenge.unwrap_or(present.challenge),
        ..present
    };
    let now_ms = at.now_ms;
    webhook.set_rate_limit(rate_limit.or(webhook.rate_limit), now_ms);
    if speaks_another {
        secrets::suit(&mut webhook, &dialect)?;
    }
    if status == Some(Status::Active) {
        state.check_plan(&caller.tenant)?;
        if challenge::is_demanded(&webhook) {
            return Err(Code::WebhookUnverified.into());
        }
    }
    if let Some(status) = status {
        status.apply(&mut webhook, now_ms);
    }
    if moves && webhook.challenge {
        challenge::demand(&mut webhook, now_ms);
    }
    match window {
        Patch::Keep => {}
        Patch::Clear => webhook.end_pause(now_ms),
        Patch::Set(_) if webhook.disabled.is_some() => return Err(Code::WebhookDisabled.into()),
        Patch::Set(until_ms) => webhook.pause_until(until_ms, now_ms),
    }
    Ok(webhook)
}

/// Reads the status that a webhook is to have.
fn wanted_status(fields: &mut Fields<'_>, present: &Webhook) -> Option<Status> {
    let status = fields.patch("status", Status::read);
    let recovers = fields.optional("recover", read::flag) == Some(true);
    if recovers && status != Patch::Set(Status::Active) {
        fields.problem("recover", "requires `\"status\": \"active\"`");
    }
    let status = replaced(fields, "status", status);
    // With `disabled` beside it, the status of one that is disabled is what was read, not a wish.
    let shown = fields
        .given("disabled")
        .filter(|given| **given != Json::Null);
    let is_repeated = shown.is_some() && present.disabled.is_some();
    status.filter(|status| *status == Status::Active || !is_repeated)
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
    let caller = state.manager_of(&headers, &id).await?;
    let precondition = Precondition::read(&headers)?;
    rung_api::nothing(request).await?;
    let tenant = &caller.tenant.id;
    let mut tries = Tries::to_change("webhook");
    loop {
        let webhook = state.api.store.webhook(tenant, &id).await?;
        let webhook = webhook.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))?;
        precondition.check(Some(&etag(&webhook)))?;
        let subject = Subject::Webhook {
            webhook: id.clone(),
            epoch: webhook.epoch,
        };
        let record = record(&caller, Action::WebhookDeleted, Some(&webhook), None);
        let job = jobs::erase(&state, &caller.origin, (tenant, subject), &record).await?;
        // It may be deleted or disabled meanwhile.
        if let Some(job) = job {
            state.control.follow_deletion(&webhook).await?;
            let data = json!({
                "webhook": crate::deleted(id.as_str(), Some(tenant)),
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
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state
        .caller_of(&headers, Scope::Manage, Capability::Test, &id)
        .await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let webhook = state.webhook(&caller, &id).await?;
    let types = state.event_types(Some(&webhook.tenant)).await?;
    let dialect = state.dialect(&types, &webhook.dialect)?;
    let mut fields = Fields::of(&body)?;
    let named = fields.optional("event_type", named_type);
    let data = fields.optional("data", read::payload);
    fields.finish()?;
    let event_type = type_to_try(&webhook, dialect, &types, named)?;
    let control = &state.control;
    let event = control.test_event(&webhook, dialect, &types, event_type, data);
    let event = event.map_err(|refusal| rung_api::refused(refusal, "", "event_type", false))?;
    state.admit(&caller, &id, ByHand::Test).await?;
    let record = caller
        .record(Action::WebhookTested, webhook.id.as_str())
        .changing(Change::of("event_type", Value::Null, event_type));
    state.api.store.record(&record).await?;
    let attempt = control
        .test(&state.poster, &webhook, dialect, event)
        .await?;
    Ok(answer(
        StatusCode::OK,
        json!({ "log": logs::Tested::of(&attempt, dialect) }),
    ))
}

/// The name of an event type in a request.
fn named_type(value: &Json) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a string".to_owned())
}

/// The type whose sample a webhook is tried with: the one that is named, else the first subscribed one that is not archived.
///
/// # Errors
/// When there is no such type, or it is archived, or the webhook is not verified.
fn type_to_try<'a>(
    webhook: &'a Webhook,
    dialect: &'a Dialect,
    types: &EventTypes,
    named: Option<&'a str>,
) -> Result<&'a str, ApiError> {
    let catalogue = &dialect.catalogue;
    let is_archived = |event_type: &str| {
        let definition = types.definition(&dialect.name, event_type);
        definition.is_some_and(|(definition, _)| definition.archived)
    };
    let event_type = match named {
        Some(name) if is_reserved_type(name) => {
            let problem = "ends with the segment `schema`, which no event type may";
            return Err(ApiError::of_field(
                Code::ReservedType,
                "event_type",
                problem,
            ));
        }
        Some(name) => catalogue.resolve_type(name).ok_or_else(|| {
            let problem = format!("{name:?} is not an event type; GET /v1/event-types lists them");
            ApiError::of_field(Code::UnknownEventType, "event_type", problem)
        })?,
        None => {
            let subscribed = webhook.events.iter();
            let known = || {
                let subscribed = subscribed.clone();
                subscribed.filter_map(|pattern| catalogue.first_type_of(pattern))
            };
            let usable = known().find(|event_type| !is_archived(event_type));
            usable
                .or_else(|| known().next())
                .ok_or(Code::UnknownEventType)?
        }
    };
    if is_archived(event_type) {
        let refusal = Refusal::Archived {
            event_type: event_type.to_owned(),
        };
        return Err(rung_api::refused(refusal, "", "event_type", false));
    }
    if challenge::is_demanded(webhook) {
        return Err(Code::WebhookUnverified.into());
    }
    Ok(event_type)
}

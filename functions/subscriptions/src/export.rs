//! Exports: the lines that an import takes, made as they are read.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, future::try_join_all, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rung_api::{
    ApiError, Code, Fields, Query,
    limits::{COUNTING_MS, EXPORT_PAGE_BYTES},
    read,
};
use rung_core::{
    domain::{
        audit::{Action, Record},
        event_type::{Definition, Owner},
        id::{JobId, TenantId, WebhookId},
        job::{Exporting, Included, Status, Work},
        message::At,
        tenant::{ApiKey, KeyOwner, OPERATORS_OWN, Scope, Tenant},
        time::Time,
    },
    limits::READS_AT_ONCE,
    store::{
        span::{Order, Span},
        tenants,
    },
};
use rung_json::{Json, limits::REQUEST_BYTES};
use serde::{Deserialize, Serialize};

use crate::{
    Management, Path, event_types, events::detail as event_detail, jobs,
    logs::detail as log_detail, once::Once, tenants::TenantView, webhooks,
};

/// Rows that are read at a time.
const READ_AT_A_TIME: usize = 20;

pub(crate) async fn begin(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let scope = Scope::Admin;
    let caller = state.api.caller_or_operator(&headers, scope).await?;
    let origin = jobs::origin_of(&state, &headers, scope, caller.as_ref()).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, caller.as_ref(), &body).await? {
        return Ok(first);
    }
    let tenant = caller.map(|caller| caller.tenant.id);
    let mut fields = Fields::of(&body)?;
    let include = fields.optional("include", included);
    fields.finish()?;
    let work = Work::Export(Exporting {
        tenant: tenant.clone(),
        include: include.unwrap_or_default(),
    });
    let task = jobs::task(&state, &once, &origin, work)?;
    let target = task.id.as_str();
    let record = Record::new(&origin, tenant.as_ref(), Action::ExportStarted, target)
        .changing_all(jobs::changes(&task));
    let at = At::Export(String::new());
    let job = state.control.begin(&task, (at, 0), &record).await?;
    let job = job.ok_or(Code::NotFound)?;
    Ok(jobs::accepted(&state, &job))
}

fn included(value: &Json) -> Result<Vec<Included>, String> {
    let mut include = Vec::new();
    for name in read::list(value)? {
        let named = name.as_str().and_then(Included::parse);
        let named = named.ok_or("must be a list of `secrets`, `events` and `logs`")?;
        if !include.contains(&named) {
            include.push(named);
        }
    }
    Ok(include)
}

/// Where the reading of an export stands.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    stage: Stage,
    /// The position behind which it goes on in the list of tenants, the oldest first.
    behind: Option<String>,
    /// The tenant whose lines it is at.
    tenant: Option<TenantId>,
    /// The position in the stage after which it goes on.
    after: Option<String>,
    /// The webhook whose log it is at, with its position in the list.
    webhook: Option<(String, WebhookId)>,
}

impl Place {
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.after = None;
    }
}

/// What is read: the deployment's event types, then of one tenant after the other what it has.
#[derive(Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    #[default]
    Deployment,
    Tenant,
    Keys,
    Types,
    Webhooks,
    Events,
    Logs,
}

/// The lines of a page.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Writes a line. What is serialized has string keys only, and writing into memory cannot fail.
    fn write(&mut self, kind: &str, thing: &impl Serialize) {
        let thing = serde_json::to_string(thing).unwrap_or_default();
        let line = format!("{{\"{kind}\":{thing}}}\n");
        self.0.extend_from_slice(line.as_bytes());
    }

    fn is_full(&self) -> bool {
        self.0.len() >= EXPORT_PAGE_BYTES
    }
}

pub(crate) async fn output(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<JobId>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let scope = Scope::Admin;
    let caller = state.api.caller_or_operator(&headers, scope).await?;
    let origin = jobs::origin_of(&state, &headers, scope, caller.as_ref()).await?;
    let seal = state.api.seal(&["output", id.as_str()]).await?;
    let mut fields = Fields::of(&query)?;
    let place = fields.optional("cursor", |value| {
        let position = value.as_str().and_then(|text| seal.open(text));
        let place = position.and_then(|position| serde_json::from_str(&position).ok());
        place.ok_or_else(|| "must be that of the `Link` of an earlier page".to_owned())
    });
    fields.finish()?;
    let job = state.api.store.job(&id).await?.filter(|job| {
        let caller = caller.as_ref();
        caller.is_none_or(|caller| job.task.tenant() == Some(&caller.tenant.id))
    });
    let not_found = || ApiError::not_found("output of an export", id.as_str());
    let job = job.ok_or_else(not_found)?;
    let exporting = match (&job.task.work, job.status) {
        (Work::Export(exporting), Status::Succeeded) => exporting,
        (Work::Export(_), status) if status.is_open() => {
            let message = "the export has not succeeded yet; read the job until it has";
            return Err(ApiError::new(Code::Busy, message));
        }
        _ => return Err(not_found()),
    };
    // What is made as it is read ends where its tenant does.
    if let Some(tenant) = &exporting.tenant
        && state.api.store.tenant(tenant).await?.is_none()
    {
        return Err(not_found());
    }
    let record = Record::new(&origin, job.task.tenant(), Action::ExportRead, id.as_str());
    state.api.store.record(&record).await?;
    let (mut place, mut lines) = (place.unwrap_or_default(), Lines::default());
    let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
    let export = Export {
        state: &state,
        exporting,
    };
    let mut goes_on = true;
    while goes_on && !lines.is_full() && state.api.clock.wall_ms() < deadline_ms {
        goes_on = export.step(&mut place, &mut lines).await?;
    }
    let content_type = if asks_for_text(&headers) {
        "text/plain; charset=utf-8"
    } else {
        "application/x-ndjson"
    };
    let headers = [(header::CONTENT_TYPE, content_type)];
    let mut response = (StatusCode::OK, headers, lines.0).into_response();
    if goes_on {
        let next = serde_json::to_string(&place).map_err(|_| Code::Internal)?;
        let link = format!(
            "</v1/jobs/{id}/output?cursor={}>; rel=\"next\"",
            seal.close(&next)
        );
        let link = HeaderValue::try_from(link).map_err(|_| Code::Internal)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Whether plain text is asked for: generated clients have it where they know nothing of NDJSON.
fn asks_for_text(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.starts_with("text/plain"))
}

struct Export<'a> {
    state: &'a Management,
    exporting: &'a Exporting,
}

impl Export<'_> {
    fn has(&self, included: Included) -> bool {
        self.exporting.include.contains(&included)
    }

    /// Writes some lines, and moves on; whether there are more. It stops within what it has read when the page is full.
    async fn step(&self, place: &mut Place, lines: &mut Lines) -> Result<bool, ApiError> {
        let tenant = || place.tenant.clone().ok_or(Code::Internal);
        match place.stage {
            Stage::Deployment => self.types_of_deployment(place, lines).await?,
            Stage::Tenant => return self.next_tenant(place, lines).await,
            Stage::Keys => self.keys(&tenant()?, place, lines).await?,
            Stage::Types => self.types(&tenant()?, place, lines).await?,
            Stage::Webhooks => self.webhooks(&tenant()?, place, lines).await?,
            Stage::Events => self.events(&tenant()?, place, lines).await?,
            Stage::Logs => self.logs(&tenant()?, place, lines).await?,
        }
        Ok(true)
    }

    async fn types_of_deployment(
        &self,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        if self.exporting.tenant.is_none() {
            let types = self.state.api.store.event_types_of_deployment().await?;
            let types = types.iter();
            let types = types.map(|(dialect, it)| (Owner::Deployment(dialect), it));
            if !write_types(types, place, lines) {
                return Ok(());
            }
        }
        place.enter(Stage::Tenant);
        Ok(())
    }

    async fn next_tenant(&self, place: &mut Place, lines: &mut Lines) -> Result<bool, ApiError> {
        let store = &self.state.api.store;
        let found = match (&self.exporting.tenant, &place.behind) {
            (Some(_), Some(_)) => return Ok(false),
            (Some(tenant), None) => store.tenant(tenant).await?,
            (None, behind) => {
                let page = store
                    .tenants(Order::OldestFirst, behind.as_deref(), 1)
                    .await?;
                match (page.items.into_iter().next(), page.next) {
                    (None, Some(next)) => {
                        place.behind = Some(next);
                        return Ok(true);
                    }
                    (found, _) => found,
                }
            }
        };
        let Some(tenant) = found else {
            return Ok(false);
        };
        place.behind = Some(tenants::place(&tenant));
        // The operator's own is there by itself.
        if tenant.id.name() != OPERATORS_OWN {
            lines.write("tenant", &TenantView::from(&named(&tenant)));
        }
        place.tenant = Some(tenant.id);
        place.enter(Stage::Keys);
        Ok(true)
    }

    async fn keys(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        let owner = KeyOwner::Tenant(tenant.clone());
        let after = place.after.as_deref();
        let store = &self.state.api.store;
        let page = store
            .api_keys(&owner, Order::OldestFirst, after, READ_AT_A_TIME)
            .await?;
        let now_ms = self.state.api.clock.wall_ms();
        for key in &page.items {
            if key.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms) {
                lines.write("key", &KeyLine::of(tenant, key));
            }
        }
        match page.next {
            Some(next) => place.after = Some(next),
            None => place.enter(Stage::Types),
        }
        Ok(())
    }

    async fn types(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        let owner = Owner::Tenant(tenant);
        let types = self.state.api.store.event_types_of(owner).await?;
        if write_types(types.iter().map(|it| (owner, it)), place, lines) {
            place.enter(Stage::Webhooks);
        }
        Ok(())
    }

    async fn webhooks(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        let api = &self.state.api;
        let after = place.after.as_deref();
        let ids = api.store.webhook_ids(tenant, after, READ_AT_A_TIME).await?;
        if ids.is_empty() {
            place.enter(Stage::Events);
        }
        let found = ids.iter().map(|(_, id)| api.store.webhook(tenant, id));
        let found = try_join_all(found).await?;
        for ((position, _), webhook) in ids.into_iter().zip(found) {
            if lines.is_full() {
                break;
            }
            if let Some(webhook) = webhook {
                let has_secrets = self.has(Included::Secrets);
                let line = webhooks::Exported::of(&webhook, has_secrets, api.clock.wall_ms());
                lines.write("webhook", &line);
            }
            place.after = Some(position);
        }
        Ok(())
    }

    async fn events(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        let store = &self.state.api.store;
        let known = store.tenant(tenant).await?;
        let Some(known) = known.filter(|_| self.has(Included::Events)) else {
            place.enter(Stage::Logs);
            return Ok(());
        };
        let after = place.after.as_deref();
        let (order, span) = (Order::OldestFirst, Span::ALL);
        let (entries, next) = store
            .event_entries(
                std::slice::from_ref(tenant),
                order,
                span,
                after,
                READ_AT_A_TIME,
            )
            .await?;
        let events = store.events_of(&entries).await?;
        for (entry, event) in &events {
            let line = event_detail(self.state, event, &known.dialect).await?;
            lines.write("event", &line);
            if lines.is_full() {
                place.after = Some(entry.position());
                return Ok(());
            }
        }
        match next {
            Some(next) => place.after = Some(next),
            None => place.enter(Stage::Logs),
        }
        Ok(())
    }

    async fn logs(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        lines: &mut Lines,
    ) -> Result<(), ApiError> {
        let store = &self.state.api.store;
        if !self.has(Included::Logs) {
            place.webhook = None;
        } else if place.after.is_none() {
            // The next webhook, when one is through.
            let last = place.webhook.as_ref().map(|(position, _)| &**position);
            place.webhook = store.webhook_ids(tenant, last, 1).await?.pop();
        }
        let Some((_, webhook)) = &place.webhook else {
            place.enter(Stage::Tenant);
            return Ok(());
        };
        let after = place.after.as_deref();
        let found = store
            .entries_after(tenant, webhook, Span::ALL.until_ms, after, READ_AT_A_TIME)
            .await?;
        let entries = found.entries;
        let details = entries.iter();
        // The compiler does not see that a stream that calls a closure is `Send`.
        let details: Vec<_> = details
            .map(|(_, entry)| log_detail(self.state, entry))
            .collect();
        let mut details = stream::iter(details).buffered(READS_AT_ONCE);
        for (position, _) in &entries {
            if let Some(detail) = details.next().await {
                lines.write("log", &detail?);
            }
            if lines.is_full() {
                place.after = Some(position.clone());
                return Ok(());
            }
        }
        place.after = found.next;
        Ok(())
    }
}

/// Writes definitions, in the order of their positions, from where the reading stands; whether all of them.
fn write_types<'d>(
    types: impl Iterator<Item = (Owner<'d>, &'d Definition)>,
    place: &mut Place,
    lines: &mut Lines,
) -> bool {
    for (owner, definition) in types {
        let position = match owner {
            Owner::Deployment(dialect) => format!("{dialect}#{}", definition.name),
            Owner::Tenant(_) => definition.name.clone(),
        };
        if place.after.as_ref().is_some_and(|after| position <= *after) {
            continue;
        }
        if lines.is_full() {
            return false;
        }
        lines.write("event_type", &event_types::Exported::of(owner, definition));
        place.after = Some(position);
    }
    true
}

/// A tenant's key. Of the key itself nothing is known but its hash.
#[derive(Serialize)]
struct KeyLine<'a> {
    id: &'a str,
    tenant_id: &'a str,
    name: Option<&'a str>,
    scopes: &'a [Scope],
    events_per_hour: Option<u64>,
    expires_at: Option<Time>,
    key_sha256: String,
    created_at: Time,
}

impl<'a> KeyLine<'a> {
    fn of(tenant: &'a TenantId, key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_str(),
            tenant_id: tenant.name(),
            name: key.name.as_deref(),
            scopes: &key.scopes,
            events_per_hour: key.events_per_hour,
            expires_at: key.expires_ms.map(Time::at_ms),
            key_sha256: key.hash.to_hex(),
            created_at: Time::at_ms(key.created_ms),
        }
    }
}

/// A tenant as an import takes it: one without a name is called by its id.
fn named(tenant: &Tenant) -> Tenant {
    let mut named = tenant.clone();
    named
        .name
        .get_or_insert_with(|| tenant.id.name().to_owned());
    named
}

//! The management API: tenants, their keys and webhooks, and what became of their deliveries; and the dashboard, which shows
//! all that to people.
//!
//! Each handler reads who calls, then the whole request with all its mistakes, then does one thing. Things of another tenant
//! are answered as if they were not there: every read begins at the caller's own tenant.

mod about;
mod audit;
mod batches;
mod by_hand;
mod dashboard;
mod dead_letters;
mod deliveries;
mod docs;
mod encryption;
mod event_types;
mod events;
mod export;
mod filter_preview;
mod filtered;
mod ids;
mod import;
mod jobs;
mod keys;
mod logs;
mod metadata;
mod once;
mod packing;
mod plan;
mod portal_links;
mod read_only;
mod recover;
mod stats;
mod tenants;
mod tries;
mod webhooks;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::FromRequestParts,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header, request::Parts};
use rung_api::{
    Api, ApiError, Caller, Code, ETag, Need, Reach,
    limits::QUERY_ITEMS,
    openapi::{Calls, Documented},
};
use rung_core::{
    domain::{
        id::{IdFault, TenantId, WebhookId},
        portal::Capability,
        tenant::Scope,
        webhook::Webhook,
    },
    flow::{EventTypes, control::Control, post::Poster},
};
use rung_dialect::{Dialect, Dialects};
use rung_json::Json;
use serde::de::DeserializeOwned;
use serde_json::json;

/// What the handlers need.
#[derive(Clone)]
struct Management {
    api: Api,
    control: Control,
    poster: Poster,
}

/// The description of the whole API, as a test holds it against the code and `build.rs` has packed it.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// The routes of the management API.
pub fn routes(api: Api, control: Control, poster: Poster) -> Router {
    let api = api.managing();
    let keeps = from_fn_with_state(api.store.clone(), once::kept);
    let routes: Router<Management> = calls();
    let routes = routes.layer(keeps).with_state(Management {
        api: api.clone(),
        control,
        poster,
    });
    api.guarded(routes).layer(from_fn(packing::packed))
}

/// The documentation of the management API.
#[must_use]
pub fn documented() -> Vec<Documented> {
    calls()
}

fn calls<C: Calls<Management>>() -> C {
    const WEBHOOK: &str = "/v1/webhooks/{webhook}";
    const ROTATION: &str = "/v1/webhooks/{webhook}/rotate-secret";
    const SECRET: &str = "/v1/webhooks/{webhook}/secret";
    const LOG: &str = "/v1/webhooks/{webhook}/logs/{log}";
    const DELIVERIES: &str = "/v1/webhooks/{webhook}/deliveries";
    let routes = of_event_types(of_tenants_and_keys(C::default()));
    of_pages(of_events(routes))
        .get("/v1/webhooks", webhooks::list, docs::list_webhooks)
        .post("/v1/webhooks", webhooks::create, docs::create_webhook)
        .get(WEBHOOK, webhooks::get, docs::get_webhook)
        .put(WEBHOOK, webhooks::put, docs::put_webhook)
        .patch(WEBHOOK, webhooks::update, docs::update_webhook)
        .delete(WEBHOOK, webhooks::delete, docs::delete_webhook)
        .post(
            "/v1/webhooks/{webhook}/test",
            webhooks::test,
            docs::test_webhook,
        )
        .post(
            "/v1/webhooks/{webhook}/prove",
            webhooks::prove,
            docs::prove_webhook,
        )
        .post(
            "/v1/webhooks/{webhook}/verify",
            webhooks::verify,
            docs::verify_webhook,
        )
        .get(SECRET, webhooks::secret_of, docs::get_secret)
        .post(ROTATION, webhooks::rotate_secret, docs::rotate_secret)
        .post(
            "/v1/webhooks/{webhook}/rotate-secret/finish",
            webhooks::finish_rotation,
            docs::finish_rotation,
        )
        .get("/v1/logs", logs::list_all, docs::list_all_logs)
        .get("/v1/webhooks/{webhook}/logs", logs::list, docs::list_logs)
        .get(LOG, logs::get, docs::get_log)
        .post(
            "/v1/webhooks/{webhook}/logs/{log}/retry",
            logs::retry,
            docs::retry_log,
        )
        .get(
            "/v1/dead-letters",
            dead_letters::list,
            docs::list_dead_letters,
        )
        .post(
            "/v1/dead-letters/redrive",
            dead_letters::redrive,
            docs::redrive_dead_letters,
        )
        .post("/v1/reencrypt", encryption::reencrypt, docs::reencrypt)
        .get("/v1/stats", stats::of_all, docs::stats)
        .get(
            "/v1/webhooks/{webhook}/stats",
            stats::of_webhook,
            docs::webhook_stats,
        )
        .post(
            "/v1/webhooks/{webhook}/recover",
            recover::begin,
            docs::recover,
        )
        .post("/v1/recover", recover::begin_all, docs::recover_all)
        .get(DELIVERIES, deliveries::list, docs::list_deliveries)
        .get(
            "/v1/webhooks/{webhook}/deliveries/{delivery}",
            deliveries::get,
            docs::get_delivery,
        )
        .post(
            "/v1/webhooks/{webhook}/deliveries/{delivery}/retry",
            deliveries::retry,
            docs::retry_delivery,
        )
        .post(
            "/v1/webhooks/{webhook}/deliveries/{delivery}/cancel",
            deliveries::cancel,
            docs::cancel_delivery,
        )
        .post(
            "/v1/webhooks/{webhook}/deliveries/cancel",
            deliveries::cancel_all,
            docs::cancel_deliveries,
        )
        .get("/v1/jobs", jobs::list, docs::list_jobs)
        .get("/v1/jobs/{job}", jobs::get, docs::get_job)
        .post("/v1/jobs/{job}/cancel", jobs::cancel, docs::cancel_job)
        .get("/v1/jobs/{job}/output", export::output, docs::get_output)
        .post("/v1/exports", export::begin, docs::create_export)
        .post("/v1/import", import::take, docs::import)
        .get("/v1/egress-ips", about::egress_ips, docs::egress_ips)
}

/// The same with the pages, and what this deployment and its API are.
fn of_pages<C: Calls<Management>>(routes: C) -> C {
    routes
        .page("/", dashboard::page)
        .page("/dashboard/{file}", dashboard::part)
        .page("/docs", dashboard::reference)
        .get("/v1", about::root, docs::root)
        .get("/v1/me", about::me, docs::me)
        .get("/v1/health", about::health, docs::health)
        .get("/openapi.json", openapi, docs::openapi)
}

/// The same with the calls about events.
fn of_events<C: Calls<Management>>(routes: C) -> C {
    routes
        .get("/v1/events", events::list, docs::list_events)
        .get("/v1/events/{event}", events::get, docs::get_event)
        .delete("/v1/events/{event}", events::delete, docs::delete_event)
        .post(
            "/v1/filter-preview",
            filter_preview::preview,
            docs::preview_filter,
        )
}

/// The same with the calls about event types.
fn of_event_types<C: Calls<Management>>(routes: C) -> C {
    // Types have slashes in them.
    const TYPE: &str = "/v1/event-types/{*type}";
    routes
        .get("/v1/event-types", event_types::list, docs::list_event_types)
        .get(TYPE, event_types::get, docs::get_event_type)
        .put(TYPE, event_types::put, docs::put_event_type)
        .delete(TYPE, event_types::delete, docs::delete_event_type)
}

/// The same with the calls about tenants and keys, and what was done to them.
fn of_tenants_and_keys<C: Calls<Management>>(routes: C) -> C {
    const TENANT: &str = "/v1/tenants/{tenant}";
    const KEYS: &str = "/v1/tenants/{tenant}/keys";
    const KEY: &str = "/v1/tenants/{tenant}/keys/{key}";
    const LINKS: &str = "/v1/tenants/{tenant}/portal-links";
    const LINK: &str = "/v1/tenants/{tenant}/portal-links/{portal_link}";
    const OPERATOR_KEY: &str = "/v1/keys/{operator_key}";
    routes
        .get("/v1/tenants", tenants::list, docs::list_tenants)
        .post("/v1/tenants", tenants::create, docs::create_tenant)
        .get(TENANT, tenants::get, docs::get_tenant)
        .put(TENANT, tenants::put, docs::put_tenant)
        .patch(TENANT, tenants::update, docs::update_tenant)
        .delete(TENANT, tenants::delete, docs::delete_tenant)
        .get(KEYS, keys::tenants::list, docs::list_keys)
        .post(KEYS, keys::tenants::create, docs::create_key)
        .get(KEY, keys::tenants::get, docs::get_key)
        .patch(KEY, keys::tenants::update, docs::update_key)
        .delete(KEY, keys::tenants::delete, docs::delete_key)
        .get(LINKS, portal_links::list, docs::list_portal_links)
        .post(LINKS, portal_links::create, docs::create_portal_link)
        .delete(LINKS, portal_links::delete_all, docs::delete_portal_links)
        .get(LINK, portal_links::get, docs::get_portal_link)
        .delete(LINK, portal_links::delete, docs::delete_portal_link)
        .get("/v1/keys", keys::operators::list, docs::list_operator_keys)
        .post(
            "/v1/keys",
            keys::operators::create,
            docs::create_operator_key,
        )
        .get(OPERATOR_KEY, keys::operators::get, docs::get_operator_key)
        .patch(
            OPERATOR_KEY,
            keys::operators::update,
            docs::update_operator_key,
        )
        .delete(
            OPERATOR_KEY,
            keys::operators::delete,
            docs::delete_operator_key,
        )
        .get("/v1/audit", audit::list, docs::list_audit)
}

async fn openapi(headers: HeaderMap) -> Response {
    static TAG: LazyLock<ETag> = LazyLock::new(|| ETag::of_content(OPENAPI));
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    TAG.stamp((kind, packing::of_packed(&headers, OPENAPI)).into_response())
}

impl Management {
    /// Whoever may see some of a tenant's things: those of [`Caller::only_webhook`], if there is one.
    async fn viewer(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let caller = self.viewer_or_operator(headers).await?;
        caller.ok_or_else(ApiError::tenant_required)
    }

    /// The same, or `None` for an operator who names no tenant and sees all tenants' things.
    async fn viewer_or_operator(&self, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
        let need = Need::from(Scope::Read);
        let need = need.or_portal(Capability::View, Reach::Visible);
        self.api.caller_or_operator(headers, need).await
    }

    /// Whoever may see what is the webhook's.
    async fn reader_of(
        &self,
        headers: &HeaderMap,
        webhook: &WebhookId,
    ) -> Result<Caller, ApiError> {
        let (scope, capability) = (Scope::Read, Capability::View);
        self.caller_of(headers, scope, capability, webhook).await
    }

    /// Whoever may change any of a tenant's things.
    async fn manager(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let need = Need::from(Scope::Manage);
        let need = need.or_portal(Capability::Manage, Reach::Tenant);
        self.api.caller(headers, need).await
    }

    /// Whoever may change what is the webhook's.
    async fn manager_of(
        &self,
        headers: &HeaderMap,
        webhook: &WebhookId,
    ) -> Result<Caller, ApiError> {
        let (scope, capability) = (Scope::Manage, Capability::Manage);
        self.caller_of(headers, scope, capability, webhook).await
    }

    /// Whoever has the scope, or a portal link with the capability that shows this webhook.
    async fn caller_of(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        capability: Capability,
        webhook: &WebhookId,
    ) -> Result<Caller, ApiError> {
        let need = Need::from(scope).or_portal(capability, Reach::Webhook(webhook));
        self.api.caller(headers, need).await
    }

    /// A tenant's event types, and the dialects with them; with no tenant, the deployment's.
    async fn event_types(&self, tenant: Option<&TenantId>) -> Result<EventTypes, ApiError> {
        let publisher = &self.control.publisher;
        Ok(publisher.event_types(tenant).await?)
    }

    /// A dialect that a tenant or webhook was made with, with the tenant's event types.
    fn dialect<'a>(
        &'a self,
        types: &'a EventTypes,
        name: &str,
    ) -> Result<&'a Arc<Dialect>, ApiError> {
        types
            .dialect(name)
            .map_or_else(|| self.api.dialect(name), Ok)
    }

    /// The caller's webhook of this id.
    async fn webhook(&self, caller: &Caller, id: &WebhookId) -> Result<Webhook, ApiError> {
        let webhook = self.api.store.webhook(&caller.tenant.id, id).await?;
        webhook.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))
    }
}

/// What is answered for something of a tenant, or of the operator, that is deleted.
fn deleted(id: &str, tenant: Option<&TenantId>) -> serde_json::Value {
    json!({ "id": id, "tenant_id": tenant.map(TenantId::name), "deleted": true })
}

/// Reads one item, or several with commas between.
fn items<T>(value: &Json, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let text = value.as_str().unwrap_or_default();
    if text.split(',').count() > QUERY_ITEMS {
        return Err(format!(
            "must be up to {QUERY_ITEMS} items, separated by commas"
        ));
    }
    text.split(',').map(read).collect()
}

/// Reads event types, groups, prefixes or `*`, as webhooks subscribe to them, with commas between; each one that any of these
/// dialects knows.
fn patterns<'a>(
    dialects: impl Iterator<Item = &'a Arc<Dialect>> + Clone,
    value: &Json,
) -> Result<Vec<String>, String> {
    items(value, |pattern| {
        let mut checked = dialects
            .clone()
            .map(|dialect| dialect.catalogue.check_pattern(pattern));
        match checked.next() {
            Some(Err(unknown)) if checked.all(|checked| checked.is_err()) => {
                Err(unknown.to_string())
            }
            _ => Ok(pattern.to_owned()),
        }
    })
}

/// Reads one name, or several with commas between them.
fn names_of<'a, T: Copy>(
    value: &Json,
    all: &[T],
    name: impl Fn(T) -> &'a str,
) -> Result<Vec<T>, String> {
    let one = |text: &str| all.iter().copied().find(|it| name(*it) == text);
    let found = value
        .as_str()
        .and_then(|text| text.split(',').map(one).collect());
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|it| format!("`{}`", name(*it))).collect();
        format!(
            "must be one or more of {}, separated by commas",
            names.join(", ")
        )
    })
}

/// The last millisecond before the end of a span, which is not of the span itself.
fn last_before(until_ms: u64) -> u64 {
    until_ms.saturating_sub(1)
}

/// Reads a dialect's name, for the dialect with a tenant's event types.
fn dialect_with<'a>(
    api: &'a Api,
    types: &'a EventTypes,
) -> impl Fn(&Json) -> Result<Arc<Dialect>, String> + 'a {
    |value| {
        let dialect = dialect_named(api)(value)?;
        Ok(types.dialect(&dialect.name).cloned().unwrap_or(dialect))
    }
}

/// The dialects that anybody may know of: what the operator has added is nobody else's business.
fn public_dialects(api: &Api) -> impl Iterator<Item = &Arc<Dialect>> {
    let builtin = Dialects::builtin();
    let all = api.dialects.iter();
    all.filter(move |dialect| builtin.get(&dialect.name).is_some())
}

/// Reads a dialect's name.
fn dialect_named(api: &Api) -> impl Fn(&Json) -> Result<Arc<Dialect>, String> + '_ {
    |value| {
        let dialect = value.as_str().and_then(|name| api.dialects.get(name));
        dialect.cloned().ok_or_else(|| {
            let names: Vec<_> = public_dialects(api).map(|known| &*known.name).collect();
            format!(
                "must be one of {}, or a dialect of the operator's own",
                names.join(", ")
            )
        })
    }
}

/// The id in the path of something that may be made under it.
fn id_to_make<T>(id: &str, parse: impl Fn(&str) -> Result<T, IdFault>) -> Result<T, ApiError> {
    parse(id).map_err(|fault| ApiError::of_field(Code::InvalidRequest, "id", fault.to_string()))
}

/// The path's parameters. What cannot be one names nothing that is there.
struct Path<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(params) = params.map_err(|_| Code::NotFound)?;
        Ok(Self(params))
    }
}

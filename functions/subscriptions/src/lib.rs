//! The management API: tenants, their keys and webhooks, and what became of their deliveries.
//!
//! Each handler reads who calls, then the whole request with all its mistakes, then does one thing. Things of another tenant
//! are answered as if they were not there: every read begins at the caller's own tenant.

mod deliveries;
mod event_types;
mod ids;
mod keys;
mod logs;
mod tenants;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    response::Response,
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, request::Parts};
use rung_shared::{
    api::{Api, ApiError, Caller, Code, answer},
    dialect::Dialect,
    domain::{
        id::WebhookId,
        tenant::{Scope, Tenant},
        webhook::Webhook,
    },
    flow::deliver::Deliverer,
    json::Json,
};
use serde::de::DeserializeOwned;
use serde_json::json;

/// What the handlers need.
#[derive(Clone)]
struct Management {
    api: Api,
    deliverer: Deliverer,
}

/// The routes of the management API.
pub fn routes(api: Api, deliverer: Deliverer) -> Router {
    let tenant = get(tenants::get)
        .patch(tenants::update)
        .delete(tenants::delete);
    let webhook = get(webhooks::get)
        .patch(webhooks::update)
        .delete(webhooks::delete);
    let rotation = "/v1/webhooks/{webhook}/rotate-secret";
    let logs = "/v1/webhooks/{webhook}/logs";
    let pending = "/v1/webhooks/{webhook}/pending";
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/tenants", get(tenants::list).post(tenants::create))
        .route("/v1/tenants/{tenant}", tenant)
        .route(
            "/v1/tenants/{tenant}/keys",
            get(keys::list).post(keys::create),
        )
        .route("/v1/tenants/{tenant}/keys/{key}", delete(keys::delete))
        .route("/v1/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/v1/webhooks/{webhook}", webhook)
        .route("/v1/webhooks/{webhook}/test", post(webhooks::test))
        .route(rotation, post(webhooks::rotate_secret))
        .route(
            &format!("{rotation}/finish"),
            post(webhooks::finish_rotation),
        )
        .route(logs, get(logs::list))
        .route(&format!("{logs}/{{log}}"), get(logs::get))
        .route(&format!("{logs}/{{log}}/retry"), post(logs::retry))
        .route(pending, get(deliveries::pending))
        .route(
            &format!("{pending}/{{delivery}}"),
            delete(deliveries::cancel),
        )
        .route("/v1/events/{event}", get(deliveries::event))
        .route("/v1/egress-ips", get(egress_ips))
        .route("/v1/event-types", get(event_types::list))
        .route(
            "/v1/event-types/{*type}",
            get(event_types::get)
                .put(event_types::put_schema)
                .delete(event_types::delete_schema),
        )
        .with_state(Management { api, deliverer })
}

async fn health() -> Response {
    answer(StatusCode::OK, json!({ "status": "ok" }))
}

/// The networks that deliveries come from, for receivers that keep a list of whom they let in.
async fn egress_ips(
    State(state): State<Management>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.manager(&headers).await?;
    let networks = &state.api.egress_ips;
    Ok(answer(StatusCode::OK, json!({ "egress_ips": networks })))
}

impl Management {
    async fn manager(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        self.api.caller(headers, Scope::Manage).await
    }

    /// The caller's webhook of this id.
    async fn webhook(&self, headers: &HeaderMap, id: &WebhookId) -> Result<Webhook, ApiError> {
        let caller = self.manager(headers).await?;
        let webhook = self.api.store.webhook(&caller.tenant.id, id).await?;
        webhook.ok_or_else(|| ApiError::not_found("webhook", id.as_str()))
    }

    /// Whether the tenant's plan has webhooks: it is the tenant's own dialect that knows the plans.
    ///
    /// # Errors
    /// 403 when it has none.
    fn check_plan(&self, tenant: &Tenant) -> Result<(), ApiError> {
        let dialect = self.api.dialect(&tenant.dialect)?;
        if dialect.allows_plan(tenant.plan.as_deref()) {
            return Ok(());
        }
        let plans = dialect.plans().unwrap_or_default().join(", ");
        let message =
            format!("only these plans have webhooks: {plans}; change the tenant's plan first");
        Err(ApiError::new(Code::PlanWithoutWebhooks, message))
    }
}

/// Reads a dialect's name.
fn dialect_named(api: &Api) -> impl Fn(&Json) -> Result<Arc<Dialect>, String> + '_ {
    |value| {
        let dialect = value.as_str().and_then(|name| api.dialects.get(name));
        dialect.cloned().ok_or_else(|| {
            let names: Vec<_> = api.dialects.names().collect();
            format!("must be one of {}", names.join(", "))
        })
    }
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

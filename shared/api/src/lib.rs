//! What the HTTP functions share: who calls, what came, how it is answered.
//!
//! A handler's errors are [`ApiError`]s; [`router`] adds what every route has: request ids, one log line per request, and
//! answers in the same form for unknown paths and for panics.

mod auth;
mod error;
mod fields;
mod gateway;
mod hops;
mod known_keys;
pub mod limits;
mod need;
pub mod openapi;
mod page;
mod precondition;
mod refused;
mod serve;
mod source;
mod wrong_keys;

use std::sync::Arc;

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use ipnet::IpNet;
use rung_base::clock::Clock;
use rung_core::{
    branding::Branding,
    config::{ConfigError, Context},
    domain::tenant::KeyHash,
    limits::WEBHOOKS_PER_TENANT,
    metrics::Metrics,
    store::{Store, StoreError, span::Order},
};
use rung_dialect::{Dialect, Dialects};
use rung_json::Json;
use serde::Serialize;
use tokio::sync::OnceCell;
use url::Url;

use self::wrong_keys::WrongKeys;
pub use self::{
    auth::{Caller, TENANT_HEADER},
    error::{ApiError, Code, Detail},
    fields::{Fields, Patch, read},
    gateway::{Peer, peer, readable},
    hops::{counted, hops},
    need::{Need, Reach},
    page::{Page, Seal},
    precondition::{ETag, Precondition, packed},
    refused::refused,
    serve::{
        NoQuery, Query, RequestId, body, body_beside_query, bytes, empty_or_body, idempotency_key,
        nothing, nothing_beside_query, parse, refusal, router,
    },
};

/// What every handler needs. Clones share it.
#[derive(Clone)]
pub struct Api {
    /// The table.
    pub store: Store,
    /// What webhooks may speak.
    pub dialects: Arc<Dialects>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether only public HTTPS URLs are taken.
    pub strict: bool,
    /// The networks that deliveries come from, as the operator has configured them.
    pub egress_ips: Arc<[IpNet]>,
    /// Where the API is reached from outside, which portal links lead to.
    pub public_url: Option<Url>,
    /// How the portal looks.
    pub branding: Arc<Branding>,
    /// Whether this is the management API, which may make tenants.
    manages: bool,
    /// How many webhooks a tenant may have.
    pub webhooks_per_tenant: u32,
    /// How many events a tenant may publish in a second.
    pub events_per_second: Option<u64>,
    admin: KeyHash,
    keys: Arc<known_keys::KnownKeys>,
    wrong_keys: Arc<WrongKeys>,
    deployment_key: Arc<OnceCell<[u8; 32]>>,
}

impl Api {
    /// An API whose operator's key is `admin_key`.
    #[must_use]
    pub fn new(
        store: Store,
        dialects: Arc<Dialects>,
        clock: Arc<dyn Clock>,
        admin_key: &str,
        strict: bool,
    ) -> Self {
        Self {
            wrong_keys: Arc::new(WrongKeys::new(Arc::clone(&clock), Metrics::default())),
            store,
            dialects,
            clock,
            strict,
            egress_ips: Arc::default(),
            public_url: None,
            branding: Arc::default(),
            manages: false,
            webhooks_per_tenant: WEBHOOKS_PER_TENANT,
            events_per_second: None,
            admin: KeyHash::of(admin_key),
            keys: Arc::default(),
            deployment_key: Arc::default(),
        }
    }

    /// The API of a function that was built from the environment.
    ///
    /// # Errors
    /// When the operator's key [cannot be had](Context::admin_key).
    pub async fn of(context: &Context) -> Result<Self, ConfigError> {
        let api = Self::new(
            context.store.clone(),
            Arc::clone(&context.dialects),
            Arc::clone(&context.clock),
            &context.admin_key().await?,
            context.strict,
        );
        Ok(api
            .with_egress_ips(context.egress_ips.clone())
            .with_public_url(context.public_url.clone())
            .with_branding(context.branding.clone())
            .with_webhooks_per_tenant(context.webhooks_per_tenant)
            .with_events_per_second(context.events_per_second)
            .with_metrics(context.metrics.clone()))
    }

    /// The same for the management API.
    #[must_use]
    pub fn managing(self) -> Self {
        Self {
            manages: true,
            ..self
        }
    }

    /// The same with the networks that deliveries come from.
    #[must_use]
    pub fn with_egress_ips(self, egress_ips: Vec<IpNet>) -> Self {
        Self {
            egress_ips: egress_ips.into(),
            ..self
        }
    }

    /// The same, reached from outside at this URL.
    #[must_use]
    pub fn with_public_url(self, public_url: Option<Url>) -> Self {
        Self { public_url, ..self }
    }

    /// The same with a portal that looks like this.
    #[must_use]
    pub fn with_branding(self, branding: Branding) -> Self {
        Self {
            branding: branding.into(),
            ..self
        }
    }

    /// The same, counting into these metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self {
            wrong_keys: Arc::new(WrongKeys::new(Arc::clone(&self.clock), metrics)),
            ..self
        }
    }

    /// The same with a limit to what a tenant publishes in a second.
    #[must_use]
    pub fn with_events_per_second(self, events_per_second: Option<u64>) -> Self {
        Self {
            events_per_second,
            ..self
        }
    }

    /// The same where a tenant may have so many webhooks.
    #[must_use]
    pub fn with_webhooks_per_tenant(self, webhooks_per_tenant: u32) -> Self {
        Self {
            webhooks_per_tenant,
            ..self
        }
    }

    /// Reads `limit`, `cursor` and `order` off a query's fields, for the list that `names` tell from all others: its kind, its
    /// tenant, and what of the tenant it is of. A cursor is valid for its order alone.
    ///
    /// # Errors
    /// When the deployment's key is not known yet and the table does not answer.
    pub async fn page(&self, fields: &mut Fields<'_>, names: &[&str]) -> Result<Page, ApiError> {
        self.page_from(fields, names, Order::NewestFirst).await
    }

    /// The same of a list that is in this order unless another is asked for.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn page_from(
        &self,
        fields: &mut Fields<'_>,
        names: &[&str],
        default: Order,
    ) -> Result<Page, ApiError> {
        let order = page::order(fields).unwrap_or(default);
        let names = match order {
            Order::NewestFirst => names.to_vec(),
            Order::OldestFirst => [names, &["oldest first"]].concat(),
        };
        Ok(Page::read(fields, self.seal(&names).await?, order))
    }

    /// The seal of the cursors of what `names` tell from all else.
    ///
    /// # Errors
    /// When the deployment's key is not known yet and the table does not answer.
    pub async fn seal(&self, names: &[&str]) -> Result<Seal, ApiError> {
        Ok(Seal::new(self.deployment_key().await?, names))
    }

    async fn deployment_key(&self) -> Result<&[u8; 32], StoreError> {
        let key = &self.deployment_key;
        key.get_or_try_init(|| self.store.deployment_key()).await
    }

    /// Reads the page of a list without an order of time, from a query that may have nothing else.
    ///
    /// # Errors
    /// 422 when it has, or the page is none; when the deployment's key is not known yet and the table does not answer.
    pub async fn unordered_page(&self, query: &Json, names: &[&str]) -> Result<Page, ApiError> {
        let mut fields = Fields::of(query)?;
        let page = Page::read(&mut fields, self.seal(names).await?, Order::OldestFirst);
        fields.finish()?;
        Ok(page)
    }

    /// A dialect that a tenant or webhook was made with.
    ///
    /// # Errors
    /// When its file is no longer loaded: nothing of it can be served until it is again.
    pub fn dialect(&self, name: &str) -> Result<&Arc<Dialect>, ApiError> {
        self.dialects.get(name).ok_or_else(|| {
            tracing::error!(dialect = name, "a dialect in use is not loaded");
            ApiError::new(
                Code::Unavailable,
                format!("the dialect {name} is not loaded; ask the operator"),
            )
        })
    }
}

#[derive(Serialize)]
struct Success<T> {
    success: bool,
    data: T,
}

/// A success: `{"success": true, "data": …}`.
#[must_use]
pub fn answer(status: StatusCode, data: impl Serialize) -> Response {
    match serde_json::to_vec(&Success {
        success: true,
        data,
    }) {
        Ok(json) => json_response(status, json),
        Err(error) => {
            tracing::error!(%error, "a response cannot be written");
            ApiError::from(Code::Internal).into_response()
        }
    }
}

/// The answer with where to read what it tells of.
#[must_use]
pub fn located(mut response: Response, path: &str) -> Response {
    if let Ok(path) = http::HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// An error that has data beside it.
#[must_use]
pub fn refused_with(error: ApiError, data: impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Refused<'a, T> {
        success: bool,
        error: &'a ApiError,
        data: T,
    }
    let refused = Refused {
        success: false,
        error: &error,
        data,
    };
    let json = serde_json::to_vec(&refused);
    let mut response = error.into_response();
    match json {
        Ok(json) => *response.body_mut() = Bytes::from(json).into(),
        Err(error) => tracing::error!(%error, "a response cannot be written"),
    }
    response
}

fn json_response(status: StatusCode, json: Vec<u8>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        Bytes::from(json),
    )
        .into_response()
}

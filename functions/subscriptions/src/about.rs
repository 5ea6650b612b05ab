//! What this deployment is, whose key a caller has, and where deliveries come from.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use rung_api::{Api, ApiError, NoQuery, answer, limits::BATCH_EVENTS};
use rung_core::{
    branding::Branding,
    domain::{
        quota::Window,
        tenant::{ApiKey, Tenant},
        time::Time,
    },
    limits::{BATCH_REQUEST_BYTES, PAGE_MAX},
};
use rung_dialect::{Dialect, Dialects};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, keys, portal_links, public_dialects, tenants};

/// What a client may ask for by its name, of what came in later than the first version.
const FEATURES: [&str; 11] = [
    "audit",
    "batch",
    "challenge",
    "erasure",
    "event_types",
    "export",
    "filter",
    "jobs",
    "key_pairs",
    "operator_keys",
    "portal",
];

/// What this deployment is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "About")]
pub(crate) struct About<'a> {
    version: &'static str,
    api: &'static str,
    features: &'static [&'static str],
    dialects: Vec<DialectView<'a>>,
    retention_days: u64,
    limits: Limits,
    /// The networks that deliveries come from, as the operator has configured them.
    #[schemars(with = "Vec<String>")]
    egress_ips: &'a [IpNet],
    /// How the operator wants the portal to look.
    portal: &'a Branding,
}

/// A dialect, by what a tenant is made with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Dialect")]
pub(crate) struct DialectView<'a> {
    name: &'a str,
    description: &'a str,
    /// Whether any well-formed type may be published.
    any_type: bool,
    /// The plans that a tenant may have; null if any may be named.
    plans: Option<Vec<&'a str>>,
}

impl<'a> From<&'a Arc<Dialect>> for DialectView<'a> {
    fn from(dialect: &'a Arc<Dialect>) -> Self {
        let plans = dialect.plans();
        Self {
            name: &dialect.name,
            description: &dialect.description,
            any_type: dialect.catalogue.takes_any_type(),
            plans: plans.map(|plans| plans.keys().map(String::as_str).collect()),
        }
    }
}

/// What requests and tenants are bounded by.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limits")]
struct Limits {
    request_bytes: usize,
    batch_request_bytes: usize,
    batch_events: usize,
    page_items: usize,
    webhooks_per_tenant: u32,
    /// How many events a tenant may publish in a second; null without a limit.
    events_per_second: Option<u64>,
}

pub(crate) async fn root(State(state): State<Management>, _: NoQuery) -> Response {
    let api = &state.api;
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        api: "v1",
        features: &FEATURES,
        dialects: public_dialects(api).map(DialectView::from).collect(),
        retention_days: api.store.retention().as_secs() / 86_400,
        limits: Limits {
            request_bytes: REQUEST_BYTES,
            batch_request_bytes: BATCH_REQUEST_BYTES,
            batch_events: BATCH_EVENTS,
            page_items: PAGE_MAX,
            webhooks_per_tenant: api.webhooks_per_tenant,
            events_per_second: api.events_per_second,
        },
        egress_ips: &api.egress_ips,
        portal: &api.branding,
    };
    answer(StatusCode::OK, about)
}

/// What is left of a limit.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quota")]
pub(crate) struct Quota {
    limit: u64,
    /// What was used of it; a function may have set some aside for itself.
    used: u64,
    left: u64,
    resets_at: Time,
}

pub(crate) async fn me(
    State(state): State<Management>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (key, tenant) = state.api.whoever(&headers).await?;
    let is_operators = key.owner.tenant().is_none();
    // What the operator keeps with a tenant is not the tenant's to read.
    let tenant = tenant.map(|tenant| match is_operators {
        true => tenant,
        false => Tenant {
            metadata: Json::empty(),
            ..tenant
        },
    });
    let (of_key, of_plan) = match &tenant {
        Some(tenant) => quotas(&state, &key, tenant).await?,
        None => (None, None),
    };
    // A dialect that is not loaded is another problem than the plan.
    let has_webhooks = |tenant: &Tenant| {
        let dialect = state.api.dialect(&tenant.dialect);
        dialect.map_or(true, |dialect| dialect.allows_plan(tenant.plan.as_deref()))
    };
    let data = json!({
        "dialects": dialects_of(&state.api, is_operators, tenant.as_ref()),
        "plan_has_webhooks": tenant.as_ref().map(has_webhooks),
        "key": key.portal.is_none().then(|| keys::KeyView::of(&key, None)),
        "portal_link": portal_links::PortalLinkView::of(&key, None),
        "tenant": tenant.as_ref().map(tenants::TenantView::from),
        "quota": { "events_per_hour": of_key, "events_per_month": of_plan },
    });
    Ok(answer(StatusCode::OK, data))
}

/// The dialects that a caller may name: all of them for the operator, else those that come with Rung, and the tenant's.
fn dialects_of<'a>(
    api: &'a Api,
    is_operators: bool,
    tenant: Option<&Tenant>,
) -> Vec<DialectView<'a>> {
    let builtin = Dialects::builtin();
    let may_know = |dialect: &&Arc<Dialect>| {
        let own = tenant.map(|tenant| &tenant.dialect);
        is_operators || own == Some(&dialect.name) || builtin.get(&dialect.name).is_some()
    };
    let dialects = api.dialects.iter().filter(may_know);
    dialects.map(DialectView::from).collect()
}

/// What is left of a key's hour and of the month of a tenant's plan, where they have limits.
async fn quotas(
    state: &Management,
    key: &ApiKey,
    tenant: &Tenant,
) -> Result<(Option<Quota>, Option<Quota>), ApiError> {
    let plan = state
        .api
        .dialect(&tenant.dialect)?
        .limits(tenant.plan.as_deref());
    let now_ms = state.api.clock.wall_ms();
    let quota = async |limit: Option<u64>, window: Window, counter: String| {
        let Some(limit) = limit else {
            return Ok::<_, ApiError>(None);
        };
        let used = state.api.store.counted(&tenant.id, &counter).await?;
        Ok(Some(Quota {
            limit,
            used,
            left: limit.saturating_sub(used),
            resets_at: Time::at_ms(window.end_ms),
        }))
    };
    let (hour, month) = (Window::hour(now_ms), Window::month(now_ms));
    let of_key = key
        .owner
        .tenant()
        .and_then(|_| key.events_per_hour.or(plan.events_per_hour));
    let (of_hour, of_month) = (hour.counter_of(&key.id), month.name.clone());
    Ok((
        quota(of_key, hour, of_hour).await?,
        quota(plan.events_per_month, month, of_month).await?,
    ))
}

pub(crate) async fn health() -> Response {
    let data = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    answer(StatusCode::OK, data)
}

/// The networks that deliveries come from, for receivers that keep a list of whom they let in.
pub(crate) async fn egress_ips(State(state): State<Management>, _: NoQuery) -> Response {
    let networks = &state.api.egress_ips;
    answer(StatusCode::OK, json!({ "egress_ips": networks }))
}

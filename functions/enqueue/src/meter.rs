//! What a tenant may publish: so many events a second where the deployment says so, so many an hour with each key, so many a month
//! in all.
//!
//! A counter of the table holds what was used of a window. So that a busy key does not write it with each call, a function takes a
//! little more at a time and deals it out itself. Nothing beyond the limit of an hour or a month is let through; what a function
//! took and never dealt out is lost to its window, at most half a percent of the limit for each that runs.
//!
//! A second is too short to write for each function that runs: the first hundredth of the limit in each is counted when more comes,
//! and not at all if nothing does. A tenant that publishes little costs no writes, and one that publishes much is counted whole.
//!
//! Nothing here is needed for correctness: counters that are lost let a tenant publish more.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::response::Response;
use http::HeaderValue;
use rung_api::{
    Api, ApiError, Code,
    limits::{METER_SHARE, METER_SHARE_MAX, RATE_SHARE, RATE_UNCOUNTED},
};
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        hops::Hops,
        id::TenantId,
        quota::Window,
        tenant::{ApiKey, Tenant},
    },
    flow::accept::{OwnEvent, Publisher},
};
use rung_dialect::Dialect;
use serde_json::{Value, json};

/// More counters, or more events told, than this are not remembered.
const REMEMBERED: usize = 10_000;

/// Counts what is published, and tells tenants whose dialect has a word for it.
#[derive(Clone)]
pub(crate) struct Meter {
    api: Api,
    publisher: Publisher,
    shares: Arc<Mutex<HashMap<String, Share>>>,
    told: Arc<Mutex<HashSet<(TenantId, String)>>>,
}

/// A request to publish.
#[derive(Clone, Copy)]
struct Asked<'a> {
    tenant: &'a Tenant,
    /// The tenant's.
    dialect: &'a Dialect,
    /// `None` for the operator.
    key: Option<&'a ApiKey>,
    /// The deliveries that led to it.
    hops: Hops,
    /// How many it is.
    events: u64,
}

impl<'a> Asked<'a> {
    /// The hour's limit of its key, and the month's quota of its tenant's plan.
    fn quotas(&self) -> (Option<(&'a ApiKey, u64)>, Option<u64>) {
        let plan = self.dialect.limits(self.tenant.plan.as_deref());
        let of_hour = |key: &ApiKey| key.events_per_hour.or(plan.events_per_hour);
        let of_key = self.key.and_then(|key| Some((key, of_hour(key)?)));
        (of_key, plan.events_per_month)
    }
}

/// What this function took of a counter.
#[derive(Default)]
struct Share {
    left: u64,
    /// What all took together, when this function last did or asked.
    used: u64,
    /// Whether it has asked.
    is_asked: bool,
    /// What was admitted and is not in the counter yet.
    uncounted: u64,
    /// The least that was refused, and the limit at which it was: a counter never goes back, so no more fits either.
    refused: Option<(u64, u64)>,
}

impl Share {
    /// How many events were admitted, as far as this function knows. It may hold more than it knows to be counted: what it held of a
    /// share comes back to an empty one if all shares were forgotten meanwhile.
    fn used(&self) -> u64 {
        self.used.saturating_sub(self.left)
    }
}

/// How many events of a counter's window a function admits.
#[derive(Clone, Copy)]
struct Dealing {
    limit: u64,
    /// How many it takes from the counter beyond what it needs.
    more: u64,
    /// How many it admits before it asks the counter.
    uncounted: u64,
}

impl Dealing {
    /// Of a long window, whose limit is kept exactly.
    fn exact(limit: u64) -> Self {
        Self {
            limit,
            more: (limit / METER_SHARE).min(METER_SHARE_MAX),
            uncounted: 0,
        }
    }

    /// Of a second.
    fn rate(limit: u64) -> Self {
        Self {
            limit,
            more: limit / RATE_SHARE,
            uncounted: limit / RATE_UNCOUNTED,
        }
    }
}

/// The limits that hold for a request, as its answer tells them.
#[derive(Debug, Default)]
pub(crate) struct Limits(Vec<Limit>);

#[derive(Debug)]
struct Limit {
    name: &'static str,
    quota: u64,
    window_s: u64,
    left: u64,
    reset_s: u64,
}

impl Limits {
    /// Tells the limits in the headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn stamp(self, mut response: Response) -> Response {
        let of = |one: &dyn Fn(&Limit) -> String| {
            let items: Vec<_> = self.0.iter().map(one).collect();
            HeaderValue::try_from(items.join(", ")).ok()
        };
        if self.0.is_empty() {
            return response;
        }
        let policy =
            of(&|limit| format!("\"{}\";q={};w={}", limit.name, limit.quota, limit.window_s));
        let left = of(&|limit| format!("\"{}\";r={};t={}", limit.name, limit.left, limit.reset_s));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, name: &'static str, quota: u64, used: u64, window: &Window, now_ms: u64) {
        self.0.push(Limit {
            name,
            quota,
            window_s: (window.end_ms - window.start_ms) / 1000,
            left: quota.saturating_sub(used),
            reset_s: window.end_ms.saturating_sub(now_ms).div_ceil(1000),
        });
    }
}

impl Meter {
    pub(crate) fn new(api: Api, publisher: Publisher) -> Self {
        Self {
            api,
            publisher,
            shares: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Admits so many events of a tenant, published with a key of its own or without, to which so many deliveries led; notes the
    /// limits that hold.
    ///
    /// # Errors
    /// 429 when the tenant's limit per second, the hour's limit of the key, or the month's quota of the tenant's plan is used up.
    pub(crate) async fn admit(
        &self,
        tenant: &Tenant,
        key: Option<&ApiKey>,
        hops: Hops,
        events: usize,
        limits: &mut Limits,
    ) -> Result<(), ApiError> {
        let dialect = self.api.dialect(&tenant.dialect)?;
        let asked = Asked {
            tenant,
            dialect,
            key,
            hops,
            events: events as u64,
        };
        let (of_key, of_plan) = asked.quotas();
        if let Some(limit) = self.api.events_per_second
            && let Err(refused) = self.admit_by_rate(asked, limit, limits).await
        {
            self.note_key(asked, of_key, limits).await;
            self.note_plan(asked, of_plan, limits).await;
            return Err(refused);
        }
        if let Some((key, limit)) = of_key
            && let Err(refused) = self.admit_by_key(asked, key, limit, limits).await
        {
            self.note_plan(asked, of_plan, limits).await;
            return Err(refused);
        }
        if let Some(quota) = of_plan {
            self.admit_by_plan(asked, quota, limits).await?;
        }
        Ok(())
    }

    /// Notes the limits that hold for a request which is refused before it was asked of any: it takes nothing of them.
    pub(crate) async fn note(&self, tenant: &Tenant, key: Option<&ApiKey>, limits: &mut Limits) {
        let Ok(dialect) = self.api.dialect(&tenant.dialect) else {
            return;
        };
        let asked = Asked {
            tenant,
            dialect,
            key,
            hops: Hops::NONE,
            events: 0,
        };
        let (of_key, of_plan) = asked.quotas();
        if let Some(limit) = self.api.events_per_second {
            self.note_rate(asked, limit, limits);
        }
        self.note_key(asked, of_key, limits).await;
        self.note_plan(asked, of_plan, limits).await;
    }

    /// Notes the tenant's limit per second, as far as this function knows what is used of it: a second is too short to ask the table.
    fn note_rate(&self, asked: Asked<'_>, limit: u64, limits: &mut Limits) {
        let now_ms = self.api.clock.wall_ms();
        let window = Window::second(now_ms);
        let name = format!("{}#{}", asked.tenant.id, window.name);
        let known = |share: &Share| share.used() + share.uncounted;
        let used = self.shares().get(&name).map_or(0, known);
        limits.note("tenant-second", limit, used, &window, now_ms);
    }

    /// Notes the limit of a key's hour for a request that is refused already: it takes nothing of it.
    async fn note_key(
        &self,
        asked: Asked<'_>,
        of_key: Option<(&ApiKey, u64)>,
        limits: &mut Limits,
    ) {
        let Some((key, limit)) = of_key else { return };
        let now_ms = self.api.clock.wall_ms();
        let window = Window::hour(now_ms);
        let counter = window.counter_of(&key.id);
        if let Some(used) = self.used(asked, &counter).await {
            limits.note("key-hour", limit, used, &window, now_ms);
        }
    }

    /// The same of the quota of a plan's month.
    async fn note_plan(&self, asked: Asked<'_>, quota: Option<u64>, limits: &mut Limits) {
        let Some(quota) = quota else { return };
        let now_ms = self.api.clock.wall_ms();
        let window = Window::month(now_ms);
        if let Some(used) = self.used(asked, &window.name).await {
            limits.note("plan-month", quota, used, &window, now_ms);
        }
    }

    /// What is used of a counter, as far as this function knows: it asks the table once, or a flood that is refused would be a flood of
    /// reads. `None` where that fails.
    async fn used(&self, asked: Asked<'_>, counter: &str) -> Option<u64> {
        let tenant = &asked.tenant.id;
        let name = format!("{tenant}#{counter}");
        let is_known = |share: &Share| share.used > 0 || share.is_asked;
        let known = |share: &Share| is_known(share).then(|| share.used());
        if let Some(used) = self.shares().get(&name).and_then(known) {
            return Some(used);
        }
        let used = self.api.store.counted(tenant, counter).await.ok()?;
        let mut shares = self.shares();
        let share = shares.entry(name).or_default();
        share.used = share.used.max(used);
        share.is_asked = true;
        Some(share.used())
    }

    async fn admit_by_rate(
        &self,
        asked: Asked<'_>,
        limit: u64,
        limits: &mut Limits,
    ) -> Result<(), ApiError> {
        let now_ms = self.api.clock.wall_ms();
        let window = Window::second(now_ms);
        let used = self.take(asked, &window.name, &window, Dealing::rate(limit));
        let used = used.await?;
        let told = used.unwrap_or(limit);
        limits.note("tenant-second", limit, told, &window, now_ms);
        if used.is_some() {
            return Ok(());
        }
        let message = format!(
            "the tenant's limit of {limit} events per second is used up; wait for the next second"
        );
        Err(too_many(Code::RateLimited, message, &window, now_ms))
    }

    async fn admit_by_key(
        &self,
        asked: Asked<'_>,
        key: &ApiKey,
        limit: u64,
        limits: &mut Limits,
    ) -> Result<(), ApiError> {
        let now_ms = self.api.clock.wall_ms();
        let window = Window::hour(now_ms);
        let counter = window.counter_of(&key.id);
        let used = self.take(asked, &counter, &window, Dealing::exact(limit));
        let used = used.await?;
        limits.note("key-hour", limit, used.unwrap_or(limit), &window, now_ms);
        if let Some(used) = used.filter(|used| used * 5 >= limit * 4) {
            let data = json!({
                "api_key_id": key.id.as_str(),
                "current_usage": used,
                "limit": limit,
                "usage_percentage": used * 100 / limit,
                "reset_at": timestamp(window.end_ms).to_string(),
            });
            self.tell(asked, "api.rate_limit.warning", &counter, data)
                .await;
        }
        if used.is_some() {
            return Ok(());
        }
        let message = format!(
            "the key's limit of {limit} events per hour is used up; wait for the next hour"
        );
        Err(too_many(Code::RateLimited, message, &window, now_ms))
    }

    async fn admit_by_plan(
        &self,
        asked: Asked<'_>,
        quota: u64,
        limits: &mut Limits,
    ) -> Result<(), ApiError> {
        let now_ms = self.api.clock.wall_ms();
        let window = Window::month(now_ms);
        let used = self.take(asked, &window.name, &window, Dealing::exact(quota));
        let used = used.await?;
        limits.note("plan-month", quota, used.unwrap_or(quota), &window, now_ms);
        if used.is_some() {
            return Ok(());
        }
        let data = json!({
            "api_key_id": asked.key.map(|key| key.id.as_str()),
            "current_usage": quota,
            "quota": quota,
            "period": window.name,
            "reset_at": timestamp(window.end_ms).to_string(),
        });
        self.tell(asked, "api.quota.exceeded", &window.name, data)
            .await;
        let message = format!(
            "the plan's quota of {quota} events per month is used up; wait for the next month or change the plan"
        );
        Err(too_many(Code::QuotaExceeded, message, &window, now_ms))
    }

    /// Takes the events that are asked for from a counter; answers what is used of it then, or `None` when not so many are left.
    async fn take(
        &self,
        Asked { tenant, events, .. }: Asked<'_>,
        counter: &str,
        window: &Window,
        dealing: Dealing,
    ) -> Result<Option<u64>, ApiError> {
        let limit = dealing.limit;
        let name = format!("{}#{counter}", tenant.id);
        let (held, uncounted) = {
            let mut shares = self.shares();
            if shares.len() >= REMEMBERED {
                shares.clear();
            }
            let share = shares.entry(name.clone()).or_default();
            if share.left >= events {
                share.left -= events;
                return Ok(Some(share.used()));
            }
            if share.used == 0 && share.uncounted + events <= dealing.uncounted {
                share.uncounted += events;
                return Ok(Some(share.uncounted));
            }
            let missing = events - share.left + share.uncounted;
            if share
                .refused
                .is_some_and(|(least, at)| missing >= least && limit == at)
            {
                return Ok(None);
            }
            let uncounted = std::mem::take(&mut share.uncounted);
            (std::mem::take(&mut share.left), uncounted)
        };
        let missing = events - held + uncounted;
        let mut counted = None;
        for wanted in [missing + dealing.more, missing] {
            let (id, end_ms) = (&tenant.id, window.end_ms);
            let used = self.api.store.count(id, counter, wanted, limit, end_ms);
            counted = used.await?.map(|used| (used, wanted - missing));
            if counted.is_some() {
                break;
            }
        }
        let mut shares = self.shares();
        let share = shares.entry(name).or_default();
        let Some((used, left)) = counted else {
            share.left += held;
            share.uncounted += uncounted;
            share.refused = Some((missing, limit));
            return Ok(None);
        };
        share.left += left;
        share.used = share.used.max(used);
        Ok(Some(share.used()))
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<String, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes an event of Rung's own to the tenant, once for what `once` names, if its dialect lists the type. It counts for no
    /// limit, and as many deliveries led to it as to the request. Where it fails, the next call tells.
    async fn tell(&self, asked: Asked<'_>, event_type: &'static str, once: &str, data: Value) {
        let Asked {
            tenant,
            dialect,
            hops,
            ..
        } = asked;
        if dialect.catalogue.get(event_type).is_none() {
            return;
        }
        let name = (tenant.id.clone(), format!("{event_type} {once}"));
        let told = || self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told().contains(&name) {
            return;
        }
        let own = OwnEvent {
            event_type,
            once: once.to_owned(),
            timestamp_ms: None,
            data,
            hops,
        };
        match self.publisher.tell(tenant, &own).await {
            Ok(_) => {
                let mut told = told();
                if told.len() >= REMEMBERED {
                    told.clear();
                }
                told.insert(name);
            }
            Err(refusal) => {
                tracing::warn!(tenant = %tenant.id, event_type, %refusal, "not told");
            }
        }
    }
}

fn too_many(code: Code, message: String, window: &Window, now_ms: u64) -> ApiError {
    let left_s = window.end_ms.saturating_sub(now_ms).div_ceil(1000);
    ApiError::new(code, message).retry_after_s(left_s.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_holds_more_than_it_knows_to_be_counted_has_admitted_nothing() {
        let known = Share {
            left: 3,
            used: 10,
            ..Share::default()
        };
        assert_eq!(known.used(), 7);
        let forgotten = Share {
            left: 3,
            ..Share::default()
        };
        assert_eq!(forgotten.used(), 0);
    }
}

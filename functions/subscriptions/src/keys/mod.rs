//! API keys: the operator's and the tenants'. All of their calls are the operator's.

mod fields;
pub(crate) mod operators;
pub(crate) mod tenants;

use axum::{extract::Request, response::Response};
use http::StatusCode;
use rung_api::{Api, ApiError, Code, Fields, Query, answer};
use rung_base::chance;
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::KeyId,
        tenant::{ApiKey, FIRST_KEY, KeyHash, KeyOwner, Scope},
        time::Time,
    },
    store::{
        api_keys::{KeyCreated, Remaining, position_of},
        span::Order,
    },
};
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use self::fields::{Changes, New};
use crate::{
    Management,
    ids::{key_text, new_id},
    once::Once,
    read_only::{self, ReadOnly},
    tries::Tries,
};

/// An API key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(crate) struct KeyView<'a> {
    id: &'a str,
    /// The owner; null for operator's keys.
    tenant_id: Option<&'a str>,
    name: Option<&'a str>,
    scopes: &'a [Scope],
    events_per_hour: Option<u64>,
    expires_at: Option<Time>,
    /// The last use, to the hour.
    last_used_at: Option<Time>,
    /// Null for the operator's first key.
    created_at: Option<Time>,
    /// The key itself, shown only when it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> KeyView<'a> {
    pub(crate) fn of(key: &'a ApiKey, text: Option<&'a str>) -> Self {
        Self {
            id: key.id.as_str(),
            tenant_id: key.owner.tenant().map(|tenant| tenant.name()),
            name: key.name.as_deref(),
            scopes: &key.scopes,
            events_per_hour: key.events_per_hour,
            expires_at: key.expires_ms.map(Time::at_ms),
            last_used_at: key.used_ms.map(Time::at_ms),
            created_at: (!is_first(key)).then(|| Time::at_ms(key.created_ms)),
            key: text,
        }
    }
}

fn one(status: StatusCode, key: &ApiKey, text: Option<&str>) -> Response {
    let response = answer(status, json!({ "key": KeyView::of(key, text) }));
    if status != StatusCode::CREATED {
        return response;
    }
    let path = match &key.owner {
        KeyOwner::Operator => format!("/v1/keys/{}", key.id),
        KeyOwner::Tenant(tenant) => format!("/v1/tenants/{}/keys/{}", tenant.name(), key.id),
    };
    rung_api::located(response, &path)
}

fn is_first(key: &ApiKey) -> bool {
    key.id.as_str() == FIRST_KEY
}

/// The audit log's record of what becomes of a key.
fn record(
    origin: &Origin,
    action: Action,
    before: Option<&ApiKey>,
    after: Option<&ApiKey>,
) -> Record {
    let view = |key: &ApiKey| serde_json::to_value(KeyView::of(key, None)).unwrap_or(Value::Null);
    let key = after.or(before);
    let tenant = key.and_then(|key| key.owner.tenant());
    let id = key.map(|key| key.id.as_str()).unwrap_or_default();
    Record::new(origin, tenant, action, id)
        .changing_all(Change::between(before.map(view), after.map(view)))
}

/// Makes a key.
async fn create(
    state: &Management,
    origin: &Origin,
    owner: KeyOwner,
    once: &Once,
    new: &New,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let prefix = match owner {
        KeyOwner::Operator => "ro_",
        KeyOwner::Tenant(_) => "rk_",
    };
    let own = match new.hash {
        Some(_) => None,
        None => Some(key_text(prefix, chance::bytes())),
    };
    let hash = new.hash.or_else(|| own.as_deref().map(KeyHash::of));
    let id = new_id("key_", KeyId::parse)?;
    let key = new.key(id, owner, hash.ok_or(Code::Internal)?, api.clock.now_ms());
    let record = record(origin, Action::KeyCreated, None, Some(&key));
    let answer = one(StatusCode::CREATED, &key, own.as_deref());
    let (record, answer) = once.answering(record, answer).await?;
    let taken = || {
        let problem = "the key already exists; delete it first to change it";
        ApiError::of_field(Code::KeyTaken, "key_sha256", problem)
    };
    if api.is_first_key(&key.hash) {
        return Err(taken());
    }
    match api.store.create_api_key(&key, &record).await? {
        KeyCreated::Done => Ok(answer),
        KeyCreated::Taken => Err(taken()),
        KeyCreated::NoTenant => {
            let tenant = key.owner.tenant().map(|tenant| tenant.name());
            Err(ApiError::not_found("tenant", tenant.unwrap_or_default()))
        }
    }
}

/// A page of an owner's keys; the operator's first one is the oldest.
async fn list(state: &Management, owner: &KeyOwner, query: &Query) -> Result<Response, ApiError> {
    let api = &state.api;
    let names = match owner {
        KeyOwner::Operator => vec!["operator's keys"],
        KeyOwner::Tenant(tenant) => vec!["keys", tenant.as_str()],
    };
    let mut fields = Fields::of(&query.0)?;
    let page = api.page(&mut fields, &names).await?;
    fields.finish()?;
    let after = page.after.as_deref();
    let listed = api.store.api_keys(owner, page.order, after, page.limit);
    let listed = listed.await?;
    let (mut keys, mut next) = (listed.items, listed.next);
    // Its place is before all others.
    let is_its_page = match page.order {
        Order::OldestFirst => after.is_none(),
        Order::NewestFirst => next.is_none(),
    };
    if is_its_page
        && *owner == KeyOwner::Operator
        && let Some(first) = api.first_key().await?
    {
        match page.order {
            Order::OldestFirst => keys.insert(0, first),
            Order::NewestFirst => keys.push(first),
        }
        if keys.len() > page.limit {
            keys.truncate(page.limit);
            next = keys.last().map(position_of);
        }
    }
    let views: Vec<_> = keys.iter().map(|key| KeyView::of(key, None)).collect();
    Ok(page.answer("keys", &views, next.as_deref()))
}

/// An owner's key of this id.
async fn called(api: &Api, owner: &KeyOwner, id: &KeyId) -> Result<ApiKey, ApiError> {
    let key = if *owner == KeyOwner::Operator && id.as_str() == FIRST_KEY {
        api.first_key().await?
    } else {
        api.store.api_key_called(owner, id).await?
    };
    key.ok_or_else(|| ApiError::not_found("key", id.as_str()))
}

/// Changes a key.
async fn update(
    state: &Management,
    origin: &Origin,
    owner: &KeyOwner,
    id: &KeyId,
    change: impl Fn(ApiKey) -> Result<ApiKey, ApiError>,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let mut tries = Tries::to_change("key");
    loop {
        let present = called(api, owner, id).await?;
        if is_first(&present) {
            return Err(Code::FirstKey.into());
        }
        let key = change(present.clone())?;
        if key == present {
            return Ok(one(StatusCode::OK, &key, None));
        }
        let end_of = |key: &ApiKey| key.expires_ms.unwrap_or(u64::MAX);
        let weakened = end_of(&key) < end_of(&present) || !key.grants(Scope::Admin);
        let another = if present.grants(Scope::Admin) && weakened {
            Some(another_admin_key(api, id).await?)
        } else {
            None
        };
        let record = record(origin, Action::KeyUpdated, Some(&present), Some(&key));
        let remaining = another.as_ref().map(remaining);
        let written = api.store.update_api_key(&key, remaining, &record).await;
        // Whatever came of it: an answer that is lost may have been a success.
        api.forget_key(owner, id);
        if written? {
            return Ok(one(StatusCode::OK, &key, None));
        }
        tries.again().await?;
    }
}

/// Deletes a key.
async fn delete(
    state: &Management,
    origin: &Origin,
    owner: &KeyOwner,
    id: &KeyId,
    request: Request,
) -> Result<Response, ApiError> {
    rung_api::nothing(request).await?;
    let api = &state.api;
    let mut tries = Tries::to_change("key");
    loop {
        let key = called(api, owner, id).await?;
        let record = record(origin, Action::KeyDeleted, Some(&key), None);
        let another = if key.grants(Scope::Admin) {
            Some(another_admin_key(api, id).await?)
        } else {
            None
        };
        let deleted = match another.as_ref().map(remaining) {
            Some(remaining) if is_first(&key) => {
                let store = &api.store;
                store.delete_first_key(&key.hash, remaining, &record).await
            }
            remaining => api.store.delete_api_key(&key, remaining, &record).await,
        };
        // Whatever came of it: an answer that is lost may have been a success.
        api.forget_key(owner, id);
        if deleted? {
            let data = json!({ "key": crate::deleted(id.as_str(), owner.tenant()) });
            return Ok(answer(StatusCode::OK, data));
        }
        tries.again().await?;
    }
}

/// A key other than this one that opens all of the operator's calls: there has to be one, or nobody could make another.
async fn another_admin_key(api: &Api, than: &KeyId) -> Result<ApiKey, ApiError> {
    if than.as_str() != FIRST_KEY
        && let Some(first) = api.first_key().await?
    {
        return Ok(first);
    }
    let now_ms = api.clock.wall_ms();
    let keys = api.store.api_keys_of(&KeyOwner::Operator).await?;
    let mut others = keys.into_iter().filter(|key| {
        let is_alive = key.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms);
        key.id != *than && is_alive && key.grants(Scope::Admin)
    });
    others.next().ok_or_else(|| Code::LastAdminKey.into())
}

fn remaining(key: &ApiKey) -> Remaining<'_> {
    if is_first(key) {
        Remaining::First(&key.hash)
    } else {
        Remaining::Other(key)
    }
}

/// Reads the body of a call that changes a key.
fn read_change(
    body: &Json,
    present: &ApiKey,
    read: impl Fn(&mut Fields<'_>) -> Changes,
) -> Result<Changes, ApiError> {
    let shown = serde_json::to_value(KeyView::of(present, None)).unwrap_or_default();
    read_body(body, |fields| {
        let settled = ["id", "tenant_id", "created_at"].map(ReadOnly::Settled);
        read_only::check(fields, &settled, Some(&shown));
        read_only::check(fields, &[ReadOnly::Time("last_used_at")], None);
        if present.owner == KeyOwner::Operator {
            let limit = [ReadOnly::Settled("events_per_hour")];
            read_only::check(fields, &limit, Some(&shown));
        }
        read(fields)
    })
}

/// Reads the body of a call that makes or changes a key.
fn read_body<T>(body: &Json, read: impl Fn(&mut Fields<'_>) -> T) -> Result<T, ApiError> {
    let mut fields = Fields::of(body)?;
    let value = read(&mut fields);
    fields.finish()?;
    Ok(value)
}

//! A tenant's API keys: the operator's calls.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{self, ApiError, Code, Fields, Query, answer, read},
    chance,
    clock::timestamp,
    domain::{
        id::{KeyId, TenantName},
        idempotency::Idempotency,
        tenant::{ApiKey, KeyHash, Scope, remind_ms},
    },
    json::Json,
    limits::{NAME_CHARS, REQUEST_BYTES},
    store::api_keys::KeyCreated,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    Management, Path, idempotency_conflict,
    ids::{key_text, new_id},
    tenants::named,
};

/// An API key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(crate) struct View<'a> {
    id: &'a str,
    name: Option<&'a str>,
    scopes: &'a [Scope],
    events_per_hour: Option<u64>,
    expires_at: Option<jiff::Timestamp>,
    created_at: jiff::Timestamp,
    /// The key itself: shown when it is made, and known to nobody afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> View<'a> {
    fn of(key: &'a ApiKey, text: Option<&'a str>) -> Self {
        Self {
            id: key.id.as_str(),
            name: key.name.as_deref(),
            scopes: &key.scopes,
            events_per_hour: key.events_per_hour,
            expires_at: key.expires_ms.map(timestamp),
            created_at: timestamp(key.created_ms),
            key: text,
        }
    }
}

pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    api.operator(&headers, Scope::Admin).await?;
    let idempotency_key = api::idempotency_key(&headers)?;
    let body = api::body(request, REQUEST_BYTES, 1).await?;
    let mut fields = Fields::of(&body)?;
    let name = fields.optional("name", read::text(NAME_CHARS));
    let scopes = fields.required("scopes", scopes(Scope::OF_TENANTS));
    let events_per_hour = fields.optional("events_per_hour", events_per_hour);
    let expires_ms = fields.optional("expires_at", read::time_ms);
    if expires_ms.is_some_and(|expires_ms| expires_ms <= api.clock.wall_ms()) {
        fields.problem("expires_at", "must lie in the future");
    }
    let brought = fields.optional("key_sha256", sha256);
    fields.finish()?;
    let tenant = named(&state, &headers, Scope::Admin, &tenant).await?;

    let idempotency = idempotency_key.map(|key| Idempotency::of(key, &body));
    let text = async |id: &KeyId| match (brought, &idempotency) {
        (Some(_), _) => Ok(None),
        (None, None) => Ok(Some(key_text(chance::bytes()))),
        // Kept nowhere, and yet shown to a repeat of the request.
        (None, Some(Idempotency { key, .. })) => {
            let derived = api.derived(&["API key", id.as_str(), key]).await;
            derived.map(|bytes| Some(key_text(bytes)))
        }
    };
    let made = |key: &ApiKey, text: Option<String>| {
        let data = json!({ "key": View::of(key, text.as_deref()) });
        Ok(answer(StatusCode::CREATED, data))
    };
    let id = new_id("key_", KeyId::parse)?;
    let own = text(&id).await?;
    let key = ApiKey {
        id,
        tenant: tenant.id.clone(),
        hash: (brought.or_else(|| own.as_deref().map(KeyHash::of))).ok_or(Code::Internal)?,
        name,
        scopes,
        events_per_hour,
        expires_ms,
        remind_ms: expires_ms.map(remind_ms),
        created_ms: api.clock.now_ms(),
    };
    let store = &api.store;
    match store.create_api_key(&key, idempotency.as_ref()).await? {
        KeyCreated::Done => made(&key, own),
        KeyCreated::Repeated(earlier) => {
            let own = text(&earlier.id).await?;
            if own.as_deref().map_or(earlier.hash, KeyHash::of) != earlier.hash {
                let problem = "belongs to a key that was made with another admin key, and cannot be shown again; delete that, and take a \
                               new Idempotency-Key";
                return Err(idempotency_conflict(problem));
            }
            made(&earlier, own)
        }
        KeyCreated::Deleted => {
            let problem = "belongs to a key that was deleted; take a new Idempotency-Key";
            Err(idempotency_conflict(problem))
        }
        KeyCreated::OtherUnderKey => {
            let problem = "belongs to another request; take a new one";
            Err(idempotency_conflict(problem))
        }
        KeyCreated::Taken => {
            let problem = "this key is there already; delete it first to change it";
            Err(ApiError::of_field(Code::Conflict, "key_sha256", problem))
        }
        KeyCreated::NoTenant => Err(ApiError::not_found("tenant", tenant.id.name())),
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let tenant = named(&state, &headers, Scope::Read, &tenant).await?;
    let names = ["keys", tenant.id.as_str()];
    let page = state.api.only_page(&query, &names).await?;
    let store = &state.api.store;
    let listed = store
        .api_keys(&tenant.id, page.after.as_deref(), page.limit)
        .await?;
    let keys: Vec<_> = listed.items.iter().map(|key| View::of(key, None)).collect();
    let next_cursor = page.cursor(listed.next.as_deref());
    Ok(answer(
        StatusCode::OK,
        json!({ "keys": keys, "next_cursor": next_cursor }),
    ))
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    request: Request,
) -> Result<Response, ApiError> {
    let tenant = named(&state, &headers, Scope::Admin, &tenant).await?;
    api::nothing(request).await?;
    let deleted = state.api.store.delete_api_key(&tenant.id, &id).await;
    // Whatever came of it: an answer that is lost may have been a success.
    state.api.forget_key(&tenant.id, &id);
    if deleted? {
        let data = json!({ "key": { "id": id.as_str(), "deleted": true } });
        Ok(answer(StatusCode::OK, data))
    } else {
        Err(ApiError::not_found("key", id.as_str()))
    }
}

fn events_per_hour(value: &Json) -> Result<u64, String> {
    let limit = match value {
        Json::Number(limit) => limit.parse().ok().filter(|limit| *limit > 0),
        _ => None,
    };
    limit.ok_or_else(|| "must be a whole number of events, from 1".to_owned())
}

/// Reads scopes out of those that a key may have.
fn scopes(allowed: &'static [Scope]) -> impl Fn(&Json) -> Result<Vec<Scope>, String> {
    move |value| {
        let mut scopes = Vec::new();
        for name in read::list(value)? {
            let named = |scope: &&Scope| name.as_str() == Some(scope.as_str());
            let scope = allowed.iter().find(named).ok_or_else(|| one_of(allowed))?;
            if !scopes.contains(scope) {
                scopes.push(*scope);
            }
        }
        if scopes.is_empty() {
            return Err(one_of(allowed));
        }
        Ok(scopes)
    }
}

fn one_of(allowed: &[Scope]) -> String {
    let names: Vec<_> = allowed
        .iter()
        .map(|scope| format!("`{}`", scope.as_str()))
        .collect();
    format!("must be a list of one or more of {}", names.join(", "))
}

fn sha256(value: &Json) -> Result<KeyHash, String> {
    let hash = value.as_str().and_then(KeyHash::from_hex);
    hash.ok_or_else(|| "must be the key's SHA-256 as 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn scopes_are_one_or_more_of_the_allowed_ones() {
        let scopes = scopes(Scope::OF_TENANTS);
        let read = scopes(&json(r#"["publish","read","publish"]"#));
        assert_eq!(read, Ok(vec![Scope::Publish, Scope::Read]));
        for wrong in ["[]", r#"["admin"]"#, "[1]", r#""manage""#] {
            let problem = scopes(&json(wrong)).unwrap_err();
            assert!(problem.contains("`erase`"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_brought_key_is_named_by_its_hash_in_either_case() {
        let hash = KeyHash::of("rk_1");
        let digits: String = hash.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(sha256(&Json::String(digits.clone())), Ok(hash));
        assert!(sha256(&Json::String(digits[1..].to_owned())).is_err());
        assert!(sha256(&Json::String("rk_1".to_owned())).is_err());
    }
}

//! `Idempotency-Key`: a request that is sent again under its key does nothing, and gets the first one's answer.
//!
//! Each handler of a POST [claims](Once::claim) its request once it knows whose it is and what it asks for. What it then answers is
//! kept for repeats: with its change where that is one transaction ([`Once::answering`]), otherwise when the handler is done. What
//! was refused did nothing, and leaves the key free.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use rung_api::{ApiError, Caller, Code};
use rung_core::{
    domain::{
        audit::Record,
        id::{KeyId, TenantId},
        idempotency::{Claim, FirstAnswer, Kept, Keyed},
    },
    store::{Store, first_answers::Claimed},
};
use rung_json::Json;
use serde_json::Value;

use crate::Management;

/// The headers that are a part of an answer.
const HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The secrets of answers: members of things, and whether they are left out or null where they are not shown.
const SECRETS: [(&str, &str, bool); 4] = [
    ("webhook", "secret", true),
    ("key", "key", true),
    ("portal_link", "token", false),
    ("portal_link", "url", false),
];

/// Whose an `Idempotency-Key` is: the tenant's, or the operator's own. Those of a portal link are the link's, which may not see what
/// others were answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Owner<'a> {
    tenant: Option<&'a TenantId>,
    link: Option<&'a KeyId>,
}

impl<'a> From<&'a TenantId> for Owner<'a> {
    fn from(tenant: &'a TenantId) -> Self {
        Self {
            tenant: Some(tenant),
            link: None,
        }
    }
}

impl<'a> From<&'a Caller> for Owner<'a> {
    fn from(caller: &'a Caller) -> Self {
        let is_link = caller.key.portal.is_some();
        Self {
            tenant: Some(&caller.tenant.id),
            link: is_link.then_some(&caller.key.id),
        }
    }
}

impl<'a> From<Option<&'a Caller>> for Owner<'a> {
    fn from(caller: Option<&'a Caller>) -> Self {
        caller.map(Self::from).unwrap_or_default()
    }
}

/// The `Idempotency-Key` of a request, if it has one. Clones share what became of it.
#[derive(Clone, Default)]
pub(crate) struct Once {
    path: Arc<str>,
    held: Arc<Mutex<Held>>,
}

/// What became of the key of a request.
#[derive(Clone, Default)]
enum Held {
    /// It was not claimed.
    #[default]
    Nothing,
    /// The call has claimed it.
    Claim(Claim),
    /// The same, and the answer is written with the change.
    WithChange(Claim),
}

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Keeps what each POST is answered, or lets its key go.
pub(crate) async fn kept(State(store): State<Store>, mut request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let once = Once {
        path: request.uri().path().into(),
        held: Arc::default(),
    };
    request.extensions_mut().insert(once.clone());
    let response = next.run(request).await;
    once.settled(&store, response).await
}

impl Once {
    /// Claims a request for what `body` says, on behalf of `owner`; nothing without an `Idempotency-Key`. The answer that a repeat
    /// gets, if this is one.
    ///
    /// # Errors
    /// 422 when the header is wrong, or its key belongs to another request; 409 `busy` while the first request is under way.
    pub(crate) async fn claim<'a>(
        &self,
        state: &Management,
        headers: &HeaderMap,
        owner: impl Into<Owner<'a>>,
        body: &Json,
    ) -> Result<Option<Response>, ApiError> {
        let mut content = Vec::new();
        body.write_content(&mut content);
        self.claim_bytes(state, headers, owner, &content).await
    }

    /// The same for a body that is not JSON.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub(crate) async fn claim_bytes<'a>(
        &self,
        state: &Management,
        headers: &HeaderMap,
        owner: impl Into<Owner<'a>>,
        content: &[u8],
    ) -> Result<Option<Response>, ApiError> {
        let Some(key) = rung_api::idempotency_key(headers)? else {
            return Ok(None);
        };
        let Owner { tenant, link } = owner.into();
        let link = link.map(KeyId::as_str).unwrap_or_default();
        let request = Keyed::new(tenant, &[&*self.path, link, &key], content);
        let by = state.api.key_id(headers).await?;
        match state.api.store.claim(request, by).await? {
            Claimed::Now(claim) => {
                self.set(Held::Claim(claim));
                Ok(None)
            }
            Claimed::Answered(answer) => Ok(Some(repeated(*answer)?)),
            Claimed::UnderWay => {
                let message = "the first request with this Idempotency-Key is in progress; send the same request again";
                Err(ApiError::new(Code::Busy, message))
            }
            Claimed::Other => Err(ApiError::idempotency_mismatch()),
        }
    }

    /// What a call of the request that died has named its things by, too; `None` without an `Idempotency-Key`.
    pub(crate) fn token(&self) -> Option<String> {
        match self.held() {
            Held::Nothing => None,
            Held::Claim(claim) | Held::WithChange(claim) => Some(claim.token),
        }
    }

    /// The record of a change with what answers the call, which is then written with it.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub(crate) async fn answering(
        &self,
        record: Record,
        answer: Response,
    ) -> Result<(Record, Response), ApiError> {
        let Held::Claim(claim) = self.held() else {
            return Ok((record, answer));
        };
        let (kept, answer) = keeping(claim.clone(), answer).await?;
        self.set(Held::WithChange(claim));
        let record = Record {
            kept: Some(Box::new(kept)),
            ..record
        };
        Ok((record, answer))
    }

    /// Keeps a success that is not kept yet. Gives the key up after a refusal, unless an earlier call may have done what is refused now,
    /// and lets the claim go after a failure.
    async fn settled(&self, store: &Store, response: Response) -> Response {
        let status = response.status();
        let (written, response) = match self.held() {
            Held::Claim(claim) if status.is_success() => match keeping(claim, response).await {
                Ok((kept, response)) => (store.keep(&kept).await, response),
                Err(error) => return error.into_response(),
            },
            Held::WithChange(_) if status.is_success() => return response,
            Held::Claim(claim) | Held::WithChange(claim)
                if status.is_client_error() && !claim.is_taken_over =>
            {
                (store.give_up(&claim).await, response)
            }
            Held::Claim(claim) | Held::WithChange(claim) => (store.let_go(&claim).await, response),
            Held::Nothing => return response,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the answer to a request with an Idempotency-Key was not kept");
        }
        response
    }

    fn held(&self) -> Held {
        let held = self.held.lock();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, held: Held) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// An answer as it is kept, and itself.
async fn keeping(claim: Claim, answer: Response) -> Result<(Kept, Response), ApiError> {
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await;
    let bytes = bytes.map_err(|_| Code::Internal)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Code::Internal)?;
    let value = |name: &HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
    let headers = HEADERS.iter();
    let headers = headers.filter_map(|name| Some((name.to_string(), value(name)?)));
    let whole = FirstAnswer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: text.to_owned(),
    };
    let (lasting, whole) = match without_secrets(text) {
        Some(body) => (
            FirstAnswer {
                body,
                ..whole.clone()
            },
            Some(whole),
        ),
        None => (whole, None),
    };
    let kept = Kept {
        claim,
        lasting,
        whole,
    };
    Ok((kept, Response::from_parts(parts, Body::from(bytes))))
}

/// The body without its secrets; `None` if it has none.
fn without_secrets(body: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    let data = body.get_mut("data")?;
    let mut has_some = false;
    for (thing, member, comes_and_goes) in SECRETS {
        let Some(Value::Object(members)) = data.get_mut(thing) else {
            continue;
        };
        if !members.get(member).is_some_and(Value::is_string) {
            continue;
        }
        has_some = true;
        if comes_and_goes {
            members.shift_remove(member);
        } else {
            members[member] = Value::Null;
        }
    }
    has_some.then(|| body.to_string())
}

/// The answer of a repeat.
fn repeated(answer: FirstAnswer) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| Code::Internal)?;
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| Code::Internal)?;
        let value = HeaderValue::try_from(value).map_err(|_| Code::Internal)?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_secrets_keeps_the_rest_in_order() {
        for (whole, rest) in [
            (
                r#"{"success":true,"data":{"webhook":{"id":"w","secret":"whsec_x","url":"u"}}}"#,
                Some(r#"{"success":true,"data":{"webhook":{"id":"w","url":"u"}}}"#),
            ),
            (
                r#"{"success":true,"data":{"key":{"id":"k","name":null,"key":"rk_x"}}}"#,
                Some(r#"{"success":true,"data":{"key":{"id":"k","name":null}}}"#),
            ),
            (
                r#"{"success":true,"data":{"portal_link":{"id":"p","url":"https://x/#t=rp_x","token":"rp_x"}}}"#,
                Some(
                    r#"{"success":true,"data":{"portal_link":{"id":"p","url":null,"token":null}}}"#,
                ),
            ),
            (
                r#"{"success":true,"data":{"key":"6f2a","webhook":{"id":"w"}}}"#,
                None,
            ),
        ] {
            assert_eq!(without_secrets(whole).as_deref(), rest, "{whole}");
        }
    }
}

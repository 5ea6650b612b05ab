//! A client of Rung's own API.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Duration, timeout};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What the audit log shows of changes that are made here.
const USER_AGENT: &str = concat!("rung/", env!("CARGO_PKG_VERSION"));

/// The API as one key sees it. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: Option<String>,
    tenant: Option<String>,
}

/// What a call sends beside its path: a body of JSON, of lines of JSON, or none.
pub(super) enum Sent {
    Nothing,
    Json(Bytes),
    Lines(Bytes),
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{method} {url}: no response: {reason}; is Rung running there?")]
    NoAnswer {
        method: Method,
        url: String,
        reason: String,
    },
    #[error("{message} ({status}, {code})")]
    Refused {
        status: u16,
        code: String,
        message: String,
        /// The fields concerned, each with what is wrong.
        details: Vec<(String, String)>,
        /// What the answer has beside the error.
        data: Value,
        /// Who refused it.
        base: String,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u64>,
    },
    #[error("{method} {url}: unexpected response with status {status}; is Rung running there?")]
    NotRung {
        method: Method,
        url: String,
        status: u16,
    },
}

impl CallError {
    /// Whether the same call may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            // A page of something else stays one; a proxy may have lost Rung for a while.
            Self::Refused { status, .. } | Self::NotRung { status, .. } => {
                *status == 429 || *status >= 500
            }
        }
    }
}

impl Client {
    /// For a Rung at `base` (`http://…` or `https://…`), which `key` opens.
    pub(crate) fn new(base: &str, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::without_key(base)
        }
    }

    /// For what a Rung answers to everybody.
    pub(super) fn without_key(base: &str) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            key: None,
            tenant: None,
        }
    }

    /// The same, speaking for a tenant, as the operator's key may.
    pub(crate) fn for_tenant(&self, tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::GET, path, Sent::Nothing).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, CallError> {
        self.call(Method::POST, path, json(body)).await
    }

    pub(crate) async fn patch(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Value, CallError> {
        self.call(Method::PATCH, path, json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::DELETE, path, Sent::Nothing).await
    }

    /// The `data` of a success.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
    ) -> Result<Value, CallError> {
        let answer = self.send(method.clone(), path, sent).await?;
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if body["success"] == true {
            return Ok(body["data"].take());
        }
        Err(CallError::NotRung {
            method,
            url: format!("{}{path}", self.base),
            status: 200,
        })
    }

    /// A success as it came.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
    ) -> Result<Answer, CallError> {
        let url = format!("{}{path}", self.base);
        let no_answer = |reason: String| CallError::NoAnswer {
            method: method.clone(),
            url: url.clone(),
            reason,
        };
        let (status, answer) = timeout(PATIENCE, self.answer(&method, &url, sent))
            .await
            .map_err(|_| no_answer(format!("none came within {} s", PATIENCE.as_secs())))?
            .map_err(|error| no_answer(reason(&*error)))?;
        if status < 300 {
            return Ok(answer);
        }
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut error = refusal(status, &mut body).unwrap_or(CallError::NotRung {
            method,
            url,
            status,
        });
        if let CallError::Refused {
            base,
            retry_after_s,
            ..
        } = &mut error
        {
            base.clone_from(&self.base);
            let after = answer.headers.get(header::RETRY_AFTER);
            *retry_after_s = after.and_then(|after| after.to_str().ok()?.parse().ok());
        }
        Err(error)
    }

    async fn answer(
        &self,
        method: &Method,
        url: &str,
        sent: Sent,
    ) -> Result<(u16, Answer), Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder().method(method).uri(url);
        request = request.header(header::USER_AGENT, USER_AGENT);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("rung-tenant", tenant);
        }
        let (content_type, body) = match sent {
            Sent::Nothing => (None, Bytes::new()),
            Sent::Json(body) => (Some("application/json"), body),
            Sent::Lines(body) => (Some("application/x-ndjson"), body),
        };
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Full::new(body))?;
        let (head, body) = self.http.request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
        let headers = head.headers;
        Ok((head.status.as_u16(), Answer { headers, body }))
    }
}

/// The API's error, if it is one.
fn refusal(status: u16, body: &mut Value) -> Option<CallError> {
    // What comes from elsewhere may be no object.
    let data = body.get_mut("data").map(Value::take).unwrap_or_default();
    let error = &body["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let details = error["details"].as_array().into_iter().flatten();
    let details =
        details.filter_map(|detail| Some((text(&detail["field"])?, text(&detail["problem"])?)));
    Some(CallError::Refused {
        status,
        code: text(&error["code"])?,
        message: text(&error["message"])?,
        details: details.collect(),
        data,
        base: String::new(),
        retry_after_s: None,
    })
}

/// What is sent is built here, of maps with texts as keys: it has a JSON.
pub(super) fn json(body: &impl Serialize) -> Sent {
    Sent::Json(serde_json::to_vec(body).unwrap_or_default().into())
}

/// An error's last cause says most.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whatever stands before Rung may answer in its own way.
    #[test]
    fn an_answer_that_is_not_rungs_is_no_refusal() {
        for mut body in [json!(null), json!([]), json!("x"), json!(7), json!({})] {
            assert!(refusal(502, &mut body).is_none(), "{body}");
        }
        let mut body = json!({"error": {"code": "c", "message": "m"}, "data": {"results": []}});
        let refused = refusal(422, &mut body);
        assert!(
            matches!(refused, Some(CallError::Refused { data, .. }) if data["results"] == json!([]))
        );
    }
}

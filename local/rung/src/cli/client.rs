//! A client of Rung's own API.

use std::fs;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Duration, timeout};

use super::Error;

/// Where `rung dev` keeps the operator's key unless told otherwise.
const DEV_KEY: &str = "./.rung/admin-key";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The API as one key sees it. Clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: String,
    tenant: Option<String>,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
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
    },
    #[error("{method} {url}: unexpected response with status {status}; is Rung running there?")]
    NotRung {
        method: Method,
        url: String,
        status: u16,
    },
}

impl Client {
    /// For a Rung at `base` (`http://…` or `https://…`), which `key` opens.
    pub(super) fn new(base: &str, key: &str) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            tenant: None,
        }
    }

    /// The same, speaking for a tenant, as the operator's key may.
    pub(super) fn for_tenant(&self, tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_owned()),
            ..self.clone()
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, CallError> {
        self.call(Method::POST, path, Some(json(body))).await
    }

    pub(super) async fn patch(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Value, CallError> {
        self.call(Method::PATCH, path, Some(json(body))).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::DELETE, path, None).await
    }

    /// The `data` of a success.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, CallError> {
        let url = format!("{}{path}", self.base);
        let no_answer = |reason: String| CallError::NoAnswer {
            method: method.clone(),
            url: url.clone(),
            reason,
        };
        let (status, text) = timeout(PATIENCE, self.answer(&method, &url, body))
            .await
            .map_err(|_| no_answer(format!("none came within {} s", PATIENCE.as_secs())))?
            .map_err(|error| no_answer(reason(&*error)))?;
        let mut answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        if answer["success"] == true {
            return Ok(answer["data"].take());
        }
        let told = |name: &str| answer["error"][name].as_str().map(str::to_owned);
        match (told("code"), told("message")) {
            (Some(code), Some(message)) => Err(CallError::Refused {
                status,
                code,
                message,
            }),
            _ => Err(CallError::NotRung {
                method,
                url,
                status,
            }),
        }
    }

    async fn answer(
        &self,
        method: &Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        if let Some(tenant) = &self.tenant {
            request = request.header("rung-tenant", tenant);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let (head, body) = self.http.request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
        Ok((head.status.as_u16(), body))
    }
}

/// The key that `rung dev` keeps where the command is run.
pub(super) fn dev_key() -> Result<String, Error> {
    let key = fs::read_to_string(DEV_KEY);
    let key = key.map_err(|_| format!("set RUNG_KEY to a key ({DEV_KEY} not found)"))?;
    Ok(key.trim().to_owned())
}

/// What is sent is built here, of maps with texts as keys: it has a JSON.
fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}

/// An error's last cause says most.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().unwrap_or(error).to_string()
}

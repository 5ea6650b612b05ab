//! A client of the HTTP API that checks the envelope of every answer.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::watch;

use crate::patience::PATIENCE;
use crate::secrets::Secrets;

/// The API as one key sees it. Clones share their connections.
#[derive(Clone)]
pub struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    addr: watch::Receiver<SocketAddr>,
    /// What went over it that the process must not write.
    secrets: Secrets,
    headers: Vec<(String, String)>,
}

impl Api {
    /// A client with this key, for wherever the process listens at the time of a call.
    pub(crate) fn new(addr: watch::Receiver<SocketAddr>, secrets: Secrets, key: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            http,
            addr,
            secrets,
            headers: Vec::new(),
        }
        .with_key(key)
    }

    /// The same with another key.
    pub fn with_key(&self, key: &str) -> Self {
        self.secrets.keep(key);
        self.without_key()
            .with_header("Authorization", &format!("Bearer {key}"))
    }

    /// The same with no key at all.
    pub fn without_key(&self) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(name, _)| name != "Authorization");
        other
    }

    /// The same speaking for a tenant, as the operator may.
    pub fn for_tenant(&self, id: &str) -> Self {
        self.with_header("Rung-Tenant", id)
    }

    /// The same with one more header on every call.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path).send().await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path).body(body.to_string()).send().await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.call("PUT", path).body(body.to_string()).send().await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call("PATCH", path).body(body.to_string()).send().await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path).send().await
    }

    /// Any call, for [`Call::send`].
    pub fn call<'a>(&'a self, method: &'a str, path: &'a str) -> Call<'a> {
        Call {
            api: self,
            method,
            path,
            body: None,
        }
    }
}

/// A call being put together.
pub struct Call<'a> {
    api: &'a Api,
    method: &'a str,
    path: &'a str,
    body: Option<Bytes>,
}

impl Call<'_> {
    /// The body, byte for byte, sent as `application/json`.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send(self) -> Reply {
        let line = format!("{} {}", self.method, self.path);
        let answer = tokio::time::timeout(PATIENCE, self.try_send()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{line}: no answer"));
        answer.unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends it, where the process may die under the call.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub async fn try_send(self) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let addr = *self.api.addr.borrow();
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(format!("http://{addr}{}", self.path));
        for (name, value) in &self.api.headers {
            request = request.header(name, value);
        }
        if self.body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let body = self.body.unwrap_or_default();
        self.api.secrets.keep_of_request(&body);
        let request = request.body(Full::new(body))?;
        let (head, body) = self.api.http.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.api.secrets.keep_of_answer(&body);
        Ok(Reply::new(
            &format!("{} {}", self.method, self.path),
            head,
            &body,
        ))
    }
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What was asked, for messages.
    call: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Reply {
    fn new(call: &str, head: http::response::Parts, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            call: call.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            text,
            body,
        }
    }

    /// The `data` of a success with this status.
    #[track_caller]
    pub fn data(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{} answered: {}", self.call, self.text);
        self.ok()
    }

    /// The `data` of a success.
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert!(
            (200..300).contains(&self.status),
            "{} answered {}: {}",
            self.call,
            self.status,
            self.text
        );
        assert_eq!(self.body["success"], true, "{}: {}", self.call, self.text);
        let data = &self.body["data"];
        assert!(data.is_object(), "{}: no data in {}", self.call, self.text);
        data
    }

    /// The `error` of a refusal with this status and code, its envelope checked.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Value {
        let seen = format!("{} answered {}: {}", self.call, self.status, self.text);
        assert_eq!(self.status, status, "{seen}");
        assert_eq!(self.body["success"], false, "{seen}");
        assert!(self.body.get("data").is_none(), "{seen}");
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{seen}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            message.contains(' '),
            "no message that a person could act on: {seen}"
        );
        assert!(error["details"].is_array(), "details are a list: {seen}");
        error
    }

    /// A refusal with this status and code that is about this field and no other.
    #[track_caller]
    pub fn refused_for(&self, status: u16, code: &str, field: &str) -> &Value {
        let error = self.refused(status, code);
        let details = error["details"].as_array().expect("checked above").iter();
        let fields: Vec<_> = details.map(|detail| &detail["field"]).collect();
        assert_eq!(fields, [field], "{} answered {}", self.call, self.text);
        error
    }
}

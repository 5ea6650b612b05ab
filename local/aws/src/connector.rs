//! What takes the network's place under an SDK client: an HTTP client whose every connection
//! leads to a [`Backend`] in this process.

use std::fmt;

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;

use super::Aws;

/// A service's answer, as far as the SDK looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header `x-amzn-query-error`, by which SQS clients tell errors: `CODE;Sender`.
    pub query_error: Option<String>,
    /// The JSON body.
    pub body: Vec<u8>,
}

impl Response {
    /// A success with this body.
    pub fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            query_error: None,
            body,
        }
    }

    /// The error for a target that no service here knows.
    pub fn unknown_operation() -> Self {
        let body = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
        Self {
            status: 400,
            query_error: None,
            body: body.into(),
        }
    }

    /// The answer as the SDK wants it.
    ///
    /// # Errors
    /// The status or the header is none that HTTP allows.
    pub fn into_http(self) -> Result<HttpResponse, ConnectorError> {
        let status = self
            .status
            .try_into()
            .map_err(|error| ConnectorError::other(Box::new(error), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(self.body));
        if let Some(query_error) = self.query_error {
            response
                .headers_mut()
                .try_insert("x-amzn-query-error", query_error)
                .map_err(|error| ConnectorError::other(Box::new(error), None))?;
        }
        Ok(response)
    }
}

/// What answers the calls of SDK clients: an [`Aws`], or something around one that counts its calls, delays or refuses them.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Answers a call.
    ///
    /// # Errors
    /// The call's answer is lost on the way.
    fn call(
        &self,
        target: &str,
        body: &[u8],
    ) -> impl Future<Output = Result<Response, ConnectorError>> + Send;
}

impl Backend for Aws {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        Ok(self.dispatch(target, body).await)
    }
}

/// The HTTP client of an SDK client whose calls a [`Backend`] in this process answers.
#[derive(Clone)]
pub struct InProcess<B>(B);

impl<B: Backend> InProcess<B> {
    /// A client whose requests `backend` answers.
    pub fn new(backend: B) -> Self {
        Self(backend)
    }
}

impl<B> fmt::Debug for InProcess<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl<B: Backend> HttpClient for InProcess<B> {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<B: Backend> HttpConnector for InProcess<B> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(backend) = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let body = request.body().bytes().unwrap_or_default();
            backend.call(target, body).await?.into_http()
        })
    }
}

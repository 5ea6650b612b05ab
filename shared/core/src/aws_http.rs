//! The HTTP client under the AWS clients: hyper over rustls, with the roots compiled in.
//!
//! The SDK's own reads the machine's certificates whenever a client is built. This one reads nothing at the start and opens its
//! connections when they are needed. AWS answers over HTTP/1.1 only.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use aws_smithy_runtime_api::client::{
    connection::{CaptureSmithyConnection, ConnectionMetadata},
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        self,
        connect::{CaptureConnection, HttpConnector as Tcp, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Within a region a connection takes a millisecond or two.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// AWS closes connections that were idle for longer than a few minutes; a function may sleep for that long.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A client that trusts the roots that were compiled in. `http` endpoints are for stand-ins.
pub(crate) fn client() -> SharedHttpClient {
    client_trusting(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

fn client_trusting(roots: RootCertStore) -> SharedHttpClient {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    let client = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .build(HttpsConnector::from((tcp, tls)));
    SharedHttpClient::new(Hyper(SharedHttpConnector::new(Connector(client))))
}

/// One pool of connections for all AWS clients.
#[derive(Debug)]
struct Hyper(SharedHttpConnector);

impl HttpClient for Hyper {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.clone()
    }
}

struct Connector(legacy::Client<HttpsConnector<Tcp>, SdkBody>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let used = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || Some(connection(used.clone())));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = answer.await.map_err(failure)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// How the SDK takes a connection out of use over which a request has failed.
fn connection(used: CaptureConnection) -> ConnectionMetadata {
    ConnectionMetadata::builder()
        .proxied(false)
        .poison_fn(move || {
            if let Some(connected) = used.connection_metadata().as_ref() {
                connected.poison();
            }
        })
        .build()
}

/// The SDK tries again what broke on the way.
fn failure(error: legacy::Error) -> ConnectorError {
    let hyper = error.source().and_then(|source| source.downcast_ref());
    if hyper.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

//! SDK clients for services that are a function call away.
//!
//! By default an SDK client spends most of a call on what a network needs: signing, retries,
//! time-outs, the watch for stalled streams, endpoint rules, clock skew, and headers that tell who
//! calls. None of it means anything inside one process, and without it a call costs a fraction.

use aws_runtime::{
    invocation_id::InvocationIdInterceptor, request_info::RequestInfoInterceptor,
    service_clock_skew::ServiceClockSkewInterceptor, user_agent::UserAgentInterceptor,
};
use aws_sdk_dynamodb::config as dynamodb;
use aws_sdk_sqs::config as sqs;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{AuthSchemeId, AuthSchemeOption, AuthSchemeOptionsFuture},
        endpoint::EndpointFuture,
        http::{HttpClient, SharedHttpClient},
        interceptors::{
            Intercept, context::BeforeSerializationInterceptorContextRef, disable_interceptor,
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
};
use aws_smithy_types::{
    config_bag::{ConfigBag, FrozenLayer, Layer},
    endpoint::Endpoint,
    retry::RetryConfig,
    timeout::TimeoutConfig,
};

/// Clients of DynamoDB and SQS over `http`: an [`InProcess`](super::connector::InProcess), or
/// something around one. They neither sign nor retry nor time out; answers with an error come
/// back as they are.
pub fn clients(http: impl HttpClient + 'static) -> (aws_sdk_dynamodb::Client, aws_sdk_sqs::Client) {
    let http = SharedHttpClient::new(http);
    let dynamodb = dynamodb::Builder::new()
        .behavior_version_latest()
        .http_client(http.clone())
        .region(dynamodb::Region::from_static(REGION))
        .allow_no_auth()
        .auth_scheme_resolver(Unsigned)
        .endpoint_resolver(Fixed::new())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .disable_clock_skew_correction(true)
        .interceptor(Bare::new())
        .build();
    let sqs = sqs::Builder::new()
        .behavior_version_latest()
        .http_client(http)
        .region(sqs::Region::from_static(REGION))
        .allow_no_auth()
        .auth_scheme_resolver(Unsigned)
        .endpoint_resolver(Fixed::new())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .disable_clock_skew_correction(true)
        .interceptor(Bare::new())
        .build();
    (
        aws_sdk_dynamodb::Client::from_conf(dynamodb),
        aws_sdk_sqs::Client::from_conf(sqs),
    )
}

/// The region of what is on this machine.
pub(super) const REGION: &str = "local";

/// Signs nothing.
#[derive(Debug)]
struct Unsigned;

impl Unsigned {
    /// Smithy's scheme for requests that are not signed.
    const SCHEME: AuthSchemeId = AuthSchemeId::new("noAuth");

    fn options<'a>() -> AuthSchemeOptionsFuture<'a> {
        AuthSchemeOptionsFuture::ready(Ok(vec![AuthSchemeOption::from(Self::SCHEME)]))
    }
}

impl dynamodb::auth::ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _: &'a dynamodb::auth::Params,
        _: &'a ConfigBag,
        _: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        Self::options()
    }
}

impl sqs::auth::ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _: &'a sqs::auth::Params,
        _: &'a ConfigBag,
        _: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        Self::options()
    }
}

/// One endpoint for everything; nothing is ever looked up or dialled.
#[derive(Debug)]
struct Fixed {
    endpoint: Endpoint,
}

impl Fixed {
    fn new() -> Self {
        Self {
            endpoint: Endpoint::builder().url("http://aws.invalid").build(),
        }
    }
}

impl dynamodb::endpoint::ResolveEndpoint for Fixed {
    fn resolve_endpoint<'a>(&'a self, _: &'a dynamodb::endpoint::Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.endpoint.clone()))
    }
}

impl sqs::endpoint::ResolveEndpoint for Fixed {
    fn resolve_endpoint<'a>(&'a self, _: &'a sqs::endpoint::Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.endpoint.clone()))
    }
}

/// Turns off the interceptors that only write headers nobody here reads.
#[derive(Debug)]
struct Bare {
    layer: FrozenLayer,
}

impl Bare {
    fn new() -> Self {
        const WHY: &str = "nothing in this process reads the header";
        let mut layer = Layer::new("bare");
        layer
            .store_put(disable_interceptor::<UserAgentInterceptor>(WHY))
            .store_put(disable_interceptor::<InvocationIdInterceptor>(WHY))
            .store_put(disable_interceptor::<RequestInfoInterceptor>(WHY))
            .store_put(disable_interceptor::<ServiceClockSkewInterceptor>(WHY));
        Self {
            layer: layer.freeze(),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Bare {
    fn name(&self) -> &'static str {
        "Bare"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.push_shared_layer(self.layer.clone());
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::{
        http::{
            HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::HttpRequest,
    };

    use crate::Response;

    #[derive(Clone, Debug, Default)]
    struct Recorder {
        headers: Arc<Mutex<Vec<String>>>,
    }

    impl HttpConnector for Recorder {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let names = request.headers().iter().map(|(name, _)| name.to_owned());
            self.headers.lock().unwrap().extend(names);
            let failure = Response {
                status: 500,
                query_error: None,
                body: b"{}".to_vec(),
            };
            HttpConnectorFuture::ready(failure.into_http())
        }
    }

    #[tokio::test]
    async fn a_call_goes_out_once_unsigned_and_bare() {
        let recorder = Recorder::default();
        let connector = SharedHttpConnector::new(recorder.clone());
        let http = http_client_fn(move |_: &HttpConnectorSettings, _| connector.clone());
        let (dynamodb, sqs) = super::clients(http);
        let receive = sqs.receive_message().queue_url("http://aws.invalid/0/q");
        receive.send().await.unwrap_err();
        dynamodb
            .describe_table()
            .table_name("t")
            .send()
            .await
            .unwrap_err();

        let mut headers = recorder.headers.lock().unwrap().clone();
        let count = |name: &str| headers.iter().filter(|own| *own == name).count();
        assert_eq!(count("x-amz-target"), 2, "each call once: {headers:?}");
        let protocol = [
            "x-amz-target",
            "x-amzn-query-mode",
            "content-type",
            "content-length",
        ];
        headers.retain(|name| !protocol.contains(&name.as_str()));
        assert_eq!(headers, Vec::<String>::new());
    }
}

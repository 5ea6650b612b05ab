//! Requests as API Gateway hands them to a function.

use std::net::IpAddr;

use http::{Extensions, HeaderName, header};
use lambda_http::{
    LambdaEvent,
    request::{LambdaRequest, RequestContext},
};
use url::Url;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The address that a request came from, put into its extensions by a server that knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The address that a request came from: what the server says, or API Gateway.
#[must_use]
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    if let Some(Peer(address)) = extensions.get() {
        return Some(*address);
    }
    match extensions.get()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref()?.parse().ok(),
        _ => None,
    }
}

/// The request in a form that the adapter between Lambda and HTTP can turn into one.
///
/// The adapter builds an absolute URI of the scheme in `X-Forwarded-Proto`, the host in `Host` or the request's context, the path
/// and the query as they came, and panics where that is no URI. Rung reads none of the first three, so they are left out. In the
/// query, what no URI can hold is percent-encoded, as browsers do.
#[must_use]
pub fn readable(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.headers.remove(header::HOST);
        request.headers.remove(X_FORWARDED_PROTO);
        request.request_context.domain_name = None;
        if let Some(query) = &mut request.raw_query_string
            && let Ok(mut url) = Url::parse("http://localhost")
        {
            url.set_query(Some(query));
            url.query().unwrap_or_default().clone_into(query);
        }
    }
    event
}

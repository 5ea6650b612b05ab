//! Requests as API Gateway hands them to a function.

use std::net::IpAddr;

use http::Extensions;
use lambda_http::{
    LambdaEvent,
    request::{LambdaRequest, RequestContext},
};
use url::Url;

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

/// The request in a form that the adapter between Lambda and HTTP can turn into one. API Gateway hands over a query as it came,
/// and the adapter panics at what no URI can hold; here that is percent-encoded, as browsers do.
#[must_use]
pub fn readable(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload
        && let Some(query) = &mut request.raw_query_string
        && let Ok(mut url) = Url::parse("http://localhost")
    {
        url.set_query(Some(query));
        url.query().unwrap_or_default().clone_into(query);
    }
    event
}

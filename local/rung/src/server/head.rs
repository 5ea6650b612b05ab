//! How long a request's head may be: the parser bounds what it waits for, not what it has already.

use axum::{extract::Request, middleware::Next, response::Response};
use rung_api::{ApiError, Code};

use super::BUFFER_BYTES;

/// Refuses a request whose head is too long.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    if bytes(&request) > BUFFER_BYTES {
        return rung_api::refusal(ApiError::from(Code::HeadersTooLarge));
    }
    next.run(request).await
}

/// How many bytes a head has, without blanks that mean nothing.
fn bytes(request: &Request) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n".len();
    const FIELD: usize = ": \r\n".len();
    const END: usize = "\r\n".len();
    let target = request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + LINE;
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    line + fields.sum::<usize>() + END
}

//! Long answers are packed for clients that unpack them: the names in lists and in the description repeat. What is always the same is
//! packed in the binary already.

use std::{
    fmt::Display,
    io::{self, Read as _, Write as _},
};

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};
use rung_api::{ApiError, Code};

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What is shorter gains nothing.
const LEAST_BYTES: u64 = 1_024;

/// Packs the answer if it is long and the client says that it takes gzip.
pub(crate) async fn packed(request: Request, next: Next) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let response = next.run(request).await;
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return marked(response);
    }
    if !takes_gzip || response.body().size_hint().lower() < LEAST_BYTES {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // All answers are in memory already.
    let packed = match to_bytes(body, usize::MAX).await {
        Ok(body) => gzip(&body).map_err(axum::Error::new),
        Err(error) => Err(error),
    };
    match packed {
        Ok(packed) => {
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.insert(header::CONTENT_ENCODING, GZIP);
            marked(Response::from_parts(head, Body::from(packed)))
        }
        Err(error) => failed(error),
    }
}

/// The answer of what is packed in the binary, as far as the client takes it so.
pub(crate) fn of_packed(request: &HeaderMap, packed: &'static [u8]) -> Response {
    if takes_gzip(request) {
        return ([(header::CONTENT_ENCODING, GZIP)], packed).into_response();
    }
    let mut plain = Vec::new();
    match GzDecoder::new(packed).read_to_end(&mut plain) {
        Ok(_) => plain.into_response(),
        Err(error) => failed(error),
    }
}

/// A packed answer, whose tag is not that of the plain one.
fn marked(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let by = HeaderValue::from_static("accept-encoding");
    headers.append(header::VARY, by);
    if let Some(tag) = headers.get(header::ETAG).and_then(rung_api::packed) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn failed(error: impl Display) -> Response {
    tracing::error!(%error, "a response cannot be packed or unpacked");
    ApiError::from(Code::Internal).into_response()
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(body)?;
    packer.finish()
}

/// Whether `Accept-Encoding` names gzip, and not with a weight of nothing.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        name.trim().eq_ignore_ascii_case("gzip") && weight.parse::<f32>().is_ok_and(|it| it > 0.0)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_named_with_a_weight() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br, GZIP", true),
            ("deflate, gzip;q=0.5, *;q=0", true),
            ("gzip; q=1.0", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=much", false),
            ("identity", false),
            ("xgzip", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepted.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), takes, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}

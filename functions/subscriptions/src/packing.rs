//! Long answers are packed for clients that unpack them: the names in lists and in the description repeat.

use std::io::{self, Write as _};

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};
use rung_api::{ApiError, Code};

/// What is shorter gains nothing.
const LEAST_BYTES: u64 = 1_024;

/// Packs the answer if it is long and the client says that it takes gzip.
pub(crate) async fn packed(request: Request, next: Next) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let response = next.run(request).await;
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
            let gzip = HeaderValue::from_static("gzip");
            head.headers.insert(header::CONTENT_ENCODING, gzip);
            let by = HeaderValue::from_static("accept-encoding");
            head.headers.append(header::VARY, by);
            if let Some(tag) = head.headers.get(header::ETAG).and_then(rung_api::packed) {
                head.headers.insert(header::ETAG, tag);
            }
            Response::from_parts(head, Body::from(packed))
        }
        Err(error) => {
            tracing::error!(%error, "a response cannot be packed");
            ApiError::from(Code::Internal).into_response()
        }
    }
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

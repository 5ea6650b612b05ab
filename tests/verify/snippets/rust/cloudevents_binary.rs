// Needs the crates http and subtle.
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

/// Whether a delivery of the dialect cloudevents-binary is genuine. The header has the secret itself: nothing proves that the body is as it was sent.
pub fn verify(headers: &HeaderMap, _body: &[u8], secret: &str) -> bool {
    let Some(header) = headers.get("authorization") else {
        return false;
    };
    let expected = format!("Bearer {secret}");
    !secret.is_empty() && header.as_bytes().ct_eq(expected.as_bytes()).into()
}

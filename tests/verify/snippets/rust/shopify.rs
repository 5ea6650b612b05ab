// Needs the crates base64, hmac 0.13, http, sha2 0.11 and subtle.
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Whether a delivery of the dialect shopify is genuine; `body` is the raw body.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    is_signed(headers, body, secret).unwrap_or(false)
}

fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<bool> {
    let header = headers.get("x-shopify-hmac-sha256")?.to_str().ok()?;
    let key = secret.as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(body);
    let signature = BASE64.encode(mac.finalize().into_bytes());
    Some(header.as_bytes().ct_eq(signature.as_bytes()).into())
}

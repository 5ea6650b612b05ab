// Needs the crates base64, hmac 0.13, http, sha2 0.11 and subtle.
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

const TOLERANCE_S: u64 = 300;

/// Whether a delivery of the dialect standard is genuine; `body` is the raw body.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    is_signed(headers, body, secret).unwrap_or(false)
}

fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<bool> {
    let header = headers.get("webhook-signature")?.to_str().ok()?;
    let id = headers.get("webhook-id")?.to_str().ok()?;
    let timestamp = headers.get("webhook-timestamp")?.to_str().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if now.abs_diff(timestamp.parse().ok()?) > TOLERANCE_S {
        return Some(false);
    }
    let key = BASE64.decode(secret.strip_prefix("whsec_")?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let expected = format!("v1,{signature}");
    let mut given = header.split(" ");
    Some(given.any(|one| one.as_bytes().ct_eq(expected.as_bytes()).into()))
}

//! Whether a delivery that a key pair has signed (`v1a` of Standard Webhooks) is genuine. With the crates base64, ed25519-dalek and http.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;

const TOLERANCE_S: u64 = 300;

/// `body` is the raw body, as in axum's `Bytes`; `public_key` is the webhook's `public_key`, `whpk_…`.
pub fn verify(headers: &HeaderMap, body: &[u8], public_key: &str) -> bool {
    checked(headers, body, public_key).unwrap_or(false)
}

fn checked(headers: &HeaderMap, body: &[u8], public_key: &str) -> Option<bool> {
    let id = headers.get("webhook-id")?.to_str().ok()?;
    let timestamp = headers.get("webhook-timestamp")?.to_str().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if now.abs_diff(timestamp.parse().ok()?) > TOLERANCE_S {
        return Some(false);
    }
    let key = BASE64.decode(public_key.strip_prefix("whpk_")?).ok()?;
    let key = VerifyingKey::from_bytes(key.as_slice().try_into().ok()?).ok()?;
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let holds = |given: &str| {
        let signature = BASE64.decode(given.strip_prefix("v1a,")?).ok()?;
        let signature = Signature::from_slice(&signature).ok()?;
        key.verify_strict(&signed, &signature).ok()
    };
    let header = headers.get("webhook-signature")?.to_str().ok()?;
    Some(header.split(' ').any(|given| holds(given).is_some()))
}

// Needs the crates hex, hmac 0.13, http, jiff, sha2 0.11 and subtle.
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

const TOLERANCE_S: u64 = 300;

/// Whether a delivery of the dialect twitch is genuine; `body` is the raw body.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    is_signed(headers, body, secret).unwrap_or(false)
}

fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<bool> {
    let header = headers.get("twitch-eventsub-message-signature")?.to_str().ok()?;
    let id = headers.get("twitch-eventsub-message-id")?.to_str().ok()?;
    let timestamp = headers.get("twitch-eventsub-message-timestamp")?.to_str().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if now.abs_diff(timestamp.parse::<jiff::Timestamp>().ok()?.as_second().try_into().ok()?) > TOLERANCE_S {
        return Some(false);
    }
    let key = secret.as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}{timestamp}").as_bytes());
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    let expected = format!("sha256={signature}");
    Some(header.as_bytes().ct_eq(expected.as_bytes()).into())
}

//! Whether a request is a delivery of Rung's own, as its header `Rung-Hops` says.

use http::HeaderMap;
use rung_core::{
    domain::hops::{HOPS, Hops, HopsFault},
    limits::HOPS_MAX,
};

use super::{ApiError, Code, auth::single};

/// The header as people know it.
const NAME: &str = "Rung-Hops";

/// The deliveries in a row that a publishing request ends.
///
/// # Errors
/// 422 when they are too many, and when the header stands twice or is no count: it never counts for less than it may say.
pub fn hops(headers: &HeaderMap) -> Result<Hops, ApiError> {
    match single(headers, NAME)? {
        Some(value) => counted(NAME, value.to_str().unwrap_or_default()),
        None => Ok(Hops::NONE),
    }
}

/// The same of a count that stands in another place of a request.
///
/// # Errors
/// 422 when they are too many, or it is no count.
pub fn counted(field: &str, text: &str) -> Result<Hops, ApiError> {
    Hops::parse(text).map_err(|fault| match fault {
        HopsFault::TooMany => {
            let problem = format!(
                "loop detected: {HOPS_MAX} deliveries in a row have led to this request; change the URL of one of the webhooks"
            );
            ApiError::of_field(Code::LoopDetected, field, problem)
        }
        HopsFault::Malformed => {
            let problem = "must be the number from the delivery; omit it otherwise";
            ApiError::of_field(Code::InvalidRequest, field, problem)
        }
    })
}

/// Refuses a request that is a delivery, whatever its count: one that asks for more deliveries would begin a count of their own.
pub(super) fn refuse_delivery(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(HOPS) {
        let problem = "a delivery may only publish; change the URL of the webhook that leads here";
        return Err(ApiError::of_field(Code::LoopDetected, NAME, problem));
    }
    Ok(())
}

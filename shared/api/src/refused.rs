//! Events that are refused, as those who sent them see it.

use rung_core::flow::accept::Refusal;

use crate::{ApiError, Code, Detail};

/// A refusal as its client sees it; `path` leads to the event within the request, `event_type` is the
/// field of its type, and `by_key` says whether an `Idempotency-Key`
/// stands for its id.
#[must_use]
pub fn refused(refusal: Refusal, path: &str, event_type: &str, by_key: bool) -> ApiError {
    let text = refusal.to_string();
    let of = |code, field: &str| ApiError::of_field(code, format!("{path}{field}"), text.clone());
    match &refusal {
        Refusal::UnknownType { .. } => of(Code::UnknownEventType, event_type),
        Refusal::Conflict { .. } if by_key => ApiError::of_field(
            Code::IdempotencyMismatch,
            "Idempotency-Key",
            "was used for an event with other content; publish changed content under a new key",
        ),
        Refusal::Conflict { .. } => of(Code::EventIdReused, "id"),
        Refusal::Erased { .. } if by_key => ApiError::of_field(
            Code::EventErased,
            "Idempotency-Key",
            "was used for an event that was erased and is not sent again; publish new content under a new key",
        ),
        Refusal::Erased { .. } => of(Code::EventErased, "id"),
        Refusal::TooLarge { .. } => of(Code::PayloadTooLarge, "data"),
        Refusal::UnstableNumber { field, .. } => of(Code::UnstableNumber, field),
        Refusal::ReservedMember { field, .. } => of(Code::ReservedMember, field),
        Refusal::Schema { violations, .. } => {
            let details = violations.iter().map(|violation| {
                let mut place = violation.path.clone();
                place.enter_key("data");
                let field = format!("{path}{place}");
                Detail::new(Code::SchemaViolation, field, violation.problem.clone())
            });
            ApiError::of_fields(Code::SchemaViolation, details.collect())
        }
        Refusal::Archived { .. } => of(Code::EventTypeArchived, event_type),
        Refusal::UnusableSchema { .. } => of(Code::UnusableSchema, event_type),
        Refusal::NotAnObject { field } => of(Code::InvalidRequest, field),
        Refusal::Unavailable => ApiError::new(Code::Unavailable, text),
    }
}

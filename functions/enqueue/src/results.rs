//! What a batch is answered with.

use axum::response::Response;
use http::StatusCode;
use rung_api::{ApiError, Code, answer, refused_with};
use serde::Serialize;

use crate::Published;

#[derive(Serialize)]
struct Batch {
    /// How many events were accepted.
    accepted: usize,
    /// How many were not.
    refused: usize,
    results: Vec<BatchResult>,
}

/// One event's result, with what its own answer would be.
#[derive(Serialize)]
struct BatchResult {
    success: bool,
    /// The status of its own answer.
    status: u16,
    /// Whether it had been accepted before.
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ApiError>,
}

impl From<Result<Published, ApiError>> for BatchResult {
    fn from(result: Result<Published, ApiError>) -> Self {
        match result {
            Ok(published) => Self {
                success: true,
                status: StatusCode::ACCEPTED.as_u16(),
                duplicate: published.duplicate,
                data: Some(published),
                error: None,
            },
            Err(error) => Self {
                success: false,
                status: error.code.status().as_u16(),
                duplicate: false,
                data: None,
                error: Some(error),
            },
        }
    }
}

/// The answer to a batch: 202 if all of its events were accepted, 207 if some were. If none was, it is an error with the results
/// beside it: of those that may succeed later, the one with the longest wait, so that whoever goes by the status repeats the
/// request; else 422.
pub(crate) fn answered(results: Vec<Result<Published, ApiError>>) -> Response {
    let accepted = results.iter().flatten().count();
    let refused = results.len() - accepted;
    let errors = results.iter().filter_map(|result| result.as_ref().err());
    let passing = errors.filter(|error| error.code.is_retryable());
    let none = passing.max_by_key(|error| error.retry_after_s);
    let none = none.map_or_else(
        || Code::BatchRefused.into(),
        |error| ApiError {
            details: Vec::new(),
            ..error.clone()
        },
    );
    let batch = Batch {
        accepted,
        refused,
        results: results.into_iter().map(BatchResult::from).collect(),
    };
    match (accepted, refused) {
        (_, 0) => rung_api::located(answer(StatusCode::ACCEPTED, batch), "/v1/events"),
        (0, _) => refused_with(none, batch),
        _ => answer(StatusCode::MULTI_STATUS, batch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of a batch of which none was accepted, and its `Retry-After`.
    fn refused(errors: Vec<ApiError>) -> (u16, Option<String>) {
        let answered = answered(errors.into_iter().map(Err).collect());
        let wait = answered.headers().get(http::header::RETRY_AFTER);
        let wait = wait.map(|wait| wait.to_str().unwrap_or_default().to_owned());
        (answered.status().as_u16(), wait)
    }

    #[test]
    fn a_batch_of_which_something_may_succeed_later_is_to_be_repeated() {
        let limited = || ApiError::from(Code::RateLimited).retry_after_s(1);
        let used_up = || ApiError::from(Code::QuotaExceeded).retry_after_s(600);
        let unknown = || ApiError::from(Code::UnknownEventType);
        let away = || ApiError::from(Code::Unavailable);
        let waits = |seconds: &str| Some(seconds.to_owned());
        assert_eq!(refused(vec![limited(), limited()]), (429, waits("1")));
        assert_eq!(refused(vec![used_up(), away()]), (429, waits("600")));
        assert_eq!(refused(vec![away(), away()]), (503, waits("1")));
        assert_eq!(refused(vec![unknown(), limited()]), (429, waits("1")));
        assert_eq!(refused(vec![unknown(), unknown()]), (422, None));
    }
}

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
/// beside it: 503 if all of them failed for Rung's own reasons, so that the same request may succeed later, else 422.
pub(crate) fn answered(results: Vec<Result<Published, ApiError>>) -> Response {
    let accepted = results.iter().flatten().count();
    let refused = results.len() - accepted;
    let is_unavailable = |result: &Result<Published, ApiError>| matches!(result, Err(error) if error.code == Code::Unavailable);
    let none = if results.iter().all(is_unavailable) {
        Code::Unavailable
    } else {
        Code::BatchRefused
    };
    let batch = Batch {
        accepted,
        refused,
        results: results.into_iter().map(BatchResult::from).collect(),
    };
    match (accepted, refused) {
        (_, 0) => rung_api::located(answer(StatusCode::ACCEPTED, batch), "/v1/events"),
        (0, _) => refused_with(none.into(), batch),
        _ => answer(StatusCode::MULTI_STATUS, batch),
    }
}

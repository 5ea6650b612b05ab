//! What an examination tells.

use serde::Serialize;

/// What is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "ReceiverCheckName"))]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// It accepts a genuine delivery.
    Delivery,
    /// It accepts the same delivery again.
    Repeat,
    /// It accepts texts beyond ASCII.
    Unicode,
    /// It accepts numbers beyond JavaScript's, or up to them where receivers verify what they parsed.
    Numbers,
    /// It accepts data without members.
    EmptyData,
    /// It refuses a body that was changed after it was signed.
    ChangedBody,
    /// It refuses what another secret has signed.
    OtherSecret,
    /// It refuses a delivery without a signature.
    NoSignature,
    /// It refuses what was signed an hour ago.
    OldTimestamp,
    /// Each genuine delivery took it at most half of the time-out.
    Speed,
}

/// What a check has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "ReceiverCheckOutcome"))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong.
    Failed,
    /// It was not examined.
    Skipped,
}

/// A check and what it has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "ReceiverCheck"))]
pub struct Finding {
    /// What was examined.
    pub check: Check,
    /// What it has shown.
    pub outcome: Outcome,
    /// The answer's status; null without an answer.
    pub response_status: Option<u16>,
    /// How long the answer took, in milliseconds; of `speed` the longest. Null if nothing was sent.
    pub elapsed_ms: Option<u64>,
    /// What is wrong, or why it was not examined.
    pub problem: Option<String>,
    /// How to mend what is wrong.
    pub mend: Option<String>,
}

impl Finding {
    pub(crate) fn passed(
        check: Check,
        response_status: Option<u16>,
        elapsed_ms: Option<u64>,
    ) -> Self {
        Self {
            check,
            outcome: Outcome::Passed,
            response_status,
            elapsed_ms,
            problem: None,
            mend: None,
        }
    }

    pub(crate) fn skipped(check: Check, reason: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Skipped,
            problem: Some(reason.into()),
            ..Self::passed(check, None, None)
        }
    }

    pub(crate) fn failed(self, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Failed,
            problem: Some(problem.into()),
            mend: Some(mend.into()),
            ..self
        }
    }
}

/// What an examination has shown. Neither secrets nor payloads stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Report {
    /// The receiver's URL.
    pub url: String,
    /// The dialect of the requests that were sent to it.
    pub dialect: String,
    /// The type whose sample was sent.
    pub event_type: String,
    /// Whether nothing is wrong, and nothing was left out for lack of time.
    pub ok: bool,
    /// All checks, in the order in which they are made.
    pub checks: Vec<Finding>,
}

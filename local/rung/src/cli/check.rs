//! Which signatures of a request hold, as people and programs are told.

use std::fmt;

use http::HeaderMap;
use rung_dialect::{Dialect, SignatureCheck, SignatureFault, VerifyInput};
use serde::Serialize;
use url::Url;

use super::screen::{BAD, GOOD, NAME, WAITING, paint};

/// What signatures may cover and a request does not say.
#[derive(clap::Args)]
pub(super) struct Told {
    /// The webhook's URL, if a signature or header has it
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<Url>,
    /// The tenant's id, if a signature or header has it
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<String>,
    /// The webhook's id, if a signature or header has it
    #[arg(long, value_name = "ID")]
    pub(super) webhook_id: Option<String>,
}

/// A request and what its receiver knows.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) method: &'a str,
    /// Empty for what is not known, here and below.
    pub(super) url: &'a str,
    pub(super) tenant: &'a str,
    pub(super) webhook_id: &'a str,
    pub(super) secrets: &'a [String],
    pub(super) now_s: u64,
    pub(super) tolerance_s: u64,
}

/// One signature of a request.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// The header that has it, or the value that it is in the body.
    pub(super) header: String,
    pub(super) verified: bool,
    /// It covers something that is not known here, so nobody can say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) unknown: bool,
    /// Which of the secrets given has signed, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<usize>,
    /// Which of the header's signatures it is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<usize>,
    /// How old the signed time is; a time ahead of the clock counts as new.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_s: Option<u64>,
    /// Why it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// All signature headers of a request.
pub(super) fn check(dialect: &Dialect, request: &Request<'_>) -> Vec<Check> {
    let checks = dialect.verify(&VerifyInput {
        headers: request.headers,
        body: request.body,
        method: request.method,
        url: request.url,
        tenant: request.tenant,
        webhook_id: request.webhook_id,
        secrets: request.secrets,
        now_s: request.now_s,
        tolerance_s: request.tolerance_s,
    });
    let checks = checks.into_iter();
    checks.map(|check| Check::new(check, request)).collect()
}

/// Whether there are signatures, and all of them hold.
pub(super) fn all_hold(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.verified)
}

/// Whether a receiver that verifies refuses the request: a signature does not hold, or is missing where there are some. What cannot be
/// judged here is not refused, as a receiver of that dialect would not.
pub(super) fn is_refused(dialect: &Dialect, checks: &[Check]) -> bool {
    let is_wrong = |check: &Check| !check.verified && !check.unknown;
    checks.iter().any(is_wrong) || checks.is_empty() && !dialect.proves_nothing()
}

impl Check {
    fn new(check: SignatureCheck, request: &Request<'_>) -> Self {
        let header = check.place.to_string();
        match check.result {
            Ok(verified) => Self {
                header,
                verified: true,
                unknown: false,
                secret: (request.secrets.len() > 1).then_some(verified.secret + 1),
                signature: Some(verified.signature + 1),
                age_s: verified
                    .timestamp_s
                    .map(|timestamp_s| request.now_s.saturating_sub(timestamp_s)),
                problem: None,
            },
            Err(fault) => Self {
                header,
                verified: false,
                unknown: matches!(fault, SignatureFault::Unknown { .. }),
                secret: None,
                signature: None,
                age_s: None,
                problem: Some(fault.to_string()),
            },
        }
    }

    /// What came of it, in a few words.
    pub(super) fn verdict(&self) -> String {
        if let Some(problem) = &self.problem {
            return format!("{} {problem}", if self.unknown { "?" } else { "✘" });
        }
        let mut verdict = "✔ verified".to_owned();
        if let Some(signature) = self.signature.filter(|signature| *signature > 1) {
            verdict.push_str(&format!(", signature {signature}"));
        }
        if let Some(secret) = self.secret {
            verdict.push_str(&format!(", with secret {secret}"));
        }
        if let Some(age_s) = self.age_s {
            verdict.push_str(&format!(", {age_s} s old"));
        }
        verdict
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = match (self.verified, self.unknown) {
            (true, _) => GOOD,
            (false, true) => WAITING,
            (false, false) => BAD,
        };
        let (header, verdict) = (
            paint(NAME, self.header.as_str()),
            paint(style, self.verdict()),
        );
        write!(f, "{header}  {verdict}")
    }
}

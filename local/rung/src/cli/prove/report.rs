//! What `prove` tells.

use std::io::{self, Write};

use rung_dialect::Dialect;
use serde::Serialize;
use url::Url;

use super::super::screen::{BAD, GOOD, NAME, QUIET, TITLE, paint, tame};

/// What a check has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// It could not be examined.
    Skipped,
}

/// A check and what it has shown.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    pub(super) outcome: Outcome,
    /// The answer's status, if one came.
    status: Option<u16>,
    elapsed_ms: Option<u64>,
    /// What is wrong, or why it was not examined.
    problem: Option<String>,
    mend: Option<String>,
}

impl Finding {
    pub(super) fn passed(
        check: &'static str,
        status: Option<u16>,
        elapsed_ms: Option<u64>,
    ) -> Self {
        Self {
            check,
            outcome: Outcome::Passed,
            status,
            elapsed_ms,
            problem: None,
            mend: None,
        }
    }

    pub(super) fn skipped(check: &'static str, reason: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Skipped,
            problem: Some(reason.into()),
            ..Self::passed(check, None, None)
        }
    }

    pub(super) fn failed(self, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Failed,
            problem: Some(problem.into()),
            mend: Some(mend.into()),
            ..self
        }
    }
}

pub(super) fn print(
    url: &Url,
    dialect: &Dialect,
    findings: &[Finding],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "{} as {}",
        paint(TITLE, url),
        paint(NAME, &dialect.name)
    )?;
    for finding in findings {
        let (style, mark) = match finding.outcome {
            Outcome::Passed => (GOOD, "✔"),
            Outcome::Failed => (BAD, "✘"),
            Outcome::Skipped => (QUIET, "–"),
        };
        let mut told = Vec::new();
        if let Some(problem) = &finding.problem {
            told.push(tame(problem));
        } else if let Some(status) = finding.status {
            told.push(status.to_string());
        }
        if let Some(elapsed_ms) = finding.elapsed_ms {
            told.push(format!("{elapsed_ms} ms"));
        }
        let name = finding.check;
        writeln!(out, "{} {name:<14} {}", paint(style, mark), told.join(", "))?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "  {:<14} {}", "", paint(QUIET, tame(mend)))?;
        }
    }
    Ok(())
}

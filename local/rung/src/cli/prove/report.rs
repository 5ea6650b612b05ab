//! How people see what an examination has shown.

use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::super::{
    Error,
    screen::{BAD, GOOD, NAME, QUIET, TITLE, paint, tame},
};

/// A report as Rung's API answers it. Checks and outcomes may be those of another version.
#[derive(Deserialize)]
struct Report {
    url: String,
    dialect: String,
    checks: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    check: String,
    outcome: String,
    response_status: Option<u16>,
    elapsed_ms: Option<u64>,
    problem: Option<String>,
    mend: Option<String>,
}

impl Finding {
    fn has_failed(&self) -> bool {
        self.outcome == "failed"
    }

    /// Whether it is about verifying.
    fn is_of_signatures(&self) -> bool {
        match &*self.check {
            "delivery" => matches!(self.response_status, Some(401 | 403)),
            check => matches!(check, "changed_body" | "other_secret"),
        }
    }
}

/// # Errors
/// When it is no report, or cannot be written.
pub(in crate::cli) fn print(
    report: &Value,
    out: &mut (impl io::Write + ?Sized),
) -> Result<(), Error> {
    let report = Report::deserialize(report)?;
    let dialect = tame(&report.dialect);
    writeln!(
        out,
        "{} as {}",
        paint(TITLE, tame(&report.url)),
        paint(NAME, &dialect)
    )?;
    for finding in &report.checks {
        let (style, mark) = match &*finding.outcome {
            "passed" => (GOOD, "✔"),
            "failed" => (BAD, "✘"),
            _ => (QUIET, "–"),
        };
        let mut told = Vec::new();
        if let Some(problem) = &finding.problem {
            told.push(tame(problem));
        } else if let Some(status) = finding.response_status {
            told.push(status.to_string());
        }
        if let Some(elapsed_ms) = finding.elapsed_ms {
            told.push(format!("{elapsed_ms} ms"));
        }
        let name = tame(&finding.check);
        writeln!(out, "{} {name:<14} {}", paint(style, mark), told.join(", "))?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "  {:<14} {}", "", paint(QUIET, tame(mend)))?;
        }
    }
    let mut wrong = report.checks.iter().filter(|finding| finding.has_failed());
    if wrong.any(Finding::is_of_signatures) {
        let how = format!("`rung dialects show {dialect} --snippet python` shows how to verify");
        writeln!(out, "{}", paint(QUIET, how))?;
    }
    Ok(())
}

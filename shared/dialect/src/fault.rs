//! The mistakes of a dialect file, each with its place.

use std::{cell::RefCell, fmt};

/// A mistake of a dialect file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectFault {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    pub mend: String,
}

impl fmt::Display for DialectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            reason,
            mend,
        } = self;
        write!(f, "{file}:{line}:{column}: {reason}: {mend}")
    }
}

/// Why a dialect file cannot be used: all its mistakes, in the order of their places. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectFaults(pub Vec<DialectFault>);

impl fmt::Display for DialectFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.0.iter().enumerate() {
            let separator = if place > 0 { "\n" } else { "" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DialectFaults {}

/// A mistake at a byte of the file's text.
#[derive(Debug)]
struct Fault {
    at: usize,
    reason: String,
    mend: String,
}

/// The mistakes that have been found.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Notes a mistake at a byte. Of several at one place the first is told: the others mostly follow from it.
    pub(super) fn add(&self, at: usize, reason: impl Into<String>, mend: impl Into<String>) {
        let mut faults = self.0.borrow_mut();
        if faults.iter().all(|known| known.at != at) {
            faults.push(Fault {
                at,
                reason: on_one_line(reason.into()),
                mend: on_one_line(mend.into()),
            });
        }
    }

    /// Notes a byte that is no text.
    pub(super) fn not_utf8(at: usize) -> Self {
        let faults = Self::default();
        faults.add(
            at,
            "this is not UTF-8",
            "save the file as UTF-8: another encoding of `ä` or of quotes is not read",
        );
        faults
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Forgets what was found since there were `count` mistakes, where it stands in a line of one of those or nowhere: a line that is
    /// not TOML is read as anything.
    pub(super) fn keep_credible(&self, count: usize, text: &str) {
        let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count();
        let mut faults = self.0.borrow_mut();
        let mut broken = Vec::new();
        let mut place = 0;
        faults.retain(|fault| {
            place += 1;
            let is_told = broken.contains(&line(fault.at));
            if place <= count {
                broken.push(line(fault.at));
            }
            !is_told && (place <= count || fault.at > 0)
        });
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn in_file(self, file: &str, text: &str) -> DialectFaults {
        let mut faults = self.0.into_inner();
        faults.sort_by_key(|fault| fault.at);
        let placed = faults.into_iter().map(|fault| {
            let before = text.get(..fault.at).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            DialectFault {
                file: file.to_owned(),
                line: 1 + before.matches('\n').count(),
                column: 1 + before[line_start..].chars().count(),
                reason: fault.reason,
                mend: fault.mend,
            }
        });
        DialectFaults(placed.collect())
    }
}

/// What a file has is quoted in messages: its line ends and control characters as escapes.
fn on_one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let shown = text.chars().map(|one| match one.is_control() {
        true => one.escape_default().to_string(),
        false => one.to_string(),
    });
    shown.collect()
}

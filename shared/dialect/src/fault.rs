//! Faults of a dialect file, by line.

use toml::Spanned;

/// Why a dialect file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct DialectFault {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// A fault at a byte of the file's text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new<T>(place: &Spanned<T>, reason: impl ToString) -> Self {
        Self {
            at: place.span().start,
            reason: reason.to_string(),
        }
    }

    pub(super) fn in_file(self, file: &str, text: &str) -> DialectFault {
        let before = text.as_bytes().iter().take(self.at);
        DialectFault {
            file: file.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            reason: self.reason,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self {
            at: error.span().map_or(0, |span| span.start),
            reason: error.message().to_owned(),
        }
    }
}

//! What is wrong with a JSON value that means something to Rung.

use super::JsonPath;

/// A value that cannot be used: a filter's pattern, a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct JsonFault {
    /// Where in the value.
    pub path: JsonPath,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl JsonFault {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            path: JsonPath::default(),
            reason: reason.into(),
        }
    }

    /// The fault as seen from the object that holds the value as its member `key`.
    pub(crate) fn within(mut self, key: &str) -> Self {
        self.path.enter_key(key);
        self
    }

    /// The fault as seen from the array that holds the value at `index`.
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.path.enter_index(index);
        self
    }
}

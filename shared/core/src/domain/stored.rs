//! A small state of a webhook as it is stored: JSON in an attribute of its own.

use serde::{Serialize, de::DeserializeOwned};

/// A state and the JSON that it was read from. Another version of Rung may write another text for the same state, and whether one has
/// changed since it was read is told by the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// What it says.
    pub value: T,
    /// Its JSON.
    pub text: String,
}

impl<T: Serialize> Stored<T> {
    /// A state as it is written.
    #[must_use]
    pub fn of(value: T) -> Self {
        let text = serde_json::to_string(&value).expect("it has string keys only");
        Self { value, text }
    }
}

impl<T: DeserializeOwned> Stored<T> {
    /// Reads a state's JSON; `None` for anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Some(Self {
            value: serde_json::from_str(text).ok()?,
            text: text.to_owned(),
        })
    }
}

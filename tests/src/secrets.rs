//! What no process may ever write: keys, signing secrets and payloads, collected as they go over the API.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Shorter texts stand in other words.
const MIN_LEN: usize = 12;

/// Where a request has something to keep.
const OF_REQUESTS: [&str; 7] = [
    "data",
    "metadata",
    "headers",
    "secret_headers",
    "secret",
    "private_key",
    "key_sha256",
];
/// Where an answer has.
const OF_ANSWERS: [&str; 5] = ["key", "secret", "token", "payload", "body"];

/// The secrets of one test. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    fn locked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub fn keep(&self, text: &str) {
        if text.len() >= MIN_LEN {
            self.locked().insert(text.to_owned());
        }
    }

    /// Those of a request's body.
    pub fn keep_of_request(&self, body: &[u8]) {
        self.keep_of(&parsed(body), &OF_REQUESTS, false);
    }

    /// Those of an answer.
    pub fn keep_of_answer(&self, body: &[u8]) {
        self.keep_of(&parsed(body), &OF_ANSWERS, false);
    }

    fn keep_of(&self, value: &Value, names: &[&str], within: bool) {
        match value {
            Value::String(text) if within => self.keep(text),
            Value::Array(elements) => {
                for element in elements {
                    self.keep_of(element, names, within);
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    // An object `key` or `body` only has one somewhere in it.
                    let here = names.contains(&name.as_str())
                        && (value.is_string() || names == OF_REQUESTS);
                    self.keep_of(value, names, within || here);
                }
            }
            _ => {}
        }
    }

    /// Checks what a process has written.
    ///
    /// # Panics
    /// When one of them is in it.
    pub fn assert_not_in(&self, output: &str) {
        for secret in self.locked().iter() {
            // A text of several lines, or with quotes, may be written escaped.
            let escaped = secret.escape_debug().to_string();
            assert!(
                !output.contains(secret) && !output.contains(&escaped),
                "{secret:?} was written:\n{output}"
            );
        }
    }
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(secrets: &Secrets) -> Vec<String> {
        secrets.locked().iter().cloned().collect()
    }

    #[test]
    fn requests_and_answers_have_theirs_in_their_own_places() {
        let secrets = Secrets::default();
        secrets.keep_of_request(
            br#"{"events":[{"id":"the-events-own-id","data":{"a":["long-enough-text","short"]}}],
                "secret":"whsec_something","url":"https://example.com"}"#,
        );
        secrets.keep_of_answer(
            br#"{"data":{"key":{"id":"key_0123456789","key":"rk_0123456789"},"webhook":{"id":"webhook_0123456789"}}}"#,
        );
        assert_eq!(
            kept(&secrets),
            ["long-enough-text", "rk_0123456789", "whsec_something"]
        );
        secrets.assert_not_in("webhook_0123456789 of the-events-own-id failed");
    }

    #[test]
    #[should_panic(expected = "was written")]
    fn a_secret_that_was_written_is_told() {
        let secrets = Secrets::default();
        secrets.keep("two\nlines of it");
        secrets.assert_not_in(r#"error: "two\nlines of it""#);
    }
}

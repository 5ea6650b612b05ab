//! What happened, line by line, in a form that is the same whenever the same happens.

use std::sync::{Arc, Mutex, PoisonError};

use rung_base::clock::Clock;
use rung_local_aws::Response;
use serde_json::Value;

/// A record of a run; keeping none costs nothing.
#[derive(Clone)]
pub(crate) struct Trace {
    clock: Arc<dyn Clock>,
    start_ms: u64,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    pub(crate) fn new(clock: Arc<dyn Clock>, kept: bool) -> Self {
        Self {
            start_ms: clock.now_ms(),
            clock,
            lines: kept.then(Arc::default),
        }
    }

    pub(crate) fn line(&self, text: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let passed_ms = self.clock.now_ms() - self.start_ms;
            let line = format!("{:>9}.{:03} {}", passed_ms / 1000, passed_ms % 1000, text());
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    }

    /// A call on the wire, its answer if it took effect.
    pub(crate) fn call(
        &self,
        function: &str,
        fate: &str,
        target: &str,
        body: &[u8],
        response: Option<&Response>,
    ) {
        self.line(|| {
            let operation = target.rsplit('.').next().unwrap_or_default();
            let answer = response.map_or_else(
                || "not done".to_owned(),
                |response| format!("{} {}", response.status, readable(&response.body)),
            );
            format!(
                "{function} {operation} [{fate}] {} => {answer}",
                readable(body)
            )
        });
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lines.as_ref();
        lines.map_or_else(Vec::new, |lines| {
            lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}

fn readable(json: &[u8]) -> String {
    match serde_json::from_slice(json) {
        Ok(value) => canonical(value).to_string(),
        Err(_) => String::from_utf8_lossy(json).into_owned(),
    }
}

/// JSON in one order: members come in the order of hash tables, and so do the keys and rows of a batch read.
pub(crate) fn canonical(value: Value) -> Value {
    sorted(value, false)
}

fn sorted(value: Value, unordered: bool) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                // The SDK draws one for each call.
                .filter(|(name, _)| name != "ClientRequestToken")
                .map(|(name, value)| {
                    // Under these names stand sets.
                    let unordered = matches!(name.as_str(), "Keys" | "Responses")
                        || (unordered && value.is_array());
                    let value = sorted(value, unordered);
                    (name, value)
                })
                .collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(|item| sorted(item, false)).collect();
            if unordered {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        other => other,
    }
}

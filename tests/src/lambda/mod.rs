//! The Lambda functions' binaries as processes: [`Function`] is one behind a runtime API, [`Services`] the AWS that they call.

// Harness code: what must not be wrong here is told by where it breaks.
#![allow(clippy::unwrap_used)]

mod runtime;
mod services;

use serde_json::Value;

pub use runtime::Function;
pub use services::Services;

/// The key that the sample events bring.
const ADMIN_KEY: &str = "sample-admin-key";
const ENCRYPTION_KEY: &str = "sample-encryption-key-of-more-than-32-characters";

/// A sample event of `events/`.
pub fn sample(name: &str) -> Value {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect("JSON")
}

/// A sample request of the HTTP API with another body.
pub fn sample_with(name: &str, body: &Value) -> Value {
    let mut request = sample(name);
    request["body"] = body.to_string().into();
    let headers = request["headers"].as_object_mut().expect("headers");
    headers.remove("content-length");
    request
}

/// The body of a sample request of the HTTP API.
pub fn sample_body(name: &str) -> Value {
    let request = sample(name);
    serde_json::from_str(request["body"].as_str().expect("a body")).expect("JSON")
}

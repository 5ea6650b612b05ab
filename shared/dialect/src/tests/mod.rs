//! The dialects compiled in, held against the documents they come from, and the faults of files.
#![allow(clippy::unwrap_used)]

mod language;
mod loading;
mod rows;
mod snippets;
mod verify;
mod wire;

use std::sync::Arc;

use rung_json::Json;

use super::{Dialect, Dialects};

fn builtin(name: &str) -> Arc<Dialect> {
    Arc::clone(Dialects::builtin().get(name).unwrap())
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), 100).unwrap()
}

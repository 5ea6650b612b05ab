//! What Rung is about: types and pure decisions. Time and chance are arguments; nothing async, no AWS.

pub mod ladder;

//! Posting over real sockets, to receivers that misbehave by script.
#![allow(clippy::unwrap_used)]

mod addresses;
mod answers;
mod kit;
mod reuse;
mod tls;

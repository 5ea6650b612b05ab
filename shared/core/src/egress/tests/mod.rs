//! Posting over real sockets, to receivers that misbehave by script.
#![allow(clippy::unwrap_used)]

mod addresses;
mod answers;
mod host;
mod hostile;
mod identities;
mod kit;
mod proxied;
mod reuse;
mod tls;

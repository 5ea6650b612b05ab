//! Rung from the outside: `rung dev` as a process, receivers on loopback, and the documented HTTP API between them.
//!
//! One test binary, because each would link the same things again; one module per topic.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics says what went wrong"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests look at the real clock"
)]

mod access;
mod api_as_in_the_seed;
mod cli;
mod dashboard;
mod descriptors;
mod durability;
mod errors;
mod hostile;
mod idempotency;
mod isolation;
mod ladders;
mod limits;
mod loops;
mod outcomes;
mod own_dialect;
mod publishing;
mod recovering;
mod resending;
mod rotation;
mod secrecy;
mod snippets;
mod start;
mod verification;
mod wire_formats;

use rung_tests::Rung;

/// The product, built by cargo beside these tests.
const RUNG: &str = env!("CARGO_BIN_EXE_rung-under-test");

/// The five dialects of the documents, and our own.
const DIALECTS: [&str; 6] = [
    "badger",
    "patra",
    "bharatcart",
    "reward",
    "odin",
    "standard",
];

/// Starts `rung dev` with these flags.
async fn rung(flags: &[&str]) -> Rung {
    Rung::start(RUNG, flags).await
}

/// A type of each dialect's catalogue; any will do for `standard`.
fn a_type_of(dialect: &str) -> &'static str {
    match dialect {
        "badger" => "user.badge.unlocked",
        "patra" => "card.updated",
        "bharatcart" => "order.created",
        "reward" => "trigger_event.created",
        "odin" => "user.lesson.completed",
        _ => "invoice.paid",
    }
}

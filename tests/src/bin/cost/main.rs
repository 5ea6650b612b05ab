//! What a million deliveries cost on AWS.
//!
//! The handlers run over the DynamoDB and SQS of this process, in virtual time; a meter on the wire counts what AWS would
//! bill, and `tests/src/metered/prices.toml` says what for.
//!
//! ```text
//! cargo run --release -p rung-tests --bin cost
//! ```

// A measurement looks at the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

#[cfg(test)]
mod documented;
mod loads;
mod report;
mod world;

use std::sync::Arc;

use rung_tests::metered::Prices;

use crate::report::Report;

/// US dollars per million deliveries for which nothing is missing.
const WATCHED_TARGET_USD: f64 = 0.15;

fn main() {
    let prices = Arc::new(Prices::read());
    // One thread, so that its processor time is that of the one invocation under way; time passes when all wait.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut report = Report::new(&prices);
    for load in loads::PUBLISHING {
        let counts = runtime.block_on(load.run(&prices, loads::DELIVERIES));
        report.add(load.name, load.target_usd, counts);
    }
    let wait = runtime.block_on(loads::long_wait(&prices));
    let watched = runtime.block_on(loads::watched(&prices));
    report.add("watched", Some(WATCHED_TARGET_USD), watched);
    report.add_wait(wait);
    println!("{report}");
}

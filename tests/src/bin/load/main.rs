//! What a deployment takes before something of it is at its limit, and which key of the table or which function that is.
//!
//! The handlers run over the DynamoDB and SQS of this process, in virtual time, in as many environments as the template lets run at
//! once. The wire refuses what a partition has no units left for, as DynamoDB does.
//!
//! ```text
//! cargo run --release -p rung-tests --bin load
//! ```

mod fleet;
mod receivers;
mod scenarios;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use clap::Parser;
use rung_tests::metered::Prices;

use crate::scenarios::{Outcome, SCENARIOS};

#[derive(Parser)]
struct Args {
    /// Runs the scenarios alone whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() {
    let args = Args::parse();
    let prices = Arc::new(Prices::read());
    println!("{}", Outcome::HEAD);
    for scenario in SCENARIOS.iter().filter(|one| one.name.contains(&args.only)) {
        // One of its own, so that what is still under way ends with it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        println!("{}", runtime.block_on(scenario.run(&prices)));
    }
}

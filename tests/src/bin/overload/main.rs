//! Puts the release build of `rung dev` under more than it can take, and says what becomes of it.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p rung-tests --bin overload
//! ```

// It measures the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

mod flood;
mod hanging;
mod long_log;
mod sink;
mod starts;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rung_tests::release_build;

/// Overloads `rung dev` on this machine and prints what became of it.
#[derive(Parser)]
struct Args {
    /// The binary to overload [default: `rung` beside this one]
    #[arg(long, value_name = "PATH")]
    rung: Option<PathBuf>,
    /// How long each load lasts
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Entries of the long log
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    entries: usize,
    /// These only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Scenario {
    /// 10,000 events offered a second
    Flood,
    /// One tenant's webhook hangs, another tenant's deliveries go on beside it
    Hanging,
    /// The newest page of a log with very many entries
    Log,
    /// Starts after kills under load
    Starts,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let exe = release_build(args.rung);
    let load = Duration::from_secs(args.seconds);
    let wanted = |scenario| args.only.is_empty() || args.only.contains(&scenario);
    if wanted(Scenario::Flood) {
        flood::run(&exe, load).await;
    }
    if wanted(Scenario::Hanging) {
        hanging::run(&exe, load).await;
    }
    if wanted(Scenario::Log) {
        long_log::run(&exe, args.entries).await;
    }
    if wanted(Scenario::Starts) {
        starts::run(&exe).await;
    }
}

/// The value that so many percent of the values are at most.
fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values
        .get(last * percent / 100)
        .copied()
        .unwrap_or_default()
}

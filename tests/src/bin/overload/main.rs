//! Puts the release build of `rung dev` under more than it can take, and says what becomes of it.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p rung-tests --bin overload
//! ```

// It measures the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

mod beside;
mod costly;
mod fan_out;
mod flood;
mod flooded;
mod half_bodies;
mod hanging;
mod long_log;
mod never_read;
mod sink;
mod starts;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rung_tests::release_build;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;

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
    /// A tenant's deliveries, alone and beside another tenant's webhook that hangs
    Hanging,
    /// Beside events that go to 10,000 webhooks each
    FanOut,
    /// Beside a tenant that publishes as much as it can
    Flooded,
    /// Beside the heaviest schema and filters that are taken
    Costly,
    /// Beside bodies that never end
    HalfBodies,
    /// Beside clients that never read
    NeverRead,
    /// The newest page of a log with very many entries
    Log,
    /// Starts after kills under load
    Starts,
}

fn main() {
    let args = Args::parse();
    allow_many_connections();
    let exe = release_build(args.rung);
    let loads = &Runtime::new().expect("a runtime");
    let load = Duration::from_secs(args.seconds);
    let wanted = |scenario| args.only.is_empty() || args.only.contains(&scenario);
    if wanted(Scenario::Flood) {
        loads.block_on(flood::run(&exe, load));
    }
    if wanted(Scenario::Hanging) {
        hanging::run(loads, &exe, load);
    }
    if wanted(Scenario::FanOut) {
        fan_out::run(loads, &exe, load);
    }
    if wanted(Scenario::Flooded) {
        flooded::run(loads, &exe, load);
    }
    if wanted(Scenario::Costly) {
        costly::run(loads, &exe, load);
    }
    if wanted(Scenario::HalfBodies) {
        half_bodies::run(loads, &exe, load);
    }
    if wanted(Scenario::NeverRead) {
        never_read::run(loads, &exe, load);
    }
    if wanted(Scenario::Log) {
        loads.block_on(long_log::run(&exe, args.entries));
    }
    if wanted(Scenario::Starts) {
        loads.block_on(starts::run(&exe));
    }
}

/// Takes as many descriptors as there are: each connection of a load is one.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprintln!("overload: the limit of descriptors stays: {error}");
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

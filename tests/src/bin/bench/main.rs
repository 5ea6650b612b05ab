//! Measures the release build of `rung dev` with a publisher and a receiver beside it on the same machine, and the bare HTTP
//! client that it can at best come near to.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p rung-tests --bin bench -- --seconds 10
//! ```
//!
//! Publisher and receiver share the processors with what they measure, and so are kept cheap: prepared requests over
//! keep-alive connections, one search for a time stamp on arrival.

// A benchmark measures the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

mod arrivals;
mod bare;
mod cpu;
mod publisher;
mod report;
mod scenarios;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use rung_tests::{Rung, release_build};

use crate::report::Report;

/// Measures `rung dev` on this machine and prints one table.
#[derive(Parser)]
struct Args {
    /// The binary to measure [default: `rung` beside this one]
    #[arg(long, value_name = "PATH")]
    rung: Option<PathBuf>,
    /// How long each load lasts
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Keep-alive connections that publish
    #[arg(long, value_name = "N", default_value_t = 32)]
    publishers: usize,
    /// Webhooks that the fan-out goes to
    #[arg(long, value_name = "N", default_value_t = 1000)]
    webhooks: usize,
    /// Measure these only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Scenario {
    /// Events published one by one
    Single,
    /// The same in batches of 100
    Batch,
    /// 100 events a second, steadily
    Steady,
    /// 20 events to many webhooks
    Fanout,
    /// No Rung at all: a bare hyper client that signs and posts the same body
    Bare,
}

/// What the benchmark runs of itself as a process of its own, to count its processor time alone.
#[derive(Subcommand)]
enum Role {
    /// Sign and post to ADDR over this many connections
    #[command(hide = true)]
    BareClient {
        addr: std::net::SocketAddr,
        connections: usize,
        seconds: u64,
    },
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    if let Some(Role::BareClient {
        addr,
        connections,
        seconds,
    }) = args.role
    {
        return bare::client(addr, connections, Duration::from_secs(seconds)).await;
    }
    let exe = release_build(args.rung);
    let load = Duration::from_secs(args.seconds);
    let wanted = |scenario| args.only.is_empty() || args.only.contains(&scenario);
    let mut report = Report::default();
    // Each on fresh data: none is slowed down by what another has left.
    if wanted(Scenario::Single) {
        let rung = Rung::start(&exe, &[]).await;
        report.add(scenarios::saturate(&rung, args.publishers, 1, load).await);
    }
    if wanted(Scenario::Batch) {
        let rung = Rung::start(&exe, &[]).await;
        report.add(scenarios::saturate(&rung, args.publishers, 100, load).await);
    }
    if wanted(Scenario::Steady) {
        let rung = Rung::start(&exe, &[]).await;
        report.add(scenarios::steady(&rung, 100, load).await);
    }
    if wanted(Scenario::Fanout) {
        let rung = Rung::start(&exe, &[]).await;
        report.add(scenarios::fan_out(&rung, 20, args.webhooks).await);
    }
    if wanted(Scenario::Bare) {
        report.add(bare::measure(args.publishers, load).await);
    }
    println!("{report}");
}

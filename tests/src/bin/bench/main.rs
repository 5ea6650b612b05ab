//! Measures the release build of `rung dev` with a publisher and a receiver beside it on the same machine, and the bare HTTP
//! client that it can at best come near to.
//!
//! ```text
//! cargo build --release
//! cargo run --release -p rung-tests --bin bench -- --seconds 10
//! ```
//!
//! `--against FILE` puts another sender under the same loads in the same run, in turns.
//!
//! Publisher and receiver share the processors with what they measure, and so are kept cheap: keep-alive connections, one
//! search for a time stamp on arrival.

// A benchmark measures the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

mod arrivals;
mod bare;
mod cpu;
mod publisher;
mod report;
mod scenarios;
mod sender;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use rung_tests::release_build;

use crate::report::Report;
use crate::sender::{Calls, Sender};

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
    /// A file with the calls of another sender, which runs already and is measured in turns with Rung
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// What `{NAME}` stands for in that file
    #[arg(long, value_name = "NAME=VALUE", requires = "against", value_parser = setting)]
    set: Vec<(String, String)>,
    /// The processes of the other sender, whose processor time counts
    #[arg(long, value_name = "PID", requires = "against", value_delimiter = ',')]
    pid: Vec<u32>,
    /// How often each load is repeated
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
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

impl Scenario {
    /// Those that a sender is put under.
    const OF_SENDERS: [Self; 4] = [Self::Single, Self::Batch, Self::Steady, Self::Fanout];
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
    let other = args.against.as_deref().map(Calls::read);
    let load = Duration::from_secs(args.seconds);
    let wanted = |scenario| args.only.is_empty() || args.only.contains(&scenario);
    let mut report = Report::default();
    for scenario in Scenario::OF_SENDERS {
        if !wanted(scenario) {
            continue;
        }
        let measure = async |sender| match scenario {
            Scenario::Batch => scenarios::saturate(sender, args.publishers, 100, load).await,
            Scenario::Steady => scenarios::steady(sender, 100, load).await,
            Scenario::Fanout => scenarios::fan_out(sender, 20, args.webhooks).await,
            Scenario::Single | Scenario::Bare => {
                scenarios::saturate(sender, args.publishers, 1, load).await
            }
        };
        for round in 1..=args.rounds {
            // On fresh data: none is slowed down by what another has left.
            report.add(measure(Sender::rung(&exe).await).await);
            let Some(calls) = &other else {
                continue;
            };
            if scenario == Scenario::Batch && !calls.has_batches() {
                eprintln!("left out: {} has no call for many events", calls.name());
                continue;
            }
            let run = format!("bench-{}-{round}-{}", scenario as u8, std::process::id());
            let sender = Sender::running(calls, &args.set, &args.pid, run).await;
            report.add(measure(sender).await);
        }
    }
    if wanted(Scenario::Bare) {
        report.add(bare::measure(args.publishers, load).await);
    }
    println!("{report}");
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("NAME=VALUE is needed, as in --set token=abc")?;
    Ok((name.to_owned(), value.to_owned()))
}

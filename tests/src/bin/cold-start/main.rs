//! How the Lambda functions start, measured on their release binaries behind a runtime API.
//!
//! ```text
//! cargo build --release -p rung-subscriptions -p rung-enqueue -p rung-deliver -p rung-sweep
//! cargo run --release -p rung-tests --bin cold-start
//! ```
//!
//! The services that the functions call are in this process, and each function has a processor to itself, as it has on Lambda
//! while it starts. Later invocations have their memory's share of one there, and AWS is further away.

// A measurement looks at the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use flate2::{Compression, write::DeflateEncoder};
use rung_tests::{
    Receiver,
    lambda::{Function, Services, sample, sample_with},
};
use serde_json::{Value, json};

/// Measures the start of each function and prints one table.
#[derive(Parser)]
struct Args {
    /// The folder of the binaries [default: that of this one]
    #[arg(long, value_name = "DIR")]
    functions: Option<PathBuf>,
    /// Starts of each function; the median counts
    #[arg(long, value_name = "N", default_value_t = 21)]
    starts: usize,
}

/// Invocations after the first, of which the median counts.
const LATER: usize = 20;
const BATCH: usize = 10;
/// An event's data that just fits into a request.
const LARGE_BYTES: usize = 255 * 1024;

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let own = std::env::current_exe().expect("the path of this binary");
    let folder = args.functions.as_deref().or_else(|| own.parent());
    let folder = folder.expect("a folder").to_owned();
    let bench = Bench::start(folder.clone()).await;
    println!(
        "| function | exec to first next, ms | first invocation, ms | later ones, ms | peak memory, MiB | binary, MB | zip, MB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, work) in [
        ("subscriptions", Work::List),
        ("enqueue", Work::Publish),
        ("deliver", Work::Deliver),
        ("sweep", Work::Sweep),
    ] {
        bench.measure(name, work, args.starts).await;
    }
    let peak_kib = Bench::start(folder).await.large_batch().await;
    println!(
        "\nPeak memory of deliver with batches of {BATCH} × {} KiB: {:.1} MiB",
        LARGE_BYTES / 1024,
        peak_kib as f64 / 1024.0
    );
}

/// What a function is given to do.
#[derive(Clone, Copy)]
enum Work {
    /// A list of one webhook.
    List,
    /// An event to one webhook.
    Publish,
    /// Ten first attempts.
    Deliver,
    /// A sweep that finds nothing.
    Sweep,
}

/// Services with a tenant and a webhook.
struct Bench {
    folder: PathBuf,
    aws: Services,
    /// Publishes what is to be delivered.
    enqueue: Function,
    _receiver: Receiver,
}

impl Bench {
    async fn start(folder: PathBuf) -> Self {
        let (aws, receiver) = (Services::start().await, Receiver::always(200).await);
        let set_up = Function::start_as_deployed(binary(&folder, "subscriptions"), &aws).await;
        let tenant = json!({"id": "acme", "name": "Acme", "dialect": "standard"});
        let webhook = json!({"url": receiver.url("/hook"), "events": ["*"]});
        for (name, body) in [
            ("subscriptions-http-create-tenant", tenant),
            ("subscriptions-http-create-webhook", webhook),
        ] {
            let answer = set_up.invoke(&sample_with(name, &body)).await;
            assert_eq!(answer["statusCode"], json!(201), "{answer}");
        }
        Self {
            enqueue: Function::start_as_deployed(binary(&folder, "enqueue"), &aws).await,
            folder,
            aws,
            _receiver: receiver,
        }
    }

    /// Starts a function so many times and prints its row.
    async fn measure(&self, name: &str, work: Work, starts: usize) {
        let binary = binary(&self.folder, name);
        let (mut started, mut first, mut later) = (Vec::new(), Vec::new(), Vec::new());
        let mut peak_kib = 0;
        for _ in 0..starts {
            let function = Function::start_as_deployed(&binary, &self.aws).await;
            started.push(function.start_up().await);
            first.push(self.invoke(&function, work).await);
            for _ in 0..LATER {
                later.push(self.invoke(&function, work).await);
            }
            peak_kib = peak_kib.max(function.peak_memory_kib());
        }
        let code = fs::read(&binary).expect("the binary");
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            median_ms(started),
            median_ms(first),
            median_ms(later),
            peak_kib as f64 / 1024.0,
            code.len() as f64 / 1e6,
            deflated_len(&code) as f64 / 1e6,
        );
    }

    /// How long an invocation takes from event to answer.
    async fn invoke(&self, function: &Function, work: Work) -> Duration {
        let event = self.event(work).await;
        let begun = Instant::now();
        let answer = function.invoke(&event).await;
        let took = begun.elapsed();
        let well = match work {
            Work::List => answer["statusCode"] == json!(200),
            Work::Publish => answer["statusCode"] == json!(202),
            Work::Deliver => answer["batchItemFailures"] == json!([]),
            Work::Sweep => answer.is_null(),
        };
        assert!(well, "{answer}");
        took
    }

    async fn event(&self, work: Work) -> Value {
        match work {
            Work::List => {
                let mut request = sample("subscriptions-http-health");
                let path = "/v1/webhooks";
                let headers = sample("enqueue-http-publish")["headers"].take();
                request["headers"] = headers;
                request["routeKey"] = format!("ANY {path}").into();
                request["rawPath"] = path.into();
                request["requestContext"]["http"]["path"] = path.into();
                request
            }
            Work::Publish => publish(100),
            Work::Deliver => {
                for _ in 0..BATCH {
                    self.enqueue.invoke(&publish(1_000)).await;
                }
                self.aws.receive("deliver").await
            }
            Work::Sweep => sample("sweep-scheduler-tick"),
        }
    }

    /// The most memory that `deliver` needs for batches of the largest events.
    async fn large_batch(&self) -> u64 {
        let deliver = Function::start_as_deployed(binary(&self.folder, "deliver"), &self.aws).await;
        for _ in 0..3 {
            for _ in 0..BATCH {
                let answer = self.enqueue.invoke(&publish(LARGE_BYTES)).await;
                assert_eq!(answer["statusCode"], json!(202), "{answer}");
            }
            let answer = deliver.invoke(&self.aws.receive("deliver").await).await;
            assert_eq!(answer, json!({ "batchItemFailures": [] }));
        }
        deliver.peak_memory_kib()
    }
}

fn binary(folder: &std::path::Path, function: &str) -> PathBuf {
    let binary = folder.join(format!("rung-{function}{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "{} is not built", binary.display());
    binary
}

/// A request to publish an event with so much data, which no compression shortens.
fn publish(bytes: usize) -> Value {
    let mut noise = vec![0_u8; bytes / 2];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let event = json!({"type": "sample.created", "data": {"noise": hex::encode(noise)}});
    sample_with("enqueue-http-publish", &event)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// The length of a zip file's one entry; its directory is a hundred bytes more.
fn deflated_len(code: &[u8]) -> usize {
    let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
    zip.write_all(code).expect("memory");
    zip.finish().expect("memory").len()
}

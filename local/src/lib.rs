//! Rung on one machine: the functions' own handlers in one process, over an embedded DynamoDB and SQS.
//!
//! [`dev`] puts it together: [`aws`] is what stands in for AWS, [`event_source`] for SQS's event sources, [`server`] for
//! its HTTP front; [`data`] is the folder that everything is kept in, [`admission`] keeps what is taken in at once within
//! bounds.

mod admission;
pub mod app;
pub mod aws;
mod data;
mod dev;
mod event_source;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Signed, retried, logged webhooks.
#[derive(Parser)]
#[command(name = "rung", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: API, queue worker, embedded storage.
    Dev(dev::Args),
}

/// The `rung` command, from its arguments to its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::main(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rung: {error}");
            ExitCode::FAILURE
        }
    }
}

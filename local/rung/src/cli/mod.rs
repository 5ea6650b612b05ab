//! The `rung` command: a module for each of its parts.
//!
//! [`demo`] and [`listen`] show deliveries arriving, over one [`receiver`]; [`sign`] and [`verify`] do on a body what Rung and
//! its receivers do; [`dialects`] and [`events`] tell and try what can be sent, [`keys`] are the operator's. [`check`] says which signature holds,
//! [`client`] calls the API, [`screen`] is how things look.
//!
//! Each part writes to the stream that it is given, so colours are left out where nobody sees them, and a reader that has seen
//! enough ends the command quietly.

mod check;
mod choice;
mod client;
mod demo;
mod dialects;
mod events;
mod keys;
mod listen;
mod receiver;
mod screen;
mod sign;
mod verify;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{Error, dev};

/// Signed, retried, logged webhooks.
#[derive(Parser)]
#[command(name = "rung", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: API, queue worker, embedded storage
    Dev(dev::Args),
    /// Take a tour: every dialect delivers, and deliveries to a failing receiver are retried
    Demo(demo::Args),
    /// Receive webhooks: print and verify what arrives, forward it, or fail on purpose
    Listen(listen::Args),
    /// Sign a body: print the headers of a delivery
    Sign(sign::Args),
    /// Verify the signature of a body and its headers
    Verify(verify::Args),
    /// List, show and check dialects
    #[command(subcommand)]
    Dialects(dialects::Command),
    /// Publish to a running Rung
    #[command(subcommand)]
    Events(events::Command),
    /// List, create and revoke the operator's keys of a running Rung
    #[command(subcommand)]
    Keys(keys::Command),
}

/// The `rung` command, from its arguments to its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let out = &mut anstream::stdout();
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::main(args).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::main(&args, out),
        Command::Listen(args) => listen::main(args),
        Command::Sign(args) => sign::main(&args, out),
        Command::Verify(args) => verify::main(&args, out),
        Command::Dialects(command) => dialects::main(&command, out),
        Command::Events(command) => events::main(&command, out),
        Command::Keys(command) => keys::main(&command, out),
    };
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rung: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether whoever read the output has gone, as `head` does.
fn is_broken_pipe(error: &Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// One JSON value on a line of its own.
fn json_line(out: &mut impl Write, value: &impl serde::Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_consistent() {
        super::Cli::command().debug_assert();
    }
}

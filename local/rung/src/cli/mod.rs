//! The `rung` command: a module for each of its parts.
//!
//! [`api`] has the commands that manage a deployment. [`demo`] and [`listen`] show deliveries arriving, over one [`receiver`];
//! [`sign`] and [`verify`] do on a body what Rung and its receivers do; [`dialects`] tells what can be sent, [`shell`] what a shell
//! and `man` know of all this, [`examples`] what its help shows. [`check`] says which signature holds, [`screen`] is how things look,
//! [`problem`] how errors are told.
//!
//! Each part writes to the stream that it is given, so colours are left out where nobody sees them, and a reader that has seen
//! enough ends the command quietly.

mod api;
mod check;
mod choice;
mod demo;
mod dialects;
mod examples;
mod listen;
mod problem;
mod prove;
mod receiver;
mod screen;
mod shell;
mod sign;
mod verify;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::api::{Audit, Group, Single, profiles};
use crate::{Error, dev};

/// Lines of help are no longer, however wide the terminal is.
const COLUMNS: usize = 100;

/// Signed, retried, logged webhooks.
#[derive(Parser)]
#[command(
    name = "rung",
    version,
    max_term_width = COLUMNS,
    after_help = "\
Exit status: 0 done; 1 failed or refused; 2 wrong flags; 3 Rung cannot be reached or asks to try again later.

Examples:
  rung dev
  rung login production --url https://webhooks.example.com
  rung webhooks list --health failing"
)]
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
    Listen(Box<listen::Args>),
    /// Sign a body: print the headers of a delivery
    Sign(sign::Args),
    /// Verify the signature of a body and its headers
    Verify(verify::Args),
    /// Examine a receiver before it goes live: does it verify, is it quick, does it accept every valid payload
    Prove(prove::Args),
    /// List, show and check dialects
    #[command(subcommand)]
    Dialects(dialects::Command),
    /// Check that Rung answers
    Health(api::health::Health),
    /// Save a deployment's URL, and where its key is, as a profile
    Login(profiles::Login),
    /// List, choose and remove profiles
    #[command(subcommand)]
    Profiles(profiles::Profiles),
    /// Manage tenants
    Tenants(Group<api::tenants::Command>),
    /// Manage the operator's keys, or a tenant's
    Keys(Group<api::keys::Command>),
    /// Manage webhooks
    Webhooks(Group<api::webhooks::Command>),
    /// Publish, list and erase events
    Events(Group<api::events::Command>),
    /// Manage the catalogue of event types
    EventTypes(Group<api::event_types::Command>),
    /// Show attempts, also as they are made
    Logs(Single<api::logs::Logs>),
    /// List a webhook's deliveries that wait, or were held, missed, failed or cancelled
    Pending(Single<api::deliveries::Pending>),
    /// Send a delivery again now
    Retry(Single<api::deliveries::Retry>),
    /// Cancel a delivery that waits
    Cancel(Single<api::deliveries::Cancel>),
    /// Send again what failed, was held or was missed
    Recover(Single<api::deliveries::Recover>),
    /// List messages that no function could handle, and move them back
    DeadLetters(Group<api::dead_letters::Command>),
    /// Show counts and latencies of a webhook, a tenant or the deployment
    Stats(Single<api::stats::Stats>),
    /// Make, list and revoke portal links
    Portal(Group<api::portal::Command>),
    /// Show who changed what
    Audit(Single<Audit>),
    /// List, show and cancel jobs
    Jobs(Group<api::jobs::Command>),
    /// Write tenants with their webhooks, keys and event types as lines of JSON
    Export(Single<api::transfer::Export>),
    /// Import the lines of an export
    Import(Single<api::transfer::Import>),
    /// Print a script that completes commands and flags
    Completions(shell::Completions),
    /// Print the manual page, or write those of all commands
    Man(shell::Man),
}

/// The command with all of its help.
fn definition() -> clap::Command {
    Cli::command().mut_subcommands(examples::shared)
}

/// The `rung` command, from its arguments to its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let mut definition = definition();
    let matches = definition.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli.command, &mut anstream::stdout()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rung: {}", problem::told(&error, &definition, &matches));
            problem::exit_code(&error)
        }
    }
}

fn run(command: Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    match command {
        Command::Dev(args) => dev::main(args).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::main(&args, out),
        Command::Listen(args) => listen::main(*args),
        Command::Sign(args) => sign::main(&args, out),
        Command::Verify(args) => verify::main(&args, out),
        Command::Prove(args) => prove::main(&args, out),
        Command::Dialects(command) => dialects::main(&command, out),
        Command::Health(args) => api::health::main(&args, out),
        Command::Login(args) => profiles::login(&args, out),
        Command::Profiles(command) => profiles::main(&command, out),
        Command::Tenants(group) => group.run(out),
        Command::Keys(group) => group.run(out),
        Command::Webhooks(group) => group.run(out),
        Command::Events(group) => group.run(out),
        Command::EventTypes(group) => group.run(out),
        Command::Logs(single) => single.run(out),
        Command::Pending(single) => single.run(out),
        Command::Retry(single) => single.run(out),
        Command::Cancel(single) => single.run(out),
        Command::Recover(single) => single.run(out),
        Command::DeadLetters(group) => group.run(out),
        Command::Stats(single) => single.run(out),
        Command::Portal(group) => group.run(out),
        Command::Audit(single) => single.run(out),
        Command::Jobs(group) => group.run(out),
        Command::Export(single) => single.run(out),
        Command::Import(single) => single.run(out),
        Command::Completions(args) => shell::completions(&args, definition(), out),
        Command::Man(args) => shell::man(&args, definition(), out),
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
fn json_line(out: &mut (impl Write + ?Sized), value: &impl serde::Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        definition().debug_assert();
    }
}

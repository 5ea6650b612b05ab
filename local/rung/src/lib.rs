//! Rung on one machine: the functions' own handlers in one process, over an embedded DynamoDB and SQS.
//!
//! [`dev`] puts it together: [`rung_local_aws`] is what stands in for AWS, [`event_source`] for SQS's event sources, [`server`] for
//! its HTTP front; [`data`] is the folder that everything is kept in, [`descriptors`] says how many connections there may be.
//! [`flags`] reads what is given on the command line; [`cli`] is the `rung` command, of which `dev` is one part.

pub mod app;
mod cli;
mod data;
mod descriptors;
mod dev;
mod event_source;
mod flags;
mod server;

pub use cli::main;

/// What ends a command, as a sentence to act on.
type Error = Box<dyn std::error::Error + Send + Sync>;

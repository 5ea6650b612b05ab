//! `rung dead-letters`: messages that no function could handle.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, Wait},
};

/// What can be done with dead letters.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  rung dead-letters list
  rung dead-letters redrive --queue retry --wait")]
pub(crate) enum Command {
    /// List dead letters
    List(List<Queue>),
    /// Move dead letters back to their queues
    Redrive {
        #[command(flatten)]
        queue: Queue,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Queue {
    /// Only this queue: deliver or retry
    #[arg(long)]
    queue: Option<String>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        const PATH: &str = "/v1/dead-letters";
        match self {
            Self::List(list) => session.list(list, PATH, "dead_letters").await,
            Self::Redrive { queue, wait } => {
                let ask = Ask::post(format!("{PATH}/redrive"), queue, "job");
                session.ask(ask.waiting(wait)).await
            }
        }
    }
}

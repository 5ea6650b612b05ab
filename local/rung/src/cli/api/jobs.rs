//! `rung jobs`: work that goes on after the command that began it.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, Segment},
};

/// What can be done with jobs.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  rung jobs list --kind recover --status running
  rung jobs show job_6f1c0e9b2d4a7f3580c1b2a4
  rung jobs cancel job_6f1c0e9b2d4a7f3580c1b2a4")]
pub(crate) enum Command {
    /// List jobs
    List(List<Filters>),
    /// Show a job
    Show {
        /// The job's id
        id: Segment,
    },
    /// End a job that has not ended; what it has done stays done
    Cancel {
        /// The job's id
        id: Segment,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    /// Only these kinds: recover, cancel, redrive, export, erase; separated by commas
    #[arg(long)]
    kind: Option<String>,
    /// Only these statuses: queued, running, succeeded, failed, cancelled; separated by commas
    #[arg(long)]
    status: Option<String>,
    /// Only about these webhooks, separated by commas
    #[arg(long, value_name = "ID")]
    webhook_id: Option<String>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let ask = match self {
            Self::List(list) => return session.list(list, "/v1/jobs", "jobs").await,
            Self::Show { id } => Ask::get(format!("/v1/jobs/{id}"), "job"),
            Self::Cancel { id } => Ask::post(format!("/v1/jobs/{id}/cancel"), &json!({}), "job"),
        };
        session.ask(ask).await
    }
}

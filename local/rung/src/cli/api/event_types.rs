//! `rung event-types`: the catalogue, of the deployment or with `--tenant` of a tenant.

use std::{path::PathBuf, process::ExitCode};

use http::Method;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, Segment, given, read, with_query},
    client::json,
};

/// What can be done with event types.
#[derive(clap::Subcommand)]
#[command(after_help = "\
With --tenant, these are the tenant's, which win over the deployment's.

Examples:
  rung event-types list --dialect odin
  echo '{\"groups\": [\"order\"], \"sample\": {\"order\": 1}}' |
    rung event-types define order.shipped --from -
  rung event-types show order.shipped --json
  rung event-types delete order.shipped")]
pub(crate) enum Command {
    /// List event types
    List(List<Filters>),
    /// Show an event type
    Show(One),
    /// Define an event type, or replace its definition
    Define {
        #[command(flatten)]
        one: One,
        /// A JSON file with the definition: groups, description, sample, schema, deprecated, archived; - is standard input
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Delete the definition of an event type
    Delete(One),
}

#[derive(clap::Args, Serialize)]
pub(crate) struct Filters {
    #[command(flatten)]
    #[serde(flatten)]
    of: Of,
    /// Also those that are archived
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    archived: bool,
}

#[derive(clap::Args)]
pub(crate) struct One {
    /// The type
    #[arg(value_name = "TYPE", id = "type")]
    name: Segment,
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args, Serialize)]
struct Of {
    /// The dialect whose types of the deployment are meant [default: standard]
    #[arg(long)]
    dialect: Option<String>,
}

impl One {
    fn path(&self) -> String {
        let path = format!("/v1/event-types/{}", self.name.in_path());
        with_query(&path, &given(&self.of))
    }
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        const OF: &str = "event_type";
        let ask = match self {
            Self::List(list) => return session.list(list, "/v1/event-types", "event_types").await,
            Self::Show(one) => Ask::get(one.path(), OF),
            Self::Define { one, from } => {
                // As it is written: Rung judges it, not this command.
                let definition = RawValue::from_string(read(from)?)
                    .map_err(|error| format!("--from {} is not JSON: {error}", from.display()))?;
                Ask::with(Method::PUT, one.path(), json(&definition), OF)
            }
            Self::Delete(one) => Ask::delete(one.path(), OF),
        };
        session.ask(ask).await
    }
}

//! The commands that manage a deployment over its API.
//!
//! A command is its flags, named as the API names its fields, and an [`Ask`]: the call that they become. A [`Session`] makes the
//! call and shows the answer, as JSON or as a [`table`] for people. [`profiles`] say which Rung is meant and where its key is;
//! only what is more than one call ([`logs`] that follow, [`transfer`], [`events`] with samples) does more.

mod ask;
mod audit;
pub(super) mod client;
pub(super) mod dead_letters;
pub(super) mod deliveries;
pub(super) mod event_types;
pub(super) mod events;
pub(super) mod health;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod logs;
pub(super) mod portal;
pub(super) mod profiles;
mod session;
pub(super) mod stats;
mod table;
pub(super) mod tenants;
pub(super) mod transfer;
pub(super) mod webhooks;

pub(super) use self::{audit::Audit, session::Session};

use std::{io::Write, process::ExitCode};

use rung_core::domain::id::TenantName;

use self::client::Client;
use super::{Error, runtime};

/// Which Rung is meant, and who speaks.
#[derive(clap::Args)]
#[command(next_help_heading = "Which Rung")]
pub(super) struct Place {
    /// The profile of `rung login` to use [env: RUNG_PROFILE]
    #[arg(long, value_name = "NAME", global = true, conflicts_with = "server")]
    profile: Option<String>,
    /// The URL of Rung, with the key in RUNG_KEY [env: RUNG_URL] [default: the profile in use, or http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", global = true, value_parser = profiles::base)]
    server: Option<String>,
    /// The tenant to act for; a tenant's key implies it
    #[arg(long, value_name = "ID", global = true, value_parser = tenant)]
    tenant: Option<String>,
}

impl Place {
    /// The tenant that is named.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub(super) fn client(&self) -> Result<Client, Error> {
        let access = profiles::access(self.profile.as_deref(), self.server.as_deref())?;
        let client = Client::new(&access.url, &access.key);
        Ok(match &self.tenant {
            Some(tenant) => client.for_tenant(tenant),
            None => client,
        })
    }
}

fn tenant(text: &str) -> Result<String, String> {
    let name = TenantName::parse(text).map_err(|problem| problem.to_string())?;
    Ok(name.to_string())
}

/// What a command does with the API.
pub(super) trait Remote {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error>;
}

/// A group of commands.
#[derive(clap::Args)]
pub(super) struct Group<C: clap::Subcommand> {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: C,
}

/// A single command.
#[derive(clap::Args)]
pub(super) struct Single<A: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl<C: clap::Subcommand + Remote> Group<C> {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<ExitCode, Error> {
        self.common.run(&self.command, out)
    }
}

impl<A: clap::Args + Remote> Single<A> {
    pub(super) fn run(&self, out: &mut impl Write) -> Result<ExitCode, Error> {
        self.common.run(&self.args, out)
    }
}

impl Common {
    fn run(&self, remote: &impl Remote, out: &mut impl Write) -> Result<ExitCode, Error> {
        let client = self.place.client()?;
        let tenant = self.place.tenant.clone();
        let mut session = Session::new(client, tenant, self.json, out);
        runtime()?.block_on(remote.run(&mut session))
    }
}

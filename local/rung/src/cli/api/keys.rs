//! `rung keys`: the operator's keys, or with `--tenant` a tenant's.

use std::process::ExitCode;

use rung_core::domain::id::KeyId;
use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, NoFilters},
};

/// What can be done with keys.
#[derive(clap::Subcommand)]
#[command(after_help = "\
With --tenant, these are the tenant's keys. The key that may do this has the scope admin.

Examples:
  rung keys create \"Outbox relay\" --scope publish
  rung keys create Acme --tenant acme --scope manage --scope publish
  rung keys list
  rung keys revoke key_root")]
pub(crate) enum Command {
    /// List keys
    List(List<NoFilters>),
    /// Create a key and print it last; it is shown only once
    Create(Create),
    /// Delete a key, which stops working
    Revoke {
        /// The key's id, not the key itself
        #[arg(value_parser = KeyId::parse)]
        id: KeyId,
    },
}

/// The flags of `keys create`.
#[derive(clap::Args, Serialize)]
pub(crate) struct Create {
    /// The key's name
    name: String,
    /// A scope: admin, manage, publish, read, catalogue or erase; repeatable
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The expiry, such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// With --tenant: how many events may be published with it per hour
    #[arg(long, value_name = "N")]
    events_per_hour: Option<u64>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let keys = match &session.tenant {
            Some(tenant) => format!("/v1/tenants/{tenant}/keys"),
            None => "/v1/keys".to_owned(),
        };
        let ask = match self {
            Self::List(list) => return session.list(list, &keys, "keys").await,
            Self::Create(new) => Ask::post(keys, new, "key").once("key"),
            Self::Revoke { id } => Ask::delete(format!("{keys}/{id}"), "key"),
        };
        session.ask(ask).await
    }
}

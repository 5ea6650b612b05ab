//! `rung portal`: links with which a tenant's people see its webhooks.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Error, Remote, Session,
    ask::{Ask, List, NoFilters, Segment},
};

/// What can be done with portal links.
#[derive(clap::Subcommand)]
#[command(after_help = "\
All of them are about the tenant that --tenant names.

Examples:
  rung portal link --tenant acme --capability manage --capability test
  rung portal list --tenant acme
  rung portal revoke --tenant acme --all")]
pub(crate) enum Command {
    /// Make a link and print it last; it is shown only once
    Link(New),
    /// List links
    List(List<NoFilters>),
    /// Revoke a link, or all links of the tenant
    Revoke {
        /// The link's id; --all in its place for all links
        #[arg(required_unless_present = "all")]
        id: Option<Segment>,
        /// All links of the tenant
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

#[derive(clap::Args, Serialize)]
pub(crate) struct New {
    /// What it allows beside viewing: manage, secrets or test; repeatable
    #[arg(long = "capability", value_name = "CAPABILITY")]
    capabilities: Vec<String>,
    /// The only webhook that it shows [default: all]
    #[arg(long, value_name = "ID")]
    webhook_id: Option<String>,
    /// The expiry, at most a day from now [default: an hour from now]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Where the portal leads back to
    #[arg(long, value_name = "URL")]
    return_url: Option<String>,
}

impl Remote for Command {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let tenant = session
            .tenant
            .as_ref()
            .ok_or("name the tenant: --tenant ID")?;
        let links = format!("/v1/tenants/{tenant}/portal-links");
        let ask = match self {
            Self::Link(new) => Ask::post(links, new, "portal_link").once("url"),
            Self::List(list) => return session.list(list, &links, "portal_links").await,
            Self::Revoke { id: Some(id), .. } => {
                Ask::delete(format!("{links}/{id}"), "portal_link")
            }
            Self::Revoke { id: None, .. } => Ask::delete(links, "portal_links"),
        };
        session.ask(ask).await
    }
}

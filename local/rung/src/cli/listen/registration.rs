//! `rung listen --create`: a webhook of a running Rung for as long as this command runs.

use std::{fmt, sync::Arc};

use rung_dialect::{Dialect, Dialects};
use serde_json::json;
use url::Url;

use super::super::{
    Error,
    api::{Place, client::Client},
};

/// The flags of that.
#[derive(clap::Args)]
#[command(next_help_heading = "As a webhook")]
pub(super) struct Wish {
    /// Create a webhook that leads here, verify with its secret, and delete it at the end
    #[arg(long)]
    create: bool,
    /// A type, group, prefix such as order.*, or *; repeatable
    #[arg(long, value_name = "TYPE", default_value = "*", requires = "create")]
    events: Vec<String>,
    /// Where Rung reaches this address, such as a tunnel's URL [default: the address itself]
    #[arg(long, value_name = "URL", requires = "create", value_parser = crate::flags::http_url)]
    pub(super) public_url: Option<Url>,
    #[command(flatten)]
    pub(super) place: Place,
}

/// A webhook that was made for this command.
pub(super) struct Registration {
    client: Client,
    pub(super) id: String,
    pub(super) secret: Option<String>,
    dialect: String,
    tenant: String,
    leads_to: String,
}

impl Registration {
    /// Makes the webhook, if it is wished for.
    pub(super) async fn make(wish: &Wish, url: &str) -> Result<Option<Self>, Error> {
        if !wish.create {
            return Ok(None);
        }
        let client = wish.place.client()?;
        let leads_to = wish.public_url.as_ref().map_or(url, Url::as_str).to_owned();
        let webhook = json!({ "url": leads_to, "events": wish.events, "name": "rung listen" });
        let made = client.post("/v1/webhooks", &webhook).await?;
        let text = |name: &str| made["webhook"][name].as_str().map(str::to_owned);
        Ok(Some(Self {
            id: text("id").unwrap_or_default(),
            secret: text("secret"),
            dialect: text("dialect").unwrap_or_default(),
            tenant: text("tenant_id").unwrap_or_default(),
            client,
            leads_to,
        }))
    }

    /// Its dialect, if that comes with Rung.
    pub(super) fn dialect(&self) -> Option<Arc<Dialect>> {
        Dialects::builtin().get(&self.dialect).cloned()
    }

    /// Deletes the webhook.
    pub(super) async fn remove(self) -> Result<(), Error> {
        let path = format!("/v1/webhooks/{}", self.id);
        let deleted = self.client.delete(&path).await;
        deleted.map(drop).map_err(|error| {
            let Self { id, tenant, .. } = &self;
            format!(
                "the webhook is still there: {error}; delete it: `rung webhooks delete {id} --tenant {tenant}`"
            )
            .into()
        })
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "webhook {} leads to {} until this ends",
            self.id, self.leads_to
        )
    }
}

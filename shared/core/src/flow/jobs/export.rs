//! Counting what an export has. Its lines are made when they are read: nothing is stored twice, secrets least of all.

use super::Next;
use crate::{
    domain::{
        job::{Counts, Exporting, Failure, Job},
        message::At,
        tenant::OPERATORS_OWN,
    },
    flow::{FlowError, control::Control},
    limits::PAGE_MAX,
    store::span::Order,
};

impl Control {
    /// Counts a page of tenants, which know how many webhooks they have.
    pub(super) async fn export_page(
        &self,
        job: &Job,
        work: &Exporting,
        behind: &str,
    ) -> Result<Next, FlowError> {
        let (tenants, next) = match &work.tenant {
            Some(tenant) => match self.store.tenant(tenant).await? {
                Some(tenant) => (vec![tenant], None),
                None => return Ok(Next::End(Some(Failure::TenantDeleted))),
            },
            None => {
                let behind = Some(behind).filter(|behind| !behind.is_empty());
                let page = self
                    .store
                    .tenants(Order::OldestFirst, behind, PAGE_MAX)
                    .await?;
                (page.items, page.next)
            }
        };
        let counts = Counts {
            // The operator's own is no line, but its webhooks are.
            tenants: tenants
                .iter()
                .filter(|it| it.id.name() != OPERATORS_OWN)
                .count() as u64,
            webhooks: tenants.iter().map(|it| it.webhooks).sum(),
            ..Counts::default()
        };
        let Some(job) = self.noted(job, counts, None).await? else {
            return Ok(Next::Left);
        };
        Ok(match next {
            Some(next) => Next::Page(job, At::Export(next), 0),
            None => Next::End(None),
        })
    }
}

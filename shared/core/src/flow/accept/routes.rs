//! Which webhooks an event is for: those of its tenant, kept as of the tenant's version.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use tokio::{sync::Mutex, task::yield_now};

use super::Publisher;
use crate::{
    domain::{
        id::TenantId,
        no_delivery::NoDelivery,
        tenant::{Changed, Tenant},
        webhook::Subscription,
    },
    flow::EventTypes,
    limits::FILTER_SLICE,
    store::StoreError,
};
use rung_dialect::Dialect;
use rung_json::Json;

/// The webhooks of more tenants than this are not remembered.
const CACHED_TENANTS: usize = 1_000;

/// What looking at one of a webhook's subscriptions takes, in the unit of [`FILTER_SLICE`].
const SUBSCRIPTION_WORK: usize = 50;

/// A tenant's webhooks and event types as of one version of the tenant, and one revision of the deployment's types.
pub(super) struct Routes {
    /// The tenant's version that they are of.
    of: u64,
    /// In the order of their ids.
    pub(super) webhooks: Vec<Arc<Subscription>>,
    pub(super) types: Arc<EventTypes>,
    /// Whoever holds it may do what takes long for the tenant. It is the same for all versions.
    pub(super) turn: Arc<Mutex<()>>,
}

/// Whom an event is for.
pub(super) struct Matching<'a> {
    /// The webhooks, active or not.
    pub(super) webhooks: Vec<&'a Subscription>,
    /// Why no active one is among them, if none is.
    pub(super) reason: Option<NoDelivery>,
    /// Whether it is sent to those that are active now; else they miss it.
    pub(super) is_sent: bool,
}

impl Publisher {
    /// The event types of a tenant, as the table has them; with no tenant, the deployment's.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_types(&self, tenant: Option<&TenantId>) -> Result<EventTypes, StoreError> {
        self.types.of(tenant).await
    }

    /// The tenant's webhooks and event types. Of what is known here only that is read again which has changed.
    pub(super) async fn routes(&self, tenant: &Tenant) -> Result<Arc<Routes>, StoreError> {
        // Just read along with the tenant.
        let deployment = self.types.current().await?;
        let cache = || self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache().get(&tenant.id).cloned();
        if let Some(routes) = &known
            && routes.of == tenant.version
            && routes.types.revision() == deployment.revision
        {
            return Ok(Arc::clone(routes));
        }
        // Of a version that the table has gone back behind, nothing is known.
        let changed = known.as_ref().filter(|routes| routes.of <= tenant.version);
        let changed = changed.and_then(|routes| {
            let changed = tenant.changes.after(routes.of)?;
            Some((routes, changed))
        });
        // Read after the version: what is kept under it is at least as new.
        let webhooks = async {
            match &changed {
                Some((routes, changed)) => self.changed(&tenant.id, routes, changed).await,
                None => {
                    let all = self.store.subscriptions_of(tenant).await?;
                    Ok(all.into_iter().map(Arc::new).collect())
                }
            }
        };
        let types = async {
            match &changed {
                Some((routes, changed))
                    if !changed.event_types && routes.types.revision() == deployment.revision =>
                {
                    Ok(Arc::clone(&routes.types))
                }
                _ => self.types.of(Some(&tenant.id)).await.map(Arc::new),
            }
        };
        let (webhooks, types) = tokio::try_join!(Box::pin(webhooks), Box::pin(types))?;
        let routes = Arc::new(Routes {
            of: tenant.version,
            webhooks,
            types,
            turn: known
                .map(|routes| Arc::clone(&routes.turn))
                .unwrap_or_default(),
        });
        let mut cache = cache();
        if cache.len() >= CACHED_TENANTS {
            cache.clear();
        }
        cache.insert(tenant.id.clone(), Arc::clone(&routes));
        Ok(routes)
    }

    /// The webhooks that are known, with those that have changed as they stand now.
    async fn changed(
        &self,
        tenant: &TenantId,
        known: &Routes,
        changed: &Changed,
    ) -> Result<Vec<Arc<Subscription>>, StoreError> {
        let read = self.store.subscriptions(tenant, &changed.webhooks).await?;
        let is_changed: HashSet<_> = changed.webhooks.iter().collect();
        let others = known.webhooks.iter();
        let others = others.filter(|webhook| !is_changed.contains(&webhook.id));
        let mut webhooks: Vec<_> = others
            .cloned()
            .chain(read.into_iter().map(Arc::new))
            .collect();
        webhooks.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Ok(webhooks)
    }

    /// The webhooks that an event of this type and payload is for. Where there are many, or costly filters, others have their turn
    /// in between.
    pub(super) async fn matching<'a>(
        &self,
        tenant: &Tenant,
        dialect: &Dialect,
        routes: &'a Routes,
        event_type: &str,
        data: &Json,
    ) -> Matching<'a> {
        // Without it they are disabled, or about to be.
        let is_sent = dialect.allows_plan(tenant.plan.as_deref());
        let (mut webhooks, mut anybody, mut work) = (Vec::new(), false, 0);
        for webhook in &routes.webhooks {
            work += webhook.events.len() * SUBSCRIPTION_WORK;
            // A webhook may speak a dialect of its own; what that has no word for is not for it.
            let dialect = routes.types.dialect(&webhook.dialect);
            if dialect.is_some_and(|dialect| subscribes(&webhook.events, dialect, event_type)) {
                anybody = true;
                let asked = webhook.filter.as_ref().map(|filter| filter.ask(data));
                work += asked.map_or(0, |asked| asked.work);
                if asked.is_none_or(|asked| asked.takes) {
                    webhooks.push(&**webhook);
                }
            }
            if work > FILTER_SLICE {
                work = 0;
                yield_now().await;
            }
        }
        let reason = if !is_sent {
            Some(NoDelivery::Plan)
        } else if webhooks.iter().any(|webhook| webhook.is_active) {
            None
        } else if !webhooks.is_empty() {
            Some(NoDelivery::Disabled)
        } else if anybody {
            Some(NoDelivery::Filtered)
        } else if routes.webhooks.is_empty() {
            Some(NoDelivery::NoWebhook)
        } else {
            Some(NoDelivery::NotSubscribed)
        };
        Matching {
            webhooks,
            reason,
            is_sent,
        }
    }
}

/// Whether a webhook that speaks `dialect` and has these patterns subscribes to a type.
fn subscribes(patterns: &[String], dialect: &Dialect, event_type: &str) -> bool {
    let catalogue = &dialect.catalogue;
    catalogue
        .resolve_type(event_type)
        .is_some_and(|event_type| {
            patterns
                .iter()
                .any(|pattern| catalogue.matches(pattern, event_type))
        })
}

//! The dialects as they are spoken here: with the event types that the operator has defined for the deployment, and a tenant for
//! itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rung_dialect::{Dialect, Dialects, EventType};
use rung_json::Json;

use crate::{
    domain::{
        event_type::{Definition, Owner, Source},
        id::TenantId,
    },
    store::{Store, StoreError},
};

/// The deployment's definitions, read again only when one has changed.
#[derive(Clone)]
pub(super) struct Deployments {
    store: Store,
    dialects: Arc<Dialects>,
    known: Arc<Mutex<Option<Arc<Deployment>>>>,
}

/// The deployment's definitions as of one revision.
#[derive(Debug)]
pub(super) struct Deployment {
    /// The revision that they are of.
    pub(super) revision: u64,
    /// By dialect and name.
    definitions: HashMap<String, HashMap<String, Definition>>,
    dialects: Arc<Dialects>,
}

/// The event types of one tenant, in every dialect; or the deployment's, where there is no tenant.
#[derive(Debug)]
pub struct EventTypes {
    deployment: Arc<Deployment>,
    own: HashMap<String, Definition>,
    /// The dialects with the tenant's own, each made when it is first asked for; none, where the tenant has none.
    spoken: HashMap<String, OnceLock<Arc<Dialect>>>,
}

impl Deployments {
    pub(super) fn new(store: Store, dialects: Arc<Dialects>) -> Self {
        Self {
            store,
            dialects,
            known: Arc::default(),
        }
    }

    /// The deployment's definitions, as they were [`EVENT_TYPES_MS`](crate::limits::EVENT_TYPES_MS) ago at most.
    pub(super) async fn current(&self) -> Result<Arc<Deployment>, StoreError> {
        let revision = self.store.event_types_revision().await?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known()
            && known.revision == revision
        {
            return Ok(Arc::clone(known));
        }
        // Read after the revision: what is kept under it is at least as new.
        let listed = if revision == 0 {
            Vec::new()
        } else {
            self.store.event_types_of_deployment().await?
        };
        let mut definitions: HashMap<String, HashMap<String, Definition>> = HashMap::new();
        for (dialect, definition) in listed {
            let of_dialect = definitions.entry(dialect).or_default();
            of_dialect.insert(definition.name.clone(), definition);
        }
        let mut dialects = Arc::clone(&self.dialects);
        for (name, definitions) in &definitions {
            // The file of the dialect may be gone.
            if let Some(dialect) = self.dialects.get(name) {
                let dialect = with(dialect, definitions.values());
                dialects = Arc::new(Dialects::clone(&dialects).replacing(dialect));
            }
        }
        let current = Arc::new(Deployment {
            revision,
            definitions,
            dialects,
        });
        *known() = Some(Arc::clone(&current));
        Ok(current)
    }

    /// A tenant's event types; with no tenant, the deployment's.
    pub(super) async fn of(&self, tenant: Option<&TenantId>) -> Result<EventTypes, StoreError> {
        let own = async {
            match tenant {
                Some(tenant) => self.store.event_types_of(Owner::Tenant(tenant)).await,
                None => Ok(Vec::new()),
            }
        };
        let (deployment, own) = tokio::try_join!(self.current(), own)?;
        let names = deployment.dialects.names().filter(|_| !own.is_empty());
        let spoken = names.map(|name| (name.to_owned(), OnceLock::new()));
        let spoken = spoken.collect();
        let own = own.into_iter();
        let own = own.map(|definition| (definition.name.clone(), definition));
        Ok(EventTypes {
            own: own.collect(),
            deployment,
            spoken,
        })
    }
}

impl EventTypes {
    /// The revision of the deployment's definitions among them.
    pub(super) fn revision(&self) -> u64 {
        self.deployment.revision
    }

    /// The dialect of this name, its catalogue with all that is defined.
    #[must_use]
    pub fn dialect(&self, name: &str) -> Option<&Arc<Dialect>> {
        let dialect = self.deployment.dialects.get(name)?;
        match self.spoken.get(name) {
            Some(spoken) => Some(spoken.get_or_init(|| Arc::new(with(dialect, self.own.values())))),
            None => Some(dialect),
        }
    }

    /// All dialects, their catalogues with all that is defined.
    #[must_use]
    pub fn dialects(&self) -> Arc<Dialects> {
        let mut dialects = Dialects::clone(&self.deployment.dialects);
        for name in self.spoken.keys() {
            if let Some(dialect) = self.dialect(name) {
                dialects = dialects.replacing(Arc::clone(dialect));
            }
        }
        Arc::new(dialects)
    }

    /// What is defined of a type in a dialect, and where; `None` when its file alone may know it.
    #[must_use]
    pub fn definition(&self, dialect: &str, event_type: &str) -> Option<(&Definition, Source)> {
        let own = self.own.get(event_type);
        let own = own.map(|definition| (definition, Source::Tenant));
        own.or_else(|| {
            let definition = self.of_deployment(dialect, event_type)?;
            Some((definition, Source::Deployment))
        })
    }

    /// What the deployment defines of a type in a dialect.
    #[must_use]
    pub fn of_deployment(&self, dialect: &str, event_type: &str) -> Option<&Definition> {
        self.deployment.definitions.get(dialect)?.get(event_type)
    }
}

/// A dialect with what is defined in place of what its file says, or beside it.
fn with<'a>(dialect: &Dialect, definitions: impl Iterator<Item = &'a Definition>) -> Dialect {
    let catalogue = &dialect.catalogue;
    let types = definitions.filter_map(|definition| {
        let name = &definition.name;
        let listed = catalogue.get(name);
        // In this dialect it may be another name of one of its own types, which stands.
        if listed.is_some_and(|listed| listed.name != *name) {
            return None;
        }
        // Of an open catalogue that is the sample for all.
        let sample = definition.sample.as_ref();
        let sample = sample.or_else(|| catalogue.sample(name));
        Some(EventType {
            wire: None,
            name: name.clone(),
            aliases: listed.map_or_else(Vec::new, |listed| listed.aliases.clone()),
            groups: definition.groups.clone(),
            description: definition.description.clone().unwrap_or_default(),
            sample: sample.cloned().unwrap_or_else(Json::empty),
            // What is defined has its schema as it was given: it is compiled when it is first needed.
            schema: None,
            archived: definition.archived,
        })
    });
    dialect.with_types(types.collect())
}

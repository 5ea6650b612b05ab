//! The schemas that tenants and the operator have defined, compiled: once for each change, and shared by all events.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rung_json::{Json, JsonFault, limits::SCHEMA_BYTES, schema::Schema};

use crate::{aside::aside, domain::event_type::Owner, limits::SCHEMA_CACHE_BYTES};

/// Those that were used last.
#[derive(Clone, Default)]
pub(super) struct Schemas(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// By owner and type.
    compiled: HashMap<(String, String), Compiled>,
    bytes: usize,
}

struct Compiled {
    given: Json,
    schema: Result<Arc<Schema>, JsonFault>,
}

impl Schemas {
    /// The schema that an event type was given.
    ///
    /// # Errors
    /// When it is refused by now, though it was taken once.
    pub(super) fn compiled(
        &self,
        owner: Owner<'_>,
        event_type: &str,
        given: &Json,
    ) -> Result<Arc<Schema>, JsonFault> {
        // No tenant's id has a slash in it.
        let owner = match owner {
            Owner::Tenant(tenant) => tenant.to_string(),
            Owner::Deployment(dialect) => format!("/{dialect}"),
        };
        let name = (owner, event_type.to_owned());
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known().compiled.get(&name)
            && compiled.given == *given
        {
            return compiled.schema.clone();
        }
        let schema = aside(|| Schema::compile(given)).map(Arc::new);
        let compiled = Compiled {
            given: given.clone(),
            schema: schema.clone(),
        };
        let bytes = compiled.bytes();
        let mut known = known();
        if known.bytes + bytes > SCHEMA_CACHE_BYTES {
            *known = Known::default();
        }
        let before = known.compiled.insert(name, compiled);
        known.bytes += bytes;
        known.bytes -= before.map_or(0, |before| before.bytes());
        schema
    }
}

impl Compiled {
    fn bytes(&self) -> usize {
        let least = 4 * SCHEMA_BYTES;
        self.schema.as_ref().map_or(least, |schema| schema.size())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::id::TenantId;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn a_schema_is_compiled_once_for_each_change_and_shared() {
        let schemas = Schemas::default();
        let tenant = TenantId::parse("acme").unwrap();
        let compiled = |text: &str| {
            schemas
                .clone()
                .compiled(Owner::Tenant(&tenant), "a.b", &json(text))
        };
        let first = compiled(r#"{"pattern":"^a"}"#).unwrap();
        let again = compiled(r#"{"pattern":"^a"}"#).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let changed = compiled(r#"{"pattern":"^b"}"#).unwrap();
        assert!(!Arc::ptr_eq(&first, &changed));
        let again = compiled(r#"{"pattern":"^b"}"#).unwrap();
        assert!(Arc::ptr_eq(&changed, &again));
    }
}

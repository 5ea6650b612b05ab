//! What may refuse an event: its type, the dialects that it is to be said in, its type's schema.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use rung_dialect::{BodyFault, Dialect, EventFacts};
use rung_json::{Json, schema::Schema};

use super::{
    Publisher, Refusal,
    routes::{Matching, Routes},
};
use crate::{
    aside::aside,
    domain::{
        event_type::{Owner, Source},
        id::TenantId,
        tenant::Tenant,
    },
    flow::EventTypes,
    limits::{COSTLY_EVENT_BYTES, COSTLY_SCHEMA_ASKS, COSTLY_WEBHOOKS},
    store::events::Body,
};

/// An event that nothing refuses.
pub(super) struct Checked<'a> {
    /// Its type, aliases resolved.
    pub(super) event_type: String,
    pub(super) matching: Matching<'a>,
    /// Its body for each dialect among those it is for, and in the tenant's.
    pub(super) bodies: BTreeMap<String, Body>,
}

impl Publisher {
    /// Holds an event, whose type may be an alias, against all that may refuse it. Rung's own are held against no schema: no tenant
    /// can keep itself from hearing what Rung has to tell.
    pub(super) async fn checked<'a>(
        &self,
        tenant: &Tenant,
        dialect: &Dialect,
        routes: &'a Routes,
        facts: EventFacts<'_>,
        own: bool,
    ) -> Result<Checked<'a>, Refusal> {
        let Some(event_type) = dialect.catalogue.resolve_type(facts.event_type) else {
            return Err(Refusal::UnknownType {
                event_type: facts.event_type.to_owned(),
            });
        };
        let facts = EventFacts {
            event_type,
            ..facts
        };
        let own_body = body(dialect, &facts)?;
        let schema = if own {
            None
        } else {
            let definition = routes.types.definition(&dialect.name, event_type);
            if definition.is_some_and(|(definition, _)| definition.archived) {
                return Err(Refusal::Archived {
                    event_type: event_type.to_owned(),
                });
            }
            self.schema_of(&tenant.id, dialect, &routes.types, event_type)?
        };
        // However many costly events of a tenant come at once, they keep one worker busy.
        let is_costly =
            is_costly(&own_body, schema.as_deref()) || routes.webhooks.len() > COSTLY_WEBHOOKS;
        let turn = if is_costly {
            Some(routes.turn.lock().await)
        } else {
            None
        };
        let matching = self
            .matching(tenant, dialect, routes, event_type, facts.data)
            .await;
        if let Some(schema) = schema {
            check_schema(&schema, event_type, facts.data, is_costly)?;
        }
        drop(turn);
        let webhooks = matching.webhooks.iter();
        let spoken: HashSet<_> = webhooks.map(|webhook| webhook.dialect.as_str()).collect();
        let mut bodies = BTreeMap::from([(tenant.dialect.clone(), Body::Here(own_body))]);
        for other in spoken.into_iter().filter(|name| *name != tenant.dialect) {
            if let Some(dialect) = routes.types.dialect(other) {
                bodies.insert(other.to_owned(), Body::Here(body(dialect, &facts)?));
            }
        }
        Ok(Checked {
            event_type: event_type.to_owned(),
            matching,
            bodies,
        })
    }

    /// The schema of a type: the tenant's own, or else the deployment's, or else the dialect's.
    pub(in crate::flow) fn schema_of(
        &self,
        tenant: &TenantId,
        dialect: &Dialect,
        types: &EventTypes,
        event_type: &str,
    ) -> Result<Option<Arc<Schema>>, Refusal> {
        let Some((definition, source)) = types.definition(&dialect.name, event_type) else {
            let listed = dialect.catalogue.get(event_type);
            return Ok(listed.and_then(|listed| listed.schema.clone()));
        };
        let owner = match source {
            Source::Tenant => Owner::Tenant(tenant),
            Source::Deployment | Source::Dialect => Owner::Deployment(&dialect.name),
        };
        let given = definition.schema.as_ref();
        let compiled = given.map(|given| self.schemas.compiled(owner, event_type, given));
        compiled
            .transpose()
            .map_err(|fault| Refusal::UnusableSchema {
                event_type: event_type.to_owned(),
                fault: fault.to_string(),
            })
    }
}

/// Whether holding an event with this body against the schema of its type may take long.
pub(in crate::flow) fn is_costly(body: &Bytes, schema: Option<&Schema>) -> bool {
    body.len() > COSTLY_EVENT_BYTES || schema.is_some_and(|it| it.asks() > COSTLY_SCHEMA_ASKS)
}

/// Holds an event's data against the schema of its type.
pub(in crate::flow) fn check_schema(
    schema: &Schema,
    event_type: &str,
    data: &Json,
    is_costly: bool,
) -> Result<(), Refusal> {
    let check = || schema.check(data).violations;
    let violations = if is_costly { aside(check) } else { check() };
    if violations.is_empty() {
        return Ok(());
    }
    Err(Refusal::Schema {
        event_type: event_type.to_owned(),
        violations,
    })
}

/// The body of an event in a dialect, in its stored form.
///
/// # Errors
/// When the event cannot be said in it.
pub fn body(dialect: &Dialect, facts: &EventFacts<'_>) -> Result<Bytes, Refusal> {
    dialect
        .body(facts)
        .map(Bytes::from)
        .map_err(|fault| match fault {
            BodyFault::TooLarge { limit, actual } => Refusal::TooLarge {
                actual_bytes: actual,
                limit_bytes: limit,
                dialect: dialect.name.clone(),
            },
            BodyFault::UnstableNumber(fault) => Refusal::UnstableNumber {
                field: fault.path.to_string(),
                message: fault.to_string(),
            },
            BodyFault::ReservedMember { ref member, .. } => Refusal::ReservedMember {
                field: format!("data.{member}"),
                message: fault.to_string(),
            },
            BodyFault::UnreadableName { ref path } => Refusal::ReservedMember {
                field: path.to_string(),
                message: fault.to_string(),
            },
            BodyFault::NoHeaderValue { ref field } => Refusal::ReservedMember {
                field: field.clone(),
                message: fault.to_string(),
            },
            BodyFault::NotAnObject { field } => Refusal::NotAnObject { field },
        })
}

//! The audit log.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use rung_api::{ApiError, Code, Fields, Query, read};
use rung_core::{
    domain::{
        audit::{Action, Actor, Change, Entry, Target},
        id::{KeyId, TenantName},
        portal::Person,
        tenant::Scope,
        time::Time,
    },
    store::audit::{AuditFilter, Whose},
};
use rung_dialect::limits::ID_CHARS;
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Management, items};

/// A change, or a read of a secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(crate) struct AuditView<'a> {
    id: &'a str,
    at: Time,
    /// The tenant concerned; null for the operator's own resources.
    tenant_id: Option<&'a str>,
    actor: ActorView<'a>,
    /// The kind of resource, a dot, and the action.
    action: &'a str,
    target: &'a Target,
    changes: Vec<&'a Change>,
    /// Null for changes by Rung itself.
    request_id: Option<&'a str>,
    ip: Option<String>,
    user_agent: Option<&'a str>,
}

/// Who made a change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditActor")]
struct ActorView<'a> {
    /// `key`, `portal` for a portal link, or `system` for Rung itself.
    kind: &'static str,
    id: Option<&'a str>,
    /// The name of the key, or of the person.
    name: Option<&'a str>,
    /// The person of a portal link, as the link's `actor` names them.
    person: Option<&'a Person>,
}

impl<'a> AuditView<'a> {
    /// An entry as the operator sees it, or its tenant: a tenant is not told where the operator's people sit, nor
    /// what the operator keeps with it.
    fn of(entry: &'a Entry, to_tenant: bool) -> Self {
        let record = &entry.record;
        let origin = &record.origin;
        let actor = &origin.actor;
        let person = actor.person();
        let (name, by_operator) = match actor {
            Actor::Key { name, operator, .. } => (name.as_deref(), *operator),
            Actor::Portal { .. } => {
                let called = |person: &'a Person| person.name.as_deref().or(person.id.as_deref());
                (person.and_then(called), false)
            }
            Actor::System => (None, false),
        };
        let shows_place = !(to_tenant && by_operator);
        let is_note = |change: &Change| {
            record.action.starts_with("tenant.") && change.field.starts_with("metadata")
        };
        let changes = record.changes.iter();
        let changes = changes.filter(|change| !to_tenant || !is_note(change));
        Self {
            id: &entry.id,
            at: Time::at_ms(entry.at_ms),
            tenant_id: record.tenant.as_ref().map(|tenant| tenant.name()),
            actor: ActorView {
                kind: actor.kind(),
                id: actor.id().map(KeyId::as_str),
                name,
                person,
            },
            action: &record.action,
            target: &record.target,
            changes: changes.collect(),
            request_id: origin.request_id.as_deref(),
            ip: origin.ip.filter(|_| shows_place).map(|ip| ip.to_string()),
            user_agent: origin.user_agent.as_deref().filter(|_| shows_place),
        }
    }
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let caller = api.caller_or_operator(&headers, Scope::Read).await?;
    let to_tenant = caller.as_ref().is_some_and(|it| it.own_key().is_some());
    let own = caller.map(|caller| caller.tenant.id);
    let mut fields = Fields::of(&query)?;
    let names = ["audit", own.as_ref().map_or("", |own| own.as_str())];
    let page = api.page(&mut fields, &names).await?;
    let tenant = fields.optional("tenant", read::id(TenantName::parse));
    let whose = match (own, tenant) {
        (Some(own), Some(named)) if own.name() != named.as_str() => {
            let problem = "names a different tenant than the call; omit it";
            fields.problem_of(Code::TenantMismatch, "tenant", problem);
            Whose::Tenant(own)
        }
        (Some(own), _) => Whose::Tenant(own),
        (None, Some(named)) => Whose::Name(named),
        (None, None) => Whose::Deployment,
    };
    let (since_ms, until_ms) = fields.span();
    let filter = AuditFilter {
        whose,
        actors: fields.optional("actor", ids).unwrap_or_default(),
        actions: fields.optional("action", actions).unwrap_or_default(),
        targets: fields.optional("target", ids).unwrap_or_default(),
        since_ms,
        until_ms,
        order: page.order,
    };
    fields.finish()?;
    let after = page.after.as_deref();
    let (entries, next) = api.store.audit_page(&filter, after, page.limit).await?;
    let views = entries.iter().map(|entry| AuditView::of(entry, to_tenant));
    let views: Vec<_> = views.collect();
    Ok(page.answer("entries", &views, next.as_deref()))
}

/// Reads items that are separated by commas.
fn texts(
    value: &Json,
    is_good: impl Fn(&str) -> bool,
    must_be: &str,
) -> Result<Vec<String>, String> {
    items(value, |item| {
        let good = is_good(item).then(|| item.to_owned());
        good.ok_or_else(|| format!("must be {must_be}, or several of them separated by commas"))
    })
}

fn ids(value: &Json) -> Result<Vec<String>, String> {
    // Event types are targets too.
    let is_id = |item: &str| {
        (1..=2 * ID_CHARS).contains(&item.len()) && item.bytes().all(|byte| byte.is_ascii_graphic())
    };
    texts(value, is_id, "an id")
}

fn actions(value: &Json) -> Result<Vec<String>, String> {
    let is_known = |item: &str| {
        Action::ALL
            .iter()
            .any(|action| match item.strip_suffix(".*") {
                Some(kind) => action.kind() == kind,
                None => action.as_str() == item,
            })
    };
    texts(
        value,
        is_known,
        "an action such as `webhook.updated` or `webhook.*`",
    )
}

#[cfg(test)]
mod tests {
    use rung_api::limits::QUERY_ITEMS;

    use super::*;

    #[test]
    fn actions_are_known_ones_or_all_of_a_kind() {
        let read = |text: &str| actions(&Json::String(text.to_owned()));
        let both = Ok(vec!["webhook.*".to_owned(), "key.created".to_owned()]);
        assert_eq!(read("webhook.*,key.created"), both);
        for wrong in ["", "webhook", "webhook.", "*", "webhook.updated,", "hook.*"] {
            let problem = read(wrong).err().unwrap_or_default();
            assert!(problem.contains("`webhook.updated`"), "{wrong}: {problem}");
        }
        let many = vec!["key.created"; QUERY_ITEMS + 1].join(",");
        assert!(read(&many).is_err());
    }
}

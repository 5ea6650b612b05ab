//! Portal links: the dashboard for a tenant's people, for a while and without a key. All of their calls are the operator's.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    Api, ApiError, Code, Fields, NoQuery, Query, answer,
    limits::{NAME_CHARS, PORTAL_LINK_DEFAULT_MS, PORTAL_LINK_MAX_MS, URL_CHARS},
    read,
};
use rung_base::chance;
use rung_core::{
    domain::{
        audit::{Action, Change, Origin, Record},
        id::{KeyId, TenantId, TenantName, WebhookId},
        portal::{Capability, Person, PortalAccess},
        tenant::{ApiKey, KeyHash, KeyOwner, Scope, Tenant},
        time::Time,
    },
    store::{Listed, api_keys::KeyCreated},
};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    Management, Path,
    ids::{id_in_time, key_text},
    once::Once,
    tenants::named,
    tries::Tries,
};

/// A portal link.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PortalLink")]
pub(crate) struct PortalLinkView<'a> {
    id: &'a str,
    tenant_id: Option<&'a str>,
    /// The link itself. Only the response that creates the link has it, and only if the deployment has a `RUNG_PUBLIC_URL`; otherwise null.
    url: Option<String>,
    /// The token, which works as a bearer key; null unless the link was just created.
    token: Option<&'a str>,
    capabilities: &'a [Capability],
    /// The only webhook that it shows; null for all.
    webhook_id: Option<&'a str>,
    actor: Option<&'a Person>,
    return_url: Option<&'a str>,
    expires_at: Option<Time>,
    created_at: Time,
}

/// A token, and where the dashboard is that takes it.
pub(crate) struct Token<'a> {
    text: &'a str,
    dashboard: Option<&'a Url>,
}

impl Token<'_> {
    /// The link. Browsers send what stands behind the `#` to nobody.
    fn url(&self) -> Option<String> {
        let mut url = self.dashboard?.clone();
        url.set_query(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        url.set_fragment(Some(&format!("t={}", self.text)));
        Some(url.into())
    }
}

impl<'a> PortalLinkView<'a> {
    /// The link that a key is, if it is one.
    pub(crate) fn of(key: &'a ApiKey, token: Option<&Token<'a>>) -> Option<Self> {
        let access = key.portal.as_ref()?;
        Some(Self {
            id: key.id.as_str(),
            tenant_id: key.owner.tenant().map(|tenant| tenant.name()),
            url: token.and_then(Token::url),
            token: token.map(|token| token.text),
            capabilities: &access.capabilities,
            webhook_id: access.webhook.as_ref().map(WebhookId::as_str),
            actor: access.person.as_ref(),
            return_url: access.return_url.as_deref(),
            expires_at: key.expires_ms.map(Time::at_ms),
            created_at: Time::at_ms(key.created_ms),
        })
    }
}

/// A link to make.
struct New {
    capabilities: Vec<Capability>,
    webhook: Option<WebhookId>,
    person: Option<Person>,
    return_url: Option<String>,
    expires_ms: u64,
}

impl New {
    fn read(fields: &mut Fields<'_>, api: &Api) -> Self {
        let now_ms = api.clock.wall_ms();
        let expires_ms = fields.optional("expires_at", expiry(now_ms));
        Self {
            capabilities: fields
                .optional("capabilities", capabilities)
                .unwrap_or_else(|| vec![Capability::View]),
            webhook: fields.optional("webhook_id", read::id(WebhookId::parse)),
            person: person(fields),
            return_url: fields.optional("return_url", return_url(api.strict)),
            expires_ms: expires_ms.unwrap_or(now_ms + PORTAL_LINK_DEFAULT_MS),
        }
    }

    fn link(
        self,
        id: KeyId,
        (tenant, webhook_epoch): (&Tenant, Option<u64>),
        hash: KeyHash,
        created_ms: u64,
    ) -> ApiKey {
        ApiKey {
            id,
            owner: KeyOwner::Tenant(tenant.id.clone()),
            portal: Some(PortalAccess {
                capabilities: self.capabilities,
                webhook: self.webhook,
                webhook_epoch,
                person: self.person,
                return_url: self.return_url,
                round: tenant.portal_round,
            }),
            hash,
            name: None,
            scopes: Vec::new(),
            events_per_hour: None,
            expires_ms: Some(self.expires_ms),
            remind_ms: None,
            used_ms: None,
            revision: 0,
            created_ms,
        }
    }
}

/// Reads when a link ends: within a day.
fn expiry(now_ms: u64) -> impl Fn(&Json) -> Result<u64, String> {
    move |value| {
        let time_ms = read::time_ms(value)?;
        let most_ms = now_ms + PORTAL_LINK_MAX_MS;
        if time_ms > now_ms && time_ms <= most_ms {
            return Ok(time_ms);
        }
        let hours = PORTAL_LINK_MAX_MS / 3_600_000;
        Err(format!(
            "must be in the future, and at most {hours} hours from now"
        ))
    }
}

/// Reads what a link lets people do; to view is always among it.
fn capabilities(value: &Json) -> Result<Vec<Capability>, String> {
    let problem = || {
        let names = Capability::ALL.iter();
        let names: Vec<_> = names.map(|it| format!("`{}`", it.as_str())).collect();
        format!("must be a list out of {}", names.join(", "))
    };
    let mut found = vec![Capability::View];
    for name in read::list(value).map_err(|_| problem())? {
        let named = |it: &&Capability| name.as_str() == Some(it.as_str());
        let capability = Capability::ALL.iter().find(named).ok_or_else(problem)?;
        found.push(*capability);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Reads whom a link is for.
fn person(fields: &mut Fields<'_>) -> Option<Person> {
    let person = fields.object("actor", |fields| Person {
        id: fields.text("id", NAME_CHARS),
        name: fields.text("name", NAME_CHARS),
    })?;
    if person.id.is_none() && person.name.is_none() {
        fields.problem("actor", "must have an `id`, a `name` or both");
    }
    Some(person)
}

/// Reads where the dashboard leads back to: a page, never a script.
fn return_url(strict: bool) -> impl Fn(&Json) -> Result<String, String> {
    move |value| {
        let schemes: &[&str] = if strict {
            &["https"]
        } else {
            &["https", "http"]
        };
        let text = value.as_str().unwrap_or_default();
        let url = Url::parse(text).ok();
        let is_page = |url: &Url| {
            schemes.contains(&url.scheme()) && url.username().is_empty() && url.password().is_none()
        };
        if url.is_some_and(|url| is_page(&url)) && text.chars().count() <= URL_CHARS {
            return Ok(text.to_owned());
        }
        Err(format!(
            "must be an absolute URL with {}, without user information, of at most {URL_CHARS} characters",
            schemes.join(" or ")
        ))
    }
}

/// The audit log's record of what becomes of a link.
fn record(origin: &Origin, action: Action, link: &ApiKey) -> Record {
    let view = serde_json::to_value(PortalLinkView::of(link, None)).unwrap_or(Value::Null);
    let (before, after) = match action {
        Action::PortalLinkCreated => (None, Some(view)),
        _ => (Some(view), None),
    };
    Record::new(origin, link.owner.tenant(), action, link.id.as_str())
        .changing_all(Change::between(before, after))
}

fn made(api: &Api, tenant: &TenantId, link: &ApiKey, text: &str) -> Response {
    let dashboard = api.public_url.as_ref();
    let view = PortalLinkView::of(link, Some(&Token { text, dashboard }));
    let path = format!(
        "/v1/tenants/{}/portal-links/{}",
        tenant.name(),
        link.id.as_str()
    );
    let answer = answer(StatusCode::CREATED, json!({ "portal_link": view }));
    rung_api::located(answer, &path)
}

/// Makes a link.
pub(crate) async fn create(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let origin = api
        .operator_for(&headers, Scope::Admin, tenant.as_str())
        .await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    let tenant = api.tenant(tenant.as_str()).await?;
    if let Some(first) = once.claim(&state, &headers, &tenant.id, &body).await? {
        return Ok(first);
    }
    let mut fields = Fields::of(&body)?;
    let new = New::read(&mut fields, api);
    fields.finish()?;
    let webhook_epoch = match &new.webhook {
        Some(id) => {
            let problem = "is not a webhook of the tenant";
            let missing = || ApiError::of_field(Code::InvalidRequest, "webhook_id", problem);
            let webhook = api.store.webhook(&tenant.id, id).await?;
            Some(webhook.ok_or_else(missing)?.first_epoch)
        }
        None => None,
    };
    let now_ms = api.clock.now_ms();
    let id = id_in_time("plink_", now_ms, KeyId::parse)?;
    let text = key_text("rp_", chance::bytes());
    let link = new.link(id, (&tenant, webhook_epoch), KeyHash::of(&text), now_ms);
    let record = record(&origin, Action::PortalLinkCreated, &link);
    let answer = made(api, &tenant.id, &link, &text);
    let (record, answer) = once.answering(record, answer).await?;
    match api.store.create_api_key(&link, &record).await? {
        KeyCreated::Done => Ok(answer),
        KeyCreated::NoTenant => Err(ApiError::not_found("tenant", tenant.id.name())),
        KeyCreated::Taken => Err(Code::Internal.into()),
    }
}

/// How often a page of the list reads on past links that have ended.
const MOST_READS: u32 = 20;

/// The links that have not ended.
pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(tenant): Path<TenantName>,
    Query(query): Query,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let (_, tenant) = named(&state, &headers, Scope::Read, &tenant).await?;
    let mut fields = Fields::of(&query)?;
    let names = ["portal links", tenant.id.as_str()];
    let page = api.page(&mut fields, &names).await?;
    fields.finish()?;
    let (mut links, mut next) = (Vec::new(), page.after.clone());
    for _ in 0..MOST_READS {
        let room = page.limit - links.len();
        let after = next.as_deref();
        let listed = api.store.portal_links(&tenant.id, page.order, after, room);
        let Listed { items, next: after } = listed.await?;
        links.extend(items.into_iter().filter(|link| is_open(api, link, &tenant)));
        next = after;
        if next.is_none() || links.len() == page.limit {
            break;
        }
    }
    let views: Vec<_> = links
        .iter()
        .map(|link| PortalLinkView::of(link, None))
        .collect();
    Ok(page.answer("portal_links", &views, next.as_deref()))
}

/// Whether a link still opens anything.
fn is_open(api: &Api, link: &ApiKey, tenant: &Tenant) -> bool {
    let now_ms = api.clock.wall_ms();
    let round = link.portal.as_ref().map(|access| access.round);
    round == Some(tenant.portal_round)
        && link
            .expires_ms
            .is_some_and(|expires_ms| expires_ms > now_ms)
}

/// A tenant's link of this id that still opens something.
async fn open(api: &Api, tenant: &Tenant, id: &KeyId) -> Result<ApiKey, ApiError> {
    let owner = KeyOwner::Tenant(tenant.id.clone());
    let link = api.store.portal_link(&owner, id).await?;
    let link = link.filter(|link| is_open(api, link, tenant));
    link.ok_or_else(|| ApiError::not_found("portal link", id.as_str()))
}

pub(crate) async fn get(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let (_, tenant) = named(&state, &headers, Scope::Read, &tenant).await?;
    let link = open(&state.api, &tenant, &id).await?;
    let view = PortalLinkView::of(&link, None);
    Ok(answer(StatusCode::OK, json!({ "portal_link": view })))
}

pub(crate) async fn delete(
    State(state): State<Management>,
    headers: HeaderMap,
    Path((tenant, id)): Path<(TenantName, KeyId)>,
    request: Request,
) -> Result<Response, ApiError> {
    let api = &state.api;
    let (origin, tenant) = named(&state, &headers, Scope::Admin, &tenant).await?;
    rung_api::nothing(request).await?;
    let owner = KeyOwner::Tenant(tenant.id.clone());
    let mut tries = Tries::to_change("portal link");
    loop {
        let link = open(api, &tenant, &id).await?;
        let record = record(&origin, Action::PortalLinkDeleted, &link);
        let deleted = api.store.delete_api_key(&link, None, &record).await;
        // Whatever came of it: an answer that is lost may have been a success.
        api.forget_key(&owner, &id);
        if deleted? {
            let data = json!({ "portal_link": crate::deleted(id.as_str(), Some(&tenant.id)) });
            return Ok(answer(StatusCode::OK, data));
        }
        tries.again().await?;
    }
}

/// Ends all of a tenant's links, however many, at once and everywhere.
pub(crate) async fn delete_all(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(name): Path<TenantName>,
    request: Request,
) -> Result<Response, ApiError> {
    let (origin, tenant) = named(&state, &headers, Scope::Admin, &name).await?;
    rung_api::nothing(request).await?;
    let action = Action::PortalLinksEnded;
    let record = Record::new(&origin, Some(&tenant.id), action, name.as_str());
    if !state.api.store.end_portal_links(&tenant, &record).await? {
        return Err(ApiError::not_found("tenant", name.as_str()));
    }
    let data = json!({ "portal_links": { "tenant_id": tenant.id.name(), "deleted": true } });
    Ok(answer(StatusCode::OK, data))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn capabilities_are_some_of_all_and_to_view() {
        let read = |text: &str| capabilities(&json(text));
        assert_eq!(read("[]"), Ok(vec![Capability::View]));
        let read_in_order = read(r#"["test","manage","test"]"#);
        let expected = vec![Capability::View, Capability::Manage, Capability::Test];
        assert_eq!(read_in_order, Ok(expected));
        for wrong in [r#"["publish"]"#, "[1]", r#""view""#, "{}", r#"["VIEW"]"#] {
            let problem = read(wrong).unwrap_err();
            assert!(problem.contains("`secrets`"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_link_leads_back_to_pages_alone() {
        let read = |strict, url: &str| return_url(strict)(&Json::String(url.to_owned()));
        let page = "https://app.example/settings?tab=1#x";
        assert_eq!(read(true, page), Ok(page.to_owned()));
        assert!(read(false, "http://localhost:3000/").is_ok());
        for wrong in [
            "http://app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//app.example/",
            "/settings",
            "https://a:b@app.example/",
            "",
        ] {
            assert!(read(true, wrong).is_err(), "{wrong}");
        }
        assert!(read(false, "javascript:alert(1)").is_err());
    }

    #[test]
    fn the_token_stands_behind_the_address_of_the_dashboard() {
        for (base, expected) in [
            ("https://hooks.example", "https://hooks.example/#t=rp_1"),
            ("https://hooks.example/a", "https://hooks.example/a/#t=rp_1"),
            ("http://h:1/a/?q#x", "http://h:1/a/#t=rp_1"),
        ] {
            let base = Url::parse(base).unwrap();
            let token = Token {
                text: "rp_1",
                dashboard: Some(&base),
            };
            assert_eq!(token.url().as_deref(), Some(expected));
        }
    }
}

//! Another tenant's things: whatever call names one is answered as if it were not there, and changes nothing.
//!
//! The calls are those of the API's description, so a new one is held to this too. What cannot be worked out from there fails
//! until it is listed here: a new parameter of paths in [`Things::of`], a new field that names something in [`FIELDS`].

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Value, json};

use crate::{
    openapi::written_out,
    world::{Answered, As, World},
};

const OWNER: &str = "acme";
const STRANGER: &str = "other";

/// The calls that no tenant's key may make, by how their paths begin.
const OPERATORS: [&str; 7] = [
    "/v1/tenants",
    "/v1/exports",
    "/v1/import",
    "/v1/jobs/{job}/output",
    "/v1/dead-letters",
    "/v1/reencrypt",
    "/v1/keys",
];

/// Parameters of paths that name nothing of a tenant's: a type is any word.
const WORDS: [&str; 1] = ["type"];

/// The fields of queries, headers and bodies that name a thing, each with what the tests below hold it to.
const FIELDS: [&str; 12] = [
    "Idempotency-Key",
    "Rung-Tenant",
    "cursor",
    "delivery_id",
    "delivery_ids",
    "event_id",
    "id",
    "old_public_keys",
    "public_key",
    "tenant",
    "tenant_id",
    "webhook_id",
];

/// A tenant's things, by the parameters of paths that name them.
pub(crate) struct Things(BTreeMap<&'static str, String>);

impl Things {
    /// Gives a tenant one of everything, and a second one where it takes two to have a cursor. `erased` is a deleted webhook.
    pub(crate) async fn of(world: &World, tenant: &str) -> (Self, As) {
        world.tenant(tenant, "standard", "pro").await;
        let scopes = json!({"scopes": ["manage", "publish", "catalogue", "erase"]});
        let owner = world.key(tenant, scopes).await;
        let event_type = format!("{tenant}.secret");
        let path = format!("/v1/event-types/{event_type}");
        let put = world.send(&owner, "PUT", &path, json!({})).await;
        put.data(201);
        let url = format!("https://{tenant}.example/hook");
        let webhook = json!({"url": url, "events": [&event_type], "description": tenant});
        let mut webhooks = Vec::new();
        for _ in 0..3 {
            let caller = owner
                .clone()
                .with_idempotency_key(&webhooks.len().to_string());
            let made = world
                .send(&caller, "POST", "/v1/webhooks", webhook.clone())
                .await;
            webhooks.push(text(&made.data(201)["webhook"]["id"]));
        }
        let webhook = webhooks.swap_remove(0);
        let erased = webhooks.swap_remove(0);
        let path = format!("/v1/webhooks/{erased}");
        let deleted = world.send_text(&owner, "DELETE", &path, "").await;
        let job = text(&deleted.data(200)["job"]["id"]);
        world.answer(500);
        for id in ["1", "2"].map(|n| format!("{tenant}-event-{n}")) {
            let event = json!({"id": id, "type": event_type, "data": {"of": tenant}});
            world
                .send(&owner, "POST", "/v1/events", event)
                .await
                .data(202);
        }
        world.run_for(2_000).await;
        let base = format!("/v1/webhooks/{webhook}");
        let logs = world.get(&owner, &format!("{base}/logs")).await;
        let log = logs.data(200)["logs"][0].clone();
        let since = json!({"since": log["attempted_at"]});
        world
            .send(&owner, "POST", &format!("{base}/recover"), since)
            .await
            .data(202);
        world.run_for(2_000).await;
        let links = format!("/v1/tenants/{tenant}/portal-links");
        let link = world.send(&As::operator(), "POST", &links, json!({})).await;
        let keys = format!("/v1/tenants/{tenant}/keys");
        let keys = world.get(&As::operator(), &keys).await;
        let things = BTreeMap::from([
            ("tenant", tenant.to_owned()),
            ("key", text(&keys.data(200)["keys"][0]["id"])),
            ("portal_link", text(&link.data(201)["portal_link"]["id"])),
            ("webhook", webhook),
            ("log", text(&log["id"])),
            ("delivery", text(&log["delivery_id"])),
            ("event", text(&log["event_id"])),
            ("job", job),
            ("erased", erased),
            ("type", event_type),
        ]);
        (Self(things), owner)
    }

    pub(crate) fn id(&self, parameter: &str) -> &str {
        let id = self.0.get(parameter);
        id.unwrap_or_else(|| panic!("list the parameter {{{parameter}}} of paths in `Things::of`"))
    }

    /// Ids that nobody has, as long as these and as well-formed.
    pub(crate) fn absent(&self) -> Self {
        let other = |id: &String| {
            let mut id = id.clone();
            let last = id.pop();
            id.push(if last == Some('3') { '4' } else { '3' });
            id
        };
        Self(self.0.iter().map(|(name, id)| (*name, other(id))).collect())
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// One call of the API's description.
pub(crate) struct Operation {
    pub(crate) path: String,
    pub(crate) method: String,
    description: Value,
}

impl Operation {
    pub(crate) fn all() -> Vec<Self> {
        let document = written_out();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(|(method, description)| Self {
                path: path.clone(),
                method: method.to_ascii_uppercase(),
                description: description.clone(),
            })
        });
        operations.collect()
    }

    pub(crate) fn is_public(&self) -> bool {
        self.description["security"] == json!([])
    }

    fn is_operators(&self) -> bool {
        OPERATORS.iter().any(|path| self.path.starts_with(path))
    }

    /// Whether the operator alone makes it, for a tenant.
    fn is_operators_for_a_tenant(&self) -> bool {
        let description = self.description["description"].as_str().unwrap_or_default();
        !self.is_operators() && description.ends_with("a key with the scope `admin`.")
    }

    fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('{').skip(1);
        parts.map(|part| part.split_once('}').unwrap().0).collect()
    }

    /// The path with the things that `of` has for each parameter.
    pub(crate) fn path_of<'t>(&self, of: impl Fn(&str) -> &'t Things) -> String {
        let mut path = self.path.clone();
        for parameter in self.parameters() {
            let id = of(parameter).id(parameter);
            path = path.replace(&format!("{{{parameter}}}"), id);
        }
        path
    }

    /// The body of its example, if it has any.
    pub(crate) fn body(&self) -> Value {
        self.description["requestBody"]["content"]["application/json"]["example"].clone()
    }

    /// The names of its parameters that stand in `place`.
    fn names_in(&self, place: &str) -> BTreeSet<&str> {
        let parameters = self.description["parameters"].as_array();
        let parameters = parameters.into_iter().flatten();
        let parameters = parameters.filter(|parameter| parameter["in"] == place);
        parameters
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect()
    }

    pub(crate) async fn call(
        &self,
        world: &World,
        caller: &As,
        path: &str,
        body: &Value,
    ) -> Answered {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        world.send_text(caller, &self.method, path, &body).await
    }
}

/// All that an answer tells, but for what names this very request and for the ids that were asked for.
fn told(mut answered: Answered, asked: &Things) -> (u16, String, String) {
    if let Some(error) = answered.body.pointer_mut("/error") {
        error.as_object_mut().unwrap().remove("request_id");
    }
    let mut body = answered.body.to_string();
    // Longer ones first: one may have another in it.
    let mut ids: Vec<_> = asked.0.values().collect();
    ids.sort_by_key(|id| Reverse(id.len()));
    for id in ids {
        body = body.replace(id.as_str(), "…");
    }
    // What a word that one puts there oneself is called, and the version of that.
    for name in ["x-request-id", "etag", "location"] {
        answered.headers.remove(name);
    }
    (answered.status, format!("{:?}", answered.headers), body)
}

/// All that can be read of a tenant's things.
async fn seen(world: &World, things: &Things, owner: &As) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for operation in Operation::all() {
        if operation.method != "GET" || operation.is_public() {
            continue;
        }
        // No tenant's thing is in the operator's keys, and to read the audit log's other subjects adds to it.
        if ["/v1/keys", "/v1/audit"]
            .iter()
            .any(|path| operation.path.starts_with(path))
        {
            continue;
        }
        // The job is no export.
        if operation.path.ends_with("/output") {
            continue;
        }
        let caller = if operation.is_operators() {
            &As::operator()
        } else if operation.is_operators_for_a_tenant() {
            &As::operator_for(things.id("tenant"))
        } else {
            owner
        };
        let path = operation.path_of(|_| things);
        let mut answered = operation.call(world, caller, &path, &Value::Null).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.body);
        // Up to now, and that goes on.
        if let Some(stats) = answered.body.pointer_mut("/data/stats") {
            stats["until"].take();
        }
        seen.push((path, answered.body.to_string()));
    }
    assert!(seen.len() > 15, "only {}", seen.len());
    seen
}

/// Every way of making `parameters` name something of the other's, in at least one place.
fn mixtures<'p>(parameters: &[&'p str]) -> Vec<BTreeSet<&'p str>> {
    let subsets = 1..1_u32 << parameters.len();
    let chosen = subsets.map(|bits| {
        let parameters = parameters.iter().enumerate();
        let chosen = parameters.filter(|(place, _)| bits >> place & 1 == 1);
        chosen.map(|(_, parameter)| *parameter).collect()
    });
    chosen.collect()
}

/// Each call with each mixture of a stranger's own ids and the owner's, in the path. It is answered as it is for ids that nobody
/// has, to the last byte; the owner sees what was seen before; and no receiver hears of it.
#[tokio::test(start_paused = true)]
async fn another_tenants_things_are_as_if_they_were_not_there() {
    let world = World::still().await;
    let (theirs, owner) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let absent = theirs.absent();
    let before = seen(&world, &theirs, &owner).await;
    let posts = world.posts();
    let mut held = 0;
    for operation in Operation::all() {
        if operation.is_public() {
            continue;
        }
        let parameters = operation.parameters();
        // The operator's own keys belong to no tenant.
        if parameters.contains(&"operator_key") {
            continue;
        }
        // What the operator puts under a webhook's id is made in the tenant that is named, whoever else has one of that id.
        if operation.method == "PUT" && operation.path == "/v1/webhooks/{webhook}" {
            continue;
        }
        for mixture in mixtures(&parameters) {
            let path = |foreign| {
                let of = |name: &str| {
                    if mixture.contains(name) {
                        foreign
                    } else {
                        &own
                    }
                };
                operation.path_of(of)
            };
            let (there, nowhere) = (path(&theirs), path(&absent));
            let is_forbidden = operation.is_operators() || operation.is_operators_for_a_tenant();
            let mut callers = vec![(stranger.clone(), is_forbidden)];
            if !operation.is_operators() {
                callers.push((As::operator_for(STRANGER), false));
            } else if !mixture.contains("tenant") {
                callers.push((As::operator(), false));
            }
            for (caller, is_forbidden) in callers {
                for body in [operation.body(), json!({"no_such_field": 1})] {
                    let answered = operation.call(&world, &caller, &there, &body).await;
                    let is_example = body == operation.body();
                    if is_forbidden {
                        answered.assert_error(403, "forbidden");
                    } else if is_example && !mixture.iter().all(|name| WORDS.contains(name)) {
                        answered.assert_error(404, "not_found");
                    }
                    let as_absent = operation.call(&world, &caller, &nowhere, &body).await;
                    let (answered, as_absent) = (told(answered, &theirs), told(as_absent, &absent));
                    assert_eq!(answered, as_absent, "{} {there}", operation.method);
                    held += 1;
                }
            }
        }
    }
    assert!(held > 100, "only {held}");
    world.run_for(1).await;
    assert_eq!(world.posts(), posts, "a receiver was called");
    assert_eq!(seen(&world, &theirs, &owner).await, before);
}

/// Whatever a tenant can read, with its own ids or without any, has nothing of another's in it.
#[tokio::test(start_paused = true)]
async fn lists_hold_nothing_of_another_tenants() {
    let world = World::still().await;
    let (theirs, _) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let mut read = 0;
    for operation in Operation::all() {
        let is_read = operation.method == "GET" && !operation.is_public();
        if !is_read || operation.is_operators() {
            continue;
        }
        let caller = if operation.is_operators_for_a_tenant() {
            &As::operator_for(STRANGER)
        } else {
            &stranger
        };
        let path = operation.path_of(|_| &own);
        let answered = world.get(caller, &path).await;
        answered.data(200);
        let body = answered.body.to_string();
        for id in theirs.0.values().filter(|id| *id != "main.js") {
            assert!(!body.contains(id.as_str()), "{path} has {id}: {body}");
        }
        read += 1;
    }
    assert!(read > 10, "only {read}");
}

/// Whether a field's name says that it names something.
fn names_a_thing(field: &str) -> bool {
    let field = field.to_ascii_lowercase().replace('-', "_");
    let things = ["cursor", "id", "ids", "key", "keys", "tenant", "webhook"];
    field
        .split('_')
        .next_back()
        .is_some_and(|last| things.contains(&last))
}

#[test]
fn every_field_that_names_a_thing_is_held_to_its_tenant() {
    let mut fields = BTreeSet::new();
    let operations = Operation::all();
    for operation in operations
        .iter()
        .filter(|operation| !operation.is_operators())
    {
        fields.extend(operation.names_in("query"));
        fields.extend(operation.names_in("header"));
        let schema = &operation.description["requestBody"]["content"]["application/json"]["schema"];
        for schema in [schema, &schema["properties"]["events"]["items"]] {
            let properties = schema["properties"].as_object().into_iter().flatten();
            fields.extend(properties.map(|(name, _)| name.as_str()));
        }
    }
    fields.retain(|field| names_a_thing(field));
    let listed = BTreeSet::from(FIELDS);
    assert_eq!(
        fields, listed,
        "hold the field to its tenant in a test here, and list it"
    );
}

/// `cursor`: another's is one that nobody has been given.
#[tokio::test(start_paused = true)]
async fn another_tenants_cursors_lead_nowhere() {
    let world = World::still().await;
    let (theirs, owner) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let mut held = 0;
    for operation in Operation::all() {
        if operation.is_operators() || !operation.names_in("query").contains("cursor") {
            continue;
        }
        let path = operation.path_of(|_| &theirs);
        let page = world.get(&owner, &format!("{path}?limit=1")).await;
        let Some(cursor) = page.data(200)["next_cursor"].as_str() else {
            continue;
        };
        let path = operation.path_of(|_| &own);
        let follow = async |cursor: &str| {
            let answered = world
                .get(&stranger, &format!("{path}?cursor={cursor}"))
                .await;
            answered.assert_error(422, "invalid_request");
            assert_eq!(answered.fields(), ["cursor"], "{path}");
            told(answered, &own)
        };
        assert_eq!(follow(cursor).await, follow("bm90aGluZw").await, "{path}");
        held += 1;
    }
    assert!(held >= 4, "only {held} lists have more than a page");
}

/// `event_id` and `delivery_id`: they find nothing in the lists of another.
#[tokio::test(start_paused = true)]
async fn another_tenants_ids_filter_everything_out() {
    let world = World::still().await;
    let (theirs, _) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let absent = theirs.absent();
    for operation in Operation::all() {
        for field in ["event_id", "delivery_id"] {
            if operation.is_operators() || !operation.names_in("query").contains(field) {
                continue;
            }
            let path = operation.path_of(|_| &own);
            let parameter = field.strip_suffix("_id").unwrap();
            let found = async |things: &Things| {
                let path = format!("{path}?{field}={}", things.id(parameter));
                world.get(&stranger, &path).await
            };
            let foreign = found(&theirs).await;
            assert_eq!(foreign.data(200)["logs"], json!([]), "{path} {field}");
            assert_eq!(told(foreign, &theirs), told(found(&absent).await, &absent));
            assert_ne!(found(&own).await.data(200)["logs"], json!([]));
        }
    }
}

/// `delivery_ids`, of a recovery: another tenant's deliveries are not among those of a webhook.
#[tokio::test(start_paused = true)]
async fn another_tenants_deliveries_are_not_recovered() {
    let world = World::still().await;
    let (theirs, _) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let path = format!("/v1/webhooks/{}/recover", own.id("webhook"));
    let found = async |things: &Things| {
        let ids = json!([things.id("delivery")]);
        let dry = json!({"delivery_ids": ids, "statuses": ["any"], "dry_run": true});
        let counted = world.send(&stranger, "POST", &path, dry).await;
        counted.data(200)["count"].clone()
    };
    assert_eq!(found(&theirs).await, 0);
    assert_eq!(found(&own).await, 1);
}

/// `webhook_id`, of the jobs: the jobs of another tenant's webhook are not found.
#[tokio::test(start_paused = true)]
async fn another_tenants_webhook_has_no_jobs() {
    let world = World::still().await;
    let (theirs, _) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let found = async |things: &Things| {
        let path = format!("/v1/jobs?webhook_id={}", things.id("erased"));
        let jobs = world.get(&stranger, &path).await.data(200)["jobs"].clone();
        jobs.as_array().unwrap().len()
    };
    assert_eq!(found(&theirs).await, 0);
    assert_eq!(found(&theirs.absent()).await, 0);
    assert_eq!(found(&own).await, 1);
}

/// `tenant`, of the audit log: a tenant's key names no other, whether there is one of that name or not.
#[tokio::test(start_paused = true)]
async fn another_tenants_audit_log_is_not_asked_for() {
    let world = World::still().await;
    Things::of(&world, OWNER).await;
    let (_, stranger) = Things::of(&world, STRANGER).await;
    for named in [OWNER, "nobody"] {
        let path = format!("/v1/audit?tenant={named}");
        let refused = world.get(&stranger, &path).await;
        refused.assert_error(422, "tenant_mismatch");
        assert_eq!(refused.fields(), ["tenant"], "{named}");
    }
}

/// `Rung-Tenant`: a tenant's key names no other, whether there is one of that name or not.
#[tokio::test(start_paused = true)]
async fn a_key_names_no_other_tenant() {
    let world = World::still().await;
    let (theirs, _) = Things::of(&world, OWNER).await;
    let (own, stranger) = Things::of(&world, STRANGER).await;
    let absent = theirs.absent();
    let before = seen(&world, &own, &stranger).await;
    let mut held = 0;
    for operation in Operation::all() {
        // An import takes an operator's key alone: there it leaves lines out.
        if !operation.names_in("header").contains("Rung-Tenant") || operation.path == "/v1/import" {
            continue;
        }
        let path = operation.path_of(|_| &own);
        let as_tenant = async |things: &Things| {
            let caller = stranger.clone().naming(things.id("tenant"));
            operation
                .call(&world, &caller, &path, &operation.body())
                .await
        };
        let answered = as_tenant(&theirs).await;
        answered.assert_error(422, "tenant_mismatch");
        assert_eq!(
            told(answered, &theirs),
            told(as_tenant(&absent).await, &absent),
            "{path}"
        );
        held += 1;
    }
    assert!(held > 20, "only {held}");
    assert_eq!(seen(&world, &own, &stranger).await, before);
}

/// `id` and `Idempotency-Key`: both are a tenant's own, so that another's stand in nobody's way.
#[tokio::test(start_paused = true)]
async fn ids_and_idempotency_keys_are_a_tenants_own() {
    let world = World::still().await;
    let (theirs, owner) = Things::of(&world, OWNER).await;
    let (_, stranger) = Things::of(&world, STRANGER).await;
    let absent = theirs.absent();
    let before = seen(&world, &theirs, &owner).await;

    let publish = async |things: &Things| {
        let event = json!({"id": things.id("event"), "type": "a", "data": {}, "timestamp": "2025-01-01T00:00:00Z"});
        let one = world
            .send(&stranger, "POST", "/v1/events", event.clone())
            .await;
        assert_eq!(one.data(202)["deliveries"], 0);
        let batch = json!({"events": [event]});
        let many = world
            .send(&stranger, "POST", "/v1/events/batch", batch)
            .await;
        assert_eq!(many.data(202)["results"][0]["success"], true);
        one.data(202)["event"]["id"].clone()
    };
    assert_eq!(publish(&theirs).await, theirs.id("event"));
    assert_eq!(publish(&absent).await, absent.id("event"));

    // The operator brings a webhook along, under an id that another tenant's has.
    let webhook =
        json!({"url": "https://example.com/", "events": ["*"], "id": theirs.id("webhook")});
    let brought = world
        .send(&As::operator_for(STRANGER), "POST", "/v1/webhooks", webhook)
        .await;
    assert_eq!(brought.data(201)["webhook"]["url"], "https://example.com/");

    // "0" made the owner's webhook, and a stranger's own.
    let repeated = stranger.clone().with_idempotency_key("0");
    let webhook = json!({"url": "https://other.example/hook", "events": ["other.secret"], "description": STRANGER});
    let repeated = world.send(&repeated, "POST", "/v1/webhooks", webhook).await;
    assert_ne!(repeated.data(201)["webhook"]["id"], theirs.id("webhook"));
    assert_eq!(seen(&world, &theirs, &owner).await, before);
}

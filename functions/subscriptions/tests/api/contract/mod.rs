//! The contract held call by call: each operation of the description is made as it is written there, and refuses what every call
//! refuses. A call that is added is held by this too, and one that differs is named.
//!
//! What a call does beside is in the tests named after its things: [`tenants`](super::tenants), [`access`](super::access) (keys),
//! [`webhooks`](super::webhooks), [`challenge`](super::challenge), [`rotation`](super::rotation), [`deliveries`](super::deliveries)
//! (logs, retries, what waits), [`recover`](super::recover), [`stats`](super::stats), [`publish`](super::publish),
//! [`metering`](super::metering), [`events`](super::events), [`schemas`](super::schemas) (event types),
//! [`dead_letters`](super::dead_letters), [`lists`](super::lists), and [`seed`](super::seed) for the calls as Odin's document shows them.

mod fields;

use std::collections::{BTreeMap, BTreeSet};

use axum::{body::Body, http::Request};
use rung_core::domain::{
    delivery::State,
    id::{JobId, TenantId, WebhookId},
    job::{Cancelling, Task, Work},
    message::{At, JobPage},
};
use rung_local::app::openapi;
use serde_json::{Value, json};

use crate::{
    openapi::written_out,
    world::{Answered, As, World, by_nobody},
};

/// An operation of the description.
struct Call {
    id: String,
    method: String,
    path: String,
    docs: Value,
}

/// All operations, or those that need a key.
fn calls(document: &Value, guarded: bool) -> Vec<Call> {
    let paths = document["paths"].as_object().unwrap().iter();
    let calls = paths.flat_map(|(path, methods)| {
        methods
            .as_object()
            .unwrap()
            .iter()
            .map(|(method, docs)| Call {
                id: docs["operationId"].as_str().unwrap().to_owned(),
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                docs: docs.clone(),
            })
    });
    calls
        .filter(|call| !guarded || call.docs["security"] != json!([]))
        .collect()
}

/// Who may make a call, by what its description says last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// An operator's key.
    Operator,
    /// An operator's key, for a tenant.
    Admin,
    Erase,
    Manage,
    Publish,
    Read,
    /// Of a tenant, or of all for an operator's key that names none.
    ReadOrAll,
    /// The same, of what changes something.
    ManageOrAll,
    /// The same, of the operator's own.
    AdminOrAll,
    /// The same, where each event may name its tenant.
    PublishOrAll,
    /// The same, for the deployment.
    CatalogueOrAll,
    AnyScope,
    /// The same, also without a tenant.
    AnyKey,
}

impl Call {
    fn needs(&self) -> Needs {
        let text = self.docs["description"].as_str().unwrap_or_default();
        [
            ("an operator's key with the scope `admin`.", Needs::Operator),
            ("an operator's key with the scope `read`.", Needs::Operator),
            ("a key with the scope `admin`.", Needs::Admin),
            ("a key with the scope `erase`.", Needs::Erase),
            ("a key with the scope `manage`.", Needs::Manage),
            ("a key with the scope `publish`.", Needs::Publish),
            ("a key with the scope `read`.", Needs::Read),
            ("a key with any scope.", Needs::AnyScope),
            (
                "a key with any scope; with an operator's key the tenant is optional.",
                Needs::AnyKey,
            ),
            (
                "with the scope `publish`; with an operator's key the tenant is optional.",
                Needs::PublishOrAll,
            ),
            (
                "with the scope `manage`; with an operator's key the tenant is optional.",
                Needs::ManageOrAll,
            ),
            (
                "with the scope `catalogue`; with an operator's key the tenant is optional.",
                Needs::CatalogueOrAll,
            ),
            (
                "with the scope `admin`; with an operator's key the tenant is optional.",
                Needs::AdminOrAll,
            ),
            ("the tenant is optional.", Needs::ReadOrAll),
        ]
        .into_iter()
        .find_map(|(end, needs)| text.ends_with(end).then_some(needs))
        .unwrap_or(Needs::Nothing)
    }

    /// Whether it takes or answers lines of JSON: what holds for all bodies holds for none of these.
    fn has_lines(&self) -> bool {
        ["getOutput", "import"].contains(&&*self.id)
    }

    fn schema(&self) -> &Value {
        &self.docs["requestBody"]["content"]["application/json"]["schema"]
    }

    /// The body that the description shows, as far as it goes with the clock and the things that are there.
    fn example(&self) -> Option<Value> {
        let content = &self.docs["requestBody"]["content"]["application/json"];
        let mut body = content.get("example")?.clone();
        match self.id.as_str() {
            "createTenant" => body["id"] = "acme_2".into(),
            "recover" => body["since"] = "2025-10-09T08:00:00Z".into(),
            _ => {}
        }
        Some(body)
    }

    /// Names of the parameters in the query.
    fn parameters(&self) -> BTreeSet<&str> {
        let parameters = self.docs["parameters"].as_array().into_iter().flatten();
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        query.map(|one| one["name"].as_str().unwrap()).collect()
    }

    /// Names of the parameters in the path.
    fn names(&self) -> Vec<String> {
        let parts = self.path.split('/');
        let names = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names.map(str::to_owned).collect()
    }
}

/// A job of a webhook of `acme` that goes on for ever: nobody has a message of it.
async fn waiting_job(world: &World, webhook: &str) -> String {
    let task = Task {
        id: JobId::parse("job_1").unwrap(),
        work: Work::Cancel(Cancelling {
            tenant: TenantId::parse("acme").unwrap(),
            webhook: WebhookId::parse(webhook).unwrap(),
            states: vec![State::Failed],
        }),
        created_by: "admin".to_owned(),
        created_ms: world.now_ms(),
    };
    let page = JobPage::first(&task, At::Cancel(String::new()));
    let nobody = by_nobody();
    let begun = world.app.api.store.begin_job(&task, &page, &nobody);
    assert!(begun.await.unwrap().is_some());
    task.id.to_string()
}

/// A tenant with something of each kind, and several of what is listed: two webhooks that fail, and what comes of that.
struct Scene {
    world: World,
    document: Value,
    ids: BTreeMap<&'static str, String>,
    owner: As,
    manager: As,
    publisher: As,
    reader: As,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let owner = world.tenant("acme", "odin", "pro").await;
        world.pass(1_000).await;
        world.tenant("other", "odin", "pro").await;
        let publisher = world.key("acme", json!({"scopes": ["publish"]})).await;
        let reader = world.key("acme", json!({"scopes": ["read"]})).await;
        world.pass(1_000).await;
        let manager = world.key("acme", json!({"scopes": ["manage"]})).await;
        for _ in 0..2 {
            let path = format!("/v1/webhooks/{}", world.webhook(&owner).await);
            let deleted = world.send_text(&owner, "DELETE", &path, "").await;
            deleted.data(200);
            world.pass(1_000).await;
        }
        world.webhook(&owner).await;
        world.pass(1_000).await;
        let webhook = world.webhook(&owner).await;
        world.answer(500);
        for event in ["evt_1", "evt_2", "evt_3"] {
            let event = json!({"id": event, "type": "user.lesson.completed", "data": {}});
            let published = world.send(&owner, "POST", "/v1/events", event).await;
            published.data(202);
            world.pass(1_000).await;
        }
        let path = format!("/v1/webhooks/{webhook}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = world.get(&As::operator(), "/v1/tenants/acme/keys").await;
        let logs = world.get(&owner, &format!("{path}/logs")).await;
        let log = &logs.data(200)["logs"][0];
        let key = json!({"name": "relay", "scopes": ["publish"]});
        let operator_key = world.send(&As::operator(), "POST", "/v1/keys", key).await;
        let links = "/v1/tenants/acme/portal-links";
        let link = world.send(&As::operator(), "POST", links, json!({})).await;
        // A list of one shows nothing.
        let operator = As::operator();
        let second = world.send(&operator, "POST", links, json!({}));
        second.await.data(201);
        let job = waiting_job(&world, &webhook).await;
        let operator = As::operator_for("acme");
        let export = world.send_text(&operator, "POST", "/v1/exports", "").await;
        let export = text(&export.data(202)["job"]["id"]);
        let path = "/v1/event-types/user.lesson.completed";
        let put = world.send(&owner, "PUT", path, json!({"schema": {"type": "object"}}));
        put.await.data(200);
        world.pass(1_000).await;
        let ids = BTreeMap::from([
            ("tenant", "acme".to_owned()),
            // The newest: the manager's.
            ("key", text(&keys.data(200)["keys"][0]["id"])),
            ("operator_key", text(&operator_key.data(201)["key"]["id"])),
            ("portal_link", text(&link.data(201)["portal_link"]["id"])),
            ("log", text(&log["id"])),
            ("delivery", text(&log["delivery_id"])),
            ("event", "evt_1".to_owned()),
            ("job", job),
            ("export", export),
            ("type", "user.lesson.completed".to_owned()),
            ("webhook", webhook),
        ]);
        Self {
            world,
            document: written_out(),
            ids,
            owner,
            manager,
            publisher,
            reader,
        }
    }

    /// A path that leads to things that are there.
    fn filled(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for (name, id) in &self.ids {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        assert!(!path.contains('{'), "{path}: what is that called here?");
        path
    }

    fn path(&self, call: &Call) -> String {
        if call.id == "getOutput" {
            return self.filled(&call.path.replace("{job}", "{export}"));
        }
        self.filled(&call.path)
    }

    /// Somebody who may make a call.
    fn caller(&self, call: &Call) -> As {
        match call.needs() {
            Needs::Nothing => As::nobody(),
            Needs::Operator => As::operator(),
            Needs::Admin => As::operator_for("acme"),
            Needs::Erase | Needs::AdminOrAll => As::operator_for("acme"),
            _ => self.owner.clone(),
        }
    }

    /// Makes a call, and holds its answer against the description.
    async fn ask(&self, who: &As, call: &Call, path: &str, body: Option<&Value>) -> Answered {
        let text = body.map(Value::to_string).unwrap_or_default();
        self.ask_text(who, call, path, &text).await
    }

    async fn ask_text(&self, who: &As, call: &Call, path: &str, body: &str) -> Answered {
        let answered = self.world.send_text(who, &call.method, path, body).await;
        let place = format!("{} {path} -> {answered:?}", call.method);
        let described = call.docs["responses"].get(answered.status.to_string());
        let described = described.unwrap_or_else(|| panic!("{place}: not described"));
        let described = match described["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
            None => described,
        };
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let is_there = answered.headers.contains_key(name);
            assert!(is_there || header["required"] != true, "{place}: no {name}");
        }
        assert!(answered.headers.contains_key("x-request-id"), "{place}");
        if [201, 202].contains(&answered.status) {
            assert!(answered.headers.contains_key("location"), "{place}");
        }
        if answered.status >= 400 {
            let examples = &described["content"]["application/json"]["examples"];
            let code = answered.body["error"]["code"].as_str().unwrap();
            assert!(examples.get(code).is_some(), "{place}: not described");
        }
        answered
    }
}

#[track_caller]
fn assert_names(call: &Call, answered: &Answered, field: &str) {
    assert_eq!(answered.status, 422, "{}: {}", call.id, answered.body);
    let fields = answered.fields();
    assert!(
        fields.contains(&field),
        "{}: {field} in {fields:?}",
        call.id
    );
}

/// The members that a schema requires are there, one within another.
fn assert_conforms(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    if value.is_null() {
        return;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(
            value.get(name).is_some(),
            "{place}.{name} is missing: {value}"
        );
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            assert_conforms(document, schema, value, &format!("{place}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        assert_conforms(document, &schema["items"], item, &format!("{place}[]"));
    }
}

/// Each call does what the description shows, and made once more, as after an answer that was lost, it breaks nothing.
#[tokio::test(start_paused = true)]
async fn every_call_works_as_written_and_again() {
    let document = openapi();
    let mut calls = calls(&document, false);
    calls.retain(|call| call.id != "getOpenApi");
    for call in &calls {
        let scene = Scene::new().await;
        let (who, path) = (scene.caller(call), scene.path(call));
        scene.world.answer(200);
        let answered = scene.ask(&who, call, &path, call.example().as_ref()).await;
        assert!(answered.status < 300, "{}: {}", call.id, answered.body);
        let content = &call.docs["responses"][answered.status.to_string()]["content"];
        let schema = &content["application/json"]["schema"];
        if !call.has_lines() || call.id == "import" {
            assert_conforms(&document, schema, &answered.body, &call.id);
        }
        let again = scene.ask(&who, call, &path, call.example().as_ref()).await;
        match again.status {
            // What is gone or taken is so.
            404 => assert_eq!(call.method, "DELETE", "{}", call.id),
            409 => assert!(["createTenant", "cancelJob", "deleteEventType"].contains(&&*call.id)),
            status => assert_eq!(status, answered.status, "{}: {}", call.id, again.body),
        }
    }
    assert!(calls.len() > 35, "only {}", calls.len());
}

/// What the audit log calls each call; publishing has its events instead.
const ACTIONS: &[(&str, &str)] = &[
    ("cancelDelivery", "delivery.cancelled"),
    ("cancelDeliveries", "webhook.deliveries_cancelled"),
    ("createKey", "key.created"),
    ("createOperatorKey", "key.created"),
    ("createPortalLink", "portal_link.created"),
    ("createTenant", "tenant.created"),
    ("createWebhook", "webhook.created"),
    ("deleteEvent", "event.erased"),
    ("deleteKey", "key.deleted"),
    ("deleteOperatorKey", "key.deleted"),
    ("deletePortalLink", "portal_link.deleted"),
    ("deletePortalLinks", "tenant.portal_links_ended"),
    ("deleteEventType", "event_type.deleted"),
    ("deleteTenant", "tenant.deleted"),
    ("deleteWebhook", "webhook.deleted"),
    ("finishRotation", "webhook.rotation_finished"),
    ("putEventType", "event_type.updated"),
    ("recover", "webhook.recovery_started"),
    ("recoverAll", "tenant.recovery_started"),
    ("getSecret", "webhook.secret_read"),
    ("putTenant", "tenant.updated"),
    ("putWebhook", "webhook.updated"),
    ("redriveDeadLetters", "dead_letters.redriven"),
    ("cancelJob", "job.cancelled"),
    ("createExport", "export.started"),
    ("getOutput", "export.read"),
    ("import", "tenant.created"),
    ("reencrypt", "secrets.reencrypted"),
    ("retryLog", "delivery.retried"),
    ("retryDelivery", "delivery.retried"),
    ("rotateSecret", "webhook.secret_rotated"),
    ("testWebhook", "webhook.tested"),
    ("proveWebhook", "webhook.proved"),
    ("updateKey", "key.updated"),
    ("updateOperatorKey", "key.updated"),
    ("updateTenant", "tenant.updated"),
    ("updateWebhook", "webhook.updated"),
    ("verifyWebhook", "webhook.challenged"),
];

/// Each call that changes something leaves one entry in the audit log, and one that only looks leaves none.
#[tokio::test(start_paused = true)]
async fn every_change_leaves_one_entry_in_the_audit_log() {
    let document = openapi();
    for call in &calls(&document, true) {
        if ["publishEvent", "publishEvents"].contains(&call.id.as_str()) {
            continue;
        }
        let scene = Scene::new().await;
        let ids = async || -> BTreeSet<String> {
            let path = "/v1/audit?actor=key&limit=100";
            let listed = scene.world.get(&As::operator(), path).await;
            let entries = listed.data(200)["entries"].as_array().unwrap().clone();
            let entries = entries.iter().map(|entry| {
                let (id, action) = (entry["id"].as_str(), entry["action"].as_str());
                format!("{} {}", action.unwrap(), id.unwrap())
            });
            entries.collect()
        };
        let (who, path) = (scene.caller(call), scene.path(call));
        if let Some(rotate) = path.strip_suffix("/rotate-secret/finish") {
            let rotate = format!("{rotate}/rotate-secret");
            let rotated = scene.world.send_text(&who, "POST", &rotate, "").await;
            rotated.data(200);
        }
        let before = ids().await;
        scene.world.answer(200);
        let answered = scene.ask(&who, call, &path, call.example().as_ref()).await;
        assert!(answered.status < 300, "{}: {}", call.id, answered.body);
        let after = ids().await;
        let new: Vec<_> = after.difference(&before).collect();
        let (_, action) = ACTIONS
            .iter()
            .find(|(id, _)| *id == call.id)
            .unwrap_or(&("", ""));
        // It is a POST for the size of a filter alone.
        let reads = call.method == "GET" || call.id == "previewFilter";
        if reads && action.is_empty() {
            assert!(new.is_empty(), "{}: {new:?}", call.id);
            continue;
        }
        assert!(
            !action.is_empty(),
            "{}: what does the audit log call it?",
            call.id
        );
        // Nothing is imported: nothing changes.
        let expected = usize::from(call.id != "import");
        assert_eq!(new.len(), expected, "{}: {new:?}", call.id);
        let named = |entry: &&&String| entry.starts_with(&format!("{action} "));
        assert!(
            new.iter().all(|entry| named(&entry)),
            "{}: {new:?}",
            call.id
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_needs_a_key_that_reaches_so_far() {
    let scene = Scene::new().await;
    let calls = calls(&scene.document, true);
    for call in &calls {
        let (path, body) = (scene.path(call), call.example());
        let ask = async |who: &As| scene.ask(who, call, &path, body.as_ref()).await;
        for who in [As::nobody(), As::key("rk_unknown")] {
            ask(&who).await.assert_error(401, "unauthorized");
        }
        let short = match call.needs() {
            Needs::Nothing => panic!("{} says not who may make it", call.id),
            Needs::Operator | Needs::Admin | Needs::AdminOrAll => vec![&scene.owner],
            Needs::Erase => vec![&scene.owner, &scene.manager],
            Needs::Manage | Needs::ManageOrAll => vec![&scene.publisher, &scene.reader],
            Needs::Publish | Needs::PublishOrAll => vec![&scene.manager, &scene.reader],
            Needs::CatalogueOrAll => vec![&scene.manager, &scene.publisher],
            Needs::Read | Needs::ReadOrAll => vec![&scene.publisher],
            Needs::AnyScope | Needs::AnyKey => Vec::new(),
        };
        for who in short {
            ask(who).await.assert_error(403, "forbidden");
        }
        // Seeing is all that a key which may only see can do.
        if call.method == "GET"
            && matches!(
                call.needs(),
                Needs::Read | Needs::ReadOrAll | Needs::AnyScope | Needs::AnyKey
            )
        {
            ask(&scene.reader).await.data(200);
        } else {
            ask(&scene.reader).await.assert_error(403, "forbidden");
        }
        if call.needs() == Needs::Operator {
            continue;
        }
        let unnamed = ask(&As::operator()).await;
        if call.path == "/v1/event-types/{type}" {
            // The deployment's in `standard`, which lists none.
            match &*call.method {
                "GET" => unnamed.assert_error(404, "not_found"),
                "PUT" => drop(unnamed.data(201)),
                _ => drop(unnamed.data(200)),
            }
        } else if matches!(
            call.needs(),
            Needs::ReadOrAll | Needs::ManageOrAll | Needs::AdminOrAll | Needs::AnyKey
        ) {
            assert!(unnamed.status < 300, "{}: {}", call.id, unnamed.body);
        } else if call.id == "publishEvents" {
            unnamed.assert_error(422, "batch_refused");
            let first = &unnamed.body["data"]["results"][0]["error"];
            assert_eq!(first["code"], "tenant_required");
        } else {
            unnamed.assert_error(422, "tenant_required");
            let publishes = call.id == "publishEvent";
            let field = if publishes { "tenant" } else { "Rung-Tenant" };
            assert_eq!(unnamed.fields(), [field], "{}", call.id);
        }
        let unknown = ask(&As::operator_for("nobody")).await;
        unknown.assert_error(404, "not_found");
        let strange = ask(&scene.owner.clone().naming("other")).await;
        strange.assert_error(422, "tenant_mismatch");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_refuses_parameters_that_it_does_not_know() {
    let scene = Scene::new().await;
    for call in calls(&scene.document, false) {
        // What asks for these asks for nothing else.
        if ["getOpenApi", "getHealth"].contains(&&*call.id) {
            continue;
        }
        let (who, path) = (scene.caller(&call), scene.path(&call));
        let body = call.example();
        for (query, field) in [
            ("no_such_parameter=1", "no_such_parameter"),
            // A field of some body is no parameter.
            ("dry_run=true", "dry_run"),
            ("a=1&a=2", "a"),
        ] {
            let path = format!("{path}?{query}");
            let refused = scene.ask(&who, &call, &path, body.as_ref()).await;
            assert_names(&call, &refused, field);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_list_refuses_pages_that_there_are_not() {
    let scene = Scene::new().await;
    let mut lists = 0;
    for call in calls(&scene.document, true) {
        let (who, path) = (scene.caller(&call), scene.path(&call));
        let parameters = call.parameters();
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("limit=-1", "limit"),
            ("limit=1.0", "limit"),
            ("limit=%2B1", "limit"),
            ("limit=", "limit"),
            ("limit=1&limit=1", "limit"),
            ("cursor=", "cursor"),
            ("cursor=x", "cursor"),
            // A position that nobody has sealed.
            ("cursor=MTc2MDAwMDAwMDAwMCN3", "cursor"),
        ] {
            if parameters.contains(field) {
                let refused = scene
                    .ask(&who, &call, &format!("{path}?{query}"), None)
                    .await;
                assert_names(&call, &refused, field);
            }
        }
        lists += usize::from(parameters.contains("cursor"));
    }
    assert!(lists > 6, "only {lists}");
}

/// Each deployment seals with a key of its own.
#[tokio::test(start_paused = true)]
async fn no_list_takes_a_cursor_of_another_deployment() {
    let (here, elsewhere) = (Scene::new().await, Scene::new().await);
    let mut lists = 0;
    for call in calls(&here.document, true) {
        // Of dead letters a sample is shown, without pages.
        let is_list = call.parameters().contains("cursor") && !call.has_lines();
        if !is_list || call.id == "listDeadLetters" {
            continue;
        }
        let cursor = async |scene: &Scene| {
            let path = format!("{}?limit=1", scene.path(&call));
            let page = scene.ask(&scene.caller(&call), &call, &path, None).await;
            page.data(200)["next_cursor"].as_str().unwrap().to_owned()
        };
        let follow = async |cursor: String| {
            let path = format!("{}?cursor={cursor}", here.path(&call));
            here.ask(&here.caller(&call), &call, &path, None).await
        };
        follow(cursor(&here).await).await.data(200);
        let refused = follow(cursor(&elsewhere).await).await;
        refused.assert_error(422, "invalid_request");
        assert_names(&call, &refused, "cursor");
        lists += 1;
    }
    assert!(lists > 10, "only {lists}");
}

/// The list in an answer: the one member of its data that is an array.
fn items(answered: &Answered) -> &Vec<Value> {
    let data = answered.data(200).as_object().unwrap();
    data.values().find_map(Value::as_array).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_list_has_pages_newest_first() {
    const TIMES: [&str; 5] = [
        "created_at",
        "attempted_at",
        "accepted_at",
        "started_at",
        "at",
    ];
    let scene = Scene::new().await;
    for call in calls(&scene.document, true) {
        // Of dead letters a sample is shown, without pages.
        let is_list = call.parameters().contains("cursor") && !call.has_lines();
        if !is_list || call.id == "listDeadLetters" {
            continue;
        }
        let (who, path) = (scene.caller(&call), scene.path(&call));
        let whole = scene.ask(&who, &call, &path, None).await;
        assert_eq!(whole.data(200)["next_cursor"], json!(null), "{}", call.id);
        assert!(
            items(&whole).len() > 1,
            "{}: a list of one shows nothing",
            call.id
        );
        let whole = items(&whole);
        let paged = async |limit: usize| {
            let (mut paged, mut next) = (Vec::new(), format!("{path}?limit={limit}"));
            loop {
                let page = scene.ask(&who, &call, &next, None).await;
                assert!(items(&page).len() <= limit, "{}", call.id);
                paged.extend(items(&page).clone());
                let cursor = page.data(200)["next_cursor"].as_str();
                // The page that holds the last says so, also when it is full.
                let ended = paged.len() >= whole.len();
                assert_eq!(cursor.is_none(), ended, "{} by {limit}", call.id);
                match cursor {
                    Some(cursor) => next = format!("{path}?limit={limit}&cursor={cursor}"),
                    None => return paged,
                }
            }
        };
        for limit in 1..=whole.len() {
            assert_eq!(paged(limit).await, *whole, "{} by {limit}", call.id);
        }
        // The deliveries of an event have its one time, types have none.
        if !["getEvent", "listEventTypes"].contains(&call.id.as_str()) {
            let time = |item: &Value| {
                // The operator's first key has been there from the start.
                if item["id"] == "key_root" {
                    return jiff::Timestamp::MIN;
                }
                let time = TIMES.iter().find_map(|name| item[name].as_str());
                time.unwrap().parse::<jiff::Timestamp>().unwrap()
            };
            let times: Vec<_> = whole.iter().map(time).collect();
            assert!(
                times.is_sorted_by(|one, next| one >= next),
                "{}: {times:?}",
                call.id
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_refuses_names_of_things_that_are_not_there() {
    let scene = Scene::new().await;
    for call in calls(&scene.document, true) {
        for name in call.names() {
            // What a PUT names is made.
            if call.method == "PUT" && ["tenant", "webhook", "type"].contains(&name.as_str()) {
                continue;
            }
            for wrong in ["nothing", "no%23thing", &"x".repeat(129)] {
                let path = call.path.replace(&format!("{{{name}}}"), wrong);
                let path = scene.filled(&path);
                let who = scene.caller(&call);
                let missing = scene.ask(&who, &call, &path, call.example().as_ref()).await;
                missing.assert_error(404, "not_found");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_refuses_bodies_that_are_none() {
    let scene = Scene::new().await;
    for call in calls(&scene.document, true) {
        if call.method == "GET" || call.has_lines() {
            continue;
        }
        let (who, path) = (scene.caller(&call), scene.path(&call));
        let ask = async |body: &str| scene.ask_text(&who, &call, &path, body).await;
        ask("{").await.assert_error(400, "invalid_json");
        ask("\u{fffd}").await.assert_error(400, "invalid_json");
        let most = if call.id == "publishEvents" {
            1024
        } else {
            256
        } * 1024;
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(most));
        ask(&large).await.assert_error(413, "payload_too_large");
        assert_names(&call, &ask("7").await, "body");
        assert_names(&call, &ask(r#"{"a":1,"a":2}"#).await, "a");
    }
}

/// A path has the methods that are described, and says so of others.
#[tokio::test(start_paused = true)]
async fn every_path_names_its_methods() {
    let scene = Scene::new().await;
    let calls = calls(&scene.document, false);
    let described = &scene.document["components"]["responses"]["method_not_allowed"];
    assert!(described["headers"]["Allow"].is_object());
    for call in &calls {
        let path = scene.path(call);
        let known = calls.iter().filter(|other| other.path == call.path);
        let known: BTreeSet<_> = known.map(|other| other.method.as_str()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if known.contains(method) {
                continue;
            }
            let refused = scene
                .world
                .send(&scene.owner, method, &path, json!({}))
                .await;
            refused.assert_error(405, "method_not_allowed");
            let allow = refused.headers["allow"].to_str().unwrap();
            let allow: BTreeSet<_> = allow.split(',').map(str::trim).collect();
            assert!(known.is_subset(&allow), "{method} {path}: {allow:?}");
            assert!(!allow.contains(method), "{method} {path}: {allow:?}");
            assert!(allow.contains("OPTIONS"), "{method} {path}: {allow:?}");
        }
        let options = Request::options(&*path).body(Body::empty());
        let (head, body) = scene.world.plain(options.unwrap()).await;
        assert_eq!((head.status.as_u16(), body.as_str()), (204, ""), "{path}");
        let allow = head.headers["allow"].to_str().unwrap();
        let allow: BTreeSet<_> = allow.split(',').map(str::trim).collect();
        assert!(known.is_subset(&allow), "{path}: {allow:?}");
        assert!(allow.contains("OPTIONS"), "{path}: {allow:?}");
    }
}

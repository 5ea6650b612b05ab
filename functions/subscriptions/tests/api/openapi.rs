//! The API's description: that of the tree is that of the code, and it says what the handlers do.

use std::{collections::BTreeSet, fs, path::Path};

use rung_api::limits::WRONG_KEYS;
use rung_local::app::openapi;
use serde_json::{Value, json};

use crate::world::{Answered, As, World};

const REFRESH: &str = "UPDATE_OPENAPI=1 cargo test --package rung-subscriptions --test api openapi";

/// The id of an event.
const EVENT: &str = "evt_1";

/// Also writes it anew, when it is told so.
#[test]
fn the_file_in_the_tree_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let fresh = format!("{:#}\n", openapi());
    #[allow(clippy::disallowed_methods, reason = "the one setting of this test")]
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == fresh,
        "openapi.json is stale; refresh it with\n  {REFRESH}"
    );
}

#[tokio::test]
async fn it_is_served_without_a_key() {
    let world = World::new().await;
    let answered = world.get(&As::nobody(), "/openapi.json").await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.body["openapi"], "3.1.0");
}

/// The description with the bodies of requests written out where they stand.
pub(crate) fn written_out() -> Value {
    fn replace(schema: &mut Value, named: &Value) {
        if let Some(path) = schema["$ref"].as_str() {
            let name = path.rsplit('/').next().unwrap();
            *schema = named[name].clone();
        }
        match schema {
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| replace(member, named)),
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, named)),
            _ => {}
        }
    }
    let mut document = openapi();
    let named = document["components"]["schemas"].clone();
    let methods = document["paths"].as_object_mut().unwrap().values_mut();
    for operation in methods.flat_map(|methods| methods.as_object_mut().unwrap().values_mut()) {
        if let Some(body) = operation.get_mut("requestBody") {
            replace(body, &named);
        }
    }
    document
}

/// Whoever tries each call with wrong keys of several kinds, as scanners and the operator's own tests do, is told which calls take them.
#[test]
fn a_scan_of_every_operation_stays_below_the_limit_of_wrong_keys() {
    let wrong_keys = 5 * operations(&openapi()).len();
    assert!(wrong_keys <= WRONG_KEYS as usize, "{wrong_keys}");
}

/// Each operation, with its path and method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    operations.collect()
}

/// A path with an id that is there for each parameter.
fn filled(path: &str, webhook: &str) -> String {
    path.replace("{tenant}", "acme")
        .replace("{webhook}", webhook)
        .replace("{key}", "key_1")
        .replace("{operator_key}", "key_1")
        .replace("{event}", EVENT)
        .replace("{job}", "job_1")
        .replace("{type}", "user.lesson.completed")
}

/// Whose call it is, with an operator's key.
fn caller(path: &str) -> As {
    let operators = [
        "/v1/tenants",
        "/v1/keys",
        "/v1/dead-letters",
        "/v1/reencrypt",
    ];
    if operators.iter().any(|start| path.starts_with(start)) {
        As::operator()
    } else {
        As::operator_for("acme")
    }
}

/// What a call's reader calls its fields: it says so when there is one that it does not know.
fn known(problem: &Value) -> BTreeSet<&str> {
    let text = problem.as_str().unwrap();
    match text.split_once("the known fields are ") {
        Some((_, names)) => names.split(", ").collect(),
        None => BTreeSet::new(),
    }
}

fn unknown_field<'a>(answered: &'a Answered, name: &str) -> BTreeSet<&'a str> {
    let details = answered.body["error"]["details"].as_array();
    let details = details.unwrap_or_else(|| panic!("{:?}", answered.body));
    let field = |detail: &&Value| {
        detail["field"]
            .as_str()
            .is_some_and(|field| field.ends_with(name))
    };
    let detail = details.iter().find(field);
    known(&detail.unwrap_or_else(|| panic!("{:?}", answered.body))["problem"])
}

/// Every field that a schema has is read, and no other: readers and schemas are written apart.
#[tokio::test]
async fn schemas_of_requests_have_the_fields_that_are_read() {
    let world = World::new().await;
    let webhook = world
        .webhook(&world.tenant("acme", "odin", "pro").await)
        .await;
    let new_key = json!({"name": "relay", "scopes": ["publish"]});
    let mut keys = Vec::new();
    for path in ["/v1/tenants/acme/keys", "/v1/keys"] {
        let operator = As::operator();
        let made = world.send(&operator, "POST", path, new_key.clone()).await;
        let id = made.data(201)["key"]["id"].clone();
        keys.push(id.as_str().unwrap().to_owned());
    }
    let (key, operator_key) = (&keys[0], &keys[1]);
    let document = written_out();
    let mut held = 0;
    for (path, method, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        // That those that take nothing take nothing is for the contract's tests.
        if properties.is_empty() {
            continue;
        }
        let mut properties: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        let mut body = json!({ "no_such_field": 1 });
        if path == "/v1/events/batch" {
            // The batch has one field; the events in it have those of a publish.
            assert_eq!(properties, BTreeSet::from(["events"]));
            let event = &schema["properties"]["events"]["items"];
            properties = event["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            body = json!({ "events": [body] });
        }
        let who = caller(path);
        let method = method.to_ascii_uppercase();
        let path = filled(path, &webhook)
            .replace("acme/keys/key_1", &format!("acme/keys/{key}"))
            .replace("v1/keys/key_1", &format!("v1/keys/{operator_key}"));
        let mut answered = world.send(&who, &method, &path, body).await;
        if path == "/v1/events/batch" {
            answered.body = answered.body["data"]["results"][0].take();
        }
        assert_eq!(
            unknown_field(&answered, "no_such_field"),
            properties,
            "{method} {path}"
        );
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        held += 1;
    }
    assert!(held > 5, "only {held}");
}

/// The same for the parameters of queries.
#[tokio::test]
async fn parameters_of_queries_are_those_that_are_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let event = json!({"id": EVENT, "type": "user.lesson.completed", "data": {}});
    let published = world.send(&tenant, "POST", "/v1/events", event).await;
    published.data(202);
    let document = openapi();
    for (path, method, operation) in operations(&document) {
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none).iter();
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        let names: BTreeSet<_> = query.map(|one| one["name"].as_str().unwrap()).collect();
        if names.is_empty() {
            continue;
        }
        let who = caller(path);
        let method = method.to_ascii_uppercase();
        let path = format!("{}?no_such_parameter=1", filled(path, &webhook));
        let answered = world.send_text(&who, &method, &path, "").await;
        assert_eq!(answered.status, 422, "{path}: {}", answered.body);
        assert_eq!(
            unknown_field(&answered, "no_such_parameter"),
            names,
            "{path}"
        );
    }
}

/// Whoever writes a client sees each call with a request, an answer, and every refusal.
#[test]
fn every_operation_has_examples_and_names_its_errors() {
    let document = openapi();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{place}"
        );
        let has_lines = |content: &Value| {
            let types = ["application/x-ndjson", "application/octet-stream"];
            types.iter().any(|name| content.get(name).is_some())
        };
        let body = operation.get("requestBody");
        if let Some(body) = body.filter(|body| !has_lines(&body["content"])) {
            assert!(
                body["content"]["application/json"]["example"].is_object(),
                "{place}"
            );
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("500"), "{place}");
        let guarded = operation["security"] != json!([]);
        assert_eq!(responses.contains_key("401"), guarded, "{place}");
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).unwrap(),
                None => response,
            };
            if has_lines(&response["content"]) {
                continue;
            }
            if status == "304" {
                assert_eq!(response.get("content"), None, "{place}");
                continue;
            }
            let content = &response["content"]["application/json"];
            let success = status.starts_with('2');
            assert!(
                path == "/openapi.json" || content["example"].is_object() == success,
                "{place} {status}"
            );
            assert_eq!(
                content["examples"].is_object(),
                !success,
                "{place} {status}"
            );
        }
    }
}

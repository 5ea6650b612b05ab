//! Within /v1 the API is added to and never broken: its description is held against that of the last release, the newest tag `v*`.
//! docs/api-versioning.md says what an addition is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::{Map, Value};

/// How deep schemas are followed: some refer to themselves.
const DEPTH: usize = 12;

/// Which way a schema's values go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Clients send them: what was taken is taken.
    Request,
    /// Clients read them: what was there is there, and nothing that was not foreseen.
    Answer,
}

/// What clients of one description could trip over in another, each with its place.
struct Comparison<'d> {
    old: &'d Value,
    new: &'d Value,
    breaks: Vec<String>,
}

/// What would break the clients of `old`.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison {
        old,
        new,
        breaks: Vec::new(),
    };
    comparison.all();
    comparison.breaks
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn texts(value: &Value) -> BTreeSet<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// The schema that is referred to.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(path) => document
            .pointer(path.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => schema,
    }
}

/// The types that a schema takes; none if it takes any.
fn kinds(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(document, schema);
    let mut kinds: BTreeSet<String> = match &schema["type"] {
        Value::String(kind) => BTreeSet::from([kind.clone()]),
        kinds => texts(kinds).into_iter().map(str::to_owned).collect(),
    };
    for part in parts(schema, "anyOf").chain(parts(schema, "allOf")) {
        kinds.extend(self::kinds(document, part));
    }
    kinds
}

/// The schemas that another is made of.
fn parts<'d>(schema: &'d Value, made_by: &str) -> impl Iterator<Item = &'d Value> {
    schema[made_by].as_array().into_iter().flatten()
}

/// The members that a schema names, by itself or by the parts of its `allOf`, and those of them that are required.
fn named<'d>(
    document: &'d Value,
    schema: &'d Value,
) -> (BTreeMap<&'d str, &'d Value>, BTreeSet<&'d str>) {
    let schema = resolved(document, schema);
    let mut required = texts(&schema["required"]);
    let mut properties = BTreeMap::new();
    for part in parts(schema, "allOf") {
        let (more, of_them) = named(document, part);
        properties.extend(more);
        required.extend(of_them);
    }
    properties.extend(members(&schema["properties"]).map(|(name, schema)| (&**name, schema)));
    (properties, required)
}

/// The part of `anyOf` that is not null, or the schema itself.
fn present<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let schema = resolved(document, schema);
    match parts(schema, "anyOf").find(|part| part["type"] != "null") {
        Some(part) => resolved(document, part),
        None => schema,
    }
}

impl<'d> Comparison<'d> {
    fn broken(&mut self, place: &str, what: impl AsRef<str>) {
        self.breaks.push(format!("{place}: {}", what.as_ref()));
    }

    fn all(&mut self) {
        let (old, new) = (self.old, self.new);
        for (path, methods) in members(&old["paths"]) {
            for (method, operation) in members(methods) {
                let place = format!("{} {path}", method.to_uppercase());
                let now = &new["paths"][path][method];
                if now.is_null() {
                    self.broken(&place, "is gone");
                } else {
                    self.operation(&place, operation, now);
                }
            }
        }
        // Generated clients have classes of these names.
        for (name, _) in members(&old["components"]["schemas"]) {
            if new["components"]["schemas"][name].is_null() {
                self.broken(&format!("schema {name}"), "is gone");
            }
        }
    }

    fn operation(&mut self, place: &str, old: &'d Value, new: &'d Value) {
        if old["operationId"] != new["operationId"] {
            self.broken(place, "has another operationId");
        }
        let keys = |operation: &'d Value| {
            let keys = operation["security"].as_array().into_iter().flatten();
            keys.flat_map(members)
                .map(|(name, _)| name)
                .collect::<BTreeSet<_>>()
        };
        let (opened, opens) = (keys(old), keys(new));
        if !opens.is_empty() && (opened.is_empty() || !opened.is_subset(&opens)) {
            self.broken(place, "needs another key");
        }
        self.parameters(place, old, new);
        let needs_body = |operation: &Value| operation["requestBody"]["required"] == true;
        if needs_body(new) && !needs_body(old) {
            self.broken(place, "needs a body");
        }
        self.contents(
            place,
            Way::Request,
            &old["requestBody"],
            &new["requestBody"],
        );
        let mut statuses = BTreeMap::new();
        for (status, response) in members(&new["responses"]) {
            for code in texts(&resolved(self.new, response)["x-codes"]) {
                statuses.insert(code, status);
            }
        }
        for (status, response) in members(&old["responses"]) {
            let response = resolved(self.old, response);
            let now = resolved(self.new, &new["responses"][status]);
            for code in texts(&response["x-codes"]) {
                if statuses.get(code).is_some_and(|now| *now != status) {
                    self.broken(place, format!("`{code}` has another status"));
                }
            }
            let is_gone = now.is_null();
            // What is no longer refused breaks nobody.
            if is_gone && status.starts_with('2') {
                self.broken(place, format!("no longer answers {status}"));
            } else if !is_gone {
                let place = format!("{place} {status}");
                self.contents(&place, Way::Answer, response, now);
                for (name, _) in members(&response["headers"]) {
                    if now["headers"][name].is_null() {
                        self.broken(&place, format!("header {name} is gone"));
                    }
                }
            }
        }
    }

    /// The bodies of a request or of an answer.
    fn contents(&mut self, place: &str, way: Way, old: &'d Value, new: &'d Value) {
        for (media_type, content) in members(&old["content"]) {
            let now = &new["content"][media_type];
            if now.is_null() {
                self.broken(place, format!("{media_type} is gone"));
            } else {
                self.schema(place, way, &content["schema"], &now["schema"], DEPTH);
            }
        }
    }

    fn parameters(&mut self, place: &str, old: &'d Value, new: &'d Value) {
        let named = |operation: &'d Value| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let name = |one: &Value| format!("{} {}", one["in"], one["name"]);
            parameters
                .map(|one| (name(one), one))
                .collect::<BTreeMap<_, _>>()
        };
        let (old, new) = (named(old), named(new));
        for (name, parameter) in &old {
            let place = format!("{place} {name}");
            match new.get(name) {
                None => self.broken(&place, "is gone"),
                Some(now) => {
                    self.schema(
                        &place,
                        Way::Request,
                        &parameter["schema"],
                        &now["schema"],
                        DEPTH,
                    );
                }
            }
        }
        for (name, parameter) in &new {
            let was = old.get(name).is_some_and(|one| one["required"] == true);
            if parameter["required"] == true && !was {
                self.broken(&format!("{place} {name}"), "is required");
            }
        }
    }

    fn schema(&mut self, place: &str, way: Way, old: &'d Value, new: &'d Value, depth: usize) {
        if depth == 0 {
            return;
        }
        let (before, after) = (kinds(self.old, old), kinds(self.new, new));
        // The wider is the one that has to have all that the other has; none is all.
        let (wide, narrow) = match way {
            Way::Request => (&after, &before),
            Way::Answer => (&before, &after),
        };
        if !wide.is_empty() && (narrow.is_empty() || !narrow.is_subset(wide)) {
            self.broken(place, format!("was of {before:?} and is of {after:?}"));
        }
        let (old, new) = (present(self.old, old), present(self.new, new));
        self.bounds(place, way, old, new);
        let ((before, had), (after, has)) = (named(self.old, old), named(self.new, new));
        for (name, schema) in before {
            let place = format!("{place}.{name}");
            let Some(now) = after.get(name) else {
                self.broken(&place, "is gone");
                continue;
            };
            if way == Way::Answer && had.contains(name) && !has.contains(name) {
                self.broken(&place, "may be missing");
            }
            self.schema(&place, way, schema, now, depth - 1);
        }
        for name in has.difference(&had).filter(|_| way == Way::Request) {
            self.broken(&format!("{place}.{name}"), "is required");
        }
        if !old["items"].is_null() {
            self.schema(
                &format!("{place}[]"),
                way,
                &old["items"],
                &new["items"],
                depth - 1,
            );
        }
    }

    /// What requests may have becomes no less.
    fn bounds(&mut self, place: &str, way: Way, old: &Value, new: &Value) {
        if way == Way::Answer {
            return;
        }
        for (name, is_most) in [
            ("maximum", true),
            ("maxLength", true),
            ("maxItems", true),
            ("minimum", false),
            ("minLength", false),
            ("minItems", false),
        ] {
            let (before, after) = (old[name].as_f64(), new[name].as_f64());
            let is_tighter = match (before, after) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(before), Some(after)) if is_most => after < before,
                (Some(before), Some(after)) => after > before,
            };
            if is_tighter {
                self.broken(place, format!("has a tighter `{name}`"));
            }
        }
        if old["pattern"] != new["pattern"] && !new["pattern"].is_null() {
            self.broken(place, "has another `pattern`");
        }
        if old["default"] != new["default"] {
            self.broken(place, "has another `default`");
        }
        let (values, now) = (
            texts(&old["x-extensible-enum"]),
            texts(&new["x-extensible-enum"]),
        );
        for value in values.difference(&now).filter(|_| !now.is_empty()) {
            self.broken(place, format!("no longer takes `{value}`"));
        }
    }
}

#[test]
fn nothing_of_the_last_release_is_broken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let git = |args: &[&str]| {
        let done = Command::new("git")
            .current_dir(&root)
            .args(args)
            .output()
            .ok()?;
        done.status.success().then_some(done.stdout)
    };
    let tags = git(&[
        "tag",
        "--list",
        "v*",
        "--merged",
        "HEAD",
        "--sort=-version:refname",
    ]);
    let tags = String::from_utf8(tags.unwrap_or_default()).unwrap();
    // Before the first release there is nothing to break.
    let Some(last) = tags.lines().next() else {
        return;
    };
    let old = git(&["show", &format!("{last}:openapi.json")]).unwrap();
    let new = fs::read(root.join("openapi.json")).unwrap();
    let [old, new] = [old, new].map(|text| serde_json::from_slice::<Value>(&text).unwrap());
    let found = breaks(&old, &new);
    assert!(
        found.is_empty(),
        "breaks clients of {last}:\n{}",
        found.join("\n")
    );
}

mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": { "/v1/things": { "post": {
                "operationId": "createThing",
                "security": [{ "tenantKey": [] }, { "operatorKey": [] }],
                "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100, "default": 20 } }],
                "requestBody": { "required": true, "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Request" } },
                    "text/csv": { "schema": { "type": "string" } },
                } },
                "responses": {
                    "201": {
                        "headers": { "Location": { "schema": { "type": "string" } } },
                        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Answer" } } },
                    },
                    "409": { "$ref": "#/components/responses/Busy" },
                },
            } } },
            "components": { "responses": {
                "Busy": { "x-codes": ["busy"], "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } } },
            }, "schemas": {
                "Answer": { "allOf": [
                    { "$ref": "#/components/schemas/Success" },
                    { "type": "object", "required": ["data"], "properties": { "data": { "$ref": "#/components/schemas/Thing" } } },
                ] },
                "Success": { "type": "object", "required": ["success"], "properties": { "success": { "type": "boolean" } } },
                "Error": { "type": "object", "required": ["error"], "properties": { "error": { "type": "string" } } },
                "Request": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": { "type": "string", "maxLength": 64, "pattern": "^[a-z]+$" },
                        "kind": { "type": ["string", "null"], "x-extensible-enum": ["a", "b"] },
                    },
                },
                "Thing": {
                    "type": "object",
                    "required": ["id", "part"],
                    "properties": {
                        "id": { "type": "string" },
                        "kind": { "type": "string", "x-extensible-enum": ["a", "b"] },
                        "part": { "anyOf": [{ "$ref": "#/components/schemas/Thing" }, { "type": "null" }] },
                    },
                },
            } },
        })
    }

    /// The document with the value at a pointer set, or removed if it is null.
    fn with(pointer: &str, value: Value) -> Value {
        let mut document = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        let parent = document
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap();
        if value.is_null() {
            parent.remove(&name);
        } else {
            parent.insert(name, value);
        }
        document
    }

    const CALL: &str = "/paths/~1v1~1things/post";
    const REQUEST: &str = "/components/schemas/Request";
    const THING: &str = "/components/schemas/Thing";

    #[test]
    fn additions_break_nothing() {
        assert!(breaks(&document(), &document()).is_empty());
        let own = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi.json")).unwrap();
        let own = serde_json::from_slice(&own).unwrap();
        assert_eq!(breaks(&own, &own), [""; 0]);
        for (place, value) in [
            ("/paths/~1v1~1others".to_owned(), json!({ "get": {} })),
            (
                format!("{REQUEST}/properties/more"),
                json!({ "type": "string" }),
            ),
            (format!("{REQUEST}/required"), json!([])),
            (format!("{REQUEST}/properties/name/maxLength"), json!(128)),
            (
                format!("{REQUEST}/properties/name/type"),
                json!(["string", "null"]),
            ),
            (
                format!("{REQUEST}/properties/kind/x-extensible-enum"),
                json!(["a", "b", "c"]),
            ),
            (
                format!("{THING}/properties/more"),
                json!({ "type": "string" }),
            ),
            (
                format!("{THING}/properties/kind/x-extensible-enum"),
                json!(["c"]),
            ),
            (format!("{THING}/required"), json!(["id", "part", "kind"])),
            (
                format!("{CALL}/responses/404"),
                json!({ "x-codes": ["not_found"] }),
            ),
            (
                format!("{CALL}/security"),
                json!([{ "tenantKey": [] }, { "operatorKey": [] }, { "portalKey": [] }]),
            ),
        ] {
            let found = breaks(&document(), &with(&place, value));
            assert!(found.is_empty(), "{place}: {found:?}");
        }
    }

    #[test]
    fn whatever_a_client_relies_on_is_missed() {
        for (place, value, told) in [
            (
                "/paths/~1v1~1things".to_owned(),
                Value::Null,
                "POST /v1/things: is gone",
            ),
            (
                format!("{CALL}/operationId"),
                json!("makeThing"),
                "POST /v1/things: has another operationId",
            ),
            (
                format!("{CALL}/security"),
                json!([{ "operatorKey": [] }]),
                "POST /v1/things: needs another key",
            ),
            (
                format!("{CALL}/parameters"),
                json!([]),
                "POST /v1/things \"query\" \"limit\": is gone",
            ),
            (
                format!("{CALL}/parameters/0/schema/maximum"),
                json!(50),
                "POST /v1/things \"query\" \"limit\": has a tighter `maximum`",
            ),
            (
                format!("{CALL}/responses/201"),
                Value::Null,
                "POST /v1/things: no longer answers 201",
            ),
            (
                format!("{CALL}/responses"),
                json!({ "201": {}, "422": { "x-codes": ["busy"] } }),
                "POST /v1/things: `busy` has another status",
            ),
            (
                format!("{REQUEST}/properties/kind"),
                Value::Null,
                "POST /v1/things.kind: is gone",
            ),
            (
                format!("{REQUEST}/required"),
                json!(["name", "kind"]),
                "POST /v1/things.kind: is required",
            ),
            (
                format!("{REQUEST}/properties/name/maxLength"),
                json!(32),
                "POST /v1/things.name: has a tighter `maxLength`",
            ),
            (
                format!("{REQUEST}/properties/kind/type"),
                json!("string"),
                "POST /v1/things.kind: was of {\"null\", \"string\"} and is of {\"string\"}",
            ),
            (
                format!("{REQUEST}/properties/kind/x-extensible-enum"),
                json!(["a"]),
                "POST /v1/things.kind: no longer takes `b`",
            ),
            (
                format!("{CALL}/parameters/0/schema/default"),
                json!(50),
                "POST /v1/things \"query\" \"limit\": has another `default`",
            ),
            (
                format!("{CALL}/requestBody/content/text~1csv"),
                Value::Null,
                "POST /v1/things: text/csv is gone",
            ),
            (
                format!("{CALL}/responses/201/headers/Location"),
                Value::Null,
                "POST /v1/things 201: header Location is gone",
            ),
            (
                "/components/schemas/Success/properties/success".to_owned(),
                Value::Null,
                "POST /v1/things 201.success: is gone",
            ),
            (
                "/components/schemas/Error/properties/error".to_owned(),
                Value::Null,
                "POST /v1/things 409.error: is gone",
            ),
            (
                format!("{REQUEST}/properties/name/pattern"),
                json!("^[a-c]+$"),
                "POST /v1/things.name: has another `pattern`",
            ),
            (
                format!("{THING}/properties/kind"),
                Value::Null,
                "POST /v1/things 201.data.kind: is gone",
            ),
            (
                format!("{THING}/required"),
                json!(["part"]),
                "POST /v1/things 201.data.id: may be missing",
            ),
            (
                format!("{THING}/properties/id/type"),
                json!(["string", "null"]),
                "POST /v1/things 201.data.id: was of {\"string\"} and is of {\"null\", \"string\"}",
            ),
        ] {
            let found = breaks(&document(), &with(&place, value));
            assert!(
                found.iter().any(|found| found == told),
                "{place}: {found:?}"
            );
        }
        let without = with(&format!("{CALL}/requestBody"), Value::Null);
        let found = breaks(&without, &document());
        assert_eq!(found, ["POST /v1/things: needs a body"]);
        let mut renamed = document();
        renamed["components"]["schemas"]["Other"] = json!({});
        let found = breaks(&renamed, &document());
        assert_eq!(found, ["schema Other: is gone"]);
    }
}

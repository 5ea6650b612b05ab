//! The description as generated clients need it.
//!
//! - Enumerations are open: a text, its values in its description and in `x-extensible-enum`. A client that is older than the server
//!   takes a value that it does not know.
//! - Objects of answers are open, and objects of any content have one name.
//! - Whatever becomes a class of a client has a name: the bodies of requests, the envelopes of answers, and what is in them.
//! - Generators that write a file per class write few: what is seldom asked for is `allOf` one schema of a more general kind. Those that
//!   know how to put schemas together still see each member; openapi-python-client takes the general schema for it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Objects of any content.
const ANY_OBJECT: &str = "JsonObject";
/// Objects of texts.
const TEXTS: &str = "StringMap";
/// Objects of texts or nulls: of what a change sets and removes.
const CHANGES: &str = "StringMapChanges";
/// Objects of counts.
const COUNTS: &str = "Counts";
/// The envelope of any answer.
const ANSWER: &str = "Answer";

/// The answers that programs read at every turn. The others are an [`ANSWER`] in clients with a file per class.
const FREQUENT: [&str; 17] = [
    "Delivery",
    "DeliveryPage",
    "EventType",
    "GetEvent",
    "Job",
    "Key",
    "ListEventTypes",
    "ListedEventPage",
    "LogDetail",
    "LogEntryPage",
    "PublishEvents",
    "Published",
    "Tenant",
    "TenantPage",
    "TestLogEntry",
    "Webhook",
    "WebhookPage",
];

/// Schemas that are cases of others.
const CASES: [(&str, &str); 7] = [
    ("CountsByStatus", COUNTS),
    ("ImportResult", ANY_OBJECT),
    ("PlanChange", COUNTS),
    ("PreviewedEvent", ANY_OBJECT),
    ("ReceiverCheck", ANY_OBJECT),
    ("ReceiverReport", ANY_OBJECT),
    ("TestLogEntry", "LogEntry"),
];

/// What differs by the kind of a job.
const OF_SEVERAL_KINDS: [&str; 2] = ["JobParams", "JobResult"];

/// The schemas of the document, by name.
pub(super) type Named = Map<String, Value>;

/// Rewrites the schemas that have names already.
pub(super) fn named(schemas: Named) -> Named {
    let schemas = schemas.into_iter();
    let mut schemas: Named = schemas
        .map(|(name, schema)| (name, opened(schema, true)))
        .collect();
    schemas.insert(
        ANY_OBJECT.to_owned(),
        json!({ "description": "An object of any content.", "type": "object", "additionalProperties": true }),
    );
    let maps = [
        (TEXTS, "An object of texts.", json!("string")),
        (
            CHANGES,
            "Texts to set, by name; null removes one.",
            json!(["string", "null"]),
        ),
        (COUNTS, "Counts by name.", json!("integer")),
    ];
    for (name, description, kind) in maps {
        let map = json!({ "description": description, "type": "object", "additionalProperties": { "type": kind } });
        schemas.insert(name.to_owned(), map);
    }
    let answer = json!({
        "description": "The envelope of every answer that is no error.",
        "type": "object",
        "required": ["success", "data"],
        "properties": {
            "success": { "type": "boolean", "examples": [true] },
            "data": refers_to(ANY_OBJECT),
        },
        "additionalProperties": true,
    });
    schemas.insert(ANSWER.to_owned(), answer);
    for (name, general) in CASES {
        generalize(schemas.get_mut(name), general);
    }
    for name in OF_SEVERAL_KINDS {
        if let Some(schema) = schemas.get_mut(name) {
            merge(schema);
        }
    }
    schemas
}

/// Says that a schema is a case of a more general one.
fn generalize(schema: Option<&mut Value>, general: &str) {
    if let Some(schema) = schema {
        schema["allOf"] = json!([refers_to(general)]);
    }
}

/// Makes one object of several that a value may be: it has the members that each of them has, and may have the others.
fn merge(schema: &mut Value) {
    let Some(Value::Array(kinds)) = schema.get_mut("anyOf").map(Value::take) else {
        return;
    };
    let members = |kind: &Value| kind["properties"].as_object().cloned();
    let members: Vec<_> = kinds.iter().filter_map(members).collect();
    let mut properties = Map::new();
    for (name, member) in members.iter().flatten() {
        let known = properties.entry(name).or_insert_with(|| member.clone());
        let (Some(told), Some(more)) = (
            known["description"].as_str(),
            member["description"].as_str(),
        ) else {
            continue;
        };
        if !told.contains(more) {
            known["description"] = format!("{told} Or: {more}").into();
        }
    }
    let in_all = |name: &&String| members.iter().all(|members| members.contains_key(*name));
    let required: Vec<_> = properties.keys().filter(in_all).cloned().collect();
    let described = schema.get("description").cloned();
    *schema = json!({ "type": "object", "properties": properties, "additionalProperties": true });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if let Some(described) = described {
        schema["description"] = described;
    }
}

/// Rewrites an operation, and gives names to its bodies.
pub(super) fn operation(operation: &mut Value, schemas: &mut Named) {
    let id = pascal(operation["operationId"].as_str().unwrap_or_default());
    // Indexed, what is absent would come to be there.
    let parameters = operation.get_mut("parameters");
    let parameters = parameters.and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        parameter["schema"] = opened(parameter["schema"].take(), false);
    }
    if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
        let mut request = opened(schema.take(), false);
        let properties = request.get_mut("properties");
        let properties = properties.and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if let Some(items) = property.get_mut("items")
                && items["properties"].is_object()
            {
                *items = reference(schemas, &format!("{id}Item"), items.take());
            } else if property["properties"].is_object() {
                *property = input(schemas, &pascal(name), property.take());
            }
        }
        *schema = reference(schemas, &format!("{id}Request"), request);
    }
    for response in operation["responses"].as_object_mut().into_iter().flatten() {
        let Some(schema) = response.1.pointer_mut("/content/application~1json/schema") else {
            continue;
        };
        let mut envelope = opened(schema.take(), true);
        let Some(data) = envelope.pointer_mut("/properties/data") else {
            *schema = envelope;
            continue;
        };
        if is_deletion(data) {
            *schema = deletion(data.take(), schemas);
            continue;
        }
        let special = |name: &str, mut data: Value| {
            if data["properties"].is_object()
                && let Some((_, general)) = general(name)
            {
                generalize(Some(&mut data), &general);
            }
            data
        };
        let is_free = |name: &String| {
            let known = schemas.get(&format!("{name}Data"));
            known.is_none_or(|known| *known == special(name, data.clone()))
        };
        let name = name_of(data).filter(is_free).unwrap_or_else(|| id.clone());
        if data["properties"].is_object() {
            *data = reference(schemas, &format!("{name}Data"), special(&name, data.take()));
        }
        if let Some((general, general_data)) = general(&name) {
            if let Some(named) = name_of_reference(&envelope["properties"]["data"]) {
                generalize(schemas.get_mut(&named), &general_data);
            }
            generalize(Some(&mut envelope), &general);
        }
        *schema = reference(schemas, &format!("{name}Response"), envelope);
    }
}

/// What the envelope and the data of an answer are cases of. `None` for those that stand for themselves.
fn general(name: &str) -> Option<(String, String)> {
    match name {
        // They have what the others have, and say besides what a change has led to.
        "PutTenant" => Some(("TenantResponse".to_owned(), "TenantData".to_owned())),
        "UpdateWebhook" => Some(("WebhookResponse".to_owned(), "WebhookData".to_owned())),
        _ if FREQUENT.contains(&name) => None,
        _ => Some((ANSWER.to_owned(), ANY_OBJECT.to_owned())),
    }
}

/// Gives a name to an object within a body, as several bodies may have it, each with a description of its own.
fn input(schemas: &mut Named, name: &str, mut schema: Value) -> Value {
    let described = schema
        .as_object_mut()
        .and_then(|members| members.remove("description"));
    let is_nullable = schema["type"].is_array();
    schema["type"] = "object".into();
    let object = reference(schemas, &format!("{name}Input"), schema);
    let mut member = if is_nullable {
        json!({ "anyOf": [object, { "type": "null" }] })
    } else {
        object
    };
    if let Some(described) = described {
        member["description"] = described;
    }
    member
}

/// Whether an answer's `data` says that something is deleted.
fn is_deletion(data: &Value) -> bool {
    let mut members = data["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::values);
    members.any(|member| member["properties"]["deleted"].is_object())
}

/// All deletions are of one form: what is deleted, by its kind, and the job that erases what it leaves.
fn deletion(mut data: Value, schemas: &mut Named) -> Value {
    let all = schemas.entry("DeletedData").or_insert_with(|| {
        json!({
            "description": "What is deleted, by its kind, and the job that erases what it leaves, if there is one.",
            "type": "object",
            "properties": {},
            "additionalProperties": true,
            "allOf": [refers_to(ANY_OBJECT)],
        })
    });
    for (member, schema) in data["properties"].as_object_mut().into_iter().flatten() {
        let is_deleted = schema["properties"]["deleted"].is_object();
        all["properties"][member] = if is_deleted {
            refers_to("Deleted")
        } else {
            schema.take()
        };
    }
    let deleted = json!({
        "description": "That something is deleted.",
        "type": "object",
        "required": ["deleted"],
        "properties": {
            "id": { "description": "Its id.", "type": "string" },
            "type": { "description": "Of an event type, its name.", "type": "string" },
            "deleted": { "type": "boolean", "examples": [true] },
        },
        "additionalProperties": true,
    });
    schemas.insert("Deleted".to_owned(), deleted);
    let envelope = json!({
        "type": "object",
        "required": ["success", "data"],
        "properties": {
            "success": { "type": "boolean", "examples": [true] },
            "data": refers_to("DeletedData"),
        },
        "additionalProperties": true,
        "allOf": [refers_to(ANSWER)],
    });
    reference(schemas, "DeletedResponse", envelope)
}

/// What an answer's `data` is called: after the one thing that it has, or that it has a page of. `None` where it has more than one, or
/// what has no name: then it is called after the call.
fn name_of(data: &Value) -> Option<String> {
    if let Some(name) = name_of_reference(data) {
        return Some(name);
    }
    let members = data["properties"].as_object()?;
    let mut own = members.iter().filter(|(name, _)| *name != "next_cursor");
    let (Some((_, schema)), None) = (own.next(), own.next()) else {
        return None;
    };
    name_of_reference(schema).or_else(|| Some(name_of_reference(&schema["items"])? + "Page"))
}

/// The name of the schema that is referred to.
fn name_of_reference(schema: &Value) -> Option<String> {
    let path = schema["$ref"].as_str()?;
    path.rsplit('/').next().map(str::to_owned)
}

/// Gives a schema a name, or the one that it has already; and refers to it.
fn reference(schemas: &mut Named, name: &str, schema: Value) -> Value {
    let known = schemas.iter().find(|(_, known)| **known == schema);
    let name = match known {
        Some((known, _)) => known.clone(),
        None => {
            let number = (1..).map(|n| if n == 1 { String::new() } else { n.to_string() });
            let mut names = number.map(|number| format!("{name}{number}"));
            let free = names.find(|name| !schemas.contains_key(name));
            let free = free.unwrap_or_default();
            schemas.insert(free.clone(), schema);
            free
        }
    };
    refers_to(&name)
}

fn refers_to(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A schema with open enumerations and, where `answered`, open objects.
fn opened(schema: Value, answered: bool) -> Value {
    let mut schema = match schema {
        Value::Object(members) => members,
        Value::Array(schemas) => {
            let schemas = schemas.into_iter();
            return schemas.map(|schema| opened(schema, answered)).collect();
        }
        other => return other,
    };
    // Before the constants among its parts become texts themselves.
    open_values(&mut schema);
    // What is answered is there. An object is the schema of a member of this name.
    if answered && !schema.get("default").is_some_and(Value::is_object) {
        schema.remove("default");
    }
    let mut schema: Map<String, Value> = schema
        .into_iter()
        .map(|(name, value)| {
            let is_data = matches!(
                &*name,
                "example" | "examples" | "default" | "required" | "x-extensible-enum"
            );
            let value = if is_data {
                value
            } else {
                opened(value, answered)
            };
            (name, value)
        })
        .collect();
    if kinds(&schema).contains(&"array") {
        schema.entry("items").or_insert_with(|| json!({}));
    }
    let kinds = kinds(&schema);
    if !kinds.contains(&"object") || schema.get("properties").is_some_and(Value::is_object) {
        if answered && kinds.contains(&"object") {
            schema.entry("additionalProperties").or_insert(true.into());
        }
        return schema.into();
    }
    let name = match schema.get("additionalProperties") {
        None | Some(Value::Bool(true)) => ANY_OBJECT,
        Some(others) if others["type"] == "string" => TEXTS,
        Some(others) if others["type"] == "integer" => COUNTS,
        Some(others) if others["type"] == json!(["string", "null"]) => CHANGES,
        Some(_) => return schema.into(),
    };
    let described = schema.get("description").cloned();
    let mut object = match kinds[..] {
        ["object"] => refers_to(name),
        ["object", "null"] | ["null", "object"] => {
            json!({ "anyOf": [refers_to(name), { "type": "null" }] })
        }
        _ => return schema.into(),
    };
    if let Some(described) = described {
        object["description"] = described;
    }
    object
}

/// The types that a schema names.
fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Makes texts of what is one of several constants.
fn open_values(schema: &mut Map<String, Value>) {
    let mut lines = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut nullable = false;
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        if !choices.iter().all(|choice| choice.get("const").is_some()) {
            return;
        }
        for choice in choices {
            let value = &choice["const"];
            let described = choice["description"].as_str().unwrap_or_default();
            lines.push(format!(
                "- `{}`: {described}",
                value.as_str().unwrap_or_default()
            ));
            values.push(value.clone());
        }
        schema.remove("oneOf");
    } else if let Some(Value::Array(choices)) = schema.remove("enum") {
        nullable = choices.contains(&Value::Null);
        values = choices
            .into_iter()
            .filter(|value| !value.is_null())
            .collect();
        let names = values.iter().filter_map(Value::as_str);
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        lines.push(names.join(", "));
    } else {
        if let Some(value) = schema.remove("const") {
            schema.insert("type".to_owned(), kind_of(&value).into());
            schema.insert("examples".to_owned(), json!([value]));
        }
        return;
    }
    let described = schema.get("description").and_then(Value::as_str);
    let described: Vec<_> = described
        .map(str::to_owned)
        .into_iter()
        .chain(lines)
        .collect();
    schema.insert("description".to_owned(), described.join("\n").into());
    let kind = if nullable {
        json!(["string", "null"])
    } else {
        json!("string")
    };
    schema.insert("type".to_owned(), kind);
    schema.insert("x-extensible-enum".to_owned(), values.into());
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        _ => "string",
    }
}

/// `listWebhooks` and `next_cursor` as names of classes.
pub(super) fn pascal(name: &str) -> String {
    let parts = name.split(['_', '-']);
    let parts = parts.map(|part| {
        let mut letters = part.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    });
    parts.collect()
}

/// What the calls are about, by tag.
pub(super) fn tags(paths: &BTreeMap<String, Map<String, Value>>) -> Value {
    const TAGS: &[(&str, &str)] = &[
        ("about", "What this deployment is, and who calls."),
        (
            "tenants",
            "Customers of the operator, their API keys and links to the portal.",
        ),
        ("keys", "The operator's own API keys."),
        ("webhooks", "Endpoints of a tenant."),
        (
            "deliveries",
            "Events on their way to webhooks, and the log of attempts.",
        ),
        ("events", "Publishing, and what was published."),
        ("event-types", "What can be published and subscribed to."),
        (
            "operate",
            "Jobs, the audit log, dead letters and other work of the operator.",
        ),
    ];
    let used = |tag: &str| {
        let mut operations = paths.values().flat_map(Map::values);
        operations.any(|operation| operation["tags"][0] == tag)
    };
    let tags = TAGS.iter().filter(|(tag, _)| used(tag));
    tags.map(|(name, description)| json!({ "name": name, "description": description }))
        .collect()
}

/// The tag of the calls of a path.
pub(super) fn tag(path: &str) -> &'static str {
    let mut names = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != "v1");
    match names.next().unwrap_or_default() {
        "tenants" => "tenants",
        "keys" => "keys",
        "event-types" => "event-types",
        "events" => "events",
        "logs" | "stats" | "recover" => "deliveries",
        "webhooks" => match names.nth(1).unwrap_or_default() {
            "logs" | "deliveries" | "stats" | "recover" => "deliveries",
            _ => "webhooks",
        },
        "audit" | "jobs" | "dead-letters" | "reencrypt" | "exports" | "import" => "operate",
        _ => "about",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enumerations_are_texts_whose_values_are_told() {
        let status = json!({
            "description": "How it stands.",
            "oneOf": [
                { "const": "queued", "description": "It waits.", "type": "string" },
                { "const": "done", "description": "The job has ended.", "type": "string" },
            ],
        });
        let expected = json!({
            "description": "How it stands.\n- `queued`: It waits.\n- `done`: The job has ended.",
            "type": "string",
            "x-extensible-enum": ["queued", "done"],
        });
        assert_eq!(opened(status, true), expected);
        let choice = json!({ "enum": ["a", "b", null] });
        let expected = json!({
            "description": "`a`, `b`",
            "type": ["string", "null"],
            "x-extensible-enum": ["a", "b"],
        });
        assert_eq!(opened(choice, false), expected);
    }

    #[test]
    fn what_has_several_kinds_is_one_object_of_all_members() {
        let kind = |name: &str, description: &str| {
            json!({
                "type": "object",
                "properties": { "count": { "type": "integer", "description": description }, name: { "type": "string" } },
            })
        };
        let mut schema = json!({ "description": "What came of it.", "anyOf": [kind("a", "Sent."), kind("b", "Cancelled.")] });
        merge(&mut schema);
        let expected = json!({
            "description": "What came of it.",
            "type": "object",
            "required": ["count"],
            "properties": {
                "count": { "type": "integer", "description": "Sent. Or: Cancelled." },
                "a": { "type": "string" },
                "b": { "type": "string" },
            },
            "additionalProperties": true,
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn objects_of_any_content_have_one_name_and_objects_of_answers_are_open() {
        let any = json!({ "type": "object", "description": "Whatever." });
        let named =
            json!({ "$ref": "#/components/schemas/JsonObject", "description": "Whatever." });
        assert_eq!(opened(any, false), named);
        let texts =
            json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } });
        let named =
            json!({ "anyOf": [{ "$ref": "#/components/schemas/StringMap" }, { "type": "null" }] });
        assert_eq!(opened(texts, true), named);
        let object = || json!({ "type": "object", "properties": { "id": { "type": "string" } } });
        assert_eq!(opened(object(), true)["additionalProperties"], true);
        assert_eq!(opened(object(), false), object());
    }

    #[test]
    fn bodies_are_called_after_what_is_in_them() {
        let list_of = |member: &str| {
            json!({
                "operationId": "listThings",
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object",
                    "properties": {
                        "success": { "const": true },
                        "data": { "type": "object", "properties": {
                            member: { "type": "array", "items": refers_to("Thing") },
                            "next_cursor": { "type": ["string", "null"] },
                        } },
                    },
                } } } } },
            })
        };
        let mut schemas = Named::new();
        let mut list = list_of("things");
        let mut one = list.clone();
        operation(&mut one, &mut schemas);
        let schema = &one["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(*schema, refers_to("ThingPageResponse"));
        operation(&mut list, &mut schemas);
        let names: Vec<_> = schemas.keys().collect();
        assert_eq!(names, ["ThingPageData", "ThingPageResponse"]);
        assert!(list.get("parameters").is_none() && list.get("requestBody").is_none());
        // Another list of such things, and what has more than one member.
        let path = "/responses/200/content/application~1json/schema/properties/data/properties";
        for (id, member) in [("listMore", "more"), ("countThings", "counted")] {
            let mut other = list_of("things");
            other["operationId"] = id.into();
            other.pointer_mut(path).unwrap()[member] = json!({ "type": "integer" });
            operation(&mut other, &mut schemas);
        }
        let names: Vec<_> = schemas.keys().collect();
        let expected = [
            "ListMoreData",
            "ListMoreResponse",
            "CountThingsData",
            "CountThingsResponse",
        ];
        assert_eq!(names[2..], expected);
    }
}

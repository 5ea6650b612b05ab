//! The description as generated clients need it.
//!
//! - Enumerations are open: a text, its values in its description and in `x-extensible-enum`. A client that is older than the server
//!   takes a value that it does not know.
//! - Objects of answers are open, and objects of any content have one name.
//! - Whatever becomes a class of a client has a name: the bodies of requests, the envelopes of answers, and what is in them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Objects of any content.
const ANY_OBJECT: &str = "JsonObject";
/// Objects of texts.
const TEXTS: &str = "StringMap";

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
    schemas.insert(
        TEXTS.to_owned(),
        json!({ "description": "An object of texts.", "type": "object", "additionalProperties": { "type": "string" } }),
    );
    schemas
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
        for property in properties.into_iter().flat_map(Map::values_mut) {
            if let Some(items) = property.get_mut("items")
                && items["properties"].is_object()
            {
                *items = reference(schemas, &format!("{id}Item"), items.take());
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
        let is_free = |name: &String| {
            let known = schemas.get(&format!("{name}Data"));
            known.is_none_or(|known| known == data)
        };
        let name = name_of(data).filter(is_free).unwrap_or_else(|| id.clone());
        if data["properties"].is_object() {
            *data = reference(schemas, &format!("{name}Data"), data.take());
        }
        *schema = reference(schemas, &format!("{name}Response"), envelope);
    }
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
    });
    reference(schemas, "DeletedResponse", envelope)
}

/// What an answer's `data` is called: after the one thing that it has, or that it has a page of. `None` where it has more than one, or
/// what has no name: then it is called after the call.
fn name_of(data: &Value) -> Option<String> {
    let of_reference = |schema: &Value| {
        let path = schema["$ref"].as_str()?;
        path.rsplit('/').next().map(str::to_owned)
    };
    if let Some(name) = of_reference(data) {
        return Some(name);
    }
    let members = data["properties"].as_object()?;
    let mut own = members.iter().filter(|(name, _)| *name != "next_cursor");
    let (Some((_, schema)), None) = (own.next(), own.next()) else {
        return None;
    };
    of_reference(schema).or_else(|| Some(of_reference(&schema["items"])? + "Page"))
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
                { "const": "done", "description": "It has ended.", "type": "string" },
            ],
        });
        let expected = json!({
            "description": "How it stands.\n- `queued`: It waits.\n- `done`: It has ended.",
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

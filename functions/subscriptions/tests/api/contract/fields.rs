//! The fields of the calls' bodies: each as the description has it, and what it has not is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Needs, Scene, assert_names, calls};
use crate::world::As;

/// The kinds of values that a schema takes; all, if it does not say.
fn kinds(schema: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> BTreeSet<String> {
        match value {
            Value::String(kind) => BTreeSet::from([kind.clone()]),
            Value::Array(kinds) => kinds
                .iter()
                .map(|kind| kind.as_str().unwrap().to_owned())
                .collect(),
            _ => BTreeSet::new(),
        }
    };
    let mut kinds = texts(&schema["type"]);
    for schema in schema["anyOf"].as_array().into_iter().flatten() {
        kinds.extend(self::kinds(schema));
    }
    kinds
}

/// Values that a field of this schema does not take.
fn wrong_values(schema: &Value) -> Vec<Value> {
    let kinds = kinds(schema);
    let of_each_kind = [
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("integer", json!(7)),
        ("string", json!("¬")),
        ("array", json!([[]])),
        ("object", json!({"¬": [[]]})),
    ];
    let mut wrong: Vec<_> = of_each_kind
        .into_iter()
        .filter(|(kind, _)| !kinds.contains(*kind))
        .map(|(_, value)| value)
        .collect();
    let number = |name: &str| schema[name].as_u64();
    if let Some(most) = number("maxLength") {
        wrong.push("x".repeat(most as usize + 1).into());
    }
    if number("minLength").is_some() {
        wrong.push("".into());
    }
    if let Some(most) = number("maxItems") {
        wrong.push(vec!["x"; most as usize + 1].into());
    }
    if number("minItems").is_some() {
        wrong.push(json!([]));
    }
    if let Some(most) = number("maximum") {
        wrong.push((most + 1).into());
    }
    match number("minimum") {
        Some(0) => wrong.push(json!(-1)),
        Some(least) => wrong.push((least - 1).into()),
        None => {}
    }
    if schema.get("pattern").is_some() {
        wrong.extend([json!("a#b"), json!(""), "x".repeat(129).into()]);
    }
    if schema["format"] == "date-time" || schema.get("x-extensible-enum").is_some() {
        wrong.push(json!("soon"));
    }
    wrong
}

/// Each field of each call by what the description says of it: unknown, missing, of another type, too long.
#[tokio::test(start_paused = true)]
async fn every_call_refuses_fields_that_are_wrong_by_their_names() {
    let scene = Scene::new().await;
    let mut held = 0;
    for call in calls(&scene.document, true) {
        if call.method == "GET" || call.has_lines() {
            continue;
        }
        // With the admin key a tenant's calls take all of their fields.
        let who = match call.needs() {
            Needs::Operator => As::operator(),
            _ => As::operator_for("acme"),
        };
        let path = scene.path(&call);
        let example = call.example().unwrap_or_else(|| json!({}));
        let ask = async |body: &Value| scene.ask(&who, &call, &path, Some(body)).await;

        let mut body = example.clone();
        body["no_such_field"] = json!(1);
        assert_names(&call, &ask(&body).await, "no_such_field");
        for name in call.schema()["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            let mut body = example.clone();
            body.as_object_mut().unwrap().remove(name);
            assert_names(&call, &ask(&body).await, name);
        }
        for (name, schema) in call.schema()["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            for wrong in wrong_values(schema) {
                let mut body = example.clone();
                body[name] = wrong.clone();
                let refused = ask(&body).await;
                assert_eq!(
                    refused.status, 422,
                    "{} {name} {wrong}: {}",
                    call.id, refused.body
                );
                let within = |field: &&str| {
                    let rest = field.strip_prefix(name.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let fields = refused.fields();
                assert!(
                    fields.iter().any(within),
                    "{} {name} {wrong}: {fields:?}",
                    call.id
                );
                held += 1;
            }
        }
    }
    assert!(held > 150, "only {held}");
}

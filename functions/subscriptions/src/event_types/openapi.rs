//! What webhooks are sent, as an OpenAPI document: one of its `webhooks` for each event type, in the envelope of the dialect.

use std::ops::RangeInclusive;

use axum::response::{IntoResponse, Response};
use http::header;
use rung_api::{
    ETag,
    limits::{DESCRIBED_SAMPLES_BYTES, DESCRIBED_SCHEMAS_BYTES},
};
use rung_dialect::Dialect;
use serde_json::{Map, Value, json};

use super::{EventTypeView, Types};

/// The media type of OpenAPI documents.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.oai.openapi+json";

/// A secret, for what only a secret tells: which headers sign with it.
const SOME_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The answer with the document about these types.
pub(super) fn answer<'a>(types: &'a Types, names: impl Iterator<Item = &'a str>) -> Response {
    let views = names.filter_map(|name| types.view(name));
    let document = document(types, views).to_string();
    let tag = ETag::of_content(document.as_bytes());
    tag.stamp(([(header::CONTENT_TYPE, MEDIA_TYPE)], document).into_response())
}

fn document<'a>(types: &'a Types, views: impl Iterator<Item = EventTypeView<'a>>) -> Value {
    let dialect = &*types.spoken;
    let mut headers = Map::new();
    for name in dialect.header_names() {
        headers.insert(free(&headers, name), parameter(dialect, name));
    }
    let parameters = headers.keys().map(|name| refers_to("parameters", name));
    let parameters: Value = parameters.collect();
    let responses = dialect.success().iter().flat_map(statuses);
    let received =
        json!({ "description": "Received. Any other answer, or none in time, is a failure." });
    let responses: Map<_, _> = responses.map(|status| (status, received.clone())).collect();
    let mut data = Data::default();
    let webhooks: Map<_, _> = views
        .map(|view| {
            let (reference, schema) = data.of(&view);
            let body = dialect.body_schema(view.r#type, &reference, &schema);
            let post = json!({
                "summary": view.description.unwrap_or(view.r#type),
                "description": description(&view),
                "tags": view.groups,
                "deprecated": view.deprecated.is_some(),
                "parameters": parameters,
                "requestBody": {
                    "required": true,
                    "content": { dialect.media_type(): { "schema": body } },
                },
                "responses": responses,
            });
            (view.r#type.to_owned(), json!({ "post": post }))
        })
        .collect();
    let whose = match &types.tenant {
        Some(tenant) => format!("the tenant {}", tenant.name()),
        None => "this deployment".to_owned(),
    };
    let others = if dialect.catalogue.takes_any_type() {
        " There may be others: this dialect takes any type."
    } else {
        ""
    };
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Events of {whose}"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("What webhooks of {whose} are sent in the dialect {}, at least once.{others}", dialect.name),
        },
        "webhooks": webhooks,
        "components": { "schemas": data.schemas, "parameters": headers },
    })
}

/// The schemas of events' data in the making.
#[derive(Default)]
struct Data {
    schemas: Map<String, Value>,
    /// The bytes of the given schemas, and of the samples.
    schema_bytes: usize,
    sample_bytes: usize,
}

impl Data {
    /// The schema of a type's data: a reference to it, and itself. What would make the document too long is left out.
    fn of(&mut self, view: &EventTypeView<'_>) -> (Value, Value) {
        let name = free(&self.schemas, view.r#type);
        let reference = refers_to("schemas", &name);
        let given = view.schema.and_then(|schema| {
            let given = serde_json::to_value(schema).ok()?;
            self.schema_bytes += given.to_string().len();
            (self.schema_bytes <= DESCRIBED_SCHEMAS_BYTES).then_some(given)
        });
        let mut schema = given.unwrap_or_else(|| json!({ "additionalProperties": true }));
        move_to(&mut schema, &format!("#/components/schemas/{name}"));
        if let Some(members) = schema.as_object_mut() {
            members.entry("type").or_insert_with(|| "object".into());
            let sample = view
                .sample
                .and_then(|sample| serde_json::to_value(sample).ok());
            if let Some(sample) = sample {
                self.sample_bytes += sample.to_string().len();
                if self.sample_bytes <= DESCRIBED_SAMPLES_BYTES {
                    members.insert("examples".to_owned(), json!([sample]));
                }
            }
        }
        self.schemas.insert(name, schema.clone());
        (reference, schema)
    }
}

fn description(view: &EventTypeView<'_>) -> String {
    let mut told = view.description.unwrap_or_default().to_owned();
    if let Some(deprecated) = &view.deprecated {
        told = format!("{told}\n\nDeprecated since {}.", deprecated.since);
        if let Some(successor) = deprecated.r#use {
            told = format!("{told} `{successor}` takes its place.");
        }
    }
    told.trim().to_owned()
}

fn parameter(dialect: &Dialect, name: &str) -> Value {
    let signs = dialect.signed_with(&[SOME_SECRET]);
    let scheme = signs.iter().find(|(header, _)| *header == name);
    let description = match (name, scheme) {
        ("webhook-id", _) => "The event's id, the same in each attempt.".to_owned(),
        ("webhook-timestamp", _) => "When the attempt was made, in seconds since 1970.".to_owned(),
        (_, Some((_, scheme))) => format!("Proves the sender: `{scheme}`."),
        _ => "Of the dialect.".to_owned(),
    };
    json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } })
}

/// Statuses as keys of responses.
fn statuses(range: &RangeInclusive<u16>) -> Vec<String> {
    let (first, last) = (*range.start(), *range.end());
    if first % 100 == 0 && last == first + 99 {
        return vec![format!("{}XX", first / 100)];
    }
    range.clone().map(|status| status.to_string()).collect()
}

fn refers_to(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// A name for a component that says `name`, of the characters that such names may have.
fn free(taken: &Map<String, Value>, name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let plain = name.replace(|letter| !is_plain(letter), "_");
    if !taken.contains_key(&plain) {
        return plain;
    }
    let mut others = (2..).map(|number| format!("{plain}_{number}"));
    let other = others.find(|name| !taken.contains_key(name));
    other.unwrap_or(plain)
}

/// Makes a schema one that stands at `place` of a document: what it refers to within itself, and no id or dialect of its own.
fn move_to(schema: &mut Value, place: &str) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| move_to(schema, place)),
        Value::Object(members) => {
            members.retain(|name, _| !["$id", "$schema"].contains(&name.as_str()));
            for (name, member) in members {
                match (&**name, &mut *member) {
                    ("$ref", Value::String(target)) => {
                        *target = format!("{place}{}", target.trim_start_matches('#'));
                    }
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (
                        "properties" | "patternProperties" | "$defs" | "definitions",
                        Value::Object(schemas),
                    ) => {
                        schemas
                            .values_mut()
                            .for_each(|schema| move_to(schema, place));
                    }
                    _ => move_to(member, place),
                }
            }
        }
        _ => {}
    }
}

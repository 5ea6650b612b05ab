//! What a request looks like, for those who generate code for receivers: the JSON Schema of its body, and its headers.

use std::collections::HashSet;

use serde_json::{Map, Value as JsonValue, json};

use super::{
    Dialect,
    envelope::{Node, Slot},
    value::Value,
};

impl Dialect {
    /// The JSON Schema of the bodies of an event type whose data is as the schema `data` says. It has `data` itself where the data
    /// stands for itself, by `reference`.
    ///
    /// It promises no more than holds: where the data's members stand beside the dialect's own, it knows of `data` the members alone.
    #[must_use]
    pub fn body_schema(
        &self,
        event_type: &str,
        reference: &JsonValue,
        data: &JsonValue,
    ) -> JsonValue {
        if self.envelope.is_form {
            return json!({ "type": "object", "additionalProperties": true });
        }
        let described = Described {
            wire: self.catalogue.on_the_wire(event_type),
            reference,
            data,
        };
        described.node(&self.envelope.root)
    }

    /// The media type of bodies.
    #[must_use]
    pub fn media_type(&self) -> &str {
        let media_type = self.headers.content_type.to_str().unwrap_or_default();
        media_type.split(';').next().unwrap_or_default().trim()
    }

    /// The headers that say something of the delivery or prove the sender, as they are spelled over HTTP/1.1.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.spelled_names()
    }
}

struct Described<'a> {
    wire: &'a str,
    reference: &'a JsonValue,
    data: &'a JsonValue,
}

impl Described<'_> {
    fn node(&self, node: &Node) -> JsonValue {
        match node {
            Node::Value(value) => self.value(value),
            Node::Text(_) => json!({ "type": "string" }),
            Node::Constant(value) => json!({ "const": value }),
            Node::Data => self.reference.clone(),
            Node::Metadata => {
                json!({ "description": "What was published beside the data.", "type": "object", "additionalProperties": true })
            }
            Node::Object { slots, .. } => self.object(slots),
            Node::List(elements) => match &elements[..] {
                [element] => json!({ "type": "array", "items": self.node(element) }),
                _ => json!({ "type": "array", "items": {} }),
            },
            Node::Json(inner) => json!({
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": self.node(inner),
            }),
        }
    }

    fn value(&self, value: &Value) -> JsonValue {
        match value {
            Value::Type => json!({ "type": "string", "const": self.wire }),
            // As it was published.
            Value::Data(_) | Value::Metadata(_) => json!({}),
            Value::Time(form) | Value::AttemptTime(form) if !form.is_number() => {
                json!({ "type": "string", "format": "date-time" })
            }
            value if value.is_number() => json!({ "type": "integer" }),
            _ => json!({ "type": "string" }),
        }
    }

    fn object(&self, slots: &[Slot]) -> JsonValue {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for slot in slots {
            match slot {
                Slot::Member(field) => {
                    properties.insert(field.key.clone(), self.node(&field.node));
                    if !may_lack(&field.node) {
                        required.push(JsonValue::from(&*field.key));
                    }
                }
                Slot::DataMembers => {
                    let members = self.data["properties"].as_object();
                    for (name, member) in members.into_iter().flatten() {
                        properties.entry(name).or_insert_with(|| member.clone());
                    }
                    let names = self.data["required"].as_array();
                    required.extend(names.into_iter().flatten().cloned());
                }
            }
        }
        let mut known = HashSet::new();
        required.retain(|name| known.insert(name.to_string()));
        json!({
            "type": "object",
            "required": required,
            "properties": properties,
            "additionalProperties": true,
        })
    }
}

/// Whether there are events of which nothing is written for it.
fn may_lack(node: &Node) -> bool {
    let from_elsewhere = |value: &Value| matches!(value, Value::Data(_) | Value::Metadata(_));
    match node {
        Node::Metadata => true,
        Node::Value(value) => from_elsewhere(value),
        Node::Text(template) => template.values().any(from_elsewhere),
        _ => false,
    }
}

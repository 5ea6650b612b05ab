//! The members of the body.

use std::collections::HashSet;

use rung_json::{Json, array_index};
use toml::{Spanned, de::DeValue};

use super::{listed, template};
use crate::{
    document::{Table, nearest},
    envelope::{Field, Node, Slot},
    fault::Faults,
    value::Value,
};

/// How deep members may be in each other.
const DEPTH: usize = 10;

/// What the body is.
pub(super) fn root(file: &Table<'_>, is_form: bool, faults: &Faults) -> Node {
    let members = file.tables("envelope");
    if file.has("envelope") && members.is_empty() {
        let mend = "for example `envelope = [{ from = \"data_members\" }]` for the data alone";
        faults.add(
            file.place("envelope"),
            "an envelope has at least one member",
            mend,
        );
    }
    let root = Reader::new(faults, false).whole(&members, DEPTH);
    if is_form && matches!(root, Node::List(_)) {
        let mend = "name its fields, or leave out `body = \"form\"`";
        faults.add(
            file.place("envelope"),
            "a form has fields, and no list",
            mend,
        );
    }
    root
}

/// The body of a challenge, in which the token may be.
pub(super) fn of_challenge(members: &[Table<'_>], faults: &Faults) -> Node {
    Reader::new(faults, true).object(members, DEPTH)
}

struct Reader<'f> {
    faults: &'f Faults,
    is_challenge: bool,
    has_spread: bool,
}

impl<'f> Reader<'f> {
    fn new(faults: &'f Faults, is_challenge: bool) -> Self {
        Self {
            faults,
            is_challenge,
            has_spread: false,
        }
    }

    fn is_allowed(&self, value: &Value) -> bool {
        match value {
            Value::Token => self.is_challenge,
            Value::Body | Value::FormFields | Value::Signature => false,
            value => !(self.is_challenge && value.is_early()),
        }
    }

    /// A JSON text: an object, or the list that stands alone.
    fn whole(&mut self, members: &[Table<'_>], depth: usize) -> Node {
        if let [only] = members
            && only.has("list")
            && !only.has("key")
        {
            return self.node(only, depth).unwrap_or(Node::Data);
        }
        self.object(members, depth)
    }

    fn object(&mut self, members: &[Table<'_>], depth: usize) -> Node {
        if let [only] = members
            && !only.has("key")
            && only
                .text("from")
                .is_some_and(|from| from.text == "data_members")
        {
            self.spread(only);
            return Node::Data;
        }
        let mut keys = HashSet::new();
        let mut slots = Vec::with_capacity(members.len());
        for member in members {
            let spreads = member
                .text("from")
                .is_some_and(|from| from.text == "data_members");
            if spreads {
                self.spread(member);
                slots.push(Slot::DataMembers);
                continue;
            }
            let Some(key) = member.text("key") else {
                if member.get("key").is_none() {
                    let mend = "add `key = \"…\"`; only `data_members` stands without one, and the elements of a `list`";
                    self.faults.add(member.at, "a member needs a `key`", mend);
                }
                continue;
            };
            if array_index(key.text).is_some() && members.len() > 1 {
                let reason = format!("the key `{}` is a whole number", key.text);
                let mend = "JavaScript would move it before the other members: use another key";
                self.faults.add(key.at, reason, mend);
            }
            if !keys.insert(key.text) {
                let reason = format!("the key `{}` is defined twice", key.text);
                self.faults.add(key.at, reason, "leave one of the two out");
            }
            if let Some(node) = self.node(member, depth) {
                let key = key.text.to_owned();
                slots.push(Slot::Member(Field { key, node }));
            }
        }
        Node::Object {
            slots,
            with_metadata: false,
        }
    }

    fn spread(&mut self, member: &Table<'_>) {
        const OTHERS: [&str; 7] = ["key", "text", "value", "null", "fields", "list", "json"];
        if let Some(other) = OTHERS.into_iter().find(|key| member.has(key)) {
            let reason =
                "`data_members` takes nothing else: it puts the data's members here by themselves";
            self.faults
                .add(member.place(other), reason, format!("leave out `{other}`"));
        } else if self.is_challenge {
            self.faults.add(
                member.at,
                "a challenge has no data",
                "leave out `data_members`",
            );
        } else if std::mem::replace(&mut self.has_spread, true) {
            self.faults.add(
                member.at,
                "`data_members` is used twice",
                "leave one of the two out",
            );
        }
    }

    /// What a member or an element is.
    fn node(&mut self, member: &Table<'_>, depth: usize) -> Option<Node> {
        const SOURCES: [&str; 7] = ["from", "text", "value", "null", "fields", "list", "json"];
        if depth == 0 {
            let reason = format!("members are more than {DEPTH} levels deep");
            self.faults.add(member.at, reason, "use fewer levels");
            return None;
        }
        let sources: Vec<&str> = SOURCES.into_iter().filter(|key| member.has(key)).collect();
        match sources.as_slice() {
            ["from"] => self.from(member),
            ["from", "fields"]
                if member
                    .text("from")
                    .is_some_and(|from| from.text == "metadata") =>
            {
                match self.object(&member.tables("fields"), depth - 1) {
                    Node::Object { slots, .. } => Some(Node::Object {
                        slots,
                        with_metadata: true,
                    }),
                    other => Some(other),
                }
            }
            ["text"] => {
                let text = member.text("text")?;
                template(text, |value| self.is_allowed(value), self.faults).map(Node::Text)
            }
            ["value"] => member.get("value").and_then(constant).map(Node::Constant),
            ["null"] => {
                if member.flag("null") == Some(false) {
                    self.faults.add(
                        member.place("null"),
                        "`null` is `true` or left out",
                        "write `null = true`",
                    );
                }
                Some(Node::Constant(Json::Null))
            }
            ["fields"] => Some(self.object(&member.tables("fields"), depth - 1)),
            ["list"] => {
                let elements = member.tables("list");
                let nodes = elements.iter().filter_map(|element| {
                    if let Some(key) = element.text("key") {
                        self.faults.add(
                            key.at,
                            "an element of a list has no `key`",
                            "leave it out",
                        );
                    }
                    if element
                        .text("from")
                        .is_some_and(|from| from.text == "data_members")
                    {
                        self.faults.add(
                            element.place("from"),
                            "`data_members` stands in an object",
                            "write `from = \"data\"`: the data as one element",
                        );
                        return None;
                    }
                    self.node(element, depth - 1)
                });
                Some(Node::List(nodes.collect()))
            }
            ["json"] => {
                let inner = self.whole(&member.tables("json"), depth - 1);
                Some(Node::Json(Box::new(inner)))
            }
            _ => {
                let reason = "a member has one of `from`, `text`, `value`, `null`, `fields`, `list` and `json`";
                let mend = match sources.is_empty() {
                    true => "add one of them, as in `from = \"data\"`",
                    false => "leave out the others; only `from = \"metadata\"` goes with `fields`",
                };
                self.faults.add(member.at, reason, mend);
                None
            }
        }
    }

    fn from(&self, member: &Table<'_>) -> Option<Node> {
        let from = member.text("from")?;
        match from.text {
            "data" if !self.is_challenge => return Some(Node::Data),
            "metadata" if !self.is_challenge => return Some(Node::Metadata),
            "data" | "metadata" => {
                let reason = format!("a challenge has no {}", from.text);
                self.faults.add(
                    from.at,
                    reason,
                    "leave the member out, or give it another source",
                );
                return None;
            }
            _ => {}
        }
        if let Some(value) = Value::parse(from.text)
            && self.is_allowed(&value)
        {
            return Some(Node::Value(value));
        }
        let names = Value::reference();
        let names = names.iter().flat_map(|(names, _)| names.split("`, `"));
        let names =
            names.filter(|name| Value::parse(name).is_some_and(|value| self.is_allowed(&value)));
        let mut known: Vec<&str> = names.collect();
        if !self.is_challenge {
            known.extend(["data", "data_members", "metadata"]);
        }
        let mend = match nearest(from.text, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => listed(known.into_iter().map(|name| format!("`{name}`"))),
        };
        let reason = format!("`{}` is not a value of a body", from.text);
        self.faults.add(from.at, reason, mend);
        None
    }
}

/// A constant; its form has been checked.
fn constant(written: &Spanned<DeValue<'_>>) -> Option<Json> {
    Some(match written.get_ref() {
        DeValue::String(text) => Json::String(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Json::Number(number.to_string().into())
        }
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().ok()?;
            Json::Number(format!("{number:?}").into())
        }
        DeValue::Boolean(value) => Json::Bool(*value),
        DeValue::Array(list) => Json::Array(list.iter().map(constant).collect::<Option<_>>()?),
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

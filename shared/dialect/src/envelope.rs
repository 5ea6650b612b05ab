//! The body of a delivery: a dialect's members around an event's data, in the dialect's order.

use std::borrow::Cow;

use jiff::Timestamp;
use rung_json::{
    Json, JsonPath, UnstableNumber, UnstableNumbers, array_index, in_script_order,
    limits::STORED_JSON_DEPTH,
};

use super::{
    headers::is_printable,
    limits::HEADER_VALUE_BYTES,
    script::Script,
    stored::{Layer, Stored, escape, mark, with_capsule},
    template::{Piece, Template},
    value::Value,
};

/// What a body is made of.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    /// The event's id.
    pub id: &'a str,
    /// Its type, by the name the catalogue has (see [`super::Catalogue::resolve_type`]).
    pub event_type: &'a str,
    /// What was published: an object.
    pub data: &'a Json,
    /// When it happened.
    pub time: Timestamp,
    /// Whether its publisher said so; Rung knows milliseconds, a publisher may know more or less.
    pub is_time_given: bool,
    /// The id of the request that published it.
    pub request_id: &'a str,
    /// What was published beside the data, if anything: an object.
    pub metadata: Option<&'a Json>,
}

/// Why an event has no body in a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// `data` or `metadata` is something else.
    #[error("`{field}` must be an object")]
    NotAnObject {
        /// Which of the two.
        field: &'static str,
    },
    /// A number that receivers of this dialect would not see unchanged.
    #[error(transparent)]
    UnstableNumber(#[from] UnstableNumber),
    /// A member whose name receivers of this dialect cannot read.
    #[error(
        "the name of the member at {path} begins with U+0000, and PHP reads no object that has such a member; rename it"
    )]
    UnreadableName {
        /// Where it is.
        path: JsonPath,
    },
    /// A member of the data that the dialect cannot place beside its own.
    #[error("`data` must not have the member `{member}`: {reason}; rename it")]
    ReservedMember {
        /// Its name.
        member: String,
        /// Why it cannot be placed.
        reason: &'static str,
    },
    /// A value of the data or the metadata that a header of this dialect takes, and that no header can have.
    #[error(
        "`{field}` must be a text of printable ASCII characters without blanks around it, a number, true or false, and have at most \
         {HEADER_VALUE_BYTES} bytes: a header of this dialect has it"
    )]
    NoHeaderValue {
        /// Its path.
        field: String,
    },
    /// A body beyond the dialect's limit.
    #[error("the delivered body would have {actual} bytes; this dialect's limit is {limit}")]
    TooLarge {
        /// The most bytes.
        limit: usize,
        /// The bytes it would have.
        actual: usize,
    },
}

const BESIDE_OWN: &str =
    "this dialect puts the data's members beside its own, which keep their names and places";
const MOVES: &str = "this dialect puts the data's members beside its own, and JavaScript moves a whole number to the front of them";

/// How a dialect writes bodies.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) root: Node,
    /// Whether it is form-encoded.
    pub(super) is_form: bool,
    pub(super) script: Script,
    pub(super) numbers: UnstableNumbers,
    pub(super) limit_bytes: usize,
    /// What headers and signatures have that an attempt does not know of itself.
    pub(super) kept: Vec<Kept>,
}

/// A value that is kept beside the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) value: Value,
    /// Whether a header has it.
    pub(super) in_header: bool,
}

/// A value of the body.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Value(Value),
    Text(Template),
    /// The same in every body.
    Constant(Json),
    Data,
    /// What was published; nothing if nothing was.
    Metadata,
    /// An object of its own, with the members of the published metadata after the others if `with_metadata`.
    Object {
        slots: Vec<Slot>,
        with_metadata: bool,
    },
    List(Vec<Node>),
    /// A text that is the JSON of this.
    Json(Box<Node>),
}

/// A place in an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Slot {
    /// One member.
    Member(Field),
    /// The members of the data, each by itself.
    DataMembers,
}

/// A member with its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) node: Node,
}

impl Node {
    /// This and all within it.
    pub(super) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        match self {
            Self::Object { slots, .. } => {
                for field in fields(slots) {
                    field.node.walk(visit);
                }
            }
            Self::List(elements) => elements.iter().for_each(|node| node.walk(visit)),
            Self::Json(inner) => inner.walk(visit),
            _ => {}
        }
    }

    /// The values in it.
    pub(super) fn values(&self) -> Vec<&Value> {
        let mut values = Vec::new();
        self.walk(&mut |node| match node {
            Node::Value(value) => values.push(value),
            Node::Text(template) => values.extend(template.values()),
            _ => {}
        });
        values
    }

    /// The same for a challenge: where the data would be stands its token.
    pub(super) fn asking(&self) -> Self {
        const KEY: &str = "challenge";
        let token = || {
            Slot::Member(Field {
                key: KEY.to_owned(),
                node: Self::Value(Value::Token),
            })
        };
        match self {
            Self::Data => Self::Object {
                slots: vec![token()],
                with_metadata: false,
            },
            Self::Object {
                slots,
                with_metadata,
            } => {
                let is_taken = fields(slots).any(|field| field.key == KEY);
                let asking = slots.iter().filter_map(|slot| match slot {
                    Slot::Member(field) => Some(Slot::Member(Field {
                        key: field.key.clone(),
                        node: field.node.asking(),
                    })),
                    Slot::DataMembers => (!is_taken).then(token),
                });
                Self::Object {
                    slots: asking.collect(),
                    with_metadata: *with_metadata,
                }
            }
            Self::List(elements) => Self::List(elements.iter().map(Self::asking).collect()),
            Self::Json(inner) => Self::Json(Box::new(inner.asking())),
            other => other.clone(),
        }
    }

    /// Whether the data, or something of it, is in it.
    pub(super) fn has_data(&self) -> bool {
        let mut has_data = false;
        self.walk(&mut |node| {
            has_data |= matches!(node, Node::Data)
                || matches!(node, Node::Object { slots, .. } if slots.contains(&Slot::DataMembers));
        });
        has_data
            || self
                .values()
                .iter()
                .any(|value| matches!(value, Value::Data(_)))
    }
}

fn fields(slots: &[Slot]) -> impl Iterator<Item = &Field> {
    slots.iter().filter_map(|slot| match slot {
        Slot::Member(field) => Some(field),
        Slot::DataMembers => None,
    })
}

impl Envelope {
    /// The stored form of a body; `event_type` as it goes on the wire.
    pub(super) fn body(
        &self,
        facts: &EventFacts<'_>,
        event_type: &str,
    ) -> Result<Vec<u8>, BodyFault> {
        facts
            .data
            .as_object()
            .ok_or(BodyFault::NotAnObject { field: "data" })?;
        if facts
            .metadata
            .is_some_and(|metadata| metadata.as_object().is_none())
        {
            return Err(BodyFault::NotAnObject { field: "metadata" });
        }
        let mut writer = Writer {
            out: Vec::with_capacity(1024),
            script: self.script,
            numbers: self.numbers,
            facts,
            event_type,
            has_marks: false,
        };
        if self.is_form {
            writer.form(&self.root)?;
        } else {
            writer.node(&self.root)?;
        }
        let mut kept = Vec::new();
        for one in &self.kept {
            if let Some(text) = writer.early(&one.value) {
                if one.in_header && !is_header_value(&text) {
                    let field = one.value.to_string();
                    return Err(BodyFault::NoHeaderValue { field });
                }
                kept.push((one.value.to_string(), text.into_owned()));
            }
        }
        let data = (!self.shows_data()).then_some(facts.data);
        let has_capsule = writer.has_marks || !kept.is_empty() || data.is_some();
        let body = if has_capsule {
            with_capsule(&writer.out, &kept, data)
        } else {
            writer.out
        };
        if body.len() > self.limit_bytes {
            return Err(BodyFault::TooLarge {
                limit: self.limit_bytes,
                actual: body.len(),
            });
        }
        Ok(body)
    }

    /// The data that was published, out of a stored body made by [`Envelope::body`]; `None` if it is none of those.
    pub(super) fn data(&self, stored: &[u8]) -> Option<Json> {
        let stored = Stored::read(stored);
        if !self.shows_data() {
            return stored.data();
        }
        let body = stored.filled(|_, _| Cow::Borrowed("0"));
        find_data(&self.root, Json::parse(&body, STORED_JSON_DEPTH).ok()?)
    }

    /// Whether the data can be read back from the body.
    fn shows_data(&self) -> bool {
        fn shows(node: &Node) -> bool {
            match node {
                Node::Data => true,
                Node::Object { slots, .. } => {
                    slots.contains(&Slot::DataMembers)
                        || fields(slots).any(|field| shows(&field.node))
                }
                Node::List(elements) => elements.iter().any(shows),
                _ => false,
            }
        }
        !self.is_form && shows(&self.root)
    }

    /// Whether `body` has the members that a body of this envelope has, and no others.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        if self.is_form {
            return !body.is_empty() && Json::parse(body, 1).is_err();
        }
        let Some(body) = read_body(body) else {
            return false;
        };
        let slots = match &self.root {
            Node::Object { slots, .. } => slots,
            Node::List(_) => return body.as_array().is_some(),
            _ => return body.as_object().is_some(),
        };
        let Some(members) = body.as_object() else {
            return false;
        };
        let may_lack = |field: &Field| match &field.node {
            Node::Metadata => true,
            node => node
                .values()
                .iter()
                .any(|value| matches!(value, Value::Metadata(_) | Value::Data(_))),
        };
        let complete = fields(slots).all(|field| may_lack(field) || body.get(&field.key).is_some());
        let spread = slots.contains(&Slot::DataMembers);
        let known = |key: &String| fields(slots).any(|field| field.key == *key);
        complete && (spread || members.iter().all(|(key, _)| known(key)))
    }

    /// What a received body says of `value`: in a member that is the value alone, or else in a text that has it.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn text_of(&self, body: &[u8], value: &Value) -> Option<String> {
        let read = |in_texts| {
            if !self.is_form {
                return find_text(&self.root, &read_body(body)?, value, in_texts);
            }
            let Node::Object { slots, .. } = &self.root else {
                return None;
            };
            fields(slots).find_map(|field| {
                let mut pairs = form_urlencoded::parse(body);
                let (_, text) = pairs.find(|(name, _)| *name == field.key)?;
                let text = Json::String(text.into_owned());
                find_text(&field.node, &text, value, in_texts)
            })
        };
        read(false).or_else(|| read(true))
    }
}

impl Envelope {
    /// What stands at a path of the data that a received body has.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn data_value(&self, body: &[u8], path: &str) -> Option<String> {
        if !self.shows_data() {
            return None;
        }
        let data = find_data(&self.root, read_body(body)?)?;
        scalar(at_path(&data, path)?).map(Cow::into_owned)
    }
}

/// What stands for `value` where `node` has written `body`.
#[cfg(any(feature = "receive", test))]
fn find_text(node: &Node, body: &Json, value: &Value, in_texts: bool) -> Option<String> {
    match node {
        Node::Value(known) if known == value => scalar(body).map(Cow::into_owned),
        Node::Text(template) if in_texts => {
            let mut told = Vec::new();
            let rest = template.read(body.as_str()?, None, &mut told)?;
            let found = told.iter().find(|(known, _)| known == value);
            found
                .filter(|_| rest.is_empty())
                .map(|(_, text)| (*text).to_owned())
        }
        Node::Object { slots, .. } => fields(slots)
            .find_map(|field| find_text(&field.node, body.get(&field.key)?, value, in_texts)),
        Node::List(elements) => {
            let mut found = elements.iter().zip(body.as_array()?);
            found.find_map(|(node, body)| find_text(node, body, value, in_texts))
        }
        Node::Json(inner) => {
            let body = read_body(body.as_str()?.as_bytes())?;
            find_text(inner, &body, value, in_texts)
        }
        _ => None,
    }
}

#[cfg(any(feature = "receive", test))]
fn read_body(body: &[u8]) -> Option<Json> {
    // The data may be as deep as published data is, and stands inside the body.
    Json::parse(body, STORED_JSON_DEPTH).ok()
}

/// The data in what `node` has written.
fn find_data(node: &Node, written: Json) -> Option<Json> {
    match (node, written) {
        (Node::Data, data) => Some(data),
        (Node::Object { slots, .. }, Json::Object(mut members)) => {
            if slots.contains(&Slot::DataMembers) {
                members.retain(|(key, _)| reserved(slots, key).is_none());
                return Some(Json::Object(members));
            }
            let mut take = |key: &str| {
                let place = members.iter().position(|(name, _)| name == key)?;
                Some(members.swap_remove(place).1)
            };
            fields(slots).find_map(|field| match &field.node {
                Node::Data | Node::Object { .. } | Node::List(_) => {
                    find_data(&field.node, take(&field.key)?)
                }
                _ => None,
            })
        }
        (Node::List(nodes), Json::Array(elements)) => {
            let mut found = nodes.iter().zip(elements);
            found.find_map(|(node, element)| find_data(node, element))
        }
        _ => None,
    }
}

/// Why the data's member `key` cannot stand beside those of an object.
fn reserved(slots: &[Slot], key: &str) -> Option<&'static str> {
    if fields(slots).any(|field| field.key == key) {
        Some(BESIDE_OWN)
    } else {
        array_index(key).map(|_| MOVES)
    }
}

fn is_header_value(text: &str) -> bool {
    text.len() <= HEADER_VALUE_BYTES && text.trim() == text && is_printable(text)
}

/// A text, number, true or false as a text.
fn scalar(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(raw) => Some(Cow::Borrowed(raw)),
        Json::Bool(true) => Some(Cow::Borrowed("true")),
        Json::Bool(false) => Some(Cow::Borrowed("false")),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// What stands at a path: dots lead into objects, whole numbers into lists. A key may have dots of its own.
fn at_path<'j>(value: &'j Json, path: &str) -> Option<&'j Json> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    let (step, rest) = match path.split_once('.') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    };
    let next = match value {
        Json::Object(_) => value.get(step)?,
        Json::Array(elements) => elements.get(step.parse::<usize>().ok()?)?,
        _ => return None,
    };
    rest.map_or(Some(next), |rest| at_path(next, rest))
}

/// Writes one body.
struct Writer<'a> {
    out: Vec<u8>,
    script: Script,
    numbers: UnstableNumbers,
    facts: &'a EventFacts<'a>,
    event_type: &'a str,
    has_marks: bool,
}

impl<'a> Writer<'a> {
    /// What is known of a value when the event is accepted.
    fn early(&self, value: &Value) -> Option<Cow<'a, str>> {
        match value {
            Value::Id => Some(Cow::Borrowed(self.facts.id)),
            Value::Type => Some(Cow::Borrowed(self.event_type)),
            Value::RequestId => Some(Cow::Borrowed(self.facts.request_id)),
            Value::Time(form) => {
                let time = form.write(self.facts.time, self.facts.is_time_given);
                Some(Cow::Owned(time))
            }
            Value::Metadata(path) => self.published_text(at_path(self.facts.metadata?, path)?),
            Value::Data(path) => self.published_text(at_path(self.facts.data, path)?),
            _ => None,
        }
    }

    /// A published value as a text. A number is spelled as in the body: who verifies a signature over it has it from there.
    fn published_text(&self, value: &'a Json) -> Option<Cow<'a, str>> {
        if !matches!(value, Json::Number(_)) {
            return scalar(value);
        }
        let mut text = Vec::new();
        let written = self.script.write(value, UnstableNumbers::Keep, &mut text);
        written.ok()?;
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    /// A value as a text, with a mark where only an attempt knows it. `None` if the event has no such value.
    fn text_of(&mut self, value: &Value) -> Option<Vec<u8>> {
        if value.is_late() {
            self.has_marks = true;
            let mut marked = Vec::new();
            mark(&value.to_string(), &mut marked);
            return Some(marked);
        }
        self.early(value).map(|text| text.into_owned().into_bytes())
    }

    fn filled(&mut self, template: &Template) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for piece in template.pieces() {
            match piece {
                Piece::Text(literal) => text.extend_from_slice(literal.as_bytes()),
                Piece::Value(value) => text.extend_from_slice(&self.text_of(value)?),
            }
        }
        Some(text)
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        escape(Layer::Json(self.script), text, &mut self.out);
        self.out.push(b'"');
    }

    /// Appends a value; false if the event has none, and nothing is appended.
    fn node(&mut self, node: &Node) -> Result<bool, BodyFault> {
        match node {
            Node::Value(value) => return self.value(value),
            Node::Text(template) => match self.filled(template) {
                Some(text) => self.string(&text),
                None => return Ok(false),
            },
            Node::Constant(value) => self.script.write(value, self.numbers, &mut self.out)?,
            Node::Data => self.published("data", self.facts.data)?,
            Node::Metadata => match self.facts.metadata {
                Some(metadata) => self.published("metadata", metadata)?,
                None => return Ok(false),
            },
            Node::Object {
                slots,
                with_metadata,
            } => self.object(slots, *with_metadata)?,
            Node::List(elements) => {
                self.out.push(b'[');
                for element in elements {
                    if self.node(element)? {
                        self.out.extend_from_slice(self.script.comma());
                    }
                }
                self.close(b'[', b']');
            }
            Node::Json(inner) => {
                let outer = std::mem::take(&mut self.out);
                self.node(inner)?;
                let json = std::mem::replace(&mut self.out, outer);
                self.string(&json);
            }
        }
        Ok(true)
    }

    fn value(&mut self, value: &Value) -> Result<bool, BodyFault> {
        let published = match value {
            Value::Metadata(path) => self.facts.metadata.and_then(|from| at_path(from, path)),
            Value::Data(path) => at_path(self.facts.data, path),
            _ => {
                let Some(text) = self.text_of(value) else {
                    return Ok(false);
                };
                if value.is_number() {
                    self.out.extend_from_slice(&text);
                } else {
                    self.string(&text);
                }
                return Ok(true);
            }
        };
        match published {
            Some(published) => self.published(&value.to_string(), published)?,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn object(&mut self, slots: &[Slot], with_metadata: bool) -> Result<(), BodyFault> {
        let metadata = match self.facts.metadata.and_then(Json::as_object) {
            Some(metadata) if with_metadata => metadata,
            _ => &[],
        };
        self.out.push(b'{');
        let is_index = |key: &str| array_index(key).is_some();
        for (key, value) in in_script_order(metadata).take_while(|(key, _)| is_index(key)) {
            self.member("metadata", key, value)?;
        }
        for slot in slots {
            match slot {
                Slot::Member(field) => {
                    let before = self.out.len();
                    self.script.write_key(&field.key, &mut self.out);
                    if self.node(&field.node)? {
                        self.out.extend_from_slice(self.script.comma());
                    } else {
                        self.out.truncate(before);
                    }
                }
                Slot::DataMembers => {
                    for (key, value) in self.facts.data.as_object().unwrap_or_default() {
                        check_member(slots, key)?;
                        self.member("data", key, value)?;
                    }
                }
            }
        }
        for (key, value) in metadata {
            if !is_index(key) && !fields(slots).any(|field| field.key == *key) {
                self.member("metadata", key, value)?;
            }
        }
        self.close(b'{', b'}');
        Ok(())
    }

    /// Each member ends in a comma; the closing bracket takes the last one's place.
    fn close(&mut self, open: u8, close: u8) {
        if self.out.last() != Some(&open) {
            self.out
                .truncate(self.out.len() - self.script.comma().len());
        }
        self.out.push(close);
    }

    /// A published member and a comma.
    fn member(&mut self, within: &str, key: &str, value: &Json) -> Result<(), BodyFault> {
        self.check_name(key)
            .and_then(|()| self.check_names(value).map_err(|path| inside(path, key)))
            .map_err(|path| BodyFault::UnreadableName {
                path: inside(path, within),
            })?;
        self.script.write_key(key, &mut self.out);
        let written = self.script.write(value, self.numbers, &mut self.out);
        written.map_err(|mut fault| {
            fault.path.enter_key(key);
            fault.path.enter_key(within);
            fault
        })?;
        self.out.extend_from_slice(self.script.comma());
        Ok(())
    }

    fn published(&mut self, name: &str, value: &Json) -> Result<(), BodyFault> {
        self.check_names(value)
            .map_err(|path| BodyFault::UnreadableName {
                path: inside(path, name),
            })?;
        let written = self.script.write(value, self.numbers, &mut self.out);
        written.map_err(|mut fault| {
            fault.path.enter_key(name);
            BodyFault::from(fault)
        })
    }

    /// Where a published value has a name that receivers cannot read, if they parse the body and write it again.
    fn check_names(&self, value: &Json) -> Result<(), JsonPath> {
        match value {
            Json::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.check_names(element).map_err(|mut path| {
                        path.enter_index(index);
                        path
                    })?;
                }
            }
            Json::Object(members) => {
                for (key, value) in members {
                    self.check_name(key)?;
                    self.check_names(value).map_err(|path| inside(path, key))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_name(&self, key: &str) -> Result<(), JsonPath> {
        let is_reparsed = self.numbers == UnstableNumbers::Refuse;
        if is_reparsed && !self.script.reads_name(key) {
            return Err(inside(JsonPath::default(), key));
        }
        Ok(())
    }

    /// Appends the fields of a form.
    fn form(&mut self, root: &Node) -> Result<(), BodyFault> {
        match root {
            Node::Object { slots, .. } => {
                for slot in slots {
                    match slot {
                        Slot::Member(field) => self.form_node(&field.key, &field.node)?,
                        Slot::DataMembers => {
                            for (key, value) in self.facts.data.as_object().unwrap_or_default() {
                                check_member(slots, key)?;
                                self.form_json(key, value)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            _ => self.form_members(None, self.facts.data),
        }
    }

    fn form_node(&mut self, name: &str, node: &Node) -> Result<(), BodyFault> {
        match node {
            Node::Value(Value::Metadata(path)) => {
                if let Some(value) = self.facts.metadata.and_then(|from| at_path(from, path)) {
                    self.form_json(name, value)?;
                }
            }
            Node::Value(Value::Data(path)) => {
                if let Some(value) = at_path(self.facts.data, path) {
                    self.form_json(name, value)?;
                }
            }
            Node::Value(value) => {
                if let Some(text) = self.text_of(value) {
                    self.pair(name, &text);
                }
            }
            Node::Text(template) => {
                if let Some(text) = self.filled(template) {
                    self.pair(name, &text);
                }
            }
            Node::Constant(value) => self.form_json(name, value)?,
            Node::Data => self.form_json(name, self.facts.data)?,
            Node::Metadata => {
                if let Some(metadata) = self.facts.metadata {
                    self.form_json(name, metadata)?;
                }
            }
            Node::Object { slots, .. } => {
                for slot in slots {
                    match slot {
                        Slot::Member(field) => {
                            self.form_node(&format!("{name}[{}]", field.key), &field.node)?;
                        }
                        Slot::DataMembers => self.form_members(Some(name), self.facts.data)?,
                    }
                }
            }
            Node::List(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.form_node(&format!("{name}[{index}]"), element)?;
                }
            }
            Node::Json(inner) => {
                let outer = std::mem::take(&mut self.out);
                self.node(inner)?;
                let json = std::mem::replace(&mut self.out, outer);
                self.pair(name, &json);
            }
        }
        Ok(())
    }

    fn form_members(&mut self, within: Option<&str>, value: &Json) -> Result<(), BodyFault> {
        for (key, value) in value.as_object().unwrap_or_default() {
            match within {
                None => self.form_json(key, value)?,
                Some(name) => self.form_json(&format!("{name}[{key}]"), value)?,
            }
        }
        Ok(())
    }

    fn form_json(&mut self, name: &str, value: &Json) -> Result<(), BodyFault> {
        match value {
            Json::Object(_) => self.form_members(Some(name), value)?,
            Json::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.form_json(&format!("{name}[{index}]"), element)?;
                }
            }
            Json::Number(_) => {
                let mut text = Vec::new();
                self.script.write(value, self.numbers, &mut text)?;
                self.pair(name, &text);
            }
            value => self.pair(name, scalar(value).unwrap_or_default().as_bytes()),
        }
        Ok(())
    }

    fn pair(&mut self, name: &str, text: &[u8]) {
        if !self.out.is_empty() {
            self.out.push(b'&');
        }
        escape(Layer::Form, name.as_bytes(), &mut self.out);
        self.out.push(b'=');
        escape(Layer::Form, text, &mut self.out);
    }
}

fn inside(mut path: JsonPath, key: &str) -> JsonPath {
    path.enter_key(key);
    path
}

fn check_member(slots: &[Slot], key: &str) -> Result<(), BodyFault> {
    match reserved(slots, key) {
        None => Ok(()),
        Some(reason) => Err(BodyFault::ReservedMember {
            member: key.to_owned(),
            reason,
        }),
    }
}

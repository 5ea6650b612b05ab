//! From a schema as it is written to its nodes.

use std::{collections::HashMap, rc::Rc};

use percent_encoding::percent_decode_str;

use super::{Bound, Combination, Node, NodeId, Pattern, PatternId, Type, Values};
use crate::{
    Decimal, Divisor, Json, JsonFault, JsonPath,
    limits::{SCHEMA_DEPTH, SCHEMA_PATTERN_BYTES},
};

/// Keywords that say nothing about whether a value is valid (`format` among them, as Draft 2020-12 has it by default).
const ANNOTATIONS: [&str; 15] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "deprecated",
    "examples",
    "format",
    "readOnly",
    "writeOnly",
    "contentMediaType",
    "contentEncoding",
];

const SUPPORTED: &str = "`type`, `enum`, `const`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, \
    `maxLength`, `pattern`, `properties`, `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `dependentRequired`, \
    `minProperties`, `maxProperties`, `items`, `prefixItems`, `contains`, `minItems`, `maxItems`, `uniqueItems`, `allOf`, `anyOf`, \
    `oneOf`, `not`, `if`, `then`, `else`, `$ref` and annotations";

/// Most characters of a list of values in a problem.
const PHRASE_CHARS: usize = 1_000;

/// A schema that has been read.
pub(super) struct Read<'a> {
    /// Its parts; the whole comes first.
    pub(super) nodes: Vec<Node>,
    /// Where each of them stands.
    pub(super) places: Vec<Place<'a>>,
    pub(super) patterns: Vec<Pattern>,
}

/// A place in a schema: the place that it lies in, and the step from there; `None` for the whole.
#[derive(Clone, Default)]
pub(super) struct Place<'a>(Option<Rc<(Place<'a>, Segment<'a>)>>);

#[derive(Clone, Copy)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    fn key(&self, key: &'a str) -> Self {
        Self(Some(Rc::new((self.clone(), Segment::Key(key)))))
    }

    fn index(&self, index: usize) -> Self {
        Self(Some(Rc::new((self.clone(), Segment::Index(index)))))
    }

    /// What is wrong with what stands here, told with its JSON pointer.
    pub(super) fn fault(&self, reason: &str) -> JsonFault {
        let (mut path, mut pointer) = (JsonPath::default(), String::new());
        let mut place = self;
        while let Some((within, segment)) = place.0.as_deref() {
            match segment {
                Segment::Key(key) => {
                    path.enter_key(*key);
                    let key = key.replace('~', "~0").replace('/', "~1");
                    pointer = format!("/{key}{pointer}");
                }
                Segment::Index(index) => {
                    path.enter_index(*index);
                    pointer = format!("/{index}{pointer}");
                }
            }
            place = within;
        }
        JsonFault {
            path,
            reason: format!("{reason} (#{pointer})"),
        }
    }
}

/// A schema to read: what is written, where, and in how many schemas it lies, itself counted.
struct Written<'a> {
    schema: &'a Json,
    place: Place<'a>,
    depth: usize,
}

pub(super) fn read(root: &Json) -> Result<Read<'_>, JsonFault> {
    let mut reader = Reader {
        root,
        read: Read {
            nodes: Vec::new(),
            places: Vec::new(),
            patterns: Vec::new(),
        },
        heights: Vec::new(),
        known: HashMap::new(),
        known_patterns: HashMap::new(),
        room: SCHEMA_PATTERN_BYTES,
    };
    reader.node(Written {
        schema: root,
        place: Place::default(),
        depth: 1,
    })?;
    Ok(reader.read)
}

struct Reader<'a> {
    root: &'a Json,
    read: Read<'a>,
    /// How many schemas lie in one another from each node on, itself counted; 0 while it is being read.
    heights: Vec<usize>,
    /// The node of each schema, by its address: there before it is read, since it may refer to itself.
    known: HashMap<*const Json, NodeId>,
    known_patterns: HashMap<&'a str, PatternId>,
    /// Bytes left for the tables of patterns.
    room: usize,
}

impl<'a> Reader<'a> {
    /// Reads a schema and what it consists of, unless it has been read already. It goes [`SCHEMA_DEPTH`] deep at most, references
    /// counted.
    fn node(&mut self, written: Written<'a>) -> Result<NodeId, JsonFault> {
        let address = std::ptr::from_ref(written.schema);
        if let Some(id) = self.known.get(&address) {
            // One that is still being read lies in itself: that goes no deeper than the value does.
            if written.depth + self.heights[*id] > SCHEMA_DEPTH + 1 {
                return Err(too_deep());
            }
            return Ok(*id);
        }
        if written.depth > SCHEMA_DEPTH {
            return Err(too_deep());
        }
        let id = self.read.nodes.len();
        self.known.insert(address, id);
        self.read.nodes.push(Node::default());
        self.read.places.push(written.place.clone());
        self.heights.push(0);
        self.fill(id, &written)?;
        Ok(id)
    }

    fn fill(&mut self, id: NodeId, written: &Written<'a>) -> Result<(), JsonFault> {
        let mut node = Node::default();
        let mut within = Within {
            reader: self,
            written,
            height: 0,
        };
        match written.schema {
            Json::Bool(valid) => node.never = !valid,
            Json::Object(members) => {
                for (keyword, value) in members {
                    within
                        .keyword(&mut node, keyword, value)
                        .map_err(|fault| fault.within(keyword))?;
                }
            }
            _ => {
                return Err(JsonFault::new("must be a schema: an object, true or false"));
            }
        }
        let height = within.height;
        self.heights[id] = height + 1;
        self.read.nodes[id] = node;
        Ok(())
    }

    fn pattern(&mut self, source: &'a str) -> Result<PatternId, JsonFault> {
        if let Some(id) = self.known_patterns.get(source) {
            return Ok(*id);
        }
        let pattern = Pattern::compile(source, self.room).map_err(JsonFault::new)?;
        self.room = self.room.saturating_sub(pattern.size());
        self.read.patterns.push(pattern);
        let id = self.read.patterns.len() - 1;
        self.known_patterns.insert(source, id);
        Ok(id)
    }
}

/// A schema that is being read, with those that lie in it.
struct Within<'r, 'a> {
    reader: &'r mut Reader<'a>,
    written: &'r Written<'a>,
    /// How many schemas lie in one another in it.
    height: usize,
}

impl<'a> Within<'_, 'a> {
    fn keyword(
        &mut self,
        node: &mut Node,
        keyword: &'a str,
        value: &'a Json,
    ) -> Result<(), JsonFault> {
        let place = self.written.place.key(keyword);
        let bound = |bound| {
            let (limit, given) = number(value)?;
            Ok((bound, limit, given))
        };
        match keyword {
            "type" => node.types = types(value)?,
            "enum" => node.values.push(values(list(value)?)),
            "const" => node.values.push(values(std::slice::from_ref(value))),
            "minimum" => node.bounds.push(bound(Bound::Minimum)?),
            "maximum" => node.bounds.push(bound(Bound::Maximum)?),
            "exclusiveMinimum" => node.bounds.push(bound(Bound::ExclusiveMinimum)?),
            "exclusiveMaximum" => node.bounds.push(bound(Bound::ExclusiveMaximum)?),
            "multipleOf" => node.multiple_of = Some(multiple_of(value)?),
            "minLength" => node.characters.least = Some(count(value)?),
            "maxLength" => node.characters.most = Some(count(value)?),
            "minItems" => node.element_count.least = Some(count(value)?),
            "maxItems" => node.element_count.most = Some(count(value)?),
            "minProperties" => node.member_count.least = Some(count(value)?),
            "maxProperties" => node.member_count.most = Some(count(value)?),
            "pattern" => node.pattern = Some(self.reader.pattern(text(value)?)?),
            "required" => node.required = texts(value)?,
            "dependentRequired" => {
                let dependents = members(value)?.iter().map(|(name, required)| {
                    let required = texts(required).map_err(|fault| fault.within(name))?;
                    Ok((name.clone(), required))
                });
                node.dependents = dependents.collect::<Result<_, _>>()?;
            }
            "propertyNames" => node.names = Some(self.node(value, place)?),
            "contains" => node.contains = Some(self.node(value, place)?),
            "uniqueItems" => {
                let unique = value.as_bool();
                node.unique = unique.ok_or_else(|| JsonFault::new("must be true or false"))?;
            }
            "properties" => {
                let named = self.map_of_nodes(value, &place)?;
                let named = named.into_iter().map(|(name, id)| (name.to_owned(), id));
                node.members.get_or_insert_default().named = named.collect();
            }
            "patternProperties" => {
                let mut patterns = Vec::new();
                for (pattern, id) in self.map_of_nodes(value, &place)? {
                    let found = self.reader.pattern(pattern);
                    patterns.push((found.map_err(|fault| fault.within(pattern))?, id));
                }
                node.members.get_or_insert_default().patterns = patterns;
            }
            "additionalProperties" => {
                node.members.get_or_insert_default().others = Some(self.node(value, place)?);
            }
            "prefixItems" => {
                node.elements.get_or_insert_default().first = self.list_of_nodes(value, &place)?;
            }
            "items" => {
                node.elements.get_or_insert_default().others = Some(self.node(value, place)?);
            }
            "$ref" => {
                let id = self.referred(text(value)?)?;
                node.combinations.push(Combination::All(vec![id]));
            }
            "allOf" => {
                let nodes = self.list_of_nodes(value, &place)?;
                node.combinations.push(Combination::All(nodes));
            }
            "anyOf" => {
                let nodes = self.list_of_nodes(value, &place)?;
                node.combinations.push(Combination::Any(nodes));
            }
            "oneOf" => {
                let nodes = self.list_of_nodes(value, &place)?;
                node.combinations.push(Combination::One(nodes));
            }
            "not" => {
                let id = self.node(value, place)?;
                node.combinations.push(Combination::Not(id));
            }
            "if" => {
                let condition = self.node(value, place)?;
                let combination = Combination::If {
                    condition,
                    then: self.beside("then")?,
                    otherwise: self.beside("else")?,
                };
                node.combinations.push(combination);
            }
            // They belong to `if`.
            "then" | "else" => {}
            annotation if ANNOTATIONS.contains(&annotation) => {}
            _ => {
                let reason = format!("is not supported; there are {SUPPORTED}");
                return Err(JsonFault::new(reason));
            }
        }
        Ok(())
    }

    fn node(&mut self, schema: &'a Json, place: Place<'a>) -> Result<NodeId, JsonFault> {
        let id = self.reader.node(Written {
            schema,
            place,
            depth: self.written.depth + 1,
        })?;
        self.height = self.height.max(self.reader.heights[id]);
        Ok(id)
    }

    /// The schema that another keyword of the same schema is, if it is there.
    fn beside(&mut self, keyword: &'a str) -> Result<Option<NodeId>, JsonFault> {
        let Some(beside) = self.written.schema.get(keyword) else {
            return Ok(None);
        };
        self.node(beside, self.written.place.key(keyword)).map(Some)
    }

    fn list_of_nodes(
        &mut self,
        value: &'a Json,
        place: &Place<'a>,
    ) -> Result<Vec<NodeId>, JsonFault> {
        let nodes = list(value)?.iter().enumerate().map(|(index, schema)| {
            let node = self.node(schema, place.index(index));
            node.map_err(|fault| fault.at(index))
        });
        nodes.collect()
    }

    fn map_of_nodes(
        &mut self,
        value: &'a Json,
        place: &Place<'a>,
    ) -> Result<Vec<(&'a str, NodeId)>, JsonFault> {
        let nodes = members(value)?.iter().map(|(name, schema)| {
            let node = self.node(schema, place.key(name));
            Ok((name.as_str(), node.map_err(|fault| fault.within(name))?))
        });
        nodes.collect()
    }

    /// The node of a reference such as `#/$defs/name`. As a part of a URI it may have percent-escapes (RFC 6901, section 6).
    fn referred(&mut self, reference: &'a str) -> Result<NodeId, JsonFault> {
        let reference = percent_decode_str(reference).decode_utf8().ok();
        let pointer = reference.as_deref().and_then(|text| text.strip_prefix('#'));
        let place = match pointer {
            Some("") => Some((self.reader.root, Place::default())),
            Some(pointer) => {
                (pointer.strip_prefix('/')).and_then(|pointer| find(self.reader.root, pointer))
            }
            None => None,
        };
        let (schema, place) = place.ok_or_else(|| {
            JsonFault::new("must lead to a place in this schema, such as `#/$defs/name`")
        })?;
        self.node(schema, place)
    }
}

fn too_deep() -> JsonFault {
    JsonFault::new(format!(
        "lies too deep: at most {SCHEMA_DEPTH} schemas may lie in one another, those that `$ref` leads to counted"
    ))
}

/// What a JSON pointer leads to (RFC 6901), and where that is.
fn find<'a>(root: &'a Json, pointer: &str) -> Option<(&'a Json, Place<'a>)> {
    let mut segments = pointer.split('/');
    segments.try_fold((root, Place::default()), |(value, place), segment| {
        let name = segment.replace("~1", "/").replace("~0", "~");
        match value {
            Json::Array(elements) => {
                let index = name.parse().ok()?;
                Some((elements.get(index)?, place.index(index)))
            }
            value => {
                let mut members = value.as_object()?.iter();
                let (name, value) = members.find(|(known, _)| *known == name)?;
                Some((value, place.key(name)))
            }
        }
    })
}

fn types(value: &Json) -> Result<Vec<Type>, JsonFault> {
    let names = match value {
        Json::Array(names) if !names.is_empty() => names.as_slice(),
        name => std::slice::from_ref(name),
    };
    let types = names.iter().map(|name| match name.as_str() {
        Some("null") => Ok(Type::Null),
        Some("boolean") => Ok(Type::Boolean),
        Some("integer") => Ok(Type::Integer),
        Some("number") => Ok(Type::Number),
        Some("string") => Ok(Type::String),
        Some("array") => Ok(Type::Array),
        Some("object") => Ok(Type::Object),
        _ => Err(JsonFault::new(
            "must be null, boolean, integer, number, string, array or object, or a list of these",
        )),
    });
    types.collect()
}

fn multiple_of(value: &Json) -> Result<(Divisor, Box<str>), JsonFault> {
    let (step, given) = number(value)?;
    let divisor = Divisor::of(&step).map(|divisor| (divisor, given));
    divisor.ok_or_else(|| {
        JsonFault::new(format!(
            "must be above 0 and have at most {} digits",
            Divisor::DIGITS
        ))
    })
}

fn number(value: &Json) -> Result<(Decimal, Box<str>), JsonFault> {
    match value {
        Json::Number(raw) => Ok((Decimal::of(raw), Box::from(&**raw))),
        _ => Err(JsonFault::new("must be a number")),
    }
}

fn count(value: &Json) -> Result<usize, JsonFault> {
    let count = match value {
        Json::Number(raw) => raw.parse().ok(),
        _ => None,
    };
    count.ok_or_else(|| JsonFault::new("must be an integer of at least 0"))
}

fn text(value: &Json) -> Result<&str, JsonFault> {
    value
        .as_str()
        .ok_or_else(|| JsonFault::new("must be a string"))
}

fn texts(value: &Json) -> Result<Vec<String>, JsonFault> {
    let texts = value.as_array().map(|elements| {
        let texts = elements
            .iter()
            .map(|element| element.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    });
    texts
        .flatten()
        .ok_or_else(|| JsonFault::new("must be a list of strings"))
}

fn list(value: &Json) -> Result<&[Json], JsonFault> {
    let elements = value.as_array().filter(|elements| !elements.is_empty());
    elements.ok_or_else(|| JsonFault::new("must be a non-empty list"))
}

fn members(value: &Json) -> Result<&[(String, Json)], JsonFault> {
    value
        .as_object()
        .ok_or_else(|| JsonFault::new("must be an object"))
}

fn values(values: &[Json]) -> Values {
    Values::of(values, phrase(values))
}

fn phrase(values: &[Json]) -> String {
    let mut phrase = String::new();
    for (index, value) in values.iter().enumerate() {
        if phrase.len() > PHRASE_CHARS {
            phrase.push_str(", …");
            break;
        }
        let separator = match (index, values.len()) {
            (0, 1) => "",
            (0, _) => "one of ",
            _ => ", ",
        };
        phrase.push_str(separator);
        let text = serde_json::to_string(value).unwrap_or_default();
        match text.char_indices().nth(PHRASE_CHARS) {
            Some((end, _)) => phrase.extend([&text[..end], "…"]),
            None => phrase.push_str(&text),
        }
    }
    phrase
}

//! JSON Schema for payloads: what the data of an event type must look like.
//!
//! A [`Schema`] is compiled once and asked at each publish. It speaks the keywords of Draft 2020-12 that are about a value alone
//! (`compile` lists them); a keyword it does not know is refused rather than ignored. References stay within the schema, patterns
//! take linear time, and the work for one value is bounded, so a schema can be taken from anybody. Why no library: the complete
//! ones add 3 to 6 MB to a function that is to start in milliseconds.

mod check;
mod compile;

use std::collections::HashMap;

use regex_lite::Regex;
use serde::{Serialize, Serializer};

use crate::{
    json::{Decimal, Json, JsonFault, JsonPath},
    limits::SCHEMA_BYTES,
};

/// What a value must look like.
#[derive(Debug)]
pub struct Schema {
    given: Json,
    /// The schema's parts; the whole comes first.
    nodes: Vec<Node>,
}

/// Where a value is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the value.
    pub path: JsonPath,
    /// What it must be; completes the sentence "PATH: …". Holds nothing of the value.
    pub problem: String,
}

/// A place in [`Schema::nodes`].
type NodeId = usize;

/// Rules that must all hold.
type Node = Vec<Rule>;

#[derive(Debug)]
enum Rule {
    Never,
    Type(Vec<Type>),
    /// The contents of the values allowed, as compared, and the values as a phrase.
    Enum(Vec<Vec<u8>>, String),
    Bound(Bound, Decimal, Box<str>),
    MultipleOf(Decimal, Box<str>),
    AtLeast(Measure, usize),
    AtMost(Measure, usize),
    Pattern(Regex),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    Members {
        named: HashMap<String, NodeId>,
        patterns: Vec<(Regex, NodeId)>,
        others: Option<NodeId>,
    },
    Names(NodeId),
    Elements {
        first: Vec<NodeId>,
        others: Option<NodeId>,
    },
    Contains(NodeId),
    Unique,
    All(Vec<NodeId>),
    Any(Vec<NodeId>),
    One(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

/// What is counted: characters, elements or members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Characters,
    Elements,
    Members,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is none, has a keyword that is not supported, or is too large.
    pub fn compile(given: &Json) -> Result<Self, JsonFault> {
        if serde_json::to_vec(given).map_or(true, |json| json.len() > SCHEMA_BYTES) {
            return Err(JsonFault::new(format!(
                "must have at most {SCHEMA_BYTES} bytes as JSON"
            )));
        }
        if given.as_object().is_none() {
            return Err(JsonFault::new("must be an object: a JSON Schema"));
        }
        Ok(Self {
            nodes: compile::compile(given)?,
            given: given.clone(),
        })
    }

    /// Where `value` is not as it must be; nowhere, if it is valid.
    #[must_use]
    pub fn violations(&self, value: &Json) -> Vec<Violation> {
        check::check(&self.nodes, value)
    }
}

/// Two schemas are equal if they were given alike.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given.serialize(serializer)
    }
}

#[cfg(test)]
mod tests;

//! JSON Schema for payloads: what the data of an event type must look like.
//!
//! A [`Schema`] speaks the keywords of Draft 2020-12 that are about a value alone (`read` lists them); a keyword it does not know
//! is refused rather than ignored. What is accepted is cheap, whatever value comes. `read` turns the text into [`Node`]s, each
//! schema in it one; references are followed once and may lead back. `plan` finds out which nodes are ever asked of one value
//! together, makes a [`State`] of each such set, and sums up what a state costs: a schema for which some value would be too costly
//! is refused with the place of what costs. `check` walks over a value once, with the state of each of its parts, and asks each
//! node of a state once. It counts its work by the very sums that `plan` made, and stops beyond [`SCHEMA_WORK`].
//!
//! Why no library: none bounds what a schema costs, and the complete ones add 3 to 6 MB to a function that is to start in
//! milliseconds.
//!
//! [`SCHEMA_WORK`]: crate::limits::SCHEMA_WORK
//! [`State`]: plan::State

mod check;
mod equality;
mod pattern;
mod plan;
mod read;

use serde::{Serialize, Serializer};

use self::{equality::Values, pattern::Pattern, plan::Plan};
use crate::{Decimal, Divisor, Json, JsonFault, JsonPath, limits::SCHEMA_BYTES};

/// What a value must look like.
#[derive(Debug)]
pub struct Schema {
    given: Json,
    plan: Plan,
}

/// Where a value is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the value.
    pub path: JsonPath,
    /// What it must be; completes the sentence "PATH: …". Holds nothing of the value.
    pub problem: String,
}

/// What came of holding a value against a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where the value is not as it must be; nowhere, if it is valid.
    pub violations: Vec<Violation>,
    /// The work that it took: a unit is about what it takes to look at a byte.
    pub work: usize,
    /// How many reports of what is wrong were made or passed on: at most [`SCHEMA_REPORTS`](crate::limits::SCHEMA_REPORTS) of either.
    pub reports: usize,
}

/// A place in a list of [`Node`]s.
type NodeId = usize;

/// A place in the list of patterns.
type PatternId = usize;

/// One of the schemas that a schema consists of: all of it must hold.
#[derive(Debug, Default)]
struct Node {
    /// Whether nothing is valid: the schema `false`.
    never: bool,
    types: Vec<Type>,
    values: Vec<Values>,
    bounds: Vec<(Bound, Decimal, Box<str>)>,
    multiple_of: Option<(Divisor, Box<str>)>,
    characters: Count,
    pattern: Option<PatternId>,
    element_count: Count,
    unique: bool,
    elements: Option<Elements>,
    contains: Option<NodeId>,
    member_count: Count,
    required: Vec<String>,
    dependents: Vec<(String, Vec<String>)>,
    members: Option<Members>,
    names: Option<NodeId>,
    /// What it asks of other nodes of the same value.
    combinations: Vec<Combination>,
}

/// What is asked of the members of an object.
#[derive(Debug, Default)]
struct Members {
    named: Vec<(String, NodeId)>,
    patterns: Vec<(PatternId, NodeId)>,
    /// Of those that are neither named nor match a pattern.
    others: Option<NodeId>,
}

/// What is asked of the elements of an array.
#[derive(Debug, Default)]
struct Elements {
    first: Vec<NodeId>,
    others: Option<NodeId>,
}

/// What is asked of other nodes about the same value. They are named by `NodeId`s, or in a state by their places in it.
#[derive(Debug, Clone)]
enum Combination {
    All(Vec<usize>),
    Any(Vec<usize>),
    One(Vec<usize>),
    Not(usize),
    If {
        condition: usize,
        then: Option<usize>,
        otherwise: Option<usize>,
    },
}

/// How many there may be.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    least: Option<usize>,
    most: Option<usize>,
}

impl Count {
    fn is_set(self) -> bool {
        self.least.is_some() || self.most.is_some()
    }
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

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// When it is none, has a keyword that is not supported, is too large, or might take too much work.
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
            plan: Plan::of(read::read(given)?)?,
            given: given.clone(),
        })
    }

    /// The same with nothing ruled out before it is asked, and whatever it costs.
    #[cfg(test)]
    fn plain(given: &Json) -> Result<Self, JsonFault> {
        Ok(Self {
            plan: Plan::plain(read::read(given)?)?,
            given: given.clone(),
        })
    }

    /// The schema as it was given.
    #[must_use]
    pub fn given(&self) -> &Json {
        &self.given
    }

    /// Holds a value against the schema.
    #[must_use]
    pub fn check(&self, value: &Json) -> Checked {
        check::check(&self.plan, value)
    }

    /// How much it asks of all parts of a value together: each schema counted for each part that it is asked of, once for all elements of
    /// a list and all members without a name of their own.
    #[must_use]
    pub fn asks(&self) -> usize {
        self.plan.asks()
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.plan.size() + 4 * SCHEMA_BYTES
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

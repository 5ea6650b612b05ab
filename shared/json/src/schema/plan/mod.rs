//! What is asked of each part of a value, and what that costs at most.
//!
//! A [`State`] is a set of nodes that are asked of one value together: those that the schema asks of it, and those that these ask
//! in turn (`anyOf`, `$ref`, …). The whole value has the first state; which state an element or a member has follows from that of
//! what it lies in, by its index or its name alone. So a value is walked over once, whatever the schema, and no node is asked
//! twice of the same part, however often the schema refers to it.
//!
//! Branches that cannot hold are not asked. The state of a part is narrowed first by what kind of value it is (`type`), then by what one
//! of its members says, if that tells branches apart (`"type": {"const": "text"}`). So of a union of many kinds of objects only one is
//! asked, whatever comes.
//!
//! `planner` makes the states and narrows them by what `needs` knows of nodes, and `cost` says what they cost.

mod cost;
mod needs;
mod planner;

use std::collections::HashMap;

use self::planner::Planner;
use super::{Combination, Node, NodeId, Pattern, PatternId, Type, Values, read::Read};
use crate::{Json, JsonFault};

/// A place in the list of states.
pub(super) type StateId = usize;

/// The states of a schema; that of the whole value comes first.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) states: Vec<State>,
    /// Whether arrays and objects are compared: then each part of a value needs a fingerprint.
    pub(super) compares: bool,
}

/// Nodes that are asked of one value.
#[derive(Debug)]
pub(super) struct State {
    /// Each after those that its combinations ask.
    pub(super) entries: Vec<Entry>,
    /// The places of the entries that are asked. The others are known not to hold, or matter to none that is asked.
    pub(super) asked: Vec<usize>,
    /// What holds before anything is asked.
    pub(super) initial: Vec<bool>,
    /// The narrower states for values of a kind, by [`Kind`], if more entries are known not to hold then.
    pub(super) by_kind: [Option<StateId>; Kind::COUNT],
    /// The narrower states of an object, by one of its members.
    pub(super) by_member: Option<ByMember>,
    /// The work for a value of each [`Kind`], without its bytes and parts.
    pub(super) work: [usize; Kind::COUNT],
    /// The work for each byte of a text or a number.
    pub(super) byte_work: usize,
    /// In how many lists of values a text or a number is looked up, and how much of it at most.
    lists: usize,
    longest: usize,
    pub(super) unique: bool,
    pub(super) contains: bool,
    pub(super) elements: ElementsPlan,
    pub(super) members: MembersPlan,
}

/// Which state an object has, by a member of it.
#[derive(Debug)]
pub(super) struct ByMember {
    pub(super) name: String,
    /// By the text that the member is.
    states: HashMap<String, StateId>,
    /// If it is anything else.
    others: StateId,
    missing: StateId,
    /// Bytes of the longest text.
    longest: usize,
}

impl ByMember {
    pub(super) fn state(&self, member: Option<&Json>) -> StateId {
        match member {
            None => self.missing,
            Some(Json::String(text)) if text.len() <= self.longest => {
                self.states.get(text).copied().unwrap_or(self.others)
            }
            Some(_) => self.others,
        }
    }

    fn all(&self) -> impl Iterator<Item = StateId> {
        let states = self.states.values().copied();
        states.chain([self.others, self.missing])
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) node: NodeId,
    /// Whether what fails is told; otherwise it only matters whether anything does.
    pub(super) loud: bool,
    /// By the places of the entries.
    pub(super) combinations: Vec<Combination>,
    /// By the numbers of the names in [`MembersPlan::named`].
    pub(super) required: Vec<usize>,
    pub(super) dependents: Vec<(usize, Vec<usize>)>,
}

/// What becomes of an element or a member.
#[derive(Debug, Default)]
pub(super) struct Child {
    pub(super) state: StateId,
    /// Each entry with one of the child's that must hold for it to hold.
    pub(super) must: Vec<(usize, usize)>,
    /// Each entry with one of the child's that must hold for one element at least.
    pub(super) one: Vec<(usize, usize)>,
}

#[derive(Debug, Default)]
pub(super) struct ElementsPlan {
    pub(super) first: Vec<Child>,
    pub(super) others: Child,
}

#[derive(Debug, Default)]
pub(super) struct MembersPlan {
    pub(super) numbers: HashMap<String, usize>,
    pub(super) named: Vec<Child>,
    /// Of names that are not known: its `must` is empty, `unnamed` says what must hold.
    pub(super) others: Child,
    pub(super) patterns: Vec<PatternId>,
    pub(super) unnamed: Vec<Unnamed>,
    /// What is asked of the names themselves.
    pub(super) names: Child,
    /// The work for each byte of a name.
    pub(super) byte_work: usize,
    /// The work for a member whose name is not known, without its name's bytes and its value.
    pub(super) others_work: usize,
}

/// What an entry asks of a member whose name is not known, by places in the state of [`MembersPlan::others`].
#[derive(Debug)]
pub(super) struct Unnamed {
    pub(super) entry: usize,
    /// If the name matches the pattern at this place of [`MembersPlan::patterns`].
    pub(super) patterns: Vec<(usize, usize)>,
    /// If it matches none of them.
    pub(super) others: Option<usize>,
}

/// The types of values that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    pub(super) const COUNT: usize = 6;
    const ALL: [Self; Self::COUNT] = [
        Self::Null,
        Self::Bool,
        Self::Number,
        Self::Text,
        Self::Array,
        Self::Object,
    ];

    pub(super) fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::Text,
            Json::Array(_) => Self::Array,
            Json::Object(_) => Self::Object,
        }
    }

    /// Whether values of this kind may be of a type.
    fn is_of(self, of: Type) -> bool {
        self == match of {
            Type::Null => Self::Null,
            Type::Boolean => Self::Bool,
            Type::Integer | Type::Number => Self::Number,
            Type::String => Self::Text,
            Type::Array => Self::Array,
            Type::Object => Self::Object,
        }
    }

    /// Whether there are values of this kind among those of an `enum`.
    fn is_among(self, values: &Values) -> bool {
        match self {
            Self::Null => values.null,
            Self::Bool => values.yes || values.no,
            Self::Number => !values.numbers.is_empty(),
            Self::Text => !values.texts.is_empty(),
            Self::Array | Self::Object => !values.nested.is_empty(),
        }
    }

    /// The fewest bytes that such a value has as JSON.
    fn least_bytes(self) -> usize {
        match self {
            Self::Null | Self::Bool => 4,
            Self::Number => 1,
            Self::Text | Self::Array | Self::Object => 2,
        }
    }
}

/// What things cost, in units of about a nanosecond.
pub(super) mod work {
    /// A part of a value, whatever is asked of it.
    pub(in super::super) const VALUE: usize = 20;
    /// A node that is asked of it.
    pub(in super::super) const ENTRY: usize = 6;
    /// A rule of a node.
    pub(in super::super) const RULE: usize = 3;
    /// Looking a text or a number up among those of an `enum`.
    pub(in super::super) const LOOK_UP: usize = 25;
    /// Beginning to match a pattern, and what each byte of the text adds.
    pub(in super::super) const PATTERN: usize = 25;
    pub(in super::super) const PATTERN_BYTE: usize = 2;
    /// Reading a number's decimal value.
    pub(in super::super) const DECIMAL: usize = 20;
    /// Dividing it by few digits or by many, and what each digit of its own adds.
    pub(in super::super) const DIVISION: usize = 15;
    pub(in super::super) const LONG_DIVISION: usize = 60;
    pub(in super::super) const DIVISION_BYTE: usize = 5;
    /// A fingerprint of a part of a value, and what each byte of it adds.
    pub(in super::super) const FINGERPRINT: usize = 15;
    pub(in super::super) const FINGERPRINT_BYTE: usize = 2;
    /// An element of which no two may be equal.
    pub(in super::super) const UNIQUE: usize = 25;
    /// A member of an object that is searched for the one that narrows its state.
    pub(in super::super) const SEARCH: usize = 3;
    /// A member's name, looked up.
    pub(in super::super) const NAME: usize = 35;
}

impl Plan {
    /// Plans what to ask.
    ///
    /// # Errors
    /// When a value might take too much work.
    pub(super) fn of(read: Read<'_>) -> Result<Self, JsonFault> {
        Self::bounded(read, true)
    }

    /// The same with nothing ruled out, and whatever it costs: what [`of`](Self::of) is held against.
    #[cfg(test)]
    pub(super) fn plain(read: Read<'_>) -> Result<Self, JsonFault> {
        Self::bounded(read, false)
    }

    /// Plans what to ask, and rules out what cannot hold if that is to be bounded.
    fn bounded(read: Read<'_>, is_bounded: bool) -> Result<Self, JsonFault> {
        let Read {
            nodes,
            places,
            patterns,
        } = read;
        let compares = nodes
            .iter()
            .any(|node| node.unique || node.values.iter().any(|values| !values.nested.is_empty()));
        let states = Planner::new(&nodes, &places, &patterns, compares, is_bounded).states()?;
        Ok(Self {
            states,
            nodes,
            patterns,
            compares,
        })
    }

    /// The entries of all states.
    pub(super) fn asks(&self) -> usize {
        self.states.iter().map(|state| state.entries.len()).sum()
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        let patterns = self.patterns.iter().map(Pattern::size);
        let states = self.states.len() * size_of::<State>();
        patterns.sum::<usize>() + states + self.asks() * (size_of::<Entry>() + 64)
    }
}

impl State {
    /// The work for so many bytes of a text or a number.
    pub(super) fn bytes_work(&self, bytes: usize) -> usize {
        bytes * self.byte_work + bytes.min(self.longest) * self.lists
    }

    /// Whether values of a kind are asked in this state, and not in a narrower one.
    fn is_for(&self, kind: Kind) -> bool {
        self.by_kind[kind as usize].is_none() && (kind != Kind::Object || self.by_member.is_none())
    }
}

impl Child {
    pub(super) fn links(&self) -> usize {
        self.must.len() + self.one.len()
    }
}

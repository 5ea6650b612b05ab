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
//! Each part of a value costs what its state costs for its type, and something for each byte. A schema is accepted if no value can
//! cost more than [`SCHEMA_WORK`]: what can stand in a value once (the members that `properties` names, not those in a list) is
//! summed up, and what can be repeated must be paid for by the bytes that a repetition has at least.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    Combination, Node, NodeId, Pattern, PatternId, Type, Values,
    read::{Place, Read},
};
use crate::{
    Json, JsonFault,
    limits::{SCHEMA_DEPTH, SCHEMA_PLAN, SCHEMA_WORK_ONCE, SCHEMA_WORK_PER_BYTE},
};

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
    /// Whether a number's decimal value is needed.
    pub(super) decimal: bool,
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
        let mut planner = Planner {
            nodes: &nodes,
            needs: Needs::of(&nodes),
            places: &places,
            patterns: &patterns,
            compares,
            known: HashMap::new(),
            states: Vec::new(),
            sizes: 0,
            is_bounded,
        };
        planner.run()?;
        if is_bounded {
            planner.limit()?;
        }
        let states = planner.states.into_iter().map(|planned| planned.state);
        Ok(Self {
            states: states.collect(),
            nodes,
            patterns,
            compares,
        })
    }

    /// Bytes that it takes, about.
    pub(super) fn size(&self) -> usize {
        let patterns = self.patterns.iter().map(Pattern::size);
        let entries = self.states.iter().map(|state| state.entries.len());
        let states = self.states.len() * size_of::<State>();
        patterns.sum::<usize>() + states + entries.sum::<usize>() * (size_of::<Entry>() + 64)
    }
}

/// Nodes to ask, and whether what fails is told.
type Asked = BTreeMap<NodeId, bool>;

/// A state: what is asked, which of these nodes and of those that they ask are known not to hold, and how far it is narrowed.
type Key = (Asked, BTreeSet<NodeId>, Narrowed);

/// How far a state is narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Narrowed {
    No,
    ToKind,
    ToMember,
}

/// What a member must be for a node to hold.
struct Told<'p> {
    texts: Vec<&'p str>,
    /// Whether it must be there.
    required: bool,
}

/// Entries that narrowing by kind must spare to be worth a state of its own.
const SPARED: usize = 3;
/// Most texts of a member that states are narrowed by, and most entries of all of these states.
const MEMBER_STATES: usize = 64;
/// Most nodes that are looked at for what one of them needs its members to be.
const LOOKED_AT: usize = 32;
const MEMBER_ENTRIES: usize = 5_000;

struct Planner<'p> {
    nodes: &'p [Node],
    needs: Vec<Needs>,
    places: &'p [Place<'p>],
    patterns: &'p [Pattern],
    compares: bool,
    known: HashMap<Key, StateId>,
    states: Vec<Planned>,
    /// How much all states have together.
    sizes: usize,
    /// Whether work is to be spared, and refused where it is too much.
    is_bounded: bool,
}

struct Planned {
    state: State,
    key: Key,
    /// Where each node stands among the entries.
    positions: HashMap<NodeId, usize>,
    /// A node whose place stands for the state.
    first: NodeId,
}

impl<'p> Planner<'p> {
    fn run(&mut self) -> Result<(), JsonFault> {
        self.state((Asked::from([(0, true)]), BTreeSet::new(), Narrowed::No))?;
        // Each state finds those of the parts; there are no others.
        let mut next = 0;
        while next < self.states.len() {
            if self.is_bounded {
                self.narrow_by_kind(next)?;
                self.narrow_by_member(next)?;
            }
            if self.states[next].state.is_for(Kind::Array) {
                self.states[next].state.elements = self.elements(next)?;
            }
            if self.states[next].state.is_for(Kind::Object) {
                self.states[next].state.members = self.members(next)?;
            }
            let state = &mut self.states[next].state;
            let is_for_objects = state.is_for(Kind::Object);
            let number = |name: &String| state.members.numbers[name];
            for position in state.asked.iter().filter(|_| is_for_objects) {
                let entry = &mut state.entries[*position];
                let node = &self.nodes[entry.node];
                entry.required = node.required.iter().map(number).collect();
                let dependents = node
                    .dependents
                    .iter()
                    .map(|(name, required)| (number(name), required.iter().map(number).collect()));
                entry.dependents = dependents.collect();
            }
            self.cost(next);
            next += 1;
        }
        Ok(())
    }

    /// The state of nodes that are asked of a value, made if it is new.
    fn state(&mut self, key: Key) -> Result<StateId, JsonFault> {
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let (asked, out, _) = &key;
        let first = asked.keys().next().copied().unwrap_or(0);
        let mut order = Vec::new();
        let mut marks = HashMap::new();
        for node in asked.keys() {
            self.order(*node, 1, &mut marks, &mut order)?;
        }
        let positions: HashMap<NodeId, usize> = order
            .iter()
            .enumerate()
            .map(|(position, node)| (*node, position))
            .collect();
        let mut loud: Vec<bool> = order
            .iter()
            .map(|node| asked.get(node).copied().unwrap_or(false))
            .collect();
        // Whoever asks stands behind those it asks.
        for (position, node) in order.iter().enumerate().rev() {
            if loud[position] {
                for told in self.nodes[*node].combinations.iter().flat_map(told) {
                    loud[positions[&told]] = true;
                }
            }
        }
        let wanted = self.wanted(asked, out);
        let is_asked = |node: &NodeId| wanted.contains(node);
        let entry = |(node, loud): (&NodeId, bool)| {
            let combinations = self.nodes[*node].combinations.iter();
            let combinations = combinations.filter(|_| is_asked(node));
            Entry {
                node: *node,
                loud,
                combinations: combinations
                    .map(|combination| placed(combination, &positions, out))
                    .collect(),
                required: Vec::new(),
                dependents: Vec::new(),
            }
        };
        let entries: Vec<Entry> = order.iter().zip(loud).map(entry).collect();
        let initial: Vec<bool> = order.iter().map(is_asked).collect();
        let asked = (0..order.len()).filter(|position| initial[*position]);
        let asked = asked.collect();
        self.grow(1 + entries.len(), first)?;
        let id = self.states.len();
        self.known.insert(key.clone(), id);
        self.states.push(Planned {
            key,
            state: State {
                entries,
                asked,
                initial,
                by_kind: [None; Kind::COUNT],
                by_member: None,
                work: [0; Kind::COUNT],
                byte_work: 0,
                lists: 0,
                longest: 0,
                decimal: false,
                unique: false,
                contains: false,
                elements: ElementsPlan::default(),
                members: MembersPlan::default(),
            },
            positions,
            first,
        });
        Ok(id)
    }

    /// The nodes that are asked, where some are known not to hold: what only these would ask is not.
    fn wanted(&self, asked: &Asked, out: &BTreeSet<NodeId>) -> HashSet<NodeId> {
        let mut wanted = HashSet::new();
        let mut open: Vec<NodeId> = asked.keys().copied().collect();
        while let Some(node) = open.pop() {
            if out.contains(&node) || !wanted.insert(node) {
                continue;
            }
            for combination in &self.nodes[node].combinations {
                match combination {
                    Combination::If {
                        condition,
                        otherwise,
                        ..
                    } if out.contains(condition) => open.extend(otherwise),
                    combination => open.extend(self::asked(combination)),
                }
            }
        }
        wanted
    }

    /// The entries that are asked of a state without being told of.
    fn quiet(&self, id: StateId) -> impl Iterator<Item = NodeId> {
        let State { entries, asked, .. } = &self.states[id].state;
        let entries = asked.iter().map(|position| &entries[*position]);
        entries.filter(|entry| !entry.loud).map(|entry| entry.node)
    }

    /// Finds the narrower states for the kinds of values for which entries cannot hold.
    fn narrow_by_kind(&mut self, id: StateId) -> Result<(), JsonFault> {
        let (asked, _, narrowed) = self.states[id].key.clone();
        if narrowed != Narrowed::No {
            return Ok(());
        }
        let all = self.states[id].state.asked.len();
        for kind in Kind::ALL {
            let quiet = self.quiet(id);
            let out: BTreeSet<_> = quiet
                .filter(|node| self.needs[*node].excludes(kind))
                .collect();
            if all - self.wanted(&asked, &out).len() >= SPARED {
                let narrower = self.state((asked.clone(), out, Narrowed::ToKind))?;
                self.states[id].state.by_kind[kind as usize] = Some(narrower);
            }
        }
        Ok(())
    }

    /// Finds the narrower states for objects, by the member that tells most of the entries apart.
    fn narrow_by_member(&mut self, id: StateId) -> Result<(), JsonFault> {
        let (asked, out, narrowed) = self.states[id].key.clone();
        let state = &self.states[id].state;
        if narrowed == Narrowed::ToMember || !state.is_for(Kind::Object) {
            return Ok(());
        }
        let entries = state.entries.len();
        let mut members: BTreeMap<&str, BTreeMap<NodeId, Told<'_>>> = BTreeMap::new();
        for node in self.quiet(id) {
            let mut told = BTreeMap::new();
            self.tell(node, &mut HashSet::new(), &mut told);
            for (name, of_member) in told {
                members.entry(name).or_default().insert(node, of_member);
            }
        }
        let Some((name, told)) = members.into_iter().max_by_key(|(_, told)| told.len()) else {
            return Ok(());
        };
        let texts = told.values().flat_map(|told| &told.texts).copied();
        let texts: BTreeSet<&str> = texts.collect();
        let unless = |holds: &dyn Fn(&Told<'_>) -> bool| {
            let fails = told.iter().filter(|(_, told)| !holds(told));
            let fails = fails.map(|(node, _)| *node);
            fails.chain(out.iter().copied()).collect::<BTreeSet<_>>()
        };
        let others = unless(&|_| false);
        if told.len() < 2 || texts.len() > MEMBER_STATES || texts.len() * entries > MEMBER_ENTRIES {
            return Ok(());
        }
        let missing = unless(&|told| !told.required);
        let by_text = texts
            .iter()
            .map(|text| (*text, unless(&|told| told.texts.contains(text))));
        let by_text: Vec<_> = by_text.collect();
        let mut states = HashMap::new();
        for (text, out) in by_text {
            let state = self.state((asked.clone(), out, Narrowed::ToMember))?;
            states.insert(text.to_owned(), state);
        }
        let by_member = ByMember {
            name: name.to_owned(),
            longest: texts.iter().map(|text| text.len()).max().unwrap_or(0),
            states,
            others: self.state((asked.clone(), others, Narrowed::ToMember))?,
            missing: self.state((asked, missing, Narrowed::ToMember))?,
        };
        self.states[id].state.by_member = Some(by_member);
        Ok(())
    }

    /// Which members must be one of some texts for a node to hold of an object, as far as a look at some nodes shows.
    fn tell(
        &self,
        node: NodeId,
        seen: &mut HashSet<NodeId>,
        told: &mut BTreeMap<&'p str, Told<'p>>,
    ) {
        if seen.len() >= LOOKED_AT || !seen.insert(node) {
            return;
        }
        let nodes = self.nodes;
        for (name, member) in nodes[node]
            .members
            .iter()
            .flat_map(|members| &members.named)
        {
            let listed = self.needs[*member].listed;
            if let Some(texts) = listed.and_then(|listed| nodes[listed].listed_texts()) {
                let required = false;
                told.insert(name, Told { texts, required });
            }
        }
        for asked in nodes[node].always_asked() {
            self.tell(asked, seen, told);
        }
        for name in &nodes[node].required {
            if let Some(told) = told.get_mut(name.as_str()) {
                told.required = true;
            }
        }
    }

    /// Appends the nodes that a node asks of the same value, and itself. `depth` says in how many it lies, itself counted.
    fn order(
        &self,
        node: NodeId,
        depth: usize,
        marks: &mut HashMap<NodeId, bool>,
        order: &mut Vec<NodeId>,
    ) -> Result<(), JsonFault> {
        let reason = match marks.get(&node) {
            Some(true) => return Ok(()),
            Some(false) => "asks for itself of the same value, which never ends",
            None if depth > SCHEMA_DEPTH => {
                "lies too deep: more schemas than may lie in one another are asked of the same value"
            }
            None => {
                marks.insert(node, false);
                for combination in &self.nodes[node].combinations {
                    for asked in asked(combination) {
                        self.order(asked, depth + 1, marks, order)?;
                    }
                }
                marks.insert(node, true);
                order.push(node);
                return Ok(());
            }
        };
        Err(self.places[node].fault(reason))
    }

    fn grow(&mut self, by: usize, at: NodeId) -> Result<(), JsonFault> {
        self.sizes += by;
        if self.is_bounded && self.sizes > SCHEMA_PLAN {
            let reason = "asks too much of the same parts of a value at once; say it with fewer schemas in `anyOf`, `oneOf`, `allOf`, \
                 `patternProperties` and `additionalProperties`";
            return Err(self.places[at].fault(reason));
        }
        Ok(())
    }

    /// What becomes of the elements of an array in a state.
    fn elements(&mut self, id: StateId) -> Result<ElementsPlan, JsonFault> {
        let mut entries = self.entries(id);
        entries.retain(|(_, node, _)| {
            let node = &self.nodes[*node];
            node.elements.is_some() || node.contains.is_some()
        });
        let first = entries
            .iter()
            .filter_map(|(_, node, _)| self.nodes[*node].elements.as_ref())
            .map(|elements| elements.first.len());
        let first = first.max().unwrap_or(0);
        let children = (0..=first).map(|index| {
            let (mut must, mut one) = (Vec::new(), Vec::new());
            for (position, node, loud) in &entries {
                let node = &self.nodes[*node];
                if let Some(elements) = &node.elements
                    && let Some(asked) = elements.first.get(index).or(elements.others.as_ref())
                {
                    must.push((*position, *asked, *loud));
                }
                if let Some(asked) = node.contains {
                    one.push((*position, asked, false));
                }
            }
            self.grow(1 + must.len() + one.len(), self.states[id].first)?;
            self.child(&must, &one)
        });
        let mut children: Vec<Child> = children.collect::<Result<_, _>>()?;
        Ok(ElementsPlan {
            others: children.pop().unwrap_or_default(),
            first: children,
        })
    }

    /// What becomes of the members of an object in a state.
    fn members(&mut self, id: StateId) -> Result<MembersPlan, JsonFault> {
        let entries = self.entries(id);
        let nodes = self.nodes;
        let names = entries.iter().flat_map(|(_, node, _)| {
            let node = &nodes[*node];
            let dependents = node.dependents.iter();
            let named = node.members.iter().flat_map(|members| &members.named);
            let dependents =
                dependents.flat_map(|(name, required)| std::iter::once(name).chain(required));
            named
                .map(|(name, _)| name)
                .chain(&node.required)
                .chain(dependents)
        });
        let mut by_name: HashMap<&String, Vec<(usize, NodeId, bool)>> = HashMap::new();
        for (position, node, loud) in &entries {
            for (name, asked) in nodes[*node]
                .members
                .iter()
                .flat_map(|members| &members.named)
            {
                let asked = (*position, *asked, *loud);
                by_name.entry(name).or_default().push(asked);
            }
        }
        // Those that may ask something of any name.
        let open: Vec<_> = entries
            .iter()
            .filter_map(|(position, node, loud)| {
                let members = nodes[*node].members.as_ref()?;
                let is_open = !members.patterns.is_empty() || members.others.is_some();
                is_open.then_some((*position, members, *loud))
            })
            .collect();
        let matching = open.iter().map(|(_, members, _)| members.patterns.len());
        let matching: usize = matching.sum();
        let mut numbers = HashMap::new();
        let mut named = Vec::new();
        for name in names {
            if numbers.contains_key(name) {
                continue;
            }
            let by_name = by_name.get(name).cloned().unwrap_or_default();
            let mut must = by_name.clone();
            for (position, members, loud) in &open {
                let by_pattern = members
                    .patterns
                    .iter()
                    .filter(|(pattern, _)| self.patterns[*pattern].is_match(name));
                let before = must.len();
                must.extend(by_pattern.map(|(_, asked)| (*position, *asked, *loud)));
                let is_named = by_name.iter().any(|(named, _, _)| named == position);
                if must.len() == before && !is_named {
                    must.extend(members.others.map(|asked| (*position, asked, *loud)));
                }
            }
            numbers.insert(name.clone(), named.len());
            named.push(self.child(&must, &[])?);
            self.grow(1 + must.len() + matching / 8, self.states[id].first)?;
        }
        let mut patterns = Vec::new();
        let mut asked = Vec::new();
        for (position, node, loud) in &entries {
            let Some(members) = &nodes[*node].members else {
                continue;
            };
            patterns.extend(members.patterns.iter().map(|(pattern, _)| *pattern));
            let nodes = members.patterns.iter().map(|(_, node)| *node);
            asked.extend(
                nodes
                    .chain(members.others)
                    .map(|node| (*position, node, *loud)),
            );
        }
        patterns.sort_unstable();
        patterns.dedup();
        let others = Child {
            must: Vec::new(),
            ..self.child(&asked, &[])?
        };
        let at = &self.states[others.state].positions;
        let unnamed = entries.iter().filter_map(|(position, node, _)| {
            let members = nodes[*node].members.as_ref()?;
            let place = |pattern| patterns.binary_search(pattern).unwrap_or_default();
            let matching = members.patterns.iter();
            Some(Unnamed {
                entry: *position,
                patterns: matching
                    .map(|(pattern, node)| (place(pattern), at[node]))
                    .collect(),
                others: members.others.map(|node| at[&node]),
            })
        });
        let unnamed = unnamed.collect();
        let of_names: Vec<_> = entries
            .iter()
            .filter_map(|(position, node, _)| Some((*position, nodes[*node].names?, false)))
            .collect();
        Ok(MembersPlan {
            numbers,
            named,
            others,
            patterns,
            unnamed,
            names: self.child(&of_names, &[])?,
            byte_work: 0,
            others_work: 0,
        })
    }

    /// The place, node and loudness of each entry of a state.
    fn entries(&self, id: StateId) -> Vec<(usize, NodeId, bool)> {
        let State { entries, asked, .. } = &self.states[id].state;
        let place = |position: &usize| {
            let entry = &entries[*position];
            (*position, entry.node, entry.loud)
        };
        asked.iter().map(place).collect()
    }

    /// What becomes of a part of which entries ask nodes.
    fn child(
        &mut self,
        must: &[(usize, NodeId, bool)],
        one: &[(usize, NodeId, bool)],
    ) -> Result<Child, JsonFault> {
        let mut asked = Asked::new();
        for (_, node, loud) in must.iter().chain(one) {
            *asked.entry(*node).or_default() |= loud;
        }
        let state = self.state((asked, BTreeSet::new(), Narrowed::No))?;
        let at = &self.states[state].positions;
        let placed = |links: &[(usize, NodeId, bool)]| {
            let placed = links.iter().map(|(entry, node, _)| (*entry, at[node]));
            placed.collect()
        };
        Ok(Child {
            state,
            must: placed(must),
            one: placed(one),
        })
    }

    /// Sums up what a state costs.
    fn cost(&mut self, id: StateId) {
        let compares = self.compares;
        let Planned { state, key, .. } = &mut self.states[id];
        let (mut common, mut numbers, mut texts, mut containers) = (work::VALUE, 0, 0, 0);
        let (mut arrays, mut objects) = (0, state.members.named.len() / 4);
        let (mut byte_work, mut decimal) = (1, compares);
        common += state.entries.len() / 8;
        if key.2 == Narrowed::ToMember {
            objects += work::LOOK_UP;
        }
        for position in &state.asked {
            let entry = &state.entries[*position];
            let node = &self.nodes[entry.node];
            let looked_up = work::LOOK_UP * node.values.len();
            common += work::ENTRY + work::RULE * node.types.len();
            common += entry
                .combinations
                .iter()
                .map(|combination| work::RULE * (1 + asked(combination).len()))
                .sum::<usize>();
            numbers += looked_up + work::RULE * node.bounds.len();
            texts += looked_up;
            containers += looked_up;
            byte_work += usize::from(node.characters.is_set());
            state.lists += node.values.len();
            let longest = node.values.iter().map(|values| values.longest).max();
            state.longest = state.longest.max(longest.unwrap_or(0));
            if let Some((divisor, _)) = &node.multiple_of {
                numbers += if divisor.is_small() {
                    work::DIVISION
                } else {
                    work::LONG_DIVISION
                };
                byte_work += work::DIVISION_BYTE;
            }
            if node.pattern.is_some() {
                texts += work::PATTERN;
                byte_work += work::PATTERN_BYTE;
            }
            arrays += work::RULE * usize::from(node.element_count.is_set());
            objects += work::RULE * usize::from(node.member_count.is_set());
            let dependents = entry.dependents.iter();
            objects += work::RULE * entry.required.len();
            objects += dependents
                .map(|(_, required)| work::RULE * (1 + required.len()))
                .sum::<usize>();
            state.unique |= node.unique;
            state.contains |= node.contains.is_some();
            let known_numbers = node.values.iter().any(|values| !values.numbers.is_empty());
            decimal |= known_numbers || !node.bounds.is_empty() || node.multiple_of.is_some();
        }
        if decimal {
            numbers += work::DECIMAL;
            byte_work += 1;
        }
        if compares {
            common += work::FINGERPRINT;
            byte_work += work::FINGERPRINT_BYTE;
        }
        state.work = Kind::ALL.map(|kind| {
            common
                + match kind {
                    Kind::Null | Kind::Bool => 0,
                    Kind::Number => numbers,
                    Kind::Text => texts,
                    Kind::Array => arrays + containers,
                    Kind::Object => objects + containers,
                }
        });
        (state.byte_work, state.decimal) = (byte_work, decimal);
        let members = &mut state.members;
        members.byte_work = 1 + work::PATTERN_BYTE * members.patterns.len();
        if compares {
            members.byte_work += work::FINGERPRINT_BYTE;
        }
        // Of a name that is not known it is looked for what it must match.
        let unnamed = members.unnamed.iter();
        let asked = unnamed.map(|unnamed| 1 + unnamed.patterns.len());
        members.others_work = work::PATTERN * members.patterns.len() + asked.sum::<usize>();
    }

    /// Refuses what might cost too much.
    fn limit(&self) -> Result<(), JsonFault> {
        let repeated = self.repeated();
        let too_costly = |state: StateId, whole: &str| {
            let reason = format!(
                "might take too much work {whole}: ask less of it, or less often, by fewer schemas in `anyOf`, `oneOf` and `allOf`, \
                 by `enum` instead of many `const`s, by fewer patterns and shorter lists"
            );
            Err(self.places[self.states[state].first].fault(&reason))
        };
        let mut once = self.most_work(0);
        for (id, planned) in self.states.iter().enumerate() {
            let Planned { state, .. } = planned;
            let name_work = if state.is_for(Kind::Object) {
                let names = self.narrowed(state.members.names.state, Kind::Text);
                let names = &self.states[names[0]].state;
                state.members.byte_work + names.byte_work + names.lists
            } else {
                0
            };
            let lists = if repeated[id] { state.lists } else { 0 };
            let is_read = state.is_for(Kind::Text) || state.is_for(Kind::Number);
            let value_work = if is_read { state.byte_work + lists } else { 0 };
            if name_work.max(value_work) > SCHEMA_WORK_PER_BYTE {
                return too_costly(id, "for each character of a text");
            }
            for part in self.parts(id) {
                let is_dear = |kind: Kind| {
                    let bytes = part.bytes + kind.least_bytes();
                    part.work + self.work(part.state, kind) > bytes * SCHEMA_WORK_PER_BYTE
                };
                if !part.repeats && !repeated[part.state] {
                    once += part.work + self.most_work(part.state);
                } else if Kind::ALL.into_iter().any(is_dear) {
                    return too_costly(
                        part.state,
                        "for each of the many values that may stand here",
                    );
                }
                if once > SCHEMA_WORK_ONCE {
                    return too_costly(part.state, "together with the rest of the schema");
                }
            }
        }
        Ok(())
    }

    /// The states that a value of a kind may have after narrowing.
    fn narrowed(&self, id: StateId, kind: Kind) -> Vec<StateId> {
        let id = self.states[id].state.by_kind[kind as usize].unwrap_or(id);
        match &self.states[id].state.by_member {
            Some(by_member) if kind == Kind::Object => by_member.all().collect(),
            _ => vec![id],
        }
    }

    /// The most work for a value of a kind, without its bytes and parts.
    fn work(&self, id: StateId, kind: Kind) -> usize {
        let narrowed = self.narrowed(id, kind).into_iter();
        let work = narrowed.map(|id| self.states[id].state.work[kind as usize]);
        work.max().unwrap_or_default()
    }

    /// The same of whatever kind, with the bytes that are looked up.
    fn most_work(&self, id: StateId) -> usize {
        let of_kind = |kind| {
            let narrowed = self.narrowed(id, kind).into_iter();
            let work = narrowed.map(|id| {
                let state = &self.states[id].state;
                state.work[kind as usize] + state.longest * state.lists
            });
            work.max().unwrap_or_default()
        };
        Kind::ALL.into_iter().map(of_kind).max().unwrap_or_default()
    }

    /// Whether parts of a value with this state can stand in it more than once.
    fn repeated(&self) -> Vec<bool> {
        let mut seen = vec![false; self.states.len()];
        let mut repeated = vec![false; self.states.len()];
        seen[0] = true;
        let mut open = vec![0];
        while let Some(id) = open.pop() {
            let mut narrowed: Vec<_> = Kind::ALL
                .into_iter()
                .flat_map(|kind| self.narrowed(id, kind))
                .collect();
            narrowed.sort_unstable();
            narrowed.dedup();
            // A value has one of the narrower states: what several of them lead to is not there more than once for that.
            let mut parts = BTreeMap::<StateId, (usize, bool)>::new();
            for narrower in narrowed {
                repeated[narrower] = repeated[id];
                let mut of_state = HashMap::<StateId, usize>::new();
                for part in self.parts(narrower) {
                    let count = of_state.entry(part.state).or_default();
                    *count += 1;
                    let (most, repeats) = parts.entry(part.state).or_default();
                    *most = (*most).max(*count);
                    *repeats |= part.repeats;
                }
            }
            for (to, (count, repeats)) in parts {
                let again = repeats || count > 1 || repeated[id] || seen[to];
                if !seen[to] || (again && !repeated[to]) {
                    seen[to] = true;
                    repeated[to] = again;
                    open.push(to);
                }
            }
        }
        repeated
    }

    /// The parts that a value in a state has.
    fn parts(&self, id: StateId) -> Vec<Part> {
        let Planned { state, key, .. } = &self.states[id];
        let State {
            elements,
            members,
            unique,
            ..
        } = state;
        let mut parts = Vec::new();
        let mut element = |child: &Child, repeats| {
            parts.push(Part {
                state: child.state,
                work: child.links() + if *unique { work::UNIQUE } else { 0 },
                bytes: 1,
                repeats,
            });
        };
        if state.is_for(Kind::Array) {
            for child in &elements.first {
                element(child, false);
            }
            element(&elements.others, true);
        }
        if !state.is_for(Kind::Object) {
            return parts;
        }
        let names = &members.names;
        let mut name = work::NAME + names.links() + self.work(names.state, Kind::Text);
        if key.2 == Narrowed::ToMember {
            name += work::SEARCH;
        }
        for (known, number) in &members.numbers {
            let child = &members.named[*number];
            parts.push(Part {
                state: child.state,
                work: name + child.links(),
                bytes: known.len() + 4,
                repeats: false,
            });
        }
        parts.push(Part {
            state: members.others.state,
            work: name + members.others_work,
            bytes: 4,
            repeats: true,
        });
        parts
    }
}

/// A part that a value in some state may have.
struct Part {
    state: StateId,
    /// What it costs besides the work of its state.
    work: usize,
    /// The fewest bytes that it has besides its value.
    bytes: usize,
    /// Whether a value may have many such parts.
    repeats: bool,
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

/// The nodes that a combination asks.
fn asked(combination: &Combination) -> Vec<NodeId> {
    match combination {
        Combination::All(nodes) | Combination::Any(nodes) | Combination::One(nodes) => {
            nodes.clone()
        }
        Combination::Not(node) => vec![*node],
        Combination::If {
            condition,
            then,
            otherwise,
        } => [Some(*condition), *then, *otherwise]
            .into_iter()
            .flatten()
            .collect(),
    }
}

/// Those of them whose failures are told as the asking node's.
fn told(combination: &Combination) -> Vec<NodeId> {
    match combination {
        Combination::All(nodes) => nodes.clone(),
        Combination::If {
            then, otherwise, ..
        } => [*then, *otherwise].into_iter().flatten().collect(),
        Combination::Any(_) | Combination::One(_) | Combination::Not(_) => Vec::new(),
    }
}

/// What a value must be for a node to hold, as far as that is known without asking it.
#[derive(Debug, Clone, Copy)]
struct Needs {
    /// The kinds of values, by [`Kind`].
    kinds: [bool; Kind::COUNT],
    /// A node that lists the texts that it must be one of.
    listed: Option<NodeId>,
}

impl Needs {
    /// What nodes need. What a node needs, whoever asks it together with others needs as well.
    fn of(nodes: &[Node]) -> Vec<Self> {
        let own = nodes.iter().enumerate().map(|(id, node)| Self {
            kinds: Kind::ALL.map(|kind| node.may_be(kind)),
            listed: node.listed_texts().map(|_| id),
        });
        let mut needs: Vec<_> = own.collect();
        // No chain is longer than that, and one that is cut off only says less.
        for _ in 0..SCHEMA_DEPTH {
            let mut is_same = true;
            for (id, node) in nodes.iter().enumerate() {
                for asked in node.always_asked() {
                    let Self { kinds, listed } = needs[asked];
                    let of_node = &mut needs[id];
                    for (may_be, may_be_too) in of_node.kinds.iter_mut().zip(kinds) {
                        is_same &= !*may_be || may_be_too;
                        *may_be &= may_be_too;
                    }
                    is_same &= of_node.listed.is_some() || listed.is_none();
                    of_node.listed = of_node.listed.or(listed);
                }
            }
            if is_same {
                break;
            }
        }
        needs
    }

    fn excludes(self, kind: Kind) -> bool {
        !self.kinds[kind as usize]
    }
}

impl Node {
    /// Whether a value of a kind may be valid, by the node's own types and values.
    fn may_be(&self, kind: Kind) -> bool {
        let is_of_type = self.types.is_empty() || self.types.iter().any(|known| kind.is_of(*known));
        !self.never && is_of_type && self.values.iter().all(|values| kind.is_among(values))
    }

    /// The texts that a value must be one of, by the node's own values.
    fn listed_texts(&self) -> Option<Vec<&str>> {
        self.values.iter().find_map(Values::only_texts)
    }

    /// The nodes that must hold for this one to hold.
    fn always_asked(&self) -> impl Iterator<Item = NodeId> {
        let combinations = self.combinations.iter();
        combinations
            .flat_map(|combination| match combination {
                Combination::All(nodes) => nodes.as_slice(),
                _ => &[],
            })
            .copied()
    }
}

/// A combination by the places of the nodes in a state, without alternatives that are known not to hold.
fn placed(
    combination: &Combination,
    positions: &HashMap<NodeId, usize>,
    out: &BTreeSet<NodeId>,
) -> Combination {
    let at = |node: &NodeId| positions[node];
    let open = |nodes: &[NodeId]| {
        let open = nodes.iter().filter(|node| !out.contains(node));
        open.map(at).collect()
    };
    match combination {
        Combination::All(nodes) => Combination::All(nodes.iter().map(at).collect()),
        Combination::Any(nodes) => Combination::Any(open(nodes)),
        Combination::One(nodes) => Combination::One(open(nodes)),
        Combination::Not(node) => Combination::Not(at(node)),
        Combination::If {
            condition,
            then,
            otherwise,
        } => Combination::If {
            condition: at(condition),
            then: then.as_ref().map(at),
            otherwise: otherwise.as_ref().map(at),
        },
    }
}

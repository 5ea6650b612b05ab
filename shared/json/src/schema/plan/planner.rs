//! Makes the states of a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    ByMember, Child, ElementsPlan, Entry, Kind, MembersPlan, State, StateId, Unnamed, needs::Needs,
};
use crate::schema::{Combination, Node, NodeId, Pattern, read::Place};
use crate::{
    JsonFault,
    limits::{SCHEMA_DEPTH, SCHEMA_PLAN},
};

/// Nodes to ask, and whether what fails is told.
pub(super) type Asked = BTreeMap<NodeId, bool>;

/// A state: what is asked, which of these nodes and of those that they ask are known not to hold, and how far it is narrowed.
pub(super) type Key = (Asked, BTreeSet<NodeId>, Narrowed);

/// How far a state is narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Narrowed {
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

pub(super) struct Planner<'p> {
    pub(super) nodes: &'p [Node],
    needs: Vec<Needs>,
    pub(super) places: &'p [Place<'p>],
    patterns: &'p [Pattern],
    pub(super) compares: bool,
    known: HashMap<Key, StateId>,
    pub(super) states: Vec<Planned>,
    /// How much all states have together.
    sizes: usize,
    /// Whether work is to be spared, and refused where it is too much.
    is_bounded: bool,
}

pub(super) struct Planned {
    pub(super) state: State,
    pub(super) key: Key,
    /// Where each node stands among the entries.
    pub(super) positions: HashMap<NodeId, usize>,
    /// A node whose place stands for the state.
    pub(super) first: NodeId,
}

impl<'p> Planner<'p> {
    pub(super) fn new(
        nodes: &'p [Node],
        places: &'p [Place<'p>],
        patterns: &'p [Pattern],
        compares: bool,
        is_bounded: bool,
    ) -> Self {
        Self {
            nodes,
            needs: Needs::of(nodes),
            places,
            patterns,
            compares,
            known: HashMap::new(),
            states: Vec::new(),
            sizes: 0,
            is_bounded,
        }
    }

    /// The states, that of the whole value first.
    ///
    /// # Errors
    /// When there are too many, or a value might take too much work.
    pub(super) fn states(mut self) -> Result<Vec<State>, JsonFault> {
        self.run()?;
        if self.is_bounded {
            self.limit()?;
        }
        let states = self.states.into_iter().map(|planned| planned.state);
        Ok(states.collect())
    }

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
}

/// The nodes that a combination asks.
pub(super) fn asked(combination: &Combination) -> Vec<NodeId> {
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

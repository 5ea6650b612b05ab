//! What states cost, and whether that is too much.
//!
//! Each part of a value costs what its state costs for its type, and something for each byte. A schema is accepted if no value can
//! cost more than [`SCHEMA_WORK`](crate::limits::SCHEMA_WORK): what can stand in a value once (the members that `properties` names, not those in a list) is
//! summed up, and what can be repeated must be paid for by the bytes that a repetition has at least.

use std::collections::{BTreeMap, HashMap};

use super::{
    Child, Kind, State, StateId,
    planner::{Narrowed, Planned, Planner, asked},
    work,
};
use crate::{
    JsonFault,
    limits::{SCHEMA_WORK_ONCE, SCHEMA_WORK_PER_BYTE},
};

impl Planner<'_> {
    /// Sums up what a state costs.
    pub(super) fn cost(&mut self, id: StateId) {
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
        state.byte_work = byte_work;
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
    pub(super) fn limit(&self) -> Result<(), JsonFault> {
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

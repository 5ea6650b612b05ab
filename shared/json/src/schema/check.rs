//! One walk over a value, with what is asked of each of its parts.

use std::{cell::OnceCell, collections::BTreeMap, fmt, rc::Rc};

use super::{
    Bound, Checked, Combination, Node, Type, Violation,
    equality::{Fingerprint, Prints, Values},
    plan::{Child, Kind, MembersPlan, Plan, State, StateId, work},
};
use crate::{
    Decimal, Json, JsonPath, Member, Number,
    limits::{SCHEMA_REPORTS, SCHEMA_VIOLATION_CHARS, SCHEMA_VIOLATIONS, SCHEMA_WORK},
};

pub(super) fn check(plan: &Plan, value: &Json) -> Checked {
    let mut walk = Walk {
        plan,
        work: 0,
        holds: Vec::new(),
        reports: Reports::default(),
    };
    walk.value(0, value, true);
    let of_the_whole = |problem: &str| Violation {
        path: JsonPath::default(),
        problem: problem.to_owned(),
    };
    let violations = if walk.gave_up() {
        vec![of_the_whole(
            "takes too long to check against the schema of its type",
        )]
    } else {
        // The schema itself stands last in its state: all others are asked by it.
        let whole = walk.holds.len() - 1;
        let reports = walk.reports.at(whole).iter();
        let violations: Vec<_> = reports.map(|report| report.violation()).collect();
        if violations.is_empty() && !walk.holds[whole] {
            vec![of_the_whole("does not match the schema of its type")]
        } else {
            violations
        }
    };
    Checked {
        violations,
        work: walk.work,
        reports: walk.reports.made + walk.reports.passed,
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    work: usize,
    /// Whether nodes hold of the values that the walk is in: for each value the entries of its state.
    holds: Vec<bool>,
    reports: Reports<'a>,
}

/// What fails, by the place in `holds`: at most [`SCHEMA_VIOLATIONS`] reports of each.
#[derive(Default)]
struct Reports<'a> {
    by_place: BTreeMap<usize, Vec<Rc<Report<'a>>>>,
    /// How many were made.
    made: usize,
    /// How many were passed on from one place to another. They have a bound of their own.
    passed: usize,
    /// In how many values, one in the other, the walk is.
    depth: usize,
}

/// What fails, and where: shared by all places that it was passed on to, for names may be long.
enum Report<'a> {
    Here(String),
    Element(usize, Rc<Self>),
    Member(&'a str, Rc<Self>),
}

impl Report<'_> {
    fn violation(&self) -> Violation {
        match self {
            Self::Here(problem) => Violation {
                path: JsonPath::default(),
                problem: problem.clone(),
            },
            Self::Element(index, of) => {
                let mut violation = of.violation();
                violation.path.enter_index(*index);
                violation
            }
            Self::Member(name, of) => {
                let mut violation = of.violation();
                let end = name.char_indices().nth(SCHEMA_VIOLATION_CHARS);
                violation.path.enter_key(match end {
                    Some((end, _)) => format!("{}…", &name[..end]),
                    None => (*name).to_owned(),
                });
                violation
            }
        }
    }
}

impl<'a> Reports<'a> {
    fn at(&self, place: usize) -> &[Rc<Report<'a>>] {
        self.by_place.get(&place).map_or(&[], Vec::as_slice)
    }

    /// How many more there may be of a place.
    fn room(&self, place: usize) -> usize {
        SCHEMA_VIOLATIONS - self.at(place).len()
    }

    /// Whether another one of a place may be made.
    fn takes(&self, place: usize) -> bool {
        self.made < SCHEMA_REPORTS && self.room(place) > 0
    }

    fn make(&mut self, place: usize, report: Report<'a>) {
        self.made += 1;
        self.by_place
            .entry(place)
            .or_default()
            .push(Rc::new(report));
    }

    /// Reports of a place what is reported of another.
    fn pass_on(
        &mut self,
        from: usize,
        to: usize,
        enter: impl Fn(Rc<Report<'a>>) -> Rc<Report<'a>>,
    ) {
        // Each value leaves some to those that it lies in: what was found first is told, however much is found behind it.
        let most = SCHEMA_REPORTS.saturating_sub(2 * SCHEMA_VIOLATIONS * self.depth);
        let room = self.room(to).min(most.saturating_sub(self.passed));
        if room == 0 {
            return;
        }
        let passed = self.at(from).iter().take(room).cloned().map(enter);
        let passed: Vec<_> = passed.collect();
        if !passed.is_empty() {
            self.passed += passed.len();
            self.by_place.entry(to).or_default().extend(passed);
        }
    }

    /// Whether there are any of a place from this one on.
    fn reach(&self, place: usize) -> bool {
        self.by_place
            .last_key_value()
            .is_some_and(|(last, _)| *last >= place)
    }

    /// Forgets those of the places from this one on.
    fn forget(&mut self, from: usize) {
        while self.reach(from) {
            self.by_place.pop_last();
        }
    }
}

impl<'a> Walk<'a> {
    fn gave_up(&self) -> bool {
        self.work > SCHEMA_WORK
    }

    /// Asks a state's nodes of a value: leaves for each of its entries whether it holds. What fails is reported if it is wanted.
    fn value(&mut self, state: StateId, value: &'a Json, wanted: bool) -> Fingerprint {
        self.reports.depth += 1;
        let print = self.asked(state, value, wanted);
        self.reports.depth -= 1;
        print
    }

    fn asked(&mut self, state: StateId, value: &'a Json, wanted: bool) -> Fingerprint {
        let state = self.narrowed(state, value);
        let base = self.begin(state, Kind::of(value));
        if self.gave_up() {
            return Fingerprint::default();
        }
        let print = match value {
            Json::Null => {
                self.ask(state, base, wanted, |node, failure| {
                    node.ask_type(failure, |known| known == Type::Null);
                    node.ask_values(failure, |values| values.null);
                });
                self.print(Fingerprint::of_null)
            }
            Json::Bool(value) => {
                self.ask(state, base, wanted, |node, failure| {
                    node.ask_type(failure, |known| known == Type::Boolean);
                    node.ask_values(
                        failure,
                        |values| if *value { values.yes } else { values.no },
                    );
                });
                self.print(|| Fingerprint::of_bool(*value))
            }
            Json::Number(raw) => self.number(state, base, raw, wanted),
            Json::String(text) => self.text(state, base, text, wanted),
            Json::Array(elements) => self.array(state, base, elements, wanted),
            Json::Object(members) => self.object(state, base, members, wanted),
        };
        self.combine(state, base, wanted);
        print
    }

    /// The state of a value, narrowed by what it is.
    fn narrowed(&mut self, state: StateId, value: &Json) -> &'a State {
        let states = &self.plan.states;
        let mut state = &states[state];
        if let Some(narrower) = state.by_kind[Kind::of(value) as usize] {
            state = &states[narrower];
        }
        if let (Some(by_member), Json::Object(members)) = (&state.by_member, value) {
            self.work += work::SEARCH * members.len();
            let member = members.iter().find(|(name, _)| *name == by_member.name);
            state = &states[by_member.state(member.map(|(_, value)| value))];
        }
        state
    }

    /// Counts a value's work and makes room for its entries.
    fn begin(&mut self, state: &State, kind: Kind) -> usize {
        self.work += state.work[kind as usize];
        let base = self.holds.len();
        self.holds.extend_from_slice(&state.initial);
        base
    }

    /// Forgets the entries from a place on.
    fn end(&mut self, base: usize) {
        self.holds.truncate(base);
        self.reports.forget(base);
    }

    fn print(&self, print: impl FnOnce() -> Fingerprint) -> Fingerprint {
        if self.plan.compares {
            print()
        } else {
            Fingerprint::default()
        }
    }

    /// Asks each entry's node for what `ask` finds wrong.
    fn ask(
        &mut self,
        state: &State,
        base: usize,
        wanted: bool,
        mut ask: impl FnMut(&'a Node, &mut Failure<'_, 'a>),
    ) {
        let plan = self.plan;
        for position in &state.asked {
            let entry = &state.entries[*position];
            let node = &plan.nodes[entry.node];
            ask(
                node,
                &mut self.failure(base + position, wanted && entry.loud),
            );
        }
    }

    fn failure(&mut self, place: usize, wanted: bool) -> Failure<'_, 'a> {
        Failure {
            place,
            holds: &mut self.holds[place],
            reports: wanted.then_some(&mut self.reports),
        }
    }

    fn number(&mut self, state: &State, base: usize, raw: &Number, wanted: bool) -> Fingerprint {
        self.work += state.bytes_work(raw.len());
        if self.gave_up() {
            return Fingerprint::default();
        }
        let exact = OnceCell::new();
        let value = || exact.get_or_init(|| Decimal::of(raw));
        let is_of = |known| match known {
            Type::Number => true,
            Type::Integer => raw.is_integer(),
            _ => false,
        };
        self.ask(state, base, wanted, |node, failure| {
            node.ask_type(failure, is_of);
            node.ask_values(failure, |values| values.has_number(raw, value));
            for (bound, limit, given) in &node.bounds {
                let value = value();
                let (holds, phrase) = match bound {
                    Bound::Minimum => (value >= limit, "at least"),
                    Bound::Maximum => (value <= limit, "at most"),
                    Bound::ExclusiveMinimum => (value > limit, "above"),
                    Bound::ExclusiveMaximum => (value < limit, "below"),
                };
                failure.unless(holds, || format!("must be {phrase} {given}"));
            }
            if let Some((divisor, given)) = &node.multiple_of {
                let holds = divisor.divides(value());
                failure.unless(holds, || format!("must be a multiple of {given}"));
            }
        });
        self.print(|| Fingerprint::of_number(value()))
    }

    fn text(&mut self, state: &State, base: usize, text: &str, wanted: bool) -> Fingerprint {
        self.work += state.bytes_work(text.len());
        if self.gave_up() {
            return Fingerprint::default();
        }
        let patterns = &self.plan.patterns;
        self.ask(state, base, wanted, |node, failure| {
            node.ask_type(failure, |known| known == Type::String);
            node.ask_values(failure, |values| values.has_text(text));
            if node.characters.is_set() {
                failure.of_count(node.characters, text.chars().count(), "characters");
            }
            if let Some(pattern) = node.pattern {
                let pattern = &patterns[pattern];
                failure.unless(pattern.is_match(text), || {
                    format!("must match the pattern {}", pattern.as_str())
                });
            }
        });
        self.print(|| Fingerprint::of_text(text))
    }

    fn array(
        &mut self,
        state: &State,
        base: usize,
        elements: &'a [Json],
        wanted: bool,
    ) -> Fingerprint {
        self.ask(state, base, wanted, |node, failure| {
            node.ask_type(failure, |known| known == Type::Array);
            failure.of_count(node.element_count, elements.len(), "elements");
        });
        let plan = self.plan;
        let mut contains = vec![
            false;
            if state.contains {
                state.entries.len()
            } else {
                0
            }
        ];
        let mut seen = state.unique.then(Prints::default);
        let mut print = self.print(Fingerprint::of_array);
        for (index, element) in elements.iter().enumerate() {
            let first = state.elements.first.get(index);
            let child = first.unwrap_or(&state.elements.others);
            if plan.is_idle(child) {
                if first.is_none() {
                    break;
                }
                continue;
            }
            self.work += child.links();
            let at = self.holds.len();
            let wanted = wanted && self.has_room(state, base, &child.must);
            let of_element = self.value(child.state, element, wanted);
            for (entry, of) in &child.one {
                contains[*entry] |= self.holds[at + of];
            }
            self.carry(base, at, &child.must, |of| Report::Element(index, of));
            self.end(at);
            print = self.print(|| print.with_element(of_element));
            if let Some(elements) = &mut seen {
                self.work += work::UNIQUE;
                if !elements.insert(of_element) {
                    // One pair is enough.
                    seen = None;
                }
            }
            if self.gave_up() {
                return print;
            }
        }
        let twice = state.unique && seen.is_none();
        let contains = |position: &usize| contains.get(*position).copied().unwrap_or_default();
        let mut contains = state.asked.iter().map(contains);
        self.ask(state, base, wanted, |node, failure| {
            let contains = contains.next().unwrap_or_default();
            failure.unless(contains || node.contains.is_none(), || {
                "must have an element that matches the schema of `contains`".to_owned()
            });
            failure.unless(!(twice && node.unique), || {
                "must not have duplicate elements".to_owned()
            });
            node.ask_values(failure, |values| values.nested.contains(&print));
        });
        print
    }

    fn object(
        &mut self,
        state: &State,
        base: usize,
        members: &'a [Member],
        wanted: bool,
    ) -> Fingerprint {
        let plan = self.plan;
        let MembersPlan { numbers, named, .. } = &state.members;
        let all_idle = numbers.is_empty()
            && plan.is_idle(&state.members.others)
            && plan.is_idle(&state.members.names);
        let mut present = vec![false; named.len()];
        let mut known = Vec::new();
        if !all_idle {
            known.reserve_exact(members.len());
            for (name, _) in members {
                self.work += work::NAME + name.len() * state.members.byte_work;
                if self.gave_up() {
                    return Fingerprint::default();
                }
                let number = numbers.get(name.as_str()).copied();
                if let Some(number) = number {
                    present[number] = true;
                }
                known.push(number);
            }
        }
        for position in &state.asked {
            let entry = &state.entries[*position];
            let node = &plan.nodes[entry.node];
            let mut failure = self.failure(base + position, wanted && entry.loud);
            node.ask_type(&mut failure, |known| known == Type::Object);
            failure.of_count(node.member_count, members.len(), "members");
            failure.of_missing(&node.required, &entry.required, &present);
            let dependents = node.dependents.iter().zip(&entry.dependents);
            for ((_, names), (name, required)) in dependents {
                if present[*name] {
                    failure.of_missing(names, required, &present);
                }
            }
        }
        let mut print = self.print(Fingerprint::of_object);
        for ((name, value), number) in members.iter().zip(known) {
            let of_member = self.member(state, base, name, value, number, wanted);
            print = self.print(|| print.with_member(name, of_member));
            if self.gave_up() {
                return print;
            }
        }
        self.ask(state, base, wanted, |node, failure| {
            node.ask_values(failure, |values| values.nested.contains(&print));
        });
        print
    }

    /// Asks a member's name and value.
    fn member(
        &mut self,
        state: &State,
        base: usize,
        name: &'a str,
        value: &'a Json,
        number: Option<usize>,
        wanted: bool,
    ) -> Fingerprint {
        let plan = self.plan;
        let MembersPlan {
            named,
            others,
            patterns,
            unnamed,
            names,
            ..
        } = &state.members;
        let at = self.holds.len();
        if !plan.is_idle(names) {
            let of_names = plan.states[names.state].by_kind[Kind::Text as usize];
            let of_names = &plan.states[of_names.unwrap_or(names.state)];
            self.begin(of_names, Kind::Text);
            self.text(of_names, at, name, false);
            self.combine(of_names, at, false);
            for (entry, of) in &names.must {
                self.work += 1;
                if !self.holds[at + of] {
                    let wanted = wanted && state.entries[*entry].loud;
                    let mut failure = self.failure(base + entry, wanted);
                    failure.at(|| "has a name that is not allowed here".to_owned(), name);
                }
            }
            self.end(at);
        }
        let child = number.map_or(others, |number| &named[number]);
        if plan.is_idle(child) {
            return Fingerprint::default();
        }
        let mut must = Vec::new();
        if number.is_none() {
            self.work += state.members.others_work;
            let matching: Vec<bool> = patterns
                .iter()
                .map(|pattern| plan.patterns[*pattern].is_match(name))
                .collect();
            for asked in unnamed {
                let before = must.len();
                let by_pattern = asked
                    .patterns
                    .iter()
                    .filter(|(pattern, _)| matching[*pattern]);
                must.extend(by_pattern.map(|(_, of)| (asked.entry, *of)));
                if must.len() == before {
                    must.extend(asked.others.map(|of| (asked.entry, of)));
                }
            }
        } else {
            self.work += child.links();
        }
        let must = if number.is_none() { &must } else { &child.must };
        let wanted = wanted && self.has_room(state, base, must);
        let print = self.value(child.state, value, wanted);
        self.carry(base, at, must, |of| Report::Member(name, of));
        self.end(at);
        print
    }

    /// Whether more can be reported of one of the entries that ask a part.
    fn has_room(&self, state: &State, base: usize, must: &[(usize, usize)]) -> bool {
        let has_room = |(entry, _): &(usize, usize)| {
            state.entries[*entry].loud && self.reports.takes(base + entry)
        };
        must.iter().any(has_room)
    }

    /// Lets the entries fail whose parts have failed.
    fn carry(
        &mut self,
        base: usize,
        at: usize,
        must: &[(usize, usize)],
        enter: impl Fn(Rc<Report<'a>>) -> Report<'a>,
    ) {
        let is_reported = self.reports.reach(at);
        for (entry, of) in must {
            if self.holds[at + of] {
                continue;
            }
            if is_reported {
                let enter = |report| Rc::new(enter(report));
                self.reports.pass_on(at + of, base + entry, enter);
            }
            self.holds[base + entry] = false;
        }
    }

    /// Lets an entry fail as another of the same value has failed.
    fn fail_alike(&mut self, from: usize, to: usize) {
        self.holds[to] = false;
        self.reports.pass_on(from, to, |report| report);
    }

    /// Lets the entries fail whose combinations don't hold.
    fn combine(&mut self, state: &State, base: usize, wanted: bool) {
        for position in &state.asked {
            let entry = &state.entries[*position];
            for combination in &entry.combinations {
                self.combine_one(combination, base, *position, wanted && entry.loud);
            }
        }
    }

    fn combine_one(
        &mut self,
        combination: &Combination,
        base: usize,
        position: usize,
        wanted: bool,
    ) {
        let holds = |position: &usize| self.holds[base + position];
        let problem = match combination {
            Combination::All(positions) => {
                for of in positions {
                    if !self.holds[base + of] {
                        self.fail_alike(base + of, base + position);
                    }
                }
                return;
            }
            Combination::If {
                condition,
                then,
                otherwise,
            } => {
                let branch = if holds(condition) { then } else { otherwise };
                if let Some(of) = branch.filter(|of| !holds(of)) {
                    self.fail_alike(base + of, base + position);
                }
                return;
            }
            Combination::Any(positions) if !positions.iter().any(holds) => {
                "must match one of the schemas of `anyOf`"
            }
            Combination::One(positions)
                if positions.iter().filter(|position| holds(position)).count() != 1 =>
            {
                "must match exactly one of the schemas of `oneOf`"
            }
            Combination::Not(of) if holds(of) => "must not match the schema of `not`",
            Combination::Any(_) | Combination::One(_) | Combination::Not(_) => return,
        };
        let mut failure = self.failure(base + position, wanted);
        failure.unless(false, || problem.to_owned());
    }
}

impl Plan {
    /// Whether nothing is asked of such a part, nor need it be known for the whole.
    fn is_idle(&self, child: &Child) -> bool {
        self.states[child.state].entries.is_empty() && !self.compares
    }
}

/// Where a node's failures go.
struct Failure<'w, 'a> {
    place: usize,
    holds: &'w mut bool,
    /// `None` where it only matters whether anything fails.
    reports: Option<&'w mut Reports<'a>>,
}

impl<'a> Failure<'_, 'a> {
    fn unless(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.fail(|| Report::Here(problem()));
        }
    }

    /// A failure of a member.
    fn at(&mut self, problem: impl FnOnce() -> String, name: &'a str) {
        self.fail(|| Report::Member(name, Rc::new(Report::Here(problem()))));
    }

    fn fail(&mut self, report: impl FnOnce() -> Report<'a>) {
        *self.holds = false;
        if let Some(reports) = &mut self.reports
            && reports.takes(self.place)
        {
            reports.make(self.place, report());
        }
    }

    fn of_count(&mut self, count: super::Count, actual: usize, what: &str) {
        if let Some(least) = count.least {
            self.unless(actual >= least, || {
                format!("must have at least {least} {what}")
            });
        }
        if let Some(most) = count.most {
            self.unless(actual <= most, || {
                format!("must have at most {most} {what}")
            });
        }
    }

    fn of_missing(&mut self, names: &'a [String], numbers: &[usize], present: &[bool]) {
        for (name, number) in names.iter().zip(numbers) {
            if !present[*number] {
                self.at(|| "is required".to_owned(), name);
            }
        }
    }
}

impl Node {
    fn ask_type(&self, failure: &mut Failure<'_, '_>, is_of: impl Fn(Type) -> bool) {
        failure.unless(!self.never, || "is not allowed here".to_owned());
        let holds = self.types.is_empty() || self.types.iter().any(|known| is_of(*known));
        failure.unless(holds, || format!("must be {}", alternatives(&self.types)));
    }

    fn ask_values(&self, failure: &mut Failure<'_, '_>, is_listed: impl Fn(&Values) -> bool) {
        for values in &self.values {
            failure.unless(is_listed(values), || format!("must be {}", values.phrase));
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "an object",
        })
    }
}

fn alternatives(types: &[Type]) -> String {
    let names: Vec<_> = types.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

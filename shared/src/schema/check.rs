//! Holding a value against a schema's rules.

use std::{collections::HashSet, fmt};

use super::{Bound, Measure, Node, NodeId, Rule, Type, Violation};
use crate::{
    json::{Decimal, Json, JsonPath},
    limits::{SCHEMA_DEPTH, SCHEMA_STEPS, SCHEMA_VIOLATIONS},
};

pub(super) fn check(nodes: &[Node], value: &Json) -> Vec<Violation> {
    let mut checker = Checker::new(nodes, 0);
    checker.check(0, value);
    if checker.steps > SCHEMA_STEPS {
        // Within a `not`, giving up would look like success.
        return vec![Violation {
            path: JsonPath::default(),
            problem: "takes too long to check against the schema of its type".to_owned(),
        }];
    }
    checker.violations
}

struct Checker<'a> {
    nodes: &'a [Node],
    steps: usize,
    depth: usize,
    /// All failures so far, noted or not.
    failures: usize,
    /// Whether what fails is only a question (`anyOf`, `not`, …).
    silent: bool,
    path: Vec<Step<'a>>,
    violations: Vec<Violation>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Checker<'a> {
    fn new(nodes: &'a [Node], steps: usize) -> Self {
        Self {
            nodes,
            steps,
            depth: 0,
            failures: 0,
            silent: false,
            path: Vec::new(),
            violations: Vec::new(),
        }
    }

    fn check(&mut self, node: NodeId, value: &'a Json) {
        // A schema that refers to itself could go on for ever, or take each level of a value twice.
        self.steps += if self.depth < SCHEMA_DEPTH {
            1
        } else {
            SCHEMA_STEPS
        };
        if self.steps > SCHEMA_STEPS {
            return;
        }
        self.depth += 1;
        let nodes = self.nodes;
        for rule in &nodes[node] {
            self.rule(rule, value);
        }
        self.depth -= 1;
    }

    fn rule(&mut self, rule: &'a Rule, value: &'a Json) {
        match (rule, value) {
            (Rule::Never, _) => self.fail("is not allowed here".to_owned()),
            (Rule::Type(types), value) => {
                let holds = types.iter().any(|known| known.is_of(value));
                self.must(holds, || format!("must be {}", alternatives(types)));
            }
            (Rule::Enum(contents, phrase), value) => {
                let mut content = Vec::new();
                value.write_content(&mut content);
                let holds = contents.contains(&content);
                self.must(holds, || format!("must be {phrase}"));
            }
            (Rule::Bound(bound, limit, given), Json::Number(raw)) => {
                let value = Decimal::of(raw);
                let (holds, phrase) = match bound {
                    Bound::Minimum => (value >= *limit, "at least"),
                    Bound::Maximum => (value <= *limit, "at most"),
                    Bound::ExclusiveMinimum => (value > *limit, "above"),
                    Bound::ExclusiveMaximum => (value < *limit, "below"),
                };
                self.must(holds, || format!("must be {phrase} {given}"));
            }
            (Rule::MultipleOf(step, given), Json::Number(raw)) => {
                let holds = Decimal::of(raw).is_multiple_of(step);
                self.must(holds, || format!("must be a multiple of {given}"));
            }
            (Rule::AtLeast(measure, limit), value) => {
                let holds = measure.of(value).is_none_or(|count| count >= *limit);
                self.must(holds, || format!("must have at least {limit} {measure}"));
            }
            (Rule::AtMost(measure, limit), value) => {
                let holds = measure.of(value).is_none_or(|count| count <= *limit);
                self.must(holds, || format!("must have at most {limit} {measure}"));
            }
            (Rule::Pattern(regex), Json::String(text)) => {
                let holds = regex.is_match(text);
                self.must(holds, || {
                    format!("must match the pattern {}", regex.as_str())
                });
            }
            (Rule::Required(names), Json::Object(_)) => self.require(names, value),
            (Rule::DependentRequired(dependents), Json::Object(_)) => {
                for (name, required) in dependents {
                    if value.get(name).is_some() {
                        self.require(required, value);
                    }
                }
            }
            (
                Rule::Members {
                    named,
                    patterns,
                    others,
                },
                Json::Object(members),
            ) => {
                for (name, value) in members {
                    let known = named.get(name);
                    let matching = patterns.iter().filter(|(regex, _)| regex.is_match(name));
                    let mut nodes: Vec<NodeId> = known
                        .into_iter()
                        .chain(matching.map(|(_, node)| node))
                        .copied()
                        .collect();
                    if nodes.is_empty() {
                        nodes.extend(others);
                    }
                    self.check_at(Step::Key(name), &nodes, value);
                }
            }
            (Rule::Names(node), Json::Object(members)) => {
                for (name, _) in members {
                    if !self.holds_of_name(*node, name) {
                        self.path.push(Step::Key(name));
                        self.fail("has a name that is not allowed here".to_owned());
                        self.path.pop();
                    }
                }
            }
            (Rule::Elements { first, others }, Json::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    let node = first.get(index).or(others.as_ref());
                    self.check_at(Step::Index(index), node.copied().as_slice(), element);
                }
            }
            (Rule::Contains(node), Json::Array(elements)) => {
                let holds = elements.iter().any(|element| self.holds(*node, element));
                self.must(holds, || {
                    "must have an element as its schema's `contains` says".to_owned()
                });
            }
            (Rule::Unique, Json::Array(elements)) => {
                let mut seen = HashSet::with_capacity(elements.len());
                let is_new = |element: &Json| {
                    let mut content = Vec::new();
                    element.write_content(&mut content);
                    seen.insert(content)
                };
                let holds = elements.iter().all(is_new);
                self.must(holds, || "must have no element twice".to_owned());
            }
            (Rule::All(nodes), value) => nodes.iter().for_each(|node| self.check(*node, value)),
            (Rule::Any(nodes), value) => {
                let holds = nodes.iter().any(|node| self.holds(*node, value));
                self.must(holds, || {
                    "must match one of the schemas of `anyOf`".to_owned()
                });
            }
            (Rule::One(nodes), value) => {
                let matching = nodes.iter().filter(|node| self.holds(**node, value));
                let holds = matching.count() == 1;
                self.must(holds, || {
                    "must match exactly one of the schemas of `oneOf`".to_owned()
                });
            }
            (Rule::Not(node), value) => {
                let holds = !self.holds(*node, value);
                self.must(holds, || "must not match the schema of `not`".to_owned());
            }
            (
                Rule::If {
                    condition,
                    then,
                    otherwise,
                },
                value,
            ) => {
                let branch = if self.holds(*condition, value) {
                    then
                } else {
                    otherwise
                };
                if let Some(node) = branch {
                    self.check(*node, value);
                }
            }
            // The rule is about values of another type.
            _ => {}
        }
    }

    fn must(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.fail(problem());
        }
    }

    fn require(&mut self, names: &'a [String], value: &Json) {
        for name in names.iter().filter(|name| value.get(name).is_none()) {
            self.path.push(Step::Key(name));
            self.fail("is required".to_owned());
            self.path.pop();
        }
    }

    fn check_at(&mut self, step: Step<'a>, nodes: &[NodeId], value: &'a Json) {
        self.path.push(step);
        nodes.iter().for_each(|node| self.check(*node, value));
        self.path.pop();
    }

    /// Whether the value is valid by a node; what fails is not noted.
    fn holds(&mut self, node: NodeId, value: &'a Json) -> bool {
        let (failures, silent) = (self.failures, self.silent);
        self.silent = true;
        self.check(node, value);
        self.silent = silent;
        let holds = self.failures == failures;
        self.failures = failures;
        holds
    }

    fn holds_of_name(&mut self, node: NodeId, name: &str) -> bool {
        let name = Json::String(name.to_owned());
        let mut apart = Checker::new(self.nodes, self.steps);
        apart.check(node, &name);
        self.steps = apart.steps;
        apart.failures == 0
    }

    fn fail(&mut self, problem: String) {
        self.failures += 1;
        if self.silent || self.violations.len() >= SCHEMA_VIOLATIONS {
            return;
        }
        let mut path = JsonPath::default();
        for step in self.path.iter().rev() {
            match step {
                Step::Key(key) => path.enter_key(*key),
                Step::Index(index) => path.enter_index(*index),
            }
        }
        self.violations.push(Violation { path, problem });
    }
}

impl Type {
    fn is_of(self, value: &Json) -> bool {
        match (self, value) {
            (Self::Integer, Json::Number(raw)) => Decimal::of(raw).is_integer(),
            (Self::Null, Json::Null)
            | (Self::Boolean, Json::Bool(_))
            | (Self::Number, Json::Number(_))
            | (Self::String, Json::String(_))
            | (Self::Array, Json::Array(_))
            | (Self::Object, Json::Object(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Array => "a list",
            Self::Object => "an object",
        })
    }
}

fn alternatives(types: &[Type]) -> String {
    let names: Vec<_> = types.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

impl Measure {
    /// How many the value has; `None` for one of another type.
    fn of(self, value: &Json) -> Option<usize> {
        match (self, value) {
            (Self::Characters, Json::String(text)) => Some(text.chars().count()),
            (Self::Elements, Json::Array(elements)) => Some(elements.len()),
            (Self::Members, Json::Object(members)) => Some(members.len()),
            _ => None,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Characters => "characters",
            Self::Elements => "elements",
            Self::Members => "members",
        })
    }
}

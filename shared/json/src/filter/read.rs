//! From a pattern as it is written to its places.

use std::collections::BTreeMap;

use super::{
    Choice, Pattern, Place, Tests,
    conditions::Conditions,
    tests::{Comparison, Test},
    walk,
};
use crate::{
    Decimal, Json, JsonFault,
    limits::{FILTER_CONDITIONS, FILTER_DEPTH, FILTER_PARTS},
};

const OPERATORS: &str = "`prefix`, `suffix`, `numeric`, `exists` and `anything-but`";

/// Reads a pattern for the payload, which has the first place.
pub(super) fn read(pattern: &Json) -> Result<Vec<Place>, JsonFault> {
    let mut reader = Reader {
        parts: 0,
        places: vec![Named::default()],
    };
    let whole = reader.pattern(pattern, 0, 1)?;
    reader.places[0].patterns.push((whole, Conditions::only(0)));
    let mut places: Vec<Place> = reader.places.into_iter().map(Named::finished).collect();
    // What lies within a place comes behind it.
    for place in (0..places.len()).rev() {
        walk::without_members(&mut places, place);
    }
    Ok(places)
}

/// A place that is being read.
#[derive(Default)]
struct Named {
    members: BTreeMap<String, usize>,
    /// With the conditions that they are.
    patterns: Vec<(Pattern, Conditions)>,
    tests: Vec<(Vec<Test>, Conditions)>,
    /// The conditions on the object around it that it decides.
    decides: Conditions,
    /// How many conditions its patterns have, on its members and those that are choices.
    on_members: usize,
    choices: usize,
}

impl Named {
    fn finished(self) -> Place {
        let patterns = self.patterns.into_iter();
        let (plain, choosing): (Vec<_>, Vec<_>) =
            patterns.partition(|(pattern, _)| pattern.choices.is_empty());
        let plain = plain.into_iter();
        let plain = plain.map(|(pattern, condition)| (pattern.conditions, condition));
        Place {
            members: self.members.into_iter().collect(),
            plain: plain.collect(),
            choosing,
            tests: Tests::of(&self.tests),
            decides: self.decides,
            ..Place::default()
        }
    }
}

/// Reads patterns, counting what they have.
struct Reader {
    parts: usize,
    places: Vec<Named>,
}

impl Reader {
    /// Reads a pattern for an object at a place.
    fn pattern(&mut self, value: &Json, place: usize, depth: usize) -> Result<Pattern, JsonFault> {
        let members = value
            .as_object()
            .filter(|members| !members.is_empty())
            .ok_or_else(|| {
                JsonFault::new("must be an object that names a member of the payload")
            })?;
        if depth > FILTER_DEPTH {
            let reason = format!("must be at most {FILTER_DEPTH} levels of patterns deep");
            return Err(JsonFault::new(reason));
        }
        let mut pattern = Pattern::default();
        for (name, value) in members {
            self.condition(name, value, place, depth, &mut pattern)
                .map_err(|fault| fault.within(name))?;
        }
        Ok(pattern)
    }

    /// Reads what a pattern for an object at a place wants of a member of it.
    fn condition(
        &mut self,
        name: &str,
        value: &Json,
        place: usize,
        depth: usize,
        pattern: &mut Pattern,
    ) -> Result<(), JsonFault> {
        let here = &mut self.places[place];
        if here.on_members + here.choices == FILTER_CONDITIONS {
            let reason = format!(
                "is one too many: all patterns for the same object have at most {FILTER_CONDITIONS} conditions together"
            );
            return Err(JsonFault::new(reason));
        }
        if name == "$or" {
            here.choices += 1;
            let patterns = each(value, "patterns", |pattern| {
                self.pattern(pattern, place, depth + 1)
            });
            pattern.choices.push(Choice::of(patterns?));
            return Ok(());
        }
        if name.starts_with('$') {
            return Err(JsonFault::new(
                "is unknown; the only operator here is `$or`",
            ));
        }
        let condition = Conditions::only(here.on_members);
        here.on_members += 1;
        match value {
            Json::Object(_) => {
                let member = self.member(place, name, condition);
                let within = self.pattern(value, member, depth + 1)?;
                self.places[member].patterns.push((within, condition));
            }
            Json::Array(_) => {
                let member = self.member(place, name, condition);
                let read = each(value, "values or operators", |test| self.test(test))?;
                self.places[member].tests.push((read, condition));
            }
            _ => {
                return Err(JsonFault::new(
                    "must be a list of values and operators, or an object with a pattern",
                ));
            }
        }
        pattern.conditions |= condition;
        Ok(())
    }

    /// The place of a member of the object at a place, on which there is this condition.
    fn member(&mut self, place: usize, name: &str, condition: Conditions) -> usize {
        let next = self.places.len();
        let members = &mut self.places[place].members;
        let member = *members.entry(name.to_owned()).or_insert(next);
        if member == next {
            self.places.push(Named::default());
        }
        self.places[member].decides |= condition;
        member
    }

    fn test(&mut self, value: &Json) -> Result<Test, JsonFault> {
        self.parts += 1;
        if self.parts > FILTER_PARTS {
            let reason = format!("a filter has at most {FILTER_PARTS} values and operators");
            return Err(JsonFault::new(reason));
        }
        match value {
            Json::Object(members) => match members.as_slice() {
                [(operator, value)] => self
                    .operator(operator, value)
                    .map_err(|fault| fault.within(operator)),
                _ => {
                    let reason = format!("must have exactly one of {OPERATORS}");
                    Err(JsonFault::new(reason))
                }
            },
            value => literal(value),
        }
    }

    fn operator(&mut self, operator: &str, value: &Json) -> Result<Test, JsonFault> {
        match operator {
            "prefix" => affix(value).map(Test::Prefix),
            "suffix" => affix(value).map(Test::Suffix),
            "numeric" => numeric(value),
            "exists" => {
                let exists = value.as_bool().map(Test::Exists);
                exists.ok_or_else(|| JsonFault::new("must be true or false"))
            }
            "anything-but" => self.anything_but(value),
            _ => Err(JsonFault::new(format!(
                "is unknown; the operators are {OPERATORS}"
            ))),
        }
    }

    fn anything_but(&mut self, value: &Json) -> Result<Test, JsonFault> {
        let excluded = match value {
            Json::Array(_) => each(value, "values", |value| {
                if value.as_object().is_some() {
                    return literal(value);
                }
                self.test(value)
            })?,
            value => vec![self.test(value)?],
        };
        let simple = |test: &Test| !matches!(test, Test::Exists(_) | Test::AnythingBut(_));
        if !excluded.iter().all(simple) {
            let reason = "must be a value, a list of values, or an object with `prefix`, `suffix` or `numeric`";
            return Err(JsonFault::new(reason));
        }
        Ok(Test::AnythingBut(excluded))
    }
}

impl Choice {
    fn of(patterns: Vec<Pattern>) -> Self {
        let mut choice = Self::default();
        for pattern in patterns {
            if pattern.is_single() {
                choice.conditions |= pattern.conditions;
            } else {
                choice.patterns.push(pattern);
            }
        }
        choice
    }
}

/// Reads each element of a list that is not empty.
fn each<T>(
    value: &Json,
    what: &str,
    mut read: impl FnMut(&Json) -> Result<T, JsonFault>,
) -> Result<Vec<T>, JsonFault> {
    let elements = value
        .as_array()
        .filter(|elements| !elements.is_empty())
        .ok_or_else(|| JsonFault::new(format!("must be a list of {what}")))?;
    let read = elements
        .iter()
        .enumerate()
        .map(|(index, element)| read(element).map_err(|fault| fault.at(index)));
    read.collect()
}

fn literal(value: &Json) -> Result<Test, JsonFault> {
    match value {
        Json::Null => Ok(Test::Null),
        Json::Bool(value) => Ok(Test::Bool(*value)),
        Json::Number(value) => Ok(Test::Number(Decimal::of(value))),
        Json::String(value) => Ok(Test::Text(value.clone())),
        Json::Array(_) | Json::Object(_) => Err(JsonFault::new(
            "must be a string, a number, true, false or null",
        )),
    }
}

fn affix(value: &Json) -> Result<String, JsonFault> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| JsonFault::new("must be a non-empty string"))
}

/// One comparison, or two for a range: `[">=", 10, "<", 20]`.
fn numeric(value: &Json) -> Result<Test, JsonFault> {
    let fault = || {
        let reason = "must be one or two comparisons with =, <, <=, > or >=, such as [\">=\", 10, \"<\", 20]";
        JsonFault::new(reason)
    };
    let elements = value.as_array().ok_or_else(fault)?;
    let (pairs, rest) = elements.as_chunks::<2>();
    if !(1..=2).contains(&pairs.len()) || !rest.is_empty() {
        return Err(fault());
    }
    let bounds = pairs.iter().map(|[comparison, bound]| {
        let comparison = match comparison.as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::AtMost,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::AtLeast,
            _ => return Err(fault()),
        };
        match bound {
            Json::Number(bound) => Ok((comparison, Decimal::of(bound))),
            _ => Err(fault()),
        }
    });
    Ok(Test::Numeric(bounds.collect::<Result<_, _>>()?))
}

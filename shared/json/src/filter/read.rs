//! From a pattern as it is written to its places.

use std::collections::HashMap;

use super::{
    Choices, Place, Tests,
    conditions::{Conditions, Hits, Rules},
    tests::{Comparison, Test},
    walk,
    words::{End, Known, Words},
};
use crate::{
    Decimal, Json, JsonFault,
    limits::{FILTER_CHOICES, FILTER_CONDITIONS, FILTER_DEPTH, FILTER_LONG_NUMBERS, FILTER_PARTS},
};

const OPERATORS: &str = "`prefix`, `suffix`, `numeric`, `exists` and `anything-but`";

/// Reads a pattern for the payload, which has the first place.
pub(super) fn read(pattern: &Json) -> Result<Vec<Place>, JsonFault> {
    let mut reader = Reader {
        parts: 0,
        long_numbers: 0,
        places: vec![Named::default()],
    };
    let whole = reader.pattern(pattern, 0, 1, 0)?;
    reader.places[0].patterns.push(whole, Conditions::only(0));
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
    /// By name, with their places in the order in which they were named.
    names: HashMap<String, usize>,
    members: Vec<usize>,
    /// The outermost first.
    choices: Vec<Choices>,
    patterns: Rules,
    /// With the conditions that they are.
    tests: Vec<(Vec<Test>, Conditions)>,
    /// The conditions on the object around it that it decides.
    decides: Conditions,
    /// How many conditions its patterns have.
    conditions: usize,
    /// How many of its tests exclude values.
    excluding: usize,
}

impl Named {
    /// Takes a number for another condition.
    fn condition(&mut self) -> Result<Conditions, JsonFault> {
        if self.conditions == FILTER_CONDITIONS {
            let reason = format!(
                "is one too many: all patterns for the same object have at most {FILTER_CONDITIONS} conditions together"
            );
            return Err(JsonFault::new(reason));
        }
        self.conditions += 1;
        Ok(Conditions::only(self.conditions - 1))
    }

    /// Those of the choices that lie in so many others.
    fn choices(&mut self, around: usize) -> &mut Choices {
        if self.choices.len() <= around {
            self.choices.resize_with(around + 1, Choices::default);
        }
        &mut self.choices[around]
    }

    fn finished(mut self) -> Place {
        let names = self.names.iter().map(|(name, number)| {
            let number = Conditions::only(*number);
            Known::whole(name, Hits::passed(number))
        });
        self.choices.reverse();
        Place {
            names: Words::of(End::Front, names.collect()),
            members: self.members,
            choices: self.choices,
            patterns: self.patterns,
            tests: Tests::of(&self.tests),
            decides: self.decides,
            ..Place::default()
        }
    }
}

/// Reads patterns, counting what they have.
struct Reader {
    parts: usize,
    long_numbers: usize,
    places: Vec<Named>,
}

impl Reader {
    /// Reads a pattern for an object at a place, which may lie in choices there. It holds where these conditions do.
    fn pattern(
        &mut self,
        value: &Json,
        place: usize,
        depth: usize,
        choices: usize,
    ) -> Result<Conditions, JsonFault> {
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
        let mut pattern = Conditions::default();
        for (name, value) in members {
            let condition = if name == "$or" {
                self.choice(value, place, depth, choices)
            } else {
                self.member(name, value, place, depth)
            };
            pattern |= condition.map_err(|fault| fault.within(name))?;
        }
        Ok(pattern)
    }

    /// Reads patterns of which one is enough.
    fn choice(
        &mut self,
        value: &Json,
        place: usize,
        depth: usize,
        around: usize,
    ) -> Result<Conditions, JsonFault> {
        if around == FILTER_CHOICES {
            let reason = format!(
                "may lie in at most {} others on the same object",
                FILTER_CHOICES - 1
            );
            return Err(JsonFault::new(reason));
        }
        let choice = self.places[place].condition()?;
        let mut alternatives = Conditions::default();
        each(value, "patterns", |pattern| {
            let mut pattern = self.pattern(pattern, place, depth + 1, around + 1)?;
            if pattern.count() > 1 {
                let here = &mut self.places[place];
                let alternative = here.condition()?;
                here.choices(around).alternatives.push(pattern, alternative);
                pattern = alternative;
            }
            alternatives |= pattern;
            Ok(())
        })?;
        let choices = self.places[place].choices(around);
        choices.choices.push(alternatives, choice);
        Ok(choice)
    }

    /// Reads what a pattern for an object at a place wants of a member of it.
    fn member(
        &mut self,
        name: &str,
        value: &Json,
        place: usize,
        depth: usize,
    ) -> Result<Conditions, JsonFault> {
        if name.starts_with('$') {
            return Err(JsonFault::new(
                "is unknown; the only operator here is `$or`",
            ));
        }
        let next = self.places.len();
        let here = &mut self.places[place];
        let condition = here.condition()?;
        let number = *here.names.entry(name.to_owned()).or_insert_with(|| {
            here.members.push(next);
            here.members.len() - 1
        });
        let member = here.members[number];
        if member == next {
            self.places.push(Named::default());
        }
        self.places[member].decides |= condition;
        match value {
            Json::Object(_) => {
                let within = self.pattern(value, member, depth + 1, 0)?;
                self.places[member].patterns.push(within, condition);
            }
            Json::Array(_) => {
                let tests = each(value, "values or operators", |test| self.test(test, member))?;
                self.places[member].tests.push((tests, condition));
            }
            _ => {
                return Err(JsonFault::new(
                    "must be a list of values and operators, or an object with a pattern",
                ));
            }
        }
        Ok(condition)
    }

    /// Reads a test of what is at a place.
    fn test(&mut self, value: &Json, place: usize) -> Result<Test, JsonFault> {
        match value {
            Json::Object(members) => match members.as_slice() {
                [(operator, value)] => self
                    .operator(operator, value, place)
                    .map_err(|fault| fault.within(operator)),
                _ => {
                    let reason = format!("must have exactly one of {OPERATORS}");
                    Err(JsonFault::new(reason))
                }
            },
            value => {
                let test = literal(value)?;
                let number = match &test {
                    Test::Number(number) => Some(number),
                    _ => None,
                };
                self.count(number)?;
                Ok(test)
            }
        }
    }

    /// Counts a value or an operator, or a number that it compares with.
    fn count(&mut self, number: Option<&Decimal>) -> Result<(), JsonFault> {
        self.parts += 1;
        if self.parts > FILTER_PARTS {
            let reason = format!("a filter has at most {FILTER_PARTS} values and operators");
            return Err(JsonFault::new(reason));
        }
        self.long_numbers += usize::from(number.is_some_and(|number| !number.is_short()));
        if self.long_numbers > FILTER_LONG_NUMBERS {
            let reason = format!(
                "a filter has at most {FILTER_LONG_NUMBERS} numbers of more than 15 digits"
            );
            return Err(JsonFault::new(reason));
        }
        Ok(())
    }

    fn operator(&mut self, operator: &str, value: &Json, place: usize) -> Result<Test, JsonFault> {
        if operator == "anything-but" {
            return self.anything_but(value, place);
        }
        let test = match operator {
            "prefix" => affix(value).map(Test::Prefix),
            "suffix" => affix(value).map(Test::Suffix),
            "numeric" => numeric(value),
            "exists" => {
                let exists = value.as_bool().map(Test::Exists);
                exists.ok_or_else(|| JsonFault::new("must be true or false"))
            }
            _ => Err(JsonFault::new(format!(
                "is unknown; the operators are {OPERATORS}"
            ))),
        }?;
        match &test {
            // Each comparison counts.
            Test::Numeric(bounds) => bounds
                .iter()
                .try_for_each(|(_, number)| self.count(Some(number)))?,
            _ => self.count(None)?,
        }
        Ok(test)
    }

    fn anything_but(&mut self, value: &Json, place: usize) -> Result<Test, JsonFault> {
        let here = &mut self.places[place];
        here.excluding += 1;
        if here.excluding > FILTER_CONDITIONS {
            let reason =
                format!("is one too many: a member has at most {FILTER_CONDITIONS} of them");
            return Err(JsonFault::new(reason));
        }
        let excluded = match value {
            Json::Array(_) => each(value, "values", |value| {
                if value.as_object().is_some() {
                    return literal(value);
                }
                self.test(value, place)
            })?,
            value => vec![self.test(value, place)?],
        };
        let simple = |test: &Test| !matches!(test, Test::Exists(_) | Test::AnythingBut(_));
        if !excluded.iter().all(simple) {
            let reason = "must be a value, a list of values, or an object with `prefix`, `suffix` or `numeric`";
            return Err(JsonFault::new(reason));
        }
        Ok(Test::AnythingBut(excluded))
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

//! The tests of a place as indices: a value is looked up once, however many tests there are.

use std::cmp::Ordering;

use super::{
    conditions::{Conditions, Hits, Rules},
    numbers::Numbers,
    words::{End, Known, Words},
};
use crate::{Decimal, Json};

/// A test as it is written.
#[derive(Debug)]
pub(super) enum Test {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Prefix(String),
    Suffix(String),
    /// All of them.
    Numeric(Vec<(Comparison, Decimal)>),
    Exists(bool),
    /// None of them.
    AnythingBut(Vec<Test>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// The lists of tests of a place. A list is a condition; what excludes has a number of its own.
#[derive(Debug, Default)]
pub(super) struct Tests {
    /// The lists that are passed by any value, and those that are where there is none.
    present: Conditions,
    missing: Conditions,
    /// The lists that are passed where not all that excludes is hit.
    excluding: Rules,
    null: Hits,
    no: Hits,
    yes: Hits,
    /// Texts and prefixes, and suffixes.
    fronts: Words,
    backs: Words,
    numbers: Numbers,
    /// All that can be hit: more elements of a list change nothing.
    all: Hits,
    is_empty: bool,
}

impl Tests {
    /// The tests of lists, each with the condition that it is.
    pub(super) fn of(lists: &[(Vec<Test>, Conditions)]) -> Self {
        let mut tests = Self {
            is_empty: lists.is_empty(),
            ..Self::default()
        };
        let (mut hitting, mut next) = (Vec::new(), 0);
        for (written, condition) in lists {
            let mut all_excluding = Conditions::default();
            for test in written {
                match test {
                    Test::Exists(true) => tests.present |= *condition,
                    Test::Exists(false) => tests.missing |= *condition,
                    Test::AnythingBut(excluded) => {
                        let hits = Hits::excluded(Conditions::only(next));
                        next += 1;
                        all_excluding |= hits.excluded;
                        hitting.extend(excluded.iter().map(|test| (test, hits)));
                    }
                    plain => {
                        hitting.push((plain, Hits::passed(*condition)));
                    }
                }
            }
            if all_excluding != Conditions::default() {
                tests.excluding.push(all_excluding, *condition);
            }
        }
        let (mut fronts, mut backs) = (Vec::new(), Vec::new());
        for (test, hits) in &hitting {
            tests.all |= *hits;
            match test {
                Test::Null => tests.null |= *hits,
                Test::Bool(true) => tests.yes |= *hits,
                Test::Bool(false) => tests.no |= *hits,
                Test::Text(text) => fronts.push(Known::whole(text, *hits)),
                Test::Prefix(text) => fronts.push(Known::beginning(text, *hits)),
                Test::Suffix(text) => backs.push(Known::beginning(text, *hits)),
                Test::Number(_) | Test::Numeric(_) | Test::Exists(_) | Test::AnythingBut(_) => {}
            }
        }
        tests.fronts = Words::of(End::Front, fronts);
        tests.backs = Words::of(End::Back, backs);
        tests.numbers = Numbers::of(&hitting);
        tests
    }

    /// The lists that hold where there is no value, by their conditions.
    pub(super) fn missing(&self) -> Conditions {
        self.missing
    }

    /// Which lists of tests a value passes, by their conditions.
    pub(super) fn passed(&self, value: &Json, work: &mut usize) -> Conditions {
        if self.is_empty {
            return Conditions::default();
        }
        let mut hits = Hits::default();
        match value {
            Json::Array(elements) => {
                for element in elements {
                    *work += self.work(element);
                    hits |= self.hits(element);
                    if hits == self.all {
                        break;
                    }
                }
            }
            value => {
                *work += self.work(value);
                hits = self.hits(value);
            }
        }
        *work += 2 + self.excluding.work();
        let mut passed = hits.passed;
        passed |= self.present;
        passed |= self.excluding.not_all(hits.excluded);
        passed
    }

    /// The work that [`hits`](Self::hits) takes.
    fn work(&self, value: &Json) -> usize {
        2 + match value {
            Json::Number(number) => self.numbers.work() + number.len(),
            Json::String(text) => self.fronts.work(text) + self.backs.work(text),
            _ => 0,
        }
    }

    /// What a value that is no list hits.
    fn hits(&self, value: &Json) -> Hits {
        match value {
            Json::Null => self.null,
            Json::Bool(true) => self.yes,
            Json::Bool(false) => self.no,
            Json::Number(number) => self.numbers.hits(number),
            Json::String(text) => {
                let mut hits = self.fronts.hits(text);
                hits |= self.backs.hits(text);
                hits
            }
            Json::Array(_) | Json::Object(_) => Hits::default(),
        }
    }
}

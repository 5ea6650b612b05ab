//! The tests of a place as an index: a value is looked up once, however many tests there are.

use std::{cmp::Ordering, ops::BitOrAssign};

use super::conditions::Conditions;
use crate::{Bound, Compared, Decimal, Json};

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
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// Numbers from 0 to 255: a filter has at most [`FILTER_PARTS`](crate::limits::FILTER_PARTS) tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bits([u64; 4]);

impl Bits {
    fn set(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    fn has(self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }
}

impl BitOrAssign for Bits {
    fn bitor_assign(&mut self, other: Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }
}

/// The lists of tests of a place. A value hits tests by their number: that of the plain ones of a list, or of one that excludes.
#[derive(Debug, Default)]
pub(super) struct Tests {
    lists: Vec<List>,
    null: Bits,
    no: Bits,
    yes: Bits,
    texts: Vec<(Box<[u8]>, Bits)>,
    prefixes: Vec<(Box<[u8]>, Bits)>,
    /// From their ends.
    suffixes: Vec<(Box<[u8]>, Bits)>,
    /// All numbers that others are compared with, in order.
    bounds: Vec<Bound>,
    /// What a number hits: below the first bound, at it, between it and the second, and so on.
    numbers: Vec<Bits>,
    /// All that can be hit: more elements of a list change nothing.
    all: Bits,
}

/// A list of tests of which one must pass.
#[derive(Debug)]
struct List {
    /// The condition that it is.
    condition: Conditions,
    plain: Option<usize>,
    excluding: Vec<usize>,
    present: bool,
    missing: bool,
}

impl Tests {
    /// The tests of lists, each with the condition that it is.
    pub(super) fn of(lists: &[(Vec<Test>, Conditions)]) -> Self {
        let mut tests = Self::default();
        let mut numeric = Vec::new();
        let mut next = 0;
        for (written, condition) in lists {
            let mut list = List {
                condition: *condition,
                plain: None,
                excluding: Vec::new(),
                present: false,
                missing: false,
            };
            for test in written {
                match test {
                    Test::Exists(true) => list.present = true,
                    Test::Exists(false) => list.missing = true,
                    Test::AnythingBut(excluded) => {
                        list.excluding.push(next);
                        for test in excluded {
                            tests.add(test, next, &mut numeric);
                        }
                        next += 1;
                    }
                    plain => {
                        let number = *list.plain.get_or_insert_with(|| {
                            next += 1;
                            next - 1
                        });
                        tests.add(plain, number, &mut numeric);
                    }
                }
            }
            tests.lists.push(list);
        }
        for number in 0..next {
            tests.all.set(number);
        }
        for texts in [&mut tests.texts, &mut tests.prefixes, &mut tests.suffixes] {
            sort(texts);
        }
        tests.add_numeric(&numeric);
        tests
    }

    fn add<'t>(
        &mut self,
        test: &'t Test,
        number: usize,
        numeric: &mut Vec<(usize, Vec<(Comparison, &'t Decimal)>)>,
    ) {
        let mut bit = Bits::default();
        bit.set(number);
        match test {
            Test::Null => self.null |= bit,
            Test::Bool(true) => self.yes |= bit,
            Test::Bool(false) => self.no |= bit,
            Test::Text(text) => self.texts.push((text.as_bytes().into(), bit)),
            Test::Prefix(text) => self.prefixes.push((text.as_bytes().into(), bit)),
            Test::Suffix(text) => self.suffixes.push((text.bytes().rev().collect(), bit)),
            Test::Number(value) => numeric.push((number, vec![(Comparison::Equal, value)])),
            Test::Numeric(bounds) => {
                let bounds = bounds
                    .iter()
                    .map(|(comparison, bound)| (*comparison, bound));
                numeric.push((number, bounds.collect()));
            }
            Test::Exists(_) | Test::AnythingBut(_) => {}
        }
    }

    fn add_numeric(&mut self, numeric: &[(usize, Vec<(Comparison, &Decimal)>)]) {
        let bounds = numeric.iter().flat_map(|(_, bounds)| bounds);
        let mut bounds: Vec<&Decimal> = bounds.map(|(_, bound)| *bound).collect();
        bounds.sort_unstable();
        bounds.dedup();
        if bounds.is_empty() {
            return;
        }
        // The span of number 2i + 1 is the bound i itself, those beside it are what lies below and above.
        let span_of = |bound: &Decimal| 2 * bounds.binary_search(&bound).unwrap_or_default() + 1;
        self.numbers = vec![Bits::default(); 2 * bounds.len() + 1];
        for (number, wanted) in numeric {
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(comparison, bound)| (comparison, span_of(bound)))
                .collect();
            for (span, bits) in self.numbers.iter_mut().enumerate() {
                let holds =
                    |(comparison, bound): &(&Comparison, usize)| comparison.holds(span.cmp(bound));
                if wanted.iter().all(holds) {
                    bits.set(*number);
                }
            }
        }
        self.bounds = bounds.into_iter().cloned().map(Bound::of).collect();
    }

    /// The lists that hold where there is no value, by their conditions.
    pub(super) fn missing(&self) -> Conditions {
        let mut passed = Conditions::default();
        for list in self.lists.iter().filter(|list| list.missing) {
            passed |= list.condition;
        }
        passed
    }

    /// Which lists of tests a value passes, by their conditions.
    pub(super) fn passed(&self, value: &Json, work: &mut usize) -> Conditions {
        let mut passed = Conditions::default();
        if self.lists.is_empty() {
            return passed;
        }
        let mut hit = Bits::default();
        match value {
            Json::Array(elements) => {
                for element in elements {
                    hit |= self.hit(element, work);
                    if hit == self.all {
                        break;
                    }
                }
            }
            value => hit = self.hit(value, work),
        }
        *work += 2 * self.lists.len();
        for list in &self.lists {
            let excluding = |number: &usize| !hit.has(*number);
            if list.present
                || list.plain.is_some_and(|plain| hit.has(plain))
                || list.excluding.iter().any(excluding)
            {
                passed |= list.condition;
            }
        }
        passed
    }

    /// What a value that is no list hits.
    fn hit(&self, value: &Json, work: &mut usize) -> Bits {
        *work += 2;
        match value {
            Json::Null => self.null,
            Json::Bool(true) => self.yes,
            Json::Bool(false) => self.no,
            Json::Number(raw) => self.hit_by_number(raw, work),
            Json::String(text) => {
                let mut hit = Bits::default();
                if !self.texts.is_empty() {
                    *work += 8;
                    let found = self
                        .texts
                        .binary_search_by(|(known, _)| known.as_ref().cmp(text.as_bytes()));
                    if let Ok(place) = found {
                        hit |= self.texts[place].1;
                    }
                }
                hit |= beginning(&self.prefixes, text.bytes(), work);
                hit |= beginning(&self.suffixes, text.bytes().rev(), work);
                hit
            }
            Json::Array(_) | Json::Object(_) => Bits::default(),
        }
    }

    fn hit_by_number(&self, raw: &str, work: &mut usize) -> Bits {
        if self.bounds.is_empty() {
            return Bits::default();
        }
        *work += 8 + raw.len();
        let value = Compared::of(raw);
        let found = self
            .bounds
            .binary_search_by(|bound| value.compare(bound).reverse());
        let span = match found {
            Ok(place) => 2 * place + 1,
            Err(place) => 2 * place,
        };
        self.numbers[span]
    }
}

/// Sorts texts, and makes one of those that are equal.
fn sort(texts: &mut Vec<(Box<[u8]>, Bits)>) {
    texts.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    texts.dedup_by(|(text, bits), (kept, kept_bits)| {
        let same = text == kept;
        if same {
            *kept_bits |= *bits;
        }
        same
    });
}

/// What is hit by those of sorted texts that a text begins with. Goes along the text as long as any of them does.
fn beginning(
    texts: &[(Box<[u8]>, Bits)],
    text: impl Iterator<Item = u8>,
    work: &mut usize,
) -> Bits {
    let mut hit = Bits::default();
    let (mut left, mut text, mut at) = (texts, text, 0);
    loop {
        // What ends here comes first.
        if let Some(((known, bits), rest)) = left.split_first()
            && known.len() == at
        {
            hit |= *bits;
            left = rest;
        }
        if left.is_empty() {
            return hit;
        }
        *work += 8;
        let Some(byte) = text.next() else {
            return hit;
        };
        let from = left.partition_point(|(known, _)| known[at] < byte);
        let to = left.partition_point(|(known, _)| known[at] <= byte);
        left = &left[from..to];
        at += 1;
    }
}

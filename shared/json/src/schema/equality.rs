//! Telling whether values are equal as JSON without writing them out: the order of members and the spelling of numbers don't count.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash},
    sync::LazyLock,
};

use foldhash::{fast, quality::RandomState};

use crate::{Decimal, Json, Number};

/// Stands for a value: equal values have equal ones, different values differ but for a chance of 2⁻¹²⁸. They are keyed anew in
/// each process, so that nobody can choose values whose fingerprints are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Fingerprint(u128);

/// Fingerprints of different values.
pub(super) type Prints = HashSet<Fingerprint, fast::RandomState>;

static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// What a value is, so that no text has the fingerprint of a number.
#[derive(Hash)]
enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
    Member,
}

fn hash(of: impl Hash) -> Fingerprint {
    let [high, low] = KEYS.each_ref().map(|key| u128::from(key.hash_one(&of)));
    Fingerprint(high << 64 | low)
}

impl Fingerprint {
    pub(super) fn of_null() -> Self {
        hash(Kind::Null)
    }

    pub(super) fn of_bool(value: bool) -> Self {
        hash((Kind::Bool, value))
    }

    pub(super) fn of_number(value: &Decimal) -> Self {
        hash((Kind::Number, value))
    }

    pub(super) fn of_text(text: &str) -> Self {
        hash((Kind::Text, text))
    }

    /// Of an array with these elements so far.
    pub(super) fn of_array() -> Self {
        hash(Kind::Array)
    }

    #[must_use]
    pub(super) fn with_element(self, element: Self) -> Self {
        hash((self, element))
    }

    /// Of an object with these members so far, in any order.
    pub(super) fn of_object() -> Self {
        hash(Kind::Object)
    }

    #[must_use]
    pub(super) fn with_member(self, name: &str, value: Self) -> Self {
        let Self(member) = hash((Kind::Member, name, value));
        Self(self.0.wrapping_add(member))
    }

    /// Of a value of a schema. What comes from outside is walked over by `check`.
    fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::of_null(),
            Json::Bool(value) => Self::of_bool(*value),
            Json::Number(raw) => Self::of_number(&Decimal::of(raw)),
            Json::String(text) => Self::of_text(text),
            Json::Array(elements) => elements.iter().fold(Self::of_array(), |array, element| {
                array.with_element(Self::of(element))
            }),
            Json::Object(members) => members
                .iter()
                .fold(Self::of_object(), |object, (name, value)| {
                    object.with_member(name, Self::of(value))
                }),
        }
    }
}

/// The values of an `enum` or a `const`.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) numbers: HashSet<Decimal>,
    /// The doubles next to them, each with whether one of the numbers is the short one that has it.
    doubles: HashMap<u64, bool, fast::RandomState>,
    pub(super) texts: HashSet<String>,
    /// Arrays and objects.
    pub(super) nested: Prints,
    /// Bytes of the longest text and digits of the longest number: what is longer need not be looked up.
    pub(super) longest: usize,
    /// All of them as a phrase.
    pub(super) phrase: String,
}

impl Values {
    pub(super) fn has_text(&self, text: &str) -> bool {
        text.len() <= self.longest && self.texts.contains(text)
    }

    /// Whether it is one of the numbers; `exact` is its decimal value, which is rarely needed.
    pub(super) fn has_number<'d>(
        &self,
        number: &Number,
        exact: impl FnOnce() -> &'d Decimal,
    ) -> bool {
        match self.doubles.get(&number.double_bits()) {
            None => false,
            Some(has_short) if number.is_short() => *has_short,
            Some(_) => {
                let exact = exact();
                exact.digits() <= self.longest && self.numbers.contains(exact)
            }
        }
    }

    /// The texts that they are; `None` if there is anything else.
    pub(super) fn only_texts(&self) -> Option<Vec<&str>> {
        let others = self.null || self.yes || self.no || !self.numbers.is_empty();
        let texts = self.texts.iter().map(String::as_str);
        (!others && self.nested.is_empty()).then(|| texts.collect())
    }

    pub(super) fn of(values: &[Json], phrase: String) -> Self {
        let mut found = Self {
            phrase,
            ..Self::default()
        };
        for value in values {
            match value {
                Json::Null => found.null = true,
                Json::Bool(true) => found.yes = true,
                Json::Bool(false) => found.no = true,
                Json::Number(raw) => {
                    let has_short = found.doubles.entry(raw.double_bits()).or_default();
                    let number = Decimal::of(raw);
                    *has_short |= number.is_short();
                    found.longest = found.longest.max(number.digits());
                    found.numbers.insert(number);
                }
                Json::String(text) => {
                    found.longest = found.longest.max(text.len());
                    found.texts.insert(text.clone());
                }
                Json::Array(_) | Json::Object(_) => {
                    found.nested.insert(Fingerprint::of(value));
                }
            }
        }
        found
    }
}

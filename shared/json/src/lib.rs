//! JSON as Rung needs it: read strictly, kept as written, and written so that JavaScript would write the same bytes.
//!
//! The cast: [`Json`] is a value whose numbers keep their text and whose objects keep their order. [`Json::parse`] reads
//! RFC 8259 and refuses what receivers would read differently from one another (duplicate keys, lone surrogates, numbers no double
//! holds). [`Json::write_canonical`] writes the bytes that `JSON.stringify(JSON.parse(bytes))` gives back, which is what
//! a receiver that verifies a signature over a re-serialised body computes. [`Json::write_content`] writes a form by which two
//! values are compared. A [`JsonFault`] says what makes a well-formed value useless, and where: of a filter's pattern, of a schema.

mod fault;
pub mod filter;
pub mod limits;
mod number;
#[cfg(feature = "openapi")]
mod openapi;
mod parse;
mod path;
pub mod schema;
mod write;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use self::number::{Decimal, Divisor};
pub use self::number::{Number, array_index};
pub use self::write::{in_script_order, write_string};
pub use self::{
    fault::JsonFault,
    parse::{ParseError, ParseErrorKind},
    path::JsonPath,
    write::{UnstableNumber, UnstableNumbers},
};

/// A member of an object.
pub type Member = (String, Json);

/// A JSON value as it was written.
///
/// `==` compares what was written: order of members and spelling of numbers count. Use [`Json::write_content`] to
/// compare values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string's value.
    String(String),
    /// An array's elements.
    Array(Vec<Json>),
    /// An object's members in the order written, no key twice.
    Object(Vec<Member>),
}

impl Json {
    /// The member `key` of an object; `None` for any other value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        Self::Object(Vec::new())
    }

    /// A string's value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number's value, if that is an integer from 0 to the highest of 64 bits, however it is written.
    #[must_use]
    pub fn as_unsigned(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.unsigned(),
            _ => None,
        }
    }

    /// A boolean's value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An array's elements.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// An object's members in the order written.
    #[must_use]
    pub fn as_object(&self) -> Option<&[Member]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// How many arrays and objects lie in one another: 0 for a scalar, 1 for `{}`.
    #[must_use]
    pub fn depth(&self) -> usize {
        let deepest = match self {
            Self::Array(elements) => elements.iter().map(Self::depth).max(),
            Self::Object(members) => members.iter().map(|(_, value)| value.depth()).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.to_string().into()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(elements) => {
                Self::Array(elements.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// For answers by `serde_json`, which alone understands the numbers kept as text.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(raw) => RawValue::from_string(raw.to_string())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

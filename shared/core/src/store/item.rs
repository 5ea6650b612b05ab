//! Items to and from values: each attribute is named once where it is written and once where it is read.

use std::{fmt::Display, str::FromStr};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Update, builders::UpdateBuilder},
};
use rung_json::{Json, limits::STORED_JSON_DEPTH};

use super::{Item, StoreError};
use crate::domain::hops::Hops;

/// The attribute values of a key.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Bytes.
pub(super) fn bytes(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// A number.
pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A value as JSON text, for what only Rung itself looks into.
pub(super) fn json(value: &impl serde::Serialize) -> AttributeValue {
    text(serde_json::to_string(value).expect("stored values have string keys only"))
}

/// A 13-digit time in milliseconds, for keys.
pub(super) fn time(ms: u64) -> String {
    format!("{ms:013}")
}

/// Builds a row, to be written whole ([`Builder::build`]) or over one that is there ([`Builder::update`]).
pub(super) struct Builder {
    item: Item,
    absent: Vec<&'static str>,
}

impl Builder {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        let key = [("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))];
        Self {
            item: Item::from(key),
            absent: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.item.insert(name.to_owned(), value);
        self
    }

    pub(super) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, text(value))
    }

    pub(super) fn number(self, name: &str, value: impl Display) -> Self {
        self.with(name, number(value))
    }

    pub(super) fn bytes(self, name: &str, value: Vec<u8>) -> Self {
        self.with(name, bytes(value))
    }

    /// An attribute that the row may lack.
    pub(super) fn maybe(mut self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => {
                self.absent.push(name);
                self
            }
        }
    }

    /// The deliveries that led to an event, if there were any.
    pub(super) fn hops(self, hops: Hops) -> Self {
        self.maybe("hp", (!hops.is_none()).then(|| number(hops.get())))
    }

    pub(super) fn json(self, name: &str, value: &impl serde::Serialize) -> Self {
        self.with(name, json(value))
    }

    /// The whole row. Writing it takes away every other attribute of a row that is there.
    pub(super) fn build(self) -> Item {
        self.item
    }

    /// The update that brings a row to this state: it sets the attributes given here, removes those that are named but absent, and
    /// leaves all others alone. They may be of a newer version of Rung, which runs beside this one during a deployment. So whatever
    /// is read, changed and written back goes through here; only new rows are put.
    pub(super) fn update(mut self) -> UpdateBuilder {
        let key = ["pk", "sk"].map(|name| self.item.remove_entry(name));
        let mut update = Update::builder().set_key(Some(key.into_iter().flatten().collect()));
        let mut attributes: Vec<_> = self.item.into_iter().collect();
        attributes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // Some names are reserved words of expressions.
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        for (index, (name, value)) in attributes.into_iter().enumerate() {
            set.push(format!("#s{index} = :s{index}"));
            update = update
                .expression_attribute_names(format!("#s{index}"), name)
                .expression_attribute_values(format!(":s{index}"), value);
        }
        for (index, name) in self.absent.into_iter().enumerate() {
            removed.push(format!("#r{index}"));
            update = update.expression_attribute_names(format!("#r{index}"), name);
        }
        let clauses = [("SET", set), ("REMOVE", removed)].into_iter();
        let clauses = clauses.filter(|(_, parts)| !parts.is_empty());
        let clauses = clauses.map(|(clause, parts)| format!("{clause} {}", parts.join(", ")));
        update.update_expression(Vec::from_iter(clauses).join(" "))
    }
}

/// Reads an item.
pub(super) struct Row(pub(super) Item);

impl Row {
    pub(super) fn missing(&self, attribute: &'static str) -> StoreError {
        let part = |name| {
            self.0
                .get(name)
                .and_then(|value: &AttributeValue| value.as_s().ok())
                .map_or("?", String::as_str)
        };
        StoreError::Corrupt {
            key: format!("{} / {}", part("pk"), part("sk")),
            attribute,
        }
    }

    /// The row's key.
    pub(super) fn key(&self) -> Result<(&str, &str), StoreError> {
        let part = |name: &'static str| {
            let text = self.0.get(name).and_then(|value| value.as_s().ok());
            text.ok_or_else(|| self.missing(name))
        };
        Ok((part("pk")?, part("sk")?))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, StoreError> {
        self.maybe_text(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn maybe_text(&mut self, name: &str) -> Option<String> {
        match self.0.get_mut(name) {
            Some(AttributeValue::S(value)) => Some(std::mem::take(value)),
            _ => None,
        }
    }

    /// The text read as another type.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let value = self.0.get(name).and_then(|value| value.as_s().ok());
        value
            .and_then(|value| parse(value))
            .ok_or_else(|| self.missing(name))
    }

    /// JSON that came from outside, however deep it is.
    pub(super) fn document(&self, name: &'static str) -> Result<Json, StoreError> {
        self.parsed(name, |text| {
            Json::parse(text.as_bytes(), STORED_JSON_DEPTH).ok()
        })
    }

    pub(super) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        self.maybe_number(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn maybe_number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0
            .get(name)
            .and_then(|value| value.as_n().ok())
            .and_then(|value| value.parse().ok())
    }

    pub(super) fn hops(&self) -> Hops {
        self.maybe_number("hp")
            .map(Hops::stored)
            .unwrap_or_default()
    }

    pub(super) fn numbers<T: FromStr>(&self, name: &str) -> Vec<T> {
        let list = self.0.get(name).and_then(|value| value.as_l().ok());
        let numbers = list
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_n().ok());
        numbers.filter_map(|value| value.parse().ok()).collect()
    }

    pub(super) fn bytes(&self, name: &'static str) -> Result<&[u8], StoreError> {
        let value = self.0.get(name).and_then(|value| value.as_b().ok());
        value.map(AsRef::as_ref).ok_or_else(|| self.missing(name))
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<T, StoreError> {
        self.parsed(name, |text| serde_json::from_str(text).ok())
    }

    pub(super) fn maybe_json<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        if self.0.contains_key(name) {
            self.json(name).map(Some)
        } else {
            Ok(None)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_update_names_what_is_known_of_a_row_and_nothing_else() {
        let row = Builder::new("p", "s")
            .text("b", "1")
            .maybe("gone", None)
            .maybe("a", Some(number(2)))
            .maybe("g", None);
        let update = row.update().table_name("t").build().unwrap();
        assert_eq!(
            update.update_expression(),
            "SET #s0 = :s0, #s1 = :s1 REMOVE #r0, #r1"
        );
        let key = Item::from([("pk".to_owned(), text("p")), ("sk".to_owned(), text("s"))]);
        assert_eq!(update.key(), &key);
        let names = update.expression_attribute_names().unwrap();
        let named = ["#s0", "#s1", "#r0", "#r1"].map(|name| names[name].as_str());
        assert_eq!(named, ["a", "b", "gone", "g"]);
        let values = update.expression_attribute_values().unwrap();
        assert_eq!((&values[":s0"], &values[":s1"]), (&number(2), &text("1")));
    }
}

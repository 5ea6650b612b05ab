//! Items to and from values: each attribute is named once where it is written and once where it is read.

use std::{fmt::Display, str::FromStr};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use super::{Item, StoreError};
use crate::{domain::hops::Hops, json::Json, limits::STORED_JSON_DEPTH};

/// The attribute values of a key.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
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

/// Builds an item.
pub(super) struct Builder(Item);

impl Builder {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self(Item::from([
            ("pk".to_owned(), text(pk)),
            ("sk".to_owned(), text(sk)),
        ]))
    }

    pub(super) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(super) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, text(value))
    }

    pub(super) fn number(self, name: &str, value: impl Display) -> Self {
        self.with(name, number(value))
    }

    pub(super) fn bytes(self, name: &str, value: Vec<u8>) -> Self {
        self.with(name, AttributeValue::B(Blob::new(value)))
    }

    pub(super) fn maybe(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The deliveries that led to an event, if there were any.
    pub(super) fn hops(self, hops: Hops) -> Self {
        self.maybe("hp", (!hops.is_none()).then(|| number(hops.get())))
    }

    pub(super) fn json(self, name: &str, value: &impl serde::Serialize) -> Self {
        self.with(name, json(value))
    }

    pub(super) fn build(self) -> Item {
        self.0
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

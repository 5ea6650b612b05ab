//! What a dialect's events are called: types, their groups and aliases, and a sample of each.

use std::collections::HashMap;

use crate::{json::Json, limits::EVENT_TYPE_CHARS};

/// The pattern that takes in every type.
pub const EVERY_TYPE: &str = "*";

/// An event type of a catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct EventType {
    /// As it goes on the wire.
    pub name: String,
    /// Other names it is published and subscribed by.
    pub aliases: Vec<String>,
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// When it happens.
    pub description: String,
    /// What its `data` looks like: an object.
    pub sample: Json,
}

/// The types of a dialect.
#[derive(Debug, Clone)]
pub struct Catalogue {
    types: Vec<EventType>,
    groups: Vec<String>,
    any_type: Option<AnyType>,
    /// Names and aliases, to places in `types`.
    places: HashMap<String, usize>,
}

/// What is known of the types that an open catalogue does not list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AnyType {
    /// A type that stands for all.
    pub(super) example: String,
    pub(super) sample: Json,
}

/// A subscription to something that the catalogue does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no event type or group here; there are {known}")]
pub struct UnknownPattern {
    /// What was subscribed to.
    pub pattern: String,
    /// What there is, as a phrase.
    pub known: String,
}

impl Catalogue {
    /// Names, aliases and groups must be distinct.
    pub(super) fn new(
        types: Vec<EventType>,
        groups: Vec<String>,
        any_type: Option<AnyType>,
    ) -> Self {
        let places = types
            .iter()
            .enumerate()
            .flat_map(|(place, listed)| {
                let names = std::iter::once(&listed.name).chain(&listed.aliases);
                names.map(move |name| (name.clone(), place))
            })
            .collect();
        Self {
            types,
            groups,
            any_type,
            places,
        }
    }

    /// The types listed, in the file's order.
    #[must_use]
    pub fn types(&self) -> &[EventType] {
        &self.types
    }

    /// The groups, in the file's order.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether any well-formed type may be published, listed or not.
    #[must_use]
    pub fn takes_any_type(&self) -> bool {
        self.any_type.is_some()
    }

    /// The listed type of this name or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&EventType> {
        self.places.get(name).map(|place| &self.types[*place])
    }

    /// The name that `name` goes on the wire by; `None` if the catalogue does not have it.
    #[must_use]
    pub fn resolve_type<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self.get(name) {
            Some(listed) => Some(&listed.name),
            None => (self.takes_any_type() && is_event_type(name)).then_some(name),
        }
    }

    /// Sample data of the type `name`; `None` if the catalogue does not have it.
    #[must_use]
    pub fn sample(&self, name: &str) -> Option<&Json> {
        match (self.get(name), &self.any_type) {
            (Some(listed), _) => Some(&listed.sample),
            (None, Some(any)) if is_event_type(name) => Some(&any.sample),
            _ => None,
        }
    }

    /// Every pattern that takes in the type `name`: `*`, its own names, its groups.
    pub fn patterns_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let listed = self.get(name);
        let own = listed.map_or(name, |listed| &listed.name);
        let aliases = listed.into_iter().flat_map(|listed| &listed.aliases);
        let groups = listed.into_iter().flat_map(|listed| &listed.groups);
        let named = aliases.chain(groups).map(String::as_str);
        [EVERY_TYPE, own].into_iter().chain(named)
    }

    /// Whether a subscription to `pattern` takes in the type `name`.
    #[must_use]
    pub fn matches(&self, pattern: &str, name: &str) -> bool {
        self.patterns_of(name).any(|known| known == pattern)
    }

    /// Whether `pattern` can be subscribed to: a type, an alias, a group, or `*`.
    ///
    /// # Errors
    /// When the catalogue has nothing by that name.
    pub fn check_pattern(&self, pattern: &str) -> Result<(), UnknownPattern> {
        let known =
            pattern == EVERY_TYPE || self.is_group(pattern) || self.resolve_type(pattern).is_some();
        if known {
            return Ok(());
        }
        Err(UnknownPattern {
            pattern: pattern.to_owned(),
            known: self.describe(),
        })
    }

    /// The type that stands for a subscription to `pattern`: what a test sends when none is named.
    ///
    /// That of a group is its first in the file. `None` if the catalogue does not have the pattern.
    #[must_use]
    pub fn first_type_of<'a>(&'a self, pattern: &'a str) -> Option<&'a str> {
        let listed = self
            .types
            .iter()
            .find(|listed| self.matches(pattern, &listed.name));
        match (listed, &self.any_type) {
            (Some(listed), _) => Some(&listed.name),
            (None, Some(any)) if pattern == EVERY_TYPE => Some(&any.example),
            _ => self.resolve_type(pattern),
        }
    }

    fn is_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group == name)
    }

    fn describe(&self) -> String {
        if self.takes_any_type() {
            return format!(
                "types of 1 to {EVENT_TYPE_CHARS} characters out of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, and `*` for all"
            );
        }
        let names: Vec<&str> = self
            .groups
            .iter()
            .chain(self.types.iter().map(|listed| &listed.name))
            .map(String::as_str)
            .collect();
        format!("`*`, {}", names.join(", "))
    }
}

/// Whether `name` is well-formed as an event type: 1 to [`EVENT_TYPE_CHARS`] characters of `[A-Za-z0-9_.\-/]`.
pub(super) fn is_event_type(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    (1..=EVENT_TYPE_CHARS).contains(&name.len()) && name.bytes().all(allowed)
}

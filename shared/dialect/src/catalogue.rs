//! What a dialect's events are called: types, their groups and aliases, and a sample of each.

use std::{collections::HashMap, sync::Arc};

use rung_json::{Json, schema::Schema};

use crate::limits::EVENT_TYPE_CHARS;

/// The pattern that takes in every type.
pub const EVERY_TYPE: &str = "*";

/// The segment that no type may end with: the paths of the API have it after a type's name.
pub(super) const RESERVED_SEGMENT: &str = "schema";

/// What the names begin with that a pattern such as `order.*` takes in; `None` for other patterns.
fn prefix_of(pattern: &str) -> Option<&str> {
    let prefix = pattern.strip_suffix('*')?;
    (prefix.ends_with('.') && is_event_type(prefix)).then_some(prefix)
}

/// An event type of a catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct EventType {
    /// As it is published and subscribed to.
    pub name: String,
    /// As it goes on the wire, if that is another text.
    pub wire: Option<String>,
    /// Other names it is published and subscribed by.
    pub aliases: Vec<String>,
    /// The groups it belongs to.
    pub groups: Vec<String>,
    /// When it happens.
    pub description: String,
    /// What its `data` looks like: an object.
    pub sample: Json,
    /// What its `data` must be; anything, if absent.
    pub schema: Option<Arc<Schema>>,
    /// Whether it stands for no pattern that another type can stand for.
    pub archived: bool,
}

/// The types of a dialect.
#[derive(Debug, Clone)]
pub struct Catalogue {
    types: Vec<Arc<EventType>>,
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
#[error("`{pattern}` is not an event type, group or prefix; known: {known}")]
pub struct UnknownPattern {
    /// What was subscribed to.
    pub pattern: String,
    /// What there is, as a phrase.
    pub known: String,
}

impl Catalogue {
    /// Names, aliases and groups must be distinct.
    pub(super) fn new(
        types: Vec<Arc<EventType>>,
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

    /// The same with more types, each in place of the one of its name, if there is one; and with their groups.
    #[must_use]
    pub fn with(&self, more: Vec<EventType>) -> Self {
        let (mut types, mut groups) = (self.types.clone(), self.groups.clone());
        for added in more {
            for group in &added.groups {
                if !groups.contains(group) {
                    groups.push(group.clone());
                }
            }
            match self.places.get(&added.name) {
                // What it is on the wire is the dialect's to say.
                Some(place) => {
                    let wire = types[*place].wire.clone();
                    types[*place] = Arc::new(EventType { wire, ..added });
                }
                None => types.push(Arc::new(added)),
            }
        }
        Self::new(types, groups, self.any_type.clone())
    }

    /// The types listed, in the file's order.
    #[must_use]
    pub fn types(&self) -> &[Arc<EventType>] {
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
        self.places.get(name).map(|place| &*self.types[*place])
    }

    /// The name that the type `name` goes on the wire by.
    #[must_use]
    pub fn on_the_wire<'a>(&'a self, name: &'a str) -> &'a str {
        let listed = self.get(name);
        listed.map_or(name, |listed| listed.wire.as_ref().unwrap_or(&listed.name))
    }

    /// The type that goes on the wire by `text`, by its own name.
    #[must_use]
    pub fn from_the_wire<'a>(&'a self, text: &'a str) -> &'a str {
        let mut types = self.types.iter();
        let listed = types.find(|listed| listed.wire.as_deref() == Some(text));
        listed.map_or(text, |listed| &listed.name)
    }

    /// The name of the type that `name` is, an alias or not; `None` if the catalogue does not have it.
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

    /// Whether a subscription to `pattern` takes in the type `name`: `*`, one of its names, one of its groups, or a prefix of
    /// one of its names up to a dot, such as `order.*`.
    #[must_use]
    pub fn matches(&self, pattern: &str, name: &str) -> bool {
        let listed = self.get(name);
        let own = listed.map_or(name, |listed| &listed.name);
        let aliases = listed.into_iter().flat_map(|listed| &listed.aliases);
        let mut names = std::iter::once(own).chain(aliases.map(String::as_str));
        if let Some(prefix) = prefix_of(pattern) {
            return names.any(|name| name.starts_with(prefix));
        }
        let mut groups = listed.into_iter().flat_map(|listed| &listed.groups);
        pattern == EVERY_TYPE
            || names.any(|name| name == pattern)
            || groups.any(|group| group == pattern)
    }

    /// Whether `pattern` can be subscribed to: a type, an alias, a group, a prefix that some type has, or `*`.
    ///
    /// # Errors
    /// When the catalogue has nothing by that name.
    pub fn check_pattern(&self, pattern: &str) -> Result<(), UnknownPattern> {
        let is_group = self.groups.iter().any(|group| group == pattern);
        if pattern == EVERY_TYPE || is_group || self.first_type_of(pattern).is_some() {
            return Ok(());
        }
        Err(UnknownPattern {
            pattern: pattern.to_owned(),
            known: self.describe(),
        })
    }

    /// Whether there is a type that one of the subscriptions `subscribed` takes in, and one of the patterns `asked` too. What the
    /// catalogue does not have overlaps nothing but itself.
    #[must_use]
    pub fn overlap(&self, subscribed: &[String], asked: &[String]) -> bool {
        let known = asked
            .iter()
            .filter(|pattern| self.check_pattern(pattern).is_ok() || subscribed.contains(pattern));
        let asked: Vec<_> = known.collect();
        // A pattern matches the text of one that it contains: types that are not listed need no more than that.
        let contains = |one: &String, other: &String| self.matches(one, other);
        let mut pairs = subscribed
            .iter()
            .flat_map(|one| asked.iter().map(move |other| (one, *other)));
        pairs.any(|(one, other)| contains(one, other) || contains(other, one))
            || self.types.iter().any(|listed| {
                let takes = |pattern: &String| self.matches(pattern, &listed.name);
                asked.iter().any(|pattern| takes(pattern)) && subscribed.iter().any(takes)
            })
    }

    /// The type that stands for a subscription to `pattern`: what a test sends when none is named.
    ///
    /// That of a group or prefix is its first in the file that is not archived, and that of a prefix in an open catalogue the example for all. One
    /// that is archived stands only for what has no other. `None` if the catalogue does not have the pattern.
    #[must_use]
    pub fn first_type_of<'a>(&'a self, pattern: &'a str) -> Option<&'a str> {
        let all = || self.types.iter();
        let mut matching = all().filter(|listed| self.matches(pattern, &listed.name));
        let first = matching.clone().next();
        match (matching.find(|listed| !listed.archived), &self.any_type) {
            (Some(listed), _) => Some(&listed.name),
            (None, Some(any)) if pattern == EVERY_TYPE || prefix_of(pattern).is_some() => {
                Some(&any.example)
            }
            _ => first.map_or_else(|| self.resolve_type(pattern), |listed| Some(&listed.name)),
        }
    }

    fn describe(&self) -> String {
        if self.takes_any_type() {
            return format!(
                "types of 1 to {EVENT_TYPE_CHARS} characters out of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, with no segment that is empty, `.` or `..`, prefixes such as `order.*`, and `*` for all"
            );
        }
        let names: Vec<&str> = self
            .groups
            .iter()
            .chain(self.types.iter().map(|listed| &listed.name))
            .map(String::as_str)
            .collect();
        format!("`*`, {}, and their prefixes with `.*`", names.join(", "))
    }
}

/// Whether `name` is well-formed as an event type: 1 to [`EVENT_TYPE_CHARS`] characters of `[A-Za-z0-9_.\-/]`. No segment between
/// slashes is empty, `.` or `..`: clients take such segments out of the paths of URLs, which then name another type.
#[must_use]
pub fn is_event_type(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    name.len() <= EVENT_TYPE_CHARS
        && name.bytes().all(allowed)
        && name.split('/').all(|it| !matches!(it, "" | "." | ".."))
}

/// Whether a well-formed name can be that of no type, group or alias, because the API has it for something of its own.
#[must_use]
pub fn is_reserved_type(name: &str) -> bool {
    name.rsplit('/').next() == Some(RESERVED_SEGMENT)
}

//! From a schema as it is written to its rules.

use std::collections::HashMap;

use regex_lite::Regex;

use super::{Bound, Measure, Node, NodeId, Rule, Type};
use crate::json::{Decimal, Json, JsonFault};

/// Keywords that say nothing about whether a value is valid (`format` among them, as Draft 2020-12 has it by default).
const ANNOTATIONS: [&str; 15] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "deprecated",
    "examples",
    "format",
    "readOnly",
    "writeOnly",
    "contentMediaType",
    "contentEncoding",
];

const SUPPORTED: &str = "`type`, `enum`, `const`, `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `minLength`, \
    `maxLength`, `pattern`, `properties`, `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `dependentRequired`, \
    `minProperties`, `maxProperties`, `items`, `prefixItems`, `contains`, `minItems`, `maxItems`, `uniqueItems`, `allOf`, `anyOf`, \
    `oneOf`, `not`, `if`, `then`, `else`, `$ref` and annotations";

/// Most digits of a `multipleOf`, and most places before or behind its point.
const STEP_DIGITS: usize = 18;
const STEP_PLACES: i64 = 400;

pub(super) fn compile(root: &Json) -> Result<Vec<Node>, JsonFault> {
    let mut compiler = Compiler {
        root,
        nodes: Vec::new(),
        referred: HashMap::from([("#".to_owned(), 0)]),
    };
    compiler.node(root)?;
    Ok(compiler.nodes)
}

struct Compiler<'a> {
    root: &'a Json,
    nodes: Vec<Node>,
    /// What is referred to, by its reference; there before it is compiled, since it may refer to itself.
    referred: HashMap<String, NodeId>,
}

impl<'a> Compiler<'a> {
    fn node(&mut self, schema: &'a Json) -> Result<NodeId, JsonFault> {
        let id = self.nodes.len();
        self.nodes.push(Vec::new());
        self.fill(id, schema)?;
        Ok(id)
    }

    fn fill(&mut self, id: NodeId, schema: &'a Json) -> Result<(), JsonFault> {
        self.nodes[id] = match schema {
            Json::Bool(true) => Vec::new(),
            Json::Bool(false) => vec![Rule::Never],
            Json::Object(members) => {
                let mut rules = Vec::with_capacity(members.len());
                for (keyword, value) in members {
                    let rule = self.rule(schema, keyword, value);
                    rules.extend(rule.map_err(|fault| fault.within(keyword))?);
                }
                rules
            }
            _ => {
                return Err(JsonFault::new("must be a schema: an object, true or false"));
            }
        };
        Ok(())
    }

    /// The rule of a keyword; `None` where it has none of its own.
    fn rule(
        &mut self,
        schema: &'a Json,
        keyword: &str,
        value: &'a Json,
    ) -> Result<Option<Rule>, JsonFault> {
        let bound = |bound| {
            let (limit, given) = number(value)?;
            Ok(Rule::Bound(bound, limit, given))
        };
        let rule = match keyword {
            "type" => Rule::Type(types(value)?),
            "enum" => {
                let values = list(value)?;
                Rule::Enum(values.iter().map(content).collect(), phrase(values))
            }
            "const" => Rule::Enum(vec![content(value)], phrase(std::slice::from_ref(value))),
            "minimum" => bound(Bound::Minimum)?,
            "maximum" => bound(Bound::Maximum)?,
            "exclusiveMinimum" => bound(Bound::ExclusiveMinimum)?,
            "exclusiveMaximum" => bound(Bound::ExclusiveMaximum)?,
            "multipleOf" => multiple_of(value)?,
            "minLength" => Rule::AtLeast(Measure::Characters, count(value)?),
            "maxLength" => Rule::AtMost(Measure::Characters, count(value)?),
            "minItems" => Rule::AtLeast(Measure::Elements, count(value)?),
            "maxItems" => Rule::AtMost(Measure::Elements, count(value)?),
            "minProperties" => Rule::AtLeast(Measure::Members, count(value)?),
            "maxProperties" => Rule::AtMost(Measure::Members, count(value)?),
            "pattern" => Rule::Pattern(regex(text(value)?)?),
            "required" => Rule::Required(texts(value)?),
            "dependentRequired" => {
                let dependents = members(value)?.iter().map(|(name, required)| {
                    let required = texts(required).map_err(|fault| fault.within(name))?;
                    Ok((name.clone(), required))
                });
                Rule::DependentRequired(dependents.collect::<Result<_, _>>()?)
            }
            "propertyNames" => Rule::Names(self.node(value)?),
            "contains" => Rule::Contains(self.node(value)?),
            "uniqueItems" => match value.as_bool() {
                Some(true) => Rule::Unique,
                Some(false) => return Ok(None),
                None => return Err(JsonFault::new("must be true or false")),
            },
            "allOf" => Rule::All(self.list_of_nodes(value)?),
            "anyOf" => Rule::Any(self.list_of_nodes(value)?),
            "oneOf" => Rule::One(self.list_of_nodes(value)?),
            "not" => Rule::Not(self.node(value)?),
            "$ref" => Rule::All(vec![self.referred(text(value)?)?]),
            "if" => Rule::If {
                condition: self.node(value)?,
                then: self.beside(schema, "then")?,
                otherwise: self.beside(schema, "else")?,
            },
            // One rule for all three, at the first of them; `then` and `else` belong to `if`.
            "properties" | "patternProperties" | "additionalProperties" => {
                return self.members_rule(schema, keyword);
            }
            "items" | "prefixItems" => return self.elements_rule(schema, keyword),
            "then" | "else" => return Ok(None),
            annotation if ANNOTATIONS.contains(&annotation) => return Ok(None),
            _ => {
                let reason = format!("is not supported; there are {SUPPORTED}");
                return Err(JsonFault::new(reason));
            }
        };
        Ok(Some(rule))
    }

    fn members_rule(&mut self, schema: &'a Json, keyword: &str) -> Result<Option<Rule>, JsonFault> {
        if !is_first(
            schema,
            keyword,
            &["properties", "patternProperties", "additionalProperties"],
        ) {
            return Ok(None);
        }
        let named = self.map_of_nodes(schema, "properties")?;
        let patterns = self.map_of_nodes(schema, "patternProperties")?;
        let patterns = patterns.into_iter().map(|(pattern, node)| {
            let regex = regex(&pattern).map_err(|fault| fault.within(&pattern))?;
            Ok((regex, node))
        });
        Ok(Some(Rule::Members {
            named: named.into_iter().collect(),
            patterns: patterns.collect::<Result<_, _>>()?,
            others: self.beside(schema, "additionalProperties")?,
        }))
    }

    fn elements_rule(
        &mut self,
        schema: &'a Json,
        keyword: &str,
    ) -> Result<Option<Rule>, JsonFault> {
        if !is_first(schema, keyword, &["items", "prefixItems"]) {
            return Ok(None);
        }
        let first = match schema.get("prefixItems") {
            Some(first) => self.list_of_nodes(first)?,
            None => Vec::new(),
        };
        Ok(Some(Rule::Elements {
            first,
            others: self.beside(schema, "items")?,
        }))
    }

    /// The schema that another keyword of the same schema is, if it is there.
    fn beside(&mut self, schema: &'a Json, keyword: &str) -> Result<Option<NodeId>, JsonFault> {
        let Some(beside) = schema.get(keyword) else {
            return Ok(None);
        };
        self.node(beside).map(Some)
    }

    fn list_of_nodes(&mut self, value: &'a Json) -> Result<Vec<NodeId>, JsonFault> {
        let nodes = list(value)?
            .iter()
            .enumerate()
            .map(|(index, schema)| self.node(schema).map_err(|fault| fault.at(index)));
        nodes.collect()
    }

    fn map_of_nodes(
        &mut self,
        schema: &'a Json,
        keyword: &str,
    ) -> Result<Vec<(String, NodeId)>, JsonFault> {
        let Some(value) = schema.get(keyword) else {
            return Ok(Vec::new());
        };
        let nodes = members(value)?.iter().map(|(name, schema)| {
            let node = self.node(schema).map_err(|fault| fault.within(name))?;
            Ok((name.clone(), node))
        });
        nodes.collect()
    }

    /// The node of a reference such as `#/$defs/name`.
    fn referred(&mut self, reference: &str) -> Result<NodeId, JsonFault> {
        if let Some(id) = self.referred.get(reference) {
            return Ok(*id);
        }
        let place = reference
            .strip_prefix("#/")
            .and_then(|pointer| find(self.root, pointer))
            .ok_or_else(|| {
                JsonFault::new("must lead to a place in this schema, such as `#/$defs/name`")
            })?;
        let id = self.nodes.len();
        self.nodes.push(Vec::new());
        self.referred.insert(reference.to_owned(), id);
        self.fill(id, place)?;
        Ok(id)
    }
}

/// What a JSON pointer leads to (RFC 6901).
fn find<'a>(root: &'a Json, pointer: &str) -> Option<&'a Json> {
    pointer.split('/').try_fold(root, |value, segment| {
        let name = segment.replace("~1", "/").replace("~0", "~");
        match value {
            Json::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            value => value.get(&name),
        }
    })
}

/// Whether `keyword` stands first of those of `keywords` that the schema has.
fn is_first(schema: &Json, keyword: &str, keywords: &[&str]) -> bool {
    let mut names = schema
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    names
        .find(|name| keywords.contains(&name.as_str()))
        .is_some_and(|first| first == keyword)
}

fn types(value: &Json) -> Result<Vec<Type>, JsonFault> {
    let names = match value {
        Json::Array(names) if !names.is_empty() => names.as_slice(),
        name => std::slice::from_ref(name),
    };
    let types = names.iter().map(|name| match name.as_str() {
        Some("null") => Ok(Type::Null),
        Some("boolean") => Ok(Type::Boolean),
        Some("integer") => Ok(Type::Integer),
        Some("number") => Ok(Type::Number),
        Some("string") => Ok(Type::String),
        Some("array") => Ok(Type::Array),
        Some("object") => Ok(Type::Object),
        _ => Err(JsonFault::new(
            "must be null, boolean, integer, number, string, array or object, or a list of these",
        )),
    });
    types.collect()
}

fn multiple_of(value: &Json) -> Result<Rule, JsonFault> {
    let (step, given) = number(value)?;
    let fits = step.is_positive() && step.fits(STEP_DIGITS, STEP_PLACES);
    fits.then_some(Rule::MultipleOf(step, given))
        .ok_or_else(|| {
            JsonFault::new(format!(
                "must be above 0 and have at most {STEP_DIGITS} digits"
            ))
        })
}

fn number(value: &Json) -> Result<(Decimal, Box<str>), JsonFault> {
    match value {
        Json::Number(raw) => Ok((Decimal::of(raw), raw.clone())),
        _ => Err(JsonFault::new("must be a number")),
    }
}

fn count(value: &Json) -> Result<usize, JsonFault> {
    let count = match value {
        Json::Number(raw) => raw.parse().ok(),
        _ => None,
    };
    count.ok_or_else(|| JsonFault::new("must be a whole number from 0"))
}

fn text(value: &Json) -> Result<&str, JsonFault> {
    value
        .as_str()
        .ok_or_else(|| JsonFault::new("must be a text"))
}

fn texts(value: &Json) -> Result<Vec<String>, JsonFault> {
    let texts = value.as_array().map(|elements| {
        let texts = elements
            .iter()
            .map(|element| element.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    });
    texts
        .flatten()
        .ok_or_else(|| JsonFault::new("must be a list of texts"))
}

fn list(value: &Json) -> Result<&[Json], JsonFault> {
    let elements = value.as_array().filter(|elements| !elements.is_empty());
    elements.ok_or_else(|| JsonFault::new("must be a list that is not empty"))
}

fn members(value: &Json) -> Result<&[(String, Json)], JsonFault> {
    value
        .as_object()
        .ok_or_else(|| JsonFault::new("must be an object"))
}

fn regex(pattern: &str) -> Result<Regex, JsonFault> {
    Regex::new(pattern).map_err(|fault| {
        JsonFault::new(format!(
            "must be a regular expression (without look-around and back-references): {fault}"
        ))
    })
}

/// A value by which equal ones are equal.
fn content(value: &Json) -> Vec<u8> {
    let mut content = Vec::new();
    value.write_content(&mut content);
    content
}

fn phrase(values: &[Json]) -> String {
    let texts: Vec<_> = values
        .iter()
        .filter_map(|value| serde_json::to_string(value).ok())
        .collect();
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("one of {}", many.join(", ")),
    }
}

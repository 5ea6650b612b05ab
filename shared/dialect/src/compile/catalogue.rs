//! Types, groups and samples.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use rung_json::{Json, limits::JSON_DEPTH, schema::Schema};
use toml::Spanned;

use crate::{
    Dialect, EventFacts,
    catalogue::{AnyType, Catalogue, EventType, is_event_type},
    fault::Fault,
    file::{DialectFile, TypeFile},
    limits::EVENT_TYPE_CHARS,
};

pub(super) fn compile(file: &DialectFile, text: &str) -> Result<Catalogue, Fault> {
    if file.types.is_empty() && file.any_type.is_none() {
        return Err(Fault {
            at: 0,
            reason: "a dialect lists its types in [[type]], or takes any with [any_type]"
                .to_owned(),
        });
    }
    let mut names = HashSet::new();
    for name in file
        .types
        .iter()
        .flat_map(|listed| std::iter::once(&listed.name).chain(&listed.aliases))
    {
        check_name(name, &mut names)?;
    }
    let types = file
        .types
        .iter()
        .map(|listed| event_type(listed, file, text).map(Arc::new))
        .collect::<Result<_, _>>()?;
    for group in &file.groups {
        check_name(&group.name, &mut names)?;
        for member in &group.types {
            if !file.types.iter().any(|listed| listed.name == *member) {
                let reason = format!(
                    "the group `{}` names `{member}`, which no [[type]] has as its name",
                    group.name
                );
                return Err(Fault::new(member, reason));
            }
        }
    }
    let any_type = match &file.any_type {
        None => None,
        Some(any) if !is_event_type(any.example.get_ref()) => {
            return Err(malformed_type(&any.example));
        }
        Some(any) => Some(AnyType {
            example: any.example.get_ref().clone(),
            sample: sample(&any.sample, text)?,
        }),
    };
    let groups = file
        .groups
        .iter()
        .map(|group| group.name.get_ref().clone())
        .collect();
    Ok(Catalogue::new(types, groups, any_type))
}

fn event_type(listed: &TypeFile, file: &DialectFile, text: &str) -> Result<EventType, Fault> {
    let groups = file
        .groups
        .iter()
        .filter(|group| group.types.contains(&listed.name));
    Ok(EventType {
        name: listed.name.get_ref().clone(),
        aliases: listed
            .aliases
            .iter()
            .map(|alias| alias.get_ref().clone())
            .collect(),
        groups: groups.map(|group| group.name.get_ref().clone()).collect(),
        description: listed.description.clone(),
        sample: sample(&listed.sample, text)?,
        schema: listed
            .schema
            .as_ref()
            .map(|written| schema(written, text))
            .transpose()?,
        archived: false,
    })
}

fn schema(written: &Spanned<String>, text: &str) -> Result<Arc<Schema>, Fault> {
    let schema = Schema::compile(&object(written, text, "schema")?);
    schema
        .map(Arc::new)
        .map_err(|fault| Fault::new(written, format!("the schema is wrong at {fault}")))
}

/// Types, aliases and groups share one set of names: a subscription has nothing else to tell them apart.
fn check_name<'a>(name: &'a Spanned<String>, names: &mut HashSet<&'a str>) -> Result<(), Fault> {
    if !is_event_type(name.get_ref()) {
        return Err(malformed_type(name));
    }
    if !names.insert(name.get_ref()) {
        return Err(Fault::new(
            name,
            format!("the name `{name}` is used twice among types, aliases and groups"),
        ));
    }
    Ok(())
}

fn malformed_type(name: &Spanned<String>) -> Fault {
    let reason = format!(
        "`{name}`: a name of types has 1 to {EVENT_TYPE_CHARS} characters out of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`"
    );
    Fault::new(name, reason)
}

fn sample(written: &Spanned<String>, text: &str) -> Result<Json, Fault> {
    object(written, text, "sample")
}

/// Reads the JSON object that a sample or schema is.
fn object(written: &Spanned<String>, text: &str, what: &str) -> Result<Json, Fault> {
    const LITERAL: &str = "'''\n";
    match Json::parse(written.get_ref().as_bytes(), JSON_DEPTH) {
        Ok(value @ Json::Object(_)) => Ok(value),
        Ok(_) => Err(Fault::new(written, format!("a {what} is a JSON object"))),
        Err(fault) => {
            // Only a multi-line literal stands in the file byte for byte; elsewhere the value's own line must do.
            let start = written.span().start;
            let is_literal = text
                .get(start..)
                .is_some_and(|rest| rest.starts_with(LITERAL));
            Err(Fault {
                at: if is_literal {
                    start + LITERAL.len() + fault.offset
                } else {
                    start
                },
                reason: format!("the {what} is not JSON: {fault}"),
            })
        }
    }
}

/// Whatever a dialect shows must be publishable and deliverable in it.
pub(super) fn check_samples(file: &DialectFile, dialect: &Dialect) -> Result<(), Fault> {
    let listed = file
        .types
        .iter()
        .map(|listed| (&listed.name, &listed.sample));
    let any = file.any_type.iter().map(|any| (&any.example, &any.sample));
    for (name, place) in listed.chain(any) {
        let Some(data) = dialect.catalogue.sample(name.get_ref()) else {
            continue;
        };
        let facts = EventFacts {
            id: "evt",
            event_type: name.get_ref(),
            data,
            time: Timestamp::UNIX_EPOCH,
            is_time_given: false,
            request_id: "req",
            metadata: None,
        };
        let listed = dialect.catalogue.get(name.get_ref());
        let schema = listed.and_then(|listed| listed.schema.as_ref());
        if let Some(fault) = schema.and_then(|schema| schema.check(data).violations.pop()) {
            let reason = format!(
                "the sample of `{name}` is not as its schema says at {}: {}",
                fault.path, fault.problem
            );
            return Err(Fault::new(place, reason));
        }
        if let Err(fault) = dialect.body(&facts) {
            return Err(Fault::new(
                place,
                format!("the sample of `{name}` cannot be delivered: {fault}"),
            ));
        }
    }
    Ok(())
}

//! Types, groups and samples.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use rung_json::{Json, limits::JSON_DEPTH, schema::Schema};

use super::text_or_empty;
use crate::{
    Dialect, EventFacts,
    catalogue::{AnyType, Catalogue, EventType, RESERVED_SEGMENT, is_event_type, is_reserved_type},
    document::{Table, Text},
    fault::Faults,
    headers::is_printable,
    limits::EVENT_TYPE_CHARS,
};

pub(super) fn compile(file: &Table<'_>, text: &str, faults: &Faults) -> Catalogue {
    let types = file.tables("type");
    let groups = file.tables("group");
    if !file.has("type") && !file.has("any_type") {
        let mend = "list them in `[[type]]`, or take any with `[any_type]`";
        faults.add(0, "the file names no types of events", mend);
    }
    let mut names = HashSet::new();
    let mut wires = HashSet::new();
    for table in &types {
        if let Some(name) = table.text("name") {
            check_name(name, &mut names, faults);
            wires.insert(table.text("wire").map_or(name.text, |wire| wire.text));
        }
        for alias in table.texts("aliases") {
            check_name(alias, &mut names, faults);
        }
    }
    check_wires(&types, &wires, faults);
    for group in &groups {
        let Some(name) = group.text("name") else {
            continue;
        };
        check_name(name, &mut names, faults);
        for member in group.texts("types") {
            let is_listed = |table: &Table<'_>| {
                table
                    .text("name")
                    .is_some_and(|one| one.text == member.text)
            };
            if !types.iter().any(is_listed) {
                let reason = format!(
                    "the group `{}` names `{}`, which no [[type]] has as its name",
                    name.text, member.text
                );
                faults.add(
                    member.at,
                    reason,
                    "add the type, or leave it out of the group",
                );
            }
        }
    }
    let any_type = file.table("any_type").and_then(|any| {
        let example = any.text("example")?;
        check_type(example, faults);
        Some(AnyType {
            example: example.text.to_owned(),
            sample: sample(&any, text, faults)?,
        })
    });
    let types = types
        .iter()
        .filter_map(|table| event_type(table, &groups, text, faults).map(Arc::new));
    let groups = groups
        .iter()
        .filter_map(|group| Some(group.text("name")?.text.to_owned()));
    Catalogue::new(types.collect(), groups.collect(), any_type)
}

/// A receiver can tell types apart on the wire, and a header can have them.
fn check_wires(types: &[Table<'_>], wires: &HashSet<&str>, faults: &Faults) {
    let named = types.iter().filter(|table| table.has("name")).count();
    let mut seen = HashSet::new();
    for table in types {
        let Some(wire) = table.text("wire") else {
            continue;
        };
        if !is_printable(wire.text) || wire.text.trim() != wire.text || wire.text.is_empty() {
            let mend =
                "it is printable ASCII characters without blanks around them, as in \"Push Hook\"";
            faults.add(
                wire.at,
                format!("`{}` cannot go on the wire", wire.text),
                mend,
            );
        } else if wires.len() < named && !seen.insert(wire.text) {
            let reason = format!("two types are `{}` on the wire", wire.text);
            faults.add(wire.at, reason, "give one of them another `wire`");
        }
    }
}

fn event_type(
    table: &Table<'_>,
    groups: &[Table<'_>],
    text: &str,
    faults: &Faults,
) -> Option<EventType> {
    let name = table.text("name")?;
    let of_it = groups
        .iter()
        .filter(|group| group.texts("types").iter().any(|one| one.text == name.text));
    let aliases = table.texts("aliases").into_iter();
    Some(EventType {
        name: name.text.to_owned(),
        wire: table.text("wire").map(|wire| wire.text.to_owned()),
        aliases: aliases.map(|alias| alias.text.to_owned()).collect(),
        groups: of_it
            .filter_map(|group| Some(group.text("name")?.text.to_owned()))
            .collect(),
        description: text_or_empty(table, "description"),
        sample: sample(table, text, faults)?,
        schema: table
            .text("schema")
            .and_then(|written| schema(written, text, faults)),
        archived: false,
    })
}

fn schema(written: Text<'_>, text: &str, faults: &Faults) -> Option<Arc<Schema>> {
    match Schema::compile(&object(written, text, "schema", faults)?) {
        Ok(schema) => Some(Arc::new(schema)),
        Err(fault) => {
            let mend = "docs/event-types.md lists what a schema can say";
            faults.add(written.at, format!("the schema is wrong at {fault}"), mend);
            None
        }
    }
}

/// Types, aliases and groups share one set of names: a subscription has nothing else to tell them apart.
fn check_name<'a>(name: Text<'a>, names: &mut HashSet<&'a str>, faults: &Faults) {
    check_type(name, faults);
    if !names.insert(name.text) {
        let reason = format!(
            "the name `{}` is used twice among types, aliases and groups",
            name.text
        );
        faults.add(name.at, reason, "rename one of the two");
    }
}

/// What the API refuses, no file has: nobody could publish it or subscribe to it.
fn check_type(name: Text<'_>, faults: &Faults) {
    if is_reserved_type(name.text) {
        let reason = format!(
            "`{}` ends with the segment `{RESERVED_SEGMENT}`, which no name of types may",
            name.text
        );
        let mend = "use another name; what goes on the wire may be this one, as `wire` of a type";
        faults.add(name.at, reason, mend);
    }
    if is_event_type(name.text) {
        return;
    }
    let mend = format!(
        "a name of types has 1 to {EVENT_TYPE_CHARS} characters out of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, with no segment that is empty, `.` or `..`; what goes on the wire may be \
         another text, as in `wire = \"Push Hook\"`"
    );
    faults.add(
        name.at,
        format!("`{}` cannot be a name of types", name.text),
        mend,
    );
}

fn sample(table: &Table<'_>, text: &str, faults: &Faults) -> Option<Json> {
    object(table.text("sample")?, text, "sample", faults)
}

/// Reads the JSON object that a sample or schema is.
fn object(written: Text<'_>, text: &str, what: &str, faults: &Faults) -> Option<Json> {
    const LITERAL: &str = "'''\n";
    match Json::parse(written.text.as_bytes(), JSON_DEPTH) {
        Ok(value @ Json::Object(_)) => Some(value),
        Ok(_) => {
            let mend = format!("a {what} is a JSON object");
            faults.add(written.at, format!("the {what} is not an object"), mend);
            None
        }
        Err(fault) => {
            // Only a multi-line literal stands in the file byte for byte; elsewhere the value's own line must do.
            let start = written.at;
            let is_literal = text
                .get(start..)
                .is_some_and(|rest| rest.starts_with(LITERAL));
            let at = if is_literal {
                start + LITERAL.len() + fault.offset
            } else {
                start
            };
            faults.add(
                at,
                format!("the {what} is not JSON: {fault}"),
                "write it as `'''{\"name\": \"value\"}'''`",
            );
            None
        }
    }
}

/// Whatever a dialect shows must be publishable and deliverable in it.
pub(super) fn check_samples(file: &Table<'_>, dialect: &Dialect, faults: &Faults) {
    let listed = file.tables("type").into_iter().map(|table| (table, "name"));
    let any = file.table("any_type").map(|table| (table, "example"));
    for (table, key) in listed.chain(any) {
        let (Some(name), Some(place)) = (table.text(key), table.text("sample")) else {
            continue;
        };
        let Some(data) = dialect.catalogue.sample(name.text) else {
            continue;
        };
        let name = name.text;
        let listed = dialect.catalogue.get(name);
        let schema = listed.and_then(|listed| listed.schema.as_ref());
        if let Some(fault) = schema.and_then(|schema| schema.check(data).violations.pop()) {
            let reason = format!(
                "the sample of `{name}` is not as its schema says at {}: {}",
                fault.path, fault.problem
            );
            faults.add(place.at, reason, "change the sample or the schema");
        }
        let facts = EventFacts {
            id: "evt",
            event_type: name,
            data,
            time: Timestamp::UNIX_EPOCH,
            is_time_given: false,
            request_id: "req",
            metadata: None,
        };
        if let Err(fault) = dialect.body(&facts) {
            let reason = format!("the sample of `{name}` cannot be delivered: {fault}");
            faults.add(
                place.at,
                reason,
                "change the sample, or what the dialect says of the body",
            );
        }
    }
}

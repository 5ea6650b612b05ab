//! An event type as a request gives it, whole.

use rung_api::{
    ApiError, Code, Fields,
    limits::{DESCRIPTION_CHARS, EVENT_TYPE_GROUPS, SAMPLE_BYTES},
    read,
};
use rung_base::clock::timestamp;
use rung_core::{
    aside::aside,
    domain::event_type::{Definition, Deprecated},
};
use rung_dialect::{BodyFault, Catalogue, Dialect, EventFacts, is_event_type, is_reserved_type};
use rung_json::{Json, JsonFault, JsonPath, schema::Schema};

use super::Types;
use crate::read_only::{self, ReadOnly};

/// All that a request says of an event type, and what stands for the rest.
pub(super) struct Whole {
    groups: Vec<String>,
    description: Option<String>,
    sample: Option<Json>,
    schema: Option<Json>,
    deprecated: Option<Deprecated>,
    archived: bool,
}

impl Whole {
    /// Reads the definition of the type `name`. Groups and a sample that are left out are those in force beneath it: nobody who
    /// subscribes to a group loses a type because its description was changed.
    pub(super) fn read(
        body: &Json,
        types: &Types,
        name: &str,
        now_ms: u64,
    ) -> Result<Self, ApiError> {
        let beneath = types.beneath(name);
        let mut fields = Fields::of(body)?;
        let shown = types.view(name);
        let shown = shown.map_or_else(
            || Some(types.view_to_be(name)),
            |shown| serde_json::to_value(shown).ok(),
        );
        let settled = ["type", "tenant_id", "source", "aliases"].map(ReadOnly::Settled);
        read_only::check(&mut fields, &settled, shown.as_ref());
        let counted = [ReadOnly::Number("schema_version")];
        read_only::check(&mut fields, &counted, shown.as_ref());
        let groups = fields.optional("groups", |value| {
            groups(value, name, &types.spoken.catalogue)
        });
        let description = fields.text("description", DESCRIPTION_CHARS);
        let given = fields.optional("sample", sample).cloned();
        let schema = fields.optional("schema", Ok);
        let compiled = schema.map(|schema| aside(|| Schema::compile(schema)));
        let compiled = match compiled.transpose() {
            Ok(compiled) => compiled,
            Err(JsonFault { mut path, reason }) => {
                path.enter_key("schema");
                fields.problem(&path.to_string(), reason);
                None
            }
        };
        let deprecated = match fields
            .given("deprecated")
            .filter(|given| **given != Json::Null)
        {
            Some(given) => Some(deprecated(given, now_ms)?),
            None => None,
        };
        let archived = fields.optional("archived", read::flag).unwrap_or(false);
        if is_group(&types.spoken.catalogue, name) {
            let problem = "is the name of a group; choose another";
            fields.problem("type", problem);
        }
        if let Some(sample) = &given {
            check_schema(&mut fields, sample, compiled.as_ref());
            check_body(&mut fields, sample, name, &types.dialect);
        }
        fields.finish()?;
        // One that somebody else wrote may be for another schema.
        let meets = |sample: &Json| {
            let compiled = compiled.as_ref();
            compiled.is_none_or(|schema| schema.check(sample).violations.is_empty())
        };
        let sample = given.or_else(|| beneath.sample.filter(meets));
        Ok(Self {
            groups: groups.unwrap_or(beneath.groups),
            description,
            sample,
            schema: schema.cloned(),
            deprecated,
            archived,
        })
    }

    /// The definition, in place of the one that was there.
    pub(super) fn definition(self, name: &str, before: Option<&Definition>) -> Definition {
        let schemas = before.map_or(0, |before| before.schema_version);
        let had = before.and_then(|before| before.schema.as_ref());
        let is_new = self.schema.is_some() && self.schema.as_ref() != had;
        Definition {
            name: name.to_owned(),
            groups: self.groups,
            description: self.description,
            sample: self.sample,
            schema: self.schema,
            schema_version: schemas + u64::from(is_new),
            deprecated: self.deprecated,
            archived: self.archived,
            revision: before.map_or(0, |before| before.revision + 1),
        }
    }
}

fn is_group(catalogue: &Catalogue, name: &str) -> bool {
    catalogue.groups().iter().any(|group| group == name)
}

/// Reads the groups of a type: names that no type has, or a subscription could mean either.
fn groups(value: &Json, name: &str, catalogue: &Catalogue) -> Result<Vec<String>, String> {
    let list = read::list(value)?;
    if list.len() > EVENT_TYPE_GROUPS {
        return Err(format!("must name at most {EVENT_TYPE_GROUPS} groups"));
    }
    let mut groups: Vec<String> = Vec::with_capacity(list.len());
    for group in list {
        let group = group.as_str().filter(|group| is_event_type(group));
        let group = group.ok_or(
            "must contain names of 1 to 128 characters from A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, with no segment that is empty, `.` or `..`",
        )?;
        if is_reserved_type(group) {
            return Err(format!(
                "{group:?} ends with the segment `schema`, which no group may"
            ));
        }
        if group == name || catalogue.get(group).is_some() {
            return Err(format!(
                "{group:?} is the name of an event type; choose another"
            ));
        }
        if groups.iter().any(|known| known == group) {
            return Err(format!("names {group:?} twice"));
        }
        groups.push(group.to_owned());
    }
    Ok(groups)
}

fn sample(value: &Json) -> Result<&Json, String> {
    let object = read::object(value)?;
    match serde_json::to_string(object) {
        Ok(text) if text.len() <= SAMPLE_BYTES => Ok(object),
        _ => Err(format!("must have at most {SAMPLE_BYTES} bytes as JSON")),
    }
}

/// Reads since when a type is deprecated, now unless it says so, and what takes its place.
fn deprecated(value: &Json, now_ms: u64) -> Result<Deprecated, ApiError> {
    let mut fields = Fields::at(value, "deprecated")?;
    let since_ms = fields.optional("since", read::time_ms);
    let replacement = fields.optional("use", |value| {
        let name = value.as_str().filter(|name| is_event_type(name));
        name.map(str::to_owned)
            .ok_or_else(|| "must be an event type".to_owned())
    });
    fields.finish()?;
    Ok(Deprecated {
        since_ms: since_ms.unwrap_or(now_ms),
        r#use: replacement,
    })
}

/// Notes where a sample is not as its schema says.
fn check_schema(fields: &mut Fields<'_>, sample: &Json, schema: Option<&Schema>) {
    let violations = schema.map(|schema| aside(|| schema.check(sample)).violations);
    for violation in violations.into_iter().flatten() {
        let field = place("sample", violation.path);
        fields.problem_of(Code::SchemaViolation, &field, violation.problem);
    }
}

fn place(member: &str, mut path: JsonPath) -> String {
    path.enter_key(member);
    path.to_string()
}

/// Notes why a sample cannot be delivered in the dialect.
fn check_body(fields: &mut Fields<'_>, sample: &Json, name: &str, dialect: &Dialect) {
    let facts = EventFacts {
        id: "evt",
        event_type: name,
        data: sample,
        time: timestamp(0),
        is_time_given: false,
        request_id: "req",
        metadata: None,
    };
    let fault = match dialect.body(&facts) {
        Ok(_) => return,
        Err(fault) => fault,
    };
    let (code, field) = match &fault {
        BodyFault::TooLarge { .. } => (Code::PayloadTooLarge, "sample".to_owned()),
        BodyFault::UnstableNumber(fault) => {
            let path = fault.path.to_string();
            (Code::UnstableNumber, path.replacen("data", "sample", 1))
        }
        BodyFault::ReservedMember { member, .. } => {
            (Code::ReservedMember, format!("sample.{member}"))
        }
        BodyFault::UnreadableName { path } => {
            let path = path.to_string();
            (Code::ReservedMember, path.replacen("data", "sample", 1))
        }
        BodyFault::NoHeaderValue { field } => {
            (Code::InvalidRequest, field.replacen("data", "sample", 1))
        }
        BodyFault::NotAnObject { .. } => (Code::InvalidRequest, "sample".to_owned()),
    };
    fields.problem_of(code, &field, fault.to_string());
}

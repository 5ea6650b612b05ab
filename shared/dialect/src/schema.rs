//! What is made from the table of the language: a JSON Schema for editors, and the reference in `docs/dialects.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::{
    document::span,
    language::{DIALECT, Form, SECTIONS, Section},
    value::Value,
};

/// A JSON Schema of dialect files, for editors that check TOML.
#[must_use]
pub fn schema() -> Json {
    let mut definitions = Map::new();
    for (_, section) in SECTIONS {
        definitions.insert(id(section), object(section));
    }
    let root = definitions.remove(&id(&DIALECT));
    let mut root = match root {
        Some(Json::Object(root)) => root,
        _ => Map::new(),
    };
    root.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("title".to_owned(), json!("A dialect of Rung"));
    root.insert("$defs".to_owned(), Json::Object(definitions));
    Json::Object(root)
}

/// A section's name without what only text has.
fn id(section: &Section) -> String {
    let letters = section.name.chars().map(|one| {
        if one.is_ascii_alphanumeric() {
            one
        } else {
            '_'
        }
    });
    letters.collect::<String>().trim_matches('_').to_owned()
}

fn object(section: &Section) -> Json {
    let mut properties = Map::new();
    for key in section.keys {
        let mut property = form(&key.form);
        if let Some(property) = property.as_object_mut() {
            let default = key
                .default
                .map_or_else(String::new, |default| format!(" Default: {default}."));
            property.insert(
                "description".to_owned(),
                json!(format!("{}.{default}", key.about)),
            );
        }
        properties.insert(key.name.to_owned(), property);
    }
    let needed = section.keys.iter().filter(|key| key.default.is_none());
    json!({
        "type": "object",
        "properties": properties,
        "required": needed.map(|key| key.name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

fn form(form_of: &Form) -> Json {
    match form_of {
        Form::Text => json!({ "type": "string" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Whole { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Form::Decimal { least, most } => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Form::Duration { .. } => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|min|h|d)$" }),
        Form::DurationOr { words, .. } => json!({
            "type": "string",
            "pattern": format!("^([0-9]+(ms|s|min|h|d)|{})$", words.join("|")),
        }),
        Form::Choice(words) => json!({ "type": "string", "enum": words }),
        Form::Constant => json!({ "type": ["string", "number", "boolean", "array"] }),
        Form::List { of, most } => json!({ "type": "array", "items": form(of), "maxItems": most }),
        Form::Table(section) => json!({ "$ref": format!("#/$defs/{}", id(section)) }),
        Form::Map(of) => json!({ "type": "object", "additionalProperties": form(of) }),
        Form::WordOr(words, section) => json!({
            "anyOf": [{ "enum": words }, { "$ref": format!("#/$defs/{}", id(section)) }],
        }),
    }
}

/// The reference of the language, as Markdown: every key with its form and bounds, its default, and what it is for; then every value.
#[must_use]
pub fn reference() -> String {
    let mut page = String::new();
    for (heading, section) in SECTIONS {
        _ = write!(
            page,
            "### {heading}\n\n| key | takes | default | |\n| --- | --- | --- | --- |\n"
        );
        for key in section.keys {
            let default = match key.default {
                None => "needed".to_owned(),
                // What has blanks and no quotes is a sentence.
                Some(text)
                    if text.contains('`')
                        || text.starts_with("none")
                        || text.starts_with("any ") =>
                {
                    text.to_owned()
                }
                Some(text) if text.contains(' ') && !text.contains(['"', '[', '{']) => {
                    text.to_owned()
                }
                Some("empty") => "empty".to_owned(),
                Some(text) => format!("`{text}`"),
            };
            let row = [
                format!("`{}`", key.name),
                takes(&key.form),
                default,
                key.about.to_owned(),
            ];
            let row = row.map(|cell| cell.replace('|', "\\|"));
            _ = writeln!(page, "| {} |", row.join(" | "));
        }
        page.push('\n');
    }
    page.push_str("### Values\n\n| value | |\n| --- | --- |\n");
    for (names, about) in Value::reference() {
        _ = writeln!(page, "| `{names}` | {about} |");
    }
    page
}

fn takes(form: &Form) -> String {
    match form {
        Form::Text => "a text".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Whole {
            least,
            most: u64::MAX,
        } => format!("a whole number from {least}"),
        Form::Whole { least, most } => format!("a whole number, {least} to {most}"),
        Form::Decimal { least, most } => format!("a number, {least} to {most}"),
        Form::Duration { least_ms, most_ms } => {
            format!("a duration, {} to {}", span(*least_ms), span(*most_ms))
        }
        Form::DurationOr {
            words,
            least_ms,
            most_ms,
        } => {
            format!(
                "a duration, {} to {}, or {}",
                span(*least_ms),
                span(*most_ms),
                quoted(words)
            )
        }
        Form::Choice(words) => quoted(words),
        Form::Constant => "a constant".to_owned(),
        Form::List {
            of: Form::Table(_),
            most,
        } => format!("a list of at most {most} tables"),
        Form::List { of, most } => {
            let of = match of {
                Form::Duration { .. } => "durations",
                _ => "texts",
            };
            format!("a list of at most {most} {of}")
        }
        Form::Table(_) => "a table".to_owned(),
        Form::Map(Form::Flag) => "a table of `true` and `false`".to_owned(),
        Form::Map(Form::Table(_)) => "a table of tables".to_owned(),
        Form::Map(_) => "a table of texts".to_owned(),
        Form::WordOr(words, _) => format!("{}, or a table with one key", quoted(words)),
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    words.join(", ")
}

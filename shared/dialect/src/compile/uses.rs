//! Where a file uses which values, whatever else is wrong with it.

use crate::{
    document::{Table, Text},
    template::Template,
    value::Value,
};

/// The values in headers, in the body's members and in the challenge, each with the place of the text that has it.
pub(super) fn sent(file: &Table<'_>) -> Vec<(usize, Value)> {
    let mut used = Vec::new();
    in_texts(file, "headers", &mut used);
    in_members(&file.tables("envelope"), &mut used);
    if let Some(challenge) = file.table("challenge") {
        for key in ["query", "headers"] {
            in_texts(&challenge, key, &mut used);
        }
        in_members(&challenge.tables("body"), &mut used);
    }
    used
}

/// The values of a text, if it can be read.
pub(super) fn of_text(text: Text<'_>) -> Vec<(usize, Value)> {
    let template = Template::parse(text.text).ok();
    let values = template
        .iter()
        .flat_map(Template::values)
        .map(|value| (text.at, value.clone()));
    values.collect()
}

fn in_texts(table: &Table<'_>, key: &str, used: &mut Vec<(usize, Value)>) {
    let texts = table.text_entries(key).into_iter();
    used.extend(texts.flat_map(|(_, text)| of_text(text)));
}

fn in_members(members: &[Table<'_>], used: &mut Vec<(usize, Value)>) {
    for member in members {
        if let Some(from) = member.text("from") {
            used.extend(Value::parse(from.text).map(|value| (from.at, value)));
        }
        used.extend(member.text("text").into_iter().flat_map(of_text));
        for key in ["fields", "list", "json"] {
            in_members(&member.tables(key), used);
        }
    }
}

//! A dialect file's TOML: its values with their places, held against the [`language`](super::language).
//!
//! What is of the wrong form is noted once, by [`check`]; the accessors of [`Table`] then pass over it, so that compiling goes on and
//! finds the other mistakes.

use std::ops::RangeInclusive;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fault::Faults,
    language::{DIALECT, Form, Key, Section},
};

/// Reads a file; mistakes of the TOML itself are noted.
pub(super) fn parse<'t>(text: &'t str, faults: &Faults) -> Spanned<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let at = span.start;
        let (reason, mend) = toml_mistake(error.message(), text.get(span).unwrap_or_default());
        faults.add(at, format!("this is not TOML: {reason}"), mend);
    }
    document
}

/// A mistake of the TOML itself in words for people who do not know the parser; `written` is what it is about.
fn toml_mistake(message: &str, written: &str) -> (String, &'static str) {
    const KNOWN: [(&str, &str, &str); 10] = [
        (
            "unclosed array table",
            "the brackets around a table's name are not closed",
            "write it as in `[[signature]]`",
        ),
        (
            "unclosed table",
            "the brackets around a table's name are not closed",
            "write it as in `[ladder]`",
        ),
        (
            "string values must be quoted",
            "a text is not in quotes",
            "write it in straight quotes, as in `name = \"acme\"`",
        ),
        (
            "leading zero",
            "a number begins with a zero",
            "leave the zero out",
        ),
        (
            "invalid basic string",
            "a text has a control character, or does not end where its line ends",
            "end it with a quote; write a tab as `\\t`, and texts of several lines in three quotes",
        ),
        (
            "escape",
            "a `\\` in a text begins nothing that there is",
            "write `\\\\` for the character itself, or put the text into single quotes",
        ),
        (
            "unicode",
            "the digits after `\\x`, `\\u` or `\\U` are not a character",
            "write two hexadecimal digits after `\\x`, four after `\\u`, eight after `\\U`, or the character itself; a `\\` is `\\\\`",
        ),
        (
            "invalid key-value pair",
            "here a key is expected",
            "write `key = value`; JSON and YAML are not TOML",
        ),
        (
            "carriage return",
            "a carriage return stands without a line feed",
            "end lines with a line feed",
        ),
        (
            "recursion depth",
            "lists and tables are too deep in each other",
            "use fewer levels",
        ),
    ];
    if message.contains("duplicate key") {
        let reason = format!("the key `{}` is defined before", written.trim());
        return (
            reason,
            "leave one of the two out; many tables of a name are `[[name]]`, each of them",
        );
    }
    let known = KNOWN.iter().find(|(part, ..)| message.contains(part));
    match known {
        Some((_, reason, mend)) => ((*reason).to_owned(), mend),
        None => (
            message.to_owned(),
            "write `key = value`, texts in quotes, tables as `[name]`",
        ),
    }
}

/// A text with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
}

/// A table with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) at: usize,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole file, held against the language. `is_whole` if its TOML is right: else what is missing may just be unreadable.
    pub(super) fn checked(document: &'a DeTable<'a>, is_whole: bool, faults: &Faults) -> Self {
        check_table(&DIALECT, document, is_whole.then_some(0), faults);
        Self {
            at: 0,
            entries: document,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The place of a key's value, or the table's own.
    pub(super) fn place(&self, key: &str) -> usize {
        self.get(key).map_or(self.at, |value| value.span().start)
    }

    pub(super) fn text(&self, key: &str) -> Option<Text<'a>> {
        text(self.get(key)?)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        whole(self.get(key)?.get_ref())
    }

    pub(super) fn decimal(&self, key: &str) -> Option<f64> {
        decimal(self.get(key)?.get_ref())
    }

    pub(super) fn duration_ms(&self, key: &str) -> Option<u64> {
        duration_ms(self.text(key)?.text)
    }

    pub(super) fn texts(&self, key: &str) -> Vec<Text<'a>> {
        self.elements(key).filter_map(text).collect()
    }

    pub(super) fn tables(&self, key: &str) -> Vec<Table<'a>> {
        self.elements(key).filter_map(table).collect()
    }

    pub(super) fn table(&self, key: &str) -> Option<Table<'a>> {
        table(self.get(key)?)
    }

    /// The keys and values of a table that names its keys itself.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Text<'a>, &'a Spanned<DeValue<'a>>)> {
        self.entries.iter().map(|(key, value)| {
            let key = Text {
                at: key.span().start,
                text: key.get_ref(),
            };
            (key, value)
        })
    }

    /// The same with values that are texts.
    pub(super) fn text_entries(&self, key: &str) -> Vec<(Text<'a>, Text<'a>)> {
        let entries = self.table(key);
        let entries = entries.iter().flat_map(Table::entries);
        entries
            .filter_map(|(key, value)| Some((key, text(value)?)))
            .collect()
    }

    fn elements(&self, key: &str) -> impl Iterator<Item = &'a Spanned<DeValue<'a>>> + use<'a> {
        let list = match self.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(list)) => Some(list),
            _ => None,
        };
        list.into_iter().flatten()
    }
}

pub(super) fn text<'a>(value: &'a Spanned<DeValue<'a>>) -> Option<Text<'a>> {
    match value.get_ref() {
        DeValue::String(text) => Some(Text {
            at: value.span().start,
            text,
        }),
        _ => None,
    }
}

pub(super) fn table<'a>(value: &'a Spanned<DeValue<'a>>) -> Option<Table<'a>> {
    match value.get_ref() {
        DeValue::Table(entries) => Some(Table {
            at: value.span().start,
            entries,
        }),
        _ => None,
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

fn decimal(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number as f64),
        _ => None,
    }
}

/// A whole number of milliseconds, written with its unit.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

/// A duration in the largest unit that has it whole.
pub(super) fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let whole = units
        .iter()
        .find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    whole.map_or_else(
        || format!("{ms}ms"),
        |(unit_ms, unit)| format!("{}{unit}", ms / unit_ms),
    )
}

/// The known name that is most like a mistyped one.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.map(|known| (distance(name, known), known));
    let nearest = distances.min_by_key(|(distance, _)| *distance);
    nearest
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
        .map(|(_, known)| known)
}

/// How many characters differ (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, one) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(one != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

fn names(keys: &[Key]) -> String {
    let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
    names.join(", ")
}

/// Holds a table against its section; `at` is its place, `None` if what is missing is not to be noted.
fn check_table(
    section: &'static Section,
    entries: &DeTable<'_>,
    at: Option<usize>,
    faults: &Faults,
) {
    for (name, value) in entries {
        let Some(key) = section.key(name.get_ref()) else {
            let known = section.keys.iter().map(|key| key.name);
            let mend = match nearest(name.get_ref(), known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("its keys are {}", names(section.keys)),
            };
            let reason = format!("`{}` is not a key of {}", name.get_ref(), section.name);
            faults.add(name.span().start, reason, mend);
            continue;
        };
        check(key, &key.form, value, at.is_some(), faults);
    }
    let Some(at) = at else { return };
    let missing = section.keys.iter().filter(|key| key.default.is_none());
    let missing: Vec<&Key> = missing
        .filter(|key| entries.get(key.name).is_none())
        .collect();
    if !missing.is_empty() {
        let names: Vec<String> = missing
            .iter()
            .map(|key| format!("`{}`", key.name))
            .collect();
        let reason = format!("{} needs {}", section.name, names.join(" and "));
        let examples: Vec<String> = missing
            .iter()
            .map(|key| format!("`{} = {}`", key.name, key.example))
            .collect();
        faults.add(at, reason, format!("add {}", examples.join(" and ")));
    }
}

/// Holds a value against the form of its key.
fn check(
    key: &'static Key,
    form: &'static Form,
    value: &Spanned<DeValue<'_>>,
    is_whole: bool,
    faults: &Faults,
) {
    let at = value.span().start;
    let reason = |what: &str| {
        let kind = kind(value.get_ref());
        format!("`{}` takes {what}, and this is {kind}", key.name)
    };
    let wrong = |what: &str| faults.add(at, reason(what), by_example(key));
    let out_of_bounds = |bounds: String| {
        let reason = format!("`{}` is out of bounds", key.name);
        faults.add(at, reason, format!("it is {bounds}"));
    };
    match (form, value.get_ref()) {
        (Form::Text, DeValue::String(_)) | (Form::Flag, DeValue::Boolean(_)) => {}
        (Form::Text, _) => wrong("a text in quotes"),
        (Form::Flag, _) => wrong("`true` or `false`"),
        (Form::Whole { least, most }, DeValue::Integer(_)) => {
            if !whole(value.get_ref()).is_some_and(|number| (*least..=*most).contains(&number)) {
                out_of_bounds(match *most {
                    u64::MAX => format!("at least {least}"),
                    most => format!("{least} to {most}"),
                });
            }
        }
        (Form::Whole { .. }, _) => wrong("a whole number"),
        (Form::Decimal { least, most }, DeValue::Integer(_) | DeValue::Float(_)) => {
            if !decimal(value.get_ref()).is_some_and(|number| (*least..=*most).contains(&number)) {
                out_of_bounds(format!("{least} to {most}"));
            }
        }
        (Form::Decimal { .. }, _) => wrong("a number"),
        (Form::Duration { least_ms, most_ms }, DeValue::String(text)) => {
            check_duration(key, text, *least_ms..=*most_ms, at, faults);
        }
        (
            Form::DurationOr {
                words,
                least_ms,
                most_ms,
            },
            DeValue::String(text),
        ) => {
            if !words.contains(&text.as_ref()) {
                check_duration(key, text, *least_ms..=*most_ms, at, faults);
            }
        }
        (Form::Duration { .. } | Form::DurationOr { .. }, _) => wrong("a duration in quotes"),
        (Form::Choice(words), DeValue::String(text)) if words.contains(&text.as_ref()) => {}
        (Form::Choice(words), DeValue::String(text)) => unknown_word(key, words, text, at, faults),
        (Form::Choice(_), _) => wrong("one of its words in quotes"),
        (Form::Constant, value) => check_constant(key, value, at, faults),
        (Form::List { of, most }, DeValue::Array(list)) => {
            if list.len() > *most {
                let reason = format!("`{}` has {} elements", key.name, list.len());
                faults.add(at, reason, format!("it has at most {most}"));
            }
            for element in list {
                check(key, of, element, is_whole, faults);
            }
        }
        (Form::List { .. }, _) => wrong("a list"),
        (Form::Table(section), DeValue::Table(entries)) => {
            check_table(section, entries, is_whole.then_some(at), faults);
        }
        (Form::Map(of), DeValue::Table(entries)) => {
            for (_, value) in entries {
                check(key, of, value, is_whole, faults);
            }
        }
        (Form::Table(_) | Form::Map(_), _) => wrong("a table"),
        (Form::WordOr(words, section), DeValue::String(text)) => {
            if !words.contains(&text.as_ref()) {
                let mend = words_and_tables(key, words, section);
                faults.add(at, format!("`{text}` is unknown"), mend);
            }
        }
        (Form::WordOr(_, section), DeValue::Table(entries)) => {
            check_table(section, entries, is_whole.then_some(at), faults);
            if entries.len() != 1 {
                let mend = format!("it is one of {}", names(section.keys));
                faults.add(at, format!("`{}` has one key", key.name), mend);
            }
        }
        (Form::WordOr(words, section), _) => {
            let mend = words_and_tables(key, words, section);
            faults.add(at, reason("one of its words in quotes, or a table"), mend);
        }
    }
}

fn unknown_word(key: &Key, words: &[&str], text: &str, at: usize, faults: &Faults) {
    let known: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let mend = format!("`{}` is {}", key.name, known.join(", "));
    faults.add(at, format!("`{text}` is unknown"), mend);
}

/// All words that a key takes, and an example of each table.
fn words_and_tables(key: &Key, words: &[&str], section: &Section) -> String {
    let words = words.iter().map(|word| format!("\"{word}\""));
    let words: Vec<_> = words.collect();
    let tables = section.keys.iter();
    let tables = tables.map(|one| format!("`{{ {} = {} }}`", one.name, one.example));
    let tables: Vec<_> = tables.collect();
    format!(
        "`{}` is {}, {}",
        key.name,
        words.join(", "),
        tables.join(" or ")
    )
}

/// What to write instead, by the example of a key. That of a table is its heading.
fn by_example(key: &Key) -> String {
    if key.example.trim_matches(['[', ']']) == key.name {
        format!("begin it with the line `{}`", key.example)
    } else {
        format!("for example `{} = {}`", key.name, key.example)
    }
}

fn check_duration(
    key: &Key,
    text: &str,
    bounds_ms: RangeInclusive<u64>,
    at: usize,
    faults: &Faults,
) {
    match duration_ms(text) {
        None => faults.add(
            at,
            format!("`{text}` is not a duration"),
            "write a whole number with ms, s, min, h or d, as in \"5min\"",
        ),
        Some(ms) if !bounds_ms.contains(&ms) => {
            let (least, most) = (span(*bounds_ms.start()), span(*bounds_ms.end()));
            let reason = format!("`{}` is out of bounds", key.name);
            faults.add(at, reason, format!("it is {least} to {most}"));
        }
        Some(_) => {}
    }
}

fn check_constant(key: &Key, value: &DeValue<'_>, at: usize, faults: &Faults) {
    match value {
        DeValue::String(_) | DeValue::Boolean(_) => {}
        DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_ok() => {}
        DeValue::Float(_) if decimal(value).is_some_and(f64::is_finite) => {}
        DeValue::Array(list) => {
            for element in list {
                check_constant(key, element.get_ref(), element.span().start, faults);
            }
        }
        DeValue::Table(_) => faults.add(
            at,
            format!("`{}` takes no table", key.name),
            "write an object as `fields`, which have an order: `fields = [{ key = \"v\", value = 1 }]`",
        ),
        DeValue::Integer(number) => {
            let reason = format!("`{}` cannot be {}", key.name, number.as_str());
            faults.add(at, reason, "a whole number has 64 bits: write a larger one as a text");
        }
        other => {
            let reason = format!("`{}` cannot be {}", key.name, kind(other));
            faults.add(at, reason, "a constant is a text, a number, true, false, or a list of such");
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) if !decimal(value).is_some_and(f64::is_finite) => {
            "infinite or not a number"
        }
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

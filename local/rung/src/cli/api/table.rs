//! How people see what the API answers: lists as tables, one thing as lines of names and values.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::Value;

use super::super::{
    Error,
    screen::{BAD, GOOD, QUIET, TITLE, WAITING, paint, tame},
};

/// The members that people see of a list's elements, by the list's name in the API.
const COLUMNS: &[(&str, &[&str])] = &[
    (
        "buckets",
        &[
            "start",
            "attempts",
            "succeeded",
            "failed",
            "latency_ms.p50",
            "latency_ms.p99",
        ],
    ),
    (
        "dead_letters",
        &[
            "id",
            "queue",
            "kind",
            "tenant_id",
            "webhook_id",
            "event_id",
            "attempt",
            "sent_at",
        ],
    ),
    (
        "deliveries",
        &[
            "id",
            "status",
            "event_type",
            "event_id",
            "webhook_id",
            "attempts",
            "next_attempt_at",
        ],
    ),
    (
        "entries",
        &["at", "tenant_id", "actor.id", "action", "target.id", "ip"],
    ),
    (
        "event_types",
        &["type", "source", "groups", "archived", "description"],
    ),
    (
        "events",
        &[
            "id",
            "tenant_id",
            "type",
            "created_at",
            "deliveries",
            "reason_code",
        ],
    ),
    (
        "jobs",
        &[
            "id",
            "kind",
            "status",
            "tenant_id",
            "webhook_id",
            "progress.done",
            "created_at",
            "ended_at",
        ],
    ),
    (
        "keys",
        &["id", "name", "scopes", "last_used_at", "expires_at"],
    ),
    (
        "logs",
        &[
            "attempted_at",
            "status",
            "response_status",
            "error_code",
            "event_type",
            "attempt",
            "response_time_ms",
            "tenant_id",
            "webhook_id",
            "delivery_id",
            "id",
        ],
    ),
    (
        "portal_links",
        &[
            "id",
            "capabilities",
            "webhook_id",
            "created_at",
            "expires_at",
        ],
    ),
    ("old_secrets", &["secret", "expires_at"]),
    ("profiles", &["name", "url", "key", "in_use"]),
    ("refused", &["line", "kind", "error.code", "error.message"]),
    ("signatures", &["header", "scheme"]),
    ("tenants", &["id", "name", "dialect", "plan", "created_at"]),
    (
        "webhooks",
        &["id", "tenant_id", "health", "url", "events", "name"],
    ),
];

/// A table that may come in parts: its columns stay as wide as the first part needs them.
pub(super) struct Table {
    columns: &'static [&'static str],
    widths: Vec<usize>,
}

impl Table {
    /// For a list of the API.
    pub(super) fn of(list: &str) -> Self {
        Self {
            columns: columns(list).unwrap_or(&["id"]),
            widths: Vec::new(),
        }
    }

    /// The next rows, the first ones below a heading.
    pub(super) fn rows(
        &mut self,
        rows: &[Value],
        out: &mut (impl Write + ?Sized),
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                self.columns
                    .iter()
                    .map(|column| cell(member(row, column)))
                    .collect()
            })
            .collect();
        if self.widths.is_empty() {
            let headings: Vec<_> = self.columns.iter().map(|column| heading(column)).collect();
            let widest = |(index, heading): (usize, &String)| {
                let cells = cells.iter().map(|row| row[index].chars().count());
                cells
                    .chain([heading.chars().count()])
                    .max()
                    .unwrap_or_default()
            };
            self.widths = headings.iter().enumerate().map(widest).collect();
            self.line(&headings, |_| TITLE, out)?;
        }
        for row in &cells {
            self.line(row, style, out)?;
        }
        Ok(out.flush()?)
    }

    fn line(
        &self,
        cells: &[String],
        style: impl Fn(&str) -> Style,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        for (index, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            // No blanks at the end of a line.
            let is_last = index + 1 == cells.len();
            let width = if is_last { 0 } else { *width };
            write!(out, "{:<width$}", paint(style(cell), cell))?;
            out.write_all(if is_last { b"\n" } else { b"  " })?;
        }
        Ok(())
    }
}

/// One thing: a line for each member that has a value, members of members with a dot, lists with columns as tables below.
pub(super) fn fields(thing: &Value, out: &mut (impl Write + ?Sized)) -> Result<(), Error> {
    let (mut lines, mut lists) = (Vec::new(), Vec::new());
    gather("", thing, &mut lines, &mut lists);
    let width = lines.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    for (name, value) in &lines {
        writeln!(
            out,
            "{:<width$}  {}",
            paint(QUIET, name),
            paint(style(value), value)
        )?;
    }
    for (name, rows) in lists {
        writeln!(out, "\n{}", paint(TITLE, name))?;
        Table::of(name).rows(rows, out)?;
    }
    Ok(out.flush()?)
}

fn gather<'a>(
    before: &str,
    thing: &'a Value,
    lines: &mut Vec<(String, String)>,
    lists: &mut Vec<(&'a str, &'a [Value])>,
) {
    for (name, value) in thing.as_object().into_iter().flatten() {
        let full = format!("{before}{}", tame(name));
        match value {
            Value::Null => {}
            Value::Object(_) => gather(&format!("{full}."), value, lines, lists),
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) if items[0].is_object() && columns(name).is_some() => {
                lists.push((name, items));
            }
            _ => lines.push((full, cell(value))),
        }
    }
}

fn columns(list: &str) -> Option<&'static [&'static str]> {
    let mut known = COLUMNS.iter();
    known
        .find(|(name, _)| *name == list)
        .map(|(_, columns)| *columns)
}

fn member<'a>(row: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(row, |value, name| &value[name])
}

/// `error.code` heads `CODE`, `last_used_at` `LAST USED AT`; a member of a member that has no name of its own keeps both.
fn heading(column: &str) -> String {
    let name = match column.split_once('.') {
        Some((owner, "id")) => owner,
        Some((_, name)) => name,
        None => column,
    };
    name.replace('_', " ").to_uppercase()
}

/// A value on one line, without power over the terminal.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let items: Vec<_> = items.iter().map(cell).collect();
            items.join(",")
        }
        other => other.to_string(),
    };
    tame(&text)
}

/// Colours for the words of the API that say how something stands.
fn style(value: &str) -> Style {
    match value {
        "active" | "healthy" | "succeeded" => GOOD,
        "disabled" | "failed" | "failing" => BAD,
        "held" | "missed" | "paused" | "pending" | "queued" | "running" => WAITING,
        _ => Style::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(written: Vec<u8>) -> String {
        anstream::adapter::strip_str(&String::from_utf8(written).unwrap()).to_string()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            json!({"id": "key_1", "name": "Outbox relay", "scopes": ["publish", "read"], "last_used_at": null}),
            json!({"id": "key_22", "name": "é\u{1b}[2J", "scopes": [], "expires_at": "2027"}),
        ];
        let mut written = Vec::new();
        let mut table = Table::of("keys");
        table.rows(&rows[..1], &mut written).unwrap();
        table.rows(&rows[1..], &mut written).unwrap();
        assert_eq!(
            plain(written),
            "ID     NAME          SCOPES        LAST USED AT  EXPIRES AT\n\
             key_1  Outbox relay  publish,read  -             -\n\
             key_22  é\\u{1b}[2J                  -             2027\n"
        );
    }

    #[test]
    fn one_thing_is_lines_and_what_it_lists_are_tables() {
        let stats = json!({
            "webhook_id": null,
            "attempts": 2,
            "latency_ms": {"p50": 3, "p99": null},
            "by_error": {},
            "buckets": [{"start": "10:00", "attempts": 2, "succeeded": 1, "failed": 1, "latency_ms": {"p50": 3, "p99": 4}}],
        });
        let mut written = Vec::new();
        fields(&stats, &mut written).unwrap();
        assert_eq!(
            plain(written),
            "attempts        2\n\
             latency_ms.p50  3\n\
             \n\
             buckets\n\
             START  ATTEMPTS  SUCCEEDED  FAILED  P50  P99\n\
             10:00  2         1          1       3    4\n"
        );
    }
}

//! The first chapter: each dialect delivers one event.

use std::io::Write;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use rung_base::clock::{Clock as _, SystemClock};
use rung_dialect::{Dialect, Dialects, EVERY_TYPE};
use serde_json::{Map, json};

use super::{
    Teller,
    stage::{Delivered, Stage},
};
use crate::cli::{
    Error, choice, json_line,
    screen::{BAD, GOOD, NAME, QUIET, TITLE, elide, paint},
};

/// What of a header's value and of a body is shown, in characters.
const VALUE_CHARS: usize = 62;
const BODY_CHARS: usize = 196;

pub(super) async fn play(
    stage: &mut Stage,
    teller: &mut Teller<'_, impl Write>,
) -> Result<(), Error> {
    let dialects = Dialects::builtin();
    let title = format!(
        "1  One event each, in {} dialects",
        dialects.names().count()
    );
    teller.chapter(
        &title,
        "A dialect is a file: body, headers, signature, retries. You can add your own.",
    )?;
    for dialect in dialects.iter() {
        let actor = stage.actor(&dialect.name, dialect).await?;
        let types = &dialect.catalogue;
        let event_type = types.first_type_of(EVERY_TYPE).unwrap_or_default();
        let published_ms = SystemClock.wall_ms();
        stage.publish(&actor, event_type).await?;
        let delivered = stage.arrival(&actor).await?;
        let took_ms = SystemClock.wall_ms().saturating_sub(published_ms);
        if teller.json {
            teller.told(dialect, event_type, &delivered)?;
        } else {
            teller.shown(dialect, event_type, took_ms, &delivered)?;
        }
    }
    Ok(())
}

impl<W: Write> Teller<'_, W> {
    fn told(&mut self, dialect: &Dialect, event_type: &str, it: &Delivered) -> Result<(), Error> {
        let names = choice::spelling(dialect);
        let headers: Map<_, _> = it
            .arrival
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (names.spelled(name).to_owned(), value.into())
            })
            .collect();
        let delivery = json!({
            "step": "delivery",
            "dialect": dialect.name,
            "event_type": event_type,
            "headers": headers,
            "body": String::from_utf8_lossy(&it.arrival.body),
            "signatures": it.checks,
        });
        json_line(self.out, &delivery)
    }

    fn shown(
        &mut self,
        dialect: &Dialect,
        event_type: &str,
        took_ms: u64,
        it: &Delivered,
    ) -> Result<(), Error> {
        let arrival = &it.arrival;
        let out = &mut self.out;
        writeln!(
            out,
            "  {}  {event_type}, arrived after {took_ms} ms",
            paint(TITLE, format!("{:<10}", dialect.name)),
        )?;
        writeln!(out, "    {} {}", arrival.method, arrival.path)?;
        let names = choice::spelling(dialect);
        for (name, value) in &arrival.headers {
            // What every HTTP client sends tells nothing of the dialect.
            if [HOST, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT].contains(name) || name == "accept" {
                continue;
            }
            let value = String::from_utf8_lossy(value.as_bytes());
            let check = it.checks.iter().find(|check| check.header == name.as_str());
            let verdict = check.map(|check| {
                let style = if check.verified { GOOD } else { BAD };
                format!("  {}", paint(style, check.verdict()))
            });
            writeln!(
                out,
                "    {}: {}{}",
                paint(NAME, names.spelled(name)),
                elide(&value, VALUE_CHARS),
                verdict.unwrap_or_default()
            )?;
        }
        for check in it
            .checks
            .iter()
            .filter(|check| !arrival.headers.contains_key(&check.header))
        {
            writeln!(out, "    {check}")?;
        }
        let body = String::from_utf8_lossy(&arrival.body);
        writeln!(out, "    {}\n", paint(QUIET, elide(&body, BODY_CHARS)))?;
        Ok(out.flush()?)
    }
}

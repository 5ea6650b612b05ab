//! Making calls and showing their answers.

use std::{io::Write, process::ExitCode, time::Duration};

use serde_json::Value;

use super::{
    super::{Error, json_line, prove::report},
    ask::{Ask, List, with_query},
    client::Client,
    table::{Table, fields},
};

/// The most items that a page has.
const PAGE_ITEMS: usize = 100;
/// How long to wait before a job is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A client, and where its answers go.
pub(in crate::cli) struct Session<'a> {
    pub(super) client: Client,
    pub(super) tenant: Option<String>,
    pub(super) json: bool,
    pub(super) out: &'a mut dyn Write,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        client: Client,
        tenant: Option<String>,
        json: bool,
        out: &'a mut dyn Write,
    ) -> Self {
        Self {
            client,
            tenant,
            json,
            out,
        }
    }

    /// Makes a call and shows its answer; with `wait`, once its job has ended.
    pub(super) async fn ask(&mut self, ask: Ask) -> Result<ExitCode, Error> {
        let mut data = self.client.call(ask.method, &ask.path, ask.sent).await?;
        let job = data["job"]["id"].as_str().filter(|_| ask.wait);
        if let Some(job) = job.map(str::to_owned) {
            self.note(&format!("waiting for {job} to end"));
            data["job"] = self.until_ended(&job).await?["job"].take();
        }
        self.show(&data, ask.of, ask.once)?;
        let status = ask.must_succeed.map(|thing| &data[thing]["status"]);
        Ok(match status {
            Some(status) if status != "succeeded" => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    }

    /// Makes the call that examines a receiver, and shows its report; fails if something is wrong.
    pub(super) async fn prove(&mut self, ask: Ask) -> Result<ExitCode, Error> {
        let data = self.client.call(ask.method, &ask.path, ask.sent).await?;
        let report = &data[ask.of];
        if self.json {
            json_line(self.out, report)?;
        } else {
            report::print(report, self.out)?;
        }
        Ok(match report["ok"].as_bool() {
            Some(true) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }

    /// Shows the thing that an answer is about, and after it what else the answer has.
    pub(super) fn show(&mut self, data: &Value, of: &str, once: Option<&str>) -> Result<(), Error> {
        let others = data.as_object().into_iter().flatten();
        let others = others.filter(|(name, value)| *name != of && value.is_object());
        let things = match data.get(of) {
            Some(thing) => std::iter::once(thing)
                .chain(others.map(|(_, other)| other))
                .collect(),
            None => vec![data],
        };
        for (index, thing) in things.iter().enumerate() {
            if self.json {
                json_line(self.out, thing)?;
                continue;
            }
            if index > 0 {
                writeln!(self.out)?;
            }
            let mut shown = (*thing).clone();
            let last = once.and_then(|member| shown.as_object_mut()?.shift_remove(member));
            fields(&shown, self.out)?;
            // On a line of its own, for `tail -1`.
            if let Some(text) = last.as_ref().and_then(Value::as_str) {
                writeln!(self.out, "{text}")?;
            }
        }
        Ok(())
    }

    /// Shows a list page by page.
    pub(super) async fn list<F: clap::Args + serde::Serialize>(
        &mut self,
        list: &List<F>,
        path: &str,
        of: &str,
    ) -> Result<ExitCode, Error> {
        let mut left = match list.page.all {
            true => usize::MAX,
            false => usize::try_from(list.page.limit).unwrap_or(usize::MAX),
        };
        let (mut query, mut table, mut is_empty) = (list.query(), Table::of(of), true);
        loop {
            query.insert("limit".to_owned(), left.min(PAGE_ITEMS).into());
            let page = self.client.get(&with_query(path, &query)).await?;
            let rows = page[of].as_array().map(Vec::as_slice).unwrap_or_default();
            let rows = &rows[..rows.len().min(left)];
            self.rows(&mut table, rows)?;
            (left, is_empty) = (left - rows.len(), is_empty && rows.is_empty());
            match page["next_cursor"].as_str() {
                Some(_) if left == 0 => {
                    self.note("there are more: --limit N or --all shows them");
                    break;
                }
                Some(cursor) => query.insert("cursor".to_owned(), cursor.into()),
                None => break,
            };
        }
        if is_empty {
            self.note("none found");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows rows of a list.
    pub(super) fn rows(&mut self, table: &mut Table, rows: &[Value]) -> Result<(), Error> {
        if self.json {
            return rows.iter().try_for_each(|row| json_line(self.out, row));
        }
        table.rows(rows, self.out)
    }

    /// Tells people something that is no part of the answer.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("rung: {text}");
        }
    }

    /// Waits for the end of a job, and gives the answer that shows it.
    pub(super) async fn until_ended(&self, job: &str) -> Result<Value, Error> {
        let path = format!("/v1/jobs/{job}");
        loop {
            let data = self.client.get(&path).await?;
            if !data["job"]["ended_at"].is_null() {
                return Ok(data);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

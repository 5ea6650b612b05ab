//! `rung export` and `rung import`: moving tenants to another deployment, or keeping a copy.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use http::{HeaderMap, Method, header};
use rung_api::limits::{IMPORT_BYTES, IMPORT_LINES};
use serde::Serialize;
use serde_json::Value;

use super::{
    super::json_line,
    Error, Remote, Session,
    client::{CallError, Sent},
    table::Table,
};

/// The flags of `export`.
#[derive(clap::Args)]
#[command(after_help = "\
Without `--include secrets`, each webhook gets a new secret where it is imported.

Examples:
  rung export --output rung.ndjson    # all tenants
  rung export --tenant acme --include secrets | rung import --profile new")]
pub(crate) struct Export {
    /// What is left out otherwise: secrets, events or logs; repeatable
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    include: Vec<String>,
    /// A file for the lines, which only you can read [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there already
    #[arg(long, requires = "output")]
    force: bool,
}

/// The flags of `import`.
#[derive(clap::Args)]
#[command(after_help = "\
An import can be repeated: what already matches a line is left alone. It fails if a line is
refused; the others are imported.

Examples:
  rung import rung.ndjson
  rung export --profile old --tenant acme --include secrets | rung import --profile new")]
pub(crate) struct Import {
    /// A file with the lines of an export; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Request<'a> {
    include: &'a [String],
}

impl Remote for Export {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        if let Some(path) = self.output.as_ref().filter(|_| !self.force)
            && path.symlink_metadata().is_ok()
        {
            return Err(is_there(path).into());
        }
        let request = Request {
            include: &self.include,
        };
        let begun = session.client.post("/v1/exports", &request).await?;
        let job = begun["job"]["id"].as_str().unwrap_or_default();
        let ended = session.until_ended(job).await?;
        if ended["job"]["status"] != "succeeded" {
            return Err(
                format!("the export did not succeed: `rung jobs show {job}` says why").into(),
            );
        }
        let first = format!("/v1/jobs/{job}/output");
        match &self.output {
            // The stream of the session takes out colours: what it takes for some may be part of a text.
            None => pages(session, first, &mut io::stdout().lock()).await?,
            Some(path) => {
                let told = |error: io::Error| format!("--output {}: {error}", path.display());
                let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
                let folder = folder.unwrap_or_else(|| Path::new("."));
                // What is wrong with the file below tells its own name, which nobody knows.
                fs::metadata(folder).map_err(told)?;
                // It has the mode 0600, and takes its place when it is whole.
                let mut file = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
                pages(session, first, &mut file).await?;
                let kept = match self.force {
                    true => file.persist(path),
                    false => file.persist_noclobber(path),
                };
                kept.map_err(|error| match error.error.kind() {
                    io::ErrorKind::AlreadyExists => is_there(path),
                    _ => told(error.error),
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn is_there(path: &Path) -> String {
    format!(
        "--output {}: the file is there already; choose another, or replace it with --force",
        path.display()
    )
}

/// Writes page after page.
async fn pages(
    session: &Session<'_>,
    first: String,
    out: &mut impl io::Write,
) -> Result<(), Error> {
    let mut next = Some(first);
    while let Some(path) = next {
        let page = session
            .client
            .send(Method::GET, &path, Sent::Nothing)
            .await?;
        out.write_all(&page.body)?;
        next = next_page(&page.headers);
    }
    Ok(out.flush()?)
}

/// `</v1/…>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (path, relation) = link.strip_prefix('<')?.split_once('>')?;
    relation.contains("rel=\"next\"").then(|| path.to_owned())
}

impl Remote for Import {
    async fn run(&self, session: &mut Session<'_>) -> Result<ExitCode, Error> {
        let lines: Box<dyn BufRead> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&self.file);
            let file = file.map_err(|error| format!("{}: {error}", self.file.display()))?;
            Box::new(BufReader::new(file))
        };
        let mut lines = Lines {
            lines,
            waiting: VecDeque::new(),
            handled: 0,
        };
        let mut counts = Counts::default();
        let mut refused = Table::of("refused");
        while lines.fill()? {
            let batch = lines.batch();
            let taken = session
                .client
                .call(Method::POST, "/v1/import", Sent::Lines(batch.into()));
            let taken = match taken.await {
                // All of these lines were refused, and each says why.
                Err(CallError::Refused { data, .. }) if data["results"].is_array() => data,
                taken => taken.inspect_err(|_| {
                    session.note(&format!(
                        "{} lines were handled; an import can be repeated",
                        lines.handled
                    ));
                })?,
            };
            let results = lines.number(
                taken["results"]
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default(),
            );
            counts.add(&results);
            if session.json {
                results
                    .iter()
                    .try_for_each(|result| json_line(session.out, result))?;
            } else {
                let unknown = results.iter().filter_map(unknown_events);
                unknown.for_each(|told| session.note(&told));
                let bad: Vec<_> = results
                    .into_iter()
                    .filter(|result| !result["error"].is_null())
                    .collect();
                session.rows(&mut refused, &bad)?;
            }
            lines.drop_handled(taken["next_line"].as_u64())?;
        }
        if !session.json {
            writeln!(session.out, "{counts}")?;
        }
        Ok(match counts.refused {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

/// What to tell of a line whose webhook subscribes to what its dialect does not know.
fn unknown_events(result: &Value) -> Option<String> {
    let events = result["unknown_events"].as_array()?.iter();
    let events: Vec<_> = events.filter_map(Value::as_str).collect();
    let line = &result["line"];
    (!events.is_empty()).then(|| {
        format!(
            "line {line}: the webhook subscribes to what its dialect does not know: {}",
            events.join(", ")
        )
    })
}

/// Lines on their way to Rung, as many at a time as one import takes.
struct Lines {
    lines: Box<dyn BufRead>,
    waiting: VecDeque<Vec<u8>>,
    /// How many lines went before those that wait.
    handled: u64,
}

impl Lines {
    /// Reads as many lines as there is room for; whether there are any.
    fn fill(&mut self) -> Result<bool, Error> {
        let mut bytes: usize = self.waiting.iter().map(Vec::len).sum();
        while self.waiting.len() < IMPORT_LINES && bytes < IMPORT_BYTES / 2 {
            let (mut line, most) = (Vec::new(), IMPORT_BYTES / 2);
            let limit = u64::try_from(most).unwrap_or(u64::MAX);
            let read = (&mut self.lines).take(limit).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if read == most && line.last() != Some(&b'\n') {
                let number = self.handled + u64::try_from(self.waiting.len()).unwrap_or(0) + 1;
                return Err(format!(
                    "line {number} is longer than {most} bytes, so it is not a line of an export"
                )
                .into());
            }
            bytes += read;
            self.waiting.push_back(line);
        }
        Ok(!self.waiting.is_empty())
    }

    fn batch(&self) -> Vec<u8> {
        let mut batch = Vec::new();
        for line in &self.waiting {
            batch.extend_from_slice(line);
            if line.last() != Some(&b'\n') {
                batch.push(b'\n');
            }
        }
        batch
    }

    /// The results with the numbers that their lines have here.
    fn number(&self, results: &[Value]) -> Vec<Value> {
        let mut numbered = results.to_vec();
        for result in &mut numbered {
            result["line"] = (self.handled + result["line"].as_u64().unwrap_or_default()).into();
        }
        numbered
    }

    /// Leaves the lines from `next`, counted from 1 in the batch, for another import.
    fn drop_handled(&mut self, next: Option<u64>) -> Result<(), Error> {
        let handled = match next {
            Some(next) => usize::try_from(next.saturating_sub(1))?.min(self.waiting.len()),
            None => self.waiting.len(),
        };
        if handled == 0 {
            return Err("the import makes no progress: Rung handled none of the lines".into());
        }
        self.waiting.drain(..handled);
        self.handled += u64::try_from(handled)?;
        Ok(())
    }
}

/// What came of the lines.
#[derive(Default)]
struct Counts {
    /// By kind: how many were new, and how many were there already or not to be imported.
    taken: BTreeMap<String, (u64, u64)>,
    refused: u64,
}

impl Counts {
    fn add(&mut self, results: &[Value]) {
        for result in results {
            if !result["error"].is_null() {
                self.refused += 1;
                continue;
            }
            let kind = result["kind"].as_str().unwrap_or_default().to_owned();
            let (new, there) = self.taken.entry(kind).or_default();
            match result["status"] == 201 {
                true => *new += 1,
                false => *there += 1,
            }
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (kind, (new, there)) in &self.taken {
            writeln!(f, "{kind}: {new} new, {there} unchanged or skipped")?;
        }
        match self.refused {
            1 => write!(f, "1 line refused"),
            refused => write!(f, "{refused} lines refused"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(text: &str) -> Lines {
        Lines {
            lines: Box::new(io::Cursor::new(text.to_owned().into_bytes())),
            waiting: VecDeque::new(),
            handled: 0,
        }
    }

    #[test]
    fn lines_go_in_batches_and_what_is_not_handled_goes_again() {
        let mut lines = lines("a\n\nb\nc");
        assert!(lines.fill().unwrap());
        assert_eq!(lines.batch(), b"a\n\nb\nc\n");
        lines.drop_handled(Some(3)).unwrap();
        assert!(lines.fill().unwrap());
        assert_eq!(lines.batch(), b"b\nc\n");
        assert_eq!(lines.number(&[json!({"line": 2})]), [json!({"line": 4})]);
        let stuck = lines.drop_handled(Some(1)).unwrap_err().to_string();
        assert!(stuck.contains("makes no progress"), "{stuck}");
        lines.drop_handled(None).unwrap();
        assert!(!lines.fill().unwrap());
    }

    #[test]
    fn what_a_webhook_subscribes_to_in_vain_is_told() {
        let told = unknown_events(&json!({"line": 7, "unknown_events": ["a.b", "c.*"]}));
        let told = told.unwrap_or_default();
        assert!(
            told.starts_with("line 7: ") && told.ends_with("a.b, c.*"),
            "{told}"
        );
        assert_eq!(
            unknown_events(&json!({"line": 7, "unknown_events": []})),
            None
        );
        assert_eq!(unknown_events(&json!({"line": 7})), None);
    }

    #[test]
    fn a_batch_is_no_more_than_an_import_takes() {
        let line = format!("{}\n", "x".repeat(IMPORT_BYTES / 2 - 2));
        let mut many = lines(&line.repeat(3));
        assert!(many.fill().unwrap());
        assert!(many.batch().len() <= IMPORT_BYTES, "{}", many.batch().len());
        let mut many = lines(&"\n".repeat(IMPORT_LINES + 1));
        assert!(many.fill().unwrap());
        assert_eq!(many.waiting.len(), IMPORT_LINES);
        let refused = lines(&"x".repeat(IMPORT_BYTES))
            .fill()
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with("line 1 is longer"), "{refused}");
    }

    #[test]
    fn the_next_page_is_the_one_that_the_answer_links() {
        let headers =
            |link: &'static str| HeaderMap::from_iter([(header::LINK, link.parse().unwrap())]);
        let next = headers("</v1/jobs/j/output?cursor=c>; rel=\"next\"");
        assert_eq!(next_page(&next).unwrap(), "/v1/jobs/j/output?cursor=c");
        assert_eq!(next_page(&headers("</v1>; rel=\"prev\"")), None);
        assert_eq!(next_page(&HeaderMap::new()), None);
    }
}

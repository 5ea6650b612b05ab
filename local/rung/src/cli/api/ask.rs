//! Calls of the API, put together from flags.

use std::{
    collections::BTreeMap, convert::Infallible, fmt, fs, io, path::Path, path::PathBuf,
    str::FromStr,
};

use http::Method;
use rung_base::clock::{Clock as _, SystemClock};
use rung_core::domain::time::Time;
use serde::Serialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};
use url::form_urlencoded;

use super::{
    super::{Error, choice},
    client::{Sent, json},
};

/// A call, and what of its answer is shown.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) sent: Sent,
    /// The member of the answer that it is about; all of the answer if there is none of this name.
    pub(super) of: &'static str,
    /// What the answer shows only once, last on a line of its own: a secret, a key, a link.
    pub(super) once: Option<&'static str>,
    /// Whether the end of the job is waited for.
    pub(super) wait: bool,
    /// The member of the answer without whose success the command fails.
    pub(super) must_succeed: Option<&'static str>,
}

impl Ask {
    fn new(method: Method, path: impl Into<String>, sent: Sent, of: &'static str) -> Self {
        Self {
            method,
            path: path.into(),
            sent,
            of,
            once: None,
            wait: false,
            must_succeed: None,
        }
    }

    pub(super) fn get(path: impl Into<String>, of: &'static str) -> Self {
        Self::new(Method::GET, path, Sent::Nothing, of)
    }

    pub(super) fn delete(path: impl Into<String>, of: &'static str) -> Self {
        Self::new(Method::DELETE, path, Sent::Nothing, of)
    }

    pub(super) fn post(path: impl Into<String>, body: &impl Serialize, of: &'static str) -> Self {
        Self::new(Method::POST, path, json(&given(body)), of)
    }

    /// With a body that is ready to be sent.
    pub(super) fn with(
        method: Method,
        path: impl Into<String>,
        sent: Sent,
        of: &'static str,
    ) -> Self {
        Self::new(method, path, sent, of)
    }

    pub(super) fn once(mut self, member: &'static str) -> Self {
        self.once = Some(member);
        self
    }

    pub(super) fn waiting(mut self, wait: &Wait) -> Self {
        if wait.wait {
            self.wait = true;
            return self.must_succeed("job");
        }
        self
    }

    pub(super) fn must_succeed(mut self, member: &'static str) -> Self {
        self.must_succeed = Some(member);
        self
    }
}

/// The flags of commands that begin a job.
#[derive(clap::Args)]
pub(crate) struct Wait {
    /// Wait for the end of the job; fail if it fails
    #[arg(long)]
    wait: bool,
}

/// The flags of a list: filters, and how much of it.
#[derive(clap::Args)]
pub(crate) struct List<F: clap::Args> {
    #[command(flatten)]
    pub(super) filters: F,
    #[command(flatten)]
    pub(super) page: PageFlags,
}

/// No filters.
#[derive(clap::Args, Serialize)]
pub(crate) struct NoFilters {}

#[derive(clap::Args)]
pub(crate) struct PageFlags {
    /// Show at most N
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Show all, however many there are
    #[arg(long, conflicts_with = "limit")]
    pub(super) all: bool,
    /// The order: newest first (desc) or oldest first (asc)
    #[arg(long, value_parser = ["asc", "desc"], default_value = "desc")]
    pub(super) order: String,
}

impl<F: clap::Args + Serialize> List<F> {
    /// The filters as a query.
    pub(super) fn query(&self) -> Map<String, Value> {
        let mut query = given(&self.filters);
        query.insert("order".to_owned(), self.page.order.clone().into());
        query
    }
}

/// The flags of a request with a body: its fields, of which a file may have the rest.
#[derive(clap::Args)]
pub(crate) struct Body<F: clap::Args> {
    #[command(flatten)]
    fields: F,
    /// A JSON file with fields of the request, also those without a flag; flags take precedence; - is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

impl<F: clap::Args + Serialize> Body<F> {
    pub(super) fn json(&self) -> Result<Sent, Error> {
        // As they are written: Rung judges the numbers, not this command.
        let mut fields: BTreeMap<String, Box<RawValue>> = match &self.from {
            Some(path) => {
                let text = read(path)?;
                serde_json::from_str(&text).map_err(|error| {
                    format!("--from {}: not a JSON object: {error}", path.display())
                })?
            }
            None => BTreeMap::new(),
        };
        for (name, value) in given(&self.fields) {
            fields.insert(name, to_raw_value(&value)?);
        }
        Ok(json(&fields))
    }
}

/// A file, or standard input.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(path)
    };
    Ok(text.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The flags that are given, by the names of the API's fields.
pub(super) fn given(flags: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(flags) else {
        return Map::new();
    };
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    });
    fields
}

/// A path with a query; a list of values has commas between them.
pub(super) fn with_query(path: &str, query: &Map<String, Value>) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let mut written = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    for (name, value) in query {
        written.append_pair(name, &text(value));
    }
    written.finish()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// An id of somebody's as a segment of a path: whatever it is, it leads to no other call.
#[derive(Clone)]
pub(crate) struct Segment(String);

impl Segment {
    /// As the rest of a path: a type may have slashes.
    pub(super) fn in_path(&self) -> String {
        self.to_string().replace("%2F", "/")
    }
}

impl FromStr for Segment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text, "" | "." | "..") {
            return Err("is not an id");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// A time of the API, or a span before now, such as `15min`, `2h` or `3d`.
pub(super) fn time(text: &str) -> Result<String, Infallible> {
    Ok(match choice::span(text) {
        Ok(span) => {
            let ago_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            Time::at_ms(SystemClock.wall_ms().saturating_sub(ago_ms)).to_string()
        }
        // Rung judges what a time is.
        Err(_) => text.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_stays_one_segment() {
        for (id, segment) in [
            ("acme", "acme"),
            ("order.paid", "order.paid"),
            ("acme/keys/k?x#y", "acme%2Fkeys%2Fk%3Fx%23y"),
            ("%2e%2e é", "%252e%252e%20%C3%A9"),
        ] {
            assert_eq!(id.parse::<Segment>().unwrap().to_string(), segment);
        }
        for wrong in ["", ".", ".."] {
            assert!(wrong.parse::<Segment>().is_err());
        }
    }

    #[test]
    fn a_query_has_what_is_given() {
        let query = given(
            &json!({"q": "a&b c", "status": ["failed", "held"], "n": 2, "none": null, "no": []}),
        );
        assert_eq!(
            with_query("/v1/x", &query),
            "/v1/x?q=a%26b+c&status=failed%2Cheld&n=2"
        );
        assert_eq!(with_query("/v1/x", &Map::new()), "/v1/x");
    }

    #[test]
    fn a_time_may_be_a_span_before_now() {
        assert_eq!(
            time("2026-01-31T12:00:00Z").unwrap(),
            "2026-01-31T12:00:00Z"
        );
        let ago = time("2h").unwrap();
        assert!(ago.ends_with('Z') && ago.len() == 24, "{ago}");
    }
}

//! What `listen` tells of a request.

use std::io::{self, Write};

use http::{HeaderMap, Method, StatusCode};
use rung_base::clock::timestamp;
use rung_core::domain::time::Time;
use rung_dialect::{Dialect, Reading};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::{
    check::Check,
    receiver::Arrival,
    screen::{BAD, GOOD, NAME, QUIET, TITLE, WAITING, paint, span, tame},
};

/// A request and what came of it.
pub(super) struct Report<'a> {
    pub(super) arrival: &'a Arrival,
    /// When it came, in milliseconds.
    pub(super) at_ms: u64,
    /// The dialect it looks like.
    pub(super) dialect: Option<&'a Dialect>,
    pub(super) told: Reading,
    /// `None` if nobody has asked to verify.
    pub(super) checks: Option<Vec<Check>>,
    pub(super) attempt: u32,
    /// The answer.
    pub(super) status: StatusCode,
    /// Who answered, if not this command.
    pub(super) forwarded_to: Option<&'a str>,
    pub(super) time_scale: u32,
    /// When it was answered, in milliseconds: the next wait begins then.
    pub(super) ended_ms: u64,
}

/// What the sender does next.
enum Next {
    /// Nothing: it is delivered.
    Delivered,
    /// Nothing: a test is not sent again.
    Tested,
    /// Another attempt.
    Retried(NextAttempt),
    /// Nothing: this was the last rung.
    UsedUp,
    /// What the dialect would know.
    Unknown,
}

#[derive(Serialize)]
struct NextAttempt {
    attempt: u32,
    /// On the ladder, before jitter.
    after_ms: u64,
    /// Give or take the jitter.
    expected_at: Time,
}

impl Next {
    fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Tested => "tested",
            Self::Retried(_) => "retried",
            Self::UsedUp => "used_up",
            Self::Unknown => "unknown",
        }
    }

    fn attempt(&self) -> Option<&NextAttempt> {
        match self {
            Self::Retried(attempt) => Some(attempt),
            _ => None,
        }
    }
}

impl Report<'_> {
    fn next(&self) -> Next {
        let Some(dialect) = self.dialect else {
            return Next::Unknown;
        };
        if dialect.is_success(self.status.as_u16()) {
            return Next::Delivered;
        }
        if self.arrival.headers.contains_key("rung-test") {
            return Next::Tested;
        }
        let gone = dialect.gone_disables && self.status == StatusCode::GONE;
        let rung = usize::try_from(self.attempt - 1).unwrap_or(usize::MAX);
        match dialect.ladder.waits_ms().get(rung).filter(|_| !gone) {
            None => Next::UsedUp,
            Some(after_ms) => Next::Retried(NextAttempt {
                attempt: self.attempt + 1,
                after_ms: *after_ms,
                expected_at: Time::at_ms(self.ended_ms + after_ms / u64::from(self.time_scale)),
            }),
        }
    }

    /// For programs.
    pub(super) fn json(&self, with_headers: bool) -> Value {
        let next = self.next();
        let headers: Option<Map<_, _>> = with_headers.then(|| {
            let headers = headers(&self.arrival.headers);
            headers.map(|(name, value)| (name, value.into())).collect()
        });
        json!({
            "received_at": Time::at_ms(self.at_ms),
            "method": self.arrival.method.as_str(),
            "path": self.arrival.path,
            "headers": headers,
            "body": String::from_utf8_lossy(&self.arrival.body),
            "dialect": self.dialect.map(|dialect| &dialect.name),
            "event_id": self.told.event_id,
            "event_type": self.told.event_type,
            "signatures": self.checks,
            "attempt": self.attempt,
            "status": self.status.as_u16(),
            "forwarded_to": self.forwarded_to,
            "outcome": next.name(),
            "next_attempt": next.attempt(),
        })
    }

    /// For people.
    pub(super) fn print(&self, with_headers: bool, out: &mut impl Write) -> io::Result<()> {
        let time = timestamp(self.at_ms).strftime("%H:%M:%S UTC").to_string();
        let path = tame(&self.arrival.path);
        let event_type = self.told.event_type.as_deref().map(tame);
        writeln!(
            out,
            "\n{}  {}  {}",
            paint(QUIET, time),
            paint(TITLE, event_type.as_deref().unwrap_or("a request")),
            paint(
                NAME,
                self.dialect
                    .map_or("no known dialect", |dialect| &dialect.name)
            ),
        )?;
        let id = self.told.event_id.as_deref().map(tame).unwrap_or_default();
        let method = match self.arrival.method {
            Method::POST => "",
            _ => "not a POST: ",
        };
        writeln!(
            out,
            "  {method}{} {path}  {}",
            self.arrival.method,
            paint(QUIET, id)
        )?;
        if with_headers {
            for (name, value) in headers(&self.arrival.headers) {
                writeln!(
                    out,
                    "  {}",
                    paint(QUIET, format!("{name}: {}", tame(&value)))
                )?;
            }
        }
        match &self.checks {
            Some(checks) if checks.is_empty() => {
                let (style, none) = match self.dialect.is_some_and(Dialect::proves_nothing) {
                    true => (WAITING, "? this dialect signs nothing"),
                    false => (
                        BAD,
                        "✘ this dialect has no signature for this kind of secret",
                    ),
                };
                writeln!(out, "  {}", paint(style, none))?;
            }
            Some(checks) => {
                for check in checks {
                    writeln!(out, "  {check}")?;
                }
            }
            None => {}
        }
        writeln!(
            out,
            "  {}",
            tame(&String::from_utf8_lossy(&self.arrival.body))
        )?;
        self.print_answer(out)?;
        out.flush()
    }

    fn print_answer(&self, out: &mut impl Write) -> io::Result<()> {
        let (status, attempt) = (self.status, self.attempt);
        let of = self.dialect.map_or_else(String::new, |dialect| {
            format!(" of {}", dialect.ladder.attempts())
        });
        let (style, next) = match self.next() {
            Next::Delivered => (GOOD, "delivered".to_owned()),
            Next::Tested => (WAITING, "a test, which is not retried".to_owned()),
            Next::UsedUp => (BAD, "no further attempt".to_owned()),
            Next::Unknown => (QUIET, "the next attempt depends on the dialect".to_owned()),
            Next::Retried(NextAttempt {
                attempt,
                after_ms,
                expected_at,
            }) => (
                WAITING,
                format!(
                    "attempt {attempt} after {}{}, at about {}",
                    span(after_ms),
                    self.jitter(),
                    timestamp(expected_at.ms()).strftime("%F %T UTC")
                ),
            ),
        };
        let forwarded = self
            .forwarded_to
            .map_or_else(String::new, |url| format!(" by {url}"));
        writeln!(
            out,
            "  attempt {attempt}{of}: {}{forwarded}; {}",
            paint(style, status.as_u16()),
            paint(style, next)
        )
    }

    fn jitter(&self) -> String {
        let jitter = self.dialect.map_or(0.0, |dialect| dialect.ladder.jitter());
        if jitter == 0.0 {
            return String::new();
        }
        format!(" (±{:.0} %)", jitter * 100.0)
    }
}

fn headers(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> + '_ {
    headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    })
}

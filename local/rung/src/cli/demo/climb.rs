//! The second chapter: a receiver fails up the whole ladder, and gets its event after all.

use std::{io::Write, time::Duration};

use jiff::Timestamp;
use rung_base::clock::{Clock as _, SystemClock};
use rung_dialect::Dialects;
use serde_json::{Value, json};

use super::{
    TIME_SCALE, Teller,
    stage::{Actor, Stage},
};
use crate::cli::{
    Error, json_line,
    screen::{BAD, GOOD, QUIET, WAITING, paint, span},
};

/// The dialect whose ladder is climbed, and what is delivered: its ladder takes most of a working day.
const DIALECT: &str = "odin";
const EVENT_TYPE: &str = "user.streak.achieved";
/// How often a wait is drawn.
const FRAME: Duration = Duration::from_millis(80);
const BAR_CHARS: u64 = 24;

/// An attempt as the log has it.
struct Attempt {
    /// Since the first one began, by the ladder's clock.
    since_first_ms: u64,
    /// Until the next one, likewise.
    wait_ms: Option<u64>,
    log_id: String,
}

pub(super) async fn play(
    stage: &mut Stage,
    teller: &mut Teller<'_, impl Write>,
) -> Result<(), Error> {
    let dialects = Dialects::builtin();
    let dialect = dialects.get(DIALECT).ok_or("the dialect is gone")?;
    let waits = dialect.ladder.waits_ms().iter();
    let waits: Vec<_> = waits.map(|ms| span(*ms)).collect();
    teller.chapter(
        "2  A receiver that fails",
        &format!(
            "{DIALECT} tries again after {}, then disables the webhook.\nThe ladder's clock runs {TIME_SCALE} times faster here: an hour takes a second.",
            waits.join(", ")
        ),
    )?;
    let actor = stage.actor("climber", dialect).await?;
    stage.fail(true);
    let event = stage.publish(&actor, EVENT_TYPE).await?;
    let mut log_id = String::new();
    for n in 1..=dialect.ladder.attempts() {
        stage.arrival(&actor).await?;
        let attempt = attempt(&actor, &event, n).await?;
        teller.attempt(n, &attempt)?;
        if let Some(wait_ms) = attempt.wait_ms {
            teller.wait(n + 1, wait_ms).await?;
        }
        log_id = attempt.log_id;
    }
    let disabled = |shown: &Value| (shown["webhook"]["status"] == "disabled").then_some(());
    actor.until(&actor.webhook, disabled).await?;
    teller.said(
        "disabled",
        BAD,
        "the ladder is used up: the webhook is disabled, its event kept",
    )?;

    stage.fail(false);
    let active = json!({ "status": "active" });
    actor.client.patch(&actor.webhook, &active).await?;
    let retry = format!("{}/logs/{log_id}/retry", actor.webhook);
    actor.client.post(&retry, &json!({})).await?;
    teller.said(
        "mended",
        QUIET,
        "the receiver works again, the webhook is enabled, the event is sent again",
    )?;
    stage.arrival(&actor).await?;
    let succeeded = |shown: &Value| (shown["deliveries"][0]["status"] == "succeeded").then_some(());
    actor
        .until(&format!("/v1/events/{event}"), succeeded)
        .await?;
    teller.said("delivered", GOOD, "✔ delivered and verified")
}

/// The nth attempt, once it is in the log.
async fn attempt(actor: &Actor, event: &str, n: usize) -> Result<Attempt, Error> {
    let path = format!("{}/logs?event_id={event}", actor.webhook);
    let logged = |shown: &Value| {
        let logs = shown["logs"].as_array()?;
        let time = |log: &Value, name: &str| log[name].as_str()?.parse::<Timestamp>().ok();
        let (first, log) = (logs.last()?, logs.first()?);
        let ended = time(log, "delivered_at")?;
        (logs.len() == n).then_some(Attempt {
            since_first_ms: between_ms(time(first, "attempted_at")?, time(log, "attempted_at")?),
            wait_ms: time(log, "next_attempt_at").map(|next| between_ms(ended, next)),
            log_id: log["id"].as_str()?.to_owned(),
        })
    };
    actor.until(&path, logged).await
}

fn between_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

impl<W: Write> Teller<'_, W> {
    fn attempt(&mut self, n: usize, attempt: &Attempt) -> Result<(), Error> {
        if self.json {
            let told = json!({
                "step": "attempt",
                "attempt": n,
                "since_first_ms": attempt.since_first_ms,
                "wait_ms": attempt.wait_ms,
            });
            return json_line(self.out, &told);
        }
        let next = attempt.wait_ms.map_or_else(
            || paint(BAD, "no further attempt").to_string(),
            |wait_ms| paint(WAITING, format!("next in {}", span(wait_ms))).to_string(),
        );
        writeln!(
            self.out,
            "    attempt {n}   {:<13}  {}   {next}",
            format!("+{}", rounded(attempt.since_first_ms)),
            paint(BAD, "500"),
        )?;
        Ok(self.out.flush()?)
    }

    /// Shows how a wait goes by, where somebody looks on.
    async fn wait(&mut self, next: usize, wait_ms: u64) -> Result<(), Error> {
        if !self.live {
            return Ok(());
        }
        let real_ms = wait_ms / u64::from(TIME_SCALE);
        let started_ms = SystemClock.wall_ms();
        loop {
            let passed_ms = SystemClock.wall_ms().saturating_sub(started_ms);
            if passed_ms >= real_ms {
                break;
            }
            let done = usize::try_from(passed_ms * BAR_CHARS / real_ms).unwrap_or(0);
            let bar = "━".repeat(done);
            let rest = "─".repeat(usize::try_from(BAR_CHARS).unwrap_or(0) - done);
            let left = rounded((real_ms - passed_ms) * u64::from(TIME_SCALE));
            write!(
                self.out,
                "\r    attempt {next}   {}{}  in {left}      ",
                paint(WAITING, bar),
                paint(QUIET, rest)
            )?;
            self.out.flush()?;
            tokio::time::sleep(FRAME).await;
        }
        write!(self.out, "\r{:76}\r", "")?;
        Ok(self.out.flush()?)
    }

    fn said(&mut self, step: &str, style: anstyle::Style, text: &str) -> Result<(), Error> {
        if self.json {
            return json_line(self.out, &json!({ "step": step }));
        }
        writeln!(self.out, "    {}", paint(style, text))?;
        Ok(self.out.flush()?)
    }
}

/// A span to the minute, once it is longer than one: seconds mean nothing to a clock this fast.
fn rounded(ms: u64) -> String {
    if ms < 60_000 {
        return span(ms / 1000 * 1000);
    }
    span(ms / 60_000 * 60_000)
}

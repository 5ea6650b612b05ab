//! `rung demo`: a tour that plays itself.
//!
//! It starts what `dev` starts, on throw-away data and with a fast ladder's clock, and a receiver of its own. In [`tour`] each
//! dialect delivers an event; in [`climb`] a receiver fails until its webhook is disabled, is mended, and gets its event after
//! all. Whatever arrives is verified with the webhook's secret; the tour succeeds only if everything did.

mod climb;
mod stage;
mod tour;

use std::{
    io::{IsTerminal as _, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use rung_base::clock::{Clock as _, SystemClock};
use rung_core::config::Settings;
use serde_json::json;
use tokio::sync::oneshot;

use self::stage::Stage;
use super::{
    Error, json_line,
    receiver::asked_to_end,
    runtime,
    screen::{BAD, GOOD, NAME, QUIET, TITLE, paint},
};
use crate::dev::{self, Server};

/// How much faster than the wall clock the ladder's runs: an hour is a second.
const TIME_SCALE: u32 = 3_600;

/// The flags of `demo`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung demo
  rung demo --json")]
pub(crate) struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args, out: &mut impl Write) -> Result<ExitCode, Error> {
    // Errors of Rung's own are part of what the tour shows; there should be none.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::ERROR)
        .init();
    let data = tempfile::tempdir()?;
    runtime()?.block_on(async {
        let interrupted = asked_to_end()?;
        tokio::select! {
            done = run(args, data.path(), out) => done,
            // The data goes with the scope.
            () = interrupted => Ok(ExitCode::FAILURE),
        }
    })
}

async fn run(args: &Args, data: &std::path::Path, out: &mut impl Write) -> Result<ExitCode, Error> {
    let started_ms = SystemClock.wall_ms();
    let args_of_dev = dev::Args {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data: data.to_owned(),
        admin_key: None,
        strict: false,
        time_scale: TIME_SCALE,
        ca: Vec::new(),
        dialect: Vec::new(),
        cors_origin: Vec::new(),
    };
    let server = Server::open(&args_of_dev, Settings::default()).await?;
    let mut stage = Stage::open(server.addr, &server.admin_key).await?;
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        // A tour that has failed ends it too.
        let _ = ended.await;
    }));
    let mut teller = Teller {
        json: args.json,
        live: !args.json && std::io::stdout().is_terminal(),
        out,
    };

    teller.opening(&stage)?;
    tour::play(&mut stage, &mut teller).await?;
    climb::play(&mut stage, &mut teller).await?;
    let _ = end.send(());
    serving.await??;
    stage.close().await?;
    teller.summary(&stage, SystemClock.wall_ms().saturating_sub(started_ms))?;
    Ok(if stage.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tells the story: to people in sections, to programs in lines of JSON.
struct Teller<'a, W> {
    json: bool,
    /// Whether a line may be drawn again and again.
    live: bool,
    out: &'a mut W,
}

impl<W: Write> Teller<'_, W> {
    fn opening(&mut self, stage: &Stage) -> Result<(), Error> {
        let (rung, receiver) = (&stage.rung_url, &stage.receiver_url);
        if self.json {
            let opening = json!({ "step": "start", "rung": rung, "receiver": receiver });
            return json_line(self.out, &opening);
        }
        writeln!(
            self.out,
            "{}\n{}\n\n  Rung      {}\n  receiver  {}",
            paint(TITLE, "A tour of Rung"),
            paint(QUIET, "Everything runs in this process, on temporary data."),
            paint(NAME, rung),
            paint(NAME, receiver),
        )?;
        Ok(())
    }

    fn chapter(&mut self, title: &str, note: &str) -> Result<(), Error> {
        if !self.json {
            writeln!(self.out, "\n{}", paint(TITLE, title))?;
            for line in note.lines() {
                writeln!(self.out, "{}", paint(QUIET, line))?;
            }
            writeln!(self.out)?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn summary(&mut self, stage: &Stage, took_ms: u64) -> Result<(), Error> {
        let problems = &stage.problems;
        if self.json {
            let summary = json!({
                "step": "summary",
                "ok": problems.is_empty(),
                "events": stage.events,
                "requests": stage.requests,
                "signatures_verified": stage.signatures_verified,
                "problems": problems,
                "took_ms": took_ms,
            });
            return json_line(self.out, &summary);
        }
        let counts = format!(
            "{} events, {} requests, {} signatures verified, in {}.{} s",
            stage.events,
            stage.requests,
            stage.signatures_verified,
            took_ms / 1000,
            took_ms % 1000 / 100
        );
        if problems.is_empty() {
            writeln!(
                self.out,
                "\n{} {counts}",
                paint(GOOD, "✔ Everything worked:")
            )?;
        } else {
            writeln!(
                self.out,
                "\n{} {counts}",
                paint(BAD, "✘ Something went wrong:")
            )?;
            for problem in problems {
                writeln!(self.out, "  {problem}")?;
            }
        }
        writeln!(
            self.out,
            "\n{}",
            paint(
                QUIET,
                "Next: `rung dev` runs Rung, `rung listen` receives, `rung dialects show odin` shows a dialect's rules."
            )
        )?;
        Ok(())
    }
}

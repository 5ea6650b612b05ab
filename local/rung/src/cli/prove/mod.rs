//! `rung prove`: examines a receiver before it goes live.
//!
//! It sends what Rung sends ([`request`]): genuine deliveries, which are to be accepted, and forged ones, which are to be refused.
//! What each has shown is a [`Finding`], with a mend where something is wrong ([`report`]).

mod report;
mod request;

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use http::{HeaderMap, header::LOCATION};
use rung_base::clock::{Clock as _, SystemClock};
use rung_core::egress::{self, Answer, Failure, Outgoing, Slot, Spelling, Transport as _};
use rung_dialect::Dialect;
use serde_json::json;
use url::Url;

use self::{
    report::{Finding, Outcome},
    request::{Forgery, Maker, Oddity, Request},
};
use super::{Error, choice, json_line, runtime};

/// The file descriptors for a connection at a time, and the name look-ups.
const DESCRIPTORS: usize = 32;

/// The flags of `prove`.
#[derive(clap::Args)]
#[command(after_help = "\
It sends about ten deliveries of a sample event with the header `Rung-Test: true`: your receiver may take them as tests.
Ends with 0 if nothing is wrong, else with 1, and says how to mend it.

Examples:
  RUNG_SECRET=whsec_… rung prove https://api.example.com/hooks --dialect odin
  RUNG_SECRET=whsec_… rung prove http://127.0.0.1:3000/hooks --dialect ours.toml --type order.paid --json")]
pub(crate) struct Args {
    /// The receiver's URL
    #[arg(value_name = "URL", value_parser = url)]
    url: Url,
    /// A dialect's name or the path of its file
    #[arg(long, value_name = "DIALECT", default_value = "standard")]
    dialect: String,
    /// The secret that the receiver verifies with; use RUNG_SECRET to keep it out of the process list
    #[arg(long, env = "RUNG_SECRET", hide_env_values = true)]
    secret: String,
    /// The type whose sample is sent [default: the dialect's first]
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("must be a URL with http or https".to_owned())
    }
}

pub(super) fn main(args: &Args, out: &mut impl Write) -> Result<ExitCode, Error> {
    let dialect = choice::dialect(&args.dialect)?;
    let maker = Maker::new(
        Arc::clone(&dialect),
        &args.url,
        &args.secret,
        args.event_type.as_deref(),
    )?;
    let receiver = Receiver {
        transport: egress::Client::new(
            egress::Policy::default(),
            egress::Roots::builtin(),
            DESCRIPTORS,
        ),
        url: args.url.clone(),
        dialect: Arc::clone(&dialect),
    };
    let findings = runtime()?.block_on(examine(&maker, &receiver))?;
    let is_fit = findings
        .iter()
        .all(|finding| finding.outcome != Outcome::Failed);
    if args.json {
        let report = json!({
            "url": args.url.as_str(),
            "dialect": dialect.name,
            "event_type": maker.event_type(),
            "ok": is_fit,
            "checks": findings,
        });
        json_line(out, &report)?;
    } else {
        report::print(&args.url, &dialect, &findings, out)?;
    }
    Ok(if is_fit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(maker: &Maker, receiver: &Receiver) -> Result<Vec<Finding>, Error> {
    let delivery = maker.genuine(None)?;
    let first = receiver.send(&delivery).await;
    let mut findings = vec![receiver.accepts("delivery", &first)];
    if findings[0].outcome == Outcome::Failed {
        let rest = ["repeat"].into_iter();
        let rest = rest.chain(Oddity::ALL.map(Oddity::check));
        let rest = rest
            .chain(Forgery::ALL.map(Forgery::check))
            .chain(["speed"]);
        findings.extend(rest.map(|check| Finding::skipped(check, "no delivery is accepted")));
        return Ok(findings);
    }
    let mut slowest_ms = first.elapsed_ms;
    let repeat = receiver.send(&delivery).await;
    slowest_ms = slowest_ms.max(repeat.elapsed_ms);
    findings.push(receiver.accepts("repeat", &repeat));
    for oddity in Oddity::ALL {
        findings.push(match maker.genuine(Some(oddity)) {
            Ok(request) => {
                let exchange = receiver.send(&request).await;
                slowest_ms = slowest_ms.max(exchange.elapsed_ms);
                receiver.accepts(oddity.check(), &exchange)
            }
            Err(refused) => Finding::skipped(oddity.check(), refused.to_string()),
        });
    }
    for forgery in Forgery::ALL {
        findings.push(match maker.forged(forgery)? {
            Ok(request) => receiver.refuses(forgery, &receiver.send(&request).await),
            Err(reason) => Finding::skipped(forgery.check(), reason),
        });
    }
    findings.push(speed(slowest_ms, receiver.dialect.timeout_ms));
    Ok(findings)
}

/// The receiver that is examined.
struct Receiver {
    transport: egress::Client,
    url: Url,
    dialect: Arc<Dialect>,
}

/// What came of a request.
struct Exchange {
    result: Result<Answer, Failure>,
    elapsed_ms: u64,
}

impl Exchange {
    fn status(&self) -> Option<u16> {
        let answer = self.result.as_ref().ok()?;
        Some(answer.status.as_u16())
    }
}

impl Receiver {
    async fn send(&self, request: &Request) -> Exchange {
        let outgoing = Outgoing {
            method: http::Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::from_iter(request.headers.iter().cloned()),
            spelling: self.dialect.spelled_headers().collect::<Spelling>(),
            body: request.body.clone(),
            client_certificate: None,
            timeout: Duration::from_millis(self.dialect.timeout_ms),
            http1_only: self.dialect.http1_only,
            fresh: !self.dialect.keep_alive,
        };
        let began_ms = SystemClock.wall_ms();
        let result = self.transport.post(&outgoing, &Slot::uncounted()).await;
        Exchange {
            result,
            elapsed_ms: SystemClock.wall_ms().saturating_sub(began_ms),
        }
    }

    /// A genuine delivery is accepted.
    fn accepts(&self, check: &'static str, exchange: &Exchange) -> Finding {
        let finding = Finding::passed(check, exchange.status(), Some(exchange.elapsed_ms));
        let answer = match &exchange.result {
            Err(failure) => return finding.failed(failure.to_string(), mend_of(failure)),
            Ok(answer) => answer,
        };
        let status = answer.status;
        if self.dialect.is_success(status.as_u16()) {
            return finding;
        }
        let problem = format!("it answers {status}");
        if status.is_redirection() {
            let to = answer.headers.get(LOCATION);
            let to = to.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            let to = to.and_then(|to| self.url.join(&to).ok());
            return match to {
                Some(to) => finding.failed(
                    format!("{problem}, a redirect to {to}"),
                    format!("give {to} as the webhook's URL: redirects are not followed"),
                ),
                None => finding.failed(problem, "answer by yourself: redirects are not followed"),
            };
        }
        let mend = match (check, status.as_u16()) {
            (_, 410) => "answer 410 only when no delivery is wanted any more: it may disable the webhook at once".to_owned(),
            ("repeat", _) => "accept what you know already with a success: each delivery may come more than once".to_owned(),
            ("delivery", 401 | 403) => format!(
                "is the secret the receiver's? `rung dialects show {} --snippet python` shows how to verify",
                self.dialect.name
            ),
            ("delivery", _) => "answer a success as soon as the delivery is verified and stored".to_owned(),
            _ => "accept any data that an event may have: verify the raw body, and read JSON with a parser that takes all of it".to_owned(),
        };
        finding.failed(problem, mend)
    }

    /// A forged delivery is refused.
    fn refuses(&self, forgery: Forgery, exchange: &Exchange) -> Finding {
        let check = forgery.check();
        let finding = Finding::passed(check, exchange.status(), Some(exchange.elapsed_ms));
        match &exchange.result {
            Err(failure) => finding.failed(
                failure.to_string(),
                "answer 401 to what does not verify, also when it cannot be read",
            ),
            Ok(answer) if self.dialect.is_success(answer.status.as_u16()) => finding.failed(
                format!("it answers {} to {}", answer.status, forgery.what()),
                forgery.mend(&self.dialect.name),
            ),
            Ok(answer) if answer.status.as_u16() == 410 => finding.failed(
                format!("it answers 410 to {}", forgery.what()),
                "refuse with 401: 410 says that no delivery is wanted any more, and may disable the webhook at once",
            ),
            Ok(_) => finding,
        }
    }
}

/// The slowest answer is to leave half of the time-out.
fn speed(slowest_ms: u64, timeout_ms: u64) -> Finding {
    let finding = Finding::passed("speed", None, Some(slowest_ms));
    if slowest_ms <= timeout_ms / 2 {
        return finding;
    }
    finding.failed(
        format!("an answer took {slowest_ms} ms, and the time-out is {timeout_ms} ms"),
        "answer first, and do the work afterwards",
    )
}

fn mend_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Timeout(_) => "answer first, and do the work afterwards",
        Failure::Refused => "is it running, and does it listen at this port?",
        Failure::HostNotFound | Failure::Dns => "is the host's name right, and public?",
        Failure::CertificateIssuer | Failure::CertificateSelfSigned => {
            "serve a certificate of a public authority, with its intermediate certificates"
        }
        Failure::CertificateExpired => "renew the certificate",
        Failure::CertificateName => "serve a certificate for this host's name",
        _ => "can it be reached from where Rung runs?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_leaves_less_than_half_of_the_time_is_slow() {
        assert_eq!(speed(5_000, 10_000).outcome, Outcome::Passed);
        assert_eq!(speed(5_001, 10_000).outcome, Outcome::Failed);
    }
}

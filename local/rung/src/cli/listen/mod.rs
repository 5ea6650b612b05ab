//! `rung listen`: a receiver for whoever writes one.
//!
//! Each request is read ([`report`]): which dialect it is, which signature holds, which attempt of its delivery it is and when
//! the next one is to be expected. Then it is forwarded, failed on purpose, or simply taken. With `--create`, it is a webhook of a
//! running Rung for as long as it runs ([`registration`]).

mod attempts;
mod registration;
mod report;

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rung_base::clock::{Clock as _, SystemClock};
use rung_core::egress::{self, Outgoing, Slot, Spelling, Transport as _, policy::is_framing};
use rung_dialect::{ChallengeAnswer, Dialect, limits::TOLERANCE_S};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};
use url::Url;

use self::{
    attempts::Attempts,
    registration::{Registration, Wish},
    report::Report,
};
use super::{
    Error,
    check::{Request, check, is_refused},
    choice, json_line,
    problem::Usage,
    receiver::{Arrival, asked_to_end, serve},
    runtime,
    screen::{QUIET, TITLE, paint},
};

/// How long the receiver that is forwarded to has.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(30);
/// The file descriptors for that, of those that a program has at least.
const DESCRIPTORS: usize = 128;

/// The flags of `listen`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung listen --port 9000
  RUNG_SECRET=whsec_… rung listen --dialect odin
  rung listen --fail 3 --dialect bharatcart    # the first 3 attempts of each event fail
  rung listen --forward http://127.0.0.1:3000/hooks
  rung listen --status 410                     # what happens when a receiver is gone
  rung listen --create --tenant acme           # a webhook of a running Rung, until it ends

With a secret, requests that do not verify get a 401. If a signature covers something that `listen`
cannot know, such as a tenant's id, it says so and accepts the request.")]
pub(crate) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9000", value_parser = crate::flags::address)]
    addr: SocketAddr,
    /// The port, on 127.0.0.1
    #[arg(long, value_name = "PORT", conflicts_with = "addr")]
    port: Option<u16>,
    /// The dialects to expect, by name or path of a file; repeatable
    /// [default: all built-in dialects]
    #[arg(long, value_name = "DIALECT")]
    dialect: Vec<String>,
    #[command(flatten)]
    secrets: choice::Secrets,
    /// The webhook's URL as the sender has it, if signatures cover it
    /// [default: http://, and the host and path of the request]
    #[arg(long, value_name = "URL", value_parser = crate::flags::http_url)]
    url: Option<Url>,
    /// Maximum difference between a signed time and the clock, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = TOLERANCE_S)]
    tolerance: u64,
    /// Forward requests to this URL and return its responses
    #[arg(long, value_name = "URL", value_parser = crate::flags::http_url)]
    forward: Option<Url>,
    /// Fail the first N attempts of each event
    #[arg(long, value_name = "N")]
    fail: Option<u32>,
    /// The response status; with --fail, the status of failing attempts [default: 200, with --fail 500]
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<StatusCode>,
    /// Delay before each response, such as 1500ms or 2s
    #[arg(long, value_name = "SPAN", value_parser = choice::span)]
    delay: Option<Duration>,
    /// The sender's `rung dev --time-scale`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    time_scale: u32,
    /// Exit after N requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print all headers
    #[arg(long)]
    headers: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wish: Wish,
}

/// A status that can end a request: interim ones, and what is no status of HTTP, cannot.
fn status(text: &str) -> Result<StatusCode, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (200..=599).contains(number));
    let status = number.and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| "must be a status from 200 to 599".to_owned())
}

/// Refuses a status that has no effect, or not the one that is asked for.
fn check_status(args: &Args, dialects: &[Arc<Dialect>]) -> Result<(), Usage> {
    let Some(status) = args.status else {
        return Ok(());
    };
    if args.fail.is_none() {
        return match args.forward {
            Some(_) => Err(Usage(
                "--status: add --fail, as --forward returns the status of your receiver".to_owned(),
            )),
            None => Ok(()),
        };
    }
    let succeeds = |dialect: &&Arc<Dialect>| dialect.is_success(status.as_u16());
    match dialects.iter().find(succeeds) {
        Some(dialect) => Err(Usage(format!(
            "--status: {} counts {} as a success, so nothing would fail: choose another, such as 500",
            dialect.name,
            status.as_u16()
        ))),
        None => Ok(()),
    }
}

/// Runs until it is [asked to end](asked_to_end), or until `--count` requests have come.
pub(super) fn main(args: Args) -> Result<ExitCode, Error> {
    runtime()?.block_on(run(args))
}

async fn run(mut args: Args) -> Result<ExitCode, Error> {
    let addr = args
        .port
        .map_or(args.addr, |port| (Ipv4Addr::LOCALHOST, port).into());
    let mut dialects = choice::dialects(&args.dialect)?;
    let mut secrets = args.secrets.read()?;
    check_status(&args, &dialects)?;
    let tcp = TcpListener::bind(addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}; choose another --port"))?;
    let url = format!("http://{}", tcp.local_addr()?);
    let interrupted = asked_to_end()?;
    let registration = Registration::make(&args.wish, &url).await?;
    if let Some(registration) = &registration {
        secrets.extend(registration.secret.clone());
        args.url = args.url.or_else(|| args.wish.public_url.clone());
        // What comes is in its dialect; one that is not built in is told by its headers, as without it.
        if let Some(dialect) = registration.dialect().filter(|_| args.dialect.is_empty()) {
            dialects = vec![dialect];
        }
    }
    if let Err(error) = announce(&args, &dialects, secrets.len(), &url, registration.as_ref()) {
        if let Some(registration) = registration {
            registration.remove().await?;
        }
        return Err(error);
    }
    let (enough, mut had_enough) = watch::channel(false);
    let listener = Arc::new(Listener {
        args,
        secrets,
        dialects,
        transport: egress::Client::new(
            egress::Policy::default(),
            egress::Roots::builtin(),
            DESCRIPTORS,
        ),
        seen: Mutex::default(),
        webhook_id: registration.as_ref().map(|made| made.id.clone()),
        enough,
    });
    let taker = Arc::clone(&listener);
    let answer = move |arrival| {
        let listener = Arc::clone(&taker);
        async move { listener.take(arrival).await }
    };
    let (removed, removal) = oneshot::channel();
    let ended = async move {
        tokio::select! {
            () = interrupted => {}
            _ = had_enough.wait_for(|enough| *enough) => {}
        }
        // While it still receives: what is on its way does not fail.
        let result = match registration {
            Some(registration) => registration.remove().await,
            None => Ok(()),
        };
        // It is waited for below.
        let _ = removed.send(result);
    };
    serve(tcp, answer, ended).await;
    removal.await??;
    Ok(ExitCode::SUCCESS)
}

/// Says where it listens, and for what.
fn announce(
    args: &Args,
    dialects: &[Arc<Dialect>],
    secrets: usize,
    url: &str,
    registration: Option<&Registration>,
) -> Result<(), Error> {
    let out = &mut anstream::stdout();
    if args.json {
        let webhook = registration.map(|registration| &registration.id);
        return json_line(out, &json!({ "listening": url, "webhook_id": webhook }));
    }
    let expected: Vec<_> = dialects.iter().map(|dialect| &*dialect.name).collect();
    writeln!(out, "{} {url}", paint(TITLE, "rung: receiving at"))?;
    if let Some(registration) = registration {
        writeln!(out, "{}", paint(QUIET, registration))?;
    }
    let secrets = match secrets {
        0 => "not verifying, because no secret is given".to_owned(),
        1 => "verifying with 1 secret".to_owned(),
        n => format!("verifying with {n} secrets"),
    };
    let expected = format!("expecting {}; {secrets}", expected.join(", "));
    writeln!(out, "{}", paint(QUIET, expected))?;
    Ok(out.flush()?)
}

/// The URL that is forwarded to with the query of the request, after its own: a challenge may stand there.
fn with_query(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    if let Some((_, query)) = path.split_once('?') {
        let own = url.query().map(|own| format!("{own}&{query}"));
        url.set_query(Some(own.as_deref().unwrap_or(query)));
    }
    url
}

struct Listener {
    args: Args,
    secrets: Vec<String>,
    dialects: Vec<Arc<Dialect>>,
    transport: egress::Client,
    seen: Mutex<Seen>,
    /// That of `--create`.
    webhook_id: Option<String>,
    /// Tells that as many requests have come as were asked for.
    enough: watch::Sender<bool>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    attempts: Attempts,
}

impl Listener {
    async fn take(&self, arrival: Arrival) -> Response {
        let wall_ms = SystemClock.wall_ms();
        let dialect = self.dialect_of(&arrival);
        let told = dialect.map(|dialect| dialect.read(&arrival.headers, &arrival.body));
        let told = told.unwrap_or_default();
        let challenge = self.challenge(&arrival);
        // Not every dialect signs its challenge as it signs deliveries.
        let is_signed = challenge.is_none()
            || dialect.is_some_and(|dialect| dialect.unsigned_challenge().is_none());
        let url = self.url_of(&arrival);
        let checks = dialect
            .filter(|_| is_signed && !self.secrets.is_empty())
            .map(|dialect| {
                let request = Request {
                    headers: &arrival.headers,
                    body: &arrival.body,
                    method: arrival.method.as_str(),
                    url: &url,
                    tenant: self.args.wish.place.tenant().unwrap_or_default(),
                    webhook_id: self.webhook_id.as_deref().unwrap_or_default(),
                    secrets: &self.secrets,
                    now_s: wall_ms / 1000,
                    tolerance_s: self.args.tolerance,
                };
                check(dialect, &request)
            });
        let attempt = self.count(&arrival, told.event_id.as_deref());
        if let Some(delay) = self.args.delay {
            tokio::time::sleep(delay).await;
        }
        let refused = match (dialect, &checks) {
            (Some(dialect), Some(checks)) => is_refused(dialect, checks),
            // What looks like no dialect has no signature that holds.
            (None, _) => challenge.is_none() && !self.secrets.is_empty(),
            (Some(_), None) => false,
        };
        let (response, forwarded_to) = if refused {
            let refusal = (StatusCode::UNAUTHORIZED, "the signature does not verify");
            (refusal.into_response(), None)
        } else {
            self.answer(&arrival, attempt, challenge).await
        };
        let report = Report {
            arrival: &arrival,
            at_ms: wall_ms,
            dialect: dialect.map(|dialect| &**dialect),
            told,
            checks,
            attempt,
            status: response.status(),
            forwarded_to: forwarded_to.map(Url::as_str),
            time_scale: self.args.time_scale,
            ended_ms: SystemClock.wall_ms(),
        };
        self.tell(&report);
        response
    }

    /// The URL that the sender has: what it was told, or what the request says.
    fn url_of(&self, arrival: &Arrival) -> String {
        if let Some(url) = &self.args.url {
            return url.to_string();
        }
        let host = arrival.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("http://{host}{}", arrival.path)
    }

    /// The dialect that a request looks like; if only one is expected, that one in any case.
    fn dialect_of(&self, arrival: &Arrival) -> Option<&Arc<Dialect>> {
        if let [only] = &*self.dialects {
            return Some(only);
        }
        let looks_so =
            |dialect: &&Arc<Dialect>| dialect.recognises(&arrival.headers, &arrival.body);
        self.dialects.iter().find(looks_so)
    }

    /// Which attempt of its delivery this is, from 1, among those that have come here. Without an id of the event's there is
    /// nothing to tell deliveries apart by but the body, which is the same at each attempt.
    fn count(&self, arrival: &Arrival, event_id: Option<&str>) -> u32 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let event = event_id.map_or(&*arrival.body, str::as_bytes);
        seen.attempts.count(&arrival.path, event)
    }

    /// What is to be answered, if this is the challenge of one of the dialects.
    fn challenge(&self, arrival: &Arrival) -> Option<ChallengeAnswer> {
        let query = arrival.path.split_once('?').map_or("", |(_, query)| query);
        let Arrival {
            method,
            headers,
            body,
            ..
        } = arrival;
        self.dialects
            .iter()
            .find_map(|dialect| dialect.answer_to_challenge(method, query, headers, body))
    }

    /// The answer, and where it comes from if the request was forwarded.
    async fn answer(
        &self,
        arrival: &Arrival,
        attempt: u32,
        challenge: Option<ChallengeAnswer>,
    ) -> (Response, Option<&Url>) {
        let failing = self.args.fail.map(|fail| attempt <= fail);
        let status = |usual| self.args.status.unwrap_or(usual);
        let response = match (failing, &self.args.forward, challenge) {
            // Who is asked for consent to deliveries gives it.
            (None | Some(false), None, Some(answer)) => {
                let mut response = (status(StatusCode::OK), answer.body).into_response();
                let header = answer.header.and_then(|(name, value)| {
                    let value = HeaderValue::try_from(value).ok()?;
                    Some((name, value))
                });
                response.headers_mut().extend(header);
                response
            }
            (Some(true), ..) => {
                let status = status(StatusCode::INTERNAL_SERVER_ERROR);
                (status, "failed on purpose").into_response()
            }
            (_, Some(url), _) => return (self.forward(url, arrival).await, Some(url)),
            (Some(false), None, None) => "OK".into_response(),
            (None, None, None) => (status(StatusCode::OK), "OK").into_response(),
        };
        (response, None)
    }

    /// The answer of the receiver behind, with all of its headers that are not the connection's own.
    async fn forward(&self, url: &Url, arrival: &Arrival) -> Response {
        let mut headers: HeaderMap = arrival.headers.clone();
        headers.remove(header::HOST);
        let outgoing = Outgoing {
            method: arrival.method.clone(),
            url: with_query(url, &arrival.path),
            headers,
            spelling: Spelling::Received(arrival.extensions.clone()),
            body: arrival.body.clone(),
            client_certificate: None,
            timeout: FORWARD_TIMEOUT,
            http1_only: false,
            fresh: false,
        };
        match self.transport.post(&outgoing, &Slot::uncounted()).await {
            Ok(answer) => {
                let mut response = Response::new(answer.body.into());
                *response.status_mut() = answer.status;
                for (name, value) in &answer.headers {
                    if !is_framing(name) {
                        response.headers_mut().append(name, value.clone());
                    }
                }
                response
            }
            Err(failure) => (StatusCode::BAD_GATEWAY, failure.to_string()).into_response(),
        }
    }

    /// Prints, and ends the command when enough has come or nobody reads any more.
    fn tell(&self, report: &Report<'_>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let out = &mut anstream::stdout().lock();
        let told = if self.args.json {
            json_line(out, &report.json(self.args.headers))
        } else {
            report.print(self.args.headers, out).map_err(Error::from)
        };
        seen.requests += 1;
        if told.is_err() || self.args.count == Some(seen.requests) {
            self.enough.send_replace(true);
        }
    }
}

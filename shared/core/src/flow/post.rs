//! One POST and the log entry that says what came of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rung_base::{chance as random, clock::Clock};
use rung_dialect::{CHALLENGE_TYPE, Dialect, Fields, HeaderFault, SignInput, SignedRequest};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{
    FlowError,
    in_flight::{InFlight, Place},
    secrets::Secrets,
    settle::is_gone,
    shown,
};
use crate::{
    domain::{
        attempt::{Attempt, ErrorCode, Exchange, Outcome, Trigger},
        hops::{HOPS, Hops},
        message::{AttemptMessage, Content},
        retry_after::asked_ms,
        webhook::Webhook,
    },
    egress::{Answer, Failure, HostFault, Outgoing, Slot, Spelling, Transport, named},
    limits::SLOT_AND_POST_TIME,
};

/// The header that marks a test.
const TEST: HeaderName = HeaderName::from_static("rung-test");
/// How much of a redirect's target is told, in characters.
const TOLD_URL_CHARS: usize = 500;

/// A place among a webhook's deliveries, and a slot for a POST.
pub(super) struct Held(Place, Slot);

/// Why an attempt was not made. Nothing may be logged then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotMade {
    /// A fault of this host's own.
    Host(HostFault),
    /// As many are under way to the webhook as may be.
    Busy,
}

impl From<HostFault> for NotMade {
    fn from(fault: HostFault) -> Self {
        Self::Host(fault)
    }
}

impl From<NotMade> for FlowError {
    fn from(not_made: NotMade) -> Self {
        match not_made {
            NotMade::Host(fault) => fault.into(),
            NotMade::Busy => HostFault::NoSlot.into(),
        }
    }
}

/// What sets a POST apart.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// The first attempt of an event.
    First,
    /// A later one.
    Retry,
    /// A test.
    Test,
    /// A test that is not genuine: it sends this instead of what would be signed.
    Forged(&'a SignedRequest<'a>),
    /// It asks the endpoint to echo this token.
    Challenge(&'a str),
}

impl Kind<'_> {
    fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::Forged(_))
    }
}

impl From<Trigger> for Kind<'_> {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Event | Trigger::Recover => Self::First,
            Trigger::Retry | Trigger::Manual => Self::Retry,
            Trigger::Test => Self::Test,
        }
    }
}

/// Makes the POSTs of attempts.
#[derive(Clone)]
pub struct Poster {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    in_flight: InFlight,
}

impl Poster {
    /// One that reaches receivers by `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self {
            transport,
            clock,
            in_flight: InFlight::default(),
        }
    }

    /// Posts a challenge to a webhook's endpoint, with the headers and the signatures of a delivery. It is not logged.
    ///
    /// # Errors
    /// When this host cannot send.
    pub async fn challenge(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        token: &str,
    ) -> Result<Result<Answer, Failure>, FlowError> {
        let (_place, slot) = self.slot(webhook, dialect, None).await?;
        let wall_ms = self.clock.wall_ms();
        let (secret, newer_secrets) = webhook.secrets_at(wall_ms);
        let url = url_on_the_wire(webhook);
        let input = SignInput {
            event_id: &dialect.new_event_id(wall_ms, random::bytes()),
            event_type: CHALLENGE_TYPE,
            delivery_id: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
            webhook_id: webhook.id.as_str(),
            tenant: webhook.tenant.as_str(),
            url: &url,
            time_ms: wall_ms,
            secret,
            newer_secrets: &newer_secrets,
            ..SignInput::default()
        };
        let post = Post::new(input, Kind::Challenge(token), webhook, dialect);
        match self.send(&post, &slot).await.answer {
            Err(Failure::Host(fault)) => Err(fault.into()),
            answer => Ok(answer),
        }
    }

    /// Posts what an examination asks a webhook's receiver with, with all that a test has; it is not logged. `None` when the time for
    /// that was up before the receiver's own was.
    ///
    /// # Errors
    /// When this host cannot send.
    pub async fn examine(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        trial: &Trial<'_>,
    ) -> Result<Option<Tried>, FlowError> {
        let left = || {
            let until = trial.until;
            until.map(|until| until.saturating_duration_since(Instant::now()))
        };
        let held = self.slot(webhook, dialect, left()).await;
        let kind = trial.forged.map_or(Kind::Test, Kind::Forged);
        let mut post = Post::new(trial.input, kind, webhook, dialect);
        let timeout = post.timeout;
        post.timeout = left().map_or(timeout, |left| left.min(timeout));
        // Whatever there was to wait for: it is no fault when there is no time to wait.
        if post.timeout.is_zero() {
            return Ok(None);
        }
        let (_place, slot) = held?;
        let started = Instant::now();
        let sent = self.send(&post, &slot).await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &sent.answer {
            Err(Failure::Host(fault)) => return Err((*fault).into()),
            Err(Failure::Timeout(_)) if post.timeout < timeout => return Ok(None),
            _ => {}
        }
        let answer = sent.answer.as_ref().ok();
        let outgoing = sent.outgoing.as_ref();
        Ok(Some(Tried {
            leads_to: answer.and_then(|answer| leads_to(answer, webhook, outgoing)),
            elapsed_ms,
            is_second: sent.is_second,
            answer: sent.answer.map(|answer| answer.status),
        }))
    }

    /// Makes one POST with what is `held` for it; the entry says what came of it and when the next one is due.
    ///
    /// # Errors
    /// When this host could not send.
    pub(super) async fn post(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        dialect: &Dialect,
        content: &Content,
        held: Held,
    ) -> Result<Attempt, HostFault> {
        let Held(place, slot) = held;
        let (at, key) = (&message.position, message.attempt_key());
        let delivery_id = key.delivery.uuid();
        let wall_ms = self.clock.wall_ms();
        let (secret, newer_secrets) = webhook.secrets_at(wall_ms);
        let trace = content.trace.as_ref();
        let traceparent = trace.map(|trace| trace.child(span_id(delivery_id, at.n)));
        let url = url_on_the_wire(webhook);
        let input = SignInput {
            event_id: message.delivery.event.as_str(),
            event_type: &content.event_type,
            delivery_id,
            webhook_id: webhook.id.as_str(),
            tenant: webhook.tenant.as_str(),
            url: &url,
            attempt: at.attempt,
            time_ms: wall_ms,
            body: &content.body,
            secret,
            newer_secrets: &newer_secrets,
            traceparent: traceparent.as_deref(),
            ..SignInput::default()
        };
        let (started_ms, started) = (self.clock.now_ms(), Instant::now());
        let post = Post {
            hops: content.hops,
            ..Post::new(input, at.trigger.into(), webhook, dialect)
        };
        let sent = self.send(&post, &slot).await;
        drop((slot, place));
        let answer = &sent.answer;
        if let Err(Failure::Host(fault)) = answer {
            return Err(*fault);
        }
        let (ended_ms, wall_ms) = (self.clock.now_ms(), self.clock.wall_ms());
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        let succeeded = status.is_some_and(|status| dialect.is_success(status));
        let gone = is_gone(dialect, status) && at.trigger.counts();
        let asked_ms = answer.as_ref().ok().filter(|_| !succeeded);
        let asked_ms = asked_ms.and_then(|answer| retry_after_ms(answer, wall_ms));
        let is_final = gone || status.is_some_and(|status| dialect.gives_up_on(status));
        let climbs = !succeeded && !is_final && at.trigger != Trigger::Test;
        Ok(Attempt {
            event_type: content.event_type.clone(),
            attempt: at.attempt,
            dialect: dialect.name.clone(),
            trigger: at.trigger,
            outcome: if succeeded {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            },
            started_ms,
            ended_ms,
            response_time_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            response_status: status,
            error: (!succeeded).then(|| match answer {
                Ok(answer) if sent.is_second => format!(
                    "The receiver responded with {}, to the old and to the new secret.",
                    named(answer.status)
                ),
                Ok(answer) => refusal(answer, webhook, sent.outgoing.as_ref()),
                Err(failure) => failure.to_string(),
            }),
            error_code: (!succeeded).then(|| match answer {
                Ok(_) => ErrorCode::Status,
                Err(failure) => failure.error_code(),
            }),
            asked_until_ms: asked_ms.map(|asked_ms| ended_ms.saturating_add(asked_ms)),
            next_due_ms: match at.resume_ms.filter(|_| climbs) {
                Some(resume_ms) => Some(resume_ms.max(ended_ms)),
                None => climbs
                    .then(|| wait_ms(message, dialect, status, asked_ms, delivery_id))
                    .flatten()
                    .map(|wait_ms| ended_ms + wait_ms),
            },
            hops: content.hops,
            exchange: exchange(webhook, sent.outgoing.as_ref(), answer.as_ref().ok()),
            erased_ms: None,
            key,
        })
    }

    /// What a POST to a webhook needs, once it is free. Who waits for it has neither signed anything yet nor begun to count the
    /// receiver's time.
    ///
    /// # Errors
    /// When there is nothing free for a while.
    pub(super) async fn hold(&self, webhook: &Webhook, dialect: &Dialect) -> Result<Held, NotMade> {
        let (place, slot) = self.slot(webhook, dialect, None).await?;
        Ok(Held(place, slot))
    }

    /// A place among the webhook's deliveries, and a slot for the POST. What it waits at most and what the receiver may take fit into
    /// a batch's time; if less is `left`, it waits no longer than that.
    async fn slot(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        left: Option<Duration>,
    ) -> Result<(Place, Slot), NotMade> {
        let timeout = Duration::from_millis(dialect.timeout_ms);
        let patience = SLOT_AND_POST_TIME.saturating_sub(timeout);
        let patience = left.map_or(patience, |left| left.min(patience));
        let started = Instant::now();
        let place = self.in_flight.take(webhook, patience).await;
        let place = place.ok_or(NotMade::Busy)?;
        // A URL that cannot be parsed any more fails as what it is.
        let Ok(url) = Url::parse(&webhook.url) else {
            return Ok((place, Slot::uncounted()));
        };
        let patience = patience.saturating_sub(started.elapsed());
        let slot = self.transport.slot(&webhook.tenant, &url, patience).await?;
        Ok((place, slot))
    }

    /// Posts. A receiver that refuses the first secret of a rotation, where a signature has room for one only, may know the other
    /// alone: it is asked once more with that one, within what is left of the time-out.
    async fn send(&self, post: &Post<'_>, slot: &Slot) -> Sent {
        let started = Instant::now();
        let first = self.send_once(post, slot).await;
        let is_genuine = !matches!(post.kind, Kind::Forged(_));
        let other = post.dialect.second_secret(&post.input);
        let Some(other) = other.filter(|_| is_genuine) else {
            return first;
        };
        if !first.is_refused(post.dialect) {
            return first;
        }
        let second = Post {
            // Where there is room, all of them sign as before: a receiver may have checked one signature and refused another.
            input: SignInput {
                alone: Some(other),
                ..post.input
            },
            timeout: post.timeout.saturating_sub(started.elapsed()),
            ..*post
        };
        let second = self.send_once(&second, slot).await;
        match &second.answer {
            // The receiver did not hear the other secret: this is no refusal of it.
            Ok(_) | Err(Failure::Host(_)) => Sent {
                is_second: true,
                ..second
            },
            // What the receiver did answer says more.
            Err(_) => first,
        }
    }

    async fn send_once(&self, post: &Post<'_>, slot: &Slot) -> Sent {
        let (outgoing, answer) = match post.outgoing() {
            Ok(outgoing) => {
                let answer = self.transport.post(&outgoing, slot).await;
                // A failure is told in many places, with what the receiver has said in it.
                let without = |said| Secrets::of(post.webhook).taken_out_of_beginning(said);
                (
                    Some(outgoing),
                    answer.map_err(|failure| failure.quoting(without)),
                )
            }
            Err(failure) => (None, Err(failure)),
        };
        Sent {
            outgoing,
            answer,
            is_second: false,
        }
    }
}

/// A request and what came of it.
struct Sent {
    /// `None` when it could not be put together.
    outgoing: Option<Outgoing>,
    answer: Result<Answer, Failure>,
    /// Whether the first secret of a rotation was refused before.
    is_second: bool,
}

impl Sent {
    /// Whether the receiver does not take the signature, as far as its answer tells.
    fn is_refused(&self, dialect: &Dialect) -> bool {
        let status = self.answer.as_ref().map(|answer| answer.status.as_u16());
        status.is_ok_and(|status| matches!(status, 401 | 403) && !dialect.is_success(status))
    }
}

/// What an examination asks a receiver with.
pub struct Trial<'a> {
    /// What a genuine delivery is made of.
    pub input: SignInput<'a>,
    /// What is sent instead of that.
    pub forged: Option<&'a SignedRequest<'a>>,
    /// When the examination ends, if the receiver's own time does not end before.
    pub until: Option<Instant>,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// The answer's status, or why none came.
    pub answer: Result<StatusCode, Failure>,
    /// Where a redirect leads to, without the webhook's secrets.
    pub leads_to: Option<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether the receiver has refused the first secret of a rotation, and this is what it made of the other.
    pub is_second: bool,
}

/// A webhook's URL with its path's characters escaped, its host in lower case. What cannot be parsed any more is left as it is.
#[must_use]
pub fn url_on_the_wire(webhook: &Webhook) -> String {
    Url::parse(&webhook.url).map_or_else(|_| webhook.url.clone(), String::from)
}

/// A POST that is to be made.
#[derive(Clone, Copy)]
struct Post<'a> {
    input: SignInput<'a>,
    kind: Kind<'a>,
    webhook: &'a Webhook,
    dialect: &'a Dialect,
    hops: Hops,
    timeout: Duration,
}

impl<'a> Post<'a> {
    /// One that no event of Rung's has led to, within the dialect's time-out.
    fn new(
        input: SignInput<'a>,
        kind: Kind<'a>,
        webhook: &'a Webhook,
        dialect: &'a Dialect,
    ) -> Self {
        Self {
            input,
            kind,
            webhook,
            dialect,
            hops: Hops::NONE,
            timeout: Duration::from_millis(dialect.timeout_ms),
        }
    }

    /// How it goes out: method, URL, the dialect's headers, and the body.
    fn signed(&self) -> Result<(Method, String, Fields, Vec<u8>), Failure> {
        let unsigned = |fault| match fault {
            HeaderFault::Secret(_) => Failure::Unsigned,
            HeaderFault::Value(_) => Failure::Unsendable,
        };
        let input = &self.input;
        let request = match self.kind {
            Kind::Challenge(token) => {
                let asked = self.dialect.challenge(input, token).map_err(unsigned)?;
                return Ok((asked.method, asked.url, asked.headers, asked.body));
            }
            Kind::Forged(forged) => forged.clone(),
            Kind::First | Kind::Retry | Kind::Test => {
                self.dialect.request(input).map_err(unsigned)?
            }
        };
        let url = input.url.to_owned();
        Ok((
            Method::POST,
            url,
            request.headers,
            request.body.into_owned(),
        ))
    }

    /// The request, or why it cannot be put together.
    fn outgoing(&self) -> Result<Outgoing, Failure> {
        let (webhook, dialect) = (self.webhook, self.dialect);
        let (method, url, signed, body) = self.signed()?;
        let own = webhook.headers.len() + webhook.secret_headers.len();
        let mut headers = HeaderMap::with_capacity(signed.len() + own + 2);
        for (name, value) in &webhook.headers {
            headers.insert(
                HeaderName::try_from(name).map_err(|_| Failure::Unsendable)?,
                HeaderValue::try_from(value).map_err(|_| Failure::Unsendable)?,
            );
        }
        for (name, value) in &webhook.secret_headers {
            let name = HeaderName::try_from(name).map_err(|_| Failure::Unsendable)?;
            let value = HeaderValue::try_from(value.expose());
            let mut value = value.map_err(|_| Failure::Unsendable)?;
            // The log leaves out the values that are marked so, and HTTP/2 keeps them out of its tables.
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        // Its dialect may have come to send a header that the webhook has of its own: the dialect's takes its place.
        for (name, value) in signed {
            headers.insert(name, value);
        }
        headers.insert(HOPS, self.hops.header());
        if self.kind.is_test() {
            headers.insert(TEST, HeaderValue::from_static("true"));
        }
        let own = webhook.headers.keys().chain(webhook.secret_headers.keys());
        let spelled = dialect.spelled_headers().chain(own.map(String::as_str));
        let is_retry = matches!(self.kind, Kind::Retry);
        Ok(Outgoing {
            method,
            url: Url::parse(&url).map_err(|_| Failure::Unsendable)?,
            headers,
            spelling: spelled.collect::<Spelling>(),
            body: Bytes::from(body),
            client_certificate: webhook.client_certificate.clone(),
            timeout: self.timeout,
            http1_only: dialect.http1_only,
            // What went wrong before may be the connection's doing.
            fresh: is_retry || !webhook.keeps_alive(dialect.keep_alive),
        })
    }
}

/// What an answer that is no success comes to. One that leads elsewhere is not followed, so it says where.
fn refusal(answer: &Answer, webhook: &Webhook, outgoing: Option<&Outgoing>) -> String {
    let status = named(answer.status);
    match leads_to(answer, webhook, outgoing) {
        None => format!("The receiver responded with {status}."),
        Some(to) => format!(
            "The receiver responded with {status}: a redirect to {to}, which is not followed. Set the webhook's URL to where it answers."
        ),
    }
}

/// Where a redirect leads to, without the webhook's secrets.
fn leads_to(answer: &Answer, webhook: &Webhook, outgoing: Option<&Outgoing>) -> Option<String> {
    let location = answer.headers.get(header::LOCATION);
    let location = location.filter(|_| answer.status.is_redirection())?;
    let given = String::from_utf8_lossy(location.as_bytes());
    let to = outgoing?
        .url
        .join(&given)
        .map_or_else(|_| given.into_owned(), String::from);
    // What is cut off in the middle would not be found any more.
    let to = Secrets::of(webhook).taken_out_of(to);
    Some(to.chars().take(TOLD_URL_CHARS).collect())
}

/// How long to wait after this failure, in milliseconds; `None` when the ladder is used up.
fn wait_ms(
    message: &AttemptMessage,
    dialect: &Dialect,
    status: Option<u16>,
    asked_ms: Option<u64>,
    delivery_id: Uuid,
) -> Option<u64> {
    let wait_ms = dialect.ladder.wait_ms(
        message.position.rung,
        chance(delivery_id, message.position.n),
    )?;
    let is_heeded = dialect.prolongs_waits() && matches!(status, Some(429 | 503));
    let asked_ms = asked_ms.filter(|_| is_heeded);
    Some(asked_ms.map_or(wait_ms, |asked_ms| {
        dialect
            .ladder
            .prolonged_ms(message.position.rung, wait_ms, asked_ms)
    }))
}

/// The id of the span that an attempt is: it has one, however often it is begun.
fn span_id(delivery_id: Uuid, n: u32) -> [u8; 8] {
    // Not all zeros, which is no id.
    (mixed(delivery_id, n) | 1).to_be_bytes()
}

/// A number from 0 to 1 that belongs to this attempt: it spreads deliveries, and comes out the same whenever it is looked at.
pub(super) fn chance(delivery_id: Uuid, n: u32) -> f64 {
    (mixed(delivery_id, n) >> 11) as f64 / (1_u64 << 53) as f64
}

fn mixed(delivery_id: Uuid, n: u32) -> u64 {
    (delivery_id.as_u64_pair().1 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// In how many milliseconds the receiver wants to hear again, if its answer says so.
fn retry_after_ms(answer: &Answer, wall_ms: u64) -> Option<u64> {
    let value = answer.headers.get(header::RETRY_AFTER)?;
    asked_ms(value.to_str().ok()?, wall_ms)
}

fn exchange(webhook: &Webhook, outgoing: Option<&Outgoing>, answer: Option<&Answer>) -> Exchange {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let sent = outgoing.into_iter().flat_map(|outgoing| &outgoing.headers);
    let secrets = Secrets::of(webhook);
    let body = answer.map_or_else(String::new, |answer| {
        let (body, is_whole) = shown::body(answer);
        if is_whole {
            secrets.taken_out_of(body)
        } else {
            secrets.taken_out_of_beginning(body)
        }
    });
    let received = answer.into_iter().flat_map(|answer| &answer.headers);
    // What is cut off in the middle would not be found any more.
    let received = received
        .map(|(name, value)| (name.to_string(), secrets.taken_out_of(text(value))))
        .collect();
    Exchange {
        // As it goes over the wire: with its path's characters escaped, its host in lower case.
        url: outgoing.map_or_else(|| webhook.url.clone(), |outgoing| outgoing.url.to_string()),
        request_headers: sent
            .map(|(name, value)| {
                (
                    name.to_string(),
                    (!value.is_sensitive()).then(|| text(value)),
                )
            })
            .collect(),
        response_headers: shown::headers(received),
        response_body: body,
    }
}

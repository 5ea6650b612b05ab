//! The HTTP client: posts under one deadline, over connections that are kept and used again.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::ext::on_informational;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::select;
use tokio::time::{Instant, sleep};
use url::Url;

use super::connect::{Broke, Connector, Flooded};
use super::dial::SystemDialer;
use super::http1_hosts::Http1Hosts;
use super::identity::Identities;
use super::interim::Interim;
use super::policy::{self, UrlFault};
use super::progress::Progress;
use super::proxy::Proxy;
use super::resolve::{Resolve, SystemResolver};
use super::slots::{Slot, Slots};
use super::spelling::Spellings;
use super::trust::Roots;
use super::{Answer, Capacity, Failure, HostFault, MAX_BODY_BYTES, Outgoing, Transport};
use crate::domain::id::TenantId;

/// How long an answer's head may be, in bytes; a read of the socket may exceed it by as much again.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How many headers it may have over HTTP/1.
const MAX_HEADERS: usize = 1_000;
/// Receivers often close after 60 s, Node's default is 5 s; a host that gets many deliveries is never idle so long.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
const MAX_IDLE_PER_HOST: usize = 64;
/// How old a connection may be that is used again: a receiver that has moved to another address is found there by then.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How old a connection may be that goes back to the idle ones: it is used again within [`IDLE_LIMIT`], or never.
const MAX_AGE_KEPT: Duration = MAX_AGE.saturating_sub(IDLE_LIMIT);
/// A new connection may stand behind an idle one of ours, at a server that handles one at a time: after so long without an answer the
/// idle ones to its host are closed.
const WAY_AFTER: Duration = Duration::from_secs(1);
/// What a receiver may send over HTTP/2 before it is read, in bytes: per answer, and per connection.
const STREAM_WINDOW_BYTES: u32 = MAX_BODY_BYTES as u32;
const CONNECTION_WINDOW_BYTES: u32 = 16 * STREAM_WINDOW_BYTES;
/// An HTTP/2 connection with requests under way that is silent so long is asked whether it lives, and given up if it
/// doesn't say: else one that a router has forgotten would fail request after request. Over HTTP/1 a connection ends
/// with the request that times out.
const H2_PING_AFTER: Duration = Duration::from_secs(1);
const H2_PING_LIMIT: Duration = Duration::from_secs(10);

/// Where a client may post to.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Only `https`, only public addresses. Otherwise `http` and local receivers are allowed too.
    pub strict: bool,
    /// The proxy that all connections go through, if there is one.
    pub proxy: Option<Proxy>,
}

/// Posts over HTTP/1.1 and HTTP/2.
pub struct Client {
    strict: bool,
    slots: Slots,
    connector: Connector,
    http1_hosts: Http1Hosts,
    spellings: Spellings,
    /// For requests that present no certificate.
    anonymous: IdentityPools,
    identities: Identities<IdentityPools>,
}

/// The connections of one identity.
struct IdentityPools {
    any: Pools,
    /// For requests that must not go over HTTP/2.
    http1: Pools,
}

impl IdentityPools {
    fn new(connector: &Connector) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .http1_max_headers(MAX_HEADERS)
            // The status decides, as it does for curl.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http2_max_header_list_size(MAX_HEAD_BYTES as u32)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(H2_PING_AFTER)
            .http2_keep_alive_timeout(H2_PING_LIMIT);
        Self {
            any: Pools::new(&mut builder, connector),
            http1: Pools::new(&mut builder, &connector.http1_only()),
        }
    }

    fn pools(&self, http1_only: bool) -> &Pools {
        if http1_only { &self.http1 } else { &self.any }
    }
}

struct Pools {
    kept: Http,
    /// Keeps no connection, so each of its requests has a new one.
    fresh: Http,
}

type Http = legacy::Client<Connector, Full<Bytes>>;

impl Pools {
    fn new(builder: &mut legacy::Builder, connector: &Connector) -> Self {
        let mut build = |most: usize| {
            builder
                .pool_max_idle_per_host(most)
                .build(connector.clone())
        };
        Self {
            kept: build(MAX_IDLE_PER_HOST),
            fresh: build(0),
        }
    }
}

impl Client {
    /// A client with the system's name servers that trusts `roots`, and uses up to so many file descriptors.
    #[must_use]
    pub fn new(policy: Policy, roots: Roots, descriptors: usize) -> Self {
        let capacity = Capacity::of(descriptors);
        Self::with(policy, Box::new(SystemResolver::new()), roots, capacity)
    }

    pub(super) fn with(
        policy: Policy,
        resolver: Box<dyn Resolve>,
        roots: Roots,
        capacity: Capacity,
    ) -> Self {
        let dialer = Box::new(SystemDialer);
        let strict = policy.strict;
        let connector = Connector::new(policy, resolver, dialer, roots, capacity);
        Self::over(strict, connector, capacity)
    }

    pub(super) fn over(strict: bool, connector: Connector, capacity: Capacity) -> Self {
        Self {
            strict,
            slots: Slots::new(capacity.slots),
            http1_hosts: Http1Hosts::default(),
            spellings: Spellings::default(),
            anonymous: IdentityPools::new(&connector),
            identities: Identities::default(),
            connector,
        }
    }

    /// Posts, over HTTP/1.1 if the receiver demands that.
    async fn send(
        &self,
        outgoing: &Outgoing,
        connection: &Captured,
    ) -> Result<Response<Incoming>, Broken> {
        let own = match &outgoing.client_certificate {
            Some(certificate) => {
                let make = |presented| IdentityPools::new(&self.connector.presenting(&presented));
                let own = self.identities.of(certificate, make);
                Some(own.map_err(|_| Failure::Identity)?)
            }
            None => None,
        };
        let identity = own.as_deref().unwrap_or(&self.anonymous);
        let http1_only = outgoing.http1_only || self.http1_hosts.has(&outgoing.url);
        let pools = identity.pools(http1_only);
        let sent = self.send_over(pools, outgoing, connection).await;
        let Err(broken) = &sent else { return sent };
        if broken.again != Again::OverHttp1 {
            return sent;
        }
        self.http1_hosts.note(&outgoing.url);
        let pools = identity.pools(true);
        self.exchange(&pools.fresh, outgoing, connection).await
    }

    /// Posts, a second time over a new connection if the first fell to what was going on at its connection without it: it was closed,
    /// or the answer is for the time that it was idle (408).
    ///
    /// hyper-util itself tries again only what was never written, so a POST that was written is ours to judge. Deliveries
    /// may come twice; receivers tell by the id.
    async fn send_over(
        &self,
        pools: &Pools,
        outgoing: &Outgoing,
        connection: &Captured,
    ) -> Result<Response<Incoming>, Broken> {
        if !outgoing.fresh {
            let since = Instant::now();
            let sent = self.exchange(&pools.kept, outgoing, connection).await;
            let again = match &sent {
                Ok(response) => {
                    response.status() == StatusCode::REQUEST_TIMEOUT
                        && progress(response).is_some_and(|progress| progress.is_reuse(since))
                }
                Err(broken) => broken.again == Again::Anew,
            };
            if !again {
                return sent;
            }
            if let Ok(response) = sent {
                let progress = progress(&response).cloned();
                drop(response);
                progress.inspect(Progress::answered);
            }
        }
        self.exchange(&pools.fresh, outgoing, connection).await
    }

    /// One request, up to the head of its answer.
    async fn exchange(
        &self,
        http: &Http,
        outgoing: &Outgoing,
        connection: &Captured,
    ) -> Result<Response<Incoming>, Broken> {
        let mut request = request(outgoing)?;
        let (uri, since) = (request.uri().clone(), Instant::now());
        *request.extensions_mut() = self.spellings.extensions(&outgoing.spelling).await;
        connection.capture(&mut request);
        let interim = Arc::new(Interim::default());
        let counted = Arc::clone(&interim);
        on_informational(&mut request, move |_| counted.count());
        let response = select! {
            biased;
            () = interim.exceeded() => return Err(Failure::Interim.into()),
            response = http.request(request) => {
                response.map_err(|error| Broken::of(&error, since))?
            }
            never = self.make_way(&uri, connection, since) => match never {},
        };
        if let Some(progress) = progress(&response) {
            // What failed may be the connection's doing; and the retry may come from elsewhere, where nobody could close it.
            let has_failed = !response.status().is_success() && !connection.is_http2();
            if has_failed || progress.age() >= MAX_AGE_KEPT {
                connection.retire();
                progress.set_last();
            }
        }
        Ok(response)
    }

    /// Closes the idle connections to a host, time and again, as long as there is no answer over a new one.
    async fn make_way(&self, uri: &Uri, connection: &Captured, since: Instant) -> Infallible {
        loop {
            sleep(WAY_AFTER).await;
            if !connection.is_reused(since) {
                self.connector.close_idle(uri);
            }
        }
    }

    /// Whether a POST that is under way still waits for an answer of our own name servers.
    fn is_looked_up(&self, outgoing: &Outgoing, connection: &Captured) -> bool {
        !connection.is_there() && self.connector.is_looked_up(host(outgoing))
    }
}

#[async_trait]
impl Transport for Client {
    async fn slot(
        &self,
        tenant: &TenantId,
        url: &Url,
        patience: Duration,
    ) -> Result<Slot, HostFault> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let host = format!("{host}:{port}");
        self.slots.take(tenant, &host, patience).await
    }

    async fn post(&self, outgoing: &Outgoing, _slot: &Slot) -> Result<Answer, Failure> {
        policy::check(&outgoing.url, self.strict)?;
        let mut deadline = pin!(sleep(outgoing.timeout));
        let connection = Captured::default();
        let response = {
            let mut sent = pin!(self.send(outgoing, &connection));
            select! {
                biased;
                response = &mut sent => Ok(response),
                () = &mut deadline => Err(self.is_looked_up(outgoing, &connection)),
            }
        };
        // What was sent is dropped by now: it may have held what others wait for, and nothing would poll it any more.
        let response = match response {
            Ok(Ok(response)) => response,
            Ok(Err(broken)) => return broken.into_answer(),
            Err(true) => return Err(self.connector.unanswered(host(outgoing)).await),
            Err(false) => return Err(Failure::Timeout(outgoing.timeout)),
        };
        let progress = progress(&response).cloned();
        let (head, incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let body_complete = select! {
            biased;
            complete = read(incoming, &mut body) => complete,
            () = deadline => false,
        };
        progress.inspect(Progress::answered);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.freeze(),
            body_complete,
        })
    }
}

/// Whether a request has a connection yet.
#[derive(Default)]
struct Captured(Mutex<Option<CaptureConnection>>);

impl Captured {
    fn capture<B>(&self, request: &mut Request<B>) {
        *self.lock() = Some(capture_connection(request));
    }

    fn is_there(&self) -> bool {
        self.has(|_| true)
    }

    fn is_http2(&self) -> bool {
        self.has(Connected::is_negotiated_h2)
    }

    /// Whether it has a connection that was used before the request that was asked for at `since`.
    fn is_reused(&self, since: Instant) -> bool {
        self.has(|connected| {
            of::<Progress>(connected).is_some_and(|progress| progress.is_reuse(since))
        })
    }

    /// Has the connection used for no further request.
    fn retire(&self) {
        self.has(|connected| {
            connected.poison();
            true
        });
    }

    /// Whether there is a connection of which this is true.
    fn has(&self, is_true: impl Fn(&Connected) -> bool) -> bool {
        let connection = self.lock();
        let connected = connection
            .as_ref()
            .map(CaptureConnection::connection_metadata);
        connected.is_some_and(|connected| connected.as_ref().is_some_and(is_true))
    }

    fn lock(&self) -> MutexGuard<'_, Option<CaptureConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may do better than an exchange that broke.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Nothing: the receiver may have handled the request.
    Never,
    /// Another connection.
    Anew,
    /// One over HTTP/1.1.
    OverHttp1,
}

/// An exchange that came to no answer that hyper can read.
struct Broken {
    failure: Failure,
    again: Again,
    /// The status of the answer, if the rest of its head alone cannot be read.
    status: Option<StatusCode>,
}

impl Broken {
    /// The status decides, whatever follows it.
    fn into_answer(self) -> Result<Answer, Failure> {
        let status = self.status.ok_or(self.failure)?;
        Ok(Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            body_complete: false,
        })
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            again: Again::Never,
            status: None,
        }
    }
}

impl Broken {
    /// Of a request that was asked for at `since`.
    fn of(error: &legacy::Error, since: Instant) -> Self {
        if connection_has(error, Flooded::is_set) {
            return Self {
                // Of the requests on a flooded connection one alone was answered so: each has to show it by itself.
                again: Again::Anew,
                ..Failure::Interim.into()
            };
        }
        if let Some(failure) = of_connection::<Broke>(error).and_then(|broke| broke.failure()) {
            return failure.into();
        }
        let over_http1 = of_connection::<Progress>(error).filter(|_| !is_http2(error));
        match (failure(error), over_http1) {
            (Failure::Protocol { .. }, Some(progress)) => Self {
                // What is too long stays a failure: a receiver must not keep this host reading.
                status: progress
                    .status()
                    .filter(|_| progress.received_bytes() < MAX_HEAD_BYTES),
                ..Failure::Protocol {
                    beginning: progress.escaped_beginning(),
                }
                .into()
            },
            (Failure::Closed, Some(progress)) if !progress.escaped_beginning().is_empty() => {
                Failure::ClosedEarly {
                    beginning: progress.escaped_beginning(),
                }
                .into()
            }
            (failure, _) => Self {
                again: again(error, since),
                ..failure.into()
            },
        }
    }
}

fn host(outgoing: &Outgoing) -> &str {
    outgoing.url.host_str().unwrap_or_default()
}

fn request(outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
    // Within what `policy::check` lets pass, only a host that no URI can hold would fail.
    let uri = Uri::try_from(outgoing.url.as_str()).map_err(|_| UrlFault::Host)?;
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers.clone();
    for name in &policy::FRAMING {
        request.headers_mut().remove(name);
    }
    if outgoing.fresh {
        let close = HeaderValue::from_static("close");
        request.headers_mut().insert(CONNECTION, close);
    }
    // hyper leaves it out when the body is empty. A request without a body of its own kind says nothing of one.
    if outgoing.method == Method::POST {
        let length = HeaderValue::from(outgoing.body.len());
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }
    Ok(request)
}

/// Reads a body into `kept` and says whether that is all of it. The bytes are copied: a slice of the connection's
/// buffer would keep all of that buffer alive.
async fn read(mut incoming: Incoming, kept: &mut BytesMut) -> bool {
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = MAX_BODY_BYTES - kept.len();
        if data.len() > room {
            kept.extend_from_slice(&data[..room]);
            return false;
        }
        kept.extend_from_slice(data);
    }
    true
}

/// Whether a request may be sent again. It may when the receiver was closing the connection as the request came, without a look at it:
/// nothing of an answer came over a connection that had answered before, or the receiver said so over HTTP/2 (RFC 9113, section 8.7).
fn again(error: &legacy::Error, since: Instant) -> Again {
    let h2 = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    match h2 {
        Some(h2) if is_unprocessed(h2) => {
            if h2.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) {
                Again::OverHttp1
            } else {
                Again::Anew
            }
        }
        // It is about the request, or Rung's own.
        Some(_) => Again::Never,
        // Rung gave up a connection on which nothing moved.
        None if is_http2(error) && !causes(error).any(<dyn Error>::is::<io::Error>) => Again::Never,
        _ => {
            let was_closing = failure(error) == Failure::Closed
                && connection_has(error, |progress: &Progress| {
                    progress.is_unanswered_reuse(since)
                });
            if was_closing {
                Again::Anew
            } else {
                Again::Never
            }
        }
    }
}

fn is_http2(error: &legacy::Error) -> bool {
    let connection = error.connect_info();
    connection.is_some_and(Connected::is_negotiated_h2)
}

/// Whether something is true of the connection that a request went over.
fn connection_has<T: Clone + Send + Sync + 'static>(
    error: &legacy::Error,
    is_true: impl Fn(&T) -> bool,
) -> bool {
    of_connection(error).is_some_and(|it| is_true(&it))
}

/// What the connector has said of the connection that a request went over.
fn of_connection<T: Clone + Send + Sync + 'static>(error: &legacy::Error) -> Option<T> {
    of(error.connect_info()?)
}

fn of<T: Clone + Send + Sync + 'static>(connected: &Connected) -> Option<T> {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.remove()
}

/// What has come over the connection of an answer.
fn progress(response: &Response<Incoming>) -> Option<&Progress> {
    response.extensions().get()
}

/// A goodbye is told to those streams alone that come after the last one that the receiver has looked at, whatever its reason.
fn is_unprocessed(error: &h2::Error) -> bool {
    let refuses = |reason| {
        matches!(
            reason,
            h2::Reason::REFUSED_STREAM | h2::Reason::HTTP_1_1_REQUIRED
        )
    };
    error.is_remote()
        && (error.is_go_away() || error.is_reset() && error.reason().is_some_and(refuses))
}

fn failure(error: &legacy::Error) -> Failure {
    causes(error)
        .find_map(known_failure)
        .unwrap_or(Failure::Closed)
}

/// An answer that is not valid, of which nothing is known.
const INVALID: Failure = Failure::Protocol {
    beginning: String::new(),
};

fn known_failure(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return error.is_parse().then_some(INVALID);
    }
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return error.is_library().then_some(INVALID);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    error.get_ref()?.downcast_ref::<Failure>().cloned()
}

fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

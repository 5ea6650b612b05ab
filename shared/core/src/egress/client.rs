//! The HTTP client: posts under one deadline, over connections that are kept and used again.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{Extensions, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::ext::on_informational;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use tokio::select;
use tokio::time::sleep;
use url::Url;

use super::connect::{Connector, Flooded, Progress};
use super::dial::SystemDialer;
use super::interim::Interim;
use super::policy::{self, UrlFault};
use super::resolve::{Resolve, SystemResolver};
use super::slots::{Slot, Slots};
use super::{Answer, Capacity, Failure, HostFault, MAX_BODY_BYTES, Outgoing, Transport};
use crate::domain::id::TenantId;

/// How long an answer's head may be, in bytes; a read of the socket may exceed it by as much again. Over HTTP/1 it may
/// also have no more than 100 headers.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Receivers often close after 60 s, Node's default is 5 s; a host that gets many deliveries is never idle so long.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
const MAX_IDLE_PER_HOST: usize = 64;
/// What a receiver may send over HTTP/2 before it is read, in bytes: per answer, and per connection.
const STREAM_WINDOW_BYTES: u32 = MAX_BODY_BYTES as u32;
const CONNECTION_WINDOW_BYTES: u32 = 16 * STREAM_WINDOW_BYTES;
/// An HTTP/2 connection with requests under way that is silent so long is asked whether it lives, and given up if it
/// doesn't say: else one that a router has forgotten would fail request after request. Over HTTP/1 a connection ends
/// with the request that times out.
const H2_PING_AFTER: Duration = Duration::from_secs(1);
const H2_PING_LIMIT: Duration = Duration::from_secs(10);

/// Where a client may post to.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Only `https`, only public addresses. Otherwise `http` and local receivers are allowed too.
    pub strict: bool,
}

/// Posts over HTTP/1.1 and HTTP/2.
pub struct Client {
    strict: bool,
    slots: Slots,
    connector: Connector,
    pooled: Http,
    /// Keeps no connection, so each of its requests has a new one.
    fresh: Http,
}

type Http = legacy::Client<Connector, Full<Bytes>>;

impl Client {
    /// A client with the system's name servers and the roots that were compiled in, which uses up to so many file descriptors.
    #[must_use]
    pub fn new(policy: Policy, descriptors: usize) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let capacity = Capacity::of(descriptors);
        Self::with(policy, Box::new(SystemResolver::new()), roots, capacity)
    }

    pub(super) fn with(
        policy: Policy,
        resolver: Box<dyn Resolve>,
        roots: RootCertStore,
        capacity: Capacity,
    ) -> Self {
        let dialer = Box::new(SystemDialer);
        let connector = Connector::new(policy.strict, resolver, dialer, roots, capacity);
        Self::over(policy, connector, capacity)
    }

    pub(super) fn over(policy: Policy, connector: Connector, capacity: Capacity) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .http2_max_header_list_size(MAX_HEAD_BYTES as u32)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(H2_PING_AFTER)
            .http2_keep_alive_timeout(H2_PING_LIMIT);
        Self {
            strict: policy.strict,
            slots: Slots::new(capacity.slots),
            pooled: builder
                .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
                .build(connector.clone()),
            fresh: builder.pool_max_idle_per_host(0).build(connector.clone()),
            connector,
        }
    }

    /// Posts, a second time if the first fell to what was going on at its connection without it.
    ///
    /// hyper-util itself tries again only what was never written, so a POST that was written is ours to judge. Deliveries
    /// may come twice; receivers tell by the id.
    async fn send(
        &self,
        outgoing: &Outgoing,
        connection: &Captured,
    ) -> Result<Response<Incoming>, Failure> {
        match exchange(&self.pooled, outgoing, connection).await {
            Err(broken) if broken.again => {
                let again = exchange(&self.fresh, outgoing, connection).await;
                again.map_err(|broken| broken.failure)
            }
            sent => sent.map_err(|broken| broken.failure),
        }
    }

    /// The failure of a POST whose deadline passed, while it is still under way. Without a connection it may be that our own
    /// name servers don't answer.
    async fn overdue(&self, outgoing: &Outgoing, connection: &Captured) -> Failure {
        let host = outgoing.url.host_str().unwrap_or_default();
        let lookups = self.connector.lookups();
        if !connection.is_there() && lookups.is_under_way(host) {
            lookups.unanswered().await
        } else {
            Failure::Timeout(outgoing.timeout)
        }
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
        let mut sent = pin!(self.send(outgoing, &connection));
        let response = select! {
            biased;
            response = &mut sent => response?,
            () = &mut deadline => return Err(self.overdue(outgoing, &connection).await),
        };
        let (head, incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let body_complete = select! {
            biased;
            complete = read(incoming, &mut body) => complete,
            () = deadline => false,
        };
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
        self.lock()
            .as_ref()
            .is_some_and(|connection| connection.connection_metadata().is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Option<CaptureConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange that came to no answer.
struct Broken {
    failure: Failure,
    /// Whether another connection may do better.
    again: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            again: false,
        }
    }
}

impl From<legacy::Error> for Broken {
    fn from(error: legacy::Error) -> Self {
        let flooded = connection_has(&error, Flooded::is_set);
        Self {
            // Of the requests on a flooded connection one alone was answered so: each has to show it by itself.
            again: flooded || was_closing(&error),
            failure: if flooded {
                Failure::Interim
            } else {
                failure(&error)
            },
        }
    }
}

/// One request, up to the head of its answer.
async fn exchange(
    http: &Http,
    outgoing: &Outgoing,
    connection: &Captured,
) -> Result<Response<Incoming>, Broken> {
    let mut request = request(outgoing)?;
    connection.capture(&mut request);
    let interim = Arc::new(Interim::default());
    let counted = Arc::clone(&interim);
    on_informational(&mut request, move |_| counted.count());
    select! {
        biased;
        () = interim.exceeded() => Err(Failure::Interim.into()),
        response = http.request(request) => Ok(response?),
    }
}

fn request(outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
    // Within what `policy::check` lets pass, only a host that no URI can hold would fail.
    let uri = Uri::try_from(outgoing.url.as_str()).map_err(|_| UrlFault::Host)?;
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers.clone();
    for name in &policy::FRAMING {
        request.headers_mut().remove(name);
    }
    // hyper leaves it out when the body is empty.
    let length = HeaderValue::from(outgoing.body.len());
    request.headers_mut().insert(CONTENT_LENGTH, length);
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

/// Whether the receiver was closing the connection when the request came, without a look at it: nothing of an answer came
/// over a connection that had answered before, or the receiver said so over HTTP/2 (RFC 9113, section 8.7).
fn was_closing(error: &legacy::Error) -> bool {
    if error
        .connect_info()
        .is_some_and(Connected::is_negotiated_h2)
    {
        return causes(error)
            .filter_map(|cause| cause.downcast_ref::<h2::Error>())
            .any(is_unprocessed);
    }
    failure(error) == Failure::Closed && connection_has(error, Progress::is_unanswered_reuse)
}

/// Whether something is true of the connection that a request went over.
fn connection_has<T: Clone + Send + Sync + 'static>(
    error: &legacy::Error,
    is_true: impl Fn(&T) -> bool,
) -> bool {
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    extras.get::<T>().is_some_and(is_true)
}

fn is_unprocessed(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
            || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
}

fn failure(error: &legacy::Error) -> Failure {
    causes(error)
        .find_map(known_failure)
        .unwrap_or(Failure::Closed)
}

fn known_failure(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return error.is_parse().then_some(Failure::Protocol);
    }
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return error.is_library().then_some(Failure::Protocol);
    }
    Failure::from_tls(cause.downcast_ref::<io::Error>()?)
}

fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

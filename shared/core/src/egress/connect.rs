//! Opening a connection: resolve, judge, dial, TLS.
//!
//! A host is resolved once per connect, and only those very addresses are dialled: there is no moment between check and
//! connect for a name server to use. Where the operator has a proxy, that resolves and judges names, and is what is dialled. Kept connections need no second look, as they go where they went.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::dial::{Dial, HostDialer};
use super::identity::Presented;
use super::interim::Frames;
use super::progress::Progress;
use super::proxy::Proxy;
use super::resolve::{Lookups, Resolve};
use super::standing::{Listed, Standing};
use super::trust::{Roots, Trust};
use super::{Capacity, Failure, HostFault, Policy, TlsFault, policy};

/// A connect that no request waits for any more (another connection came free) ends here.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Opens connections to vetted addresses. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
    tls: Tls,
    http1_only: bool,
}

/// How connections of one identity speak TLS.
#[derive(Clone)]
struct Tls {
    any: TlsConnector,
    /// The same without HTTP/2.
    http1: TlsConnector,
    /// Whether a certificate is presented to a receiver that asks.
    presents: bool,
}

impl Tls {
    fn new(mut config: ClientConfig, presents: bool) -> Self {
        let mut offering = |protocols: &[&[u8]]| {
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config.clone()))
        };
        Self {
            any: offering(&[b"h2", b"http/1.1"]),
            http1: offering(&[b"http/1.1"]),
            presents,
        }
    }
}

struct Shared {
    policy: Policy,
    lookups: Lookups,
    dialer: HostDialer,
    trust: Trust,
    standing: Standing,
    open: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(
        policy: Policy,
        resolver: Box<dyn Resolve>,
        dialer: Box<dyn Dial>,
        roots: Roots,
        capacity: Capacity,
    ) -> Self {
        let trust = Trust::new(roots);
        let tls = Tls::new(trust.anonymous(), false);
        let shared = Shared {
            lookups: Lookups::new(resolver, policy.strict),
            policy,
            dialer: HostDialer::new(dialer),
            trust,
            standing: Standing::default(),
            open: Arc::new(Semaphore::new(capacity.open)),
            kept: Arc::new(Semaphore::new(capacity.kept)),
        };
        Self {
            shared: Arc::new(shared),
            tls,
            http1_only: false,
        }
    }

    /// The same, whose connections present a certificate to receivers that ask.
    pub(super) fn presenting(&self, presented: &Presented) -> Self {
        Self {
            tls: Tls::new(self.shared.trust.presenting(presented), true),
            ..self.clone()
        }
    }

    /// The same, whose connections speak HTTP/1.1.
    pub(super) fn http1_only(&self) -> Self {
        Self {
            http1_only: true,
            ..self.clone()
        }
    }

    /// Whether somebody waits for the name that is looked up for a connection to this host.
    pub(super) fn is_looked_up(&self, host: &str) -> bool {
        self.shared.lookups.is_under_way(self.looked_up_for(host))
    }

    /// Whose fault it is that this name was not looked up in an attempt's time.
    pub(super) async fn unanswered(&self, host: &str) -> Failure {
        let name = self.looked_up_for(host);
        let failure = self.shared.lookups.unanswered(name).await;
        match &self.shared.policy.proxy {
            Some(_) => of_proxy(failure),
            None => failure,
        }
    }

    fn looked_up_for<'a>(&'a self, host: &'a str) -> &'a str {
        self.shared.policy.proxy.as_ref().map_or(host, Proxy::host)
    }

    /// Closes the connections over HTTP/1 to the host of a URL that wait for their next request.
    pub(super) fn close_idle(&self, uri: &Uri) {
        let (host, port) = host_and_port(uri);
        self.shared.standing.end_idle(host, port);
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let tls = if self.http1_only {
            self.tls.http1.clone()
        } else {
            self.tls.any.clone()
        };
        let presents = self.tls.presents;
        Box::pin(async move {
            match timeout(CONNECT_LIMIT, shared.connect(&uri, &tls, presents)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(Failure::Timeout(CONNECT_LIMIT)),
            }
        })
    }
}

impl Shared {
    async fn connect(
        &self,
        uri: &Uri,
        tls: &TlsConnector,
        presents: bool,
    ) -> Result<Stream, Failure> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let (host, port) = host_and_port(uri);
        let literal = host.parse::<IpAddr>().ok();
        if literal.is_some_and(|ip| self.policy.strict && !policy::is_public(ip)) {
            return Err(Failure::ForbiddenAddress);
        }
        let proxy = self.policy.proxy.as_ref();
        let addresses = match (proxy, literal) {
            (Some(proxy), _) => self.addresses_of(proxy).await?,
            (None, Some(ip)) => vec![ip],
            (None, None) => self.vetted_addresses(host).await?,
        };
        // Connects that nobody waits for any more may use up what is there; whoever waits has a slot, and tries again.
        let open = Arc::clone(&self.open).try_acquire_owned();
        let open = open.map_err(|_| HostFault::NoSlot)?;
        let dialled = match proxy {
            Some(proxy) => {
                let dialled = self.dialer.dial(&addresses, proxy.port()).await;
                dialled.map_err(of_proxy)?
            }
            None => self.dialer.dial(&addresses, port).await?,
        };
        // Only a connection that has broken already refuses.
        dialled
            .set_nodelay(true)
            .map_err(|_| Failure::Unreachable)?;
        let tcp = match proxy {
            Some(proxy) => proxy.tunnel(dialled, host, port).await?,
            None => dialled,
        };
        let io = if secure {
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| Failure::Tls(TlsFault::HostName))?;
            let tls = tls.connect(name, tcp).await;
            Io::Tls(Box::new(tls.map_err(|error| {
                Failure::from_tls(&error, presents).unwrap_or(Failure::Tls(TlsFault::Closed))
            })?))
        } else {
            Io::Plain(tcp)
        };
        let is_http2 = io.is_http2();
        let frames = is_http2.then(Frames::default);
        let progress = Progress::new(is_http2);
        let listed = (!is_http2).then(|| self.standing.list(host, port, &progress));
        Ok(Stream {
            io,
            frames,
            progress,
            _listed: listed,
            flooded: Flooded::default(),
            broke: Broke::default(),
            presents,
            _open: open,
            kept: Arc::clone(&self.kept).try_acquire_owned().ok(),
        })
    }

    /// Invariant: in strict mode no packet goes to an address that is not public. One forbidden address among the
    /// answers rejects the host, for it is there by mistake or by malice.
    async fn vetted_addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let addresses = self.lookups.addresses(host).await?;
        if self.policy.strict && !addresses.iter().copied().all(policy::is_public) {
            return Err(Failure::ForbiddenAddress);
        }
        Ok(addresses)
    }

    /// Where the proxy is: the operator's word, public or not.
    async fn addresses_of(&self, proxy: &Proxy) -> Result<Vec<IpAddr>, Failure> {
        match proxy.host().parse() {
            Ok(ip) => Ok(vec![ip]),
            Err(_) => {
                let addresses = self.lookups.addresses(proxy.host()).await;
                addresses.map_err(of_proxy)
            }
        }
    }
}

fn host_and_port(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
    (
        host,
        uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
    )
}

/// No receiver is to blame for a proxy that is not there.
fn of_proxy(failure: Failure) -> Failure {
    match failure {
        Failure::Host(fault) => fault.into(),
        _ => HostFault::Proxy.into(),
    }
}

/// A connection to a receiver.
pub(super) struct Stream {
    io: Io,
    /// What has come over HTTP/2.
    frames: Option<Frames>,
    progress: Progress,
    /// Over HTTP/1.
    _listed: Option<Listed>,
    flooded: Flooded,
    broke: Broke,
    /// Whether a certificate was presented if the receiver asked.
    presents: bool,
    /// Its share of the connections that may be open.
    _open: OwnedSemaphorePermit,
    /// Its share of the connections that may be kept; without one it serves a single request.
    kept: Option<OwnedSemaphorePermit>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Io {
    fn is_http2(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Plain(_) => false,
        }
    }
}

/// Whether an HTTP/2 connection ended for the interim answers on one of its streams.
#[derive(Clone, Default)]
pub(super) struct Flooded(Arc<AtomicBool>);

impl Flooded {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What TLS broke of, once the connection was open: over TLS 1.3 a receiver refuses a client's certificate only then. h2 does not hand such
/// an error on.
#[derive(Clone, Default)]
pub(super) struct Broke(Arc<OnceLock<Failure>>);

impl Broke {
    /// Notes the first failure, and makes an error of it.
    fn of(&self, failure: Failure) -> io::Error {
        io::Error::other(self.0.get_or_init(|| failure).clone())
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.0.get().cloned()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new()
            .extra(self.progress.clone())
            .extra(self.flooded.clone())
            .extra(self.broke.clone());
        if self.kept.is_none() {
            connected.poison();
        }
        if self.io.is_http2() {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // To the client library it looks as if the receiver had closed.
        if this.progress.is_ended(cx) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_read(cx, buf),
        };
        let polled = polled.map_err(|error| match Failure::from_tls(&error, this.presents) {
            Some(failure) => this.broke.of(failure),
            None => error,
        });
        let received = &buf.filled()[before..];
        if !received.is_empty() {
            this.progress.received(received);
        }
        if let Some(frames) = &mut this.frames {
            if !frames.take(received) {
                this.flooded.set();
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if let Some(is_answering) = frames.answering() {
                this.progress.answers(is_answering);
            }
        }
        polled
    }
}

impl Stream {
    /// What a write came to. A receiver that answers before it has read all of a request, and closes, makes the next write fail;
    /// what it answered can be read all the same. So over HTTP/1 such a write counts as made: if no answer is there, reading fails too.
    fn written(
        &self,
        polled: Poll<io::Result<usize>>,
        bytes: impl FnOnce() -> usize,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Err(_)) if self.frames.is_none() => Poll::Ready(Ok(bytes())),
            polled => polled,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.progress.sends() {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_write(cx, buf),
        };
        this.written(polled, || buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = || bufs.iter().map(|buf| buf.len()).sum();
        if !this.progress.sends() {
            return Poll::Ready(Ok(bytes()));
        }
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Io::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        };
        this.written(polled, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        };
        this.written(polled.map_ok(|()| 0), || 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

//! Opening a connection: resolve, judge, dial, TLS.
//!
//! A host is resolved once per connect, and only those very addresses are dialled: there is no moment between check and
//! connect for a name server to use. Kept connections need no second look, as they go where they went.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::dial::{Dial, HostDialer};
use super::interim::Frames;
use super::resolve::{Lookups, Resolve};
use super::{Capacity, Failure, HostFault, policy};

/// A connect that no request waits for any more (another connection came free) ends here.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Opens connections to vetted addresses. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    strict: bool,
    lookups: Lookups,
    dialer: HostDialer,
    tls: TlsConnector,
    open: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(
        strict: bool,
        resolver: Box<dyn Resolve>,
        dialer: Box<dyn Dial>,
        roots: RootCertStore,
        capacity: Capacity,
    ) -> Self {
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(Shared {
            strict,
            lookups: Lookups::new(resolver),
            dialer: HostDialer::new(dialer),
            tls: TlsConnector::from(Arc::new(tls)),
            open: Arc::new(Semaphore::new(capacity.open)),
            kept: Arc::new(Semaphore::new(capacity.kept)),
        }))
    }

    /// The look-ups of host names.
    pub(super) fn lookups(&self) -> &Lookups {
        &self.0.lookups
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
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            match timeout(CONNECT_LIMIT, shared.connect(&uri)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(Failure::Timeout(CONNECT_LIMIT)),
            }
        })
    }
}

impl Shared {
    async fn connect(&self, uri: &Uri) -> Result<Stream, Failure> {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });

        let addresses = self.vetted_addresses(host).await?;
        // Connects that nobody waits for any more may use up what is there; whoever waits has a slot, and tries again.
        let open = Arc::clone(&self.open).try_acquire_owned();
        let open = open.map_err(|_| HostFault::NoSlot)?;
        let tcp = self.dialer.dial(&addresses, port).await?;
        // Only a connection that has broken already refuses.
        tcp.set_nodelay(true).map_err(|_| Failure::Unreachable)?;
        let io = if secure {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| Failure::Tls)?;
            let tls = self.tls.connect(name, tcp).await;
            Io::Tls(Box::new(tls.map_err(|error| {
                Failure::from_tls(&error).unwrap_or(Failure::Tls)
            })?))
        } else {
            Io::Plain(tcp)
        };
        let frames = io.is_http2().then(Frames::default);
        Ok(Stream {
            io,
            frames,
            progress: Progress::default(),
            flooded: Flooded::default(),
            _open: open,
            kept: Arc::clone(&self.kept).try_acquire_owned().ok(),
        })
    }

    /// Invariant: in strict mode no packet goes to an address that is not public. One forbidden address among the
    /// answers rejects the host, for it is there by mistake or by malice.
    async fn vetted_addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => self.lookups.addresses(host).await?,
        };
        if self.strict && !addresses.iter().copied().all(policy::is_public) {
            return Err(Failure::ForbiddenAddress);
        }
        Ok(addresses)
    }
}

/// A connection to a receiver.
pub(super) struct Stream {
    io: Io,
    /// What has come over HTTP/2.
    frames: Option<Frames>,
    progress: Progress,
    flooded: Flooded,
    /// Its share of the connections that may be open.
    _open: OwnedSemaphorePermit,
    /// Its share of the connections that may be kept; without one it serves a single request.
    kept: Option<OwnedSemaphorePermit>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whether a connection over which an exchange was made before has received anything of the answer to the present one.
/// Of use for HTTP/1 only, where exchanges don't overlap.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

impl Progress {
    const FIRST: u8 = 0;
    const RECEIVED: u8 = 1;
    const SENT_AGAIN: u8 = 2;

    fn received(&self) {
        self.0.store(Self::RECEIVED, Ordering::Relaxed);
    }

    fn sent(&self) {
        if self.0.load(Ordering::Relaxed) != Self::FIRST {
            self.0.store(Self::SENT_AGAIN, Ordering::Relaxed);
        }
    }

    /// The connection was used before, and nothing has come since it was written to last.
    pub(super) fn is_unanswered_reuse(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::SENT_AGAIN
    }
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

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new()
            .extra(self.progress.clone())
            .extra(self.flooded.clone());
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
        let before = buf.filled().len();
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_read(cx, buf),
        };
        let received = &buf.filled()[before..];
        if !received.is_empty() {
            this.progress.received();
        }
        if let Some(frames) = &mut this.frames
            && !frames.take(received)
        {
            this.flooded.set();
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.progress.sent();
        match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.progress.sent();
        match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Io::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

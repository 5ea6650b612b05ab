//! The receiver: a bare HTTP/1.1 server that answers 200 and notes how long each event was under way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Stands before the time stamp in every event: microseconds since the stopwatch's start, in [`STAMP_DIGITS`] digits.
pub(crate) const STAMP: &str = r#""at":""#;

/// Digits of a time stamp: enough for days, and every event is as long as the next.
pub(crate) const STAMP_DIGITS: usize = 12;

/// The one clock of publisher and receiver.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A receiver on a free loopback port.
#[derive(Clone)]
pub(crate) struct Arrivals {
    pub(crate) addr: SocketAddr,
    pub(crate) stopwatch: Stopwatch,
    latencies_us: Arc<Mutex<Vec<u64>>>,
}

impl Arrivals {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let arrivals = Self {
            addr,
            stopwatch: Stopwatch::start(),
            latencies_us: Arc::default(),
        };
        let server = arrivals.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        arrivals
    }

    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request: Request<Incoming>| async {
            if let Ok(body) = request.into_body().collect().await {
                self.note(&body.to_bytes());
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        // An error is the sender's way of hanging up.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn note(&self, body: &[u8]) {
        let stamp = find(body, STAMP.as_bytes()).and_then(|at| {
            let digits = body.get(at + STAMP.len()..at + STAMP.len() + STAMP_DIGITS)?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        });
        let latency_us = self
            .stopwatch
            .now_us()
            .saturating_sub(stamp.unwrap_or_default());
        self.latencies_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(latency_us);
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Waits until `n` have arrived.
    ///
    /// # Panics
    /// When nothing has come for a minute.
    pub(crate) async fn wait_for(&self, n: usize) {
        let mut last = (Instant::now(), self.count());
        while self.count() < n {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if self.count() > last.1 {
                last = (Instant::now(), self.count());
            }
            assert!(
                last.0.elapsed() < Duration::from_secs(60),
                "{} of {n} arrived, then none for a minute",
                last.1
            );
        }
    }

    /// How long everything after the first `skip` was under way, in microseconds, ascending.
    pub(crate) fn sorted_latencies_us(&self, skip: usize) -> Vec<u64> {
        let all = self
            .latencies_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut latencies = all.get(skip..).unwrap_or_default().to_vec();
        latencies.sort_unstable();
        latencies
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

//! A receiver that takes everything at once and notes which events came, and when.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Events are called `f0`, `f1`, …
pub(crate) fn name(number: usize) -> String {
    format!("f{number}")
}

#[derive(Default)]
struct Came {
    /// By number, when each event came first.
    first: Vec<Option<Instant>>,
    events: usize,
    posts: usize,
}

#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    came: Arc<Mutex<Came>>,
}

impl Sink {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let sink = Self {
            addr: listener.local_addr().expect("its address"),
            came: Arc::default(),
        };
        let server = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        sink
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request: Request<Incoming>| async {
            let event = request.headers().get("webhook-id");
            let number = event.and_then(|id| id.to_str().ok()?.strip_prefix('f')?.parse().ok());
            let _ = request.into_body().collect().await;
            self.note(number);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        // An error is the sender's way of hanging up.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a POST, of an event with a number or of another.
    fn note(&self, number: Option<usize>) {
        let mut came = self.came();
        came.posts += 1;
        let Some(number) = number else { return };
        if came.first.len() <= number {
            came.first.resize(number + 1, None);
        }
        if came.first[number].is_none() {
            came.first[number] = Some(Instant::now());
            came.events += 1;
        }
    }

    /// When an event came.
    pub(crate) fn when(&self, number: usize) -> Option<Instant> {
        self.came().first.get(number).copied().flatten()
    }

    /// How many POSTs there were.
    pub(crate) fn posts(&self) -> usize {
        self.came().posts
    }

    /// Waits until nothing new has come for `quiet`, or all of `wanted` have; gives those that have not.
    pub(crate) async fn missing(&self, wanted: &[usize], quiet: Duration) -> Vec<usize> {
        let mut last = (Instant::now(), 0);
        loop {
            let events = self.came().events;
            if events > last.1 {
                last = (Instant::now(), events);
            }
            if events >= wanted.len() || last.0.elapsed() > quiet {
                let missing = wanted.iter().filter(|number| self.when(**number).is_none());
                let missing: Vec<_> = missing.copied().collect();
                if missing.is_empty() || last.0.elapsed() > quiet {
                    return missing;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

//! The HTTP server of `rung dev`.
//!
//! A client that says half a request, or does not read its answer, holds up nobody: not the others, as each has a connection of
//! its own; not the end of the process, which waits a bounded time; and not even its own connection for long. One that writes all
//! before it reads gets its answer too.

mod unread;

use std::{pin::pin, time::Duration};

use axum::{Router, middleware::from_fn, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, time::timeout};

/// How long a client may take for a request's head; a connection over which nothing comes is closed after it as well.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long requests under way are waited for at the end: as long as the receiver of a test may take.
const FINISH_LIMIT: Duration = Duration::from_secs(15);

/// Serves until `stop`, then finishes what is under way.
pub(crate) async fn serve(
    mut listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT);
    let router = router.layer(from_fn(unread::discarded));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, _) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        // Answers are single small writes; nothing is gained by waiting for more. A connection that refuses works as well.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    // What is not finished by then is not waited for.
    let _ = timeout(FINISH_LIMIT, connections.shutdown()).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use axum::{
        extract::Request,
        routing::{get, post},
    };
    use rung_shared::{
        api::{self, ApiError},
        limits::BATCH_REQUEST_BYTES,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::{Notify, oneshot},
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    const SLOW: Duration = Duration::from_secs(5);
    /// The timers' precision.
    const TICK: Duration = Duration::from_millis(5);
    const WHOLE: &str = "GET / HTTP/1.1\r\n\r\n";
    const HALF: &str = "GET / HTTP/1.1\r\nx-slow: ";

    struct Running {
        address: SocketAddr,
        /// The slow request that has arrived.
        arrived: Arc<Notify>,
        stop: oneshot::Sender<()>,
        served: JoinHandle<()>,
    }

    async fn start() -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let arrived = Arc::new(Notify::new());
        let slow = {
            let arrived = Arc::clone(&arrived);
            async move || {
                arrived.notify_one();
                tokio::time::sleep(SLOW).await;
            }
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/slow", get(slow))
            .route("/batch", post(batch))
            .route("/deaf", post(async || "here"));
        let served = tokio::spawn(serve(listener, router, async {
            let _ = stopped.await;
        }));
        Running {
            address,
            arrived,
            stop,
            served,
        }
    }

    /// Takes what a batch of events may have.
    async fn batch(request: Request) -> Result<&'static str, ApiError> {
        api::body(request, BATCH_REQUEST_BYTES, 1).await?;
        Ok("here")
    }

    /// A POST of so many bytes, in the connection's last request.
    fn large(path: &str, length: usize) -> (String, Vec<u8>) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        (head, vec![b'x'; length])
    }

    /// A connection over which this was sent.
    async fn said(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// A connection over which a whole exchange was made, and then this was sent.
    async fn said_after_an_exchange(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = said(address, WHOLE).await;
        let mut seen = Vec::new();
        while !seen.ends_with(b"here") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// All that still comes until the server closes, and how long that takes.
    async fn rest(mut stream: TcpStream) -> (String, Duration) {
        let start = Instant::now();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        (text, start.elapsed())
    }

    #[tokio::test]
    async fn half_a_head_is_waited_for_so_long_and_holds_up_nobody() {
        let running = start().await;
        let half = said_after_an_exchange(running.address, HALF).await;
        said_after_an_exchange(running.address, "").await;
        tokio::time::pause();
        let (_, took) = rest(half).await;
        assert!(
            (HEAD_LIMIT / 2..=HEAD_LIMIT + TICK).contains(&took),
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_under_way() {
        let running = start().await;
        let idle = said_after_an_exchange(running.address, "").await;
        let slow = said(running.address, "GET /slow HTTP/1.1\r\n\r\n").await;
        running.arrived.notified().await;
        tokio::time::pause();
        running.stop.send(()).unwrap();
        let (answer, took) = rest(slow).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(took >= SLOW / 2, "{took:?}");
        assert_eq!(rest(idle).await.0, "");
        running.served.await.unwrap();
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_a_client_that_never_ends() {
        let running = start().await;
        let _half = said_after_an_exchange(running.address, HALF).await;
        tokio::time::pause();
        let start = Instant::now();
        running.stop.send(()).unwrap();
        running.served.await.unwrap();
        let took = start.elapsed();
        assert!(took <= FINISH_LIMIT + TICK, "{took:?}");
    }

    /// Clients that write all before they read: a connection closed over what they still write would be reset, answer and all.
    #[tokio::test]
    async fn who_writes_all_before_reading_gets_the_answer() {
        let running = start().await;
        for (path, length, status) in [
            ("/batch", BATCH_REQUEST_BYTES + 1, "413 Payload Too Large"),
            ("/batch", 5_000_000, "413 Payload Too Large"),
            ("/deaf", 300_000, "200 OK"),
            ("/nowhere", 5_000_000, "404 Not Found"),
        ] {
            for _ in 0..10 {
                let (head, body) = large(path, length);
                let mut stream = said(running.address, &head).await;
                stream.write_all(&body).await.unwrap();
                let (answer, _) = rest(stream).await;
                assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                    "{path} {length}: {answer}"
                );
            }
        }
    }

    /// A body that came in pieces of unknown number is refused half way; the rest is on its way already.
    #[tokio::test]
    async fn who_writes_pieces_before_reading_gets_the_answer() {
        let running = start().await;
        let head = "POST /batch HTTP/1.1\r\nconnection: close\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut stream = said(running.address, head).await;
        let piece = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
        for _ in 0..50 {
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let (answer, _) = rest(stream).await;
        assert!(
            answer.contains("HTTP/1.1 413 Payload Too Large\r\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn who_asks_before_sending_is_refused_at_once() {
        let running = start().await;
        let (head, _) = large("/batch", 5_000_000);
        let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
        let stream = said(running.address, &head).await;
        let (answer, _) = rest(stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn who_never_sends_the_rest_is_answered_all_the_same() {
        let running = start().await;
        let (head, _) = large("/deaf", 5_000_000);
        let stream = said_after_an_exchange(running.address, &head).await;
        tokio::time::pause();
        let (answer, took) = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(took <= unread::REST_LIMIT + TICK, "{took:?}");
    }
}

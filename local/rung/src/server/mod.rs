//! The HTTP server of `rung dev`.
//!
//! A client that says half a request, or does not read its answer, holds up nobody: not the others, as each has a connection of
//! its own, and a silent one makes room when there are too many ([`connections`]); not the end of the process, which waits a
//! bounded time; and not even its own connection for long ([`wire`]). What it sends is held in memory as far as a buffer goes. One
//! that writes all before it reads gets its answer too ([`unread`]). [`front`] refuses what is not for this server, [`framing`] what
//! does not say clearly where it ends.

mod connections;
mod cors;
mod framing;
mod front;
mod head;
mod unread;
mod wire;

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, middleware::from_fn};
use http::{
    HeaderValue, Request,
    header::{CONNECTION, TRANSFER_ENCODING},
};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rung_api::{Code, Peer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use self::{
    connections::{Connections, Place},
    wire::Wire,
};
pub(crate) use self::{cors::Origin, front::Front};

/// How long a client may take for a request's head; a connection over which nothing comes is closed after it as well.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a request's head may be. As much of what a client sends is held before it is read, or twice that, where it comes at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS: usize = 100;
/// How long requests under way are waited for at the end: as long as the receiver of a test may take.
const FINISH_LIMIT: Duration = Duration::from_secs(15);
/// How long to wait when the system has no descriptor for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are told at once that there is no room; others are closed without a word. They have no places, so they must be
/// few among the descriptors that are kept back.
const TURNED_AWAY: usize = 16;

/// Serves at most so many connections until `stop`, then finishes what is under way.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(HEADERS)
        // For whoever forwards requests.
        .preserve_header_case(true);
    let server = Server {
        http,
        routes: TowerToHyperService::new(
            router
                .layer(from_fn(head::bounded))
                .layer(from_fn(unread::discarded)),
        ),
    };
    let connections = Connections::of(most);
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    let mut out_of_descriptors = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                if !out_of_descriptors {
                    tracing::warn!(%error, "cannot accept more connections; closing silent ones");
                }
                out_of_descriptors = true;
                connections.make_room();
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        out_of_descriptors = false;
        // Answers are single small writes; nothing is gained by waiting for more. A connection that refuses works as well.
        let _ = stream.set_nodelay(true);
        if let Some(mut place) = connections.admit(peer.ip()) {
            tokio::select! {
                () = place.is_free() => {}
                () = &mut stop => break,
            }
            tokio::spawn(
                server
                    .clone()
                    .serve(stream, Peer(peer.ip()), place, stopped.clone()),
            );
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(async move {
                wire::part(stream, Some(Code::Unavailable)).await;
                drop(permit);
            });
        }
    }
    drop((listener, stopped));
    stopping.send_replace(true);
    // What is not finished by then is not waited for.
    let _ = timeout(FINISH_LIMIT, stopping.closed()).await;
}

/// Whether a failure to accept is the fault of the one client.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What serves a connection.
#[derive(Clone)]
struct Server {
    http: http1::Builder,
    routes: TowerToHyperService<Router>,
}

impl Server {
    /// Serves a connection until either side ends it, it makes room for another, or everything stops.
    async fn serve(
        self,
        stream: TcpStream,
        peer: Peer,
        place: Place,
        mut stopped: watch::Receiver<bool>,
    ) {
        let client = &place.client;
        let mut wire = Wire::new(stream, Arc::clone(client));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Arc::clone(client));
            if request.body().is_end_stream() {
                client.has_said_all();
            }
            // Where a body in chunks ends, hyper alone knows: no head is looked for behind it.
            let is_last = request.headers().contains_key(TRANSFER_ENCODING);
            let answer = self.routes.call(request.map(Body::new));
            let client = Arc::clone(client);
            async move {
                let mut answer = answer.await;
                if is_last && let Ok(answer) = &mut answer {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                client.is_answered();
                answer
            }
        });
        let ended = {
            let io = TokioIo::new(&mut wire);
            let mut connection = pin!(self.http.serve_connection(io, service));
            let mut is_stopping = false;
            loop {
                tokio::select! {
                    ended = &mut connection => break ended,
                    () = client.given_up() => return,
                    _ = stopped.wait_for(|stopped| *stopped), if !is_stopping => {
                        is_stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        };
        let Err(error) = ended else { return };
        tracing::debug!(%error, "a connection broke");
        let last_word = (error.is_timeout() && wire.is_asking()).then_some(Code::RequestTimeout);
        if last_word.is_some() || error.is_parse() {
            tokio::select! {
                () = wire::part(wire.into_stream(), last_word) => {}
                () = client.given_up() => {}
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use axum::{
        body::Bytes,
        extract::Request,
        response::IntoResponse,
        routing::{get, post},
    };
    use futures_util::stream;
    use rung_api::ApiError;
    use rung_core::limits::BATCH_REQUEST_BYTES;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::{Notify, oneshot},
        task::JoinHandle,
        time::Instant,
    };

    use super::{wire::WRITE_LIMIT, *};

    const SLOW: Duration = Duration::from_secs(5);
    /// The timers' precision.
    const TICK: Duration = Duration::from_millis(5);
    const WHOLE: &str = "GET / HTTP/1.1\r\n\r\n";
    const HALF: &str = "GET / HTTP/1.1\r\nx-slow: ";
    const LARGE: &str = "GET /large HTTP/1.1\r\n\r\n";
    /// A large answer: more than a system takes before somebody reads.
    const PIECE_BYTES: usize = 1024 * 1024;
    const PIECES: usize = 64;
    /// More connections than a test makes.
    const MANY: usize = 1_000;

    struct Running {
        address: SocketAddr,
        /// The slow request that has arrived.
        arrived: Arc<Notify>,
        /// One for each large answer that is over, sent or not.
        large_over: Arc<Semaphore>,
        stop: oneshot::Sender<()>,
        served: JoinHandle<()>,
    }

    async fn start() -> Running {
        start_with(MANY).await
    }

    /// A server of so many connections.
    async fn start_with(most: usize) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let arrived = Arc::new(Notify::new());
        let slow = {
            let arrived = Arc::clone(&arrived);
            async move || {
                arrived.notify_one();
                sleep(SLOW).await;
            }
        };
        let large_over = Arc::new(Semaphore::new(0));
        let large = {
            let over = Arc::clone(&large_over);
            async move || {
                let over = Over(over);
                let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
                let pieces = stream::iter((0..PIECES).map(move |_| {
                    let _ = &over;
                    io::Result::Ok(piece.clone())
                }));
                Body::from_stream(pieces).into_response()
            }
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/large", get(large))
            .route("/slow", get(slow))
            .route("/batch", post(batch))
            .route("/deaf", post(async || "here"));
        let served = tokio::spawn(serve(listener, router, most, async {
            let _ = stopped.await;
        }));
        Running {
            address,
            arrived,
            large_over,
            stop,
            served,
        }
    }

    /// Tells that an answer is over, when dropped.
    struct Over(Arc<Semaphore>);

    impl Drop for Over {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }

    impl Running {
        async fn large_over(&self) {
            self.large_over.acquire().await.unwrap().forget();
        }
    }

    /// Takes what a batch of events may have.
    async fn batch(request: Request) -> Result<&'static str, ApiError> {
        rung_api::body(request, BATCH_REQUEST_BYTES, 1).await?;
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
        let (answer, took) = rest(half).await;
        assert!(
            (HEAD_LIMIT / 2..=HEAD_LIMIT + TICK).contains(&took),
            "{took:?}"
        );
        assert_refused(&answer, "408 Request Timeout", "request_timeout");
    }

    /// A refusal in the usual form, and the end.
    #[track_caller]
    fn assert_refused(answer: &str, status: &str, code: &str) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["success"], false, "{answer}");
        assert_eq!(body["error"]["code"], code, "{answer}");
    }

    #[tokio::test]
    async fn who_asks_nothing_is_told_nothing() {
        let running = start().await;
        let silent = said_after_an_exchange(running.address, "").await;
        tokio::time::pause();
        let (answer, took) = rest(silent).await;
        assert_eq!(answer, "");
        assert!(took <= HEAD_LIMIT + TICK, "{took:?}");
    }

    /// Each holds a buffer at most, and together they are no more than there may be.
    #[tokio::test]
    async fn many_half_heads_and_half_bodies_make_room_for_others() {
        let running = start_with(8).await;
        let half_body = large("/batch", 1_000).0 + "half";
        let mut halves = Vec::new();
        for _ in 0..20 {
            halves.push(said(running.address, HALF).await);
            halves.push(said(running.address, &half_body).await);
            halves.push(said(running.address, "").await);
        }
        // One address has half of the connections: all but the last four have made room.
        let kept = halves.split_off(halves.len() - 4);
        for half in halves {
            assert_eq!(rest(half).await.0, "");
        }
        said_after_an_exchange(running.address, "").await;
        drop(kept);
    }

    #[tokio::test]
    async fn a_head_longer_than_the_buffer_or_of_too_many_headers_is_refused() {
        let running = start().await;
        let long = "x".repeat(200_000);
        let many = "x: y\r\n".repeat(HEADERS + 1);
        for head in [
            format!("GET / HTTP/1.1\r\nx: {long}"),
            format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
            format!("GET /{long} HTTP/1.1\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
        ] {
            let stream = said_after_an_exchange(running.address, &head).await;
            let (answer, _) = rest(stream).await;
            let status = "431 Request Header Fields Too Large";
            assert_refused(&answer, status, "headers_too_large");
        }
        // The parser of heads reads on beyond its bound by what comes at once.
        let line = "GET / HTTP/1.1\r\nconnection: close\r\nx: \r\n\r\n".len();
        let over = "x".repeat(BUFFER_BYTES + 1 - line);
        let head = format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {over}\r\n\r\n");
        let (answer, _) = rest(said(running.address, &head).await).await;
        let status = "HTTP/1.1 431 Request Header Fields Too Large\r\n";
        assert!(answer.starts_with(status), "{answer}");
        assert!(answer.contains("\"headers_too_large\""), "{answer}");
        let fits = "x".repeat(BUFFER_BYTES - line);
        let request = format!("GET / HTTP/1.1\r\nconnection: close\r\nx: {fits}\r\n\r\n");
        let (answer, _) = rest(said(running.address, &request).await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn what_is_no_http_is_refused_in_the_usual_form() {
        let running = start().await;
        for text in [
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            "GET / HTTP/9.9\r\n\r\n",
        ] {
            let (answer, _) = rest(said(running.address, text).await).await;
            assert_refused(&answer, "400 Bad Request", "malformed_request");
        }
    }

    const BOTH: &str =
        "POST /deaf HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: +5\r\n\r\n0\r\n\r\n";

    #[tokio::test]
    async fn a_request_with_chunks_and_a_length_is_refused_and_nothing_behind_it_is_read() {
        let running = start().await;
        let text = format!("{BOTH}{WHOLE}");
        for at in [0, 1, 20, BOTH.len() - 6, BOTH.len()] {
            let (first, second) = text.split_at(at);
            let mut stream = said_after_an_exchange(running.address, first).await;
            stream.write_all(second.as_bytes()).await.unwrap();
            let (answer, _) = rest(stream).await;
            assert_refused(&answer, "400 Bad Request", "malformed_request");
        }
    }

    #[tokio::test]
    async fn what_came_before_an_ambiguous_request_is_answered() {
        let running = start().await;
        let posted = "POST /batch HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
        let text = format!("{WHOLE}{posted}{BOTH}{WHOLE}");
        let (answers, _) = rest(said(running.address, &text).await).await;
        let starts = answers.match_indices("HTTP/1.1 ").map(|(at, _)| at);
        let statuses: Vec<_> = starts.map(|at| &answers[at + 9..at + 12]).collect();
        assert_eq!(statuses, ["200", "200", "400"], "{answers}");
    }

    #[tokio::test]
    async fn a_request_in_chunks_is_the_last_of_its_connection() {
        let running = start().await;
        let chunks =
            "POST /batch HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let stream = said_after_an_exchange(running.address, chunks).await;
        let (answer, _) = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn chunks_that_are_none_are_no_http() {
        let running = start().await;
        let head = "POST /batch HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        for chunks in ["zz\r\n{}\r\n", "2\r\n{}no end\r\n", "-2\r\n{}\r\n"] {
            let stream = said_after_an_exchange(running.address, &format!("{head}{chunks}")).await;
            let (answer, _) = rest(stream).await;
            assert_refused(&answer, "400 Bad Request", "malformed_request");
        }
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_waited_for_so_long() {
        let running = start().await;
        let _deaf = said_after_an_exchange(running.address, LARGE).await;
        tokio::time::pause();
        let start = Instant::now();
        running.large_over().await;
        let took = start.elapsed();
        assert!(
            (WRITE_LIMIT / 2..=WRITE_LIMIT + TICK).contains(&took),
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_all_of_its_answer() {
        let running = start().await;
        let mut slow = said(running.address, LARGE).await;
        let mut piece = vec![0; 4 * PIECE_BYTES];
        for _ in 0..8 {
            tokio::time::pause();
            sleep(WRITE_LIMIT * 2 / 3).await;
            tokio::time::resume();
            slow.read_exact(&mut piece).await.unwrap();
        }
        let mut read = 8 * piece.len();
        while read < PIECES * PIECE_BYTES {
            read += slow.read(&mut piece).await.unwrap();
        }
        running.large_over().await;
    }

    #[tokio::test]
    async fn clients_that_never_read_make_room_for_others() {
        let running = start_with(8).await;
        let mut deaf = Vec::new();
        for _ in 0..20 {
            deaf.push(said(running.address, LARGE).await);
            said_after_an_exchange(running.address, "").await;
        }
        // Of twenty there are four at most.
        for _ in 0..16 {
            running.large_over().await;
        }
    }

    #[tokio::test]
    async fn a_request_under_way_makes_room_for_nobody() {
        let running = start_with(2).await;
        let slow = said(running.address, "GET /slow HTTP/1.1\r\n\r\n").await;
        running.arrived.notified().await;
        let (answer, _) = rest(said(running.address, WHOLE).await).await;
        assert_refused(&answer, "503 Service Unavailable", "unavailable");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        tokio::time::pause();
        running.stop.send(()).unwrap();
        let (answer, _) = rest(slow).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
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

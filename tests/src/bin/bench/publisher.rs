//! Publishing over keep-alive connections, with as little work of its own as there can be.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::arrivals::{STAMP, STAMP_DIGITS, Stopwatch};

/// The length of an event's data.
const DATA_BYTES: usize = 1024;

/// One event as published, stamped with this time.
fn event(stamp_us: u64, text: &mut String) {
    let padding =
        DATA_BYTES - r#"{"pad":""}"#.len() - r#","#.len() - STAMP.len() - STAMP_DIGITS - 1;
    let _ = write!(
        text,
        r#"{{"type":"bench","data":{{{STAMP}{stamp_us:0STAMP_DIGITS$}","pad":"{:x<padding$}"}}}}"#,
        ""
    );
}

/// One connection to an HTTP/1.1 server.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self {
            sender,
            host: addr.to_string(),
        }
    }

    /// Posts and reads the answer to its end; gives the status.
    pub(crate) async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: Bytes) -> u16 {
        self.sender.ready().await.expect("the connection is open");
        let mut request = Request::post(path)
            .header("host", &self.host)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).expect("a valid request");
        let response = self.sender.send_request(request).await.expect("an answer");
        let status = response.status().as_u16();
        response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
        status
    }
}

/// A connection that publishes.
pub(crate) struct Publisher {
    connection: Connection,
    authorization: String,
    stopwatch: Stopwatch,
}

impl Publisher {
    pub(crate) async fn open(addr: SocketAddr, key: &str, stopwatch: Stopwatch) -> Self {
        Self {
            connection: Connection::open(addr).await,
            authorization: format!("Bearer {key}"),
            stopwatch,
        }
    }

    /// Publishes `n` events in one call.
    ///
    /// # Panics
    /// If they are not accepted: a benchmark of refusals would be a fast one.
    pub(crate) async fn publish(&mut self, n: usize) {
        let now = self.stopwatch.now_us();
        let mut body = String::with_capacity(n * (DATA_BYTES + 64));
        let path = if n == 1 {
            event(now, &mut body);
            "/v1/events"
        } else {
            body.push_str(r#"{"events":["#);
            for i in 0..n {
                if i > 0 {
                    body.push(',');
                }
                event(now, &mut body);
            }
            body.push_str("]}");
            "/v1/events/batch"
        };
        let status = self
            .connection
            .post(path, &[("authorization", &self.authorization)], body.into())
            .await;
        assert!(
            (200..300).contains(&status),
            "publishing was answered with {status}"
        );
    }
}

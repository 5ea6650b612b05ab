//! Who is measured: an address, and the calls that make an endpoint and publish. Rung's calls are a file like any other sender's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rung_tests::{Rung, Tenant};
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::cpu;

/// The calls of a sender, as its file has them. `{NAME}` in any of them is one of the settings.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calls {
    /// What the report calls it.
    name: String,
    /// Where it listens; none for Rung, which is started on a free port.
    addr: Option<SocketAddr>,
    /// The headers of each call, besides `host` and `content-type`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Once for each scenario, before all others. `{run}` is another text for each.
    #[serde(default)]
    prepare: Vec<Call>,
    /// Makes an endpoint at `{url}` that gets every event.
    endpoint: Call,
    /// Publishes an event that has `{data}`.
    publish: Call,
    /// Publishes many, if it can.
    batch: Option<Batch>,
}

/// One `POST`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    path: String,
    body: String,
}

/// A `POST` of many events.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    path: String,
    /// `{events}` are the events, with commas between them.
    body: String,
    /// One of them, which has `{data}`.
    event: String,
}

/// A server that runs and takes calls.
pub(crate) struct Sender {
    calls: Calls,
    addr: SocketAddr,
    /// What `{NAME}` stands for.
    settings: Vec<(String, String)>,
    /// The processes whose time counts.
    pids: Vec<u32>,
    /// Ends with the sender.
    _rung: Option<Rung>,
}

/// What publishing posts: texts around the data of each event.
#[derive(Clone)]
pub(crate) struct Publishing {
    pub(crate) path: String,
    /// Around all events.
    pub(crate) body: (String, String),
    /// Around the data of each.
    pub(crate) event: (String, String),
}

impl Calls {
    /// Reads a sender's file.
    ///
    /// # Panics
    /// When it is not one: the message names the file and the place.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let calls: Self =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(
            calls.addr.is_some(),
            "{}: `addr` is missing: add where the sender listens, as in addr = \"127.0.0.1:8071\"",
            file.display()
        );
        calls
    }

    /// Rung's own.
    pub(crate) fn of_rung() -> Self {
        toml::from_str(include_str!("rung.toml")).expect("rung.toml is a sender's file")
    }

    /// Whether it can publish many events in a call.
    pub(crate) fn has_batches(&self) -> bool {
        self.batch.is_some()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Sender {
    /// A new Rung on fresh data.
    pub(crate) async fn rung(exe: &Path) -> Self {
        let rung = Rung::start(exe, &[]).await;
        let tenant = Tenant::create(&rung, "bench", "standard").await;
        Self {
            calls: Calls::of_rung(),
            addr: rung.addr(),
            settings: vec![("key".to_owned(), tenant.key)],
            pids: vec![rung.pid()],
            _rung: Some(rung),
        }
    }

    /// A server that runs already; `run` tells this scenario from others.
    ///
    /// # Panics
    /// When it refuses a call.
    pub(crate) async fn running(
        calls: &Calls,
        settings: &[(String, String)],
        pids: &[u32],
        run: String,
    ) -> Self {
        let mut settings = settings.to_vec();
        settings.push(("run".to_owned(), run));
        let sender = Self {
            addr: calls.addr.expect("checked when the file was read"),
            calls: calls.clone(),
            settings,
            pids: pids.to_vec(),
            _rung: None,
        };
        let mut connection = sender.connect().await;
        for call in &sender.calls.prepare {
            connection.call(&sender, call, &[]).await;
        }
        sender
    }

    pub(crate) fn name(&self) -> &str {
        self.calls.name()
    }

    /// The processor time that it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.pids.iter().map(|pid| cpu::used(*pid)).sum()
    }

    /// A connection with the sender's headers.
    pub(crate) async fn connect(&self) -> Connection {
        let headers = self.calls.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), self.fill(value, &[])));
        Connection::open(self.addr, headers.collect()).await
    }

    /// Makes endpoints at these URLs.
    pub(crate) async fn endpoints(&self, urls: impl Iterator<Item = String>) {
        let mut connection = self.connect().await;
        for url in urls {
            let url = [("url", url.as_str())];
            connection.call(self, &self.calls.endpoint, &url).await;
        }
    }

    /// How to publish one event a call, or several.
    ///
    /// # Panics
    /// When it has no call for several.
    pub(crate) fn publishing(&self, several: bool) -> Publishing {
        let (path, body, event) = if several {
            let batch = self.calls.batch.as_ref().expect("a call for many events");
            (&batch.path, batch.body.as_str(), batch.event.as_str())
        } else {
            let publish = &self.calls.publish;
            (&publish.path, "{events}", publish.body.as_str())
        };
        Publishing {
            path: self.fill(path, &[]),
            body: self.around(body, "{events}"),
            event: self.around(event, "{data}"),
        }
    }

    /// What stands before and behind this mark.
    fn around(&self, text: &str, mark: &str) -> (String, String) {
        let (before, behind) = text
            .split_once(mark)
            .unwrap_or_else(|| panic!("{}: {text:?} has no {mark}", self.name()));
        (self.fill(before, &[]), self.fill(behind, &[]))
    }

    fn fill(&self, text: &str, more: &[(&str, &str)]) -> String {
        let settings = self.settings.iter();
        let settings = settings.map(|(name, value)| (name.as_str(), value.as_str()));
        settings
            .chain(more.iter().copied())
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }
}

/// One connection to an HTTP/1.1 server.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    headers: Vec<(String, String)>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr, headers: Vec<(String, String)>) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self {
            sender,
            host: addr.to_string(),
            headers,
        }
    }

    /// Posts and reads the answer to its end.
    ///
    /// # Panics
    /// When it is refused: a benchmark of refusals would be a fast one.
    pub(crate) async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: Bytes) {
        self.sender.ready().await.expect("the connection is open");
        let mut request = Request::post(path)
            .header("host", &self.host)
            .header("content-type", "application/json");
        let own = self.headers.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).expect("a valid request");
        let response = self.sender.send_request(request).await.expect("an answer");
        let status = response.status();
        let answer = response.into_body().collect().await;
        let answer = answer.expect("a whole answer").to_bytes();
        assert!(
            status.is_success(),
            "POST {path} was answered with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
    }

    async fn call(&mut self, sender: &Sender, call: &Call, more: &[(&str, &str)]) {
        let path = sender.fill(&call.path, more);
        let body = sender.fill(&call.body, more);
        self.post(&path, &[], body.into()).await;
    }
}

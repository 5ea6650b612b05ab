//! Receivers and name servers by script, on loopback.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::egress::connect::Connector;
use crate::egress::dial::Dial;
use crate::egress::resolve::{Resolve, Unresolved};
use crate::egress::{
    Answer, Capacity, Client, Failure, Outgoing, Policy, Slot, Spelling, Transport,
};

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longer than anything here takes, unless it hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn outgoing(url: &str) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    Outgoing {
        method: http::Method::POST,
        url: Url::parse(url).unwrap(),
        headers,
        spelling: Spelling::default(),
        body: Bytes::from_static(br#"{"a":1}"#),
        client_certificate: None,
        timeout: PATIENCE,
        http1_only: false,
        fresh: false,
    }
}

/// A client that may post to loopback, and knows no names.
pub(super) fn client() -> Client {
    client_with(Names::none(), RootCertStore::empty())
}

pub(super) fn client_with(names: Names, roots: RootCertStore) -> Client {
    let capacity = Capacity::of(1_024);
    let policy = Policy::default();
    Client::with(policy, Box::new(names), roots.into(), capacity)
}

impl Client {
    /// Posts without a look at who else does.
    pub(super) async fn post_alone(&self, outgoing: &Outgoing) -> Result<Answer, Failure> {
        self.post(outgoing, &Slot::uncounted()).await
    }
}

/// A client under production rules, whose connections all go to a port on loopback.
pub(super) fn strict_client(names: Names, detour: &Detour, roots: RootCertStore) -> Client {
    let policy = Policy {
        strict: true,
        ..Policy::default()
    };
    let (names, dialer) = (Box::new(names), Box::new(detour.clone()));
    let capacity = Capacity::of(1_024);
    let connector = Connector::new(policy, names, dialer, roots.into(), capacity);
    Client::over(true, connector, capacity)
}

/// Notes which addresses are dialled, and connects to none of them.
#[derive(Clone, Default)]
pub(super) struct Detour {
    port: u16,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Detour {
    /// Leads to a port on loopback.
    pub(super) fn to(port: u16) -> Self {
        Self {
            port,
            ..Self::default()
        }
    }

    pub(super) fn dialled(&self) -> Vec<SocketAddr> {
        self.dialled.lock().unwrap().clone()
    }
}

#[async_trait]
impl Dial for Detour {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.dialled.lock().unwrap().push(address);
        TcpStream::connect((LOOPBACK, self.port)).await
    }
}

/// Lets all tasks that are ready run, such as the one that puts a connection back into the pool.
pub(super) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Waits until a condition holds that other tasks and the kernel bring about.
pub(super) async fn until(condition: impl Fn() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polling)
        .await
        .expect("the condition never held");
}

/// A name server that gives one answer after the other, then the last one for ever. Without any it hangs.
#[derive(Clone, Default)]
pub(super) struct Names {
    /// How many questions it does not answer before that.
    hangs: usize,
    answers: Vec<Result<Vec<IpAddr>, Unresolved>>,
    asked: Arc<AtomicUsize>,
    /// Whether it answers when it is asked for something else.
    works: Arc<AtomicBool>,
    /// How long that takes.
    takes: Duration,
    probed: Arc<AtomicUsize>,
}

impl Names {
    pub(super) fn hanging() -> Self {
        Self::default()
    }

    /// The same, when it answers the second question.
    pub(super) fn hanging_once(self) -> Self {
        Self { hangs: 1, ..self }
    }

    pub(super) fn none() -> Self {
        Self {
            answers: vec![Err(Unresolved::NotFound)],
            ..Self::default()
        }
    }

    /// One that cannot tell.
    pub(super) fn failing() -> Self {
        Self {
            answers: vec![Err(Unresolved::Unanswered)],
            ..Self::default()
        }
    }

    /// One that cannot tell at first, and answers the second question.
    pub(super) fn failing_once(address: IpAddr) -> Self {
        Self {
            answers: vec![Err(Unresolved::Unanswered), Ok(vec![address])],
            ..Self::default()
        }
    }

    /// The same, when it takes so long to be asked for something else.
    pub(super) fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    /// Whether it answers when it is asked for something else.
    pub(super) fn works(&self, works: bool) {
        self.works.store(works, Ordering::SeqCst);
    }

    /// How often it was asked for something else.
    pub(super) fn probed(&self) -> usize {
        self.probed.load(Ordering::SeqCst)
    }

    pub(super) fn all(address: IpAddr) -> Self {
        Self::answering([vec![address]])
    }

    pub(super) fn answering(answers: impl IntoIterator<Item = Vec<IpAddr>>) -> Self {
        Self {
            answers: answers.into_iter().map(Ok).collect(),
            ..Self::default()
        }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = asked.checked_sub(self.hangs);
        let answer = answer.and_then(|at| self.answers.get(at).or_else(|| self.answers.last()));
        match answer {
            Some(answer) => answer.clone(),
            None => pending().await,
        }
    }

    async fn answers(&self, _: Option<&str>) -> bool {
        self.probed.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.works.load(Ordering::SeqCst)
    }
}

/// A POST as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) connection: usize,
    pub(super) presented: Option<String>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A receiver: its script runs once per connection.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    record: Arc<Record>,
}

/// What a receiver has seen.
#[derive(Default)]
pub(super) struct Record {
    posts: Mutex<Vec<Received>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl Record {
    pub(super) fn note(&self, received: Received) {
        self.posts.lock().unwrap().push(received);
    }
}

impl Receiver {
    pub(super) async fn start<Script, Run>(script: Script) -> Self
    where
        Script: Fn(Conversation) -> Run + Send + Sync + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        Self::listen(LOOPBACK, 0, None, script).await
    }

    /// Answers everything with 200 for as long as the client likes.
    pub(super) async fn willing() -> Self {
        Self::start(Conversation::answer_all).await
    }

    pub(super) async fn listen<Script, Run>(
        ip: IpAddr,
        port: u16,
        tls: Option<TlsAcceptor>,
        script: Script,
    ) -> Self
    where
        Script: Fn(Conversation) -> Run + Send + Sync + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record::default());
        let receiver = Self {
            address,
            record: Arc::clone(&record),
        };
        let script = Arc::new(script);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let connection = record.accepted.fetch_add(1, Ordering::SeqCst);
                record.open.fetch_add(1, Ordering::SeqCst);
                let (script, record, tls) = (Arc::clone(&script), Arc::clone(&record), tls.clone());
                tokio::spawn(async move {
                    let mut presented = None;
                    let io: Box<dyn Io> = match tls {
                        None => Box::new(tcp),
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(io) => {
                                let shown = io.get_ref().1.peer_certificates();
                                presented = shown.and_then(|shown| shown.first()).map(sha256);
                                Box::new(io)
                            }
                            Err(_) => return,
                        },
                    };
                    let conversation = Conversation {
                        io,
                        connection,
                        presented,
                        record: Arc::clone(&record),
                    };
                    script(conversation).await;
                    record.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    pub(super) fn posts(&self) -> Vec<Received> {
        self.record.posts.lock().unwrap().clone()
    }

    pub(super) fn accepted(&self) -> usize {
        self.record.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.record.open.load(Ordering::SeqCst)
    }
}

fn sha256(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate))
}

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The receiver's side of one connection; dropping it closes.
pub(super) struct Conversation {
    pub(super) io: Box<dyn Io>,
    /// Counted from 0.
    pub(super) connection: usize,
    /// The SHA-256 of the client's certificate, if it has presented one.
    pub(super) presented: Option<String>,
    pub(super) record: Arc<Record>,
}

impl Conversation {
    /// Reads a request's head, unless the client has closed.
    pub(super) async fn receive_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.io.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Reads a request, unless the client has closed.
    pub(super) async fn receive(&mut self) -> Option<()> {
        let mut received = Received {
            head: self.receive_head().await?,
            body: Vec::new(),
            connection: self.connection,
            presented: self.presented.clone(),
        };
        let length = received.header("content-length").unwrap().parse().unwrap();
        received.body.resize(length, 0);
        self.io.read_exact(&mut received.body).await.ok()?;
        self.record.note(received);
        Some(())
    }

    /// Sends as much as the client takes.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        self.io.write_all(bytes.as_ref()).await.ok()?;
        self.io.flush().await.ok()
    }

    /// Reads one request and answers it.
    pub(super) async fn answer(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        self.receive().await?;
        self.send(bytes).await
    }

    pub(super) async fn answer_all(mut self) {
        while self.answer(OK).await.is_some() {}
    }

    /// Stays silent until the client closes.
    pub(super) async fn hold(mut self) {
        let mut ignored = [0; 1024];
        while self.io.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    }
}

//! Certificates, and HTTP/2.

use std::sync::Arc;

use futures_util::future::join_all;
use http::{Response, StatusCode};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::kit::{
    Conversation, Io, LOOPBACK, Names, OK, Received, Receiver, client_with, outgoing, settle, until,
};
use crate::domain::attempt::ErrorCode;
use crate::egress::{Client, Failure, TlsFault};

pub(super) const HOST: &str = "receiver.example";

pub(super) struct Authority(pub(super) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn client(&self) -> Client {
        client_with(Names::all(LOOPBACK), self.roots())
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        roots
    }

    pub(super) fn acceptor(&self, alpn: &str) -> TlsAcceptor {
        self.acceptor_of(alpn, CertificateParams::new([HOST.to_owned()]).unwrap())
    }

    fn acceptor_of(&self, alpn: &str, params: CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        acceptor(alpn, &certificate, &key)
    }
}

fn acceptor(alpn: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
    config.alpn_protocols = alpn
        .split(',')
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

pub(super) async fn start<Script, Run>(acceptor: TlsAcceptor, script: Script) -> (Receiver, String)
where
    Script: Fn(Conversation) -> Run + Send + Sync + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let receiver = Receiver::listen(LOOPBACK, 0, Some(acceptor), script).await;
    let url = format!("https://{HOST}:{}/hook", receiver.address.port());
    (receiver, url)
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start(authority.acceptor("http/1.1"), Conversation::answer_all).await;
    let client = authority.client();
    for _ in 0..3 {
        assert_eq!(
            client.post_alone(&outgoing(&url)).await.unwrap().status,
            StatusCode::OK
        );
        settle().await;
    }
    assert_eq!((receiver.posts().len(), receiver.accepted()), (3, 1));
}

#[tokio::test]
async fn who_must_not_meet_http2_is_not_offered_it() {
    let authority = Authority::new("trusted");
    let (_, url) = start(authority.acceptor("h2"), Conversation::hold).await;
    let mut post = outgoing(&url);
    post.http1_only = true;
    let failure = authority.client().post_alone(&post).await.unwrap_err();
    assert_eq!(failure.error_code(), ErrorCode::Tls);
    let (receiver, url) = start(authority.acceptor("http/1.1"), Conversation::answer_all).await;
    post.url = url.parse().unwrap();
    authority.client().post_alone(&post).await.unwrap();
    assert_eq!(receiver.posts().len(), 1);
}

#[tokio::test]
async fn any_other_certificate_is_refused() {
    let authority = Authority::new("trusted");
    let other_name = CertificateParams::new(["other.example".to_owned()]).unwrap();
    let mut expired = CertificateParams::new([HOST.to_owned()]).unwrap();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut future = CertificateParams::new([HOST.to_owned()]).unwrap();
    future.not_before = date_time_ymd(4000, 1, 1);
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    for (acceptor, expected) in [
        (
            authority.acceptor_of("http/1.1", other_name),
            Failure::CertificateName,
        ),
        (
            authority.acceptor_of("http/1.1", expired),
            Failure::CertificateExpired,
        ),
        (
            authority.acceptor_of("http/1.1", future),
            Failure::CertificateExpired,
        ),
        (
            acceptor("http/1.1", &cert, &signing_key),
            Failure::CertificateIssuer,
        ),
        (
            Authority::new("stranger").acceptor("http/1.1"),
            Failure::CertificateIssuer,
        ),
    ] {
        let (receiver, url) = start(acceptor, Conversation::answer_all).await;
        assert_eq!(
            authority
                .client()
                .post_alone(&outgoing(&url))
                .await
                .unwrap_err(),
            expected
        );
        assert!(receiver.posts().is_empty());
    }
}

/// What a receiver says that knows TLS 1.0 or 1.1 and chooses that: the beginning of its handshake.
fn older(minor: u8) -> Vec<u8> {
    const CIPHER: [u8; 2] = [0xc0, 0x13];
    let version = [3, minor];
    let (random, no_session, no_compression) = ([7; 32], [0], [0]);
    let hello = [&version[..], &random, &no_session, &CIPHER, &no_compression].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let handshake = [&[2, 0, 0, length][..], &hello].concat();
    let length = u8::try_from(handshake.len()).unwrap();
    [&[22][..], &version, &[0, length], &handshake].concat()
}

/// The failure of a receiver that says this to whoever connects.
async fn refused_by(answer: impl Into<Vec<u8>>) -> Failure {
    let answer = answer.into();
    let receiver = Receiver::start(move |mut conversation: Conversation| {
        let answer = answer.clone();
        async move {
            conversation.send(answer).await;
            conversation.hold().await;
        }
    })
    .await;
    let url = format!("https://{HOST}:{}/", receiver.address.port());
    let client = Authority::new("trusted").client();
    client.post_alone(&outgoing(&url)).await.unwrap_err()
}

#[tokio::test]
async fn tls_before_1_2_is_refused() {
    for minor in [1, 2] {
        let failure = refused_by(older(minor)).await;
        assert_eq!(failure, Failure::Tls(TlsFault::Version));
    }
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_said() {
    let alert = |code: u8| vec![21, 3, 3, 0, 2, 2, code];
    for (said, fault) in [
        // What a server says that has CBC suites only.
        (alert(40), TlsFault::Ciphers),
        (alert(71), TlsFault::Ciphers),
        (alert(70), TlsFault::Version),
        (alert(112), TlsFault::UnknownName),
        (alert(116), TlsFault::ClientCertificate),
        (alert(120), TlsFault::ApplicationProtocol),
        (alert(80), TlsFault::Other),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            TlsFault::NotTls,
        ),
    ] {
        assert_eq!(refused_by(said).await, Failure::Tls(fault));
    }
    let closing = Receiver::start(|_| async {}).await;
    let url = format!("https://{HOST}:{}/", closing.address.port());
    let client = Authority::new("trusted").client();
    let failure = client.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Tls(TlsFault::Closed));
    let url = url.replace(HOST, "-a.example");
    let failure = client.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Tls(TlsFault::HostName));
}

/// As `openssl req -x509` makes them: the certificate may issue others.
#[tokio::test]
async fn a_self_signed_certificate_is_accepted_where_it_is_trusted_itself() {
    let own = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), key)
    };
    let (certificate, key) = own(HOST);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let (other_name, other_key) = own("other.example");
    roots.add(other_name.der().clone()).unwrap();
    let trusting = client_with(Names::all(LOOPBACK), roots);
    let (_, url) = start(
        acceptor("http/1.1", &certificate, &key),
        Conversation::answer_all,
    )
    .await;
    let answer = trusting.post_alone(&outgoing(&url)).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let stranger = Authority::new("trusted").client();
    let failure = stranger.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::CertificateSelfSigned);
    let other = acceptor("http/1.1", &other_name, &other_key);
    let (_, url) = start(other, Conversation::answer_all).await;
    let failure = trusting.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::CertificateName);
}

#[tokio::test]
async fn a_kept_connection_that_closes_costs_a_repeat_over_tls_too() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start(
        authority.acceptor("http/1.1"),
        |mut conversation: Conversation| async move {
            conversation.answer(OK).await;
            conversation.receive().await;
            // Says goodbye as TLS does, so bytes come, but none of an answer.
            let _ = conversation.io.shutdown().await;
        },
    )
    .await;
    let client = authority.client();
    client.post_alone(&outgoing(&url)).await.unwrap();
    settle().await;
    client.post_alone(&outgoing(&url)).await.unwrap();
    assert_eq!(receiver.posts().len(), 3);
}

/// What an HTTP/2 receiver does with a request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Ok,
    Status(u16),
    /// So many interim answers before the final one.
    Interim(usize),
    /// An interim answer alone.
    Hint,
    Never,
    /// The end of the connection.
    Close,
    Reset(h2::Reason),
    GoAway(h2::Reason),
}

/// Serves a connection; `reply` is asked with the number of the connection and that of the request on it.
pub(super) async fn serve_http2(conversation: Conversation, reply: fn(usize, usize) -> Reply) {
    let Conversation {
        io,
        connection,
        presented,
        record,
    } = conversation;
    let Ok(mut http2) = h2::server::handshake(io).await else {
        return;
    };
    let hint = || Response::builder().status(103).body(()).unwrap();
    let (mut requests, mut unanswered) = (0, Vec::new());
    while let Some(Ok((request, mut respond))) = http2.accept().await {
        let (head, mut incoming) = request.into_parts();
        let reply = reply(connection, requests);
        match reply {
            Reply::Never => unanswered.push(respond),
            Reply::Hint => {
                respond.send_informational(hint()).unwrap();
                unanswered.push(respond);
            }
            Reply::Close => return,
            Reply::Reset(reason) => respond.send_reset(reason),
            Reply::GoAway(reason) => http2.abrupt_shutdown(reason),
            Reply::Ok | Reply::Status(_) | Reply::Interim(_) => {
                if let Reply::Interim(count) = reply {
                    (0..count)
                        .try_for_each(|_| respond.send_informational(hint()))
                        .unwrap();
                }
                let (record, presented) = (Arc::clone(&record), presented.clone());
                tokio::spawn(async move {
                    let mut body = Vec::new();
                    while let Some(Ok(data)) = incoming.data().await {
                        body.extend_from_slice(&data);
                    }
                    let head = head.headers.iter().fold(
                        format!("{} {}", head.method, head.uri),
                        |head, (name, value)| {
                            format!("{head}\n{name}: {}", value.to_str().unwrap())
                        },
                    );
                    record.note(Received {
                        head,
                        body,
                        connection,
                        presented,
                    });
                    let mut response = Response::new(());
                    if let Reply::Status(status) = reply {
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    }
                    let _ = respond.send_response(response, true);
                });
            }
        }
        requests += 1;
    }
}

async fn start_http2(
    authority: &Authority,
    reply: fn(usize, usize) -> Reply,
) -> (Receiver, String) {
    start(authority.acceptor("h2"), move |conversation| {
        serve_http2(conversation, reply)
    })
    .await
}

#[tokio::test]
async fn http2_is_spoken_where_the_receiver_offers_it() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |_, _| Reply::Ok).await;
    let client = authority.client();
    let post = outgoing(&url);
    for _ in 0..3 {
        let answer = client.post_alone(&post).await.unwrap();
        assert_eq!(
            (answer.status, answer.body_complete),
            (StatusCode::OK, true)
        );
    }
    assert_eq!(receiver.accepted(), 1);
    let received = &receiver.posts()[2];
    assert!(
        received.head.starts_with(&format!("POST {url}\n")),
        "{}",
        received.head
    );
    assert_eq!(received.header("content-length"), Some("7"));
    assert_eq!(received.body, post.body);
}

/// Others may be using it.
#[tokio::test]
async fn an_http2_connection_outlives_a_failed_answer() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |_, _| Reply::Status(500)).await;
    let client = authority.client();
    for _ in 0..3 {
        let answer = client.post_alone(&outgoing(&url)).await.unwrap();
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!((receiver.posts().len(), receiver.accepted()), (3, 1));
}

#[tokio::test]
async fn many_first_requests_at_once_share_an_http2_connection() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |_, _| Reply::Ok).await;
    let client = authority.client();
    let post = outgoing(&url);
    let answers = join_all((0..50).map(|_| client.post_alone(&post))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(receiver.posts().len(), 50);
}

#[tokio::test]
async fn a_stream_that_an_http2_receiver_refused_is_repeated() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |connection, _| match connection {
        0 => Reply::Reset(h2::Reason::REFUSED_STREAM),
        _ => Reply::Ok,
    })
    .await;
    authority
        .client()
        .post_alone(&outgoing(&url))
        .await
        .unwrap();
    assert_eq!((receiver.posts().len(), receiver.accepted()), (1, 2));
}

/// Greets an HTTP/2 client and reads frames until a request's headers have come. Frames are as in RFC 9113, section
/// 4.1: length, type, flags, stream, payload.
async fn receive_http2_head(io: &mut Box<dyn Io>) {
    const PREFACE_LEN: usize = 24;
    const HEADERS: u8 = 1;
    const SETTINGS_FRAME: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    io.read_exact(&mut [0; PREFACE_LEN]).await.unwrap();
    io.write_all(&SETTINGS_FRAME).await.unwrap();
    io.flush().await.unwrap();
    let mut head = [0; 9];
    while head[3] != HEADERS {
        io.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        io.read_exact(&mut vec![0; length as usize]).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_after_the_last_one_of_an_http2_goodbye_is_repeated() {
    /// The last stream is 0, the reason follows.
    const GOAWAY_FRAME: [u8; 13] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    let authority = Authority::new("trusted");
    for reason in [
        h2::Reason::NO_ERROR,
        h2::Reason::INTERNAL_ERROR,
        h2::Reason::ENHANCE_YOUR_CALM,
    ] {
        let script = move |mut conversation: Conversation| async move {
            if conversation.connection > 0 {
                return serve_http2(conversation, |_, _| Reply::Ok).await;
            }
            receive_http2_head(&mut conversation.io).await;
            conversation.send(GOAWAY_FRAME).await;
            conversation.send(u32::from(reason).to_be_bytes()).await;
            conversation.hold().await;
        };
        let (receiver, url) = start(authority.acceptor("h2"), script).await;
        let client = authority.client();
        client.post_alone(&outgoing(&url)).await.unwrap();
        let seen = (receiver.posts().len(), receiver.accepted());
        assert_eq!(seen, (1, 2), "{reason:?}");
    }
}

#[tokio::test]
async fn a_kept_http2_connection_that_ends_costs_a_repeat_on_a_new_one() {
    let authority = Authority::new("trusted");
    let replies: [fn(usize, usize) -> Reply; 3] = [
        |connection, request| match (connection, request) {
            (0, 1) => Reply::Close,
            _ => Reply::Ok,
        },
        |connection, request| match (connection, request) {
            (0, 1) => Reply::GoAway(h2::Reason::NO_ERROR),
            _ => Reply::Ok,
        },
        |connection, request| match (connection, request) {
            (0, 1) => Reply::GoAway(h2::Reason::INTERNAL_ERROR),
            _ => Reply::Ok,
        },
    ];
    for reply in replies {
        let (receiver, url) = start_http2(&authority, reply).await;
        let client = authority.client();
        client.post_alone(&outgoing(&url)).await.unwrap();
        let answer = client.post_alone(&outgoing(&url)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        let connections: Vec<_> = receiver
            .posts()
            .iter()
            .map(|post| post.connection)
            .collect();
        assert_eq!(connections, [0, 1]);
    }
}

#[tokio::test]
async fn a_repeat_over_http2_is_not_repeated() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |connection, request| {
        match (connection, request) {
            (0, 0) => Reply::Ok,
            _ => Reply::Close,
        }
    })
    .await;
    let client = authority.client();
    client.post_alone(&outgoing(&url)).await.unwrap();
    let failure = client.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Closed);
    assert_eq!(receiver.accepted(), 2);
}

/// Whose answer it was that began, nobody can tell.
#[tokio::test]
async fn what_an_http2_receiver_has_begun_to_answer_is_not_repeated() {
    let authority = Authority::new("trusted");
    let reply = |_, request| match request {
        0 => Reply::Ok,
        1 => Reply::Hint,
        _ => Reply::Close,
    };
    let (receiver, url) = start_http2(&authority, reply).await;
    let client = authority.client();
    let post = outgoing(&url);
    client.post_alone(&post).await.unwrap();
    let (begun, other) = tokio::join!(client.post_alone(&post), client.post_alone(&post));
    assert_eq!(begun.unwrap_err(), Failure::Closed);
    assert_eq!(other.unwrap_err(), Failure::Closed);
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn a_receiver_that_demands_http1_gets_it_and_is_remembered() {
    let authority = Authority::new("trusted");
    let script = |conversation: Conversation| async move {
        if conversation.connection == 0 {
            let demand = |_, _| Reply::Reset(h2::Reason::HTTP_1_1_REQUIRED);
            return serve_http2(conversation, demand).await;
        }
        conversation.answer_all().await;
    };
    let (receiver, url) = start(authority.acceptor("h2,http/1.1"), script).await;
    let client = authority.client();
    for _ in 0..3 {
        let answer = client.post_alone(&outgoing(&url)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        settle().await;
    }
    let posts = receiver.posts();
    let connections: Vec<_> = posts.iter().map(|post| post.connection).collect();
    assert_eq!(connections, [1, 2, 2]);
    assert!(
        posts
            .iter()
            .all(|post| post.head.starts_with("POST /hook HTTP/1.1\r\n"))
    );
}

#[tokio::test]
async fn an_http2_connection_that_is_dead_is_noticed() {
    let authority = Authority::new("trusted");
    let script = |mut conversation: Conversation| async move {
        receive_http2_head(&mut conversation.io).await;
        // From here on time runs as fast as nothing happens.
        tokio::time::pause();
        conversation.hold().await;
    };
    let (receiver, url) = start(authority.acceptor("h2"), script).await;
    let client = authority.client();
    assert_eq!(
        client.post_alone(&outgoing(&url)).await.unwrap_err(),
        Failure::Closed
    );
    until(|| receiver.open() == 0).await;
}

#[tokio::test]
async fn what_an_http2_receiver_may_have_looked_at_is_not_repeated() {
    let authority = Authority::new("trusted");
    let replies: [fn(usize, usize) -> Reply; 5] = [
        |_, _| Reply::Reset(h2::Reason::INTERNAL_ERROR),
        |_, _| Reply::Reset(h2::Reason::CANCEL),
        |_, _| Reply::GoAway(h2::Reason::NO_ERROR),
        |_, _| Reply::GoAway(h2::Reason::INTERNAL_ERROR),
        |_, _| Reply::Close,
    ];
    for reply in replies {
        let (receiver, url) = start_http2(&authority, reply).await;
        let failure = authority
            .client()
            .post_alone(&outgoing(&url))
            .await
            .unwrap_err();
        assert_eq!(failure, Failure::Closed);
        assert_eq!(receiver.accepted(), 1);
    }
}

/// It says that of the request, not of a connection that it was closing.
#[tokio::test]
async fn a_reset_over_a_kept_http2_connection_is_not_repeated() {
    let authority = Authority::new("trusted");
    let reply = |_, request| match request {
        0 => Reply::Ok,
        _ => Reply::Reset(h2::Reason::INTERNAL_ERROR),
    };
    let (receiver, url) = start_http2(&authority, reply).await;
    let client = authority.client();
    client.post_alone(&outgoing(&url)).await.unwrap();
    let failure = client.post_alone(&outgoing(&url)).await.unwrap_err();
    assert_eq!(failure, Failure::Closed);
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn interim_answers_over_http2_have_a_bound() {
    let authority = Authority::new("trusted");
    let (receiver, url) = start_http2(&authority, |_, _| Reply::Interim(5)).await;
    let answer = authority
        .client()
        .post_alone(&outgoing(&url))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(receiver.accepted(), 1);

    let (receiver, url) = start_http2(&authority, |_, _| Reply::Interim(7)).await;
    let failure = authority
        .client()
        .post_alone(&outgoing(&url))
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::Interim);
    // Had it shared its connection, the others' requests would have fallen with it: each has shown it by itself.
    assert_eq!(receiver.accepted(), 2);
}

/// Who shares an HTTP/2 connection with a request that is answered so is not to blame.
#[tokio::test]
async fn interim_answers_to_one_request_fail_no_other() {
    let authority = Authority::new("trusted");
    let reply = |connection, request| match (connection, request) {
        (0, 1) => Reply::Never,
        (0, 2) => Reply::Interim(100),
        _ => Reply::Ok,
    };
    let (receiver, url) = start_http2(&authority, reply).await;
    let client = authority.client();
    let post = outgoing(&url);
    client.post_alone(&post).await.unwrap();
    let (waiting, flooded) = tokio::join!(client.post_alone(&post), client.post_alone(&post));
    assert_eq!(waiting.unwrap().status, StatusCode::OK);
    assert_eq!(flooded.unwrap().status, StatusCode::OK);
    assert_eq!(receiver.accepted(), 3);
}

//! Client certificates (mutual TLS): who is shown which, and over which connections.

use std::sync::Arc;

use futures_util::future::join_all;
use http::StatusCode;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::kit::{Conversation, Names, OK, Receiver, outgoing, settle};
use super::proxied::{client as proxied_client, proxy_to};
use super::tls::{Authority, HOST, Reply, serve_http2, start};
use crate::domain::attempt::ErrorCode;
use crate::domain::client_certificate::ClientCertificate;
use crate::domain::{Unknown, secret::Secret};
use crate::egress::{Failure, Outgoing, Refusal, TlsFault};

const TLS13: &SupportedProtocolVersion = &version::TLS13;
const TLS12: &SupportedProtocolVersion = &version::TLS12;

/// Whom a receiver lets in.
#[derive(Clone, Copy, PartialEq)]
enum Door {
    /// Those with a certificate alone.
    Closed,
    /// Everybody; a certificate is looked at.
    Open,
}

impl Authority {
    fn client_certificate(&self, name: &str) -> Arc<ClientCertificate> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        Arc::new(ClientCertificate {
            sha256: hex::encode(Sha256::digest(&der)),
            certificate,
            private_key: Secret::new(key.serialize_pem()),
            unknown: Unknown::new(),
        })
    }

    /// A receiver that asks for certificates of this authority.
    fn asking(
        &self,
        door: Door,
        alpn: &str,
        version: &'static SupportedProtocolVersion,
    ) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = match door {
            Door::Closed => verifier,
            Door::Open => verifier.allow_unauthenticated(),
        };
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([HOST.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    async fn receiver(
        &self,
        door: Door,
        alpn: &str,
        version: &'static SupportedProtocolVersion,
    ) -> (Receiver, String) {
        let acceptor = self.asking(door, alpn, version);
        if alpn == "h2" {
            let serve = |conversation| serve_http2(conversation, |_, _| Reply::Ok);
            return start(acceptor, serve).await;
        }
        start(acceptor, Conversation::answer_all).await
    }
}

fn presenting(url: &str, certificate: Option<&Arc<ClientCertificate>>) -> Outgoing {
    Outgoing {
        client_certificate: certificate.cloned(),
        ..outgoing(url)
    }
}

fn presented(receiver: &Receiver) -> Vec<Option<String>> {
    let posts = receiver.posts().into_iter();
    posts.map(|received| received.presented).collect()
}

#[tokio::test]
async fn a_receiver_that_demands_a_certificate_is_shown_it() {
    let authority = Authority::new("trusted");
    let own = authority.client_certificate("rung");
    let client = authority.client();
    for version in [TLS12, TLS13] {
        for alpn in ["http/1.1", "h2"] {
            let (receiver, url) = authority.receiver(Door::Closed, alpn, version).await;
            for _ in 0..3 {
                let answer = client.post_alone(&presenting(&url, Some(&own))).await;
                assert_eq!(answer.unwrap().status, StatusCode::OK);
                settle().await;
            }
            assert_eq!(presented(&receiver), vec![Some(own.sha256.clone()); 3]);
            assert_eq!(
                receiver.accepted(),
                1,
                "{alpn}: the connection is used again"
            );
        }
    }
}

/// One who was let in by a certificate must not carry what another sends, nor the reverse.
#[tokio::test]
async fn no_request_goes_over_a_connection_of_another_identity() {
    let authority = Authority::new("trusted");
    let (a, b) = (
        authority.client_certificate("a"),
        authority.client_certificate("b"),
    );
    for version in [TLS12, TLS13] {
        for alpn in ["http/1.1", "h2"] {
            let (receiver, url) = authority.receiver(Door::Open, alpn, version).await;
            let client = authority.client();
            let turns = [None, Some(&a), Some(&b)].repeat(3);
            for certificate in &turns {
                let post = presenting(&url, *certificate);
                client.post_alone(&post).await.unwrap();
                settle().await;
            }
            let shown = |certificate: &Option<&Arc<ClientCertificate>>| {
                certificate.map(|certificate| certificate.sha256.clone())
            };
            let expected: Vec<_> = turns.iter().map(shown).collect();
            assert_eq!(presented(&receiver), expected, "{alpn}");
            assert_eq!(receiver.accepted(), 3, "{alpn}: one of each identity");

            // New connections resume no session of others, and those that are opened at once are not mixed up.
            let posts: Vec<_> = turns
                .iter()
                .map(|certificate| Outgoing {
                    fresh: true,
                    http1_only: alpn != "h2",
                    ..presenting(&url, *certificate)
                })
                .collect();
            let before = receiver.posts().len();
            let answers = join_all(posts.iter().map(|post| client.post_alone(post))).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            let mut after = presented(&receiver).split_off(before);
            let mut expected = expected;
            after.sort();
            expected.sort();
            assert_eq!(after, expected, "{alpn}");
        }
    }
}

/// A repeat over a new connection is of the same identity.
#[tokio::test]
async fn a_repeat_presents_the_same_certificate() {
    let authority = Authority::new("trusted");
    let own = authority.client_certificate("rung");
    let acceptor = authority.asking(Door::Closed, "http/1.1", TLS13);
    let (receiver, url) = start(acceptor, |mut conversation: Conversation| async move {
        conversation.answer(OK).await;
        conversation.receive().await;
    })
    .await;
    let client = authority.client();
    for _ in 0..2 {
        let post = presenting(&url, Some(&own));
        client.post_alone(&post).await.unwrap();
        settle().await;
    }
    assert_eq!(presented(&receiver), vec![Some(own.sha256.clone()); 3]);
    assert_eq!(receiver.accepted(), 2);
}

#[tokio::test]
async fn through_a_proxy_the_receiver_is_shown_it_too() {
    let authority = Authority::new("trusted");
    let own = authority.client_certificate("rung");
    let (receiver, _) = authority.receiver(Door::Closed, "http/1.1", TLS13).await;
    let (proxy, _) = proxy_to(receiver.address.port()).await;
    let proxy = format!("http://{}", proxy.address);
    let client = proxied_client(&proxy, &Names::none(), authority.roots(), true);
    let post = presenting(&format!("https://{HOST}/hook"), Some(&own));
    client.post_alone(&post).await.unwrap();
    assert_eq!(presented(&receiver), [Some(own.sha256.clone())]);
}

#[tokio::test]
async fn a_receiver_that_refuses_the_certificate_is_told_apart_from_one_that_wants_any() {
    let authority = Authority::new("trusted");
    let stranger = Authority::new("stranger").client_certificate("rung");
    for version in [TLS12, TLS13] {
        for alpn in ["http/1.1", "h2"] {
            let (receiver, url) = authority.receiver(Door::Closed, alpn, version).await;
            let client = authority.client();
            let post = presenting(&url, Some(&stranger));
            let failure = client.post_alone(&post).await.unwrap_err();
            let expected = Failure::CertificateRefused(Refusal::UnknownAuthority);
            assert_eq!(failure, expected, "{alpn}");
            assert_eq!(failure.error_code(), ErrorCode::Tls);
            let told = failure.to_string();
            assert!(
                told.starts_with("The receiver refused the client certificate: "),
                "{told}"
            );
            let failure = client
                .post_alone(&presenting(&url, None))
                .await
                .unwrap_err();
            assert_eq!(failure, Failure::Tls(TlsFault::ClientCertificate), "{alpn}");
            assert_eq!(receiver.posts().len(), 0);
        }
    }
}

/// It goes out with its certificate or not at all.
#[tokio::test]
async fn nothing_is_sent_with_a_certificate_that_cannot_be_used() {
    let authority = Authority::new("trusted");
    let (receiver, url) = authority.receiver(Door::Open, "http/1.1", TLS13).await;
    let good = authority.client_certificate("rung");
    let broken = Arc::new(ClientCertificate {
        private_key: Secret::new("no key".to_owned()),
        ..(*good).clone()
    });
    let client = authority.client();
    let failure = client.post_alone(&presenting(&url, Some(&broken))).await;
    assert_eq!(failure.unwrap_err(), Failure::Identity);
    assert_eq!(receiver.accepted(), 0);
}

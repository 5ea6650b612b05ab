//! Name servers and receivers that mean harm, in virtual time where they only let it pass.

use std::future::pending;
use std::time::Duration;

use http::StatusCode;
use rustls::RootCertStore;
use tokio::time::Instant;

use super::kit::{
    Conversation, Detour, LOOPBACK, Names, OK, Receiver, client, client_with, outgoing, settle,
    strict_client,
};
use super::tls::{self, Authority};
use crate::egress::{Answer, Failure};

const TIMEOUT: Duration = Duration::from_secs(15);
/// What loopback and a busy machine may add to virtual time.
const SLACK: Duration = Duration::from_secs(1);

/// Whatever form an address takes, as the only one or behind a public one, no packet goes there.
#[tokio::test]
async fn no_form_of_an_answer_leads_inside() {
    let public = "8.8.8.8".parse().unwrap();
    for inside in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        // IPv4-mapped (also of a public address), IPv4-compatible, and translated as of RFC 2765.
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        // NAT64: well-known prefix, local-use prefix.
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        // ISATAP.
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        // 6to4 and Teredo.
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        // Nobody's, so far.
        "100:0:0:1::1",
        "1000::1",
        "1fff:ffff::1",
        "4000::1",
        "e000::1",
    ] {
        let inside = inside.parse().unwrap();
        for answer in [vec![inside], vec![public, inside], vec![inside, public]] {
            let detour = Detour::default();
            let names = Names::answering([answer]);
            let failure = strict_client(names, &detour, RootCertStore::empty())
                .post_alone(&outgoing("https://host.example/"))
                .await
                .unwrap_err();
            assert_eq!(failure, Failure::ForbiddenAddress, "{inside}");
            assert!(detour.dialled().is_empty(), "{inside}");
        }
    }
}

/// The host is public at first. At the next connect it is inside, alone or beside the public address: nobody goes there.
#[tokio::test]
async fn a_name_server_that_changes_its_mind_is_judged_anew() {
    let public = "8.8.8.8".parse().unwrap();
    for inside in [
        "10.0.0.1",
        "169.254.169.254",
        "127.0.0.1",
        "::1",
        "fd00:ec2::254",
    ] {
        let inside = inside.parse().unwrap();
        for later in [vec![inside], vec![public, inside]] {
            let authority = Authority::new("trusted");
            let closing = |mut conversation: Conversation| async move {
                conversation.answer(OK).await;
            };
            let (receiver, url) = tls::start(authority.acceptor("http/1.1"), closing).await;
            let port = receiver.address.port();
            let names = Names::answering([vec![public], later]);
            let detour = Detour::to(port);
            let client = strict_client(names.clone(), &detour, authority.roots());
            let answer = client.post_alone(&outgoing(&url)).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK);
            settle().await;
            let failure = client.post_alone(&outgoing(&url)).await.unwrap_err();
            assert_eq!(failure, Failure::ForbiddenAddress, "{inside}");
            assert_eq!(names.asked(), 2);
            assert_eq!(detour.dialled(), [(public, port).into()]);
        }
    }
}

/// Its own name server, since ours answers when it is asked for something else.
#[tokio::test(start_paused = true)]
async fn a_name_server_that_never_answers_costs_the_time_out() {
    let mut post = outgoing("http://host.example/");
    post.timeout = TIMEOUT;
    let names = Names::hanging();
    names.works(true);
    let client = client_with(names.clone(), RootCertStore::empty());
    let start = Instant::now();
    let failure = client.post_alone(&post).await.unwrap_err();
    assert_eq!(failure, Failure::Dns);
    // Whose fault that is takes as long again as this, and none of the receiver's time.
    assert!(start.elapsed() < TIMEOUT + Duration::from_secs(3));
}

/// Posts to a receiver that sends `at_once`, and then one byte of `slowly` a second, over and over; how long that takes.
async fn one_byte_a_second(
    at_once: &'static str,
    slowly: &'static str,
) -> (Result<Answer, Failure>, Duration) {
    let receiver = Receiver::start(move |mut conversation: Conversation| async move {
        conversation.answer(at_once).await;
        // From here on time runs as fast as nothing happens.
        tokio::time::pause();
        for byte in slowly.bytes().cycle() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if conversation.send([byte]).await.is_none() {
                return;
            }
        }
    })
    .await;
    let mut post = outgoing(&receiver.url());
    post.timeout = TIMEOUT;
    let start = Instant::now();
    let answer = client().post_alone(&post).await;
    let took = start.elapsed();
    tokio::time::resume();
    (answer, took)
}

#[tokio::test]
async fn a_head_of_one_byte_a_second_ends_at_the_deadline() {
    let (answer, took) = one_byte_a_second("", "HTTP/1.1 200 OK\r\nx: y\r\n").await;
    assert_eq!(answer.unwrap_err(), Failure::Timeout(TIMEOUT));
    assert!((TIMEOUT..TIMEOUT + SLACK).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_body_of_one_byte_a_second_ends_at_the_deadline_and_changes_no_outcome() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (answer, took) = one_byte_a_second(head, "x").await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!((10..=15).contains(&answer.body.len()) && !answer.body_complete);
        assert!((TIMEOUT..TIMEOUT + SLACK).contains(&took), "{took:?}");
    }
}

/// A server that takes the connection and says nothing of TLS.
#[tokio::test]
async fn a_tls_handshake_that_never_ends_costs_the_time_out() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        // The client's greeting is there: from here on time runs as fast as nothing happens.
        let mut byte = [0];
        let _ = tokio::io::AsyncReadExt::read(&mut conversation.io, &mut byte).await;
        tokio::time::pause();
        pending::<()>().await;
    })
    .await;
    let url = format!("https://host.example:{}/", receiver.address.port());
    let mut post = outgoing(&url);
    post.timeout = TIMEOUT;
    let start = Instant::now();
    let client = client_with(Names::all(LOOPBACK), RootCertStore::empty());
    let failure = client.post_alone(&post).await.unwrap_err();
    assert_eq!(failure, Failure::Timeout(TIMEOUT));
    assert!(start.elapsed() < TIMEOUT + SLACK);
}

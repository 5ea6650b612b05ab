//! Which addresses are dialled, whatever the URL and the name server say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustls::RootCertStore;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::kit::{
    Conversation, Detour, LOOPBACK, Names, PATIENCE, Receiver, client, client_with, outgoing,
    strict_client,
};
use crate::egress::Failure;
use crate::egress::policy::UrlFault;
use crate::egress::resolve::{Resolve, SystemResolver, Unresolved};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
const OTHER_LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test]
async fn one_forbidden_address_rejects_the_host() {
    for addresses in [
        vec![LOOPBACK],
        vec![PUBLIC, LOOPBACK],
        vec![LOOPBACK, PUBLIC],
    ] {
        let (names, detour) = (Names::answering([addresses]), Detour::default());
        let failure = strict_client(names.clone(), &detour, RootCertStore::empty())
            .post_alone(&outgoing("https://host.example/"))
            .await
            .unwrap_err();
        assert_eq!(failure, Failure::ForbiddenAddress);
        assert_eq!(names.asked(), 1);
        assert!(detour.dialled().is_empty());
    }
}

#[tokio::test]
async fn a_strict_client_judges_the_url_again() {
    let (names, detour) = (Names::all(PUBLIC), Detour::default());
    let client = strict_client(names.clone(), &detour, RootCertStore::empty());
    for (url, fault) in [
        ("http://host.example/", UrlFault::NotHttps),
        ("https://127.0.0.1/", UrlFault::NotPublic),
        ("https://0x7f.1/", UrlFault::NotPublic),
        ("https://[::ffff:127.0.0.1]/", UrlFault::NotPublic),
        ("https://[4000::1]/", UrlFault::NotPublic),
        ("https://localhost/", UrlFault::NotPublic),
        ("https://host.example:25/", UrlFault::BadPort),
        ("https://8.8.8.8:6667/", UrlFault::BadPort),
    ] {
        let failure = client.post_alone(&outgoing(url)).await.unwrap_err();
        assert_eq!(failure, Failure::Url(fault), "{url}");
    }
    assert_eq!(names.asked(), 0);
    assert!(detour.dialled().is_empty());
}

/// The name server answers differently the second time it is asked; it is asked once per connect, so what was judged
/// is what is dialled.
#[tokio::test]
async fn what_was_judged_is_what_is_dialled() {
    let judged = Receiver::willing().await;
    let port = judged.address.port();
    let other = Receiver::listen(OTHER_LOOPBACK, port, None, Conversation::answer_all).await;
    let names = Names::answering([vec![LOOPBACK], vec![OTHER_LOOPBACK]]);
    let client = client_with(names.clone(), RootCertStore::empty());
    client
        .post_alone(&outgoing(&format!("http://host.example:{port}/")))
        .await
        .unwrap();
    assert_eq!(names.asked(), 1);
    assert_eq!((judged.accepted(), other.accepted()), (1, 0));
}

/// A host that was allowed is judged anew when a new connection is made.
#[tokio::test]
async fn each_connect_asks_and_judges_again() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation
            .answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
    })
    .await;
    let names = Names::answering([vec![LOOPBACK], vec![]]);
    let client = client_with(names.clone(), RootCertStore::empty());
    let post = outgoing(&format!("http://host.example:{}/", receiver.address.port()));
    client.post_alone(&post).await.unwrap();
    assert_eq!(
        client.post_alone(&post).await.unwrap_err(),
        Failure::Unreachable
    );
    assert_eq!(names.asked(), 2);
}

#[tokio::test]
async fn a_name_without_address_is_said_so() {
    assert_eq!(
        client()
            .post_alone(&outgoing("http://host.example/"))
            .await
            .unwrap_err(),
        Failure::HostNotFound
    );
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let receiver = Receiver::willing().await;
    let names = Names::answering([vec![OTHER_LOOPBACK, LOOPBACK]]);
    let client = client_with(names, RootCertStore::empty());
    let url = format!("http://host.example:{}/", receiver.address.port());
    client.post_alone(&outgoing(&url)).await.unwrap();
    assert_eq!(
        receiver.posts()[0].header("host"),
        Some(&url["http://".len()..url.len() - 1])
    );
}

/// A listener whose queue is full doesn't answer at all, like a host behind a firewall that drops.
#[tokio::test]
async fn an_address_that_hangs_leaves_time_for_the_next() {
    let receiver = Receiver::willing().await;
    let port = receiver.address.port();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((OTHER_LOOPBACK, port).into()).unwrap();
    let full = socket.listen(0).unwrap();
    let _queued = TcpStream::connect(full.local_addr().unwrap())
        .await
        .unwrap();

    let names = Names::answering([vec![OTHER_LOOPBACK, LOOPBACK]]);
    let client = client_with(names, RootCertStore::empty());
    let start = Instant::now();
    client
        .post_alone(&outgoing(&format!("http://host.example:{port}/")))
        .await
        .unwrap();
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "the first address did answer"
    );
    assert!(start.elapsed() < PATIENCE / 4);
}

#[tokio::test]
async fn the_system_knows_localhost_and_no_invalid_names() {
    let resolver = SystemResolver::new();
    assert!(
        resolver
            .resolve("localhost")
            .await
            .unwrap()
            .contains(&LOOPBACK)
    );
    assert_eq!(
        resolver.resolve("host.invalid").await.unwrap_err(),
        Unresolved::NotFound
    );
}

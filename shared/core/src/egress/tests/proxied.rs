//! Deliveries through an outgoing proxy.

use std::sync::{Arc, Mutex};

use rustls::RootCertStore;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use super::kit::{Conversation, Names, Received, Receiver, outgoing, settle};
use super::tls::{Authority, HOST, start};
use crate::egress::{Capacity, Client, Failure, HostFault, Policy, Proxy};

/// What a proxy was asked, head by head.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy whose every tunnel leads to one port on loopback.
pub(super) async fn proxy_to(port: u16) -> (Receiver, Asked) {
    let asked = Asked::default();
    let heads = Arc::clone(&asked);
    let proxy = Receiver::start(move |mut conversation: Conversation| {
        let heads = Arc::clone(&heads);
        async move {
            let Some(head) = conversation.receive_head().await else {
                return;
            };
            heads.lock().unwrap().push(head);
            conversation
                .send("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
                .await;
            let mut receiver = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut conversation.io, &mut receiver).await;
        }
    });
    (proxy.await, asked)
}

pub(super) fn client(proxy: &str, names: &Names, roots: RootCertStore, strict: bool) -> Client {
    let policy = Policy {
        strict,
        proxy: Some(Proxy::parse(proxy).unwrap()),
    };
    let capacity = Capacity::of(1_024);
    Client::with(policy, Box::new(names.clone()), roots.into(), capacity)
}

#[tokio::test]
async fn all_deliveries_go_through_the_proxy_which_looks_the_names_up() {
    let receiver = Receiver::willing().await;
    let (proxy, asked) = proxy_to(receiver.address.port()).await;
    let url = format!("http://user:pass@{}", proxy.address);
    let names = Names::none();
    let client = client(&url, &names, RootCertStore::empty(), false);
    for _ in 0..2 {
        let answer = client
            .post_alone(&outgoing("http://example.com/hook?a=b"))
            .await;
        assert_eq!(answer.unwrap().status, 200);
        settle().await;
    }
    // The second goes over the connection of the first.
    let asked = asked.lock().unwrap().clone();
    let expected = "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
    assert_eq!(asked, [expected]);
    assert_eq!(names.asked(), 0);
    let posts = receiver.posts();
    assert_eq!(posts.len(), 2);
    for Received { head, .. } in posts {
        assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("proxy"), "{head}");
    }
}

#[tokio::test]
async fn tls_is_spoken_with_the_receiver_and_not_with_the_proxy() {
    let authority = Authority::new("trusted");
    let (receiver, _) = start(authority.acceptor("http/1.1"), Conversation::answer_all).await;
    let (proxy, asked) = proxy_to(receiver.address.port()).await;
    let url = format!("http://{}", proxy.address);
    let client = client(&url, &Names::none(), authority.roots(), true);
    let to = format!("https://{HOST}/hook");
    let answer = client.post_alone(&outgoing(&to)).await;
    assert_eq!(answer.unwrap().status, 200);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [format!(
            "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"
        )]
    );
}

/// What a proxy refuses, and whose fault that is.
#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_this_hosts_fault_and_one_that_reaches_nobody_the_receivers()
{
    let unusable = Failure::Host(HostFault::Proxy);
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Failure::ForbiddenByProxy),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Failure::Unreachable),
        (
            "HTTP/1.0 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            Failure::Unreachable,
        ),
        ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", Failure::Unreachable),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            unusable.clone(),
        ),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", unusable.clone()),
        ("HTTP/1.1 200 OK\r\n\r\nand more", unusable.clone()),
        ("SSH-2.0-OpenSSH\r\n\r\n", unusable.clone()),
        ("", unusable.clone()),
        (&"x".repeat(20_000), unusable.clone()),
    ] {
        let said = answer.to_owned();
        let proxy = Receiver::start(move |mut conversation: Conversation| {
            let said = said.clone();
            async move {
                conversation.receive_head().await;
                conversation.send(&said).await;
            }
        });
        let url = format!("http://{}", proxy.await.address);
        let client = client(&url, &Names::none(), RootCertStore::empty(), false);
        let failure = client.post_alone(&outgoing("http://example.com/")).await;
        assert_eq!(failure.unwrap_err(), expected, "{answer:.40}");
    }
    // Nothing listens there, or its name has no address.
    for url in ["http://127.0.0.1:1", "http://proxy.internal:3128"] {
        let client = client(url, &Names::none(), RootCertStore::empty(), false);
        let failure = client.post_alone(&outgoing("http://example.com/")).await;
        assert_eq!(failure.unwrap_err(), unusable, "{url}");
    }
}

/// A name is the proxy's to judge; an address is judged here, too.
#[tokio::test]
async fn a_proxy_is_asked_for_no_address_that_is_not_public() {
    let receiver = Receiver::willing().await;
    let (proxy, asked) = proxy_to(receiver.address.port()).await;
    let url = format!("http://{}", proxy.address);
    let client = client(&url, &Names::none(), RootCertStore::empty(), true);
    for url in [
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
    ] {
        client.post_alone(&outgoing(url)).await.unwrap_err();
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
}

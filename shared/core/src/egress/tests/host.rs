//! What is a fault of this host's own, and what only looks like one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use rustls::RootCertStore;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::kit::{
    Conversation, LOOPBACK, Names, OK, PATIENCE, Receiver, client_with, outgoing, settle, until,
};
use crate::domain::id::TenantId;
use crate::egress::resolve::{Lookups, SystemResolver};
use crate::egress::{Capacity, Client, Failure, HostFault, Policy, Transport};

const NAME_SERVERS: Failure = Failure::Host(HostFault::NameServers);

/// A look-up that fails is the domain's if our name servers answer anything else, and ours if they answer nothing.
#[tokio::test]
async fn a_look_up_that_fails_is_judged_by_what_else_the_name_servers_answer() {
    let names = Names::failing();
    let client = client_with(names.clone(), RootCertStore::empty());
    let post = outgoing("http://host.example/");
    for works in [false, true, false] {
        names.works(works);
        let failure = client.post_alone(&post).await.unwrap_err();
        let expected = if works { Failure::Dns } else { NAME_SERVERS };
        assert_eq!(failure, expected);
    }
}

/// The name servers were out of order when the name was looked up, and work again when they are asked whether they do.
#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_is_no_receivers_fault() {
    let receiver = Receiver::willing().await;
    let post = outgoing(&format!("http://host.example:{}/", receiver.address.port()));
    let names = Names::failing_once(LOOPBACK);
    names.works(true);
    let client = client_with(names, RootCertStore::empty());
    assert_eq!(client.post_alone(&post).await.unwrap().status, 200);
    // The attempt's time was over before.
    let names = Names::all(LOOPBACK).hanging_once();
    names.works(true);
    let client = client_with(names, RootCertStore::empty());
    let failure = client.post_alone(&post).await.unwrap_err();
    assert_eq!(failure, NAME_SERVERS);
    // What they say then counts.
    let names = Names::none().hanging_once();
    names.works(true);
    let client = client_with(names, RootCertStore::empty());
    let failure = client.post_alone(&post).await.unwrap_err();
    assert_eq!(failure, Failure::HostNotFound);
}

/// However long a name server's silence, it is not the receiver's time-out.
#[tokio::test(start_paused = true)]
async fn silence_of_our_own_name_servers_is_not_the_receivers_time_out() {
    for timeout_s in [1, 3, 15] {
        let client = client_with(Names::hanging(), RootCertStore::empty());
        let mut post = outgoing("http://host.example/");
        post.timeout = Duration::from_secs(timeout_s);
        let failure = client.post_alone(&post).await.unwrap_err();
        assert_eq!(failure, NAME_SERVERS, "{timeout_s}");
    }
}

/// A POST whose deadline passes while it asks the name servers itself, or waits for another that does, holds up nobody.
#[tokio::test(start_paused = true)]
async fn a_deadline_within_the_question_to_the_name_servers_ends_every_post() {
    let names = Names::failing().taking(Duration::from_secs(1));
    let client = client_with(names, RootCertStore::empty());
    let posts = (1..=20).map(|number| {
        let mut post = outgoing(&format!("http://{number}.example/"));
        post.timeout = Duration::from_millis(100 * number);
        let client = &client;
        async move { client.post_alone(&post).await.unwrap_err() }
    });
    let failures = tokio::time::timeout(Duration::from_secs(60), join_all(posts)).await;
    assert_eq!(failures.unwrap(), vec![NAME_SERVERS; 20]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_the_receivers_whatever_the_name_servers_say_else() {
    let names = Names::none();
    let client = client_with(names.clone(), RootCertStore::empty());
    let failure = client.post_alone(&outgoing("http://host.example/")).await;
    assert_eq!(failure.unwrap_err(), Failure::HostNotFound);
    assert_eq!(names.probed(), 0);
}

/// A connection that is there needs no name server, and its time-out is the receiver's.
#[tokio::test]
async fn a_receiver_that_falls_silent_over_a_kept_connection_has_its_own_time_out() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation.answer(OK).await;
        conversation.hold().await;
    })
    .await;
    let client = client_with(Names::all(LOOPBACK), RootCertStore::empty());
    let mut post = outgoing(&format!("http://host.example:{}/", receiver.address.port()));
    client.post_alone(&post).await.unwrap();
    settle().await;
    post.timeout = Duration::from_millis(200);
    let failure = client.post_alone(&post).await.unwrap_err();
    assert_eq!(failure, Failure::Timeout(post.timeout));
}

/// Many names that fail at once are one question, and each that fails later is another: an old answer says nothing of now.
#[tokio::test(start_paused = true)]
async fn name_servers_are_asked_once_for_all_that_fail_together_and_anew_afterwards() {
    let names = Names::failing();
    let lookups = Lookups::new(Box::new(names.clone()), false);
    let all = (0..100).map(|host| {
        let lookups = &lookups;
        async move { lookups.addresses(&format!("{host}.example")).await }
    });
    for failure in join_all(all).await {
        assert_eq!(failure, Err(NAME_SERVERS));
    }
    assert_eq!(names.probed(), 1);
    names.works(true);
    tokio::time::advance(Duration::from_millis(1)).await;
    let failure = lookups.addresses("host.example").await;
    assert_eq!(failure, Err(Failure::Dns));
    assert_eq!(names.probed(), 2);
}

/// A name server by script, over UDP: a response code for each name, with an address if it is 0; `None` is silence.
async fn name_server(answer: impl Fn(&str) -> Option<u8> + Send + 'static) -> SystemResolver {
    name_server_of(move |name, _| answer(name)).await
}

/// The same by the family that is asked for, too: whether that is IPv4.
async fn name_server_of(
    answer: impl Fn(&str, bool) -> Option<u8> + Send + 'static,
) -> SystemResolver {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let mut config = NameServerConfig::udp(LOOPBACK);
    config.connections[0].port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (length, peer) = socket.recv_from(&mut query).await.unwrap();
            // The labels of the name that is asked for follow a head of 12 bytes.
            let (mut name, mut at) = (String::new(), 12);
            while query[at] > 0 {
                let end = at + 1 + usize::from(query[at]);
                name += str::from_utf8(&query[at + 1..end]).unwrap();
                name += ".";
                at = end;
            }
            let asks_for_ipv4 = query[at + 1..at + 3] == [0, 1];
            let Some(code) = answer(&name, asks_for_ipv4) else {
                continue;
            };
            let question_end = at + 5;
            assert!(question_end <= length);
            let mut message = query[..question_end].to_vec();
            message[2..4].copy_from_slice(&[0x81, 0x80 | code]);
            message[6..12].fill(0);
            if code == 0 && asks_for_ipv4 {
                message[7] = 1;
                message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&message, peer).await.unwrap();
        }
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
    SystemResolver::of(config, ResolverOpts::default())
}

const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// A name server that never says anything of IPv6, or late.
#[tokio::test(start_paused = true)]
async fn ipv6_addresses_are_not_waited_for_once_there_are_others() {
    let resolver = name_server_of(|_, is_ipv4| is_ipv4.then_some(0)).await;
    let lookups = Lookups::new(Box::new(resolver), false);
    let started = Instant::now();
    assert_eq!(lookups.addresses("host.example").await, Ok(vec![LOOPBACK]));
    assert!(started.elapsed() <= Duration::from_millis(300));
}

/// As in the names of docker compose, and as some subdomains are.
#[tokio::test]
async fn names_that_are_no_host_names_by_the_letter_resolve() {
    let resolver = name_server(|_| Some(0)).await;
    let lookups = Lookups::new(Box::new(resolver), false);
    for name in [
        "my_app",
        "my_app.",
        "a_b.my_app.example",
        "_dmarc.example",
        "-leading.example",
        "trailing-.example",
        "a--b.example",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(lookups.addresses(name).await, Ok(vec![LOOPBACK]), "{name}");
    }
    let too_long = format!("{}.example", "x".repeat(64));
    let not_found = Err(Failure::HostNotFound);
    assert_eq!(lookups.addresses(&too_long).await, not_found);
}

/// What a name server says of `host.example`, and of everything else.
#[tokio::test]
async fn only_name_servers_that_answer_nothing_are_to_blame() {
    let dns = Err(Failure::Dns);
    let ours = Err(NAME_SERVERS);
    let cases = [
        (Some(0), Some(SERVFAIL), Ok(vec![LOOPBACK])),
        (Some(NXDOMAIN), Some(SERVFAIL), Err(Failure::HostNotFound)),
        (Some(SERVFAIL), Some(0), dns.clone()),
        (Some(SERVFAIL), Some(NXDOMAIN), dns.clone()),
        (Some(REFUSED), Some(0), dns.clone()),
        (None, Some(0), dns),
        (Some(SERVFAIL), Some(SERVFAIL), ours.clone()),
        (Some(REFUSED), Some(REFUSED), ours),
    ];
    let cases = cases.map(async |(of_host, of_all_else, expected)| {
        let resolver = name_server(move |name| match name {
            "host.example." => of_host,
            _ => of_all_else,
        })
        .await;
        let lookups = Lookups::new(Box::new(resolver), false);
        let found = lookups.addresses("host.example").await;
        assert_eq!(found, expected, "{of_host:?} {of_all_else:?}");
    });
    join_all(cases).await;
}

/// They answer what they know by heart, whatever has become of those that they ask themselves.
#[tokio::test]
async fn name_servers_that_reach_no_others_are_to_blame() {
    let is_cut_off = Arc::new(AtomicBool::new(false));
    let cut_off = Arc::clone(&is_cut_off);
    let resolver = name_server(move |name| match name {
        "" | "known.example." => Some(0),
        _ if cut_off.load(Ordering::SeqCst) => Some(SERVFAIL),
        _ => Some(NXDOMAIN),
    })
    .await;
    let lookups = Lookups::new(Box::new(resolver), true);
    lookups.addresses("known.example").await.unwrap();
    is_cut_off.store(true, Ordering::SeqCst);
    for host in ["one.example", "other.example"] {
        assert_eq!(lookups.addresses(host).await, Err(NAME_SERVERS));
    }
}

/// In a network of its own, names outside are not known. That its name servers still know another name is enough.
#[tokio::test]
async fn a_name_that_was_known_before_shows_that_name_servers_work() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let resolver = name_server(move |name| match name {
        "known.example." if !is_down.load(Ordering::SeqCst) => Some(0),
        "broken.example." => Some(SERVFAIL),
        _ => Some(REFUSED),
    })
    .await;
    let lookups = Lookups::new(Box::new(resolver), false);
    let found = lookups.addresses("broken.example").await;
    assert_eq!(found, Err(NAME_SERVERS), "nothing was ever answered");
    lookups.addresses("known.example").await.unwrap();
    let found = lookups.addresses("broken.example").await;
    assert_eq!(found, Err(Failure::Dns));
    down.store(true, Ordering::SeqCst);
    let found = lookups.addresses("broken.example").await;
    assert_eq!(found, Err(NAME_SERVERS));
}

/// A name of this machine's own is known without anybody's answer.
#[tokio::test]
async fn a_local_name_shows_nothing_of_name_servers() {
    let resolver = name_server(|name| (name != "localhost.").then_some(REFUSED)).await;
    let lookups = Lookups::new(Box::new(resolver), false);
    lookups.addresses("localhost").await.unwrap();
    let found = lookups.addresses("host.example").await;
    assert_eq!(found, Err(NAME_SERVERS));
}

/// A receiver that hangs has its share of the slots. Who waits for one of them has not begun its time-out, and another receiver
/// is not behind them.
#[tokio::test]
async fn a_receiver_that_hangs_leaves_slots_to_others() {
    let capacity = Capacity {
        slots: 9,
        ..Capacity::of(1_024)
    };
    let names = Box::new(Names::none());
    let policy = Policy::default();
    let client = Client::with(policy, names, RootCertStore::empty().into(), capacity);
    let hanging = Receiver::start(Conversation::hold).await;
    let healthy = Receiver::willing().await;
    let (one, other) = (
        TenantId::parse("one").unwrap(),
        TenantId::parse("other").unwrap(),
    );
    let mut post = outgoing(&hanging.url());
    post.timeout = PATIENCE;
    let stuck = async {
        let posts = (0..50).map(async |_| {
            let slot = client.slot(&one, &post.url, PATIENCE).await?;
            client.post(&post, &slot).await
        });
        join_all(posts).await
    };
    let others = async {
        until(|| hanging.accepted() == 3).await;
        let post = outgoing(&healthy.url());
        for _ in 0..100 {
            let slot = client
                .slot(&other, &post.url, Duration::ZERO)
                .await
                .unwrap();
            client.post(&post, &slot).await.unwrap();
        }
    };
    tokio::select! {
        _ = stuck => panic!("nothing that hangs ends"),
        () = others => {}
    }
    assert_eq!(hanging.accepted(), 3, "a third of nine");
}

/// No descriptor is left for a connection though there is a slot: connects that nobody waits for any more use them up.
#[tokio::test]
async fn a_connection_beyond_the_bound_is_this_hosts_fault() {
    let capacity = Capacity {
        open: 1,
        kept: 0,
        slots: 10,
    };
    let names = Box::new(Names::none());
    let policy = Policy::default();
    let client = Client::with(policy, names, RootCertStore::empty().into(), capacity);
    let hanging = Receiver::start(Conversation::hold).await;
    let healthy = Receiver::willing().await;
    let post = outgoing(&hanging.url());
    let stuck = client.post_alone(&post);
    let second = async {
        until(|| hanging.accepted() == 1).await;
        client.post_alone(&outgoing(&healthy.url())).await
    };
    tokio::select! {
        _ = stuck => panic!("it hangs"),
        failure = second => assert_eq!(failure.unwrap_err(), Failure::Host(HostFault::NoSlot)),
    }
    until(|| hanging.open() == 0).await;
    client.post_alone(&outgoing(&healthy.url())).await.unwrap();
}

//! Which connections are used again, and what happens when one is no longer there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use rustls::RootCertStore;
use tokio::sync::{Mutex, Notify};

use super::kit::{
    Conversation, LOOPBACK, Names, OK, Receiver, client, client_with, outgoing, settle, until,
};
use crate::egress::{Capacity, Client, Failure, Policy};

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let receiver = Receiver::willing().await;
    let client = client();
    for _ in 0..5 {
        client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        settle().await;
    }
    assert_eq!(receiver.posts().len(), 5);
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation.answer(OK).await;
    })
    .await;
    let client = client();
    for _ in 0..5 {
        client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        settle().await;
    }
    assert_eq!((receiver.posts().len(), receiver.accepted()), (5, 5));
}

#[tokio::test]
async fn a_connection_that_closes_upon_its_second_request_costs_a_repeat_on_a_new_one() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation.answer(OK).await;
        conversation.receive().await;
    })
    .await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    settle().await;
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    assert_eq!(connections(&receiver), [0, 0, 1]);
}

#[tokio::test]
async fn a_repeat_is_not_repeated() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        if conversation.connection == 0 {
            conversation.answer(OK).await;
        }
        conversation.receive().await;
    })
    .await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    settle().await;
    assert_eq!(
        client
            .post_alone(&outgoing(&receiver.url()))
            .await
            .unwrap_err(),
        Failure::Closed
    );
    assert_eq!(receiver.posts().len(), 3);
}

const TIMED_OUT: &str = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";

/// A receiver answers so to what comes over a connection that it has given up.
#[tokio::test]
async fn a_408_on_a_used_connection_costs_a_repeat_on_a_new_one() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        if conversation.connection == 0 {
            conversation.answer(OK).await;
        }
        while conversation.answer(TIMED_OUT).await.is_some() {}
    })
    .await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    settle().await;
    // The second answer counts, whatever it is.
    let answer = client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(connections(&receiver), [0, 0, 1]);
}

#[tokio::test]
async fn a_408_on_a_new_connection_is_an_answer() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation.answer(TIMED_OUT).await;
    })
    .await;
    let answer = client()
        .post_alone(&outgoing(&receiver.url()))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(connections(&receiver), [0]);
}

#[tokio::test]
async fn a_fresh_connection_is_new_and_closed_after_its_request() {
    let receiver = Receiver::willing().await;
    let client = client();
    let mut post = outgoing(&receiver.url());
    client.post_alone(&post).await.unwrap();
    settle().await;
    post.fresh = true;
    for _ in 0..2 {
        client.post_alone(&post).await.unwrap();
        until(|| receiver.open() == 1).await;
    }
    post.fresh = false;
    client.post_alone(&post).await.unwrap();
    assert_eq!(connections(&receiver), [0, 1, 2, 0]);
    let close: Vec<_> = receiver
        .posts()
        .iter()
        .map(|post| post.header("connection").map(str::to_owned))
        .collect();
    let closed = Some("close".to_owned());
    assert_eq!(close, [None, closed.clone(), closed, None]);
}

/// Runs a script for one connection at a time, as a server does that has a single thread: the others wait until it is closed.
async fn one_at_a_time<Script, Run>(script: Script) -> Receiver
where
    Script: Fn(Conversation) -> Run + Send + Sync + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let thread = Arc::new(Mutex::new(()));
    let script = Arc::new(script);
    Receiver::start(move |conversation: Conversation| {
        let (thread, script) = (Arc::clone(&thread), Arc::clone(&script));
        async move {
            let _turn = thread.lock().await;
            script(conversation).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_over_which_an_attempt_failed_is_not_left_open() {
    for failed in [
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno",
        "HTTP/1.1 302 Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    ] {
        let receiver = one_at_a_time(move |mut conversation: Conversation| async move {
            if conversation.connection == 0 {
                conversation.answer(failed).await;
            }
            conversation.answer_all().await;
        })
        .await;
        let client = client();
        let first = client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        assert!(
            !first.status.is_success() && first.body_complete,
            "{failed}"
        );
        until(|| receiver.open() == 0).await;
        let mut retry = outgoing(&receiver.url());
        retry.fresh = true;
        let answer = client.post_alone(&retry).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{failed}");
        assert_eq!(connections(&receiver), [0, 1], "{failed}");
    }
}

#[tokio::test]
async fn a_connection_that_was_retired_with_a_408_is_not_left_open() {
    let receiver = one_at_a_time(|mut conversation: Conversation| async move {
        if conversation.connection == 0 {
            conversation.answer(OK).await;
            conversation.answer(TIMED_OUT).await;
        }
        conversation.answer_all().await;
    })
    .await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    settle().await;
    let answer = client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(connections(&receiver), [0, 0, 1]);
}

/// Other deliveries' connections wait for the next of theirs; a retry has a new one, and the server comes to it when they are gone.
#[tokio::test]
async fn a_new_connection_does_not_wait_behind_idle_ones() {
    let receiver = one_at_a_time(|mut conversation: Conversation| async move {
        conversation.answer(OK).await;
        // From here on time runs as fast as nothing happens.
        if conversation.connection == 0 {
            tokio::time::pause();
        }
        conversation.answer_all().await;
    })
    .await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    let mut retry = outgoing(&receiver.url());
    // Shorter than an idle connection is kept.
    retry.timeout = Duration::from_secs(5);
    retry.fresh = true;
    let answer = client.post_alone(&retry).await.unwrap();
    tokio::time::resume();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(connections(&receiver), [0, 1]);
}

/// What is closed to make way is in nobody's use.
#[tokio::test]
async fn a_slow_answer_ends_no_exchange_but_idle_connections() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        let slow = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no";
        conversation.receive().await;
        if conversation.connection == 0 {
            tokio::time::pause();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        conversation.send(slow).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        conversation.send("k").await;
        conversation.answer_all().await;
    })
    .await;
    let client = client();
    let post = outgoing(&receiver.url());
    let (first, second) = tokio::join!(client.post_alone(&post), async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        client.post_alone(&post).await
    });
    tokio::time::resume();
    for answer in [first, second] {
        let answer = answer.unwrap();
        assert_eq!((&answer.body[..], answer.body_complete), (&b"ok"[..], true));
    }
    assert_eq!(connections(&receiver), [0, 1]);
}

/// Its host may have moved to another address by then.
#[tokio::test]
async fn a_connection_is_not_used_again_after_a_minute() {
    let receiver = Receiver::willing().await;
    let client = client();
    let mut connections_after = Vec::new();
    // Never idle for long.
    for _ in 0..8 {
        client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        settle().await;
        connections_after.push(receiver.accepted());
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(15)).await;
        tokio::time::resume();
    }
    assert_eq!(connections_after, [1, 1, 1, 1, 2, 2, 2, 2]);
}

fn connections(receiver: &Receiver) -> Vec<usize> {
    let posts = receiver.posts();
    posts.iter().map(|post| post.connection).collect()
}

#[tokio::test]
async fn an_answer_that_began_is_not_asked_for_again() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let receiver = Receiver::start(move |mut conversation: Conversation| async move {
            conversation.answer(OK).await;
            conversation.answer(begun).await;
        })
        .await;
        let client = client();
        client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        settle().await;
        let failure = client.post_alone(&outgoing(&receiver.url())).await;
        let beginning = begun.escape_default().to_string();
        let expected = Failure::ClosedEarly { beginning };
        assert_eq!(failure.unwrap_err(), expected, "{begun}");
        assert_eq!(receiver.posts().len(), 2, "{begun}");
    }
}

#[tokio::test]
async fn a_connection_whose_body_was_not_read_to_its_end_is_closed() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        if conversation
            .answer("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
            .await
            .is_some()
        {
            while conversation.send([b'x'; 4096]).await.is_some() {}
        }
    })
    .await;
    let answer = client()
        .post_alone(&outgoing(&receiver.url()))
        .await
        .unwrap();
    assert!(!answer.body_complete);
    until(|| receiver.open() == 0).await;
}

/// A batch goes to hundreds of hosts at once; of the connections it leaves, only so many are kept.
#[tokio::test]
async fn connections_are_kept_up_to_a_limit_over_all_hosts() {
    const HOSTS: usize = 300;
    const KEPT: usize = 10;
    let all_arrived = Arc::new(Notify::new());
    let gate = Arc::clone(&all_arrived);
    let receiver = Receiver::start(move |mut conversation: Conversation| {
        let gate = Arc::clone(&gate);
        async move {
            conversation.receive().await;
            gate.notified().await;
            conversation.send(OK).await;
            conversation.answer_all().await;
        }
    })
    .await;
    let client = Client::with(
        Policy::default(),
        Box::new(Names::all(LOOPBACK)),
        RootCertStore::empty().into(),
        Capacity {
            kept: KEPT,
            ..Capacity::of(1_024)
        },
    );
    let posts = (0..HOSTS).map(|host| {
        let post = outgoing(&format!(
            "http://host{host}.example:{}/",
            receiver.address.port()
        ));
        let client = &client;
        async move { client.post_alone(&post).await }
    });
    let release = async {
        until(|| receiver.posts().len() == HOSTS).await;
        assert_eq!(receiver.open(), HOSTS);
        for _ in 0..HOSTS {
            all_arrived.notify_one();
            settle().await;
        }
    };
    let (answers, ()) = tokio::join!(join_all(posts), release);
    assert!(answers.iter().all(Result::is_ok));
    until(|| receiver.open() == KEPT).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let receiver = Receiver::willing().await;
    let client = client();
    client.post_alone(&outgoing(&receiver.url())).await.unwrap();
    settle().await;
    assert_eq!(receiver.open(), 1);
    tokio::time::pause();
    // Looked for every 20 s, so gone after 40 s at the latest.
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(21)).await;
        settle().await;
    }
    tokio::time::resume();
    until(|| receiver.open() == 0).await;
}

#[tokio::test]
async fn a_time_out_closes_its_connection() {
    let receiver = Receiver::start(Conversation::hold).await;
    let mut post = outgoing(&receiver.url());
    post.timeout = Duration::from_millis(200);
    let client = client_with(Names::none(), RootCertStore::empty());
    assert_eq!(
        client.post_alone(&post).await.unwrap_err(),
        Failure::Timeout(post.timeout)
    );
    until(|| receiver.accepted() == 1 && receiver.open() == 0).await;
}

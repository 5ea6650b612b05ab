//! What is sent, and what becomes of each kind of answer.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::kit::{Conversation, LOOPBACK, OK, Receiver, client, outgoing, settle};
use crate::egress::{Answer, Failure, MAX_BODY_BYTES};

/// Time enough for loopback, and soon over for what never ends.
const SHORT: Duration = Duration::from_millis(400);

/// Posts once to a receiver that answers with `bytes` and closes.
async fn answered(bytes: impl Into<Vec<u8>>) -> Result<Answer, Failure> {
    let bytes = bytes.into();
    let receiver = Receiver::start(move |mut conversation: Conversation| {
        let bytes = bytes.clone();
        async move {
            conversation.answer(bytes).await;
        }
    })
    .await;
    client().post_alone(&outgoing(&receiver.url())).await
}

/// Posts with a short time-out to a receiver that sends `start`, then `rest` once per `pause` for ever.
async fn dripped(
    start: &'static str,
    rest: impl Into<String>,
    pause: Duration,
) -> Result<Answer, Failure> {
    let rest = rest.into();
    let receiver = Receiver::start(move |mut conversation: Conversation| {
        let rest = rest.clone();
        async move {
            let mut sent = conversation.answer(start).await;
            while sent.is_some() {
                tokio::time::sleep(pause).await;
                sent = conversation.send(&rest).await;
            }
        }
    })
    .await;
    let mut post = outgoing(&receiver.url());
    post.timeout = SHORT;
    client().post_alone(&post).await
}

#[tokio::test]
async fn sends_the_body_as_it_is_with_its_length() {
    let receiver = Receiver::willing().await;
    let mut post = outgoing(&receiver.url());
    for (name, value) in [
        ("x-own", "1"),
        ("host", "elsewhere.example"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("expect", "100-continue"),
    ] {
        post.headers.insert(name, value.parse().unwrap());
    }
    let answer = client().post_alone(&post).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        (answer.body.as_ref(), answer.body_complete),
        (&b"ok"[..], true)
    );

    let received = &receiver.posts()[0];
    assert!(
        received.head.starts_with("POST /hook?a=b HTTP/1.1\r\n"),
        "{}",
        received.head
    );
    assert_eq!(received.body, post.body);
    assert_eq!(
        received.header("host"),
        Some(receiver.address.to_string().as_str())
    );
    assert_eq!(received.header("content-length"), Some("7"));
    assert_eq!(received.header("x-own"), Some("1"));
    for name in [
        "transfer-encoding",
        "connection",
        "expect",
        "accept-encoding",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
}

/// Byte for byte, as a socket receives it.
#[tokio::test]
async fn header_names_are_spelled_as_they_are_given() {
    let receiver = Receiver::willing().await;
    let mut post = outgoing(&receiver.url());
    for name in [
        "X-Odin-Signature",
        "x-lower",
        "X_Under-SCORE",
        "webhook-id",
        "Rung-Test",
        "ETag",
    ] {
        post.headers
            .insert(HeaderName::try_from(name).unwrap(), "v".parse().unwrap());
    }
    post.headers.insert("user-agent", "u".parse().unwrap());
    // The first spelling holds, and names that are not sent are no harm.
    let spelled = [
        "X-Odin-Signature",
        "X-ODIN-SIGNATURE",
        "X_Under-SCORE",
        "ETag",
        "X-Absent",
    ];
    post.spelling = spelled.into_iter().collect();
    let client = client();
    for _ in 0..2 {
        client.post_alone(&post).await.unwrap();
        settle().await;
    }
    let head = format!(
        "POST /hook?a=b HTTP/1.1\r\nContent-Type: application/json\r\nX-Odin-Signature: v\r\nx-lower: v\r\n\
         X_Under-SCORE: v\r\nwebhook-id: v\r\nRung-Test: v\r\nETag: v\r\nUser-Agent: u\r\nContent-Length: 7\r\nHost: {}\r\n\r\n",
        receiver.address
    );
    for post in receiver.posts() {
        assert_eq!(post.head, head);
    }
    // Another set of names over the same connection.
    post.spelling = ["x-Odin-signature"].into_iter().collect();
    post.fresh = false;
    client.post_alone(&post).await.unwrap();
    let head = &receiver.posts()[2].head;
    assert!(
        head.contains("\r\nx-Odin-signature: v\r\n") && head.contains("\r\netag: v\r\n"),
        "{head}"
    );
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn an_empty_body_has_its_length_too() {
    let receiver = Receiver::willing().await;
    let mut post = outgoing(&receiver.url());
    post.body = Bytes::new();
    client().post_alone(&post).await.unwrap();
    assert_eq!(receiver.posts()[0].header("content-length"), Some("0"));
}

#[tokio::test]
async fn redirects_are_answers() {
    let elsewhere = Receiver::willing().await;
    let redirect = format!(
        "HTTP/1.1 307 Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    let answer = answered(redirect).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.headers["location"], elsewhere.url());
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn five_interim_answers_are_skipped_and_no_more() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let after = |interim: usize| {
        let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{}", hints.repeat(interim - 1));
        answered(format!("{interim}{OK}"))
    };
    assert_eq!(after(5).await.unwrap().status, StatusCode::OK);
    assert_eq!(after(6).await.unwrap_err(), Failure::Interim);
    // Without a final one.
    for pause in [Duration::ZERO, Duration::from_millis(5)] {
        assert_eq!(
            dripped(hints, hints, pause).await.unwrap_err(),
            Failure::Interim
        );
    }
}

/// A connection that was used before is not asked again for what it has begun to answer.
#[tokio::test]
async fn interim_answers_are_counted_anew_for_each_request() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(4);
        for _ in 0..3 {
            conversation.answer(format!("{interim}{OK}")).await;
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        let answer = client.post_alone(&outgoing(&receiver.url())).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        settle().await;
    }
    assert_eq!((receiver.posts().len(), receiver.accepted()), (3, 1));
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let answer = answered("HTTP/1.0 500 Oops\r\n\r\nall of it")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        (answer.body.as_ref(), answer.body_complete),
        (&b"all of it"[..], true)
    );
}

#[tokio::test]
async fn a_compressed_body_stays_so() {
    let bytes = b"\x1f\x8b\x08\x00rest";
    let mut text =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 8\r\n\r\n".to_vec();
    text.extend_from_slice(bytes);
    let answer = answered(text).await.unwrap();
    assert_eq!(
        (answer.body.as_ref(), answer.body_complete),
        (&bytes[..], true)
    );
}

#[tokio::test]
async fn a_body_is_kept_up_to_its_limit() {
    for (length, complete) in [
        (MAX_BODY_BYTES, true),
        (MAX_BODY_BYTES + 1, false),
        (10 * MAX_BODY_BYTES, false),
    ] {
        let body = "x".repeat(length);
        let answer = answered(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
        .unwrap();
        assert_eq!(
            (answer.body.len(), answer.body_complete),
            (MAX_BODY_BYTES, complete),
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_broken_body_changes_no_outcome() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\nno length\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ] {
        let answer = answered(text).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{text}");
        assert_eq!(
            (answer.body.as_ref(), answer.body_complete),
            (&b"only this"[..], false),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_slow_body_changes_no_outcome() {
    let head = "HTTP/1.1 202 Accepted\r\ncontent-length: 9999\r\n\r\n";
    let answer = dripped(head, "x", Duration::from_millis(5)).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(!answer.body.is_empty() && !answer.body_complete);
}

#[tokio::test]
async fn an_endless_body_changes_no_outcome() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = dripped(head, "8\r\nxxxxxxxx\r\n", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.body_complete);
}

#[tokio::test]
async fn the_deadline_covers_the_whole_head() {
    let timed_out = Failure::Timeout(SHORT);
    let start = "HTTP/1.1 200 OK\r\nx: ";
    assert_eq!(
        dripped("", "", Duration::from_secs(60)).await.unwrap_err(),
        timed_out
    );
    assert_eq!(
        dripped(start, "", Duration::from_secs(60))
            .await
            .unwrap_err(),
        timed_out
    );
    assert_eq!(
        dripped(start, "x", Duration::from_millis(5))
            .await
            .unwrap_err(),
        timed_out
    );
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(
        dripped(interim, "", Duration::from_secs(60))
            .await
            .unwrap_err(),
        timed_out
    );
}

#[tokio::test]
async fn a_head_has_bounds() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let lines = format!("x: {}\r\n", "y".repeat(4_000));
    let endless = dripped("HTTP/1.1 200 OK\r\n", lines, Duration::ZERO);
    for failure in [answered(long).await, endless.await].map(Result::unwrap_err) {
        let Failure::Protocol { beginning } = &failure else {
            panic!("{failure}");
        };
        assert!(
            beginning.starts_with(r"HTTP/1.1 200 OK\r\nx: yyyy"),
            "{beginning}"
        );
        assert!(beginning.len() < 300);
    }
}

/// Each of these is a success for curl.
#[tokio::test]
async fn the_status_decides_and_lines_that_cannot_be_read_are_dropped() {
    let lines = "x: y\r\n";
    for (head, kept) in [
        ("x-folded: a\r\n b\r\n", &["x-folded"][..]),
        ("Server : x\r\n", &["server"]),
        ("Set-Cookie: a=\x01b\r\n", &[]),
        ("Set-Cookie: a=\x7fb\r\n", &[]),
        ("no colon\r\n", &[]),
        (": no name\r\n", &[]),
        ("\u{e4}: b\r\n", &[]),
        (" folded: first\r\n", &[]),
        (&lines.repeat(101), &[]),
        (&lines.repeat(900), &[]),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}x-kept: c\r\ncontent-length: 2\r\n\r\nok");
        let answer = answered(text).await.expect(head);
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, &b"ok"[..]),
            "{head}"
        );
        for name in kept.iter().chain(&["x-kept"]) {
            assert!(answer.headers.contains_key(*name), "{head} {name}");
        }
    }
    // With these, nothing but the status can be told.
    for head in [
        "x: a\0b\r\n",
        "x: a\rb\r\n",
        "content-length: x\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n",
        &"x:\r\n".repeat(1_200),
    ] {
        for (status, line) in [
            (StatusCode::OK, "HTTP/1.1 200 OK"),
            (StatusCode::SERVICE_UNAVAILABLE, "HTTP/1.0 503 No"),
        ] {
            let answer = answered(format!("{line}\r\n{head}\r\nok"))
                .await
                .expect(head);
            assert_eq!(answer.status, status, "{head}");
            assert!(answer.headers.is_empty() && !answer.body_complete, "{head}");
        }
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_failure_that_shows_its_beginning() {
    for (text, beginning) in [
        (
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            r"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        ),
        ("HTTP/1.1 abc\r\n\r\n", r"HTTP/1.1 abc\r\n\r\n"),
        ("HTTP/1.1 20 OK\r\n\r\n", r"HTTP/1.1 20 OK\r\n\r\n"),
        (
            "\x15\x03\x03\0\x02\x02\x16",
            r"\x15\x03\x03\x00\x02\x02\x16",
        ),
    ] {
        let failure = answered(text).await.unwrap_err();
        let expected = Failure::Protocol {
            beginning: beginning.to_owned(),
        };
        assert_eq!(failure, expected);
        assert!(failure.to_string().contains(beginning));
    }
}

/// The receiver sends all of its answer, and resets the connection while the request is still being sent.
#[tokio::test]
async fn an_early_answer_that_a_reset_follows_is_not_lost() {
    for _ in 0..20 {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let mut post = outgoing(&format!("http://{}/", listener.local_addr().unwrap()));
        post.body = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
        tokio::spawn(async move {
            let (mut tcp, _): (TcpStream, _) = listener.accept().await.unwrap();
            tcp.read_exact(&mut [0; 100]).await.unwrap();
            let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
            tcp.write_all(answer.as_bytes()).await.unwrap();
            // What was not read makes closing a reset.
        });
        let answer = client().post_alone(&post).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_counts() {
    let receiver = Receiver::start(|mut conversation: Conversation| async move {
        conversation.receive_head().await;
        let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
        conversation.send(answer).await;
        pending::<()>().await;
    })
    .await;
    let mut post = outgoing(&receiver.url());
    post.body = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    let answer = client().post_alone(&post).await.unwrap();
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_one_failure() {
    let closing = Receiver::start(|mut conversation: Conversation| async move {
        conversation.receive().await;
    })
    .await;
    assert_eq!(
        client()
            .post_alone(&outgoing(&closing.url()))
            .await
            .unwrap_err(),
        Failure::Closed
    );
    assert_eq!((closing.accepted(), closing.posts().len()), (1, 1));

    let breaking_off = answered("HTTP/1.1 200 OK\r\nx: ").await;
    let beginning = r"HTTP/1.1 200 OK\r\nx: ".to_owned();
    assert_eq!(
        breaking_off.unwrap_err(),
        Failure::ClosedEarly { beginning }
    );
}

#[tokio::test]
async fn a_reset_is_a_failure() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (tcp, _): (TcpStream, _) = listener.accept().await.unwrap();
        tcp.set_zero_linger().unwrap();
    });
    assert_eq!(
        client().post_alone(&outgoing(&url)).await.unwrap_err(),
        Failure::Closed
    );
}

#[tokio::test]
async fn a_port_where_nothing_listens_refuses() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(
        client().post_alone(&outgoing(&url)).await.unwrap_err(),
        Failure::Refused
    );
}

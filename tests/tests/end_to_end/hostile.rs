//! Clients that mean harm: what HTTP itself lets them say, headers that might lead elsewhere, and requests that cost more to answer
//! than to make.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;

use flate2::{Compression, write::GzEncoder};
use rung_tests::{ADMIN_KEY, Answer, Receiver, Rung, Tenant};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{DIALECTS, a_type_of, rung};

/// Sends bytes as they are and gives all that comes until the server closes, which a whole request must ask for.
async fn exchange(rung: &Rung, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(rung.addr()).await.unwrap();
    // A server that has heard enough may close before all is said, and its answer may be lost with that.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(rung_tests::PATIENCE, read).await;
    let _ = read.expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    let starts = answers.match_indices("HTTP/1.1 ").map(|(at, _)| at);
    starts
        .filter_map(|at| answers.get(at + 9..at + 12))
        .collect()
}

/// Checks that an answer, the only one of its connection, is a refusal in the usual form.
#[track_caller]
fn assert_refused(answer: &str, status: u16, code: &str) {
    let status = status.to_string();
    assert_eq!(statuses(answer), [status.as_str()], "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["success"], false, "{answer}");
    assert_eq!(body["error"]["code"], code, "{answer}");
}

/// Framing on which a proxy and Rung might disagree, on a connection that is kept: what follows, a whole request with the operator's
/// own key, is never read as one.
#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let rung = rung(&[]).await;
    Tenant::create(&rung, "t", "standard").await;
    let smuggled = format!(
        "DELETE /v1/tenants/t HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_KEY}\r\n\r\n"
    );
    let post = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\n";
    for framing in [
        "content-length: 0\r\ncontent-length: 44\r\n",
        "content-length: 0, 44\r\n",
        "content-length: +0\r\n",
        "content-length: -1\r\n",
        "content-length: 0x0\r\n",
        "content-length: 1e1\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length : 0\r\n",
        " content-length: 0\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: identity\r\n",
        "content-length: +5\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 500\r\n",
        "transfer-encoding: chunked\r\ncontent-length: +5\r\n",
        "x: a\0b\r\n",
        "x: a\rb\r\n",
        "x\u{0}: a\r\n",
        "x y: a\r\n",
        ": a\r\n",
    ] {
        let request = format!("{post}{framing}\r\n{smuggled}");
        let answers = exchange(&rung, request.as_bytes()).await;
        assert_refused(&answers, 400, "malformed_request");
    }
    // The same request by itself would have done it.
    rung.admin().get("/v1/tenants/t").await.data(200);
    let honest = smuggled.replace("host:", "connection: close\r\nhost:");
    let answer = exchange(&rung, honest.as_bytes()).await;
    assert_eq!(statuses(&answer), ["202"], "{answer}");
    rung.admin()
        .get("/v1/tenants/t")
        .await
        .refused(404, "not_found");
}

/// What is not meant for this server, or asks for what it does not do.
#[tokio::test]
async fn what_is_no_request_to_this_server_is_refused_in_the_usual_form() {
    let rung = rung(&[]).await;
    let port = rung.addr().port();
    let long = "a".repeat(200_000);
    let many = "x: y\r\n".repeat(101);
    for (head, status, code) in [
        ("", 400, "malformed_request"),
        (
            "host: localhost\r\nhost: localhost\r\n",
            400,
            "malformed_request",
        ),
        ("host: local host\r\n", 400, "malformed_request"),
        ("host: \r\n", 400, "malformed_request"),
        ("host: rebound.example.com\r\n", 421, "misdirected_request"),
        (
            &format!("host: rebound.example.com:{port}\r\n"),
            421,
            "misdirected_request",
        ),
        ("host: 192.0.2.1\r\n", 421, "misdirected_request"),
        (
            "host: localhost\r\nexpect: 200-ok\r\n",
            417,
            "expectation_failed",
        ),
        (
            &format!("host: localhost\r\nx: {long}\r\n"),
            431,
            "headers_too_large",
        ),
        (
            &format!("host: localhost\r\n{many}"),
            431,
            "headers_too_large",
        ),
    ] {
        let request = format!("GET /v1/health HTTP/1.1\r\n{head}connection: close\r\n\r\n");
        let answer = exchange(&rung, request.as_bytes()).await;
        assert_refused(&answer, status, code);
    }
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        &format!("localhost:{port}"),
    ] {
        let request =
            format!("GET /v1/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = exchange(&rung, request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["200"], "{host}: {answer}");
    }
}

/// One tenant's half-sent bodies keep neither places nor memory from another tenant.
#[tokio::test]
async fn half_sent_bodies_of_one_tenant_hold_up_no_other() {
    let rung = rung(&[]).await;
    let slow = Tenant::create(&rung, "slow", "standard").await;
    let quick = Tenant::create(&rung, "quick", "standard").await;
    let half = format!(
        "POST /v1/events/batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n{{",
        slow.key
    );
    let send_half = async || {
        let mut stream = TcpStream::connect(rung.addr()).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        stream
    };
    let mut halves = Vec::new();
    for _ in 0..100 {
        halves.push(send_half().await);
    }
    // The slow tenant's own requests find no room: when that is so, as many of its bodies are under way as may be. One that was faster
    // than the last half has taken its place: another half takes it when that one is answered.
    let large = "x".repeat(1_000_000);
    rung_tests::eventually("the slow tenant's part is used up", async || {
        halves.push(send_half().await);
        let reply = slow
            .api
            .call("POST", "/v1/events/batch")
            .body(large.clone())
            .send()
            .await;
        (reply.status == 503).then(|| {
            reply.refused(503, "unavailable");
            assert_eq!(reply.headers["retry-after"], "1");
        })
    })
    .await;
    for _ in 0..50 {
        quick.publish("a", json!({})).await;
    }
    drop(halves);
}

/// Whatever the request line says, it is an answer below 500, and the process lives.
#[tokio::test]
async fn odd_request_lines_and_heads() {
    let rung = rung(&[]).await;
    let long = "a".repeat(70_000);
    let many = "x: y\r\n".repeat(1_000);
    for head in [
        "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n",
        "GET * HTTP/1.1\r\nhost: localhost\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n",
        "GET http://elsewhere.example/v1/health HTTP/1.1\r\nhost: localhost\r\n",
        "GET //v1/health HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/%00 HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/%ff HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/% HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/%zz HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/%2e%2e%2f%2e%2e HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks/..;/tenants HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/event-types/%2f%2f HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks?limit=%ff&limit=%00 HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/webhooks?%%%=&&&== HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/health?a=<b>\"{} HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/health HTTP/1.0\r\n",
        "GET /v1/health HTTP/1.0\r\nhost: localhost\r\n",
        "GET /v1/health HTTP/9.9\r\nhost: localhost\r\n",
        "GET /v1/health\r\n",
        "PRI * HTTP/2.0\r\n",
        "ÜBEL /v1/health HTTP/1.1\r\nhost: localhost\r\n",
        "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n",
        "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nexpect: 200-maybe\r\n",
        "GET /v1/webhooks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \u{e9}\r\n",
        "GET /v1/webhooks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer\r\n",
        "GET /v1/webhooks HTTP/1.1\r\nhost: localhost\r\nauthorization: \r\n",
        &format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n"),
        &format!(
            "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: {long}{long}{long}{long}{long}{long}{long}\r\n"
        ),
        &format!("GET /v1/health HTTP/1.1\r\nhost: localhost\r\n{many}"),
    ] {
        let request = format!("{head}connection: close\r\n\r\n");
        let answer = exchange(&rung, request.as_bytes()).await;
        let told: String = head.chars().take(80).collect();
        for status in statuses(&answer) {
            assert!(status < "500", "{told}: {answer}");
        }
    }
    rung.admin().get("/v1/health").await.data(200);
}

/// Bodies that never say how long they are, and those that break off.
#[tokio::test]
async fn chunked_bodies_have_the_same_limits() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        tenant.key
    );
    let event = br#"{"type":"a","data":{}}"#;
    let chunk = |bytes: &[u8]| {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        chunk
    };
    let said = async |body: Vec<u8>| {
        let mut bytes = head.clone().into_bytes();
        bytes.extend(body);
        exchange(&rung, &bytes).await
    };
    let whole = [chunk(event), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(statuses(&said(whole).await), ["202"]);
    let one_by_one: Vec<u8> = event.iter().flat_map(|byte| chunk(&[*byte])).collect();
    assert_eq!(
        statuses(&said([one_by_one, b"0\r\n\r\n".to_vec()].concat()).await),
        ["202"]
    );
    let blanks = chunk(&[b' '; 64 * 1024]);
    let endless = said(blanks.repeat(5)).await;
    assert_eq!(statuses(&endless), ["413"], "{endless}");
    assert!(endless.contains("payload_too_large"), "{endless}");
    for broken in [
        &b"zz\r\n"[..],
        b"ffffffffffffffffff\r\n",
        b"5\r\nabc\r\n0\r\n\r\n",
    ] {
        let answer = said(broken.to_vec()).await;
        assert_eq!(statuses(&answer), ["400"], "{answer}");
    }
}

/// Every path knows its methods, tells them, and answers HEAD without a body.
#[tokio::test]
async fn wrong_methods() {
    let rung = rung(&[]).await;
    for path in [
        "/v1/tenants",
        "/v1/tenants/t",
        "/v1/tenants/t/keys",
        "/v1/tenants/t/keys/k",
        "/v1/webhooks",
        "/v1/webhooks/w",
        "/v1/webhooks/w/test",
        "/v1/webhooks/w/prove",
        "/v1/webhooks/w/logs",
        "/v1/webhooks/w/logs/l",
        "/v1/webhooks/w/logs/l/retry",
        "/v1/webhooks/w/deliveries",
        "/v1/webhooks/w/deliveries/p",
        "/v1/events",
        "/v1/events/batch",
        "/v1/event-types",
        "/v1/egress-ips",
        "/v1/health",
    ] {
        let options = rung.admin().call("OPTIONS", path).send().await;
        assert_eq!(options.status, 204, "{path}");
        let allowed = options.headers["allow"].to_str().unwrap();
        for method in ["PUT", "TRACE", "PROPFIND"] {
            if allowed.contains(method) {
                continue;
            }
            let reply = rung.admin().call(method, path).send().await;
            reply.refused(405, "method_not_allowed");
            assert_eq!(reply.headers["allow"], allowed, "{path}");
        }
        let head = rung.admin().call("HEAD", path).send().await;
        assert!(head.text.is_empty() && head.status < 500, "{path}");
    }
}

/// Of a header that says who calls or what is repeated there is one, or nobody knows which one counts.
#[tokio::test]
async fn headers_that_stand_twice() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let other = Tenant::create(&rung, "u", "standard").await;
    let twice = tenant
        .api
        .with_header("Authorization", &format!("Bearer {}", other.key));
    twice
        .get("/v1/webhooks")
        .await
        .refused_for(422, "invalid_request", "Authorization");
    let twice = rung.admin().for_tenant("t").for_tenant("u");
    twice
        .get("/v1/webhooks")
        .await
        .refused_for(422, "invalid_request", "Rung-Tenant");
    for path in ["/v1/import", "/v1/keys", "/v1/tenants/t/keys"] {
        let twice = twice.call("POST", path).body("{}");
        twice
            .send()
            .await
            .refused_for(422, "invalid_request", "Rung-Tenant");
    }
    let twice = tenant
        .api
        .with_header("Idempotency-Key", "a")
        .with_header("Idempotency-Key", "b");
    let reply = twice
        .post("/v1/events", &json!({"type": "a", "data": {}}))
        .await;
    reply.refused_for(422, "invalid_request", "Idempotency-Key");
}

/// A line feed in any field that ends in a header, raw, escaped or encoded, never begins a header of its own.
#[tokio::test]
async fn no_field_leads_to_a_header_of_its_own() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    for dialect in DIALECTS {
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let url = receiver.url("/");
        tenant.webhook(&url, &["*"]).await;
        for end in [
            "\r\n",
            "\n",
            "\r",
            "\0",
            "%0d%0a",
            "\u{2028}",
            "\u{e5}\u{98}\u{8a}",
        ] {
            let injected = format!("a{end}X-Injected: 1");
            for event in [
                json!({"type": injected, "data": {}}),
                json!({"type": a_type_of(dialect), "id": injected, "data": {}}),
            ] {
                tenant
                    .api
                    .post("/v1/events", &event)
                    .await
                    .refused(422, "invalid_request");
            }
            let mut webhook = json!({"url": url, "events": ["*"]});
            for member in [
                json!({"headers": {"X-Own": injected}}),
                json!({"headers": {injected.clone(): "1"}}),
                json!({"id": injected}),
                json!({"url": format!("{url}{injected}")}),
                json!({"url": format!("http://{injected}/")}),
            ] {
                let (name, value) = member.as_object().unwrap().iter().next().unwrap();
                let text = value.to_string();
                let before = webhook[name].take();
                webhook[name] = value.clone();
                let reply = rung
                    .admin()
                    .for_tenant(dialect)
                    .post("/v1/webhooks", &webhook)
                    .await;
                // `%0d%0a` is harmless in a path and in a value: it stays what it is.
                if reply.status != 201 || !text.contains("%0d%0a") {
                    reply.refused(422, "invalid_request");
                }
                match before {
                    Value::Null => drop(webhook.as_object_mut().unwrap().remove(name)),
                    before => webhook[name] = before,
                }
            }
        }
        tenant
            .publish(a_type_of(dialect), json!({"text": "a\r\nX-Injected: 1"}))
            .await;
    }
    let received = receiver.wait_for(DIALECTS.len()).await;
    for request in &received {
        let names: BTreeSet<_> = request
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        assert!(!names.contains("x-injected"), "{:?}", request.headers);
    }
}

/// Requests that are as costly as they can be made are answered like any other, and in few words.
#[tokio::test]
async fn costly_requests_have_short_answers() {
    const ROOM: usize = 250_000;
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let patra = Tenant::create(&rung, "t", "patra").await;
    patra.webhook(&receiver.url("/"), &["*"]).await;
    let with = |data: &str| format!(r#"{{"type":"card.updated","data":{{"a":{data}}}}}"#);
    let members = |from: usize| {
        let members = (from..).map(|n| format!("\"{n}\":0"));
        let mut text = String::new();
        for member in members.take_while(|member| member.len() < ROOM) {
            if text.len() + member.len() > ROOM {
                break;
            }
            text.push_str(&member);
            text.push(',');
        }
        text.pop();
        text
    };
    for body in [
        with(&"9".repeat(ROOM)),
        with(&format!("0.{}", "9".repeat(ROOM))),
        with(&format!("0.{}1e-300", "0".repeat(ROOM))),
        with(&format!("1e{}", "9".repeat(ROOM))),
        with(&"[".repeat(ROOM)),
        with(&format!("\"{}\"", "\\u0000".repeat(ROOM / 6))),
        with(&format!("\"{}\"", "\\\"".repeat(ROOM / 2))),
        with(&format!("{{{}}}", members(0))),
        with(&format!("{{{},\"7\":0}}", members(0))),
        with(&format!("[{}0]", "0,".repeat(ROOM / 2))),
        format!("{{{}}}", members(0)),
        format!("{{\"type\":\"{}\"}}", "\u{300}".repeat(ROOM / 2)),
        format!("{{\"{}\":0}}", "x".repeat(ROOM)),
        format!("{{\"events\":[{}0]}}", "0,".repeat(ROOM / 2)),
    ] {
        for path in ["/v1/events", "/v1/events/batch", "/v1/webhooks"] {
            let reply = patra.api.call("POST", path).body(body.clone()).send().await;
            let told: String = body.chars().take(60).collect();
            assert!(reply.status < 500, "{told}: {}", reply.status);
            assert!(
                reply.text.len() < 64 * 1024,
                "{told}: {} bytes",
                reply.text.len()
            );
        }
    }
    let query = (0..20_000).map(|n| format!("{n}&")).collect::<String>();
    for path in ["/v1/webhooks", "/v1/tenants"] {
        let reply = patra.api.get(&format!("{path}?{}", &query[..60_000])).await;
        assert!(reply.status < 500 && reply.text.len() < 64 * 1024);
    }
}

/// A batch in which every event is wrong in every way it can be.
#[tokio::test]
async fn a_batch_of_mistakes_has_a_bounded_answer() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let event = |n: usize| {
        let members: Vec<_> = (0..1_200).map(|m| format!("\"{n}{m}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    let events: Vec<_> = (0..80).map(event).collect();
    let body = format!("{{\"events\":[{}]}}", events.join(","));
    assert!(body.len() > 800_000, "{}", body.len());
    let reply = tenant
        .api
        .call("POST", "/v1/events/batch")
        .body(body)
        .send()
        .await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    let results = reply.body["data"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 80);
    // A Lambda function may answer 6 MiB.
    assert!(reply.text.len() < 1024 * 1024, "{}", reply.text.len());
}

/// An event as large as it may be, that does not compress, to webhooks of every dialect it can be said in.
#[tokio::test]
async fn a_large_event_in_every_dialect() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    for dialect in DIALECTS {
        let webhook = json!({"url": receiver.url("/"), "events": ["*"], "dialect": dialect});
        tenant.webhook_with(webhook).await;
    }
    let mut chance = fastrand::Rng::with_seed(1);
    let text: String = (0..25_000)
        .map(|_| chance.char('\u{10000}'..='\u{10ffff}'))
        .collect();
    let event = json!({"type": "card.updated", "data": {"text": text}});
    let reply = tenant.api.post("/v1/events", &event).await;
    let deliveries = reply.data(202)["deliveries"].as_u64().unwrap();
    receiver
        .wait_for(usize::try_from(deliveries).unwrap())
        .await;
}

/// The environment of each process here names proxies for everything, and the process fails its test when it asks one. A delivery
/// goes straight to its receiver, over TLS too.
#[tokio::test]
async fn no_proxy_of_the_environment_is_asked() {
    const HANDSHAKE: u8 = 22;
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    for (scheme, event_type, first) in [("http", "plain", b'P'), ("https", "tls", HANDSHAKE)] {
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/", receiver.local_addr().unwrap());
        tenant.webhook(&url, &[event_type]).await;
        tenant.publish(event_type, json!({})).await;
        let connected = tokio::time::timeout(rung_tests::PATIENCE, receiver.accept()).await;
        let (mut stream, _) = connected.expect("the receiver is called").unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), first, "{scheme}");
    }
}

/// A receiver that answers each connection with these bytes, over and over if `endless`, and closes.
async fn raw(bytes: &'static [u8], endless: bool) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64 * 1024]).await;
            while stream.write_all(bytes).await.is_ok() && endless {}
        }
    });
    (address, serving)
}

/// Whatever a receiver does, the log tells its owner.
#[tokio::test]
async fn each_hostile_receiver_has_its_reason_in_the_log() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let closed = "closed the connection before it responded";
    let no_http = "not valid HTTP, or its headers were too long";
    let cases: [(&str, &'static [u8], bool, &str); 7] = [
        ("http", b"", false, closed),
        (
            "http",
            b"HTTP/1.1 200 OK\r\nx: half",
            false,
            r#"It began with "HTTP/1.1 200 OK\r\nx: half"."#,
        ),
        (
            "http",
            b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
            false,
            "It began with \"SSH-2.0-OpenSSH_9.6",
        ),
        ("http", b"x", true, no_http),
        (
            "http",
            b"HTTP/1.1 302 Go\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            false,
            "responded with 302 Found: a redirect to http://169.254.169.254/, which is not followed",
        ),
        (
            "https",
            b"HTTP/1.1 400 Speak plainly\r\n\r\n",
            false,
            "the host does not speak TLS at this port",
        ),
        (
            "https",
            b"",
            false,
            "the host closed the connection during it",
        ),
    ];
    for (scheme, bytes, endless, reason) in cases {
        let (address, _serving) = raw(bytes, endless).await;
        let webhook = tenant
            .webhook(&format!("{scheme}://{address}/"), &["*"])
            .await;
        let event = tenant.publish("a", json!({})).await;
        let log = webhook.until_attempts(&event.id, 1).await.remove(0);
        assert_eq!(log["status"], "failed");
        let error = log["error"].as_str().unwrap();
        assert!(error.contains(reason), "{error:?} is not {reason:?}");
        tenant.api.delete(&webhook.path("")).await.data(200);
    }
}

/// Of an answer's headers the log keeps some: a receiver does not decide how much the operator stores.
#[tokio::test]
async fn a_long_head_is_cut_in_the_log() {
    let rung = rung(&[]).await;
    let receiver = Receiver::start(|_| {
        (0..20).fold(Answer::status(200), |answer, n| {
            answer.header(&format!("x-{n}"), &"v".repeat(1_000))
        })
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("a", json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    let whole = webhook.log(&log).await;
    let headers = whole["response"]["headers"].as_object().unwrap();
    let own: Vec<_> = (0..20)
        .map(|n| headers[&format!("x-{n}")].as_str())
        .collect();
    let cut = own.iter().flatten().filter(|value| value.ends_with("v…"));
    assert_eq!(cut.count(), 20);
    let values = headers.values().filter_map(Value::as_str);
    let bytes =
        headers.keys().map(String::len).sum::<usize>() + values.map(str::len).sum::<usize>();
    assert!((7_000..=8_192).contains(&bytes), "{bytes}");
}

/// A receiver's gzip bomb: nobody asked for it, and no more of it is unpacked than is shown.
#[tokio::test]
async fn a_gzip_bomb_is_unpacked_no_further_than_it_is_shown() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![0; 32 * 1024 * 1024]).unwrap();
    let bomb = packed.finish().unwrap();
    let rung = rung(&[]).await;
    let receiver = Receiver::start(move |request| {
        assert_eq!(request.header("accept-encoding"), None);
        Answer::status(200)
            .header("content-encoding", "gzip")
            .body(bomb.clone())
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("a", json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    assert_eq!(log["status"], "succeeded");
    let whole = webhook.log(&log).await;
    let body = whole["response"]["body"].as_str().unwrap();
    assert_eq!(body, "\0".repeat(4 * 1024));
}

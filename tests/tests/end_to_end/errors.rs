//! Everything a client can send wrong: it is told what, by name, and nothing changes.

use rung_tests::{Receiver, Tenant};
use serde_json::{Value, json};

use crate::rung;

/// Where the contract leaves open whether a request is malformed or unacceptable.
const BAD: &[u16] = &[400, 422];
const UNPROCESSABLE: &[u16] = &[422];

const TYPE: &str = "user.lesson.completed";

/// One wrong request: its text, the statuses it may have, and what the answer must name.
type Case<'a> = (String, &'a [u16], &'a str);

/// Texts that are no JSON object at all, whatever the call.
const NO_OBJECT: [&str; 9] = [
    "",
    " ",
    "{",
    "[]",
    "null",
    "\"text\"",
    "{\"a\":1}}",
    "{'a':1}",
    "{\"a\":\"\u{1}\"}",
];

async fn refuses_what_is_no_object(tenant: &Tenant, method: &str, path: &str) {
    for text in NO_OBJECT {
        tenant
            .api
            .call(method, path)
            .body(text)
            .send()
            .await
            .refused_with(BAD);
    }
    tenant
        .api
        .call(method, path)
        .body(b"{\"a\":\"\xff\xfe\"}".to_vec())
        .send()
        .await
        .refused_with(BAD);
}

#[tokio::test]
async fn publishing() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    odin.webhook(&receiver.url("/"), &["*"]).await;
    refuses_what_is_no_object(&odin, "POST", "/v1/events").await;

    let with = |member: &str| format!(r#"{{"type":"{TYPE}","data":{{}},{member}}}"#);
    let data = |data: &str| format!(r#"{{"type":"{TYPE}","data":{data}}}"#);
    let typed = |event_type: &str| json!({"type": event_type, "data": {}}).to_string();
    let nested = |levels: usize| {
        data(&format!(
            "{}{}",
            r#"{"a":"#.repeat(levels - 1) + "{}",
            "}".repeat(levels - 1)
        ))
    };
    let cases: Vec<Case<'_>> = vec![
        // Unknown and missing members.
        (with(r#""colour":"red""#), BAD, "colour"),
        (r#"{"data":{}}"#.to_owned(), BAD, "type"),
        (format!(r#"{{"type":"{TYPE}"}}"#), BAD, "data"),
        // Wrong types.
        (r#"{"type":7,"data":{}}"#.to_owned(), BAD, "type"),
        (r#"{"type":null,"data":{}}"#.to_owned(), BAD, "type"),
        (data("[]"), BAD, "data"),
        (data("\"text\""), BAD, "data"),
        (data("null"), BAD, "data"),
        (with(r#""id":7"#), BAD, "id"),
        (with(r#""timestamp":1700000000"#), BAD, "timestamp"),
        (with(r#""metadata":[]"#), BAD, "metadata"),
        // Types: unknown, too long, not the alphabet.
        (typed("user.lesson.forgotten"), UNPROCESSABLE, "type"),
        (typed("user"), UNPROCESSABLE, "type"),
        (typed("*"), UNPROCESSABLE, "type"),
        (typed(""), UNPROCESSABLE, "type"),
        // Ids.
        (
            with(&format!(r#""id":"{}""#, "a".repeat(65))),
            UNPROCESSABLE,
            "id",
        ),
        (with(r#""id":"""#), UNPROCESSABLE, "id"),
        (with(r#""id":"a b""#), UNPROCESSABLE, "id"),
        (with(r#""id":"a#b""#), UNPROCESSABLE, "id"),
        (with(r#""id":"é""#), UNPROCESSABLE, "id"),
        // Times.
        (
            with(r#""timestamp":"yesterday""#),
            UNPROCESSABLE,
            "timestamp",
        ),
        (
            with(r#""timestamp":"2024-13-01T00:00:00Z""#),
            UNPROCESSABLE,
            "timestamp",
        ),
        (
            with(r#""timestamp":"2024-12-14T15:29:18""#),
            UNPROCESSABLE,
            "timestamp",
        ),
        // Data that JSON's readers don't agree on.
        (data(r#"{"twice":1,"twice":2}"#), UNPROCESSABLE, "twice"),
        (
            data(r#"{"list":[{"twice":1,"\u0074wice":2}]}"#),
            UNPROCESSABLE,
            "twice",
        ),
        (data(r#"{"lone":"\ud800"}"#), UNPROCESSABLE, "data"),
        (data(r#"{"lone":"\udc00\ud800"}"#), UNPROCESSABLE, "data"),
        (data(r#"{"\ud800":1}"#), UNPROCESSABLE, "data"),
        (data(r#"{"huge":1e400}"#), UNPROCESSABLE, "huge"),
        (data(r#"{"huge":-1e309}"#), UNPROCESSABLE, "huge"),
        (
            format!(r#"{{"type":"{TYPE}","type":"{TYPE}","data":{{}}}}"#),
            BAD,
            "type",
        ),
        // Depth.
        (nested(101), UNPROCESSABLE, "data"),
        (nested(5_000), BAD, ""),
        (data(&format!("{{\"a\":{}", "[".repeat(20_000))), BAD, ""),
    ];
    for (body, statuses, name) in &cases {
        odin.publish_text(body).await.refused_naming(statuses, name);
    }
    odin.publish_text(&nested(100)).await.data(202);
    receiver.wait_for(1).await;
    receiver.stays_at(1).await;

    let standard = Tenant::create(&rung, "s", "standard").await;
    standard.webhook(&receiver.url("/"), &["*"]).await;
    for event_type in [
        "a".repeat(129),
        "a b".to_owned(),
        "a#b".to_owned(),
        "é".to_owned(),
        String::new(),
    ] {
        standard
            .publish_text(&typed(&event_type))
            .await
            .refused_naming(UNPROCESSABLE, "type");
    }
    standard
        .publish_text(&typed(&"a".repeat(128)))
        .await
        .data(202);
    standard.publish_text(&typed("aZ_9.-/b")).await.data(202);
    standard
        .publish_text(&with(&format!(r#""id":"{}""#, "a".repeat(64))).replace(TYPE, "a"))
        .await
        .data(202);
    receiver.wait_for(4).await;
    receiver.stays_at(4).await;
}

#[tokio::test]
async fn batches() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    odin.webhook(&receiver.url("/"), &["*"]).await;
    refuses_what_is_no_object(&odin, "POST", "/v1/events/batch").await;
    let event = json!({"type": TYPE, "data": {}});
    for (body, name) in [
        (json!({}), "events"),
        (json!({"events": {}}), "events"),
        (json!({"events": []}), "events"),
        (json!({"events": vec![event.clone(); 101]}), "events"),
        (json!({"events": [event], "colour": "red"}), "colour"),
    ] {
        odin.api
            .post("/v1/events/batch", &body)
            .await
            .refused_naming(BAD, name);
    }
    receiver.stays_at(0).await;
}

/// A webhook's request: what is wrong with one member, at creating and, where it can be changed, at changing.
fn wrong_webhook_members() -> Vec<(&'static str, Value, &'static [u16])> {
    let long_url = format!("http://127.0.0.1/{}", "a".repeat(2_048));
    vec![
        ("colour", json!("red"), BAD),
        ("url", json!(7), BAD),
        ("url", Value::Null, BAD),
        ("url", json!(""), UNPROCESSABLE),
        ("url", json!("/relative"), UNPROCESSABLE),
        ("url", json!("your-domain.com/webhooks"), UNPROCESSABLE),
        ("url", json!("ftp://127.0.0.1/"), UNPROCESSABLE),
        ("url", json!("file:///etc/passwd"), UNPROCESSABLE),
        ("url", json!("http://"), UNPROCESSABLE),
        ("url", json!("http://user@127.0.0.1/"), UNPROCESSABLE),
        ("url", json!("http://user:word@127.0.0.1/"), UNPROCESSABLE),
        ("url", json!("http://127.0.0.1/#part"), UNPROCESSABLE),
        ("url", json!(long_url), UNPROCESSABLE),
        ("events", json!("user"), BAD),
        ("events", Value::Null, BAD),
        ("events", json!([]), UNPROCESSABLE),
        ("events", json!([7]), BAD),
        ("events", json!(["user.lesson.forgotten"]), UNPROCESSABLE),
        ("events", json!(["user", "usr"]), UNPROCESSABLE),
        ("events", json!([""]), UNPROCESSABLE),
        ("events", json!(["usr.*"]), UNPROCESSABLE),
        ("headers", json!("X-A: b"), BAD),
        ("headers", json!({"X-A": 7}), BAD),
        ("headers", json!({"X A": "b"}), UNPROCESSABLE),
        ("headers", json!({"X-A": "b\r\nX-C: d"}), UNPROCESSABLE),
        ("headers", json!({"Content-Length": "0"}), UNPROCESSABLE),
        ("headers", json!({"Host": "elsewhere"}), UNPROCESSABLE),
        (
            "headers",
            json!({"Authorization": "Bearer x"}),
            UNPROCESSABLE,
        ),
        (
            "secret_headers",
            json!({"Host": "elsewhere"}),
            UNPROCESSABLE,
        ),
        (
            "headers",
            json!({"webhook-signature": "v1,forged"}),
            UNPROCESSABLE,
        ),
        (
            "headers",
            json!({"X-Odin-Signature": "forged"}),
            UNPROCESSABLE,
        ),
        ("description", json!(7), BAD),
        ("name", json!([]), BAD),
        ("metadata", json!("text"), BAD),
    ]
}

#[tokio::test]
async fn creating_a_webhook() {
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    refuses_what_is_no_object(&odin, "POST", "/v1/webhooks").await;
    let good = json!({"url": "http://127.0.0.1:9/", "events": ["user"]});
    let only_at_creation: [(&str, Value, &[u16]); 8] = [
        ("secret", json!(""), UNPROCESSABLE),
        ("secret", json!("s".repeat(4_097)), UNPROCESSABLE),
        ("secret", json!(7), BAD),
        ("dialect", json!("klingon"), UNPROCESSABLE),
        ("status", json!("paused"), UNPROCESSABLE),
        // These two are the operator's, for an import.
        ("id", json!("webhook_mine"), &[400, 403, 422]),
        (
            "created_at",
            json!("2024-01-01T00:00:00Z"),
            &[400, 403, 422],
        ),
        ("disabled", json!("none"), BAD),
    ];
    for (name, value, statuses) in wrong_webhook_members().into_iter().chain(only_at_creation) {
        let mut request = good.clone();
        request[name] = value;
        odin.api
            .post("/v1/webhooks", &request)
            .await
            .refused_naming(statuses, name);
    }
    for name in ["url", "events"] {
        let mut request = good.clone();
        request.as_object_mut().unwrap().remove(name);
        odin.api
            .post("/v1/webhooks", &request)
            .await
            .refused_naming(BAD, name);
    }
    assert_eq!(
        odin.api.get("/v1/webhooks").await.data(200)["webhooks"],
        json!([]),
        "nothing was made"
    );

    for secret in [
        "s".to_owned(),
        "~".repeat(4_096),
        "line\nbreak, ä".to_owned(),
    ] {
        let mut request = good.clone();
        request["secret"] = json!(secret);
        assert_eq!(odin.webhook_with(request).await.secret, secret);
    }
}

#[tokio::test]
async fn changing_a_webhook() {
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook("http://127.0.0.1:9/", &["user"]).await;
    refuses_what_is_no_object(&odin, "PATCH", &webhook.path("")).await;
    let before = webhook.get().await;
    let only_at_changing: [(&str, Value, &[u16]); 6] = [
        ("status", json!("paused"), UNPROCESSABLE),
        ("status", json!(true), BAD),
        ("id", json!("webhook_other"), BAD),
        ("secret", json!("another"), BAD),
        ("created_at", json!("2024-01-01T00:00:00Z"), BAD),
        ("dialect", json!("klingon"), BAD),
    ];
    for (name, value, statuses) in wrong_webhook_members().into_iter().chain(only_at_changing) {
        // A right change beside the wrong one must not be made either.
        let request = json!({"description": "changed", name: value});
        odin.api
            .patch(&webhook.path(""), &request)
            .await
            .refused_naming(statuses, name);
    }
    assert_eq!(webhook.get().await, before, "nothing has changed");
}

/// In production only HTTPS to public addresses; whatever way the address is spelt.
#[tokio::test]
async fn strict_urls() {
    let rung = rung(&["--strict"]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    for url in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1/",
        "https://172.16.0.1/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:0a00:0001::]/",
        "https://[100:0:0:1::1]/",
        "https://[1000::1]/",
        "https://[4000::1]/",
        "https://[2606:4700::5efe:a00:1]/",
        "https://example.com:1/",
        "https://example.com:25/",
        "https://example.com:6667/",
        "https://example.com:10080/",
        "https://user@example.com/",
        "https://example.com/#part",
    ] {
        let request = json!({"url": url, "events": ["*"]});
        let reply = tenant.api.post("/v1/webhooks", &request).await;
        assert_eq!(reply.status, 422, "{url} was taken");
        reply.refused_naming(UNPROCESSABLE, "url");
    }
    let webhook = tenant
        .webhook("https://example.com:8443/hook?a=b", &["*"])
        .await;
    let change = json!({"url": "https://example.com:22/"});
    tenant
        .api
        .patch(&webhook.path(""), &change)
        .await
        .refused_naming(UNPROCESSABLE, "url");
    let import = json!({"id": "w", "url": "https://example.com:22/", "events": ["*"]});
    let admin = rung.admin().for_tenant("t");
    admin
        .post("/v1/webhooks", &import)
        .await
        .refused_naming(UNPROCESSABLE, "url");
}

#[tokio::test]
async fn lists_and_what_is_not_there() {
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook("http://127.0.0.1:9/", &["user"]).await;
    for list in [
        "/v1/webhooks".to_owned(),
        webhook.path("/logs"),
        webhook.path("/deliveries"),
    ] {
        for limit in ["0", "101", "-1", "many", ""] {
            odin.api
                .get(&format!("{list}?limit={limit}"))
                .await
                .refused_naming(BAD, "limit");
        }
        odin.api
            .get(&format!("{list}?cursor=nonsense"))
            .await
            .refused_naming(BAD, "cursor");
        odin.api
            .get(&format!("{list}?colour=red"))
            .await
            .refused_naming(BAD, "colour");
    }
    for (query, name) in [
        ("status=lost", "status"),
        ("since=yesterday", "since"),
        ("until=1", "until"),
    ] {
        odin.api
            .get(&webhook.path(&format!("/logs?{query}")))
            .await
            .refused_naming(BAD, name);
    }
    for (method, path) in [
        ("GET", "/v1/webhooks/webhook_none".to_owned()),
        ("DELETE", "/v1/webhooks/webhook_none".to_owned()),
        ("GET", "/v1/webhooks/webhook_none/logs".to_owned()),
        ("GET", webhook.path("/logs/log_none")),
        ("POST", webhook.path("/logs/log_none/retry")),
        ("GET", webhook.path("/deliveries/none")),
        ("POST", webhook.path("/deliveries/none/cancel")),
        ("GET", "/v1/events/evt_none".to_owned()),
        ("GET", "/v1/nothing-here".to_owned()),
        ("GET", "/v2/webhooks".to_owned()),
    ] {
        odin.api.call(method, &path).send().await.refused(404);
    }
    odin.api
        .call("PUT", "/v1/webhooks")
        .body("{}")
        .send()
        .await
        .refused(405);
    for (path, body, name) in [
        ("/test", json!({"event_type": "no.such"}), "event_type"),
        ("/test", json!({"colour": "red"}), "colour"),
    ] {
        odin.api
            .post(&webhook.path(path), &body)
            .await
            .refused_naming(BAD, name);
    }
    assert_eq!(webhook.get().await["status"], "active");
}

/// After everything above a process still serves: no request takes it down.
#[tokio::test]
async fn the_process_survives_nonsense() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rung = rung(&[]).await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"GET\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/webhooks/%00%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(rung.addr()).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            !String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 5"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    rung.admin().without_key().get("/v1/health").await;
    assert_eq!(rung.admin().get("/v1/health").await.status, 200);
}

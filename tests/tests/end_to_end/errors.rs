//! Everything a client can send wrong: it is told what, by name, and nothing changes.

use rung_tests::{Receiver, Tenant};
use serde_json::{Value, json};

use crate::rung;

const INVALID: &str = "invalid_request";
const UNKNOWN: &str = "unknown_field";

const TYPE: &str = "user.lesson.completed";

/// One wrong request: its text, and the code and the field of the answer.
type Case<'a> = (String, &'a str, &'a str);

/// Bodies that are no JSON, whatever the call, each with the field that the answer names.
const NO_JSON: [(&[u8], &str); 7] = [
    (b"", "body"),
    (b" ", "body"),
    (b"{", "body"),
    (b"{\"a\":1}}", "body"),
    (b"{'a':1}", "body"),
    (b"{\"a\":\"\x01\"}", "a"),
    (b"{\"a\":\"\xff\xfe\"}", "body"),
];
/// JSON that is no object.
const NO_OBJECT: [&str; 3] = ["[]", "null", "\"text\""];

async fn refuses_what_is_no_object(tenant: &Tenant, method: &str, path: &str) {
    for (body, field) in NO_JSON {
        let call = tenant.api.call(method, path).body(body.to_vec());
        call.send().await.refused_for(400, "invalid_json", field);
    }
    for text in NO_OBJECT {
        let call = tenant.api.call(method, path).body(text);
        call.send().await.refused_for(422, INVALID, "body");
    }
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
    let too_deep = format!("data{}", ".a".repeat(100));
    let cases: Vec<Case<'_>> = vec![
        // Unknown and missing members.
        (with(r#""colour":"red""#), UNKNOWN, "colour"),
        (r#"{"data":{}}"#.to_owned(), INVALID, "type"),
        (format!(r#"{{"type":"{TYPE}"}}"#), INVALID, "data"),
        // Wrong types.
        (r#"{"type":7,"data":{}}"#.to_owned(), INVALID, "type"),
        (r#"{"type":null,"data":{}}"#.to_owned(), INVALID, "type"),
        (data("[]"), INVALID, "data"),
        (data("\"text\""), INVALID, "data"),
        (data("null"), INVALID, "data"),
        (with(r#""id":7"#), INVALID, "id"),
        (with(r#""timestamp":1700000000"#), INVALID, "timestamp"),
        (with(r#""metadata":[]"#), INVALID, "metadata"),
        // Types: unknown, too long, not the alphabet.
        (typed("user.lesson.forgotten"), "unknown_event_type", "type"),
        (typed("user"), "unknown_event_type", "type"),
        (typed("*"), INVALID, "type"),
        (typed(""), INVALID, "type"),
        // Ids.
        (
            with(&format!(r#""id":"{}""#, "a".repeat(65))),
            INVALID,
            "id",
        ),
        (with(r#""id":"""#), INVALID, "id"),
        (with(r#""id":"a b""#), INVALID, "id"),
        (with(r#""id":"a#b""#), INVALID, "id"),
        (with(r#""id":"é""#), INVALID, "id"),
        // Times.
        (with(r#""timestamp":"yesterday""#), INVALID, "timestamp"),
        (
            with(r#""timestamp":"2024-13-01T00:00:00Z""#),
            INVALID,
            "timestamp",
        ),
        (
            with(r#""timestamp":"2024-12-14T15:29:18""#),
            INVALID,
            "timestamp",
        ),
        // Data that JSON's readers don't agree on.
        (data(r#"{"twice":1,"twice":2}"#), INVALID, "data.twice"),
        (
            data(r#"{"list":[{"twice":1,"\u0074wice":2}]}"#),
            INVALID,
            "data.list[0].twice",
        ),
        (data(r#"{"lone":"\ud800"}"#), INVALID, "data.lone"),
        (data(r#"{"lone":"\udc00\ud800"}"#), INVALID, "data.lone"),
        (data(r#"{"\ud800":1}"#), INVALID, "data"),
        (data(r#"{"huge":1e400}"#), INVALID, "data.huge"),
        (data(r#"{"huge":-1e309}"#), INVALID, "data.huge"),
        (
            format!(r#"{{"type":"{TYPE}","type":"{TYPE}","data":{{}}}}"#),
            INVALID,
            "type",
        ),
        // Depth.
        (nested(101), INVALID, &too_deep),
        (nested(5_000), INVALID, &too_deep),
    ];
    for (body, code, field) in &cases {
        odin.publish_text(body).await.refused_for(422, code, field);
    }
    let endless = data(&format!("{{\"a\":{}", "[".repeat(20_000)));
    let refused = odin.publish_text(&endless).await;
    let error = refused.refused(422, INVALID);
    let field = error["details"][0]["field"].as_str().unwrap();
    assert!(field.starts_with("data.a[0][0]"), "{field}");
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
            .refused_for(422, INVALID, "type");
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
    for (body, code, field) in [
        (json!({}), INVALID, "events"),
        (json!({"events": {}}), INVALID, "events"),
        (json!({"events": []}), INVALID, "events"),
        (
            json!({"events": vec![event.clone(); 101]}),
            INVALID,
            "events",
        ),
        (
            json!({"events": [event], "colour": "red"}),
            UNKNOWN,
            "colour",
        ),
    ] {
        odin.api
            .post("/v1/events/batch", &body)
            .await
            .refused_for(422, code, field);
    }
    receiver.stays_at(0).await;
}

/// A webhook's member, a wrong value for it, and the code and the field of the answer.
type Member = (&'static str, Value, &'static str, &'static str);

/// What is wrong at creating a webhook and at changing one.
fn wrong_webhook_members() -> Vec<Member> {
    let long_url = format!("http://127.0.0.1/{}", "a".repeat(2_048));
    vec![
        ("colour", json!("red"), UNKNOWN, "colour"),
        ("url", json!(7), INVALID, "url"),
        ("url", Value::Null, INVALID, "url"),
        ("url", json!(""), INVALID, "url"),
        ("url", json!("/relative"), INVALID, "url"),
        ("url", json!("your-domain.com/webhooks"), INVALID, "url"),
        ("url", json!("ftp://127.0.0.1/"), INVALID, "url"),
        ("url", json!("file:///etc/passwd"), INVALID, "url"),
        ("url", json!("http://"), INVALID, "url"),
        ("url", json!("http://user@127.0.0.1/"), INVALID, "url"),
        ("url", json!("http://user:word@127.0.0.1/"), INVALID, "url"),
        ("url", json!("http://127.0.0.1/#part"), INVALID, "url"),
        ("url", json!(long_url), INVALID, "url"),
        ("events", json!("user"), INVALID, "events"),
        ("events", Value::Null, INVALID, "events"),
        ("events", json!([]), INVALID, "events"),
        ("events", json!([7]), INVALID, "events[0]"),
        (
            "events",
            json!(["user.lesson.forgotten"]),
            "unknown_event_type",
            "events[0]",
        ),
        (
            "events",
            json!(["user", "usr"]),
            "unknown_event_type",
            "events[1]",
        ),
        ("events", json!([""]), "unknown_event_type", "events[0]"),
        (
            "events",
            json!(["usr.*"]),
            "unknown_event_type",
            "events[0]",
        ),
        ("headers", json!("X-A: b"), INVALID, "headers"),
        ("headers", json!({"X-A": 7}), INVALID, "headers.X-A"),
        ("headers", json!({"X A": "b"}), INVALID, "headers.X A"),
        (
            "headers",
            json!({"X-A": "b\r\nX-C: d"}),
            INVALID,
            "headers.X-A",
        ),
        (
            "headers",
            json!({"Content-Length": "0"}),
            INVALID,
            "headers.Content-Length",
        ),
        (
            "headers",
            json!({"Host": "elsewhere"}),
            INVALID,
            "headers.Host",
        ),
        (
            "headers",
            json!({"Authorization": "Bearer x"}),
            INVALID,
            "headers.Authorization",
        ),
        (
            "secret_headers",
            json!({"Host": "elsewhere"}),
            INVALID,
            "secret_headers.Host",
        ),
        (
            "headers",
            json!({"webhook-signature": "v1,forged"}),
            INVALID,
            "headers.webhook-signature",
        ),
        (
            "headers",
            json!({"X-Odin-Signature": "forged"}),
            INVALID,
            "headers.X-Odin-Signature",
        ),
        ("description", json!(7), INVALID, "description"),
        ("name", json!([]), INVALID, "name"),
        ("metadata", json!("text"), INVALID, "metadata"),
    ]
}

#[tokio::test]
async fn creating_a_webhook() {
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    refuses_what_is_no_object(&odin, "POST", "/v1/webhooks").await;
    let good = json!({"url": "http://127.0.0.1:9/", "events": ["user"]});
    let only_at_creation: [Member; 8] = [
        ("secret", json!(""), "invalid_secret", "secret"),
        (
            "secret",
            json!("s".repeat(4_097)),
            "invalid_secret",
            "secret",
        ),
        ("secret", json!(7), "invalid_secret", "secret"),
        ("dialect", json!("klingon"), INVALID, "dialect"),
        ("status", json!("paused"), INVALID, "status"),
        // These two are the operator's, with `PUT`.
        ("id", json!("webhook_mine"), UNKNOWN, "id"),
        (
            "created_at",
            json!("2024-01-01T00:00:00Z"),
            UNKNOWN,
            "created_at",
        ),
        ("disabled", json!("none"), UNKNOWN, "disabled"),
    ];
    for (name, value, code, field) in wrong_webhook_members().into_iter().chain(only_at_creation) {
        let mut request = good.clone();
        request[name] = value;
        odin.api
            .post("/v1/webhooks", &request)
            .await
            .refused_for(422, code, field);
    }
    for name in ["url", "events"] {
        let mut request = good.clone();
        request.as_object_mut().unwrap().remove(name);
        odin.api
            .post("/v1/webhooks", &request)
            .await
            .refused_for(422, INVALID, name);
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
    let only_at_changing: [Member; 6] = [
        ("status", json!("paused"), INVALID, "status"),
        ("status", json!(true), INVALID, "status"),
        ("id", json!("webhook_other"), "read_only", "id"),
        ("secret", json!("another"), INVALID, "secret"),
        (
            "created_at",
            json!("2024-01-01T00:00:00Z"),
            "read_only",
            "created_at",
        ),
        ("dialect", json!("klingon"), INVALID, "dialect"),
    ];
    for (name, value, code, field) in wrong_webhook_members().into_iter().chain(only_at_changing) {
        // A right change beside the wrong one must not be made either.
        let request = json!({"description": "changed", name: value});
        odin.api
            .patch(&webhook.path(""), &request)
            .await
            .refused_for(422, code, field);
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
        reply.refused_for(422, INVALID, "url");
    }
    let webhook = tenant
        .webhook("https://example.com:8443/hook?a=b", &["*"])
        .await;
    let change = json!({"url": "https://example.com:22/"});
    tenant
        .api
        .patch(&webhook.path(""), &change)
        .await
        .refused_for(422, INVALID, "url");
    let import = json!({"id": "w", "url": "https://example.com:22/", "events": ["*"]});
    let admin = rung.admin().for_tenant("t");
    admin
        .post("/v1/webhooks", &import)
        .await
        .refused_for(422, INVALID, "url");
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
                .refused_for(422, INVALID, "limit");
        }
        odin.api
            .get(&format!("{list}?cursor=nonsense"))
            .await
            .refused_for(422, INVALID, "cursor");
        odin.api
            .get(&format!("{list}?colour=red"))
            .await
            .refused_for(422, UNKNOWN, "colour");
    }
    for (query, name) in [
        ("status=lost", "status"),
        ("since=yesterday", "since"),
        ("until=1", "until"),
    ] {
        odin.api
            .get(&webhook.path(&format!("/logs?{query}")))
            .await
            .refused_for(422, INVALID, name);
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
        odin.api
            .call(method, &path)
            .send()
            .await
            .refused(404, "not_found");
    }
    odin.api
        .call("PUT", "/v1/webhooks")
        .body("{}")
        .send()
        .await
        .refused(405, "method_not_allowed");
    for (body, code, field) in [
        (
            json!({"event_type": "no.such"}),
            "unknown_event_type",
            "event_type",
        ),
        (json!({"colour": "red"}), UNKNOWN, "colour"),
    ] {
        odin.api
            .post(&webhook.path("/test"), &body)
            .await
            .refused_for(422, code, field);
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

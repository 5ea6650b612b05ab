//! Every receiver that verifies as its document shows keeps verifying: the documents' procedures, in JavaScript and Python
//! where they have both, run by those languages over requests that really arrived.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rung_tests::{Received, Receiver, Tenant};
use serde_json::{Value, json};

use crate::{DIALECTS, a_type_of, rung};

/// Data whose text is easily changed on the way: by parsers, by printers, by sorting.
const NASTY: [&str; 12] = [
    r#"{}"#,
    r#"{"a":[],"b":{},"c":[{}],"":"","d":null,"e":[true,false,null]}"#,
    r#"{"text":"Ünï©ødé — नमस्ते 日本語 🦀 👩‍👩‍👧 \u0041\u00e9\ud83e\udd80 \u200f \ufeff \u2028\u2029 \u007f \uffff"}"#,
    r#"{"text":"\"\\\/\b\f\n\r\t\u0000\u0001\u001f<script>&amp;'</script>"}"#,
    r#"{"n":[1.0,-0,0.0,-0.0,100,1e2,1E+2,0.1,1e-7,0.000001,5e-324,1.7976931348623157e308,123456789012345680000,1e21,1e20]}"#,
    r#"{"9":1,"10":2,"2":3,"01":4,"-1":5,"1.5":6,"4294967294":7,"4294967295":8,"b":9,"a":10,"0":11}"#,
    r#"{"x":{"2":{"b":1,"1":{"z":0,"0":0}},"1":[{"3":1,"a":2,"1":3}]}}"#,
    r#"{"z":1,"a":2,"Z":3,"é":4,"__proto__":5,"constructor":6,"toString":7,"length":8,"hasOwnProperty":9}"#,
    r#"{"a\"b\\c\n":1,"\ud83e\udd80":2,"\u0000":3," ":4}"#,
    "{ \"spaced\" :\t[ 1 ,\r\n 2 ] , \"nested\" : { \"deep\" : { } } }",
    r#"{"id":"mine","type":"mine","data":{"data":1},"created":0,"time":1,"metadata":[],"secret":"s"}"#,
    r#"{"long":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","n":2.99,"m":235997.50,"k":1e-6}"#,
];

fn nasty() -> Vec<String> {
    let deep = format!(
        "{}{}{}",
        r#"{"a":"#.repeat(90),
        r#"{"2":1,"1":2}"#,
        "}".repeat(90)
    );
    NASTY
        .iter()
        .map(|text| (*text).to_owned())
        .chain([deep, format!(r#"{{"a":"{}"}}"#, "é".repeat(20_000))])
        .collect()
}

/// Badger's envelope is flat: its data has no member named like an array index.
fn fits(dialect: &str, data: &str) -> bool {
    dialect != "badger" || !data.starts_with(r#"{"9""#)
}

/// Runs a script of `tests/verify` over JSON and gives its answer.
pub(crate) fn script(name: &str, input: &Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("verify")
        .join(name);
    let interpreter = if name.ends_with(".py") {
        "python3"
    } else {
        "node"
    };
    let mut command = Command::new(interpreter);
    command.arg(&path);
    run(command, input)
}

/// Runs a command over JSON and gives its answer.
pub(crate) fn run(mut command: Command, input: &Value) -> Value {
    let mut child = command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} is needed: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn case(request: &Received, body: &[u8], secret: &str) -> Value {
    let headers: serde_json::Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .collect();
    json!({"headers": headers, "body": BASE64.encode(body), "secret": secret})
}

/// Publishes all the nasty data to one webhook, and gives each text with what arrived.
async fn arrived(dialect: &str, secret: Option<&str>) -> (Vec<(String, Received)>, String) {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "t", dialect).await;
    let event_type = a_type_of(dialect);
    let mut request = json!({"url": receiver.url("/"), "events": [event_type]});
    if let Some(secret) = secret {
        request["secret"] = json!(secret);
    }
    let webhook = tenant.webhook_with(request).await;
    let texts: Vec<String> = nasty()
        .into_iter()
        .filter(|data| fits(dialect, data))
        .collect();
    for (i, data) in texts.iter().enumerate() {
        let body = format!(r#"{{"id":"e{i}","type":"{event_type}","data":{data}}}"#);
        tenant.publish_text(&body).await.data(202);
    }
    receiver
        .wait_until("every payload", |all| all.len() >= texts.len())
        .await;
    let mut received = receiver.received();
    let mut take = |i: usize| {
        let place = received
            .iter()
            .position(|request| request.event_id() == format!("e{i}"))
            .unwrap();
        received.swap_remove(place)
    };
    let pairs = texts
        .into_iter()
        .enumerate()
        .map(|(i, text)| (text, take(i)))
        .collect();
    (pairs, webhook.secret)
}

fn hold_against(name: &str, pairs: &[(String, Received)], secret: &str) {
    hold(|cases| script(name, cases), name, pairs, secret);
}

/// Holds requests against a receiver's check: true ones pass, changed ones and other secrets don't.
pub(crate) fn hold(
    check: impl Fn(&Value) -> Value,
    name: &str,
    pairs: &[(String, Received)],
    secret: &str,
) {
    let mut cases = Vec::new();
    for (_, request) in pairs {
        cases.push(case(request, &request.body, secret));
        // In the first member's name: some receivers verify what they have parsed, and of a number's last digits some are lost.
        let mut changed = request.body.clone();
        changed[2] = if changed[2] == b'x' { b'y' } else { b'x' };
        cases.push(case(request, &changed, secret));
        cases.push(case(request, &request.body, &format!("{secret}x")));
    }
    let verdicts = check(&json!(cases));
    for (verdict, (text, request)) in verdicts.as_array().unwrap().chunks(3).zip(pairs) {
        assert_eq!(
            verdict,
            [true, false, false],
            "{name}: published {text}\narrived {}",
            request.text()
        );
    }
}

async fn verifies(dialect: &str, scripts: &[&str]) {
    for secret in [None, Some("your_webhook_secret_key")] {
        let (pairs, secret) = arrived(dialect, secret).await;
        for name in scripts {
            hold_against(name, &pairs, &secret);
        }
    }
}

#[tokio::test]
async fn badger() {
    verifies("badger", &["badger.mjs", "badger.py"]).await;
}

#[tokio::test]
async fn patra() {
    verifies("patra", &["patra.mjs", "patra.py"]).await;
}

#[tokio::test]
async fn bharatcart() {
    verifies("bharatcart", &["bharatcart.mjs"]).await;
}

#[tokio::test]
async fn odin() {
    verifies("odin", &["odin.mjs", "odin.py"]).await;
}

/// The 5 minutes of Odin's receivers are kept by a signature time that is the attempt's.
#[tokio::test]
async fn odin_refuses_what_is_older_than_five_minutes() {
    let (pairs, secret) = arrived("odin", None).await;
    let request = &pairs[0].1;
    let old = request.at_unix_s - 301;
    let mac = {
        use hmac::{KeyInit as _, Mac as _};
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{old}.{}", request.text()).as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    let mut case = case(request, &request.body, &secret);
    case["headers"]["x-odin-signature"] = json!(format!("t={old},v1={mac}"));
    for name in ["odin.mjs", "odin.py"] {
        assert_eq!(script(name, &json!([case])), json!([false]), "{name}");
    }
}

/// Standard Webhooks, by its own library, in every dialect.
#[tokio::test]
async fn standard_webhooks() {
    for dialect in DIALECTS {
        let (pairs, secret) = arrived(dialect, None).await;
        let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
        let other =
            standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        for (text, request) in &pairs {
            let headers: http::HeaderMap = request
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.parse::<http::HeaderName>().unwrap(),
                        value.parse().unwrap(),
                    )
                })
                .collect();
            verifier
                .verify(&request.body, &headers)
                .unwrap_or_else(|error| panic!("{dialect}, {text}: {error}"));
            let changed = [&request.body[..], b" "].concat();
            assert!(verifier.verify(&changed, &headers).is_err());
            assert!(other.verify(&request.body, &headers).is_err());
        }
    }
}

/// In every dialect, whether its receivers parse or not, JavaScript writes the body as it stands and finds the data in it.
#[tokio::test]
async fn bodies_are_stable_under_javascript() {
    for dialect in DIALECTS {
        let (pairs, _) = arrived(dialect, None).await;
        let member = if dialect == "badger" {
            Value::Null
        } else {
            json!("data")
        };
        let input: Vec<Value> = pairs
            .iter()
            .map(|(text, request)| json!({"published": text, "body": BASE64.encode(&request.body), "member": member}))
            .collect();
        let verdicts = script("stable.mjs", &json!(input));
        for (verdict, (text, request)) in verdicts.as_array().unwrap().iter().zip(&pairs) {
            let wanted = json!({"stable": true, "same": true});
            assert_eq!(
                verdict,
                &wanted,
                "{dialect}: published {text}\narrived {}",
                request.text()
            );
        }
    }
}

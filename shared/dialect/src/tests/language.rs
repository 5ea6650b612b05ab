//! What a file of one's own can say, by the bytes that go out.

use http::{HeaderMap, HeaderName};
use rung_json::Json;
use uuid::Uuid;

use super::json;
use crate::{
    BodyFault, Dialect, Dialects, EventFacts, HeaderFault, KeyPair, SecretFault, SignInput,
    reference, schema, shown_body, value::Value,
};

const PAGE: &str = include_str!("../../../../docs/dialects.md");

/// A dialect that these lines are added to.
fn dialect(lines: &str) -> Dialect {
    let text = format!(
        "name = \"own\"\nstandard_webhooks = false\nuser_agent = \"o\"\n{lines}\n[[type]]\nname = \"a.b\"\nwire = \"A:b\"\nsample = '{{}}'\n[any_type]\nexample = \"x\"\nsample = '{{}}'\n"
    );
    match Dialects::builtin().with_file("own.toml", &text) {
        Ok(dialects) => Dialect::clone(dialects.get("own").unwrap()),
        Err(faults) => panic!("{faults}"),
    }
}

/// The mistakes of a file with these lines, each with its line.
fn mistakes(lines: &str) -> Vec<(usize, String)> {
    let text =
        format!("name = \"own\"\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\n{lines}\n");
    let faults = Dialects::builtin()
        .with_file("own.toml", &text)
        .unwrap_err();
    faults
        .0
        .into_iter()
        .map(|fault| (fault.line, format!("{}: {}", fault.reason, fault.mend)))
        .collect()
}

#[track_caller]
fn refused(lines: &str, message: &str) {
    let found = mistakes(lines);
    assert!(
        found.len() == 1 && found[0].1.contains(message),
        "{found:?}"
    );
}

fn facts<'a>(data: &'a Json, metadata: Option<&'a Json>) -> EventFacts<'a> {
    EventFacts {
        id: "evt_1",
        event_type: "a.b",
        data,
        time: "2025-01-15T09:30:00.123456Z".parse().unwrap(),
        is_time_given: true,
        request_id: "req_1",
        metadata,
    }
}

struct Sent {
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found
            .unwrap_or_else(|| panic!("{name}: {:?}", self.headers))
            .1
    }
}

fn sent_with(
    dialect: &Dialect,
    facts: &EventFacts<'_>,
    change: impl FnOnce(&mut SignInput<'_>),
) -> Sent {
    let body = dialect.body(facts).unwrap();
    let mut input = SignInput {
        event_id: facts.id,
        event_type: facts.event_type,
        delivery_id: Uuid::from_u128(1),
        webhook_id: "wh_1",
        tenant: "acme",
        url: "https://example.com:8443/hook?a=1",
        attempt: 2,
        time_ms: 1_696_680_000_987,
        body: &body,
        secret: "s3cret",
        ..SignInput::default()
    };
    change(&mut input);
    let request = dialect.request(&input).unwrap();
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Sent {
        headers: headers.collect(),
        body: String::from_utf8(request.body.into_owned()).unwrap(),
    }
}

fn sent(lines: &str, data: &str, metadata: Option<&str>) -> Sent {
    let (data, metadata) = (json(data), metadata.map(json));
    sent_with(&dialect(lines), &facts(&data, metadata.as_ref()), |_| {})
}

const DATA: &str = "envelope = [{ key = \"data\", from = \"data\" }]";

#[test]
fn every_value_stands_in_a_header() {
    let lines = format!(
        "{DATA}\n[headers]\n{}",
        [
            "id",
            "type",
            "request_id",
            "delivery_id",
            "webhook_id",
            "tenant",
            "attempt",
            "timestamp",
            "timestamp_unix_millis",
            "timestamp_rfc3339_seconds",
            "timestamp_rfc3339_millis_offset",
            "time_unix_seconds",
            "time_unix_millis",
            "time_rfc3339",
            "time_rfc3339_micros_offset",
            "url",
            "path",
            "host",
            "method",
            "metadata.a",
            "metadata.b.c",
            "data.list.0.n",
        ]
        .map(|name| format!("X-{} = \"<{{{name}}}>\"", name.replace(['.', '_'], "-")))
        .join("\n")
    );
    let sent = sent(
        &lines,
        r#"{"list":[{"n":1.50}]}"#,
        Some(r#"{"a":"x y","b":{"c":true}}"#),
    );
    for (name, value) in [
        ("x-id", "<evt_1>"),
        ("x-type", "<A:b>"),
        ("x-request-id", "<req_1>"),
        ("x-delivery-id", "<00000000-0000-0000-0000-000000000001>"),
        ("x-webhook-id", "<wh_1>"),
        ("x-tenant", "<acme>"),
        ("x-attempt", "<2>"),
        ("x-timestamp", "<1696680000>"),
        ("x-timestamp-unix-millis", "<1696680000987>"),
        ("x-timestamp-rfc3339-seconds", "<2023-10-07T12:00:00Z>"),
        (
            "x-timestamp-rfc3339-millis-offset",
            "<2023-10-07T12:00:00.987+00:00>",
        ),
        ("x-time-unix-seconds", "<1736933400>"),
        ("x-time-unix-millis", "<1736933400123>"),
        ("x-time-rfc3339", "<2025-01-15T09:30:00.123456Z>"),
        (
            "x-time-rfc3339-micros-offset",
            "<2025-01-15T09:30:00.123456+00:00>",
        ),
        ("x-url", "<https://example.com:8443/hook?a=1>"),
        ("x-path", "</hook?a=1>"),
        ("x-host", "<example.com:8443>"),
        ("x-method", "<POST>"),
        ("x-metadata-a", "<x y>"),
        ("x-metadata-b-c", "<true>"),
        ("x-data-list-0-n", "<1.5>"),
    ] {
        assert_eq!(sent.header(name), value, "{name}");
    }
}

#[test]
fn what_an_event_does_not_have_leaves_its_header_or_member_out_and_what_no_header_can_have_is_refused()
 {
    let own = dialect(
        "envelope = [{ key = \"m\", from = \"metadata.a\" }, { key = \"t\", text = \"<{metadata.a}>\" }, { key = \"data\", from = \"data\" }]\nheaders = { X-A = \"{metadata.a}\" }",
    );
    let data = json("{}");
    let without = sent_with(&own, &facts(&data, None), |_| {});
    assert_eq!(without.body, r#"{"data":{}}"#);
    assert!(without.headers.iter().all(|(name, _)| name != "x-a"));
    let metadata = json(r#"{"a":"b"}"#);
    let with = sent_with(&own, &facts(&data, Some(&metadata)), |_| {});
    assert_eq!(
        (with.header("x-a"), &*with.body),
        ("b", r#"{"m":"b","t":"<b>","data":{}}"#)
    );
    for a in [
        r#""é""#,
        r#""a\nb""#,
        r#"" a""#,
        &format!("\"{}\"", "x".repeat(1025)),
    ] {
        let metadata = json(&format!(r#"{{"a":{a}}}"#));
        let field = "metadata.a".to_owned();
        assert_eq!(
            own.body(&facts(&data, Some(&metadata))),
            Err(BodyFault::NoHeaderValue { field }),
            "{a}"
        );
    }
}

#[test]
fn members_are_constants_lists_objects_and_texts() {
    let lines = r#"envelope = [
  { key = "null", null = true },
  { key = "list", list = [{ value = 1.5 }, { from = "id" }, { fields = [{ key = "attempt", from = "attempt" }] }, { list = [] }] },
  { key = "constant", value = ["a", 1, [true]] },
  { key = "urn", text = "urn:{{x}}:{type}:{time_unix_seconds}" },
  { key = "inner", fields = [{ from = "data_members" }, { key = "own", value = "é/" }] },
  { key = "json", json = [{ key = "id", from = "id" }, { key = "hook", from = "webhook_id" }] },
]"#;
    let sent = sent(lines, r#"{"a":1}"#, None);
    assert_eq!(
        sent.body,
        r#"{"null":null,"list":[1.5,"evt_1",{"attempt":2},[]],"constant":["a",1,[true]],"urn":"urn:{x}:A:b:1736933400","inner":{"a":1,"own":"é/"},"json":"{\"id\":\"evt_1\",\"hook\":\"wh_1\"}"}"#
    );
    let own = dialect(lines);
    let stored = own.body(&facts(&json(r#"{"a":1}"#), None)).unwrap();
    assert_eq!(
        own.data_of(&stored),
        Some(json(r#"{"a":1}"#)),
        "without its neighbour"
    );
    assert!(String::from_utf8_lossy(&shown_body(&stored)).contains(r#"{"attempt":"{attempt}"}"#));
}

#[test]
fn the_body_is_the_data_or_a_list_of_it() {
    for data in [r#"{"1":2,"a":{}}"#, "{}"] {
        let bare = sent("envelope = [{ from = \"data_members\" }]", data, None);
        assert_eq!(bare.body, data);
        let list = sent("envelope = [{ list = [{ from = \"data\" }] }]", data, None);
        assert_eq!(list.body, format!("[{data}]"));
    }
    let own = dialect("envelope = [{ list = [{ from = \"data\" }] }]");
    let data = json(r#"{"1":2}"#);
    assert_eq!(
        own.data_of(&own.body(&facts(&data, None)).unwrap()),
        Some(data)
    );
}

#[test]
fn a_form_has_fields_or_a_payload() {
    let data = r#"{"a b":"é&=","list":[1,{"x":null}],"on":true}"#;
    let fields = sent(
        "body = \"form\"\nenvelope = [{ key = \"type\", from = \"type\" }, { from = \"data_members\" }]",
        data,
        None,
    );
    assert_eq!(
        fields.body,
        "type=A%3Ab&a+b=%C3%A9%26%3D&list%5B0%5D=1&list%5B1%5D%5Bx%5D=&on=true"
    );
    assert_eq!(
        fields.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    let lines = "body = \"form\"\nenvelope = [{ key = \"payload\", json = [{ from = \"data_members\" }] }, { key = \"n\", from = \"attempt\" }]";
    let payload = sent(lines, r#"{"a":1}"#, None);
    assert_eq!(payload.body, "payload=%7B%22a%22%3A1%7D&n=2");
    let own = dialect(lines);
    let data = json(r#"{"a":1}"#);
    assert_eq!(
        own.data_of(&own.body(&facts(&data, None)).unwrap()),
        Some(data)
    );
}

#[test]
fn the_bytes_are_those_of_the_scripts_serialiser() {
    let of = |json: &str| {
        let lines = format!(
            "json = \"{json}\"\nreparse_safe = true\nenvelope = [{{ key = \"u\", text = \"/{{url}}\" }}, {{ key = \"data\", from = \"data\" }}]"
        );
        sent(&lines, r#"{"ü":[1.0,{}],"e":[]}"#, None).body
    };
    assert_eq!(
        of("javascript"),
        r#"{"u":"/https://example.com:8443/hook?a=1","data":{"ü":[1,{}],"e":[]}}"#
    );
    assert_eq!(
        of("python"),
        r#"{"u": "/https://example.com:8443/hook?a=1", "data": {"\u00fc": [1.0, {}], "e": []}}"#
    );
    assert_eq!(
        of("php"),
        r#"{"u":"\/https:\/\/example.com:8443\/hook?a=1","data":{"\u00fc":[1,{}],"e":[]}}"#
    );
}

/// `json_decode` of PHP refuses a body that has one: "The decoded property name is invalid".
#[test]
fn names_that_php_does_not_read_are_refused_where_it_parses_the_body() {
    let of = |lines: &str, data: &str, metadata: Option<&str>| {
        let data = Json::parse(data.as_bytes(), 10).unwrap();
        let metadata = metadata.map(|text| Json::parse(text.as_bytes(), 10).unwrap());
        let written = dialect(lines).body(&facts(&data, metadata.as_ref()));
        written.map(drop).map_err(|fault| match fault {
            BodyFault::UnreadableName { path } => path.to_string(),
            fault => panic!("{fault}"),
        })
    };
    let php = "json = \"php\"\nreparse_safe = true";
    let whole =
        "envelope = [{ key = \"data\", from = \"data\" }, { key = \"m\", from = \"metadata\" }]";
    let beside = "envelope = [{ key = \"id\", from = \"id\" }, { from = \"data_members\" }]";
    let (whole, beside) = (format!("{php}\n{whole}"), format!("{php}\n{beside}"));
    let first = |path: &str| Err(path.to_owned());
    for lines in [&whole, &beside] {
        let place = r#"data["\u0000a"]"#;
        assert_eq!(of(lines, r#"{"\u0000a":1}"#, None), first(place));
        let place = r#"data.a[1].b["\u0000"]"#;
        assert_eq!(
            of(lines, r#"{"a":[0,{"b":{"\u0000":1}}]}"#, None),
            first(place)
        );
        assert_eq!(of(lines, r#"{"a\u0000":"\u0000","":1}"#, None), Ok(()));
    }
    let place = r#"metadata["\u0000a"]"#;
    assert_eq!(of(&whole, "{}", Some(r#"{"\u0000a":1}"#)), first(place));
    // Others read it, and who verifies the raw body reads nothing.
    for other in [
        whole.replace("php", "python"),
        whole.replace("php", "javascript"),
        whole.replace("reparse_safe = true", ""),
    ] {
        assert_eq!(of(&other, r#"{"\u0000a":1}"#, None), Ok(()));
    }
}

/// Each value was computed with Python's `hmac` and `hashlib`.
#[test]
fn signatures_take_keys_and_encodings_of_every_kind() {
    let of = |lines: &str, secret: &str| {
        let lines = format!("{DATA}\n[[signature]]\nheader = \"X-S\"\n{lines}");
        let own = dialect(&lines);
        let data = json("{}");
        sent_with(&own, &facts(&data, None), |input| {
            input.secret = Box::leak(secret.to_owned().into_boxed_str())
        })
        .header("x-s")
        .to_owned()
    };
    let hmac = |rest: &str| format!("algorithm = \"hmac-sha256\"\n{rest}");
    for (lines, secret, expected) in [
        (
            hmac("encoding = \"hex\"\nsigned = \"{body}\""),
            "s3cret",
            HEX,
        ),
        (
            hmac("encoding = \"HEX\"\nsigned = \"{body}\""),
            "s3cret",
            &HEX.to_uppercase(),
        ),
        (
            hmac("encoding = \"hex\"\nkey = \"hex\"\nsigned = \"{body}\""),
            "733363726574",
            HEX,
        ),
        (
            hmac("encoding = \"hex\"\nkey = \"base64\"\nkey_prefix = \"k_\"\nsigned = \"{body}\""),
            "k_czNjcmV0",
            HEX,
        ),
        (
            hmac("encoding = \"base64url\"\nsigned = \"{body}\""),
            "s3cret",
            "8YvE19VsD0Q-hp4nvqg-5QYLFt02TmU4zujuAdJYAc8",
        ),
        (
            "algorithm = \"sha256\"\nencoding = \"hex\"\nsigned = \"{secret}{method}{url}{body}\""
                .to_owned(),
            "s3cret",
            PLAIN,
        ),
    ] {
        assert_eq!(of(&lines, secret), expected, "{lines}");
    }
}

const HEX: &str = "f18bc4d7d56c0f443e869e27bea83ee5060b16dd364e6538cee8ee01d25801cf";
const PLAIN: &str = "a9d4e4a5bd12ed390b31aaec137ddd36360d04de328224710744e3b309277bf8";

#[test]
fn a_rotation_lists_signatures_in_the_order_that_is_asked_for() {
    let of = |lines: &str, secret: &'static str, newer: &'static [&'static str]| {
        let own = dialect(&format!(
            "{DATA}\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nsigned = \"{{body}}\"\nheader = \"X-S\"\n{lines}"
        ));
        let data = json("{}");
        sent_with(&own, &facts(&data, None), |input| {
            input.secret = secret;
            input.newer_secrets = newer;
        })
        .header("x-s")
        .to_owned()
    };
    let (old, new) = (of("", "old", &[]), of("", "new", &[]));
    let overlap = "value = \"{signature}\"\noverlap = \" {signature}\"";
    assert_eq!(of(overlap, "old", &["new"]), format!("{old} {new}"));
    assert_eq!(
        of(
            &format!("{overlap}\nsecrets = \"newest-first\""),
            "old",
            &["new"]
        ),
        format!("{new} {old}")
    );
    assert_eq!(of("", "old", &["new"]), old);
    assert_eq!(of("secrets = \"newest-first\"", "old", &["new"]), new);
}

#[test]
fn a_signature_stands_in_the_body_and_covers_the_attempt() {
    let lines = r#"envelope = [
  { key = "signature", fields = [{ key = "timestamp", text = "{timestamp}" }, { key = "token", from = "attempt_id" }, { key = "signature", from = "signature.hook" }] },
  { key = "event-data", from = "data" },
]
headers = { Authorization = "Sig {signature.hook}" }
[[signature]]
name = "hook"
algorithm = "hmac-sha256"
encoding = "hex"
signed = "{timestamp}{attempt_id}""#;
    let sent = sent(lines, r#"{"a":1}"#, None);
    let body = json(&sent.body);
    let signature = body.get("signature").unwrap();
    assert_eq!(
        signature.get("timestamp").unwrap().as_str(),
        Some("1696680000")
    );
    let token = signature.get("token").unwrap().as_str().unwrap();
    assert_eq!(token.len(), 36);
    let value = signature.get("signature").unwrap().as_str().unwrap();
    assert_eq!(sent.header("authorization"), format!("Sig {value}"));
    let checked = sent_with(
        &dialect(&format!(
            "{DATA}\nheaders = {{ X-T = \"{{timestamp}}{token}\" }}\n[[signature]]\nheader = \"X-S\"\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nsigned = \"{{timestamp}}{token}\"\nvalue = \"{{timestamp}},{{signature}}\""
        )),
        &facts(&json("{}"), None),
        |_| {},
    );
    assert_eq!(checked.header("x-s"), format!("1696680000,{value}"));
    let own = dialect(lines);
    let stored = own.body(&facts(&json(r#"{"a":1}"#), None)).unwrap();
    assert_eq!(own.data_of(&stored), Some(json(r#"{"a":1}"#)));
    assert_eq!(
        String::from_utf8_lossy(&shown_body(&stored)),
        r#"{"signature":{"timestamp":"{timestamp}","token":"{attempt_id}","signature":"{signature.hook}"},"event-data":{"a":1}}"#
    );
    assert_eq!(own.signed_with(&["s"]), [("Authorization", "hmac-sha256")]);
}

#[test]
fn a_token_is_marked_as_secret_and_needs_no_key() {
    let text = format!(
        "name = \"own\"\n{DATA}\nheaders = {{ X-Gitlab-Token = \"{{secret}}\" }}\nany_type = {{ example = \"x\", sample = \"{{}}\" }}"
    );
    let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
    let own = dialects.get("own").unwrap();
    assert_eq!(own.check_secret("my token"), Ok(()));
    for unfit in ["tökén", "a\nb", " a"] {
        assert_eq!(
            own.check_secret(unfit),
            Err(SecretFault::NoToken),
            "{unfit:?}"
        );
    }
    assert!(own.sends_secret() && own.signs_with_one_secret() && !own.takes_key_pairs());
    assert_eq!(
        own.signed_with(&["my token"]),
        [("X-Gitlab-Token", "token")]
    );
    let input = SignInput {
        event_id: "e",
        secret: "my token",
        newer_secrets: &["newer"],
        ..SignInput::default()
    };
    let request = own.request(&input).unwrap();
    let (_, token) = request
        .headers
        .iter()
        .find(|(name, _)| name == "x-gitlab-token")
        .unwrap();
    assert!(token.is_sensitive());
    assert_eq!(token, "my token");
    let pair = KeyPair::from_seed([7; 32]).secret();
    assert_eq!(own.check_secret(&pair), Err(SecretFault::KeyPair));
    let fault = own
        .request(&SignInput {
            secret: &pair,
            ..input
        })
        .err();
    assert_eq!(fault, Some(HeaderFault::Secret(SecretFault::KeyPair)));
}

#[test]
fn secrets_are_made_and_checked_in_the_form_of_the_key() {
    let with = |lines: &str| {
        dialect(&format!(
            "{DATA}\n[[signature]]\nheader = \"X-S\"\nencoding = \"hex\"\nsigned = \"{{body}}\"\n{lines}"
        ))
    };
    let hex = with("algorithm = \"hmac-sha256\"\nkey = \"hex\"\nkey_prefix = \"k_\"");
    assert_eq!(hex.new_secret([1; 32]), format!("k_{}", "01".repeat(32)));
    assert_eq!(hex.check_secret("zz"), Err(SecretFault::NoHex));
    let base64 = with("algorithm = \"hmac-sha256\"\nkey = \"base64\"");
    assert_eq!(base64.check_secret(&base64.new_secret([1; 32])), Ok(()));
    assert_eq!(
        base64.check_secret("not base64"),
        Err(SecretFault::NoBase64)
    );
    let text = with("algorithm = \"hmac-sha256\"");
    assert!(text.new_secret([1; 32]).starts_with("whsec_"));
    let pair = with("algorithm = \"ed25519\"");
    assert!(pair.takes_key_pairs() && pair.needs_key_pairs());
    assert_eq!(pair.check_secret(&pair.new_secret([1; 32])), Ok(()));
    assert_eq!(pair.check_secret("text"), Err(SecretFault::NoPair));
    let p256 = with("algorithm = \"ecdsa-p256-sha256\"");
    assert!(p256.takes_key_pairs() && p256.needs_key_pairs());
    let secret = p256.new_secret([1; 32]);
    assert_eq!(p256.check_secret(&secret), Ok(()));
    assert_eq!(p256.check_secret("text"), Err(SecretFault::NoP256Pair));
    let other = pair.new_secret([1; 32]);
    assert_eq!(p256.check_secret(&other), Err(SecretFault::NoP256Pair));
    assert_eq!(pair.check_secret(&secret), Err(SecretFault::NoPair));
    assert_eq!(text.check_secret(&secret), Err(SecretFault::KeyPair));
}

#[test]
fn no_file_sends_the_private_key_that_it_signs_with() {
    let with = |more: &str, lines: &str| {
        format!(
            "standard_webhooks = false\nenvelope = [{{ key = \"data\", from = \"data\" }}{more}]\n{lines}\n[[signature]]\nalgorithm = \"ed25519\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{{body}}\""
        )
    };
    let private = "the secret of `ed25519` is a private key, which no receiver may have";
    for text in [
        with("", "headers = { X-T = \"Bearer {secret}\" }"),
        with(", { key = \"s\", from = \"secret\" }", ""),
        with(", { key = \"s\", text = \"a{secret}\" }", ""),
        with(
            ", { key = \"s\", fields = [{ key = \"l\", list = [{ from = \"secret\" }] }] }",
            "",
        ),
        with(
            "",
            "challenge = { method = \"GET\", query = { t = \"{token}\", s = \"{secret}\" } }",
        ),
        with(
            "",
            "challenge = { body = [{ key = \"t\", from = \"token\" }, { key = \"s\", from = \"secret\" }] }",
        ),
        with(
            "",
            "[[signature]]\nalgorithm = \"sha256\"\nencoding = \"hex\"\nheader = \"X-P\"\nsigned = \"{secret}{body}\"",
        ),
    ] {
        refused(&text, private);
    }
}

#[test]
fn no_challenge_has_the_private_key_of_a_pair() {
    let pair = KeyPair::from_seed([7; 32]).secret();
    for challenge in [
        "method = \"GET\"\nquery = { t = \"{token}\", s = \"{secret}\" }",
        "method = \"OPTIONS\"\nheaders = { X-T = \"{token}\", X-S = \"{secret}\" }",
        "body = [{ key = \"t\", from = \"token\" }, { key = \"s\", from = \"secret\" }]",
    ] {
        let text = format!(
            "name = \"own\"\n{DATA}\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\n[challenge]\n{challenge}"
        );
        let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
        let own = dialects.get("own").unwrap();
        assert!(!own.takes_key_pairs(), "{challenge}");
        assert_eq!(own.check_secret(&pair), Err(SecretFault::KeyPair));
        let input = SignInput {
            url: "https://example.com/",
            secret: &pair,
            ..SignInput::default()
        };
        let fault = own.challenge(&input, "t").err();
        assert_eq!(fault, Some(HeaderFault::Secret(SecretFault::KeyPair)));
    }
}

#[test]
fn a_refused_secret_is_followed_by_the_other() {
    let with = |order: &str, overlap: &str| {
        dialect(&format!(
            "{DATA}\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{{body}}\"\n{order}\n{overlap}"
        ))
    };
    let input = SignInput {
        secret: "one",
        newer_secrets: &["two", "three"],
        ..SignInput::default()
    };
    let newest_first = "secrets = \"newest-first\"";
    assert_eq!(with("", "").second_secret(&input), Some("three"));
    assert_eq!(with(newest_first, "").second_secret(&input), Some("one"));
    let overlap = "overlap = \",{signature}\"";
    assert_eq!(with(newest_first, overlap).second_secret(&input), None);
    let only = SignInput {
        newer_secrets: &[],
        ..input
    };
    assert_eq!(with(newest_first, "").second_secret(&only), None);
    let asked_again = SignInput {
        alone: Some("one"),
        ..input
    };
    assert_eq!(with(newest_first, "").second_secret(&asked_again), None);
    let token = dialect(&format!("{DATA}\nheaders = {{ X-T = \"{{secret}}\" }}"));
    assert_eq!(token.second_secret(&input), Some("three"));
}

#[test]
fn challenges_have_the_shape_that_is_asked_for() {
    let input = SignInput {
        url: "https://example.com/hook?a=1",
        secret: "s3cret",
        ..SignInput::default()
    };
    let meta = dialect(&format!(
        "{DATA}\nchallenge = {{ method = \"GET\", query = {{ \"hub.mode\" = \"subscribe\", \"hub.challenge\" = \"{{token}}\", \"hub.verify_token\" = \"{{secret}}\" }} }}"
    ));
    let asked = meta.challenge(&input, "t 1").unwrap();
    assert_eq!(asked.method, "GET");
    assert_eq!(
        asked.url,
        "https://example.com/hook?a=1&hub.challenge=t+1&hub.mode=subscribe&hub.verify_token=s3cret"
    );
    assert!(asked.body.is_empty());
    assert!(meta.proves_challenge("t 1", &HeaderMap::new(), b"t 1\n"));
    assert!(!meta.proves_challenge("t 1", &HeaderMap::new(), b"t 2"));
    for answer in ["\"t 1\"", "\u{feff}t 1", "\u{feff}{\"c\":\"t 1\"}"] {
        let proven = meta.proves_challenge("t 1", &HeaderMap::new(), answer.as_bytes());
        assert!(proven, "{answer}");
    }

    let events = dialect(&format!(
        "{DATA}\n[challenge]\nmethod = \"OPTIONS\"\nheaders = {{ WebHook-Request-Origin = \"acme.example\" }}\nanswer_header = \"WebHook-Allowed-Origin\"\nanswer_value = \"acme.example\""
    ));
    let asked = events.challenge(&input, "t").unwrap();
    assert_eq!(asked.method, "OPTIONS");
    let name: HeaderName = "webhook-request-origin".parse().unwrap();
    assert!(
        asked
            .headers
            .contains(&(name, "acme.example".parse().unwrap()))
    );
    let answer = |value: &str| {
        let name: HeaderName = "webhook-allowed-origin".parse().unwrap();
        [(name, value.parse().unwrap())]
            .into_iter()
            .collect::<HeaderMap>()
    };
    assert!(events.proves_challenge("t", &answer("acme.example"), b""));
    assert!(!events.proves_challenge("t", &answer("other.example"), b"t"));

    let slack = dialect(&format!(
        "{DATA}\nchallenge = {{ body = [{{ key = \"type\", value = \"url_verification\" }}, {{ key = \"challenge\", from = \"token\" }}] }}\n[[signature]]\nheader = \"X-S\"\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nsigned = \"{{body}}\""
    ));
    let asked = slack.challenge(&input, "t").unwrap();
    assert_eq!(
        String::from_utf8(asked.body).unwrap(),
        r#"{"type":"url_verification","challenge":"t"}"#
    );
    assert!(asked.headers.iter().any(|(name, _)| name == "x-s"));
    assert!(
        asked
            .headers
            .iter()
            .all(|(name, _)| name != "rung-challenge")
    );
    assert!(slack.proves_challenge("t", &HeaderMap::new(), br#"{"plainToken":"t"}"#));
}

#[test]
fn ladders_grow_by_fractions_up_to_a_cap() {
    let own = dialect(&format!(
        "{DATA}\nladder = {{ first = \"10s\", factor = 1.5, retries = 4, cap = \"20s\" }}"
    ));
    assert_eq!(own.ladder.waits_ms(), [10_000, 15_000, 20_000, 20_000]);
    let own = dialect(&format!("{DATA}\ngive_up = [\"4xx\", \"501\"]"));
    assert!(own.gives_up_on(400) && own.gives_up_on(501) && !own.gives_up_on(500));
    assert_eq!(own.ladder.waits_ms().len(), 9, "the ladder of `standard`");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = mistakes(
        "timeout = 5\nbody_limt = 3\nthrottle = \"yes\"\nenvelope = [{ key = \"id\", from = \"idd\" }, { key = \"data\", from = \"data\" }]\n[headers]\nX = \"{tipe}\"\n[[signature]]\nalgorithm = \"md5\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{body}\"",
    );
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 8, 10], "{found:?}");
}

#[test]
fn what_cannot_work_is_refused() {
    let signed = |envelope: &str, rest: &str, signed: &str| {
        format!(
            "standard_webhooks = false\n{envelope}\n{rest}\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{signed}\""
        )
    };
    refused(
        &signed(DATA, "", "{id}.{body}"),
        "the signature covers `{id}`, which no header and no member of the body has",
    );
    refused(
        &signed(DATA, "", "{timestamp}.{body}"),
        "the signature covers `{timestamp}`",
    );
    let timed = "envelope = [{ key = \"at\", from = \"time_unix_seconds\" }, { key = \"data\", from = \"data\" }]";
    refused(
        &signed(
            timed,
            "ladder = { waits = [\"10min\"] }",
            "{time_unix_seconds}.{body}",
        ),
        "at retry 1 it is 600 s old, and receivers take 300 s",
    );
    let aged = |tolerance: &str| {
        format!(
            "{}\n{tolerance}",
            signed(timed, "ladder = { waits = [\"10min\"] }", "{body}")
        )
    };
    refused(&aged("tolerance = \"5min\""), "at retry 1 it is 600 s old");
    assert!(
        Dialects::builtin()
            .with_file(
                "o",
                &format!(
                    "name = \"own\"\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\n{}",
                    aged("tolerance = \"any\"")
                )
            )
            .is_ok()
    );
    refused(
        "envelope = [{ key = \"id\", from = \"id\" }]",
        "the envelope has nothing of the data",
    );
    refused(
        &format!("{DATA}\nheaders = {{ X-A = \"é\" }}"),
        "printable ASCII characters",
    );
    refused(
        &format!("{DATA}\nheaders = {{ X-A = \" a\" }}"),
        "has a blank at one end",
    );
    refused(
        &format!("{DATA}\nheaders = {{ Content-Type = \"a\" }}"),
        "use the key `content_type`",
    );
    refused(
        &format!("{DATA}\nheaders = {{ X-A = \"{{signature.x}}\" }}"),
        "no `[[signature]]` has this name",
    );
    refused(
        &format!(
            "{DATA}\n[[signature]]\nalgorithm = \"ed25519\"\nencoding = \"hex\"\nheader = \"A\"\nsigned = \"{{body}}\"\n[[signature]]\nalgorithm = \"hmac-sha1\"\nencoding = \"hex\"\nheader = \"B\"\nsigned = \"{{body}}\""
        ),
        "a webhook has one secret",
    );
    let misnamed = mistakes(&format!(
        "{DATA}\n[headers]\nX-A = \"a\"\nX-B = \"{{signature.x}}\""
    ));
    let lines: Vec<usize> = misnamed.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [6], "at its place: {misnamed:?}");
    refused(
        "envelope = [{ key = \"s\", from = \"signature.x\" }, { key = \"data\", from = \"data\" }]\n[[signature]]\nname = \"x\"\nalgorithm = \"hmac-sha1\"\nencoding = \"hex\"\nsigned = \"{body}\"",
        "it would cover itself",
    );
    refused(
        &format!(
            "{DATA}\n[[signature]]\nname = \"x\"\nalgorithm = \"hmac-sha1\"\nencoding = \"hex\"\nsigned = \"{{body}}\""
        ),
        "nothing has the signature `x`",
    );
    refused(
        &format!(
            "{DATA}\n[[signature]]\nalgorithm = \"hmac-sha1\"\nencoding = \"hex\"\nsigned = \"{{body}}\""
        ),
        "nothing has this signature",
    );
    let signature = |algorithm: &str, header: &str| {
        format!(
            "[[signature]]\nalgorithm = \"{algorithm}\"\nencoding = \"hex\"\nheader = \"{header}\"\nsigned = \"{{body}}\"\n"
        )
    };
    let ecdsa = signature("ecdsa-p256-sha256", "A");
    refused(
        &format!("{DATA}\n{ecdsa}"),
        "cannot sign `webhook-signature`: set `standard_webhooks = false`",
    );
    refused(
        &format!(
            "standard_webhooks = false\n{DATA}\n{ecdsa}{}",
            signature("ed25519", "B")
        ),
        "it cannot be a key pair for `ecdsa-p256-sha256` and for `ed25519`",
    );
    refused(&format!("{DATA}\ngive_up = [\"204\"]"), "is a success, too");
    refused(
        &format!("{DATA}\nchallenge = {{ method = \"GET\" }}"),
        "does not say the `{token}`",
    );
    refused(
        "body = \"form\"\nenvelope = [{ list = [{ from = \"data\" }] }]",
        "a form has fields",
    );
}

#[test]
fn the_page_has_the_reference_and_its_examples_are_right() {
    let (_, rest) = PAGE.split_once("<!-- reference -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- end of the reference -->").unwrap();
    assert_eq!(
        shown.trim(),
        reference().trim(),
        "docs/dialects.md is to have:\n{}",
        reference()
    );
    let examples = PAGE
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default());
    for example in examples {
        let whole = if example.contains("name = ") && example.contains("envelope") {
            example.to_owned()
        } else {
            continue;
        };
        if let Err(faults) = Dialects::builtin().with_file("docs", &whole) {
            panic!("{faults}");
        }
    }
}

/// A file that says all that receivers must be told, with more in the places of this name.
fn with(place: &str, more: &str, is_form: bool) -> bool {
    let at = |known: &str| if known == place { more } else { "" };
    let member = match place {
        "from" if more == "data_members" => r#"{ from = "data_members" }"#.to_owned(),
        "from" | "text" => format!("{{ key = \"x\", {place} = \"{more}\" }}"),
        _ => String::new(),
    };
    let in_challenge = match place {
        "challenge from" | "challenge text" => {
            let (_, source) = place.split_once(' ').unwrap();
            format!("{{ key = \"x\", {source} = \"{more}\" }}")
        }
        _ => String::new(),
    };
    let told = Value::reference().into_iter().flat_map(|(names, _)| {
        let names = names.replace("NAME", "a");
        names.split("`, `").map(str::to_owned).collect::<Vec<_>>()
    });
    let told = told.filter(|name| Value::parse(name).unwrap().must_be_told());
    let told: String = told
        .enumerate()
        .map(|(n, name)| format!("X-{n} = \"{{{name}}}\"\n"))
        .collect();
    let text = format!(
        r#"
        name = "own"
        body = "{}"
        any_type = {{ example = "x", sample = "{{}}" }}
        envelope = [{{ key = "data", from = "data" }}, {member}]
        [headers]
        {told}
        X-Place = "x{}"
        [[signature]]
        name = "a"
        algorithm = "hmac-sha256"
        encoding = "hex"
        signed = "{{id}}"
        header = "X-A"
        [[signature]]
        algorithm = "hmac-sha256"
        encoding = "hex"
        signed = "{{body}}{}"
        header = "X-B"
        value = "{{signature}}{}"
        overlap = ",{{signature}}{}"
        tolerance = "any"
        [challenge]
        query = {{ token = "{{token}}", place = "{}" }}
        headers = {{ X-Place = "x{}" }}
        body = [{{ key = "data", value = 1 }}, {in_challenge}]
        "#,
        if is_form { "form" } else { "json" },
        at("headers"),
        at("signed"),
        at("value"),
        at("overlap"),
        at("query"),
        at("challenge headers"),
    );
    Dialects::builtin().with_file("own.toml", &text).is_ok()
}

/// Where the values of a row may stand: tried out, in each place.
fn places(names: &str) -> String {
    let names = names.replace("NAME", "a");
    let names: Vec<&str> = names.split("`, `").collect();
    let each = |place: &str, is_form: bool| {
        let braced = !place.ends_with("from");
        let mut found = names.iter().map(|name| {
            let value = if braced {
                format!("{{{name}}}")
            } else {
                (*name).to_owned()
            };
            with(place, &value, is_form)
        });
        let first = found.next().unwrap();
        assert!(found.all(|other| other == first), "{names:?} in {place}");
        first
    };
    let both = |one: &str, other: &str| {
        let found = each(one, false);
        assert_eq!(found, each(other, false), "{names:?} in {one} and {other}");
        if found { "yes" } else { "" }
    };
    let body = match (each("from", false), each("text", false)) {
        (true, true) => "yes",
        (true, false) => "with `from`",
        (false, text) => {
            assert!(!text, "{names:?}");
            ""
        }
    };
    let signed = match (each("signed", false), each("signed", true)) {
        (true, true) => "yes",
        (false, true) => "of forms",
        (json, _) => {
            assert!(!json, "{names:?}");
            ""
        }
    };
    let cells = [
        body,
        if each("headers", false) { "yes" } else { "" },
        signed,
        both("value", "overlap"),
        both("query", "challenge headers"),
        both("challenge from", "challenge text"),
    ];
    cells.join(" | ")
}

#[test]
fn the_page_says_where_each_value_may_stand() {
    for place in [
        "headers",
        "signed",
        "value",
        "overlap",
        "query",
        "challenge headers",
    ] {
        assert!(with(place, "", false) && with(place, "", true), "{place}");
    }
    let mut table = "| value | `envelope` | `headers` | `signed` | `value`, `overlap` | `query`, `headers` of `[challenge]` | `body` of `[challenge]` |\n| --- | --- | --- | --- | --- | --- | --- |\n".to_owned();
    let values = Value::reference().into_iter().map(|(names, _)| {
        let label = match names.split_once("`, `") {
            Some((first, _)) => format!("{}_…", first.split('_').next().unwrap()),
            None => names.clone(),
        };
        (label, names)
    });
    let parts = "data`, `data_members`, `metadata".to_owned();
    for (label, names) in values.chain([(parts.clone(), parts)]) {
        let row = format!("| `{label}` | {} |\n", places(&names));
        table.push_str(&row.replace("  ", " "));
    }
    let (_, rest) = PAGE.split_once("<!-- places -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- end of the places -->").unwrap();
    assert_eq!(
        shown.trim(),
        table.trim(),
        "docs/dialects.md is to have:\n{table}"
    );
}

#[test]
fn the_schema_for_editors_knows_every_key() {
    let schema = schema();
    assert_eq!(schema["required"], serde_json::json!(["name", "envelope"]));
    assert_eq!(
        schema["properties"]["signature"]["items"]["$ref"],
        "#/$defs/signature"
    );
    assert!(
        schema["$defs"]["signature"]["properties"]["algorithm"]["enum"]
            .as_array()
            .unwrap()
            .len()
            == 8
    );
    let text = schema.to_string();
    for found in text.match_indices("#/$defs/") {
        let name = text[found.0 + 8..].split('"').next().unwrap();
        assert!(schema["$defs"][name].is_object(), "{name}");
    }
}

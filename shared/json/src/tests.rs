#![allow(clippy::unwrap_used)]

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use rung_node::in_node;

use super::{parse::work, *};

fn parse(text: &str) -> Result<Json, ParseError> {
    Json::parse(text.as_bytes(), 100)
}

fn canonical(value: &Json) -> Result<String, UnstableNumber> {
    let mut out = Vec::new();
    value.write_canonical(UnstableNumbers::Refuse, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn content(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    value.write_content(&mut out);
    out
}

#[track_caller]
fn refused(text: &[u8], kind: ParseErrorKind, offset: usize, path: &str) {
    let fault = Json::parse(text, 100).unwrap_err();
    assert_eq!(
        (fault.kind, fault.offset, fault.path.to_string().as_str()),
        (kind, offset, path)
    );
}

#[test]
fn a_value_keeps_its_order_and_its_numbers() {
    let value = parse(
        " {\"b\": [1.0, -0, 1E2], \"a\": {\"c\": null}, \"s\": \"\\u00e9\\ud83d\\ude00\\/\"} ",
    )
    .unwrap();
    assert_eq!(value.as_object().unwrap()[0].0, "b");
    assert_eq!(
        value.get("b").unwrap().as_array().unwrap()[2],
        Json::Number("1E2".into())
    );
    assert_eq!(value.get("s").unwrap().as_str(), Some("é😀/"));
    assert_eq!(value.depth(), 2);
    assert_eq!(
        serde_json::to_string(&value).unwrap(),
        r#"{"b":[1.0,-0,1E2],"a":{"c":null},"s":"é😀/"}"#
    );
}

#[test]
fn faults_say_what_where_and_at_which_byte() {
    use ParseErrorKind as Kind;
    refused(
        br#"{"data":{"a":1,"b":2,"a":3}}"#,
        Kind::DuplicateKey,
        21,
        "data.a",
    );
    refused(
        br#"{"data":["x",{"y":"\ud800"}]}"#,
        Kind::LoneSurrogate,
        19,
        "data[1].y",
    );
    refused(br#"["\udc00\ud800"]"#, Kind::LoneSurrogate, 2, "[0]");
    refused(br#"["\ud800\u0041"]"#, Kind::LoneSurrogate, 2, "[0]");
    refused(
        br#"{"odd key":1e309}"#,
        Kind::NumberOutOfRange,
        11,
        r#"["odd key"]"#,
    );
    refused(br#"{"a":-1e999}"#, Kind::NumberOutOfRange, 5, "a");
    refused(b"{\"a\":\"\xff\"}", Kind::InvalidUtf8, 6, "$");
    refused(br#"{"a":1} x"#, Kind::TrailingText, 8, "$");
    refused(br#"{"a":01}"#, Kind::InvalidNumber, 5, "a");
    refused(br#"{"a":-}"#, Kind::InvalidNumber, 5, "a");
    refused(br#"{"a":1.}"#, Kind::InvalidNumber, 5, "a");
    refused(br#"{"a":1e}"#, Kind::InvalidNumber, 5, "a");
    refused(br#"{"a":tru}"#, Kind::UnexpectedCharacter('}'), 8, "a");
    refused(br#"{"a":1,}"#, Kind::UnexpectedCharacter('}'), 7, "$");
    refused(br#"[1,]"#, Kind::UnexpectedCharacter(']'), 3, "[1]");
    refused(br#"{"a""#, Kind::UnexpectedEnd, 4, "$");
    refused(br#"{"a":"x"#, Kind::UnexpectedEnd, 7, "a");
    refused(br#"{"a":"\"#, Kind::UnexpectedEnd, 7, "a");
    refused(br#"{"a":"\x"}"#, Kind::InvalidEscape, 6, "a");
    refused(br#"{"a":"\u00g0"}"#, Kind::InvalidEscape, 6, "a");
    refused(b"[\"a\nb\"]", Kind::ControlCharacter, 3, "[0]");
    refused(b"", Kind::UnexpectedEnd, 0, "$");
    refused(
        "\u{feff}1".as_bytes(),
        Kind::UnexpectedCharacter('\u{feff}'),
        0,
        "$",
    );
}

#[test]
fn a_number_of_many_digits_may_exceed_a_double() {
    let digits = |first: &str, count: usize| format!("{first}{}", "0".repeat(count - first.len()));
    assert!(parse(&digits("9", 308)).is_ok());
    assert!(parse(&digits("17", 309)).is_ok());
    let fault = parse(&digits("18", 309)).unwrap_err();
    assert_eq!(fault.kind, ParseErrorKind::NumberOutOfRange);
}

#[test]
fn a_duplicate_is_found_in_a_large_object() {
    let members: Vec<String> = (0..1000).map(|number| format!("\"k{number}\":0")).collect();
    assert!(parse(&format!("{{{}}}", members.join(","))).is_ok());
    for twin in ["k3", "k999"] {
        let fault = parse(&format!("{{{},\"{twin}\":1}}", members.join(","))).unwrap_err();
        assert_eq!(fault.kind, ParseErrorKind::DuplicateKey);
        assert_eq!(fault.path.to_string(), twin);
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(parse(&nested(100)).unwrap().depth(), 100);
    assert_eq!(
        parse(&nested(101)).unwrap_err().kind,
        ParseErrorKind::TooDeep { limit: 100 }
    );
    let siblings = vec![nested(99); 3].join(",");
    assert_eq!(parse(&format!("[{siblings}]")).unwrap().depth(), 100);
    assert_eq!(
        Json::parse(b"{}", 0).unwrap_err().kind,
        ParseErrorKind::TooDeep { limit: 0 }
    );
}

#[test]
fn canonical_bytes_are_those_of_javascript() {
    let value = parse("{\"b\":1.0, \"10\":[], \"2\":{}, \"a\\u0000\\b\\f\\n\\r\\t\\\"\\\\\\u001F\\u007f\\u2028/\":1e21}").unwrap();
    assert_eq!(
        canonical(&value).unwrap(),
        "{\"2\":{},\"10\":[],\"b\":1,\"a\\u0000\\b\\f\\n\\r\\t\\\"\\\\\\u001f\u{7f}\u{2028}/\":1e+21}"
    );
}

#[test]
fn an_unstable_number_is_refused_with_its_path_or_kept() {
    let value = parse(r#"{"a":[0,{"b":9007199254740993}]}"#).unwrap();
    let fault = canonical(&value).unwrap_err();
    assert_eq!(fault.path.to_string(), "a[1].b");
    let mut kept = Vec::new();
    value
        .write_canonical(UnstableNumbers::Keep, &mut kept)
        .unwrap();
    assert_eq!(kept, br#"{"a":[0,{"b":9007199254740993}]}"#);
}

#[test]
fn contents_are_compared_as_json() {
    let of = |text| content(&parse(text).unwrap());
    assert_eq!(
        of(r#"{"a":1.0,"b":[true,"x"]}"#),
        of(r#"{ "b":[true,"\u0078"], "a":1 }"#)
    );
    for (left, right) in [
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":null}"#, "{}"),
        ("[[1],2]", "[[1,2]]"),
        ("9007199254740993", "9007199254740992"),
    ] {
        assert_ne!(of(left), of(right), "{left} {right}");
    }
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,2}",
        "[0-9]{1,11}",
        prop::sample::select(vec![
            "__proto__",
            "constructor",
            "toString",
            "length",
            "4294967294",
            "4294967295",
            "4294967296",
            "9007199254740993",
            "-1",
            "01",
            "1.5",
            "1e3",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_number() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-1000_i32..1000).prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has finite numbers only", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?",
    ]
    .prop_map(|raw| Json::Number(raw.into()))
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any_number(),
        any::<String>().prop_map(Json::String),
        "[\\x00-\\x7f\\u{2028}\\u{2029}\\u{ffff}\\u{10ffff}]{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(5, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((any_key(), inner), 0..8).prop_map(|mut members| {
                let mut seen = std::collections::HashSet::new();
                members.retain(|(key, _)| seen.insert(key.clone()));
                Json::Object(members)
            }),
        ]
    })
}

#[test]
fn node_writes_the_same_bytes_again() {
    let mut runner = TestRunner::deterministic();
    let strategy = any_json();
    let lines: Vec<String> =
        std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current())
            .filter_map(|value| canonical(&value).ok())
            .take(5000)
            .collect();
    let answers = in_node("JSON.stringify(JSON.parse(line))", &lines);
    for (answer, line) in answers.iter().zip(&lines) {
        assert_eq!(answer, line);
    }
}

proptest! {
    #[test]
    fn written_values_are_read_as_the_same(value in any_json()) {
        let mut written = Vec::new();
        value.write_canonical(UnstableNumbers::Keep, &mut written).unwrap();
        let read = Json::parse(&written, 100).unwrap();
        prop_assert_eq!(content(&read), content(&value));
        let mut again = Vec::new();
        read.write_canonical(UnstableNumbers::Keep, &mut again).unwrap();
        prop_assert_eq!(again, written);
    }

    #[test]
    fn spelling_is_kept_through_serde(value in any_json()) {
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(parse(&text).unwrap(), value);
    }

    #[test]
    fn validity_is_that_of_serde_json(
        value in any_json(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any_edit()), 0..3),
    ) {
        let mut text = serde_json::to_string(&value).unwrap().into_bytes();
        for (place, insert, byte) in edits {
            let at = place.index(text.len());
            if insert {
                text.insert(at, byte);
            } else {
                text[at] = byte;
            }
        }
        let ours = Json::parse(&text, 100).map_err(|fault| fault.kind);
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        match ours {
            Err(ParseErrorKind::DuplicateKey) => {}
            _ => prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", String::from_utf8_lossy(&text)),
        }
    }
}

fn any_edit() -> impl Strategy<Value = u8> {
    prop_oneof![
        prop::sample::select(b"{}[]\",:\\u0e+-.9tn \x00\x1f\xff\xd8".to_vec()),
        any::<u8>(),
    ]
}

/// Whatever a text is made of: deep, wide, long, with keys that stand twice, or broken off. Each byte is looked at a few times.
#[test]
fn reading_looks_at_each_byte_a_few_times() {
    const LENGTH: usize = 256 * 1024;
    const TIMES: usize = 16;
    let filled = |text: &str| text.repeat(LENGTH / text.len());
    let keys = |of: fn(usize) -> String| {
        let members = (0..LENGTH / 12).map(|n| format!("\"{}\":0,", of(n)));
        format!("{{{}\"0\":0}}", members.collect::<String>())
    };
    for text in [
        filled("["),
        filled("{\"a\":"),
        format!("[{}0]", filled("0,")),
        format!("[{}0]", filled("{},")),
        format!("[{}0]", filled(" [ ] ,")),
        format!("[{}0]", filled(r#"{"a":0,"b":0},"#)),
        format!("[{}0]", filled(r#"{"a":0,"a":0},"#)),
        keys(|n| format!("{n:x}")),
        keys(|n| (LENGTH - n).to_string()),
        keys(|n| format!("{}", n % 2_000)),
        filled("9"),
        format!("0.{}", filled("9")),
        format!("1e{}", filled("9")),
        filled(" "),
        format!("\"{}\"", filled("a")),
        format!("\"{}", filled("a")),
        format!("\"{}\"", filled(r"\u0000")),
        format!("\"{}\"", filled(r"\ud83d\ude00")),
        format!("\"{}\"", filled(r#"\""#)),
    ] {
        work::taken();
        let _ = Json::parse(text.as_bytes(), 100);
        let looked_at = work::taken();
        let told = &text[..20];
        assert!(looked_at > 0, "{told}: nothing was counted");
        assert!(
            looked_at <= TIMES * text.len(),
            "{told}: {looked_at} for {} bytes",
            text.len()
        );
    }
}

//! The same properties for random input: arbitrary bytes, and texts that look like the real thing.

use proptest::prelude::*;
use rung_properties::{cursor, dialect, json, publish, url};

/// JSON with everything that its readers differ in.
fn json_like() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?",
        "\"([ -!#-\\[\\]-~é\u{10ffff}]|\\\\[\"\\\\/bfnrtu]|\\\\u[0-9a-fA-F]{4}){0,8}\"",
        "true|false|null|nul|-|01|\"",
    ];
    let key = prop_oneof![
        "\"[0-9]{1,11}\"",
        "\"[a-c]?\"",
        Just("\"data\"".to_owned()),
        Just("\"type\"".to_owned()),
        Just("\"id\"".to_owned()),
        Just("\"events\"".to_owned()),
        Just("\"timestamp\"".to_owned()),
    ];
    scalar.prop_recursive(6, 64, 6, move |inner| {
        let members = prop::collection::vec((key.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(", "))),
            members.prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{key} : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn url_like() -> impl Strategy<Value = String> {
    let number = || "(0x|0X|0)?[0-9a-f]{1,10}";
    let host = prop_oneof![
        prop::collection::vec(number(), 1..6).prop_map(|parts| parts.join(".")),
        "\\[[0-9a-f:.%]{1,40}\\]",
        "[a-zA-Z0-9_.%@。．①②⑦ｌß-]{1,30}",
        Just("localhost".to_owned()),
        Just("169.254.169.254".to_owned()),
    ];
    (
        "[a-z]{0,3}(https?)?:?/{0,3}",
        "([a-z]*:?[a-z]*@)?",
        host,
        "\\.?(:[0-9]{0,6})?",
        "[/?#\\\\ -~]{0,20}",
    )
        .prop_map(|(scheme, user, host, port, rest)| format!("{scheme}{user}{host}{port}{rest}"))
}

/// A built-in dialect with some of its lines gone, doubled, or changed.
fn dialect_like() -> impl Strategy<Value = String> {
    const TEXTS: [&str; 3] = [
        include_str!("../../../shared/dialects/odin.toml"),
        include_str!("../../../shared/dialects/patra.toml"),
        include_str!("../../../shared/dialects/standard.toml"),
    ];
    let edit = (any::<prop::sample::Index>(), 0..4_u8, "[ -~]{0,12}");
    (
        prop::sample::select(&TEXTS[..]),
        prop::collection::vec(edit, 0..4),
    )
        .prop_map(|(text, edits)| {
            let named = text.replacen("name = \"", "name = \"own-", 1);
            let mut lines: Vec<String> = named.lines().map(str::to_owned).collect();
            for (at, edit, garbage) in edits {
                let at = at.index(lines.len());
                match edit {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(at, lines[at].clone()),
                    2 => lines[at] = lines[at].replace(char::is_numeric, &garbage),
                    _ => lines[at].push_str(&garbage),
                }
            }
            lines.join("\n")
        })
}

proptest! {
    // What is found goes into the corpus.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything(input in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, property) in rung_properties::ALL {
            property(&input);
        }
    }

    #[test]
    fn texts(input in "\\PC{0,200}") {
        cursor(input.as_bytes());
        url(format!("https://{input}").as_bytes());
    }

    #[test]
    fn jsons(key in "[ -~\u{e9}]{0,20}", input in json_like()) {
        json(input.as_bytes());
        publish(format!("{key}\n{input}").as_bytes());
        publish(format!("{key}\n{{\"type\":\"a.b\",\"data\":{input}}}").as_bytes());
    }

    #[test]
    fn urls(input in url_like()) {
        url(input.as_bytes());
    }

    #[test]
    fn dialects(input in dialect_like()) {
        dialect(input.as_bytes());
    }
}

//! The same properties for random input: arbitrary bytes, and texts that look like the real thing.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rung_properties::{cursor, dialect, filter, json, publish, schema, url};

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

/// A small value, of members that schemas and filters name.
fn value_like() -> impl Strategy<Value = String> {
    let scalar = "[0-9]|-?1[0-9]{0,3}(\\.5)?(e30)?|\"[ab]{0,9}\"|true|null";
    scalar.prop_recursive(5, 40, 6, |inner| {
        let members = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(","))),
            members.prop_map(object),
        ]
    })
}

fn object(members: BTreeMap<String, String>) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A schema with keywords of every kind, which may refer to itself.
fn schema_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\\{\"type\":\"(string|number|integer|array|object|null)\"\\}",
        "\\{\"(minimum|maximum|multipleOf|minLength|maxItems|minProperties)\":[1-9]\\}",
        "\\{\"pattern\":\"\\^?[ab.]([*+]|\\{1,[1-9]0?0?\\})?[ab.]\\{0,[1-9]\\}\\$?\"\\}",
        "\\{\"required\":\\[\"a\",\"b\",\"c\"\\]\\}",
        Just("{\"uniqueItems\":true}".to_owned()),
        Just("{\"$ref\":\"#\"}".to_owned()),
        Just("{\"$ref\":\"#/properties/a\"}".to_owned()),
        Just("false".to_owned()),
        prop::collection::vec(value_like(), 1..9)
            .prop_map(|values| format!("{{\"enum\":[{}]}}", values.join(","))),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..8).prop_map(|list| list.join(","));
        let named = prop::collection::btree_map("[a-d]", inner.clone(), 1..4).prop_map(object);
        prop_oneof![
            ("allOf|anyOf|oneOf|prefixItems", list)
                .prop_map(|(keyword, list)| format!("{{\"{keyword}\":[{list}]}}")),
            (
                "items|not|contains|additionalProperties|propertyNames|if",
                inner.clone(),
            )
                .prop_map(|(keyword, inner)| format!("{{\"{keyword}\":{inner}}}")),
            ("properties|patternProperties", named.clone())
                .prop_map(|(keyword, named)| format!("{{\"{keyword}\":{named}}}")),
            (named, inner).prop_map(|(named, inner)| {
                format!(
                    "{{\"properties\":{named},\"items\":{inner},\"additionalProperties\":{inner}}}"
                )
            }),
        ]
    })
}

/// A filter with operators of every kind.
fn filter_like() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        "[0-9]|1[0-9]{0,3}|\"[ab]{0,4}\"|true|null",
        "\\{\"(prefix|suffix)\":\"[ab]{1,9}\"\\}",
        "\\{\"numeric\":\\[\"[<>]\",[0-9](,\"<=\",9)?\\]\\}",
        "\\{\"exists\":(true|false)\\}",
        "\\{\"anything-but\":\\[[0-9],\"[ab]\"\\]\\}",
    ];
    let tests =
        prop::collection::vec(test, 1..6).prop_map(|tests| format!("[{}]", tests.join(",")));
    let leaf = prop::collection::btree_map("[a-d]", tests, 1..4).prop_map(object);
    leaf.prop_recursive(4, 60, 8, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..9);
        prop_oneof![
            prop::collection::btree_map("[a-d]", inner, 1..3).prop_map(object),
            list.prop_map(|list| format!("{{\"$or\":[{}]}}", list.join(","))),
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
    fn schemas(asked in schema_like(), value in value_like()) {
        schema(format!("{asked}\n{value}").as_bytes());
    }

    #[test]
    fn filters(asked in filter_like(), value in value_like()) {
        filter(format!("{asked}\n{value}").as_bytes());
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

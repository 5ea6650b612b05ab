//! How long the work takes that schemas and filters are allowed: the largest of each kind that is accepted is asked of costly
//! values of 256 KiB. Of each the slowest value is shown, with the units counted and how long one of them takes.
//!
//! `cargo run --release -p rung-json --example work`

// A measurement looks at the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use rung_json::{Json, filter::Filter, limits::JSON_DEPTH, schema::Schema};

/// Each is asked so often; the shortest time counts, as other programs take turns with this one.
const TIMES: usize = 21;
/// About as large as an event can be, in bytes.
const BYTES: usize = 255_000;

fn main() {
    let values = values();
    println!("what | size | value | units | ms | ns per unit");
    for (name, most, text) in SCHEMAS.iter().filter(|(name, ..)| is_asked(name)) {
        let schema = largest(*most, |size| Schema::compile(&json(&text(size))).ok());
        if let Some((size, schema)) = schema {
            show(name, size, &values, |value| schema.check(value).work);
        }
    }
    let values = lists();
    if is_asked("a walk and nothing else") {
        show("a walk and nothing else", 0, &values, Json::depth);
    }
    for (name, most, text) in FILTERS.iter().filter(|(name, ..)| is_asked(name)) {
        let filter = largest(*most, |size| Filter::compile(&json(&text(size))).ok());
        if let Some((size, filter)) = filter {
            show(name, size, &values, |value| filter.ask(value).work);
        }
    }
}

/// Whether this is to be measured: the first argument is a part of its name.
fn is_asked(name: &str) -> bool {
    std::env::args()
        .nth(1)
        .is_none_or(|part| name.contains(&part))
}

/// The one of the largest size that is accepted.
fn largest<T>(most: usize, compile: impl Fn(usize) -> Option<T>) -> Option<(usize, T)> {
    let mut sizes = (1..=most).rev();
    sizes.find_map(|size| Some((size, compile(size)?)))
}

/// Asks something of each value, and shows the one that takes longest.
fn show(name: &str, size: usize, values: &[(&str, Json)], ask: impl Fn(&Json) -> usize) {
    let measured = values.iter().map(|(value_name, value)| {
        let mut times = [Duration::ZERO; TIMES];
        let mut units = 0;
        for time in &mut times {
            let start = Instant::now();
            units = ask(value);
            *time = start.elapsed();
        }
        (
            times.into_iter().min().unwrap_or_default(),
            value_name,
            units,
        )
    });
    if let Some((time, value, units)) = measured.max() {
        let ms = time.as_secs_f64() * 1_000.0;
        let ns = ms * 1_000_000.0 / units.max(1) as f64;
        println!("{name} | {size} | {value} | {units} | {ms:.2} | {ns:.2}");
    }
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), JSON_DEPTH).unwrap_or(Json::Null)
}

/// Values with as much as possible of everything, each as the member `a` too.
fn values() -> Vec<(&'static str, Json)> {
    let list = |element: &str| {
        let count = BYTES / (element.len() + 1);
        format!("[{}]", vec![element; count].join(","))
    };
    let numbered = |element: &dyn Fn(usize) -> String| {
        let (mut text, mut n) = (String::new(), 0);
        while text.len() < BYTES {
            text.push_str(&element(n));
            text.push(',');
            n += 1;
        }
        text.pop();
        text
    };
    let texts = [
        ("[0, …]", list("0")),
        ("[1e300, …]", list("1e300")),
        ("[\"\", …]", list("\"\"")),
        ("[[], …]", list("[]")),
        ("[{}, …]", list("{}")),
        ("[{\"b\":{…}}, …]", list(r#"{"b":{"c":{"d":{"e":0}}}}"#)),
        (
            "[0, 1, 2, …]",
            format!("[{}]", numbered(&|n| n.to_string())),
        ),
        (
            "{\"k0\":0, …}",
            format!("{{{}}}", numbered(&|n| format!(r#""k{n}":0"#))),
        ),
        ("a text", format!("\"{}\"", "a".repeat(BYTES))),
    ];
    let both = texts.into_iter().flat_map(|(name, text)| {
        let within = json(&format!(r#"{{"a":{text}}}"#));
        [(name, json(&text)), (name, within)]
    });
    both.collect()
}

/// Objects with a list `a` of as many elements as possible, of each kind that a filter takes another way for.
fn lists() -> Vec<(&'static str, Json)> {
    let long = format!("\"{}\"", "a".repeat(100));
    let long: &'static str = Box::leak(long.into_boxed_str());
    [
        "0",
        "7,8",
        "77",
        "1.5",
        "-1",
        "1e5",
        "9e99",
        "1e300",
        "1e-400",
        "1.00000000000000",
        "1.000000000000001",
        "null",
        "[]",
        "{}",
        r#""""#,
        r#""a""#,
        r#""aa""#,
        r#""aaa""#,
        r#""aaaa""#,
        r#""aaaaaaaa""#,
        r#""aaaaaaaaa""#,
        r#""aaaaaaaaaaaaaaaa""#,
        r#""aaaaaaaaaaaaaaaaaaaaaaaaa""#,
        long,
        r#"{"b":0}"#,
        r#"{"b":1},{"b":2}"#,
        r#"{"b":0,"c":0}"#,
        r#"{"b":"a"}"#,
        r#"{"b":[0]}"#,
        r#"{"k1":0,"k2":0,"k3":0}"#,
        r#"{"b":{"c":{"d":{"e":0}}}}"#,
        r#"{"b":{"c":0}}"#,
        r#"0,"",{},[],null,"a""#,
    ]
    .map(|element| {
        let count = BYTES / (element.len() + 1);
        let list = vec![element; count].join(",");
        (element, json(&format!(r#"{{"a":[{list}]}}"#)))
    })
    .into()
}

fn listed(part: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(",")
}

/// A kind of schema or filter: what it is, the largest size to try, and its text by size.
type Kind = (&'static str, usize, fn(usize) -> String);

const SCHEMAS: &[Kind] = &[
    ("`const`s for each element", 20, |size| {
        let constants = listed(|n| format!(r#"{{"const":{n}}}"#), size);
        format!(r#"{{"properties":{{"a":{{"items":{{"anyOf":[{constants}]}}}}}}}}"#)
    }),
    ("types for each part", 20, |size| {
        let types = listed(|_| r#"{"type":["array","object","null"]}"#.to_owned(), size);
        format!(
            r##"{{"anyOf":[{types},true],"items":{{"$ref":"#"}},"additionalProperties":{{"$ref":"#"}}}}"##
        )
    }),
    ("`multipleOf` for each element", 9, |size| {
        let divisors = listed(|n| format!(r#"{{"multipleOf":7e-{n}}}"#), size);
        format!(r#"{{"properties":{{"a":{{"items":{{"allOf":[{divisors}]}}}}}}}}"#)
    }),
    ("unique elements", 1, |_| {
        r#"{"properties":{"a":{"uniqueItems":true}}}"#.to_owned()
    }),
    ("an `enum` for each element", 2_000, |size| {
        let numbers = listed(|n| n.to_string(), size);
        format!(r#"{{"properties":{{"a":{{"items":{{"enum":[{numbers}]}}}}}}}}"#)
    }),
    ("patterns for each character", 30, |size| {
        let patterns = listed(
            |n| format!(r#"{{"pattern":"^(a|b)*[^x{n}]{{2,9}}$"}}"#),
            size,
        );
        format!(r#"{{"properties":{{"a":{{"allOf":[{patterns}]}}}}}}"#)
    }),
    ("patterns for each name", 30, |size| {
        let patterns = listed(|n| format!(r#""^k[0-9]*{n}":{{"type":"number"}}"#), size);
        format!(r#"{{"patternProperties":{{{patterns}}}}}"#)
    }),
    ("`const`s, once", 1_500, |size| {
        let constants = listed(|n| format!(r#"{{"const":{n}}}"#), size);
        format!(r#"{{"properties":{{"a":{{"anyOf":[{constants}]}}}}}}"#)
    }),
];

const FILTERS: &[Kind] = &[
    ("a filter of choices below a list", 180, |size| {
        let path = r#"{"b":{"c":{"d":{"e":[{"exists":true}]}}}}"#;
        let choices = listed(|_| path.to_owned(), size);
        format!(r#"{{"a":{{"$or":[{choices}]}}}}"#)
    }),
    ("a filter of choices by a member", 180, |size| {
        let choices = listed(|n| format!(r#"{{"b":[{n},"a{n}"]}}"#), size);
        format!(r#"{{"a":{{"$or":[{choices}]}}}}"#)
    }),
    ("a filter of choices by two members", 180, |size| {
        let choices = listed(|n| format!(r#"{{"b":[0],"c":[{n}]}}"#), size);
        format!(r#"{{"a":{{"$or":[{choices}]}}}}"#)
    }),
    ("a filter of choices in one another", 9, |size| {
        let nested = (0..size).fold(r#"{"b":[0]}"#.to_owned(), |inner, n| {
            format!(r#"{{"c":[{n}],"$or":[{inner},{{"b":[{n}]}}]}}"#)
        });
        format!(r#"{{"a":{nested}}}"#)
    }),
    ("a filter of names", 180, |size| {
        let names = listed(|n| format!(r#""k{n}":[1]"#), size);
        format!(r#"{{"a":{{{names}}}}}"#)
    }),
    ("a filter of prefixes, suffixes and ranges", 66, |size| {
        let test =
            |n| format!(r#"{{"prefix":"a{n}"}},{{"suffix":"{n}a"}},{{"numeric":[">",{n}]}}"#);
        format!(r#"{{"a":[{}]}}"#, listed(test, size))
    }),
    ("a filter of all beginnings and ends", 100, |size| {
        let test = |n| {
            let text = "a".repeat(n + 1);
            format!(r#"{{"prefix":"{text}"}},{{"suffix":"{text}"}}"#)
        };
        let tests = listed(test, size);
        format!(r#"{{"a":[{tests},{{"anything-but":"x"}}]}}"#)
    }),
    ("a filter of beginnings and ends", 100, |size| {
        let test = |n| {
            let text = "a".repeat(n);
            format!(r#"{{"prefix":"{text}b"}},{{"suffix":"b{text}"}}"#)
        };
        format!(r#"{{"a":[{}]}}"#, listed(test, size))
    }),
    ("a filter of what is excluded", 32, |size| {
        let tests = listed(|n| format!(r#"{{"anything-but":[{n},"a{n}"]}}"#), size);
        format!(r#"{{"a":[{tests},"x"]}}"#)
    }),
    ("a filter of long numbers", 8, |size| {
        let tests = listed(|n| format!("1.000000000000000{n}1"), size);
        format!(r#"{{"a":[{tests},0,7,8]}}"#)
    }),
    ("a filter of values", 199, |size| {
        format!(r#"{{"a":[{}]}}"#, listed(|n| format!("{n}.5"), size))
    }),
    ("a filter of texts", 199, |size| {
        format!(
            r#"{{"a":[{}]}}"#,
            listed(|n| format!(r#""aaaaaaaa{n}""#), size)
        )
    }),
];

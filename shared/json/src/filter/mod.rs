//! Filters: which payloads a webhook takes, by a pattern in the manner of EventBridge's.
//!
//! A pattern is an object, and all its members must hold. A member names a member of the payload: an object is a pattern for the
//! object that is there, a list holds the tests of which one must pass. `$or` is a list of patterns of which one must hold.
//! Where the payload has a list, one of its elements is enough. Numbers are compared by their exact decimal values.
//!
//! `read` turns a pattern into [`Place`]s: the members of the payload that it names, each once, however many patterns name it. The
//! tests of a place are indices ([`tests::Tests`]) that a value is looked up in. What a pattern asks of a member is a number, its
//! condition: what holds of an object is a set of such numbers, in one machine word, and a pattern compares sets. So `walk` goes over
//! a payload once, and each element of a list costs about the same, whatever the filter: some nanoseconds for each of its bytes.

mod conditions;
mod numbers;
mod read;
mod tests;
mod walk;
mod words;

use std::sync::Arc;

use serde::{Serialize, Serializer};

use self::{
    conditions::{Conditions, Rules},
    tests::Tests,
    words::Words,
};
use crate::{Json, JsonFault, limits::FILTER_BYTES};

/// A pattern, as given and as it is evaluated.
#[derive(Debug, Clone)]
pub struct Filter {
    given: Json,
    /// That of the payload comes first.
    places: Arc<[Place]>,
}

/// What came of asking a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whether the webhook takes the payload.
    pub takes: bool,
    /// The work that it took, in units of about a nanosecond.
    pub work: usize,
}

/// A member of the payload that a filter names, or the payload.
#[derive(Debug, Default)]
struct Place {
    /// The names of the members that the patterns for an object here name, each with its number, and their places by number.
    names: Words,
    members: Vec<usize>,
    /// The choices in the patterns for an object here, the innermost first.
    choices: Vec<Choices>,
    /// What the patterns for an object here want, each with the condition that it is on the object around it.
    patterns: Rules,
    /// The tests of what is here.
    tests: Tests,
    /// The conditions that what is here decides, and those of them that hold where it is missing.
    decides: Conditions,
    missing: Conditions,
    /// The conditions on an object here that hold where each of its members is missing, and the patterns that hold then.
    empty: Conditions,
    empty_patterns: Conditions,
}

/// The choices that lie in equally many others. Each is a condition itself.
#[derive(Debug, Default)]
struct Choices {
    /// The patterns that want several conditions.
    alternatives: Rules,
    /// The choices, each with the conditions of which one is enough.
    choices: Rules,
}

impl Filter {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is no pattern, or exceeds the limits.
    pub fn compile(given: &Json) -> Result<Self, JsonFault> {
        if serde_json::to_vec(given).map_or(true, |json| json.len() > FILTER_BYTES) {
            return Err(JsonFault::new(format!(
                "must have at most {FILTER_BYTES} bytes as JSON"
            )));
        }
        Ok(Self {
            places: read::read(given)?.into(),
            given: given.clone(),
        })
    }

    /// A pattern that was stored. One that is refused by now takes nothing until another is given.
    pub fn stored(given: Json) -> Self {
        Self::compile(&given).unwrap_or_else(|_| Self {
            places: Arc::new([]),
            given,
        })
    }

    /// Asks whether the webhook takes this payload.
    #[must_use]
    pub fn ask(&self, payload: &Json) -> Asked {
        walk::walk(&self.places, payload)
    }
}

/// Two filters are equal if they were given alike.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Eq for Filter {}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given.serialize(serializer)
    }
}

#[cfg(test)]
mod unit {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Decimal,
        limits::{
            FILTER_CHOICES, FILTER_CONDITIONS, FILTER_DEPTH, FILTER_LONG_NUMBERS, FILTER_PARTS,
            FILTER_WORK_PER_BYTE,
        },
    };

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 100).unwrap()
    }

    fn takes(pattern: &str, payload: &str) -> bool {
        Filter::compile(&json(pattern))
            .unwrap()
            .ask(&json(payload))
            .takes
    }

    fn fault(pattern: &str) -> String {
        Filter::compile(&json(pattern)).unwrap_err().to_string()
    }

    const ORDER: &str = r#"{
        "status": "paid", "amount": 120.50, "note": null, "gift": false, "tags": ["new", "vip"], "empty": [],
        "customer": {"country": "CH", "id": "cus_7"}, "items": [{"sku": "A-1", "n": 1}, {"sku": "B-2", "n": 5}]
    }"#;

    #[test]
    fn each_operator_takes_what_it_says() {
        for pattern in [
            r#"{"status": ["paid"]}"#,
            r#"{"status": ["open", "paid"]}"#,
            r#"{"note": [null]}"#,
            r#"{"gift": [false]}"#,
            r#"{"amount": [120.5]}"#,
            r#"{"amount": [{"numeric": [">", 100]}]}"#,
            r#"{"amount": [{"numeric": [">=", 120.5, "<", 121]}]}"#,
            r#"{"amount": [{"numeric": ["=", 1205e-1]}]}"#,
            r#"{"status": [{"prefix": "pa"}]}"#,
            r#"{"status": [{"suffix": "id"}]}"#,
            r#"{"coupon": [{"exists": false}]}"#,
            r#"{"note": [{"exists": true}]}"#,
            r#"{"status": [{"anything-but": "open"}]}"#,
            r#"{"status": [{"anything-but": ["open", "void"]}]}"#,
            r#"{"status": [{"anything-but": {"prefix": "re"}}]}"#,
            r#"{"customer": {"country": ["CH", "LI"]}}"#,
            r#"{"customer": {"vat": [{"exists": false}]}}"#,
            r#"{"shipping": {"vat": [{"exists": false}]}}"#,
            r#"{"$or": [{"status": ["open"]}, {"amount": [{"numeric": [">", 100]}]}]}"#,
            r#"{"status": ["paid"], "$or": [{"gift": [true]}, {"tags": ["vip"]}]}"#,
        ] {
            assert!(takes(pattern, ORDER), "{pattern}");
        }
    }

    #[test]
    fn each_operator_leaves_out_the_rest() {
        for pattern in [
            r#"{"status": ["Paid"]}"#,
            r#"{"status": ["paid"], "gift": [true]}"#,
            r#"{"coupon": [null]}"#,
            r#"{"gift": [null, "false", 0]}"#,
            r#"{"amount": ["120.50"]}"#,
            r#"{"amount": [{"numeric": [">", 120.5]}]}"#,
            r#"{"amount": [{"numeric": [">=", 0, "<", 120.5]}]}"#,
            r#"{"status": [{"numeric": [">", 0]}]}"#,
            r#"{"amount": [{"prefix": "1"}]}"#,
            r#"{"status": [{"exists": false}]}"#,
            r#"{"coupon": [{"exists": true}]}"#,
            r#"{"status": [{"anything-but": ["open", "paid"]}]}"#,
            r#"{"coupon": [{"anything-but": "x"}]}"#,
            r#"{"tags": [{"anything-but": "vip"}]}"#,
            r#"{"status": [{"anything-but": {"prefix": "pa"}}]}"#,
            r#"{"customer": ["CH"]}"#,
            r#"{"status": {"country": ["CH"]}}"#,
            r#"{"empty": [null, ""]}"#,
            r#"{"$or": [{"status": ["open"]}, {"amount": [{"numeric": [">", 1000]}]}]}"#,
            r#"{"status": ["open"], "$or": [{"tags": ["vip"]}]}"#,
        ] {
            assert!(!takes(pattern, ORDER), "{pattern}");
        }
    }

    #[test]
    fn of_a_list_one_element_is_enough_but_it_must_hold_whole() {
        assert!(takes(r#"{"tags": ["vip"]}"#, ORDER));
        assert!(takes(r#"{"items": {"sku": ["B-2"], "n": [5]}}"#, ORDER));
        assert!(!takes(r#"{"items": {"sku": ["A-1"], "n": [5]}}"#, ORDER));
        assert!(takes(r#"{"empty": {"sku": [{"exists": false}]}}"#, ORDER));
    }

    #[test]
    fn numbers_are_told_apart_beyond_a_doubles_digits() {
        let next = r#"{"n": 9007199254740993}"#;
        assert!(!takes(r#"{"n": [9007199254740992]}"#, next));
        assert!(takes(
            r#"{"n": [{"numeric": [">", 9007199254740992]}]}"#,
            next
        ));
        for (small, large) in [
            ("-2", "-1"),
            ("-1", "0"),
            ("0", "1e-9"),
            ("9", "10"),
            ("1.25", "1.3"),
            ("-1e3", "-999"),
        ] {
            let pattern = format!(r#"{{"n": [{{"numeric": ["<", {large}]}}]}}"#);
            assert!(
                takes(&pattern, &format!(r#"{{"n": {small}}}"#)),
                "{small} < {large}"
            );
            assert!(
                !takes(&pattern, &format!(r#"{{"n": {large}}}"#)),
                "{large} < {large}"
            );
        }
    }

    #[test]
    fn a_fault_names_its_place_in_the_pattern() {
        for (pattern, place) in [
            ("[]", "$: "),
            ("{}", "$: "),
            (r#"{"a": "x"}"#, "a: "),
            (r#"{"a": []}"#, "a: "),
            (r#"{"a": {}}"#, "a: "),
            (r#"{"a": [["x"]]}"#, "a[0]: "),
            (r#"{"a": [1, {}]}"#, "a[1]: "),
            (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "a[0]: "),
            (
                r#"{"a": {"b c": [{"prefix": 1}]}}"#,
                r#"a["b c"][0].prefix: "#,
            ),
            (r#"{"a": [{"like": "x"}]}"#, "a[0].like: is unknown"),
            (r#"{"a": [{"exists": "yes"}]}"#, "a[0].exists: "),
            (r#"{"a": [{"numeric": [">"]}]}"#, "a[0].numeric: "),
            (r#"{"a": [{"numeric": [">", "1"]}]}"#, "a[0].numeric: "),
            (r#"{"a": [{"numeric": ["!", 1]}]}"#, "a[0].numeric: "),
            (
                r#"{"a": [{"numeric": [">", 1, "<", 3, "=", 2]}]}"#,
                "a[0].numeric: ",
            ),
            (
                r#"{"a": [{"anything-but": {"exists": true}}]}"#,
                r#"a[0].anything-but: "#,
            ),
            (
                r#"{"a": [{"anything-but": [{"prefix": "x"}]}]}"#,
                "a[0].anything-but[0]: ",
            ),
            (r#"{"$or": {"a": [1]}}"#, r#"["$or"]: "#),
            (r#"{"$or": [{"a": [1]}, {"b": 1}]}"#, r#"["$or"][1].b: "#),
            (r#"{"$and": [{"a": [1]}]}"#, r#"["$and"]: is unknown"#),
        ] {
            let fault = fault(pattern);
            assert!(fault.starts_with(place), "{pattern} → {fault}");
        }
    }

    #[test]
    fn depth_and_size_have_bounds() {
        let nested = |depth: usize| format!("{}[1]{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(Filter::compile(&json(&nested(FILTER_DEPTH))).is_ok());
        assert!(fault(&nested(FILTER_DEPTH + 1)).ends_with("patterns deep"));

        let values = |count: usize| format!(r#"{{"a": [{}]}}"#, vec!["1"; count].join(","));
        assert!(Filter::compile(&json(&values(FILTER_PARTS))).is_ok());
        assert!(fault(&values(FILTER_PARTS + 1)).starts_with(&format!("a[{FILTER_PARTS}]: ")));

        // Each comparison is one.
        let ranges = |count: usize| {
            format!(
                r#"{{"a": [{}]}}"#,
                vec![r#"{"numeric": [">", 1, "<", 2]}"#; count].join(",")
            )
        };
        assert!(Filter::compile(&json(&ranges(FILTER_PARTS / 2))).is_ok());
        let one_too_many = format!("a[{}].numeric: a filter has at most", FILTER_PARTS / 2);
        assert!(fault(&ranges(FILTER_PARTS / 2 + 1)).starts_with(&one_too_many));

        let long = |count: usize| {
            let numbers: Vec<_> = (11..11 + count)
                .map(|n| format!("0.10000000000000{n}"))
                .collect();
            format!(r#"{{"a": [{}]}}"#, numbers.join(","))
        };
        assert!(Filter::compile(&json(&long(FILTER_LONG_NUMBERS))).is_ok());
        assert!(fault(&long(FILTER_LONG_NUMBERS + 1)).ends_with("numbers of more than 15 digits"));

        let choices = |depth: usize| {
            let (before, after) = (r#"{"b":[1],"$or":["#.repeat(depth), "]}".repeat(depth));
            format!(r#"{before}{{"a":[1]}}{after}"#)
        };
        assert!(Filter::compile(&json(&choices(FILTER_CHOICES))).is_ok());
        assert!(fault(&choices(FILTER_CHOICES + 1)).ends_with("on the same object"));

        let excluding = |count: usize| {
            format!(
                r#"{{"a": [{}]}}"#,
                vec![r#"{"anything-but": 1}"#; count].join(",")
            )
        };
        assert!(Filter::compile(&json(&excluding(FILTER_CONDITIONS))).is_ok());
        let one_too_many = format!("a[{FILTER_CONDITIONS}].anything-but: is one too many");
        assert!(fault(&excluding(FILTER_CONDITIONS + 1)).starts_with(&one_too_many));

        let long = "x".repeat(FILTER_BYTES);
        assert!(fault(&format!(r#"{{"a": ["{long}"]}}"#)).contains("bytes"));
    }

    /// Some 250 KB of lists, in which no element passes what is asked below.
    fn large_payloads() -> Vec<Json> {
        let list = |element: &str, count: usize| {
            json(&format!(r#"{{"a":[{}]}}"#, vec![element; count].join(",")))
        };
        let long = "a".repeat(400);
        vec![
            list("0", 125_000),
            list("1.5", 60_000),
            list(r#""""#, 80_000),
            list(&format!(r#""{long}b""#), 600),
            list("[]", 80_000),
            list("{}", 80_000),
            list(r#""a""#, 62_000),
            list(&format!(r#""{}""#, "a".repeat(70)), 3_400),
            list(r#"{"b":0}"#, 31_000),
            list(r#"{"b":{"c":0}}"#, 18_000),
            list(r#"{"b":[{"c":{"d":0.5}},0]}"#, 10_000),
            json(&format!(r#"{{"a":"{}"}}"#, "a".repeat(250_000))),
        ]
    }

    #[test]
    fn the_work_for_a_payload_is_bounded_by_its_size_whatever_the_filter() {
        let listed = |test: fn(usize) -> String, count: usize| {
            let tests: Vec<_> = (0..count).map(test).collect();
            tests.join(",")
        };
        let of_a = |tests: String| format!(r#"{{"a":[{tests}]}}"#);
        let within = |patterns: String| format!(r#"{{"a":{{"$or":[{patterns}]}}}}"#);
        for filter in [
            of_a(listed(|n| format!(r#""x{n}""#), 200)),
            of_a(listed(|n| n.to_string(), 200).replace("0", "7")),
            of_a(listed(
                |n| format!(r#"{{"numeric":[">",{n}.6,"<",{n}.7]}}"#),
                100,
            )),
            of_a(listed(
                |n| format!(r#"{{"prefix":"{}b"}}"#, "a".repeat(n + 1)),
                70,
            )),
            of_a(listed(
                |n| format!(r#"{{"suffix":"{}"}}"#, "a".repeat(n + 1)),
                70,
            )),
            of_a(listed(
                |n| format!(r#"{{"anything-but":["y{n}",0,1.5,""]}}"#),
                32,
            )),
            of_a(listed(
                |n| {
                    let text = "a".repeat(n + 1);
                    format!(r#"{{"prefix":"{text}"}},{{"suffix":"{text}"}}"#)
                },
                70,
            )),
            format!(
                r#"{{"$or":[{}]}}"#,
                listed(|n| format!(r#"{{"a":["z{n}"]}}"#), 31)
            ),
            within(listed(|n| format!(r#"{{"b":["z{n}"]}}"#), 31)),
            r#"{"$or":[{"a":["x",9]},{"a":{"b":["y"]}}]}"#.to_owned(),
            within(listed(|n| format!(r#"{{"b":{{"c":[{n}.5]}}}}"#), 31)),
            within(listed(
                |n| format!(r#"{{"b":[{{"anything-but":[{n}]}}]}}"#),
                31,
            )),
            within(listed(|n| format!(r#"{{"b":[0],"c":[{n}]}}"#), 10)),
            within(r#"{"b":[0],"$or":[{"b":[1]},{"b":[2],"c":[3]}]}"#.to_owned()),
            within(listed(
                |n| format!(r#"{{"b":{{"c":{{"d":[{n}]}}}},"e{n}":[{{"exists":true}}]}}"#),
                8,
            )),
        ] {
            let filter = Filter::compile(&json(&filter))
                .unwrap_or_else(|fault| panic!("{filter:.80}: {fault}"));
            for payload in large_payloads() {
                let bytes = serde_json::to_vec(&payload).unwrap().len();
                let asked = filter.ask(&payload);
                let most = FILTER_WORK_PER_BYTE * bytes + 1_000;
                assert!(asked.work <= most, "{} for {bytes} bytes", asked.work);
            }
        }
    }

    #[test]
    fn few_conditions_are_on_the_same_object() {
        let patterns = |count: usize| {
            let patterns: Vec<_> = (0..count).map(|n| format!(r#"{{"b":[{n}]}}"#)).collect();
            patterns.join(",")
        };
        let most = FILTER_CONDITIONS - 1;
        let of_member = |count| format!(r#"{{"a":{{"$or":[{}]}}}}"#, patterns(count));
        assert!(Filter::compile(&json(&of_member(most))).is_ok());
        // A pattern of a choice with several conditions is one itself.
        let pairs = |count| patterns(count).replace('}', r#","c":[1]}"#);
        let of_pairs = |count| format!(r#"{{"a":{{"$or":[{}]}}}}"#, pairs(count));
        assert!(Filter::compile(&json(&of_pairs(most / 3))).is_ok());
        assert!(fault(&of_pairs(most / 3 + 1)).starts_with(&format!(r#"a["$or"][{}]"#, most / 3)));
        let fault = fault(&of_member(most + 1));
        assert!(
            fault.starts_with(&format!(r#"a["$or"][{most}].b: is one too many"#)),
            "{fault}"
        );
    }

    #[test]
    fn an_index_finds_what_the_tests_one_by_one_would() {
        for (tests, taken, left_out) in [
            (
                r#"["b", "a", "b"]"#,
                r#"["a", "b", ["c", "b"]]"#,
                r#"["c", "", 0, null, {}, ["c"], []]"#,
            ),
            (
                r#"[{"prefix": "aa"}, {"prefix": "a"}, {"prefix": "b"}]"#,
                r#"["a", "aac", "b"]"#,
                r#"["", "ca", 1]"#,
            ),
            (
                r#"[{"prefix": "ab"}, {"prefix": "abcd"}]"#,
                r#"["ab", "abc", "abcde"]"#,
                r#"["a", "ac"]"#,
            ),
            (
                r#"[{"suffix": "ü"}, {"suffix": "xü"}]"#,
                r#"["ü", "xü", "aü"]"#,
                r#"["u", "üx"]"#,
            ),
            (
                r#"[{"numeric": [">=", 1, "<", 2.5]}, 7, {"numeric": ["<", -1e20]}]"#,
                r#"[1, 1.0, 2, 2.49, 7, 70e-1, -1e21]"#,
                r#"[0, 2.5, 3, 6.9, 8, -1e20, "1"]"#,
            ),
            (
                r#"[{"numeric": ["=", 0.5]}]"#,
                r#"[0.5, 5e-1, [0, 0.5]]"#,
                r#"[0, 1, 0.4]"#,
            ),
            (
                r#"[{"anything-but": ["a", 1]}]"#,
                r#"["b", 2, null, [], ["b"], {}]"#,
                r#"["a", 1, 1.0, ["b", "a"]]"#,
            ),
            (
                r#"[{"anything-but": "a"}, {"anything-but": "b"}]"#,
                r#"["a", "b", "c", ["a", "c"]]"#,
                r#"[["a", "b"]]"#,
            ),
            (r#"[{"exists": true}]"#, r#"[null, [], {}, 0]"#, r#"[]"#),
            (
                r#"[true, null]"#,
                r#"[true, null, [false, null]]"#,
                r#"[false, "null", 0]"#,
            ),
        ] {
            let filter = Filter::compile(&json(&format!(r#"{{"a": {tests}}}"#))).unwrap();
            for (values, expected) in [(taken, true), (left_out, false)] {
                for value in json(values).as_array().unwrap() {
                    let payload = Json::Object(vec![("a".to_owned(), value.clone())]);
                    assert_eq!(filter.ask(&payload).takes, expected, "{tests} of {value:?}");
                }
            }
        }
    }

    /// Whether a pattern holds of a value, asked as it is written.
    fn holds(pattern: &Json, value: &Json) -> bool {
        pattern.as_object().unwrap().iter().all(|(name, wanted)| {
            let member = value.get(name);
            match (wanted, member) {
                (Json::Array(patterns), _) if name == "$or" => {
                    patterns.iter().any(|pattern| holds(pattern, value))
                }
                (Json::Array(tests), None) => tests
                    .iter()
                    .any(|test| test.get("exists") == Some(&Json::Bool(false))),
                (Json::Array(tests), Some(value)) => tests.iter().any(|test| passes(test, value)),
                (pattern, Some(Json::Array(elements))) if !elements.is_empty() => {
                    elements.iter().any(|element| holds(pattern, element))
                }
                (pattern, value) => holds(pattern, value.unwrap_or(&Json::Null)),
            }
        })
    }

    fn passes(test: &Json, value: &Json) -> bool {
        let hits = |test: &Json| match value {
            Json::Array(elements) => elements.iter().any(|element| hits(test, element)),
            value => hits(test, value),
        };
        match (test.get("exists"), test.get("anything-but")) {
            (Some(exists), _) => exists == &Json::Bool(true),
            (_, Some(Json::Array(excluded))) => !excluded.iter().any(hits),
            (_, Some(excluded)) => !hits(excluded),
            _ => hits(test),
        }
    }

    fn hits(test: &Json, value: &Json) -> bool {
        let number = |json: &Json| match json {
            Json::Number(raw) => Some(Decimal::of(raw)),
            _ => None,
        };
        let text = value.as_str();
        if let Some(prefix) = test.get("prefix") {
            return text.is_some_and(|text| text.starts_with(prefix.as_str().unwrap()));
        }
        if let Some(suffix) = test.get("suffix") {
            return text.is_some_and(|text| text.ends_with(suffix.as_str().unwrap()));
        }
        if let Some(bounds) = test.get("numeric") {
            let (pairs, _) = bounds.as_array().unwrap().as_chunks::<2>();
            return number(value).is_some_and(|value| {
                pairs.iter().all(|[comparison, bound]| {
                    let bound = number(bound).unwrap();
                    match comparison.as_str().unwrap() {
                        "=" => value == bound,
                        "<" => value < bound,
                        "<=" => value <= bound,
                        ">" => value > bound,
                        _ => value >= bound,
                    }
                })
            });
        }
        match (number(test), number(value)) {
            (Some(test), Some(value)) => test == value,
            _ => test == value && !matches!(value, Json::Array(_) | Json::Object(_)),
        }
    }

    fn a_pattern() -> impl Strategy<Value = String> {
        let literal =
            r#""([xy]{0,2}|y{7,10}|y{15,18})"|-?[0-3](\.5)?|1\.0000000000000001|null|true"#;
        let operator = r#"\{"(prefix|suffix)":"([xy]|y{7,10}|y{15,17})"\}|\{"numeric":\["(=|<|<=|>|>=)",[0-3]\]\}"#;
        let excluded = prop_oneof![
            operator.prop_map(String::from),
            prop::collection::vec(literal, 1..3).prop_map(|list| format!("[{}]", list.join(","))),
        ];
        let test = prop_oneof![
            2 => literal.prop_map(String::from),
            2 => operator.prop_map(String::from),
            1 => r#"\{"exists":(true|false)\}"#.prop_map(String::from),
            1 => excluded.prop_map(|excluded| format!(r#"{{"anything-but":{excluded}}}"#)),
        ];
        let tests =
            prop::collection::vec(test, 1..4).prop_map(|tests| format!("[{}]", tests.join(",")));
        let leaf = prop::collection::btree_map("[a-d]", tests, 1..3).prop_map(object);
        leaf.prop_recursive(3, 16, 4, |inner| {
            let choice = prop::collection::vec(inner.clone(), 1..4);
            let choice = choice.prop_map(|patterns| format!("[{}]", patterns.join(",")));
            let within = prop::collection::btree_map("[a-d]", inner, 0..3);
            (prop::option::of(choice), within).prop_filter_map(
                "is empty",
                |(choice, mut members)| {
                    members.extend(choice.map(|choice| ("$or".to_owned(), choice)));
                    (!members.is_empty()).then(|| object(members))
                },
            )
        })
    }

    fn a_payload() -> impl Strategy<Value = String> {
        let scalar = r#""([xy]{0,3}|x?y{6,11}|y{15,18}x?)"|-?[0-3](\.5)?|1\.000000000000000[12]|1e0|null|true|\[\]|\{\}"#;
        let value = scalar.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|list| format!("[{}]", list.join(","))),
                prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(object),
            ]
        });
        prop::collection::btree_map("[a-d]", value, 0..5).prop_map(object)
    }

    fn object(members: std::collections::BTreeMap<String, String>) -> String {
        let members = members.iter();
        let members: Vec<_> = members
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

        /// Places, indices and sets of conditions take what the pattern takes as it is written.
        #[test]
        fn what_is_taken_is_what_the_pattern_says(
            pattern in a_pattern(),
            payloads in prop::collection::vec(a_payload(), 1..8),
        ) {
            let pattern = json(&pattern);
            let filter = Filter::compile(&pattern);
            // A few have too many long numbers.
            prop_assume!(filter.is_ok());
            let filter = filter.unwrap();
            for payload in payloads {
                let payload = json(&payload);
                prop_assert_eq!(filter.ask(&payload).takes, holds(&pattern, &payload), "{:?}", payload);
            }
        }
    }

    #[test]
    fn a_stored_filter_that_is_refused_by_now_takes_nothing_and_shows_what_it_was() {
        let given = json(r#"{"a": [{"like": "x"}]}"#);
        let filter = Filter::stored(given.clone());
        assert!(!filter.ask(&json(r#"{"a": "x"}"#)).takes);
        assert_eq!(
            serde_json::to_string(&filter).unwrap(),
            serde_json::to_string(&given).unwrap()
        );
    }
}

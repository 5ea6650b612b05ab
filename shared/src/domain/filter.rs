//! Filters: which payloads a webhook takes, by a pattern in the manner of EventBridge's.
//!
//! A pattern is an object, and all its members must hold. A member names a member of the payload: an object is a pattern for the
//! object that is there, a list holds the [`Test`]s of which one must pass. `$or` is a list of patterns of which one must hold.
//! Where the payload has a list, one of its elements is enough. Numbers are compared by their exact decimal values.

use serde::{Serialize, Serializer};

use crate::{
    json::{Decimal, Json, JsonFault},
    limits::{FILTER_BYTES, FILTER_DEPTH, FILTER_PARTS},
};

const OPERATORS: &str = "`prefix`, `suffix`, `numeric`, `exists` and `anything-but`";

/// A pattern, as given and as it is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    given: Json,
    pattern: Pattern,
}

/// What must hold of an object, all of it.
type Pattern = Vec<Condition>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// The member `name` passes one of the tests.
    Member { name: String, tests: Vec<Test> },
    /// The pattern holds of the object that the member `name` is.
    Within { name: String, pattern: Pattern },
    /// One of the patterns holds.
    Or(Vec<Pattern>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Prefix(String),
    Suffix(String),
    Numeric(Vec<(Comparison, Decimal)>),
    Exists(bool),
    AnythingBut(Vec<Test>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
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
        let mut compiler = Compiler { parts: 0 };
        Ok(Self {
            pattern: compiler.pattern(given, 1)?,
            given: given.clone(),
        })
    }

    /// Whether the webhook takes this payload.
    #[must_use]
    pub fn takes(&self, payload: &Json) -> bool {
        holds(&self.pattern, payload)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given.serialize(serializer)
    }
}

fn holds(pattern: &Pattern, object: &Json) -> bool {
    pattern.iter().all(|condition| condition.holds(object))
}

impl Condition {
    fn holds(&self, object: &Json) -> bool {
        match self {
            Self::Member { name, tests } => {
                let value = object.get(name);
                tests.iter().any(|test| test.passes(value))
            }
            Self::Within { name, pattern } => match object.get(name) {
                Some(Json::Array(elements)) if !elements.is_empty() => {
                    elements.iter().any(|element| holds(pattern, element))
                }
                // What is no object has no members: `exists` with `false` holds of each.
                value => holds(pattern, value.unwrap_or(&Json::Null)),
            },
            Self::Or(patterns) => patterns.iter().any(|pattern| holds(pattern, object)),
        }
    }
}

impl Test {
    fn passes(&self, value: Option<&Json>) -> bool {
        match (self, value) {
            (Self::Exists(expected), value) => value.is_some() == *expected,
            (_, None) => false,
            (Self::AnythingBut(excluded), value) => {
                !excluded.iter().any(|excluded| excluded.passes(value))
            }
            (_, Some(Json::Array(elements))) => {
                elements.iter().any(|element| self.is_passed_by(element))
            }
            (_, Some(value)) => self.is_passed_by(value),
        }
    }

    /// Whether a value that is no list passes.
    fn is_passed_by(&self, value: &Json) -> bool {
        match (self, value) {
            (Self::Null, Json::Null) => true,
            (Self::Bool(expected), Json::Bool(value)) => value == expected,
            (Self::Text(expected), Json::String(value)) => value == expected,
            (Self::Prefix(prefix), Json::String(value)) => value.starts_with(prefix),
            (Self::Suffix(suffix), Json::String(value)) => value.ends_with(suffix),
            (Self::Number(expected), Json::Number(value)) => Decimal::of(value) == *expected,
            (Self::Numeric(bounds), Json::Number(value)) => {
                let value = Decimal::of(value);
                bounds.iter().all(|(comparison, bound)| match comparison {
                    Comparison::Equal => value == *bound,
                    Comparison::Less => value < *bound,
                    Comparison::AtMost => value <= *bound,
                    Comparison::Greater => value > *bound,
                    Comparison::AtLeast => value >= *bound,
                })
            }
            _ => false,
        }
    }
}

/// Reads patterns, counting what they have.
struct Compiler {
    parts: usize,
}

impl Compiler {
    fn pattern(&mut self, value: &Json, depth: usize) -> Result<Pattern, JsonFault> {
        let members = value
            .as_object()
            .filter(|members| !members.is_empty())
            .ok_or_else(|| {
                JsonFault::new("must be an object that names a member of the payload")
            })?;
        if depth > FILTER_DEPTH {
            let reason = format!("must be at most {FILTER_DEPTH} patterns deep");
            return Err(JsonFault::new(reason));
        }
        members
            .iter()
            .map(|(name, value)| {
                self.condition(name, value, depth)
                    .map_err(|fault| fault.within(name))
            })
            .collect()
    }

    fn condition(
        &mut self,
        name: &str,
        value: &Json,
        depth: usize,
    ) -> Result<Condition, JsonFault> {
        if name == "$or" {
            let patterns = each(value, "patterns", |pattern| {
                self.pattern(pattern, depth + 1)
            });
            return patterns.map(Condition::Or);
        }
        if name.starts_with('$') {
            return Err(JsonFault::new("is unknown; there is `$or`"));
        }
        let name = name.to_owned();
        match value {
            Json::Object(_) => Ok(Condition::Within {
                name,
                pattern: self.pattern(value, depth + 1)?,
            }),
            Json::Array(_) => Ok(Condition::Member {
                name,
                tests: each(value, "values or operators", |test| self.test(test))?,
            }),
            _ => Err(JsonFault::new(
                "must be a list of the values to take, or an object for what lies within",
            )),
        }
    }

    fn test(&mut self, value: &Json) -> Result<Test, JsonFault> {
        self.parts += 1;
        if self.parts > FILTER_PARTS {
            let reason = format!("a filter has at most {FILTER_PARTS} values and operators");
            return Err(JsonFault::new(reason));
        }
        match value {
            Json::Object(members) => match members.as_slice() {
                [(operator, value)] => self
                    .operator(operator, value)
                    .map_err(|fault| fault.within(operator)),
                _ => {
                    let reason = format!("must have exactly one of {OPERATORS}");
                    Err(JsonFault::new(reason))
                }
            },
            value => literal(value),
        }
    }

    fn operator(&mut self, operator: &str, value: &Json) -> Result<Test, JsonFault> {
        match operator {
            "prefix" => affix(value).map(Test::Prefix),
            "suffix" => affix(value).map(Test::Suffix),
            "numeric" => numeric(value),
            "exists" => {
                let exists = value.as_bool().map(Test::Exists);
                exists.ok_or_else(|| JsonFault::new("must be true or false"))
            }
            "anything-but" => self.anything_but(value),
            _ => Err(JsonFault::new(format!("is unknown; there are {OPERATORS}"))),
        }
    }

    fn anything_but(&mut self, value: &Json) -> Result<Test, JsonFault> {
        let excluded = match value {
            Json::Array(_) => each(value, "values", |value| {
                if value.as_object().is_some() {
                    return literal(value);
                }
                self.test(value)
            })?,
            value => vec![self.test(value)?],
        };
        let simple = |test: &Test| !matches!(test, Test::Exists(_) | Test::AnythingBut(_));
        if !excluded.iter().all(simple) {
            let reason = "must be a value, a list of values, or an object with `prefix`, `suffix` or `numeric`";
            return Err(JsonFault::new(reason));
        }
        Ok(Test::AnythingBut(excluded))
    }
}

/// Reads each element of a list that is not empty.
fn each<T>(
    value: &Json,
    what: &str,
    mut read: impl FnMut(&Json) -> Result<T, JsonFault>,
) -> Result<Vec<T>, JsonFault> {
    let elements = value
        .as_array()
        .filter(|elements| !elements.is_empty())
        .ok_or_else(|| JsonFault::new(format!("must be a list of {what}")))?;
    let read = elements
        .iter()
        .enumerate()
        .map(|(index, element)| read(element).map_err(|fault| fault.at(index)));
    read.collect()
}

fn literal(value: &Json) -> Result<Test, JsonFault> {
    match value {
        Json::Null => Ok(Test::Null),
        Json::Bool(value) => Ok(Test::Bool(*value)),
        Json::Number(value) => Ok(Test::Number(Decimal::of(value))),
        Json::String(value) => Ok(Test::Text(value.clone())),
        Json::Array(_) | Json::Object(_) => Err(JsonFault::new(
            "must be a text, a number, true, false or null",
        )),
    }
}

fn affix(value: &Json) -> Result<String, JsonFault> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| JsonFault::new("must be a text that is not empty"))
}

/// One comparison, or two for a range: `[">=", 10, "<", 20]`.
fn numeric(value: &Json) -> Result<Test, JsonFault> {
    let fault = || {
        let reason = "must be one or two comparisons, such as [\">=\", 10, \"<\", 20]; there are =, <, <=, > and >=";
        JsonFault::new(reason)
    };
    let elements = value.as_array().ok_or_else(fault)?;
    let (pairs, rest) = elements.as_chunks::<2>();
    if !(1..=2).contains(&pairs.len()) || !rest.is_empty() {
        return Err(fault());
    }
    let bounds = pairs.iter().map(|[comparison, bound]| {
        let comparison = match comparison.as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::AtMost,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::AtLeast,
            _ => return Err(fault()),
        };
        match bound {
            Json::Number(bound) => Ok((comparison, Decimal::of(bound))),
            _ => Err(fault()),
        }
    });
    Ok(Test::Numeric(bounds.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 100).unwrap()
    }

    fn takes(pattern: &str, payload: &str) -> bool {
        Filter::compile(&json(pattern))
            .unwrap()
            .takes(&json(payload))
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

        let long = "x".repeat(FILTER_BYTES);
        assert!(fault(&format!(r#"{{"a": ["{long}"]}}"#)).contains("bytes"));
    }
}

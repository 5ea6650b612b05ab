use proptest::prelude::*;

use super::*;
use crate::limits::{
    SCHEMA_REPORTS, SCHEMA_VIOLATIONS, SCHEMA_WORK, SCHEMA_WORK_ONCE, SCHEMA_WORK_PER_BYTE,
};

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), 200).unwrap()
}

fn schema(text: &str) -> Schema {
    Schema::compile(&json(text)).unwrap()
}

/// What is wrong with a value, a line each.
fn violations(schema_text: &str, value: &str) -> Vec<String> {
    let violations = schema(schema_text).check(&json(value)).violations;
    let line = |violation: Violation| format!("{}: {}", violation.path, violation.problem);
    violations.into_iter().map(line).collect()
}

/// Schemas that together have every keyword, and for each of the values whether the crate `jsonschema` 0.60, a complete
/// implementation of Draft 2020-12, calls it valid (`1`).
const VERDICTS: &str = include_str!("verdicts.json");

#[test]
fn the_verdicts_are_those_of_a_complete_implementation() {
    let verdicts = json(VERDICTS);
    let values = verdicts.get("values").and_then(Json::as_array).unwrap();
    let cases = verdicts.get("cases").and_then(Json::as_array).unwrap();
    assert_eq!((values.len(), cases.len()), (37, 38));
    for case in cases {
        let given = case.get("schema").unwrap();
        let schema = Schema::compile(given).unwrap();
        let expected = case.get("valid").and_then(Json::as_str).unwrap();
        for (value, expected) in values.iter().zip(expected.chars()) {
            let violations = schema.check(value).violations;
            assert_eq!(
                violations.is_empty(),
                expected == '1',
                "{given:?} of {value:?}: {violations:?}"
            );
        }
    }
}

#[test]
fn every_violation_is_named_by_its_place() {
    let order = r#"{
        "required": ["id"],
        "properties": {
            "status": {"enum": ["open", "paid"]},
            "items": {"type": "array", "items": {
                "properties": {"sku": {"type": "string", "pattern": "^[A-Z]-"}, "n": {"type": "integer", "minimum": 1}},
                "additionalProperties": false
            }}
        }
    }"#;
    assert!(
        violations(
            order,
            r#"{"id": 1, "status": "open", "items": [{"sku": "A-1", "n": 2}]}"#
        )
        .is_empty()
    );
    assert_eq!(
        violations(
            order,
            r#"{"status": "void", "items": [{"sku": "A-1", "n": 0}, {"sku": 7, "n": 1.5, "odd key": 1}]}"#
        ),
        [
            "id: is required",
            r#"status: must be one of "open", "paid""#,
            "items[0].n: must be at least 1",
            "items[1].sku: must be a string",
            "items[1].n: must be an integer",
            r#"items[1]["odd key"]: is not allowed here"#,
        ]
    );
    assert_eq!(
        violations(r#"{"type": ["object", "null"]}"#, "[]"),
        ["$: must be an object or null"]
    );
}

#[test]
fn numbers_are_compared_beyond_a_doubles_digits() {
    let exact = r#"{"maximum": 9007199254740992}"#;
    assert!(violations(exact, "9007199254740992").is_empty());
    assert_eq!(violations(exact, "9007199254740993").len(), 1);
    let cents = r#"{"multipleOf": 0.01}"#;
    for (value, valid) in [
        ("19.99", true),
        ("1e3", true),
        ("0.005", false),
        ("1e300", true),
        ("0", true),
        ("-0.07", true),
    ] {
        assert_eq!(violations(cents, value).is_empty(), valid, "{value}");
    }
}

#[test]
fn what_is_no_schema_or_not_supported_is_named_by_its_place() {
    for (text, place) in [
        ("[]", "$: must be an object"),
        (r#"{"type": "text"}"#, "type: "),
        (r#"{"type": []}"#, "type: "),
        (
            r#"{"properties": {"a": {"minimum": "1"}}}"#,
            "properties.a.minimum: must be a number",
        ),
        (r#"{"properties": {"a": 1}}"#, "properties.a: "),
        (
            r#"{"allOf": [true, {"unevaluatedProperties": false}]}"#,
            "allOf[1].unevaluatedProperties: is not supported",
        ),
        (r#"{"items": [{}]}"#, "items: "),
        (r#"{"pattern": "("}"#, "pattern: "),
        (r#"{"pattern": "(?=a)"}"#, "pattern: "),
        (
            r#"{"patternProperties": {"(": true}}"#,
            r#"patternProperties["("]: "#,
        ),
        (r#"{"minLength": -1}"#, "minLength: "),
        (r#"{"multipleOf": 0}"#, "multipleOf: "),
        (r#"{"multipleOf": 1e-99999999999}"#, "multipleOf: "),
        (r#"{"required": ["a", 1]}"#, "required: "),
        (r##"{"$ref": "#/$defs/a"}"##, r#"["$ref"]: "#),
        (r#"{"$ref": "https://example.com/schema"}"#, r#"["$ref"]: "#),
        (r#"{"if": {"like": 1}}"#, "if.like: is not supported"),
    ] {
        let fault = Schema::compile(&json(text)).unwrap_err().to_string();
        assert!(fault.starts_with(place), "{text} → {fault}");
    }
    let large = format!(r#"{{"title": "{}"}}"#, "x".repeat(SCHEMA_BYTES));
    assert!(Schema::compile(&json(&large)).is_err());
}

/// What is wrong with a schema that is refused.
fn fault(schema: &str) -> String {
    Schema::compile(&json(schema)).unwrap_err().to_string()
}

/// The work for a value, which is no more than may be.
fn work(schema: &Schema, value: &Json) -> usize {
    let Checked {
        violations, work, ..
    } = schema.check(value);
    let stopped = |violation: &Violation| violation.problem.starts_with("takes too long");
    assert!(
        work <= SCHEMA_WORK && !violations.iter().any(stopped),
        "{work}"
    );
    work
}

/// Some 250 KB in which there is as much as possible of everything.
fn large_values() -> Vec<Json> {
    let list = |element: &str, count: usize| json(&format!("[{}]", vec![element; count].join(",")));
    let numbered = |element: fn(usize) -> String, count: usize| {
        let elements: Vec<_> = (0..count).map(element).collect();
        json(&format!("[{}]", elements.join(",")))
    };
    let object = |value: &str, count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!(r#""k{n}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let deep = |open: &str, close: &str, times: usize| {
        let one = format!("{}0{}", open.repeat(95), close.repeat(95));
        json(&format!("[{}]", vec![one; times].join(",")))
    };
    vec![
        list("0", 125_000),
        list("1e300", 40_000),
        list("\"\"", 80_000),
        list("[]", 80_000),
        list("{}", 80_000),
        list("null", 50_000),
        list(r#"{"a":0,"b":[]}"#, 17_000),
        list(r#"{"k0":"x","k1":{"k2":[0]}}"#, 9_000),
        numbered(|n| n.to_string(), 40_000),
        numbered(|n| format!("[{n}]"), 30_000),
        json(&format!(r#""{}""#, "a".repeat(250_000))),
        json(&object("0", 23_000)),
        json(&object("[{\"k1\":0}]", 11_000)),
        deep("[", "]", 1_300),
        deep(r#"{"a":"#, "}", 400),
        deep(r#"[{"k0":"#, "}]", 300),
        json(&format!(r#"{{"s": "{}", "a": [0]}}"#, "a".repeat(250_000))),
    ]
}

#[test]
fn whatever_is_accepted_stays_within_its_work_whatever_comes() {
    let values = large_values();
    let quoted = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!(r#""k{n}""#)).collect();
        names.join(",")
    };
    let mut schemas = vec![
        r#"{"uniqueItems": true, "items": {"uniqueItems": true}}"#.to_owned(),
        r#"{"items": {"multipleOf": 7e-2}}"#.to_owned(),
        r#"{"items": {"type": "string", "pattern": "^(a|b)*[^x]{2,9}$", "maxLength": 9}}"#.to_owned(),
        r#"{"pattern": "^[a-z]+$", "allOf": [{"pattern": "a$"}, {"pattern": "^[^b]*$"}]}"#.to_owned(),
        r#"{"patternProperties": {"^k": {"type": "number"}, "1$": {"minimum": 0}}, "additionalProperties": {"type": "array"}}"#.to_owned(),
        r#"{"propertyNames": {"pattern": "^k[0-9]+$", "maxLength": 8}}"#.to_owned(),
        r#"{"items": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]}, "contains": {"type": "null"}}"#.to_owned(),
        r##"{"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}"##.to_owned(),
        r##"{"additionalProperties": {"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"not": {"not": {"$ref": "#"}}}]}, "items": {"$ref": "#"}}"##.to_owned(),
        format!(r#"{{"required": [{}]}}"#, quoted(2_000)),
        format!(r#"{{"enum": [{}, [{}]]}}"#, quoted(900), quoted(900)),
        format!(r#"{{"items": {{"enum": [{}]}}}}"#, quoted(2_000)),
    ];
    let constants: Vec<_> = (0..900).map(|n| format!(r#"{{"const":{n}}}"#)).collect();
    let references = vec![r##"{"$ref":"#/$defs/a"}"##; 700].join(",");
    schemas.push(format!(
        r##"{{"anyOf":[{references}],"$defs":{{"a":{{"anyOf":[{}]}}}}}}"##,
        constants.join(",")
    ));
    for text in schemas {
        let schema =
            Schema::compile(&json(&text)).unwrap_or_else(|fault| panic!("{text:.200}: {fault}"));
        for value in &values {
            work(&schema, value);
        }
    }
}

#[test]
fn what_could_cost_too_much_is_refused_by_its_place() {
    let list = |schema: &str, count: usize| vec![schema; count].join(",");
    let numbered = |schema: fn(usize) -> String, count: usize| {
        let schemas: Vec<_> = (0..count).map(schema).collect();
        schemas.join(",")
    };
    let constants = numbered(|n| format!(r#"{{"const":{n}}}"#), 900);
    let patterns = numbered(|n| format!(r#"{{"pattern":"a{n}"}}"#), 30);
    let names = numbered(|n| format!(r#""k{n}""#), 2_000);
    for (schema, place) in [
        (format!(r#"{{"items":{{"anyOf":[{constants}]}}}}"#), "items: might take too much work"),
        (format!(r#"{{"additionalProperties":{{"oneOf":[{constants}]}}}}"#), "additionalProperties: might take too much"),
        (format!(r#"{{"properties":{{"a":{{"items":{{"allOf":[{constants}]}}}}}}}}"#), "properties.a.items: might take"),
        (format!(r#"{{"items":{{"required":[{names}]}}}}"#), "items: might take too much work"),
        (format!(r#"{{"properties":{{"s":{{"anyOf":[{patterns}]}}}}}}"#), "properties.s: might take too much work for each character"),
        (format!(r#"{{"propertyNames":{{"anyOf":[{patterns}]}}}}"#), "$: might take too much work for each character"),
        (r#"{"properties":{"s":{"pattern":"a{1000}{250}b"}}}"#.to_owned(), "properties.s.pattern: is too large"),
        (format!(r#"{{"anyOf":[{}]}}"#, list(r#"{"pattern":"a{1000}{240}"}"#, 50)), "anyOf[0].pattern: is too large"),
        (r#"{"pattern":"[ab]*a[ab]{30}"}"#.to_owned(), "pattern: is too large"),
        (format!(r#"{{"pattern":"{}"}}"#, "a".repeat(257)), "pattern: must have at most 256"),
        (r##"{"$ref":"#"}"##.to_owned(), "$: asks for itself"),
        (r##"{"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"anyOf":[true,{"$ref":"#/$defs/a"}]}},"items":{"$ref":"#/$defs/a"}}"##.to_owned(),
            r#"["$defs"].a: asks for itself"#),
    ] {
        let fault = fault(&schema);
        assert!(fault.starts_with(place), "{schema:.200}: {fault}");
    }
    let fault = fault(&format!(
        r#"{{"properties":{{"a/b":{{"items":{{"anyOf":[{constants}]}}}}}}}}"#
    ));
    assert!(fault.ends_with("(#/properties/a~1b/items)"), "{fault}");
}

#[test]
fn many_patterns_share_one_room() {
    let patterns: Vec<_> = (0..200)
        .map(|n| format!(r#""a{n}":{{"pattern":"^.{{1,200}}{n}$"}}"#))
        .collect();
    let fault = fault(&format!(r#"{{"properties":{{{}}}}}"#, patterns.join(",")));
    assert!(fault.contains(".pattern: is too large"), "{fault}");
    // The same pattern is compiled once.
    let same: Vec<_> = (0..200)
        .map(|n| format!(r#""a{n}":{{"pattern":"^.{{1,100}}$"}}"#))
        .collect();
    schema(&format!(r#"{{"properties":{{{}}}}}"#, same.join(",")));
}

#[test]
fn a_reference_has_the_escapes_of_a_pointer_in_a_uri() {
    for reference in [
        "#/$defs/c d%25~1~0",
        "#/$defs/c%20d%25%7E1~0",
        "#/%24defs/c%20d%25~1%7e0",
    ] {
        let schema = format!(
            r##"{{"items": {{"$ref": "{reference}"}}, "$defs": {{"c d%/~": {{"type": "string"}}}}}}"##
        );
        // What is no escape stands for itself.
        let literal = schema.replace("d%25~", "d%~");
        for schema in [schema, literal] {
            assert_eq!(violations(&schema, "[1]").len(), 1, "{schema}");
            assert_eq!(violations(&schema, r#"["a"]"#).len(), 0, "{schema}");
        }
    }
    assert!(
        fault(r##"{"$ref": "#/$defs/%ff", "$defs": {"%ff": true}}"##)
            .contains("must lead to a place")
    );
}

#[test]
fn depth_is_counted_through_references() {
    let chain = |levels: usize| {
        let definitions: Vec<_> = (1..levels)
            .map(|n| format!(r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{}"}}]}}"##, n + 1))
            .collect();
        format!(
            r##"{{"$ref":"#/$defs/d1","$defs":{{{},"d{levels}":{{}}}}}}"##,
            definitions.join(",")
        )
    };
    // Two schemas a level: the definition and the branch of its `allOf`.
    schema(&chain(32));
    assert!(fault(&chain(33)).contains("lies too deep: at most 64"));
    // So deep that a walk along it would not return.
    assert!(fault(&chain(500)).contains("lies too deep"));
    let nested =
        |levels: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
    schema(&nested(63));
    assert!(fault(&nested(64)).contains("lies too deep"));
    // Read from its end, the chain is as deep.
    let references: Vec<_> = (1..=70)
        .rev()
        .map(|n| format!(r##"{{"$ref":"#/$defs/d{n}"}}"##))
        .collect();
    let definitions: Vec<_> = (1..70)
        .map(|n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}}"##, n + 1))
        .collect();
    let backwards = format!(
        r##"{{"anyOf":[{}],"$defs":{{{},"d70":{{}}}}}}"##,
        references.join(","),
        definitions.join(",")
    );
    assert!(fault(&backwards).contains("lies too deep"));
    // Going round is no depth: the value ends it.
    let tree = schema(
        r##"{"properties": {"children": {"items": {"$ref": "#"}}, "n": {"type": "number"}}}"##,
    );
    let deep = format!(
        "{}{{\"n\":\"x\"}}{}",
        r#"{"children":["#.repeat(49),
        "]}".repeat(49)
    );
    assert_eq!(tree.check(&json(&deep)).violations.len(), 1);
}

#[test]
fn a_schema_is_read_once_however_it_is_referred_to() {
    let properties: Vec<_> = (0..300)
        .map(|n| format!(r#""k{n}":{{"type":"string"}}"#))
        .collect();
    let references: Vec<_> = (1..500)
        .map(|n| format!(r##"{{"$ref":"#/allOf/{}0"}}"##, "0".repeat(n % 9)))
        .collect();
    let schema = schema(&format!(
        r#"{{"allOf":[{{"properties":{{{}}}}}],"anyOf":[{}]}}"#,
        properties.join(","),
        references.join(",")
    ));
    assert!(schema.size() < 1024 * 1024);
}

#[test]
fn ordinary_schemas_are_accepted() {
    for text in [
        r##"{"$defs": {"node": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "next": {"$ref": "#/$defs/node"},
            "children": {"type": "array", "maxItems": 100, "items": {"$ref": "#/$defs/node"}}}}]}}, "$ref": "#/$defs/node"}"##,
        r#"{"type": "object", "required": ["id", "total", "currency", "items"], "additionalProperties": false, "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": 64}, "total": {"type": "number", "minimum": 0, "multipleOf": 0.01},
            "currency": {"enum": ["EUR", "USD", "CHF"]}, "email": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$"},
            "items": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "object", "required": ["sku", "price"],
                "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{2,4}-[0-9]{1,8}$"}, "price": {"type": "number", "multipleOf": 0.01},
                "tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 32}}}}},
            "name": {"type": "string", "pattern": "^.{1,255}$"}}}"#,
        r##"{"$defs": {"block": {"oneOf": [
            {"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "text"}, "text": {"type": "string"}}},
            {"type": "object", "required": ["type", "content"], "properties": {"type": {"const": "quote"}, "content": {"items": {"$ref": "#/$defs/block"}}}}
        ]}}, "properties": {"blocks": {"type": "array", "items": {"$ref": "#/$defs/block"}}}}"##,
    ] {
        let schema = schema(text);
        for value in large_values() {
            work(&schema, &value);
        }
    }
}

#[test]
fn a_value_beyond_every_limit_is_given_up_within_a_not_as_well() {
    let text = r#"{"items": {"type": "number", "minimum": 1, "multipleOf": 2}}"#;
    let value = json(&format!("[{}]", vec!["2"; 500_000].join(",")));
    for schema in [
        schema(text),
        schema(&format!(r#"{{"not": {{"not": {text}}}}}"#)),
    ] {
        let checked = schema.check(&value);
        assert_eq!(
            checked.violations[0].problem,
            "takes too long to check against the schema of its type"
        );
        assert!(checked.work < 2 * SCHEMA_WORK);
    }
}

/// What docs/event-types.md says about `const` and `enum`.
#[test]
fn for_each_element_one_const_is_accepted_and_a_long_enum() {
    let of_elements = |schema: &str| format!(r#"{{"items":{schema}}}"#);
    let consts = |count: usize| {
        let consts: Vec<_> = (0..count).map(|n| format!(r#"{{"const":{n}}}"#)).collect();
        format!(r#"{{"anyOf":[{}]}}"#, consts.join(","))
    };
    schema(&of_elements(&consts(1)));
    let fault = fault(&of_elements(&consts(2)));
    assert!(fault.contains("`enum` instead of many `const`s"), "{fault}");
    let values: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    schema(&of_elements(&format!(
        r#"{{"enum":[{}]}}"#,
        values.join(",")
    )));
    schema(&format!(r#"{{"properties":{{"a":{}}}}}"#, consts(1_000)));
}

/// Unions of `count` kinds of objects that a member tells apart, in the ways in which catalogues write them.
fn unions(count: usize) -> Vec<String> {
    let kinds = |kind: &dyn Fn(usize) -> String| {
        let kinds: Vec<_> = (0..count).map(kind).collect();
        kinds.join(",")
    };
    let inline = kinds(&|n| {
        format!(
            r##"{{"type":"object","required":["type","id"],"properties":{{"type":{{"const":"kind{n}"}},"id":{{"type":"string","maxLength":64}},
            "amount{n}":{{"type":"integer","minimum":0}},"children":{{"type":"array","items":{{"$ref":"#/$defs/block"}}}}}}}}"##
        )
    });
    let references = kinds(&|n| format!(r##"{{"$ref":"#/$defs/kind{n}"}}"##));
    let defined = kinds(&|n| {
        format!(
            r##""kind{n}":{{"allOf":[{{"$ref":"#/$defs/base"}},{{"type":"object","required":["object"],"properties":{{"object":{{"type":"string","enum":["a{n}","b{n}"]}},
            "nested":{{"anyOf":[{{"type":"null"}},{{"$ref":"#/$defs/any"}}]}}}}}}]}}"##
        )
    });
    let base = r#""base":{"type":"object","required":["id"],"properties":{"id":{"type":"string","pattern":"^[a-z]+_[0-9A-Za-z]+$"},"created":{"type":"integer"}}}"#;
    vec![
        format!(
            r##"{{"properties":{{"blocks":{{"type":"array","items":{{"$ref":"#/$defs/block"}}}}}},"$defs":{{"block":{{"oneOf":[{inline}]}}}}}}"##
        ),
        format!(
            r##"{{"items":{{"$ref":"#/$defs/any"}},"additionalProperties":{{"$ref":"#/$defs/any"}},"$defs":{{"any":{{"anyOf":[{references}]}},{base},{defined}}}}}"##
        ),
    ]
}

#[test]
fn unions_of_many_kinds_are_accepted_and_cost_one_of_them() {
    let objects = |kind: &str| {
        let one = format!(r#"{{{kind},"id":"x_1","children":[],"nested":null}}"#);
        json(&format!(r#"{{"blocks":[{}]}}"#, vec![one; 4_000].join(",")))
    };
    let mut values = large_values();
    for kind in [
        r#""type":"kind3""#,
        r#""object":"b3""#,
        r#""type":0"#,
        r#""a":0"#,
    ] {
        values.push(objects(kind));
    }
    for count in [2, 3, 4, 10, 20] {
        for (text, most) in unions(count).iter().zip([20, 10]) {
            if count > most {
                continue;
            }
            let schema = schema(text);
            for value in &values {
                work(&schema, value);
            }
        }
    }
    // One member tells so many kinds apart, and no more.
    let fault = fault(&unions(100)[0]);
    assert!(fault.contains("too much"), "{fault}");
}

/// A schema out of what rules something out, or might seem to.
fn telling_schema() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\\{\"type\":\"(string|integer|array|object|null)\"\\}",
        "\\{\"type\":\\[\"(string|boolean)\",\"(object|null)\"\\]\\}",
        "\\{\"const\":(\"[xy]\"|0|null|\\[\\]|\\{\"a\":\"x\"\\})\\}",
        "\\{\"enum\":\\[\"x\",(\"[yz]\"|0)\\]\\}",
        "\\{\"required\":\\[\"[ab]\"\\]\\}",
        "\\{\"\\$ref\":\"#/(properties/a|items|\\$defs/d)\"\\}",
        "true|false",
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..5).prop_map(|list| list.join(","));
        let kind = ("[ab]", "[xyz]", inner.clone()).prop_map(|(member, text, more)| {
            format!(
                r#"{{"type":"object","required":["{member}"],"properties":{{"{member}":{{"const":"{text}"}},"c":{more}}}}}"#
            )
        });
        let kinds = prop::collection::vec(kind.clone(), 1..6).prop_map(|list| list.join(","));
        prop_oneof![
            kind,
            ("anyOf|oneOf", kinds).prop_map(|(keyword, list)| format!("{{\"{keyword}\":[{list}]}}")),
            ("allOf|anyOf|oneOf|prefixItems", list)
                .prop_map(|(keyword, list)| format!("{{\"{keyword}\":[{list}]}}")),
            ("items|not|contains|additionalProperties|propertyNames", inner.clone())
                .prop_map(|(keyword, inner)| format!("{{\"{keyword}\":{inner}}}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(condition, then, otherwise)| {
                format!(r#"{{"if":{condition},"then":{then},"else":{otherwise}}}"#)
            }),
            (inner.clone(), inner).prop_map(|(a, b)| {
                format!(r#"{{"properties":{{"a":{a},"b":{b}}},"required":["a"]}}"#)
            }),
        ]
    })
}

/// A value of the members and texts that such schemas name.
fn telling_value() -> impl Strategy<Value = String> {
    let scalar = "\"[xyzw]\"|0|1|null|true";
    scalar.prop_recursive(4, 24, 5, |inner| {
        let members = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            members.prop_map(|members| {
                let members = members.iter();
                let members: Vec<_> = members
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// What is ruled out before it is asked would not have held: the verdicts are those of a plan that rules nothing out, in every
    /// violation; and what is accepted takes no more work than it may, however often the value stands in one as large as an event.
    #[test]
    fn what_is_ruled_out_would_not_have_held(
        part in telling_schema(),
        items in telling_schema(),
        values in prop::collection::vec(telling_value(), 1..8),
    ) {
        let text = format!(
            r##"{{"properties":{{"a":{part}}},"items":{items},"anyOf":[{part},{items}],"$defs":{{"d":{items}}},"additionalProperties":{{"$ref":"#/$defs/d"}}}}"##
        );
        let given = json(&text);
        let Ok(plain) = Schema::plain(&given) else {
            return Ok(());
        };
        let bounded = Schema::compile(&given);
        for value in &values {
            let value = json(value);
            let many = json(&format!("[{}]", vec![serde_json::to_string(&value).unwrap(); 300].join(",")));
            if let Ok(bounded) = &bounded {
                let (plain, bounded) = (plain.check(&value), bounded.check(&value));
                prop_assert_eq!(plain.violations, bounded.violations, "{} {:?}", text, value);
            }
            if let Ok(bounded) = &bounded {
                let bytes = serde_json::to_vec(&many).unwrap().len();
                let work = bounded.check(&many).work;
                prop_assert!(work <= SCHEMA_WORK_ONCE + SCHEMA_WORK_PER_BYTE * bytes, "{} {:?}", text, value);
            }
        }
    }
}

/// Schemas whose parts all fail alike, each with a value: naming what is wrong takes more than finding it.
fn failing_alike() -> Vec<(String, String)> {
    let names: Vec<_> = (b'a'..=b't')
        .map(|name| format!("{:?}", char::from(name).to_string()))
        .collect();
    let required = format!(r#"{{"required": [{}]}}"#, names.join(","));
    let all_of =
        |of: &str, count: usize| format!(r#"{{"allOf": [{}]}}"#, vec![of; count].join(","));
    let reference = r##"{"$ref": "#/$defs/a"}"##;
    let long_name = format!(r#"{{"{}": {{}}}}"#, "x".repeat(250_000));
    let names_of_10_kb: Vec<_> = (0..22)
        .map(|n| format!(r#""{n}{}": 0"#, "y".repeat(10_000)))
        .collect();
    let failing = |of: &str, count: usize| {
        let all = all_of(reference, count);
        format!(r##"{{"$defs": {{"a": {of}, "b": {all}}}, "$ref": "#/$defs/b"}}"##)
    };
    let members = |of: &str| {
        let members = ('a'..='m').map(|name| format!(r#""{name}": {of}"#));
        members.collect::<Vec<_>>().join(",")
    };
    let of_members = members(r##"{"$ref": "#/$defs/b"}"##);
    let twice =
        format!(r#"{{"allOf": [{{"items": {required}}}, {{"items": {{"type": "object"}}}}]}}"#);
    vec![
        (
            failing(&format!(r#"{{"additionalProperties": {required}}}"#), 1_200),
            long_name,
        ),
        (
            failing(r#"{"additionalProperties": false}"#, 1_200),
            format!("{{{}}}", names_of_10_kb.join(",")),
        ),
        (
            failing(&required, 1_200).replace(
                r##""$ref": "#/$defs/b"}"##,
                &format!(r#""properties": {{{of_members}}}}}"#),
            ),
            format!("{{{}}}", members("{}")),
        ),
        (
            format!(r#"{{"properties": {{"a": {twice}}}}}"#),
            format!(r#"{{"a": [{}]}}"#, vec!["{}"; 80_000].join(",")),
        ),
    ]
}

#[test]
fn naming_what_is_wrong_takes_bounded_reports() {
    for (text, value) in failing_alike() {
        let (schema, value) = (schema(&text), json(&value));
        let checked = schema.check(&value);
        assert!(
            checked.reports <= 2 * SCHEMA_REPORTS,
            "{text:.80}: {}",
            checked.reports
        );
        assert!(
            (1..=SCHEMA_VIOLATIONS).contains(&checked.violations.len()),
            "{text:.80}"
        );
        let counted = allocation_counter::measure(|| drop(schema.check(&value)));
        assert!(
            counted.bytes_total <= MEMORY,
            "{text:.80}: {}",
            counted.bytes_total
        );
    }
}

#[test]
fn what_was_found_first_is_named_however_much_is_found_behind_it() {
    let required = r#"{"required": ["x"]}"#;
    let wrong = r#"{"x": 0, "y": ""}"#;
    let typed = r#"{"properties": {"x": {"type": "string"}, "y": {"minLength": 1}}}"#;
    for (of_each, element, place) in [
        (required, "{}", "[0].x"),
        (typed, wrong, "[0].x"),
        (r#"{"type": "string"}"#, "7", "[0]"),
    ] {
        let schema = schema(&format!(
            r#"{{"properties": {{"a": {{"allOf": [{{"items": {of_each}}}, {{"items": {{"maxProperties": 9}}}}]}}}}}}"#
        ));
        let value = json(&format!(
            r#"{{"a": [{}]}}"#,
            vec![element; 10_000].join(",")
        ));
        let violations = schema.check(&value).violations;
        assert_eq!(violations.len(), SCHEMA_VIOLATIONS, "{of_each}");
        assert_eq!(violations[0].path.to_string(), format!("a{place}"));
    }
}

/// What a schema may take of memory for the largest event, in bytes.
const MEMORY: u64 = 8 * 1024 * 1024;

#[test]
fn a_schema_takes_no_more_than_8_mb_for_the_largest_event() {
    let names: Vec<_> = (0..2_000).map(|n| format!(r#""k{n}""#)).collect();
    let names = names.join(",");
    let schemas = [
        r#"{"uniqueItems": true, "items": {"uniqueItems": true}}"#.to_owned(),
        r##"{"items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}"##.to_owned(),
        r##"{"not": {"additionalProperties": {"not": {"$ref": "#"}}, "items": {"not": {"$ref": "#"}}}}"##.to_owned(),
        format!(r#"{{"required": [{names}]}}"#),
        format!(r#"{{"items": {{"enum": [{names}]}}}}"#),
        r#"{"items": {"pattern": "^(a|b)*[^x]{2,9}$", "maxLength": 9}}"#.to_owned(),
        r#"{"patternProperties": {"^k": {"type": "number"}, "1$": {"minimum": 0}}}"#.to_owned(),
        r#"{"contains": false}"#.to_owned(),
    ];
    let values = large_values();
    for text in schemas.into_iter().chain(unions(10)) {
        let schema = schema(&text);
        for value in &values {
            let counted = allocation_counter::measure(|| drop(schema.check(value)));
            let bytes = counted.bytes_max;
            assert!(bytes <= MEMORY, "{text:.100}: {bytes}");
        }
    }
}

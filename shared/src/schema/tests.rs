use super::*;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), 200).unwrap()
}

fn schema(text: &str) -> Schema {
    Schema::compile(&json(text)).unwrap()
}

/// What is wrong with a value, a line each.
fn violations(schema_text: &str, value: &str) -> Vec<String> {
    let violations = schema(schema_text).violations(&json(value));
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
            let violations = schema.violations(value);
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
            "items[1].sku: must be a text",
            "items[1].n: must be a whole number",
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

#[test]
fn no_schema_can_take_for_ever() {
    let endless = r##"{"$ref": "#"}"##;
    assert_eq!(violations(endless, "1").len(), 1);
    let doubling = r##"{"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}"##;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(90), "}".repeat(90));
    assert_eq!(
        violations(doubling, &deep),
        ["$: takes too long to check against the schema of its type"]
    );
    let negated = format!(r#"{{"not": {{"not": {doubling}}}, "$defs": {{}}}}"#);
    assert_eq!(violations(&negated, &deep).len(), 1);
}

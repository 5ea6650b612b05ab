//! Each fault of a file names the file, the line and the mend.

use crate::{DialectFault, DialectFaults, Dialects};

/// A whole file, a line per statement, so that a replaced line is the line at fault.
const FILE: &str = r#"name = "own"
description = "Ours."
event_id = "evt_{ulid}"
timeout = "5s"
body_limit = 1000
success = ["2xx"]
reparse_safe = true
disable = { failing_for = "5d" }
envelope = [
  { key = "id", from = "id" },
  { key = "more", fields = [
    { key = "v", value = 1 },
  ] },
  { from = "data_members" },
]
[headers]
X-Event = "{event_type}"
[ladder]
waits = ["5s", "1min"]
jitter = 0.1
[[signature]]
algorithm = "hmac-sha256"
encoding = "hex"
signed = "{timestamp}.{body}"
header = "X-Signature"
value = "{signature}"
[[group]]
name = "order"
types = ["order.paid"]
[[type]]
name = "order.paid"
aliases = ["order.payed"]
description = "Paid."
sample = '''
{
  "amount": 1
}
'''
"#;

fn load(text: &str) -> Result<Dialects, DialectFaults> {
    Dialects::builtin().with_file("own.toml", text)
}

/// Replaces the line `old` by `new`, and expects a fault `lines_later` than its first.
#[track_caller]
fn faulty_at(old: &str, new: &str, lines_later: usize, message: &str) {
    assert_eq!(FILE.matches(old).count(), 1, "{old}");
    let line = 1 + FILE[..FILE.find(old).unwrap()].matches('\n').count();
    let faults = load(&FILE.replace(old, new)).unwrap_err();
    let [fault] = faults.0.as_slice() else {
        panic!("{faults}");
    };
    assert_eq!(fault.file, "own.toml");
    assert!(fault.to_string().contains(message), "{fault}");
    assert_eq!(fault.line, line + lines_later, "{fault}");
    assert!(!fault.mend.is_empty());
}

#[track_caller]
fn faulty(old: &str, new: &str, message: &str) {
    faulty_at(old, new, 0, message);
}

/// The only mistake of a text.
#[track_caller]
fn only(text: &str) -> DialectFault {
    let mut faults = load(text).unwrap_err();
    assert_eq!(faults.0.len(), 1, "{faults}");
    faults.0.remove(0)
}

#[test]
fn the_file_itself_loads() {
    let dialects = load(FILE).unwrap();
    let builtin = Dialects::builtin();
    assert_eq!(
        dialects.names().collect::<Vec<_>>(),
        builtin.names().chain(["own"]).collect::<Vec<_>>()
    );
    assert_eq!(&*dialects.get("own").unwrap().source, FILE);
}

#[test]
fn a_fault_reads_as_a_compilers() {
    let faults = load(&FILE.replace("5s\"\nbody", "5 sec\"\nbody")).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "own.toml:4:11: `5 sec` is not a duration: write a whole number with ms, s, min, h or d, as in \"5min\""
    );
}

#[test]
fn toml_and_shape() {
    faulty(
        "body_limit = 1000",
        "body_limit = = 1000",
        "this is not TOML",
    );
    faulty(
        "body_limit = 1000",
        "body_limit = \"1000\"",
        "takes a whole number, and this is a text: for example",
    );
    faulty(
        "reparse_safe = true",
        "reparse_save = true",
        "`reparse_save` is not a key of a dialect file: did you mean `reparse_safe`?",
    );
    faulty("jitter = 0.1", "gitter = 0.1", "did you mean `jitter`?");
    for name in [
        "Content-Digest",
        "Content-Type",
        "Proxy-Connection",
        "Rung-Own",
        "Traceparent",
    ] {
        faulty(
            "X-Event = \"{event_type}\"",
            &format!("{name} = \"x\""),
            "is set by Rung itself",
        );
    }
    for version in ["2", "1.0", "http/1.1"] {
        faulty(
            "reparse_safe = true",
            &format!("http_version = \"{version}\""),
            "`http_version` is \"1.1\"",
        );
    }
    faulty(
        "reparse_safe = true",
        "keep_alive = \"no\"",
        "takes `true` or `false`, and this is a text",
    );
    faulty(
        "from = \"id\"",
        "from = \"ident\"",
        "`ident` is not a value of a body: docs/dialects.md lists all",
    );
    faulty(
        "algorithm = \"hmac-sha256\"",
        "algorithm = \"md5\"",
        "`md5` is unknown: `algorithm` is \"hmac-sha256\"",
    );
    faulty(
        "encoding = \"hex\"",
        "encoding = \"Hex\"",
        "`Hex` is unknown: `encoding` is \"hex\", \"HEX\"",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = \"sometimes\"",
        "`sometimes` is unknown: `disable` is \"never\", \"ladder_used_up\", `{ consecutive_failures = 10 }` or `{ failing_for = \"5d\" }`",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = 5",
        "`disable` takes one of its words in quotes, or a table, and this is a whole number: `disable` is \"never\", \"ladder_used_up\", `{ consec",
    );
    let bare = load("name = \"own\"\n").unwrap_err();
    assert!(
        bare.to_string()
            .contains("a dialect file needs `envelope`: add `envelope = [{"),
        "{bare}"
    );
}

#[test]
fn braces_without_a_name_are_told_what_may_stand_in_them() {
    let fault = |value: &str| {
        let text = FILE.replace(
            "X-Event = \"{event_type}\"",
            &format!("X-Event = \"{value}\""),
        );
        only(&text).to_string()
    };
    let fault = fault("a-{}");
    assert!(
        fault.contains("`{}` names no value: here there are `{id}`, `{type}`, "),
        "{fault}"
    );
    for name in [
        "`{data.NAME}`",
        "`{timestamp}`",
        "`{secret}`",
        "`{signature.NAME}`",
    ] {
        assert!(fault.contains(name), "{name}: {fault}");
    }
    assert!(!fault.contains("`{body}`"), "{fault}");
    assert!(
        fault.ends_with("write `{{}}` for the braces themselves"),
        "{fault}"
    );
}

#[test]
fn names() {
    faulty("name = \"own\"", "name = \"Own\"", "a-z, 0-9");
    faulty(
        "name = \"own\"",
        "name = \"odin\"",
        "a dialect `odin` already exists",
    );
    let twice = load(FILE)
        .unwrap()
        .with_file("again.toml", FILE)
        .unwrap_err();
    assert_eq!(
        (twice.0[0].file.as_str(), twice.0[0].line),
        ("again.toml", 1)
    );
    faulty(
        "event_id = \"evt_{ulid}\"",
        "event_id = \"evt_\"",
        "makes no ids: it has one of",
    );
}

#[test]
fn bounds() {
    faulty("timeout = \"5s\"", "timeout = \"0s\"", "it is 1ms to 25s");
    faulty("timeout = \"5s\"", "timeout = \"1min\"", "it is 1ms to 25s");
    faulty("body_limit = 1000", "body_limit = 0", "it is 1 to 262144");
    faulty(
        "body_limit = 1000",
        "body_limit = 262145",
        "it is 1 to 262144",
    );
    faulty("success = [\"2xx\"]", "success = []", "name at least one");
    faulty(
        "success = [\"2xx\"]",
        "success = [\"2yy\"]",
        "`2yy` is not a status",
    );
    faulty(
        "success = [\"2xx\"]",
        "success = [\"200\", \"1xx\"]",
        "`1xx` is not a status",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = { failing_for = \"0s\" }",
        "it is 1ms to 30d",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = { consecutive_failures = 0 }",
        "it is 1 to 4294967295",
    );
}

#[test]
fn ladders() {
    let waits = "waits = [\"5s\", \"1min\"]";
    faulty_at(
        waits,
        "waits = [\"5s\",\n\"1 min\"]",
        1,
        "`1 min` is not a duration",
    );
    faulty(
        waits,
        "waits = [\"99999999999999999999s\"]",
        "is not a duration",
    );
    faulty(waits, "waits = [\"31d\"]", "it is 0ms to 30d");
    faulty("jitter = 0.1", "jitter = 1.5", "it is 0 to 1");
    faulty("jitter = 0.1", "jitter = nan", "it is 0 to 1");
    faulty("[ladder]", "[ladder]\nfirst = \"5s\"", "either `waits`");
    faulty_at(
        waits,
        "first = \"1s\"\nfactor = 10\nretries = 9",
        1,
        "at most 30 days",
    );
    faulty_at(
        waits,
        "first = \"1s\"\nfactor = 0\nretries = 9",
        1,
        "it is 1 to 1000",
    );
    faulty_at(
        waits,
        "first = \"1s\"\nfactor = 1\nretries = 101",
        2,
        "it is 0 to 100",
    );
}

#[test]
fn headers_and_signatures() {
    faulty(
        "X-Event = \"{event_type}\"",
        "\"X Event\" = \"x\"",
        "not a valid header name",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "Content-Type = \"x\"",
        "set by Rung itself",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "Webhook-Id = \"x\"",
        "set by Rung itself",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "Rung-Hops = \"0\"",
        "set by Rung itself",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "X-Event = \"{typ}\"",
        "unknown value `{typ}`: did you mean `{type}`?",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "X-Event = \"{body}\"",
        "`{body}` cannot be used here",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "X-Event = \"a\\nb\"",
        "printable ASCII",
    );
    faulty(
        "header = \"X-Signature\"",
        "header = \"x-event\"",
        "defined twice",
    );
    faulty(
        "signed = \"{timestamp}.{body}\"",
        "signed = \"{timestamp}.{boddy}\"",
        "unknown value `{boddy}`: did you mean `{body}`?",
    );
    faulty(
        "signed = \"{timestamp}.{body}\"",
        "signed = \"timestamp\"",
        "it has at least one value, as in \"{body}\"",
    );
    faulty(
        "value = \"{signature}\"",
        "value = \"signature\"",
        "it must contain `{signature}`",
    );
    faulty(
        "value = \"{signature}\"",
        "value = \"{signature\"",
        "without its other half",
    );
    faulty_at(
        "name = \"own\"",
        "name = \"own\"\nuser_agent = \"a\\u0000\"",
        1,
        "printable ASCII",
    );
}

#[test]
fn envelopes() {
    let id = "{ key = \"id\", from = \"id\" }";
    faulty(
        id,
        "{ key = \"7\", from = \"id\" }",
        "JavaScript would move it",
    );
    faulty_at(
        id,
        "{ key = \"more\", from = \"id\" }",
        1,
        "`more` is defined twice",
    );
    faulty(id, "{ from = \"id\" }", "needs a `key`");
    faulty(
        id,
        "{ key = \"id\" }",
        "one of `from`, `text`, `value`, `null`, `fields`, `list` and `json`",
    );
    faulty(
        id,
        "{ key = \"id\", from = \"id\", value = 1 }",
        "one of `from`, `text`, `value`, `null`, `fields`, `list` and `json`",
    );
    faulty(id, "{ key = \"id\", value = 2025-01-01 }", "a constant is");
    faulty_at(id, "{ from = \"data_members\" }", 4, "used twice");
    faulty(
        id,
        "{ key = \"x\", from = \"data_members\" }",
        "takes nothing else",
    );
    faulty(
        "{ key = \"v\", value = 1 }",
        "{ key = \"v\", from = \"data_members\" }",
        "takes nothing else",
    );
}

#[test]
fn catalogues() {
    faulty_at(
        "types = [\"order.paid\"]",
        "types = [\"order.paid\",\n\"order.sent\"]",
        1,
        "names `order.sent`",
    );
    faulty("name = \"order\"", "name = \"order.paid\"", "used twice");
    faulty(
        "aliases = [\"order.payed\"]",
        "aliases = [\"order.paid\"]",
        "used twice",
    );
    faulty(
        "aliases = [\"order.payed\"]",
        "aliases = [\"order paid\"]",
        "a name of types has",
    );
    let without = FILE.split("[[group]]").next().unwrap();
    assert!(only(without).mend.contains("list them in `[[type]]`"));
}

#[test]
fn samples() {
    let amount = "  \"amount\": 1\n";
    faulty(
        amount,
        "  \"amount\": 01\n",
        "malformed number at byte 14 (amount)",
    );
    faulty_at(
        amount,
        "  \"amount\": 1,\n  \"amount\": 2\n",
        1,
        "duplicate key",
    );
    let sample = "sample = '''\n{\n  \"amount\": 1\n}\n'''";
    faulty(sample, "sample = '[]'", "a sample is a JSON object");
    faulty(sample, "sample = \"{\"", "the sample is not JSON");
    faulty(
        sample,
        "sample = '{\"amount\": 9007199254740993}'",
        "changes when JavaScript",
    );
    for (script, amount) in [
        ("php", "9223372036854775808"),
        ("python", "0.12345678901234567890"),
    ] {
        let text = FILE.replace(
            "reparse_safe = true",
            &format!("reparse_safe = true\njson = \"{script}\""),
        );
        let text = text.replace(sample, &format!("sample = '{{\"amount\": {amount}}}'"));
        let name = if script == "php" { "PHP" } else { "Python" };
        let expected =
            format!("the number {amount} at data.amount changes when {name} reads and writes it");
        let fault = only(&text).to_string();
        assert!(fault.contains(&expected), "{fault}");
    }
    faulty(
        sample,
        "sample = '{\"id\": 1}'",
        "must not have the member `id`",
    );
    let closing = "  \"amount\": 1\n}\n'''";
    let with_schema = |schema: &str| format!("{closing}\nschema = '{schema}'");
    assert!(load(&FILE.replace(closing, &with_schema(r#"{"required": ["amount"]}"#))).is_ok());
    faulty_at(closing, &with_schema("[]"), 3, "a schema is a JSON object");
    let unknown = r#"{"properties": {"amount": {"like": 1}}}"#;
    faulty_at(
        closing,
        &with_schema(unknown),
        3,
        "properties.amount.like: is not supported",
    );
    let other = with_schema(r#"{"properties": {"amount": {"type": "string"}}}"#);
    let fault = only(&FILE.replace(closing, &other));
    assert!(
        fault
            .reason
            .contains("not as its schema says at amount: must be a string"),
        "{fault}"
    );

    let long = format!("sample = '{{\"x\": \"{}\"}}'", "x".repeat(1000));
    faulty(sample, &long, "limit is 1000");
}

#[test]
fn mistakes_of_the_toml_are_told_in_words_of_our_own() {
    for (old, new, reason, mend) in [
        (
            "[[signature]]",
            "[[signature]",
            "brackets",
            "`[[signature]]`",
        ),
        ("[headers]", "[headers", "brackets", "`[ladder]`"),
        (
            "name = \"own\"",
            "name = own",
            "not in quotes",
            "straight quotes",
        ),
        (
            "encoding = \"hex\"",
            "encoding = hex",
            "not in quotes",
            "straight quotes",
        ),
        (
            "body_limit = 1000",
            "body_limit = 0100",
            "begins with a zero",
            "leave the zero out",
        ),
        (
            "description = \"Ours.\"",
            "description = \"Ou\trs",
            "control character",
            "end it",
        ),
        (
            "description = \"Ours.\"",
            "description = \"O\\qrs.\"",
            "begins nothing",
            "single quotes",
        ),
        (
            "description = \"Ours.\"",
            "description = \"C:\\x\"",
            "the digits after `\\x`, `\\u` or `\\U`",
            "two hexadecimal digits after `\\x`",
        ),
        (
            "timeout = \"5s\"",
            "timeout = \"5s\"\ntimeout = \"6s\"",
            "the key `timeout` is defined before",
            "leave one of the two out",
        ),
    ] {
        let text = FILE.replace(old, new);
        let faults = load(&text).unwrap_err();
        let first = &faults.0[0];
        assert!(first.reason.starts_with("this is not TOML: "), "{faults}");
        assert!(first.reason.contains(reason), "{new}: {faults}");
        assert!(first.mend.contains(mend), "{new}: {faults}");
    }
}

#[test]
fn mends_are_toml_and_follow_from_what_is_wrong() {
    let found = |old: &str, new: &str| load(&FILE.replace(old, new)).unwrap_err();
    let faults = found("[[signature]]", "[signature]");
    assert_eq!(faults.0[0].mend, "begin it with the line `[[signature]]`");
    faulty(
        "  { key = \"id\", from = \"id\" },",
        "  { key = \"id\" },",
        "add one of them, as in `from = \"data\"`",
    );
    // A member that is wrong might have had the data.
    faulty(
        "  { from = \"data_members\" },",
        "  { key = \"data\", from = \"dat\" },",
        "did you mean `data`?",
    );
    let faults = found(
        "[ladder]",
        "[challenge]\nbody = [{ key = \"t\", from = \"token\" }, { key = \"d\", from = \"data\" }]\n[ladder]",
    );
    assert!(
        faults.0[0].reason.contains("a challenge has no data"),
        "{faults}"
    );
    let faults = found(
        "name = \"order.paid\"",
        "name = \"order.paid\"\nwire = \"a\\nb\"",
    );
    assert!(!faults.0[0].reason.contains('\n'), "{faults}");
    let empty = only("");
    assert!(
        empty.mend.contains("`name = ") && empty.mend.contains(" and `envelope = "),
        "{empty}"
    );
}

#[test]
fn a_file_in_another_encoding_has_a_place_too() {
    let bytes = b"name = \"own\"\ndescription = \"gr\xfcn\"\n";
    let faults = Dialects::builtin()
        .with_bytes("own.toml", bytes)
        .unwrap_err();
    let [fault] = &*faults.0 else {
        panic!("{faults}")
    };
    assert_eq!((fault.line, fault.column), (2, 18));
    assert!(fault.reason.contains("not UTF-8") && fault.mend.contains("save the file as UTF-8"));
}

#[test]
fn limits_are_of_plans_that_there_are() {
    let with = |limits: &str| {
        let plans = "plans = { free = false, pro = true }";
        let text = FILE.replace("reparse_safe = true", &format!("{plans}\n{limits}"));
        load(&text).map_err(|faults| faults.to_string())
    };
    let hourly = "events_per_hour = 10";
    with(&format!(
        "limits = {{ pro = {{ {hourly} }}, free = {{ {hourly} }} }}"
    ))
    .unwrap();
    assert_eq!(
        with(&format!("limits = {{ gold = {{ {hourly} }} }}")).unwrap_err(),
        "own.toml:8:12: `limits` has the plan `gold`, which `plans` does not have: add it to `plans`, or leave it out"
    );
    assert_eq!(
        with(&format!("limits = {{ proo = {{ {hourly} }} }}")).unwrap_err(),
        "own.toml:8:12: `limits` has the plan `proo`, which `plans` does not have: did you mean `pro`?"
    );
    // Without `plans` there is any.
    load(&FILE.replace(
        "reparse_safe = true",
        &format!("limits = {{ gold = {{ {hourly} }} }}"),
    ))
    .unwrap();
}

/// What the API refuses to publish and to subscribe to.
#[test]
fn no_name_ends_with_what_the_api_reserves() {
    let message = "ends with the segment `schema`";
    for (old, new) in [
        (
            "aliases = [\"order.payed\"]",
            "aliases = [\"order/schema\"]",
        ),
        ("name = \"order\"", "name = \"schema\""),
        (
            "[ladder]",
            "[any_type]\nexample = \"a/schema\"\nsample = \"{}\"\n[ladder]",
        ),
    ] {
        let later = usize::from(new.starts_with("[any_type]"));
        faulty_at(old, new, later, message);
    }
    let named = FILE.replace("order.paid", "order/schema");
    let faults = load(&named).unwrap_err().to_string();
    assert!(
        faults.starts_with("own.toml:31:8: `order/schema` ends with"),
        "{faults}"
    );
    load(&FILE.replace("order.paid", "schema/order.schema")).unwrap();
}

#[test]
fn what_a_constant_cannot_be_is_called_by_its_name() {
    for (written, reason) in [
        ("2025-10-10", "`value` cannot be a date"),
        ("inf", "`value` cannot be infinite or not a number"),
        ("-nan", "`value` cannot be infinite or not a number"),
        (
            "9223372036854775808",
            "`value` cannot be 9223372036854775808",
        ),
    ] {
        faulty("value = 1 }", &format!("value = {written} }}"), reason);
    }
    faulty(
        "body_limit = 1000",
        "body_limit = inf",
        "takes a whole number, and this is infinite or not a number",
    );
}

/// A folder of files is used at once: the ladder's place is told by whoever knows how long events are kept.
#[test]
fn a_ladder_that_is_wrong_for_a_deployment_has_its_place() {
    let dialects = load(FILE).unwrap();
    let own = dialects.get("own").unwrap();
    let faults = own.ladder_fault("own.toml", "too long", "shorten it");
    let line = 1 + FILE[..FILE.find("[ladder]").unwrap()].matches('\n').count();
    assert_eq!(
        faults.to_string(),
        format!("own.toml:{line}:1: too long: shorten it")
    );
}

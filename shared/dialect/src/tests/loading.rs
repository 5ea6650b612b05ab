//! Each fault of a file names the file, the line and the mend.

use crate::{DialectFault, Dialects};

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

fn load(text: &str) -> Result<Dialects, DialectFault> {
    Dialects::builtin().with_file("own.toml", text)
}

/// Replaces the line `old` by `new`, and expects a fault `lines_later` than its first.
#[track_caller]
fn faulty_at(old: &str, new: &str, lines_later: usize, reason: &str) {
    assert_eq!(FILE.matches(old).count(), 1, "{old}");
    let line = 1 + FILE[..FILE.find(old).unwrap()].matches('\n').count();
    let fault = load(&FILE.replace(old, new)).unwrap_err();
    assert_eq!(fault.file, "own.toml");
    assert!(fault.reason.contains(reason), "{fault}");
    assert_eq!(fault.line, line + lines_later, "{fault}");
}

#[track_caller]
fn faulty(old: &str, new: &str, reason: &str) {
    faulty_at(old, new, 0, reason);
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
    let fault = load(&FILE.replace("5s\"\nbody", "5 sec\"\nbody")).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "own.toml:4: `5 sec` is no duration: write a whole number with ms, s, min, h or d, as in \"5min\""
    );
}

#[test]
fn toml_and_shape() {
    faulty("body_limit = 1000", "body_limit = = 1000", "");
    faulty("body_limit = 1000", "body_limit = \"1000\"", "invalid type");
    faulty(
        "reparse_safe = true",
        "reparse_save = true",
        "unknown field `reparse_save`",
    );
    faulty("jitter = 0.1", "gitter = 0.1", "unknown field `gitter`");
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
            "`http_version` is \"1.1\"; leave it out",
        );
    }
    faulty("reparse_safe = true", "keep_alive = \"no\"", "invalid type");
    faulty(
        "from = \"id\"",
        "from = \"ident\"",
        "unknown variant `ident`",
    );
    faulty(
        "algorithm = \"hmac-sha256\"",
        "algorithm = \"md5\"",
        "unknown variant `md5`",
    );
    faulty(
        "encoding = \"hex\"",
        "encoding = \"HEX\"",
        "unknown variant `HEX`",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = \"sometimes\"",
        "unknown variant `sometimes`",
    );
    assert!(
        load("name = \"own\"\n")
            .unwrap_err()
            .reason
            .contains("missing field")
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
    assert_eq!((twice.file.as_str(), twice.line), ("again.toml", 1));
    faulty(
        "event_id = \"evt_{ulid}\"",
        "event_id = \"evt_\"",
        "an event id needs one of",
    );
}

#[test]
fn bounds() {
    faulty(
        "timeout = \"5s\"",
        "timeout = \"0s\"",
        "longer than 0 and at most 25 s",
    );
    faulty(
        "timeout = \"5s\"",
        "timeout = \"1min\"",
        "longer than 0 and at most 25 s",
    );
    faulty("body_limit = 1000", "body_limit = 0", "1 to 262144 bytes");
    faulty(
        "body_limit = 1000",
        "body_limit = 262145",
        "1 to 262144 bytes",
    );
    faulty("success = [\"2xx\"]", "success = []", "at least one status");
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
        "longer than 0",
    );
    faulty(
        "disable = { failing_for = \"5d\" }",
        "disable = { consecutive_failures = 0 }",
        "at least 1",
    );
}

#[test]
fn ladders() {
    let waits = "waits = [\"5s\", \"1min\"]";
    faulty_at(
        waits,
        "waits = [\"5s\",\n\"1 min\"]",
        1,
        "`1 min` is no duration",
    );
    faulty(
        waits,
        "waits = [\"99999999999999999999s\"]",
        "is no duration",
    );
    faulty(waits, "waits = [\"31d\"]", "at most 30 days");
    faulty("jitter = 0.1", "jitter = 1.5", "from 0 to 1");
    faulty("jitter = 0.1", "jitter = nan", "from 0 to 1");
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
        "at least 1",
    );
    faulty_at(
        waits,
        "first = \"1s\"\nfactor = 1\nretries = 101",
        2,
        "at most 100 retries",
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
        "unknown variable `{typ}`",
    );
    faulty(
        "X-Event = \"{event_type}\"",
        "X-Event = \"{body}\"",
        "unknown variable `{body}`",
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
        "unknown variable `{boddy}`",
    );
    faulty(
        "signed = \"{timestamp}.{body}\"",
        "signed = \"{timestamp}\"",
        "must contain `{body}`",
    );
    faulty(
        "value = \"{signature}\"",
        "value = \"signature\"",
        "must contain `{signature}`",
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
        "one of `from`, `value` and `fields`",
    );
    faulty(
        id,
        "{ key = \"id\", from = \"id\", value = 1 }",
        "one of `from`, `value` and `fields`",
    );
    faulty(id, "{ key = \"id\", value = 1.5 }", "a constant is");
    faulty_at(id, "{ from = \"data_members\" }", 4, "used twice");
    faulty(
        id,
        "{ key = \"x\", from = \"data_members\" }",
        "takes nothing else",
    );
    faulty(
        "{ key = \"v\", value = 1 }",
        "{ key = \"v\", from = \"data_members\" }",
        "at the envelope's top only",
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
    assert!(
        load(without)
            .unwrap_err()
            .reason
            .contains("lists its types in [[type]]")
    );
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
    let fault = load(&FILE.replace(closing, &other)).unwrap_err();
    assert!(
        fault
            .reason
            .contains("not as its schema says at amount: must be a string"),
        "{fault}"
    );

    let long = format!("sample = '{{\"x\": \"{}\"}}'", "x".repeat(1000));
    faulty(sample, &long, "limit is 1000");
}

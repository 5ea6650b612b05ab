//! What input costs: the bytes that are allocated for a request, counted, stay in proportion to its own, whatever it is made of.
//!
//! The calls and their fields are those of the API's description, so a new one is held to this too.

use allocation_counter::measure;
use rung_json::{
    Json,
    limits::{JSON_DEPTH, REQUEST_BYTES},
    schema::Schema,
};
use serde_json::Value;

use crate::{
    openapi::written_out,
    world::{As, World},
};

/// How long the hostile part of a body is: what grows faster than its input shows at this length.
const LENGTH: usize = 48 * 1024;
/// The most bytes that may be allocated, one after the other, for each byte of a body. A digit and its comma in a list become some
/// hundred by themselves: a value, its text, and the list as it grows.
const PER_BYTE: u64 = 250;
/// And whatever a body says: for the call itself.
const PER_CALL: u64 = 1024 * 1024;
/// The longest answer: with what is wrong named, or with what was made.
const ANSWER_BYTES: usize = 64 * 1024;

/// So many copies of a text as fit.
fn filled(text: &str) -> String {
    text.repeat(LENGTH / text.len())
}

/// An object of many members, each by another key.
fn wide(key: impl Fn(usize) -> String, last: &str) -> String {
    let mut object = String::from("{");
    for n in 0.. {
        let member = format!("\"{}\":0,", key(n));
        if object.len() + member.len() > LENGTH {
            break;
        }
        object.push_str(&member);
    }
    object + last + "}"
}

/// JSON that is as costly as can be: deep, wide, long, or wrong in very many places.
fn hostile() -> Vec<String> {
    let hash = |n: usize| format!("{:x}", n.wrapping_mul(0x9e37_79b9));
    let levels = LENGTH / 2;
    vec![
        filled("["),
        "[".repeat(levels) + &"]".repeat(levels),
        filled("{\"a\":"),
        format!("[{}0]", filled("0,")),
        format!("[{}0]", filled("{},")),
        format!("[{}0]", filled("[[],\"\"],")),
        format!("[{}0]", filled("{\"a\":0,\"a\":0},")),
        wide(hash, "\"last\":0"),
        wide(hash, "\"0\":0,\"0\":1"),
        // Keys that JavaScript would put in their order.
        wide(|n| (1_000_000 - n).to_string(), "\"last\":0"),
        wide(|_| "same".to_owned(), "\"last\":0"),
        filled("9"),
        format!("0.{}", filled("9")),
        format!("1e{}", filled("9")),
        format!("\"{}\"", filled("\\u0000")),
        format!("\"{}\"", filled("\\\"")),
        format!("\"{}\"", filled("\u{300}")),
        format!("\"{}\"", filled("\\ud83d\\ude00")),
        format!("\"{}\"", filled("a/")),
        format!("{{\"{}\":0}}", filled("x")),
    ]
}

/// Bodies with the hostile text in the place of all, or of one field of the example.
fn bodies(content: &Value, hostile: &str) -> Vec<String> {
    let mut bodies = vec![hostile.to_owned()];
    let (schema, example) = (&content["schema"], &content["example"]);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut fields = example.as_object().cloned().unwrap_or_default();
        fields.insert(name.clone(), "here".into());
        let body = Value::from(fields).to_string();
        bodies.push(body.replace("\"here\"", hostile));
        if field["type"] == "array" {
            bodies.push(body.replace("\"here\"", &format!("[{hostile}]")));
        }
    }
    // An event of a batch has fields of its own.
    if schema["properties"]["events"]["items"]["properties"].is_object() {
        let event = format!("{{\"type\":\"a\",\"data\":{{\"a\":{hostile}}}}}");
        bodies.push(format!("{{\"events\":[{event}]}}"));
    }
    bodies
}

#[test]
fn no_body_allocates_much_more_than_itself() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let (world, tenant, webhook) = runtime.block_on(async {
        let world = World::still().await;
        let tenant = world.tenant("acme", "patra", "pro").await;
        let webhook = world.webhook(&tenant).await;
        (world, tenant, webhook)
    });
    let document = written_out();
    let (mut held, mut worst) = (0, 0.0_f64);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_null() {
                continue;
            }
            let method = method.to_ascii_uppercase();
            let place = path
                .replace("{webhook}", &webhook)
                .replace("{tenant}", "acme")
                .replace("{type}", "card.updated");
            let callers = [tenant.clone(), As::operator_for("acme")];
            let caller = &callers[usize::from(path.starts_with("/v1/tenants"))];
            for body in hostile()
                .iter()
                .flat_map(|hostile| bodies(content, hostile))
            {
                let mut answered = None;
                let counted = measure(|| {
                    let send = world.send_text(caller, &method, &place, &body);
                    answered = Some(runtime.block_on(send));
                });
                let answered = answered.unwrap();
                let told: String = body.chars().take(80).collect();
                let told = format!("{method} {path} {told}");
                assert!(answered.status < 500, "{told}: {}", answered.body);
                let length = answered.body.to_string().len();
                assert!(length <= ANSWER_BYTES, "{told}: {length} bytes");
                let room = PER_CALL + PER_BYTE * body.len() as u64;
                let bytes = counted.bytes_total;
                assert!(bytes <= room, "{told}: {bytes} bytes of {room}");
                worst = worst.max(bytes as f64 / room as f64);
                held += 1;
            }
        }
    }
    assert!(held > 500, "only {held}");
    println!(
        "{held} requests, the costliest took {:.0} % of its room",
        worst * 100.0
    );
}

/// What a schema may take of memory for the largest event, in bytes.
const SCHEMA_MEMORY: u64 = 8 * 1024 * 1024;

#[test]
fn a_schema_takes_no_more_than_8_mb_for_the_largest_event() {
    let json = |text: &str| Json::parse(text.as_bytes(), JSON_DEPTH).unwrap();
    let list = |element: &str| {
        let count = (REQUEST_BYTES - 20) / (element.len() + 1);
        format!(r#"{{"a":[{}]}}"#, vec![element; count].join(","))
    };
    let numbered = |member: fn(usize) -> String| {
        let members: Vec<_> = (0..18_000).map(member).collect();
        members.join(",")
    };
    let values = [
        list("0"),
        list(r#""""#),
        list("{}"),
        list(r#"{"a":[0]}"#),
        format!(r#"{{"a":[{}]}}"#, numbered(|n| format!("[{n}]"))),
        format!("{{{}}}", numbered(|n| format!(r#""k{n}":"""#))),
        format!(r#"{{"a":"{}"}}"#, "a".repeat(REQUEST_BYTES - 20)),
    ];
    let values = values.map(|text| json(&text));
    let names: Vec<_> = (0..2_000).map(|n| format!(r#""k{n}""#)).collect();
    let names = names.join(",");
    for schema in [
        r##"{"items":{"$ref":"#"},"properties":{"a":{"$ref":"#"}},"additionalProperties":{"$ref":"#"}}"##.to_owned(),
        r#"{"properties":{"a":{"uniqueItems":true}}}"#.to_owned(),
        r#"{"properties":{"a":{"items":{"const":0}}}}"#.to_owned(),
        format!(r#"{{"properties":{{"a":{{"items":{{"enum":[{names}]}}}}}}}}"#),
        format!(r#"{{"required":[{names}]}}"#),
        r#"{"properties":{"a":{"items":{"pattern":"^(a|b)*[^x]{2,9}$","maxLength":9}}}}"#.to_owned(),
        r#"{"patternProperties":{"^k":{"type":"number"},"1$":{"minimum":0}}}"#.to_owned(),
        r#"{"not":{"properties":{"a":{"contains":{"const":1}}}}}"#.to_owned(),
    ] {
        let schema = Schema::compile(&json(&schema)).unwrap();
        for value in &values {
            let counted = measure(|| drop(schema.check(value)));
            assert!(counted.bytes_max <= SCHEMA_MEMORY, "{}", counted.bytes_max);
        }
    }
}

//! Each format's requests, as its receivers get them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rung_dialect::{Dialect, Dialects, EVERY_TYPE, EventFacts, KeyPair, SignInput};
use rung_json::Json;
use serde_json::{Value, json};

use crate::top;

const URL: &str = "https://example.com/hooks?shop=1&q=a%20b";
const TENANT: &str = "acme";
/// A retry minutes later: beyond what receivers tolerate of the first attempt's time.
const RETRY_AFTER_MS: u64 = 660_000;
/// Formats of vendors that come with Rung; all others are files in `dialects`.
const BUILTIN: [&str; 5] = ["github", "shopify", "slack", "standard", "stripe"];
/// Formats whose proof does not cover the body: a token, or a signature over a time and a nonce.
const BODY_UNPROVEN: [&str; 7] = [
    "cloudevents-binary",
    "cloudevents-structured",
    "figma",
    "gitlab",
    "mailgun",
    "microsoft-graph",
    "postmark",
];

/// A vendor's format.
pub(crate) struct Format {
    pub(crate) dialect: Arc<Dialect>,
    /// The file, from the top of the tree.
    pub(crate) path: String,
}

/// All of them, by name.
pub(crate) fn formats() -> Vec<Format> {
    let folder = top().join("dialects");
    let builtin = BUILTIN.map(|name| Format {
        dialect: Arc::clone(Dialects::builtin().get(name).unwrap()),
        path: format!("shared/dialects/{name}.toml"),
    });
    let mut formats = Vec::from(builtin);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = name.strip_suffix(".toml") else {
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let dialects = Dialects::builtin().with_file(name, &text);
        let dialects = dialects.unwrap_or_else(|faults| panic!("{faults}"));
        let dialect = dialects.get(stem);
        formats.push(Format {
            dialect: Arc::clone(dialect.unwrap_or_else(|| panic!("{name} has another name"))),
            path: format!("dialects/{name}"),
        });
    }
    formats.sort_by(|a, b| a.dialect.name.cmp(&b.dialect.name));
    assert!(formats.len() > 54, "{}", formats.len());
    formats
}

/// A request, and whether its receiver is to take it.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) request: Value,
    pub(crate) is_taken: bool,
}

/// What a vendor's receivers get: for each type of event a first attempt and a retry, both sides of a rotation, a changed body, and what
/// somebody else has signed.
pub(crate) fn cases(format: &Format) -> Vec<Case> {
    let dialect = &format.dialect;
    let [old, new, other] = [1, 2, 3].map(|seed| dialect.new_secret([seed; 32]));
    // Where one secret signs, a receiver that has switched is asked again with the new one.
    let both = [&*old, &*new];
    let to_new = if dialect.signs_with_one_secret() {
        &both[1..]
    } else {
        &both
    };
    let listed = dialect.catalogue.types().iter().map(|one| &*one.name);
    let first = dialect.catalogue.first_type_of(EVERY_TYPE);
    let types: BTreeSet<&str> = listed.chain(first).collect();
    let mut cases = Vec::new();
    for event_type in types {
        let mut add = |what: &str, request: Value, is_taken: bool| {
            let what = format!("{} {event_type}: {what}", dialect.name);
            cases.push(Case {
                what,
                request,
                is_taken,
            });
        };
        let event = Event::new(dialect, event_type);
        add("first", event.request(1, &[&old], &old), true);
        add("retry", event.request(4, &[&old], &old), true);
        add("rotation, old", event.request(1, &both, &old), true);
        add("rotation, new", event.request(1, to_new, &new), true);
        add("another secret", event.request(1, &[&old], &other), false);
        let mut tampered = event.request(1, &[&old], &old);
        tampered["body"] = json!(event.tampered(tampered["body"].as_str().unwrap()));
        let is_taken = BODY_UNPROVEN.contains(&&*dialect.name);
        add("a changed body", tampered, is_taken);
    }
    cases
}

/// An event of a dialect's catalogue.
struct Event<'a> {
    dialect: &'a Dialect,
    event_type: &'a str,
    data: &'a Json,
    now_ms: u64,
}

impl<'a> Event<'a> {
    // The vendors' libraries go by the machine's clock.
    #[allow(clippy::disallowed_methods)]
    fn new(dialect: &'a Dialect, event_type: &'a str) -> Self {
        Self {
            dialect,
            event_type,
            data: dialect.catalogue.sample(event_type).unwrap(),
            now_ms: u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap(),
        }
    }

    /// An attempt's request, and what its receiver knows: attempts are made now, and the event is as old as the attempt's number says.
    fn request(&self, attempt: u32, secrets: &[&str], known: &str) -> Value {
        let time_ms = match attempt {
            1 => self.now_ms,
            _ => self.now_ms - RETRY_AFTER_MS,
        };
        let facts = EventFacts {
            id: "evt_2f9k81",
            event_type: self.event_type,
            data: self.data,
            time: jiff::Timestamp::from_millisecond(i64::try_from(time_ms).unwrap()).unwrap(),
            is_time_given: false,
            request_id: "req_1",
            metadata: None,
        };
        let body = self.dialect.body(&facts).unwrap();
        let request = self.dialect.request(&SignInput {
            event_id: facts.id,
            event_type: self.event_type,
            delivery_id: uuid::Uuid::from_u128(7),
            webhook_id: "wh_1",
            tenant: TENANT,
            url: URL,
            attempt,
            time_ms: self.now_ms,
            body: &body,
            secret: secrets[0],
            newer_secrets: &secrets[1..],
            ..SignInput::default()
        });
        let request = request.unwrap();
        let headers: BTreeMap<&str, &str> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        json!({
            "vendor": self.dialect.name,
            "url": URL,
            "headers": headers,
            "body": String::from_utf8(request.body.into_owned()).unwrap(),
            "secret": known,
            "public": KeyPair::parse(known).map(|pair| pair.public_key()),
            "tenant": TENANT,
            "now": self.now_ms / 1000 + 2,
        })
    }

    /// The body with another text in its data; of data without texts, with one more byte.
    fn tampered(&self, body: &str) -> String {
        let data: Value = serde_json::from_str(&serde_json::to_string(self.data).unwrap()).unwrap();
        match first_text(&data) {
            Some(text) => {
                let (rest, last) = text.split_at(text.len() - 1);
                let last = if last == "x" { "y" } else { "x" };
                let changed = body.replacen(&text, &format!("{rest}{last}"), 1);
                assert_ne!(changed, body, "{text}");
                changed
            }
            None => format!("{body} "),
        }
    }
}

/// The first text of letters and digits alone, which no encoding changes.
fn first_text(data: &Value) -> Option<String> {
    match data {
        Value::String(text) => {
            let is_plain =
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_plain.then(|| text.clone())
        }
        Value::Array(elements) => elements.iter().find_map(first_text),
        Value::Object(members) => members.values().find_map(first_text),
        _ => None,
    }
}

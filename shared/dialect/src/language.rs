//! The language of dialect files: every key with its form, bounds and default.
//!
//! One table says it all. A file is held against it ([`check`](super::document::check)), the JSON Schema for editors is made from it
//! ([`schema`](super::schema)), and so is the reference in `docs/dialects.md`.

use rung_json::limits::REQUEST_BYTES;

use super::limits::{LADDER_WAIT_MS, LADDER_WAITS, TIMEOUT_MS};

/// A table of a file.
#[derive(Debug)]
pub(super) struct Section {
    /// As messages name it.
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What holds without it; `None` where it must be there.
    pub(super) default: Option<&'static str>,
    /// What it might be.
    pub(super) example: &'static str,
    pub(super) about: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum Form {
    Text,
    Flag,
    Whole {
        least: u64,
        most: u64,
    },
    Decimal {
        least: f64,
        most: f64,
    },
    /// A number with its unit; bounds in milliseconds.
    Duration {
        least_ms: u64,
        most_ms: u64,
    },
    /// The same, or one of the words.
    DurationOr {
        words: &'static [&'static str],
        least_ms: u64,
        most_ms: u64,
    },
    Choice(&'static [&'static str]),
    /// A text, a number, true, false, or a list of such.
    Constant,
    List {
        of: &'static Form,
        most: usize,
    },
    Table(&'static Section),
    /// A table whose keys the file names itself.
    Map(&'static Form),
    /// One of the words, or the table with one of its keys.
    WordOr(&'static [&'static str], &'static Section),
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

const fn key(
    name: &'static str,
    form: Form,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Key {
    Key {
        name,
        form,
        default: Some(default),
        example,
        about,
    }
}

const fn needed(name: &'static str, form: Form, example: &'static str, about: &'static str) -> Key {
    Key {
        name,
        form,
        default: None,
        example,
        about,
    }
}

const DAY_MS: u64 = 86_400_000;
const STATUSES: Form = Form::List {
    of: &Form::Text,
    most: 100,
};

/// The file itself.
pub(super) static DIALECT: Section = Section {
    name: "a dialect file",
    keys: &[
        needed(
            "name",
            Form::Text,
            r#""acme""#,
            "what tenants and webhooks choose it by: `a-z`, `0-9`, `_` and `-`",
        ),
        key(
            "description",
            Form::Text,
            "empty",
            r#""Acme's hooks.""#,
            "what it is, in a sentence",
        ),
        key(
            "docs",
            Form::Text,
            "none",
            r#""https://acme.example/docs""#,
            "where the format is documented",
        ),
        key(
            "event_id",
            Form::Text,
            r#""evt_{base62}""#,
            r#""evt_{base62}""#,
            "the ids of events that are published without one: a text and one of `{ulid}`, `{ULID}`, `{uuid}`, `{hex}`, `{base62}`",
        ),
        key(
            "timeout",
            Form::Duration {
                least_ms: 1,
                most_ms: TIMEOUT_MS,
            },
            r#""15s""#,
            r#""15s""#,
            "from the name look-up to the response's headers",
        ),
        key(
            "body_limit",
            Form::Whole {
                least: 1,
                most: REQUEST_BYTES as u64,
            },
            "262_144",
            "65_536",
            "the largest body, in bytes",
        ),
        key(
            "success",
            STATUSES,
            r#"["2xx"]"#,
            r#"["2xx"]"#,
            "the statuses that acknowledge a delivery: `\"2xx\"` for a class, `\"200\"` for one",
        ),
        key(
            "give_up",
            STATUSES,
            "[]",
            r#"["4xx"]"#,
            "the statuses after which a delivery has failed without a further attempt; this never disables the webhook by `ladder_used_up`",
        ),
        key(
            "plans",
            Form::Map(&Form::Flag),
            "any plan, all with webhooks",
            "{ pro = true, free = false }",
            "the plans that a tenant may have, each with whether it has webhooks",
        ),
        key(
            "limits",
            Form::Map(&Form::Table(&LIMITS)),
            "none",
            "{ pro = { events_per_hour = 1000 } }",
            "what tenants of a plan may publish, by plan",
        ),
        key(
            "reparse_safe",
            Form::Flag,
            "false",
            "true",
            "whether receivers verify a body that they parsed and wrote again: then numbers that would change are refused at publishing, and with `json = \"php\"` names that begin with U+0000, which PHP does not read",
        ),
        key(
            "gone_disables",
            Form::Flag,
            "false",
            "true",
            "whether `410 Gone` disables the webhook",
        ),
        key(
            "honour_retry_after",
            Form::Flag,
            "false",
            "true",
            "whether `Retry-After` of a 429 or 503 moves the next attempt; without effect where `throttle` pauses the webhook",
        ),
        key(
            "http_version",
            Form::Choice(&["1.1"]),
            "HTTP/2 where the receiver speaks it",
            r#""1.1""#,
            "for receivers that must not be offered HTTP/2",
        ),
        key(
            "keep_alive",
            Form::Flag,
            "true",
            "false",
            "`false`: each delivery over a connection of its own, for receivers that do not read a request's body or handle one connection at a time. A webhook's `keep_alive` wins",
        ),
        key(
            "throttle",
            Form::Flag,
            "true",
            "false",
            "whether a 429, 502, 503 or 504 [pauses](pauses.md) the webhook, for as long as `Retry-After` says",
        ),
        key(
            "standard_webhooks",
            Form::Flag,
            "true",
            "false",
            "whether `webhook-id`, `webhook-timestamp` and `webhook-signature` go along",
        ),
        key(
            "user_agent",
            Form::Text,
            "`Rung/` and its version",
            r#""Acme-Hooks/2""#,
            "the `User-Agent`",
        ),
        key(
            "body",
            Form::Choice(&["json", "form"]),
            r#""json""#,
            r#""form""#,
            "how the envelope is written: as JSON, or form-encoded",
        ),
        key(
            "json",
            Form::Choice(&["javascript", "python", "php"]),
            r#""javascript""#,
            r#""python""#,
            "whose serialiser the bytes of JSON come from: `JSON.stringify`, `json.dumps` or `json_encode`, each with its defaults",
        ),
        key(
            "content_type",
            Form::Text,
            "`application/json`, or `application/x-www-form-urlencoded` of a form",
            r#""application/cloudevents+json; charset=utf-8""#,
            "the `Content-Type`",
        ),
        key(
            "disable",
            Form::WordOr(&["never", "ladder_used_up"], &DISABLE),
            r#""never""#,
            r#"{ failing_for = "5d" }"#,
            "when Rung disables a webhook by itself: `\"never\"`, `\"ladder_used_up\"`, `{ consecutive_failures = 10 }` or `{ failing_for = \"5d\" }`",
        ),
        key(
            "ladder",
            Form::Table(&LADDER),
            r#"{ waits = ["5s", "5min", "30min", "2h", "5h", "10h", "14h", "20h", "24h"], jitter = 0.1 }"#,
            r#"{ waits = ["10s", "5min"] }"#,
            "the waits between attempts: one attempt more than there are waits",
        ),
        key(
            "headers",
            Form::Map(&Form::Text),
            "none",
            r#"{ X-Acme-Topic = "{type}" }"#,
            "the dialect's own headers, as texts with values",
        ),
        key(
            "signature",
            Form::List {
                of: &Form::Table(&SIGNATURE),
                most: 8,
            },
            "none",
            "[[signature]]",
            "the dialect's own signatures",
        ),
        needed(
            "envelope",
            Form::List {
                of: &Form::Table(&MEMBER),
                most: 100,
            },
            r#"[{ key = "id", from = "id" }, { key = "data", from = "data" }]"#,
            "the body, member by member",
        ),
        key(
            "challenge",
            Form::Table(&CHALLENGE),
            "a POST of `{\"type\":\"webhook.challenge\",\"challenge\":TOKEN}`",
            r#"{ method = "GET", query = { challenge = "{token}" } }"#,
            "the shape of the [ownership challenge](receivers.md)",
        ),
        key(
            "any_type",
            Form::Table(&ANY_TYPE),
            "only the types listed",
            "[any_type]",
            "allows any type to be published",
        ),
        key(
            "group",
            Form::List {
                of: &Form::Table(&GROUP),
                most: 1_000,
            },
            "none",
            "[[group]]",
            "groups of types that webhooks can subscribe to",
        ),
        key(
            "type",
            Form::List {
                of: &Form::Table(&TYPE),
                most: 1_000,
            },
            "none",
            "[[type]]",
            "the types of events",
        ),
    ],
};

pub(super) static LIMITS: Section = Section {
    name: "a plan's limits",
    keys: &[
        key(
            "events_per_hour",
            Form::Whole {
                least: 1,
                most: u64::MAX,
            },
            "none",
            "1_000",
            "events in an hour, with each key",
        ),
        key(
            "events_per_month",
            Form::Whole {
                least: 1,
                most: u64::MAX,
            },
            "none",
            "100_000",
            "events in a calendar month of UTC",
        ),
    ],
};

pub(super) static DISABLE: Section = Section {
    name: "`disable`",
    keys: &[
        key(
            "consecutive_failures",
            Form::Whole {
                least: 1,
                most: u32::MAX as u64,
            },
            "none",
            "10",
            "so many failed attempts in a row, over all the webhook's deliveries",
        ),
        key(
            "failing_for",
            Form::Duration {
                least_ms: 1,
                most_ms: 30 * DAY_MS,
            },
            "none",
            r#""5d""#,
            "so long without a success",
        ),
    ],
};

pub(super) static LADDER: Section = Section {
    name: "`[ladder]`",
    keys: &[
        key(
            "waits",
            Form::List {
                of: &Form::Duration {
                    least_ms: 0,
                    most_ms: LADDER_WAIT_MS,
                },
                most: LADDER_WAITS,
            },
            "none",
            r#"["10s", "5min", "1h"]"#,
            "each wait, at most 30 days; or `first`, `factor` and `retries`",
        ),
        key(
            "first",
            Form::Duration {
                least_ms: 0,
                most_ms: LADDER_WAIT_MS,
            },
            "none",
            r#""30s""#,
            "the first wait of a ladder that grows",
        ),
        key(
            "factor",
            Form::Decimal {
                least: 1.0,
                most: 1_000.0,
            },
            "none",
            "2",
            "how much longer each wait is than the one before",
        ),
        key(
            "retries",
            Form::Whole {
                least: 0,
                most: LADDER_WAITS as u64,
            },
            "none",
            "8",
            "how many waits there are",
        ),
        key(
            "cap",
            Form::Duration {
                least_ms: 1,
                most_ms: LADDER_WAIT_MS,
            },
            "30 days",
            r#""1h""#,
            "the longest wait of a ladder that grows",
        ),
        key(
            "jitter",
            Form::Decimal {
                least: 0.0,
                most: 1.0,
            },
            "0",
            "0.1",
            "spreads each wait by so much of itself, either way, to whole seconds, as queues delay by those: 5 s by 0.1 stay 5 s, 30 s are 27 to 33 s",
        ),
    ],
};

/// Algorithms, encodings and the rest have their names where they are made.
pub(super) static SIGNATURE: Section = Section {
    name: "`[[signature]]`",
    keys: &[
        needed(
            "algorithm",
            Form::Choice(&[
                "hmac-sha256",
                "hmac-sha1",
                "hmac-sha512",
                "sha256",
                "sha1",
                "sha512",
                "ed25519",
                "ecdsa-p256-sha256",
            ]),
            r#""hmac-sha256""#,
            "a keyed hash; a plain hash, whose text then has the `{secret}`; or Ed25519 or ECDSA, with a key pair (`whsk_`, `p256_`) as the webhook's secret",
        ),
        needed(
            "encoding",
            Form::Choice(&[
                "hex",
                "HEX",
                "base64",
                "base64url",
                "base64url-padded",
                "base64-of-hex",
            ]),
            r#""hex""#,
            "how the signature is written; `base64url` is without padding, `base64-of-hex` the base64 of the text in hex",
        ),
        key(
            "key",
            Form::Choice(&["text", "base64", "hex"]),
            r#""text""#,
            r#""base64""#,
            "what the secret is: the key itself as text, or its base64 or hex",
        ),
        key(
            "key_prefix",
            Form::Text,
            "none",
            r#""whsec_""#,
            "what is taken off the secret first, if it begins so",
        ),
        needed(
            "signed",
            Form::Text,
            r#""{timestamp}.{body}""#,
            "the text that is signed",
        ),
        key(
            "name",
            Form::Text,
            "none",
            r#""hook""#,
            "by which the body and other headers have it, as `signature.NAME`",
        ),
        key(
            "header",
            Form::Text,
            "none",
            r#""X-Acme-Signature""#,
            "the header that has it; may be left out with a `name`",
        ),
        key(
            "value",
            Form::Text,
            r#""{signature}""#,
            r#""t={timestamp},v1={signature}""#,
            "what the header has",
        ),
        key(
            "overlap",
            Form::Text,
            "none",
            r#"",v1={signature}""#,
            "what is appended to `value` for each further secret [during a rotation](secrets.md#rotating). Omit it if your receivers read only one signature",
        ),
        key(
            "secrets",
            Form::Choice(&["oldest-first", "newest-first"]),
            r#""oldest-first""#,
            r#""newest-first""#,
            "in which order the secrets of a rotation sign; without `overlap` the first of them signs alone",
        ),
        key(
            "tolerance",
            Form::DurationOr {
                words: &["any"],
                least_ms: 1_000,
                most_ms: 30 * DAY_MS,
            },
            r#""5min""#,
            r#""any""#,
            "how old a signed time may be for receivers; `\"any\"` if they do not look at it",
        ),
    ],
};

pub(super) static MEMBER: Section = Section {
    name: "a member of the envelope",
    keys: &[
        key(
            "key",
            Form::Text,
            "none: an element of a list, or the data's members by themselves",
            r#""id""#,
            "its name",
        ),
        key(
            "from",
            Form::Text,
            "none",
            r#""id""#,
            "a value by its name, or `data`, `data_members`, `metadata`",
        ),
        key(
            "text",
            Form::Text,
            "none",
            r#""urn:acme:{id}""#,
            "a text with values",
        ),
        key(
            "value",
            Form::Constant,
            "none",
            "2",
            "a constant: a text, a number, `true`, `false`, or a list of such",
        ),
        key("null", Form::Flag, "false", "true", "`true`: `null`"),
        key(
            "fields",
            Form::List {
                of: &Form::Table(&MEMBER),
                most: 100,
            },
            "none",
            r#"[{ key = "id", from = "id" }]"#,
            "an object of these members; with `from = \"metadata\"` merged into the published metadata",
        ),
        key(
            "list",
            Form::List {
                of: &Form::Table(&MEMBER),
                most: 100,
            },
            "none",
            r#"[{ from = "data" }]"#,
            "a list of these elements; without a `key` and alone in the envelope, the whole body",
        ),
        key(
            "json",
            Form::List {
                of: &Form::Table(&MEMBER),
                most: 100,
            },
            "none",
            r#"[{ from = "data_members" }]"#,
            "a text that is the JSON of an object of these members, or of a `list` that stands alone",
        ),
    ],
};

pub(super) static CHALLENGE: Section = Section {
    name: "`[challenge]`",
    keys: &[
        key(
            "method",
            Form::Choice(&["POST", "GET", "OPTIONS"]),
            r#""POST""#,
            r#""GET""#,
            "the request's method",
        ),
        key(
            "query",
            Form::Map(&Form::Text),
            "none",
            r#"{ challenge = "{token}" }"#,
            "what is appended to the URL",
        ),
        key(
            "headers",
            Form::Map(&Form::Text),
            "none",
            r#"{ WebHook-Request-Origin = "acme.example" }"#,
            "headers of its own, instead of `Rung-Challenge`",
        ),
        key(
            "body",
            Form::List {
                of: &Form::Table(&MEMBER),
                most: 100,
            },
            "the default challenge's, or none",
            r#"[{ key = "challenge", from = "token" }]"#,
            "the body of a POST, as an `envelope`",
        ),
        key(
            "answer_header",
            Form::Text,
            "none: the token in the answer's body",
            r#""WebHook-Allowed-Origin""#,
            "the header of the answer that must be there",
        ),
        key(
            "answer_value",
            Form::Text,
            r#""{token}""#,
            r#""acme.example""#,
            "what that header must have, or `*`",
        ),
    ],
};

pub(super) static ANY_TYPE: Section = Section {
    name: "`[any_type]`",
    keys: &[
        needed(
            "example",
            Form::Text,
            r#""order.paid""#,
            "a type that stands for all",
        ),
        needed("sample", Form::Text, "'{}'", "its data, as JSON"),
    ],
};

pub(super) static GROUP: Section = Section {
    name: "`[[group]]`",
    keys: &[
        needed("name", Form::Text, r#""billing""#, "its name"),
        needed(
            "types",
            Form::List {
                of: &Form::Text,
                most: 1_000,
            },
            r#"["invoice.paid"]"#,
            "the types in it",
        ),
    ],
};

pub(super) static TYPE: Section = Section {
    name: "`[[type]]`",
    keys: &[
        needed(
            "name",
            Form::Text,
            r#""invoice.paid""#,
            "as it is published and subscribed to",
        ),
        key(
            "wire",
            Form::Text,
            "its `name`",
            r#""Push Hook""#,
            "what `{type}` is, if that is another text: printable ASCII",
        ),
        key(
            "aliases",
            Form::List {
                of: &Form::Text,
                most: 100,
            },
            "[]",
            r#"["invoice.payed"]"#,
            "other names that it is published and subscribed to by",
        ),
        key(
            "description",
            Form::Text,
            "empty",
            r#""An invoice was paid.""#,
            "when it happens",
        ),
        needed("sample", Form::Text, "'{}'", "its data, as JSON"),
        key(
            "schema",
            Form::Text,
            "any data",
            "'{}'",
            "a JSON Schema that the data must meet",
        ),
    ],
};

/// Every section with its heading in the reference.
pub(super) static SECTIONS: [(&str, &Section); 10] = [
    ("The file", &DIALECT),
    ("`[ladder]`", &LADDER),
    ("`disable`", &DISABLE),
    ("`[[signature]]`", &SIGNATURE),
    ("A member of `envelope`", &MEMBER),
    ("`[challenge]`", &CHALLENGE),
    ("`[limits.PLAN]`", &LIMITS),
    ("`[any_type]`", &ANY_TYPE),
    ("`[[group]]`", &GROUP),
    ("`[[type]]`", &TYPE),
];

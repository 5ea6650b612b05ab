//! A webhook's own headers: those that everybody who reads the webhook may see, and those whose values are secrets.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use rung_api::{
    Fields, Patch,
    limits::{HEADER_VALUE_BYTES, WEBHOOK_HEADERS, WEBHOOK_HEADERS_BYTES},
};
use rung_core::domain::webhook::{Secret, Webhook};
use rung_dialect::Dialect;
use rung_json::Json;

/// What the last words of a header's name are, written without the marks between them, if its value is a credential.
const CREDENTIALS: [&str; 17] = [
    "auth",
    "authentication",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "jwtassertion",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sessionid",
    "token",
];

/// What stands before `key` in the name of a header whose value is a credential: others are keys of messages, objects, caches.
const KEYS: [&str; 29] = [
    "access",
    "account",
    "admin",
    "api",
    "app",
    "application",
    "auth",
    "authentication",
    "authorization",
    "client",
    "consumer",
    "encryption",
    "function",
    "functions",
    "host",
    "integration",
    "license",
    "master",
    "private",
    "sas",
    "secret",
    "secure",
    "security",
    "service",
    "session",
    "shared",
    "signing",
    "subscription",
    "webhook",
];

/// How a request's maps of headers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// A map takes the place of what is there.
    Whole,
    /// A map changes what is there (RFC 7396): a name with null is removed, one that is not named stays.
    Changes,
}

/// A webhook's own headers, as they are after a request.
#[derive(Default)]
pub(super) struct OwnHeaders {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) secret_headers: BTreeMap<String, Secret>,
}

/// A header of a request, with the name as it is to be spelled; without a value it is to be removed.
struct Change {
    name: String,
    value: Option<String>,
}

impl OwnHeaders {
    /// Reads `headers` and `secret_headers`, given for a webhook that has the headers of `present` so far. Secret ones that are not
    /// given stay, as the secret does.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        given: Given,
        dialect: &Dialect,
        present: Option<&Webhook>,
    ) -> Self {
        let (mut headers, secret_headers) = present
            .map(|present| (present.headers.clone(), present.secret_headers.clone()))
            .unwrap_or_default();
        if given == Given::Whole {
            headers.clear();
        }
        // Answers list the names of `secret_headers`: whoever sends back what was read changes nothing.
        let names = Json::Array((secret_headers.keys().cloned().map(Json::String)).collect());
        let headers = read_map(fields, "headers", given, dialect, headers, |value| value);
        let secret_headers = match fields.given("secret_headers") {
            Some(as_read) if *as_read == names => secret_headers,
            Some(Json::Array(_)) if present.is_some() => {
                let problem = "lists other names than those that the webhook has now; leave it out, or give an object of names and values";
                fields.problem("secret_headers", problem);
                secret_headers
            }
            _ => read_map(
                fields,
                "secret_headers",
                given,
                dialect,
                secret_headers,
                Secret::new,
            ),
        };
        let own = Self {
            headers,
            secret_headers,
        };
        own.check_together(fields);
        if present.is_some_and(|present| present.dialect != dialect.name) {
            own.check_kept(fields, dialect);
        }
        own
    }

    /// Notes those that the webhook had before and that its new dialect sets.
    fn check_kept(&self, fields: &mut Fields<'_>, dialect: &Dialect) {
        let maps = [
            ("headers", self.headers.keys().collect::<Vec<_>>()),
            ("secret_headers", self.secret_headers.keys().collect()),
        ];
        for (map, names) in maps {
            for name in names {
                if name
                    .parse()
                    .is_ok_and(|name| dialect.reserves_header(&name))
                {
                    let problem = format!(
                        "is set by the dialect `{}` itself; remove it with null",
                        dialect.name
                    );
                    fields.problem(&format!("{map}.{name}"), problem);
                }
            }
        }
    }

    /// Notes what is wrong with both maps together.
    fn check_together(&self, fields: &mut Fields<'_>) {
        for name in self.secret_headers.keys() {
            if self
                .headers
                .keys()
                .any(|other| other.eq_ignore_ascii_case(name))
            {
                let problem = "is also in `headers`; keep one of them";
                fields.problem(&format!("secret_headers.{name}"), problem);
            }
        }
        let field = if self.secret_headers.is_empty() {
            "headers"
        } else {
            "secret_headers"
        };
        if self.headers.len() + self.secret_headers.len() > WEBHOOK_HEADERS {
            let problem = format!(
                "must be at most {WEBHOOK_HEADERS}, `headers` and `secret_headers` together"
            );
            fields.problem(field, problem);
        }
        let plain = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let secret = self.secret_headers.iter();
        let secret = secret.map(|(name, value)| name.len() + value.expose().len());
        if plain.chain(secret).sum::<usize>() > WEBHOOK_HEADERS_BYTES {
            let problem = format!(
                "must have at most {WEBHOOK_HEADERS_BYTES} bytes, `headers` and `secret_headers` together"
            );
            fields.problem(field, problem);
        }
    }
}

/// One of the two maps, as it is after the request.
fn read_map<T>(
    fields: &mut Fields<'_>,
    map: &'static str,
    given: Given,
    dialect: &Dialect,
    present: BTreeMap<String, T>,
    value: impl Fn(String) -> T,
) -> BTreeMap<String, T> {
    let members = match fields.patch(map, |members| {
        members
            .as_object()
            .ok_or_else(|| "must be an object of strings".to_owned())
    }) {
        Patch::Keep => return present,
        Patch::Clear if given == Given::Changes => return BTreeMap::new(),
        Patch::Clear => return present,
        Patch::Set(members) => members,
    };
    let mut kept = match given {
        Given::Whole => BTreeMap::new(),
        Given::Changes => present,
    };
    let mut seen = Vec::with_capacity(members.len().min(WEBHOOK_HEADERS));
    // More of them are refused as a whole, whatever they are.
    for (name, member) in members.iter().take(WEBHOOK_HEADERS + 1) {
        match read_header(map, name, member, given, dialect, &mut seen) {
            Ok(Change { name, value: text }) => {
                kept.retain(|present, _| !present.eq_ignore_ascii_case(&name));
                kept.extend(text.map(|text| (name, value(text))));
            }
            Err(problem) => fields.problem(&format!("{map}.{name}"), problem),
        }
    }
    if members.len() > WEBHOOK_HEADERS {
        fields.problem(map, format!("must be at most {WEBHOOK_HEADERS}"));
    }
    kept
}

fn read_header(
    map: &str,
    name: &str,
    value: &Json,
    given: Given,
    dialect: &Dialect,
    seen: &mut Vec<HeaderName>,
) -> Result<Change, String> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| "is not a valid header name".to_owned())?;
    if seen.contains(&parsed) {
        return Err("is given twice; give it once".to_owned());
    }
    seen.push(parsed.clone());
    if given == Given::Changes && *value == Json::Null {
        return Ok(Change {
            name: name.to_owned(),
            value: None,
        });
    }
    if dialect.reserves_header(&parsed) {
        return Err("is set by Rung itself; remove it".to_owned());
    }
    if map == "headers" && carries_credentials(&parsed) {
        return Err(
            "carries credentials; use `secret_headers`, whose values are never shown".to_owned(),
        );
    }
    let text = header_value(value).ok_or_else(|| {
        format!("must be a string of at most {HEADER_VALUE_BYTES} printable ASCII characters, without leading or trailing blanks")
    })?;
    Ok(Change {
        name: name.to_owned(),
        value: Some(text),
    })
}

/// Whether a header of this name commonly has a credential as its value. The last words tell: `X-Token` is one, `X-Token-Count` is not.
fn carries_credentials(name: &HeaderName) -> bool {
    const MARKS: [char; 3] = ['-', '_', '.'];
    let is_digit_or_mark = |c: char| c.is_ascii_digit() || MARKS.contains(&c);
    let name = name.as_str().trim_end_matches(is_digit_or_mark);
    let letters = name.replace(MARKS, "");
    let ends_with = |ends: &[&str], letters: &str| ends.iter().any(|end| letters.ends_with(end));
    ends_with(&CREDENTIALS, &letters)
        || letters
            .strip_suffix("key")
            .is_some_and(|of| ends_with(&KEYS, of))
        // By itself alone: there is `X-Possession`, too.
        || name.rsplit(MARKS).next() == Some("session")
}

fn header_value(value: &Json) -> Option<String> {
    let text = value
        .as_str()
        .filter(|text| text.len() <= HEADER_VALUE_BYTES && text.trim() == *text)?;
    // `to_str` lets through visible ASCII, blanks and tabs only.
    HeaderValue::from_str(text).ok()?.to_str().ok()?;
    Some(text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_dialect::Dialects;
    use serde_json::{Value, json};

    use super::*;

    /// The maps after a request, or the fields that are refused.
    fn read(given: Given, dialect: &str, request: &Value) -> Result<OwnHeaders, Vec<String>> {
        let dialect = Dialects::builtin().get(dialect).unwrap().clone();
        let body = Json::parse(request.to_string().as_bytes(), 9).unwrap();
        let mut fields = Fields::of(&body).unwrap();
        let own = OwnHeaders::read(&mut fields, given, &dialect, None);
        match fields.finish() {
            Ok(()) => Ok(own),
            Err(error) => Err(error
                .details
                .into_iter()
                .map(|detail| detail.field)
                .collect()),
        }
    }

    fn refused(map: &str, name: &str) -> bool {
        let field = format!("{map}.{name}");
        read(Given::Whole, "odin", &json!({map: {name: "x"}})).err() == Some(vec![field])
    }

    #[test]
    fn headers_of_the_connection_of_rung_and_of_the_dialect_are_refused() {
        let own = read(Given::Whole, "odin", &json!({"headers": {"X-Team": "a b"}}));
        assert_eq!(own.unwrap().headers["X-Team"], "a b");
        for name in [
            "Host",
            "content-length",
            "Content-Language",
            "Date",
            "Expect",
            "Keep-Alive",
            "Proxy-Connection",
            "Traceparent",
            "Transfer-Encoding",
            "Webhook-Id",
            "webhook-extra",
            "Rung-Test",
            "Rung-Hops",
            "X-Odin-Signature",
            "User-Agent",
            "",
            "a b",
            "x:y",
        ] {
            assert!(refused("headers", name), "{name:?}");
            assert!(refused("secret_headers", name), "{name:?}");
        }
        let odins = json!({"headers": {"X-Odin-Signature": "x"}});
        assert!(read(Given::Whole, "standard", &odins).is_ok());
    }

    #[test]
    fn names_that_carry_credentials_are_for_secret_headers() {
        for name in [
            "Authorization",
            "authorization",
            "Proxy-Authorization",
            "X-Authorization",
            "Authentication",
            "X-Auth",
            "X-Basic-Auth",
            "X-OAuth2",
            "Cookie",
            "Cookie2",
            "Api-Key",
            "X-Api-Key",
            "X-Api-Key-2",
            "x-acme-api-key",
            "X-RapidAPI-Key",
            "X-ApiKey",
            "x_api_key",
            "x.api.key",
            "X-Access-Key",
            "X-AccessKey",
            "X-Auth-Key",
            "X-Functions-Key",
            "Ocp-Apim-Subscription-Key",
            "aeg-sas-key",
            "DD-Application-Key",
            "X-Master-Key",
            "X-Private-Key",
            "X-Shared-Key",
            "X-Secret-Key",
            "Token",
            "Private-Token",
            "X-Access_Token",
            "X-Amz-Security-Token",
            "X-Auth-Token",
            "X-AuthToken",
            "X-Vault-Token",
            "X-Bearer",
            "X-Jwt",
            "X-Goog-Iap-Jwt-Assertion",
            "Secret",
            "X-Secret",
            "X-Client-SECRET",
            "X-Shared-Secret",
            "X-Credential",
            "X-Credentials",
            "X-Passcode",
            "X-Passphrase",
            "X-Passwd",
            "X-Password",
            "X-Pwd",
            "X-Session",
            "X-Session-Id",
            "X-SessionId",
        ] {
            assert!(refused("headers", name), "{name}");
            let own = read(
                Given::Whole,
                "odin",
                &json!({"secret_headers": {name: "s"}}),
            );
            assert_eq!(own.unwrap().secret_headers[name].expose(), "s", "{name}");
        }
        for name in [
            "X-Author",
            "X-Authority",
            "X-Auth-Type",
            "X-Access-Key-Id",
            "X-Bitbucket-Event-Key",
            "X-Cache-Key",
            "X-Cookies",
            "X-Idempotency-Key",
            "X-Key",
            "X-Key-Version",
            "X-Message-Key",
            "X-Monkey",
            "X-Partition-Key",
            "X-Possession",
            "X-Public-Key",
            "X-Routing-Key",
            "X-Secretary",
            "X-Session-Type",
            "X-Sessions",
            "X-Signature",
            "X-Team",
            "X-Token-Count",
            "X-Tokens-Left",
        ] {
            assert!(!refused("headers", name), "{name}");
        }
    }

    #[test]
    fn header_values_cannot_smuggle_lines_and_names_are_told_apart_without_case() {
        for map in ["headers", "secret_headers"] {
            for (wrong, field) in [
                (json!({"X-A": "a\r\nX-B: b"}), "X-A"),
                (json!({"X-A": "ä"}), "X-A"),
                (json!({"X-A": " a"}), "X-A"),
                (json!({"X-A": 1}), "X-A"),
                (json!({"X-A": null}), "X-A"),
                (json!({"X-A": "1", "x-a": "2"}), "x-a"),
            ] {
                let refused = read(Given::Whole, "odin", &json!({map: wrong})).err();
                assert_eq!(refused, Some(vec![format!("{map}.{field}")]), "{wrong}");
            }
        }
        let both = json!({"headers": {"X-A": "1"}, "secret_headers": {"x-a": "2"}});
        let refused = read(Given::Whole, "odin", &both).err();
        assert_eq!(refused, Some(vec!["secret_headers.x-a".to_owned()]));
    }

    #[test]
    fn headers_are_few_and_small_together() {
        let of = |count: usize, name: usize, value: usize| {
            let member = |n| (format!("x-{n:0>name$}"), Value::from("v".repeat(value)));
            let members: Vec<_> = (0..count).map(member).collect();
            let (plain, secret) = members.split_at(count / 2);
            let map = |half: &[(String, Value)]| Value::Object(half.iter().cloned().collect());
            let request = json!({"headers": map(plain), "secret_headers": map(secret)});
            read(Given::Whole, "odin", &request)
        };
        assert!(of(WEBHOOK_HEADERS, 10, 10).is_ok());
        assert!(of(WEBHOOK_HEADERS + 1, 10, 10).is_err());
        assert!(of(1, 10, HEADER_VALUE_BYTES).is_ok());
        assert!(of(1, 10, HEADER_VALUE_BYTES + 1).is_err());
        assert!(of(7, 10, HEADER_VALUE_BYTES).is_err());
        assert!(of(1, WEBHOOK_HEADERS_BYTES, 1).is_err());
    }
}

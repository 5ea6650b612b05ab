//! What a receiver is asked with: genuine deliveries, and forged ones.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use rung_base::{
    chance,
    clock::{Clock, timestamp},
};
use rung_core::flow::accept::{self, Refusal};
use rung_dialect::{
    Dialect, EventFacts, KeyPair, SignInput, SignatureCheck, SignedRequest, VerifyInput,
    limits::TOLERANCE_S,
};
use rung_json::{Json, limits::JSON_DEPTH};

use crate::report::Check;

/// How old a delivery is that receivers are to take for a replay.
const OLD_MS: u64 = 3_600_000;

/// Data that an event may have, and that receivers stumble over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    Unicode,
    Numbers,
    Empty,
}

impl Oddity {
    pub(crate) const ALL: [Self; 3] = [Self::Unicode, Self::Numbers, Self::Empty];

    pub(crate) fn check(self) -> Check {
        match self {
            Self::Unicode => Check::Unicode,
            Self::Numbers => Check::Numbers,
            Self::Empty => Check::EmptyData,
        }
    }

    /// Odd data of a type with this sample, in a dialect whose receivers may verify what they parsed.
    pub(crate) fn data(self, sample: &Json, is_reparse_safe: bool) -> Json {
        match self {
            Self::Unicode => with(
                sample,
                r#"{"rung_text":"Zoë, 日本語, 🦀, \u2028, \u0001, <script>&amp;'</script>, \"\\\/\n"}"#,
            ),
            Self::Numbers if is_reparse_safe => with(
                sample,
                r#"{"rung_numbers":[9007199254740991,1e21,0.1,-0,1.0]}"#,
            ),
            Self::Numbers => with(
                sample,
                r#"{"rung_numbers":[9007199254740993,18446744073709551616,1e21,0.1,-0,1.0]}"#,
            ),
            Self::Empty => Json::empty(),
        }
    }

    /// Whether `body` has it: a dialect may send some members of the data alone. Names of members stand in each body as they are.
    pub(crate) fn is_in(self, body: &[u8]) -> bool {
        let name: &[u8] = match self {
            Self::Unicode => b"rung_text",
            Self::Numbers => b"rung_numbers",
            Self::Empty => return true,
        };
        body.windows(name.len()).any(|part| part == name)
    }
}

/// The data with more members.
fn with(data: &Json, more: &str) -> Json {
    let members = data.as_object().unwrap_or_default();
    let more = Json::parse(more.as_bytes(), JSON_DEPTH).unwrap_or_else(|_| Json::empty());
    let kept = members.iter().filter(|(name, _)| more.get(name).is_none());
    let more = more.as_object().unwrap_or_default();
    Json::Object(kept.chain(more).cloned().collect())
}

/// The same data with each value changed.
fn altered(data: &Json) -> Json {
    match data {
        Json::Null => Json::Bool(true),
        Json::Bool(value) => Json::Bool(!value),
        Json::Number(number) if &**number == "1" => Json::Number("2".into()),
        Json::Number(_) => Json::Number("1".into()),
        Json::String(text) => Json::String(format!("{text}-rung")),
        Json::Array(elements) => Json::Array(elements.iter().map(altered).collect()),
        Json::Object(members) => {
            let members = members.iter();
            let altered = members.map(|(name, value)| (name.clone(), altered(value)));
            Json::Object(altered.collect())
        }
    }
}

/// A delivery that nobody has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgery {
    Body,
    Secret,
    Unsigned,
    Old,
}

impl Forgery {
    pub(crate) const ALL: [Self; 4] = [Self::Body, Self::Secret, Self::Unsigned, Self::Old];

    pub(crate) fn check(self) -> Check {
        match self {
            Self::Body => Check::ChangedBody,
            Self::Secret => Check::OtherSecret,
            Self::Unsigned => Check::NoSignature,
            Self::Old => Check::OldTimestamp,
        }
    }

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Body => "a body that was changed after it was signed",
            Self::Secret => "what another secret has signed",
            Self::Unsigned => "a delivery without a signature",
            Self::Old => "a delivery that was signed an hour ago",
        }
    }

    pub(crate) fn mend(self) -> String {
        match self {
            Self::Old => {
                format!("refuse a signed time that is more than {TOLERANCE_S} s from your clock")
            }
            Self::Unsigned => "answer 401 where the signature's header is missing".to_owned(),
            Self::Body | Self::Secret => {
                "verify the signature over the raw body before anything else, and answer 401 if it does not hold".to_owned()
            }
        }
    }
}

/// An event of a type, as it is delivered.
pub(crate) struct Delivery {
    pub(crate) event_id: String,
    /// In its stored form.
    pub(crate) body: Bytes,
}

impl Delivery {
    /// # Errors
    /// When the dialect cannot say the data.
    pub(crate) fn new(
        clock: &dyn Clock,
        dialect: &Dialect,
        event_type: &str,
        data: &Json,
    ) -> Result<Self, Refusal> {
        let wall_ms = clock.wall_ms();
        let event_id = dialect.new_event_id(wall_ms, chance::bytes());
        let facts = EventFacts {
            id: &event_id,
            event_type,
            data,
            time: timestamp(wall_ms),
            is_time_given: false,
            request_id: &format!("req_{}", chance::hex::<10>()),
            metadata: None,
        };
        let body = accept::body(dialect, &facts)?;
        Ok(Self { event_id, body })
    }
}

/// Forges deliveries out of a genuine one.
pub(crate) struct Forger<'a> {
    pub(crate) dialect: &'a Dialect,
    /// The genuine one.
    pub(crate) input: SignInput<'a>,
    pub(crate) sample: &'a Json,
    pub(crate) clock: &'a dyn Clock,
}

impl<'a> Forger<'a> {
    /// A delivery that is to be refused; the reason if the dialect does not let receivers tell it from a genuine one.
    pub(crate) fn forged(&self, forgery: Forgery) -> Result<SignedRequest<'a>, String> {
        let dialect = self.dialect;
        let signed = |input: &SignInput<'a>| {
            let request = dialect.request(input);
            request.map_err(|fault| fault.to_string())
        };
        let mut genuine = signed(&self.input)?;
        let checks = self.checks(&genuine);
        if !all_hold(&checks) {
            return Err(format!("{} has no signature", dialect.name));
        }
        let in_header = |name: &HeaderName| {
            let mut places = checks.iter().map(|check| check.place.header());
            places.any(|header| header == Some(name))
        };
        let forged = match forgery {
            Forgery::Body => return self.changed_body(genuine),
            Forgery::Secret => {
                let other = self.other_secret();
                let input = SignInput {
                    secret: &other,
                    newer_secrets: &[],
                    alone: None,
                    ..self.input
                };
                let request = dialect.request(&input).map_err(|fault| fault.to_string())?;
                SignedRequest {
                    headers: request.headers,
                    body: Cow::Owned(request.body.into_owned()),
                }
            }
            Forgery::Unsigned if genuine.headers.iter().all(|(name, _)| !in_header(name)) => {
                return Err(format!("{} has no signature in a header", dialect.name));
            }
            Forgery::Unsigned => {
                genuine.headers.retain(|(name, _)| !in_header(name));
                genuine
            }
            Forgery::Old => signed(&SignInput {
                time_ms: self.input.time_ms.saturating_sub(OLD_MS),
                ..self.input
            })?,
        };
        if all_hold(&self.checks(&forged)) {
            let what = match forgery {
                Forgery::Old => "does not sign the time",
                _ => "signs nothing with the secret",
            };
            return Err(format!("{} {what}", dialect.name));
        }
        Ok(forged)
    }

    /// The same with a body that is another one, and no longer what is signed: with one more member of the data, or with other values
    /// where a member more is not sent or not signed.
    fn changed_body(&self, genuine: SignedRequest<'a>) -> Result<SignedRequest<'a>, String> {
        let mut forged = genuine.clone();
        let mut is_changed = false;
        for data in [
            with(self.sample, r#"{"rung_changed":true}"#),
            altered(self.sample),
        ] {
            forged.body = self.body_with(&data)?;
            if forged.body == genuine.body {
                continue;
            }
            if !all_hold(&self.checks(&forged)) {
                return Ok(forged);
            }
            is_changed = true;
        }
        let dialect = &self.dialect.name;
        Err(match is_changed {
            true => format!("{dialect} does not sign the body"),
            false => {
                let event_type = self.input.event_type;
                format!("the body has nothing of the sample of {event_type} that could be changed")
            }
        })
    }

    /// The body of an event with other data.
    fn body_with(&self, data: &Json) -> Result<Cow<'a, [u8]>, String> {
        let input = &self.input;
        let changed = Delivery::new(self.clock, self.dialect, input.event_type, data);
        let changed = changed.map_err(|refusal| refusal.to_string())?;
        let input = SignInput {
            body: &changed.body,
            ..*input
        };
        let request = self.dialect.request(&input);
        let request = request.map_err(|fault| fault.to_string())?;
        Ok(Cow::Owned(request.body.into_owned()))
    }

    /// A secret of the same kind that nobody has.
    fn other_secret(&self) -> String {
        let seed = chance::bytes();
        match KeyPair::parse(self.input.secret) {
            Some(pair) => pair.another(seed).secret(),
            None => self.dialect.new_secret(seed),
        }
    }

    fn checks(&self, request: &SignedRequest<'_>) -> Vec<SignatureCheck> {
        let input = &self.input;
        let secrets = [input.secret]
            .into_iter()
            .chain(input.newer_secrets.iter().copied());
        let secrets: Vec<_> = secrets.map(str::to_owned).collect();
        self.dialect.verify(&VerifyInput {
            headers: &HeaderMap::from_iter(request.headers.iter().cloned()),
            body: &request.body,
            method: input.method,
            url: input.url,
            tenant: input.tenant,
            webhook_id: input.webhook_id,
            secrets: &secrets,
            now_s: self.clock.wall_ms() / 1000,
            tolerance_s: TOLERANCE_S,
        })
    }
}

/// Whether there are signatures, and all of them hold.
fn all_hold(checks: &[SignatureCheck]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.result.is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_base::clock::SystemClock;
    use rung_dialect::Dialects;

    use super::*;

    const BODY: &str = "\"{body}\"";

    /// What a forged body is in a dialect with this envelope, or why there is none.
    fn changed(envelope: &str, signed: &str) -> Result<String, String> {
        let file = format!(
            "name = \"own\"\nstandard_webhooks = false\n{envelope}\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = {signed}\n[any_type]\nexample = \"a.b\"\nsample = '{{\"id\": \"tr_1\", \"n\": 1}}'"
        );
        let dialects = Dialects::builtin().with_file("own.toml", &file).unwrap();
        let dialect = dialects.get("own").unwrap();
        let sample = dialect.catalogue.sample("a.b").unwrap();
        let delivery = Delivery::new(&SystemClock, dialect, "a.b", sample).unwrap();
        let forger = Forger {
            dialect,
            input: SignInput {
                event_id: &delivery.event_id,
                event_type: "a.b",
                body: &delivery.body,
                secret: "a secret of many characters",
                url: "https://example.com/hook",
                ..SignInput::default()
            },
            sample,
            clock: &SystemClock,
        };
        let forged = forger.forged(Forgery::Body)?;
        assert!(!all_hold(&forger.checks(&forged)));
        Ok(String::from_utf8(forged.body.into_owned()).unwrap())
    }

    #[test]
    fn a_forged_body_is_another_one_whatever_the_envelope_has_of_the_data() {
        for (envelope, signed, body) in [
            (
                "envelope = [{ from = \"data_members\" }]",
                BODY,
                r#"{"id":"tr_1","n":1,"rung_changed":true}"#,
            ),
            // A member alone: one more is not sent.
            (
                "envelope = [{ key = \"id\", from = \"data.id\" }]",
                BODY,
                r#"{"id":"tr_1-rung"}"#,
            ),
            (
                "body = \"form\"\nenvelope = [{ key = \"n\", from = \"data.n\" }]",
                BODY,
                "n=2",
            ),
            // Of all that is sent, one member is signed.
            (
                "envelope = [{ from = \"data_members\" }]",
                "\"{data.id}\"",
                r#"{"id":"tr_1-rung","n":2}"#,
            ),
        ] {
            assert_eq!(changed(envelope, signed), Ok(body.to_owned()), "{envelope}");
        }
    }

    #[test]
    fn where_no_body_can_be_forged_the_reason_is_the_true_one() {
        assert_eq!(
            changed("envelope = [{ key = \"x\", from = \"data.x\" }]", BODY),
            Err("the body has nothing of the sample of a.b that could be changed".to_owned())
        );
        assert_eq!(
            changed("envelope = [{ from = \"data_members\" }]", "\"{url}\""),
            Err("own does not sign the body".to_owned())
        );
    }

    #[test]
    fn odd_data_is_in_the_bodies_that_have_its_members() {
        let sample = Json::empty();
        for oddity in [Oddity::Unicode, Oddity::Numbers] {
            let data = oddity.data(&sample, false);
            let name = &data.as_object().unwrap()[0].0;
            let body = format!("payload=%7B%22{name}%22%3A");
            assert!(oddity.is_in(body.as_bytes()), "{oddity:?}");
            assert!(!oddity.is_in(br#"{"id":"tr_1"}"#), "{oddity:?}");
        }
    }
}

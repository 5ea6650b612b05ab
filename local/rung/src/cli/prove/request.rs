//! What a receiver is asked with: genuine deliveries, and forged ones.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rung_base::{
    chance,
    clock::{Clock as _, SystemClock, timestamp},
};
use rung_dialect::{Dialect, EVERY_TYPE, EventFacts, SignInput};
use rung_json::{Json, limits::JSON_DEPTH};
use url::Url;
use uuid::Uuid;

use super::super::{
    Error,
    check::{self, TOLERANCE_S, all_hold},
};

/// How old a delivery is that receivers are to take for a replay.
const OLD_MS: u64 = 3_600_000;

/// A request as it goes out.
pub(super) struct Request {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// Data that an event may have, and that receivers stumble over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    Unicode,
    Numbers,
    Empty,
}

impl Oddity {
    pub(super) const ALL: [Self; 3] = [Self::Unicode, Self::Numbers, Self::Empty];

    pub(super) fn check(self) -> &'static str {
        match self {
            Self::Unicode => "unicode",
            Self::Numbers => "numbers",
            Self::Empty => "empty_data",
        }
    }

    /// The members that it adds to the sample; `None` if it takes all away.
    fn members(self, is_reparse_safe: bool) -> Option<&'static str> {
        match self {
            Self::Unicode => Some(
                r#""rung_text":"Zoë, 日本語, 🦀, \u2028, \u0001, <script>&amp;'</script>, \"\\\/\n""#,
            ),
            Self::Numbers if is_reparse_safe => {
                Some(r#""rung_numbers":[9007199254740991,1e21,0.1,-0,1.0]"#)
            }
            Self::Numbers => {
                Some(r#""rung_numbers":[9007199254740993,18446744073709551616,1e21,0.1,-0,1.0]"#)
            }
            Self::Empty => None,
        }
    }
}

/// A delivery that nobody has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgery {
    Body,
    Secret,
    Unsigned,
    Old,
}

impl Forgery {
    pub(super) const ALL: [Self; 4] = [Self::Body, Self::Secret, Self::Unsigned, Self::Old];

    pub(super) fn check(self) -> &'static str {
        match self {
            Self::Body => "changed_body",
            Self::Secret => "other_secret",
            Self::Unsigned => "no_signature",
            Self::Old => "old_timestamp",
        }
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Body => "a body that was changed after it was signed",
            Self::Secret => "what another secret has signed",
            Self::Unsigned => "a delivery without a signature",
            Self::Old => "a delivery that was signed an hour ago",
        }
    }

    pub(super) fn mend(self, dialect: &str) -> String {
        match self {
            Self::Old => {
                format!("refuse a signed time that is more than {TOLERANCE_S} s from your clock")
            }
            Self::Unsigned => "answer 401 where the signature's header is missing".to_owned(),
            Self::Body | Self::Secret => format!(
                "verify the signature over the raw body before anything else, and answer 401 if it does not hold: `rung dialects show {dialect} --snippet python` shows how"
            ),
        }
    }
}

/// Makes requests of one dialect for one receiver.
pub(super) struct Maker {
    dialect: Arc<Dialect>,
    url: Url,
    secret: String,
    event_type: String,
    sample: String,
    event_id: String,
    delivery_id: Uuid,
}

impl Maker {
    /// # Errors
    /// When the secret cannot sign, or the dialect has no such type.
    pub(super) fn new(
        dialect: Arc<Dialect>,
        url: &Url,
        secret: &str,
        event_type: Option<&str>,
    ) -> Result<Self, Error> {
        dialect.check_secret(secret)?;
        let catalogue = &dialect.catalogue;
        let event_type = match event_type {
            Some(event_type) => catalogue.resolve_type(event_type),
            None => catalogue.first_type_of(EVERY_TYPE),
        };
        let found = event_type.and_then(|name| Some((name, catalogue.sample(name)?)));
        let (event_type, sample) =
            found.ok_or_else(|| format!("{} has no such type", dialect.name))?;
        Ok(Self {
            url: url.clone(),
            secret: secret.to_owned(),
            event_type: event_type.to_owned(),
            sample: serde_json::to_string(sample)?,
            event_id: dialect.new_event_id(SystemClock.wall_ms(), chance::bytes()),
            delivery_id: uuid::Builder::from_random_bytes(chance::bytes()).into_uuid(),
            dialect,
        })
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }

    /// A delivery as Rung makes it: always the same event for the sample, another one for odd data.
    ///
    /// # Errors
    /// When the dialect's bodies cannot have such data.
    pub(super) fn genuine(&self, oddity: Option<Oddity>) -> Result<Request, Error> {
        let Some(oddity) = oddity else {
            return self.signed(&self.sample, &self.secret, 0, &self.event_id);
        };
        let data = match oddity.members(self.dialect.reparse_safe) {
            Some(members) => self.with(members),
            None => "{}".to_owned(),
        };
        let id = self
            .dialect
            .new_event_id(SystemClock.wall_ms(), chance::bytes());
        self.signed(&data, &self.secret, 0, &id)
    }

    /// A delivery that is to be refused; the reason if the dialect does not let receivers tell it from a genuine one.
    ///
    /// # Errors
    /// As of [`genuine`](Self::genuine).
    pub(super) fn forged(&self, forgery: Forgery) -> Result<Result<Request, String>, Error> {
        let mut genuine = self.genuine(None)?;
        let checks = self.checks(&genuine);
        if !all_hold(&checks) {
            let reason = format!("{} has no signature in a header", self.dialect.name);
            return Ok(Err(reason));
        }
        let forged = match forgery {
            Forgery::Body => {
                let changed = self.with(r#""rung_changed":true"#);
                let changed = self.signed(&changed, &self.secret, 0, &self.event_id)?;
                Request {
                    body: changed.body,
                    ..genuine
                }
            }
            Forgery::Secret => {
                let other = self.dialect.new_secret(chance::bytes());
                self.signed(&self.sample, &other, 0, &self.event_id)?
            }
            Forgery::Unsigned => {
                let signs =
                    |name: &HeaderName| checks.iter().any(|check| check.header == name.as_str());
                genuine.headers.retain(|(name, _)| !signs(name));
                genuine
            }
            Forgery::Old => self.signed(&self.sample, &self.secret, OLD_MS, &self.event_id)?,
        };
        if all_hold(&self.checks(&forged)) {
            let what = match forgery {
                Forgery::Old => "time",
                _ => "body",
            };
            return Ok(Err(format!(
                "{} does not sign the {what}",
                self.dialect.name
            )));
        }
        Ok(Ok(forged))
    }

    /// The sample with more members.
    fn with(&self, members: &str) -> String {
        match self.sample.strip_suffix('}') {
            Some("{") => format!("{{{members}}}"),
            Some(start) => format!("{start},{members}}}"),
            None => self.sample.clone(),
        }
    }

    fn signed(
        &self,
        data: &str,
        secret: &str,
        age_ms: u64,
        event_id: &str,
    ) -> Result<Request, Error> {
        let time_ms = SystemClock.wall_ms().saturating_sub(age_ms);
        let data = Json::parse(data.as_bytes(), JSON_DEPTH)?;
        let body = self.dialect.body(&EventFacts {
            id: event_id,
            event_type: &self.event_type,
            data: &data,
            time: timestamp(time_ms),
            is_time_given: false,
            request_id: "req_prove",
            metadata: None,
        })?;
        let request = self.dialect.request(&SignInput {
            event_id,
            event_type: &self.event_type,
            delivery_id: self.delivery_id,
            webhook_id: "wh_prove",
            tenant: "prove",
            url: self.url.as_str(),
            time_ms,
            body: &body,
            secret,
            ..SignInput::default()
        })?;
        let mut headers = request.headers;
        headers.push((
            HeaderName::from_static("rung-test"),
            HeaderValue::from_static("true"),
        ));
        Ok(Request {
            headers,
            body: Bytes::from(request.body.into_owned()),
        })
    }

    fn checks(&self, request: &Request) -> Vec<check::Check> {
        check::check(
            &self.dialect,
            &check::Request {
                headers: &HeaderMap::from_iter(request.headers.iter().cloned()),
                body: &request.body,
                secrets: std::slice::from_ref(&self.secret),
                now_s: SystemClock.wall_ms() / 1000,
                tolerance_s: TOLERANCE_S,
            },
        )
    }
}
